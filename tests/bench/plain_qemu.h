/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/plain_qemu.h - a bare QEMU, to compare ours with
 *
 * The guest's command line is ours (vmm_qemu_args()), but for what makes it ours: its
 * first disk is a raw file that both sides open, nothing holds it back ('-S'), and the
 * one that waits goes on by itself when all has come, in the clear.
 */
#ifndef AV_BENCH_PLAIN_QEMU_H
#define AV_BENCH_PLAIN_QEMU_H

#include "vmm/qmp.h"
#include "vmm/vmm.h"

struct plain {
	sd_event	*event;
	struct qmp	*qmp;
	pid_t		 pid;
	bool		 up, down;
	/* of query-migrate; 0 = not asked, not over */
	bool		 failed;
	unsigned	 downtime_ms, total_ms;
};

/* port != 0: it waits there.  Returns when its monitor is there; 0 or -errno. */
int  plain_start(struct plain *p, sd_event *event, const struct vmm_spec *spec,
    const char *image, uint16_t port);
int  plain_migrate(struct plain *p, uint16_t port);	/* returns at once */
/* Its own numbers, once it is over: 0, else -EAGAIN or -EIO.  Runs the loop. */
int  plain_numbers(struct plain *p);
void plain_end(struct plain *p);	/* kills and reaps it */

#endif
