/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/peer.c - requests of the peer's primary; see proto.h
 *
 * A write is done only for the connection that holds the session, and only
 * after START or SYNC_START.  Revoking waits until no earlier write is on its
 * way to the disk: whoever goes on afterwards is alone with the leg.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "mirror/replica/server.h"
#include "mirror/replica/window.h"

struct peer_conn {
	uint8_t	reply[PROTO_BYTES];	/* mu */
	bool	has_reply;
	uint64_t size_bytes;	/* its layout; window.h */
};

#define SAME(a, b)	(((a) & ~1ull) == ((b) & ~1ull))

uint64_t
peer_export_bytes(const struct peer_conn *pc)
{
	return window_export(pc->size_bytes);
}

struct peer_conn *
peer_open(struct srv *s)
{
	struct peer_conn *pc = calloc(1, sizeof(*pc));

	if (pc == NULL)
		return NULL;
	pthread_mutex_lock(&s->mu);
	pc->size_bytes = s->leg->sb.size_bytes;
	pthread_mutex_unlock(&s->mu);
	return pc;
}

void
peer_revoke(struct srv *s)
{
	if (s->session != NULL)
		log_notice(s->p.id, "the peer's session ends");
	s->session = NULL;
	s->session_started = s->session_resync = s->session_diskless = false;
	s->session_revoking++;
	while (s->session_writes > 0)
		pthread_cond_wait(&s->cv, &s->mu);
	s->session_revoking--;
	srv_changed(s);
}

void
peer_close(struct srv *s, struct peer_conn *pc)
{
	pthread_mutex_lock(&s->mu);
	if (s->session == pc)
		peer_revoke(s);
	pthread_mutex_unlock(&s->mu);
	free(pc);
}

/* --- messages --- */

static int
refuse(struct proto_msg *r, int e, const char *code, const char *text)
{
	r->rc = (uint32_t)e;
	(void)snprintf(r->code, sizeof(r->code), "%s", code);
	(void)snprintf(r->text, sizeof(r->text), "%.159s", text);
	av_utf8_trim(r->text);
	return -e;
}

static int
may_serve(struct srv *s, const struct proto_msg *m, struct proto_msg *r)
{
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	if (memcmp(m->unit_uuid, s->p.unit_uuid, 16) != 0 ||
	    memcmp(m->volume_uuid, s->p.volume_uuid, 16) != 0 ||
	    (m->size_bytes != s->leg->sb.size_bytes &&
	    (!(m->flags & PROTO_GROWS) || (m->type != PROTO_HELLO &&
	    m->type != PROTO_GROW && m->type != PROTO_DISKLESS))))
		rc = refuse(r, EPROTO, "metadata-other-volume",
		    "another volume or another size");
	else if (s->role == MIRROR_PRIMARY)
		rc = refuse(r, EBUSY, "both-primary", "it is primary itself");
	else if (s->stopping || !s->wants_connect)
		rc = refuse(r, EAGAIN, "disconnected",
		    "disconnected by order");
	else if (s->disk_failed)
		rc = refuse(r, EIO, "disk-error", "its disk has failed");
	pthread_mutex_unlock(&s->mu);
	return rc;
}

static void
hello(struct srv *s, struct peer_conn *pc, const struct proto_msg *m,
    struct proto_msg *r)
{
	struct identity self, peer;
	enum verdict v;
	int rule;

	proto_identity(m, &peer);
	pthread_mutex_lock(&s->mu);
	srv_sb_identity(s, &s->leg->sb, &self);
	s->peer_size_bytes = m->size_bytes;
	v = identity_decide(&self, &peer, &rule);
	log_info(s->p.id, "hello of node %u: %s by rule %d", m->node,
	    verdict_name(v), rule);
	srv_msg_fill(s, r);
	r->verdict = (uint32_t)v;
	if (m->flags & PROTO_DISKLESS_PRIMARY ?
	    diskless_can_serve(&s->leg->sb, v) : v == VERDICT_NONE ||
	    v == VERDICT_TARGET || v == VERDICT_TARGET_FULL) {
		peer_revoke(s);
		s->session = pc;
		s->session_wants_diskless = m->flags & PROTO_DISKLESS_PRIMARY;
	}
	s->peer_seen_ns = av_clock_ns();
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
}

