/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/relay.h - a guest's screen from the other PM
 *
 * The console that a browser is connected to may not be the one of the guest's PM.
 * It then asks its peer, over TCP with TLS and the unit's shared key:
 *
 *   -> "vnc vm:o12\n"
 *   <- "ok\n", or "error CODE text\n" and the end
 *   then the bytes of the screen, both ways
 *
 * The asking console has checked the user's role; the key proves that it is ours.
 */
#ifndef CONSOLE_RELAY_H
#define CONSOLE_RELAY_H

#include "console/server.h"
#include "console/tls.h"

#define RELAY_MAX		32	/* screens served to the peer */
#define RELAY_CONNECT_MS	3000
#define RELAY_ANSWER_MS		15000

/* 'cred' is borrowed for the life of the process. */
void relay_open(struct av_tls_cred *cred);
/* Serves one accepted connection in a thread of its own; takes 'fd'. */
void relay_take(struct server *srv, int fd);
/* Connects to the first peer that answers: *ret_fd is a plain socket with the
 * screen's bytes (yours; non-blocking).  Blocks up to RELAY_ANSWER_MS. */
int  relay_connect(struct server *srv, const char *vm, int *ret_fd,
    struct av_err *err);

#endif
