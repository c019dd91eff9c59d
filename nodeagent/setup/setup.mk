# SPDX-License-Identifier: GPL-2.0-or-later
# av-setup: all but its main file is a library for tests
SETUP_SRCS := $(filter-out nodeagent/setup/main.c,$(wildcard nodeagent/setup/*.c)) \
	nodeagent/host_program.c nodeagent/host_xen.c
$(B)/libsetup.a: $(patsubst %.c,$(B)/%.o,$(SETUP_SRCS))
	$(AR_LIB)
SETUP_LIBS := $(B)/libsetup.a $(B)/libvif.a $(BASE_LIBS)
SETUP_LDLIBS := -lgnutls -lcrypt $(BASE_LDLIBS)

$(B)/av-setup: $(B)/nodeagent/setup/main.o $(SETUP_LIBS)
	$(LINK)
$(B)/av-setup: LDLIBS = $(SETUP_LDLIBS)
PROGRAMS += $(B)/av-setup

SETUP_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/setup/test_*.c tests/fuzz/setup_*.c))
$(SETUP_TESTS): $(B)/%: $(B)/%.o $(SETUP_LIBS)
	$(LINK)
$(SETUP_TESTS): LDLIBS = $(SETUP_LDLIBS)
UNIT_TESTS += $(SETUP_TESTS)
LIVE_SCRIPTS += tests/live/test_setup.sh
