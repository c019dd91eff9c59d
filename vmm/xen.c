/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xen.c - driver "xen": one av-xenrun per guest, which owns its domain
 *
 *   start:   av-vmrun -> av-xenrun create -> its socket -> UUID -> [cont] -> status
 *   attach:  pid file -> av-xenrun -> its socket -> UUID -> status
 *	      none: av-xenrun adopt, which finds the domain by UUID, or nothing
 *   end:     pidfd readable -> RUNTIME/exit, whose code says how (enum xr_exit)
 *
 * A domain runs without av-xenrun: an end of that without one of those codes says
 * nothing about the guest.  Then another one adopts the domain, or destroys it
 * when an order to kill is under way; nothing is said to be gone before.  Uses no
 * library of Xen's.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "vmm/args.h"
#include "vmm/priv.h"
#include "vmm/proc.h"
#include "vmm/qmp.h"
#include "vmm/spawn.h"
#include "vmm/xen_drv.h"
#include "vmm/xen_spec.h"

#define TICK_FAST_MS	20	/* something is awaited */
#define TICK_LIFE_MS	250	/* signs of life, the monitor's return */
#define RESPAWN_MS	300	/* from an av-xenrun that died to the next */
#define QUIT_MS		3000	/* from 'quit' to ending av-xenrun itself */
#define KILL_GRACE_MS	2000	/* a failed start: from its end to giving up */
#define EXIT_FILE_MS	500	/* from the end to the word of it */

static void xen_monitor_up(void *ctx);
static void xen_monitor_down(void *ctx, const struct av_err *err);
static void xen_event(void *ctx, const char *name, const json_t *data);
static void xen_spawned(void *ctx, int rc, const struct av_err *err);

/* -------------------------------- helpers --------------------------------- */

static void
path_in(const struct xen *q, const char *file, char ret[VMM_PATH_MAX + 16])
{
	(void)snprintf(ret, VMM_PATH_MAX + 16, "%s/%s",
	    q->dom->spec.runtime_dir, file);
}

static const char *
log_dir(const struct xen *q)
{
	return q->dom->spec.log_dir[0] != '\0' ? q->dom->spec.log_dir :
	    q->dom->spec.runtime_dir;
}

void
xen_tick_in(struct xen *q, unsigned ms)
{
	/* monotonic timers of a running loop can't be refused */
	(void)sd_event_source_set_time_relative(q->tick, ms * 1000ull);
	(void)sd_event_source_set_enabled(q->tick, SD_EVENT_ONESHOT);
}

void
xen_fail_op(struct xen *q, int rc, enum av_outcome outcome, const char *text)
{
	struct av_err err = {0};

	(void)av_err_set(&err, rc, "vm '%s': %s", q->dom->spec.name, text);
	err.outcome = outcome;
	vmm_op_finish(q->dom, rc, &err);
}

static void
monitor_drop(struct xen *q)
{
	q->qmp = qmp_free(q->qmp);
	q->verified = q->growing = false;
	if (q->dom->st.answers) {
		q->dom->st.answers = false;
		vmm_dom_touch(q->dom);
	}
}

static void
forget_process(struct xen *q)
{
	monitor_drop(q);
	q->exit_io = sd_event_source_disable_unref(q->exit_io);
	if (q->pidfd >= 0)
		(void)close(TAKE_FD(q->pidfd));	/* a pidfd */
	q->kill_at_ns = q->gone_ns = 0;
	q->dom->st.pid = 0;	/* one that looked and found none was no guest */
}

static void
forget_guest(struct xen *q)
{
	forget_process(q);
	q->want_run = q->cont_sent = q->timed_out = q->ending = q->rx_known = false;
	q->give_up_ns = q->respawn_ns = 0;
	(void)sd_event_source_set_enabled(q->tick, SD_EVENT_OFF);
}

/* ------------------------------- av-xenrun -------------------------------- */

