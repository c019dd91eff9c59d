/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/test_role_sim.c - two real role cores in a simulated world
 *
 * Virtual time in ticks of 10 ms; seeded.  The world: links cut in one or both directions,
 * corosync with its late and one-sided membership, heartbeats, ordered
 * messages of which a cut may leave one side without the last ones, an arbiter that
 * is slow, down, or loses requests and answers, agents, corosyncs and PMs that
 * die and come back, two guests and one mirrored volume.
 *
 * Checked after every step: no guest runs on two PMs; one PM writes alone at
 * most; nobody runs on data older than the newest acknowledged write; one grant
 * a generation; no generation goes back; nothing is done before it is recorded.
 * When the faults stop the unit must come together again.
 *
 * What the world grants: a PM whose agent is dead AND which is cut off counts as
 * paused (see timing.h on the watchdog).
 *
 * SIM_SEED=n runs one seed; SIM_RUNS, SIM_FAULTS: how much; SIM_TRACE=1 tells.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "nodeagent/arbiter.h"
#include "nodeagent/core/role.h"
#include "tests/test.h"

#define TICK_MS		10u
#define QUEUE		4096

enum msg_type { M_HELLO, M_MOVED, M_AGAIN };
struct msg { enum msg_type type; int from; uint64_t view; struct role_hello h;
	uint64_t gen; };

struct pm {
	bool	powered, agent, corosync;
	struct role_record disk;
	struct role role;
	bool	run[2], paused, solo;
	uint64_t data;
	int	place[2];
	uint64_t seq;
	uint64_t pause_at, stop_at, alone_at, agent_at, boot_at;
	bool	step_told, lost, quiet;
	/* signs */
	bool	cs_seen, hb_seen;
	uint64_t cs_change_at;
	uint64_t heard_beat;	/* when the peer's beat heard last was sent */
	uint64_t valid_until;	/* by the echo in it */
	bool	mirror_seen;
	uint64_t mirror_change_at;
	/* order */
	uint64_t view;		/* 0 = none */
	size_t	at;
	uint64_t deliver_at;
	bool	have[2];
	struct role_hello hello[2];
	/* arbiter's question */
	bool	asked, effect_due;
	uint64_t ask_serial;
	struct role_move move;
	uint64_t effect_at, answer_at;
	int	fate;		/* 0 fine, 1 refused connection, 2 lost answer, 3 lost request */
	/* a request whose sender gave up, still on its way */
	bool	stray;
	struct role_move stray_move;
	uint64_t stray_at;
	bool	arb_cut;
	bool	judged;
	int	verdict;
	struct arbiter_record seen;
};

static struct world {
	uint64_t rng, seed, now;	/* ms */
	struct pm pm[2];
	bool	cut[2];			/* cut[i]: i can't hear */
	uint64_t view, next_view;
	size_t	n;
	struct msg q[QUEUE];
	bool	ring_broken;	/* one corosync dropped the other: both will */
	bool	arb_down, arb_known;
	int	arb_loss;		/* percent */
	struct arbiter_record arb;
	int	granted[1u << 16];
	uint64_t acked;
	bool	synced;
	uint64_t sync_at;
	uint64_t mirror_down_until;	/* a mirror server starts anew */
	const char *bad;
	uint64_t n_faults, n_grants, n_takes, n_thaws, n_moves, n_events,
	    n_adopts, n_agains;
	bool	trace;
	bool	settle;
} W;

static uint64_t
rnd(uint64_t n)
{
	W.rng ^= W.rng << 13;
	W.rng ^= W.rng >> 7;
	W.rng ^= W.rng << 17;
	return n == 0 ? 0 : (W.rng >> 11) % n;
}

static const struct role_times times = {
	.start_ns = 710 * AV_NS_PER_MS, .join_ns = 2000 * AV_NS_PER_MS,
	.frozen_ns = 5000 * AV_NS_PER_MS, .retry_ns = 100 * AV_NS_PER_MS,
	.dead_ns = 600 * AV_NS_PER_MS, .stir_ns = 400 * AV_NS_PER_MS,
};

