/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_grow.c - growing while the guest runs
 *
 *   secondary: lvextend --> zero what is new     (its share of the order)
 *   primary:   record --> lvextend --> zero what is new here --> resize, again and
 *              again until the peer's leg has room --> zero what DRBD's old
 *              metadata was, on both --> record
 *
 * DRBD agrees on the smaller of both legs, then copies what is new to the peer.
 * Metadata is at the end of the logical volume
 * and moves with it; where it was is data now.  The size that the owner sees is
 * the record's, which changes last: no guest uses any of it before.  A try that
 * was cut short is done again from 'grow_from'.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mirror/drbd.h"

#define AGAIN_NS	(2 * AV_NS_PER_S)

static bool
is_primary(const struct drbd *d)
{
	return d->ev.now.role == DRBD_ROLE_PRIMARY;
}

static bool
is_zeroing(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->zero != NULL;
}

static int
may_grow(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	uint64_t want = job->o.new_size_bytes;

	if (want % 4096 != 0 || want < d->rec.size_bytes)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a drbd volume grows in steps of 4 KiB and never shrinks");
	if (is_primary(d) && d->st.conn != MIRROR_CONNECTED)
		return av_err_code(err, -EPERM, "wrong-state",
		    "it grows when both legs are connected and in step");
	return 0;
}

static int
leg_end(const struct drbd *d, uint64_t *ret_bytes, struct av_err *err)
{
	char path[MIRROR_PATH_MAX * 2];
	AUTO_FD int fd = -1;
	off_t end;

	if (drbd_lv_path(&d->rec, d->c.id, path, sizeof(path)) < 0)
		return av_err_set(err, -ENAMETOOLONG, "path too long");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	if (end <= 0)
		return av_err_code(err, -errno, "disk-error",
		    "the size of '%s' can't be read: %s", path,
		    strerror(errno));
	*ret_bytes = (uint64_t)end;
	return 0;
}

/* What has to be done, before anything is. */
static int
look(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	job->lv_new_bytes = drbd_lv_bytes(job->o.new_size_bytes);
	return leg_end(d, &job->lv_bytes, err);
}

static bool
needs_room(const struct drbd *d, const struct drbd_job *job)
{
	(void)d;
	return job->lv_bytes < job->lv_new_bytes;
}

/* Durable before the logical volume has bytes that nobody has zeroed. */
static int
note_begin(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	struct drbd_record rec = d->rec;
	int rc;

	if (!is_primary(d) || rec.grow_from != 0 ||
	    job->o.new_size_bytes == rec.size_bytes)
		return 0;
	rec.grow_from = job->lv_bytes;
	rc = drbd_record_write(d->c.dir, d->c.id, &rec, err);
	if (rc == 0)
		d->rec = rec;
	return rc;
}

static void
on_zeroed(int rc, void *arg)
{
	struct drbd *d = arg;

	d->zero = drbd_zero_let_go(d->zero);
	d->zero_rc = rc;
	drbd_wake(d);
}

static int
zero(struct drbd *d, const char *path, uint64_t from, uint64_t to,
    struct av_err *err)
{
	d->zero_rc = 0;
	return from >= to ? 0 : drbd_zero_start(d->loop, path, from, to,
	    on_zeroed, d, &d->zero, err);
}

/*
 * To the very end: DRBD looks for its metadata there when the leg is attached the
 * next time, and mustn't find a former volume's.  So the secondary does it, too.
 */
static int
zero_new(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	char path[MIRROR_PATH_MAX * 2];
	uint64_t from = is_primary(d) ? d->rec.grow_from :
	    job->lv_bytes < job->lv_new_bytes ? job->lv_bytes : 0, end;
	int rc = leg_end(d, &end, err);

	if (rc < 0 || from == 0)
		return rc;
	if (drbd_lv_path(&d->rec, d->c.id, path, sizeof(path)) < 0)
		return av_err_set(err, -ENAMETOOLONG, "path too long");
	return zero(d, path, from, end, err);
}

static int
zero_result(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	return d->zero_rc < 0 ? av_err_code(err, d->zero_rc, "disk-error",
	    "what is new can't be zeroed: %s", strerror(-d->zero_rc)) : 0;
}

static int
note_room(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	struct drbd_record rec = d->rec;
	int rc;

	if (rec.room_bytes >= job->o.new_size_bytes)
		return 0;
	rec.room_bytes = job->o.new_size_bytes;
	rc = drbd_record_write(d->c.dir, d->c.id, &rec, err);
	if (rc == 0)
		d->rec = rec;
	return rc;
}

