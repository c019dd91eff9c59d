/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/storage.c - guests, volumes, mirrors and disks; see sim.h
 *
 * One volume a guest.  A write is acknowledged when both legs have it, or by the leg
 * that was ordered to go alone; else it is held.  What wasn't flushed may be
 * gone after a power cut, any part of it; a guest that lives on never misses a
 * write, one that is started anew never misses a flushed one.  Who copies to whom is what the
 * real legs' generations say (mirror/replica/identity.c), not what the role wishes:
 * a contradiction is a violation unless a person forced a takeover.
 */
#include "tests/sim/sim.h"

/* Mirrors reach each other. */
bool
sim_mirror_up(void)
{
	return sim_conn() && W.now >= W.mirror_down_until;
}

/* Does i hold volume v as its primary? */
static bool
is_primary(int i, int v)
{
	const struct pm *p = &W.pm[i];

	if (!p->powered)
		return false;
	if (p->run[v] || p->leg[v].solo || !p->agent)
		return p->run[v] || p->leg[v].solo;
	if (p->role.state == ROLE_ALONE || p->role.state == ROLE_REJOINING)
		return true;
	return p->role.state == ROLE_TOGETHER && p->place[v] == i;
}

/* --- guests --- */

static void
check_data(int i, int v)
{
	struct leg *l = &W.pm[i].leg[v];

	if (W.loose[v][i]) {		/* this is the truth now, here: the
					 * other leg's until they meet */
		if (l->data < W.safe[v][i])
			sim_bad("a flushed write is gone");
		W.loose[v][i] = false;
		W.truth[v][i] = l->data;
	}
	if (l->data != W.truth[v][i])
		sim_bad("runs on old data");
}

void
sim_guests_start(int i)
{
	struct pm *p = &W.pm[i];
	int v;

	p->paused = false;
	p->pause_at = p->stop_at = 0;
	for (v = 0; v < VOLUMES; v++) {
		/* a half copied leg can't be opened: it waits for the rest */
		p->run[v] = p->place[v] == i && !p->leg[v].id.inconsistent;
		if (p->run[v])
			check_data(i, v);
	}
}

static void
wrote(int i, int v)
{
	W.truth[v][i] = W.pm[i].leg[v].data;
	W.loose[v][i] = false;
	if (!W.forked) {
		W.truth[v][1 - i] = W.truth[v][i];
		W.loose[v][1 - i] = false;
	}
	W.acked[v]++;
}

static void
flushed(int i, int v)
{
	W.safe[v][i] = W.pm[i].leg[v].durable;
	if (!W.forked)
		W.safe[v][1 - i] = W.safe[v][i];
}

static void
guest_writes(int i, int v)
{
	struct leg *l = &W.pm[i].leg[v], *o = &W.pm[1 - i].leg[v];

	if (W.mirrored[v] && sim_mirror_up() && !o->solo) {
		if (l->data != W.truth[v][i])
			sim_bad("wrote over old data");
		l->data = o->data = ++W.writes;
		wrote(i, v);
		if (sim_rnd(4) == 0) {
			l->durable = o->durable = l->data;
			flushed(i, v);
		}
	} else if (l->solo) {
		if (l->data != W.truth[v][i])
			sim_bad("wrote alone over old data");
		l->data = ++W.writes;
		W.mirrored[v] = false;
		wrote(i, v);
		if (sim_rnd(4) == 0) {
			l->durable = l->data;
			flushed(i, v);
		}
	}			/* else: held */
}

static void
go_alone(int i, int v)
{
	struct leg *l = &W.pm[i].leg[v];

	if (l->id.inconsistent)
		return;		/* refused by the mirror */
	l->solo = true;
	l->durable = l->data;	/* flushed before it is written down */
	W.mirrored[v] = false;
	W.sync_at[v] = 0;
	(void)identity_go_alone(&l->id,
	    identity_clean_random((sim_rnd(1ull << 40) << 8) | 0x100));
}

