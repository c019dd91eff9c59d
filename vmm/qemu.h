/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qemu.h - between the files of the qemu driver, and for its tests; nobody else includes
 *	it
 *
 *   qemu.c		the driver's calls: start, attach, shutdown, kill, pause
 *   qemu_watch.c	what the process says: monitor, run state, signs of life
 *   qemu_end.c		the process: found, ended, gone
 *   qemu_migrate.c	migration: calls; qemu_carry.c: who carries the stream;
 *			qemu_stream.c: what becomes of it
 *   qemu_resize.c	a disk has grown
 */
#ifndef AV_VMM_QEMU_H
#define AV_VMM_QEMU_H

#include "vmm/args.h"
#include "vmm/priv.h"
#include "vmm/qemu_resize.h"
#include "vmm/qga.h"
#include "vmm/qmp.h"
#include "vmm/spawn.h"

#define TICK_FAST_MS	20	/* something is awaited */
#define TICK_LIFE_MS	250	/* signs of life, the monitor's return */
#define QEMU_STEPS_MAX	8

/* One command of several that are given one after the other. */
struct qemu_step {
	const char	*cmd;
	json_t		*args;		/* owned until it is sent */
};

struct qemu_migration {
	/* as QEMU said last */
	char		status[16];	/* query-migrate's; "" = none */
	char		error[160];
	/* ours */
	bool		offered;	/* QEMU listens, at in.sock */
	bool		listens;	/* and av-vmstream, where the link says */
	struct vmm_spawn *carrier;	/* av-vmstream is being started */
	uint16_t	port;		/* in: asked for; 0 = any */
	bool		marker;		/* RUNTIME/incoming is there: never ran here */
	bool		announce;	/* it came here and is being resumed */
	bool		pinned;		/* SIGSTOP by a pause: nothing executes */
	bool		cancelling;
	bool		yanked;
	char		gave_up[160];	/* why we end it: FAILED, not CANCELLED */
	struct vmm_migrate_limits limits;
	unsigned	downtime_ms;	/* QEMU's limit now */
	uint64_t	began_ns, switch_ns, cancel_ns, look_ns;
	uint64_t	moved_bytes, moved_ns;	/* when more had got through */
	struct qemu_step steps[QEMU_STEPS_MAX];
	unsigned	n_steps, at;
};

struct qemu {
	struct vmm_dom	 *dom;
	struct vmm_spawn *spawn;
	struct qmp	 *qmp;
	struct qga	 *qga;
	int		  pidfd;	/* -1 = no process */
	int		  line_fd;	/* qemu_line_hold(); -1 = isn't held */
	sd_event_source	 *exit_io;
	sd_event_source	 *tick;
	enum vmm_reason	  end;		/* why it is ending, when known */
	char		  end_words[160];
	bool		  verified;	/* it is ours, by UUID */
	bool		  want_run;	/* start: not to stay paused */
	bool		  timed_out;	/* start: killed for its deadline */
	bool		  port_open;	/* the guest opened the agent's port */
	bool		  rx_known;
	/* one question for the run state at a time: the monitor's queue is short,
	 * and 'yank' must get through it */
	bool		  asking, ask_again;
	bool		  replied;	/* pause, resume: QEMU has said yes */
	struct qemu_resize resize;
	struct qemu_migration mig;
	struct vmm_link	  link;		/* start_incoming, migrate_out */
	uint64_t	  kill_at_ns;	/* 0 = none */
	uint64_t	  give_up_ns;	/* 0 = none: a failed start's last limit */
	uint64_t	  gone_ns;	/* the process ended; 0 = it lives */
	uint64_t	  agent_due_ns;	/* shutdown: then the power button */
	uint64_t	  rx_base[VMM_NICS_MAX];
};

static inline bool
qemu_is_starting(const struct qemu *q)
{
	return vmm_op_kind(q->dom) == VMM_OP_START ||
	    vmm_op_kind(q->dom) == VMM_OP_INCOMING;
}

/* qemu.c */
int  qemu_start_process(struct vmm_dom *dom, bool incoming, struct av_err *err);
/* "stop" or "cont" for the op under way.  0 or -errno. */
int  qemu_word(struct qemu *q, const char *cmd);

