/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role.c - may this PM run guests?
 *
 * One step: note what is known of the world, do what the table (role_table.c)
 * says, then what follows of it: taking the peer's guests, handing back, asking.
 * What the cells do: role_enter.c, role_run.c, role_start.c, role_ask.c,
 * role_handback.c, role_stay.c.
 */
#include "nodeagent/core/role_impl.h"

#include <string.h>

#include "base/assert.h"

static void
check_take(struct role *r, uint64_t now_ns, struct role_effects *out)
{
	if (r->state != ROLE_ALONE || !r->take_due)
		return;
	if (r->lost) {
		uint64_t at = r->lost_since_ns + r->times.dead_ns;

		if (now_ns < at) {
			role_arm(r, T_DEAD, at);
			return;
		}
	} else if (!r->peer_released) {
		return;
	}
	r->take_due = false;
	r->due_ns[T_DEAD] = 0;
	role_effect(out, ROLE_DO_TAKE_PEER_GUESTS);
}

static void
dispatch(struct role *r, const struct role_event *ev, struct role_effects *out)
{
	const struct role_cell *c = role_cell(r->state, ev->type);
	enum role_state old = r->state;

	AV_ASSERT(c->kind == SM_GO || c->kind == SM_IGNORE);
	if (c->kind == SM_IGNORE)
		return;
	r->state = c->act(r, ev, out);
	if (r->state == old)
		return;
	r->entered_ns = ev->now_ns;
	r->due_ns[T_START] = 0;
	r->due_ns[T_JOIN] = 0;
	if (r->state != ROLE_FROZEN)
		r->due_ns[T_FROZEN] = 0;
	if (r->state != ROLE_ALONE)
		r->due_ns[T_DEAD] = 0;
	role_handback_pause(r, old);
	if (r->state != ROLE_TOGETHER)
		r->staying = false;
}

static void
pump(struct role *r, uint64_t now_ns, struct role_effects *out)
{
	struct role_event ev = { .now_ns = now_ns };
	struct role_move m;
	int q;

	check_take(r, now_ns, out);
	if (r->taking && !role_takeover_stands(r) &&
	    !(r->asking && r->question == Q_FORCE))
		r->taking = false;
	if (role_rejoin_possible(r)) {
		ev.type = ROLE_EV_REJOIN;
		dispatch(r, &ev, out);
	}
	q = role_next_question(r);
	if (q == Q_NONE)
		return;
	r->question = q;
	role_fill_move(r, q, &m);
	if (r->arbiter != ROLE_ARBITER_NONE) {
		r->asking = true;
		role_effect(out, ROLE_DO_ASK)->move = m;
		return;
	}
	ev.type = ROLE_EV_GRANTED;	/* nobody to ask */
	ev.gen = m.to_gen != 0 ? m.to_gen : role_claim_gen(r);
	dispatch(r, &ev, out);
	check_take(r, now_ns, out);
}

static void
note_owner(struct role *r, const struct role_event *ev)
{
	if (ev->peer.rec.mode == ROLE_MODE_ALONE && !ev->peer.rec.pending &&
	    ev->peer.rec.gen > r->owner_gen)
		r->owner_gen = ev->peer.rec.gen;
}

static void
note_peer(struct role *r, const struct role_event *ev)
{
	note_owner(r, ev);
	r->peer_released = ev->peer.released;
	r->peer_follows = ev->peer.state == ROLE_FOLLOWER && ev->peer.released;
}

static void
note_answer(struct role *r, const struct role_event *ev)
{
	r->asking = false;
	if (ev->type == ROLE_EV_NO_ANSWER) {
		/* elsewhere the generation has moved on since it was asked */
		if (r->question == Q_OWN || r->question == Q_CHECK)
			;	/* they change nothing */
		else if (r->state == ROLE_FROZEN || r->state == ROLE_WAITING ||
		    r->state == ROLE_REJOINING || r->state == ROLE_JOINING ||
		    r->state == ROLE_TOGETHER)
			r->maybe |= ev->maybe;
		role_arm(r, T_RETRY, ev->now_ns + r->times.retry_ns);
	} else {
		r->maybe = false;
	}
}

static void
note_silent(struct role *r, const struct role_event *ev)
{
	if (r->silent_since_ns == 0)
		r->silent_since_ns = ev->now_ns - ev->silent_ns;
}

