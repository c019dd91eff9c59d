/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/links.c - links, beats, corosync's membership and order; see sim.h
 *
 * corosync promises: in one view both PMs get the same messages in the same order.
 * Its bad days: a membership change comes late and at different times, each side may
 * miss the last messages of a view, one side drops the other first.
 */
#include "tests/sim/sim.h"

#define LEASE_MS	TIMING_LEASE_MS

bool
sim_hears(int i)
{
	int l;

	for (l = 0; l < LINKS; l++)
		if (!W.cut[l][i])
			return true;
	return false;
}

/* Some link works in both directions, between machines that work. */
bool
sim_conn(void)
{
	int l;

	if (!sim_machine_works(0) || !sim_machine_works(1))
		return false;
	for (l = 0; l < LINKS; l++)
		if (!W.cut[l][0] && !W.cut[l][1])
			return true;
	return false;
}

void
sim_send(int i, struct msg *m)
{
	m->from = i;
	m->view = W.pm[i].view;
	if (W.pm[i].view == 0 || W.pm[i].view != W.view)
		return;		/* would be ordered in a view that is no more */
	if (W.n < QUEUE)
		W.q[W.n++] = *m;
	else
		sim_bad("queue of the model is full");
}

void
sim_view_lost(int i)
{
	if (W.pm[i].view == 0)
		return;
	W.pm[i].view = 0;
	W.pm[i].have[0] = W.pm[i].have[1] = false;
	sim_event(i, ROLE_EV_VIEW_GONE);
}

/* Each side may or may not get what is still in flight. */
void
sim_view_break(void)
{
	W.view = 0;
}

/* --- beats --- */

/* i's beat, with the echo of the peer's last one, reaches the peer or not. */
static void
turn_beat(int i)
{
	struct pm *p = &W.pm[i], *o = &W.pm[1 - i];
	struct role_event ev = { .type = ROLE_EV_PEER_INFO };

	if ((W.now / TICK_MS) % (TIMING_HEARTBEAT_MS / TICK_MS) !=
	    (uint64_t)(i * 5) || !sim_agent_works(i) ||
	    !sim_agent_works(1 - i) || !sim_hears(1 - i) || sim_rnd(50) == 0)
		return;
	o->heard_beat = sim_local_ms(i);
	/* the echo is of a beat that o sent at that time of its clock */
	if (p->heard_beat != 0 && p->heard_beat + LEASE_MS > o->valid_until)
		o->valid_until = p->heard_beat + LEASE_MS;
	o->last_sign = W.now;
	role_hello_fill(&p->role, &ev.peer);
	if (ev.peer.rec.mode == ROLE_MODE_ALONE && !ev.peer.rec.pending &&
	    ev.peer.rec.gen > o->role.rec.gen)
		ev.type = ROLE_EV_PEER_OWNS;
	sim_step(1 - i, &ev);
}

/* --- signs --- */

static void
turn_corosync(int i)
{
	struct pm *p = &W.pm[i], *o = &W.pm[1 - i];
	bool cs = sim_conn() && p->corosync && o->corosync && !W.ring_broken;

	if (!sim_machine_works(i))
		return;
	if (cs == p->cs_seen) {
		p->cs_change_at = 0;
	} else if (p->cs_change_at == 0) {
		p->cs_change_at = W.now + (cs ? 100 + sim_rnd(300) :
		    p->corosync ? 560 + sim_rnd(200) + p->cs_late_ms : 20);
	} else if (W.now >= p->cs_change_at) {
		p->cs_seen = cs;
		if (!cs)
			W.ring_broken = o->cs_seen;
	}
}

static void
turn_mirror_sign(int i)
{
	struct pm *p = &W.pm[i];
	bool up = sim_mirror_up();

	if (!sim_machine_works(i))
		return;
	if (up == p->mirror_seen)
		p->mirror_change_at = 0;
	else if (p->mirror_change_at == 0)
		p->mirror_change_at = W.now + (up ? 200 :
		    TIMING_MIRROR_LOST_MS + sim_rnd(100));
	else if (W.now >= p->mirror_change_at)
		p->mirror_seen = up;
}

static void
turn_signs(int i)
{
	struct pm *p = &W.pm[i];
	struct role_event ev = { .type = ROLE_EV_PEER_LOST };
	bool lost, quiet;

	turn_corosync(i);
	turn_mirror_sign(i);
	if (!sim_agent_works(i))
		return;
	if (!p->cs_seen || !p->corosync)
		sim_view_lost(i);
	quiet = !p->cs_seen && sim_local_ms(i) >= p->valid_until;
	lost = quiet && !p->mirror_seen;
	if (lost == p->lost && quiet == p->quiet)
		return;
	if (!lost || p->lost)
		ev.type = quiet ? ROLE_EV_PEER_QUIET : ROLE_EV_PEER_BACK;
	if (lost && !p->lost)
		sim_guard_losing(i);
	ev.silent_ns = (W.now - p->last_sign) * AV_NS_PER_MS;
	sim_step(i, &ev);
	p->lost = lost;
	p->quiet = quiet;
}

/* --- views --- */

static void
view_open(void)
{
	struct msg m = { .type = M_HELLO };
	int i;

	W.view = ++W.next_view;
	W.n = 0;
	for (i = 0; i < 2; i++) {
		W.pm[i].view = W.view;
		W.pm[i].at = 0;
		W.pm[i].deliver_at = 0;
		W.pm[i].have[0] = W.pm[i].have[1] = false;
	}
	for (i = 0; i < 2; i++) {
		m.h = W.pm[i].role.said;
		sim_send(i, &m);
	}
}

