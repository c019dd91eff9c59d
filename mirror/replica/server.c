/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/server.c - roles, orders, and what is recorded durably
 */
#include "mirror/replica/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

uint64_t
srv_random(void)
{
	uint64_t v = 0;

	/* At most 256 bytes are never cut short. */
	AV_ASSERT(getrandom(&v, sizeof(v), 0) == (ssize_t)sizeof(v));
	return v;
}

void
srv_changed(struct srv *s)
{
	s->change_seq++;
	pthread_cond_broadcast(&s->cv);
}

void
srv_why(struct srv *s, const char *code, const char *text)
{
	if (strcmp(s->why.code, code) != 0 && code[0] != '\0')
		log_notice(s->p.id, "%s: %s", code, text);
	(void)snprintf(s->why.code, sizeof(s->why.code), "%s", code);
	(void)snprintf(s->why.text, sizeof(s->why.text), "%s", text);
	srv_changed(s);
}

bool
srv_wait_until(struct srv *s, uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / AV_NS_PER_S),
		.tv_nsec = (long)(ns % AV_NS_PER_S),
	};

	return pthread_cond_timedwait(&s->cv, &s->mu, &ts) != ETIMEDOUT;
}

enum mirror_disk
srv_disk(const struct srv *s)
{
	uint32_t flags = s->leg->sb.flags;

	if (s->disk_failed)
		return MIRROR_DISK_FAILED;
	if (!(flags & META_CONSISTENT))
		return MIRROR_DISK_INCONSISTENT;
	return flags & META_UPTODATE ? MIRROR_DISK_UPTODATE :
	    MIRROR_DISK_OUTDATED;
}

void
srv_sb(struct srv *s, struct meta_sb *ret)
{
	pthread_mutex_lock(&s->mu);
	*ret = s->leg->sb;
	pthread_mutex_unlock(&s->mu);
}

void
srv_sb_identity(const struct srv *s, const struct meta_sb *sb,
    struct identity *ret)
{
	*ret = (struct identity){
		.current = sb->current,
		.bitmap = sb->bitmap,
		.h0 = sb->h0,
		.h1 = sb->h1,
		.crashed_primary = sb->flags & META_CRASHED_PRIMARY,
		.primary = s->role == MIRROR_PRIMARY,
		.inconsistent = !(sb->flags & META_CONSISTENT),
		.tie_break = s->p.node == 0,
	};
}

void
srv_sb_set_identity(struct meta_sb *sb, const struct identity *id)
{
	sb->current = id->current;
	sb->bitmap = id->bitmap;
	sb->h0 = id->h0;
	sb->h1 = id->h1;
}

void
srv_msg_fill(struct srv *s, struct proto_msg *m)
{
	const struct meta_sb *sb = &s->leg->sb;
	struct identity id;

	srv_sb_identity(s, sb, &id);
	memcpy(m->unit_uuid, sb->unit_uuid, 16);
	memcpy(m->volume_uuid, sb->volume_uuid, 16);
	m->epoch = sb->epoch;
	m->size_bytes = sb->size_bytes;
	m->node = s->p.node;
	m->gen = sb->gen;
	m->current = sb->current;
	m->bitmap = sb->bitmap;
	m->h0 = sb->h0;
	m->h1 = sb->h1;
	m->dirty_chunks = bits_count(s->maybe, s->leg->n_chunks);
	m->flags = (id.crashed_primary ? PROTO_CRASHED_PRIMARY : 0u) |
	    (id.primary ? PROTO_PRIMARY : 0u) |
	    (id.inconsistent ? PROTO_INCONSISTENT : 0u) |
	    (sb->flags & META_UPTODATE ? 0u : PROTO_OUTDATED) |
	    PROTO_GROWS | PROTO_CAN_SERVE;
}

