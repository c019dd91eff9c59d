/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/check.c - what must be true after every step; see sim.h
 *
 * Promise 1 (acknowledged writes) and 3 (newest data by proof) are checked where data
 * is used: storage.c.  Promise 2, generations and records are checked here.
 *
 * A takeover that a person forced weakens them just so: until the other PM follows,
 * each side has its own truth; a guest may run on both as long as they don't
 * hear each other (FORCED_HEARD_MS of grace).  In a split guests are
 * paused and nothing is touched until a person chose.  Within one side everything holds.
 */
#include "tests/sim/sim.h"

#define FORCED_HEARD_MS	4000u

/* --- effects --- */

static bool
guests_run(int i)
{
	return W.pm[i].run[0] || W.pm[i].run[1];
}

static void
check_ask(const struct role_record *d, const struct role_move *m)
{
	bool claim = m->from_both_gen != 0 && m->to_owner >= 0;

	if (m->to_owner < 0 && m->from_mine_gen != 0 &&
	    !(d->mode == ROLE_MODE_ALONE && d->pending &&
	    d->gen == m->from_mine_gen))
		sim_bad("hands back before that is recorded");
	if (claim && !(d->mode == ROLE_MODE_TOGETHER ||
	    (d->mode == ROLE_MODE_ALONE && d->pending)))
		sim_bad("claims without having been in step");
	if (claim && m->to_gen <= d->gen)
		sim_bad("claims a generation of before");
}

void
sim_check_effect(int i, const struct role_effect *e)
{
	const struct role_record *d = &W.pm[i].disk;

	switch (e->type) {
	case ROLE_DO_RUN_ALONE:
		if (d->mode != ROLE_MODE_ALONE || d->gen != e->gen ||
		    d->pending)
			sim_bad("runs alone before it was recorded");
		/* of one generation both may be owners: a person's doing */
		if (e->gen < W.pm[i].refused_gen && W.pm[i].role.reason.why !=
		    ROLE_WHY_TAKEOVER_UNASKED)
			sim_bad("runs alone though the arbiter named the peer");
		break;
	case ROLE_DO_RESUME_TOGETHER:
		if (d->mode != ROLE_MODE_TOGETHER || d->gen != e->gen)
			sim_bad("together before it was recorded");
		break;
	case ROLE_DO_TAKE_PEER_GUESTS:
		if (d->mode != ROLE_MODE_ALONE)
			sim_bad("takes guests without owning");
		break;
	case ROLE_DO_FOLLOW:
		if (d->mode != ROLE_MODE_OUTDATED && d->mode != ROLE_MODE_NEW)
			sim_bad("follows before it was recorded");
		if (guests_run(i))
			sim_bad("follows with guests running");
		break;
	case ROLE_DO_ORDER_TOGETHER:
		if (d->mode != ROLE_MODE_ALONE || !d->pending ||
		    e->gen != d->gen + 1)
			sim_bad("orders 'together' before that is recorded");
		if (W.arbiter != ROLE_ARBITER_NONE &&
		    W.server[W.pm[i].q.server].rec.gen < e->gen)
			sim_bad("orders 'together' before the arbiter has it");
		break;
	case ROLE_DO_ASK:
		check_ask(d, &e->move);
		break;
	default:
		break;
	}
}

void
sim_check_record(int i, const struct role_record *rec)
{
	struct pm *p = &W.pm[i];
	bool unasked = W.arbiter == ROLE_ARBITER_NONE ||
	    p->role.reason.why == ROLE_WHY_TAKEOVER_UNASKED;

	if (rec->gen < p->disk.gen)
		sim_bad("record's generation went back");
	if (rec->mode == ROLE_MODE_ALONE && !rec->pending &&
	    rec->gen != p->disk.gen && !unasked &&
	    W.server[0].granted[rec->gen % GENS] != i + 1 &&
	    W.server[1].granted[rec->gen % GENS] != i + 1)
		sim_bad("recorded alone without a grant");
}

/* --- state --- */

/* Where guests may run, or ran before an agent restart and haven't been judged. */
static bool
right_to_run(const struct pm *p)
{
	switch (p->role.state) {
	case ROLE_TOGETHER: case ROLE_ALONE: case ROLE_REJOINING:
	case ROLE_JOINING:
		return true;
	default:
		return false;
	}
}

static void
check_right(int i)
{
	const struct pm *p = &W.pm[i];

	if (sim_agent_works(i) && guests_run(i) && !p->paused &&
	    p->pause_at == 0 && !right_to_run(p))
		sim_bad("a guest runs without a right");
}

static bool
runs(int i, int v)
{
	return W.pm[i].run[v] && !W.pm[i].paused && sim_machine_works(i) &&
	    W.now >= W.pm[i].wakes_late_until;
}

static bool
same_generation(void)
{
	return W.pm[0].disk.mode == ROLE_MODE_ALONE &&
	    W.pm[1].disk.mode == ROLE_MODE_ALONE &&
	    W.pm[0].disk.gen == W.pm[1].disk.gen;
}

static void
check_forked(void)
{
	bool hear = sim_conn() && sim_agent_works(0) && sim_agent_works(1);
	int v;

	W.both_heard_ms = hear ? W.both_heard_ms + TICK_MS : 0;
	if (W.both_heard_ms < FORCED_HEARD_MS)
		return;
	for (v = 0; v < VOLUMES; v++)
		if (runs(0, v) && runs(1, v))
			sim_bad("after a forced takeover a guest runs on both "
			    "PMs though they hear each other");
}

void
sim_check(void)
{
	struct pm *a = &W.pm[0], *b = &W.pm[1];
	int v;

	check_right(0);
	check_right(1);
	sim_check_servers();
	if (W.forked) {
		check_forked();
		return;
	}
	for (v = 0; v < VOLUMES; v++) {
		if (runs(0, v) && runs(1, v))
			sim_bad("a guest runs on both PMs");
		if (a->leg[v].solo && b->leg[v].solo)
			sim_bad("both write alone");
	}
	if (same_generation())
		sim_bad("split without a person's doing");
}

/* --- coverage --- */

struct cell {
	enum role_state s;
	enum role_event_type e;
	const char *why;
};

/* Cells that need not be reached.  A line here is a promise about the world. */
static const struct cell rare[] = {
#include "tests/sim/unreached.h"
};

static bool
excused(int s, int e)
{
	size_t i;

	for (i = 0; i < sizeof(rare) / sizeof(rare[0]); i++)
		if ((int)rare[i].s == s && (int)rare[i].e == e)
			return true;
	return false;
}

unsigned
sim_coverage(const struct stats *st, bool all, FILE *f)
{
	unsigned reached = 0, missed = 0, n = 0;
	int s, e;

	for (s = 0; s < ROLE_N_STATES; s++)
		for (e = 0; e < ROLE_N_EVENTS; e++) {
			if (role_cell_kind((enum role_state)s,
			    (enum role_event_type)e) == 3)
				continue;
			n++;
			if (st->cells[s][e] > 0) {
				reached++;
			} else if (!excused(s, e)) {
				missed++;
				if (all)
					fprintf(f, "never reached: %s x %s\n",
					    role_state_name((enum role_state)s),
					    role_event_name(
					    (enum role_event_type)e));
			}
		}
	fprintf(f, "%u of %u pairs of state and event reached, %zu excused, "
	    "%u missed\n", reached, n, sizeof(rare) / sizeof(rare[0]), missed);
	return missed;
}
