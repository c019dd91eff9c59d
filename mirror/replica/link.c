/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/link.c - the primary's connection to its peer
 *
 * One thread owns the libnbd handle.  Others queue jobs (mu) and wait on cv.
 *
 *   idle --primary, wants_connect--> tcp --> tls+nbd --> handshake --> up
 *    ^                                |          |           |         |
 *    '---- back-off ------------------'----------'-----------'--lost---'
 *
 * Lost: an error, or nothing heard for peer_timeout while something (at least a
 * ping) is outstanding.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mirror/replica/server.h"
#include "mirror/replica/tls.h"
#include "mirror/replica/window.h"

#define BACKOFF_MIN_NS	(5 * AV_NS_PER_MS)	/* doubled each time */
#define BACKOFF_MAX_NS	(200 * AV_NS_PER_MS)

struct link {
	struct srv	*s;
	struct nbd_handle *h;
	int		 wake_fd;
	struct link_job	 jobs;		/* list head; all not yet done */
	uint64_t	 heard_ns;	/* last completion, or quiet before */
	size_t		 n_out;		/* submitted, not done */
	struct link_job	 ping;
	uint8_t		 ping_msg[PROTO_BYTES];
	bool		 ping_out;
	uint64_t	 ping_due_ns;
	size_t		 addr;		/* last one that worked */
};

static uint64_t
timeout_ns(const struct srv *s)
{
	return s->p.peer_timeout_ms * AV_NS_PER_MS;
}

uint64_t
srv_mailbox_offset(const struct srv *s)
{
	return window_mailbox(s->layout_bytes);
}

void
link_wake(struct srv *s)
{
	uint64_t one = 1;

	pthread_mutex_lock(&s->mu);
	pthread_cond_broadcast(&s->cv);
	if (s->link != NULL)
		/* a full counter wakes as well */
		(void)!write(s->link->wake_fd, &one, sizeof(one));
	pthread_mutex_unlock(&s->mu);
}

/* --- jobs (mu held) --- */

static void
job_unlink(struct link_job *j)
{
	j->prev->next = j->next;
	j->next->prev = j->prev;
}

static void
job_link(struct link *l, struct link_job *j)
{
	j->l = l;
	j->done = j->submitted = false;
	j->prev = l->jobs.prev;
	j->next = &l->jobs;
	l->jobs.prev->next = j;
	l->jobs.prev = j;
}

static void
job_finish(struct link_job *j, int rc)
{
	job_unlink(j);
	j->rc = rc;
	j->done = true;
}

void
link_submit(struct srv *s, uint64_t count, struct link_job *j)
{
	uint64_t one = 1;

	if (count == 0 || s->link_count != count || s->link_drop) {
		j->done = true;
		j->rc = ENOTCONN;
		return;
	}
	job_link(s->link, j);
	(void)!write(s->link->wake_fd, &one, sizeof(one));
}

int
link_wait(struct srv *s, struct link_job *j)
{
	while (!j->done)
		pthread_cond_wait(&s->cv, &s->mu);
	return j->rc;
}

void
link_drop(struct srv *s, const char *code, const char *text)
{
	uint64_t one = 1;

	if (s->link_count == 0)
		return;
	s->link_drop = true;
	if (s->io_mode == IO_BOTH || s->io_mode == IO_PEER) {
		s->io_mode = IO_HOLD;
		s->primary_conn = MIRROR_HELD;
	}
	if (code[0] != '\0')
		srv_why(s, code, text);
	(void)!write(s->link->wake_fd, &one, sizeof(one));
	srv_changed(s);
}

int
link_talk(struct srv *s, uint64_t count, const struct proto_msg *m,
    struct proto_msg *ret_reply, struct av_err *err)
{
	uint8_t out[PROTO_BYTES], in[PROTO_BYTES];
	struct link_job jw = { .kind = LINK_WRITE, .wbuf = out,
		.n = sizeof(out), .offset = srv_mailbox_offset(s) };
	struct link_job jr = { .kind = LINK_READ, .rbuf = in,
		.n = sizeof(in), .offset = srv_mailbox_offset(s) };
	int rc;

