/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/identity.c - the handshake table and the transitions
 */
#include "mirror/replica/identity.h"

#include "base/str.h"

#define SAME(a, b)	(((a) & ~1ull) == ((b) & ~1ull))
#define ALONE_FIELD	0xfffeull	/* counts in IDENTITY_ALONE_STEP */
/* ... and what was made of it by adding IDENTITY_NEW_BASE or _ALONE_STEP */
#define NAME(a)		((a) & (IDENTITY_NEW_BASE - 0x10000))
#define SAME_NAME(a, b)	\
	(SAME(a, b) || (NAME(a) != 0 && NAME(a) == NAME(b)))
#define IS_SET(a)	(((a) & ~1ull) != 0)

typedef const struct identity *idp;

static bool
fresh(idp a)
{
	return SAME(a->current, IDENTITY_JUST_CREATED) || !IS_SET(a->current);
}

static bool
copying(idp a)
{
	return IS_SET(a->bitmap) && (a->bitmap & IDENTITY_COPYING);
}

static bool
both_created(idp s, idp p)
{
	return SAME(s->current, IDENTITY_JUST_CREATED) &&
	    SAME(p->current, IDENTITY_JUST_CREATED);
}

static bool
both_fresh(idp s, idp p)
{
	return fresh(s) && fresh(p);
}

static bool
self_fresh(idp s, idp p)
{
	return fresh(s) && !fresh(p);
}

static bool
peer_fresh(idp s, idp p)
{
	return self_fresh(p, s);
}

static bool
equal(idp s, idp p)
{
	return SAME(s->current, p->current);
}

static bool
equal_self_base(idp s, idp p)
{
	return equal(s, p) && IS_SET(s->bitmap) && !IS_SET(p->bitmap);
}

static bool
equal_peer_base(idp s, idp p)
{
	return equal_self_base(p, s);
}

static bool
equal_two_bases(idp s, idp p)
{
	return equal(s, p) && IS_SET(s->bitmap) && IS_SET(p->bitmap);
}

/* Whoever has a base has it from a resync that may have come to its end: nobody
 * went on alone since. */
static bool
equal_end_missed(idp s, idp p)
{
	return equal(s, p) && (copying(s) || copying(p)) &&
	    (copying(s) || !IS_SET(s->bitmap)) &&
	    (copying(p) || !IS_SET(p->bitmap));
}

static bool
end_missed_self_primary(idp s, idp p)
{
	return equal_end_missed(s, p) && s->primary && !p->primary;
}

static bool
end_missed_peer_primary(idp s, idp p)
{
	return end_missed_self_primary(p, s);
}

static bool
end_missed_both_win(idp s, idp p)
{
	return equal_end_missed(s, p) && copying(s) && copying(p) &&
	    s->tie_break && !p->tie_break;
}

static bool
end_missed_both_lose(idp s, idp p)
{
	return end_missed_both_win(p, s);
}

static bool
equal_clean(idp s, idp p)
{
	return equal(s, p) && !s->crashed_primary && !p->crashed_primary;
}

static bool
equal_crash_two_primaries(idp s, idp p)
{
	return equal(s, p) && s->primary && p->primary;
}

static bool
equal_crash_self_primary(idp s, idp p)
{
	return equal(s, p) && s->primary;
}

static bool
equal_crash_peer_primary(idp s, idp p)
{
	return equal(s, p) && p->primary;
}

static bool
equal_crash_self(idp s, idp p)
{
	return equal(s, p) && s->crashed_primary && !p->crashed_primary;
}

static bool
equal_crash_peer(idp s, idp p)
{
	return equal_crash_self(p, s);
}

static bool
equal_crash_both_win(idp s, idp p)
{
	return equal(s, p) && s->tie_break && !p->tie_break;
}

static bool
equal_crash_both_lose(idp s, idp p)
{
	return equal_crash_both_win(p, s);
}

static bool
peer_base_is_mine(idp s, idp p)
{
	return SAME(s->current, p->bitmap);
}

static bool
peer_start_lost(idp s, idp p)
{
	return SAME(s->current, p->h0) &&
	    SAME(p->h0 + IDENTITY_NEW_BASE, p->bitmap);
}

static bool
peer_past_is_mine(idp s, idp p)
{
	return SAME(s->current, p->h0) || SAME(s->current, p->h1);
}

static bool
my_base_is_peer(idp s, idp p)
{
	return peer_base_is_mine(p, s);
}

static bool
my_start_lost(idp s, idp p)
{
	return peer_start_lost(p, s);
}

/* I went on alone, once or more, from a resync that the peer finished unknown to
 * me. */
