/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_verify.c - the legs compared online, and mended
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/test.h"
#include "tests/unit/mirror/pair.h"

#define UNIT	"00112233445566778899aabbccddeeff"
#define VOLUME	"0123456789abcdef0123456789abcdef"

static struct pair_outcome last;

static int
verify(struct pair *p, int node, bool repair, uint64_t rate_kib_s)
{
	struct mirror_verify_req req = { .repair = repair,
		.rate_kib_s = rate_kib_s };
	struct av_err err = { 0 };

	last = (struct pair_outcome){ .op.done = pair_order_done };
	return pair_order_wait(p, &last, mirror_verify(p->m[node], &last.op,
	    &req, &err), &err);
}

static int
cancel(struct pair *p, int node)
{
	struct av_err err = { 0 };

	last = (struct pair_outcome){ .op.done = pair_order_done };
	return pair_order_wait(p, &last, mirror_verify_cancel(p->m[node],
	    &last.op, &err), &err);
}

static const struct mirror_verify *
state(struct pair *p)
{
	return &pair_st(p, 0)->verify;
}

static bool
is_over(struct pair *p)
{
	return state(p)->state == MIRROR_VERIFY_DONE ||
	    state(p)->state == MIRROR_VERIFY_FAILED ||
	    state(p)->state == MIRROR_VERIFY_CANCELLED;
}

static bool
is_waiting(struct pair *p)
{
	return state(p)->state == MIRROR_VERIFY_WAITING;
}

static bool
has_begun(struct pair *p)
{
	return state(p)->state == MIRROR_VERIFY_RUNNING &&
	    state(p)->done_bytes > 0;
}

static int
verify_all(struct pair *p, bool repair)
{
	CHECK_EQ(verify(p, 0, repair, 0), 0);
	CHECK(pair_wait(p, is_over) == 0);
	CHECK(state(p)->state == MIRROR_VERIFY_DONE);
	CHECK_EQ(state(p)->total_bytes, PAIR_SIZE);
	CHECK_EQ(state(p)->done_bytes, PAIR_SIZE);
	return 0;
}

/* Bytes that nobody wrote through the mirror. */
static int
corrupt(struct pair *p, int node, uint64_t offset)
{
	char path[128];
	int fd;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/leg%d/vol-o3.data", p->dir,
	    node);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : pwrite(fd, node == 0 ? "rot" : "bad", 3,
	    (off_t)offset);
	if (fd >= 0)
		(void)close(fd);
	return n == 3 ? 0 : -1;
}

TEST(a_corrupted_block_is_found_and_mended)
{
	struct pair *p = pair_new_connected();
	static struct guest g = { .limit = 100 };
	int node;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 100) == 0);
	guest_stop(&g);
	CHECK(verify_all(p, false) == 0);
	CHECK_EQ(state(p)->n_found, 0);
	for (node = 0; node < 2; node++) {
		CHECK(corrupt(p, node, 5 * MIRROR_CHUNK_BYTES + 100) == 0);
		CHECK(corrupt(p, node, PAIR_SIZE - 3) == 0);
		CHECK(verify_all(p, false) == 0);
		CHECK_EQ(state(p)->n_found, 2);
		CHECK(state(p)->finished_at > 1700000000);
		CHECK(state(p)->last.state == MIRROR_VERIFY_DONE);
		CHECK_EQ(state(p)->last.finished_at, state(p)->finished_at);
		CHECK_EQ(state(p)->last.n_found, 2);
		CHECK_EQ(state(p)->last.n_repaired, 0);
		CHECK_EQ(state(p)->n_repaired, 0);
		CHECK_EQ(state(p)->n_list, 2);
		CHECK_EQ(state(p)->list[0], 5 * MIRROR_CHUNK_BYTES);
		CHECK_EQ(state(p)->list[1], PAIR_SIZE - MIRROR_CHUNK_BYTES);
		CHECK_EQ(pair_equal(p), 0);	/* only told */
		CHECK(verify_all(p, true) == 0);
		CHECK_EQ(state(p)->n_repaired, 2);
		CHECK_EQ(pair_equal(p), 1);
		CHECK(verify_all(p, true) == 0);
		CHECK_EQ(state(p)->n_found, 0);
		CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
	}
	/* it is told until the next one has ended, too */
	CHECK_EQ(verify(p, 0, false, 1), 0);
	CHECK_EQ(state(p)->finished_at, 0);
	CHECK_EQ(state(p)->last.n_found, 0);
	CHECK_EQ(cancel(p, 0), 0);
	CHECK(pair_wait(p, is_over) == 0);
	CHECK(state(p)->last.state == MIRROR_VERIFY_CANCELLED);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* What was rotten on node 1 alone is the guest's again. */
