/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_bad_sector.c - the only whole copy can't be read at a
 * place
 *
 * A resync goes round it, ends in a state that says so, and gets to its end
 * once the place was written again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnbd.h>

#include "tests/test.h"
#include "tests/unit/mirror/fault_disk.h"
#include "tests/unit/mirror/pair.h"

#define KIB		1024u
#define BAD_AT		(5u << 20)	/* a chunk; one sector of it is bad */

static bool
in_step(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_CONNECTED &&
	    pair_st(p, 1)->conn == MIRROR_CONNECTED &&
	    pair_st(p, 1)->disk == MIRROR_DISK_UPTODATE;
}

/* All but the bad chunk is copied. */
static bool
went_round(struct pair *p)
{
	const struct mirror_status *st = pair_st(p, 0);

	return st->conn == MIRROR_RESYNC_SOURCE &&
	    pair_st(p, 1)->conn == MIRROR_RESYNC_TARGET &&
	    strcmp(st->error_code, "disk-error") == 0 &&
	    st->out_of_step_bytes == 64 * KIB;
}

static bool
nothing_copied(struct pair *p)
{
	const struct mirror_status *st = pair_st(p, 0);

	return st->conn == MIRROR_RESYNC_SOURCE &&
	    strcmp(st->error_code, "disk-error") == 0 &&
	    strstr(st->error_text, "255 other") != NULL;
}

static void
unreadable(struct pair *p, uint64_t start, uint64_t end)
{
	p->fault[0]->error = EIO;
	p->fault[0]->start = start;
	p->fault[0]->end = end;
	p->fault[0]->what = FAULT_DATA_READ | FAULT_HEALS;
}

/* The peer misses writes all over the volume. */
static struct pair *
pair_apart(void)
{
	struct pair *p = pair_new_faulty();
	static char buf[1 << 20];
	struct nbd_handle *h;
	uint64_t at;
	bool ok;

	if (p == NULL)
		return NULL;
	ok = pair_order(p, 1, MIRROR_V_DISCONNECT) == 0 &&
	    pair_alone(p, 0, 2) == 0;
	h = ok ? pair_front(p, 0) : NULL;
	for (at = 0; h != NULL && at < PAIR_SIZE; at += sizeof(buf)) {
		memset(buf, 'a' + (int)(at >> 20), sizeof(buf));
		ok = ok && nbd_pwrite(h, buf, sizeof(buf), at, 0) == 0;
	}
	nbd_close(h);
	if (ok && h != NULL)
		return p;
	pair_free(p);
	return NULL;
}

static int
write_bad_chunk(struct pair *p)
{
	static char buf[64 * KIB];
	struct nbd_handle *h = pair_front(p, 0);
	int rc;

	memset(buf, 'Z', sizeof(buf));
	rc = h == NULL ? -1 : nbd_pwrite(h, buf, sizeof(buf), BAD_AT, 0);
	nbd_close(h);
	return rc;
}

/* The guest goes on on both legs, over one connection: nothing is tried again
 * meanwhile. */
static int
guest_goes_on(struct pair *p)
{
	struct guest g = { .limit = 300, .value_tag = 5 };
	uint64_t failed = p->fault[0]->n_failed;

	CHECK_EQ(guest_start(&g, p, 0, 0, 64), 0);
	while (!g.over) {
		CHECK(sd_event_run(p->loop, 5000) >= 0);
		CHECK(pair_st(p, 0)->conn == MIRROR_RESYNC_SOURCE);
		CHECK(pair_st(p, 0)->peer_connected);
	}
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(g.acked, 300);
	CHECK_EQ(p->fault[0]->n_failed, failed);
	guest_dispose(&g);
	return 0;
}

TEST(a_resync_goes_round_a_bad_sector)
{
	struct pair *p = pair_apart();
	const struct mirror_status *st;
	char code[32], at[32];

	CHECK(p != NULL);
	unreadable(p, BAD_AT + 4096, BAD_AT + 4608);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, went_round) == 0);
	st = pair_st(p, 0);
	CHECK_EQ(st->resync_total_bytes, PAIR_SIZE);
	CHECK_EQ(st->resync_copied_bytes, PAIR_SIZE - 64 * KIB);
	CHECK_EQ(st->resync_eta_s, 0);
	CHECK_EQ(st->resync_count, 0);
	CHECK(st->disk == MIRROR_DISK_UPTODATE);
	CHECK(st->read_errors > 0);
	CHECK_STR(st->notice_code, "disk-error");
	CHECK_EQ(st->notice_count, 1);
	(void)snprintf(at, sizeof(at), "at %u ", BAD_AT);
	CHECK(strstr(st->notice_text, at) != NULL);
	CHECK(strstr(st->error_text, at) != NULL);
	CHECK(pair_st(p, 1)->disk == MIRROR_DISK_INCONSISTENT);
	CHECK_EQ(guest_goes_on(p), 0);
	/* the other copy isn't whole */
	CHECK(pair_kill_wait_down(p, 0) == 0);
	CHECK(pair_primary(p, 1, true, 3, code) < 0);
	CHECK_STR(code, "not-up-to-date");
	/* this one is, but for the place */
	CHECK(pair_restart(p, 0) == 0);
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK(pair_wait(p, went_round) == 0);
	/* a write to the place mends it */
	CHECK_EQ(write_bad_chunk(p), 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RESYNC_RESUME), 0);
	CHECK(pair_wait(p, in_step) == 0);
	CHECK_STR(pair_st(p, 0)->error_code, "");
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TEST(a_resync_of_nothing_but_bad_sectors_rests)
{
	struct pair *p = pair_apart();

	CHECK(p != NULL);
	unreadable(p, 0, PAIR_SIZE);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, nothing_copied) == 0);
	CHECK_EQ(pair_st(p, 0)->out_of_step_bytes, PAIR_SIZE);
	p->fault[0]->what = FAULT_DATA_READ;	/* writes mend nothing */
	CHECK_EQ(guest_goes_on(p), 0);
	p->fault[0]->what = 0;
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RESYNC_RESUME), 0);
	CHECK(pair_wait(p, in_step) == 0);
	CHECK_STR(pair_st(p, 0)->error_code, "");
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

/* Read again at once: what passes by itself is no bad sector. */
TEST(a_read_that_fails_once_is_no_bad_sector)
{
	struct pair *p = pair_apart();

	CHECK(p != NULL);
	unreadable(p, BAD_AT, BAD_AT + 512);
	p->fault[0]->reads_to_fail = 1;
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, in_step) == 0);
	CHECK_EQ(pair_st(p, 0)->read_errors, 1);
	CHECK_EQ(pair_st(p, 0)->notice_count, 0);
	CHECK_EQ(pair_st(p, 0)->resync_count, 1);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(a_resync_goes_round_a_bad_sector),
	T(a_resync_of_nothing_but_bad_sectors_rests),
	T(a_read_that_fails_once_is_no_bad_sector),
)
