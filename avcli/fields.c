/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/fields.c - how the API's objects are shown
 *
 * Names follow everRun's avcli where it has the same thing, so that scripts
 * written for it find 'state', 'standing-state', 'cpus', 'shared-network'.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "avcli/fields.h"
#include "base/str.h"

#define END	{ NULL, NULL, F_TEXT, false, NULL, NULL }
#define FIELD(p, n, f)		{ (p), (n), (f), false, NULL, NULL }
#define MAYBE(p, n, f)		{ (p), (n), (f), true, NULL, NULL }
#define GROUP(p, n, s)		{ (p), (n), F_GROUP, true, (s), NULL }
#define GROUPS(p, n, s, i)	{ (p), (n), F_GROUPS, false, (s), (i) }

/* --- unit --- */

static const struct field resource_fields[] = {
	FIELD("vcpus_total", "total-vcpus", F_TEXT),
	MAYBE("vcpus_recommended", "recommended-vcpus", F_TEXT),
	MAYBE("vcpus_limit", "limit-vcpus", F_TEXT),
	FIELD("vcpus_used", "used-vcpus", F_TEXT),
	FIELD("memory_total_bytes", "total-memory", F_SIZE),
	FIELD("memory_used_bytes", "used-memory", F_SIZE),
	FIELD("storage_total_bytes", "total-storage", F_SIZE),
	FIELD("storage_used_bytes", "used-storage", F_SIZE),
	END,
};
static const struct field arbiter_fields[] = {
	FIELD("kind", "kind", F_TEXT),
	FIELD("state", "state", F_TEXT),
	MAYBE("address", "address", F_TEXT),
	MAYBE("text", "reason", F_TEXT),
	END,
};
static const struct field link_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("state", "state", F_TEXT),
	FIELD("role", "role", F_TEXT),
	MAYBE("node0", "node0", F_TEXT),
	MAYBE("node1", "node1", F_TEXT),
	END,
};
static const struct field alert_counts[] = {
	FIELD("critical", "critical", F_TEXT),
	FIELD("serious", "serious", F_TEXT),
	FIELD("minor", "minor", F_TEXT),
	FIELD("info", "info", F_TEXT),
	END,
};
static const struct field failover_fields[] = {
	FIELD("at_utc", "time", F_TEXT),
	FIELD("detected_ms", "detected", F_MS),
	FIELD("claimed_ms", "claimed", F_MS),
	FIELD("started_ms", "started", F_MS),
	MAYBE("vms", "virtual-machine", F_LIST),
	END,
};
static const struct field timing_fields[] = {
	FIELD("heartbeat_ms", "heartbeat-interval", F_MS),
	FIELD("lost_ms", "lost-after", F_MS),
	FIELD("dead_ms", "machines-started-after", F_MS),
	FIELD("frozen_ms", "paused-at-most", F_MS),
	END,
};
static const struct field schedule_fields[] = {
	FIELD("every", "every", F_TEXT),
	FIELD("day", "day", F_TEXT),
	FIELD("hour", "hour", F_TEXT),
	FIELD("repair", "with-repair", F_BOOL),
	END,
};
static const struct field unit_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("id", "id", F_TEXT),
	FIELD("version", "version", F_TEXT),
	FIELD("uuid", "uuid", F_TEXT),
	FIELD("activity", "state", F_TEXT),
	FIELD("state", "standing-state", F_HEALTH),
	MAYBE("reason", "reason", F_REASON),
	FIELD("syncing", "syncing", F_BOOL),
	FIELD("address", "address", F_TEXT),
	FIELD("primary", "primary", F_TEXT),
	FIELD("node", "answered-by", F_TEXT),
	FIELD("generation", "generation", F_TEXT),
	MAYBE("owner", "owner", F_TEXT),
	GROUP("resources", "resources", resource_fields),
	GROUP("arbiter", "arbiter", arbiter_fields),
	GROUPS("links", "links", link_fields, "link"),
	GROUP("alerts", "open-alerts", alert_counts),
	GROUP("timings", "timings", timing_fields),
	GROUP("last_failover", "last-failover", failover_fields),
	FIELD("resync_rate_kib_s", "resync-limit-kib-s", F_TEXT),
	GROUP("verify_schedule", "verify-schedule", schedule_fields),
	FIELD("go_home", "vms-go-home", F_BOOL),
	END,
};

