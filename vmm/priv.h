/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/priv.h - between vmm.c and the drivers; nobody else includes it
 *
 * Only vmm.c dereferences ops.  vmm.c owns the op: it checks the state, arms the
 * deadline, and delivers 'changed' and 'done' from the loop; a driver says
 * vmm_dom_set() and vmm_op_finish() whenever it likes, also from inside a call.
 */
#ifndef AV_VMM_PRIV_H
#define AV_VMM_PRIV_H

#include "vmm/vmm.h"

enum vmm_op_kind { VMM_OP_NONE = 0, VMM_OP_START, VMM_OP_ATTACH,
	VMM_OP_SHUTDOWN, VMM_OP_KILL, VMM_OP_PAUSE, VMM_OP_RESUME,
	VMM_OP_RESIZE, VMM_OP_INCOMING, VMM_OP_MIGRATE, VMM_OP_MIGRATE_CANCEL };

#define VMM_CAP_PAUSE	(1u << 0)	/* pause, resume, VMM_START_PAUSED:
					 * while PAUSED no guest instruction runs */

#define VMM_CAP_RESIZE	(1u << 1)	/* disk_resize */

#define VMM_CAP_MIGRATE	(1u << 2)	/* start_incoming, migrate_out,
					 * migrate_cancel; needs VMM_CAP_PAUSE */

/* A hypervisor driver.  One const table per driver; see vmm.c for the list.
 * Every call that takes no 'err' can't fail; an op begun with 0 must be ended with
 * vmm_op_finish() once. */
struct vmm_ops {
	const char *name;		/* [a-z0-9-]+, unique */
	uint32_t caps;

	int  (*open)(struct vmm_dom *dom, struct av_err *err);
	void (*close)(struct vmm_dom *dom);
	int  (*start)(struct vmm_dom *dom, unsigned flags, struct av_err *err);
	int  (*attach)(struct vmm_dom *dom, struct av_err *err);
	int  (*shutdown)(struct vmm_dom *dom, struct av_err *err);
	int  (*kill)(struct vmm_dom *dom, struct av_err *err);
	/* The live op's deadline has passed: end it now, or after at most
	 * another VMM_GRACE_NS by vmm_op_finish(). */
	void (*timeout)(struct vmm_dom *dom, enum vmm_op_kind kind);
	/* VMM_CAP_PAUSE */
	int  (*pause)(struct vmm_dom *dom, struct av_err *err);
	int  (*resume)(struct vmm_dom *dom, struct av_err *err);
	/* VMM_CAP_RESIZE */
	int  (*disk_resize)(struct vmm_dom *dom, unsigned disk,
	    uint64_t size_bytes, struct av_err *err);
	/* VMM_CAP_MIGRATE: what vmm.h promises.  The link and the limits are
	 * checked, the latter filled in. */
	int  (*start_incoming)(struct vmm_dom *dom, const struct vmm_link *link,
	    struct av_err *err);
	int  (*migrate_out)(struct vmm_dom *dom, const struct vmm_link *target,
	    const struct vmm_migrate_limits *limits, struct av_err *err);
	int  (*migrate_cancel)(struct vmm_dom *dom, struct av_err *err);
};

#define VMM_DONE_MAX	4

struct vmm_done {
	struct vmm_op	*op;
	int		 rc;
	struct av_err	 err;
};

struct vmm_dom {
	const struct vmm_ops	*ops;
	void			*drv;		/* the driver's own */
	struct vmm_env		 env;
	struct vmm_spec		 spec;
	struct vmm_status	 st;
	struct vmm_op		*op;		/* live one, or NULL */
	sd_event_source		*deadline;
	sd_event_source		*flush;		/* defer source */
	bool			 changed;
	unsigned		 n_done;
	struct vmm_done		 done[VMM_DONE_MAX];
	bool			*gone;		/* set by vmm_close() in a callback */
};

extern const struct vmm_ops vmm_qemu_ops;
extern const struct vmm_ops vmm_sim_ops;
extern const struct vmm_ops vmm_xen_ops;

/* Capability bits and pointers agree, names are unique.  0 or -EINVAL. */
int vmm_ops_check(void);
int vmm_spec_check(const struct vmm_spec *spec, struct av_err *err);

/* New state and reason; detail NULL = "".  Equal ones are no change. */
void vmm_dom_set(struct vmm_dom *dom, enum vmm_state state,
    enum vmm_reason reason, const char *detail);
/* Its phase and the reason for it, NULL = "".  Equal ones are no change. */
void vmm_dom_phase(struct vmm_dom *dom, enum vmm_phase phase, const char *why);
/* Something else in dom->st was changed. */
void vmm_dom_touch(struct vmm_dom *dom);
/* A time limit on this machine: never shorter. */
uint64_t vmm_scaled(const struct vmm_dom *dom, uint64_t ns);
/* So many scaled ms from now. */
uint64_t vmm_due_ns(const struct vmm_dom *dom, uint64_t ms);
/* Ends the live op; without one, nothing. */
void vmm_op_finish(struct vmm_dom *dom, int rc, const struct av_err *err);
/* vmm.c's and migrate.c's: 'op' becomes the live one, the driver is called next;
 * the driver's answer 'rc'. */
int vmm_op_begin(struct vmm_dom *dom, struct vmm_op *op, enum vmm_op_kind kind,
    struct av_err *err);
int vmm_op_ran(struct vmm_dom *dom, struct vmm_op *op, int rc);
/* May this guest be paused, resumed, as far as migrations go?  0 or an errno. */
int vmm_migration_pause_check(const struct vmm_dom *dom, struct av_err *err);
int vmm_migration_resume_check(const struct vmm_dom *dom, struct av_err *err);

static inline bool
vmm_has_process(const struct vmm_dom *dom)
{
	return dom->st.state != VMM_ABSENT && dom->st.state != VMM_EXITED;
}

static inline enum vmm_op_kind
vmm_op_kind(const struct vmm_dom *dom)
{
	return dom->op != NULL ? (enum vmm_op_kind)dom->op->kind : VMM_OP_NONE;
}

#endif
