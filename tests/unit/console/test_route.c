/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/test_route.c - routes, args, roles; the description of the API
 */
#include <errno.h>
#include <ctype.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "console/route.h"
#include "console/static.h"
#include "console/text.h"
#include "tests/test.h"

static const struct route *
found(const char *method, const char *raw, struct uri *u, const char **id)
{
	const struct route *r = NULL;
	char allow[80];

	if (uri_parse(raw, u) < 0)
		return NULL;
	if (route_match(method, u, &r, id, allow, sizeof(allow)) !=
	    ROUTE_FOUND)
		return NULL;
	return r;
}

/* The op's args as text, or the error's code. */
static const char *
args_text(const char *method, const char *raw, const char *body_text)
{
	static char out[512];
	struct av_err err = { 0 };
	AUTO_JSON json_t *body = NULL, *args = NULL;
	AUTO_FREE char *text = NULL;
	const struct route *r;
	const char *id = NULL;
	struct uri u = { .buf = NULL };

	r = found(method, raw, &u, &id);
	if (body_text != NULL)
		body = json_loads(body_text, 0, NULL);
	if (r == NULL)
		(void)snprintf(out, sizeof(out), "no route");
	else if (route_args(r, &u, id, body, &args, &err) < 0)
		(void)snprintf(out, sizeof(out), "%s", err.code);
	else {
		text = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);
		(void)snprintf(out, sizeof(out), "%s %s", r->op, text);
	}
	uri_dispose(&u);
	return out;
}

TEST(args_are_built)
{
	CHECK_STR(args_text("GET", "/api/v1/vms", NULL), "vm.list {}");
	CHECK_STR(args_text("GET", "/api/v1/vms/vm:o12?lang=ja", NULL),
	    "vm.get {\"vm\":\"vm:o12\"}");
	CHECK_STR(args_text("GET", "/api/v1/vms/a%2Fb%20c", NULL),
	    "vm.get {\"vm\":\"a/b c\"}");
	CHECK_STR(args_text("POST", "/api/v1/vms/web/start", NULL),
	    "vm.start {\"vm\":\"web\"}");
	CHECK_STR(args_text("POST", "/api/v1/vms/web/start?dry_run=1", "{}"),
	    "vm.start {\"dry_run\":true,\"vm\":\"web\"}");
	CHECK_STR(args_text("POST", "/api/v1/vms/web/start",
	    "{\"dry_run\":true}"), "vm.start {\"dry_run\":true,\"vm\":\"web\"}");
	CHECK_STR(args_text("PATCH", "/api/v1/vms/web", "{\"name\":\"x\"}"),
	    "vm.rename {\"name\":\"x\",\"vm\":\"web\"}");
	CHECK_STR(args_text("DELETE",
	    "/api/v1/vms/web?keep=volume:o4,volume:o5", NULL),
	    "vm.delete {\"keep_volumes\":[\"volume:o4\",\"volume:o5\"],"
	    "\"vm\":\"web\"}");
	CHECK_STR(args_text("DELETE", "/api/v1/vms/web?keep=", NULL),
	    "vm.delete {\"keep_volumes\":[],\"vm\":\"web\"}");
	CHECK_STR(args_text("GET", "/api/v1/audit?limit=5&before=9", NULL),
	    "audit.list {\"before\":9,\"limit\":5}");
	CHECK_STR(args_text("POST", "/api/v1/vms", "{\"name\":\"x\"}"),
	    "vm.create {\"name\":\"x\"}");
	CHECK_STR(args_text("POST", "/api/v1/nodes/node1/reboot", NULL),
	    "node.power {\"action\":\"reboot\",\"node\":\"node1\"}");
	CHECK_STR(args_text("POST", "/api/v1/nodes/node1/shutdown", "{}"),
	    "node.power {\"action\":\"shutdown\",\"node\":\"node1\"}");
	CHECK_STR(args_text("DELETE", "/api/v1/volumes/v1", NULL),
	    "volume.delete {\"volume\":\"v1\"}");
	return 0;
}

