/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_create_cut.c - the creation of a leg, cut off
 *
 * Afterwards the leg is absent, refused with a code, or whole; and it can be made
 * again.  Killed: at every system call of leg_create().  Power: the data file is
 * durable before the metadata file exists; of that any sectors may be missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "mirror/replica/meta.h"
#include "tests/test.h"
#include "tests/unit/mirror/pair.h"

#define SIZE		(5u << 20)
#define META_BYTES	(3 * META_BLOCK_BYTES)	/* two superblocks, a page */
#define SECTOR		512u
#define SECTORS		(META_BYTES / SECTOR)

static char dir[PAIR_DIR_MAX], data[128], meta[128];
static uint8_t whole[META_BYTES];

static int
make(void)
{
	const struct mirror_leg_spec spec = { .dir = dir, .id = "o3",
		.unit_uuid = "00112233445566778899aabbccddeeff",
		.volume_uuid = "0123456789abcdef0123456789abcdef",
		.size_bytes = SIZE, .initial_current = 0x111, .gen = 3 };
	struct av_err err = { 0 };

	return leg_create(&spec, &err);
}

static int
setup(void)
{
	if (pair_folder(dir, "avpair-create") < 0)
		return -1;
	(void)snprintf(data, sizeof(data), "%s/vol-o3.data", dir);
	(void)snprintf(meta, sizeof(meta), "%s/vol-o3.meta", dir);
	return 0;
}

static void
teardown(void)
{
	(void)unlink(data);
	(void)unlink(meta);
	(void)rmdir(dir);
}

/* Nothing of it is wrong: 0 = whole, 1 = absent or refused, -1. */
static int
look(void)
{
	struct mirror_leg_info info;
	struct av_err err = { 0 };
	struct leg *leg;
	int rc = leg_open(dir, "o3", NULL, NULL, &leg, &err);
	size_t n;
	bool ok;

	if (rc < 0) {
		ok = strcmp(err.code, "leg-missing") == 0 ||
		    strcmp(err.code, "metadata-damaged") == 0;
		if (!ok)
			fprintf(stderr, "code '%s' %s\n", err.code, err.text);
		return ok && err.text[0] != '\0' ? 1 : -1;
	}
	/* a page that isn't whole is all ones */
	n = bits_count(leg->bits, leg->n_chunks);
	ok = leg->sb.size_bytes == SIZE && leg->sb.current == 0x110 &&
	    leg->sb.bitmap == 0 && leg->sb.gen == 3 &&
	    leg->n_chunks == SIZE / MIRROR_CHUNK_BYTES &&
	    n == (leg->n_bad_pages > 0 ? leg->n_chunks : 0);
	leg = leg_close(leg);
	if (leg_info(dir, "o3", &info, &err) < 0 ||
	    info.disk != MIRROR_DISK_UPTODATE || info.size_bytes != SIZE)
		ok = false;
	return ok ? 0 : -1;
}

/* Whatever there is: once it is deleted, or at once, it can be made. */
static int
make_again(void)
{
	struct av_err err = { 0 };
	int rc = make();

	if (rc == -EEXIST) {
		CHECK_EQ(leg_delete(dir, "o3", &err), 0);
		rc = make();
	}
	CHECK_EQ(rc, 0);
	CHECK_EQ(look(), 0);
	CHECK_EQ(leg_delete(dir, "o3", &err), 0);
	CHECK(access(data, F_OK) < 0 && access(meta, F_OK) < 0);
	return 0;
}

/* --- killed --- */

/* 1 = killed before its n-th stop (each system call has two), 0 = it ended. */
static int
make_killed(int n)
{
	int status = 0, i;
	pid_t pid = fork();

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(3);
		(void)raise(SIGSTOP);
		_exit(make() == 0 ? 0 : 1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -1;
	for (i = 0; i < n; i++) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 ||
		    waitpid(pid, &status, 0) != pid)
			return -1;
		if (WIFEXITED(status))
			return WEXITSTATUS(status) == 0 ? 0 : -1;
	}
	(void)kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid ? 1 : -1;
}

