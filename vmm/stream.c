/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/stream.c - see stream.h
 */
#include "vmm/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/file.h"

/* As the mirror's (mirror/replica/tls.c): AES, which processors have. */
#define PRIORITY	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:" \
			"-CHACHA20-POLY1305:+ECDHE-PSK:+DHE-PSK"
#define SHAKE_MS	10000u
#define CONNECT_S	10
#define DEAD_MS		20000u	/* nothing acknowledged for so long: broken */
#define KEY_FILE_MAX	4096u
#define PIECE_BYTES	(16u * 1024)	/* of a TLS record */
/* What is under way: enough for 10 Gbit/s between neighbours, and little enough that the
 * guest, which stands while the last of it is taken, doesn't wait for old pages. */
#define UNDER_WAY_BYTES	(512 * 1024)
#define DONE_BYTE	'K'

struct stream {
	bool		 tls;
	gnutls_psk_server_credentials_t server;
	gnutls_psk_client_credentials_t client;
	gnutls_session_t session;
	int		 listener;
	int		 net;
	int		 ours;		/* the pump's end of the pair */
	int		 theirs;	/* libxl's */
	bool		 out;
	bool		 pumping;
	pthread_t	 pump;
	pthread_mutex_t	 lock;		/* of 'broken' and what it shuts down */
	bool		 broken;
	_Atomic uint64_t bytes;
};

/* ---------------------------------- keys ---------------------------------- */

static int
keys_read(struct stream *s, const char *file, struct av_err *err)
{
	AUTO_FREE char *text = NULL;
	gnutls_datum_t key;
	char *colon;
	size_t n;
	int rc;

	if (gnutls_psk_allocate_server_credentials(&s->server) != 0 ||
	    gnutls_psk_allocate_client_credentials(&s->client) != 0)
		return av_err_set(err, -ENOMEM, "no memory");
	rc = av_file_read(file, KEY_FILE_MAX, &text, &n, err);
	if (rc < 0)
		return rc;
	text[strcspn(text, "\r\n")] = '\0';
	colon = strchr(text, ':');
	rc = -EINVAL;
	if (colon != NULL) {
		*colon = '\0';
		key.data = (unsigned char *)colon + 1;
		key.size = (unsigned)strlen(colon + 1);
		if (key.size > 0 && gnutls_psk_set_client_credentials(
		    s->client, text, &key, GNUTLS_PSK_KEY_HEX) == 0 &&
		    gnutls_psk_set_server_credentials_file(s->server,
		    file) == 0)
			rc = 0;
	}
	explicit_bzero(text, n);
	return rc == 0 ? 0 : av_err_set(err, rc, "'%s' holds no key", file);
}

int
stream_new(const char *psk_file, struct stream **ret, struct av_err *err)
{
	struct stream *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (s == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	s->listener = s->net = s->ours = s->theirs = -1;
	(void)pthread_mutex_init(&s->lock, NULL);
	if (psk_file != NULL) {
		s->tls = true;
		rc = keys_read(s, psk_file, err);
	}
	if (rc < 0)
		stream_free(s);
	else
		*ret = s;
	return rc;
}

static void
fd_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);	/* a socket */
	*fd = -1;
}

