/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/nodeagent_messages.c - the agents' group messages and heartbeats
 *
 * What decodes must encode to the same bytes again: nothing is read twofold.
 */
#include <gnutls/crypto.h>

#include "base/wire.h"
#include "nodeagent/heartbeat.h"
#include "nodeagent/order_msg.h"
#include "tests/fuzz/replay.h"
#include "tests/test.h"

#define UNIT	"0123456789abcdef0123456789abcdef"

static const uint8_t key[32] = { 1, 2, 3 };

static void
one_hello(const uint8_t *data, size_t n)
{
	uint8_t again[ORDER_HELLO_BYTES];
	struct order_hello h;

	if (order_hello_decode(data, n, &h) < 0)
		return;
	if (n != sizeof(again))
		abort();
	order_hello_encode(&h, again);
	if (memcmp(data, again, n) != 0)
		abort();
}

/* Whole, then cut in two: what is taken is what was announced. */
static void
one_fragment(const uint8_t *data, size_t n)
{
	struct order_inbox in = { 0 };
	size_t half = n / 2;
	int rc = order_msg_feed(&in, data, n);

	if (rc == 1 && (in.n != in.total || in.n + ORDER_HEADER_BYTES != n))
		abort();
	if (rc == 1 && in.type == ORDER_MSG_HELLO)
		one_hello(in.buf, in.n);
	/* whatever came before, the inbox stays sound */
	(void)order_msg_feed(&in, data, half);
	(void)order_msg_feed(&in, data + half, n - half);
	(void)order_msg_feed(&in, data, n);
	if (in.n > in.total)
		abort();
	order_msg_reset(&in);
}

/* Signed as if by the peer: hostile bytes alone don't get past the signature. */
static void
one_beat(const uint8_t *data, size_t n)
{
	uint8_t b[HEARTBEAT_BYTES] = { 0 }, again[HEARTBEAT_BYTES];
	struct heartbeat_beat beat;

	if (heartbeat_decode(data, n, UNIT, key, &beat) == 0 &&
	    n != sizeof(b))
		abort();
	memcpy(b, data, n < sizeof(b) ? n : sizeof(b));
	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, 32, b, sizeof(b) - 32,
	    b + sizeof(b) - 32) < 0)
		abort();
	if (heartbeat_decode(b, sizeof(b), UNIT, key, &beat) < 0)
		return;
	heartbeat_encode(&beat, UNIT, key, again);
	/* room and padding may differ; what is known must not */
	if (memcmp(b, again, 64) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	one_hello(data, n);
	one_fragment(data, n);
	one_beat(data, n);
	return 0;
}

#ifndef AV_FUZZ
static int
replay_fragment(void *arg, const uint8_t *data, size_t n)
{
	(void)arg;
	replay(data, n, 1000);
	return 0;
}

TEST(messages)
{
	struct order_hello h = { .role = { ROLE_REJOINING, { 7,
		ROLE_MODE_ALONE, true }, true, false }, .timing_hash = 1,
		.nonce = 2, .view = 3, .position.seq = 4 };
	static const uint8_t head[48] = { 3, 0, 0, 0, 0, 0, 0, 0, 9 };
	static const char command[] = "{\"cmd_id\":\"x\",\"op\":\"vm.start\"}";
	uint8_t hello[ORDER_HELLO_BYTES];

	order_hello_encode(&h, hello);
	replay(hello, sizeof(hello), 2000);
	CHECK(order_msg_send(replay_fragment, NULL, ORDER_MSG_HELLO, hello,
	    sizeof(hello), NULL, 0) == 0);
	CHECK(order_msg_send(replay_fragment, NULL, ORDER_MSG_COMMAND, head, 16,
	    command, sizeof(command) - 1) == 0);
	CHECK(order_msg_send(replay_fragment, NULL, ORDER_MSG_TOGETHER, head,
	    16, NULL, 0) == 0);
	CHECK(order_msg_send(replay_fragment, NULL, ORDER_MSG_ACK, head, 48,
	    NULL, 0) == 0);
	CHECK(order_msg_send(replay_fragment, NULL, ORDER_MSG_SNAPSHOT, head,
	    48, command, sizeof(command)) == 0);
	CHECK(order_msg_send(replay_fragment, NULL, ORDER_MSG_SYNCED, head, 9,
	    NULL, 0) == 0);
	CHECK(order_msg_send(replay_fragment, NULL, ORDER_MSG_FACTS, NULL, 0,
	    command, sizeof(command) - 1) == 0);
	return 0;
}

TEST(heartbeats)
{
	struct heartbeat_beat b = { .node = 1, .link = 3, .instance = 5,
		.counter = 6, .echo_instance = 7, .echo_counter = 8, .hello = {
		ROLE_ALONE, { 9, ROLE_MODE_ALONE, false }, true, true } };
	uint8_t buf[HEARTBEAT_BYTES];

	heartbeat_encode(&b, UNIT, key, buf);
	replay(buf, sizeof(buf), 5000);
	return 0;
}

TESTS_MAIN(T(messages), T(heartbeats))
#endif
