/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/api.c - a request from its first check to its answer
 *
 *   address understood -> size -> page or route -> who asks -> CSRF and origin ->
 *   role -> body -> args -> operation -> answer
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "console/request.h"

/* Does 'Origin' name the host that the request was sent to? */
static bool
origin_ok(const struct request *req)
{
	const char *origin = request_header(req, "Origin");
	const char *host = request_header(req, "Host");
	const char *at;

	if (origin == NULL)
		return true;		/* not a browser, or the same page */
	at = strstr(origin, "://");
	return at != NULL && host != NULL && strcasecmp(at + 3, host) == 0;
}

/* Another site's page must not act with a browser's cookie. */
static int
forgery_check(struct request *req, const struct route *r, struct av_err *err)
{
	const char *sent = request_header(req, "X-CSRF-Token");
	char want[65];

	if (req->local)
		return 0;
	if ((strcmp(r->method, "GET") != 0 || r->kind == ROUTE_SCREEN) &&
	    !origin_ok(req))
		return av_err_code(err, -EPERM, "forbidden",
		    "the request comes from another site's page");
	if (!r->changing || !req->by_cookie)
		return 0;
	if (session_csrf(req->srv->sessions, &req->session, want) < 0)
		return av_err_code(err, -EIO, "internal", "no CSRF token");
	if (sent == NULL || !session_equal(sent, want))
		return av_err_code(err, -EPERM, "forbidden",
		    "the header X-CSRF-Token is missing or wrong");
	return 0;
}

static int
access_check(struct request *req, const struct route *r, const char *id,
    struct av_err *err)
{
	int rc;

	if (r->role == ROLE_NONE)
		return forgery_check(req, r, err);
	rc = login_identify(req, err);
	if (rc < 0)
		return rc;
	if (!req->known)
		return av_err_code(err, -EACCES, "login-needed",
		    "this needs a login");
	rc = forgery_check(req, r, err);
	if (rc < 0)
		return rc;
	if (!role_allows(r, id, req->actor.user,
	    role_parse(req->actor.role)))
		return av_err_code(err, -EPERM, "forbidden",
		    "the role '%s' may not do this", req->actor.role);
	return 0;
}

static bool
type_is_json(const struct request *req)
{
	const char *type = request_header(req, "Content-Type");
	size_t n;

	if (type == NULL)
		return false;
	n = strcspn(type, "; ");
	return n == 16 && strncasecmp(type, "application/json", n) == 0;
}

/* *ret_body is NULL when there is none. */
static int
body_parse(struct request *req, json_t **ret_body, struct av_err *err)
{
	json_error_t je;
	json_t *body;

	if (req->n_body == 0)
		return 0;
	if (!type_is_json(req))
		return av_err_code(err, -EINVAL, "bad-content-type",
		    "the body must be 'application/json'");
	if (!route_depth_ok(req->body, req->n_body))
		return av_err_code(err, -EINVAL, "bad-request",
		    "the body is nested more than %d deep", ROUTE_DEPTH_MAX);
	body = json_loadb(req->body, req->n_body, JSON_REJECT_DUPLICATES, &je);
	if (body == NULL)
		return av_err_code(err, -EINVAL, "bad-request",
		    "the body isn't JSON: line %d column %d", je.line,
		    je.column);
	if (!json_is_object(body)) {
		json_decref(body);
		return av_err_code(err, -EINVAL, "bad-request",
		    "the body must be a JSON object");
	}
	*ret_body = body;
	return 0;
}

/* The member of 'list' whose id or name is 'id'.  *ret is borrowed. */
static int
member_pick(struct request *req, const json_t *list, const char *id,
    json_t **ret, struct av_err *err)
{
	static const char *const keys[] = { "id", "name" };
	AUTO_JSON json_t *ids = json_array();
	json_t *found = NULL, *v;
	size_t i, k;

	for (k = 0; k < 2 && found == NULL; k++)
		json_array_foreach(list, i, v) {
			const char *s = json_string_value(json_object_get(v,
			    keys[k]));

			if (s == NULL || strcmp(s, id) != 0)
				continue;
			found = v;
			(void)json_array_append(ids, json_object_get(v, "id"));
		}
	if (json_array_size(ids) > 1) {
		req->params = json_pack("{s:O}", "ids", ids);
		return av_err_code(err, -EEXIST, "ambiguous-name",
		    "'%.100s' stands for several objects", id);
	}
	if (found == NULL) {
		req->params = json_pack("{s:s}", "name", id);
		return av_err_code(err, -ENOENT, "not-found",
		    "there is nothing named '%.100s'", id);
	}
	*ret = found;
	return 0;
}

