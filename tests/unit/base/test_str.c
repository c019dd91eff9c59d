/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/err.h"
#include "base/str.h"
#include "tests/test.h"

TEST(sizes_are_parsed_whole_or_refused)
{
	static const struct { const char *s; int rc; uint64_t v; } t[] = {
		{ "0", 0, 0 }, { "4096", 0, 4096 }, { "2G", 0, 2ull << 30 },
		{ "1.5 GiB", 0, 3ull << 29 }, { "512M", 0, 512ull << 20 },
		{ "10 GiB", 0, 10ull << 30 }, { "17 B", 0, 17 },
		{ "1.5", -EINVAL, 0 }, { "", -EINVAL, 0 }, { "G", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 }, { "1X", -EINVAL, 0 }, { "1Gx", -EINVAL, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "17179869184G", -ERANGE, 0 }, { "1.", -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t v = 0;

		CHECK_EQ(av_parse_size(t[i].s, &v), t[i].rc);
		CHECK(v == t[i].v);
	}
	return 0;
}

TEST(sizes_are_shown_as_people_write_them)
{
	char s[32];

	av_format_size(10ull << 30, s, sizeof(s));
	CHECK_STR(s, "10 GiB");
	av_format_size(3ull << 29, s, sizeof(s));
	CHECK_STR(s, "1.50 GiB");
	av_format_size(0, s, sizeof(s));
	CHECK_STR(s, "0 B");
	return 0;
}

TEST(names_are_nfc_and_safe)
{
	struct av_err err = { 0 };
	char *nfc = NULL, longname[300];

	CHECK_EQ(av_name_normalize("\xe3\x82\xab\xe3\x82\x99", &nfc, &err), 0);
	CHECK_STR(nfc, "\xe3\x82\xac");		/* KA + dakuten -> GA */
	free(nfc);
	nfc = NULL;
	CHECK_EQ(av_name_normalize("\xff\xfe", &nfc, &err), -EINVAL);
	CHECK_STR(err.code, "name-invalid");
	CHECK_EQ(av_name_normalize("", &nfc, &err), -EINVAL);
	CHECK_EQ(av_name_normalize(" a", &nfc, &err), -EINVAL);
	CHECK_EQ(av_name_normalize("a\nb", &nfc, &err), -EINVAL);
	CHECK_EQ(av_name_normalize("a\xe2\x80\xae" "b", &nfc, &err), -EINVAL);
	memset(longname, 'x', sizeof(longname));
	longname[86] = '\0';
	CHECK_EQ(av_name_normalize(longname, &nfc, &err), -EINVAL);
	longname[85] = '\0';
	CHECK_EQ(av_name_normalize(longname, &nfc, &err), 0);
	free(nfc);
	return 0;
}

TEST(a_cut_text_ends_at_a_character)
{
	struct av_err err = { 0 };
	char text[400] = "";
	size_t i;

	for (i = 0; i < 100; i++)
		memcpy(text + 3 * i, "\xe8\xa1\xa8", 4);
	CHECK_EQ(av_err_set(&err, -EIO, "x%s", text), -EIO);
	CHECK(strlen(err.text) < sizeof(err.text));
	CHECK(av_utf8_ok(err.text));
	return 0;
}

TEST(columns_count_wide_characters_twice)
{
	CHECK_EQ(av_utf8_columns("abc"), 3);
	CHECK_EQ(av_utf8_columns("\xe8\xa1\xa8"), 2);
	return 0;
}

TESTS_MAIN(T(sizes_are_parsed_whole_or_refused),
    T(sizes_are_shown_as_people_write_them), T(names_are_nfc_and_safe),
    T(a_cut_text_ends_at_a_character), T(columns_count_wide_characters_twice))