static void
note(struct role *r, const struct role_event *ev)
{
	r->now_ns = ev->now_ns;
	switch (ev->type) {
	case ROLE_EV_PEER_QUIET:
		note_silent(r, ev);
		r->lost = false;
		r->quiet = true;
		break;
	case ROLE_EV_PEER_LOST:
		note_silent(r, ev);
		r->lost = r->quiet = true;
		r->lost_since_ns = ev->now_ns;
		r->due_ns[T_RETRY] = 0;
		r->claim_free = false;
		r->peer_released = r->peer_follows = false;
		r->view = r->both_new = r->created = r->both_outdated = false;
		break;
	case ROLE_EV_PEER_BACK:
		r->lost = r->quiet = false;
		r->silent_since_ns = 0;
		r->due_ns[T_DEAD] = 0;
		break;
	case ROLE_EV_VIEW_GONE:
		r->view = r->both_new = r->created = r->both_outdated = false;
		r->peer_follows = r->claim_free = false;
		break;
	case ROLE_EV_VIEW_TOGETHER: case ROLE_EV_VIEW_ADOPT:
	case ROLE_EV_VIEW_LEAD: case ROLE_EV_VIEW_FOLLOW:
	case ROLE_EV_VIEW_CLAIM: case ROLE_EV_VIEW_NEW:
	case ROLE_EV_VIEW_WAIT: case ROLE_EV_VIEW_SPLIT:
		r->view = true;
		r->claim_free = r->both_new = false;
		r->both_outdated = r->rec.mode == ROLE_MODE_OUTDATED &&
		    (ev->peer.rec.mode == ROLE_MODE_OUTDATED ||
		    ev->peer.rec.mode == ROLE_MODE_NEW);
		note_peer(r, ev);
		break;
	case ROLE_EV_PEER_INFO: case ROLE_EV_PEER_OWNS:
		note_owner(r, ev);
		/* It lives, and may have been heard by it just before: its lease
		 * runs on. */
		if (r->lost)
			r->lost_since_ns = ev->now_ns + r->times.stir_ns;
		r->peer_released = ev->peer.released;
		break;
	case ROLE_EV_GRANTED: case ROLE_EV_REFUSED: case ROLE_EV_NO_ANSWER:
		note_answer(r, ev);
		break;
	case ROLE_EV_IN_STEP:
		r->in_step = true;
		break;
	case ROLE_EV_OUT_OF_STEP:
		r->in_step = false;
		break;
	default:
		break;
	}
}

static bool
hello_equal(const struct role_hello *a, const struct role_hello *b)
{
	return a->state == b->state && a->rec.gen == b->rec.gen &&
	    a->rec.mode == b->rec.mode && a->rec.pending == b->rec.pending &&
	    a->ready == b->ready && a->released == b->released;
}

static void
say_hello(struct role *r, struct role_effects *out)
{
	struct role_hello h;

	role_hello_fill(r, &h);
	if (hello_equal(&h, &r->said))
		return;
	r->said = h;
	role_effect(out, ROLE_DO_HELLO);
}

void
role_init(struct role *r, int node, enum role_arbiter arbiter,
    const struct role_times *times, const struct role_record *rec,
    bool guests_running, uint64_t now_ns, struct role_effects *out)
{
	memset(r, 0, sizeof(*r));
	out->n = 0;
	r->node = node;
	r->arbiter = arbiter;
	r->times = *times;
	r->rec = *rec;
	r->guests_maybe = guests_running;
	r->lost = r->quiet = true;
	r->lost_since_ns = r->silent_since_ns = r->now_ns = now_ns;
	r->entered_ns = now_ns;
	r->state = ROLE_JOINING;
	SAY(r, STARTING, .gen = rec->gen);
	/* an agent that died while it asked doesn't know what came of it */
	r->check_due = arbiter != ROLE_ARBITER_NONE && role_has_claim(r);
	role_arm(r, T_START, now_ns + times->start_ns);
	role_arm(r, T_JOIN, now_ns + times->join_ns);
	if (guests_running && (rec->mode == ROLE_MODE_OUTDATED ||
	    rec->mode == ROLE_MODE_NEW))
		role_effect(out, ROLE_DO_STOP_GUESTS);
	role_hello_fill(r, &r->said);
	role_effect(out, ROLE_DO_HELLO);
}

bool
role_event_stale(const struct role *r, const struct role_event *ev)
{
	return ev->type >= ROLE_EV_VIEW_TOGETHER &&
	    ev->type <= ROLE_EV_VIEW_SPLIT &&
	    (ev->me.rec.gen != r->rec.gen || ev->me.rec.mode != r->rec.mode ||
	    ev->me.rec.pending != r->rec.pending);
}

void
role_step(struct role *r, const struct role_event *ev, struct role_effects *out)
{
	out->n = 0;
	if (role_event_stale(r, ev))
		return;
	note(r, ev);
	dispatch(r, ev, out);
	pump(r, ev->now_ns, out);
	say_hello(r, out);
}

void
role_set_arbiter(struct role *r, enum role_arbiter arbiter, uint64_t now_ns)
{
	AV_ASSERT(!r->asking);
	r->arbiter = arbiter;
	if (r->state == ROLE_FROZEN && arbiter != ROLE_ARBITER_NONE &&
	    r->due_ns[T_FROZEN] == 0)
		role_arm(r, T_FROZEN, now_ns + r->times.frozen_ns);
}

uint64_t
role_deadline(const struct role *r)
{
	uint64_t min = 0;
	size_t i;

	for (i = 0; i < 5; i++)
		if (r->due_ns[i] != 0 && (min == 0 || r->due_ns[i] < min))
			min = r->due_ns[i];
	return min;
}

bool
role_timer_due(struct role *r, uint64_t now_ns, struct role_event *ret)
{
	static const enum role_event_type types[] = { ROLE_EV_T_START,
		ROLE_EV_T_JOIN, ROLE_EV_T_FROZEN, ROLE_EV_T_RETRY,
		ROLE_EV_T_DEAD };
	size_t i;

	for (i = 0; i < 5; i++) {
		if (r->due_ns[i] == 0 || r->due_ns[i] > now_ns)
			continue;
		r->due_ns[i] = 0;
		memset(ret, 0, sizeof(*ret));
		ret->type = types[i];
		ret->now_ns = now_ns;
		return true;
	}
	return false;
}

bool
role_may_take_over(const struct role *r)
{
	if (r->state == ROLE_SPLIT)	/* both are there: a person chooses */
		return r->lost;
	return r->rec.mode != ROLE_MODE_NEW && role_takeover_stands(r) &&
	    (r->state == ROLE_FROZEN || r->state == ROLE_WAITING);
}
