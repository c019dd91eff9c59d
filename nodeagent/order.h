/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/order.h - both PMs do the same things in the same order
 *
 * What it is:	the unit as seen from one PM: who is there (membership.c,
 *		heartbeat.c), who may run (core/role.c, record.c, arbiter.c), and
 *		the ordered commands with the hand-over of the database to a PM
 *		that comes back.
 * What it isn't: it knows no command but by its bytes; it never touches guests or
 *		volumes: the owner (agent.c) does in the callbacks.
 *
 * Threads:	one sd-event loop; callbacks run from the loop, never from inside
 *		a call.
 * Errors:	0 or -errno with a code: 'unavailable' (commands can't be ordered
 *		now), 'frozen', 'waiting-for-peer', 'split', 'no-arbiter',
 *		'wrong-state', 'too-large', 'too-many'.
 * Memory:	json_t arguments: the callee takes its own reference; 'ret_'
 *		results are the caller's.
 */
#ifndef AV_ORDER_H
#define AV_ORDER_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "nodeagent/core/role.h"
#include "nodeagent/timing.h"

struct av_err;
struct order;
struct membership_ops;

#define ORDER_LINKS_MAX		4
#define ORDER_COMMAND_MAX	(1024u * 1024)	/* bytes of JSON */
#define ORDER_QUEUE_MAX		256		/* commands waiting or flying */
#define ORDER_SNAPSHOT_MAX	(256u * 1024 * 1024)

struct order_link {
	const char	*name;		/* "link0" */
	const char	*local;		/* numeric address */
	const char	*peer;
};

struct order_conf {
	const char	*unit_uuid;	/* same on both PMs, from conf; lower case,
					 * 32 hex digits or with dashes */
	int		 node;		/* 0 or 1; corosync nodeid = node + 1 */
	uint8_t		 key[32];	/* unit key: signs heartbeats */
	const char	*state_dir;	/* record is STATE_DIR/role */
	struct order_link links[ORDER_LINKS_MAX];
	size_t		 n_links;
	uint16_t	 heartbeat_port;	/* UDP, same on both */
	const char	*arbiter_kind;	/* as arbiter.h has them */
	const char	*arbiter_address;
	const char	*arbiter_tls_dir;	/* NULL = plain http */
	unsigned	 time_scale;	/* percent; 0 = 100 */
	bool		 guests_running;	/* guests of before this agent's start */
	/* NULL = corosync; tests give another */
	const struct membership_ops *membership;
	void		*membership_arg;
};

struct order_position {
	uint64_t	seq;
	uint8_t		hash[32];
};

/*
 * The owner's side.  Effects are idempotent orders that stand until the next
 * one: the owner may be told the same again.  The role's state during the callback is the new one.
 */
struct order_ops {
	/* --- database (store.h) --- */
	/* 0 + *ret_result; or -errno with err.code = refused, recorded.  err.outcome ==
	 * AV_MAYBE = the database itself failed: the owner must stop. */
	int	(*apply)(void *ctx, const json_t *cmd, json_t **ret_result,
		    struct av_err *err);
	void	(*position)(void *ctx, struct order_position *ret);
	int	(*serialize)(void *ctx, uint8_t **ret, size_t *ret_n,
		    struct av_err *err);	/* malloc'd */
	int	(*replace)(void *ctx, const uint8_t *data, size_t n,
		    struct av_err *err);

	/* --- who may run --- */
	/* Pause every guest here, at once.  Nothing is lost or stopped. */
	void	(*freeze)(void *ctx);
	/* Both PMs are there: own guests may run, volumes write both legs and
	 * hold when the peer is lost. */
	void	(*resume_together)(void *ctx, uint64_t gen);
	/* The right is this PM's and recorded: volumes may be ordered alone at gen,
	 * own guests run. */
	void	(*run_alone)(void *ctx, uint64_t gen);
	/* The peer can't be running guests any more: submit vm.takeover. */
	void	(*take_peer_guests)(void *ctx);
	/* Not allowed to run: stop all guests here, make volumes secondary and
	 * (see order_role()->rec.mode) outdated; then order_guests_stopped(). */
	void	(*stop_guests)(void *ctx, const char *code, const char *text);
	/* The peer is the owner at gen: volumes here are its targets. */
	void	(*follow)(void *ctx, uint64_t gen);
	/* Both PMs are new and the arbiter knows: submit unit.create (node0 only). */
	void	(*create_unit)(void *ctx);

