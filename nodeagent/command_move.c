/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_move.c - live migration, and where a VM belongs
 *
 * What the facts say (is all in step, what differs between the PMs) was stamped into
 * the command (context.move); the agents then act by core/move.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/core/limits.h"
#include "nodeagent/core/move.h"
#include "nodeagent/store_maintenance.h"
#include "nodeagent/view.h"

static const char *const node_names[STORE_NODES] = { "node0", "node1" };

static int
ignore(struct command *c)
{
	c->quiet = true;
	return command_result(c, "ignored", json_true());
}

static const json_t *
seen(const struct command *c, const char *key)
{
	return json_object_get(json_object_get(c->context, "move"), key);
}

/* --- may it move? --- */

static int
check_together(struct command *c, const struct store_vm *vm)
{
	const json_t *late = seen(c, "not_in_step");

	if (json_is_string(json_object_get(c->context, "alone")) ||
	    !command_online(c, 0) || !command_online(c, 1))
		return command_refuse(c, -EAGAIN, "not-together",
		    json_pack("{s:s}", "name", vm->name),
		    "VM '%.120s' can't move: only one PM may run VMs now; try again when both are up and in step",
		    vm->name);
	if (json_is_string(late))
		return command_refuse(c, -EBUSY, "not-in-step",
		    json_pack("{s:s, s:s}", "name", vm->name, "volume",
		    json_string_value(late)),
		    "VM '%.100s' can't move: volume '%.80s' isn't the same on both PMs yet; try again when it is in step",
		    vm->name, json_string_value(late));
	return 0;
}

static int
check_stays(struct command *c, const struct store_vm *vm, int to)
{
	if (!store_node_leaving(c->st, to))
		return 0;
	return command_refuse(c, -EBUSY, "wrong-state",
	    json_pack("{s:s, s:s}", "name", vm->name, "node", node_names[to]),
	    "VM '%.100s' can't move to %s: that PM is taken out for maintenance",
	    vm->name, node_names[to]);
}

static int
check_legs(struct command *c, const struct store_vm *vm, int to)
{
	struct store_volume vol;
	unsigned i;
	int rc;

	for (i = 0; i < vm->n_disks; i++) {
		rc = store_get_volume(c->st, vm->disks[i].volume_id, &vol);
		if (rc < 0)
			return av_err_set(c->err, rc, "database: reading %s",
			    vm->disks[i].volume_id);
		if (vol.failed_leg == to)
			return command_refuse(c, -EBUSY, "move-leg-failed",
			    json_pack("{s:s, s:s, s:s}", "name", vm->name,
			    "volume", vol.name, "node", node_names[to]),
			    "VM '%.80s' can't move: the disk of volume '%.80s' on %s has failed; replace the leg first",
			    vm->name, vol.name, node_names[to]);
	}
	return 0;
}

/* Until the commit its memory is taken on both PMs. */
static int
check_memory(struct command *c, int64_t id, const struct store_vm *vm, int to)
{
	struct store_node node;
	uint64_t usable, missing;
	int64_t used = 0;
	char less[32];
	int rc = store_get_node(c->st, to, &node);

	if (rc < 0)
		return av_err_set(c->err, rc, "database: reading %s",
		    node_names[to]);
	if (node.memory_bytes == 0)
		return 0;		/* not reported yet */
	rc = sql_get_int(c->st, &used, c->err,
	    "SELECT coalesce(sum(memory_bytes), 0) FROM vm WHERE phase <> 0"
	    " AND (node = ?1 OR moving_to = ?1) AND id <> ?2", "ii",
	    (int64_t)to, id);
	if (rc < 0)
		return rc;
	usable = node.memory_bytes > LIMITS_SYSTEM_BYTES ?
	    node.memory_bytes - LIMITS_SYSTEM_BYTES : 0;
	missing = limits_missing(usable, (uint64_t)used, vm->memory_bytes);
	if (missing == 0)
		return 0;
	av_format_size(missing, less, sizeof(less));
	return command_refuse(c, -ENOSPC, "move-no-memory",
	    json_pack("{s:s, s:s, s:I, s:I}", "name", vm->name, "node",
	    node_names[to], "needed_bytes", (json_int_t)vm->memory_bytes,
	    "missing_bytes", (json_int_t)missing),
	    "VM '%.100s' can't move: %s has %s of memory too little; stop or move a VM there first",
	    vm->name, node_names[to], less);
}

