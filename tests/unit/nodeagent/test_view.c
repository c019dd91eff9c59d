/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Objects of the API, made of database and facts.
 */
#include "nodeagent/view_impl.h"
#include "tests/unit/nodeagent/store_fixture.h"

/* --- spec A1: every combination --- */

static unsigned
a1_commands(const char *state, const char *activity)
{
	static const struct { const char *state, *activity; unsigned commands; }
	rows[] = {
		{ "busy", "installing", 0 },
		{ "-", "stopped", VM_CMD_START | VM_CMD_DELETE },
		{ "-", "booting", VM_CMD_CONSOLE | VM_CMD_POWEROFF },
		{ "good", "running",
		    VM_CMD_CONSOLE | VM_CMD_SHUTDOWN | VM_CMD_POWEROFF |
		    VM_CMD_MIGRATE },
		{ "alert", "running",
		    VM_CMD_CONSOLE | VM_CMD_SHUTDOWN | VM_CMD_POWEROFF |
		    VM_CMD_MIGRATE },
		{ "-", "stopping", VM_CMD_POWEROFF | VM_CMD_DELETE },
		{ "busy", "stopping", 0 },		/* being removed */
		{ "-", "crashed", 0 },
		{ "critical", "crashed", VM_CMD_START | VM_CMD_RESET },
		{ "alert", "paused", VM_CMD_CONSOLE | VM_CMD_POWEROFF },
		{ "busy", "moving", VM_CMD_POWEROFF },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].state, state) == 0 &&
		    strcmp(rows[i].activity, activity) == 0)
			return rows[i].commands;
	return ~0u;		/* no such row */
}

static int
check_one(const struct vm_state_in *in)
{
	struct vm_state out;
	const char *activity;
	unsigned row, commands;

	view_vm_derive(in, &out);
	activity = view_vm_activity_name(out.activity);
	row = a1_commands(out.state, activity);
	if (in->migrating && row != ~0u && in->phase != STORE_DELETING)
		row = (row & ~(unsigned)VM_CMD_MIGRATE) | VM_CMD_MIGRATE_CANCEL;
	commands = out.commands & ~(unsigned)VM_CMD_RENAME;
	if (row == ~0u || row != commands) {
		fprintf(stderr, "%s/%s: commands %x, row %x\n", out.state,
		    activity, commands, row);
		return 1;
	}
	/* what may never be */
	if (in->phase == STORE_READY && in->want == STORE_WANT_STOPPED &&
	    in->node < 0 && !in->crash_held)
		CHECK_EQ(out.activity, VM_STOPPED);
	if (in->node >= 0 && in->phase == STORE_READY)
		CHECK(!(out.commands & VM_CMD_START) || in->crash_held);
	if (out.activity == VM_RUNNING)
		CHECK(in->node_heard && in->fact_known &&
		    in->want == STORE_WANT_RUNNING);
	if (strcmp(out.state, "good") == 0)
		CHECK(in->redundant);
	return 0;
}

TEST(every_state_is_a_row_of_a1)
{
	struct vm_state_in in;
	unsigned n, bits;
	int phase, want, node, fact;

	for (n = 0, phase = STORE_CREATING; phase <= STORE_DELETING; phase++)
	for (want = 0; want <= 1; want++)
	for (node = -1; node <= 1; node++)
	for (fact = 0; fact < VM_N_ACTIVITIES; fact++)
	for (bits = 0; bits < 64; bits++, n++) {
		in = (struct vm_state_in){ .phase = (enum store_phase)phase,
			.want = (enum store_want)want, .node = node,
			.crash_held = bits & 1, .moving = bits & 2,
			.node_heard = bits & 4, .fact_known = bits & 8,
			.redundant = bits & 16, .migrating = bits & 32,
			.fact = (enum vm_activity)fact };
		CHECK_EQ(check_one(&in), 0);
	}
	CHECK_EQ(n, 3 * 2 * 3 * VM_N_ACTIVITIES * 64);
	return 0;
}

