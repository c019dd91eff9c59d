/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/nbdrun.c - requests of a connection; see nbdconn.h
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mirror/replica/nbd.h"
#include "mirror/replica/nbdconn.h"

#define WORKERS_MAX	64u
#define BYTES_MAX	(8u << 20)	/* of requests under way, or one */
#define REQUESTS_MAX	256u
#define TOGETHER_MAX	8u	/* writes sent to the peer, replies sent, at once */
#define INLINE_NS	(5 * AV_NS_PER_MS)
#define KEPT_MAX	4u	/* buffers, of between these sizes */
#define KEPT_BYTES_MIN	((size_t)256 << 10)
#define KEPT_BYTES_MAX	((size_t)1 << 20)
#define QUIET_TICKS	10u	/* of INLINE_NS, then the watcher rests */

struct nbd_request {
	struct nbd_conn	*c;
	uint16_t	flags, type;
	uint64_t	cookie, offset;
	uint32_t	n;
	uint8_t		*data;
	size_t		cap;		/* of 'data' when kept; 0 = not */
	struct nbd_request *next;
	struct front_op	op;
};

static struct {
	pthread_mutex_t	mu;
	pthread_cond_t	cv;
	struct nbd_conn	*conns;
	bool		started;
	_Atomic bool	on, used;
} watcher = { .mu = PTHREAD_MUTEX_INITIALIZER,
	.cv = PTHREAD_COND_INITIALIZER };

/* --- buffers --- */

/*
 * Large ones are kept for the next request: new ones from the system cost a
 * fault for each of their pages, more than copying into them does.
 */
static struct {
	pthread_mutex_t	mu;
	size_t		n;
	struct kept { void *data; size_t cap; } kept[KEPT_MAX];
} buffers = { .mu = PTHREAD_MUTEX_INITIALIZER };

static void
buffer_get(struct nbd_request *q)
{
	size_t i, cap = (q->n + KEPT_BYTES_MIN - 1) / KEPT_BYTES_MIN *
	    KEPT_BYTES_MIN;

	q->cap = 0;
	if (q->n < KEPT_BYTES_MIN || cap > KEPT_BYTES_MAX) {
		q->data = malloc(q->n + 1u);
		return;
	}
	q->cap = cap;
	q->data = NULL;
	pthread_mutex_lock(&buffers.mu);
	for (i = 0; i < buffers.n && buffers.kept[i].cap != cap; i++)
		;
	if (i < buffers.n) {
		q->data = buffers.kept[i].data;
		buffers.kept[i] = buffers.kept[--buffers.n];
	}
	pthread_mutex_unlock(&buffers.mu);
	if (q->data == NULL)
		q->data = malloc(cap);
}

static void
request_free(struct nbd_request *q)
{
	void *old = q->data;

	if (old != NULL && q->cap > 0) {
		/* the oldest goes: sizes that are asked for now stay */
		pthread_mutex_lock(&buffers.mu);
		old = NULL;
		if (buffers.n == KEPT_MAX) {
			old = buffers.kept[0].data;
			memmove(buffers.kept, buffers.kept + 1,
			    --buffers.n * sizeof(buffers.kept[0]));
		}
		buffers.kept[buffers.n++] = (struct kept){ q->data, q->cap };
		pthread_mutex_unlock(&buffers.mu);
	}
	free(old);
	free(q);
}

/* --- replies --- */

/* NBD's error numbers are Linux's; only these may be sent. */
static uint32_t
wire_error(int e)
{
	switch (e) {
	case 0:
	case EPERM:
	case EIO:
	case ENOMEM:
	case EINVAL:
	case ENOSPC:
	case EOVERFLOW:
	case ESHUTDOWN:
		return (uint32_t)e;
	default:
		return EIO;
	}
}