	proto_encode(m, out);
	pthread_mutex_lock(&s->mu);
	link_submit(s, count, &jw);
	rc = link_wait(s, &jw);
	if (rc == 0) {
		link_submit(s, count, &jr);
		rc = link_wait(s, &jr);
	}
	pthread_mutex_unlock(&s->mu);
	if (rc != 0)
		return av_err_maybe(err, -rc, "the peer didn't answer");
	rc = proto_decode(in, sizeof(in), ret_reply);
	if (rc < 0)
		return av_err_maybe(err, rc, "the peer's answer is damaged");
	if (ret_reply->rc != 0)
		return av_err_code(err, -(int)ret_reply->rc,
		    strcmp(ret_reply->code, "disk-error") == 0 ?
		    "peer-disk-error" : ret_reply->code,
		    "the peer refuses: %.150s", ret_reply->text);
	return 0;
}

/* --- libnbd (link thread alone) --- */

static int
job_completed(void *arg, int *error)
{
	struct link_job *j = arg;
	struct link *l = j->l;

	pthread_mutex_lock(&l->s->mu);
	l->n_out--;
	l->heard_ns = l->s->peer_seen_ns = av_clock_ns();
	job_finish(j, *error);
	if (j == &l->ping)
		l->ping_out = false;
	/* A request that the peer couldn't do is a peer lost: whoever waits
	 * starts again once it is decided how to go on. */
	if (*error == ESHUTDOWN)
		link_drop(l->s, "session-ended", "the peer ended the session");
	else if (*error == EIO && j->kind == LINK_READ &&
	    j->offset < l->s->leg->sb.size_bytes)
		;	/* of data: neither leg has it; writes go on */
	else if (*error != 0)
		link_drop(l->s, "peer-disk-error",
		    "the peer couldn't do a request");
	pthread_cond_broadcast(&l->s->cv);
	pthread_mutex_unlock(&l->s->mu);
	return 1;	/* retire the command */
}

static int
job_send(struct link *l, struct link_job *j)
{
	nbd_completion_callback cb = { .callback = job_completed,
		.user_data = j };
	uint32_t flags = j->fua ? LIBNBD_CMD_FLAG_FUA : 0;
	int64_t r = -1;

	switch (j->kind) {
	case LINK_WRITE:
		r = nbd_aio_pwrite(l->h, j->wbuf, j->n, j->offset, cb, flags);
		break;
	case LINK_ZERO:
		r = nbd_aio_zero(l->h, j->n, j->offset, cb, flags);
		break;
	case LINK_TRIM:	/* a peer of an older version only zeroes */
		r = nbd_can_trim(l->h) == 1 ? nbd_aio_trim(l->h, j->n,
		    j->offset, cb, flags) :
		    nbd_aio_zero(l->h, j->n, j->offset, cb, flags);
		break;
	case LINK_FLUSH:
		r = nbd_aio_flush(l->h, cb, 0);
		break;
	case LINK_READ:
		r = nbd_aio_pread(l->h, j->rbuf, j->n, j->offset, cb, 0);
		break;
	}
	return r < 0 ? -EIO : 0;
}

/* Sends what is queued.  A job that completes inside libnbd's call is gone
 * afterwards, so the walk starts again each time. */
static int
send_queued(struct link *l)
{
	struct srv *s = l->s;
	struct link_job *j;
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	for (j = l->jobs.next; rc == 0 && j != &l->jobs; ) {
		if (j->submitted) {
			j = j->next;
			continue;
		}
		j->submitted = true;
		j->since_ns = av_clock_ns();
		if (l->n_out++ == 0)
			l->heard_ns = j->since_ns;
		pthread_mutex_unlock(&s->mu);
		rc = job_send(l, j);
		pthread_mutex_lock(&s->mu);
		j = l->jobs.next;
	}
	pthread_mutex_unlock(&s->mu);
	return rc;
}

