/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/session.c - signed sessions that both PMs understand
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "console/session.h"

#define MAC_BYTES	32u
#define REVOKED_MAX	1024
#define TOUCHED_MAX	256
#define PREFIX		"v1."

struct revoked {
	char	nonce[33];
	int64_t	until_utc_ms;
};

struct touched {
	char	nonce[33];
	int64_t	active_utc_ms;
};

struct sessions {
	uint8_t		 sign_key[MAC_BYTES];
	uint8_t		 csrf_key[MAC_BYTES];
	pthread_mutex_t	 lock;		/* what follows */
	struct revoked	 revoked[REVOKED_MAX];
	size_t		 next;		/* the oldest is overwritten */
	struct touched	 touched[TOUCHED_MAX];
};

static int
mac(const uint8_t *key, const void *data, size_t n, uint8_t ret[MAC_BYTES])
{
	return gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, MAC_BYTES, data, n,
	    ret) < 0 ? -EIO : 0;
}

int
sessions_new(const uint8_t secret[CONF_SECRET_BYTES], struct sessions **ret)
{
	static const char sign[] = "avpair console session v1";
	static const char csrf[] = "avpair console csrf v1";
	struct sessions *ss = calloc(1, sizeof(*ss));

	_Static_assert(CONF_SECRET_BYTES == MAC_BYTES, "one key size");
	if (ss == NULL)
		return -ENOMEM;
	if (mac(secret, sign, sizeof(sign) - 1, ss->sign_key) < 0 ||
	    mac(secret, csrf, sizeof(csrf) - 1, ss->csrf_key) < 0) {
		free(ss);
		return -EIO;
	}
	pthread_mutex_init(&ss->lock, NULL);
	*ret = ss;
	return 0;
}

struct sessions *
sessions_free(struct sessions *ss)
{
	if (ss == NULL)
		return NULL;
	gnutls_memset(ss->sign_key, 0, sizeof(ss->sign_key));
	gnutls_memset(ss->csrf_key, 0, sizeof(ss->csrf_key));
	pthread_mutex_destroy(&ss->lock);
	free(ss);
	return NULL;
}

bool
session_equal(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n == strlen(b) && gnutls_memcmp(a, b, n) == 0;
}

int
session_begin(struct session *s, int64_t now_utc_ms)
{
	uint8_t nonce[16];

	if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return -EIO;
	av_hex_encode(nonce, sizeof(nonce), s->nonce);
	s->issued_utc_ms = now_utc_ms;
	s->active_utc_ms = now_utc_ms;
	return 0;
}

int
session_print(const char *hash, char ret[17])
{
	uint8_t digest[MAC_BYTES];

	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, hash, strlen(hash),
	    digest) < 0)
		return -EIO;
	av_hex_encode(digest, 8, ret);
	return 0;
}

int
session_token(struct sessions *ss, const struct session *s, char **ret_token)
{
	AUTO_JSON json_t *j = NULL;
	AUTO_FREE char *text = NULL, *token = NULL;
	uint8_t digest[MAC_BYTES];
	size_t n, n_token;

	j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "u", s->user,
	    "r", s->role, "l", s->language, "n", s->nonce, "p", s->print,
	    "i", (json_int_t)s->issued_utc_ms,
	    "a", (json_int_t)s->active_utc_ms);
	text = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;
	if (text == NULL)
		return -EINVAL;
	n = strlen(text);
	n_token = sizeof(PREFIX) - 1 + 2 * n + 1 + 2 * MAC_BYTES + 1;
	token = malloc(n_token);
	if (token == NULL)
		return -ENOMEM;
	memcpy(token, PREFIX, sizeof(PREFIX) - 1);
	av_hex_encode((const uint8_t *)text, n, token + sizeof(PREFIX) - 1);
	n = strlen(token);
	if (n_token > SESSION_TOKEN_MAX || mac(ss->sign_key, token, n,
	    digest) < 0)
		return -EIO;
	token[n] = '.';
	av_hex_encode(digest, MAC_BYTES, token + n + 1);
	*ret_token = TAKE_PTR(token);
	return 0;
}

static int
copy_text(char *dst, size_t n, const char *src)
{
	size_t len = strlen(src);

	if (len >= n)
		return -EBADMSG;
	memcpy(dst, src, len + 1);
	return 0;
}

/* The signed JSON back into a session. */
static int
session_decode(const char *hex, size_t n_hex, struct session *ret)
{
	AUTO_FREE char *copy = NULL;
	AUTO_FREE uint8_t *text = NULL;
	AUTO_JSON json_t *j = NULL;
	const char *u, *r, *l, *n, *p;
	json_int_t issued, active;

	copy = strndup(hex, n_hex);
	text = malloc(n_hex / 2 + 1);
	if (copy == NULL || text == NULL)
		return -ENOMEM;
	if (av_hex_decode(copy, text, n_hex / 2) < 0)
		return -EBADMSG;
	j = json_loadb((char *)text, n_hex / 2, JSON_REJECT_DUPLICATES, NULL);
	if (j == NULL || json_unpack(j, "{s:s, s:s, s:s, s:s, s:s, s:I, s:I !}",
	    "u", &u, "r", &r, "l", &l, "n", &n, "p", &p, "i", &issued,
	    "a", &active) < 0)
		return -EBADMSG;
	ret->issued_utc_ms = issued;
	ret->active_utc_ms = active;
	if (copy_text(ret->user, sizeof(ret->user), u) < 0 ||
	    copy_text(ret->role, sizeof(ret->role), r) < 0 ||
	    copy_text(ret->language, sizeof(ret->language), l) < 0 ||
	    copy_text(ret->nonce, sizeof(ret->nonce), n) < 0 ||
	    copy_text(ret->print, sizeof(ret->print), p) < 0)
		return -EBADMSG;
	return 0;
}

