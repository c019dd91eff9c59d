/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/conn.c - requests to the API
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "avcli/conn_internal.h"
#include "base/cleanup.h"
#include "base/str.h"

#define API_PREFIX		"/api/v1"
#define ANSWER_MAX_BYTES	(64u * 1024 * 1024)
#define LINE_MAX_BYTES		(1024u * 1024)
#define CONNECT_TIMEOUT_MS	10000L
#define REQUEST_TIMEOUT_MS	60000u

char *
conn_escape(const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = malloc(3 * strlen(text) + 1), *at = out;

	if (out == NULL)
		return NULL;
	for (; *text != '\0'; text++) {
		unsigned char ch = (unsigned char)*text;

		/* '.' too: a name '..' must not climb in the path */
		if (isascii(ch) && (isalnum(ch) || strchr("-_:", ch) != NULL)) {
			*at++ = (char)ch;
			continue;
		}
		*at++ = '%';
		*at++ = digits[ch >> 4];
		*at++ = digits[ch & 15];
	}
	*at = '\0';
	return out;
}

/* "host", "host:port", "[v6]:port"; a bare IPv6 address gets its brackets. */
static int
host_check(const char *host, char *buf, size_t n, struct cli_err *err)
{
	const char *p, *colon = strchr(host, ':');
	bool bare_v6 = *host != '[' && colon != NULL &&
	    strchr(colon + 1, ':') != NULL;
	bool ok = *host != '\0';
	int r;

	for (p = host; *p != '\0'; p++)
		ok = ok && isascii((unsigned char)*p) &&
		    (isalnum((unsigned char)*p) || strchr("-._:[]", *p) != NULL);
	r = snprintf(buf, n, bare_v6 ? "[%s]" : "%s", host);
	if (!ok || r < 0 || (size_t)r >= n) {
		(void)cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("'%.200s' is not a host name or address"), host);
		cli_hint(err, tr("say HOST, HOST:PORT or [IPv6]:PORT"));
		return -EXIT_USAGE;
	}
	return 0;
}

static int
conn_open_remote(struct conn *c, struct cli_err *err)
{
	const struct conn_conf *conf = &c->conf;
	int rc = host_check(conf->host, c->host_port, sizeof(c->host_port), err);

	if (rc < 0)
		return rc;
	if (conf->insecure) {
		c->trust = TRUST_ANY;
	} else if (conf->cacert != NULL) {
		c->trust = TRUST_CACERT;
		if (access(conf->cacert, R_OK) < 0)
			return cli_fail(err, EXIT_USAGE, "bad-argument",
			    tr("can't read '%s': %s"), conf->cacert,
			    strerror(errno));
	} else {
		c->pin = known_unit_pin(c->host_port);
		c->trust = c->pin != NULL ? TRUST_PIN : TRUST_SYSTEM;
	}
	if (conf->user == NULL)
		return 0;		/* fine for what needs no login */
	if (strlen(conf->user) >= sizeof(c->user))
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("the user's name is too long"));
	(void)snprintf(c->user, sizeof(c->user), "%s", conf->user);
	if (session_load(c->host_port, c->user, &c->session) < 0)
		session_dispose(&c->session);
	return 0;
}

int
conn_open(const struct conn_conf *conf, struct conn **ret, struct cli_err *err)
{
	struct conn *c = calloc(1, sizeof(*c));
	int rc = 0;

	if (c == NULL)
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	c->conf = *conf;
	/* TLS takes milliseconds to set up and the socket needs none */
	if (curl_global_init(conf->host != NULL ? CURL_GLOBAL_DEFAULT :
	    CURL_GLOBAL_NOTHING) != CURLE_OK ||
	    (c->curl = curl_easy_init()) == NULL)
		rc = cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	if (rc == 0 && conf->host != NULL)
		rc = conn_open_remote(c, err);
	if (rc < 0) {
		(void)conn_close(c);
		return rc;
	}
	*ret = c;
	return 0;
}