/* qemu_end.c */
void qemu_path(const struct qemu *q, const char *file,
    char ret[VMM_PATH_MAX + 16]);
const char *qemu_log_dir(const struct qemu *q);
void qemu_tick_in(struct qemu *q, unsigned ms);
void qemu_fail_op(struct qemu *q, int rc, enum av_outcome outcome,
    const char *text);
void qemu_qga_drop(struct qemu *q);
void qemu_monitor_drop(struct qemu *q);
void qemu_forget_process(struct qemu *q);	/* nothing of it is left in 'q' */
void qemu_end_process(struct qemu *q);	/* 'quit', and SIGKILL if need be */
void qemu_end_due(struct qemu *q, uint64_t now_ns);
void qemu_exited_start(struct qemu *q);
void qemu_exited_try(struct qemu *q);
void qemu_last_words(struct qemu *q, char *ret, size_t n);
const char *qemu_words_without_argument(const char *line);
/* Takes over the process of the runtime folder.  -ENOENT, -ESRCH: none. */
int  qemu_process_adopt(struct qemu *q);

/* qemu_watch.c */
void qemu_monitor_try(struct qemu *q);
/* Run state and migration are asked for; what comes of it also moves the op. */
void qemu_status_ask(struct qemu *q);
void qemu_agent_try(struct qemu *q);
void qemu_frames_look(struct qemu *q);

/* qemu_migrate.c */
int  qemu_start_incoming(struct vmm_dom *dom, const struct vmm_link *link,
    struct av_err *err);
int  qemu_migrate_out(struct vmm_dom *dom, const struct vmm_link *target,
    const struct vmm_migrate_limits *limits, struct av_err *err);
int  qemu_migrate_cancel(struct vmm_dom *dom, struct av_err *err);
/* The incoming process' monitor is there: makes it listen. */
void qemu_incoming_listen(struct qemu *q);
/* Pause and resume where a migration matters.  1 = not this module's. */
int  qemu_migrate_pause(struct qemu *q, struct av_err *err);
int  qemu_migrate_resume(struct qemu *q, struct av_err *err);
void qemu_migrate_announce(struct qemu *q);
/* qemu_carry_start() is over: it carries, or why not. */
void qemu_migrate_carried(struct qemu *q, int rc, const struct av_err *err);
/* Tag, address and port into the status. */
void qemu_link_show(struct qemu *q);
/* The runtime folder's notes are those of a new process from here on. */
int  qemu_migrate_prepare(struct qemu *q, bool incoming, struct av_err *err);
void qemu_migrate_attach(struct qemu *q);	/* reads them */
void qemu_steps_drop(struct qemu *q);
/* Listens to the incoming guest's serial line while its state is loaded.  A byte that the
 * line was about to send is tried again only if somebody is connected then (QEMU 7.2:
 * serial_post_load()); without, the guest's serial port never sends again. */
void qemu_line_hold(struct qemu *q);
void qemu_line_drop(struct qemu *q);

/* qemu_carry.c */
/* Is there a key, if the link has one? */
int  qemu_carry_check(const struct qemu *q, struct av_err *err);
/* For q->link; then qemu_migrate_carried(), or qemu_steps_drop() before that. */
int  qemu_carry_start(struct qemu *q, bool in, struct av_err *err);
/* Why the stream broke; false: it doesn't say. */
bool qemu_carry_why(const struct qemu *q, char *ret, size_t n);

/* qemu_stream.c */
void qemu_stream_got(void *ctx, int rc, const json_t *ret,
    const struct av_err *err);	/* query-migrate's answer */
/* True: the run state 'w' is a migration's matter, and said. */
bool qemu_stream_apply(struct qemu *q, const char *w);
void qemu_stream_stopped(struct qemu *q);	/* event STOP */
void qemu_stream_tick(struct qemu *q, uint64_t now_ns);
/* After each answer: a cancel or resume under way goes on. */
void qemu_stream_go_on(struct qemu *q);
bool qemu_stream_is_under_way(const struct qemu *q);
/* The limit of the stop, ms, that a stream gets in its pass of that number (from 1; 0 =
 * before it); 'most_ms' is the caller's. */
unsigned qemu_stream_downtime(unsigned most_ms, unsigned passes);

#endif
