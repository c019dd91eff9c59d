/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_mtbf.c - failures: counted, judged, cleared (A8)
 */
#include "tests/test.h"
#include "tests/unit/nodeagent/old_schema.h"

#include <errno.h>

#include "base/str.h"
#include "nodeagent/core/mtbf.h"
#include "nodeagent/store_mtbf.h"
#include "tests/unit/nodeagent/store_fixture.h"

#define MIN	60000ll

TEST(policies_and_gaps)
{
	static const struct {
		struct mtbf_rule rule;
		int64_t at_min[6];	/* 0 = no more */
		unsigned held;		/* bit n: held at the n-th failure */
		int64_t mean_s;
	} rows[] = {
		/* 4 within an hour: a mean of 3 minutes */
		{ MTBF_RULE_DEFAULT, { 100, 103, 106, 109 }, 8, 180 },
		/* just at the threshold, and just below */
		{ MTBF_RULE_DEFAULT, { 100, 120, 140, 160 }, 0, 1200 },
		{ MTBF_RULE_DEFAULT, { 100, 120, 140, 159 }, 8, 1180 },
		/* three quick ones, then a long rest */
		{ MTBF_RULE_DEFAULT, { 100, 101, 102, 1000 }, 0, 18000 },
		{ MTBF_RULE_DEFAULT, { 100, 101, 102 }, 0, 60 },
		{ MTBF_RULE_DEFAULT, { 100 }, 0, -1 },
		{ { MTBF_THRESHOLD, 1200, 2 }, { 100, 101 }, 2, 60 },
		{ { MTBF_THRESHOLD, 30, 2 }, { 100, 101 }, 0, 60 },
		{ { MTBF_ALWAYS, 1200, 4 }, { 100, 101, 102, 103, 104 }, 0,
		    60 },
		{ { MTBF_NEVER, 1200, 4 }, { 100 }, 1, -1 },
		/* a clock that was set back: no gap, never a longer one */
		{ MTBF_RULE_DEFAULT, { 100, 50, 40, 30 }, 8, 0 },
	};
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mtbf_count c = { 0 };
		unsigned held = 0;

		for (n = 0; n < 6 && rows[i].at_min[n] != 0; n++)
			if (mtbf_failed(&rows[i].rule, &c,
			    rows[i].at_min[n] * MIN))
				held |= 1u << n;
		CHECK_EQ(held, rows[i].held);
		CHECK_EQ(c.failures, n);
		CHECK_EQ(mtbf_mean_s(&c), rows[i].mean_s);
	}
	return 0;
}

TEST(names_round_trip)
{
	enum mtbf_policy p;
	int i;

	for (i = 0; i < MTBF_N_POLICIES; i++) {
		CHECK(mtbf_policy_parse(mtbf_policy_name(
		    (enum mtbf_policy)i), &p) == 0);
		CHECK_EQ((int)p, i);
	}
	CHECK(mtbf_policy_parse("sometimes", &p) == -EINVAL);
	return 0;
}

static const char *
rule(struct fx *fx, const char *op, const char *key, const char *who,
    const char *policy, int threshold, int judged)
{
	char args[200];

	(void)snprintf(args, sizeof(args), "{'%s':'%s','policy':'%s',"
	    "'threshold_s':%d,'judged_from':%d}", key, who, policy, threshold,
	    judged);
	return fx_code(fx, op, args);
}

