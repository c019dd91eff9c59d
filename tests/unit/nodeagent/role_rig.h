/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/role_rig.h - one PM's role, its events and what it answers
 */
#ifndef AV_TESTS_ROLE_RIG_H
#define AV_TESTS_ROLE_RIG_H

#include "base/clock.h"
#include "nodeagent/core/role.h"

static const struct role_times times = { 700, 10000, 30000, 250, 600, 400 };
static struct role R;
static struct role_effects out;
static uint64_t now_ns;

static inline void
init(int node, enum role_arbiter arb, struct role_record rec, bool guests)
{
	now_ns = 1000;
	role_init(&R, node, arb, &times, &rec, guests, now_ns, &out);
}

static inline void
step(struct role_event ev)
{
	ev.now_ns = ++now_ns;
	role_step(&R, &ev, &out);
}

static inline void
ev(enum role_event_type type)
{
	struct role_event e = { .type = type };

	step(e);
}

/* The hellos of both are compared, as after their delivery. */
static inline void
view(struct role_hello peer)
{
	struct role_event e = { .peer = peer };

	role_hello_fill(&R, &e.me);
	e.type = role_compare(&e.me, &peer);
	step(e);
}

static inline void
answer(enum role_event_type type, uint64_t gen, int owner, bool maybe)
{
	struct role_event e = { .type = type, .gen = gen, .owner = owner,
		.maybe = maybe };

	step(e);
}

static inline const struct role_effect *
has(enum role_effect_type type)
{
	size_t i;

	for (i = 0; i < out.n; i++)
		if (out.v[i].type == type)
			return &out.v[i];
	return NULL;
}

static inline void
together(int node, enum role_arbiter arb)
{
	struct role_record rec = { 5, ROLE_MODE_TOGETHER, false };
	struct role_hello peer = { ROLE_JOINING, rec, true, true };

	init(node, arb, rec, false);
	ev(ROLE_EV_PEER_BACK);
	if (arb != ROLE_ARBITER_NONE)	/* was a claim of before granted? */
		answer(ROLE_EV_NO_ANSWER, 0, 0, false);
	view(peer);
}

#endif
