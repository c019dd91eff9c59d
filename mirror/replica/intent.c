/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/intent.c - the persistent bitmap: which chunks may differ
 *
 * A chunk's bit is durable before a write to it is sent to either leg.  As each
 * setting costs a sync of the metadata, the first write to a region (4 MiB) sets
 * all bits of it; of the next ones as well when writes come one after the other.
 * Which chunks were really written since both legs were flushed is known in
 * memory alone ('maybe', a subset): so only a crash makes that difference
 * visible, by REGIONS_MAX regions that are copied though few chunks of them
 * differ: 4 GiB, 40 s at 100 MiB/s.  Beyond that number bits are set one by one.
 *
 * While connected, the cleaner takes away: from 'maybe' what nobody wrote since
 * its round began, after a flush of both legs; the bits of a region without
 * 'maybe' that nobody wrote to for REST_NS, or earlier when regions run short.
 *
 * Commits are shared: whoever finds none under way writes all dirty pages; the
 * others wait for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "mirror/replica/server.h"

#define TICK_NS		(2 * AV_NS_PER_S)
#define FLUSH_NS	(30 * AV_NS_PER_S)	/* under load; as the kernel's */
#define QUIET_NS	AV_NS_PER_S
#define AHEAD		3u	/* regions */
#ifndef REGION_CHUNKS		/* the crash tests have smaller ones */
#define REGION_CHUNKS	64u
#define REGIONS_MAX	1024u
#define REST_NS		(30 * AV_NS_PER_S)
#endif

size_t
intent_regions(size_t n_pages)
{
	return n_pages * META_BITS_PER_PAGE / REGION_CHUNKS + 1;
}

struct intent_region *
intent_regions_new(size_t n_pages)
{
	return calloc(intent_regions(n_pages), sizeof(struct intent_region));
}

int
intent_init(struct srv *s)
{
	size_t n = s->leg->n_pages * META_PAGE_BIT_BYTES;

	s->oos = calloc(1, n);
	s->maybe = calloc(1, n);
	s->touched = calloc(1, n);
	s->page_dirty = calloc(s->leg->n_pages, 1);
	s->regions = intent_regions_new(s->leg->n_pages);
	if (s->oos == NULL || s->maybe == NULL || s->touched == NULL ||
	    s->page_dirty == NULL || s->regions == NULL)
		return -ENOMEM;
	memcpy(s->maybe, s->leg->bits, n);
	intent_all_oos(s, false);
	return 0;
}

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

/* The cleaner has something to do. */
static void
unclean(struct srv *s)
{
	if (!s->unclean) {
		s->unclean = true;
		pthread_cond_broadcast(&s->cv);
	}
}

static struct intent_region *
region_of(struct srv *s, size_t chunk)
{
	return &s->regions[chunk / REGION_CHUNKS];
}

static void
touch(struct srv *s, size_t c)
{
	bit_set(s->touched, c);
	bit_set(s->maybe, c);
	region_of(s, c)->used_ns = s->last_guest_ns;
}

static void
set_bit(struct srv *s, size_t c)
{
	if (bit_test(s->leg->bits, c))
		return;
	bit_set(s->leg->bits, c);
	s->page_dirty[c / META_BITS_PER_PAGE] = 1;
	region_of(s, c)->set_seq = ++s->bm_seq;
}

static void
set_region(struct srv *s, size_t r)
{
	size_t c = r * REGION_CHUNKS, end = c + REGION_CHUNKS;

	if (c >= s->leg->n_chunks || s->n_hot >= REGIONS_MAX ||
	    s->regions[r].hot)
		return;
	s->regions[r].hot = true;
	s->regions[r].used_ns = s->last_guest_ns;
	s->n_hot++;
	for (; c < end && c < s->leg->n_chunks; c++)
		set_bit(s, c);
}

/* Chunk 'c' is about to be written for the first time in a while. */
static void
set_around(struct srv *s, size_t c)
{
	size_t r = c / REGION_CHUNKS, i;
	bool follows = r > 0 && s->regions[r - 1].hot && !s->regions[r].hot;

	set_region(s, r);
	for (i = 1; follows && i <= AHEAD; i++)
		set_region(s, r + i);
	set_bit(s, c);		/* too many are hot */
}

int
intent_mark(struct srv *s, uint64_t offset, uint64_t n, bool oos)
{
	size_t c, last = chunk_of(offset + n - 1);
	uint64_t need = 0;

	for (c = chunk_of(offset); c <= last; c++) {
		touch(s, c);
		if (oos)
			bit_set(s->oos, c);
		if (!bit_test(s->leg->bits, c))
			set_around(s, c);
		if (region_of(s, c)->set_seq > need)
			need = region_of(s, c)->set_seq;
	}
	unclean(s);
	return commit_until(s, need);
}

bool
intent_is_marked(struct srv *s, uint64_t offset, uint64_t n)
{
	size_t c, last = chunk_of(offset + n - 1);

	for (c = chunk_of(offset); c <= last; c++)
		if (!bit_test(s->leg->bits, c) ||
		    region_of(s, c)->set_seq > s->bm_durable)
			return false;
	for (c = chunk_of(offset); c <= last; c++)
		touch(s, c);
	unclean(s);
	return true;
}

void
intent_oos(struct srv *s, uint64_t offset, uint64_t n)
{
	size_t c, last = chunk_of(offset + n - 1);

	for (c = chunk_of(offset); c <= last; c++) {
		bit_set(s->oos, c);
		bit_set(s->maybe, c);
	}
}

