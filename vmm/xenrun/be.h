/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/be.h - what av-xenrun needs of a hypervisor
 *
 * Two of them, chosen when the program is linked: be_libxl.c (Xen) and be_fake.c
 * (domains are files; tests on a machine without Xen).
 *
 * Threads: every call may come from any thread, one of each kind at a time, save
 * where "loop" is said: those are quick and for the loop's thread.  Calls said to
 * block may take minutes.
 */
#ifndef AV_XENRUN_BE_H
#define AV_XENRUN_BE_H

#include <jansson.h>

#include "vmm/vmm.h"
#include "vmm/xen_spec.h"

struct xr_info {
	unsigned	domid;
	bool		hvm;		/* not a PV guest: PVH or HVM */
	bool		paused;
	bool		shutdown;	/* of itself; 'why' says how */
	bool		dying;		/* destroyed; somebody holds its memory */
	unsigned	why;		/* enum xr_why */
	uint64_t	cpu_ns;
	uint64_t	memory_bytes;
};

/* Once, first.  *ret_fd turns readable when any domain came or went: then
 * xr_be_drain().  -ENODEV: not under Xen, or without what guests need (a
 * sentence). */
int xr_be_open(int *ret_fd, struct av_err *err);
void xr_be_drain(void);				/* loop */
/* The domain of this guest, by UUID; a living one before a dying one.  -ENOENT. */
int xr_be_find(const char *uuid, struct xr_info *ret);	/* quick */
/* Blocks.  Makes it, paused, with all its devices, from 'config' (xr_config()).
 * restore_fd >= 0: from that stream instead of anew. */
int xr_be_create(const json_t *config, int restore_fd, unsigned *ret_domid,
    struct av_err *err);
int xr_be_destroy(unsigned domid, struct av_err *err);	/* blocks */
int xr_be_pause(unsigned domid);		/* quick; returns when it stands */
/* Blocks for an HVM guest. */
int xr_be_unpause(unsigned domid, bool hvm);
int xr_be_ask_off(unsigned domid, bool hvm);	/* quick */
/* Blocks.  ELF core of all its memory. */
int xr_be_dump(unsigned domid, const char *path, struct av_err *err);
/* Its serial line's terminal in the host.  -EAGAIN: not there yet. */
int xr_be_tty(unsigned domid, bool hvm, char *ret, size_t n);	/* quick */
/* The state of the backend of its disk (XenbusState), 0 = none. */
int xr_be_disk_state(unsigned domid, unsigned vdev);	/* quick */
/* Tells blkfront that a block device has grown; quick. */
int xr_be_disk_grown(unsigned domid, unsigned vdev, uint64_t bytes);
/* Blocks.  The domain stands: returns when nothing is under way to this block device
 * of its any more, and all of it is flushed. */
int xr_be_device_quiet(const char *device, struct av_err *err);
/* Blocks.  Streams the running domain to 'fd' and leaves it stopped at the same
 * point; xr_be_continue() lets it go on there. */
int xr_be_save(unsigned domid, int fd, struct av_err *err);
int xr_be_continue(unsigned domid, struct av_err *err);	/* blocks */
/* This program as libxl's script for an adapter (be_vif.c); no xr_be_open() before. */
int xr_be_vif(const char *action, bool tap);
/* What this machine is: J2. */
int xr_be_physical(json_t **ret_msg, struct av_err *err);

#endif
