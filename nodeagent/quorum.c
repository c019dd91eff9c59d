/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/quorum.c - this PM's part in the unit's quorum servers
 *
 * Everything is compared and repeated until it is so.  The steps of a change, and
 * why no crash between them lets two servers grant: docs/DESIGN.md, section 5.
 */
#include "nodeagent/quorum_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "nodeagent/store_maintenance.h"

/* A change that takes longer is given up; confirming takes a second or two. */
#define CHANGE_NS	(15 * AV_NS_PER_S)

/* --- asking --- */

static struct quorum_slot *
slot_of(struct quorum *q, int64_t id)
{
	size_t i;

	for (i = 0; i < QUORUM_SERVERS_MAX; i++)
		if (q->slots[i].id == id)
			return &q->slots[i];
	return NULL;
}

static const char *
state_word(const struct quorum_slot *s)
{
	if (!s->known)
		return "unknown";
	/* one that isn't active yet needs to know nothing of us */
	if (s->state == ARBITER_EMPTY)
		return s->active ? "refused" : "ok";
	return arbiter_state_name(s->state);
}

/* What a well-formed record says that can't be right. */
static void
judge_record(const struct quorum *q, struct quorum_slot *s,
    const struct arbiter_record *rec)
{
	if (s->active && rec->gen < q->own_gen) {
		s->state = ARBITER_BAD;
		(void)snprintf(s->text, sizeof(s->text), "Its record is of "
		    "generation %" PRIu64 ", older than this PM's %" PRIu64
		    ": it lost its memory or was restored from a copy.",
		    rec->gen, q->own_gen);
	} else if (!s->active && rec->gen > q->own_gen) {
		s->state = ARBITER_BAD;
		(void)snprintf(s->text, sizeof(s->text), "Its record is of "
		    "generation %" PRIu64 ", newer than the unit's %" PRIu64
		    ": it isn't used until that key is removed there.",
		    rec->gen, q->own_gen);
	}
}

static void
seed_forget(struct quorum *q)
{
	q->seeding = 0;
	q->seeded = false;
}

static void
on_answer(void *arg, const struct arbiter_answer *a)
{
	struct quorum_slot *s = arg;
	struct quorum *q = s->q;
	char before[32];

	(void)snprintf(before, sizeof(before), "%s", state_word(s));
	s->known = true;
	s->state = a->state;
	(void)snprintf(s->text, sizeof(s->text), "%s", a->text);
	if (a->state == ARBITER_EMPTY && s->active)
		(void)snprintf(s->text, sizeof(s->text), "It doesn't know "
		    "this unit.");
	if (a->have_record && a->state == ARBITER_OK)
		judge_record(q, s, &a->record);
	if (strcmp(state_word(s), "ok") == 0)
		s->ok_utc_ms = av_clock_utc_ms();
	if (!a->probe && q->seeding == s->id) {
		seed_forget(q);
		if (a->kind == ROLE_EV_GRANTED) {
			q->seeding = s->id;
			q->seeded = true;
		}
		q->ops->changed(q->ctx, NULL);
	}
	if (strcmp(before, state_word(s)) != 0) {
		log_notice("unit", "quorum server o%" PRId64 ": %s %s", s->id,
		    state_word(s), s->text);
		q->ops->changed(q->ctx, NULL);
	}
}

/* --- slots follow the database --- */

static void
slot_close(struct quorum_slot *s)
{
	struct quorum *q = s->q;

	if (q->seeding == s->id)
		seed_forget(q);
	s->arbiter = arbiter_drop(s->arbiter);
	*s = (struct quorum_slot){ .q = q };
}

static void
slot_open(struct quorum *q, const struct quorum_server *row, uint64_t timeout_ns)
{
	struct quorum_slot *s = slot_of(q, 0);
	char dir[QUORUM_PATH_MAX];
	struct arbiter_conf ac = { .kind = row->kind, .address = row->address,
		.tls_dir = row->has_ca || row->has_cert ? dir : NULL,
		.unit_uuid = q->conf->unit_uuid, .node = q->conf->node,
		.timeout_ns = timeout_ns };
	struct av_err err = { 0 };
	int rc = 0;

	if (s == NULL)
		return;		/* the reader allows no more than there are slots */
	quorum_slot_dir(q, row->id, dir, sizeof(dir));
	if (ac.tls_dir != NULL)
		rc = quorum_files_make(q, row->id, &err);
	if (rc == 0)
		rc = arbiter_open(q->event, &ac, on_answer, s, &s->arbiter,
		    &err);
	if (rc < 0)
		log_err("unit", "quorum server %s: %s", row->id_text,
		    err.text);
	else
		s->id = row->id;	/* else again at the next pass */
}

