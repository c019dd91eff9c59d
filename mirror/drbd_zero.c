/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_zero.c - zeroes a range of a device, in this process
 *
 * Not by a program: that would outlive the agent, and zero what a guest has
 * written since.  A device that holds I/O (DRBD without its peer) holds the
 * thread as well, so nobody ever waits for it: who lets go leaves it its memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mirror/drbd.h"

#define STEP_BYTES	(64u << 20)

static int
zero_step(int fd, bool is_file, uint64_t at, uint64_t n)
{
	static const char zeros[65536];
	uint64_t range[2] = { at, n };

	if (!is_file)
		return ioctl(fd, BLKZEROOUT, range) < 0 ? -errno : 0;
	while (n > 0) {		/* tests: a file stands for the device */
		ssize_t r = pwrite(fd, zeros, n < sizeof(zeros) ? (size_t)n :
		    sizeof(zeros), (off_t)at);

		if (r < 0)
			return -errno;
		at += (uint64_t)r;
		n -= (uint64_t)r;
	}
	return 0;
}

static int
zero_range(const char *path, uint64_t from, uint64_t to, _Atomic bool *stop)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	struct stat st;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	while (rc == 0 && from < to && !*stop) {
		uint64_t n = to - from < STEP_BYTES ? to - from : STEP_BYTES;

		rc = zero_step(fd, S_ISREG(st.st_mode), from, n);
		from += n;
	}
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	return rc;
}

int
drbd_zero_now(const char *path, uint64_t from, uint64_t to)
{
	_Atomic bool stop = false;

	return zero_range(path, from, to, &stop);
}

/* --- in a thread: started -> over, or let go --- */

struct drbd_zero {
	_Atomic bool	stop;
	_Atomic int	users;		/* the thread and the loop */
	int		event_fd;	/* the loop's; the thread has 'tell_fd' */
	int		tell_fd;
	uint64_t	from, to;
	int		rc;		/* the thread's, read after its end */
	sd_event_source	*source;
	drbd_zero_done	 done;
	void		*arg;
	char		 path[MIRROR_PATH_MAX * 2];
};

static void
zero_unref(struct drbd_zero *z)
{
	if (atomic_fetch_sub(&z->users, 1) != 1)
		return;
	if (z->tell_fd >= 0)
		(void)close(z->tell_fd);
	free(z);
}

static void *
zero_run(void *arg)
{
	struct drbd_zero *z = arg;
	uint64_t one = 1;

	z->rc = zero_range(z->path, z->from, z->to, &z->stop);
	(void)!write(z->tell_fd, &one, sizeof(one));	/* can't be full */
	zero_unref(z);
	return NULL;
}

static int
on_over(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct drbd_zero *z = arg;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) < 0)
		return 0;
	(void)sd_event_source_set_enabled(es, SD_EVENT_OFF);
	z->done(z->rc, z->arg);
	return 0;
}

int
drbd_zero_start(sd_event *loop, const char *path, uint64_t from, uint64_t to,
    drbd_zero_done done, void *arg, struct drbd_zero **ret,
    struct av_err *err)
{
	struct drbd_zero *z = calloc(1, sizeof(*z));
	pthread_t thread;

	if (z == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	(void)snprintf(z->path, sizeof(z->path), "%s", path);
	z->from = from;
	z->to = to;
	z->done = done;
	z->arg = arg;
	z->users = 1;
	z->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	z->tell_fd = z->event_fd < 0 ? -1 :
	    fcntl(z->event_fd, F_DUPFD_CLOEXEC, 3);
	if (z->tell_fd < 0 || sd_event_add_io(loop, &z->source, z->event_fd,
	    EPOLLIN, on_over, z) < 0)
		goto fail;
	z->users = 2;
	if (pthread_create(&thread, NULL, zero_run, z) != 0) {
		z->users = 1;
		goto fail;
	}
	(void)pthread_detach(thread);
	*ret = z;
	return 0;
fail:
	(void)drbd_zero_let_go(z);
	return av_err_set(err, -ENOMEM, "no thread");
}

struct drbd_zero *
drbd_zero_let_go(struct drbd_zero *z)
{
	if (z == NULL)
		return NULL;
	z->stop = true;
	z->source = sd_event_source_disable_unref(z->source);
	if (z->event_fd >= 0)
		(void)close(z->event_fd);
	zero_unref(z);
	return NULL;
}
