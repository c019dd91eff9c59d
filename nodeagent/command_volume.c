/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_volume.c - a volume's size, and the care of its two legs
 *
 * What a volume is doing is stamped into the command (context.volume); the agents
 * then make the mirror follow what is written here (volumes_care.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/core/limits.h"

static const char *const days[] = { "sun", "mon", "tue", "wed", "thu", "fri",
	"sat" };

static int
get_volume(struct command *c, int64_t *ret_id, struct store_volume *vol)
{
	int rc = command_find_id(c, KIND_VOLUME, "volume", ret_id);

	if (rc < 0)
		return rc;
	rc = store_get_volume(c->st, c->object, vol);
	if (rc < 0)
		return av_err_set(c->err, rc, "database: reading %s", c->object);
	if (vol->phase == STORE_READY)
		return 0;
	return command_refuse(c, -EBUSY, "busy", json_pack("{s:s}", "name",
	    vol->name), "volume '%s' is %s: wait until that is over", vol->name,
	    vol->phase == STORE_CREATING ? "being made" : "being removed");
}

static int
answer(struct command *c, const struct store_volume *vol)
{
	return command_result(c, "id", json_string(vol->id));
}

static int
already(struct command *c, const struct store_volume *vol, const char *what)
{
	return command_refuse(c, -EALREADY, "already-so",
	    json_pack("{s:s, s:s}", "name", vol->name, "command", c->op),
	    "volume '%.160s': %s", vol->name, what);
}

/* Both legs take part and nothing is being copied, as the submitter saw it. */
static int
check_in_step(struct command *c, const struct store_volume *vol,
    const char *verb)
{
	const char *seen = json_string_value(json_object_get(c->context,
	    "volume"));

	if (seen != NULL && strcmp(seen, "in-step") == 0 && vol->failed_leg < 0)
		return 0;
	if (vol->failed_leg >= 0)
		seen = "one-leg";
	return command_refuse(c, -EBUSY, "volume-wrong-state",
	    json_pack("{s:s, s:s, s:s}", "name", vol->name, "activity",
	    seen != NULL ? seen : "unknown", "command", verb),
	    "volume '%.100s' is %s, so '%s' isn't possible: wait until it is in step on both PMs",
	    vol->name, seen != NULL ? seen : "not seen yet", verb);
}

/* --- verify --- */

/* One at a time in the unit: they read all of both disks. */
static int
check_no_verify(struct command *c)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(c->st, &stmt, c->err, "SELECT name FROM volume"
	    " WHERE verify_active = 1 ORDER BY id", "");

	if (rc == 0)
		rc = sql_next(c->st, stmt, c->err);
	if (rc <= 0)
		return rc;
	return command_refuse(c, -EBUSY, "verify-running",
	    json_pack("{s:s}", "name", sql_text(stmt, 0)),
	    "volume '%.160s' is being verified: wait until that is over, or cancel it",
	    sql_text(stmt, 0));
}

int
cmd_volume_verify(struct command *c)
{
	const char *user = json_string_value(json_object_get(c->actor, "user"));
	const char *role = json_string_value(json_object_get(c->actor, "role"));
	bool own = strcmp(role, "system") == 0;
	bool repair = json_is_true(json_object_get(c->args, "repair"));
	struct store_volume vol;
	int64_t id;
	int rc = get_volume(c, &id, &vol);

	if (rc == 0)
		rc = check_no_verify(c);
	if (rc == 0)
		rc = check_in_step(c, &vol, "verify");
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE volume SET"
		    " verify_active = 1, verify_run = verify_run + 1,"
		    " verify_repair = ?, verify_by = ?, verify_started_ms = ?"
		    " WHERE id = ?", "isii", (int64_t)repair,
		    own ? "schedule" : user, c->at_ms, id);
	if (rc == 0)
		command_detail(c, "verify volume '%s'%s%s", vol.name,
		    repair ? ", with repair" : "", own ? ", as scheduled" : "");
	return rc == 0 ? answer(c, &vol) : rc;
}

