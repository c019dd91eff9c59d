/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role.c - may this PM run guests?
 *
 * The table is in role_table.c; here is what each cell does, and what is done
 * after every step: asking the arbiter, taking the peer's guests, telling the peer.
 */
#include "nodeagent/core/role.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "nodeagent/core/role_table.h"

enum { T_START, T_JOIN, T_FROZEN, T_RETRY, T_DEAD };
enum { Q_NONE = 0, Q_CLAIM, Q_MOVE, Q_CREATE, Q_FORCE, Q_OWN };

#define MS(ns)	((unsigned long long)((ns) / 1000000u))
#define GEN(g)	((unsigned long long)(g))

/* --- helpers --- */

static void
set_reason(struct role *r, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
set_reason(struct role *r, const char *code, const char *fmt, ...)
{
	va_list ap;

	r->reason.code = code;
	va_start(ap, fmt);
	(void)vsnprintf(r->reason.text, sizeof(r->reason.text), fmt, ap);
	va_end(ap);
}

static struct role_effect *
effect(struct role_effects *out, enum role_effect_type type)
{
	struct role_effect *e;

	AV_ASSERT(out->n < ROLE_EFFECTS_MAX);
	e = &out->v[out->n++];
	memset(e, 0, sizeof(*e));
	e->type = type;
	return e;
}

static void
record(struct role *r, uint64_t gen, enum role_mode mode, bool pending,
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
	effect(out, ROLE_DO_RECORD)->record = rec;
}

static bool
has_claim(const struct role *r)
{
	return r->rec.mode == ROLE_MODE_TOGETHER ||
	    (r->rec.mode == ROLE_MODE_ALONE && r->rec.pending);
}

/* A person orders a takeover from a peer that is away: not from one that came
 * back before the quorum server said anything. */
static bool
takeover_stands(const struct role *r)
{
	return r->lost || r->state == ROLE_SPLIT;
}

static uint64_t
claim_gen(const struct role *r)
{
	return r->rec.gen + (r->rec.pending ? 2 : 1);
}

/* By a person's word: above whatever the other one was known to be alone at. */
static uint64_t
force_gen(const struct role *r)
{
	uint64_t g = claim_gen(r);

	return g > r->owner_gen ? g : r->owner_gen + 1;
}

static void
arm(struct role *r, int timer, uint64_t at_ns)
{
	r->due_ns[timer] = at_ns == 0 ? 1 : at_ns;
}

/* --- entering states --- */

static enum role_state
enter_alone(struct role *r, uint64_t gen, const struct role_event *ev,
    struct role_effects *out)
{
	record(r, gen, ROLE_MODE_ALONE, false, out);
	effect(out, ROLE_DO_RUN_ALONE)->gen = gen;
	r->guests_maybe = true;
	r->in_step = false;	/* volumes may be ordered alone now: say it anew */
	r->take_due = true;
	r->taking = false;
	r->claim_free = false;
	r->maybe = false;
	if (r->lost)
		arm(r, T_DEAD, r->lost_since_ns + r->times.dead_ns);
	(void)ev;
	return ROLE_ALONE;
}

static enum role_state
enter_together(struct role *r, struct role_effects *out)
{
	effect(out, ROLE_DO_RESUME_TOGETHER)->gen = r->rec.gen;
	r->guests_maybe = true;
	r->follow_gen = 0;
	r->take_due = false;
	set_reason(r, "together", "Both PMs are up and in step at generation "
	    "%llu.", GEN(r->rec.gen));
	return ROLE_TOGETHER;
}

static enum role_state
enter_frozen(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	effect(out, ROLE_DO_FREEZE);
	if (r->arbiter != ROLE_ARBITER_NONE)
		arm(r, T_FROZEN, ev->now_ns + r->times.frozen_ns);
	return ROLE_FROZEN;
}

/* Lost the right for good: what is here is old. */
static enum role_state
enter_stopped(struct role *r, struct role_effects *out)
{
	if (r->rec.mode != ROLE_MODE_NEW)
		record(r, r->rec.gen, ROLE_MODE_OUTDATED, false, out);
	effect(out, ROLE_DO_STOP_GUESTS);
	r->taking = false;
	return ROLE_STOPPED;
}

static enum role_state
enter_waiting(struct role *r)
{
	r->follow_gen = 0;
	if (has_claim(r) && r->arbiter == ROLE_ARBITER_NONE)
		set_reason(r, "no-proof", "Waiting for the other PM or a "
		    "person: without a quorum server nothing shows that the "
		    "data of generation %llu is the newest.", GEN(r->rec.gen));
	else if (has_claim(r))
		set_reason(r, "no-proof", "Waiting for the other PM or the "
		    "quorum server: nothing shows yet that the data of "
		    "generation %llu is the newest.", GEN(r->rec.gen));
	else if (r->rec.mode == ROLE_MODE_NEW)
		set_reason(r, "new", "This PM is new and waits for the "
		    "other one.");
	else
		set_reason(r, "outdated", "The other PM has newer data than "
		    "generation %llu here; waiting for it.", GEN(r->rec.gen));
	return ROLE_WAITING;
}

static enum role_state
enter_follower(struct role *r, struct role_effects *out)
{
	if (r->rec.mode != ROLE_MODE_NEW)
		record(r, r->rec.gen, ROLE_MODE_OUTDATED, false, out);
	effect(out, ROLE_DO_FOLLOW)->gen = r->follow_gen;
	set_reason(r, "following", "The other PM runs the unit alone at "
	    "generation %llu; its data comes here.", GEN(r->follow_gen));
	return ROLE_FOLLOWER;
}

static void
refused(struct role *r, const struct role_event *ev)
{
	set_reason(r, "refused", "The quorum server says generation %llu, "
	    "owner %s; this PM's generation %llu may not run.", GEN(ev->gen),
	    ev->owner < 0 ? "both" : ev->owner == 0 ? "node0" : "node1",
	    GEN(r->rec.gen));
}

/* --- cells: signs of life --- */

enum role_state
role_act_lost_together(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (!r->lost)
		set_reason(r, "peer-quiet", "Neither the other PM's agent nor "
		    "its corosync is heard, only its mirror; guests are paused "
		    "until one of them is back.");
	else
		set_reason(r, "peer-lost", "The other PM gives no sign of life on any "
	    "link; guests are paused until this PM may run alone (generation "
	    "%llu).", GEN(claim_gen(r)));
	return enter_frozen(r, ev, out);
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
	set_reason(r, "rejoin-broken", "The other PM or a mirror was lost "
	    "while handing over to both; asking for generation %llu.",
	    GEN(claim_gen(r)));
	return enter_frozen(r, ev, out);
}

enum role_state
role_act_lost_follower(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	return enter_waiting(r);
}

static bool
owns_by_record(const struct role *r)
{
	return r->rec.mode == ROLE_MODE_ALONE && !r->rec.pending;
}

static enum role_state
own_alone(struct role *r, const struct role_event *ev, struct role_effects *out)
{
	set_reason(r, "own-record", "This PM's own record proves that it owns "
	    "generation %llu.", GEN(r->rec.gen));
	return enter_alone(r, r->rec.gen, ev, out);
}

/* The own record is proof, unless a person made the other PM the owner while this
 * one was away: the quorum server would know.  No answer changes nothing. */
static enum role_state
check_own(struct role *r, const struct role_event *ev, struct role_effects *out)
{
	if (r->arbiter == ROLE_ARBITER_NONE)
		return own_alone(r, ev, out);
	r->own_due = true;
	return ROLE_JOINING;
}

/* The answer to Q_OWN. */
static enum role_state
own_checked(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	r->own_due = false;
	if (r->state != ROLE_JOINING || !owns_by_record(r))
		return r->state;
	if (ev->type == ROLE_EV_REFUSED && ev->gen > r->rec.gen) {
		refused(r, ev);
		return enter_stopped(r, out);
	}
	/* back while we asked: it tells by itself, until T_JOIN */
	if (ev->type == ROLE_EV_NO_ANSWER && !r->lost &&
	    r->due_ns[T_JOIN] != 0)
		return ROLE_JOINING;
	return own_alone(r, ev, out);
}

/* JOINING, no sign of the peer (any more). */
enum role_state
role_act_start(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (!r->quiet)
		return ROLE_JOINING;
	if (ev->now_ns < r->entered_ns + r->times.start_ns) {
		arm(r, T_START, r->entered_ns + r->times.start_ns);
		return ROLE_JOINING;	/* not looked long enough yet */
	}
	if (r->lost && owns_by_record(r))
		return check_own(r, ev, out);
	if (has_claim(r) && r->guests_maybe)
		return role_act_lost_together(r, ev, out);
	return ROLE_JOINING;
}

enum role_state
role_act_join_over(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (owns_by_record(r))
		return check_own(r, ev, out);
	if (!r->lost) {
		set_reason(r, "peer-not-joined", "The other PM shows signs of "
		    "life but its agent hasn't joined.");
		arm(r, T_JOIN, ev->now_ns + r->times.join_ns);
		return ROLE_JOINING;
	}
	return enter_waiting(r);
}

enum role_state
role_act_peer_owns(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->rec.mode == ROLE_MODE_NEW)
		return r->state;
	set_reason(r, "peer-owns", "The other PM runs alone at generation "
	    "%llu; this PM's generation %llu is outdated.",
	    GEN(ev->peer.rec.gen), GEN(r->rec.gen));
	if (r->guests_maybe)
		return enter_stopped(r, out);
	record(r, r->rec.gen, ROLE_MODE_OUTDATED, false, out);
	return r->state;
}

