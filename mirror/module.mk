# SPDX-License-Identifier: GPL-2.0-or-later
# mirror: driver interface (libmirror.a) and the mirror server (nbdkit plugin)
MIRROR_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard mirror/*.c))
# parts of the server that are pure, or local files only
MIRROR_LEG_OBJS := $(patsubst %,$(B)/mirror/replica/%.o,\
	identity meta leg range proto pace window snapshot)
MIRROR_PLUGIN_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard mirror/replica/*.c)) \
	$(B)/mirror/names.o

$(B)/libmirror.a: $(MIRROR_OBJS) $(MIRROR_LEG_OBJS)
	$(AR_LIB)
# users link: $(MIRROR_LIBS) $(BASE_LIBS), LDLIBS = $(MIRROR_LDLIBS) $(BASE_LDLIBS)
MIRROR_LIBS := $(B)/libmirror.a
MIRROR_LDLIBS := -lsystemd
# nbdkit itself isn't built with sanitizers, so a plugin that is needs their
# libraries loaded first; see tests/unit/mirror/
$(B)/nbdkit-avreplica-plugin.so: $(MIRROR_PLUGIN_OBJS) $(BASE_LIBS)
	$(call say,LD)$(CC) $(HARDEN_LD) -shared -Wl,-Bsymbolic \
	  -Wl,--version-script=mirror/replica/plugin.map -o $@.new \
	  $(filter %.o,$^) $(filter %.a,$^) -lgnutls $(BASE_LDLIBS) && \
	  mv -f $@.new $@
# in one step (above), as a running server may be loading the old one
PROGRAMS += $(B)/libmirror.a $(B)/nbdkit-avreplica-plugin.so

# DRBD's handler; installed as /usr/lib/avpair/av-fence-peer
$(B)/av-fence-peer: $(B)/mirror/fence/av_fence_peer.o $(BASE_LIBS)
	$(LINK)
$(B)/av-fence-peer: LDLIBS = $(BASE_LDLIBS)
PROGRAMS += $(B)/av-fence-peer

# fuzz targets replay fixed and mutated inputs in 'make check'; with clang and
# -DAV_FUZZ they build for libFuzzer
MIRROR_FUZZ := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/mirror_*.c))
$(MIRROR_FUZZ): $(B)/%: $(B)/%.o $(MIRROR_LIBS) $(BASE_LIBS)
	$(LINK)
$(MIRROR_FUZZ): LDLIBS = $(MIRROR_LDLIBS) $(BASE_LDLIBS)
UNIT_TESTS += $(MIRROR_FUZZ)

MIRROR_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/mirror/test_*.c))
$(MIRROR_TESTS): $(B)/%: $(B)/%.o $(B)/tests/unit/mirror/pair.o \
	$(B)/tests/unit/mirror/drbd_pair.o \
	$(patsubst %,$(B)/mirror/replica/%.o,tls stream wire) $(MIRROR_LIBS) $(BASE_LIBS)
	$(LINK)
$(MIRROR_TESTS): LDLIBS = $(MIRROR_LDLIBS) $(BASE_LDLIBS) -lnbd -lgnutls
UNIT_TESTS += $(MIRROR_TESTS)

# a bad disk: loaded into real servers by pair_new_faulty(); never sanitized
$(B)/tests/unit/mirror/fault_disk.so: tests/unit/mirror/fault_disk.c \
	tests/unit/mirror/fault_disk.h
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -fPIC \
	  -shared -I. -o $@.new $< -ldl && mv -f $@.new $@
$(MIRROR_TESTS): | $(B)/tests/unit/mirror/fault_disk.so
$(B)/tests/unit/mirror/test_bad_peer: $(B)/tests/unit/mirror/bad_peer.o

# power cuts, replayed: the server's sources once more, over simulated threads,
# files and connections (tests/unit/mirror/crash_redirect.h)
CRASH_SERVER_OBJS := $(patsubst %.c,$(B)/crash/%.o,$(filter-out \
	$(patsubst %,mirror/replica/%.c,control plugin tls stream wire \
	nbdserve nbdrun),\
	$(wildcard mirror/replica/*.c)) mirror/names.c)
CRASH_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/unit/mirror/crash*.c))
CRASH_REDIRECT := tests/unit/mirror/crash_redirect.h
$(CRASH_SERVER_OBJS): $(B)/crash/%.o: %.c $(CRASH_REDIRECT)
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP \
	  -include $(CRASH_REDIRECT) -c -o $@ $<
$(B)/tests/unit/mirror/crash: $(CRASH_OBJS) $(CRASH_SERVER_OBJS) $(BASE_LIBS)
	$(LINK)
$(B)/tests/unit/mirror/crash: LDLIBS = $(BASE_LDLIBS) -lgnutls
UNIT_TESTS += $(B)/tests/unit/mirror/crash

# one PM's side of a mirror on a real machine, for tests/lab/drbd_*; not installed
$(B)/tests/lab/mirror-pm: $(B)/tests/lab/mirror_pm.o \
	$(B)/tests/lab/mirror_pm_write.o $(MIRROR_LIBS) $(BASE_LIBS)
	$(LINK)
$(B)/tests/lab/mirror-pm: LDLIBS = $(MIRROR_LDLIBS) $(BASE_LDLIBS)
PROGRAMS += $(B)/tests/lab/mirror-pm
