/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/order_sync.c - the view: hellos, the database's hand-over
 *
 *   group has both --hellos delivered--> positions equal --------> DONE
 *                                    \-> SENDING / RECEIVING --synced--> DONE
 *
 * Every step is taken when a message is delivered, so both PMs take it at the
 * same point of the order.  The source serializes its database right there;
 * commands ordered after that point are applied at the source at once and at the
 * receiver after the snapshot.
 */
#include "nodeagent/order_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/wire.h"

#define RETRY_NS	(2 * AV_NS_PER_S)

static uint64_t
new_nonce(struct order *o)
{
	/* differs between agents and over restarts; never 0 */
	o->nonce = o->nonce * 6364136223846793005ull + 1442695040888963407ull;
	return o->nonce | 1;
}

static void
drop_queued(struct order *o)
{
	while (o->queued != NULL) {
		struct order_queued *q = o->queued;

		o->queued = q->next;
		json_decref(q->cmd);
		free(q);
	}
	o->queued_last = &o->queued;
	o->n_queued = 0;
}

static void
unsync(struct order *o)
{
	o->sync = SYNC_NONE;
	o->pending_view = 0;
	o->have_hello[0] = o->have_hello[1] = false;
	o->overtaken[0] = o->overtaken[1] = 0;
	drop_queued(o);
}

/* --- which database goes on --- */

static int
mode_rank(enum role_mode mode)
{
	switch (mode) {
	case ROLE_MODE_NEW:
		return 0;
	case ROLE_MODE_OUTDATED:
		return 1;
	case ROLE_MODE_TOGETHER:
		return 2;
	case ROLE_MODE_ALONE:
		return 3;
	}
	return 0;
}

int
order_sync_source(const struct order_hello h[2])
{
	const struct role_record *a = &h[0].role.rec, *b = &h[1].role.rec;
	const struct order_position *p = &h[0].position, *q = &h[1].position;

	if (p->seq == q->seq && memcmp(p->hash, q->hash, 32) == 0)
		return -1;
	if ((a->mode == ROLE_MODE_NEW) != (b->mode == ROLE_MODE_NEW))
		return a->mode == ROLE_MODE_NEW ? 1 : 0;
	if (a->gen != b->gen)
		return a->gen > b->gen ? 0 : 1;
	if (mode_rank(a->mode) != mode_rank(b->mode))
		return mode_rank(a->mode) > mode_rank(b->mode) ? 0 : 1;
	if (p->seq != q->seq)
		return p->seq > q->seq ? 0 : 1;
	if ((h[0].role.state == ROLE_TOGETHER) !=
	    (h[1].role.state == ROLE_TOGETHER))
		return h[0].role.state == ROLE_TOGETHER ? 0 : 1;
	return 0;	/* same length, no better reason: nothing in either was
			 * confirmed by both */
}

/* --- hello --- */

void
order_sync_hello_due(struct order *o)
{
	if (o->hello_at_ns == 0)
		o->hello_at_ns = 1;
}

void
order_sync_send_hello(struct order *o)
{
	struct order_hello h;
	uint8_t buf[ORDER_HELLO_BYTES];

	if (!o->in_group || !o->peer_in_group)
		return;
	memset(&h, 0, sizeof(h));
	h.role = o->role.said;
	h.timing_hash = o->timing.hash;
	h.nonce = new_nonce(o);
	h.view = o->view;
	o->ops.position(o->ctx, &h.position);
	order_hello_encode(&h, buf);
	o->hello_at_ns = order_send(o, ORDER_MSG_HELLO, buf, sizeof(buf),
	    NULL, 0) < 0 ? av_clock_ns() + RETRY_NS / 10 : 0;
}

/*
 * An owner's command while the hellos are on their way: the position in its
 * hello isn't true any more, be that hello delivered already or still coming
 * (it was made before the command was applied).  Both PMs see that at this point
 * of the order; the owner says it anew.
 */
void
order_sync_overtaken(struct order *o, int node, uint64_t view)
{
	if (!o->have_hello[node]) {
		o->overtaken[node] = view;
	} else if (o->hello[node].view == view) {
		o->have_hello[node] = false;
		if (node == o->node)
			order_sync_hello_due(o);
	}
}

static void
post_view(struct order *o)
{
	struct role_event ev = { 0 };

	ev.peer = o->hello[1 - o->node].role;
	ev.me = o->hello[o->node].role;
	ev.type = role_compare(&ev.me, &ev.peer);
	order_event(o, &ev);
}

/* What a hello says is true whether or not the databases are equal. */
static void
post_peer(struct order *o, const struct role_hello *peer)
{
	struct role_event ev = { .type = ROLE_EV_PEER_INFO, .peer = *peer };

	if (peer->rec.mode == ROLE_MODE_ALONE && !peer->rec.pending &&
	    peer->rec.gen > o->role.rec.gen)
		ev.type = ROLE_EV_PEER_OWNS;
	order_event(o, &ev);
}

static void
synced(struct order *o)
{
	o->sync = SYNC_DONE;
	order_cmd_send_ack(o);
	post_view(o);
}

