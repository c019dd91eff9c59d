/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/order.c - both PMs do the same things in the same order
 *
 * The shell around core/role.c: the world becomes events in one queue, the queue
 * is run from the loop, effects are run in their order.  Start with order_impl.h.
 */
#include "nodeagent/order_impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "nodeagent/record.h"

/* --- events in, effects out --- */

void
order_event(struct order *o, const struct role_event *ev)
{
	if (o->failed)
		return;
	/* PEER_INFO repeats: the newest of a run is enough */
	if (o->n_events > 0 && ev->type == ROLE_EV_PEER_INFO &&
	    o->events[o->n_events - 1].type == ROLE_EV_PEER_INFO) {
		o->events[o->n_events - 1] = *ev;
		return;
	}
	AV_ASSERT(o->n_events < EVENTS_MAX);
	o->events[o->n_events++] = *ev;
	(void)sd_event_source_set_enabled(o->defer, SD_EVENT_ONESHOT);
}

void
order_event_type(struct order *o, enum role_event_type type)
{
	struct role_event ev = { .type = type };

	order_event(o, &ev);
}

void
order_fatal(struct order *o, const struct av_err *err)
{
	if (o->failed)
		return;
	o->failed = true;
	o->ops.fatal(o->ctx, err);
}

static int
send_fragment(void *arg, const uint8_t *data, size_t n)
{
	struct order *o = arg;

	return o->mops->send(o->membership, data, n);
}

int
order_send(struct order *o, enum order_msg_type type, const uint8_t *head,
    size_t n_head, const void *body, size_t n_body)
{
	return order_msg_send(send_fragment, o, type, head, n_head, body,
	    n_body);
}

static void
write_record(struct order *o, const struct role_record *rec)
{
	struct av_err err = { 0 };

	if (record_write(o->record_path, o->unit, o->node, rec, &err) < 0)
		order_fatal(o, &err);
}

static void
run_effect(struct order *o, const struct role_effect *e)
{
	uint8_t head[16];
	struct av_wr w = { head, sizeof(head), 0 };

	switch (e->type) {
	case ROLE_DO_RECORD:
		write_record(o, &e->record);
		break;
	case ROLE_DO_FREEZE:
		o->ops.freeze(o->ctx);
		break;
	case ROLE_DO_RESUME_TOGETHER:
		o->ops.resume_together(o->ctx, e->gen);
		break;
	case ROLE_DO_RUN_ALONE:
		o->ops.run_alone(o->ctx, e->gen);
		break;
	case ROLE_DO_TAKE_PEER_GUESTS:
		o->ops.take_peer_guests(o->ctx);
		break;
	case ROLE_DO_STOP_GUESTS:
		o->ops.stop_guests(o->ctx, o->role.reason.code,
		    o->role.reason.text);
		break;
	case ROLE_DO_FOLLOW:
		o->ops.follow(o->ctx, e->gen);
		break;
	case ROLE_DO_ASK:
		order_arbiter_ask(o, &e->move);
		break;
	case ROLE_DO_HELLO:
		order_sync_send_hello(o);
		break;
	case ROLE_DO_ORDER_TOGETHER:
		av_wr_le(&w, o->view, 8);
		av_wr_le(&w, e->gen, 8);
		/* lost only together with the view: then it is asked again */
		(void)order_send(o, ORDER_MSG_TOGETHER, head, sizeof(head),
		    NULL, 0);
		break;
	case ROLE_DO_CREATE_UNIT:
		o->ops.create_unit(o->ctx);
		break;
	case ROLE_N_EFFECTS:
		break;
	}
}

static void
say(struct order *o)
{
	struct role_hello h;
	struct order_position pos;

	role_hello_fill(&o->role, &h);
	o->ops.position(o->ctx, &pos);
	if (o->hb != NULL)
		heartbeat_say(o->hb, &h, pos.seq);
}

static void
run_effects(struct order *o, const struct role_effects *out)
{
	size_t i;

	for (i = 0; i < out->n && !o->failed; i++)
		run_effect(o, &out->v[i]);
}

static void
run_one(struct order *o, struct role_event *ev)
{
	enum role_state old = o->role.state;
	const char *code = o->role.reason.code;
	struct role_effects out;

	ev->now_ns = av_clock_ns();
	role_step(&o->role, ev, &out);
	if (o->role.state == ROLE_TOGETHER || o->role.state == ROLE_REJOINING)
		o->together_gen = o->role.rec.gen;
	if (o->role.state != old)
		log_notice("unit", "%s --%s--> %s, generation %llu: %s",
		    role_state_name(old), role_event_name(ev->type),
		    role_state_name(o->role.state),
		    (unsigned long long)o->role.rec.gen, o->role.reason.text);
	order_sync_role_changed(o);
	if (ev->type == ROLE_EV_MOVED && o->role.rec.gen != ev->gen)
		order_sync_again(o);
	/* the owner learns of REJOINING before the arbiter is asked */
	if (o->role.state != old || o->role.reason.code != code)
		o->ops.changed(o->ctx);
	run_effects(o, &out);
	if (out.n > 0 && !o->failed)
		say(o);
}

