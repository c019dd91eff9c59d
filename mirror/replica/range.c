/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/range.c - see range.h; lists are as short as requests in
 * flight, so a walk is cheap
 */
#include "mirror/replica/range.h"

#include <stddef.h>

#include "base/assert.h"

static bool
intersect(const struct range *a, uint64_t start, uint64_t end)
{
	return a->start < end && start < a->end;
}

void
range_list_init(struct range_list *rl)
{
	rl->first = NULL;
	rl->last = &rl->first;
}

void
range_enter(struct range_list *rl, struct range *r)
{
	r->next = NULL;
	*rl->last = r;
	rl->last = &r->next;
}

bool
range_active(const struct range_list *rl, const struct range *r)
{
	const struct range *at;

	for (at = rl->first; at != r; at = at->next) {
		AV_ASSERT(at != NULL);
		if (intersect(at, r->start, r->end))
			return false;
	}
	return true;
}

void
range_leave(struct range_list *rl, struct range *r)
{
	struct range **at = &rl->first;

	while (*at != r) {
		AV_ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	*at = r->next;
	if (r->next == NULL)
		rl->last = at;
}

bool
range_touched(const struct range_list *rl, uint64_t start, uint64_t end)
{
	const struct range *at;

	for (at = rl->first; at != NULL; at = at->next)
		if (intersect(at, start, end))
			return true;
	return false;
}
