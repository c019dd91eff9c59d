/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/sim.c - driver "sim": volumes without data, in memory
 *
 * For tests of the owner: orders, roles, identities and connection states behave
 * as those of the replica; there is no data and a resync takes one turn of the
 * loop.  Legs are named by (dir, id) and live until mirror_sim_reset(); so does
 * a server that runs when its owner lets go of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "mirror/mirror.h"
#include "mirror/replica/identity.h"

struct sim_leg {
	char			dir[MIRROR_PATH_MAX], id[MIRROR_ID_MAX];
	struct mirror_leg_info	info;
	struct sim_leg		*next;
};

struct sim_answer {		/* to an order, told in the next turn */
	struct mirror_op	*op;
	int			rc;
	struct av_err		err;
	struct sim_answer	*next;
};

struct sim {
	struct mirror	m;
	struct sim_leg	*leg;
	char		volume_uuid[40];
	char		front[MIRROR_PATH_MAX + 16];
	struct mirror_status st;
	sd_event	*loop;
	sd_event_source	*turn;		/* finishes ops, tells changes */
	mirror_changed_fn changed;
	void		*arg;
	uint64_t	hold_due;
	uint64_t	damaged;	/* what the next verify finds */
	bool		failed;		/* its leg, for the server's life */
	uint64_t	diskless_gen;
	struct sim_answer *answers;
	char		dir[MIRROR_PATH_MAX], id[MIRROR_ID_MAX];
	struct sim	*next;
};

static struct sim_leg *legs;
static struct sim *sims;
static char cut_uuid[40];
static uint64_t next_id = 0x1000;
static uint64_t no_space_beyond = UINT64_MAX;

static struct sim_leg *
leg_find(const char *dir, const char *id)
{
	struct sim_leg *l;

	for (l = legs; l != NULL; l = l->next)
		if (strcmp(l->dir, dir) == 0 && strcmp(l->id, id) == 0)
			return l;
	return NULL;
}

static int
sim_leg_create(const struct mirror_leg_spec *spec, struct av_err *err)
{
	struct sim_leg *l;

	if (leg_find(spec->dir, spec->id) != NULL)
		return av_err_code(err, -EEXIST, "leg-exists",
		    "'%s' exists already", spec->id);
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	(void)snprintf(l->dir, sizeof(l->dir), "%s", spec->dir);
	(void)snprintf(l->id, sizeof(l->id), "%s", spec->id);
	(void)snprintf(l->info.unit_uuid, sizeof(l->info.unit_uuid), "%s",
	    spec->unit_uuid);
	(void)snprintf(l->info.volume_uuid, sizeof(l->info.volume_uuid), "%s",
	    spec->volume_uuid);
	l->info.size_bytes = spec->size_bytes;
	l->info.gi.current = spec->initial_current == 0 ?
	    IDENTITY_JUST_CREATED :
	    identity_clean_random(spec->initial_current);
	l->info.gen = spec->gen;
	l->info.disk = spec->initial_current == 0 ?
	    MIRROR_DISK_INCONSISTENT : MIRROR_DISK_UPTODATE;
	l->next = legs;
	legs = l;
	return 0;
}

