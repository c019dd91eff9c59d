/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/intent.c - the persistent bitmap: which chunks may differ
 *
 * A chunk's bit is durable before a write to it is sent to either leg.  While
 * connected, the cleaner takes bits away again: of chunks that nobody wrote
 * since its last round, after a flush of both legs.  So a chunk that is written
 * all the time costs one sync, not one a write.
 *
 * Commits are shared: whoever finds none under way writes all dirty pages; the
 * others wait for it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "mirror/replica/server.h"

#define CLEAN_PERIOD_NS	(2 * AV_NS_PER_S)

static void
commit_now(struct srv *s)
{
	uint8_t bits[META_PAGE_BIT_BYTES];
	uint64_t seq = s->bm_seq;
	size_t page;
	int rc = 0;

	s->bm_committing = true;
	for (page = 0; page < s->leg->n_pages && rc == 0; page++) {
		if (!s->page_dirty[page])
			continue;
		s->page_dirty[page] = 0;
		memcpy(bits, s->leg->bits + page * META_PAGE_BIT_BYTES,
		    sizeof(bits));
		pthread_mutex_unlock(&s->mu);
		rc = leg_write_page(s->leg, page, bits);
		pthread_mutex_lock(&s->mu);
	}
	pthread_mutex_unlock(&s->mu);
	if (rc == 0)
		rc = leg_meta_sync(s->leg);
	pthread_mutex_lock(&s->mu);
	s->bm_committing = false;
	if (rc < 0) {
		s->bm_rc = rc;
		s->disk_failed = true;
		srv_why(s, "disk-error", "the bitmap couldn't be written");
	} else {
		s->bm_durable = seq;
	}
	pthread_cond_broadcast(&s->cv);
}

static int
commit_until(struct srv *s, uint64_t seq)
{
	while (s->bm_durable < seq && s->bm_rc == 0) {
		if (s->bm_committing)
			pthread_cond_wait(&s->cv, &s->mu);
		else
			commit_now(s);
	}
	return s->bm_durable >= seq ? 0 : s->bm_rc;
}

int
intent_commit(struct srv *s)
{
	return commit_until(s, s->bm_seq);
}

static size_t
chunk_of(uint64_t offset)
{
	return (size_t)(offset / MIRROR_CHUNK_BYTES);
}

int
intent_mark(struct srv *s, uint64_t offset, uint64_t n, bool oos)
{
	size_t c, last = chunk_of(offset + n - 1);
	uint64_t need = 0;

	for (c = chunk_of(offset); c <= last; c++) {
		size_t page = c / META_BITS_PER_PAGE;

		bit_set(s->touched, c);
		if (oos)
			bit_set(s->oos, c);
		if (!bit_test(s->leg->bits, c)) {
			bit_set(s->leg->bits, c);
			s->page_dirty[page] = 1;
			s->page_set_seq[page] = ++s->bm_seq;
		}
		if (s->page_set_seq[page] > need)
			need = s->page_set_seq[page];
	}
	return commit_until(s, need);
}

void
intent_oos(struct srv *s, uint64_t offset, uint64_t n)
{
	size_t c, last = chunk_of(offset + n - 1);

	for (c = chunk_of(offset); c <= last; c++)
		bit_set(s->oos, c);
}

void
intent_all_oos(struct srv *s, bool full)
{
	size_t c, page;

	if (full) {
		for (c = 0; c < s->leg->n_chunks; c++)
			bit_set(s->leg->bits, c);
		s->bm_seq++;
		for (page = 0; page < s->leg->n_pages; page++) {
			s->page_dirty[page] = 1;
			s->page_set_seq[page] = s->bm_seq;
		}
	}
	memcpy(s->oos, s->leg->bits, s->leg->n_pages * META_PAGE_BIT_BYTES);
}

int
intent_clear_all(struct srv *s)
{
	size_t page, n = s->leg->n_pages * META_PAGE_BIT_BYTES;

	memset(s->leg->bits, 0, n);
	memset(s->oos, 0, n);
	s->bm_seq++;
	for (page = 0; page < s->leg->n_pages; page++)
		s->page_dirty[page] = 1;
	return intent_commit(s);
}

/* --- the cleaner --- */

static bool
clean_flush_both(struct srv *s, uint64_t count)
{
	struct link_job j = { .kind = LINK_FLUSH };
	int r;

	link_submit(s, count, &j);
	pthread_mutex_unlock(&s->mu);
	r = srv_data_sync(s);
	pthread_mutex_lock(&s->mu);
	if (r < 0) {
		s->disk_failed = true;
		srv_why(s, "disk-error", "this PM's disk failed to flush");
	}
	return link_wait(s, &j) == 0 && r == 0;
}

/*
 * A bit goes only if: no request touches its chunk now; none did since the
 * round began; everything before that is flushed on both legs, over one and
 * the same connection.  Whoever writes later finds the bit unset and sets it
 * again before it writes.
 */
static void
clean_round(struct srv *s)
{
	uint64_t count = s->link_count;
	size_t c, n = s->leg->n_chunks, page, n_cleared = 0;

	if (s->io_mode != IO_BOTH || count == 0 ||
	    bits_next(s->leg->bits, n, 0) == n)
		return;
	memset(s->touched, 0, s->leg->n_pages * META_PAGE_BIT_BYTES);
	/* A request under way counts as touching until it is over. */
	for (c = bits_next(s->leg->bits, n, 0); c < n;
	    c = bits_next(s->leg->bits, n, c + 1))
		if (s->ranges.first != NULL && range_touched(&s->ranges,
		    (uint64_t)c * MIRROR_CHUNK_BYTES,
		    (uint64_t)(c + 1) * MIRROR_CHUNK_BYTES))
			bit_set(s->touched, c);
	if (!clean_flush_both(s, count) || s->link_count != count ||
	    s->io_mode != IO_BOTH)
		return;
	for (c = bits_next(s->leg->bits, n, 0); c < n;
	    c = bits_next(s->leg->bits, n, c + 1)) {
		if (bit_test(s->touched, c) || bit_test(s->oos, c))
			continue;
		page = c / META_BITS_PER_PAGE;
		bit_clear(s->leg->bits, c);
		s->page_dirty[page] = 1;
		n_cleared++;
	}
	if (n_cleared > 0) {
		s->bm_seq++;
		(void)intent_commit(s);	/* an error is sticky in bm_rc */
		srv_changed(s);
	}
}

void *
intent_cleaner(void *arg)
{
	struct srv *s = arg;

	pthread_mutex_lock(&s->mu);
	while (!s->stopping) {
		uint64_t due = av_clock_ns() + CLEAN_PERIOD_NS;

		while (!s->stopping && srv_wait_until(s, due))
			;
		if (!s->stopping)
			clean_round(s);
	}
	pthread_mutex_unlock(&s->mu);
	return NULL;
}