/* 'more': somebody flushes soon. */
static void
reply(struct nbd_conn *c, const struct nbd_request *q, int e, bool more)
{
	uint8_t b[NBD_REPLY_BYTES];
	int rc;

	nbd_put(b, NBD_REPLY_MAGIC, 4);
	nbd_put(b + 4, wire_error(e), 4);
	nbd_put(b + 8, q->cookie, 8);
	pthread_mutex_lock(&c->send_mu);
	rc = stream_send(c->st, b, sizeof(b));
	if (rc == 0 && e == 0 && q->type == NBD_CMD_READ)
		rc = stream_send(c->st, q->data, q->n);
	if (rc == 0 && (!more || ++c->n_unflushed >= TOGETHER_MAX)) {
		rc = stream_flush(c->st);
		c->n_unflushed = 0;
	}
	pthread_mutex_unlock(&c->send_mu);
	if (rc < 0)
		stream_shutdown(c->st);		/* ends the reader */
}

static void
flush_replies(struct nbd_conn *c)
{
	int rc = 0;

	pthread_mutex_lock(&c->send_mu);
	if (c->n_unflushed > 0)
		rc = stream_flush(c->st);
	c->n_unflushed = 0;
	pthread_mutex_unlock(&c->send_mu);
	if (rc < 0)
		stream_shutdown(c->st);
}

/* The request is over. */
static void
finish(struct nbd_request *q, int e, bool more)
{
	struct nbd_conn *c = q->c;

	reply(c, q, e, more);
	pthread_mutex_lock(&c->mu);
	c->n_requests--;
	c->n_bytes -= q->n;
	/* whose reader was replaced waits as well, for the end alone */
	if (c->full || c->ending)
		pthread_cond_broadcast(&c->cv);
	pthread_mutex_unlock(&c->mu);
	request_free(q);
}

/* --- workers --- */

/* As front_time(); asked only until it is known. */
static int
role_count_get(struct nbd_conn *c, bool wait, uint64_t *ret)
{
	int rc = 0;

	*ret = c->role_count;
	if (*ret != 0)
		return 0;
	rc = front_time(c->s, &c->fc, wait, ret);
	if (rc == 0)
		c->role_count = *ret;
	return rc;
}

static int
run_front(struct nbd_conn *c, struct nbd_request *q, bool fua)
{
	uint64_t role;
	int rc = role_count_get(c, true, &role);

	if (rc == ECONNABORTED)	/* it asks again when it was we who ended it */
		stream_shutdown(c->st);
	if (rc != 0)
		return rc;
	switch (q->type) {
	case NBD_CMD_READ:
		return front_read(c->s, role, q->data, q->n, q->offset);
	case NBD_CMD_WRITE:
	case NBD_CMD_ZERO:
		return front_write(c->s, role, q->data, q->n, q->offset, fua);
	case NBD_CMD_TRIM:
		return front_trim(c->s, role, q->n, q->offset, fua);
	case NBD_CMD_FLUSH:
		return front_flush(c->s, role);
	default:
		return EINVAL;
	}
}

static int
run(struct nbd_conn *c, struct nbd_request *q)
{
	bool fua = q->flags & NBD_CMD_FLAG_FUA;

	if (c->front)
		return run_front(c, q, fua);
	switch (q->type) {
	case NBD_CMD_READ:
		return peer_read(c->s, c->pc, q->data, q->n, q->offset);
	case NBD_CMD_WRITE:
	case NBD_CMD_ZERO:
		return peer_write(c->s, c->pc, q->data, q->n, q->offset, fua);
	case NBD_CMD_TRIM:
		return peer_trim(c->s, c->pc, q->n, q->offset, fua);
	case NBD_CMD_FLUSH:
		return peer_flush(c->s, c->pc);
	default:
		return EINVAL;
	}
}

