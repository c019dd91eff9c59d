/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command.c - the table of operations that change the database
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/core/limits.h"
#include "nodeagent/quorum_db.h"
#include "nodeagent/store_fault.h"

#define DESCRIPTION_MAX_BYTES	4000u
#define TEXT_MAX_BYTES		1000u
#define HASH_MAX_BYTES		384u	/* CRYPT_OUTPUT_SIZE */
#define MTU_MAX			65535u
#define RATE_MAX_KIB_S		(1ull << 30)	/* 1 TiB/s */

/* --- arguments --- */

#define END		{ NULL, ARG_END, 0, 0, NULL }
#define REF(n)		{ n, ARG_REF, ARG_NEEDED, 0, NULL }
#define TEXT(n, f, m)	{ n, ARG_TEXT, f, m, NULL }
#define UINT(n, f, m)	{ n, ARG_UINT, f, m, NULL }
#define BOOL(n, f)	{ n, ARG_BOOL, f, 0, NULL }
#define NODE(n, f)	{ n, ARG_NODE, f, 0, NULL }
#define LIST(n, f, m, s) { n, ARG_LIST, f, m, s }
#define OBJECT(n, f, s)	{ n, ARG_OBJECT, f, 0, s }

static const struct arg_spec cpus_args[] = {
	UINT("threads", 0, 65536), UINT("cores", 0, 65536),
	UINT("sockets", 0, 4096), END };
static const struct arg_spec unit_admin_args[] = {
	REF("name"), TEXT("hash", ARG_NEEDED, HASH_MAX_BYTES), END };
static const struct arg_spec unit_node_args[] = {
	NODE("name", ARG_NEEDED), UINT("memory_bytes", 0, 0),
	UINT("storage_bytes", 0, 0), OBJECT("cpus", 0, cpus_args),
	LIST("addresses", 0, 16, NULL), END };
static const struct arg_spec unit_network_args[] = {
	REF("name"), TEXT("bridge", ARG_NEEDED, 15), UINT("mtu", 0, MTU_MAX),
	END };
static const struct arg_spec unit_create_args[] = {
	TEXT("uuid", ARG_NEEDED, 36), REF("name"), TEXT("address", 0, 63),
	OBJECT("admin", 0, unit_admin_args),
	LIST("nodes", 0, 2, unit_node_args),
	LIST("networks", 0, 16, unit_network_args),
	TEXT("mtbf_policy", 0, 16), END };
static const struct arg_spec node_only_args[] = {
	NODE("node", ARG_NEEDED), END };
static const struct arg_spec node_report_args[] = {
	NODE("node", ARG_NEEDED), OBJECT("cpus", 0, cpus_args),
	UINT("memory_bytes", 0, 0), UINT("storage_bytes", 0, 0),
	LIST("addresses", 0, 16, NULL), OBJECT("versions", 0, NULL), END };
static const struct arg_spec vm_only_args[] = { REF("vm"), END };
static const struct arg_spec vm_rename_args[] = {
	REF("vm"), REF("name"), END };
static const struct arg_spec vm_delete_args[] = {
	REF("vm"), LIST("keep_volumes", 0, LIMITS_VOLUMES_MAX, NULL), END };
static const struct arg_spec vm_volume_args[] = {
	{ "name", ARG_REF, ARG_NULLABLE, 0, NULL },
	UINT("size_bytes", ARG_NEEDED, 0),
	{ "storage_group", ARG_REF, ARG_NULLABLE, 0, NULL },
	TEXT("image", ARG_NULLABLE, 255), END };
static const struct arg_spec vm_network_args[] = {
	REF("network"), TEXT("mac", ARG_NULLABLE, 17), END };
