/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/finding.h - what a check found, and a way out
 *
 * A list of fixed size.  'code' is a stable word, 'text' a sentence in the user's
 * language, 'hint' what to do about it ("" when nothing needs to be done).
 */
#ifndef AV_SETUP_FINDING_H
#define AV_SETUP_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "base/err.h"

enum finding_level { FINDING_OK, FINDING_WARN, FINDING_BLOCK };

struct finding {
	enum finding_level level;
	char	code[32];
	char	text[400];
	char	hint[400];
};

#define FINDINGS_MAX	64

struct findings {
	struct finding	list[FINDINGS_MAX];
	size_t		n;
};

/* Past FINDINGS_MAX a warning is dropped; a block takes the last place. */
struct finding *findings_add(struct findings *fs, enum finding_level level,
    const char *code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void finding_hint(struct finding *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool findings_block(const struct findings *fs);
const struct finding *findings_find(const struct findings *fs, const char *code);
/* A line each ("ok", "warning", "refused"), hints below; all but 'ok' when 'few'. */
void findings_print(const struct findings *fs, bool few, FILE *f);

json_t *findings_encode(const struct findings *fs);
/* Appends those of a peer; one with control characters is an error as a whole. */
int findings_decode(const json_t *j, struct findings *fs, struct av_err *err);

#endif