static int
op_run(struct request *req, const struct route *r, const char *id,
    json_t *args, struct av_err *err)
{
	AUTO_JSON json_t *result = NULL;
	json_t *answer;
	int rc;

	rc = agent_call(req->srv->agent, r->op, args, &req->actor,
	    r->changing, &result, &req->params, err);
	if (rc < 0)
		return rc;
	if (strcmp(r->op, "alert.list") == 0)
		text_alerts(result, req->lang);
	else if (strcmp(r->op, "unit.info") == 0 ||
	    strncmp(r->op, "node.", 5) == 0)
		text_reasons(result, req->lang);
	answer = result;
	if (r->pick) {
		rc = member_pick(req, result, id, &answer, err);
		if (rc < 0)
			return rc;
	}
	return reply_json(req, (strcmp(r->op, "vm.create") == 0 ||
	    strcmp(r->op, "quorum.add") == 0) && !json_is_true(json_object_get(args,
	    "dry_run")) ? 201 : 200, answer);
}

static int
version_get(struct request *req)
{
	AUTO_JSON json_t *v = json_pack("{s:s, s:s, s:s, s:s}", "product",
	    "avpair", "version", AV_VERSION, "api", "v1", "node",
	    req->srv->conf->node);

	return v != NULL ? reply_json(req, 200, v) : -ENOMEM;
}

static int
route_run(struct request *req, const struct route *r, const char *id,
    json_t *body, struct av_err *err)
{
	AUTO_JSON json_t *args = NULL;
	int rc = route_args(r, &req->uri, id, body, &args, err);

	if (rc < 0)
		return rc;
	switch (r->kind) {
	case ROUTE_OP:
		return op_run(req, r, id, args, err);
	case ROUTE_VERSION:
		return version_get(req);
	case ROUTE_OPENAPI:
		return reply_text(req, 200, "application/json", text_openapi);
	case ROUTE_LOGIN:
		return login_post(req, body, err);
	case ROUTE_LOGOUT:
		return login_logout(req, err);
	case ROUTE_SESSION:
		return login_session(req, err);
	case ROUTE_PASSWORD:
		return login_password(req, r, args, err);
	case ROUTE_EVENTS:
		return stream_get(req, err);
	case ROUTE_TICKET:
		return screen_ticket(req, r, args, err);
	case ROUTE_SCREEN:
		return screen_get(req, id, err);
	}
	return av_err_code(err, -ENOSYS, "internal", "route without a handler");
}

/* What was refused here never reaches the agent, which notes all that does. */
static void
refusal_note(struct request *req, const struct route *r, const char *id,
    int rc, const struct av_err *err)
{
	if (!r->changing || r->op == NULL || !req->known || rc == -EREMOTEIO ||
	    text_status(err->code) >= 500 ||
	    strcmp(err->code, "login-failed") == 0)
		return;
	login_audit(req, req->actor.user, req->actor.role, r->op,
	    id != NULL ? id : "", err->text);
}

static int
route_answer(struct request *req, struct av_err *err)
{
	AUTO_JSON json_t *body = NULL;
	const struct route *r = NULL;
	const char *id = NULL;
	char allow[80];
	int rc;

	switch (route_match(req->method, &req->uri, &r, &id, allow,
	    sizeof(allow))) {
	case ROUTE_UNKNOWN:
		return av_err_code(err, -ENOENT, "no-such-route",
		    "there is no such address");
	case ROUTE_BAD_METHOD:
		if (strcmp(req->method, "OPTIONS") == 0)
			return reply_empty(req, 204, "Allow", allow);
		req->params = json_pack("{s:s}", "allow", allow);
		return av_err_code(err, -EINVAL, "bad-method",
		    "this address takes %s", allow);
	case ROUTE_FOUND:
		break;
	}
	if (strcmp(req->method, "HEAD") == 0 &&
	    (r->kind == ROUTE_EVENTS || r->kind == ROUTE_SCREEN)) {
		req->params = json_pack("{s:s}", "allow", "GET");
		return av_err_code(err, -EINVAL, "bad-method",
		    "this address takes GET");
	}
	rc = access_check(req, r, id, err);
	if (rc == 0)
		rc = body_parse(req, &body, err);
	if (rc == 0)
		rc = route_run(req, r, id, body, err);
	if (rc < 0)
		refusal_note(req, r, id, rc, err);
	return rc;
}

static int
answer(struct request *req, struct av_err *err)
{
	if (req->too_large)
		return av_err_code(err, -EFBIG, "too-large",
		    "the body is larger than 1 MiB");
	if (req->uri_rc == -ENOMEM)
		return av_err_code(err, -ENOMEM, "internal", "no memory");
	if (req->uri_rc < 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "the address isn't valid");
	if (req->srv->stopping)
		return av_err_code(err, -ECANCELED, "unavailable",
		    "the console is stopping");
	if (strcmp(req->uri.parts[0], "api") == 0)
		return route_answer(req, err);
	return static_get(req, err);
}

int
api_answer(struct request *req)
{
	struct av_err err = { 0 };
	int rc = answer(req, &err);

	if (rc < 0) {
		if (err.rc == 0)
			(void)av_err_code(&err, rc, "internal", "%s",
			    strerror(-rc));
		rc = reply_problem(req, &err);
	}
	return rc;
}
