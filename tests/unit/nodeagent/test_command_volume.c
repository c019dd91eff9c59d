/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operations on volumes: verify, resync, growing, a failed leg; the unit's settings;
 * the schedule.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "nodeagent/alerts.h"
#include "nodeagent/schedule.h"
#include "nodeagent/store_sql.h"
#include "tests/unit/nodeagent/store_fixture.h"

#define SEEN(s) "{'online':['node0','node1'],'alone':null,'activity':null," \
	"'images':{},'volume':'" s "'}"
#define VOL	"'volume':'web-boot'"

static struct store_volume
vol(struct fx *fx)
{
	struct store_volume v = { 0 };

	(void)store_get_volume(fx->st, "volume:o7", &v);
	return v;
}

/* A stopped VM vm:o6 with the volume volume:o7 of 16 MiB, in step. */
static int
open_with_vm(struct fx *fx)
{
	char vm[32];

	CHECK_EQ(fx_open(fx, "volume"), 0);
	CHECK_EQ(fx_vm(fx, "web", 300, vm), 0);
	CHECK_STR(vm, "vm:o6");
	fx_context(fx, SEEN("in-step"));
	return 0;
}

static int
report(struct fx *fx, int node, const char *event, const char *more)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "{'volume':'volume:o7',"
	    "'node':'node%d','event':'%s'%s}", node, event, more);
	return fx_system(fx, "volume.report", text);
}

TEST(bad_input)
{
	static const struct { const char *op, *args, *code; } cases[] = {
		{ "volume.verify", "{}", "bad-argument" },
		{ "volume.verify", "{'volume':'nobody'}", "not-found" },
		{ "volume.verify", "{'volume':'volume:o109'}", "not-found" },
		{ "volume.verify", "{" VOL ",'repair':'yes'}", "bad-argument" },
		{ "volume.verify", "{" VOL ",'speed':1}", "bad-argument" },
		{ "volume.verify-cancel", "{" VOL "}", "verify-not-running" },
		{ "volume.resync-resume", "{" VOL "}", "already-so" },
		{ "volume.resync-pause", "{'volume':''}", "bad-argument" },
		{ "volume.replace-leg", "{" VOL "}", "leg-not-failed" },
		{ "volume.grow", "{" VOL "}", "bad-argument" },
		{ "volume.grow", "{" VOL ",'size_bytes':-1}", "bad-argument" },
		{ "volume.grow", "{" VOL ",'size_bytes':0}", "size-not-larger" },
		{ "volume.grow", "{" VOL ",'size_bytes':16777216}",
			"size-not-larger" },
		{ "volume.grow", "{" VOL ",'size_bytes':1048576}",
			"size-not-larger" },
		{ "volume.grow", "{" VOL ",'size_bytes':9999999999999999}",
			"size-invalid" },
		{ "volume.grow", "{" VOL ",'size_bytes':12000000000}",
			"no-space" },
		{ "unit.configure", "{}", "bad-argument" },
		{ "unit.configure", "{'resync_rate_kib_s':-1}", "bad-argument" },
		{ "unit.configure", "{'verify_schedule':{}}", "bad-argument" },
		{ "unit.configure", "{'verify_schedule':{'every':'daily'}}",
			"bad-argument" },
		{ "unit.configure", "{'verify_schedule':{'every':'weekly',"
			"'day':'sunday'}}", "bad-argument" },
		{ "unit.configure", "{'verify_schedule':{'every':'weekly',"
			"'hour':24}}", "bad-argument" },
	};
	uint8_t before[32], after[32];
	struct fx fx;
	size_t i;

	CHECK_EQ(open_with_vm(&fx), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *cmd = fx_command(&fx, cases[i].op,
		    fx_json(cases[i].args)), *result;

		CHECK_EQ(store_dump_hash(fx.st, before, NULL), 0);
		CHECK(store_try(fx.st, cmd, &result, &fx.err) < 0);
		json_decref(result);
		json_decref(cmd);
		CHECK_EQ(store_dump_hash(fx.st, after, NULL), 0);
		CHECK(memcmp(before, after, 32) == 0);
		CHECK_STR(fx_code(&fx, cases[i].op, cases[i].args),
		    cases[i].code);
	}
	fx_close(&fx);
	return 0;
}

