/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_volume.c - volumes, storage groups, images, networks
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "nodeagent/view_impl.h"

static const struct { const char *name, *state; } activities[] = {
	[VOLUME_IN_STEP] = { "in-step", "good" },
	[VOLUME_SYNCING] = { "syncing", "busy" },
	[VOLUME_ONE_LEG] = { "one-leg", "alert" },
	[VOLUME_HELD] = { "held", "alert" },
	[VOLUME_SPLIT] = { "split", "critical" },
	[VOLUME_CREATING] = { "creating", "busy" },
	[VOLUME_STOPPED] = { "stopped", "-" },
};

/* --- volumes --- */

static const json_t *
leg_fact(const json_t *const facts[2], int self, int node, const char *id)
{
	return json_object_get(json_object_get(view_heard(facts, self, node),
	    "volumes"), id);
}

/* The PM whose word counts: the primary's; else anybody's. */
static const json_t *
leading_fact(const json_t *const facts[2], int self, const char *id)
{
	const json_t *fact, *any = NULL;
	int node;

	for (node = 0; node < STORE_NODES; node++) {
		fact = leg_fact(facts, self, node, id);
		if (strcmp(view_text(fact, "role", NULL), "primary") == 0)
			return fact;
		if (any == NULL)
			any = fact;
	}
	return any;
}

static enum volume_activity
conn_activity(const json_t *fact)
{
	const char *conn = view_text(fact, "conn", NULL);

	if (strcmp(conn, "connected") == 0)
		return VOLUME_IN_STEP;
	if (strncmp(conn, "resync-", strlen("resync-")) == 0)
		return VOLUME_SYNCING;
	if (strcmp(conn, "held") == 0)
		return VOLUME_HELD;
	if (strcmp(conn, "split") == 0)
		return VOLUME_SPLIT;
	return strcmp(view_text(fact, "role", NULL), "primary") == 0 ?
	    VOLUME_ONE_LEG : VOLUME_STOPPED;
}

void
view_volume_state(const json_t *const facts[2], int self,
    const struct store_volume *vol, struct volume_state *ret)
{
	ret->fact = leading_fact(facts, self, vol->id);
	ret->activity = vol->phase == STORE_CREATING ? VOLUME_CREATING :
	    vol->phase == STORE_DELETING || ret->fact == NULL ?
	    VOLUME_STOPPED : conn_activity(ret->fact);
	ret->name = activities[ret->activity].name;
	ret->state = activities[ret->activity].state;
	if (vol->phase == STORE_DELETING)
		ret->state = "busy";
}

bool
view_volume_may_leave(const json_t *const facts[2], int self,
    const struct store_volume *vol, int node)
{
	struct volume_state vs;

	if (vol->failed_leg >= 0)
		return vol->failed_leg == node && strcmp(view_text(
		    leg_fact(facts, self, node, vol->id), "conn", NULL),
		    "diskless") == 0;
	view_volume_state(facts, self, vol, &vs);
	return vs.activity == VOLUME_IN_STEP;
}

static json_t *
legs(const json_t *const facts[2], int self, const struct store_volume *vol)
{
	json_t *list = json_array();
	int node;

	for (node = 0; node < STORE_NODES; node++) {
		const json_t *fact = leg_fact(facts, self, node, vol->id);
		const char *disk = view_text(fact, "disk", NULL);
		const char *role = view_text(fact, "role", NULL);
		bool failed = vol->failed_leg == node;

		/* whatever its server says: it isn't used until it is filled */
		if (failed && vol->replace != STORE_REPLACE_MADE)
			disk = "failed";
		(void)json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:s, s:b, s:I, s:I}", "node",
		    view_node_name(node), "disk",
		    disk[0] != '\0' ? disk : "unknown", "role",
		    role[0] != '\0' ? role : "down", "failed", failed,
		    "read_errors", (json_int_t)json_integer_value(
		    json_object_get(fact, "read_errors")), "repaired_bytes",
		    (json_int_t)json_integer_value(json_object_get(fact,
		    "repaired_bytes"))));
	}
	return list;
}

