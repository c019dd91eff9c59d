/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_arbiter.c - a real etcd, a lossy way to it, and liars
 *
 * Needs /usr/bin/etcd (Debian's etcd-server); without it the etcd cases skip.
 */
#include "tests/test.h"

#include <poll.h>

#include "tests/unit/nodeagent/arbiter_fixture.h"

#define OTHER	"ffffffffffffffffffffffffffffffff"

static struct arbiter *
open_at(const char *url, const char *unit, int node, unsigned ms)
{
	return fx_open("etcd", url, unit, node, ms);
}

/* --- servers --- */

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

/* What is said for an answer of 'say': never a grant or a refusal, and why. */
static bool
lied_to(const char *say, enum arbiter_state state, const char *why)
{
	struct role_move claim = { .from_both_gen = 5, .to_gen = 6 };
	char url[64];
	struct arbiter *a;
	bool ok;
	pid_t pid;
	int fd = -1;

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
	    fx_port(&fd));
	pid = start_server(fd, say, 0);
	a = open_at(url, FX_UNIT, 0, 600);
	ok = fx_ask(a, &claim) && fx_got.kind == ROLE_EV_NO_ANSWER &&
	    fx_got.state == state && strstr(fx_got.text, why) != NULL;
	/* and so is it shown while nothing is asked */
	if (ok && state == ARBITER_BAD)
		ok = fx_ask(a, NULL) && fx_got.state == ARBITER_BAD &&
		    strstr(fx_got.text, why) != NULL;
	if (!ok)
		fprintf(stderr, "kind %d state %d '%s' for '%.60s'\n",
		    fx_got.kind, fx_got.state, fx_got.text,
		    say ? say : "hang up");
	(void)arbiter_close(a);
	fx_end(pid);
	return ok;
}

#define HTTP	"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define RECORD(v) HTTP "{\"header\":{},\"kvs\":[{\"value\":\"" v \
	"\",\"mod_revision\":\"7\"}]}"
/* {"unit":"ffffffffffffffffffffffffffffffff","generation":6,"owner":"node0"} */
#define OTHER_UNIT \
	"eyJ1bml0IjoiZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmYiLCJnZW5l" \
	"cmF0aW9uIjo2LCJvd25lciI6Im5vZGUwIn0="
/* {"unit":"0123456789abcdef0123456789abcdef","generation":4,"owner":"both"} */
#define OLDER_BOTH \
	"eyJ1bml0IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJnZW5l" \
	"cmF0aW9uIjo0LCJvd25lciI6ImJvdGgifQ=="
/* {"unit":"0123456789abcdef0123456789abcdef","generation":4,"owner":"node0"} */
#define OLDER_MINE \
	"eyJ1bml0IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJnZW5l" \
	"cmF0aW9uIjo0LCJvd25lciI6Im5vZGUwIn0="
/* {"generation":6,"owner":"node0"} */
#define NO_UNIT \
	"eyJnZW5lcmF0aW9uIjo2LCJvd25lciI6Im5vZGUwIn0="
/* {"unit":"0123456789abcdef0123456789abcdef","generation":6} */
#define NO_OWNER \
	"eyJ1bml0IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJnZW5l" \
	"cmF0aW9uIjo2fQ=="
/* {"unit":"0123456789abcdef0123456789abcdef","generation":6,"owner":"node2"} */
#define ODD_OWNER \
	"eyJ1bml0IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJnZW5l" \
	"cmF0aW9uIjo2LCJvd25lciI6Im5vZGUyIn0="
/* {"unit":"0123456789abcdef0123456789abcdef","generation":"6","owner":"node0"} */
#define ODD_GEN \
	"eyJ1bml0IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJnZW5l" \
	"cmF0aW9uIjoiNiIsIm93bmVyIjoibm9kZTAifQ=="
/* {"unit":"0123456789abcdef0123456789abcdef","gener */
#define TORN \
	"eyJ1bml0IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJnZW5l" \
	"cg=="

TEST(garbage_is_never_a_grant)
{
	static const char *const no_etcd[] = { HTTP "{}",
		HTTP "{\"succeeded\":true}",
		HTTP "{\"kvs\":[{\"value\":\"" OLDER_BOTH
		"\",\"mod_revision\":\"7\"}]}" };
	static const char *const no_record[] = {
		HTTP "{\"header\":{},\"kvs\":[{}]}", RECORD("!!"),
		RECORD(NO_UNIT), RECORD(NO_OWNER), RECORD(ODD_OWNER),
		RECORD(ODD_GEN), RECORD(TORN), RECORD("") };
	size_t i;

	CHECK(lied_to(NULL, ARBITER_UNREACHABLE, "can't be reached"));
	CHECK(lied_to("garbage\r\n\r\n", ARBITER_UNREACHABLE,
	    "can't be reached"));
	CHECK(lied_to(HTTP "<html><body>Login</body></html>", ARBITER_BAD,
	    "isn't understood"));
	CHECK(lied_to("HTTP/1.1 500 no\r\nConnection: close\r\n\r\n"
	    "{\"header\":{},\"kvs\":[]}", ARBITER_BAD, "HTTP status 500"));
	for (i = 0; i < sizeof(no_etcd) / sizeof(no_etcd[0]); i++)
		CHECK(lied_to(no_etcd[i], ARBITER_BAD,
		    "isn't a quorum server"));
	for (i = 0; i < sizeof(no_record) / sizeof(no_record[0]); i++)
		CHECK(lied_to(no_record[i], ARBITER_BAD, "isn't understood"));
	CHECK(lied_to(HTTP "{\"header\":{},\"succeeded\":true}",
	    ARBITER_EMPTY, ""));
	return 0;
}

