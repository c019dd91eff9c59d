/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_fault.c - a part of a PM is reported as failing, or well (E2)
 *
 * One interface for all that watch hardware.  Only the report is ordered here;
 * evacuate.c empties the PM.
 */
#include <errno.h>

#include "nodeagent/command_impl.h"
#include "nodeagent/store_fault.h"

static int
check_room(struct command *c, int node, const char *part)
{
	int64_t others = 0;
	int rc = sql_get_int(c->st, &others, c->err, "SELECT count(*) FROM fault"
	    " WHERE node = ? AND part <> ?", "is", (int64_t)node, part);

	if (rc == 0 && others >= STORE_FAULTS_MAX)
		return command_refuse(c, -ENOSPC, "too-many",
		    json_pack("{s:i}", "max", STORE_FAULTS_MAX),
		    "%s has %d faulty parts already: clear some with 'avcli node clear-fault %s'",
		    c->object, STORE_FAULTS_MAX, c->object);
	return rc;
}

int
cmd_node_report_fault(struct command *c)
{
	const char *part = command_arg_text(c, "part");
	const char *text = command_arg_text(c, "text");
	int node = command_arg_node(c, "node"), rc;
	int64_t id;

	rc = command_get_node(c, &id);
	if (rc == 0 && part[0] == '\0')
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "part"),
		    "argument 'part' is empty: name the part, such as 'disk sda'");
	if (rc == 0)
		rc = check_room(c, node, part);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "INSERT INTO fault (node, part,"
		    " text, since_ms) VALUES (?, ?, ?, ?)"
		    " ON CONFLICT (node, part) DO UPDATE SET text ="
		    " excluded.text", "issi", (int64_t)node, part, text,
		    c->at_ms);
	command_detail(c, "%s: '%s' is about to fail: %s", c->object, part,
	    text);
	return rc;
}

/* Without 'part': all of them. */
int
cmd_node_clear_fault(struct command *c)
{
	const char *part = command_arg_text(c, "part");
	int node = command_arg_node(c, "node"), rc;
	int64_t id, n = 0;

	rc = command_get_node(c, &id);
	if (rc == 0)
		rc = sql_get_int(c->st, &n, c->err, "SELECT count(*) FROM fault"
		    " WHERE node = ?1 AND (?2 = '' OR part = ?2)", "is",
		    (int64_t)node, part);
	if (rc == 0 && n == 0)
		return command_refuse(c, -EALREADY, "already-so",
		    json_pack("{s:s, s:s}", "node", c->object, "part", part),
		    "no such fault is reported of %s", c->object);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "DELETE FROM fault WHERE node = ?1"
		    " AND (?2 = '' OR part = ?2)", "is", (int64_t)node, part);
	command_detail(c, "%s: '%s' is well again", c->object,
	    part[0] != '\0' ? part : "all parts");
	return rc;
}
