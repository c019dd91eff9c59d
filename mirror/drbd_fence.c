/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_fence.c - the agent's end of av-fence-peer's socket
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/frame.h"
#include "mirror/drbd.h"

#define ASKERS_MAX	8	/* DRBD runs one at a time for a resource */

struct asker {
	struct drbd_fence *f;
	int		fd;		/* -1 = free */
	sd_event_source	*source;
	struct av_frame_reader fr;
	bool		asks;		/* a whole, right question came */
};

struct drbd_fence {
	sd_event	*loop;
	int		fd;
	sd_event_source	*source;
	char		path[108];
	char		res[MIRROR_ID_MAX + 4];
	drbd_fence_fn	asked;
	void		*arg;
	struct asker	askers[ASKERS_MAX];
};

static void
hang_up(struct asker *a)
{
	a->source = sd_event_source_disable_unref(a->source);
	if (a->fd >= 0)
		(void)close(a->fd);
	a->fd = -1;
	a->asks = false;
	av_frame_reader_dispose(&a->fr);
	memset(&a->fr, 0, sizeof(a->fr));
}

static bool
is_question(const struct drbd_fence *f, const json_t *msg)
{
	const char *ask = json_string_value(json_object_get(msg, "ask"));
	const char *res = json_string_value(json_object_get(msg,
	    "resource"));

	return ask != NULL && strcmp(ask, "fence-peer") == 0 && res != NULL &&
	    strcmp(res, f->res) == 0 &&
	    json_integer_value(json_object_get(msg, "version")) == 1;
}

static void
reply(struct asker *a, const char *result)
{
	AUTO_JSON json_t *msg = json_pack("{s:s}", "result", result);

	/* A lost answer isn't an answer: the handler asks again. */
	if (msg != NULL)
		(void)av_frame_send(a->fd, msg);
	hang_up(a);
}

static int
on_asker(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct asker *a = arg;
	struct drbd_fence *f = a->f;
	int got = av_frame_fill(&a->fr, fd), rc;
	json_t *msg;

	(void)es;
	(void)events;
	rc = av_frame_next(&a->fr, &msg);
	if (rc == 0) {
		a->asks = is_question(f, msg);
		json_decref(msg);
		if (a->asks)
			f->asked(f->arg);
		else
			reply(a, "refused");
	} else if (got == 0 || rc != -EAGAIN ||
	    (got < 0 && got != -EAGAIN && got != -EINTR)) {
		hang_up(a);
	}
	return 0;
}

static int
on_connect(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct drbd_fence *f = arg;
	AUTO_FD int conn = accept4(fd, NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t i;

	(void)es;
	(void)events;
	for (i = 0; conn >= 0 && i < ASKERS_MAX; i++) {
		struct asker *a = &f->askers[i];

		if (a->fd >= 0)
			continue;
		if (sd_event_add_io(f->loop, &a->source, conn, EPOLLIN,
		    on_asker, a) >= 0)
			a->fd = TAKE_FD(conn);
		break;
	}
	return 0;
}

int
drbd_fence_open(sd_event *loop, const char *path, const char *res,
    drbd_fence_fn asked, void *arg, struct drbd_fence **ret,
    struct av_err *err)
{
	struct drbd_fence *f = calloc(1, sizeof(*f));
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t i;

	if (f == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	f->loop = loop;
	f->asked = asked;
	f->arg = arg;
	for (i = 0; i < ASKERS_MAX; i++)
		f->askers[i] = (struct asker){ .f = f, .fd = -1 };
	(void)snprintf(f->path, sizeof(f->path), "%s", path);
	(void)snprintf(f->res, sizeof(f->res), "%s", res);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	(void)unlink(path);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	/* the folder is 0700: nobody else gets here before the chmod */
	if (f->fd < 0 || bind(f->fd, (struct sockaddr *)&sa,
	    sizeof(sa)) < 0 || chmod(path, 0600) < 0 ||
	    listen(f->fd, ASKERS_MAX) < 0 ||
	    sd_event_add_io(loop, &f->source, f->fd, EPOLLIN, on_connect,
	    f) < 0) {
		int rc = errno != 0 ? -errno : -EIO;

		(void)drbd_fence_close(f);
		return av_err_set(err, rc, "'%s': %s", path, strerror(-rc));
	}
	*ret = f;
	return 0;
}

struct drbd_fence *
drbd_fence_close(struct drbd_fence *f)
{
	size_t i;

	if (f == NULL)
		return NULL;
	for (i = 0; i < ASKERS_MAX; i++)
		hang_up(&f->askers[i]);
	f->source = sd_event_source_disable_unref(f->source);
	if (f->fd >= 0) {
		(void)close(f->fd);
		(void)unlink(f->path);
	}
	free(f);
	return NULL;
}

unsigned
drbd_fence_waiting(const struct drbd_fence *f)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; f != NULL && i < ASKERS_MAX; i++)
		n += f->askers[i].asks;
	return n;
}

unsigned
drbd_fence_answer(struct drbd_fence *f, const char *result)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; f != NULL && i < ASKERS_MAX; i++) {
		if (!f->askers[i].asks)
			continue;
		reply(&f->askers[i], result);
		n++;
	}
	return n;
}
