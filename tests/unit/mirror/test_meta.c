/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_meta.c - metadata, legs, messages, ranges
 */
#include "mirror/replica/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/wire.h"
#include "mirror/replica/proto.h"
#include "mirror/replica/range.h"
#include "tests/test.h"
#include "tests/unit/mirror/pair.h"

static const struct meta_sb sample = {
	.seq = 7, .unit_uuid = "unit", .volume_uuid = "volume",
	.size_bytes = 1u << 20, .current = 0xfedcba9876543210, .bitmap = 2,
	.h0 = 6, .h1 = 8, .gen = 9, .epoch = 0, .flags = META_CONSISTENT,
};

static void
reseal(uint8_t *block)
{
	uint32_t crc = av_crc32c(0, block, META_BLOCK_BYTES - 4);
	struct av_wr w = { .at = block + META_BLOCK_BYTES - 4, .left = 4 };

	av_wr_le(&w, crc, 4);
}

TEST(superblock_round_trip)
{
	uint8_t b[META_BLOCK_BYTES];
	struct meta_sb got;

	meta_sb_encode(&sample, b);
	CHECK_EQ(meta_sb_decode(b, sizeof(b), &got), 0);
	CHECK(memcmp(&got, &sample, sizeof(got)) == 0);
	CHECK_EQ(meta_sb_decode(b, sizeof(b) - 1, &got), -EBADMSG);
	return 0;
}

TEST(superblock_bit_flips_are_seen)
{
	uint8_t b[META_BLOCK_BYTES];
	struct meta_sb got;
	size_t i;

	meta_sb_encode(&sample, b);
	for (i = 0; i < sizeof(b) * 8; i += 5) {
		b[i / 8] = (uint8_t)(b[i / 8] ^ (1u << (i % 8)));
		CHECK_EQ(meta_sb_decode(b, sizeof(b), &got), -EBADMSG);
		b[i / 8] = (uint8_t)(b[i / 8] ^ (1u << (i % 8)));
	}
	CHECK_EQ(meta_sb_decode(b, sizeof(b), &got), 0);
	return 0;
}

TEST(superblock_newer_or_nonsense)
{
	uint8_t b[META_BLOCK_BYTES];
	struct meta_sb got;

	meta_sb_encode(&sample, b);
	b[8] = META_VERSION + 1;
	reseal(b);
	CHECK_EQ(meta_sb_decode(b, sizeof(b), &got), -EPROTONOSUPPORT);
	meta_sb_encode(&sample, b);
	b[12] = 0xff;			/* unknown flags */
	reseal(b);
	CHECK_EQ(meta_sb_decode(b, sizeof(b), &got), -EBADMSG);
	meta_sb_encode(&sample, b);
	b[56] = 1;			/* size isn't a multiple of 512 */
	reseal(b);
	CHECK_EQ(meta_sb_decode(b, sizeof(b), &got), -EBADMSG);
	return 0;
}

TEST(newest_whole_copy_wins)
{
	uint8_t two[2 * META_BLOCK_BYTES];
	struct meta_sb newer = sample, got;

	newer.seq = 8;
	meta_sb_encode(&newer, two);
	meta_sb_encode(&sample, two + META_BLOCK_BYTES);
	CHECK_EQ(meta_sb_choose(two, sizeof(two), &got), 0);
	CHECK_EQ(got.seq, 8);
	two[100] ^= 1;			/* torn while it was written */
	CHECK_EQ(meta_sb_choose(two, sizeof(two), &got), 0);
	CHECK_EQ(got.seq, 7);
	two[META_BLOCK_BYTES + 100] ^= 1;
	CHECK_EQ(meta_sb_choose(two, sizeof(two), &got), -EBADMSG);
	return 0;
}

