/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/events.h - the agent's events on their way to many readers
 *
 * A ring of the last EVENTS_KEEP events as text.  Every reader has its own place
 * in it; one that falls too far behind, or comes from an earlier life of this
 * process, is told to load everything anew ("resync").
 * Threads: any.
 */
#ifndef CONSOLE_EVENTS_H
#define CONSOLE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define EVENTS_KEEP	256

struct events;

int  events_new(struct events **ret);
struct events *events_free(struct events *e);
/* Takes an agent's event {"type":"changed","objects":[...]}. */
void events_add(struct events *e, const json_t *event);
/* Events may have been missed: every reader gets a 'resync'. */
void events_add_resync(struct events *e);
/* Wakes all readers for good. */
void events_stop(struct events *e);

/* Where a new reader begins.  'last_id' is the browser's Last-Event-ID or NULL;
 * *ret_resync says that events since then are not kept. */
uint64_t events_place(struct events *e, const char *last_id,
    bool *ret_resync);
/*
 * Waits for the event at *pos.  0: *ret_text (malloc'd, yours) is a whole
 * server-sent event and *pos has moved on.  -ETIMEDOUT, -ECANCELED (stopping),
 * -ENOMEM.
 */
int  events_next(struct events *e, uint64_t *pos, unsigned wait_ms,
    char **ret_text);
/* The text of a 'resync' event for the reader at 'pos'. */
int  events_resync_text(struct events *e, uint64_t pos, char **ret_text);

#endif