/* --- node --- */

static const struct field cpu_fields[] = {
	FIELD("sockets", "sockets", F_TEXT),
	FIELD("cores", "cores", F_TEXT),
	FIELD("threads", "threads", F_TEXT),
	END,
};
static const struct field version_fields[] = {
	MAYBE("avpair", "avpair", F_TEXT),
	MAYBE("corosync", "corosync", F_TEXT),
	MAYBE("qemu", "qemu", F_TEXT),
	MAYBE("kernel", "kernel", F_TEXT),
	END,
};
static const struct field heartbeat_fields[] = {
	FIELD("link", "name", F_TEXT),
	FIELD("age_ms", "age", F_MS),
	END,
};
static const struct field sign_fields[] = {
	FIELD("corosync", "corosync", F_BOOL),
	FIELD("agent", "agent", F_BOOL),
	FIELD("mirror", "mirror", F_BOOL),
	GROUPS("heartbeats", "heartbeats", heartbeat_fields, "link"),
	END,
};
static const struct field agent_fields[] = {
	FIELD("pid", "pid", F_TEXT),
	FIELD("rss_bytes", "memory", F_SIZE),
	FIELD("uptime_s", "uptime", F_SECONDS),
	FIELD("beats_ignored", "ignored-heartbeats", F_TEXT),
	END,
};
static const struct field mtbf_fields[] = {
	FIELD("policy", "policy", F_TEXT),
	FIELD("threshold_s", "threshold", F_SECONDS),
	FIELD("judged_from", "minimum-failures", F_TEXT),
	FIELD("failures", "failures", F_TEXT),
	MAYBE("mean_s", "mtbf", F_SECONDS),
	MAYBE("last_utc", "last-failure", F_TEXT),
	FIELD("held", "excessive-failures", F_BOOL),
	END,
};
static const struct field watchdog_fields[] = {
	FIELD("state", "status", F_TEXT),
	FIELD("device", "device", F_TEXT),
	END,
};
static const struct field maintenance_fields[] = {
	FIELD("phase", "phase", F_TEXT),
	FIELD("since_utc", "since", F_TEXT),
	FIELD("by", "ordered-by", F_TEXT),
	FIELD("waiting_for", "waiting-for", F_LIST),
	MAYBE("power", "ordered-action", F_TEXT),
	END,
};
static const struct field fault_fields[] = {
	FIELD("part", "part", F_TEXT),
	FIELD("text", "report", F_TEXT),
	FIELD("since_utc", "since", F_TEXT),
	END,
};
static const struct field node_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("id", "id", F_TEXT),
	FIELD("activity", "state", F_TEXT),
	FIELD("state", "standing-state", F_HEALTH),
	FIELD("role", "mode", F_TEXT),
	FIELD("primary", "primary", F_BOOL),
	MAYBE("reason", "reason", F_REASON),
	FIELD("cpus.sockets", "cpus", F_TEXT),
	FIELD("memory_bytes", "memory", F_SIZE),
	MAYBE("acceleration", "acceleration", F_TEXT),
	MAYBE("uptime_s", "uptime", F_SECONDS),
	FIELD("addresses", "ip-address", F_LIST),
	FIELD("vms", "virtual-machine", F_LIST),
	GROUP("cpus", "processors", cpu_fields),
	GROUP("versions", "versions", version_fields),
	GROUP("signs", "signs-of-life", sign_fields),
	GROUP("agent", "agent", agent_fields),
	GROUP("watchdog", "watchdog", watchdog_fields),
	GROUP("mtbf", "mtbf", mtbf_fields),
	GROUP("maintenance", "maintenance", maintenance_fields),
	GROUPS("faults", "predicted-failures", fault_fields, "fault"),
	END,
};