static void *
worker_run(void *arg)
{
	struct nbd_conn *c = arg;

	pthread_mutex_lock(&c->mu);
	for (;;) {
		struct nbd_request *q = c->first;

		if (q == NULL && c->ending && c->n_requests == 0)
			break;
		if (q == NULL) {
			c->n_idle++;
			pthread_cond_wait(&c->work_cv, &c->mu);
			c->n_idle--;
			continue;
		}
		c->first = q->next;
		if (c->first == NULL)
			c->last = &c->first;
		pthread_mutex_unlock(&c->mu);
		finish(q, run(c, q), false);
		pthread_mutex_lock(&c->mu);
	}
	c->n_workers--;
	pthread_cond_broadcast(&c->cv);
	pthread_mutex_unlock(&c->mu);
	return NULL;
}

/* -EAGAIN only when there is no worker at all to do it. */
static int
enqueue(struct nbd_conn *c, struct nbd_request *q)
{
	pthread_t t;
	int rc = 0;

	pthread_mutex_lock(&c->mu);
	if ((c->n_idle == 0 || c->first != NULL) &&
	    c->n_workers < WORKERS_MAX) {
		if (pthread_create(&t, NULL, worker_run, c) == 0) {
			(void)pthread_detach(t);
			c->n_workers++;
		} else if (c->n_workers == 0) {
			rc = -EAGAIN;
		}
	}
	if (rc == 0) {
		q->next = NULL;
		*c->last = q;
		c->last = &q->next;
		pthread_cond_signal(&c->work_cv);
	}
	pthread_mutex_unlock(&c->mu);
	return rc;
}

static void
hand_over(struct nbd_conn *c, struct nbd_request *q)
{
	if (enqueue(c, q) < 0)
		finish(q, ENOMEM, false);
}

/* --- the watcher --- */

static void *reader_run(void *arg);

/* mu held */
static void
take_over(struct nbd_conn *c)
{
	pthread_t t;

	if (pthread_create(&t, NULL, reader_run, c) != 0)
		return;		/* the next tick tries again */
	(void)pthread_detach(t);
	c->reader++;
	c->n_readers++;
	c->inline_ns = 0;
}

static bool
look_at_all(void)
{
	struct nbd_conn *c;
	bool busy = false;

	for (c = watcher.conns; c != NULL; c = c->next) {
		pthread_mutex_lock(&c->mu);
		if (c->inline_ns != 0) {
			busy = true;
			if (!c->ending &&
			    av_clock_ns() - c->inline_ns > INLINE_NS)
				take_over(c);
		}
		pthread_mutex_unlock(&c->mu);
	}
	return busy;
}

static void *
watcher_run(void *arg)
{
	const struct timespec tick = { .tv_nsec = INLINE_NS };
	unsigned quiet = 0;

	(void)arg;
	for (;;) {
		pthread_mutex_lock(&watcher.mu);
		while (!watcher.on)
			pthread_cond_wait(&watcher.cv, &watcher.mu);
		quiet = atomic_exchange(&watcher.used, false) ||
		    look_at_all() ? 0 : quiet + 1;
		if (quiet > QUIET_TICKS) {
			watcher.on = false;
			/* who didn't see that has set 'used' before */
			watcher.on = watcher.used;
			quiet = 0;
		}
		pthread_mutex_unlock(&watcher.mu);
		/* lint: sleep: looks at how long the readers take */
		(void)nanosleep(&tick, NULL);
	}
	return NULL;
}

static void
watch_begin(struct nbd_conn *c)
{
	pthread_t t;

	pthread_mutex_lock(&watcher.mu);
	c->next = watcher.conns;
	watcher.conns = c;
	if (!watcher.started &&
	    pthread_create(&t, NULL, watcher_run, NULL) == 0) {
		(void)pthread_detach(t);
		watcher.started = true;
	}
	pthread_mutex_unlock(&watcher.mu);
}

static void
watch_end(struct nbd_conn *c)
{
	struct nbd_conn **at = &watcher.conns;

	pthread_mutex_lock(&watcher.mu);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	pthread_mutex_unlock(&watcher.mu);
}

