/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/route.h - the REST interface as one table
 *
 * Each row says: method and pattern, what it is, the agent's operation, the role it
 * needs and how the operation's arguments are made from path, query and body.  A
 * test compares the table with console/openapi.json both ways.
 * Pure: no I/O, no state.
 */
#ifndef CONSOLE_ROUTE_H
#define CONSOLE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "console/uri.h"

struct av_err;

enum role {
	ROLE_NONE = 0,		/* no login needed */
	ROLE_READ,
	ROLE_VM,
	ROLE_PLATFORM,
	ROLE_ADMIN,
	ROLE_OWNER,		/* the user that {id} names, or ROLE_ADMIN */
};

enum route_kind {
	ROUTE_OP = 1,		/* the agent's operation, passed through */
	ROUTE_VERSION,
	ROUTE_OPENAPI,
	ROUTE_LOGIN,
	ROUTE_LOGOUT,
	ROUTE_SESSION,
	ROUTE_PASSWORD,
	ROUTE_EVENTS,
	ROUTE_TICKET,		/* POST .../console: a ticket for the screen */
	ROUTE_SCREEN,		/* GET .../console/TICKET: the websocket */
};

enum route_body { BODY_NONE = 0, BODY_OPTIONAL, BODY_REQUIRED };

struct route_query {
	char		 type;	/* 'i' number, 'l' list of words, 'b' flag */
	const char	*name;	/* in the query */
	const char	*key;	/* in the operation's args */
};

struct route {
	const char	*method;
	const char	*pattern;	/* below /api/v1; "{id}" is one part */
	enum route_kind	 kind;
	enum role	 role;
	const char	*op;
	const char	*path_key;	/* the arg that {id} becomes; NULL = none */
	const char	*action;	/* the arg 'action' of this path, or NULL */
	bool		 pick;		/* answer the list's member named {id} */
	bool		 changing;	/* needs CSRF token, is never repeated */
	enum route_body	 body;
	struct route_query query[3];
};

#define ROUTE_PREFIX	"/api/v1"

/* The whole table. */
const struct route *routes(size_t *ret_n);

enum route_found { ROUTE_FOUND, ROUTE_UNKNOWN, ROUTE_BAD_METHOD };

/* *ret_id is borrowed from 'u' (NULL when the pattern has no {id}).  HEAD finds
 * GET's row.  For ROUTE_BAD_METHOD 'allow' holds the methods there are. */
enum route_found route_match(const char *method, const struct uri *u,
    const struct route **ret, const char **ret_id, char *allow, size_t n);

#define ROUTE_DEPTH_MAX	16

/* Is a JSON text nested at most ROUTE_DEPTH_MAX deep?  To be asked before it is
 * parsed: the library follows 2048 levels by recursion, a thread's stack doesn't. */
bool route_depth_ok(const char *json, size_t n);

/* The operation's args; 'body' may be NULL.  -EINVAL with code 'bad-argument'. */
int  route_args(const struct route *r, const struct uri *u, const char *id,
    json_t *body, json_t **ret_args, struct av_err *err);

/* "administrator" and so on; ROLE_NONE for an unknown word. */
enum role role_parse(const char *word);
/* THE place where roles are checked. */
bool role_allows(const struct route *r, const char *id, const char *user,
    enum role have);

#endif
