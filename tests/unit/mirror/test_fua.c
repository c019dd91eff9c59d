/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_fua.c - what was acknowledged as durable is, on both
 * legs
 *
 * The disks note the order of changes and syncs (fault_disk.h): when a request
 * with FUA, or a flush, is answered, a sync that began after the last change has
 * ended on each leg.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnbd.h>

#include "tests/test.h"
#include "tests/unit/mirror/fault_disk.h"
#include "tests/unit/mirror/pair.h"

#define TURNS	20u

enum kind { WRITE, ZERO, TRIM, WRITE_FLUSH };

static bool
durable(const struct pair *p, int node)
{
	const struct fault_disk *f = p->fault[node];

	return f->wrote_at > 0 && f->synced_at > f->wrote_at;
}

static int
change(struct nbd_handle *h, enum kind k, uint64_t at, uint32_t n)
{
	static char buf[128 * 1024];

	memset(buf, 'f', sizeof(buf));
	switch (k) {
	case ZERO:
		return nbd_zero(h, n, at, LIBNBD_CMD_FLAG_FUA);
	case TRIM:
		return nbd_trim(h, n, at, LIBNBD_CMD_FLAG_FUA);
	case WRITE:
		return nbd_pwrite(h, buf, n, at, LIBNBD_CMD_FLAG_FUA);
	case WRITE_FLUSH:
	default:
		return nbd_pwrite(h, buf, n, at, 0) < 0 ? -1 :
		    nbd_flush(h, 0);
	}
}

/* On the legs of 'nodes' (bits), whatever the state of the pair. */
static int
all_kinds(struct pair *p, unsigned nodes)
{
	struct nbd_handle *h = pair_front(p, 0);
	uint64_t before[2];
	unsigned i, turn;

	CHECK(h != NULL);
	CHECK_EQ(nbd_can_fua(h), 1);
	for (turn = 0; turn < 4 * TURNS; turn++) {
		for (i = 0; i < 2; i++)
			before[i] = p->fault[i]->wrote_at;
		CHECK_EQ(change(h, (enum kind)(turn % 4), turn * 30000u,
		    512 + turn * 1000), 0);
		for (i = 0; i < 2; i++) {
			if (!(nodes & 1u << i))
				continue;
			CHECK(p->fault[i]->wrote_at > before[i]);
			CHECK(durable(p, (int)i));
		}
	}
	nbd_close(h);
	return 0;
}

TEST(fua_is_durable_on_both_legs)
{
	struct pair *p = pair_new_faulty();

	CHECK(p != NULL);
	CHECK_EQ(all_kinds(p, 3), 0);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TEST(fua_is_durable_though_a_disk_is_slow)
{
	struct pair *p = pair_new_faulty();

	CHECK(p != NULL);
	p->fault[0]->delay_us = 300;
	p->fault[1]->delay_us = 3000;
	CHECK_EQ(all_kinds(p, 3), 0);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TEST(fua_without_fallocate_is_durable)
{
	struct pair *p = pair_new_faulty();

	CHECK(p != NULL);
	p->fault[0]->what = p->fault[1]->what = FAULT_NO_ZERO;
	CHECK_EQ(all_kinds(p, 3), 0);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TEST(fua_is_durable_on_the_only_leg)
{
	struct pair *p = pair_new_faulty();

	CHECK(p != NULL);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK_EQ(pair_alone(p, 0, 2), 0);
	CHECK_EQ(all_kinds(p, 1), 0);
	pair_free(p);
	return 0;
}

static bool
detached(struct pair *p)
{
	return pair_st(p, 0)->disk == MIRROR_DISK_FAILED &&
	    pair_st(p, 0)->conn == MIRROR_HELD;
}

/* All that is acknowledged without a disk of one's own is. */
TEST(all_is_durable_at_the_peer_of_a_failed_disk)
{
	struct pair *p = pair_new_faulty();
	struct nbd_handle *h;
	static char buf[4096];
	char code[32];
	int turn;

	CHECK(p != NULL);
	h = pair_front(p, 0);
	CHECK(h != NULL);
	p->fault[0]->error = 5;		/* EIO */
	p->fault[0]->end = PAIR_SIZE;
	p->fault[0]->what = FAULT_DATA_WRITE;
	CHECK(nbd_aio_pwrite(h, buf, sizeof(buf), 0, NBD_NULL_COMPLETION,
	    0) >= 0);
	CHECK(nbd_poll(h, 100) >= 0);
	CHECK(pair_wait(p, detached) == 0);
	CHECK_EQ(pair_diskless(p, 0, 2, code), 0);
	for (turn = 0; turn < 20; turn++) {
		uint64_t before = p->fault[1]->wrote_at;

		/* not one of them asks for it */
		CHECK_EQ(nbd_pwrite(h, buf, sizeof(buf), 65536u +
		    (uint64_t)turn * 4096, 0), 0);
		CHECK(p->fault[1]->wrote_at > before);
		CHECK(durable(p, 1));
	}
	nbd_close(h);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(fua_is_durable_on_both_legs),
	T(fua_is_durable_though_a_disk_is_slow),
	T(fua_without_fallocate_is_durable),
	T(fua_is_durable_on_the_only_leg),
	T(all_is_durable_at_the_peer_of_a_failed_disk),
)
