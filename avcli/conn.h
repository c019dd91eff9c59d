/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/conn.h - requests to the API
 *
 * Two ways: the console's Unix socket (root on a PM, no login), or HTTPS with a
 * login.  Whose certificate it is gets checked before anything secret is sent:
 * by --cacert; else by the key kept in known_units; else by the system's
 * authorities; else, the first time, the key is taken and kept (trust.h).  The
 * session (session.h) is made when it is first needed, and once more when the
 * console says that it has expired.
 */
#ifndef AVCLI_CONN_H
#define AVCLI_CONN_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "avcli/avcli.h"

struct conn_conf {
	const char	*socket;	/* used when host is NULL */
	const char	*host;		/* "unit", "10.77.0.10:8443", "[::1]:443" */
	const char	*user;
	const char	*password_file;	/* NULL = environment or prompt */
	const char	*cacert;
	const char	*lang;
	bool		 insecure;
};

struct conn;

/* Strings of 'conf' are borrowed for the life of the connection.  Nothing is
 * sent yet. */
int  conn_open(const struct conn_conf *conf, struct conn **ret,
    struct cli_err *err);
struct conn *conn_close(struct conn *c);
bool conn_is_local(const struct conn *c);

/* One request below /api/v1.  'body' NULL = none.  *ret_answer is yours (NULL
 * when the answer has no body).  After a change that broke off, err->maybe. */
int  conn_request(struct conn *c, const char *method, const char *path,
    const json_t *body, unsigned timeout_ms, json_t **ret_answer,
    struct cli_err *err);
/* The same for looking while one waits: isn't counted as use of the session. */
int  conn_look(struct conn *c, const char *path, json_t **ret_answer,
    struct cli_err *err);
/* GET whose answer is handed on line by line as it comes; 'line' returns false
 * to end it (that is success).  timeout_ms 0 = none. */
int  conn_stream(struct conn *c, const char *path, unsigned timeout_ms,
    bool (*line)(void *arg, const char *text), void *arg, struct cli_err *err);
/* Logs in afresh, whatever is kept. */
int  conn_login(struct conn *c, json_t **ret_answer, struct cli_err *err);
/* Ends the kept session; 0 also when there is none. */
int  conn_logout(struct conn *c, struct cli_err *err);

/* Percent-encodes one part of a path; yours, NULL without memory. */
char *conn_escape(const char *text);

#endif
