/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_vm.c - VMs
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "nodeagent/store_mtbf.h"
#include "nodeagent/view_impl.h"

/* What the VM's PM says of this VM, NULL = nothing that is fresh. */
static const json_t *
vm_fact(const json_t *const facts[2], int self, const struct store_vm *vm)
{
	if (vm->node < 0)
		return NULL;
	return json_object_get(json_object_get(view_heard(facts, self,
	    vm->node), "vms"), vm->id);
}

static bool
volumes_in_step(const struct store *st, const json_t *const facts[2],
    int self, const struct store_vm *vm)
{
	struct store_volume vol;
	struct volume_state vs;
	unsigned i;

	for (i = 0; i < vm->n_disks; i++) {
		if (store_get_volume(st, vm->disks[i].volume_id, &vol) < 0)
			return false;
		view_volume_state(facts, self, &vol, &vs);
		if (vs.activity != VOLUME_IN_STEP)
			return false;
	}
	return true;
}

void
view_vm_state(const struct store *st, const json_t *const facts[2], int self,
    const struct store_vm *vm, struct vm_state *ret)
{
	const json_t *fact = vm_fact(facts, self, vm);
	struct vm_state_in in = {
		.phase = vm->phase, .want = vm->want, .node = vm->node,
		.crash_held = vm->crash_held, .moving = vm->moving,
		.migrating = vm->move.to >= 0,
		.node_heard = vm->node >= 0 &&
		    view_node_online(facts, self, vm->node),
		.redundant = view_together(facts, self) &&
		    volumes_in_step(st, facts, self, vm),
	};

	in.fact_known = fact != NULL && (uint64_t)json_integer_value(
	    json_object_get(fact, "run_id")) == vm->run_id &&
	    view_vm_activity_parse(view_text(fact, "activity", NULL),
	    &in.fact) == 0;
	view_vm_derive(&in, ret);
}

/* --- the object --- */

static json_t *
command_list(unsigned commands)
{
	static const struct { unsigned bit; const char *word; } words[] = {
		{ VM_CMD_START, "start" }, { VM_CMD_SHUTDOWN, "shutdown" },
		{ VM_CMD_POWEROFF, "poweroff" }, { VM_CMD_DELETE, "delete" },
		{ VM_CMD_CONSOLE, "console" }, { VM_CMD_RENAME, "rename" },
		{ VM_CMD_RESET, "reset" }, { VM_CMD_MIGRATE, "migrate" },
		{ VM_CMD_MIGRATE_CANCEL, "migrate-cancel" },
	};
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (commands & words[i].bit)
			(void)json_array_append_new(list,
			    json_string(words[i].word));
	return list;
}

static json_t *
vm_volumes(const struct store *st, const json_t *const facts[2], int self,
    const struct store_vm *vm)
{
	json_t *list = json_array();
	struct store_volume vol;
	struct volume_state vs;
	char device[8];
	unsigned i;

	for (i = 0; i < vm->n_disks; i++) {
		if (store_get_volume(st, vm->disks[i].volume_id, &vol) < 0)
			continue;
		view_volume_state(facts, self, &vol, &vs);
		(void)snprintf(device, sizeof(device), "vd%c", 'a' + (int)i);
		(void)json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:s, s:I, s:b, s:s}", "id", vol.id, "name",
		    vol.name, "device", device, "size_bytes",
		    (json_int_t)vol.size_bytes, "boot", vm->disks[i].boot,
		    "state", vs.state));
	}
	return list;
}

static json_t *
vm_networks(const struct store_vm *vm)
{
	json_t *list = json_array();
	unsigned i;

	for (i = 0; i < vm->n_nics; i++)
		(void)json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:s, s:s}", "id", vm->nics[i].network_id,
		    "name", vm->nics[i].network_name, "mac", vm->nics[i].mac,
		    "tap", vm->nics[i].tap));
	return list;
}

/* The guest's PM knows best; then what was recorded; then what can be seen. */
static json_t *
vm_reason(const json_t *fact, const struct vm_state *state,
    const struct vm_state_in *seen, const char *code, const char *text)
{
	json_t *reason = json_object_get(fact, "reason");

	if (json_is_object(reason))
		return json_incref(reason);
	if (code[0] != '\0')
		return view_reason(code, text);
	if (state->activity == VM_PAUSED && !seen->node_heard)
		return view_reason("node-lost",
		    "its PM isn't heard: it is started on the other one as soon as that may run alone");
	if (state->activity == VM_RUNNING && !seen->redundant)
		return view_reason("not-redundant",
		    "it runs, but not all of it is on both PMs now");
	return json_null();
}

