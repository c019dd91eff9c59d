/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_maintenance.c - a PM is taken out and brought back (E6)
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "nodeagent/maintenance.h"
#include "nodeagent/power.h"
#include "nodeagent/store_maintenance.h"
#include "nodeagent/store_mtbf.h"
#include "tests/test.h"
#include "tests/unit/nodeagent/store_fixture.h"

#define ON1	"{'node':'node1'}"

static int
set_vm(struct fx *fx, const char *sql)
{
	return sql_script(fx->st->db, sql, NULL);
}

static enum maintenance_phase
phase(struct fx *fx, const char *refused, bool never,
    struct maintenance_next *ret)
{
	if (maintenance_next(fx->st, 1, fx->at_ms, refused, never, ret) < 0)
		memset(ret, 0xff, sizeof(*ret));
	return ret->phase;
}

TEST(refused_where_it_makes_no_sense)
{
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_STR(fx_code(&fx, "node.workoff", ON1), "already-so");
	fx_context(&fx, "{'online':['node1'],'alone':'node1'}");
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "wrong-state");
	CHECK(!store_node_leaving(fx.st, 1));
	fx_context(&fx, "{'online':['node0','node1'],'alone':null}");
	CHECK_STR(fx_code(&fx, "node.workon", "{'node':'node7'}"),
	    "bad-argument");
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	CHECK(store_node_leaving(fx.st, 1) && !store_node_leaving(fx.st, 0));
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "already-so");
	CHECK_STR(fx_code(&fx, "node.workon", "{'node':'node0'}"),
	    "wrong-state");
	fx.role = "vm-manager";
	CHECK_STR(fx_code(&fx, "node.workoff", ON1), "forbidden");
	fx.role = "platform-manager";
	CHECK_STR(fx_code(&fx, "node.workoff", ON1), "");
	CHECK(!store_node_leaving(fx.st, 1));
	fx_close(&fx);
	return 0;
}

/* A new run is never placed there. */
TEST(no_vm_is_started_where_a_pm_leaves)
{
	struct store_vm vm;
	struct fx fx;
	char id[32];

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET preferred = 1"), 0);
	fx_context(&fx, "{'online':['node0','node1'],'alone':null}");
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "");
	CHECK_EQ(store_get_vm(fx.st, id, &vm), 0);
	CHECK_EQ(vm.node, 0);
	fx_close(&fx);
	return 0;
}

TEST(vms_move_one_at_a_time_then_it_leaves)
{
	struct maintenance_next next;
	char a[32], b[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, a), 0);
	CHECK_EQ(fx_vm(&fx, "mail", 300, b), 0);
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET node = 1, want = 1, phase = 1"), 0);
	CHECK_EQ(phase(&fx, NULL, false, &next), MAINTENANCE_NONE);
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	CHECK_EQ(phase(&fx, NULL, false, &next), MAINTENANCE_MOVING);
	CHECK_STR(next.vm, a);
	CHECK(!next.shutdown);
	/* one is under way */
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET moving_to = 0, move_from = 1"
	    " WHERE name = 'web'"), 0);
	CHECK_EQ(phase(&fx, NULL, false, &next), MAINTENANCE_MOVING);
	CHECK_STR(next.vm, "");
	/* it is there */
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET moving_to = NULL, node = 0"
	    " WHERE name = 'web'"), 0);
	CHECK_EQ(phase(&fx, NULL, false, &next), MAINTENANCE_MOVING);
	CHECK_STR(next.vm, b);
	/* refused a moment ago: not again at once */
	CHECK_EQ(phase(&fx, b, true, &next), MAINTENANCE_MOVING);
	CHECK_STR(next.vm, "");
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET node = 0 WHERE name = 'mail'"), 0);
	CHECK_EQ(phase(&fx, NULL, false, &next), MAINTENANCE_LEAVING);
	/* a stopped one holds nobody up */
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET node = NULL, want = 0"), 0);
	CHECK_EQ(phase(&fx, NULL, false, &next), MAINTENANCE_LEAVING);
	fx_close(&fx);
	return 0;
}