TEST(bitmap_page_codec)
{
	uint8_t bits[META_PAGE_BIT_BYTES], got[META_PAGE_BIT_BYTES];
	uint8_t b[META_BLOCK_BYTES];
	size_t i;

	for (i = 0; i < sizeof(bits); i++)
		bits[i] = (uint8_t)(i * 7);
	meta_page_encode(3, bits, b);
	CHECK_EQ(meta_page_decode(b, sizeof(b), 3, got), 0);
	CHECK(memcmp(bits, got, sizeof(bits)) == 0);
	CHECK_EQ(meta_page_decode(b, sizeof(b), 4, got), -EBADMSG);
	CHECK_EQ(meta_page_decode(b, sizeof(b) - 1, 3, got), -EBADMSG);
	for (i = 0; i < sizeof(b) * 8; i += 11) {
		b[i / 8] = (uint8_t)(b[i / 8] ^ (1u << (i % 8)));
		CHECK_EQ(meta_page_decode(b, sizeof(b), 3, got), -EBADMSG);
		b[i / 8] = (uint8_t)(b[i / 8] ^ (1u << (i % 8)));
	}
	return 0;
}

TEST(bits)
{
	uint8_t b[16] = { 0 };

	CHECK_EQ(bits_next(b, 100, 0), 100);
	bit_set(b, 99);
	bit_set(b, 17);
	CHECK_EQ(bits_next(b, 100, 0), 17);
	CHECK_EQ(bits_next(b, 100, 18), 99);
	CHECK_EQ(bits_count(b, 100), 2);
	CHECK_EQ(bits_count(b, 99), 1);
	bit_clear(b, 17);
	CHECK_EQ(bits_next(b, 100, 0), 99);
	return 0;
}

/* --- legs in a folder --- */

static char dir[PAIR_DIR_MAX];

static struct mirror_leg_spec
leg_spec(void)
{
	return (struct mirror_leg_spec){ .dir = dir, .id = "o3",
		.unit_uuid = "00112233-4455-6677-8899-aabbccddeeff",
		.volume_uuid = "0123456789abcdef0123456789abcdef",
		.size_bytes = 5u << 20, .initial_current = 0x111, .gen = 3 };
}

static int
leg_setup(void)
{
	struct mirror_leg_spec spec = leg_spec();
	struct av_err err = { 0 };

	if (pair_folder(dir, "avpair-leg") < 0)
		return -1;
	spec.dir = dir;
	return leg_create(&spec, &err);
}

static void
leg_teardown(void)
{
	struct av_err err = { 0 };

	(void)leg_delete(dir, "o3", &err);
	(void)rmdir(dir);
}

static int
scribble(const char *what, off_t at, size_t n)
{
	char path[96];
	uint8_t junk[8192];
	int fd;

	memset(junk, 0x5a, sizeof(junk));
	(void)snprintf(path, sizeof(path), "%s/vol-o3.%s", dir, what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, junk, n, at) != (ssize_t)n)
		return -1;
	return close(fd);
}

TEST(leg_life)
{
	struct mirror_leg_spec spec;
	struct mirror_leg_info i;
	struct leg *leg, *second;
	struct av_err err = { 0 };
	uint8_t other[16] = { 1 };

	CHECK_EQ(leg_setup(), 0);
	spec = leg_spec();
	CHECK_EQ(leg_create(&spec, &err), -EEXIST);
	CHECK_STR(err.code, "leg-exists");
	CHECK_EQ(leg_info(dir, "o3", &i, &err), 0);
	CHECK_EQ(i.gi.current, 0x110);
	CHECK_EQ(i.gen, 3);
	CHECK_EQ(i.out_of_step_bytes, 0);
	CHECK(i.disk == MIRROR_DISK_UPTODATE);
	CHECK_STR(i.unit_uuid, "00112233445566778899aabbccddeeff");
	CHECK_EQ(leg_open(dir, "o3", other, NULL, &leg, &err), -EINVAL);
	CHECK_STR(err.code, "metadata-other-volume");
	CHECK_EQ(leg_open(dir, "o3", NULL, NULL, &leg, &err), 0);
	CHECK_EQ(leg_open(dir, "o3", NULL, NULL, &second, &err), -EBUSY);
	CHECK_STR(err.code, "volume-in-use");
	CHECK_EQ(leg_delete(dir, "o3", &err), -EBUSY);
	leg->sb.gen = 77;
	CHECK_EQ(leg_write_sb(leg), 0);
	leg_close(leg);
	CHECK_EQ(leg_info(dir, "o3", &i, &err), 0);
	CHECK_EQ(i.gen, 77);
	CHECK_EQ(leg_delete(dir, "o3", &err), 0);
	CHECK_EQ(leg_delete(dir, "o3", &err), -ENOENT);
	CHECK_STR(err.code, "leg-missing");
	leg_teardown();
	return 0;
}

