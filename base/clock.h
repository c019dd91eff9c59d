/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/clock.h - the two clocks
 *
 * Intervals: nanoseconds of CLOCK_MONOTONIC.  Wall time is for people only and
 * lives in names that end in _utc.
 */
#ifndef AV_CLOCK_H
#define AV_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define AV_NS_PER_US	1000ull
#define AV_NS_PER_MS	1000000ull
#define AV_NS_PER_S	1000000000ull

uint64_t av_clock_ns(void);		/* CLOCK_MONOTONIC */
uint64_t av_clock_boot_ns(void);	/* CLOCK_BOOTTIME: counts suspended time */
int64_t  av_clock_utc_ms(void);		/* milliseconds since 1970, UTC */
/* A limit where 'time_scale' says that the PM is slow: longer, never shorter.  What a
 * person or the network takes isn't scaled. */
uint64_t av_scaled_ns(double time_scale, uint64_t ns);
/* "2026-11-21T09:30:00.123Z"; n >= 25 */
void	 av_clock_format_utc(int64_t utc_ms, char *buf, size_t n);

#endif
