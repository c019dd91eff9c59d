/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_watchdog.c - when the guard kills, and what the agent
 * may say; messages and devices
 */
#include "tests/test.h"

#include <errno.h>

#include "base/clock.h"
#include "base/str.h"
#include "nodeagent/core/role.h"
#include "nodeagent/guard_device.h"
#include "nodeagent/timing.h"
#include "nodeagent/watchdog.h"

#define MS(n)		((uint64_t)(n) * AV_NS_PER_MS)
#define STRICT		TIMING_STRICT_MS
#define LEASE		TIMING_LEASE_MS
#define START		MS(1000000)

static const struct watchdog_times times = {
	.strict_ns = MS(STRICT), .hang_ns = MS(TIMING_HANG_MS),
	.relaxed_ns = MS(TIMING_RELAXED_MS) };

static void
told(struct watchdog *w, enum watchdog_hold hold, bool healthy, bool grant,
    uint64_t at_ns)
{
	struct watchdog_say say = { .hold = hold, .healthy = healthy,
	    .grant = grant, .pass_ns = at_ns };

	watchdog_told(w, &say);
}

/* A PM that runs together, told so at START. */
static void
together(struct watchdog *w)
{
	watchdog_init(w, &times, WATCHDOG_NONE, START - MS(5000));
	watchdog_agent_up(w, START - MS(100));
	told(w, WATCHDOG_TOGETHER, true, true, START);
}

/* The ms after START at which the guard first does 'v', looking every tick. */
static unsigned
when(struct watchdog *w, enum watchdog_verdict v, unsigned until_ms)
{
	unsigned ms;

	for (ms = 0; ms <= until_ms; ms += TIMING_WATCHDOG_TICK_MS)
		if (watchdog_judge(w, START + MS(ms)) == v)
			return ms;
	return UINT32_MAX;
}

/* --- the guard --- */

TEST(hung_and_cut_is_killed_after_strict)
{
	struct watchdog w;

	together(&w);
	CHECK_EQ(when(&w, WATCHDOG_KILL_PM, 10000), STRICT);
	return 0;
}

TEST(hung_before_the_cut_lives_by_the_peers_word_and_no_longer)
{
	struct watchdog w;
	unsigned ms;

	together(&w);
	/* the peer's guard echoes beats sent until 3000 ms */
	for (ms = 0; ms <= 3000; ms += TIMING_HEARTBEAT_MS) {
		watchdog_proved(&w, START + MS(ms), MS(LEASE), true);
		CHECK(watchdog_judge(&w, START + MS(ms)) == WATCHDOG_FEED);
	}
	/* an older beat by a slower link changes nothing */
	watchdog_proved(&w, START + MS(2000), MS(LEASE), true);
	CHECK_EQ(when(&w, WATCHDOG_KILL_PM, 10000), 3000 + LEASE);
	return 0;
}

TEST(killed_before_the_peer_may_start_guests)
{
	struct watchdog w;
	unsigned lost_here, killed;

	/* worst: the agent is well until it would lose the peer, then hangs */
	for (lost_here = 0; lost_here <= TIMING_SKEW_MS; lost_here++) {
		together(&w);
		told(&w, WATCHDOG_TOGETHER, true, true, START + MS(lost_here));
		watchdog_proved(&w, START, MS(LEASE), true);
		killed = when(&w, WATCHDOG_KILL_PM, 10000);
		CHECK(killed + TIMING_KILL_MS + TIMING_DRIFT_MS <=
		    TIMING_PEER_DEAD_MS);
		CHECK(killed <= TIMING_SKEW_MS + STRICT +
		    TIMING_WATCHDOG_TICK_MS);
	}
	return 0;
}

TEST(an_unhealthy_pass_feeds_nothing)
{
	struct watchdog w;
	unsigned ms;

	together(&w);
	for (ms = 0; ms < STRICT; ms += 25) {
		told(&w, WATCHDOG_TOGETHER, false, true, START + MS(ms));
		CHECK(watchdog_judge(&w, START + MS(ms)) == WATCHDOG_FEED);
	}
	told(&w, WATCHDOG_TOGETHER, false, true, START + MS(STRICT));
	CHECK(watchdog_judge(&w, START + MS(STRICT)) == WATCHDOG_KILL_PM);
	return 0;
}