static bool
times_ok(const struct session *s, int64_t now)
{
	return s->issued_utc_ms <= s->active_utc_ms &&
	    s->active_utc_ms <= now + SESSION_SKEW_MS &&
	    now - s->active_utc_ms < SESSION_IDLE_MS &&
	    now - s->issued_utc_ms < SESSION_MAX_MS;
}

static bool
is_revoked(struct sessions *ss, const struct session *s)
{
	bool found = false;
	size_t i;

	pthread_mutex_lock(&ss->lock);
	for (i = 0; i < REVOKED_MAX && !found; i++)
		found = strcmp(ss->revoked[i].nonce, s->nonce) == 0;
	pthread_mutex_unlock(&ss->lock);
	return found;
}

int
session_read(struct sessions *ss, const char *token, int64_t now_utc_ms,
    struct session *ret)
{
	const size_t n_pre = sizeof(PREFIX) - 1;
	struct session s = { .user = "" };
	uint8_t want[MAC_BYTES], got[MAC_BYTES];
	const char *dot;
	int rc;

	if (strlen(token) >= SESSION_TOKEN_MAX ||
	    strncmp(token, PREFIX, n_pre) != 0)
		return -EBADMSG;
	dot = strchr(token + n_pre, '.');
	if (dot == NULL || av_hex_decode(dot + 1, got, MAC_BYTES) < 0)
		return -EBADMSG;
	if (mac(ss->sign_key, token, (size_t)(dot - token), want) < 0)
		return -EIO;
	if (gnutls_memcmp(want, got, MAC_BYTES) != 0)
		return -EBADMSG;
	rc = session_decode(token + n_pre, (size_t)(dot - token) - n_pre, &s);
	if (rc < 0)
		return rc;
	if (!times_ok(&s, now_utc_ms) || is_revoked(ss, &s))
		return -ETIME;
	*ret = s;
	return 0;
}

int
session_csrf(struct sessions *ss, const struct session *s, char ret[65])
{
	uint8_t digest[MAC_BYTES];

	if (mac(ss->csrf_key, s->nonce, strlen(s->nonce), digest) < 0)
		return -EIO;
	av_hex_encode(digest, MAC_BYTES, ret);
	return 0;
}

void
session_revoke(struct sessions *ss, const struct session *s,
    int64_t now_utc_ms)
{
	size_t i, at;

	pthread_mutex_lock(&ss->lock);
	at = ss->next;
	/* a place whose session has expired is better than the oldest */
	for (i = 0; i < REVOKED_MAX; i++)
		if (ss->revoked[i].until_utc_ms < now_utc_ms) {
			at = i;
			break;
		}
	memcpy(ss->revoked[at].nonce, s->nonce, sizeof(s->nonce));
	ss->revoked[at].until_utc_ms = s->issued_utc_ms + SESSION_MAX_MS +
	    SESSION_SKEW_MS;
	ss->next = (at + 1) % REVOKED_MAX;
	pthread_mutex_unlock(&ss->lock);
}

bool
session_ended(struct sessions *ss, const struct session *s,
    int64_t now_utc_ms)
{
	return now_utc_ms - s->issued_utc_ms >= SESSION_MAX_MS ||
	    is_revoked(ss, s);
}

/* The session's place, or the one that was used longest ago. */
static struct touched *
touched_place(struct sessions *ss, const struct session *s)
{
	struct touched *t = &ss->touched[0];
	size_t i;

	for (i = 0; i < TOUCHED_MAX; i++) {
		if (strcmp(ss->touched[i].nonce, s->nonce) == 0)
			return &ss->touched[i];
		if (ss->touched[i].active_utc_ms < t->active_utc_ms)
			t = &ss->touched[i];
	}
	return t;
}

void
session_touch(struct sessions *ss, const struct session *s,
    int64_t now_utc_ms)
{
	struct touched *t;

	pthread_mutex_lock(&ss->lock);
	t = touched_place(ss, s);
	memcpy(t->nonce, s->nonce, sizeof(t->nonce));
	t->active_utc_ms = now_utc_ms;
	pthread_mutex_unlock(&ss->lock);
}

bool
session_idle(struct sessions *ss, const struct session *s,
    int64_t now_utc_ms)
{
	int64_t active = s->active_utc_ms;
	const struct touched *t;

	pthread_mutex_lock(&ss->lock);
	t = touched_place(ss, s);
	if (strcmp(t->nonce, s->nonce) == 0 && t->active_utc_ms > active)
		active = t->active_utc_ms;
	pthread_mutex_unlock(&ss->lock);
	return now_utc_ms - active >= SESSION_IDLE_MS;
}