/* A running guest has found out what its processors can, and keeps to it. */
static int
check_alike(struct command *c, const struct store_vm *vm, int to)
{
	static const struct { const char *key, *what, *way; } rows[] = {
		{ "acceleration", "acceleration",
		  "shut it down, and start it there" },
		{ "qemu", "QEMU version",
		  "install the same version on both PMs" },
		{ "cpu_missing", "processor features missing there",
		  "shut it down, and start it there" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *what = json_string_value(seen(c, rows[i].key));

		if (what != NULL)
			return command_refuse(c, -EINVAL, "pms-differ",
			    json_pack("{s:s, s:s, s:s, s:s}", "name", vm->name,
			    "node", node_names[to], "what", rows[i].key,
			    "difference", what),
			    "VM '%.60s' can't move to %s while it runs: %s: %.60s; %s",
			    vm->name, node_names[to], rows[i].what, what,
			    rows[i].way);
	}
	return 0;
}

static int
check_state(struct command *c, const struct store_vm *vm, int to)
{
	if (vm->move.to >= 0)
		return command_refuse(c, -EBUSY, "already-moving",
		    json_pack("{s:s, s:s}", "name", vm->name, "node",
		    node_names[vm->move.to]),
		    "VM '%.120s' is moving to %s already: wait until that is over, or cancel it",
		    vm->name, node_names[vm->move.to]);
	if (vm->node >= 0 && vm->node == to)
		return command_refuse(c, -EALREADY, "already-there",
		    json_pack("{s:s, s:s}", "name", vm->name, "node",
		    node_names[to]),
		    "VM '%.120s' is on %s already: nothing to do", vm->name,
		    node_names[to]);
	return command_vm_state_ok(c, vm, VM_CMD_MIGRATE, "migrate");
}

int
cmd_vm_migrate(struct command *c)
{
	const char *user = json_string_value(json_object_get(c->actor, "user"));
	bool own = user != NULL && strcmp(user, "system") == 0;
	json_int_t token = json_integer_value(seen(c, "token"));
	struct store_vm vm;
	int64_t id;
	int to, rc = command_get_vm(c, &id, &vm);

	if (rc < 0)
		return rc;
	to = command_arg_node(c, "to");
	if (to < 0)
		to = vm.node == 0 ? 1 : 0;
	rc = check_state(c, &vm, to);
	if (rc == 0)
		rc = check_stays(c, &vm, to);
	if (rc == 0)
		rc = check_together(c, &vm);
	if (rc == 0)
		rc = check_legs(c, &vm, to);
	if (rc == 0)
		rc = check_memory(c, id, &vm, to);
	if (rc == 0)
		rc = check_alike(c, &vm, to);
	if (rc == 0 && token <= 0)
		rc = command_refuse(c, -EINVAL, "bad-request", NULL,
		    "the command has no move's id");
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET moving_to = ?1,"
		    " move_id = ?2, move_run = run_id, move_from = node,"
		    " move_target = ?1, move_by = ?3, move_started_ms = ?4,"
		    " move_ended_ms = 0, move_result = 'running',"
		    " move_code = '', move_text = '' WHERE id = ?5", "iisii",
		    (int64_t)to, (int64_t)token, user != NULL ? user : "",
		    c->at_ms, id);
	/* where a person puts it, it stays */
	if (rc == 0 && !own)
		rc = sql_run(c->st, c->err,
		    "UPDATE vm SET home = NULL WHERE id = ?", "i", id);
	/* where maintenance or a fault drives it from, it belongs */
	if (rc == 0 && own && vm.home != to)
		rc = sql_run(c->st, c->err, "UPDATE vm SET home ="
		    " nullif(coalesce(preferred, home, node), ?1)"
		    " WHERE id = ?2", "ii", (int64_t)to, id);
	if (rc == 0)
		rc = command_result(c, "id", json_string(vm.id));
	if (rc == 0)
		rc = command_result(c, "from", json_string(node_names[vm.node]));
	if (rc == 0)
		rc = command_result(c, "to", json_string(node_names[to]));
	if (rc == 0)
		command_detail(c, "move VM '%s' from %s to %s%s", vm.name,
		    node_names[vm.node], node_names[to], own && vm.home == to ?
		    " (home again)" : "");
	return rc;
}

/* --- it ends --- */

static int
over(struct command *c, int64_t id, const struct store_vm *vm,
    enum move_why why, const char *detail)
{
	char text[160], full[320];

	move_why_text(why, node_names[vm->move.from == 1],
	    node_names[vm->move.target == 1], text, sizeof(text));
	(void)snprintf(full, sizeof(full), "%s%s%.150s", text,
	    detail[0] != '\0' ? ": " : "", detail);
	av_utf8_trim(full);
	command_detail(c, "VM '%s' didn't move: %s", vm->name, full);
	return sql_run(c->st, c->err, "UPDATE vm SET moving_to = NULL,"
	    " move_result = ?, move_code = ?, move_text = ?,"
	    " move_ended_ms = ? WHERE id = ?", "sssii",
	    why == MOVE_WHY_CANCELLED ? "cancelled" : "failed",
	    move_why_code(why), full, c->at_ms, id);
}

