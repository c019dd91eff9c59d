/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/handshake.c - primary's side: who has what, who copies
 *
 * Order of durable records when copying is needed: the union of both bitmaps
 * here; then the identity 'copying from me' here; then 'unfinished' at the peer;
 * only then the first block.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mirror/replica/server.h"

struct shake {
	struct srv	*s;
	handshake_run_fn run;
	void		*arg;
	struct proto_msg peer;
};

static int
talk(struct shake *k, const struct proto_msg *m, struct proto_msg *ret,
    struct av_err *err)
{
	uint8_t out[PROTO_BYTES], in[PROTO_BYTES];
	struct link_job jw = { .kind = LINK_WRITE, .wbuf = out,
		.n = sizeof(out), .offset = srv_mailbox_offset(k->s) };
	struct link_job jr = { .kind = LINK_READ, .rbuf = in,
		.n = sizeof(in), .offset = srv_mailbox_offset(k->s) };
	int rc;

	proto_encode(m, out);
	rc = k->run(k->arg, &jw);
	if (rc == 0)
		rc = k->run(k->arg, &jr);
	if (rc < 0)
		return av_err_set(err, rc, "the peer didn't answer: %s",
		    strerror(-rc));
	rc = proto_decode(in, sizeof(in), ret);
	if (rc == 0 && ret->type != PROTO_REPLY)
		rc = -EBADMSG;
	if (rc == -EPROTONOSUPPORT)
		return av_err_code(err, rc, "peer-version",
		    "the peer speaks another version");
	if (rc < 0)
		return av_err_set(err, rc, "the peer's answer is damaged");
	if (ret->rc != 0)	/* 'disk-error' in a status is this PM's disk */
		return av_err_code(err, -(int)ret->rc,
		    strcmp(ret->code, "disk-error") == 0 ?
		    "peer-disk-error" : ret->code,
		    "the peer refuses: %.150s", ret->text);
	return 0;
}

