/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role.h - may this PM run guests?
 *
 * What it is:	the pure core of "who may run": state, event and time in; a new
 *		state and a list of effects out.  No I/O, no clock, no memory
 *		allocation, nothing that can fail half-way.
 * What it isn't: it doesn't know VMs, volumes or sockets; order.c turns the world
 *		into events and runs the effects, in the order given.
 *
 * The unit has a generation g.  The arbiter's record is {g, both} or {g,
 * owner}.  This PM's own durable record says together, alone or outdated at
 * g; a ROLE_DO_RECORD effect must be durable before the next effect runs.
 *
 * States
 *   JOINING    just started; guests of before may be running: not touched while
 *              the peer shows any sign of life
 *   TOGETHER   both PMs run guests, every write goes to both
 *   FROZEN     the peer is lost: guests are paused, asking for the right
 *   ALONE      holds the right to run alone at g
 *   REJOINING  in step with the follower, handing the right back to both; guests
 *              run; a volume that loses its peer holds its writes (it may NOT be ordered alone)
 *   FOLLOWER   the peer is the owner; its data comes here
 *   STOPPED    lost the claim: guests are being stopped, then it follows
 *   WAITING    may not run: no proof; asks on, waits for the peer or a person
 *   SPLIT      both ran alone: guests are paused, nothing is touched, a person
 *              decides
 */
#ifndef AV_ROLE_H
#define AV_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeagent/core/role_reason.h"

#define ROLE_STATES(X) \
	X(JOINING, "joining") X(TOGETHER, "together") X(FROZEN, "frozen") \
	X(ALONE, "alone") X(REJOINING, "rejoining") X(FOLLOWER, "follower") \
	X(STOPPED, "stopped") X(WAITING, "waiting") X(SPLIT, "split")

#define ROLE_EVENTS(X) \
	/* signs of life */ \
	X(PEER_LOST)	/* every sign is gone */ \
	X(PEER_QUIET)	/* neither agent nor corosync; volumes may still hear it */ \
	X(PEER_BACK)	/* some sign is there again */ \
	X(PEER_OWNS)	/* peer says: I am alone at a higher generation */ \
	X(PEER_INFO)	/* anything else the peer says about itself */ \
	/* both agents' hellos compared, databases equal; all from role_compare() */ \
	X(VIEW_TOGETHER) X(VIEW_ADOPT) X(VIEW_LEAD) X(VIEW_FOLLOW) \
	X(VIEW_CLAIM) X(VIEW_NEW) X(VIEW_WAIT) X(VIEW_SPLIT) \
	X(VIEW_GONE)	/* the agents' group has no peer any more */ \
	/* arbiter's answer to the question under way */ \
	X(GRANTED) X(REFUSED) X(NO_ANSWER) \
	X(ARBITER_EMPTY)	/* a probe: it doesn't know this unit */ \
	/* the owner's inputs */ \
	X(IN_STEP)	/* every volume connected and equal on both PMs */ \
	X(OUT_OF_STEP) \
	X(GUESTS_STOPPED) \
	X(TAKEOVER)	/* a person orders it */ \
	X(STAY)		/* the peer is to leave for maintenance and has no guest:
			 * this PM shall run the unit alone */ \
	X(RESOLVED)	/* a person chose 'owner' after a split; the other one
			 * gives up first (see role_act_resolved) */ \
	/* ordered */ \
	X(MOVED)	/* 'together at g+1', on both PMs at the same point */ \
	X(UNIT_CREATED) \
	/* timers, from role_deadline() */ \
	X(T_START)	/* the peer would have been seen by now */ \
	X(T_JOIN)	/* waited long enough for the peer */ \
	X(T_FROZEN)	/* no answer for too long */ \
	X(T_RETRY)	/* ask the arbiter again */ \
	X(T_DEAD)	/* the peer has surely paused its guests */ \
	/* computed inside role_step(): never post it */ \
	X(REJOIN)

enum role_state {
#define X(s, name) ROLE_##s,
	ROLE_STATES(X)
#undef X
	ROLE_N_STATES
};

