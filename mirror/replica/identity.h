/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/identity.h - who has the newest data?
 *
 * Pure.  Every leg carries four 64-bit numbers: CURRENT names its data,
 * BITMAP the data the peer last had (set bits say what differs from it; 0 = no
 * such base), H0 and H1 older ones.  Rules and their numbers are DRBD 8.4's
 * two-node table (drbd_receiver.c, drbd_uuid_compare()).  Differs in:
 *   - bit 0 ("was primary") of CURRENT is never set by us; of BITMAP it says
 *     something else: IDENTITY_COPYING.  Masked in comparisons;
 *   - rules 33, 52, 72: the peer finished a resync and the source doesn't know
 *     (crash, lost reply).  Until the source writes alone both have the same,
 *     so whoever is primary goes on (33); when it does, bits 1-15 of its CURRENT
 *     count it (52, 72).  DRBD keeps CURRENT then: a peer that goes on, too, would
 *     overwrite the source (rule 50) instead of being told of a split;
 *   - rule 42: CURRENT equal and both have a BITMAP -> split, not "equal";
 *   - rule 45: each knows the other as its past -> split (DRBD's answer depends
 *     there on who asks);
 *   - two fresh legs that aren't both 'just created' are unrelated;
 *   - a split is never resolved by policy.
 * Promise (tested by enumeration): identity_decide(a, b) is the mirror image of
 * identity_decide(b, a).
 */
#ifndef AV_MIRROR_IDENTITY_H
#define AV_MIRROR_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

struct identity {
	uint64_t	current;
	uint64_t	bitmap;
	uint64_t	h0;
	uint64_t	h1;
	bool		crashed_primary;
	bool		primary;	/* now */
	bool		inconsistent;	/* unfinished resync target */
	bool		tie_break;	/* differs between the two sides */
};

#define IDENTITY_JUST_CREATED	4ull
#define IDENTITY_NEW_BASE	(1ull << 48)
#define IDENTITY_ALONE_STEP	2ull
/* In the source's BITMAP from the resync's start until it ends or until 'alone':
 * the peer may get to CURRENT without my knowing. */
#define IDENTITY_COPYING	1ull

enum verdict {			/* append only: sent to the peer */
	VERDICT_NONE = 0,	/* same data, but for bits set */
	VERDICT_SOURCE,		/* copy what bits say to the peer */
	VERDICT_TARGET,
	VERDICT_SOURCE_FULL,
	VERDICT_TARGET_FULL,
	VERDICT_SPLIT,		/* both have data that the other hasn't */
	VERDICT_UNRELATED,	/* never were the same volume */
	VERDICT_NO_SOURCE,	/* the side to copy from is itself unfinished */
	VERDICT_COUNT
};

enum verdict identity_decide(const struct identity *self,
    const struct identity *peer, int *ret_rule);
enum verdict verdict_mirrored(enum verdict v);
const char  *verdict_name(enum verdict v);

/* Transitions; 'random' is non-zero. */
uint64_t identity_clean_random(uint64_t random);	/* usable as CURRENT */
/* Runs alone: BITMAP := CURRENT, CURRENT := random.  With BITMAP set: nothing, or
 * CURRENT += IDENTITY_ALONE_STEP if that was a resync under way.  False = nothing changed. */
bool identity_go_alone(struct identity *id, uint64_t random);
/* The peer's side of 'diskless': as if it ran alone from here, with a name that
 * 'primary', whose leg has failed, doesn't have.  False = it had one already. */
bool identity_go_diskless(struct identity *id, const struct identity *primary,
    uint64_t random);
void identity_source_start(struct identity *id, uint64_t random);
/* Rule 71: the start was never seen by the peer. */
void identity_source_undo_start(struct identity *id);
void identity_source_finish(struct identity *id);
/* The target's side of 'start': CURRENT := source's BITMAP, BITMAP := 0. */
void identity_target_start(struct identity *id, const struct identity *source);
/* A person discards this data: with the parted peer's BITMAP (0 = not known) equal
 * to mine, CURRENT := BITMAP, BITMAP := 0: what differs is within both legs' bits
 * (rule 50).  Else false and nothing changes: the caller's 'inconsistent' makes it
 * the target of whatever the rules say, of a whole copy for a split. */
bool identity_discard(struct identity *id, uint64_t winner_base);
void identity_target_finish(struct identity *id,
    const struct identity *source);

#endif
