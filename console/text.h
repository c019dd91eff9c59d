/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/text.h - errors in the reader's language, as problem+json
 *
 * Texts are in messages.LANG.json, built into the program: code -> {title, detail,
 * hint}, with {param} places.  English uses the sentence of whoever found the
 * error; other languages use 'detail' when all its places can be filled, else
 * the title and that sentence.
 * Threads: any, after text_open().
 */
#ifndef CONSOLE_TEXT_H
#define CONSOLE_TEXT_H

#include <jansson.h>

#include "base/err.h"

/* The built-in files; NUL-terminated. */
extern const char text_openapi[];
extern const char text_messages_en[];
extern const char text_messages_ja[];

int  text_open(struct av_err *err);
void text_close(void);
/* HTTP status of an error's code; 500 for an unknown one. */
unsigned text_status(const char *code);
/* "en" or "ja" for ?lang= (may be NULL) and Accept-Language (may be NULL). */
const char *text_language(const char *asked, const char *accept);
/* A problem+json object, or NULL without memory.  'params' may be NULL. */
json_t *text_problem(const struct av_err *err, const json_t *params,
    const char *lang);

#endif
