/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_identity_walk.c - every pair of legs that can come about
 *
 * Walks all sequences of events from two new legs: orders to either side (also
 * those of an owner who errs: both alone), writes that both, one or neither
 * leg has got when something breaks, a lost peer and a crash after each durable
 * step of handshake, resync and change of sides, a disk replaced.  States that
 * differ by the names of random numbers alone are one state.
 *
 * What is right is said a second time here, without identities:
 *   - a chunk's content is the set of writes in it.  Kept are the writes that
 *     only one leg has: 'un' (never acknowledged) and 'ack';
 *   - a time alone is an era.  'era' says that this leg has one that the other
 *     hasn't.  Sets of eras compared say who is newer; both more = split.
 *
 *	WALK_DEPTH=n tests/unit/mirror/test_identity_walk
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "mirror/replica/identity.h"
#include "tests/test.h"

#ifdef __SANITIZE_ADDRESS__
#define DEPTH_DEFAULT	11
#else
#define DEPTH_DEFAULT	13
#endif
#define STATES_MAX	(1u << 23)
#define CHUNKS		2u
#define ALL		((1u << CHUNKS) - 1)
#define NAME		0xffffffff0000ull
#define LOW		0xfffeull

struct half {
	struct identity	id;
	bool		uptodate;
	bool		alone;		/* primary: writes go to this leg alone */
	bool		era;
	bool		failed;		/* its disk, until the server restarts */
	unsigned	bits, un, ack;	/* chunks */
};

enum link { NO_LINK = 0, IN_STEP, COPYING, DISKLESS };

struct state {
	struct half	h[2];
	enum link	link;
	unsigned	oos;		/* COPYING: still to be copied */
	bool		served;		/* the other leg was recorded as the only
					 * good one, no grant since */
};

/* --- states: names of numbers, packing, the set of those seen --- */

struct packed {
	uint8_t b[28];
};

static struct packed *seen_list;
static uint32_t *seen_table;		/* index + 1 */
static uint32_t n_seen;

/* Groups of numbers that come from one by adding: their distances are kept. */
static void
rename_numbers(struct state *s, unsigned *ret_n)
{
	uint64_t *at[8], name[8], min_high[8], min_low[8];
	unsigned i, k, n = 0, group[8];

	for (i = 0; i < 2; i++) {
		at[i * 4] = &s->h[i].id.current;
		at[i * 4 + 1] = &s->h[i].id.bitmap;
		at[i * 4 + 2] = &s->h[i].id.h0;
		at[i * 4 + 3] = &s->h[i].id.h1;
	}
	for (i = 0; i < 8; i++) {
		uint64_t high = *at[i] >> 48, low = *at[i] & LOW;

		if (*at[i] <= IDENTITY_JUST_CREATED)
			continue;
		for (k = 0; k < n && name[k] != (*at[i] & NAME); k++)
			;
		if (k == n) {
			name[n++] = *at[i] & NAME;
			min_high[k] = high;
			min_low[k] = low;
		}
		min_high[k] = high < min_high[k] ? high : min_high[k];
		min_low[k] = low < min_low[k] ? low : min_low[k];
		group[i] = k;
	}
	for (i = 0; i < 8; i++)
		if (*at[i] > IDENTITY_JUST_CREATED)
			*at[i] = (uint64_t)(group[i] + 1) << 16 |
			    (*at[i] & 1) |
			    ((*at[i] & LOW) - min_low[group[i]]) |
			    ((*at[i] >> 48) - min_high[group[i]]) << 48;
	*ret_n = n;
}

static uint64_t
fresh_number(struct state *s)
{
	unsigned n;

	rename_numbers(s, &n);
	return (uint64_t)(n + 1) << 16;
}

static unsigned
pack_number(uint64_t v)
{
	if (v <= IDENTITY_JUST_CREATED)
		return (unsigned)v;
	if (v >> 48 > 63 || (v & LOW) > 30)
		abort();	/* a deeper walk needs more room */
	return (unsigned)(2 | (v & 1) | (v >> 16 & 0xf) << 2 |
	    (v & LOW) >> 1 << 6 | (v >> 48) << 10);
}

