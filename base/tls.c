/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/tls.c - TLS on a socket, for a thread that waits
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/tls.h"

#define PRIO_CERT	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:" \
			"%SERVER_PRECEDENCE"
#define PRIO_PSK	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:" \
			"+DHE-PSK"

struct av_tls_cred {
	gnutls_certificate_credentials_t	cert;
	gnutls_psk_server_credentials_t		psk_server;
	gnutls_psk_client_credentials_t		psk_client;
	gnutls_priority_t			prio;
	char					user[64];
	uint8_t					key[AV_TLS_PSK_MAX_BYTES];
	unsigned				n_key;
	atomic_bool				asked;	/* a client named a user */
};

/* --- credentials ----------------------------------------------------------- */

struct av_tls_cred *
av_tls_cred_free(struct av_tls_cred *c)
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
av_tls_cred_cert(const char *cert_file, const char *key_file,
    struct av_tls_cred **ret, struct av_err *err)
{
	struct av_tls_cred *c = calloc(1, sizeof(*c));
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
		av_tls_cred_free(c);
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
	struct av_tls_cred *c = gnutls_session_get_ptr(s);

	c->asked = true;
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
av_tls_cred_psk(const char *user, const uint8_t *key, unsigned n_key,
    struct av_tls_cred **ret, struct av_err *err)
{
	struct av_tls_cred *c = calloc(1, sizeof(*c));
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
		av_tls_cred_free(c);
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

/* A key that the other end doesn't have shows as a proof that doesn't hold
 * (server) or as the server's alert (client). */
static int
why_not(const struct av_tls_cred *c, int r, unsigned side)
{
	if (r == GNUTLS_E_PREMATURE_TERMINATION || r == GNUTLS_E_PULL_ERROR ||
	    r == GNUTLS_E_PUSH_ERROR)
		return -ECONNRESET;
	if (c->cert != NULL)
		return -EPROTO;
	if ((side & GNUTLS_SERVER) != 0)
		return c->asked ? -EKEYREJECTED : -EPROTO;
	return r == GNUTLS_E_FATAL_ALERT_RECEIVED ? -EKEYREJECTED : -EPROTO;
}

static int
tls_begin(struct av_tls_cred *c, int fd, int stop_fd, unsigned ms, unsigned side,
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
	c->asked = false;
	while (rc == 0) {
		r = gnutls_handshake(s);
		if (r == GNUTLS_E_SUCCESS)
			break;
		if (tls_again(r))
			rc = tls_wait(s, fd, stop_fd, end_ns);
		else if (gnutls_error_is_fatal(r)) {
			/* or the other end would see no more than our hang-up */
			(void)gnutls_alert_send_appropriate(s, r);
			rc = why_not(c, r, side);
		}
	}
	if (rc < 0) {
		gnutls_deinit(s);
		return rc;
	}
	*ret = s;
	return 0;
}

int
av_tls_accept(struct av_tls_cred *c, int fd, int stop_fd, unsigned ms,
    gnutls_session_t *ret)
{
	return tls_begin(c, fd, stop_fd, ms, GNUTLS_SERVER, ret);
}

int
av_tls_connect(struct av_tls_cred *c, int fd, int stop_fd, unsigned ms,
    gnutls_session_t *ret)
{
	return tls_begin(c, fd, stop_fd, ms, GNUTLS_CLIENT, ret);
}

int
av_tls_read_line(gnutls_session_t s, int fd, int stop_fd, unsigned ms, char *buf,
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
av_tls_read(gnutls_session_t s, int fd, int stop_fd, unsigned ms, void *buf,
    size_t n)
{
	uint64_t end_ns = av_clock_ns() + ms * AV_NS_PER_MS;

	for (;;) {
		ssize_t r = gnutls_record_recv(s, buf, n);
		int rc;

		if (r > 0)
			return (int)r;
		if (!tls_again(r))
			return -ECONNRESET;
		rc = tls_wait(s, fd, stop_fd, end_ns);
		if (rc < 0)
			return rc;
	}
}

int
av_tls_write_all(gnutls_session_t s, int fd, int stop_fd, unsigned ms,
    const void *data, size_t n)
{
	uint64_t end_ns = av_clock_ns() + ms * AV_NS_PER_MS;
	size_t at = 0;

	while (at < n) {
		ssize_t r = gnutls_record_send(s, (const char *)data + at,
		    n - at);

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

int
av_tls_write(gnutls_session_t s, int fd, int stop_fd, unsigned ms,
    const char *text)
{
	return av_tls_write_all(s, fd, stop_fd, ms, text, strlen(text));
}
