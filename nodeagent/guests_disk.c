/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guests_disk.c - a running guest learns that a disk has grown
 *
 * The mirror grows first; then the hypervisor is told the size that the volume
 * has.  A new agent doesn't know what was told: the driver compares first and
 * leaves a guest alone that has the size.  A VM that is off needs nothing.
 */
#include "base/log.h"
#include "nodeagent/guests_impl.h"

static void
resize_done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct guest *g = container_of(op, struct guest, op);

	g->op_busy = false;
	if (rc < 0) {
		/* the mirror has dropped the old connection just now, or so */
		log_info(g->row.id, "disk %u: %s; tried again", g->resizing,
		    err->text);
		g->disk_bytes[g->resizing] = 0;
		g->resize_retry_ns = av_clock_ns() + GUEST_RETRY_NS;
	}
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

bool
guest_resize(struct guest *g)
{
	struct av_err err = { 0 };
	unsigned i;

	if (av_clock_ns() < g->resize_retry_ns)
		return false;
	for (i = 0; i < g->row.n_disks; i++) {
		uint64_t size = volumes_size(g->gs->volumes,
		    g->row.disks[i].volume_id);
		struct vmm_op *op;

		if (size == 0 || size == g->disk_bytes[i] || !volumes_ready(
		    g->gs->volumes, g->row.disks[i].volume_id, NULL))
			continue;
		op = guest_order_begin(g, "size of a disk");
		op->done = resize_done;
		g->resizing = i;
		g->disk_bytes[i] = size;
		if (vmm_disk_resize(g->dom, i, size, op, &err) == 0)
			return true;
		g->op_busy = false;
		g->disk_bytes[i] = 0;
		g->resize_retry_ns = av_clock_ns() + GUEST_RETRY_NS;
		log_info(g->row.id, "disk %u: %s", i, err.text);
		return false;
	}
	return false;
}
