/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/evacuate.h - VMs leave a PM that is about to be no good for them
 *
 *   maintenance   its VMs are wanted away (maintenance.h)
 *   a fault       a part of the PM is reported as failing (store_fault.h; E2)
 *   a failed disk the VM's volume lost its leg there, and runs diskless (E3)
 *   a lost link   the port of one of the VM's networks has had no link there for
 *                 a while (ports.h), and has one on the other PM (E3, F2)
 *
 * They move one at a time, ordered by the unit's primary PM, and only to a PM that
 * has none of this.  They go home (home.h) when their PM is well again.
 */
#ifndef AV_NODEAGENT_EVACUATE_H
#define AV_NODEAGENT_EVACUATE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "nodeagent/store.h"

#define EVACUATE_RETRY_MS	30000u	/* a move that failed */

/* What the pure part looks at. */
struct evacuate_look {
	const struct store *st;
	const json_t *const *facts;	/* of both PMs */
	int	self;
	int64_t	now_utc_ms;
};

/* Why this PM is no place for the VM: "fault", "disk", "link", or NULL = it is one. */
const char *evacuate_why(const struct evacuate_look *l, int node,
    const struct store_vm *vm);
/* The PM has been good for it for a while: it may go home there. */
bool evacuate_well(const struct evacuate_look *l, int node,
    const struct store_vm *vm);

/*
 * The VM to move now, off any PM but one in maintenance; refused_vm: its move was
 * refused a moment ago (NULL = none).  0 = found, *ret_why is static; -ENOENT = none.
 */
int evacuate_next(const struct evacuate_look *l, const char *refused_vm,
    char ret_id[STORE_ID_MAX], const char **ret_why);

struct agent;
/* A pass over all three; called with the duties while commands can be ordered. */
void evacuate_do(struct agent *a);

#endif
