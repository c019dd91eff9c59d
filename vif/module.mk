# SPDX-License-Identifier: GPL-2.0-or-later
# vif: bridges, taps, addresses.  Users link $(VIF_LIBS) before $(BASE_LIBS).
VIF_OBJS := $(patsubst %.c,$(B)/%.o,$(filter-out vif/vifctl_main.c,$(wildcard vif/*.c)))
$(B)/libvif.a: $(VIF_OBJS)
	$(AR_LIB)
VIF_LIBS := $(B)/libvif.a
VIF_LDLIBS := -lsystemd

# each call of vif.h from a shell, for its live test
$(B)/av-vifctl: $(B)/vif/vifctl_main.o $(VIF_LIBS) $(BASE_LIBS)
	$(LINK)
$(B)/av-vifctl: LDLIBS = $(VIF_LDLIBS) $(BASE_LDLIBS)
PROGRAMS += $(B)/av-vifctl

VIF_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/vif/test_*.c))
$(VIF_TESTS): $(B)/%: $(B)/%.o $(VIF_LIBS) $(BASE_LIBS)
	$(LINK)
$(VIF_TESTS): LDLIBS = $(VIF_LDLIBS) $(BASE_LDLIBS)
UNIT_TESTS += $(VIF_TESTS)
LIVE_SCRIPTS += tests/live/test_vif.sh