static void step(int i, struct role_event *ev);

static void
bad(const char *what)
{
	if (W.bad == NULL) {
		W.bad = what;
		fprintf(stderr, "seed %llu, %llu ms: %s\n",
		    (unsigned long long)W.seed, (unsigned long long)W.now,
		    what);
	}
}

#define TRACE(...) do { if (W.trace) { \
	fprintf(stderr, "%7llu ", (unsigned long long)W.now); \
	fprintf(stderr, __VA_ARGS__); } } while (0)

static bool
conn(void)
{
	return W.pm[0].powered && W.pm[1].powered && !W.cut[0] && !W.cut[1];
}

/* The mirrors reach each other. */
static bool
mirrored(void)
{
	return conn() && W.now >= W.mirror_down_until;
}

static void
send_msg(int i, struct msg *m)
{
	m->from = i;
	m->view = W.pm[i].view;
	if (W.pm[i].view == 0 || W.pm[i].view != W.view)
		return;		/* would be ordered in a view that is no more */
	if (W.n < QUEUE)
		W.q[W.n++] = *m;
	else
		bad("queue of the model is full");
}

static void
start_guests(int i)
{
	struct pm *p = &W.pm[i];
	int v;

	p->paused = false;
	p->pause_at = p->stop_at = 0;
	for (v = 0; v < 2; v++)
		p->run[v] = p->place[v] == i;
	if ((p->run[0] || p->run[1]) && p->data != W.acked)
		bad("runs on old data");
}

static void
run_alone(int i, uint64_t gen)
{
	struct pm *p = &W.pm[i];

	if (p->disk.mode != ROLE_MODE_ALONE || p->disk.gen != gen)
		bad("runs alone before it was recorded");
	/* a volume that is connected and in step stays so; others go alone,
	 * drop the peer, and resync when it comes again */
	p->step_told = false;
	if (!mirrored() || !W.synced || W.pm[1 - i].solo) {
		p->solo = true;
		W.synced = false;
	}
	start_guests(i);
}

static void
take(int i)
{
	struct pm *p = &W.pm[i];

	W.n_takes++;
	p->place[0] = p->place[1] = i;
	p->seq++;
	start_guests(i);
}

static void
write_record(int i, const struct role_record *rec)
{
	struct pm *p = &W.pm[i];

	if (rec->gen < p->disk.gen)
		bad("record's generation went back");
	p->disk = *rec;
	if (rec->mode == ROLE_MODE_ALONE && !rec->pending &&
	    W.granted[rec->gen & 0xffff] != i + 1)
		bad("recorded alone without a grant");
}

static void
ask(int i, const struct role_move *m)
{
	struct pm *p = &W.pm[i];
	bool cut = W.arb_down || p->arb_cut;

	if (p->asked)
		bad("two questions at once");
	p->asked = true;
	p->move = *m;
	p->effect_due = true;
	p->judged = false;
	p->effect_at = W.now + 10 + rnd(60);
	p->answer_at = p->effect_at + 10 + rnd(60);
	p->fate = cut ? 1 : rnd(100) < (uint64_t)W.arb_loss ?
	    2 + (int)rnd(2) : 0;
	if (p->fate == 3) {	/* late, or never */
		p->effect_due = false;
		if (rnd(2)) {
			p->stray = true;
			p->stray_move = *m;
			p->stray_at = W.now + rnd(4000);
		}
	}
	if (p->fate >= 2)
		p->answer_at = W.now + 1000;
	if (p->fate == 1)
		p->effect_due = false;
}

