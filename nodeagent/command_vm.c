/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_vm.c - rename, start, stop and remove VMs; remove volumes
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/view.h"

int
cmd_vm_rename(struct command *c)
{
	AUTO_FREE char *nfc = NULL;
	struct store_vm vm;
	int64_t id;
	int rc = command_get_vm(c, &id, &vm);

	if (rc == 0)
		rc = command_new_name(c, KIND_VM, command_arg_text(c, "name"),
		    id, &nfc);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "UPDATE vm SET name = ? WHERE id = ?", "si", nfc, id);
	if (rc == 0)
		rc = command_result(c, "id", json_string(vm.id));
	if (rc == 0)
		rc = command_result(c, "name", json_string(nfc));
	if (rc == 0)
		command_detail(c, "renamed VM '%s' to '%s'", vm.name, nfc);
	return rc;
}

int
cmd_vm_start(struct command *c)
{
	struct store_vm vm;
	int64_t id;
	int rc = command_get_vm(c, &id, &vm);

	if (rc == 0)
		rc = command_vm_state_ok(c, &vm, VM_CMD_START, "start");
	if (rc == 0)
		rc = command_start_vm(c, id, &vm);
	if (rc == 0)
		rc = command_result(c, "id", json_string(vm.id));
	return rc;
}

static int
stop(struct command *c, unsigned bit, const char *verb,
    enum store_stop_how how)
{
	struct store_vm vm;
	int64_t id;
	int rc = command_get_vm(c, &id, &vm);

	if (rc == 0)
		rc = command_vm_state_ok(c, &vm, bit, verb);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET want = 0,"
		    " stop_how = ?, moving = 0 WHERE id = ?", "ii",
		    (int64_t)how, id);
	if (rc == 0)
		rc = command_result(c, "id", json_string(vm.id));
	if (rc == 0)
		command_detail(c, "%s VM '%s'", verb, vm.name);
	return rc;
}

int
cmd_vm_shutdown(struct command *c)
{
	return stop(c, VM_CMD_SHUTDOWN, "shutdown", STORE_STOP_SHUTDOWN);
}

int
cmd_vm_poweroff(struct command *c)
{
	return stop(c, VM_CMD_POWEROFF, "poweroff", STORE_STOP_POWEROFF);
}

/* --- delete --- */

static int
keep_volume(struct command *c, int64_t vm_id, const char *ref)
{
	int64_t id, boot;
	int rc = store_find(c->st, KIND_VOLUME, ref, &id, c->err);

	if (rc == 0)
		rc = sql_get_int(c->st, &boot, c->err, "SELECT boot FROM"
		    " vm_volume WHERE vm = ? AND volume = ?", "ii", vm_id, id);
	if (rc == -ENOENT)
		return command_refuse(c, rc, "not-found",
		    json_pack("{s:s, s:s}", "kind", "volume", "name", ref),
		    "the VM has no volume '%s'", ref);
	if (rc < 0)
		return rc;
	if (boot)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s, s:s}", "argument", "keep_volumes",
		    "name", ref),
		    "the boot volume '%s' goes with its VM: only data volumes can be kept",
		    ref);
	return sql_run(c->st, c->err, "DELETE FROM vm_volume WHERE volume = ?",
	    "i", id);
}

int
cmd_vm_delete(struct command *c)
{
	const json_t *keep = json_object_get(c->args, "keep_volumes"), *el;
	struct store_vm vm;
	int64_t id;
	size_t i;
	int rc = command_get_vm(c, &id, &vm);

	if (rc == 0)
		rc = command_vm_state_ok(c, &vm, VM_CMD_DELETE, "delete");
	json_array_foreach((json_t *)(uintptr_t)keep, i, el)
		if (rc == 0)
			rc = keep_volume(c, id, json_string_value(el));
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE volume SET phase = 2"
		    " WHERE id IN (SELECT volume FROM vm_volume WHERE vm = ?)",
		    "i", id);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET phase = 2, want = 0,"
		    " stop_how = 2, moving = 0 WHERE id = ?", "i", id);
	if (rc == 0)
		rc = command_result(c, "id", json_string(vm.id));
	if (rc == 0)
		command_detail(c, "remove VM '%s' (%s), %zu volumes kept",
		    vm.name, vm.id, json_array_size(keep));
	return rc;
}

int
command_vm_abort_install(struct command *c, int64_t vm_id, const char *why)
{
	struct store_vm vm;
	char id[STORE_ID_MAX], text[256];
	AUTO_JSON json_t *repair = json_pack("[s,s]",
	    "Look at the reason and mend what it names.",
	    "Create the VM again.");
	AUTO_JSON json_t *params = NULL;
	int rc;

	store_id_format(KIND_VM, vm_id, id, sizeof(id));
	rc = store_get_vm(c->st, id, &vm);
	if (rc < 0)
		return av_err_set(c->err, rc, "database: reading %s", id);
	rc = sql_run(c->st, c->err, "UPDATE volume SET phase = 2 WHERE id IN"
	    " (SELECT volume FROM vm_volume WHERE vm = ?)", "i", vm_id);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET phase = 2, want = 0,"
		    " stop_how = 2, reason_code = 'install-failed',"
		    " reason_text = ? WHERE id = ?", "si", why, vm_id);
	if (rc < 0)
		return rc;
	(void)snprintf(text, sizeof(text),
	    "VM '%.180s' could not be installed and was removed", vm.name);
	av_utf8_trim(text);
	params = json_pack("{s:s, s:s}", "name", vm.name, "reason", why);
	return command_raise_alert(c, "vm-install-failed", id, "serious", text,
	    why, repair, params);
}

/* --- volumes --- */

int
cmd_volume_delete(struct command *c)
{
	struct store_volume vol;
	struct store_vm vm;
	int64_t id;
	int rc = command_find_id(c, KIND_VOLUME, "volume", &id);

	if (rc < 0)
		return rc;
	rc = store_get_volume(c->st, c->object, &vol);
	if (rc < 0)
		return av_err_set(c->err, rc, "database: reading %s", c->object);
	if (vol.vm_id[0] != '\0' && store_get_vm(c->st, vol.vm_id, &vm) == 0)
		return command_refuse(c, -EBUSY, "volume-in-use",
		    json_pack("{s:s, s:s, s:s}", "name", vol.name, "vm",
		    vm.name, "vm_id", vm.id),
		    "volume '%.80s' is used by VM '%.80s': remove the VM first",
		    vol.name, vm.name);
	if (vol.phase != STORE_READY)
		return command_refuse(c, -EBUSY, "busy",
		    json_pack("{s:s}", "name", vol.name),
		    "volume '%s' is %s: wait until that is over", vol.name,
		    vol.phase == STORE_CREATING ? "being made" :
		    "being removed already");
	rc = sql_run(c->st, c->err, "UPDATE volume SET phase = 2 WHERE id = ?",
	    "i", id);
	if (rc == 0)
		rc = command_result(c, "id", json_string(vol.id));
	if (rc == 0)
		command_detail(c, "remove volume '%s' (%s)", vol.name, vol.id);
	return rc;
}
