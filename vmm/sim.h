/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/sim.h - between the sim driver's two files
 *
 * A guest (sim_guest) outlives the vmm_dom that looks at it.  Two of them are the ends
 * of a stream while each is the other's 'other'.
 */
#ifndef AV_VMM_SIM_H
#define AV_VMM_SIM_H

#include "vmm/priv.h"

#define SIM_MAX		64
#define SIM_VERSION_MAX	16

struct sim_guest {
	char			place[VMM_PATH_MAX];	/* "" = free */
	enum vmm_state		state;
	enum vmm_reason		reason;
	int			signal;
	bool			alive;
	uint64_t		disk_bytes[VMM_DISKS_MAX];	/* as told */
	struct vmm_dom		*dom;		/* who looks; NULL = nobody */
	/* migration; sim_migrate.c */
	struct vmm_migration	mig;
	struct sim_guest	*other;		/* both ends name each other */
	bool			pinned;		/* paused, stream and all */
	char			psk_file[256];
	char			version[SIM_VERSION_MAX];
	struct vmm_spec		spec;
};

struct sim {
	struct sim_guest	*guest;
	sd_event_source		*step;		/* a stream's next phase */
	bool			 deaf;
	bool			 fail_start;
};

extern struct sim_guest vmm_sim_guests[SIM_MAX];

bool vmm_sim_is_on(const struct sim_guest *g);
/* Also tells the dom that looks. */
void vmm_sim_put(struct sim_guest *g, enum vmm_state state,
    enum vmm_reason reason, const char *detail);

/* sim_migrate.c */
int  vmm_sim_migrate_open(struct vmm_dom *dom);
void vmm_sim_migrate_close(struct vmm_dom *dom);
void vmm_sim_migrate_attached(struct vmm_dom *dom);
void vmm_sim_migrate_reset(void);
/* This end of a stream is gone. */
void vmm_sim_migrate_gone(struct sim_guest *g, const char *why);
int  vmm_sim_start_incoming(struct vmm_dom *dom, const struct vmm_link *link,
    struct av_err *err);
int  vmm_sim_migrate_out(struct vmm_dom *dom, const struct vmm_link *target,
    const struct vmm_migrate_limits *limits, struct av_err *err);
int  vmm_sim_migrate_cancel(struct vmm_dom *dom, struct av_err *err);
/* Under way from here: ends it, and the guest isn't stopped by it any more. */
void vmm_sim_migrate_end(struct sim_guest *g, enum vmm_phase phase,
    const char *why);

#endif
