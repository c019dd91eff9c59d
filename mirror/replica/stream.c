/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/stream.c - see stream.h
 */
#include "mirror/replica/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "base/clock.h"
#include "base/log.h"

#define RECORD_BYTES	16384u		/* of TLS, at most */
#define IN_BYTES	65536u
#define DIRECT_BYTES	16384u		/* so much isn't copied before */
#define OUT_BYTES	(6 * RECORD_BYTES)
#define OUT_ENOUGH	(4 * RECORD_BYTES)

struct stream {
	int		fd;
	gnutls_session_t tls;		/* NULL = plain */
	bool		shaking;
	uint64_t	due_ns;
	/* who receives */
	uint8_t		*in;		/* as they came from the socket */
	size_t		in_at, in_n;
	/* who sends */
	uint8_t		*record;	/* of the next record, TLS only */
	size_t		record_n;
	uint8_t		*out;		/* as they go to the socket */
	size_t		out_n;
};

struct stream *
stream_new(int fd)
{
	struct stream *st = calloc(1, sizeof(*st));

	if (st == NULL) {
		(void)close(fd);
		return NULL;
	}
	st->fd = fd;
	st->in = malloc(IN_BYTES);
	st->out = malloc(OUT_BYTES);
	if (st->in == NULL || st->out == NULL)
		return stream_free(st);
	return st;
}

struct stream *
stream_free(struct stream *st)
{
	if (st != NULL) {
		if (st->tls != NULL)
			gnutls_deinit(st->tls);
		(void)close(st->fd);	/* a socket */
		free(st->in);
		free(st->out);
		free(st->record);
		free(st);
	}
	return NULL;
}

int
stream_fd(const struct stream *st)
{
	return st->fd;
}

void
stream_shutdown(struct stream *st)
{
	(void)shutdown(st->fd, SHUT_RDWR);
}

void
stream_deadline(struct stream *st, uint64_t ns)
{
	st->due_ns = ns;
}

/* --- the socket --- */