void
sim_turn_guests(int i)
{
	struct pm *p = &W.pm[i];
	int v;

	if (!sim_machine_works(i))
		return;
	if (p->pause_at && W.now >= p->pause_at) {
		p->pause_at = 0;
		p->paused = true;
	}
	if (p->stop_at && W.now >= p->stop_at && sim_agent_works(i)) {
		p->stop_at = 0;
		for (v = 0; v < VOLUMES; v++)
			p->run[v] = p->leg[v].solo = false;
		sim_event(i, ROLE_EV_GUESTS_STOPPED);
	}
	for (v = 0; v < VOLUMES; v++) {
		/* an owner's volumes that lose the peer are ordered alone, but only
		 * after the role was told that they are out of step */
		if (sim_agent_works(i) && role_may_write_alone(&p->role) &&
		    !p->leg[v].solo && !p->step_told &&
		    !(sim_mirror_up() && W.mirrored[v]))
			go_alone(i, v);
		if (sim_agent_works(i) && role_may_run(&p->role) &&
		    p->place[v] == i && !p->run[v] && !p->paused &&
		    !p->leg[v].id.inconsistent && sim_rnd(8) == 0) {
			p->run[v] = true;
			check_data(i, v);
		}
		if (p->run[v] && !p->paused && sim_rnd(4) == 0)
			guest_writes(i, v);
	}
}

/* --- orders to volumes --- */

/* A volume that is connected and in step stays so; others go alone, drop the peer,
 * and resync when it comes again. */
void
sim_volumes_alone(int i, uint64_t gen)
{
	int v;

	(void)gen;
	W.pm[i].step_told = false;
	for (v = 0; v < VOLUMES; v++)
		if (!W.pm[i].leg[v].solo && (!sim_mirror_up() ||
		    !W.mirrored[v] || W.pm[1 - i].leg[v].solo))
			go_alone(i, v);
}

void
sim_volumes_together(int i)
{
	int v;

	for (v = 0; v < VOLUMES; v++)
		W.pm[i].leg[v].solo = false;
}

void
sim_volumes_follow(int i)
{
	int v;

	for (v = 0; v < VOLUMES; v++) {
		W.pm[i].leg[v].solo = false;
		/* its own history, if it had one, ends here */
		W.truth[v][i] = W.truth[v][1 - i];
		W.safe[v][i] = W.safe[v][1 - i];
		W.loose[v][i] = W.loose[v][1 - i];
	}
	W.forked = false;
	W.both_heard_ms = 0;
}

/* A person forced it: what is here is the truth here, whatever the other one has. */
void
sim_forked_by(int i)
{
	int v;

	W.stats.takeovers++;
	W.stats.forks++;
	W.forked = true;
	W.both_heard_ms = 0;
	for (v = 0; v < VOLUMES; v++) {
		struct leg *l = &W.pm[i].leg[v];

		l->id.inconsistent = false;
		W.forked_volume[v] = true;
		W.mirrored[v] = false;	/* two primaries: no connection */
		W.sync_at[v] = 0;
		W.truth[v][i] = l->data;
		W.safe[v][i] = l->durable;
		W.loose[v][i] = false;
	}
}

void
sim_volumes_new(int i)
{
	int v;

	for (v = 0; v < VOLUMES; v++) {
		W.pm[i].leg[v] = (struct leg){ .id = {
		    .current = IDENTITY_JUST_CREATED, .tie_break = i == 0 } };
		W.mirrored[v] = false;
		W.sync_at[v] = 0;
	}
}

void
sim_volumes_power_lost(int i)
{
	struct pm *p = &W.pm[i];
	int v, n;

	for (v = 0; v < VOLUMES; v++) {
		struct leg *l = &p->leg[v];
		bool had = l->data == W.truth[v][i];

		if (is_primary(i, v))
			l->id.crashed_primary = true;
		if (l->data > l->durable)
			l->data = l->durable +
			    sim_rnd(l->data - l->durable + 1);
		l->durable = l->data;
		l->solo = false;
		W.mirrored[v] = false;
		W.sync_at[v] = 0;
		/* A guest that is started anew may miss what wasn't flushed
		 * when a PM that had it lost power, as on any disk.  One that
		 * lives on may not: guest_writes(). */
		if (!had)
			continue;
		for (n = 0; n < 2; n++)
			if (n == i || !W.forked)
				W.loose[v][n] = true;
	}
}

/* --- mirrors --- */