/* A hung agent stays in its group: corosync keeps its messages. */
void
sim_turn_view(void)
{
	struct pm *a = &W.pm[0], *b = &W.pm[1];
	bool up = sim_conn() && a->agent && b->agent && a->corosync &&
	    b->corosync;
	int i;

	if (!a->cs_seen && !b->cs_seen)
		W.ring_broken = false;
	if (W.view != 0 && !up)
		sim_view_break();
	/* an agent that sees its group shrink (peer's agent died) */
	for (i = 0; i < 2; i++)
		if (W.pm[i].view != 0 && W.pm[i].view != W.view &&
		    W.pm[i].at >= W.n && !W.pm[1 - i].agent && sim_rnd(3) == 0 &&
		    sim_agent_works(i))
			sim_view_lost(i);
	if (W.view != 0 || !up || !a->cs_seen || !b->cs_seen || sim_rnd(10) ||
	    !sim_agent_works(0) || !sim_agent_works(1))
		return;
	sim_view_lost(0);
	sim_view_lost(1);
	if (a->agent && b->agent && W.bad == NULL)
		view_open();
}

static void
copy_database(int to, int from)
{
	int v;

	for (v = 0; v < VOLUMES; v++)
		W.pm[to].place[v] = W.pm[from].place[v];
	W.pm[to].seq = W.pm[from].seq;
	W.pm[to].quorum = W.pm[from].quorum;
}

static void
both_are(struct pm *p, uint64_t gen)
{
	int n;

	for (n = 0; n < 2; n++)
		p->hello[n] = (struct role_hello){ .state = ROLE_TOGETHER,
		    .rec = { gen, ROLE_MODE_TOGETHER, false }, .ready = true };
}

static void
deliver_hello(int i, const struct msg *m)
{
	struct pm *p = &W.pm[i];
	struct role_event ev = { 0 };

	if (p->have[m->from] && m->h.rec.gen < p->hello[m->from].rec.gen)
		return;		/* sent before 'moved' was delivered */
	p->hello[m->from] = m->h;
	p->have[m->from] = true;
	if (!p->have[0] || !p->have[1])
		return;
	ev.type = role_compare(&p->hello[i], &p->hello[1 - i]);
	ev.peer = p->hello[1 - i];
	ev.me = p->hello[i];
	if (ev.type == ROLE_EV_VIEW_FOLLOW ||
	    (ev.type == ROLE_EV_VIEW_TOGETHER && W.pm[1 - i].seq > p->seq))
		copy_database(i, 1 - i);
	sim_step(i, &ev);
}

static void
deliver(int i, const struct msg *m)
{
	struct pm *p = &W.pm[i];
	struct role_event ev = { .type = ROLE_EV_MOVED, .gen = m->gen };
	struct msg again = { .type = M_AGAIN };

	switch (m->type) {
	case M_HELLO:
		deliver_hello(i, m);
		return;
	case M_AGAIN:		/* order_sync_again() */
		p->have[0] = p->have[1] = false;
		sim_event(i, ROLE_EV_VIEW_GONE);
		again.type = M_HELLO;
		again.h = p->role.said;
		if (p->agent)
			sim_send(i, &again);
		return;
	case M_CREATED:
		if (p->role.rec.mode != ROLE_MODE_NEW)
			return;
		both_are(p, 1);
		ev.type = ROLE_EV_UNIT_CREATED;
		sim_step(i, &ev);
		return;
	case M_SWITCH: case M_CONFIRM: case M_ABORT:
		sim_server_ordered(i, m);
		return;
	case M_MOVED:
		break;
	}
	W.stats.moves++;
	both_are(p, m->gen);
	copy_database(i, W.pm[0].seq > W.pm[1].seq ? 0 : 1);
	sim_step(i, &ev);
	if (p->agent && p->role.rec.gen != m->gen) {
		W.stats.agains++;
		sim_send(i, &again);
	}
}

/* The database comes from where the other PM is in the order when this hello is
 * delivered there; until then this one waits (order_sync.c: RECEIVING). */
static bool
waits_for_database(int i, const struct msg *m)
{
	const struct pm *p = &W.pm[i], *o = &W.pm[1 - i];
	struct role_hello mine = p->hello[i], peers = p->hello[1 - i];
	enum role_event_type type;

	if (m->type != M_HELLO || m->view != p->view || o->view != p->view ||
	    o->at > p->at || !p->have[1 - m->from])
		return false;
	if (m->from == i)
		mine = m->h;
	else
		peers = m->h;
	type = role_compare(&mine, &peers);
	return type == ROLE_EV_VIEW_FOLLOW ||
	    (type == ROLE_EV_VIEW_TOGETHER && o->seq > p->seq);
}

static void
turn_order(int i)
{
	struct pm *p = &W.pm[i];

	while (sim_agent_works(i) && p->view != 0 && p->at < W.n) {
		struct msg m = W.q[p->at];

		/* view broken: what is left may never come */
		if (p->view != W.view && sim_rnd(2))
			return;
		if (p->deliver_at == 0)
			p->deliver_at = W.now + sim_rnd(40);
		if (W.now < p->deliver_at || waits_for_database(i, &m))
			return;
		p->deliver_at = 0;
		p->at++;
		if (m.view == p->view)
			deliver(i, &m);
	}
}

void
sim_turn_links(int i)
{
	turn_order(i);
	turn_beat(i);
	turn_signs(i);
}
