/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/arbiter_etcd.c - etcd's v3 JSON gateway as the quorum server
 *
 * Key "/avpair/UNITUUID", value {"unit":UUID,"generation":N,"owner":"both"|
 * "node0"|"node1"}.  A question is: read; judge (arbiter_judge.c); change it with
 * a transaction that compares mod_revision; when the answer to that is lost or
 * says no, read again.  Nothing but a record that reads as wanted, or a
 * transaction that says succeeded, is a grant.
 * https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/
 *
 * Runs in the worker's thread; the loop's thread never touches it.
 */
#include "nodeagent/arbiter_etcd.h"

#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define BODY_MAX	(256u * 1024)
#define URLS_MAX	4

struct etcd {
	CURL		*curl;
	struct curl_slist *headers;
	char		*urls[URLS_MAX];
	size_t		 n_urls;
	size_t		 last_good;
	char		 unit[64];
	char		 key64[192];
	int		 node;
	uint64_t	 timeout_ns;
	char		 ca[PATH_MAX], crt[PATH_MAX], key[PATH_MAX];
	bool		 tls;
	/* of the request under way */
	char		*body;
	size_t		 n_body;
	bool		 sent;		/* may have reached the server */
};

static char *
base64(const void *data, size_t n)
{
	gnutls_datum_t in = { (unsigned char *)(uintptr_t)data, (unsigned)n };
	gnutls_datum_t out;
	char *s;

	if (gnutls_base64_encode2(&in, &out) < 0)
		return NULL;
	s = strndup((const char *)out.data, out.size);
	gnutls_free(out.data);
	return s;
}

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	struct etcd *e = arg;
	size_t len = size * n;
	char *p;

	if (len > BODY_MAX - e->n_body)
		return 0;	/* curl fails the transfer */
	p = realloc(e->body, e->n_body + len + 1);
	if (p == NULL)
		return 0;
	memcpy(p + e->n_body, data, len);
	e->body = p;
	e->n_body += len;
	e->body[e->n_body] = '\0';
	return len;
}

/* One POST to one server.  0 + *ret (object), or -errno and text; e->sent tells
 * whether the request may have been read by the server. */