TEST(roles)
{
	static const char *const platform[] = { "volume.verify",
		"volume.verify-cancel", "volume.resync-pause",
		"volume.resync-resume", "volume.replace-leg" };
	struct fx fx;
	size_t i;

	CHECK_EQ(open_with_vm(&fx), 0);
	fx.role = "vm-manager";
	for (i = 0; i < sizeof(platform) / sizeof(platform[0]); i++)
		CHECK_STR(fx_code(&fx, platform[i], "{" VOL "}"), "forbidden");
	CHECK_STR(fx_code(&fx, "unit.configure", "{'resync_rate_kib_s':1}"),
	    "forbidden");
	CHECK_STR(fx_code(&fx, "volume.grow", "{" VOL
	    ",'size_bytes':33554432}"), "");
	fx.role = "read-only";
	CHECK_STR(fx_code(&fx, "volume.grow", "{" VOL
	    ",'size_bytes':67108864}"), "forbidden");
	fx_close(&fx);
	return 0;
}

TEST(only_a_volume_in_step_is_verified_or_grown)
{
	static const char *const states[] = { "syncing", "one-leg", "held",
		"split", "creating", "stopped" };
	char context[200];
	struct fx fx;
	size_t i;

	CHECK_EQ(open_with_vm(&fx), 0);
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		(void)snprintf(context, sizeof(context), "{'online':[],"
		    "'alone':null,'images':{},'volume':'%s'}", states[i]);
		fx_context(&fx, context);
		CHECK_STR(fx_code(&fx, "volume.verify", "{" VOL "}"),
		    "volume-wrong-state");
		CHECK_STR(fx_text(fx.result, "activity"), states[i]);
		CHECK_STR(fx_code(&fx, "volume.grow", "{" VOL
		    ",'size_bytes':33554432}"), "volume-wrong-state");
	}
	/* the submitter saw it in step, the database knows better */
	fx_context(&fx, SEEN("in-step"));
	CHECK_EQ(report(&fx, 1, "leg-failed", ",'reason':'EIO'"), 0);
	CHECK_STR(fx_code(&fx, "volume.verify", "{" VOL "}"),
	    "volume-wrong-state");
	fx_close(&fx);
	return 0;
}

static bool
has_code(const json_t *alerts, const char *code)
{
	const json_t *a;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)alerts, i, a)
		if (strcmp(fx_text(a, "code"), code) == 0)
			return true;
	return false;
}

TEST(a_verify_from_order_to_result)
{
	struct store_volume v;
	json_t *alerts, *f0 = fx_json("{'role':{'state':'together'},"
	    "'arbiter':{'kind':'etcd','state':'ok'}}");
	const json_t *facts[2] = { f0, f0 };
	struct fx fx;

	CHECK_EQ(open_with_vm(&fx), 0);
	CHECK_STR(fx_code(&fx, "volume.verify", "{" VOL ",'repair':true}"), "");
	v = vol(&fx);
	CHECK(v.verify.active && v.verify.repair);
	CHECK_EQ(v.verify.run, 1);
	CHECK_STR(v.verify.by, "admin");
	/* one at a time, and no growing meanwhile */
	CHECK_STR(fx_code(&fx, "volume.verify", "{" VOL "}"), "verify-running");
	CHECK_STR(fx_code(&fx, "volume.grow", "{" VOL
	    ",'size_bytes':33554432}"), "verify-running");
	/* another run's end is no news */
	CHECK_EQ(report(&fx, 0, "verify-ended", ",'run':7,'result':'done'"), 0);
	CHECK(vol(&fx).verify.active);
	CHECK(report(&fx, 0, "verify-ended", ",'run':1,'result':'maybe'") < 0);
	CHECK_EQ(report(&fx, 0, "verify-ended",
	    ",'run':1,'result':'done','found':3,'repaired':1"), 0);
	v = vol(&fx);
	CHECK(!v.verify.active);
	CHECK_EQ(v.verify.found, 3);
	CHECK_EQ(v.verify.repaired, 1);
	CHECK_EQ(v.verify.ended_ms, fx.at_ms);
	alerts = alerts_wanted(fx.st, facts, 0);
	CHECK(has_code(alerts, "verify-differences"));
	json_decref(alerts);
	/* the next one finds nothing: the alert goes */
	CHECK_STR(fx_code(&fx, "volume.verify", "{" VOL "}"), "");
	CHECK_EQ(report(&fx, 0, "verify-ended", ",'run':2,'result':'done'"), 0);
	alerts = alerts_wanted(fx.st, facts, 0);
	CHECK(!has_code(alerts, "verify-differences"));
	CHECK(!has_code(alerts, "verify-repaired"));
	json_decref(alerts);
	CHECK_STR(fx_code(&fx, "volume.verify", "{" VOL "}"), "");
	CHECK_STR(fx_code(&fx, "volume.verify-cancel", "{" VOL "}"), "");
	CHECK_STR(vol(&fx).verify.result, "cancelled");
	/* it ended before it heard of that */
	CHECK_EQ(report(&fx, 0, "verify-ended", ",'run':3,'result':'done'"), 0);
	CHECK_STR(vol(&fx).verify.result, "cancelled");
	json_decref(f0);
	fx_close(&fx);
	return 0;
}

