/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/codeset.h - between the terminal's character set and UTF-8
 *
 * Coming in, bytes that aren't text in the locale's character set are refused:
 * guessing could name another VM.  Going out, a character that the terminal
 * can't show becomes '?'; ids are ASCII and always stand beside names.
 */
#ifndef AVCLI_CODESET_H
#define AVCLI_CODESET_H

#include <stddef.h>
#include <stdio.h>

/* Takes the codeset of the locale that setlocale() has set.  'codeset' NULL =
 * ask the locale; tests name one.  -1 when iconv doesn't know it. */
int codeset_open(const char *codeset);
const char *codeset_name(void);

/* *ret_utf8 is yours.  0, or -EILSEQ (also for an incomplete end), -ENOMEM. */
int codeset_in(const char *text, char **ret_utf8);
/* The bytes to send to the terminal, yours, *ret_n of them; NULL without
 * memory. */
char *codeset_out(const char *utf8, size_t n, size_t *ret_n);

/* UTF-8 to a stream, converted.  Write errors show in ferror(). */
void codeset_write(FILE *f, const char *utf8, size_t n);
void codeset_printf(FILE *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