struct conn *
conn_close(struct conn *c)
{
	if (c == NULL)
		return NULL;
	if (c->curl != NULL)
		curl_easy_cleanup(c->curl);
	session_dispose(&c->session);
	free(c->pin);
	free(c->answer);
	free(c->new_cookie);
	free(c);
	return NULL;
}

bool
conn_is_local(const struct conn *c)
{
	return c->conf.host == NULL;
}

void
conn_aim(struct conn *c, const char *path)
{
	char url[URL_MAX];

	if (conn_is_local(c)) {
		(void)snprintf(url, sizeof(url), "http://localhost%s%s",
		    API_PREFIX, path);
		(void)curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH,
		    c->conf.socket);
		(void)curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	} else {
		(void)snprintf(url, sizeof(url), "https://%s%s%s",
		    c->host_port, API_PREFIX, path);
	}
	(void)curl_easy_setopt(c->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(c->curl, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
}

/* --- what comes back --- */

static int
answer_append(struct conn *c, const char *data, size_t n)
{
	char *more;

	if (c->n_answer + n > ANSWER_MAX_BYTES) {
		c->too_long = true;
		return -1;
	}
	more = realloc(c->answer, c->n_answer + n + 1);
	if (more == NULL)
		return -1;
	c->answer = more;
	memcpy(more + c->n_answer, data, n);
	c->n_answer += n;
	more[c->n_answer] = '\0';
	return 0;
}

/* Hands on whole lines, keeps the rest. */
static int
lines_take(struct conn *c)
{
	char *start = c->answer, *end;

	while (!c->line_ended && (end = memchr(start, '\n', c->n_answer -
	    (size_t)(start - c->answer))) != NULL) {
		*end = '\0';
		if (end > start && end[-1] == '\r')
			end[-1] = '\0';
		c->line_ended = !c->line(c->line_arg, start);
		start = end + 1;
	}
	c->n_answer -= (size_t)(start - c->answer);
	memmove(c->answer, start, c->n_answer);
	return c->line_ended || c->n_answer > LINE_MAX_BYTES ? -1 : 0;
}

static size_t
body_came(char *data, size_t size, size_t n, void *arg)
{
	struct conn *c = arg;
	long status = 0;

	if (answer_append(c, data, size * n) < 0)
		return 0;
	if (c->line == NULL)
		return size * n;
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200 && lines_take(c) < 0)
		return 0;
	return size * n;
}

static size_t
header_came(char *data, size_t size, size_t n, void *arg)
{
	static const char name[] = "Set-Cookie:";
	struct conn *c = arg;
	size_t len = size * n, at = sizeof(name) - 1, end;

	if (len < at || strncasecmp(data, name, at) != 0)
		return len;
	while (at < len && data[at] == ' ')
		at++;
	for (end = at; end < len && strchr(";\r\n", data[end]) == NULL; end++)
		;
	free(c->new_cookie);
	c->new_cookie = strndup(data + at, end - at);
	return len;
}

/* --- one request --- */

struct request {
	const char	*method;
	const char	*path;
	const char	*body;		/* JSON text or NULL */
	unsigned	 timeout_ms;	/* 0 = none */
	bool		 background;
	bool		 no_session;
};

static struct curl_slist *
header_add(struct curl_slist *list, const char *name, const char *value)
{
	char text[URL_MAX];

	(void)snprintf(text, sizeof(text), "%s: %s", name, value);
	return curl_slist_append(list, text);	/* NULL: the server will say so */
}

static struct curl_slist *
request_headers(const struct conn *c, const struct request *rq)
{
	struct curl_slist *list = NULL;

	list = header_add(list, "Accept-Language", c->conf.lang);
	list = header_add(list, "User-Agent", "avcli/" AV_VERSION);
	list = curl_slist_append(list, "Expect:");
	if (rq->body != NULL)
		list = header_add(list, "Content-Type", "application/json");
	if (rq->background)
		list = header_add(list, "X-Background", "1");
	if (!rq->no_session && c->session.csrf != NULL)
		list = header_add(list, "X-CSRF-Token", c->session.csrf);
	return list;
}

