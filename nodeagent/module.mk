# SPDX-License-Identifier: GPL-2.0-or-later
# the node agent and the guard: all but their main files is a library for tests
NODEAGENT_SRCS := $(filter-out nodeagent/main.c nodeagent/guard_main.c nodeagent/scope_main.c,$(wildcard nodeagent/*.c nodeagent/core/*.c))
NODEAGENT_OBJS := $(patsubst %.c,$(B)/%.o,$(NODEAGENT_SRCS))
$(B)/libnodeagent.a: $(NODEAGENT_OBJS)
	$(AR_LIB)
NODEAGENT_LDLIBS := -lsqlite3 -lsystemd -lcpg -lcurl -lgnutls -lcrypt $(BASE_LDLIBS)

NODEAGENT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/nodeagent/test_*.c tests/sim/test_*.c))
NODEAGENT_LIBS := $(B)/libnodeagent.a $(B)/libvmm.a $(B)/libvif.a $(B)/libmirror.a $(BASE_LIBS)
# the simulator: one program of many files; see tests/sim/sim.h
SIM_OBJS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/sim/test_%,$(wildcard tests/sim/*.c)))
$(B)/tests/sim/test_role_sim: $(SIM_OBJS)
# make sim SEEDS=1-10000 [FAULTS=500]
SEEDS ?= 1-5000
FAULTS ?= 250
sim: $(B)/tests/sim/test_role_sim
	$(Q)SIM_OUT=$(B)/sim SIM_FAULTS=$(FAULTS) $< --seeds $(SEEDS)
.PHONY: sim
$(NODEAGENT_TESTS): $(B)/%: $(B)/%.o $(NODEAGENT_LIBS)
	$(LINK)
$(NODEAGENT_TESTS): LDLIBS = $(NODEAGENT_LDLIBS)
UNIT_TESTS += $(NODEAGENT_TESTS)

# fuzz targets: see mirror/module.mk
NODEAGENT_FUZZ := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/nodeagent_*.c))
$(NODEAGENT_FUZZ): $(B)/%: $(B)/%.o $(NODEAGENT_LIBS)
	$(LINK)
$(NODEAGENT_FUZZ): LDLIBS = $(NODEAGENT_LDLIBS)
UNIT_TESTS += $(NODEAGENT_FUZZ)

$(B)/avnoded: $(B)/nodeagent/main.o $(NODEAGENT_LIBS)
	$(LINK)
$(B)/avnoded: LDLIBS = $(NODEAGENT_LDLIBS)
PROGRAMS += $(B)/avnoded
LIVE_SCRIPTS += tests/live/test_membership.sh tests/live/test_quorum.sh tests/live/test_split.sh \
	tests/live/test_ping.sh tests/live/test_refused.sh

$(B)/av-watchdog: $(B)/nodeagent/guard_main.o $(NODEAGENT_LIBS)
	$(LINK)
$(B)/av-watchdog: LDLIBS = $(NODEAGENT_LDLIBS)
PROGRAMS += $(B)/av-watchdog
LIVE_SCRIPTS += tests/live/test_watchdog.sh tests/live/test_mtbf.sh

# puts guests and mirror servers into scopes of systemd
$(B)/av-scope: $(B)/nodeagent/scope_main.o $(NODEAGENT_LIBS)
	$(LINK)
$(B)/av-scope: LDLIBS = -lsystemd $(BASE_LDLIBS)
PROGRAMS += $(B)/av-scope
include nodeagent/setup/setup.mk
