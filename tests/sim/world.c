/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/world.c - PMs and agents, and the cores' effects; see sim.h
 */
#include <string.h>

#include "tests/sim/sim.h"

struct world W;

static const struct role_times times = {
	.start_ns = TIMING_LOST_MS * AV_NS_PER_MS,
	.join_ns = 3000 * AV_NS_PER_MS,		/* shorter: more happens */
	.frozen_ns = 5000 * AV_NS_PER_MS,
	.retry_ns = TIMING_CLAIM_RETRY_MS * AV_NS_PER_MS,
	.dead_ns = TIMING_PEER_DEAD_MS * AV_NS_PER_MS,
	.stir_ns = TIMING_HEARTBEAT_MS * TIMING_MISSED * AV_NS_PER_MS,
};

uint64_t
sim_rnd(uint64_t n)
{
	W.rng ^= W.rng << 13;
	W.rng ^= W.rng >> 7;
	W.rng ^= W.rng << 17;
	return n == 0 ? 0 : (W.rng >> 11) % n;
}

static uint64_t
local_ns(int i)
{
	const struct pm *p = &W.pm[i];
	int64_t ns = (int64_t)(W.now * AV_NS_PER_MS);

	ns += ns / 1000000 * p->drift_ppm;
	return (uint64_t)ns + p->clock_off * AV_NS_PER_MS;
}

uint64_t
sim_local_ms(int i)
{
	return local_ns(i) / AV_NS_PER_MS;
}

bool
sim_machine_works(int i)
{
	return W.pm[i].powered && W.now >= W.pm[i].booted_at &&
	    W.now >= W.pm[i].all_hung_until;
}

bool
sim_agent_works(int i)
{
	return W.pm[i].agent && sim_machine_works(i) &&
	    W.now >= W.pm[i].agent_hung_until;
}

void
sim_bad(const char *what)
{
	if (W.bad == NULL) {
		W.bad = what;
		TRACE("VIOLATION: %s\n", what);
	}
}

/* --- effects --- */

static void
say_hello(int i)
{
	struct msg m = { .type = M_HELLO, .h = W.pm[i].role.said };

	sim_send(i, &m);
}

static void
run_effect(int i, const struct role_effect *e)
{
	struct pm *p = &W.pm[i];
	struct msg m = { .gen = e->gen };

	switch (e->type) {
	case ROLE_DO_RECORD:
		sim_check_record(i, &e->record);
		p->disk = e->record;
		break;
	case ROLE_DO_FREEZE:
		p->pause_at = W.now + sim_rnd(PAUSE_MS);
		break;
	case ROLE_DO_RESUME_TOGETHER:
		W.stats.together++;
		sim_volumes_together(i);
		sim_guests_start(i);
		break;
	case ROLE_DO_RUN_ALONE:
		sim_volumes_alone(i, e->gen);
		sim_guests_start(i);
		break;
	case ROLE_DO_TAKE_PEER_GUESTS:
		W.stats.takes++;
		p->place[0] = p->place[1] = i;
		p->seq++;
		sim_guests_start(i);
		break;
	case ROLE_DO_STOP_GUESTS:
		p->stop_at = W.now + 50 + sim_rnd(500);
		p->pause_at = p->pause_at ? p->pause_at :
		    W.now + sim_rnd(PAUSE_MS);
		break;
	case ROLE_DO_FOLLOW:
		sim_volumes_follow(i);
		break;
	case ROLE_DO_ASK:
		sim_ask(i, &e->move);
		break;
	case ROLE_DO_HELLO:
		say_hello(i);
		break;
	case ROLE_DO_ORDER_TOGETHER:
		m.type = M_MOVED;
		sim_send(i, &m);
		break;
	case ROLE_DO_CREATE_UNIT:
		m.type = M_CREATED;
		sim_send(i, &m);
		break;
	default:
		sim_bad("unknown effect");
	}
}

void
sim_effects(int i, const struct role_effects *out)
{
	struct pm *p = &W.pm[i];
	size_t k;

	for (k = 0; k < out->n && p->agent; k++) {
		sim_check_effect(i, &out->v[k]);
		run_effect(i, &out->v[k]);
		if (p->die_after != 0 && --p->die_after == 0) {
			TRACE("pm%d agent dies between effects\n", i);
			sim_agent_kill(i, 100 + sim_rnd(800));
		}
	}
}

