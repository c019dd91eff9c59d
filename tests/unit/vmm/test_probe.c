/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <unistd.h>

#include "tests/test.h"
#include "vmm/probe.h"
#include "vmm/vmm.h"

/* The payload is right: it does its work where code surely runs. */
TEST(payload_works_under_tcg)
{
	CHECK_EQ(vmm_probe_run(NULL, "tcg", 60000), 0);
	return 0;
}

TEST(silence_is_not_kvm)
{
	char why[160];

	CHECK_EQ(vmm_probe_run(NULL, "tcg", 1), -ETIMEDOUT);
	CHECK_EQ(vmm_probe_run("/bin/true", "kvm", 60000), -EIO);
	CHECK(vmm_probe_run("/no/such/qemu", "kvm", 60000) < 0);
	CHECK_EQ(vmm_probe_accel("/bin/true", 60000, why, sizeof(why)),
	    VMM_ACCEL_TCG);
	CHECK(why[0] != '\0');
	return 0;
}

TESTS_MAIN(T(payload_works_under_tcg), T(silence_is_not_kvm))
