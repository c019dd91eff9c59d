/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/proto.h - what two mirror servers say to each other
 *
 * The export 'peer' is the volume, rounded up to 4096, then a window:
 *   +0		mailbox: write one message, read the reply (PROTO_BYTES each)
 *   +4096	the peer's bitmap, raw bits as in meta.h, without page headers
 *   after that, rounded up to 4096 (since the first version that verifies; older
 *   exports end here, which says that the peer can't): a SHA-256 of each chunk,
 *   32 bytes each, made when it is read; zeros = the chunk can't be read.  At
 *   most PROTO_DIGESTS_MAX at once; only in a session that was started.
 *
 *   primary	secondary
 *   HELLO	-> verdict; a session is armed unless refused
 *   (reads the bitmap window)
 *   START	-> in step; writes are accepted from now on
 * or SYNC_START-> marks itself unfinished, durably; writes are accepted
 *   SYNC_END	-> flushed by the primary before; takes the identity, durably
 *   PING	-> any time; fails once the session is revoked
 *   GROW	-> its leg is 'size' bytes long, durably (no-space: nothing changed);
 *		the connection keeps its layout, so it is made again.  After a
 *		HELLO with different sizes the smaller leg catches up before
 *		START or SYNC_START (grow.c)
 *   DISKLESS	-> the primary's leg has failed: records, durably, that it ran alone
 *		(new identity, all bits, gen); in a session in step, or instead
 *		of START.  Volume reads are answered once a session has started
 *   BYE	-> the primary stops being primary, both legs are in step
 *
 * A message (all types alike), little-endian: magic u32, version u16, type u16,
 * epoch u64 (0; for checkpoints), unit uuid 16, volume uuid 16, size u64,
 * node u32, flags u32, gen u64, current/bitmap/h0/h1 u64, dirty chunks u64,
 * verdict u32, rc u32, code 32, text 160, zeros up to PROTO_BYTES - 4, crc32c.
 */
#ifndef AV_MIRROR_PROTO_H
#define AV_MIRROR_PROTO_H

#include <stddef.h>
#include <stdint.h>

#include "mirror/replica/identity.h"

#define PROTO_BYTES		512u
#define PROTO_VERSION		1u
#define PROTO_MAILBOX_AT	0u
#define PROTO_BITMAP_AT		4096u
#define PROTO_DIGEST_BYTES	32u
#define PROTO_DIGESTS_MAX	64u

enum proto_type {		/* append only */
	PROTO_HELLO = 1,
	PROTO_START,
	PROTO_SYNC_START,
	PROTO_SYNC_END,
	PROTO_PING,
	PROTO_BYE,
	PROTO_REPLY,
	PROTO_GROW,
	PROTO_DISKLESS,
	PROTO_TYPE_END
};

enum {				/* append only */
	PROTO_CRASHED_PRIMARY	= 1 << 0,
	PROTO_PRIMARY		= 1 << 1,
	PROTO_INCONSISTENT	= 1 << 2,
	PROTO_OUTDATED		= 1 << 3,
	PROTO_GROWS		= 1 << 4,	/* knows GROW and unequal sizes */
	PROTO_CAN_SERVE		= 1 << 5,	/* reads of data, DISKLESS */
	PROTO_DISKLESS_PRIMARY	= 1 << 6,	/* in HELLO: my leg has failed */
};

struct proto_msg {
	uint32_t	type;
	uint64_t	epoch;
	uint8_t		unit_uuid[16];
	uint8_t		volume_uuid[16];
	uint64_t	size_bytes;
	uint32_t	node;
	uint32_t	flags;
	uint64_t	gen;
	uint64_t	current, bitmap, h0, h1;
	uint64_t	dirty_chunks;
	uint32_t	verdict;	/* of the one who replies */
	uint32_t	rc;		/* 0, or a positive errno: refused */
	char		code[32];
	char		text[160];
};

void proto_encode(const struct proto_msg *m, uint8_t *buf /* PROTO_BYTES */);
/* 0, -EBADMSG, -EPROTONOSUPPORT (another version). */
int  proto_decode(const uint8_t *buf, size_t n, struct proto_msg *ret);
void proto_identity(const struct proto_msg *m, struct identity *ret);

#endif
