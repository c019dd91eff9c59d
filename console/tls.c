/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/tls.c - moves bytes between TLS and a plain socket
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "console/tls.h"

#define PUMP_BYTES	(16u * 1024)	/* one TLS record */

static bool
tls_again(ssize_t r)
{
	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED;
}

/* --- pump -------------------------------------------------------------------- */

/* One direction: source -> buf -> sink. */
struct flow {
	uint8_t	buf[PUMP_BYTES];
	size_t	n, at;		/* buf[at..n) waits for the sink */
	bool	ended;		/* the source is at its end */
	bool	closed;		/* ... and the sink has been told */
};

struct pump {
	gnutls_session_t s;
	int		 fd, plain;
	struct flow	 in;	/* TLS -> plain */
	struct flow	 out;	/* plain -> TLS */
	/* the plain side reads no more (it may have answered a request that it
	 * didn't read to the end): what comes is dropped, the answer still goes */
	bool		 deaf;
	uint64_t	 end_ns;	/* of lingering; 0 = not yet */
};

/* All steps: > 0 moved something, 0 nothing to do now, -errno broken. */
static int
in_read(struct pump *p)
{
	ssize_t r;

	if (p->in.ended || p->in.n > 0)
		return 0;
	r = gnutls_record_recv(p->s, p->in.buf, PUMP_BYTES);
	if (tls_again(r) || r == GNUTLS_E_HEARTBEAT_PING_RECEIVED)
		return 0;
	if (r == 0 || r == GNUTLS_E_PREMATURE_TERMINATION) {
		p->in.ended = true;
		return 1;
	}
	if (r < 0)		/* renegotiation too: nobody needs it */
		return -ECONNRESET;
	p->in.n = (size_t)r;
	return 1;
}

static int
in_write(struct pump *p)
{
	ssize_t r;

	if (p->in.n == 0) {
		if (p->in.ended && !p->in.closed) {
			(void)shutdown(p->plain, SHUT_WR);
			p->in.closed = true;
			return 1;
		}
		return 0;
	}
	if (p->deaf) {
		p->in.n = p->in.at = 0;
		return 1;
	}
	r = send(p->plain, p->in.buf + p->in.at, p->in.n - p->in.at,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (r < 0) {
		p->deaf = true;
		return 1;
	}
	p->in.at += (size_t)r;
	if (p->in.at == p->in.n)
		p->in.n = p->in.at = 0;
	return 1;
}

static int
out_read(struct pump *p)
{
	ssize_t r;

	if (p->out.ended || p->out.n > 0)
		return 0;
	r = recv(p->plain, p->out.buf, PUMP_BYTES, MSG_DONTWAIT);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (r <= 0)
		p->out.ended = true;
	else
		p->out.n = (size_t)r;
	return 1;
}

static int
out_write(struct pump *p)
{
	ssize_t r;

	if (p->out.n == 0) {
		if (!p->out.ended || p->out.closed)
			return 0;
		r = gnutls_bye(p->s, GNUTLS_SHUT_WR);
		if (tls_again(r))
			return 0;
		(void)shutdown(p->fd, SHUT_WR);
		p->out.closed = true;
		p->deaf = true;
		p->end_ns = av_clock_ns() + TLS_LINGER_MS * AV_NS_PER_MS;
		return 1;
	}
	/* after AGAIN the same bytes must be offered again: they are */
	r = gnutls_record_send(p->s, p->out.buf + p->out.at,
	    p->out.n - p->out.at);
	if (tls_again(r))
		return 0;
	if (r < 0)
		return -ECONNRESET;
	p->out.at += (size_t)r;
	if (p->out.at == p->out.n)
		p->out.n = p->out.at = 0;
	return 1;
}

/* What poll has to wait for, by the state of both flows. */
static int
pump_wait(struct pump *p, int stop_fd)
{
	struct pollfd f[3] = {
		{ .fd = p->fd }, { .fd = p->plain },
		{ .fd = stop_fd, .events = POLLIN },
	};
	int ms = -1, r;

	if (!p->in.ended && p->in.n == 0)
		f[0].events |= POLLIN;
	if (p->out.n > 0 || (p->out.ended && !p->out.closed))
		f[0].events |= POLLOUT;
	if (p->in.n > 0)
		f[1].events |= POLLOUT;
	if (!p->out.ended && p->out.n == 0)
		f[1].events |= POLLIN;
	/* an fd that we wait nothing from would report its hang-up for ever */
	if (f[0].events == 0)
		f[0].fd = -1;
	if (f[1].events == 0)
		f[1].fd = -1;
	if (p->end_ns != 0) {
		uint64_t now_ns = av_clock_ns();

		if (now_ns >= p->end_ns)
			return -ETIMEDOUT;
		ms = (int)((p->end_ns - now_ns) / AV_NS_PER_MS) + 1;
	}
	r = poll(f, 3, ms);
	if (r < 0 && errno != EINTR)
		return -errno;
	return r > 0 && f[2].revents != 0 ? -ECANCELED : 0;
}

void
tls_pump(gnutls_session_t s, int fd, int plain, int stop_fd)
{
	static int (*const steps[])(struct pump *) = {
		in_read, in_write, out_read, out_write,
	};
	struct pump *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return;
	p->s = s;
	p->fd = fd;
	p->plain = plain;
	while (!(p->in.closed && p->out.closed)) {
		int moved = 0, rc = 0;
		size_t i;

		for (i = 0; i < 4 && rc >= 0; i++) {
			rc = steps[i](p);
			moved |= rc > 0;
		}
		if (rc >= 0 && !moved)
			rc = pump_wait(p, stop_fd);
		if (rc < 0)
			break;
	}
	gnutls_memset(p, 0, sizeof(*p));
	free(p);
}
