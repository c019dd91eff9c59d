/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/fault_disk.c - see fault_disk.h
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/unit/mirror/fault_disk.h"

enum { NOT_OURS = 1, DATA, META };

static struct fault_disk *ctl;
static int kind_of[256];	/* by fd; 0 = not looked at yet */
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

static void
map_control(const char *file)
{
	char path[512];
	const char *slash = strrchr(file, '/');
	int fd;
	void *p;

	(void)snprintf(path, sizeof(path), "%.*s/fault", (int)(slash - file),
	    file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	p = mmap(NULL, FAULT_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	(void)close(fd);
	if (p != MAP_FAILED)
		ctl = p;
}

static int
look(int fd)
{
	char link[64], file[512];
	ssize_t n;
	const char *dot;

	if (fd < 0 || fd >= 256)
		return NOT_OURS;
	(void)pthread_mutex_lock(&mu);
	if (kind_of[fd] == 0) {
		kind_of[fd] = NOT_OURS;
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, file, sizeof(file) - 1);
		if (n > 0) {
			file[n] = '\0';
			dot = strrchr(file, '.');
			if (dot != NULL && strcmp(dot, ".data") == 0)
				kind_of[fd] = DATA;
			if (dot != NULL && strcmp(dot, ".meta") == 0)
				kind_of[fd] = META;
			if (kind_of[fd] != NOT_OURS && ctl == NULL)
				map_control(file);
		}
	}
	(void)pthread_mutex_unlock(&mu);
	return ctl == NULL ? NOT_OURS : kind_of[fd];
}

static void
wait_us(uint32_t us)
{
	struct timespec ts = { .tv_sec = us / 1000000,
		.tv_nsec = (long)(us % 1000000) * 1000 };

	(void)nanosleep(&ts, NULL);	/* lint: sleep: a slow disk is what is tested */
}

static bool
touches(off_t off, size_t n)
{
	return (uint64_t)off < ctl->end && (uint64_t)off + n > ctl->start;
}

static bool
fails(bool is)
{
	if (!is)
		return false;
	ctl->n_failed++;
	errno = ctl->error;
	return true;
}

static void
slow(void)
{
	uint32_t us = ctl->delay_us;

	if (us > 0)
		wait_us((uint32_t)random() % us);
}

/* true: it fails */
static bool
before_write(int kind, off_t off, size_t n)
{
	while (kind == META && ctl->stuck_meta)
		wait_us(2000);
	if (kind == META)
		return fails(ctl->what & FAULT_META_WRITE);
	if (ctl->stuck) {
		ctl->n_stuck++;
		while (ctl->stuck)
			wait_us(2000);
	}
	slow();
	if (fails((ctl->what & FAULT_DATA_WRITE) && touches(off, n)))
		return true;
	if ((ctl->what & FAULT_HEALS) && touches(off, n))
		ctl->start = ctl->end = 0;
	return false;
}

/* fdopen'd and sized forms alike: with 64-bit files they are one function */
ssize_t pread64(int fd, void *buf, size_t n, off_t off);
ssize_t pwrite64(int fd, const void *buf, size_t n, off_t off);
int fallocate64(int fd, int mode, off_t off, off_t n);
ssize_t preadv64v2(int fd, const struct iovec *v, int n, off_t off, int flags);

ssize_t
pread64(int fd, void *buf, size_t n, off_t off)
{
	static ssize_t (*real)(int, void *, size_t, off_t);
	int kind = look(fd);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pread64");
	if (kind == DATA) {
		ctl->n_reads++;
		slow();
		if (fails((ctl->what & FAULT_DATA_READ) && touches(off, n))) {
			if (ctl->reads_to_fail > 0 && --ctl->reads_to_fail == 0)
				ctl->what = 0;
			return -1;
		}
	}
	return real(fd, buf, n, off);
}

ssize_t
pread(int fd, void *buf, size_t n, off_t off)
{
	return pread64(fd, buf, n, off);
}

/* What was asked for without waiting is never in memory of a bad disk. */
ssize_t
preadv64v2(int fd, const struct iovec *v, int n, off_t off, int flags)
{
	static ssize_t (*real)(int, const struct iovec *, int, off_t, int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "preadv64v2");
	if (look(fd) == DATA) {
		if (ctl->what != 0 || ctl->delay_us > 0 || ctl->stuck) {
			errno = EAGAIN;
			return -1;
		}
		ctl->n_reads++;
	}
	return real(fd, v, n, off, flags);
}

ssize_t
preadv2(int fd, const struct iovec *v, int n, off_t off, int flags)
{
	return preadv64v2(fd, v, n, off, flags);
}

ssize_t
pwrite64(int fd, const void *buf, size_t n, off_t off)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);
	int kind = look(fd);
	ssize_t r;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
	if (kind != NOT_OURS && before_write(kind, off, n))
		return -1;
	r = real(fd, buf, n, off);
	if (kind == DATA)
		ctl->wrote_at = ++ctl->clock;
	return r;
}

ssize_t
pwrite(int fd, const void *buf, size_t n, off_t off)
{
	return pwrite64(fd, buf, n, off);
}

int
fallocate64(int fd, int mode, off_t off, off_t n)
{
	static int (*real)(int, int, off_t, off_t);
	int kind = look(fd), r;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fallocate64");
	if (kind == DATA) {
		if (before_write(kind, off, (size_t)n))
			return -1;
		if (ctl->what & FAULT_NO_ZERO) {
			errno = EOPNOTSUPP;
			return -1;
		}
		if (mode & FALLOC_FL_PUNCH_HOLE)
			ctl->n_punched++;
		else
			ctl->n_zeroed++;
	}
	r = real(fd, mode, off, n);
	if (kind == DATA)
		ctl->wrote_at = ++ctl->clock;
	return r;
}

int
fallocate(int fd, int mode, off_t off, off_t n)
{
	return fallocate64(fd, mode, off, n);
}

int
fdatasync(int fd)
{
	static int (*real)(int);
	int kind = look(fd), r;
	uint64_t began = 0;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
	if (kind == DATA) {
		slow();
		ctl->n_syncs++;
		began = ++ctl->clock;
	}
	if ((kind == DATA && fails(ctl->what & FAULT_DATA_SYNC)) ||
	    (kind == META && fails(ctl->what & FAULT_META_SYNC)))
		return -1;
	r = real(fd);
	if (kind == DATA && r == 0)
		ctl->synced_at = began;
	return r;
}
