/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qmp.c - one connection to a QEMU monitor
 */
#include "vmm/qmp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

#define QMP_LINE_MAX	(1u << 20)	/* query-* answers are far below */
#define QMP_CALLS_MAX	64

struct qmp_call {
	uint64_t	 id;		/* 0 = free */
	qmp_reply_fn	*reply;
	void		*ctx;
};

struct qmp {
	struct qmp_user	 user;
	int		 fd;
	sd_event_source	*io;
	bool		 greeted;
	bool		 oob;		/* it takes commands out of turn */
	bool		 is_up;
	bool		 is_down;
	bool		*gone;		/* set by qmp_free() in a callback */
	uint64_t	 next_id;
	struct qmp_call	 calls[QMP_CALLS_MAX];
	char		*in;
	size_t		 n_in;
	size_t		 in_room;
	char		*out;		/* bytes to send */
	size_t		 n_out;
	char		*held;		/* calls made before 'up' */
	size_t		 n_held;
};

struct qmp *
qmp_free(struct qmp *q)
{
	if (q == NULL)
		return NULL;
	if (q->gone != NULL)
		*q->gone = true;
	sd_event_source_disable_unref(q->io);
	if (q->fd >= 0)
		(void)close(q->fd);	/* a socket: nothing to lose */
	free(q->in);
	free(q->out);
	free(q->held);
	free(q);
	return NULL;
}

static void
qmp_fail(struct qmp *q, int rc, const char *why)
{
	struct av_err err = {0};
	bool gone = false, *outer = q->gone;
	size_t i;

	if (q->is_down)
		return;
	q->is_down = true;
	(void)av_err_maybe(&err, rc, "monitor: %s", why);
	(void)sd_event_source_set_enabled(q->io, SD_EVENT_OFF);
	q->gone = &gone;
	for (i = 0; i < QMP_CALLS_MAX && !gone; i++) {
		struct qmp_call c = q->calls[i];

		if (c.id == 0)
			continue;
		q->calls[i].id = 0;
		if (c.reply != NULL)
			c.reply(c.ctx, -EPIPE, NULL, &err);
	}
	if (!gone)
		q->user.down(q->user.ctx, &err);
	if (gone) {
		if (outer != NULL)
			*outer = true;
		return;
	}
	q->gone = outer;
}

static int
bytes_append(char **buf, size_t *n, const char *data, size_t n_data)
{
	char *p;

	if (n_data == 0)
		return 0;	/* realloc to nothing would free */
	if (*n + n_data > QMP_LINE_MAX)
		return -ENOBUFS;
	p = realloc(*buf, *n + n_data);
	if (p == NULL)
		return -ENOMEM;
	memcpy(p + *n, data, n_data);
	*buf = p;
	*n += n_data;
	return 0;
}