static json_t *
started_utc(sqlite3_stmt *stmt, int col, const json_t *fact,
    const struct vm_state *state)
{
	/* the row's goes with it to the other PM; the fact is there before it */
	int64_t ms = sqlite3_column_int64(stmt, col);

	if (state->activity == VM_STOPPED || state->activity == VM_INSTALLING)
		return json_null();
	return view_time(ms > 0 ? ms : (int64_t)json_integer_value(
	    json_object_get(fact, "started_utc_ms")));
}

static json_t *
vm_object(const struct store *st, const json_t *const facts[2], int self,
    const struct store_vm *vm)
{
	const json_t *fact = vm_fact(facts, self, vm);
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	struct vm_state_in seen = {
		.node_heard = vm->node >= 0 &&
		    view_node_online(facts, self, vm->node),
	};
	struct vm_state state;
	int64_t id;

	(void)store_id_parse(KIND_VM, vm->id, &id);
	if (sql_query(st, &stmt, NULL, "SELECT description, created_ms,"
	    " started_ms, reason_code, reason_text FROM vm WHERE id = ?", "i",
	    id) < 0 || sql_next(st, stmt, NULL) != 1)
		return NULL;
	view_vm_state(st, facts, self, vm, &state);
	seen.redundant = strcmp(state.state, "alert") != 0;
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:s, s:s, s:s,"
	    " s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:I,"
	    " s:o, s:o, s:o, s:o}", "id", vm->id, "name", vm->name, "description", sql_text(stmt, 0),
	    "os", vm->os, "uuid", vm->uuid, "vcpus", (int)vm->vcpus,
	    "memory_bytes", (json_int_t)vm->memory_bytes, "state", state.state,
	    "activity", view_vm_activity_name(state.activity), "want",
	    vm->want == STORE_WANT_RUNNING ? "running" : "stopped", "node",
	    view_node_json(vm->node), "preferred",
	    view_node_json(vm->preferred), "commands",
	    command_list(state.commands), "progress_percent",
	    view_copy(fact, "progress_percent"), "reason", vm_reason(fact,
	    &state, &seen, sql_text(stmt, 3), sql_text(stmt, 4)), "volumes",
	    vm_volumes(st, facts, self, vm), "networks", vm_networks(vm),
	    "acceleration", view_copy(vm->node >= 0 ? view_heard(facts, self,
	    vm->node) : NULL, "acceleration"), "started_utc",
	    started_utc(stmt, 2, fact, &state), "crashes", (int)vm->crashes,
	    "created_utc", view_time(sqlite3_column_int64(stmt, 1)), "run_id",
	    (json_int_t)vm->run_id, "mtbf", store_mtbf_view(st, vm->id),
	    "home", view_node_json(vm->home), "migration",
	    view_migration(fact, vm), "last_migration",
	    view_last_migration(vm));
}

struct list_arg {
	const struct store *st;
	const json_t *const *facts;
	int		 self;
	json_t		*list;
};

static int
add_vm(void *arg, const struct store_vm *vm)
{
	struct list_arg *la = arg;

	return json_array_append_new(la->list, vm_object(la->st, la->facts,
	    la->self, vm)) < 0 ? -ENOMEM : 0;
}

json_t *
view_vms(const struct store *st, const json_t *const facts[2], int self)
{
	struct list_arg la = { st, facts, self, json_array() };

	if (store_each_vm(st, add_vm, &la) < 0) {
		json_decref(la.list);
		return NULL;
	}
	return la.list;
}

int
view_vm(const struct store *st, const json_t *const facts[2], int self,
    const char *ref, json_t **ret, struct av_err *err)
{
	char id[STORE_ID_MAX];
	struct store_vm vm;
	int64_t n;
	int rc = store_find(st, KIND_VM, ref, &n, err);

	if (rc < 0)
		return rc;
	store_id_format(KIND_VM, n, id, sizeof(id));
	rc = store_get_vm(st, id, &vm);
	if (rc < 0)
		return av_err_code(err, rc, "internal", "can't read %s", id);
	*ret = vm_object(st, facts, self, &vm);
	return *ret != NULL ? 0 : av_err_code(err, -ENOMEM, "internal",
	    "can't show %s", id);
}
