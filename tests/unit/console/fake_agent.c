/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/fake_agent.c - stands in for avnoded
 *
 *   fake-agent SOCKET [--node node0] [--vnc PATH] [--fast]
 *
 * Speaks the agent's protocol (docs/API.md, section 1) with a little state: two
 * nodes, three VMs, users 'admin' (administrator), 'operator' (vm-manager) and
 * 'viewer' (read-only), password 'secret-pass' each.  Strict: an unknown operation, an
 * unknown or missing argument or a wrong type is refused as the real one would.
 * --vnc: the socket of a screen, given for every VM of this node.  --fast: states
 * change after 50 ms instead of 1.5 s.
 *
 * Operations of its own: test.node-lost {node:"node0"|"node1"|null} (null = both
 * there), test.split {split:bool}, test.volume (fake_volumes.c), test.hang {} (never
 * answered), test.exit {} (dies at once).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/str.h"
#include "tests/unit/console/fake_mtbf.h"
#include "tests/unit/console/fake_world.h"

#define CLIENTS_MAX	16
#define CONSOLE_ONLY	9	/* role "console" and no other */

struct client {
	int			fd;
	bool			subscribed;
	struct av_frame_reader	fr;
};

static struct client clients[CLIENTS_MAX];
static const char *vnc_path;
static int event_seq;

static void
client_drop(struct client *c)
{
	(void)close(c->fd);
	av_frame_reader_dispose(&c->fr);
	*c = (struct client){ .fd = -1 };
}

void
changed(const char *object)
{
	AUTO_JSON json_t *e = json_pack("{s:{s:i,s:s,s:[s,s]}}", "event",
	    "seq", ++event_seq, "type", "changed", "objects", object,
	    "unit:o1");
	size_t i;

	for (i = 0; i < CLIENTS_MAX; i++)
		if (clients[i].fd >= 0 && clients[i].subscribed &&
		    av_frame_send(clients[i].fd, e) < 0)
			client_drop(&clients[i]);
}

/* --- operations ------------------------------------------------------------------ */

static json_t *
op_unit_info(json_t *args, const json_t *actor)
{
	(void)args;
	(void)actor;
	return good(unit_view());
}

static json_t *
op_takeover(json_t *args, const json_t *actor)
{
	(void)args;
	(void)actor;
	return refuse("wrong-state", "this PM may run already", NULL, NULL);
}

static json_t *
op_nodes(json_t *args, const json_t *actor)
{
	(void)args;
	(void)actor;
	return good(json_pack("[o,o]", node_view("node0", "host:o2"),
	    node_view("node1", "host:o3")));
}

static json_t *
op_vms(json_t *args, const json_t *actor)
{
	json_t *list = json_array(), *vm;
	size_t i;

	(void)args;
	(void)actor;
	json_array_foreach(vms, i, vm)
		(void)json_array_append_new(list, vm_view(vm));
	return good(list);
}

static json_t *
op_vm_get(json_t *args, const json_t *actor)
{
	json_t *vm = find(vms, str(args, "vm"));

	(void)actor;
	return vm != NULL ? good(vm_view(vm)) :
	    refuse_missing("VM", str(args, "vm"));
}

/* The rules that a page wants to see refused. */
static json_t *
create_refusal(const json_t *args)
{
	json_int_t vcpus = json_integer_value(json_object_get(args, "vcpus"));
	json_int_t memory = json_integer_value(json_object_get(args,
	    "memory_bytes"));
	const char *name = str(args, "name");
	json_t *v;
	size_t i;

	if (*name == '\0' || strlen(name) > 255)
		return refuse("name-invalid", "the name is empty or too long",
		    NULL, NULL);
	if (find(vms, name) != NULL)
		return refuse("name-exists", "there is a VM of that name",
		    "name", name);
	if (vcpus < 1 || vcpus > 8)
		return refuse("vcpus-out-of-range",
		    "a VM has 1 to 8 virtual CPUs", NULL, NULL);
	if (memory < 128 * MIB)
		return refuse("memory-too-small",
		    "a VM needs at least 128 MiB", NULL, NULL);
	if (memory > 4096 * MIB)
		return refuse("no-memory", "only 4 GiB are free", NULL, NULL);
	if (json_array_size(json_object_get(args, "volumes")) == 0)
		return refuse("bad-argument", "a VM needs a volume", NULL,
		    NULL);
	json_array_foreach(json_object_get(args, "volumes"), i, v) {
		json_int_t size = json_integer_value(json_object_get(v,
		    "size_bytes"));
		const char *image = str(v, "image");

		if (size < MIB)
			return refuse("size-invalid",
			    "a volume has at least 1 MiB", NULL, NULL);
		if (size > 40960 * MIB)
			return refuse("no-space", "only 40 GiB are free",
			    NULL, NULL);
		if (*image != '\0' && strcmp(image, "small.img") != 0 &&
		    strcmp(image, "debian-12.img") != 0)
			return refuse("image-not-found",
			    "there is no such image", "name", image);
	}
	return NULL;
}

