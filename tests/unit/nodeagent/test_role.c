/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_role.c - the table and the scenarios of core/role.c
 */
#include "tests/test.h"
#include "tests/unit/nodeagent/role_rig.h"

TEST(table_has_no_hole)
{
	int s, e;

	for (s = 0; s < ROLE_N_STATES; s++)
		for (e = 0; e < ROLE_N_EVENTS; e++)
			if (role_cell_kind((enum role_state)s,
			    (enum role_event_type)e) == 0) {
				fprintf(stderr, "hole: %s x %s\n",
				    role_state_name((enum role_state)s),
				    role_event_name((enum role_event_type)e));
				return 1;
			}
	return 0;
}

/* Every pair of hellos: what one side concludes fits what the other does. */
static bool
fits(enum role_event_type a, enum role_event_type b)
{
	switch (a) {
	case ROLE_EV_VIEW_TOGETHER: case ROLE_EV_VIEW_NEW:
	case ROLE_EV_VIEW_SPLIT:
		return b == a;
	case ROLE_EV_VIEW_FOLLOW:
		return b == ROLE_EV_VIEW_LEAD;
	case ROLE_EV_VIEW_LEAD:
		return b == ROLE_EV_VIEW_FOLLOW || b == ROLE_EV_VIEW_WAIT;
	case ROLE_EV_VIEW_CLAIM: case ROLE_EV_VIEW_ADOPT:
		return b == ROLE_EV_VIEW_WAIT;
	case ROLE_EV_VIEW_WAIT:
		return b == ROLE_EV_VIEW_WAIT || b == ROLE_EV_VIEW_CLAIM ||
		    b == ROLE_EV_VIEW_ADOPT || b == ROLE_EV_VIEW_LEAD;
	default:
		return false;
	}
}

static bool
hello_nth(unsigned n, struct role_hello *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->rec.mode = (enum role_mode)(n % 4);
	ret->rec.gen = n / 4 % 6;
	ret->rec.pending = n / 24 % 2;
	ret->ready = n / 48 % 2;
	return (ret->rec.gen == 0) == (ret->rec.mode == ROLE_MODE_NEW) &&
	    (!ret->rec.pending || ret->rec.mode == ROLE_MODE_ALONE);
}

TEST(compare_is_mirror_image)
{
	struct role_hello a, b;
	unsigned i, k, n = 0;

	for (i = 0; i < 96; i++)
		for (k = 0; k < 96; k++) {
			if (!hello_nth(i, &a) || !hello_nth(k, &b))
				continue;
			n++;
			if (fits(role_compare(&a, &b), role_compare(&b, &a)))
				continue;
			fprintf(stderr, "mode %d g%d p%d r%d: %s; mode %d g%d "
			    "p%d r%d: %s\n", a.rec.mode, (int)a.rec.gen,
			    a.rec.pending, a.ready,
			    role_event_name(role_compare(&a, &b)), b.rec.mode,
			    (int)b.rec.gen, b.rec.pending, b.ready,
			    role_event_name(role_compare(&b, &a)));
			return 1;
		}
	CHECK(n > 1000);
	return 0;
}

TEST(loss_freezes_then_claims_then_runs)
{
	const struct role_effect *e;

	together(1, ROLE_ARBITER_ETCD);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	CHECK(has(ROLE_DO_RESUME_TOGETHER) != NULL);
	ev(ROLE_EV_PEER_LOST);
	CHECK_EQ(R.state, ROLE_FROZEN);
	CHECK(out.v[0].type == ROLE_DO_FREEZE);
	e = has(ROLE_DO_ASK);
	CHECK(e != NULL && e->move.from_both_gen == 5 && e->move.to_gen == 6 &&
	    e->move.to_owner == 1 && !e->move.from_lower &&
	    !e->move.from_empty && e->move.from_mine_gen == 0);
	answer(ROLE_EV_GRANTED, 6, 1, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	/* recorded first, then the effect; peer's guests not yet */
	CHECK(out.v[0].type == ROLE_DO_RECORD && out.v[0].record.gen == 6 &&
	    out.v[0].record.mode == ROLE_MODE_ALONE);
	CHECK(out.v[1].type == ROLE_DO_RUN_ALONE && out.v[1].gen == 6);
	CHECK(has(ROLE_DO_TAKE_PEER_GUESTS) == NULL);
	now_ns += 599;
	ev(ROLE_EV_T_DEAD);
	CHECK(has(ROLE_DO_TAKE_PEER_GUESTS) != NULL);
	ev(ROLE_EV_T_DEAD);
	CHECK(has(ROLE_DO_TAKE_PEER_GUESTS) == NULL);
	return 0;
}

TEST(a_stir_of_the_lost_peer_delays_taking)
{
	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_PEER_LOST);
	answer(ROLE_EV_GRANTED, 6, 0, false);
	now_ns += 300;
	ev(ROLE_EV_PEER_INFO);	/* one beat came through */
	now_ns += 400;
	ev(ROLE_EV_T_DEAD);
	CHECK(has(ROLE_DO_TAKE_PEER_GUESTS) == NULL);
	now_ns += 700;
	ev(ROLE_EV_T_DEAD);
	CHECK(has(ROLE_DO_TAKE_PEER_GUESTS) != NULL);
	return 0;
}

