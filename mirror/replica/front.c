/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/front.c - the guest's requests
 *
 * A write is acknowledged when both legs have it, or this one after 'alone' was
 * recorded.  When the peer is lost in the middle, the request starts again from
 * the decision; until there is one it waits here, on its caller's thread.
 *
 * The usual request needs nobody to wait: front_write_start() and
 * front_read_now().  What they can't do at once is done by the others.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mirror/replica/server.h"

int
front_open(struct srv *s, struct front_client *fc)
{
	int rc = 0;

	memset(fc, 0, sizeof(*fc));
	pthread_mutex_lock(&s->mu);
	if (s->stopping) {
		rc = ESHUTDOWN;
	} else {
		s->n_front++;
		if (s->role == MIRROR_PRIMARY)
			fc->role_count = s->role_count;
		else
			fc->time = s->primary_times + 1;
		srv_changed(s);
	}
	pthread_mutex_unlock(&s->mu);
	return rc;
}

/* mu held.  As front_time(). */
static int
time_now(struct srv *s, struct front_client *fc)
{
	if (fc->role_count != 0)
		return 0;	/* whether it is over is said by refused() */
	if (fc->gone)
		return ECONNABORTED;
	if (s->stopping || s->primary_times > fc->time)
		return ESHUTDOWN;
	if (s->primary_times < fc->time)
		return EAGAIN;
	if (s->role != MIRROR_PRIMARY)
		return ESHUTDOWN;
	fc->role_count = s->role_count;
	return 0;
}

int
front_time(struct srv *s, struct front_client *fc, bool wait,
    uint64_t *ret_role_count)
{
	bool held = false;
	int rc;

	pthread_mutex_lock(&s->mu);
	while ((rc = time_now(s, fc)) == EAGAIN && wait) {
		if (!held) {
			held = true;
			s->n_held++;
			srv_changed(s);
		}
		pthread_cond_wait(&s->cv, &s->mu);
	}
	if (held) {
		s->n_held--;
		srv_changed(s);
	}
	*ret_role_count = fc->role_count;
	pthread_mutex_unlock(&s->mu);
	return rc;
}

void
front_gone(struct srv *s, struct front_client *fc)
{
	pthread_mutex_lock(&s->mu);
	fc->gone = true;
	pthread_cond_broadcast(&s->cv);
	pthread_mutex_unlock(&s->mu);
}

void
front_close(struct srv *s)
{
	pthread_mutex_lock(&s->mu);
	s->n_front--;
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
}

/* A connection of an earlier time as primary never writes again. */
static bool
refused(const struct srv *s, uint64_t role_count)
{
	return s->io_mode == IO_REFUSE || s->role_count != role_count ||
	    s->stopping;
}

/* What the mode says now: 0, ESHUTDOWN, or EAGAIN = it has to wait. */
static int
mode_now(struct srv *s, uint64_t role_count, bool read)
{
	bool wait = read ? diskless_read_from(s) == READ_WAIT :
	    s->io_mode == IO_HOLD || !lease_ok(s) || hold_waits(s);

	return refused(s, role_count) ? ESHUTDOWN : wait ? EAGAIN : 0;
}

/* Waits while requests are held.  0 or ESHUTDOWN. */
static int
wait_for_mode(struct srv *s, uint64_t role_count, bool read)
{
	bool held = false;
	int rc;

	while ((rc = mode_now(s, role_count, read)) == EAGAIN) {
		if (!held) {
			held = true;
			s->n_held++;
			srv_changed(s);
		}
		if (s->hold.waiting && s->io_mode != IO_HOLD)
			hold_wait(s);
		else
			pthread_cond_wait(&s->cv, &s->mu);
	}
	if (held) {
		s->n_held--;
		srv_changed(s);
	}
	return rc;
}

static void
active(struct srv *s, int step)
{
	s->n_active += (uint64_t)(int64_t)step;
	s->last_guest_ns = av_clock_ns();
	/* only orders wait for that */
	if (s->n_active == 0 && s->io_mode == IO_REFUSE)
		pthread_cond_broadcast(&s->cv);
}

/* Writes and flushes under way; growing and holds wait for their end. */
static void
writing(struct srv *s, int step)
{
	s->n_writing += (uint64_t)(int64_t)step;
	if (s->n_writing == 0 && (s->io_mode == IO_HOLD || s->hold.waiting))
		pthread_cond_broadcast(&s->cv);
}

/* Whoever waits for the range looks again. */
static void
leave(struct srv *s, struct range *r)
{
	range_leave(&s->ranges, r);
	if (range_touched(&s->ranges, r->start, r->end))
		pthread_cond_broadcast(&s->cv);
}

