/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_switch.c - the writing side changes PM under load
 *
 * Two writers with numbered records go on while 'secondary' here, 'primary'
 * there is ordered again and again.  A write that failed with the old side is
 * written again through the new side's front, which holds it until the legs have
 * met.  After every change of sides, and at the end: a block holds the record
 * acknowledged last, or, where the answer is missing, that or the one tried;
 * never an older one (lost), never one that was overwritten since (doubled).
 *
 *	SWITCHES=5000 tests/unit/mirror/test_switch
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <libnbd.h>

#include "base/clock.h"
#include "base/str.h"
#include "tests/test.h"
#include "tests/unit/mirror/pair.h"

#define SWITCHES_DEFAULT	30
#define SWITCHES_MAX		100000
#define WRITERS			2
#define BLOCKS			64u
#define WORDS			(PAIR_BLOCK / 8)
#define RUN_WRITES		8	/* on each side, at least */
#define LOOKS			4	/* blocks read after each change */

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cv = PTHREAD_COND_INITIALIZER;
static int side;			/* mu: who is primary; -1 = nobody */
static uint64_t side_n;			/* mu: counts changes */
static bool ending;			/* mu */

struct writer {
	struct pair	*p;
	pthread_t	 thread;
	unsigned	 index;
	uint64_t	 seed;
	struct nbd_handle *h;
	int		 node;
	uint64_t	 seen_n;
	uint64_t	 version[BLOCKS];	/* acknowledged */
	uint64_t	 next;			/* version */
	_Atomic uint64_t acked, here;		/* writes; since the change */
	_Atomic uint64_t last_ns;		/* of the last answer */
	_Atomic uint64_t gap_ns;
	_Atomic uint64_t again;			/* written a second time */
	_Atomic bool	 failed;
};

static uint64_t
next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static uint64_t
block_offset(const struct writer *w, unsigned block)
{
	return (uint64_t)(w->index * BLOCKS + block) * PAIR_BLOCK;
}

static struct nbd_handle *
connect_front(struct pair *p, int node)
{
	struct nbd_handle *h = nbd_create();
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/run%d/front.sock", p->dir,
	    node);
	if (h == NULL || nbd_set_export_name(h, "front") < 0 ||
	    nbd_connect_unix(h, path) < 0) {
		nbd_close(h);
		return NULL;
	}
	return h;
}

/* 0, or -1: refused, so the side has changed. */
static int
read_version(struct writer *w, unsigned block, uint64_t *ret)
{
	uint64_t buf[WORDS];
	size_t i;

	if (nbd_pread(w->h, buf, sizeof(buf), block_offset(w, block), 0) < 0)
		return -1;
	for (i = 1; i < WORDS; i++)
		if (buf[i] != buf[0]) {
			fprintf(stderr, "writer %u: block %u is torn\n",
			    w->index, block);
			w->failed = true;
		}
	*ret = buf[0];
	return 0;
}

static int
look(struct writer *w, unsigned block, uint64_t tried)
{
	uint64_t v;

	if (read_version(w, block, &v) < 0)
		return -1;
	if (v == w->version[block] || (tried != 0 && v == tried))
		return 0;
	fprintf(stderr, "writer %u: block %u holds %llu, not %llu\n",
	    w->index, block, (unsigned long long)v,
	    (unsigned long long)w->version[block]);
	w->failed = true;
	return 0;
}

/* Waits for a primary and connects to it.  false = the end. */
static bool
go_over(struct writer *w)
{
	nbd_close(w->h);
	w->h = NULL;
	while (w->h == NULL) {
		pthread_mutex_lock(&mu);
		while ((side < 0 || side_n == w->seen_n) && !ending)
			pthread_cond_wait(&cv, &mu);
		w->node = side;
		w->seen_n = side_n;
		pthread_mutex_unlock(&mu);
		if (w->node < 0 || w->failed)
			return false;
		w->h = connect_front(w->p, w->node);
	}
	return true;
}

static void
answered(struct writer *w, bool first)
{
	uint64_t now = av_clock_ns();

	if (first && w->last_ns != 0)
		w->gap_ns = now - w->last_ns;
	w->last_ns = now;
	w->acked++;
	w->here++;
}

/* The write that the old side didn't answer, and some other blocks. */
static int
look_around(struct writer *w, unsigned block, uint64_t tried)
{
	int i, rc = look(w, block, tried);

	for (i = 0; rc == 0 && i < LOOKS; i++) {
		unsigned other = (unsigned)(next_random(&w->seed) % BLOCKS);

		if (other != block)
			rc = look(w, other, 0);
	}
	return rc;
}

static void *
writer_run(void *arg)
{
	struct writer *w = arg;
	uint64_t buf[WORDS];
	bool moved = false, up = go_over(w), stop = false;

	while (up && !stop && !w->failed) {
		unsigned block = (unsigned)(next_random(&w->seed) % BLOCKS);
		uint64_t v = ++w->next;
		size_t i;

		for (i = 0; i < WORDS; i++)
			buf[i] = v;
		while (nbd_pwrite(w->h, buf, sizeof(buf),
		    block_offset(w, block), 0) < 0) {
			do
				up = go_over(w);
			while (up && look_around(w, block, v) < 0);
			if (!up)
				return NULL;
			moved = true;
			w->again++;
		}
		w->version[block] = v;
		answered(w, moved);
		moved = false;
		pthread_mutex_lock(&mu);
		stop = ending;
		pthread_mutex_unlock(&mu);
	}
	nbd_close(w->h);
	return NULL;
}

