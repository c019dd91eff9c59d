/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_arbiter.c - a real etcd, a lossy way to it, and liars
 *
 * Needs /usr/bin/etcd (Debian's etcd-server); without it the etcd cases skip.
 */
#include "tests/test.h"

#include <arpa/inet.h>
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
#define OTHER	"ffffffffffffffffffffffffffffffff"

static sd_event *loop;
static struct arbiter_answer got;
static int n_got;

static void
on_answer(void *arg, const struct arbiter_answer *a)
{
	(void)arg;
	got = *a;
	n_got++;
}

static struct arbiter *
open_at(const char *url, const char *unit, int node, unsigned ms)
{
	struct arbiter_conf c = { .kind = "etcd", .address = url,
		.unit_uuid = unit, .node = node,
		.timeout_ns = ms * AV_NS_PER_MS };
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
ask(struct arbiter *a, struct role_move m)
{
	n_got = 0;
	memset(&got, 0, sizeof(got));
	return arbiter_ask(a, &m, NULL) == 0 && wait_answer();
}

/* --- servers --- */

static uint16_t
free_port(int *ret_fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return 0;
	if (ret_fd != NULL) {
		(void)listen(fd, 8);
		*ret_fd = fd;
	} else {
		(void)close(fd);
	}
	return ntohs(a.sin_port);
}

static pid_t
start_etcd(char *url, size_t n, uint16_t *ret_port)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char dir[256], client[64], peer[64], cluster[80];
	extern char **environ;
	uint16_t port = free_port(NULL), port2 = free_port(NULL);
	char *argv[] = { (char *)(uintptr_t)"etcd", (char *)(uintptr_t)
		"--data-dir", dir, (char *)(uintptr_t)"--listen-client-urls",
		client, (char *)(uintptr_t)"--advertise-client-urls", client,
		(char *)(uintptr_t)"--listen-peer-urls", peer,
		(char *)(uintptr_t)"--initial-advertise-peer-urls", peer,
		(char *)(uintptr_t)"--initial-cluster", cluster,
		(char *)(uintptr_t)"--log-level",
		(char *)(uintptr_t)"error", NULL };
	pid_t pid;

	(void)snprintf(dir, sizeof(dir), "%.200s/etcd.%d", tmp, (int)getpid());
	(void)snprintf(client, sizeof(client), "http://127.0.0.1:%u", port);
	(void)snprintf(peer, sizeof(peer), "http://127.0.0.1:%u", port2);
	(void)snprintf(cluster, sizeof(cluster), "default=%s", peer);
	(void)snprintf(url, n, "%s", client);
	*ret_port = port;
	return posix_spawn(&pid, "/usr/bin/etcd", NULL, NULL, argv,
	    environ) == 0 ? pid : -1;
}

/* Answers every connection with 'text' (NULL: hangs up after reading), or with
 * port != 0 passes the request on and loses the answers of transactions. */
static pid_t
start_server(int fd, const char *text, uint16_t port)
{
	pid_t pid = fork();

	if (pid != 0) {
		(void)close(fd);
		return pid;
	}
	for (;;) {
		char buf[8192], ans[8192];
		int c = accept(fd, NULL, NULL), s;
		ssize_t n, m = 0;

		n = recv(c, buf, sizeof(buf) - 1, 0);
		(void)poll(NULL, 0, 20);	/* the body may come in a second piece */
		m = recv(c, buf + n, sizeof(buf) - 1 - (size_t)n, MSG_DONTWAIT);
		n += m > 0 ? m : 0;
		buf[n] = '\0';
		if (port != 0) {
			struct sockaddr_in a = { .sin_family = AF_INET,
				.sin_port = htons(port) };

			a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
			s = socket(AF_INET, SOCK_STREAM, 0);
			(void)!connect(s, (struct sockaddr *)&a, sizeof(a));
			(void)!send(s, buf, (size_t)n, 0);
			m = recv(s, ans, sizeof(ans), 0);
			if (strstr(buf, "/v3/kv/txn") == NULL && m > 0)
				(void)!send(c, ans, (size_t)m, 0);
			(void)close(s);
		} else if (text != NULL) {
			(void)!send(c, text, strlen(text), MSG_NOSIGNAL);
		}
		(void)close(c);
	}
}

static void
end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* --- pure --- */

TEST(judge_table)
{
	struct role_move claim = { .from_both_gen = 5, .to_gen = 6 };
	struct arbiter_record r = { 5, -1 };
	char t[200];

	CHECK_EQ(arbiter_judge(&claim, 0, NULL, t, sizeof(t)), -1);
	CHECK_EQ(arbiter_judge(&claim, 0, &r, t, sizeof(t)), 2);
	r = (struct arbiter_record){ 6, 0 };
	CHECK_EQ(arbiter_judge(&claim, 0, &r, t, sizeof(t)), 1);
	r = (struct arbiter_record){ 6, 1 };
	CHECK_EQ(arbiter_judge(&claim, 0, &r, t, sizeof(t)), 0);
	r = (struct arbiter_record){ 7, -1 };
	CHECK_EQ(arbiter_judge(&claim, 0, &r, t, sizeof(t)), 0);
	r = (struct arbiter_record){ 7, 0 };
	CHECK_EQ(arbiter_judge(&claim, 0, &r, t, sizeof(t)), 0);
	r = (struct arbiter_record){ 4, -1 };	/* restored from a backup */
	CHECK_EQ(arbiter_judge(&claim, 0, &r, t, sizeof(t)), -1);
	r = (struct arbiter_record){ 5, 0 };
	CHECK_EQ(arbiter_judge(&claim, 0, &r, t, sizeof(t)), -1);
	r = (struct arbiter_record){ 5, 1 };
	CHECK_EQ(arbiter_judge(&claim, 0, &r, t, sizeof(t)), -1);
	return 0;
}

static bool
lied_to(const char *answer)
{
	struct role_move claim = { .from_both_gen = 1, .to_gen = 2 };
	char url[64];
	struct arbiter *a;
	bool ok;
	pid_t pid;
	int fd;

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
	    free_port(&fd));
	pid = start_server(fd, answer, 0);
	a = open_at(url, UNIT, 0, 600);
	ok = ask(a, claim) && got.kind == ROLE_EV_NO_ANSWER && got.text[0];
	if (!ok)
		fprintf(stderr, "kind %d '%s' for '%.60s'\n", got.kind,
		    got.text, answer ? answer : "hang up");
	(void)arbiter_close(a);
	end(pid);
	return ok;
}