TEST(a_vm_that_cant_move_waits_or_is_shut_down)
{
	struct maintenance_next next;
	struct fx fx;
	char id[32], sql[300];

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET node = 1, want = 1, phase = 1"), 0);
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	(void)snprintf(sql, sizeof(sql), "UPDATE vm SET move_result = 'failed',"
	    " move_from = 1, move_target = 0, move_ended_ms = %lld",
	    (long long)fx.at_ms);
	CHECK_EQ(set_vm(&fx, sql), 0);
	CHECK_EQ(phase(&fx, NULL, false, &next), MAINTENANCE_MOVING);
	CHECK_STR(next.vm, "");			/* not at once */
	fx.at_ms += MAINTENANCE_RETRY_MS;
	CHECK_EQ(phase(&fx, NULL, false, &next), MAINTENANCE_MOVING);
	CHECK_STR(next.vm, id);			/* but again */
	CHECK(!next.shutdown);
	CHECK_STR(fx_code(&fx, "node.workoff", ON1), "");
	/* a failure of before this maintenance says nothing */
	fx.at_ms += 1000;
	CHECK_STR(fx_code(&fx, "node.workon",
	    "{'node':'node1','shutdown':true}"), "");
	CHECK_EQ(phase(&fx, NULL, false, &next), MAINTENANCE_MOVING);
	CHECK(!next.shutdown && strcmp(next.vm, id) == 0);
	/* refused for good, and a person allowed it */
	CHECK_EQ(phase(&fx, id, true, &next), MAINTENANCE_MOVING);
	CHECK(next.shutdown && strcmp(next.vm, id) == 0);
	CHECK_EQ(phase(&fx, id, false, &next), MAINTENANCE_MOVING);
	CHECK_STR(next.vm, "");
	fx_close(&fx);
	return 0;
}

TEST(a_pm_that_is_meant_to_be_away_has_not_failed)
{
	struct fx fx;
	int i;

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	CHECK(maintenance_keeps_out(fx.st, 1));
	for (i = 0; i < 6; i++) {
		fx.at_ms += 60000;
		CHECK_EQ(fx_system(&fx, "vm.takeover",
		    "{'from':'node1','to':'node0'}"), 0);
		CHECK_EQ(fx_system(&fx, "node.report", ON1), 0);
	}
	CHECK(!store_node_held(fx.st, 1));
	CHECK_STR(fx_code(&fx, "node.workoff", ON1), "");
	CHECK(!maintenance_keeps_out(fx.st, 1));
	fx_close(&fx);
	return 0;
}

TEST(what_people_see)
{
	AUTO_JSON json_t *m = NULL;
	struct fx fx;
	char id[32];

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET node = 1, want = 1, phase = 1"), 0);
	m = maintenance_view(fx.st, 1, "together");
	CHECK(json_is_null(m));
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	m = maintenance_view(fx.st, 1, "together");
	CHECK_STR(fx_text(m, "phase"), "moving");
	CHECK_STR(json_string_value(json_array_get(json_object_get(m,
	    "waiting_for"), 0)), "web");
	json_decref(m);
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET node = 0"), 0);
	m = maintenance_view(fx.st, 1, "together");
	CHECK_STR(fx_text(m, "phase"), "leaving");
	json_decref(m);
	m = maintenance_view(fx.st, 1, "");		/* powered off */
	CHECK_STR(fx_text(m, "phase"), "out");
	CHECK(json_is_null(json_object_get(m, "power")));
	json_decref(m);
	fx_context(&fx, "{'online':['node0'],'alone':'node0','heard':true}");
	CHECK_STR(fx_code(&fx, "node.power", "{'node':'node1','action':'reboot'}"),
	    "");
	m = maintenance_view(fx.st, 1, "follower");
	CHECK_STR(fx_text(m, "power"), "reboot");
	fx_close(&fx);
	return 0;
}

/* --- a PM that is out is rebooted, or switched off --- */

/* node1 is out: it runs no guests, but it is heard */
#define HEARD "{'online':['node0'],'alone':'node0','heard':true}"
#define REBOOT1	"{'node':'node1','action':'reboot'}"
#define OFF1	"{'node':'node1','action':'shutdown'}"

static enum store_power
due(struct fx *fx)
{
	return maintenance_power_due(fx->st, 1, true, true);
}

static enum store_power
asked(struct fx *fx)
{
	struct store_maintenance m;

	return store_maintenance_get(fx->st, 1, &m) < 0 ? (enum store_power)99 :
	    m.power;
}

TEST(only_a_pm_in_maintenance_is_rebooted)
{
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_STR(fx_code(&fx, "node.power", REBOOT1), "wrong-state");
	CHECK(strstr(fx.err.text, "avcli node workon node1") != NULL);
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	CHECK_STR(fx_code(&fx, "node.power",
	    "{'node':'node1','action':'explode'}"), "bad-argument");
	CHECK_STR(fx_code(&fx, "node.power", ON1), "bad-argument");
	CHECK_STR(fx_code(&fx, "node.power",
	    "{'node':'node0','action':'reboot'}"), "wrong-state");
	fx.role = "vm-manager";
	CHECK_STR(fx_code(&fx, "node.power", REBOOT1), "forbidden");
	fx.role = "platform-manager";
	fx_context(&fx, "{'online':['node0'],'alone':'node0','heard':false}");
	CHECK_STR(fx_code(&fx, "node.power", REBOOT1), "wrong-state");
	fx_context(&fx, HEARD);
	CHECK_EQ(asked(&fx), STORE_POWER_NONE);
	CHECK_EQ(due(&fx), STORE_POWER_NONE);
	CHECK_STR(fx_code(&fx, "node.power", REBOOT1), "");
	CHECK_EQ(asked(&fx), STORE_POWER_REBOOT);
	CHECK_STR(fx_code(&fx, "node.power", REBOOT1), "already-so");
	CHECK_STR(fx_code(&fx, "node.power", OFF1), "");
	CHECK_EQ(due(&fx), STORE_POWER_SHUTDOWN);
	CHECK_STR(fx_code(&fx, "node.workoff", ON1), "");
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	CHECK_EQ(asked(&fx), STORE_POWER_NONE);
	fx_close(&fx);
	return 0;
}