TEST(leg_bad_requests)
{
	struct mirror_leg_spec spec;
	struct av_err err = { 0 };

	CHECK_EQ(leg_setup(), 0);
	spec = leg_spec();
	spec.id = "../o4";
	CHECK_EQ(leg_create(&spec, &err), -EINVAL);
	spec.id = "o4";
	spec.size_bytes = 1000;
	CHECK_EQ(leg_create(&spec, &err), -EINVAL);
	spec.size_bytes = MIRROR_SIZE_MAX_BYTES + 512;
	CHECK_EQ(leg_create(&spec, &err), -EINVAL);
	spec.size_bytes = 1u << 20;
	spec.unit_uuid = "xyz";
	CHECK_EQ(leg_create(&spec, &err), -EINVAL);
	CHECK_STR(err.code, "bad-request");
	leg_teardown();
	return 0;
}

TEST(leg_damage)
{
	struct mirror_leg_info i;
	struct leg *leg;
	struct av_err err = { 0 };
	char path[96];

	CHECK_EQ(leg_setup(), 0);
	CHECK_EQ(scribble("meta", 0, 100), 0);		/* one copy */
	CHECK_EQ(leg_open(dir, "o3", NULL, NULL, &leg, &err), 0);
	leg_close(leg);
	CHECK_EQ(scribble("meta", 2 * 4096 + 50, 4), 0);	/* bitmap page */
	CHECK_EQ(leg_open(dir, "o3", NULL, NULL, &leg, &err), 0);
	CHECK_EQ(leg->n_bad_pages, 1);
	CHECK_EQ(bits_count(leg->bits, leg->n_chunks), leg->n_chunks);
	leg_close(leg);
	CHECK_EQ(leg_info(dir, "o3", &i, &err), 0);
	CHECK_EQ(i.out_of_step_bytes, 5u << 20);
	(void)snprintf(path, sizeof(path), "%s/vol-o3.data", dir);
	CHECK_EQ(truncate(path, 4096), 0);
	CHECK(leg_open(dir, "o3", NULL, NULL, &leg, &err) < 0);
	CHECK_STR(err.code, "metadata-damaged");
	CHECK_EQ(scribble("meta", 4096, 100), 0);	/* both copies */
	CHECK_EQ(leg_info(dir, "o3", &i, &err), -EBADMSG);
	CHECK_STR(err.code, "metadata-damaged");
	(void)snprintf(path, sizeof(path), "%s/vol-o3.meta", dir);
	CHECK_EQ(truncate(path, 100), 0);
	CHECK_EQ(leg_info(dir, "o3", &i, &err), -EBADMSG);
	leg_teardown();
	return 0;
}