static void
slots_follow(struct quorum *q, uint64_t timeout_ns)
{
	size_t i;

	for (i = 0; i < QUORUM_SERVERS_MAX; i++)
		if (q->slots[i].id != 0 &&
		    quorum_db_find(&q->db, q->slots[i].id) == NULL)
			slot_close(&q->slots[i]);
	for (i = 0; i < q->db.n; i++)
		if (slot_of(q, q->db.servers[i].id) == NULL)
			slot_open(q, &q->db.servers[i], timeout_ns);
}

static void
slots_probe(struct quorum *q, const struct timing *t)
{
	uint64_t now_ns = av_clock_ns();
	size_t i;

	for (i = 0; i < QUORUM_SERVERS_MAX; i++) {
		struct quorum_slot *s = &q->slots[i];

		s->active = s->id != 0 && s->id == q->db.active;
		if (s->id == 0 || now_ns < s->probe_at_ns ||
		    arbiter_busy(s->arbiter))
			continue;
		s->probe_at_ns = now_ns + t->probe_ns;
		(void)arbiter_probe(s->arbiter, NULL);	/* next time then */
	}
}

/* --- own commands --- */

static void
flown(void *arg, int rc)
{
	struct quorum *q = arg;

	(void)rc;		/* compared anew at the next pass */
	q->n_flying--;
}

static void
fly(struct quorum *q, const char *op, json_t *args)
{
	if (args == NULL)
		return;		/* no memory: next time */
	q->n_flying++;
	q->ops->order(q->ctx, op, args, flown, q);
}

static void
confirm_flown(void *arg, int rc)
{
	((struct quorum *)arg)->confirming = false;
	flown(arg, rc);
}

/* --- the active one --- */

static void
effective(struct quorum *q, bool is_new, struct order_arbiter *ret)
{
	const struct quorum_server *s;
	const char *kind = quorum_db_effective(&q->db, is_new, &s);

	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	if (strcmp(kind, "conf") == 0) {
		ret->kind = q->conf->arbiter;
		ret->address = q->conf->arbiter_url;
		ret->tls_dir = q->conf->arbiter_cert_dir;
	}
	if (s == NULL)
		return;
	ret->address = s->address;
	if (s->has_ca || s->has_cert) {
		quorum_slot_dir(q, s->id, q->tls_dir, sizeof(q->tls_dir));
		ret->tls_dir = q->tls_dir;
	}
}

void
quorum_first(struct quorum *q, bool is_new, struct order_arbiter *ret)
{
	struct av_err err = { 0 };

	effective(q, is_new, ret);
	if (ret->tls_dir == q->tls_dir &&
	    quorum_files_make(q, q->db.active, &err) < 0)
		log_err("unit", "quorum server: %s", err.text);
}

/* --- the change: seed -> switch -> confirm, confirm --- */

static bool
server_ok(const struct quorum *q, int node, const char *id)
{
	const json_t *f = q->ops->facts(q->ctx, node);
	const char *state = json_string_value(json_object_get(json_object_get(
	    json_object_get(json_object_get(f, "quorum"), "servers"), id),
	    "state"));

	return state != NULL && strcmp(state, "ok") == 0;
}

static uint64_t
lasting_ms(const struct quorum *q, uint64_t *since_ns, bool is_so)
{
	uint64_t now_ns = av_clock_ns();

	if (!is_so)
		*since_ns = 0;
	else if (*since_ns == 0)
		*since_ns = now_ns;
	/* as on a PM that isn't slow: the questions take as much longer */
	return is_so ? (now_ns - *since_ns) / av_scaled_ns(
	    q->conf->time_scale, AV_NS_PER_MS) : 0;
}

static int64_t
plan(struct quorum *q)
{
	bool ok[QUORUM_SERVERS_MAX][2] = { { false } };
	bool active_bad = false, home = false;
	uint64_t bad_ms, good_ms;
	size_t i;

	for (i = 0; i < q->db.n; i++) {
		const struct quorum_server *s = &q->db.servers[i];
		bool is_active = s->id == q->db.active;

		ok[i][0] = server_ok(q, 0, s->id_text);
		ok[i][1] = server_ok(q, 1, s->id_text);
		active_bad |= is_active && !(ok[i][0] && ok[i][1]);
		home |= !is_active && s->preferred && ok[i][0] && ok[i][1];
	}
	bad_ms = lasting_ms(q, &q->bad_since_ns, active_bad);
	good_ms = lasting_ms(q, &q->good_since_ns, home);
	return quorum_plan(&q->db, ok, bad_ms, good_ms);
}