static const struct arg_spec vm_create_args[] = {
	REF("name"), TEXT("description", 0, DESCRIPTION_MAX_BYTES),
	TEXT("os", 0, 16), UINT("vcpus", ARG_NEEDED, 0),
	UINT("memory_bytes", ARG_NEEDED, 0),
	LIST("volumes", ARG_NEEDED, STORE_VM_DISKS_MAX, vm_volume_args),
	LIST("networks", ARG_OR_TEXT, STORE_VM_NICS_MAX, vm_network_args),
	NODE("preferred", ARG_NULLABLE), BOOL("start", 0), BOOL("bits64", 0),
	END };
static const struct arg_spec vm_report_args[] = {
	REF("vm"), UINT("run_id", ARG_NEEDED, 0), TEXT("event", ARG_NEEDED, 32),
	TEXT("reason", ARG_NULLABLE, TEXT_MAX_BYTES), END };
#define MTBF_ARGS	TEXT("policy", 0, 16), UINT("threshold_s", 0, 0), \
	UINT("judged_from", 0, 0), END
static const struct arg_spec vm_mtbf_args[] = { REF("vm"), MTBF_ARGS };
static const struct arg_spec node_mtbf_args[] = {
	NODE("node", ARG_NEEDED), MTBF_ARGS };
static const struct arg_spec node_workon_args[] = {
	NODE("node", ARG_NEEDED), BOOL("shutdown", 0), END };
static const struct arg_spec node_power_args[] = {
	NODE("node", ARG_NEEDED), TEXT("action", ARG_NEEDED, 15), END };
static const struct arg_spec report_fault_args[] = {
	NODE("node", ARG_NEEDED), TEXT("part", ARG_NEEDED,
	STORE_FAULT_PART_MAX - 1), TEXT("text", 0, STORE_FAULT_TEXT_MAX - 1),
	END };
static const struct arg_spec clear_fault_args[] = {
	NODE("node", ARG_NEEDED), TEXT("part", 0, STORE_FAULT_PART_MAX - 1),
	END };
static const struct arg_spec takeover_args[] = {
	NODE("from", ARG_NEEDED), NODE("to", ARG_NEEDED), END };
static const struct arg_spec vm_migrate_args[] = {
	REF("vm"), NODE("to", ARG_NULLABLE), END };
static const struct arg_spec vm_prefer_args[] = {
	REF("vm"), NODE("node", ARG_NULLABLE), END };
static const struct arg_spec vm_switch_args[] = {
	REF("vm"), UINT("move", ARG_NEEDED, 0), END };
static const struct arg_spec vm_move_ended_args[] = {
	REF("vm"), UINT("move", ARG_NEEDED, 0), TEXT("reason", ARG_NEEDED, 31),
	TEXT("detail", 0, TEXT_MAX_BYTES), END };
static const struct arg_spec volume_report_args[] = {
	REF("volume"), NODE("node", ARG_NEEDED), TEXT("event", ARG_NEEDED, 32),
	TEXT("reason", ARG_NULLABLE, TEXT_MAX_BYTES), UINT("run", 0, 0),
	TEXT("result", 0, 15), UINT("found", 0, 0), UINT("repaired", 0, 0),
	UINT("size_bytes", 0, 0), END };
static const struct arg_spec volume_verify_args[] = {
	REF("volume"), BOOL("repair", 0), END };
static const struct arg_spec volume_grow_args[] = {
	REF("volume"), UINT("size_bytes", ARG_NEEDED, 0), END };
static const struct arg_spec schedule_args[] = {
	TEXT("every", ARG_NEEDED, 16), TEXT("day", 0, 16), UINT("hour", 0, 23),
	BOOL("repair", 0), END };
static const struct arg_spec unit_configure_args[] = {
	UINT("resync_rate_kib_s", 0, RATE_MAX_KIB_S), BOOL("go_home", 0),
	OBJECT("verify_schedule", 0, schedule_args), END };
static const struct arg_spec volume_only_args[] = { REF("volume"), END };
static const struct arg_spec password_args[] = {
	REF("user"), TEXT("hash", ARG_NEEDED, HASH_MAX_BYTES), END };
