/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/timing.c - the table of timing.h, scaled
 */
#include "nodeagent/timing.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/wire.h"

static uint64_t
scaled(unsigned ms, unsigned percent)
{
	return (uint64_t)ms * AV_NS_PER_MS * percent / 100;
}

static uint32_t
hash(const struct timing *t)
{
	uint8_t buf[192];
	struct av_wr w = { buf, sizeof(buf), 0 };
	const uint64_t v[] = { t->heartbeat_ns, t->heartbeat_lost_ns,
		t->lease_ns, t->lost_ns, t->mirror_lost_ns, t->peer_dead_ns,
		t->claim_retry_ns, t->arbiter_ns, t->frozen_ns, t->join_ns,
		t->strict_ns, t->watchdog_tick_ns, t->device_ns,
		t->relaxed_ns, t->token_ms, t->consensus_ms };
	size_t i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		av_wr_le(&w, v[i], 8);
	AV_ASSERT(w.rc == 0);
	return av_crc32c(0, buf, (size_t)(w.at - buf));
}

void
timing_fill(struct timing *t, unsigned pc)
{
	if (pc < 10)
		pc = 10;
	if (pc > 10000)
		pc = 10000;
	t->heartbeat_ns = scaled(TIMING_HEARTBEAT_MS, pc);
	t->heartbeat_lost_ns = scaled(TIMING_HEARTBEAT_MS * TIMING_MISSED, pc);
	t->lease_ns = scaled(TIMING_LEASE_MS, pc);
	t->lost_ns = scaled(TIMING_LOST_MS, pc);
	t->mirror_lost_ns = scaled(TIMING_MIRROR_LOST_MS, pc);
	t->peer_dead_ns = scaled(TIMING_PEER_DEAD_MS, pc);
	t->claim_retry_ns = scaled(TIMING_CLAIM_RETRY_MS, pc);
	t->arbiter_ns = scaled(TIMING_ARBITER_MS, pc);
	t->probe_ns = scaled(TIMING_PROBE_MS, pc);
	t->frozen_ns = scaled(TIMING_FROZEN_MS, pc);
	t->join_ns = scaled(TIMING_JOIN_MS, pc);
	t->submit_ns = scaled(TIMING_SUBMIT_MS, pc);
	t->reconnect_ns = scaled(TIMING_RECONNECT_MS, pc);
	t->strict_ns = scaled(TIMING_STRICT_MS, pc);
	t->pass_ns = scaled(TIMING_PASS_MS, pc);
	t->duties_ns = scaled(TIMING_DUTIES_MS, pc);
	t->tick_max_ns = scaled(TIMING_TICK_MAX_MS, pc);
	t->watchdog_tick_ns = scaled(TIMING_WATCHDOG_TICK_MS, pc);
	t->device_ns = scaled(TIMING_DEVICE_MS, pc);
	t->hang_ns = scaled(TIMING_HANG_MS, pc);
	t->relaxed_ns = scaled(TIMING_RELAXED_MS, pc);
	t->token_ms = TIMING_TOKEN_MS * pc / 100;
	t->consensus_ms = TIMING_CONSENSUS_MS * pc / 100;
	t->hash = hash(t);
}

#define U(ns)	((unsigned long long)((ns) / AV_NS_PER_MS))

void
timing_format(const struct timing *t, char *buf, size_t n)
{
	(void)snprintf(buf, n, "timing (ms): heartbeat %llu lost %llu lease "
	    "%llu; corosync token %u consensus %u; mirror %llu; peer lost "
	    "%llu dead +%llu; arbiter %llu retry %llu; frozen at most %llu; "
	    "join %llu; watchdog strict %llu relaxed %llu device %llu; "
	    "hash %08x", U(t->heartbeat_ns),
	    U(t->heartbeat_lost_ns), U(t->lease_ns), t->token_ms,
	    t->consensus_ms, U(t->mirror_lost_ns), U(t->lost_ns),
	    U(t->peer_dead_ns), U(t->arbiter_ns), U(t->claim_retry_ns),
	    U(t->frozen_ns), U(t->join_ns),
	    U(t->strict_ns), U(t->relaxed_ns), U(t->device_ns), t->hash);
}