TEST(refused_stops_and_is_outdated)
{
	struct role_hello owner = { ROLE_ALONE, { 6, ROLE_MODE_ALONE, false },
		true, false };

	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_PEER_LOST);
	answer(ROLE_EV_REFUSED, 6, 1, false);
	CHECK_EQ(R.state, ROLE_STOPPED);
	CHECK(out.v[0].type == ROLE_DO_RECORD &&
	    out.v[0].record.mode == ROLE_MODE_OUTDATED);
	CHECK(out.v[1].type == ROLE_DO_STOP_GUESTS);
	CHECK_STR(R.reason.code, "refused");
	ev(ROLE_EV_GUESTS_STOPPED);
	CHECK_EQ(R.state, ROLE_WAITING);
	ev(ROLE_EV_PEER_BACK);
	view(owner);
	CHECK_EQ(R.state, ROLE_FOLLOWER);
	CHECK(has(ROLE_DO_FOLLOW)->gen == 6);
	return 0;
}

TEST(no_answer_stays_frozen_then_stops)
{
	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_PEER_LOST);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	CHECK_EQ(R.state, ROLE_FROZEN);
	CHECK(has(ROLE_DO_ASK) == NULL);	/* not at once */
	CHECK(R.due_ns[3] != 0);
	R.due_ns[3] = 0;
	ev(ROLE_EV_T_RETRY);
	CHECK(has(ROLE_DO_ASK) != NULL);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	ev(ROLE_EV_T_FROZEN);
	CHECK_EQ(R.state, ROLE_WAITING);
	CHECK(has(ROLE_DO_STOP_GUESTS) != NULL);
	CHECK_EQ(R.rec.mode, ROLE_MODE_TOGETHER);	/* not outdated */
	return 0;
}

TEST(peer_back_before_any_grant_thaws)
{
	struct role_hello peer = { ROLE_FROZEN,
		{ 5, ROLE_MODE_TOGETHER, false }, true, false };

	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_PEER_LOST);
	ev(ROLE_EV_PEER_BACK);
	view(peer);		/* own question is still under way */
	CHECK_EQ(R.state, ROLE_FROZEN);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	CHECK(has(ROLE_DO_HELLO) != NULL);
	view(peer);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	/* a question that may yet take effect: no thaw */
	ev(ROLE_EV_PEER_LOST);
	answer(ROLE_EV_NO_ANSWER, 0, 0, true);
	ev(ROLE_EV_PEER_BACK);
	view(peer);
	CHECK_EQ(R.state, ROLE_FROZEN);
	return 0;
}

TEST(quiet_peer_freezes_without_claim)
{
	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_PEER_QUIET);
	CHECK_EQ(R.state, ROLE_FROZEN);
	CHECK(has(ROLE_DO_ASK) == NULL);
	CHECK_STR(R.reason.code, "peer-quiet");
	return 0;
}

TEST(without_arbiter_a_person_decides)
{
	together(0, ROLE_ARBITER_NONE);
	ev(ROLE_EV_TAKEOVER);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	ev(ROLE_EV_PEER_LOST);
	CHECK_EQ(R.state, ROLE_FROZEN);
	CHECK_EQ(R.due_ns[2], 0);	/* as long as it takes */
	ev(ROLE_EV_TAKEOVER);
	CHECK_EQ(R.state, ROLE_ALONE);
	CHECK_EQ(R.rec.gen, 6);
	return 0;
}

