/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/home.c - VMs that a failover took away go back by themselves (E7)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nodeagent/home.h"
#include "nodeagent/store_maintenance.h"
#include "nodeagent/view.h"

struct search {
	const struct evacuate_look *l;
	bool		 busy;
	char		*found;
};

static int
see_vm(void *arg, const struct store_vm *vm)
{
	struct search *s = arg;
	struct vm_state state;

	s->busy |= vm->move.to >= 0;
	if (s->found[0] != '\0' || vm->home < 0 || vm->home == vm->node ||
	    vm->node < 0 || vm->want != STORE_WANT_RUNNING ||
	    vm->phase != STORE_READY || store_node_leaving(s->l->st, vm->home) ||
	    !evacuate_well(s->l, vm->home, vm))
		return 0;
	/* one way home that failed; not one that the loss of a PM ended */
	if (vm->move.target == vm->home && vm->move.ended_ms > 0 &&
	    strcmp(vm->move.result, "done") != 0 &&
	    s->l->now_utc_ms - vm->move.ended_ms < HOME_AGAIN_MS)
		return 0;
	view_vm_state(s->l->st, s->l->facts, s->l->self, vm, &state);
	if (state.activity == VM_RUNNING && strcmp(state.state, "good") == 0)
		(void)snprintf(s->found, STORE_ID_MAX, "%s", vm->id);
	return 0;
}

int
home_next(const struct evacuate_look *l, char ret_id[STORE_ID_MAX])
{
	struct search s = { .l = l, .found = ret_id };
	struct store_unit unit;

	ret_id[0] = '\0';
	if (store_get_unit(l->st, &unit) < 0 || !unit.go_home ||
	    store_each_vm(l->st, see_vm, &s) < 0 || s.busy || ret_id[0] == '\0')
		return -ENOENT;
	return 0;
}
