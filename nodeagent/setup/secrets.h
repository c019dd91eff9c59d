/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/secrets.h - keys and certificates of a unit
 *
 * All are texts (binary ones in hex), named, so that they travel and are kept as
 * JSON.  secrets_free() wipes them.
 */
#ifndef AV_SETUP_SECRETS_H
#define AV_SETUP_SECRETS_H

#include <stddef.h>

#include <jansson.h>

#include "base/err.h"
#include "nodeagent/setup/plan.h"

/* append only: their names are in files and on the wire */
enum secret {
	SECRET_UNIT_KEY,	/* 64 hex digits: agents' beats, console's sessions */
	SECRET_MIRROR_PSK,	/* 64 hex digits: TLS of mirrors and consoles */
	SECRET_AUTHKEY,		/* 512 hex digits: corosync's */
	SECRET_ADMIN,		/* "admin:HASH" */
	SECRET_CA_CERT,		/* PEM, as all that follow */
	SECRET_CA_KEY,		/* the first PM's alone */
	SECRET_CONSOLE_CERT0, SECRET_CONSOLE_KEY0,
	SECRET_CONSOLE_CERT1, SECRET_CONSOLE_KEY1,
	SECRET_QUORUM_CA, SECRET_QUORUM_CERT, SECRET_QUORUM_KEY,
	SECRET_N
};

#define SECRET_MAX_BYTES	16384u

struct setup_secrets { char *text[SECRET_N]; };

void secrets_free(struct setup_secrets *s);
/* Takes a copy. */
int  secrets_set(struct setup_secrets *s, enum secret which, const char *text);
/* Random ones; 'admin' and quorum files are set by the caller. */
int  secrets_make(struct setup_secrets *s, struct av_err *err);
/* CA (if there is none yet) and both PMs' console certificates, for a whole plan. */
int  secrets_certify(struct setup_secrets *s, const struct setup_plan *p,
    struct av_err *err);
/* What the other PM gets: without the CA's key and the first PM's console key. */
json_t *secrets_encode(const struct setup_secrets *s, bool for_second);
int  secrets_decode(const json_t *j, struct setup_secrets *ret,
    struct av_err *err);
/* "admin:" and the yescrypt hash of a password. */
int  secrets_hash(const char *password, char **ret, struct av_err *err);

#endif
