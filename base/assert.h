/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/assert.h - invariants that stay on in release builds
 */
#ifndef AV_ASSERT_H
#define AV_ASSERT_H

/* A programming error: says where, writes the log ring, aborts.  Stopping is
 * safe here: writes are held and the peer can take over. */
#define AV_ASSERT(cond) \
	((cond) ? (void)0 : av_assert_failed(#cond, __FILE__, __LINE__))

void av_assert_failed(const char *cond, const char *file, int line)
    __attribute__((noreturn));

#endif
