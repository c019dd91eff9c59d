/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/shrink.c - makes a failing script short; see sim.h
 *
 * Leaves out lines, many at once and then fewer, as long as the rest fails in the
 * same way; then tries simpler lines: no wait, half the wait.
 */
#include <string.h>

#include "tests/sim/sim.h"

#define RUNS_MAX	1500u

static struct script attempt;
static const char *how;		/* it fails */
static unsigned runs;

static bool
still_fails(void)
{
	runs++;
	return sim_run(&attempt) != 0 && strcmp(W.bad, how) == 0;
}

static bool
without(struct script *s, size_t from, size_t n)
{
	attempt = *s;
	memmove(&attempt.v[from], &attempt.v[from + n],
	    (s->n - from - n) * sizeof(attempt.v[0]));
	attempt.n -= n;
	if (!still_fails())
		return false;
	*s = attempt;
	return true;
}

static bool
leave_out(struct script *s)
{
	size_t n, at;
	bool any = false;

	for (n = s->n / 2; n > 0; n /= 2)
		for (at = 0; at + n <= s->n && runs < RUNS_MAX;)
			if (without(s, at, n))
				any = true;
			else
				at += n;
	return any;
}

static bool
simplify(struct script *s, size_t i)
{
	struct line l = s->v[i];
	unsigned k;

	for (k = 0; k < 3; k++) {
		attempt = *s;
		if (k == 0 && l.when != NOW)
			attempt.v[i].when = NOW;
		else if (k == 1 && l.when == AFTER && l.ms > 10)
			attempt.v[i].ms = l.ms / 2 / 10 * 10;
		else if (k == 2 && l.arg > 20)
			attempt.v[i].arg = l.arg / 2;
		else
			continue;
		if (still_fails()) {
			*s = attempt;
			return true;
		}
	}
	return false;
}

unsigned
sim_shrink(struct script *s)
{
	struct stats stats = W.stats;
	bool more = true;
	size_t i;

	runs = 0;
	attempt = *s;
	if (!sim_run(s))
		return 0;	/* not the world's last script */
	how = W.bad;
	while (more && runs < RUNS_MAX) {
		more = leave_out(s);
		for (i = 0; i < s->n && runs < RUNS_MAX; i++)
			while (runs < RUNS_MAX && simplify(s, i))
				more = true;
	}
	(void)sim_run(s);
	W.stats = stats;
	return runs;
}
