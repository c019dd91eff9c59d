/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/arbiter_etcd.h - how an etcd's answer is read; for tests and fuzzing
 */
#ifndef AV_ARBITER_ETCD_H
#define AV_ARBITER_ETCD_H

#include <jansson.h>

#include "nodeagent/arbiter.h"

struct arbiter_found {
	bool		 have;		/* false: no record of this unit */
	struct arbiter_record rec;
	uint64_t	 mod_revision;
};

/* 'answer' to a range request.  Pure.  0, or -EBADMSG and one sentence in 'text'
 * (at least 1 byte). */
int arbiter_etcd_parse(const json_t *answer, const char *unit_uuid,
    struct arbiter_found *ret, char *text, size_t n);

#endif