static int
sim_leg_delete(const char *dir, const char *id, struct av_err *err)
{
	struct sim_leg **at, *l = leg_find(dir, id);
	struct sim *s;

	if (l == NULL)
		return av_err_code(err, -ENOENT, "leg-missing",
		    "'%s' doesn't exist", id);
	for (s = sims; s != NULL; s = s->next)
		if (s->leg == l && s->st.server == MIRROR_SERVER_UP)
			return av_err_code(err, -EBUSY, "volume-in-use",
			    "'%s' is in use", id);
	for (at = &legs; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	free(l);
	return 0;
}

static int
sim_leg_read(const char *dir, const char *id, struct mirror_leg_info *ret,
    struct av_err *err)
{
	const struct sim_leg *l = leg_find(dir, id);

	if (l == NULL)
		return av_err_code(err, -ENOENT, "leg-missing",
		    "'%s' doesn't exist", id);
	*ret = l->info;
	return 0;
}

/* --- state --- */

static void
touch(struct sim *s)
{
	if (s->turn != NULL)	/* NULL: it runs without an owner */
		(void)sd_event_source_set_enabled(s->turn, SD_EVENT_ONESHOT);
}

static void
say(struct sim *s, const char *code, const char *text)
{
	(void)snprintf(s->st.error_code, sizeof(s->st.error_code), "%s",
	    code);
	(void)snprintf(s->st.error_text, sizeof(s->st.error_text), "%s",
	    text);
}

static struct sim *
peer_of(const struct sim *s)
{
	struct sim *p;

	for (p = sims; p != NULL; p = p->next)
		if (p != s && strcmp(p->volume_uuid, s->volume_uuid) == 0 &&
		    p->st.server == MIRROR_SERVER_UP && p->st.wants_connect &&
		    strcmp(cut_uuid, s->volume_uuid) != 0)
			return p;
	return NULL;
}

static struct identity
identity_of(const struct sim *s)
{
	const struct mirror_gi *g = &s->leg->info.gi;

	return (struct identity){ .current = g->current, .bitmap = g->bitmap,
		.h0 = g->h0, .h1 = g->h1,
		.primary = s->st.role == MIRROR_PRIMARY,
		.crashed_primary = s->leg->info.crashed_primary,
		.inconsistent = s->leg->info.disk ==
		    MIRROR_DISK_INCONSISTENT,
		.tie_break = s < peer_of(s) };
}

static void
identity_put(struct sim *s, const struct identity *id)
{
	s->leg->info.gi = (struct mirror_gi){ id->current, id->bitmap,
		id->h0, id->h1 };
}

static void
in_step(struct sim *s, struct sim *p, bool copied)
{
	struct identity si = identity_of(s), pi = identity_of(p);

	if (copied) {
		identity_source_start(&si, next_id += 2);
		identity_target_start(&pi, &si);
		identity_target_finish(&pi, &si);
		identity_source_finish(&si);
		identity_put(s, &si);
		identity_put(p, &pi);
		s->st.resync_count++;
	}
	p->leg->info.disk = MIRROR_DISK_UPTODATE;
	p->leg->info.gen = s->leg->info.gen;
	if (p->leg->info.size_bytes < s->leg->info.size_bytes)
		p->leg->info.size_bytes = s->leg->info.size_bytes;
	else
		s->leg->info.size_bytes = p->leg->info.size_bytes;
	s->st.size_bytes = p->st.size_bytes = s->leg->info.size_bytes;
	s->st.peer_size_bytes = p->st.peer_size_bytes = s->st.size_bytes;
	s->leg->info.peer_outdated = p->leg->info.peer_outdated = false;
	s->leg->info.crashed_primary = p->leg->info.crashed_primary = false;
	s->st.alone = false;
	s->st.peer_connected = true;
	s->st.conn = p->st.conn = MIRROR_CONNECTED;
	s->st.peer_disk = p->st.peer_disk = MIRROR_DISK_UPTODATE;
	s->st.error_code[0] = s->st.error_text[0] = '\0';
	touch(s);
	touch(p);
}

static void
lose(struct sim *s)
{
	if (s->st.role != MIRROR_PRIMARY)
		s->st.conn = MIRROR_DISCONNECTED;
	else if (s->st.conn == MIRROR_CONNECTED ||
	    s->st.conn == MIRROR_RESYNC_SOURCE ||
	    s->st.conn == MIRROR_DISKLESS)
		s->st.conn = MIRROR_HELD;
	s->st.peer_connected = s->st.peer_primary = s->st.window = false;
	s->st.peer_disk = MIRROR_DISK_UNKNOWN;
	touch(s);
}

static void sim_serve_diskless(struct sim *s, struct sim *p);

/* One leg has failed, for the life of its server. */
static void
settle_failed(struct sim *s, struct sim *p)
{
	bool was = s->st.conn == MIRROR_CONNECTED;

	if (s->st.role != MIRROR_PRIMARY || p->st.role == MIRROR_PRIMARY) {
		if (p->st.role != MIRROR_PRIMARY)
			s->st.conn = MIRROR_DISCONNECTED;
	} else if (p->failed) {
		if (was)
			s->st.conn = MIRROR_HELD;
		if (!s->st.alone && strcmp(s->st.error_code,
		    "peer-disk-error") != 0) {
			say(s, "peer-disk-error", "the peer's disk failed");
			p->st.conn = MIRROR_DISCONNECTED;
			touch(s);
			touch(p);
		}
		s->st.peer_disk = MIRROR_DISK_FAILED;
	} else if (s->st.diskless && s->st.conn == MIRROR_HELD) {
		sim_serve_diskless(s, p);
	} else if (was) {
		s->st.conn = MIRROR_HELD;
		s->st.peer_connected = true;
		say(s, "disk-error", "this PM's disk failed a request");
		touch(s);
	}
}

static void
settle(struct sim *s)
{
	struct sim *p = peer_of(s);
	struct identity si, pi;
	enum verdict v;
	int rule;

	if (p == NULL || !s->st.wants_connect) {
		if (s->st.conn == MIRROR_CONNECTED ||
		    s->st.conn == MIRROR_RESYNC_SOURCE ||
		    s->st.conn == MIRROR_RESYNC_TARGET ||
		    s->st.conn == MIRROR_DISKLESS || s->st.peer_connected)
			lose(s);
		return;
	}
	if (s->failed || p->failed) {
		settle_failed(s, p);
		return;
	}
	if (s->st.role != MIRROR_PRIMARY || p->st.role == MIRROR_PRIMARY ||
	    s->st.conn == MIRROR_CONNECTED) {
		if (s->st.role != MIRROR_PRIMARY &&
		    p->st.role != MIRROR_PRIMARY &&
		    s->st.conn == MIRROR_CONNECTED)
			lose(s);
		return;
	}
	si = identity_of(s);
	pi = identity_of(p);
	v = identity_decide(&si, &pi, &rule);
	if (s->st.resync_paused && (v == VERDICT_SOURCE ||
	    v == VERDICT_SOURCE_FULL)) {
		/* as the replica: it has begun, and doesn't go on */
		if (s->st.conn != MIRROR_RESYNC_SOURCE)
			touch(s);
		s->st.conn = MIRROR_RESYNC_SOURCE;
		p->st.conn = MIRROR_RESYNC_TARGET;
		p->leg->info.disk = MIRROR_DISK_INCONSISTENT;
		s->st.peer_disk = MIRROR_DISK_INCONSISTENT;
		s->st.alone = false;
	} else if (v == VERDICT_NONE || v == VERDICT_SOURCE ||
	    v == VERDICT_SOURCE_FULL) {
		in_step(s, p, v != VERDICT_NONE);
	} else if (s->st.conn != MIRROR_SPLIT) {
		s->st.conn = MIRROR_SPLIT;
		(void)snprintf(s->st.error_code, sizeof(s->st.error_code),
		    "%s", verdict_name(v));
		touch(s);
	}
}

static void
settle_all(void)
{
	struct sim *s;

	for (s = sims; s != NULL; s = s->next)
		if (s->st.server == MIRROR_SERVER_UP)
			settle(s);
}

/* --- orders --- */

static void
sim_go_alone(struct sim *s, uint64_t gen)
{
	struct identity id = identity_of(s);
	struct sim *p = peer_of(s);

	(void)identity_go_alone(&id, next_id += 2);
	identity_put(s, &id);
	s->leg->info.gen = gen;
	s->leg->info.peer_outdated = true;
	s->st.alone = true;
	s->st.conn = MIRROR_DISCONNECTED;
	if (p != NULL)
		lose(p);
}

/* --- two primaries, for the time of a migration --- */

/* The one that is left leads alone; both secondary: nobody connects. */
static void
sim_second_ends(struct sim *s, struct sim *p)
{
	s->st.role = MIRROR_SECONDARY;
	s->st.peer_primary = true;
	p->st.peer_primary = false;
	touch(p);
}

static int
sim_second(struct sim *s, struct sim *p, struct av_err *err)
{
	if (!s->st.window || !p->st.window)
		return av_err_code(err, -EPERM, "wrong-state",
		    "the peer is primary, and no window is open");
	s->st.role = MIRROR_PRIMARY;
	s->st.peer_primary = p->st.peer_primary = true;
	s->st.peer_connected = true;
	touch(p);
	return 0;
}

static int
sim_window(struct sim *s, bool open, struct av_err *err)
{
	if (open && s->st.conn != MIRROR_CONNECTED)
		return av_err_code(err, -EPERM, "wrong-state",
		    "both legs aren't connected and in step");
	if (!open && s->st.role == MIRROR_PRIMARY && s->st.peer_primary)
		return av_err_code(err, -EPERM, "wrong-state",
		    "both PMs are primary");
	s->st.window = open;
	return 0;
}

static int
sim_primary(struct sim *s, const struct mirror_order *o, struct av_err *err)
{
	struct sim *p = peer_of(s);

	if (s->st.role == MIRROR_PRIMARY)
		return av_err_code(err, -EALREADY, "wrong-role",
		    "it is primary already");
	if (s->failed)
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "this PM's disk has failed");
	if (s->leg->info.disk != MIRROR_DISK_UPTODATE)
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "this copy is %s", mirror_disk_name(s->leg->info.disk));
	if (s->m.ops->window && !o->alone && p != NULL &&
	    s->st.conn == MIRROR_CONNECTED && p->st.role == MIRROR_PRIMARY)
		return sim_second(s, p, err);
	s->st.role = MIRROR_PRIMARY;
	s->st.conn = MIRROR_CONNECTING;
	if (o->alone)
		sim_go_alone(s, o->gen);
	return 0;
}