static json_t *
op_vm_create(json_t *args, const json_t *actor)
{
	json_t *no = create_refusal(args), *vm, *v;
	const char *name = str(args, "name");
	json_int_t vcpus = json_integer_value(json_object_get(args, "vcpus"));
	char vol[300];
	size_t i;

	(void)actor;
	if (no != NULL)
		return no;
	if (json_is_true(json_object_get(args, "dry_run")))
		return good(json_pack("{s:[],s:s,s:s,s:s,s:b}", "warnings",
		    "node", survivor(), "id", "vm:o99", "name", name,
		    "dry_run", 1));
	vm = vm_new(name, str(args, "os"), (int)vcpus, json_integer_value(
	    json_object_get(args, "memory_bytes")));
	set(vm, "description", json_string(str(args, "description")));
	if (json_is_string(json_object_get(args, "preferred")))
		set(vm, "preferred", json_string(str(args, "preferred")));
	json_array_foreach(json_object_get(args, "volumes"), i, v) {
		(void)snprintf(vol, sizeof(vol), "%s-%zu", name, i);
		(void)volume_new(*str(v, "name") != '\0' ? str(v, "name") :
		    i == 0 ? (snprintf(vol, sizeof(vol), "%s-boot", name),
		    vol) : vol, json_integer_value(json_object_get(v,
		    "size_bytes")), str(vm, "id"), name, i == 0);
	}
	vm_activity(vm, "installing");
	set(vm, "progress_percent", json_integer(0));
	set(vm, "@start", json_boolean(json_is_true(json_object_get(args,
	    "start"))));
	vm_later(vm, "stopped");
	if (vcpus > 4)
		return good(json_pack("{s:[{s:s,s:s,s:{s:I,s:i}}],s:s,s:O,s:s}",
		    "warnings", "code", "vcpus-above-recommended", "text",
		    "more virtual CPUs than recommended", "params", "vcpus",
		    vcpus, "recommended", 4, "node", survivor(), "id",
		    json_object_get(vm, "id"), "name", name));
	return good(json_pack("{s:[],s:s,s:O,s:s}", "warnings", "node",
	    survivor(), "id", json_object_get(vm, "id"), "name", name));
}

/* Finds the VM of 'args' in one of the states; NULL and *ret_no otherwise. */
static json_t *
vm_in(json_t *args, const char *states, json_t **ret_no)
{
	json_t *vm = find(vms, str(args, "vm"));

	*ret_no = NULL;
	if (vm == NULL)
		*ret_no = refuse_missing("VM", str(args, "vm"));
	else if (strstr(states, str(vm, "activity")) == NULL)
		*ret_no = refuse("wrong-state",
		    "the VM isn't in a state for this", "name",
		    str(vm, "name"));
	return *ret_no == NULL ? vm : NULL;
}

