/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_heartbeat.c - packets: round trip and every damage
 */
#include "tests/test.h"

#include <errno.h>

#include "nodeagent/heartbeat.h"

#define UNIT	"0123456789abcdef0123456789abcdef"

static const uint8_t key[32] = { 1, 2, 3 };

static void
make(struct heartbeat_beat *b)
{
	memset(b, 0, sizeof(*b));
	b->node = 1;
	b->link = 2;
	b->instance = 0x0123456789abcdefull;
	b->counter = 77;
	b->echo_instance = 5;
	b->echo_counter = 6;
	b->timing_hash = 0xdeadbeef;
	b->seq = 9;
	b->hello.state = ROLE_REJOINING;
	b->hello.rec.gen = 12;
	b->hello.rec.mode = ROLE_MODE_ALONE;
	b->hello.rec.pending = true;
	b->hello.released = true;
}

TEST(round_trip)
{
	uint8_t buf[HEARTBEAT_BYTES];
	struct heartbeat_beat b, got;

	make(&b);
	heartbeat_encode(&b, UNIT, key, buf);
	CHECK(heartbeat_decode(buf, sizeof(buf), UNIT, key, &got) == 0);
	CHECK(got.node == 1 && got.link == 2 && got.counter == 77 &&
	    got.instance == b.instance && got.echo_instance == 5 &&
	    got.echo_counter == 6 && got.timing_hash == 0xdeadbeef &&
	    got.seq == 9 && got.hello.state == ROLE_REJOINING &&
	    got.hello.rec.gen == 12 && got.hello.rec.pending &&
	    got.hello.released && !got.hello.ready);
	return 0;
}

TEST(every_damaged_bit_is_refused)
{
	uint8_t buf[HEARTBEAT_BYTES + 1] = { 0 }, other[32] = { 9 };
	struct heartbeat_beat b, got;
	size_t i;

	make(&b);
	heartbeat_encode(&b, UNIT, key, buf);
	for (i = 0; i < HEARTBEAT_BYTES * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1u << (i % 8));
		CHECK(heartbeat_decode(buf, HEARTBEAT_BYTES, UNIT, key,
		    &got) < 0);
		buf[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	for (i = 0; i < HEARTBEAT_BYTES; i++)
		CHECK_EQ(heartbeat_decode(buf, i, UNIT, key, &got), -EBADMSG);
	CHECK_EQ(heartbeat_decode(buf, sizeof(buf), UNIT, key, &got),
	    -EBADMSG);
	CHECK_EQ(heartbeat_decode(buf, HEARTBEAT_BYTES, UNIT, other, &got),
	    -EKEYREJECTED);
	CHECK_EQ(heartbeat_decode(buf, HEARTBEAT_BYTES, "f" UNIT, key, &got),
	    -EXDEV);
	return 0;
}

TEST(signed_nonsense_is_refused)
{
	uint8_t buf[HEARTBEAT_BYTES];
	struct heartbeat_beat b, got;

	make(&b);
	b.node = 3;
	heartbeat_encode(&b, UNIT, key, buf);
	CHECK_EQ(heartbeat_decode(buf, sizeof(buf), UNIT, key, &got), -EBADMSG);
	make(&b);
	b.hello.state = ROLE_N_STATES;
	heartbeat_encode(&b, UNIT, key, buf);
	CHECK_EQ(heartbeat_decode(buf, sizeof(buf), UNIT, key, &got), -EBADMSG);
	return 0;
}

TESTS_MAIN(T(round_trip), T(every_damaged_bit_is_refused),
    T(signed_nonsense_is_refused))
