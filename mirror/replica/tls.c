/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/tls.c - see tls.h
 */
#include "mirror/replica/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

/* A PSK goes with SHA-256, which leaves AES-128-GCM and ChaCha20 of TLS 1.3;
 * GnuTLS would take ChaCha20, several times slower where the CPU has AES. */
#define PRIORITY	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:" \
			"-CHACHA20-POLY1305:+ECDHE-PSK:+DHE-PSK"
#define BUF_BYTES	65536u
#define MOVES_MAX	16
#define PLAIN_BUF_BYTES	(1 << 20)
#define SERVED_MAX	32	/* strangers can't use up threads */
#define SHAKE_NS	(5 * AV_NS_PER_S)
#define KEY_FILE_MAX	65536u
#define DEAD_MS		10000u

struct tls_keys {
	_Atomic bool	refused;	/* by the peer, the last time */
	gnutls_psk_server_credentials_t	server;
	gnutls_psk_client_credentials_t	client;
};

struct buf {
	uint8_t	data[BUF_BYTES];
	size_t	at, n;		/* what is still to be written */
};

struct pump {
	struct tls_keys	*keys;
	bool		server;
	int		tcp_fd, plain_fd;
	gnutls_session_t session;
	int		(*connect)(void *arg);	/* server: after the handshake */
	void		*arg;
	struct buf	in, out;	/* in: from TLS; out: to TLS */
};

static _Atomic int n_served;

/* --- keys --- */

static int
set_client_key(struct tls_keys *k, const char *file, const char *user,
    struct av_err *err)
{
	AUTO_FREE char *text = NULL;
	gnutls_datum_t key;
	size_t n, n_user = strlen(user);
	char *at, *end;
	int rc = av_file_read(file, KEY_FILE_MAX, &text, &n, err);

	if (rc < 0)
		return rc;
	for (at = text; *at != '\0'; at = end) {
		end = at + strcspn(at, "\r\n");
		if (*end != '\0')
			*end++ = '\0';
		if (strncmp(at, user, n_user) != 0 || at[n_user] != ':')
			continue;
		key.data = (unsigned char *)at + n_user + 1;
		key.size = (unsigned)strlen(at + n_user + 1);
		rc = gnutls_psk_set_client_credentials(k->client, user, &key,
		    GNUTLS_PSK_KEY_HEX);
		explicit_bzero(at, strlen(at));
		return rc == 0 ? 0 : av_err_set(err, -EINVAL,
		    "'%s': the key of '%s' isn't hex", file, user);
	}
	return av_err_set(err, -ENOENT, "'%s' has no key of '%s'", file,
	    user);
}

int
tls_keys_new(const char *psk_file, const char *user, struct tls_keys **ret,
    struct av_err *err)
{
	struct tls_keys *k = calloc(1, sizeof(*k));
	int rc;

	if (k == NULL ||
	    gnutls_psk_allocate_server_credentials(&k->server) != 0 ||
	    gnutls_psk_allocate_client_credentials(&k->client) != 0) {
		tls_keys_free(k);
		return av_err_set(err, -ENOMEM, "no memory");
	}
	rc = set_client_key(k, psk_file, user, err);
	if (rc == 0 && gnutls_psk_set_server_credentials_file(k->server,
	    psk_file) != 0)
		rc = av_err_set(err, -EINVAL, "'%s' isn't a key file",
		    psk_file);
	if (rc < 0) {
		tls_keys_free(k);
		return rc;
	}
	*ret = k;
	return 0;
}

void
tls_keys_free(struct tls_keys *k)
{
	if (k == NULL)
		return;
	if (k->server != NULL)
		gnutls_psk_free_server_credentials(k->server);
	if (k->client != NULL)
		gnutls_psk_free_client_credentials(k->client);
	free(k);
}

/* --- one connection; all on one thread --- */

static bool
again(ssize_t r)
{
	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED;
}

