/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/listen.c - sockets that clients come in by
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "console/listen.h"
#include "console/notify.h"
#include "console/relay.h"
#include "console/thread.h"

#define BACKLOG		256
#define GONE_MS		60000	/* a silent host is taken for gone */

struct listeners {
	struct server	*srv;
	struct av_tls_cred	*https_cred;
	int		 https, local, relay;
	/* who is connected by HTTPS; guarded by 'lock' */
	pthread_mutex_t	 lock;
	struct slot {
		bool		used;
		uint8_t		addr[16];
	} slots[SERVER_HTTPS_MAX];
};

/* one HTTPS connection */
struct client {
	struct listeners	*l;
	struct sockaddr_storage	 sa;
	socklen_t		 n_sa;
	int			 fd;
	size_t			 slot;
};

static int
tcp_listen(const struct console_addr *a, const char *what,
    struct av_err *err)
{
	int on = 1, family = ((const struct sockaddr *)&a->sa)->sa_family;
	AUTO_FD int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (family == AF_INET && setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on,
	    sizeof(on)) < 0) ||
	    bind(fd, (const struct sockaddr *)&a->sa, a->n) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return av_err_set(err, -errno, "%s: %s", what,
		    strerror(errno));
	return TAKE_FD(fd);
}

static int
unix_listen(const char *path, struct av_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	AUTO_FD int fd = -1;
	mode_t old;
	int r;

	if (strlen(path) >= sizeof(sun.sun_path))
		return av_err_set(err, -ENAMETOOLONG, "'%s': too long", path);
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return av_err_set(err, -errno, "%s", strerror(errno));
	(void)unlink(path);		/* left by an earlier life */
	old = umask(0177);
	r = bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
	(void)umask(old);
	if (r < 0 || listen(fd, BACKLOG) < 0)
		return av_err_set(err, -errno, "'%s': %s", path,
		    strerror(errno));
	return TAKE_FD(fd);
}

int
listen_open(struct server *srv, struct av_tls_cred *https,
    struct listeners **ret, struct av_err *err)
{
	const struct console_conf *c = srv->conf;
	struct listeners *l = calloc(1, sizeof(*l));
	int rc = 0;

	if (l == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	l->srv = srv;
	l->https_cred = https;
	l->https = l->local = l->relay = -1;
	pthread_mutex_init(&l->lock, NULL);
	if (c->unix_socket[0] != '\0')
		rc = l->local = unix_listen(c->unix_socket, err);
	if (rc >= 0 && c->listen.n > 0)
		rc = l->https = tcp_listen(&c->listen, "HTTPS", err);
	if (rc >= 0 && c->relay_listen.n > 0)
		rc = l->relay = tcp_listen(&c->relay_listen, "relay", err);
	if (rc < 0) {
		listen_close(l);
		return rc;
	}
	*ret = l;
	return 0;
}

struct listeners *
listen_close(struct listeners *l)
{
	if (l == NULL)
		return NULL;
	if (l->local >= 0) {
		(void)unlink(l->srv->conf->unix_socket);
		(void)close(l->local);
	}
	if (l->https >= 0)
		(void)close(l->https);
	if (l->relay >= 0)
		(void)close(l->relay);
	pthread_mutex_destroy(&l->lock);
	free(l);
	return NULL;
}

/* --- HTTPS ------------------------------------------------------------------- */

static void
addr_bytes(const struct sockaddr_storage *sa, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (sa->ss_family == AF_INET)
		memcpy(ret, &((const struct sockaddr_in *)
		    (const void *)sa)->sin_addr, 4);
	else if (sa->ss_family == AF_INET6)
		memcpy(ret, &((const struct sockaddr_in6 *)
		    (const void *)sa)->sin6_addr, 16);
}

/* A place for one more of this address; -EBUSY. */
static int
slot_take(struct listeners *l, const struct sockaddr_storage *sa,
    size_t *ret_slot)
{
	size_t i, n_same = 0, free_slot = SERVER_HTTPS_MAX;
	uint8_t addr[16];
	int rc = -EBUSY;

	addr_bytes(sa, addr);
	pthread_mutex_lock(&l->lock);
	for (i = 0; i < SERVER_HTTPS_MAX; i++) {
		if (!l->slots[i].used)
			free_slot = i;
		else if (memcmp(l->slots[i].addr, addr, 16) == 0)
			n_same++;
	}
	if (free_slot < SERVER_HTTPS_MAX && n_same < LISTEN_PER_ADDRESS) {
		l->slots[free_slot].used = true;
		memcpy(l->slots[free_slot].addr, addr, 16);
		*ret_slot = free_slot;
		rc = 0;
	}
	pthread_mutex_unlock(&l->lock);
	return rc;
}

static void
slot_give(struct listeners *l, size_t slot)
{
	pthread_mutex_lock(&l->lock);
	l->slots[slot].used = false;
	pthread_mutex_unlock(&l->lock);
}

static void
tcp_tune(int fd)
{
	int on = 1, idle = 30, ms = GONE_MS;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

static void *
https_serve(void *arg)
{
	struct client *c = arg;
	struct server *srv = c->l->srv;
	gnutls_session_t s;
	int pair[2];

	tcp_tune(c->fd);
	if (av_tls_accept(c->l->https_cred, c->fd, srv->stop_fd,
	    AV_TLS_HANDSHAKE_MS, &s) == 0) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0, pair) == 0) {
			if (http_add(srv, false, pair[1],
			    (const struct sockaddr *)&c->sa, c->n_sa) == 0)
				tls_pump(s, c->fd, pair[0], srv->stop_fd);
			(void)close(pair[0]);
		}
		gnutls_deinit(s);
	}
	(void)close(c->fd);
	slot_give(c->l, c->slot);
	free(c);
	return NULL;
}

