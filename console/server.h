/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/server.h - what every request can reach, and the HTTP daemons
 *
 * Two daemons of libmicrohttpd, a thread per connection: one for HTTPS clients
 * (TLS is done in tls.c, the daemon sees a socketpair), one for root on this PM, so
 * that no flood from outside keeps root out.  Neither listens; listen.c accepts and
 * hands connections in.
 */
#ifndef CONSOLE_SERVER_H
#define CONSOLE_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "console/agent.h"
#include "console/conf.h"
#include "console/events.h"
#include "console/session.h"
#include "console/throttle.h"
#include "console/ticket.h"

struct MHD_Daemon;

#define SERVER_HTTPS_MAX	256	/* connections */
#define SERVER_LOCAL_MAX	64
#define SERVER_EVENTS_MAX	64	/* event readers */
#define SERVER_SCREENS_MAX	32	/* guest screens */
#define SERVER_IDLE_S		75	/* silent connection is closed */

struct server {
	const struct console_conf *conf;
	struct agent	*agent;
	struct events	*events;
	struct sessions	*sessions;
	struct throttle	*throttle;
	struct tickets	*tickets;
	int		 web_fd;	/* folder of the pages; -1 = none */
	int		 stop_fd;	/* readable once we stop */
	atomic_bool	 stopping;
	atomic_uint	 n_events;
	atomic_uint	 n_screens;
	struct MHD_Daemon *https, *local;
};

int  http_start(struct server *srv, struct av_err *err);
/* Gives 'fd' (a plain socket) to a daemon; closes it on failure.  'sa' is the
 * client's address as requests shall see it. */
int  http_add(struct server *srv, bool local, int fd,
    const struct sockaddr *sa, socklen_t n);
/* Ends all connections; events and agent must have been stopped. */
void http_stop(struct server *srv);

#endif
