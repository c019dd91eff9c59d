/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/sim_migrate.c - live migration between simulated guests of one process
 *
 * The source's timer moves both ends:
 *
 *   source: SETUP -> ACTIVE -> SWITCHING -> COMPLETE
 *   target: WAITING -> ACTIVE ----------> COMPLETE
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "vmm/sim.h"

#define STEP_US		1000u
#define FIRST_PORT	49152u

static enum vmm_phase sim_hold;
static uint16_t sim_next_port = FIRST_PORT;

void
vmm_sim_migrate_reset(void)
{
	sim_hold = VMM_PHASE_NONE;
	sim_next_port = FIRST_PORT;
}

static void
step_soon(struct vmm_dom *dom)
{
	struct sim *s = dom->drv;

	/* monotonic timers of a running loop can't be refused */
	(void)sd_event_source_set_time_relative(s->step, STEP_US);
	(void)sd_event_source_set_enabled(s->step, SD_EVENT_ONESHOT);
}

static void
phase(struct sim_guest *g, enum vmm_phase p, const char *why)
{
	struct vmm_migration *m = &g->mig;

	if (why == NULL)
		why = "";
	m->phase = p;
	m->total_bytes = m->incoming ? 0 : g->spec.memory_bytes;
	m->copied_bytes = p >= VMM_PHASE_SWITCHING ? m->total_bytes : 0;
	m->remaining_bytes = m->total_bytes - m->copied_bytes;
	(void)snprintf(m->why, sizeof(m->why), "%s", why);
	if (g->dom != NULL) {
		g->dom->st.migration = *m;
		vmm_dom_touch(g->dom);
	}
}

static void
target_fails(struct sim_guest *t, const char *why)
{
	t->other = NULL;
	vmm_sim_put(t, VMM_EXITED, VMM_REASON_INCOMING_FAILED, why);
}

void
vmm_sim_migrate_end(struct sim_guest *g, enum vmm_phase p, const char *why)
{
	struct sim_guest *t = g->other;

	g->other = NULL;
	phase(g, p, why);
	if (t != NULL)
		target_fails(t, "the stream broke");
	if (g->state == VMM_PAUSED && g->reason == VMM_REASON_MIGRATION)
		vmm_sim_put(g, VMM_RUNNING, VMM_REASON_NONE, NULL);
}

void
vmm_sim_migrate_gone(struct sim_guest *g, const char *why)
{
	struct sim_guest *o = g->other;

	if (o == NULL)
		return;
	g->other = o->other = NULL;
	if (o->mig.incoming)
		target_fails(o, why != NULL ? why : "the stream broke");
	else if (!o->pinned)
		vmm_sim_migrate_end(o, VMM_PHASE_FAILED, why != NULL ? why :
		    "the stream broke");
}

/* --- SETUP -> ACTIVE -> SWITCHING -> COMPLETE --- */

static struct sim_guest *
listener(const struct vmm_migration *m)
{
	size_t i;

	for (i = 0; i < SIM_MAX; i++) {
		struct sim_guest *t = &vmm_sim_guests[i];

		if (t->state == VMM_INCOMING && t->other == NULL &&
		    t->mig.phase == VMM_PHASE_WAITING &&
		    t->mig.port == m->port &&
		    strcmp(t->mig.address, m->address) == 0)
			return t;
	}
	return NULL;
}

static bool
same_machine(const struct sim_guest *a, const struct sim_guest *b)
{
	return strcmp(a->version, b->version) == 0 &&
	    a->spec.memory_bytes == b->spec.memory_bytes &&
	    a->spec.vcpus == b->spec.vcpus && a->spec.os == b->spec.os &&
	    a->spec.n_disks == b->spec.n_disks &&
	    a->spec.n_nics == b->spec.n_nics;
}

static void
connect_to(struct sim_guest *g)
{
	struct sim_guest *t = listener(&g->mig);

	if (t == NULL) {
		vmm_sim_migrate_end(g, VMM_PHASE_FAILED, "nobody listens");
	} else if (strcmp(t->psk_file, g->psk_file) != 0) {
		vmm_sim_migrate_end(g, VMM_PHASE_FAILED,
		    "the other PM has another key");
	} else if (!same_machine(g, t)) {
		vmm_sim_migrate_end(g, VMM_PHASE_FAILED, "the stream broke");
		target_fails(t, "the stream is of another machine");
	} else {
		g->other = t;
		t->other = g;
		phase(g, VMM_PHASE_ACTIVE, NULL);
		phase(t, VMM_PHASE_ACTIVE, NULL);
	}
}

