/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_maintenance.c - which PM is out for maintenance, as the database has it
 */
#include "nodeagent/store_maintenance.h"

#include <stdio.h>
#include <string.h>

const char *
store_power_name(enum store_power power)
{
	return power == STORE_POWER_REBOOT ? "reboot" :
	    power == STORE_POWER_SHUTDOWN ? "shutdown" : "";
}

enum store_power
store_power_of(const char *name)
{
	return strcmp(name, "reboot") == 0 ? STORE_POWER_REBOOT :
	    strcmp(name, "shutdown") == 0 ? STORE_POWER_SHUTDOWN :
	    STORE_POWER_NONE;
}

int
store_maintenance_get(const struct store *st, int node,
    struct store_maintenance *ret)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(st, &stmt, NULL, "SELECT since_ms, shutdown, by, power"
	    " FROM maintenance WHERE node = ?", "i", (int64_t)node);

	*ret = (struct store_maintenance){ 0 };
	if (rc == 0)
		rc = sql_next(st, stmt, NULL);
	if (rc <= 0)
		return rc;
	ret->wanted = true;
	ret->since_ms = sqlite3_column_int64(stmt, 0);
	ret->shutdown = sqlite3_column_int(stmt, 1) != 0;
	(void)snprintf(ret->by, sizeof(ret->by), "%s", sql_text(stmt, 2));
	ret->power = store_power_of(sql_text(stmt, 3));
	return 0;
}

bool
store_node_leaving(const struct store *st, int node)
{
	struct store_maintenance m;

	return store_maintenance_get(st, node, &m) == 0 && m.wanted;
}
