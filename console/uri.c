/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/uri.c - path and query of a request, decoded once and strictly
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "console/uri.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes in place; '+' is a blank only in a query. */
static int
decode(char *s, int in_query)
{
	char *to = s, *from = s;

	for (; *from != '\0'; from++) {
		if (*from == '%') {
			int hi = hex_digit(from[1]);
			int lo = hi < 0 ? -1 : hex_digit(from[2]);

			if (lo < 0 || (hi == 0 && lo == 0))
				return -EINVAL;
			*to++ = (char)(hi << 4 | lo);
			from += 2;
		} else if (*from == '+' && in_query) {
			*to++ = ' ';
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return av_utf8_ok(s) ? 0 : -EINVAL;
}

static int
path_split(char *path, struct uri *u)
{
	char *part = path, *slash;

	do {
		slash = strchr(part, '/');
		if (slash != NULL)
			*slash = '\0';
		if (u->n_parts == URI_PARTS_MAX)
			return -E2BIG;
		if (decode(part, 0) < 0)
			return -EINVAL;
		u->parts[u->n_parts++] = part;
		part = slash != NULL ? slash + 1 : NULL;
	} while (part != NULL);
	return 0;
}

static int
query_split(char *query, struct uri *u)
{
	char *save = NULL, *arg;

	for (arg = strtok_r(query, "&", &save); arg != NULL;
	    arg = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(arg, '=');

		if (u->n_args == URI_QUERY_MAX)
			return -E2BIG;
		if (eq != NULL)
			*eq++ = '\0';
		else
			eq = arg + strlen(arg);
		if (decode(arg, 1) < 0 || decode(eq, 1) < 0)
			return -EINVAL;
		u->args[u->n_args].key = arg;
		u->args[u->n_args++].value = eq;
	}
	return 0;
}

int
uri_parse(const char *raw, struct uri *ret)
{
	struct uri u = { .buf = NULL };
	char *query;
	int rc;

	if (raw[0] != '/')
		return -EINVAL;
	u.buf = strdup(raw);
	if (u.buf == NULL)
		return -ENOMEM;
	query = strchr(u.buf, '?');
	if (query != NULL)
		*query++ = '\0';
	rc = path_split(u.buf + 1, &u);
	if (rc == 0 && query != NULL)
		rc = query_split(query, &u);
	if (rc < 0) {
		free(u.buf);
		return rc;
	}
	*ret = u;
	return 0;
}

void
uri_dispose(struct uri *u)
{
	free(u->buf);
	*u = (struct uri){ .buf = NULL };
}

const char *
uri_arg(const struct uri *u, const char *key)
{
	unsigned i;

	for (i = 0; i < u->n_args; i++)
		if (strcmp(u->args[i].key, key) == 0)
			return u->args[i].value;
	return NULL;
}