static json_t *
op_vm_go(json_t *args, const char *states, const char *want,
    const char *now, const char *then)
{
	json_t *no, *vm = vm_in(args, states, &no), *result;
	bool start = strcmp(want, "running") == 0;
	json_int_t run_id;

	if (vm == NULL)
		return no;
	run_id = json_integer_value(json_object_get(vm, "run_id")) + 1;
	result = json_pack("{s:O}", "id", json_object_get(vm, "id"));
	if (json_is_true(json_object_get(args, "dry_run"))) {
		set(result, "dry_run", json_true());
	} else {
		set(vm, "want", json_string(want));
		if (start)
			set(vm, "run_id", json_integer(run_id));
		vm_activity(vm, now);
		if (then != NULL)
			vm_later(vm, then);
	}
	if (start) {
		set(result, "node", json_string(*str(vm, "node") != '\0' ?
		    str(vm, "node") : survivor()));
		set(result, "run_id", json_integer(run_id));
	}
	return good(result);
}

static json_t *
op_vm_start(json_t *args, const json_t *actor)
{
	(void)actor;
	return op_vm_go(args, "stopped crashed", "running", "booting",
	    "running");
}

static json_t *
op_vm_shutdown(json_t *args, const json_t *actor)
{
	(void)actor;
	return op_vm_go(args, "running booting", "stopped", "stopping",
	    "stopped");
}

static json_t *
op_vm_poweroff(json_t *args, const json_t *actor)
{
	(void)actor;
	return op_vm_go(args, "running booting stopping paused", "stopped",
	    "stopped", NULL);
}

static json_t *
op_vm_rename(json_t *args, const json_t *actor)
{
	json_t *vm = find(vms, str(args, "vm"));
	const char *name = str(args, "name");

	(void)actor;
	if (vm == NULL)
		return refuse_missing("VM", str(args, "vm"));
	if (find(vms, name) != NULL && find(vms, name) != vm)
		return refuse("name-exists", "there is a VM of that name",
		    "name", name);
	set(vm, "name", json_string(name));
	changed(str(vm, "id"));
	return good(json_pack("{s:O,s:s}", "id", json_object_get(vm, "id"),
	    "name", name));
}

static bool
listed(const json_t *list, const char *word)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (strcmp(json_string_value(v) != NULL ?
		    json_string_value(v) : "", word) == 0)
			return true;
	return false;
}

static json_t *
op_vm_delete(json_t *args, const json_t *actor)
{
	json_t *no, *vm = vm_in(args, "stopped crashed", &no), *v, *keep;
	char id[32];
	size_t i;

	(void)actor;
	if (vm == NULL)
		return no;
	if (json_is_true(json_object_get(args, "dry_run")))
		return good(json_pack("{s:O,s:b}", "id", json_object_get(vm,
		    "id"), "dry_run", 1));
	keep = json_object_get(args, "keep_volumes");
	for (i = json_array_size(volumes); i-- > 0; ) {
		v = json_array_get(volumes, i);
		if (strcmp(str(json_object_get(v, "vm"), "id"),
		    str(vm, "id")) != 0)
			continue;
		if (listed(keep, str(v, "id")))
			set(v, "vm", json_null());
		else
			(void)json_array_remove(volumes, i);
	}
	(void)snprintf(id, sizeof(id), "%s", str(vm, "id"));
	for (i = json_array_size(vms); i-- > 0; )
		if (json_array_get(vms, i) == vm)
			(void)json_array_remove(vms, i);
	changed(id);
	return good(json_pack("{s:s}", "id", id));
}

static json_t *
op_vm_vnc(json_t *args, const json_t *actor)
{
	json_t *no, *vm = vm_in(args, "running booting stopping", &no);

	(void)actor;
	if (vm == NULL)
		return no;
	if (strcmp(str(vm, "node"), node) != 0)
		return good(json_pack("{s:O,s:O,s:n}", "vm",
		    json_object_get(vm, "id"), "node", json_object_get(vm,
		    "node"), "path"));
	if (vnc_path == NULL)
		return refuse("wrong-state", "the VM has no screen", NULL,
		    NULL);
	return good(json_pack("{s:O,s:s,s:s}", "vm", json_object_get(vm, "id"),
	    "node", node, "path", vnc_path));
}

static json_t *
op_volumes(json_t *args, const json_t *actor)
{
	json_t *list = json_array(), *v;
	size_t i;

	(void)args;
	(void)actor;
	json_array_foreach(volumes, i, v)
		(void)json_array_append_new(list, volume_view(v));
	return good(list);
}

