/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_unit.c - the unit and its PMs
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/core/limits.h"
#include "nodeagent/maintenance.h"
#include "nodeagent/store_fault.h"
#include "nodeagent/store_maintenance.h"
#include "nodeagent/store_mtbf.h"
#include "nodeagent/view_impl.h"

/* --- resources --- */

static uint64_t
sum(const struct store *st, const char *sql)
{
	int64_t n = 0;

	(void)sql_get_int(st, &n, NULL, sql, "");	/* 0 when unreadable: the
							 * rest of the view says so */
	return (uint64_t)n;
}

int
view_resources(const struct store *st, struct view_resources *ret)
{
	struct limits_pm pms[STORE_NODES] = { 0 };
	struct limits_unit lim;
	struct store_node node;
	int i;

	for (i = 0; i < STORE_NODES; i++) {
		int rc = store_get_node(st, i, &node);

		if (rc < 0)
			return rc;
		pms[i] = (struct limits_pm){ .cpus = { node.threads,
		    node.cores, node.sockets }, .memory_bytes =
		    node.memory_bytes, .storage_bytes = node.storage_bytes };
	}
	limits_unit_of(pms, &lim);
	*ret = (struct view_resources){
		.vcpus_total = lim.vcpus.total,
		.vcpus_recommended = lim.vcpus.recommended,
		.vcpus_limit = lim.vcpus.limit,
		.vcpus_used = sum(st, "SELECT coalesce(sum(vcpus), 0) FROM vm"
		    " WHERE node IS NOT NULL AND phase <> 0"),
		.memory_total_bytes = lim.memory_bytes,
		.memory_used_bytes = sum(st, "SELECT"
		    " coalesce(sum(memory_bytes), 0) FROM vm"
		    " WHERE node IS NOT NULL AND phase <> 0"),
		.storage_total_bytes = lim.storage_bytes,
		.storage_used_bytes = sum(st,
		    "SELECT coalesce(sum(size_bytes), 0) FROM volume"),
	};
	return 0;
}

static json_t *
resources_json(const struct store *st)
{
	struct view_resources r;

	if (view_resources(st, &r) < 0)
		return json_null();
	return json_pack("{s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I}",
	    "vcpus_total", (int)r.vcpus_total, "vcpus_recommended",
	    (int)r.vcpus_recommended, "vcpus_limit", (int)r.vcpus_limit,
	    "vcpus_used", (json_int_t)r.vcpus_used, "memory_total_bytes",
	    (json_int_t)r.memory_total_bytes, "memory_used_bytes",
	    (json_int_t)r.memory_used_bytes, "storage_total_bytes",
	    (json_int_t)r.storage_total_bytes, "storage_used_bytes",
	    (json_int_t)r.storage_used_bytes);
}

/* --- the unit's state --- */

struct volumes_seen {
	const json_t *const *facts;
	int	self;
	bool	syncing, split, not_in_step;
};

static int
see_volume(void *arg, const struct store_volume *vol)
{
	struct volumes_seen *seen = arg;
	struct volume_state vs;

	view_volume_state(seen->facts, seen->self, vol, &vs);
	seen->syncing |= vs.activity == VOLUME_SYNCING;
	seen->split |= vs.activity == VOLUME_SPLIT;
	seen->not_in_step |= vol->phase == STORE_READY &&
	    vs.activity != VOLUME_IN_STEP;
	return 0;
}

/* What isn't heard of a peer that is there, as a sentence; false = everything is. */
static bool
signs_missing(const json_t *facts, char *ret_text, size_t n)
{
	const json_t *signs = json_object_get(facts, "signs"), *beat;
	size_t i;

	if (json_is_false(json_object_get(signs, "agent"))) {
		(void)snprintf(ret_text, n, "both PMs are up, but the other "
		    "PM's agent isn't heard: changes wait for it");
		return true;
	}
	if (json_is_false(json_object_get(signs, "corosync"))) {
		(void)snprintf(ret_text, n, "both PMs are up, but corosync "
		    "doesn't connect them: changes wait for it");
		return true;
	}
	json_array_foreach(json_object_get(signs, "heartbeats"), i, beat)
		if (strcmp(view_text(beat, "state", NULL), "down") == 0) {
			(void)snprintf(ret_text, n, "both PMs are up, but the "
			    "link '%s' (%s to %s) is down",
			    view_text(beat, "link", NULL),
			    view_text(beat, "local", NULL),
			    view_text(beat, "peer", NULL));
			return true;
		}
	return false;
}