TEST(states_by_example)
{
	static const struct { struct vm_state_in in; const char *want; } cases[] = {
		{ { .phase = STORE_CREATING, .node = 0 }, "busy/installing" },
		{ { .phase = STORE_READY, .node = -1 }, "-/stopped" },
		{ { .phase = STORE_READY, .node = 0, .node_heard = true,
		    .fact_known = true, .fact = VM_RUNNING }, "-/stopping" },
		{ { .phase = STORE_READY, .want = 1, .node = 0,
		    .node_heard = true }, "-/booting" },
		{ { .phase = STORE_READY, .want = 1, .node = 0,
		    .node_heard = true, .fact_known = true,
		    .fact = VM_STOPPED }, "-/booting" },
		{ { .phase = STORE_READY, .want = 1, .node = 0, .moving = true,
		    .node_heard = true }, "busy/moving" },
		{ { .phase = STORE_READY, .want = 1, .node = 0, .moving = true,
		    .node_heard = true, .fact_known = true,
		    .fact = VM_BOOTING }, "-/booting" },
		{ { .phase = STORE_READY, .want = 1, .node = 1,
		    .node_heard = true, .fact_known = true, .redundant = true,
		    .fact = VM_RUNNING }, "good/running" },
		{ { .phase = STORE_READY, .want = 1, .node = 1,
		    .node_heard = true, .fact_known = true,
		    .fact = VM_RUNNING }, "alert/running" },
		{ { .phase = STORE_READY, .want = 1, .node = 1,
		    .fact_known = true, .fact = VM_RUNNING }, "alert/paused" },
		{ { .phase = STORE_READY, .want = 1, .node = 1,
		    .node_heard = true, .fact_known = true,
		    .fact = VM_CRASHED }, "-/crashed" },
		{ { .phase = STORE_READY, .node = -1, .crash_held = true },
		    "critical/crashed" },
		{ { .phase = STORE_DELETING, .node = -1 }, "busy/stopping" },
	};
	struct vm_state out;
	char got[40];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		view_vm_derive(&cases[i].in, &out);
		(void)snprintf(got, sizeof(got), "%s/%s", out.state,
		    view_vm_activity_name(out.activity));
		CHECK_STR(got, cases[i].want);
	}
	return 0;
}

/* --- objects --- */

static json_t *
facts(const char *node, const char *role, const char *more)
{
	char text[2000];

	(void)snprintf(text, sizeof(text), "{'node':'%s','role':{'state':'%s',"
	    "'generation':5,'owner':null},'signs':{'corosync':true,"
	    "'agent':true,'mirror':true,'heartbeats':[{'link':'link0',"
	    "'local':'10.78.0.1','peer':'10.78.0.2','age_ms':4,'state':'up'}]},"
	    "'acceleration':'tcg','arbiter':{'kind':'etcd','state':'ok',"
	    "'address':'x','text':''},'daemons':{'corosync':'up'}%s}", node,
	    role, more);
	return fx_json(text);
}

/* All keys of the API, in a list that ends with NULL. */
static int
has_keys(const json_t *obj, const char *const *keys)
{
	for (; *keys != NULL; keys++)
		if (json_object_get(obj, *keys) == NULL) {
			fprintf(stderr, "no '%s'\n", *keys);
			return 0;
		}
	return 1;
}

static const char *const unit_keys[] = { "id", "name", "uuid", "version",
	"address", "state", "activity", "reason", "generation", "owner",
	"primary", "node", "syncing", "resources", "arbiter", "links", "alerts",
	"timings", "last_failover", NULL };
static const char *const node_keys[] = { "id", "name", "state", "activity",
	"primary", "role", "reason", "addresses", "cpus", "memory_bytes",
	"acceleration", "vms", "versions", "signs", "daemons", "watchdog", "uptime_s",
	"agent", NULL };
static const char *const vm_keys[] = { "id", "name", "description", "os",
	"uuid", "vcpus", "memory_bytes", "state", "activity", "want", "node",
	"preferred", "commands", "progress_percent", "reason", "volumes",
	"networks", "acceleration", "started_utc", "crashes", "created_utc",
	NULL };
static const char *const volume_keys[] = { "id", "name", "size_bytes",
	"storage_group", "vm", "boot", "state", "activity", "sync_percent",
	"seconds_left", "out_of_step_bytes", "legs", "generation",
	"last_resync", NULL };
static const char *const network_keys[] = { "id", "name", "role", "bridge",
	"mtu", "ports", "vms", "state", NULL };
static const char *const group_keys[] = { "id", "name", "size_bytes",
	"used_bytes", "free_bytes", "volumes", "state", NULL };
static const char *const user_keys[] = { "name", "role", "real_name",
	"language", "created_utc", NULL };