static int
wait_tls(struct pump *p, uint64_t due)
{
	struct pollfd f = { .fd = p->tcp_fd };
	uint64_t now = av_clock_ns();

	if (now >= due)
		return -ETIMEDOUT;
	f.events = gnutls_record_get_direction(p->session) == 1 ? POLLOUT :
	    POLLIN;
	if (poll(&f, 1, (int)((due - now) / AV_NS_PER_MS) + 1) < 0 &&
	    errno != EINTR)
		return -errno;
	return 0;
}

static int
shake(struct pump *p)
{
	uint64_t due = av_clock_ns() + SHAKE_NS;
	unsigned flags = (p->server ? GNUTLS_SERVER : GNUTLS_CLIENT) |
	    GNUTLS_NONBLOCK;
	int r;

	if (gnutls_init(&p->session, flags) != 0 ||
	    gnutls_priority_set_direct(p->session, PRIORITY, NULL) != 0 ||
	    gnutls_credentials_set(p->session, GNUTLS_CRD_PSK, p->server ?
	    (void *)p->keys->server : (void *)p->keys->client) != 0)
		return -ENOMEM;
	gnutls_transport_set_int(p->session, p->tcp_fd);
	if (!p->server)
		p->keys->refused = false;
	while ((r = gnutls_handshake(p->session)) != 0) {
		if (gnutls_error_is_fatal(r)) {
			log_info("tls", "handshake: %s", gnutls_strerror(r));
			/* so that the other side can say why */
			(void)gnutls_alert_send_appropriate(p->session, r);
			if (!p->server)
				p->keys->refused =
				    r == GNUTLS_E_FATAL_ALERT_RECEIVED;
			return -ECONNREFUSED;
		}
		if (wait_tls(p, due) < 0)
			return -ETIMEDOUT;
	}
	return 0;
}

/* Each move_*(): 1 = moved something, 0 = must wait, -errno = over. */
static int
move_in(struct pump *p)
{
	ssize_t r;

	if (p->in.n == 0) {
		r = gnutls_record_recv(p->session, p->in.data, BUF_BYTES);
		if (again(r))
			return 0;
		if (r <= 0)
			return -ECONNRESET;
		p->in.at = 0;
		p->in.n = (size_t)r;
	}
	r = send(p->plain_fd, p->in.data + p->in.at, p->in.n, MSG_NOSIGNAL);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	p->in.at += (size_t)r;
	p->in.n -= (size_t)r;
	return 1;
}

static int
move_out(struct pump *p)
{
	ssize_t r;

	if (p->out.n == 0) {
		r = recv(p->plain_fd, p->out.data, BUF_BYTES, 0);
		if (r < 0)
			return errno == EAGAIN || errno == EINTR ? 0 :
			    -errno;
		if (r == 0)
			return -ECONNRESET;
		p->out.at = 0;
		p->out.n = (size_t)r;
	}
	while (p->out.n > 0) {
		/* after AGAIN the same bytes have to be given again: they are */
		r = gnutls_record_send(p->session, p->out.data + p->out.at,
		    p->out.n);
		if (again(r))
			return 0;
		if (r < 0)
			return -ECONNRESET;
		p->out.at += (size_t)r;
		p->out.n -= (size_t)r;
	}
	return 1;
}

/* A bounded run, so that neither direction starves the other. */
static int
move_some(struct pump *p, int (*move)(struct pump *p))
{
	int i, rc = 1;

	for (i = 0; i < MOVES_MAX && rc == 1; i++)
		rc = move(p);
	return rc < 0 ? rc : 0;
}