/* What the peer's leg records; 'conn' of both says that it serves. */
static void
sim_serve_diskless(struct sim *s, struct sim *p)
{
	struct identity si = identity_of(s), pi = identity_of(p);

	if (identity_go_diskless(&pi, &si, next_id += 2))
		identity_put(p, &pi);
	p->leg->info.gen = s->diskless_gen;
	p->leg->info.peer_outdated = true;
	s->leg->info.disk = MIRROR_DISK_OUTDATED;
	s->st.conn = p->st.conn = MIRROR_DISKLESS;
	s->st.peer_disk = MIRROR_DISK_UPTODATE;
	p->st.peer_disk = MIRROR_DISK_FAILED;
	s->st.peer_connected = true;
	say(s, "", "");
	touch(s);
	touch(p);
}

static int
sim_diskless(struct sim *s, uint64_t gen, struct av_err *err)
{
	struct sim *p = peer_of(s);

	if (s->st.role != MIRROR_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-role",
		    "only a primary can give up its leg");
	if (s->st.alone)
		return av_err_code(err, -EPERM, "wrong-state",
		    "it is alone: there is no other leg");
	if (s->st.conn == MIRROR_DISKLESS)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "it works without its leg already");
	s->st.diskless = s->failed = true;
	s->diskless_gen = gen;
	if (p == NULL)
		return av_err_code(err, -ENOTCONN, "peer-unreachable",
		    "it goes on when the peer is back");
	sim_serve_diskless(s, p);
	return 0;
}

