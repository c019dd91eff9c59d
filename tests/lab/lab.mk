# SPDX-License-Identifier: GPL-2.0-or-later
# make lab-test: the packages in two QEMU machines; docs/LAB.md.  By hand: too long for CI.
lab-test: all deb
	$(Q)B=$(B) TEST_TIMEOUT=7200 tests/run-tests tests/lab/lab-test
# the drbd driver on the real module
lab-conformance-drbd: all $(B)/tests/unit/mirror/test_conform
	$(Q)B=$(B) TEST_TIMEOUT=7200 tests/run-tests tests/lab/drbd-conformance
# both mirrors side by side
lab-bench-mirror: all $(B)/tests/bench/nbdload
	$(Q)B=$(B) tests/lab/bench-mirror
.PHONY: lab-test lab-conformance-drbd lab-bench-mirror

include tests/lab/xen.mk
