/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_membership.c - the corosync driver
 *
 * By itself: without corosync it says so and doesn't spin.  With COROSYNC_PID=n
 * (tests/live/test_membership.sh) against a real one, which it kills.
 */
#include "tests/test.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "nodeagent/membership.h"

static bool up, self_in, peer_in;
static int n_delivered, n_down;
static size_t delivered_bytes;
static uint8_t last[8];

static void
on_nodes(void *arg, bool is_up, bool peer)
{
	(void)arg; (void)peer;
	n_down += up && !is_up;
	up = is_up;
}

static void
on_group(void *arg, bool self, bool peer)
{
	(void)arg;
	self_in = self;
	peer_in = peer;
}

static void
on_deliver(void *arg, int node, const uint8_t *data, size_t n)
{
	(void)arg; (void)node;
	n_delivered++;
	delivered_bytes += n;
	memcpy(last, data, n < 8 ? n : 8);
}

static const struct membership_events events = { on_nodes, on_group,
	on_deliver };
static sd_event *loop;
static void *m;

static int
start(void)
{
	struct membership_conf conf = { .unit_uuid =
	    "0123456789abcdef0123456789abcdef", .reconnect_ns = 100000000 };

	CHECK(sd_event_new(&loop) >= 0);
	CHECK(membership_corosync_ops.open(loop, &conf, &events, NULL, &m,
	    NULL) == 0);
	return 0;
}

static void
run_ms(unsigned ms, const bool *until)
{
	uint64_t stop = av_clock_ns() + ms * AV_NS_PER_MS;

	while (av_clock_ns() < stop && (until == NULL || !*until))
		(void)sd_event_run(loop, 20000);
}

static void
stop(void)
{
	membership_corosync_ops.close(m);
	loop = sd_event_unref(loop);
}

TEST(no_daemon_is_told_and_not_spun_on)
{
	uint8_t byte = 1;
	clock_t cpu;

	if (getenv("COROSYNC_PID") != NULL)
		return 0;
	CHECK(start() == 0);
	cpu = clock();
	run_ms(600, NULL);
	CHECK(!self_in);
	CHECK(membership_corosync_ops.send(m, &byte, 1) == -ENOTCONN);
	CHECK(clock() - cpu < CLOCKS_PER_SEC / 10);
	stop();
	return 0;
}

TEST(real_daemon_delivers_in_order_and_its_death_is_seen)
{
	const char *pid = getenv("COROSYNC_PID");
	uint8_t big[60000] = { 0 };
	bool gone = false;
	int i, daemon_pid = 0;

	CHECK(start() == 0);
	run_ms(10000, &self_in);
	CHECK(self_in && up && !peer_in);
	/* more than corosync takes at once: TRY_AGAIN is waited out */
	for (i = 0; i < 300; i++) {
		big[0] = (uint8_t)i;
		CHECK(membership_corosync_ops.send(m, big, sizeof(big)) == 0);
	}
	for (i = 0; i < 500 && n_delivered < 300; i++)
		run_ms(20, NULL);
	CHECK_EQ(n_delivered, 300);
	CHECK_EQ(delivered_bytes, 300 * sizeof(big));
	CHECK_EQ(last[0], (uint8_t)299);
	CHECK(sscanf(pid, "%d", &daemon_pid) == 1 && daemon_pid > 1);
	CHECK(kill(daemon_pid, SIGKILL) == 0);
	for (i = 0; i < 250 && !gone; i++) {
		run_ms(20, NULL);
		gone = !up && !self_in;
	}
	CHECK(gone && n_down == 1);
	stop();
	return 0;
}

/* The real daemon's case runs where there is one: tests/live/test_membership.sh. */
int
main(int argc, char **argv)
{
	static const struct test_case alone[] = { T(no_daemon_is_told_and_not_spun_on) };
	static const struct test_case real[] = {
		T(real_daemon_delivers_in_order_and_its_death_is_seen) };

	if (getenv("COROSYNC_PID") != NULL)
		return tests_run(real, 1, argc, argv);
	return tests_run(alone, sizeof(alone) / sizeof(alone[0]), argc, argv);
}
