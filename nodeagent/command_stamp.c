/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_stamp.c - what the submitting agent adds to a command
 *
 * Facts differ from PM to PM and from moment to moment; a decision that needs some
 * takes them from the command, where both PMs read the same.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "nodeagent/command.h"
#include "nodeagent/command_move_stamp.h"
#include "nodeagent/store_sql.h"
#include "nodeagent/view_impl.h"

static const char *const node_names[STORE_NODES] = { "node0", "node1" };

/* May guests be started there?  Its own word, if it is heard. */
static bool
node_runs_guests(const json_t *const facts[2], int self, int node)
{
	const char *state = json_string_value(json_object_get(
	    json_object_get(facts[node], "role"), "state"));

	return view_node_online(facts, self, node) && state != NULL &&
	    (strcmp(state, "together") == 0 || strcmp(state, "alone") == 0 ||
	    strcmp(state, "rejoining") == 0);
}

/* On its way back to 'together' a PM still is the only one that runs guests. */
static bool
runs_alone(const json_t *facts)
{
	const char *state = json_string_value(json_object_get(
	    json_object_get(facts, "role"), "state"));

	return state != NULL && (strcmp(state, "alone") == 0 ||
	    strcmp(state, "rejoining") == 0);
}

/* Only what vm.create asks for: all images of a PM would make a long message. */
static bool
asks_for(const json_t *cmd, const char *image)
{
	const json_t *list = json_object_get(json_object_get(cmd, "args"),
	    "volumes"), *vol;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, vol) {
		const char *name = json_string_value(
		    json_object_get(vol, "image"));

		if (name != NULL && strcmp(name, image) == 0)
			return true;
	}
	return false;
}

static int
add_images(json_t *images, const json_t *cmd, const json_t *facts)
{
	const json_t *list = json_object_get(facts, "images"), *image;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, image) {
		const char *name = json_string_value(
		    json_object_get(image, "name"));
		json_t *size = json_object_get(image, "size_bytes");

		/* of two of one name the bigger one has to fit */
		if (name == NULL || !json_is_integer(size) ||
		    !asks_for(cmd, name) ||
		    json_integer_value(json_object_get(images, name)) >=
		    json_integer_value(size))
			continue;
		if (json_object_set(images, name, size) < 0)
			return -ENOMEM;
	}
	return 0;
}

static json_t *
activity_now(const json_t *cmd, const struct store *st,
    const json_t *const facts[2], int self)
{
	const char *ref = json_string_value(json_object_get(
	    json_object_get(cmd, "args"), "vm"));
	char id[STORE_ID_MAX];
	struct vm_state state;
	struct store_vm vm;
	int64_t n;

	if (ref == NULL || store_find(st, KIND_VM, ref, &n, NULL) < 0)
		return json_null();
	store_id_format(KIND_VM, n, id, sizeof(id));
	if (store_get_vm(st, id, &vm) < 0)
		return json_null();
	view_vm_state(st, facts, self, &vm, &state);
	return json_string(view_vm_activity_name(state.activity));
}

/* What the volume in args.volume is doing: "in-step" ... */
static json_t *
volume_now(const json_t *cmd, const struct store *st,
    const json_t *const facts[2], int self)
{
	const char *ref = json_string_value(json_object_get(
	    json_object_get(cmd, "args"), "volume"));
	char id[STORE_ID_MAX];
	struct volume_state vs;
	struct store_volume vol;
	int64_t n;

	if (ref == NULL || store_find(st, KIND_VOLUME, ref, &n, NULL) < 0)
		return json_null();
	store_id_format(KIND_VOLUME, n, id, sizeof(id));
	if (store_get_volume(st, id, &vol) < 0)
		return json_null();
	view_volume_state(facts, self, &vol, &vs);
	return json_string(vs.name);
}

static bool
is_migrate(const json_t *cmd)
{
	const char *op = json_string_value(json_object_get(cmd, "op"));

	return op != NULL && strcmp(op, "vm.migrate") == 0;
}

/* A PM that is out runs no guests, so it isn't among 'online'. */
static bool
is_power(const json_t *cmd)
{
	const char *op = json_string_value(json_object_get(cmd, "op"));

	return op != NULL && strcmp(op, "node.power") == 0;
}

static int
node_of_args(const json_t *cmd)
{
	const char *name = json_string_value(json_object_get(json_object_get(
	    cmd, "args"), "node"));

	return name != NULL && strcmp(name, node_names[1]) == 0;
}

int
command_stamp(json_t *cmd, const struct store *st, const json_t *const facts[2],
    int self, int64_t at_utc_ms, const char *cmd_id)
{
	AUTO_JSON json_t *online = json_array();
	AUTO_JSON json_t *images = json_object();
	AUTO_JSON json_t *alone = NULL;
	AUTO_JSON json_t *activity = activity_now(cmd, st, facts, self);
	AUTO_JSON json_t *volume = volume_now(cmd, st, facts, self);
	json_t *context;
	int node, rc = 0;

	alone = runs_alone(facts[self]) ? json_string(node_names[self]) :
	    json_null();
	for (node = 0; node < STORE_NODES && rc == 0; node++) {
		if (!node_runs_guests(facts, self, node))
			continue;
		rc = json_array_append_new(online,
		    json_string(node_names[node])) < 0 ? -ENOMEM : 0;
		if (rc == 0)
			rc = add_images(images, cmd, facts[node]);
	}
	if (rc < 0)
		return rc;
	context = json_pack("{s:O, s:O, s:O, s:O, s:O}", "online", online,
	    "images", images, "alone", alone, "activity", activity, "volume",
	    volume);
	if (is_migrate(cmd) && json_object_set_new(context, "move",
	    command_move_stamp(cmd, st, facts, self)) < 0) {
		json_decref(context);
		return -ENOMEM;
	}
	if (is_power(cmd) && json_object_set_new(context, "heard", json_boolean(
	    view_node_online(facts, self, node_of_args(cmd)))) < 0) {
		json_decref(context);
		return -ENOMEM;
	}
	if (json_object_set_new(cmd, "context", context) < 0 ||
	    json_object_set_new(cmd, "at_utc_ms",
	    json_integer(at_utc_ms)) < 0 ||
	    json_object_set_new(cmd, "cmd_id", json_string(cmd_id)) < 0)
		return -ENOMEM;
	return 0;
}

json_t *
command_new_system(const char *op, json_t *args, int self)
{
	return json_pack("{s:s, s:o, s:{s:s, s:s, s:s, s:s}}", "op", op,
	    "args", args, "actor", "user", "system", "role", "system",
	    "origin", node_names[self], "via", "agent");
}
