/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/thread.c - small helpers for threads
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "console/thread.h"

#define STACK_BYTES	(256u * 1024)

struct start {
	void	*(*run)(void *);
	void	*arg;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t cond_once = PTHREAD_ONCE_INIT;
static pthread_cond_t ended;
static unsigned n_running;

static void
ended_init(void)
{
	thread_cond_init(&ended);
}

void
thread_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

int
thread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, uint64_t end_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(end_ns / AV_NS_PER_S),
		.tv_nsec = (long)(end_ns % AV_NS_PER_S),
	};

	return -pthread_cond_timedwait(c, m, &ts);
}

static void *
thread_main(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	(void)s.run(s.arg);
	pthread_mutex_lock(&lock);
	n_running--;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int
thread_start(void *(*run)(void *), void *arg)
{
	struct start *s = malloc(sizeof(*s));
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int rc;

	if (s == NULL)
		return -ENOMEM;
	*s = (struct start){ run, arg };
	pthread_once(&cond_once, ended_init);
	pthread_mutex_lock(&lock);
	n_running++;
	pthread_mutex_unlock(&lock);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&t, &attr, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc < 0) {
		pthread_mutex_lock(&lock);
		n_running--;
		pthread_mutex_unlock(&lock);
		free(s);
	}
	return rc;
}

unsigned
threads_await(unsigned ms)
{
	uint64_t end_ns = av_clock_ns() + ms * AV_NS_PER_MS;
	unsigned left;

	pthread_once(&cond_once, ended_init);
	pthread_mutex_lock(&lock);
	while (n_running > 0)
		if (thread_cond_wait(&ended, &lock, end_ns) == -ETIMEDOUT)
			break;
	left = n_running;
	pthread_mutex_unlock(&lock);
	return left;
}
