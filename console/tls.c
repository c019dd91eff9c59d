/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/tls.c - TLS in front of plain byte streams
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "console/tls.h"

#define PUMP_BYTES	(16u * 1024)	/* one TLS record */
#define PRIO_CERT	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:" \
			"%SERVER_PRECEDENCE"
#define PRIO_PSK	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:" \
			"+DHE-PSK"

struct tls_cred {
	gnutls_certificate_credentials_t	cert;
	gnutls_psk_server_credentials_t		psk_server;
	gnutls_psk_client_credentials_t		psk_client;
	gnutls_priority_t			prio;
	char					user[64];
	uint8_t					key[CONF_PSK_MAX_BYTES];
	unsigned				n_key;
};

/* --- credentials ----------------------------------------------------------- */

struct tls_cred *
tls_cred_free(struct tls_cred *c)
{
	if (c == NULL)
		return NULL;
	if (c->cert != NULL)
		gnutls_certificate_free_credentials(c->cert);
	if (c->psk_server != NULL)
		gnutls_psk_free_server_credentials(c->psk_server);
	if (c->psk_client != NULL)
		gnutls_psk_free_client_credentials(c->psk_client);
	if (c->prio != NULL)
		gnutls_priority_deinit(c->prio);
	gnutls_memset(c->key, 0, sizeof(c->key));
	free(c);
	return NULL;
}

int
tls_cred_cert(const char *cert_file, const char *key_file,
    struct tls_cred **ret, struct av_err *err)
{
	struct tls_cred *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	r = gnutls_certificate_allocate_credentials(&c->cert);
	if (r >= 0)
		r = gnutls_certificate_set_x509_key_file(c->cert, cert_file,
		    key_file, GNUTLS_X509_FMT_PEM);
	if (r >= 0)
		r = gnutls_priority_init(&c->prio, PRIO_CERT, NULL);
	if (r < 0) {
		tls_cred_free(c);
		return av_err_set(err, -EINVAL, "certificate '%s', key '%s': "
		    "%s", cert_file, key_file, gnutls_strerror(r));
	}
	*ret = c;
	return 0;
}

/* GnuTLS asks for the key of the user that the client names. */
static int
psk_find(gnutls_session_t s, const char *user, gnutls_datum_t *key)
{
	const struct tls_cred *c = gnutls_session_get_ptr(s);

	if (strcmp(user, c->user) != 0)
		return -1;
	key->data = gnutls_malloc(c->n_key);
	if (key->data == NULL)
		return -1;
	memcpy(key->data, c->key, c->n_key);
	key->size = c->n_key;
	return 0;
}

int
tls_cred_psk(const char *user, const uint8_t *key, unsigned n_key,
    struct tls_cred **ret, struct av_err *err)
{
	struct tls_cred *c = calloc(1, sizeof(*c));
	gnutls_datum_t k;
	int r;