static void
effects(int i, const struct role_effects *out)
{
	struct pm *p = &W.pm[i];
	struct msg m = { 0 };
	size_t k;

	for (k = 0; k < out->n && p->agent; k++) {
		const struct role_effect *e = &out->v[k];

		switch (e->type) {
		case ROLE_DO_RECORD:
			write_record(i, &e->record);
			/* the agent may die between record and effect */
			if (!W.settle && rnd(60) == 0) {
				TRACE("pm%d agent dies at the record\n", i);
				p->agent = false;
				p->agent_at = W.now + 100 + rnd(1500);
				p->asked = false;
			}
			break;
		case ROLE_DO_FREEZE:
			p->pause_at = W.now + 10 * rnd(10);
			break;
		case ROLE_DO_RESUME_TOGETHER:
			W.n_thaws++;
			if (p->disk.mode != ROLE_MODE_TOGETHER)
				bad("together without a record");
			p->solo = false;
			start_guests(i);
			break;
		case ROLE_DO_RUN_ALONE:
			run_alone(i, e->gen);
			break;
		case ROLE_DO_TAKE_PEER_GUESTS:
			take(i);
			break;
		case ROLE_DO_STOP_GUESTS:
			p->stop_at = W.now + 50 + rnd(500);
			p->pause_at = p->pause_at ? p->pause_at : W.now + 10;
			break;
		case ROLE_DO_FOLLOW:
			if (p->run[0] || p->run[1])
				bad("follows with guests running");
			p->solo = false;
			break;
		case ROLE_DO_ASK:
			ask(i, &e->move);
			break;
		case ROLE_DO_HELLO:
			m.type = M_HELLO;
			m.h = p->role.said;
			send_msg(i, &m);
			break;
		case ROLE_DO_ORDER_TOGETHER:
			m.type = M_MOVED;
			m.gen = e->gen;
			send_msg(i, &m);
			break;
		default:
			bad("unknown effect");
		}
	}
}

static void
step(int i, struct role_event *ev)
{
	struct pm *p = &W.pm[i];
	struct role_effects out;
	enum role_state old = p->role.state;

	if (!p->agent || W.bad != NULL)
		return;
	ev->now_ns = W.now * AV_NS_PER_MS;
	W.n_events++;
	if (role_cell_kind(old, ev->type) == 3 &&
	    !role_event_stale(&p->role, ev)) {
		fprintf(stderr, "pm%d %s --%s-->\n", i, role_state_name(old),
		    role_event_name(ev->type));
		bad("an event that can't happen");
		return;
	}
	role_step(&p->role, ev, &out);
	if (p->role.state != old || W.trace)
		TRACE("pm%d %s --%s--> %s g%llu m%d p%d lost%d ask%d\n", i,
		    role_state_name(old), role_event_name(ev->type),
		    role_state_name(p->role.state),
		    (unsigned long long)p->role.rec.gen, p->role.rec.mode,
		    p->role.rec.pending, p->role.lost, p->role.asking);
	if (ev->type == ROLE_EV_VIEW_ADOPT)
		W.n_adopts++;
	effects(i, &out);
}

static void
event(int i, enum role_event_type type)
{
	struct role_event ev = { .type = type };

	step(i, &ev);
}

/* --- agents and PMs --- */

static void
view_lost(int i)
{
	if (W.pm[i].view == 0)
		return;
	W.pm[i].view = 0;
	W.pm[i].have[0] = W.pm[i].have[1] = false;
	event(i, ROLE_EV_VIEW_GONE);
}

/* Ends the shared view: each side may or may not get what is still in flight. */
static void
view_break(void)
{
	W.view = 0;
}

static void
agent_start(int i)
{
	struct pm *p = &W.pm[i];
	struct role_effects out;

	p->agent = true;
	p->agent_at = 0;
	p->hb_seen = false;
	p->heard_beat = p->valid_until = 0;
	p->lost = p->quiet = true;
	p->step_told = false;
	p->view = 0;
	p->asked = false;
	p->pause_at = p->stop_at = 0;
	TRACE("pm%d agent starts g%llu m%d\n", i,
	    (unsigned long long)p->disk.gen, p->disk.mode);
	role_init(&p->role, i, ROLE_ARBITER_ETCD, &times, &p->disk,
	    p->run[0] || p->run[1], W.now * AV_NS_PER_MS, &out);
	effects(i, &out);
}