static bool
silent(struct link *l)
{
	uint64_t now = av_clock_ns(), limit = timeout_ns(l->s);
	bool is = false;

	pthread_mutex_lock(&l->s->mu);
	if (l->n_out > 0)
		is = now - l->heard_ns > limit;
	if (l->jobs.next != &l->jobs && l->jobs.next->submitted)
		is = is || now - l->jobs.next->since_ns >
		    limit * SRV_SILENCE_FACTOR;
	pthread_mutex_unlock(&l->s->mu);
	return is;
}

/* One turn: send, poll, let libnbd read and write.  -errno = connection gone. */
static int
pump(struct link *l, int timeout_ms)
{
	struct pollfd p[2] = { { .fd = nbd_aio_get_fd(l->h) },
		{ .fd = l->wake_fd, .events = POLLIN } };
	unsigned dir;
	uint64_t count;
	int r = 0;

	if (send_queued(l) < 0 || nbd_aio_is_dead(l->h) ||
	    nbd_aio_is_closed(l->h))
		return -ECONNRESET;
	dir = nbd_aio_get_direction(l->h);
	if (dir & LIBNBD_AIO_DIRECTION_READ)
		p[0].events |= POLLIN;
	if (dir & LIBNBD_AIO_DIRECTION_WRITE)
		p[0].events |= POLLOUT;
	if (poll(p, 2, timeout_ms) < 0 && errno != EINTR)
		return -errno;
	if (p[1].revents & POLLIN)
		(void)!read(l->wake_fd, &count, sizeof(count));
	dir = nbd_aio_get_direction(l->h);
	if ((p[0].revents & (POLLIN | POLLHUP | POLLERR)) &&
	    (dir & LIBNBD_AIO_DIRECTION_READ))
		r = nbd_aio_notify_read(l->h);
	else if ((p[0].revents & POLLOUT) &&
	    (dir & LIBNBD_AIO_DIRECTION_WRITE))
		r = nbd_aio_notify_write(l->h);
	else if (p[0].revents & (POLLERR | POLLNVAL))
		r = -1;
	if (r < 0 || nbd_aio_is_dead(l->h) || nbd_aio_is_closed(l->h))
		return -ECONNRESET;
	return silent(l) ? -ETIMEDOUT : 0;
}

