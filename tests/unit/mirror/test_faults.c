/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_faults.c - disks that fail, get stuck, are slow or full
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnbd.h>

#include "base/clock.h"
#include "tests/test.h"
#include "tests/unit/mirror/fault_disk.h"
#include "tests/unit/mirror/pair.h"

#define KIB	1024ull

static bool
in_step_other_way(struct pair *p)
{
	return pair_st(p, 1)->conn == MIRROR_CONNECTED &&
	    pair_st(p, 1)->disk == MIRROR_DISK_UPTODATE &&
	    pair_st(p, 0)->disk == MIRROR_DISK_UPTODATE;
}

static bool
held_by_disk(struct pair *p)
{
	const struct mirror_status *st = pair_st(p, 0);

	return st->conn == MIRROR_HELD && st->disk == MIRROR_DISK_FAILED &&
	    strcmp(st->error_code, "disk-error") == 0 && st->peer_connected;
}

static bool
writes_wait(struct pair *p)
{
	return held_by_disk(p) && pair_st(p, 0)->held_requests > 0;
}

static bool
both_diskless(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_DISKLESS &&
	    pair_st(p, 1)->conn == MIRROR_DISKLESS;
}

static bool
node0_held(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_HELD &&
	    !pair_st(p, 0)->peer_connected;
}

static void
fail(struct pair *p, int node, uint32_t what, int error)
{
	p->fault[node]->error = error;
	p->fault[node]->start = 0;
	p->fault[node]->end = PAIR_SIZE;
	p->fault[node]->what = what;
}

/* --- reads --- */

static bool
mended(struct pair *p)
{
	return pair_st(p, 0)->repaired_bytes > 0;
}

TEST(a_read_error_is_mended_from_the_peer)
{
	struct pair *p = pair_new_faulty();
	static char buf[256 * 1024], back[256 * 1024];
	struct nbd_handle *h;

	CHECK(p != NULL);
	h = pair_front(p, 0);
	CHECK(h != NULL);
	memset(buf, 'x', sizeof(buf));
	CHECK_EQ(nbd_pwrite(h, buf, sizeof(buf), 128 * KIB, 0), 0);
	p->fault[0]->error = EIO;
	p->fault[0]->start = 200 * KIB;
	p->fault[0]->end = 204 * KIB;
	p->fault[0]->what = FAULT_DATA_READ | FAULT_HEALS;
	CHECK_EQ(nbd_pread(h, back, sizeof(back), 128 * KIB, 0), 0);
	CHECK(memcmp(buf, back, sizeof(buf)) == 0);
	CHECK(p->fault[0]->n_failed > 0);
	CHECK_EQ(p->fault[0]->end, 0);		/* was written again */
	CHECK(pair_wait(p, mended) == 0);
	CHECK_EQ(pair_st(p, 0)->repaired_bytes, 64 * KIB);
	CHECK_EQ(pair_st(p, 0)->read_errors, 1);
	CHECK_STR(pair_st(p, 0)->notice_code, "read-repaired");
	CHECK_EQ(pair_st(p, 0)->notice_count, 1);
	CHECK(pair_st(p, 0)->disk == MIRROR_DISK_UPTODATE);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
	CHECK_EQ(pair_equal(p), 1);
	nbd_close(h);
	pair_free(p);
	return 0;
}

/* What can't be mended is still read; from then on the disk has failed. */
TEST(a_read_error_that_stays_is_a_failed_disk)
{
	struct pair *p = pair_new_faulty();
	static char buf[8192], back[8192];
	struct nbd_handle *h;

	CHECK(p != NULL);
	h = pair_front(p, 0);
	CHECK(h != NULL);
	memset(buf, 'y', sizeof(buf));
	CHECK_EQ(nbd_pwrite(h, buf, sizeof(buf), 0, 0), 0);
	fail(p, 0, FAULT_DATA_READ, EIO);
	CHECK_EQ(nbd_pread(h, back, sizeof(back), 0, 0), 0);
	CHECK(memcmp(buf, back, sizeof(buf)) == 0);
	CHECK(pair_wait(p, held_by_disk) == 0);
	CHECK_STR(pair_st(p, 0)->notice_code, "read-not-repaired");
	/* reads come from the peer meanwhile */
	CHECK_EQ(nbd_pread(h, back, sizeof(back), 4096, 0), 0);
	CHECK_EQ(pair_diskless(p, 0, 2, NULL), 0);
	CHECK_EQ(nbd_pwrite(h, buf, sizeof(buf), 65536, 0), 0);
	nbd_close(h);
	pair_free(p);
	return 0;
}

