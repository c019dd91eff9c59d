/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_table.h - the table behind core/role.c; private to core/
 */
#ifndef AV_ROLE_TABLE_H
#define AV_ROLE_TABLE_H

#include "nodeagent/core/role.h"

enum sm_kind {
	SM_HOLE = 0,	/* nobody thought about this pair: a test refuses it */
	SM_GO,		/* act; it returns the state to enter */
	SM_IGNORE,	/* legal here, deliberately nothing to do */
	SM_NEVER,	/* cannot happen: seeing it means fail-stop */
};

/* Queues effects and gives the next state; can't fail, can't post events. */
typedef enum role_state (*role_act_fn)(struct role *r,
    const struct role_event *ev, struct role_effects *out);

struct role_cell {
	enum sm_kind	kind;
	role_act_fn	act;
};

const struct role_cell *role_cell(enum role_state s, enum role_event_type e);

#define ROLE_ACTS(X) \
	X(lost_together) X(lost_rejoining) X(lost_follower) X(start) \
	X(join_over) X(peer_owns) X(peer_info) X(view_together) X(view_adopt) \
	X(view_lead) X(view_follow) X(view_claim) X(view_wait) X(view_new) X(view_split) \
	X(granted) X(refused) X(no_answer) X(rejoin_granted) \
	X(rejoin_refused) X(rejoin_no_answer) X(rejoin) X(moved) \
	X(unit_created) X(guests_stopped) X(frozen_over) X(frozen_news) \
	X(takeover) X(resolved) \
	X(stay) X(stay_granted) X(stay_refused) X(stay_no_answer)
#define X(a) enum role_state role_act_##a(struct role *r, \
    const struct role_event *ev, struct role_effects *out);
ROLE_ACTS(X)
#undef X

#endif
