/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xen_drv.h - between the files of driver "xen"
 */
#ifndef AV_VMM_XEN_DRV_H
#define AV_VMM_XEN_DRV_H

#include <jansson.h>

#include "vmm/priv.h"
#include "vmm/qmp.h"
#include "vmm/spawn.h"

struct xen {
	struct vmm_dom	 *dom;
	char		 *vmrun;	/* paths of the two programs */
	char		 *xenrun;
	struct vmm_spawn *spawn;
	struct qmp	 *qmp;		/* to av-xenrun: the same wire form */
	int		  pidfd;	/* av-xenrun; -1 = none */
	sd_event_source	 *exit_io;
	sd_event_source	 *tick;
	bool		  verified;	/* it is ours, by UUID */
	bool		  growing;	/* an answer to "resize" is to come */
	bool		  want_run;	/* start: not to stay paused */
	bool		  cont_sent;	/* start: it will run in a moment */
	bool		  timed_out;	/* start: ended for its deadline */
	bool		  ending;	/* the domain is to go, whatever happens */
	bool		  destroyer;	/* that was begun as 'destroy' */
	bool		  rx_known;
	bool		  pinned;	/* paused in the middle of a migration */
	struct vmm_link	  link;		/* of a migration */
	enum vmm_op_kind  order;	/* whose answer is awaited */
	uint64_t	  kill_at_ns;	/* 0 = none, as all of these */
	uint64_t	  give_up_ns;	/* a failed start's last limit */
	uint64_t	  gone_ns;	/* av-xenrun ended */
	uint64_t	  respawn_ns;	/* then the next av-xenrun */
	uint64_t	  rx_base[VMM_NICS_MAX];
};

/* --- xen.c --- */
void xen_tick_in(struct xen *q, unsigned ms);
void xen_fail_op(struct xen *q, int rc, enum av_outcome outcome,
    const char *text);
int  xen_spawn(struct xen *q, const char *mode, struct av_err *err);
/* Begins av-xenrun 'mode' for a guest that isn't there: STARTING. */
int  xen_begin(struct xen *q, const char *mode, struct av_err *err);
/* An order whose answer ends the op 'kind'; steals 'args'. */
int  xen_order(struct xen *q, const char *cmd, json_t *args,
    enum vmm_op_kind kind, struct av_err *err);

/* --- xen_status.c --- */
/* What av-xenrun says about its guest. */
void xen_status_apply(struct xen *q, const json_t *msg);

/* --- xen_migrate.c --- */
int  xen_start_incoming(struct vmm_dom *dom, const struct vmm_link *link,
    struct av_err *err);
int  xen_migrate_out(struct vmm_dom *dom, const struct vmm_link *target,
    const struct vmm_migrate_limits *limits, struct av_err *err);
int  xen_migrate_cancel(struct vmm_dom *dom, struct av_err *err);
/* The part "migration" of what av-xenrun says; NULL = none. */
void xen_migration_apply(struct xen *q, const json_t *msg);

static inline bool
xen_is_starting(enum vmm_op_kind kind)
{
	return kind == VMM_OP_START || kind == VMM_OP_INCOMING;
}

#endif
