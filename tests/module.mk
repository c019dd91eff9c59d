# SPDX-License-Identifier: GPL-2.0-or-later
# unit tests of base/; every other folder lists its own in its module.mk
BASE_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/base/test_*.c))
$(BASE_TESTS): $(B)/%: $(B)/%.o $(BASE_LIBS)
	$(LINK)
$(BASE_TESTS): LDLIBS = $(BASE_LDLIBS)
UNIT_TESTS += $(BASE_TESTS)

# what each test is run under
$(B)/tests/reap: $(B)/tests/reap.o
	$(LINK)
PROGRAMS += $(B)/tests/reap
CHECK_SCRIPTS += tests/test_run_tests

# make bench-mirror: a benchmark, not a test; see docs/HACKING.md
BENCH_MIRROR := $(B)/tests/bench/nbdload $(B)/tests/bench/mirror-pair
$(B)/tests/bench/nbdload: $(B)/tests/bench/nbdload.o $(BASE_LIBS)
	$(LINK)
$(B)/tests/bench/nbdload: LDLIBS = $(BASE_LDLIBS) -lnbd
$(B)/tests/bench/mirror-pair: $(B)/tests/bench/mirror-pair.o \
	$(B)/tests/unit/mirror/pair.o $(MIRROR_LIBS) $(BASE_LIBS)
	$(LINK)
$(B)/tests/bench/mirror-pair: LDLIBS = $(MIRROR_LDLIBS) $(BASE_LDLIBS) -lnbd
bench-mirror: $(BENCH_MIRROR) $(B)/nbdkit-avreplica-plugin.so
	$(Q)B=$(B) tests/bench/bench-mirror
$(B)/tests/bench/mirror-scale: $(B)/tests/bench/mirror-scale.o \
	$(B)/tests/unit/mirror/pair.o $(MIRROR_LIBS) $(BASE_LIBS)
	$(LINK)
$(B)/tests/bench/mirror-scale: LDLIBS = $(MIRROR_LDLIBS) $(BASE_LDLIBS) -lnbd
bench-mirror-scale: $(B)/tests/bench/mirror-scale $(B)/nbdkit-avreplica-plugin.so
	$(Q)B=$(B) tests/bench/bench-mirror-scale
BENCH_MIGRATE_OBJS := $(patsubst %,$(B)/tests/%.o,bench/migrate \
	bench/plain_qemu unit/vmm/ends unit/vmm/tiny unit/mirror/pair)
$(B)/tests/bench/migrate: $(BENCH_MIGRATE_OBJS) $(B)/libvmm.a $(MIRROR_LIBS) \
	$(BASE_LIBS)
	$(LINK)
$(B)/tests/bench/migrate: LDLIBS = $(VMM_LDLIBS) $(MIRROR_LDLIBS) $(BASE_LDLIBS) -lnbd
bench-migrate: $(B)/tests/bench/migrate $(B)/av-vmrun $(B)/nbdkit-avreplica-plugin.so
	$(Q)B=$(B) tests/bench/bench-migrate
.PHONY: bench-mirror bench-mirror-scale bench-migrate

include tests/drill/drill.mk
include tests/lab/lab.mk