static void
inline_begin(struct nbd_conn *c)
{
	pthread_mutex_lock(&c->mu);
	c->inline_ns = av_clock_ns();
	pthread_mutex_unlock(&c->mu);
	if (!watcher.used)
		watcher.used = true;
	if (!watcher.on) {
		pthread_mutex_lock(&watcher.mu);
		watcher.on = true;
		pthread_cond_signal(&watcher.cv);
		pthread_mutex_unlock(&watcher.mu);
	}
}

/* False: another thread reads now. */
static bool
inline_end(struct nbd_conn *c, uint64_t me)
{
	bool ours;

	pthread_mutex_lock(&c->mu);
	ours = c->reader == me;
	if (ours)
		c->inline_ns = 0;
	pthread_mutex_unlock(&c->mu);
	return ours;
}

/* --- the reader --- */

static void
front_write_over(struct front_op *op, int rc, bool more)
{
	struct nbd_request *q = container_of(op, struct nbd_request, op);

	if (rc != EAGAIN) {
		finish(q, rc, more);
		return;
	}
	/* It may take long: replies don't wait for it. */
	flush_replies(q->c);
	hand_over(q->c, q);
}

/* False: not here. */
static bool
front_inline(struct nbd_conn *c, struct nbd_request *q)
{
	uint64_t role;
	int rc = role_count_get(c, false, &role);

	if (rc != 0)
		return false;
	if (q->type == NBD_CMD_READ) {
		rc = front_read_now(c->s, role, q->data, q->n, q->offset);
		if (rc != EAGAIN)
			finish(q, rc, true);
		return rc != EAGAIN;
	}
	q->op = (struct front_op){ .buf = q->data, .n = q->n,
		.offset = q->offset, .role_count = role,
		.push_later = true, .over = front_write_over, .group = c };
	return front_write_start(c->s, &q->op);
}

static bool
peer_inline(struct nbd_conn *c, struct nbd_request *q)
{
	if (q->type != NBD_CMD_WRITE)
		return false;
	finish(q, peer_write(c->s, c->pc, q->data, q->n, q->offset, false),
	    true);
	return true;
}

/* The reader does it, or gives it to a worker; false as inline_end(). */
static bool
serve_one(struct nbd_conn *c, struct nbd_request *q, uint64_t me)
{
	uint64_t size = nbd_export_bytes(c);

	if (q->type != NBD_CMD_FLUSH &&
	    (q->offset > size || q->n > size - q->offset)) {
		finish(q, q->type == NBD_CMD_READ ? EINVAL : ENOSPC, false);
		return true;
	}
	/* a message may wait for the disk; a ping wakes no watcher */
	if ((q->type != NBD_CMD_READ && q->type != NBD_CMD_WRITE) ||
	    q->flags & NBD_CMD_FLAG_FUA || (!c->front && q->n == PROTO_BYTES)) {
		hand_over(c, q);
		return true;
	}
	inline_begin(c);
	if (!(c->front ? front_inline(c, q) : peer_inline(c, q)))
		hand_over(c, q);
	return inline_end(c, me);
}

/* What was kept back goes out. */
static bool
send_all(struct nbd_conn *c, uint64_t me)
{
	bool any;

	pthread_mutex_lock(&c->send_mu);
	any = c->front || c->n_unflushed > 0;
	pthread_mutex_unlock(&c->send_mu);
	if (!any)
		return true;	/* a ping doesn't wake the watcher */
	inline_begin(c);
	if (c->front)
		link_push(c->s);
	flush_replies(c);
	return inline_end(c, me);
}

