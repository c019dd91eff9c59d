/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/conf.c - configuration files: 'key = value' lines
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/str.h"

#define CONF_KEYS_MAX	64

static char *
strip(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

static int
line_take(char *line, const struct av_conf_key *keys, size_t n_keys,
    bool *seen, void *ctx, struct av_err *err)
{
	char *eq, *key, *value;
	size_t i;

	line = strip(line);
	if (*line == '\0' || *line == '#')
		return 0;
	if (!av_utf8_ok(line))
		return av_err_set(err, -EINVAL, "not UTF-8 text");
	eq = strchr(line, '=');
	if (eq == NULL)
		return av_err_set(err, -EINVAL, "'%s' is not 'key = value'",
		    line);
	*eq = '\0';
	key = strip(line);
	value = strip(eq + 1);
	for (i = 0; i < n_keys; i++)
		if (strcmp(keys[i].name, key) == 0)
			break;
	if (i == n_keys)
		return av_err_set(err, -EINVAL, "unknown key '%s'", key);
	if (seen[i])
		return av_err_set(err, -EINVAL, "key '%s' stands twice", key);
	seen[i] = true;
	return keys[i].set(ctx, value, err);
}

int
av_conf_load(const char *path, const struct av_conf_key *keys, size_t n_keys,
    void *ctx, struct av_err *err)
{
	AUTO_FILE FILE *f = NULL;
	AUTO_FREE char *line = NULL;
	bool seen[CONF_KEYS_MAX] = { false };
	size_t room = 0, i;
	unsigned n_line = 0;
	char where[300];

	if (n_keys > CONF_KEYS_MAX)
		return av_err_set(err, -E2BIG, "more than %d keys declared",
		    CONF_KEYS_MAX);
	f = fopen(path, "re");
	if (f == NULL)
		return av_err_set(err, -errno, "%s: %s", path, strerror(errno));
	while (getline(&line, &room, f) >= 0) {
		int rc;

		n_line++;
		rc = line_take(line, keys, n_keys, seen, ctx, err);
		if (rc < 0) {
			(void)snprintf(where, sizeof(where), "%s line %u",
			    path, n_line);
			(void)av_err_prefix(err, where);
			return rc;
		}
	}
	if (ferror(f))
		return av_err_set(err, -EIO, "%s: read failed", path);
	for (i = 0; i < n_keys; i++)
		if (keys[i].required && !seen[i])
			return av_err_set(err, -EINVAL, "%s: key '%s' is missing",
			    path, keys[i].name);
	return 0;
}
