/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/quorum_plan.c - which quorum server should be active; pure
 */
#include "nodeagent/quorum.h"

static bool
both(const bool ok[2])
{
	return ok[0] && ok[1];
}

/* One that both PMs reach, the preferred one first; -1 = none. */
static int
candidate(const struct quorum_state *q, const bool ok[][2])
{
	int best = -1;
	size_t i;

	for (i = 0; i < q->n; i++) {
		const struct quorum_server *s = &q->servers[i];

		if (s->id == q->active || s->leaving || !both(ok[i]))
			continue;
		if (best < 0 || s->preferred)
			best = (int)i;
	}
	return best;
}

int64_t
quorum_plan(const struct quorum_state *q, const bool ok[][2], uint64_t bad_ms,
    uint64_t good_ms)
{
	const struct quorum_server *active = quorum_db_find(q, q->active);
	int to;

	if (!q->exists || !q->imported || q->next != 0)
		return 0;
	to = candidate(q, ok);
	if (to < 0)
		return 0;
	if (active == NULL || active->leaving)
		return q->servers[to].id;
	if (!both(ok[active - q->servers]))
		return bad_ms >= QUORUM_BAD_MS ? q->servers[to].id : 0;
	return q->servers[to].preferred && good_ms >= QUORUM_GOOD_MS ?
	    q->servers[to].id : 0;
}

bool
quorum_may_confirm(const struct role *r, uint64_t gen)
{
	/* a question under way, or one that may take effect yet, is of the old
	 * server: its grant would count */
	if (r->asking || r->maybe || r->taking)
		return false;
	switch (r->state) {
	case ROLE_TOGETHER:
		return r->rec.mode == ROLE_MODE_TOGETHER && r->rec.gen == gen;
	case ROLE_ALONE:
		return r->rec.mode == ROLE_MODE_ALONE && !r->rec.pending &&
		    r->rec.gen == gen;
	case ROLE_FOLLOWER:	/* gave up every right, durably */
		return r->rec.mode == ROLE_MODE_OUTDATED ||
		    r->rec.mode == ROLE_MODE_NEW ? r->follow_gen == gen : false;
	default:
		return false;
	}
}
