# SPDX-License-Identifier: GPL-2.0-or-later
# unit tests of base/; every other folder lists its own in its module.mk
BASE_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/base/test_*.c))
$(BASE_TESTS): $(B)/%: $(B)/%.o $(BASE_LIBS)
	$(LINK)
$(BASE_TESTS): LDLIBS = $(BASE_LDLIBS)
UNIT_TESTS += $(BASE_TESTS)