static bool
is_change(const struct request *rq)
{
	return strcmp(rq->method, "GET") != 0;
}

static CURLcode
perform(struct conn *c, const struct request *rq, long *ret_status)
{
	struct curl_slist *headers = request_headers(c, rq);
	CURLcode r;

	c->n_answer = 0;
	c->too_long = c->line_ended = false;
	curl_easy_reset(c->curl);
	conn_aim(c, rq->path);
	if (!conn_is_local(c))
		trust_apply(c);
	(void)curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, rq->method);
	(void)curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	if (rq->body != NULL)
		(void)curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, rq->body);
	if (!rq->no_session && c->session.cookie != NULL)
		(void)curl_easy_setopt(c->curl, CURLOPT_COOKIE,
		    c->session.cookie);
	(void)curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS,
	    CONNECT_TIMEOUT_MS);
	(void)curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS,
	    (long)rq->timeout_ms);
	(void)curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, body_came);
	(void)curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	(void)curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, header_came);
	(void)curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, c);
	r = curl_easy_perform(c->curl);
	*ret_status = 0;
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, ret_status);
	curl_slist_free_all(headers);
	return r;
}

/* --- what went wrong --- */

static int
fail_local_connect(const struct conn *c, struct cli_err *err)
{
	const char *socket = c->conf.socket;

	if (access(socket, F_OK) < 0 && errno != EACCES) {
		(void)cli_fail(err, EXIT_NO_CONNECTION, "no-connection",
		    tr("there is no console on this machine ('%s': %s)"),
		    socket, strerror(errno));
		cli_hint(err,
		    tr("on another machine say 'avcli -H HOST -u USER ...'; on a PM see whether avconsoled runs"));
		return -EXIT_NO_CONNECTION;
	}
	if (access(socket, R_OK | W_OK) < 0) {
		(void)cli_fail(err, EXIT_DENIED, "forbidden",
		    tr("the local console's socket '%s' is for root"), socket);
		cli_hint(err,
		    tr("become root, or say 'avcli -H HOST -u USER ...'"));
		return -EXIT_DENIED;
	}
	(void)cli_fail(err, EXIT_NO_CONNECTION, "no-connection",
	    tr("the console on this machine doesn't answer ('%s')"), socket);
	cli_hint(err, tr("see whether avconsoled runs"));
	return -EXIT_NO_CONNECTION;
}

static int
fail_curl(struct conn *c, CURLcode r, bool change, struct cli_err *err)
{
	const char *who = conn_is_local(c) ? tr("the local console") :
	    c->host_port;
	int rc;

	switch (r) {
	case CURLE_COULDNT_CONNECT:
		if (conn_is_local(c))
			return fail_local_connect(c, err);
		return cli_fail(err, EXIT_NO_CONNECTION, "no-connection",
		    tr("can't connect to '%s'"), who);
	case CURLE_COULDNT_RESOLVE_HOST:
		return cli_fail(err, EXIT_NO_CONNECTION, "no-connection",
		    tr("there is no host '%s'"), who);
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return trust_changed(c, err);
	case CURLE_PEER_FAILED_VERIFICATION:
		return cli_fail(err, EXIT_NO_CONNECTION, "certificate",
		    tr("the certificate of '%s' isn't signed by the given authority for that name"),
		    who);
	case CURLE_SSL_CACERT_BADFILE:
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("'%s' holds no certificate"), c->conf.cacert);
	case CURLE_SSL_CONNECT_ERROR:
		return cli_fail(err, EXIT_NO_CONNECTION, "no-connection",
		    tr("'%s' doesn't speak TLS as a console does"), who);
	case CURLE_OPERATION_TIMEDOUT:
		rc = cli_fail(err, EXIT_TIMEOUT, "timed-out",
		    tr("no answer from '%s' in time"), who);
		break;
	default:
		rc = cli_fail(err, EXIT_NO_CONNECTION, "no-connection",
		    tr("the connection to '%s' broke before the answer was whole"),
		    who);
		break;
	}
	err->maybe = change;
	return rc;
}

