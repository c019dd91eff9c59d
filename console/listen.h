/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/listen.h - sockets that clients come in by
 *
 * listen_run() accepts in the main thread: HTTPS (a thread each, limits in all
 * and per address), the Unix socket of this PM's root (others are refused by
 * their credentials), and the peer's relay.  What is over a limit is closed at
 * once, so the queue of the kernel never fills.
 */
#ifndef CONSOLE_LISTEN_H
#define CONSOLE_LISTEN_H

#include "console/server.h"
#include "console/tls.h"

#define LISTEN_PER_ADDRESS	64	/* HTTPS connections of one address */

struct listeners;

/* Binds what the configuration names.  The addresses may not be there yet (a
 * floating address): they are bound all the same. */
int  listen_open(struct server *srv, struct av_tls_cred *https,
    struct listeners **ret, struct av_err *err);
/* Accepts until 'signal_fd' is readable; returns 0 or -errno. */
int  listen_run(struct listeners *l, int signal_fd);
/* Closes the sockets, removes the Unix socket's file. */
struct listeners *listen_close(struct listeners *l);

#endif
