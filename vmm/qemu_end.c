/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qemu_end.c - a QEMU process: found, ended, gone
 */
#include "vmm/qemu.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "vmm/proc.h"

#define QUIT_MS		1000	/* from 'quit' to SIGKILL */
#define EXIT_FILE_MS	500	/* from the end to the word of it */

/* -------------------------------- helpers --------------------------------- */

void
qemu_path(const struct qemu *q, const char *file, char ret[VMM_PATH_MAX + 16])
{
	(void)snprintf(ret, VMM_PATH_MAX + 16, "%s/%s",
	    q->dom->spec.runtime_dir, file);
}

const char *
qemu_log_dir(const struct qemu *q)
{
	return q->dom->spec.log_dir[0] != '\0' ? q->dom->spec.log_dir :
	    q->dom->spec.runtime_dir;
}

void
qemu_tick_in(struct qemu *q, unsigned ms)
{
	/* monotonic timers of a running loop can't be refused */
	(void)sd_event_source_set_time_relative(q->tick, ms * 1000ull);
	(void)sd_event_source_set_enabled(q->tick, SD_EVENT_ONESHOT);
}

void
qemu_fail_op(struct qemu *q, int rc, enum av_outcome outcome, const char *text)
{
	struct av_err err = {0};

	(void)av_err_set(&err, rc, "vm '%s': %s", q->dom->spec.name, text);
	err.outcome = outcome;
	vmm_op_finish(q->dom, rc, &err);
}

void
qemu_qga_drop(struct qemu *q)
{
	q->qga = qga_free(q->qga);
	if (q->dom->st.agent) {
		q->dom->st.agent = false;
		vmm_dom_touch(q->dom);
	}
}

void
qemu_monitor_drop(struct qemu *q)
{
	q->qmp = qmp_free(q->qmp);
	q->verified = q->asking = q->ask_again = false;
	qemu_steps_drop(q);
	qemu_qga_drop(q);
	if (q->dom->st.answers) {
		q->dom->st.answers = false;
		vmm_dom_touch(q->dom);
	}
}

/* Nothing of the last process is left in 'q'. */
void
qemu_forget_process(struct qemu *q)
{
	qemu_monitor_drop(q);
	qemu_line_drop(q);
	q->exit_io = sd_event_source_disable_unref(q->exit_io);
	if (q->pidfd >= 0)
		(void)close(TAKE_FD(q->pidfd));	/* a pidfd */
	q->end = VMM_REASON_NONE;
	qemu_steps_drop(q);
	memset(&q->mig, 0, sizeof(q->mig));
	q->asking = q->ask_again = false;
	q->end_words[0] = '\0';
	q->want_run = q->timed_out = q->port_open = q->rx_known = false;
	q->kill_at_ns = q->give_up_ns = q->gone_ns = q->agent_due_ns = 0;
	(void)sd_event_source_set_enabled(q->tick, SD_EVENT_OFF);
}

/* 'quit', and SIGKILL when that isn't enough. */
void
qemu_end_process(struct qemu *q)
{
	if (q->kill_at_ns != 0)
		return;
	/* one that can't answer now isn't asked */
	if (q->verified && !q->mig.pinned && q->dom->st.migration.phase !=
	    VMM_PHASE_SWITCHING && qmp_call(q->qmp, "quit", NULL, NULL, NULL) == 0) {
		q->kill_at_ns = vmm_due_ns(q->dom, QUIT_MS);
	} else {
		q->kill_at_ns = 1;
		(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
	}
	qemu_tick_in(q, TICK_FAST_MS);
}

void
qemu_end_due(struct qemu *q, uint64_t now_ns)
{
	if (q->kill_at_ns == 0 || now_ns < q->kill_at_ns)
		return;
	(void)vmm_pidfd_kill(q->pidfd, SIGKILL);
	q->kill_at_ns = vmm_due_ns(q->dom, QUIT_MS);
}

/* ------------------------- process -> gone -> EXITED ---------------------- */

/* QEMU puts the argument that it doesn't like before what is wrong with it: of
 * JSON that is a line of its own. */
const char *
qemu_words_without_argument(const char *line)
{
	const char *arg = strstr(line, ": -"), *end = NULL, *p;

	for (p = arg; p != NULL && (p = strstr(p, "}: ")) != NULL; p += 3)
		end = p + 3;
	return end != NULL && *end != '\0' ? end : line;
}

/* Of its log; a stream that wasn't understood has its reason a line earlier. */
void
qemu_last_words(struct qemu *q, char *ret, size_t n)
{
	char path[VMM_PATH_MAX + 16], line[2048];

	(void)snprintf(path, sizeof(path), "%s/qemu.log", qemu_log_dir(q));
	vmm_last_line(path, "load of migration failed", line, sizeof(line));
	(void)snprintf(ret, n, "%s", qemu_words_without_argument(line));
	av_utf8_trim(ret);
}

void
qemu_exited_start(struct qemu *q)
{
	bool late = q->timed_out;
	char words[160];

	if (q->end_words[0] != '\0')
		(void)snprintf(words, sizeof(words), "%s", q->end_words);
	else
		qemu_last_words(q, words, sizeof(words));
	qemu_forget_process(q);
	vmm_dom_set(q->dom, VMM_EXITED, VMM_REASON_START_FAILED, words);
	if (late)
		qemu_fail_op(q, -ETIMEDOUT, AV_NOT_DONE,
		    "did not start in time");
	else
		qemu_fail_op(q, -EIO, AV_NOT_DONE, words[0] != '\0' ? words :
		    "its process ended at once");
}

static void
exited(struct qemu *q, enum vmm_reason reason)
{
	enum vmm_op_kind kind = vmm_op_kind(q->dom);
	char words[160] = "";

	if (qemu_is_starting(q)) {
		qemu_exited_start(q);
		return;
	}
	if (q->mig.marker && reason == VMM_REASON_EXIT_CODE)
		reason = VMM_REASON_INCOMING_FAILED;
	if (reason == VMM_REASON_INCOMING_FAILED)
		qemu_last_words(q, words, sizeof(words));
	qemu_forget_process(q);
	vmm_dom_set(q->dom, VMM_EXITED, reason, words);
	if (kind == VMM_OP_KILL || kind == VMM_OP_SHUTDOWN)
		vmm_op_finish(q->dom, 0, NULL);
	else
		qemu_fail_op(q, kind == VMM_OP_ATTACH ? -ENOENT : -ESRCH,
		    AV_NOT_DONE, "it has ended");
}

/* The word of av-vmrun may come a moment after the end. */
void
qemu_exited_try(struct qemu *q)
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
	} else if (av_clock_ns() - q->gone_ns > vmm_scaled(q->dom,
	    EXIT_FILE_MS * AV_NS_PER_MS)) {
		exited(q, VMM_REASON_VANISHED);
	} else {
		qemu_tick_in(q, TICK_FAST_MS);
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
	qemu_monitor_drop(q);
	qemu_exited_try(q);
	return 0;
}

/* Takes over the process of the runtime folder.  -ENOENT, -ESRCH: none. */
int
qemu_process_adopt(struct qemu *q)
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
		qemu_forget_process(q);
	return rc < 0 ? rc : 0;
}