/* --- cells: both agents are there --- */

enum role_state
role_act_view_together(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	/* Both promised not to claim; a question under way would break that. */
	if (r->asking || r->maybe)
		return r->state;
	return enter_together(r, out);
}

enum role_state
role_act_view_adopt(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->asking || r->maybe)
		return r->state;
	set_reason(r, "adopted", "The other PM recorded generation %llu for "
	    "both; so does this one.", GEN(ev->peer.rec.gen));
	record(r, ev->peer.rec.gen, ROLE_MODE_TOGETHER, false, out);
	return r->state;
}

enum role_state
role_act_view_lead(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->rec.mode != ROLE_MODE_ALONE || r->rec.pending)
		return r->state;
	set_reason(r, "owner", "This PM owns generation %llu; the other one "
	    "follows.", GEN(r->rec.gen));
	return enter_alone(r, r->rec.gen, ev, out);
}

enum role_state
role_act_view_follow(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	r->follow_gen = ev->peer.rec.gen;
	set_reason(r, "peer-owns", "The other PM runs alone at generation "
	    "%llu; this PM's generation %llu is outdated.",
	    GEN(r->follow_gen), GEN(r->rec.gen));
	if (r->state == ROLE_STOPPED && r->guests_maybe)
		return ROLE_STOPPED;	/* until they are stopped */
	if (r->guests_maybe)
		return enter_stopped(r, out);
	return enter_follower(r, out);
}

