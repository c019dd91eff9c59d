/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_bad_peer.c - a peer with the right key that errs
 *
 * Whatever it says: the guest's writes wait, none is acknowledged, the status
 * has a code, the server lives; with a good peer in its place the pair is in
 * step again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/clock.h"
#include "tests/test.h"
#include "tests/unit/mirror/bad_peer.h"
#include "tests/unit/mirror/pair.h"

struct bad_case {
	enum bad	how;
	const char	*code;		/* or several */
};

static const struct bad_case *now;
static int n_wanted;
static struct nbd_handle *h;		/* the guest */

/* node 0 primary, its peer the bad one */
static struct pair *
pair_new_bad(enum bad how)
{
	struct pair *p = pair_new();

	if (p == NULL)
		return NULL;
	(void)snprintf(bad_peer.psk, sizeof(bad_peer.psk), "%s/psk", p->dir);
	bad_peer.target = p->port[1];
	bad_peer.n_said = 0;
	bad_peer.how = (int)how;
	if (bad_peer_start() < 0 || pair_order(p, 0, MIRROR_V_STOP) < 0)
		return NULL;
	p->m[0] = mirror_close(p->m[0]);
	p->peer_port[0] = bad_peer.port;
	return pair_open(p, 0) < 0 ||
	    pair_primary(p, 0, false, 0, NULL) < 0 ? NULL : p;
}

static bool
told(struct pair *p)
{
	(void)nbd_poll(h, 0);		/* its write is sent meanwhile */
	return bad_peer.n_said >= n_wanted &&
	    pair_st(p, 0)->error_code[0] != '\0' &&
	    strstr(now->code, pair_st(p, 0)->error_code) != NULL;
}

/* Each of them, the guest's write waiting all the time. */
static int
run_cases(struct pair *p, const struct bad_case *cases, size_t n)
{
	int pid = p->pid[0];
	size_t i;

	for (i = 0; i < n; i++) {
		now = &cases[i];
		bad_peer.n_said = 0;
		bad_peer.how = (int)now->how;
		if (pair_wait(p, told) < 0) {
			fprintf(stderr, "kind %d, said %d times: %s\n",
			    now->how, bad_peer.n_said,
			    pair_st(p, 0)->error_code);
			return 1;
		}
		CHECK(pair_st(p, 0)->error_text[0] != '\0');
		CHECK(pair_st(p, 0)->server == MIRROR_SERVER_UP);
		CHECK(!pair_st(p, 0)->alone);
		CHECK(pair_st(p, 0)->disk == MIRROR_DISK_UPTODATE);
		CHECK_EQ(pair_st(p, 0)->size_bytes, PAIR_SIZE);
		CHECK(nbd_poll(h, 0) >= 0);
		CHECK_EQ(nbd_aio_in_flight(h), 1);	/* held */
	}
	CHECK_EQ(p->pid[0], pid);
	return 0;
}

static int
good_again(struct pair *p)
{
	uint64_t due = av_clock_ns() + 10 * AV_NS_PER_S;

	bad_peer.how = BAD_NOTHING;
	CHECK(pair_wait(p, pair_in_step) == 0);
	while (nbd_aio_in_flight(h) > 0 && av_clock_ns() < due)
		CHECK(nbd_poll(h, 100) >= 0);
	CHECK_EQ(nbd_aio_in_flight(h), 0);
	nbd_close(h);
	CHECK_STR(pair_st(p, 0)->error_code, "");
	CHECK_EQ(pair_equal(p), 1);
	return 0;
}

static char buf[256 * 1024];

static int
write_waits(struct pair *p, char with)
{
	h = pair_front(p, 0);
	memset(buf, with, sizeof(buf));
	return h == NULL || nbd_aio_pwrite(h, buf, sizeof(buf), 1 << 20,
	    NBD_NULL_COMPLETION, 0) < 0 ? -1 : 0;
}

TEST(a_peer_that_errs_is_none)
{
	static const struct bad_case cases[] = {
		{ BAD_MAGIC, "peer-unreachable" },
		{ BAD_NO_FIXED, "peer-unreachable" },
		{ BAD_OPTION_MAGIC, "peer-unreachable" },
		{ BAD_OPTION_HUGE, "peer-unreachable" },
		{ BAD_ENDLESS_INFO, "peer-unreachable" },
		{ BAD_EXPORT_HUGE, "peer-unreachable" },
		{ BAD_EXPORT_EMPTY, "peer-unreachable" },
		{ BAD_NO_INFO, "peer-unreachable" },
		{ BAD_REPLY_MAGIC, "peer-unreachable" },
		{ BAD_COOKIE, "peer-unreachable" },
		{ BAD_ERROR, "peer-unreachable" },
		{ BAD_SHORT_HEADER, "peer-unreachable" },
		{ BAD_SHORT_DATA, "peer-unreachable" },
		{ BAD_NOISE, "peer-unreachable" },
		{ BAD_CHECKSUM, "peer-unreachable" },
		{ BAD_VERSION, "peer-version" },
		{ BAD_TYPE, "peer-unreachable" },
		{ BAD_ECHO, "peer-unreachable" },
		{ BAD_UNIT, "metadata-other-volume" },
		{ BAD_NODE, "bad-request" },
		{ BAD_SIZE_HUGE, "metadata-other-volume" },
		{ BAD_SIZE_ODD, "metadata-other-volume" },
		{ BAD_SIZE_ZERO, "metadata-other-volume" },
		{ BAD_VERDICT, "peer-unreachable" },
		{ BAD_RC, "peer-unreachable" },
		{ BAD_IDENTITY, "peer-version" },
	};
	struct pair *p = pair_new_bad(BAD_MAGIC);

	CHECK(p != NULL);
	CHECK_EQ(write_waits(p, 'x'), 0);
	n_wanted = 1;
	CHECK_EQ(run_cases(p, cases, sizeof(cases) / sizeof(cases[0])), 0);
	CHECK_EQ(good_again(p), 0);
	pair_free(p);
	return 0;
}

/* A peer that greets as it should and then answers the guest's write wrongly. */
TEST(a_peer_that_errs_later_is_lost)
{
	static const struct bad_case cases[] = {
		{ BAD_UP_MAGIC, "peer-lost, peer-disk-error" },
		{ BAD_UP_COOKIE, "peer-lost, peer-disk-error" },
		{ BAD_UP_ERROR, "peer-disk-error" },
		{ BAD_UP_SHORT, "peer-lost, peer-disk-error" },
	};
	struct pair *p = pair_new_bad(BAD_MAGIC);

	CHECK(p != NULL);
	CHECK_EQ(write_waits(p, 'y'), 0);
	n_wanted = 1;
	CHECK_EQ(run_cases(p, cases, sizeof(cases) / sizeof(cases[0])), 0);
	CHECK_EQ(good_again(p), 0);
	pair_free(p);
	return 0;
}

TEST(a_changed_byte_anywhere_acknowledges_nothing)
{
	static const struct bad_case bytes = { BAD_BYTE, "peer-unreachable" };
	struct pair *p = pair_new_bad(BAD_MAGIC);

	CHECK(p != NULL);
	CHECK_EQ(write_waits(p, 'z'), 0);
	n_wanted = 12;
	CHECK_EQ(run_cases(p, &bytes, 1), 0);
	CHECK_EQ(good_again(p), 0);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(a_peer_that_errs_is_none),
	T(a_peer_that_errs_later_is_lost),
	T(a_changed_byte_anywhere_acknowledges_nothing),
)
