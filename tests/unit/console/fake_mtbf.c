/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/fake_mtbf.c - failure counters of fake-agent's VMs and PMs
 */
#include "tests/unit/console/fake_mtbf.h"

#include <string.h>

#include "tests/unit/console/fake_world.h"

static json_t *nodes[2];
static json_t *out[2];		/* maintenance; NULL = none */
static json_t *faults[2];	/* part -> row; NULL = none */

json_t *
mtbf_new(void)
{
	return json_pack("{s:s,s:i,s:i,s:i,s:n,s:n,s:b}", "policy",
	    "threshold", "threshold_s", 1200, "judged_from", 4, "failures", 0,
	    "mean_s", "last_utc", "held", 0);
}

static json_t **
slot(const char *name)
{
	int i = strcmp(name, "node1") == 0;

	if (strcmp(name, "node0") != 0 && i == 0)
		return NULL;
	if (nodes[i] == NULL)
		nodes[i] = mtbf_new();
	return &nodes[i];
}

json_t *
mtbf_of_node(const char *name)
{
	return json_incref(*slot(name));
}

static bool
out_of(const json_t *args, const char *key, json_int_t least, json_int_t most)
{
	const json_t *v = json_object_get(args, key);

	return v != NULL && (json_integer_value(v) < least ||
	    json_integer_value(v) > most);
}

static json_t *
rule_set(json_t *args, json_t *counter)
{
	static const char *const keys[] = { "policy", "threshold_s",
		"judged_from" };
	const char *p = str(args, "policy");
	size_t i;

	if (*p != '\0' && strcmp(p, "threshold") != 0 &&
	    strcmp(p, "always") != 0 && strcmp(p, "never") != 0)
		return refuse("bad-argument", "argument 'policy' must be "
		    "'threshold', 'always' or 'never'", "argument", "policy");
	if (out_of(args, "threshold_s", 1, 366 * 24 * 3600) ||
	    out_of(args, "judged_from", 2, 100))
		return refuse("bad-argument", "a number is out of range",
		    "argument", "threshold_s");
	for (i = 0; i < 3 && !json_is_true(json_object_get(args, "dry_run"));
	    i++)
		if (json_object_get(args, keys[i]) != NULL)
			(void)json_object_set(counter, keys[i],
			    json_object_get(args, keys[i]));
	return NULL;
}

json_t *
op_vm_set_mtbf(json_t *args, const json_t *actor)
{
	json_t *vm = find(vms, str(args, "vm")), *no;

	(void)actor;
	if (vm == NULL)
		return refuse_missing("VM", str(args, "vm"));
	no = rule_set(args, json_object_get(vm, "mtbf"));
	if (no != NULL)
		return no;
	changed(str(vm, "id"));
	return good(json_pack("{s:O}", "id", json_object_get(vm, "id")));
}

json_t *
op_vm_reset(json_t *args, const json_t *actor)
{
	json_t *vm = find(vms, str(args, "vm"));

	(void)actor;
	if (vm == NULL)
		return refuse_missing("VM", str(args, "vm"));
	if (!json_is_true(json_object_get(args, "dry_run"))) {
		set(vm, "mtbf", mtbf_new());
		set(vm, "crashes", json_integer(0));
		if (strcmp(str(vm, "activity"), "crashed") == 0) {
			set(vm, "want", json_string("running"));
			vm_activity(vm, "booting");
			vm_later(vm, "running");
		}
		changed(str(vm, "id"));
	}
	return good(json_pack("{s:O}", "id", json_object_get(vm, "id")));
}

static json_t *
node_op(json_t *args, bool clear)
{
	json_t **m = slot(str(args, "node")), *no = NULL;

	if (m == NULL)
		return refuse("bad-argument", "argument 'node' must be 'node0' "
		    "or 'node1'", "argument", "node");
	if (!clear) {
		no = rule_set(args, *m);
	} else if (!json_is_true(json_object_get(args, "dry_run"))) {
		json_decref(*m);
		*m = mtbf_new();
	}
	changed(strcmp(str(args, "node"), "node0") == 0 ? "host:o2" :
	    "host:o3");
	return no != NULL ? no : good(json_pack("{s:s}", "id",
	    strcmp(str(args, "node"), "node0") == 0 ? "host:o2" : "host:o3"));
}

json_t *
op_node_set_mtbf(json_t *args, const json_t *actor)
{
	(void)actor;
	return node_op(args, false);
}

json_t *
op_node_clear_mtbf(json_t *args, const json_t *actor)
{
	(void)actor;
	return node_op(args, true);
}

json_t *
maintenance_of_node(const char *name)
{
	json_t *m = out[strcmp(name, "node1") == 0];

	return m != NULL ? json_incref(m) : json_null();
}

