/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/drill/test_witness.c - the witness sees what it is there to see
 *
 * Frames as they came by a cable go in as a small script: "TIME SIDE BOOT COUNTER
 * [i]", i = seen inside the PM.
 */
#include "tests/drill/watch.h"
#include "tests/test.h"

#define MS	1000000ull

static const uint8_t mac[6] = { 0x52, 0x54, 0, 0xdd, 0, 1 };
static struct watch w;

static enum watch_news
feed(uint64_t at_ms, int side, enum watch_point point, const char *boot,
    uint64_t counter)
{
	struct watch_beat b = { .at_ns = at_ms * MS, .side = side,
		.point = point, .counter = counter };
	const struct watch_vm *vm;
	const struct watch_run *other;

	memcpy(b.mac, mac, 6);
	(void)snprintf(b.boot, sizeof(b.boot), "%s", boot);
	return watch_beat(&w, &b, &vm, &other);
}

/* N beats every 50 ms; the sum of double runs seen in them. */
static unsigned
feed_many(uint64_t from_ms, int side, const char *boot, uint64_t counter,
    unsigned n)
{
	unsigned before = w.n_double, i;

	for (i = 0; i < n; i++)
		(void)feed(from_ms + i * 50, side, WATCH_CABLE, boot,
		    counter + i);
	return w.n_double - before;
}

static void
begin(void)
{
	memset(&w, 0, sizeof(w));
}

static uint64_t
gap_ms(uint64_t now_ms, uint64_t *ret_back_ms)
{
	uint64_t back, gap = watch_gap(&w, &w.vms[0], now_ms * MS, &back);

	*ret_back_ms = back / MS;
	return gap / MS;
}

TEST(a_text_that_is_no_heartbeat_is_refused)
{
	struct watch_beat b = { 0 };
	const char good[] = "AVBEAT 1 abc-def 17 900\n";
	char big[400];

	CHECK(watch_parse(good, sizeof(good) - 1, &b));
	CHECK_STR(b.boot, "abc-def");
	CHECK_EQ(b.counter, 17);
	CHECK(!watch_parse("AVBEAT 2 abc 17 900\n", 20, &b));
	CHECK(!watch_parse("AVBEAT 1 abc x 900\n", 19, &b));
	CHECK(!watch_parse("", 0, &b));
	memset(big, 'A', sizeof(big));
	CHECK(!watch_parse(big, sizeof(big), &b));
	return 0;
}

TEST(a_takeover_is_no_double_run)
{
	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 20), 0);
	CHECK_EQ(feed_many(4000, 1, "b", 1, 20), 0);
	CHECK_EQ(feed_many(9000, 0, "c", 1, 20), 0);
	CHECK_EQ(w.vms[0].n_runs, 3);
	return 0;
}

TEST(an_old_run_that_speaks_again_is_a_double_run)
{
	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 20), 0);
	CHECK_EQ(feed_many(4000, 1, "b", 1, 20), 0);
	CHECK_EQ(feed(4500, 0, WATCH_CABLE, "a", 21), WATCH_DOUBLE);
	/* told once */
	CHECK_EQ(feed(4550, 0, WATCH_CABLE, "a", 22), WATCH_OLD);
	return 0;
}

TEST(an_old_run_that_speaks_after_the_new_one_ended_is_one_too)
{
	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 20), 0);
	CHECK_EQ(feed_many(4000, 1, "b", 1, 20), 0);
	CHECK_EQ(feed(60000, 0, WATCH_CABLE, "a", 21), WATCH_DOUBLE);
	return 0;
}

TEST(two_boots_on_one_pm_at_once_are_a_double_run)
{
	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 20), 0);
	CHECK_EQ(feed(1500, 0, WATCH_CABLE, "b", 1), WATCH_DOUBLE);
	return 0;
}

TEST(one_boot_on_both_pms_at_once_is_a_double_run)
{
	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 5), 0);
	CHECK_EQ(feed(1300, 1, WATCH_CABLE, "a", 6), WATCH_NEW_RUN);
	CHECK_EQ(feed(1350, 0, WATCH_CABLE, "a", 7), WATCH_DOUBLE);
	return 0;
}

TEST(a_guest_that_moves_there_and_back_is_no_double_run)
{
	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 20), 0);	/* until 1950 */
	CHECK_EQ(feed_many(2200, 1, "a", 21, 20), 0);	/* until 3150 */
	/* seen late: the first PM's own view */
	CHECK_EQ(feed(1900, 0, WATCH_INSIDE, "a", 19), WATCH_OLD);
	CHECK_EQ(feed_many(3400, 0, "a", 41, 20), 0);
	CHECK_EQ(feed(1950, 0, WATCH_INSIDE, "a", 20), WATCH_OLD);
	CHECK_EQ(feed_many(4800, 1, "a", 61, 20), 0);
	CHECK_EQ(w.n_double, 0);
	CHECK_EQ(w.vms[0].n_runs, 4);
	CHECK_EQ(w.vms[0].n_new_runs, 1);
	CHECK_EQ(w.vms[0].n_moves, 3);
	return 0;
}

