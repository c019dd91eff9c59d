# SPDX-License-Identifier: GPL-2.0-or-later
# vmm: guests on this PM.  Users link $(VMM_LIBS) before $(BASE_LIBS).
VMM_MAINS := vmm/vmrun_main.c vmm/vmstream_main.c vmm/accelprobe_main.c
VMM_OBJS := $(patsubst %.c,$(B)/%.o,$(filter-out $(VMM_MAINS),$(wildcard vmm/*.c)))
$(B)/libvmm.a: $(VMM_OBJS)
	$(AR_LIB)
VMM_LIBS := $(B)/libvmm.a
VMM_LDLIBS := -lsystemd

$(B)/av-vmrun: $(B)/vmm/vmrun_main.o
	$(LINK)
$(B)/av-accelprobe: $(B)/vmm/accelprobe_main.o $(VMM_LIBS) $(BASE_LIBS)
	$(LINK)
$(B)/av-accelprobe: LDLIBS = $(VMM_LDLIBS) $(BASE_LDLIBS)
$(B)/av-vmstream: $(B)/vmm/vmstream_main.o $(VMM_LIBS) $(BASE_LIBS)
	$(LINK)
$(B)/av-vmstream: LDLIBS = -lgnutls -pthread $(BASE_LDLIBS)
PROGRAMS += $(B)/av-vmrun $(B)/av-vmstream $(B)/av-accelprobe

VMM_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/vmm/test_*.c))
$(VMM_TESTS): $(B)/%: $(B)/%.o $(VMM_LIBS) $(BASE_LIBS)
	$(LINK)
$(VMM_TESTS): LDLIBS = $(VMM_LDLIBS) $(BASE_LDLIBS)
MIGRATE_OBJS := $(patsubst %,$(B)/tests/unit/vmm/%.o,migrate_cases ends tiny)
$(patsubst %,$(B)/tests/unit/vmm/test_migrate_%,sim qemu bad hard): $(MIGRATE_OBJS)
$(B)/tests/unit/vmm/test_stream: LDLIBS += -lgnutls -pthread
UNIT_TESTS += $(VMM_TESTS)

# guests over mirrors: what neither folder may include of the other
OVER_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/migrate/test_*.c))
OVER_OBJS := $(patsubst %,$(B)/tests/unit/%.o,vmm/ends vmm/tiny mirror/pair)
$(OVER_TESTS): $(B)/%: $(B)/%.o $(OVER_OBJS) $(VMM_LIBS) $(B)/libmirror.a $(BASE_LIBS)
	$(LINK)
$(OVER_TESTS): LDLIBS = $(VMM_LDLIBS) $(BASE_LDLIBS) -lnbd
UNIT_TESTS += $(OVER_TESTS)

# the guests of deploy/guest belong to who runs guests
include deploy/guest/guest.mk

include vmm/xenrun/xenrun.mk
