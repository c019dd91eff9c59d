/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/tr_ja.h - avcli's messages in Japanese (tr_ja.c)
 */
#ifndef AVCLI_TR_JA_H
#define AVCLI_TR_JA_H

#include <stddef.h>

struct tr_pair {
	const char	*english;
	const char	*japanese;	/* the same %-places in the same order */
};

extern const struct tr_pair tr_ja[];
extern const size_t n_tr_ja;

#endif
