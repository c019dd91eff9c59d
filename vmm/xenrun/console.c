/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/console.c - the guest's serial line: RUNTIME/serial.sock, serial.log
 *
 * One reader, as with QEMU; what it is too slow for is in the log alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "base/cleanup.h"
#include "vmm/xenrun/run.h"

#define RETRY_US	100000	/* xenconsoled makes the terminal when it likes */

struct xr_console {
	struct xr	*xr;
	int		 tty;
	int		 log;
	int		 client;
	sd_event_source	*tty_io;
	sd_event_source	*client_io;
	sd_event_source	*retry;
};

static void
tty_drop(struct xr_console *c)
{
	c->tty_io = sd_event_source_disable_unref(c->tty_io);
	if (c->tty >= 0)
		(void)close(TAKE_FD(c->tty));	/* a terminal */
}

static void
client_drop(struct xr_console *c)
{
	c->client_io = sd_event_source_disable_unref(c->client_io);
	if (c->client >= 0)
		(void)close(TAKE_FD(c->client));	/* a socket */
}

static void
retry_soon(struct xr_console *c)
{
	(void)sd_event_source_set_time_relative(c->retry, RETRY_US);
	(void)sd_event_source_set_enabled(c->retry, SD_EVENT_ONESHOT);
}

static int
tty_read(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct xr_console *c = ctx;
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)s;
	if (n < 0 && (errno == EAGAIN || errno == EINTR) &&
	    !(revents & (EPOLLHUP | EPOLLERR)))
		return 0;
	if (n <= 0) {
		tty_drop(c);
		retry_soon(c);
		return 0;
	}
	/* a full disk or a slow reader mustn't stop the guest */
	if (c->log >= 0 && write(c->log, buf, (size_t)n) < 0)
		errno = 0;
	if (c->client >= 0 && send(c->client, buf, (size_t)n,
	    MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		client_drop(c);
	return 0;
}

static int
client_read(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct xr_console *c = ctx;
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)s;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		client_drop(c);
	else if (c->tty >= 0 && write(c->tty, buf, (size_t)n) < 0)
		errno = 0;	/* keys typed faster than the guest reads */
	return 0;
}

static int
client_new(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct xr_console *c = ctx;
	int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)s;
	(void)revents;
	if (one < 0)
		return 0;
	if (c->client >= 0) {		/* one reader */
		(void)close(one);	/* a socket */
		return 0;
	}
	c->client = one;
	if (sd_event_add_io(c->xr->event, &c->client_io, one, EPOLLIN,
	    client_read, c) < 0)
		client_drop(c);
	return 0;
}

static int
tty_try(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct xr_console *c = ctx;
	struct termios t;
	char path[64];

	(void)s;
	(void)usec;
	if (c->tty >= 0 || c->xr->state == XR_ENDING)
		return 0;
	if (c->xr->state == XR_MAKING || xr_be_tty(c->xr->domid,
	    xr_is_hvm(&c->xr->spec), path, sizeof(path)) < 0) {
		retry_soon(c);
		return 0;
	}
	c->tty = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (c->tty < 0) {
		retry_soon(c);
		return 0;
	}
	if (tcgetattr(c->tty, &t) == 0) {
		cfmakeraw(&t);
		(void)tcsetattr(c->tty, TCSANOW, &t);
	}
	if (sd_event_add_io(c->xr->event, &c->tty_io, c->tty, EPOLLIN,
	    tty_read, c) < 0)
		tty_drop(c);
	return 0;
}

void
xr_console_use(struct xr_console *c)
{
	tty_drop(c);
	retry_soon(c);
}

int
xr_console_new(struct xr *xr, struct xr_console **ret)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct xr_console *c = calloc(1, sizeof(*c));
	char path[VMM_PATH_MAX + 16];
	int fd, r;

	if (c == NULL)
		return -ENOMEM;
	c->xr = xr;
	c->tty = c->client = -1;
	(void)snprintf(path, sizeof(path), "%s/serial.log",
	    xr->spec.log_dir[0] != '\0' ? xr->spec.log_dir :
	    xr->spec.runtime_dir);
	c->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	*ret = c;
	r = sd_event_add_time_relative(xr->event, &c->retry, CLOCK_MONOTONIC,
	    0, 1000, tty_try, c);
	if (r < 0)
		return r;
	(void)sd_event_source_set_enabled(c->retry, SD_EVENT_OFF);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.91s/serial.sock",
	    xr->spec.runtime_dir);
	if (unlink(sa.sun_path) < 0 && errno != ENOENT)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 2) < 0)
		return -errno;
	return sd_event_add_io(xr->event, NULL, fd, EPOLLIN, client_new, c);
}