/* Sends what it can; the rest goes when the socket can take more. */
static int
qmp_push(struct qmp *q)
{
	while (q->n_out > 0) {
		ssize_t r = send(q->fd, q->out, q->n_out,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			break;
		if (r < 0)
			return -errno;
		q->n_out -= (size_t)r;
		memmove(q->out, q->out + r, q->n_out);
	}
	return sd_event_source_set_io_events(q->io,
	    EPOLLIN | (q->n_out > 0 ? (uint32_t)EPOLLOUT : 0));
}

static int
qmp_encode(const char *exec, const char *cmd, json_t *args, uint64_t id,
    char **ret)
{
	AUTO_JSON json_t *msg = NULL;

	msg = json_pack("{s:s, s:I, s:o*}", exec, cmd, "id",
	    (json_int_t)id, "arguments", args);
	if (msg == NULL)
		return -ENOMEM;
	*ret = json_dumps(msg, JSON_COMPACT);
	return *ret != NULL ? 0 : -ENOMEM;
}

static int
qmp_send(struct qmp *q, const char *exec, const char *cmd, json_t *args,
    qmp_reply_fn *reply, void *ctx, bool hold)
{
	AUTO_FREE char *line = NULL;
	size_t i;
	int rc;

	for (i = 0; i < QMP_CALLS_MAX && q->calls[i].id != 0; i++)
		;
	if (i == QMP_CALLS_MAX || q->is_down) {
		json_decref(args);
		return q->is_down ? -EPIPE : -EBUSY;
	}
	rc = qmp_encode(exec, cmd, args, q->next_id, &line);
	if (rc == 0 && hold)
		rc = bytes_append(&q->held, &q->n_held, line, strlen(line));
	else if (rc == 0)
		rc = bytes_append(&q->out, &q->n_out, line, strlen(line));
	if (rc < 0)
		return rc;
	q->calls[i].id = q->next_id++;
	q->calls[i].reply = reply;
	q->calls[i].ctx = ctx;
	/* A broken socket shows itself in the loop, which ends all calls. */
	if (!hold)
		(void)qmp_push(q);
	return 0;
}

int
qmp_call(struct qmp *q, const char *cmd, json_t *args, qmp_reply_fn *reply,
    void *ctx)
{
	return qmp_send(q, "execute", cmd, args, reply, ctx, !q->is_up);
}

int
qmp_call_oob(struct qmp *q, const char *cmd, json_t *args,
    qmp_reply_fn *reply, void *ctx)
{
	return qmp_send(q, q->is_up && q->oob ? "exec-oob" : "execute", cmd,
	    args, reply, ctx, !q->is_up);
}

/* --- greeting -> capabilities -> up --- */

static void
qmp_is_up(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qmp *q = ctx;

	(void)ret;
	if (rc < 0) {
		/* when the connection broke, qmp_fail() is at work already */
		if (!q->is_down)
			qmp_fail(q, rc, err->text);
		return;
	}
	q->is_up = true;
	if (bytes_append(&q->out, &q->n_out, q->held, q->n_held) < 0) {
		qmp_fail(q, -ENOMEM, "no memory");
		return;
	}
	free(TAKE_PTR(q->held));
	q->n_held = 0;
	(void)qmp_push(q);
	q->user.up(q->user.ctx);
}

static void
qmp_answer(struct qmp *q, json_t *msg)
{
	json_t *error = json_object_get(msg, "error");
	uint64_t id = (uint64_t)json_integer_value(json_object_get(msg, "id"));
	struct qmp_call c = {0};
	struct av_err err = {0};
	size_t i;

	for (i = 0; i < QMP_CALLS_MAX && id != 0; i++) {
		if (q->calls[i].id == id) {
			c = q->calls[i];
			q->calls[i].id = 0;
			break;
		}
	}
	if (c.id == 0) {
		qmp_fail(q, -EBADMSG, "an answer to nothing");
		return;
	}
	if (c.reply == NULL)
		return;
	if (error != NULL) {
		const char *desc = json_string_value(json_object_get(error,
		    "desc"));

		(void)av_err_set(&err, -EREMOTEIO, "QEMU: %s",
		    desc != NULL ? desc : "error");
		c.reply(c.ctx, -EREMOTEIO, NULL, &err);
		return;
	}
	c.reply(c.ctx, 0, json_object_get(msg, "return"), &err);
}

static void
qmp_greeted(struct qmp *q, const json_t *hello)
{
	const json_t *caps = json_object_get(hello, "capabilities");
	size_t i;

	if (hello == NULL) {
		qmp_fail(q, -EBADMSG, "no greeting");
		return;
	}
	for (i = 0; i < json_array_size(caps); i++) {
		const char *cap = json_string_value(json_array_get(caps, i));

		if (cap != NULL && strcmp(cap, "oob") == 0)
			q->oob = true;
	}
	q->greeted = true;
	if (qmp_send(q, "execute", "qmp_capabilities", q->oob ?
	    json_pack("{s:[s]}", "enable", "oob") : NULL, qmp_is_up, q,
	    false) < 0)
		qmp_fail(q, -ENOMEM, "no memory");
}

static void
qmp_line(struct qmp *q, const char *line, size_t n)
{
	AUTO_JSON json_t *msg = json_loadb(line, n, 0, NULL);
	const char *event;

	if (!json_is_object(msg)) {
		qmp_fail(q, -EBADMSG, "not QMP");
		return;
	}
	if (!q->greeted) {
		qmp_greeted(q, json_object_get(msg, "QMP"));
		return;
	}
	event = json_string_value(json_object_get(msg, "event"));
	if (event != NULL)
		q->user.event(q->user.ctx, event,
		    json_object_get(msg, "data"));
	else
		qmp_answer(q, msg);
}

/* Handles every whole line; false when 'q' is gone. */
static bool
qmp_lines(struct qmp *q)
{
	bool gone = false;
	size_t at = 0;
	char *nl;

	q->gone = &gone;
	while (!q->is_down &&
	    (nl = memchr(q->in + at, '\n', q->n_in - at)) != NULL) {
		size_t n = (size_t)(nl - (q->in + at));

		while (n > 0 && q->in[at + n - 1] == '\r')
			n--;
		if (n > 0)
			qmp_line(q, q->in + at, n);
		if (gone)
			return false;
		at = (size_t)(nl - q->in) + 1;
	}
	q->gone = NULL;
	q->n_in -= at;
	memmove(q->in, q->in + at, q->n_in);
	return true;
}

static int
qmp_read(struct qmp *q)
{
	ssize_t r;

	if (q->in_room - q->n_in < 4096) {
		size_t room = q->in_room == 0 ? 16384 : q->in_room * 2;
		char *p;

		if (room > 2 * QMP_LINE_MAX)
			return -EBADMSG;
		p = realloc(q->in, room);
		if (p == NULL)
			return -ENOMEM;
		q->in = p;
		q->in_room = room;
	}
	r = recv(q->fd, q->in + q->n_in, q->in_room - q->n_in, MSG_DONTWAIT);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (r == 0)
		return -ECONNRESET;
	q->n_in += (size_t)r;
	return 0;
}

static int
qmp_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct qmp *q = ctx;
	int rc = 0;

	(void)s;
	(void)fd;
	if (revents & EPOLLOUT)
		rc = qmp_push(q);
	if (rc >= 0 && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		rc = qmp_read(q);
	if (rc >= 0 && !qmp_lines(q))
		return 0;
	if (rc < 0)
		qmp_fail(q, rc, rc == -ECONNRESET ? "connection closed" :
		    strerror(-rc));
	return 0;
}

int
qmp_adopt(sd_event *event, int fd, const struct qmp_user *user,
    struct qmp **ret_q)
{
	struct qmp *q = calloc(1, sizeof(*q));
	int r;

	if (q == NULL) {
		(void)close(fd);
		return -ENOMEM;
	}
	q->fd = fd;
	q->user = *user;
	q->next_id = 1;
	r = sd_event_add_io(event, &q->io, fd, EPOLLIN, qmp_io, q);
	if (r < 0) {
		qmp_free(q);
		return r;
	}
	*ret_q = q;
	return 0;
}

int
vmm_unix_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AUTO_FD int fd = -1;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int
qmp_connect(sd_event *event, const char *path, const struct qmp_user *user,
    struct qmp **ret_q)
{
	int fd = vmm_unix_connect(path);

	return fd < 0 ? fd : qmp_adopt(event, fd, user, ret_q);
}
