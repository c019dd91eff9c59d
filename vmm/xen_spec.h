/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xen_spec.h - what the driver "xen" and av-xenrun say to each other; pure
 *
 * RUNTIME/xen.json is the guest's description.  RUNTIME/xen.sock speaks QMP's wire
 * form (vmm/qmp.h is the client) with words of our own.  av-xenrun's exit code says
 * how the guest ended; with any other end of it the domain may still run.
 */
#ifndef AV_VMM_XEN_SPEC_H
#define AV_VMM_XEN_SPEC_H

#include <jansson.h>

#include "vmm/vmm.h"

/* Of XR_EX_SHUTDOWN and above: no domain of this guest is left. */
enum xr_exit {
	XR_EX_FAILED = 1,	/* av-xenrun could do nothing; a domain may run */
	XR_EX_SHUTDOWN = 10,	/* the guest powered itself off */
	XR_EX_PANIC,		/* it said that it crashed */
	XR_EX_WATCHDOG,		/* its own watchdog ended it */
	XR_EX_KILLED,		/* on our order */
	XR_EX_VANISHED,		/* somebody else destroyed the domain */
	XR_EX_NONE,		/* looked for, and there was none */
	XR_EX_START_FAILED,
	XR_EX_BACKEND,		/* the process of its disks died */
	XR_EX_INCOMING_FAILED,	/* a migration's stream broke */
	XR_EX_LAST = XR_EX_INCOMING_FAILED,
};

/* True when the code says that nothing of the guest is left; then how it ended.
 * 'ret_detail' is a static sentence, "" when the reason says all. */
bool xr_exit_reason(int code, enum vmm_reason *ret, const char **ret_detail);

/* XEN_DOMINF_shutdown's codes (xen/public/sched.h). */
enum xr_why { XR_WHY_POWEROFF = 0, XR_WHY_REBOOT, XR_WHY_SUSPEND,
	XR_WHY_CRASH, XR_WHY_WATCHDOG, XR_WHY_SOFT_RESET };
/* The end of av-xenrun that a shutdown of the domain leads to; 0 = none: it is
 * made anew (a reset), or is being moved (suspend). */
int xr_why_exit(unsigned why);

/* *ret_msg is yours.  0 or -ENOMEM. */
int xr_spec_encode(const struct vmm_spec *spec, json_t **ret_msg);
/* Bounded and checked by vmm_spec_check().  0, -EBADMSG or its error. */
int xr_spec_decode(const json_t *msg, struct vmm_spec *ret,
    struct av_err *err);

/* The guest's interface in the host: "v7n0" for "tap7n0".  libxl adds "-emu" to
 * that of an emulated adapter.  -ENAMETOOLONG. */
int xr_vif_name(const char *tap, bool emulated, char ret[16]);

/* PVH, or HVM for VMM_OS_LEGACY; PV guests can't be moved: not made. */
bool xr_is_hvm(const struct vmm_spec *spec);
/* libxl_domain_config as its JSON.  'bridges' one per adapter, "" = none. */
int xr_config(const struct vmm_spec *spec, const char *const *bridges,
    json_t **ret_msg, struct av_err *err);
/* The words of QEMU that serves the disks that are NBD sockets (PVH only), to domain
 * 'domid'; false when there is none to serve.  Not 'plugged': it is connected to the
 * disks, and offers each to the guest by the order of xr_disk_plug(). */
struct vmm_args;
bool xr_disk_args(const struct vmm_spec *spec, unsigned domid, bool plugged,
    struct vmm_args *a);
/* That order, a line; false: this disk isn't QEMU's. */
bool xr_disk_plug(const struct vmm_spec *spec, unsigned disk, char ret[160]);
/* xvda = 51712, xvdb = 51728 ... (Xen's docs, vbd interface). */
unsigned xr_vdev(unsigned place);
/* Where the spec's disk stands among the guest's: the one to boot is the first. */
unsigned xr_place(const struct vmm_spec *spec, unsigned disk);

#endif