void
order_run_events(struct order *o)
{
	if (o->running)
		return;
	o->running = true;
	while (o->n_events > 0 && !o->failed) {
		struct role_event ev = o->events[0];

		o->n_events--;
		memmove(o->events, o->events + 1,
		    o->n_events * sizeof(o->events[0]));
		run_one(o, &ev);
	}
	o->running = false;
	if (!o->failed)
		order_cmd_flush(o);
}

static int
on_defer(sd_event_source *s, void *arg)
{
	struct order *o = arg;
	struct role_effects out = o->start;

	(void)s;
	o->start.n = 0;
	run_effects(o, &out);
	if (out.n > 0)
		say(o);
	order_run_events(o);
	return 0;
}

/* --- signs of life --- */

/* Since the youngest sign of the peer that has a time: beats and mirrors. */
static uint64_t
silent_ns(const struct order *o, uint64_t now)
{
	uint64_t heard = o->mirror_known ? o->mirror_seen_ns : 0;
	size_t i;

	for (i = 0; i < o->n_links; i++) {
		struct heartbeat_link_info l;

		heartbeat_link(o->hb, i, now, &l);
		if (l.heard_ns > heard)
			heard = l.heard_ns;
	}
	return heard != 0 && heard < now ? now - heard : 0;
}

static void
judge_signs(struct order *o)
{
	struct role_event gone = { .type = ROLE_EV_PEER_LOST };
	uint64_t now = av_clock_ns();
	bool hb = heartbeat_valid(o->hb, now), lost, quiet;
	bool mirror = o->mirror_known && now - o->mirror_seen_ns <
	    o->timing.mirror_lost_ns;

	if (hb != o->hb_peer) {
		o->hb_peer = hb;
		o->ops.changed(o->ctx);
	}
	quiet = !hb && !o->corosync_peer;
	lost = quiet && !mirror;
	if (lost == o->lost && quiet == o->quiet)
		return;
	if (lost && !o->lost && o->ops.losing != NULL)
		o->ops.losing(o->ctx);
	gone.silent_ns = silent_ns(o, now);
	if (!lost || o->lost)
		gone.type = quiet ? ROLE_EV_PEER_QUIET : ROLE_EV_PEER_BACK;
	order_event(o, &gone);
	o->lost = lost;
	o->quiet = quiet;
	o->ops.changed(o->ctx);
}

static void
on_nodes(void *arg, bool up, bool peer)
{
	struct order *o = arg;

	o->corosync_up = up;
	o->corosync_peer = peer;
	/* no message of a ring with the peer comes any more */
	if (!peer)
		order_sync_drop_view(o);
	judge_signs(o);
	order_run_events(o);
	o->ops.changed(o->ctx);
}

static void
on_group(void *arg, bool self, bool peer)
{
	struct order *o = arg;

	order_sync_group(o, self, peer);
	order_run_events(o);
	if (o->hello_at_ns == 1)
		order_sync_send_hello(o);
	o->ops.changed(o->ctx);
}

static void
on_deliver(void *arg, int node, const uint8_t *data, size_t n)
{
	struct order *o = arg;
	int rc;

	if (o->failed)
		return;
	rc = order_msg_feed(&o->inbox[node], data, n);
	if (rc == -ENOMEM) {	/* the other PM takes it: not to be passed over */
		struct av_err err = { 0 };

		(void)av_err_set(&err, rc, "no memory for a message");
		order_fatal(o, &err);
		return;
	}
	/* 1st, 2nd, 4th, 8th ...: told, but not a flood of it */
	o->n_bad += rc < 0 ? 1 : 0;
	if (rc < 0 && (o->n_bad & (o->n_bad - 1)) == 0)
		log_warn("unit", "a message of node%d isn't understood (%u "
		    "till now)", node, o->n_bad);
	if (rc <= 0)
		return;
	order_sync_message(o, node, &o->inbox[node]);
	order_msg_reset(&o->inbox[node]);
	order_run_events(o);
	if (o->hello_at_ns == 1)
		order_sync_send_hello(o);
}