static uint64_t
unpack_number(unsigned p)
{
	if (!(p & 2))
		return p;
	return (uint64_t)(p >> 2 & 0xf) << 16 | (p & 1) |
	    (p >> 6 & 0xf) << 1 | (uint64_t)(p >> 10) << 48;
}

static void
pack(const struct state *s, struct packed *ret)
{
	uint8_t *b = ret->b;
	unsigned i, k;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < 2; i++) {
		const struct half *h = &s->h[i];
		const uint64_t v[] = { h->id.current, h->id.bitmap, h->id.h0,
			h->id.h1 };

		for (k = 0; k < 4; k++) {
			unsigned p = pack_number(v[k]);

			*b++ = (uint8_t)p;
			*b++ = (uint8_t)(p >> 8);
		}
		*b++ = (uint8_t)(h->id.crashed_primary | h->id.primary << 1 |
		    h->id.inconsistent << 2 | h->uptodate << 3 |
		    h->alone << 4 | h->era << 5 | h->failed << 6);
		*b++ = (uint8_t)(h->bits | h->un << 2 | h->ack << 4);
	}
	*b++ = (uint8_t)(s->link | s->served << 4);
	*b = (uint8_t)s->oos;
}

static void
unpack(const struct packed *p, struct state *s)
{
	const uint8_t *b = p->b;
	unsigned i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < 2; i++, b += 10) {
		struct half *h = &s->h[i];

		h->id.current = unpack_number(b[0] | (unsigned)b[1] << 8);
		h->id.bitmap = unpack_number(b[2] | (unsigned)b[3] << 8);
		h->id.h0 = unpack_number(b[4] | (unsigned)b[5] << 8);
		h->id.h1 = unpack_number(b[6] | (unsigned)b[7] << 8);
		h->id.crashed_primary = b[8] & 1;
		h->id.primary = b[8] & 2;
		h->id.inconsistent = b[8] & 4;
		h->id.tie_break = i == 0;
		h->uptodate = b[8] & 8;
		h->alone = b[8] & 16;
		h->era = b[8] & 32;
		h->failed = b[8] & 64;
		h->bits = b[9] & 3u;
		h->un = b[9] >> 2 & 3u;
		h->ack = b[9] >> 4 & 3u;
	}
	s->link = (enum link)(b[0] & 15);
	s->served = b[0] & 16;
	s->oos = b[1];
}

/* False: was there already. */
static bool
remember(struct state *s)
{
	struct packed p;
	uint64_t hash = 1469598103934665603ull;
	unsigned n;
	size_t i, at;

	rename_numbers(s, &n);
	pack(s, &p);
	for (i = 0; i < sizeof(p.b); i++)
		hash = (hash ^ p.b[i]) * 1099511628211ull;
	at = (size_t)(hash ^ hash >> 29) % (2 * STATES_MAX);
	for (; seen_table[at] != 0; at = (at + 1) % (2 * STATES_MAX))
		if (memcmp(&seen_list[seen_table[at] - 1], &p,
		    sizeof(p)) == 0)
			return false;
	if (n_seen == STATES_MAX)
		abort();
	seen_list[n_seen++] = p;
	seen_table[at] = n_seen;
	return true;
}

static void
show(const struct state *s, const char *what)
{
	unsigned i;

	fprintf(stderr, "%s: link %d oos %x\n", what, (int)s->link, s->oos);
	for (i = 0; i < 2; i++) {
		const struct half *h = &s->h[i];

		fprintf(stderr, "  C %llx B %llx H %llx %llx%s%s%s%s%s%s "
		    "%s bits %x un %x ack %x\n",
		    (unsigned long long)h->id.current,
		    (unsigned long long)h->id.bitmap,
		    (unsigned long long)h->id.h0,
		    (unsigned long long)h->id.h1,
		    h->id.primary ? " primary" : "",
		    h->id.crashed_primary ? " crashed" : "",
		    h->id.inconsistent ? " unfinished" : "",
		    h->uptodate ? "" : " old", h->alone ? " alone" : "",
		    h->era ? " era" : "", h->failed ? " failed" : "", h->bits, h->un, h->ack);
	}
}

