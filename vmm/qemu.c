/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qemu.c - driver "qemu": one detached process per guest
 *
 *   start:   av-vmrun -> process -> monitor up -> UUID -> [cont] -> status
 *   attach:  pid file -> process -> monitor up -> UUID -> status
 *   end:     pidfd readable -> RUNTIME/exit, unless we know why already
 *
 * QEMU runs with -action shutdown=pause,panic=pause: a guest that powers off or
 * crashes stays as a stopped process until we have seen it, so the agent can be
 * away meanwhile and still knows the difference from a kill.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "vmm/args.h"
#include "vmm/priv.h"
#include "vmm/proc.h"
#include "vmm/qemu_resize.h"
#include "vmm/qga.h"
#include "vmm/qmp.h"
#include "vmm/spawn.h"

#define QEMU_PATH	"/usr/bin/qemu-system-x86_64"

#define TICK_FAST_MS	20	/* something is awaited */
#define TICK_LIFE_MS	250	/* signs of life, the monitor's return */
#define QUIT_MS		1000	/* from 'quit' to SIGKILL */
#define KILL_GRACE_MS	2000	/* a failed start: from SIGKILL to giving up */
#define EXIT_FILE_MS	500	/* from the end to the word of it */
#define AGENT_MS	1000	/* the guest agent's chance at a shutdown */

struct qemu {
	struct vmm_dom	 *dom;
	struct vmm_spawn *spawn;
	struct qmp	 *qmp;
	struct qga	 *qga;
	int		  pidfd;	/* -1 = no process */
	sd_event_source	 *exit_io;
	sd_event_source	 *tick;
	enum vmm_reason	  end;		/* why it is ending, when known */
	bool		  verified;	/* it is ours, by UUID */
	bool		  want_run;	/* start: not to stay paused */
	bool		  timed_out;	/* start: killed for its deadline */
	bool		  port_open;	/* the guest opened the agent's port */
	bool		  rx_known;
	struct qemu_resize resize;
	uint64_t	  kill_at_ns;	/* 0 = none */
	uint64_t	  give_up_ns;	/* 0 = none: a failed start's last limit */
	uint64_t	  gone_ns;	/* the process ended; 0 = it lives */
	uint64_t	  agent_due_ns;	/* shutdown: then the power button */
	uint64_t	  rx_base[VMM_NICS_MAX];
};

static void qemu_monitor_up(void *ctx);
static void qemu_monitor_down(void *ctx, const struct av_err *err);
static void qemu_event(void *ctx, const char *name, const json_t *data);
static void qemu_status_ask(struct qemu *q, qmp_reply_fn *fn);
static void qemu_status_got(void *ctx, int rc, const json_t *ret,
    const struct av_err *err);

/* -------------------------------- helpers --------------------------------- */

static void
path_in(const struct qemu *q, const char *file, char ret[VMM_PATH_MAX + 16])
{
	(void)snprintf(ret, VMM_PATH_MAX + 16, "%s/%s",
	    q->dom->spec.runtime_dir, file);
}

static const char *
log_dir(const struct qemu *q)
{
	return q->dom->spec.log_dir[0] != '\0' ? q->dom->spec.log_dir :
	    q->dom->spec.runtime_dir;
}

static void
tick_in(struct qemu *q, unsigned ms)
{
	/* monotonic timers of a running loop can't be refused */
	(void)sd_event_source_set_time_relative(q->tick, ms * 1000ull);
	(void)sd_event_source_set_enabled(q->tick, SD_EVENT_ONESHOT);
}

static void
fail_op(struct qemu *q, int rc, enum av_outcome outcome, const char *text)
{
	struct av_err err = {0};

	(void)av_err_set(&err, rc, "vm '%s': %s", q->dom->spec.name, text);
	err.outcome = outcome;
	vmm_op_finish(q->dom, rc, &err);
}

static void
qga_drop(struct qemu *q)
{
	q->qga = qga_free(q->qga);
	if (q->dom->st.agent) {
		q->dom->st.agent = false;
		vmm_dom_touch(q->dom);
	}
}

static void
monitor_drop(struct qemu *q)
{
	q->qmp = qmp_free(q->qmp);
	q->verified = false;
	qga_drop(q);
	if (q->dom->st.answers) {
		q->dom->st.answers = false;
		vmm_dom_touch(q->dom);
	}
}

