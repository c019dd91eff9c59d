/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/text.h - what av-setup says, in the user's language
 *
 * English sentences are the keys, as in avcli.  The language is one variable: the
 * service sets it to the other PM's user's while it answers that PM.
 */
#ifndef AV_SETUP_TEXT_H
#define AV_SETUP_TEXT_H

#include <stddef.h>

struct text_pair { const char *en, *ja; };
extern const struct text_pair text_ja[];	/* ends with NULL */

const char *tr(const char *english) __attribute__((format_arg(1)));
/* "ja", else English.  Returns the one before: a static string. */
const char *tr_language(const char *lang);
/* "en" or "ja". */
const char *tr_now(void);

#endif