/* The connection alone; the listener stays. */
static void
net_drop(struct stream *s)
{
	if (s->session != NULL)
		gnutls_deinit(s->session);
	s->session = NULL;
	(void)pthread_mutex_lock(&s->lock);
	fd_close(&s->net);
	(void)pthread_mutex_unlock(&s->lock);
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	stream_break(s);
	if (s->pumping)
		(void)pthread_join(s->pump, NULL);
	net_drop(s);
	fd_close(&s->listener);
	fd_close(&s->ours);
	fd_close(&s->theirs);
	if (s->server != NULL)
		gnutls_psk_free_server_credentials(s->server);
	if (s->client != NULL)
		gnutls_psk_free_client_credentials(s->client);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

void
stream_break(struct stream *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->broken = true;
	/* -1 and what isn't connected give an error, and nothing else */
	(void)shutdown(s->listener, SHUT_RDWR);
	(void)shutdown(s->net, SHUT_RDWR);
	(void)shutdown(s->ours, SHUT_RDWR);
	(void)pthread_mutex_unlock(&s->lock);
}

uint64_t
stream_bytes(const struct stream *s)
{
	return atomic_load(&s->bytes);
}

/* ------------------------------- the network ------------------------------ */

static ssize_t
net_send(struct stream *s, const char *buf, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t r = s->tls ?
		    gnutls_record_send(s->session, buf + at, n - at) :
		    send(s->net, buf + at, n - at, MSG_NOSIGNAL);

		if (s->tls ? r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED :
		    r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -EPIPE;
		at += (size_t)r;
	}
	return (ssize_t)n;
}

static ssize_t
net_recv(struct stream *s, char *buf, size_t n)
{
	for (;;) {
		ssize_t r = s->tls ? gnutls_record_recv(s->session, buf, n) :
		    recv(s->net, buf, n, 0);

		if (s->tls ? r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED ||
		    r == GNUTLS_E_REHANDSHAKE : r < 0 && errno == EINTR)
			continue;
		return r;
	}
}

static int
carry(struct stream *s)
{
	char buf[PIECE_BYTES];
	int rc = 0;

	while (rc == 0) {
		ssize_t n = s->out ? read(s->ours, buf, sizeof(buf)) :
		    net_recv(s, buf, sizeof(buf));

		if (s->out && n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		atomic_fetch_add(&s->bytes, (uint64_t)n);
		if (s->out ? net_send(s, buf, (size_t)n) < 0 :
		    send(s->ours, buf, (size_t)n, MSG_NOSIGNAL) != n)
			rc = -EPIPE;
	}
	return rc;
}

static void *
pump_run(void *ctx)
{
	struct stream *s = ctx;

	(void)carry(s);
	(void)shutdown(s->ours, SHUT_RDWR);	/* libxl sees the end */
	return NULL;
}

int
stream_carry(struct stream *s, int fd, bool out)
{
	(void)pthread_mutex_lock(&s->lock);
	s->ours = fd;
	if (s->broken)
		(void)shutdown(s->ours, SHUT_RDWR);
	(void)pthread_mutex_unlock(&s->lock);
	s->out = out;
	return carry(s);
}

static int
pump_start(struct stream *s, bool out, int *ret_fd, struct av_err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return av_err_set(err, -errno, "no pair of sockets");
	(void)pthread_mutex_lock(&s->lock);
	s->ours = pair[0];
	s->theirs = pair[1];
	if (s->broken)
		(void)shutdown(s->ours, SHUT_RDWR);
	(void)pthread_mutex_unlock(&s->lock);
	s->out = out;
	if (pthread_create(&s->pump, NULL, pump_run, s) != 0)
		return av_err_set(err, -EAGAIN, "no thread");
	s->pumping = true;
	*ret_fd = s->theirs;
	return 0;
}

static int
shake(struct stream *s, bool server, struct av_err *err)
{
	int one = 1, r;
	unsigned dead = DEAD_MS;

	(void)setsockopt(s->net, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(s->net, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead,
	    sizeof(dead));
	if (!s->tls)
		return 0;
	if (gnutls_init(&s->session, server ? GNUTLS_SERVER :
	    GNUTLS_CLIENT) != 0)
		return av_err_set(err, -ENOMEM, "no memory");
	gnutls_handshake_set_timeout(s->session, SHAKE_MS);
	gnutls_transport_set_int(s->session, s->net);
	if (gnutls_priority_set_direct(s->session, PRIORITY, NULL) != 0 ||
	    gnutls_credentials_set(s->session, GNUTLS_CRD_PSK, server ?
	    (void *)s->server : (void *)s->client) != 0)
		return av_err_set(err, -ENOMEM, "no TLS");
	do {
		r = gnutls_handshake(s->session);
	} while (r < 0 && gnutls_error_is_fatal(r) == 0);
	return r == 0 ? 0 : av_err_set(err, -EKEYREJECTED,
	    "the other PM doesn't have the same key, or is silent: %s",
	    gnutls_strerror(r));
}

/* Before it is connected, or listens: the window is agreed on then. */
static void
buffers_set(int fd)
{
	int n = UNDER_WAY_BYTES / 2;	/* Linux takes it twofold */

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
}

/* Keeps 'fd' unless the stream is broken already. */
static int
net_set(struct stream *s, int fd)
{
	bool broken;

	(void)pthread_mutex_lock(&s->lock);
	broken = s->broken;
	if (!broken)
		s->net = fd;
	(void)pthread_mutex_unlock(&s->lock);
	if (broken)
		(void)close(fd);	/* a socket */
	return broken ? -ECANCELED : 0;
}

static int
address_of(const char *address, uint16_t port, struct sockaddr_storage *ret,
    socklen_t *ret_n)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	struct sockaddr_in6 b = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, address, &a.sin_addr) == 1) {
		memcpy(ret, &a, sizeof(a));
		*ret_n = sizeof(a);
	} else if (inet_pton(AF_INET6, address, &b.sin6_addr) == 1) {
		memcpy(ret, &b, sizeof(b));
		*ret_n = sizeof(b);
	} else {
		return -EINVAL;
	}
	return 0;
}