/* ORs the peer's bits into ours. */
static int
fetch_bitmap(struct shake *k, struct av_err *err)
{
	struct srv *s = k->s;
	size_t n = s->leg->n_pages * META_PAGE_BIT_BYTES, at;
	AUTO_FREE uint8_t *buf = malloc(1u << 20);
	int rc;

	if (buf == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	for (at = 0; at < n; at += 1u << 20) {
		struct link_job j = { .kind = LINK_READ, .rbuf = buf,
			.n = (uint32_t)(n - at < 1u << 20 ? n - at : 1u << 20),
			.offset = srv_mailbox_offset(s) + PROTO_BITMAP_AT +
			    at };

		rc = k->run(k->arg, &j);
		if (rc < 0)
			return av_err_set(err, rc,
			    "the peer's bitmap can't be read");
		pthread_mutex_lock(&s->mu);
		intent_merge(s, at, buf, j.n);
		pthread_mutex_unlock(&s->mu);
	}
	return 0;
}

static int
bits_durable(struct srv *s, bool full, struct av_err *err)
{
	int rc;

	pthread_mutex_lock(&s->mu);
	intent_all_oos(s, full);
	rc = intent_commit(s);
	pthread_mutex_unlock(&s->mu);
	return rc < 0 ? av_err_code(err, rc, "disk-error",
	    "the bitmap couldn't be written") : 0;
}

static void
enter_both(struct srv *s, bool resync)
{
	pthread_mutex_lock(&s->mu);
	s->link_count = ++s->link_last_count;
	s->link_drop = false;
	s->io_mode = IO_BOTH;
	s->in_step = !resync;
	s->reads_ok = true;
	s->primary_conn = resync ? MIRROR_RESYNC_SOURCE : MIRROR_CONNECTED;
	s->peer_disk = resync ? MIRROR_DISK_INCONSISTENT :
	    MIRROR_DISK_UPTODATE;
	if (resync)
		resync_begin(s);
	srv_why(s, "", "");
	pthread_mutex_unlock(&s->mu);
}

static int
begin_resync(struct shake *k, bool full, bool undo, struct av_err *err)
{
	struct srv *s = k->s;
	struct proto_msg m = { .type = PROTO_SYNC_START }, reply;
	struct meta_sb sb;
	struct identity id;
	int rc;

	if (!full) {
		rc = fetch_bitmap(k, err);
		if (rc < 0)
			return rc;
	}
	rc = bits_durable(s, full, err);
	if (rc < 0)
		return rc;
	/* Until now the peer's leg was a second copy of what is only in memory
	 * here; from now on this is the only one. */
	rc = srv_data_sync(s);
	if (rc < 0)
		return av_err_code(err, rc, "disk-error",
		    "this PM's disk failed to flush");
	srv_sb(s, &sb);
	srv_sb_identity(s, &sb, &id);
	if (undo)
		identity_source_undo_start(&id);
	identity_source_start(&id, srv_random());
	srv_sb_set_identity(&sb, &id);
	rc = srv_record(s, &sb, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->mu);
	srv_msg_fill(s, &m);
	pthread_mutex_unlock(&s->mu);
	rc = talk(k, &m, &reply, err);
	if (rc < 0)
		return rc;
	enter_both(s, true);
	return 0;
}

static int
begin_in_step(struct shake *k, struct av_err *err)
{
	struct srv *s = k->s;
	struct proto_msg m = { .type = PROTO_START }, reply;
	struct meta_sb sb;
	int rc;

	pthread_mutex_lock(&s->mu);
	srv_msg_fill(s, &m);
	pthread_mutex_unlock(&s->mu);
	rc = talk(k, &m, &reply, err);
	if (rc < 0)
		return rc;
	srv_sb(s, &sb);
	sb.flags &= ~(uint32_t)(META_PEER_OUTDATED | META_CRASHED_PRIMARY);
	rc = srv_record(s, &sb, err);
	if (rc < 0)
		return rc;
	enter_both(s, false);
	return 0;
}

/* This leg has failed: the peer's goes on without it (diskless.c). */
static int
begin_diskless(struct shake *k, struct av_err *err)
{
	struct srv *s = k->s;
	struct proto_msg m, reply;
	int rc;

	pthread_mutex_lock(&s->mu);
	diskless_msg(s, PROTO_DISKLESS, &m);
	pthread_mutex_unlock(&s->mu);
	rc = talk(k, &m, &reply, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->mu);
	s->link_count = ++s->link_last_count;
	s->link_drop = false;
	diskless_enter(s, &reply);
	pthread_mutex_unlock(&s->mu);
	diskless_outdate_here(s);
	return 0;
}

static int
split(struct srv *s, const char *code, int rule, enum verdict v,
    struct av_err *err)
{
	pthread_mutex_lock(&s->mu);
	s->primary_conn = MIRROR_SPLIT;
	pthread_mutex_unlock(&s->mu);
	if (v == VERDICT_TARGET || v == VERDICT_TARGET_FULL)
		return av_err_code(err, -EPERM, code, "the peer's copy is "
		    "newer than this primary's (rule %d)", rule);
	return av_err_code(err, -EPERM, code, "the copies have parted: %s "
	    "(rule %d); nothing was overwritten", verdict_name(v), rule);
}

static int
check_peer(struct shake *k, struct av_err *err)
{
	const struct srv_params *p = &k->s->p;
	const struct proto_msg *m = &k->peer;

	if (memcmp(m->unit_uuid, p->unit_uuid, 16) != 0 ||
	    memcmp(m->volume_uuid, p->volume_uuid, 16) != 0 ||
	    m->size_bytes < MIRROR_SIZE_MIN_BYTES ||
	    m->size_bytes > MIRROR_SIZE_MAX_BYTES || m->size_bytes % 512 != 0 ||
	    (m->size_bytes != k->s->leg->sb.size_bytes &&
	    !(m->flags & PROTO_GROWS)))
		return av_err_code(err, -EPROTO, "metadata-other-volume",
		    "the peer serves another volume or another size");
	if (m->node == p->node)
		return av_err_code(err, -EPROTO, "bad-request",
		    "the peer has the same node number");
	return 0;
}

/* The smaller leg grows, then the connection is made again (-EAGAIN). */
static int
catch_up(struct shake *k, struct av_err *err)
{
	struct srv *s = k->s;
	uint64_t own = s->leg->sb.size_bytes, peer = k->peer.size_bytes;
	struct proto_msg m = { .type = PROTO_GROW }, reply;
	int rc;

	if (peer > own) {
		rc = grow_leg(s, peer, err);
		pthread_mutex_lock(&s->mu);
		if (rc < 0 && s->disk_failed)	/* it would fail each time */
			(void)diskless_hold(s, -rc, "growing");
		pthread_mutex_unlock(&s->mu);
	} else {
		pthread_mutex_lock(&s->mu);
		srv_msg_fill(s, &m);
		pthread_mutex_unlock(&s->mu);
		rc = talk(k, &m, &reply, err);
	}
	return rc < 0 ? rc : av_err_code(err, -EAGAIN, "growing",
	    "the smaller copy has grown; connecting again");
}

static void
note_peer(struct srv *s, const struct proto_msg *m)
{
	pthread_mutex_lock(&s->mu);
	s->peer_size_bytes = m->size_bytes;
	s->peer_grows = m->flags & PROTO_GROWS;
	pthread_mutex_unlock(&s->mu);
}

int
handshake(struct srv *s, handshake_run_fn run, void *arg,
    struct av_err *err)
{
	struct shake k = { .s = s, .run = run, .arg = arg };
	struct proto_msg m;
	struct meta_sb sb;
	struct identity self, peer;
	enum verdict v;
	int rc, rule;
	bool detached;

	pthread_mutex_lock(&s->mu);
	detached = s->detached;
	rc = detached && !s->diskless ? av_err_code(err, -EAGAIN,
	    "disk-error", "this PM's disk failed; it waits for an order") : 0;
	diskless_msg(s, PROTO_HELLO, &m);
	pthread_mutex_unlock(&s->mu);
	if (rc == 0)
		rc = talk(&k, &m, &k.peer, err);
	if (rc < 0) {
		pthread_mutex_lock(&s->mu);
		if (strcmp(err->code, "peer-disk-error") == 0)
			s->peer_disk = MIRROR_DISK_FAILED;
		pthread_mutex_unlock(&s->mu);
		return rc;
	}
	rc = check_peer(&k, err);
	if (rc < 0)
		return rc;
	note_peer(s, &k.peer);
	srv_sb(s, &sb);
	srv_sb_identity(s, &sb, &self);
	proto_identity(&k.peer, &peer);
	v = identity_decide(&self, &peer, &rule);
	log_info(s->p.id, "handshake: %s by rule %d", verdict_name(v), rule);
	if (k.peer.verdict != (uint32_t)verdict_mirrored(v))
		return av_err_code(err, -EPROTO, "peer-version",
		    "the two sides judge differently");
	pthread_mutex_lock(&s->mu);
	s->peer_serves = k.peer.flags & PROTO_CAN_SERVE;
	pthread_mutex_unlock(&s->mu);
	if (detached) {
		rc = diskless_judge(s, v, &m, &k.peer, err);
		return rc < 0 ? rc : begin_diskless(&k, err);
	}
	if (k.peer.size_bytes != sb.size_bytes && (v == VERDICT_NONE ||
	    v == VERDICT_SOURCE || v == VERDICT_SOURCE_FULL))
		return catch_up(&k, err);
	switch (v) {
	case VERDICT_NONE:
		if (m.dirty_chunks == 0 && k.peer.dirty_chunks == 0)
			return begin_in_step(&k, err);
		return begin_resync(&k, false, false, err);
	case VERDICT_SOURCE:
		return begin_resync(&k, false, rule == 71, err);
	case VERDICT_SOURCE_FULL:
		return begin_resync(&k, true, false, err);
	case VERDICT_TARGET:
	case VERDICT_TARGET_FULL:
		return split(s, "peer-newer", rule, v, err);
	default:
		return split(s, v == VERDICT_UNRELATED ? "unrelated" :
		    "split", rule, v, err);
	}
}