static int
wait_ready(struct stream *st, short events)
{
	struct pollfd p = { .fd = st->fd, .events = events };
	uint64_t now;
	int r;

	if (st->due_ns == 0)
		return 0;
	now = av_clock_ns();
	if (now >= st->due_ns)
		return -ETIMEDOUT;
	r = poll(&p, 1, (int)((st->due_ns - now) / AV_NS_PER_MS) + 1);
	if (r < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* Some bytes: their number, or -errno. */
static ssize_t
socket_recv(struct stream *st, void *buf, size_t n)
{
	int flags = st->due_ns != 0 ? MSG_DONTWAIT : 0;

	for (;;) {
		ssize_t r;
		int rc = wait_ready(st, POLLIN);

		if (rc < 0)
			return rc;
		r = recv(st->fd, buf, n, flags);
		if (r > 0)
			return r;
		if (r == 0)
			return -ECONNRESET;
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}

static int
socket_send(struct stream *st, struct iovec *v, size_t n_v)
{
	int flags = MSG_NOSIGNAL | (st->due_ns != 0 ? MSG_DONTWAIT : 0);
	struct msghdr m = { .msg_iov = v, .msg_iovlen = n_v };

	while (m.msg_iovlen > 0) {
		ssize_t r;
		int rc = wait_ready(st, POLLOUT);

		if (rc < 0)
			return rc;
		r = sendmsg(st->fd, &m, flags);
		if (r < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		for (; r > 0 && (size_t)r >= m.msg_iov->iov_len;
		    m.msg_iov++, m.msg_iovlen--)
			r -= (ssize_t)m.msg_iov->iov_len;
		if (r > 0) {
			m.msg_iov->iov_base = (uint8_t *)m.msg_iov->iov_base +
			    r;
			m.msg_iov->iov_len -= (size_t)r;
		}
		while (m.msg_iovlen > 0 && m.msg_iov->iov_len == 0) {
			m.msg_iov++;
			m.msg_iovlen--;
		}
	}
	return 0;
}

static int
out_send(struct stream *st)
{
	struct iovec v = { st->out, st->out_n };

	if (st->out_n == 0)
		return 0;
	st->out_n = 0;
	return socket_send(st, &v, 1);
}

/* --- raw bytes, buffered --- */

static ssize_t
raw_recv(struct stream *st, void *buf, size_t n)
{
	ssize_t r;

	if (st->in_n == 0) {
		if (n >= DIRECT_BYTES)
			return socket_recv(st, buf, n);
		r = socket_recv(st, st->in, IN_BYTES);
		if (r < 0)
			return r;
		st->in_at = 0;
		st->in_n = (size_t)r;
	}
	if (n > st->in_n)
		n = st->in_n;
	memcpy(buf, st->in + st->in_at, n);
	st->in_at += n;
	st->in_n -= n;
	return (ssize_t)n;
}

static int
raw_send(struct stream *st, const void *buf, size_t n)
{
	struct iovec v[2] = { { st->out, st->out_n }, { (void *)(uintptr_t)buf, n } };
	int rc = 0;

	if (n >= DIRECT_BYTES && st->tls == NULL) {
		st->out_n = 0;
		return v[0].iov_len > 0 ? socket_send(st, v, 2) :
		    socket_send(st, v + 1, 1);
	}
	if (n > OUT_BYTES - st->out_n)
		rc = out_send(st);
	if (rc < 0)
		return rc;
	if (n > OUT_BYTES)
		return socket_send(st, v + 1, 1);
	memcpy(st->out + st->out_n, buf, n);
	st->out_n += n;
	return st->out_n >= OUT_ENOUGH ? out_send(st) : 0;
}

/* --- TLS --- */

static ssize_t
tls_pull(gnutls_transport_ptr_t ptr, void *buf, size_t n)
{
	struct stream *st = ptr;
	ssize_t r = st->shaking ? out_send(st) : 0;

	if (r == 0)
		r = raw_recv(st, buf, n);
	if (r < 0) {
		gnutls_transport_set_errno(st->tls, r == -ECONNRESET ?
		    ECONNRESET : EIO);
		return r == -ECONNRESET ? 0 : -1;
	}
	return r;
}

static ssize_t
tls_push(gnutls_transport_ptr_t ptr, const void *buf, size_t n)
{
	struct stream *st = ptr;

	if (raw_send(st, buf, n) < 0) {
		gnutls_transport_set_errno(st->tls, EIO);
		return -1;
	}
	return (ssize_t)n;
}

int
stream_start_tls(struct stream *st, gnutls_session_t session)
{
	int r;

	st->tls = session;
	st->record = malloc(RECORD_BYTES);
	if (st->record == NULL)
		return -ENOMEM;
	gnutls_transport_set_ptr(session, st);
	gnutls_transport_set_pull_function(session, tls_pull);
	gnutls_transport_set_push_function(session, tls_push);
	st->shaking = true;
	do {
		r = gnutls_handshake(session);
	} while (r != 0 && !gnutls_error_is_fatal(r) &&
	    (st->due_ns == 0 || av_clock_ns() < st->due_ns));
	if (r != 0) {
		log_info("tls", "handshake: %s", gnutls_strerror(r));
		/* as it goes: so that the other side can say why */
		if (gnutls_error_is_fatal(r))
			(void)gnutls_alert_send_appropriate(session, r);
	}
	if (out_send(st) < 0 || r != 0)
		return r == GNUTLS_E_FATAL_ALERT_RECEIVED ? -EKEYREJECTED :
		    -ECONNREFUSED;
	st->shaking = false;
	return 0;
}

static int
record_send(struct stream *st, const uint8_t *buf, size_t n)
{
	while (n > 0) {
		ssize_t r = gnutls_record_send(st->tls, buf,
		    n < RECORD_BYTES ? n : RECORD_BYTES);

		if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
			continue;	/* after a key update */
		if (r <= 0)
			return -ECONNRESET;
		buf += r;
		n -= (size_t)r;
	}
	return 0;
}

static int
record_end(struct stream *st)
{
	size_t n = st->record_n;

	st->record_n = 0;
	return record_send(st, st->record, n);
}

static int
tls_send(struct stream *st, const uint8_t *buf, size_t n)
{
	int rc = 0;

	if (n > 0 && (n >= DIRECT_BYTES || n > RECORD_BYTES - st->record_n))
		rc = record_end(st);
	if (rc == 0 && n >= DIRECT_BYTES)
		return record_send(st, buf, n);
	if (rc < 0)
		return rc;
	memcpy(st->record + st->record_n, buf, n);
	st->record_n += n;
	return 0;
}

/* --- both --- */

int
stream_recv(struct stream *st, void *buf, size_t n)
{
	uint8_t *at = buf;

	while (n > 0) {
		ssize_t r = st->tls == NULL ? raw_recv(st, at, n) :
		    gnutls_record_recv(st->tls, at, n);

		if (st->tls != NULL && (r == GNUTLS_E_AGAIN ||
		    r == GNUTLS_E_INTERRUPTED))
			continue;	/* a message of TLS itself */
		if (r <= 0)
			return st->tls == NULL && r < 0 ? (int)r : -ECONNRESET;
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

bool
stream_pending(const struct stream *st, size_t n)
{
	size_t have = st->in_n;

	/* what is left of TLS's framing is more than is counted here */
	if (st->tls != NULL)
		have += gnutls_record_check_pending(st->tls);
	return have >= n;
}

int
stream_send(struct stream *st, const void *buf, size_t n)
{
	return st->tls == NULL ? raw_send(st, buf, n) : tls_send(st, buf, n);
}

int
stream_flush(struct stream *st)
{
	int rc = st->tls != NULL ? record_end(st) : 0;

	return rc < 0 ? rc : out_send(st);
}
