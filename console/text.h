/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/text.h - errors in the reader's language, as problem+json
 *
 * Texts are in messages.LANG.json, built into the program, with {param} places:
 *   errors   code -> {title, detail, hint}
 *   alerts   code -> {text, cause, repair: [..]}
 *   reasons  code -> text; nodeagent/core/role_reason.h has the English
 *   words    what stands for a word in a place {kind}, {activity}, {role}, {needed}
 * A 'detail' may be a list: the first whose places can all be filled is used.  A
 * place {x_bytes} shows a size.  English uses the sentence of whoever found the
 * error or raised the alert; other languages use these, else that sentence.
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
/* Puts the texts of alert.list's answer into the reader's language. */
void text_alerts(json_t *alerts, const char *lang);
/* The same for 'reason' of an object, or of each object in a list.  One without all
 * the params that the text names stays as the agent said it. */
void text_reasons(json_t *result, const char *lang);

#endif
