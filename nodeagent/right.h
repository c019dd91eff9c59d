/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/right.h - what this PM may do with guests and volumes just now
 *
 * The role (core/role.h) decides it; volumes.c and guests.c obey it.
 */
#ifndef AV_NODEAGENT_RIGHT_H
#define AV_NODEAGENT_RIGHT_H

#include <stdint.h>

enum right_kind {
	RIGHT_UNKNOWN = 0,	/* just started: touch nothing that runs */
	RIGHT_TOGETHER,		/* both PMs are there: each runs its own guests */
	RIGHT_FROZEN,		/* the peer is lost and nobody has decided: paused */
	RIGHT_ALONE,		/* this PM holds the grant for 'gen' */
	RIGHT_FOLLOW,		/* the peer holds it: run nothing, be synced */
	RIGHT_NONE,		/* no right: run nothing */
	RIGHT_N
};

struct right {
	enum right_kind	kind;
	uint64_t	gen;
};

#endif
