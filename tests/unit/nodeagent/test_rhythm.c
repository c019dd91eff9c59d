/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_rhythm.c - a loop that has too little time
 *
 * Each comparison takes longer than the time between two passes, and while it lasts
 * news come, from as many sources as an agent has, of which each kicks the next one.
 * Nothing here depends on how fast the machine is: a busy one only takes longer.
 */
#include <stdbool.h>

#include "base/clock.h"
#include "nodeagent/rhythm.h"
#include "nodeagent/timing.h"
#include "tests/test.h"

#define N_NEWS		12u
#define PASS_NS		(4 * AV_NS_PER_MS)
#define TICK_NS		(20 * AV_NS_PER_MS)
#define TICK_MAX_NS	(60 * AV_NS_PER_MS)

static struct {
	struct rhythm	 r;
	sd_event	*event;
	sd_event_source	*news[N_NEWS];
	unsigned	 n_news;	/* to be looked at */
	uint64_t	 busy_ns;	/* a comparison takes no less */
	bool		 starved;
	unsigned	 n_compared, n_passes;
	unsigned	 since_pass, most;	/* comparisons */
	unsigned	 n_early;	/* passes with news that nobody has looked at */
} W;

static int
on_news(sd_event_source *s, void *arg)
{
	(void)s;
	(void)arg;
	W.n_news--;
	rhythm_kick(&W.r);
	return 0;
}

static void
news_come(void)
{
	for (; W.n_news < N_NEWS; W.n_news++)
		(void)sd_event_source_set_enabled(W.news[W.n_news],
		    SD_EVENT_ONESHOT);
}

static void
compare(void *ctx)
{
	uint64_t end_ns = av_clock_ns() + W.busy_ns;

	(void)ctx;
	while (av_clock_ns() < end_ns)
		;
	W.n_compared++;
	if (++W.since_pass > W.most)
		W.most = W.since_pass;
	if (W.starved)
		news_come();
}

static void
pass(void *ctx)
{
	(void)ctx;
	W.n_passes++;
	W.since_pass = 0;
	W.n_early += W.n_news > 0;
}

static int
world_open(void)
{
	unsigned i;

	memset(&W, 0, sizeof(W));
	W.r = (struct rhythm){ .compare = compare, .pass = pass,
	    .tick_ns = TICK_NS, .tick_max_ns = TICK_MAX_NS,
	    .pass_ns = PASS_NS };
	CHECK(sd_event_new(&W.event) >= 0);
	/* as in the agent: some sources are older than the comparison's, some younger */
	for (i = 0; i < N_NEWS / 2; i++)
		CHECK(sd_event_add_defer(W.event, &W.news[i], on_news,
		    NULL) >= 0);
	CHECK_EQ(rhythm_start(&W.r, W.event, NULL), 0);
	for (; i < N_NEWS; i++)
		CHECK(sd_event_add_defer(W.event, &W.news[i], on_news,
		    NULL) >= 0);
	for (i = 0; i < N_NEWS; i++)
		CHECK(sd_event_source_set_enabled(W.news[i],
		    SD_EVENT_OFF) >= 0);
	CHECK_EQ(rhythm_pass_start(&W.r, W.event, NULL), 0);
	return 0;
}

static void
world_close(void)
{
	unsigned i;

	rhythm_stop(&W.r);
	for (i = 0; i < N_NEWS; i++)
		W.news[i] = sd_event_source_disable_unref(W.news[i]);
	W.event = sd_event_unref(W.event);
}

/* Turns the loop until that many more comparisons were made. */
static int
turn(unsigned n_compared)
{
	unsigned until = W.n_compared + n_compared, turns = 0;

	while (W.n_compared < until && turns++ < 100000)
		CHECK(sd_event_run(W.event, 1000000) >= 0);
	return W.n_compared < until;
}

/* The word goes out between any two comparisons that take longer than a pass
 * may wait, and never before the news are looked at. */
TEST(starved_loop_says_its_word)
{
	CHECK_EQ(world_open(), 0);
	W.busy_ns = 2 * PASS_NS;
	W.starved = true;
	CHECK_EQ(turn(40), 0);
	CHECK(W.n_passes >= 39);
	CHECK_EQ(W.most, 1);
	CHECK_EQ(W.n_early, 0);
	/* all of the news got their comparison, too */
	W.starved = false;
	CHECK_EQ(turn(1), 0);
	CHECK_EQ(W.n_news, 0);
	world_close();
	return 0;
}

TEST(quiet_loop_says_it_between_ticks)
{
	CHECK_EQ(world_open(), 0);
	CHECK_EQ(turn(4), 0);
	CHECK(W.n_passes >= 4);
	CHECK_EQ(W.most, 1);
	world_close();
	return 0;
}

/* Until when the tick waits that comes after a comparison of that length. */
static int
tick_after(uint64_t busy_ns, uint64_t *ret_ns, uint64_t *ret_compare_ns)
{
	uint64_t due_us, was_us, now_us;

	W.busy_ns = busy_ns;
	CHECK_EQ(turn(1), 0);
	*ret_compare_ns = W.r.compare_ns;
	CHECK(sd_event_source_get_time(W.r.tick_src, &was_us) >= 0);
	do {
		CHECK(sd_event_run(W.event, 1000000) >= 0);
		CHECK(sd_event_source_get_time(W.r.tick_src, &due_us) >= 0);
	} while (due_us == was_us);
	/* the loop's own clock: when it woke up for this tick */
	CHECK_EQ(sd_event_now(W.event, CLOCK_MONOTONIC, &now_us), 0);
	*ret_ns = (due_us - now_us) * AV_NS_PER_US;
	return 0;
}

TEST(tick_stretches_and_comes_back)
{
	static const uint64_t busy_ns[] = { 0, 15 * AV_NS_PER_MS,
		40 * AV_NS_PER_MS, 15 * AV_NS_PER_MS, 0, 0 };
	uint64_t got_ns, compare_ns, want_ns;
	size_t i;

	CHECK_EQ(world_open(), 0);
	for (i = 0; i < sizeof(busy_ns) / sizeof(busy_ns[0]); i++) {
		CHECK_EQ(tick_after(busy_ns[i], &got_ns, &compare_ns), 0);
		CHECK(compare_ns >= busy_ns[i]);
		want_ns = 2 * compare_ns;
		want_ns = want_ns < TICK_NS ? TICK_NS :
		    want_ns > TICK_MAX_NS ? TICK_MAX_NS : want_ns;
		CHECK_EQ(got_ns / AV_NS_PER_US, want_ns / AV_NS_PER_US);
	}
	world_close();
	return 0;
}

TEST(limits_grow_with_the_time_scale)
{
	struct timing one, eight;

	timing_fill(&one, 100);
	timing_fill(&eight, 800);
	CHECK_EQ(one.duties_ns, 5 * AV_NS_PER_S);
	CHECK_EQ(one.tick_max_ns, 3 * AV_NS_PER_S);
	CHECK_EQ(eight.duties_ns, 40 * AV_NS_PER_S);
	CHECK_EQ(eight.tick_max_ns, 24 * AV_NS_PER_S);
	return 0;
}

TESTS_MAIN(T(starved_loop_says_its_word), T(quiet_loop_says_it_between_ticks),
    T(tick_stretches_and_comes_back), T(limits_grow_with_the_time_scale))
