/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/grow.c - a volume becomes larger while its guest runs
 *
 * Order of what becomes durable, each a whole step that a power cut may follow:
 *   1 here:	the file is longer, the new pages of the bitmap are there
 *   2 peer:	the same, then its superblock says the new size (GROW)
 *   3 here:	the superblock says the new size
 *   4 the connection is made again: its layout depends on the size
 *   5 the guest's connections end after their requests; new ones see the size
 * A leg is as large as its superblock says; what its file has beyond that is
 * nothing, and is cut off before it is used.  So the guest never sees a size
 * that one leg lacks, unless the other one is gone.  A superblock that couldn't
 * be written wholly may say either size: then the file stays long.
 *
 * When two legs of different size meet, the smaller one catches up before
 * anything else: the larger one was recorded only when both had the space, or
 * by a primary that may have used it since.  A leg never shrinks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mirror/replica/server.h"

#define AGAIN_NS	(5 * AV_NS_PER_S)	/* to be connected again */

struct bitmaps {
	uint8_t		*bits, *maybe, *oos, *touched, *page_dirty;
	struct intent_region *regions;
	size_t		n_chunks, n_pages;
};

static void
bitmaps_free(struct bitmaps *b)
{
	free(b->bits);
	free(b->maybe);
	free(b->oos);
	free(b->touched);
	free(b->page_dirty);
	free(b->regions);
}

static int
bitmaps_new(struct bitmaps *b, uint64_t size_bytes)
{
	b->n_chunks = meta_chunks(size_bytes);
	b->n_pages = meta_pages(b->n_chunks);
	b->bits = calloc(b->n_pages, META_PAGE_BIT_BYTES);
	b->maybe = calloc(b->n_pages, META_PAGE_BIT_BYTES);
	b->oos = calloc(b->n_pages, META_PAGE_BIT_BYTES);
	b->touched = calloc(b->n_pages, META_PAGE_BIT_BYTES);
	b->page_dirty = calloc(b->n_pages, 1);
	b->regions = intent_regions_new(b->n_pages);
	if (b->bits != NULL && b->maybe != NULL && b->oos != NULL &&
	    b->touched != NULL && b->page_dirty != NULL && b->regions != NULL)
		return 0;
	bitmaps_free(b);
	return -ENOMEM;
}

/* mu held; 'b' has the old ones afterwards. */
static void
bitmaps_swap(struct srv *s, struct bitmaps *b)
{
	size_t n = s->leg->n_pages, n_bytes = n * META_PAGE_BIT_BYTES;
	struct bitmaps old = { s->leg->bits, s->maybe, s->oos, s->touched,
		s->page_dirty, s->regions, s->leg->n_chunks, n };

	memcpy(b->bits, old.bits, n_bytes);
	memcpy(b->maybe, old.maybe, n_bytes);
	memcpy(b->oos, old.oos, n_bytes);
	memcpy(b->touched, old.touched, n_bytes);
	memcpy(b->page_dirty, old.page_dirty, n);
	memcpy(b->regions, old.regions,
	    intent_regions(n) * sizeof(*b->regions));
	s->leg->bits = b->bits;
	s->maybe = b->maybe;
	s->oos = b->oos;
	s->touched = b->touched;
	s->page_dirty = b->page_dirty;
	s->regions = b->regions;
	s->leg->n_chunks = b->n_chunks;
	s->leg->n_pages = b->n_pages;
	*b = old;
}

/* --- one leg --- */

static int
grow_error(struct av_err *err, int rc)
{
	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG)
		return av_err_code(err, -ENOSPC, "no-space",
		    "not enough space for the larger volume");
	if (rc == -ENOMEM)
		return av_err_set(err, rc, "no memory");
	return av_err_code(err, rc, "disk-error",
	    "the leg couldn't be made larger: %s", strerror(-rc));
}

static int
file_extend(struct srv *s, uint64_t from, uint64_t to)
{
	int fd = s->leg->data_fd, rc = 0;

	/* What an earlier attempt left is not trusted to be zeros, but for what
	 * was prepared in whole and may be recorded: that has to stay. */
	if (from < s->size_maybe)
		from = s->size_maybe;
	if (ftruncate(fd, (off_t)from) < 0)
		return -errno;
	if (from >= to)
		return srv_data_sync(s);
	if (!(s->leg->sb.flags & META_SPARSE)) {
		if (fallocate(fd, 0, (off_t)from, (off_t)(to - from)) < 0)
			rc = -errno;
		if (rc == -EOPNOTSUPP || rc == -ENOSYS)
			rc = 0;	/* then it is sparse from here on */
	}
	if (rc == 0 && ftruncate(fd, (off_t)to) < 0)
		rc = -errno;
	return rc == 0 ? srv_data_sync(s) : rc;
}