static int
post_one(struct etcd *e, const char *base, const char *path,
    const char *request, uint64_t deadline_ns, json_t **ret, char *text,
    size_t n_text)
{
	char url[512], errbuf[CURL_ERROR_SIZE] = "";
	uint64_t now = av_clock_ns();
	long left_ms, status = 0;
	curl_off_t upload = 0;
	json_t *j;
	CURLcode r;

	e->sent = false;
	if (now + 5 * AV_NS_PER_MS >= deadline_ns) {
		(void)snprintf(text, n_text, "The quorum server didn't answer "
		    "in time.");
		return -ETIMEDOUT;
	}
	left_ms = (long)((deadline_ns - now) / AV_NS_PER_MS);
	(void)snprintf(url, sizeof(url), "%s%s", base, path);
	free(e->body);
	e->body = NULL;
	e->n_body = 0;
	(void)curl_easy_setopt(e->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(e->curl, CURLOPT_POSTFIELDS, request);
	(void)curl_easy_setopt(e->curl, CURLOPT_TIMEOUT_MS, left_ms);
	(void)curl_easy_setopt(e->curl, CURLOPT_CONNECTTIMEOUT_MS, left_ms);
	(void)curl_easy_setopt(e->curl, CURLOPT_ERRORBUFFER, errbuf);
	r = curl_easy_perform(e->curl);
	(void)curl_easy_setopt(e->curl, CURLOPT_ERRORBUFFER, NULL);
	(void)curl_easy_getinfo(e->curl, CURLINFO_SIZE_UPLOAD_T, &upload);
	(void)curl_easy_getinfo(e->curl, CURLINFO_RESPONSE_CODE, &status);
	/* Connection refused, no route, name or TLS failure: nothing was sent. */
	e->sent = r == CURLE_OK || upload > 0;
	if (r != CURLE_OK) {
		(void)snprintf(text, n_text, "The quorum server can't be "
		    "reached: %.120s.", errbuf[0] ? errbuf :
		    curl_easy_strerror(r));
		return -EHOSTUNREACH;
	}
	j = e->body == NULL ? NULL : json_loadb(e->body, e->n_body,
	    JSON_REJECT_DUPLICATES, NULL);
	if (status != 200 || !json_is_object(j)) {
		json_decref(j);
		(void)snprintf(text, n_text, "The quorum server's answer isn't "
		    "understood (HTTP status %ld).", status);
		return -EBADMSG;
	}
	*ret = j;
	return 0;
}

/* Tries each server once; *ret_sent: some server may have read the request. */
static int
post(struct etcd *e, const char *path, const json_t *req, uint64_t deadline_ns,
    json_t **ret, bool *ret_sent, char *text, size_t n_text)
{
	AUTO_FREE char *body = json_dumps(req, JSON_COMPACT);
	size_t i, k;
	int rc = -ENOMEM;

	*ret_sent = false;
	if (body == NULL)
		return rc;
	for (i = 0; i < e->n_urls; i++) {
		k = (e->last_good + i) % e->n_urls;
		rc = post_one(e, e->urls[k], path, body, deadline_ns, ret,
		    text, n_text);
		*ret_sent |= e->sent;
		if (rc == 0) {
			e->last_good = k;
			return 0;
		}
	}
	return rc;
}

/* --- the record --- */

static int
parse_owner(const char *s, int *ret)
{
	if (s == NULL)
		return -EBADMSG;
	if (strcmp(s, "both") == 0)
		*ret = -1;
	else if (strcmp(s, "node0") == 0)
		*ret = 0;
	else if (strcmp(s, "node1") == 0)
		*ret = 1;
	else
		return -EBADMSG;
	return 0;
}

static int
parse_value(const char *unit_uuid, const char *value64,
    struct arbiter_record *ret, char *text, size_t n)
{
	gnutls_datum_t in = { (unsigned char *)(uintptr_t)value64,
		(unsigned)strlen(value64) };
	gnutls_datum_t out = { NULL, 0 };
	AUTO_JSON json_t *j = NULL;
	const char *unit;
	json_int_t gen;

	if (gnutls_base64_decode2(&in, &out) >= 0) {
		j = json_loadb((const char *)out.data, out.size,
		    JSON_REJECT_DUPLICATES, NULL);
		gnutls_free(out.data);
	}
	unit = json_string_value(json_object_get(j, "unit"));
	gen = json_integer_value(json_object_get(j, "generation"));
	if (unit == NULL || gen < 1 || (uint64_t)gen > ROLE_GEN_MAX ||
	    parse_owner(json_string_value(
	    json_object_get(j, "owner")), &ret->owner) < 0) {
		(void)snprintf(text, n, "The quorum server's record of this "
		    "unit isn't understood.");
		return -EBADMSG;
	}
	if (strcmp(unit, unit_uuid) != 0) {
		(void)snprintf(text, n, "The quorum server's record is of "
		    "another unit (%.40s).", unit);
		return -EBADMSG;
	}
	ret->gen = (uint64_t)gen;
	return 0;
}

int
arbiter_etcd_parse(const json_t *answer, const char *unit_uuid,
    struct arbiter_found *ret, char *text, size_t n)
{
	const char *value, *rev;
	json_t *kvs, *kv;
	int rc;

	memset(ret, 0, sizeof(*ret));
	/* an etcd that answers has a header; anything else isn't one */
	if (!json_is_object(json_object_get(answer, "header"))) {
		(void)snprintf(text, n, "What answers isn't a quorum server.");
		return -EBADMSG;
	}
	kvs = json_object_get(answer, "kvs");
	if (kvs == NULL || (json_is_array(kvs) && json_array_size(kvs) == 0))
		return 0;
	kv = json_array_get(kvs, 0);
	value = json_string_value(json_object_get(kv, "value"));
	rev = json_string_value(json_object_get(kv, "mod_revision"));
	if (value == NULL || rev == NULL ||
	    av_parse_u64(rev, &ret->mod_revision) < 0) {
		(void)snprintf(text, n, "The quorum server's record of this "
		    "unit isn't understood.");
		return -EBADMSG;
	}
	rc = parse_value(unit_uuid, value, &ret->rec, text, n);
	if (rc < 0)
		return rc;
	ret->have = true;
	return 0;
}

static int
read_record(struct etcd *e, uint64_t deadline_ns, struct arbiter_found *ret,
    char *text, size_t n)
{
	AUTO_JSON json_t *req = json_pack("{s:s}", "key", e->key64);
	AUTO_JSON json_t *ans = NULL;
	bool sent;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = post(e, "/v3/kv/range", req, deadline_ns, &ans, &sent, text, n);
	return rc < 0 ? rc : arbiter_etcd_parse(ans, e->unit, ret, text, n);
}

/* 1 = changed, 0 = someone was faster, -errno; *ret_sent as post(). */
static int
change_record(struct etcd *e, const struct arbiter_found *cur,
    const struct arbiter_record *to, uint64_t deadline_ns, bool *ret_sent,
    char *text, size_t n)
{
	AUTO_JSON json_t *val = json_pack("{s:s,s:I,s:s}", "unit", e->unit,
	    "generation", (json_int_t)to->gen, "owner", to->owner < 0 ?
	    "both" : to->owner == 0 ? "node0" : "node1");
	AUTO_FREE char *plain = json_dumps(val, JSON_COMPACT);
	AUTO_FREE char *value64 = plain == NULL ? NULL :
	    base64(plain, strlen(plain));
	AUTO_JSON json_t *req = NULL, *ans = NULL;
	char rev[24];
	int rc;

	*ret_sent = false;
	(void)snprintf(rev, sizeof(rev), "%llu",
	    (unsigned long long)(cur->have ? cur->mod_revision : 0));
	req = json_pack("{s:[{s:s,s:s,s:s,s:s}],s:[{s:{s:s,s:s}}]}",
	    "compare", "key", e->key64, "target", "MOD", "result", "EQUAL",
	    "mod_revision", rev, "success", "requestPut", "key", e->key64,
	    "value", value64);
	if (req == NULL)
		return -ENOMEM;
	rc = post(e, "/v3/kv/txn", req, deadline_ns, &ans, ret_sent, text, n);
	if (rc < 0)
		return rc;
	if (!json_is_object(json_object_get(ans, "header"))) {
		(void)snprintf(text, n, "What answers isn't a quorum server.");
		return -EBADMSG;
	}
	return json_is_true(json_object_get(ans, "succeeded")) ? 1 : 0;
}

static void
granted(struct arbiter_answer *ret, const struct arbiter_record *rec)
{
	ret->kind = ROLE_EV_GRANTED;
	ret->have_record = true;
	ret->record = *rec;
	ret->state = ARBITER_OK;
	ret->text[0] = '\0';
}

static void
failed(struct arbiter_answer *ret, int rc, bool maybe)
{
	ret->kind = ROLE_EV_NO_ANSWER;
	ret->maybe = maybe;
	ret->state = rc == -EBADMSG ? ARBITER_BAD : ARBITER_UNREACHABLE;
}

/* One pass: read, judge, change.  True when 'ret' is final. */
static bool
try_once(struct etcd *e, const struct role_move *m, uint64_t deadline_ns,
    bool *maybe, struct arbiter_answer *ret)
{
	struct arbiter_record to;
	struct arbiter_found cur;
	bool sent;
	int rc, v;

	rc = read_record(e, deadline_ns, &cur, ret->text, sizeof(ret->text));
	if (rc < 0) {
		failed(ret, rc, *maybe);
		return true;
	}
	ret->have_record = cur.have;
	ret->record = cur.rec;
	ret->state = cur.have ? ARBITER_OK : ARBITER_EMPTY;
	if (m == NULL)
		return true;
	v = arbiter_judge(m, e->node, cur.have ? &cur.rec : NULL, ret->text,
	    sizeof(ret->text));
	if (v == 1) {
		granted(ret, &cur.rec);
		return true;
	}
	if (v <= 0) {
		ret->kind = v == 0 ? ROLE_EV_REFUSED : ROLE_EV_NO_ANSWER;
		ret->maybe = v < 0 && *maybe;
		return true;
	}
	to.owner = m->to_owner;
	to.gen = m->to_gen != 0 ? m->to_gen : cur.have ? cur.rec.gen + 1 : 1;
	if (to.gen < m->least_gen)
		to.gen = m->least_gen;
	rc = change_record(e, &cur, &to, deadline_ns, &sent, ret->text,
	    sizeof(ret->text));
	if (rc == 1) {
		granted(ret, &to);
		return true;
	}
	*maybe |= rc < 0 && sent;
	failed(ret, rc < 0 ? rc : -EAGAIN, *maybe);
	return rc < 0 && !sent;
}

static void
etcd_run(void *drv, const struct role_move *move, struct arbiter_answer *ret)
{
	struct etcd *e = drv;
	uint64_t deadline_ns = av_clock_ns() + e->timeout_ns;
	bool maybe = false;
	int i;

	for (i = 0; i < 4; i++)
		if (try_once(e, move, deadline_ns, &maybe, ret))
			return;
}

/* --- open, close --- */

static void
etcd_close(void *drv)
{
	struct etcd *e = drv;
	size_t i;

	if (e->curl != NULL)
		curl_easy_cleanup(e->curl);
	curl_slist_free_all(e->headers);
	for (i = 0; i < e->n_urls; i++)
		free(e->urls[i]);
	free(e->body);
	free(e);
}

static int
split_urls(struct etcd *e, const char *list, struct av_err *err)
{
	AUTO_FREE char *copy = strdup(list == NULL ? "" : list);
	char *save = NULL, *u;
	size_t n;

	if (copy == NULL)
		return av_err_set(err, -ENOMEM, "arbiter: no memory");
	for (u = strtok_r(copy, ", ", &save); u != NULL;
	    u = strtok_r(NULL, ", ", &save)) {
		if (e->n_urls == URLS_MAX || strlen(u) > 200 ||
		    (strncmp(u, "http://", 7) != 0 &&
		    strncmp(u, "https://", 8) != 0))
			return av_err_set(err, -EINVAL, "arbiter address "
			    "'%.100s': 1 to %d URLs, http:// or https://",
			    u, URLS_MAX);
		for (n = strlen(u); n > 0 && u[n - 1] == '/'; n--)
			u[n - 1] = '\0';
		e->urls[e->n_urls] = strdup(u);
		if (e->urls[e->n_urls] == NULL)
			return av_err_set(err, -ENOMEM, "arbiter: no memory");
		e->n_urls++;
	}
	if (e->n_urls == 0)
		return av_err_set(err, -EINVAL, "arbiter 'etcd' needs an "
		    "address");
	return 0;
}

static void
setup_curl(struct etcd *e)
{
	CURL *c = e->curl;

	e->headers = curl_slist_append(NULL, "Content-Type: application/json");
	e->headers = curl_slist_append(e->headers, "Expect:");
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, e->headers);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, e);
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	/* a connection that died with a link would make a refusal a 'maybe' */
	(void)curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	(void)curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
	if (!e->tls)
		return;
	if (access(e->ca, F_OK) == 0) {	/* else the system's own authorities */
		(void)curl_easy_setopt(c, CURLOPT_CAINFO, e->ca);
		/* they would be trusted besides, and read for each request */
		(void)curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
	if (access(e->crt, F_OK) != 0)
		return;
	(void)curl_easy_setopt(c, CURLOPT_SSLCERT, e->crt);
	(void)curl_easy_setopt(c, CURLOPT_SSLKEY, e->key);
}

