/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/volumes_news.c - does a mirror server's word ask for a comparison? (pure)
 *
 * A server says three times a second and more how much was written, and how long ago it
 * heard the peer.  Nothing is decided by that: it's for people, who see it after the next
 * tick.  Whatever isn't named here is news, so a new field is, too.
 */
#include <string.h>

#include "nodeagent/volumes_impl.h"

static void
without_numbers(const struct mirror_status *st, struct mirror_status *ret)
{
	memcpy(ret, st, sizeof(*ret));	/* with what lies between the fields */
	ret->written_bytes = ret->read_bytes = 0;
	ret->write_requests = ret->read_requests = 0;
	ret->resync_copied_bytes = ret->resync_eta_s = 0;
	ret->resync_speed_kib_s = 0;
	ret->resync_percent = 0;
	ret->verify.done_bytes = 0;
	ret->peer_seen_ms = 0;
	/* that there are some counts */
	ret->out_of_step_bytes = st->out_of_step_bytes != 0;
	ret->hold_left_ms = st->hold_left_ms != 0;
	ret->disk_slow_ms = st->disk_slow_ms != 0;
}

bool
volume_is_news(const struct mirror_status *was, const struct mirror_status *now)
{
	struct mirror_status a, b;

	without_numbers(was, &a);
	without_numbers(now, &b);
	return memcmp(&a, &b, sizeof(a)) != 0;
}