static int
tcp_connect(const struct srv *s, const char *addr)
{
	AUTO_FD int fd = -1;
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(s->p.peer_port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
		.sin_port = htons(s->p.peer_port) };
	bool is4 = inet_pton(AF_INET, addr, &a4.sin_addr) == 1;
	struct pollfd p = { .events = POLLOUT };
	socklen_t n = sizeof(int);
	int r, e = 0, one = 1;

	if (!is4 && inet_pton(AF_INET6, addr, &a6.sin6_addr) != 1)
		return -EINVAL;
	fd = socket(is4 ? AF_INET : AF_INET6,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = is4 ? connect(fd, (struct sockaddr *)&a4, sizeof(a4)) :
	    connect(fd, (struct sockaddr *)&a6, sizeof(a6));
	if (r < 0 && errno != EINPROGRESS)
		return -errno;
	p.fd = fd;
	r = poll(&p, 1, (int)s->p.peer_timeout_ms);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0 || e != 0)
		return e != 0 ? -e : -errno;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* The peer's volume may be of another size until both have grown. */
static int
find_layout(struct srv *s, uint64_t export_bytes)
{
	uint64_t own = s->leg->sb.size_bytes, found;
	bool digests = true;

	if (export_bytes == window_export_old(own))
		digests = false;
	else if (export_bytes != window_export(own)) {
		if (!window_find(export_bytes, &found))
			return -EPROTO;
		own = found;
	}
	pthread_mutex_lock(&s->mu);
	s->layout_bytes = own;
	s->peer_digests = digests;
	pthread_mutex_unlock(&s->mu);
	return 0;
}

static int
nbd_setup(struct link *l, int tcp_fd)
{
	struct srv *s = l->s;
	uint64_t due = av_clock_ns() + timeout_ns(s);
	int fd = -1;

	l->h = nbd_create();
	if (l->h == NULL) {
		(void)close(tcp_fd);
		return -ENOMEM;
	}
	if (tls_client(s->keys, tcp_fd, &fd) < 0)
		return -ECONNABORTED;
	if (nbd_set_export_name(l->h, "peer") < 0 ||
	    nbd_aio_connect_socket(l->h, fd) < 0) {
		(void)close(fd);	/* was not taken over */
		return -ECONNABORTED;
	}
	while (!nbd_aio_is_ready(l->h)) {
		if (pump(l, 50) < 0)
			return tls_key_refused(s->keys) ? -EKEYREJECTED :
			    -ECONNREFUSED;
		if (av_clock_ns() > due)
			return -ETIMEDOUT;
	}
	return find_layout(s, (uint64_t)nbd_get_size(l->h));
}

static void
teardown(struct link *l)
{
	struct srv *s = l->s;

	/* After the close nothing touches the jobs' buffers any more. */
	nbd_close(l->h);
	l->h = NULL;
	pthread_mutex_lock(&s->mu);
	while (l->jobs.next != &l->jobs)
		job_finish(l->jobs.next, ENOTCONN);
	l->n_out = 0;
	l->ping_out = false;
	s->link_count = 0;
	s->link_drop = false;
	s->resync_on = false;
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
}

/* --- connect -> handshake -> up --- */

static int
run_job(void *arg, struct link_job *j)
{
	struct link *l = arg;
	int rc = 0;
	bool done;

	pthread_mutex_lock(&l->s->mu);
	job_link(l, j);
	pthread_mutex_unlock(&l->s->mu);
	do {
		rc = pump(l, 50);
		pthread_mutex_lock(&l->s->mu);
		done = j->done;
		if (rc < 0 && !done)
			job_finish(j, ENOTCONN);
		pthread_mutex_unlock(&l->s->mu);
	} while (rc == 0 && !done);
	return done ? -j->rc : rc;
}

static void
failed(struct srv *s, const char *what, int rc)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "%s: %s", what, strerror(-rc));
	pthread_mutex_lock(&s->mu);
	if (rc == -EKEYREJECTED && s->role == MIRROR_PRIMARY)
		srv_why(s, "peer-key", "the peer refused this PM's key: the "
		    "key files of the two PMs differ");
	else if (s->role == MIRROR_PRIMARY &&
	    s->primary_conn != MIRROR_SPLIT)
		srv_why(s, "peer-unreachable", text);
	pthread_mutex_unlock(&s->mu);
}

static int
connect_any(struct link *l)
{
	struct srv *s = l->s;
	size_t i;
	int rc = -ENOTCONN;

	for (i = 0; i < s->p.n_peer_addrs; i++) {
		size_t at = (l->addr + i) % s->p.n_peer_addrs;
		int fd = tcp_connect(s, s->p.peer_addrs[at]);

		rc = fd < 0 ? fd : nbd_setup(l, fd);
		if (rc == 0) {
			l->addr = at;
			return 0;
		}
		if (fd >= 0)
			teardown(l);
	}
	failed(s, "no connection to the peer", rc);
	return rc;
}

static bool
wanted(const struct srv *s)
{
	return s->role == MIRROR_PRIMARY && s->io_mode != IO_REFUSE &&
	    s->wants_connect && !s->stopping;
}

