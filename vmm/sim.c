/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/sim.c - driver "sim": guests in memory, for tests
 *
 * A guest lives in a table by its runtime folder (so a test may have several PMs),
 * apart from its vmm_dom, so that it outlives a vmm_close() as a process would.  Time passes only through the loop.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "vmm/sim.h"

struct sim_guest vmm_sim_guests[SIM_MAX];

static struct sim_guest *
sim_find(const char *place)
{
	struct sim_guest *room = NULL;
	size_t i;

	for (i = 0; i < SIM_MAX; i++) {
		struct sim_guest *g = &vmm_sim_guests[i];

		if (strcmp(g->place, place) == 0)
			return g;
		if (room == NULL && g->place[0] == '\0')
			room = g;
	}
	if (room != NULL)
		(void)snprintf(room->place, sizeof(room->place), "%s", place);
	return room;
}

bool
vmm_sim_is_on(const struct sim_guest *g)
{
	return g->state == VMM_RUNNING || g->state == VMM_PAUSED ||
	    g->state == VMM_INCOMING;
}

void
vmm_sim_put(struct sim_guest *g, enum vmm_state state, enum vmm_reason reason,
    const char *detail)
{
	struct vmm_dom *dom = g->dom;

	g->state = state;
	g->reason = reason;
	if (state == VMM_EXITED) {
		g->alive = g->pinned = false;
		memset(&g->mig, 0, sizeof(g->mig));
	}
	if (dom == NULL)
		return;
	vmm_dom_set(dom, state, reason, detail);
	dom->st.pid = state == VMM_EXITED ? 0 : 1;
	dom->st.answers = state != VMM_EXITED;
	dom->st.signal = g->signal;
}

static void
sim_move(struct vmm_dom *dom, enum vmm_state state, enum vmm_reason reason)
{
	struct sim *s = dom->drv;

	s->guest->dom = dom;
	if (state == VMM_EXITED)
		vmm_sim_migrate_gone(s->guest, NULL);
	vmm_sim_put(s->guest, state, reason, NULL);
}

static int
sim_open(struct vmm_dom *dom, struct av_err *err)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return av_err_set(err, -ENOMEM, "no memory for a VM");
	s->guest = sim_find(dom->spec.runtime_dir);
	if (s->guest == NULL) {
		free(s);
		return av_err_set(err, -ENOSPC, "too many simulated VMs");
	}
	dom->drv = s;
	if (vmm_sim_migrate_open(dom) < 0) {
		free(s);
		return av_err_set(err, -ENOMEM, "no timer");
	}
	return 0;
}

static void
sim_close(struct vmm_dom *dom)
{
	struct sim *s = dom->drv;

	if (s->guest->dom == dom)
		s->guest->dom = NULL;
	vmm_sim_migrate_close(dom);
	free(s);
}

static int
sim_start(struct vmm_dom *dom, unsigned flags, struct av_err *err)
{
	struct sim *s = dom->drv;

	if (vmm_sim_is_on(s->guest))
		return av_err_set(err, -EEXIST, "vm '%s' runs already",
		    dom->spec.name);
	if (s->fail_start) {
		struct av_err why = {0};

		s->fail_start = false;
		sim_move(dom, VMM_EXITED, VMM_REASON_START_FAILED);
		(void)av_err_set(&why, -EIO, "simulated failure");
		vmm_op_finish(dom, -EIO, &why);
		return 0;
	}
	s->guest->signal = 0;
	memset(&s->guest->mig, 0, sizeof(s->guest->mig));
	memset(s->guest->disk_bytes, 0, sizeof(s->guest->disk_bytes));
	if (flags & VMM_START_PAUSED)
		sim_move(dom, VMM_PAUSED, VMM_REASON_ASKED);
	else
		sim_move(dom, VMM_RUNNING, VMM_REASON_NONE);
	vmm_op_finish(dom, 0, NULL);
	return 0;
}

static int
sim_attach(struct vmm_dom *dom, struct av_err *err)
{
	struct sim *s = dom->drv;
	struct av_err none = {0};

	(void)err;
	if (s->guest->state != VMM_ABSENT)
		sim_move(dom, s->guest->state, s->guest->reason);
	if (vmm_sim_is_on(s->guest)) {
		dom->st.alive = s->guest->alive;
		vmm_sim_migrate_attached(dom);
		vmm_op_finish(dom, 0, NULL);
		return 0;
	}
	(void)av_err_set(&none, -ENOENT, "vm '%s': does not run",
	    dom->spec.name);
	vmm_op_finish(dom, -ENOENT, &none);
	return 0;
}