/* It woke: its signs of the peer are as old as its hang is long. */
TEST(a_pass_that_comes_too_late_revives_nothing)
{
	struct watchdog w;

	together(&w);
	told(&w, WATCHDOG_TOGETHER, true, true, START + MS(STRICT));
	CHECK(watchdog_judge(&w, START + MS(STRICT)) == WATCHDOG_KILL_PM);
	/* by the peer's word it lives, and is as good as new */
	together(&w);
	watchdog_proved(&w, START + MS(STRICT), MS(LEASE), true);
	told(&w, WATCHDOG_TOGETHER, true, true, START + MS(STRICT + 10));
	CHECK(watchdog_judge(&w, START + MS(2 * STRICT + 9)) ==
	    WATCHDOG_FEED);
	return 0;
}

TEST(restart_of_the_agent_with_the_peer_well)
{
	struct watchdog w;
	unsigned ms;

	together(&w);
	watchdog_agent_gone(&w);
	for (ms = 0; ms < 20000; ms += 25) {
		watchdog_proved(&w, START + MS(ms), MS(LEASE), true);
		CHECK(watchdog_judge(&w, START + MS(ms)) == WATCHDOG_FEED);
	}
	CHECK(w.grant);		/* its last word: a dead agent takes nobody's */
	watchdog_agent_up(&w, START + MS(ms));
	CHECK(!w.grant);	/* the new one has yet to find the peer */
	told(&w, WATCHDOG_KEEP, false, false, START + MS(ms));
	CHECK(w.hold == WATCHDOG_TOGETHER);
	return 0;
}

TEST(nobody_manages_it)
{
	struct watchdog w;
	unsigned ms;

	/* the peer's agent is well: it takes the guests after RELAXED */
	together(&w);
	watchdog_agent_gone(&w);
	for (ms = 0; ms < TIMING_RELAXED_MS; ms += 100) {
		watchdog_proved(&w, START + MS(ms), MS(LEASE), true);
		CHECK(watchdog_judge(&w, START + MS(ms)) == WATCHDOG_FEED);
	}
	watchdog_proved(&w, START + MS(ms), MS(LEASE), true);
	CHECK(watchdog_judge(&w, START + MS(ms)) == WATCHDOG_KILL_PM);
	/* it isn't either: killing both would help nobody */
	watchdog_proved(&w, START + MS(ms) + 1, MS(LEASE), false);
	CHECK(watchdog_judge(&w, START + MS(ms)) == WATCHDOG_FEED);
	return 0;
}

TEST(a_hung_agent_is_killed_once)
{
	struct watchdog w;
	unsigned ms, n = 0;

	together(&w);
	for (ms = 0; ms < 3 * TIMING_HANG_MS; ms += 25) {
		enum watchdog_verdict v;

		watchdog_proved(&w, START + MS(ms), MS(LEASE), true);
		v = watchdog_judge(&w, START + MS(ms));
		CHECK(v != WATCHDOG_KILL_PM);
		if (v == WATCHDOG_KILL_AGENT) {
			n++;
			CHECK_EQ(ms, TIMING_HANG_MS);
		}
	}
	CHECK_EQ(n, 1);
	return 0;
}

TEST(alone_and_idle_are_left_alive)
{
	static const enum watchdog_hold holds[] = { WATCHDOG_NONE,
		WATCHDOG_ALONE };
	struct watchdog w;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(holds); i++) {
		together(&w);
		told(&w, holds[i], false, false, START);
		CHECK_EQ(when(&w, WATCHDOG_KILL_PM, 200000), UINT32_MAX);
		CHECK_EQ(watchdog_may_let_go(&w), holds[i] == WATCHDOG_NONE);
	}
	return 0;
}

TEST(back_together_counts_from_then)
{
	struct watchdog w;

	together(&w);
	told(&w, WATCHDOG_ALONE, false, false, START);
	told(&w, WATCHDOG_TOGETHER, false, true, START + MS(60000));
	CHECK(watchdog_judge(&w, START + MS(60000)) == WATCHDOG_FEED);
	CHECK(watchdog_judge(&w, START + MS(60000 + STRICT)) ==
	    WATCHDOG_KILL_PM);
	return 0;
}