enum role_event_type {
#define X(e) ROLE_EV_##e,
	ROLE_EVENTS(X)
#undef X
	ROLE_N_EVENTS
};

#define ROLE_GEN_MAX	(UINT64_MAX / 4)	/* read from outside; it grows by 1 or 2 */

enum role_mode {		/* values are stored and sent: append only */
	ROLE_MODE_NEW = 0,	/* never was part of a unit */
	ROLE_MODE_TOGETHER = 1,
	ROLE_MODE_ALONE = 2,
	ROLE_MODE_OUTDATED = 3,
};

enum role_arbiter {
	ROLE_ARBITER_NONE = 0,
	ROLE_ARBITER_ETCD = 1,
	ROLE_ARBITER_CLOSED = 2,	/* while it is changed: never answers */
};

/* Durable; see record.h. */
struct role_record {
	uint64_t	gen;
	enum role_mode	mode;
	bool		pending;	/* mode alone: {gen+1, both} was asked for */
};

/* What a PM says about itself in hellos and heartbeats. */
struct role_hello {
	enum role_state	 state;
	struct role_record rec;
	bool		 ready;		/* promises: no claim while in this view */
	bool		 released;	/* no guest of it runs or will run */
};

/* A change asked of the arbiter, compare-and-set.  Done when the record is
 * {to_gen, to_owner} already, or is one of those that 'from' allows. */
struct role_move {
	bool		from_empty;	/* no record at all */
	bool		from_lower;	/* any record with generation < to_gen */
	uint64_t	from_mine_gen;	/* {this, owner = me}; 0 = not allowed */
	uint64_t	from_both_gen;	/* {this, both}; 0 = not allowed */
	uint64_t	to_gen;		/* 0 = its generation + 1 (takeover), ... */
	uint64_t	least_gen;	/* ... and at least this: its record may be old */
	int		to_owner;	/* 0, 1; -1 = both */
};

enum role_effect_type {
	ROLE_DO_RECORD,		/* write .record durably; failing is fatal */
	ROLE_DO_FREEZE,		/* pause all guests here, at once */
	ROLE_DO_RESUME_TOGETHER,
	ROLE_DO_RUN_ALONE,	/* .gen */
	ROLE_DO_TAKE_PEER_GUESTS,
	ROLE_DO_STOP_GUESTS,
	ROLE_DO_FOLLOW,		/* .gen */
	ROLE_DO_ASK,		/* .move: exactly one GRANTED/REFUSED/NO_ANSWER */
	ROLE_DO_HELLO,		/* what we say of ourselves changed */
	ROLE_DO_ORDER_TOGETHER,	/* .gen: multicast 'together at gen' */
	ROLE_DO_CREATE_UNIT,
	ROLE_N_EFFECTS
};

struct role_effect {
	enum role_effect_type	type;
	uint64_t		gen;
	struct role_record	record;
	struct role_move	move;
};

#define ROLE_EFFECTS_MAX	12
struct role_effects {
	size_t			n;
	struct role_effect	v[ROLE_EFFECTS_MAX];
};

struct role_event {
	enum role_event_type	type;
	uint64_t		now_ns;
	/* PEER_OWNS, PEER_INFO, VIEW_*: the peer's hello.  MOVED: gen.
	 * GRANTED: gen granted.  REFUSED: the record that stands in the way.
	 * RESOLVED: peer's hello, owner.  NO_ANSWER: 'maybe' = the question may still take effect. */
	struct role_hello	peer;
	struct role_hello	me;	/* VIEW_*: own hello, as compared */
	uint64_t		gen;
	int			owner;
	bool			maybe;
	/* PEER_LOST, PEER_QUIET: since the last sign; for people only */
	uint64_t		silent_ns;
};

struct role_times {
	uint64_t	start_ns;	/* by now a peer would have been seen */
	uint64_t	join_ns;	/* wait for the peer at start */
	uint64_t	frozen_ns;	/* no answer: stop guests then */
	uint64_t	retry_ns;	/* between questions */
	uint64_t	dead_ns;	/* peer lost: it has paused by then */
	uint64_t	stir_ns;	/* a lone beat of a lost peer counts this long */
};

