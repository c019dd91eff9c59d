/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/conn_internal.h - inside of the connection: conn.c and trust.c only
 */
#ifndef AVCLI_CONN_INTERNAL_H
#define AVCLI_CONN_INTERNAL_H

#include <curl/curl.h>

#include "avcli/conn.h"
#include "avcli/files.h"

#define URL_MAX		8192

enum conn_trust {
	TRUST_SYSTEM,		/* the system's authorities; may become PIN */
	TRUST_CACERT,
	TRUST_PIN,		/* the key that known_units or this run took */
	TRUST_ANY,		/* --insecure */
};

struct conn {
	struct conn_conf	 conf;
	CURL			*curl;
	char			 host_port[300];	/* "" = local socket */
	enum conn_trust		 trust;
	char			*pin;		/* TRUST_PIN: "sha256//..." */
	struct session		 session;	/* cookie NULL = none */
	char			 user[256];
	/* of the request that runs */
	char			*answer;
	size_t			 n_answer;
	bool			 too_long;
	char			*new_cookie;
	bool			(*line)(void *arg, const char *text);
	void			*line_arg;
	bool			 line_ended;	/* 'line' wants no more */
};

/* Options of the handle that decide whom we talk to. */
void trust_apply(struct conn *c);
/* After CURLE_PEER_FAILED_VERIFICATION with TRUST_SYSTEM: takes the key that
 * the unit shows, asks or says so, keeps it; c->trust is TRUST_PIN then. */
int  trust_first_use(struct conn *c, struct cli_err *err);
int  trust_changed(const struct conn *c, struct cli_err *err);
/* Sets the URL (path below /api/v1) and the socket. */
void conn_aim(struct conn *c, const char *path);

#endif