TEST(a_memory_that_runs_on_where_it_was_sent_from_is_a_double_run)
{
	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 20), 0);
	CHECK_EQ(feed_many(2200, 1, "a", 21, 20), 0);
	/* both have counted 21 */
	CHECK_EQ(feed(9000, 0, WATCH_CABLE, "a", 21), WATCH_DOUBLE);
	return 0;
}

TEST(a_run_that_only_its_pm_can_see_counts)
{
	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 20), 0);
	CHECK_EQ(feed_many(4000, 1, "b", 1, 20), 0);
	CHECK_EQ(feed(4500, 0, WATCH_INSIDE, "a", 21), WATCH_DOUBLE);
	return 0;
}

TEST(the_order_of_reading_does_not_matter)
{
	begin();
	/* b's frames are read first, a's were earlier: no double run */
	CHECK_EQ(feed_many(4000, 1, "b", 1, 5), 0);
	CHECK_EQ(feed_many(1000, 0, "a", 1, 5), 0);
	/* this one was later than b's first */
	CHECK_EQ(feed(4100, 0, WATCH_CABLE, "a", 6), WATCH_DOUBLE);
	return 0;
}

TEST(both_points_of_view_see_the_same_frame_once)
{
	begin();
	CHECK_EQ(feed(1000, 0, WATCH_INSIDE, "a", 1), WATCH_NEW_RUN);
	CHECK_EQ(feed(1000, 0, WATCH_CABLE, "a", 1), WATCH_OLD);
	CHECK_EQ(feed(1050, 0, WATCH_INSIDE, "a", 2), WATCH_OLD);
	CHECK_EQ(feed(1050, 0, WATCH_CABLE, "a", 2), WATCH_OLD);
	CHECK_EQ(w.n_double, 0);
	return 0;
}

TEST(two_processes_of_one_memory_are_seen)
{
	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 20), 0);
	CHECK_EQ(feed(2010, 0, WATCH_CABLE, "a", 20), WATCH_CLONE);
	CHECK_EQ(w.n_double, 1);
	return 0;
}

TEST(silence_is_measured_on_the_cable)
{
	uint64_t back;

	begin();
	CHECK_EQ(feed_many(1000, 0, "a", 1, 20), 0);	/* until 1950 */
	watch_mark(&w, 2000 * MS);
	CHECK_EQ(feed(2500, 0, WATCH_INSIDE, "a", 30), WATCH_OLD);
	CHECK_EQ(gap_ms(3950, &back), 2000);
	CHECK_EQ(back, 0);
	CHECK_EQ(feed(4950, 1, WATCH_CABLE, "b", 1), WATCH_NEW_RUN);
	CHECK_EQ(feed_many(5000, 1, "b", 2, 20), 0);
	CHECK_EQ(gap_ms(6000, &back), 3000);
	CHECK_EQ(back, 4950);
	watch_mark(&w, 6000 * MS);
	CHECK_EQ(feed_many(6000, 1, "b", 22, 20), 0);
	CHECK(gap_ms(7000, &back) <= 50);
	return 0;
}

TEST(a_vm_that_was_never_heard_has_no_run)
{
	uint64_t back;

	begin();
	CHECK(watch_vm_get(&w, mac) != NULL);
	watch_mark(&w, 1000 * MS);
	CHECK_EQ(w.vms[0].n_runs, 0);
	CHECK_EQ(gap_ms(3000, &back), 2000);
	CHECK_EQ(back, 0);
	return 0;
}

TESTS_MAIN(T(a_text_that_is_no_heartbeat_is_refused),
    T(a_takeover_is_no_double_run),
    T(an_old_run_that_speaks_again_is_a_double_run),
    T(an_old_run_that_speaks_after_the_new_one_ended_is_one_too),
    T(two_boots_on_one_pm_at_once_are_a_double_run),
    T(one_boot_on_both_pms_at_once_is_a_double_run),
    T(a_guest_that_moves_there_and_back_is_no_double_run),
    T(a_memory_that_runs_on_where_it_was_sent_from_is_a_double_run),
    T(a_run_that_only_its_pm_can_see_counts),
    T(the_order_of_reading_does_not_matter),
    T(both_points_of_view_see_the_same_frame_once),
    T(two_processes_of_one_memory_are_seen),
    T(silence_is_measured_on_the_cable),
    T(a_vm_that_was_never_heard_has_no_run))
