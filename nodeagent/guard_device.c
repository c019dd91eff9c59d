/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guard_device.c - what the guard kills its PM with
 */
#include "nodeagent/guard_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define STANDIN		"stand-in:"
#define DEV_DEFAULT	"/dev/watchdog"
#define FIRST_PID_NS	0xEFFFFFFCu	/* PROC_PID_INIT_INO of linux/proc_ns.h */

/* --- the kernel --- */

static int
sys_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int
sys_settimeout(int fd, int *seconds)
{
	return ioctl(fd, WDIOC_SETTIMEOUT, seconds) < 0 ? -errno : 0;
}

static int
sys_keepalive(int fd)
{
	return ioctl(fd, WDIOC_KEEPALIVE, 0) < 0 ? -errno : 0;
}

static int
sys_letgo(int fd)
{
	return write(fd, "V", 1) == 1 ? 0 : -errno;
}

static void
sys_reset(void)
{
	(void)reboot(RB_AUTOBOOT);	/* no sync, no farewell: a reset */
}

static bool
sys_own_pm(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 &&
	    st.st_ino == FIRST_PID_NS;
}

const struct guard_sys guard_sys_real = { sys_open, sys_settimeout,
	sys_keepalive, sys_letgo, sys_reset, sys_own_pm,
	"/sys/bus/xen-backend/devices" };

/* --- a real device --- */

static int
real_open(struct guard_device *d, const char *path, uint32_t timeout_ms,
    struct av_err *err)
{
	int seconds = timeout_ms >= 2000 ? (int)(timeout_ms / 1000) : 1;
	int rc;

	if (!d->sys->own_pm())
		return av_err_set(err, -EPERM, "%s isn't this PM's: it would "
		    "reset the machine around it", path);
	rc = d->sys->open(path);
	if (rc < 0)
		return av_err_set(err, rc, "%s: %s", path, strerror(-rc));
	d->fd = rc;
	rc = d->sys->settimeout(d->fd, &seconds);
	if (rc < 0)
		seconds = 60;	/* the kernel's default; it can't be asked */
	d->is.timeout_ms = (uint32_t)seconds * 1000;
	d->is.device = d->is.timeout_ms <= timeout_ms ? WATCHDOG_DEV_REAL :
	    WATCHDOG_DEV_SLOW;
	return 0;
}

/* --- the stand-in --- */

static void
standin_send(struct guard_device *d, const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%.100s", d->path);
	/* one that is lost is one feeding less */
	(void)!sendto(d->fd, text, strlen(text), MSG_DONTWAIT,
	    (struct sockaddr *)&to, sizeof(to));
}

static int
standin_open(struct guard_device *d, const char *path, uint32_t timeout_ms,
    struct av_err *err)
{
	if (access(path, W_OK) < 0)
		return av_err_set(err, -errno, "%s: %s", path,
		    strerror(errno));
	d->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return av_err_set(err, -errno, "socket: %s", strerror(errno));
	(void)snprintf(d->path, sizeof(d->path), "%s", path);
	d->is.device = WATCHDOG_DEV_STANDIN;
	d->is.timeout_ms = timeout_ms;
	return 0;
}

/* --- all --- */

int
guard_device_open(struct guard_device *d, const struct guard_sys *sys,
    const char *spec, uint32_t timeout_ms, struct av_err *err)
{
	int rc;

	*d = (struct guard_device){ .sys = sys, .fd = -1 };
	if (strcmp(spec, "none") == 0)
		return 0;
	d->may_reset = true;
	if (strncmp(spec, STANDIN, strlen(STANDIN)) == 0)
		return standin_open(d, spec + strlen(STANDIN), timeout_ms, err);
	if (strcmp(spec, "auto") != 0)
		return real_open(d, spec, timeout_ms, err);
	rc = real_open(d, DEV_DEFAULT, timeout_ms, err);
	return rc == -ENOENT || rc == -EPERM ? 0 : rc;
}

void
guard_device_feed(struct guard_device *d)
{
	char text[32];

	if (d->is.device == WATCHDOG_DEV_STANDIN) {
		(void)snprintf(text, sizeof(text), "feed %u", d->is.timeout_ms);
		standin_send(d, text);
	} else if (d->fd >= 0) {
		(void)d->sys->keepalive(d->fd);	/* it will tell by itself */
	}
}

void
guard_device_kill(struct guard_device *d, const char *why)
{
	char text[300];

	(void)snprintf(text, sizeof(text), "kill %s", why);
	if (d->is.device == WATCHDOG_DEV_STANDIN)
		standin_send(d, text);
	else if (d->may_reset && d->sys->own_pm())
		d->sys->reset();
}

void
guard_device_close(struct guard_device *d, bool let_go)
{
	if (d->fd < 0)
		return;
	if (let_go && d->is.device == WATCHDOG_DEV_STANDIN)
		standin_send(d, "off");
	else if (let_go)
		(void)d->sys->letgo(d->fd);
	(void)close(d->fd);
	d->fd = -1;
}