static void
in_step(int v)
{
	int i;

	W.mirrored[v] = true;
	W.sync_at[v] = 0;
	W.forked_volume[v] = W.forked;
	for (i = 0; i < 2; i++) {
		if (!W.forked && W.loose[v][i])
			W.truth[v][i] = W.pm[i].leg[v].data;
		W.loose[v][i] = W.loose[v][i] && W.forked;
		W.pm[i].leg[v].solo = false;
		W.pm[i].leg[v].id.crashed_primary = false;
		W.pm[i].leg[v].id.inconsistent = false;
	}
}

static void
copied(int x, int v)
{
	struct leg *from = &W.pm[x].leg[v], *to = &W.pm[1 - x].leg[v];

	to->data = from->data;
	to->durable = from->durable = from->data;
	identity_source_finish(&from->id);
	identity_target_finish(&to->id, &from->id);
	in_step(v);
}

static void
copy_begins(int x, int v)
{
	struct leg *from = &W.pm[x].leg[v], *to = &W.pm[1 - x].leg[v];

	identity_source_start(&from->id,
	    identity_clean_random((sim_rnd(1ull << 40) << 8) | 0x100));
	identity_target_start(&to->id, &from->id);
	to->id.inconsistent = true;
	W.sync_from[v] = x;
	W.sync_at[v] = W.now + 100 + sim_rnd(1000);
}

static void
connect_from(int x, int v)
{
	struct leg *from = &W.pm[x].leg[v], *to = &W.pm[1 - x].leg[v];
	struct identity a = from->id, b = to->id;
	enum verdict verdict;
	int rule;

	a.primary = true;
	verdict = identity_decide(&a, &b, &rule);
	switch (verdict) {
	case VERDICT_NONE:
		/* but for what the peer hadn't flushed: the primary's bits
		 * know, and it is copied before anything else */
		to->data = to->durable = from->durable = from->data;
		in_step(v);
		return;
	case VERDICT_SOURCE: case VERDICT_SOURCE_FULL:
		copy_begins(x, v);
		return;
	case VERDICT_TARGET: case VERDICT_TARGET_FULL:
		/* the owner's own leg was being copied when the peer died */
		if (!from->id.inconsistent)
			break;
		copy_begins(1 - x, v);
		return;
	default:
		break;
	}
	if (!W.forked_volume[v]) {
		TRACE("volume %d: pm%d is primary, verdict %s rule %d\n", v, x,
		    verdict_name(verdict), rule);
		sim_bad("an owner's volume isn't the newest by its generations");
	}
	/* a person says which side stays: the one that runs */
	W.pm[1 - x].leg[v].id = (struct identity){
	    .current = IDENTITY_JUST_CREATED, .tie_break = x == 1 };
}

static bool
takes_part(int i)
{
	enum role_state s = W.pm[i].role.state;

	return sim_agent_works(i) && (s == ROLE_FOLLOWER ||
	    s == ROLE_TOGETHER || s == ROLE_ALONE || s == ROLE_REJOINING);
}

static void
turn_volume(int v)
{
	bool p0 = is_primary(0, v), p1 = is_primary(1, v);
	int x = p0 ? 0 : 1;

	if (!sim_mirror_up()) {
		/* both legs may or may not have what was under way */
		W.mirrored[v] = false;
		W.sync_at[v] = 0;
		return;
	}
	if (W.mirrored[v])
		return;
	if (W.sync_at[v] != 0) {
		if (p0 == p1) {
			W.sync_at[v] = 0;
		} else if (W.now >= W.sync_at[v]) {
			copied(W.sync_from[v], v);
		}
		return;
	}
	if (p0 != p1 && takes_part(0) && takes_part(1))
		connect_from(x, v);
}

void
sim_turn_mirror(void)
{
	int i, v;

	for (v = 0; v < VOLUMES; v++)
		turn_volume(v);
	for (i = 0; i < 2; i++) {
		/* the owner keeps the right while the other one is away */
		bool in = sim_mirror_up() && W.leaving == 0;

		for (v = 0; v < VOLUMES; v++)
			in = in && W.mirrored[v] && !W.pm[i].leg[v].solo;
		/* told late: the volume knows before the agent does */
		if (sim_agent_works(i) && in != W.pm[i].step_told &&
		    sim_rnd(4) == 0) {
			W.pm[i].step_told = in;
			sim_event(i, in ? ROLE_EV_IN_STEP : ROLE_EV_OUT_OF_STEP);
		}
	}
}
