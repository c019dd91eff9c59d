/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/order_cmd.c - commands: waiting -> flying -> applied -> confirmed
 *
 * 'done' runs exactly once, from the loop: a command that was applied here
 * while the unit is together, or by a follower, is done when the peer confirms
 * it, so that what was reported as done lasts.
 */
#include "nodeagent/order_impl.h"

#include <string.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/wire.h"

static void
cmd_free(struct order_cmd *c)
{
	json_decref(c->result);
	free(c->text);
	free(c);
}

static void
unlink_cmd(struct order *o, struct order_cmd *c)
{
	struct order_cmd **p;

	for (p = &o->cmds; *p != c; p = &(*p)->next)
		AV_ASSERT(*p != NULL);
	*p = c->next;
	o->n_cmds--;
}

static void
finish(struct order *o, struct order_cmd *c)
{
	unlink_cmd(o, c);
	c->done(c->arg, c->rc, c->result, &c->err);
	cmd_free(c);
}

static void
fail(struct order *o, struct order_cmd *c, int rc, const char *text)
{
	(void)av_err_code(&c->err, rc, "unavailable", "%s", text);
	c->err.outcome = c->sent ? AV_MAYBE : AV_NOT_DONE;
	c->rc = rc;
	finish(o, c);
}

/* --- may commands be ordered? --- */

static int
refuse(const struct order *o, struct av_err *err)
{
	switch (o->role.state) {
	case ROLE_FROZEN:
		return av_err_code(err, -EAGAIN, "frozen", "the unit is "
		    "paused: %s", o->role.reason.text);
	case ROLE_WAITING: case ROLE_STOPPED:
		return av_err_code(err, -EAGAIN, "waiting-for-peer", "%s",
		    o->role.reason.text);
	case ROLE_SPLIT:
		return av_err_code(err, -EAGAIN, "split", "%s",
		    o->role.reason.text);
	default:
		return 0;
	}
}

static bool
ordering(const struct order *o)
{
	switch (o->role.state) {
	case ROLE_ALONE:
		return o->in_group && o->view != 0;
	case ROLE_TOGETHER: case ROLE_REJOINING: case ROLE_FOLLOWER:
		return o->in_group && o->view != 0 && o->sync == SYNC_DONE;
	case ROLE_JOINING: case ROLE_WAITING:
		return o->role.both_new && o->sync == SYNC_DONE &&
		    o->view != 0;
	default:
		return false;
	}
}

int
order_available(const struct order *o, struct av_err *err)
{
	int rc;

	if (ordering(o))
		return 0;
	rc = refuse(o, err);
	if (rc < 0)
		return rc;
	if (!o->corosync_up || !o->in_group)
		return av_err_code(err, -EAGAIN, "unavailable", "corosync "
		    "isn't running on this PM: changes can't be ordered");
	if (o->role.state == ROLE_JOINING)
		return av_err_code(err, -EAGAIN, "waiting-for-peer", "%s",
		    o->role.reason.text);
	return av_err_code(err, -EAGAIN, "unavailable", "the other PM's agent "
	    "isn't in the group: changes can't be ordered now");
}

int
order_submit(struct order *o, json_t *cmd, order_done_fn done, void *arg,
    struct av_err *err)
{
	struct order_cmd *c, **p;
	int rc;

