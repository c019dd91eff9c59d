/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/resync.c - copies out-of-step chunks to the peer
 *
 * One run of neighbouring chunks at a time, under the range lock, so a guest's
 * write comes wholly before or after.  Rests between runs as long as the guest
 * needs (pace.h); paused by order it keeps the session, so the guest's writes go
 * to both legs, but it neither copies nor ends.
 *
 * A chunk that can't be read here stays out of step; all others are copied.  The
 * session stays up, the resync doesn't end: the peer's leg isn't whole.  Each
 * AGAIN_NS, and by the order 'resume', these chunks are tried again: a guest
 * that writes there mends the disk.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "mirror/replica/server.h"

#define RUN_CHUNKS	16u
#define AGAIN_NS	(30 * AV_NS_PER_S)	/* a bad sector takes seconds to fail */
#define BAD_MAX		256u	/* then it isn't a sector: the copying rests */
#define GUEST_BUSY_NS	(20 * AV_NS_PER_MS)	/* then it counts as idle */

static bool
going(const struct srv *s, uint64_t count)
{
	return s->resync_on && s->link_count == count && !s->link_drop;
}

static void
wait_until(struct srv *s, uint64_t due, uint64_t count)
{
	while (going(s, count) && !s->resync_paused && srv_wait_until(s, due))
		;
}

/* --- chunks that can't be read here (mu held) --- */

static bool
is_bad(const struct srv *s, size_t c)
{
	return s->resync_bad != NULL && bit_test(s->resync_bad, c);
}

static void
bad_forget(struct srv *s)
{
	free(s->resync_bad);
	s->resync_bad = NULL;
	s->resync_bad_n = 0;
}

/* Nothing is left to copy but those; or there are so many that the disk's time
 * is better spent on the guest. */
static bool
rests_for_bad(const struct srv *s)
{
	return s->resync_bad_n >= BAD_MAX || (s->resync_bad_n > 0 &&
	    s->resync_copied + s->resync_bad_n >= s->resync_total);
}

static void
bad_note(struct srv *s, size_t c)
{
	char text[160];
	size_t first;

	if (s->resync_bad == NULL)
		s->resync_bad = calloc(s->leg->n_pages, META_PAGE_BIT_BYTES);
	if (s->resync_bad == NULL) {
		link_drop(s, "disk-error", "this PM's disk can't be read");
		return;
	}
	bit_set(s->resync_bad, c);
	s->resync_again_ns = av_clock_ns() + AGAIN_NS;
	first = bits_next(s->resync_bad, s->leg->n_chunks, 0);
	(void)snprintf(text, sizeof(text), "this PM's disk can't be read at %"
	    PRIu64 " and in %" PRIu64 " other chunks: the peer's copy stays "
	    "unfinished", (uint64_t)first * MIRROR_CHUNK_BYTES,
	    s->resync_bad_n);
	if (s->resync_bad_n++ == 0)
		srv_notice(s, "disk-error", text);
	srv_why(s, "disk-error", text);
}

static size_t
next_chunk(const struct srv *s, size_t from)
{
	size_t n = s->leg->n_chunks, c = bits_next(s->oos, n, from);

	while (c < n && is_bad(s, c))
		c = bits_next(s->oos, n, c + 1);
	return c;
}

static void
rest_for_bad(struct srv *s, uint64_t count)
{
	while (going(s, count) && !s->resync_paused && s->resync_bad_n > 0 &&
	    srv_wait_until(s, s->resync_again_ns))
		;
	if (av_clock_ns() >= s->resync_again_ns)
		bad_forget(s);
}

/* --- speed, pace, orders --- */

static void
speed_reset(struct srv *s)
{
	s->resync_mark_ns = av_clock_ns();
	s->resync_mark_copied = s->resync_copied;
	s->resync_speed = 0;
}

static uint64_t
speed_since_mark(const struct srv *s)
{
	uint64_t ns = av_clock_ns() - s->resync_mark_ns;

	return ns == 0 ? 0 : (uint64_t)((double)(s->resync_copied -
	    s->resync_mark_copied) * MIRROR_CHUNK_BYTES * 1e9 / (double)ns);
}

static void
speed_note(struct srv *s)
{
	uint64_t now = av_clock_ns(), speed;

	if (now - s->resync_mark_ns < AV_NS_PER_S)
		return;
	speed = speed_since_mark(s);
	s->resync_speed = s->resync_speed == 0 ? speed :
	    (s->resync_speed + speed) / 2;
	s->resync_mark_ns = now;
	s->resync_mark_copied = s->resync_copied;
}

uint64_t
resync_speed(const struct srv *s)
{
	if (!s->resync_on || s->resync_paused || rests_for_bad(s))
		return 0;
	return s->resync_speed != 0 ? s->resync_speed : speed_since_mark(s);
}