int
srv_record(struct srv *s, const struct meta_sb *sb, struct av_err *err)
{
	struct meta_sb old;
	int rc;

	pthread_mutex_lock(&s->mu);
	old = s->leg->sb;
	s->leg->sb = *sb;
	s->leg->sb.seq = old.seq;
	pthread_mutex_unlock(&s->mu);
	rc = leg_write_sb(s->leg);
	pthread_mutex_lock(&s->mu);
	if (rc < 0) {
		old.seq = s->leg->sb.seq;
		s->leg->sb = old;
		s->disk_failed = true;
		srv_why(s, "disk-error", "the record couldn't be written");
	}
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	return rc < 0 ? av_err_code(err, rc, "disk-error",
	    "the record couldn't be written: %s", strerror(-rc)) : 0;
}

/* --- open --- */

static int
srv_init_locks(struct srv *s)
{
	pthread_condattr_t attr;
	int r = pthread_condattr_init(&attr);

	if (r == 0)
		r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (r == 0)
		r = pthread_cond_init(&s->cv, &attr);
	if (r == 0)
		r = pthread_mutex_init(&s->mu, NULL);
	if (r == 0)
		r = pthread_mutex_init(&s->order_mu, NULL);
	return -r;
}

int
srv_open(struct srv *s, const struct srv_params *p, struct av_err *err)
{
	struct meta_sb sb;
	int rc;

	memset(s, 0, sizeof(*s));
	s->p = *p;
	s->wants_connect = true;
	s->peer_disk = MIRROR_DISK_UNKNOWN;
	range_list_init(&s->ranges);
	s->disk_ops.next = s->disk_ops.prev = &s->disk_ops;
	rc = srv_init_locks(s);
	if (rc < 0)
		return av_err_set(err, rc, "no locks");
	rc = leg_open(p->dir, p->id, p->unit_uuid, p->volume_uuid, &s->leg,
	    err);
	if (rc < 0)
		return rc;
	if (intent_init(s) < 0)
		return av_err_set(err, -ENOMEM, "no memory");
	s->layout_bytes = s->leg->sb.size_bytes;
	sb = s->leg->sb;
	if (!(sb.flags & META_PRIMARY_IND))
		return 0;
	/* It was primary and never said that it stopped. */
	sb.flags &= ~(uint32_t)META_PRIMARY_IND;
	sb.flags |= META_CRASHED_PRIMARY;
	return srv_record(s, &sb, err);
}

int
srv_start_threads(struct srv *s)
{
	static void *(*const runs[])(void *) = {
		link_thread, intent_cleaner, resync_thread, verify_thread,
	};
	size_t i;

	for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		pthread_t t;
		int r = pthread_create(&t, NULL, runs[i], s);

		if (r != 0)
			return -r;
		(void)pthread_detach(t);	/* ends with the process */
	}
	return 0;
}

/* --- orders --- */

/* mu held.  Nothing of the old connection is under way afterwards. */
static void
link_down_and_wait(struct srv *s, const char *code, const char *text)
{
	link_drop(s, code, text);
	while (s->link_count != 0)
		pthread_cond_wait(&s->cv, &s->mu);
}

/* order_mu held.  Durable: new identity if this data begins to differ, the
 * grant, and that the peer is old. */
static int
record_alone(struct srv *s, uint64_t gen, struct av_err *err)
{
	struct meta_sb sb;
	struct identity id;

	/* What the peer's primary wrote here may only be in memory. */
	if (srv_data_sync(s) < 0)
		return av_err_code(err, -EIO, "disk-error",
		    "this PM's disk failed to flush");
	srv_sb(s, &sb);
	srv_sb_identity(s, &sb, &id);
	(void)identity_go_alone(&id, srv_random());
	srv_sb_set_identity(&sb, &id);
	sb.gen = gen;
	sb.flags |= META_PRIMARY_IND | META_PEER_OUTDATED;
	return srv_record(s, &sb, err);
}

static int
record_primary(struct srv *s, struct av_err *err)
{
	struct meta_sb sb;

	srv_sb(s, &sb);
	sb.flags |= META_PRIMARY_IND;
	return srv_record(s, &sb, err);
}

