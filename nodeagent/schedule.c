/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/schedule.c - when the volumes are to be verified
 */
#include "nodeagent/schedule.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "nodeagent/view_impl.h"

#define DAYS_BACK	38	/* a month's first week is never further back */
#define FIRST_WEEK	7

int64_t
schedule_last_due_ms(const struct store_schedule *sched, int64_t now_utc_ms)
{
	time_t now = (time_t)(now_utc_ms / 1000);
	struct tm today;
	int back;

	if (sched->every == STORE_EVERY_OFF || now_utc_ms <= 0 ||
	    localtime_r(&now, &today) == NULL)
		return 0;
	for (back = 0; back <= DAYS_BACK; back++) {
		struct tm at = { .tm_year = today.tm_year,
			.tm_mon = today.tm_mon, .tm_mday = today.tm_mday - back,
			.tm_hour = sched->hour, .tm_isdst = -1 };
		time_t due = mktime(&at);	/* fills in day and month */

		if (due == (time_t)-1 || due > now || at.tm_wday != sched->day)
			continue;
		if (sched->every == STORE_EVERY_WEEK ||
		    at.tm_mday <= FIRST_WEEK)
			return (int64_t)due * 1000;
	}
	return 0;
}

struct search {
	const json_t *const *facts;
	int		 self;
	int64_t		 due_ms;
	bool		 busy;
	char		*found;
};

static int
see_volume(void *arg, const struct store_volume *vol)
{
	struct search *s = arg;
	struct volume_state vs;

	s->busy |= vol->verify.active;
	if (s->found[0] != '\0' || vol->phase != STORE_READY ||
	    vol->failed_leg >= 0 || vol->created_ms >= s->due_ms ||
	    vol->verify.started_ms >= s->due_ms)
		return 0;
	view_volume_state(s->facts, s->self, vol, &vs);
	if (vs.activity == VOLUME_IN_STEP)
		(void)snprintf(s->found, STORE_ID_MAX, "%s", vol->id);
	return 0;
}

int
schedule_next(const struct store *st, const json_t *const facts[2], int self,
    int64_t now_utc_ms, char ret_id[STORE_ID_MAX], bool *ret_repair)
{
	struct search s = { .facts = facts, .self = self, .found = ret_id };
	struct store_unit unit;

	ret_id[0] = '\0';
	if (store_get_unit(st, &unit) < 0)
		return -ENOENT;
	s.due_ms = schedule_last_due_ms(&unit.verify, now_utc_ms);
	if (s.due_ms == 0 || store_each_volume(st, see_volume, &s) < 0 ||
	    s.busy || ret_id[0] == '\0')
		return -ENOENT;
	*ret_repair = unit.verify.repair;
	return 0;
}