TEST(a_new_guard_trusts_nobody_for_longer_than_strict)
{
	struct watchdog w;

	watchdog_init(&w, &times, WATCHDOG_TOGETHER, START);
	CHECK(!w.grant);
	CHECK_EQ(when(&w, WATCHDOG_KILL_PM, 10000), STRICT);
	return 0;
}

/* --- what the agent says --- */

TEST(every_state_says_the_right_thing)
{
	static const struct {
		int state;
		bool guests, lost;
		enum watchdog_hold hold;
		bool healthy, grant;
	} rows[] = {
		{ ROLE_JOINING, true, true, WATCHDOG_KEEP, false, false },
		{ ROLE_JOINING, true, false, WATCHDOG_KEEP, true, true },
		{ ROLE_TOGETHER, true, false, WATCHDOG_TOGETHER, true, true },
		{ ROLE_TOGETHER, false, false, WATCHDOG_TOGETHER, true, true },
		{ ROLE_TOGETHER, true, true, WATCHDOG_TOGETHER, false, false },
		{ ROLE_REJOINING, true, false, WATCHDOG_TOGETHER, true, true },
		{ ROLE_FROZEN, true, true, WATCHDOG_TOGETHER, false, false },
		{ ROLE_FROZEN, true, false, WATCHDOG_TOGETHER, false, false },
		{ ROLE_FROZEN, false, true, WATCHDOG_NONE, false, false },
		{ ROLE_ALONE, true, true, WATCHDOG_ALONE, false, false },
		{ ROLE_ALONE, true, false, WATCHDOG_ALONE, false, false },
		{ ROLE_FOLLOWER, false, false, WATCHDOG_NONE, false, false },
		{ ROLE_STOPPED, true, false, WATCHDOG_TOGETHER, false, false },
		{ ROLE_WAITING, false, true, WATCHDOG_NONE, false, false },
		{ ROLE_SPLIT, false, false, WATCHDOG_NONE, false, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct watchdog_view v = { .guests = rows[i].guests,
		    .role = rows[i].state, .lost = rows[i].lost,
		    .store_ok = true, .duties_ns = START, .now_ns = START,
		    .duties_limit_ns = MS(5000) };
		struct watchdog_say say;

		watchdog_view_say(&v, &say);
		CHECK_EQ(say.hold, rows[i].hold);
		CHECK_EQ(say.healthy, rows[i].healthy);
		CHECK_EQ(say.grant, rows[i].grant);
		CHECK(say.pass_ns == START);
		v.store_ok = false;
		watchdog_view_say(&v, &say);
		CHECK(!say.healthy);
		v.store_ok = true;
		v.now_ns += MS(5000) - 1;
		watchdog_view_say(&v, &say);
		CHECK_EQ(say.healthy, rows[i].healthy);
		v.now_ns++;
		watchdog_view_say(&v, &say);
		CHECK(!say.healthy);
	}
	return 0;
}

/* --- messages --- */

TEST(messages_round_trip_and_damage)
{
	struct watchdog_say say = { WATCHDOG_ALONE, true, false, 0x1122334455 },
	    got;
	struct watchdog_answer a = { WATCHDOG_DEV_REAL, 1000 }, got_a;
	uint8_t buf[WATCHDOG_SAY_BYTES + 1] = { 0 };
	uint8_t ans[WATCHDOG_ANSWER_BYTES + 1] = { 0 };
	size_t i;

	watchdog_say_encode(&say, buf);
	CHECK(watchdog_say_decode(buf, WATCHDOG_SAY_BYTES, &got) == 0);
	CHECK(got.hold == WATCHDOG_ALONE && got.healthy && !got.grant &&
	    got.pass_ns == say.pass_ns);
	for (i = 0; i <= WATCHDOG_SAY_BYTES + 1; i++)
		CHECK(i == WATCHDOG_SAY_BYTES ||
		    watchdog_say_decode(buf, i, &got) == -EBADMSG);
	for (i = 0; i < 8; i++) {
		uint8_t was = buf[i];

		buf[i] = 0xff;
		CHECK(watchdog_say_decode(buf, WATCHDOG_SAY_BYTES, &got) ==
		    -EBADMSG);
		buf[i] = was;
	}
	watchdog_answer_encode(&a, ans);
	CHECK(watchdog_answer_decode(ans, WATCHDOG_ANSWER_BYTES, &got_a) == 0);
	CHECK(got_a.device == WATCHDOG_DEV_REAL && got_a.timeout_ms == 1000);
	ans[5] = WATCHDOG_N_DEVS;
	CHECK(watchdog_answer_decode(ans, WATCHDOG_ANSWER_BYTES, &got_a) ==
	    -EBADMSG);
	return 0;
}

/* --- devices --- */

static struct { int opened, fed, let_go, resets, seconds, least; bool own; } sys;

static int fake_open(const char *path)
{
	sys.opened++;
	return strcmp(path, "/dev/gone") == 0 ? -ENOENT : 900;
}
static int fake_settimeout(int fd, int *seconds)
{
	(void)fd;
	if (*seconds < sys.least)
		*seconds = sys.least;
	sys.seconds = *seconds;
	return 0;
}
static int fake_keepalive(int fd) { (void)fd; sys.fed++; return 0; }
static int fake_letgo(int fd) { (void)fd; sys.let_go++; return 0; }
static void fake_reset(void) { sys.resets++; }
static bool fake_own(void) { return sys.own; }
static const struct guard_sys fake_sys = { fake_open, fake_settimeout,
	fake_keepalive, fake_letgo, fake_reset, fake_own, NULL };

TEST(real_device)
{
	struct guard_device d;
	struct av_err err = { 0 };

	memset(&sys, 0, sizeof(sys));
	sys.own = true;
	CHECK(guard_device_open(&d, &fake_sys, "auto", TIMING_DEVICE_MS,
	    &err) == 0);
	CHECK(d.is.device == WATCHDOG_DEV_REAL && d.is.timeout_ms == 1000);
	guard_device_feed(&d);
	CHECK_EQ(sys.fed, 1);
	guard_device_kill(&d, "test");
	CHECK_EQ(sys.resets, 1);
	guard_device_close(&d, false);
	CHECK_EQ(sys.let_go, 0);	/* armed: it resets the PM */
	CHECK(guard_device_open(&d, &fake_sys, "/dev/watchdog1",
	    TIMING_DEVICE_MS, &err) == 0);
	guard_device_close(&d, true);
	CHECK_EQ(sys.let_go, 1);
	sys.least = 15;
	CHECK(guard_device_open(&d, &fake_sys, "auto", TIMING_DEVICE_MS,
	    &err) == 0);
	CHECK(d.is.device == WATCHDOG_DEV_SLOW && d.is.timeout_ms == 15000);
	guard_device_close(&d, true);
	CHECK(guard_device_open(&d, &fake_sys, "/dev/gone", TIMING_DEVICE_MS,
	    &err) == -ENOENT);
	return 0;
}

TEST(never_the_machine_around_a_container)
{
	struct guard_device d;
	struct av_err err = { 0 };

	memset(&sys, 0, sizeof(sys));
	CHECK(guard_device_open(&d, &fake_sys, "auto", TIMING_DEVICE_MS,
	    &err) == 0);
	CHECK(d.is.device == WATCHDOG_DEV_NONE);
	guard_device_kill(&d, "test");
	CHECK(guard_device_open(&d, &fake_sys, "/dev/watchdog",
	    TIMING_DEVICE_MS, &err) == -EPERM);
	sys.own = true;
	CHECK(guard_device_open(&d, &fake_sys, "none", TIMING_DEVICE_MS,
	    &err) == 0);
	guard_device_kill(&d, "test");
	CHECK_EQ(sys.opened, 0);
	CHECK_EQ(sys.resets, 0);
	return 0;
}

TESTS_MAIN(T(hung_and_cut_is_killed_after_strict),
    T(hung_before_the_cut_lives_by_the_peers_word_and_no_longer),
    T(killed_before_the_peer_may_start_guests),
    T(an_unhealthy_pass_feeds_nothing),
    T(a_pass_that_comes_too_late_revives_nothing),
    T(restart_of_the_agent_with_the_peer_well), T(nobody_manages_it),
    T(a_hung_agent_is_killed_once), T(alone_and_idle_are_left_alive),
    T(back_together_counts_from_then),
    T(a_new_guard_trusts_nobody_for_longer_than_strict),
    T(every_state_says_the_right_thing), T(messages_round_trip_and_damage),
    T(real_device), T(never_the_machine_around_a_container))