/* --- vm --- */

static const struct field vm_volume_fields[] = {
	FIELD("device", "device", F_TEXT),
	FIELD("name", "name", F_TEXT),
	FIELD("id", "id", F_TEXT),
	FIELD("size_bytes", "size", F_SIZE),
	FIELD("boot", "bootable", F_BOOL),
	MAYBE("state", "standing-state", F_HEALTH),
	END,
};
static const struct field vm_network_fields[] = {
	FIELD("name", "shared-network", F_TEXT),
	FIELD("id", "id", F_TEXT),
	FIELD("mac", "MAC", F_TEXT),
	MAYBE("tap", "tap", F_TEXT),
	END,
};
static const struct field migration_fields[] = {
	FIELD("from", "from", F_TEXT),
	FIELD("to", "to", F_TEXT),
	FIELD("phase", "phase", F_TEXT),
	FIELD("percent", "progress", F_PERCENT),
	FIELD("bytes", "copied", F_SIZE),
	FIELD("remaining_bytes", "remaining", F_SIZE),
	MAYBE("downtime_ms", "expected-downtime-ms", F_TEXT),
	MAYBE("seconds_left", "time-left", F_SECONDS),
	FIELD("started_utc", "started", F_TEXT),
	FIELD("by", "by", F_TEXT),
	END,
};
static const struct field last_migration_fields[] = {
	FIELD("from", "from", F_TEXT),
	FIELD("to", "to", F_TEXT),
	FIELD("result", "result", F_TEXT),
	MAYBE("reason", "reason", F_REASON),
	FIELD("started_utc", "started", F_TEXT),
	FIELD("ended_utc", "ended", F_TEXT),
	FIELD("by", "by", F_TEXT),
	END,
};
static const struct field vm_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("id", "id", F_TEXT),
	FIELD("uuid", "uuid", F_TEXT),
	FIELD("description", "description", F_TEXT),
	FIELD("activity", "state", F_TEXT),
	FIELD("state", "standing-state", F_HEALTH),
	MAYBE("reason", "reason", F_REASON),
	MAYBE("progress_percent", "progress", F_PERCENT),
	FIELD("want", "wanted-state", F_TEXT),
	FIELD("node", "node", F_TEXT),
	FIELD("preferred", "preferred-node", F_TEXT),
	MAYBE("home", "goes-home-to", F_TEXT),
	GROUP("migration", "migration", migration_fields),
	GROUP("last_migration", "last-migration", last_migration_fields),
	FIELD("vcpus", "cpus", F_TEXT),
	FIELD("memory_bytes", "memory", F_SIZE),
	FIELD("os", "type", F_TEXT),
	MAYBE("acceleration", "acceleration", F_TEXT),
	FIELD("crashes", "crashes", F_TEXT),
	FIELD("created_utc", "created", F_TEXT),
	MAYBE("started_utc", "started", F_TEXT),
	GROUP("mtbf", "mtbf", mtbf_fields),
	GROUPS("networks", "interfaces", vm_network_fields, "interface"),
	GROUPS("volumes", "volumes", vm_volume_fields, "volume"),
	END,
};

/* --- volume --- */