/* --- the rules, said a second time --- */

enum answer { SAME_DATA, FIRST, SECOND, PARTED, NOBODY };

static enum answer
truth(const struct state *s)
{
	const struct half *a = &s->h[0], *b = &s->h[1];

	if (a->id.inconsistent || b->id.inconsistent)
		return a->id.inconsistent && b->id.inconsistent ? NOBODY :
		    a->id.inconsistent ? SECOND : FIRST;
	if (a->era && b->era)
		return PARTED;
	return a->era ? FIRST : b->era ? SECOND : SAME_DATA;
}

/* NULL, or what is wrong with the verdict. */
static const char *
judge(const struct state *s, enum verdict v)
{
	const struct half *a = &s->h[0], *b = &s->h[1];
	bool copied = v == VERDICT_NONE || v == VERDICT_SOURCE ||
	    v == VERDICT_TARGET;
	int src = v == VERDICT_SOURCE || v == VERDICT_SOURCE_FULL ? 0 :
	    v == VERDICT_TARGET || v == VERDICT_TARGET_FULL ? 1 : -1;

	if ((a->ack != 0 && !a->era) || (b->ack != 0 && !b->era))
		return "acknowledged on one leg without a time alone";
	if (src >= 0 && s->h[src].id.inconsistent)
		return "an unfinished leg is the source";
	if (src >= 0 && s->h[1 - src].ack != 0)
		return "acknowledged data would be rolled back";
	if (v == VERDICT_NONE && (a->ack != 0 || b->ack != 0))
		return "in step, with data that one leg hasn't";
	if (copied && ((a->un | a->ack | b->un | b->ack) &
	    ~(a->bits | b->bits)) != 0)
		return "the bits don't cover what differs";
	switch (truth(s)) {
	case SAME_DATA:
		if (a->id.primary && b->id.primary)
			break;		/* they refuse each other anyway */
		if (!copied)
			return "same data, but not in step";
		if ((a->id.primary && src == 1) ||
		    (b->id.primary && src == 0))
			return "same data, but the primary isn't the source";
		break;
	case FIRST:
	case SECOND:
		if (src != (truth(s) == FIRST ? 0 : 1))
			return "the newer leg isn't the source";
		break;
	case PARTED:
		if (v != VERDICT_SPLIT)
			return "a split isn't called split";
		break;
	case NOBODY:
		if (v != VERDICT_NO_SOURCE)
			return "nobody can be the source";
		break;
	}
	return NULL;
}

/* --- events: what the servers do, durable step by durable step --- */

/* Why the last event broke a promise; NULL = it didn't. */
static const char *broken;

static void
lose(struct state *s)
{
	s->link = NO_LINK;
	s->oos = 0;
}

static bool
ev_primary(struct state *s, unsigned i, unsigned alone)
{
	struct half *h = &s->h[i];

	if (h->id.primary || h->id.inconsistent || !h->uptodate || h->failed)
		return false;
	lose(s);
	s->served = s->served && !alone;
	h->id.primary = true;
	h->alone = alone;
	if (alone) {
		(void)identity_go_alone(&h->id, fresh_number(s));
		h->era = true;
	}
	return true;
}

static bool
ev_alone(struct state *s, unsigned i, unsigned arg)
{
	struct half *h = &s->h[i];

	(void)arg;
	if (!h->id.primary || h->alone || h->failed)
		return false;
	lose(s);
	s->served = false;
	h->alone = true;
	(void)identity_go_alone(&h->id, fresh_number(s));
	h->era = true;
	return true;
}

/* arg 1: in step, but cut off before the bits were taken away */
static bool
ev_secondary(struct state *s, unsigned i, unsigned arg)
{
	struct half *h = &s->h[i];

	if (!h->id.primary)
		return false;
	if (s->link == IN_STEP && arg == 0)
		h->bits = 0;
	else if (arg == 1 && s->link != IN_STEP)
		return false;
	lose(s);
	/* a failed disk may not take the record */
	h->id.crashed_primary = h->failed;
	h->id.primary = h->alone = false;
	return true;
}

