/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/scenario.c - scripts as text, and running them; see sim.h
 *
 *   # what this is about
 *   seed 7				decides all chance; default 1
 *   fresh				both PMs are new
 *   no-arbiter
 *   power-off node1			at once
 *   after 300 power-on node1		300 ms after the line above was done
 *   at 9000 cut node0->node1 link1	9 s after the start
 *   when node0 rejoining mirror-down 200	as soon as it is (or fail)
 *   when node0 rejoining within 2000 blackout	if that comes within 2 s
 *   settle				faults end: all must be well again
 *   expect node0 together
 *
 * The start is two PMs that run together; 'fresh' ones start from nothing.  The
 * verbs are in faults.c, the times are virtual.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define WHEN_MS		60000u

/* --- text in --- */

static int
word_of(const char *words, const char *w)
{
	size_t n = strlen(w);
	int i = 0;

	while (*words != '\0') {
		size_t k = strcspn(words, " ");

		if (k == n && strncmp(words, w, n) == 0)
			return i;
		words += k;
		words += strspn(words, " ");
		i++;
	}
	return -1;
}

#define STATES	"joining together frozen alone rejoining follower stopped " \
	"waiting split"

static bool
number(const char *s, uint64_t *ret)
{
	char *end;

	if (s == NULL || *s < '0' || *s > '9')
		return false;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool
node_of(const char *s, const char *prefix, int *ret)
{
	size_t n = strlen(prefix);

	if (s == NULL || strncmp(s, prefix, n) != 0 || s[n] < '0' ||
	    s[n] > '1' || s[n + 1] != '\0')
		return false;
	*ret = s[n] - '0';
	return true;
}

static bool
arg_read(char kind, const struct verb *v, char **words, struct line *l)
{
	const char *w = *words;
	bool ok = true;

	*words = NULL;
	switch (kind) {
	case 'n':
		return node_of(w, "node", &l->node);
	case 'v':
		return node_of(w, "vm", &l->node);
	case 'd':
		if (w == NULL || strlen(w) != 12 ||
		    strncmp(w + 5, "->node", 6) != 0 || w[4] == w[11])
			return false;
		l->node = w[4] - '0';
		return strncmp(w, "node", 4) == 0 && (w[4] | 1) == '1' &&
		    (w[11] | 1) == '1';
	case 'l':
		return w == NULL || node_of(w, "link", &l->link);
	case 'm':
		return number(w, &l->arg);
	case 'o':
		ok = w == NULL || number(w, &l->arg);
		return ok;
	default:
		l->word = w == NULL ? -1 : word_of(v->words, w);
		return l->word >= 0;
	}
}

/* 'after N', 'at N', 'when NODE STATE [within N]': *at moves behind it. */
static bool
when_read(char **w, size_t n, size_t *at, struct line *l)
{
	int state;

	if (*at + 1 >= n)
		return true;
	if (strcmp(w[0], "after") == 0 || strcmp(w[0], "at") == 0) {
		l->when = w[0][1] == 'f' ? AFTER : AT;
		*at = 2;
		return number(w[1], &l->ms);
	}
	if (strcmp(w[0], "when") != 0)
		return true;
	state = n > 3 ? word_of(STATES, w[2]) : -1;
	if (state < 0 || !node_of(w[1], "node", &l->when_node))
		return false;
	l->when = WHEN;
	l->when_state = (enum role_state)state;
	*at = 3;
	if (n > 5 && strcmp(w[3], "within") == 0) {
		*at = 5;
		return number(w[4], &l->ms);
	}
	return true;
}

static bool
line_read(char *text, struct script *s)
{
	struct line l = { .node = -1, .link = -1 };
	char *w[12] = { 0 }, *save = NULL, *t;
	const struct verb *v;
	size_t n = 0, at = 0, k;

	for (t = strtok_r(text, " \t\r\n", &save); t != NULL && n < 11 &&
	    *t != '#'; t = strtok_r(NULL, " \t\r\n", &save))
		w[n++] = t;
	if (n == 0)
		return true;
	if (n == 2 && strcmp(w[0], "seed") == 0)
		return number(w[1], &s->seed);
	if (n == 1 && strcmp(w[0], "fresh") == 0)
		return s->fresh = true;
	if (n == 1 && strcmp(w[0], "no-arbiter") == 0)
		return s->no_arbiter = true;
	if (!when_read(w, n, &at, &l) || at >= n || s->n == SCRIPT_MAX)
		return false;
	l.verb = sim_verb(w[at]);
	if (l.verb < 0)
		return false;
	v = &sim_verbs[l.verb];
	for (k = 0; v->args[k] != '\0'; k++)
		if (!arg_read(v->args[k], v, &w[++at], &l))
			return false;
	s->v[s->n++] = l;
	return at >= n || w[at + 1] == NULL;
}

int
sim_script_read(FILE *f, const char *name, struct script *s)
{
	char text[512];
	unsigned nr = 0;

	memset(s, 0, sizeof(*s));
	s->seed = 1;
	while (fgets(text, sizeof(text), f) != NULL) {
		nr++;
		if (line_read(text, s))
			continue;
		fprintf(stderr, "%s:%u: not understood\n", name, nr);
		return 1;
	}
	return 0;
}

/* --- text out --- */

static void
word_write(const char *words, int k, FILE *f)
{
	while (k-- > 0) {
		words += strcspn(words, " ");
		words += strspn(words, " ");
	}
	fprintf(f, " %.*s", (int)strcspn(words, " "), words);
}

static void
line_write(const struct line *l, FILE *f)
{
	const struct verb *v = &sim_verbs[l->verb];
	unsigned long long ms = l->ms, arg = l->arg;
	const char *k;

	if (l->when == AFTER || l->when == AT)
		fprintf(f, "%s %llu ", l->when == AT ? "at" : "after", ms);
	if (l->when == WHEN)
		fprintf(f, "when node%d %s ", l->when_node,
		    role_state_name(l->when_state));
	if (l->when == WHEN && l->ms != 0)
		fprintf(f, "within %llu ", ms);
	fputs(v->name, f);
	for (k = v->args; *k != '\0'; k++) {
		if (*k == 'n')
			fprintf(f, " node%d", l->node);
		else if (*k == 'v')
			fprintf(f, " vm%d", l->node);
		else if (*k == 'd')
			fprintf(f, " node%d->node%d", l->node, 1 - l->node);
		else if (*k == 'l' && l->link >= 0)
			fprintf(f, " link%d", l->link);
		else if (*k == 'm' || (*k == 'o' && l->arg != 0))
			fprintf(f, " %llu", arg);
		else if (*k == 'w')
			word_write(v->words, l->word, f);
	}
	fputc('\n', f);
}

void
sim_script_write(const struct script *s, FILE *f)
{
	size_t i;

	fprintf(f, "seed %llu\n", (unsigned long long)s->seed);
	if (s->fresh)
		fputs("fresh\n", f);
	if (s->no_arbiter)
		fputs("no-arbiter\n", f);
	for (i = 0; i < s->n; i++)
		line_write(&s->v[i], f);
}

/* --- running --- */

static bool
is_in(const struct line *l)
{
	const struct pm *p = &W.pm[l->when_node];

	return p->agent && p->role.state == l->when_state;
}

/* False: its time doesn't come. */
static bool
wait_for(const struct line *l, uint64_t start)
{
	uint64_t end = l->when == AFTER ? W.now + l->ms : start + l->ms;

	if (l->when == NOW)
		return true;
	if (l->when == WHEN)
		end = W.now + (l->ms ? l->ms : WHEN_MS);
	while (W.now < end && W.bad == NULL &&
	    !(l->when == WHEN && is_in(l)))
		sim_tick();
	if (l->when != WHEN || is_in(l))
		return true;
	if (l->ms == 0)
		sim_bad("the state that the script waits for never came");
	return false;
}

int
sim_run(const struct script *s)
{
	uint64_t start;
	unsigned k;
	size_t i;

	sim_world_init(s->seed, s->no_arbiter ? ROLE_ARBITER_NONE :
	    ROLE_ARBITER_ETCD, s->fresh);
	for (k = 0; !s->fresh && k < 1000 && W.bad == NULL && !sim_settled();
	    k++)
		sim_tick();
	if (!s->fresh && W.bad == NULL && !sim_settled())
		sim_bad("the unit doesn't start");
	start = W.now;
	for (i = 0; i < s->n && W.bad == NULL; i++) {
		const struct line *l = &s->v[i];

		if (!wait_for(l, start) || W.bad != NULL)
			continue;
		if (W.trace) {
			fprintf(stderr, "%7llu --- ", (unsigned long long)W.now);
			line_write(l, stderr);
		}
		W.stats.faults += sim_verbs[l->verb].fault ? 1 : 0;
		sim_verbs[l->verb].run(l);
	}
	W.stats.runs++;
	return W.bad != NULL;
}