static int
fail_answer(const struct conn *c, bool change, struct cli_err *err)
{
	int rc = cli_fail(err, EXIT_NO_CONNECTION, "bad-answer",
	    c->too_long ? tr("the answer is longer than avcli accepts") :
	    tr("the answer isn't one of an avpair console"));

	err->maybe = change;
	return rc;
}

/* --- sessions --- */

static void
session_note(struct conn *c, const json_t *answer)
{
	const char *csrf = json_string_value(json_object_get(answer, "csrf"));

	if (c->new_cookie == NULL || conn_is_local(c) || *c->user == '\0')
		return;
	free(c->session.cookie);
	c->session.cookie = TAKE_PTR(c->new_cookie);
	if (csrf != NULL) {
		free(c->session.csrf);
		c->session.csrf = strdup(csrf);
	}
	session_save(c->host_port, c->user, &c->session);
}

/* Sends, takes care of trust, understands the answer. */
static int
exchange(struct conn *c, const struct request *rq, json_t **ret_answer,
    struct cli_err *err)
{
	AUTO_JSON json_t *answer = NULL;
	long status = 0;
	CURLcode r = perform(c, rq, &status);
	int rc;

	if (r == CURLE_PEER_FAILED_VERIFICATION && c->trust == TRUST_SYSTEM &&
	    !conn_is_local(c)) {
		rc = trust_first_use(c, err);
		if (rc < 0)
			return rc;
		r = perform(c, rq, &status);
	}
	if (c->too_long)
		return fail_answer(c, is_change(rq), err);
	if (r != CURLE_OK && !c->line_ended)
		return fail_curl(c, r, is_change(rq), err);
	if (c->n_answer > 0 && !c->line_ended)
		answer = json_loadb(c->answer, c->n_answer,
		    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	if (status >= 400)
		return cli_fail_problem(err, (int)status, answer);
	if (status < 200 || status >= 300 || (answer == NULL &&
	    c->n_answer > 0 && c->line == NULL))
		return fail_answer(c, is_change(rq), err);
	session_note(c, answer);
	*ret_answer = TAKE_PTR(answer);
	return 0;
}

static int
need_user(const struct conn *c, struct cli_err *err)
{
	int rc;

	if (*c->user != '\0')
		return 0;
	rc = cli_fail(err, EXIT_DENIED, "login-needed",
	    tr("say as whom to log in to '%s'"), c->host_port);
	cli_hint(err, tr("add -u USER, or set AVPAIR_USER"));
	return rc;
}

int
conn_login(struct conn *c, json_t **ret_answer, struct cli_err *err)
{
	AUTO_JSON json_t *body = NULL;
	struct request rq = { .method = "POST", .path = "/login",
		.timeout_ms = REQUEST_TIMEOUT_MS, .no_session = true };
	char prompt[700], *password = NULL, *text;
	int rc = need_user(c, err);

	if (rc < 0)
		return rc;
	(void)snprintf(prompt, sizeof(prompt), tr("Password of '%s' on %s: "),
	    c->user, c->host_port);
	rc = secret_get(c->conf.password_file, "AVPAIR_PASSWORD", prompt,
	    &password, err);
	if (rc < 0)
		return rc;
	body = json_pack("{s:s, s:s}", "username", c->user, "password",
	    password);
	secret_free(password);
	text = body != NULL ? json_dumps(body, 0) : NULL;
	if (text == NULL)
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	rq.body = text;
	rc = exchange(c, &rq, ret_answer, err);
	secret_free(text);
	if (rc == 0 && c->session.cookie == NULL) {
		json_decref(*ret_answer);
		*ret_answer = NULL;
		return fail_answer(c, false, err);
	}
	return rc;
}

/* A session that the console no longer takes is renewed once. */
static int
exchange_logged_in(struct conn *c, const struct request *rq,
    json_t **ret_answer, struct cli_err *err)
{
	json_t *login = NULL;
	bool fresh = false;
	int rc;

	if (!conn_is_local(c) && c->session.cookie == NULL) {
		rc = conn_login(c, &login, err);
		json_decref(login);
		if (rc < 0)
			return rc;
		fresh = true;
	}
	rc = exchange(c, rq, ret_answer, err);
	if (rc == 0 || conn_is_local(c) || fresh || err->http_status != 401)
		return rc;
	session_forget(c->host_port, c->user);
	session_dispose(&c->session);
	login = NULL;
	rc = conn_login(c, &login, err);
	json_decref(login);
	return rc < 0 ? rc : exchange(c, rq, ret_answer, err);
}

/* --- the public calls --- */

int
conn_request(struct conn *c, const char *method, const char *path,
    const json_t *body, unsigned timeout_ms, json_t **ret_answer,
    struct cli_err *err)
{
	AUTO_FREE char *text = NULL;
	struct request rq = { .method = method, .path = path,
		.timeout_ms = timeout_ms != 0 ? timeout_ms : REQUEST_TIMEOUT_MS };