int
cmd_volume_verify_cancel(struct command *c)
{
	struct store_volume vol;
	int64_t id;
	int rc = get_volume(c, &id, &vol);

	if (rc == 0 && !vol.verify.active)
		return command_refuse(c, -EALREADY, "verify-not-running",
		    json_pack("{s:s}", "name", vol.name),
		    "volume '%.160s' isn't being verified", vol.name);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE volume SET"
		    " verify_active = 0, verify_result = 'cancelled',"
		    " verify_ended_ms = ?, verify_found = 0,"
		    " verify_repaired = 0, verify_text = '' WHERE id = ?",
		    "ii", c->at_ms, id);
	if (rc == 0)
		command_detail(c, "end the verify of volume '%s'", vol.name);
	return rc == 0 ? answer(c, &vol) : rc;
}

/* --- resync --- */

static int
set_paused(struct command *c, bool paused)
{
	struct store_volume vol;
	int64_t id;
	int rc = get_volume(c, &id, &vol);

	if (rc == 0 && vol.resync_paused == paused)
		return already(c, &vol, paused ? "its resync is paused already" :
		    "its resync isn't paused");
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "UPDATE volume SET resync_paused = ? WHERE id = ?", "ii",
		    (int64_t)paused, id);
	if (rc == 0)
		command_detail(c, "%s the resync of volume '%s'",
		    paused ? "pause" : "resume", vol.name);
	return rc == 0 ? answer(c, &vol) : rc;
}

int
cmd_volume_resync_pause(struct command *c)
{
	return set_paused(c, true);
}

int
cmd_volume_resync_resume(struct command *c)
{
	return set_paused(c, false);
}

/* --- size --- */

/* The process that waits for the guest has opened it with the size of before. */
static int
check_no_move(struct command *c, const struct store_volume *vol)
{
	struct store_vm vm;

	if (vol->vm_id[0] == '\0' ||
	    store_get_vm(c->st, vol->vm_id, &vm) < 0 || vm.move.to < 0)
		return 0;
	return command_refuse(c, -EBUSY, "busy", json_pack("{s:s}", "name",
	    vol->name), "VM '%.160s' is moving to the other PM: wait until that is over",
	    vm.name);
}

int
cmd_volume_grow(struct command *c)
{
	uint64_t asked = (uint64_t)json_integer_value(
	    json_object_get(c->args, "size_bytes")), size;
	char from[32], to[32];
	struct store_volume vol;
	int64_t id, before = 0;
	int rc = get_volume(c, &id, &vol);

	if (rc == 0 && asked > LIMITS_VOLUME_MAX_BYTES)
		return command_refuse(c, -EINVAL, "size-invalid",
		    json_pack("{s:I, s:I, s:I}", "size_bytes",
		    (json_int_t)asked, "min_bytes",
		    (json_int_t)LIMITS_VOLUME_MIN_BYTES, "max_bytes",
		    (json_int_t)LIMITS_VOLUME_MAX_BYTES),
		    "a volume has at most 16 TiB, not %" PRIu64 " bytes: choose a smaller size",
		    asked);
	size = limits_volume_round(asked);
	av_format_size(vol.size_bytes, from, sizeof(from));
	av_format_size(size, to, sizeof(to));
	if (rc == 0 && size <= vol.size_bytes)
		return command_refuse(c, -EINVAL, "size-not-larger",
		    json_pack("{s:s, s:I, s:I}", "name", vol.name,
		    "size_bytes", (json_int_t)vol.size_bytes, "wanted_bytes",
		    (json_int_t)asked),
		    "volume '%.100s' has %s already and can't become smaller: choose a larger size",
		    vol.name, from);
	if (rc == 0)
		rc = check_no_verify(c);
	if (rc == 0)
		rc = check_in_step(c, &vol, "grow");
	if (rc == 0)
		rc = check_no_move(c, &vol);
	if (rc == 0)
		rc = sql_get_int(c->st, &before, c->err,
		    "SELECT coalesce(sum(size_bytes), 0) FROM volume", "");
	if (rc == 0)
		rc = command_check_space(c, (uint64_t)before,
		    size - vol.size_bytes);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "UPDATE volume SET size_bytes = ? WHERE id = ?", "ui", size,
		    id);
	if (rc == 0)	/* the last try is over and done with */
		rc = sql_run(c->st, c->err, "UPDATE alert SET cleared_ms = ?"
		    " WHERE code = 'volume-grow-failed' AND object = ?"
		    " AND cleared_ms IS NULL", "is", c->at_ms, vol.id);
	if (rc == 0)
		rc = command_result(c, "size_bytes",
		    json_integer((json_int_t)size));
	if (rc == 0)
		command_detail(c, "grow volume '%s' from %s to %s", vol.name,
		    from, to);
	return rc == 0 ? answer(c, &vol) : rc;
}

