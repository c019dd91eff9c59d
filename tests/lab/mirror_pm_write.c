/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/lab/mirror_pm_write.c - a writer whose acknowledged writes are checked
 *
 * Block: its own offset, its number and the seed, repeated over 4 KiB; so a torn
 * one is seen.  Numbers only grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lab/mirror_pm.h"

struct mark {
	uint64_t	offset, number, seed, check;
};

static void
fill(void *buf, uint64_t offset, uint64_t number, uint64_t seed)
{
	struct mark m = { offset, number, seed, offset ^ number * 31 ^ seed };
	size_t i;

	for (i = 0; i < PM_BLOCK / sizeof(m); i++)
		memcpy((char *)buf + i * sizeof(m), &m, sizeof(m));
}

static bool
is_whole(const void *buf, struct mark *ret)
{
	size_t i;

	memcpy(ret, buf, sizeof(*ret));
	for (i = 1; i < PM_BLOCK / sizeof(*ret); i++)
		if (memcmp((const char *)buf + i * sizeof(*ret), buf,
		    sizeof(*ret)) != 0)
			return false;
	return ret->check == (ret->offset ^ ret->number * 31 ^ ret->seed);
}

int
pm_write(const char *path, uint64_t n_blocks, uint64_t seconds, uint64_t seed)
{
	AUTO_FD int fd = open(path, O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
	uint64_t due_ns = av_clock_ns() + seconds * AV_NS_PER_S, number = 0;
	uint64_t x = seed * 2654435761u + 1;
	void *buf = NULL;

	if (fd < 0 || posix_memalign(&buf, 4096, PM_BLOCK) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 99;
	}
	while (av_clock_ns() < due_ns) {
		uint64_t block;

		x = x * 6364136223846793005u + 1442695040888963407u;
		block = (x >> 33) % n_blocks;
		fill(buf, block * PM_BLOCK, ++number, seed);
		if (pwrite(fd, buf, PM_BLOCK, (off_t)(block * PM_BLOCK)) !=
		    PM_BLOCK) {
			fprintf(stderr, "write %" PRIu64 ": %s\n", block,
			    strerror(errno));
			free(buf);
			return 1;
		}
		printf("%" PRIu64 " %" PRIu64 "\n", block, number);
	}
	free(buf);
	return 0;
}

int
pm_check(const char *path)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	uint64_t block, number, n = 0, bad = 0, newer = 0, top = 0;
	void *buf = NULL;
	struct {
		uint64_t number;
	} *last = calloc(1u << 20, sizeof(*last));

	if (fd < 0 || last == NULL || posix_memalign(&buf, 4096,
	    PM_BLOCK) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		free(last);
		return 99;
	}
	while (scanf("%" SCNu64 " %" SCNu64, &block, &number) == 2)
		if (block < 1u << 20) {
			last[block].number = number;
			top = number > top ? number : top;
		}
	for (block = 0; block < 1u << 20; block++) {
		struct mark m;

		if (last[block].number == 0)
			continue;
		n++;
		if (pread(fd, buf, PM_BLOCK, (off_t)(block * PM_BLOCK)) !=
		    PM_BLOCK) {
			fprintf(stderr, "block %" PRIu64 ": %s\n", block,
			    strerror(errno));
			bad++;
		} else if (!is_whole(buf, &m) || m.offset != block * PM_BLOCK ||
		    m.number < last[block].number || m.number > top + 1) {
			fprintf(stderr, "block %" PRIu64 ": has %" PRIu64
			    ", %" PRIu64 " was acknowledged\n", block,
			    m.number, last[block].number);
			bad++;
		} else {
			newer += m.number > last[block].number;
		}
	}
	printf("checked=%" PRIu64 " lost=%" PRIu64 " newer=%" PRIu64
	    " top=%" PRIu64 "\n", n, bad, newer, top);
	free(last);
	free(buf);
	return n == 0 ? 99 : bad > 0;
}
