/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qemu_stream.c - live migration: what becomes of a stream
 *
 * query-migrate and query-status, asked together at every event and every 250 ms, say
 * where it is.  While QEMU sends the last part it holds its big lock: a link that hangs
 * then silences the monitor, and only 'yank', out of turn, ends that.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "vmm/proc.h"
#include "vmm/qemu.h"

#define SETUP_MS	10000u	/* connection and key */
#define SWITCH_MS	10000u	/* the guest is stopped meanwhile */
#define STALL_MS	8000u	/* nothing gets through */
#define YANK_MS		300u	/* a cancel that isn't heard */
#define LOOK_MS		200u
/* A pass sends what the guest wrote during the one before it, so each is shorter, and the
 * last one is the time that the guest stands: passes are cheap, so the limit is low at
 * first.  A guest that writes nearly as fast as the link takes gets more of it. */
#define FIRST_DOWNTIME_MS	20u
#define FREE_PASSES	4u
#define PASSES_A_STEP	3u	/* for each doubling */

static bool
is(const struct qemu *q, const char *status)
{
	return strcmp(q->mig.status, status) == 0;
}

/* QEMU's MigrationStatus (qapi/migration.json) */
static bool
is_final(const struct qemu *q)
{
	return q->mig.status[0] == '\0' || is(q, "none") ||
	    is(q, "completed") || is(q, "failed") || is(q, "cancelled");
}

bool
qemu_stream_is_under_way(const struct qemu *q)
{
	return !q->mig.marker && !is_final(q);
}

/* --------------------------------- numbers -------------------------------- */

static uint64_t
number(const json_t *o, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(o, name));

	return v > 0 ? (uint64_t)v : 0;
}

static void
numbers(struct vmm_migration *m, const json_t *ret)
{
	const json_t *ram = json_object_get(ret, "ram");
	bool over = json_object_get(ret, "downtime") != NULL;

	if (ram == NULL)
		return;
	m->total_bytes = number(ram, "total");
	m->copied_bytes = number(ram, "transferred");
	m->remaining_bytes = number(ram, "remaining");
	m->dirty_bytes_s = number(ram, "dirty-pages-rate") *
	    number(ram, "page-size");
	m->rate_bytes_s = (uint64_t)(json_number_value(json_object_get(ram,
	    "mbps")) * 1e6 / 8);
	m->iterations = (unsigned)number(ram, "dirty-sync-count");
	m->throttle_pct = (unsigned)number(ret, "cpu-throttle-percentage");
	m->downtime_ms = (unsigned)number(ret, over ? "downtime" :
	    "expected-downtime");
	m->total_ms = (unsigned)number(ret, "total-time");
}

unsigned
qemu_stream_downtime(unsigned most_ms, unsigned passes)
{
	unsigned n = passes <= FREE_PASSES ? 0 : (passes - FREE_PASSES +
	    PASSES_A_STEP - 1) / PASSES_A_STEP;
	unsigned ms = FIRST_DOWNTIME_MS << (n < 16 ? n : 16);

	return ms < most_ms ? ms : most_ms;
}

/* Lost, the limit stays as it is; a stream that never ends is given up (limits()). */
static void
allow_more(struct qemu *q)
{
	unsigned ms = qemu_stream_downtime(q->mig.limits.downtime_ms,
	    q->dom->st.migration.iterations);

	if (!is(q, "active") || q->mig.pinned || ms <= q->mig.downtime_ms)
		return;
	q->mig.downtime_ms = ms;
	(void)qmp_call(q->qmp, "migrate-set-parameters", json_pack("{s:i}",
	    "downtime-limit", (int)ms), NULL, NULL);
}

void
qemu_stream_got(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu *q = ctx;
	const char *status = json_string_value(json_object_get(ret, "status"));
	const char *words = json_string_value(json_object_get(ret,
	    "error-desc"));

	(void)err;
	if (rc < 0)
		return;
	(void)snprintf(q->mig.status, sizeof(q->mig.status), "%s",
	    status != NULL ? status : "");
	(void)snprintf(q->mig.error, sizeof(q->mig.error), "%s",
	    words != NULL ? words : "");
	if (!q->mig.marker) {
		numbers(&q->dom->st.migration, ret);
		allow_more(q);
	}
}

/* ---------------------------------- phase --------------------------------- */

static void
why_failed(const struct qemu *q, char *ret, size_t n)
{
	if (q->mig.gave_up[0] != '\0')
		(void)snprintf(ret, n, "%s", q->mig.gave_up);
	else if (!qemu_carry_why(q, ret, n))
		(void)snprintf(ret, n, "%s", q->mig.error[0] != '\0' ?
		    q->mig.error : "the stream broke");
}