/* Lost only together with the group: then everything begins anew. */
static void
send_synced(struct order *o, uint64_t view, bool ok)
{
	uint8_t head[9];
	struct av_wr w = { head, sizeof(head), 0 };

	av_wr_le(&w, view, 8);
	av_wr_le(&w, ok, 1);
	(void)order_send(o, ORDER_MSG_SYNCED, head, sizeof(head), NULL, 0);
}

static void
send_snapshot(struct order *o)
{
	AUTO_FREE uint8_t *db = NULL;
	struct order_position pos;
	struct av_err err = { 0 };
	uint8_t head[48];
	struct av_wr w = { head, sizeof(head), 0 };
	size_t n = 0;

	if (o->ops.serialize(o->ctx, &db, &n, &err) < 0) {
		order_fatal(o, &err);
		return;
	}
	o->ops.position(o->ctx, &pos);
	av_wr_le(&w, o->view, 8);
	av_wr_le(&w, pos.seq, 8);
	av_wr_bytes(&w, pos.hash, 32);
	log_notice("unit", "handing the database over: %zu bytes, sequence "
	    "%llu", n, (unsigned long long)pos.seq);
	if (order_send(o, ORDER_MSG_SNAPSHOT, head, sizeof(head), db, n) < 0) {
		log_warn("unit", "the database can't be handed over now: "
		    "trying again");
		send_synced(o, o->view, false);	/* the receiver waits for it */
	}
}

static void
begin_sync(struct order *o)
{
	uint64_t id = o->hello[0].nonce * 31 + o->hello[1].nonce;
	int source = order_sync_source(o->hello);

	if (role_compare(&o->hello[o->node].role,
	    &o->hello[1 - o->node].role) == ROLE_EV_VIEW_SPLIT) {
		post_view(o);	/* both databases stay as they are */
		return;
	}
	if (id == 0)
		id = 1;
	if (source < 0) {
		o->view = id;
		synced(o);
	} else if (source == o->node) {
		o->view = id;
		o->sync = SYNC_SENDING;
		send_snapshot(o);
	} else {
		o->view = 0;
		o->pending_view = id;
		o->sync = SYNC_RECEIVING;
	}
}

static void
on_hello(struct order *o, int node, const uint8_t *data, size_t n)
{
	struct order_hello h;
	int rc = order_hello_decode(data, n, &h);

	if (node != o->node)
		o->peer_version = rc < 0;
	if (node != o->node && rc == 0)
		o->peer_timings = h.timing_hash != o->timing.hash;
	if (rc < 0 || h.timing_hash != o->timing.hash) {
		if (node != o->node)
			log_err("unit", "the other PM's agent has %s: it isn't "
			    "let in", rc < 0 ? "another version" :
			    "other timings");
		return;
	}
	/* sent before 'together' was delivered, which it doesn't know yet */
	if (o->have_hello[node] &&
	    h.role.rec.gen < o->hello[node].role.rec.gen)
		return;
	if (node != o->node)
		post_peer(o, &h.role);
	if (o->overtaken[node] != 0 && h.view == o->overtaken[node]) {
		o->overtaken[node] = 0;
		if (node == o->node)
			order_sync_hello_due(o);
		return;
	}
	o->overtaken[node] = 0;
	o->hello[node] = h;
	o->have_hello[node] = true;
	if (!o->have_hello[0] || !o->have_hello[1])
		return;
	if (o->sync == SYNC_NONE)
		begin_sync(o);
	else if (o->sync == SYNC_DONE)
		post_view(o);
}

/* --- snapshot --- */

static int
take_snapshot(struct order *o, struct av_rd *r, struct av_err *err)
{
	struct order_position want, have;
	int rc;

	want.seq = av_rd_le(r, 8);
	av_rd_bytes(r, want.hash, 32);
	if (r->rc < 0)
		return av_err_set(err, -EBADMSG, "the other PM's database "
		    "came damaged");
	rc = o->ops.replace(o->ctx, r->at, r->left, err);
	if (rc < 0)
		return rc;
	o->ops.position(o->ctx, &have);
	if (have.seq != want.seq || memcmp(have.hash, want.hash, 32) != 0)
		return av_err_set(err, -EBADMSG, "the other PM's database "
		    "isn't what it says");
	return 0;
}

static void
on_snapshot(struct order *o, int node, const uint8_t *data, size_t n)
{
	struct av_rd r = { data, n, 0 };
	struct av_err err = { 0 };
	uint64_t view = av_rd_le(&r, 8);
	int rc;

	if (node == o->node || o->sync != SYNC_RECEIVING ||
	    view != o->pending_view)
		return;
	rc = take_snapshot(o, &r, &err);
	if (rc < 0)
		log_err("unit", "the other PM's database is refused: %s",
		    err.text);
	if (rc == 0) {
		order_cmd_lost_database(o);
		o->view = view;
		o->pending_view = 0;
		while (o->queued != NULL && !o->failed) {
			struct order_queued *q = o->queued;

			o->queued = q->next;
			order_cmd_apply(o, q->node, q->serial, q->cmd);
			json_decref(q->cmd);
			free(q);
		}
		drop_queued(o);
		log_notice("unit", "took the other PM's database");
	}
	if (!o->failed)
		send_synced(o, view, rc == 0);
}

