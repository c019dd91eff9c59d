/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_unit.c - the unit and its PMs
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/core/mtbf.h"

#define MTU_DEFAULT	1500

static const char *const node_names[STORE_NODES] = { "node0", "node1" };

static int
bad_argument(struct command *c, const char *name, const char *why)
{
	return command_refuse(c, -EINVAL, "bad-argument",
	    json_pack("{s:s}", "argument", name), "argument '%s' %s", name, why);
}

static bool
uuid_ok(const char *s)
{
	size_t i, n = strlen(s);

	for (i = 0; i < n; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' :
		    strchr("0123456789abcdef", s[i]) == NULL)
			return false;
	return n == 36;
}

static int
set_json(struct command *c, const char *sql, const json_t *value, int node)
{
	AUTO_FREE char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);

	if (text == NULL)
		return av_err_set(c->err, -ENOMEM, "report: no memory");
	return sql_run(c->st, c->err, sql, "si", text, (int64_t)node);
}

static int
set_int(struct command *c, const char *sql, const json_t *value, int node)
{
	return sql_run(c->st, c->err, sql, "ii",
	    (int64_t)json_integer_value(value), (int64_t)node);
}

/* What 'report' tells; keys that are absent stay as they were. */
static int
node_update(struct command *c, int node, const json_t *report)
{
	static const struct { const char *key, *sql; bool json, cpu; } fields[] = {
		{ "memory_bytes",
		    "UPDATE node SET memory_bytes = ? WHERE idx = ?", 0, 0 },
		{ "storage_bytes",
		    "UPDATE node SET storage_bytes = ? WHERE idx = ?", 0, 0 },
		{ "threads", "UPDATE node SET threads = ? WHERE idx = ?", 0, 1 },
		{ "cores", "UPDATE node SET cores = ? WHERE idx = ?", 0, 1 },
		{ "sockets", "UPDATE node SET sockets = ? WHERE idx = ?", 0, 1 },
		{ "addresses", "UPDATE node SET addresses = ? WHERE idx = ?",
		    1, 0 },
		{ "versions", "UPDATE node SET versions = ? WHERE idx = ?",
		    1, 0 },
	};
	const json_t *cpus = json_object_get(report, "cpus");
	size_t i;
	int rc = 0;

	for (i = 0; i < ARRAY_SIZE(fields) && rc == 0; i++) {
		const json_t *value = json_object_get(
		    fields[i].cpu ? cpus : report, fields[i].key);

		if (value == NULL)
			continue;
		rc = fields[i].json ?
		    set_json(c, fields[i].sql, value, node) :
		    set_int(c, fields[i].sql, value, node);
	}
	return rc;
}

static int
add_nodes(struct command *c)
{
	const json_t *list = json_object_get(c->args, "nodes"), *node;
	int64_t id;
	size_t k;
	int i, rc = 0;

	for (i = 0; i < STORE_NODES && rc == 0; i++) {
		rc = store_counter(c->st, "next_id", &id, c->err);
		if (rc == 0)
			rc = sql_run(c->st, c->err, "INSERT INTO node VALUES"
			    " (?, ?, ?, 0, 0, 0, 0, 0, '[]', '{}')", "iis", id,
			    (int64_t)i, node_names[i]);
	}
	json_array_foreach((json_t *)(uintptr_t)list, k, node)
		if (rc == 0)
			rc = node_update(c, strcmp(json_string_value(
			    json_object_get(node, "name")), "node1") == 0,
			    node);
	return rc;
}

/* PMs of a unit that is meant to be broken, for tests, always come back. */
static int
add_policy(struct command *c)
{
	const char *text = command_arg_text(c, "mtbf_policy");
	enum mtbf_policy policy;

	if (text[0] == '\0')
		return 0;
	if (mtbf_policy_parse(text, &policy) < 0)
		return bad_argument(c, "mtbf_policy", "is not a policy");
	return sql_run(c->st, c->err, "INSERT INTO mtbf SELECT id, ?, 1200, 4,"
	    " 0, 0, 0, 0, 0 FROM node", "i", (int64_t)policy);
}

static int
add_network(struct command *c, const char *name, const char *bridge,
    int64_t mtu)
{
	AUTO_FREE char *nfc = NULL;
	int64_t id;
	size_t n = strspn(bridge, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
	int rc;

	if (n == 0 || bridge[n] != '\0')
		return bad_argument(c, "bridge", "is not an interface's name");
	rc = command_new_name(c, KIND_NETWORK, name, -1, &nfc);
	if (rc == 0)
		rc = store_counter(c->st, "next_id", &id, c->err);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "INSERT INTO network VALUES (?, ?, ?, ?)", "issi", id, nfc,
		    bridge, mtu);
	return rc;
}

