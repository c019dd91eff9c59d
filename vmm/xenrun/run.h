/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/run.h - av-xenrun: the process that stands for one guest under Xen
 *
 *   MAKING --made--> PAUSED <--stop/cont--> RUNNING --guest resets--> MAKING
 *      |                |                      |
 *      +----------------+----------------------+--> ENDING --nothing left--> exit
 *
 * Everything that waits (libxl) is a task: a thread with a result, taken in by the
 * loop.  There are three: 'job' makes, saves or dumps; 'ender' takes the domain away
 * and 'grower' tells it of a disk's size: both may run while a job does.
 */
#ifndef AV_XENRUN_RUN_H
#define AV_XENRUN_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include "vmm/xenrun/be.h"

struct xr;

struct xr_task {
	int		(*work)(struct xr *xr, struct av_err *err);	/* thread */
	void		(*done)(struct xr *xr, int rc, const struct av_err *err);
	bool		 live;		/* the loop's */
	atomic_bool	 ended;
	int		 rc;
	struct av_err	 err;
	pthread_t	 thread;
	struct xr	*xr;
};

enum xr_state { XR_MAKING = 0, XR_PAUSED, XR_RUNNING, XR_INCOMING, XR_ENDING };

struct xr_serve;
struct xr_console;
struct xr_move;

/* Whom an order's answer goes to, later. */
struct xr_asker {
	unsigned	client;		/* 0 = nobody */
	json_int_t	id;
};

struct xr {
	sd_event	*event;
	struct vmm_spec	 spec;
	enum xr_state	 state;
	unsigned	 domid;
	bool		 want_run;	/* what the agent last ordered */
	int		 exit_code;	/* of ENDING */
	char		 why[160];	/* of ENDING: the last words */
	struct xr_task	 job;
	struct xr_task	 ender;
	struct xr_task	 grower;
	int		 task_fd;	/* eventfd: a task has ended */
	int		 restore_fd;	/* -1 = made anew */
	int		 disks_pidfd;	/* -1 = no process for disks */
	sd_event_source	*disks_io;
	struct xr_serve	*serve;
	struct xr_console *console;
	struct xr_move	*move;		/* NULL = none under way */
	struct xr_asker	 dump_asker;
	char		 dump_path[160];
	struct {			/* what 'grower' works on */
		struct xr_asker	asker;
		unsigned	domid, disk;
		uint64_t	bytes;
	} grow;
};

/* --- guest.c --- */
void xr_task_start(struct xr *xr, struct xr_task *t);
int  xr_tasks_init(struct xr *xr);
/* Makes the domain (mode create, incoming); the result comes as a state. */
void xr_guest_make(struct xr *xr);
/* -ENOENT: there is none.  Takes over the one that is there. */
int  xr_guest_adopt(struct xr *xr, struct av_err *err);
/* Takes everything away, then exits with 'code'; the first code counts. */
void xr_guest_end(struct xr *xr, int code, const char *why);
void xr_guest_look(struct xr *xr);	/* a domain came or went */
int  xr_guest_stop(struct xr *xr, struct av_err *err);
int  xr_guest_cont(struct xr *xr, struct av_err *err);
/* After a job: what the domain is now, and what the agent wants of it. */
void xr_guest_settle(struct xr *xr, struct av_err *err);
void xr_state_set(struct xr *xr, enum xr_state state);
/* In a thread: the domain of 'xr' from its description; with xr->restore_fd the
 * domain alone, its disks and xr_made_write() are left to the caller. */
int  xr_make_work(struct xr *xr, struct av_err *err);
int  xr_made_write(const struct xr *xr, struct av_err *err);
void xr_made_use(struct xr *xr);	/* disks' process and console, loop */

/* --- disks.c: the QEMU that serves NBD disks --- */
/* Blocks.  Not 'plugged': for a guest that comes here; xr_disks_plug() follows. */
int  xr_disks_start(struct xr *xr, unsigned domid, bool plugged,
    struct av_err *err);
/* Blocks.  This PM's volumes answer from now on: offers the disks to the guest,
 * those that aren't yet.  Each is read for that. */
int  xr_disks_plug(const struct xr *xr, struct av_err *err);
int  xr_disks_stop(struct xr *xr, struct av_err *err);	/* blocks */
int  xr_disks_pidfd(const struct xr *xr);	/* -ENOENT: none */
/* Blocks.  The guest stands: all that it wrote is at the mirror, nothing follows. */
int  xr_disks_quiet(const struct xr *xr, struct av_err *err);
/* Blocks for as long as the QEMU of the disks is silent. */
int  xr_disk_resize(const struct xr *xr, unsigned domid, unsigned disk,
    uint64_t bytes, struct av_err *err);

/* --- console.c --- */
int  xr_console_new(struct xr *xr, struct xr_console **ret);
void xr_console_use(struct xr_console *c);	/* a new domain */

/* --- serve.c --- */
int  xr_serve_new(struct xr *xr, struct xr_serve **ret, struct av_err *err);
void xr_serve_status(struct xr_serve *s);	/* tells everybody */
void xr_serve_answer(struct xr_serve *s, struct xr_asker *to, int rc,
    json_t *ret, const struct av_err *err);	/* steals ret */

#endif
