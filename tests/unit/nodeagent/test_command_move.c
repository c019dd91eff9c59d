/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The commands of live migration and of a VM's home, against a database of their own
 */
#include "nodeagent/command_move_stamp.h"
#include "nodeagent/home.h"
#include "nodeagent/store_sql.h"
#include "tests/unit/nodeagent/old_schema.h"
#include "tests/unit/nodeagent/store_fixture.h"

#define CTX(act, more) "{'online':['node0','node1'],'alone':null,'activity':'" \
	act "','images':{},'move':{'token':77" more "}}"
#define READY CTX("running", "")

/* web (vm:o6), running on node0 */
static int
running(struct fx *fx)
{
	char id[32];

	CHECK_EQ(fx_open(fx, "move"), 0);
	CHECK_EQ(fx_vm(fx, "web", 300, id), 0);
	CHECK_STR(id, "vm:o6");
	CHECK_STR(fx_vm_do(fx, "vm.start", id), "");
	CHECK_EQ(fx_vm_report(fx, id, 1, "started"), 0);
	fx_context(fx, READY);
	return 0;
}

static struct store_vm
row(struct fx *fx)
{
	struct store_vm vm;

	memset(&vm, 0, sizeof(vm));
	(void)store_get_vm(fx->st, "vm:o6", &vm);
	return vm;
}

TEST(a_move_is_ordered_and_committed)
{
	struct fx fx;

	CHECK_EQ(running(&fx), 0);
	CHECK_STR(fx_code(&fx, "vm.migrate", "{'vm':'web'}"), "");
	CHECK_STR(fx_text(fx.result, "from"), "node0");
	CHECK_STR(fx_text(fx.result, "to"), "node1");
	CHECK_EQ(row(&fx).move.to, 1);
	CHECK_EQ(row(&fx).move.id, 77);
	CHECK_EQ(row(&fx).node, 0);
	CHECK_STR(row(&fx).move.by, "admin");
	/* of another move: nothing */
	CHECK_EQ(fx_system(&fx, "vm.switch", "{'vm':'vm:o6','move':78}"), 0);
	CHECK_EQ(row(&fx).node, 0);
	CHECK_EQ(fx_system(&fx, "vm.switch", "{'vm':'vm:o6','move':77}"), 0);
	CHECK_EQ(row(&fx).node, 1);
	CHECK_EQ(row(&fx).run_id, 2);
	CHECK_EQ(row(&fx).move.to, -1);
	CHECK_EQ(row(&fx).move.arrived, 77);
	CHECK_STR(row(&fx).move.result, "done");
	/* again: it is over */
	CHECK_EQ(fx_system(&fx, "vm.switch", "{'vm':'vm:o6','move':77}"), 0);
	CHECK_EQ(row(&fx).run_id, 2);
	/* the next run wasn't brought by it */
	CHECK_EQ(fx_vm_report(&fx, "vm:o6", 2, "crashed"), 0);
	CHECK_EQ(row(&fx).run_id, 3);
	CHECK_EQ(row(&fx).move.arrived, 0);
	fx_close(&fx);
	return 0;
}

