# SPDX-License-Identifier: GPL-2.0-or-later
# make drill: faults in random order on a unit with several guests; docs/HACKING.md
#   make drill DRILLS=300 SEED=17    goes on where a run of this seed ended
$(B)/tests/drill/witness: $(patsubst %,$(B)/tests/drill/%.o,witness watch procs) \
	$(BASE_LIBS)
	$(LINK)
$(B)/tests/drill/witness: LDLIBS = $(BASE_LDLIBS)
# a clock of its own for a PM's daemons: preloaded, see the file
$(B)/tests/drill/clockstep.so: tests/drill/clockstep.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE $(CFLAGS) -fPIC -shared -o $@ $<

$(B)/tests/drill/test_witness: $(patsubst %,$(B)/tests/drill/%.o,test_witness watch)
	$(LINK)
UNIT_TESTS += $(B)/tests/drill/test_witness
CHECK_SCRIPTS += tests/drill/test_plan
LIVE_SCRIPTS += tests/live/test_witness.sh
live: $(B)/tests/drill/witness

drill: $(PROGRAMS) $(B)/tests/drill/witness $(B)/tests/drill/clockstep.so
	$(Q)B=$(B) DRILLS='$(DRILLS)' SEED='$(SEED)' ONLY='$(ONLY)' DRILL_KINDS='$(DRILL_KINDS)' tests/drill/drill
.PHONY: drill