#define IN_STEP "'volume:o7':{'role':'primary','conn':'connected'," \
	"'disk':'uptodate','identity':'00ff','sync_percent':100," \
	"'out_of_step_bytes':0,'seconds_left':null,'last_resync':null," \
	"'error':''}"

TEST(a_running_unit)
{
	const json_t *f[2];
	json_t *f0, *f1, *o, *list;
	char vm[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "view"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	CHECK_STR(vm, "vm:o6");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "");
	f[0] = f0 = facts("node0", "together", ",'vms':{'vm:o6':{'activity':"
	    "'running','run_id':1,'reason':null}},'volumes':{" IN_STEP "},"
	    "'ports':{'net0':{'interface':'lan0','link':'up'}},"
	    "'images':[{'name':'small.img','size_bytes':5}]");
	f[1] = f1 = facts("node1", "together", ",'vms':{},'volumes':{},"
	    "'ports':{'net0':{'interface':'lan0','link':'up'}}");
	o = view_unit(fx.st, f, 0);
	CHECK(has_keys(o, unit_keys));
	CHECK_STR(fx_text(o, "activity"), "running");
	CHECK_STR(fx_text(o, "state"), "good");
	CHECK_STR(fx_text(json_object_get(o, "arbiter"), "state"), "ok");
	json_decref(o);
	list = view_nodes(fx.st, f, 0);
	CHECK_EQ(json_array_size(list), 2);
	o = json_array_get(list, 0);
	CHECK(has_keys(o, node_keys));
	CHECK_STR(fx_text(o, "state"), "good");
	CHECK_STR(json_string_value(json_array_get(json_object_get(o, "vms"),
	    0)), "vm:o6");
	json_decref(list);
	CHECK_EQ(view_vm(fx.st, f, 1, "web", &o, NULL), 0);
	CHECK(has_keys(o, vm_keys));
	CHECK_STR(fx_text(o, "state"), "good");
	CHECK_STR(fx_text(o, "activity"), "running");
	CHECK_STR(fx_text(o, "node"), "node0");
	CHECK(json_is_null(json_object_get(o, "reason")));
	json_decref(o);
	list = view_volumes(fx.st, f, 0);
	o = json_array_get(list, 0);
	CHECK(has_keys(o, volume_keys));
	CHECK_STR(fx_text(o, "activity"), "in-step");
	CHECK_STR(fx_text(json_object_get(o, "vm"), "name"), "web");
	CHECK_STR(fx_text(json_object_get(o, "storage_group"), "name"),
	    "default");
	CHECK_STR(fx_text(o, "generation"), "00ff");
	json_decref(list);
	list = view_networks(fx.st, f, 0);
	o = json_array_get(list, 0);
	CHECK(has_keys(o, network_keys));
	CHECK_STR(fx_text(o, "state"), "good");
	json_decref(list);
	list = view_storage_groups(fx.st);
	o = json_array_get(list, 0);
	CHECK(has_keys(o, group_keys));
	CHECK_EQ(json_integer_value(json_object_get(o, "size_bytes")),
	    10000000000);
	CHECK_EQ(json_integer_value(json_object_get(o, "used_bytes")),
	    16777216);
	json_decref(list);
	list = view_users(fx.st);
	CHECK(has_keys(json_array_get(list, 0), user_keys));
	CHECK(json_object_get(json_array_get(list, 0), "hash") == NULL);
	json_decref(list);
	list = view_images(f, 0);
	CHECK_STR(fx_text(json_array_get(list, 0), "node"), "node0");
	json_decref(list);
	json_decref(f0);
	json_decref(f1);
	fx_close(&fx);
	return 0;
}

/* As the agent that started it says until the database has it; from then on the
 * database's word, which a move takes along. */
