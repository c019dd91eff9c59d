/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Live migration with the sim driver (migrate_cases.h), and its strings.
 */
#include <signal.h>

#include "tests/test.h"
#include "tests/unit/vmm/migrate_cases.h"

MIGRATE_CASE(sim, there_and_back)
MIGRATE_CASE(sim, cancelled)
MIGRATE_CASE(sim, target_killed)
MIGRATE_CASE(sim, source_killed)
MIGRATE_CASE(sim, uncommitted)
MIGRATE_CASE(sim, never_a_stream)
MIGRATE_CASE(sim, wrong_key)
MIGRATE_CASE(sim, other_machine)
MIGRATE_CASE(sim, nobody_listens)
MIGRATE_CASE(sim, new_agents)
MIGRATE_CASE(sim, pinned)

TEST(sim_breaks_at_any_phase)
{
	static const enum vmm_phase at[] = { VMM_PHASE_SETUP, VMM_PHASE_ACTIVE,
		VMM_PHASE_SWITCHING };
	size_t i, side;

	for (i = 0; i < 6; i++) {
		struct vmm_link l;
		struct ends e;
		struct end *a = &e.end[0], *b = &e.end[1];

		side = i / 3;
		CHECK_EQ(ends_init(&e, "sim", &migrate_conf), 0);
		CHECK_EQ(migrate_both_ready(&e, &l), 0);
		vmm_sim_migration_hold(at[i % 3]);
		CHECK_EQ(migrate_go(a, &l, NULL), 0);
		CHECK_EQ(end_wait_phase(a, at[i % 3]), 0);
		if (side == 0)
			vmm_sim_migration_break(a->dom);
		else
			vmm_sim_die(b->dom, SIGKILL);
		vmm_sim_migration_hold(VMM_PHASE_NONE);
		CHECK_EQ(end_wait_phase(a, VMM_PHASE_FAILED), 0);
		CHECK_EQ(end_status(a).state, VMM_RUNNING);
		if (side == 1 || i % 3 > 0)
			CHECK_EQ(end_wait_state(b, VMM_EXITED), 0);
		ends_dispose(&e);
	}
	return 0;
}

TEST(sim_other_version)
{
	struct vmm_link l;
	struct ends e;

	CHECK_EQ(ends_init(&e, "sim", &migrate_conf), 0);
	CHECK_EQ(migrate_both_ready(&e, &l), 0);
	vmm_sim_version(e.end[1].dom, "8.0");
	CHECK_EQ(migrate_go(&e.end[0], &l, NULL), 0);
	CHECK_EQ(end_wait_phase(&e.end[0], VMM_PHASE_FAILED), 0);
	CHECK_EQ(end_status(&e.end[1]).reason, VMM_REASON_INCOMING_FAILED);
	ends_dispose(&e);
	return 0;
}

TESTS_MAIN(T(sim_there_and_back), T(sim_cancelled), T(sim_target_killed),
    T(sim_source_killed), T(sim_uncommitted), T(sim_never_a_stream),
    T(sim_wrong_key), T(sim_other_machine), T(sim_nobody_listens),
    T(sim_new_agents), T(sim_pinned), T(sim_breaks_at_any_phase),
    T(sim_other_version))