TEST(creation_killed_at_every_system_call)
{
	int n, rc, n_whole = 0, n_not = 0;

	CHECK_EQ(setup(), 0);
	for (n = 0; ; n++) {
		rc = make_killed(n);
		CHECK(rc >= 0);
		if (rc == 0)
			break;
		rc = look();
		CHECK(rc >= 0);
		n_whole += rc == 0;
		n_not += rc == 1;
		CHECK_EQ(make_again(), 0);
	}
	CHECK_EQ(look(), 0);
	CHECK(n_not >= 10 && n_whole >= 2);	/* the moments are there */
	teardown();
	return 0;
}

/* --- power --- */

static int
put(const char *path, const uint8_t *bytes, size_t n)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, bytes, n) == (ssize_t)n;

	(void)close(fd);
	return ok ? 0 : -1;
}

static bool
copy_is_whole(uint32_t sectors, unsigned copy)
{
	unsigned i, per = META_BLOCK_BYTES / SECTOR;

	for (i = copy * per; i < (copy + 1) * per; i++) {
		static const uint8_t zeros[SECTOR];

		if (!(sectors & 1u << i) && memcmp(whole + i * SECTOR, zeros,
		    SECTOR) != 0)
			return false;
	}
	return true;
}

/* These sectors have reached the disk, and so much of the file's length. */
static int
power_cut(uint32_t sectors, size_t length)
{
	uint8_t m[META_BYTES] = { 0 };
	bool any;
	unsigned i;
	int rc;

	for (i = 0; i < SECTORS; i++)
		if ((i + 1) * SECTOR > length)
			sectors &= ~(1u << i);
	for (i = 0; i < SECTORS; i++)
		if (sectors & 1u << i)
			memcpy(m + i * SECTOR, whole + i * SECTOR, SECTOR);
	CHECK_EQ(put(meta, m, length), 0);
	rc = look();
	any = length >= 2 * META_BLOCK_BYTES && (copy_is_whole(sectors, 0) ||
	    copy_is_whole(sectors, 1));
	if (rc != (any ? 0 : 1))
		fprintf(stderr, "sectors %#x, length %zu\n", sectors, length);
	CHECK_EQ(rc, any ? 0 : 1);
	return 0;
}

TEST(creation_cut_off_by_power)
{
	uint32_t all = (1u << SECTORS) - 1, seed = 1, i;
	int fd;

	CHECK_EQ(setup(), 0);
	CHECK_EQ(make(), 0);
	fd = open(meta, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, whole, META_BYTES) == (ssize_t)META_BYTES);
	(void)close(fd);
	for (i = 0; i <= META_BYTES; i += SECTOR)
		CHECK_EQ(power_cut(all, i), 0);
	for (i = 0; i < SECTORS; i++) {
		CHECK_EQ(power_cut(1u << i, META_BYTES), 0);
		CHECK_EQ(power_cut(all & ~(1u << i), META_BYTES), 0);
		CHECK_EQ(power_cut((1u << i) - 1, META_BYTES), 0);
	}
	for (i = 0; i < 3000; i++) {
		seed = seed * 1664525 + 1013904223;
		/* often one of the blocks is complete */
		CHECK_EQ(power_cut((seed >> 8 & all) | (i % 4 == 0 ? 0 :
		    0xffu << 8 * (i % 4 - 1)), META_BYTES), 0);
	}
	CHECK_EQ(make_again(), 0);
	teardown();
	return 0;
}

/* The folder's entries: either file's may be missing. */
TEST(one_file_of_a_leg_is_missing)
{
	CHECK_EQ(setup(), 0);
	CHECK_EQ(make(), 0);
	CHECK_EQ(unlink(meta), 0);
	CHECK_EQ(look(), 1);
	CHECK_EQ(make_again(), 0);
	CHECK_EQ(make(), 0);
	CHECK_EQ(truncate(data, SIZE - SECTOR), 0);
	CHECK_EQ(look(), 1);
	CHECK_EQ(unlink(data), 0);
	CHECK_EQ(look(), 1);
	CHECK_EQ(make_again(), 0);
	teardown();
	return 0;
}

TESTS_MAIN(
	T(creation_killed_at_every_system_call),
	T(creation_cut_off_by_power),
	T(one_file_of_a_leg_is_missing),
)
