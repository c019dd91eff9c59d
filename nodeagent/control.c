/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/control.c - the agent's socket: clients, frames, events
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "nodeagent/control_impl.h"

#define FRAMES_A_PASS	32	/* of one client, then the others' turn */
#define BACKLOG		32
/* A client that has this much unread isn't read from until it has read. */
#define OUT_HIGH_BYTES	(1024u * 1024)

/* --- a client's end --- */

static void
work_soon(struct control *c)
{
	(void)sd_event_source_set_enabled(c->work, SD_EVENT_ONESHOT);
}

void
client_doom(struct client *cl, const char *why)
{
	if (cl->doomed)
		return;
	if (why != NULL)
		log_warn("control", "a client was dropped: %s", why);
	cl->doomed = true;
	(void)sd_event_source_set_enabled(cl->io, SD_EVENT_OFF);
	(void)shutdown(cl->fd, SHUT_RDWR);	/* may be shut already */
	work_soon(cl->control);
}

static void
client_free(struct client *cl)
{
	struct control *c = cl->control;
	struct client **at;
	struct pending *p;

	for (at = &c->clients; *at != NULL; at = &(*at)->next)
		if (*at == cl) {
			*at = cl->next;
			break;
		}
	for (p = c->pending; p != NULL; p = p->next)
		if (p->client == cl)
			p->client = NULL;
	c->n_clients--;
	cl->io = sd_event_source_disable_unref(cl->io);
	(void)close(cl->fd);
	av_frame_reader_dispose(&cl->reader);
	free(cl->out);
	free(cl);
}

/* --- output --- */

static size_t
out_bytes(const struct client *cl)
{
	return cl->out_n - cl->out_at;
}

static void
io_events(struct client *cl)
{
	uint32_t events = 0;

	if (cl->doomed)
		return;
	if (out_bytes(cl) < OUT_HIGH_BYTES)
		events |= EPOLLIN;
	if (out_bytes(cl) > 0)
		events |= EPOLLOUT;
	if (sd_event_source_set_io_events(cl->io, events) < 0)
		client_doom(cl, "its socket can't be watched");
}

