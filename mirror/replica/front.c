/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/front.c - the guest's requests
 *
 * A write is acknowledged when both legs have it, or this one after 'alone' was
 * recorded.  When the peer is lost in the middle, the request starts again from
 * the decision; until there is one it waits here, on nbdkit's thread.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "mirror/replica/server.h"

int
front_open(struct srv *s, uint64_t *ret_role_count)
{
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	if (s->role != MIRROR_PRIMARY || s->stopping) {
		rc = ESHUTDOWN;
	} else {
		s->n_front++;
		*ret_role_count = s->role_count;
		srv_changed(s);
	}
	pthread_mutex_unlock(&s->mu);
	return rc;
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

/* Waits while requests are held.  0 or ESHUTDOWN. */
static int
wait_for_mode(struct srv *s, uint64_t role_count, bool read)
{
	bool held = false;

	while (!refused(s, role_count) && ((s->io_mode == IO_HOLD &&
	    !(read && s->reads_ok)) || (!read && hold_waits(s)))) {
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
	return refused(s, role_count) ? ESHUTDOWN : 0;
}

static void
active(struct srv *s, int step)
{
	s->n_active += (uint64_t)(int64_t)step;
	s->last_guest_ns = av_clock_ns();
	if (s->n_active == 0)
		pthread_cond_broadcast(&s->cv);
}

static int
local_write(struct srv *s, const void *buf, uint32_t n, uint64_t offset,
    bool fua)
{
	int rc = buf == NULL ? leg_zero(s->leg->data_fd, offset, n) :
	    leg_pwrite_all(s->leg->data_fd, buf, n, offset);

	if (rc == 0 && fua)
		rc = srv_data_sync(s);
	return -rc;
}

static void
disk_error(struct srv *s)
{
	s->disk_failed = true;
	srv_why(s, "disk-error", "this PM's disk failed a request");
}

/* mu held, range active.  EAGAIN = the peer went away: decide again. */
static int
write_once(struct srv *s, const void *buf, uint32_t n, uint64_t offset,
    bool fua)
{
	struct link_job j = {
		.kind = buf == NULL ? LINK_ZERO : LINK_WRITE,
		.wbuf = buf, .n = n, .offset = offset, .fua = fua,
	};
	bool both = s->io_mode == IO_BOTH;
	uint64_t count = s->link_count;
	int local, remote = 0;

	if (intent_mark(s, offset, n, !both) < 0) {
		disk_error(s);
		return EIO;
	}
	/* Marking may have waited: only a decision that still holds counts. */
	if (both ? (s->io_mode != IO_BOTH || s->link_count != count) :
	    s->io_mode != IO_ALONE)
		return EAGAIN;
	if (both)
		link_submit(s, count, &j);
	pthread_mutex_unlock(&s->mu);
	local = local_write(s, buf, n, offset, fua);
	pthread_mutex_lock(&s->mu);
	if (both)
		remote = link_wait(s, &j);
	if (local != 0 || remote != 0)
		intent_oos(s, offset, n);
	if (local != 0) {
		disk_error(s);
		return EIO;
	}
	return remote != 0 ? EAGAIN : 0;
}

int
front_write(struct srv *s, uint64_t role_count, const void *buf, uint32_t n,
    uint64_t offset, bool fua)
{
	struct range r = { .start = offset, .end = offset + n };
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
		s->n_writing++;
		if (rc == 0)
			rc = write_once(s, buf, n, offset, fua);
		s->n_writing--;
	} while (rc == EAGAIN);
	range_leave(&s->ranges, &r);
	if (rc == 0) {
		s->written_bytes += n;
		s->write_requests++;
	}
	active(s, -1);
	pthread_cond_broadcast(&s->cv);
	pthread_mutex_unlock(&s->mu);
	return rc;
}

int
front_read(struct srv *s, uint64_t role_count, void *buf, uint32_t n,
    uint64_t offset)
{
	int rc;

	pthread_mutex_lock(&s->mu);
	active(s, 1);
	rc = wait_for_mode(s, role_count, true);
	pthread_mutex_unlock(&s->mu);
	if (rc == 0)
		rc = -leg_pread_all(s->leg->data_fd, buf, n, offset);
	pthread_mutex_lock(&s->mu);
	if (rc == 0) {
		s->read_bytes += n;
		s->read_requests++;
	} else if (rc != ESHUTDOWN) {
		disk_error(s);
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

	if (both)
		link_submit(s, s->link_count, &j);
	pthread_mutex_unlock(&s->mu);
	local = -srv_data_sync(s);
	pthread_mutex_lock(&s->mu);
	if (both)
		remote = link_wait(s, &j);
	if (local != 0) {
		disk_error(s);
		return EIO;
	}
	return remote != 0 ? EAGAIN : 0;
}

int
front_flush(struct srv *s, uint64_t role_count)
{
	int rc;

	pthread_mutex_lock(&s->mu);
	active(s, 1);
	do {
		rc = wait_for_mode(s, role_count, false);
		s->n_writing++;
		if (rc == 0)
			rc = flush_once(s);
		s->n_writing--;
	} while (rc == EAGAIN);
	active(s, -1);
	pthread_cond_broadcast(&s->cv);	/* a hold counts flushes, too */
	pthread_mutex_unlock(&s->mu);
	return rc;
}
