/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/conf.h - configuration files: 'key = value' lines
 *
 * '#' begins a comment line; a key may stand once; an unknown key, a line
 * that isn't understood or bytes that aren't UTF-8 are errors with the line
 * number.  Keys are declared by the caller in one table.
 */
#ifndef AV_CONF_H
#define AV_CONF_H

#include <stdbool.h>
#include <stddef.h>

struct av_err;

struct av_conf_key {
	const char	*name;
	/* Takes the value; -errno and a sentence refuse it. */
	int		(*set)(void *ctx, const char *value, struct av_err *err);
	bool		 required;
};

/* 0, or -errno with a sentence that names file and line. */
int av_conf_load(const char *path, const struct av_conf_key *keys,
    size_t n_keys, void *ctx, struct av_err *err);

#endif
