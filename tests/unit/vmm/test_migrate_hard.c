/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Live migration with QEMU (migrate_cases.h): new agents, slow and hung links.
 */
#include "tests/test.h"
#include "tests/unit/vmm/migrate_cases.h"

MIGRATE_CASE(qemu, new_agents)
MIGRATE_CASE(qemu, never_done)
MIGRATE_CASE(qemu, hung_switch)
MIGRATE_CASE(qemu, hung_switch_pinned)

TESTS_MAIN(T(qemu_new_agents), T(qemu_never_done), T(qemu_hung_switch),
    T(qemu_hung_switch_pinned))
