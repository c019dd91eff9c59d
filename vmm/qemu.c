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

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "vmm/args.h"
#include "vmm/proc.h"
#include "vmm/qemu.h"

#define QEMU_PATH	"/usr/bin/qemu-system-x86_64"
#define KILL_GRACE_MS	2000	/* a failed start: from SIGKILL to giving up */
#define AGENT_MS	1000	/* the guest agent's chance at a shutdown */

/* ---------------------------------- tick ---------------------------------- */

static void shutdown_by_button(struct qemu *q);

static void
tick_due(struct qemu *q, uint64_t now)
{
	qemu_end_due(q, now);
	if (q->give_up_ns != 0 && now >= q->give_up_ns) {
		q->give_up_ns = 0;
		qemu_fail_op(q, -ETIMEDOUT, AV_MAYBE,
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
		qemu_exited_try(q);
		return 0;
	}
	if (q->pidfd < 0)
		return 0;
	tick_due(q, av_clock_ns());
	if (q->qmp == NULL)
		qemu_monitor_try(q);
	if (st->state == VMM_RUNNING && !st->alive)
		qemu_frames_look(q);
	if (!st->agent)
		qemu_agent_try(q);
	qemu_stream_tick(q, av_clock_ns());
	if (vmm_op_kind(q->dom) != VMM_OP_NONE || q->kill_at_ns != 0 ||
	    q->mig.cancelling)
		qemu_tick_in(q, TICK_FAST_MS);
	else if (!st->alive || !q->verified || (q->port_open && !st->agent) ||
	    qemu_stream_is_under_way(q))
		qemu_tick_in(q, TICK_LIFE_MS);
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
	q->pidfd = q->line_fd = -1;
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
	qemu_forget_process(q);
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
		rc = qemu_process_adopt(q);
	if (rc == 0 && !qemu_is_starting(q)) {
		qemu_end_process(q);		/* killed while it was being born */
	} else if (rc == 0) {
		qemu_tick_in(q, TICK_FAST_MS);
	} else if (rc == -ESRCH && qemu_is_starting(q)) {
		qemu_exited_start(q);	/* dead before we could look */
	} else {
		vmm_dom_set(q->dom, VMM_EXITED, VMM_REASON_START_FAILED,
		    err->text);
		if (kind == VMM_OP_KILL)
			vmm_op_finish(q->dom, 0, NULL);
		else
			qemu_fail_op(q, rc, AV_NOT_DONE, err->text[0] != '\0' ?
			    err->text : strerror(-rc));
	}
}

static int
start_args(struct qemu *q, bool incoming, struct vmm_args *a)
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
	vmm_args_addf(a, "%s/qemu.log", qemu_log_dir(q));
	rc = vmm_qemu_args(a, env->qemu_path != NULL ? env->qemu_path :
	    QEMU_PATH, env->accel, &q->dom->spec);
	if (incoming) {
		vmm_args_add(a, "-incoming");
		vmm_args_add(a, "defer");
	}
	return rc < 0 ? rc : a->rc;
}

int
qemu_start_process(struct vmm_dom *dom, bool incoming, struct av_err *err)
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
		rc = vmm_mkdir(qemu_log_dir(q), 0750, err);
	if (rc < 0)
		return rc;
	rc = qemu_migrate_prepare(q, incoming, err);
	if (rc < 0)
		return rc;
	rc = start_args(q, incoming, &a);
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
	qemu_frames_look(q);
	q->timed_out = false;
	vmm_dom_set(dom, VMM_STARTING, VMM_REASON_NONE, NULL);
	return 0;
}

static int
qemu_start(struct vmm_dom *dom, unsigned flags, struct av_err *err)
{
	struct qemu *q = dom->drv;
	int rc = qemu_start_process(dom, false, err);

	q->want_run = rc == 0 && !(flags & VMM_START_PAUSED);
	return rc;
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
		char words[160] = "";
		bool in = q->mig.marker && !signaled;

		if (in)
			qemu_last_words(q, words, sizeof(words));
		vmm_dom_set(q->dom, VMM_EXITED, signaled ? VMM_REASON_SIGNAL :
		    in ? VMM_REASON_INCOMING_FAILED : VMM_REASON_EXIT_CODE,
		    words);
		st->signal = signaled ? code : 0;
		st->exit_code = signaled ? 0 : code;
	} else if (had_pid) {
		vmm_dom_set(q->dom, VMM_EXITED, VMM_REASON_VANISHED, NULL);
	} else {
		vmm_dom_set(q->dom, VMM_ABSENT, VMM_REASON_NONE, NULL);
	}
	qemu_fail_op(q, -ENOENT, AV_NOT_DONE, "does not run");
}

