/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/order_arbiter.c - the arbiter that this PM asks, and asking it
 */
#include "nodeagent/order_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* The weak arbiter is asked only so long after the peer was lost: by then a peer
 * that is alone with its troubles has surely paused, and a short break of the
 * network is over. */
#define PING_LEASE_LOSTS	4u	/* x lost: 2.8 s unscaled */

static bool
is_claim(const struct order *o, const struct role_move *m)
{
	return m->to_gen != 0 && m->to_owner == o->node &&
	    m->from_both_gen != 0;
}

/* It has no memory: only this agent knows that both were in step a moment ago. */
static bool
weak_may_be_asked(const struct order *o, const struct role_move *m)
{
	const struct role *r = &o->role;

	if (strcmp(o->arbiter_kind, "ping") != 0 || !is_claim(o, m) ||
	    r->claim_free)
		return true;
	return o->together_gen == r->rec.gen && r->lost && av_clock_ns() >=
	    r->lost_since_ns + PING_LEASE_LOSTS * o->timing.lost_ns;
}

void
order_arbiter_ask(struct order *o, const struct role_move *move)
{
	struct role_event ev = { .type = ROLE_EV_NO_ANSWER };

	o->ask_due = true;	/* a probe may be under way: after it then */
	o->ask = *move;
	if (arbiter_busy(o->arbiter))
		return;
	o->ask_due = false;
	if (!weak_may_be_asked(o, move) ||
	    arbiter_ask(o->arbiter, move, NULL) < 0)
		order_event(o, &ev);
}

static void
on_answer(void *arg, const struct arbiter_answer *a)
{
	struct order *o = arg;
	struct role_event ev = { .type = a->kind };
	bool changed = a->state != o->last_answer.state ||
	    strcmp(a->text, o->last_answer.text) != 0;

	o->last_answer = *a;
	o->probe_at_ns = av_clock_ns() + o->timing.probe_ns;
	if (!a->probe) {
		ev.gen = a->record.gen;
		ev.owner = a->record.owner;
		ev.maybe = a->maybe;
		order_event(o, &ev);
	}
	if (o->ask_due)
		order_arbiter_ask(o, &o->ask);
	order_run_events(o);
	if (changed)
		o->ops.changed(o->ctx);
}

static bool
is_set(const struct order *o, const struct order_arbiter *a)
{
	return strcmp(o->arbiter_kind, a->kind) == 0 &&
	    strcmp(o->arbiter_address, a->address ? a->address : "") == 0 &&
	    strcmp(o->arbiter_tls_dir, a->tls_dir ? a->tls_dir : "") == 0;
}

enum role_arbiter
order_arbiter_role(const char *kind)
{
	return strcmp(kind, "none") == 0 ? ROLE_ARBITER_NONE :
	    strcmp(kind, "closed") == 0 ? ROLE_ARBITER_CLOSED :
	    ROLE_ARBITER_ETCD;
}

int
order_arbiter_open(struct order *o, const struct order_arbiter *a,
    struct av_err *err)
{
	const struct arbiter_conf ac = { .kind = a->kind,
		.address = a->address, .tls_dir = a->tls_dir,
		.unit_uuid = o->unit, .node = o->node,
		.timeout_ns = o->timing.arbiter_ns };
	struct arbiter *fresh;
	bool none = strcmp(a->kind, "none") == 0;
	int rc = arbiter_open(o->loop, &ac, on_answer, o, &fresh, err);

	if (rc < 0)
		return rc;
	o->arbiter = arbiter_drop(o->arbiter);
	o->arbiter = fresh;
	(void)snprintf(o->arbiter_kind, sizeof(o->arbiter_kind), "%s",
	    a->kind);
	(void)snprintf(o->arbiter_address, sizeof(o->arbiter_address), "%s",
	    a->address ? a->address : "");
	(void)snprintf(o->arbiter_tls_dir, sizeof(o->arbiter_tls_dir), "%s",
	    a->tls_dir ? a->tls_dir : "");
	memset(&o->last_answer, 0, sizeof(o->last_answer));
	o->last_answer.state = none ? ARBITER_UNCONFIGURED :
	    ARBITER_UNREACHABLE;
	o->probe_at_ns = 0;
	return 0;
}

bool
order_arbiter_idle(const struct order *o)
{
	return !arbiter_busy(o->arbiter) && !o->ask_due && !o->role.asking;
}

/* An answer that is under way belongs to the old one and counts: wait for it. */
int
order_set_arbiter(struct order *o, const struct order_arbiter *a,
    struct av_err *err)
{
	int rc;

	if (is_set(o, a))
		return 0;
	if (!order_arbiter_idle(o))
		return av_err_set(err, -EBUSY, "a question is under way");
	rc = order_arbiter_open(o, a, err);
	if (rc < 0)
		return rc;
	role_set_arbiter(&o->role, order_arbiter_role(a->kind), av_clock_ns());
	log_notice("unit", "the active quorum server is now '%s' %s", a->kind,
	    o->arbiter_address);
	o->ops.changed(o->ctx);
	return 0;
}

void
order_arbiter_tick(struct order *o, uint64_t now_ns)
{
	if (o->last_answer.state == ARBITER_UNCONFIGURED ||
	    now_ns < o->probe_at_ns || arbiter_busy(o->arbiter))
		return;
	o->probe_at_ns = now_ns + o->timing.probe_ns;
	(void)arbiter_probe(o->arbiter, NULL);	/* next time then */
}
