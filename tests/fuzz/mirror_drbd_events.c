/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/mirror_drbd_events.c - 'events2' and get-gi as DRBD prints them
 *
 * The same bytes give the same picture however they are cut into pieces.
 */
#include <dirent.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "mirror/drbd.h"
#include "tests/test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
run(struct drbd_stream *s, const char *data, size_t n, size_t piece)
{
	size_t at;

	memset(s, 0, sizeof(*s));
	drbd_stream_begin(s, "av-o3");
	for (at = 0; at < n; at += piece)
		(void)drbd_stream_feed(s, data + at,
		    n - at < piece ? n - at : piece);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct drbd_stream a, b;
	char text[256];
	struct drbd_gi gi;
	size_t len = n < sizeof(text) - 1 ? n : sizeof(text) - 1;

	run(&a, (const char *)data, n, n + 1);
	run(&b, (const char *)data, n, 7);
	if (memcmp(&a.now, &b.now, sizeof(a.now)) != 0 ||
	    a.whole != b.whole || a.lost != b.lost)
		abort();
	memcpy(text, data, len);
	text[len] = '\0';
	(void)drbd_gi_parse(text, &gi);
	return 0;
}

#ifndef AV_FUZZ
static uint64_t seed = 42;

static size_t
below(size_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (size_t)(seed >> 33) % n;
}

static void
mutate(const char *data, size_t n)
{
	AUTO_FREE uint8_t *copy = malloc(n + 1);
	size_t i, changes = 1 + below(8), len = n - below(n / 2 + 1);

	if (copy == NULL)
		return;
	memcpy(copy, data, n);
	for (i = 0; i < changes; i++)
		copy[below(n)] = (uint8_t)"\n :-,x0\xff"[below(8)];
	(void)LLVMFuzzerTestOneInput(copy, len);
}

/* The recorded streams are the corpus. */
TEST(corpus_and_mutants)
{
	DIR *dir = opendir("tests/golden/drbd");
	struct dirent *e;
	int files = 0, i;

	CHECK(dir != NULL);
	while ((e = readdir(dir)) != NULL) {
		AUTO_FREE char *data = NULL;
		char path[300];
		size_t n;

		if (strstr(e->d_name, ".events") == NULL)
			continue;
		(void)snprintf(path, sizeof(path), "tests/golden/drbd/%s",
		    e->d_name);
		CHECK_EQ(av_file_read(path, 1 << 20, &data, &n, NULL), 0);
		(void)LLVMFuzzerTestOneInput((uint8_t *)data, n);
		for (i = 0; i < 3000; i++)
			mutate(data, n);
		files++;
	}
	(void)closedir(dir);
	CHECK(files >= 7);
	return 0;
}

TESTS_MAIN(T(corpus_and_mutants))
#endif