/* node.workon, node.workoff: the stand-in is out at once */
static json_t *
maintenance(json_t *args, bool on)
{
	const char *name = str(args, "node");
	const char *id = strcmp(name, "node0") == 0 ? "host:o2" : "host:o3";
	json_t **m = &out[strcmp(name, "node1") == 0];

	if (slot(name) == NULL)
		return refuse("bad-argument", "argument 'node' must be 'node0' "
		    "or 'node1'", "argument", "node");
	if (on == (*m != NULL))
		return refuse("already-so", on ? "it is in maintenance already"
		    : "it isn't in maintenance", "node", name);
	if (!json_is_true(json_object_get(args, "dry_run"))) {
		json_decref(*m);
		*m = !on ? NULL : json_pack("{s:s, s:s, s:s, s:b, s:[], s:n}",
		    "phase", "out", "since_utc", "2026-01-02T03:04:05.000Z",
		    "by", "admin", "shutdown",
		    json_is_true(json_object_get(args, "shutdown")),
		    "waiting_for", "power");
		changed(id);
	}
	return good(json_pack("{s:s}", "id", id));
}

json_t *
op_node_workon(json_t *args, const json_t *actor)
{
	(void)actor;
	return maintenance(args, true);
}

json_t *
op_node_workoff(json_t *args, const json_t *actor)
{
	(void)actor;
	return maintenance(args, false);
}

/* node.power: it stays asked */
json_t *
op_node_power(json_t *args, const json_t *actor)
{
	const char *name = str(args, "node"), *action = str(args, "action");
	const char *id = strcmp(name, "node0") == 0 ? "host:o2" : "host:o3";
	json_t *m = out[strcmp(name, "node1") == 0];
	const char *now;

	(void)actor;
	if (slot(name) == NULL)
		return refuse("bad-argument", "argument 'node' must be 'node0' "
		    "or 'node1'", "argument", "node");
	if (strcmp(action, "reboot") != 0 && strcmp(action, "shutdown") != 0)
		return refuse("bad-argument", "argument 'action' must be "
		    "'reboot' or 'shutdown'", "argument", "action");
	if (m == NULL)
		return refuse("wrong-state", "it isn't in maintenance: take it "
		    "out first", "node", name);
	now = json_string_value(json_object_get(m, "power"));
	if (now != NULL && strcmp(now, action) == 0)
		return refuse("already-so", "it is asked to do that already",
		    "node", name);
	if (!json_is_true(json_object_get(args, "dry_run"))) {
		(void)json_object_set_new(m, "power", json_string(action));
		changed(id);
	}
	return good(json_pack("{s:s}", "id", id));
}

json_t *
faults_of_node(const char *name)
{
	json_t *list = json_array(), *row;
	const char *part;

	json_object_foreach(faults[strcmp(name, "node1") == 0], part, row)
		(void)json_array_append(list, row);
	return list;
}

json_t *
op_node_report_fault(json_t *args, const json_t *actor)
{
	const char *name = str(args, "node"), *text = str(args, "text");
	const char *id = strcmp(name, "node0") == 0 ? "host:o2" : "host:o3";
	json_t **f = &faults[strcmp(name, "node1") == 0];

	(void)actor;
	if (slot(name) == NULL)
		return refuse("bad-argument", "argument 'node' must be 'node0' "
		    "or 'node1'", "argument", "node");
	if (!json_is_true(json_object_get(args, "dry_run"))) {
		if (*f == NULL)
			*f = json_object();
		(void)json_object_set_new(*f, str(args, "part"), json_pack(
		    "{s:s, s:s, s:s}", "part", str(args, "part"), "text",
		    text != NULL ? text : "", "since_utc",
		    "2026-01-02T03:04:05.000Z"));
		changed(id);
	}
	return good(json_pack("{s:s}", "id", id));
}

json_t *
op_node_clear_fault(json_t *args, const json_t *actor)
{
	const char *name = str(args, "node"), *part = str(args, "part");
	const char *id = strcmp(name, "node0") == 0 ? "host:o2" : "host:o3";
	json_t *f = faults[strcmp(name, "node1") == 0];

	(void)actor;
	if (slot(name) == NULL)
		return refuse("bad-argument", "argument 'node' must be 'node0' "
		    "or 'node1'", "argument", "node");
	if (part != NULL && part[0] != '\0' ? json_object_get(f, part) == NULL :
	    json_object_size(f) == 0)
		return refuse("already-so", "no such fault is reported", "node",
		    name);
	if (!json_is_true(json_object_get(args, "dry_run"))) {
		if (part != NULL && part[0] != '\0')
			(void)json_object_del(f, part);
		else
			(void)json_object_clear(f);
		changed(id);
	}
	return good(json_pack("{s:s}", "id", id));
}