static const struct arg_spec alert_raise_args[] = {
	TEXT("code", ARG_NEEDED, 47), TEXT("object", ARG_NEEDED, 31),
	TEXT("severity", ARG_NEEDED, 15), TEXT("text", ARG_NEEDED, 255),
	TEXT("cause", ARG_NEEDED, TEXT_MAX_BYTES),
	LIST("repair", ARG_NEEDED, 16, NULL), OBJECT("params", 0, NULL), END };
static const struct arg_spec alert_clear_args[] = {
	TEXT("code", ARG_NEEDED, 47), TEXT("object", ARG_NEEDED, 31), END };
static const struct arg_spec audit_add_args[] = {
	TEXT("action", ARG_NEEDED, 64), TEXT("object", 0, 255),
	TEXT("result", ARG_NEEDED, 16), TEXT("detail", 0, TEXT_MAX_BYTES),
	TEXT("role", 0, 32), END };

static const struct arg_spec quorum_add_args[] = {
	TEXT("kind", 0, 8), REF("address"), BOOL("preferred", 0),
	TEXT("ca", 0, QUORUM_PEM_MAX), TEXT("cert", 0, QUORUM_PEM_MAX),
	TEXT("key", 0, QUORUM_PEM_MAX), END };
static const struct arg_spec quorum_import_args[] = {
	TEXT("kind", ARG_NEEDED, 8), TEXT("address", 0, 255),
	TEXT("ca", 0, QUORUM_PEM_MAX), TEXT("cert", 0, QUORUM_PEM_MAX),
	TEXT("key", 0, QUORUM_PEM_MAX), END };
static const struct arg_spec quorum_remove_args[] = { REF("server"), END };
static const struct arg_spec quorum_switch_args[] = {
	REF("server"), TEXT("token", ARG_NEEDED, 39),
	UINT("generation", ARG_NEEDED, 0), END };
static const struct arg_spec quorum_confirm_args[] = {
	NODE("node", ARG_NEEDED), TEXT("token", ARG_NEEDED, 39), END };
static const struct arg_spec quorum_abort_args[] = {
	TEXT("token", ARG_NEEDED, 39), TEXT("reason", 0, TEXT_MAX_BYTES), END };

/* --- the table --- */

#define PEOPLE	COMMAND_DRY_RUN