/* --- a leg whose disk failed --- */

int
cmd_volume_replace_leg(struct command *c)
{
	struct store_vm vm;
	struct store_volume vol;
	int64_t id;
	int rc = get_volume(c, &id, &vol);

	if (rc == 0 && vol.failed_leg < 0)
		return command_refuse(c, -EINVAL, "leg-not-failed",
		    json_pack("{s:s}", "name", vol.name),
		    "both legs of volume '%.160s' are in use: there is nothing to replace",
		    vol.name);
	if (rc == 0 && vol.replace != STORE_REPLACE_NO)
		return already(c, &vol, "its leg is being replaced already");
	if (rc == 0 && vol.vm_id[0] != '\0' &&
	    store_get_vm(c->st, vol.vm_id, &vm) == 0 &&
	    vm.node == vol.failed_leg)
		return command_refuse(c, -EBUSY, "leg-in-use",
		    json_pack("{s:s, s:s, s:s}", "name", vol.name, "vm",
		    vm.name, "node", vm.node == 0 ? "node0" : "node1"),
		    "VM '%.80s' runs on node%d with the other PM's disk of volume '%.80s': shut it down and start it again, it then runs on the other PM",
		    vm.name, vm.node, vol.name);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "UPDATE volume SET leg_replace = 1 WHERE id = ?", "i", id);
	if (rc == 0)
		rc = command_result(c, "node", json_string(
		    vol.failed_leg == 0 ? "node0" : "node1"));
	if (rc == 0)
		command_detail(c, "make the leg of volume '%s' on node%d anew",
		    vol.name, vol.failed_leg);
	return rc == 0 ? answer(c, &vol) : rc;
}

/* --- what the agents report --- */

static int
ignore(struct command *c)
{
	c->quiet = true;
	return command_result(c, "ignored", json_true());
}

static int64_t
number(const struct command *c, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(c->args, key));
}

/* There is nothing to compare any more. */
static int
verify_cut_off(struct command *c, int64_t id, const struct store_volume *vol,
    int node)
{
	char why[64];

	if (!vol->verify.active)
		return 0;
	(void)snprintf(why, sizeof(why), "the disk of its leg on node%d failed",
	    node);
	return sql_run(c->st, c->err, "UPDATE volume SET verify_active = 0,"
	    " verify_result = 'failed', verify_ended_ms = ?, verify_found = 0,"
	    " verify_repaired = 0, verify_text = ? WHERE id = ?", "isi",
	    c->at_ms, why, id);
}

static int
leg_failed(struct command *c, int64_t id, const struct store_volume *vol,
    int node)
{
	int rc;

	/* the first one counts: the other leg is all that is left */
	if (vol->failed_leg >= 0 && (vol->failed_leg != node ||
	    vol->replace != STORE_REPLACE_MADE))
		return ignore(c);
	c->audit_result = "failed";
	command_detail(c, "volume '%s': the disk of its leg on node%d failed (%s)",
	    vol->name, node, command_arg_text(c, "reason"));
	rc = verify_cut_off(c, id, vol, node);
	return rc < 0 ? rc : sql_run(c->st, c->err, "UPDATE volume SET"
	    " leg_failed = ?, leg_failed_ms = ?, leg_failed_text = ?,"
	    " leg_replace = 0 WHERE id = ?", "iisi", (int64_t)node, c->at_ms,
	    command_arg_text(c, "reason"), id);
}

