/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_enter.c - what entering a state does, and small questions about it
 */
#include "nodeagent/core/role_impl.h"

#include <string.h>

#include "base/assert.h"

void
role_say(struct role *r, struct role_reason reason)
{
	reason.node = r->node;
	reason.silent_ms = r->silent_since_ns == 0 ? 0 :
	    (r->now_ns - r->silent_since_ns) / NS_PER_MS;
	role_reason_render(&reason);
	r->reason = reason;
}

/* Why it is frozen: what is known of the peer now. */
void
role_say_lost(struct role *r)
{
	if (!r->quiet)
		SAY(r, PEER_BACK);
	else if (!r->lost)
		SAY(r, PEER_QUIET);
	else if (r->arbiter == ROLE_ARBITER_NONE)
		SAY(r, PEER_LOST_UNASKED);
	else
		SAY(r, PEER_LOST, .gen = role_claim_gen(r));
}

struct role_effect *
role_effect(struct role_effects *out, enum role_effect_type type)
{
	struct role_effect *e;

	AV_ASSERT(out->n < ROLE_EFFECTS_MAX);
	e = &out->v[out->n++];
	memset(e, 0, sizeof(*e));
	e->type = type;
	return e;
}

void
role_set_record(struct role *r, uint64_t gen, enum role_mode mode, bool pending,
    struct role_effects *out)
{
	struct role_record rec = { gen, mode, pending };

	/* generations never go back */
	AV_ASSERT(gen >= r->rec.gen);
	if (r->rec.gen == gen && r->rec.mode == mode &&
	    r->rec.pending == pending)
		return;
	/* an older question that may still be under way can't succeed once the
	 * generation has moved on */
	if (mode == ROLE_MODE_OUTDATED || gen != r->rec.gen)
		r->maybe = false;
	r->rec = rec;
	role_effect(out, ROLE_DO_RECORD)->record = rec;
}

bool
role_has_claim(const struct role *r)
{
	return r->rec.mode == ROLE_MODE_TOGETHER ||
	    (r->rec.mode == ROLE_MODE_ALONE && r->rec.pending);
}

/* A person orders a takeover from a peer that is away: not from one that came
 * back before the quorum server said anything. */
bool
role_takeover_stands(const struct role *r)
{
	return r->lost || r->both_outdated || r->state == ROLE_SPLIT;
}

uint64_t
role_claim_gen(const struct role *r)
{
	return r->rec.gen + (r->rec.pending ? 2 : 1);
}

uint64_t
role_force_gen(const struct role *r)
{
	uint64_t g = role_claim_gen(r);

	return g > r->owner_gen ? g : r->owner_gen + 1;
}

void
role_arm(struct role *r, int timer, uint64_t at_ns)
{
	r->due_ns[timer] = at_ns == 0 ? 1 : at_ns;
}

enum role_state
role_enter_alone(struct role *r, uint64_t gen, struct role_effects *out)
{
	role_set_record(r, gen, ROLE_MODE_ALONE, false, out);
	role_effect(out, ROLE_DO_RUN_ALONE)->gen = gen;
	r->guests_maybe = true;
	r->in_step = false;	/* volumes may be ordered alone now: say it anew */
	r->take_due = true;
	r->taking = false;
	r->claim_free = false;
	r->maybe = false;
	if (r->lost)
		role_arm(r, T_DEAD, r->lost_since_ns + r->times.dead_ns);
	return ROLE_ALONE;
}

enum role_state
role_enter_together(struct role *r, struct role_effects *out)
{
	role_effect(out, ROLE_DO_RESUME_TOGETHER)->gen = r->rec.gen;
	r->guests_maybe = true;
	r->follow_gen = 0;
	r->take_due = false;
	/* from now on it may run guests: what it said before doesn't count */
	r->peer_released = r->peer_follows = false;
	SAY(r, TOGETHER, .gen = r->rec.gen);
	return ROLE_TOGETHER;
}

enum role_state
role_enter_frozen(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	role_effect(out, ROLE_DO_FREEZE);
	if (r->arbiter != ROLE_ARBITER_NONE)
		role_arm(r, T_FROZEN, ev->now_ns + r->times.frozen_ns);
	return ROLE_FROZEN;
}

/* Lost the right for good: what is here is old. */
enum role_state
role_enter_stopped(struct role *r, struct role_effects *out)
{
	if (r->rec.mode != ROLE_MODE_NEW)
		role_set_record(r, r->rec.gen, ROLE_MODE_OUTDATED, false, out);
	role_effect(out, ROLE_DO_STOP_GUESTS);
	r->taking = false;
	return ROLE_STOPPED;
}

enum role_state
role_enter_waiting(struct role *r)
{
	r->follow_gen = 0;
	if (role_has_claim(r) && r->arbiter == ROLE_ARBITER_NONE)
		SAY(r, NO_PROOF_UNASKED, .gen = r->rec.gen);
	else if (role_has_claim(r))
		SAY(r, NO_PROOF, .gen = r->rec.gen);
	else if (r->rec.mode == ROLE_MODE_NEW)
		SAY(r, NEW);
	else if (r->both_outdated)
		SAY(r, BOTH_OUTDATED, .gen = r->rec.gen);
	else
		SAY(r, OUTDATED, .gen = r->rec.gen);
	return ROLE_WAITING;
}

enum role_state
role_enter_follower(struct role *r, struct role_effects *out)
{
	if (r->rec.mode != ROLE_MODE_NEW)
		role_set_record(r, r->rec.gen, ROLE_MODE_OUTDATED, false, out);
	role_effect(out, ROLE_DO_FOLLOW)->gen = r->follow_gen;
	SAY(r, FOLLOWING, .gen = r->follow_gen);
	return ROLE_FOLLOWER;
}

void
role_say_refused(struct role *r, const struct role_event *ev)
{
	SAY(r, REFUSED, .gen = r->rec.gen, .other_gen = ev->gen,
	    .owner = ev->owner);
}

bool
role_owns_by_record(const struct role *r)
{
	return r->rec.mode == ROLE_MODE_ALONE && !r->rec.pending;
}

bool
role_granted_before(const struct role *r, const struct role_event *ev)
{
	return ev->type == ROLE_EV_REFUSED && ev->owner == r->node &&
	    ev->gen > r->rec.gen;
}