/* Begun; the next turn of the loop ends it. */
static int
sim_verify(struct sim *s, bool repair, struct av_err *err)
{
	struct mirror_verify *v = &s->st.verify;

	if (s->st.role != MIRROR_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-role",
		    "the primary verifies");
	if (v->state == MIRROR_VERIFY_RUNNING)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "a verify is running already");
	if (s->st.conn != MIRROR_CONNECTED)
		return av_err_code(err, -ENOTCONN, "wrong-state",
		    "the peer isn't connected");
	*v = (struct mirror_verify){ .state = MIRROR_VERIFY_RUNNING,
		.repair = repair, .total_bytes = s->st.size_bytes,
		.last = v->last };
	return 0;
}

static void
sim_verify_turn(struct sim *s)
{
	struct mirror_verify *v = &s->st.verify;

	if (v->state != MIRROR_VERIFY_RUNNING ||
	    s->st.conn != MIRROR_CONNECTED)
		return;
	v->state = MIRROR_VERIFY_DONE;
	v->done_bytes = v->total_bytes;
	v->n_found = s->damaged;
	while (v->n_list < v->n_found && v->n_list < MIRROR_VERIFY_LIST_MAX) {
		v->list[v->n_list] = v->n_list * MIRROR_CHUNK_BYTES;
		v->n_list++;
	}
	if (v->repair) {
		v->n_repaired = v->n_found;
		s->damaged = 0;
	}
	v->finished_at = (int64_t)time(NULL);
	v->last = (struct mirror_verify_last){ .state = v->state,
		.finished_at = v->finished_at, .repair = v->repair,
		.n_found = v->n_found, .n_repaired = v->n_repaired };
}