static bool
verify_over(struct pair *p)
{
	return pair_st(p, 0)->verify.state > MIRROR_VERIFY_WAITING;
}

static void
op_done(struct mirror_op *op, int rc, const struct av_err *err)
{
	(void)err;
	op->deadline_ns = rc == 0 ? 1 : 2;
}

TEST(verify_mends_what_it_cant_read)
{
	struct pair *p = pair_new_faulty();
	struct mirror_verify_req req = { .repair = false };
	struct mirror_op op = { .done = op_done };
	struct av_err err = { 0 };

	CHECK(p != NULL);
	p->fault[0]->error = EIO;
	p->fault[0]->start = 1024 * KIB;
	p->fault[0]->end = 1028 * KIB;
	p->fault[0]->what = FAULT_DATA_READ | FAULT_HEALS;
	CHECK_EQ(mirror_verify(p->m[0], &op, &req, &err), 0);
	while (op.deadline_ns == 0)
		CHECK(sd_event_run(p->loop, 20000) >= 0);
	CHECK(pair_wait(p, verify_over) == 0);
	CHECK(pair_st(p, 0)->verify.state == MIRROR_VERIFY_DONE);
	CHECK_EQ(pair_st(p, 0)->verify.n_found, 0);
	CHECK_EQ(pair_st(p, 0)->repaired_bytes, 64 * KIB);
	pair_free(p);
	return 0;
}

TEST(a_read_error_alone_is_the_guests)
{
	struct pair *p = pair_new_faulty();
	static char back[4096];
	struct nbd_handle *h;

	CHECK(p != NULL);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK_EQ(pair_alone(p, 0, 2), 0);
	h = pair_front(p, 0);
	CHECK(h != NULL);
	fail(p, 0, FAULT_DATA_READ, EIO);
	CHECK(nbd_pread(h, back, sizeof(back), 0, 0) < 0);
	CHECK_EQ(nbd_get_errno(), EIO);
	nbd_close(h);
	pair_free(p);
	return 0;
}

/* --- a failed disk under the primary --- */

/* The order is given, the peer goes and comes back, sides change, the old leg
 * comes back with what it had. */
