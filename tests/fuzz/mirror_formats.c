/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/mirror_formats.c - decoders of the mirror's disk and wire formats
 *
 * What decodes must encode to the same bytes again: nothing is read twofold.
 */
#include <stdint.h>

#include "base/wire.h"
#include "mirror/replica.h"
#include "mirror/replica/meta.h"
#include "mirror/replica/proto.h"
#include "tests/test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
seal(uint8_t *block, size_t n)
{
	struct av_wr w = { .at = block + n - 4, .left = 4 };

	av_wr_le(&w, av_crc32c(0, block, n - 4), 4);
}

static int
one_superblock(const uint8_t *data, size_t n)
{
	uint8_t b[META_BLOCK_BYTES] = { 0 }, again[META_BLOCK_BYTES];
	struct meta_sb sb;

	memcpy(b, data, n < sizeof(b) ? n : sizeof(b));
	seal(b, sizeof(b));
	if (meta_sb_decode(b, sizeof(b), &sb) < 0)
		return 0;
	meta_sb_encode(&sb, again);
	/* reserved bytes may differ; what is known must not */
	return memcmp(b, again, 60) == 0 ? 0 : 1;
}

static int
one_message(const uint8_t *data, size_t n)
{
	uint8_t b[PROTO_BYTES] = { 0 }, again[PROTO_BYTES];
	struct proto_msg m;

	memcpy(b, data, n < sizeof(b) ? n : sizeof(b));
	seal(b, sizeof(b));
	if (proto_decode(b, sizeof(b), &m) < 0)
		return 0;
	proto_encode(&m, again);
	return memcmp(b, again, 128) == 0 ? 0 : 1;
}

static void
one_status(const uint8_t *data, size_t n)
{
	struct mirror_status st = { 0 };
	json_t *j = json_loadb((const char *)data, n, 0, NULL);

	if (j != NULL)
		replica_status_parse(j, &st);
	json_decref(j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t bits[META_PAGE_BIT_BYTES];

	if (one_superblock(data, n) != 0 || one_message(data, n) != 0)
		abort();
	(void)meta_page_decode(data, n, 0, bits);
	one_status(data, n);
	return 0;
}

#ifndef AV_FUZZ
static uint64_t seed = 42;

static size_t
random_below(size_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (size_t)(seed >> 33) % n;
}

static void
mutate(const uint8_t *base, size_t n)
{
	uint8_t b[META_BLOCK_BYTES];
	int i, k;

	for (i = 0; i < 2000; i++) {
		size_t len = i % 4 == 0 ? random_below(n) : n;

		memcpy(b, base, n);
		for (k = 0; k < 4; k++)
			b[random_below(n < 300 ? n : 300)] =
			    (uint8_t)random_below(256);
		(void)LLVMFuzzerTestOneInput(b, len);
	}
}

TEST(superblocks)
{
	struct meta_sb sb = { .seq = 1, .size_bytes = 1u << 20,
		.current = 16 };
	uint8_t b[META_BLOCK_BYTES];

	meta_sb_encode(&sb, b);
	mutate(b, sizeof(b));
	return 0;
}

TEST(messages)
{
	struct proto_msg m = { .type = PROTO_HELLO, .code = "x",
		.text = "y" };
	uint8_t b[META_BLOCK_BYTES] = { 0 };

	proto_encode(&m, b);
	mutate(b, PROTO_BYTES);
	return 0;
}

TEST(statuses)
{
	static const char text[] = "{\"role\":\"primary\",\"conn\":\"held\","
	    "\"gen\":-5,\"current\":\"00000000000000ff\",\"bitmap\":7,"
	    "\"error_text\":\"\\u00e9\",\"peer_seen_ms\":1e9}";

	mutate((const uint8_t *)text, sizeof(text) - 1);
	return 0;
}

TESTS_MAIN(
	T(superblocks),
	T(messages),
	T(statuses),
)
#endif