TEST(another_units_record_is_never_a_grant)
{
	CHECK(lied_to(RECORD(OTHER_UNIT), ARBITER_BAD, "another unit"));
	return 0;
}

TEST(an_older_record_is_never_a_grant)
{
	/* well-formed: that it can't be right is what quorum.c shows */
	CHECK(lied_to(RECORD(OLDER_BOTH), ARBITER_OK, "older"));
	CHECK(lied_to(RECORD(OLDER_MINE), ARBITER_OK, "older"));
	return 0;
}

TEST(nobody_there_is_certainly_not_done)
{
	struct role_move claim = { .from_both_gen = 1, .to_gen = 2 };
	struct arbiter *a;
	char url[64];

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
	    fx_port(NULL));
	a = open_at(url, FX_UNIT, 0, 600);
	CHECK(fx_ask(a, &claim));
	CHECK_EQ(fx_got.kind, ROLE_EV_NO_ANSWER);
	CHECK(!fx_got.maybe);
	CHECK_EQ(fx_got.state, ARBITER_UNREACHABLE);
	(void)arbiter_close(a);
	CHECK(open_at("ftp://x", FX_UNIT, 0, 600) == NULL);
	CHECK(open_at("", FX_UNIT, 0, 600) == NULL);
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
	struct arbiter *a = open_at(url, FX_UNIT, 0, 3000);
	struct arbiter *b = open_at(url, FX_UNIT, 1, 3000);
	struct arbiter *lossy;
	char url2[64];
	pid_t pid;
	int fd = -1, i;

	for (i = 0; i < 50; i++) {	/* until it has started */
		fx_n_got = 0;
		CHECK(arbiter_probe(a, NULL) == 0 && fx_wait_answer());
		CHECK(fx_got.probe);
		if (fx_got.state == ARBITER_EMPTY)
			break;
		(void)sd_event_run(fx_loop, 0);
		(void)poll(NULL, 0, 100);
	}
	CHECK_EQ(fx_got.state, ARBITER_EMPTY);
	CHECK(fx_ask(a, &claim0));
	CHECK_EQ(fx_got.kind, ROLE_EV_NO_ANSWER);	/* no record: no grant */
	CHECK(fx_ask(a, &create) && fx_got.kind == ROLE_EV_GRANTED);
	CHECK(fx_ask(a, &create) && fx_got.kind == ROLE_EV_GRANTED);
	/* both claim: one wins, again and again the same answers */
	CHECK(fx_ask(a, &claim0) && fx_got.kind == ROLE_EV_GRANTED);
	CHECK(fx_ask(b, &claim1) && fx_got.kind == ROLE_EV_REFUSED);
	CHECK(fx_got.record.gen == 2 && fx_got.record.owner == 0);
	CHECK(fx_ask(a, &claim0) && fx_got.kind == ROLE_EV_GRANTED);
	CHECK(fx_ask(a, &back) && fx_got.kind == ROLE_EV_GRANTED);
	CHECK(fx_got.record.gen == 3 && fx_got.record.owner == -1);
	/* the answer is lost after it took effect: read again, granted */
	(void)snprintf(url2, sizeof(url2), "http://127.0.0.1:%u",
	    fx_port(&fd));
	pid = start_server(fd, NULL, port);
	lossy = open_at(url2, FX_UNIT, 1, 3000);
	CHECK(fx_ask(lossy, &claim3));
	CHECK_EQ(fx_got.kind, ROLE_EV_GRANTED);
	CHECK(fx_got.record.gen == 4 && fx_got.record.owner == 1);
	(void)arbiter_close(lossy);
	fx_end(pid);
	/* a person's takeover goes over everything, by one generation */
	CHECK(fx_ask(a, &force) && fx_got.kind == ROLE_EV_GRANTED);
	CHECK(fx_got.record.gen == 5 && fx_got.record.owner == 0);
	/* ... but never back behind the PM's own record */
	force.least_gen = 9;
	CHECK(fx_ask(a, &force) && fx_got.kind == ROLE_EV_GRANTED);
	CHECK(fx_got.record.gen == 9 && fx_got.record.owner == 0);
	(void)arbiter_close(a);
	(void)arbiter_close(b);
	/* another unit's key is another record */
	a = open_at(url, OTHER, 0, 3000);
	CHECK(fx_ask(a, &claim0) && fx_got.state == ARBITER_EMPTY);
	(void)arbiter_close(a);
	return 0;
}

TEST(real_etcd)
{
	char url[64];
	uint16_t port;
	pid_t pid;
	int rc;

	if (access(FX_ETCD, X_OK) < 0) {
		printf("skip real_etcd until=2027-05-31 no /usr/bin/etcd\n");
		return 0;
	}
	pid = fx_etcd(url, sizeof(url), &port);
	CHECK(pid > 0);
	rc = etcd_cases(url, port);
	fx_end(pid);
	return rc;
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { T(judge_table),
		T(garbage_is_never_a_grant),
		T(another_units_record_is_never_a_grant),
		T(an_older_record_is_never_a_grant),
		T(nobody_there_is_certainly_not_done), T(real_etcd) };
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	if (sd_event_new(&fx_loop) < 0)
		return 99;
	rc = tests_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
	fx_loop = sd_event_unref(fx_loop);
	return rc;
}