static int
leg_in_step(struct command *c, int64_t id, const struct store_volume *vol,
    int node)
{
	if (vol->failed_leg != node)
		return ignore(c);
	command_detail(c, "volume '%s' is in step again: its leg on node%d is good",
	    vol->name, node);
	return sql_run(c->st, c->err, "UPDATE volume SET leg_failed = NULL,"
	    " leg_failed_text = '', leg_replace = 0 WHERE id = ?", "i", id);
}

static int
leg_made(struct command *c, int64_t id, const struct store_volume *vol,
    int node)
{
	if (vol->failed_leg != node || vol->replace != STORE_REPLACE_ASKED)
		return ignore(c);
	command_detail(c, "volume '%s': its leg on node%d was made anew and is being filled",
	    vol->name, node);
	return sql_run(c->st, c->err,
	    "UPDATE volume SET leg_replace = 2 WHERE id = ?", "i", id);
}

static int
verify_ended(struct command *c, int64_t id, const struct store_volume *vol)
{
	const char *result = command_arg_text(c, "result");
	const char *why = command_arg_text(c, "reason");
	int64_t found = number(c, "found"), repaired = number(c, "repaired");
	bool done = strcmp(result, "done") == 0;

	if (!vol->verify.active || (uint64_t)number(c, "run") != vol->verify.run)
		return ignore(c);
	if (!done && strcmp(result, "failed") != 0)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "result"),
		    "argument 'result' can't be '%s'", result);
	c->audit_action = "volume.verify";
	c->audit_result = done && found == 0 ? "ok" : "failed";
	if (!done)
		command_detail(c, "the verify of volume '%s' failed: %s",
		    vol->name, why);
	else if (found == 0)
		command_detail(c, "both legs of volume '%s' are alike",
		    vol->name);
	else
		command_detail(c, "the legs of volume '%s' differ in %" PRId64
		    " blocks of 64 KiB, %" PRId64 " were repaired", vol->name,
		    found, repaired);
	return sql_run(c->st, c->err, "UPDATE volume SET verify_active = 0,"
	    " verify_result = ?, verify_ended_ms = ?, verify_found = ?,"
	    " verify_repaired = ?, verify_text = ? WHERE id = ?", "siiisi",
	    result, c->at_ms, found, repaired, why, id);
}

static int
grow_failed(struct command *c, int64_t id, const struct store_volume *vol)
{
	const char *why = command_arg_text(c, "reason");
	AUTO_JSON json_t *repair = json_pack("[s,s]",
	    "Look at the reason and mend what it names.",
	    "Grow the volume again.");
	AUTO_JSON json_t *params = json_pack("{s:s, s:s}", "name", vol->name,
	    "reason", why);
	uint64_t size = (uint64_t)number(c, "size_bytes");
	char text[256];
	int rc;

	if (size == 0 || size >= vol->size_bytes)
		return ignore(c);
	c->audit_action = "volume.grow";
	c->audit_result = "failed";
	command_detail(c, "volume '%s' could not grow: %s", vol->name, why);
	rc = sql_run(c->st, c->err,
	    "UPDATE volume SET size_bytes = ? WHERE id = ?", "ui", size, id);
	(void)snprintf(text, sizeof(text), "Volume '%.180s' could not grow",
	    vol->name);
	av_utf8_trim(text);
	return rc == 0 ? command_raise_alert(c, "volume-grow-failed", vol->id,
	    "serious", text, why, repair, params) : rc;
}

int
command_volume_care(struct command *c, int64_t id,
    const struct store_volume *vol, int node)
{
	const char *event = command_arg_text(c, "event");

	c->quiet = false;
	if (strcmp(event, "leg-failed") == 0)
		return leg_failed(c, id, vol, node);
	if (strcmp(event, "leg-in-step") == 0)
		return leg_in_step(c, id, vol, node);
	if (strcmp(event, "leg-made") == 0)
		return leg_made(c, id, vol, node);
	/* no change: who gets 'done' knows that both PMs have all before it */
	if (strcmp(event, "seen") == 0)
		return ignore(c);
	if (strcmp(event, "verify-ended") == 0)
		return verify_ended(c, id, vol);
	if (strcmp(event, "grow-failed") == 0)
		return grow_failed(c, id, vol);
	return command_refuse(c, -EINVAL, "bad-argument",
	    json_pack("{s:s}", "argument", "event"),
	    "argument 'event' can't be '%s'", event);
}

