/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/mtbf.h - does something that failed come back by itself? (A8)
 *
 * Pure and the same for VMs and PMs.  The mean time between failures is the mean gap
 * between the failures counted since the counter was cleared; it is judged from
 * the 'judged_from'-th failure on.  Below the threshold the thing stays down
 * ('held') until a person resets it, which clears the counter.
 *
 *   policy     a failure
 *   threshold  is judged
 *   always     is counted; it comes back each time
 *   never      keeps it down at once
 *
 * A changed rule counts from the next failure on.  Times are ms since 1970, UTC, as
 * the PM that tells of the failure stamped them; one earlier than the last (a clock
 * was set back, or the other PM's is behind) counts as the same moment.
 */
#ifndef AV_CORE_MTBF_H
#define AV_CORE_MTBF_H

#include <stdbool.h>
#include <stdint.h>

enum mtbf_policy {		/* values are stored: append only */
	MTBF_THRESHOLD = 0,
	MTBF_ALWAYS = 1,
	MTBF_NEVER = 2,
	MTBF_N_POLICIES
};

struct mtbf_rule {
	enum mtbf_policy policy;
	int64_t		threshold_s;	/* 1..MTBF_THRESHOLD_MAX_S */
	int64_t		judged_from;	/* 2..MTBF_JUDGED_MAX failures */
};

#define MTBF_THRESHOLD_MAX_S	(366ll * 24 * 3600)
#define MTBF_JUDGED_MAX		100
#define MTBF_RULE_DEFAULT	{ MTBF_THRESHOLD, 1200, 4 }

struct mtbf_count {
	int64_t		failures;	/* since the last clear */
	int64_t		first_ms;	/* 0 = none */
	int64_t		last_ms;
};

/* Counts a failure.  true = it has to stay down. */
bool mtbf_failed(const struct mtbf_rule *rule, struct mtbf_count *count,
    int64_t at_ms);
/* Seconds; -1 = fewer than two failures. */
int64_t mtbf_mean_s(const struct mtbf_count *count);

const char *mtbf_policy_name(enum mtbf_policy p);
/* 0 or -EINVAL. */
int mtbf_policy_parse(const char *name, enum mtbf_policy *ret);

#endif
