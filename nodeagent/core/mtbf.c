/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/mtbf.c - does something that failed come back by itself?
 */
#include "nodeagent/core/mtbf.h"

#include <errno.h>
#include <string.h>

static const char *const names[MTBF_N_POLICIES] = {
	[MTBF_THRESHOLD] = "threshold", [MTBF_ALWAYS] = "always",
	[MTBF_NEVER] = "never",
};

static int64_t
mean_ms(const struct mtbf_count *c)
{
	return (c->last_ms - c->first_ms) / (c->failures - 1);
}

bool
mtbf_failed(const struct mtbf_rule *rule, struct mtbf_count *c, int64_t at_ms)
{
	if (c->failures <= 0)
		*c = (struct mtbf_count){ 0, at_ms, at_ms };
	c->failures++;
	if (at_ms > c->last_ms)
		c->last_ms = at_ms;
	if (rule->policy != MTBF_THRESHOLD)
		return rule->policy == MTBF_NEVER;
	return c->failures >= rule->judged_from && c->failures > 1 &&
	    mean_ms(c) < rule->threshold_s * 1000;
}

int64_t
mtbf_mean_s(const struct mtbf_count *c)
{
	return c->failures < 2 ? -1 : mean_ms(c) / 1000;
}

const char *
mtbf_policy_name(enum mtbf_policy p)
{
	return p < MTBF_N_POLICIES ? names[p] : "?";
}

int
mtbf_policy_parse(const char *name, enum mtbf_policy *ret)
{
	int i;

	for (i = 0; i < MTBF_N_POLICIES; i++)
		if (strcmp(names[i], name) == 0) {
			*ret = (enum mtbf_policy)i;
			return 0;
		}
	return -EINVAL;
}
