/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/vmm.c - what is the same for every driver: checks, ops, callbacks
 */
#include "vmm/priv.h"

#include <string.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"

static const struct vmm_ops *const vmm_drivers[] = {
	&vmm_qemu_ops,
	&vmm_xen_ops,
	&vmm_sim_ops,
};

/* Generous: two slow cores that emulate several guests.  Shutdown covers asking. */
static const uint64_t vmm_default_ns[] = {
	[VMM_OP_NONE]	  = 0,
	[VMM_OP_START]	  = 30 * AV_NS_PER_S,
	[VMM_OP_ATTACH]	  = 5 * AV_NS_PER_S,
	[VMM_OP_SHUTDOWN] = 5 * AV_NS_PER_S,
	[VMM_OP_KILL]	  = 10 * AV_NS_PER_S,
	[VMM_OP_PAUSE]	  = 5 * AV_NS_PER_S,
	[VMM_OP_RESUME]	  = 5 * AV_NS_PER_S,
	[VMM_OP_RESIZE]	  = 2 * AV_NS_PER_S,	/* a pause may be due */
	[VMM_OP_INCOMING] = 30 * AV_NS_PER_S,
	[VMM_OP_MIGRATE]  = 5 * AV_NS_PER_S,
	[VMM_OP_MIGRATE_CANCEL] = 5 * AV_NS_PER_S,
};

uint64_t
vmm_scaled(const struct vmm_dom *dom, uint64_t ns)
{
	return av_scaled_ns(dom->env.time_scale, ns);
}

uint64_t
vmm_due_ns(const struct vmm_dom *dom, uint64_t ms)
{
	return av_clock_ns() + vmm_scaled(dom, ms * AV_NS_PER_MS);
}

const char *
vmm_state_name(enum vmm_state s)
{
	static const char *const names[] = {
		[VMM_ABSENT] = "absent", [VMM_STARTING] = "starting",
		[VMM_RUNNING] = "running", [VMM_PAUSED] = "paused",
		[VMM_EXITED] = "exited", [VMM_INCOMING] = "incoming",
	};

	return (unsigned)s < ARRAY_SIZE(names) ? names[s] : "?";
}

const char *
vmm_reason_name(enum vmm_reason r)
{
	static const char *const names[] = {
		[VMM_REASON_NONE] = "none", [VMM_REASON_ASKED] = "asked",
		[VMM_REASON_IO_ERROR] = "io-error",
		[VMM_REASON_OTHER] = "other",
		[VMM_REASON_MIGRATION] = "migration",
		[VMM_REASON_GUEST_SHUTDOWN] = "guest-shutdown",
		[VMM_REASON_PANIC] = "panic", [VMM_REASON_SIGNAL] = "signal",
		[VMM_REASON_EXIT_CODE] = "exit-code",
		[VMM_REASON_VANISHED] = "vanished",
		[VMM_REASON_START_FAILED] = "start-failed",
		[VMM_REASON_INCOMING_FAILED] = "incoming-failed",
	};

	return (unsigned)r < ARRAY_SIZE(names) ? names[r] : "?";
}

const char *
vmm_accel_name(enum vmm_accel a)
{
	return a == VMM_ACCEL_KVM ? "kvm" : "tcg";
}

int
vmm_ops_check(void)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(vmm_drivers); i++) {
		const struct vmm_ops *o = vmm_drivers[i];
		bool can = (o->caps & VMM_CAP_PAUSE) != 0;

		if (o->open == NULL || o->close == NULL || o->start == NULL ||
		    o->attach == NULL || o->shutdown == NULL ||
		    o->kill == NULL || o->timeout == NULL)
			return -EINVAL;
		if ((o->pause != NULL) != can || (o->resume != NULL) != can)
			return -EINVAL;
		can = (o->caps & VMM_CAP_MIGRATE) != 0;
		if ((o->start_incoming != NULL) != can ||
		    (o->migrate_out != NULL) != can ||
		    (o->migrate_cancel != NULL) != can ||
		    (can && !(o->caps & VMM_CAP_PAUSE)))
			return -EINVAL;
		for (j = 0; j < i; j++)
			if (strcmp(o->name, vmm_drivers[j]->name) == 0)
				return -EINVAL;
	}
	return 0;
}

/* ------------------------- delivery from the loop ------------------------- */