static int
read_request(struct nbd_conn *c, struct nbd_request **ret)
{
	uint8_t b[NBD_REQUEST_BYTES];
	struct nbd_request *q;
	int rc = stream_recv(c->st, b, sizeof(b));

	if (rc < 0)
		return rc;
	if (nbd_get(b, 4) != NBD_REQUEST_MAGIC ||
	    nbd_get(b + 6, 2) == NBD_CMD_DISC)
		return -ECONNRESET;
	q = malloc(sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	q->c = c;
	q->data = NULL;
	q->cap = 0;
	q->flags = (uint16_t)nbd_get(b + 4, 2);
	q->type = (uint16_t)nbd_get(b + 6, 2);
	q->cookie = nbd_get(b + 8, 8);
	q->offset = nbd_get(b + 16, 8);
	q->n = (uint32_t)nbd_get(b + 24, 4);
	if (q->type == NBD_CMD_READ || q->type == NBD_CMD_WRITE) {
		rc = q->n > NBD_REQUEST_MAX ? -EMSGSIZE : 0;
		if (rc == 0)
			buffer_get(q);
		if (rc == 0 && q->data == NULL)
			rc = -ENOMEM;
		if (rc == 0 && q->type == NBD_CMD_WRITE)
			rc = stream_recv(c->st, q->data, q->n);
	}
	if (rc < 0) {
		request_free(q);
		return rc;
	}
	*ret = q;
	return 0;
}

static bool
room(const struct nbd_conn *c)
{
	return c->n_requests == 0 || (c->n_bytes < BYTES_MAX &&
	    c->n_requests < REQUESTS_MAX);
}

/* False: another thread reads now. */
static bool
make_room(struct nbd_conn *c, uint64_t me)
{
	bool is;

	pthread_mutex_lock(&c->mu);
	is = room(c);
	pthread_mutex_unlock(&c->mu);
	if (is)
		return true;
	if (!send_all(c, me))
		return false;
	pthread_mutex_lock(&c->mu);
	c->full = true;
	while (!room(c))
		pthread_cond_wait(&c->cv, &c->mu);
	c->full = false;
	pthread_mutex_unlock(&c->mu);
	return true;
}

/* Reads and serves; false: another thread reads now; true: the connection is
 * over. */
static bool
read_all(struct nbd_conn *c, uint64_t me)
{
	unsigned kept = 0;

	for (;;) {
		struct nbd_request *q;

		if (kept >= TOGETHER_MAX ||
		    !stream_pending(c->st, NBD_REQUEST_BYTES)) {
			kept = 0;
			if (!send_all(c, me))
				return false;
		}
		if (!make_room(c, me))
			return false;
		if (read_request(c, &q) < 0)
			return true;
		pthread_mutex_lock(&c->mu);
		c->n_requests++;
		c->n_bytes += q->n;
		pthread_mutex_unlock(&c->mu);
		kept++;
		if (!serve_one(c, q, me)) {
			if (c->front)
				link_push(c->s);
			flush_replies(c);
			return false;
		}
	}
}

static void
reader_leave(struct nbd_conn *c, bool over)
{
	if (over && c->front)
		front_gone(c->s, &c->fc);
	pthread_mutex_lock(&c->mu);
	c->n_readers--;
	if (over)
		c->ending = true;
	pthread_cond_broadcast(&c->cv);
	pthread_mutex_unlock(&c->mu);
}

static void *
reader_run(void *arg)
{
	struct nbd_conn *c = arg;
	uint64_t me;

	pthread_mutex_lock(&c->mu);
	me = c->reader;
	pthread_mutex_unlock(&c->mu);
	reader_leave(c, read_all(c, me));
	return NULL;
}

void
nbd_run(struct nbd_conn *c)
{
	c->n_readers = 1;
	watch_begin(c);
	(void)reader_run(c);
	pthread_mutex_lock(&c->mu);
	while (!c->ending || c->n_readers > 0 || c->n_requests > 0)
		pthread_cond_wait(&c->cv, &c->mu);
	pthread_mutex_unlock(&c->mu);
	if (c->front)
		link_push(c->s);
	watch_end(c);
	pthread_mutex_lock(&c->mu);
	pthread_cond_broadcast(&c->work_cv);
	while (c->n_workers > 0)
		pthread_cond_wait(&c->cv, &c->mu);
	pthread_mutex_unlock(&c->mu);
}
