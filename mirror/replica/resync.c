/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/resync.c - copies out-of-step chunks to the peer
 *
 * One run of neighbouring chunks at a time, under the range lock, so a guest's
 * write comes wholly before or after.  Gives way while the guest is busy.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "mirror/replica/server.h"

#define RUN_CHUNKS	16u
#define GUEST_BUSY_NS	(20 * AV_NS_PER_MS)
#define GIVE_WAY_NS	(10 * AV_NS_PER_MS)

static bool
going(const struct srv *s, uint64_t count)
{
	return s->resync_on && s->link_count == count && !s->link_drop;
}

static void
pause_until(struct srv *s, uint64_t due, uint64_t count)
{
	while (going(s, count) && srv_wait_until(s, due))
		;
}

static void
throttle(struct srv *s, uint64_t count)
{
	uint64_t now = av_clock_ns(), due = 0;

	if (now - s->last_guest_ns < GUEST_BUSY_NS)
		due = now + GIVE_WAY_NS;
	if (s->resync_rate_kib_s > 0) {
		uint64_t ms = s->resync_copied * (MIRROR_CHUNK_BYTES / 1024) *
		    1000 / s->resync_rate_kib_s;
		uint64_t at = s->resync_started_ns + ms * AV_NS_PER_MS;

		if (at > due)
			due = at;
	}
	if (due > now)
		pause_until(s, due, count);
}

/* mu held, range active. */
static int
copy_range(struct srv *s, uint64_t count, const struct range *r, uint8_t *buf)
{
	struct link_job j = { .kind = LINK_WRITE, .wbuf = buf,
		.n = (uint32_t)(r->end - r->start), .offset = r->start };
	int rc;

	pthread_mutex_unlock(&s->mu);
	rc = leg_pread_all(s->leg->data_fd, buf, j.n, j.offset);
	pthread_mutex_lock(&s->mu);
	if (rc < 0) {
		s->disk_failed = true;
		link_drop(s, "disk-error", "this PM's disk can't be read");
		return rc;
	}
	link_submit(s, count, &j);
	return -link_wait(s, &j);
}

static void
copy_run(struct srv *s, uint64_t count, size_t first, uint8_t *buf)
{
	size_t c, n = 1;
	struct range r = { .start = (uint64_t)first * MIRROR_CHUNK_BYTES };
	int rc = 0;

	while (n < RUN_CHUNKS && first + n < s->leg->n_chunks &&
	    bit_test(s->oos, first + n))
		n++;
	r.end = r.start + n * MIRROR_CHUNK_BYTES;
	if (r.end > s->leg->sb.size_bytes)
		r.end = s->leg->sb.size_bytes;
	range_enter(&s->ranges, &r);
	while (!range_active(&s->ranges, &r))
		pthread_cond_wait(&s->cv, &s->mu);
	if (going(s, count))
		rc = copy_range(s, count, &r, buf);
	if (rc == 0 && going(s, count)) {
		for (c = first; c < first + n; c++) {
			bit_clear(s->oos, c);
			bit_set(s->touched, c);
		}
		s->resync_copied += n;
		srv_changed(s);
	}
	range_leave(&s->ranges, &r);
	pthread_cond_broadcast(&s->cv);
}

/* --- all copied -> both flushed -> the peer recorded it -> we did --- */

static bool
finish_at_peer(struct srv *s, uint64_t count, struct av_err *err)
{
	struct proto_msg m = { .type = PROTO_SYNC_END }, reply;
	struct link_job j = { .kind = LINK_FLUSH };
	bool ok;

	pthread_mutex_lock(&s->mu);
	link_submit(s, count, &j);
	ok = link_wait(s, &j) == 0;
	srv_msg_fill(s, &m);
	pthread_mutex_unlock(&s->mu);
	return ok && link_talk(s, count, &m, &reply, err) == 0;
}

static void
finish_here(struct srv *s, uint64_t count)
{
	struct av_err err = { 0 };
	struct meta_sb sb;
	struct identity id;
	int rc;

	srv_sb(s, &sb);
	srv_sb_identity(s, &sb, &id);
	identity_source_finish(&id);
	srv_sb_set_identity(&sb, &id);
	sb.flags &= ~(uint32_t)(META_PEER_OUTDATED | META_CRASHED_PRIMARY);
	rc = srv_record(s, &sb, &err);
	pthread_mutex_lock(&s->mu);
	if (rc == 0 && going(s, count)) {
		s->resync_on = false;
		s->in_step = true;
		s->resync_finished_n++;
		s->primary_conn = MIRROR_CONNECTED;
		s->peer_disk = MIRROR_DISK_UPTODATE;
		srv_changed(s);
	}
	pthread_mutex_unlock(&s->mu);
}

/* mu held; dropped meanwhile. */
static void
finish(struct srv *s, uint64_t count)
{
	struct av_err err = { 0 };
	bool go;

	pthread_mutex_unlock(&s->mu);
	pthread_mutex_lock(&s->order_mu);
	pthread_mutex_lock(&s->mu);
	go = going(s, count) && bits_next(s->oos, s->leg->n_chunks, 0) ==
	    s->leg->n_chunks;
	pthread_mutex_unlock(&s->mu);
	if (go) {
		bool ok = srv_data_sync(s) == 0;

		if (ok && finish_at_peer(s, count, &err)) {
			finish_here(s, count);
		} else {
			pthread_mutex_lock(&s->mu);
			if (s->link_count == count)
				link_drop(s, ok ? "peer-lost" : "disk-error",
				    ok ? "the resync's end wasn't confirmed" :
				    "this PM's disk failed to flush");
			pthread_mutex_unlock(&s->mu);
		}
	}
	pthread_mutex_unlock(&s->order_mu);
	pthread_mutex_lock(&s->mu);
}

void *
resync_thread(void *arg)
{
	struct srv *s = arg;
	uint8_t *buf = malloc(RUN_CHUNKS * MIRROR_CHUNK_BYTES);
	size_t next = 0;

	AV_ASSERT(buf != NULL);
	pthread_mutex_lock(&s->mu);
	while (!s->stopping) {
		uint64_t count = s->link_count;

		if (!going(s, count) || count == 0) {
			pthread_cond_wait(&s->cv, &s->mu);
			next = 0;
			continue;
		}
		next = bits_next(s->oos, s->leg->n_chunks, next);
		if (next == s->leg->n_chunks)
			next = bits_next(s->oos, s->leg->n_chunks, 0);
		if (next == s->leg->n_chunks) {
			finish(s, count);
			next = 0;
			continue;
		}
		copy_run(s, count, next, buf);
		throttle(s, count);
	}
	pthread_mutex_unlock(&s->mu);
	free(buf);
	return NULL;
}
