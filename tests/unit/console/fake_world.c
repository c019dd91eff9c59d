/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/fake_world.c - the little unit that fake-agent pretends to be
 */
#include <crypt.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "tests/unit/console/fake_mtbf.h"
#include "tests/unit/console/fake_world.h"

#define PASSWORD	"secret-pass"

const char *node = "node0", *lost_node;
uint64_t step_ns = 1500 * AV_NS_PER_MS, sync_until_ns;
json_t *vms, *volumes, *alerts, *audit, *users;
static int next_id = 20, audit_no;
static char now_text[32];

/* --- helpers ------------------------------------------------------------------ */

const char *
now_utc(void)
{
	av_clock_format_utc(av_clock_utc_ms(), now_text, sizeof(now_text));
	return now_text;
}

const char *
str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

void
set(json_t *o, const char *key, json_t *v)
{
	(void)json_object_set_new(o, key, v);
}

json_t *
refuse(const char *code, const char *text, const char *key, const char *value)
{
	json_t *params = json_object();

	if (key != NULL)
		set(params, key, json_string(value));
	return json_pack("{s:b, s:{s:s, s:s, s:o, s:s}}", "ok", 0, "error",
	    "code", code, "text", text, "params", params, "outcome",
	    "not-done");
}

json_t *
good(json_t *result)
{
	return json_pack("{s:b, s:o}", "ok", 1, "result", result);
}

json_t *
refuse_missing(const char *kind, const char *name)
{
	json_t *r;
	char text[300];

	(void)snprintf(text, sizeof(text), "there is no %s '%.200s'", kind,
	    name);
	r = refuse("not-found", text, "name", name);
	set(json_object_get(json_object_get(r, "error"), "params"), "kind",
	    json_string(kind));
	return r;
}

json_t *
find(json_t *list, const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (strcmp(str(o, "id"), name) == 0 ||
		    strcmp(str(o, "name"), name) == 0)
			return o;
	return NULL;
}

void
audit_line(const json_t *actor, const char *action, const char *object,
    const char *result, const char *detail)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "audit:%d", ++audit_no);
	(void)json_array_insert_new(audit, 0, json_pack(
	    "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "id", id, "at_utc",
	    now_utc(), "user", str(actor, "user"), "role", str(actor, "role"),
	    "origin", str(actor, "origin"), "via", str(actor, "via"),
	    "action", action, "object", object, "result", result, "detail",
	    detail));
}

/* --- objects ------------------------------------------------------------------ */

const char *
survivor(void)
{
	return lost_node != NULL && strcmp(lost_node, "node0") == 0 ?
	    "node1" : "node0";
}

static json_t *
commands_of(const char *activity)
{
	if (strcmp(activity, "stopped") == 0 ||
	    strcmp(activity, "crashed") == 0)
		return json_pack("[s,s,s]", "start", "delete", "rename");
	if (strcmp(activity, "running") == 0 ||
	    strcmp(activity, "booting") == 0 ||
	    strcmp(activity, "stopping") == 0)
		return json_pack("[s,s,s,s]", "console", "shutdown",
		    "poweroff", "rename");
	return json_pack("[s]", "rename");
}

void
vm_activity(json_t *vm, const char *activity_given)
{
	const char *state = "-";
	char activity[32];
	bool up = strcmp(activity_given, "running") == 0;

	/* what is given may be the VM's own, which is about to be freed */
	(void)snprintf(activity, sizeof(activity), "%s", activity_given);
	if (up)
		state = lost_node != NULL ? "alert" : "good";
	else if (strcmp(activity, "installing") == 0 ||
	    strcmp(activity, "stopping") == 0)
		state = "busy";
	set(vm, "activity", json_string(activity));
	set(vm, "state", json_string(state));
	set(vm, "commands", commands_of(activity));
	set(vm, "reason", up && lost_node != NULL ?
	    json_pack("{s:s,s:s}", "code", "one-leg", "text",
	    "runs on one PM; the other one is lost") : json_null());
	set(vm, "acceleration", strcmp(activity, "stopped") == 0 ?
	    json_null() : json_string("tcg"));
	if (strcmp(activity, "stopped") == 0) {
		set(vm, "node", json_null());
		set(vm, "started_utc", json_null());
	} else if (json_is_null(json_object_get(vm, "node"))) {
		const char *want = str(vm, "preferred");

		set(vm, "node", json_string(*want != '\0' && (lost_node ==
		    NULL || strcmp(want, lost_node) != 0) ? want :
		    survivor()));
	}
	if (up && json_is_null(json_object_get(vm, "started_utc")))
		set(vm, "started_utc", json_string(now_utc()));
	changed(str(vm, "id"));
}

