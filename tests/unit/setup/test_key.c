/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/setup/test_key.c - the key that is typed; 'test_key --make' prints one
 */
#include "base/err.h"
#include "nodeagent/setup/key.h"
#include "tests/test.h"

TEST(what_is_shown_can_be_typed)
{
	char key[KEY_TEXT_BYTES], again[KEY_TEXT_BYTES], typed[64];
	struct av_err err = { 0 };
	size_t i, n = 0;

	CHECK(key_make(key, &err) == 0);
	CHECK_EQ(strlen(key), 24);
	CHECK(key_parse(key, again, &err) == 0);
	CHECK_STR(again, key);
	/* as somebody types it: capitals, other groups, o for 0 */
	for (i = 0; key[i] != '\0'; i++) {
		if (key[i] == '-')
			continue;
		typed[n++] = key[i] == '0' ? 'O' : key[i] == '1' ? 'l' :
		    key[i] >= 'a' ? (char)(key[i] - 32) : key[i];
		if (n == 7)
			typed[n++] = ' ';
	}
	typed[n] = '\0';
	CHECK(key_parse(typed, again, &err) == 0);
	CHECK_STR(again, key);
	return 0;
}

/* One wrong digit, or two that changed places, anywhere: a typo, never a key. */
TEST(typos_are_told)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	char key[KEY_TEXT_BYTES], bad[KEY_TEXT_BYTES], out[KEY_TEXT_BYTES];
	struct av_err err;
	size_t i, d;

	CHECK(key_make(key, NULL) == 0);
	for (i = 0; key[i] != '\0'; i++) {
		if (key[i] == '-')
			continue;
		for (d = 0; digits[d] != '\0'; d++) {
			memcpy(bad, key, sizeof(bad));
			if (bad[i] == digits[d])
				continue;
			bad[i] = digits[d];
			err = (struct av_err){ 0 };
			CHECK(key_parse(bad, out, &err) < 0);
			CHECK_STR(err.code, "key-typo");
		}
		if (key[i + 1] == '-' || key[i + 1] == '\0' ||
		    key[i] == key[i + 1])
			continue;
		memcpy(bad, key, sizeof(bad));
		bad[i] = key[i + 1];
		bad[i + 1] = key[i];
		CHECK(key_parse(bad, out, NULL) < 0);
	}
	return 0;
}

TEST(what_is_no_key)
{
	static const char *const bad[] = { "", "abcd", "u", "\xe3\x81\x82",
	    "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa", "aaaa-aaaa-aaaa-aaaa-aaa!" };
	char out[KEY_TEXT_BYTES];
	struct av_err err;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = (struct av_err){ 0 };
		CHECK(key_parse(bad[i], out, &err) < 0);
		CHECK_STR(err.code, "bad-key");
	}
	return 0;
}

TEST(keys_and_their_bytes_differ)
{
	char a[KEY_TEXT_BYTES], b[KEY_TEXT_BYTES];
	uint8_t x[KEY_PSK_BYTES], y[KEY_PSK_BYTES], z[KEY_PSK_BYTES];

	CHECK(key_make(a, NULL) == 0 && key_make(b, NULL) == 0);
	CHECK(strcmp(a, b) != 0);
	CHECK(key_psk(a, x, NULL) == 0 && key_psk(a, y, NULL) == 0 &&
	    key_psk(b, z, NULL) == 0);
	CHECK(memcmp(x, y, sizeof(x)) == 0 && memcmp(x, z, sizeof(x)) != 0);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		T(what_is_shown_can_be_typed), T(typos_are_told),
		T(what_is_no_key), T(keys_and_their_bytes_differ),
	};
	char key[KEY_TEXT_BYTES];

	if (argc == 2 && strcmp(argv[1], "--make") == 0) {
		if (key_make(key, NULL) < 0)
			return 1;
		puts(key);
		return 0;
	}
	return tests_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