static int
vmm_flush(sd_event_source *s, void *ctx)
{
	struct vmm_dom *dom = ctx;
	bool gone = false;

	(void)s;
	dom->gone = &gone;
	while (dom->changed || dom->n_done > 0) {
		struct vmm_done d;

		if (dom->changed) {
			dom->changed = false;
			if (dom->env.changed != NULL)
				dom->env.changed(dom, dom->env.ctx);
			if (gone)
				return 0;
			continue;
		}
		d = dom->done[0];
		dom->n_done--;
		memmove(&dom->done[0], &dom->done[1],
		    dom->n_done * sizeof(dom->done[0]));
		d.op->done(d.op, d.rc, &d.err);
		if (gone)
			return 0;
	}
	dom->gone = NULL;
	return 0;
}

static void
vmm_flush_soon(struct vmm_dom *dom)
{
	int r = sd_event_source_set_enabled(dom->flush, SD_EVENT_ONESHOT);

	/* a loop that has ended delivers nothing: vmm_close() does */
	AV_ASSERT(r >= 0 || r == -ESTALE);
}

void
vmm_dom_touch(struct vmm_dom *dom)
{
	dom->changed = true;
	vmm_flush_soon(dom);
}

void
vmm_dom_set(struct vmm_dom *dom, enum vmm_state state, enum vmm_reason reason,
    const char *detail)
{
	struct vmm_status *st = &dom->st;

	if (detail == NULL)
		detail = "";
	if (st->state == state && st->reason == reason &&
	    strncmp(st->detail, detail, sizeof(st->detail) - 1) == 0)
		return;
	if (st->state != state)
		st->since_ns = av_clock_ns();
	st->state = state;
	st->reason = reason;
	(void)snprintf(st->detail, sizeof(st->detail), "%s", detail);
	av_utf8_trim(st->detail);
	if (state == VMM_EXITED || state == VMM_ABSENT) {
		st->pid = 0;
		st->alive = st->answers = st->agent = false;
		memset(&st->migration, 0, sizeof(st->migration));
	} else {
		st->signal = st->exit_code = 0;
	}
	vmm_dom_touch(dom);
}

void
vmm_dom_phase(struct vmm_dom *dom, enum vmm_phase phase, const char *why)
{
	struct vmm_migration *m = &dom->st.migration;

	if (why == NULL)
		why = "";
	if (m->phase == phase && strncmp(m->why, why, sizeof(m->why) - 1) == 0)
		return;
	m->phase = phase;
	(void)snprintf(m->why, sizeof(m->why), "%s", why);
	av_utf8_trim(m->why);
	vmm_dom_touch(dom);
}

void
vmm_op_finish(struct vmm_dom *dom, int rc, const struct av_err *err)
{
	struct vmm_done *d;

	if (dom->op == NULL)
		return;
	AV_ASSERT(dom->n_done < VMM_DONE_MAX);
	d = &dom->done[dom->n_done++];
	memset(d, 0, sizeof(*d));
	d->op = TAKE_PTR(dom->op);
	d->rc = rc;
	if (err != NULL)
		d->err = *err;
	dom->deadline = sd_event_source_disable_unref(dom->deadline);
	vmm_flush_soon(dom);
}

static int
vmm_deadline_passed(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct vmm_dom *dom = ctx;

	(void)s;
	(void)usec;
	if (dom->op != NULL)
		dom->ops->timeout(dom, (enum vmm_op_kind)dom->op->kind);
	return 0;
}

static bool
comes_through(const struct vmm_dom *dom, enum vmm_op_kind kind)
{
	int now = dom->op != NULL ? dom->op->kind : VMM_OP_NONE;

	if (kind == VMM_OP_KILL)
		return now != VMM_OP_KILL;
	/* a freeze can't wait for a link that may be cut */
	if (kind == VMM_OP_PAUSE && (now == VMM_OP_MIGRATE ||
	    now == VMM_OP_MIGRATE_CANCEL))
		return true;
	/* one whose 'done' is still to come counts as under way */
	return dom->op == NULL && dom->n_done == 0;
}

int
vmm_op_begin(struct vmm_dom *dom, struct vmm_op *op, enum vmm_op_kind kind,
    struct av_err *err)
{
	uint64_t due_ns;
	int r;