/* The peer gave way for good, but only the arbiter can say the rest. */
enum role_state
role_act_view_claim(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	r->claim_free = true;
	if (r->state == ROLE_FROZEN || r->state == ROLE_WAITING)
		return r->state;
	set_reason(r, "peer-outdated", "The other PM is outdated; asking for "
	    "generation %llu.", GEN(claim_gen(r)));
	return enter_frozen(r, ev, out);
}

enum role_state
role_act_view_new(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	r->both_new = true;
	set_reason(r, "new-unit", "Both PMs are new; the unit is being made.");
	return r->state;
}

/* Pending or outdated ones, too: what is taken by force must be above it. */
static void
note_rival(struct role *r, const struct role_hello *peer)
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
		effect(out, ROLE_DO_FREEZE);
	note_rival(r, &ev->peer);
	set_reason(r, "split", "Both PMs ran alone: generation %llu here, "
	    "%llu there; nothing is overwritten until a person decides.",
	    GEN(r->rec.gen), GEN(ev->peer.rec.gen));
	return ROLE_SPLIT;
}

/* --- cells: the arbiter's answers --- */

enum role_state
role_act_granted(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	uint64_t gen = ev->gen;

	if (r->question == Q_CREATE) {
		r->created = true;
		effect(out, ROLE_DO_CREATE_UNIT);
		return r->state;
	}
	if (r->question == Q_OWN)
		return own_checked(r, ev, out);
	if (r->question != Q_CLAIM && r->question != Q_FORCE)
		return r->state;	/* a hand-back that was overtaken */
	if (gen <= r->rec.gen)
		return r->state;	/* overtaken too, or nonsense */
	set_reason(r, r->question == Q_FORCE ? "takeover" : "granted",
	    "This PM %s run alone: generation %llu.",
	    r->question == Q_FORCE ? "was ordered by a person to"
	    : "got the right to", GEN(gen));
	return enter_alone(r, gen, ev, out);
}

