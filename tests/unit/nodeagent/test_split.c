/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_split.c - a person's choice after a split: pure parts
 */
#include "tests/unit/nodeagent/store_fixture.h"

#include "base/cleanup.h"
#include "nodeagent/core/role.h"
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

/* --- which split a choice is of --- */

static struct split *
with_file(char dir[64], const char *text)
{
	struct split *s = NULL;
	struct av_err err = { 0 };
	char path[80];
	FILE *f;

	(void)snprintf(dir, 64, "/tmp/avsplit.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return NULL;
	(void)snprintf(path, sizeof(path), "%s/split", dir);
	f = text != NULL ? fopen(path, "w") : NULL;
	if (f != NULL) {
		(void)fputs(text, f);
		(void)fclose(f);
	}
	(void)split_open(dir, UNIT_UUID, &s, &err);
	return s;
}

static struct split *
again(struct split *s, const char *dir)
{
	struct av_err err = { 0 };

	(void)split_close(s);
	s = NULL;
	(void)split_open(dir, UNIT_UUID, &s, &err);
	return s;
}

static int
end(struct split *s, const char *dir)
{
	char path[80];

	(void)split_close(s);
	(void)snprintf(path, sizeof(path), "%s/split", dir);
	(void)unlink(path);
	return rmdir(dir);
}

#define FILE_OF(of)	"{\"version\":1,\"unit\":\"" UNIT_UUID "\"," of \
	"\"decided\":{\"unit\":\"node1\"},\"done\":{}}"

TEST(a_choice_is_of_one_split)
{
	static const struct role_record same[] = { { .gen = 5 }, { .gen = 6 } },
	    swapped[] = { { .gen = 6 }, { .gen = 5 } };
	char dir[64];
	struct split *s = with_file(dir, FILE_OF("\"of\":\"5:6\","));

	CHECK(s != NULL);
	split_is_of(s, same);
	CHECK_STR(fx_text(split_peek_decided(s), "unit"), "node1");
	s = again(s, dir);		/* nothing was forgotten on disk */
	split_is_of(s, same);
	CHECK_STR(fx_text(split_peek_decided(s), "unit"), "node1");
	/* a takeover later: what ran since isn't given up by it */
	split_is_of(s, swapped);
	CHECK_EQ(json_object_size(split_peek_decided(s)), 0);
	s = again(s, dir);
	split_is_of(s, same);
	CHECK_EQ(json_object_size(split_peek_decided(s)), 0);
	CHECK_EQ(end(s, dir), 0);
	return 0;
}

static bool
stands(const char *owner, struct role_record node0, struct role_record node1)
{
	struct role_record rec[] = { node0, node1 };
	char dir[64], text[300];
	struct split *s;
	bool ret;

	(void)snprintf(text, sizeof(text), "{\"version\":1,\"unit\":\"" UNIT_UUID
	    "\",\"of\":\"5:6\",\"decided\":{\"unit\":\"%s\"},\"done\":{}}", owner);
	s = with_file(dir, text);
	if (s == NULL)
		return false;
	split_is_of(s, rec);
	ret = json_object_size(split_peek_decided(s)) > 0;
	return end(s, dir) == 0 && ret;
}

/* Its owner's generation goes up while the other PM may still see the split. */
TEST(a_choice_stands_while_it_is_carried_out)
{
	const struct role_record out5 = { .gen = 5, .mode = ROLE_MODE_OUTDATED },
	    out6 = { .gen = 6, .mode = ROLE_MODE_OUTDATED },
	    alone5 = { .gen = 5, .mode = ROLE_MODE_ALONE },
	    alone7 = { .gen = 7, .mode = ROLE_MODE_ALONE },
	    out7 = { .gen = 7, .mode = ROLE_MODE_OUTDATED };

	CHECK(stands("node1", out5, alone7));
	CHECK(stands("node0", alone7, out6));
	CHECK(!stands("node0", out5, alone7));	/* the wrong one gave up */
	CHECK(!stands("node1", alone5, alone7));	/* nobody did */
	CHECK(!stands("node0", alone7, out5));	/* what it gave up is another */
	CHECK(!stands("node0", alone7, out7));
	return 0;
}

TEST(a_choice_of_no_split_is_void)
{
	static const char *const files[] = { FILE_OF(""),
		FILE_OF("\"of\":7,"), FILE_OF("\"of\":\"\","),
		FILE_OF("\"of\":\"1:1 and more\",") };
	static const struct role_record rec[] = { { .gen = 1 }, { .gen = 1 } };
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char dir[64];
		struct split *s = with_file(dir, files[i]);

		CHECK(s != NULL);
		split_is_of(s, rec);
		CHECK_EQ(json_object_size(split_peek_decided(s)), 0);
		CHECK_EQ(end(s, dir), 0);
	}
	return 0;
}

