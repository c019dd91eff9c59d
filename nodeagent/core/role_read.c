/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_read.c - what a role says of itself
 */
#include "nodeagent/core/role.h"

#include <string.h>

void
role_hello_fill(const struct role *r, struct role_hello *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->state = r->state;
	ret->rec = r->rec;
	ret->ready = !r->asking && !r->maybe && !r->taking;
	ret->released = !r->guests_maybe && (r->state == ROLE_JOINING ||
	    r->state == ROLE_FOLLOWER || r->state == ROLE_WAITING ||
	    r->state == ROLE_STOPPED);
}

bool
role_may_write_alone(const struct role *r)
{
	return r->state == ROLE_ALONE;
}

bool
role_may_run(const struct role *r)
{
	return r->state == ROLE_TOGETHER || r->state == ROLE_ALONE ||
	    r->state == ROLE_REJOINING;
}
