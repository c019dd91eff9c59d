/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/proto.c - bytes of the peer protocol; see proto.h
 */
#include "mirror/replica/proto.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "base/wire.h"

#define PROTO_MAGIC	0x504d5641u	/* "AVMP" */
#define CRC_AT		(PROTO_BYTES - 4u)

void
proto_encode(const struct proto_msg *m, uint8_t *buf)
{
	struct av_wr w = { .at = buf, .left = CRC_AT };
	struct av_wr c = { .at = buf + CRC_AT, .left = 4 };

	memset(buf, 0, PROTO_BYTES);
	av_wr_le(&w, PROTO_MAGIC, 4);
	av_wr_le(&w, PROTO_VERSION, 2);
	av_wr_le(&w, m->type, 2);
	av_wr_le(&w, m->epoch, 8);
	av_wr_bytes(&w, m->unit_uuid, 16);
	av_wr_bytes(&w, m->volume_uuid, 16);
	av_wr_le(&w, m->size_bytes, 8);
	av_wr_le(&w, m->node, 4);
	av_wr_le(&w, m->flags, 4);
	av_wr_le(&w, m->gen, 8);
	av_wr_le(&w, m->current, 8);
	av_wr_le(&w, m->bitmap, 8);
	av_wr_le(&w, m->h0, 8);
	av_wr_le(&w, m->h1, 8);
	av_wr_le(&w, m->dirty_chunks, 8);
	av_wr_le(&w, m->verdict, 4);
	av_wr_le(&w, m->rc, 4);
	av_wr_bytes(&w, m->code, sizeof(m->code));
	av_wr_bytes(&w, m->text, sizeof(m->text));
	av_wr_le(&c, av_crc32c(0, buf, CRC_AT), 4);
}

int
proto_decode(const uint8_t *buf, size_t n, struct proto_msg *ret)
{
	struct av_rd r = { .at = buf, .left = CRC_AT };
	struct av_rd c = { .at = buf + CRC_AT, .left = 4 };
	struct proto_msg m = { 0 };
	uint32_t version;

	if (n != PROTO_BYTES || av_rd_le(&r, 4) != PROTO_MAGIC ||
	    av_rd_le(&c, 4) != av_crc32c(0, buf, CRC_AT))
		return -EBADMSG;
	version = (uint32_t)av_rd_le(&r, 2);
	if (version != PROTO_VERSION)
		return -EPROTONOSUPPORT;
	m.type = (uint32_t)av_rd_le(&r, 2);
	m.epoch = av_rd_le(&r, 8);
	av_rd_bytes(&r, m.unit_uuid, 16);
	av_rd_bytes(&r, m.volume_uuid, 16);
	m.size_bytes = av_rd_le(&r, 8);
	m.node = (uint32_t)av_rd_le(&r, 4);
	m.flags = (uint32_t)av_rd_le(&r, 4);
	m.gen = av_rd_le(&r, 8);
	m.current = av_rd_le(&r, 8);
	m.bitmap = av_rd_le(&r, 8);
	m.h0 = av_rd_le(&r, 8);
	m.h1 = av_rd_le(&r, 8);
	m.dirty_chunks = av_rd_le(&r, 8);
	m.verdict = (uint32_t)av_rd_le(&r, 4);
	m.rc = (uint32_t)av_rd_le(&r, 4);
	av_rd_bytes(&r, m.code, sizeof(m.code));
	av_rd_bytes(&r, m.text, sizeof(m.text));
	if (r.rc < 0 || m.type < PROTO_HELLO || m.type >= PROTO_TYPE_END ||
	    m.node > 1 || m.verdict >= VERDICT_COUNT || m.rc > 4095 ||
	    m.code[sizeof(m.code) - 1] != '\0' ||
	    m.text[sizeof(m.text) - 1] != '\0' ||
	    !av_utf8_ok(m.code) || !av_utf8_ok(m.text))
		return -EBADMSG;
	*ret = m;
	return 0;
}

void
proto_identity(const struct proto_msg *m, struct identity *ret)
{
	*ret = (struct identity){
		.current = m->current,
		.bitmap = m->bitmap,
		.h0 = m->h0,
		.h1 = m->h1,
		.crashed_primary = m->flags & PROTO_CRASHED_PRIMARY,
		.primary = m->flags & PROTO_PRIMARY,
		.inconsistent = m->flags & PROTO_INCONSISTENT,
		.tie_break = m->node == 0,
	};
}
