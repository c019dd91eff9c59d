/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guard_device.h - what the guard kills its PM with
 *
 * auto           /dev/watchdog when there is one; else the guard resets the PM by
 *                reboot(2), and nothing does if the guard itself hangs
 * none           nothing; a debugger's friend
 * /dev/...       that watchdog
 * stand-in:PATH  the first process of a machine of the try unit (deploy/pmwatch.h),
 *                which ends everything in its PID namespace
 *
 * A real device counts whole seconds; one that can't be set as short as asked
 * (timeout_ms says what it took) doesn't cover a PM that hangs as a whole and
 * wakes up later.  Inside a PID namespace no real device is opened: it isn't
 * this PM's.
 */
#ifndef AV_NODEAGENT_GUARD_DEVICE_H
#define AV_NODEAGENT_GUARD_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "nodeagent/watchdog.h"

/* Calls to the kernel; tests give others. */
struct guard_sys {
	int	(*open)(const char *path);		/* fd or -errno */
	int	(*settimeout)(int fd, int *seconds);	/* 0 or -errno; in: asked,
							 * out: taken */
	int	(*keepalive)(int fd);
	int	(*letgo)(int fd);			/* the magic 'V' */
	void	(*reset)(void);				/* the PM, at once */
	bool	(*own_pm)(void);			/* not in a container */
	/* Folder with an entry for each device that this system serves a domain of
	 * Xen's; every guest has some (a console, disks, adapters).  NULL = not
	 * known. */
	const char *backends;
};
extern const struct guard_sys guard_sys_real;

struct guard_device {
	const struct guard_sys *sys;
	struct watchdog_answer is;
	int		fd;
	bool		may_reset;
	char		path[108];
};

/* 'spec' as above.  0; a device that was named but can't be opened: -errno. */
int guard_device_open(struct guard_device *d, const struct guard_sys *sys,
    const char *spec, uint32_t timeout_ms, struct av_err *err);
void guard_device_feed(struct guard_device *d);
/* Nothing on this PM runs on after it.  Returns only where that failed. */
void guard_device_kill(struct guard_device *d, const char *why);
/* let_go: the device is told that no more feeding will come. */
void guard_device_close(struct guard_device *d, bool let_go);

#endif