static bool
ev_outdate(struct state *s, unsigned i, unsigned arg)
{
	(void)arg;
	if (s->h[i].id.primary || !s->h[i].uptodate)
		return false;
	lose(s);
	s->h[i].uptodate = false;
	return true;
}

static bool
ev_crash(struct state *s, unsigned i, unsigned arg)
{
	struct half *h = &s->h[i];

	(void)arg;
	if (!h->id.primary && !h->failed)
		return false;	/* of a secondary: the same as a lost link */
	lose(s);
	s->served = s->served && !h->failed;
	h->failed = false;	/* its old content is there again */
	if (!h->id.primary)
		return true;
	h->id.primary = h->alone = false;
	h->id.crashed_primary = true;
	return true;
}

static bool
ev_lost(struct state *s, unsigned i, unsigned arg)
{
	if (s->link == NO_LINK || i + arg > 0)
		return false;
	lose(s);
	return true;
}

/* An empty leg takes the place of a lost one. */
static bool
ev_replace(struct state *s, unsigned i, unsigned arg)
{
	struct half *h = &s->h[i], *o = &s->h[1 - i];

	(void)arg;
	if (h->id.primary || o->id.inconsistent)
		return false;	/* nothing is left to be right about */
	lose(s);
	s->served = false;
	*h = (struct half){ .id = { .current = IDENTITY_JUST_CREATED,
		.inconsistent = true, .tie_break = i == 0 } };
	o->ack = ALL;		/* it alone has anything */
	o->un = 0;
	o->era = true;
	return true;
}

/* What the source and its peer record; 'cut' = the connection breaks after so
 * many of the steps. */
static void
start_copying(struct state *s, unsigned i, bool full, bool undo, unsigned cut)
{
	struct half *src = &s->h[i], *dst = &s->h[1 - i];

	src->bits = full ? ALL : src->bits | dst->bits;
	if (cut == 0)
		return;
	if (undo)
		identity_source_undo_start(&src->id);
	identity_source_start(&src->id, fresh_number(s));
	if (cut == 1)
		return;
	if (dst->ack != 0)
		broken = "acknowledged data is rolled back";
	identity_target_start(&dst->id, &src->id);
	dst->id.inconsistent = true;
	dst->uptodate = false;
	dst->era = false;
	src->era = true;
	if (cut == 2)
		return;
	s->link = COPYING;
	s->oos = src->bits;
	src->alone = false;
}

static void
target_in_step(struct state *s, unsigned i)
{
	struct half *dst = &s->h[1 - i];

	dst->id.inconsistent = dst->id.crashed_primary = false;
	dst->uptodate = true;
	dst->era = s->h[i].era = false;
	if ((s->h[0].un | s->h[0].ack | s->h[1].un | s->h[1].ack) != 0)
		broken = "called in step, but the legs differ";
}

static void
start_in_step(struct state *s, unsigned i, unsigned cut)
{
	target_in_step(s, i);
	if (cut < 2)
		return;
	s->h[1 - i].bits = 0;
	s->h[i].id.crashed_primary = false;
	if (cut == 2)
		return;
	s->link = IN_STEP;
	s->h[i].alone = false;
}

/* The peer's durable step; see diskless_record(). */
static void
record_diskless(struct state *s, unsigned i)
{
	struct half *h = &s->h[i], *p = &s->h[1 - i];

	if (h->ack != 0)
		broken = "a leg without all acknowledged data takes over";
	p->bits = ALL;
	if (identity_go_diskless(&p->id, &h->id, fresh_number(s)))
		p->era = true;
	s->served = true;
}

/* arg & 3: heard, and recorded here; heard; not heard; held, no order yet.
 * arg & 4: a write reached the failing leg alone. */
static bool
ev_diskless(struct state *s, unsigned i, unsigned arg)
{
	struct half *h = &s->h[i];
	unsigned how = arg & 3;

	if (!h->id.primary || s->link != IN_STEP)
		return false;
	if (arg & 4)
		h->un |= 1;
	h->bits |= arg & 4 ? 1 : 0;
	h->failed = true;
	if (how < 3)
		record_diskless(s, i);
	s->link = DISKLESS;
	if (how == 0)
		h->uptodate = false;
	if (how >= 2)
		lose(s);
	return true;
}

