/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_role_handback.c - the owner hands the right back to both
 */
#include "tests/test.h"
#include "tests/unit/nodeagent/role_rig.h"

TEST(hand_back_asks_the_arbiter_first)
{
	struct role_record rec = { 6, ROLE_MODE_ALONE, false };
	struct role_hello peer = { ROLE_FOLLOWER,
		{ 5, ROLE_MODE_OUTDATED, false }, true, true };
	struct role_event moved = { .type = ROLE_EV_MOVED, .gen = 7 };

	init(0, ROLE_ARBITER_ETCD, rec, true);
	ev(ROLE_EV_PEER_BACK);
	view(peer);
	CHECK_EQ(R.state, ROLE_ALONE);
	ev(ROLE_EV_IN_STEP);
	CHECK_EQ(R.state, ROLE_REJOINING);
	CHECK(out.v[0].type == ROLE_DO_RECORD && out.v[0].record.pending);
	CHECK(has(ROLE_DO_ASK)->move.to_owner == -1);
	CHECK(has(ROLE_DO_ORDER_TOGETHER) == NULL);
	CHECK(role_may_run(&R) && !role_may_write_alone(&R));
	answer(ROLE_EV_GRANTED, 7, -1, false);
	CHECK(has(ROLE_DO_ORDER_TOGETHER)->gen == 7);
	step(moved);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	CHECK(R.rec.gen == 7 && R.rec.mode == ROLE_MODE_TOGETHER);
	/* arbiter away: stays alone, says why */
	init(0, ROLE_ARBITER_ETCD, rec, true);
	ev(ROLE_EV_PEER_BACK);
	view(peer);
	ev(ROLE_EV_IN_STEP);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	CHECK(!R.rec.pending && role_may_write_alone(&R));
	CHECK_STR(R.reason.code, "in-step");
	return 0;
}

TEST(hand_back_waits_longer_each_time)
{
	struct role_hello f = { ROLE_FOLLOWER,
		{ 5, ROLE_MODE_OUTDATED, false }, true, true };
	struct role_record rec = { 6, ROLE_MODE_ALONE, false };
	uint64_t wait, before = 0;
	int k;

	init(0, ROLE_ARBITER_ETCD, rec, false);
	ev(ROLE_EV_PEER_BACK);
	view(f);
	CHECK_EQ(R.state, ROLE_ALONE);
	for (k = 0; k < 5; k++) {
		R.due_ns[3] = 0;
		R.take_due = false;
		view(f);
		ev(ROLE_EV_IN_STEP);
		CHECK_EQ(R.state, ROLE_REJOINING);
		answer(ROLE_EV_NO_ANSWER, 0, 0, false);
		CHECK_EQ(R.state, ROLE_ALONE);
		wait = R.due_ns[3] - now_ns;
		CHECK(wait > before && wait <= 64 * times.retry_ns);
		before = wait;
	}
	return 0;
}

/* "In step" flaps: guests pause at each broken try, so tries become rare. */
TEST(a_broken_hand_back_waits_longer_each_time)
{
	struct role_hello f = { ROLE_FOLLOWER,
		{ 5, ROLE_MODE_OUTDATED, false }, true, true };
	struct role_record rec = { 6, ROLE_MODE_ALONE, false };
	uint64_t wait, before = 0;
	int k;

	init(0, ROLE_ARBITER_ETCD, rec, false);
	ev(ROLE_EV_PEER_BACK);
	for (k = 0; k < 4; k++) {
		R.take_due = false;
		view(f);
		ev(ROLE_EV_IN_STEP);
		CHECK_EQ(R.state, ROLE_REJOINING);
		ev(ROLE_EV_OUT_OF_STEP);
		CHECK_EQ(R.state, ROLE_FROZEN);
		answer(ROLE_EV_GRANTED, R.rec.gen + 1, -1, false);
		answer(ROLE_EV_GRANTED, R.rec.gen + 2, 0, false);
		CHECK_EQ(R.state, ROLE_ALONE);
		R.take_due = false;
		view(f);
		ev(ROLE_EV_IN_STEP);
		CHECK_EQ(R.state, ROLE_ALONE);
		wait = R.due_ns[3] - now_ns;
		CHECK(wait > before && wait <= 64 * times.retry_ns);
		before = wait;
		now_ns += wait;
		R.due_ns[3] = 0;
		ev(ROLE_EV_OUT_OF_STEP);
	}
	return 0;
}

TEST(a_half_finished_hand_back_is_no_proof)
{
	struct role_record rec = { 5, ROLE_MODE_ALONE, true };

	init(0, ROLE_ARBITER_NONE, rec, false);
	now_ns += times.start_ns;
	ev(ROLE_EV_T_START);
	CHECK(R.state != ROLE_ALONE);
	now_ns += times.join_ns;
	ev(ROLE_EV_T_JOIN);
	CHECK_EQ(R.state, ROLE_WAITING);
	return 0;
}

/* In step before it ran alone says nothing of after. */
TEST(in_step_of_before_is_not_believed)
{
	struct role_hello f = { ROLE_FOLLOWER,
		{ 5, ROLE_MODE_OUTDATED, false }, true, true };

	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_IN_STEP);
	ev(ROLE_EV_PEER_LOST);
	answer(ROLE_EV_GRANTED, R.rec.gen + 1, 0, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	now_ns += times.dead_ns;
	ev(ROLE_EV_T_DEAD);
	ev(ROLE_EV_PEER_BACK);
	view(f);
	CHECK_EQ(R.state, ROLE_ALONE);
	ev(ROLE_EV_IN_STEP);
	CHECK_EQ(R.state, ROLE_REJOINING);
	return 0;
}

TEST(no_hand_back_while_the_server_is_changed)
{
	struct role_hello f = { ROLE_FOLLOWER,
		{ 5, ROLE_MODE_OUTDATED, false }, true, true };
	struct role_record rec = { 6, ROLE_MODE_ALONE, false };

	init(0, ROLE_ARBITER_ETCD, rec, false);
	ev(ROLE_EV_PEER_BACK);
	view(f);
	CHECK_EQ(R.state, ROLE_ALONE);
	role_set_arbiter(&R, ROLE_ARBITER_CLOSED, now_ns);
	ev(ROLE_EV_IN_STEP);
	CHECK_EQ(R.state, ROLE_ALONE);
	role_set_arbiter(&R, ROLE_ARBITER_ETCD, now_ns);
	view(f);
	CHECK_EQ(R.state, ROLE_REJOINING);
	return 0;
}

TESTS_MAIN(
    T(hand_back_asks_the_arbiter_first),
    T(hand_back_waits_longer_each_time),
    T(a_broken_hand_back_waits_longer_each_time),
    T(a_half_finished_hand_back_is_no_proof),
    T(in_step_of_before_is_not_believed),
    T(no_hand_back_while_the_server_is_changed),
)
