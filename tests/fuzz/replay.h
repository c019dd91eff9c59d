/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/replay.h - seeds and their mutations, the same in every run
 */
#ifndef AV_FUZZ_REPLAY_H
#define AV_FUZZ_REPLAY_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLAY_MAX	4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline size_t
replay_random(size_t n)
{
	static uint64_t seed = 42;

	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return n == 0 ? 0 : (size_t)(seed >> 33) % n;
}

/* The seed itself, then 'times' mutations: bytes changed, sometimes cut off.
 * In blocks of their exact size, so that a sanitizer sees a read past them. */
static inline void
replay(const uint8_t *base, size_t n, unsigned times)
{
	unsigned i, k;

	(void)LLVMFuzzerTestOneInput(base, n);
	for (i = 0; i < times && n > 0; i++) {
		size_t len = i % 4 == 0 ? replay_random(n) : n;
		uint8_t *b = malloc(len + 1);

		if (b == NULL)
			return;
		memcpy(b, base, len);
		for (k = 0; k < 1 + i % 4 && len > 0; k++)
			b[replay_random(len)] = (uint8_t)replay_random(256);
		b = realloc(b, len > 0 ? len : 1);
		(void)LLVMFuzzerTestOneInput(b, len);
		free(b);
	}
}

/* Every file in 'folder'; the number of them. */
static inline unsigned
replay_folder(const char *folder, unsigned times)
{
	DIR *d = opendir(folder);
	struct dirent *de;
	unsigned files = 0;

	while (d != NULL && (de = readdir(d)) != NULL) {
		uint8_t buf[REPLAY_MAX];
		char path[512];
		size_t n;
		FILE *f;

		if (de->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder,
		    de->d_name);
		f = fopen(path, "rb");
		if (f == NULL)
			continue;
		n = fread(buf, 1, sizeof(buf), f);
		(void)fclose(f);
		replay(buf, n, times);
		files++;
	}
	if (d != NULL)
		(void)closedir(d);
	return files;
}

#endif
