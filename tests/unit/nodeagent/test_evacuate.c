/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_evacuate.c - VMs leave a PM that is about to fail, or whose
 * network has no link (E2, E3, F2)
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "nodeagent/evacuate.h"
#include "nodeagent/ports.h"
#include "nodeagent/store_fault.h"
#include "nodeagent/store_sql.h"
#include "tests/test.h"
#include "tests/unit/nodeagent/store_fixture.h"

#define DISK	"{'node':'node0','part':'disk sda','text':'SMART: 12 sectors'}"
#define UP	"{'link':'up','steady':true,'interface':'eth0'}"

struct ev {
	struct fx	fx;
	char		vm[STORE_ID_MAX], found[STORE_ID_MAX];
	const char	*why, *conn;	/* conn: of the VM's volume, on node0 */
};

/* A VM runs on node0. */
static int
ev_open(struct ev *e)
{
	if (fx_open(&e->fx, "evacuate") != 0 ||
	    fx_vm(&e->fx, "web", 300, e->vm) != 0)
		return -1;
	e->why = "";
	e->conn = "connected";
	return sql_script(e->fx.st->db,
	    "UPDATE vm SET node = 0, want = 1, phase = 1", NULL);
}

/* The two PMs' ports of the VM's network, as JSON. */
static int
next(struct ev *e, const char *port0, const char *port1, const char *refused)
{
	AUTO_JSON json_t *f0 = NULL, *f1 = NULL;
	const json_t *facts[2];
	struct evacuate_look l = { .st = e->fx.st, .facts = facts,
		.now_utc_ms = e->fx.at_ms };
	struct store_vm vm;

	if (store_get_vm(e->fx.st, e->vm, &vm) < 0 || vm.n_nics != 1)
		return -1000;
	f0 = json_pack("{s:{s:o}, s:{s:{s:s, s:s}}}", "ports",
	    vm.nics[0].bridge, fx_json(port0), "volumes",
	    vm.disks[0].volume_id, "role", "primary", "conn", e->conn);
	f1 = json_pack("{s:{s:o}}", "ports", vm.nics[0].bridge, fx_json(port1));
	facts[0] = f0;
	facts[1] = f1;
	return evacuate_next(&l, refused, e->found, &e->why);
}

TEST(a_fault_is_reported_replaced_and_cleared)
{
	struct ev e;
	char args[200];
	int i;

	CHECK_EQ(ev_open(&e), 0);
	CHECK(!store_node_faulty(e.fx.st, 0));
	CHECK_STR(fx_code(&e.fx, "node.clear-fault", "{'node':'node0'}"),
	    "already-so");
	CHECK_STR(fx_code(&e.fx, "node.report-fault", "{'node':'node0',"
	    "'part':''}"), "bad-argument");
	CHECK_STR(fx_code(&e.fx, "node.report-fault", DISK), "");
	CHECK_STR(fx_code(&e.fx, "node.report-fault", DISK), "");
	CHECK(store_node_faulty(e.fx.st, 0) && !store_node_faulty(e.fx.st, 1));
	CHECK_STR(fx_code(&e.fx, "node.clear-fault", "{'node':'node0',"
	    "'part':'disk sdb'}"), "already-so");
	CHECK_STR(fx_code(&e.fx, "node.clear-fault", "{'node':'node0',"
	    "'part':'disk sda'}"), "");
	CHECK(!store_node_faulty(e.fx.st, 0));
	for (i = 0; i <= STORE_FAULTS_MAX; i++) {
		(void)snprintf(args, sizeof(args),
		    "{'node':'node0','part':'fan %d'}", i);
		CHECK_STR(fx_code(&e.fx, "node.report-fault", args),
		    i < STORE_FAULTS_MAX ? "" : "too-many");
	}
	e.fx.role = "vm-manager";
	CHECK_STR(fx_code(&e.fx, "node.clear-fault", "{'node':'node0'}"),
	    "forbidden");
	e.fx.role = "administrator";
	CHECK_STR(fx_code(&e.fx, "node.clear-fault", "{'node':'node0'}"), "");
	CHECK(!store_node_faulty(e.fx.st, 0));
	fx_close(&e.fx);
	return 0;
}