/* --- the unit's settings --- */

static int
set_schedule(struct command *c, const json_t *schedule)
{
	const char *every = json_string_value(json_object_get(schedule, "every"));
	const char *day = json_string_value(json_object_get(schedule, "day"));
	const json_t *hour = json_object_get(schedule, "hour");
	size_t i;

	if (strcmp(every, "off") != 0 && strcmp(every, "weekly") != 0 &&
	    strcmp(every, "monthly") != 0)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "every"),
		    "argument 'every' is 'off', 'weekly' or 'monthly', not '%.40s'",
		    every);
	for (i = 0; day != NULL && i < ARRAY_SIZE(days); i++)
		if (strcmp(days[i], day) == 0)
			break;
	if (i == ARRAY_SIZE(days))
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "day"),
		    "argument 'day' is 'sun', 'mon', 'tue', 'wed', 'thu', 'fri' or 'sat', not '%.40s'",
		    day);
	return sql_run(c->st, c->err, "UPDATE unit SET verify_every = ?,"
	    " verify_day = ?, verify_hour = ?, verify_repair = ?", "siii",
	    every, (int64_t)i, hour != NULL ? (int64_t)json_integer_value(hour) :
	    3, (int64_t)json_is_true(json_object_get(schedule, "repair")));
}

static void
settings_detail(struct command *c, const struct store_unit *unit, bool rate,
    bool schedule, bool home)
{
	const struct store_schedule *when = &unit->verify;
	char limit[64] = "", verify[64] = "";
	const char *back = !home ? "" : unit->go_home ?
	    "VMs go home by themselves" : "VMs don't go home by themselves";

	if (rate && unit->resync_rate_kib_s == 0)
		(void)snprintf(limit, sizeof(limit), "no resync limit");
	else if (rate)
		(void)snprintf(limit, sizeof(limit), "resync limit %" PRIu64
		    " KiB/s", unit->resync_rate_kib_s);
	if (schedule && when->every == STORE_EVERY_OFF)
		(void)snprintf(verify, sizeof(verify), "no verify by itself");
	else if (schedule)
		(void)snprintf(verify, sizeof(verify), "verify %s, %s, %d:00%s",
		    when->every == STORE_EVERY_WEEK ? "weekly" : "monthly",
		    days[when->day], when->hour, when->repair ?
		    ", with repair" : "");
	command_detail(c, "%s%s%s%s%s", limit, rate && schedule ? "; " : "",
	    verify, home && (rate || schedule) ? "; " : "", back);
}

int
cmd_unit_configure(struct command *c)
{
	const json_t *rate = json_object_get(c->args, "resync_rate_kib_s");
	const json_t *schedule = json_object_get(c->args, "verify_schedule");
	const json_t *home = json_object_get(c->args, "go_home");
	struct store_unit unit;
	int rc = store_get_unit(c->st, &unit);

	if (rc < 0)
		return av_err_set(c->err, rc, "database: reading the unit");
	(void)snprintf(c->object, sizeof(c->object), "%s", unit.id);
	if (rate == NULL && schedule == NULL && home == NULL)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "resync_rate_kib_s"),
		    "nothing to set: give 'resync_rate_kib_s', 'verify_schedule' or 'go_home'");
	if (rate != NULL)
		rc = sql_run(c->st, c->err,
		    "UPDATE unit SET resync_rate_kib_s = ?", "i",
		    (int64_t)json_integer_value(rate));
	if (rc == 0 && schedule != NULL)
		rc = set_schedule(c, schedule);
	if (rc == 0 && home != NULL)
		rc = sql_run(c->st, c->err, "UPDATE unit SET go_home = ?", "i",
		    (int64_t)json_is_true(home));
	if (rc == 0)
		rc = command_result(c, "id", json_string(unit.id));
	if (rc == 0)
		rc = store_get_unit(c->st, &unit);
	if (rc == 0)
		settings_detail(c, &unit, rate != NULL, schedule != NULL,
		    home != NULL);
	return rc;
}
