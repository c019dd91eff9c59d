/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Live migration with QEMU (migrate_cases.h): moved, or not.
 */
#include "tests/test.h"
#include "tests/unit/vmm/migrate_cases.h"

MIGRATE_CASE(qemu, there_and_back)
MIGRATE_CASE(qemu, cancelled)
MIGRATE_CASE(qemu, target_killed)
MIGRATE_CASE(qemu, source_killed)
MIGRATE_CASE(qemu, uncommitted)

TESTS_MAIN(T(qemu_there_and_back), T(qemu_cancelled), T(qemu_target_killed),
    T(qemu_source_killed), T(qemu_uncommitted))
