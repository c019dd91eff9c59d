/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_links.c - links that are slow, one-way, or lie
 *
 * The primary reaches its peer through a proxy of ours.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/clock.h"
#include "base/file.h"
#include "tests/test.h"
#include "tests/unit/mirror/pair.h"

/* --- the proxy --- */

enum { TO_PEER, FROM_PEER };
static struct proxy {
	int		fd;
	uint16_t	port, target;
	_Atomic bool	stop[2];	/* nothing passes in this direction */
	_Atomic int	delay_ms;	/* each piece */
	_Atomic bool	damage;		/* a byte of each piece is changed */
	_Atomic bool	garbage;	/* no peer at all: random bytes */
	_Atomic int	n_conns;
} proxy;

/* false = over */
static bool
carry(int from, int to, int way)
{
	static _Thread_local unsigned char buf[65536];
	ssize_t n, at, r;

	n = recv(from, buf, sizeof(buf), 0);
	if (n <= 0)
		return false;
	if (proxy.delay_ms > 0)
		(void)poll(NULL, 0, proxy.delay_ms);
	if (proxy.damage && way == FROM_PEER)
		buf[n / 2] ^= 0x55;
	for (at = 0; at < n; at += r) {
		r = send(to, buf + at, (size_t)(n - at), MSG_NOSIGNAL);
		if (r <= 0)
			return false;
	}
	return true;
}

static void *
carry_run(void *arg)
{
	int client = (int)(intptr_t)arg, server = pair_dial(proxy.target);
	bool on = server >= 0;

	while (on && proxy.garbage) {
		unsigned char buf[512];
		size_t i;

		for (i = 0; i < sizeof(buf); i++)
			buf[i] = (unsigned char)random();
		on = send(client, buf, sizeof(buf), MSG_NOSIGNAL) > 0;
	}
	while (on) {
		struct pollfd p[2] = { { .fd = client }, { .fd = server } };

		if (!proxy.stop[TO_PEER])
			p[0].events = POLLIN;
		if (!proxy.stop[FROM_PEER])
			p[1].events = POLLIN;
		(void)poll(p, 2, 20);
		if (p[0].revents != 0)
			on = (p[0].revents & POLLIN) &&
			    carry(client, server, TO_PEER);
		if (on && p[1].revents != 0)
			on = (p[1].revents & POLLIN) &&
			    carry(server, client, FROM_PEER);
	}
	(void)close(client);
	(void)close(server);
	return NULL;
}

static void *
proxy_run(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept4(proxy.fd, NULL, NULL, SOCK_CLOEXEC);
		pthread_t t;

		if (fd < 0)
			continue;
		proxy.n_conns++;
		if (pthread_create(&t, NULL, carry_run,
		    (void *)(intptr_t)fd) == 0)
			(void)pthread_detach(t);
	}
	return NULL;
}

static int
proxy_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	pthread_t t;

	if (proxy.fd > 0)
		return 0;
	proxy.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (proxy.fd < 0 || bind(proxy.fd, (struct sockaddr *)&a,
	    sizeof(a)) < 0 || listen(proxy.fd, 16) < 0 ||
	    getsockname(proxy.fd, (struct sockaddr *)&a, &n) < 0 ||
	    pthread_create(&t, NULL, proxy_run, NULL) != 0)
		return -1;
	(void)pthread_detach(t);
	proxy.port = ntohs(a.sin_port);
	return 0;
}

/* node 0 primary, its peer behind the proxy; not yet connected */
static struct pair *
pair_new_proxied(void)
{
	struct pair *p;

	proxy.stop[0] = proxy.stop[1] = proxy.damage = proxy.garbage = false;
	proxy.delay_ms = 0;
	p = pair_new();
	if (p == NULL || proxy_start() < 0)
		return NULL;
	proxy.target = p->port[1];
	if (pair_order(p, 0, MIRROR_V_STOP) < 0)
		return NULL;
	p->m[0] = mirror_close(p->m[0]);
	p->peer_port[0] = proxy.port;
	return pair_open(p, 0) < 0 ? NULL : p;
}

static bool
unreachable(struct pair *p)
{
	return strcmp(pair_st(p, 0)->error_code, "peer-unreachable") == 0;
}

static bool
told_of_the_key(struct pair *p)
{
	return strcmp(pair_st(p, 0)->error_code, "peer-key") == 0;
}

/* --- */

/* What one direction swallows is a peer lost; nothing is acknowledged, and after
 * the mend both legs are equal. */
static int
one_way(int way)
{
	struct pair *p = pair_new_proxied();
	struct guest g = { 0 };
	size_t acked;

	CHECK(p != NULL);
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	proxy.stop[way] = true;
	CHECK(pair_wait(p, pair_holds) == 0);
	acked = g.acked;
	CHECK(!g.over && !g.failed);
	CHECK_EQ(pair_alone(p, 0, 2), 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	CHECK(g.acked > acked);
	proxy.stop[way] = false;
	CHECK(pair_wait(p, pair_in_step) == 0);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(pair_equal(p), 1);
	CHECK_EQ(guest_check(&g, 0), 0);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TEST(the_way_to_the_peer_is_cut)	{ return one_way(TO_PEER); }
TEST(the_way_back_is_cut)		{ return one_way(FROM_PEER); }

TEST(a_slow_link_is_only_slow)
{
	struct pair *p = pair_new_proxied();
	struct guest g = { .overlap = true, .value_tag = 3 };

	CHECK(p != NULL);
	proxy.delay_ms = 30;
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(pair_st(p, 0)->resync_count, 0);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* Damaged bytes never reach a leg: TLS sees them, the link begins anew. */
TEST(a_link_that_changes_bytes_is_no_link)
{
	struct pair *p = pair_new_proxied();
	struct guest g = { 0 };

	CHECK(p != NULL);
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	proxy.damage = true;
	CHECK(pair_wait(p, pair_holds) == 0);
	CHECK(!g.failed);
	proxy.damage = false;
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TEST(a_peer_that_answers_garbage_is_none)
{
	struct pair *p = pair_new_proxied();
	int pid;

	CHECK(p != NULL);
	proxy.garbage = true;
	pid = p->pid[0];
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK(pair_wait(p, unreachable) == 0);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTING);
	proxy.garbage = false;
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK_EQ(p->pid[0], pid);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TEST(another_key_is_refused_in_words)
{
	static const char other[] = "avpair:"
	    "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
	struct pair *p = pair_new_proxied();
	struct av_err err = { 0 };
	char path[96];

	CHECK(p != NULL);
	(void)snprintf(path, sizeof(path), "%s/psk2", p->dir);
	p->psk[0] = "psk2";
	CHECK_EQ(pair_order(p, 0, MIRROR_V_STOP), 0);
	p->m[0] = mirror_close(p->m[0]);
	CHECK_EQ(av_file_write(path, other, strlen(other), 0600, &err), 0);
	CHECK_EQ(pair_open(p, 0), 0);
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK(pair_wait(p, told_of_the_key) == 0);
	CHECK(strstr(pair_st(p, 0)->error_text, "key") != NULL);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTING);
	CHECK(pair_st(p, 1)->conn == MIRROR_DISCONNECTED);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(the_way_to_the_peer_is_cut),
	T(the_way_back_is_cut),
	T(a_slow_link_is_only_slow),
	T(a_link_that_changes_bytes_is_no_link),
	T(a_peer_that_answers_garbage_is_none),
	T(another_key_is_refused_in_words),
)