TEST(a_pm_with_a_fault_is_emptied)
{
	struct ev e;

	CHECK_EQ(ev_open(&e), 0);
	CHECK_EQ(next(&e, UP, UP, NULL), -2);
	CHECK_STR(fx_code(&e.fx, "node.report-fault", DISK), "");
	CHECK_EQ(next(&e, UP, UP, NULL), 0);
	CHECK_STR(e.found, e.vm);
	CHECK_STR(e.why, "fault");
	CHECK_EQ(next(&e, UP, UP, e.vm), -2);		/* refused just now */
	/* one at a time */
	CHECK_EQ(sql_script(e.fx.st->db, "UPDATE vm SET moving_to = 1", NULL), 0);
	CHECK_EQ(next(&e, UP, UP, NULL), -2);
	CHECK_EQ(sql_script(e.fx.st->db, "UPDATE vm SET moving_to = NULL,"
	    " want = 0", NULL), 0);
	CHECK_EQ(next(&e, UP, UP, NULL), -2);		/* it doesn't run */
	fx_close(&e.fx);
	return 0;
}

/* Out of the frying pan into the fire. */
TEST(not_to_a_pm_that_is_no_better)
{
	struct ev e;

	CHECK_EQ(ev_open(&e), 0);
	CHECK_STR(fx_code(&e.fx, "node.report-fault", DISK), "");
	CHECK_EQ(next(&e, UP, "{'link':'down','steady':false}", NULL), -2);
	CHECK_STR(fx_code(&e.fx, "node.report-fault",
	    "{'node':'node1','part':'fan 1'}"), "");
	CHECK_EQ(next(&e, UP, UP, NULL), -2);
	CHECK_STR(fx_code(&e.fx, "node.clear-fault", "{'node':'node1'}"), "");
	CHECK_EQ(next(&e, UP, UP, NULL), 0);
	CHECK_STR(fx_code(&e.fx, "node.workon", "{'node':'node1'}"), "");
	CHECK_EQ(next(&e, UP, UP, NULL), -2);
	fx_close(&e.fx);
	return 0;
}

TEST(a_link_that_stays_lost_sends_it_away)
{
	struct ev e;

	CHECK_EQ(ev_open(&e), 0);
	CHECK_EQ(next(&e, "{'link':'down','steady':false}", UP, NULL), -2);
	CHECK_EQ(next(&e, "{'link':'down','steady':true}", UP, NULL), 0);
	CHECK_STR(e.why, "link");
	/* the switch that both are at went away */
	CHECK_EQ(next(&e, "{'link':'down','steady':true}",
	    "{'link':'down','steady':false}", NULL), -2);
	/* a network of its own has no port */
	CHECK_EQ(next(&e, "{'link':'unknown','steady':true}", UP, NULL), -2);
	CHECK_EQ(next(&e, "{'link':'down','steady':true}",
	    "{'link':'unknown','steady':true}", NULL), 0);
	fx_close(&e.fx);
	return 0;
}

static int
leg_failed(struct ev *e, int node)
{
	char sql[80];

	(void)snprintf(sql, sizeof(sql), "UPDATE volume SET leg_failed ="
	    " nullif(%d, -1)", node);
	return sql_script(e->fx.st->db, sql, NULL);
}

TEST(a_disk_that_failed_sends_it_away)
{
	struct ev e;

	CHECK_EQ(ev_open(&e), 0);
	CHECK_EQ(leg_failed(&e, 0), 0);
	e.conn = "held";			/* nobody has all writes yet */
	CHECK_EQ(next(&e, UP, UP, NULL), -2);
	e.conn = "diskless";
	CHECK_EQ(next(&e, UP, UP, NULL), 0);
	CHECK_STR(e.why, "disk");
	CHECK_EQ(next(&e, UP, "{'link':'down','steady':false}", NULL), -2);
	fx_close(&e.fx);
	return 0;
}

