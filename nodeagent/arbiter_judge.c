/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/arbiter_judge.c - what a record at the arbiter means for a move
 *
 * Pure; the driver and the simulator's arbiter both use it.
 */
#include "nodeagent/arbiter.h"

#include <stdio.h>

static const char *
owner_name(int owner)
{
	return owner < 0 ? "both" : owner == 0 ? "node0" : "node1";
}

int
arbiter_judge(const struct role_move *m, int node,
    const struct arbiter_record *cur, char *text, size_t n)
{
	text[0] = '\0';
	if (cur == NULL) {
		if (m->from_empty)
			return 2;
		(void)snprintf(text, n, "The quorum server doesn't know this "
		    "unit.");
		return -1;
	}
	if (m->to_gen == 0)
		return 2;
	if (cur->gen == m->to_gen && cur->owner == m->to_owner)
		return 1;
	if (m->from_both_gen != 0 && cur->owner < 0 &&
	    cur->gen == m->from_both_gen)
		return 2;
	if (m->from_mine_gen != 0 && cur->owner == node &&
	    cur->gen == m->from_mine_gen)
		return 2;
	if (cur->gen < m->to_gen && m->from_lower)
		return 2;
	if (cur->gen < m->to_gen) {
		(void)snprintf(text, n, "The quorum server's record "
		    "(generation %llu, owner %s) is older than this PM's.",
		    (unsigned long long)cur->gen, owner_name(cur->owner));
		return -1;
	}
	(void)snprintf(text, n, "The quorum server says generation %llu, "
	    "owner %s.", (unsigned long long)cur->gen, owner_name(cur->owner));
	return 0;
}