static int
primary_locked(struct srv *s, bool alone, uint64_t gen, struct av_err *err)
{
	enum mirror_disk disk;
	bool is_primary;
	int rc;

	pthread_mutex_lock(&s->mu);
	disk = srv_disk(s);
	is_primary = s->role == MIRROR_PRIMARY;
	if (!is_primary && disk == MIRROR_DISK_UPTODATE)
		peer_revoke(s);
	pthread_mutex_unlock(&s->mu);
	if (is_primary)
		return av_err_code(err, -EALREADY, "wrong-role",
		    "it is primary already");
	if (disk != MIRROR_DISK_UPTODATE)
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "this copy is %s, so it can't become primary",
		    mirror_disk_name(disk));
	rc = alone ? record_alone(s, gen, err) : record_primary(s, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->mu);
	s->role = MIRROR_PRIMARY;
	s->role_count++;
	s->primary_times++;
	s->io_mode = alone ? IO_ALONE : IO_HOLD;
	s->reads_ok = alone;
	s->in_step = s->detached = s->diskless = false;
	s->diskless_current = 0;
	s->primary_conn = alone ? MIRROR_DISCONNECTED : MIRROR_CONNECTING;
	s->peer_disk = MIRROR_DISK_UNKNOWN;
	intent_all_oos(s, false);
	srv_why(s, "", "");
	pthread_mutex_unlock(&s->mu);
	link_wake(s);
	return 0;
}

int
srv_order_primary(struct srv *s, bool alone, uint64_t gen,
    struct av_err *err)
{
	int rc;

	pthread_mutex_lock(&s->order_mu);
	rc = primary_locked(s, alone, gen, err);
	pthread_mutex_unlock(&s->order_mu);
	return rc;
}

static int
alone_locked(struct srv *s, uint64_t gen, struct av_err *err)
{
	int rc;

	pthread_mutex_lock(&s->mu);
	if (s->role != MIRROR_PRIMARY) {
		pthread_mutex_unlock(&s->mu);
		return av_err_code(err, -EPERM, "wrong-role",
		    "only a primary can go on alone");
	}
	if (s->diskless) {
		pthread_mutex_unlock(&s->mu);
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "this PM's leg was given up; only the peer's is good");
	}
	if (s->io_mode == IO_ALONE && s->leg->sb.gen == gen) {
		pthread_mutex_unlock(&s->mu);
		return av_err_code(err, -EALREADY, "wrong-state",
		    "it runs alone already");
	}
	if (s->io_mode != IO_ALONE)
		s->io_mode = IO_HOLD;
	link_down_and_wait(s, "", "");
	pthread_mutex_unlock(&s->mu);
	rc = record_alone(s, gen, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->mu);
	intent_all_oos(s, false);
	s->io_mode = IO_ALONE;
	s->reads_ok = true;
	s->in_step = s->detached = false;
	if (s->primary_conn != MIRROR_SPLIT)
		s->primary_conn = MIRROR_DISCONNECTED;
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	return 0;
}

int
srv_order_alone(struct srv *s, uint64_t gen, struct av_err *err)
{
	int rc;

	pthread_mutex_lock(&s->order_mu);
	rc = alone_locked(s, gen, err);
	pthread_mutex_unlock(&s->order_mu);
	return rc;
}

/*
 * Both legs in step, nothing under way: say so to the peer and take the bits
 * away, so that a change of sides costs no resync.  Any failure leaves the bits.
 */
static void
part_in_step(struct srv *s, uint64_t count)
{
	struct proto_msg m = { .type = PROTO_BYE }, reply;
	struct link_job j = { .kind = LINK_FLUSH };
	struct av_err err = { 0 };
	bool ok;

	pthread_mutex_lock(&s->mu);
	ok = !s->resync_on && bits_next(s->oos, s->leg->n_chunks, 0) ==
	    s->leg->n_chunks;
	if (ok) {
		link_submit(s, count, &j);
		ok = link_wait(s, &j) == 0;
	}
	srv_msg_fill(s, &m);
	pthread_mutex_unlock(&s->mu);
	if (!ok || srv_data_sync(s) < 0 ||
	    link_talk(s, count, &m, &reply, &err) < 0)
		return;
	pthread_mutex_lock(&s->mu);
	(void)intent_clear_all(s);	/* an error leaves them on disk: fine */
	pthread_mutex_unlock(&s->mu);
}