/* mu held, dropped meanwhile */
static int
local_write(struct srv *s, const struct link_job *j)
{
	int fd = s->leg->data_fd, rc;
	bool sparse = s->leg->sb.flags & META_SPARSE;
	struct disk_op d;

	disk_begin(s, &d);
	pthread_mutex_unlock(&s->mu);
	rc = j->kind == LINK_TRIM ? leg_trim(fd, sparse, j->offset, j->n) :
	    j->kind == LINK_ZERO ? leg_zero(fd, j->offset, j->n) :
	    leg_pwrite_all(fd, j->wbuf, j->n, j->offset);
	if (rc == 0 && j->fua)
		rc = srv_data_sync(s);
	pthread_mutex_lock(&s->mu);
	disk_end(s, &d);
	return -rc;
}

/* mu held, range active.  EAGAIN = a leg failed: decide again. */
static int
write_once(struct srv *s, const struct link_job *what)
{
	struct link_job j = *what;
	bool both = s->io_mode == IO_BOTH;
	uint64_t count = s->link_count, offset = j.offset;
	uint32_t n = j.n;
	int local, remote = 0;

	if (s->io_mode == IO_PEER)
		return diskless_write(s, &j);
	if (intent_mark(s, offset, n, !both) < 0)
		return diskless_hold(s, EIO, "the bitmap couldn't be "
		    "written") ? EAGAIN : EIO;
	/* Marking may have waited: only a decision that still holds counts. */
	if (both ? (s->io_mode != IO_BOTH || s->link_count != count) :
	    s->io_mode != IO_ALONE)
		return EAGAIN;
	if (both) {
		(void)link_submit(s, count, &j);
		pthread_mutex_unlock(&s->mu);
		link_push(s);
		pthread_mutex_lock(&s->mu);
	}
	local = local_write(s, &j);
	if (both)
		remote = link_wait(s, &j);
	if (local != 0 || remote != 0)
		intent_oos(s, offset, n);
	if (local != 0)
		return diskless_hold(s, local, "a write") ? EAGAIN : EIO;
	/* Given up meanwhile: it counts only once the peer has it durably. */
	return remote != 0 || (both && s->detached) ? EAGAIN : 0;
}

/* All is done, but may it be said?  If not it is done again later, under the
 * same lock. */
static int
may_ack(const struct srv *s, int rc)
{
	return rc == 0 && !lease_ok(s) ? EAGAIN : rc;
}

static int
change(struct srv *s, uint64_t role_count, const struct link_job *what)
{
	uint32_t n = what->n;
	struct range r = { .start = what->offset, .end = what->offset + n };
	int rc;

	if (n == 0)
		return 0;
	pthread_mutex_lock(&s->mu);
	active(s, 1);
	range_enter(&s->ranges, &r);
	while (!range_active(&s->ranges, &r))
		pthread_cond_wait(&s->cv, &s->mu);
	do {
		rc = wait_for_mode(s, role_count, false);
		writing(s, 1);
		if (rc == 0)
			rc = may_ack(s, write_once(s, what));
		writing(s, -1);
	} while (rc == EAGAIN);
	leave(s, &r);
	if (rc == 0) {
		s->written_bytes += n;
		s->write_requests++;
	}
	active(s, -1);
	pthread_mutex_unlock(&s->mu);
	return rc;
}

/* --- a write that nobody waits for --- */

/* mu held.  One of its two parts is over; the last one ends it. */
static bool
part_over(struct front_op *op, int *ret_rc)
{
	struct srv *s = op->s;

	if (--op->parts > 0)
		return false;
	if (op->local != 0 || op->job.rc != 0)
		intent_oos(s, op->offset, op->n);
	if (op->local != 0)
		*ret_rc = diskless_hold(s, op->local, "a write") ? EAGAIN : EIO;
	else		/* as write_once() */
		*ret_rc = op->job.rc != 0 || s->detached ? EAGAIN :
		    may_ack(s, 0);
	if (*ret_rc == 0) {
		s->written_bytes += op->n;
		s->write_requests++;
	}
	leave(s, &op->range);
	writing(s, -1);
	active(s, -1);
	return true;
}

static void
peer_part_over(struct link_job *j, bool more)
{
	struct front_op *op = container_of(j, struct front_op, job);
	struct srv *s = op->s;
	bool last;
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	last = part_over(op, &rc);
	pthread_mutex_unlock(&s->mu);
	if (last)
		op->over(op, rc, more);
}

/* mu held: range entered, handed to the link.  All or nothing. */
static bool
write_begin(struct srv *s, struct front_op *op)
{
	if (mode_now(s, op->role_count, false) != 0 ||
	    s->io_mode != IO_BOTH ||
	    range_touched(&s->ranges, op->range.start, op->range.end) ||
	    !intent_is_marked(s, op->offset, op->n) ||
	    !link_submit(s, s->link_count, &op->job))
		return false;
	range_enter(&s->ranges, &op->range);
	active(s, 1);
	writing(s, 1);
	return true;
}

