/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/cleanup.h - scope-bound cleanup
 *
 * AUTO_* variables are declared and initialised at the top of a function and
 * released when the scope ends; TAKE_PTR()/TAKE_FD() hand the value on.
 * Destructors keep errno.
 */
#ifndef AV_CLEANUP_H
#define AV_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#define AUTO(fn)	__attribute__((cleanup(fn)))

static inline void
av_auto_free(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

static inline void
av_auto_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);	/* read-only or already synced */
	errno = saved;
}

static inline void
av_auto_fclose(FILE **f)
{
	int saved = errno;

	if (*f != NULL)
		(void)fclose(*f);	/* writers fclose themselves and check */
	errno = saved;
}

static inline void
av_auto_json(json_t **j)
{
	int saved = errno;

	json_decref(*j);
	errno = saved;
}

#define AUTO_FREE	AUTO(av_auto_free)
#define AUTO_FD		AUTO(av_auto_close)
#define AUTO_FILE	AUTO(av_auto_fclose)
#define AUTO_JSON	AUTO(av_auto_json)

#define TAKE_PTR(p) \
	__extension__ ({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
#define TAKE_FD(fd) \
	__extension__ ({ int taken_ = (fd); (fd) = -1; taken_; })

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