static int
sim_grow(struct sim *s, uint64_t to, struct av_err *err)
{
	struct sim *p = peer_of(s);

	if (s->st.role != MIRROR_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-role",
		    "the primary grows a volume");
	if (to < s->leg->info.size_bytes)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a volume only grows");
	if (s->st.conn != MIRROR_CONNECTED || p == NULL)
		return av_err_code(err, -ENOTCONN, "wrong-state",
		    "both copies must be connected and in step");
	if (to > no_space_beyond)
		return av_err_code(err, -ENOSPC, "no-space",
		    "not enough space for the larger volume");
	s->leg->info.size_bytes = p->leg->info.size_bytes = to;
	s->st.size_bytes = p->st.size_bytes = to;
	s->st.peer_size_bytes = p->st.peer_size_bytes = to;
	touch(p);
	return 0;
}

static void
hold_look(struct sim *s)
{
	if (s->st.hold == MIRROR_HOLD_HELD && (av_clock_ns() >= s->hold_due ||
	    s->st.role != MIRROR_PRIMARY)) {
		s->st.hold = MIRROR_HOLD_EXPIRED;
		s->st.hold_left_ms = 0;
	}
}

static int
sim_hold(struct sim *s, uint32_t timeout_ms, struct av_err *err)
{
	hold_look(s);
	if (s->st.role != MIRROR_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-role",
		    "the primary holds writes");
	if (s->st.hold == MIRROR_HOLD_HELD)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "writes are held already");
	if (s->st.conn != MIRROR_CONNECTED && !s->st.alone)
		return av_err_code(err, -ENOTCONN, "wrong-state",
		    "the peer is lost and it isn't decided how to go on");
	s->st.hold = MIRROR_HOLD_HELD;
	s->st.hold_left_ms = timeout_ms;
	s->hold_due = av_clock_ns() + timeout_ms * AV_NS_PER_MS;
	return 0;
}

static int
sim_release(struct sim *s, struct av_err *err)
{
	enum mirror_hold was;

	hold_look(s);
	was = s->st.hold;
	s->st.hold = MIRROR_HOLD_NONE;
	s->st.hold_left_ms = 0;
	if (was == MIRROR_HOLD_NONE)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "no writes are held");
	return was == MIRROR_HOLD_HELD ? 0 : av_err_code(err, -ETIME,
	    "hold-expired", "writes went on before they were released");
}