#define HTTP	"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

TEST(garbage_is_never_a_grant)
{
	CHECK(lied_to(NULL));
	CHECK(lied_to("garbage\r\n\r\n"));
	CHECK(lied_to(HTTP "<html><body>Login</body></html>"));
	CHECK(lied_to(HTTP "{}"));
	CHECK(lied_to(HTTP "{\"succeeded\":true}"));
	CHECK(lied_to(HTTP "{\"header\":{},\"succeeded\":true}"));
	CHECK(lied_to(HTTP "{\"header\":{},\"kvs\":[{}]}"));
	CHECK(lied_to(HTTP "{\"header\":{},\"kvs\":[{\"value\":\"!!\","
	    "\"mod_revision\":\"1\"}]}"));
	/* {"unit":"ff..","generation":2,"owner":"node0"}: another unit's */
	CHECK(lied_to(HTTP "{\"header\":{},\"kvs\":[{\"value\":"
	    "\"eyJ1bml0IjoiZmYiLCJnZW5lcmF0aW9uIjoyLCJvd25lciI6Im5vZGUwIn0=\","
	    "\"mod_revision\":\"7\"}]}"));
	CHECK(lied_to("HTTP/1.1 500 no\r\nConnection: close\r\n\r\n{\"header\":"
	    "{},\"kvs\":[]}"));
	return 0;
}

TEST(nobody_there_is_certainly_not_done)
{
	struct role_move claim = { .from_both_gen = 1, .to_gen = 2 };
	struct arbiter *a;
	char url[64];

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
	    free_port(NULL));
	a = open_at(url, UNIT, 0, 600);
	CHECK(ask(a, claim));
	CHECK_EQ(got.kind, ROLE_EV_NO_ANSWER);
	CHECK(!got.maybe);
	CHECK_EQ(got.state, ARBITER_UNREACHABLE);
	(void)arbiter_close(a);
	CHECK(open_at("ftp://x", UNIT, 0, 600) == NULL);
	CHECK(open_at("", UNIT, 0, 600) == NULL);
	return 0;
}