static bool
is_smaller(const struct drbd *d, const struct drbd_job *job)
{
	return is_primary(d) &&
	    d->ev.now.size_kib < job->o.new_size_bytes / 1024;
}

/* What an earlier try began; DRBD refuses a resize meanwhile. */
static bool
is_copying(const struct drbd *d, const struct drbd_job *job)
{
	return is_smaller(d, job) && drbd_is_sync(d->ev.now.repl);
}

static int
look_now(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	(void)err;
	d->snap_due = true;
	return 0;
}

static bool
is_looking(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->snap_due || d->query != NULL;
}

/* DRBD takes the order while the peer has no room, and stays as it is. */
static int
pause_a_little(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)err;
	if (!is_smaller(d, job))
		return 0;
	job->again_ns = av_clock_ns() + AGAIN_NS;
	drbd_wake_at(d, job->again_ns + AV_NS_PER_MS);
	return 0;
}

static bool
is_pausing(const struct drbd *d, const struct drbd_job *job)
{
	return is_smaller(d, job) && av_clock_ns() < job->again_ns;
}

static int
grown_or_again(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)err;
	if (is_smaller(d, job))
		job->at = drbd_plan_grow_again - 1;	/* one on: its first */
	return 0;
}

/* Where the metadata was: data since the resize, on both legs. */
static int
zero_old_metadata(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	uint64_t end = d->rec.grow_from < job->o.new_size_bytes ?
	    d->rec.grow_from : job->o.new_size_bytes;
	char path[MIRROR_PATH_MAX + 24];

	if (d->rec.grow_from == 0 || !is_primary(d))
		return 0;
	(void)snprintf(path, sizeof(path), "%s/drbd%u", d->rec.dev_dir,
	    d->rec.minor);
	return zero(d, path, d->rec.size_bytes, end, err);
}

static int
note_end(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	struct drbd_record rec = d->rec;
	int rc;

	if (!is_primary(d))
		return 0;
	rec.size_bytes = job->o.new_size_bytes;
	rec.grow_from = 0;
	rc = drbd_record_write(d->c.dir, d->c.id, &rec, err);
	if (rc < 0)
		return rc;
	d->rec = rec;
	d->gi_due = true;
	return drbd_conf_write(&d->c, &d->rec, err);
}

#define CALL(fn)	{ .kind = DRBD_STEP_CALL, .call = (fn) }
#define RUN_IF(fn, w)	{ .kind = DRBD_STEP_RUN, .need = (fn), .words = (w) }
#define WAIT_WHILE(fn)	{ .kind = DRBD_STEP_WAIT, .need = (fn) }
#define END		{ .kind = DRBD_STEP_END }

const struct drbd_step drbd_plan_grow[] = {
	CALL(may_grow),
	WAIT_WHILE(is_zeroing),		/* an earlier order's */
	CALL(look),
	CALL(note_begin),
	RUN_IF(needs_room, "lvextend --size %bb %l"),
	CALL(zero_new),
	WAIT_WHILE(is_zeroing),
	CALL(zero_result),
	CALL(note_room),
	WAIT_WHILE(is_copying),					/* _again */
	RUN_IF(is_smaller, "drbdsetup resize %m --size=%ns"),
	CALL(look_now),
	WAIT_WHILE(is_looking),
	CALL(pause_a_little),
	WAIT_WHILE(is_pausing),
	CALL(look_now),
	WAIT_WHILE(is_looking),
	CALL(grown_or_again),
	CALL(zero_old_metadata),
	WAIT_WHILE(is_zeroing),
	CALL(zero_result),
	CALL(note_end),
	END
};
const struct drbd_step *const drbd_plan_grow_again = &drbd_plan_grow[9];

void
drbd_follow_size(struct drbd *d)
{
	struct drbd_record rec = d->rec;
	uint64_t size = d->ev.now.size_kib << 10;

	if (size > rec.size_bytes && size > d->c.agreed_bytes) {
		d->c.agreed_bytes = size;
		(void)drbd_conf_write(&d->c, &d->rec, NULL);
	}
	/* a primary's own order does it, when what is new is zero */
	if (size <= rec.size_bytes || d->jobs != NULL || (rec.grow_from != 0 &&
	    d->ev.now.peer_role != DRBD_ROLE_PRIMARY))
		return;
	rec.size_bytes = size;
	rec.grow_from = 0;	/* begun here once, now the peer's business */
	if (drbd_record_write(d->c.dir, d->c.id, &rec, NULL) < 0)
		return;		/* the next turn tries again */
	d->rec = rec;
	(void)drbd_conf_write(&d->c, &d->rec, NULL);	/* also at each start */
}
