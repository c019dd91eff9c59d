/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/session.h - signed sessions that both PMs understand
 *
 * A session is a token that carries its own state, signed with a key derived from
 * the unit's key: the page goes on at the other PM's console when its PM loses
 * power.  Nothing is stored, but what was logged out is remembered here (in
 * memory, on this PM) until it would have expired.
 *
 *   issued --used, older than SESSION_RENEW_MS--> a fresh token is sent along
 *          --unused for SESSION_IDLE_MS, or SESSION_MAX_MS old--> expired
 *
 * Token: "v1." hex(JSON) "." hex(HMAC-SHA256 of what stands before).
 * Times: milliseconds UTC, since two machines compare them.
 * Threads: any; 'struct sessions' has a lock of its own.
 */
#ifndef CONSOLE_SESSION_H
#define CONSOLE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "console/conf.h"

#define SESSION_IDLE_MS		(60ll * 60 * 1000)
#define SESSION_MAX_MS		(12ll * 60 * 60 * 1000)
#define SESSION_RENEW_MS	(5ll * 60 * 1000)
#define SESSION_SKEW_MS		(5ll * 60 * 1000)	/* the PMs' clocks */
#define SESSION_TOKEN_MAX	4096

struct session {
	char	user[256];
	char	role[32];
	char	language[8];
	char	nonce[33];	/* names the session */
	char	print[17];	/* of the password's hash at login */
	int64_t	issued_utc_ms;
	int64_t	active_utc_ms;	/* last use, as the token knows it */
};

struct sessions;

int  sessions_new(const uint8_t secret[CONF_SECRET_BYTES],
    struct sessions **ret);
struct sessions *sessions_free(struct sessions *ss);

/* Fills nonce and times of a new session; user, role, language, print are set. */
int  session_begin(struct session *s, int64_t now_utc_ms);
/* A short fingerprint of a password hash. */
int  session_print(const char *hash, char ret[17]);
/* *ret_token is malloc'd and yours. */
int  session_token(struct sessions *ss, const struct session *s,
    char **ret_token);
/* -EBADMSG = not our token; -ETIME = expired or logged out. */
int  session_read(struct sessions *ss, const char *token, int64_t now_utc_ms,
    struct session *ret);
/* What the page must send in X-CSRF-Token; the same for the whole session. */
int  session_csrf(struct sessions *ss, const struct session *s, char ret[65]);
void session_revoke(struct sessions *ss, const struct session *s,
    int64_t now_utc_ms);
/* Revoked, or older than SESSION_MAX_MS: what lasts longer than a request asks
 * this from time to time. */
bool session_ended(struct sessions *ss, const struct session *s,
    int64_t now_utc_ms);
/* Notes that the session is used by a person; session_idle() knows it then, though
 * an event stream has just the token it began with. */
void session_touch(struct sessions *ss, const struct session *s,
    int64_t now_utc_ms);
/* Nobody has used it here for SESSION_IDLE_MS. */
bool session_idle(struct sessions *ss, const struct session *s,
    int64_t now_utc_ms);
/* Comparison whose time doesn't tell where they differ. */
bool session_equal(const char *a, const char *b);

#endif
