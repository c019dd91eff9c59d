/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/readrepair.c - what this disk can't read, the peer can
 *
 * A read that fails here is answered from the peer, under the range lock, and
 * what the peer has is written here again and read back from the disk.  The bit
 * is durable before that, as before every write.  A chunk that a resync has
 * still to copy is no business of this: the peer's is old.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mirror/replica/server.h"

#define PIECE_BYTES	65536u

void
srv_notice(struct srv *s, const char *code, const char *text)
{
	(void)snprintf(s->notice_code, sizeof(s->notice_code), "%s", code);
	(void)snprintf(s->notice_text, sizeof(s->notice_text), "%s", text);
	s->notice_count++;
	log_warn(s->p.id, "%s: %s", code, s->notice_text);
	srv_changed(s);
}

static void
notice(struct srv *s, const char *code, uint64_t offset, uint32_t n)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "%" PRIu32 " bytes at %" PRIu64
	    " couldn't be read here and came from the peer", n, offset);
	srv_notice(s, code, text);
}

/* mu held */
static bool
peer_has(const struct srv *s, uint64_t offset, uint32_t n)
{
	size_t c = (size_t)(offset / MIRROR_CHUNK_BYTES);
	size_t last = (size_t)((offset + n - 1) / MIRROR_CHUNK_BYTES);

	if (!s->peer_serves || !diskless_link_up(s) ||
	    (s->io_mode != IO_BOTH && s->io_mode != IO_PEER &&
	    !(s->io_mode == IO_HOLD && s->detached && s->in_step)))
		return false;
	for (; s->io_mode == IO_BOTH && c <= last; c++)
		if (bit_test(s->oos, c))
			return false;
	return true;
}

int
readrepair_peer(struct srv *s, void *buf, uint32_t n, uint64_t offset)
{
	struct link_job j = { .kind = LINK_READ, .rbuf = buf, .n = n,
		.offset = offset };
	int rc;

	link_submit(s, s->link_count, &j);
	rc = link_wait(s, &j);
	return rc == 0 ? 0 : rc == EIO ? EIO : EAGAIN;
}

/* mu not held: is it on the disk now? */
static int
rewrite(struct srv *s, const void *buf, uint32_t n, uint64_t offset)
{
	int fd = s->leg->data_fd, rc;
	uint8_t *back = malloc(n);

	if (back == NULL)
		return -ENOMEM;
	rc = leg_pwrite_all(fd, buf, n, offset);
	if (rc == 0)
		rc = srv_data_sync(s);
	/* advice only: without it the page cache is compared */
	(void)posix_fadvise(fd, (off_t)offset, (off_t)n, POSIX_FADV_DONTNEED);
	if (rc == 0)
		rc = leg_pread_all(fd, back, n, offset);
	if (rc == 0 && memcmp(back, buf, n) != 0)
		rc = -EIO;
	free(back);
	return rc;
}

/* mu and the range held.  0, EAGAIN (decide again) or EIO. */
static int
mend(struct srv *s, void *buf, uint32_t n, uint64_t offset)
{
	uint64_t count = s->link_count;
	int rc;

	s->read_errors++;
	if (!peer_has(s, offset, n))
		return s->io_mode == IO_HOLD && s->in_step ? EAGAIN : EIO;
	if (!s->detached && intent_mark(s, offset, n, false) < 0)
		(void)diskless_hold(s, EIO, "the bitmap couldn't be written");
	if (s->link_count != count || !peer_has(s, offset, n))
		return EAGAIN;
	rc = readrepair_peer(s, buf, n, offset);
	if (rc != 0 || s->detached)
		return rc;
	pthread_mutex_unlock(&s->mu);
	rc = rewrite(s, buf, n, offset);
	pthread_mutex_lock(&s->mu);
	if (rc == 0) {
		s->repaired_bytes += n;
		notice(s, "read-repaired", offset, n);
	} else {
		notice(s, "read-not-repaired", offset, n);
		(void)diskless_hold(s, -rc, "it can't be read nor mended");
	}
	return 0;		/* the data is the peer's and good */
}

int
readrepair_held(struct srv *s, void *buf, uint32_t n, uint64_t offset)
{
	uint8_t *at = buf;
	int rc = 0;

	while (n > 0 && rc == 0) {
		uint32_t piece = n < PIECE_BYTES ? n : PIECE_BYTES;

		pthread_mutex_unlock(&s->mu);
		rc = leg_pread_all(s->leg->data_fd, at, piece, offset);
		pthread_mutex_lock(&s->mu);
		if (rc < 0 || s->detached)
			rc = mend(s, at, piece, offset);
		at += piece;
		offset += piece;
		n -= piece;
	}
	return rc;
}

int
readrepair(struct srv *s, void *buf, uint32_t n, uint64_t offset)
{
	struct range r = { .start = offset, .end = offset + n };
	int rc;

	if (s->io_mode != IO_BOTH) {
		/* Held: it waits for a decision, as writes do. */
		if (s->io_mode != IO_HOLD || !s->in_step || s->detached)
			return s->io_mode == IO_ALONE ? EIO : EAGAIN;
		s->read_errors++;
		s->n_held++;
		srv_changed(s);
		while (s->io_mode == IO_HOLD && !s->detached && !s->stopping)
			pthread_cond_wait(&s->cv, &s->mu);
		s->n_held--;
		srv_changed(s);
		return EAGAIN;
	}
	range_enter(&s->ranges, &r);
	while (!range_active(&s->ranges, &r) && s->io_mode == IO_BOTH)
		pthread_cond_wait(&s->cv, &s->mu);
	rc = s->io_mode == IO_BOTH ?
	    readrepair_held(s, buf, n, offset) : EAGAIN;
	range_leave(&s->ranges, &r);
	pthread_cond_broadcast(&s->cv);
	return rc;
}