TEST(the_time_of_a_start_stays)
{
	static const char *const said[] = { "1000", "2000", "0" };
	char vm[32], before[64] = "";
	struct fx fx;
	int i;

	CHECK_EQ(fx_open(&fx, "view"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "");
	for (i = 0; i < 3; i++) {
		char more[200];
		const json_t *f[2] = { NULL, NULL };
		json_t *f0, *o;

		(void)snprintf(more, sizeof(more), ",'vms':{'vm:o6':{'activity':"
		    "'running','run_id':1,'reason':null,'started_utc_ms':%s}}",
		    said[i]);
		f[0] = f0 = facts("node0", "together", more);
		CHECK_EQ(view_vm(fx.st, f, 0, "web", &o, NULL), 0);
		if (i == 0)
			CHECK_STR(fx_text(o, "started_utc"),
			    "1970-01-01T00:00:01.000Z");
		else if (i == 1)
			(void)snprintf(before, sizeof(before), "%s",
			    fx_text(o, "started_utc"));
		else
			CHECK_STR(fx_text(o, "started_utc"), before);
		json_decref(o);
		json_decref(f0);
		if (i == 0)
			CHECK_EQ(fx_vm_report(&fx, vm, 1, "started"), 0);
	}
	CHECK(strcmp(before, "1970-01-01T00:00:02.000Z") != 0);
	fx_close(&fx);
	return 0;
}

TEST(no_facts_at_all)
{
	const json_t *f[2] = { NULL, NULL };
	json_t *o;
	char vm[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "view"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	o = view_unit(fx.st, f, 0);
	CHECK(has_keys(o, unit_keys));
	CHECK_STR(fx_text(o, "activity"), "waiting");
	json_decref(o);
	o = view_nodes(fx.st, f, 1);
	CHECK_STR(fx_text(json_array_get(o, 0), "activity"), "lost");
	CHECK_STR(fx_text(json_array_get(o, 1), "activity"), "lost");
	json_decref(o);
	o = view_vms(fx.st, f, 0);
	CHECK_EQ(json_array_size(o), 1);
	CHECK(has_keys(json_array_get(o, 0), vm_keys));
	json_decref(o);
	o = view_volumes(fx.st, f, 0);
	CHECK(has_keys(json_array_get(o, 0), volume_keys));
	CHECK_STR(fx_text(json_array_get(o, 0), "activity"), "stopped");
	json_decref(o);
	o = view_networks(fx.st, f, 0);
	CHECK_STR(fx_text(json_array_get(o, 0), "state"), "alert");
	json_decref(o);
	fx_close(&fx);
	return 0;
}

/* What one PM's facts make of the unit. */
static int
unit_is(struct fx *fx, json_t *f0, json_t *f1, const char *activity,
    const char *state)
{
	const json_t *f[2] = { f0, f1 };
	json_t *o = view_unit(fx->st, f, 0);

	CHECK_STR(fx_text(o, "activity"), activity);
	CHECK_STR(fx_text(o, "state"), state);
	CHECK(json_is_object(json_object_get(o, "reason")));
	json_decref(o);
	json_decref(f0);
	json_decref(f1);
	return 0;
}

TEST(states_of_the_unit)
{
	static const char *const syncing = ",'volumes':{'volume:o7':{"
	    "'role':'primary','conn':'resync-source','disk':'uptodate',"
	    "'sync_percent':40}}";
	static const char *const split = ",'volumes':{'volume:o7':{"
	    "'role':'primary','conn':'split','disk':'uptodate'}}";
	static const char *const good = ",'volumes':{" IN_STEP "}";
	json_t *f0;
	char vm[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "view"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "together", good),
	    facts("node1", "together", ""), "running", "good"), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "together", syncing),
	    facts("node1", "together", ""), "syncing", "busy"), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "together", split),
	    facts("node1", "together", ""), "split", "critical"), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "together", ""),
	    facts("node1", "together", ""), "degraded", "alert"), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "alone", good), NULL, "alone",
	    "alert"), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "alone", syncing),
	    facts("node1", "follower", ""), "syncing", "alert"), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "frozen", ""), NULL, "frozen",
	    "critical"), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "waiting", ""), NULL, "waiting",
	    "critical"), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "stopped", ""), NULL, "stopped",
	    "critical"), 0);
	CHECK_EQ(unit_is(&fx, facts("node0", "rejoining", ""), NULL, "syncing",
	    "busy"), 0);
	f0 = facts("node0", "together", good);
	(void)json_object_set_new(json_object_get(f0, "signs"), "corosync",
	    json_false());
	CHECK_EQ(unit_is(&fx, f0, facts("node1", "together", ""), "degraded",
	    "alert"), 0);
	fx_close(&fx);
	return 0;
}

