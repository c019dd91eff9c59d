/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/test_bridge.c - a screen's bytes inside a websocket
 *
 * The bridge runs in a thread between two socketpairs; the test is browser and guest.
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "console/bridge.h"
#include "tests/test.h"

struct rig {
	struct bridge_conf	bc;
	int			browser, guest, stop;
	pthread_t		thread;
};

static void *
rig_run(void *arg)
{
	struct rig *r = arg;

	bridge_run(&r->bc);
	(void)close(r->bc.ws);
	(void)close(r->bc.rfb);
	return NULL;
}

/* A lost byte shows as a failed test, not as a hang. */
static void
limit(int fd)
{
	struct timeval tv = { .tv_sec = 10 };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static int
rig_start(struct rig *r, const void *extra, size_t n_extra)
{
	int a[2], b[2];

	*r = (struct rig){ .stop = eventfd(0, 0) };
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, b) < 0)
		return -1;
	r->browser = a[0];
	r->guest = b[0];
	limit(r->browser);
	limit(r->guest);
	r->bc = (struct bridge_conf){ .ws = a[1], .rfb = b[1],
	    .stop_fd = r->stop, .extra = extra, .n_extra = n_extra };
	return pthread_create(&r->thread, NULL, rig_run, r);
}

static void
rig_end(struct rig *r)
{
	(void)pthread_join(r->thread, NULL);
	(void)close(r->browser);
	(void)close(r->guest);
	(void)close(r->stop);
}

static size_t
frame(uint8_t *buf, uint8_t first, const void *data, size_t n)
{
	static const uint8_t mask[4] = { 0x11, 0x22, 0x33, 0x44 };
	size_t at = 2, i;

	buf[0] = first;
	if (n < 126) {
		buf[1] = (uint8_t)(0x80 | n);
	} else {
		buf[1] = 0x80 | 126;
		buf[2] = (uint8_t)(n >> 8);
		buf[3] = (uint8_t)n;
		at = 4;
	}
	memcpy(buf + at, mask, 4);
	for (i = 0; i < n; i++)
		buf[at + 4 + i] = ((const uint8_t *)data)[i] ^ mask[i % 4];
	return at + 4 + n;
}

static bool
got(int fd, const void *want, size_t n)
{
	uint8_t buf[4096];

	return n <= sizeof(buf) && recv(fd, buf, n, MSG_WAITALL) ==
	    (ssize_t)n && memcmp(buf, want, n) == 0;
}

static bool
put(int fd, const void *data, size_t n)
{
	return send(fd, data, n, MSG_NOSIGNAL) == (ssize_t)n;
}

TEST(bytes_go_both_ways)
{
	struct rig r;
	uint8_t buf[600], bye[8];
	size_t n;

	CHECK(rig_start(&r, NULL, 0) == 0);
	n = frame(buf, 0x82, "hello", 5);
	CHECK(put(r.browser, buf, n));
	CHECK(got(r.guest, "hello", 5));
	CHECK(put(r.guest, "RFB", 3));
	CHECK(got(r.browser, "\x82\x03RFB", 5));
	/* in pieces of one byte, and in fragments with a ping between */
	n = frame(buf, 0x02, "ab", 2);
	n += frame(buf + n, 0x89, "x", 1);
	n += frame(buf + n, 0x80, "cd", 2);
	for (size_t i = 0; i < n; i++)
		CHECK(put(r.browser, buf + i, 1));
	CHECK(got(r.guest, "abcd", 4));
	CHECK(got(r.browser, "\x8a\x01x", 3));
	/* goodbye */
	n = frame(bye, 0x88, "\x03\xe8", 2);
	CHECK(put(r.browser, bye, n));
	CHECK(got(r.browser, "\x88\x02\x03\xe8", 4));
	rig_end(&r);
	return 0;
}

TEST(what_came_early_isnt_lost)
{
	struct rig r;
	uint8_t buf[600];
	size_t n = frame(buf, 0x82, "early", 5);

	CHECK(rig_start(&r, buf, 4) == 0);
	CHECK(put(r.browser, buf + 4, n - 4));
	CHECK(got(r.guest, "early", 5));
	(void)shutdown(r.browser, SHUT_RDWR);
	rig_end(&r);
	return 0;
}

