/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/text.c - what av-setup says, in the user's language
 */
#include <stdbool.h>
#include <string.h>

#include "nodeagent/setup/text.h"

static bool japanese;

const char *
tr(const char *english)
{
	const struct text_pair *p;

	if (japanese)
		for (p = text_ja; p->en != NULL; p++)
			if (strcmp(p->en, english) == 0)
				return p->ja;
	return english;
}

const char *
tr_now(void)
{
	return japanese ? "ja" : "en";
}

const char *
tr_language(const char *lang)
{
	const char *before = tr_now();

	japanese = strcmp(lang, "ja") == 0;
	return before;
}
