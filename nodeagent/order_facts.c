/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/order_facts.c - what order.c knows, as facts
 */
#include "nodeagent/order_impl.h"

#include <string.h>

#include "base/clock.h"

const struct role *
order_role(const struct order *o)
{
	return &o->role;
}

const struct timing *
order_timing(const struct order *o)
{
	return &o->timing;
}

bool
order_peer_seen(const struct order *o)
{
	return !o->lost;
}

static json_t *
reason_facts(const struct role_reason *why)
{
	struct role_reason_param p[ROLE_REASON_PARAMS_MAX];
	size_t i, n = role_reason_params(why, p);
	json_t *params = json_object();

	for (i = 0; i < n; i++)
		(void)json_object_set_new(params, p[i].name, p[i].word != NULL ?
		    json_string(p[i].word) :
		    json_integer((json_int_t)p[i].number));
	return json_pack("{s:s,s:s,s:o}", "code", why->code, "text", why->text,
	    "params", params);
}

static json_t *
role_facts(const struct order *o)
{
	const struct role *r = &o->role;
	struct role_reason why = r->reason;
	bool incompatible = o->peer_timings || o->peer_version;
	int owner = -1;

	if (r->state == ROLE_ALONE || r->state == ROLE_REJOINING)
		owner = o->node;
	else if (r->follow_gen != 0)
		owner = 1 - o->node;
	if (incompatible && r->state != ROLE_TOGETHER &&
	    r->state != ROLE_ALONE) {
		why.why = ROLE_WHY_PEER_INCOMPATIBLE;
	} else if (r->state == ROLE_TOGETHER && o->sync != SYNC_DONE) {
		why.why = ROLE_WHY_DEGRADED;
	}
	role_reason_render(&why);
	/* to people a PM that hands back to both still runs alone */
	return json_pack("{s:s,s:o,s:b,s:I,s:s?}", "state",
	    r->state == ROLE_REJOINING ? "alone" : role_state_name(r->state),
	    "reason", reason_facts(&why), "incompatible", incompatible,
	    "generation", (json_int_t)r->rec.gen, "owner",
	    owner < 0 ? NULL : owner == 0 ? "node0" : "node1");
}

/* People are told of a silence that lasts; decisions are quicker (timing.h). */
#define SHOWN_AFTER_LOST	5u	/* x heartbeat_lost: 2 s unscaled */

static json_t *
sign_facts(const struct order *o)
{
	uint64_t now = av_clock_ns();
	uint64_t shown_ns = SHOWN_AFTER_LOST * o->timing.heartbeat_lost_ns;
	bool agent = o->hb_peer;
	json_t *beats = json_array();
	size_t i;

	for (i = 0; i < o->n_links; i++) {
		struct heartbeat_link_info l;
		bool up;

		heartbeat_link(o->hb, i, now, &l);
		up = l.up || (!o->lost && l.heard_ns != 0 &&
		    now - l.heard_ns < shown_ns);
		agent |= up;
		(void)json_array_append_new(beats, json_pack(
		    "{s:s,s:s,s:s,s:o,s:s}", "link", l.name, "local",
		    l.local, "peer", l.peer, "age_ms", l.heard_ns == 0 ?
		    json_null() : json_integer((json_int_t)((now - l.heard_ns) /
		    AV_NS_PER_MS)), "state", up ? "up" : "down"));
	}
	return json_pack("{s:b,s:b,s:o,s:o}", "corosync", o->corosync_peer,
	    "agent", agent, "heartbeats", beats, "mirror",
	    !o->mirror_known ? json_null() :
	    json_boolean(now - o->mirror_seen_ns < o->timing.mirror_lost_ns));
}

uint64_t
order_beats_ignored(const struct order *o)
{
	return heartbeat_ignored(o->hb);
}

/* What people are told of timing.h; both PMs' are alike, or they wouldn't meet. */
static json_t *
timing_facts(const struct timing *t)
{
	return json_pack("{s:I,s:I,s:I,s:I}", "heartbeat_ms",
	    (json_int_t)(t->heartbeat_ns / AV_NS_PER_MS), "lost_ms",
	    (json_int_t)(t->lost_ns / AV_NS_PER_MS), "dead_ms",
	    (json_int_t)(t->peer_dead_ns / AV_NS_PER_MS), "frozen_ms",
	    (json_int_t)(t->frozen_ns / AV_NS_PER_MS));
}

json_t *
order_facts(const struct order *o)
{
	return json_pack("{s:o,s:o,s:{s:s,s:s,s:s,s:s},s:b,s:{s:s},s:o}",
	    "role", role_facts(o), "signs", sign_facts(o), "arbiter",
	    "kind", strcmp(o->arbiter_kind, "closed") == 0 ? "etcd" :
	    o->arbiter_kind, "state",
	    arbiter_state_name(o->last_answer.state), "address",
	    o->arbiter_address, "text", o->last_answer.text,
	    "ordering", order_available(o, NULL) == 0, "daemons", "corosync",
	    o->corosync_up ? "up" : "down", "timings",
	    timing_facts(&o->timing));
}