int
cmd_vm_migrate_cancel(struct command *c)
{
	struct store_vm vm;
	int64_t id;
	int rc = command_get_vm(c, &id, &vm);

	if (rc < 0)
		return rc;
	if (vm.move.to < 0)
		return command_refuse(c, -EALREADY, "not-moving",
		    json_pack("{s:s}", "name", vm.name),
		    "VM '%.160s' isn't moving: nothing to cancel", vm.name);
	rc = command_vm_state_ok(c, &vm, VM_CMD_MIGRATE_CANCEL,
	    "migrate-cancel");
	if (rc == 0)
		rc = over(c, id, &vm, MOVE_WHY_CANCELLED, "");
	if (rc == 0)
		rc = command_result(c, "id", json_string(vm.id));
	return rc;
}

static bool
is_this_move(const struct command *c, const struct store_vm *vm)
{
	return vm->move.to >= 0 && vm->move.id ==
	    (uint64_t)json_integer_value(json_object_get(c->args, "move"));
}

int
cmd_vm_move_ended(struct command *c)
{
	int why = move_why_parse(command_arg_text(c, "reason"));
	struct store_vm vm;
	int64_t id;
	int rc = command_get_vm(c, &id, &vm);

	if (rc < 0) {
		c->quiet = true;	/* removed meanwhile: no news */
		return rc;
	}
	if (why < 0)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "reason"),
		    "argument 'reason' can't be '%.32s'",
		    command_arg_text(c, "reason"));
	if (!is_this_move(c, &vm))
		return ignore(c);
	c->audit_result = "failed";
	return over(c, id, &vm, (enum move_why)why,
	    command_arg_text(c, "detail"));
}

/* The commit.  Whatever it decides, this move isn't under way afterwards: the source
 * relies on that. */
int
cmd_vm_switch(struct command *c)
{
	struct store_vm vm;
	int64_t id;
	int rc = command_get_vm(c, &id, &vm);

	if (rc < 0) {
		c->quiet = true;
		return rc;
	}
	if (!is_this_move(c, &vm))
		return ignore(c);
	rc = check_legs(c, &vm, vm.move.to);
	if (rc < 0 && c->err->code[0] == '\0')
		return rc;
	if (rc < 0) {
		struct av_err was = *c->err;

		*c->err = (struct av_err){ 0 };
		json_decref(c->params);
		c->params = NULL;
		c->audit_result = "failed";
		return over(c, id, &vm, MOVE_WHY_DISKS, was.text);
	}
	rc = sql_run(c->st, c->err, "UPDATE vm SET node = ?1,"
	    " run_id = run_id + 1, moving = 0, moving_to = NULL,"
	    " home = nullif(home, ?1), move_result = 'done',"
	    " move_code = 'arrived', move_text = '', move_ended_ms = ?2"
	    " WHERE id = ?3", "iii", (int64_t)vm.move.to, c->at_ms, id);
	command_detail(c, "VM '%s' moved from %s to %s", vm.name,
	    node_names[vm.node == 1], node_names[vm.move.to]);
	return rc;
}

int
command_move_settle(struct command *c)
{
	char text[160];

	move_why_text(MOVE_WHY_STOPPED, "", "", text, sizeof(text));
	return sql_run(c->st, c->err, "UPDATE vm SET moving_to = NULL,"
	    " move_result = 'failed', move_code = ?, move_text = ?,"
	    " move_ended_ms = ? WHERE moving_to IS NOT NULL AND NOT"
	    " (want = 1 AND phase = 1 AND run_id = move_run AND"
	    " node IS NOT NULL AND node = 1 - moving_to)", "ssi",
	    move_why_code(MOVE_WHY_STOPPED), text, c->at_ms);
}

int
command_move_peer_lost(struct command *c)
{
	return sql_run(c->st, c->err, "UPDATE vm SET moving_to = NULL,"
	    " move_result = 'failed', move_code = ?, move_text ="
	    " 'the PMs lost each other', move_ended_ms = ?"
	    " WHERE moving_to IS NOT NULL", "si",
	    move_why_code(MOVE_WHY_PEER_LOST), c->at_ms);
}

/* --- where it belongs --- */

int
cmd_vm_prefer(struct command *c)
{
	int node = command_arg_node(c, "node");
	struct store_vm vm;
	int64_t id;
	int rc = command_get_vm(c, &id, &vm);

	if (rc == 0 && node < 0)
		rc = sql_run(c->st, c->err,
		    "UPDATE vm SET preferred = NULL WHERE id = ?", "i", id);
	else if (rc == 0)	/* one on its way home goes to the new one */
		rc = sql_run(c->st, c->err, "UPDATE vm SET preferred = ?1,"
		    " home = CASE WHEN home IS NULL OR node = ?1 THEN NULL"
		    " ELSE ?1 END WHERE id = ?2", "ii", (int64_t)node, id);
	if (rc == 0)
		rc = command_result(c, "id", json_string(vm.id));
	if (rc == 0)
		rc = command_result(c, "preferred", node < 0 ? json_null() :
		    json_string(node_names[node]));
	if (rc == 0)
		command_detail(c, "VM '%s' %s%s", vm.name, node < 0 ?
		    "has no preferred PM" : "belongs on ",
		    node < 0 ? "" : node_names[node]);
	return rc;
}
