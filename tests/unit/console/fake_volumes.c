/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/fake_volumes.c - fake-agent's volumes: verify, growing, pause,
 * a leg that fails and is replaced; the unit's settings
 *
 * A verify and a replacement take one step (fake_world.h).  A verify with 'found'
 * differences: test.volume {volume, found}.  Keys with '@' aren't shown.
 */
#include <string.h>

#include "base/clock.h"
#include "tests/unit/console/fake_world.h"

static json_t *settings;

static json_t *
volume_of(const json_t *args, json_t **ret_no)
{
	json_t *v = find(volumes, str(args, "volume"));

	*ret_no = v == NULL ? refuse_missing("volume", str(args, "volume")) :
	    NULL;
	return v;
}

static bool
dry(const json_t *args)
{
	return json_is_true(json_object_get(args, "dry_run"));
}

static json_t *
done(json_t *v, const json_t *args)
{
	if (!dry(args))
		changed(str(v, "id"));
	return good(json_pack("{s:s,s:b}", "id", str(v, "id"), "dry_run",
	    dry(args)));
}

static uint64_t
due(const json_t *v, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(v, key));
}

static bool
verifying(const json_t *v)
{
	return due(v, "@verify_until") > av_clock_ns();
}

static bool
leg_failed(const json_t *v)
{
	uint64_t until = due(v, "@replaced_at");

	return json_is_string(json_object_get(v, "@failed_leg")) &&
	    (until == 0 || until > av_clock_ns());
}

json_t *
op_volume_verify(json_t *args, const json_t *actor)
{
	json_t *no, *v = volume_of(args, &no), *found;

	if (v == NULL)
		return no;
	if (verifying(v))
		return refuse("verify-running",
		    "a volume is being verified: wait until that is over",
		    "name", str(v, "name"));
	if (leg_failed(v) || lost_node != NULL)
		return refuse("volume-wrong-state",
		    "the volume is not in step", "name", str(v, "name"));
	if (dry(args))
		return done(v, args);
	found = json_object_get(v, "@found");
	set(v, "@verify_until", json_integer((json_int_t)(av_clock_ns() +
	    step_ns)));
	set(v, "@verify_found", json_integer(json_integer_value(found)));
	set(v, "@verify_repair", json_boolean(json_is_true(
	    json_object_get(args, "repair"))));
	if (json_is_true(json_object_get(args, "repair")))
		set(v, "@found", json_integer(0));
	set(v, "@verify_result", json_string("done"));
	set(v, "@verify_by", json_string(str(actor, "user")));
	set(v, "@verify_started", json_string(now_utc()));
	return done(v, args);
}

json_t *
op_volume_verify_cancel(json_t *args, const json_t *actor)
{
	json_t *no, *v = volume_of(args, &no);

	(void)actor;
	if (v == NULL)
		return no;
	if (!verifying(v))
		return refuse("verify-not-running",
		    "the volume isn't being verified", "name", str(v, "name"));
	if (!dry(args)) {
		set(v, "@verify_until", json_integer(1));
		set(v, "@verify_result", json_string("cancelled"));
		set(v, "@verify_found", json_integer(0));
	}
	return done(v, args);
}

static json_t *
pause_set(json_t *args, bool paused)
{
	json_t *no, *v = volume_of(args, &no);

	if (v == NULL)
		return no;
	if (json_is_true(json_object_get(v, "@paused")) == paused)
		return refuse("already-so", "the resync is so already", "name",
		    str(v, "name"));
	if (!dry(args))
		set(v, "@paused", json_boolean(paused));
	return done(v, args);
}

json_t *
op_volume_resync_pause(json_t *args, const json_t *actor)
{
	(void)actor;
	return pause_set(args, true);
}

json_t *
op_volume_resync_resume(json_t *args, const json_t *actor)
{
	(void)actor;
	return pause_set(args, false);
}

json_t *
op_volume_grow(json_t *args, const json_t *actor)
{
	json_t *no, *v = volume_of(args, &no);
	json_int_t want = json_integer_value(json_object_get(args,
	    "size_bytes"));

	(void)actor;
	if (v == NULL)
		return no;
	if (want <= json_integer_value(json_object_get(v, "size_bytes")))
		return refuse("size-not-larger", "a volume can only grow",
		    "name", str(v, "name"));
	if (want > 51200 * MIB)
		return refuse("no-space", "the storage group has less free",
		    NULL, NULL);
	if (!dry(args)) {
		set(v, "size_bytes", json_integer(want));
		set(v, "@growing_until", json_integer((json_int_t)(
		    av_clock_ns() + step_ns)));
	}
	return done(v, args);
}

json_t *
op_volume_replace_leg(json_t *args, const json_t *actor)
{
	json_t *no, *v = volume_of(args, &no);

	(void)actor;
	if (v == NULL)
		return no;
	if (!leg_failed(v))
		return refuse("leg-not-failed", "nothing to replace", "name",
		    str(v, "name"));
	if (due(v, "@replaced_at") != 0)
		return refuse("already-so", "it is being replaced already",
		    "name", str(v, "name"));
	if (!dry(args)) {
		set(v, "@replaced_at", json_integer((json_int_t)(
		    av_clock_ns() + step_ns)));
		alert_clear("leg-failed");
	}
	return done(v, args);
}