static int
sim_shutdown(struct vmm_dom *dom, struct av_err *err)
{
	struct sim *s = dom->drv;

	(void)err;
	vmm_op_finish(dom, 0, NULL);
	if (!s->deaf && s->guest->state == VMM_RUNNING)
		sim_move(dom, VMM_EXITED, VMM_REASON_GUEST_SHUTDOWN);
	return 0;
}

static int
sim_kill(struct vmm_dom *dom, struct av_err *err)
{
	struct sim *s = dom->drv;

	(void)err;
	if (vmm_sim_is_on(s->guest))
		sim_move(dom, VMM_EXITED, VMM_REASON_ASKED);
	vmm_op_finish(dom, 0, NULL);
	return 0;
}

static int
sim_pause(struct vmm_dom *dom, struct av_err *err)
{
	struct sim *s = dom->drv;

	(void)err;
	s->guest->pinned = vmm_is_migrating_out(&dom->st);
	sim_move(dom, VMM_PAUSED, VMM_REASON_ASKED);
	vmm_op_finish(dom, 0, NULL);
	return 0;
}

static int
sim_resume(struct vmm_dom *dom, struct av_err *err)
{
	struct sim *s = dom->drv;

	(void)err;
	if (vmm_is_migrating_out(&dom->st))
		vmm_sim_migrate_end(s->guest, VMM_PHASE_CANCELLED,
		    "the guest was paused and resumed");
	else
		vmm_dom_phase(dom, (s->guest->mig.phase = VMM_PHASE_NONE),
		    NULL);
	s->guest->pinned = false;
	sim_move(dom, VMM_RUNNING, VMM_REASON_NONE);
	vmm_op_finish(dom, 0, NULL);
	return 0;
}

static int
sim_disk_resize(struct vmm_dom *dom, unsigned disk, uint64_t size_bytes,
    struct av_err *err)
{
	struct sim *s = dom->drv;

	(void)err;
	s->guest->disk_bytes[disk] = size_bytes;
	vmm_op_finish(dom, 0, NULL);
	return 0;
}

static void
sim_timeout(struct vmm_dom *dom, enum vmm_op_kind kind)
{
	(void)kind;		/* every op ends at once */
	vmm_op_finish(dom, -ETIMEDOUT, NULL);
}

/* --------------------------- strings to pull ------------------------------ */

static struct sim *
sim_of(struct vmm_dom *dom)
{
	AV_ASSERT(dom->ops == &vmm_sim_ops);
	return dom->drv;
}

void
vmm_sim_guest_panic(struct vmm_dom *dom)
{
	if (vmm_sim_is_on(sim_of(dom)->guest))
		sim_move(dom, VMM_EXITED, VMM_REASON_PANIC);
}

void
vmm_sim_die(struct vmm_dom *dom, int signal)
{
	struct sim *s = sim_of(dom);

	if (!vmm_sim_is_on(s->guest))
		return;
	s->guest->signal = signal;
	sim_move(dom, VMM_EXITED, VMM_REASON_SIGNAL);
}

void
vmm_sim_io_error(struct vmm_dom *dom)
{
	if (sim_of(dom)->guest->state == VMM_RUNNING)
		sim_move(dom, VMM_PAUSED, VMM_REASON_IO_ERROR);
}

void
vmm_sim_show_life(struct vmm_dom *dom)
{
	struct sim *s = sim_of(dom);

	if (s->guest->state != VMM_RUNNING || dom->st.alive)
		return;
	s->guest->alive = dom->st.alive = true;
	vmm_dom_touch(dom);
}

void
vmm_sim_deaf(struct vmm_dom *dom, bool deaf)
{
	sim_of(dom)->deaf = deaf;
}

void
vmm_sim_fail_start(struct vmm_dom *dom)
{
	sim_of(dom)->fail_start = true;
}

uint64_t
vmm_sim_disk_bytes(struct vmm_dom *dom, unsigned disk)
{
	return sim_of(dom)->guest->disk_bytes[disk];
}

void
vmm_sim_reset(void)
{
	memset(vmm_sim_guests, 0, sizeof(vmm_sim_guests));
	vmm_sim_migrate_reset();
}

const struct vmm_ops vmm_sim_ops = {
	.name = "sim",
	.caps = VMM_CAP_PAUSE | VMM_CAP_RESIZE | VMM_CAP_MIGRATE,
	.open = sim_open,
	.close = sim_close,
	.start = sim_start,
	.attach = sim_attach,
	.shutdown = sim_shutdown,
	.kill = sim_kill,
	.timeout = sim_timeout,
	.pause = sim_pause,
	.resume = sim_resume,
	.disk_resize = sim_disk_resize,
	.start_incoming = vmm_sim_start_incoming,
	.migrate_out = vmm_sim_migrate_out,
	.migrate_cancel = vmm_sim_migrate_cancel,
};
