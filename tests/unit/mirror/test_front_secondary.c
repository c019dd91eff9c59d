/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_front_secondary.c - a guest's client comes before its time
 *
 * As live migration needs it: the client of the PM that the guest comes to connects while
 * that PM's server is secondary.  Its requests wait until the server is primary, and are
 * nobody's when it has gone by then.
 */
#include <errno.h>
#include <string.h>

#include <libnbd.h>

#include "base/clock.h"
#include "tests/test.h"
#include "tests/unit/mirror/pair.h"

static uint64_t want_held;

static bool
node1_holds(struct pair *p)
{
	return pair_st(p, 1)->held_requests == want_held;
}

static int
wait_held(struct pair *p, uint64_t n)
{
	want_held = n;
	return pair_wait(p, node1_holds);
}

static struct nbd_handle *
front(struct pair *p, int node)
{
	struct nbd_handle *h = nbd_create();
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/run%d/front.sock", p->dir,
	    node);
	if (h == NULL || nbd_set_export_name(h, "front") < 0 ||
	    nbd_connect_unix(h, path) < 0) {
		fprintf(stderr, "%s\n", nbd_get_error());
		nbd_close(h);
		return NULL;
	}
	return h;
}

static int
ends(struct nbd_handle *h)
{
	uint64_t due = av_clock_ns() + PAIR_WAIT_MS * AV_NS_PER_MS;

	while (nbd_aio_in_flight(h) > 0 && av_clock_ns() < due)
		if (nbd_poll(h, 100) < 0)
			return -1;
	return nbd_aio_in_flight(h) == 0 ? 0 : -1;
}

/* Side 'to' is primary afterwards, the other one connected to it. */
static int
switch_to(struct pair *p, int to)
{
	CHECK_EQ(pair_order(p, 1 - to, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_primary(p, to, false, 0, NULL), 0);
	CHECK_EQ(pair_wait_conn(p, to, MIRROR_CONNECTED), 0);
	return 0;
}

static int
block_is(struct nbd_handle *h, uint64_t offset, int value)
{
	uint8_t buf[PAIR_BLOCK];
	size_t i;

	if (nbd_pread(h, buf, sizeof(buf), offset, 0) < 0)
		return -1;
	for (i = 0; i < sizeof(buf) && buf[i] == value; i++)
		;
	return i == sizeof(buf);
}

static int
put_block(struct nbd_handle *h, uint64_t offset, int value)
{
	uint8_t buf[PAIR_BLOCK];

	memset(buf, value, sizeof(buf));
	return nbd_pwrite(h, buf, sizeof(buf), offset, 0);
}

TEST(requests_wait_for_their_time)
{
	struct pair *p = pair_new_connected();
	struct nbd_handle *was, *comes;
	uint8_t out[PAIR_BLOCK], in[PAIR_BLOCK] = { 0 };

	CHECK(p != NULL);
	was = front(p, 0);
	comes = front(p, 1);
	CHECK(was != NULL && comes != NULL);
	CHECK_EQ(nbd_get_size(comes), (int64_t)PAIR_SIZE);
	CHECK_EQ(put_block(was, 0, 'a'), 0);
	memset(out, 'b', sizeof(out));
	CHECK(nbd_aio_pread(comes, in, sizeof(in), 0, NBD_NULL_COMPLETION,
	    0) > 0);
	CHECK(nbd_aio_pwrite(comes, out, sizeof(out), 65536,
	    NBD_NULL_COMPLETION, 0) > 0);
	CHECK(nbd_aio_flush(comes, NBD_NULL_COMPLETION, 0) > 0);
	CHECK_EQ(wait_held(p, 3), 0);
	CHECK_EQ(put_block(was, 0, 'c'), 0);	/* acknowledged meanwhile */
	CHECK_EQ(nbd_aio_in_flight(comes), 3);
	CHECK_EQ(block_is(was, 65536, 0), 1);	/* nothing of it is written */

	CHECK_EQ(switch_to(p, 1), 0);
	CHECK_EQ(ends(comes), 0);
	CHECK(in[0] == 'c' && in[PAIR_BLOCK - 1] == 'c');
	CHECK_EQ(wait_held(p, 0), 0);
	CHECK_EQ(block_is(comes, 65536, 'b'), 1);
	/* the old side's connection is there, and never writes again */
	CHECK(put_block(was, 0, 'x') < 0);
	CHECK_EQ(nbd_get_errno(), ESHUTDOWN);
	CHECK_EQ(put_block(comes, 131072, 'd'), 0);
	CHECK_EQ(pair_equal(p), 1);
	nbd_close(was);
	nbd_close(comes);
	pair_free(p);
	return 0;
}

/* A migration that was given up: what its process wanted isn't done later. */
TEST(who_is_gone_writes_nothing)
{
	struct pair *p = pair_new_connected();
	struct nbd_handle *h;
	uint8_t buf[PAIR_BLOCK];

	CHECK(p != NULL);
	h = front(p, 1);
	CHECK(h != NULL);
	memset(buf, 'x', sizeof(buf));
	CHECK(nbd_aio_pwrite(h, buf, sizeof(buf), 0, NBD_NULL_COMPLETION,
	    0) > 0);
	CHECK_EQ(wait_held(p, 1), 0);
	nbd_close(h);
	CHECK_EQ(wait_held(p, 0), 0);
	CHECK_EQ(switch_to(p, 1), 0);
	h = front(p, 1);
	CHECK(h != NULL);
	CHECK_EQ(block_is(h, 0, 0), 1);
	nbd_close(h);
	pair_free(p);
	return 0;
}

/* A connection's time is the next one; in a later one it is as old as any other. */
TEST(a_time_that_was_missed)
{
	struct pair *p = pair_new_connected();
	struct nbd_handle *h;

	CHECK(p != NULL);
	h = front(p, 1);
	CHECK(h != NULL);
	CHECK_EQ(switch_to(p, 1), 0);
	CHECK_EQ(switch_to(p, 0), 0);
	CHECK_EQ(switch_to(p, 1), 0);
	CHECK(put_block(h, 0, 'x') < 0);
	CHECK_EQ(nbd_get_errno(), ESHUTDOWN);
	CHECK(block_is(h, 0, 0) < 0);
	nbd_close(h);
	pair_free(p);
	return 0;
}

/* Orders don't wait for requests that wait for another one. */
TEST(orders_pass_those_who_wait)
{
	struct pair *p = pair_new_connected();
	struct nbd_handle *h;
	uint8_t buf[PAIR_BLOCK] = { 'y' };

	CHECK(p != NULL);
	h = front(p, 1);
	CHECK(h != NULL);
	CHECK(nbd_aio_pwrite(h, buf, sizeof(buf), 0, NBD_NULL_COMPLETION,
	    0) > 0);
	CHECK_EQ(wait_held(p, 1), 0);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_wait_conn(p, 0, MIRROR_CONNECTED), 0);
	CHECK_EQ(nbd_aio_in_flight(h), 1);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_STOP), 0);
	while (!nbd_aio_is_dead(h) && !nbd_aio_is_closed(h) &&
	    nbd_aio_in_flight(h) > 0 && nbd_poll(h, PAIR_WAIT_MS) > 0)
		;
	nbd_close(h);
	pair_free(p);
	return 0;
}

