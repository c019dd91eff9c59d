/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/agent_watchdog.c - the agent's word to this PM's guard
 *
 * A pass is told when nothing else is pending than a comparison, so signs and role have
 * been looked at; when a comparison was last done goes into the word (duties_ns).
 */
#include <string.h>

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
	    .now_ns = av_clock_ns() };

	watchdog_view_say(&v, ret);
}

static int
on_pass(sd_event_source *s, uint64_t usec, void *arg)
{
	struct agent *a = arg;
	struct watchdog_say say;

	(void)usec;
	look(a, &say);
	watchdog_line_say(a->watchdog, &say);
	if (say.pass_ns - a->pinged_ns >= PING_NS) {
		a->pinged_ns = say.pass_ns;
		(void)sd_notify(0, "WATCHDOG=1");	/* systemd's, if any */
	}
	(void)sd_event_source_set_time_relative(s,
	    order_timing(a->order)->pass_ns / AV_NS_PER_US);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

int
agent_watchdog_start(struct agent *a, struct av_err *err)
{
	int rc;

	if (a->watchdog == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	rc = sd_event_add_time_relative(a->event, &a->pass, CLOCK_MONOTONIC, 0,
	    1000, on_pass, a);
	if (rc >= 0)
		rc = sd_event_source_set_priority(a->pass,
		    AGENT_PASS_PRIORITY);
	return rc < 0 ? av_err_set(err, rc, "event loop: %s", strerror(-rc)) :
	    0;
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
