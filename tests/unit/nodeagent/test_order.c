/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_order.c - two agents' order.c against each other
 */
#include "tests/test.h"
#include "nodeagent/order_impl.h"
#include "tests/unit/nodeagent/order_world.h"

struct result { int n; int rc; bool maybe; char id[32]; };

static void
on_done(void *arg, int rc, json_t *result, const struct av_err *err)
{
	struct result *r = arg;

	r->n++;
	r->rc = rc;
	r->maybe = err->outcome == AV_MAYBE;
	(void)snprintf(r->id, sizeof(r->id), "%s", rc == 0 ?
	    json_string_value(json_object_get(result, "id")) : err->code);
}

static int
submit(int i, const char *id, struct result *r, struct av_err *err)
{
	AUTO_JSON json_t *cmd = json_pack("{s:s,s:s}", "op", "test", "cmd_id",
	    id);

	memset(r, 0, sizeof(*r));
	return order_submit(W.pm[i].order, cmd, on_done, r, err);
}

static bool
both(enum role_state s)
{
	return w_in(0, s) && w_in(1, s);
}

static bool
equal(void)
{
	return W.pm[0].seq == W.pm[1].seq &&
	    strcmp(W.pm[0].log, W.pm[1].log) == 0;
}

static int
form_unit(void)
{
	CHECK(w_init() >= 0);
	CHECK(w_start(0) == 0 && w_start(1) == 0);
	CHECK(W_UNTIL(5000, both(ROLE_TOGETHER)));
	CHECK(W.pm[0].n_create == 1 && W.pm[1].n_create == 0);
	CHECK_EQ(order_role(W.pm[0].order)->rec.gen, 1);
	CHECK(equal());
	CHECK_EQ(W.pm[0].seq, 1);
	return 0;
}

TEST(unit_forms_and_orders)
{
	struct result a, b;

	CHECK(form_unit() == 0);
	CHECK(W_UNTIL(2000, order_available(W.pm[0].order, NULL) == 0));
	CHECK(submit(0, "a", &a, NULL) == 0);
	CHECK(submit(1, "b", &b, NULL) == 0);
	CHECK(a.n == 0 && b.n == 0);	/* never from inside the call */
	CHECK(W_UNTIL(2000, a.n && b.n));
	CHECK(a.rc == 0 && b.rc == 0);
	CHECK_STR(a.id, "a");
	CHECK(equal());
	CHECK_EQ(W.pm[0].seq, 3);
	/* heartbeats are there too */
	CHECK(W_UNTIL(2000, order_peer_seen(W.pm[0].order)));
	w_end();
	return 0;
}

TEST(refused_command_tells_why)
{
	AUTO_JSON json_t *cmd = json_pack("{s:s,s:s,s:b}", "op", "t", "cmd_id",
	    "x", "refuse", 1);
	AUTO_JSON json_t *no_id = json_object();
	struct result r = { 0 };
	struct av_err err = { 0 };

	CHECK(form_unit() == 0);
	CHECK(order_submit(W.pm[0].order, cmd, on_done, &r, NULL) == 0);
	CHECK(W_UNTIL(2000, r.n));
	CHECK_EQ(r.rc, -EEXIST);
	CHECK_STR(r.id, "name-exists");
	CHECK(!r.maybe);
	CHECK(order_submit(W.pm[0].order, no_id, on_done, &r, &err) == -EINVAL);
	CHECK_STR(err.code, "bad-request");
	w_end();
	return 0;
}

TEST(agent_restart_changes_nothing)
{
	struct result r;

	CHECK(form_unit() == 0);
	w_kill(1);
	CHECK(W_UNTIL(400, order_available(W.pm[0].order, NULL) < 0));
	CHECK(w_start(1) == 0);
	CHECK(W_UNTIL(3000, both(ROLE_TOGETHER)));
	CHECK_EQ(order_role(W.pm[1].order)->rec.gen, 1);
	CHECK(submit(1, "again", &r, NULL) == 0);
	CHECK(W_UNTIL(2000, r.n));
	CHECK(r.rc == 0 && equal());
	w_end();
	return 0;
}

