/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_args.h - roles, and the shape of arguments
 *
 * Strict: an unknown key, a missing one, a wrong type or a size out of bounds is
 * refused with 'bad-argument', a sentence that names it, and params {argument}.
 */
#ifndef AV_COMMAND_ARGS_H
#define AV_COMMAND_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

enum role {			/* in order of power */
	ROLE_NONE = 0,		/* "console": may do what is marked for it */
	ROLE_READ_ONLY,
	ROLE_VM_MANAGER,
	ROLE_PLATFORM_MANAGER,
	ROLE_ADMINISTRATOR,
	ROLE_SYSTEM,		/* the agents themselves */
};

enum arg_type {
	ARG_END = 0,
	ARG_TEXT,		/* at most 'max' bytes */
	ARG_REF,		/* a name or id: text of 1..1020 bytes */
	ARG_UINT,		/* 0..max (0 = up to 2^63 - 1) */
	ARG_BOOL,
	ARG_NODE,		/* "node0" or "node1" */
	ARG_OBJECT,		/* by 'sub' (NULL = anything) */
	ARG_LIST,		/* at most 'max' elements, each by 'sub'; NULL = texts */
};

#define ARG_NEEDED	1u
#define ARG_NULLABLE	2u	/* null is as absent */
#define ARG_OR_TEXT	4u	/* list: an element may be a text instead */

#define ARG_REF_MAX_BYTES	1020u	/* as av_name_normalize() looks at */

struct arg_spec {
	const char		*name;
	enum arg_type		 type;
	unsigned		 flags;
	uint64_t		 max;
	const struct arg_spec	*sub;
};

/* 'ret_params' as from store_apply(); untouched when 0 is returned. */
int args_check(const struct arg_spec *specs, const json_t *args,
    bool dry_run_ok, json_t **ret_params, struct av_err *err);

/* "administrator" -> ROLE_ADMINISTRATOR; unknown: -EINVAL. */
int role_parse(const char *name, enum role *ret);
/* Does the actor {user,role,origin,via} look right? */
int actor_check(const json_t *actor, enum role *ret, struct av_err *err);
int role_forbids(const char *op, const json_t *actor, enum role needed,
    json_t **ret_params, struct av_err *err);

#endif