static json_t *
name_of(const struct store *st, const char *id, const char *sql)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	const char *number = strrchr(id, 'o');

	if (id[0] == '\0' || number == NULL ||
	    sql_query(st, &stmt, NULL, sql, "s", number + 1) < 0 ||
	    sql_next(st, stmt, NULL) != 1)
		return json_null();
	return json_pack("{s:s, s:s}", "id", id, "name", sql_text(stmt, 0));
}

struct list_arg {
	const struct store *st;
	const json_t *const *facts;
	int		 self;
	json_t		*list;
};

static json_t *
percent(const struct volume_state *vs)
{
	const json_t *p = json_object_get(vs->fact, "sync_percent");

	if (vs->activity == VOLUME_IN_STEP)
		return json_integer(100);
	return vs->activity == VOLUME_SYNCING && json_is_number(p) ?
	    json_incref((json_t *)(uintptr_t)p) : json_null();
}

static int
add_volume(void *arg, const struct store_volume *vol)
{
	struct list_arg *la = arg;
	struct volume_state vs;
	char identity[17];
	const char *seen, *error;

	view_volume_state(la->facts, la->self, vol, &vs);
	(void)snprintf(identity, sizeof(identity), "%016" PRIx64,
	    vol->initial_identity);
	seen = view_text(vs.fact, "identity", NULL);
	error = view_text(vs.fact, "error", NULL);
	return json_array_append_new(la->list, json_pack(
	    "{s:s, s:s, s:I, s:o, s:o, s:b, s:s, s:s, s:o, s:o, s:I, s:o, s:s,"
	    " s:o, s:o, s:o, s:b, s:I, s:o, s:o, s:b, s:o}",
	    "id", vol->id, "name", vol->name, "size_bytes",
	    (json_int_t)vol->size_bytes, "storage_group", name_of(la->st,
	    vol->group_id, "SELECT name FROM storage_group WHERE id = ?"),
	    "vm", name_of(la->st, vol->vm_id,
	    "SELECT name FROM vm WHERE id = ?"), "boot", vol->boot, "state",
	    vs.state, "activity", vs.name, "sync_percent", percent(&vs),
	    "seconds_left", view_copy(vs.fact, "seconds_left"),
	    "out_of_step_bytes", (json_int_t)json_integer_value(
	    json_object_get(vs.fact, "out_of_step_bytes")), "legs",
	    legs(la->facts, la->self, vol), "generation",
	    seen[0] != '\0' ? seen : identity, "last_resync",
	    view_copy(vs.fact, "last_resync"), "error", error[0] != '\0' ?
	    json_string(error) : json_null(), "verify",
	    view_verify(vol, &vs), "resync_paused", vol->resync_paused,
	    "sync_kib_s", (json_int_t)json_integer_value(
	    json_object_get(vs.fact, "sync_kib_s")), "failed_leg",
	    view_node_json(vol->failed_leg), "failed_reason",
	    vol->failed_text[0] != '\0' ? json_string(vol->failed_text) :
	    json_null(), "growing", view_volume_growing(vol, &vs), "commands",
	    view_volume_commands(vol, &vs))) < 0 ? -ENOMEM : 0;
}

json_t *
view_volumes(const struct store *st, const json_t *const facts[2], int self)
{
	struct list_arg la = { st, facts, self, json_array() };

	if (store_each_volume(st, add_volume, &la) < 0) {
		json_decref(la.list);
		return NULL;
	}
	return la.list;
}

/* --- storage groups --- */

