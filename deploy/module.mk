# SPDX-License-Identifier: GPL-2.0-or-later
# deploy: the first process of a machine of the try unit
PMINIT_OBJS := $(B)/deploy/pminit.o $(B)/deploy/pmroot.o $(B)/deploy/pmwatch.o
$(B)/av-pminit: $(PMINIT_OBJS) $(BASE_LIBS)
	$(LINK)
$(B)/av-pminit: LDLIBS = $(BASE_LDLIBS)
PROGRAMS += $(B)/av-pminit

LIVE_SCRIPTS += $(addprefix tests/live/test_,machines.sh try.sh volumes.sh kill_daemons.sh \
	failover_repeat.sh cuts.sh bad_conditions.sh arbiter.sh debian_guest.sh \
	browser.sh bad_input.sh conformance.sh migrate.sh)

include deploy/install.mk
CHECK_SCRIPTS += tests/unit/deploy/packaging
LIVE_SCRIPTS += tests/live/test_packages.sh