TEST(the_secondary_is_mended_from_the_primary)
{
	struct pair *p = pair_new_connected();
	static struct guest g = { .limit = 300 };
	uint64_t at;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 300) == 0);
	guest_stop(&g);
	for (at = 0; at < 256 * PAIR_BLOCK; at += PAIR_BLOCK)
		CHECK(corrupt(p, 1, at) == 0);
	CHECK(verify_all(p, true) == 0);
	CHECK_EQ(state(p)->n_found, 256 * PAIR_BLOCK / MIRROR_CHUNK_BYTES);
	CHECK_EQ(state(p)->n_repaired, state(p)->n_found);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_primary(p, 1, true, 2, NULL), 0);
	CHECK_EQ(guest_check(&g, 1), 0);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* Four writers in one run of chunks, so that a write is always under way when
 * it is looked at. */
TEST(writes_under_way_are_no_findings)
{
	struct pair *p = pair_new_connected();
	static struct guest g[4];	/* a failed test leaves them running */
	int i, turn;

	CHECK(p != NULL);
	for (i = 0; i < 4; i++) {
		g[i] = (struct guest){ .overlap = true };
		CHECK(guest_start(&g[i], p, 0, 0, 64) == 0);
		g[i].seed += (uint64_t)i * 99991;
	}
	for (turn = 0; turn < 5; turn++) {
		CHECK(verify_all(p, turn == 1) == 0);
		CHECK_EQ(state(p)->n_found, 0);
	}
	CHECK(corrupt(p, 1, 64 * PAIR_BLOCK + 77) == 0);
	CHECK(verify_all(p, true) == 0);
	CHECK_EQ(state(p)->n_found, 1);
	CHECK_EQ(state(p)->n_repaired, 1);
	for (i = 0; i < 4; i++) {
		guest_stop(&g[i]);
		CHECK(!g[i].failed);
		guest_dispose(&g[i]);
	}
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TEST(it_waits_for_the_peer_and_ends_on_order)
{
	struct pair *p = pair_new_connected();
	uint64_t done;

	CHECK(p != NULL);
	CHECK_EQ(verify(p, 1, false, 0), -EPERM);
	CHECK_STR(last.code, "wrong-role");
	CHECK_EQ(cancel(p, 0), -EALREADY);
	CHECK_EQ(verify(p, 0, false, 1024), 0);	/* 16 s */
	CHECK(pair_wait(p, has_begun) == 0);
	CHECK_EQ(verify(p, 0, false, 0), -EALREADY);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK(pair_wait(p, is_waiting) == 0);
	done = state(p)->done_bytes;
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, has_begun) == 0);
	CHECK(state(p)->done_bytes >= done);	/* not from the start again */
	CHECK_EQ(cancel(p, 0), 0);
	CHECK(pair_wait(p, is_over) == 0);
	CHECK(state(p)->state == MIRROR_VERIFY_CANCELLED);
	CHECK(state(p)->done_bytes < PAIR_SIZE);
	/* a change of sides ends it as well */
	CHECK_EQ(verify(p, 0, false, 1024), 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK(pair_wait(p, is_over) == 0);
	CHECK(state(p)->state == MIRROR_VERIFY_FAILED);
	CHECK_STR(state(p)->code, "wrong-role");
	CHECK_EQ(pair_primary(p, 0, true, 2, NULL), 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_DISCONNECT), 0);
	CHECK_EQ(verify(p, 0, false, 0), -ENOTCONN);
	CHECK_STR(last.code, "wrong-state");
	CHECK(pair_kill_wait_down(p, 0) == 0);
	CHECK(pair_restart(p, 0) == 0);
	CHECK(state(p)->state == MIRROR_VERIFY_NONE);
	pair_free(p);
	return 0;
}