static void
on_beat(void *arg, const struct heartbeat_beat *b)
{
	struct order *o = arg;
	struct role_event ev = { .type = ROLE_EV_PEER_INFO, .peer = b->hello };

	o->peer_timings = b->timing_hash != o->timing.hash;
	if (b->hello.rec.mode == ROLE_MODE_ALONE && !b->hello.rec.pending &&
	    b->hello.rec.gen > o->role.rec.gen)
		ev.type = ROLE_EV_PEER_OWNS;
	order_event(o, &ev);
	judge_signs(o);
	order_run_events(o);
}

static int
on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct order *o = arg;
	uint64_t now = av_clock_ns();
	struct role_event ev;

	(void)usec;
	(void)sd_event_source_set_time_relative(s,
	    o->timing.heartbeat_ns / 4000);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	judge_signs(o);
	order_run_events(o);
	while (!o->failed && role_timer_due(&o->role, now, &ev)) {
		order_event(o, &ev);
		order_run_events(o);
	}
	if (o->hello_at_ns != 0 && now >= o->hello_at_ns)
		order_sync_send_hello(o);
	order_cmd_tick(o, now);
	order_arbiter_tick(o, now);
	return 0;
}

/* --- open, close --- */

static int
open_record(struct order *o, struct role_record *rec, struct av_err *err)
{
	int rc = record_read(o->record_path, o->unit, o->node, rec, err);

	if (rc != -ENOENT)
		return rc;
	memset(rec, 0, sizeof(*rec));
	if (err != NULL)
		memset(err, 0, sizeof(*err));
	return 0;
}

static void
open_role(struct order *o, const struct order_conf *conf,
    const struct role_record *rec, struct role_effects *out)
{
	const struct role_times times = {
		.start_ns = o->timing.lost_ns,
		.join_ns = o->timing.join_ns,
		.frozen_ns = o->timing.frozen_ns,
		.retry_ns = o->timing.claim_retry_ns,
		.dead_ns = o->timing.peer_dead_ns,
		.stir_ns = o->timing.heartbeat_lost_ns,
	};

	role_init(&o->role, o->node, order_arbiter_role(conf->arbiter_kind),
	    &times, rec, conf->guests_running, av_clock_ns(), out);
}

static int
open_parts(struct order *o, const struct order_conf *conf, struct av_err *err)
{
	const struct order_arbiter ac = { .kind = conf->arbiter_kind,
		.address = conf->arbiter_address,
		.tls_dir = conf->arbiter_tls_dir };
	const struct membership_conf mc = { .unit_uuid = o->unit,
		.node = o->node, .reconnect_ns = o->timing.reconnect_ns,
		.arg = conf->membership_arg };
	static const struct membership_events mev = { .nodes = on_nodes,
		.group = on_group, .deliver = on_deliver };
	int rc;

	rc = sd_event_add_defer(o->loop, &o->defer, on_defer, o);
	if (rc >= 0)
		rc = sd_event_add_time_relative(o->loop, &o->tick,
		    CLOCK_MONOTONIC, 0, 1000, on_tick, o);
	if (rc < 0)
		return av_err_set(err, rc, "event loop: timer");
	(void)sd_event_source_set_priority(o->defer,
	    SD_EVENT_PRIORITY_IMPORTANT);
	rc = order_arbiter_open(o, &ac, err);
	if (rc == 0)
		rc = heartbeat_open(o->loop, conf, &o->timing, on_beat, o,
		    &o->hb, err);
	if (rc == 0)
		rc = o->mops->open(o->loop, &mc, &mev, o, &o->membership, err);
	return rc;
}

static int
check_conf(const struct order_conf *c, struct av_err *err)
{
	if (c->node != 0 && c->node != 1)
		return av_err_set(err, -EINVAL, "node must be 0 or 1");
	if (c->unit_uuid == NULL || strlen(c->unit_uuid) < 32 ||
	    strlen(c->unit_uuid) > 36)
		return av_err_set(err, -EINVAL, "unit uuid must be 32 hex "
		    "digits, with or without dashes");
	if (c->n_links < 1 || c->n_links > ORDER_LINKS_MAX)
		return av_err_set(err, -EINVAL, "1 to %d links are needed",
		    ORDER_LINKS_MAX);
	return 0;
}

int
order_open(sd_event *loop, const struct order_conf *conf,
    const struct order_ops *ops, void *ctx, struct order **ret,
    struct av_err *err)
{
	struct role_record rec;
	struct order *o;
	char line[512];
	int rc;

