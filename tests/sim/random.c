/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/random.c - a script of a seed; see sim.h
 *
 * Bursts of faults, then peace.  Some worlds have no arbiter, some start with two
 * new PMs, some have a person who forces takeovers; the others check the promises
 * undiluted.
 */
#include <string.h>

#include "tests/sim/sim.h"

#define BURST	25u

static uint64_t rng;

static uint64_t
rnd(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % n;
}

struct choice {
	const char	*verb;
	unsigned	 weight;
	uint64_t	 min, max;	/* its number */
	int		 words;
	bool		 person;	/* only where takeovers are forced */
};

static const struct choice choices[] = {
	{ "power-off", 6, 0, 0, 0, false },
	{ "power-on", 8, 0, 0, 0, false },
	{ "blackout", 1, 0, 0, 0, false },
	{ "kill-agent", 10, 0, 0, 0, false },
	{ "die-after-effects", 6, 1, 12, 0, false },
	{ "hang-agent", 5, 50, 1500, 0, false },
	{ "hang-agent", 1, 1500, 8000, 0, false },
	{ "hang", 3, 50, 2000, 0, false },
	{ "cut", 6, 0, 0, 0, false },
	{ "cut-both", 11, 0, 0, 0, false },
	{ "mend", 20, 0, 0, 0, false },
	{ "kill-corosync", 4, 0, 0, 0, false },
	{ "start-corosync", 6, 0, 0, 0, false },
	{ "late-membership", 1, 0, 100, 0, false },
	{ "mirror-down", 12, 50, 900, 0, false },
	{ "arbiter", 7, 0, 0, 6, false },
	{ "arbiter", 3, 0, 0, -1, false },	/* up */
	{ "arbiter-cut", 3, 0, 0, 0, false },
	{ "arbiter-reach", 3, 0, 0, 0, false },
	{ "server-down", 2, 0, 1, 0, false },
	{ "server-up", 3, 0, 1, 0, false },
	{ "server-change", 10, 0, 0, 0, false },
	{ "lose-answer", 3, 0, 0, 0, false },
	{ "takeover", 10, 0, 0, 0, true },
	{ "choose", 6, 0, 0, 0, true },
	{ "replace", 1, 0, 0, 0, false },
	{ "leave", 4, 0, 0, 0, false },
	{ "return", 2, 0, 0, 0, false },
};
#define N_CHOICES	(sizeof(choices) / sizeof(choices[0]))

static const struct choice *
choose(bool person)
{
	unsigned all = 0;
	uint64_t at;
	size_t i;

	for (i = 0; i < N_CHOICES; i++)
		all += !choices[i].person || person ? choices[i].weight : 0;
	at = rnd(all);
	for (i = 0; i < N_CHOICES; i++) {
		unsigned w = !choices[i].person || person ?
		    choices[i].weight : 0;

		if (at < w)
			return &choices[i];
		at -= w;
	}
	return &choices[0];
}

static void
moment(struct line *l)
{
	static const enum role_state worst[] = { ROLE_REJOINING, ROLE_FROZEN,
		ROLE_STOPPED, ROLE_FOLLOWER, ROLE_ALONE, ROLE_JOINING };

	l->when = AFTER;
	l->ms = rnd(4) ? rnd(1500) : rnd(60);
	if (rnd(12) == 0)
		l->ms += 4000;
	if (rnd(6) != 0)
		return;
	l->when = WHEN;
	l->when_node = (int)rnd(2);
	l->when_state = worst[rnd(sizeof(worst) / sizeof(worst[0]))];
	l->ms = 1 + rnd(4000);
}

static struct line *
add(struct script *s, const char *verb)
{
	struct line *l = &s->v[s->n < SCRIPT_MAX ? s->n++ : SCRIPT_MAX - 1];

	*l = (struct line){ .verb = sim_verb(verb), .link = -1 };
	return l;
}

/* Both sides are forced, out of sight of each other and maybe of the arbiter. */
static void
split(struct script *s)
{
	struct line *l;

	add(s, "cut-both");
	if (rnd(2))
		add(s, "arbiter")->word = 0;
	l = add(s, "takeover");
	l->node = (int)rnd(2);
	l->when = AFTER;
	l->ms = 1000 + rnd(4000);
	add(s, "takeover")->node = 1 - l->node;
	l = add(s, "mend");
	l->when = AFTER;
	l->ms = 1500 + rnd(2000);
	if (rnd(2) == 0)
		return;
	l = add(s, "choose");
	l->node = (int)rnd(2);
	l->when = WHEN;
	l->when_node = (int)rnd(2);
	l->when_state = ROLE_SPLIT;
	l->ms = 3000;
}

static void
fault_one(struct script *s, bool person)
{
	const struct choice *c = choose(person);
	struct line *l = add(s, c->verb);

	l->node = (int)rnd(2);
	l->link = rnd(5) == 0 ? (int)rnd(LINKS) : -1;
	l->arg = c->max ? c->min + rnd(c->max - c->min + 1) : 0;
	l->word = c->words > 0 ? (int)rnd((uint64_t)c->words) : -c->words;
	moment(l);
}

static void
fault(struct script *s, bool person)
{
	if (person && rnd(25) == 0)
		split(s);
	fault_one(s, person);
}

void
sim_random_script(uint64_t seed, unsigned n_faults, struct script *s)
{
	unsigned f, kind;
	bool person;

	memset(s, 0, sizeof(*s));
	rng = (seed + 77) * 0xd1342543de82ef95ull | 1;
	(void)rnd(2);
	s->seed = seed;
	kind = (unsigned)rnd(100);
	s->no_arbiter = kind < 10;
	s->fresh = rnd(20) == 0;
	person = kind < 30;
	if (s->fresh && rnd(2))
		add(s, "settle");
	for (f = 0; f < n_faults; f++) {
		fault(s, person);
		if (f % BURST != BURST - 1)
			continue;
		add(s, "settle");
		if (rnd(3) == 0)
			add(s, "move")->node = (int)rnd(2);
		if (rnd(3) == 0)
			add(s, "plain-death")->node = (int)rnd(2);
		else if (rnd(3) == 0)
			add(s, "leave")->node = (int)rnd(2);
	}
	add(s, "settle");
}