static void
out_flush(struct client *cl)
{
	ssize_t r;

	while (!cl->doomed && out_bytes(cl) > 0) {
		r = send(cl->fd, cl->out + cl->out_at, out_bytes(cl),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			break;
		if (r < 0) {
			client_doom(cl, NULL);	/* it went away */
			return;
		}
		cl->out_at += (size_t)r;
	}
	if (out_bytes(cl) == 0)
		cl->out_at = cl->out_n = 0;
	io_events(cl);
}

static int
out_append(struct client *cl, const uint8_t *data, size_t n)
{
	if (out_bytes(cl) + n > CONTROL_QUEUE_MAX_BYTES)
		return -ENOBUFS;
	if (cl->out_at > 0) {
		memmove(cl->out, cl->out + cl->out_at, out_bytes(cl));
		cl->out_n -= cl->out_at;
		cl->out_at = 0;
	}
	if (cl->out_room - cl->out_n < n) {
		size_t room = 2 * (cl->out_n + n);
		uint8_t *buf = realloc(cl->out, room);

		if (buf == NULL)
			return -ENOMEM;
		cl->out = buf;
		cl->out_room = room;
	}
	memcpy(cl->out + cl->out_n, data, n);
	cl->out_n += n;
	return 0;
}

void
client_send(struct client *cl, const json_t *msg)
{
	AUTO_FREE uint8_t *buf = NULL;
	size_t n;

	if (cl->doomed)
		return;
	if (msg == NULL || av_frame_encode(msg, &buf, &n) < 0) {
		client_doom(cl, "an answer could not be made");
		return;
	}
	if (out_append(cl, buf, n) < 0) {
		client_doom(cl, "it doesn't read its answers");
		return;
	}
	out_flush(cl);
}

/* --- input --- */

static void
client_frames(struct client *cl)
{
	int i;

	cl->more = false;
	for (i = 0; !cl->doomed; i++) {
		AUTO_JSON json_t *msg = NULL;
		int rc;

		if (i == FRAMES_A_PASS || out_bytes(cl) >= OUT_HIGH_BYTES) {
			cl->more = true;
			work_soon(cl->control);
			break;
		}
		rc = av_frame_next(&cl->reader, &msg);
		if (rc == -EAGAIN)
			break;
		if (rc < 0) {
			client_doom(cl, "it sent something that is no frame");
			break;
		}
		control_request(cl, msg);
	}
}

static int
on_client(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct client *cl = arg;
	int r;

	(void)s;
	(void)fd;
	if (revents & EPOLLOUT)
		out_flush(cl);
	if (cl->doomed || cl->more ||
	    !(revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return 0;
	r = av_frame_fill(&cl->reader, cl->fd);
	if (r == -EAGAIN)
		return 0;
	if (r <= 0)
		client_doom(cl, NULL);	/* half a request at most: harmless */
	else
		client_frames(cl);
	return 0;
}

static int
on_work(sd_event_source *s, void *arg)
{
	struct control *c = arg;
	struct client *cl, *next;

	(void)s;
	for (cl = c->clients; cl != NULL; cl = next) {
		next = cl->next;
		if (cl->doomed)
			client_free(cl);
		else if (cl->more && out_bytes(cl) < OUT_HIGH_BYTES)
			client_frames(cl);
	}
	return 0;
}

static void
client_new(struct control *c, int fd)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL) {
		(void)close(fd);
		return;
	}
	cl->control = c;
	cl->fd = fd;
	cl->reader.max_bytes = CONTROL_FRAME_MAX_BYTES;
	if (sd_event_add_io(c->event, &cl->io, fd, EPOLLIN, on_client, cl) < 0) {
		(void)close(fd);
		free(cl);
		return;
	}
	cl->next = c->clients;
	c->clients = cl;
	c->n_clients++;
}

static int
on_listen(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct control *c = arg;
	int client;

	(void)s;
	(void)revents;
	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return 0;	/* it went away, or no descriptors: again later */
	if (c->n_clients >= CONTROL_CLIENTS_MAX) {
		log_warn("control", "more than %d clients: one was turned away",
		    CONTROL_CLIENTS_MAX);
		(void)close(client);
		return 0;
	}
	client_new(c, client);
	return 0;
}

/* --- events --- */

static int
on_tell(sd_event_source *s, void *arg)
{
	struct control *c = arg;
	AUTO_JSON json_t *list = json_array();
	AUTO_JSON json_t *msg = NULL;
	struct client *cl;
	const char *id;
	json_t *unused;

	(void)s;
	json_object_foreach(c->changed, id, unused)
		(void)json_array_append_new(list, json_string(id));
	(void)json_object_clear(c->changed);
	c->n_events++;
	msg = json_pack("{s:{s:I, s:s, s:O}}", "event", "seq",
	    (json_int_t)c->n_events, "type", "changed", "objects", list);
	for (cl = c->clients; cl != NULL; cl = cl->next)
		if (cl->subscribed && !cl->doomed)
			client_send(cl, msg);
	return 0;
}

void
control_changed(struct control *c, const char *object_id)
{
	static const char *const all[] = { "unit:*", "host:*", "vm:*",
		"volume:*", "sharednetwork:*", "storagegroup:*", "alert:*",
		"audit:*", "quorum:*" };
	size_t i;

	if (c == NULL)
		return;
	if (object_id != NULL)
		(void)json_object_set_new(c->changed, object_id, json_true());
	for (i = 0; object_id == NULL && i < sizeof(all) / sizeof(all[0]); i++)
		(void)json_object_set_new(c->changed, all[i], json_true());
	(void)sd_event_source_set_enabled(c->tell, SD_EVENT_ONESHOT);
}

void
control_ordering_works(struct control *c)
{
	if (c != NULL)
		control_missed_flush(c);
}

/* --- open and close --- */

static int
socket_open(const char *path, mode_t mode, gid_t gid, int *ret_fd,
    struct av_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	AUTO_FD int fd = -1;
	mode_t old;
	int r;

	if (strlen(path) >= sizeof(sun.sun_path))
		return av_err_set(err, -ENAMETOOLONG, "%s: too long", path);
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return av_err_set(err, -errno, "%s: socket: %s", path,
		    strerror(errno));
	if (unlink(path) < 0 && errno != ENOENT)
		return av_err_set(err, -errno, "%s: %s", path, strerror(errno));
	old = umask(0177);		/* nobody else before chown and chmod */
	r = bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
	(void)umask(old);
	if (r < 0 || (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0) ||
	    chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0)
		return av_err_set(err, -errno, "%s: %s", path, strerror(errno));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int
sources_open(struct control *c)
{
	int r = sd_event_add_io(c->event, &c->listen_io, c->listen_fd, EPOLLIN,
	    on_listen, c);

	if (r >= 0)
		r = sd_event_add_defer(c->event, &c->work, on_work, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->work, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(c->event, &c->tell, on_tell, c);
	if (r >= 0)
		r = sd_event_source_set_priority(c->tell,
		    SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->tell, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

int
control_open(sd_event *event, const char *path, mode_t mode, gid_t gid,
    struct store *st, const struct control_ops *ops, const char *boot,
    struct control **ret, struct av_err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	int rc;

	AV_ASSERT(ops->facts != NULL && ops->self != NULL &&
	    ops->submit != NULL);
	if (c == NULL)
		return av_err_set(err, -ENOMEM, "%s: no memory", path);
	c->listen_fd = -1;
	c->event = sd_event_ref(event);
	c->st = st;
	c->ops = *ops;
	c->path = strdup(path);
	c->boot = strdup(boot);
	c->changed = json_object();
	c->missed = json_array();
	if (c->path == NULL || c->boot == NULL || c->changed == NULL ||
	    c->missed == NULL)
		rc = av_err_set(err, -ENOMEM, "%s: no memory", path);
	else
		rc = socket_open(path, mode, gid, &c->listen_fd, err);
	if (rc == 0) {
		rc = sources_open(c);
		if (rc < 0)
			(void)av_err_set(err, rc, "%s: %s", path,
			    strerror(-rc));
	}
	if (rc < 0) {
		(void)control_close(c);
		return rc;
	}
	*ret = c;
	return 0;
}

struct control *
control_close(struct control *c)
{
	struct pending *p;

	if (c == NULL)
		return NULL;
	while (c->clients != NULL)
		client_free(c->clients);
	for (p = c->pending; p != NULL; p = p->next)
		p->control = NULL;	/* 'done' frees it when it comes */
	c->listen_io = sd_event_source_disable_unref(c->listen_io);
	c->work = sd_event_source_disable_unref(c->work);
	c->tell = sd_event_source_disable_unref(c->tell);
	if (c->listen_fd >= 0) {
		(void)close(c->listen_fd);
		(void)unlink(c->path);	/* a stale one is replaced at start */
	}
	json_decref(c->changed);
	json_decref(c->missed);
	free(c->path);
	free(c->boot);
	sd_event_unref(c->event);
	free(c);
	return NULL;
}
