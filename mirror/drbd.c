/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd.c - driver "drbd": DRBD in the kernel, by drbd-utils
 *
 * The 'server' is the resource in the kernel; it outlives the agent.
 *
 *   starting --events2: it is there--> UP (found)
 *      | not there: drbdadm up --seen in events2--> UP
 *      '--> DOWN when that fails                     |
 *                 ^----- destroyed, or stop ---------'
 *
 * Orders run one after another, each by its table of steps (drbd_plan.c); every
 * wait ends by an event of DRBD's or the order's deadline.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "mirror/drbd.h"

#define OP_DEFAULT_NS	(10 * AV_NS_PER_S)
#define RECONNECT_NS	(5 * AV_NS_PER_S)
#define PROMOTE_NS	(1 * AV_NS_PER_S)
#define CMD_LIMIT_NS	(120 * AV_NS_PER_S)

static int on_wake(sd_event_source *es, void *arg);

void
drbd_wake(struct drbd *d)
{
	(void)sd_event_source_set_enabled(d->wake, SD_EVENT_ONESHOT);
}

static int
on_grace(sd_event_source *es, uint64_t usec, void *arg)
{
	(void)es;
	(void)usec;
	drbd_wake(arg);
	return 0;
}

void
drbd_wake_at(struct drbd *d, uint64_t at_ns)
{
	d->grace = sd_event_source_disable_unref(d->grace);
	/* without it the order's deadline ends the wait */
	(void)sd_event_add_time(d->loop, &d->grace, CLOCK_MONOTONIC,
	    at_ns / AV_NS_PER_US, 1000, on_grace, d);
}

static void
tell(struct drbd *d)
{
	if (d->changed != NULL)
		d->changed(&d->m, d->arg);
}

/* --- jobs --- */

static void
record_save(struct drbd *d)
{
	/* Failing leaves 'alone' and 'peer outdated' standing: the careful
	 * side. */
	(void)drbd_record_write(d->c.dir, d->c.id, &d->rec, NULL);
}

static void
job_unlink(struct drbd *d, struct drbd_job *job)
{
	struct drbd_job **at;

	for (at = &d->jobs; *at != NULL && *at != job; at = &(*at)->next)
		;
	if (*at == job)
		*at = job->next;
}

/* An alone that didn't come to its end: nobody is told yes any more. */
static void
alone_undo(struct drbd *d)
{
	const struct drbd_model *m = &d->ev.now;
	bool is = m->role == DRBD_ROLE_PRIMARY && m->suspended == 0 &&
	    !drbd_is_connected(d);

	d->go_alone = false;
	if (d->rec.alone == is)
		return;
	d->rec.alone = is;
	record_save(d);
}

static void
job_end(struct drbd *d, struct drbd_job *job, int rc,
    const struct av_err *err)
{
	struct mirror_op *op = job->op;
	uint32_t *digests = NULL;

	if (job == d->jobs && job->o.verb == MIRROR_V_DIGEST) {
		d->digest = drbd_digest_free(d->digest);
		digests = TAKE_PTR(d->digests);
	}
	job_unlink(d, job);
	if (rc == 0)
		d->go_alone = false;
	else if (d->go_alone)
		alone_undo(d);
	free(job);
	if (op != NULL) {
		op->timer = sd_event_source_disable_unref(op->timer);
		if (rc == 0 && digests != NULL) {
			op->digests = digests;
			op->n_digests = d->n_digests;
		}
		op->done(op, rc, err);	/* 'op' may be gone now */
	}
	free(digests);
	drbd_wake(d);
}

static struct drbd_job *
job_add(struct drbd *d, struct mirror_op *op, const struct mirror_order *o,
    const struct drbd_step *plan)
{
	struct drbd_job *job = calloc(1, sizeof(*job)), **at;

	if (job == NULL)
		return NULL;
	job->op = op;
	if (o != NULL)
		job->o = *o;
	else
		job->o.verb = MIRROR_N_VERBS;
	job->at = plan;
	for (at = &d->jobs; *at != NULL; at = &(*at)->next)
		;
	*at = job;
	drbd_wake(d);
	return job;
}

