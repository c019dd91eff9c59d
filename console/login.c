/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/login.c - who asks: login, logout, sessions, passwords
 *
 * Users live in the agent's database; their passwords are yescrypt hashes.  Hashing is
 * slow on purpose, so one is made at a time.
 */
#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "console/request.h"
#include "console/users.h"

#define COOKIE		"avpair_session"
#define PASSWORD_MAX	512
#define HASH_PREFIX	"$y$"
/* compared with when the user is unknown, so that the time doesn't tell */
#define HASH_OF_NOBODY \
	"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"

static const struct actor self = {
	.user = "console", .role = "console", .origin = "local",
	.via = "console",
};

/* One password is hashed at a time: guessing can't take the machine's cores, and no
 * try passes the throttle while another one's result isn't counted yet. */
static pthread_mutex_t hashing = PTHREAD_MUTEX_INITIALIZER;

/* Call with 'hashing' held. */
static int
password_hash(const char *password, const char *setting, char *ret, size_t n)
{
	struct crypt_data *cd = calloc(1, sizeof(*cd));
	const char *got;
	int rc = -EINVAL;

	if (cd == NULL)
		return -ENOMEM;
	got = crypt_r(password, setting, cd);
	if (got != NULL && got[0] != '*' && strlen(got) < n) {
		memcpy(ret, got, strlen(got) + 1);
		rc = 0;
	}
	gnutls_memset(cd, 0, sizeof(*cd));
	free(cd);
	return rc;
}

static bool
password_matches(const char *password, const char *hash)
{
	char got[CRYPT_OUTPUT_SIZE];

	if (strlen(password) > PASSWORD_MAX)
		return false;
	return password_hash(password, hash, got, sizeof(got)) == 0 &&
	    session_equal(got, hash);
}

static int
user_get(struct request *req, const char *name, json_t **ret,
    struct av_err *err)
{
	AUTO_JSON json_t *args = json_pack("{s:s}", "name", name);

	if (args == NULL)
		return av_err_code(err, -EINVAL, "bad-argument",
		    "the user name isn't valid");
	return agent_call(req->srv->agent, "user.get", args, &self, false,
	    ret, NULL, err);
}

/* --- sessions of requests -------------------------------------------------- */

