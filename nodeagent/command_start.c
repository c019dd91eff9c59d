/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_start.c - may a VM run, and where (spec B1, B2)
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/core/limits.h"
#include "nodeagent/store_maintenance.h"
#include "nodeagent/view.h"

#define HOLDERS_SHOWN	3

static const char *const node_names[STORE_NODES] = { "node0", "node1" };

/* Guests that hold memory: running, or not gone yet. */
#define HOLDING " FROM vm WHERE node IS NOT NULL AND phase <> 0 AND id <> ?"

static int
unit_limits(struct command *c, struct limits_unit *ret)
{
	struct limits_pm pms[STORE_NODES] = { 0 };
	struct store_node node;
	int i, rc;

	for (i = 0; i < STORE_NODES; i++) {
		rc = store_get_node(c->st, i, &node);
		if (rc < 0)
			return av_err_set(c->err, rc, "database: reading %s",
			    node_names[i]);
		pms[i].cpus.threads = node.threads;
		pms[i].cpus.cores = node.cores;
		pms[i].cpus.sockets = node.sockets;
		pms[i].memory_bytes = node.memory_bytes;
		pms[i].storage_bytes = node.storage_bytes;
	}
	limits_unit_of(pms, ret);
	return 0;
}

/* --- the rules of one VM --- */

static int
check_vcpus(struct command *c, const struct limits_unit *lim, uint64_t vcpus)
{
	json_int_t n = (json_int_t)vcpus;

	if (vcpus < 1 || vcpus > LIMITS_VM_VCPUS_MAX)
		return command_refuse(c, -EINVAL, "vcpus-out-of-range",
		    json_pack("{s:I, s:i, s:i}", "vcpus", n, "min", 1, "max",
		    (int)LIMITS_VM_VCPUS_MAX),
		    "a VM has 1 to %u vCPUs, not %" PRIu64 ": choose a number between",
		    LIMITS_VM_VCPUS_MAX, vcpus);
	if (lim->vcpus.limit > 0 && vcpus > lim->vcpus.limit)
		return command_refuse(c, -EINVAL, "vcpus-out-of-range",
		    json_pack("{s:I, s:i, s:i}", "vcpus", n, "min", 1, "max",
		    (int)lim->vcpus.limit),
		    "the PMs can run at most %u vCPUs, not %" PRIu64 ": choose fewer",
		    lim->vcpus.limit, vcpus);
	return 0;
}

static int
check_memory(struct command *c, const struct limits_unit *lim,
    uint64_t bytes, bool bits64)
{
	uint64_t min = limits_memory_min(bits64);
	char want[32], need[32];

	av_format_size(bytes, want, sizeof(want));
	if (bytes < min) {
		av_format_size(min, need, sizeof(need));
		return command_refuse(c, -EINVAL, "memory-too-small",
		    json_pack("{s:I, s:I}", "memory_bytes", (json_int_t)bytes,
		    "min_bytes", (json_int_t)min),
		    "a VM%s needs at least %s of memory, not %s: give it more",
		    bits64 ? " with a 64-bit system" : "", need, want);
	}
	if (bytes % LIMITS_MEMORY_STEP != 0)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "memory_bytes"),
		    "argument 'memory_bytes' must be a multiple of 1 MiB");
	if (bytes > lim->memory_bytes) {
		av_format_size(lim->memory_bytes, need, sizeof(need));
		return command_refuse(c, -ENOSPC, "no-memory",
		    json_pack("{s:I, s:I, s:I, s:[]}", "needed_bytes",
		    (json_int_t)bytes, "usable_bytes",
		    (json_int_t)lim->memory_bytes, "missing_bytes",
		    (json_int_t)(bytes - lim->memory_bytes), "holders"),
		    "the VM can't have %s: VMs can use %s in all (the smaller PM's memory less 1 GiB); give it less",
		    want, need);
	}
	return 0;
}