enum role_state
role_act_refused(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->question == Q_CREATE) {
		r->created = true;	/* asking again won't help */
		set_reason(r, "unit-known", "Both PMs are new, but the quorum "
		    "server knows this unit at generation %llu.",
		    GEN(ev->gen));
		return r->state;
	}
	if (r->question == Q_OWN)
		return own_checked(r, ev, out);
	if (r->question != Q_CLAIM)
		return r->state;
	refused(r, ev);
	return enter_stopped(r, out);
}

enum role_state
role_act_no_answer(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	if (r->question == Q_OWN)
		return own_checked(r, ev, out);
	if (r->question == Q_FORCE) {	/* a person answers for it */
		if (!takeover_stands(r)) {
			r->taking = false;
			return r->state;
		}
		set_reason(r, "takeover", "A person ordered this PM to run "
		    "alone without the quorum server: generation %llu.",
		    GEN(force_gen(r)));
		return enter_alone(r, force_gen(r), ev, out);
	}
	if (r->state == ROLE_FROZEN)
		set_reason(r, "no-answer", "The quorum server doesn't answer; "
		    "guests stay paused for at most %llu s, then they are "
		    "stopped.", MS(r->times.frozen_ns) / 1000);
	return r->state;
}

enum role_state
role_act_rejoin_granted(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	if (r->question == Q_MOVE && !r->ordered) {
		r->ordered = true;
		effect(out, ROLE_DO_ORDER_TOGETHER)->gen = r->rec.gen + 1;
	}
	return ROLE_REJOINING;
}

enum role_state
role_act_rejoin_refused(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	refused(r, ev);
	return enter_stopped(r, out);
}

enum role_state
role_act_rejoin_no_answer(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	if (r->maybe)		/* it may be handed over already: ask on */
		return ROLE_REJOINING;
	record(r, r->rec.gen, ROLE_MODE_ALONE, false, out);
	effect(out, ROLE_DO_RUN_ALONE)->gen = r->rec.gen;
	r->in_step = false;
	set_reason(r, "in-step", "In step with the other PM; waiting for the "
	    "quorum server to record it (generation %llu).",
	    GEN(r->rec.gen + 1));
	return ROLE_ALONE;
}

/* --- cells: the rest --- */

enum role_state
role_act_rejoin(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	r->ordered = false;
	record(r, r->rec.gen, ROLE_MODE_ALONE, true, out);
	set_reason(r, "rejoining", "In step with the other PM; generation "
	    "%llu is for both.", GEN(r->rec.gen + 1));
	return ROLE_REJOINING;
}

enum role_state
role_act_moved(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	/* An order of before: the owner has taken the right again since. */
	if (ev->gen <= r->rec.gen || ev->gen <= r->owner_gen)
		return r->state;
	record(r, ev->gen, ROLE_MODE_TOGETHER, false, out);
	return enter_together(r, out);
}

