/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/timing.h - every interval that safety depends on, in one place
 *
 * Times of the unscaled table, in milliseconds; conf 'time_scale' (percent)
 * stretches all of them alike, so that a slow machine has one knob.
 *
 *   peer's last sign
 *     |-- HEARTBEAT x MISSED --> heartbeat sign gone
 *     |-- TOKEN + CONSENSUS ---> corosync sign gone        (corosync.conf)
 *     |-- MIRROR_LOST ---------> mirror sign gone
 *     '-- all gone = PEER LOST (LOST): freeze, claim
 *                      '-- PEER_DEAD --> peer's guests may be started here
 *
 * In corosync.conf knet needs limits of its own for its pings (interval 200,
 * timeout 1000): by default it takes half of TOKEN, and its clock ticks every 200
 * ms, so it would take whole links for cut every few seconds.
 *
 * Both PMs pause their guests when they lose the other.  A heartbeat counts
 * only while it proves, by this PM's own clock, that the peer heard this PM
 * less than LEASE ago; so the PM that can't be heard stops counting no later
 * than LEASE after its last beat that arrived.  corosync's two sides differ by at most
 * SKEW.  PEER_DEAD covers the later of the two, plus the time to pause a guest.
 *
 * Watchdog (core/watchdog.h has the rule).  What keeps a hung agent's guests from
 * running on while the peer starts them: the guard, a process of its own,
 * kills the whole PM when neither holds any more:
 *
 *   agent's last healthy pass  |-- STRICT --|
 *   peer's word, by own clock  |-- LEASE ---|   (the peer's guard heard this PM
 *                                  and the peer's agent hadn't lost it by then)
 *   then at most TICK until the guard sees it and KILL until nothing runs.
 *
 * An agent that is well loses the peer at most SKEW after the peer lost it; it
 * feeds no more from then on.  The peer withdraws its word before it starts to
 * count PEER_DEAD.  So, counted from 'the peer lost this PM':
 *
 *   guests paused by the agent   SKEW + PAUSE + HEARTBEAT + 50
 *   killed, agent hung           SKEW + STRICT + TICK + KILL
 *   killed, agent hung before    LEASE + TICK + KILL
 *
 * and PEER_DEAD, with the clocks' DRIFT, is no less than each.  A PM that hangs as
 * a whole (guard too) is reset by its device after DEVICE, counted from its
 * last feed, which is no later than its last sign of life.
 */
#ifndef AV_TIMING_H
#define AV_TIMING_H

#include <stddef.h>
#include <stdint.h>

#define TIMING_HEARTBEAT_MS	100u	/* between beats, on each link */
#define TIMING_MISSED		4u	/* beats missing = link's sign is gone */
#define TIMING_TOKEN_MS		300u	/* corosync.conf: totem.token */
#define TIMING_CONSENSUS_MS	360u	/* corosync.conf: totem.consensus */
#define TIMING_MIRROR_LOST_MS	600u	/* mirror heard nothing for this long */
#define TIMING_PAUSE_MS		150u	/* agent's loop + pausing a guest */
#define TIMING_SKEW_MS		300u	/* corosync: one side sees it later */

#define TIMING_LEASE_MS		(TIMING_HEARTBEAT_MS * (TIMING_MISSED + 1))
#define TIMING_LOST_MS		(TIMING_TOKEN_MS + TIMING_CONSENSUS_MS + 50u)
#define TIMING_STRICT_MS	800u	/* a healthy pass counts this long */
#define TIMING_PASS_MS		25u	/* agent: between passes that are told */
#define TIMING_WATCHDOG_TICK_MS	25u	/* guard: between looks */
#define TIMING_DUTIES_MS	5000u	/* a comparison as old: no healthy pass */
#define TIMING_TICK_MAX_MS	3000u	/* one a second, or seldomer if they take long */
#define TIMING_KILL_MS		100u	/* from its decision until nothing runs */
#define TIMING_DRIFT_PPM	200u	/* two crystals, each this far off */
#define TIMING_DRIFT_MS		5u	/* that, and rounding of every term */
#define TIMING_PEER_DEAD_MS	(TIMING_SKEW_MS + TIMING_STRICT_MS + \
				    TIMING_WATCHDOG_TICK_MS + TIMING_KILL_MS + \
				    TIMING_DRIFT_MS)
#define TIMING_DEVICE_MS	1400u	/* device unfed: the PM is reset */
#define TIMING_HANG_MS		5000u	/* no pass: the agent is started anew */
#define TIMING_RELAXED_MS	60000u	/* no pass though the peer is well: reset */
#define TIMING_CLAIM_RETRY_MS	250u	/* between questions to the arbiter */
#define TIMING_ARBITER_MS	1000u	/* one question, connect to answer */
#define TIMING_PROBE_MS		5000u	/* arbiter's state for display */
#define TIMING_FROZEN_MS	30000u	/* no answer: stop the guests then */
#define TIMING_JOIN_MS		10000u	/* at start: wait for the peer */
#define TIMING_SUBMIT_MS	3000u	/* a command may wait to be ordered */
/* The mirror servers' lease: one that leads and hears nothing of its agent for so
 * long holds its guest's reads and writes.  It is no part of the races above (the
 * peer's grant revokes sessions); it stops a PM whose agent is gone for good.  A
 * killed or upgraded agent is back long before. */
#define TIMING_MIRROR_LEASE_MS	20000u
#define TIMING_RECONNECT_MS	200u	/* corosync gone: try again */