void
resync_begin(struct srv *s)
{
	s->resync_total = bits_count(s->oos, s->leg->n_chunks);
	s->resync_copied = 0;
	s->resync_due_ns = 0;
	bad_forget(s);
	s->resync_on = true;
	speed_reset(s);
}

void
srv_order_rate(struct srv *s, uint64_t kib_s)
{
	pthread_mutex_lock(&s->mu);
	s->resync_rate_kib_s = kib_s;
	s->resync_due_ns = 0;
	speed_reset(s);
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
}

void
srv_order_resync_pause(struct srv *s, bool on)
{
	pthread_mutex_lock(&s->mu);
	if (!on && s->resync_bad_n > 0) {
		bad_forget(s);
		srv_changed(s);
	}
	if (s->resync_paused != on) {
		s->resync_paused = on;
		s->resync_due_ns = 0;
		speed_reset(s);
		srv_changed(s);
	}
	pthread_mutex_unlock(&s->mu);
}

static uint64_t
answered(const struct srv *s)
{
	return s->write_requests + s->read_requests;
}

/* After a run of n chunks that began at 'from', with so many answered before:
 * rests for the guest, and for the limit. */
static void
throttle(struct srv *s, uint64_t count, size_t n, uint64_t from,
    uint64_t before)
{
	uint64_t now = av_clock_ns(), due, rest_n = answered(s);
	bool busy = s->n_active > 0 || now - s->last_guest_ns < GUEST_BUSY_NS;

	pace_ran(&s->resync_pace, now - from, rest_n - before);
	due = now + pace_rest_ns(&s->resync_pace, now - from, busy);
	if (s->resync_rate_kib_s > 0) {
		if (s->resync_due_ns < from)
			s->resync_due_ns = from;
		s->resync_due_ns += n * (MIRROR_CHUNK_BYTES / 1024) *
		    AV_NS_PER_S / s->resync_rate_kib_s;
		if (s->resync_due_ns > due)
			due = s->resync_due_ns;
	}
	if (due > now)
		wait_until(s, due, count);
	if (due > now)
		pace_rested(&s->resync_pace, av_clock_ns() - now,
		    answered(s) - rest_n);
}

/* mu held, range active.  0, UNREADABLE, or the link is lost. */
#define UNREADABLE 1

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
		s->read_errors++;
		return UNREADABLE;
	}
	link_submit(s, count, &j);
	return -link_wait(s, &j);
}

static int
copy_chunks(struct srv *s, uint64_t count, size_t first, size_t n,
    uint8_t *buf)
{
	struct range r = { .start = (uint64_t)first * MIRROR_CHUNK_BYTES };
	size_t c;
	int rc = 0;

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
		speed_note(s);
		srv_changed(s);
	}
	range_leave(&s->ranges, &r);
	pthread_cond_broadcast(&s->cv);
	return rc;
}

static size_t
copy_run(struct srv *s, uint64_t count, size_t first, uint8_t *buf)
{
	size_t c, n = 1;

	while (n < RUN_CHUNKS && first + n < s->leg->n_chunks &&
	    bit_test(s->oos, first + n) && !is_bad(s, first + n))
		n++;
	if (copy_chunks(s, count, first, n, buf) != UNREADABLE)
		return n;
	/* which of them?  each is read once more */
	for (c = first; c < first + n && going(s, count); c++)
		if (copy_chunks(s, count, c, 1, buf) == UNREADABLE &&
		    going(s, count))
			bad_note(s, c);
	return n;
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
		if (!s->disk_failed && strcmp(s->why.code, "disk-error") == 0)
			srv_why(s, "", "");	/* it could be read at last */
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
	go = going(s, count) && !s->resync_paused && bits_next(s->oos, s->leg->n_chunks, 0) ==
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
	size_t next = 0, n;

	AV_ASSERT(buf != NULL);
	pthread_mutex_lock(&s->mu);
	while (!s->stopping) {
		uint64_t count = s->link_count, from, before;

		if (!going(s, count) || count == 0) {
			pthread_cond_wait(&s->cv, &s->mu);
			next = 0;
			continue;
		}
		if (s->resync_paused) {
			pthread_cond_wait(&s->cv, &s->mu);
			continue;
		}
		if (rests_for_bad(s)) {
			rest_for_bad(s, count);
			continue;
		}
		next = next_chunk(s, next);
		if (next == s->leg->n_chunks)
			next = next_chunk(s, 0);
		if (next == s->leg->n_chunks && s->resync_bad_n > 0) {
			rest_for_bad(s, count);
			next = 0;
			continue;
		}
		if (next == s->leg->n_chunks) {
			finish(s, count);
			next = 0;
			continue;
		}
		from = av_clock_ns();
		before = answered(s);
		n = copy_run(s, count, next, buf);
		throttle(s, count, n, from, before);
	}
	pthread_mutex_unlock(&s->mu);
	free(buf);
	return NULL;
}