static const struct unit_row {
	const char *role, *activity, *state, *text;
} unit_rows[] = {
	{ "frozen", "frozen", "critical",
	    "the other PM is lost; guests are paused while the right to run alone is asked for" },
	{ "waiting", "waiting", "critical",
	    "this PM may not run guests: it has no proof that its data is the newest" },
	{ "joining", "waiting", "busy", "this PM is starting" },
	{ "stopped", "stopped", "critical",
	    "the other PM has the right to run alone; guests here are stopped" },
	{ "split", "split", "critical",
	    "both PMs ran alone: nothing is overwritten; a person must decide" },
	{ "rejoining", "syncing", "busy",
	    "the PMs are going back to running together" },
};

static const struct unit_row *
row_of(const char *role)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unit_rows); i++)
		if (strcmp(unit_rows[i].role, role) == 0)
			return &unit_rows[i];
	return NULL;
}

static void
set_state(struct unit_state *ret, const char *activity, const char *state,
    const char *code, const char *text)
{
	ret->activity = activity;
	ret->state = state;
	ret->reason = view_reason(code, text);
}

/* The role's own words, when it gives some, are nearer to the cause. */
static void
set_from_role(struct unit_state *ret, const json_t *facts,
    const char *activity, const char *state, const char *code,
    const char *text)
{
	const json_t *role = json_object_get(facts, "role");
	const char *said = view_text(role, "reason", "text");
	const char *said_code = view_text(role, "reason", "code");

	if (said[0] != '\0' && said_code[0] != '\0') {
		ret->activity = activity;
		ret->state = state;
		ret->reason = json_incref(json_object_get(role, "reason"));
	} else {
		set_state(ret, activity, state, code, text);
	}
}

static void
state_alone(struct unit_state *ret, const json_t *facts, bool peer_heard)
{
	if (ret->syncing)
		set_state(ret, "syncing", "alert", "syncing",
		    "the other PM is back and is being brought up to date");
	else
		set_from_role(ret, facts, "alone", "alert", "alone",
		    peer_heard ? "one PM runs the guests; the other one isn't in step yet" :
		    "only one PM is up: guests run, but not redundantly");
}

int
view_unit_state(const struct store *st, const json_t *const facts[2],
    int self, struct unit_state *ret)
{
	struct volumes_seen seen = { .facts = facts, .self = self };
	const char *role = view_role(facts, self, self);
	bool peer = view_node_online(facts, self, 1 - self);
	const struct unit_row *row = row_of(role);
	char missing[200] = "";
	int rc = store_each_volume(st, see_volume, &seen);

	if (rc < 0)
		return rc;
	ret->syncing = seen.syncing;
	if (seen.split)
		set_state(ret, "split", "critical", "volume-split",
		    "the copies of a volume differ on both sides: a person must decide");
	else if (row != NULL)
		set_from_role(ret, facts[self], row->activity, row->state,
		    role, row->text);
	else if (strcmp(role, "alone") == 0 || strcmp(role, "follower") == 0)
		state_alone(ret, facts[self], peer);
	else if (strcmp(role, "together") != 0)
		set_state(ret, "waiting", "busy", "starting",
		    "the agent is starting");
	else if (!peer)
		set_state(ret, "degraded", "alert", "peer-silent",
		    "the other PM isn't heard");
	else if (seen.syncing)
		set_state(ret, "syncing", "busy", "syncing",
		    "volumes are being brought in step");
	else if (signs_missing(facts[self], missing, sizeof(missing)))
		set_state(ret, "degraded", "alert", "degraded", missing);
	else if (seen.not_in_step)
		set_state(ret, "degraded", "alert", "degraded",
		    "both PMs are up, but a volume isn't in step");
	else
		set_state(ret, "running", "good", "ok",
		    "both PMs are up and in step");
	return ret->reason != NULL ? 0 : -ENOMEM;
}

/* --- links, alerts --- */

static json_t *
links_json(const json_t *const facts[2], int self)
{
	const json_t *beats = json_object_get(json_object_get(facts[self],
	    "signs"), "heartbeats"), *beat;
	json_t *list = json_array();
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)beats, i, beat) {
		const char *mine = view_text(beat, "local", NULL);
		const char *peer = view_text(beat, "peer", NULL);
		const char *state = view_text(beat, "state", NULL);
		const char *role = view_text(beat, "role", NULL);

		(void)json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:s, s:s, s:s}", "name",
		    view_text(beat, "link", NULL), "node0",
		    self == 0 ? mine : peer, "node1", self == 0 ? peer : mine,
		    "state", state[0] != '\0' ? state : "unknown", "role",
		    role[0] != '\0' ? role : i == 0 ? "private" : "business"));
	}
	return list;
}