TEST(wrong_args_are_refused)
{
	CHECK_STR(args_text("GET", "/api/v1/audit?limit=-1", NULL),
	    "bad-argument");
	CHECK_STR(args_text("GET", "/api/v1/audit?limit=99999999999999999999",
	    NULL), "bad-argument");
	CHECK_STR(args_text("GET", "/api/v1/audit?limit=1&limit=2", NULL),
	    "bad-argument");
	CHECK_STR(args_text("GET", "/api/v1/vms?x=1", NULL), "bad-argument");
	CHECK_STR(args_text("POST", "/api/v1/vms/web/start?dry_run=maybe",
	    NULL), "bad-argument");
	CHECK_STR(args_text("POST", "/api/v1/vms/web/start",
	    "{\"vm\":\"other\"}"), "bad-argument");
	CHECK_STR(args_text("POST", "/api/v1/vms/web/start?dry_run=1",
	    "{\"dry_run\":false}"), "bad-argument");
	CHECK_STR(args_text("POST", "/api/v1/nodes/node1/reboot",
	    "{\"action\":\"shutdown\"}"), "bad-argument");
	CHECK_STR(args_text("POST", "/api/v1/vms", NULL), "bad-request");
	CHECK_STR(args_text("GET", "/api/v1/vms", "{}"), "bad-request");
	return 0;
}

TEST(depth_is_counted_outside_texts)
{
	static const char at[] = "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]";
	static const char over[] = "[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]";
	static const char text[] = "[\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"]";
	static const char wide[] = "[[],[],[],[],[],[],[],[],[],[],[],[],[],"
	    "[],[],[],[],[],[],[]]";

	CHECK(route_depth_ok(at, strlen(at)));
	CHECK(!route_depth_ok(over, strlen(over)));
	CHECK(route_depth_ok(text, strlen(text)));
	CHECK(route_depth_ok(wide, strlen(wide)));
	CHECK(route_depth_ok("]]]]\"\\", 6));
	return 0;
}

TEST(unknown_routes)
{
	CHECK_STR(args_text("GET", "/api/v1/", NULL), "no route");
	CHECK_STR(args_text("GET", "/api/v1", NULL), "no route");
	CHECK_STR(args_text("GET", "/api/v2/vms", NULL), "no route");
	CHECK_STR(args_text("GET", "/api/v1/vms/", NULL), "no route");
	CHECK_STR(args_text("GET", "/api/v1/vms/web/start/x", NULL),
	    "no route");
	CHECK_STR(args_text("get", "/api/v1/vms", NULL), "no route");
	CHECK_STR(args_text("GET", "/api/v1/vmsx", NULL), "no route");
	CHECK_STR(args_text("PUT", "/api/v1/vms", NULL), "no route");
	CHECK_STR(args_text("HEAD", "/api/v1/vms", NULL), "vm.list {}");
	return 0;
}

TEST(uris_are_strict)
{
	static const char *const bad[] = { "", "x", "*", "/%", "/%0", "/%zz",
	    "/%00", "/a%00b", "/%ff", "/%c0%af", "/?a=%ff", "/?%00=1",
	    "http://x/", "/1/2/3/4/5/6/7/8/9/10/11/12/13",
	    "/?a&b&c&d&e&f&g&h&i&j&k&l&m" };
	struct uri u;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (uri_parse(bad[i], &u) == 0) {
			fprintf(stderr, "taken: '%s'\n", bad[i]);
			return 1;
		}
	CHECK_EQ(uri_parse("/%E5%8F%97/b?x=a+b%26&y", &u), 0);
	CHECK_EQ(u.n_parts, 2);
	CHECK_STR(u.parts[0], "受");
	CHECK_STR(uri_arg(&u, "x"), "a b&");
	CHECK_STR(uri_arg(&u, "y"), "");
	CHECK(uri_arg(&u, "z") == NULL);
	uri_dispose(&u);
	return 0;
}

/* The file for an address; "-" = refused. */
static const char *
page(const char *raw)
{
	static char path[512];
	struct uri u;

	if (uri_parse(raw, &u) < 0)
		return "-";
	if (static_path(&u, path, sizeof(path)) < 0)
		memcpy(path, "-", 2);
	uri_dispose(&u);
	return path;
}

