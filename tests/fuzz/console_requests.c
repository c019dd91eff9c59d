/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/console_requests.c - what a client says: addresses, tokens, languages,
 * bodies
 *
 * The input's first byte chooses what it is.  Built with a fuzzer this is its target;
 * the program of 'make check' runs seeds and a fixed number of changed ones.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "console/route.h"
#include "console/session.h"
#include "console/static.h"
#include "console/text.h"
#include "tests/test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
one_address(const char *text)
{
	static const char *const methods[] = { "GET", "POST", "DELETE" };
	struct uri u;
	char path[512], allow[80];
	size_t i;

	if (uri_parse(text, &u) < 0)
		return 0;
	if (static_path(&u, path, sizeof(path)) == 0 &&
	    (path[0] == '/' || path[0] == '.' || strstr(path, "/.") != NULL ||
	    strstr(path, "//") != NULL || !av_utf8_ok(path)))
		return 1;
	for (i = 0; i < 3; i++) {
		const struct route *r;
		const char *id = NULL;
		struct av_err err = { 0 };
		AUTO_JSON json_t *args = NULL;

		if (route_match(methods[i], &u, &r, &id, allow,
		    sizeof(allow)) == ROUTE_FOUND &&
		    route_args(r, &u, id, NULL, &args, &err) < 0 &&
		    err.code[0] == '\0')
			return 1;
	}
	uri_dispose(&u);
	return 0;
}

static int
one_token(const char *text)
{
	static const uint8_t secret[CONF_SECRET_BYTES] = { 1 };
	static struct sessions *ss;
	struct session s;

	if (ss == NULL && sessions_new(secret, &ss) < 0)
		return 1;
	/* nobody can guess a token */
	return session_read(ss, text, 1700000000000ll, &s) == 0;
}

static int
one_body(const char *text)
{
	struct av_err err = { 0 };
	AUTO_JSON json_t *body = route_depth_ok(text, strlen(text)) ?
	    json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	AUTO_JSON json_t *args = NULL;
	struct uri u;
	const struct route *r;
	const char *id;
	char allow[80];

	if (!json_is_object(body))
		return 0;
	if (uri_parse("/api/v1/vms/a/start", &u) < 0 ||
	    route_match("POST", &u, &r, &id, allow, sizeof(allow)) !=
	    ROUTE_FOUND)
		return 1;
	if (route_args(r, &u, id, body, &args, &err) == 0 &&
	    strcmp(json_string_value(json_object_get(args, "vm")), "a") != 0)
		return 1;
	uri_dispose(&u);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char text[4096];
	const char *lang;

	if (n < 1 || n >= sizeof(text))
		return 0;
	memcpy(text, data + 1, n - 1);
	text[n - 1] = '\0';
	switch (data[0] % 4) {
	case 0:
		return one_address(text);
	case 1:
		return one_token(text);
	case 2:
		return one_body(text);
	default:
		lang = text_language(NULL, text);
		return strcmp(lang, "en") != 0 && strcmp(lang, "ja") != 0;
	}
}

#ifndef FUZZER
static uint32_t state = 12345;

static uint32_t
chance(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % below;
}

TEST(changed_seeds)
{
	static const char *const seeds[] = {
		"\x04/api/v1/vms/%E5%8F%97?keep=volume:o4,volume:o5&dry_run=1",
		"\x04/api/v1/audit?limit=5&before=9", "\x04/js/../a%2f/x.js",
		"\x01v1.7b2275223a2261227d.42518329da314d8e1ab7c6a6c9501a38d5"
		"9d3ee7daa42aade2016c67e34de3c4",
		"\x02{\"dry_run\":true,\"vm\":[1,{\"a\":null}]}",
		"\x03ja-JP,en;q=0.8,*;q=0.1",
	};
	size_t i, k;

	for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		size_t n = strlen(seeds[i]);
		uint8_t buf[512];

		CHECK(LLVMFuzzerTestOneInput((const uint8_t *)seeds[i], n) ==
		    0);
		for (k = 0; k < 20000; k++) {
			uint32_t changes = 1 + chance(4);

			memcpy(buf, seeds[i], n);
			while (changes-- > 0)
				buf[1 + chance((uint32_t)n - 1)] = chance(3) ==
				    0 ? (uint8_t)"%/.?&={}\",;"[chance(11)] :
				    (uint8_t)chance(256);
			CHECK(LLVMFuzzerTestOneInput(buf, 1 +
			    chance((uint32_t)n)) == 0);
		}
	}
	return 0;
}

TESTS_MAIN(T(changed_seeds))
#endif
