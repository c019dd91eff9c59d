/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/fit.h - do these two machines make a unit?
 *
 * A pure function of the plan's first half and both machines' facts: it completes the
 * plan, or says in findings what doesn't fit and what to do.  No I/O.
 */
#ifndef AV_SETUP_FIT_H
#define AV_SETUP_FIT_H

#include "nodeagent/setup/facts.h"
#include "nodeagent/setup/finding.h"

#define FIT_CLOCK_WARN_MS	1000
#define FIT_CLOCK_MAX_MS	30000	/* certificates, logs, schedules part */
#define FIT_MEMORY_RATIO	2	/* warned when one has this times less */

/* True: the plan is whole, nothing blocks.  'a' and 'b' were collected at one
 * moment, but for the time that b's took to come here. */
bool fit_complete(struct setup_plan *p, const struct setup_facts *a,
    const struct setup_facts *b, struct findings *fs);

#endif
