/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/window.c - see window.h
 */
#include "mirror/replica/window.h"

#include "mirror/mirror.h"
#include "mirror/replica/meta.h"
#include "mirror/replica/proto.h"

static uint64_t
round_up(uint64_t n)
{
	return (n + 4095) / 4096 * 4096;
}

uint64_t
window_mailbox(uint64_t size_bytes)
{
	return round_up(size_bytes) + PROTO_MAILBOX_AT;
}

uint64_t
window_digests(uint64_t size_bytes)
{
	return window_mailbox(size_bytes) + PROTO_BITMAP_AT +
	    round_up((uint64_t)meta_pages(meta_chunks(size_bytes)) *
	    META_PAGE_BIT_BYTES);
}

uint64_t
window_digest_bytes(uint64_t size_bytes)
{
	return round_up((uint64_t)meta_chunks(size_bytes) *
	    PROTO_DIGEST_BYTES);
}

uint64_t
window_export_old(uint64_t size_bytes)
{
	return window_digests(size_bytes);
}

uint64_t
window_export(uint64_t size_bytes)
{
	return window_digests(size_bytes) + window_digest_bytes(size_bytes);
}

bool
window_find(uint64_t export_bytes, uint64_t *ret_size_bytes)
{
	uint64_t low = 1, high = MIRROR_SIZE_MAX_BYTES / 4096;	/* blocks */

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (window_export(mid * 4096) < export_bytes)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_size_bytes = low * 4096;
	return window_export(low * 4096) == export_bytes;
}