int
command_check_size(struct command *c, uint64_t vcpus, uint64_t memory_bytes,
    bool bits64)
{
	struct limits_unit lim;
	int rc = unit_limits(c, &lim);

	if (rc == 0)
		rc = check_vcpus(c, &lim, vcpus);
	if (rc == 0)
		rc = check_memory(c, &lim, memory_bytes, bits64);
	if (rc == 0 && vcpus > lim.vcpus.recommended &&
	    lim.vcpus.recommended > 0)
		rc = command_warn(c, "vcpus-above-recommended",
		    json_pack("{s:I, s:i}", "vcpus", (json_int_t)vcpus,
		    "recommended", (int)lim.vcpus.recommended),
		    "%" PRIu64 " vCPUs are more than the %u recommended for these PMs: guests may be slow when all are busy",
		    vcpus, lim.vcpus.recommended);
	return rc;
}

/* --- the rules of all that runs --- */

/* "'a' 512 MiB, 'b' 1 GiB and 2 more", and the same as a list of names. */
static int
name_holders(struct command *c, int64_t id, char *buf, size_t n,
    json_t *ret_names)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int shown = 0, rc;
	size_t at = 0;

	buf[0] = '\0';
	rc = sql_query(c->st, &stmt, c->err, "SELECT name, memory_bytes" HOLDING
	    " ORDER BY memory_bytes DESC, id", "i", id);
	while (rc == 0 && (rc = sql_next(c->st, stmt, c->err)) == 1) {
		char size[32], one[128];
		int len;

		rc = 0;
		(void)json_array_append_new(ret_names,
		    json_string(sql_text(stmt, 0)));	/* only a hint */
		if (++shown > HOLDERS_SHOWN)
			continue;
		av_format_size((uint64_t)sqlite3_column_int64(stmt, 1), size,
		    sizeof(size));
		(void)snprintf(one, sizeof(one), "'%.60s", sql_text(stmt, 0));
		av_utf8_trim(one);
		len = snprintf(buf + at, n - at, "%s%s' %s",
		    shown > 1 ? ", " : "", one, size);
		at += len > 0 && (size_t)len < n - at ? (size_t)len : 0;
	}
	if (rc == 0 && shown > HOLDERS_SHOWN)
		(void)snprintf(buf + at, n - at, " and %d more",
		    shown - HOLDERS_SHOWN);
	return rc;
}

static int
refuse_memory(struct command *c, int64_t id, const struct store_vm *vm,
    uint64_t usable, uint64_t used, uint64_t missing)
{
	AUTO_JSON json_t *names = json_array();
	char want[32], less[32], total[32], holders[320];
	int rc = name_holders(c, id, holders, sizeof(holders), names);

	if (rc < 0)
		return rc;
	av_format_size(vm->memory_bytes, want, sizeof(want));
	av_format_size(missing, less, sizeof(less));
	av_format_size(usable, total, sizeof(total));
	return command_refuse(c, -ENOSPC, "no-memory",
	    json_pack("{s:s, s:I, s:I, s:I, s:I, s:O}", "name", vm->name,
	    "needed_bytes", (json_int_t)vm->memory_bytes, "usable_bytes",
	    (json_int_t)usable, "used_bytes", (json_int_t)used,
	    "missing_bytes", (json_int_t)missing, "holders", names),
	    "%s of memory are missing: the VM needs %s of %s usable, held by %s: stop one of these or make one smaller",
	    less, want, total, holders[0] != '\0' ? holders : "nobody");
}

