/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/volumes_care.c - verify, pause and limit of a resync, growing
 *
 * As in volumes.c, what the database wants is compared with what the server says,
 * and one order is given that brings them nearer.  These orders can take long or
 * fail without harm, so they have an op of their own: a volume that is to go on
 * alone doesn't wait for them.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "nodeagent/volumes_impl.h"

#define CARE_RETRY_NS	(2 * AV_NS_PER_S)
#define GROW_LIMIT_NS	(300 * AV_NS_PER_S)	/* a large preallocated leg */
#define VERIFY_TRIES	8	/* ends that came from outside: a change of side */

/* --- an order: begin -> done --- */

static void
failed(struct volume *v, int rc, const struct av_err *err)
{
	log_warn(v->row.id, "%s: %s", v->care_what, err->text);
	(void)snprintf(v->care_error, sizeof(v->care_error), "%s: %s",
	    v->care_what, err->text);
	v->care_retry_ns = av_clock_ns() + CARE_RETRY_NS;
	/* a driver that can't is told once */
	if (strcmp(v->care_what, "verify") == 0 && rc == -EOPNOTSUPP &&
	    strcmp(err->code, "not-supported") == 0)
		v->verify_tries = VERIFY_TRIES;
	/* certainly not done, and trying again won't help */
	if (strcmp(v->care_what, "grow") == 0 && err->outcome == AV_NOT_DONE &&
	    (rc == -ENOSPC || rc == -EOPNOTSUPP || rc == -EINVAL ||
	    strcmp(err->code, "no-space") == 0))
		v->grow_failed_rc = rc;
}

static void
care_done(struct mirror_op *op, int rc, const struct av_err *err)
{
	struct volume *v = container_of(op, struct volume, care_op);

	v->care_busy = false;
	if (rc < 0 && rc != -EALREADY && rc != -ECANCELED)
		failed(v, rc, err);
	else
		v->care_error[0] = '\0';
	v->vs->ops->changed(v->vs->ctx, v->row.id);
}

static struct mirror_op *
begin(struct volume *v, const char *what)
{
	v->care_op = (struct mirror_op){ .done = care_done };
	v->care_busy = true;
	v->care_what = what;
	log_info(v->row.id, "order: %s", what);
	return &v->care_op;
}

static void
end(struct volume *v, int rc, const struct av_err *err)
{
	if (rc == 0)
		return;		/* care_done() comes */
	v->care_busy = false;
	if (rc != -EALREADY)
		failed(v, rc, err);
	else
		v->care_retry_ns = av_clock_ns() + CARE_RETRY_NS;
}

/* --- resync --- */

static void
order_rate(struct volume *v)
{
	struct av_err err = { 0 };
	struct mirror_op *op = begin(v, "resync limit");

	end(v, mirror_set_rate(v->m, op, v->vs->resync_rate_kib_s, &err), &err);
}

static void
order_pause(struct volume *v)
{
	struct av_err err = { 0 };
	struct mirror_op *op = begin(v, v->row.resync_paused ?
	    "pause resync" : "resume resync");

	end(v, v->row.resync_paused ? mirror_resync_pause(v->m, op, &err) :
	    mirror_resync_resume(v->m, op, &err), &err);
}

/* --- growing --- */

static void
order_grow(struct volume *v)
{
	struct av_err err = { 0 };
	struct mirror_op *op = begin(v, "grow");

	op->deadline_ns = av_clock_ns() + av_scaled_ns(
	    v->vs->conf->time_scale, GROW_LIMIT_NS);
	end(v, mirror_grow(v->m, op, v->row.size_bytes, &err), &err);
}

static void
report_grow_failed(struct volume *v, const struct mirror_status *st)
{
	v->grow_failed_rc = 0;
	volume_report(v, "grow-failed", json_pack("{s:I, s:s}", "size_bytes",
	    (json_int_t)st->size_bytes, "reason", v->care_error));
}

/* --- verify --- */

static bool
verify_busy(const struct mirror_status *st)
{
	return st->verify.state == MIRROR_VERIFY_RUNNING ||
	    st->verify.state == MIRROR_VERIFY_WAITING;
}

