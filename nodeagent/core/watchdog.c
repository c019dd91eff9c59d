/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/watchdog.c - must this PM be killed?
 */
#include "nodeagent/core/watchdog.h"

#include <string.h>

#include "base/assert.h"
#include "nodeagent/core/role.h"

const char *
watchdog_hold_name(enum watchdog_hold h)
{
	static const char *const names[WATCHDOG_N_HOLDS] = {
		[WATCHDOG_NONE] = "none", [WATCHDOG_TOGETHER] = "together",
		[WATCHDOG_ALONE] = "alone", [WATCHDOG_KEEP] = "keep" };

	return h < WATCHDOG_N_HOLDS ? names[h] : "?";
}

void
watchdog_init(struct watchdog *w, const struct watchdog_times *times,
    enum watchdog_hold hold, uint64_t now_ns)
{
	AV_ASSERT(hold < WATCHDOG_KEEP);
	memset(w, 0, sizeof(*w));
	w->times = *times;
	w->hold = hold;
	/* the guard before this one died well fed: the agent gets one STRICT */
	w->pass_ns = w->seen_ns = now_ns;
}

void
watchdog_agent_up(struct watchdog *w, uint64_t now_ns)
{
	w->agent = true;
	w->agent_killed = false;
	w->grant = false;
	w->seen_ns = now_ns;	/* time to start; feeds nothing */
}

void
watchdog_agent_gone(struct watchdog *w)
{
	w->agent = false;
}

/* A pass that comes too late revives nothing: a PM that hung as a whole wakes with
 * signs of the peer that are as old, and its agent believes them for a while. */
static bool
in_time(const struct watchdog *w, uint64_t at_ns)
{
	return w->hold != WATCHDOG_TOGETHER || at_ns < w->proof_ns ||
	    at_ns < w->pass_ns + w->times.strict_ns;
}

void
watchdog_told(struct watchdog *w, const struct watchdog_say *say)
{
	/* it has just begun to matter: one STRICT from now */
	if (say->hold == WATCHDOG_TOGETHER && w->hold != say->hold &&
	    say->pass_ns > w->pass_ns)
		w->pass_ns = say->pass_ns;
	if (say->hold != WATCHDOG_KEEP)
		w->hold = say->hold;
	w->grant = say->grant;
	if (say->pass_ns > w->seen_ns)
		w->seen_ns = say->pass_ns;
	if (say->healthy && say->pass_ns > w->pass_ns &&
	    in_time(w, say->pass_ns))
		w->pass_ns = say->pass_ns;
}

void
watchdog_proved(struct watchdog *w, uint64_t echoed_ns, uint64_t lease_ns,
    bool peer_well)
{
	if (echoed_ns == 0 || echoed_ns + lease_ns < w->proof_ns)
		return;
	w->proof_ns = echoed_ns + lease_ns;
	w->peer_well = peer_well;
}

bool
watchdog_well(const struct watchdog *w, uint64_t now_ns)
{
	return w->agent && now_ns < w->pass_ns + w->times.hang_ns;
}

enum watchdog_verdict
watchdog_judge(struct watchdog *w, uint64_t now_ns)
{
	bool fed = now_ns < w->pass_ns + w->times.strict_ns;
	bool trusted = now_ns < w->proof_ns && (!w->peer_well ||
	    now_ns < w->pass_ns + w->times.relaxed_ns);

	if (w->hold == WATCHDOG_TOGETHER && !fed && !trusted)
		return WATCHDOG_KILL_PM;
	if (w->agent && !w->agent_killed &&
	    now_ns >= w->seen_ns + w->times.hang_ns) {
		w->agent_killed = true;
		return WATCHDOG_KILL_AGENT;
	}
	return WATCHDOG_FEED;
}

bool
watchdog_may_let_go(const struct watchdog *w)
{
	return w->hold == WATCHDOG_NONE;
}

/* --- the agent's side --- */

static bool
role_shares(int state)
{
	return state == ROLE_TOGETHER || state == ROLE_REJOINING;
}

static enum watchdog_hold
hold_of(const struct watchdog_view *v)
{
	if (v->role == ROLE_JOINING)
		return WATCHDOG_KEEP;
	/* even without a guest: one may be started before the next pass */
	if (role_shares(v->role))
		return WATCHDOG_TOGETHER;
	if (v->role == ROLE_ALONE)
		return WATCHDOG_ALONE;
	/* to be paused or ended, and until then without a right of their own */
	return v->guests ? WATCHDOG_TOGETHER : WATCHDOG_NONE;
}

void
watchdog_view_say(const struct watchdog_view *v, struct watchdog_say *ret)
{
	bool worked = v->store_ok && v->now_ns < v->duties_ns +
	    v->duties_limit_ns;

	*ret = (struct watchdog_say){ .hold = hold_of(v),
	    .pass_ns = v->now_ns };
	/* who has lost the peer, or obeys no right, lives on what it had */
	ret->healthy = worked && !v->lost && (role_shares(v->role) ||
	    v->role == ROLE_JOINING);
	ret->grant = !v->lost && (role_shares(v->role) ||
	    v->role == ROLE_JOINING);
}