	rc = check_conf(conf, err);
	if (rc < 0)
		return rc;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return av_err_set(err, -ENOMEM, "order: no memory");
	o->loop = loop;
	o->ops = *ops;
	o->ctx = ctx;
	o->node = conf->node;
	o->lost = o->quiet = true;
	o->queued_last = &o->queued;
	o->n_links = conf->n_links;
	o->mops = conf->membership ? conf->membership : &membership_corosync_ops;
	(void)snprintf(o->unit, sizeof(o->unit), "%s", conf->unit_uuid);
	(void)snprintf(o->record_path, sizeof(o->record_path), "%s/role",
	    conf->state_dir);
	timing_fill(&o->timing, conf->time_scale ? conf->time_scale : 100);
	timing_format(&o->timing, line, sizeof(line));
	log_info("unit", "%s", line);
	if (getrandom(&o->nonce, sizeof(o->nonce), 0) != sizeof(o->nonce))
		o->nonce = av_clock_ns();
	rc = open_record(o, &rec, err);
	if (rc == 0) {
		open_role(o, conf, &rec, &o->start);
		rc = open_parts(o, conf, err);
	}
	if (rc < 0) {
		(void)order_close(o);
		return rc;
	}
	*ret = o;
	return 0;
}

struct order *
order_close(struct order *o)
{
	if (o == NULL)
		return NULL;
	order_cmd_dispose(o);
	o->hb = heartbeat_close(o->hb);
	if (o->membership != NULL)
		o->mops->close(o->membership);
	o->arbiter = arbiter_close(o->arbiter);
	sd_event_source_disable_unref(o->defer);
	sd_event_source_disable_unref(o->tick);
	order_sync_dispose(o);
	free(o);
	return NULL;
}

/* --- inputs from the owner --- */

void
order_mirror_seen(struct order *o, uint64_t peer_seen_ms)
{
	uint64_t now = av_clock_ns();

	o->mirror_known = peer_seen_ms != UINT64_MAX;
	if (o->mirror_known)
		o->mirror_seen_ns = peer_seen_ms * AV_NS_PER_MS > now ? 0 :
		    now - peer_seen_ms * AV_NS_PER_MS;
}

void
order_mirror_state(struct order *o, bool in_step, uint64_t peer_seen_ms)
{
	order_mirror_seen(o, peer_seen_ms);
	if (in_step != o->role.in_step)
		order_event_type(o, in_step ? ROLE_EV_IN_STEP :
		    ROLE_EV_OUT_OF_STEP);
}

void
order_guests_stopped(struct order *o)
{
	if (o->role.guests_maybe || o->role.state == ROLE_STOPPED)
		order_event_type(o, ROLE_EV_GUESTS_STOPPED);
}

int
order_takeover(struct order *o, struct av_err *err)
{
	enum role_state s = o->role.state;

	if (o->role.rec.mode == ROLE_MODE_NEW)
		return av_err_code(err, -EPERM, "wrong-state", "this PM isn't "
		    "part of a unit yet");
	if (s != ROLE_FROZEN && s != ROLE_WAITING && s != ROLE_SPLIT)
		return av_err_code(err, -EPERM, "wrong-state", "this PM is "
		    "'%s': there is nothing to take over",
		    role_state_name(s));
	if (!o->role.lost && s == ROLE_SPLIT)
		return av_err_code(err, -EPERM, "wrong-state", "both PMs ran "
		    "alone and both are there: choose what is kept with "
		    "'avcli split resolve'");
	if (!role_may_take_over(&o->role))
		return av_err_code(err, -EPERM, "wrong-state", "the other PM "
		    "shows signs of life: taking over could run guests twice");
	order_event_type(o, ROLE_EV_TAKEOVER);
	return 0;
}

void
order_stay(struct order *o)
{
	if (o->role.state == ROLE_TOGETHER && !o->role.asking &&
	    !o->role.staying)
		order_event_type(o, ROLE_EV_STAY);
}

bool
order_peer_hello(const struct order *o, struct role_hello *ret)
{
	if (!o->have_hello[1 - o->node])
		return false;
	*ret = o->hello[1 - o->node].role;
	return true;
}

void
order_resolve(struct order *o, int owner)
{
	struct role_event ev = { .type = ROLE_EV_RESOLVED, .owner = owner };

	if (o->role.state != ROLE_SPLIT || o->role.asking ||
	    !order_peer_hello(o, &ev.peer))
		return;
	order_event(o, &ev);
}

int
order_send_facts(struct order *o, const json_t *facts, struct av_err *err)
{
	AUTO_FREE char *text = json_dumps(facts, JSON_COMPACT);
	int rc;

	if (text == NULL)
		return av_err_set(err, -ENOMEM, "facts: no memory");
	rc = order_send(o, ORDER_MSG_FACTS, NULL, 0, text, strlen(text));
	return rc < 0 ? av_err_code(err, rc, "unavailable", "facts can't be "
	    "sent now") : 0;
}