/* The VM will reach 'activity' after one step. */
void
vm_later(json_t *vm, const char *activity)
{
	set(vm, "@next", json_string(activity));
	set(vm, "@at", json_integer((json_int_t)(av_clock_ns() + step_ns)));
}

json_t *
volume_new(const char *name, long long size, const char *vm_id,
    const char *vm_name, bool boot)
{
	char id[32];
	json_t *v;

	(void)snprintf(id, sizeof(id), "volume:o%d", next_id++);
	v = json_pack("{s:s,s:s,s:I,s:{s:s,s:s},s:b}", "id", id, "name", name,
	    "size_bytes", (json_int_t)size, "storage_group", "id",
	    "storagegroup:o5", "name", "default", "boot", boot);
	set(v, "vm", vm_id != NULL ? json_pack("{s:s,s:s}", "id", vm_id,
	    "name", vm_name) : json_null());
	(void)json_array_append_new(volumes, v);
	return v;
}

/* The parts of a volume that follow from the nodes' states. */
json_t *
volume_view(const json_t *stored)
{
	json_t *v = json_deep_copy(stored);
	bool one = lost_node != NULL, sync = sync_until_ns != 0;
	const char *peer_disk = one ? "outdated" : sync ? "inconsistent" :
	    "uptodate";
	const char *stay = survivor();

	set(v, "state", json_string(one ? "alert" : sync ? "busy" : "good"));
	set(v, "activity", json_string(one ? "one-leg" : sync ? "syncing" :
	    "in-step"));
	set(v, "sync_percent", json_integer(sync ? 42 : 100));
	set(v, "seconds_left", sync ? json_integer(3) : json_null());
	set(v, "out_of_step_bytes", json_integer(one || sync ?
	    12 * MIB : 0));
	set(v, "generation", json_string("5f0c2a9be1774d10"));
	set(v, "legs", json_pack("[{s:s,s:s,s:s},{s:s,s:s,s:s}]",
	    "node", "node0", "disk", strcmp(stay, "node0") == 0 ?
	    "uptodate" : peer_disk, "role", strcmp(stay, "node0") == 0 ?
	    "primary" : one ? "down" : "secondary",
	    "node", "node1", "disk", strcmp(stay, "node1") == 0 ?
	    "uptodate" : peer_disk, "role", strcmp(stay, "node1") == 0 ?
	    "primary" : one ? "down" : "secondary"));
	set(v, "error", json_null());
	set(v, "last_resync", json_pack("{s:I,s:I,s:s}", "bytes_changed",
	    (json_int_t)(12 * MIB), "bytes_copied", (json_int_t)(13 * MIB),
	    "finished_utc", "2026-11-20T03:04:05.000Z"));
	volume_care_add(v);
	return v;
}

json_t *
vm_new(const char *name, const char *os, int vcpus, long long memory)
{
	char id[32], tap[32], mac[32];
	json_t *vm;

	(void)snprintf(id, sizeof(id), "vm:o%d", next_id);
	(void)snprintf(tap, sizeof(tap), "tap-o%d", next_id);
	(void)snprintf(mac, sizeof(mac), "52:54:00:12:34:%02x",
	    (unsigned)next_id & 0xff);
	next_id++;
	vm = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:I,s:s,s:n,s:n,s:n,s:n,s:i,"
	    "s:s}", "id", id, "name", name, "description", "", "os", os,
	    "uuid", "6c1d6a0e-70d9-4f5e-9d1c-000000000001", "vcpus", vcpus,
	    "memory_bytes", (json_int_t)memory, "want", "stopped", "node",
	    "preferred", "progress_percent", "started_utc", "crashes", 0,
	    "created_utc", now_utc());
	set(vm, "run_id", json_integer(0));
	set(vm, "mtbf", mtbf_new());
	set(vm, "networks", json_pack("[{s:s,s:s,s:s,s:s}]", "id",
	    "sharednetwork:o4", "name", "net0", "mac", mac, "tap", tap));
	(void)json_array_append_new(vms, vm);
	vm_activity(vm, "stopped");
	return vm;
}

