/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/test.h - small unit-test frame
 *
 *   TEST(name) { CHECK(...); return 0; }
 *   TESTS_MAIN(name, name2)
 *
 * A program runs its tests in order and prints 'ok NAME' or 'not ok NAME' a test; exit 0 = all
 * passed.  With arguments it runs just the tests named.  CHECK ends the test.
 */
#ifndef AV_TEST_H
#define AV_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name)	static int name(void)
#define CHECK(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, \
		    __LINE__, #cond); \
		return 1; \
	} } while (0)
#define CHECK_EQ(a, b) do { \
	long long a_ = (long long)(a), b_ = (long long)(b); \
	if (a_ != b_) { \
		fprintf(stderr, "%s:%d: %s is %lld, %s is %lld\n", __FILE__, \
		    __LINE__, #a, a_, #b, b_); \
		return 1; \
	} } while (0)
#define CHECK_STR(a, b) do { \
	const char *a_ = (a), *b_ = (b); \
	if (a_ == NULL || b_ == NULL || strcmp(a_, b_) != 0) { \
		fprintf(stderr, "%s:%d: %s is '%s', not '%s'\n", __FILE__, \
		    __LINE__, #a, a_ ? a_ : "(null)", b_ ? b_ : "(null)"); \
		return 1; \
	} } while (0)

struct test_case { const char *name; int (*run)(void); };

static inline int
tests_run(const struct test_case *cases, size_t n, int argc, char **argv)
{
	int failed = 0, a;
	size_t i;

	for (i = 0; i < n; i++) {
		int wanted = argc < 2;

		for (a = 1; a < argc; a++)
			wanted |= strcmp(argv[a], cases[i].name) == 0;
		if (!wanted)
			continue;
		if (cases[i].run() == 0) {
			printf("ok %s\n", cases[i].name);
		} else {
			printf("not ok %s\n", cases[i].name);
			failed++;
		}
		fflush(stdout);
	}
	return failed == 0 ? 0 : 1;
}

/* tests are listed by name so that a forgotten one is a compiler warning */
#define T(name)		{ #name, name }
#define TESTS_MAIN(...) \
	int main(int argc, char **argv) { \
		static const struct test_case cases[] = { __VA_ARGS__ }; \
		return tests_run(cases, sizeof(cases) / sizeof(cases[0]), \
		    argc, argv); }

#endif
