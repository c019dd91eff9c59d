/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/http.c - libmicrohttpd: requests come in here and answers go out
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "console/request.h"

#define MEMORY_PER_CONNECTION	(64u * 1024)	/* bounds the headers, too */
#define STACK_BYTES		(512u * 1024)

const char *
request_header(const struct request *req, const char *name)
{
	return MHD_lookup_connection_value(req->con, MHD_HEADER_KIND, name);
}

/* --- answers ------------------------------------------------------------- */

/* 'script-src self' holds since the pages have no inline script. */
static const char *const headers[][2] = {
	{ "X-Content-Type-Options", "nosniff" },
	{ "Referrer-Policy", "no-referrer" },
	{ "X-Frame-Options", "DENY" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Content-Security-Policy", "default-src 'self'; connect-src 'self'; "
	  "img-src 'self' data:; "
	  "object-src 'none'; base-uri 'none'; form-action 'self'; "
	  "frame-ancestors 'none'" },
};

int
reply_queue(struct request *req, unsigned status, struct MHD_Response *r)
{
	size_t i;

	if (r == NULL)
		return -ENOMEM;
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		(void)MHD_add_response_header(r, headers[i][0], headers[i][1]);
	if (MHD_get_response_header(r, "Cache-Control") == NULL)
		(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	if (req->set_cookie != NULL)
		(void)MHD_add_response_header(r, "Set-Cookie",
		    req->set_cookie);
	req->queued = (int)MHD_queue_response(req->con, status, r);
	MHD_destroy_response(r);
	return REQ_DONE;
}

static int
reply_dump(struct request *req, unsigned status, const char *type,
    const json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
	const char *allow = json_string_value(json_object_get(req->params,
	    "allow"));
	struct MHD_Response *r;

	if (text == NULL)
		return -ENOMEM;
	r = MHD_create_response_from_buffer(strlen(text), text,
	    MHD_RESPMEM_MUST_FREE);
	if (r == NULL) {
		free(text);
		return -ENOMEM;
	}
	(void)MHD_add_response_header(r, "Content-Type", type);
	(void)MHD_add_response_header(r, "Vary", "Accept-Language");
	if (allow != NULL)		/* of a 'bad-method': RFC 9110, 15.5.6 */
		(void)MHD_add_response_header(r, "Allow", allow);
	return reply_queue(req, status, r);
}

int
reply_json(struct request *req, unsigned status, const json_t *body)
{
	return reply_dump(req, status, "application/json", body);
}

int
reply_text(struct request *req, unsigned status, const char *type,
    const char *text)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text),
	    (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

	if (r == NULL)
		return -ENOMEM;
	(void)MHD_add_response_header(r, "Content-Type", type);
	return reply_queue(req, status, r);
}

int
reply_empty(struct request *req, unsigned status, const char *header,
    const char *value)
{
	static char nothing[1];
	struct MHD_Response *r = MHD_create_response_from_buffer(0, nothing,
	    MHD_RESPMEM_PERSISTENT);

	if (r != NULL && header != NULL)
		(void)MHD_add_response_header(r, header, value);
	return reply_queue(req, status, r);
}

int
reply_problem(struct request *req, const struct av_err *err)
{
	AUTO_JSON json_t *p = text_problem(err, req->params, req->lang);
	unsigned status = text_status(err->code);

	if (p == NULL)
		return -ENOMEM;
	if (status >= 500 && status != 503)
		log_err("request", "%s %.200s: %s: %s", req->method, req->raw,
		    err->code, err->text);
	return reply_dump(req, status, "application/problem+json", p);
}

/* --- a request's life ---------------------------------------------------- */

static void
origin_set(struct request *req)
{
	const union MHD_ConnectionInfo *ci = MHD_get_connection_info(req->con,
	    MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = ci != NULL ? ci->client_addr : NULL;
	const char *ok = NULL;

	if (req->local) {
		memcpy(req->origin, "local", 6);
		return;
	}
	if (sa != NULL && sa->sa_family == AF_INET)
		ok = inet_ntop(AF_INET, &((const struct sockaddr_in *)
		    (const void *)sa)->sin_addr, req->origin,
		    sizeof(req->origin));
	else if (sa != NULL && sa->sa_family == AF_INET6)
		ok = inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)
		    (const void *)sa)->sin6_addr, req->origin,
		    sizeof(req->origin));
	if (ok == NULL)
		memcpy(req->origin, "unknown", 8);
}

static void *
request_new(void *cls, const char *uri, struct MHD_Connection *con)
{
	struct server *srv = cls;
	struct request *req = calloc(1, sizeof(*req));

	if (req == NULL)
		return NULL;
	req->srv = srv;
	req->con = con;
	req->lang = "en";
	req->queued = MHD_NO;
	req->screen_fd = -1;
	req->raw = strdup(uri);
	req->uri_rc = req->raw != NULL ? uri_parse(uri, &req->uri) : -ENOMEM;
	return req;
}

static void
request_over(void *cls, struct MHD_Connection *con, void **req_cls,
    enum MHD_RequestTerminationCode why)
{
	struct request *req = *req_cls;