static int
cookie_set(struct request *req, const char *token)
{
	int r;

	free(TAKE_PTR(req->set_cookie));
	r = asprintf(&req->set_cookie, COOKIE "=%s; Path=/; HttpOnly; Secure; "
	    "SameSite=Strict; Max-Age=%lld", token,
	    *token != '\0' ? (long long)(SESSION_MAX_MS / 1000) : 0);
	if (r < 0) {
		req->set_cookie = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* What a page does by itself isn't use by a person. */
static bool
is_background(const struct request *req)
{
	return request_header(req, "X-Background") != NULL ||
	    (req->uri.n_parts == 3 && strcmp(req->uri.parts[2], "events") ==
	    0);
}

/* The session goes on being used: a fresh token when the old one has aged. */
static void
session_renew(struct request *req, int64_t now)
{
	AUTO_FREE char *token = NULL;

	if (is_background(req))
		return;
	session_touch(req->srv->sessions, &req->session, now);
	if (now - req->session.active_utc_ms < SESSION_RENEW_MS ||
	    !req->by_cookie)
		return;
	req->session.active_utc_ms = now;
	/* without a new cookie the old one still holds */
	if (session_token(req->srv->sessions, &req->session, &token) == 0)
		(void)cookie_set(req, token);
}

static const char *
bearer_token(const struct request *req)
{
	const char *h = request_header(req, "Authorization");

	if (h == NULL || strncasecmp(h, "Bearer ", 7) != 0)
		return NULL;
	return h + 7;
}

int
login_identify(struct request *req, struct av_err *err)
{
	int64_t now = av_clock_utc_ms();
	const char *token;
	int rc;

	req->actor = (struct actor){ .origin = req->origin };
	if (req->local) {
		req->actor.user = "root";
		req->actor.role = "administrator";
		req->actor.via = "unix";
		memcpy(req->session.nonce, "local", 6);
		memcpy(req->session.user, "root", 5);
		memcpy(req->session.role, "administrator", 14);
		req->session.issued_utc_ms = now;
		req->known = true;
		return 0;
	}
	token = bearer_token(req);
	if (token == NULL) {
		token = MHD_lookup_connection_value(req->con, MHD_COOKIE_KIND,
		    COOKIE);
		req->by_cookie = true;
	}
	if (token == NULL || *token == '\0')
		return 0;
	rc = session_read(req->srv->sessions, token, now, &req->session);
	if (rc == 0)
		rc = users_check(req->srv->agent, &req->session);
	if (rc == -ETIME)
		return av_err_code(err, rc, "session-expired",
		    "the session has ended");
	if (rc < 0)
		return av_err_code(err, rc, "login-needed",
		    "this needs a login");
	req->actor.user = req->session.user;
	req->actor.role = req->session.role;
	req->actor.via = "https";
	req->known = true;
	session_renew(req, now);
	return 0;
}

/* user, role, language, csrf, token, expires_s */
static int
session_reply(struct request *req, const char *token)
{
	const struct session *s = &req->session;
	int64_t now = av_clock_utc_ms(), left, idle;
	AUTO_JSON json_t *j = NULL;
	char csrf[65];

	if (session_csrf(req->srv->sessions, s, csrf) < 0)
		return -EIO;
	left = s->issued_utc_ms + SESSION_MAX_MS - now;
	idle = SESSION_IDLE_MS;
	j = json_pack("{s:s, s:s, s:s?, s:s, s:s?, s:I, s:I, s:s}",
	    "user", s->user, "role", s->role,
	    "language", s->language[0] != '\0' ? s->language : NULL,
	    "csrf", csrf, "token", token,
	    "expires_s", (json_int_t)(left / 1000),
	    "inactivity_s", (json_int_t)(idle / 1000),
	    "node", req->srv->conf->node);
	return j != NULL ? reply_json(req, 200, j) : -ENOMEM;
}

int
login_session(struct request *req, struct av_err *err)
{
	(void)err;
	return session_reply(req, NULL);
}

int
login_logout(struct request *req, struct av_err *err)
{
	(void)err;
	if (!req->local)
		session_revoke(req->srv->sessions, &req->session,
		    av_clock_utc_ms());
	if (cookie_set(req, "") < 0)
		return -ENOMEM;
	return reply_empty(req, 204, NULL, NULL);
}

/* --- login ------------------------------------------------------------------ */

void
login_audit(struct request *req, const char *user, const char *role,
    const char *action, const char *object, const char *detail)
{
	struct actor who = { .user = user, .role = "console",
	    .origin = req->origin, .via = req->local ? "unix" : "https" };
	AUTO_JSON json_t *args = NULL, *result = NULL;
	struct av_err err = { 0 };
	char short_object[200];

	/* the agent takes no longer ones; these come from an address */
	(void)snprintf(short_object, sizeof(short_object), "%s", object);
	av_utf8_trim(short_object);
	args = json_pack("{s:s, s:s, s:s, s:s, s:s}", "action", action,
	    "object", short_object, "result", "refused", "detail", detail,
	    "role", role);
	if (args == NULL || agent_call(req->srv->agent, "audit.add", args,
	    &who, true, &result, NULL, &err) < 0)
		log_warn("audit", "not in the audit log: %s", err.text);
	log_notice("audit", "%s of '%s' by '%s' from %s refused: %s", action,
	    short_object, user, req->origin, detail);
}

static int
throttle_check(struct request *req, const char *user, struct av_err *err)
{
	unsigned wait_s = throttle_wait_s(req->srv->throttle, user,
	    req->origin, av_clock_ns());

	if (wait_s == 0)
		return 0;
	json_decref(req->params);
	req->params = json_pack("{s:i}", "seconds", (int)wait_s);
	return av_err_code(err, -EBUSY, "too-many-tries",
	    "too many refused logins; wait %u s", wait_s);
}

static int
session_start(struct request *req, const json_t *user, const char *hash)
{
	struct session *s = &req->session;
	const char *name = json_string_value(json_object_get(user, "name"));
	const char *role = json_string_value(json_object_get(user, "role"));
	const char *lang = json_string_value(json_object_get(user,
	    "language"));

	if (name == NULL || role == NULL || strlen(name) >= sizeof(s->user) ||
	    strlen(role) >= sizeof(s->role))
		return -EBADMSG;
	*s = (struct session){ .user = "" };
	memcpy(s->user, name, strlen(name) + 1);
	memcpy(s->role, role, strlen(role) + 1);
	if (lang != NULL && strlen(lang) < sizeof(s->language))
		memcpy(s->language, lang, strlen(lang) + 1);
	if (session_print(hash, s->print) < 0)
		return -EIO;
	return session_begin(s, av_clock_utc_ms());
}

/* One try: throttle, comparison and its counting are one step. */
static int
password_compare(struct request *req, const char *name, const char *password,
    const char *hash, struct av_err *err)
{
	bool ok = false;
	int rc;

	pthread_mutex_lock(&hashing);
	rc = throttle_check(req, name, err);
	if (rc == 0) {
		ok = password_matches(password, hash != NULL ? hash :
		    HASH_OF_NOBODY) && hash != NULL;
		if (!ok)
			throttle_failed(req->srv->throttle, name, req->origin,
			    av_clock_ns());
	}
	pthread_mutex_unlock(&hashing);
	if (rc == 0 && !ok)
		rc = av_err_code(err, -EACCES, "login-failed",
		    "the user name or the password is wrong");
	return rc;
}

/* Finds the user and tries the password; both failures look alike. */
static int
password_try(struct request *req, const char *name, const char *password,
    json_t **ret_user, struct av_err *err)
{
	struct av_err why = { 0 };
	const char *hash = NULL;
	int rc = throttle_check(req, name, err);

	if (rc < 0)
		return rc;
	rc = user_get(req, name, ret_user, &why);
	if (rc < 0 && strcmp(why.code, "not-found") != 0) {
		*err = why;
		return rc;
	}
	if (rc == 0)
		hash = json_string_value(json_object_get(*ret_user, "hash"));
	rc = password_compare(req, name, password, hash, err);
	if (rc < 0 && strcmp(err->code, "login-failed") == 0)
		login_audit(req, name, "none", "login", name, hash == NULL ?
		    "no such user" : "wrong password");
	return rc;
}

int
login_post(struct request *req, json_t *body, struct av_err *err)
{
	AUTO_JSON json_t *user = NULL;
	AUTO_FREE char *token = NULL;
	const char *name, *password;
	int rc;

	if (json_unpack(body, "{s:s, s:s !}", "username", &name, "password",
	    &password) < 0)
		return av_err_code(err, -EINVAL, "bad-argument",
		    "give 'username' and 'password' as text, nothing else");
	if (*name == '\0' || strlen(name) > 255)
		return av_err_code(err, -EINVAL, "bad-argument",
		    "the user name isn't valid");
	rc = password_try(req, name, password, &user, err);
	if (rc < 0)
		return rc;
	throttle_passed(req->srv->throttle, name, req->origin);
	rc = session_start(req, user, json_string_value(json_object_get(user,
	    "hash")));
	if (rc == 0)
		rc = session_token(req->srv->sessions, &req->session, &token);
	if (rc == 0)
		rc = cookie_set(req, token);
	if (rc < 0)
		return rc;
	log_info("login", "'%s' from %s", name, req->origin);
	return session_reply(req, token);
}

/* --- password ---------------------------------------------------------------- */

/* Own password: the old one is needed.  Another's: ROLE_ADMIN is enough. */
static int
old_password_check(struct request *req, const char *target, const char *old,
    struct av_err *err)
{
	AUTO_JSON json_t *user = NULL;

	if (req->local || strcmp(target, req->actor.user) != 0)
		return 0;
	if (old == NULL)
		return av_err_code(err, -EINVAL, "bad-argument",
		    "the old password ('old') is needed");
	return password_try(req, target, old, &user, err);
}

/* The session that changed its own password gets a token that fits the new one. */
static void
session_keep(struct request *req, const char *hash)
{
	AUTO_FREE char *token = NULL;

	/* if this fails the user logs in again: nothing worse */
	if (req->by_cookie && session_print(hash, req->session.print) == 0 &&
	    session_token(req->srv->sessions, &req->session, &token) == 0)
		(void)cookie_set(req, token);
}

int
login_password(struct request *req, const struct route *r, json_t *args,
    struct av_err *err)
{
	AUTO_JSON json_t *op_args = NULL, *result = NULL;
	const char *target, *new_word, *old = NULL;
	char setting[CRYPT_GENSALT_OUTPUT_SIZE], hash[CRYPT_OUTPUT_SIZE];
	int rc;

	if (json_unpack(args, "{s:s, s:s, s?s !}", r->path_key, &target,
	    "new", &new_word, "old", &old) < 0)
		return av_err_code(err, -EINVAL, "bad-argument",
		    "give 'new' and, for your own password, 'old' as text");
	if (strlen(new_word) < 8 || strlen(new_word) > PASSWORD_MAX)
		return av_err_code(err, -EINVAL, "bad-argument",
		    "a password has 8 to %d bytes", PASSWORD_MAX);
	rc = old_password_check(req, target, old, err);
	if (rc < 0)
		return rc;
	rc = -EIO;
	if (crypt_gensalt_rn(HASH_PREFIX, 0, NULL, 0, setting,
	    sizeof(setting)) != NULL) {
		pthread_mutex_lock(&hashing);
		rc = password_hash(new_word, setting, hash, sizeof(hash));
		pthread_mutex_unlock(&hashing);
	}
	if (rc < 0)
		return av_err_code(err, -EIO, "internal",
		    "the password can't be hashed");
	op_args = json_pack("{s:s, s:s}", "user", target, "hash", hash);
	if (op_args == NULL)
		return -ENOMEM;
	rc = agent_call(req->srv->agent, r->op, op_args, &req->actor, true,
	    &result, &req->params, err);
	if (rc < 0)
		return rc;
	users_forget(target);
	/* this session goes on; the user's others end */
	if (!req->local && strcmp(target, req->actor.user) == 0)
		session_keep(req, hash);
	return reply_empty(req, 204, NULL, NULL);
}