static int
sim_run(struct sim *s, const struct mirror_order *o, struct av_err *err)
{
	bool primary = s->st.role == MIRROR_PRIMARY;

	switch (o->verb) {
	case MIRROR_V_PRIMARY:
		return sim_primary(s, o, err);
	case MIRROR_V_ALONE:
		if (!primary)
			return av_err_code(err, -EPERM, "wrong-role",
			    "only a primary can go on alone");
		if (s->st.diskless)
			return av_err_code(err, -EPERM, "not-up-to-date",
			    "this PM's leg was given up");
		if (s->st.alone && s->leg->info.gen == o->gen)
			return av_err_code(err, -EALREADY, "wrong-state",
			    "it is alone at this generation already");
		sim_go_alone(s, o->gen);
		return 0;
	case MIRROR_V_WINDOW:
		return sim_window(s, o->open, err);
	case MIRROR_V_SECONDARY:
		if (primary && s->st.peer_primary && peer_of(s) != NULL) {
			sim_second_ends(s, peer_of(s));
			return 0;
		}
		s->st.role = MIRROR_SECONDARY;
		s->st.alone = s->st.diskless = false;
		lose(s);
		return 0;
	case MIRROR_V_OUTDATE:
		if (primary)
			return av_err_code(err, -EPERM, "wrong-role",
			    "a primary can't be outdated");
		s->leg->info.disk = MIRROR_DISK_OUTDATED;
		lose(s);
		return 0;
	case MIRROR_V_DISCARD:
		if (primary)
			return av_err_code(err, -EPERM, "wrong-role",
			    "a primary's copy can't be discarded");
		s->leg->info.disk = MIRROR_DISK_INCONSISTENT;
		lose(s);
		return 0;
	case MIRROR_V_CONNECT:
	case MIRROR_V_DISCONNECT:
		s->st.wants_connect = o->verb == MIRROR_V_CONNECT;
		return 0;
	case MIRROR_V_STOP:
		s->st.server = MIRROR_SERVER_DOWN;
		s->st.role = MIRROR_SECONDARY;
		lose(s);
		return 0;
	case MIRROR_V_VERIFY:
		return sim_verify(s, o->repair, err);
	case MIRROR_V_VERIFY_CANCEL:
		if (s->st.verify.state != MIRROR_VERIFY_RUNNING)
			return av_err_code(err, -EALREADY, "wrong-state",
			    "no verify is running");
		s->st.verify.state = MIRROR_VERIFY_CANCELLED;
		return 0;
	case MIRROR_V_DISKLESS:
		return sim_diskless(s, o->gen, err);
	case MIRROR_V_ALIVE:
		s->st.lease_ms = o->lease_ms;
		return 0;
	case MIRROR_V_RATE:
		s->st.resync_limit_kib_s = o->rate_kib_s;
		return 0;
	case MIRROR_V_RESYNC_PAUSE:
	case MIRROR_V_RESYNC_RESUME:
		s->st.resync_paused = o->verb == MIRROR_V_RESYNC_PAUSE;
		return 0;
	case MIRROR_V_GROW:
		return sim_grow(s, o->new_size_bytes, err);
	case MIRROR_V_HOLD:
		return sim_hold(s, o->timeout_ms, err);
	case MIRROR_V_RELEASE:
		return sim_release(s, err);
	case MIRROR_V_DIGEST:
	default:
		return 0;
	}
}

static void
answer_next(struct sim *s)
{
	struct sim_answer *a = s->answers;

	s->answers = a->next;
	a->op->done(a->op, a->rc, &a->err);	/* 'op' may be gone now */
	free(a);
}

static void
start_server(struct sim *s)
{
	s->leg = leg_find(s->dir, s->id);
	s->failed = s->st.diskless = false;
	if (s->leg != NULL) {
		s->st.server = MIRROR_SERVER_UP;
		s->st.size_bytes = s->leg->info.size_bytes;
		return;
	}
	s->st.server = MIRROR_SERVER_DOWN;
	(void)snprintf(s->st.error_code, sizeof(s->st.error_code),
	    "leg-missing");
	(void)snprintf(s->st.error_text, sizeof(s->st.error_text),
	    "'%s' doesn't exist", s->id);
}