static void
agent_kill(int i)
{
	struct pm *p = &W.pm[i];

	TRACE("pm%d agent killed\n", i);
	if (p->asked && p->effect_due && !p->stray) {
		p->stray = true;	/* the request is on its way */
		p->stray_move = p->move;
		p->stray_at = W.now + rnd(3000);
	}
	if (p->pause_at || p->stop_at)
		p->paused = true;
	p->agent = false;
	p->asked = false;
	p->view = 0;
	p->agent_at = W.now + 50 + rnd(2000);
	if (W.view)
		view_break();
}

static void
power_off(int i)
{
	struct pm *p = &W.pm[i];

	TRACE("pm%d power off\n", i);
	agent_kill(i);
	p->powered = false;
	p->corosync = false;
	p->cs_seen = p->mirror_seen = false;
	p->run[0] = p->run[1] = p->solo = p->paused = false;
	p->agent_at = 0;
	p->boot_at = W.now + 1000 + rnd(4000);
	W.synced = W.synced && !W.pm[1 - i].solo;
}

static void
power_on(int i)
{
	TRACE("pm%d power on\n", i);
	W.pm[i].powered = true;
	W.pm[i].corosync = true;
	W.pm[i].boot_at = 0;
	W.pm[i].agent_at = W.now + 200 + rnd(500);
}

/* --- the world's turn --- */

/* i's beat, with the echo of the peer's last one, reaches the peer or not. */
static void
turn_beat(int i)
{
	struct pm *p = &W.pm[i], *o = &W.pm[1 - i];
	struct role_event ev = { .type = ROLE_EV_PEER_INFO };

	if ((W.now / TICK_MS) % 10 != (uint64_t)(i * 5) || !p->agent ||
	    !o->agent || W.cut[1 - i] || rnd(50) == 0)
		return;
	o->heard_beat = W.now;
	if (p->heard_beat != 0)
		o->valid_until = p->heard_beat + 500;
	role_hello_fill(&p->role, &ev.peer);
	if (ev.peer.rec.mode == ROLE_MODE_ALONE && !ev.peer.rec.pending &&
	    ev.peer.rec.gen > o->role.rec.gen)
		ev.type = ROLE_EV_PEER_OWNS;
	step(1 - i, &ev);
}

static void
turn_corosync(int i)
{
	struct pm *p = &W.pm[i], *o = &W.pm[1 - i];
	bool cs = conn() && p->corosync && o->corosync && !W.ring_broken;

	if (cs == p->cs_seen)
		p->cs_change_at = 0;
	else if (p->cs_change_at == 0)
		p->cs_change_at = W.now + (cs ? 100 + rnd(300) :
		    p->corosync ? 560 + rnd(200) : 20);
	else if (W.now >= p->cs_change_at) {
		p->cs_seen = cs;
		if (!cs)
			W.ring_broken = o->cs_seen;
	}
	if (mirrored() == p->mirror_seen)
		p->mirror_change_at = 0;
	else if (p->mirror_change_at == 0)
		p->mirror_change_at = W.now + (mirrored() ? 200 : 600 + rnd(100));
	else if (W.now >= p->mirror_change_at)
		p->mirror_seen = mirrored();
}

static void
turn_signs(int i)
{
	struct pm *p = &W.pm[i];
	bool lost, quiet;

	turn_corosync(i);
	if (!p->agent)
		return;
	p->hb_seen = W.now < p->valid_until;
	if (!p->cs_seen || !p->corosync)
		view_lost(i);
	quiet = !p->cs_seen && !p->hb_seen;
	lost = quiet && !p->mirror_seen;
	if (lost == p->lost && quiet == p->quiet)
		return;
	if (lost && !p->lost)
		event(i, ROLE_EV_PEER_LOST);
	else if (!quiet)
		event(i, ROLE_EV_PEER_BACK);
	else
		event(i, ROLE_EV_PEER_QUIET);
	p->lost = lost;
	p->quiet = quiet;
}

