/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_mtbf.h - failures of VMs and PMs as the database has them
 *
 * A VM or PM without a row has the default rule and no failure.  'object' is the
 * number of its id (vm:o12 -> 12).
 */
#ifndef AV_STORE_MTBF_H
#define AV_STORE_MTBF_H

#include <jansson.h>

#include "nodeagent/core/mtbf.h"
#include "nodeagent/store_sql.h"

struct store_mtbf {
	struct mtbf_rule rule;
	struct mtbf_count count;
	bool		held;
	bool		away;		/* a PM whose loss is counted already */
};

int store_mtbf_get(const struct store *st, int64_t object,
    struct store_mtbf *ret, struct av_err *err);
/* In a command's transaction only. */
int store_mtbf_put(struct store *st, int64_t object,
    const struct store_mtbf *m, struct av_err *err);
/* Is this PM left out?  false when the database doesn't say. */
bool store_node_held(const struct store *st, int node);
/* {policy, threshold_s, judged_from, failures, mean_s:null|N, last_utc:null|...,
 * held}: yours; NULL = no memory or the database failed. */
json_t *store_mtbf_view(const struct store *st, const char *id);

#endif