/* diskless_judge(), then the record. */
static bool
shake_diskless(struct state *s, unsigned i, unsigned cut)
{
	struct half *h = &s->h[i], *p = &s->h[1 - i];
	enum verdict v;
	int rule;

	v = identity_decide(&h->id, &p->id, &rule);
	if (!p->uptodate || p->id.inconsistent || cut > 1)
		return false;
	if (!s->served && (v != VERDICT_NONE || h->bits != 0 || p->bits != 0))
		return false;
	record_diskless(s, i);
	if (cut == 1)
		s->link = DISKLESS;
	return true;
}

static bool
ev_shake(struct state *s, unsigned i, unsigned cut)
{
	struct half *h = &s->h[i], *p = &s->h[1 - i];
	enum verdict v;
	int rule;

	if (!h->id.primary || p->id.primary || s->link != NO_LINK ||
	    p->failed)
		return false;
	if (h->failed)
		return shake_diskless(s, i, cut);
	v = identity_decide(&h->id, &p->id, &rule);
	if (v == VERDICT_NONE && h->bits == 0 && p->bits == 0)
		start_in_step(s, i, cut);
	else if (v == VERDICT_NONE || v == VERDICT_SOURCE ||
	    v == VERDICT_SOURCE_FULL)
		start_copying(s, i, v == VERDICT_SOURCE_FULL, rule == 71,
		    cut);
	else
		return false;	/* nothing is done */
	return true;
}

static bool
ev_copy(struct state *s, unsigned c, unsigned arg)
{
	unsigned i, bit = 1u << c;

	(void)arg;
	if (s->link != COPYING || !(s->oos & bit))
		return false;
	s->oos &= ~bit;
	for (i = 0; i < 2; i++) {
		s->h[i].un &= ~bit;
		s->h[i].ack &= ~bit;
	}
	return true;
}

static bool
ev_end(struct state *s, unsigned i, unsigned cut)
{
	struct half *src = &s->h[i], *dst = &s->h[1 - i];

	if (s->link != COPYING || !src->id.primary || s->oos != 0)
		return false;
	identity_target_finish(&dst->id, &src->id);
	target_in_step(s, i);
	if (cut > 0)
		dst->bits = 0;
	if (cut < 2) {
		lose(s);
		return true;
	}
	identity_source_finish(&src->id);
	src->id.crashed_primary = false;
	if (cut == 2)
		lose(s);
	else
		s->link = IN_STEP;
	return true;
}

static bool
ev_clean(struct state *s, unsigned i, unsigned arg)
{
	unsigned old = s->h[i].bits;

	(void)arg;
	if (s->link == NO_LINK || s->link == DISKLESS ||
	    !s->h[i].id.primary)
		return false;
	s->h[i].bits &= s->oos;
	return s->h[i].bits != old;
}

/* arg: chunk, and how far it comes: on both legs, on the first alone, on the
 * second alone */
static bool
ev_write(struct state *s, unsigned i, unsigned arg)
{
	struct half *h = &s->h[i], *p = &s->h[1 - i];
	unsigned bit = 1u << arg % CHUNKS, how = arg / CHUNKS;

	if (!h->id.primary || (s->link == NO_LINK && !h->alone))
		return false;
	if (s->link == DISKLESS) {
		if (how == 0)
			p->ack |= bit;
		else
			p->un |= bit;
		if (how == 2)
			lose(s);
		return true;
	}
	h->bits |= bit;
	if (s->link == NO_LINK) {
		if (how == 0)
			h->ack |= bit;
		else if (how == 1)
			h->un |= bit;	/* and a crash comes next, or not */
		return how < 2;
	}
	if (how == 0)
		return true;
	if (how == 1)
		h->un |= bit;
	else
		p->un |= bit;
	lose(s);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(struct state *s, unsigned i, unsigned arg);
	unsigned n_args;
} events[] = {
	{ "primary", ev_primary, 2 },
	{ "alone", ev_alone, 1 },
	{ "secondary", ev_secondary, 2 },
	{ "outdate", ev_outdate, 1 },
	{ "crash", ev_crash, 1 },
	{ "peer lost", ev_lost, 1 },
	{ "disk replaced", ev_replace, 1 },
	{ "handshake", ev_shake, 4 },
	{ "copy", ev_copy, 1 },
	{ "resync's end", ev_end, 4 },
	{ "clean", ev_clean, 1 },
	{ "disk failed", ev_diskless, 8 },
	{ "write", ev_write, 3 * CHUNKS },
};
#define N_EVENTS	(sizeof(events) / sizeof(events[0]))

