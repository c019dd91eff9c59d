/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/people.c - a split and the choice that ends it; a PM that leaves for
 *			maintenance; see sim.h
 *
 * As nodeagent/split.c: the choice is durable on each PM and travels between agents
 * of one view; alike on both it stands.  Then guests are ended, the legs that aren't
 * kept are discarded, their PM gives up, and only then the other one takes the right.
 * One choice for all volumes and the unit.
 */
#include "tests/sim/sim.h"

static bool
see_each_other(void)
{
	return W.view != 0 && W.pm[0].view == W.view &&
	    W.pm[1].view == W.view && sim_agent_works(0) && sim_agent_works(1);
}

/* A choice holds for the split that the person saw.  False: not known yet. */
static bool
of_this_split(int i)
{
	struct pm *p = &W.pm[i];
	uint64_t of[2];

	if (!p->have[1 - i])
		return false;
	of[i] = p->role.rec.gen;
	of[1 - i] = p->hello[1 - i].rec.gen;
	if (of[0] != p->choice_of[0] || of[1] != p->choice_of[1])
		p->choice = p->discarded = 0;
	p->choice_of[0] = of[0];
	p->choice_of[1] = of[1];
	return true;
}

bool
sim_may_choose(int i)
{
	return see_each_other() && W.pm[i].role.state == ROLE_SPLIT &&
	    W.pm[1 - i].role.state == ROLE_SPLIT;
}

void
sim_choose(int i, int kept)
{
	struct pm *p = &W.pm[i], *o = &W.pm[1 - i];

	if (!sim_may_choose(i) || !of_this_split(i) || (p->choice != 0 && p->choice == o->choice))
		return;		/* it is being carried out */
	TRACE("node%d is told that node%d is kept\n", i, kept);
	p->choice = kept + 1;
}

static void
carry_out(int i)
{
	struct pm *p = &W.pm[i], *o = &W.pm[1 - i];
	struct role_event ev = { .type = ROLE_EV_RESOLVED,
		.owner = p->choice - 1, .peer = p->hello[1 - i] };
	int v;

	for (v = 0; v < VOLUMES; v++)
		p->run[v] = p->leg[v].solo = false;
	if (ev.owner != i && !p->discarded) {
		sim_volumes_new(i);
		p->discarded = true;
	}
	if (p->role.asking || !p->have[1 - i])
		return;
	if (ev.owner != i || (o->discarded &&
	    ev.peer.rec.mode == ROLE_MODE_OUTDATED))
		sim_step(i, &ev);
}

void
sim_turn_split(int i)
{
	struct pm *p = &W.pm[i], *o = &W.pm[1 - i];

	if (!sim_agent_works(i))
		return;
	if (p->role.state == ROLE_TOGETHER)
		p->choice = p->discarded = 0;
	if (p->role.state != ROLE_SPLIT || !see_each_other() || sim_rnd(10))
		return;
	if (!of_this_split(i) || o->choice_of[0] != p->choice_of[0] ||
	    o->choice_of[1] != p->choice_of[1])
		return;
	/* on different words at the same time node0's stand */
	if (o->choice != 0 && (p->choice == 0 || i == 1))
		p->choice = o->choice;
	if (p->choice != 0 && p->choice == o->choice)
		carry_out(i);
}

/* As node.workon and the moves that follow it: from here on every guest is the
 * other PM's, in both databases. */
void
sim_leave(int i)
{
	int n, v;

	if (!sim_settled() || W.view == 0 || sim_switch_in_flight())
		return;
	TRACE("node%d is to leave\n", i);
	W.leaving = i + 1;
	for (v = 0; v < VOLUMES; v++) {
		if (W.pm[i].place[v] != i)
			continue;
		for (n = 0; n < 2; n++) {
			W.pm[n].place[v] = 1 - i;
			W.pm[n].run[v] = n != i;
			W.pm[n].seq++;
		}
	}
}

void
sim_turn_stay(int i)
{
	if (W.leaving == 2 - i && sim_agent_works(i) && sim_rnd(8) == 0)
		sim_event(i, ROLE_EV_STAY);
}