static int
on_turn(sd_event_source *es, void *arg)
{
	struct sim *s = arg;

	(void)es;
	if (s->st.server == MIRROR_SERVER_STARTING)
		start_server(s);
	settle_all();
	sim_verify_turn(s);
	hold_look(s);
	if (s->leg != NULL) {
		s->st.disk = s->failed ? MIRROR_DISK_FAILED :
		    s->leg->info.disk;
		s->st.gi = s->leg->info.gi;
		s->st.gen = s->leg->info.gen;
		s->st.peer_outdated = s->leg->info.peer_outdated;
		s->st.crashed_primary = s->leg->info.crashed_primary;
	}
	if (s->changed != NULL)
		s->changed(&s->m, s->arg);
	while (s->answers != NULL)
		answer_next(s);
	return 0;
}

/* Refusals too are told by done(), as by the other drivers. */
static int
sim_order(struct mirror *m, struct mirror_op *op,
    const struct mirror_order *o, struct av_err *err)
{
	struct sim *s = container_of(m, struct sim, m);
	struct sim_answer *a, **at;

	if (s->st.server != MIRROR_SERVER_UP)
		return av_err_code(err, -ENOTCONN, "server-down",
		    "the mirror server isn't running");
	if (op == NULL)
		return sim_run(s, o, err);
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	a->op = op;
	a->rc = sim_run(s, o, &a->err);
	for (at = &s->answers; *at != NULL; at = &(*at)->next)
		;
	*at = a;
	touch(s);
	return 0;
}

