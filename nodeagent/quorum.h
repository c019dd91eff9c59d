/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/quorum.h - this PM's part in the unit's quorum servers
 *
 * What it is:	asks every configured server from time to time how it is, keeps
 *		their certificates as files, tells order.c which one is active, and
 *		changes that together with the peer (quorum_db.h).
 * What it isn't: it never asks for the right to run: order.c does, of the active one.
 *
 * Threads: the loop's.  Callbacks run from the loop.
 */
#ifndef AV_QUORUM_H
#define AV_QUORUM_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "nodeagent/conf.h"
#include "nodeagent/order.h"
#include "nodeagent/quorum_db.h"

struct quorum;

/* As order_done_fn. */
typedef void (*quorum_done_fn)(void *arg, int rc, json_t *result,
    const struct av_err *err);

struct quorum_ops {
	/* Orders one of the agent's own commands; takes 'args' over. */
	void	(*order)(void *ctx, const char *op, json_t *args,
		    void (*done)(void *arg, int rc), void *arg);
	/* Orders a person's command, as order_submit(). */
	int	(*submit)(void *ctx, json_t *cmd, quorum_done_fn done, void *arg,
		    struct av_err *err);
	json_t	*(*facts)(void *ctx, int node);		/* borrowed, or NULL */
	void	(*changed)(void *ctx, const char *id);
};

int quorum_open(sd_event *event, const struct agent_conf *conf,
    struct store *store, const struct quorum_ops *ops, void *ctx,
    struct quorum **ret, struct av_err *err);
struct quorum *quorum_close(struct quorum *q);

/* The arbiter for order_open(); 'is_new': by its own record this PM was never part
 * of a unit.  Strings live until the next call. */
void quorum_first(struct quorum *q, bool is_new, struct order_arbiter *ret);

/* Compares and gives orders; 'lead': this PM is the unit's primary one and
 * commands can be ordered. */
void quorum_reconcile(struct quorum *q, struct order *order, bool lead);

/* Orders quorum.add after really asking the new server, from here and from the
 * peer.  As order_submit(): < 0 nothing was started. */
int quorum_add_checked(struct quorum *q, json_t *cmd, quorum_done_fn done,
    void *arg, struct av_err *err);

/* {"servers":{"quorum:o7":{state,text,ok_utc}}}; yours. */
json_t *quorum_facts(const struct quorum *q);

/*
 * Pure: which server should be active, 0 = leave it as it is.  ok[i][n]: PM n
 * reaches servers[i].  bad_ms: how long the active one hasn't been reached by both,
 * at time_scale 1; good_ms: how long the preferred one has been, while the alternate is active.
 */
int64_t quorum_plan(const struct quorum_state *q, const bool ok[][2],
    uint64_t bad_ms, uint64_t good_ms);
#define QUORUM_BAD_MS	10000u	/* away for so long: to the other one */
#define QUORUM_GOOD_MS	30000u	/* back for so long: home to the preferred one */

/* Pure: may the PM with this role confirm the change in 'q' (or begin one at
 * 'gen', when q is NULL)?  See quorum_db.h. */
bool quorum_may_confirm(const struct role *r, uint64_t gen);

#endif