TEST(a_failed_leg_ends_a_verify)
{
	struct store_volume v;
	struct fx fx;

	CHECK_EQ(open_with_vm(&fx), 0);
	CHECK_STR(fx_code(&fx, "volume.verify", "{" VOL "}"), "");
	CHECK_EQ(report(&fx, 1, "leg-failed", ",'reason':'EIO'"), 0);
	v = vol(&fx);
	CHECK(!v.verify.active);
	CHECK_STR(v.verify.result, "failed");
	CHECK_EQ(v.verify.ended_ms, fx.at_ms);
	fx_close(&fx);
	return 0;
}

TEST(a_failed_leg_is_marked_once_and_unmarked_in_step)
{
	struct fx fx;

	CHECK_EQ(open_with_vm(&fx), 0);
	CHECK_EQ(vol(&fx).failed_leg, -1);
	CHECK_EQ(report(&fx, 1, "leg-failed", ",'reason':'EIO'"), 0);
	CHECK_EQ(vol(&fx).failed_leg, 1);
	CHECK_STR(vol(&fx).failed_text, "EIO");
	/* the other one is all that is left: never marked, too */
	CHECK_EQ(report(&fx, 0, "leg-failed", ",'reason':'EIO'"), 0);
	CHECK_EQ(vol(&fx).failed_leg, 1);
	/* 'in step' of the wrong leg is a mistake */
	CHECK_EQ(report(&fx, 0, "leg-in-step", ""), 0);
	CHECK_EQ(vol(&fx).failed_leg, 1);
	CHECK_EQ(report(&fx, 1, "seen", ""), 0);
	CHECK_EQ(vol(&fx).failed_leg, 1);
	/* a new leg: asked for, made, fails again, asked for again */
	CHECK_EQ(report(&fx, 1, "leg-made", ""), 0);
	CHECK_EQ(vol(&fx).replace, STORE_REPLACE_NO);
	CHECK_STR(fx_code(&fx, "volume.replace-leg", "{" VOL "}"), "");
	CHECK_STR(fx_text(fx.result, "node"), "node1");
	CHECK_STR(fx_code(&fx, "volume.replace-leg", "{" VOL "}"), "already-so");
	CHECK_EQ(report(&fx, 1, "leg-made", ""), 0);
	CHECK_EQ(vol(&fx).replace, STORE_REPLACE_MADE);
	CHECK_EQ(report(&fx, 1, "leg-failed", ",'reason':'again'"), 0);
	CHECK_EQ(vol(&fx).replace, STORE_REPLACE_NO);
	CHECK_EQ(vol(&fx).failed_leg, 1);
	CHECK_STR(fx_code(&fx, "volume.replace-leg", "{" VOL "}"), "");
	CHECK_EQ(report(&fx, 1, "leg-made", ""), 0);
	CHECK_EQ(report(&fx, 1, "leg-in-step", ""), 0);
	CHECK_EQ(vol(&fx).failed_leg, -1);
	CHECK_EQ(vol(&fx).replace, STORE_REPLACE_NO);
	fx_close(&fx);
	return 0;
}

TEST(a_vm_starts_where_its_data_is)
{
	struct store_vm vm;
	struct fx fx;

	CHECK_EQ(open_with_vm(&fx), 0);
	CHECK_EQ(report(&fx, 0, "leg-failed", ",'reason':'EIO'"), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "vm:o6"), "");
	CHECK_EQ(store_get_vm(fx.st, "vm:o6", &vm), 0);
	CHECK_EQ(vm.node, 1);
	CHECK_STR(fx_vm_do(&fx, "vm.poweroff", "vm:o6"), "");
	CHECK_EQ(fx_vm_report(&fx, "vm:o6", 1, "stopped-by-guest"), 0);
	/* not on the PM that has no good data, though it is the only one */
	fx_context(&fx, "{'online':['node0'],'alone':'node0','images':{},"
	    "'activity':null}");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "vm:o6"), "leg-failed");
	CHECK_STR(fx_text(fx.result, "node"), "node0");
	fx_close(&fx);
	return 0;
}