static void
sim_free(struct sim *s)
{
	struct sim **at;

	for (at = &sims; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	sd_event_source_disable_unref(s->turn);
	free(s);
}

/* A server whose owner has let go of it, or a new one. */
static struct sim *
find_or_new(const struct mirror_conf *conf)
{
	struct sim *s;

	for (s = sims; s != NULL; s = s->next)
		if (s->turn == NULL && strcmp(s->dir, conf->dir) == 0 &&
		    strcmp(s->id, conf->id) == 0) {
			s->st.found = true;
			return s;
		}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->st.wants_connect = true;
	s->st.peer_seen_ms = UINT64_MAX;
	(void)snprintf(s->dir, sizeof(s->dir), "%s", conf->dir);
	(void)snprintf(s->id, sizeof(s->id), "%s", conf->id);
	s->next = sims;
	sims = s;
	return s;
}

static int
sim_open(const struct mirror_conf *conf, sd_event *loop,
    mirror_changed_fn changed, void *arg, struct mirror **ret_m,
    struct av_err *err)
{
	struct sim *s = find_or_new(conf);

	if (s == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	if (sd_event_add_defer(loop, &s->turn, on_turn, s) < 0) {
		sim_free(s);
		return av_err_set(err, -ENOMEM, "no memory");
	}
	s->loop = loop;
	s->changed = changed;
	s->arg = arg;
	(void)snprintf(s->volume_uuid, sizeof(s->volume_uuid), "%s",
	    conf->volume_uuid);
	(void)snprintf(s->front, sizeof(s->front), "%s/front.sock",
	    conf->run_dir);
	*ret_m = &s->m;
	return 0;
}

static void
sim_close(struct mirror *m)
{
	struct sim *s = container_of(m, struct sim, m);

	while (s->answers != NULL) {
		struct sim_answer *a = s->answers;

		memset(&a->err, 0, sizeof(a->err));
		a->rc = av_err_maybe(&a->err, -ECANCELED, "cancelled");
		answer_next(s);
	}
	s->turn = sd_event_source_disable_unref(s->turn);
	s->changed = NULL;
	if (s->st.server != MIRROR_SERVER_UP)
		sim_free(s);
}

static int
sim_start(struct mirror *m, struct av_err *err)
{
	struct sim *s = container_of(m, struct sim, m);

	if (s->st.server != MIRROR_SERVER_DOWN)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "the mirror server isn't down");
	s->st.server = MIRROR_SERVER_STARTING;
	s->st.found = s->st.resync_paused = false;
	s->st.hold = MIRROR_HOLD_NONE;
	s->st.wants_connect = true;
	s->st.error_code[0] = s->st.error_text[0] = '\0';
	touch(s);
	return 0;
}

void
mirror_sim_cut(const char *volume_uuid, bool cut)
{
	struct sim *s;

	(void)snprintf(cut_uuid, sizeof(cut_uuid), "%s",
	    cut ? volume_uuid : "");
	for (s = sims; s != NULL; s = s->next)
		touch(s);
}

void
mirror_sim_kill(struct mirror *m)
{
	struct sim *s = container_of(m, struct sim, m);

	if (s->st.role == MIRROR_PRIMARY)
		s->leg->info.crashed_primary = true;
	s->st.server = MIRROR_SERVER_DOWN;
	s->st.role = MIRROR_SECONDARY;
	s->st.alone = false;
	lose(s);
}

void
mirror_sim_fail_disk(struct mirror *m)
{
	struct sim *s = container_of(m, struct sim, m), *p = peer_of(s);

	s->failed = true;
	touch(s);
	if (p != NULL)
		touch(p);
}

void
mirror_sim_damage(struct mirror *m, uint64_t n_chunks)
{
	container_of(m, struct sim, m)->damaged = n_chunks;
}

void
mirror_sim_space(uint64_t max_bytes)
{
	no_space_beyond = max_bytes;
}

/* There is no data: the size is all there is to tell. */
static int
sim_leg_snapshot(const char *dir, const char *id, const char *name,
    uint64_t *ret_size_bytes, struct av_err *err)
{
	const struct sim_leg *l = leg_find(dir, id);

	(void)name;
	if (l == NULL)
		return av_err_code(err, -ENOENT, "leg-missing",
		    "'%s' doesn't exist", id);
	*ret_size_bytes = l->info.size_bytes;
	return 0;
}

static int
sim_leg_snapshot_delete(const char *dir, const char *id, const char *name,
    struct av_err *err)
{
	(void)dir;
	(void)id;
	(void)name;
	(void)err;
	return 0;
}

void
mirror_sim_reset(void)
{
	struct sim *s, *next;

	no_space_beyond = UINT64_MAX;

	for (s = sims; s != NULL; s = next) {
		next = s->next;
		s->leg = NULL;
		s->st.server = MIRROR_SERVER_DOWN;
		if (s->turn == NULL)	/* nobody's */
			sim_free(s);
	}
	while (legs != NULL) {
		struct sim_leg *l = legs;

		legs = l->next;
		free(l);
	}
	cut_uuid[0] = '\0';
}

static const struct mirror_status *
sim_status_peek(const struct mirror *m)
{
	return &((const struct sim *)(const void *)m)->st;
}

static const char *
sim_front_path(const struct mirror *m)
{
	return ((const struct sim *)(const void *)m)->front;
}

#define SIM_OPS \
	.leg_create = sim_leg_create, \
	.leg_delete = sim_leg_delete, \
	.leg_read = sim_leg_read, \
	.open = sim_open, \
	.close = sim_close, \
	.start = sim_start, \
	.order = sim_order, \
	.status_peek = sim_status_peek, \
	.front_path = sim_front_path, \
	.leg_snapshot = sim_leg_snapshot, \
	.leg_snapshot_delete = sim_leg_snapshot_delete

const struct mirror_ops mirror_sim_ops = { .name = "sim", SIM_OPS };
const struct mirror_ops mirror_sim_window_ops = { .name = "sim-window",
	.window = true, SIM_OPS };
