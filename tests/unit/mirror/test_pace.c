/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_pace.c - how a resync gives way; where the windows are
 */
#include "mirror/mirror.h"
#include "mirror/replica/pace.h"
#include "mirror/replica/window.h"
#include "tests/test.h"

#define MS	1000000ull

/* A guest that gets rate_rest/s while the resync rests and rate_run/s while it
 * copies runs of run_ms; returns the share of its undisturbed rate, and of time
 * spent copying. */
static double
play(double rate_rest, double rate_run, uint64_t run_ms, double *ret_share)
{
	struct pace p = { 0 };
	double copying = 0, total = 0, done = 0, frac = 0;
	int i;

	for (i = 0; i < 4000; i++) {
		double n = rate_run * (double)run_ms / 1000 + frac;
		uint64_t rest;

		pace_ran(&p, run_ms * MS, (uint64_t)n);
		frac = n - (double)(uint64_t)n;
		rest = pace_rest_ns(&p, run_ms * MS, true);
		n = rate_rest * (double)rest / 1e9 + frac;
		pace_rested(&p, rest, (uint64_t)n);
		frac = n - (double)(uint64_t)n;
		if (i < 2000)
			continue;	/* it learns */
		copying += (double)run_ms / 1000;
		total += (double)run_ms / 1000 + (double)rest / 1e9;
		done += rate_run * (double)run_ms / 1000 +
		    rate_rest * (double)rest / 1e9;
	}
	*ret_share = copying / total;
	return done / total / rate_rest;
}

TEST(the_guest_keeps_its_share)
{
	double share, kept;

	kept = play(5000, 500, 8, &share);	/* a tenth is left to it */
	CHECK(kept > 0.75 && kept < 0.90);
	kept = play(5000, 0, 8, &share);	/* nothing */
	CHECK(kept > 0.75);
	CHECK(share > 0.15 && share < 0.30);	/* and yet it ends */
	kept = play(5000, 4000, 8, &share);	/* it hardly minds */
	CHECK(kept > 0.75);
	CHECK(share > 0.8);
	kept = play(5000, 6000, 8, &share);	/* measured by chance */
	CHECK(share > 0.85);
	return 0;
}

TEST(nobody_to_give_way_to)
{
	struct pace p = { 0 };

	CHECK_EQ(pace_rest_ns(&p, 10 * MS, false), 0);
	/* busy, but unknown how: half and half */
	CHECK_EQ(pace_rest_ns(&p, 10 * MS, true), 10 * MS);
	/* a disk that hangs doesn't make a rest of minutes */
	CHECK_EQ(pace_rest_ns(&p, 100000 * MS, true), PACE_REST_MAX_NS);
	return 0;
}

TEST(old_times_are_forgotten)
{
	struct pace p = { 0 };
	int i;

	for (i = 0; i < 1000; i++) {
		pace_ran(&p, 10 * MS, 0);
		pace_rested(&p, 10 * MS, 100);
	}
	CHECK(pace_rest_ns(&p, 10 * MS, true) > 35 * MS);
	for (i = 0; i < 300; i++) {
		pace_ran(&p, 10 * MS, 100);
		pace_rested(&p, 10 * MS, 100);
	}
	CHECK(pace_rest_ns(&p, 10 * MS, true) < 3 * MS);
	return 0;
}

TEST(a_size_is_found_from_the_export)
{
	static const uint64_t sizes[] = { 512, 4096, 4608, 65536, 65537 / 512
	    * 512 + 512, 16ull << 20, 2ull << 30, (2ull << 30) + 512,
	    2130706432ull, 256ull << 30, MIRROR_SIZE_MAX_BYTES - 512,
	    MIRROR_SIZE_MAX_BYTES };
	uint64_t found;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK(window_find(window_export(sizes[i]), &found));
		CHECK_EQ(found, (sizes[i] + 4095) / 4096 * 4096);
		CHECK_EQ(window_export(found), window_export(sizes[i]));
		CHECK_EQ(window_mailbox(found), window_mailbox(sizes[i]));
		CHECK(!window_find(window_export(sizes[i]) + 512, &found));
	}
	CHECK(!window_find(0, &found));
	CHECK(!window_find(UINT64_MAX, &found));
	return 0;
}

TESTS_MAIN(
	T(the_guest_keeps_its_share),
	T(nobody_to_give_way_to),
	T(old_times_are_forgotten),
	T(a_size_is_found_from_the_export),
)