/* A peer with other timings: its lease would be another one. */
TEST(a_peer_with_other_timings_is_not_let_in)
{
	unsigned scale = W.scale;
	uint64_t end;

	CHECK(form_unit() == 0);
	scale = W.scale;
	w_kill(1);
	CHECK(W_UNTIL(400, order_available(W.pm[0].order, NULL) < 0));
	W.scale = scale * 2;
	CHECK(w_start(1) == 0);
	W.scale = scale;
	end = av_clock_ns() + AV_NS_PER_S;
	while (av_clock_ns() < end) {
		CHECK(!role_may_run(order_role(W.pm[1].order)));
		CHECK(order_available(W.pm[0].order, NULL) < 0);
		(void)W_UNTIL(20, false);
	}
	{
		AUTO_JSON json_t *facts = order_facts(W.pm[1].order);
		const json_t *role = json_object_get(facts, "role");

		CHECK(json_is_true(json_object_get(role, "incompatible")));
		CHECK_STR(json_string_value(json_object_get(json_object_get(
		    role, "reason"), "code")), "peer-incompatible");
	}
	/* with the right ones it is let in again */
	w_kill(1);
	CHECK(w_start(1) == 0);
	CHECK(W_UNTIL(5000, both(ROLE_TOGETHER)));
	w_end();
	return 0;
}

static bool
says_incompatible(int i)
{
	AUTO_JSON json_t *facts = order_facts(W.pm[i].order);

	return json_is_true(json_object_get(json_object_get(facts, "role"),
	    "incompatible"));
}

/* A peer whose agent is of another version: its beats are understood, its hellos
 * aren't.  It isn't let in, and both say so all the time. */
TEST(a_peer_of_another_version_is_not_let_in)
{
	uint64_t end;

	CHECK(form_unit() == 0);
	w_kill(1);
	CHECK(W_UNTIL(400, order_available(W.pm[0].order, NULL) < 0));
	W.versions_differ = true;
	CHECK(w_start(1) == 0);
	CHECK(W_UNTIL(2000, says_incompatible(0) && says_incompatible(1)));
	end = av_clock_ns() + AV_NS_PER_S;
	while (av_clock_ns() < end) {
		CHECK(!role_may_run(order_role(W.pm[1].order)));
		CHECK(order_available(W.pm[0].order, NULL) < 0);
		CHECK(says_incompatible(0) && says_incompatible(1));
		(void)W_UNTIL(20, false);
	}
	W.versions_differ = false;
	w_kill(1);
	CHECK(w_start(1) == 0);
	CHECK(W_UNTIL(5000, both(ROLE_TOGETHER)));
	CHECK(!says_incompatible(0) && !says_incompatible(1));
	w_end();
	return 0;
}

TEST(cut_freezes_both_and_mending_thaws)
{
	struct av_err err = { 0 };
	struct result r;

	CHECK(form_unit() == 0);
	CHECK(W_UNTIL(2000, order_peer_seen(W.pm[0].order)));
	W.cut = true;
	CHECK(W_UNTIL(3000, both(ROLE_FROZEN)));
	CHECK(W.pm[0].n_freeze == 1 && W.pm[1].n_freeze == 1);
	CHECK(submit(0, "no", &r, &err) == -EAGAIN);
	CHECK_STR(err.code, "frozen");
	W.cut = false;
	CHECK(W_UNTIL(5000, both(ROLE_TOGETHER)));
	CHECK_EQ(order_role(W.pm[0].order)->rec.gen, 1);
	CHECK(W.pm[0].n_alone == 0 && W.pm[1].n_alone == 0);
	CHECK(W.pm[0].n_stop == 0 && W.pm[1].n_stop == 0);
	w_end();
	return 0;
}

/* Kill node1, a person takes over on node0, commands go on, node1 comes back,
 * takes the database, follows, and both are together when in step. */
TEST(takeover_and_return)
{
	struct result r;
	int i;

	CHECK(form_unit() == 0);
	CHECK(W_UNTIL(2000, order_peer_seen(W.pm[0].order)));
	CHECK(order_takeover(W.pm[0].order, NULL) < 0);
	w_kill(1);
	CHECK(W_UNTIL(3000, w_in(0, ROLE_FROZEN) &&
	    !order_peer_seen(W.pm[0].order)));
	CHECK(order_takeover(W.pm[0].order, NULL) == 0);
	CHECK(W_UNTIL(1000, w_in(0, ROLE_ALONE)));
	CHECK_EQ(W.pm[0].gen, 2);
	CHECK(W_UNTIL(3000, W.pm[0].n_take == 1));
	CHECK(W.pm[0].took_ns - W.pm[0].froze_ns >=
	    order_timing(W.pm[0].order)->peer_dead_ns - 30 * AV_NS_PER_MS);
	for (i = 0; i < 3; i++) {
		CHECK(submit(0, "alone", &r, NULL) == 0);
		CHECK(W_UNTIL(2000, r.n));
		CHECK_EQ(r.rc, 0);
	}
	CHECK(w_start(1) == 0);
	CHECK(W_UNTIL(5000, w_in(1, ROLE_FOLLOWER)));
	CHECK(W_UNTIL(1000, equal()));
	CHECK(submit(0, "follows", &r, NULL) == 0);
	CHECK(W_UNTIL(2000, r.n && r.rc == 0 && equal()));
	CHECK(w_in(0, ROLE_ALONE));
	order_mirror_state(W.pm[0].order, true, 0);
	CHECK(W_UNTIL(3000, both(ROLE_TOGETHER)));
	CHECK_EQ(order_role(W.pm[0].order)->rec.gen, 3);
	CHECK_EQ(order_role(W.pm[1].order)->rec.gen, 3);
	CHECK(W.pm[0].n_fatal == 0 && W.pm[1].n_fatal == 0);
	w_end();
	return 0;
}

