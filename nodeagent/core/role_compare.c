/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_compare.c - what two hellos mean for one of the two
 *
 * Both PMs call this with the same pair at the same point of the order, each
 * from its own side; the answers must fit together (test_role_compare.c).
 */
#include "nodeagent/core/role.h"

static enum role_event_type
compare_new(const struct role_hello *peer)
{
	if (peer->rec.mode == ROLE_MODE_NEW)
		return ROLE_EV_VIEW_NEW;
	if (peer->rec.mode == ROLE_MODE_ALONE && !peer->rec.pending)
		return ROLE_EV_VIEW_FOLLOW;
	return ROLE_EV_VIEW_WAIT;	/* it will claim, then lead */
}

static enum role_event_type
compare_outdated(const struct role_hello *me, const struct role_hello *peer)
{
	if (peer->rec.mode != ROLE_MODE_ALONE || peer->rec.pending)
		return ROLE_EV_VIEW_WAIT;
	return peer->rec.gen > me->rec.gen ? ROLE_EV_VIEW_FOLLOW
	    : ROLE_EV_VIEW_SPLIT;
}

static enum role_event_type
compare_together(const struct role_hello *me, const struct role_hello *peer)
{
	switch (peer->rec.mode) {
	case ROLE_MODE_NEW:
	case ROLE_MODE_OUTDATED:
		return ROLE_EV_VIEW_CLAIM;
	case ROLE_MODE_TOGETHER:
		if (peer->rec.gen != me->rec.gen)
			return peer->rec.gen < me->rec.gen ?
			    ROLE_EV_VIEW_CLAIM : ROLE_EV_VIEW_WAIT;
		return me->ready && peer->ready ? ROLE_EV_VIEW_TOGETHER
		    : ROLE_EV_VIEW_WAIT;
	case ROLE_MODE_ALONE:
		break;
	}
	if (peer->rec.pending)		/* it adopts, or asks the arbiter */
		return ROLE_EV_VIEW_WAIT;
	return peer->rec.gen > me->rec.gen ? ROLE_EV_VIEW_FOLLOW
	    : ROLE_EV_VIEW_SPLIT;
}

/* me: alone, and the hand-back to both was begun */
static enum role_event_type
compare_pending(const struct role_hello *me, const struct role_hello *peer)
{
	switch (peer->rec.mode) {
	case ROLE_MODE_NEW:
	case ROLE_MODE_OUTDATED:
		return ROLE_EV_VIEW_CLAIM;
	case ROLE_MODE_TOGETHER:
		if (peer->rec.gen == me->rec.gen + 1)
			return me->ready && peer->ready ? ROLE_EV_VIEW_ADOPT
			    : ROLE_EV_VIEW_WAIT;
		return peer->rec.gen <= me->rec.gen ? ROLE_EV_VIEW_CLAIM
		    : ROLE_EV_VIEW_WAIT;
	case ROLE_MODE_ALONE:
		break;
	}
	if (peer->rec.gen == me->rec.gen)
		return ROLE_EV_VIEW_SPLIT;
	if (!peer->rec.pending)
		return peer->rec.gen > me->rec.gen ? ROLE_EV_VIEW_FOLLOW
		    : ROLE_EV_VIEW_SPLIT;
	return peer->rec.gen > me->rec.gen ? ROLE_EV_VIEW_WAIT
	    : ROLE_EV_VIEW_CLAIM;
}

static enum role_event_type
compare_alone(const struct role_hello *me, const struct role_hello *peer)
{
	if (peer->rec.mode == ROLE_MODE_NEW)
		return ROLE_EV_VIEW_LEAD;
	if (peer->rec.mode == ROLE_MODE_ALONE) {
		if (peer->rec.gen == me->rec.gen)
			return ROLE_EV_VIEW_SPLIT;
		if (me->rec.gen > peer->rec.gen)
			return ROLE_EV_VIEW_LEAD;
		return peer->rec.pending ? ROLE_EV_VIEW_SPLIT
		    : ROLE_EV_VIEW_FOLLOW;
	}
	/* a peer that is together or outdated at my generation or later knows
	 * something that this PM's record doesn't */
	return peer->rec.gen < me->rec.gen ? ROLE_EV_VIEW_LEAD
	    : ROLE_EV_VIEW_SPLIT;
}

enum role_event_type
role_compare(const struct role_hello *me, const struct role_hello *peer)
{
	switch (me->rec.mode) {
	case ROLE_MODE_NEW:
		return compare_new(peer);
	case ROLE_MODE_OUTDATED:
		return compare_outdated(me, peer);
	case ROLE_MODE_TOGETHER:
		return compare_together(me, peer);
	case ROLE_MODE_ALONE:
		break;
	}
	return me->rec.pending ? compare_pending(me, peer)
	    : compare_alone(me, peer);
}
