/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/meta.c - codecs of the metadata file; see meta.h
 */
#include "mirror/replica/meta.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "base/wire.h"

static const uint8_t sb_magic[8] = { 'A', 'V', 'M', 'I', 'R', 'R', 'O', 'R' };
static const uint8_t page_magic[8] = { 'A', 'V', 'B', 'I', 'T', 'M', 'A', 'P' };

#define CRC_AT	(META_BLOCK_BYTES - 4u)	/* superblock: last 4 bytes */

void
meta_sb_encode(const struct meta_sb *sb, uint8_t *block)
{
	struct av_wr w = { .at = block, .left = CRC_AT };
	struct av_wr c = { .at = block + CRC_AT, .left = 4 };

	memset(block, 0, META_BLOCK_BYTES);
	av_wr_bytes(&w, sb_magic, sizeof(sb_magic));
	av_wr_le(&w, META_VERSION, 4);
	av_wr_le(&w, sb->flags, 4);
	av_wr_le(&w, sb->seq, 8);
	av_wr_bytes(&w, sb->unit_uuid, 16);
	av_wr_bytes(&w, sb->volume_uuid, 16);
	av_wr_le(&w, sb->size_bytes, 8);
	av_wr_le(&w, MIRROR_CHUNK_BYTES, 4);
	av_wr_le(&w, 0, 4);
	av_wr_le(&w, sb->current, 8);
	av_wr_le(&w, sb->bitmap, 8);
	av_wr_le(&w, sb->h0, 8);
	av_wr_le(&w, sb->h1, 8);
	av_wr_le(&w, sb->gen, 8);
	av_wr_le(&w, sb->epoch, 8);
	av_wr_le(&c, av_crc32c(0, block, CRC_AT), 4);
}

/* The checksum covers the whole block in every version, so that 'newer' can be
 * told from 'damaged'. */
static int
sb_check(const uint8_t *block, size_t n)
{
	struct av_rd c = { .at = block + CRC_AT, .left = 4 };
	struct av_rd v = { .at = block + 8, .left = 4 };

	if (n != META_BLOCK_BYTES)
		return -EBADMSG;
	if (memcmp(block, sb_magic, sizeof(sb_magic)) != 0 ||
	    av_rd_le(&c, 4) != av_crc32c(0, block, CRC_AT))
		return -EBADMSG;
	return av_rd_le(&v, 4) == META_VERSION ? 0 : -EPROTONOSUPPORT;
}

int
meta_sb_decode(const uint8_t *block, size_t n, struct meta_sb *ret)
{
	struct av_rd r = { .at = block + 12, .left = CRC_AT - 12 };
	struct meta_sb sb = { 0 };
	uint32_t chunk;
	int rc = sb_check(block, n);

	if (rc < 0)
		return rc;
	sb.flags = (uint32_t)av_rd_le(&r, 4);
	sb.seq = av_rd_le(&r, 8);
	av_rd_bytes(&r, sb.unit_uuid, 16);
	av_rd_bytes(&r, sb.volume_uuid, 16);
	sb.size_bytes = av_rd_le(&r, 8);
	chunk = (uint32_t)av_rd_le(&r, 4);
	(void)av_rd_le(&r, 4);	/* reserved */
	sb.current = av_rd_le(&r, 8);
	sb.bitmap = av_rd_le(&r, 8);
	sb.h0 = av_rd_le(&r, 8);
	sb.h1 = av_rd_le(&r, 8);
	sb.gen = av_rd_le(&r, 8);
	sb.epoch = av_rd_le(&r, 8);
	if (r.rc < 0 || chunk != MIRROR_CHUNK_BYTES ||
	    (sb.flags & ~(uint32_t)META_KNOWN_FLAGS) != 0 ||
	    sb.size_bytes < MIRROR_SIZE_MIN_BYTES ||
	    sb.size_bytes > MIRROR_SIZE_MAX_BYTES || sb.size_bytes % 512 != 0)
		return -EBADMSG;
	*ret = sb;
	return 0;
}

