/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/diskless.c - the primary's own leg has failed
 *
 *   in step --a write, flush or record fails here--> detached: writes wait, the
 *   peer answers reads --order 'diskless'--> the peer records, durably, that its
 *   leg is the only good one --> IO_PEER: all I/O there, each write durable
 *   before it is acknowledged.
 *
 * Each write is durable at the peer because the guest runs on when the peer
 * loses power: what it saw complete must be there afterwards.  For the same
 * reason a peer that was lost before it recorded this may serve only if no bit
 * is set: it may have restarted and lack what it had in memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "mirror/replica/server.h"

#define SAME(a, b)	(((a) & ~1ull) == ((b) & ~1ull))

bool
diskless_hold(struct srv *s, int e, const char *what)
{
	char text[96];

	s->disk_failed = true;
	if (s->detached)
		return true;
	(void)snprintf(text, sizeof(text), "this PM's disk failed: %s: %s",
	    what, strerror(e));
	srv_why(s, "disk-error", text);
	if (s->io_mode == IO_ALONE || s->io_mode == IO_REFUSE)
		return false;
	if (!s->in_step)	/* no other leg is whole */
		return s->io_mode == IO_HOLD;
	s->detached = true;
	s->io_mode = IO_HOLD;
	s->primary_conn = MIRROR_HELD;
	srv_changed(s);
	return true;
}

bool
diskless_link_up(const struct srv *s)
{
	return s->link_count != 0 && !s->link_drop;
}

enum read_from
diskless_read_from(const struct srv *s)
{
	if (!lease_ok(s))
		return READ_WAIT;
	switch (s->io_mode) {
	case IO_PEER:
		return READ_PEER;
	case IO_HOLD:
		if (s->detached)
			return s->in_step && s->peer_serves &&
			    diskless_link_up(s) ? READ_PEER : READ_WAIT;
		return s->reads_ok ? READ_HERE : READ_WAIT;
	case IO_BOTH:
	case IO_ALONE:
	case IO_REFUSE:
	default:
		return READ_HERE;
	}
}

int
diskless_write(struct srv *s, struct link_job *j)
{
	j->fua = true;		/* see above */
	link_submit(s, s->link_count, j);
	return link_wait(s, j) != 0 ? EAGAIN : 0;
}

void
diskless_enter(struct srv *s, const struct proto_msg *reply)
{
	s->diskless_current = reply->current;
	s->io_mode = IO_PEER;
	s->in_step = true;
	s->primary_conn = MIRROR_DISKLESS;
	s->peer_disk = MIRROR_DISK_UPTODATE;
	srv_why(s, "", "");
}

/* order_mu held.  As far as the disk still can: this copy is old. */
void
diskless_outdate_here(struct srv *s)
{
	pthread_mutex_lock(&s->mu);
	s->leg->sb.flags &= ~(uint32_t)META_UPTODATE;
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	if (leg_write_sb(s->leg) < 0)
		log_notice(s->p.id, "the failed leg couldn't be marked as old");
}

void
diskless_msg(struct srv *s, uint32_t type, struct proto_msg *m)
{
	*m = (struct proto_msg){ .type = type };
	srv_msg_fill(s, m);
	if (!s->diskless)
		return;
	m->flags |= PROTO_DISKLESS_PRIMARY;
	if (type == PROTO_DISKLESS)
		m->gen = s->diskless_gen;
}

/* --- the order --- */

/* mu held */
static int
may_give_up(const struct srv *s, struct av_err *err)
{
	if (s->role != MIRROR_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-role",
		    "only a primary can give up its leg");
	if (s->io_mode == IO_ALONE)
		return av_err_code(err, -EPERM, "wrong-state",
		    "it is alone: there is no other leg");
	if (s->primary_conn == MIRROR_SPLIT)
		return av_err_code(err, -EPERM, "wrong-state",
		    "the copies have parted: the peer hasn't all of this one");
	if (s->io_mode == IO_PEER)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "it works without its leg already");
	if (diskless_link_up(s) && !s->in_step)
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "the peer's copy is unfinished");
	if (diskless_link_up(s) && !s->peer_serves)
		return av_err_code(err, -EOPNOTSUPP, "peer-version",
		    "the peer's version can't serve a primary without disk");
	return 0;
}

/* order_mu held, mu not.  The order stands unless the peer refused. */
static int
ask_peer(struct srv *s, uint64_t count, struct av_err *err)
{
	struct proto_msg m, reply;
	bool on = false;
	int rc;

	pthread_mutex_lock(&s->mu);
	diskless_msg(s, PROTO_DISKLESS, &m);
	pthread_mutex_unlock(&s->mu);
	rc = link_talk(s, count, &m, &reply, err);
	if (rc < 0 && err->outcome != AV_MAYBE)
		return rc;	/* in the peer's words */
	pthread_mutex_lock(&s->mu);
	on = rc == 0 && s->link_count == count && !s->link_drop;
	if (rc == 0)
		s->diskless_current = reply.current;
	if (on)
		diskless_enter(s, &reply);
	pthread_mutex_unlock(&s->mu);
	if (on)
		return 0;
	(void)av_err_code(err, -ENOTCONN, "peer-unreachable",
	    "the peer was lost; it goes on when it is back");
	return -ENOTCONN;
}