/* The durable part of START, SYNC_START and SYNC_END. */
static int
record_step(struct srv *s, const struct proto_msg *m, struct proto_msg *r)
{
	struct av_err err = { 0 };
	struct meta_sb sb;
	struct identity id, source;

	if (m->type == PROTO_DISKLESS) {
		int rc = diskless_record(s, m, &err);

		return rc < 0 ? refuse(r, -rc, err.code, err.text) : 0;
	}
	srv_sb(s, &sb);
	srv_sb_identity(s, &sb, &id);
	proto_identity(m, &source);
	if (m->type == PROTO_START && !SAME(id.current, source.current))
		return refuse(r, EPROTO, "bad-request",
		    "START with another identity");
	if (m->type == PROTO_SYNC_START) {
		identity_target_start(&id, &source);
		sb.flags &= ~(uint32_t)(META_CONSISTENT | META_UPTODATE);
	} else {
		if (m->type == PROTO_SYNC_END)
			identity_target_finish(&id, &source);
		sb.flags |= META_CONSISTENT | META_UPTODATE;
		sb.flags &= ~(uint32_t)(META_CRASHED_PRIMARY |
		    META_PEER_OUTDATED);
		sb.gen = m->gen;
	}
	srv_sb_set_identity(&sb, &id);
	if (m->type != PROTO_SYNC_START && srv_data_sync(s) < 0)
		return refuse(r, EIO, "disk-error", "its disk didn't flush");
	if (srv_record(s, &sb, &err) < 0)
		return refuse(r, EIO, "disk-error", err.text);
	return 0;
}

static void
step(struct srv *s, struct peer_conn *pc, const struct proto_msg *m,
    struct proto_msg *r)
{
	bool ours, fits;

	pthread_mutex_lock(&s->mu);
	ours = s->session == pc;
	fits = m->type == PROTO_SYNC_END ? s->session_resync :
	    m->type == PROTO_DISKLESS ? !s->session_resync :
	    !s->session_started && !s->session_wants_diskless;
	pthread_mutex_unlock(&s->mu);
	if (!ours || !fits) {
		(void)refuse(r, ESHUTDOWN, "session-ended",
		    "there is no such session");
		return;
	}
	if (record_step(s, m, r) < 0)
		return;
	pthread_mutex_lock(&s->mu);
	/* In step, or the source has recorded both legs' bits and this leg that
	 * it is unfinished: kept here they would be copied again after each
	 * break.  Left-over bits only cost copying: an error isn't fatal. */
	if (m->type != PROTO_DISKLESS)
		(void)intent_clear_all(s);
	if (s->session == pc) {
		s->session_started = true;
		s->session_resync = m->type == PROTO_SYNC_START;
		s->session_diskless = m->type == PROTO_DISKLESS;
		s->session_total = s->session_resync ? m->dirty_chunks : 0;
		s->session_copied = 0;
	}
	srv_msg_fill(s, r);
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
}

static void
grow(struct srv *s, struct peer_conn *pc, const struct proto_msg *m,
    struct proto_msg *r)
{
	struct av_err err = { 0 };
	bool ours;
	int rc;

	pthread_mutex_lock(&s->mu);
	ours = s->session == pc;
	pthread_mutex_unlock(&s->mu);
	if (!ours) {
		(void)refuse(r, ESHUTDOWN, "session-ended",
		    "there is no such session");
		return;
	}
	rc = grow_leg(s, m->size_bytes, &err);
	if (rc < 0)
		(void)refuse(r, -rc, err.code, err.text);
	pthread_mutex_lock(&s->mu);
	s->peer_size_bytes = m->size_bytes;
	srv_msg_fill(s, r);
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
}

