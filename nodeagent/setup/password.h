/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/password.h - the administrator's password
 */
#ifndef AV_SETUP_PASSWORD_H
#define AV_SETUP_PASSWORD_H

#include "base/err.h"

#define PASSWORD_MIN_CHARS	8
#define PASSWORD_MAX_BYTES	256

/* From a file's first line, or twice from the terminal without echo; never from the
 * command line.  password_free() wipes it. */
int password_get(const char *file, char **ret, struct av_err *err);
void password_free(char *password);

#endif