static int
add_networks(struct command *c)
{
	const json_t *list = json_object_get(c->args, "networks"), *net;
	size_t i;
	int rc = 0;

	if (list == NULL)
		return add_network(c, "net0", "br-net0", MTU_DEFAULT);
	json_array_foreach((json_t *)(uintptr_t)list, i, net) {
		const json_t *mtu = json_object_get(net, "mtu");

		if (rc == 0)
			rc = add_network(c,
			    json_string_value(json_object_get(net, "name")),
			    json_string_value(json_object_get(net, "bridge")),
			    mtu != NULL ? json_integer_value(mtu) : MTU_DEFAULT);
	}
	return rc;
}

static int
add_admin(struct command *c)
{
	const json_t *admin = json_object_get(c->args, "admin");
	const char *hash = "!", *given = "admin";	/* "!" fits no password */
	AUTO_FREE char *name = NULL;
	struct av_err local = { 0 };
	int rc;

	if (admin != NULL) {
		given = json_string_value(json_object_get(admin, "name"));
		hash = json_string_value(json_object_get(admin, "hash"));
		if (hash[0] != '$')
			return bad_argument(c, "hash",
			    "is not a password hash");
	}
	rc = av_name_normalize(given, &name, &local);
	if (rc < 0)
		return command_refuse(c, rc, local.code[0] != '\0' ?
		    local.code : "internal", NULL, "%s", local.text);
	return sql_run(c->st, c->err, "INSERT INTO user VALUES"
	    " (?, 'administrator', '', 'en', ?, ?)", "ssi", name, hash,
	    c->at_ms);
}

int
cmd_unit_create(struct command *c)
{
	const char *uuid = command_arg_text(c, "uuid");
	AUTO_FREE char *name = NULL;
	int64_t id, group;
	int rc = sql_get_int(c->st, &id, c->err, "SELECT id FROM unit", "");

	if (rc == 0)
		return command_refuse(c, -EEXIST, "name-exists", NULL,
		    "this PM belongs to a unit already");
	if (rc != -ENOENT)
		return rc;
	if (!uuid_ok(uuid))
		return bad_argument(c, "uuid", "is not a UUID in small letters");
	rc = command_new_name(c, KIND_UNIT, command_arg_text(c, "name"), -1,
	    &name);
	if (rc == 0)
		rc = store_counter(c->st, "next_id", &id, c->err);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "INSERT INTO unit (id, uuid, name, address, primary_node,"
		    " created_ms) VALUES (?, ?, ?, ?, 0, ?)", "isssi", id,
		    uuid, name, command_arg_text(c, "address"), c->at_ms);
	if (rc == 0)
		rc = add_nodes(c);
	if (rc == 0)
		rc = add_policy(c);
	if (rc == 0)
		rc = add_networks(c);
	if (rc == 0)
		rc = store_counter(c->st, "next_id", &group, c->err);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "INSERT INTO storage_group VALUES (?, 'default')", "i",
		    group);
	if (rc == 0)
		rc = add_admin(c);
	if (rc < 0)
		return rc;
	store_id_format(KIND_UNIT, id, c->object, sizeof(c->object));
	command_detail(c, "create unit '%s'", name);
	return command_result(c, "id", json_string(c->object));
}

int
cmd_unit_primary(struct command *c)
{
	int node = command_arg_node(c, "node");
	struct store_unit unit;
	int rc = store_get_unit(c->st, &unit);

	if (rc < 0)
		return av_err_set(c->err, rc, "database: reading the unit");
	(void)snprintf(c->object, sizeof(c->object), "%s", unit.id);
	c->quiet = unit.primary == node;
	command_detail(c, "%s is the primary PM", node_names[node]);
	return sql_run(c->st, c->err, "UPDATE unit SET primary_node = ?", "i",
	    (int64_t)node);
}

int
cmd_node_report(struct command *c)
{
	(void)snprintf(c->object, sizeof(c->object), "%s",
	    command_arg_text(c, "node"));
	if (command_node_back(c, command_arg_node(c, "node")) < 0)
		return c->err->rc;
	return node_update(c, command_arg_node(c, "node"), c->args);
}