static const struct command_op ops[] = {
	{ "unit.create", ROLE_SYSTEM, 0, unit_create_args, cmd_unit_create },
	{ "unit.primary", ROLE_SYSTEM, 0, node_only_args, cmd_unit_primary },
	{ "unit.configure", ROLE_PLATFORM_MANAGER, PEOPLE, unit_configure_args,
		cmd_unit_configure },
	{ "node.report", ROLE_SYSTEM, COMMAND_QUIET, node_report_args,
		cmd_node_report },
	{ "vm.create", ROLE_VM_MANAGER, PEOPLE, vm_create_args, cmd_vm_create },
	{ "vm.rename", ROLE_VM_MANAGER, PEOPLE, vm_rename_args, cmd_vm_rename },
	{ "vm.start", ROLE_VM_MANAGER, PEOPLE, vm_only_args, cmd_vm_start },
	{ "vm.shutdown", ROLE_VM_MANAGER, PEOPLE, vm_only_args,
		cmd_vm_shutdown },
	{ "vm.poweroff", ROLE_VM_MANAGER, PEOPLE, vm_only_args,
		cmd_vm_poweroff },
	{ "vm.delete", ROLE_VM_MANAGER, PEOPLE, vm_delete_args, cmd_vm_delete },
	{ "vm.report", ROLE_SYSTEM, 0, vm_report_args, cmd_vm_report },
	{ "vm.takeover", ROLE_SYSTEM, 0, takeover_args, cmd_vm_takeover },
	{ "vm.migrate", ROLE_VM_MANAGER, PEOPLE, vm_migrate_args,
		cmd_vm_migrate },
	{ "vm.migrate-cancel", ROLE_VM_MANAGER, PEOPLE, vm_only_args,
		cmd_vm_migrate_cancel },
	{ "vm.prefer", ROLE_VM_MANAGER, PEOPLE, vm_prefer_args, cmd_vm_prefer },
	{ "vm.switch", ROLE_SYSTEM, 0, vm_switch_args, cmd_vm_switch },
	{ "vm.move-ended", ROLE_SYSTEM, 0, vm_move_ended_args,
		cmd_vm_move_ended },
	{ "vm.set-mtbf", ROLE_VM_MANAGER, PEOPLE, vm_mtbf_args,
		cmd_vm_set_mtbf },
	{ "vm.reset", ROLE_VM_MANAGER, PEOPLE, vm_only_args, cmd_vm_reset },
	{ "node.set-mtbf", ROLE_PLATFORM_MANAGER, PEOPLE, node_mtbf_args,
		cmd_node_set_mtbf },
	{ "node.clear-mtbf", ROLE_PLATFORM_MANAGER, PEOPLE, node_only_args,
		cmd_node_clear_mtbf },
	{ "node.workon", ROLE_PLATFORM_MANAGER, PEOPLE, node_workon_args,
		cmd_node_workon },
	{ "node.workoff", ROLE_PLATFORM_MANAGER, PEOPLE, node_only_args,
		cmd_node_workoff },
	{ "node.power", ROLE_PLATFORM_MANAGER, PEOPLE, node_power_args,
		cmd_node_power },
	{ "node.power-begun", ROLE_SYSTEM, 0, node_power_args,
		cmd_node_power_begun },
	{ "node.report-fault", ROLE_PLATFORM_MANAGER, PEOPLE, report_fault_args,
		cmd_node_report_fault },
	{ "node.clear-fault", ROLE_PLATFORM_MANAGER, PEOPLE, clear_fault_args,
		cmd_node_clear_fault },
	{ "volume.delete", ROLE_VM_MANAGER, PEOPLE, volume_only_args,
		cmd_volume_delete },
	{ "volume.grow", ROLE_VM_MANAGER, PEOPLE, volume_grow_args,
		cmd_volume_grow },
	{ "volume.verify", ROLE_PLATFORM_MANAGER, PEOPLE, volume_verify_args,
		cmd_volume_verify },
	{ "volume.verify-cancel", ROLE_PLATFORM_MANAGER, PEOPLE,
		volume_only_args, cmd_volume_verify_cancel },
	{ "volume.resync-pause", ROLE_PLATFORM_MANAGER, PEOPLE,
		volume_only_args, cmd_volume_resync_pause },
	{ "volume.resync-resume", ROLE_PLATFORM_MANAGER, PEOPLE,
		volume_only_args, cmd_volume_resync_resume },
	{ "volume.replace-leg", ROLE_PLATFORM_MANAGER, PEOPLE,
		volume_only_args, cmd_volume_replace_leg },
	{ "volume.report", ROLE_SYSTEM, COMMAND_QUIET, volume_report_args,
		cmd_volume_report },
	{ "user.set-password", ROLE_ADMINISTRATOR, PEOPLE | COMMAND_OWN,
		password_args, cmd_user_set_password },
	{ "alert.raise", ROLE_SYSTEM, COMMAND_QUIET, alert_raise_args,
		cmd_alert_raise },
	{ "alert.clear", ROLE_SYSTEM, COMMAND_QUIET, alert_clear_args,
		cmd_alert_clear },
	{ "quorum.add", ROLE_PLATFORM_MANAGER, PEOPLE, quorum_add_args,
		cmd_quorum_add },
	{ "quorum.remove", ROLE_PLATFORM_MANAGER, PEOPLE, quorum_remove_args,
		cmd_quorum_remove },
	{ "quorum.import", ROLE_SYSTEM, 0, quorum_import_args,
		cmd_quorum_import },
	{ "quorum.switch", ROLE_SYSTEM, 0, quorum_switch_args,
		cmd_quorum_switch },
	{ "quorum.confirm", ROLE_SYSTEM, 0, quorum_confirm_args,
		cmd_quorum_confirm },
	{ "quorum.abort", ROLE_SYSTEM, 0, quorum_abort_args,
		cmd_quorum_abort },
	{ "audit.add", ROLE_SYSTEM, COMMAND_CONSOLE, audit_add_args,
		cmd_audit_add },
};