int
meta_sb_choose(const uint8_t *two_blocks, size_t n, struct meta_sb *ret)
{
	struct meta_sb a, b;
	int rc_a, rc_b;

	if (n != 2 * META_BLOCK_BYTES)
		return -EBADMSG;
	rc_a = meta_sb_decode(two_blocks, META_BLOCK_BYTES, &a);
	rc_b = meta_sb_decode(two_blocks + META_BLOCK_BYTES, META_BLOCK_BYTES,
	    &b);
	if (rc_a == -EPROTONOSUPPORT || rc_b == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	if (rc_a < 0 && rc_b < 0)
		return -EBADMSG;
	*ret = rc_b < 0 || (rc_a == 0 && a.seq >= b.seq) ? a : b;
	return 0;
}

/* page block: magic 8, crc 4, reserved 4, page number 8, reserved 8, bits;
 * the crc is over everything from offset 12 on */
void
meta_page_encode(uint64_t page, const uint8_t *bits, uint8_t *block)
{
	struct av_wr w = { .at = block, .left = META_BLOCK_BYTES };
	struct av_wr c = { .at = block + 8, .left = 4 };

	memset(block, 0, META_BLOCK_BYTES);
	av_wr_bytes(&w, page_magic, sizeof(page_magic));
	av_wr_le(&w, 0, 8);
	av_wr_le(&w, page, 8);
	av_wr_le(&w, 0, 8);
	av_wr_bytes(&w, bits, META_PAGE_BIT_BYTES);
	av_wr_le(&c, av_crc32c(0, block + 12, META_BLOCK_BYTES - 12), 4);
}

int
meta_page_decode(const uint8_t *block, size_t n, uint64_t page,
    uint8_t *ret_bits)
{
	struct av_rd c = { .at = block + 8, .left = 4 };
	struct av_rd r = { .at = block + 16, .left = 8 };

	if (n != META_BLOCK_BYTES ||
	    memcmp(block, page_magic, sizeof(page_magic)) != 0 ||
	    av_rd_le(&c, 4) !=
	    av_crc32c(0, block + 12, META_BLOCK_BYTES - 12) ||
	    av_rd_le(&r, 8) != page)
		return -EBADMSG;
	memcpy(ret_bits, block + META_PAGE_HEADER_BYTES, META_PAGE_BIT_BYTES);
	return 0;
}

size_t
meta_chunks(uint64_t size_bytes)
{
	return (size_t)((size_bytes + MIRROR_CHUNK_BYTES - 1) /
	    MIRROR_CHUNK_BYTES);
}

size_t
meta_pages(size_t n_chunks)
{
	return (n_chunks + META_BITS_PER_PAGE - 1) / META_BITS_PER_PAGE;
}

int
meta_uuid_parse(const char *s, uint8_t ret[16])
{
	char hex[33];
	size_t n = 0;

	for (; *s != '\0'; s++) {
		if (*s == '-')
			continue;
		if (n == 32)
			return -EINVAL;
		hex[n++] = *s;
	}
	hex[n] = '\0';
	return n == 32 ? av_hex_decode(hex, ret, 16) : -EINVAL;
}

size_t
bits_count(const uint8_t *bits, size_t n_bits)
{
	size_t i, n = 0;
	uint64_t word;

	for (i = 0; i < n_bits / 64; i++) {
		memcpy(&word, bits + i * 8, 8);
		n += (size_t)__builtin_popcountll(word);
	}
	for (i = n_bits / 64 * 8; i < n_bits / 8; i++)
		n += (size_t)__builtin_popcount(bits[i]);
	for (i = n_bits / 8 * 8; i < n_bits; i++)
		n += bit_test(bits, i);
	return n;
}

size_t
bits_next(const uint8_t *bits, size_t n_bits, size_t from)
{
	size_t i = from;
	uint64_t word;

	while (i < n_bits) {
		if (i % 64 == 0 && i + 64 <= n_bits) {
			memcpy(&word, bits + i / 8, 8);
			if (word == 0) {
				i += 64;
				continue;
			}
		}
		if (i % 8 == 0 && bits[i / 8] == 0)
			i += 8;
		else if (bit_test(bits, i))
			return i;
		else
			i++;
	}
	return n_bits;
}
