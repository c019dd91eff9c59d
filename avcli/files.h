/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/files.h - the user's own files: known units, sessions; and secrets
 *
 * Every writer makes a new file of its own and renames it, so calls that run at
 * the same time never see half a file.
 */
#ifndef AVCLI_FILES_H
#define AVCLI_FILES_H

#include <stddef.h>

#include "avcli/avcli.h"

/* --- ~/.config/avpair/known_units: lines 'HOST:PORT sha256//BASE64' --- */

/* The pin of a unit's public key, malloc'd; NULL = not known. */
char *known_unit_pin(const char *host_port);
int   known_unit_add(const char *host_port, const char *pin,
    struct cli_err *err);
/* For messages; static. */
const char *known_units_path(void);

/* --- ~/.cache/avpair: one file a host and user, 0600 --- */

struct session {
	char	*cookie;	/* "NAME=VALUE", or NULL */
	char	*csrf;		/* or NULL */
};

/* -1 = none kept, or it can be read by others and isn't trusted. */
int  session_load(const char *host_port, const char *user, struct session *s);
/* Failing to keep it costs a login next time and is no error. */
void session_save(const char *host_port, const char *user,
    const struct session *s);
void session_forget(const char *host_port, const char *user);
void session_dispose(struct session *s);

/* --- secrets --- */

/* From 'file' (its first line), else the environment's 'variable', else asked
 * for at the terminal without echo.  *ret is yours: secret_free() wipes it. */
int  secret_get(const char *file, const char *variable, const char *prompt,
    char **ret, struct cli_err *err);
void secret_free(char *secret);
/* A yes/no question at the terminal; 'no' when there is none. */
bool terminal_confirm(const char *question);
bool terminal_exists(void);
/* First line of a file as UTF-8, without the newline; *ret is yours. */
int  first_line(const char *file, size_t max_bytes, char **ret,
    struct cli_err *err);

#endif
