/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_handback.c - the owner hands the right back to both
 */
#include "nodeagent/core/role_impl.h"

/*
 * A try that comes to nothing costs a durable record twice while the arbiter is
 * away, and a pause of the guests when the peer or a volume breaks it: wait
 * longer after each, up to 64 x the pause between questions.
 */
uint64_t
role_handback_wait_ns(const struct role *r)
{
	unsigned n = r->handback_tries < 4 ? r->handback_tries : 4;

	return (4ull << n) * r->times.retry_ns;
}

/* After a change of state. */
void
role_handback_pause(struct role *r, enum role_state old)
{
	r->due_ns[T_RETRY] = 0;
	if (r->state == ROLE_ALONE &&
	    (old == ROLE_REJOINING || r->handback_tries != 0))
		role_arm(r, T_RETRY, r->now_ns + role_handback_wait_ns(r));
	if (r->state == ROLE_TOGETHER)
		r->handback_tries = 0;
	else if (old == ROLE_REJOINING)
		r->handback_tries++;
}

bool
role_rejoin_possible(const struct role *r)
{
	/* nobody to record it: half done it would leave nobody who may run */
	return r->state == ROLE_ALONE && r->arbiter != ROLE_ARBITER_CLOSED &&
	    r->view && r->peer_follows &&
	    r->in_step && !r->asking && !r->take_due &&
	    r->due_ns[T_RETRY] == 0;
}

enum role_state
role_act_lost_rejoining(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	/* The follower may have recorded 'together' already, or not: only the
	 * arbiter knows which of us goes on. */
	r->claim_free = ev->type == ROLE_EV_OUT_OF_STEP ||
	    ev->type == ROLE_EV_VIEW_GONE;
	r->ordered = false;
	SAY(r, REJOIN_BROKEN, .gen = role_claim_gen(r));
	return role_enter_frozen(r, ev, out);
}

enum role_state
role_act_rejoin(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	r->ordered = false;
	role_set_record(r, r->rec.gen, ROLE_MODE_ALONE, true, out);
	SAY(r, REJOINING, .gen = r->rec.gen + 1);
	return ROLE_REJOINING;
}

enum role_state
role_act_rejoin_granted(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	if (r->question == Q_MOVE && !r->ordered) {
		r->ordered = true;
		role_effect(out, ROLE_DO_ORDER_TOGETHER)->gen = r->rec.gen + 1;
	}
	return ROLE_REJOINING;
}

enum role_state
role_act_rejoin_refused(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (role_granted_before(r, ev)) {
		SAY(r, GRANTED, .gen = ev->gen);
		return role_enter_alone(r, ev->gen, out);
	}
	role_say_refused(r, ev);
	return role_enter_stopped(r, out);
}

enum role_state
role_act_rejoin_no_answer(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	if (r->maybe)		/* it may be handed over already: ask on */
		return ROLE_REJOINING;
	role_set_record(r, r->rec.gen, ROLE_MODE_ALONE, false, out);
	role_effect(out, ROLE_DO_RUN_ALONE)->gen = r->rec.gen;
	r->in_step = false;
	SAY(r, IN_STEP, .gen = r->rec.gen + 1,
	    .seconds = (role_handback_wait_ns(r) + NS_PER_S - 1) /
	    NS_PER_S);
	return ROLE_ALONE;
}

enum role_state
role_act_moved(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	/* An order of before: the owner has taken the right again since. */
	if (ev->gen <= r->rec.gen || ev->gen <= r->owner_gen)
		return r->state;
	role_set_record(r, ev->gen, ROLE_MODE_TOGETHER, false, out);
	return role_enter_together(r, out);
}
