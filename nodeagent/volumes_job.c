/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/volumes_job.c - makes and removes a leg, in a worker where that is slow
 *
 *   idle --volume_job_start--> busy --its thread ends--> done() --> idle
 *
 * A leg of drbd is zeroed when it is made, which takes as long as its disk needs:
 * the loop, which feeds the watchdog, can't wait for that.  The thread has copies
 * of all that it needs.  A volume with a job isn't disposed of, but an agent that
 * ends doesn't wait: what was half made is made anew by the next one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "nodeagent/volumes_impl.h"

struct volume_job {
	struct volume	*v;		/* loop thread alone; NULL = let go */
	enum volume_job_kind kind;
	volume_job_fn	 done;
	int		 event_fd;
	sd_event_source	*source;
	/* of the thread, until it has written to event_fd */
	char		 driver[16], dir[256], id[MIRROR_ID_MAX];
	char		 unit_uuid[40], volume_uuid[40];
	char		 vg[128], handler[MIRROR_PATH_MAX];
	struct mirror_drbd_conf drbd;
	struct mirror_leg_spec spec;
	int		 rc;
	struct av_err	 err;
};

/* --- the work --- */

/* Made before a crash, or another's? */
static int
job_check_old(struct volume_job *job)
{
	struct mirror_leg_info info;
	char want[33];
	const char *at = job->volume_uuid;
	size_t n = 0;
	int rc = mirror_leg_read(job->driver, job->dir, job->id, &info,
	    NULL);

	for (; *at != '\0' && n < sizeof(want) - 1; at++)
		if (*at != '-')
			want[n++] = *at;
	want[n] = '\0';
	if (rc < 0)		/* the words of the refusal stand */
		return job->err.rc != 0 ? job->err.rc : -EEXIST;
	for (at = info.volume_uuid, n = 0; *at != '\0'; at++)
		if (*at != '-')
			info.volume_uuid[n++] = *at;
	info.volume_uuid[n] = '\0';
	return strcmp(info.volume_uuid, want) == 0 ? 0 :
	    av_err_code(&job->err, -EEXIST, "leg-exists",
	    "a leg of another volume is in the way");
}

static void
job_work(struct volume_job *job)
{
	if (job->kind != VOLUME_JOB_CREATE) {
		job->rc = mirror_leg_delete(job->driver, job->dir, job->id,
		    &job->err);
		if (job->rc == -ENOENT)
			job->rc = 0;
		if (job->rc < 0 || job->kind == VOLUME_JOB_DELETE)
			return;
	}
	job->rc = mirror_leg_create(job->driver, &job->spec, &job->err);
	if (job->rc == -EEXIST && job->kind == VOLUME_JOB_CREATE)
		job->rc = job_check_old(job);
}

static void
job_free(struct volume_job *job)
{
	job->source = sd_event_source_disable_unref(job->source);
	if (job->event_fd >= 0)
		(void)close(job->event_fd);
	free(job);
}

static void
job_end(struct volume_job *job)
{
	struct volume *v = job->v;

	v->job = NULL;
	job->done(v, job->rc, &job->err);
	job_free(job);
}

/* --- the thread: started -> over --- */

static void *
job_thread(void *arg)
{
	struct volume_job *job = arg;
	uint64_t one = 1;
	int fd = job->event_fd;

	job_work(job);
	(void)!write(fd, &one, sizeof(one));	/* can't be full */
	return NULL;
}

static int
job_over(sd_event_source *es, int fd, uint32_t revents, void *arg)
{
	struct volume_job *job = arg;
	struct volumes *vs = job->v->vs;
	char id[sizeof(job->v->row.id)];
	uint64_t n;

	(void)es;
	(void)revents;
	if (read(fd, &n, sizeof(n)) < 0)
		return 0;
	(void)snprintf(id, sizeof(id), "%s", job->v->row.id);
	job_end(job);
	vs->ops->changed(vs->ctx, id);
	return 0;
}

static int
job_spawn(struct volume_job *job, struct av_err *err)
{
	pthread_t thread;
	int r;

	job->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (job->event_fd < 0)
		return av_err_set(err, -errno, "eventfd: %s",
		    strerror(errno));
	r = sd_event_add_io(job->v->vs->event, &job->source, job->event_fd,
	    EPOLLIN, job_over, job);
	if (r < 0)
		return av_err_set(err, r, "no event source");
	r = pthread_create(&thread, NULL, job_thread, job);
	if (r != 0)
		return av_err_set(err, -r, "no thread: %s", strerror(r));
	(void)pthread_detach(thread);
	return 0;
}

/* --- the interface --- */

const struct mirror_drbd_conf *
volume_drbd_conf(const struct volume *v, struct mirror_drbd_conf *buf)
{
	const struct agent_conf *c = v->vs->conf;

	if (strcmp(c->driver_mirror, "drbd") != 0)
		return NULL;
	*buf = (struct mirror_drbd_conf){ .vg = c->drbd_vg,
	    .minor = VOLUME_DRBD_MINOR_BASE + v->row.port_index,
	    .unencrypted_ok = c->drbd_unencrypted_ok,
	    .handler_path = c->drbd_handler };
	return buf;
}

static void
job_fill(struct volume_job *job, uint64_t initial_current)
{
	const struct volume *v = job->v;
	const struct agent_conf *c = v->vs->conf;

	(void)snprintf(job->driver, sizeof(job->driver), "%s",
	    c->driver_mirror);
	(void)snprintf(job->dir, sizeof(job->dir), "%s", v->vs->dir);
	(void)snprintf(job->id, sizeof(job->id), "%s", volume_short_id(v));
	(void)snprintf(job->unit_uuid, sizeof(job->unit_uuid), "%s",
	    c->unit_uuid);
	(void)snprintf(job->volume_uuid, sizeof(job->volume_uuid), "%s",
	    v->row.uuid);
	job->spec = (struct mirror_leg_spec){ .dir = job->dir, .id = job->id,
	    .unit_uuid = job->unit_uuid, .volume_uuid = job->volume_uuid,
	    .size_bytes = v->row.size_bytes,
	    .initial_current = initial_current, .gen = v->vs->right.gen };
	if (volume_drbd_conf(v, &job->drbd) == NULL)
		return;
	(void)snprintf(job->vg, sizeof(job->vg), "%s", job->drbd.vg);
	job->drbd.vg = job->vg;
	job->drbd.handler_path = NULL;	/* a leg needs none */
	job->spec.drbd = &job->drbd;
}

void
volume_job_start(struct volume *v, enum volume_job_kind kind,
    uint64_t initial_current, volume_job_fn done)
{
	struct volume_job *job = calloc(1, sizeof(*job));
	struct av_err err = { 0 };
	int rc;

	if (job == NULL) {
		rc = av_err_set(&err, -ENOMEM, "no memory");
		done(v, rc, &err);
		return;
	}
	job->v = v;
	job->kind = kind;
	job->done = done;
	job->event_fd = -1;
	job_fill(job, initial_current);
	if (!mirror_leg_is_slow(job->driver)) {
		job_work(job);
		v->job = job;
		job_end(job);
		return;
	}
	rc = job_spawn(job, &err);
	if (rc < 0) {
		job_free(job);
		done(v, rc, &err);
		return;
	}
	v->job = job;
}

void
volume_job_let_go(struct volume *v)
{
	struct volume_job *job = v->job;

	if (job == NULL)
		return;
	/* The thread uses the job to its end, so it isn't freed: this happens
	 * once, when the agent ends. */
	job->source = sd_event_source_disable_unref(job->source);
	job->v = NULL;
	v->job = NULL;
}