static void
apply_incoming(struct qemu *q, const char *w)
{
	struct vmm_dom *dom = q->dom;
	enum vmm_phase was = dom->st.migration.phase;
	bool inmigrate = strcmp(w, "inmigrate") == 0;

	dom->st.migration.incoming = true;
	if (inmigrate)
		qemu_line_hold(q);
	else
		qemu_line_drop(q);
	if (vmm_op_kind(dom) == VMM_OP_INCOMING && !q->mig.listens)
		return;			/* STARTING until that is done */
	if (vmm_op_kind(dom) == VMM_OP_ATTACH && inmigrate &&
	    !q->mig.listens) {
		/* its agent ended before it told it where to listen */
		q->end = VMM_REASON_INCOMING_FAILED;
		qemu_end_process(q);
		return;
	}
	vmm_dom_set(dom, VMM_INCOMING, VMM_REASON_NONE, NULL);
	if (!inmigrate && is(q, "completed"))
		vmm_dom_phase(dom, VMM_PHASE_COMPLETE, NULL);
	else if (is(q, "active") || !inmigrate || was == VMM_PHASE_ACTIVE)
		vmm_dom_phase(dom, VMM_PHASE_ACTIVE, NULL);
	else
		vmm_dom_phase(dom, VMM_PHASE_WAITING, NULL);
}

/* How the last migration from here ended, or NONE. */
static void
apply_final(struct qemu *q, bool stopped_by_it)
{
	struct vmm_dom *dom = q->dom;
	char why[160];

	if (is(q, "completed") && stopped_by_it) {
		vmm_dom_phase(dom, VMM_PHASE_COMPLETE, NULL);
	} else if (is(q, "failed") || (is(q, "cancelled") &&
	    q->mig.gave_up[0] != '\0')) {
		why_failed(q, why, sizeof(why));
		vmm_dom_phase(dom, VMM_PHASE_FAILED, why);
	} else if (is(q, "cancelled")) {
		vmm_dom_phase(dom, VMM_PHASE_CANCELLED, "by order");
	} else {
		vmm_dom_phase(dom, VMM_PHASE_NONE, NULL);
	}
}

static void
switching(struct qemu *q)
{
	if (q->mig.switch_ns == 0)
		q->mig.switch_ns = av_clock_ns();
	vmm_dom_set(q->dom, VMM_PAUSED, VMM_REASON_MIGRATION, NULL);
	vmm_dom_phase(q->dom, VMM_PHASE_SWITCHING, NULL);
}

bool
qemu_stream_apply(struct qemu *q, const char *w)
{
	bool post = strcmp(w, "postmigrate") == 0;
	struct vmm_dom *dom = q->dom;

	if (q->mig.marker || strcmp(w, "inmigrate") == 0) {
		apply_incoming(q, w);
		return true;
	}
	dom->st.migration.incoming = false;
	/* The two answers are of two moments, and the last step has no event. */
	if (strcmp(w, "finish-migrate") == 0 || (post && !is_final(q))) {
		switching(q);
		if (post || is_final(q))
			qemu_status_ask(q);
		return true;
	}
	if (is_final(q)) {
		apply_final(q, post);
		if (!post || !is(q, "completed"))
			return false;
		vmm_dom_set(dom, VMM_PAUSED, VMM_REASON_MIGRATION, NULL);
		return true;
	}
	q->mig.switch_ns = 0;
	vmm_dom_phase(dom, is(q, "setup") ? VMM_PHASE_SETUP : VMM_PHASE_ACTIVE,
	    NULL);
	return false;
}

/* Said at once: the answer to a question may come only when all is sent.  What it
 * wasn't that stopped the guest shows then. */
void
qemu_stream_stopped(struct qemu *q)
{
	if (vmm_is_migrating_out(&q->dom->st) && !q->mig.pinned &&
	    vmm_op_kind(q->dom) != VMM_OP_PAUSE)
		switching(q);
}

/* --------------------------- limits and their end ------------------------- */

static void
give_up(struct qemu *q, const char *why)
{
	(void)snprintf(q->mig.gave_up, sizeof(q->mig.gave_up), "%s", why);
	q->mig.cancelling = true;
	q->mig.cancel_ns = 0;
	q->mig.yanked = false;
}

static void
too_long(struct qemu *q)
{
	const struct vmm_migration *m = &q->dom->st.migration;
	char why[160];

	(void)snprintf(why, sizeof(why), "not done within %u s: the guest "
	    "writes %u MiB/s of memory, the link takes %u MiB/s",
	    q->mig.limits.total_ms / 1000,
	    (unsigned)(m->dirty_bytes_s >> 20),
	    (unsigned)(m->rate_bytes_s >> 20));
	give_up(q, why);
}

