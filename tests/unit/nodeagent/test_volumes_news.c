/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_volumes_news.c - which of a mirror server's words ask for a
 * comparison: all but those that are named here
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "nodeagent/volumes_impl.h"
#include "tests/test.h"

#define NUMBER(f) { offsetof(struct mirror_status, f), \
	sizeof(((struct mirror_status *)0)->f) }

static const struct range { size_t at, n; } numbers[] = {
	NUMBER(written_bytes), NUMBER(read_bytes), NUMBER(write_requests),
	NUMBER(read_requests), NUMBER(resync_copied_bytes),
	NUMBER(resync_percent), NUMBER(resync_eta_s),
	NUMBER(resync_speed_kib_s), NUMBER(verify.done_bytes),
	NUMBER(peer_seen_ms), NUMBER(out_of_step_bytes), NUMBER(hold_left_ms),
	NUMBER(disk_slow_ms) };

static bool
is_number(size_t at)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (at >= numbers[i].at && at < numbers[i].at + numbers[i].n)
			return true;
	return false;
}

/* Every byte, whatever field it is of; none of the counts is or becomes 0. */
TEST(all_is_news_but_numbers)
{
	static struct mirror_status was, now;
	size_t at, n = 0;

	memset(&was, 0x11, sizeof(was));
	memcpy(&now, &was, sizeof(now));
	CHECK(!volume_is_news(&was, &now));
	for (at = 0; at < sizeof(now); at++) {
		((unsigned char *)&now)[at] = 0x22;
		CHECK_EQ(volume_is_news(&was, &now), !is_number(at));
		((unsigned char *)&now)[at] = 0x11;
		n += !is_number(at);
	}
	CHECK(n > sizeof(now) / 2);
	return 0;
}

TEST(the_first_of_some_and_the_end_of_all_are)
{
	static struct mirror_status none, some;

	some.out_of_step_bytes = 4096;
	CHECK(volume_is_news(&none, &some));
	CHECK(volume_is_news(&some, &none));
	some = none;
	some.hold_left_ms = 1;
	CHECK(volume_is_news(&none, &some));
	some = none;
	some.disk_slow_ms = 2500;
	CHECK(volume_is_news(&some, &none));
	return 0;
}

TESTS_MAIN(T(all_is_news_but_numbers),
    T(the_first_of_some_and_the_end_of_all_are))
