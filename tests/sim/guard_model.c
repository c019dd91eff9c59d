/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/guard_model.c - each PM's guard, with the real rule; see sim.h
 *
 * nodeagent/core/watchdog.c decides.  Here is what lies around it: passes of the
 * agent, beats of the two guards on the links, the time until nothing runs any more, and
 * the device that resets a PM that hangs as a whole.
 */
#include "tests/sim/sim.h"

static uint64_t
local_ns(int i)
{
	return sim_local_ms(i) * AV_NS_PER_MS;
}

static void
say(int i, bool whole_pass)
{
	struct pm *p = &W.pm[i];
	struct watchdog_view v = { .role = (int)p->role.state,
		.lost = p->lost, .store_ok = true,
		.guests = (p->run[0] || p->run[1]) && !p->paused,
		.duties_ns = local_ns(i), .now_ns = local_ns(i),
		.duties_limit_ns = TIMING_DUTIES_MS * AV_NS_PER_MS };
	struct watchdog_say s;

	watchdog_view_say(&v, &s);
	s.healthy = s.healthy && whole_pass;
	watchdog_told(&p->guard, &s);
}

/* agent_watchdog_news(): between passes. */
void
sim_guard_news(int i)
{
	say(i, false);
}

/* agent_watchdog_losing(): the word is taken back before the peer counts as lost. */
void
sim_guard_losing(int i)
{
	struct watchdog_say s = { .hold = WATCHDOG_KEEP,
		.pass_ns = local_ns(i) };

	watchdog_told(&W.pm[i].guard, &s);
}

/* i's guard beats: with its agent's word, and the echo of the peer's last beat. */
static void
beat(int i)
{
	struct pm *p = &W.pm[i], *o = &W.pm[1 - i];

	if ((W.now / TICK_MS) % (TIMING_HEARTBEAT_MS / TICK_MS) !=
	    (uint64_t)(i * 5 + 2) || !sim_machine_works(1 - i) ||
	    !sim_hears(1 - i) || sim_rnd(50) == 0)
		return;
	o->guard_heard = local_ns(i);
	if (p->guard.grant)
		watchdog_proved(&o->guard, p->guard_heard,
		    TIMING_LEASE_MS * AV_NS_PER_MS,
		    watchdog_well(&p->guard, local_ns(i)));
}

static void
reset(int i, const char *why)
{
	TRACE("pm%d is reset: %s\n", i, why);
	W.stats.resets++;
	sim_power_off(i);
	W.pm[i].boot_at = W.now + TICK_MS;
}

static void
look(int i)
{
	struct pm *p = &W.pm[i];

	switch (watchdog_judge(&p->guard, local_ns(i))) {
	case WATCHDOG_KILL_PM:
		if (p->kill_at == 0)
			p->kill_at = W.now + sim_rnd(TIMING_WATCHDOG_TICK_MS +
			    TIMING_KILL_MS - TICK_MS);
		break;
	case WATCHDOG_KILL_AGENT:
		W.stats.agents_killed++;
		sim_agent_kill(i, 200 + sim_rnd(500));
		break;
	case WATCHDOG_FEED:
		break;
	}
}

void
sim_guard_boot(int i)
{
	static const struct watchdog_times times = {
		.strict_ns = TIMING_STRICT_MS * AV_NS_PER_MS,
		.hang_ns = TIMING_HANG_MS * AV_NS_PER_MS,
		.relaxed_ns = TIMING_RELAXED_MS * AV_NS_PER_MS };
	struct pm *p = &W.pm[i];

	watchdog_init(&p->guard, &times, WATCHDOG_NONE, local_ns(i));
	p->guard_heard = p->kill_at = 0;
	p->fed_at = W.now;
}

/* At the end of a tick: the agent's pass was whole when it still works. */
void
sim_turn_guard(int i)
{
	struct pm *p = &W.pm[i];

	if (!p->powered || W.now < p->booted_at)
		return;
	if (!sim_machine_works(i)) {
		if (W.now >= p->fed_at + TIMING_DEVICE_MS)
			reset(i, "its device wasn't fed");
		return;
	}
	if (sim_agent_works(i))
		say(i, true);
	beat(i);
	look(i);
	if (p->kill_at == 0)
		p->fed_at = W.now;
	else if (W.now >= p->kill_at)
		reset(i, "its guard killed it");
}