/* --- what may happen between two messages --- */

static int
send_as(void *arg, const uint8_t *data, size_t n)
{
	return w_send(arg, data, n);
}

static bool
say(int from, enum order_msg_type type, uint64_t a, uint64_t b,
    const void *body, size_t n)
{
	uint8_t head[16];
	struct av_wr w = { head, sizeof(head), 0 };

	av_wr_le(&w, a, 8);
	av_wr_le(&w, b, 8);
	return order_msg_send(send_as, &W.pm[from], type, head, sizeof(head),
	    body, n) == 0;
}

/* node0 alone with a database that node1 has too; node1 is dead. */
static int
alone_with_equal_databases(void)
{
	CHECK(form_unit() == 0);
	CHECK(W_UNTIL(2000, order_peer_seen(W.pm[0].order)));
	w_kill(1);
	CHECK(W_UNTIL(3000, w_in(0, ROLE_FROZEN) &&
	    !order_peer_seen(W.pm[0].order)));
	CHECK(order_takeover(W.pm[0].order, NULL) == 0);
	CHECK(W_UNTIL(1000, w_in(0, ROLE_ALONE)));
	CHECK(equal());
	return 0;
}

/* An owner's command is delivered after its hello was sent and before that hello
 * is: the hello's position is old by then. */
TEST(hello_overtaken_by_a_command)
{
	static const char cmd[] = "{\"cmd_id\":\"between\",\"op\":\"t\"}";
	struct w_msg *rest[2];
	uint64_t view;
	int i;

	CHECK(alone_with_equal_databases() == 0);
	view = W.pm[0].order->view;
	CHECK(view != 0);
	CHECK(w_start(1) == 0);
	/* both see the new group; both hellos are on their way */
	(void)W_UNTIL(2000, W.pm[0].inbox != NULL && W.pm[1].inbox != NULL);
	CHECK(W.pm[0].inbox != NULL && W.pm[1].inbox != NULL);
	CHECK(W.pm[0].inbox->next != NULL);
	for (i = 0; i < 2; i++) {	/* put the command before them */
		rest[i] = W.pm[i].inbox;
		W.pm[i].inbox = NULL;
		W.pm[i].inbox_last = &W.pm[i].inbox;
	}
	CHECK(say(0, ORDER_MSG_COMMAND, view, 12345, cmd, sizeof(cmd) - 1));
	for (i = 0; i < 2; i++) {
		struct w_msg *m = W.pm[i].inbox;

		m->next = rest[i];
		while (m->next != NULL)
			m = m->next;
		W.pm[i].inbox_last = &m->next;
	}
	CHECK(W_UNTIL(5000, w_in(1, ROLE_FOLLOWER)));
	CHECK(strstr(W.pm[0].log, "between") != NULL);
	CHECK(W_UNTIL(2000, equal()));
	CHECK(W.pm[0].n_fatal == 0 && W.pm[1].n_fatal == 0);
	w_end();
	return 0;
}

/* A sender gave up in the middle of a message: its next one counts. */
TEST(half_a_message_costs_no_other)
{
	struct order_inbox in = { 0 };
	uint8_t big[100] = { 'A', 'V', 'O', 1, ORDER_MSG_FACTS };
	uint8_t small[18] = { 'A', 'V', 'O', 1, ORDER_MSG_FACTS };

	big[8] = 200;		/* of 200 bytes, 84 came */
	small[8] = 2;
	CHECK_EQ(order_msg_feed(&in, big, sizeof(big)), 0);
	CHECK_EQ(order_msg_feed(&in, small, sizeof(small)), 1);
	CHECK_EQ(in.n, 2);
	order_msg_reset(&in);
	return 0;
}

/* 'together' passed one PM by: both compare anew instead of believing it. */
TEST(a_missed_hand_back_is_compared_anew)
{
	uint64_t view;

	CHECK(form_unit() == 0);
	CHECK(W_UNTIL(2000, order_available(W.pm[0].order, NULL) == 0));
	view = W.pm[0].order->view;
	CHECK(say(0, ORDER_MSG_TOGETHER, view, 7, NULL, 0));
	CHECK(W_UNTIL(3000, W.pm[0].order->view != view &&
	    W.pm[0].order->sync == SYNC_DONE &&
	    W.pm[1].order->sync == SYNC_DONE));
	CHECK(both(ROLE_TOGETHER));
	CHECK_EQ(W.pm[0].order->hello[1].role.rec.gen, 1);
	CHECK_EQ(W.pm[1].order->hello[1].role.rec.gen, 1);
	w_end();
	return 0;
}

