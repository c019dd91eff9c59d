# SPDX-License-Identifier: GPL-2.0-or-later
# deploy/guest: the record service (static: it goes into an image without
# libraries) and its client
$(B)/av-recordctl: $(B)/deploy/guest/recordctl_main.o $(BASE_LIBS)
	$(LINK)
$(B)/av-recordctl: LDLIBS = $(BASE_LDLIBS)

# never with sanitizers: they don't link statically
$(B)/av-recordd: deploy/guest/recordd.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE $(CFLAGS) -static -o $@ $<
$(B)/av-beatd: deploy/guest/beatd.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE $(CFLAGS) -static -o $@ $<
PROGRAMS += $(B)/av-recordctl $(B)/av-recordd $(B)/av-beatd
LIVE_SCRIPTS += tests/live/test_guest.sh