/* The description as it was at the start stays while the domain lives. */
static int
description_write(struct xen *q, bool anew, struct av_err *err)
{
	AUTO_JSON json_t *msg = NULL;
	AUTO_FREE char *text = NULL;
	char path[VMM_PATH_MAX + 16];
	int rc;

	rc = vmm_mkdir(q->dom->spec.runtime_dir, 0750, err);
	if (rc == 0)
		rc = vmm_mkdir(log_dir(q), 0750, err);
	if (rc < 0)
		return rc;
	path_in(q, "xen.json", path);
	if (!anew && access(path, F_OK) == 0)
		return 0;
	if (xr_spec_encode(&q->dom->spec, &msg) < 0 ||
	    (text = json_dumps(msg, JSON_INDENT(1))) == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	return av_file_write(path, text, strlen(text), 0600, err);
}

int
xen_spawn(struct xen *q, const char *mode, struct av_err *err)
{
	struct vmm_args a = {0};
	bool fresh = mode[0] == 'c' || mode[0] == 'i';
	int rc;

	AV_ASSERT(q->spawn == NULL && q->pidfd < 0);
	rc = description_write(q, fresh, err);
	if (rc < 0)
		return rc;
	vmm_args_add(&a, q->vmrun);
	vmm_args_add(&a, q->dom->spec.runtime_dir);
	vmm_args_addf(&a, "%s/xen.log", log_dir(q));
	vmm_args_add(&a, q->xenrun);
	vmm_args_add(&a, mode);
	vmm_args_add(&a, q->dom->spec.runtime_dir);
	vmm_args_add(&a, q->dom->spec.uuid);
	rc = a.rc < 0 ? av_err_set(err, a.rc, "no memory") :
	    vmm_spawn_new(q->dom->env.event, a.v, xen_spawned, q, &q->spawn,
	    err);
	vmm_args_dispose(&a);
	q->destroyer = mode[0] == 'd';
	return rc;
}

/* The domain may be there and nobody is with it. */
static void
respawn(struct xen *q)
{
	struct av_err err = {0};

	q->respawn_ns = 0;
	if (xen_spawn(q, q->ending ? "destroy" : "adopt", &err) < 0) {
		q->respawn_ns = av_clock_ns() + 10 * RESPAWN_MS * AV_NS_PER_MS;
		xen_tick_in(q, 10 * RESPAWN_MS);
	}
}

static void
respawn_soon(struct xen *q, unsigned ms)
{
	q->respawn_ns = av_clock_ns() + ms * AV_NS_PER_MS;
	xen_tick_in(q, ms);
}

/* Ends the guest, by av-xenrun or without it. */
static void
end_guest(struct xen *q)
{
	q->ending = true;
	if (q->pidfd >= 0 && q->verified &&
	    qmp_call(q->qmp, "quit", NULL, NULL, NULL) == 0) {
		q->kill_at_ns = vmm_due_ns(q->dom, QUIT_MS);
		xen_tick_in(q, TICK_FAST_MS);
	} else if (q->pidfd >= 0) {
		/* its end leads to one that destroys */
		(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
	} else if (q->spawn == NULL) {
		respawn_soon(q, 0);
	}
}

/* --------------------- av-xenrun -> gone -> what about the guest? --------- */

static void
guest_gone_start(struct xen *q, const char *detail)
{
	bool late = q->timed_out;
	char path[VMM_PATH_MAX + 16], words[160];

	(void)snprintf(path, sizeof(path), "%s/xen.log", log_dir(q));
	vmm_last_line(path, NULL, words, sizeof(words));
	forget_guest(q);
	vmm_dom_set(q->dom, VMM_EXITED, VMM_REASON_START_FAILED,
	    words[0] != '\0' ? words : detail);
	if (late)
		xen_fail_op(q, -ETIMEDOUT, AV_NOT_DONE,
		    "did not start in time");
	else
		xen_fail_op(q, -EIO, AV_NOT_DONE, words[0] != '\0' ? words :
		    "its domain ended at once");
}

/* Nothing of it is left: the only way to EXITED or ABSENT. */
static void
guest_gone(struct xen *q, enum vmm_reason reason, const char *detail)
{
	enum vmm_op_kind kind = vmm_op_kind(q->dom);
	enum vmm_state was = q->dom->st.state;

	if (xen_is_starting(kind)) {
		guest_gone_start(q, detail);
		return;
	}
	forget_guest(q);
	if (reason != VMM_REASON_NONE)
		vmm_dom_set(q->dom, VMM_EXITED, reason, detail);
	else if (was != VMM_ABSENT && was != VMM_EXITED)
		vmm_dom_set(q->dom, VMM_EXITED, kind == VMM_OP_KILL ?
		    VMM_REASON_ASKED : VMM_REASON_VANISHED, "");
	if (kind == VMM_OP_KILL || kind == VMM_OP_SHUTDOWN)
		vmm_op_finish(q->dom, 0, NULL);
	else
		xen_fail_op(q, kind == VMM_OP_ATTACH ? -ENOENT : -ESRCH,
		    AV_NOT_DONE, kind == VMM_OP_ATTACH ? "does not run" :
		    "it has ended");
}

static void
process_gone(struct xen *q, bool signaled, int code)
{
	enum vmm_reason reason;
	const char *detail;
	char path[VMM_PATH_MAX + 16], words[160];

	if (!signaled && xr_exit_reason(code, &reason, &detail)) {
		guest_gone(q, reason, detail);
		return;
	}
	/* it says nothing about the domain */
	forget_process(q);
	if (xen_is_starting(vmm_op_kind(q->dom)) && !q->ending) {
		(void)snprintf(path, sizeof(path), "%s/xen.log", log_dir(q));
		vmm_last_line(path, NULL, words, sizeof(words));
		xen_fail_op(q, -EIO, AV_MAYBE, words[0] != '\0' ? words :
		    "av-xenrun died");
	}
	respawn_soon(q, q->ending ? TICK_FAST_MS : RESPAWN_MS);
}

/* The word of av-vmrun may come a moment after the end. */
static void
gone_try(struct xen *q)
{
	bool signaled;
	int code;

	if (vmm_proc_exit_read(q->dom->spec.runtime_dir, &signaled,
	    &code) == 0)
		process_gone(q, signaled, code);
	else if (av_clock_ns() - q->gone_ns > vmm_scaled(q->dom,
	    EXIT_FILE_MS * AV_NS_PER_MS))
		process_gone(q, true, 0);
	else
		xen_tick_in(q, TICK_FAST_MS);
}

static int
process_ended(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct xen *q = ctx;

	(void)s;
	(void)fd;
	(void)revents;
	q->exit_io = sd_event_source_disable_unref(q->exit_io);
	q->gone_ns = av_clock_ns();
	monitor_drop(q);
	gone_try(q);
	return 0;
}

static int
process_find(struct xen *q)
{
	pid_t pid;
	int fd, rc;

	rc = vmm_proc_find(q->dom->spec.runtime_dir, q->dom->spec.uuid, &pid,
	    &fd);
	if (rc < 0)
		return rc;
	rc = sd_event_add_io(q->dom->env.event, &q->exit_io, fd, EPOLLIN,
	    process_ended, q);
	if (rc < 0) {
		(void)close(fd);	/* a pidfd */
		return rc;
	}
	q->pidfd = fd;
	q->gone_ns = 0;
	q->dom->st.pid = pid;
	return 0;
}

static void
xen_spawned(void *ctx, int rc, const struct av_err *err)
{
	struct xen *q = ctx;
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	q->spawn = vmm_spawn_free(q->spawn);
	if (rc == 0)
		rc = process_find(q);
	if (rc == 0) {
		/* one that was begun to make the guest, when it is to end */
		if (q->ending && !q->destroyer)
			end_guest(q);
		else
			xen_tick_in(q, TICK_FAST_MS);
	} else if (rc == -ESRCH || rc == -ENOENT) {
		q->gone_ns = av_clock_ns();	/* dead before we could look */
		gone_try(q);
	} else if (xen_is_starting(kind) && !q->ending && rc != -EEXIST) {
		vmm_dom_set(q->dom, VMM_EXITED, VMM_REASON_START_FAILED,
		    err->text);
		xen_fail_op(q, rc, AV_NOT_DONE, err->text[0] != '\0' ?
		    err->text : strerror(-rc));
	} else {
		/* one may be at work that we don't know */
		respawn_soon(q, RESPAWN_MS);
	}
}

/* -------------------------------- monitor --------------------------------- */

static void
monitor_try(struct xen *q)
{
	const struct qmp_user user = { xen_monitor_up, xen_monitor_down,
		xen_event, q };
	char path[VMM_PATH_MAX + 16];

	path_in(q, "xen.sock", path);
	/* not there yet: the next tick tries again */
	(void)qmp_connect(q->dom->env.event, path, &user, &q->qmp);
}

static void
status_got(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	(void)err;
	if (rc == 0)
		xen_status_apply(ctx, ret);
}

static void
uuid_got(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct xen *q = ctx;
	const char *u = json_string_value(json_object_get(ret, "UUID"));

	(void)err;
	if (rc < 0)
		return;
	if (u == NULL || strcmp(u, q->dom->spec.uuid) != 0) {
		if (vmm_op_kind(q->dom) == VMM_OP_ATTACH) {
			forget_guest(q);
			vmm_dom_set(q->dom, VMM_ABSENT, VMM_REASON_NONE, NULL);
			xen_fail_op(q, -EPERM, AV_NOT_DONE,
			    "another guest answers in its place");
		}
		return;
	}
	q->verified = true;
	q->dom->st.answers = true;
	vmm_dom_touch(q->dom);
	if (q->ending)
		(void)qmp_call(q->qmp, "quit", NULL, NULL, NULL);
	(void)qmp_call(q->qmp, "query-status", NULL, status_got, q);
}

static void
xen_monitor_up(void *ctx)
{
	struct xen *q = ctx;

	(void)qmp_call(q->qmp, "query-uuid", NULL, uuid_got, q);
}

static void
xen_monitor_down(void *ctx, const struct av_err *err)
{
	struct xen *q = ctx;

	(void)err;
	monitor_drop(q);
	xen_tick_in(q, TICK_FAST_MS);
}

static void
xen_event(void *ctx, const char *name, const json_t *data)
{
	struct xen *q = ctx;

	if (q->verified && strcmp(name, "STATUS") == 0)
		xen_status_apply(q, data);
}

/* ------------------------------ signs of life ----------------------------- */

static void
frames_look(struct xen *q)
{
	const struct vmm_spec *s = &q->dom->spec;
	bool first = !q->rx_known;
	char name[16];
	uint64_t n;
	unsigned i;

	if (q->dom->env.rx_packets == NULL)
		return;
	for (i = 0; i < s->n_nics; i++) {
		if (xr_vif_name(s->nics[i].tap, xr_is_hvm(s), name) < 0 ||
		    q->dom->env.rx_packets(name, &n) < 0)
			continue;
		if (!first && n > q->rx_base[i] && !q->dom->st.alive) {
			q->dom->st.alive = true;
			vmm_dom_touch(q->dom);
		}
		if (first)
			q->rx_base[i] = n;
	}
	q->rx_known = true;
}

static void
tick_due(struct xen *q, uint64_t now)
{
	if (q->kill_at_ns != 0 && now >= q->kill_at_ns && q->pidfd >= 0) {
		q->kill_at_ns = 0;
		(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
	}
	if (q->give_up_ns != 0 && now >= q->give_up_ns) {
		q->give_up_ns = 0;
		xen_fail_op(q, -ETIMEDOUT, AV_MAYBE,
		    "did not start in time and is not gone yet");
	}
	if (q->respawn_ns != 0 && now >= q->respawn_ns)
		respawn(q);
}

static int
xen_tick(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct xen *q = ctx;
	struct vmm_status *st = &q->dom->st;

	(void)s;
	(void)usec;
	if (q->gone_ns != 0) {
		gone_try(q);
		return 0;
	}
	tick_due(q, av_clock_ns());
	if (q->pidfd >= 0 && q->qmp == NULL)
		monitor_try(q);
	if (st->state == VMM_RUNNING && !st->alive)
		frames_look(q);
	if (vmm_op_kind(q->dom) != VMM_OP_NONE || q->kill_at_ns != 0 ||
	    q->respawn_ns != 0 || q->give_up_ns != 0)
		xen_tick_in(q, TICK_FAST_MS);
	else if (q->pidfd >= 0 && (!st->alive || !q->verified))
		xen_tick_in(q, TICK_LIFE_MS);
	return 0;
}

/* ------------------------- open, close, start, attach --------------------- */

static int
programs_find(struct xen *q, struct av_err *err)
{
	const struct vmm_env *env = &q->dom->env;
	const char *slash;
	int r = 0;

	if (env->helper_path != NULL)
		q->vmrun = strdup(env->helper_path);
	else
		r = vmm_helper_default(&q->vmrun);
	if (r < 0 || q->vmrun == NULL)
		return av_err_set(err, -ENOENT, "av-vmrun can't be found");
	slash = strrchr(q->vmrun, '/');
	if (env->xenrun_path != NULL)
		q->xenrun = strdup(env->xenrun_path);
	else if (slash == NULL || asprintf(&q->xenrun, "%.*s/av-xenrun",
	    (int)(slash - q->vmrun), q->vmrun) < 0)
		q->xenrun = NULL;
	if (q->xenrun == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	if (access(q->xenrun, X_OK) < 0)
		return av_err_set(err, -ENOENT, "%s: %s: the package "
		    "avpair-xen is needed for guests under Xen", q->xenrun,
		    strerror(errno));
	return 0;
}

static void
xen_close(struct vmm_dom *dom)
{
	struct xen *q = dom->drv;

	q->spawn = vmm_spawn_free(q->spawn);
	forget_guest(q);
	sd_event_source_disable_unref(q->tick);
	free(q->vmrun);
	free(q->xenrun);
	free(q);
}

static int
xen_open(struct vmm_dom *dom, struct av_err *err)
{
	struct xen *q = calloc(1, sizeof(*q));
	char name[16];
	unsigned i;
	int rc;

	if (q == NULL)
		return av_err_set(err, -ENOMEM, "no memory for a VM");
	q->dom = dom;
	q->pidfd = -1;
	dom->drv = q;
	rc = sd_event_add_time_relative(dom->env.event, &q->tick,
	    CLOCK_MONOTONIC, 0, 1000, xen_tick, q);
	if (rc < 0)
		(void)av_err_set(err, rc, "no timer");
	else
		rc = programs_find(q, err);
	for (i = 0; i < dom->spec.n_nics && rc >= 0; i++)
		if (xr_vif_name(dom->spec.nics[i].tap,
		    xr_is_hvm(&dom->spec), name) < 0)
			rc = av_err_set(err, -EINVAL, "network adapter %u: "
			    "the name '%s' is too long for Xen", i,
			    dom->spec.nics[i].tap);
	if (rc < 0) {
		xen_close(dom);
		return rc;
	}
	(void)sd_event_source_set_enabled(q->tick, SD_EVENT_OFF);
	return 0;
}

int
xen_begin(struct xen *q, const char *mode, struct av_err *err)
{
	struct vmm_dom *dom = q->dom;
	AUTO_FD int fd = -1;
	pid_t pid;
	int rc;

	if (q->spawn != NULL || q->pidfd >= 0 || vmm_proc_find(
	    dom->spec.runtime_dir, dom->spec.uuid, &pid, &fd) == 0)
		return av_err_set(err, -EEXIST, "vm '%s' runs already",
		    dom->spec.name);
	forget_guest(q);
	rc = xen_spawn(q, mode, err);
	if (rc < 0)
		return rc;
	vmm_dom_set(dom, VMM_STARTING, VMM_REASON_NONE, NULL);
	return 0;
}

static int
xen_start(struct vmm_dom *dom, unsigned flags, struct av_err *err)
{
	struct xen *q = dom->drv;
	int rc = xen_begin(q, "create", err);

	if (rc == 0)
		q->want_run = !(flags & VMM_START_PAUSED);
	return rc;
}

static int
xen_attach(struct vmm_dom *dom, struct av_err *err)
{
	struct xen *q = dom->drv;
	enum vmm_reason reason;
	const char *detail;
	bool signaled;
	int rc, code;

	if (q->spawn != NULL || q->pidfd >= 0)
		return av_err_set(err, -EBUSY, "vm '%s': still at it",
		    dom->spec.name);
	forget_guest(q);
	rc = process_find(q);
	if (rc == 0) {
		memset(q->rx_base, 0, sizeof(q->rx_base));
		q->rx_known = true;
		xen_tick_in(q, 0);
		return 0;
	}
	if (rc != -ENOENT && rc != -ESRCH && rc != -EBADMSG)
		return av_err_set(err, rc, "vm '%s': can't look: %s",
		    dom->spec.name, strerror(-rc));
	if (vmm_proc_exit_read(dom->spec.runtime_dir, &signaled,
	    &code) == 0 && !signaled && xr_exit_reason(code, &reason,
	    &detail)) {
		guest_gone(q, reason, detail);
		return 0;
	}
	return xen_spawn(q, "adopt", err);
}

/* -------------------------- shutdown, kill, pause ------------------------- */

static void
order_replied(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct xen *q = ctx;

	(void)ret;
	if (vmm_op_kind(q->dom) == q->order)
		vmm_op_finish(q->dom, rc, err);
}

int
xen_order(struct xen *q, const char *cmd, json_t *args, enum vmm_op_kind kind,
    struct av_err *err)
{
	int rc = -EAGAIN;

	q->order = kind;
	if (q->verified)
		rc = qmp_call(q->qmp, cmd, args, order_replied, q);
	else
		json_decref(args);
	return rc < 0 ? av_err_set(err, rc, "vm '%s': av-xenrun is silent",
	    q->dom->spec.name) : 0;
}

static int
xen_shutdown(struct vmm_dom *dom, struct av_err *err)
{
	struct xen *q = dom->drv;

	if (q->gone_ns != 0)	/* its end, most likely: guest_gone() */
		return 0;
	return xen_order(dom->drv, "system_powerdown", NULL, VMM_OP_SHUTDOWN,
	    err);
}

static int
xen_kill(struct vmm_dom *dom, struct av_err *err)
{
	struct xen *q = dom->drv;

	(void)err;
	q->give_up_ns = 0;
	if (q->gone_ns != 0) {		/* gone_try() goes on with it */
		q->ending = true;
		return 0;
	}
	/* without one of ours to ask: one that looks and destroys */
	if (q->spawn == NULL && q->pidfd < 0)
		(void)process_find(q);
	end_guest(q);
	return 0;
}

static void
moved(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct xen *q = ctx;
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	(void)ret;
	if (kind != VMM_OP_PAUSE && kind != VMM_OP_RESUME)
		return;
	if (rc < 0)
		vmm_op_finish(q->dom, rc, err);
	else	/* with it: a state that was there before is no news */
		(void)qmp_call(q->qmp, "query-status", NULL, status_got, q);
}

static int
run_order(struct vmm_dom *dom, const char *cmd, struct av_err *err)
{
	struct xen *q = dom->drv;
	int rc = -EAGAIN;

	if (q->verified)
		rc = qmp_call(q->qmp, cmd, NULL, moved, q);
	return rc < 0 ? av_err_set(err, rc, "vm '%s': av-xenrun is silent",
	    dom->spec.name) : 0;
}

static int
xen_pause(struct vmm_dom *dom, struct av_err *err)
{
	return run_order(dom, "stop", err);
}

static int
xen_resume(struct vmm_dom *dom, struct av_err *err)
{
	return run_order(dom, "cont", err);
}

static void
grown(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct xen *q = ctx;

	(void)ret;
	q->growing = false;
	if (vmm_op_kind(q->dom) == VMM_OP_RESIZE)
		vmm_op_finish(q->dom, rc, err);
}

/* An answer that nobody waits for any more must not count for another disk. */
static int
xen_disk_resize(struct vmm_dom *dom, unsigned disk, uint64_t size_bytes,
    struct av_err *err)
{
	struct xen *q = dom->drv;
	int rc = -EAGAIN;

	if (q->growing)
		return av_err_set(err, rc, "vm '%s': the guest is still being "
		    "told of a disk's size", dom->spec.name);
	if (q->verified)
		rc = qmp_call(q->qmp, "resize", json_pack("{s:I, s:I}", "disk",
		    (json_int_t)disk, "bytes", (json_int_t)size_bytes), grown,
		    q);
	q->growing = rc == 0;
	return rc < 0 ? av_err_set(err, rc, "vm '%s': av-xenrun is silent",
	    dom->spec.name) : 0;
}

static void
xen_timeout(struct vmm_dom *dom, enum vmm_op_kind kind)
{
	struct xen *q = dom->drv;

	if (xen_is_starting(kind)) {
		q->timed_out = true;
		end_guest(q);
		q->give_up_ns = vmm_due_ns(dom, KILL_GRACE_MS);
		xen_tick_in(q, TICK_FAST_MS);
	} else if (kind == VMM_OP_ATTACH) {
		vmm_dom_set(dom, VMM_RUNNING, VMM_REASON_NONE,
		    "its monitor is silent");
		xen_fail_op(q, -ETIMEDOUT, AV_NOT_DONE,
		    "its monitor is silent");
	} else {
		xen_fail_op(q, -ETIMEDOUT, AV_MAYBE, "no answer in time");
	}
}

const struct vmm_ops vmm_xen_ops = {
	.name = "xen",
	.caps = VMM_CAP_PAUSE | VMM_CAP_RESIZE | VMM_CAP_MIGRATE,
	.open = xen_open,
	.close = xen_close,
	.start = xen_start,
	.attach = xen_attach,
	.shutdown = xen_shutdown,
	.kill = xen_kill,
	.timeout = xen_timeout,
	.pause = xen_pause,
	.resume = xen_resume,
	.disk_resize = xen_disk_resize,
	.start_incoming = xen_start_incoming,
	.migrate_out = xen_migrate_out,
	.migrate_cancel = xen_migrate_cancel,
};