bool
front_write_start(struct srv *s, struct front_op *op)
{
	bool begun, last;
	int rc = 0;

	op->s = s;
	op->parts = 2;
	op->local = 0;
	op->range = (struct range){ .start = op->offset,
		.end = op->offset + op->n };
	op->job = (struct link_job){ .kind = LINK_WRITE, .wbuf = op->buf,
		.n = op->n, .offset = op->offset, .done_fn = peer_part_over,
		.group = op->group };
	pthread_mutex_lock(&s->mu);
	begun = op->n > 0 && write_begin(s, op);
	if (!begun) {
		pthread_mutex_unlock(&s->mu);
		return false;
	}
	if (!op->push_later) {
		pthread_mutex_unlock(&s->mu);
		link_push(s);
		pthread_mutex_lock(&s->mu);
	}
	op->local = local_write(s, &op->job);
	last = part_over(op, &rc);
	pthread_mutex_unlock(&s->mu);
	if (last)
		op->over(op, rc, false);
	return true;
}

int
front_read_now(struct srv *s, uint64_t role_count, void *buf, uint32_t n,
    uint64_t offset)
{
	struct iovec v = { buf, n };
	ssize_t r;
	int rc;

	pthread_mutex_lock(&s->mu);
	rc = mode_now(s, role_count, true);
	if (rc == 0 && diskless_read_from(s) != READ_HERE)
		rc = EAGAIN;
	if (rc == 0)
		active(s, 1);
	pthread_mutex_unlock(&s->mu);
	if (rc != 0)
		return rc;
	r = preadv2(s->leg->data_fd, &v, 1, (off_t)offset, RWF_NOWAIT);
	pthread_mutex_lock(&s->mu);
	/* not in memory, or as read_once(); errors show again */
	rc = r != (ssize_t)n || s->detached ? EAGAIN : may_ack(s, 0);
	if (rc == 0) {
		s->read_bytes += n;
		s->read_requests++;
	}
	active(s, -1);
	pthread_mutex_unlock(&s->mu);
	return rc;
}

int
front_write(struct srv *s, uint64_t role_count, const void *buf, uint32_t n,
    uint64_t offset, bool fua)
{
	const struct link_job j = {
		.kind = buf == NULL ? LINK_ZERO : LINK_WRITE,
		.wbuf = buf, .n = n, .offset = offset, .fua = fua,
	};

	return change(s, role_count, &j);
}

int
front_trim(struct srv *s, uint64_t role_count, uint32_t n, uint64_t offset,
    bool fua)
{
	const struct link_job j = { .kind = LINK_TRIM, .n = n,
		.offset = offset, .fua = fua };

	return change(s, role_count, &j);
}

/* mu held, dropped meanwhile. */
static int
read_once(struct srv *s, void *buf, uint32_t n, uint64_t offset)
{
	struct disk_op d;
	int rc;

	if (diskless_read_from(s) == READ_PEER)
		return readrepair_peer(s, buf, n, offset);
	disk_begin(s, &d);
	pthread_mutex_unlock(&s->mu);
	rc = -leg_pread_all(s->leg->data_fd, buf, n, offset);
	pthread_mutex_lock(&s->mu);
	disk_end(s, &d);
	if (rc == 0)
		/* after a failed flush what is read here may be old */
		return s->detached ? EAGAIN : 0;
	rc = readrepair(s, buf, n, offset);
	if (rc == EIO)
		(void)diskless_hold(s, EIO, "a read");
	return rc;
}

int
front_read(struct srv *s, uint64_t role_count, void *buf, uint32_t n,
    uint64_t offset)
{
	int rc;

	pthread_mutex_lock(&s->mu);
	active(s, 1);
	do {
		rc = wait_for_mode(s, role_count, true);
		if (rc == 0)
			rc = may_ack(s, read_once(s, buf, n, offset));
	} while (rc == EAGAIN);
	if (rc == 0) {
		s->read_bytes += n;
		s->read_requests++;
	}
	active(s, -1);
	pthread_mutex_unlock(&s->mu);
	return rc;
}

static int
flush_once(struct srv *s)
{
	struct link_job j = { .kind = LINK_FLUSH };
	bool both = s->io_mode == IO_BOTH;
	int local, remote = 0;
	struct disk_op d;

	if (s->io_mode == IO_PEER)
		return diskless_write(s, &j);
	if (both)
		(void)link_submit(s, s->link_count, &j);
	disk_begin(s, &d);
	pthread_mutex_unlock(&s->mu);
	if (both)
		link_push(s);
	local = -srv_data_sync(s);
	pthread_mutex_lock(&s->mu);
	disk_end(s, &d);
	if (both)
		remote = link_wait(s, &j);
	if (local != 0)
		return diskless_hold(s, local, "a flush") ? EAGAIN : EIO;
	return remote != 0 || (both && s->detached) ? EAGAIN : 0;
}

int
front_flush(struct srv *s, uint64_t role_count)
{
	int rc;

	pthread_mutex_lock(&s->mu);
	active(s, 1);
	do {
		rc = wait_for_mode(s, role_count, false);
		writing(s, 1);
		if (rc == 0)
			rc = may_ack(s, flush_once(s));
		writing(s, -1);
	} while (rc == EAGAIN);
	active(s, -1);
	pthread_cond_broadcast(&s->cv);	/* a hold counts flushes, too */
	pthread_mutex_unlock(&s->mu);
	return rc;
}