static bool
my_end_lost(idp s, idp p)
{
	uint64_t times = (s->current - p->current) & ALONE_FIELD;

	return IS_SET(s->bitmap) && (!IS_SET(p->bitmap) || copying(p)) &&
	    IS_SET(p->current) &&
	    ((s->current ^ p->current) & ~ALONE_FIELD & ~1ull) == 0 &&
	    times > 1 && times <= ALONE_FIELD / 2;
}

static bool
peer_end_lost(idp s, idp p)
{
	return my_end_lost(p, s);
}

static bool
my_past_is_peer(idp s, idp p)
{
	return peer_past_is_mine(p, s);
}

static bool
peer_is_later(idp s, idp p)
{
	return peer_base_is_mine(s, p) || peer_past_is_mine(s, p) ||
	    peer_end_lost(s, p);
}

static bool
each_the_others_past(idp s, idp p)
{
	return peer_is_later(s, p) && peer_is_later(p, s);
}

static bool
same_base(idp s, idp p)
{
	return IS_SET(s->bitmap) && SAME(s->bitmap, p->bitmap);
}

static bool
any_history(idp s, idp p)
{
	const uint64_t a[] = { s->bitmap, s->h0, s->h1, s->current };
	const uint64_t b[] = { p->bitmap, p->h0, p->h1, p->current };
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(a); i++)
		for (k = 0; k < ARRAY_SIZE(b); k++)
			if (IS_SET(a[i]) && IS_SET(b[k]) &&
			    SAME_NAME(a[i], b[k]))
				return true;
	return false;
}

/* First match wins. */
static const struct {
	int		rule;
	bool		(*match)(idp s, idp p);
	enum verdict	verdict;
} rules[] = {
	{ 10, both_created,		VERDICT_NONE },
	{ 15, both_fresh,		VERDICT_UNRELATED },
	{ 20, self_fresh,		VERDICT_TARGET_FULL },
	{ 30, peer_fresh,		VERDICT_SOURCE_FULL },
	{ 33, end_missed_self_primary,	VERDICT_SOURCE },
	{ 33, end_missed_peer_primary,	VERDICT_TARGET },
	{ 33, end_missed_both_win,	VERDICT_SOURCE },
	{ 33, end_missed_both_lose,	VERDICT_TARGET },
	{ 34, equal_self_base,		VERDICT_SOURCE },
	{ 35, equal_peer_base,		VERDICT_TARGET },
	{ 42, equal_two_bases,		VERDICT_SPLIT },
	{ 40, equal_clean,		VERDICT_NONE },
	{ 41, equal_crash_two_primaries, VERDICT_SPLIT },
	{ 41, equal_crash_self_primary,	VERDICT_SOURCE },
	{ 41, equal_crash_peer_primary,	VERDICT_TARGET },
	{ 40, equal_crash_self,		VERDICT_SOURCE },
	{ 40, equal_crash_peer,		VERDICT_TARGET },
	{ 40, equal_crash_both_win,	VERDICT_SOURCE },
	{ 40, equal_crash_both_lose,	VERDICT_TARGET },
	{ 43, equal,			VERDICT_SPLIT }, /* no tie-break */
	{ 45, each_the_others_past,	VERDICT_SPLIT },
	{ 50, peer_base_is_mine,	VERDICT_TARGET },
	{ 51, peer_start_lost,		VERDICT_TARGET },
	{ 52, peer_end_lost,		VERDICT_TARGET },
	{ 60, peer_past_is_mine,	VERDICT_TARGET_FULL },
	{ 70, my_base_is_peer,		VERDICT_SOURCE },
	{ 71, my_start_lost,		VERDICT_SOURCE },
	{ 72, my_end_lost,		VERDICT_SOURCE },
	{ 80, my_past_is_peer,		VERDICT_SOURCE_FULL },
	{ 90, same_base,		VERDICT_SPLIT },
	{ 100, any_history,		VERDICT_SPLIT },
};

static bool
is_source(enum verdict v)
{
	return v == VERDICT_SOURCE || v == VERDICT_SOURCE_FULL;
}

static bool
is_target(enum verdict v)
{
	return v == VERDICT_TARGET || v == VERDICT_TARGET_FULL;
}

/* An unfinished leg never wins against a whole one. */
static enum verdict
judge_disks(idp s, idp p, enum verdict v)
{
	bool full = v == VERDICT_SPLIT || v == VERDICT_SOURCE_FULL ||
	    v == VERDICT_TARGET_FULL;

	if (v == VERDICT_UNRELATED)
		return v;
	if (s->inconsistent && p->inconsistent)
		return VERDICT_NO_SOURCE;
	if (s->inconsistent)
		return full ? VERDICT_TARGET_FULL : VERDICT_TARGET;
	if (p->inconsistent)
		return full ? VERDICT_SOURCE_FULL : VERDICT_SOURCE;
	return v;
}