/* test.volume {volume, node?: its leg there fails; found?: of the next verify} */
json_t *
op_test_volume(json_t *args, const json_t *actor)
{
	json_t *no, *v = volume_of(args, &no);
	json_t *leg = json_object_get(args, "node");
	json_t *found = json_object_get(args, "found");

	(void)actor;
	if (v == NULL)
		return no;
	if (json_is_integer(found))
		set(v, "@found", json_incref(found));
	if (json_is_string(leg)) {
		set(v, "@failed_leg", json_incref(leg));
		set(v, "@replaced_at", json_integer(0));
		alert_open("leg-failed", "critical", str(v, "id"),
		    "The disk of a volume's leg failed",
		    "The disk of one PM failed; the volume's data is on the other PM alone.",
		    "Replace the disk of the PM that is named and make its storage folder again.",
		    json_pack("{s:s,s:s,s:s}", "name", str(v, "name"), "node",
		    json_string_value(leg), "reason", "EIO"));
	}
	return done(v, args);
}

/* --- the unit's settings --- */

json_t *
op_unit_configure(json_t *args, const json_t *actor)
{
	json_t *rate = json_object_get(args, "resync_rate_kib_s");
	json_t *schedule = json_object_get(args, "verify_schedule"), *v;
	json_t *home = json_object_get(args, "go_home");

	(void)actor;
	if (rate == NULL && schedule == NULL && home == NULL)
		return refuse("bad-argument", "nothing to set", "argument",
		    "resync_rate_kib_s");
	if (dry(args))
		return good(json_pack("{s:s,s:b}", "id", "unit:o1", "dry_run",
		    1));
	settings_add(NULL);
	if (rate != NULL)
		set(settings, "resync_rate_kib_s", json_incref(rate));
	if (home != NULL)
		set(settings, "go_home", json_incref(home));
	v = json_object_get(settings, "verify_schedule");
	if (schedule != NULL)
		(void)json_object_update(v, schedule);
	changed("unit:o1");
	return good(json_pack("{s:s}", "id", "unit:o1"));
}

void
settings_add(json_t *unit)
{
	if (settings == NULL)
		settings = json_pack("{s:i,s:{s:s,s:s,s:i,s:b},s:b}",
		    "resync_rate_kib_s", 0, "verify_schedule", "every",
		    "monthly", "day", "sun", "hour", 3, "repair", 0, "go_home", 1);
	if (unit != NULL)
		(void)json_object_update(unit, settings);
}

/* --- what is shown --- */

static json_t *
verify_view(const json_t *v, bool busy)
{
	bool ever = *str(v, "@verify_started") != '\0';
	bool repair = json_is_true(json_object_get(v, "@verify_repair"));
	json_int_t found = json_integer_value(json_object_get(v,
	    "@verify_found"));

	return json_pack("{s:s,s:b,s:o,s:I,s:I,s:o,s:o,s:o,s:n}", "state",
	    busy ? "running" : ever ? str(v, "@verify_result") : "never",
	    "repair", repair, "percent", busy ? json_integer(42) : json_null(),
	    "found", busy ? (json_int_t)0 : found, "repaired",
	    busy || !repair ? (json_int_t)0 : found, "by", ever ?
	    json_string(str(v, "@verify_by")) : json_null(), "started_utc",
	    ever ? json_string(str(v, "@verify_started")) : json_null(),
	    "ended_utc", ever && !busy ? json_string(now_utc()) : json_null(),
	    "reason");
}

static json_t *
commands_view(const json_t *v, bool busy, bool paused, bool failed)
{
	json_t *list = json_array();
	bool still = !busy && !failed && lost_node == NULL;
	const struct { const char *word; bool ok; } words[] = {
		{ "grow", still }, { "verify", still },
		{ "verify-cancel", busy }, { "resync-pause", !paused },
		{ "resync-resume", paused }, { "replace-leg", failed &&
		    due(v, "@replaced_at") == 0 },
		{ "delete", json_is_null(json_object_get(v, "vm")) },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].ok)
			(void)json_array_append_new(list,
			    json_string(words[i].word));
	return list;
}

void
volume_care_add(json_t *v)
{
	bool busy = verifying(v), failed = leg_failed(v);
	bool paused = json_is_true(json_object_get(v, "@paused"));
	const char *leg_node = failed ? str(v, "@failed_leg") : "";
	json_t *leg;
	void *tmp;
	const char *key;
	json_t *value;
	size_t i;

	set(v, "verify", verify_view(v, busy));
	set(v, "resync_paused", json_boolean(paused));
	set(v, "sync_kib_s", json_integer(0));
	set(v, "failed_leg", failed ? json_string(leg_node) : json_null());
	set(v, "failed_reason", failed ? json_string("EIO") : json_null());
	set(v, "growing", json_boolean(due(v, "@growing_until") >
	    av_clock_ns()));
	set(v, "commands", commands_view(v, busy, paused, failed));
	json_array_foreach(json_object_get(v, "legs"), i, leg) {
		bool bad = strcmp(str(leg, "node"), leg_node) == 0;

		set(leg, "failed", json_boolean(bad));
		set(leg, "read_errors", json_integer(0));
		set(leg, "repaired_bytes", json_integer(0));
		if (bad)
			set(leg, "disk", json_string("failed"));
	}
	if (failed) {
		set(v, "state", json_string("alert"));
		set(v, "activity", json_string("one-leg"));
	}
	json_object_foreach_safe(v, tmp, key, value)
		if (key[0] == '@')
			(void)json_object_del(v, key);
}