static void
jobs_end(struct drbd *d, int rc, const char *code, const char *text)
{
	while (d->jobs != NULL) {
		struct drbd_job *job = d->jobs;
		struct av_err err = { 0 };

		(void)av_err_code(&err, rc, code, "%s", text);
		err.outcome = AV_MAYBE;
		job_end(d, job, rc, &err);
	}
}

/* --- down --- */

static void
let_go(struct drbd *d)
{
	d->events = drbd_cmd_free(d->events, true);
	d->query = drbd_cmd_free(d->query, true);
	d->cmd = drbd_cmd_free(d->cmd, false);
	d->fence = drbd_fence_close(d->fence);
	d->again = sd_event_source_disable_unref(d->again);
	d->poll = sd_event_source_disable_unref(d->poll);
	d->grace = sd_event_source_disable_unref(d->grace);
	d->relink = sd_event_source_disable_unref(d->relink);
	d->repromote = sd_event_source_disable_unref(d->repromote);
}

void
drbd_go_down(struct drbd *d, const char *code, const char *text)
{
	struct drbd_job *job = d->jobs;
	bool stopped = d->stopping && job != NULL &&
	    job->o.verb == MIRROR_V_STOP && job->op != NULL;

	let_go(d);
	memset(&d->ev, 0, sizeof(d->ev));
	d->want_primary = d->go_alone = d->stopping = d->up_tried = false;
	d->bringing_up = false;
	d->promote_text[0] = '\0';
	d->c.agreed_bytes = 0;
	d->last_repl = DRBD_R_OFF;
	drbd_status_map(d);
	d->st.server = MIRROR_SERVER_DOWN;
	d->st.found = false;
	(void)snprintf(d->st.error_code, sizeof(d->st.error_code), "%s",
	    code);
	(void)snprintf(d->st.error_text, sizeof(d->st.error_text), "%s",
	    text);
	tell(d);
	if (stopped) {
		struct av_err none = { 0 };

		job_end(d, job, 0, &none);
	}
	jobs_end(d, -ECONNRESET, "server-down", "the resource has gone");
}

/* --- running steps --- */

/* drbdadm waits 5 s for its own commands and gives up: on a busy PM the kernel is
 * still loading what a connection needs. */
static bool
is_unfinished(const struct drbd_result *res)
{
	return res->rc == 0 &&
	    strstr(res->text, "did not terminate within") != NULL;
}

/* The leg is there, only its connection isn't: that is made as any other that is
 * missing. */
static bool
is_up_but_alone(const struct drbd *d, const struct drbd_result *res)
{
	const struct drbd_model *m = &d->ev.now;

	return d->bringing_up && is_unfinished(res) && m->resource &&
	    m->device && m->disk >= DRBD_D_INCONSISTENT;
}

static int
refusal(const struct drbd_result *res, const char *program,
    struct av_err *err)
{
	const char *t = res->text;

	if (res->rc < 0)
		return av_err_maybe(err, res->rc, "'%s' %s", program,
		    res->rc == -ETIMEDOUT ? "took too long" : "was killed");
	if (is_unfinished(res))
		return av_err_maybe(err, -ETIMEDOUT, "'%s' took too long",
		    program);
	if (strstr(t, "Need access to UpToDate data") != NULL)
		return av_err_code(err, -EPERM, "not-up-to-date", "%s", t);
	if (strcasestr(t, "insufficient free space") != NULL)
		return av_err_code(err, -ENOSPC, "no-space", "%s", t);
	if (strstr(t, "generic netlink family") != NULL ||
	    strstr(t, "modprobe") != NULL)
		return av_err_code(err, -ENODEV, "no-module",
		    "this PM's kernel has no DRBD module: %s", t);
	if (strstr(t, "held open by") != NULL)
		return av_err_code(err, -EBUSY, "volume-in-use", "%s", t);
	if (strstr(t, "State change failed") != NULL)
		return av_err_code(err, -EPERM, "wrong-state", "%s", t);
	return av_err_code(err, -EIO, "tool-failed", "'%s' exited with %d: %s",
	    program, res->exit_code, t);
}

