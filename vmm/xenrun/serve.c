/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/serve.c - RUNTIME/xen.sock: the agent's orders, in QMP's wire form
 *
 *   query-uuid, query-status, cont, stop, system_powerdown, quit	as QEMU's
 *   resize {disk, bytes}	the disk has grown; answers when the guest is told
 *   dump {path}		core of the guest's memory; answers when it is written
 *   query-stats		processor time and memory
 *   migrate {...}, migrate_cancel, freeze	move.h
 * Event STATUS with query-status' answer at each change.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "vmm/xenrun/move.h"
#include "vmm/xenrun/run.h"

#define CLIENTS_MAX	4
#define ORDER_MAX_BYTES	65536
#define OUT_MAX_BYTES	262144

struct client {
	struct xr_serve	*serve;
	unsigned	 number;	/* 0 = free */
	int		 fd;
	sd_event_source	*io;
	char		 in[ORDER_MAX_BYTES];
	size_t		 n_in;
	char		*out;
	size_t		 n_out;
};

struct xr_serve {
	struct xr	*xr;
	unsigned	 last;
	struct client	 clients[CLIENTS_MAX];
};

static void
client_drop(struct client *c)
{
	sd_event_source_disable_unref(c->io);
	(void)close(c->fd);		/* a socket */
	free(c->out);
	memset(c, 0, offsetof(struct client, in));
	c->n_in = c->n_out = 0;
	c->out = NULL;
}