static int
ping(struct srv *s, struct peer_conn *pc, const struct proto_msg *m)
{
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	if (s->session != pc || !s->session_started) {
		rc = ESHUTDOWN;
	} else {
		s->peer_seen_ns = av_clock_ns();
		/* a ping's size and dirty fields: resync total and what's left */
		if (s->session_resync && m->size_bytes >= m->dirty_chunks) {
			s->session_total = m->size_bytes;
			s->session_copied = m->size_bytes - m->dirty_chunks;
			srv_changed(s);
		}
	}
	pthread_mutex_unlock(&s->mu);
	return rc;
}

static int
message(struct srv *s, struct peer_conn *pc, const void *buf, uint32_t n)
{
	struct proto_msg m, r = { .type = PROTO_REPLY };
	int rc = proto_decode(buf, n, &m);

	if (rc == 0 && m.type == PROTO_PING)
		return ping(s, pc, &m);
	r.node = s->p.node;
	if (rc == -EPROTONOSUPPORT)
		(void)refuse(&r, EPROTO, "peer-version",
		    "it speaks another version");
	else if (rc < 0 || m.type == PROTO_REPLY || m.node == s->p.node)
		return EINVAL;
	/* Role first, without order_mu: two primaries that greet each other must
	 * not wait for each other. */
	else if (may_serve(s, &m, &r) == 0) {
		pthread_mutex_lock(&s->order_mu);
		if (may_serve(s, &m, &r) < 0)
			;
		else if (m.type == PROTO_HELLO)
			hello(s, pc, &m, &r);
		else if (m.type == PROTO_GROW)
			grow(s, pc, &m, &r);
		else if (m.type != PROTO_BYE)
			step(s, pc, &m, &r);
		pthread_mutex_unlock(&s->order_mu);
	}
	r.type = PROTO_REPLY;
	pthread_mutex_lock(&s->mu);
	proto_encode(&r, pc->reply);
	pc->has_reply = true;
	pthread_mutex_unlock(&s->mu);
	return 0;
}

/* --- requests --- */

static int
peer_window_read(struct srv *s, struct peer_conn *pc, uint8_t *buf,
    uint32_t n, uint64_t at)
{
	uint64_t have = meta_pages(meta_chunks(pc->size_bytes)) *
	    META_PAGE_BIT_BYTES;
	int rc = 0;

	memset(buf, 0, n);
	pthread_mutex_lock(&s->mu);
	if (at == PROTO_MAILBOX_AT && n == PROTO_BYTES) {
		if (pc->has_reply)
			memcpy(buf, pc->reply, PROTO_BYTES);
		else
			rc = ENODATA;
		pc->has_reply = false;
	} else if (at < PROTO_BITMAP_AT || s->session != pc) {
		rc = EPERM;
	} else if (at - PROTO_BITMAP_AT < have) {
		uint64_t from = at - PROTO_BITMAP_AT;

		memcpy(buf, s->maybe + from,
		    have - from < n ? have - from : n);
	}
	pthread_mutex_unlock(&s->mu);
	return rc;
}

/* Not counted as a write under way: a revoked session may still read. */
static int
peer_digests_read(struct srv *s, struct peer_conn *pc, uint8_t *buf,
    uint32_t n, uint64_t at)
{
	bool ours;
	int rc;

	pthread_mutex_lock(&s->mu);
	ours = s->session == pc && s->session_started;
	pthread_mutex_unlock(&s->mu);
	if (!ours)
		return ESHUTDOWN;
	rc = verify_window_read(s, pc->size_bytes, buf, n, at);
	pthread_mutex_lock(&s->mu);
	if (s->session == pc)
		s->peer_seen_ns = av_clock_ns();
	pthread_mutex_unlock(&s->mu);
	return rc;
}

