# SPDX-License-Identifier: GPL-2.0-or-later
#
# make            builds everything into build/ (build/NAME, build/lib...)
# make check      unit tests; no root, no network
# make live       tests that need root and namespaces
# make drill      faults in random order on a whole unit (root)
# make check-mutants  breaks one safety rule at a time; a named test must see it
# make deb        Debian packages: build/deb/*.deb
# make bench-mirror  how fast the mirror is; no test
# make bench-mirror-scale  what it costs as volumes grow; no test
# make SAN=address,undefined check    the same with sanitizers (own build folder)
# make V=1        shows the commands
#
# Each folder adds its parts in FOLDER/module.mk:
#   PROGRAMS += $(B)/name           something that 'make' builds
#   UNIT_TESTS += $(B)/tests/test_x a test program that 'make check' runs
#   CHECK_SCRIPTS += tests/x.sh     a script that 'make check' runs
#   LIVE_SCRIPTS += tests/live/x.sh a script that 'make live' runs
SAN ?=
B := build$(if $(SAN),-san,)
CC ?= gcc
all:

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wformat=2 \
	-Wimplicit-fallthrough -Wvla -Wpointer-arith -Wwrite-strings \
	-Wcast-align -Wundef
ifeq ($(CI),true)
WARN += -Werror
endif
ifneq ($(SAN),)
HARDEN := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
HARDEN_LD := -fsanitize=$(SAN)
else
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2
HARDEN_LD := -Wl,-z,relro,-z,now
endif
VERSION := $(shell cat VERSION)
ALL_CFLAGS := -std=gnu11 -fPIC $(WARN) $(HARDEN) -D_GNU_SOURCE \
	-DAV_VERSION='"$(VERSION)"' -I. $(CFLAGS)

Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)	$(patsubst $(B)/%,%,$@)";)
AR_LIB = $(call say,AR)rm -f $@ && ar rcs $@ $(filter %.o,$^)
# a program: objects, then archives, then $(LDLIBS) set per target
LINK = $(call say,LD)$(CC) $(HARDEN_LD) -pie -o $@ $(filter %.o,$^) $(filter %.a,$^) $(filter %.a,$^) $(LDLIBS)

PROGRAMS :=
UNIT_TESTS :=
CHECK_SCRIPTS :=
LIVE_SCRIPTS :=
include base/module.mk
include $(filter-out base/module.mk,$(sort $(wildcard */module.mk)))

all: $(PROGRAMS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

check: $(PROGRAMS) $(UNIT_TESTS)
	$(Q)B=$(B) SAN=$(SAN) tests/run-tests $(UNIT_TESTS) $(CHECK_SCRIPTS)

check-mutants: $(PROGRAMS) $(UNIT_TESTS)
	$(Q)tests/check-mutants

live: $(PROGRAMS) $(UNIT_TESTS)
	$(Q)B=$(B) tests/run-tests --live $(LIVE_SCRIPTS)

clean:
	rm -rf build build-san

.PHONY: all check check-mutants live clean
# build/deb is a tree of its own
-include $(shell find $(B) -path $(B)/deb -prune -o -type f -name '*.d' -print 2>/dev/null)