void
intent_merge(struct srv *s, size_t at, const uint8_t *bits, size_t n)
{
	size_t i, b;

	for (i = 0; i < n; i++) {
		s->maybe[at + i] |= bits[i];
		for (b = 0; b < 8 && (bits[i] & ~s->leg->bits[at + i]) != 0;
		    b++)
			if (bits[i] & 1u << b)
				set_bit(s, (at + i) * 8 + b);
	}
	unclean(s);
}

void
intent_all_oos(struct srv *s, bool full)
{
	size_t c;

	for (c = 0; full && c < s->leg->n_chunks; c++) {
		set_bit(s, c);
		bit_set(s->maybe, c);
	}
	memcpy(s->oos, s->maybe, s->leg->n_pages * META_PAGE_BIT_BYTES);
	unclean(s);
}

static void
cool(struct srv *s, struct intent_region *r)
{
	if (r->hot)
		s->n_hot--;
	r->hot = false;
}

int
intent_clear_all(struct srv *s)
{
	size_t page, r, n = s->leg->n_pages * META_PAGE_BIT_BYTES;

	memset(s->leg->bits, 0, n);
	memset(s->maybe, 0, n);
	memset(s->oos, 0, n);
	for (r = 0; r * REGION_CHUNKS < s->leg->n_chunks; r++)
		cool(s, &s->regions[r]);
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

	(void)link_submit(s, count, &j);
	pthread_mutex_unlock(&s->mu);
	link_push(s);
	r = srv_data_sync(s);
	pthread_mutex_lock(&s->mu);
	if (r < 0) {
		s->disk_failed = true;
		srv_why(s, "disk-error", "this PM's disk failed to flush");
	}
	return link_wait(s, &j) == 0 && r == 0;
}

/*
 * A chunk leaves 'maybe' only if: no request touches it now; none did since the
 * round began; everything before that is flushed on both legs, over one and the
 * same connection.
 */
static bool
clean_maybe(struct srv *s)
{
	uint64_t count = s->link_count;
	size_t c, n = s->leg->n_chunks;

	memset(s->touched, 0, s->leg->n_pages * META_PAGE_BIT_BYTES);
	/* A request under way counts as touching until it is over. */
	for (c = bits_next(s->maybe, n, 0); c < n;
	    c = bits_next(s->maybe, n, c + 1))
		if (s->ranges.first != NULL && range_touched(&s->ranges,
		    (uint64_t)c * MIRROR_CHUNK_BYTES,
		    (uint64_t)(c + 1) * MIRROR_CHUNK_BYTES))
			bit_set(s->touched, c);
	if (!clean_flush_both(s, count) || s->link_count != count ||
	    s->io_mode != IO_BOTH)
		return false;
	for (c = bits_next(s->maybe, n, 0); c < n;
	    c = bits_next(s->maybe, n, c + 1))
		if (!bit_test(s->touched, c) && !bit_test(s->oos, c))
			bit_clear(s->maybe, c);
	return true;
}

/*
 * A region's bits go only if none of its chunks is in 'maybe'; a request under
 * way is.  Whoever writes later finds the bit unset and sets it again before it
 * writes.
 */
static void
clean_regions(struct srv *s)
{
	uint64_t rest = s->n_hot < REGIONS_MAX / 4 * 3 ? REST_NS : TICK_NS;
	uint64_t now = av_clock_ns();
	size_t n = s->leg->n_chunks, c, end, n_cleared = 0;

	for (c = bits_next(s->leg->bits, n, 0); c < n;
	    c = bits_next(s->leg->bits, n, end)) {
		size_t at = c / REGION_CHUNKS * REGION_CHUNKS;

		end = at + REGION_CHUNKS < n ? at + REGION_CHUNKS : n;
		if (bits_next(s->maybe, end, at) < end ||
		    now - region_of(s, c)->used_ns < rest)
			continue;
		for (c = at; c < end; c++) {
			bit_clear(s->leg->bits, c);
			s->page_dirty[c / META_BITS_PER_PAGE] = 1;
		}
		cool(s, region_of(s, at));
		n_cleared++;
	}
	if (n_cleared > 0) {
		s->bm_seq++;
		(void)intent_commit(s);	/* an error is sticky in bm_rc */
		srv_changed(s);
	}
}

static void
clean_round(struct srv *s, uint64_t *flushed_ns)
{
	size_t n = s->leg->n_chunks;
	uint64_t now = av_clock_ns();

	if (bits_next(s->maybe, n, 0) < n &&
	    (now - s->last_guest_ns > QUIET_NS || now - *flushed_ns > FLUSH_NS ||
	    s->n_hot >= REGIONS_MAX / 4 * 3)) {
		*flushed_ns = now;
		if (!clean_maybe(s))
			return;
	}
	clean_regions(s);
	if (bits_next(s->leg->bits, n, 0) == n)
		s->unclean = false;
}

void *
intent_cleaner(void *arg)
{
	struct srv *s = arg;

	uint64_t flushed_ns = av_clock_ns(), due;

	pthread_mutex_lock(&s->mu);
	while (!s->stopping) {
		if (!s->unclean || s->io_mode != IO_BOTH ||
		    s->link_count == 0) {
			pthread_cond_wait(&s->cv, &s->mu);
			continue;
		}
		due = av_clock_ns() + TICK_NS;
		while (!s->stopping && srv_wait_until(s, due))
			;
		if (!s->stopping && s->io_mode == IO_BOTH &&
		    s->link_count != 0)
			clean_round(s, &flushed_ns);
	}
	pthread_mutex_unlock(&s->mu);
	return NULL;
}
