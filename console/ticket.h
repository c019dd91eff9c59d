/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/ticket.h - one-time tickets for guests' screens
 *
 * A browser can't add a header to a websocket, so the right to open one screen is
 * a word in its address: good once, for TICKET_S, for the session that asked.
 * Threads: any.
 */
#ifndef CONSOLE_TICKET_H
#define CONSOLE_TICKET_H

#include <stdint.h>

#define TICKET_S	30
#define TICKETS_MAX	64
#define TICKET_CHARS	48

struct tickets;

int  tickets_new(struct tickets **ret);
struct tickets *tickets_free(struct tickets *t);
/* 'nonce' names the session.  -EBUSY: too many are open. */
int  ticket_make(struct tickets *t, const char *vm, const char *nonce,
    uint64_t now_ns, char ret[TICKET_CHARS + 1]);
/* Uses it up.  -ENOENT: unknown, used, too old, or another session's. */
int  ticket_take(struct tickets *t, const char *ticket, const char *nonce,
    uint64_t now_ns, char *ret_vm, size_t n);

#endif