static json_t *
op_volume_delete(json_t *args, const json_t *actor)
{
	json_t *v = find(volumes, str(args, "volume"));
	char id[32];
	size_t i;

	(void)actor;
	if (v == NULL)
		return refuse_missing("volume", str(args, "volume"));
	if (!json_is_null(json_object_get(v, "vm")))
		return refuse("volume-in-use", "the volume belongs to a VM",
		    "name", str(v, "name"));
	(void)snprintf(id, sizeof(id), "%s", str(v, "id"));
	for (i = json_array_size(volumes); i-- > 0; )
		if (json_array_get(volumes, i) == v)
			(void)json_array_remove(volumes, i);
	changed(id);
	return good(json_pack("{s:s}", "id", id));
}

static json_t *
op_networks(json_t *args, const json_t *actor)
{
	json_t *ids = json_array(), *vm;
	size_t i;

	(void)args;
	(void)actor;
	json_array_foreach(vms, i, vm)
		(void)json_array_append(ids, json_object_get(vm, "id"));
	return good(json_pack("[{s:s,s:s,s:s,s:s,s:i,s:[{s:s,s:s,s:s},"
	    "{s:s,s:s,s:s}],s:o,s:s}]", "id", "sharednetwork:o4", "name",
	    "net0", "role", "business", "bridge", "br-net0", "mtu", 1500,
	    "ports", "node", "node0", "interface", "lan0", "link", "up",
	    "node", "node1", "interface", "lan0", "link", lost_node != NULL ?
	    "unknown" : "up", "vms", ids, "state", lost_node != NULL ?
	    "alert" : "good"));
}

static json_t *
op_storage(json_t *args, const json_t *actor)
{
	json_t *ids = json_array(), *v;
	long long used = 0;
	size_t i;

	(void)args;
	(void)actor;
	json_array_foreach(volumes, i, v) {
		used += json_integer_value(json_object_get(v, "size_bytes"));
		(void)json_array_append(ids, json_object_get(v, "id"));
	}
	return good(json_pack("[{s:s,s:s,s:I,s:I,s:I,s:o,s:s}]", "id",
	    "storagegroup:o5", "name", "default", "size_bytes",
	    (json_int_t)(51200 * MIB), "used_bytes", (json_int_t)used,
	    "free_bytes", (json_int_t)(51200 * MIB - used), "volumes", ids,
	    "state", "good"));
}

static json_t *
op_images(json_t *args, const json_t *actor)
{
	(void)args;
	(void)actor;
	return good(json_pack("[{s:s,s:I,s:s},{s:s,s:I,s:s}]", "name",
	    "small.img", "size_bytes", (json_int_t)(96 * MIB), "node",
	    "node0", "name", "debian-12.img", "size_bytes",
	    (json_int_t)(2048 * MIB), "node", "node0"));
}

static json_t *
op_alerts(json_t *args, const json_t *actor)
{
	(void)args;
	(void)actor;
	return good(json_deep_copy(alerts));
}

static json_t *
op_audit(json_t *args, const json_t *actor)
{
	json_t *limit = json_object_get(args, "limit"), *list = json_array();
	json_t *before = json_object_get(args, "before"), *a;
	json_int_t n = limit != NULL ? json_integer_value(limit) : 100;
	size_t i;

	(void)actor;
	json_array_foreach(audit, i, a) {
		uint64_t no = 0;

		(void)av_parse_u64(str(a, "id") + 6, &no);
		if (before != NULL &&
		    (json_int_t)no >= json_integer_value(before))
			continue;
		if (n-- <= 0)
			break;
		(void)json_array_append(list, a);
	}
	return good(list);
}

static json_t *
op_audit_add(json_t *args, const json_t *actor)
{
	AUTO_JSON json_t *who = json_copy((json_t *)(uintptr_t)actor);

	if (*str(args, "role") != '\0')
		set(who, "role", json_string(str(args, "role")));
	audit_line(who, str(args, "action"), str(args, "object"),
	    str(args, "result"), str(args, "detail"));
	return good(json_object());
}

static json_t *
op_users(json_t *args, const json_t *actor)
{
	json_t *list = json_deep_copy(users), *u;
	size_t i;

	(void)args;
	(void)actor;
	json_array_foreach(list, i, u)
		(void)json_object_del(u, "hash");
	return good(list);
}

