/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/drill/clockstep.c - the wall clock of one PM's daemons, stepped
 *
 * The kernel has one wall clock for all namespaces, so a PM of the one-machine
 * unit can't have its clock set.  Preloaded into the daemons of a PM, this adds to
 * CLOCK_REALTIME the milliseconds that the file $DRILL_CLOCK says, read again at
 * most every 50 ms.  CLOCK_MONOTONIC stays true, as it does on a real PM whose
 * clock is set.  Not covered: kernel timers on the wall clock (the daemons use
 * none) and programs that they start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define READ_AGAIN_NS	50000000ll

static int64_t
now_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	(void)syscall(SYS_clock_gettime, id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Races between threads end in the same number, read twice. */
static int64_t
offset_ns(void)
{
	static volatile int64_t read_ns, offset;
	int64_t now = now_ns(CLOCK_MONOTONIC);
	const char *path;
	char text[32];
	int saved = errno, fd;
	long long ms;
	ssize_t n;

	if (read_ns != 0 && now - read_ns < READ_AGAIN_NS)
		return offset;
	read_ns = now;
	path = getenv("DRILL_CLOCK");
	fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (fd >= 0)
		(void)close(fd);	/* was only read */
	if (n > 0) {
		text[n] = '\0';
		if (sscanf(text, "%lld", &ms) == 1)
			offset = (int64_t)ms * 1000000;
	}
	errno = saved;
	return offset;
}

int clock_gettime(clockid_t id, struct timespec *ts);
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t ns;

	if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ns = now_ns(CLOCK_REALTIME) + offset_ns();
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return 0;
}

/* lint: banned: it is what is being replaced */
int gettimeofday(struct timeval *restrict tv, void *restrict zone);
/* lint: banned: it is what is being replaced */
int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	int64_t ns = now_ns(CLOCK_REALTIME) + offset_ns();

	(void)zone;
	tv->tv_sec = ns / 1000000000;
	tv->tv_usec = ns % 1000000000 / 1000;
	return 0;
}

time_t
time(time_t *ret)
{
	time_t t = (time_t)((now_ns(CLOCK_REALTIME) + offset_ns()) / 1000000000);

	if (ret != NULL)
		*ret = t;
	return t;
}