/* Zeros either way; only a sparse leg gives its space back. */
TEST(trim_of_a_sparse_leg_gives_space_back)
{
	static uint8_t buf[1 << 20], back[1 << 20];
	struct stat before, after;
	char path[96];
	int fd, sparse;

	CHECK_EQ(leg_setup(), 0);
	(void)snprintf(path, sizeof(path), "%s/vol-o3.data", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	for (sparse = 0; sparse < 2; sparse++) {
		memset(buf, 'x', sizeof(buf));
		CHECK_EQ(leg_pwrite_all(fd, buf, sizeof(buf), 0), 0);
		CHECK_EQ(fsync(fd), 0);
		CHECK_EQ(fstat(fd, &before), 0);
		CHECK_EQ(leg_trim(fd, sparse, 65536, 524288), 0);
		CHECK_EQ(fsync(fd), 0);
		CHECK_EQ(fstat(fd, &after), 0);
		memset(buf + 65536, 0, 524288);
		CHECK_EQ(leg_pread_all(fd, back, sizeof(back), 0), 0);
		CHECK(memcmp(buf, back, sizeof(buf)) == 0);
		CHECK_EQ(after.st_size, before.st_size);
		if (sparse)
			CHECK(after.st_blocks < before.st_blocks);
		else
			CHECK(after.st_blocks >= before.st_blocks);
	}
	(void)close(fd);
	leg_teardown();
	return 0;
}

TEST(no_space_leaves_nothing)
{
	struct mirror_leg_spec spec;
	struct av_err err = { 0 };
	struct stat st;
	char path[96];
	int rc;

	CHECK_EQ(leg_setup(), 0);
	spec = leg_spec();
	spec.id = "big";
	spec.size_bytes = MIRROR_SIZE_MAX_BYTES;
	rc = leg_create(&spec, &err);
	(void)snprintf(path, sizeof(path), "%s/vol-big.data", dir);
	if (rc == 0) {		/* a file system that has no fallocate */
		CHECK_EQ(leg_delete(dir, "big", &err), 0);
	} else {
		CHECK_STR(err.code, "no-space");
		CHECK(stat(path, &st) < 0);
	}
	leg_teardown();
	return 0;
}

/* --- messages --- */

TEST(message_codec)
{
	struct proto_msg m = { .type = PROTO_HELLO, .size_bytes = 1u << 20,
		.node = 1, .flags = PROTO_PRIMARY, .gen = 5, .current = 16,
		.bitmap = 18, .h0 = 20, .h1 = 22, .dirty_chunks = 3,
		.verdict = VERDICT_SPLIT, .rc = EBUSY, .code = "split",
		.text = "words" }, got;
	uint8_t b[PROTO_BYTES];
	size_t i;

	proto_encode(&m, b);
	CHECK_EQ(proto_decode(b, sizeof(b), &got), 0);
	CHECK(memcmp(&m, &got, sizeof(m)) == 0);
	CHECK_EQ(proto_decode(b, sizeof(b) - 1, &got), -EBADMSG);
	for (i = 0; i < sizeof(b) * 8; i += 3) {
		b[i / 8] = (uint8_t)(b[i / 8] ^ (1u << (i % 8)));
		CHECK_EQ(proto_decode(b, sizeof(b), &got), -EBADMSG);
		b[i / 8] = (uint8_t)(b[i / 8] ^ (1u << (i % 8)));
	}
	m.node = 2;
	proto_encode(&m, b);
	CHECK_EQ(proto_decode(b, sizeof(b), &got), -EBADMSG);
	m.node = 1;
	m.type = PROTO_TYPE_END;
	proto_encode(&m, b);
	CHECK_EQ(proto_decode(b, sizeof(b), &got), -EBADMSG);
	m.type = PROTO_HELLO;
	memset(m.text, 'x', sizeof(m.text));	/* no end */
	proto_encode(&m, b);
	CHECK_EQ(proto_decode(b, sizeof(b), &got), -EBADMSG);
	return 0;
}

/* --- ranges --- */

TEST(ranges_in_order)
{
	struct range_list rl;
	struct range a = { .start = 0, .end = 100 };
	struct range b = { .start = 50, .end = 150 };
	struct range c = { .start = 140, .end = 160 };
	struct range d = { .start = 200, .end = 300 };
	struct range e = { .start = 150, .end = 151 };

	range_list_init(&rl);
	range_enter(&rl, &a);
	range_enter(&rl, &b);
	range_enter(&rl, &c);
	range_enter(&rl, &d);
	CHECK(range_active(&rl, &a));
	CHECK(!range_active(&rl, &b));
	CHECK(!range_active(&rl, &c));	/* waits for b, not for a */
	CHECK(range_active(&rl, &d));
	CHECK(range_touched(&rl, 299, 300));
	CHECK(!range_touched(&rl, 300, 400));
	range_leave(&rl, &a);
	CHECK(range_active(&rl, &b));
	CHECK(!range_active(&rl, &c));
	range_leave(&rl, &d);		/* the last one: the tail moves */
	range_enter(&rl, &e);
	CHECK(!range_active(&rl, &e));	/* inside of c */
	range_leave(&rl, &b);
	CHECK(range_active(&rl, &c));
	range_leave(&rl, &c);
	CHECK(range_active(&rl, &e));
	range_leave(&rl, &e);
	CHECK(rl.first == NULL);
	CHECK(rl.last == &rl.first);
	return 0;
}

TESTS_MAIN(
	T(superblock_round_trip),
	T(superblock_bit_flips_are_seen),
	T(superblock_newer_or_nonsense),
	T(newest_whole_copy_wins),
	T(bitmap_page_codec),
	T(bits),
	T(leg_life),
	T(leg_bad_requests),
	T(leg_damage),
	T(trim_of_a_sparse_leg_gives_space_back),
	T(no_space_leaves_nothing),
	T(message_codec),
	T(ranges_in_order),
)
