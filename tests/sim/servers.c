/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/servers.c - two quorum servers, and the change from one to the other; see sim.h
 *
 * As nodeagent/quorum.c: the other server is seeded, 'switch' is ordered (nobody is
 * asked from then on), and each PM confirms for itself (quorum_may_confirm()); the
 * second confirmation makes it the active one.  What is active is a row of each PM's
 * database.  The memories of the two servers are independent.
 */
#include "nodeagent/quorum.h"
#include "tests/sim/sim.h"

#define CHANGE_MS	15000u

/* Which server this PM asks; -1 = none, a change is under way. */
int
sim_server_asked(int i)
{
	return W.pm[i].quorum.token != 0 ? -1 : W.pm[i].quorum.active;
}

static bool
leads(int i)
{
	enum role_state s = W.pm[i].role.state;

	return s == ROLE_ALONE || s == ROLE_REJOINING ||
	    (s == ROLE_TOGETHER && i == 0);
}

/* What holds for a command: both in one view, and it is in step with the order. */
static bool
may_order(int i)
{
	return sim_agent_works(i) && W.pm[i].view != 0 &&
	    W.pm[i].view == W.view && W.pm[1 - i].view == W.view &&
	    W.pm[1 - i].agent;
}

bool
sim_switch_in_flight(void)
{
	size_t at = W.pm[0].at < W.pm[1].at ? W.pm[0].at : W.pm[1].at;

	for (; at < W.n; at++)
		if (W.q[at].type == M_SWITCH)
			return true;
	return false;
}

/* A person's word, or ten seconds without the active one. */
void
sim_server_change(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct pm *p = &W.pm[i], *o = &W.pm[1 - i];

		if (!may_order(i) || !leads(i) || p->quorum.token != 0 ||
		    p->seed_at != 0 || (o->role.state != ROLE_TOGETHER &&
		    o->role.state != ROLE_FOLLOWER) ||
		    !quorum_may_confirm(&p->role, p->role.rec.gen))
			continue;
		p->seed_at = W.now + 20 + sim_rnd(200);
		p->seed_gen = p->role.rec.gen;
		p->seed_owner = p->role.state == ROLE_ALONE ? i : -1;
		TRACE("pm%d seeds server %d\n", i, 1 - p->quorum.active);
		return;
	}
}

static void
seeded(int i)
{
	struct pm *p = &W.pm[i];
	int to = 1 - p->quorum.active;
	struct role_move m = { .from_empty = true, .from_lower = true,
		.from_mine_gen = p->seed_gen, .from_both_gen = p->seed_gen,
		.to_gen = p->seed_gen, .to_owner = p->seed_owner };
	struct msg s = { .type = M_SWITCH, .gen = p->seed_gen, .server = to };

	p->seed_at = 0;
	/* a hand-back has begun meanwhile, or it is over */
	if (!quorum_may_confirm(&p->role, p->seed_gen))
		return;
	/* refused while a PM leaves, until the other one runs alone */
	if (W.leaving != 0 && p->role.state == ROLE_TOGETHER)
		return;
	if (p->quorum.token != 0 || W.server[to].down || !may_order(i) ||
	    !sim_seed(i, to, &m))
		return;
	s.token = ++W.tokens;
	sim_send(i, &s);
}

static void
confirm_or_give_up(int i)
{
	struct pm *p = &W.pm[i];
	struct msg m = { .token = p->quorum.token, .server = i };

	if (p->quorum.token == 0) {
		p->change_since = 0;
		return;
	}
	if (p->change_since == 0)
		p->change_since = W.now;
	if (!may_order(i) || sim_rnd(20))
		return;
	if (leads(i) && (p->role.rec.gen != p->quorum.gen ||
	    W.now - p->change_since > CHANGE_MS)) {
		m.type = M_ABORT;
		sim_send(i, &m);
		return;
	}
	if ((p->quorum.confirmed & (1u << i)) != 0 || p->q.asked ||
	    !quorum_may_confirm(&p->role, p->quorum.gen))
		return;
	m.type = M_CONFIRM;
	sim_send(i, &m);
}

void
sim_turn_servers(int i)
{
	struct pm *p = &W.pm[i];
	enum role_arbiter want;

	if (!sim_agent_works(i))
		return;
	want = W.arbiter == ROLE_ARBITER_NONE ? ROLE_ARBITER_NONE :
	    p->quorum.token != 0 ? ROLE_ARBITER_CLOSED : ROLE_ARBITER_ETCD;
	if (!p->role.asking && p->role.arbiter != want)
		role_set_arbiter(&p->role, want, sim_local_ms(i) * AV_NS_PER_MS);
	if (p->seed_at != 0 && W.now >= p->seed_at)
		seeded(i);
	confirm_or_give_up(i);
}

static bool
in_step_with_orders(int i)
{
	enum role_state s = W.pm[i].role.state;

	return s == ROLE_TOGETHER || s == ROLE_ALONE || s == ROLE_REJOINING ||
	    s == ROLE_FOLLOWER;
}

void
sim_server_ordered(int i, const struct msg *m)
{
	struct pm *p = &W.pm[i];
	struct quorum_row *q = &p->quorum;

	if (!in_step_with_orders(i) || (m->type == M_SWITCH ?
	    q->token != 0 || q->active == m->server : q->token != m->token))
		return;
	p->seq++;
	if (m->type == M_SWITCH) {
		q->token = m->token;
		q->gen = m->gen;
		q->confirmed = 0;
	} else if (m->type == M_ABORT) {
		q->token = 0;
	} else {
		q->confirmed |= 1u << m->server;
		if (q->confirmed != 3)
			return;
		q->token = 0;
		q->active = 1 - q->active;
		W.stats.switches++;
		TRACE("pm%d asks server %d from now on\n", i, q->active);
	}
}

/* The promise: never are two servers asked. */
void
sim_check_servers(void)
{
	const struct pm *a = &W.pm[0], *b = &W.pm[1];
	bool claims = (a->disk.mode == ROLE_MODE_TOGETHER ||
	    a->disk.pending) && (b->disk.mode == ROLE_MODE_TOGETHER ||
	    b->disk.pending);

	if (claims && !W.forked && sim_server_asked(0) >= 0 &&
	    sim_server_asked(1) >= 0 &&
	    sim_server_asked(0) != sim_server_asked(1))
		sim_bad("the PMs would ask two quorum servers");
}