static int
sim_step(sd_event_source *src, uint64_t usec, void *ctx)
{
	struct vmm_dom *dom = ctx;
	struct sim *s = dom->drv;
	struct sim_guest *g = s->guest, *t = g->other;

	(void)src;
	(void)usec;
	if (g->dom != dom || !vmm_is_migrating_out(&dom->st))
		return 0;
	if (g->pinned || sim_hold == g->mig.phase) {
		step_soon(dom);
		return 0;
	}
	switch (g->mig.phase) {
	case VMM_PHASE_SETUP:
		connect_to(g);
		break;
	case VMM_PHASE_ACTIVE:
		phase(g, VMM_PHASE_SWITCHING, NULL);
		if (g->state == VMM_RUNNING)
			vmm_sim_put(g, VMM_PAUSED, VMM_REASON_MIGRATION, NULL);
		break;
	default:
		AV_ASSERT(g->mig.phase == VMM_PHASE_SWITCHING && t != NULL);
		g->other = t->other = NULL;
		g->mig.downtime_ms = g->mig.iterations = 1;
		phase(g, VMM_PHASE_COMPLETE, NULL);
		memcpy(t->disk_bytes, g->disk_bytes, sizeof(t->disk_bytes));
		phase(t, VMM_PHASE_COMPLETE, NULL);
		break;
	}
	step_soon(dom);
	return 0;
}

/* --- the driver's --- */

int
vmm_sim_migrate_open(struct vmm_dom *dom)
{
	struct sim *s = dom->drv;
	int r = sd_event_add_time_relative(dom->env.event, &s->step,
	    CLOCK_MONOTONIC, 0, 0, sim_step, dom);

	if (r >= 0)
		r = sd_event_source_set_enabled(s->step, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void
vmm_sim_migrate_close(struct vmm_dom *dom)
{
	struct sim *s = dom->drv;

	s->step = sd_event_source_disable_unref(s->step);
}

void
vmm_sim_migrate_attached(struct vmm_dom *dom)
{
	struct sim *s = dom->drv;

	dom->st.migration = s->guest->mig;
	if (vmm_is_migrating_out(&dom->st))
		step_soon(dom);
}

static void
link_take(struct sim_guest *g, const struct vmm_dom *dom,
    const struct vmm_link *link)
{
	memset(&g->mig, 0, sizeof(g->mig));
	g->spec = dom->spec;
	g->mig.port = link->port;
	(void)snprintf(g->mig.address, sizeof(g->mig.address), "%s",
	    link->address);
	(void)snprintf(g->mig.tag, sizeof(g->mig.tag), "%s", link->tag);
	(void)snprintf(g->psk_file, sizeof(g->psk_file), "%s",
	    link->psk_file != NULL ? link->psk_file : "");
}

int
vmm_sim_start_incoming(struct vmm_dom *dom, const struct vmm_link *link,
    struct av_err *err)
{
	struct sim *s = dom->drv;
	struct sim_guest *g = s->guest;
	struct av_err why = {0};

	if (vmm_sim_is_on(g))
		return av_err_set(err, -EEXIST, "vm '%s' runs already",
		    dom->spec.name);
	g->dom = dom;
	if (s->fail_start) {
		s->fail_start = false;
		vmm_sim_put(g, VMM_EXITED, VMM_REASON_START_FAILED, NULL);
		(void)av_err_set(&why, -EIO, "simulated failure");
		vmm_op_finish(dom, -EIO, &why);
		return 0;
	}
	g->signal = 0;
	g->alive = false;
	memset(g->disk_bytes, 0, sizeof(g->disk_bytes));
	link_take(g, dom, link);
	g->mig.incoming = true;
	if (g->mig.port == 0)
		g->mig.port = sim_next_port++;
	vmm_sim_put(g, VMM_INCOMING, VMM_REASON_NONE, NULL);
	phase(g, VMM_PHASE_WAITING, NULL);
	vmm_op_finish(dom, 0, NULL);
	return 0;
}

int
vmm_sim_migrate_out(struct vmm_dom *dom, const struct vmm_link *target,
    const struct vmm_migrate_limits *limits, struct av_err *err)
{
	struct sim *s = dom->drv;

	(void)limits;
	(void)err;
	link_take(s->guest, dom, target);
	phase(s->guest, VMM_PHASE_SETUP, NULL);
	step_soon(dom);
	vmm_op_finish(dom, 0, NULL);
	return 0;
}

int
vmm_sim_migrate_cancel(struct vmm_dom *dom, struct av_err *err)
{
	struct sim *s = dom->drv;

	(void)err;
	vmm_sim_migrate_end(s->guest, VMM_PHASE_CANCELLED, "by order");
	vmm_op_finish(dom, 0, NULL);
	return 0;
}

/* --- strings to pull --- */

void
vmm_sim_migration_hold(enum vmm_phase p)
{
	sim_hold = p;
}

void
vmm_sim_migration_break(struct vmm_dom *dom)
{
	struct sim_guest *g = ((struct sim *)dom->drv)->guest, *o = g->other;

	AV_ASSERT(dom->ops == &vmm_sim_ops);
	vmm_sim_migrate_gone(g, NULL);
	if (o != NULL && g->mig.incoming)
		target_fails(g, "the stream broke");
	else if (vmm_is_migrating_out(&dom->st) && !g->pinned)
		vmm_sim_migrate_end(g, VMM_PHASE_FAILED, "the stream broke");
}

void
vmm_sim_version(struct vmm_dom *dom, const char *version)
{
	struct sim *s = dom->drv;

	AV_ASSERT(dom->ops == &vmm_sim_ops);
	(void)snprintf(s->guest->version, sizeof(s->guest->version), "%s",
	    version);
}