	AV_ASSERT(dom != NULL && op != NULL && op->done != NULL);
	if (!comes_through(dom, kind))
		return av_err_set(err, -EBUSY, "vm '%s': another request is "
		    "under way", dom->spec.name);
	if (dom->n_done + 2 > VMM_DONE_MAX)	/* its callbacks loop on us */
		return av_err_set(err, -EBUSY, "vm '%s': too many requests",
		    dom->spec.name);
	if (dom->op != NULL) {
		struct av_err was = {0};

		(void)av_err_maybe(&was, -ECANCELED, "ended by a %s of the VM",
		    kind == VMM_OP_KILL ? "power-off" : "pause");
		vmm_op_finish(dom, -ECANCELED, &was);
	}
	due_ns = op->deadline_ns != 0 ? op->deadline_ns :
	    av_clock_ns() + vmm_scaled(dom, vmm_default_ns[kind]);
	r = sd_event_add_time(dom->env.event, &dom->deadline, CLOCK_MONOTONIC,
	    due_ns / AV_NS_PER_US, AV_NS_PER_MS / AV_NS_PER_US,
	    vmm_deadline_passed, dom);
	if (r < 0)
		return av_err_set(err, r, "vm '%s': no timer", dom->spec.name);
	op->kind = (int)kind;
	op->dom = dom;
	dom->op = op;
	return 0;
}

/* When the driver refused it is as if the op had never been. */
int
vmm_op_ran(struct vmm_dom *dom, struct vmm_op *op, int rc)
{
	AV_ASSERT(rc <= 0);
	if (rc < 0) {
		AV_ASSERT(dom->op == op);
		dom->op = NULL;
		dom->deadline = sd_event_source_disable_unref(dom->deadline);
	}
	return rc;
}

/* --------------------------------- calls ---------------------------------- */

int
vmm_open(const char *driver, const struct vmm_env *env,
    const struct vmm_spec *spec, struct vmm_dom **ret_dom, struct av_err *err)
{
	struct vmm_dom *dom;
	size_t i;
	int rc;

	AV_ASSERT(env != NULL && env->event != NULL);
	rc = vmm_spec_check(spec, err);
	if (rc < 0)
		return rc;
	dom = calloc(1, sizeof(*dom));
	if (dom == NULL)
		return av_err_set(err, -ENOMEM, "no memory for a VM");
	dom->env = *env;
	dom->spec = *spec;
	dom->st.since_ns = av_clock_ns();
	for (i = 0; i < ARRAY_SIZE(vmm_drivers); i++)
		if (strcmp(vmm_drivers[i]->name, driver) == 0)
			dom->ops = vmm_drivers[i];
	if (dom->ops == NULL) {
		rc = av_err_set(err, -EINVAL, "no hypervisor driver '%s'",
		    driver);
		goto fail;
	}
	rc = sd_event_add_defer(env->event, &dom->flush, vmm_flush, dom);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(dom->flush, SD_EVENT_OFF);
	if (rc < 0) {
		rc = av_err_set(err, rc, "no event source for a VM");
		goto fail;
	}
	rc = dom->ops->open(dom, err);
	if (rc < 0)
		goto fail;
	*ret_dom = dom;
	return 0;
fail:
	sd_event_source_disable_unref(dom->flush);
	free(dom);
	return rc;
}

struct vmm_dom *
vmm_close(struct vmm_dom *dom)
{
	unsigned i;

	if (dom == NULL)
		return NULL;
	if (dom->gone != NULL)
		*dom->gone = true;
	if (dom->op != NULL) {
		struct av_err was = {0};

		(void)av_err_maybe(&was, -ECANCELED, "closed");
		vmm_op_finish(dom, -ECANCELED, &was);
	}
	dom->ops->close(dom);
	sd_event_source_disable_unref(dom->deadline);
	sd_event_source_disable_unref(dom->flush);
	for (i = 0; i < dom->n_done; i++)
		dom->done[i].op->done(dom->done[i].op, dom->done[i].rc,
		    &dom->done[i].err);
	free(dom);
	return NULL;
}

int
vmm_set_spec(struct vmm_dom *dom, const struct vmm_spec *spec,
    struct av_err *err)
{
	int rc = vmm_spec_check(spec, err);

	if (rc < 0)
		return rc;
	if (vmm_has_process(dom) || dom->op != NULL)
		return av_err_set(err, -EBUSY, "vm '%s' is on",
		    dom->spec.name);
	if (strcmp(spec->id, dom->spec.id) != 0 ||
	    strcmp(spec->uuid, dom->spec.uuid) != 0 ||
	    strcmp(spec->runtime_dir, dom->spec.runtime_dir) != 0)
		return av_err_set(err, -EINVAL, "vm '%s': another VM's "
		    "description", dom->spec.name);
	dom->spec = *spec;
	return 0;
}