/* Nothing of the last process is left in 'q'. */
static void
forget_process(struct qemu *q)
{
	monitor_drop(q);
	q->exit_io = sd_event_source_disable_unref(q->exit_io);
	if (q->pidfd >= 0)
		(void)close(TAKE_FD(q->pidfd));	/* a pidfd */
	q->end = VMM_REASON_NONE;
	q->want_run = q->timed_out = q->port_open = q->rx_known = false;
	q->kill_at_ns = q->give_up_ns = q->gone_ns = q->agent_due_ns = 0;
	(void)sd_event_source_set_enabled(q->tick, SD_EVENT_OFF);
}

/* 'quit', and SIGKILL when that isn't enough. */
static void
end_process(struct qemu *q)
{
	if (q->kill_at_ns != 0)
		return;
	if (q->verified && qmp_call(q->qmp, "quit", NULL, NULL, NULL) == 0) {
		q->kill_at_ns = av_clock_ns() + QUIT_MS * AV_NS_PER_MS;
	} else {
		q->kill_at_ns = 1;
		(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
	}
	tick_in(q, TICK_FAST_MS);
}

/* ------------------------- process -> gone -> EXITED ---------------------- */

static void
exited_start(struct qemu *q)
{
	bool late = q->timed_out;
	char path[VMM_PATH_MAX + 16], words[160];

	(void)snprintf(path, sizeof(path), "%s/qemu.log", log_dir(q));
	vmm_last_line(path, words, sizeof(words));
	forget_process(q);
	vmm_dom_set(q->dom, VMM_EXITED, VMM_REASON_START_FAILED, words);
	if (late)
		fail_op(q, -ETIMEDOUT, AV_NOT_DONE, "did not start in time");
	else
		fail_op(q, -EIO, AV_NOT_DONE, words[0] != '\0' ? words :
		    "its process ended at once");
}

static void
exited(struct qemu *q, enum vmm_reason reason)
{
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	if (kind == VMM_OP_START) {
		exited_start(q);
		return;
	}
	forget_process(q);
	vmm_dom_set(q->dom, VMM_EXITED, reason, NULL);
	if (kind == VMM_OP_KILL || kind == VMM_OP_SHUTDOWN)
		vmm_op_finish(q->dom, 0, NULL);
	else
		fail_op(q, kind == VMM_OP_ATTACH ? -ENOENT : -ESRCH,
		    AV_NOT_DONE, "it has ended");
}

/* The word of av-vmrun may come a moment after the end. */
static void
exited_try(struct qemu *q)
{
	struct vmm_status *st = &q->dom->st;
	bool signaled;
	int code;

	if (q->end != VMM_REASON_NONE) {
		exited(q, q->end);
		return;
	}
	if (vmm_op_kind(q->dom) == VMM_OP_KILL) {
		exited(q, VMM_REASON_ASKED);
		return;
	}
	if (vmm_proc_exit_read(q->dom->spec.runtime_dir, &signaled,
	    &code) == 0) {
		st->signal = signaled ? code : 0;
		st->exit_code = signaled ? 0 : code;
		exited(q, signaled ? VMM_REASON_SIGNAL :
		    VMM_REASON_EXIT_CODE);
	} else if (av_clock_ns() - q->gone_ns > EXIT_FILE_MS * AV_NS_PER_MS) {
		exited(q, VMM_REASON_VANISHED);
	} else {
		tick_in(q, TICK_FAST_MS);
	}
}

static int
process_ended(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct qemu *q = ctx;

	(void)s;
	(void)fd;
	(void)revents;
	(void)sd_event_source_set_enabled(q->exit_io, SD_EVENT_OFF);
	q->gone_ns = av_clock_ns();
	monitor_drop(q);
	exited_try(q);
	return 0;
}

/* Takes over the process of the runtime folder.  -ENOENT, -ESRCH: none. */
static int
process_adopt(struct qemu *q)
{
	pid_t pid;
	int rc;

	rc = vmm_proc_find(q->dom->spec.runtime_dir, q->dom->spec.uuid, &pid,
	    &q->pidfd);
	if (rc < 0)
		return rc;
	q->dom->st.pid = pid;
	rc = sd_event_add_io(q->dom->env.event, &q->exit_io, q->pidfd, EPOLLIN,
	    process_ended, q);
	if (rc < 0)
		forget_process(q);
	return rc < 0 ? rc : 0;
}

/* ----------------------- monitor: connect -> verified --------------------- */

static void
monitor_try(struct qemu *q)
{
	const struct qmp_user user = { qemu_monitor_up, qemu_monitor_down,
		qemu_event, q };
	char path[VMM_PATH_MAX + 16];

	path_in(q, "qmp.sock", path);
	(void)qmp_connect(q->dom->env.event, path, &user, &q->qmp);
}

static void
uuid_got(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;
	const char *uuid = json_string_value(json_object_get(ret, "UUID"));

	(void)err;
	if (rc == -EPIPE)
		return;			/* qemu_monitor_down() comes next */
	if (rc < 0 || uuid == NULL ||
	    strcasecmp(uuid, q->dom->spec.uuid) != 0) {
		/* Somebody else's monitor in our folder: hands off. */
		forget_process(q);
		vmm_dom_set(q->dom, VMM_ABSENT, VMM_REASON_NONE,
		    "another guest answers in its place");
		fail_op(q, -EPERM, AV_NOT_DONE,
		    "another guest answers in its place");
		return;
	}
	q->verified = true;
	q->dom->st.answers = true;
	vmm_dom_touch(q->dom);
	qemu_status_ask(q, qemu_status_got);
}

static void
chardevs_got(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;
	const json_t *c;
	size_t i;

	(void)err;
	for (i = 0; rc == 0 && i < json_array_size(ret); i++) {
		const char *label;

		c = json_array_get(ret, i);
		label = json_string_value(json_object_get(c, "label"));
		if (label != NULL && strcmp(label, "qga") == 0 &&
		    json_is_true(json_object_get(c, "frontend-open")))
			q->port_open = true;
	}
}

static void
qemu_monitor_up(void *ctx)
{
	struct qemu *q = ctx;

	/* When one can't be sent the op's deadline ends it. */
	(void)qmp_call(q->qmp, "query-uuid", NULL, uuid_got, q);
	(void)qmp_call(q->qmp, "query-chardev", NULL, chardevs_got, q);
}

static void
qemu_monitor_down(void *ctx, const struct av_err *err)
{
	struct qemu *q = ctx;

	(void)err;
	monitor_drop(q);
	/* Its end shows on the pidfd; a living one's monitor is tried again. */
	tick_in(q, TICK_FAST_MS);
}

/* -------------------------------- run state ------------------------------- */

static bool
word_in(const char *w, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(w, *list) == 0)
			return true;
	return false;
}