static json_t *
op_user_get(json_t *args, const json_t *actor)
{
	json_t *u = find(users, str(args, "name"));

	(void)actor;
	return u != NULL ? good(json_deep_copy(u)) :
	    refuse_missing("user", str(args, "name"));
}

static json_t *
op_password(json_t *args, const json_t *actor)
{
	json_t *u = find(users, str(args, "user"));

	(void)actor;
	if (u == NULL)
		return refuse_missing("user", str(args, "user"));
	set(u, "hash", json_string(str(args, "hash")));
	return good(json_object());
}

static json_t *
op_node_lost(json_t *args, const json_t *actor)
{
	const char *name = str(args, "node");
	json_t *vm;
	size_t i;

	(void)actor;
	if (*name != '\0' && strcmp(name, "node0") != 0 &&
	    strcmp(name, "node1") != 0)
		return refuse_missing("node", name);
	sync_until_ns = 0;
	if (*name == '\0') {
		if (lost_node != NULL)
			sync_until_ns = av_clock_ns() + 3 * step_ns;
		lost_node = NULL;
		alert_clear("node-lost");
	} else {
		lost_node = strcmp(name, "node0") == 0 ? "node0" : "node1";
		alert_open("node-lost", "serious", strcmp(name, "node0") == 0 ?
		    "host:o2" : "host:o3", "No sign of life from a PM",
		    "The PM lost power, its system stopped, or all its links are cut.",
		    "Check the PM's power and its console.",
		    json_pack("{s:s}", "node", lost_node));
	}
	json_array_foreach(vms, i, vm) {
		if (lost_node != NULL && strcmp(str(vm, "node"), lost_node) ==
		    0) {
			set(vm, "node", json_string(survivor()));
			vm_activity(vm, "booting");
			vm_later(vm, "running");
		} else {
			vm_activity(vm, str(vm, "activity"));
		}
	}
	changed("host:o2");
	changed("host:o3");
	return good(json_object());
}

static json_t *
op_hang(json_t *args, const json_t *actor)
{
	(void)args;
	(void)actor;
	return NULL;
}

static json_t *
op_exit(json_t *args, const json_t *actor)
{
	(void)args;
	(void)actor;
	exit(0);
}

/* Args: "key:type" each; types s text, i number, b flag, a array, o object, n text or
 * null; '?' = may be left out. */
