/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_people.c - users, alerts, the audit log
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/command_impl.h"

#define CLOSED_ALERTS_KEEP	10000

static int
bad_argument(struct command *c, const char *name, const char *why)
{
	return command_refuse(c, -EINVAL, "bad-argument",
	    json_pack("{s:s}", "argument", name), "argument '%s' %s", name, why);
}

int
cmd_user_set_password(struct command *c)
{
	const char *user = command_arg_text(c, "user");
	const char *hash = command_arg_text(c, "hash");
	int64_t one;
	int rc;

	(void)snprintf(c->object, sizeof(c->object), "user:%.200s", user);
	av_utf8_trim(c->object);
	if (hash[0] != '$' || strspn(hash, "./$=,0123456789"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-+") !=
	    strlen(hash))
		return bad_argument(c, "hash", "is not a password hash");
	rc = sql_get_int(c->st, &one, c->err,
	    "SELECT 1 FROM user WHERE name = ?", "s", user);
	if (rc == -ENOENT)
		return command_refuse(c, rc, "not-found",
		    json_pack("{s:s, s:s}", "kind", "user", "name", user),
		    "there is no user '%s'", user);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "UPDATE user SET hash = ? WHERE name = ?", "ss", hash,
		    user);
	command_detail(c, "set the password of '%s'", user);
	return rc;
}

/* --- alerts --- */

static const char *const severities[] = {
	"info", "minor", "serious", "critical" };

int
command_raise_alert(struct command *c, const char *code, const char *object,
    const char *severity, const char *text, const char *cause,
    const json_t *repair, const json_t *params)
{
	AUTO_FREE char *repair_text = json_dumps(repair, JSON_COMPACT);
	AUTO_FREE char *params_text = params == NULL ? strdup("{}") :
	    json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
	int64_t id;
	int rc;

	if (repair_text == NULL || params_text == NULL)
		return av_err_set(c->err, -ENOMEM, "alert: no memory");
	rc = sql_get_int(c->st, &id, c->err, "SELECT id FROM alert WHERE"
	    " code = ? AND object = ? AND cleared_ms IS NULL", "ss", code,
	    object);
	if (rc == 0)
		return sql_run(c->st, c->err, "UPDATE alert SET severity = ?,"
		    " text = ?, cause = ?, repair = ?, params = ?,"
		    " count = count + 1 WHERE id = ?", "sssssi", severity, text,
		    cause, repair_text, params_text, id);
	if (rc != -ENOENT)
		return rc;
	rc = store_counter(c->st, "next_alert", &id, c->err);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "INSERT INTO alert VALUES"
		    " (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 1)", "isssssssi", id,
		    code, object, severity, text, cause, repair_text,
		    params_text, c->at_ms);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "DELETE FROM alert WHERE id <= ?"
		    " AND cleared_ms IS NOT NULL", "i",
		    id - CLOSED_ALERTS_KEEP);
	return rc;
}

int
cmd_alert_raise(struct command *c)
{
	const char *severity = command_arg_text(c, "severity");
	size_t i;

	(void)snprintf(c->object, sizeof(c->object), "%s",
	    command_arg_text(c, "object"));
	for (i = 0; i < ARRAY_SIZE(severities); i++)
		if (strcmp(severity, severities[i]) == 0)
			return command_raise_alert(c,
			    command_arg_text(c, "code"), c->object, severity,
			    command_arg_text(c, "text"),
			    command_arg_text(c, "cause"),
			    json_object_get(c->args, "repair"),
			    json_object_get(c->args, "params"));
	return bad_argument(c, "severity", "is not one that is known");
}

int
cmd_alert_clear(struct command *c)
{
	(void)snprintf(c->object, sizeof(c->object), "%s",
	    command_arg_text(c, "object"));
	return sql_run(c->st, c->err, "UPDATE alert SET cleared_ms = ?"
	    " WHERE code = ? AND object = ? AND cleared_ms IS NULL", "iss",
	    c->at_ms, command_arg_text(c, "code"), c->object);
}

/* --- audit --- */

int
cmd_audit_add(struct command *c)
{
	static const char *const results[] = { "ok", "refused", "failed",
		"started" };
	const char *result = command_arg_text(c, "result");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(results); i++)
		if (strcmp(result, results[i]) == 0)
			c->audit_result = results[i];
	if (c->audit_result == NULL)
		return bad_argument(c, "result",
		    "must be ok, refused, failed or started");
	(void)snprintf(c->object, sizeof(c->object), "%s",
	    command_arg_text(c, "object"));
	command_detail(c, "%s", command_arg_text(c, "detail"));
	c->audit_action = command_arg_text(c, "action");
	if (json_object_get(c->args, "role") != NULL)
		c->audit_role = command_arg_text(c, "role");
	return 0;
}
