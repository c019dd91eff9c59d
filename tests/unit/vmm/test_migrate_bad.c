/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Live migration with QEMU (migrate_cases.h): bad input, pauses.
 */
#include "tests/test.h"
#include "tests/unit/vmm/migrate_cases.h"

MIGRATE_CASE(qemu, never_a_stream)
MIGRATE_CASE(qemu, wrong_key)
MIGRATE_CASE(qemu, other_machine)
MIGRATE_CASE(qemu, nobody_listens)
MIGRATE_CASE(qemu, pinned)
MIGRATE_CASE(qemu, pause_at_once)
MIGRATE_CASE(qemu, pause_late_answer)

TESTS_MAIN(T(qemu_never_a_stream), T(qemu_wrong_key), T(qemu_other_machine),
    T(qemu_nobody_listens), T(qemu_pinned),
    T(qemu_pause_at_once), T(qemu_pause_late_answer))
