/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/watchdog.h - must this PM be killed?
 *
 * What it is:	the pure rule of the guard (av-watchdog), the small process that
 *		outlives the agent and ends the whole PM when guests might run on
 *		here that the peer may start too.  No I/O, no clock.
 * What it isn't: it never decides who may run (core/role.h), nor whether the
 *		peer is lost.
 *
 * The agent says at the end of each full pass of its loop what it holds:
 *
 *   NONE      no guest runs or will run here
 *   TOGETHER  guests may run by the right of both PMs
 *   ALONE     guests may run, and nobody else can get the right
 *
 * and whether the pass was healthy.  Only TOGETHER is dangerous: the peer may get
 * the right to take the guests, and this PM has to notice by itself.  So, while
 * it holds, the PM lives as long as one of these is young enough:
 *
 *   - the last healthy pass (STRICT); one that comes later than that, and not
 *     under the peer's word, doesn't count: who hung that long is killed;
 *   - the peer's word (LEASE): its guard heard this one, while its agent had not
 *     lost this PM.  With it the agent may be restarted, upgraded or killed, or
 *     hang, and guests don't notice.
 *
 * The peer's word isn't believed for longer than RELAXED without a healthy pass here,
 * if the peer's agent is well: a PM that nobody manages gives its guests to one
 * that somebody does.  An agent that is
 * there but makes no pass for HANG is killed, to be started again; guests run
 * on.  The arithmetic that ties this to the peer: timing.h.
 */
#ifndef AV_CORE_WATCHDOG_H
#define AV_CORE_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

enum watchdog_hold {		/* values are sent and stored: append only */
	WATCHDOG_NONE = 0,
	WATCHDOG_TOGETHER = 1,
	WATCHDOG_ALONE = 2,
	WATCHDOG_KEEP = 3,	/* JOINING: what was said last stands */
	WATCHDOG_N_HOLDS
};

struct watchdog_times {
	uint64_t	strict_ns, hang_ns, relaxed_ns;
};

struct watchdog_say {		/* the agent's word */
	enum watchdog_hold hold;
	bool		healthy;
	bool		grant;		/* this PM hasn't lost the peer */
	uint64_t	pass_ns;	/* the agent's clock: the same one */
};

enum watchdog_verdict {
	WATCHDOG_FEED = 0,
	WATCHDOG_KILL_AGENT,	/* feed too */
	WATCHDOG_KILL_PM,
};

struct watchdog {
	struct watchdog_times times;
	enum watchdog_hold hold;
	bool		grant;		/* what our beats say */
	bool		agent;		/* one is connected */
	bool		agent_killed;
	uint64_t	pass_ns;	/* the last healthy pass */
	uint64_t	seen_ns;	/* the agent's last word, healthy or not */
	uint64_t	proof_ns;	/* the peer's word counts until then */
	bool		peer_well;	/* and its agent makes healthy passes */
};

/* 'hold': what a guard before this one knew; its guests may be running. */
void watchdog_init(struct watchdog *w, const struct watchdog_times *times,
    enum watchdog_hold hold, uint64_t now_ns);
/* An agent connected.  It hasn't found the peer yet, so no word is given for it. */
void watchdog_agent_up(struct watchdog *w, uint64_t now_ns);
/* It is gone; its last word stands: a dead agent takes nobody's guests. */
void watchdog_agent_gone(struct watchdog *w);
void watchdog_told(struct watchdog *w, const struct watchdog_say *say);
/* A beat of the peer's guard, with its agent's word, echoed one of ours sent at
 * echoed_ns; lease_ns is timing.h's.
 * peer_well: the peer's watchdog_well(). */
void watchdog_proved(struct watchdog *w, uint64_t echoed_ns, uint64_t lease_ns,
    bool peer_well);
/* Is there an agent that makes healthy passes? */
bool watchdog_well(const struct watchdog *w, uint64_t now_ns);
/* Call it every TICK and do what it says. */
enum watchdog_verdict watchdog_judge(struct watchdog *w, uint64_t now_ns);
/* May the device be let go when the guard ends in order? */
bool watchdog_may_let_go(const struct watchdog *w);

/* --- the agent's side --- */
struct watchdog_view {
	bool		guests;		/* some may run here (see guests_quiet()) */
	int		role;		/* enum role_state */
	bool		lost;		/* no sign of the peer */
	bool		store_ok;	/* the last commit succeeded */
	uint64_t	duties_ns;	/* when all duties were last done */
	uint64_t	duties_limit_ns;	/* so old at most (timing.h) */
	uint64_t	now_ns;
};

/* What a full pass has to say. */
void watchdog_view_say(const struct watchdog_view *v, struct watchdog_say *ret);

const char *watchdog_hold_name(enum watchdog_hold h);

#endif