_Static_assert(TIMING_HEARTBEAT_MS * TIMING_MISSED > 2 * TIMING_HEARTBEAT_MS,
    "one lost beat is not a lost peer");
_Static_assert(TIMING_LEASE_MS <= TIMING_LOST_MS,
    "a beat counts no longer than the claim waits");
_Static_assert(TIMING_HEARTBEAT_MS * TIMING_MISSED < TIMING_LOST_MS,
    "heartbeats are judged before corosync is");
_Static_assert(TIMING_CONSENSUS_MS >= TIMING_TOKEN_MS * 6 / 5,
    "corosync: consensus is at least 1.2 x token");
_Static_assert(TIMING_PEER_DEAD_MS >= TIMING_SKEW_MS + TIMING_PAUSE_MS +
    TIMING_HEARTBEAT_MS + 50,
    "the peer has paused its guests before they are started here");
_Static_assert(TIMING_PEER_DEAD_MS >= TIMING_SKEW_MS + TIMING_STRICT_MS +
    TIMING_WATCHDOG_TICK_MS + TIMING_KILL_MS + TIMING_DRIFT_MS,
    "a peer whose agent hung when it lost us is dead before that");
_Static_assert(TIMING_PEER_DEAD_MS >= TIMING_LEASE_MS +
    TIMING_WATCHDOG_TICK_MS + TIMING_KILL_MS + TIMING_DRIFT_MS,
    "and so is one whose agent hung before and lived by our word");
_Static_assert(TIMING_DEVICE_MS + TIMING_KILL_MS + TIMING_DRIFT_MS <=
    TIMING_TOKEN_MS + TIMING_CONSENSUS_MS + TIMING_PEER_DEAD_MS,
    "and one that hung as a whole was reset by its device");
_Static_assert(TIMING_DEVICE_MS + TIMING_KILL_MS + TIMING_DRIFT_MS <=
    TIMING_LEASE_MS - 2 * TIMING_HEARTBEAT_MS + TIMING_PEER_DEAD_MS,
    "also when corosync was dead before, and beats alone told");
_Static_assert(TIMING_DRIFT_MS * 1000000u >= 2u * TIMING_DRIFT_PPM *
    (TIMING_LOST_MS + TIMING_PEER_DEAD_MS) + 4u * 1000000u,
    "two clocks' drift over a takeover, and a millisecond for each term");
_Static_assert(TIMING_STRICT_MS >= 10 * TIMING_PASS_MS &&
    TIMING_STRICT_MS >= TIMING_HEARTBEAT_MS * TIMING_MISSED,
    "an agent that is a little late isn't taken for a hung one");
_Static_assert(TIMING_TICK_MAX_MS + TIMING_TICK_MAX_MS / 2 < TIMING_DUTIES_MS,
    "the tick waits for twice what a comparison takes; then there's another one");
_Static_assert(TIMING_DEVICE_MS >= 20 * TIMING_WATCHDOG_TICK_MS,
    "a guard that is started again is in time for the device");
_Static_assert(TIMING_HANG_MS > 2 * TIMING_LOST_MS + TIMING_PEER_DEAD_MS &&
    TIMING_RELAXED_MS > 4 * TIMING_HANG_MS,
    "an agent is started anew several times before its PM is reset");
_Static_assert(TIMING_LOST_MS + TIMING_PEER_DEAD_MS <= 2000,
    "a dead peer's guests start within 2 s");
_Static_assert(TIMING_LOST_MS < 1000, "a dead peer is noticed within 1 s");
_Static_assert(TIMING_MIRROR_LEASE_MS >= TIMING_JOIN_MS + 5000u,
    "an agent that starts anew, even without its peer, speaks in time");
_Static_assert(TIMING_MIRROR_LEASE_MS < TIMING_FROZEN_MS,
    "guests that wait for an answer don't get data from a forgotten server");
_Static_assert(TIMING_MIRROR_LEASE_MS / 3 > 2 * 1000u,
    "the agent's tick of 1 s renews it often enough, one of two lost");
_Static_assert(TIMING_JOIN_MS > 4 * TIMING_LOST_MS,
    "a PM that starts waits for the other much longer than it takes to see it");

/* Nanoseconds, scaled. */
struct timing {
	uint64_t	heartbeat_ns;
	uint64_t	heartbeat_lost_ns;	/* heartbeat x missed */
	uint64_t	lease_ns;
	uint64_t	lost_ns;
	uint64_t	mirror_lost_ns;
	uint64_t	peer_dead_ns;
	uint64_t	claim_retry_ns;
	uint64_t	arbiter_ns;
	uint64_t	probe_ns;
	uint64_t	frozen_ns;
	uint64_t	join_ns;
	uint64_t	submit_ns;
	uint64_t	reconnect_ns;
	uint64_t	strict_ns;
	uint64_t	pass_ns;
	uint64_t	duties_ns;
	uint64_t	tick_max_ns;
	uint64_t	watchdog_tick_ns;
	uint64_t	device_ns;
	uint64_t	hang_ns;
	uint64_t	relaxed_ns;
	uint32_t	token_ms;	/* what corosync.conf must say */
	uint32_t	consensus_ms;
	uint32_t	hash;		/* of all above: both PMs must agree */
};

/* scale_percent: 100 = as above; 10..10000. */
void timing_fill(struct timing *ret, unsigned scale_percent);
/* One line, for the log at start. */
void timing_format(const struct timing *t, char *buf, size_t n);

#endif
