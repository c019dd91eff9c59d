/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/bridge.h - bytes of a screen (RFB) inside a websocket
 *
 * Each direction holds at most BRIDGE_BYTES and reads no more until they are gone,
 * so a slow reader slows the sender and nothing grows.  Binary messages only.
 */
#ifndef CONSOLE_BRIDGE_H
#define CONSOLE_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>

#define BRIDGE_BYTES	(32u * 1024)
#define BRIDGE_PING_MS	30000	/* how often the browser is asked for a sign */
#define BRIDGE_DEAD_MS	90000	/* without a sign it is gone */
#define BRIDGE_CLOSE_MS	2000	/* for the goodbye */

struct bridge_conf {
	int		 ws, rfb;	/* sockets; closed by the caller */
	int		 stop_fd;	/* readable: say goodbye and end; -1 = none */
	const void	*extra;		/* came in before the upgrade was done */
	size_t		 n_extra;
	bool		(*ended)(void *ctx);	/* asked at each ping; may be NULL */
	void		*ctx;
};

/* Returns when either side has ended. */
void bridge_run(const struct bridge_conf *bc);

/* The Sec-WebSocket-Accept for a Sec-WebSocket-Key; 'ret' >= 29 bytes.
 * -EINVAL for what isn't a key. */
int  bridge_accept_key(const char *key, char *ret, size_t n);

#endif
