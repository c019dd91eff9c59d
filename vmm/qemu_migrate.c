/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qemu_migrate.c - live migration: the calls, and what is set up for them
 *
 *   incoming: process (-S -incoming defer) -> capabilities -> QEMU listens -> av-vmstream
 *	       listens
 *   out:      av-vmstream listens -> capabilities, limits -> migrate -> qemu_stream.c
 *
 * Three files in the runtime folder outlive the agent.  'incoming': this process has
 * never run its guest; it goes before 'cont' is given.  'outgoing': where the guest was
 * sent.  'pinned': the process is stopped by SIGSTOP, by a pause.
 *
 * 'cont' while a stream still comes in would make QEMU start the guest by itself at
 * its end; so it is given only to a process that said that all has arrived.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "vmm/proc.h"
#include "vmm/qemu.h"

#define NOTE_MAX	1024
#define ATTACHED_MS	600000u	/* limits of one that an agent finds */
#define ATTACHED_DOWNTIME_MS 300u
#define UNLIMITED	(1ll << 40)	/* bytes/s; QEMU's default is a limit */

/* --------------------------------- notes ---------------------------------- */

static int
note_write(const struct qemu *q, const char *file, struct av_err *err)
{
	AUTO_JSON json_t *o = json_pack("{s:s, s:s, s:i}", "tag", q->link.tag,
	    "address", q->link.address, "port", (int)q->link.port);
	AUTO_FREE char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	char path[VMM_PATH_MAX + 16];

	if (text == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	qemu_path(q, file, path);
	return av_file_write(path, text, strlen(text), 0600, err);
}

void
qemu_link_show(struct qemu *q)
{
	struct vmm_migration *m = &q->dom->st.migration;

	(void)snprintf(m->tag, sizeof(m->tag), "%s", q->link.tag);
	(void)snprintf(m->address, sizeof(m->address), "%s", q->link.address);
	m->port = q->link.port;
}

/* False: there is none.  One that can't be read counts, with nothing in it. */
static bool
note_read(struct qemu *q, const char *file)
{
	AUTO_JSON json_t *o = NULL;
	AUTO_FREE char *text = NULL;
	char path[VMM_PATH_MAX + 16];
	const char *tag = "", *address = "";
	int port = 0, rc;
	size_t n;

	qemu_path(q, file, path);
	rc = av_file_read(path, NOTE_MAX, &text, &n, NULL);
	if (rc == -ENOENT)
		return false;
	memset(&q->link, 0, sizeof(q->link));
	o = rc == 0 ? json_loadb(text, n, 0, NULL) : NULL;
	if (o != NULL && json_unpack(o, "{s:s, s:s, s:i}", "tag", &tag,
	    "address", &address, "port", &port) == 0) {
		(void)snprintf(q->link.tag, sizeof(q->link.tag), "%s", tag);
		(void)snprintf(q->link.address, sizeof(q->link.address), "%s",
		    address);
		q->link.port = (uint16_t)port;
	}
	qemu_link_show(q);
	return true;
}

static int
note_drop(const struct qemu *q, const char *file)
{
	char path[VMM_PATH_MAX + 16];

	qemu_path(q, file, path);
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int
qemu_migrate_prepare(struct qemu *q, bool incoming, struct av_err *err)
{
	int rc = note_drop(q, "incoming");

	if (rc == 0)
		rc = note_drop(q, "outgoing");
	if (rc == 0)
		rc = note_drop(q, "pinned");
	if (rc < 0)
		return av_err_set(err, rc, "vm '%s': its runtime folder can't "
		    "be cleaned: %s", q->dom->spec.name, strerror(-rc));
	if (incoming)
		rc = note_write(q, "incoming", err);
	q->mig.marker = incoming && rc == 0;
	return rc;
}

void
qemu_migrate_attach(struct qemu *q)
{
	char path[VMM_PATH_MAX + 16];

	memset(&q->mig, 0, sizeof(q->mig));
	q->mig.limits.total_ms = ATTACHED_MS;
	q->mig.limits.downtime_ms = ATTACHED_DOWNTIME_MS;
	q->mig.marker = note_read(q, "incoming");
	q->mig.listens = q->mig.marker && q->link.port != 0;
	q->dom->st.migration.incoming = q->mig.marker;
	if (!q->mig.marker && note_read(q, "outgoing"))
		q->mig.began_ns = av_clock_ns();
	qemu_path(q, "pinned", path);
	q->mig.pinned = q->pidfd >= 0 && access(path, F_OK) == 0;
	if (q->mig.pinned)
		q->dom->st.migration.phase = VMM_PHASE_ACTIVE;
}

/* ---------------------------------- steps --------------------------------- */

void
qemu_steps_drop(struct qemu *q)
{
	struct qemu_migration *m = &q->mig;

	for (; m->at < m->n_steps; m->at++)
		json_decref(m->steps[m->at].args);
	m->n_steps = m->at = 0;
	m->carrier = vmm_spawn_free(m->carrier);
}

/* A NULL 'args' shows itself as QEMU's refusal. */
static void
step_add(struct qemu *q, const char *cmd, json_t *args)
{
	q->mig.steps[q->mig.n_steps++] = (struct qemu_step){ .cmd = cmd,
		.args = args };
}

static void
steps_failed(struct qemu *q, int rc, const struct av_err *err)
{
	qemu_steps_drop(q);
	if (vmm_op_kind(q->dom) == VMM_OP_INCOMING) {
		(void)snprintf(q->end_words, sizeof(q->end_words), "%.159s",
		    err->text);
		qemu_end_process(q);
	} else {
		vmm_op_finish(q->dom, rc, err);
	}
}

static void offered(struct qemu *q);

static void
steps_over(struct qemu *q)
{
	qemu_steps_drop(q);
	if (vmm_op_kind(q->dom) == VMM_OP_MIGRATE) {
		q->dom->st.migration.incoming = false;
		qemu_link_show(q);
		q->mig.began_ns = av_clock_ns();
		(void)snprintf(q->mig.status, sizeof(q->mig.status), "setup");
		vmm_dom_phase(q->dom, VMM_PHASE_SETUP, NULL);
		vmm_op_finish(q->dom, 0, NULL);
	} else {
		offered(q);
	}
	qemu_status_ask(q);
	qemu_tick_in(q, TICK_FAST_MS);
}

static void step_send(struct qemu *q);

static void
step_replied(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;
	struct qemu_migration *m = &q->mig;
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	(void)ret;
	if (rc == -EPIPE || m->n_steps == 0)
		return;
	if (kind != VMM_OP_INCOMING && kind != VMM_OP_MIGRATE) {
		qemu_steps_drop(q);	/* the op was ended */
		return;
	}
	if (rc < 0)
		steps_failed(q, rc, err);
	else if (m->at == m->n_steps)
		steps_over(q);
	else
		step_send(q);
}

static void
step_send(struct qemu *q)
{
	struct qemu_step *s = &q->mig.steps[q->mig.at++];
	struct av_err err = {0};
	int rc = qmp_call(q->qmp, s->cmd, TAKE_PTR(s->args), step_replied, q);

	if (rc < 0) {
		(void)av_err_set(&err, rc, "vm '%s': its monitor is silent",
		    q->dom->spec.name);
		steps_failed(q, rc, &err);
	}
}

static json_t *
cap(const char *name, bool on)
{
	return json_pack("{s:s, s:b}", "capability", name, "state", (int)on);
}

static json_t *
uri(const struct qemu *q, const char *sock)
{
	char path[VMM_PATH_MAX + 16], text[VMM_PATH_MAX + 32];

	qemu_path(q, sock, path);
	(void)snprintf(text, sizeof(text), "unix:%s", path);
	return json_pack("{s:s}", "uri", text);
}

/* -------------------------------- incoming -------------------------------- */

void
qemu_line_hold(struct qemu *q)
{
	char path[VMM_PATH_MAX + 16];

	if (q->line_fd >= 0)
		return;
	qemu_path(q, "serial.sock", path);
	q->line_fd = vmm_unix_connect(path);	/* or at the next look */
}

void
qemu_line_drop(struct qemu *q)
{
	if (q->line_fd >= 0)
		(void)close(TAKE_FD(q->line_fd));	/* only held */
	q->line_fd = -1;
}

/* The caller's psk_file is borrowed; its copy lasts. */
static void
link_keep(struct qemu *q, const struct vmm_link *link)
{
	q->link = *link;
}

int
qemu_start_incoming(struct vmm_dom *dom, const struct vmm_link *link,
    struct av_err *err)
{
	struct qemu *q = dom->drv;
	int rc;

	link_keep(q, link);
	q->link.port = 0;		/* not yet: the note says so */
	rc = qemu_carry_check(q, err);
	if (rc == 0)
		rc = qemu_start_process(dom, true, err);
	q->mig.port = link->port;
	return rc;
}

/* The op ends when it listens. */
static void
listens_now(struct qemu *q)
{
	struct av_err err = {0};

	if (note_write(q, "incoming", &err) < 0) {
		steps_failed(q, -EIO, &err);
		return;
	}
	qemu_link_show(q);
	vmm_op_finish(q->dom, 0, NULL);
	qemu_status_ask(q);
}

/* QEMU does; who brings it the stream doesn't yet. */
static void
offered(struct qemu *q)
{
	struct av_err err = {0};
	int rc = qemu_carry_start(q, true, &err);

	q->mig.offered = true;
	if (rc < 0)
		steps_failed(q, rc, &err);
}

void
qemu_incoming_listen(struct qemu *q)
{
	if (q->timed_out || q->mig.n_steps > 0 || q->mig.carrier != NULL ||
	    q->kill_at_ns != 0)
		return;
	if (q->mig.listens) {
		listens_now(q);
		return;
	}
	if (q->mig.offered) {	/* the monitor was lost meanwhile */
		offered(q);
		return;
	}
	step_add(q, "migrate-set-capabilities", json_pack("{s:[o,o]}",
	    "capabilities", cap("late-block-activate", true),
	    cap("events", true)));
	/* no frame is sent for a guest that may never run here */
	step_add(q, "migrate-set-parameters", json_pack("{s:i}",
	    "announce-rounds", 0));
	step_add(q, "migrate-incoming", uri(q, "in.sock"));
	step_send(q);
}

void
qemu_migrate_carried(struct qemu *q, int rc, const struct av_err *err)
{
	enum vmm_op_kind kind = vmm_op_kind(q->dom);

	if (kind != VMM_OP_INCOMING && kind != VMM_OP_MIGRATE)
		qemu_steps_drop(q);	/* the op was ended */
	else if (rc < 0)
		steps_failed(q, rc, err);
	else if (kind == VMM_OP_MIGRATE)
		step_send(q);
	else
		q->mig.listens = true;
	qemu_status_ask(q);
}

/* ----------------------------------- out ---------------------------------- */

static json_t *
out_params(const struct qemu *q)
{
	const struct vmm_migrate_limits *l = &q->mig.limits;

	return json_pack("{s:I, s:i, s:i, s:i, s:i, s:s}",
	    "max-bandwidth", l->bandwidth_bytes_s != 0 ?
	    (json_int_t)l->bandwidth_bytes_s : (json_int_t)UNLIMITED,
	    "downtime-limit", (int)q->mig.downtime_ms, "cpu-throttle-initial", 20,
	    "cpu-throttle-increment", 10, "max-cpu-throttle", 99,
	    "tls-creds", "");
}

int
qemu_migrate_out(struct vmm_dom *dom, const struct vmm_link *target,
    const struct vmm_migrate_limits *limits, struct av_err *err)
{
	struct qemu *q = dom->drv;
	int rc;

	if (!q->verified || q->mig.n_steps > 0)
		return av_err_set(err, -EAGAIN, "vm '%s': its monitor is "
		    "silent", dom->spec.name);
	link_keep(q, target);
	rc = qemu_carry_check(q, err);
	if (rc == 0)
		rc = note_write(q, "outgoing", err);
	if (rc == 0)
		rc = qemu_carry_start(q, false, err);
	if (rc < 0)
		return rc;
	q->mig.limits = *limits;
	q->mig.downtime_ms = qemu_stream_downtime(limits->downtime_ms, 0);
	q->mig.cancelling = q->mig.yanked = false;
	q->mig.gave_up[0] = '\0';
	q->mig.switch_ns = q->mig.cancel_ns = q->mig.moved_ns = 0;
	step_add(q, "migrate-set-capabilities", json_pack("{s:[o,o]}",
	    "capabilities", cap("auto-converge", true), cap("events", true)));
	step_add(q, "migrate-set-parameters", out_params(q));
	step_add(q, "migrate", uri(q, "out.sock"));
	return 0;
}

int
qemu_migrate_cancel(struct vmm_dom *dom, struct av_err *err)
{
	struct qemu *q = dom->drv;

	if (q->mig.pinned || !q->verified)
		return av_err_set(err, -EAGAIN, "vm '%s': %s", dom->spec.name,
		    q->mig.pinned ? "it is paused: resume or end it" :
		    "its monitor is silent");
	q->mig.cancelling = true;
	q->mig.cancel_ns = 0;
	q->mig.yanked = false;
	qemu_tick_in(q, 0);
	return 0;
}

/* ------------------------------ pause, resume ----------------------------- */

int
qemu_migrate_pause(struct qemu *q, struct av_err *err)
{
	struct av_err ignored = {0};
	int rc;

	if (q->mig.carrier != NULL)
		qemu_steps_drop(q);	/* none was given yet */
	if (!q->mig.pinned && q->mig.n_steps == 0 &&
	    !vmm_is_migrating_out(&q->dom->st))
		return 1;
	/* Without this file a new agent finds a process that doesn't answer: it
	 * takes care of that, too. */
	(void)note_write(q, "pinned", &ignored);
	rc = vmm_pidfd_kill(q->pidfd, SIGSTOP);
	if (rc < 0)
		return av_err_set(err, rc, "vm '%s': can't be stopped: %s",
		    q->dom->spec.name, strerror(-rc));
	q->mig.pinned = true;
	qemu_tick_in(q, 0);
	return 0;
}

static int
unpin(struct qemu *q, struct av_err *err)
{
	int rc = vmm_pidfd_kill(q->pidfd, SIGCONT);

	if (rc == 0)
		rc = note_drop(q, "pinned");
	if (rc < 0)
		return av_err_set(err, rc, "vm '%s': can't go on: %s",
		    q->dom->spec.name, strerror(-rc));
	q->mig.pinned = false;
	return 0;
}

static int
resume_arrived(struct qemu *q, struct av_err *err)
{
	int rc = q->verified ? note_drop(q, "incoming") : -EAGAIN;

	if (rc == 0) {
		q->mig.marker = false;
		q->mig.announce = true;
		rc = qemu_word(q, "cont");
	}
	return rc < 0 ? av_err_set(err, rc, "vm '%s': can't be resumed: %s",
	    q->dom->spec.name, strerror(-rc)) : 0;
}

int
qemu_migrate_resume(struct qemu *q, struct av_err *err)
{
	int rc = 0;

	if (q->dom->st.state == VMM_INCOMING)
		return resume_arrived(q, err);
	if (!q->mig.pinned && !vmm_is_migrating_out(&q->dom->st))
		return 1;
	if (q->mig.pinned)
		rc = unpin(q, err);
	if (rc < 0)
		return rc;
	q->replied = false;
	q->mig.cancelling = true;
	q->mig.cancel_ns = 0;
	q->mig.yanked = false;
	qemu_tick_in(q, 0);
	return 0;
}

/* RARP, and by the guest where its driver can: switches learn the new place. */
void
qemu_migrate_announce(struct qemu *q)
{
	if (!q->mig.announce)
		return;
	q->mig.announce = false;
	(void)qmp_call(q->qmp, "announce-self", json_pack(
	    "{s:i, s:i, s:i, s:i}", "initial", 50, "max", 550, "rounds", 5,
	    "step", 100), NULL, NULL);
}