TEST(a_peer_without_any_sign_is_lost_although_its_facts_are_there)
{
	json_t *f0 = facts("node0", "alone", ""), *f1, *list;
	json_t *signs = json_object_get(f0, "signs");
	const json_t *f[2];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "view"), 0);
	f1 = facts("node1", "together", "");
	(void)json_object_set_new(signs, "corosync", json_false());
	(void)json_object_set_new(signs, "agent", json_false());
	(void)json_object_set_new(signs, "mirror", json_false());
	(void)json_object_set_new(json_array_get(json_object_get(signs,
	    "heartbeats"), 0), "state", json_string("down"));
	f[0] = f0;
	f[1] = f1;
	CHECK(!view_node_online(f, 0, 1));
	CHECK(view_node_online(f, 0, 0));
	list = view_nodes(fx.st, f, 0);
	CHECK_STR(fx_text(json_array_get(list, 1), "activity"), "lost");
	CHECK_STR(fx_text(json_array_get(list, 1), "state"), "critical");
	json_decref(list);
	(void)json_object_set_new(signs, "mirror", json_true());
	CHECK(view_node_online(f, 0, 1));
	json_decref(f0);
	json_decref(f1);
	fx_close(&fx);
	return 0;
}

TEST(reading_is_by_role_and_strict)
{
	static const struct { const char *op, *args, *role, *code; } cases[] = {
		{ "unit.info", "{}", "read-only", "" },
		{ "unit.info", "{'x':1}", "read-only", "bad-argument" },
		{ "unit.info", "{}", "console", "forbidden" },
		{ "vm.get", "{'vm':'web'}", "read-only", "not-found" },
		{ "vm.get", "{}", "read-only", "bad-argument" },
		{ "audit.list", "{'limit':1001}", "read-only", "bad-argument" },
		{ "audit.list", "{'limit':10,'before':3}", "read-only", "" },
		{ "user.list", "{}", "platform-manager", "forbidden" },
		{ "user.list", "{}", "administrator", "" },
		{ "user.get", "{'name':'admin'}", "administrator",
		    "forbidden" },
		{ "user.get", "{'name':'eve'}", "console", "not-found" },
		{ "user.get", "{'name':'admin'}", "console", "" },
		{ "node.list", "{}", "emperor", "forbidden" },
	};
	const json_t *f[2] = { NULL, NULL };
	struct fx fx;
	size_t i;

	CHECK_EQ(fx_open(&fx, "view"), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *args = fx_json(cases[i].args), *result = NULL;
		json_t *actor = json_pack("{s:s, s:s}", "user", "u", "role",
		    cases[i].role);
		int rc = view_read(fx.st, f, 0, cases[i].op, args, actor,
		    &result, &fx.err);

		CHECK_STR(rc == 0 ? "" : fx.err.code, cases[i].code);
		CHECK(rc != 0 || result != NULL);
		json_decref(args);
		json_decref(actor);
		json_decref(result);
	}
	fx_close(&fx);
	return 0;
}

TEST(facts_of_any_shape_do_no_harm)
{
	static const char *const shapes[] = { "{}", "{'role':5}",
		"{'role':{'state':7},'signs':[],'vms':[],'volumes':3}",
		"{'role':{'state':'together'},'vms':{'vm:o6':4},"
		"'volumes':{'volume:o7':[]},'ports':{'net0':null},"
		"'images':[1,{'name':4}],'arbiter':3,'last_failover':'x'}",
		"{'signs':{'heartbeats':{}}}", "{'signs':{'heartbeats':[3]}}" };
	char vm[32];
	struct fx fx;
	size_t i;

	CHECK_EQ(fx_open(&fx, "view"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "");
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		json_t *one = fx_json(shapes[i]);
		const json_t *f[2] = { one, one };
		json_t *all = json_pack("[o,o,o,o,o,o]",
		    view_unit(fx.st, f, 0), view_nodes(fx.st, f, 0),
		    view_vms(fx.st, f, 0), view_volumes(fx.st, f, 1),
		    view_networks(fx.st, f, 1), view_images(f, 0));

		CHECK(all != NULL);
		json_decref(all);
		json_decref(one);
	}
	fx_close(&fx);
	return 0;
}

TESTS_MAIN(T(every_state_is_a_row_of_a1), T(states_by_example),
    T(a_running_unit), T(the_time_of_a_start_stays), T(no_facts_at_all), T(states_of_the_unit),
    T(a_peer_without_any_sign_is_lost_although_its_facts_are_there),
    T(reading_is_by_role_and_strict), T(facts_of_any_shape_do_no_harm))
