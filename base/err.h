/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/err.h - one error object for the whole product
 *
 * Functions return 0 or -errno; the details go into a caller-owned 'struct
 * av_err', which is fixed-size and never allocates.  The message is made where
 * the fact is known and printed once, at the top.
 *
 * 'code' is a stable word ("name-exists", "no-memory") that users see in the
 * API and by which texts are translated; docs/API.md lists them all.
 */
#ifndef AV_ERR_H
#define AV_ERR_H

enum av_outcome {
	AV_NOT_DONE = 0,	/* certainly had no effect: safe to retry */
	AV_MAYBE,		/* may have taken effect: re-read state first */
};

struct av_err {
	int		rc;		/* negative errno, 0 = nothing reported */
	enum av_outcome	outcome;
	char		code[32];	/* "" when no stable word was given */
	char		text[256];	/* one line, no newline, no full stop */
};

/* All four return rc.  'err' may be NULL.  A text too long is cut at a UTF-8
 * character's border. */
int av_err_set(struct av_err *err, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int av_err_maybe(struct av_err *err, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int av_err_code(struct av_err *err, int rc, const char *code,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Puts 'what: ' before an error that is already there. */
int av_err_prefix(struct av_err *err, const char *what);

#endif