	*ret_answer = NULL;
	if (strlen(path) > URL_MAX - 400)
		return cli_fail(err, EXIT_USAGE, "name-invalid",
		    tr("the name is too long: no object can have it"));
	if (body != NULL) {
		text = json_dumps(body, JSON_COMPACT);
		if (text == NULL)
			return cli_fail(err, EXIT_FAILED, "no-memory",
			    tr("no memory"));
		rq.body = text;
	}
	c->line = NULL;
	/* the one thing that needs no login */
	if (strcmp(path, "/version") == 0) {
		rq.no_session = true;
		return exchange(c, &rq, ret_answer, err);
	}
	return exchange_logged_in(c, &rq, ret_answer, err);
}

int
conn_look(struct conn *c, const char *path, json_t **ret_answer,
    struct cli_err *err)
{
	struct request rq = { .method = "GET", .path = path,
		.timeout_ms = CONNECT_TIMEOUT_MS, .background = true };

	*ret_answer = NULL;
	c->line = NULL;
	return exchange_logged_in(c, &rq, ret_answer, err);
}

int
conn_stream(struct conn *c, const char *path, unsigned timeout_ms,
    bool (*line)(void *arg, const char *text), void *arg, struct cli_err *err)
{
	struct request rq = { .method = "GET", .path = path,
		.timeout_ms = timeout_ms };
	AUTO_JSON json_t *answer = NULL;
	int rc;

	/* a login of its own first: its answer isn't lines */
	c->line = NULL;
	rc = conn_request(c, "GET", "/session", NULL, 0, &answer, err);
	if (rc < 0 && err->http_status != 404)
		return rc;
	c->line = line;
	c->line_arg = arg;
	json_decref(answer);
	answer = NULL;
	return exchange(c, &rq, &answer, err);
}

int
conn_logout(struct conn *c, struct cli_err *err)
{
	AUTO_JSON json_t *answer = NULL;
	struct request rq = { .method = "POST", .path = "/logout",
		.body = "{}", .timeout_ms = REQUEST_TIMEOUT_MS };
	int rc = need_user(c, err);

	if (rc < 0 || c->session.cookie == NULL)
		return rc;
	c->line = NULL;
	rc = exchange(c, &rq, &answer, err);
	session_forget(c->host_port, c->user);
	/* an expired session is ended already */
	return rc < 0 && err->http_status != 401 ? rc : 0;
}
