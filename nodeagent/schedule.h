/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/schedule.h - when the volumes are to be verified
 *
 * Pure but for the time zone (TZ): hours are those of this PM's clock.  A moment
 * that was missed, because the unit was off, is made up for.
 */
#ifndef AV_NODEAGENT_SCHEDULE_H
#define AV_NODEAGENT_SCHEDULE_H

#include <stdint.h>

#include "nodeagent/store.h"

/* The latest moment of the schedule that isn't after 'now', ms since 1970 UTC; 0 =
 * none (off, or the clock is out of range). */
int64_t schedule_last_due_ms(const struct store_schedule *sched,
    int64_t now_utc_ms);

/*
 * The volume whose turn it is: ready, in step, not verified (begun) since the last
 * due moment nor made after it; the lowest id first.  0 = found; -ENOENT = none,
 * also while one is being verified.
 */
int schedule_next(const struct store *st, const json_t *const facts[2], int self,
    int64_t now_utc_ms, char ret_id[STORE_ID_MAX], bool *ret_repair);

#endif