	(void)cls;
	(void)con;
	(void)why;
	*req_cls = NULL;
	if (req == NULL)
		return;
	if (req->screen_fd >= 0)
		(void)close(req->screen_fd);
	uri_dispose(&req->uri);
	json_decref(req->params);
	free(req->set_cookie);
	free(req->raw);
	free(req->body);
	free(req);
}

/* Takes a piece of the body; what is too much is counted and dropped. */
static int
body_take(struct request *req, const char *data, size_t n)
{
	req->n_seen += n;
	if (req->n_seen > REQ_BODY_MAX) {
		req->too_large = true;
		free(TAKE_PTR(req->body));
		return req->n_seen > REQ_DISCARD_MAX ? -EFBIG : 0;
	}
	if (req->n_body + n > req->room) {
		size_t room = req->room * 2 + n + 1024;
		char *bigger = realloc(req->body, room);

		if (bigger == NULL)
			return -ENOMEM;
		req->body = bigger;
		req->room = room;
	}
	memcpy(req->body + req->n_body, data, n);
	req->n_body += n;
	return 0;
}

/* First call: headers only.  A body far too large isn't waited for. */
static enum MHD_Result
request_begin(struct request *req, bool local, const char *method)
{
	const char *length;
	size_t n = strlen(method);

	req->begun = true;
	req->local = local;
	if (n >= sizeof(req->method))
		n = sizeof(req->method) - 1;
	memcpy(req->method, method, n);
	req->lang = text_language(req->uri_rc == 0 ?
	    uri_arg(&req->uri, "lang") : NULL,
	    request_header(req, "Accept-Language"));
	origin_set(req);
	length = request_header(req, "Content-Length");
	if (length != NULL && strlen(length) > 7) {	/* >= 10 MB */
		req->too_large = true;
		return api_answer(req) == REQ_DONE ?
		    (enum MHD_Result)req->queued : MHD_NO;
	}
	return MHD_YES;
}

static enum MHD_Result
request_part(void *cls, struct MHD_Connection *con, const char *url,
    const char *method, const char *version, const char *data, size_t *n_data,
    void **req_cls, bool local)
{
	struct request *req = *req_cls;

	(void)cls;
	(void)con;
	(void)url;
	(void)version;
	if (req == NULL)
		return MHD_NO;
	if (!req->begun)
		return request_begin(req, local, method);
	if (*n_data > 0) {
		int rc = body_take(req, data, *n_data);

		*n_data = 0;
		return rc < 0 ? MHD_NO : MHD_YES;
	}
	if (api_answer(req) != REQ_DONE)
		return MHD_NO;
	return (enum MHD_Result)req->queued;
}

static enum MHD_Result
handle_https(void *cls, struct MHD_Connection *con, const char *url,
    const char *method, const char *version, const char *data, size_t *n_data,
    void **req_cls)
{
	return request_part(cls, con, url, method, version, data, n_data,
	    req_cls, false);
}

static enum MHD_Result
handle_local(void *cls, struct MHD_Connection *con, const char *url,
    const char *method, const char *version, const char *data, size_t *n_data,
    void **req_cls)
{
	return request_part(cls, con, url, method, version, data, n_data,
	    req_cls, true);
}

/* --- daemons ------------------------------------------------------------- */

/* MHD complains about each socketpair's missing TCP options. */
static void __attribute__((format(printf, 2, 0)))
mhd_log(void *cls, const char *fmt, va_list ap)
{
	char text[300];

	(void)cls;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http", "%s", text);
}

static struct MHD_Daemon *
daemon_start(struct server *srv, bool local)
{
	return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
	    MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_ALLOW_UPGRADE |
	    MHD_USE_ERROR_LOG, 0, NULL, NULL,
	    local ? handle_local : handle_https, srv,
	    MHD_OPTION_EXTERNAL_LOGGER, mhd_log, NULL,
	    MHD_OPTION_URI_LOG_CALLBACK, request_new, srv,
	    MHD_OPTION_NOTIFY_COMPLETED, request_over, NULL,
	    MHD_OPTION_CONNECTION_LIMIT,
	    local ? SERVER_LOCAL_MAX : SERVER_HTTPS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, SERVER_IDLE_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)MEMORY_PER_CONNECTION,
	    MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_END);
}

int
http_start(struct server *srv, struct av_err *err)
{
	srv->local = daemon_start(srv, true);
	srv->https = daemon_start(srv, false);
	if (srv->local == NULL || srv->https == NULL) {
		http_stop(srv);
		return av_err_set(err, -EIO, "the HTTP daemon doesn't start");
	}
	return 0;
}

int
http_add(struct server *srv, bool local, int fd, const struct sockaddr *sa,
    socklen_t n)
{
	/* on failure MHD has closed the socket */
	if (MHD_add_connection(local ? srv->local : srv->https, fd, sa, n) !=
	    MHD_YES)
		return -EIO;
	return 0;
}

void
http_stop(struct server *srv)
{
	if (srv->https != NULL)
		MHD_stop_daemon(srv->https);
	if (srv->local != NULL)
		MHD_stop_daemon(srv->local);
	srv->https = srv->local = NULL;
}