int
vmm_start(struct vmm_dom *dom, unsigned flags, struct vmm_op *op,
    struct av_err *err)
{
	int rc;

	if (vmm_has_process(dom))
		return av_err_set(err, -EEXIST, "vm '%s' is on already",
		    dom->spec.name);
	if ((flags & VMM_START_PAUSED) && !(dom->ops->caps & VMM_CAP_PAUSE))
		return av_err_set(err, -EOPNOTSUPP,
		    "driver '%s' can't start paused", dom->ops->name);
	rc = vmm_op_begin(dom, op, VMM_OP_START, err);
	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->start(dom, flags, err));
}

int
vmm_attach(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err)
{
	int rc;

	if (vmm_has_process(dom))
		return av_err_set(err, -EALREADY, "vm '%s' is known already",
		    dom->spec.name);
	rc = vmm_op_begin(dom, op, VMM_OP_ATTACH, err);
	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->attach(dom, err));
}

int
vmm_shutdown(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err)
{
	int rc;

	if (!vmm_has_process(dom) || dom->st.state == VMM_INCOMING)
		return av_err_set(err, -ESRCH, "vm '%s' is off",
		    dom->spec.name);
	rc = vmm_op_begin(dom, op, VMM_OP_SHUTDOWN, err);
	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->shutdown(dom, err));
}

int
vmm_kill(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err)
{
	int rc = vmm_op_begin(dom, op, VMM_OP_KILL, err);

	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->kill(dom, err));
}

static int
vmm_pause_check(struct vmm_dom *dom, enum vmm_state already,
    struct av_err *err)
{
	if (!(dom->ops->caps & VMM_CAP_PAUSE))
		return av_err_set(err, -EOPNOTSUPP, "driver '%s' can't pause",
		    dom->ops->name);
	if (!vmm_has_process(dom))
		return av_err_set(err, -ESRCH, "vm '%s' is off",
		    dom->spec.name);
	/* one that a migration has stopped may still be pinned: vmm.h */
	if (dom->st.state == already && !(already == VMM_PAUSED &&
	    vmm_is_migrating_out(&dom->st)))
		return av_err_set(err, -EALREADY, "vm '%s' is %s already",
		    dom->spec.name, vmm_state_name(already));
	return 0;
}

int
vmm_pause(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err)
{
	int rc = vmm_pause_check(dom, VMM_PAUSED, err);

	if (rc == 0)
		rc = vmm_migration_pause_check(dom, err);
	if (rc == 0)
		rc = vmm_op_begin(dom, op, VMM_OP_PAUSE, err);
	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->pause(dom, err));
}

int
vmm_resume(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err)
{
	int rc = vmm_pause_check(dom, VMM_RUNNING, err);

	if (rc == 0)
		rc = vmm_migration_resume_check(dom, err);
	if (rc == 0)
		rc = vmm_op_begin(dom, op, VMM_OP_RESUME, err);
	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->resume(dom, err));
}

int
vmm_disk_resize(struct vmm_dom *dom, unsigned disk, uint64_t size_bytes,
    struct vmm_op *op, struct av_err *err)
{
	int rc;

	if (!(dom->ops->caps & VMM_CAP_RESIZE))
		return av_err_set(err, -EOPNOTSUPP,
		    "driver '%s' can't resize a disk", dom->ops->name);
	if (disk >= dom->spec.n_disks || size_bytes == 0 ||
	    size_bytes % 512 != 0)
		return av_err_set(err, -EINVAL, "vm '%s': no disk %u of %llu "
		    "bytes", dom->spec.name, disk,
		    (unsigned long long)size_bytes);
	if (!vmm_has_process(dom) || dom->st.state == VMM_INCOMING)
		return av_err_set(err, -ESRCH, "vm '%s' is off",
		    dom->spec.name);
	rc = vmm_op_begin(dom, op, VMM_OP_RESIZE, err);
	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->disk_resize(dom, disk,
	    size_bytes, err));
}

void
vmm_status(const struct vmm_dom *dom, struct vmm_status *ret)
{
	*ret = dom->st;
}

bool
vmm_alive(const struct vmm_dom *dom)
{
	return dom->st.alive;
}

const struct vmm_spec *
vmm_spec(const struct vmm_dom *dom)
{
	return &dom->spec;
}