static void
own_job_failed(struct drbd *d, const char *words, const struct av_err *err)
{
	if (d->bringing_up) {
		drbd_go_down(d, err->code[0] != '\0' ? err->code : "server-down",
		    err->text);
		return;
	}
	/* A promotion that DRBD refuses, as while the peer changes its own state:
	 * the order stands and has been answered, so it is tried again. */
	if (words == drbd_plan_promote[0].words) {
		(void)snprintf(d->promote_text, sizeof(d->promote_text), "%s",
		    err->text);
		d->promote_ns = av_clock_ns() + PROMOTE_NS;
		d->repromote = sd_event_source_disable_unref(d->repromote);
		(void)sd_event_add_time(d->loop, &d->repromote,
		    CLOCK_MONOTONIC, d->promote_ns / AV_NS_PER_US + 1000,
		    1000, on_grace, d);
	}
}

static void
on_cmd(struct drbd_cmd *cmd, const struct drbd_result *res, void *arg)
{
	struct drbd *d = arg;
	struct drbd_job *job = d->jobs;
	struct av_err err = { 0 };
	bool own;
	const char *words;

	AV_ASSERT(cmd == d->cmd);
	d->cmd = NULL;
	drbd_wake(d);
	if (job == NULL)
		return;
	words = job->at->words;
	if (is_up_but_alone(d, res)) {
		job->n_connections = UINT_MAX;	/* not waited for */
		job->at++;
		return;
	}
	if (res->rc == 0 && res->exit_code == 0) {
		if (job->at->said == NULL ||
		    job->at->said(d, res->out, &err) == 0) {
			job->at++;
			return;
		}
	} else {
		(void)refusal(res, words, &err);
	}
	own = job->op == NULL;
	if (job->o.verb == MIRROR_V_PRIMARY)
		d->want_primary = false;
	d->stopping = false;
	if (own && job->o.verb == MIRROR_N_VERBS) {
		job_unlink(d, job);
		free(job);
		own_job_failed(d, words, &err);
		return;
	}
	drbd_status_map(d);
	tell(d);
	job_end(d, job, err.rc, &err);
}

/* true = one step further. */
static bool
job_step(struct drbd *d, struct drbd_job *job)
{
	const struct drbd_step *s = job->at;
	struct av_err err = { 0 };
	struct drbd_argv a;
	int rc = 0;

	if (s->kind != DRBD_STEP_END && s->need != NULL &&
	    !s->need(d, job)) {
		job->at++;
		return true;
	}
	switch (s->kind) {
	case DRBD_STEP_END:
		drbd_status_map(d);
		tell(d);
		job_end(d, job, 0, &err);
		return true;
	case DRBD_STEP_WAIT:
		return false;
	case DRBD_STEP_CALL:
		rc = s->call(d, job, &err);
		break;
	case DRBD_STEP_RUN:
		drbd_step_argv(d, job, s, &a);
		rc = drbd_cmd_start(d->loop, d->rec.tools_path, &a,
		    av_clock_ns() + av_scaled_ns(d->c.time_scale, CMD_LIMIT_NS), NULL, on_cmd, d, &d->cmd,
		    &err);
		if (rc == 0)
			return false;
		break;
	}
	if (rc == 0) {
		job->at++;
		return true;
	}
	if (job->o.verb == MIRROR_N_VERBS && d->bringing_up) {
		drbd_go_down(d, err.code, err.text);
		return false;
	}
	job_end(d, job, rc, &err);
	return true;
}

static void
jobs_run(struct drbd *d)
{
	while (d->jobs != NULL && d->cmd == NULL)
		if (!job_step(d, d->jobs))
			return;
}

static int
on_deadline(sd_event_source *es, uint64_t usec, void *arg)
{
	struct mirror_op *op = arg;
	struct drbd *d = container_of(op->m, struct drbd, m);
	struct drbd_job *job;
	struct av_err err = { 0 };

	(void)es;
	(void)usec;
	for (job = d->jobs; job != NULL && job->op != op; job = job->next)
		;
	if (job == NULL)
		return 0;
	(void)av_err_maybe(&err, -ETIMEDOUT, "DRBD didn't do it in time");
	if (job == d->jobs) {	/* its command may run on: it is let go */
		d->cmd = drbd_cmd_orphan(d->cmd);
		d->stopping = false;
	}
	job_end(d, job, -ETIMEDOUT, &err);
	return 0;
}

/* --- one turn --- */

