/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/tr.c - messages in the user's language
 *
 * A sorted-by-nothing table is enough: a run of avcli prints one or two of
 * them.  Keys are the English messages; a missing one stays English.
 */
#include <string.h>

#include "avcli/avcli.h"
#include "avcli/tr_ja.h"

static bool japanese;

void
tr_set_language(const char *lang)
{
	japanese = strncmp(lang, "ja", 2) == 0;
}

const char *
tr(const char *english)
{
	size_t i;

	if (!japanese)
		return english;
	for (i = 0; i < n_tr_ja; i++)
		if (strcmp(tr_ja[i].english, english) == 0)
			return tr_ja[i].japanese;
	return english;
}