static json_t *
alert_counts(const struct store *st)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	json_t *counts = json_pack("{s:i, s:i, s:i, s:i}", "critical", 0,
	    "serious", 0, "minor", 0, "info", 0);

	if (sql_query(st, &stmt, NULL, "SELECT severity, count(*) FROM alert"
	    " WHERE cleared_ms IS NULL GROUP BY severity", "") < 0)
		return counts;
	while (sql_next(st, stmt, NULL) == 1)
		(void)json_object_set_new(counts, sql_text(stmt, 0),
		    json_integer(sqlite3_column_int(stmt, 1)));
	return counts;
}

static json_t *
arbiter_json(const json_t *facts)
{
	const json_t *arbiter = json_object_get(facts, "arbiter");

	if (json_is_object(arbiter))
		return json_incref((json_t *)(uintptr_t)arbiter);
	return json_pack("{s:s, s:s, s:n, s:s}", "kind", "none", "state",
	    "unconfigured", "address", "text", "no quorum server is configured");
}

/* Of the PM that had one last. */
static json_t *
failover_json(const json_t *const facts[2], int self)
{
	const json_t *mine = json_object_get(facts[self], "last_failover");
	const json_t *other = json_object_get(view_heard(facts, self,
	    1 - self), "last_failover");

	if (!json_is_object(mine) || (json_is_object(other) &&
	    strcmp(view_text(other, "at_utc", NULL),
	    view_text(mine, "at_utc", NULL)) > 0))
		mine = other;
	return mine != NULL ? json_incref((json_t *)(uintptr_t)mine) :
	    json_null();
}

json_t *
view_unit(const struct store *st, const json_t *const facts[2], int self)
{
	const json_t *role = json_object_get(facts[self], "role");
	struct unit_state us = { 0 };
	struct store_unit unit;
	json_t *timings = json_object_get(facts[self], "timings");

	if (store_get_unit(st, &unit) < 0 ||
	    view_unit_state(st, facts, self, &us) < 0)
		return NULL;
	unit.address[strcspn(unit.address, "/")] = '\0';	/* what people type */
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o,"
	    " s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o,"
	    " s:b}", "id", unit.id, "name", unit.name, "uuid", unit.uuid, "version",
	    AV_VERSION, "address", unit.address, "state", us.state, "activity",
	    us.activity, "reason", us.reason, "generation",
	    view_copy(role, "generation"), "owner", view_copy(role, "owner"),
	    "primary", view_node_name(unit.primary), "node",
	    view_node_name(self), "syncing", us.syncing, "resources",
	    resources_json(st), "arbiter", arbiter_json(facts[self]), "links",
	    links_json(facts, self), "alerts", alert_counts(st), "timings",
	    timings != NULL ? json_incref(timings) : json_object(),
	    "last_failover", failover_json(facts, self), "resync_rate_kib_s",
	    (json_int_t)unit.resync_rate_kib_s, "verify_schedule",
	    view_schedule(&unit.verify), "go_home", unit.go_home);
}

/* --- PMs --- */

static const struct { const char *role, *activity, *state; } node_rows[] = {
	{ "together", "running", "good" }, { "alone", "running", "good" },
	{ "rejoining", "running", "good" }, { "follower", "syncing", "alert" },
	{ "frozen", "waiting", "alert" }, { "waiting", "waiting", "alert" },
	{ "joining", "starting", "-" }, { "stopped", "stopped", "alert" },
	{ "split", "waiting", "critical" },
};

static void
node_state(const struct store *st, const json_t *const facts[2], int self,
    int node, const char **ret_activity, const char **ret_state)
{
	const char *role = view_role(facts, self, node);
	size_t i;

	/* out for maintenance: meant to be away, or to come and go */
	*ret_activity = "maintenance";
	*ret_state = "-";
	if (store_node_leaving(st, node) && strcmp(role, "together") != 0)
		return;
	*ret_activity = "lost";
	*ret_state = "critical";
	if (!view_node_online(facts, self, node))
		return;
	*ret_activity = "starting";
	*ret_state = "-";
	for (i = 0; i < ARRAY_SIZE(node_rows); i++)
		if (strcmp(node_rows[i].role, role) == 0) {
			*ret_activity = node_rows[i].activity;
			*ret_state = node_rows[i].state;
		}
}

