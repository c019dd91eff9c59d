/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/maintenance.h - makes a PM that is wanted out for maintenance leave (E6)
 *
 *   wanted    node.workon is in the database
 *   moving    its VMs are migrated to the other PM, one at a time, by the unit's
 *             primary PM; with 'shutdown' those that can't be are shut down
 *   leaving   no VM is there any more: the other PM asks for the right to run alone
 *             (core/role_stay.c); no guest is paused for it
 *   out       the other PM runs the unit; this one follows, its legs are kept in
 *             step, and it may be powered off, upgraded or replaced
 *
 * A PM that is out may be told to reboot or to switch itself off (node.power); told
 * before that, it waits until it is out.
 *
 * node.workoff ends it from anywhere: the right goes back to both once all is in
 * step.  evacuate.c does what is next, again and again like all
 * duties; nothing is remembered but when a refused move is tried again.
 */
#ifndef AV_NODEAGENT_MAINTENANCE_H
#define AV_NODEAGENT_MAINTENANCE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "nodeagent/store.h"
#include "nodeagent/store_maintenance.h"

#define MAINTENANCE_RETRY_MS	5000u	/* a move that failed or was refused */

enum maintenance_phase {
	MAINTENANCE_NONE = 0,
	MAINTENANCE_MOVING,
	MAINTENANCE_LEAVING,
	MAINTENANCE_OUT,
};

/* What is to be done for a PM that leaves, from the database alone. */
struct maintenance_next {
	enum maintenance_phase phase;	/* never OUT: that is the role's to say */
	char	vm[STORE_ID_MAX];	/* MOVING: order this now; "" = wait */
	bool	shutdown;		/* shut it down instead of moving it */
};

/* Pure.  refused_vm: its move was refused a moment ago (NULL = none); with
 * can_never it won't be possible while it runs. */
int maintenance_next(const struct store *st, int node, int64_t now_utc_ms,
    const char *refused_vm, bool can_never, struct maintenance_next *ret);

/* This PM gets no right: it is left out, or out for maintenance. */
bool maintenance_keeps_out(const struct store *st, int node);

/*
 * Pure: nobody needs this PM while it is away.  It is in maintenance and 'follows'; it has
 * 'no_guest' process, for certain; the database has no VM on it or on its way to
 * it; and the other PM doesn't work with this one's copy of a volume.
 */
bool maintenance_may_stop(const struct store *st, int node, bool follows,
    bool no_guest);
/* What was asked, once it may; NONE = nothing, or not yet. */
enum store_power maintenance_power_due(const struct store *st, int node,
    bool follows, bool no_guest);
/* The other PM works with this one's copy of a volume, its own disk failed; or the
 * database doesn't say. */
bool maintenance_is_needed(const struct store *st, int node);

/* null | {phase, since_utc, by, shutdown, waiting_for:[VM names], power:null|
 * "reboot"|"shutdown"}; 'role': what that PM says of itself, "" = not heard.
 * Yours; NULL = no memory. */
json_t *maintenance_view(const struct store *st, int node, const char *role);

#endif
