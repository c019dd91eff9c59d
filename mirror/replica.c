/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica.c - driver "replica": talks to one mirror server process
 *
 *   finding --control socket answers--> asking --first status--> UP
 *     | nobody there                                              |
 *     v                                                           | socket ends
 *   spawned --ready--> asking                                     v
 *     | says why not, or can't be reached                      finding again;
 *     |                                                    going, until the
 *     '--> DOWN (mirror_start() spawns again)              process is gone: DOWN
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "mirror/replica.h"
#include "mirror/replica/meta.h"

#define FIND_AGAIN_US	(100 * 1000)
#define FIND_TRIES	50		/* 5 s: a starting server gets there */
#define SPAWN_TRIES	4
#define GONE_NS		(1 * AV_NS_PER_S)	/* stuck in its disk: not waited for */
#define OP_DEFAULT_NS	(10 * AV_NS_PER_S)

struct replica {
	struct mirror	m;
	struct replica_conf c;
	struct mirror_status st;
	sd_event	*loop;
	mirror_changed_fn changed;
	void		*arg;
	int		fd;		/* control; -1 = none */
	sd_event_source	*fd_source;
	int		ready_fd;
	sd_event_source	*ready_source;
	sd_event_source	*find_timer;
	int		gone_fd;	/* pidfd of a server that is ending */
	sd_event_source	*gone_source, *gone_timer;
	unsigned	tries, spawns;
	struct av_frame_reader fr;
	struct mirror_op *ops;
	struct mirror_op *stop_op;	/* one of them */
	uint64_t	seq;
};

static int on_control(sd_event_source *es, int fd, uint32_t events, void *arg);
static int on_ready(sd_event_source *es, int fd, uint32_t events, void *arg);
static int on_find(sd_event_source *es, uint64_t usec, void *arg);

/* --- helpers --- */

static void
tell(struct replica *r)
{
	if (r->changed != NULL)
		r->changed(&r->m, r->arg);
}

static struct mirror_op *
op_take(struct replica *r, struct mirror_op *op)
{
	struct mirror_op **at;

	for (at = &r->ops; *at != NULL; at = &(*at)->next) {
		if (*at != op)
			continue;
		*at = op->next;
		op->timer = sd_event_source_disable_unref(op->timer);
		if (r->stop_op == op)
			r->stop_op = NULL;
		return op;
	}
	return NULL;
}

static void
op_finish(struct replica *r, struct mirror_op *op, int rc,
    const struct av_err *err)
{
	uint32_t *digests = op->digests;

	(void)op_take(r, op);
	op->done(op, rc, err);	/* 'op' may be gone now */
	free(digests);
}

static void
ops_end(struct replica *r, int rc, const char *code, const char *text)
{
	while (r->ops != NULL) {
		struct av_err err = { 0 };
		struct mirror_op *op = r->ops;

		if (op == r->stop_op && rc != -ECANCELED) {
			op_finish(r, op, 0, &err);
			continue;
		}
		(void)av_err_code(&err, rc, code, "%s", text);
		err.outcome = AV_MAYBE;
		op_finish(r, op, rc, &err);
	}
}

static void
hang_up(struct replica *r)
{
	r->fd_source = sd_event_source_disable_unref(r->fd_source);
	r->ready_source = sd_event_source_disable_unref(r->ready_source);
	r->find_timer = sd_event_source_disable_unref(r->find_timer);
	if (r->fd >= 0)
		(void)close(r->fd);	/* a socket */
	if (r->ready_fd >= 0)
		(void)close(r->ready_fd);
	r->gone_source = sd_event_source_disable_unref(r->gone_source);
	r->gone_timer = sd_event_source_disable_unref(r->gone_timer);
	if (r->gone_fd >= 0)
		(void)close(r->gone_fd);
	r->fd = r->ready_fd = r->gone_fd = -1;
	av_frame_reader_dispose(&r->fr);
	memset(&r->fr, 0, sizeof(r->fr));
}