/* The peer's part of quorum_may_confirm(), as far as facts tell. */
static bool
peer_is_there(const struct quorum *q)
{
	const char *role = json_string_value(json_object_get(json_object_get(
	    q->ops->facts(q->ctx, 1 - q->conf->node), "role"), "state"));

	return role != NULL && (strcmp(role, "together") == 0 ||
	    strcmp(role, "follower") == 0);
}

/* Nobody asks it yet, so any record up to this generation may be replaced. */
static void
seed(struct quorum *q, const struct role *r, int64_t id)
{
	struct quorum_slot *s = slot_of(q, id);
	struct role_move m = { .from_empty = true, .from_lower = true,
		.from_mine_gen = r->rec.gen, .from_both_gen = r->rec.gen,
		.to_gen = r->rec.gen, .to_owner = r->state == ROLE_ALONE ?
		q->conf->node : -1 };

	if (s == NULL || arbiter_busy(s->arbiter) ||
	    arbiter_ask(s->arbiter, &m, NULL) < 0)
		return;
	q->seeding = id;
	q->seeded = false;
	q->seed_gen = r->rec.gen;
}

/* Its record says {seed_gen, ...}: both PMs may leave the old one, if that still is
 * the generation.  A hand-back that began meanwhile would cross the change. */
static void
begin_change(struct quorum *q, const struct role *r)
{
	char id[STORE_ID_MAX], token[33];
	uint64_t chance[2];
	int64_t to = q->seeding;

	seed_forget(q);
	if (!quorum_may_confirm(r, q->seed_gen))
		return;
	if (getrandom(chance, sizeof(chance), 0) != sizeof(chance))
		return;
	(void)snprintf(token, sizeof(token), "%016" PRIx64 "%016" PRIx64,
	    chance[0], chance[1]);
	(void)snprintf(id, sizeof(id), "quorum:o%" PRId64, to);
	fly(q, "quorum.switch", json_pack("{s:s,s:s,s:I}", "server", id,
	    "token", token, "generation", (json_int_t)q->seed_gen));
}

static void
confirm(struct quorum *q, const struct order *order, const struct role *r)
{
	if (q->db.next == 0 || q->confirming || q->n_flying > 0 ||
	    (q->db.confirmed & (1u << q->conf->node)) != 0)
		return;
	if (!order_arbiter_idle(order) || !quorum_may_confirm(r, q->db.gen))
		return;
	q->confirming = true;
	q->n_flying++;
	q->ops->order(q->ctx, "quorum.confirm", json_pack("{s:s,s:s}", "node",
	    q->conf->node == 0 ? "node0" : "node1", "token", q->db.token),
	    confirm_flown, q);
}

static void
give_up(struct quorum *q, const struct role *r)
{
	const char *why = NULL;

	if (q->db.next == 0) {
		q->change_since_ns = 0;
		return;
	}
	if (q->change_since_ns == 0)
		q->change_since_ns = av_clock_ns();
	if (r->rec.gen != q->db.gen)
		why = "the unit's generation has changed meanwhile";
	else if (av_clock_ns() - q->change_since_ns >
	    av_scaled_ns(q->conf->time_scale, CHANGE_NS))
		why = "a PM didn't confirm it in time";
	if (why != NULL)
		fly(q, "quorum.abort", json_pack("{s:s,s:s}", "token",
		    q->db.token, "reason", why));
}

/* What conf says becomes rows, once. */
static void
import(struct quorum *q)
{
	const struct agent_conf *c = q->conf;
	static const char *const files[] = { "ca.crt", "client.crt",
		"client.key" };
	static const char *const keys[] = { "ca", "cert", "key" };
	json_t *args = json_pack("{s:s,s:s}", "kind", c->arbiter, "address",
	    c->arbiter_url ? c->arbiter_url : "");
	bool tls = c->arbiter_url != NULL && c->arbiter_cert_dir != NULL &&
	    strncmp(c->arbiter_url, "https://", 8) == 0;
	size_t i;

	for (i = 0; tls && i < 3; i++) {
		AUTO_FREE char *text = NULL;
		struct av_err err = { 0 };
		char path[QUORUM_PATH_MAX];

		(void)snprintf(path, sizeof(path), "%.300s/%s",
		    c->arbiter_cert_dir, files[i]);
		if (av_file_read(path, QUORUM_PEM_MAX, &text, NULL, &err) < 0) {
			log_err("unit", "quorum server of avnoded.conf: %s",
			    err.text);
			json_decref(args);
			return;
		}
		(void)json_object_set_new(args, keys[i], json_string(text));
		explicit_bzero(text, strlen(text));
	}
	fly(q, "quorum.import", args);
}