int
stream_listen(struct stream *s, const char *address, uint16_t *port,
    struct av_err *err)
{
	struct sockaddr_storage sa;
	socklen_t n;
	int fd, one = 1;

	if (address_of(address, *port, &sa, &n) < 0)
		return av_err_set(err, -EINVAL, "bad address '%s'", address);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return av_err_set(err, -errno, "no socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	buffers_set(fd);
	if (bind(fd, (struct sockaddr *)&sa, n) < 0 || listen(fd, 4) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &n) < 0) {
		int rc = av_err_set(err, -errno, "%s, port %u: %s", address,
		    *port, strerror(errno));

		(void)close(fd);	/* a socket */
		return rc;
	}
	*port = ntohs(sa.ss_family == AF_INET6 ?
	    ((struct sockaddr_in6 *)(void *)&sa)->sin6_port :
	    ((struct sockaddr_in *)(void *)&sa)->sin_port);
	s->listener = fd;
	return 0;
}

int
stream_meet(struct stream *s, struct av_err *err)
{
	for (;;) {
		int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 || net_set(s, fd) < 0)
			return av_err_set(err, -ECANCELED, "ended");
		if (shake(s, true, err) == 0)
			return 0;
		(void)fprintf(stderr, "turned away: %s\n", err->text);
		net_drop(s);
	}
}

int
stream_accept(struct stream *s, int *ret_fd, struct av_err *err)
{
	int rc = stream_meet(s, err);

	return rc < 0 ? rc : pump_start(s, false, ret_fd, err);
}

int
stream_reach(struct stream *s, const char *address, uint16_t port,
    struct av_err *err)
{
	const struct timeval limit = { .tv_sec = CONNECT_S };
	const struct timeval none = {0};
	struct sockaddr_storage sa;
	socklen_t n;
	int fd, rc;

	if (address_of(address, port, &sa, &n) < 0)
		return av_err_set(err, -EINVAL, "bad address '%s'", address);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return av_err_set(err, -errno, "no socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	buffers_set(fd);
	rc = net_set(s, fd);
	if (rc < 0)
		return av_err_set(err, rc, "cancelled");
	if (connect(fd, (struct sockaddr *)&sa, n) < 0)
		return av_err_set(err, -errno, "%s, port %u: %s", address,
		    port, strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return shake(s, false, err);
}

int
stream_connect(struct stream *s, const char *address, uint16_t port,
    int *ret_fd, struct av_err *err)
{
	int rc = stream_reach(s, address, port, err);

	return rc < 0 ? rc : pump_start(s, true, ret_fd, err);
}

int
stream_say_done(struct stream *s, struct av_err *err)
{
	const char done = DONE_BYTE;

	return net_send(s, &done, 1) == 1 ? 0 : av_err_set(err, -EPIPE,
	    "the other PM is gone");
}

int
stream_wait_done(struct stream *s, struct av_err *err)
{
	char done = 0;

	fd_close(&s->theirs);		/* the pump drains and ends */
	(void)pthread_join(s->pump, NULL);
	s->pumping = false;
	if (net_recv(s, &done, 1) != 1 || done != DONE_BYTE)
		return av_err_set(err, -EPIPE,
		    "the other PM did not take the guest");
	return 0;
}