static int
etcd_open(const struct arbiter_conf *conf, void **ret, struct av_err *err)
{
	struct etcd *e = calloc(1, sizeof(*e));
	AUTO_FREE char *k64 = NULL;
	char key[128];
	int rc = -ENOMEM;

	if (e == NULL)
		return av_err_set(err, rc, "arbiter: no memory");
	(void)snprintf(e->unit, sizeof(e->unit), "%s", conf->unit_uuid);
	(void)snprintf(key, sizeof(key), "/avpair/%s", e->unit);
	k64 = base64(key, strlen(key));
	e->node = conf->node;
	e->timeout_ns = conf->timeout_ns;
	e->tls = conf->tls_dir != NULL && conf->tls_dir[0] != '\0';
	if (e->tls) {
		(void)snprintf(e->ca, PATH_MAX, "%s/ca.crt", conf->tls_dir);
		(void)snprintf(e->crt, PATH_MAX, "%s/client.crt",
		    conf->tls_dir);
		(void)snprintf(e->key, PATH_MAX, "%s/client.key",
		    conf->tls_dir);
	}
	rc = split_urls(e, conf->address, err);
	if (rc == 0 && (k64 == NULL || (e->curl = curl_easy_init()) == NULL))
		rc = av_err_set(err, -ENOMEM, "arbiter: no memory");
	if (rc < 0) {
		etcd_close(e);
		return rc;
	}
	(void)snprintf(e->key64, sizeof(e->key64), "%s", k64);
	setup_curl(e);
	*ret = e;
	return 0;
}

const struct arbiter_ops arbiter_etcd_ops = {
	.name = "etcd",
	.open = etcd_open,
	.close = etcd_close,
	.run = etcd_run,
};
