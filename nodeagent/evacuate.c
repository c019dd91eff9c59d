/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/evacuate.c - VMs leave a PM that is about to be no good for them
 */
#include "nodeagent/evacuate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "nodeagent/agent.h"
#include "nodeagent/maintenance.h"
#include "nodeagent/store_fault.h"
#include "nodeagent/store_maintenance.h"
#include "nodeagent/view_impl.h"

/* --- what is next --- */

/* In order: how good it is for a guest; LOST: DOWN for long, WELL: UP for long. */
enum link { LINK_LOST, LINK_DOWN, LINK_UP, LINK_WELL };

/* A network without a port (a bridge of its own) has no link to lose. */
static enum link
link_of(const struct evacuate_look *l, int node,
    const struct store_vm_nic *nic)
{
	const json_t *ports = json_object_get(view_heard(l->facts, l->self,
	    node), "ports");
	const json_t *port = view_port(ports, nic->network_name, nic->bridge);
	const char *state = view_text(port, "link", NULL);
	bool steady = json_is_true(json_object_get(port, "steady"));

	if (strcmp(state, "down") == 0)
		return steady ? LINK_LOST : LINK_DOWN;
	if (strcmp(state, "up") == 0)
		return steady ? LINK_WELL : LINK_UP;
	return LINK_WELL;
}

/* Of the VM's networks' links there, the worst. */
static enum link
worst_link(const struct evacuate_look *l, int node, const struct store_vm *vm)
{
	enum link worst = LINK_WELL;
	unsigned i;

	for (i = 0; i < vm->n_nics; i++) {
		enum link link = link_of(l, node, &vm->nics[i]);

		if (link < worst)
			worst = link;
	}
	return worst;
}

/* A VM whose disk failed there runs on with the other PM's (diskless): every read
 * and write crosses the link, and the leg can't be made anew under it. */
static bool
disk_failed(const struct evacuate_look *l, int node, const struct store_vm *vm)
{
	struct store_volume vol;
	unsigned i;

	for (i = 0; i < vm->n_disks; i++)
		if (store_get_volume(l->st, vm->disks[i].volume_id, &vol) == 0 &&
		    vol.failed_leg == node)
			return true;
	return false;
}

static bool
disks_may_leave(const struct evacuate_look *l, int node,
    const struct store_vm *vm)
{
	struct store_volume vol;
	unsigned i;

	for (i = 0; i < vm->n_disks; i++)
		if (store_get_volume(l->st, vm->disks[i].volume_id, &vol) < 0 ||
		    !view_volume_may_leave(l->facts, l->self, &vol, node))
			return false;
	return true;
}

const char *
evacuate_why(const struct evacuate_look *l, int node, const struct store_vm *vm)
{
	if (store_node_faulty(l->st, node))
		return "fault";
	if (disk_failed(l, node, vm))
		return "disk";
	return worst_link(l, node, vm) == LINK_LOST ? "link" : NULL;
}

bool
evacuate_well(const struct evacuate_look *l, int node, const struct store_vm *vm)
{
	return !store_node_faulty(l->st, node) && !disk_failed(l, node, vm) &&
	    worst_link(l, node, vm) == LINK_WELL;
}

static bool
can_take(const struct evacuate_look *l, int node, const struct store_vm *vm)
{
	return !store_node_faulty(l->st, node) &&
	    disks_may_leave(l, 1 - node, vm) &&
	    worst_link(l, node, vm) >= LINK_UP;
}

struct search {
	const struct evacuate_look *l;
	const char	*refused_vm;
	char		*found;
	const char	*why;
	bool		 busy;
};

static bool
failed_just_now(const struct search *s, const struct store_vm *vm)
{
	return vm->move.ended_ms > 0 && strcmp(vm->move.result, "done") != 0 &&
	    vm->move.from == vm->node &&
	    s->l->now_utc_ms - vm->move.ended_ms < EVACUATE_RETRY_MS;
}