static bool
taken_over(const struct role *r)
{
	return W.forced[r->rec.gen % GENS] ||
	    r->reason.why == ROLE_WHY_TAKEOVER ||
	    r->reason.why == ROLE_WHY_TAKEOVER_UNASKED;
}

void
sim_step(int i, struct role_event *ev)
{
	struct pm *p = &W.pm[i];
	struct role_effects out;
	enum role_state old = p->role.state;
	uint64_t gen = p->role.rec.gen;

	if (!sim_agent_works(i) || W.bad != NULL)
		return;
	ev->now_ns = local_ns(i);
	W.stats.events++;
	if (!role_event_stale(&p->role, ev)) {
		W.stats.cells[old][ev->type]++;
		if (role_cell_kind(old, ev->type) == 3) {
			TRACE("pm%d %s --%s-->\n", i, role_state_name(old),
			    role_event_name(ev->type));
			sim_bad("an event that can't happen");
			return;
		}
	}
	role_step(&p->role, ev, &out);
	if (old == ROLE_ALONE && p->role.state == ROLE_REJOINING)
		W.stats.cells[old][ROLE_EV_REJOIN]++;
	if (p->role.state != old ||
	    (W.trace && ev->type != ROLE_EV_PEER_INFO))
		TRACE("pm%d %s --%s--> %s g%llu m%d p%d lost%d ask%d: %s\n", i,
		    role_state_name(old), role_event_name(ev->type),
		    role_state_name(p->role.state),
		    (unsigned long long)p->role.rec.gen, p->role.rec.mode,
		    p->role.rec.pending, p->role.lost, p->role.asking,
		    p->role.reason.text);
	if (old != ROLE_ALONE && p->role.state == ROLE_ALONE &&
	    gen != p->role.rec.gen && taken_over(&p->role))
		sim_forked_by(i);
	if (p->role.state != old)
		sim_guard_news(i);
	if (ev->type == ROLE_EV_VIEW_ADOPT)
		W.stats.adopts++;
	if (old == ROLE_TOGETHER && p->role.state == ROLE_ALONE)
		W.stats.stays++;
	sim_effects(i, &out);
}

void
sim_event(int i, enum role_event_type type)
{
	struct role_event ev = { .type = type };

	sim_step(i, &ev);
}

/* --- agents and PMs --- */

void
sim_agent_start(int i)
{
	struct pm *p = &W.pm[i];
	struct role_effects out;

	p->agent = true;
	p->agent_at = 0;
	p->heard_beat = p->valid_until = 0;
	p->lost = p->quiet = true;
	p->step_told = false;
	p->view = 0;
	p->q.asked = false;
	p->seed_at = p->change_since = 0;
	p->refused_gen = 0;
	p->pause_at = p->stop_at = 0;
	p->die_after = 0;
	watchdog_agent_up(&p->guard, local_ns(i));
	TRACE("pm%d agent starts g%llu m%d\n", i,
	    (unsigned long long)p->disk.gen, p->disk.mode);
	role_init(&p->role, i, W.arbiter, &times, &p->disk,
	    p->run[0] || p->run[1], local_ns(i), &out);
	sim_effects(i, &out);
}

void
sim_agent_kill(int i, uint64_t down_ms)
{
	struct pm *p = &W.pm[i];

	TRACE("pm%d agent killed\n", i);
	sim_ask_dropped(i);
	watchdog_agent_gone(&p->guard);
	/* QEMU has the order already */
	if (p->pause_at || p->stop_at)
		p->paused = true;
	p->agent = false;
	p->agent_hung_until = p->takeover_at = 0;
	p->view = 0;
	p->agent_at = W.now + down_ms;
	if (W.view)
		sim_view_break();
}

void
sim_power_off(int i)
{
	struct pm *p = &W.pm[i];

	if (!p->powered)
		return;
	TRACE("pm%d power off\n", i);
	if (p->agent)
		sim_agent_kill(i, 0);
	sim_volumes_power_lost(i);
	p->powered = p->corosync = false;
	p->cs_seen = p->mirror_seen = false;
	p->run[0] = p->run[1] = p->paused = false;
	p->agent_at = p->boot_at = p->all_hung_until = 0;
}

void
sim_power_on(int i)
{
	if (W.pm[i].powered)
		return;
	TRACE("pm%d power on\n", i);
	W.pm[i].powered = W.pm[i].corosync = true;
	W.pm[i].boot_at = 0;
	W.pm[i].booted_at = W.now + BOOT_MS;
	W.pm[i].agent_at = W.now + BOOT_MS + sim_rnd(500);
	sim_guard_boot(i);
}