const struct command_op *
command_find(const char *op)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (strcmp(ops[i].name, op) == 0)
			return &ops[i];
	return NULL;
}

bool
command_exists(const char *op)
{
	return command_find(op) != NULL;
}

const char *const *
command_ops(void)
{
	static const char *names[ARRAY_SIZE(ops) + 1];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		names[i] = ops[i].name;
	return names;
}

/* --- checks before the database is asked --- */

static int
check_role(const struct command_op *op, const json_t *actor, enum role role,
    const json_t *args, json_t **ret_params, struct av_err *err)
{
	const char *user = json_string_value(json_object_get(actor, "user"));
	const char *whom = json_string_value(json_object_get(args, "user"));

	if (role == ROLE_NONE)
		return op->flags & COMMAND_CONSOLE ? 0 : role_forbids(op->name,
		    actor, op->role, ret_params, err);
	if (role >= op->role)
		return 0;
	if ((op->flags & COMMAND_OWN) && user != NULL && whom != NULL &&
	    strcmp(user, whom) == 0)
		return 0;
	return role_forbids(op->name, actor, op->role, ret_params, err);
}

int
command_check(const json_t *cmd, json_t **ret_params, struct av_err *err)
{
	const char *name = json_string_value(json_object_get(cmd, "op"));
	const json_t *actor = json_object_get(cmd, "actor");
	const json_t *args = json_object_get(cmd, "args");
	const struct command_op *op;
	enum role role;
	int rc;

	op = name != NULL ? command_find(name) : NULL;
	if (op == NULL)
		return av_err_code(err, -EINVAL, "bad-request",
		    "there is no operation '%.64s'", name != NULL ? name : "");
	rc = actor_check(actor, &role, err);
	if (rc < 0)
		return rc;
	rc = check_role(op, actor, role, args, ret_params, err);
	if (rc < 0)
		return rc;
	return args_check(op->args, args, (op->flags & COMMAND_DRY_RUN) != 0,
	    ret_params, err);
}

int
command_run(struct command *c)
{
	const struct command_op *op = command_find(c->op);
	int64_t id;
	int rc;

	AV_ASSERT(op != NULL);
	rc = sql_get_int(c->st, &id, c->err, "SELECT id FROM unit", "");
	if (rc == -ENOENT && op->apply != cmd_unit_create)
		return command_refuse(c, -EAGAIN, "unavailable", NULL,
		    "there is no unit yet");
	if (rc < 0 && rc != -ENOENT)
		return rc;
	rc = op->apply(c);
	return rc == 0 ? command_move_settle(c) : rc;
}

/* --- what handlers share --- */

