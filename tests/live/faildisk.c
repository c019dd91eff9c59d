/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/live/faildisk.c - preloaded into a mirror server: its disk fails on demand
 *
 * While the file /var/lib/avpair/fail-disk is there, writes and flushes of files
 * in the storage folder fail with EIO.  With 'read N' in it, reads of byte N do until
 * it has been written, as a sector does that went bad.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAG	"/var/lib/avpair/fail-disk"

enum what { READ, WRITE, FLUSH };

static bool
bad_byte(const char *word, enum what what, off_t at, size_t n)
{
	static atomic_bool mended;
	char *end;
	long long bad = strtoll(word, &end, 10);
	bool in = *end == '\0' && at <= bad && bad < at + (off_t)n;

	if (what == WRITE && in)
		mended = true;
	return what == READ && in && !mended;
}

static bool
fails(int fd, enum what what, off_t at, size_t n)
{
	char link[64], path[512], word[32] = "";
	ssize_t got;
	int flag = open(FLAG, O_RDONLY | O_CLOEXEC);

	if (flag < 0)
		return false;
	got = read(flag, word, sizeof(word) - 1);
	(void)close(flag);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	got = readlink(link, path, sizeof(path) - 1);
	path[got > 0 ? got : 0] = '\0';
	if (strstr(path, "/storage/") == NULL)
		return false;
	if (strncmp(word, "read ", 5) != 0)
		return what != READ;
	return strstr(path, ".data") != NULL &&
	    bad_byte(word + 5, what, at, n);
}

#define NEXT(type, name)	((type)dlsym(RTLD_NEXT, name))
typedef ssize_t read_fn(int, void *, size_t, off_t);
typedef ssize_t write_fn(int, const void *, size_t, off_t);
typedef int sync_fn(int);
typedef int falloc_fn(int, int, off_t, off_t);

ssize_t pread(int fd, void *buf, size_t n, off_t at);
ssize_t pread64(int fd, void *buf, size_t n, off_t at);
ssize_t pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *buf, size_t n, off_t at);
int fdatasync(int fd);
int fallocate(int fd, int mode, off_t at, off_t n);
int fallocate64(int fd, int mode, off_t at, off_t n);

ssize_t
pread64(int fd, void *buf, size_t n, off_t at)
{
	if (fails(fd, READ, at, n)) {
		errno = EIO;
		return -1;
	}
	return NEXT(read_fn *, "pread64")(fd, buf, n, at);
}

ssize_t
pread(int fd, void *buf, size_t n, off_t at)
{
	return pread64(fd, buf, n, at);
}

ssize_t
pwrite64(int fd, const void *buf, size_t n, off_t at)
{
	if (fails(fd, WRITE, at, n)) {
		errno = EIO;
		return -1;
	}
	return NEXT(write_fn *, "pwrite64")(fd, buf, n, at);
}

ssize_t
pwrite(int fd, const void *buf, size_t n, off_t at)
{
	return pwrite64(fd, buf, n, at);
}

int
fdatasync(int fd)
{
	if (fails(fd, FLUSH, 0, 0)) {
		errno = EIO;
		return -1;
	}
	return NEXT(sync_fn *, "fdatasync")(fd);
}

int
fallocate64(int fd, int mode, off_t at, off_t n)
{
	if (fails(fd, WRITE, at, (size_t)n)) {
		errno = EIO;
		return -1;
	}
	return NEXT(falloc_fn *, "fallocate64")(fd, mode, at, n);
}

int
fallocate(int fd, int mode, off_t at, off_t n)
{
	return fallocate64(fd, mode, at, n);
}