/* Of the volume: a leg in step answers for one that can't be read. */
static int
peer_data_read(struct srv *s, struct peer_conn *pc, void *buf, uint32_t n,
    uint64_t offset)
{
	bool ours;
	int rc;

	if (offset + n > pc->size_bytes)
		return EINVAL;
	pthread_mutex_lock(&s->mu);
	ours = s->session == pc && s->session_started;
	pthread_mutex_unlock(&s->mu);
	if (!ours)
		return ESHUTDOWN;
	rc = leg_pread_all(s->leg->data_fd, buf, n, offset) < 0 ? EIO : 0;
	pthread_mutex_lock(&s->mu);
	s->peer_seen_ns = av_clock_ns();
	if (s->session != pc)
		rc = ESHUTDOWN;	/* what it read may be old */
	else if (rc != 0)
		srv_why(s, "disk-error", "this PM's disk failed a read");
	pthread_mutex_unlock(&s->mu);
	return rc;
}

int
peer_read(struct srv *s, struct peer_conn *pc, void *buf, uint32_t n,
    uint64_t offset)
{
	uint64_t mailbox = window_mailbox(pc->size_bytes);

	if (offset < pc->size_bytes)
		return peer_data_read(s, pc, buf, n, offset);
	if (offset < mailbox)
		return EPERM;	/* the gap between */
	if (offset >= window_digests(pc->size_bytes))
		return peer_digests_read(s, pc, buf, n,
		    offset - window_digests(pc->size_bytes));
	return peer_window_read(s, pc, buf, n, offset - mailbox);
}

static int
session_enter(struct srv *s, struct peer_conn *pc, struct disk_op *d)
{
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	if (s->session != pc || !s->session_started)
		rc = ESHUTDOWN;
	else {
		s->session_writes++;
		disk_begin(s, d);
	}
	pthread_mutex_unlock(&s->mu);
	return rc;
}

static int
session_leave(struct srv *s, struct peer_conn *pc, struct disk_op *d, int rc)
{
	pthread_mutex_lock(&s->mu);
	disk_end(s, d);
	/* many threads hear it, so only when somebody waits */
	if (--s->session_writes == 0 && s->session_revoking > 0)
		pthread_cond_broadcast(&s->cv);
	s->peer_seen_ns = av_clock_ns();
	if (s->session != pc)
		rc = ESHUTDOWN;	/* revoked meanwhile: not acknowledged */
	else if (rc != 0) {
		s->disk_failed = true;
		srv_why(s, "disk-error", "this PM's disk failed a request");
	}
	pthread_mutex_unlock(&s->mu);
	return rc;
}

static int
change(struct srv *s, struct peer_conn *pc, const struct link_job *j)
{
	int fd = s->leg->data_fd, rc;
	bool sparse = s->leg->sb.flags & META_SPARSE;
	struct disk_op d;

	if (j->offset + j->n > pc->size_bytes)
		return EINVAL;
	rc = session_enter(s, pc, &d);
	if (rc != 0)
		return rc;
	rc = j->kind == LINK_TRIM ? -leg_trim(fd, sparse, j->offset, j->n) :
	    j->kind == LINK_ZERO ? -leg_zero(fd, j->offset, j->n) :
	    -leg_pwrite_all(fd, j->wbuf, j->n, j->offset);
	if (rc == 0 && j->fua)
		rc = -srv_data_sync(s);
	return session_leave(s, pc, &d, rc);
}

int
peer_write(struct srv *s, struct peer_conn *pc, const void *buf, uint32_t n,
    uint64_t offset, bool fua)
{
	const struct link_job j = {
		.kind = buf == NULL ? LINK_ZERO : LINK_WRITE,
		.wbuf = buf, .n = n, .offset = offset, .fua = fua,
	};

	if (buf != NULL && offset == window_mailbox(pc->size_bytes))
		return message(s, pc, buf, n);
	return change(s, pc, &j);
}

int
peer_trim(struct srv *s, struct peer_conn *pc, uint32_t n, uint64_t offset,
    bool fua)
{
	const struct link_job j = { .kind = LINK_TRIM, .n = n,
		.offset = offset, .fua = fua };

	return change(s, pc, &j);
}

int
peer_flush(struct srv *s, struct peer_conn *pc)
{
	struct disk_op d;
	int rc = session_enter(s, pc, &d);

	if (rc != 0)
		return rc;
	rc = -srv_data_sync(s);
	return session_leave(s, pc, &d, rc);
}
