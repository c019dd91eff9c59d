/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which alerts should be open, and what is ordered for it.
 */
#include "nodeagent/alerts.h"
#include "tests/unit/nodeagent/store_fixture.h"

static json_t *
facts(const char *role, const char *more)
{
	char text[2000];

	(void)snprintf(text, sizeof(text), "{'role':{'state':'%s'},"
	    "'signs':{'corosync':true,'agent':true,'mirror':true,"
	    "'heartbeats':[{'link':'link0','local':'10.78.0.1',"
	    "'peer':'10.78.0.2','state':'up'},{'link':'link1','local':'a',"
	    "'peer':'b','state':'up'}]},'arbiter':{'kind':'etcd',"
	    "'state':'ok','address':'x','text':''},"
	    "'daemons':{'corosync':'up'}%s}", role, more);
	return fx_json(text);
}

/* The codes that are wanted, in order, with spaces between. */
static const char *
codes(struct fx *fx, json_t *f0, json_t *f1)
{
	static char text[400];
	const json_t *f[2] = { f0, f1 };
	json_t *list = alerts_wanted(fx->st, f, 0), *a;
	size_t i;

	text[0] = '\0';
	json_array_foreach(list, i, a) {
		if (i > 0)
			strncat(text, " ", sizeof(text) - strlen(text) - 1);
		strncat(text, fx_text(a, "code"),
		    sizeof(text) - strlen(text) - 1);
		/* every alert says all that it has to */
		if (!json_is_object(json_object_get(a, "params")) ||
		    json_array_size(json_object_get(a, "repair")) == 0 ||
		    fx_text(a, "cause")[0] == '\0')
			return "an alert lacks something";
	}
	json_decref(list);
	json_decref(f0);
	json_decref(f1);
	return text;
}

static int
big_storage(struct fx *fx)
{
	return fx_system(fx, "node.report",
	    "{'node':'node1','storage_bytes':20000000000}");
}

TEST(each_condition)
{
	char vm[32];
	json_t *f0;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "alerts"), 0);
	CHECK_EQ(big_storage(&fx), 0);
	CHECK_STR(codes(&fx, facts("together", ""), facts("together", "")), "");
	CHECK_STR(codes(&fx, facts("alone", ""), NULL),
	    "node-lost unit-alone");
	CHECK_STR(codes(&fx, facts("together", ""), facts("together",
	    ",'x':1")), "");
	f0 = facts("together", "");
	(void)json_object_set_new(f0, "daemons",
	    fx_json("{'corosync':'down'}"));
	CHECK_STR(codes(&fx, f0, facts("together", "")), "corosync-down");
	CHECK_STR(codes(&fx, facts("together", ",'power':null"),
	    facts("together", ",'power':{'failed':'reboot: x'}")),
	    "power-failed");
	f0 = facts("together", "");
	(void)json_object_set_new(f0, "arbiter", fx_json("{'kind':'none'}"));
	CHECK_STR(codes(&fx, f0, facts("together", "")), "no-quorum-server");
	f0 = facts("together", "");
	(void)json_object_set_new(f0, "arbiter", fx_json("{'kind':'etcd',"
	    "'state':'unreachable','address':'10.0.0.9','text':'no route'}"));
	CHECK_STR(codes(&fx, f0, facts("together", "")),
	    "quorum-server-unreachable");
	/* it is new and wasn't asked yet */
	f0 = facts("together", "");
	(void)json_object_set_new(f0, "arbiter", fx_json("{'kind':'etcd',"
	    "'state':'unreachable','address':'10.0.0.9','text':''}"));
	CHECK_STR(codes(&fx, f0, facts("together", "")), "");
	f0 = facts("together", "");
	(void)json_object_set_new(json_array_get(json_object_get(
	    json_object_get(f0, "signs"), "heartbeats"), 1), "state",
	    json_string("down"));
	CHECK_STR(codes(&fx, f0, facts("together", "")), "link-down");
	CHECK_STR(codes(&fx, facts("together", ",'ports':{'net0':"
	    "{'interface':'lan0','link':'down'}}"), facts("together", "")),
	    "network-link-down");
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	CHECK_STR(codes(&fx, facts("together", ",'volumes':{'volume:o7':"
	    "{'role':'primary','conn':'held'}}"), facts("together", "")),
	    "volume-held");
	CHECK_STR(codes(&fx, facts("together", ",'volumes':{'volume:o7':"
	    "{'role':'primary','conn':'split'}}"), facts("together", "")),
	    "volume-split");
	CHECK_STR(codes(&fx, facts("together", ",'volumes':{'volume:o7':"
	    "{'role':'primary','conn':'disconnected'}}"),
	    facts("together", "")), "volume-one-leg");
	CHECK_STR(codes(&fx, facts("together", ",'volumes':{'volume:o7':"
	    "{'role':'primary','conn':'resync-source'}}"),
	    facts("together", "")), "unit-syncing");
	CHECK_STR(codes(&fx, facts("together", ",'volumes':{'volume:o7':"
	    "{'role':'primary','conn':'connected','error':'EIO'}}"),
	    facts("together", "")), "volume-error");
	CHECK_STR(codes(&fx, facts("together", ",'volumes':{'volume:o7':"
	    "{'role':'primary','conn':'connected','read_errors':2,"
	    "'repaired_bytes':4096}}"), facts("together", "")),
	    "read-repaired");
	CHECK_EQ(fx_do(&fx, "volume.resync-pause", "{'volume':'volume:o7'}"), 0);
	CHECK_STR(codes(&fx, facts("together", ",'volumes':{'volume:o7':"
	    "{'role':'primary','conn':'resync-source'}}"),
	    facts("together", "")), "unit-syncing resync-paused");
	CHECK_EQ(fx_do(&fx, "volume.resync-resume", "{'volume':'volume:o7'}"),
	    0);
	/* a failed leg says it all: not that one leg is left, nor the error */
	CHECK_EQ(fx_system(&fx, "volume.report", "{'volume':'volume:o7','node':"
	    "'node1','event':'leg-failed','reason':'EIO'}"), 0);
	CHECK_STR(codes(&fx, facts("together", ",'volumes':{'volume:o7':"
	    "{'role':'primary','conn':'disconnected','error':'EIO'}}"),
	    facts("together", "")), "leg-failed");
	CHECK_EQ(fx_system(&fx, "volume.report", "{'volume':'volume:o7','node':"
	    "'node1','event':'leg-in-step'}"), 0);
	/* a PM that runs alone says so once, not for each volume */
	CHECK_STR(codes(&fx, facts("alone", ",'volumes':{'volume:o7':"
	    "{'role':'primary','conn':'disconnected'}}"), NULL),
	    "node-lost unit-alone");
	fx_close(&fx);
	return 0;
}