TEST(pages_stay_inside)
{
	char deep[700] = "/";

	CHECK_STR(page("/"), "index.html");
	CHECK_STR(page("/js/app.js?x=1"), "js/app.js");
	CHECK_STR(page("/js/"), "js/index.html");
	CHECK_STR(page("/.."), "-");
	CHECK_STR(page("/../x"), "-");
	CHECK_STR(page("/a/../x"), "-");
	CHECK_STR(page("/%2e%2e/x"), "-");
	CHECK_STR(page("/a%2f..%2f..%2fx"), "-");
	CHECK_STR(page("/.git/config"), "-");
	CHECK_STR(page("//etc/passwd"), "-");
	memset(deep + 1, 'a', sizeof(deep) - 2);
	deep[sizeof(deep) - 1] = '\0';
	CHECK_STR(page(deep), "-");
	CHECK_STR(static_type("x.js"), "text/javascript; charset=utf-8");
	CHECK_STR(static_type("x"), "application/octet-stream");
	return 0;
}

TEST(roles_include_those_before)
{
	static const char *const words[] = { "nobody", "read-only",
	    "vm-manager", "platform-manager", "administrator" };
	size_t n, i, k;
	const struct route *r = routes(&n);

	for (i = 0; i < n; i++)
		for (k = 0; k < 5; k++) {
			bool want = k >= (size_t)r[i].role;

			if (r[i].role == ROLE_OWNER)
				want = k == 4;
			if (r[i].role == ROLE_NONE)
				want = true;
			CHECK(role_allows(&r[i], "somebody", "me",
			    role_parse(words[k])) == want);
		}
	for (i = 0; i < n; i++)
		if (r[i].role == ROLE_OWNER) {
			CHECK(role_allows(&r[i], "me", "me", ROLE_READ));
			CHECK(!role_allows(&r[i], "me", "me", ROLE_NONE));
			CHECK(!role_allows(&r[i], "me2", "me",
			    ROLE_PLATFORM));
		}
	return 0;
}

TEST(only_gets_change_nothing)
{
	size_t n, i;
	const struct route *r = routes(&n);

	for (i = 0; i < n; i++) {
		bool get = strcmp(r[i].method, "GET") == 0;

		CHECK(get != r[i].changing || r[i].kind == ROUTE_LOGIN);
		CHECK(!get || r[i].body == BODY_NONE);
		CHECK(r[i].kind != 0);
		CHECK(r[i].kind != ROUTE_OP || r[i].role != ROLE_NONE);
	}
	return 0;
}

static json_t *
described(const json_t *paths, const struct route *r)
{
	char method[16];
	size_t i;

	for (i = 0; r->method[i] != '\0'; i++)
		method[i] = (char)tolower((unsigned char)r->method[i]);
	method[i] = '\0';
	return json_object_get(json_object_get(paths, r->pattern), method);
}

TEST(openapi_and_routes_agree)
{
	AUTO_JSON json_t *api = json_loads(text_openapi,
	    JSON_REJECT_DUPLICATES, NULL);
	json_t *paths = json_object_get(api, "paths"), *path, *op;
	size_t n, i, n_described = 0;
	const struct route *r = routes(&n);
	const char *key, *method;

	CHECK(paths != NULL);
	for (i = 0; i < n; i++) {
		const char *name;

		op = described(paths, &r[i]);
		if (op == NULL) {
			fprintf(stderr, "not described: %s %s\n", r[i].method,
			    r[i].pattern);
			return 1;
		}
		name = json_string_value(json_object_get(op, "x-operation"));
		CHECK((name == NULL) == (r[i].op == NULL));
		CHECK(name == NULL || strcmp(name, r[i].op) == 0);
		CHECK((json_array_size(json_object_get(op, "security")) == 0 &&
		    json_object_get(op, "security") != NULL) ==
		    (r[i].role == ROLE_NONE));
		CHECK(r[i].body != BODY_NONE ||
		    json_object_get(op, "requestBody") == NULL);
		CHECK(r[i].body != BODY_REQUIRED ||
		    json_is_true(json_object_get(json_object_get(op,
		    "requestBody"), "required")));
	}
	json_object_foreach(paths, key, path)
		json_object_foreach(path, method, op)
			n_described++;
	CHECK_EQ(n_described, n);
	return 0;
}

/* Every "$ref" leads somewhere inside the document. */
static int
refs_check(const json_t *root, json_t *at)
{
	const char *key;
	json_t *v;
	size_t i;

	json_array_foreach(at, i, v)
		if (refs_check(root, v) != 0)
			return 1;
	json_object_foreach(at, key, v) {
		const json_t *to = root;
		const char *ref = json_string_value(v);

		if (strcmp(key, "$ref") != 0) {
			if (refs_check(root, v) != 0)
				return 1;
			continue;
		}
		CHECK(ref != NULL && ref[0] == '#');
		for (ref++; *ref == '/'; ) {
			size_t n = strcspn(++ref, "/");

			to = json_object_getn(to, ref, n);
			ref += n;
		}
		CHECK(to != NULL);
	}
	return 0;
}