static const struct field named_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("id", "id", F_TEXT),
	END,
};
static const struct field leg_fields[] = {
	FIELD("node", "node", F_TEXT),
	FIELD("disk", "enable-status", F_TEXT),
	FIELD("role", "role", F_TEXT),
	FIELD("failed", "failed", F_BOOL),
	FIELD("read_errors", "read-errors", F_TEXT),
	FIELD("repaired_bytes", "repaired", F_SIZE),
	END,
};
static const struct field verify_fields[] = {
	FIELD("state", "state", F_TEXT),
	FIELD("repair", "with-repair", F_BOOL),
	MAYBE("percent", "done", F_PERCENT),
	FIELD("found", "blocks-that-differ", F_TEXT),
	FIELD("repaired", "blocks-repaired", F_TEXT),
	MAYBE("by", "ordered-by", F_TEXT),
	MAYBE("started_utc", "started", F_TEXT),
	MAYBE("ended_utc", "ended", F_TEXT),
	MAYBE("reason", "reason", F_TEXT),
	END,
};
static const struct field resync_fields[] = {
	FIELD("finished_utc", "finished", F_TEXT),
	FIELD("bytes_changed", "changed", F_SIZE),
	FIELD("bytes_copied", "copied", F_SIZE),
	END,
};
static const struct field volume_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("id", "id", F_TEXT),
	FIELD("size_bytes", "size", F_SIZE),
	FIELD("boot", "bootable", F_BOOL),
	FIELD("activity", "state", F_TEXT),
	FIELD("state", "standing-state", F_HEALTH),
	FIELD("sync_percent", "synced", F_PERCENT),
	MAYBE("seconds_left", "time-left", F_SECONDS),
	FIELD("resync_paused", "resync-paused", F_BOOL),
	FIELD("growing", "growing", F_BOOL),
	MAYBE("failed_leg", "failed-leg", F_TEXT),
	MAYBE("failed_reason", "failed-reason", F_TEXT),
	FIELD("out_of_step_bytes", "out-of-step", F_SIZE),
	MAYBE("generation", "generation", F_TEXT),
	GROUP("storage_group", "storage-group", named_fields),
	GROUP("vm", "virtual-machine", named_fields),
	GROUPS("legs", "disk-images", leg_fields, "disk-image"),
	GROUP("last_resync", "last-resync", resync_fields),
	GROUP("verify", "verify", verify_fields),
	END,
};

/* --- the rest --- */

