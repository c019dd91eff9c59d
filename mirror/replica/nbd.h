/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/nbd.h - numbers of the NBD protocol
 *
 * From NetworkBlockDevice/nbd, doc/proto.md.  Big-endian on the wire.
 */
#ifndef AV_MIRROR_NBD_H
#define AV_MIRROR_NBD_H

#include <stdint.h>

#define NBD_OPT_MAGIC		0x49484156454f5054ull	/* "IHAVEOPT" */
#define NBD_INIT_MAGIC		0x4e42444d41474943ull	/* "NBDMAGIC" */
#define NBD_OPT_REPLY_MAGIC	0x0003e889045565a9ull
#define NBD_REQUEST_MAGIC	0x25609513u
#define NBD_REPLY_MAGIC		0x67446698u
#define NBD_REQUEST_BYTES	28u
#define NBD_REPLY_BYTES		16u

enum { NBD_OPT_EXPORT_NAME = 1, NBD_OPT_ABORT = 2, NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7 };
#define NBD_REP_ACK		1u
#define NBD_REP_INFO		3u
#define NBD_REP_ERR_UNSUP	0x80000001u
#define NBD_REP_ERR_INVALID	0x80000003u
#define NBD_REP_ERR_UNKNOWN	0x80000006u
#define NBD_REP_ERR_SHUTDOWN	0x80000007u
#define NBD_INFO_EXPORT		0u
#define NBD_INFO_BLOCK_SIZE	3u
enum { NBD_CMD_READ = 0, NBD_CMD_WRITE = 1, NBD_CMD_DISC = 2,
	NBD_CMD_FLUSH = 3, NBD_CMD_TRIM = 4, NBD_CMD_ZERO = 6 };
#define NBD_FLAG_TRIM		32u	/* of the export */
#define NBD_CMD_FLAG_FUA	1u
#define NBD_REQUEST_MAX		(32u << 20)

static inline uint64_t
nbd_get(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

static inline void
nbd_put(uint8_t *p, uint64_t v, unsigned n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

#endif