json_t *
view_storage_groups(const struct store *st)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL, *vols = NULL;
	AUTO_JSON json_t *list = json_array();
	AUTO_JSON json_t *ids = json_array();
	struct view_resources res;
	char id[STORE_ID_MAX];
	uint64_t used = 0;

	/* one group a unit so far: it has all the space */
	if (view_resources(st, &res) < 0 || sql_query(st, &stmt, NULL,
	    "SELECT id, name FROM storage_group ORDER BY id", "") < 0)
		return NULL;
	while (sql_next(st, stmt, NULL) == 1) {
		int64_t group = sqlite3_column_int64(stmt, 0);

		(void)json_array_clear(ids);
		used = 0;
		(void)sqlite3_finalize(TAKE_PTR(vols));
		if (sql_query(st, &vols, NULL, "SELECT id, size_bytes FROM"
		    " volume WHERE storage_group = ? ORDER BY id", "i",
		    group) < 0)
			return NULL;
		while (sql_next(st, vols, NULL) == 1) {
			store_id_format(KIND_VOLUME,
			    sqlite3_column_int64(vols, 0), id, sizeof(id));
			(void)json_array_append_new(ids, json_string(id));
			used += (uint64_t)sqlite3_column_int64(vols, 1);
		}
		store_id_format(KIND_GROUP, group, id, sizeof(id));
		(void)json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:I, s:I, s:I, s:o, s:s}", "id", id, "name",
		    sql_text(stmt, 1), "size_bytes",
		    (json_int_t)res.storage_total_bytes, "used_bytes",
		    (json_int_t)used, "free_bytes",
		    (json_int_t)(res.storage_total_bytes > used ?
		    res.storage_total_bytes - used : 0), "volumes",
		    json_copy(ids), "state", "good"));
	}
	return TAKE_PTR(list);
}

/* --- images --- */

json_t *
view_images(const json_t *const facts[2], int self)
{
	json_t *list = json_array();
	const json_t *images, *image;
	size_t i;
	int node;

	for (node = 0; node < STORE_NODES; node++) {
		images = json_object_get(view_heard(facts, self, node),
		    "images");
		json_array_foreach((json_t *)(uintptr_t)images, i, image)
			(void)json_array_append_new(list, json_pack(
			    "{s:o, s:o, s:s}", "name", view_copy(image, "name"),
			    "size_bytes", view_copy(image, "size_bytes"),
			    "node", view_node_name(node)));
	}
	return list;
}

/* --- networks --- */

const json_t *
view_port(const json_t *ports, const char *network, const char *bridge)
{
	const json_t *port = json_object_get(ports, network);

	return port != NULL ? port : json_object_get(ports, bridge);
}

static json_t *
ports(const json_t *const facts[2], int self, const struct store_network *net,
    bool *ret_all_up)
{
	json_t *list = json_array();
	int node;

	*ret_all_up = true;
	for (node = 0; node < STORE_NODES; node++) {
		const json_t *all = json_object_get(view_heard(facts, self,
		    node), "ports");
		const json_t *port = view_port(all, net->name, net->bridge);
		const char *link = view_text(port, "link", NULL);

		if (strcmp(link, "up") != 0)
			*ret_all_up = false;
		(void)json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:s}", "node", view_node_name(node),
		    "interface", view_text(port, "interface", NULL), "link",
		    link[0] != '\0' ? link : "unknown"));
	}
	return list;
}

static json_t *
network_vms(const struct store *st, const char *net_id)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	json_t *list = json_array();
	char id[STORE_ID_MAX];
	int64_t n = 0;

	(void)store_id_parse(KIND_NETWORK, net_id, &n);
	if (sql_query(st, &stmt, NULL, "SELECT DISTINCT vm FROM vm_network"
	    " WHERE network = ? ORDER BY vm", "i", n) < 0)
		return list;
	while (sql_next(st, stmt, NULL) == 1) {
		store_id_format(KIND_VM, sqlite3_column_int64(stmt, 0), id,
		    sizeof(id));
		(void)json_array_append_new(list, json_string(id));
	}
	return list;
}

static int
add_network(void *arg, const struct store_network *net)
{
	struct list_arg *la = arg;
	bool all_up;
	json_t *port_list = ports(la->facts, la->self, net, &all_up);

	return json_array_append_new(la->list, json_pack(
	    "{s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:s}", "id", net->id, "name",
	    net->name, "role", "business", "bridge", net->bridge, "mtu",
	    (int)net->mtu, "ports", port_list, "vms",
	    network_vms(la->st, net->id), "state",
	    all_up ? "good" : "alert")) < 0 ? -ENOMEM : 0;
}

json_t *
view_networks(const struct store *st, const json_t *const facts[2], int self)
{
	struct list_arg la = { st, facts, self, json_array() };

	if (store_each_network(st, add_network, &la) < 0) {
		json_decref(la.list);
		return NULL;
	}
	return la.list;
}