	/* --- news --- */
	void	(*peer_facts)(void *ctx, json_t *facts);	/* borrowed */
	void	(*changed)(void *ctx);	/* state, signs, arbiter or ordering */
	/* The record can't be written or the database failed: leave at once. */
	void	(*fatal)(void *ctx, const struct av_err *err);
	/* May be NULL.  Before the wait for a lost peer begins to count (timing.h):
	 * take back the word that keeps it alive. */
	void	(*losing)(void *ctx);
};

/* Copies 'conf'; 'ops' and 'ctx' are borrowed until order_close(). */
int order_open(sd_event *loop, const struct order_conf *conf,
    const struct order_ops *ops, void *ctx, struct order **ret,
    struct av_err *err);
/* Every command not done gets done(-ECANCELED, outcome AV_MAYBE or NOT_DONE). */
struct order *order_close(struct order *o);

/* rc, result (borrowed; of a refusal: the error's params; may be NULL) and err as
 * op apply gave them.
 * AV_MAYBE: it isn't known whether it was applied. */
typedef void (*order_done_fn)(void *arg, int rc, json_t *result,
    const struct av_err *err);

/*
 * Orders 'cmd' (object with string "cmd_id").  < 0: nothing was started, 'done'
 * never runs (refused at once: state doesn't allow ordering, queue full, too
 * large).  0: 'done' runs exactly once, later: after apply here and, while
 * TOGETHER, after the peer confirmed that it applied it too.
 */
int order_submit(struct order *o, json_t *cmd, order_done_fn done, void *arg,
    struct av_err *err);
/* Would order_submit() be refused now? 0 or -errno and why. */
int order_available(const struct order *o, struct av_err *err);
/* This PM's facts to the peer: not ordered with anything, last one wins. */
int order_send_facts(struct order *o, const json_t *facts, struct av_err *err);

/* --- inputs from the owner --- */
/* in_step: every volume is connected and equal on both legs AND would hold its
 * writes (not run alone) on losing the peer now.  True when there is no volume.
 * Tell 'false' BEFORE a volume is ordered alone, never after: a hand-back to
 * both may be under way that counts on it.
 * peer_seen_ms: youngest sign of the peer on any connected volume;
 * UINT64_MAX = no connected volume (then it is no sign either way). */
void order_mirror_state(struct order *o, bool in_step, uint64_t peer_seen_ms);
/* The sign alone. */
void order_mirror_seen(struct order *o, uint64_t peer_seen_ms);
/* After ops->stop_guests: no guest runs here and every volume is secondary. */
void order_guests_stopped(struct order *o);
/* The peer is to leave for maintenance and has no guest: this PM asks for the right
 * to run alone while both run on.  Does nothing unless TOGETHER; wish it again
 * until the state changes. */
void order_stay(struct order *o);
/* A person takes over without proof.  'wrong-state' unless FROZEN, WAITING or
 * SPLIT, and while the peer shows signs of life.  0 = under way; the state tells. */
int order_takeover(struct order *o, struct av_err *err);

/* Another arbiter from now on (kinds: arbiter.h).  Nothing happens when it is the
 * same.  -EBUSY: a question to the old one is under way, try again. */
struct order_arbiter { const char *kind, *address, *tls_dir; };
int order_set_arbiter(struct order *o, const struct order_arbiter *a,
    struct av_err *err);
/* No question to the arbiter is under way or waits to be asked. */
bool order_arbiter_idle(const struct order *o);

/* A split: a person chose 'owner'.  Called on both PMs again and again until the
 * role has left SPLIT. */
void order_resolve(struct order *o, int owner);
/* What the peer's agent said of itself last; false = it isn't in the group. */
bool order_peer_hello(const struct order *o, struct role_hello *ret);

/* --- reading --- */
const struct role *order_role(const struct order *o);
const struct timing *order_timing(const struct order *o);
/* Packets at the heartbeats' port that weren't the peer's, ever (heartbeat.h). */
uint64_t order_beats_ignored(const struct order *o);
/* Members role, signs, arbiter, ordering, daemons of the facts object; yours. */
json_t *order_facts(const struct order *o);
/* Any sign of the peer now? */
bool order_peer_seen(const struct order *o);

#endif