TEST(openapi_refs_resolve)
{
	AUTO_JSON json_t *api = json_loads(text_openapi, 0, NULL);

	return refs_check(api, api);
}

/* A list of texts is one text for each set of params. */
static bool
is_texts(const json_t *v)
{
	size_t i;

	if (json_is_string(v))
		return json_string_length(v) > 0;
	for (i = 0; i < json_array_size(v); i++)
		if (json_string_length(json_array_get(v, i)) == 0)
			return false;
	return json_array_size(v) > 0;
}

TEST(messages_have_all_codes_in_both_languages)
{
	AUTO_JSON json_t *en = json_loads(text_messages_en, 0, NULL);
	AUTO_JSON json_t *ja = json_loads(text_messages_ja, 0, NULL);
	json_t *errors = json_object_get(en, "errors"), *entry;
	json_t *others = json_object_get(ja, "errors");
	const char *code;

	CHECK(json_object_size(errors) > 0);
	CHECK_EQ(json_object_size(errors), json_object_size(others));
	json_object_foreach(errors, code, entry) {
		json_t *other = json_object_get(others, code);

		CHECK(is_texts(json_object_get(entry, "title")));
		CHECK(is_texts(json_object_get(other, "title")));
		CHECK(is_texts(json_object_get(other, "detail")));
		CHECK(json_is_string(json_object_get(entry, "hint")) ==
		    json_is_string(json_object_get(other, "hint")));
		CHECK(text_status(code) != 500 ||
		    strcmp(code, "internal") == 0);
	}
	return 0;
}

/* 'code' has texts of both languages under 'kind'. */
static bool
told(const json_t *en, const json_t *ja, const char *kind, const char *code)
{
	if (json_is_object(json_object_get(json_object_get(en, kind), code)) &&
	    json_is_object(json_object_get(json_object_get(ja, kind), code)))
		return true;
	fprintf(stderr, "no text of %s '%s'\n", kind, code);
	return false;
}

/* The table of docs/API.md: '| code, code | 400 | 2 | ...', and back. */
TEST(documented_errors_have_texts)
{
	AUTO_JSON json_t *en = json_loads(text_messages_en, 0, NULL);
	AUTO_JSON json_t *ja = json_loads(text_messages_ja, 0, NULL);
	AUTO_FREE char *doc = NULL;
	char *line, *code, *save, *save2;
	size_t n = 0;

	CHECK(av_file_read("docs/API.md", 1 << 20, &doc, NULL, NULL) == 0);
	line = strstr(doc, "| code | HTTP |");
	CHECK(line != NULL);
	line = strtok_r(line, "\n", &save);		/* its head */
	(void)strtok_r(NULL, "\n", &save);		/* |---| */
	while ((line = strtok_r(NULL, "\n", &save)) != NULL &&
	    line[0] == '|') {
		unsigned status = (unsigned)strtoul(strchr(line + 1, '|') + 1,
		    NULL, 10);

		*strchr(line + 1, '|') = '\0';
		for (code = strtok_r(line + 1, ", ", &save2); code != NULL;
		    code = strtok_r(NULL, ", ", &save2), n++) {
			CHECK(told(en, ja, "errors", code));
			CHECK_EQ(text_status(code), status);
		}
	}
	CHECK_EQ(n, json_object_size(json_object_get(en, "errors")));
	return 0;
}

