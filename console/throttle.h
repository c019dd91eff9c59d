/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/throttle.h - slows down who guesses passwords
 *
 * Counts refused logins of each user+origin, and of each origin alone with more
 * patience.  After THROTTLE_FREE tries each further one must wait 1, 2, 4 ... 64 s.
 * A place is forgotten THROTTLE_FORGET_S after the last refusal, or when the table
 * is full and it is the oldest.
 * Times: ns of the monotonic clock.  Threads: any.
 */
#ifndef CONSOLE_THROTTLE_H
#define CONSOLE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_FREE		3
#define THROTTLE_FREE_ORIGIN	15
#define THROTTLE_MAX_WAIT_S	64
#define THROTTLE_FORGET_S	900
#define THROTTLE_PLACES		1024

struct throttle;

int  throttle_new(struct throttle **ret);
struct throttle *throttle_free(struct throttle *t);
/* Seconds to wait before this try may be made; 0 = now. */
unsigned throttle_wait_s(struct throttle *t, const char *user,
    const char *origin, uint64_t now_ns);
void throttle_failed(struct throttle *t, const char *user, const char *origin,
    uint64_t now_ns);
/* A good login clears the user+origin, not the origin. */
void throttle_passed(struct throttle *t, const char *user, const char *origin);

#endif
