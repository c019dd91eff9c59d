/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_role_reason.c - every decision has its sentence
 */
#include "tests/test.h"

#include <jansson.h>

#include "base/cleanup.h"
#include "nodeagent/core/role_reason.h"

static struct role_reason
longest(enum role_why why)
{
	return (struct role_reason){ .why = why, .node = 1,
		.gen = UINT64_MAX / 4, .other_gen = UINT64_MAX / 4,
		.silent_ms = UINT32_MAX, .seconds = UINT32_MAX };
}

TEST(every_sentence_fits_and_has_no_open_place)
{
	int w;

	for (w = 0; w < ROLE_N_WHYS; w++) {
		struct role_reason r = longest((enum role_why)w);

		role_reason_render(&r);
		CHECK(r.code != NULL && r.text[0] != '\0');
		CHECK(strchr(r.text, '{') == NULL);
		CHECK(r.text[strlen(r.text) - 1] == '.');
	}
	return 0;
}

TEST(codes_are_different)
{
	int a, b;

	for (a = 0; a < ROLE_N_WHYS; a++)
		for (b = a + 1; b < ROLE_N_WHYS; b++)
			CHECK(strcmp(role_reason_code((enum role_why)a),
			    role_reason_code((enum role_why)b)) != 0);
	return 0;
}

TEST(numbers_are_in_text_and_params)
{
	struct role_reason r = { .why = ROLE_WHY_PEER_LOST, .node = 1,
		.gen = 7, .silent_ms = 640 };
	struct role_reason_param p[ROLE_REASON_PARAMS_MAX];

	role_reason_render(&r);
	CHECK_STR(r.text, "node1 paused its guests: node0 is silent on every "
	    "link for 640 ms and the quorum server has not answered yet "
	    "(asked for generation 7).");
	CHECK(role_reason_params(&r, p) == 4);
	CHECK_STR(p[0].name, "me");
	CHECK_STR(p[0].word, "node1");
	CHECK_STR(p[3].name, "silent_ms");
	CHECK(p[3].number == 640);
	return 0;
}

/* Every place that the translation has is one that the reason fills. */
static int
places_known(const char *text, const struct role_reason *r)
{
	struct role_reason_param p[ROLE_REASON_PARAMS_MAX];
	size_t n = role_reason_params(r, p), i;

	while ((text = strchr(text, '{')) != NULL) {
		text++;
		for (i = 0; i < n; i++)
			if (strncmp(text, p[i].name, strlen(p[i].name)) == 0 &&
			    text[strlen(p[i].name)] == '}')
				break;
		if (i == n)
			return 1;
	}
	return 0;
}

TEST(the_console_has_each_in_both_languages)
{
	AUTO_JSON json_t *en = json_load_file("console/messages.en.json", 0,
	    NULL);
	AUTO_JSON json_t *ja = json_load_file("console/messages.ja.json", 0,
	    NULL);
	json_t *e = json_object_get(en, "reasons");
	json_t *j = json_object_get(ja, "reasons");
	int w;

	CHECK(json_object_size(e) == ROLE_N_WHYS);
	CHECK(json_object_size(j) == ROLE_N_WHYS);
	for (w = 0; w < ROLE_N_WHYS; w++) {
		struct role_reason r = longest((enum role_why)w);
		const char *code = role_reason_code(r.why);
		const char *text = json_string_value(json_object_get(j, code));

		CHECK_STR(json_string_value(json_object_get(e, code)),
		    role_reason_template(r.why));
		CHECK(text != NULL && places_known(text, &r) == 0);
	}
	return 0;
}

TESTS_MAIN(T(every_sentence_fits_and_has_no_open_place),
    T(codes_are_different), T(numbers_are_in_text_and_params),
    T(the_console_has_each_in_both_languages))