/* The list of nodeagent/alerts.h: ' *   code {param, ...}'. */
TEST(alerts_have_texts)
{
	AUTO_JSON json_t *en = json_loads(text_messages_en, 0, NULL);
	AUTO_JSON json_t *ja = json_loads(text_messages_ja, 0, NULL);
	json_t *all = json_object_get(en, "alerts");
	json_t *others = json_object_get(ja, "alerts"), *entry;
	AUTO_FREE char *header = NULL;
	const char *code;

	CHECK(av_file_read("nodeagent/alerts.h", 1 << 20, &header, NULL,
	    NULL) == 0);
	CHECK(strstr(header, " *   node-lost {node} ") != NULL);
	CHECK_EQ(json_object_size(all), json_object_size(others));
	json_object_foreach(all, code, entry) {
		const json_t *other = json_object_get(others, code);
		char line[80];

		CHECK(told(en, ja, "alerts", code));
		(void)snprintf(line, sizeof(line), " %s {", code);
		if (strstr(header, line) == NULL)
			fprintf(stderr, "no alert is '%s'\n", code);
		CHECK(strstr(header, line) != NULL);
		CHECK(is_texts(json_object_get(entry, "text")));
		CHECK(is_texts(json_object_get(other, "text")));
		CHECK(is_texts(json_object_get(other, "cause")));
		CHECK(is_texts(json_object_get(other, "repair")));
		CHECK_EQ(json_array_size(json_object_get(entry, "repair")),
		    json_array_size(json_object_get(other, "repair")));
	}
	return 0;
}

/* ... and each of its lines has texts; each place is one of its params. */
TEST(alerts_of_the_agent_have_texts)
{
	AUTO_JSON json_t *en = json_loads(text_messages_en, 0, NULL);
	AUTO_JSON json_t *ja = json_loads(text_messages_ja, 0, NULL);
	AUTO_FREE char *header = NULL;
	char *at, code[64], params[128], place[64], *text;
	size_t n = 0;
	int len;

	CHECK(av_file_read("nodeagent/alerts.h", 1 << 20, &header, NULL,
	    NULL) == 0);
	for (at = header; (at = strchr(at, '{')) != NULL; at++) {
		char *start = at - 1, *p;

		while (start > header && start[-1] != ' ' && start[-1] != '\n')
			start--;
		if (sscanf(start, "%63[a-z-] {%127[^}]", code, params) < 1 ||
		    start[-1] != ' ' || strchr(code, '-') == NULL)
			continue;
		CHECK(told(en, ja, "alerts", code));
		if (at[1] == '}')
			params[0] = '\0';
		text = json_dumps(json_object_get(json_object_get(ja,
		    "alerts"), code), JSON_ENCODE_ANY);
		for (p = text; (p = strchr(p, '{')) != NULL; p += len) {
			len = 1;
			if (sscanf(p, "{%63[a-z0-9_]}%n", place, &len) == 1 &&
			    strstr(params, place) == NULL) {
				fprintf(stderr, "'%s' has no '%s'\n", code,
				    place);
				free(text);
				return 1;
			}
		}
		free(text);
		n++;
	}
	CHECK_EQ(n, json_object_size(json_object_get(en, "alerts")));
	return 0;
}

TEST(languages)
{
	CHECK_STR(text_language(NULL, NULL), "en");
	CHECK_STR(text_language("ja", "en"), "ja");
	CHECK_STR(text_language("fr", "ja-JP,en;q=0.8"), "ja");
	CHECK_STR(text_language(NULL, "en;q=0.5, ja;q=0.9"), "ja");
	CHECK_STR(text_language(NULL, "fr, ja;q=0"), "en");
	CHECK_STR(text_language(NULL, "jaa,,;q=;,en-GB;q=0.1"), "en");
	CHECK_STR(text_language(NULL, ";;;q"), "en");
	return 0;
}

TEST(reasons_are_translated_with_their_numbers)
{
	AUTO_JSON json_t *unit = json_pack("{s:{s:s,s:s,s:{s:s,s:s,s:i,s:i}}}",
	    "reason", "code", "peer-lost", "text", "english", "params", "me",
	    "node1", "peer", "node0", "generation", 6, "silent_ms", 640);
	AUTO_JSON json_t *list = json_pack("[O]", unit);
	json_t *reason = json_object_get(unit, "reason");
	struct av_err err = { 0 };

	CHECK(text_open(&err) == 0);
	text_reasons(unit, "en");
	CHECK_STR(json_string_value(json_object_get(reason, "text")),
	    "english");
	text_reasons(list, "ja");
	CHECK(strstr(json_string_value(json_object_get(reason, "text")),
	    "640") != NULL);
	CHECK(strstr(json_string_value(json_object_get(reason, "text")),
	    "node0") != NULL);
	/* one that lacks what its text names stays as it was said */
	(void)json_object_set_new(reason, "text", json_string("english"));
	(void)json_object_del(json_object_get(reason, "params"), "silent_ms");
	text_reasons(unit, "ja");
	CHECK_STR(json_string_value(json_object_get(reason, "text")),
	    "english");
	text_close();
	return 0;
}

