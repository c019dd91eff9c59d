/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/arbiter_closed.c - the arbiter that never answers
 *
 * Stands in while the unit changes from one quorum server to another, and when a
 * PM can't know which one is active (its database is gone): nothing is asked of
 * anybody, so nothing can be granted.  docs/DESIGN.md, section 5.
 */
#include "nodeagent/arbiter.h"

#include <stdio.h>
#include <string.h>

static int
closed_open(const struct arbiter_conf *conf, void **ret, struct av_err *err)
{
	static char none;

	(void)conf;
	(void)err;
	*ret = &none;
	return 0;
}

static void
closed_close(void *drv)
{
	(void)drv;
}

static void
closed_run(void *drv, const struct role_move *move, struct arbiter_answer *ret)
{
	(void)drv;
	(void)move;
	ret->kind = ROLE_EV_NO_ANSWER;
	ret->state = ARBITER_UNREACHABLE;
	(void)snprintf(ret->text, sizeof(ret->text), "No quorum server is "
	    "active on this PM just now.");
}

const struct arbiter_ops arbiter_closed_ops = {
	.name = "closed",
	.open = closed_open,
	.close = closed_close,
	.run = closed_run,
};