/* order_mu held. */
static int
secondary_locked(struct srv *s, struct av_err *err)
{
	struct meta_sb sb;
	uint64_t count;
	bool was_both, was_primary, failed;
	int rc;

	pthread_mutex_lock(&s->mu);
	was_primary = s->role == MIRROR_PRIMARY;
	was_both = s->io_mode == IO_BOTH;
	count = s->link_count;
	s->io_mode = IO_REFUSE;
	s->role_count++;
	srv_changed(s);
	/* Connected requests end by themselves, or when the peer is lost. */
	while (s->n_active > 0)
		pthread_cond_wait(&s->cv, &s->mu);
	pthread_mutex_unlock(&s->mu);
	if (was_both && count != 0)
		part_in_step(s, count);
	pthread_mutex_lock(&s->mu);
	s->role = MIRROR_SECONDARY;
	s->reads_ok = s->in_step = s->detached = s->diskless = false;
	s->lease_ms = 0;
	failed = s->disk_failed;
	link_down_and_wait(s, "", "");
	peer_revoke(s);
	s->peer_disk = MIRROR_DISK_UNKNOWN;
	srv_why(s, "", "");
	pthread_mutex_unlock(&s->mu);
	if (!was_primary)
		return 0;
	rc = srv_data_sync(s) < 0 ? av_err_code(err, -EIO, "disk-error",
	    "this PM's disk failed to flush") : 0;
	srv_sb(s, &sb);
	sb.flags &= ~(uint32_t)(META_PRIMARY_IND | META_CRASHED_PRIMARY);
	if (rc == 0)
		rc = srv_record(s, &sb, err);
	/* A disk that had failed before can't stop the change of sides: this leg
	 * isn't used again before it was a target. */
	return failed ? 0 : rc;
}

int
srv_order_secondary(struct srv *s, struct av_err *err)
{
	int rc;

	pthread_mutex_lock(&s->order_mu);
	rc = secondary_locked(s, err);
	pthread_mutex_unlock(&s->order_mu);
	return rc;
}

int
srv_order_outdate(struct srv *s, struct av_err *err)
{
	struct meta_sb sb;
	bool primary;
	int rc;

	pthread_mutex_lock(&s->order_mu);
	pthread_mutex_lock(&s->mu);
	primary = s->role == MIRROR_PRIMARY;
	if (!primary)
		peer_revoke(s);
	pthread_mutex_unlock(&s->mu);
	if (primary) {
		rc = av_err_code(err, -EPERM, "wrong-role",
		    "a primary can't be outdated");
	} else {
		srv_sb(s, &sb);
		sb.flags &= ~(uint32_t)META_UPTODATE;
		rc = srv_record(s, &sb, err);
	}
	pthread_mutex_unlock(&s->order_mu);
	return rc;
}

int
srv_order_connect(struct srv *s, bool on)
{
	pthread_mutex_lock(&s->order_mu);
	pthread_mutex_lock(&s->mu);
	s->wants_connect = on;
	if (!on) {
		link_down_and_wait(s, "disconnected",
		    "disconnected by order");
		peer_revoke(s);
	}
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	pthread_mutex_unlock(&s->order_mu);
	link_wake(s);
	return 0;
}

/* The process ends soon after; the caller sends its answer first. */
int
srv_order_stop(struct srv *s, struct av_err *err)
{
	int rc;

	pthread_mutex_lock(&s->order_mu);
	rc = secondary_locked(s, err);
	pthread_mutex_lock(&s->mu);
	s->stopping = true;
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	/* order_mu is never released: nothing is recorded any more. */
	return rc;
}
