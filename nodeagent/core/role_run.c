/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_run.c - signs of life and orders while guests run, or are paused
 */
#include "nodeagent/core/role_impl.h"

enum role_state
role_act_lost_together(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	role_say_lost(r);
	return role_enter_frozen(r, ev, out);
}

/* FROZEN: its guests are paused already; what is said of the peer changes. */
enum role_state
role_act_frozen_news(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	if (!r->claim_free)
		role_say_lost(r);
	return ROLE_FROZEN;
}

enum role_state
role_act_lost_follower(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	return role_enter_waiting(r);
}

enum role_state
role_act_peer_owns(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->rec.mode == ROLE_MODE_NEW)
		return r->state;
	SAY(r, PEER_OWNS, .gen = r->rec.gen, .other_gen = ev->peer.rec.gen);
	if (r->guests_maybe)
		return role_enter_stopped(r, out);
	role_set_record(r, r->rec.gen, ROLE_MODE_OUTDATED, false, out);
	return r->state;
}

/* ALONE: two owners of one generation are a split, seen without corosync too. */
enum role_state
role_act_peer_info(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (ev->peer.rec.mode != ROLE_MODE_ALONE ||
	    ev->peer.rec.gen != r->rec.gen)
		return r->state;
	return role_act_view_split(r, ev, out);
}

enum role_state
role_act_frozen_over(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	role_effect(out, ROLE_DO_STOP_GUESTS);
	(void)role_enter_waiting(r);
	if (r->lost)
		SAY(r, FROZEN_OVER, .gen = role_claim_gen(r),
		    .seconds = r->times.frozen_ns / NS_PER_S);
	else
		SAY(r, QUIET_OVER, .seconds = r->times.frozen_ns / NS_PER_S);
	return ROLE_WAITING;
}

enum role_state
role_act_guests_stopped(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	r->guests_maybe = false;
	if (r->state != ROLE_STOPPED)
		return r->state;
	/* an owner that was lost meanwhile: no PEER_LOST will come again */
	if (r->follow_gen != 0 && !r->lost)
		return role_enter_follower(r, out);
	return role_enter_waiting(r);
}

enum role_state
role_act_takeover(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	if (role_may_take_over(r))
		r->taking = true;	/* asked in pump() */
	return r->state;
}

/*
 * After a split.  The PM whose state isn't kept gives up first, durably, and can
 * never claim again by itself; only when it has said so may the other one take
 * the right.  So a choice that reached one PM alone lets nobody run.
 */
enum role_state
role_act_resolved(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (ev->owner != r->node) {
		SAY(r, SPLIT_GIVEN_UP, .gen = r->rec.gen);
		return role_enter_stopped(r, out);
	}
	if (ev->peer.rec.mode != ROLE_MODE_OUTDATED)
		return r->state;
	role_note_rival(r, &ev->peer);
	SAY(r, SPLIT_RESOLVED, .gen = role_force_gen(r));
	r->taking = true;	/* asked in pump() */
	return r->state;
}