TEST(not_to_a_failed_disk)
{
	struct ev e;

	CHECK_EQ(ev_open(&e), 0);
	CHECK_STR(fx_code(&e.fx, "node.report-fault", DISK), "");
	CHECK_EQ(leg_failed(&e, 1), 0);
	e.conn = "disconnected";		/* node0 has the only good leg */
	CHECK_EQ(next(&e, UP, UP, NULL), -2);
	CHECK_EQ(leg_failed(&e, -1), 0);
	e.conn = "resync-source";
	CHECK_EQ(next(&e, UP, UP, NULL), -2);
	e.conn = "connected";
	CHECK_EQ(next(&e, UP, UP, NULL), 0);
	fx_close(&e.fx);
	return 0;
}

TEST(a_move_that_failed_is_tried_again_later)
{
	struct ev e;
	char sql[200];

	CHECK_EQ(ev_open(&e), 0);
	CHECK_STR(fx_code(&e.fx, "node.report-fault", DISK), "");
	(void)snprintf(sql, sizeof(sql), "UPDATE vm SET move_result = 'failed',"
	    " move_from = 0, move_target = 1, move_ended_ms = %lld",
	    (long long)e.fx.at_ms);
	CHECK_EQ(sql_script(e.fx.st->db, sql, NULL), 0);
	e.fx.at_ms += EVACUATE_RETRY_MS - 1;
	CHECK_EQ(next(&e, UP, UP, NULL), -2);
	e.fx.at_ms += 1;
	CHECK_EQ(next(&e, UP, UP, NULL), 0);
	fx_close(&e.fx);
	return 0;
}

TEST(home_waits_until_the_pm_is_well)
{
	AUTO_JSON json_t *f0 = NULL;
	const json_t *facts[2] = { NULL, NULL };
	struct evacuate_look l = { .facts = facts };
	struct store_vm vm;
	struct ev e;

	CHECK_EQ(ev_open(&e), 0);
	l.st = e.fx.st;
	CHECK_EQ(store_get_vm(e.fx.st, e.vm, &vm), 0);
	f0 = json_pack("{s:{s:{s:s, s:b}}}", "ports", vm.nics[0].bridge, "link",
	    "up", "steady", false);
	facts[0] = f0;
	CHECK(!evacuate_well(&l, 0, &vm));
	CHECK_EQ(json_object_set_new(json_object_get(json_object_get(f0, "ports"),
	    vm.nics[0].bridge), "steady", json_true()), 0);
	CHECK(evacuate_well(&l, 0, &vm));
	CHECK_EQ(leg_failed(&e, 0), 0);
	CHECK(!evacuate_well(&l, 0, &vm));
	CHECK_EQ(leg_failed(&e, 1), 0);
	CHECK(evacuate_well(&l, 0, &vm));
	CHECK_STR(fx_code(&e.fx, "node.report-fault", DISK), "");
	CHECK(!evacuate_well(&l, 0, &vm));
	fx_close(&e.fx);
	return 0;
}

/* What changes by itself would be sent, and looked at, for ever. */
TEST(facts_of_ports_stand_still)
{
	AUTO_JSON json_t *one = NULL, *two = NULL;
	struct agent_conf c = { .n_networks = 1, .time_scale = 1,
		.networks = { "none" } };
	struct ports p = { 0 };

	one = ports_facts(&p, &c, 1000 * AV_NS_PER_S);
	two = ports_facts(&p, &c, 5000 * AV_NS_PER_S);
	CHECK_EQ(json_object_size(one), 1);
	CHECK(json_equal(one, two));
	return 0;
}

TESTS_MAIN(T(a_fault_is_reported_replaced_and_cleared),
    T(a_pm_with_a_fault_is_emptied), T(not_to_a_pm_that_is_no_better),
    T(a_link_that_stays_lost_sends_it_away),
    T(a_disk_that_failed_sends_it_away), T(not_to_a_failed_disk),
    T(a_move_that_failed_is_tried_again_later),
    T(home_waits_until_the_pm_is_well), T(facts_of_ports_stand_still))
