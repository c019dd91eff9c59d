/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/split.h - both PMs ran alone: what each holds, and a person's choice
 *
 * While the role is SPLIT the two databases differ and nothing can be ordered, so
 * the choice is kept in a file of its own (STATE/split, the same on both PMs) and
 * goes to the other PM with the facts.  For each volume that differs it names the
 * PM whose data is kept; for the unit the PM whose database is kept and that
 * then runs it.  Steps, each repeated until it is so:
 *
 *   decided here and there alike, all of it
 *     -> guests off, volumes secondary, on both PMs
 *     -> legs that aren't kept are discarded (mirror_discard())
 *     -> the PM that isn't kept gives up its right, durably
 *     -> the other one takes the right and runs the unit
 *     -> a volume kept from the PM that gave up is copied from there first
 *
 * Threads: the loop's.
 */
#ifndef AV_SPLIT_H
#define AV_SPLIT_H

#include <jansson.h>

#include "base/err.h"
#include "mirror/mirror.h"
#include "nodeagent/store.h"

struct agent;
struct role_record;
struct split;

int split_open(const char *state_dir, const char *unit_uuid,
    struct split **ret, struct av_err *err);
struct split *split_close(struct split *s);

/* Compares and does the next step. */
void split_reconcile(struct agent *a);

/* This PM's part of the facts; null when there is nothing to say.  Yours. */
json_t *split_facts(struct agent *a);

/* The PM whose data of this volume is to be copied to the other one before that
 * uses it: 0, 1, or -1 = an ordinary volume. */
int split_kept(struct agent *a, const char *volume_id);

/* {split, stage, volumes:[..], unit:{..}} for split.info; yours. */
json_t *split_info(const struct store *st, const json_t *const facts[2],
    int self);

/* 'object': a volume, a VM (all its volumes) or "unit"; keep: 0, 1.  Codes
 * not-found, wrong-state.  *ret_result is yours. */
int split_decide(struct agent *a, const char *object, int keep, bool dry_run,
    json_t **ret_result, struct av_err *err);

/* --- parts without an agent, for tests too --- */

/* The split that is chosen in now is of these two records' generations (node0's first).
 * A choice holds for the split that the person saw: one of another split is forgotten,
 * in the file too, so that what was run since by a takeover isn't given up by it.
 * One that is being carried out is still that split: the PM that gave up stays at
 * its generation, while the other one's goes up. */
void split_is_of(struct split *s, const struct role_record *rec);
/* Takes over, durably, what the other PM was told (its part of the facts), if that
 * is of the same split.  True = the choice here has changed. */
bool split_hear(struct split *s, const json_t *peer, int self);
/* "unit" and volume ids -> "node0" or "node1", as decided so far. */
const json_t *split_peek_decided(const struct split *s);

/* --- pure --- */

/* What a PM holds after hearing the peer's choice: keys that it lacks are taken
 * over; where the two differ node0's stands.  True = 'own' has changed. */
bool split_merge(json_t *own, const json_t *peers, int self);
/* Every volume that differs between the two, and the unit, are decided. */
bool split_complete(const json_t *decided, const json_t *mine,
    const json_t *theirs);
/* The same volume on both (by its uuid) with different data. */
bool split_differs(const char *id, const json_t *mine, const json_t *theirs);
/* The kept data is on both legs, as the one on this PM shows.  The keeper's: they are
 * connected and both up to date, whoever is primary: the copying needs none, and the
 * owner may have taken the volume over since.  The other one's, which was discarded: it
 * is up to date again, and the keeper's (peer_role, as in its facts) isn't primary any
 * more. */
bool split_is_copied(const struct mirror_status *st, bool keeper,
    const char *peer_role);
/* Reads the file's text.  0 + object, or -EBADMSG and a sentence. */
int split_parse(const char *text, const char *unit_uuid, json_t **ret,
    struct av_err *err);

#endif