static void
order_verify_cancel(struct volume *v)
{
	struct av_err err = { 0 };
	struct mirror_op *op = begin(v, "end verify");

	end(v, mirror_verify_cancel(v->m, op, &err), &err);
}

static void
report_verify(struct volume *v, const struct mirror_status *st,
    const char *result, const char *why)
{
	volume_report(v, "verify-ended", json_pack(
	    "{s:I, s:s, s:I, s:I, s:s}", "run", (json_int_t)v->row.verify.run,
	    "result", result, "found", (json_int_t)st->verify.n_found,
	    "repaired", (json_int_t)st->verify.n_repaired, "reason", why));
}

static void
order_verify(struct volume *v)
{
	struct mirror_verify_req req = { .repair = v->row.verify.repair,
	    .rate_kib_s = v->vs->resync_rate_kib_s };
	struct av_err err = { 0 };
	struct mirror_op *op = begin(v, "verify");
	int rc = mirror_verify(v->m, op, &req, &err);

	if (rc == 0) {
		v->verify_run = v->row.verify.run;
		v->verify_tries++;
	}
	end(v, rc, &err);
}

/* The server has none under way, and one is wanted. */
static void
verify_next(struct volume *v, const struct mirror_status *st)
{
	bool ours = v->verify_run == v->row.verify.run;

	if (ours && st->verify.state == MIRROR_VERIFY_DONE) {
		report_verify(v, st, "done", "");
	} else if (ours && st->verify.state == MIRROR_VERIFY_FAILED &&
	    strcmp(st->verify.code, "wrong-role") != 0) {
		report_verify(v, st, "failed", st->verify.text);
	} else if (v->verify_tries >= VERIFY_TRIES) {
		report_verify(v, st, "failed",
		    v->care_error[0] != '\0' ? v->care_error :
		    "it was ended again and again");
	} else if (st->conn == MIRROR_CONNECTED) {
		/* never begun here, or cut off: from the volume's begin */
		order_verify(v);
		if (!v->care_busy)
			v->verify_tries++;	/* refused at once */
	}
}

static bool
verify_follow(struct volume *v, const struct mirror_status *st)
{
	const struct store_verify *want = &v->row.verify;

	if (!want->active) {
		v->verify_tries = 0;
		v->verify_run = 0;
		if (verify_busy(st))
			order_verify_cancel(v);
		return verify_busy(st);
	}
	if (!verify_busy(st)) {
		verify_next(v, st);
		return true;
	}
	/* found running by a new agent: taken for the one that is wanted */
	if (v->verify_run == 0 && st->verify.repair == want->repair)
		v->verify_run = want->run;
	else if (v->verify_run != want->run)
		order_verify_cancel(v);
	return true;
}

/* --- the next one --- */

void
volume_care(struct volume *v, const struct mirror_status *st)
{
	enum right_kind right = v->vs->right.kind;
	bool leads = v->primary_here && st->role == MIRROR_PRIMARY &&
	    (right == RIGHT_TOGETHER || right == RIGHT_ALONE);
	bool together = right == RIGHT_TOGETHER;
	uint64_t now_ns = av_clock_ns();

	if (v->care_busy || v->reporting || now_ns < v->care_retry_ns ||
	    now_ns < v->report_retry_ns ||
	    right == RIGHT_UNKNOWN || right == RIGHT_FROZEN)
		return;
	if (v->row.resync_paused != st->resync_paused) {
		order_pause(v);
	} else if (v->vs->resync_rate_kib_s != st->resync_limit_kib_s) {
		order_rate(v);
	} else if (v->grow_failed_rc != 0 && (leads || together)) {
		report_grow_failed(v, st);
	} else if (!leads && together && st->room_bytes != 0 &&
	    v->row.size_bytes > st->room_bytes) {
		order_grow(v);		/* its own leg, for the one that leads */
	} else if (leads && v->row.size_bytes > st->size_bytes &&
	    st->conn == MIRROR_CONNECTED && !verify_busy(st)) {
		order_grow(v);
	} else if (leads) {
		(void)verify_follow(v, st);
	}
}
