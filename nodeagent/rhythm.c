/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/rhythm.c - when the agent compares, and when it says that it is well
 */
#include "nodeagent/rhythm.h"

#include <string.h>

#include "base/clock.h"

static void
again(sd_event_source *s, uint64_t ns)
{
	(void)sd_event_source_set_time_relative(s, ns / AV_NS_PER_US);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int
on_kick(sd_event_source *s, void *arg)
{
	struct rhythm *r = arg;
	uint64_t began_ns = av_clock_ns();

	(void)s;
	r->compare(r->ctx);
	r->compare_ns = av_clock_ns() - began_ns;
	return 0;
}

static uint64_t
tick_ns(const struct rhythm *r)
{
	uint64_t ns = 2 * r->compare_ns;

	return ns < r->tick_ns ? r->tick_ns :
	    ns > r->tick_max_ns ? r->tick_max_ns : ns;
}

static int
on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct rhythm *r = arg;

	(void)usec;
	rhythm_kick(r);
	again(s, tick_ns(r));
	return 0;
}

static int
on_pass(sd_event_source *s, uint64_t usec, void *arg)
{
	struct rhythm *r = arg;

	(void)usec;
	r->pass(r->ctx);
	again(s, r->pass_ns);
	return 0;
}

int
rhythm_start(struct rhythm *r, sd_event *event, struct av_err *err)
{
	int rc = sd_event_add_defer(event, &r->kick_src, on_kick, r);

	if (rc >= 0)
		rc = sd_event_source_set_priority(r->kick_src,
		    RHYTHM_COMPARE_PRIORITY);
	if (rc >= 0)
		rc = sd_event_add_time_relative(event, &r->tick_src,
		    CLOCK_MONOTONIC, 0, 0, on_tick, r);
	return rc < 0 ? av_err_set(err, rc, "event loop: %s", strerror(-rc)) :
	    0;
}

int
rhythm_pass_start(struct rhythm *r, sd_event *event, struct av_err *err)
{
	int rc = sd_event_add_time_relative(event, &r->pass_src,
	    CLOCK_MONOTONIC, 0, 1000, on_pass, r);

	if (rc >= 0)
		rc = sd_event_source_set_priority(r->pass_src,
		    RHYTHM_PASS_PRIORITY);
	return rc < 0 ? av_err_set(err, rc, "event loop: %s", strerror(-rc)) :
	    0;
}

void
rhythm_stop(struct rhythm *r)
{
	r->kick_src = sd_event_source_disable_unref(r->kick_src);
	r->tick_src = sd_event_source_disable_unref(r->tick_src);
	r->pass_src = sd_event_source_disable_unref(r->pass_src);
}

void
rhythm_kick(struct rhythm *r)
{
	(void)sd_event_source_set_enabled(r->kick_src, SD_EVENT_ONESHOT);
}