static int
check_running(struct command *c, int64_t id, const struct store_vm *vm)
{
	struct limits_unit lim;
	int64_t memory = 0, vcpus = 0;
	uint64_t missing;
	int rc = unit_limits(c, &lim);

	if (rc == 0)
		rc = sql_get_int(c->st, &memory, c->err,
		    "SELECT coalesce(sum(memory_bytes), 0)" HOLDING, "i", id);
	if (rc == 0)
		rc = sql_get_int(c->st, &vcpus, c->err,
		    "SELECT coalesce(sum(vcpus), 0)" HOLDING, "i", id);
	if (rc < 0)
		return rc;
	missing = limits_missing(lim.memory_bytes, (uint64_t)memory,
	    vm->memory_bytes);
	if (missing > 0)
		return refuse_memory(c, id, vm, lim.memory_bytes,
		    (uint64_t)memory, missing);
	vcpus += vm->vcpus;
	if (lim.vcpus.limit > 0 && vcpus > (int64_t)lim.vcpus.limit)
		return command_refuse(c, -EINVAL, "vcpus-out-of-range",
		    json_pack("{s:s, s:I, s:i}", "name", vm->name, "vcpus",
		    (json_int_t)vcpus, "max", (int)lim.vcpus.limit),
		    "with this VM %" PRId64 " vCPUs would run, at most %u can: stop another VM first",
		    vcpus, lim.vcpus.limit);
	if (lim.vcpus.recommended > 0 &&
	    vcpus > (int64_t)lim.vcpus.recommended)
		return command_warn(c, "vcpus-above-recommended",
		    json_pack("{s:I, s:i}", "vcpus", (json_int_t)vcpus,
		    "recommended", (int)lim.vcpus.recommended),
		    "%" PRId64 " vCPUs run now, more than the %u recommended for these PMs: guests may be slow when all are busy",
		    vcpus, lim.vcpus.recommended);
	return 0;
}

/* --- where --- */

static int
least_loaded(struct command *c, int *ret_node)
{
	int64_t load[STORE_NODES];
	int i, rc;

	for (i = 0; i < STORE_NODES; i++) {
		rc = sql_get_int(c->st, &load[i], c->err,
		    "SELECT coalesce(sum(memory_bytes), 0) FROM vm"
		    " WHERE node = ? AND phase <> 0", "i", (int64_t)i);
		if (rc < 0)
			return rc;
	}
	*ret_node = load[1] < load[0] ? 1 : 0;
	return 0;
}

/* The PM on which a leg of the VM's volumes has failed, -1 = none; both: node0. */
static int
failed_place(struct command *c, const struct store_vm *vm,
    struct store_volume *ret_vol)
{
	unsigned i;

	for (i = 0; i < vm->n_disks; i++)
		if (store_get_volume(c->st, vm->disks[i].volume_id,
		    ret_vol) == 0 && ret_vol->failed_leg >= 0)
			return ret_vol->failed_leg;
	return -1;
}

/* Not where its data isn't. */
static int
place_by_leg(struct command *c, const struct store_vm *vm, int *ret_node)
{
	struct store_volume vol;
	int bad = failed_place(c, vm, &vol);
	const char *alone = json_string_value(
	    json_object_get(c->context, "alone"));
	bool ok = alone != NULL ? strcmp(alone, node_names[1 - bad]) == 0 :
	    command_online(c, 1 - bad);

	if (ok) {
		*ret_node = 1 - bad;
		return 0;
	}
	return command_refuse(c, -EBUSY, "leg-failed",
	    json_pack("{s:s, s:s, s:s}", "name", vol.name, "node",
	    node_names[bad], "other", node_names[1 - bad]),
	    "volume '%.100s' has no good data on %s, its disk there failed: start the VM when %s is back, or replace the leg",
	    vol.name, node_names[bad], node_names[1 - bad]);
}

/* It is there, and isn't being emptied for maintenance. */
static bool
may_have(const struct command *c, int node)
{
	return command_online(c, node) && !store_node_leaving(c->st, node);
}

int
command_place_vm(struct command *c, const struct store_vm *vm, int *ret_node)
{
	struct store_volume failed;
	const char *alone = json_string_value(
	    json_object_get(c->context, "alone"));
	bool on0 = may_have(c, 0), on1 = may_have(c, 1);

	if (failed_place(c, vm, &failed) >= 0)
		return place_by_leg(c, vm, ret_node);
	if (alone != NULL)
		*ret_node = strcmp(alone, "node1") == 0 ? 1 : 0;
	else if (!on0 && !on1)
		return command_refuse(c, -EAGAIN, "unavailable", NULL,
		    "no PM can run VMs now: see the unit's state for what is awaited");
	else if (vm->preferred >= 0 && may_have(c, vm->preferred))
		*ret_node = vm->preferred;
	else if (vm->node >= 0 && may_have(c, vm->node))
		*ret_node = vm->node;
	else if (on0 && on1)
		return least_loaded(c, ret_node);
	else
		*ret_node = on1 ? 1 : 0;
	return 0;
}