/* --- the walk --- */

static uint32_t *from;		/* the state before, for the story */
static uint16_t *by;

static void
tell(uint32_t at)
{
	struct state s;
	char text[64];

	if (from[at] != UINT32_MAX)
		tell(from[at]);
	unpack(&seen_list[at], &s);
	(void)snprintf(text, sizeof(text), "%s %u,%u",
	    from[at] == UINT32_MAX ? "start" : events[by[at] >> 8].name,
	    by[at] >> 4 & 0xfu, by[at] & 0xfu);
	show(&s, text);
}

/* The verdict on a pair is right, and both sides come to it. */
static int
check(uint32_t at)
{
	struct state s;
	enum verdict v, w;
	const char *why;
	int rule, rule2;

	unpack(&seen_list[at], &s);
	if (s.link != NO_LINK)
		return 0;	/* nobody asks */
	v = identity_decide(&s.h[0].id, &s.h[1].id, &rule);
	w = identity_decide(&s.h[1].id, &s.h[0].id, &rule2);
	why = v != verdict_mirrored(w) ? "no mirror image" : judge(&s, v);
	if (why == NULL)
		return 0;
	tell(at);
	fprintf(stderr, "%s: %s by rule %d\n", why, verdict_name(v), rule);
	return 1;
}

static int
step(uint32_t at, uint64_t *n_steps)
{
	struct state old, s;
	size_t e;
	unsigned i, arg;

	unpack(&seen_list[at], &old);
	for (e = 0; e < N_EVENTS; e++)
		for (i = 0; i < 2; i++)
			for (arg = 0; arg < events[e].n_args; arg++) {
				s = old;
				broken = NULL;
				if (!events[e].run(&s, i, arg))
					continue;
				++*n_steps;
				if (broken != NULL) {
					tell(at);
					show(&s, events[e].name);
					fprintf(stderr, "%s\n", broken);
					return 1;
				}
				if (!remember(&s))
					continue;
				from[n_seen - 1] = at;
				by[n_seen - 1] = (uint16_t)(e << 8 | i << 4 |
				    arg);
			}
	return 0;
}

TEST(every_reachable_pair_is_judged_right)
{
	const char *text = getenv("WALK_DEPTH");
	unsigned depth = DEPTH_DEFAULT, d;
	uint64_t wanted, n_steps = 0;
	struct state s = { 0 };
	uint32_t at = 0, end;
	int bad = 0;

	seen_list = calloc(STATES_MAX, sizeof(*seen_list));
	seen_table = calloc(2 * STATES_MAX, sizeof(*seen_table));
	from = calloc(STATES_MAX, sizeof(*from));
	by = calloc(STATES_MAX, sizeof(*by));
	if (text != NULL && av_parse_u64(text, &wanted) == 0 && wanted < 99)
		depth = (unsigned)wanted;
	CHECK(seen_list != NULL && seen_table != NULL && from != NULL &&
	    by != NULL);
	s.h[0] = s.h[1] = (struct half){ .id.current = 0x10000,
		.uptodate = true };
	from[0] = UINT32_MAX;
	CHECK(remember(&s));
	for (d = 0; d <= depth && at < n_seen && !bad; d++) {
		for (end = n_seen; at < end && !bad; at++) {
			bad = check(at);
			if (!bad && d < depth)
				bad = step(at, &n_steps);
		}
		fprintf(stderr, "depth %u: %u states, %llu steps\n", d, at,
		    (unsigned long long)n_steps);
	}
	free(seen_list), free(seen_table), free(from), free(by);
	CHECK(!bad);
	return 0;
}

TESTS_MAIN(
	T(every_reachable_pair_is_judged_right),
)