struct role {
	/* set by role_init() */
	int			node;
	enum role_arbiter	arbiter;
	struct role_times	times;
	/* read them; only role_step() writes */
	enum role_state		state;
	struct role_record	rec;
	struct role_reason	reason;
	bool			lost;		/* no sign of the peer */
	bool			quiet;		/* no sign of its agent and corosync */
	bool			asking;		/* a question is under way */
	int			question;	/* which; private */
	bool			ordered;	/* REJOINING: the order was sent */
	bool			created;	/* CREATE_UNIT was asked for */
	bool			both_new;
	bool			both_outdated;	/* or the peer is new: nobody owns;
						 * see role_start.c */
	bool			guests_maybe;	/* guests may be running here */
	uint64_t		follow_gen;	/* the owner's, when it has one */
	uint64_t		owner_gen;	/* highest that the peer was alone at */
	bool			maybe;		/* an older one may take effect yet */
	bool			in_step;
	bool			view;		/* both agents, databases equal */
	bool			peer_follows;
	bool			peer_released;
	bool			claim_free;	/* VIEW_CLAIM: peer gave way */
	bool			own_due;	/* JOINING: own record is to be checked */
	bool			check_due;	/* JOINING: a claim of before may stand */
	bool			taking;		/* a person ordered it */
	bool			staying;	/* TOGETHER: asks to run alone, because
						 * the peer leaves; guests run on */
	bool			take_due;	/* peer's guests wait to be taken */
	uint64_t		lost_since_ns;
	uint64_t		silent_since_ns;	/* 0 = heard */
	uint64_t		now_ns;		/* of this step */
	unsigned		handback_tries;	/* in a row that came to nothing */
	uint64_t		entered_ns;
	uint64_t		due_ns[5];	/* 0 = idle; T_START.. T_DEAD */
	struct role_hello	said;		/* last ROLE_DO_HELLO */
};

/* 'rec' is what record_read() gave ({0, NEW, false} for a new PM).  'guests_running':
 * guests of before an agent restart may run here.  First effects (stop guests
 * of an outdated PM) come in 'out'. */
void role_init(struct role *r, int node, enum role_arbiter arbiter,
    const struct role_times *times, const struct role_record *rec,
    bool guests_running, uint64_t now_ns, struct role_effects *out);

/* 'out' is overwritten. */
void role_step(struct role *r, const struct role_event *ev,
    struct role_effects *out);

/* Is there somebody to ask?  Changed by the owner while nothing is asked. */
void role_set_arbiter(struct role *r, enum role_arbiter arbiter,
    uint64_t now_ns);

/* When role_timers() wants to be called; 0 = never. */
uint64_t role_deadline(const struct role *r);
/* The timer event that is due at now_ns, if any: take it and step, again and
 * again until false. */
bool role_timer_due(struct role *r, uint64_t now_ns, struct role_event *ret);

/* What both hellos mean for 'me'.  Mirror-image: see the test. */
enum role_event_type role_compare(const struct role_hello *me,
    const struct role_hello *peer);

/* A VIEW_* event that compared an own hello that has been overtaken: role_step()
 * passes over it; the new hello is on its way. */
bool role_event_stale(const struct role *r, const struct role_event *ev);
void role_hello_fill(const struct role *r, struct role_hello *ret);
/* May a volume without its peer be ordered to run alone? (ALONE, and only there) */
bool role_may_write_alone(const struct role *r);
/* May guests of this PM run now? */
bool role_may_run(const struct role *r);

/* Is there something to take over by a person's order, and no sign that it could run
 * guests twice?  Else ROLE_EV_TAKEOVER is passed over. */
bool role_may_take_over(const struct role *r);
const char *role_state_name(enum role_state s);
const char *role_event_name(enum role_event_type e);
/* Table's kind for a pair: 0 hole, 1 go, 2 ignore, 3 never (tests). */
int role_cell_kind(enum role_state s, enum role_event_type e);

#endif
