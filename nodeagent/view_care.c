/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_care.c - verify, growing, schedule: what the API shows of them
 */
#include <string.h>

#include "nodeagent/view_impl.h"

json_t *
view_verify(const struct store_volume *vol, const struct volume_state *vs)
{
	const struct store_verify *v = &vol->verify;
	const json_t *now = json_object_get(vs->fact, "verify");
	const char *state = view_text(now, "state", NULL);

	if (v->active && state[0] == '\0')
		state = "waiting";	/* ordered, not begun (again) yet */
	else if (!v->active)
		state = v->run == 0 ? "never" :
		    v->result[0] != '\0' ? v->result : "done";
	return json_pack("{s:s, s:b, s:o, s:I, s:I, s:o, s:o, s:o, s:o}",
	    "state", state, "repair", v->repair, "percent", v->active ?
	    json_integer(json_integer_value(json_object_get(now, "percent"))) :
	    json_null(), "found", (json_int_t)(v->active ?
	    (uint64_t)json_integer_value(json_object_get(now, "found")) :
	    v->found), "repaired", (json_int_t)(v->active ?
	    (uint64_t)json_integer_value(json_object_get(now, "repaired")) :
	    v->repaired), "by", v->by[0] != '\0' ? json_string(v->by) :
	    json_null(), "started_utc", view_time(v->started_ms), "ended_utc",
	    view_time(v->active ? 0 : v->ended_ms), "reason",
	    !v->active && v->text[0] != '\0' ? json_string(v->text) :
	    json_null());
}

bool
view_volume_growing(const struct store_volume *vol,
    const struct volume_state *vs)
{
	json_int_t has = json_integer_value(json_object_get(vs->fact,
	    "size_bytes"));

	return has > 0 && (uint64_t)has < vol->size_bytes;
}

/* As command_volume.c decides. */
json_t *
view_volume_commands(const struct store_volume *vol,
    const struct volume_state *vs)
{
	bool ready = vol->phase == STORE_READY;
	bool in_step = ready && vs->activity == VOLUME_IN_STEP &&
	    vol->failed_leg < 0 && !vol->verify.active;
	const struct { const char *word; bool ok; } words[] = {
		{ "grow", in_step }, { "verify", in_step },
		{ "verify-cancel", ready && vol->verify.active },
		{ "resync-pause", ready && !vol->resync_paused },
		{ "resync-resume", ready && vol->resync_paused },
		{ "replace-leg", ready && vol->failed_leg >= 0 &&
		    vol->replace == STORE_REPLACE_NO },
		{ "delete", ready && vol->vm_id[0] == '\0' },
	};
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].ok)
			(void)json_array_append_new(list,
			    json_string(words[i].word));
	return list;
}

json_t *
view_schedule(const struct store_schedule *sched)
{
	static const char *const every[] = {
		[STORE_EVERY_OFF] = "off", [STORE_EVERY_WEEK] = "weekly",
		[STORE_EVERY_MONTH] = "monthly" };
	static const char *const days[] = { "sun", "mon", "tue", "wed", "thu",
		"fri", "sat" };

	return json_pack("{s:s, s:s, s:i, s:b}", "every", every[sched->every],
	    "day", days[sched->day % 7], "hour", sched->hour, "repair",
	    sched->repair);
}
