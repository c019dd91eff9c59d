/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/wire.h - what the two PMs say to each other while a unit is made
 *
 * TLS with the key of key.h, then framed JSON (base/frame.h), at most WIRE_MAX_BYTES
 * each; the second PM asks, the first one answers:
 *
 *	-> {"msg":"hello", "protocol":1, "purpose":"join", "dry_run":false, "facts":{}}
 *	<- {"msg":"offer", "plan":{}, "secrets":{}, "findings":[]}	(secrets: not dry)
 *	<- {"msg":"refused", "code":"..", "text":"..", "hint":"..", "findings":[]}
 *	-> {"msg":"stored"}		the offer is on its disk
 *	<- {"msg":"committed"}		the unit is made: install, start
 *
 * "purpose" leaves room: "replace" will join a new machine to an existing unit in a
 * dead PM's place.  A purpose or protocol that isn't known is refused in words.
 */
#ifndef AV_SETUP_WIRE_H
#define AV_SETUP_WIRE_H

#include <gnutls/gnutls.h>

#include "base/frame.h"
#include "nodeagent/setup/facts.h"
#include "nodeagent/setup/finding.h"
#include "nodeagent/setup/secrets.h"

#define WIRE_PROTOCOL	1
#define WIRE_MAX_BYTES	(128u * 1024)
#define WIRE_WAIT_MS	15000
#define WIRE_OFFER_MS	30000	/* the first PM writes and makes certificates */

/* One connection. */
struct wire {
	gnutls_session_t	tls;
	int			fd, stop_fd;
	struct av_frame_reader	in;
};

/* Takes the session; wire_close() ends it and closes fd. */
void wire_open(struct wire *w, gnutls_session_t tls, int fd, int stop_fd);
void wire_close(struct wire *w);
int  wire_send(struct wire *w, json_t *msg);	/* takes 'msg' */
int  wire_receive(struct wire *w, unsigned ms, json_t **ret);

enum wire_kind { WIRE_HELLO, WIRE_OFFER, WIRE_REFUSED, WIRE_STORED,
	WIRE_COMMITTED };

struct wire_msg {
	enum wire_kind		kind;
	bool			dry_run;	/* hello */
	struct setup_facts	facts;		/* hello */
	struct setup_plan	plan;		/* offer */
	struct setup_secrets	secrets;	/* offer; empty on a dry run */
	bool			has_secrets;
	struct findings		findings;	/* offer, refused */
	char			code[32];	/* refused */
	char			text[400], hint[400];
};

/* 0, or -EBADMSG with a sentence; -EPROTONOSUPPORT: another protocol or purpose. */
int  wire_decode(const json_t *j, struct wire_msg *ret, struct av_err *err);
void wire_msg_free(struct wire_msg *m);

json_t *wire_hello(const struct setup_facts *f, bool dry_run);
json_t *wire_offer(const struct setup_plan *p, const struct setup_secrets *s,
    const struct findings *fs);
json_t *wire_refused(const char *code, const char *text, const char *hint,
    const struct findings *fs);
json_t *wire_word(enum wire_kind kind);

#endif