	if (!json_is_object(cmd) ||
	    !json_is_string(json_object_get(cmd, "cmd_id")))
		return av_err_code(err, -EINVAL, "bad-request", "a command is "
		    "an object with a 'cmd_id'");
	/* a state that won't pass by itself is told at once; the rest waits */
	rc = ordering(o) ? 0 : refuse(o, err);
	if (rc < 0)
		return rc;
	if (o->n_cmds >= ORDER_QUEUE_MAX)
		return av_err_code(err, -EAGAIN, "too-many", "%u commands wait "
		    "to be ordered already", ORDER_QUEUE_MAX);
	c = calloc(1, sizeof(*c));
	if (c != NULL)
		c->text = json_dumps(cmd, JSON_COMPACT | JSON_SORT_KEYS);
	if (c == NULL || c->text == NULL) {
		free(c);
		return av_err_set(err, -ENOMEM, "command: no memory");
	}
	c->n_text = strlen(c->text);
	if (c->n_text > ORDER_COMMAND_MAX) {
		cmd_free(c);
		return av_err_code(err, -EMSGSIZE, "too-large", "the command "
		    "is longer than %u bytes", ORDER_COMMAND_MAX);
	}
	c->serial = ++o->serial;
	c->due_ns = av_clock_ns() + o->timing.submit_ns;
	c->done = done;
	c->arg = arg;
	for (p = &o->cmds; *p != NULL; p = &(*p)->next)
		;
	*p = c;
	o->n_cmds++;
	(void)sd_event_source_set_enabled(o->defer, SD_EVENT_ONESHOT);
	return 0;
}

void
order_cmd_flush(struct order *o)
{
	struct order_cmd *c;
	uint8_t head[16];

	if (!ordering(o))
		return;
	for (c = o->cmds; c != NULL; c = c->next) {
		struct av_wr w = { head, sizeof(head), 0 };

		if (c->state != CMD_WAITING)
			continue;
		av_wr_le(&w, o->view, 8);
		av_wr_le(&w, c->serial, 8);
		if (order_send(o, ORDER_MSG_COMMAND, head, sizeof(head),
		    c->text, c->n_text) < 0)
			return;		/* stays waiting; the tick retries */
		c->state = CMD_FLYING;
		c->sent = true;
	}
}

/* --- delivered -> applied -> confirmed --- */

static struct order_cmd *
find(struct order *o, uint64_t serial)
{
	struct order_cmd *c;

	for (c = o->cmds; c != NULL; c = c->next)
		if (c->serial == serial)
			return c;
	return NULL;
}

/* Delivered in another view than it was sent in: nobody applied it. */
static void
missed(struct order *o, int node, uint64_t serial)
{
	struct order_cmd *c = node == o->node ? find(o, serial) : NULL;

	if (c != NULL && c->state == CMD_FLYING) {
		c->state = CMD_WAITING;
		c->sent = false;
	}
}

static bool
peer_confirms(const struct order *o)
{
	/* an owner's own database goes on anyway; a follower's doesn't */
	return o->sync == SYNC_DONE && (o->role.state == ROLE_TOGETHER ||
	    o->role.state == ROLE_REJOINING ||
	    o->role.state == ROLE_FOLLOWER);
}

void
order_cmd_apply(struct order *o, int node, uint64_t serial, const json_t *cmd)
{
	struct order_cmd *c = node == o->node ? find(o, serial) : NULL;
	AUTO_JSON json_t *result = NULL;
	struct av_err err = { 0 };
	struct order_position pos;
	const char *op;
	int rc;

	rc = o->ops.apply(o->ctx, cmd, &result, &err);
	if (rc < 0 && err.outcome == AV_MAYBE) {
		order_fatal(o, &err);
		return;
	}
	op = json_string_value(json_object_get(cmd, "op"));
	if (rc == 0 && op != NULL && strcmp(op, "unit.create") == 0)
		order_sync_unit_created(o);
	o->ops.position(o->ctx, &pos);
	if (c == NULL)
		return;
	c->state = CMD_APPLIED;
	c->seq = pos.seq;
	c->rc = rc;
	c->err = err;
	c->result = TAKE_PTR(result);
	if (!peer_confirms(o))
		finish(o, c);
}

void
order_cmd_send_ack(struct order *o)
{
	struct order_position pos;
	uint8_t head[48];
	struct av_wr w = { head, sizeof(head), 0 };

	o->ops.position(o->ctx, &pos);
	av_wr_le(&w, o->view, 8);
	av_wr_le(&w, pos.seq, 8);
	av_wr_bytes(&w, pos.hash, 32);
	/* lost: the sender's command ends as 'maybe' */
	(void)order_send(o, ORDER_MSG_ACK, head, sizeof(head), NULL, 0);
}

