/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_arbiter_kinds.c - what every kind of arbiter promises
 *
 * One suite over etcd (a real one, see test_arbiter.c for what it alone can),
 * ping, closed and none.  A kind that can't keep a promise says so in 'kinds'.
 */
#include "tests/test.h"

#include <errno.h>
#include <poll.h>

#include "tests/unit/nodeagent/arbiter_fixture.h"

static const struct kind {
	const char	*name;
	bool		 answers;	/* somebody is there at all */
	bool		 grants;	/* a claim out of 'both' may succeed */
	bool		 remembers;	/* refuses the second claimer */
} kinds[] = {
	{ "etcd", true, true, true },
	{ "ping", true, true, false },	/* weak: quorum.h, order_arbiter.c */
	{ "closed", false, false, false },
};

static struct arbiter *
open_kind(const char *kind, const char *address, int node)
{
	return fx_open(kind, address, FX_UNIT, node, 3000);
}

static int
suite(const struct kind *k, const char *address)
{
	const struct role_move create = { .from_empty = true, .to_gen = 1,
		.to_owner = -1 };
	const struct role_move claim0 = { .from_both_gen = 1, .to_gen = 2 };
	const struct role_move claim1 = { .from_both_gen = 1, .to_gen = 2,
		.to_owner = 1 };
	const struct role_move back = { .from_mine_gen = 2, .from_lower = true,
		.from_empty = true, .to_gen = 3, .to_owner = -1 };
	const struct role_move own = { .to_gen = 2 };
	const struct role_move force = { .from_empty = true, .least_gen = 4,
		.to_owner = 1 };
	struct arbiter *a = open_kind(k->name, address, 0);
	struct arbiter *b = open_kind(k->name, address, 1);
	int i;

	CHECK(a != NULL && b != NULL);
	for (i = 0; i < 60; i++) {	/* an etcd takes a while to start */
		CHECK(fx_ask(a, NULL));
		CHECK(fx_got.probe);
		if (!k->answers || fx_got.state == ARBITER_OK ||
		    fx_got.state == ARBITER_EMPTY)
			break;
		(void)poll(NULL, 0, 100);
	}
	CHECK_EQ(fx_got.state == ARBITER_OK || fx_got.state == ARBITER_EMPTY,
	    k->answers);
	CHECK(k->answers || fx_got.text[0] != '\0');
	/* one question at a time, exactly one answer */
	fx_n_got = 0;
	CHECK_EQ(arbiter_ask(a, &create, NULL), 0);
	CHECK_EQ(arbiter_ask(a, &create, NULL), -EBUSY);
	CHECK(fx_wait_answer());
	CHECK_EQ(fx_got.kind == ROLE_EV_GRANTED, k->grants);
	CHECK(fx_ask(a, &claim0));
	CHECK_EQ(fx_got.kind == ROLE_EV_GRANTED, k->grants);
	CHECK(!k->grants || (fx_got.record.gen == 2 && fx_got.record.owner == 0));
	CHECK(fx_ask(b, &claim1));
	if (k->remembers)
		CHECK_EQ(fx_got.kind, ROLE_EV_REFUSED);
	else
		CHECK(fx_got.kind != ROLE_EV_REFUSED);	/* it can't know */
	CHECK(fx_ask(a, &own));
	CHECK_EQ(fx_got.kind == ROLE_EV_GRANTED, k->remembers);
	CHECK(fx_ask(a, &back));
	CHECK_EQ(fx_got.kind == ROLE_EV_GRANTED, k->grants);
	/* by force: only one with a memory has something to say to it */
	CHECK(fx_ask(b, &force));
	CHECK_EQ(fx_got.kind == ROLE_EV_GRANTED, k->remembers);
	/* let go while a question is under way: nobody hears of it */
	fx_n_got = 0;
	CHECK_EQ(arbiter_probe(b, NULL), 0);
	(void)arbiter_drop(b);
	CHECK(fx_ask(a, NULL));
	(void)arbiter_close(a);
	return 0;
}

TEST(etcd)
{
	char url[64];
	uint16_t port;
	pid_t pid;
	int rc;

	if (access(FX_ETCD, X_OK) < 0) {
		printf("skip etcd until=2027-05-31 no " FX_ETCD "\n");
		return 0;
	}
	pid = fx_etcd(url, sizeof(url), &port);
	CHECK(pid > 0);
	rc = suite(&kinds[0], url);
	fx_end(pid);
	return rc;
}

TEST(ping)
{
	char address[64];
	int tcp_fd = -1;

	(void)snprintf(address, sizeof(address), "192.0.2.1:9,127.0.0.1:%u",
	    fx_port(&tcp_fd));
	return suite(&kinds[1], address);
}

TEST(closed)
{
	return suite(&kinds[2], NULL);
}

TEST(none_has_nobody_to_ask)
{
	const struct role_move claim = { .from_both_gen = 1, .to_gen = 2 };
	struct arbiter *a = open_kind("none", NULL, 0);

	CHECK(a != NULL);
	CHECK_EQ(arbiter_ask(a, &claim, NULL), -EOPNOTSUPP);
	CHECK_EQ(arbiter_probe(a, NULL), -EOPNOTSUPP);
	(void)arbiter_close(a);
	CHECK(open_kind("oracle", NULL, 0) == NULL);
	return 0;
}

TEST(ping_that_reaches_nobody_grants_no_claim)
{
	const struct role_move claim = { .from_both_gen = 1, .to_gen = 2 };
	char address[64];
	struct arbiter *a;

	(void)snprintf(address, sizeof(address), "127.0.0.1:%u",
	    fx_port(NULL));
	a = open_kind("ping", address, 0);
	CHECK(fx_ask(a, &claim));
	CHECK_EQ(fx_got.kind, ROLE_EV_NO_ANSWER);
	CHECK_EQ(fx_got.state, ARBITER_UNREACHABLE);
	CHECK(!fx_got.maybe);
	(void)arbiter_close(a);
	return 0;
}

TEST(ping_addresses)
{
	static const char *const good[] = { "127.0.0.1", "::1", "[::1]:80",
		"10.0.0.1, 10.0.0.2:443", "fe80::1" };
	static const char *const bad[] = { "", "host", "10.0.0.1:0",
		"10.0.0.1:99999", "[::1", "10.0.0.1:", "1.2.3",
		"1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,"
		"1.1.1.8,1.1.1.9" };
	struct arbiter *a;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		a = open_kind("ping", good[i], 0);
		CHECK(a != NULL);
		(void)arbiter_close(a);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(open_kind("ping", bad[i], 0) == NULL);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { T(etcd), T(ping), T(closed),
		T(none_has_nobody_to_ask),
		T(ping_that_reaches_nobody_grants_no_claim),
		T(ping_addresses) };
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	if (sd_event_new(&fx_loop) < 0)
		return 99;
	rc = tests_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
	fx_loop = sd_event_unref(fx_loop);
	return rc;
}
