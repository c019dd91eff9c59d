/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/verify.c - are the legs really equal?
 *
 * The primary walks the volume once, in runs of a few chunks, each under the
 * range lock: nothing is under way there, so what differs then differs truly.
 * The peer answers with a digest a chunk (the window of proto.h); chunks that a
 * resync has still to copy are left to it.  Told to repair, the primary marks a
 * chunk out of step, durably, and copies it under the same lock; if that fails,
 * the resync after the next handshake does it.
 *
 * While a resync runs it waits: both read and send the same way.
 *
 *   none --order--> running <--peer lost or resync, back--> waiting
 *                      '--> done | failed | cancelled --order--> running
 *
 * Nothing of this outlives the process or the time as primary.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "mirror/replica/server.h"
#include "mirror/replica/window.h"

#define RUN_CHUNKS	4u
#define GUEST_BUSY_NS	(20 * AV_NS_PER_MS)
#define GIVE_WAY_NS	(10 * AV_NS_PER_MS)

/* --- digests --- */

/* Of a volume of 'size' bytes: both sides go by their connection's, as one leg
 * grows before the other. */
static uint32_t
chunk_bytes(uint64_t size, size_t chunk)
{
	uint64_t left = size - (uint64_t)chunk * MIRROR_CHUNK_BYTES;

	return left < MIRROR_CHUNK_BYTES ? (uint32_t)left :
	    MIRROR_CHUNK_BYTES;
}

/* What the disk has, not what was once read from it: clean pages are let go
 * first.  A chunk that can't be read has the digest of zeros. */
static int
chunk_digest(const struct srv *s, uint64_t size, size_t chunk, uint8_t *buf,
    uint8_t *ret)
{
	uint64_t offset = (uint64_t)chunk * MIRROR_CHUNK_BYTES;
	uint32_t n = chunk_bytes(size, chunk);
	int rc;

	/* advice only: without it the page cache is compared */
	(void)posix_fadvise(s->leg->data_fd, (off_t)offset, (off_t)n,
	    POSIX_FADV_DONTNEED);
	rc = leg_pread_all(s->leg->data_fd, buf, n, offset);
	if (rc == 0 && gnutls_hash_fast(GNUTLS_DIG_SHA256, buf, n, ret) < 0)
		rc = -EIO;
	if (rc < 0)
		memset(ret, 0, PROTO_DIGEST_BYTES);
	return rc;
}

int
verify_window_read(struct srv *s, uint64_t size, uint8_t *ret, uint32_t n,
    uint64_t at)
{
	size_t chunk = (size_t)(at / PROTO_DIGEST_BYTES), i;
	size_t count = n / PROTO_DIGEST_BYTES;
	uint8_t *buf;

	if (at % PROTO_DIGEST_BYTES != 0 || n % PROTO_DIGEST_BYTES != 0 ||
	    count > PROTO_DIGESTS_MAX || chunk + count > meta_chunks(size))
		return EINVAL;
	buf = malloc(MIRROR_CHUNK_BYTES);
	if (buf == NULL)
		return ENOMEM;
	for (i = 0; i < count; i++)
		(void)chunk_digest(s, size, chunk + i, buf,
		    ret + i * PROTO_DIGEST_BYTES);	/* zeros say why */
	free(buf);
	return 0;
}

/* --- orders --- */

static bool
going(const struct srv_verify *v)
{
	return v->state == MIRROR_VERIFY_RUNNING ||
	    v->state == MIRROR_VERIFY_WAITING;
}

/* mu held */
static bool
able(const struct srv *s)
{
	return s->io_mode == IO_BOTH && s->link_count != 0 && !s->link_drop;
}

int
srv_order_verify(struct srv *s, bool repair, uint64_t rate_kib_s,
    struct av_err *err)
{
	struct srv_verify *v = &s->verify;
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	if (s->role != MIRROR_PRIMARY)
		rc = av_err_code(err, -EPERM, "wrong-role",
		    "the primary verifies, this copy is the secondary");
	else if (going(v))
		rc = av_err_code(err, -EALREADY, "wrong-state",
		    "a verify is running already");
	else if (!able(s))
		rc = av_err_code(err, -ENOTCONN, "wrong-state",
		    "the peer isn't connected");
	else if (!s->peer_digests)
		rc = av_err_code(err, -EOPNOTSUPP, "peer-version",
		    "the peer's version can't verify");
	else
		*v = (struct srv_verify){ .state = MIRROR_VERIFY_RUNNING,
			.repair = repair, .rate_kib_s = rate_kib_s,
			.role_count = s->role_count,
			.started_ns = av_clock_ns(), .last = v->last };
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	return rc;
}

int
srv_order_verify_cancel(struct srv *s, struct av_err *err)
{
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	if (!going(&s->verify))
		rc = av_err_code(err, -EALREADY, "wrong-state",
		    "no verify is running");
	/* Not waited for: the run under way may wait for the peer, and the next
	 * order of this connection may be the one that ends that. */
	s->verify.cancel = true;
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	return rc;
}