enum role_state
role_act_unit_created(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	if (r->rec.mode != ROLE_MODE_NEW)
		return r->state;
	record(r, 1, ROLE_MODE_TOGETHER, false, out);
	return enter_together(r, out);
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
		return enter_follower(r, out);
	return enter_waiting(r);
}

enum role_state
role_act_frozen_over(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	effect(out, ROLE_DO_STOP_GUESTS);
	(void)enter_waiting(r);
	set_reason(r, "no-answer", "The quorum server didn't answer for %llu "
	    "s: guests are stopped; asking on.", MS(r->times.frozen_ns) / 1000);
	return ROLE_WAITING;
}

enum role_state
role_act_takeover(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	if (r->rec.mode != ROLE_MODE_NEW && takeover_stands(r))
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
		set_reason(r, "split-resolved", "A person chose the other PM's "
		    "state; this PM's generation %llu is given up.",
		    GEN(r->rec.gen));
		return enter_stopped(r, out);
	}
	if (ev->peer.rec.mode != ROLE_MODE_OUTDATED)
		return r->state;
	note_rival(r, &ev->peer);
	set_reason(r, "split-resolved", "A person chose this PM's state; "
	    "taking generation %llu.", GEN(force_gen(r)));
	r->taking = true;	/* asked in pump() */
	return r->state;
}

enum role_state
role_act_stay(struct role *r, const struct role_event *ev,
    struct role_effects *out)
{
	(void)ev;
	(void)out;
	return r->state;
}

/* --- after every step --- */

static int
next_question(const struct role *r)
{
	if (r->asking || r->due_ns[T_RETRY] != 0)
		return Q_NONE;
	if (r->taking)
		return Q_FORCE;
	if (r->state == ROLE_REJOINING)
		return r->ordered ? Q_NONE : Q_MOVE;
	if (r->state != ROLE_FROZEN && r->state != ROLE_WAITING &&
	    r->state != ROLE_JOINING)
		return Q_NONE;
	if (r->rec.mode == ROLE_MODE_NEW)
		return r->both_new && r->view && r->node == 0 && !r->created ?
		    Q_CREATE : Q_NONE;
	if (r->state == ROLE_JOINING)
		return r->own_due ? Q_OWN : Q_NONE;
	if (!has_claim(r))
		return Q_NONE;
	if (r->arbiter == ROLE_ARBITER_NONE)
		return r->claim_free ? Q_CLAIM : Q_NONE;
	return r->lost || r->claim_free || r->maybe ? Q_CLAIM : Q_NONE;
}

static void
fill_move(const struct role *r, int question, struct role_move *m)
{
	uint64_t g = r->rec.gen;

	memset(m, 0, sizeof(*m));
	m->to_owner = r->node;
	switch (question) {
	case Q_CLAIM:
		m->from_both_gen = g + (r->rec.pending ? 1 : 0);
		m->from_mine_gen = r->rec.pending ? g : 0;
		m->from_lower = r->rec.pending;
		m->to_gen = claim_gen(r);
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
	case Q_FORCE:
		m->from_empty = true;
		m->to_gen = 0;
		m->least_gen = force_gen(r);
		break;
	default:
		AV_ASSERT(false);
	}
}

static bool
rejoin_possible(const struct role *r)
{
	return r->state == ROLE_ALONE && r->view && r->peer_follows &&
	    r->in_step && !r->asking && !r->take_due &&
	    r->due_ns[T_RETRY] == 0;
}