TEST(guests_end_is_a_goodbye)
{
	struct rig r;
	uint8_t buf[16];

	CHECK(rig_start(&r, NULL, 0) == 0);
	CHECK(put(r.guest, "last", 4));
	(void)shutdown(r.guest, SHUT_RDWR);
	CHECK(got(r.browser, "\x82\x04last\x88\x02\x03\xe8", 10));
	CHECK(put(r.browser, buf, frame(buf, 0x88, "\x03\xe8", 2)));
	rig_end(&r);
	return 0;
}

TEST(stop_is_a_goodbye)
{
	struct rig r;
	uint64_t one = 1;
	uint8_t buf[16];

	CHECK(rig_start(&r, NULL, 0) == 0);
	CHECK(write(r.stop, &one, sizeof(one)) == sizeof(one));
	CHECK(got(r.browser, "\x88\x02\x03\xe9", 4));
	CHECK(put(r.browser, buf, frame(buf, 0x88, "\x03\xe9", 2)));
	rig_end(&r);
	return 0;
}

TEST(text_is_refused)
{
	struct rig r;
	uint8_t buf[32];

	CHECK(rig_start(&r, NULL, 0) == 0);
	CHECK(put(r.browser, buf, frame(buf, 0x81, "no", 2)));
	CHECK(got(r.browser, "\x88\x02\x03\xeb", 4));
	(void)shutdown(r.browser, SHUT_RDWR);
	rig_end(&r);
	return 0;
}

TEST(nonsense_ends_it)
{
	static const char *const bad[] = {
		"\x82\x05hello",		/* not masked */
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x89\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"GET / HTTP/1.1\r\n\r\n",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rig r;
		uint8_t buf[64];
		ssize_t n;

		CHECK(rig_start(&r, NULL, 0) == 0);
		CHECK(put(r.browser, bad[i], strlen(bad[i])));
		(void)shutdown(r.browser, SHUT_WR);
		do
			n = recv(r.browser, buf, sizeof(buf), 0);
		while (n > 0);
		CHECK(n == 0);
		rig_end(&r);
	}
	return 0;
}

static void *
guest_flood(void *arg)
{
	static uint8_t block[65536];
	int fd = *(int *)arg, i;

	for (i = 0; i < 256; i++)	/* 16 MiB */
		if (!put(fd, block, sizeof(block)))
			break;
	(void)shutdown(fd, SHUT_WR);
	return NULL;
}

/* The browser reads nothing for long: the bridge holds little, loses nothing. */
TEST(slow_browser_slows_the_guest)
{
	static uint8_t buf[65536];
	struct rig r;
	pthread_t t;
	uint64_t total = 0;
	ssize_t n;

	CHECK(rig_start(&r, NULL, 0) == 0);
	CHECK(pthread_create(&t, NULL, guest_flood, &r.guest) == 0);
	while ((n = recv(r.browser, buf, sizeof(buf), 0)) > 0) {
		total += (uint64_t)n;
		if (total > 16u * 1024 * 1024)
			break;
	}
	CHECK(total > 16u * 1024 * 1024);
	(void)shutdown(r.browser, SHUT_RDWR);
	(void)pthread_join(t, NULL);
	rig_end(&r);
	return 0;
}

TEST(accept_key_is_the_rfcs)
{
	char out[32];

	CHECK(bridge_accept_key("dGhlIHNhbXBsZSBub25jZQ==", out,
	    sizeof(out)) == 0);
	CHECK_STR(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	CHECK(bridge_accept_key("short", out, sizeof(out)) < 0);
	CHECK(bridge_accept_key("dGhlIHNhbXBsZSBub25jZQ==", out, 10) < 0);
	return 0;
}

TESTS_MAIN(T(bytes_go_both_ways), T(what_came_early_isnt_lost),
    T(guests_end_is_a_goodbye), T(stop_is_a_goodbye), T(text_is_refused),
    T(nonsense_ends_it), T(slow_browser_slows_the_guest),
    T(accept_key_is_the_rfcs))