static int
etcd_cases(const char *url, uint16_t port)
{
	struct role_move create = { .from_empty = true, .to_gen = 1,
		.to_owner = -1 };
	struct role_move claim0 = { .from_both_gen = 1, .to_gen = 2 };
	struct role_move claim1 = { .from_both_gen = 1, .to_gen = 2,
		.to_owner = 1 };
	struct role_move back = { .from_mine_gen = 2, .from_lower = true,
		.to_gen = 3, .to_owner = -1 };
	struct role_move claim3 = { .from_both_gen = 3, .to_gen = 4,
		.to_owner = 1 };
	struct role_move force = { .from_empty = true };
	struct arbiter *a = open_at(url, UNIT, 0, 3000);
	struct arbiter *b = open_at(url, UNIT, 1, 3000);
	struct arbiter *lossy;
	char url2[64];
	pid_t pid;
	int fd, i;

	for (i = 0; i < 50; i++) {	/* until it has started */
		n_got = 0;
		CHECK(arbiter_probe(a, NULL) == 0 && wait_answer());
		CHECK(got.probe);
		if (got.state == ARBITER_EMPTY)
			break;
		(void)sd_event_run(loop, 0);
		(void)poll(NULL, 0, 100);
	}
	CHECK_EQ(got.state, ARBITER_EMPTY);
	CHECK(ask(a, claim0));
	CHECK_EQ(got.kind, ROLE_EV_NO_ANSWER);	/* no record: no grant */
	CHECK(ask(a, create) && got.kind == ROLE_EV_GRANTED);
	CHECK(ask(a, create) && got.kind == ROLE_EV_GRANTED);
	/* both claim: one wins, again and again the same answers */
	CHECK(ask(a, claim0) && got.kind == ROLE_EV_GRANTED);
	CHECK(ask(b, claim1) && got.kind == ROLE_EV_REFUSED);
	CHECK(got.record.gen == 2 && got.record.owner == 0);
	CHECK(ask(a, claim0) && got.kind == ROLE_EV_GRANTED);
	CHECK(ask(a, back) && got.kind == ROLE_EV_GRANTED);
	CHECK(got.record.gen == 3 && got.record.owner == -1);
	/* the answer is lost after it took effect: read again, granted */
	(void)snprintf(url2, sizeof(url2), "http://127.0.0.1:%u",
	    free_port(&fd));
	pid = start_server(fd, NULL, port);
	lossy = open_at(url2, UNIT, 1, 3000);
	CHECK(ask(lossy, claim3));
	CHECK_EQ(got.kind, ROLE_EV_GRANTED);
	CHECK(got.record.gen == 4 && got.record.owner == 1);
	(void)arbiter_close(lossy);
	end(pid);
	/* a person's takeover goes over everything, by one generation */
	CHECK(ask(a, force) && got.kind == ROLE_EV_GRANTED);
	CHECK(got.record.gen == 5 && got.record.owner == 0);
	/* ... but never back behind the PM's own record */
	force.least_gen = 9;
	CHECK(ask(a, force) && got.kind == ROLE_EV_GRANTED);
	CHECK(got.record.gen == 9 && got.record.owner == 0);
	(void)arbiter_close(a);
	(void)arbiter_close(b);
	/* another unit's key is another record */
	a = open_at(url, OTHER, 0, 3000);
	CHECK(ask(a, claim0) && got.state == ARBITER_EMPTY);
	(void)arbiter_close(a);
	return 0;
}

TEST(real_etcd)
{
	char url[64];
	uint16_t port;
	pid_t pid;
	int rc;

	if (access("/usr/bin/etcd", X_OK) < 0) {
		printf("skip real_etcd until=2027-05-31 no /usr/bin/etcd\n");
		return 0;
	}
	pid = start_etcd(url, sizeof(url), &port);
	CHECK(pid > 0);
	rc = etcd_cases(url, port);
	end(pid);
	return rc;
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { T(judge_table),
		T(garbage_is_never_a_grant),
		T(nobody_there_is_certainly_not_done), T(real_etcd) };
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	if (sd_event_new(&loop) < 0)
		return 99;
	rc = tests_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
	loop = sd_event_unref(loop);
	return rc;
}