json_t *
vm_view(const json_t *stored)
{
	json_t *vm = json_deep_copy(stored), *list = json_array(), *v;
	size_t i;
	int n = 0;

	(void)json_object_del(vm, "@next");
	(void)json_object_del(vm, "@at");
	(void)json_object_del(vm, "@start");
	json_array_foreach(volumes, i, v) {
		char dev[8];

		if (strcmp(str(json_object_get(v, "vm"), "id"),
		    str(vm, "id")) != 0)
			continue;
		(void)snprintf(dev, sizeof(dev), "vd%c", 'a' + n++);
		(void)json_array_append_new(list, json_pack(
		    "{s:O,s:O,s:s,s:O,s:O,s:s}", "id",
		    json_object_get(v, "id"), "name",
		    json_object_get(v, "name"), "device", dev, "size_bytes",
		    json_object_get(v, "size_bytes"), "boot",
		    json_object_get(v, "boot"), "state",
		    lost_node != NULL ? "alert" : "good"));
	}
	set(vm, "volumes", list);
	return vm;
}

/* Of one PM as the other one sees it. */
static json_t *
signs_view(bool first, bool lost)
{
	static const char *const at[2][2] = {
		{ "10.78.0.1", "10.78.0.2" }, { "10.77.0.10", "10.77.0.11" },
	};
	json_t *beats = json_array();
	char link[8];
	int i;

	for (i = 0; i < 2; i++) {
		(void)snprintf(link, sizeof(link), "link%d", i);
		(void)json_array_append_new(beats, json_pack(
		    "{s:s,s:s,s:s,s:i,s:s}", "link", link, "local",
		    at[i][first], "peer", at[i][!first], "age_ms",
		    lost ? 90000 : 42, "state", lost ? "down" : "up"));
	}
	return json_pack("{s:b,s:b,s:o,s:b}", "corosync", !lost, "agent",
	    !lost, "heartbeats", beats, "mirror", !lost);
}

json_t *
node_view(const char *name, const char *id)
{
	bool lost = lost_node != NULL && strcmp(lost_node, name) == 0;
	bool alone = lost_node != NULL && !lost;
	bool sync = sync_until_ns != 0 && strcmp(name, survivor()) != 0;
	json_t *n, *mine = json_array(), *vm;
	size_t i;

	json_array_foreach(vms, i, vm)
		if (strcmp(str(vm, "node"), name) == 0)
			(void)json_array_append(mine, json_object_get(vm,
			    "id"));
	n = json_pack("{s:s,s:s,s:s,s:s,s:b,s:s,s:{s:s,s:s,s:{}},s:[s],"
	    "s:{s:i,s:i,s:i},s:I,s:I,s:s?,s:o}", "id", id, "name", name, "state",
	    lost ? "critical" : alone ? "alert" : "good", "activity",
	    lost ? "lost" : sync ? "syncing" : "running", "primary",
	    strcmp(survivor(), name) == 0, "role", lost ? "stopped" : alone ?
	    "alone" : "together", "reason", "code", lost ? "peer-lost" :
	    alone ? "alone" : "together", "text", lost ?
	    "no sign of life since it was lost" : alone ?
	    "runs alone: the other PM is lost" : "both PMs run together",
	    "params", "addresses", strcmp(name, "node0") == 0 ? "10.77.0.10" :
	    "10.77.0.11", "cpus", "threads", 4, "cores", 2, "sockets", 1,
	    "memory_bytes", (json_int_t)(8192 * MIB), "storage_bytes",
	    (json_int_t)(51200 * MIB), "acceleration", lost ? NULL : "tcg",
	    "vms", mine);
	set(n, "versions", json_pack("{s:s,s:s,s:s,s:s}", "avpair",
	    AV_VERSION, "corosync", "3.1.7", "qemu", "7.2.19", "kernel",
	    "6.1.0"));
	set(n, "signs", signs_view(strcmp(name, "node0") == 0, lost));
	set(n, "daemons", lost ? json_null() : json_pack("{s:s}", "corosync",
	    "up"));
	set(n, "mtbf", mtbf_of_node(name));
	set(n, "watchdog", lost ? json_null() : json_pack(
	    "{s:s,s:s,s:i,s:s}", "state", "ok", "device", "stand-in",
	    "timeout_ms", 1400, "hold", "together"));
	set(n, "uptime_s", lost ? json_null() : json_integer(86400));
	set(n, "agent", lost ? json_null() : json_pack("{s:i,s:i,s:i,s:i}",
	    "pid", 812, "rss_bytes", 9437184, "uptime_s", 86000,
	    "beats_ignored", 0));
	return n;
}