static const struct op {
	const char	*name;
	json_t		*(*run)(json_t *args, const json_t *actor);
	int		 role;		/* 1 read-only .. 4 administrator */
	bool		 changing;
	const char	*args[12];
} ops[] = {
	{ "unit.info", op_unit_info, 1, false, { NULL } },
	{ "unit.takeover", op_takeover, 4, true, { "confirm:b",
	  "dry_run:b?" } },
	{ "node.list", op_nodes, 1, false, { NULL } },
	{ "vm.list", op_vms, 1, false, { NULL } },
	{ "vm.get", op_vm_get, 1, false, { "vm:s" } },
	{ "vm.create", op_vm_create, 2, true, { "name:s", "description:s?",
	  "os:s", "vcpus:i", "memory_bytes:i", "volumes:a", "networks:a?",
	  "preferred:n?", "start:b?", "bits64:b?", "dry_run:b?" } },
	{ "vm.rename", op_vm_rename, 2, true, { "vm:s", "name:s",
	  "dry_run:b?" } },
	{ "vm.start", op_vm_start, 2, true, { "vm:s", "dry_run:b?" } },
	{ "vm.shutdown", op_vm_shutdown, 2, true, { "vm:s", "dry_run:b?" } },
	{ "vm.poweroff", op_vm_poweroff, 2, true, { "vm:s", "dry_run:b?" } },
	{ "vm.migrate", op_vm_migrate, 2, true, { "vm:s", "to:n?",
	  "dry_run:b?" } },
	{ "vm.migrate-cancel", op_vm_migrate_cancel, 2, true, { "vm:s",
	  "dry_run:b?" } },
	{ "vm.prefer", op_vm_prefer, 2, true, { "vm:s", "node:n?",
	  "dry_run:b?" } },
	{ "vm.reset", op_vm_reset, 2, true, { "vm:s", "dry_run:b?" } },
	{ "vm.set-mtbf", op_vm_set_mtbf, 2, true, { "vm:s", "policy:s?",
	  "threshold_s:i?", "judged_from:i?", "dry_run:b?" } },
	{ "node.set-mtbf", op_node_set_mtbf, 3, true, { "node:s", "policy:s?",
	  "threshold_s:i?", "judged_from:i?", "dry_run:b?" } },
	{ "node.clear-mtbf", op_node_clear_mtbf, 3, true, { "node:s",
	  "dry_run:b?" } },
	{ "node.report-fault", op_node_report_fault, 3, true, { "node:s",
	  "part:s", "text:s?", "dry_run:b?" } },
	{ "node.clear-fault", op_node_clear_fault, 3, true, { "node:s",
	  "part:s?", "dry_run:b?" } },
	{ "node.workon", op_node_workon, 3, true, { "node:s", "shutdown:b?",
	  "dry_run:b?" } },
	{ "node.workoff", op_node_workoff, 3, true, { "node:s",
	  "dry_run:b?" } },
	{ "node.power", op_node_power, 3, true, { "node:s", "action:s",
	  "dry_run:b?" } },
	{ "vm.delete", op_vm_delete, 2, true, { "vm:s", "keep_volumes:a?",
	  "dry_run:b?" } },
	{ "vm.vnc", op_vm_vnc, 2, false, { "vm:s" } },
	{ "volume.list", op_volumes, 1, false, { NULL } },
	{ "volume.delete", op_volume_delete, 2, true, { "volume:s",
	  "dry_run:b?" } },
	{ "volume.verify", op_volume_verify, 3, true, { "volume:s",
	  "repair:b?", "dry_run:b?" } },
	{ "volume.verify-cancel", op_volume_verify_cancel, 3, true,
	  { "volume:s", "dry_run:b?" } },
	{ "volume.resync-pause", op_volume_resync_pause, 3, true,
	  { "volume:s", "dry_run:b?" } },
	{ "volume.resync-resume", op_volume_resync_resume, 3, true,
	  { "volume:s", "dry_run:b?" } },
	{ "volume.grow", op_volume_grow, 2, true, { "volume:s", "size_bytes:i",
	  "dry_run:b?" } },
	{ "volume.replace-leg", op_volume_replace_leg, 3, true,
	  { "volume:s", "dry_run:b?" } },
	{ "unit.configure", op_unit_configure, 3, true,
	  { "resync_rate_kib_s:i?", "verify_schedule:o?", "go_home:b?",
	  "dry_run:b?" } },
	{ "test.volume", op_test_volume, 0, false, { "volume:s", "node:s?",
	  "found:i?" } },
	{ "network.list", op_networks, 1, false, { NULL } },
	{ "storage-group.list", op_storage, 1, false, { NULL } },
	{ "split.info", op_split_info, 1, false, { NULL } },
	{ "split.resolve", op_split_resolve, 4, true, { "object:s", "keep:s",
	  "dry_run:b?" } },
	{ "test.move", op_test_move, 0, false, { "hold:b" } },
	{ "test.split", op_test_split, 0, false, { "split:b" } },
	{ "quorum.list", op_quorum_list, 1, false, { NULL } },
	{ "quorum.add", op_quorum_add, 3, true, { "kind:s?", "address:s",
	  "preferred:b?", "ca:s?", "cert:s?", "key:s?", "dry_run:b?" } },
	{ "quorum.remove", op_quorum_remove, 3, true, { "server:s",
	  "dry_run:b?" } },
	{ "image.list", op_images, 1, false, { NULL } },
	{ "alert.list", op_alerts, 1, false, { NULL } },
	{ "audit.list", op_audit, 1, false, { "limit:i?", "before:i?" } },
	{ "audit.add", op_audit_add, CONSOLE_ONLY, false, { "action:s",
	  "object:n?", "result:s", "detail:s?", "role:s?" } },
	{ "user.list", op_users, 4, false, { NULL } },
	{ "user.get", op_user_get, CONSOLE_ONLY, false, { "name:s" } },
	{ "user.set-password", op_password, 1, true, { "user:s", "hash:s",
	  "dry_run:b?" } },
	{ "test.node-lost", op_node_lost, 0, false, { "node:n" } },
	{ "test.hang", op_hang, 0, false, { NULL } },
	{ "test.exit", op_exit, 0, false, { NULL } },
};

