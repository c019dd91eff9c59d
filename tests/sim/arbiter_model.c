/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/arbiter_model.c - the quorum server; see sim.h
 *
 * Its compare-and-set is always right.  What goes wrong: it is down or out of one
 * PM's reach, slow, the request or the answer is lost (it may take effect long after
 * its sender gave up), a read shows the record of before, an answer is garbage.
 */
#include "tests/sim/sim.h"

/*
 * An agent that dies forgets that it asked.  Its request takes effect soon or
 * never: later than the PMs need to come together again it would make the other
 * one stand down at its next claim (docs/DESIGN.md, 5, "not survived yet").
 */
#define ORPHAN_MS	300u

enum { FINE, NO_CONNECTION, LOST_ANSWER, LOST_REQUEST, GARBAGE };

static void
change(struct server *s, const struct role_move *m, bool seed)
{
	uint64_t gen = m->to_gen;

	if (gen == 0)		/* a takeover: what it has, and one more */
		gen = s->known && s->rec.gen + 1 > m->least_gen ?
		    s->rec.gen + 1 : m->least_gen;
	if (s->known && (seed ? gen < s->rec.gen : gen <= s->rec.gen))
		sim_bad("arbiter's generation goes back");
	s->before = s->rec;
	s->rec = (struct arbiter_record){ gen, m->to_owner };
	s->known = true;
	if (m->to_owner < 0 || seed)
		return;
	if (s->granted[gen % GENS] != 0)
		sim_bad("two grants of one generation");
	s->granted[gen % GENS] = m->to_owner + 1;
	W.forced[gen % GENS] = m->to_gen == 0;
}

/* As arbiter_etcd.c: read, judge, compare-and-set.  1 done, 0 refused, -1 no. */
static int
judge(int i, struct server *s, const struct role_move *m, bool seed,
    struct arbiter_record *seen)
{
	bool stale = W.arb_stale && s->known;
	char text[200];
	int v;

	*seen = stale ? s->before : s->rec;
	W.arb_stale = false;
	v = arbiter_judge(m, i, s->known ? seen : NULL, text, sizeof(text));
	if (v != 2)
		return v;
	if (stale && (seen->gen != s->rec.gen || seen->owner != s->rec.owner))
		return -1;	/* compared with what is there: not equal */
	change(s, m, seed);
	*seen = s->rec;
	return 1;
}

/* True: it is written, or stands there already. */
bool
sim_seed(int i, int server, const struct role_move *m)
{
	struct arbiter_record seen;

	return judge(i, &W.server[server], m, true, &seen) == 1;
}

void
sim_ask(int i, const struct role_move *m)
{
	struct question *q = &W.pm[i].q;
	uint64_t slow = W.arb_slow_ms;

	if (q->asked)
		sim_bad("two questions at once");
	*q = (struct question){ .asked = true, .move = *m, .effect_due = true,
		.server = sim_server_asked(i) };
	q->effect_at = W.now + 10 + sim_rnd(60) + (slow ? sim_rnd(slow) : 0);
	q->answer_at = q->effect_at + 10 + sim_rnd(60) +
	    (slow ? sim_rnd(slow) : 0);
	if (W.arb_takes_ms)
		q->answer_at = q->effect_at + W.arb_takes_ms;
	if (W.arb_down || W.pm[i].arb_cut || q->server < 0 ||
	    W.server[q->server].down)
		q->fate = NO_CONNECTION;
	else if (W.arb_garbage)
		q->fate = GARBAGE;
	else if (sim_rnd(100) < W.arb_loss)
		q->fate = sim_rnd(2) ? LOST_ANSWER : LOST_REQUEST;
	else if (q->answer_at > W.now + TIMING_ARBITER_MS)
		q->fate = LOST_ANSWER;	/* later than anybody waits */
	if (q->fate == NO_CONNECTION || q->fate == GARBAGE)
		q->effect_due = false;
	if (q->fate == LOST_REQUEST) {	/* late, or never */
		q->effect_due = false;
		if (sim_rnd(2)) {
			W.pm[i].stray = true;
			W.pm[i].stray_move = *m;
			W.pm[i].stray_server = q->server;
			W.pm[i].stray_at = W.now + sim_rnd(4000);
		}
	}
	if (q->fate == LOST_ANSWER || q->fate == LOST_REQUEST)
		q->answer_at = W.now + TIMING_ARBITER_MS;
}

void
sim_ask_dropped(int i)
{
	struct pm *p = &W.pm[i];

	if (p->q.asked && p->q.effect_due && !p->stray) {
		p->stray = true;	/* the request is on its way */
		p->stray_move = p->q.move;
		p->stray_server = p->q.server;
		p->stray_at = W.now + sim_rnd(ORPHAN_MS);
	}
	if (p->stray && p->stray_at > W.now + ORPHAN_MS)
		p->stray_at = W.now + ORPHAN_MS;
	p->q.asked = false;
}

void
sim_turn_arbiter(int i)
{
	struct question *q = &W.pm[i].q;
	struct role_event ev = { .type = ROLE_EV_NO_ANSWER };
	struct arbiter_record seen;

	if (W.pm[i].stray && W.now >= W.pm[i].stray_at) {
		W.pm[i].stray = false;
		if (!W.arb_down)
			(void)judge(i, &W.server[W.pm[i].stray_server],
			    &W.pm[i].stray_move, false, &seen);
	}
	if (!q->asked)
		return;
	if (q->effect_due && W.now >= q->effect_at) {
		q->effect_due = false;
		q->judged = true;
		q->verdict = judge(i, &W.server[q->server], &q->move, false,
		    &q->seen);
	}
	if (W.now < q->answer_at || !sim_agent_works(i))
		return;
	q->asked = false;
	ev.maybe = q->fate == LOST_ANSWER || q->fate == LOST_REQUEST;
	if (q->fate == FINE && q->judged && q->verdict >= 0) {
		ev.type = q->verdict ? ROLE_EV_GRANTED : ROLE_EV_REFUSED;
		ev.gen = q->seen.gen;
		ev.owner = q->seen.owner;
		W.stats.grants += q->verdict ? 1 : 0;
		if (q->verdict == 0 && ev.owner == 1 - i)
			W.pm[i].refused_gen = ev.gen;
	}
	sim_step(i, &ev);
}
