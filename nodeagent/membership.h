/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/membership.h - who is in the unit's group, and messages in one order
 *
 * What it is:	a driver: corosync (membership.c), or a test's own.
 * Promises:	every member delivers the same messages in the same order; the
 *		sender delivers its own; a group change is reported between the
 *		messages of the old group and those of the new one, to all
 *		members that stay together.
 *
 * A driver that loses its daemon reports down and tries again by itself.
 * Callbacks run from the loop, never from inside send() or open().
 */
#ifndef AV_MEMBERSHIP_H
#define AV_MEMBERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

struct av_err;

#define MEMBERSHIP_MESSAGE_MAX	65536u	/* bytes of one send() */
#define MEMBERSHIP_QUEUE_MAX	8192u	/* messages that wait to be taken */

struct membership_events {
	/* Is the daemon there, and the peer's node in its ring? */
	void	(*nodes)(void *arg, bool up, bool peer);
	/* The agents' group changed (also when the peer left and came again). */
	void	(*group)(void *arg, bool self, bool peer);
	void	(*deliver)(void *arg, int node, const uint8_t *data, size_t n);
};

struct membership_conf {
	const char	*unit_uuid;
	int		 node;
	uint64_t	 reconnect_ns;
	void		*arg;		/* order_conf.membership_arg */
};

struct membership_ops {
	int	(*open)(sd_event *loop, const struct membership_conf *conf,
		    const struct membership_events *ev, void *arg, void **ret,
		    struct av_err *err);
	void	(*close)(void *m);
	/* Takes a copy.  -ENOTCONN not in the group, -ENOBUFS queue full. */
	int	(*send)(void *m, const uint8_t *data, size_t n);
};

extern const struct membership_ops membership_corosync_ops;

#endif
