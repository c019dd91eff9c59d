/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xen_status.c - driver "xen": what av-xenrun says becomes a status
 */
#include <errno.h>
#include <string.h>

#include "vmm/xen_drv.h"

static void
cont_replied(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct xen *q = ctx;

	(void)ret;
	if (rc == -EPIPE || vmm_op_kind(q->dom) != VMM_OP_START || rc == 0)
		return;		/* STATUS says that it runs */
	xen_fail_op(q, rc, AV_MAYBE, err->text);
}

/* A start: made is not done, when it is to run. */
static void
status_start(struct xen *q, const char *w)
{
	if (strcmp(w, "paused") == 0 && q->want_run) {
		q->want_run = false;
		q->cont_sent = true;
		(void)qmp_call(q->qmp, "cont", NULL, cont_replied, q);
	} else if (strcmp(w, "running") == 0 ||
	    (strcmp(w, "paused") == 0 && !q->cont_sent)) {
		vmm_op_finish(q->dom, 0, NULL);
	}
}

/* An incoming one: it listens, so it has been started. */
static void
status_incoming(struct xen *q)
{
	if (vmm_op_kind(q->dom) == VMM_OP_INCOMING)
		vmm_op_finish(q->dom, 0, NULL);
	vmm_dom_set(q->dom, VMM_INCOMING, VMM_REASON_NONE, NULL);
}

static void
status_paused(struct xen *q)
{
	const struct vmm_migration *m = &q->dom->st.migration;
	bool moving = !m->incoming && !q->pinned &&
	    (m->phase == VMM_PHASE_SWITCHING ||
	    m->phase == VMM_PHASE_COMPLETE);

	vmm_dom_set(q->dom, VMM_PAUSED, moving ? VMM_REASON_MIGRATION :
	    VMM_REASON_ASKED, NULL);
}

/* An order that waits for its state, now that it is there. */
static void
status_ends_op(struct xen *q, enum vmm_op_kind kind)
{
	const struct vmm_status *st = &q->dom->st;

	if (kind == VMM_OP_ATTACH ||
	    (kind == VMM_OP_PAUSE && st->state == VMM_PAUSED &&
	    st->reason == VMM_REASON_ASKED) ||
	    (kind == VMM_OP_RESUME && st->state == VMM_RUNNING) ||
	    (kind == VMM_OP_MIGRATE_CANCEL && !vmm_is_migrating_out(st)))
		vmm_op_finish(q->dom, 0, NULL);
}

void
xen_status_apply(struct xen *q, const json_t *msg)
{
	const char *w = json_string_value(json_object_get(msg, "status"));
	struct vmm_dom *dom = q->dom;
	enum vmm_op_kind kind = vmm_op_kind(dom);

	if (w == NULL || q->ending || strcmp(w, "ending") == 0)
		return;			/* its process' end says how */
	if (kind == VMM_OP_START) {
		status_start(q, w);
		if (vmm_op_kind(dom) == VMM_OP_START)
			return;		/* STARTING until that is done */
	}
	q->pinned = json_is_true(json_object_get(json_object_get(msg,
	    "migration"), "pinned"));
	xen_migration_apply(q, json_object_get(msg, "migration"));
	if (strcmp(w, "running") == 0)
		vmm_dom_set(dom, VMM_RUNNING, VMM_REASON_NONE, NULL);
	else if (strcmp(w, "paused") == 0)
		status_paused(q);
	else if (strcmp(w, "inmigrate") == 0)
		status_incoming(q);
	else if (strcmp(w, "making") == 0)
		vmm_dom_set(dom, VMM_STARTING, VMM_REASON_NONE, NULL);
	else
		vmm_dom_set(dom, VMM_PAUSED, VMM_REASON_OTHER, w);
	status_ends_op(q, kind);
}