void
sim_world_init(uint64_t seed, enum role_arbiter arbiter, bool fresh)
{
	struct stats stats = W.stats;
	bool trace = W.trace;
	int i, v;

	memset(&W, 0, sizeof(W));
	W.stats = stats;
	W.trace = trace;
	W.rng = (seed + 1) * 0x9e3779b97f4a7c15ull;
	W.now = 1000;
	W.arbiter = arbiter;
	W.server[0].known = !fresh;
	W.server[0].rec = W.server[0].before = (struct arbiter_record){ 1, -1 };
	for (i = 0; i < 2; i++) {
		struct pm *p = &W.pm[i];

		if (!fresh)
			p->disk = (struct role_record){ 1, ROLE_MODE_TOGETHER,
			    false };
		p->drift_ppm = (int64_t)sim_rnd(2 * DRIFT_PPM) - DRIFT_PPM;
		p->clock_off = 100000 + sim_rnd(1000000);
		for (v = 0; v < VOLUMES; v++) {
			p->place[v] = v;
			p->leg[v].id = (struct identity){ .current = 0x1000,
			    .tie_break = i == 0 };
		}
		sim_power_on(i);
	}
	for (v = 0; v < VOLUMES; v++)
		W.mirrored[v] = true;
}

static void
turn_pm(int i)
{
	struct pm *p = &W.pm[i];
	struct role_event ev;

	sim_turn_links(i);
	sim_turn_arbiter(i);
	if (p->takeover_at && W.now >= p->takeover_at && sim_agent_works(i)) {
		p->takeover_at = 0;
		sim_event(i, ROLE_EV_TAKEOVER);
	}
	while (sim_agent_works(i) && W.bad == NULL &&
	    role_timer_due(&p->role, local_ns(i), &ev))
		sim_step(i, &ev);
	sim_turn_servers(i);
	sim_turn_split(i);
	sim_turn_stay(i);
	sim_turn_guests(i);
}

void
sim_tick(void)
{
	int i;

	W.now += TICK_MS;
	W.stats.ticks++;
	for (i = 0; i < 2; i++) {
		struct pm *p = &W.pm[i];

		if (p->boot_at && W.now >= p->boot_at)
			sim_power_on(i);
		if (sim_machine_works(i) && p->agent_at && W.now >= p->agent_at)
			sim_agent_start(i);
	}
	sim_turn_view();
	turn_pm(0);
	turn_pm(1);
	sim_turn_mirror();
	sim_turn_guard(0);
	sim_turn_guard(1);
	sim_check();
}

/* --- peace --- */

void
sim_heal(void)
{
	int i, l;

	W.peace = true;
	W.leaving = 0;
	for (l = 0; l < LINKS; l++)
		W.cut[l][0] = W.cut[l][1] = false;
	W.arb_down = W.arb_stale = W.arb_garbage = false;
	W.server[0].down = W.server[1].down = false;
	W.arb_loss = 0;
	W.arb_slow_ms = W.arb_takes_ms = 0;
	if (W.mirror_down_until > W.now)
		W.mirror_down_until = W.now;
	for (i = 0; i < 2; i++) {
		struct pm *p = &W.pm[i];

		p->arb_cut = false;
		p->die_after = 0;
		p->cs_late_ms = 0;
		p->agent_hung_until = p->all_hung_until = 0;
		if (!p->powered)
			sim_power_on(i);
		p->corosync = true;
	}
}

bool
sim_settled(void)
{
	int i, v;

	for (i = 0; i < 2; i++)
		/* a leave that was called off may still be granted */
		if (!sim_agent_works(i) || W.pm[i].role.maybe ||
		    W.pm[i].role.state != ROLE_TOGETHER)
			return false;
	for (v = 0; v < VOLUMES; v++)
		if (!W.mirrored[v] || W.pm[0].run[v] == W.pm[1].run[v])
			return false;
	return W.pm[0].role.rec.gen == W.pm[1].role.rec.gen &&
	    !W.pm[0].paused && !W.pm[1].paused;
}

bool
sim_serves_all(int i)
{
	const struct pm *p = &W.pm[i];
	int v;

	for (v = 0; v < VOLUMES; v++)
		if (!p->run[v] || !p->leg[v].solo)
			return false;
	return p->role.state == ROLE_ALONE && !p->paused;
}