static int
see_vm(void *arg, const struct store_vm *vm)
{
	struct search *s = arg;
	const char *why;

	s->busy |= vm->move.to >= 0;
	if (s->found[0] != '\0' || vm->node < 0 || vm->phase != STORE_READY ||
	    vm->want != STORE_WANT_RUNNING ||
	    (s->refused_vm != NULL && strcmp(s->refused_vm, vm->id) == 0) ||
	    store_node_leaving(s->l->st, vm->node) ||
	    store_node_leaving(s->l->st, 1 - vm->node) ||
	    failed_just_now(s, vm))
		return 0;
	why = evacuate_why(s->l, vm->node, vm);
	if (why == NULL || !can_take(s->l, 1 - vm->node, vm))
		return 0;
	(void)snprintf(s->found, STORE_ID_MAX, "%s", vm->id);
	s->why = why;
	return 0;
}

int
evacuate_next(const struct evacuate_look *l, const char *refused_vm,
    char ret_id[STORE_ID_MAX], const char **ret_why)
{
	struct search s = { .l = l, .refused_vm = refused_vm, .found = ret_id };

	ret_id[0] = '\0';
	if (store_each_vm(l->st, see_vm, &s) < 0 || s.busy || ret_id[0] == '\0')
		return -ENOENT;
	*ret_why = s.why;
	return 0;
}

/* --- the duty --- */

static void
ordered(void *arg, int rc)
{
	struct agent *a = arg;

	a->n_flying--;
	if (rc == 0) {
		a->evacuation.vm[0] = '\0';
		agent_kick(a);
		return;
	}
	a->evacuation.retry_ns = av_clock_ns() +
	    MAINTENANCE_RETRY_MS * AV_NS_PER_MS;
	/* else: this moment isn't right */
	a->evacuation.never = rc != -EAGAIN && rc != -EBUSY &&
	    rc != -ETIMEDOUT;
}

static void
order_away(struct agent *a, const char *vm, bool shutdown)
{
	(void)snprintf(a->evacuation.vm, sizeof(a->evacuation.vm), "%s", vm);
	a->evacuation.retry_ns = 0;
	a->n_flying++;
	agent_order(a, shutdown ? "vm.shutdown" : "vm.migrate",
	    json_pack("{s:s}", "vm", vm), ordered, a);
}

static const char *
refused_vm(const struct agent *a)
{
	bool just_now = a->evacuation.vm[0] != '\0' &&
	    av_clock_ns() < a->evacuation.retry_ns;

	return just_now ? a->evacuation.vm : NULL;
}

static void
maintenance_do(struct agent *a, int node)
{
	struct maintenance_next next;

	if (maintenance_next(a->store, node, av_clock_utc_ms(), refused_vm(a),
	    a->evacuation.never, &next) < 0)
		return;
	if (next.vm[0] != '\0' && duties_lead(a))
		order_away(a, next.vm, next.shutdown);
	else if (next.phase == MAINTENANCE_LEAVING && node != a->conf.node &&
	    volumes_in_step(a->volumes))
		order_stay(a->order);
}

static void
faults_do(struct agent *a)
{
	const json_t *facts[2] = { a->facts[0], a->facts[1] };
	const struct evacuate_look l = { .st = a->store, .facts = facts,
		.self = a->conf.node, .now_utc_ms = av_clock_utc_ms() };
	const char *why;
	char id[STORE_ID_MAX];

	if (evacuate_next(&l, refused_vm(a), id, &why) < 0)
		return;
	log_notice(id, "it leaves its PM: %s", why);
	order_away(a, id, false);
}

void
evacuate_do(struct agent *a)
{
	int node;

	if (a->right.kind != RIGHT_TOGETHER)
		return;
	for (node = 0; node < STORE_NODES && a->n_flying == 0; node++)
		maintenance_do(a, node);
	if (a->n_flying == 0 && duties_lead(a))
		faults_do(a);
}