static bool
write_held(struct pair *p)
{
	return pair_st(p, 0)->held_requests > 0;
}

/* The peer hangs under writers and a verify with repair: orders are obeyed, the
 * guest goes on, and the verify ends once the peer is back. */
TEST(a_lost_peer_holds_nobody_up)
{
	struct pair *p = pair_new_connected();
	static struct guest g[2];
	int i;

	CHECK(p != NULL);
	for (i = 0; i < 2; i++) {
		g[i] = (struct guest){ .overlap = true };
		CHECK(guest_start(&g[i], p, 0, 0, 4096) == 0);
		g[i].seed += (uint64_t)i * 99991;
	}
	CHECK(guest_wait_acked(&g[0], 20) == 0);
	CHECK_EQ(verify(p, 0, true, 8192), 0);	/* 2 s */
	CHECK(pair_wait(p, has_begun) == 0);
	pair_signal(p, 1, SIGSTOP);
	CHECK(pair_wait(p, write_held) == 0);
	CHECK(pair_wait(p, is_waiting) == 0);
	CHECK_EQ(pair_alone(p, 0, 2), 0);
	CHECK(guest_wait_acked(&g[0], 20) == 0);
	pair_signal(p, 1, SIGCONT);
	CHECK(pair_wait(p, is_over) == 0);
	CHECK(state(p)->state == MIRROR_VERIFY_DONE);
	CHECK_EQ(state(p)->n_found, 0);
	CHECK_EQ(verify(p, 0, true, 1024), 0);	/* 16 s */
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK(pair_wait(p, write_held) == 0);
	CHECK_EQ(cancel(p, 0), 0);		/* with writes held */
	CHECK(pair_wait(p, is_over) == 0);
	CHECK(state(p)->state == MIRROR_VERIFY_CANCELLED);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	for (i = 0; i < 2; i++) {
		CHECK(guest_wait_acked(&g[i], 20) == 0);
		guest_stop(&g[i]);
		CHECK(!g[i].failed);
		guest_dispose(&g[i]);
	}
	pair_free(p);
	return 0;
}

static bool
in_step(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_CONNECTED &&
	    pair_st(p, 1)->disk == MIRROR_DISK_UPTODATE;
}

/* An empty leg in place of a lost one is never promoted, and gets all. */
TEST(a_lost_leg_is_replaced)
{
	struct pair *p = pair_new_connected();
	static struct guest g = { .limit = 100 };
	struct mirror_leg_spec spec = { .id = "o3", .unit_uuid = UNIT,
		.volume_uuid = VOLUME, .size_bytes = PAIR_SIZE, .gen = 1 };
	struct av_err err = { 0 };
	char dir[96], code[32];

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 100) == 0);
	guest_stop(&g);
	CHECK(pair_kill_wait_down(p, 1) == 0);
	(void)snprintf(dir, sizeof(dir), "%s/leg1", p->dir);
	spec.dir = dir;
	CHECK_EQ(mirror_leg_delete("replica", dir, "o3", &err), 0);
	CHECK_EQ(mirror_leg_create("replica", &spec, &err), 0);
	p->rate_kib_s = 1024;
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RATE), 0);
	CHECK(pair_restart(p, 1) == 0);
	CHECK(pair_primary(p, 1, true, 3, code) < 0);
	CHECK_STR(code, "not-up-to-date");
	p->rate_kib_s = 0;
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RATE), 0);
	CHECK(pair_wait(p, in_step) == 0);
	CHECK_EQ(pair_st(p, 0)->resync_total_bytes, PAIR_SIZE);
	CHECK_EQ(pair_equal(p), 1);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_primary(p, 1, true, 3, NULL), 0);
	CHECK_EQ(guest_check(&g, 1), 0);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(a_corrupted_block_is_found_and_mended),
	T(the_secondary_is_mended_from_the_primary),
	T(writes_under_way_are_no_findings),
	T(it_waits_for_the_peer_and_ends_on_order),
	T(a_lost_peer_holds_nobody_up),
	T(a_lost_leg_is_replaced),
)