static int
qemu_attach(struct vmm_dom *dom, struct av_err *err)
{
	struct qemu *q = dom->drv;
	int rc = qemu_process_adopt(q);

	if (rc != -ENOENT)
		qemu_migrate_attach(q);
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
	if (q->mig.pinned) {	/* it can't answer, and needn't */
		vmm_dom_set(dom, VMM_PAUSED, VMM_REASON_ASKED, NULL);
		vmm_op_finish(dom, 0, NULL);
	}
	qemu_tick_in(q, 0);
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
		qemu_fail_op(q, -ETIMEDOUT, AV_NOT_DONE, "its monitor is silent");
}

static int
qemu_shutdown(struct vmm_dom *dom, struct av_err *err)
{
	struct qemu *q = dom->drv;

	if (!q->verified)
		return av_err_set(err, -EAGAIN, "vm '%s': its monitor is "
		    "silent", dom->spec.name);
	if (q->qga != NULL && dom->st.agent && qga_sync(q->qga) == 0) {
		q->agent_due_ns = vmm_due_ns(q->dom, AGENT_MS);
		qemu_tick_in(q, TICK_FAST_MS);
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
		return 0;	/* spawned() or qemu_exited_try() go on with it */
	if (q->pidfd < 0) {
		rc = qemu_process_adopt(q);
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
	qemu_end_process(q);
	return 0;
}

static void
pause_replied(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	(void)ret;
	if (kind != VMM_OP_PAUSE && kind != VMM_OP_RESUME)
		return;
	q->replied = rc == 0;
	if (rc < 0)
		vmm_op_finish(q->dom, rc, err);
	else
		qemu_status_ask(q);
}

int
qemu_word(struct qemu *q, const char *cmd)
{
	q->replied = false;
	return q->verified ? qmp_call(q->qmp, cmd, NULL, pause_replied, q) :
	    -EAGAIN;
}

static int
monitor_word(struct vmm_dom *dom, const char *cmd, struct av_err *err)
{
	int rc = qemu_word(dom->drv, cmd);

	return rc < 0 ? av_err_set(err, rc, "vm '%s': its monitor is silent",
	    dom->spec.name) : 0;
}

static int
qemu_pause(struct vmm_dom *dom, struct av_err *err)
{
	int rc = qemu_migrate_pause(dom->drv, err);

	return rc <= 0 ? rc : monitor_word(dom, "stop", err);
}

static int
qemu_resume(struct vmm_dom *dom, struct av_err *err)
{
	int rc = qemu_migrate_resume(dom->drv, err);

	return rc <= 0 ? rc : monitor_word(dom, "cont", err);
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
			qemu_fail_op(q, -ETIMEDOUT, AV_MAYBE,
			    "did not start in time");
			break;
		}
		(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
		q->give_up_ns = vmm_due_ns(dom, KILL_GRACE_MS);
		qemu_tick_in(q, TICK_FAST_MS);
		break;
	case VMM_OP_ATTACH:
		vmm_dom_set(dom, VMM_RUNNING, VMM_REASON_NONE,
		    "its monitor is silent");
		qemu_fail_op(q, -ETIMEDOUT, AV_NOT_DONE, "its monitor is silent");
		break;
	case VMM_OP_MIGRATE_CANCEL:
	case VMM_OP_RESUME:
		q->mig.cancelling = false;
		qemu_fail_op(q, -ETIMEDOUT, AV_MAYBE, "no answer in time");
		break;
	case VMM_OP_SHUTDOWN:
		q->agent_due_ns = 0;
		/* fall through */
	case VMM_OP_KILL:
	case VMM_OP_PAUSE:
	case VMM_OP_RESIZE:
	case VMM_OP_MIGRATE:
		qemu_fail_op(q, -ETIMEDOUT, AV_MAYBE, "no answer in time");
		break;
	case VMM_OP_NONE:
		break;
	}
}

const struct vmm_ops vmm_qemu_ops = {
	.name = "qemu",
	.caps = VMM_CAP_PAUSE | VMM_CAP_RESIZE | VMM_CAP_MIGRATE,
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
	.start_incoming = qemu_start_incoming,
	.migrate_out = qemu_migrate_out,
	.migrate_cancel = qemu_migrate_cancel,
};
