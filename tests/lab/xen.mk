# SPDX-License-Identifier: GPL-2.0-or-later
# make lab-conformance-xen: driver "xen" on the real hypervisor; by hand, as lab-test
lab-conformance-xen: all $(B)/tests/unit/vmm/test_conform
	$(Q)B=$(abspath $(B)) TEST_TIMEOUT=3600 tests/run-tests tests/lab/xen-conformance
.PHONY: lab-conformance-xen