TEST(what_cannot_move_is_told_why)
{
	static const struct { const char *context, *args, *code; } cases[] = {
		{ CTX("stopped", ""), "{'vm':'web'}", "" },
		{ READY, "{'vm':'none'}", "not-found" },
		{ READY, "{'vm':'web','to':'node0'}", "already-there" },
		{ READY, "{'vm':'web','to':'node2'}", "bad-argument" },
		{ CTX("paused", ""), "{'vm':'web'}", "wrong-state" },
		{ CTX("booting", ""), "{'vm':'web'}", "wrong-state" },
		{ "{'online':['node0'],'alone':'node0','activity':'running'}",
		  "{'vm':'web'}", "not-together" },
		{ "{'online':['node0'],'alone':null,'activity':'running'}",
		  "{'vm':'web'}", "not-together" },
		{ CTX("running", ",'not_in_step':'web-boot'"), "{'vm':'web'}",
		  "not-in-step" },
		{ CTX("running", ",'cpu_missing':'avx2, bmi1'"), "{'vm':'web'}",
		  "pms-differ" },
		{ CTX("running", ",'qemu':'7.2.1, 8.0.0'"), "{'vm':'web'}",
		  "pms-differ" },
		{ CTX("running", ",'acceleration':'kvm, tcg'"), "{'vm':'web'}",
		  "pms-differ" },
		{ "{'online':['node0','node1'],'alone':null,"
		  "'activity':'running'}", "{'vm':'web'}", "bad-request" },
	};
	struct fx fx;
	size_t i;

	CHECK_EQ(running(&fx), 0);
	for (i = 1; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx_context(&fx, cases[i].context);
		if (strcmp(cases[i].code, "bad-argument") != 0)
			CHECK_STR(fx_code(&fx, "vm.migrate", cases[i].args),
			    cases[i].code);
		CHECK_EQ(row(&fx).move.to, -1);
	}
	fx_context(&fx, READY);
	CHECK_STR(fx_code(&fx, "vm.migrate", "{'vm':'web'}"), "");
	CHECK_STR(fx_code(&fx, "vm.migrate", "{'vm':'web'}"), "already-moving");
	CHECK_STR(fx_code(&fx, "volume.grow",
	    "{'volume':'web-boot','size_bytes':33554432}") , fx.err.code);
	CHECK(fx.err.code[0] != '\0');
	/* its image may be void: nothing before the take-over */
	fx_context(&fx, "{'online':['node0'],'alone':'node0',"
	    "'activity':'running'}");
	CHECK_STR(fx_code(&fx, "vm.migrate-cancel", "{'vm':'web'}"), "busy");
	CHECK_STR(fx_code(&fx, "vm.poweroff", "{'vm':'web'}"), "busy");
	fx_close(&fx);
	return 0;
}

TEST(a_disk_that_failed_there_stops_it_at_the_commit)
{
	struct fx fx;

	CHECK_EQ(running(&fx), 0);
	CHECK_STR(fx_code(&fx, "vm.migrate", "{'vm':'web'}"), "");
	CHECK_EQ(fx_system(&fx, "volume.report", "{'volume':'web-boot',"
	    "'node':'node1','event':'leg-failed','reason':'EIO'}"), 0);
	CHECK_EQ(fx_system(&fx, "vm.switch", "{'vm':'vm:o6','move':77}"), 0);
	CHECK_EQ(row(&fx).node, 0);
	CHECK_EQ(row(&fx).run_id, 1);
	CHECK_EQ(row(&fx).move.to, -1);
	CHECK_STR(row(&fx).move.code, "disks");
	CHECK_STR(fx_code(&fx, "vm.migrate", "{'vm':'web'}"),
	    "move-leg-failed");
	fx_close(&fx);
	return 0;
}

TEST(a_move_ends_with_its_run)
{
	static const struct { const char *op, *args; bool own; } ends[] = {
		{ "vm.poweroff", "{'vm':'web'}", false },
		{ "vm.shutdown", "{'vm':'web'}", false },
		{ "vm.report", "{'vm':'vm:o6','run_id':1,'event':'crashed',"
		  "'reason':'x'}", true },
		{ "vm.report", "{'vm':'vm:o6','run_id':1,"
		  "'event':'stopped-by-guest'}", true },
		{ "vm.takeover", "{'from':'node0','to':'node1'}", true },
		{ "vm.takeover", "{'from':'node1','to':'node0'}", true },
		{ "vm.move-ended", "{'vm':'vm:o6','move':77,"
		  "'reason':'send-failed','detail':'nobody listens'}", true },
		{ "vm.migrate-cancel", "{'vm':'web'}", false },
	};
	struct fx fx;
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		CHECK_EQ(running(&fx), 0);
		CHECK_STR(fx_code(&fx, "vm.migrate", "{'vm':'web'}"), "");
		CHECK_EQ(ends[i].own ? fx_system(&fx, ends[i].op,
		    ends[i].args) : fx_do(&fx, ends[i].op, ends[i].args), 0);
		CHECK_EQ(row(&fx).move.to, -1);
		CHECK_STR(row(&fx).move.result, strcmp(ends[i].op,
		    "vm.migrate-cancel") == 0 ? "cancelled" : "failed");
		CHECK(row(&fx).move.text[0] != '\0');
		CHECK_EQ(fx_system(&fx, "vm.switch",
		    "{'vm':'vm:o6','move':77}"), 0);
		CHECK_EQ(row(&fx).move.arrived, 0);
		fx_close(&fx);
	}
	return 0;
}