/* --- run by run (mu held, dropped meanwhile) --- */

struct verifier {
	struct srv	*s;
	uint8_t		*data;		/* RUN_CHUNKS chunks */
	uint8_t		 mine[RUN_CHUNKS * PROTO_DIGEST_BYTES];
	uint8_t		 peers[RUN_CHUNKS * PROTO_DIGEST_BYTES];
	size_t		 first, n;
	uint64_t	 size;		/* of the volume */
	uint64_t	 count;		/* the connection */
};

static void
end(struct srv *s, enum mirror_verify_state state, const char *code,
    const char *text)
{
	struct srv_verify *v = &s->verify;

	v->state = state;
	v->finished_at = (int64_t)time(NULL);
	v->last = (struct mirror_verify_last){ .state = state,
		.finished_at = v->finished_at, .repair = v->repair,
		.n_found = v->found, .n_repaired = v->repaired };
	(void)snprintf(v->code, sizeof(v->code), "%s", code);
	(void)snprintf(v->text, sizeof(v->text), "%s", text);
	log_notice(s->p.id, "verify %s: %llu chunks differed, %llu repaired%s%s",
	    mirror_verify_name(state), (unsigned long long)v->found,
	    (unsigned long long)v->repaired, text[0] != '\0' ? "; " : "",
	    text);
	srv_changed(s);
}

static void
repair(struct verifier *k, size_t i)
{
	struct srv *s = k->s;
	size_t chunk = k->first + i;
	struct link_job j = { .kind = LINK_WRITE,
		.wbuf = k->data + i * MIRROR_CHUNK_BYTES,
		.n = chunk_bytes(k->size, chunk),
		.offset = (uint64_t)chunk * MIRROR_CHUNK_BYTES };

	if (intent_mark(s, j.offset, j.n, true) < 0)
		return;		/* the disk counts as failed now */
	link_submit(s, k->count, &j);
	if (link_wait(s, &j) != 0)
		return;		/* peer lost: it stays out of step */
	bit_clear(s->oos, chunk);
	s->verify.repaired++;
}

static void
compare(struct verifier *k)
{
	struct srv_verify *v = &k->s->verify;
	size_t i;

	for (i = 0; i < k->n; i++) {
		size_t at = i * PROTO_DIGEST_BYTES;

		if (memcmp(k->mine + at, k->peers + at,
		    PROTO_DIGEST_BYTES) == 0)
			continue;
		if (v->found < MIRROR_VERIFY_LIST_MAX)
			v->list[v->found] = (uint64_t)(k->first + i) *
			    MIRROR_CHUNK_BYTES;
		v->found++;
		log_warn(k->s->p.id, "verify: the legs differ at byte "
		    "%llu", (unsigned long long)(k->first + i) *
		    MIRROR_CHUNK_BYTES);
		if (v->repair)
			repair(k, i);
	}
}

static bool
any_out_of_step(const struct verifier *k)
{
	return bits_next(k->s->oos, k->first + k->n, k->first) <
	    k->first + k->n;
}

/* A held write keeps its range until the peer is back: not waited for here. */
static bool
may_look(const struct verifier *k)
{
	return able(k->s) && k->s->link_count == k->count &&
	    !k->s->verify.cancel && !k->s->stopping;
}

/* The range is ours alone. */
static void
look(struct verifier *k)
{
	struct srv *s = k->s;
	struct link_job j = { .kind = LINK_READ, .rbuf = k->peers,
		.n = (uint32_t)(k->n * PROTO_DIGEST_BYTES),
		.offset = window_digests(s->layout_bytes) +
		    k->first * PROTO_DIGEST_BYTES };
	int rc = 0;
	size_t i;

	(void)link_submit(s, k->count, &j);
	pthread_mutex_unlock(&s->mu);
	link_push(s);
	for (i = 0; i < k->n && rc == 0; i++)
		rc = chunk_digest(s, k->size, k->first + i,
		    k->data + i * MIRROR_CHUNK_BYTES,
		    k->mine + i * PROTO_DIGEST_BYTES);
	pthread_mutex_lock(&s->mu);
	if (link_wait(s, &j) != 0)
		return;			/* the same run again, later */
	if (rc < 0 && readrepair_held(s, k->data, (uint32_t)((k->n - 1) *
	    MIRROR_CHUNK_BYTES) + chunk_bytes(k->size,
	    k->first + k->n - 1),
	    (uint64_t)k->first * MIRROR_CHUNK_BYTES) != EIO)
		return;			/* mended, or decided again */
	if (rc < 0) {
		end(s, MIRROR_VERIFY_FAILED, "disk-error",
		    "this PM's disk can't be read");
		return;
	}
	compare(k);
	s->verify.next = k->first + k->n;
	srv_changed(s);
}