static int
shake_hands(struct link *l)
{
	struct srv *s = l->s;
	struct av_err err = { 0 };
	bool go;
	int rc;

	/* An order comes first; the next try sees its outcome. */
	if (pthread_mutex_trylock(&s->order_mu) != 0)
		return -EAGAIN;
	pthread_mutex_lock(&s->mu);
	go = wanted(s);
	pthread_mutex_unlock(&s->mu);
	rc = go ? handshake(s, run_job, l, &err) : -ECANCELED;
	if (rc == 0)
		l->ping_due_ns = av_clock_ns();
	pthread_mutex_unlock(&s->order_mu);
	if (rc < 0 && go) {
		pthread_mutex_lock(&s->mu);
		srv_why(s, err.code[0] != '\0' ? err.code :
		    "peer-unreachable", err.text);
		pthread_mutex_unlock(&s->mu);
	}
	return rc;
}

static void
ping(struct link *l)
{
	struct srv *s = l->s;
	struct proto_msg m = { .type = PROTO_PING };
	uint64_t now = av_clock_ns();

	if (l->ping_out || now < l->ping_due_ns)
		return;
	pthread_mutex_lock(&s->mu);
	m.node = s->p.node;
	m.dirty_chunks = s->resync_on ?
	    s->resync_total - s->resync_copied : 0;
	m.size_bytes = s->resync_total;
	proto_encode(&m, l->ping_msg);
	l->ping = (struct link_job){ .kind = LINK_WRITE, .wbuf = l->ping_msg,
		.n = PROTO_BYTES, .offset = srv_mailbox_offset(s) };
	job_link(l, &l->ping);
	l->ping_out = true;
	l->ping_due_ns = now + timeout_ns(s) / 3;
	pthread_mutex_unlock(&s->mu);
}

static void
run_up(struct link *l)
{
	struct srv *s = l->s;
	int rc = 0, step = (int)s->p.peer_timeout_ms / 6 + 1;
	bool drop = false;

	while (rc == 0 && !drop) {
		ping(l);
		rc = pump(l, step);
		pthread_mutex_lock(&s->mu);
		drop = s->link_drop;
		pthread_mutex_unlock(&s->mu);
	}
	pthread_mutex_lock(&s->mu);
	if (rc < 0 && !s->link_drop)
		link_drop(s, "peer-lost", rc == -ETIMEDOUT ?
		    "the peer is silent" :
		    "the connection to the peer broke");
	pthread_mutex_unlock(&s->mu);
}

void *
link_thread(void *arg)
{
	struct srv *s = arg;
	struct link *l = calloc(1, sizeof(*l));	/* as long as the process */
	uint64_t backoff_ns = BACKOFF_MIN_NS, due, role = 0, up_ns;

	AV_ASSERT(l != NULL);
	l->s = s;
	l->jobs.next = l->jobs.prev = &l->jobs;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	AV_ASSERT(l->wake_fd >= 0);
	pthread_mutex_lock(&s->mu);
	s->link = l;
	while (!s->stopping) {
		if (!wanted(s)) {
			pthread_cond_wait(&s->cv, &s->mu);
			continue;
		}
		if (s->role_count != role)
			backoff_ns = BACKOFF_MIN_NS;	/* a guest waits */
		role = s->role_count;
		pthread_mutex_unlock(&s->mu);
		if (connect_any(l) == 0) {
			up_ns = av_clock_ns();
			if (shake_hands(l) == 0)
				run_up(l);
			if (av_clock_ns() - up_ns > AV_NS_PER_S)
				backoff_ns = BACKOFF_MIN_NS;
			teardown(l);
		}
		pthread_mutex_lock(&s->mu);
		due = av_clock_ns() + backoff_ns;
		backoff_ns = 2 * backoff_ns < BACKOFF_MAX_NS ?
		    2 * backoff_ns : BACKOFF_MAX_NS;
		while (wanted(s) && srv_wait_until(s, due))
			;
	}
	pthread_mutex_unlock(&s->mu);
	return NULL;
}
