/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_identity.c - the handshake table
 */
#include "mirror/replica/identity.h"

#include "base/str.h"
#include "tests/test.h"

#define NEW	IDENTITY_NEW_BASE
#define ID(c, b, x, y, ...) \
	{ .current = (c), .bitmap = (b), .h0 = (x), .h1 = (y), ##__VA_ARGS__ }

static const struct {
	struct identity	self, peer;
	int		rule;
	enum verdict	verdict;
} golden[] = {
	/* .current, .bitmap, .h0, .h1 */
	{ ID(4, 0, 0, 0), ID(4, 0, 0, 0), 10, VERDICT_NONE },
	{ ID(0, 0, 0, 0), ID(4, 0, 0, 0), 15, VERDICT_UNRELATED },
	{ ID(4, 0, 0, 0), ID(16, 0, 0, 0), 20, VERDICT_TARGET_FULL },
	{ ID(16, 0, 0, 0), ID(0, 0, 0, 0), 30, VERDICT_SOURCE_FULL },
	{ ID(16, 8, 0, 0), ID(16, 0, 8, 0), 34, VERDICT_SOURCE },
	{ ID(16, 0, 8, 0), ID(16, 8, 0, 0), 35, VERDICT_TARGET },
	{ ID(16, 8, 0, 0), ID(16, 10, 0, 0), 42, VERDICT_SPLIT },
	{ ID(16, 0, 0, 0), ID(17, 0, 0, 0), 40, VERDICT_NONE },
	{ ID(16, 0, 0, 0, .primary = true),
	  ID(16, 0, 0, 0, .crashed_primary = true), 41, VERDICT_SOURCE },
	{ ID(16, 0, 0, 0, .crashed_primary = true),
	  ID(16, 0, 0, 0, .primary = true), 41, VERDICT_TARGET },
	{ ID(16, 0, 0, 0, .crashed_primary = true, .primary = true),
	  ID(16, 0, 0, 0, .primary = true), 41, VERDICT_SPLIT },
	{ ID(16, 0, 0, 0, .crashed_primary = true), ID(16, 0, 0, 0), 40,
	  VERDICT_SOURCE },
	{ ID(16, 0, 0, 0), ID(16, 0, 0, 0, .crashed_primary = true), 40,
	  VERDICT_TARGET },
	{ ID(16, 0, 0, 0, .crashed_primary = true, .tie_break = true),
	  ID(16, 0, 0, 0, .crashed_primary = true), 40, VERDICT_SOURCE },
	{ ID(16, 20, 0, 0), ID(20, 16, 0, 0), 45, VERDICT_SPLIT },
	{ ID(16, 0, 0, 0), ID(20, 16, 0, 0), 50, VERDICT_TARGET },
	{ ID(16, 0, 0, 0), ID(20, 16 + NEW, 16, 0), 51, VERDICT_TARGET },
	/* a resync's end that the source doesn't know of: before and after it
	 * went on alone */
	{ ID(16, 9, 0, 0), ID(16, 0, 8, 0, .primary = true), 33,
	  VERDICT_TARGET },
	{ ID(16, 9, 0, 0), ID(16, 21, 0, 0, .primary = true), 33,
	  VERDICT_TARGET },
	{ ID(16, 9, 0, 0, .tie_break = true), ID(16, 21, 0, 0), 33,
	  VERDICT_SOURCE },
	{ ID(16, 0, 8, 0), ID(18, 8, 0, 0), 52, VERDICT_TARGET },
	{ ID(18, 8, 0, 0), ID(16, 0, 8, 0), 72, VERDICT_SOURCE },
	{ ID(18, 8, 0, 0), ID(24, 16, 8, 0), 100, VERDICT_SPLIT },
	{ ID(16, 0, 0, 0), ID(20, 0, 8, 16), 60, VERDICT_TARGET_FULL },
	{ ID(20, 16, 0, 0), ID(16, 0, 0, 0), 70, VERDICT_SOURCE },
	{ ID(20, 16 + NEW, 16, 0), ID(16, 0, 0, 0), 71, VERDICT_SOURCE },
	{ ID(20, 0, 16, 0), ID(16, 0, 0, 0), 80, VERDICT_SOURCE_FULL },
	{ ID(20, 16, 0, 0), ID(24, 16, 0, 0), 90, VERDICT_SPLIT },
	{ ID(20, 0, 16, 0), ID(24, 0, 8, 16), 100, VERDICT_SPLIT },
	{ ID(20, 0, 0, 0), ID(24, 0, 0, 0), 0, VERDICT_UNRELATED },
	/* unfinished copies */
	{ ID(16, 0, 0, 0, .inconsistent = true), ID(16, 0, 0, 0), 40,
	  VERDICT_TARGET },
	{ ID(20, 16, 0, 0), ID(24, 16, 0, 0, .inconsistent = true), 90,
	  VERDICT_SOURCE_FULL },
	{ ID(20, 0, 0, 0), ID(24, 0, 0, 0, .inconsistent = true), 0,
	  VERDICT_UNRELATED },
	{ ID(20, 16, 0, 0, .inconsistent = true),
	  ID(16, 0, 0, 0, .inconsistent = true), 70, VERDICT_NO_SOURCE },
	/* an unfinished copy is never the source, whatever its history says */
	{ ID(20, 16, 0, 0, .inconsistent = true), ID(16, 0, 0, 0), 70,
	  VERDICT_TARGET },
};

TEST(every_rule)
{
	size_t i;
	int rule;

	for (i = 0; i < ARRAY_SIZE(golden); i++) {
		enum verdict v = identity_decide(&golden[i].self,
		    &golden[i].peer, &rule);

		if (v != golden[i].verdict || rule != golden[i].rule)
			fprintf(stderr, "case %zu: rule %d, %s\n", i, rule,
			    verdict_name(v));
		CHECK(v == golden[i].verdict);
		CHECK_EQ(rule, golden[i].rule);
	}
	return 0;
}

/* All numbers from a small set, in every place, with every flag. */
static const uint64_t set[] = { 0, 4, 16, 16 + NEW, 20 };
#define N_SET	5
#define N_IDS	(N_SET * N_SET * N_SET * N_SET * 8)

static void
nth(size_t i, bool tie, struct identity *id)
{
	id->current = set[i % N_SET], i /= N_SET;
	id->bitmap = set[i % N_SET], i /= N_SET;
	id->h0 = set[i % N_SET], i /= N_SET;
	id->h1 = set[i % N_SET], i /= N_SET;
	id->crashed_primary = i & 1;
	id->primary = i & 2;
	id->inconsistent = i & 4;
	id->tie_break = tie;
}

TEST(both_sides_agree)
{
	struct identity a, b;
	size_t i, k, seen[VERDICT_COUNT] = { 0 };
	int r;

	/* every 7th: the step is coprime to all radices, so all combinations
	 * of places come up with all others */
	for (i = 0; i < N_IDS; i++) {
		nth(i, true, &a);
		for (k = i % 7; k < N_IDS; k += 7) {
			enum verdict v, w;

			nth(k, false, &b);
			v = identity_decide(&a, &b, &r);
			w = identity_decide(&b, &a, &r);
			seen[v]++;
			if (v != verdict_mirrored(w))
				fprintf(stderr, "%zu %zu: %s %s\n", i, k,
				    verdict_name(v), verdict_name(w));
			CHECK(v == verdict_mirrored(w));
			/* never copy from an unfinished leg */
			CHECK(!(a.inconsistent && (v == VERDICT_SOURCE ||
			    v == VERDICT_SOURCE_FULL || v == VERDICT_NONE)));
		}
	}
	for (i = 0; i < VERDICT_COUNT; i++)
		CHECK(seen[i] > 0);
	return 0;
}

/* A volume's life: the table and the transitions fit together. */
TEST(life_of_a_volume)
{
	struct identity a = { .current = 0x100 }, b = a, old;
	int rule;

	CHECK(identity_decide(&a, &b, &rule) == VERDICT_NONE);
	CHECK(identity_go_alone(&a, 0x201));
	CHECK_EQ(a.current, 0x200);
	CHECK(!identity_go_alone(&a, 0x301));	/* same base still */
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_SOURCE);
	CHECK_EQ(rule, 70);
	old = b;
	identity_source_start(&a, 0x999);
	CHECK(identity_decide(&a, &old, &rule) == VERDICT_SOURCE);
	CHECK_EQ(rule, 71);			/* the peer never heard of it */
	identity_target_start(&b, &a);
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_SOURCE);
	CHECK_EQ(rule, 70);
	/* lost again and resumed */
	identity_source_start(&a, 0x999);
	identity_target_start(&b, &a);
	identity_target_finish(&b, &a);
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_SOURCE);
	CHECK_EQ(rule, 34);			/* I missed the end */
	identity_source_finish(&a);
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_NONE);
	CHECK_EQ(b.bitmap, 0);
	/* the other one alone now, then both: split */
	CHECK(identity_go_alone(&b, 0x400));
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_TARGET);
	CHECK(identity_go_alone(&a, 0x500));
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_SPLIT);
	CHECK_EQ(rule, 90);
	return 0;
}