static void
turn_view(void)
{
	struct pm *a = &W.pm[0], *b = &W.pm[1];
	bool up = conn() && a->agent && b->agent && a->corosync && b->corosync;
	struct msg m = { .type = M_HELLO };
	int i;

	if (W.view != 0 && !up)
		view_break();
	/* an agent that sees its group shrink (peer's agent died) */
	for (i = 0; i < 2; i++)
		if (W.pm[i].view != 0 && W.pm[i].view != W.view &&
		    W.pm[i].at >= W.n && !W.pm[1 - i].agent && rnd(3) == 0)
			view_lost(i);
	if (W.view != 0 || !up || !a->cs_seen || !b->cs_seen || rnd(10))
		return;
	view_lost(0);
	view_lost(1);
	if (!a->agent || !b->agent)
		return;
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
		send_msg(i, &m);
	}
}

static void
copy_database(int to, int from)
{
	memcpy(W.pm[to].place, W.pm[from].place, sizeof(W.pm[to].place));
	W.pm[to].seq = W.pm[from].seq;
}

static void
deliver(int i, const struct msg *m)
{
	struct pm *p = &W.pm[i];
	struct role_event ev = { .type = ROLE_EV_MOVED, .gen = m->gen };
	struct msg again = { .type = M_AGAIN };
	int n;

	if (m->type == M_AGAIN) {	/* order_sync_again() */
		p->have[0] = p->have[1] = false;
		event(i, ROLE_EV_VIEW_GONE);
		again.type = M_HELLO;
		again.h = p->role.said;
		if (p->agent)
			send_msg(i, &again);
		return;
	}
	if (m->type == M_HELLO) {
		if (p->have[m->from] &&
		    m->h.rec.gen < p->hello[m->from].rec.gen)
			return;		/* sent before 'moved' was delivered */
		p->hello[m->from] = m->h;
		p->have[m->from] = true;
		if (!p->have[0] || !p->have[1])
			return;
		ev.type = role_compare(&p->hello[i], &p->hello[1 - i]);
		ev.peer = p->hello[1 - i];
		ev.me = p->hello[i];
		if (ev.type == ROLE_EV_VIEW_FOLLOW ||
		    (ev.type == ROLE_EV_VIEW_TOGETHER &&
		    W.pm[1 - i].seq > p->seq))
			copy_database(i, 1 - i);
	} else {
		W.n_moves++;
		for (n = 0; n < 2; n++) {
			p->hello[n].state = ROLE_TOGETHER;
			p->hello[n].rec.gen = m->gen;
			p->hello[n].rec.mode = ROLE_MODE_TOGETHER;
			p->hello[n].rec.pending = false;
			p->hello[n].ready = true;
			p->hello[n].released = false;
		}
		copy_database(i, W.pm[0].seq > W.pm[1].seq ? 0 : 1);
	}
	step(i, &ev);
	if (m->type == M_MOVED && p->agent && p->role.rec.gen != m->gen) {
		W.n_agains++;
		send_msg(i, &again);
	}
}

static void
turn_order(int i)
{
	struct pm *p = &W.pm[i];

	while (p->agent && p->view != 0 && p->at < W.n) {
		struct msg m = W.q[p->at];

		/* view broken: what is left may never come */
		if (p->view != W.view && rnd(2))
			return;
		if (p->deliver_at == 0)
			p->deliver_at = W.now + rnd(40);
		if (W.now < p->deliver_at)
			return;
		p->deliver_at = 0;
		p->at++;
		if (m.view == p->view)
			deliver(i, &m);
	}
}

