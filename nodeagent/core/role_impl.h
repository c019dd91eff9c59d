/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_impl.h - inside of role*.c; nobody else includes it
 *
 *   role.c		one step: note, table, what follows of it
 *   role_table.c	every state and every event
 *   role_enter.c	what entering a state does
 *   role_run.c		signs of life while guests run or are paused; a person's word
 *   role_start.c	after a start: own record, first sight of the peer
 *   role_ask.c		questions to the arbiter and their answers
 *   role_handback.c	the owner hands the right back to both
 *   role_stay.c	the peer leaves for maintenance, this PM runs the unit
 *   role_reason.c	sentences
 *   role_read.c	what a role says of itself
 */
#ifndef AV_ROLE_IMPL_H
#define AV_ROLE_IMPL_H

#include "nodeagent/core/role.h"
#include "nodeagent/core/role_table.h"

/* role.due_ns[] */
enum { T_START, T_JOIN, T_FROZEN, T_RETRY, T_DEAD };
/* role.question */
enum { Q_NONE = 0, Q_CLAIM, Q_MOVE, Q_CREATE, Q_FORCE, Q_OWN, Q_CHECK };

#define NS_PER_MS	1000000u
#define NS_PER_S	1000000000u

/* SAY(r, PEER_LOST, .gen = 5): sets r->reason; silence and node are added. */
#define SAY(r, what, ...) role_say(r, \
    (struct role_reason){ .why = ROLE_WHY_##what, __VA_ARGS__ })
void role_say(struct role *r, struct role_reason reason);

/* --- role_enter.c --- */

/* Queues an effect; fill in what it carries. */
struct role_effect *role_effect(struct role_effects *out,
    enum role_effect_type type);
/* New own record, queued to be written before what is queued after it. */
void role_set_record(struct role *r, uint64_t gen, enum role_mode mode,
    bool pending, struct role_effects *out);
void role_arm(struct role *r, int timer, uint64_t at_ns);
/* Was in step with the peer at its generation, so may ask to go on. */
bool role_has_claim(const struct role *r);
/* The generation that a claim asks for. */
uint64_t role_claim_gen(const struct role *r);
/* By a person's word: above whatever the other one was known to be alone at. */
uint64_t role_force_gen(const struct role *r);
/* Pending or outdated ones, too: what is taken by force must be above it. */
void role_note_rival(struct role *r, const struct role_hello *peer);
bool role_owns_by_record(const struct role *r);
bool role_takeover_stands(const struct role *r);
enum role_state role_enter_alone(struct role *r, uint64_t gen,
    struct role_effects *out);
enum role_state role_enter_together(struct role *r, struct role_effects *out);
enum role_state role_enter_frozen(struct role *r, const struct role_event *ev,
    struct role_effects *out);
enum role_state role_enter_stopped(struct role *r, struct role_effects *out);
enum role_state role_enter_waiting(struct role *r);
enum role_state role_enter_follower(struct role *r, struct role_effects *out);
void role_say_refused(struct role *r, const struct role_event *ev);
void role_say_lost(struct role *r);

/* Refused, but by a grant of this PM's own: an agent that died asked for it (a
 * takeover, say), and nobody else can have got it. */
bool role_granted_before(const struct role *r, const struct role_event *ev);

/* --- role_start.c --- */

/* The answer to Q_OWN. */
enum role_state role_own_checked(struct role *r, const struct role_event *ev,
    struct role_effects *out);

/* --- role_stay.c --- */

/* TOGETHER: is the right to run alone to be asked for? */
bool role_stay_due(const struct role *r);

/* --- role_ask.c --- */

int role_next_question(const struct role *r);
void role_fill_move(const struct role *r, int question, struct role_move *m);

/* --- role_handback.c --- */

bool role_rejoin_possible(const struct role *r);
/* How long after a hand-back that the arbiter didn't record. */
uint64_t role_handback_wait_ns(const struct role *r);
void role_handback_pause(struct role *r, enum role_state old);

#endif