TEST(the_peers_choice_counts_for_the_same_split_alone)
{
	static const struct role_record rec[] = { { .gen = 5 }, { .gen = 6 } };
	AUTO_JSON json_t *other = fx_json("{'of':'5:5','decided':{'unit':"
	    "'node0'}}");
	AUTO_JSON json_t *nameless = fx_json("{'of':'','decided':{'unit':"
	    "'node0'}}");
	AUTO_JSON json_t *same = fx_json("{'of':'5:6','decided':{'unit':"
	    "'node0'}}");
	char dir[64];
	struct split *s = with_file(dir, NULL);

	CHECK(s != NULL);
	/* neither knows yet which one it is */
	CHECK(!split_hear(s, nameless, 1));
	split_is_of(s, rec);
	CHECK(!split_hear(s, other, 1) && !split_hear(s, nameless, 1) &&
	    !split_hear(s, NULL, 1));
	CHECK_EQ(json_object_size(split_peek_decided(s)), 0);
	CHECK(split_hear(s, same, 1));
	CHECK(!split_hear(s, same, 1));
	s = again(s, dir);		/* said only once it is durable */
	split_is_of(s, rec);
	CHECK_STR(fx_text(split_peek_decided(s), "unit"), "node0");
	CHECK_EQ(end(s, dir), 0);
	return 0;
}

/* What the keeper's leg shows, and the discarded one's: each thing counts. */
TEST(copied_is_seen_on_both_legs)
{
	const struct mirror_status in_step = { .role = MIRROR_SECONDARY,
		.conn = MIRROR_CONNECTED, .disk = MIRROR_DISK_UPTODATE,
		.peer_disk = MIRROR_DISK_UPTODATE };
	struct mirror_status st = in_step;

	CHECK(split_is_copied(&st, true, "secondary"));
	/* the owner was the first to see it, and has taken it over */
	CHECK(split_is_copied(&st, true, "primary"));
	CHECK(split_is_copied(&st, false, "secondary"));
	CHECK(!split_is_copied(&st, false, "primary"));
	CHECK(!split_is_copied(&st, false, ""));
	st.role = MIRROR_PRIMARY;
	CHECK(split_is_copied(&st, true, "secondary"));
	CHECK(!split_is_copied(&st, false, "secondary"));
	st = in_step;
	st.conn = MIRROR_CONNECTING;
	CHECK(!split_is_copied(&st, true, "secondary"));
	st = in_step;
	st.peer_disk = MIRROR_DISK_INCONSISTENT;
	CHECK(!split_is_copied(&st, true, "secondary"));
	st = in_step;
	st.disk = MIRROR_DISK_INCONSISTENT;
	CHECK(!split_is_copied(&st, true, "secondary"));
	CHECK(!split_is_copied(&st, false, "secondary"));
	return 0;
}

TESTS_MAIN(T(what_differs), T(all_must_be_decided), T(merging_ends_alike),
    T(nonsense_of_the_peer_is_passed_over), T(a_torn_file_is_no_choice),
    T(a_choice_is_of_one_split),
    T(a_choice_stands_while_it_is_carried_out), T(a_choice_of_no_split_is_void),
    T(the_peers_choice_counts_for_the_same_split_alone),
    T(copied_is_seen_on_both_legs))