static bool
passed(uint64_t now, uint64_t since, uint64_t ms)
{
	return since != 0 && ms != 0 && now - since > ms * AV_NS_PER_MS;
}

/* What a slow PM needs longer for. */
static uint64_t
limit(const struct qemu *q, unsigned ms)
{
	return vmm_scaled(q->dom, ms * AV_NS_PER_MS) / AV_NS_PER_MS;
}

/* A link that is cut shows itself to a socket only after minutes. */
static bool
is_stalled(struct qemu *q, uint64_t now)
{
	uint64_t copied = q->dom->st.migration.copied_bytes;

	if (q->mig.moved_ns == 0 || copied != q->mig.moved_bytes) {
		q->mig.moved_bytes = copied;
		q->mig.moved_ns = now;
	}
	return passed(now, q->mig.moved_ns, limit(q, STALL_MS));
}

static void
limits(struct qemu *q, uint64_t now)
{
	enum vmm_phase p = q->dom->st.migration.phase;

	if (p == VMM_PHASE_SETUP &&
	    passed(now, q->mig.began_ns, limit(q, SETUP_MS)))
		give_up(q, "no connection to the other PM's process");
	else if (p == VMM_PHASE_SWITCHING &&
	    passed(now, q->mig.switch_ns, limit(q, SWITCH_MS)))
		give_up(q, "the last part didn't get through");
	else if (p == VMM_PHASE_ACTIVE && is_stalled(q, now))
		give_up(q, "nothing gets through to the other PM any more");
	else if (p == VMM_PHASE_ACTIVE &&
	    passed(now, q->mig.began_ns, q->mig.limits.total_ms))
		too_long(q);
}

static void
cancel(struct qemu *q, uint64_t now)
{
	bool first = q->mig.cancel_ns == 0;
	bool switching_over = q->dom->st.migration.phase ==
	    VMM_PHASE_SWITCHING;

	if (first)
		q->mig.cancel_ns = now;
	/* Answers that are lost show in the status. */
	if (first && !switching_over)
		(void)qmp_call(q->qmp, "migrate_cancel", NULL, NULL, NULL);
	if (!q->mig.yanked && (switching_over ||
	    passed(now, q->mig.cancel_ns, limit(q, YANK_MS)))) {
		q->mig.yanked = true;
		(void)qmp_call_oob(q->qmp, "yank", json_pack("{s:[{s:s}]}",
		    "instances", "type", "migration"), NULL, NULL);
	}
}

static void
pin_tick(struct qemu *q)
{
	if (vmm_op_kind(q->dom) != VMM_OP_PAUSE ||
	    vmm_proc_stopped(q->dom->st.pid) < 0)
		return;
	vmm_dom_set(q->dom, VMM_PAUSED, VMM_REASON_ASKED, NULL);
	vmm_op_finish(q->dom, 0, NULL);
}

void
qemu_stream_tick(struct qemu *q, uint64_t now)
{
	if (q->mig.pinned) {
		pin_tick(q);
		return;
	}
	if (!q->verified)
		return;
	if (!q->mig.cancelling && vmm_is_migrating_out(&q->dom->st))
		limits(q, now);
	if (q->mig.cancelling)
		cancel(q, now);
	if (q->mig.cancelling || (qemu_stream_is_under_way(q) &&
	    passed(now, q->mig.look_ns, LOOK_MS))) {
		q->mig.look_ns = now;
		if (!q->asking)
			qemu_status_ask(q);
	}
	if (q->mig.look_ns == 0)
		q->mig.look_ns = now;
}

void
qemu_stream_go_on(struct qemu *q)
{
	enum vmm_op_kind kind = vmm_op_kind(q->dom);
	struct av_err err = {0};
	int rc;

	if (!q->mig.cancelling || vmm_is_migrating_out(&q->dom->st))
		return;
	q->mig.cancelling = false;
	if (kind == VMM_OP_MIGRATE_CANCEL || (kind == VMM_OP_RESUME &&
	    q->dom->st.state == VMM_RUNNING)) {
		vmm_op_finish(q->dom, 0, NULL);
	} else if (kind == VMM_OP_RESUME) {
		rc = qemu_word(q, "cont");
		if (rc < 0)
			vmm_op_finish(q->dom, av_err_set(&err, rc,
			    "vm '%s': its monitor is silent",
			    q->dom->spec.name), &err);
	}
}