static int
diskless_locked(struct srv *s, uint64_t gen, struct av_err *err)
{
	bool was_detached, was_failed;
	uint64_t count;
	int rc;

	pthread_mutex_lock(&s->mu);
	rc = may_give_up(s, err);
	if (rc < 0) {
		pthread_mutex_unlock(&s->mu);
		return rc;
	}
	was_detached = s->detached;
	was_failed = s->disk_failed;
	if (!s->diskless)
		s->diskless_gen = gen;
	s->diskless = s->detached = s->disk_failed = true;
	if (s->io_mode == IO_BOTH) {
		s->io_mode = IO_HOLD;
		s->primary_conn = MIRROR_HELD;
	}
	count = diskless_link_up(s) ? s->link_count : 0;
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	if (count == 0)
		return av_err_code(err, -ENOTCONN, "peer-unreachable",
		    "it goes on when the peer is back");
	rc = ask_peer(s, count, err);
	if (rc == 0) {
		diskless_outdate_here(s);
	} else if (rc != -ENOTCONN) {
		pthread_mutex_lock(&s->mu);
		s->diskless = false;
		s->detached = was_detached;
		s->disk_failed = was_failed;
		link_drop(s, err->code, err->text);
		pthread_mutex_unlock(&s->mu);
	}
	return rc;
}

int
srv_order_diskless(struct srv *s, uint64_t gen, struct av_err *err)
{
	int rc;

	pthread_mutex_lock(&s->order_mu);
	rc = diskless_locked(s, gen, err);
	pthread_mutex_unlock(&s->order_mu);
	link_wake(s);
	return rc;
}

/* --- handshake --- */

/* Is the peer's leg the one that has all that was acknowledged? */
int
diskless_judge(const struct srv *s, enum verdict v, const struct proto_msg *m,
    const struct proto_msg *peer, struct av_err *err)
{
	bool target = v == VERDICT_TARGET || v == VERDICT_TARGET_FULL;

	if (!(peer->flags & PROTO_CAN_SERVE))
		return av_err_code(err, -EOPNOTSUPP, "peer-version",
		    "the peer's version can't serve a primary without disk");
	if (peer->flags & (PROTO_OUTDATED | PROTO_INCONSISTENT))
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "this PM's disk failed and the peer's copy isn't whole");
	if (s->diskless_current != 0)	/* it has served us */
		return SAME(peer->current, s->diskless_current) &&
		    peer->gen == s->diskless_gen ? 0 :
		    av_err_code(err, -EPERM, "peer-newer",
		    "the peer's copy went on without this primary");
	if (target && peer->gen == s->diskless_gen)
		return 0;		/* its answer was lost */
	if (v != VERDICT_NONE)
		return av_err_code(err, -EPERM, target ? "peer-newer" :
		    v == VERDICT_SPLIT ? "split" : "not-up-to-date",
		    "this PM's disk failed and the peer can't take over: %s",
		    verdict_name(v));
	if (m->dirty_chunks != 0 || peer->dirty_chunks != 0)
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "this PM's disk failed and the peer may lack writes: "
		    "start the guest there");
	return 0;
}

/* --- the peer's side --- */

bool
diskless_can_serve(const struct meta_sb *sb, enum verdict v)
{
	return (sb->flags & META_CONSISTENT) && (sb->flags & META_UPTODATE) &&
	    (v == VERDICT_NONE || v == VERDICT_SOURCE ||
	    v == VERDICT_SOURCE_FULL);
}

/* order_mu held.  All bits first: with the new name the bits must say that the
 * failed leg needs everything. */
int
diskless_record(struct srv *s, const struct proto_msg *m, struct av_err *err)
{
	struct identity id, primary;
	struct meta_sb sb;
	int rc;

	srv_sb(s, &sb);
	if (!(sb.flags & META_CONSISTENT) || !(sb.flags & META_UPTODATE))
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "its copy isn't whole");
	if (srv_data_sync(s) < 0)
		return av_err_code(err, -EIO, "disk-error",
		    "its disk didn't flush");
	pthread_mutex_lock(&s->mu);
	if (bits_count(s->leg->bits, s->leg->n_chunks) != s->leg->n_chunks)
		intent_all_oos(s, true);
	rc = intent_commit(s);
	pthread_mutex_unlock(&s->mu);
	if (rc < 0)
		return av_err_code(err, rc, "disk-error",
		    "its bitmap couldn't be written");
	srv_sb_identity(s, &sb, &id);
	proto_identity(m, &primary);
	(void)identity_go_diskless(&id, &primary, srv_random());
	srv_sb_set_identity(&sb, &id);
	sb.gen = m->gen;
	sb.flags |= META_PEER_OUTDATED;
	return srv_record(s, &sb, err);
}