static void
on_synced(struct order *o, const uint8_t *data, size_t n)
{
	struct av_rd r = { data, n, 0 };
	uint64_t view = av_rd_le(&r, 8), ok = av_rd_le(&r, 1);

	if (o->sync == SYNC_DONE && view == o->view && ok != 1) {
		order_sync_drop_view(o);	/* see order_sync_again() */
		order_sync_hello_due(o);
		return;
	}
	if (o->sync != SYNC_SENDING && o->sync != SYNC_RECEIVING)
		return;
	if (view != o->view && view != o->pending_view)
		return;
	if (ok == 1) {
		synced(o);
		return;
	}
	unsync(o);
	o->hello_at_ns = av_clock_ns() + RETRY_NS;
}

/* --- together, unit created --- */

static void
both_are(struct order *o, uint64_t gen)
{
	int n;

	for (n = 0; n < 2; n++) {
		struct role_hello *h = &o->hello[n].role;

		memset(h, 0, sizeof(*h));
		h->state = ROLE_TOGETHER;
		h->rec.gen = gen;
		h->rec.mode = ROLE_MODE_TOGETHER;
		h->ready = true;
	}
}

static void
on_together(struct order *o, const uint8_t *data, size_t n)
{
	struct role_event ev = { .type = ROLE_EV_MOVED };
	struct av_rd r = { data, n, 0 };
	uint64_t view = av_rd_le(&r, 8);

	ev.gen = av_rd_le(&r, 8);
	if (o->sync != SYNC_DONE || view != o->view || ev.gen > ROLE_GEN_MAX)
		return;
	both_are(o, ev.gen);
	order_event(o, &ev);
}

/*
 * The other one may have recorded 'together'; this one didn't (it froze, or
 * heard of a newer owner before).  What both believe of each other's records
 * isn't true then, and no hello of the older generation would correct it.
 */
void
order_sync_again(struct order *o)
{
	if (o->sync == SYNC_DONE)
		send_synced(o, o->view, false);
}

void
order_sync_unit_created(struct order *o)
{
	if (o->role.rec.mode != ROLE_MODE_NEW)
		return;
	both_are(o, 1);
	order_event_type(o, ROLE_EV_UNIT_CREATED);
}

/* --- the group --- */

/* An owner orders by itself while the peer is away; nobody else does. */
void
order_sync_role_changed(struct order *o)
{
	if (o->role.state == ROLE_ALONE && o->view == 0 &&
	    o->sync == SYNC_NONE)
		o->view = new_nonce(o);
	else if (o->role.state != ROLE_ALONE && o->sync == SYNC_NONE)
		o->view = 0;
}

void
order_sync_drop_view(struct order *o)
{
	bool had = o->sync != SYNC_NONE || o->have_hello[1 - o->node];

	if (o->sync != SYNC_NONE)
		o->view = 0;
	unsync(o);
	if (had)
		order_event_type(o, ROLE_EV_VIEW_GONE);
	order_sync_role_changed(o);
}

void
order_sync_group(struct order *o, bool self, bool peer)
{
	order_msg_reset(&o->inbox[0]);
	order_msg_reset(&o->inbox[1]);
	o->in_group = self;
	o->peer_in_group = peer;
	if (!peer)
		o->peer_timings = o->peer_version = false;
	order_sync_drop_view(o);
	if (self && peer)
		order_sync_hello_due(o);
	if (!self)
		o->hello_at_ns = 0;
}

void
order_sync_message(struct order *o, int node, struct order_inbox *in)
{
	struct av_rd r = { in->buf, in->n, 0 };
	AUTO_JSON json_t *facts = NULL;

	switch (in->type) {
	case ORDER_MSG_HELLO:
		on_hello(o, node, in->buf, in->n);
		break;
	case ORDER_MSG_COMMAND:
		order_cmd_message(o, node, in->buf, in->n);
		break;
	case ORDER_MSG_TOGETHER:
		on_together(o, in->buf, in->n);
		break;
	case ORDER_MSG_ACK:
		if (av_rd_le(&r, 8) == o->view && o->view != 0)
			order_cmd_ack(o, node, &r);
		break;
	case ORDER_MSG_SNAPSHOT:
		on_snapshot(o, node, in->buf, in->n);
		break;
	case ORDER_MSG_SYNCED:
		on_synced(o, in->buf, in->n);
		break;
	case ORDER_MSG_FACTS:
		if (node == o->node)
			break;
		facts = json_loadb((const char *)in->buf, in->n,
		    JSON_REJECT_DUPLICATES, NULL);
		if (json_is_object(facts))
			o->ops.peer_facts(o->ctx, facts);
		break;
	}
}

void
order_sync_dispose(struct order *o)
{
	drop_queued(o);
	order_msg_reset(&o->inbox[0]);
	order_msg_reset(&o->inbox[1]);
}