static int
arb_apply(int i, const struct role_move *m)
{
	char text[200];
	int v = arbiter_judge(m, i, W.arb_known ? &W.arb : NULL, text,
	    sizeof(text));

	if (v == 2) {
		if (m->to_gen <= W.arb.gen)
			bad("arbiter's generation goes back");
		W.arb.gen = m->to_gen;
		W.arb.owner = m->to_owner;
		W.arb_known = true;
		if (m->to_owner >= 0) {
			if (W.granted[m->to_gen & 0xffff] != 0)
				bad("two grants of one generation");
			W.granted[m->to_gen & 0xffff] = m->to_owner + 1;
		}
		v = 1;
	}
	return v;
}

static void
turn_arbiter(int i)
{
	struct pm *p = &W.pm[i];
	struct role_event ev = { 0 };

	if (p->stray && W.now >= p->stray_at) {
		p->stray = false;
		if (!W.arb_down)
			(void)arb_apply(i, &p->stray_move);
	}
	if (!p->asked)
		return;
	if (p->effect_due && W.now >= p->effect_at) {
		p->effect_due = false;
		p->judged = true;
		p->verdict = arb_apply(i, &p->move);
		p->seen = W.arb;
	}
	if (W.now < p->answer_at)
		return;
	p->asked = false;
	ev.type = ROLE_EV_NO_ANSWER;
	ev.maybe = p->fate >= 2;
	if (p->fate == 0 && p->judged && p->verdict >= 0) {
		ev.type = p->verdict ? ROLE_EV_GRANTED : ROLE_EV_REFUSED;
		ev.gen = p->seen.gen;
		ev.owner = p->seen.owner;
		W.n_grants += p->verdict ? 1 : 0;
	}
	step(i, &ev);
}

static void
turn_guests(int i)
{
	struct pm *p = &W.pm[i], *o = &W.pm[1 - i];
	bool runs;

	if (!p->powered)
		return;
	if (p->pause_at && W.now >= p->pause_at) {
		p->pause_at = 0;
		p->paused = true;
	}
	if (p->stop_at && W.now >= p->stop_at && p->agent) {
		p->stop_at = 0;
		p->run[0] = p->run[1] = p->solo = false;
		event(i, ROLE_EV_GUESTS_STOPPED);
	}
	if (!p->agent && !conn())
		p->paused = true;
	/* volumes of an owner that lose the peer are ordered alone again, but
	 * only after the role was told that they are out of step */
	if (p->agent && role_may_write_alone(&p->role) && !p->solo &&
	    !p->step_told && !(mirrored() && W.synced)) {
		p->solo = true;
		W.synced = false;
	}
	runs = (p->run[0] || p->run[1]) && !p->paused;
	if (!runs || rnd(4))
		return;
	if (mirrored() && W.synced && !o->solo) {
		p->data = o->data = ++W.acked;
	} else if (p->solo) {
		if (p->data != W.acked)
			bad("wrote alone over old data");
		p->data = ++W.acked;
		W.synced = false;
	}			/* else: held */
}

static void
turn_mirror(void)
{
	int i;

	/* a hand-back is when it hurts most */
	for (i = 0; i < 2; i++)
		if (W.pm[i].agent && W.pm[i].role.state == ROLE_REJOINING &&
		    !W.settle && rnd(40) == 0)
			W.mirror_down_until = W.now + 50 + rnd(300);
	if (!mirrored()) {
		W.sync_at = 0;
	} else if (!W.synced) {
		int src = W.pm[0].solo ? 0 : W.pm[1].solo ? 1 : -1;
		/* equal legs, nobody alone: they find each other again */
		if (src < 0 && W.pm[0].data == W.pm[1].data) {
			W.synced = true;
		} else if (src >= 0 && W.pm[1 - src].agent &&
		    W.pm[1 - src].role.state == ROLE_FOLLOWER) {
			if (W.sync_at == 0)
				W.sync_at = W.now + 100 + rnd(1000);
			else if (W.now >= W.sync_at) {
				W.pm[1 - src].data = W.pm[src].data;
				W.pm[src].solo = false;
				W.synced = true;
				W.sync_at = 0;
			}
		}
	}
	for (i = 0; i < 2; i++) {
		bool in = mirrored() && W.synced && !W.pm[i].solo;

		/* told late: the volume knows before the agent does */
		if (W.pm[i].agent && in != W.pm[i].step_told && rnd(4) == 0) {
			W.pm[i].step_told = in;
			event(i, in ? ROLE_EV_IN_STEP : ROLE_EV_OUT_OF_STEP);
		}
	}
}

