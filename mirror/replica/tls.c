/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/tls.c - see tls.h
 */
#include "mirror/replica/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "mirror/replica/stream.h"

/* A PSK goes with SHA-256, which leaves AES-128-GCM and ChaCha20 of TLS 1.3;
 * GnuTLS would take ChaCha20, several times slower where the CPU has AES. */
#define PRIORITY	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:" \
			"-CHACHA20-POLY1305:+ECDHE-PSK:+DHE-PSK"
#define SERVED_MAX	32	/* strangers can't use up threads */
#define SHAKE_NS	(5 * AV_NS_PER_S)
#define KEY_FILE_MAX	65536u
#define DEAD_MS		10000u

struct tls_keys {
	gnutls_psk_server_credentials_t	server;
	gnutls_psk_client_credentials_t	client;
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

/* --- one connection --- */

/* Best effort: speed, and an end for the half-dead. */
static void
tune(int fd)
{
	unsigned dead_ms = DEAD_MS;
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms,
	    sizeof(dead_ms));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

int
tls_open(struct tls_keys *keys, int tcp_fd, bool server, uint64_t due_ns,
    struct stream **ret)
{
	struct stream *st;
	gnutls_session_t session;
	int rc;

	tune(tcp_fd);
	st = stream_new(tcp_fd);
	if (st == NULL)
		return -ENOMEM;
	if (gnutls_init(&session, server ? GNUTLS_SERVER : GNUTLS_CLIENT) !=
	    0) {
		(void)stream_free(st);
		return -ENOMEM;
	}
	stream_deadline(st, due_ns);
	if (gnutls_priority_set_direct(session, PRIORITY, NULL) != 0 ||
	    gnutls_credentials_set(session, GNUTLS_CRD_PSK, server ?
	    (void *)keys->server : (void *)keys->client) != 0) {
		gnutls_deinit(session);
		rc = -ENOMEM;
	} else {
		rc = stream_start_tls(st, session);
	}
	if (rc < 0)
		(void)stream_free(st);
	else
		*ret = st;
	return rc;
}

/* --- server --- */

struct listener {
	struct tls_keys	*keys;
	int		fd;
	void		(*serve)(void *arg, struct stream *st);
	void		*arg;
};

struct accepted {
	const struct listener *l;
	int		fd;
};

static void *
accepted_run(void *arg)
{
	struct accepted *a = arg;
	const struct listener *l = a->l;
	struct stream *st;
	int rc = tls_open(l->keys, a->fd, true, av_clock_ns() + SHAKE_NS, &st);

	free(a);
	if (rc == 0)
		l->serve(l->arg, st);
	n_served--;
	return NULL;
}

/* Takes over 'fd', always. */
static void
accepted_start(const struct listener *l, int fd)
{
	struct accepted *a;
	pthread_t t;

	if (++n_served > SERVED_MAX) {
		n_served--;
		(void)close(fd);
		return;
	}
	a = malloc(sizeof(*a));
	if (a != NULL) {
		*a = (struct accepted){ .l = l, .fd = fd };
		if (pthread_create(&t, NULL, accepted_run, a) == 0) {
			(void)pthread_detach(t);
			return;
		}
	}
	free(a);
	(void)close(fd);
	n_served--;
}

static void *
accept_run(void *arg)
{
	struct listener *l = arg;

	for (;;) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		struct timespec ts = { .tv_nsec = 100000000 };

		if (fd >= 0)
			accepted_start(l, fd);
		/* out of descriptors, say: it passes */
		else if (errno != EINTR && errno != ECONNABORTED)
			/* lint: sleep: no event tells that descriptors are free again */
			(void)nanosleep(&ts, NULL);
	}
	return NULL;
}

int
tls_server_start(struct tls_keys *keys, int listen_fd,
    void (*serve)(void *arg, struct stream *st), void *arg)
{
	struct listener *l = calloc(1, sizeof(*l));
	pthread_t t;
	int r;

	if (l == NULL)
		return -ENOMEM;
	l->keys = keys;
	l->fd = listen_fd;
	l->serve = serve;
	l->arg = arg;
	r = pthread_create(&t, NULL, accept_run, l);
	if (r != 0) {
		free(l);
		return -r;
	}
	(void)pthread_detach(t);
	return 0;
}