/* The quorum server lost its data: a takeover must not go back behind our own. */
TEST(takeover_goes_beyond_the_own_record)
{
	struct role_record rec = { 5, ROLE_MODE_ALONE, true };

	init(0, ROLE_ARBITER_ETCD, rec, false);
	now_ns += 10000;
	ev(ROLE_EV_T_JOIN);
	CHECK_EQ(R.state, ROLE_WAITING);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	ev(ROLE_EV_TAKEOVER);
	R.due_ns[3] = 0;
	ev(ROLE_EV_T_RETRY);
	CHECK(has(ROLE_DO_ASK) != NULL);
	CHECK_EQ(has(ROLE_DO_ASK)->move.to_gen, 0);
	CHECK_EQ(has(ROLE_DO_ASK)->move.least_gen, 7);
	answer(ROLE_EV_GRANTED, 1, 0, false);	/* as good as no answer */
	CHECK_EQ(R.state, ROLE_WAITING);
	CHECK_EQ(R.rec.gen, 5);
	answer(ROLE_EV_GRANTED, 7, 0, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	CHECK_EQ(R.rec.gen, 7);
	return 0;
}

/* Ordered while the peer was away; it came back before anybody answered. */
TEST(takeover_ends_when_the_peer_is_back)
{
	struct role_hello peer = { ROLE_FROZEN, { 5, ROLE_MODE_TOGETHER,
		false }, true, false };

	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_PEER_LOST);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	ev(ROLE_EV_TAKEOVER);
	ev(ROLE_EV_PEER_BACK);		/* before the question */
	CHECK(!R.taking);
	ev(ROLE_EV_PEER_LOST);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	ev(ROLE_EV_TAKEOVER);
	R.due_ns[3] = 0;
	ev(ROLE_EV_T_RETRY);
	CHECK(has(ROLE_DO_ASK) && has(ROLE_DO_ASK)->move.to_gen == 0);
	ev(ROLE_EV_PEER_BACK);		/* before the answer */
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	CHECK_EQ(R.state, ROLE_FROZEN);
	CHECK_EQ(R.rec.gen, 5);
	view(peer);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	return 0;
}

/* The owner dies while this PM stops its guests: a person must be able to act. */
TEST(owner_lost_while_stopping_is_waited_for)
{
	struct role_hello owner = { ROLE_ALONE, { 6, ROLE_MODE_ALONE, false },
		true, false };

	together(0, ROLE_ARBITER_ETCD);
	view(owner);
	CHECK_EQ(R.state, ROLE_STOPPED);
	ev(ROLE_EV_VIEW_GONE);
	ev(ROLE_EV_PEER_LOST);
	CHECK_EQ(R.state, ROLE_STOPPED);
	ev(ROLE_EV_GUESTS_STOPPED);
	CHECK_EQ(R.state, ROLE_WAITING);
	ev(ROLE_EV_TAKEOVER);
	CHECK(has(ROLE_DO_ASK) != NULL);
	return 0;
}

/* A person made the other PM the owner while this one was off: its own record
 * isn't the newest, and only the quorum server can say so. */