static void
set_side(struct writer *w, int node)
{
	int i;

	pthread_mutex_lock(&mu);
	side = node;
	side_n++;
	for (i = 0; i < WRITERS && node >= 0; i++)
		w[i].here = 0;
	pthread_cond_broadcast(&cv);
	pthread_mutex_unlock(&mu);
}

static int
wait_written(struct pair *p, struct writer *w, uint64_t n)
{
	uint64_t due = av_clock_ns() + PAIR_WAIT_MS * AV_NS_PER_MS;
	int i;

	for (i = 0; i < WRITERS; i++)
		while (w[i].here < n)
			if (w[i].failed || av_clock_ns() > due ||
			    sd_event_run(p->loop, 500) < 0) {
				fprintf(stderr, "writer %d stands still\n", i);
				return -1;
			}
	return 0;
}

static int
compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of the worst gap; the rest is connecting, agreeing and the write itself. */
static struct parts {
	uint64_t gap_ns, secondary_ns, primary_ns;
} worst;

static void
tell_gaps(uint64_t *gaps, size_t n, const struct writer *w)
{
	qsort(gaps, n, sizeof(*gaps), compare_ns);
	fprintf(stderr, "%zu changes of sides: gap median %.1f ms, p99 "
	    "%.1f ms, worst %.1f ms (%.1f ms of it in 'secondary', %.1f ms "
	    "in 'primary'); %llu writes, %llu of them twice\n", n,
	    (double)gaps[n / 2] / 1e6, (double)gaps[n * 99 / 100] / 1e6,
	    (double)gaps[n - 1] / 1e6, (double)worst.secondary_ns / 1e6,
	    (double)worst.primary_ns / 1e6,
	    (unsigned long long)(w[0].acked + w[1].acked),
	    (unsigned long long)(w[0].again + w[1].again));
}

static int
switch_once(struct pair *p, struct writer *w, int to, uint64_t *ret_gap)
{
	uint64_t at[3] = { av_clock_ns() };
	int i;

	set_side(w, -1);
	CHECK_EQ(pair_order(p, 1 - to, MIRROR_V_SECONDARY), 0);
	at[1] = av_clock_ns();
	CHECK_EQ(pair_primary(p, to, false, 0, NULL), 0);
	at[2] = av_clock_ns();
	set_side(w, to);
	CHECK(wait_written(p, w, RUN_WRITES) == 0);
	*ret_gap = 0;
	for (i = 0; i < WRITERS; i++)
		if (w[i].gap_ns > *ret_gap)
			*ret_gap = w[i].gap_ns;
	if (*ret_gap > worst.gap_ns)
		worst = (struct parts){ *ret_gap, at[1] - at[0],
			at[2] - at[1] };
	return 0;
}

static int
writers_end(struct writer *w)
{
	int i, bad = 0;

	pthread_mutex_lock(&mu);
	ending = true;
	pthread_cond_broadcast(&cv);
	pthread_mutex_unlock(&mu);
	for (i = 0; i < WRITERS; i++) {
		(void)pthread_join(w[i].thread, NULL);
		bad |= w[i].failed;
	}
	return bad;
}

/* Every block on the side that writes now. */
static int
check_all(struct pair *p, struct writer *w, int node)
{
	unsigned b;
	int i;

	for (i = 0; i < WRITERS; i++) {
		w[i].h = connect_front(p, node);
		CHECK(w[i].h != NULL);
		for (b = 0; b < BLOCKS; b++)
			CHECK(look(&w[i], b, 0) == 0);
		CHECK(!w[i].failed);
		nbd_close(w[i].h);
	}
	return 0;
}

TEST(sides_change_under_load)
{
	static struct writer w[WRITERS];
	const char *text = getenv("SWITCHES");
	uint64_t n = SWITCHES_DEFAULT, i, *gaps;
	struct pair *p = pair_new_connected();
	int to = 0, bad = 0;

	if (text != NULL)
		CHECK(av_parse_u64(text, &n) == 0 && n > 0 &&
		    n <= SWITCHES_MAX);
	gaps = calloc(n, sizeof(*gaps));
	CHECK(p != NULL && gaps != NULL);
	set_side(w, 0);
	for (i = 0; i < WRITERS; i++) {
		w[i].p = p;
		w[i].index = (unsigned)i;
		w[i].seed = i + 1;
		CHECK(pthread_create(&w[i].thread, NULL, writer_run,
		    &w[i]) == 0);
	}
	CHECK(wait_written(p, w, RUN_WRITES) == 0);
	for (i = 0; i < n && !bad; i++) {
		to = 1 - to;
		bad = switch_once(p, w, to, &gaps[i]);
		if (bad)
			fprintf(stderr, "at change %llu\n",
			    (unsigned long long)i);
	}
	bad |= writers_end(w);
	CHECK(!bad);
	tell_gaps(gaps, n, w);
	CHECK(check_all(p, w, to) == 0);
	CHECK_EQ(pair_st(p, 0)->resync_count + pair_st(p, 1)->resync_count,
	    0);
	CHECK_EQ(pair_equal(p), 1);
	free(gaps);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(sides_change_under_load),
)