static int
check_volumes(struct command *c, const struct store_vm *vm)
{
	struct store_volume vol;
	unsigned i;
	int rc;

	for (i = 0; i < vm->n_disks; i++) {
		rc = store_get_volume(c->st, vm->disks[i].volume_id, &vol);
		if (rc < 0)
			return av_err_set(c->err, rc, "database: reading %s",
			    vm->disks[i].volume_id);
		if (vol.phase != STORE_READY)
			return command_refuse(c, -EBUSY, "busy",
			    json_pack("{s:s}", "name", vol.name),
			    "volume '%s' is still being made: try again shortly",
			    vol.name);
	}
	return 0;
}

int
command_start_vm(struct command *c, int64_t id, const struct store_vm *vm)
{
	int node = -1, rc = check_volumes(c, vm);

	if (rc == 0)
		rc = check_running(c, id, vm);
	if (rc == 0)
		rc = command_place_vm(c, vm, &node);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET want = 1, node = ?,"
		    " run_id = run_id + 1, stop_how = 0, moving = 0,"
		    " start_after = 0, started_ms = NULL, home = NULL, reason_code = '',"
		    " reason_text = '' WHERE id = ?", "ii", (int64_t)node, id);
	if (rc == 0 && vm->crash_held)
		rc = command_vm_mtbf_clear(c, id);
	if (rc == 0)
		rc = command_result(c, "node", json_string(node_names[node]));
	if (rc == 0)
		rc = command_result(c, "run_id",
		    json_integer((json_int_t)vm->run_id + 1));
	command_detail(c, "start VM '%s' on %s", vm->name,
	    node_names[node >= 0 ? node : 0]);
	return rc;
}

/* --- states: spec A1 --- */

static const struct { unsigned bit; const char *word; } words[] = {
	{ VM_CMD_START, "start" }, { VM_CMD_SHUTDOWN, "shutdown" },
	{ VM_CMD_POWEROFF, "poweroff" }, { VM_CMD_DELETE, "delete" },
	{ VM_CMD_MIGRATE, "migrate" }, { VM_CMD_MIGRATE_CANCEL, "migrate-cancel" },
};

int
command_vm_state_ok(struct command *c, const struct store_vm *vm,
    unsigned command_bit, const char *verb)
{
	struct vm_state_in in = {
		.phase = vm->phase, .want = vm->want, .node = vm->node,
		.crash_held = vm->crash_held, .moving = vm->moving,
		.migrating = vm->move.to >= 0, .node_heard = true, .redundant = true,
	};
	const char *seen = json_string_value(
	    json_object_get(c->context, "activity"));
	char possible[64] = "";
	struct vm_state state;
	size_t i, at = 0;

	/* its image may be void: command_move_peer_lost() settles that */
	if (vm->move.to >= 0 &&
	    json_is_string(json_object_get(c->context, "alone")))
		return command_refuse(c, -EBUSY, "busy", json_pack("{s:s}",
		    "name", vm->name),
		    "VM '%.120s' was moving when the PMs lost each other: try again in a moment",
		    vm->name);
	/* the submitter's look at the guest; the database goes first */
	in.fact_known = seen != NULL &&
	    view_vm_activity_parse(seen, &in.fact) == 0;
	view_vm_derive(&in, &state);
	if (state.commands & command_bit)
		return 0;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (state.commands & words[i].bit)
			at += (size_t)snprintf(possible + at,
			    sizeof(possible) - at, "%s%s", at > 0 ? ", " : "",
			    words[i].word);
	return command_refuse(c, -EBUSY, "wrong-state",
	    json_pack("{s:s, s:s, s:s}", "name", vm->name, "activity",
	    view_vm_activity_name(state.activity), "command", verb),
	    "VM '%.120s' is %s, so '%s' is not allowed; %s%s", vm->name,
	    view_vm_activity_name(state.activity), verb,
	    at > 0 ? "allowed now: " : "wait until that is over", possible);
}