/* What isn't there is brought up; once a start. */
static void
bring_up(struct drbd *d)
{
	if (d->up_tried)
		return;
	d->up_tried = d->bringing_up = true;
	if (job_add(d, NULL, NULL, drbd_plan_up) == NULL)
		drbd_go_down(d, "server-down", "no memory");
}

static void
came_up(struct drbd *d)
{
	d->st.server = MIRROR_SERVER_UP;
	d->st.found = !d->up_tried;
	d->gi_due = d->snap_due = true;
	/* a fresh one connects by itself */
	d->st.wants_connect = !d->st.found || !d->rec.disconnected;
	d->rec.disconnected = !d->st.wants_connect;
	if (d->rec.alone && d->ev.now.role != DRBD_ROLE_PRIMARY) {
		d->rec.alone = false;
		record_save(d);
	}
}

static void
look_at_server(struct drbd *d)
{
	const struct drbd_model *m = &d->ev.now;

	if (d->st.server == MIRROR_SERVER_STARTING) {
		if (d->bringing_up)
			return;
		if (d->ev.whole && m->resource && m->device)
			came_up(d);
		else if (d->ev.whole || (d->events == NULL &&
		    d->restarts > 0))
			bring_up(d);
	} else if (d->st.server == MIRROR_SERVER_UP && d->ev.whole &&
	    !m->resource) {
		drbd_go_down(d, d->stopping ? "stopped" : "server-down",
		    d->stopping ? "stopped by order" :
		    "DRBD's resource has gone");
	}
}

/*
 * The module ends a connection for good when it doesn't like the peer's words: a
 * split, which it says by a handler, or what may change: another setting while a
 * window is opened, a key that is being replaced.
 */
static void
look_at_link(struct drbd *d)
{
	const struct drbd_model *m = &d->ev.now;

	if (!m->connection)
		d->st.window = false;
	/* whoever is alone with an open window would be refused by its peer */
	if (d->st.window && d->jobs == NULL && m->connection &&
	    m->cstate != DRBD_C_CONNECTED)
		(void)job_add(d, NULL, NULL, drbd_plan_shut);
	if ((m->connection && m->cstate != DRBD_C_STANDALONE) ||
	    !d->st.wants_connect || m->split_brain || d->jobs != NULL)
		return;
	if (av_clock_ns() >= d->reconnect_ns) {
		d->reconnect_ns = av_clock_ns() + RECONNECT_NS;
		(void)job_add(d, NULL, NULL, drbd_plan_reconnect);
	}
	d->relink = sd_event_source_disable_unref(d->relink);
	(void)sd_event_add_time(d->loop, &d->relink, CLOCK_MONOTONIC,
	    d->reconnect_ns / AV_NS_PER_US + 1000, 1000, on_grace, d);
}

/* Ordered when the peer wasn't there.  A source serves while it copies. */
static void
promote_later(struct drbd *d)
{
	const struct drbd_model *m = &d->ev.now;
	bool ready = m->disk == DRBD_D_UPTODATE &&
	    (m->repl == DRBD_R_SOURCE || (m->repl == DRBD_R_ESTABLISHED &&
	    m->peer_disk == DRBD_D_UPTODATE));

	if (d->want_primary && m->role != DRBD_ROLE_PRIMARY && ready &&
	    drbd_may_be_second(d) && d->jobs == NULL && av_clock_ns() >= d->promote_ns)
		(void)job_add(d, NULL, NULL, drbd_plan_promote);
}

/* Both legs in step: what 'alone' recorded is over. */
static void
look_at_peer(struct drbd *d)
{
	const struct drbd_model *m = &d->ev.now;

	/* A promotion without the right to it: the module waits for the answer,
	 * and refuses all other commands meanwhile. */
	if (m->role == DRBD_ROLE_SECONDARY && !d->go_alone && d->ev.whole &&
	    drbd_fence_waiting(d->fence) > 0)
		(void)drbd_fence_answer(d->fence, "refused");
	if (!drbd_is_connected(d))
		return;
	if (drbd_fence_waiting(d->fence) > 0)	/* the peer is back */
		(void)drbd_fence_answer(d->fence, "refused");
	if (m->repl == DRBD_R_ESTABLISHED && m->disk == DRBD_D_UPTODATE &&
	    m->peer_disk == DRBD_D_UPTODATE && !d->go_alone &&
	    (d->rec.alone || d->rec.peer_outdated)) {
		d->rec.alone = d->rec.peer_outdated = false;
		record_save(d);
		d->gi_due = true;
	}
	promote_later(d);
}

