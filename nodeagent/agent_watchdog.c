/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/agent_watchdog.c - the agent's word to this PM's guard
 *
 * A pass is told when nothing else is pending than a comparison, so signs and role have
 * been looked at; when a comparison was last done goes into the word (duties_ns).
 */
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "nodeagent/agent.h"

#define PING_NS		(5 * AV_NS_PER_S)	/* avnoded.service: WatchdogSec */

static void
look(const struct agent *a, struct watchdog_say *ret)
{
	struct watchdog_view v = { .role = (int)order_role(a->order)->state,
	    .lost = !order_peer_seen(a->order), .store_ok = !a->store_failed,
	    .guests = guests_awake(a->guests), .duties_ns = a->duties_ns,
	    .duties_limit_ns = order_timing(a->order)->duties_ns,
	    .now_ns = av_clock_ns() };

	watchdog_view_say(&v, ret);
}

void
agent_watchdog_pass(void *agent)
{
	struct agent *a = agent;
	struct watchdog_say say;

	look(a, &say);
	watchdog_line_say(a->watchdog, &say);
	if (say.pass_ns - a->pinged_ns >= PING_NS) {
		a->pinged_ns = say.pass_ns;
		(void)sd_notify(0, "WATCHDOG=1");	/* systemd's, if any */
	}
}

void
agent_watchdog_news(struct agent *a)
{
	struct watchdog_say say;

	look(a, &say);
	say.healthy = false;
	watchdog_line_say(a->watchdog, &say);
}

void
agent_watchdog_losing(struct agent *a)
{
	struct watchdog_say say = { .hold = WATCHDOG_KEEP,
	    .pass_ns = av_clock_ns() };

	watchdog_line_say(a->watchdog, &say);
}
