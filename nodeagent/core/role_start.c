/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_start.c - after a start: own record, first sight of the peer
 */
#include "nodeagent/core/role_impl.h"

static enum role_state
own_alone(struct role *r, struct role_effects *out)
{
	SAY(r, OWN_RECORD, .gen = r->rec.gen);
	return role_enter_alone(r, r->rec.gen, out);
}

/* The own record is proof, unless a person made the other PM the owner while this
 * one was away: the quorum server would know.  No answer changes nothing. */
static enum role_state
check_own(struct role *r, struct role_effects *out)
{
	if (r->arbiter == ROLE_ARBITER_NONE)
		return own_alone(r, out);
	r->own_due = true;
	return ROLE_JOINING;
}

/* The answer to Q_OWN. */
enum role_state
role_own_checked(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	r->own_due = false;
	if (r->state != ROLE_JOINING || !role_owns_by_record(r))
		return r->state;
	if (role_granted_before(r, ev)) {
		SAY(r, GRANTED, .gen = ev->gen);
		return role_enter_alone(r, ev->gen, out);
	}
	if (ev->type == ROLE_EV_REFUSED && ev->gen > r->rec.gen) {
		role_say_refused(r, ev);
		return role_enter_stopped(r, out);
	}
	/* back while we asked: it tells by itself, until T_JOIN */
	if (ev->type == ROLE_EV_NO_ANSWER && !r->lost &&
	    r->due_ns[T_JOIN] != 0)
		return ROLE_JOINING;
	return own_alone(r, out);
}

/* JOINING, no sign of the peer (any more). */
enum role_state
role_act_start(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (!r->quiet)
		return ROLE_JOINING;
	if (ev->now_ns < r->entered_ns + r->times.start_ns) {
		role_arm(r, T_START, r->entered_ns + r->times.start_ns);
		return ROLE_JOINING;	/* not looked long enough yet */
	}
	if (r->lost && role_owns_by_record(r))
		return check_own(r, out);
	if (role_has_claim(r) && r->guests_maybe)
		return role_act_lost_together(r, ev, out);
	return ROLE_JOINING;
}

enum role_state
role_act_join_over(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (role_owns_by_record(r))
		return check_own(r, out);
	if (!r->lost && !(r->view && !r->guests_maybe)) {
		SAY(r, PEER_NOT_JOINED,
		    .seconds = (ev->now_ns - r->entered_ns) / NS_PER_S);
		role_arm(r, T_JOIN, ev->now_ns + r->times.join_ns);
		return ROLE_JOINING;
	}
	return role_enter_waiting(r);
}

enum role_state
role_act_view_together(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	/* Both promised not to claim; a question under way would break that. */
	if (r->asking || r->maybe)
		return r->state;
	return role_enter_together(r, out);
}

enum role_state
role_act_view_adopt(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->asking || r->maybe)
		return r->state;
	SAY(r, ADOPTED, .gen = ev->peer.rec.gen);
	role_set_record(r, ev->peer.rec.gen, ROLE_MODE_TOGETHER, false, out);
	return r->state;
}

enum role_state
role_act_view_lead(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	if (r->rec.mode != ROLE_MODE_ALONE || r->rec.pending)
		return r->state;
	SAY(r, OWNER, .gen = r->rec.gen);
	return role_enter_alone(r, r->rec.gen, out);
}

enum role_state
role_act_view_follow(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	r->follow_gen = ev->peer.rec.gen;
	SAY(r, PEER_OWNS, .gen = r->rec.gen, .other_gen = r->follow_gen);
	if (r->state == ROLE_STOPPED && r->guests_maybe)
		return ROLE_STOPPED;	/* until they are stopped */
	if (r->guests_maybe)
		return role_enter_stopped(r, out);
	return role_enter_follower(r, out);
}

/* The peer gave way for good, but only the arbiter can say the rest. */
enum role_state
role_act_view_claim(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	r->claim_free = true;
	if (r->state == ROLE_FROZEN || r->state == ROLE_WAITING)
		return r->state;
	SAY(r, PEER_OUTDATED, .gen = role_claim_gen(r));
	return role_enter_frozen(r, ev, out);
}

/*
 * Usually the peer claims, or is to hear something first.  When both are
 * outdated nobody does: a takeover took effect at the arbiter and its agent died
 * before it knew.  The arbiter's owner goes on then; else a person decides.
 */
enum role_state
role_act_view_wait(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	if (!r->both_outdated || r->guests_maybe)
		return r->state;
	r->check_due = r->arbiter != ROLE_ARBITER_NONE;
	return role_enter_waiting(r);
}

enum role_state
role_act_view_new(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	r->both_new = true;
	SAY(r, NEW_UNIT);
	return r->state;
}

void
role_note_rival(struct role *r, const struct role_hello *peer)
{
	uint64_t g = peer->rec.gen + (peer->rec.pending ? 1 : 0);

	if (g > r->owner_gen)
		r->owner_gen = g;
}

enum role_state
role_act_view_split(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	/* the same VM may run on both: until a person has chosen, on none */
	if (role_may_run(r) || r->guests_maybe)
		role_effect(out, ROLE_DO_FREEZE);
	if (!r->asking)		/* ordered before the split was known */
		r->taking = false;
	role_note_rival(r, &ev->peer);
	SAY(r, SPLIT, .gen = r->rec.gen, .other_gen = ev->peer.rec.gen);
	return ROLE_SPLIT;
}

enum role_state
role_act_unit_created(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	if (r->rec.mode != ROLE_MODE_NEW)
		return r->state;
	role_set_record(r, 1, ROLE_MODE_TOGETHER, false, out);
	return role_enter_together(r, out);
}
