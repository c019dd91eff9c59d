/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_mtbf.c - failures of VMs and PMs as the database has them
 */
#include "nodeagent/store_mtbf.h"

#include <errno.h>

#include "nodeagent/view_impl.h"

int
store_mtbf_get(const struct store *st, int64_t object,
    struct store_mtbf *ret, struct av_err *err)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(st, &stmt, err, "SELECT policy, threshold_s,"
	    " judged_from, failures, first_ms, last_ms, held, away FROM mtbf"
	    " WHERE object = ?", "i", object);

	*ret = (struct store_mtbf){ .rule = MTBF_RULE_DEFAULT };
	if (rc == 0)
		rc = sql_next(st, stmt, err);
	if (rc <= 0)
		return rc;
	ret->rule.policy = (enum mtbf_policy)sqlite3_column_int(stmt, 0);
	ret->rule.threshold_s = sqlite3_column_int64(stmt, 1);
	ret->rule.judged_from = sqlite3_column_int64(stmt, 2);
	ret->count.failures = sqlite3_column_int64(stmt, 3);
	ret->count.first_ms = sqlite3_column_int64(stmt, 4);
	ret->count.last_ms = sqlite3_column_int64(stmt, 5);
	ret->held = sqlite3_column_int(stmt, 6) != 0;
	ret->away = sqlite3_column_int(stmt, 7) != 0;
	return 0;
}

int
store_mtbf_put(struct store *st, int64_t object, const struct store_mtbf *m,
    struct av_err *err)
{
	return sql_run(st, err, "INSERT OR REPLACE INTO mtbf VALUES"
	    " (?, ?, ?, ?, ?, ?, ?, ?, ?)", "iiiiiiiii", object,
	    (int64_t)m->rule.policy, m->rule.threshold_s, m->rule.judged_from,
	    m->count.failures, m->count.first_ms, m->count.last_ms,
	    (int64_t)m->held, (int64_t)m->away);
}

bool
store_node_held(const struct store *st, int node)
{
	int64_t held = 0;

	return sql_get_int(st, &held, NULL, "SELECT m.held FROM mtbf m JOIN"
	    " node n ON n.id = m.object WHERE n.idx = ?", "i",
	    (int64_t)node) == 0 && held != 0;
}

static int64_t
number_of(const char *id)
{
	int64_t n = 0;

	if (store_id_parse(KIND_VM, id, &n) < 0 &&
	    store_id_parse(KIND_NODE, id, &n) < 0)
		return -1;
	return n;
}

json_t *
store_mtbf_view(const struct store *st, const char *id)
{
	struct store_mtbf m;
	int64_t mean;

	if (store_mtbf_get(st, number_of(id), &m, NULL) < 0)
		return NULL;
	mean = mtbf_mean_s(&m.count);
	return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:b}", "policy",
	    mtbf_policy_name(m.rule.policy), "threshold_s",
	    (json_int_t)m.rule.threshold_s, "judged_from",
	    (json_int_t)m.rule.judged_from, "failures",
	    (json_int_t)m.count.failures, "mean_s", mean < 0 ? json_null() :
	    json_integer((json_int_t)mean), "last_utc", m.count.failures > 0 ?
	    view_time(m.count.last_ms) : json_null(), "held", m.held);
}