/* QEMU's RunState to ours (qapi/run-state.json). */
static void
status_apply(struct qemu *q, const char *w)
{
	static const char *const running[] = { "running", "suspended",
		"inmigrate", NULL };
	static const char *const asked[] = { "paused", "prelaunch",
		"postmigrate", "finish-migrate", NULL };

	if (strcmp(w, "shutdown") == 0 || strcmp(w, "guest-panicked") == 0) {
		q->end = w[0] == 's' ? VMM_REASON_GUEST_SHUTDOWN :
		    VMM_REASON_PANIC;
		end_process(q);
	}
	if (vmm_op_kind(q->dom) == VMM_OP_START)
		return;			/* STARTING until that is done */
	if (word_in(w, running))
		vmm_dom_set(q->dom, VMM_RUNNING, VMM_REASON_NONE, NULL);
	else if (word_in(w, asked))
		vmm_dom_set(q->dom, VMM_PAUSED, VMM_REASON_ASKED, NULL);
	else if (strcmp(w, "io-error") == 0)
		vmm_dom_set(q->dom, VMM_PAUSED, VMM_REASON_IO_ERROR, NULL);
	else
		vmm_dom_set(q->dom, VMM_PAUSED, VMM_REASON_OTHER, w);
}

static void
qemu_status_ask(struct qemu *q, qmp_reply_fn *fn)
{
	if (q->qmp != NULL)
		(void)qmp_call(q->qmp, "query-status", NULL, fn, q);
}