TEST(a_failover_remembers_the_way_home)
{
	struct fx fx;
	char id[STORE_ID_MAX];

	CHECK_EQ(running(&fx), 0);
	CHECK_EQ(row(&fx).home, -1);
	CHECK_EQ(fx_system(&fx, "vm.takeover", "{'from':'node0','to':'node1'}"),
	    0);
	CHECK_EQ(row(&fx).home, 0);
	CHECK_EQ(row(&fx).node, 1);
	/* without facts nobody is seen running */
	CHECK_EQ(home_next(&(struct evacuate_look){ .st = fx.st,
	    .facts = (const json_t *const[2]){ NULL, NULL },
	    .now_utc_ms = fx.at_ms }, id), -2);
	/* preferred goes first */
	CHECK_STR(fx_code(&fx, "vm.prefer", "{'vm':'web','node':'node1'}"), "");
	CHECK_EQ(row(&fx).home, -1);
	CHECK_EQ(row(&fx).preferred, 1);
	CHECK_EQ(fx_system(&fx, "vm.takeover", "{'from':'node1','to':'node0'}"),
	    0);
	CHECK_EQ(row(&fx).home, 1);
	/* home by itself */
	fx.user = "system";
	CHECK_EQ(fx_system(&fx, "vm.migrate", "{'vm':'web'}"), 0);
	fx.user = "admin";
	CHECK_EQ(row(&fx).home, 1);
	CHECK_EQ(fx_system(&fx, "vm.switch", "{'vm':'vm:o6','move':77}"), 0);
	CHECK_EQ(row(&fx).home, -1);
	/* a person's move: it stays */
	CHECK_EQ(fx_system(&fx, "vm.takeover", "{'from':'node1','to':'node0'}"),
	    0);
	CHECK_EQ(row(&fx).home, 1);
	CHECK_STR(fx_code(&fx, "vm.migrate", "{'vm':'web'}"), "");
	CHECK_EQ(row(&fx).home, -1);
	CHECK_STR(fx_code(&fx, "vm.prefer", "{'vm':'web','node':null}"), "");
	CHECK_EQ(row(&fx).preferred, -1);
	CHECK_STR(fx_code(&fx, "unit.configure", "{'go_home':false}"), "");
	fx_close(&fx);
	return 0;
}

TEST(features_that_are_missing_are_named)
{
	json_t *m = command_move_missing("fpu sse avx2 bmi1", "fpu sse avx512f");

	CHECK_STR(json_string_value(m), "avx2, bmi1");
	json_decref(m);
	m = command_move_missing("fpu sse", "sse fpu more");
	CHECK(json_is_null(m));
	json_decref(m);
	m = command_move_missing("a b c d e f g h", "");
	CHECK_STR(json_string_value(m), "a, b, c, d, e, f and 2 more");
	json_decref(m);
	return 0;
}

TEST(a_database_of_version_4_goes_on)
{
	struct store_unit unit;
	struct fx fx;
	char id[32];

	CHECK_EQ(fx_open(&fx, "old"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_EQ(sql_script(fx.st->db, OLD_SCHEMA_4, NULL), 0);
	fx.st = store_close(fx.st);
	CHECK_EQ(store_open(fx.path, &fx.st, &fx.err), 0);
	CHECK_EQ(store_get_unit(fx.st, &unit), 0);
	CHECK(unit.go_home);
	CHECK_EQ(row(&fx).home, -1);
	CHECK_EQ(row(&fx).move.to, -1);
	CHECK_STR(fx_vm_do(&fx, "vm.start", id), "");
	fx_context(&fx, READY);
	CHECK_STR(fx_code(&fx, "vm.migrate", "{'vm':'web'}"), "");
	fx_close(&fx);
	return 0;
}

TESTS_MAIN(T(a_move_is_ordered_and_committed), T(what_cannot_move_is_told_why),
    T(a_disk_that_failed_there_stops_it_at_the_commit),
    T(a_move_ends_with_its_run), T(a_failover_remembers_the_way_home),
    T(features_that_are_missing_are_named),
    T(a_database_of_version_4_goes_on))
