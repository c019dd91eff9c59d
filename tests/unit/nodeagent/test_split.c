/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_split.c - a person's choice after a split: pure parts
 */
#include "tests/unit/nodeagent/store_fixture.h"

#include "base/cleanup.h"
#include "nodeagent/split.h"

#define LEG(uuid, identity)	"{'uuid':'" uuid "','identity':'" identity "'}"

TEST(what_differs)
{
	AUTO_JSON json_t *a = fx_json("{'volume:o3':" LEG("u3", "a")
	    ",'volume:o4':" LEG("u4", "s") ",'volume:o9':" LEG("u9", "a")
	    ",'volume:o7':" LEG("u7", "a") "}");
	AUTO_JSON json_t *b = fx_json("{'volume:o3':" LEG("u3", "b")
	    ",'volume:o4':" LEG("u4", "s") ",'volume:o9':" LEG("other", "b")
	    "}");

	CHECK(split_differs("volume:o3", a, b));
	CHECK(!split_differs("volume:o4", a, b));
	/* made on each side while alone: not the same volume */
	CHECK(!split_differs("volume:o9", a, b));
	CHECK(!split_differs("volume:o7", a, b));
	CHECK(!split_differs("volume:o3", a, NULL));
	return 0;
}

TEST(all_must_be_decided)
{
	AUTO_JSON json_t *a = fx_json("{'volume:o3':" LEG("u3", "a")
	    ",'volume:o4':" LEG("u4", "a") "}");
	AUTO_JSON json_t *b = fx_json("{'volume:o3':" LEG("u3", "b")
	    ",'volume:o4':" LEG("u4", "b") "}");
	AUTO_JSON json_t *d = json_object();

	CHECK(!split_complete(d, a, b));
	(void)json_object_set_new(d, "unit", json_string("node0"));
	CHECK(!split_complete(d, a, b));
	(void)json_object_set_new(d, "volume:o3", json_string("node1"));
	CHECK(!split_complete(d, a, b));
	(void)json_object_set_new(d, "volume:o4", json_string("both"));
	CHECK(!split_complete(d, a, b));
	(void)json_object_set_new(d, "volume:o4", json_string("node0"));
	CHECK(split_complete(d, a, b));
	(void)json_object_del(d, "unit");
	CHECK(!split_complete(d, a, b));
	(void)json_object_set_new(d, "unit", json_string("node1"));
	/* the other one isn't heard: nothing stands */
	CHECK(!split_complete(d, a, NULL));
	return 0;
}

/* Said on both PMs at once, and differently: they come to the same. */
TEST(merging_ends_alike)
{
	static const char *const words[] = { NULL, "node0", "node1" };
	int i, k, m;

	for (i = 0; i < 3; i++)
		for (k = 0; k < 3; k++) {
			AUTO_JSON json_t *a = json_object();
			AUTO_JSON json_t *b = json_object();

			if (words[i] != NULL)
				(void)json_object_set_new(a, "unit",
				    json_string(words[i]));
			if (words[k] != NULL)
				(void)json_object_set_new(b, "unit",
				    json_string(words[k]));
			for (m = 0; m < 2; m++) {
				(void)split_merge(a, b, 0);
				(void)split_merge(b, a, 1);
			}
			CHECK(json_equal(a, b));
			CHECK(words[i] == NULL ||
			    strcmp(fx_text(a, "unit"), words[i]) == 0);
			CHECK(!split_merge(a, b, 0) && !split_merge(b, a, 1));
		}
	return 0;
}

TEST(nonsense_of_the_peer_is_passed_over)
{
	AUTO_JSON json_t *own = json_object();
	AUTO_JSON json_t *bad = fx_json("{'unit':'node2','volume:o3':7,"
	    "'volume:o4':null,'volume:o5':['node0']}");

	CHECK(!split_merge(own, bad, 1));
	CHECK(!split_merge(own, NULL, 1));
	CHECK_EQ(json_object_size(own), 0);
	return 0;
}

TEST(a_torn_file_is_no_choice)
{
	static const char whole[] = "{\"version\":1,\"unit\":\"" UNIT_UUID
	    "\",\"decided\":{\"unit\":\"node1\"},\"done\":{}}";
	AUTO_JSON json_t *j = NULL;
	struct av_err err = { 0 };
	char text[300];
	size_t n;

	CHECK_EQ(split_parse(whole, UNIT_UUID, &j, &err), 0);
	CHECK_STR(fx_text(json_object_get(j, "decided"), "unit"), "node1");
	for (n = 0; n < strlen(whole); n++) {
		AUTO_JSON json_t *torn = NULL;

		(void)snprintf(text, sizeof(text), "%.*s", (int)n, whole);
		CHECK(split_parse(text, UNIT_UUID, &torn, &err) < 0);
	}
	CHECK(split_parse(whole, "ffffffff-5c0d-4d57-9d5e-0123456789ab", &j,
	    &err) < 0);
	CHECK(strstr(err.text, "another unit") != NULL);
	return 0;
}

TESTS_MAIN(T(what_differs), T(all_must_be_decided), T(merging_ends_alike),
    T(nonsense_of_the_peer_is_passed_over), T(a_torn_file_is_no_choice))