TEST(a_vm_by_its_own_rule)
{
	struct store_vm vm;
	char id[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "mtbf"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_STR(rule(&fx, "vm.set-mtbf", "vm", "web", "rarely", 60, 2),
	    "bad-argument");
	CHECK_STR(rule(&fx, "vm.set-mtbf", "vm", "web", "threshold", 60, 1),
	    "bad-argument");
	CHECK_STR(rule(&fx, "vm.set-mtbf", "vm", "web", "threshold", 0, 2),
	    "bad-argument");
	CHECK_STR(rule(&fx, "vm.set-mtbf", "vm", "web", "threshold", 60, 2),
	    "");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "");
	CHECK_EQ(fx_vm_report(&fx, id, 1, "crashed"), 0);
	fx.at_ms += 30000;
	CHECK_EQ(fx_vm_report(&fx, id, 2, "crashed"), 0);
	CHECK_EQ(store_get_vm(fx.st, id, &vm), 0);
	CHECK(vm.crash_held && vm.crashes == 2 && vm.node == -1);
	/* reset device: cleared, and started */
	CHECK_STR(fx_vm_do(&fx, "vm.reset", "web"), "");
	CHECK_EQ(store_get_vm(fx.st, id, &vm), 0);
	CHECK(!vm.crash_held && vm.crashes == 0 &&
	    vm.want == STORE_WANT_RUNNING && vm.node >= 0);
	/* of one that runs: only cleared */
	CHECK_EQ(fx_vm_report(&fx, id, (long long)vm.run_id, "crashed"), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.reset", "web"), "");
	CHECK_EQ(store_get_vm(fx.st, id, &vm), 0);
	CHECK(vm.crashes == 0 && vm.want == STORE_WANT_RUNNING);
	/* and the rule stays */
	CHECK_STR(rule(&fx, "vm.set-mtbf", "vm", "web", "never", 60, 2), "");
	CHECK_EQ(fx_vm_report(&fx, id, (long long)vm.run_id, "crashed"), 0);
	CHECK_EQ(store_get_vm(fx.st, id, &vm), 0);
	CHECK(vm.crash_held && vm.crashes == 1);
	fx_close(&fx);
	return 0;
}

static int
takeover(struct fx *fx)
{
	return fx_system(fx, "vm.takeover", "{'from':'node1','to':'node0'}");
}

TEST(a_pm_that_is_lost_again_and_again)
{
	struct fx fx;
	int i;

	CHECK_EQ(fx_open(&fx, "mtbf"), 0);
	for (i = 1; i <= 4; i++) {
		CHECK(!store_node_held(fx.st, 1));
		fx.at_ms += MIN;
		CHECK_EQ(takeover(&fx), 0);
		/* not back since: the same loss */
		CHECK_EQ(takeover(&fx), 0);
		CHECK_EQ(fx_system(&fx, "node.report", "{'node':'node1'}"), 0);
	}
	CHECK(store_node_held(fx.st, 1));
	CHECK(!store_node_held(fx.st, 0));
	CHECK_STR(fx_code(&fx, "node.clear-mtbf", "{'node':'node1'}"), "");
	CHECK(!store_node_held(fx.st, 1));
	CHECK_STR(rule(&fx, "node.set-mtbf", "node", "node1", "never", 60, 2),
	    "");
	CHECK_EQ(takeover(&fx), 0);
	CHECK(store_node_held(fx.st, 1));
	fx_close(&fx);
	return 0;
}

TEST(a_database_of_before_keeps_its_counters)
{
	struct store_mtbf m;
	char id[32];
	struct fx fx;
	int64_t n;

	CHECK_EQ(fx_open(&fx, "mtbf"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_EQ(store_id_parse(KIND_VM, id, &n), 0);
	CHECK_EQ(sql_script(fx.st->db, "UPDATE vm SET crashes = 3,"
	    " crash_first_ms = 7000;" OLD_SCHEMA_1,
	    NULL), 0);
	fx.st = store_close(fx.st);
	CHECK_EQ(store_open(fx.path, &fx.st, &fx.err), 0);
	CHECK_EQ(store_mtbf_get(fx.st, n, &m, NULL), 0);
	CHECK(m.count.failures == 3 && m.count.first_ms == 7000 && !m.held);
	CHECK(m.rule.policy == MTBF_THRESHOLD && m.rule.judged_from == 4);
	fx_close(&fx);
	return 0;
}

TESTS_MAIN(T(policies_and_gaps), T(names_round_trip),
    T(a_vm_by_its_own_rule), T(a_pm_that_is_lost_again_and_again),
    T(a_database_of_before_keeps_its_counters))
