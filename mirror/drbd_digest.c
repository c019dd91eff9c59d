/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_digest.c - crc32c of each MiB of the leg, read in a thread
 *
 * Reads the logical volume below DRBD: a secondary's /dev/drbdN can't be opened.
 * O_DIRECT where it works, so that what is on disk is read and not a cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/wire.h"
#include "mirror/drbd.h"

#define BLOCK_BYTES	(1u << 20)

struct drbd_digest {
	pthread_t	thread;
	_Atomic bool	stop;
	int		fd, event_fd;
	uint64_t	offset, length;
	uint32_t	*digests;
	size_t		n;
	int		rc;		/* the thread's, read after its end */
	sd_event_source	*source;
	drbd_digest_done done;
	void		*arg;
};

static int
read_all(int fd, uint8_t *buf, size_t n, uint64_t offset)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = pread(fd, buf + have, n - have,
		    (off_t)(offset + have));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		have += (size_t)r;
	}
	return 0;
}

static void *
digest_run(void *arg)
{
	struct drbd_digest *g = arg;
	uint64_t at = 0, one = 1;
	uint8_t *buf = NULL;

	if (posix_memalign((void **)&buf, 4096, BLOCK_BYTES) != 0) {
		buf = NULL;
		g->rc = -ENOMEM;
	}
	while (g->rc == 0 && at < g->length && !g->stop) {
		size_t n = g->length - at < BLOCK_BYTES ?
		    (size_t)(g->length - at) : BLOCK_BYTES;

		g->rc = read_all(g->fd, buf, n, g->offset + at);
		if (g->rc == 0)
			g->digests[g->n++] = av_crc32c(0, buf, n);
		at += n;
	}
	free(buf);
	(void)!write(g->event_fd, &one, sizeof(one));	/* can't be full */
	return NULL;
}

static int
on_over(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct drbd_digest *g = arg;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) < 0)
		return 0;
	(void)sd_event_source_set_enabled(es, SD_EVENT_OFF);
	g->done(g->rc, TAKE_PTR(g->digests), g->n, g->arg);
	return 0;
}

int
drbd_digest_start(sd_event *loop, const char *path, uint64_t offset,
    uint64_t length, drbd_digest_done done, void *arg,
    struct drbd_digest **ret, struct av_err *err)
{
	struct drbd_digest *g = calloc(1, sizeof(*g));
	int rc = 0;

	if (g == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	g->offset = offset;
	g->length = length;
	g->done = done;
	g->arg = arg;
	g->digests = calloc((size_t)(length / BLOCK_BYTES) + 1,
	    sizeof(*g->digests));
	g->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (g->fd < 0 && errno == EINVAL)
		g->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (g->fd < 0)
		rc = av_err_set(err, -errno, "'%s': %s", path,
		    strerror(errno));
	g->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rc == 0 && (g->digests == NULL || g->event_fd < 0 ||
	    sd_event_add_io(loop, &g->source, g->event_fd, EPOLLIN, on_over,
	    g) < 0 || pthread_create(&g->thread, NULL, digest_run, g) != 0))
		rc = av_err_set(err, -ENOMEM, "no thread");
	if (rc < 0) {
		g->source = sd_event_source_disable_unref(g->source);
		if (g->fd >= 0)
			(void)close(g->fd);
		if (g->event_fd >= 0)
			(void)close(g->event_fd);
		free(g->digests);
		free(g);
		return rc;
	}
	*ret = g;
	return 0;
}

struct drbd_digest *
drbd_digest_free(struct drbd_digest *g)
{
	if (g == NULL)
		return NULL;
	g->stop = true;
	(void)pthread_join(g->thread, NULL);	/* one block at most */
	g->source = sd_event_source_disable_unref(g->source);
	(void)close(g->fd);
	(void)close(g->event_fd);
	free(g->digests);
	free(g);
	return NULL;
}
