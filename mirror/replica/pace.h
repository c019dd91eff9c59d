/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/pace.h - how long a resync rests between two runs
 *
 * The guest keeps at least KEEP of what it would do undisturbed.  That is
 * measured, not configured: how many requests a second were answered while the
 * resync rested (its rate alone), and how many while it copied.  With q = rate
 * copying / rate resting, a share d of the time spent copying leaves the guest
 * 1 - d * (1 - q), so d = (1 - KEEP) / (1 - q).  At worst (q = 0, the guest gets
 * nothing while a run is under way) d = 1 - KEEP = one fifth: a resync always
 * ends.  At best d = SHARE_MAX, since without rests there is nothing to compare
 * with.  Without a guest there are no rests.
 *
 * KEEP 0.8: the target is 0.7 of the IOPS with a resync running; a tenth of the
 * rate is room for the error of measuring.
 * Pure; times in ns.
 */
#ifndef AV_MIRROR_PACE_H
#define AV_MIRROR_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_KEEP	0.8
#define PACE_SHARE_MAX	0.9
#define PACE_SHARE_UNKNOWN 0.5	/* too few requests to tell */
#define PACE_SAMPLES_MIN 8u	/* answered in rests, within the window */
#define PACE_WINDOW_NS	1000000000ull	/* then all sums are halved */
#define PACE_REST_MAX_NS 1000000000ull

struct pace {			/* zeroed = nothing known */
	uint64_t	run_ns, run_n;		/* n: requests answered */
	uint64_t	rest_ns, rest_n;
};

void pace_ran(struct pace *p, uint64_t ns, uint64_t answered);
void pace_rested(struct pace *p, uint64_t ns, uint64_t answered);
/* The rest due after a run of 'ns'; busy: the guest asked for something lately. */
uint64_t pace_rest_ns(const struct pace *p, uint64_t ns, bool busy);

#endif
