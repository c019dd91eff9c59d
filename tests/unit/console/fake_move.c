/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/fake_move.c - live migrations of the stand-in: four steps of
 * time, then the VM is on the other PM
 */
#include <string.h>

#include "base/clock.h"
#include "tests/unit/console/fake_world.h"

static bool held;	/* moves stand at 40 % */

static bool
dry(const json_t *args)
{
	return json_is_true(json_object_get(args, "dry_run"));
}

static json_t *
done(const json_t *vm, const json_t *args)
{
	json_t *result = json_pack("{s:O}", "id", json_object_get(vm, "id"));

	if (dry(args))
		set(result, "dry_run", json_true());
	else
		changed(str(vm, "id"));
	return good(result);
}

static void
ended(json_t *vm, const char *result)
{
	json_t *m = json_object_get(vm, "migration");

	if (strcmp(result, "done") == 0)
		set(vm, "node", json_incref(json_object_get(m, "to")));
	set(vm, "last_migration", json_pack("{s:O,s:O,s:s,s:o,s:O,s:s,s:O}",
	    "from", json_object_get(m, "from"), "to", json_object_get(m, "to"),
	    "result", result, "reason", strcmp(result, "done") == 0 ?
	    json_null() : json_pack("{s:s,s:s}", "code", "cancelled", "text",
	    "it was cancelled"), "started_utc", json_object_get(m,
	    "started_utc"), "ended_utc", now_utc(), "by",
	    json_object_get(m, "by")));
	set(vm, "migration", json_null());
}

void
move_goes_on(json_t *vm)
{
	json_t *m = json_object_get(vm, "migration");
	json_int_t percent, memory = json_integer_value(json_object_get(vm,
	    "memory_bytes"));

	if (!json_is_object(m))
		return;
	percent = (json_int_t)((av_clock_ns() - (uint64_t)json_integer_value(
	    json_object_get(vm, "@move"))) * 25 / (step_ns + 1));
	if (held)
		percent = 40;
	if (percent >= 100) {
		ended(vm, "done");
		return;
	}
	set(m, "percent", json_integer(percent));
	set(m, "phase", json_string("copying"));
	set(m, "bytes", json_integer(memory / 100 * percent));
	set(m, "remaining_bytes", json_integer(memory - memory / 100 * percent));
}

json_t *
op_vm_migrate(json_t *args, const json_t *actor)
{
	json_t *vm = find(vms, str(args, "vm"));
	const char *to = str(args, "to");

	if (vm == NULL)
		return refuse_missing("VM", str(args, "vm"));
	if (json_is_object(json_object_get(vm, "migration")))
		return refuse("already-moving", "it is moving already", "name",
		    str(vm, "name"));
	if (strcmp(to, str(vm, "node")) == 0)
		return refuse("already-there", "it is there already", "name",
		    str(vm, "name"));
	if (strcmp(str(vm, "activity"), "running") != 0)
		return refuse("wrong-state",
		    "the VM isn't in a state for this", "name",
		    str(vm, "name"));
	if (lost_node != NULL)
		return refuse("not-together", "only one PM may run VMs now",
		    "name", str(vm, "name"));
	if (!dry(args)) {
		set(vm, "migration", json_pack("{s:s,s:s,s:s,s:i,s:i,s:i,s:n,"
		    "s:n,s:s,s:s}", "from", str(vm, "node"), "to",
		    strcmp(str(vm, "node"), "node0") == 0 ? "node1" : "node0",
		    "phase", "preparing", "percent", 0, "bytes", 0,
		    "remaining_bytes", 0, "downtime_ms", "seconds_left",
		    "started_utc", now_utc(), "by", str(actor, "user")));
		set(vm, "@move", json_integer((json_int_t)av_clock_ns()));
	}
	return done(vm, args);
}

json_t *
op_test_move(json_t *args, const json_t *actor)
{
	(void)actor;
	held = json_is_true(json_object_get(args, "hold"));
	return good(json_object());
}

json_t *
op_vm_migrate_cancel(json_t *args, const json_t *actor)
{
	json_t *vm = find(vms, str(args, "vm"));

	(void)actor;
	if (vm == NULL)
		return refuse_missing("VM", str(args, "vm"));
	if (!json_is_object(json_object_get(vm, "migration")))
		return refuse("not-moving", "it isn't moving", "name",
		    str(vm, "name"));
	if (!dry(args))
		ended(vm, "cancelled");
	return done(vm, args);
}

json_t *
op_vm_prefer(json_t *args, const json_t *actor)
{
	json_t *vm = find(vms, str(args, "vm"));
	const char *where = str(args, "node");

	(void)actor;
	if (vm == NULL)
		return refuse_missing("VM", str(args, "vm"));
	if (*where != '\0' && strcmp(where, "node0") != 0 &&
	    strcmp(where, "node1") != 0)
		return refuse("bad-argument", "'node' is node0 or node1",
		    "argument", "node");
	if (!dry(args))
		set(vm, "preferred", *where != '\0' ? json_string(where) :
		    json_null());
	return done(vm, args);
}
