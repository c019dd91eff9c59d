/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_stay.c - the peer leaves for maintenance, this PM runs the unit
 *
 * The one that stays asks the arbiter while both are together and its guests run
 * on: nothing is paused for a planned leave.  Granted, it is the owner as after a
 * loss, and the other one follows as soon as it hears of it; it has no guest, so
 * nobody notices.  Not granted, both go on together.  While an answer may have
 * taken effect it is asked again: this PM must know what the arbiter says before
 * the peer can be lost for another reason.
 */
#include "nodeagent/core/role_impl.h"

bool
role_stay_due(const struct role *r)
{
	/* nobody to record it: it would not be known who goes on */
	if (r->arbiter == ROLE_ARBITER_CLOSED || r->quiet)
		return false;
	return r->maybe || (r->staying && r->view);
}

enum role_state
role_act_stay(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	r->staying = true;	/* asked in pump() */
	return ROLE_TOGETHER;
}

enum role_state
role_act_stay_granted(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->question != Q_CLAIM || ev->gen <= r->rec.gen)
		return ROLE_TOGETHER;	/* overtaken */
	SAY(r, STAYING, .gen = ev->gen);
	return role_enter_alone(r, ev->gen, out);
}

enum role_state
role_act_stay_refused(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->question != Q_CLAIM)
		return ROLE_TOGETHER;
	if (role_granted_before(r, ev)) {
		SAY(r, STAYING, .gen = ev->gen);
		return role_enter_alone(r, ev->gen, out);
	}
	/* the peer was granted it: it lost this PM in the same moment */
	if (ev->owner == 1 - r->node && ev->gen > r->rec.gen) {
		role_say_refused(r, ev);
		return role_enter_stopped(r, out);
	}
	r->staying = false;
	SAY(r, STAY_REFUSED, .gen = r->rec.gen, .other_gen = ev->gen,
	    .owner = ev->owner);
	return ROLE_TOGETHER;
}

enum role_state
role_act_stay_no_answer(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	if (r->question != Q_CLAIM)
		return ROLE_TOGETHER;
	r->staying = false;	/* wished again, or asked again: r->maybe */
	SAY(r, STAY_NO_ANSWER, .gen = r->rec.gen);
	return ROLE_TOGETHER;
}
