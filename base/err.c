/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/err.c - one error object for the whole product
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

static void
fill(struct av_err *err, int rc, enum av_outcome outcome, const char *code,
    const char *fmt, va_list ap)
{
	int keep_errno = av_errno_save();

	err->rc = rc;
	err->outcome = outcome;
	(void)snprintf(err->code, sizeof(err->code), "%s", code);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	av_utf8_trim(err->text);
	av_errno_restore(keep_errno);
}

int
av_err_set(struct av_err *err, int rc, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, fmt);
		fill(err, rc, AV_NOT_DONE, "", fmt, ap);
		va_end(ap);
	}
	return rc;
}

int
av_err_maybe(struct av_err *err, int rc, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, fmt);
		fill(err, rc, AV_MAYBE, "", fmt, ap);
		va_end(ap);
	}
	return rc;
}

int
av_err_code(struct av_err *err, int rc, const char *code, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, fmt);
		fill(err, rc, AV_NOT_DONE, code, fmt, ap);
		va_end(ap);
	}
	return rc;
}

int
av_err_prefix(struct av_err *err, const char *what)
{
	char text[sizeof(err->text)];

	if (err == NULL)
		return -1;
	if (snprintf(text, sizeof(text), "%s: %s", what, err->text) >=
	    (int)sizeof(text))
		av_utf8_trim(text);
	memcpy(err->text, text, sizeof(text));
	return err->rc;
}