/* false: the client is gone */
static bool
client_push(struct client *c)
{
	while (c->n_out > 0) {
		ssize_t r = send(c->fd, c->out, c->n_out,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			break;
		if (r < 0) {
			client_drop(c);
			return false;
		}
		c->n_out -= (size_t)r;
		memmove(c->out, c->out + r, c->n_out);
	}
	(void)sd_event_source_set_io_events(c->io,
	    EPOLLIN | (c->n_out > 0 ? (uint32_t)EPOLLOUT : 0));
	return true;
}

/* Steals 'msg'. */
static bool
client_say(struct client *c, json_t *msg)
{
	AUTO_FREE char *text = msg != NULL ?
	    json_dumps(msg, JSON_COMPACT) : NULL;
	size_t n = text != NULL ? strlen(text) : 0;
	char *p;

	json_decref(msg);
	p = n > 0 && c->n_out + n + 1 <= OUT_MAX_BYTES ?
	    realloc(c->out, c->n_out + n + 1) : NULL;
	if (p == NULL) {		/* he doesn't read: he can come again */
		client_drop(c);
		return false;
	}
	memcpy(p + c->n_out, text, n);
	p[c->n_out + n] = '\n';
	c->out = p;
	c->n_out += n + 1;
	return client_push(c);
}

static json_t *
status_json(const struct xr *xr)
{
	static const char *const words[] = { [XR_MAKING] = "making",
		[XR_PAUSED] = "paused", [XR_RUNNING] = "running",
		[XR_INCOMING] = "inmigrate", [XR_ENDING] = "ending" };
	/* a reset: made anew, and for the agent it runs on */
	const char *w = xr->state == XR_MAKING && xr->want_run ? "running" :
	    words[xr->state];
	json_t *o = json_pack("{s:s, s:I}", "status", w, "domid",
	    (json_int_t)xr->domid);

	if (o != NULL && xr->move != NULL &&
	    json_object_set_new(o, "migration", xr_move_json(xr->move)) < 0) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

void
xr_serve_status(struct xr_serve *s)
{
	unsigned i;

	if (s == NULL)
		return;
	for (i = 0; i < CLIENTS_MAX; i++)
		if (s->clients[i].number != 0)
			(void)client_say(&s->clients[i], json_pack("{s:s, s:o}",
			    "event", "STATUS", "data", status_json(s->xr)));
}

void
xr_serve_answer(struct xr_serve *s, struct xr_asker *to, int rc, json_t *ret,
    const struct av_err *err)
{
	struct client *c = NULL;
	unsigned i;

	for (i = 0; i < CLIENTS_MAX && to->client != 0; i++)
		if (s->clients[i].number == to->client)
			c = &s->clients[i];
	to->client = 0;
	if (c == NULL) {
		json_decref(ret);
		return;
	}
	if (rc < 0) {
		json_decref(ret);
		(void)client_say(c, json_pack("{s:I, s:{s:s, s:s}}", "id",
		    to->id, "error", "class", rc == -EAGAIN ? "Again" :
		    "GenericError", "desc", err->text));
		return;
	}
	(void)client_say(c, json_pack("{s:I, s:o}", "id", to->id, "return",
	    ret != NULL ? ret : json_object()));
}

/* --------------------------------- orders --------------------------------- */

static int
dump_work(struct xr *xr, struct av_err *err)
{
	return xr_be_dump(xr->domid, xr->dump_path, err);
}

static void
dump_done(struct xr *xr, int rc, const struct av_err *err)
{
	struct av_err why = {0};
	struct xr_info in;

	xr_serve_answer(xr->serve, &xr->dump_asker, rc, NULL, err);
	/* unless it was to stand meanwhile */
	if (xr->state == XR_RUNNING && xr_be_find(xr->spec.uuid, &in) == 0 &&
	    in.paused && xr_be_unpause(in.domid, false) < 0)
		(void)fprintf(stderr, "it can't go on after its core\n");
	xr_guest_settle(xr, &why);
	if (why.rc < 0)
		(void)fprintf(stderr, "%s\n", why.text);
}

static int
do_dump(struct xr *xr, const json_t *args, const struct xr_asker *who,
    struct av_err *err)
{
	const char *path = json_string_value(json_object_get(args, "path"));

	if (path == NULL || path[0] != '/' ||
	    strlen(path) >= sizeof(xr->dump_path))
		return av_err_set(err, -EINVAL, "no path for the core");
	if (xr->job.live || (xr->state != XR_RUNNING &&
	    xr->state != XR_PAUSED))
		return av_err_set(err, -EBUSY, "busy with it");
	/* memory that moves on while it is written is of no one moment */
	if (xr->state == XR_RUNNING && xr_be_pause(xr->domid) < 0)
		return av_err_set(err, -EIO, "Xen can't pause it");
	memcpy(xr->dump_path, path, strlen(path) + 1);
	xr->dump_asker = *who;
	xr->job.work = dump_work;
	xr->job.done = dump_done;
	xr_task_start(xr, &xr->job);
	return 0;
}

static int
grow_work(struct xr *xr, struct av_err *err)
{
	return xr_disk_resize(xr, xr->grow.domid, xr->grow.disk,
	    xr->grow.bytes, err);
}

static void
grow_done(struct xr *xr, int rc, const struct av_err *err)
{
	xr_serve_answer(xr->serve, &xr->grow.asker, rc, NULL, err);
}

/* In a thread: a 'stop' must not wait for a QEMU that is slow. */
static int
do_resize(struct xr *xr, const json_t *args, const struct xr_asker *who,
    struct av_err *err)
{
	json_int_t disk = json_integer_value(json_object_get(args, "disk"));
	json_int_t bytes = json_integer_value(json_object_get(args, "bytes"));

	if (disk < 0 || disk >= VMM_DISKS_MAX || bytes <= 0 ||
	    bytes % 512 != 0)
		return av_err_set(err, -EINVAL, "no such disk or size");
	if (xr->grower.live)
		return av_err_set(err, -EAGAIN, "disk %u: not yet told: busy "
		    "with the one before", (unsigned)disk);
	xr->grow.asker = *who;
	xr->grow.domid = xr->domid;
	xr->grow.disk = (unsigned)disk;
	xr->grow.bytes = (uint64_t)bytes;
	xr->grower.work = grow_work;
	xr->grower.done = grow_done;
	xr_task_start(xr, &xr->grower);
	return 0;
}

static int
do_stats(struct xr *xr, json_t **ret, struct av_err *err)
{
	struct xr_info in;
	int rc = xr_be_find(xr->spec.uuid, &in);

	if (rc < 0)
		return av_err_set(err, rc, "no domain");
	*ret = json_pack("{s:I, s:I}", "cpu_ns", (json_int_t)in.cpu_ns,
	    "memory_bytes", (json_int_t)in.memory_bytes);
	return 0;
}

static int
do_off(struct xr *xr, struct av_err *err)
{
	int rc = xr_be_ask_off(xr->domid, xr_is_hvm(&xr->spec));

	return rc < 0 ? av_err_set(err, rc, "it can't be asked") : 0;
}

/* *later: the answer comes by itself. */
static int
order_run(struct xr *xr, const char *cmd, const json_t *args,
    const struct xr_asker *who, bool *later, json_t **ret, struct av_err *err)
{
	if (strcmp(cmd, "qmp_capabilities") == 0)
		return 0;
	if (strcmp(cmd, "query-uuid") == 0) {
		*ret = json_pack("{s:s}", "UUID", xr->spec.uuid);
		return 0;
	}
	if (strcmp(cmd, "query-status") == 0) {
		*ret = status_json(xr);
		return 0;
	}
	if (strcmp(cmd, "quit") == 0) {
		xr_guest_end(xr, XR_EX_KILLED, "");
		return 0;
	}
	if (xr->state == XR_ENDING && strcmp(cmd, "system_powerdown") == 0)
		return 0;		/* what was asked for */
	if (xr->state == XR_ENDING)
		return av_err_set(err, -ESRCH, "it is ending");
	if (strcmp(cmd, "stop") == 0)
		return xr->move != NULL ? xr_move_stop(xr, err) :
		    xr_guest_stop(xr, err);
	if (strcmp(cmd, "cont") == 0)
		return xr->move != NULL ? xr_move_cont(xr, err) :
		    xr_guest_cont(xr, err);
	if (strcmp(cmd, "system_powerdown") == 0)
		return do_off(xr, err);
	if (strcmp(cmd, "resize") == 0) {
		*later = true;
		return do_resize(xr, args, who, err);
	}
	if (strcmp(cmd, "query-stats") == 0)
		return do_stats(xr, ret, err);
	if (strcmp(cmd, "migrate") == 0)
		return xr_move_out(xr, args, err);
	if (strcmp(cmd, "migrate_cancel") == 0)
		return xr_move_cancel(xr, err);
	if (strcmp(cmd, "dump") == 0) {
		*later = true;
		return do_dump(xr, args, who, err);
	}
	return av_err_set(err, -ENOSYS, "no such order");
}

/* false: the client is gone */
static bool
client_order(struct client *c, const json_t *msg)
{
	const char *cmd = json_string_value(json_object_get(msg, "execute"));
	struct xr_asker who = { .client = c->number, .id = json_integer_value(
	    json_object_get(msg, "id")) };
	struct av_err err = {0};
	struct xr_serve *s = c->serve;
	unsigned number = c->number;
	json_t *ret = NULL;
	bool later = false;
	int rc;

	if (cmd == NULL) {
		client_drop(c);
		return false;
	}
	rc = order_run(s->xr, cmd, json_object_get(msg, "arguments"), &who,
	    &later, &ret, &err);
	if (rc < 0 || !later)
		xr_serve_answer(s, &who, rc, ret, &err);
	return c->number == number;
}

/* Takes every whole object: nothing stands between two of them. */
static void
client_orders(struct client *c)
{
	size_t at = 0;

	while (at < c->n_in) {
		AUTO_JSON json_t *msg = NULL;
		json_error_t e;

		if (strchr("\r\n\t ", c->in[at]) != NULL) {
			at++;
			continue;
		}
		msg = json_loadb(c->in + at, c->n_in - at,
		    JSON_DISABLE_EOF_CHECK, &e);
		if (msg == NULL && json_error_code(&e) ==
		    json_error_premature_end_of_input)
			break;
		if (msg == NULL || e.position <= 0) {
			client_drop(c);
			return;
		}
		at += (size_t)e.position;
		if (!client_order(c, msg))
			return;
	}
	c->n_in -= at;
	memmove(c->in, c->in + at, c->n_in);
}

static int
client_io(sd_event_source *src, int fd, uint32_t revents, void *ctx)
{
	struct client *c = ctx;
	ssize_t r;

	(void)src;
	if ((revents & EPOLLOUT) && !client_push(c))
		return 0;
	if (!(revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return 0;
	r = recv(fd, c->in + c->n_in, sizeof(c->in) - c->n_in, MSG_DONTWAIT);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (r <= 0) {		/* gone, or an order that is too long */
		client_drop(c);
		return 0;
	}
	c->n_in += (size_t)r;
	client_orders(c);
	return 0;
}

static int
client_new(sd_event_source *src, int fd, uint32_t revents, void *ctx)
{
	struct xr_serve *s = ctx;
	struct client *c = NULL;
	int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	unsigned i;

	(void)src;
	(void)revents;
	for (i = 0; i < CLIENTS_MAX && c == NULL; i++)
		if (s->clients[i].number == 0)
			c = &s->clients[i];
	if (one < 0)
		return 0;
	if (c == NULL || sd_event_add_io(s->xr->event, &c->io, one, EPOLLIN,
	    client_io, c) < 0) {
		(void)close(one);	/* a socket */
		return 0;
	}
	c->serve = s;
	c->fd = one;
	c->number = ++s->last != 0 ? s->last : ++s->last;
	(void)client_say(c, json_pack("{s:{s:s}}", "QMP", "version",
	    "av-xenrun " AV_VERSION));
	return 0;
}

int
xr_serve_new(struct xr *xr, struct xr_serve **ret, struct av_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct xr_serve *s = calloc(1, sizeof(*s));
	int fd;

	if (s == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	s->xr = xr;
	*ret = s;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.91s/xen.sock",
	    xr->spec.runtime_dir);
	if (unlink(sa.sun_path) < 0 && errno != ENOENT)
		return av_err_set(err, -errno, "%s: %s", sa.sun_path,
		    strerror(errno));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, CLIENTS_MAX) < 0)
		return av_err_set(err, -errno, "%s: %s", sa.sun_path,
		    strerror(errno));
	if (sd_event_add_io(xr->event, NULL, fd, EPOLLIN, client_new, s) < 0)
		return av_err_set(err, -ENOMEM, "no event source");
	return 0;
}