static const struct field port_fields[] = {
	FIELD("node", "node", F_TEXT),
	FIELD("interface", "interface", F_TEXT),
	FIELD("link", "status", F_TEXT),
	END,
};
static const struct field network_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("id", "id", F_TEXT),
	FIELD("state", "standing-state", F_HEALTH),
	FIELD("role", "role", F_TEXT),
	FIELD("bridge", "bridge", F_TEXT),
	FIELD("mtu", "mtu", F_TEXT),
	FIELD("vms", "virtual-machine", F_LIST),
	GROUPS("ports", "ports", port_fields, "port"),
	END,
};
static const struct field storage_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("id", "id", F_TEXT),
	FIELD("state", "standing-state", F_HEALTH),
	FIELD("size_bytes", "size", F_SIZE),
	FIELD("used_bytes", "size-used", F_SIZE),
	FIELD("free_bytes", "size-free", F_SIZE),
	FIELD("volumes", "volume", F_LIST),
	END,
};
static const struct field image_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("size_bytes", "size", F_SIZE),
	FIELD("node", "node", F_TEXT),
	END,
};
static const struct field split_side_fields[] = {
	MAYBE("changed_bytes", "written-since", F_SIZE),
	MAYBE("written_utc", "last-write", F_TEXT),
	MAYBE("disk", "disk", F_TEXT),
	END,
};
static const struct field split_sides_fields[] = {
	GROUP("node0", "node0", split_side_fields),
	GROUP("node1", "node1", split_side_fields),
	END,
};
static const struct field split_volume_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("id", "id", F_TEXT),
	MAYBE("vm", "virtual-machine", F_NAME),
	FIELD("differs", "differs", F_BOOL),
	MAYBE("keep", "keep", F_TEXT),
	GROUP("nodes", "nodes", split_sides_fields),
	END,
};
static const struct field split_database_fields[] = {
	FIELD("generation", "generation", F_TEXT),
	FIELD("sequence", "changes", F_TEXT),
	MAYBE("changed_utc", "last-change", F_TEXT),
	END,
};
static const struct field split_unit_fields[] = {
	MAYBE("keep", "keep", F_TEXT),
	GROUP("node0", "node0", split_database_fields),
	GROUP("node1", "node1", split_database_fields),
	END,
};
static const struct field split_fields[] = {
	FIELD("split", "split", F_BOOL),
	FIELD("stage", "stage", F_TEXT),
	MAYBE("problem", "problem", F_TEXT),
	GROUP("unit", "database", split_unit_fields),
	GROUPS("volumes", "volumes", split_volume_fields, "volume"),
	END,
};
static const struct field quorum_node_fields[] = {
	FIELD("state", "state", F_TEXT),
	MAYBE("text", "reason", F_TEXT),
	MAYBE("ok_utc", "last-contact", F_TEXT),
	END,
};
static const struct field quorum_nodes_fields[] = {
	GROUP("node0", "node0", quorum_node_fields),
	GROUP("node1", "node1", quorum_node_fields),
	END,
};
static const struct field quorum_fields[] = {
	FIELD("address", "address", F_TEXT),
	FIELD("id", "id", F_TEXT),
	FIELD("kind", "kind", F_TEXT),
	FIELD("preference", "preference", F_TEXT),
	FIELD("activity", "state", F_TEXT),
	FIELD("state", "standing-state", F_HEALTH),
	FIELD("active", "active", F_BOOL),
	FIELD("leaving", "leaving", F_BOOL),
	FIELD("weak", "weak", F_BOOL),
	FIELD("tls", "client-certificate", F_BOOL),
	GROUP("nodes", "nodes", quorum_nodes_fields),
	END,
};
static const struct field alert_fields[] = {
	FIELD("id", "id", F_TEXT),
	FIELD("code", "name", F_TEXT),
	FIELD("severity", "severity", F_HEALTH),
	FIELD("open", "open", F_BOOL),
	FIELD("raised_utc", "time", F_TEXT),
	MAYBE("cleared_utc", "cleared", F_TEXT),
	FIELD("count", "count", F_TEXT),
	FIELD("object", "object", F_TEXT),
	FIELD("text", "description", F_TEXT),
	MAYBE("cause", "cause", F_TEXT),
	FIELD("repair", "repair", F_LIST),
	END,
};
static const struct field audit_fields[] = {
	FIELD("id", "id", F_TEXT),
	FIELD("at_utc", "time", F_TEXT),
	FIELD("user", "user", F_TEXT),
	FIELD("role", "role", F_TEXT),
	FIELD("origin", "origin", F_TEXT),
	FIELD("via", "via", F_TEXT),
	FIELD("action", "action", F_TEXT),
	FIELD("object", "object", F_TEXT),
	FIELD("result", "result", F_TEXT),
	FIELD("detail", "detail", F_TEXT),
	END,
};
static const struct field user_fields[] = {
	FIELD("name", "name", F_TEXT),
	FIELD("role", "role", F_TEXT),
	FIELD("real_name", "real-name", F_TEXT),
	FIELD("language", "language", F_TEXT),
	FIELD("created_utc", "created", F_TEXT),
	END,
};

const struct kind kinds[] = {
	{ "unit", "/unit", "unit", "unit", unit_fields },
	{ "node", "/nodes", "node", "node", node_fields },
	{ "vm", "/vms", "virtual machine", "virtual-machine", vm_fields },
	{ "volume", "/volumes", "volume", "volume", volume_fields },
	{ "network", "/networks", "network", "shared-network", network_fields },
	{ "storage", "/storage-groups", "storage group", "storage-group",
	    storage_fields },
	{ "split", "/split", "split", "split", split_fields },
	{ "quorum", "/quorum-servers", "quorum server", "quorum-server",
	    quorum_fields },
	{ "image", "/images", "image", "image", image_fields },
	{ "alert", "/alerts", "alert", "alert", alert_fields },
	{ "audit", "/audit", "audit line", "audit", audit_fields },
	{ "user", "/users", "user", "user", user_fields },
};
const size_t n_kinds = ARRAY_SIZE(kinds);

const struct kind *
kind_by_word(const char *word)
{
	size_t i;

	for (i = 0; i < n_kinds; i++)
		if (strcmp(kinds[i].word, word) == 0)
			return &kinds[i];
	return NULL;
}