/* --- requests ------------------------------------------------------------------ */

static bool
type_ok(const json_t *v, char type)
{
	switch (type) {
	case 's':
		return json_is_string(v);
	case 'n':
		return json_is_string(v) || json_is_null(v);
	case 'i':
		return json_is_integer(v);
	case 'b':
		return json_is_boolean(v);
	case 'a':
		return json_is_array(v);
	case 'o':
		return json_is_object(v);
	default:
		return false;
	}
}

static json_t *
args_refusal(const struct op *op, json_t *args)
{
	const char *key;
	json_t *v;
	size_t i;

	json_object_foreach(args, key, v) {
		const char *spec = NULL;
		size_t n = strlen(key);

		for (i = 0; i < ARRAY_SIZE(op->args); i++)
			if (op->args[i] != NULL && strncmp(op->args[i], key,
			    n) == 0 && op->args[i][n] == ':')
				spec = op->args[i] + n + 1;
		if (spec == NULL)
			return refuse("bad-argument", "unknown argument",
			    "argument", key);
		if (!type_ok(v, *spec))
			return refuse("bad-argument",
			    "argument of a wrong type", "argument", key);
	}
	for (i = 0; i < ARRAY_SIZE(op->args) && op->args[i] != NULL; i++) {
		size_t n = strcspn(op->args[i], ":");

		if (op->args[i][n + 2] != '?' && json_object_getn(args,
		    op->args[i], n) == NULL)
			return refuse("bad-argument", "an argument is missing",
			    "argument", op->args[i]);
	}
	return NULL;
}

static int
role_no(const char *role)
{
	static const char *const roles[] = { "none", "read-only",
	    "vm-manager", "platform-manager", "administrator" };
	int i;

	for (i = 4; i > 0; i--)
		if (strcmp(roles[i], role) == 0)
			break;
	return i;
}

static json_t *
request_run(const char *name, json_t *args, const json_t *actor)
{
	const struct op *op = NULL;
	json_t *reply;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (strcmp(ops[i].name, name) == 0)
			op = &ops[i];
	if (op == NULL)
		return refuse("bad-argument", "unknown operation", "op", name);
	if (*str(actor, "user") == '\0' || *str(actor, "origin") == '\0' ||
	    *str(actor, "via") == '\0')
		return refuse("bad-request", "the actor is incomplete", NULL,
		    NULL);
	if (op->role == CONSOLE_ONLY ? strcmp(str(actor, "role"), "console") !=
	    0 : role_no(str(actor, "role")) < op->role)
		return refuse("forbidden", "the role may not do this", NULL,
		    NULL);
	reply = args_refusal(op, args);
	if (reply == NULL)
		reply = op->run(args, actor);
	if (op->changing && reply != NULL)
		audit_line(actor, name, *str(args, "vm") != '\0' ?
		    str(args, "vm") : str(args, "name"), json_is_true(
		    json_object_get(reply, "ok")) ? "ok" : "refused",
		    str(json_object_get(reply, "error"), "text"));
	return reply;
}

static void
request_take(struct client *c, json_t *msg)
{
	AUTO_JSON json_t *reply = NULL;
	json_t *args = json_object_get(msg, "args");

	if (strcmp(str(msg, "op"), "event.subscribe") == 0) {
		c->subscribed = true;
		reply = good(json_object());
	} else if (!json_is_object(args) || !json_is_integer(
	    json_object_get(msg, "id"))) {
		reply = refuse("bad-request", "no args or no id", NULL, NULL);
	} else {
		reply = request_run(str(msg, "op"), args,
		    json_object_get(msg, "actor"));
	}
	if (reply == NULL || c->fd < 0)
		return;
	(void)json_object_set(reply, "id", json_object_get(msg, "id"));
	if (av_frame_send(c->fd, reply) < 0)
		client_drop(c);
}