TEST(own_record_is_checked_with_the_arbiter)
{
	struct role_record rec = { 5, ROLE_MODE_ALONE, false };
	static const enum role_event_type fine[] = { ROLE_EV_GRANTED,
		ROLE_EV_NO_ANSWER };
	const struct role_move *m;
	size_t i;

	for (i = 0; i < 2; i++) {
		init(0, ROLE_ARBITER_ETCD, rec, true);
		now_ns += 700;
		ev(ROLE_EV_T_START);
		CHECK_EQ(R.state, ROLE_JOINING);
		CHECK(has(ROLE_DO_ASK) != NULL);
		m = &has(ROLE_DO_ASK)->move;
		CHECK(m->to_gen == 5 && m->to_owner == 0 && !m->from_empty &&
		    !m->from_lower && !m->from_both_gen && !m->from_mine_gen);
		answer(fine[i], 5, 0, false);
		CHECK_EQ(R.state, ROLE_ALONE);
		CHECK_EQ(R.rec.gen, 5);
	}
	/* an older or equal record there: a takeover without it, from here */
	init(0, ROLE_ARBITER_ETCD, rec, true);
	now_ns += 700;
	ev(ROLE_EV_T_START);
	answer(ROLE_EV_REFUSED, 5, 1, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	init(0, ROLE_ARBITER_ETCD, rec, true);
	now_ns += 700;
	ev(ROLE_EV_T_START);
	answer(ROLE_EV_REFUSED, 6, 1, false);
	CHECK_EQ(R.state, ROLE_STOPPED);
	CHECK_EQ(R.rec.mode, ROLE_MODE_OUTDATED);
	/* the peer is back before an answer: it will tell; at last T_JOIN */
	init(0, ROLE_ARBITER_ETCD, rec, true);
	now_ns += 700;
	ev(ROLE_EV_T_START);
	ev(ROLE_EV_PEER_BACK);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	CHECK_EQ(R.state, ROLE_JOINING);
	R.due_ns[1] = R.due_ns[3] = 0;
	now_ns += 10000;
	ev(ROLE_EV_T_JOIN);
	CHECK(has(ROLE_DO_ASK) != NULL);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	return 0;
}

TEST(start_without_peer_needs_proof)
{
	struct role_record rec = { 5, ROLE_MODE_TOGETHER, false };

	init(0, ROLE_ARBITER_NONE, rec, false);
	now_ns += 10000;
	ev(ROLE_EV_T_START);
	CHECK_EQ(R.state, ROLE_JOINING);
	ev(ROLE_EV_T_JOIN);
	CHECK_EQ(R.state, ROLE_WAITING);
	CHECK_STR(R.reason.code, "no-proof-unasked");
	/* with an arbiter: only when it grants */
	init(0, ROLE_ARBITER_ETCD, rec, false);
	now_ns += 10000;
	ev(ROLE_EV_T_JOIN);
	CHECK_EQ(R.state, ROLE_WAITING);
	CHECK(has(ROLE_DO_ASK) != NULL);
	answer(ROLE_EV_GRANTED, 6, 0, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	/* own record of ownership is proof; half handed back, it isn't */
	rec.mode = ROLE_MODE_ALONE;
	init(0, ROLE_ARBITER_NONE, rec, true);
	CHECK_EQ(out.n, 1);	/* guests are not touched: a hello is all */
	now_ns += 700;
	ev(ROLE_EV_T_START);
	CHECK_EQ(R.state, ROLE_ALONE);
	rec.pending = true;
	init(0, ROLE_ARBITER_NONE, rec, false);
	now_ns += 10000;
	ev(ROLE_EV_T_JOIN);
	CHECK_EQ(R.state, ROLE_WAITING);
	/* outdated: never by itself */
	rec.pending = false;
	rec.mode = ROLE_MODE_OUTDATED;
	init(0, ROLE_ARBITER_ETCD, rec, true);
	CHECK(has(ROLE_DO_STOP_GUESTS) != NULL);
	now_ns += 10000;
	ev(ROLE_EV_T_JOIN);
	CHECK_EQ(R.state, ROLE_WAITING);
	CHECK(has(ROLE_DO_ASK) == NULL);
	return 0;
}

TEST(agent_restart_touches_nothing_while_peer_lives)
{
	struct role_record rec = { 5, ROLE_MODE_TOGETHER, false };

	init(0, ROLE_ARBITER_ETCD, rec, true);
	ev(ROLE_EV_PEER_BACK);
	now_ns += 10000;
	ev(ROLE_EV_T_START);
	ev(ROLE_EV_T_JOIN);
	CHECK_EQ(R.state, ROLE_JOINING);
	CHECK(has(ROLE_DO_FREEZE) == NULL && has(ROLE_DO_STOP_GUESTS) == NULL);
	/* the peer is gone too: freeze, ask */
	init(0, ROLE_ARBITER_ETCD, rec, true);
	now_ns += 700;
	ev(ROLE_EV_T_START);
	CHECK_EQ(R.state, ROLE_FROZEN);
	CHECK(has(ROLE_DO_FREEZE) != NULL && has(ROLE_DO_ASK) != NULL);
	return 0;
}

/* --- what an agent that died while it asked finds --- */

static void
starts_with(enum role_mode mode, uint64_t gen)
{
	struct role_record rec = { gen, mode, false };

	init(0, ROLE_ARBITER_ETCD, rec, false);
	ev(ROLE_EV_PEER_BACK);
}

TEST(a_claim_granted_to_a_dead_agent_is_found)
{
	const struct role_effect *e;
	struct role_hello peer = { ROLE_TOGETHER,
		{ 5, ROLE_MODE_TOGETHER, false }, true, false };

	starts_with(ROLE_MODE_TOGETHER, 5);
	e = has(ROLE_DO_ASK);
	CHECK(e != NULL && e->move.to_gen == 6 && e->move.to_owner == 0);
	CHECK(!e->move.from_empty && !e->move.from_lower &&
	    e->move.from_mine_gen == 0 && e->move.from_both_gen == 0);
	view(peer);
	CHECK_EQ(R.state, ROLE_JOINING);	/* not before it knows */
	answer(ROLE_EV_GRANTED, 6, 0, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	CHECK_EQ(R.rec.gen, 6);
	return 0;
}

TEST(a_claim_granted_to_the_peer_is_given_way_to)
{
	starts_with(ROLE_MODE_TOGETHER, 5);
	answer(ROLE_EV_REFUSED, 6, 1, false);
	CHECK_EQ(R.state, ROLE_STOPPED);
	CHECK_EQ(R.rec.mode, ROLE_MODE_OUTDATED);
	starts_with(ROLE_MODE_TOGETHER, 5);
	answer(ROLE_EV_REFUSED, 7, -1, false);	/* the peer's record tells */
	CHECK_EQ(R.state, ROLE_JOINING);
	CHECK_EQ(R.rec.mode, ROLE_MODE_TOGETHER);
	return 0;
}

TEST(a_takeover_of_a_dead_agent_is_found)
{
	struct role_record rec = { 5, ROLE_MODE_ALONE, false };

	init(1, ROLE_ARBITER_ETCD, rec, false);
	now_ns += times.start_ns;
	ev(ROLE_EV_T_START);
	CHECK(has(ROLE_DO_ASK) != NULL);
	answer(ROLE_EV_REFUSED, 8, 1, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	CHECK_EQ(R.rec.gen, 8);
	return 0;
}

TEST(both_outdated_is_no_dead_end)
{
	struct role_hello peer = { ROLE_WAITING,
		{ 4, ROLE_MODE_OUTDATED, false }, true, true };

	starts_with(ROLE_MODE_OUTDATED, 5);
	view(peer);
	CHECK_EQ(R.state, ROLE_WAITING);
	CHECK_STR(R.reason.code, "both-outdated");
	CHECK(has(ROLE_DO_ASK) != NULL);
	answer(ROLE_EV_REFUSED, 9, 1, false);	/* the peer is the one */
	CHECK_EQ(R.state, ROLE_WAITING);
	CHECK(has(ROLE_DO_ASK) == NULL);
	CHECK(role_may_take_over(&R));
	view(peer);
	answer(ROLE_EV_REFUSED, 9, 0, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	CHECK_EQ(R.rec.gen, 9);
	return 0;
}

/* Its hello said 'ready' before the question was asked. */
TEST(adopting_waits_for_the_own_question)
{
	struct role_record rec = { 5, ROLE_MODE_ALONE, true };
	struct role_event e = { .type = ROLE_EV_VIEW_ADOPT, .peer = {
		ROLE_TOGETHER, { 6, ROLE_MODE_TOGETHER, false }, true, false } };

	init(0, ROLE_ARBITER_ETCD, rec, false);
	ev(ROLE_EV_PEER_BACK);
	CHECK(R.asking);
	role_hello_fill(&R, &e.me);
	step(e);
	CHECK_EQ(R.rec.gen, 5);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	step(e);
	CHECK_EQ(R.rec.gen, 6);
	CHECK_EQ(R.rec.mode, ROLE_MODE_TOGETHER);
	return 0;
}

TEST(going_together_waits_for_the_own_question)
{
	struct role_record rec = { 5, ROLE_MODE_TOGETHER, false };
	struct role_event e = { .type = ROLE_EV_VIEW_TOGETHER, .peer = {
		ROLE_TOGETHER, { 5, ROLE_MODE_TOGETHER, false }, true, false } };

	init(0, ROLE_ARBITER_ETCD, rec, false);
	ev(ROLE_EV_PEER_BACK);
	CHECK(R.asking);
	role_hello_fill(&R, &e.me);
	step(e);
	CHECK_EQ(R.state, ROLE_JOINING);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	step(e);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	return 0;
}

/* 'Together at 7' was ordered before the owner took 7 for itself. */
TEST(an_order_older_than_the_owner_is_passed_over)
{
	struct role_record rec = { 5, ROLE_MODE_OUTDATED, false };
	struct role_hello owner = { ROLE_ALONE, { 7, ROLE_MODE_ALONE, false },
		true, false };

	init(0, ROLE_ARBITER_ETCD, rec, false);
	ev(ROLE_EV_PEER_BACK);
	view(owner);
	CHECK_EQ(R.state, ROLE_FOLLOWER);
	answer(ROLE_EV_MOVED, 7, 0, false);
	CHECK_EQ(R.state, ROLE_FOLLOWER);
	CHECK_EQ(R.rec.gen, 5);
	answer(ROLE_EV_MOVED, 8, 0, false);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	return 0;
}

TEST(frozen_says_what_it_knows_now)
{
	struct role_event lost = { .type = ROLE_EV_PEER_QUIET,
		.silent_ns = 600 * AV_NS_PER_MS };

	together(1, ROLE_ARBITER_ETCD);
	now_ns = AV_NS_PER_S;
	step(lost);
	CHECK_STR(R.reason.code, "peer-quiet");
	now_ns += 40 * AV_NS_PER_MS - 1;
	lost.type = ROLE_EV_PEER_LOST;
	step(lost);
	CHECK_STR(R.reason.code, "peer-lost");
	CHECK(strstr(R.reason.text, "node0 is silent on every link for 640 ms")
	    != NULL);
	ev(ROLE_EV_PEER_BACK);
	CHECK_STR(R.reason.code, "peer-back");
	return 0;
}

/* Heard without corosync: a beat is enough. */
TEST(two_owners_of_one_generation_are_a_split)
{
	struct role_event e = { .type = ROLE_EV_PEER_INFO, .peer = {
		ROLE_ALONE, { 6, ROLE_MODE_ALONE, false }, true, false } };
	struct role_record rec = { 6, ROLE_MODE_ALONE, false };

	init(0, ROLE_ARBITER_NONE, rec, true);
	now_ns += times.start_ns;
	ev(ROLE_EV_T_START);
	CHECK_EQ(R.state, ROLE_ALONE);
	e.peer.rec.mode = ROLE_MODE_OUTDATED;
	step(e);
	CHECK_EQ(R.state, ROLE_ALONE);
	e.peer.rec.mode = ROLE_MODE_ALONE;
	step(e);
	CHECK_EQ(R.state, ROLE_SPLIT);
	CHECK(has(ROLE_DO_FREEZE) != NULL);
	ev(ROLE_EV_PEER_BACK);
	CHECK(!role_may_take_over(&R));
	ev(ROLE_EV_TAKEOVER);
	CHECK(!R.taking);
	return 0;
}

static void
resolved(int owner, struct role_hello peer)
{
	struct role_event e = { .type = ROLE_EV_RESOLVED, .owner = owner,
		.peer = peer };

	step(e);
}

static void
split_at(int node, uint64_t mine, uint64_t theirs)
{
	struct role_record rec = { mine, ROLE_MODE_ALONE, false };
	struct role_hello peer = { ROLE_ALONE, { theirs, ROLE_MODE_ALONE,
		true }, true, false };

	init(node, ROLE_ARBITER_ETCD, rec, false);
	now_ns += 800;
	ev(ROLE_EV_T_START);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	ev(ROLE_EV_PEER_BACK);
	view(peer);
}

/* The same VM may run on both: both pause, and nothing more. */
TEST(a_split_pauses_the_guests)
{
	split_at(0, 6, 6);
	CHECK_EQ(R.state, ROLE_SPLIT);
	CHECK(has(ROLE_DO_FREEZE) != NULL);
	CHECK(has(ROLE_DO_RECORD) == NULL && has(ROLE_DO_STOP_GUESTS) == NULL);
	return 0;
}

TEST(who_isnt_kept_gives_up_first)
{
	struct role_hello peer = { ROLE_SPLIT, { 6, ROLE_MODE_ALONE, false },
		true, false };

	split_at(0, 6, 6);
	resolved(0, peer);	/* kept, but the other one still has its right */
	CHECK_EQ(R.state, ROLE_SPLIT);
	CHECK(!R.taking && has(ROLE_DO_ASK) == NULL);
	split_at(1, 6, 6);
	resolved(0, peer);
	CHECK_EQ(R.state, ROLE_STOPPED);
	CHECK_EQ(R.rec.mode, ROLE_MODE_OUTDATED);
	CHECK(has(ROLE_DO_RECORD) != NULL);
	ev(ROLE_EV_GUESTS_STOPPED);
	CHECK_EQ(R.state, ROLE_WAITING);
	CHECK(!role_may_run(&R) && has(ROLE_DO_ASK) == NULL);
	return 0;
}

TEST(who_is_kept_goes_above_both)
{
	struct role_hello peer = { ROLE_WAITING, { 8, ROLE_MODE_OUTDATED,
		false }, true, true };

	split_at(0, 6, 8);
	CHECK_EQ(R.state, ROLE_SPLIT);
	resolved(0, peer);
	CHECK(R.taking && has(ROLE_DO_ASK) != NULL);
	CHECK(has(ROLE_DO_ASK)->move.least_gen > 8);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);	/* a person answers for it */
	CHECK_EQ(R.state, ROLE_ALONE);
	CHECK(R.rec.gen > 8);
	CHECK_EQ(role_compare(&(struct role_hello){ ROLE_ALONE, R.rec, true,
	    false }, &peer), ROLE_EV_VIEW_LEAD);
	return 0;
}

TEST(resolved_means_nothing_elsewhere)
{
	struct role_hello peer = { ROLE_SPLIT, { 5, ROLE_MODE_OUTDATED, false },
		true, true };

	together(0, ROLE_ARBITER_ETCD);
	resolved(1, peer);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	CHECK_EQ(R.rec.mode, ROLE_MODE_TOGETHER);
	return 0;
}

TEST(another_arbiter_at_run_time)
{
	together(0, ROLE_ARBITER_NONE);
	ev(ROLE_EV_PEER_LOST);
	CHECK_EQ(R.due_ns[2], 0);
	role_set_arbiter(&R, ROLE_ARBITER_ETCD, now_ns);
	CHECK(R.due_ns[2] != 0);	/* frozen: for a bounded time now */
	ev(ROLE_EV_PEER_INFO);
	CHECK(has(ROLE_DO_ASK) != NULL);
	return 0;
}

TEST(the_peer_leaves_and_no_guest_is_paused)
{
	const struct role_effect *e;

	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_STAY);
	e = has(ROLE_DO_ASK);
	CHECK(e != NULL);
	CHECK_EQ(e->move.from_both_gen, 5);
	CHECK_EQ(e->move.to_gen, 6);
	CHECK_EQ(e->move.to_owner, 0);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	CHECK(has(ROLE_DO_FREEZE) == NULL);
	answer(ROLE_EV_GRANTED, 6, 0, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	CHECK_EQ(out.v[0].type, ROLE_DO_RECORD);	/* before it runs alone */
	CHECK_EQ(out.v[0].record.gen, 6);
	CHECK(has(ROLE_DO_FREEZE) == NULL);
	CHECK(has(ROLE_DO_RUN_ALONE) != NULL);
	CHECK(has(ROLE_DO_TAKE_PEER_GUESTS) == NULL);	/* not released yet */
	CHECK_EQ(R.reason.why, ROLE_WHY_STAYING);
	return 0;
}

TEST(a_leave_that_isnt_granted_changes_nothing)
{
	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_STAY);
	answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	CHECK_EQ(R.reason.why, ROLE_WHY_STAY_NO_ANSWER);
	now_ns += times.retry_ns;
	ev(ROLE_EV_T_RETRY);
	CHECK(has(ROLE_DO_ASK) == NULL);	/* until it is wished again */
	R.due_ns[3] = 0;
	ev(ROLE_EV_STAY);
	CHECK(has(ROLE_DO_ASK) != NULL);
	answer(ROLE_EV_REFUSED, 3, -1, false);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	CHECK_EQ(R.reason.why, ROLE_WHY_STAY_REFUSED);
	CHECK_EQ(R.rec.mode, ROLE_MODE_TOGETHER);
	return 0;
}

/* The question may have taken effect: the peer could be refused later, so this PM
 * asks until it knows, wished or not. */
TEST(a_leave_that_may_have_been_granted_is_asked_again)
{
	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_STAY);
	answer(ROLE_EV_NO_ANSWER, 0, 0, true);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	CHECK(has(ROLE_DO_ASK) == NULL);
	R.due_ns[3] = 0;
	ev(ROLE_EV_T_RETRY);
	CHECK(has(ROLE_DO_ASK) != NULL);
	answer(ROLE_EV_GRANTED, 6, 0, false);
	CHECK_EQ(R.state, ROLE_ALONE);
	return 0;
}

/* It lost this PM in the same moment and was the first to ask. */
TEST(a_leave_that_the_peer_won_stops_the_guests)
{
	together(0, ROLE_ARBITER_ETCD);
	ev(ROLE_EV_STAY);
	answer(ROLE_EV_REFUSED, 6, 1, false);
	CHECK_EQ(R.state, ROLE_STOPPED);
	CHECK(has(ROLE_DO_STOP_GUESTS) != NULL);
	CHECK_EQ(R.rec.mode, ROLE_MODE_OUTDATED);
	return 0;
}

TEST(nobody_leaves_while_the_server_is_changed)
{
	together(0, ROLE_ARBITER_ETCD);
	role_set_arbiter(&R, ROLE_ARBITER_CLOSED, now_ns);
	ev(ROLE_EV_STAY);
	CHECK(has(ROLE_DO_ASK) == NULL);
	CHECK_EQ(R.state, ROLE_TOGETHER);
	return 0;
}

TEST(without_arbiter_the_one_that_stays_goes_alone)
{
	together(0, ROLE_ARBITER_NONE);
	ev(ROLE_EV_STAY);
	CHECK_EQ(R.state, ROLE_ALONE);
	CHECK_EQ(R.rec.gen, 6);
	return 0;
}

TESTS_MAIN(T(table_has_no_hole), T(compare_is_mirror_image),
    T(loss_freezes_then_claims_then_runs),
    T(a_stir_of_the_lost_peer_delays_taking),
    T(refused_stops_and_is_outdated), T(no_answer_stays_frozen_then_stops),
    T(peer_back_before_any_grant_thaws), T(quiet_peer_freezes_without_claim),
    T(without_arbiter_a_person_decides),
    T(takeover_goes_beyond_the_own_record),
    T(takeover_ends_when_the_peer_is_back),
    T(owner_lost_while_stopping_is_waited_for),
    T(own_record_is_checked_with_the_arbiter), T(start_without_peer_needs_proof),
    T(agent_restart_touches_nothing_while_peer_lives),
    T(a_claim_granted_to_a_dead_agent_is_found),
    T(a_claim_granted_to_the_peer_is_given_way_to),
    T(a_takeover_of_a_dead_agent_is_found), T(both_outdated_is_no_dead_end),
    T(adopting_waits_for_the_own_question),
    T(going_together_waits_for_the_own_question),
    T(an_order_older_than_the_owner_is_passed_over), T(frozen_says_what_it_knows_now),
    T(a_split_pauses_the_guests), T(who_isnt_kept_gives_up_first),
    T(who_is_kept_goes_above_both), T(resolved_means_nothing_elsewhere),
    T(another_arbiter_at_run_time),
    T(two_owners_of_one_generation_are_a_split),
    T(the_peer_leaves_and_no_guest_is_paused),
    T(a_leave_that_isnt_granted_changes_nothing),
    T(a_leave_that_may_have_been_granted_is_asked_again),
    T(a_leave_that_the_peer_won_stops_the_guests),
    T(nobody_leaves_while_the_server_is_changed),
    T(without_arbiter_the_one_that_stays_goes_alone))
