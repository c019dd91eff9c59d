/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_ask.c - what is asked of the arbiter, and its answers
 */
#include "nodeagent/core/role_impl.h"

#include <string.h>

#include "base/assert.h"

int
role_next_question(const struct role *r)
{
	if (r->asking || r->due_ns[T_RETRY] != 0)
		return Q_NONE;
	if (r->taking)
		return Q_FORCE;
	if (r->state == ROLE_REJOINING)
		return r->ordered ? Q_NONE : Q_MOVE;
	if (r->state == ROLE_TOGETHER)
		return role_stay_due(r) ? Q_CLAIM : Q_NONE;
	if (r->state != ROLE_FROZEN && r->state != ROLE_WAITING &&
	    r->state != ROLE_JOINING)
		return Q_NONE;
	if (r->rec.mode == ROLE_MODE_NEW)
		return r->both_new && r->view && r->node == 0 && !r->created ?
		    Q_CREATE : Q_NONE;
	if (r->state == ROLE_JOINING)
		return r->own_due ? Q_OWN : r->check_due ? Q_CHECK : Q_NONE;
	if (!role_has_claim(r))
		return r->check_due && r->both_outdated ? Q_CHECK : Q_NONE;
	if (r->arbiter == ROLE_ARBITER_NONE)
		return r->claim_free ? Q_CLAIM : Q_NONE;
	return r->lost || r->claim_free || r->maybe ? Q_CLAIM : Q_NONE;
}

void
role_fill_move(const struct role *r, int question, struct role_move *m)
{
	uint64_t g = r->rec.gen;

	memset(m, 0, sizeof(*m));
	m->to_owner = r->node;
	switch (question) {
	case Q_CLAIM:
		m->from_both_gen = g + (r->rec.pending ? 1 : 0);
		m->from_mine_gen = r->rec.pending ? g : 0;
		m->from_lower = r->rec.pending;
		m->to_gen = role_claim_gen(r);
		break;
	case Q_MOVE:		/* the follower gave up every right: any older
				 * record may be replaced */
		m->from_mine_gen = g;
		m->from_lower = true;
		m->from_empty = true;
		m->to_gen = g + 1;
		m->to_owner = -1;
		break;
	case Q_CREATE:
		m->from_empty = true;
		m->to_gen = 1;
		m->to_owner = -1;
		break;
	case Q_OWN:		/* changes nothing: is it so? */
		m->to_gen = g;
		break;
	case Q_CHECK:		/* neither: was it granted before? */
		m->to_gen = role_claim_gen(r);
		break;
	case Q_FORCE:
		m->from_empty = true;
		m->to_gen = 0;
		m->least_gen = role_force_gen(r);
		break;
	default:
		AV_ASSERT(false);
	}
}

enum role_state
role_act_granted(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	uint64_t gen = ev->gen;

	if (r->question == Q_CREATE) {
		r->created = true;
		role_effect(out, ROLE_DO_CREATE_UNIT);
		return r->state;
	}
	if (r->question == Q_OWN)
		return role_own_checked(r, ev, out);
	r->check_due = false;
	if (r->question != Q_CLAIM && r->question != Q_FORCE &&
	    r->question != Q_CHECK)
		return r->state;	/* a hand-back that was overtaken */
	if (gen <= r->rec.gen)
		return r->state;	/* overtaken too, or nonsense */
	if (r->question == Q_FORCE && r->arbiter == ROLE_ARBITER_NONE)
		SAY(r, TAKEOVER_UNASKED, .gen = gen);
	else if (r->question == Q_FORCE)
		SAY(r, TAKEOVER, .gen = gen);
	else
		SAY(r, GRANTED, .gen = gen);
	return role_enter_alone(r, gen, out);
}

enum role_state
role_act_refused(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->question == Q_CREATE) {
		r->created = true;	/* asking again won't help */
		SAY(r, UNIT_KNOWN, .other_gen = ev->gen);
		return r->state;
	}
	if (r->question == Q_OWN)
		return role_own_checked(r, ev, out);
	r->check_due = false;	/* its owner knows, or asks */
	if (r->question != Q_CLAIM && r->question != Q_CHECK)
		return r->state;
	if (role_granted_before(r, ev)) {
		SAY(r, GRANTED, .gen = ev->gen);
		return role_enter_alone(r, ev->gen, out);
	}
	/* the peer was granted it, knowing or not: it hears of that when it
	 * asks, now that this one gives way */
	if (r->question == Q_CHECK &&
	    (ev->owner != 1 - r->node || !role_has_claim(r)))
		return r->state;
	role_say_refused(r, ev);
	return role_enter_stopped(r, out);
}

enum role_state
role_act_no_answer(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->question == Q_OWN)
		return role_own_checked(r, ev, out);
	if (r->state == ROLE_JOINING)
		r->check_due = false;	/* it changes nothing */
	if (r->question == Q_FORCE) {	/* a person answers for it */
		if (!role_takeover_stands(r)) {
			r->taking = false;
			return r->state;
		}
		SAY(r, TAKEOVER_UNASKED, .gen = role_force_gen(r));
		return role_enter_alone(r, role_force_gen(r), out);
	}
	if (r->state == ROLE_FROZEN)
		SAY(r, NO_ANSWER, .seconds = r->times.frozen_ns / NS_PER_S);
	return r->state;
}
