# SPDX-License-Identifier: GPL-2.0-or-later
# the console: all but main.c is a library so that tests can link it
CONSOLE_SRCS := $(filter-out console/main.c,$(wildcard console/*.c))
$(B)/libconsole.a: $(patsubst %.c,$(B)/%.o,$(CONSOLE_SRCS))
	$(AR_LIB)
CONSOLE_LDLIBS := -lmicrohttpd -lgnutls -lwslay -lcrypt $(BASE_LDLIBS)

$(B)/avconsoled: $(B)/console/main.o $(B)/libconsole.a $(BASE_LIBS)
	$(LINK)
$(B)/avconsoled: LDLIBS = $(CONSOLE_LDLIBS)
PROGRAMS += $(B)/avconsoled

# files that are built into the program
$(B)/console/text.o: console/openapi.json console/messages.en.json \
    console/messages.ja.json

CONSOLE_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/console/test_*.c \
	tests/fuzz/console_*.c))
$(CONSOLE_TESTS): $(B)/%: $(B)/%.o $(B)/libconsole.a $(BASE_LIBS)
	$(LINK)
$(CONSOLE_TESTS): LDLIBS = $(CONSOLE_LDLIBS)
UNIT_TESTS += $(CONSOLE_TESTS)

# what tests need beside curl
$(B)/tests/console-tool: $(B)/tests/unit/console/console_tool.o $(BASE_LIBS)
	@mkdir -p $(@D)
	$(LINK)
$(B)/tests/console-tool: LDLIBS = -lgnutls $(BASE_LDLIBS)

# stands in for avnoded in tests and on a page developer's desk
$(B)/tests/fake-agent: $(B)/tests/unit/console/fake_agent.o \
    $(B)/tests/unit/console/fake_world.o \
    $(B)/tests/unit/console/fake_mtbf.o \
    $(B)/tests/unit/console/fake_move.o \
    $(B)/tests/unit/console/fake_quorum.o \
    $(B)/tests/unit/console/fake_volumes.o $(BASE_LIBS)
	@mkdir -p $(@D)
	$(LINK)
$(B)/tests/fake-agent: LDLIBS = -lcrypt $(BASE_LDLIBS)

CHECK_SCRIPTS += tests/unit/console/test_console_e2e
# built before the script runs, by being listed beside the programs
PROGRAMS += $(B)/tests/console-tool $(B)/tests/fake-agent
