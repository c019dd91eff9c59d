/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/thread.h - small helpers for threads
 *
 * The console serves each connection with a thread of its own: what a request
 * does may block (agent, events, screens) and a limit on connections is a limit on
 * threads.
 */
#ifndef CONSOLE_THREAD_H
#define CONSOLE_THREAD_H

#include <pthread.h>
#include <stdint.h>

/* A condition that counts its deadlines on CLOCK_MONOTONIC. */
void thread_cond_init(pthread_cond_t *c);
/* 0, or -ETIMEDOUT once end_ns (av_clock_ns) has passed. */
int  thread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, uint64_t end_ns);

/* Starts a detached thread with a small stack and no signals; 0 or -errno.
 * threads_await() waits until all of them have ended, at most 'ms'; returns how
 * many are left. */
int  thread_start(void *(*run)(void *), void *arg);
unsigned threads_await(unsigned ms);

#endif