static void
turn(struct drbd *d)
{
	enum mirror_conn before = d->st.conn;
	enum mirror_role role = d->st.role;

	if (d->ev.whole)
		d->restarts = 0;
	look_at_server(d);
	if (d->st.server == MIRROR_SERVER_DOWN)
		return;
	if (d->st.server == MIRROR_SERVER_UP) {
		if (d->ev.now.role == DRBD_ROLE_PRIMARY)
			d->want_primary = false;
		look_at_link(d);
		look_at_peer(d);
		drbd_follow_size(d);
		if (drbd_status_map(d) || d->st.conn != before ||
		    d->st.role != role)
			d->gi_due = true;
		drbd_poll_resync(d);
		tell(d);
	}
	jobs_run(d);
	drbd_query_start(d);
	if (d->st.server != MIRROR_SERVER_DOWN && (d->ev.lost ||
	    d->events == NULL))
		drbd_events_again(d);
}

static void
begin(struct drbd *d)
{
	struct av_err err = { 0 };
	int rc = drbd_record_read(d->c.dir, d->c.id, &d->rec, &err);

	if (rc == 0 && strcmp(d->rec.volume_uuid, d->c.volume_uuid) != 0)
		rc = av_err_code(&err, -EINVAL, "metadata-other-volume",
		    "leg '%s' is another volume's", d->c.id);
	if (rc == 0 && mkdir(d->c.run_dir, 0700) < 0 && errno != EEXIST)
		rc = av_err_set(&err, -errno, "'%s': %s", d->c.run_dir,
		    strerror(errno));
	if (rc == 0)
		rc = drbd_conf_write(&d->c, &d->rec, &err);
	if (rc == 0)
		rc = drbd_events_start(d, &err);
	if (rc < 0)
		drbd_go_down(d, err.code[0] != '\0' ? err.code : "server-down",
		    err.text);
}

static void
asked(void *arg)
{
	struct drbd *d = arg;

	/* The unit's right to run alone is recorded: the peer's leg is old.
	 * Else it waits, and the guest's writes with it, for an order. */
	if (d->go_alone || (d->rec.alone &&
	    d->ev.now.role == DRBD_ROLE_PRIMARY))
		(void)drbd_fence_answer(d->fence, "outdated");
	drbd_wake(d);
}

static int
on_wake(sd_event_source *es, void *arg)
{
	struct drbd *d = arg;
	struct av_err err = { 0 };

	(void)es;
	if (d->st.server == MIRROR_SERVER_DOWN)
		return 0;
	if (d->fence == NULL) {	/* the first turn of a start */
		begin(d);
		if (d->st.server == MIRROR_SERVER_DOWN)
			return 0;
		if (drbd_fence_open(d->loop, d->c.fence_path, d->c.res, asked,
		    d, &d->fence, &err) < 0)
			drbd_go_down(d, "server-down", err.text);
		return 0;
	}
	turn(d);
	return 0;
}

/* --- digest --- */

static void
on_digests(int rc, uint32_t *digests, size_t n, void *arg)
{
	struct drbd *d = arg;

	d->digest_rc = rc;
	free(d->digests);
	d->digests = digests;
	d->n_digests = n;
	drbd_wake(d);
}

bool
drbd_start_digest(struct drbd *d, const struct drbd_job *job,
    struct av_err *err)
{
	uint64_t size = d->rec.size_bytes, offset = job->o.offset;
	uint64_t length = job->o.length;
	char path[MIRROR_PATH_MAX * 2];

	if (offset > size || length > size - offset ||
	    (length == 0 ? size - offset : length) > 1ull << 40) {
		(void)av_err_code(err, -EINVAL, "bad-request",
		    "the range is outside of the volume or too large");
		return false;
	}
	if (length == 0)
		length = size - offset;
	if (drbd_lv_path(&d->rec, d->c.id, path, sizeof(path)) < 0) {
		(void)av_err_set(err, -ENAMETOOLONG, "path too long");
		return false;
	}
	d->digest_rc = 1;	/* under way */
	return drbd_digest_start(d->loop, path, offset, length, on_digests,
	    d, &d->digest, err) == 0;
}

