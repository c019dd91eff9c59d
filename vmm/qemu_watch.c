/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qemu_watch.c - what a QEMU process says: monitor, run state, signs of life
 */
#include "vmm/qemu.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "vmm/proc.h"

static void qemu_monitor_up(void *ctx);
static void qemu_monitor_down(void *ctx, const struct av_err *err);
static void qemu_event(void *ctx, const char *name, const json_t *data);

/* ----------------------- monitor: connect -> verified --------------------- */

void
qemu_monitor_try(struct qemu *q)
{
	const struct qmp_user user = { qemu_monitor_up, qemu_monitor_down,
		qemu_event, q };
	char path[VMM_PATH_MAX + 16];

	qemu_path(q, "qmp.sock", path);
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
		qemu_forget_process(q);
		vmm_dom_set(q->dom, VMM_ABSENT, VMM_REASON_NONE,
		    "another guest answers in its place");
		qemu_fail_op(q, -EPERM, AV_NOT_DONE,
		    "another guest answers in its place");
		return;
	}
	q->verified = true;
	q->dom->st.answers = true;
	vmm_dom_touch(q->dom);
	qemu_status_ask(q);
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
	qemu_monitor_drop(q);
	/* Its end shows on the pidfd; a living one's monitor is tried again. */
	qemu_tick_in(q, TICK_FAST_MS);
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
qemu_status_apply(struct qemu *q, const char *w)
{
	static const char *const running[] = { "running", "suspended", NULL };
	static const char *const asked[] = { "paused", "prelaunch",
		"postmigrate", NULL };

	if (qemu_stream_apply(q, w))
		return;
	if (strcmp(w, "shutdown") == 0 || strcmp(w, "guest-panicked") == 0) {
		q->end = w[0] == 's' ? VMM_REASON_GUEST_SHUTDOWN :
		    VMM_REASON_PANIC;
		qemu_end_process(q);
	}
	if (qemu_is_starting(q))
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
cont_for_start(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;

	(void)ret;
	(void)err;		/* qemu_exited_start() reads it from the log */
	if (rc == -EPIPE || vmm_op_kind(q->dom) != VMM_OP_START)
		return;
	if (rc < 0)
		(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
	else
		qemu_status_ask(q);
}

static void
pause_judge(struct qemu *q, enum vmm_op_kind kind)
{
	q->replied = false;
	if (q->dom->st.state != (kind == VMM_OP_PAUSE ? VMM_PAUSED :
	    VMM_RUNNING)) {
		qemu_fail_op(q, -EIO, AV_NOT_DONE, kind == VMM_OP_PAUSE ?
		    "did not pause" : "stopped again at once");
		return;
	}
	vmm_op_finish(q->dom, 0, NULL);
	if (kind == VMM_OP_RESUME)
		qemu_migrate_announce(q);
}

/* What the op under way makes of a fresh status. */
static void
ops_go_on(struct qemu *q, const char *w)
{
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	switch (kind) {
	case VMM_OP_START:
		if (q->timed_out)
			break;
		if (q->want_run) {
			q->want_run = false;
			(void)qmp_call(q->qmp, "cont", NULL, cont_for_start,
			    q);
			break;
		}
		vmm_op_finish(q->dom, 0, NULL);
		qemu_status_apply(q, w);
		break;
	case VMM_OP_INCOMING:
		qemu_incoming_listen(q);
		break;
	case VMM_OP_ATTACH:
		/* its end is the answer then */
		if (q->end != VMM_REASON_INCOMING_FAILED)
			vmm_op_finish(q->dom, 0, NULL);
		break;
	case VMM_OP_PAUSE:
	case VMM_OP_RESUME:
		if (q->replied)
			pause_judge(q, kind);
		break;
	default:
		break;
	}
	qemu_stream_go_on(q);
}

static void
qemu_status_got(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;
	const char *w = json_string_value(json_object_get(ret, "status"));

	(void)err;
	q->asking = false;
	/* a stopped process' answer is of before it was stopped */
	if (rc < 0 || w == NULL || q->mig.pinned)
		return;
	qemu_status_apply(q, w);
	if (q->ask_again) {	/* for something that this answer may not know */
		q->ask_again = false;
		qemu_status_ask(q);
	} else {
		ops_go_on(q, w);
	}
	qemu_tick_in(q, TICK_LIFE_MS);
}

void
qemu_status_ask(struct qemu *q)
{
	if (q->qmp == NULL)
		return;
	if (q->asking) {
		q->ask_again = true;
		return;
	}
	if (qmp_call(q->qmp, "query-migrate", NULL, qemu_stream_got, q) == 0 &&
	    qmp_call(q->qmp, "query-status", NULL, qemu_status_got, q) == 0)
		q->asking = true;
}

static void
qemu_event(void *ctx, const char *name, const json_t *data)
{
	static const char *const moves[] = { "STOP", "RESUME", "SUSPEND",
		"WAKEUP", "BLOCK_IO_ERROR", "GUEST_PANICKED", "MIGRATION",
		NULL };
	struct qemu *q = ctx;

	if (!q->verified)
		return;			/* the status is asked for anyway */
	if (strcmp(name, "SHUTDOWN") == 0) {
		if (json_is_true(json_object_get(data, "guest")))
			qemu_status_ask(q);
	} else if (word_in(name, moves)) {
		if (strcmp(name, "STOP") == 0)
			qemu_stream_stopped(q);
		qemu_status_ask(q);
	} else if (strcmp(name, "VSERPORT_CHANGE") == 0) {
		q->port_open = json_is_true(json_object_get(data, "open"));
		if (!q->port_open)
			qemu_qga_drop(q);
		qemu_tick_in(q, TICK_FAST_MS);
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
	qemu_qga_drop(ctx);
}

void
qemu_agent_try(struct qemu *q)
{
	const struct qga_user user = { agent_answered, agent_down, q };
	char path[VMM_PATH_MAX + 16];

	if (!q->port_open || !q->verified)
		return;
	qemu_path(q, "qga.sock", path);
	if (q->qga == NULL && qga_connect(q->dom->env.event, path, &user,
	    &q->qga) < 0)
		return;
	if (!q->dom->st.agent && qga_sync(q->qga) < 0)
		qemu_qga_drop(q);
}

void
qemu_frames_look(struct qemu *q)
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
