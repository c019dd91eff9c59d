/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/maintenance.c - makes a PM that is wanted out for maintenance leave
 */
#include "nodeagent/maintenance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nodeagent/store_mtbf.h"
#include "nodeagent/view_impl.h"

static const char *const phase_names[] = {
	[MAINTENANCE_NONE] = "none", [MAINTENANCE_MOVING] = "moving",
	[MAINTENANCE_LEAVING] = "leaving", [MAINTENANCE_OUT] = "out",
};

/* --- what is next --- */

struct look {
	struct store_maintenance m;
	int		node;
	int64_t		now_ms;
	const char	*refused_vm;
	bool		can_never;
	bool		any, busy;
	struct maintenance_next *ret;
};

/* The last try of this VM in this maintenance failed. */
static bool
failed_before(const struct look *l, const struct store_vm *vm)
{
	return strcmp(vm->move.result, "failed") == 0 &&
	    vm->move.from == l->node && vm->move.ended_ms >= l->m.since_ms;
}

static int
look_at(void *arg, const struct store_vm *vm)
{
	struct look *l = arg;
	bool failed, refused;

	if (vm->move.to >= 0)
		l->busy = true;		/* one move at a time */
	if (vm->node != l->node)
		return 0;
	l->any = true;
	if (vm->move.to >= 0 || vm->phase != STORE_READY ||
	    vm->want != STORE_WANT_RUNNING || l->ret->vm[0] != '\0')
		return 0;
	failed = failed_before(l, vm);
	refused = l->refused_vm != NULL && strcmp(l->refused_vm, vm->id) == 0;
	if (l->m.shutdown && (failed || (refused && l->can_never))) {
		l->ret->shutdown = true;
	} else if (refused || (failed &&
	    l->now_ms - vm->move.ended_ms < MAINTENANCE_RETRY_MS)) {
		return 0;
	}
	(void)snprintf(l->ret->vm, sizeof(l->ret->vm), "%s", vm->id);
	return 0;
}

int
maintenance_next(const struct store *st, int node, int64_t now_utc_ms,
    const char *refused_vm, bool can_never, struct maintenance_next *ret)
{
	struct look l = { .node = node, .now_ms = now_utc_ms,
		.refused_vm = refused_vm, .can_never = can_never, .ret = ret };
	int rc = store_maintenance_get(st, node, &l.m);

	*ret = (struct maintenance_next){ .phase = MAINTENANCE_NONE };
	if (rc < 0 || !l.m.wanted)
		return rc < 0 ? rc : 0;
	rc = store_each_vm(st, look_at, &l);
	if (rc < 0)
		return rc;
	ret->phase = l.any ? MAINTENANCE_MOVING : MAINTENANCE_LEAVING;
	if (l.busy && !ret->shutdown)
		ret->vm[0] = '\0';
	return 0;
}

bool
maintenance_keeps_out(const struct store *st, int node)
{
	return store_node_held(st, node) || store_node_leaving(st, node);
}

/* --- a PM that is out is rebooted, or switched off --- */

static int
see_volume(void *arg, const struct store_volume *vol)
{
	const int *node = arg;

	return vol->failed_leg == 1 - *node;
}

bool
maintenance_is_needed(const struct store *st, int node)
{
	return store_each_volume(st, see_volume, &node) != 0;
}

static int
is_there(void *arg, const struct store_vm *vm)
{
	const int *node = arg;

	return vm->node == *node || vm->move.to == *node;
}

bool
maintenance_may_stop(const struct store *st, int node, bool follows,
    bool no_guest)
{
	return store_node_leaving(st, node) && follows && no_guest &&
	    store_each_vm(st, is_there, &node) == 0 &&
	    !maintenance_is_needed(st, node);
}

enum store_power
maintenance_power_due(const struct store *st, int node, bool follows,
    bool no_guest)
{
	struct store_maintenance m;

	if (!maintenance_may_stop(st, node, follows, no_guest) ||
	    store_maintenance_get(st, node, &m) < 0)
		return STORE_POWER_NONE;
	return m.power;
}

/* --- what people see --- */

struct names { json_t *list; int node; };

static int
add_name(void *arg, const struct store_vm *vm)
{
	const struct names *n = arg;

	if (vm->node != n->node)
		return 0;
	return json_array_append_new(n->list, json_string(vm->name)) < 0 ?
	    -ENOMEM : 0;
}

json_t *
maintenance_view(const struct store *st, int node, const char *role)
{
	struct names names = { .list = json_array(), .node = node };
	enum maintenance_phase phase = MAINTENANCE_MOVING;
	struct store_maintenance m;

	if (store_maintenance_get(st, node, &m) < 0 || !m.wanted ||
	    store_each_vm(st, add_name, &names) < 0) {
		json_decref(names.list);
		return json_null();
	}
	if (json_array_size(names.list) == 0)
		phase = strcmp(role, "together") == 0 ? MAINTENANCE_LEAVING :
		    MAINTENANCE_OUT;
	return json_pack("{s:s, s:o, s:s, s:b, s:o, s:o}", "phase",
	    phase_names[phase], "since_utc", view_time(m.since_ms), "by", m.by,
	    "shutdown", m.shutdown, "waiting_for", names.list, "power",
	    m.power == STORE_POWER_NONE ? json_null() :
	    json_string(store_power_name(m.power)));
}