	if (c == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	memcpy(c->key, key, n_key);
	c->n_key = n_key;
	(void)snprintf(c->user, sizeof(c->user), "%s", user);
	k = (gnutls_datum_t){ .data = c->key, .size = n_key };
	r = gnutls_psk_allocate_server_credentials(&c->psk_server);
	if (r >= 0)
		r = gnutls_psk_allocate_client_credentials(&c->psk_client);
	if (r >= 0)
		r = gnutls_psk_set_client_credentials(c->psk_client, user, &k,
		    GNUTLS_PSK_KEY_RAW);
	if (r >= 0)
		r = gnutls_priority_init(&c->prio, PRIO_PSK, NULL);
	if (r < 0) {
		tls_cred_free(c);
		return av_err_set(err, -EINVAL, "shared key: %s",
		    gnutls_strerror(r));
	}
	gnutls_psk_set_server_credentials_function(c->psk_server, psk_find);
	*ret = c;
	return 0;
}

/* --- handshake -------------------------------------------------------------- */

/* Waits until 'fd' is ready as GnuTLS wishes.  0, -ETIMEDOUT, -ECANCELED. */
static int
tls_wait(gnutls_session_t s, int fd, int stop_fd, uint64_t end_ns)
{
	struct pollfd p[2] = {
		{ .fd = fd, .events = gnutls_record_get_direction(s) != 0 ?
		    POLLOUT : POLLIN },
		{ .fd = stop_fd, .events = POLLIN },
	};
	uint64_t now_ns = av_clock_ns();
	int r;

	if (now_ns >= end_ns)
		return -ETIMEDOUT;
	r = poll(p, 2, (int)((end_ns - now_ns) / AV_NS_PER_MS) + 1);
	if (r < 0 && errno != EINTR)
		return -errno;
	if (r > 0 && p[1].revents != 0)
		return -ECANCELED;
	return 0;
}

static bool
tls_again(ssize_t r)
{
	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED;
}

static int
tls_begin(struct tls_cred *c, int fd, int stop_fd, unsigned ms, unsigned side,
    gnutls_session_t *ret)
{
	uint64_t end_ns = av_clock_ns() + ms * AV_NS_PER_MS;
	gnutls_session_t s;
	int r, rc = 0;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	if (gnutls_init(&s, side | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
		return -ENOMEM;
	gnutls_session_set_ptr(s, c);
	r = gnutls_priority_set(s, c->prio);
	if (r >= 0 && c->cert != NULL)
		r = gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, c->cert);
	if (r >= 0 && c->cert == NULL)
		r = gnutls_credentials_set(s, GNUTLS_CRD_PSK,
		    (side & GNUTLS_SERVER) != 0 ? (void *)c->psk_server :
		    (void *)c->psk_client);
	if (r < 0)
		rc = -EINVAL;
	gnutls_transport_set_int(s, fd);
	while (rc == 0) {
		r = gnutls_handshake(s);
		if (r == GNUTLS_E_SUCCESS)
			break;
		if (tls_again(r))
			rc = tls_wait(s, fd, stop_fd, end_ns);
		else if (gnutls_error_is_fatal(r))
			rc = -EPROTO;
	}
	if (rc < 0) {
		gnutls_deinit(s);
		return rc;
	}
	*ret = s;
	return 0;
}

int
tls_accept(struct tls_cred *c, int fd, int stop_fd, unsigned ms,
    gnutls_session_t *ret)
{
	return tls_begin(c, fd, stop_fd, ms, GNUTLS_SERVER, ret);
}

int
tls_connect(struct tls_cred *c, int fd, int stop_fd, unsigned ms,
    gnutls_session_t *ret)
{
	return tls_begin(c, fd, stop_fd, ms, GNUTLS_CLIENT, ret);
}

int
tls_read_line(gnutls_session_t s, int fd, int stop_fd, unsigned ms, char *buf,
    size_t n)
{
	uint64_t end_ns = av_clock_ns() + ms * AV_NS_PER_MS;
	size_t at = 0;

	/* byte by byte: what follows the line belongs to the stream */
	while (at + 1 < n) {
		ssize_t r = gnutls_record_recv(s, buf + at, 1);

		if (tls_again(r)) {
			int rc = tls_wait(s, fd, stop_fd, end_ns);

			if (rc < 0)
				return rc;
			continue;
		}
		if (r <= 0)
			return -ECONNRESET;
		if (buf[at] == '\n') {
			buf[at] = '\0';
			return 0;
		}
		at++;
	}
	return -EMSGSIZE;
}

int
tls_write(gnutls_session_t s, int fd, int stop_fd, unsigned ms, const char *text)
{
	uint64_t end_ns = av_clock_ns() + ms * AV_NS_PER_MS;
	size_t n = strlen(text), at = 0;

	while (at < n) {
		ssize_t r = gnutls_record_send(s, text + at, n - at);

		if (r > 0) {
			at += (size_t)r;
		} else if (tls_again(r)) {
			int rc = tls_wait(s, fd, stop_fd, end_ns);

			if (rc < 0)
				return rc;
		} else {
			return -ECONNRESET;
		}
	}
	return 0;
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
