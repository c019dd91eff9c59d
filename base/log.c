/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/log.c - the log: stderr (journal) and a ring in memory
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#define RING_BYTES	(1024 * 1024)
#define LINE_BYTES	1024

static struct {
	pthread_mutex_t	lock;		/* guards everything below */
	const char	*program;
	enum av_log_level max;
	char		*ring;		/* NULL until opened */
	size_t		at;
	int		wrapped;
} the_log = { .lock = PTHREAD_MUTEX_INITIALIZER, .program = "avpair",
	.max = AV_LOG_INFO };

void
av_log_open(const char *program, enum av_log_level max)
{
	pthread_mutex_lock(&the_log.lock);
	the_log.program = program;
	the_log.max = max;
	if (the_log.ring == NULL)
		the_log.ring = calloc(1, RING_BYTES);	/* NULL: no ring */
	pthread_mutex_unlock(&the_log.lock);
}

static void
ring_put(const char *s, size_t n)
{
	if (the_log.ring == NULL)
		return;
	while (n > 0) {
		size_t part = RING_BYTES - the_log.at;

		if (part > n)
			part = n;
		memcpy(the_log.ring + the_log.at, s, part);
		the_log.at += part;
		s += part;
		n -= part;
		if (the_log.at == RING_BYTES) {
			the_log.at = 0;
			the_log.wrapped = 1;
		}
	}
}

static void
write_all(int fd, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, s, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return;		/* nowhere left to complain */
		s += r;
		n -= (size_t)r;
	}
}

/* A name may hold anything: no line may be forged and no terminal driven. */
static void
escape_controls(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void
av_log(enum av_log_level level, const char *subject, const char *fmt, ...)
{
	char line[LINE_BYTES], text[LINE_BYTES - 128], utc[32];
	int saved = errno, n;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	escape_controls(text);
	av_clock_format_utc(av_clock_utc_ms(), utc, sizeof(utc));

	pthread_mutex_lock(&the_log.lock);
	n = snprintf(line, sizeof(line), "<%d>%s %s: %s: %s\n", (int)level, utc,
	    the_log.program, subject, text);
	if (n >= (int)sizeof(line)) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	ring_put(line, (size_t)n);
	if (level <= the_log.max)
		write_all(STDERR_FILENO, line, (size_t)n);
	pthread_mutex_unlock(&the_log.lock);
	errno = saved;
}

void
av_log_dump_ring(int fd)
{
	/* may run from a failed assertion inside av_log(): don't deadlock */
	int locked = pthread_mutex_trylock(&the_log.lock) == 0;

	if (the_log.ring != NULL) {
		if (the_log.wrapped)
			write_all(fd, the_log.ring + the_log.at,
			    RING_BYTES - the_log.at);
		write_all(fd, the_log.ring, the_log.at);
	}
	if (locked)
		pthread_mutex_unlock(&the_log.lock);
}

void
av_assert_failed(const char *cond, const char *file, int line)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
	    "<2>%s: %s:%d: invariant '%s' broken: stopping; last lines:\n",
	    the_log.program, file, line, cond);

	write_all(STDERR_FILENO, text, (size_t)n);
	av_log_dump_ring(STDERR_FILENO);
	abort();
}