TEST(a_vm_that_stays_down)
{
	json_t *(*f)(const char *, const char *) = facts;
	char vm[32];
	struct fx fx;
	int i;

	CHECK_EQ(fx_open(&fx, "alerts"), 0);
	CHECK_EQ(big_storage(&fx), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "");
	CHECK_STR(codes(&fx, f("together", ",'vms':{'vm:o6':{'activity':"
	    "'booting','run_id':1,'reason':{'code':'guest-waits','text':"
	    "'no image'}}}"), f("together", "")), "vm-waits");
	for (i = 1; i <= 4; i++)
		CHECK_EQ(fx_vm_report(&fx, vm, i, "crashed"), 0);
	CHECK_STR(codes(&fx, f("together", ""), f("together", "")),
	    "vm-crashed");
	fx_close(&fx);
	return 0;
}

TEST(storage_runs_out)
{
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "alerts"), 0);
	CHECK_EQ(fx_system(&fx, "node.report",
	    "{'node':'node1','storage_bytes':4000000000}"), 0);
	CHECK_STR(codes(&fx, facts("together", ""), facts("together", "")),
	    "storage-nearly-full");
	fx_close(&fx);
	return 0;
}

/* Applies what is to be ordered; how many commands that were, -1 = refused. */
static int
settle(struct fx *fx, json_t *f0, json_t *f1)
{
	const json_t *f[2] = { f0, f1 };
	json_t *cmds = alerts_commands(fx->st, f, 0), *cmd;
	int n = (int)json_array_size(cmds);
	size_t i;

	fx->role = fx->user = "system";
	json_array_foreach(cmds, i, cmd) {
		json_t *full = fx_command(fx, fx_text(cmd, "op"),
		    json_incref(json_object_get(cmd, "args")));
		json_t *result = NULL;

		if (store_apply(fx->st, full, &result, &fx->err) < 0) {
			fprintf(stderr, "%s\n", fx->err.text);
			n = -1;
		}
		json_decref(result);
		json_decref(full);
	}
	json_decref(cmds);
	json_decref(f0);
	json_decref(f1);
	return n;
}

TEST(raised_once_and_cleared_once)
{
	json_t *list;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "alerts"), 0);
	CHECK_EQ(big_storage(&fx), 0);
	CHECK_EQ(settle(&fx, facts("together", ""), facts("together", "")), 0);
	CHECK_EQ(settle(&fx, facts("alone", ""), NULL), 2);
	CHECK_EQ(settle(&fx, facts("alone", ""), NULL), 0);
	list = view_alerts(fx.st);
	CHECK_EQ(json_array_size(list), 2);
	json_decref(list);
	CHECK_EQ(settle(&fx, facts("together", ""), facts("together", "")), 2);
	CHECK_EQ(settle(&fx, facts("together", ""), facts("together", "")), 0);
	list = view_alerts(fx.st);
	CHECK_EQ(json_array_size(list), 2);
	CHECK(json_is_false(json_object_get(json_array_get(list, 0), "open")));
	json_decref(list);
	fx_close(&fx);
	return 0;
}

TEST(others_alerts_stay_until_their_object_goes)
{
	char vm[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "alerts"), 0);
	CHECK_EQ(big_storage(&fx), 0);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'web','vcpus':1,"
	    "'memory_bytes':314572800,'volumes':[{'size_bytes':16777216}]}"),
	    "");
	(void)snprintf(vm, sizeof(vm), "%s", fx_text(fx.result, "id"));
	CHECK_EQ(fx_vm_report(&fx, vm, 0, "install-failed"), 0);
	CHECK_EQ(settle(&fx, facts("together", ""), facts("together", "")), 0);
	CHECK_EQ(fx_vm_report(&fx, vm, 0, "deleted"), 0);
	CHECK_EQ(settle(&fx, facts("together", ""), facts("together", "")), 1);
	fx_close(&fx);
	return 0;
}

TESTS_MAIN(T(each_condition), T(a_vm_that_stays_down), T(storage_runs_out),
    T(raised_once_and_cleared_once),
    T(others_alerts_stay_until_their_object_goes))