TEST(problems_are_whole_sentences)
{
	AUTO_JSON json_t *params = json_pack("{s:s}", "name", "受注");
	AUTO_JSON json_t *p = NULL, *q = NULL, *r = NULL;
	struct av_err err = { 0 };

	CHECK(text_open(&err) == 0);
	(void)av_err_code(&err, -ENOENT, "not-found", "there is no VM 'x'");
	p = text_problem(&err, params, "en");
	CHECK_STR(json_string_value(json_object_get(p, "detail")),
	    "There is no VM 'x'.");
	CHECK_EQ(json_integer_value(json_object_get(p, "status")), 404);
	q = text_problem(&err, params, "ja");
	CHECK_STR(json_string_value(json_object_get(q, "detail")),
	    "「受注」は見つかりません。");
	(void)json_object_set_new(params, "kind", json_string("VM"));
	json_decref(q);
	q = text_problem(&err, params, "ja");
	CHECK_STR(json_string_value(json_object_get(q, "detail")),
	    "仮想マシン「受注」は見つかりません。");
	r = text_problem(&err, NULL, "ja");	/* no place can be filled */
	CHECK_STR(json_string_value(json_object_get(r, "detail")),
	    "見つかりません。");
	text_close();
	return 0;
}

TEST(sizes_and_words_are_shown_as_people_say_them)
{
	AUTO_JSON json_t *few = json_pack("{s:i, s:i}", "memory_bytes", 1 << 20,
	    "min_bytes", 256 << 20);
	AUTO_JSON json_t *state = json_pack("{s:s, s:s}", "name", "running",
	    "activity", "booting");
	AUTO_JSON json_t *p = NULL, *q = NULL;
	struct av_err err = { 0 };

	CHECK(text_open(&err) == 0);
	(void)av_err_code(&err, -EINVAL, "memory-too-small", "too small");
	p = text_problem(&err, few, "ja");
	CHECK_STR(json_string_value(json_object_get(p, "detail")),
	    "仮想マシンのメモリーは 256 MiB 以上が必要です。1 MiB では足りません。");
	(void)av_err_code(&err, -EBUSY, "wrong-state", "not now");
	q = text_problem(&err, state, "ja");
	CHECK_STR(json_string_value(json_object_get(q, "detail")),
	    "「running」は起動処理中のため、この操作はできません。");
	text_close();
	return 0;
}

TEST(alerts_are_told_in_the_readers_language)
{
	AUTO_JSON json_t *list = json_pack("[{s:s,s:s,s:s,s:[s],s:{s:s}},"
	    "{s:s,s:s}]", "code", "node-lost", "text", "No sign of life",
	    "cause", "c", "repair", "r", "params", "node", "node1",
	    "code", "of-tomorrow", "text", "New");
	const json_t *a = json_array_get(list, 0);
	struct av_err err = { 0 };

	CHECK(text_open(&err) == 0);
	text_alerts(list, "en");
	CHECK_STR(json_string_value(json_object_get(a, "text")),
	    "No sign of life");
	text_alerts(list, "ja");
	CHECK_STR(json_string_value(json_object_get(a, "text")),
	    "node1 から応答がありません");
	CHECK(json_array_size(json_object_get(a, "repair")) > 1);
	CHECK_STR(json_string_value(json_object_get(json_array_get(list, 1),
	    "text")), "New");
	text_close();
	return 0;
}

TESTS_MAIN(T(args_are_built), T(wrong_args_are_refused),
    T(depth_is_counted_outside_texts), T(unknown_routes),
    T(uris_are_strict), T(pages_stay_inside), T(roles_include_those_before),
    T(only_gets_change_nothing), T(openapi_and_routes_agree),
    T(openapi_refs_resolve), T(messages_have_all_codes_in_both_languages),
    T(documented_errors_have_texts), T(alerts_have_texts),
    T(alerts_of_the_agent_have_texts),
    T(languages), T(reasons_are_translated_with_their_numbers),
    T(problems_are_whole_sentences),
    T(sizes_and_words_are_shown_as_people_say_them),
    T(alerts_are_told_in_the_readers_language))
