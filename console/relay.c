/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/relay.c - a guest's screen from the other PM
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/frame.h"
#include "base/log.h"
#include "console/relay.h"
#include "console/thread.h"

#define LINE_MAX_BYTES	400

static struct av_tls_cred *cred;
static atomic_uint n_serving;

void
relay_open(struct av_tls_cred *c)
{
	cred = c;
}

/* --- serving the peer -------------------------------------------------------- */

struct guest {
	struct server	*srv;
	int		 fd;
};

/* Asks our agent for the screen; a connected socket, or -errno with err. */
static int
screen_open(struct server *srv, const char *vm, struct av_err *err)
{
	static const struct actor who = { .user = "console",
	    .role = "vm-manager", .origin = "peer", .via = "relay" };
	AUTO_JSON json_t *args = json_pack("{s:s}", "vm", vm);
	AUTO_JSON json_t *result = NULL;
	const char *path;
	int rc;

	if (args == NULL)
		return av_err_code(err, -EINVAL, "bad-argument",
		    "not a VM's name");
	rc = agent_call(srv->agent, "vm.vnc", args, &who, false, &result,
	    NULL, err);
	if (rc < 0)
		return rc;
	path = json_string_value(json_object_get(result, "path"));
	if (path == NULL)
		return av_err_code(err, -ENOENT, "wrong-state",
		    "the VM runs on neither PM");
	rc = av_unix_connect(path);
	if (rc < 0)
		return av_err_code(err, rc, "unavailable",
		    "the VM's screen: %s", strerror(-rc));
	return rc;
}

static void
guest_talk(struct guest *g, gnutls_session_t s)
{
	AUTO_FD int screen = -1;
	struct av_err err = { 0 };
	char line[LINE_MAX_BYTES];
	int stop = g->srv->stop_fd;

	if (av_tls_read_line(s, g->fd, stop, AV_TLS_HANDSHAKE_MS, line,
	    sizeof(line)) < 0)
		return;
	if (strncmp(line, "vnc ", 4) != 0)
		(void)av_err_code(&err, -EINVAL, "bad-request",
		    "not understood");
	else
		screen = screen_open(g->srv, line + 4, &err);
	if (screen < 0)
		(void)snprintf(line, sizeof(line), "error %s %s\n",
		    err.code[0] != '\0' ? err.code : "internal", err.text);
	else
		memcpy(line, "ok\n", 4);
	if (av_tls_write(s, g->fd, stop, AV_TLS_HANDSHAKE_MS, line) < 0)
		return;
	if (screen >= 0)
		tls_pump(s, g->fd, screen, stop);
	else
		(void)gnutls_bye(s, GNUTLS_SHUT_WR);
}

static void *
guest_serve(void *arg)
{
	struct guest *g = arg;
	gnutls_session_t s;
	int rc = av_tls_accept(cred, g->fd, g->srv->stop_fd, AV_TLS_HANDSHAKE_MS,
	    &s);

	if (rc == 0) {
		guest_talk(g, s);
		gnutls_deinit(s);
	} else {
		log_info("relay", "connection refused: %s", strerror(-rc));
	}
	(void)close(g->fd);
	free(g);
	n_serving--;
	return NULL;
}

void
relay_take(struct server *srv, int fd)
{
	struct guest *g = NULL;

	if (n_serving++ < RELAY_MAX && cred != NULL)
		g = malloc(sizeof(*g));
	if (g != NULL) {
		*g = (struct guest){ srv, fd };
		if (thread_start(guest_serve, g) == 0)
			return;
	}
	n_serving--;
	free(g);
	(void)close(fd);
}

/* --- asking the peer ----------------------------------------------------------- */

struct way {
	struct server	*srv;
	gnutls_session_t s;
	int		 fd, plain;
};

static void *
way_pump(void *arg)
{
	struct way *w = arg;

	tls_pump(w->s, w->fd, w->plain, w->srv->stop_fd);
	gnutls_deinit(w->s);
	(void)close(w->plain);
	(void)close(w->fd);
	free(w);
	return NULL;
}