/* What is stamped into an order for node1, ordered on node0. */
static bool
stamped_as_heard(struct fx *fx, const char *peer_facts)
{
	AUTO_JSON json_t *us = fx_json("{'role':{'state':'alone'},"
	    "'signs':{'corosync':true}}");
	AUTO_JSON json_t *peer = fx_json(peer_facts);
	AUTO_JSON json_t *cmd = fx_command(fx, "node.power", fx_json(REBOOT1));
	const json_t *const facts[2] = { us, json_is_null(peer) ? NULL : peer };

	return command_stamp(cmd, fx->st, facts, 0, fx->at_ms, "id") == 0 &&
	    json_array_size(json_object_get(json_object_get(cmd, "context"),
	    "online")) == 1 &&
	    json_is_true(json_object_get(json_object_get(cmd, "context"),
	    "heard"));
}

TEST(a_pm_that_is_out_is_heard)
{
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK(stamped_as_heard(&fx, "{'role':{'state':'follower'}}"));
	CHECK(!stamped_as_heard(&fx, "null"));
	fx_close(&fx);
	return 0;
}

/* At most once for each wish. */
TEST(a_reboot_that_begins_is_asked_for_no_more)
{
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	fx_context(&fx, HEARD);
	CHECK_STR(fx_code(&fx, "node.power", REBOOT1), "");
	CHECK_STR(fx_code(&fx, "node.power-begun", REBOOT1), "forbidden");
	/* a person thought better of it */
	CHECK(fx_system(&fx, "node.power-begun", OFF1) < 0);
	CHECK_EQ(due(&fx), STORE_POWER_REBOOT);
	CHECK_EQ(fx_system(&fx, "node.power-begun", REBOOT1), 0);
	CHECK_EQ(due(&fx), STORE_POWER_NONE);
	CHECK(store_node_leaving(fx.st, 1));
	CHECK(fx_system(&fx, "node.power-begun", REBOOT1) < 0);
	CHECK_STR(fx_code(&fx, "node.power", REBOOT1), "");
	CHECK_STR(fx_code(&fx, "node.workoff", ON1), "");
	CHECK(fx_system(&fx, "node.power-begun", REBOOT1) < 0);
	fx_close(&fx);
	return 0;
}

TEST(it_waits_until_nobody_needs_the_pm)
{
	struct fx fx;
	char id[32];

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET node = 1, want = 1, phase = 1"), 0);
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	fx_context(&fx, HEARD);
	CHECK_STR(fx_code(&fx, "node.power", REBOOT1), "");
	CHECK_EQ(due(&fx), STORE_POWER_NONE);
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET node = 0, moving_to = 1"), 0);
	CHECK_EQ(due(&fx), STORE_POWER_NONE);
	CHECK_EQ(set_vm(&fx, "UPDATE vm SET moving_to = NULL"), 0);
	CHECK_EQ(due(&fx), STORE_POWER_REBOOT);
	/* still together; the guest's process isn't gone */
	CHECK_EQ(maintenance_power_due(fx.st, 1, false, true),
	    STORE_POWER_NONE);
	CHECK_EQ(maintenance_power_due(fx.st, 1, true, false),
	    STORE_POWER_NONE);
	/* and it never is the other PM's business */
	CHECK_EQ(maintenance_power_due(fx.st, 0, true, true),
	    STORE_POWER_NONE);
	fx_close(&fx);
	return 0;
}