static int
pages_extend(struct srv *s, size_t from, size_t to)
{
	static const uint8_t zeros[META_PAGE_BIT_BYTES];
	size_t page;
	int rc = 0;

	for (page = from; page < to && rc == 0; page++)
		rc = leg_write_page(s->leg, page, zeros);
	if (rc < 0)
		return rc;
	rc = leg_meta_sync(s->leg);
	if (rc < 0) {
		/* what it held before may be lost with it */
		pthread_mutex_lock(&s->mu);
		s->disk_failed = true;
		srv_why(s, "disk-error", "the bitmap couldn't be written");
		pthread_mutex_unlock(&s->mu);
	}
	return rc;
}

/* A record that couldn't be written may be on the disk all the same: then the
 * file has to be that long. */
static void
grow_undo(struct srv *s)
{
	uint64_t size = s->leg->sb.size_bytes;

	/* best effort: a file that is too long does no harm */
	(void)!ftruncate(s->leg->data_fd, (off_t)(size < s->size_maybe ?
	    s->size_maybe : size));
}

/* order_mu held (nobody else grows).  Durable, and still of the old size. */
static int
grow_prepare(struct srv *s, uint64_t to, struct av_err *err)
{
	uint64_t from = s->leg->sb.size_bytes;
	int rc = file_extend(s, from, to);

	if (rc == 0)
		rc = pages_extend(s, s->leg->n_pages,
		    meta_pages(meta_chunks(to)));
	if (rc == 0)
		return 0;
	grow_undo(s);
	return grow_error(err, rc);
}

/* order_mu held.  From here on the leg is of that size.  Nobody sees the size
 * before it is durable: srv_record() would show it at once. */
static int
grow_commit(struct srv *s, uint64_t to, struct av_err *err)
{
	struct bitmaps b;
	struct leg copy;
	int rc = bitmaps_new(&b, to);

	if (rc < 0)
		return grow_error(err, rc);
	pthread_mutex_lock(&s->mu);
	copy = *s->leg;
	pthread_mutex_unlock(&s->mu);
	copy.sb.size_bytes = to;
	if (to > s->size_maybe)
		s->size_maybe = to;
	rc = leg_write_sb(&copy);
	pthread_mutex_lock(&s->mu);
	s->leg->sb.seq = copy.sb.seq;
	s->leg->sb_first = copy.sb_first;
	/* a commit under way still reads the old ones, by page */
	while (s->bm_committing)
		pthread_cond_wait(&s->cv, &s->mu);
	if (rc == 0) {
		s->leg->sb.size_bytes = to;
		bitmaps_swap(s, &b);
	} else {
		s->disk_failed = true;
		srv_why(s, "disk-error", "the record couldn't be written");
	}
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	bitmaps_free(&b);
	if (rc < 0)
		return grow_error(err, rc);
	log_notice(s->p.id, "the leg has %llu bytes now",
	    (unsigned long long)to);
	return 0;
}

