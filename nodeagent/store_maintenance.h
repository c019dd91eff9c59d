/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_maintenance.h - which PM is out for maintenance, as the database has it
 *
 * A row from node.workon until node.workoff: the wish, not how far it is.  At most
 * one PM has one.
 */
#ifndef AV_STORE_MAINTENANCE_H
#define AV_STORE_MAINTENANCE_H

#include "nodeagent/store_sql.h"

/* What is to be done to the PM once it is out. */
enum store_power { STORE_POWER_NONE = 0, STORE_POWER_REBOOT,
	STORE_POWER_SHUTDOWN };

struct store_maintenance {
	bool	wanted;
	bool	shutdown;	/* VMs that can't move are shut down */
	int64_t	since_ms;	/* UTC */
	char	by[STORE_NAME_MAX];	/* who ordered it */
	enum store_power power;
};

/* No row: .wanted is false. */
int store_maintenance_get(const struct store *st, int node,
    struct store_maintenance *ret);
/* false when the database doesn't say. */
bool store_node_leaving(const struct store *st, int node);
/* "reboot", "shutdown", "" = none; and back: another word is NONE. */
const char *store_power_name(enum store_power power);
enum store_power store_power_of(const char *name);

#endif
