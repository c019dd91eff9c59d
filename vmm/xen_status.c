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
	if (strcmp(w, "running") == 0)
		vmm_dom_set(dom, VMM_RUNNING, VMM_REASON_NONE, NULL);
	else if (strcmp(w, "paused") == 0)
		vmm_dom_set(dom, VMM_PAUSED, VMM_REASON_ASKED, NULL);
	else if (strcmp(w, "making") == 0)
		vmm_dom_set(dom, VMM_STARTING, VMM_REASON_NONE, NULL);
	else
		vmm_dom_set(dom, VMM_PAUSED, VMM_REASON_OTHER, w);
	if (kind == VMM_OP_ATTACH ||
	    (kind == VMM_OP_PAUSE && dom->st.state == VMM_PAUSED) ||
	    (kind == VMM_OP_RESUME && dom->st.state == VMM_RUNNING))
		vmm_op_finish(dom, 0, NULL);
}
