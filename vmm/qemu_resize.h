/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qemu_resize.h - QEMU learns that a disk has grown
 *
 * query-named-block-nodes -> block_resize; when that fails, once: a read, with which
 * QEMU's NBD client connects again and learns the size, and block_resize.  Ends the
 * dom's live op (VMM_OP_RESIZE) if it is still that one.
 */
#ifndef AV_VMM_QEMU_RESIZE_H
#define AV_VMM_QEMU_RESIZE_H

#include "vmm/priv.h"
#include "vmm/qmp.h"

struct qemu_resize {
	/* caller fills in; stays until the op has ended */
	struct vmm_dom	*dom;
	struct qmp	**qmp;		/* NULL when the monitor is gone */
	unsigned	 disk;
	uint64_t	 bytes;
	/* private */
	bool		 nudged;	/* the second try */
};

/* 0: the op will be ended.  The monitor is up. */
int qemu_resize_begin(struct qemu_resize *q, struct av_err *err);

#endif
