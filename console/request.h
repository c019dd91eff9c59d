/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/request.h - one HTTP request, and the ways to answer it
 *
 * A request lives from the moment its request line is read until MHD says that it
 * is over.  It is used by its connection's thread only.
 *
 * Handlers return REQ_DONE after they queued an answer (reply_*), or -errno with
 * 'err' filled, which becomes problem+json in one place (api.c).
 */
#ifndef CONSOLE_REQUEST_H
#define CONSOLE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>
#include <microhttpd.h>

#include "console/route.h"
#include "console/server.h"
#include "console/text.h"
#include "console/uri.h"

#define REQ_BODY_MAX	(1024u * 1024)
#define REQ_DISCARD_MAX	(8u * 1024 * 1024)	/* read to the end, then 413 */

struct request {
	struct server		*srv;
	struct MHD_Connection	*con;
	bool			 local;		/* root over the Unix socket */
	bool			 begun;		/* MHD's first call is over */
	char			*raw;		/* as it stood in the line */
	struct uri		 uri;
	int			 uri_rc;
	char			 method[16];
	char			 origin[64];	/* address, or "local" */
	const char		*lang;		/* static */
	char			*body;
	size_t			 n_body, room;
	size_t			 n_seen;	/* bytes that came */
	bool			 too_large;
	/* who asks, once known */
	bool			 known, by_cookie;
	struct session		 session;
	struct actor		 actor;
	char			*set_cookie;	/* Set-Cookie's value, or NULL */
	json_t			*params;	/* of the error, or NULL */
	int			 screen_fd;	/* opened for a websocket; -1 */
	int			 queued;	/* MHD_Result of the answer */
};

#define REQ_DONE	0

const char *request_header(const struct request *req, const char *name);

/* Queue an answer; return REQ_DONE or -ENOMEM.  'body' stays the caller's. */
int  reply_json(struct request *req, unsigned status, const json_t *body);
int  reply_problem(struct request *req, const struct av_err *err);
int  reply_empty(struct request *req, unsigned status, const char *header,
    const char *value);
int  reply_text(struct request *req, unsigned status, const char *type,
    const char *text);	/* static text */
/* Adds the headers that every answer has, queues and releases 'r'. */
int  reply_queue(struct request *req, unsigned status, struct MHD_Response *r);

/* Answers a whole request, whatever it is. */
int  api_answer(struct request *req);

/* login.c: who asks?  REQ_DONE with req->known true or false (no credentials at all), or
 * -errno with err. */
int  login_identify(struct request *req, struct av_err *err);
int  login_post(struct request *req, json_t *body, struct av_err *err);
int  login_logout(struct request *req, struct av_err *err);
int  login_session(struct request *req, struct av_err *err);
int  login_password(struct request *req, const struct route *r, json_t *args,
    struct av_err *err);

/* Notes in the audit log that 'user' was refused; without the agent, in ours. */
void login_audit(struct request *req, const char *user, const char *role,
    const char *action, const char *object, const char *detail);

/* static.c: pages from web_dir. */
int  static_get(struct request *req, struct av_err *err);
/* stream.c: server-sent events. */
int  stream_get(struct request *req, struct av_err *err);
/* screen.c: ticket and websocket of a guest's screen. */
int  screen_ticket(struct request *req, const struct route *r, json_t *args,
    struct av_err *err);
int  screen_get(struct request *req, const char *ticket, struct av_err *err);

#endif
