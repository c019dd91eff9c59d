/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/uri.h - path and query of a request, decoded once and strictly
 *
 * The path is cut at '/' before it is decoded, so a name may contain an encoded
 * slash.  Refused: a bad '%', a NUL, what isn't UTF-8, too many parts.
 */
#ifndef CONSOLE_URI_H
#define CONSOLE_URI_H

#include <stddef.h>

#define URI_PARTS_MAX	12
#define URI_QUERY_MAX	12

struct uri_arg {
	char	*key;
	char	*value;
};

struct uri {
	char		*buf;		/* owns all text below */
	char		*parts[URI_PARTS_MAX];
	unsigned	 n_parts;	/* "/a/b" = 2; "/" = 1 empty part */
	struct uri_arg	 args[URI_QUERY_MAX];
	unsigned	 n_args;
};

/* 'raw' is what stands in the request line.  0, -EINVAL, -E2BIG, -ENOMEM. */
int  uri_parse(const char *raw, struct uri *ret);
void uri_dispose(struct uri *u);
/* Borrowed; NULL = not given. */
const char *uri_arg(const struct uri *u, const char *key);

#endif
