/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_maintenance.c - a PM is taken out for maintenance, rebooted, and back (E6)
 *
 * Only the wish is ordered here; maintenance.c makes it so.
 */
#include <errno.h>
#include <string.h>

#include "nodeagent/command_impl.h"
#include "nodeagent/maintenance.h"

static const char *const node_names[STORE_NODES] = { "node0", "node1" };

static int
check_possible(struct command *c, int node)
{
	const char *alone = json_string_value(
	    json_object_get(c->context, "alone"));
	const char *me = node_names[node], *other = node_names[1 - node];

	if (store_node_leaving(c->st, node))
		return command_refuse(c, -EALREADY, "already-so",
		    json_pack("{s:s}", "node", me),
		    "%s is in maintenance already", me);
	if (store_node_leaving(c->st, 1 - node))
		return command_refuse(c, -EBUSY, "wrong-state",
		    json_pack("{s:s, s:s}", "node", me, "other", other),
		    "%s is in maintenance: bring it back first ('avcli node workoff %s')",
		    other, other);
	if (alone != NULL && strcmp(alone, me) == 0)
		return command_refuse(c, -EBUSY, "wrong-state",
		    json_pack("{s:s, s:s}", "node", me, "other", other),
		    "%s runs the unit alone and nobody can take its VMs: wait until %s is back and in step",
		    me, other);
	return 0;
}

/* Names of the VMs that have to move. */
static int
list_vms(struct command *c, int node)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	json_t *list = json_array();
	int rc = sql_query(c->st, &stmt, c->err,
	    "SELECT name FROM vm WHERE node = ? ORDER BY id", "i",
	    (int64_t)node);

	while (rc == 0 && (rc = sql_next(c->st, stmt, c->err)) == 1)
		rc = json_array_append_new(list,
		    json_string(sql_text(stmt, 0))) < 0 ? -ENOMEM : 0;
	if (rc < 0) {
		json_decref(list);
		return rc;
	}
	return command_result(c, "moves", list);
}

int
cmd_node_workon(struct command *c)
{
	int node = command_arg_node(c, "node"), rc;
	bool shutdown = json_is_true(json_object_get(c->args, "shutdown"));
	const char *by = json_string_value(json_object_get(c->actor, "user"));
	int64_t id;

	rc = command_get_node(c, &id);
	if (rc == 0)
		rc = check_possible(c, node);
	if (rc == 0)
		rc = list_vms(c, node);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "INSERT INTO maintenance (node,"
		    " since_ms, shutdown, by) VALUES (?, ?, ?, ?)", "iiis",
		    (int64_t)node, c->at_ms, (int64_t)shutdown,
		    by != NULL ? by : "");
	command_detail(c, "take %s out for maintenance%s", c->object,
	    shutdown ? "; VMs that can't move are shut down" : "");
	return rc;
}

int
cmd_node_workoff(struct command *c)
{
	int node = command_arg_node(c, "node"), rc;
	int64_t id;

	rc = command_get_node(c, &id);
	if (rc == 0 && !store_node_leaving(c->st, node))
		return command_refuse(c, -EALREADY, "already-so",
		    json_pack("{s:s}", "node", c->object),
		    "%s isn't in maintenance", c->object);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "DELETE FROM maintenance WHERE node = ?", "i",
		    (int64_t)node);
	command_detail(c, "bring %s back from maintenance", c->object);
	return rc;
}

/* --- a PM that is out is rebooted, or switched off --- */

static int
bad_action(struct command *c)
{
	return command_refuse(c, -EINVAL, "bad-argument", json_pack("{s:s}",
	    "argument", "action"),
	    "argument 'action' must be 'reboot' or 'shutdown'");
}

static int
check_power(struct command *c, int node, enum store_power power)
{
	const char *me = node_names[node], *other = node_names[1 - node];
	struct store_maintenance m;
	int rc = store_maintenance_get(c->st, node, &m);

	if (rc < 0)
		return rc;
	if (!m.wanted)
		return command_refuse(c, -EBUSY, "wrong-state",
		    json_pack("{s:s}", "node", me), "%s isn't in maintenance: "
		    "take it out first ('avcli node workon %s')", me, me);
	if (m.power == power)
		return command_refuse(c, -EALREADY, "already-so",
		    json_pack("{s:s}", "node", me), "%s is asked to %s already",
		    me, power == STORE_POWER_REBOOT ? "reboot" : "shut down");
	if (!json_is_true(json_object_get(c->context, "heard")))
		return command_refuse(c, -EBUSY, "wrong-state",
		    json_pack("{s:s}", "node", me),
		    "%s isn't heard: it may be off already; look at its own console",
		    me);
	if (maintenance_is_needed(c->st, node))
		return command_refuse(c, -EBUSY, "wrong-state",
		    json_pack("{s:s, s:s}", "node", me, "other", other),
		    "a disk of %s failed and its VMs work with %s's: make it anew first ('avcli volume replace-leg')",
		    other, me);
	return 0;
}

static int
write_power(struct command *c, int node, enum store_power power)
{
	return sql_run(c->st, c->err, "UPDATE maintenance SET power = ?"
	    " WHERE node = ?", "si", store_power_name(power), (int64_t)node);
}

/* Asked while VMs are still there it waits: maintenance_power_due(). */
int
cmd_node_power(struct command *c)
{
	enum store_power power = store_power_of(command_arg_text(c, "action"));
	int node = command_arg_node(c, "node"), rc;
	int64_t id;

	if (power == STORE_POWER_NONE)
		return bad_action(c);
	rc = command_get_node(c, &id);
	if (rc == 0)
		rc = check_power(c, node, power);
	if (rc == 0)
		rc = write_power(c, node, power);
	command_detail(c, "%s %s", power == STORE_POWER_REBOOT ? "reboot" :
	    "shut down", c->object);
	return rc;
}

/* That PM does it as soon as this is applied, and then nobody asks for it any more: a
 * PM that comes up doesn't do it again. */
int
cmd_node_power_begun(struct command *c)
{
	enum store_power power = store_power_of(command_arg_text(c, "action"));
	int node = command_arg_node(c, "node"), rc;
	struct store_maintenance m;
	int64_t id;

	if (power == STORE_POWER_NONE)
		return bad_action(c);
	rc = command_get_node(c, &id);
	if (rc == 0)
		rc = store_maintenance_get(c->st, node, &m);
	if (rc < 0)
		return rc;
	if (!m.wanted || m.power != power)
		return command_refuse(c, -ESTALE, "wrong-state",
		    json_pack("{s:s}", "node", node_names[node]),
		    "%s isn't asked to do that any more", node_names[node]);
	command_detail(c, "%s %s now", c->object, power == STORE_POWER_REBOOT ?
	    "reboots" : "shuts down");
	return write_power(c, node, STORE_POWER_NONE);
}