static void
client_read(struct client *c)
{
	json_t *msg;

	if (av_frame_fill(&c->fr, c->fd) <= 0) {
		client_drop(c);
		return;
	}
	while (c->fd >= 0 && av_frame_next(&c->fr, &msg) == 0) {
		request_take(c, msg);
		json_decref(msg);
	}
}

/* --- time ---------------------------------------------------------------------- */

static void
vm_tick(json_t *vm, uint64_t now_ns)
{
	json_t *at = json_object_get(vm, "@at");
	json_t *next;
	bool start;

	if (at == NULL || (uint64_t)json_integer_value(at) > now_ns)
		return;
	if (strcmp(str(vm, "activity"), "installing") == 0) {
		json_int_t done = json_integer_value(json_object_get(vm,
		    "progress_percent"));

		if (done < 100) {
			set(vm, "progress_percent", json_integer(done + 25));
			set(vm, "@at", json_integer((json_int_t)(now_ns +
			    step_ns / 4)));
			changed(str(vm, "id"));
			return;
		}
		set(vm, "progress_percent", json_null());
	}
	next = json_incref(json_object_get(vm, "@next"));
	start = json_is_true(json_object_get(vm, "@start"));
	(void)json_object_del(vm, "@next");
	(void)json_object_del(vm, "@at");
	(void)json_object_del(vm, "@start");
	if (start) {
		set(vm, "want", json_string("running"));
		vm_activity(vm, "booting");
		vm_later(vm, "running");
	} else {
		vm_activity(vm, json_string_value(next));
	}
	json_decref(next);
}

static void
tick(void)
{
	uint64_t now_ns = av_clock_ns();
	json_t *vm;
	size_t i;

	json_array_foreach(vms, i, vm)
		vm_tick(vm, now_ns);
	if (sync_until_ns != 0 && now_ns > sync_until_ns) {
		sync_until_ns = 0;
		changed("host:o3");
	}
}

/* --- start ------------------------------------------------------------------------ */

static int
socket_open(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sun.sun_path))
		return -1;
	memcpy(sun.sun_path, path, strlen(path));
	(void)unlink(path);
	if (bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(fd, 16) < 0)
		return -1;
	return fd;
}

static void
client_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	size_t i;

	for (i = 0; i < CLIENTS_MAX; i++)
		if (clients[i].fd < 0) {
			clients[i] = (struct client){ .fd = fd };
			return;
		}
	(void)close(fd);
}

static void
serve(int listener)
{
	for (;;) {
		struct pollfd p[CLIENTS_MAX + 1];
		size_t i;

		for (i = 0; i < CLIENTS_MAX; i++)
			p[i] = (struct pollfd){ .fd = clients[i].fd,
			    .events = POLLIN };
		p[i] = (struct pollfd){ .fd = listener, .events = POLLIN };
		if (poll(p, CLIENTS_MAX + 1, step_ns > 100 * AV_NS_PER_MS ?
		    100 : 10) < 0 && errno != EINTR)
			return;
		tick();
		for (i = 0; i < CLIENTS_MAX; i++)
			if (p[i].revents != 0 && clients[i].fd == p[i].fd)
				client_read(&clients[i]);
		if (p[i].revents != 0)
			client_accept(listener);
	}
}

int
main(int argc, char **argv)
{
	int i, fd;

	for (i = 2; i < argc; i++)
		if (strcmp(argv[i], "--fast") == 0)
			step_ns = 50 * AV_NS_PER_MS;
		else if (strcmp(argv[i], "--node") == 0 && i + 1 < argc)
			node = argv[++i];
		else if (strcmp(argv[i], "--vnc") == 0 && i + 1 < argc)
			vnc_path = argv[++i];
		else
			argc = 0;
	if (argc < 2) {
		fprintf(stderr, "usage: fake-agent SOCKET [--node NAME] "
		    "[--vnc PATH] [--fast]\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < CLIENTS_MAX; i++)
		clients[i].fd = -1;
	world_make();
	fd = socket_open(argv[1]);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	serve(fd);
	return 1;
}
