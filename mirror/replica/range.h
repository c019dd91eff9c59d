/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/range.h - who may write where, in order of arrival
 *
 * A request waits for every earlier one that it touches; so overlapping writes
 * reach both legs in the same order, and nobody starves.  The list's lock is
 * the caller's.
 *
 *   range_enter --> waiting --no earlier one intersects--> active --> range_leave
 */
#ifndef AV_MIRROR_RANGE_H
#define AV_MIRROR_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct range {			/* lives on the requester's stack */
	uint64_t	 start, end;	/* bytes, end excluded */
	struct range	*next;
};

struct range_list {
	struct range	*first;
	struct range	**last;
};

void range_list_init(struct range_list *rl);
void range_enter(struct range_list *rl, struct range *r);
/* True when no earlier range touches it: the owner may go on. */
bool range_active(const struct range_list *rl, const struct range *r);
void range_leave(struct range_list *rl, struct range *r);
/* Does any range, waiting or active, touch [start, end)? */
bool range_touched(const struct range_list *rl, uint64_t start, uint64_t end);

#endif
