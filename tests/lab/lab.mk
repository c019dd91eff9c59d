# SPDX-License-Identifier: GPL-2.0-or-later
# make lab-test: the packages in two QEMU machines; docs/LAB.md.  By hand: too long for CI.
lab-test: all deb
	$(Q)B=$(B) TEST_TIMEOUT=7200 tests/run-tests tests/lab/lab-test
.PHONY: lab-test