static int
life_without_disk(uint32_t what, int error)
{
	struct pair *p = pair_new_faulty();
	struct guest g = { .value_tag = 7 };
	char code[32];
	static char buf[4096];
	struct nbd_handle *h;
	int i;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 512) == 0);
	CHECK(guest_wait_acked(&g, 50) == 0);
	fail(p, 0, what, error);
	for (i = 0; i < 2 && what == FAULT_META_WRITE; i++) {
		/* a chunk without a bit, so that the bitmap is written */
		h = pair_front(p, 0);
		CHECK(h != NULL);
		CHECK(nbd_aio_pwrite(h, buf, sizeof(buf),
		    (12 + (uint64_t)i) << 20, NBD_NULL_COMPLETION, 0) >= 0);
		while (nbd_aio_in_flight(h) > 0 && !held_by_disk(p))
			CHECK(sd_event_run(p->loop, 20000) >= 0 &&
			    nbd_poll(h, 20) >= 0);
		nbd_close(h);
	}
	CHECK(pair_wait(p, what == FAULT_META_WRITE ? held_by_disk :
	    writes_wait) == 0);
	h = pair_front(p, 0);
	CHECK(h != NULL);
	CHECK_EQ(nbd_pread(h, buf, sizeof(buf), 1 << 20, 0), 0);
	CHECK(p->fault[0]->n_failed > 0);
	CHECK(!g.failed);
	CHECK_EQ(pair_diskless(p, 0, 2, NULL), 0);
	CHECK(pair_wait(p, both_diskless) == 0);
	CHECK(pair_st(p, 0)->diskless);
	CHECK(pair_st(p, 0)->peer_disk == MIRROR_DISK_UPTODATE);
	CHECK(pair_st(p, 1)->disk == MIRROR_DISK_UPTODATE);
	CHECK(pair_st(p, 1)->peer_disk == MIRROR_DISK_FAILED);
	CHECK_EQ(pair_st(p, 1)->out_of_step_bytes, PAIR_SIZE);
	CHECK_EQ(pair_st(p, 1)->gen, 2);
	CHECK(guest_wait_acked(&g, 30) == 0);
	CHECK(pair_diskless(p, 0, 2, code) < 0);
	CHECK_STR(code, "wrong-state");
	/* the peer is silent, then back */
	pair_signal(p, 1, SIGSTOP);
	CHECK(pair_wait(p, node0_held) == 0);
	CHECK_EQ(pair_alone(p, 0, 3), -EPERM);
	pair_signal(p, 1, SIGCONT);
	CHECK(pair_wait(p, both_diskless) == 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	/* killed, too */
	CHECK(pair_kill_wait_down(p, 1) == 0);
	CHECK(pair_wait(p, node0_held) == 0);
	CHECK(pair_restart(p, 1) == 0);
	CHECK(pair_wait(p, both_diskless) == 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(guest_check(&g, 0), 0);
	nbd_close(h);
	/* sides change; this leg can't be promoted */
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK(pair_primary(p, 0, true, 4, code) < 0);
	CHECK_STR(code, "not-up-to-date");
	CHECK_EQ(pair_primary(p, 1, true, 4, NULL), 0);
	CHECK_EQ(guest_check(&g, 1), 0);
	/* the disk works again, with its old content */
	p->fault[0]->what = 0;
	CHECK(pair_kill_wait_down(p, 0) == 0);
	CHECK(pair_restart(p, 0) == 0);
	CHECK(pair_wait(p, in_step_other_way) == 0);
	CHECK_EQ(pair_st(p, 1)->resync_total_bytes, PAIR_SIZE);
	CHECK_EQ(pair_equal(p), 1);
	CHECK_EQ(guest_check(&g, 1), 0);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TEST(a_failed_write_goes_on_at_the_peer)
{
	return life_without_disk(FAULT_DATA_WRITE, EIO);
}

TEST(a_failed_flush_goes_on_at_the_peer)
{
	return life_without_disk(FAULT_DATA_SYNC, EIO);
}

TEST(a_full_disk_goes_on_at_the_peer)
{
	return life_without_disk(FAULT_DATA_WRITE, ENOSPC);
}

TEST(a_bitmap_that_cant_be_written_goes_on_at_the_peer)
{
	return life_without_disk(FAULT_META_WRITE, ENOSPC);
}

/* The peer's metadata hangs: until its record is durable no write completes. */
TEST(nothing_is_acknowledged_before_the_record)
{
	struct pair *p = pair_new_faulty();
	struct guest g = { 0 };
	struct mirror_op op = { .done = op_done };
	struct av_err err = { 0 };
	uint64_t due;
	size_t acked;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	fail(p, 0, FAULT_DATA_WRITE, EIO);
	CHECK(pair_wait(p, writes_wait) == 0);
	acked = g.acked;
	p->fault[1]->stuck_meta = 1;
	CHECK_EQ(mirror_diskless(p->m[0], &op, 2, &err), 0);
	due = av_clock_ns() + 600 * AV_NS_PER_MS;
	while (av_clock_ns() < due)
		CHECK(sd_event_run(p->loop, 20000) >= 0);
	CHECK_EQ(g.acked, acked);
	CHECK_EQ(op.deadline_ns, 0);
	CHECK(pair_st(p, 0)->conn == MIRROR_HELD);
	p->fault[1]->stuck_meta = 0;
	CHECK(guest_wait_acked(&g, 10) == 0);
	CHECK_EQ(op.deadline_ns, 1);
	guest_stop(&g);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TEST(orders_without_disk_that_are_refused)
{
	struct pair *p = pair_new_faulty();
	char code[32];

	CHECK(p != NULL);
	CHECK(pair_diskless(p, 1, 2, code) < 0);
	CHECK_STR(code, "wrong-role");
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK(pair_wait(p, node0_held) == 0);
	CHECK_EQ(pair_alone(p, 0, 2), 0);
	CHECK(pair_diskless(p, 0, 2, code) < 0);
	CHECK_STR(code, "wrong-state");
	pair_free(p);
	return 0;
}

/* The order comes while the peer is away: it stands, and the peer is asked when
 * it is back; with bits set nobody knows what it may lack. */
TEST(the_order_waits_for_the_peer)
{
	struct pair *p = pair_new_faulty();
	char code[32];

	CHECK(p != NULL);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK(pair_wait(p, node0_held) == 0);
	CHECK(pair_diskless(p, 0, 2, code) < 0);
	CHECK_STR(code, "peer-unreachable");
	CHECK(pair_st(p, 0)->diskless);
	CHECK_EQ(pair_alone(p, 0, 2), -EPERM);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, both_diskless) == 0);
	pair_free(p);
	return 0;
}

static bool
told_not_up_to_date(struct pair *p)
{
	return strcmp(pair_st(p, 0)->error_code, "not-up-to-date") == 0;
}

TEST(a_peer_that_may_lack_writes_doesnt_take_over)
{
	struct pair *p = pair_new_faulty();
	struct guest g = { 0 };
	char code[32];

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	CHECK(pair_kill_wait_down(p, 1) == 0);
	CHECK(pair_wait(p, node0_held) == 0);
	CHECK(pair_diskless(p, 0, 2, code) < 0);
	CHECK(pair_restart(p, 1) == 0);
	CHECK(pair_wait(p, told_not_up_to_date) == 0);
	CHECK(pair_st(p, 0)->held_requests > 0);
	CHECK(pair_st(p, 0)->conn != MIRROR_DISKLESS);
	/* the guest starts again at the peer */
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	guest_stop(&g);
	CHECK_EQ(pair_primary(p, 1, true, 3, NULL), 0);
	CHECK_EQ(guest_check(&g, 1), 0);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* --- the secondary's disk --- */

static bool
held_by_peers_disk(struct pair *p)
{
	const struct mirror_status *st = pair_st(p, 0);

	return st->conn == MIRROR_HELD && strcmp(st->error_code,
	    "peer-disk-error") == 0 && st->held_requests > 0 &&
	    st->disk == MIRROR_DISK_UPTODATE &&
	    pair_st(p, 1)->disk == MIRROR_DISK_FAILED;
}

static bool
peer_disk_is_told(struct pair *p)
{
	return pair_st(p, 0)->peer_disk == MIRROR_DISK_FAILED;
}

TEST(the_secondarys_disk_fails)
{
	struct pair *p = pair_new_faulty();
	struct guest g = { 0 };
	char code[32];

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	fail(p, 1, FAULT_DATA_WRITE, EIO);
	CHECK(pair_wait(p, held_by_peers_disk) == 0);
	CHECK(pair_wait(p, peer_disk_is_told) == 0);
	CHECK_EQ(pair_alone(p, 0, 2), 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	CHECK(pair_primary(p, 1, true, 3, code) < 0);
	CHECK_STR(code, "not-up-to-date");
	p->fault[1]->what = 0;
	CHECK(pair_primary(p, 1, true, 3, code) < 0);
	CHECK_STR(code, "not-up-to-date");
	CHECK(pair_kill_wait_down(p, 1) == 0);
	CHECK(pair_restart(p, 1) == 0);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK(pair_st(p, 0)->resync_count > 0);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* --- stuck, slow --- */

static bool
said_slow(struct pair *p)
{
	return pair_st(p, 0)->disk_slow_ms >= MIRROR_DISK_SLOW_MS &&
	    strcmp(pair_st(p, 0)->error_code, "disk-slow") == 0;
}

static bool
not_slow(struct pair *p)
{
	return pair_st(p, 0)->disk_slow_ms == 0;
}

TEST(a_stuck_disk_is_told_and_orders_answer)
{
	struct pair *p = pair_new_faulty();
	struct guest g = { 0 }, other = { 0 };

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	p->fault[0]->stuck = 1;
	CHECK(pair_wait(p, said_slow) == 0);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
	CHECK(!g.failed && !g.over);
	p->rate_kib_s = 100;
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RATE), 0);
	/* given up: everybody else goes on at the peer */
	CHECK_EQ(pair_diskless(p, 0, 2, NULL), 0);
	CHECK(guest_start(&other, p, 0, 1024, 64) == 0);
	CHECK(guest_wait_acked(&other, 20) == 0);
	p->fault[0]->stuck = 0;
	CHECK(guest_wait_acked(&g, 20) == 0);
	CHECK(pair_wait(p, not_slow) == 0);
	guest_stop(&g);
	guest_stop(&other);
	CHECK_EQ(guest_check(&g, 0), 0);
	CHECK_EQ(guest_check(&other, 0), 0);
	guest_dispose(&g);
	guest_dispose(&other);
	pair_free(p);
	return 0;
}

/* Both legs had it, one of them is given up before it was said: the peer may
 * have it in memory alone, so it is done again there. */
TEST(a_write_of_before_is_done_again_durably)
{
	struct pair *p = pair_new_faulty();
	static char buf[4096];
	struct nbd_handle *h;
	uint64_t due, syncs;

	CHECK(p != NULL);
	h = pair_front(p, 0);
	CHECK(h != NULL);
	CHECK_EQ(nbd_pwrite(h, buf, sizeof(buf), 0, 0), 0);
	p->fault[0]->stuck = 1;
	CHECK(nbd_aio_pwrite(h, buf, sizeof(buf), 8192, NBD_NULL_COMPLETION,
	    0) >= 0);
	for (due = av_clock_ns() + 5 * AV_NS_PER_S;
	    p->fault[0]->n_stuck == 0 && av_clock_ns() < due; )
		CHECK(nbd_poll(h, 5) >= 0);
	CHECK_EQ(pair_diskless(p, 0, 2, NULL), 0);
	syncs = p->fault[1]->n_syncs;
	CHECK_EQ(nbd_aio_in_flight(h), 1);
	p->fault[0]->stuck = 0;
	CHECK(nbd_poll(h, 5000) > 0);
	CHECK_EQ(nbd_aio_in_flight(h), 0);
	CHECK(p->fault[1]->n_syncs > syncs);
	nbd_close(h);
	pair_free(p);
	return 0;
}

/* An order that waits for the disk holds up no other word. */
TEST(an_order_that_waits_holds_nobody_up)
{
	struct pair *p = pair_new_faulty();
	struct guest g = { 0 };
	struct mirror_op op = { .done = op_done };
	struct av_err err = { 0 };
	size_t n = 0;
	uint32_t *d;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	p->fault[0]->stuck = 1;
	CHECK(pair_wait(p, said_slow) == 0);
	CHECK_EQ(mirror_secondary(p->m[0], &op, &err), 0);
	d = pair_digests(p, 0, &n);
	CHECK(d != NULL && n > 0);
	free(d);
	CHECK_EQ(op.deadline_ns, 0);
	p->fault[0]->stuck = 0;
	while (op.deadline_ns == 0)
		CHECK(sd_event_run(p->loop, 20000) >= 0);
	CHECK_EQ(op.deadline_ns, 1);
	guest_stop(&g);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* Many overlapping writes, zeroes and trims while either disk is slow. */
static int
order_under_delay(int slow)
{
	struct pair *p = pair_new_faulty();
	struct guest g[4];
	int i;

	CHECK(p != NULL);
	p->fault[slow]->delay_us = 3000;
	p->fault[1 - slow]->delay_us = 300;
	for (i = 0; i < 4; i++) {
		g[i] = (struct guest){ .overlap = true,
			.value_tag = (uint64_t)i + 1 };
		CHECK(guest_start(&g[i], p, 0, 0, 64) == 0);
		g[i].seed += (uint64_t)i * 7919;
	}
	for (i = 0; i < 4; i++)
		CHECK(guest_wait_acked(&g[i], 400) == 0);
	for (i = 0; i < 4; i++) {
		guest_stop(&g[i]);
		CHECK(!g[i].failed);
		guest_dispose(&g[i]);
	}
	CHECK_EQ(pair_equal(p), 1);
	CHECK(p->fault[0]->n_zeroed > 0 && p->fault[1]->n_zeroed > 0);
	pair_free(p);
	return 0;
}

TEST(order_holds_with_a_slow_primary)	{ return order_under_delay(0); }
TEST(order_holds_with_a_slow_secondary)	{ return order_under_delay(1); }

/* --- trim --- */

TEST(trim_reads_as_zeros_on_both_legs)
{
	struct pair *p = pair_new_faulty();
	static char buf[512 * 1024], back[512 * 1024];
	struct nbd_handle *h;
	uint64_t syncs[2];
	uint32_t *d[2];
	size_t n[2], turn;
	int i;

	CHECK(p != NULL);
	h = pair_front(p, 0);
	CHECK(h != NULL);
	CHECK_EQ(nbd_can_trim(h), 1);
	for (turn = 0; turn < 2; turn++) {
		/* the second time without fallocate */
		for (i = 0; i < 2 && turn == 1; i++)
			p->fault[i]->what = FAULT_NO_ZERO;
		memset(buf, 'z', sizeof(buf));
		CHECK_EQ(nbd_pwrite(h, buf, sizeof(buf), 0, 0), 0);
		for (i = 0; i < 2; i++)
			syncs[i] = p->fault[i]->n_syncs;
		CHECK_EQ(nbd_trim(h, 100000, 4444, LIBNBD_CMD_FLAG_FUA), 0);
		for (i = 0; i < 2; i++)
			CHECK(p->fault[i]->n_syncs > syncs[i]);
		memset(buf + 4444, 0, 100000);
		CHECK_EQ(nbd_pread(h, back, sizeof(back), 0, 0), 0);
		CHECK(memcmp(buf, back, sizeof(buf)) == 0);
		CHECK_EQ(pair_equal(p), 1);
	}
	for (i = 0; i < 2; i++) {
		/* preallocated: it keeps its space */
		CHECK(p->fault[i]->n_zeroed > 0);
		CHECK_EQ(p->fault[i]->n_punched, 0);
		d[i] = pair_digests(p, i, &n[i]);
		CHECK(d[i] != NULL);
		free(d[i]);
	}
	nbd_close(h);
	pair_free(p);
	return 0;
}

/* --- the lease --- */

static bool
lease_over(struct pair *p)
{
	return pair_st(p, 0)->lease_expired && strcmp(pair_st(p, 0)->error_code,
	    "lease") == 0;
}

static bool
lease_fine(struct pair *p)
{
	return !pair_st(p, 0)->lease_expired;
}

static bool
held_by_lease(struct pair *p)
{
	return lease_over(p) && pair_st(p, 0)->held_requests > 0;
}

TEST(a_silent_agent_stops_the_server)
{
	struct pair *p = pair_new_faulty();
	struct guest g = { 0 };
	struct av_err err = { 0 };
	struct nbd_handle *h;
	static char buf[4096];
	size_t acked;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	CHECK_EQ(mirror_alive(p->m[0], 600, 0, &err), 0);
	CHECK(guest_wait_acked(&g, 1) == 0);
	CHECK(pair_wait(p, held_by_lease) == 0);
	CHECK_EQ(pair_st(p, 0)->lease_ms, 600);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
	acked = g.acked;
	/* reads wait, too */
	h = pair_front(p, 0);
	CHECK(h != NULL);
	CHECK(nbd_aio_pread(h, buf, sizeof(buf), 0, NBD_NULL_COMPLETION,
	    0) >= 0);
	CHECK_EQ(nbd_poll(h, 300), 0);
	CHECK_EQ(g.acked, acked);
	/* asking for the status is no word; an old one is none either */
	CHECK(lease_over(p));
	CHECK_EQ(mirror_alive(p->m[0], 600, av_clock_boot_ns() -
	    700 * AV_NS_PER_MS, &err), 0);
	CHECK_EQ(nbd_poll(h, 200), 0);
	CHECK(!g.over);
	CHECK_EQ(mirror_alive(p->m[0], 60000, 0, &err), 0);
	CHECK(pair_wait(p, lease_fine) == 0);
	CHECK(guest_wait_acked(&g, 10) == 0);
	CHECK(nbd_poll(h, 5000) > 0);
	guest_stop(&g);
	CHECK(!g.failed);
	nbd_close(h);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* Stopped in the middle of a write for longer than the lease: what is done when
 * it wakes isn't said. */
TEST(a_server_that_wakes_late_acknowledges_nothing)
{
	struct pair *p = pair_new_faulty();
	static char buf[4096];
	struct nbd_handle *h;
	struct av_err err = { 0 };
	uint64_t due;

	CHECK(p != NULL);
	h = pair_front(p, 0);
	CHECK(h != NULL);
	CHECK_EQ(nbd_pwrite(h, buf, sizeof(buf), 0, 0), 0);
	CHECK_EQ(mirror_alive(p->m[0], 1000, 0, &err), 0);
	p->fault[0]->stuck = 1;
	CHECK(nbd_aio_pwrite(h, buf, sizeof(buf), 8192, NBD_NULL_COMPLETION,
	    0) >= 0);
	for (due = av_clock_ns() + 5 * AV_NS_PER_S;
	    p->fault[0]->n_stuck == 0 && av_clock_ns() < due; )
		CHECK(nbd_poll(h, 5) >= 0);
	CHECK(p->fault[0]->n_stuck > 0);
	pair_signal(p, 0, SIGSTOP);
	/* an agent's word that waits in the socket is as old as it is */
	CHECK_EQ(mirror_alive(p->m[0], 1000, 0, &err), 0);
	due = av_clock_ns() + 1300 * AV_NS_PER_MS;
	while (av_clock_ns() < due)
		CHECK(sd_event_run(p->loop, 20000) >= 0);
	p->fault[0]->stuck = 0;
	pair_signal(p, 0, SIGCONT);
	CHECK(pair_wait(p, held_by_lease) == 0);
	CHECK_EQ(nbd_poll(h, 300), 0);
	CHECK_EQ(nbd_aio_in_flight(h), 1);
	CHECK_EQ(mirror_alive(p->m[0], 60000, 0, &err), 0);
	CHECK(nbd_poll(h, 5000) > 0);
	CHECK_EQ(nbd_aio_in_flight(h), 0);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK_EQ(pair_equal(p), 1);
	nbd_close(h);
	pair_free(p);
	return 0;
}

/* --- a client that goes away in the middle of a write --- */

TEST(a_client_that_dies_in_the_middle_leaves_equal_legs)
{
	struct pair *p = pair_new_faulty();
	static char buf[1 << 20];
	struct nbd_handle *h;
	int turn;

	CHECK(p != NULL);
	p->fault[0]->delay_us = 500;
	p->fault[1]->delay_us = 2000;
	for (turn = 0; turn < 40; turn++) {
		h = pair_front(p, 0);
		CHECK(h != NULL);
		memset(buf, 'a' + turn % 26, sizeof(buf));
		CHECK(nbd_aio_pwrite(h, buf, sizeof(buf),
		    (uint64_t)(turn % 3) << 19, NBD_NULL_COMPLETION, 0) >= 0);
		if (turn % 2 == 0)	/* part of it is in the socket */
			CHECK(nbd_aio_notify_write(h) >= 0 ||
			    nbd_get_errno() != 0);
		nbd_close(h);
	}
	h = pair_front(p, 0);
	CHECK(h != NULL);
	CHECK_EQ(nbd_flush(h, 0), 0);
	CHECK_EQ(nbd_pwrite(h, buf, sizeof(buf), 1 << 20, 0), 0);
	nbd_close(h);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(a_read_error_is_mended_from_the_peer),
	T(a_read_error_that_stays_is_a_failed_disk),
	T(verify_mends_what_it_cant_read),
	T(a_read_error_alone_is_the_guests),
	T(a_failed_write_goes_on_at_the_peer),
	T(a_failed_flush_goes_on_at_the_peer),
	T(a_full_disk_goes_on_at_the_peer),
	T(a_bitmap_that_cant_be_written_goes_on_at_the_peer),
	T(nothing_is_acknowledged_before_the_record),
	T(orders_without_disk_that_are_refused),
	T(the_order_waits_for_the_peer),
	T(a_peer_that_may_lack_writes_doesnt_take_over),
	T(the_secondarys_disk_fails),
	T(a_stuck_disk_is_told_and_orders_answer),
	T(a_write_of_before_is_done_again_durably),
	T(an_order_that_waits_holds_nobody_up),
	T(order_holds_with_a_slow_primary),
	T(order_holds_with_a_slow_secondary),
	T(trim_reads_as_zeros_on_both_legs),
	T(a_silent_agent_stops_the_server),
	T(a_server_that_wakes_late_acknowledges_nothing),
	T(a_client_that_dies_in_the_middle_leaves_equal_legs),
)
