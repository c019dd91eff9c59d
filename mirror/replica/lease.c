/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/lease.c - no word from the agent, no answer to the guest
 *
 * CLOCK_BOOTTIME, as a PM that was suspended was silent, too.  Nobody watches the
 * end of the lease: it is looked at before a request is begun and again, after
 * all work, before it is answered; so a server that was stopped and wakes answers
 * nothing of what it had under way.  A word counts from when it was said, as it
 * may have waited in the socket.
 */
#include "base/clock.h"
#include "mirror/replica/server.h"

bool
lease_ok(const struct srv *s)
{
	return s->lease_ms == 0 || s->role != MIRROR_PRIMARY ||
	    av_clock_boot_ns() < s->lease_until_ns;
}

void
lease_heard(struct srv *s, uint64_t since_ns)
{
	uint64_t now = av_clock_boot_ns(), until;
	bool was = lease_ok(s);

	until = (since_ns < now ? since_ns : now) +
	    s->lease_ms * AV_NS_PER_MS;
	if (until > s->lease_until_ns)
		s->lease_until_ns = until;
	if (!was && lease_ok(s))
		srv_changed(s);
}

void
lease_set(struct srv *s, uint32_t ms, uint64_t since_ns)
{
	if (ms != s->lease_ms) {
		s->lease_ms = ms;
		s->lease_until_ns = 0;
		srv_changed(s);
	}
	lease_heard(s, since_ns);
}
