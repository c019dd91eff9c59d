/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/group.c - one point in time over several volumes
 *
 *   holding --all held--> held --(callback, perhaps later)--> releasing --> done
 *      '--one fails--> releasing those that are held
 *
 * All are held before anything is copied: whatever a guest was told to be
 * written before it sent another write is then on the disks of both legs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "mirror/mirror.h"

struct mirror_group_member {
	struct mirror_op	 op;
	struct mirror_group	*g;
	bool			 held;
};

struct mirror_group_state {
	size_t		left;	/* answers that are still to come */
	bool		releasing;
	int		rc;	/* the first thing that went wrong */
	size_t		bad;
	struct av_err	err;
};

static void
note(struct mirror_group *g, int rc, size_t bad, const struct av_err *err)
{
	struct mirror_group_state *t = g->state;

	if (rc == 0 || t->rc != 0)
		return;
	t->rc = rc;
	t->bad = bad;
	if (err != NULL)
		t->err = *err;
}

static void
finish(struct mirror_group *g)
{
	struct mirror_group_state *t = g->state;
	struct mirror_group_member *members = g->members;

	g->state = NULL;
	g->members = NULL;
	g->done(g, t->rc, t->bad, &t->err);	/* 'g' may be gone now */
	free(members);
	free(t);
}

static void
on_released(struct mirror_op *op, int rc, const struct av_err *err)
{
	struct mirror_group_member *k =
	    container_of(op, struct mirror_group_member, op);
	struct mirror_group *g = k->g;

	note(g, rc, (size_t)(k - g->members), err);
	if (--g->state->left == 0)
		finish(g);
}

void
mirror_group_release(struct mirror_group *g, int rc, const struct av_err *err)
{
	struct mirror_group_state *t = g->state;
	struct av_err e = { 0 };
	size_t i;

	AV_ASSERT(t != NULL && !t->releasing && rc <= 0);
	t->releasing = true;
	note(g, rc, g->n, err);
	t->left = 1;	/* ours: none of them ends it before all are sent */
	for (i = 0; i < g->n; i++) {
		struct mirror_group_member *k = &g->members[i];
		int r;

		if (!k->held)
			continue;
		k->op = (struct mirror_op){ .done = on_released };
		r = mirror_release_writes(g->mirrors[i], &k->op, &e);
		note(g, r, i, &e);	/* it lets go by itself when time is up */
		if (r == 0)
			t->left++;
	}
	if (--t->left == 0)
		finish(g);
}

static void
all_answered(struct mirror_group *g)
{
	struct av_err err = { 0 };
	int rc = 0;

	if (g->state->rc == 0) {
		rc = g->held(g, &err);
		if (rc == -EINPROGRESS)
			return;
	}
	mirror_group_release(g, rc, &err);
}

static void
on_held(struct mirror_op *op, int rc, const struct av_err *err)
{
	struct mirror_group_member *k =
	    container_of(op, struct mirror_group_member, op);
	struct mirror_group *g = k->g;

	k->held = rc == 0;
	note(g, rc, (size_t)(k - g->members), err);
	if (--g->state->left == 0)
		all_answered(g);
}

int
mirror_group_hold(struct mirror_group *g, struct av_err *err)
{
	struct av_err e = { 0 };
	size_t i;
	int rc;

	AV_ASSERT(g->n > 0 && g->held != NULL && g->done != NULL);
	g->members = calloc(g->n, sizeof(*g->members));
	g->state = calloc(1, sizeof(*g->state));
	if (g->members == NULL || g->state == NULL) {
		free(g->members);
		free(g->state);
		return av_err_set(err, -ENOMEM, "no memory");
	}
	g->state->bad = g->n;
	for (i = 0; i < g->n; i++) {
		g->members[i].g = g;
		g->members[i].op.done = on_held;
		rc = mirror_hold_writes(g->mirrors[i], &g->members[i].op,
		    g->timeout_ms, &e);
		note(g, rc, i, &e);
		if (rc == 0)
			g->state->left++;
	}
	if (g->state->left > 0)
		return 0;
	/* not even one was asked */
	rc = g->state->rc;
	if (err != NULL)
		*err = g->state->err;
	free(g->members);
	free(g->state);
	g->members = NULL;
	g->state = NULL;
	return rc;
}
