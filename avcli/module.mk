# SPDX-License-Identifier: GPL-2.0-or-later
# avcli: the command line client.  The program is build/avcli, so the objects
# can't be in a folder of that name: they have a rule of their own.
AVCLI_OBJS := $(patsubst avcli/%.c,$(B)/avcli-objs/%.o,$(wildcard avcli/*.c))
AVCLI_LDLIBS := -lcurl -lgnutls -lxml2 $(BASE_LDLIBS)
$(B)/avcli-objs/%.o: avcli/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/avcli-objs/xml.o: EXTRA_CFLAGS += -I/usr/include/libxml2
$(B)/libavcli.a: $(filter-out %/main.o,$(AVCLI_OBJS))
	$(AR_LIB)
$(B)/avcli: $(B)/avcli-objs/main.o $(B)/libavcli.a $(BASE_LIBS)
	$(LINK)
$(B)/avcli: LDLIBS = $(AVCLI_LDLIBS)
PROGRAMS += $(B)/avcli

AVCLI_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/avcli/test_*.c))
$(B)/tests/unit/avcli/test_output.o: EXTRA_CFLAGS += -I/usr/include/libxml2
$(AVCLI_TESTS): $(B)/%: $(B)/%.o $(B)/libavcli.a $(BASE_LIBS)
	$(LINK)
$(AVCLI_TESTS): LDLIBS = $(AVCLI_LDLIBS)
UNIT_TESTS += $(AVCLI_TESTS)

CHECK_SCRIPTS += tests/unit/avcli/avcli.sh

# tests/lint has no module of its own (the top Makefile looks one level deep)
CHECK_SCRIPTS += tests/lint/lint tests/lint/test_lint