TEST(a_guest_whose_disk_is_lost_goes_to_the_other_pm)
{
	struct store_vm vm;
	struct fx fx;

	CHECK_EQ(open_with_vm(&fx), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "vm:o6"), "");
	CHECK_EQ(store_get_vm(fx.st, "vm:o6", &vm), 0);
	CHECK_EQ(vm.node, 0);
	CHECK_EQ(report(&fx, 0, "leg-failed", ",'reason':'EIO'"), 0);
	/* it runs on with the other PM's disk: not now */
	CHECK_STR(fx_code(&fx, "volume.replace-leg", "{" VOL "}"), "leg-in-use");
	CHECK_EQ(fx_vm_report(&fx, "vm:o6", 1, "disk-lost"), 0);
	CHECK_EQ(store_get_vm(fx.st, "vm:o6", &vm), 0);
	CHECK_EQ(vm.node, 1);
	CHECK_EQ(vm.run_id, 2);
	CHECK_EQ(vm.crashes, 0);
	/* nobody to go to */
	fx_context(&fx, "{'online':['node1'],'alone':'node1','images':{}}");
	CHECK_EQ(fx_vm_report(&fx, "vm:o6", 2, "disk-lost"), 0);
	CHECK_EQ(store_get_vm(fx.st, "vm:o6", &vm), 0);
	CHECK_EQ(vm.node, 1);
	fx_close(&fx);
	return 0;
}

TEST(growing_that_fails_is_taken_back)
{
	struct fx fx;
	int64_t n;

	CHECK_EQ(open_with_vm(&fx), 0);
	CHECK_STR(fx_code(&fx, "volume.grow", "{" VOL
	    ",'size_bytes':33554433}"), "");
	CHECK_EQ(vol(&fx).size_bytes, 34603008);	/* whole MiB */
	CHECK_EQ(report(&fx, 0, "grow-failed",
	    ",'size_bytes':16777216,'reason':'no space'"), 0);
	CHECK_EQ(vol(&fx).size_bytes, 16777216);
	CHECK_EQ(sql_get_int(fx.st, &n, NULL, "SELECT count(*) FROM alert WHERE"
	    " code = 'volume-grow-failed' AND cleared_ms IS NULL", ""), 0);
	CHECK_EQ(n, 1);
	/* never larger by a report */
	CHECK_EQ(report(&fx, 0, "grow-failed",
	    ",'size_bytes':99999999,'reason':'x'"), 0);
	CHECK_EQ(vol(&fx).size_bytes, 16777216);
	CHECK_STR(fx_code(&fx, "volume.grow", "{" VOL
	    ",'size_bytes':33554432}"), "");
	CHECK_EQ(sql_get_int(fx.st, &n, NULL, "SELECT count(*) FROM alert WHERE"
	    " code = 'volume-grow-failed' AND cleared_ms IS NULL", ""), 0);
	CHECK_EQ(n, 0);
	fx_close(&fx);
	return 0;
}

/* --- settings and schedule --- */

TEST(settings)
{
	struct store_unit unit;
	struct fx fx;

	CHECK_EQ(open_with_vm(&fx), 0);
	CHECK_EQ(store_get_unit(fx.st, &unit), 0);
	CHECK_EQ(unit.resync_rate_kib_s, 0);
	CHECK_EQ(unit.verify.every, STORE_EVERY_MONTH);
	CHECK_EQ(unit.verify.day, 0);
	CHECK_EQ(unit.verify.hour, 3);
	CHECK_STR(fx_code(&fx, "unit.configure", "{'resync_rate_kib_s':5120}"),
	    "");
	CHECK_STR(fx_code(&fx, "unit.configure", "{'verify_schedule':{'every':"
	    "'weekly','day':'wed','hour':22,'repair':true}}"), "");
	CHECK_EQ(store_get_unit(fx.st, &unit), 0);
	CHECK_EQ(unit.resync_rate_kib_s, 5120);
	CHECK_EQ(unit.verify.every, STORE_EVERY_WEEK);
	CHECK_EQ(unit.verify.day, 3);
	CHECK_EQ(unit.verify.hour, 22);
	CHECK(unit.verify.repair);
	fx_close(&fx);
	return 0;
}

