/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guests_impl.h - one VM on this PM; shared by guests*.c
 *
 * guests.c compares and decides, guests_start.c finds and starts processes,
 * guests_install.c fills new volumes from their images.
 */
#ifndef AV_NODEAGENT_GUESTS_IMPL_H
#define AV_NODEAGENT_GUESTS_IMPL_H

#include "base/clock.h"
#include "nodeagent/core/move.h"
#include "nodeagent/guests.h"
#include "nodeagent/imagecopy.h"

#define GUEST_RETRY_NS		(1 * AV_NS_PER_S)

struct guest {
	struct guest	*next;
	struct guests	*gs;
	struct store_vm	 row;
	bool		 in_db;
	struct vmm_dom	*dom;
	struct vmm_op	 op;
	bool		 op_busy;
	const char	*op_what;
	bool		 looked;	/* vmm_attach() has answered */
	bool		 reporting;
	bool		 paused;	/* told so; QEMU's answer may wait for held
					 * writes, its vCPUs don't */
	uint64_t	 retry_ns;
	uint64_t	 run_id;	/* the process's run; 0 = none started */
	uint64_t	 reported_run_id;	/* 'started' is in the database */
	uint64_t	 ended_run_id;	/* whose end was dealt with */
	uint64_t	 shutdown_ns;	/* when the guest was asked last */
	unsigned	 crashes;	/* in a row; sets the wait */
	int64_t		 started_utc_ms;
	uint64_t	 disk_bytes[STORE_VM_DISKS_MAX];	/* as told to it; 0 =
								 * not known */
	unsigned	 resizing;	/* the disk of the order under way */
	uint64_t	 resize_retry_ns;
	char		 why[256];	/* what it waits for, or what failed */
	bool		 came;		/* alive already: it ran on the other PM */
	struct {			/* guests_move.c */
		uint64_t	 id;	/* RUNTIME/move: of the process, or ... */
		enum move_mark	 mark;	/* ... of the last one; 0 = none */
		bool		 maybe;	/* a switch may have been ordered */
		bool		 ordering;
		enum move_why	 why;	/* the step that it is at, ... */
		uint64_t	 step_of, since_ns;	/* ... of which move, since */
		char		 detail[160];	/* the last failure's words */
	} move;
	struct vmm_op	 pin;		/* a pause while 'op' is under way */
	bool		 pin_busy;
	/* filling new volumes */
	struct imagecopy *copy;
	struct imagecopy *copy_done;	/* to be freed outside its callback */
	char		 copy_volume[STORE_ID_MAX];
	int		 copy_percent;
	char		 copied[STORE_VM_DISKS_MAX][STORE_ID_MAX];
	unsigned	 n_copied;
};

struct guests {
	sd_event	*event;
	const struct agent_conf *conf;
	struct store	*store;
	struct volumes	*volumes;
	enum vmm_accel	 accel;
	const struct guests_ops *ops;
	void		*ctx;
	struct guest	*list;
	struct right	 right;
	bool		 complete;	/* the list has every VM of the database */
};

/* "o12" of "vm:o12". */
const char *guest_short_id(const char *id);
/* What it waits for or what failed; "" = nothing.  Told to people once. */
void guest_say_why(struct guest *g, const char *why);
/* Orders vm.report; a no-op while one is under way. */
void guest_report(struct guest *g, const char *event, const char *reason);

/* An order to the hypervisor begins, and ends if 'rc' says that it was refused. */
struct vmm_op *guest_order_begin(struct guest *g, const char *what);
void guest_order_end(struct guest *g, int rc, const struct av_err *err);
/* 'done' of an order; guests_start.c's own call it last. */
void guest_order_done(struct vmm_op *op, int rc, const struct av_err *err);

/* guests_start.c: looks whether the process runs already; starts it when its
 * volumes are ready; removes its taps. */
void guest_look(struct guest *g);
void guest_start(struct guest *g);
void guest_taps_delete(const struct guest *g);

/* guests.c: orders to the hypervisor. */
void guest_order_kill(struct guest *g);
void guest_order_pause(struct guest *g);
/* guests_start.c: spec, taps and the run's number for the next process. */
int guest_prepare(struct guest *g, uint64_t run_id, struct av_err *err);

/* guests_move.c: the next step of a live migration; false = the ordinary comparison
 * goes on.  May it start a process?  RUNTIME/move is read at the look, forgotten at
 * an ordinary start.  The guest's MACs are told to the switches. */
bool guest_move(struct guest *g, const struct vmm_status *st);
bool guest_move_may_start(const struct guest *g);
void guest_move_read(struct guest *g);
int guest_move_forget(struct guest *g);
void guest_announce(const struct guest *g);
bool guest_is_being_sent(const struct vmm_status *st);
bool guest_is_sent_away(const struct guest *g, const struct vmm_status *st);
/* Member 'move' of the guest's facts; yours. */
json_t *guest_move_fact(const struct guest *g, const struct vmm_status *st);

/* guests_disk.c: tells a running guest of a disk that has grown; true = an order
 * was given. */
bool guest_resize(struct guest *g);

/* guests_install.c: the next step of filling the VM's volumes. */
void guest_install(struct guest *g);
/* Not this PM's to fill any more: ends a copy under way, forgets those done. */
void guest_install_stop(struct guest *g);

#endif
