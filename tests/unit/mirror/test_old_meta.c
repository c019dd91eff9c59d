/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_old_meta.c - metadata of earlier versions stays readable
 *
 * tests/fixtures/vN/ hold files of format version N, made by a script of their
 * own; they are never made again.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "mirror/replica/meta.h"
#include "tests/test.h"

TEST(version_1_is_read)
{
	struct mirror_leg_info i;
	struct av_err err = { 0 };

	CHECK_EQ(leg_info("tests/fixtures/v1", "v1", &i, &err), 0);
	CHECK_STR(i.unit_uuid, "000102030405060708090a0b0c0d0e0f");
	CHECK_STR(i.volume_uuid, "101112131415161718191a1b1c1d1e1f");
	CHECK_EQ(i.size_bytes, 3ull << 30);
	CHECK(i.gi.current == 0x1111222233334444);
	CHECK(i.gi.bitmap == 0x2222333344445556);
	CHECK(i.gi.h0 == 0x3333444455556668);
	CHECK(i.gi.h1 == 0x444455556666777a);
	CHECK_EQ(i.gen, 42);
	CHECK(i.disk == MIRROR_DISK_UPTODATE);
	CHECK(i.crashed_primary && i.peer_outdated && !i.sparse);
	CHECK_EQ(i.out_of_step_bytes, 11 * 65536);
	return 0;
}

TEST(version_1_bits_are_where_they_were)
{
	uint8_t block[META_BLOCK_BYTES], bits[2 * META_PAGE_BIT_BYTES];
	size_t page;
	int fd = open("tests/fixtures/v1/vol-v1.meta", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	for (page = 0; page < 2; page++) {
		CHECK_EQ(leg_pread_all(fd, block, sizeof(block),
		    (page + 2) * META_BLOCK_BYTES), 0);
		CHECK_EQ(meta_page_decode(block, sizeof(block), page, bits +
		    page * META_PAGE_BIT_BYTES), 0);
	}
	CHECK_EQ(close(fd), 0);
	CHECK(bit_test(bits, 0) && bit_test(bits, 15));
	CHECK_EQ(bits_count(bits, META_BITS_PER_PAGE), 2);
	CHECK_EQ(bits_next(bits, 2 * META_BITS_PER_PAGE, 16),
	    META_BITS_PER_PAGE);
	CHECK(bit_test(bits, META_BITS_PER_PAGE + 16));
	return 0;
}

/* What docs/design-mirror.md says of sizes follows from these. */
TEST(sizes_are_as_documented)
{
	size_t chunks = meta_chunks(1ull << 40), pages = meta_pages(chunks);

	CHECK_EQ(META_BITS_PER_PAGE, 32512);
	CHECK_EQ(chunks, 16777216);
	CHECK_EQ(pages, 517);
	CHECK_EQ((pages + 2) * META_BLOCK_BYTES, 2125824);
	CHECK_EQ(3 * pages * META_PAGE_BIT_BYTES + 9 * pages, 6307917);
	CHECK_EQ(meta_pages(meta_chunks(MIRROR_SIZE_MAX_BYTES)), 8257);
	return 0;
}

TESTS_MAIN(
	T(version_1_is_read),
	T(version_1_bits_are_where_they_were),
	T(sizes_are_as_documented),
)
