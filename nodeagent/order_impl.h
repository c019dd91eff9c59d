/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/order_impl.h - inside of order*.c; nobody else includes it
 *
 *   order.c	 open, close, signs, the role's events and effects, reading
 *   order_sync.c the view: hellos, who hands over the database, 'together'
 *   order_cmd.c commands: waiting, flying, applied, confirmed
 *   order_arbiter.c  which arbiter is asked, and asking it
 *
 * A 'view' id names the stretch of order in which commands count: both agents
 * derive it from their hellos, an owner without its peer makes its own.  A
 * command that is delivered under another view than it was sent in is applied
 * nowhere, and its sender sends it again.
 */
#ifndef AV_ORDER_IMPL_H
#define AV_ORDER_IMPL_H

#include "base/err.h"
#include "base/wire.h"
#include "nodeagent/arbiter.h"
#include "nodeagent/heartbeat.h"
#include "nodeagent/membership.h"
#include "nodeagent/order.h"
#include "nodeagent/order_msg.h"

#define EVENTS_MAX	64

enum sync_phase { SYNC_NONE = 0, SYNC_SENDING, SYNC_RECEIVING, SYNC_DONE };

enum cmd_state { CMD_WAITING = 0, CMD_FLYING, CMD_APPLIED };

struct order_cmd {
	struct order_cmd *next;
	enum cmd_state	 state;
	uint64_t	 serial;
	uint64_t	 due_ns;
	char		*text;
	size_t		 n_text;
	order_done_fn	 done;
	void		*arg;
	bool		 sent;		/* ever: outcome may be unknown */
	/* CMD_APPLIED: waits for the peer */
	uint64_t	 seq;
	int		 rc;
	json_t		*result;
	struct av_err	 err;
};

struct order_queued {		/* came while the database was on its way */
	struct order_queued *next;
	int		 node;
	uint64_t	 serial;
	json_t		*cmd;
};

struct order {
	sd_event		*loop;
	struct order_ops	 ops;
	void			*ctx;
	int			 node;
	char			 unit[40];
	char			 record_path[512];
	struct timing		 timing;
	size_t			 n_links;
	char			 arbiter_address[256];
	char			 arbiter_kind[8];
	char			 arbiter_tls_dir[512];
	uint64_t		 together_gen;	/* in step at it in this run */
	bool			 failed;	/* ops->fatal was called */

	struct role		 role;
	struct role_event	 events[EVENTS_MAX];
	size_t			 n_events;
	struct role_effects	 start;		/* role_init()'s, run from the loop */
	bool			 running;	/* inside run_events() */
	sd_event_source		*defer, *tick;

	const struct membership_ops *mops;
	void			*membership;
	struct heartbeat	*hb;
	struct arbiter		*arbiter;
	bool			 ask_due;	/* a probe was in the way */
	struct role_move	 ask;
	struct arbiter_answer	 last_answer;
	uint64_t		 probe_at_ns;

	/* signs */
	bool			 corosync_up, corosync_peer, hb_peer;
	bool			 mirror_known;
	uint64_t		 mirror_seen_ns;
	bool			 lost, quiet;
	bool			 peer_timings;	/* the peer's are others */
	bool			 peer_version;	/* its agent's is another */

	/* the group */
	bool			 in_group, peer_in_group;
	struct order_inbox	 inbox[2];
	unsigned		 n_bad;		/* messages not understood */
	bool			 have_hello[2];
	struct order_hello	 hello[2];
	uint64_t		 overtaken[2];	/* a hello of this view isn't
						 * true any more; 0 = none */
	uint64_t		 nonce;
	uint64_t		 view;
	uint64_t		 pending_view;
	enum sync_phase		 sync;
	struct order_queued	*queued, **queued_last;
	size_t			 n_queued;
	uint64_t		 hello_at_ns;	/* 0 = none to be sent */

	/* commands, oldest first */
	struct order_cmd	*cmds;
	size_t			 n_cmds;
	uint64_t		 serial;
};

/* order.c */
void order_event(struct order *o, const struct role_event *ev);
void order_event_type(struct order *o, enum role_event_type type);
void order_run_events(struct order *o);
void order_fatal(struct order *o, const struct av_err *err);
int order_send(struct order *o, enum order_msg_type type, const uint8_t *head,
    size_t n_head, const void *body, size_t n_body);

/* order_arbiter.c */
enum role_arbiter order_arbiter_role(const char *kind);
int order_arbiter_open(struct order *o, const struct order_arbiter *a,
    struct av_err *err);
void order_arbiter_ask(struct order *o, const struct role_move *move);
void order_arbiter_tick(struct order *o, uint64_t now_ns);

/* order_sync.c */
void order_sync_group(struct order *o, bool self, bool peer);
void order_sync_hello_due(struct order *o);
void order_sync_send_hello(struct order *o);
void order_sync_role_changed(struct order *o);
void order_sync_message(struct order *o, int node, struct order_inbox *in);
void order_sync_dispose(struct order *o);
void order_sync_drop_view(struct order *o);
void order_sync_unit_created(struct order *o);
/* A command of 'view' came from 'node' while no databases are compared. */
void order_sync_overtaken(struct order *o, int node, uint64_t view);
/* The role passed over 'together' as delivered: both compare anew. */
void order_sync_again(struct order *o);
/* Pure: which of two databases is handed over: -1 equal, 0, 1. */
int order_sync_source(const struct order_hello h[2]);

/* order_cmd.c */
void order_cmd_flush(struct order *o);		/* send what may be sent */
void order_cmd_message(struct order *o, int node, const uint8_t *data,
    size_t n);
void order_cmd_apply(struct order *o, int node, uint64_t serial,
    const json_t *cmd);
void order_cmd_ack(struct order *o, int node, struct av_rd *r);
void order_cmd_send_ack(struct order *o);
void order_cmd_tick(struct order *o, uint64_t now_ns);
void order_cmd_lost_database(struct order *o);
void order_cmd_dispose(struct order *o);

#endif