static void
go_down(struct replica *r, const char *code, const char *text)
{
	hang_up(r);
	r->st.server = MIRROR_SERVER_DOWN;
	r->st.pid = 0;
	r->st.conn = MIRROR_DISCONNECTED;
	r->st.role = MIRROR_SECONDARY;
	r->st.alone = false;
	(void)snprintf(r->st.error_code, sizeof(r->st.error_code), "%s",
	    code);
	(void)snprintf(r->st.error_text, sizeof(r->st.error_text), "%s",
	    text);
	ops_end(r, -ECONNRESET, "server-down", "the mirror server has gone");
	tell(r);
}

static int
send_msg(struct replica *r, json_t *msg)
{
	AUTO_JSON json_t *owned = msg;
	AUTO_FREE uint8_t *buf = NULL;
	size_t n;
	int rc;

	if (owned == NULL)
		return -ENOMEM;
	rc = av_frame_encode(owned, &buf, &n);
	if (rc < 0)
		return rc;
	if (send(r->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n)
		return 0;
	/* A server that doesn't read its orders is as good as gone; half a frame
	 * can't be taken back. */
	(void)shutdown(r->fd, SHUT_RDWR);
	return -ECONNRESET;
}

/* --- find or spawn -> ask -> up --- */

static int
connect_control(struct replica *r)
{
	AUTO_FD int fd = socket(AF_UNIX,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int rc;

	if (fd < 0)
		return -errno;
	memcpy(a.sun_path, r->c.control_path, sizeof(r->c.control_path));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	rc = sd_event_add_io(r->loop, &r->fd_source, fd, EPOLLIN, on_control,
	    r);
	if (rc < 0)
		return rc;
	r->fd = TAKE_FD(fd);
	rc = send_msg(r, json_pack("{s:s}", "cmd", "subscribe"));
	if (rc < 0)
		hang_up(r);
	return rc;
}

static int
find_later(struct replica *r)
{
	if (r->find_timer == NULL) {
		int rc = sd_event_add_time_relative(r->loop, &r->find_timer,
		    CLOCK_MONOTONIC, FIND_AGAIN_US, 0, on_find, r);

		return rc < 0 ? rc : 0;
	}
	if (sd_event_source_set_time_relative(r->find_timer,
	    FIND_AGAIN_US) < 0)
		return -EINVAL;
	return sd_event_source_set_enabled(r->find_timer, SD_EVENT_ONESHOT);
}

static int
start_server(struct replica *r, struct av_err *err)
{
	int rc;

	r->st.found = false;
	rc = replica_spawn(&r->c, &r->ready_fd, err);

	if (rc < 0)
		return rc;
	rc = sd_event_add_io(r->loop, &r->ready_source, r->ready_fd, EPOLLIN,
	    on_ready, r);
	return rc < 0 ? av_err_set(err, rc, "no event source") : 0;
}

static void
find_or_start(struct replica *r, bool may_start)
{
	struct av_err err = { 0 };
	int rc = connect_control(r);

	if (rc == 0) {
		r->st.found = may_start;
		return;
	}
	if (may_start)
		rc = start_server(r, &err);
	if (rc == 0)
		return;
	if (may_start && rc != -EADDRINUSE) {
		go_down(r, err.code[0] != '\0' ? err.code : "server-down",
		    err.text);
		return;
	}
	if (++r->tries >= FIND_TRIES || find_later(r) < 0)
		go_down(r, "server-down", err.text[0] != '\0' ? err.text :
		    "the mirror server can't be reached");
}

static int
on_find(sd_event_source *es, uint64_t usec, void *arg)
{
	struct replica *r = arg;

	(void)es;
	(void)usec;
	if (r->fd < 0 && r->ready_fd < 0)
		find_or_start(r, r->st.server == MIRROR_SERVER_STARTING);
	return 0;
}

static int
on_ready(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct replica *r = arg;
	char buf[400], *text;
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	int rc;

	(void)es;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	r->ready_source = sd_event_source_disable_unref(r->ready_source);
	(void)close(fd);
	r->ready_fd = -1;
	if (n > 0) {
		buf[n] = '\0';
		text = strchr(buf, '\n');
		if (text != NULL)
			*text++ = '\0';
		if (text != NULL && strchr(text, '\n') != NULL)
			*strchr(text, '\n') = '\0';
		go_down(r, buf[0] != '\0' ? buf : "server-down",
		    text != NULL ? text : "");
	} else {
		rc = connect_control(r);
		if (rc == 0)
			return 0;
		/* Died without a word while it started: that may pass. */
		if (++r->spawns < SPAWN_TRIES && find_later(r) == 0)
			return 0;
		(void)snprintf(buf, sizeof(buf), "the mirror server ended at "
		    "once (%s); see its log", strerror(-rc));
		go_down(r, "server-down", buf);
	}
	return 0;
}

/* --- the end of a server --- */

static void
has_ended(struct replica *r)
{
	if (r->stop_op != NULL)
		go_down(r, "stopped", "stopped by order");
	else
		go_down(r, "server-down", "the mirror server has ended");
}

static int
on_gone(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	(void)es;
	(void)fd;
	(void)events;
	has_ended(arg);
	return 0;
}

static int
on_gone_limit(sd_event_source *es, uint64_t usec, void *arg)
{
	(void)es;
	(void)usec;
	has_ended(arg);
	return 0;
}

/* A process that ends closes its sockets before it lets go of the leg: who is
 * told DOWN may start a server or delete the leg at once, so wait for its end. */
static void
wait_gone(struct replica *r)
{
	if (r->st.pid > 0)
		r->gone_fd = pidfd_open(r->st.pid, 0);
	if (r->gone_fd < 0 || sd_event_add_io(r->loop, &r->gone_source,
	    r->gone_fd, EPOLLIN, on_gone, r) < 0 ||
	    sd_event_add_time_relative(r->loop, &r->gone_timer,
	    CLOCK_MONOTONIC, av_scaled_ns(r->c.time_scale, GONE_NS) /
	    AV_NS_PER_US, 0, on_gone_limit, r) < 0)
		has_ended(r);
}

/* --- messages --- */

static void
take_status(struct replica *r, const json_t *st)
{
	replica_status_parse(st, &r->st);
	r->st.server = MIRROR_SERVER_UP;
	r->tries = r->spawns = 0;
	tell(r);
}

static void
take_digests(struct mirror_op *op, const json_t *list)
{
	size_t i, n = json_array_size(list);

	op->digests = calloc(n + 1, sizeof(*op->digests));
	if (op->digests == NULL)
		return;
	for (i = 0; i < n; i++)
		op->digests[i] = (uint32_t)json_integer_value(
		    json_array_get(list, i));
	op->n_digests = n;
}

static void
take_answer(struct replica *r, const json_t *msg)
{
	uint64_t seq = (uint64_t)json_integer_value(
	    json_object_get(msg, "seq"));
	int rc = (int)json_integer_value(json_object_get(msg, "rc"));
	const char *code = json_string_value(json_object_get(msg, "code"));
	const char *text = json_string_value(json_object_get(msg, "text"));
	const json_t *status = json_object_get(msg, "status");
	const json_t *digests = json_object_get(msg, "digests");
	struct av_err err = { 0 };
	struct mirror_op *op;

	/* The state after the order is known before 'done' runs. */
	if (status != NULL && r->stop_op == NULL)
		take_status(r, status);
	for (op = r->ops; op != NULL && op->seq != seq; op = op->next)
		;
	if (op == NULL || op == r->stop_op)
		return;		/* late; or wait until the process has gone */
	if (digests != NULL && rc == 0) {
		take_digests(op, digests);
		if (op->digests == NULL)
			rc = -ENOMEM;
	}
	if (rc > 0)
		rc = -EPROTO;
	if (rc < 0)
		(void)av_err_code(&err, rc, code != NULL ? code : "", "%s",
		    text != NULL ? text : "");
	op_finish(r, op, rc, &err);
}

static int
on_control(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct replica *r = arg;
	int got = av_frame_fill(&r->fr, fd), rc = -EAGAIN;
	json_t *msg;

	(void)es;
	(void)events;
	while (r->fd == fd && (rc = av_frame_next(&r->fr, &msg)) == 0) {
		const json_t *st = json_object_get(msg, "status");

		if (json_object_get(msg, "event") == NULL)
			take_answer(r, msg);
		else if (st != NULL && r->stop_op == NULL)
			take_status(r, st);
		json_decref(msg);
	}
	if (r->fd != fd || (rc == -EAGAIN && (got > 0 || got == -EAGAIN ||
	    got == -EINTR)))
		return 0;
	/* The server ended, or cut us off: look once more before saying so. */
	hang_up(r);
	if (r->stop_op != NULL || connect_control(r) < 0)
		wait_gone(r);
	else
		ops_end(r, -ECONNRESET, "server-down",
		    "the mirror server dropped the order");
	return 0;
}

/* --- orders --- */

static int
on_deadline(sd_event_source *es, uint64_t usec, void *arg)
{
	struct mirror_op *op = arg;
	struct replica *r = container_of(op->m, struct replica, m);
	struct av_err err = { 0 };

	(void)es;
	(void)usec;
	(void)av_err_maybe(&err, -ETIMEDOUT,
	    "the mirror server didn't answer in time");
	op_finish(r, op, -ETIMEDOUT, &err);
	return 0;
}

static json_t *
order_json(const struct mirror_order *o, uint64_t seq)
{
	static const char *const words[MIRROR_N_VERBS] = {
		[MIRROR_V_PRIMARY] = "primary",
		[MIRROR_V_ALONE] = "alone",
		[MIRROR_V_SECONDARY] = "secondary",
		[MIRROR_V_OUTDATE] = "outdate",
		[MIRROR_V_CONNECT] = "connect",
		[MIRROR_V_DISCONNECT] = "disconnect",
		[MIRROR_V_RATE] = "rate",
		[MIRROR_V_STOP] = "stop",
		[MIRROR_V_DIGEST] = "digest",
		[MIRROR_V_VERIFY] = "verify",
		[MIRROR_V_VERIFY_CANCEL] = "verify-cancel",
		[MIRROR_V_RESYNC_PAUSE] = "resync-pause",
		[MIRROR_V_RESYNC_RESUME] = "resync-resume",
		[MIRROR_V_GROW] = "grow",
		[MIRROR_V_HOLD] = "hold",
		[MIRROR_V_RELEASE] = "release",
		[MIRROR_V_DISKLESS] = "diskless",
		[MIRROR_V_ALIVE] = "alive",
		[MIRROR_V_DISCARD] = "discard",
	};
	char base[17];

	(void)snprintf(base, sizeof(base), "%016" PRIx64, o->winner_base);
	return json_pack("{s:I,s:s,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s}",
	    "seq", (json_int_t)seq, "cmd", words[o->verb],
	    "alone", (int)o->alone, "repair", (int)o->repair, "gen", (json_int_t)o->gen,
	    "lease_ms", (json_int_t)o->lease_ms,
	    "boot_ns", (json_int_t)(o->since_boot_ns != 0 ?
	    o->since_boot_ns : av_clock_boot_ns()),
	    "kib_s", (json_int_t)o->rate_kib_s,
	    "offset", (json_int_t)o->offset,
	    "length", (json_int_t)o->length,
	    "size_bytes", (json_int_t)o->new_size_bytes,
	    "timeout_ms", (json_int_t)o->timeout_ms, "base", base);
}

static int
replica_order(struct mirror *m, struct mirror_op *op,
    const struct mirror_order *o, struct av_err *err)
{
	struct replica *r = container_of(m, struct replica, m);
	uint64_t due;
	int rc;

	if (r->fd < 0 || r->stop_op != NULL)
		return av_err_code(err, -ENOTCONN, "server-down",
		    "the mirror server isn't running");
	if (o->gen > INT64_MAX || o->offset > INT64_MAX ||
	    o->length > INT64_MAX || o->rate_kib_s > INT64_MAX ||
	    o->since_boot_ns > INT64_MAX)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a number is too large");
	if (op == NULL) {
		rc = send_msg(r, order_json(o, 0));
		return rc < 0 ? av_err_code(err, rc, "server-down",
		    "the mirror server can't be reached") : 0;
	}
	due = op->deadline_ns != 0 ? op->deadline_ns :
	    av_clock_ns() + av_scaled_ns(r->c.time_scale, OP_DEFAULT_NS);
	op->seq = ++r->seq;
	rc = sd_event_add_time(r->loop, &op->timer, CLOCK_MONOTONIC,
	    due / AV_NS_PER_US, 1000, on_deadline, op);
	if (rc < 0)
		return av_err_set(err, rc, "no timer");
	rc = send_msg(r, order_json(o, op->seq));
	if (rc < 0) {
		op->timer = sd_event_source_disable_unref(op->timer);
		return av_err_code(err, rc, "server-down",
		    "the mirror server can't be reached");
	}
	op->next = r->ops;
	r->ops = op;
	if (o->verb == MIRROR_V_STOP)
		r->stop_op = op;
	return 0;
}

/* --- open, close --- */

static int
replica_open(const struct mirror_conf *conf, sd_event *loop,
    mirror_changed_fn changed, void *arg, struct mirror **ret_m,
    struct av_err *err)
{
	struct replica *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	r->fd = r->ready_fd = r->gone_fd = -1;
	r->changed = changed;
	r->arg = arg;
	r->st.peer_seen_ms = UINT64_MAX;
	rc = replica_conf_copy(&r->c, conf, err);
	if (rc == 0) {
		r->loop = sd_event_ref(loop);
		/* from the loop, as 'changed' may run on failure */
		rc = sd_event_add_time_relative(loop, &r->find_timer,
		    CLOCK_MONOTONIC, 0, 0, on_find, r);
		if (rc < 0)
			(void)av_err_set(err, rc, "no timer");
	}
	if (rc < 0) {
		sd_event_unref(r->loop);
		free(r);
		return rc;
	}
	*ret_m = &r->m;
	return 0;
}

static void
replica_close(struct mirror *m)
{
	struct replica *r = container_of(m, struct replica, m);

	r->changed = NULL;
	ops_end(r, -ECANCELED, "", "cancelled");
	hang_up(r);
	sd_event_unref(r->loop);
	free(r);
}

static int
replica_start(struct mirror *m, struct av_err *err)
{
	struct replica *r = container_of(m, struct replica, m);

	if (r->st.server != MIRROR_SERVER_DOWN)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "the mirror server isn't down");
	r->st.server = MIRROR_SERVER_STARTING;
	r->st.error_code[0] = r->st.error_text[0] = '\0';
	r->tries = r->spawns = 0;
	if (find_later(r) < 0) {
		r->st.server = MIRROR_SERVER_DOWN;
		return av_err_set(err, -ENOMEM, "no timer");
	}
	return 0;
}

static const struct mirror_status *
replica_status_peek(const struct mirror *m)
{
	return &((const struct replica *)(const void *)m)->st;
}

static const char *
replica_front_path(const struct mirror *m)
{
	return ((const struct replica *)(const void *)m)->c.front_path;
}

const struct mirror_ops mirror_replica_ops = {
	.name = "replica",
	.leg_create = leg_create,
	.leg_delete = leg_delete,
	.leg_read = leg_info,
	.open = replica_open,
	.close = replica_close,
	.start = replica_start,
	.order = replica_order,
	.status_peek = replica_status_peek,
	.front_path = replica_front_path,
	.leg_snapshot = leg_snapshot,
	.leg_snapshot_delete = leg_snapshot_delete,
};