static void
check(void)
{
	struct pm *a = &W.pm[0], *b = &W.pm[1];
	int v;

	for (v = 0; v < 2; v++)
		if (a->run[v] && !a->paused && b->run[v] && !b->paused)
			bad("a guest runs on both PMs");
	if (a->solo && b->solo)
		bad("both write alone");
	if (a->disk.mode == ROLE_MODE_ALONE && b->disk.mode == ROLE_MODE_ALONE &&
	    a->disk.gen == b->disk.gen)
		bad("split");
}

static void
tick(void)
{
	struct role_event ev;
	int i;

	W.now += TICK_MS;
	for (i = 0; i < 2; i++) {
		struct pm *p = &W.pm[i];

		if (p->boot_at && W.now >= p->boot_at)
			power_on(i);
		if (p->powered && p->agent_at && W.now >= p->agent_at)
			agent_start(i);
	}
	if (!W.pm[0].cs_seen && !W.pm[1].cs_seen)
		W.ring_broken = false;
	turn_view();
	for (i = 0; i < 2; i++) {
		turn_order(i);
		turn_beat(i);
		turn_signs(i);
		turn_arbiter(i);
		while (W.pm[i].agent && role_timer_due(&W.pm[i].role,
		    W.now * AV_NS_PER_MS, &ev))
			step(i, &ev);
		turn_guests(i);
	}
	turn_mirror();
	check();
}

static void
fault(void)
{
	int i = (int)rnd(2);
	bool b = rnd(2);

	W.n_faults++;
	switch (rnd(14)) {
	case 0:
		if (W.pm[i].powered)
			power_off(i);
		break;
	case 1:
		if (rnd(3) == 0) {
			power_off(0);
			power_off(1);
		}
		break;
	case 2: case 3:
		if (W.pm[i].agent)
			agent_kill(i);
		break;
	case 4: case 5:
		TRACE("cut\n");
		W.cut[0] = W.cut[1] = true;
		break;
	case 6:
		TRACE("cut %d\n", i);
		W.cut[i] = true;
		break;
	case 7: case 8: case 9:
		TRACE("mend\n");
		W.cut[0] = W.cut[1] = false;
		W.pm[0].corosync = W.pm[0].powered;
		W.pm[1].corosync = W.pm[1].powered;
		break;
	case 10: case 11:
		TRACE("mirror server %d dies\n", i);
		W.mirror_down_until = W.now + 50 + rnd(300);
		break;
	case 12:
		TRACE("corosync %d killed\n", i);
		W.pm[i].corosync = false;
		break;
	default:
		W.arb_down = rnd(4) == 0;
		W.pm[i].arb_cut = b;
		W.arb_loss = rnd(3) ? 5 : 40;
		break;
	}
}

static void
world_init(uint64_t seed)
{
	bool trace = W.trace;
	int i, v;

	memset(&W, 0, sizeof(W));
	W.trace = trace;
	W.seed = seed;
	W.rng = seed * 0x9e3779b97f4a7c15ull + 1;
	W.now = 1000;
	W.arb_known = true;
	W.arb.gen = 1;
	W.arb.owner = -1;
	W.synced = true;
	for (i = 0; i < 2; i++) {
		W.pm[i].disk.gen = 1;
		W.pm[i].disk.mode = ROLE_MODE_TOGETHER;
		for (v = 0; v < 2; v++)
			W.pm[i].place[v] = v;
		power_on(i);
	}
}

