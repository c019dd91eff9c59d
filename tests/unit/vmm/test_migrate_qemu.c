/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Live migration with QEMU (migrate_cases.h): moved, or not.
 */
#include "tests/test.h"
#include "tests/unit/vmm/migrate_cases.h"
#include "vmm/qemu.h"

MIGRATE_CASE(qemu, there_and_back)
MIGRATE_CASE(qemu, cancelled)
MIGRATE_CASE(qemu, target_killed)
MIGRATE_CASE(qemu, source_killed)
MIGRATE_CASE(qemu, uncommitted)

TEST(qemu_same_memory)
{
	struct ends e;
	int rc;

	CHECK_EQ(ends_init(&e, "qemu", &migrate_few_pages), 0);
	rc = case_same_memory(&e);
	ends_dispose(&e);
	return rc;
}

/* Low while passes get shorter by themselves, then more, never more than is allowed. */
TEST(qemu_stop_is_short_at_first)
{
	unsigned passes, last = 0;

	CHECK_EQ(qemu_stream_downtime(300, 0), 20);
	CHECK_EQ(qemu_stream_downtime(300, 4), 20);
	CHECK_EQ(qemu_stream_downtime(300, 5), 40);
	CHECK_EQ(qemu_stream_downtime(300, 8), 80);
	CHECK_EQ(qemu_stream_downtime(300, 16), 300);
	CHECK_EQ(qemu_stream_downtime(5, 0), 5);
	for (passes = 0; passes < 4000000000u; passes += 1 + passes / 7) {
		unsigned ms = qemu_stream_downtime(60000, passes);

		CHECK(ms >= last && ms <= 60000);
		last = ms;
	}
	CHECK_EQ(last, 60000);
	return 0;
}

TESTS_MAIN(T(qemu_stop_is_short_at_first), T(qemu_there_and_back),
    T(qemu_same_memory), T(qemu_cancelled), T(qemu_target_killed),
    T(qemu_source_killed), T(qemu_uncommitted))