#define AT(d, h) (1700438400000ll + ((d) * 24 + (h)) * 3600000ll)
	/* 2023-11-20T00:00Z, a Monday, and so many days and hours */

TEST(when_it_is_due)
{
	struct store_schedule monthly = { STORE_EVERY_MONTH, 0, 3, false };
	struct store_schedule weekly = { STORE_EVERY_WEEK, 1, 5, false };
	struct store_schedule off = { STORE_EVERY_OFF, 0, 3, false };

	(void)setenv("TZ", "UTC", 1);
	tzset();
	CHECK_EQ(schedule_last_due_ms(&off, AT(0, 12)), 0);
	CHECK_EQ(schedule_last_due_ms(&weekly, AT(0, 5)), AT(0, 5));
	CHECK_EQ(schedule_last_due_ms(&weekly, AT(0, 5) - 1000), AT(-7, 5));
	CHECK_EQ(schedule_last_due_ms(&weekly, AT(6, 23)), AT(0, 5));
	/* the first Sundays: 5 November, 3 December */
	CHECK_EQ(schedule_last_due_ms(&monthly, AT(0, 0)), AT(-15, 3));
	CHECK_EQ(schedule_last_due_ms(&monthly, AT(13, 2)), AT(-15, 3));
	CHECK_EQ(schedule_last_due_ms(&monthly, AT(13, 3)), AT(13, 3));
	CHECK_EQ(schedule_last_due_ms(&monthly, -5), 0);
	(void)setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	CHECK_EQ(schedule_last_due_ms(&weekly, AT(0, 0)), AT(0, -4));
	(void)setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

#define FACT(id) "'" id "':{'role':'primary','conn':'connected'}"

TEST(each_volume_in_its_turn)
{
	json_t *f = fx_json("{'role':{'state':'together'},'volumes':{"
	    FACT("volume:o7") "," FACT("volume:o10") "}}");
	const json_t *facts[2] = { f, f };
	char id[STORE_ID_MAX], vm[32];
	bool repair;
	struct fx fx;

	CHECK_EQ(open_with_vm(&fx), 0);
	fx_context(&fx, SEEN("in-step"));
	CHECK_EQ(fx_vm(&fx, "db", 300, vm), 0);		/* vm:o9, volume:o10 */
	/* made after the last due moment: not before the next one */
	CHECK_EQ(schedule_next(fx.st, facts, 0, fx.at_ms, id, &repair), -ENOENT);
	fx.at_ms = AT(20, 0);
	CHECK_EQ(schedule_next(fx.st, facts, 0, fx.at_ms, id, &repair), 0);
	CHECK_STR(id, "volume:o7");
	CHECK_EQ(fx_system(&fx, "volume.verify", "{'volume':'volume:o7'}"), 0);
	CHECK_STR(vol(&fx).verify.by, "schedule");
	/* one at a time */
	CHECK_EQ(schedule_next(fx.st, facts, 0, fx.at_ms, id, &repair), -ENOENT);
	CHECK_EQ(report(&fx, 0, "verify-ended", ",'run':1,'result':'done'"), 0);
	CHECK_EQ(schedule_next(fx.st, facts, 0, fx.at_ms, id, &repair), 0);
	CHECK_STR(id, "volume:o10");
	/* one that isn't in step waits, and is not forgotten */
	(void)json_object_set_new(json_object_get(json_object_get(f, "volumes"),
	    "volume:o10"), "conn", json_string("resync-source"));
	CHECK_EQ(schedule_next(fx.st, facts, 0, fx.at_ms, id, &repair), -ENOENT);
	/* the next month: the first one again */
	CHECK_EQ(schedule_next(fx.st, facts, 0, AT(60, 0), id, &repair), 0);
	CHECK_STR(id, "volume:o7");
	json_decref(f);
	fx_close(&fx);
	return 0;
}

TESTS_MAIN(T(bad_input), T(roles),
    T(only_a_volume_in_step_is_verified_or_grown),
    T(a_verify_from_order_to_result),
    T(a_failed_leg_ends_a_verify),
    T(a_failed_leg_is_marked_once_and_unmarked_in_step),
    T(a_vm_starts_where_its_data_is),
    T(a_guest_whose_disk_is_lost_goes_to_the_other_pm),
    T(growing_that_fails_is_taken_back), T(settings), T(when_it_is_due),
    T(each_volume_in_its_turn))
