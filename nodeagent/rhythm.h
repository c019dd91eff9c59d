/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/rhythm.h - when the agent compares, and when it says that it is well
 *
 * What it is:	three sources in the agent's loop: the comparison, which is kicked by
 *		whatever changed; the tick, which kicks it when nothing changes; the
 *		pass, which is the word to this PM's guard.
 * What it isn't: it knows neither what is compared nor what is said.
 *
 * Both come after all else that is due, and the pass before the comparison.  On a PM with
 * little processor time each comparison finds the next one due already, and a
 * word that came after it would never come.  It isn't enough that they are equal:
 * sd-event takes a defer source for one that waits since it was made.
 *
 * The tick leaves a slow PM as much time for other things as a comparison took.
 *
 * Threads: the loop's.  Times are ns of CLOCK_MONOTONIC.
 */
#ifndef AV_NODEAGENT_RHYTHM_H
#define AV_NODEAGENT_RHYTHM_H

#include <stdint.h>

#include <systemd/sd-event.h>

#include "base/err.h"

#define RHYTHM_PASS_PRIORITY	(SD_EVENT_PRIORITY_NORMAL + 9)
#define RHYTHM_COMPARE_PRIORITY	(SD_EVENT_PRIORITY_NORMAL + 10)

struct rhythm {
	/* the caller's; of the times pass_ns is needed by rhythm_pass_start() first */
	void		(*compare)(void *ctx);
	void		(*pass)(void *ctx);
	void		*ctx;
	uint64_t	 tick_ns;	/* between comparisons at least so often */
	uint64_t	 tick_max_ns;	/* where they take long */
	uint64_t	 pass_ns;	/* between passes */
	/* rhythm.c's */
	sd_event_source	*kick_src, *tick_src, *pass_src;
	uint64_t	 compare_ns;	/* what the last comparison took */
};

/* The first comparison is due at once; passes begin with rhythm_pass_start(). */
int rhythm_start(struct rhythm *r, sd_event *event, struct av_err *err);
int rhythm_pass_start(struct rhythm *r, sd_event *event, struct av_err *err);
/* Also of one that was never started. */
void rhythm_stop(struct rhythm *r);
/* Compares when nothing else is due. */
void rhythm_kick(struct rhythm *r);

#endif