/* The VM on node0 has no disk but node1's. */
TEST(a_pm_with_the_only_good_copy_stays)
{
	struct fx fx;
	char id[32];

	CHECK_EQ(fx_open(&fx, "maintenance"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_STR(fx_code(&fx, "node.workon", ON1), "");
	fx_context(&fx, HEARD);
	CHECK_STR(fx_code(&fx, "node.power", REBOOT1), "");
	CHECK_EQ(set_vm(&fx, "UPDATE volume SET leg_failed = 1"), 0);
	CHECK_EQ(due(&fx), STORE_POWER_REBOOT);
	CHECK_EQ(set_vm(&fx, "UPDATE volume SET leg_failed = 0"), 0);
	CHECK_EQ(due(&fx), STORE_POWER_NONE);
	CHECK_STR(fx_code(&fx, "node.power", OFF1), "wrong-state");
	CHECK_EQ(asked(&fx), STORE_POWER_REBOOT);
	fx_close(&fx);
	return 0;
}

/* --- its program --- */

/* What the failed ones said. */
static void
note_failed(void *arg, const char *why)
{
	char *all = arg;

	strncat(all, why, 199 - strlen(all));
	strncat(all, "\n", 199 - strlen(all));
}

static int
run_program(struct fx *fx, const char *script, enum store_power what,
    char *failed)
{
	AUTO_FILE FILE *f = NULL;
	sd_event_source *child = NULL;
	sd_event *event = NULL;
	char path[300];
	int rc = -1, enabled = 1;

	(void)snprintf(path, sizeof(path), "%s/unit.db-shm", fx->dir);
	fx->st = store_close(fx->st);	/* fx_close() removes files of this name */
	f = fopen(path, "we");
	if (f == NULL || fprintf(f, "#!/bin/sh\n%s\n", script) < 0 ||
	    fchmod(fileno(f), 0700) < 0 || fflush(f) != 0)
		return -1;
	(void)fclose(TAKE_PTR(f));	/* written: may be executed */
	if (sd_event_new(&event) >= 0)
		rc = power_run(event, path, what, note_failed, failed, &child,
		    &fx->err);
	while (rc == 0 && sd_event_source_get_enabled(child, &enabled) >= 0 &&
	    enabled != SD_EVENT_OFF && sd_event_run(event, 10000000) > 0)
		;
	sd_event_source_disable_unref(child);
	sd_event_unref(event);
	return rc == 0 && enabled != SD_EVENT_OFF ? -ETIMEDOUT : rc;
}

TEST(the_program_is_told_what_to_do)
{
	sigset_t set;
	struct fx fx;
	char script[400], path[300], failed[200] = "";

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_EQ(fx_open(&fx, "power"), 0);
	(void)snprintf(path, sizeof(path), "%s/unit.db.damaged", fx.dir);
	(void)snprintf(script, sizeof(script), "echo \"$#-$1\" >>'%s'; exit 3",
	    path);
	CHECK_EQ(run_program(&fx, script, STORE_POWER_REBOOT, failed), 0);
	CHECK_EQ(run_program(&fx, script, STORE_POWER_SHUTDOWN, failed), 0);
	CHECK_EQ(run_program(&fx, "kill -9 $$", STORE_POWER_REBOOT, failed), 0);
	CHECK_STR(failed, "reboot: the program failed with 3\n"
	    "poweroff: the program failed with 3\n"
	    "reboot: the program ended by signal 9\n");
	failed[0] = '\0';
	CHECK_EQ(run_program(&fx, "exit 0", STORE_POWER_REBOOT, failed), 0);
	CHECK_STR(failed, "");
	{
		AUTO_FREE char *text = NULL;

		CHECK_EQ(av_file_read(path, 100, &text, NULL, &fx.err), 0);
		CHECK_STR(text, "1-reboot\n1-poweroff\n");
	}
	fx_close(&fx);
	return 0;
}

TEST(a_program_that_isnt_there_is_an_error)
{
	sd_event_source *child = NULL;
	struct av_err err = { 0 };
	sd_event *event = NULL;

	CHECK(sd_event_new(&event) >= 0);
	CHECK_EQ(power_run(event, "/nowhere/systemctl", STORE_POWER_REBOOT,
	    note_failed, NULL, &child, &err), -ENOENT);
	CHECK(strstr(err.text, "/nowhere/systemctl reboot") != NULL);
	CHECK(child == NULL);
	sd_event_unref(event);
	return 0;
}

TESTS_MAIN(T(only_a_pm_in_maintenance_is_rebooted),
    T(a_pm_that_is_out_is_heard),
    T(a_reboot_that_begins_is_asked_for_no_more),
    T(it_waits_until_nobody_needs_the_pm),
    T(a_pm_with_the_only_good_copy_stays), T(the_program_is_told_what_to_do),
    T(a_program_that_isnt_there_is_an_error),
    T(refused_where_it_makes_no_sense),
    T(no_vm_is_started_where_a_pm_leaves),
    T(vms_move_one_at_a_time_then_it_leaves),
    T(a_vm_that_cant_move_waits_or_is_shut_down),
    T(a_pm_that_is_meant_to_be_away_has_not_failed), T(what_people_see))