static void
one_run(struct verifier *k)
{
	struct srv *s = k->s;
	struct srv_verify *v = &s->verify;
	struct range r;

	k->count = s->link_count;
	k->size = s->layout_bytes;
	k->first = v->next;
	if (bit_test(s->oos, k->first)) {
		v->next++;		/* the resync's business */
		return;
	}
	for (k->n = 1; k->n < RUN_CHUNKS &&
	    k->first + k->n < s->leg->n_chunks &&
	    !bit_test(s->oos, k->first + k->n); k->n++)
		;
	r.start = (uint64_t)k->first * MIRROR_CHUNK_BYTES;
	r.end = (uint64_t)(k->first + k->n - 1) * MIRROR_CHUNK_BYTES +
	    chunk_bytes(k->size, k->first + k->n - 1);
	range_enter(&s->ranges, &r);
	while (!range_active(&s->ranges, &r) && may_look(k))
		pthread_cond_wait(&s->cv, &s->mu);
	if (may_look(k) && !any_out_of_step(k))
		look(k);
	range_leave(&s->ranges, &r);
	pthread_cond_broadcast(&s->cv);
}

static void
throttle(struct srv *s)
{
	struct srv_verify *v = &s->verify;
	uint64_t now = av_clock_ns(), due = 0;

	if (now - s->last_guest_ns < GUEST_BUSY_NS)
		due = now + GIVE_WAY_NS;
	if (v->rate_kib_s > 0) {
		uint64_t at = v->started_ns + v->next *
		    (MIRROR_CHUNK_BYTES / 1024) * 1000 / v->rate_kib_s *
		    AV_NS_PER_MS;

		if (at > due)
			due = at;
	}
	while (av_clock_ns() < due && going(v) && !v->cancel &&
	    !s->stopping && v->role_count == s->role_count)
		(void)srv_wait_until(s, due);
}

static void
turn(struct verifier *k)
{
	struct srv *s = k->s;
	struct srv_verify *v = &s->verify;

	if (v->cancel) {
		end(s, MIRROR_VERIFY_CANCELLED, "", "");
	} else if (v->role_count != s->role_count) {
		end(s, MIRROR_VERIFY_FAILED, "wrong-role",
		    "this copy isn't the primary any more");
	} else if (v->next >= s->leg->n_chunks) {
		end(s, MIRROR_VERIFY_DONE, "", "");
	} else if (able(s) && !s->peer_digests) {
		end(s, MIRROR_VERIFY_FAILED, "peer-version",
		    "the peer's version can't verify");
	} else if (!able(s) || s->resync_on ||
	    s->layout_bytes != s->leg->sb.size_bytes) {
		if (v->state == MIRROR_VERIFY_RUNNING) {
			v->state = MIRROR_VERIFY_WAITING;
			srv_changed(s);
		}
		pthread_cond_wait(&s->cv, &s->mu);
	} else {
		v->state = MIRROR_VERIFY_RUNNING;
		one_run(k);
		throttle(s);
	}
}

void *
verify_thread(void *arg)
{
	struct srv *s = arg;
	struct verifier *k = calloc(1, sizeof(*k));

	AV_ASSERT(k != NULL);
	k->s = s;
	pthread_mutex_lock(&s->mu);
	while (!s->stopping) {
		if (!going(&s->verify)) {
			free(k->data);
			k->data = NULL;
			pthread_cond_wait(&s->cv, &s->mu);
			continue;
		}
		if (k->data == NULL)
			k->data = malloc(RUN_CHUNKS * MIRROR_CHUNK_BYTES);
		if (k->data == NULL)
			end(s, MIRROR_VERIFY_FAILED, "", "no memory");
		else
			turn(k);
	}
	pthread_mutex_unlock(&s->mu);
	free(k->data);
	free(k);
	return NULL;
}

/* --- status --- */

json_t *
verify_status(const struct srv *s)
{
	const struct srv_verify *v = &s->verify;
	uint64_t size = s->leg->sb.size_bytes, i, n = v->found;
	uint64_t done = v->next * MIRROR_CHUNK_BYTES;
	json_t *list = json_array();

	for (i = 0; i < n && i < MIRROR_VERIFY_LIST_MAX; i++)
		(void)json_array_append_new(list,
		    json_integer((json_int_t)v->list[i]));
	return json_pack("{s:s,s:b,s:I,s:I,s:I,s:I,s:s,s:s,s:o,s:I,"
	    "s:{s:s,s:I,s:b,s:I,s:I}}",
	    "state", mirror_verify_name(v->state), "repair", (int)v->repair,
	    "total_bytes", (json_int_t)size,
	    "done_bytes", (json_int_t)(done < size ? done : size),
	    "found", (json_int_t)v->found,
	    "repaired", (json_int_t)v->repaired,
	    "code", v->code, "text", v->text, "list", list,
	    "finished_at", (json_int_t)v->finished_at,
	    "last", "state", mirror_verify_name(v->last.state),
	    "finished_at", (json_int_t)v->last.finished_at,
	    "repair", (int)v->last.repair,
	    "found", (json_int_t)v->last.n_found,
	    "repaired", (json_int_t)v->last.n_repaired);
}