enum verdict
identity_decide(idp self, idp peer, int *ret_rule)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].match(self, peer)) {
			*ret_rule = rules[i].rule;
			return judge_disks(self, peer, rules[i].verdict);
		}
	}
	*ret_rule = 0;
	return VERDICT_UNRELATED;
}

enum verdict
verdict_mirrored(enum verdict v)
{
	if (is_source(v))
		return v == VERDICT_SOURCE ? VERDICT_TARGET :
		    VERDICT_TARGET_FULL;
	if (is_target(v))
		return v == VERDICT_TARGET ? VERDICT_SOURCE :
		    VERDICT_SOURCE_FULL;
	return v;
}

const char *
verdict_name(enum verdict v)
{
	static const char *const names[VERDICT_COUNT] = {
		[VERDICT_NONE] = "in-step",
		[VERDICT_SOURCE] = "source",
		[VERDICT_TARGET] = "target",
		[VERDICT_SOURCE_FULL] = "source-full",
		[VERDICT_TARGET_FULL] = "target-full",
		[VERDICT_SPLIT] = "split",
		[VERDICT_UNRELATED] = "unrelated",
		[VERDICT_NO_SOURCE] = "no-source",
	};

	return (unsigned)v < VERDICT_COUNT ? names[v] : "?";
}

uint64_t
identity_clean_random(uint64_t random)
{
	random &= ~1ull;
	return random == 0 || random == IDENTITY_JUST_CREATED ?
	    0x9e3779b97f4a7c14ull : random;
}

static void
push_history(struct identity *id)
{
	if (!IS_SET(id->bitmap))
		return;
	id->h1 = id->h0;
	id->h0 = id->bitmap & ~IDENTITY_COPYING;
}

bool
identity_go_alone(struct identity *id, uint64_t random)
{
	if (id->bitmap & IDENTITY_COPYING) {
		/* The peer may have finished: it has what CURRENT names, and
		 * from now on it lacks something. */
		id->bitmap &= ~IDENTITY_COPYING;
		id->current = (id->current & ~ALONE_FIELD) |
		    ((id->current + IDENTITY_ALONE_STEP) & ALONE_FIELD);
		return true;
	}
	if (IS_SET(id->bitmap))
		return false;
	id->bitmap = id->current;
	id->current = identity_clean_random(random);
	return true;
}

bool
identity_go_diskless(struct identity *id, const struct identity *primary,
    uint64_t random)
{
	if (!SAME(id->current, primary->current))
		return false;
	if (identity_go_alone(id, random))
		return true;
	/* An older base: no walk of 13 steps gets here. */
	push_history(id);
	id->bitmap = id->current;
	id->current = identity_clean_random(random);
	return true;
}

void
identity_source_start(struct identity *id, uint64_t random)
{
	uint64_t base = id->bitmap & ~IDENTITY_COPYING;

	push_history(id);
	if (IS_SET(base) && !SAME(base, IDENTITY_JUST_CREATED))
		id->bitmap = base + IDENTITY_NEW_BASE;
	else
		id->bitmap = identity_clean_random(random);
	id->bitmap |= IDENTITY_COPYING;
}

void
identity_source_undo_start(struct identity *id)
{
	id->bitmap = id->h0;
	id->h0 = id->h1;
	id->h1 = 0;
}

void
identity_source_finish(struct identity *id)
{
	push_history(id);
	id->bitmap = 0;
}

void
identity_target_start(struct identity *id, const struct identity *source)
{
	id->current = source->bitmap & ~IDENTITY_COPYING;
	id->bitmap = 0;
}

bool
identity_discard(struct identity *id, uint64_t winner_base)
{
	if (!IS_SET(id->bitmap) || !IS_SET(winner_base) ||
	    ((id->bitmap | winner_base) & IDENTITY_COPYING) != 0 ||
	    !SAME(id->bitmap, winner_base))
		return false;
	id->current = id->bitmap;
	id->bitmap = 0;
	return true;
}

void
identity_target_finish(struct identity *id, const struct identity *source)
{
	uint64_t mine = id->current;

	id->bitmap = source->bitmap;
	id->h0 = source->h0;
	id->h1 = source->h1;
	push_history(id);
	id->bitmap = mine;
	if (!SAME(id->bitmap, id->h0))
		push_history(id);
	id->current = source->current;
	id->bitmap = 0;
}