static json_t *
resources_view(void)
{
	long long cpus = 0, memory = 0, storage = 0;
	json_t *o;
	size_t i;

	json_array_foreach(vms, i, o)
		if (strcmp(str(o, "want"), "running") == 0) {
			cpus += json_integer_value(json_object_get(o,
			    "vcpus"));
			memory += json_integer_value(json_object_get(o,
			    "memory_bytes"));
		}
	json_array_foreach(volumes, i, o)
		storage += json_integer_value(json_object_get(o,
		    "size_bytes"));
	return json_pack("{s:i,s:i,s:i,s:I,s:I,s:I,s:I,s:I}", "vcpus_total",
	    4, "vcpus_recommended", 4, "vcpus_limit", 8, "vcpus_used",
	    (json_int_t)cpus, "memory_total_bytes",
	    (json_int_t)(7168 * MIB), "memory_used_bytes",
	    (json_int_t)memory, "storage_total_bytes",
	    (json_int_t)(51200 * MIB), "storage_used_bytes",
	    (json_int_t)storage);
}

static json_t *
links_view(void)
{
	const char *state = lost_node != NULL ? "down" : "up";

	return json_pack("[{s:s,s:s,s:s,s:s,s:s},{s:s,s:s,s:s,s:s,s:s}]",
	    "name", "link0", "node0", "10.78.0.1", "node1", "10.78.0.2",
	    "state", state, "role", "private",
	    "name", "link1", "node0", "10.77.0.10", "node1", "10.77.0.11",
	    "state", state, "role", "business");
}

static json_t *
alert_counts(void)
{
	static const char *const sev[] = { "critical", "serious", "minor",
	    "info" };
	json_t *counts = json_object(), *a;
	size_t i, k;

	for (k = 0; k < 4; k++) {
		int n = 0;

		json_array_foreach(alerts, i, a)
			n += json_is_true(json_object_get(a, "open")) &&
			    strcmp(str(a, "severity"), sev[k]) == 0;
		set(counts, sev[k], json_integer(n));
	}
	return counts;
}

json_t *
unit_view(void)
{
	bool alone = lost_node != NULL, sync = sync_until_ns != 0;
	json_t *u = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,"
	    "s:{s:s,s:s,s:{}},s:i,s:s?,s:s,s:s,s:b}", "id", "unit:o1", "name", "unit", "uuid",
	    "0b9a8c55-5f0f-4c3b-8a69-0c63f6a2d001", "version", AV_VERSION,
	    "address", "10.77.0.20", "state", alone ? "alert" : sync ?
	    "busy" : "good", "activity", alone ? "alone" : sync ? "syncing" :
	    "running", "reason", "code", alone ? "peer-lost" : sync ?
	    "syncing" : "together", "text", alone ?
	    "one PM is lost; the other one runs alone" : sync ?
	    "a PM came back and is being brought in step" :
	    "both PMs run and are in step", "params", "generation", alone ? 6 : 5,
	    "owner", alone ? survivor() : NULL, "primary", survivor(),
	    "node", node, "syncing", sync);

	set(u, "resources", resources_view());
	set(u, "arbiter", json_pack("{s:s,s:s,s:s,s:s}", "kind", "etcd",
	    "state", "ok", "address", "https://10.77.0.1:2379", "text", ""));
	set(u, "links", links_view());
	set(u, "alerts", alert_counts());
	set(u, "timings", json_pack("{s:i,s:i,s:i,s:i}", "heartbeat_ms", 100,
	    "lost_ms", 710, "dead_ms", 1230, "frozen_ms", 30000));
	settings_add(u);
	set(u, "last_failover", alone ? json_pack(
	    "{s:s,s:i,s:i,s:i}", "at_utc", now_utc(), "detected_ms",
	    640, "claimed_ms", 702, "started_ms", 1310) :
	    json_null());
	return u;
}

