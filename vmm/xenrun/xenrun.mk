# SPDX-License-Identifier: GPL-2.0-or-later
# av-xenrun: the only program that uses Xen's libraries; built where libxen-dev is
XENRUN_OBJS := $(patsubst %.c,$(B)/%.o,$(filter-out vmm/xenrun/be_%.c,$(wildcard vmm/xenrun/*.c)))
WITH_XEN ?= $(if $(wildcard /usr/include/libxl.h),1,0)
ifeq ($(WITH_XEN),1)
$(B)/av-xenrun: $(XENRUN_OBJS) $(B)/vmm/xenrun/be_libxl.o $(B)/vmm/xenrun/be_vif.o $(VMM_LIBS) $(BASE_LIBS)
	$(LINK)
$(B)/av-xenrun: LDLIBS = -lxenlight -lxenctrl -lxenstore -lxentoollog -lgnutls -pthread $(VMM_LDLIBS) $(BASE_LDLIBS)
PROGRAMS += $(B)/av-xenrun
endif

# the same program with domains that are files, for the suite on any machine
$(B)/tests/unit/vmm/av-xenrun-fake: $(XENRUN_OBJS) $(B)/tests/unit/vmm/xen_be_fake.o $(VMM_LIBS) $(BASE_LIBS)
	$(LINK)
$(B)/tests/unit/vmm/av-xenrun-fake: LDLIBS = -lgnutls -pthread $(VMM_LDLIBS) $(BASE_LDLIBS)
$(B)/tests/unit/vmm/test_conform $(B)/tests/unit/vmm/test_xen $(B)/tests/unit/vmm/test_xen_move: | $(B)/tests/unit/vmm/av-xenrun-fake
