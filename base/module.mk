# SPDX-License-Identifier: GPL-2.0-or-later
# base: linked into every program
BASE_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard base/*.c))
$(B)/libbase.a: $(BASE_OBJS)
	$(AR_LIB)
BASE_LIBS := $(B)/libbase.a
BASE_LDLIBS := -ljansson -lutf8proc -lpthread
