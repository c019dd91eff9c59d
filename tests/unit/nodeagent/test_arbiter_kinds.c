/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_arbiter_kinds.c - what every kind of arbiter promises
 *
 * One suite over etcd (a real one, see test_arbiter.c for what it alone can),
 * ping, closed and none.  A kind that can't keep a promise says so in 'kinds'.
 */
#include "tests/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "nodeagent/arbiter.h"

#define UNIT	"0123456789abcdef0123456789abcdef"

static sd_event *loop;
static struct arbiter_answer got;
static int n_got;
static pid_t etcd_pid;
static int tcp_fd = -1;

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

static void
on_answer(void *arg, const struct arbiter_answer *a)
{
	(void)arg;
	got = *a;
	n_got++;
}

static uint16_t
bind_port(int *ret_fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return 0;
	if (ret_fd != NULL) {
		(void)listen(fd, 64);
		*ret_fd = fd;
	} else {
		(void)close(fd);
	}
	return ntohs(a.sin_port);
}

static void
start_etcd(char *url, size_t n)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char dir[256], peer[64], cluster[80];
	extern char **environ;
	const char *argv[] = { "etcd", "--data-dir", dir,
		"--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls",
		peer, "--initial-cluster", cluster, "--log-level", "error",
		NULL };

	(void)snprintf(dir, sizeof(dir), "%.200s/etcdk.%d", tmp,
	    (int)getpid());
	(void)snprintf(url, n, "http://127.0.0.1:%u", bind_port(NULL));
	(void)snprintf(peer, sizeof(peer), "http://127.0.0.1:%u",
	    bind_port(NULL));
	(void)snprintf(cluster, sizeof(cluster), "default=%s", peer);
	if (posix_spawn(&etcd_pid, "/usr/bin/etcd", NULL, NULL,
	    (char *const *)(uintptr_t)argv, environ) != 0)
		etcd_pid = 0;
}

static struct arbiter *
open_kind(const char *kind, const char *address, int node)
{
	struct arbiter_conf c = { .kind = kind, .address = address,
		.unit_uuid = UNIT, .node = node,
		.timeout_ns = 3 * AV_NS_PER_S };
	struct arbiter *a = NULL;
	struct av_err err = { 0 };

	if (arbiter_open(loop, &c, on_answer, NULL, &a, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	return a;
}

static bool
wait_answer(void)
{
	uint64_t end = av_clock_ns() + 8 * AV_NS_PER_S;

	while (n_got == 0 && av_clock_ns() < end)
		(void)sd_event_run(loop, 100000);
	return n_got == 1;
}

static bool
ask(struct arbiter *a, const struct role_move *m)
{
	n_got = 0;
	memset(&got, 0, sizeof(got));
	return (m != NULL ? arbiter_ask(a, m, NULL) :
	    arbiter_probe(a, NULL)) == 0 && wait_answer();
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
		CHECK(ask(a, NULL));
		CHECK(got.probe);
		if (!k->answers || got.state == ARBITER_OK ||
		    got.state == ARBITER_EMPTY)
			break;
		(void)poll(NULL, 0, 100);
	}
	CHECK_EQ(got.state == ARBITER_OK || got.state == ARBITER_EMPTY,
	    k->answers);
	CHECK(k->answers || got.text[0] != '\0');
	/* one question at a time, exactly one answer */
	n_got = 0;
	CHECK_EQ(arbiter_ask(a, &create, NULL), 0);
	CHECK_EQ(arbiter_ask(a, &create, NULL), -EBUSY);
	CHECK(wait_answer());
	CHECK_EQ(got.kind == ROLE_EV_GRANTED, k->grants);
	CHECK(ask(a, &claim0));
	CHECK_EQ(got.kind == ROLE_EV_GRANTED, k->grants);
	CHECK(!k->grants || (got.record.gen == 2 && got.record.owner == 0));
	CHECK(ask(b, &claim1));
	if (k->remembers)
		CHECK_EQ(got.kind, ROLE_EV_REFUSED);
	else
		CHECK(got.kind != ROLE_EV_REFUSED);	/* it can't know */
	CHECK(ask(a, &own));
	CHECK_EQ(got.kind == ROLE_EV_GRANTED, k->remembers);
	CHECK(ask(a, &back));
	CHECK_EQ(got.kind == ROLE_EV_GRANTED, k->grants);
	/* by force: only one with a memory has something to say to it */
	CHECK(ask(b, &force));
	CHECK_EQ(got.kind == ROLE_EV_GRANTED, k->remembers);
	/* let go while a question is under way: nobody hears of it */
	n_got = 0;
	CHECK_EQ(arbiter_probe(b, NULL), 0);
	(void)arbiter_drop(b);
	CHECK(ask(a, NULL));
	(void)arbiter_close(a);
	return 0;
}

TEST(etcd)
{
	char url[64];
	int rc;

	if (access("/usr/bin/etcd", X_OK) < 0) {
		printf("skip etcd no /usr/bin/etcd\n");
		return 0;
	}
	start_etcd(url, sizeof(url));
	CHECK(etcd_pid > 0);
	rc = suite(&kinds[0], url);
	(void)kill(etcd_pid, SIGKILL);
	(void)waitpid(etcd_pid, NULL, 0);
	return rc;
}

TEST(ping)
{
	char address[64];

	(void)snprintf(address, sizeof(address), "192.0.2.1:9,127.0.0.1:%u",
	    bind_port(&tcp_fd));
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
	    bind_port(NULL));
	a = open_kind("ping", address, 0);
	CHECK(ask(a, &claim));
	CHECK_EQ(got.kind, ROLE_EV_NO_ANSWER);
	CHECK_EQ(got.state, ARBITER_UNREACHABLE);
	CHECK(!got.maybe);
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
	if (sd_event_new(&loop) < 0)
		return 99;
	rc = tests_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
	loop = sd_event_unref(loop);
	return rc;
}