static void
check_take(struct role *r, uint64_t now_ns, struct role_effects *out)
{
	if (r->state != ROLE_ALONE || !r->take_due)
		return;
	if (r->lost) {
		uint64_t at = r->lost_since_ns + r->times.dead_ns;

		if (now_ns < at) {
			arm(r, T_DEAD, at);
			return;
		}
	} else if (!r->peer_released) {
		return;
	}
	r->take_due = false;
	r->due_ns[T_DEAD] = 0;
	effect(out, ROLE_DO_TAKE_PEER_GUESTS);
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
	if (r->state == ROLE_ALONE && old == ROLE_REJOINING)
		arm(r, T_RETRY, ev->now_ns + 4 * r->times.retry_ns);
	else
		r->due_ns[T_RETRY] = 0;
}

static void
pump(struct role *r, uint64_t now_ns, struct role_effects *out)
{
	struct role_event ev = { .now_ns = now_ns };
	struct role_move m;
	int q;

	check_take(r, now_ns, out);
	if (r->taking && !takeover_stands(r) &&
	    !(r->asking && r->question == Q_FORCE))
		r->taking = false;
	if (rejoin_possible(r)) {
		ev.type = ROLE_EV_REJOIN;
		dispatch(r, &ev, out);
	}
	q = next_question(r);
	if (q == Q_NONE)
		return;
	r->question = q;
	fill_move(r, q, &m);
	if (r->arbiter != ROLE_ARBITER_NONE) {
		r->asking = true;
		effect(out, ROLE_DO_ASK)->move = m;
		return;
	}
	ev.type = ROLE_EV_GRANTED;	/* nobody to ask */
	ev.gen = m.to_gen != 0 ? m.to_gen : claim_gen(r);
	dispatch(r, &ev, out);
	check_take(r, now_ns, out);
}

/* --- before every step: what is known of the world --- */

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
		if (r->state == ROLE_FROZEN || r->state == ROLE_WAITING ||
		    r->state == ROLE_REJOINING || r->state == ROLE_JOINING)
			r->maybe |= ev->maybe;
		arm(r, T_RETRY, ev->now_ns + r->times.retry_ns);
	} else {
		r->maybe = false;
	}
}

static void
note(struct role *r, const struct role_event *ev)
{
	switch (ev->type) {
	case ROLE_EV_PEER_QUIET:
		r->lost = false;
		r->quiet = true;
		break;
	case ROLE_EV_PEER_LOST:
		r->lost = r->quiet = true;
		r->lost_since_ns = ev->now_ns;
		r->due_ns[T_RETRY] = 0;
		r->claim_free = false;
		r->peer_released = r->peer_follows = false;
		r->view = r->both_new = r->created = false;
		break;
	case ROLE_EV_PEER_BACK:
		r->lost = r->quiet = false;
		r->due_ns[T_DEAD] = 0;
		break;
	case ROLE_EV_VIEW_GONE:
		r->view = r->both_new = r->created = false;
		r->peer_follows = r->claim_free = false;
		break;
	case ROLE_EV_VIEW_TOGETHER: case ROLE_EV_VIEW_ADOPT:
	case ROLE_EV_VIEW_LEAD: case ROLE_EV_VIEW_FOLLOW:
	case ROLE_EV_VIEW_CLAIM: case ROLE_EV_VIEW_NEW:
	case ROLE_EV_VIEW_WAIT: case ROLE_EV_VIEW_SPLIT:
		r->view = true;
		r->claim_free = r->both_new = false;
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
	effect(out, ROLE_DO_HELLO);
}

/* --- entry points --- */

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
	r->lost_since_ns = now_ns;
	r->entered_ns = now_ns;
	r->state = ROLE_JOINING;
	set_reason(r, "starting", "The agent has just started and looks for "
	    "the other PM (generation %llu).", GEN(rec->gen));
	arm(r, T_START, now_ns + times->start_ns);
	arm(r, T_JOIN, now_ns + times->join_ns);
	if (guests_running && (rec->mode == ROLE_MODE_OUTDATED ||
	    rec->mode == ROLE_MODE_NEW))
		effect(out, ROLE_DO_STOP_GUESTS);
	role_hello_fill(r, &r->said);
	effect(out, ROLE_DO_HELLO);
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
		arm(r, T_FROZEN, now_ns + r->times.frozen_ns);
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