int
grow_leg(struct srv *s, uint64_t to, struct av_err *err)
{
	int rc;

	if (to < s->leg->sb.size_bytes || to > MIRROR_SIZE_MAX_BYTES ||
	    to % 512 != 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a volume only grows, by multiples of 512 bytes");
	if (to == s->leg->sb.size_bytes)
		return 0;
	rc = grow_prepare(s, to, err);
	if (rc == 0)
		rc = grow_commit(s, to, err);
	pthread_mutex_lock(&s->mu);
	if (rc == 0 && s->role != MIRROR_PRIMARY)
		grow_drop_fronts(s);	/* who waits learns the new size */
	pthread_mutex_unlock(&s->mu);
	return rc;
}

/* --- the primary's order --- */

/* mu held */
static int
may_grow(const struct srv *s, uint64_t to, struct av_err *err)
{
	if (s->role != MIRROR_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-role",
		    "the primary grows a volume, this copy is the secondary");
	if (to < s->leg->sb.size_bytes || to > MIRROR_SIZE_MAX_BYTES ||
	    to % 512 != 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a volume only grows, by multiples of 512 bytes");
	if (s->io_mode != IO_BOTH || s->link_count == 0 || s->link_drop ||
	    s->primary_conn != MIRROR_CONNECTED || s->resync_on)
		return av_err_code(err, -ENOTCONN, "wrong-state",
		    "both copies must be connected and in step");
	if (!s->peer_grows)
		return av_err_code(err, -EOPNOTSUPP, "peer-version",
		    "the peer's version can't grow a volume");
	return 0;
}

/* order_mu held.  No write is under way and no bit is set: the legs part in
 * step, so that the next handshake has nothing to copy.  If that fails it
 * copies what was written lately. */
static void
part_quiet(struct srv *s)
{
	struct link_job j = { .kind = LINK_FLUSH };
	uint64_t count;
	bool ok;

	pthread_mutex_lock(&s->mu);
	count = s->link_count;
	if (s->io_mode != IO_BOTH || count == 0 || s->link_drop)
		goto out;
	s->io_mode = IO_HOLD;
	s->primary_conn = MIRROR_HELD;
	srv_why(s, "growing", "the volume has grown; connecting again");
	/* they end by themselves, or when the peer is lost */
	while (s->n_writing > 0)
		pthread_cond_wait(&s->cv, &s->mu);
	link_submit(s, count, &j);
	pthread_mutex_unlock(&s->mu);
	ok = srv_data_sync(s) == 0;
	pthread_mutex_lock(&s->mu);
	if (link_wait(s, &j) == 0 && ok && s->link_count == count &&
	    !s->link_drop &&
	    bits_next(s->oos, s->leg->n_chunks, 0) == s->leg->n_chunks)
		(void)intent_clear_all(s);	/* left-over bits do no harm */
	if (s->link_count == count)
		link_drop(s, "growing",
		    "the volume has grown; connecting again");
out:
	pthread_mutex_unlock(&s->mu);
}

static int
grow_both(struct srv *s, uint64_t to, struct av_err *err)
{
	struct proto_msg m = { .type = PROTO_GROW }, reply;
	uint64_t count;
	int rc = grow_prepare(s, to, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->mu);
	srv_msg_fill(s, &m);
	m.size_bytes = to;
	count = s->link_count;
	pthread_mutex_unlock(&s->mu);
	rc = link_talk(s, count, &m, &reply, err);
	if (rc < 0) {
		if (err->outcome != AV_MAYBE)
			grow_undo(s);
		else
			(void)snprintf(err->code, sizeof(err->code),
			    "peer-lost");
		return rc;
	}
	rc = grow_commit(s, to, err);	/* a failed disk: the handshake sees */
	part_quiet(s);
	return rc;
}

/* The connection is made again, then the guest's ones are let go. */
static void
show_size(struct srv *s)
{
	uint64_t due = av_clock_ns() + AGAIN_NS;

	pthread_mutex_lock(&s->mu);
	while (s->role == MIRROR_PRIMARY && !s->stopping &&
	    (s->link_drop || s->io_mode == IO_HOLD) &&
	    srv_wait_until(s, due))
		;
	grow_drop_fronts(s);
	pthread_mutex_unlock(&s->mu);
}

int
srv_order_grow(struct srv *s, uint64_t to, struct av_err *err)
{
	bool grown = false;
	int rc;

	pthread_mutex_lock(&s->order_mu);
	pthread_mutex_lock(&s->mu);
	rc = may_grow(s, to, err);
	grown = rc == 0 && to > s->leg->sb.size_bytes;
	pthread_mutex_unlock(&s->mu);
	if (grown)
		rc = grow_both(s, to, err);
	pthread_mutex_unlock(&s->order_mu);
	if (grown && rc == 0)
		show_size(s);	/* without order_mu: there is a handshake */
	return rc;
}

/* --- the guest's connections --- */

int
grow_front_enter(struct srv *s, int fd)
{
	size_t i;
	int rc = -EMFILE;

	pthread_mutex_lock(&s->mu);
	for (i = 0; i < SRV_FRONTS_MAX && rc < 0; i++)
		if (s->front_fds[i] == 0) {
			s->front_fds[i] = fd + 1;
			rc = 0;
		}
	pthread_mutex_unlock(&s->mu);
	return rc;
}

void
grow_front_leave(struct srv *s, int fd)
{
	size_t i;

	pthread_mutex_lock(&s->mu);
	for (i = 0; i < SRV_FRONTS_MAX; i++)
		if (s->front_fds[i] == fd + 1)
			s->front_fds[i] = 0;
	pthread_mutex_unlock(&s->mu);
}

/* Nothing more is read from them; what was read is answered, then they close. */
void
grow_drop_fronts(struct srv *s)
{
	size_t i;

	for (i = 0; i < SRV_FRONTS_MAX; i++)
		if (s->front_fds[i] != 0)
			(void)shutdown(s->front_fds[i] - 1, SHUT_RD);
}
