/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_move.c - the VM object's live migration, and the last one
 */
#include <string.h>

#include "nodeagent/core/move.h"
#include "nodeagent/view_impl.h"

static json_int_t
number(const json_t *obj, const char *key)
{
	return json_integer_value(json_object_get(obj, key));
}

/* What is left, by the rate at which it gets less; null when it doesn't. */
static json_t *
seconds_left(const json_t *m)
{
	json_int_t gain = number(m, "rate_bytes_s") -
	    number(m, "dirty_bytes_s");

	if (gain <= 0 || number(m, "remaining_bytes") <= 0)
		return json_null();
	return json_integer(number(m, "remaining_bytes") / gain + 1);
}

static enum move_why
phase_of(const char *phase)
{
	if (strcmp(phase, "active") == 0 || strcmp(phase, "setup") == 0)
		return MOVE_WHY_COPYING;
	return strcmp(phase, "switching") == 0 ||
	    strcmp(phase, "complete") == 0 ? MOVE_WHY_SWITCHING :
	    MOVE_WHY_PREPARING;
}

json_t *
view_migration(const json_t *fact, const struct store_vm *vm)
{
	const struct store_move *row = &vm->move;
	const json_t *m = json_object_get(fact, "move");
	enum move_why phase;
	json_int_t total, left, percent = 0;

	if (row->to < 0)
		return json_null();
	if (number(m, "id") != (json_int_t)row->id)
		m = NULL;		/* of one before */
	phase = phase_of(view_text(m, "phase", NULL));
	total = number(m, "total_bytes");
	left = number(m, "remaining_bytes");
	if (phase == MOVE_WHY_SWITCHING)
		percent = 100;
	else if (total > 0 && left <= total)
		percent = (total - left) * 100 / total;
	return json_pack("{s:o, s:o, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:s}",
	    "from", view_node_json(row->from), "to", view_node_json(row->to),
	    "phase", move_why_code(phase), "percent", percent, "bytes",
	    number(m, "copied_bytes"), "remaining_bytes", left, "downtime_ms",
	    number(m, "downtime_ms") > 0 ?
	    json_integer(number(m, "downtime_ms")) : json_null(),
	    "seconds_left", seconds_left(m), "started_utc",
	    view_time(row->started_ms), "by", row->by);
}

json_t *
view_last_migration(const struct store_vm *vm)
{
	const struct store_move *row = &vm->move;

	if (row->id == 0 || row->to >= 0 || row->result[0] == '\0')
		return json_null();
	return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:s}", "from",
	    view_node_json(row->from), "to", view_node_json(row->target),
	    "result", row->result, "reason", strcmp(row->result, "done") == 0 ?
	    json_null() : view_reason(row->code, row->text), "started_utc",
	    view_time(row->started_ms), "ended_utc", view_time(row->ended_ms),
	    "by", row->by);
}