static void
https_accept(struct listeners *l)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);
	int fd = accept4(l->https, (struct sockaddr *)&sa, &n, SOCK_CLOEXEC);
	struct client *c;
	size_t slot;

	if (fd < 0)
		return;
	if (slot_take(l, &sa, &slot) < 0) {
		(void)close(fd);
		return;
	}
	c = malloc(sizeof(*c));
	if (c != NULL) {
		*c = (struct client){ .l = l, .sa = sa, .n_sa = n, .fd = fd,
		    .slot = slot };
		if (thread_start(https_serve, c) == 0)
			return;
	}
	free(c);
	slot_give(l, slot);
	(void)close(fd);
}

/* --- root on this PM ------------------------------------------------------------ */

static void
local_accept(struct listeners *l)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(who);
	int fd = accept4(l->local, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0 ||
	    who.uid != 0) {
		log_notice("local", "uid %u refused", (unsigned)who.uid);
		(void)close(fd);
		return;
	}
	(void)http_add(l->srv, true, fd, (const struct sockaddr *)&sun,
	    sizeof(sun));
}

static void
relay_accept(struct listeners *l)
{
	int fd = accept4(l->relay, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	tcp_tune(fd);
	relay_take(l->srv, fd);
}

int
listen_run(struct listeners *l, int signal_fd)
{
	struct pollfd p[4] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = l->local, .events = POLLIN },
		{ .fd = l->https, .events = POLLIN },
		{ .fd = l->relay, .events = POLLIN },
	};

	const int feed_ms = notify_watchdog_ms();
	const unsigned long long feed_ns = feed_ms > 0 ?
	    (unsigned long long)feed_ms * AV_NS_PER_MS : UINT64_MAX;
	uint64_t fed_ns = av_clock_ns();

	for (;;) {
		if (poll(p, 4, feed_ms) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (av_clock_ns() - fed_ns >= feed_ns) {
			fed_ns = av_clock_ns();
			notify_send("WATCHDOG=1");
		}
		if (p[0].revents != 0)
			return 0;
		if (p[1].revents != 0)
			local_accept(l);
		if (p[2].revents != 0)
			https_accept(l);
		if (p[3].revents != 0)
			relay_accept(l);
	}
}
