/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_fault.c - what is about to fail on a PM, as the database has it
 */
#include "nodeagent/store_fault.h"

#include <stdio.h>

int
store_each_fault(const struct store *st, int node,
    int (*each)(void *arg, const struct store_fault *f), void *arg)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(st, &stmt, NULL, "SELECT part, text, since_ms"
	    " FROM fault WHERE node = ? ORDER BY part", "i", (int64_t)node);

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1) {
		struct store_fault f = {
			.since_ms = sqlite3_column_int64(stmt, 2) };

		(void)snprintf(f.part, sizeof(f.part), "%s", sql_text(stmt, 0));
		(void)snprintf(f.text, sizeof(f.text), "%s", sql_text(stmt, 1));
		rc = each(arg, &f);
	}
	return rc;
}

static int
found(void *arg, const struct store_fault *f)
{
	(void)arg;
	(void)f;
	return 1;
}

bool
store_node_faulty(const struct store *st, int node)
{
	return store_each_fault(st, node, found, NULL) == 1;
}