void
alert_open(const char *code, const char *sev, const char *object,
    const char *text, const char *cause, const char *step, json_t *params)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "alert:%zu",
	    json_array_size(alerts) + 1);
	(void)json_array_insert_new(alerts, 0, json_pack(
	    "{s:s,s:s,s:s,s:s,s:s,s:s,s:[s],s:o,s:b,s:s,s:n,s:i}", "id", id,
	    "code", code, "severity", sev, "object", object, "text", text,
	    "cause", cause, "repair", step, "params", params, "open", 1, "raised_utc",
	    now_utc(), "cleared_utc", "count", 1));
	changed(id);
}

void
alert_clear(const char *code)
{
	json_t *a;
	size_t i;

	json_array_foreach(alerts, i, a)
		if (strcmp(str(a, "code"), code) == 0 &&
		    json_is_true(json_object_get(a, "open"))) {
			set(a, "open", json_false());
			set(a, "cleared_utc", json_string(now_utc()));
			changed(str(a, "id"));
		}
}

static void
users_make(void)
{
	static const char *const all[][4] = {
		{ "admin", "administrator", "The administrator", "en" },
		{ "operator", "vm-manager", "VM manager", "ja" },
		{ "viewer", "read-only", "Only looks", "en" },
	};
	struct crypt_data *cd = calloc(1, sizeof(*cd));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash;
	size_t i;

	if (cd == NULL || crypt_gensalt_rn("$y$", 1, "always the same.", 16,
	    setting, sizeof(setting)) == NULL)
		abort();
	hash = crypt_r(PASSWORD, setting, cd);
	users = json_array();
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		(void)json_array_append_new(users, json_pack(
		    "{s:s,s:s,s:s,s:s,s:s,s:s}", "name",
		    all[i][0], "role", all[i][1], "real_name", all[i][2],
		    "language", all[i][3], "created_utc", now_utc(), "hash",
		    hash));
	}
	free(cd);
}

void
world_make(void)
{
	json_t *vm;

	vms = json_array();
	volumes = json_array();
	alerts = json_array();
	audit = json_array();
	users_make();
	vm = vm_new("web", "linux", 1, 256 * MIB);
	(void)volume_new("web-boot", 512 * MIB, str(vm, "id"), "web", true);
	set(vm, "want", json_string("running"));
	set(vm, "preferred", json_string("node0"));
	vm_activity(vm, "running");
	vm = vm_new("受注システム", "windows", 2, 1024 * MIB);
	(void)volume_new("受注システム-boot", 10240 * MIB, str(vm, "id"),
	    "受注システム", true);
	(void)volume_new("受注データ", 4096 * MIB, str(vm, "id"),
	    "受注システム", false);
	set(vm, "want", json_string("running"));
	set(vm, "preferred", json_string("node1"));
	vm_activity(vm, "running");
	vm = vm_new("test", "other", 1, 128 * MIB);
	(void)volume_new("test-boot", 64 * MIB, str(vm, "id"), "test", true);
	alert_open("storage-nearly-full", "info", "storagegroup:o5",
	    "Storage group 'default' is nearly full",
	    "Less than 5 GB are free for new volumes and snapshots.",
	    "Remove volumes that aren't used.",
	    json_pack("{s:s,s:I,s:s}", "group", "default", "free_bytes",
	    (json_int_t)(4096 * MIB), "free", "4 GiB"));
	alert_open("network-link-down", "minor", "sharednetwork:o4",
	    "Network 'net0' has no link on node1 (lan0)",
	    "The PM's port of this network has no link; guests there aren't reached through it.",
	    "Check the cable and the switch's port.",
	    json_pack("{s:s,s:s,s:s}", "network", "net0", "node", "node1",
	    "interface", "lan0"));
}