/* --- the interface --- */

static int
drbd_order(struct mirror *m, struct mirror_op *op,
    const struct mirror_order *o, struct av_err *err)
{
	struct drbd *d = container_of(m, struct drbd, m);
	const struct drbd_step *plan = drbd_plan(o);
	uint64_t due;
	int rc;

	if (d->st.server != MIRROR_SERVER_UP || d->stopping)
		return av_err_code(err, -ENOTCONN, "server-down",
		    "DRBD's resource isn't up");
	if (op == NULL)
		return 0;	/* alive: the kernel knows no lease */
	if (o->gen > INT64_MAX || o->offset > INT64_MAX ||
	    o->length > INT64_MAX || o->rate_kib_s > INT64_MAX)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a number is too large");
	due = op->deadline_ns != 0 ? op->deadline_ns :
	    av_clock_ns() + av_scaled_ns(d->c.time_scale, OP_DEFAULT_NS);
	rc = sd_event_add_time(d->loop, &op->timer, CLOCK_MONOTONIC,
	    due / AV_NS_PER_US, 1000, on_deadline, op);
	if (rc < 0)
		return av_err_set(err, rc, "no timer");
	if (job_add(d, op, o, plan) == NULL) {
		op->timer = sd_event_source_disable_unref(op->timer);
		return av_err_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

static void
drbd_close(struct mirror *m)
{
	struct drbd *d = container_of(m, struct drbd, m);

	d->changed = NULL;
	jobs_end(d, -ECANCELED, "", "cancelled");
	let_go(d);
	d->zero = drbd_zero_let_go(d->zero);
	d->wake = sd_event_source_disable_unref(d->wake);
	sd_event_unref(d->loop);
	free(d->digests);
	free(d);
}

static int
drbd_open(const struct mirror_conf *conf, sd_event *loop,
    mirror_changed_fn changed, void *arg, struct mirror **ret_m,
    struct av_err *err)
{
	struct drbd *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	d->changed = changed;
	d->arg = arg;
	d->st.peer_seen_ms = UINT64_MAX;
	d->st.wants_connect = true;
	rc = drbd_conf_copy(&d->c, conf, err);
	if (rc == 0) {
		rc = sd_event_add_defer(loop, &d->wake, on_wake, d);
		if (rc < 0)
			(void)av_err_set(err, rc, "no event source");
	}
	if (rc < 0) {
		free(d);
		return rc;
	}
	d->loop = sd_event_ref(loop);
	/* its minor is needed for the path; a missing leg is told by DOWN */
	if (drbd_record_read(conf->dir, conf->id, &d->rec, NULL) == 0)
		(void)snprintf(d->c.front_path, sizeof(d->c.front_path),
		    "/dev/drbd%u", d->rec.minor);
	*ret_m = &d->m;
	return 0;
}

static int
drbd_start(struct mirror *m, struct av_err *err)
{
	struct drbd *d = container_of(m, struct drbd, m);

	if (d->st.server != MIRROR_SERVER_DOWN)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "DRBD's resource isn't down");
	d->st.server = MIRROR_SERVER_STARTING;
	d->st.error_code[0] = d->st.error_text[0] = '\0';
	d->st.wants_connect = true;
	d->restarts = 0;
	drbd_wake(d);
	return 0;
}

static const struct mirror_status *
drbd_status_peek(const struct mirror *m)
{
	return &((const struct drbd *)(const void *)m)->st;
}

static const char *
drbd_front_path(const struct mirror *m)
{
	return ((const struct drbd *)(const void *)m)->c.front_path;
}

const struct mirror_ops mirror_drbd_ops = {
	.name = "drbd",
	.leg_slow = true,
	.window = true,
	.leg_create = drbd_leg_create,
	.leg_delete = drbd_leg_delete,
	.leg_read = drbd_leg_read,
	.open = drbd_open,
	.close = drbd_close,
	.start = drbd_start,
	.order = drbd_order,
	.status_peek = drbd_status_peek,
	.front_path = drbd_front_path,
	.leg_snapshot = drbd_leg_snapshot,
	.leg_snapshot_delete = drbd_leg_snapshot_delete,
};
