/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/control_impl.h - what control.c (sockets) and control_ops.c (requests)
 * share
 *
 *   client:  open --error, end of file, limit--> doomed --idle--> freed
 *
 * A doomed client's socket is shut and its events are off; it is freed from the
 * loop, so code that holds one may go on to the end of its function.
 */
#ifndef AV_CONTROL_IMPL_H
#define AV_CONTROL_IMPL_H

#include "base/frame.h"
#include "nodeagent/control.h"

struct client {
	struct control		*control;
	struct client		*next;
	int			 fd;
	sd_event_source		*io;
	struct av_frame_reader	 reader;
	uint8_t			*out;		/* [out_at, out_n) is unsent */
	size_t			 out_at, out_n, out_room;
	unsigned		 n_pending;
	bool			 subscribed;
	bool			 more;		/* whole frames wait in 'reader' */
	bool			 doomed;
};

/* One command under way.  Outlives its client and the control. */
struct pending {
	struct pending		*next;
	struct control		*control;	/* NULL = closed meanwhile */
	struct client		*client;	/* NULL = gone, or nobody asked */
	json_t			*id;		/* of the request */
	json_t			*cmd;		/* for the audit of a refusal */
	bool			 is_audit;	/* its own failure isn't audited */
};

struct control {
	sd_event		*event;
	sd_event_source		*listen_io;
	sd_event_source		*work;		/* deferred: reap, read on */
	sd_event_source		*tell;		/* idle: send events */
	int			 listen_fd;
	char			*path;
	char			*boot;
	struct store		*st;
	struct control_ops	 ops;
	struct client		*clients;
	struct pending		*pending;
	unsigned		 n_clients;
	uint64_t		 n_commands;
	uint64_t		 n_events;
	json_t			*changed;	/* ids as keys */
	json_t			*missed;	/* audit.add args, oldest first */
	unsigned		 n_missed_lost;
};

/* --- control.c --- */

/* Queues an answer or event; a client over its limit is doomed. */
void client_send(struct client *cl, const json_t *msg);
void client_doom(struct client *cl, const char *why);

/* --- control_ops.c --- */

/* One frame from a client. */
void control_request(struct client *cl, const json_t *msg);
/* Audit lines that couldn't be ordered. */
void control_missed_flush(struct control *c);

#endif