TEST(different_databases_are_never_passed_over)
{
	uint8_t hash[32] = { 0 };

	CHECK(form_unit() == 0);
	CHECK(W_UNTIL(2000, order_available(W.pm[0].order, NULL) == 0));
	CHECK(say(1, ORDER_MSG_ACK, W.pm[0].order->view, W.pm[0].seq,
	    W.pm[0].hash, 32));
	CHECK(!W_UNTIL(50, W.pm[0].n_fatal != 0));
	CHECK(say(1, ORDER_MSG_ACK, W.pm[0].order->view, W.pm[0].seq, hash,
	    32));
	CHECK(W_UNTIL(1000, W.pm[0].n_fatal == 1));
	w_end();
	return 0;
}

/* What isn't recorded isn't done: the agent leaves before it runs anything. */
TEST(a_record_that_cant_be_written_is_the_end)
{
	struct order *o;

	CHECK(form_unit() == 0);
	w_kill(1);
	CHECK(W_UNTIL(3000, w_in(0, ROLE_FROZEN) &&
	    !order_peer_seen(W.pm[0].order)));
	o = W.pm[0].order;
	(void)snprintf(o->record_path, sizeof(o->record_path), "%s/no/role",
	    W.pm[0].dir);
	CHECK(order_takeover(o, NULL) == 0);
	CHECK(W_UNTIL(2000, W.pm[0].n_fatal == 1));
	CHECK(W.pm[0].gen != 2);
	w_end();
	return 0;
}

TEST(facts_reach_the_peer)
{
	AUTO_JSON json_t *facts = json_pack("{s:s}", "node", "node0");
	AUTO_JSON json_t *own = NULL;

	CHECK(form_unit() == 0);
	CHECK(order_send_facts(W.pm[0].order, facts, NULL) == 0);
	CHECK(W_UNTIL(1000, W.pm[1].n_facts == 1));
	CHECK_EQ(W.pm[0].n_facts, 0);
	CHECK(W_UNTIL(1000, order_peer_seen(W.pm[0].order)));
	own = order_facts(W.pm[0].order);
	CHECK_STR(json_string_value(json_object_get(json_object_get(own,
	    "role"), "state")), "together");
	CHECK(json_is_true(json_object_get(own, "ordering")));
	CHECK_STR(json_string_value(json_object_get(json_object_get(own,
	    "arbiter"), "state")), "unconfigured");
	w_end();
	return 0;
}

TEST(open_commands_end_when_closed)
{
	struct result r;

	CHECK(form_unit() == 0);
	CHECK(submit(0, "late", &r, NULL) == 0);
	w_kill(0);
	CHECK_EQ(r.n, 1);
	CHECK_EQ(r.rc, -ECANCELED);
	w_end();
	return 0;
}

TEST(hostile_messages_are_dropped)
{
	uint8_t junk[300];
	struct result r;
	unsigned i, k;

	CHECK(form_unit() == 0);
	for (i = 0; i < 500; i++) {
		for (k = 0; k < sizeof(junk); k++)
			junk[k] = (uint8_t)(i * 31 + k * 17);
		if (i & 1) {
			memcpy(junk, "AVO\1", 4);
			memset(junk + 5, 0, 3);
			junk[4] = (uint8_t)(i % 9);
			junk[8] = (uint8_t)(i % 256);
			memset(junk + 9, 0, 7);
		}
		(void)w_send(&W.pm[1], junk, 16 + i % 284);
	}
	CHECK(submit(0, "after", &r, NULL) == 0);
	CHECK(W_UNTIL(2000, r.n));
	CHECK(r.rc == 0);
	CHECK(W.pm[0].n_fatal == 0);
	w_end();
	return 0;
}

TESTS_MAIN(T(unit_forms_and_orders), T(refused_command_tells_why),
    T(agent_restart_changes_nothing), T(a_peer_with_other_timings_is_not_let_in),
    T(a_peer_of_another_version_is_not_let_in),
    T(cut_freezes_both_and_mending_thaws),
    T(takeover_and_return), T(a_record_that_cant_be_written_is_the_end),
    T(facts_reach_the_peer),
    T(open_commands_end_when_closed), T(hostile_messages_are_dropped),
    T(hello_overtaken_by_a_command), T(half_a_message_costs_no_other),
    T(a_missed_hand_back_is_compared_anew),
    T(different_databases_are_never_passed_over))