static bool
settled(void)
{
	return W.pm[0].agent && W.pm[1].agent &&
	    W.pm[0].role.state == ROLE_TOGETHER &&
	    W.pm[1].role.state == ROLE_TOGETHER &&
	    W.pm[0].role.rec.gen == W.pm[1].role.rec.gen;
}

static void
heal(void)
{
	int i;

	W.settle = true;
	W.cut[0] = W.cut[1] = W.arb_down = false;
	W.arb_loss = 0;
	for (i = 0; i < 2; i++) {
		W.pm[i].arb_cut = false;
		if (!W.pm[i].powered)
			power_on(i);
		W.pm[i].corosync = true;
		if (!W.pm[i].agent && !W.pm[i].agent_at)
			W.pm[i].agent_at = W.now + 100;
	}
}

/* One world: bursts of faults, then peace; the unit must come together. */
static int
world_run(uint64_t seed, unsigned n_faults)
{
	unsigned f, k;

	world_init(seed);
	for (k = 0; k < 600; k++)
		tick();
	for (f = 0; f < n_faults && W.bad == NULL; f++) {
		uint64_t wait = rnd(4) ? rnd(1500) : rnd(60);

		if (rnd(12) == 0)
			wait += 4000;
		fault();
		for (; wait >= TICK_MS && W.bad == NULL; wait -= TICK_MS)
			tick();
		if (f % 25 != 24)
			continue;
		heal();
		for (k = 0; k < 4000 && W.bad == NULL && !settled(); k++)
			tick();
		for (k = 0; k < 300 && W.bad == NULL; k++)
			tick();
		if (W.bad == NULL && !settled()) {
			fprintf(stderr, "pm0 %s (%s), pm1 %s (%s)\n",
			    role_state_name(W.pm[0].role.state),
			    W.pm[0].role.reason.text,
			    role_state_name(W.pm[1].role.state),
			    W.pm[1].role.reason.text);
			bad("the unit didn't come together again");
		}
		W.settle = false;
	}
	return W.bad == NULL ? 0 : 1;
}

static unsigned
env(const char *name, unsigned dflt)
{
	const char *s = getenv(name);

	unsigned v;

	return s != NULL && sscanf(s, "%u", &v) == 1 ? v : dflt;
}

TEST(faults_by_the_thousand)
{
	unsigned runs = env("SIM_RUNS", 200), n = env("SIM_FAULTS", 250), s;
	unsigned first = env("SIM_SEED", 1);
	uint64_t faults = 0, grants = 0, takes = 0, thaws = 0, moves = 0,
	    events = 0, adopts = 0, agains = 0;

	W.trace = env("SIM_TRACE", 0) != 0;
	if (getenv("SIM_SEED") != NULL)
		runs = 1;
	for (s = first; s < first + runs; s++) {
		CHECK(world_run(s, n) == 0);
		faults += W.n_faults;
		grants += W.n_grants;
		takes += W.n_takes;
		thaws += W.n_thaws;
		moves += W.n_moves;
		events += W.n_events;
		adopts += W.n_adopts;
		agains += W.n_agains;
	}
	fprintf(stderr, "%llu faults, %llu events, %llu grants, %llu takes, "
	    "%llu together, %llu moves, %llu adopts, %llu agains\n",
	    (unsigned long long)faults, (unsigned long long)events,
	    (unsigned long long)grants, (unsigned long long)takes,
	    (unsigned long long)thaws, (unsigned long long)moves,
	    (unsigned long long)adopts, (unsigned long long)agains);
	/* the world still does what it is for */
	CHECK(runs == 1 || (grants > faults / 50 && takes > faults / 50 &&
	    moves > faults / 50 && thaws > faults / 20 && adopts > 0));
	return 0;
}

TESTS_MAIN(T(faults_by_the_thousand))