static int
turn(struct pump *p)
{
	bool pending = gnutls_record_check_pending(p->session) > 0;
	struct pollfd f[2] = { { .fd = p->tcp_fd }, { .fd = p->plain_fd } };
	int rc = 0;

	if (p->in.n == 0)
		f[0].events |= POLLIN;
	else
		f[1].events |= POLLOUT;
	if (p->out.n == 0)
		f[1].events |= POLLIN;
	else
		f[0].events |= POLLOUT;
	if (poll(f, 2, pending && p->in.n == 0 ? 0 : -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p->in.n > 0 ? f[1].revents != 0 : (pending || f[0].revents != 0))
		rc = move_some(p, move_in);
	if (rc == 0 && (p->out.n > 0 ? f[0].revents != 0 :
	    f[1].revents != 0))
		rc = move_some(p, move_out);
	return rc;
}

static void *
pump_run(void *arg)
{
	struct pump *p = arg;
	int rc = shake(p);

	if (rc == 0 && p->server) {
		p->plain_fd = p->connect(p->arg);
		rc = p->plain_fd < 0 ? p->plain_fd : 0;
	}
	while (rc == 0)
		rc = turn(p);
	if (p->session != NULL)
		gnutls_deinit(p->session);
	(void)close(p->tcp_fd);		/* sockets */
	if (p->plain_fd >= 0)
		(void)close(p->plain_fd);
	if (p->server)
		n_served--;
	free(p);
	return NULL;
}

/* Takes over both fds, always. */
static int
pump_start(struct tls_keys *keys, int tcp_fd, int plain_fd,
    int (*connect)(void *arg), void *arg)
{
	struct pump *p = calloc(1, sizeof(*p));
	unsigned dead_ms = DEAD_MS;
	int one = 1, r = ENOMEM, buf = PLAIN_BUF_BYTES;
	pthread_t t;

	if (p != NULL) {
		if (plain_fd >= 0)
			(void)setsockopt(plain_fd, SOL_SOCKET, SO_SNDBUF, &buf,
			    sizeof(buf));
		p->keys = keys;
		p->tcp_fd = tcp_fd;
		p->plain_fd = plain_fd;
		p->server = connect != NULL;
		p->connect = connect;
		p->arg = arg;
		/* best effort: speed, and an end for the half-dead */
		(void)setsockopt(tcp_fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
		(void)setsockopt(tcp_fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
		    &dead_ms, sizeof(dead_ms));
		(void)setsockopt(tcp_fd, SOL_SOCKET, SO_KEEPALIVE, &one,
		    sizeof(one));
		r = pthread_create(&t, NULL, pump_run, p);
	}
	if (r == 0) {
		(void)pthread_detach(t);
		return 0;
	}
	free(p);
	(void)close(tcp_fd);
	if (plain_fd >= 0)
		(void)close(plain_fd);
	return -r;
}

bool
tls_key_refused(const struct tls_keys *keys)
{
	return keys->refused;
}

int
tls_client(struct tls_keys *keys, int tcp_fd, int *ret_fd)
{
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    fds) < 0) {
		rc = -errno;
		(void)close(tcp_fd);
		return rc;
	}
	rc = pump_start(keys, tcp_fd, fds[0], NULL, NULL);
	if (rc < 0)
		(void)close(fds[1]);
	else
		*ret_fd = fds[1];
	return rc;
}

/* --- server --- */

struct listener {
	struct tls_keys	*keys;
	int		fd;
	int		(*connect)(void *arg);
	void		*arg;
};

static void *
accept_run(void *arg)
{
	struct listener *l = arg;

	for (;;) {
		int fd = accept4(l->fd, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			struct timespec ts = { .tv_nsec = 100000000 };

			/* out of descriptors, say: it passes */
			if (errno != EINTR && errno != ECONNABORTED)
				/* lint: sleep: no event tells that descriptors are free again */
				(void)nanosleep(&ts, NULL);
		} else if (++n_served > SERVED_MAX) {
			n_served--;
			(void)close(fd);
		} else if (pump_start(l->keys, fd, -1, l->connect,
		    l->arg) < 0) {
			n_served--;
		}
	}
	return NULL;
}

int
tls_server_start(struct tls_keys *keys, int listen_fd,
    int (*connect)(void *arg), void *arg)
{
	struct listener *l = calloc(1, sizeof(*l));
	pthread_t t;
	int r;

	if (l == NULL)
		return -ENOMEM;
	l->keys = keys;
	l->fd = listen_fd;
	l->connect = connect;
	l->arg = arg;
	r = pthread_create(&t, NULL, accept_run, l);
	if (r != 0) {
		free(l);
		return -r;
	}
	(void)pthread_detach(t);
	return 0;
}