static json_t *
node_vms(const struct store *st, int node)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	json_t *list = json_array();
	char id[STORE_ID_MAX];

	if (sql_query(st, &stmt, NULL,
	    "SELECT id FROM vm WHERE node = ? ORDER BY id", "i",
	    (int64_t)node) < 0)
		return list;
	while (sql_next(st, stmt, NULL) == 1) {
		store_id_format(KIND_VM, sqlite3_column_int64(stmt, 0), id,
		    sizeof(id));
		(void)json_array_append_new(list, json_string(id));
	}
	return list;
}

/* Signs of this PM as the other sees them; its own when nobody else speaks. */
static json_t *
node_signs(const json_t *const facts[2], int self, int node)
{
	const json_t *by = view_heard(facts, self, 1 - node);
	json_t *signs = json_object_get(by, "signs");

	if (!json_is_object(signs))
		signs = json_object_get(view_heard(facts, self, node), "signs");
	return json_is_object(signs) ? json_incref(signs) :
	    json_pack("{s:b, s:b, s:[], s:b}", "corosync", 0, "agent", 0,
	    "heartbeats", "mirror", 0);
}

static json_t *
node_reason(const json_t *facts)
{
	json_t *reason = json_object_get(json_object_get(facts, "role"),
	    "reason");

	if (json_is_object(reason))
		return json_incref(reason);
	return facts != NULL ? view_reason("", "") : view_reason("node-lost",
	    "no sign of life from this PM");
}

/* What was reported last, for what the facts don't tell (any more). */
static json_t *
node_stored(const struct store *st, int node, const json_t *facts,
    const char *key, const char *sql)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	json_t *value = json_object_get(facts, key);

	if (value != NULL && !json_is_null(value))
		return json_incref(value);
	if (sql_query(st, &stmt, NULL, sql, "i", (int64_t)node) < 0 ||
	    sql_next(st, stmt, NULL) != 1)
		return json_null();
	value = sql_json(stmt, 0);
	return value != NULL ? value : json_null();
}

static int
add_fault(void *arg, const struct store_fault *f)
{
	return json_array_append_new(arg, json_pack("{s:s, s:s, s:o}", "part",
	    f->part, "text", f->text, "since_utc", view_time(f->since_ms))) < 0 ?
	    -ENOMEM : 0;
}

static json_t *
node_faults(const struct store *st, int index)
{
	json_t *list = json_array();

	if (store_each_fault(st, index, add_fault, list) == 0)
		return list;
	json_decref(list);
	return json_null();
}

static json_t *
node_object(const struct store *st, const json_t *const facts[2], int self,
    int index)
{
	const json_t *f = view_heard(facts, self, index);
	const char *activity, *state, *role = view_role(facts, self, index);
	struct store_unit unit;
	struct store_node node;

	if (store_get_unit(st, &unit) < 0 || store_get_node(st, index, &node) < 0)
		return NULL;
	node_state(st, facts, self, index, &activity, &state);
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:{s:i, s:i,"
	    " s:i}, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
	    "id", node.id, "name", node.name, "state", state, "activity",
	    activity, "primary", unit.primary == index, "role",
	    role[0] != '\0' ? role : "stopped", "reason", node_reason(f),
	    "addresses", node_stored(st, index, f, "addresses",
	    "SELECT addresses FROM node WHERE idx = ?"), "cpus", "threads",
	    (int)node.threads, "cores", (int)node.cores, "sockets",
	    (int)node.sockets, "memory_bytes", (json_int_t)node.memory_bytes,
	    "storage_bytes", (json_int_t)node.storage_bytes, "acceleration",
	    view_copy(f, "acceleration"), "vms", node_vms(st, index),
	    "versions", node_stored(st, index, f, "versions",
	    "SELECT versions FROM node WHERE idx = ?"), "signs",
	    node_signs(facts, self, index), "daemons", view_copy(f, "daemons"),
	    "uptime_s", view_copy(f, "uptime_s"), "agent",
	    view_copy(f, "agent"), "watchdog", view_copy(f, "watchdog"),
	    "mtbf", store_mtbf_view(st, node.id), "maintenance",
	    maintenance_view(st, index, role), "faults",
	    node_faults(st, index));
}

json_t *
view_nodes(const struct store *st, const json_t *const facts[2], int self)
{
	AUTO_JSON json_t *list = json_array();
	struct store_unit unit;
	int i;

	if (store_get_unit(st, &unit) < 0)
		return TAKE_PTR(list);		/* no unit: no PMs */
	for (i = 0; i < STORE_NODES; i++)
		if (json_array_append_new(list, node_object(st, facts, self,
		    i)) < 0)
			return NULL;
	return TAKE_PTR(list);
}
