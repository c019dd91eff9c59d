/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/text_ja.c - what av-setup says, in Japanese
 */
#include <stddef.h>

#include "nodeagent/setup/text.h"

const struct text_pair text_ja[] = {
	{ NULL, NULL },
};
