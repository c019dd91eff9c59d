/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/fake_quorum.c - the stand-in agent's quorum servers and split
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/unit/console/fake_world.h"

static json_t *split_keep;	/* "unit", "volume:o8" -> node */
static bool split_now;

static json_t *
split_side(int mib, const char *utc)
{
	return json_pack("{s:I,s:s,s:s}", "changed_bytes",
	    (json_int_t)(mib * MIB), "written_utc", utc, "disk", "uptodate");
}

static json_t *
split_db(int seq)
{
	return json_pack("{s:i,s:i,s:s}", "generation", 4, "sequence", seq,
	    "changed_utc", "2026-03-01T10:00:00.000Z");
}

static json_t *
kept(const char *key)
{
	json_t *v = json_object_get(split_keep, key);

	return v != NULL ? json_incref(v) : json_null();
}

json_t *
op_split_info(json_t *args, const json_t *actor)
{
	bool all = json_object_size(split_keep) == 2;

	(void)args;
	(void)actor;
	if (!split_now)
		return good(json_pack("{s:b,s:s,s:[],s:{s:n,s:n,s:n},s:s}",
		    "split", 0, "stage", "none", "volumes", "unit", "keep",
		    "node0", "node1", "problem", ""));
	return good(json_pack("{s:b,s:s,s:[{s:s,s:s,s:{s:s,s:s},s:b,s:o,"
	    "s:{s:o,s:o}}],s:{s:o,s:o,s:o},s:s}", "split", 1, "stage",
	    all ? "carrying-out" : "deciding", "volumes", "id", "volume:o8",
	    "name", "web-boot", "vm", "id", "vm:o7", "name", "web", "differs",
	    1, "keep", kept("volume:o8"), "nodes", "node0",
	    split_side(3, "2026-03-01T10:00:00.000Z"), "node1",
	    split_side(12, "2026-03-01T11:30:00.000Z"), "unit", "keep",
	    kept("unit"), "node0", split_db(20), "node1", split_db(23),
	    "problem", ""));
}

json_t *
op_split_resolve(json_t *args, const json_t *actor)
{
	const char *object = str(args, "object");
	bool dry = json_is_true(json_object_get(args, "dry_run"));

	(void)actor;
	if (!split_now)
		return refuse("wrong-state", "the unit isn't split: there is "
		    "nothing to decide", NULL, NULL);
	if (strcmp(object, "unit") != 0)
		object = "volume:o8";
	if (!dry) {
		if (split_keep == NULL)
			split_keep = json_object();
		(void)json_object_set(split_keep, object,
		    json_object_get(args, "keep"));
		changed("unit:o1");
	}
	return good(json_pack("{s:{s:O},s:O,s:b}", "decided", object,
	    json_object_get(args, "keep"), "keep",
	    json_object_get(args, "keep"), "dry_run", dry));
}

json_t *
op_test_split(json_t *args, const json_t *actor)
{
	(void)actor;
	split_now = json_is_true(json_object_get(args, "split"));
	json_decref(split_keep);
	split_keep = NULL;
	changed("unit:o1");
	return good(json_object());
}

static json_t *servers;		/* quorum servers */
static int next_server = 31;

static json_t *
server_node(void)
{
	return json_pack("{s:s,s:s,s:s}", "state", "ok", "text", "", "ok_utc",
	    "2026-03-01T10:00:00.000Z");
}

static json_t *
server_make(const char *kind, const char *address, bool preferred, bool active,
    bool tls)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "quorum:o%d", next_server++);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:b,s:b,"
	    "s:{s:o,s:o}}", "id", id, "name", address, "kind", kind, "address", address, "preference",
	    preferred ? "preferred" : "alternate", "activity", "ok", "state",
	    "good", "active", active, "leaving", 0, "weak",
	    strcmp(kind, "ping") == 0, "tls", tls, "nodes", "node0",
	    server_node(), "node1", server_node());
}

json_t *
op_quorum_list(json_t *args, const json_t *actor)
{
	(void)args;
	(void)actor;
	if (servers == NULL)
		servers = json_pack("[o]", server_make("etcd",
		    "https://10.79.0.9:2379", true, true, true));
	return good(json_deep_copy(servers));
}

json_t *
op_quorum_add(json_t *args, const json_t *actor)
{
	const char *kind = str(args, "kind"), *address = str(args, "address");
	AUTO_JSON json_t *first = op_quorum_list(args, actor);
	json_t *made;

	if (strstr(address, "unreachable") != NULL)
		return refuse("quorum-unusable", "node1 can't use this quorum "
		    "server: it doesn't answer", NULL, NULL);
	made = server_make(*kind != '\0' ? kind : "etcd", address,
	    json_is_true(json_object_get(args, "preferred")) ||
	    json_array_size(servers) == 0, json_array_size(servers) == 0,
	    *str(args, "cert") != '\0');
	if (!json_is_true(json_object_get(args, "dry_run"))) {
		(void)json_array_append(servers, made);
		changed("quorum:o1");
	}
	return good(json_pack("{s:o}", "id", json_incref(json_object_get(made,
	    "id"))));
}

json_t *
op_quorum_remove(json_t *args, const json_t *actor)
{
	AUTO_JSON json_t *first = op_quorum_list(args, actor);
	const char *ref = str(args, "server");
	json_t *s;
	size_t i;

	json_array_foreach(servers, i, s) {
		if (strcmp(str(s, "id"), ref) != 0 &&
		    strcmp(str(s, "address"), ref) != 0)
			continue;
		if (!json_is_true(json_object_get(args, "dry_run"))) {
			(void)json_array_remove(servers, i);
			changed("quorum:o1");
		}
		return good(json_object());
	}
	return refuse("not-found", "there is no such quorum server", "name",
	    ref);
}