/* --- every pass --- */

/* It would be refused: command_quorum.c says why. */
static bool
somebody_leaves(const struct quorum *q)
{
	return store_node_leaving(q->store, 0) ||
	    store_node_leaving(q->store, 1);
}

static void
lead_on(struct quorum *q, const struct role *r)
{
	int64_t to;

	if (q->n_flying > 0)
		return;
	if (!q->db.imported) {
		if (r->state == ROLE_TOGETHER || r->state == ROLE_ALONE)
			import(q);
		return;
	}
	give_up(q, r);
	if (q->seeded && q->n_flying == 0)
		begin_change(q, r);
	if (q->db.next != 0 || q->seeding != 0 || q->n_flying > 0)
		return;
	to = plan(q);
	/* a PM by itself never changes it */
	if (to != 0 && peer_is_there(q) && quorum_may_confirm(r, r->rec.gen) &&
	    !(r->state == ROLE_TOGETHER && somebody_leaves(q)))
		seed(q, r, to);
}

void
quorum_reconcile(struct quorum *q, struct order *order, bool lead)
{
	const struct role *r = order_role(order);
	const struct timing *t = order_timing(order);
	struct quorum_state db;
	struct order_arbiter oa;
	struct av_err err = { 0 };
	int rc = quorum_db_read(q->store, &db);

	if (rc < 0)
		return;		/* the next command stops the agent, if it lasts */
	q->files_swept = q->files_swept && db.n == q->db.n;
	q->db = db;
	q->own_gen = r->rec.gen;
	slots_follow(q, t->arbiter_ns);
	effective(q, r->rec.mode == ROLE_MODE_NEW, &oa);
	rc = order_set_arbiter(order, &oa, &err);
	if (rc < 0 && rc != -EBUSY)
		log_err("unit", "quorum server: %s", err.text);
	slots_probe(q, t);
	if (rc == 0)	/* the one to be asked is the one that is set */
		confirm(q, order, r);
	if (lead && db.exists)
		lead_on(q, r);
	else if (q->seeded)
		seed_forget(q);
	if (!q->files_swept && rc == 0) {
		q->files_swept = true;
		quorum_files_sweep(q);
	}
	quorum_checks_step(q);
}

int
quorum_open(sd_event *event, const struct agent_conf *conf,
    struct store *store, const struct quorum_ops *ops, void *ctx,
    struct quorum **ret, struct av_err *err)
{
	struct quorum *q = calloc(1, sizeof(*q));
	size_t i;
	int rc;

	if (q == NULL)
		return av_err_set(err, -ENOMEM, "quorum: no memory");
	*q = (struct quorum){ .event = event, .conf = conf, .store = store,
	    .ops = ops, .ctx = ctx };
	for (i = 0; i < QUORUM_SERVERS_MAX; i++)
		q->slots[i].q = q;
	rc = quorum_db_read(store, &q->db);
	if (rc < 0) {
		free(q);
		return av_err_set(err, rc, "database: reading the quorum "
		    "servers");
	}
	*ret = q;
	return 0;
}

struct quorum *
quorum_close(struct quorum *q)
{
	size_t i;

	if (q == NULL)
		return NULL;
	quorum_checks_dispose(q);
	for (i = 0; i < QUORUM_SERVERS_MAX; i++)
		q->slots[i].arbiter = arbiter_close(q->slots[i].arbiter);
	free(q);
	return NULL;
}

json_t *
quorum_facts(const struct quorum *q)
{
	json_t *all = json_object();
	char id[STORE_ID_MAX], utc[32];
	size_t i;

	for (i = 0; all != NULL && i < QUORUM_SERVERS_MAX; i++) {
		const struct quorum_slot *s = &q->slots[i];

		if (s->id == 0)
			continue;
		(void)snprintf(id, sizeof(id), "quorum:o%" PRId64, s->id);
		av_clock_format_utc(s->ok_utc_ms, utc, sizeof(utc));
		(void)json_object_set_new(all, id, json_pack("{s:s,s:s,s:o}",
		    "state", state_word(s), "text", s->text, "ok_utc",
		    s->ok_utc_ms == 0 ? json_null() : json_string(utc)));
	}
	return json_pack("{s:o}", "servers", all);
}