/* A person gives one side of a split up. */
TEST(discarded_side_is_the_target)
{
	struct identity a = { .current = 0x200, .bitmap = 0x100 };
	struct identity b = { .current = 0x300, .bitmap = 0x100 }, c;
	int rule;

	CHECK(identity_decide(&a, &b, &rule) == VERDICT_SPLIT);
	c = b;
	CHECK(identity_discard(&c, a.bitmap));
	c.inconsistent = true;
	CHECK(identity_decide(&a, &c, &rule) == VERDICT_SOURCE);
	CHECK(identity_decide(&c, &a, &rule) == VERDICT_TARGET);
	CHECK_EQ(rule, 50);
	CHECK(!identity_discard(&c, a.bitmap));	/* given again */
	CHECK(identity_decide(&c, &a, &rule) == VERDICT_TARGET);
	/* the winner goes on meanwhile, and starts to copy */
	(void)identity_go_alone(&a, 0x500);
	CHECK(identity_decide(&a, &c, &rule) == VERDICT_SOURCE);
	/* no common base: all of it */
	c = b;
	CHECK(!identity_discard(&c, 0x770));
	CHECK(!identity_discard(&c, 0));
	c.inconsistent = true;
	CHECK_EQ(c.current, b.current);
	CHECK(identity_decide(&a, &c, &rule) == VERDICT_SOURCE_FULL);
	/* a copying mark: what the bits say isn't sure */
	c = b;
	CHECK(!identity_discard(&c, a.bitmap | IDENTITY_COPYING));
	return 0;
}

TEST(undone_start_is_started_again)
{
	struct identity a = { .current = 0x100 }, b = a;
	int rule;

	CHECK(identity_go_alone(&a, 0x200));
	identity_source_start(&a, 0x300);
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_SOURCE);
	CHECK_EQ(rule, 71);
	identity_source_undo_start(&a);
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_SOURCE);
	CHECK_EQ(rule, 70);
	return 0;
}

/* Bits alone differ (a held write): base is a random number. */
TEST(start_without_base)
{
	struct identity a = { .current = 0x100 }, b = a;
	int rule;

	identity_source_start(&a, 0x301);
	CHECK_EQ(a.bitmap, 0x300 | IDENTITY_COPYING);
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_SOURCE);
	identity_target_start(&b, &a);
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_SOURCE);
	identity_target_finish(&b, &a);
	identity_source_finish(&a);
	CHECK(identity_decide(&a, &b, &rule) == VERDICT_NONE);
	return 0;
}

TESTS_MAIN(
	T(every_rule),
	T(both_sides_agree),
	T(life_of_a_volume),
	T(discarded_side_is_the_target),
	T(undone_start_is_started_again),
	T(start_without_base),
)
