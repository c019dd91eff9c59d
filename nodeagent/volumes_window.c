/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/volumes_window.c - the window of a live migration (mirror.h)
 *
 * For a driver whose secondary can't be opened, as drbd's.  While the VM is on its
 * way both PMs have the window open and the target leads besides the source, so
 * that its process can open the front; docs/design-migration.md says why one alone
 * writes.  Nothing of it is remembered: the VM's row and the mirror's status tell.
 *
 *   the row says   source                 target
 *   moving         open                   open, then primary
 *   switched       secondary, once its    close, once the peer isn't
 *		    process is gone; close primary
 *   ended          close, as above        secondary, once its process is
 *					   gone; close
 */
#include "nodeagent/volumes_impl.h"

static void
order_window(struct volume *v, bool open)
{
	struct av_err err = { 0 };
	struct mirror_op *op = volume_order_begin(v, open ?
	    "open for two primaries" : "close to a second primary");

	volume_order_end(v, mirror_window(v->m, op, open, &err), &err);
}

bool
volume_window_steer(struct volume *v, const struct mirror_status *st)
{
	bool moves = v->vs->right.kind == RIGHT_TOGETHER && v->move_to >= 0;

	if (!mirror_needs_window(v->m) || v->vs->right.kind != RIGHT_TOGETHER)
		return false;
	if (moves && !st->window) {
		/* refused unless in step: the owner's last look */
		if (st->conn == MIRROR_CONNECTED) {
			order_window(v, true);
			return true;
		}
		return false;
	}
	if (moves && v->move_to == v->vs->conf->node) {
		if (st->role != MIRROR_PRIMARY)
			volume_order_primary(v, false);
		return true;
	}
	if (!moves && st->window && !(st->role == MIRROR_PRIMARY &&
	    st->peer_primary)) {
		order_window(v, false);
		return true;
	}
	return false;
}

bool
volume_window_may_open(const struct volume *v, const struct mirror_status *st)
{
	return !mirror_needs_window(v->m) || (st->role == MIRROR_PRIMARY &&
	    st->conn == MIRROR_CONNECTED && !v->op_busy);
}

bool
volume_in_use(const struct volume *v)
{
	/* a device that a stopped process has open can't be given up */
	return (v->m != NULL && mirror_needs_window(v->m) ?
	    v->vs->ops->held_open : v->vs->ops->in_use)(v->vs->ctx,
	    v->row.vm_id);
}
