/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/clock.c - the two clocks
 */
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

uint64_t
av_clock_ns(void)
{
	struct timespec ts;

	AV_ASSERT(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	return (uint64_t)ts.tv_sec * AV_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t
av_clock_boot_ns(void)
{
	struct timespec ts;

	AV_ASSERT(clock_gettime(CLOCK_BOOTTIME, &ts) == 0);
	return (uint64_t)ts.tv_sec * AV_NS_PER_S + (uint64_t)ts.tv_nsec;
}

int64_t
av_clock_utc_ms(void)
{
	struct timespec ts;

	AV_ASSERT(clock_gettime(CLOCK_REALTIME, &ts) == 0);
	return (int64_t)ts.tv_sec * 1000 + (int64_t)ts.tv_nsec / 1000000;
}

void
av_clock_format_utc(int64_t utc_ms, char *buf, size_t n)
{
	time_t sec = (time_t)(utc_ms / 1000);
	struct tm tm;
	char day[40];

	AV_ASSERT(gmtime_r(&sec, &tm) != NULL);
	AV_ASSERT(strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) > 0);
	(void)snprintf(buf, n, "%s.%03dZ", day, (int)(utc_ms % 1000));
}

uint64_t
av_scaled_ns(double time_scale, uint64_t ns)
{
	return time_scale > 1 ? (uint64_t)((double)ns * time_scale) : ns;
}
