/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_mtbf.c - failures of VMs and PMs: counted, judged, cleared
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "nodeagent/command_impl.h"
#include "nodeagent/store_maintenance.h"
#include "nodeagent/store_mtbf.h"

static const char *const node_names[STORE_NODES] = { "node0", "node1" };

/* --- failures --- */

int
command_mtbf_failed(struct command *c, int64_t object, struct store_mtbf *ret)
{
	int rc = store_mtbf_get(c->st, object, ret, c->err);

	if (rc < 0)
		return rc;
	ret->held = mtbf_failed(&ret->rule, &ret->count, c->at_ms);
	return store_mtbf_put(c->st, object, ret, c->err);
}

static int
node_number(struct command *c, int node, int64_t *ret)
{
	return sql_get_int(c->st, ret, c->err,
	    "SELECT id FROM node WHERE idx = ?", "i", (int64_t)node);
}

int
command_node_lost(struct command *c, int node)
{
	struct store_mtbf m;
	int64_t id;
	int rc = node_number(c, node, &id);

	if (rc == 0 && store_node_leaving(c->st, node))
		return 0;	/* it is meant to be away */
	if (rc == 0)
		rc = store_mtbf_get(c->st, id, &m, c->err);
	if (rc < 0 || m.away)
		return rc;	/* the peer never came back: no new failure */
	m.away = true;
	/* one that is left out already is no news */
	m.held = mtbf_failed(&m.rule, &m.count, c->at_ms) || m.held;
	return store_mtbf_put(c->st, id, &m, c->err);
}

int
command_node_back(struct command *c, int node)
{
	struct store_mtbf m;
	int64_t id;
	int rc = node_number(c, node, &id);

	if (rc == 0)
		rc = store_mtbf_get(c->st, id, &m, c->err);
	if (rc < 0 || !m.away)
		return rc;
	m.away = false;
	return store_mtbf_put(c->st, id, &m, c->err);
}

/* --- the rule --- */

static int
set_number(struct command *c, const char *key, int64_t least, int64_t most,
    int64_t *io)
{
	const json_t *v = json_object_get(c->args, key);

	if (v == NULL)
		return 0;
	if (json_integer_value(v) < least || json_integer_value(v) > most)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", key), "argument '%s' must be "
		    "from %" PRId64 " to %" PRId64, key, least, most);
	*io = json_integer_value(v);
	return 0;
}

static int
set_rule(struct command *c, int64_t object)
{
	const char *policy = command_arg_text(c, "policy");
	struct store_mtbf m;
	int rc = store_mtbf_get(c->st, object, &m, c->err);

	if (rc == 0 && policy[0] != '\0' &&
	    mtbf_policy_parse(policy, &m.rule.policy) < 0)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "policy"), "argument "
		    "'policy' must be 'threshold', 'always' or 'never'");
	if (rc == 0)
		rc = set_number(c, "threshold_s", 1, MTBF_THRESHOLD_MAX_S,
		    &m.rule.threshold_s);
	if (rc == 0)
		rc = set_number(c, "judged_from", 2, MTBF_JUDGED_MAX,
		    &m.rule.judged_from);
	if (rc == 0)
		rc = store_mtbf_put(c->st, object, &m, c->err);
	if (rc == 0)
		command_detail(c, "failures of %s: policy %s, threshold %"
		    PRId64 " s, judged from %" PRId64 " failures on", c->object,
		    mtbf_policy_name(m.rule.policy), m.rule.threshold_s,
		    m.rule.judged_from);
	return rc;
}

static int
clear(struct command *c, int64_t object)
{
	struct store_mtbf m;
	int rc = store_mtbf_get(c->st, object, &m, c->err);

	m.count = (struct mtbf_count){ 0 };
	m.held = false;
	return rc < 0 ? rc : store_mtbf_put(c->st, object, &m, c->err);
}

/* --- VMs --- */

int
cmd_vm_set_mtbf(struct command *c)
{
	struct store_vm vm;
	int64_t id;
	int rc = command_get_vm(c, &id, &vm);

	if (rc == 0)
		rc = set_rule(c, id);
	return rc == 0 ? command_result(c, "id", json_string(vm.id)) : rc;
}

int
command_vm_mtbf_clear(struct command *c, int64_t id)
{
	int rc = clear(c, id);

	return rc < 0 ? rc : sql_run(c->st, c->err, "UPDATE vm SET"
	    " crash_held = 0, crashes = 0, crash_first_ms = 0 WHERE id = ?",
	    "i", id);
}

/* "Reset device": clears the counter; a VM that was kept down is started. */
int
cmd_vm_reset(struct command *c)
{
	struct store_vm vm;
	int64_t id;
	int rc = command_get_vm(c, &id, &vm);
	bool held = rc == 0 && vm.phase == STORE_READY && vm.crash_held;

	if (rc == 0)
		rc = command_vm_mtbf_clear(c, id);
	if (rc == 0 && held)
		rc = command_start_vm(c, id, &vm);
	if (rc == 0)
		rc = command_result(c, "id", json_string(vm.id));
	if (rc == 0)
		command_detail(c, "cleared the crash counter of VM '%s'%s",
		    vm.name, held ? " and started it" : "");
	return rc;
}

/* --- PMs --- */

int
command_get_node(struct command *c, int64_t *ret_id)
{
	int node = command_arg_node(c, "node"), rc;
	char id[STORE_ID_MAX];

	(void)snprintf(c->object, sizeof(c->object), "%s", node_names[node]);
	rc = node_number(c, node, ret_id);
	if (rc < 0)
		return rc;
	store_id_format(KIND_NODE, *ret_id, id, sizeof(id));
	return command_result(c, "id", json_string(id));
}

int
cmd_node_set_mtbf(struct command *c)
{
	int64_t id;
	int rc = command_get_node(c, &id);

	return rc < 0 ? rc : set_rule(c, id);
}

int
cmd_node_clear_mtbf(struct command *c)
{
	int64_t id;
	int rc = command_get_node(c, &id);

	if (rc == 0)
		rc = clear(c, id);
	if (rc == 0)
		command_detail(c, "cleared the failure counter of %s",
		    c->object);
	return rc;
}