/* Non-blocking connect with a deadline; fd or -errno. */
static int
peer_connect(const struct console_addr *a, int stop_fd)
{
	AUTO_FD int fd = socket(((const struct sockaddr *)&a->sa)->sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p[2] = {
		{ .fd = fd, .events = POLLOUT },
		{ .fd = stop_fd, .events = POLLIN },
	};
	socklen_t n = sizeof(int);
	int r, failed = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&a->sa, a->n) == 0)
		return TAKE_FD(fd);
	if (errno != EINPROGRESS)
		return -errno;
	r = poll(p, 2, RELAY_CONNECT_MS);
	if (r <= 0 || p[1].revents != 0)
		return r == 0 ? -ETIMEDOUT : -ECANCELED;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &n) < 0)
		return -errno;
	return failed != 0 ? -failed : TAKE_FD(fd);
}

/* "error CODE text" -> err */
static int
answer_read(char *line, struct av_err *err)
{
	char *code, *text;

	if (strcmp(line, "ok") == 0)
		return 0;
	code = strchr(line, ' ');
	text = code != NULL ? strchr(code + 1, ' ') : NULL;
	if (strncmp(line, "error ", 6) != 0 || text == NULL)
		return av_err_code(err, -EPROTO, "internal",
		    "the other PM's console answered nonsense");
	*text++ = '\0';
	return av_err_code(err, -EREMOTEIO, code + 1, "%s", text);
}

/* 0 and *ret_s; -EREMOTEIO = the peer refused, no use in asking on. */
static int
peer_ask(struct server *srv, int fd, const char *vm, gnutls_session_t *ret_s,
    struct av_err *err)
{
	char line[LINE_MAX_BYTES];
	gnutls_session_t s;
	int rc;

	rc = av_tls_connect(cred, fd, srv->stop_fd, AV_TLS_HANDSHAKE_MS, &s);
	if (rc < 0)
		return av_err_code(err, rc, "unavailable",
		    "the other PM's console: %s", strerror(-rc));
	(void)snprintf(line, sizeof(line), "vnc %s\n", vm);
	rc = av_tls_write(s, fd, srv->stop_fd, RELAY_ANSWER_MS, line);
	if (rc == 0)
		rc = av_tls_read_line(s, fd, srv->stop_fd, RELAY_ANSWER_MS, line,
		    sizeof(line));
	if (rc == 0)
		rc = answer_read(line, err);
	else
		(void)av_err_code(err, rc, "unavailable",
		    "the other PM's console: %s", strerror(-rc));
	if (rc == 0)
		*ret_s = s;
	else
		gnutls_deinit(s);
	return rc;
}

/* Starts the thread that moves the bytes; *ret_fd is our end. */
static int
way_start(struct server *srv, gnutls_session_t s, int fd, int *ret_fd)
{
	struct way *w = malloc(sizeof(*w));
	int pair[2];

	if (w == NULL)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) < 0) {
		free(w);
		return -errno;
	}
	*w = (struct way){ srv, s, fd, pair[0] };
	if (thread_start(way_pump, w) < 0) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		free(w);
		return -EAGAIN;
	}
	*ret_fd = pair[1];
	return 0;
}

int
relay_connect(struct server *srv, const char *vm, int *ret_fd,
    struct av_err *err)
{
	unsigned i;
	int rc = -ENOENT;

	if (cred == NULL || srv->conf->n_peers == 0 || strchr(vm, '\n') != NULL)
		return av_err_code(err, -ENOENT, "unavailable",
		    "no way to the other PM's console is configured");
	for (i = 0; i < srv->conf->n_peers; i++) {
		AUTO_FD int fd = peer_connect(&srv->conf->peers[i],
		    srv->stop_fd);
		gnutls_session_t s;

		if (fd < 0) {
			rc = av_err_code(err, fd, "unavailable",
			    "the other PM's console: %s", strerror(-fd));
			continue;
		}
		rc = peer_ask(srv, fd, vm, &s, err);
		if (rc == -EREMOTEIO)
			return rc;
		if (rc < 0)
			continue;
		rc = way_start(srv, s, fd, ret_fd);
		if (rc == 0) {
			(void)TAKE_FD(fd);
			return 0;
		}
		gnutls_deinit(s);
		return av_err_code(err, rc, "internal", "%s", strerror(-rc));
	}
	return rc;
}