static void
cont_for_start(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;

	(void)ret;
	(void)err;		/* exited_start() reads it from the log */
	if (rc == -EPIPE || vmm_op_kind(q->dom) != VMM_OP_START)
		return;
	if (rc < 0)
		(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
	else
		qemu_status_ask(q, qemu_status_got);
}

static void
qemu_status_got(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;
	const char *w = json_string_value(json_object_get(ret, "status"));
	struct vmm_dom *dom = q->dom;

	(void)err;
	if (rc < 0 || w == NULL)
		return;
	if (vmm_op_kind(dom) == VMM_OP_START) {
		if (q->timed_out)
			return;
		if (q->want_run) {
			q->want_run = false;
			(void)qmp_call(q->qmp, "cont", NULL, cont_for_start,
			    q);
			return;
		}
		vmm_op_finish(dom, 0, NULL);
		status_apply(q, w);
	} else {
		status_apply(q, w);
		if (vmm_op_kind(dom) == VMM_OP_ATTACH)
			vmm_op_finish(dom, 0, NULL);
	}
	tick_in(q, TICK_LIFE_MS);
}

static void
qemu_event(void *ctx, const char *name, const json_t *data)
{
	static const char *const moves[] = { "STOP", "RESUME", "SUSPEND",
		"WAKEUP", "BLOCK_IO_ERROR", "GUEST_PANICKED", NULL };
	struct qemu *q = ctx;

	if (!q->verified)
		return;			/* the status is asked for anyway */
	if (strcmp(name, "SHUTDOWN") == 0) {
		if (json_is_true(json_object_get(data, "guest")))
			qemu_status_ask(q, qemu_status_got);
	} else if (word_in(name, moves)) {
		qemu_status_ask(q, qemu_status_got);
	} else if (strcmp(name, "VSERPORT_CHANGE") == 0) {
		q->port_open = json_is_true(json_object_get(data, "open"));
		if (!q->port_open)
			qga_drop(q);
		tick_in(q, TICK_FAST_MS);
	}
}

/* ------------------------------ signs of life ----------------------------- */

static void
agent_answered(void *ctx)
{
	struct qemu *q = ctx;

	if (q->agent_due_ns != 0 && vmm_op_kind(q->dom) == VMM_OP_SHUTDOWN &&
	    qga_shutdown(q->qga) == 0) {
		q->agent_due_ns = 0;
		vmm_op_finish(q->dom, 0, NULL);
	}
	if (!q->dom->st.agent || !q->dom->st.alive) {
		q->dom->st.agent = q->dom->st.alive = true;
		vmm_dom_touch(q->dom);
	}
}

static void
agent_down(void *ctx)
{
	qga_drop(ctx);
}

static void
agent_try(struct qemu *q)
{
	const struct qga_user user = { agent_answered, agent_down, q };
	char path[VMM_PATH_MAX + 16];

	if (!q->port_open || !q->verified)
		return;
	path_in(q, "qga.sock", path);
	if (q->qga == NULL && qga_connect(q->dom->env.event, path, &user,
	    &q->qga) < 0)
		return;
	if (!q->dom->st.agent && qga_sync(q->qga) < 0)
		qga_drop(q);
}

static void
frames_look(struct qemu *q)
{
	const struct vmm_spec *s = &q->dom->spec;
	bool first = !q->rx_known;
	uint64_t n;
	unsigned i;

	if (q->dom->env.rx_packets == NULL)
		return;
	for (i = 0; i < s->n_nics; i++) {
		if (q->dom->env.rx_packets(s->nics[i].tap, &n) < 0)
			continue;
		if (first) {
			q->rx_base[i] = n;
		} else if (n > q->rx_base[i] && !q->dom->st.alive) {
			q->dom->st.alive = true;
			vmm_dom_touch(q->dom);
		}
	}
	q->rx_known = true;
}

/* ---------------------------------- tick ---------------------------------- */

static void shutdown_by_button(struct qemu *q);

static void
tick_due(struct qemu *q, uint64_t now)
{
	if (q->kill_at_ns != 0 && now >= q->kill_at_ns) {
		(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
		q->kill_at_ns = now + QUIT_MS * AV_NS_PER_MS;
	}
	if (q->give_up_ns != 0 && now >= q->give_up_ns) {
		q->give_up_ns = 0;
		fail_op(q, -ETIMEDOUT, AV_MAYBE,
		    "did not start in time and can't be killed");
	}
	if (q->agent_due_ns != 0 && now >= q->agent_due_ns) {
		q->agent_due_ns = 0;
		if (vmm_op_kind(q->dom) == VMM_OP_SHUTDOWN)
			shutdown_by_button(q);
	}
}

static int
qemu_tick(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct qemu *q = ctx;
	struct vmm_status *st = &q->dom->st;

	(void)s;
	(void)usec;
	if (q->gone_ns != 0) {
		exited_try(q);
		return 0;
	}
	if (q->pidfd < 0)
		return 0;
	tick_due(q, av_clock_ns());
	if (q->qmp == NULL)
		monitor_try(q);
	if (st->state == VMM_RUNNING && !st->alive)
		frames_look(q);
	if (!st->agent)
		agent_try(q);
	if (vmm_op_kind(q->dom) != VMM_OP_NONE || q->kill_at_ns != 0)
		tick_in(q, TICK_FAST_MS);
	else if (!st->alive || !q->verified || (q->port_open && !st->agent))
		tick_in(q, TICK_LIFE_MS);
	return 0;
}

/* ------------------------- open, close, start, attach --------------------- */

static int
qemu_open(struct vmm_dom *dom, struct av_err *err)
{
	struct qemu *q = calloc(1, sizeof(*q));
	int r;

	if (q == NULL)
		return av_err_set(err, -ENOMEM, "no memory for a VM");
	q->dom = dom;
	q->pidfd = -1;
	r = sd_event_add_time_relative(dom->env.event, &q->tick,
	    CLOCK_MONOTONIC, 0, 1000, qemu_tick, q);
	if (r < 0) {
		free(q);
		return av_err_set(err, r, "no timer");
	}
	(void)sd_event_source_set_enabled(q->tick, SD_EVENT_OFF);
	dom->drv = q;
	return 0;
}

static void
qemu_close(struct vmm_dom *dom)
{
	struct qemu *q = dom->drv;

	q->spawn = vmm_spawn_free(q->spawn);
	forget_process(q);
	sd_event_source_disable_unref(q->tick);
	free(q);
}

static void
spawned(void *ctx, int rc, const struct av_err *err)
{
	struct qemu *q = ctx;
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	q->spawn = vmm_spawn_free(q->spawn);
	if (rc == 0)
		rc = process_adopt(q);
	if (rc == 0 && kind != VMM_OP_START) {
		end_process(q);		/* killed while it was being born */
	} else if (rc == 0) {
		tick_in(q, TICK_FAST_MS);
	} else if (rc == -ESRCH && kind == VMM_OP_START) {
		exited_start(q);	/* dead before we could look */
	} else {
		vmm_dom_set(q->dom, VMM_EXITED, VMM_REASON_START_FAILED,
		    err->text);
		if (kind == VMM_OP_KILL)
			vmm_op_finish(q->dom, 0, NULL);
		else
			fail_op(q, rc, AV_NOT_DONE, err->text[0] != '\0' ?
			    err->text : strerror(-rc));
	}
}

static int
start_args(struct qemu *q, struct vmm_args *a)
{
	const struct vmm_env *env = &q->dom->env;
	AUTO_FREE char *helper = NULL;
	int rc;

	if (env->helper_path == NULL) {
		rc = vmm_helper_default(&helper);
		if (rc < 0)
			return rc;
	}
	vmm_args_add(a, env->helper_path != NULL ? env->helper_path : helper);
	vmm_args_add(a, q->dom->spec.runtime_dir);
	vmm_args_addf(a, "%s/qemu.log", log_dir(q));
	return vmm_qemu_args(a, env->qemu_path != NULL ? env->qemu_path :
	    QEMU_PATH, env->accel, &q->dom->spec);
}

static int
qemu_start(struct vmm_dom *dom, unsigned flags, struct av_err *err)
{
	struct qemu *q = dom->drv;
	struct vmm_args a = {0};
	AUTO_FD int fd = -1;
	pid_t pid;
	int rc;

	if (vmm_proc_find(dom->spec.runtime_dir, dom->spec.uuid, &pid,
	    &fd) == 0)
		return av_err_set(err, -EEXIST, "vm '%s' runs already",
		    dom->spec.name);
	rc = vmm_mkdir(dom->spec.runtime_dir, 0750, err);
	if (rc == 0)
		rc = vmm_mkdir(log_dir(q), 0750, err);
	if (rc < 0)
		return rc;
	rc = start_args(q, &a);
	if (rc < 0)
		(void)av_err_set(err, rc, "vm '%s': no command line",
		    dom->spec.name);
	else
		rc = vmm_spawn_new(dom->env.event, a.v, spawned, q, &q->spawn,
		    err);
	vmm_args_dispose(&a);
	if (rc < 0)
		return rc;
	/* what a guest before it has sent doesn't count; all of its own does, however
	 * late we look: a quiet guest speaks only while it boots */
	q->rx_known = false;
	frames_look(q);
	q->want_run = !(flags & VMM_START_PAUSED);
	q->timed_out = false;
	vmm_dom_set(dom, VMM_STARTING, VMM_REASON_NONE, NULL);
	return 0;
}

/* Nobody runs: say how the last one ended, when there was one. */
static void
attach_none(struct qemu *q, bool had_pid)
{
	struct vmm_status *st = &q->dom->st;
	bool signaled;
	int code;

	if (vmm_proc_exit_read(q->dom->spec.runtime_dir, &signaled,
	    &code) == 0) {
		vmm_dom_set(q->dom, VMM_EXITED, signaled ? VMM_REASON_SIGNAL :
		    VMM_REASON_EXIT_CODE, NULL);
		st->signal = signaled ? code : 0;
		st->exit_code = signaled ? 0 : code;
	} else if (had_pid) {
		vmm_dom_set(q->dom, VMM_EXITED, VMM_REASON_VANISHED, NULL);
	} else {
		vmm_dom_set(q->dom, VMM_ABSENT, VMM_REASON_NONE, NULL);
	}
	fail_op(q, -ENOENT, AV_NOT_DONE, "does not run");
}

static int
qemu_attach(struct vmm_dom *dom, struct av_err *err)
{
	struct qemu *q = dom->drv;
	int rc = process_adopt(q);

	if (rc == -ENOENT || rc == -ESRCH || rc == -EBADMSG) {
		attach_none(q, rc == -ESRCH);
		return 0;
	}
	if (rc < 0)
		return av_err_set(err, rc, "vm '%s': can't look: %s",
		    dom->spec.name, strerror(-rc));
	/* all frames on its tap are this guest's: a quiet one that spoke before the
	 * agent's restart is alive */
	memset(q->rx_base, 0, sizeof(q->rx_base));
	q->rx_known = true;
	tick_in(q, 0);
	return 0;
}

/* -------------------------- shutdown, kill, pause ------------------------- */

static void
asked(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;

	(void)ret;
	if (vmm_op_kind(q->dom) == VMM_OP_SHUTDOWN)
		vmm_op_finish(q->dom, rc, err);
}

static void
shutdown_by_button(struct qemu *q)
{
	if (q->qmp == NULL || qmp_call(q->qmp, "system_powerdown", NULL, asked,
	    q) < 0)
		fail_op(q, -ETIMEDOUT, AV_NOT_DONE, "its monitor is silent");
}

static int
qemu_shutdown(struct vmm_dom *dom, struct av_err *err)
{
	struct qemu *q = dom->drv;

	if (!q->verified)
		return av_err_set(err, -EAGAIN, "vm '%s': its monitor is "
		    "silent", dom->spec.name);
	if (q->qga != NULL && dom->st.agent && qga_sync(q->qga) == 0) {
		q->agent_due_ns = av_clock_ns() + AGENT_MS * AV_NS_PER_MS;
		tick_in(q, TICK_FAST_MS);
	} else {
		shutdown_by_button(q);
	}
	return 0;
}

static int
qemu_kill(struct vmm_dom *dom, struct av_err *err)
{
	struct qemu *q = dom->drv;
	int rc;

	if (q->spawn != NULL || q->gone_ns != 0)
		return 0;	/* spawned() or exited_try() go on with it */
	if (q->pidfd < 0) {
		rc = process_adopt(q);
		if (rc == -ENOENT || rc == -ESRCH) {
			if (dom->st.state != VMM_ABSENT &&
			    dom->st.state != VMM_EXITED)
				vmm_dom_set(dom, VMM_EXITED,
				    VMM_REASON_ASKED, NULL);
			vmm_op_finish(dom, 0, NULL);
			return 0;
		}
		if (rc < 0)
			return av_err_set(err, rc, "vm '%s': can't look: %s",
			    dom->spec.name, strerror(-rc));
	}
	q->kill_at_ns = 0;
	q->give_up_ns = 0;
	end_process(q);
	return 0;
}

static void
pause_status(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;
	const char *w = json_string_value(json_object_get(ret, "status"));
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	if (rc == 0 && w != NULL)
		status_apply(q, w);
	if (kind != VMM_OP_PAUSE && kind != VMM_OP_RESUME)
		return;
	if (rc < 0)
		vmm_op_finish(q->dom, rc, err);
	else if (q->dom->st.state == (kind == VMM_OP_PAUSE ? VMM_PAUSED :
	    VMM_RUNNING))
		vmm_op_finish(q->dom, 0, NULL);
	else
		fail_op(q, -EIO, AV_NOT_DONE, kind == VMM_OP_PAUSE ?
		    "did not pause" : "stopped again at once");
}

static void
pause_replied(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	(void)ret;
	if (kind != VMM_OP_PAUSE && kind != VMM_OP_RESUME)
		return;
	if (rc < 0)
		vmm_op_finish(q->dom, rc, err);
	else
		qemu_status_ask(q, pause_status);
}

static int
monitor_word(struct vmm_dom *dom, const char *cmd, struct av_err *err)
{
	struct qemu *q = dom->drv;
	int rc = -EAGAIN;

	if (q->verified)
		rc = qmp_call(q->qmp, cmd, NULL, pause_replied, q);
	return rc < 0 ? av_err_set(err, rc, "vm '%s': its monitor is silent",
	    dom->spec.name) : 0;
}

static int
qemu_pause(struct vmm_dom *dom, struct av_err *err)
{
	return monitor_word(dom, "stop", err);
}

static int
qemu_resume(struct vmm_dom *dom, struct av_err *err)
{
	return monitor_word(dom, "cont", err);
}

static int
qemu_disk_resize(struct vmm_dom *dom, unsigned disk, uint64_t size_bytes,
    struct av_err *err)
{
	struct qemu *q = dom->drv;

	q->resize = (struct qemu_resize){ .dom = dom, .qmp = &q->qmp,
		.disk = disk, .bytes = size_bytes };
	if (!q->verified)
		return av_err_set(err, -EAGAIN, "vm '%s': its monitor is "
		    "silent", dom->spec.name);
	return qemu_resize_begin(&q->resize, err);
}

static void
qemu_timeout(struct vmm_dom *dom, enum vmm_op_kind kind)
{
	struct qemu *q = dom->drv;

	switch (kind) {
	case VMM_OP_START:
	case VMM_OP_INCOMING:
		q->timed_out = true;
		if (q->pidfd < 0) {
			/* the lock in the runtime folder guards the next try */
			q->spawn = vmm_spawn_free(q->spawn);
			vmm_dom_set(dom, VMM_EXITED, VMM_REASON_START_FAILED,
			    NULL);
			fail_op(q, -ETIMEDOUT, AV_MAYBE,
			    "did not start in time");
			break;
		}
		(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
		q->give_up_ns = av_clock_ns() + KILL_GRACE_MS * AV_NS_PER_MS;
		tick_in(q, TICK_FAST_MS);
		break;
	case VMM_OP_ATTACH:
		vmm_dom_set(dom, VMM_RUNNING, VMM_REASON_NONE,
		    "its monitor is silent");
		fail_op(q, -ETIMEDOUT, AV_NOT_DONE, "its monitor is silent");
		break;
	case VMM_OP_SHUTDOWN:
		q->agent_due_ns = 0;
		/* fall through */
	case VMM_OP_KILL:
	case VMM_OP_PAUSE:
	case VMM_OP_RESUME:
	case VMM_OP_RESIZE:
	case VMM_OP_MIGRATE:
	case VMM_OP_MIGRATE_CANCEL:
		fail_op(q, -ETIMEDOUT, AV_MAYBE, "no answer in time");
		break;
	case VMM_OP_NONE:
		break;
	}
}

const struct vmm_ops vmm_qemu_ops = {
	.name = "qemu",
	.caps = VMM_CAP_PAUSE | VMM_CAP_RESIZE,
	.open = qemu_open,
	.close = qemu_close,
	.start = qemu_start,
	.attach = qemu_attach,
	.shutdown = qemu_shutdown,
	.kill = qemu_kill,
	.timeout = qemu_timeout,
	.pause = qemu_pause,
	.resume = qemu_resume,
	.disk_resize = qemu_disk_resize,
};
