/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/live/faildisk.c - preloaded into a mirror server: its disk fails on demand
 *
 * While the file /var/lib/avpair/fail-disk is there, writes and flushes of files
 * in the storage folder fail with EIO; with 'read' in it, reads do.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAG	"/var/lib/avpair/fail-disk"

static bool
fails(int fd, bool reading)
{
	char link[64], path[512], word[8] = "";
	ssize_t n;
	const char *other = getenv("AVPAIR_FAIL_DISK");	/* instead of FLAG */
	int flag = open(other != NULL ? other : FLAG, O_RDONLY | O_CLOEXEC);

	if (flag < 0)
		return false;
	n = read(flag, word, sizeof(word) - 1);
	(void)close(flag);
	if ((n > 0 && strncmp(word, "read", 4) == 0) != reading)
		return false;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return strstr(path, "/storage/") != NULL;
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
	if (fails(fd, true)) {
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
	if (fails(fd, false)) {
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
	if (fails(fd, false)) {
		errno = EIO;
		return -1;
	}
	return NEXT(sync_fn *, "fdatasync")(fd);
}

int
fallocate64(int fd, int mode, off_t at, off_t n)
{
	if (fails(fd, false)) {
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
