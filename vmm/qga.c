/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qga.c - the agent inside the guest
 */
#include "vmm/qga.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "vmm/qmp.h"

#define QGA_BUF_MAX	65536u
#define QGA_MARK	0xff		/* never part of UTF-8: starts afresh */

struct qga {
	struct qga_user	 user;
	int		 fd;
	sd_event_source	*io;
	uint32_t	 id;
	size_t		 n_in;
	char		 in[QGA_BUF_MAX];
};

struct qga *
qga_free(struct qga *g)
{
	if (g == NULL)
		return NULL;
	sd_event_source_disable_unref(g->io);
	if (g->fd >= 0)
		(void)close(g->fd);	/* a socket: nothing to lose */
	free(g);
	return NULL;
}

static int
qga_send(struct qga *g, const char *data, size_t n)
{
	ssize_t r = send(g->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (r < 0)
		return -errno;
	/* some hundred bytes into an empty socket: all or a dead reader */
	return (size_t)r == n ? 0 : -EAGAIN;
}

int
qga_sync(struct qga *g)
{
	char msg[128];
	int n;

	g->id++;
	n = snprintf(msg, sizeof(msg), "%c{\"execute\":"
	    "\"guest-sync-delimited\",\"arguments\":{\"id\":%u}}\n",
	    QGA_MARK, g->id);
	return qga_send(g, msg, (size_t)n);
}

int
qga_shutdown(struct qga *g)
{
	static const char msg[] = "{\"execute\":\"guest-shutdown\","
	    "\"arguments\":{\"mode\":\"powerdown\"}}\n";

	return qga_send(g, msg, sizeof(msg) - 1);
}

/* Is our sync's answer among the bytes?  Then they are used up. */
static bool
qga_answer_in(struct qga *g)
{
	char *mark = memrchr(g->in, QGA_MARK, g->n_in);
	size_t left;
	char *nl;

	if (mark == NULL)
		return false;
	left = g->n_in - (size_t)(mark + 1 - g->in);
	nl = memchr(mark + 1, '\n', left);
	if (nl != NULL) {
		AUTO_JSON json_t *msg = json_loadb(mark + 1,
		    (size_t)(nl - mark) - 1, 0, NULL);

		g->n_in = 0;
		return json_integer_value(json_object_get(msg, "return")) ==
		    (json_int_t)g->id && g->id != 0;
	}
	return false;
}

static int
qga_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct qga *g = ctx;
	ssize_t r;

	(void)s;
	(void)revents;
	if (g->n_in == sizeof(g->in)) {
		g->user.down(g->user.ctx);
		return 0;
	}
	r = recv(fd, g->in + g->n_in, sizeof(g->in) - g->n_in, MSG_DONTWAIT);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (r <= 0) {
		g->user.down(g->user.ctx);
		return 0;
	}
	g->n_in += (size_t)r;
	if (qga_answer_in(g))
		g->user.answered(g->user.ctx);
	return 0;
}

int
qga_connect(sd_event *event, const char *path, const struct qga_user *user,
    struct qga **ret_g)
{
	struct qga *g;
	int r;

	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return -ENOMEM;
	g->user = *user;
	g->fd = vmm_unix_connect(path);
	if (g->fd < 0) {
		r = g->fd;
		qga_free(g);
		return r;
	}
	r = sd_event_add_io(event, &g->io, g->fd, EPOLLIN, qga_io, g);
	if (r < 0) {
		qga_free(g);
		return r;
	}
	*ret_g = g;
	return 0;
}