/* There and back, the client of each side always there before its time. */
TEST(there_and_back)
{
	struct pair *p = pair_new_connected();
	struct nbd_handle *h[2];
	int i, at = 0;

	CHECK(p != NULL);
	h[0] = front(p, 0);
	CHECK(h[0] != NULL);
	for (i = 0; i < 6; i++, at = 1 - at) {
		uint8_t buf[PAIR_BLOCK];

		CHECK_EQ(put_block(h[at], (uint64_t)i * PAIR_BLOCK, i + 1), 0);
		h[1 - at] = front(p, 1 - at);
		CHECK(h[1 - at] != NULL);
		memset(buf, 100 + i, sizeof(buf));
		CHECK(nbd_aio_pwrite(h[1 - at], buf, sizeof(buf), 1 << 20,
		    NBD_NULL_COMPLETION, 0) > 0);
		CHECK_EQ(pair_order(p, at, MIRROR_V_SECONDARY), 0);
		nbd_close(h[at]);
		CHECK_EQ(pair_primary(p, 1 - at, false, 0, NULL), 0);
		CHECK_EQ(ends(h[1 - at]), 0);
		CHECK_EQ(block_is(h[1 - at], 1 << 20, 100 + i), 1);
		CHECK_EQ(block_is(h[1 - at], (uint64_t)i * PAIR_BLOCK, i + 1),
		    1);
	}
	CHECK_EQ(pair_wait_conn(p, at, MIRROR_CONNECTED), 0);
	CHECK_EQ(pair_equal(p), 1);
	nbd_close(h[at]);
	pair_free(p);
	return 0;
}

TESTS_MAIN(T(requests_wait_for_their_time), T(who_is_gone_writes_nothing),
    T(a_time_that_was_missed), T(orders_pass_those_who_wait),
    T(there_and_back))