void
order_cmd_message(struct order *o, int node, const uint8_t *data, size_t n)
{
	struct av_rd r = { data, n, 0 };
	uint64_t view = av_rd_le(&r, 8), serial = av_rd_le(&r, 8);
	AUTO_JSON json_t *cmd = NULL;
	struct order_queued *q;

	if (o->sync == SYNC_NONE && view != 0)
		order_sync_overtaken(o, node, view);
	if (view == 0 || (view != o->view && view != o->pending_view)) {
		missed(o, node, serial);
		return;
	}
	cmd = json_loadb((const char *)r.at, r.left, JSON_REJECT_DUPLICATES,
	    NULL);
	if (!json_is_object(cmd))
		return;		/* the same bytes on both: skipped on both */
	if (view == o->view) {
		order_cmd_apply(o, node, serial, cmd);
		if (node != o->node && !o->failed)
			order_cmd_send_ack(o);
		return;
	}
	q = calloc(1, sizeof(*q));
	if (q == NULL) {
		struct av_err err = { 0 };

		(void)av_err_set(&err, -ENOMEM, "no memory for a command");
		order_fatal(o, &err);
		return;
	}
	q->node = node;
	q->serial = serial;
	q->cmd = TAKE_PTR(cmd);
	*o->queued_last = q;
	o->queued_last = &q->next;
	o->n_queued++;
}

void
order_cmd_ack(struct order *o, int node, struct av_rd *r)
{
	struct order_position have, peer = { .seq = av_rd_le(r, 8) };
	struct order_cmd *c, *next;

	av_rd_bytes(r, peer.hash, sizeof(peer.hash));
	if (node == o->node || r->rc < 0)
		return;
	o->ops.position(o->ctx, &have);
	if (have.seq == peer.seq &&
	    memcmp(have.hash, peer.hash, sizeof(have.hash)) != 0) {
		struct av_err err = { 0 };

		/* never silently: the next start compares and takes one of the
		 * two; guests run on meanwhile */
		(void)av_err_set(&err, -EBADMSG, "the two PMs' databases "
		    "differ at sequence %llu", (unsigned long long)have.seq);
		order_fatal(o, &err);
		return;
	}
	for (c = o->cmds; c != NULL; c = next) {
		next = c->next;
		if (c->state == CMD_APPLIED && c->seq <= peer.seq)
			finish(o, c);
	}
}

/* The database here was replaced: what was applied here alone may be gone. */
void
order_cmd_lost_database(struct order *o)
{
	struct order_cmd *c, *next;

	for (c = o->cmds; c != NULL; c = next) {
		next = c->next;
		if (c->state == CMD_APPLIED)
			fail(o, c, -EAGAIN, "the other PM's database was "
			    "taken over before it confirmed this change");
	}
}

void
order_cmd_tick(struct order *o, uint64_t now_ns)
{
	struct order_cmd *c, *next;
	bool won = o->role.state == ROLE_ALONE;

	for (c = o->cmds; c != NULL; c = next) {
		next = c->next;
		if (c->state == CMD_APPLIED && won)
			finish(o, c);	/* this PM's database goes on */
		else if (now_ns >= c->due_ns && c->state == CMD_APPLIED)
			fail(o, c, -ETIMEDOUT, "applied on this PM, but the "
			    "other one didn't confirm it");
		else if (now_ns >= c->due_ns)
			fail(o, c, -ETIMEDOUT, "the change couldn't be ordered "
			    "in time: the other PM or corosync is away");
	}
	order_cmd_flush(o);
}

void
order_cmd_dispose(struct order *o)
{
	while (o->cmds != NULL)
		fail(o, o->cmds, -ECANCELED, "the agent is stopping");
}