int
command_refuse(struct command *c, int rc, const char *code, json_t *params,
    const char *fmt, ...)
{
	char text[sizeof(c->err->text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_decref(c->params);
	c->params = params;
	c->detail[0] = '\0';	/* the refusal is the audit line's sentence */
	return av_err_code(c->err, rc, code, "%s", text);
}

void
command_detail(struct command *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
	va_end(ap);
	av_utf8_trim(c->detail);
}

int
command_result(struct command *c, const char *key, json_t *value)
{
	if (json_object_set_new(c->result, key, value) < 0)
		return av_err_set(c->err, -ENOMEM, "result: no memory");
	return 0;
}

int
command_warn(struct command *c, const char *code, json_t *params,
    const char *fmt, ...)
{
	json_t *list = json_object_get(c->result, "warnings"), *warning;
	char text[512];
	va_list ap;
	int rc;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	av_utf8_trim(text);
	if (params == NULL)
		params = json_object();
	if (list == NULL) {
		rc = command_result(c, "warnings", json_array());
		if (rc < 0) {
			json_decref(params);
			return rc;
		}
		list = json_object_get(c->result, "warnings");
	}
	warning = json_pack("{s:s, s:s, s:o}", "code", code, "text", text,
	    "params", params);
	if (json_array_append_new(list, warning) < 0)
		return av_err_set(c->err, -ENOMEM, "warning: no memory");
	return 0;
}

const char *
command_arg_text(const struct command *c, const char *key)
{
	const char *s = json_string_value(json_object_get(c->args, key));

	return s != NULL ? s : "";
}

int
command_arg_node(const struct command *c, const char *key)
{
	const char *s = command_arg_text(c, key);

	if (strcmp(s, "node0") == 0)
		return 0;
	return strcmp(s, "node1") == 0 ? 1 : -1;
}

bool
command_online(const struct command *c, int node)
{
	const json_t *list = json_object_get(c->context, "online");
	const json_t *el;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, el)
		if (json_is_string(el) && strcmp(json_string_value(el),
		    node == 0 ? "node0" : "node1") == 0)
			return true;
	return false;
}

int
command_find_id(struct command *c, enum store_kind kind, const char *key,
    int64_t *ret_id)
{
	const char *ref = command_arg_text(c, key);
	int rc = store_find(c->st, kind, ref, ret_id, c->err);

	if (rc == 0) {
		store_id_format(kind, *ret_id, c->object, sizeof(c->object));
		return 0;
	}
	(void)snprintf(c->object, sizeof(c->object), "%s", ref);
	av_utf8_trim(c->object);
	if (rc == -ENOENT)
		return command_refuse(c, rc, "not-found",
		    json_pack("{s:s, s:s}", "kind", store_kind_noun(kind),
		    "name", ref), "there is no %s '%s'", store_kind_noun(kind),
		    ref);
	return rc;
}

int
command_get_vm(struct command *c, int64_t *ret_id, struct store_vm *ret)
{
	int rc = command_find_id(c, KIND_VM, "vm", ret_id);

	if (rc < 0)
		return rc;
	rc = store_get_vm(c->st, c->object, ret);
	return rc == 0 ? 0 : av_err_set(c->err, rc, "database: reading %s",
	    c->object);
}

int
command_new_name(struct command *c, enum store_kind kind, const char *name,
    int64_t own_id, char **ret_nfc)
{
	AUTO_FREE char *nfc = NULL;
	struct av_err local = { 0 };
	int64_t id;
	int rc = av_name_normalize(name, &nfc, &local);

	if (rc < 0 && local.code[0] == '\0')
		return av_err_set(c->err, rc, "%s", local.text);
	if (rc < 0)
		return command_refuse(c, rc, local.code, NULL, "%s", local.text);
	if (store_id_like(nfc))
		return command_refuse(c, -EINVAL, "name-invalid",
		    json_pack("{s:s}", "name", nfc),
		    "'%s' looks like an id: choose a name that isn't like 'vm:o12'",
		    nfc);
	rc = store_find(c->st, kind, nfc, &id, &local);
	if (rc == 0 && id != own_id) {
		char text[STORE_ID_MAX];

		store_id_format(kind, id, text, sizeof(text));
		return command_refuse(c, -EEXIST, "name-exists",
		    json_pack("{s:s, s:s, s:s}", "kind", store_kind_noun(kind),
		    "name", nfc, "id", text),
		    "there is a %s '%s' already (%s): choose another name",
		    store_kind_noun(kind), nfc, text);
	}
	if (rc < 0 && rc != -ENOENT) {
		*c->err = local;
		return rc;
	}
	*ret_nfc = TAKE_PTR(nfc);
	return 0;
}
