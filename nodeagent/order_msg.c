/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/order_msg.c - messages of the agents' group, byte by byte
 */
#include "nodeagent/order_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/wire.h"

static const struct { size_t min, max; } limits[] = {
	[ORDER_MSG_HELLO] = { ORDER_HELLO_BYTES, ORDER_HELLO_BYTES },
	[ORDER_MSG_COMMAND] = { 18, 16 + ORDER_COMMAND_MAX },
	[ORDER_MSG_TOGETHER] = { 16, 16 },
	[ORDER_MSG_ACK] = { 48, 48 },
	[ORDER_MSG_SNAPSHOT] = { 48, 48 + ORDER_SNAPSHOT_MAX },
	[ORDER_MSG_SYNCED] = { 9, 9 },
	[ORDER_MSG_FACTS] = { 2, ORDER_COMMAND_MAX },
};

int
order_msg_send(order_send_fn send, void *arg, enum order_msg_type type,
    const uint8_t *head, size_t n_head, const void *body, size_t n_body)
{
	uint8_t buf[ORDER_HEADER_BYTES + ORDER_FRAGMENT_BYTES];
	size_t total = n_head + n_body, at = 0;
	int rc;

	if (total < limits[type].min || total > limits[type].max)
		return -EMSGSIZE;
	while (at < total) {
		struct av_wr w = { buf, sizeof(buf), 0 };
		size_t n = total - at, from_head = 0;

		if (n > ORDER_FRAGMENT_BYTES)
			n = ORDER_FRAGMENT_BYTES;
		av_wr_bytes(&w, "AVO\1", 4);
		av_wr_le(&w, (uint64_t)type, 1);
		av_wr_le(&w, 0, 3);
		av_wr_le(&w, total, 4);
		av_wr_le(&w, at, 4);
		if (at < n_head) {
			from_head = n_head - at < n ? n_head - at : n;
			av_wr_bytes(&w, head + at, from_head);
		}
		if (n > from_head)
			av_wr_bytes(&w, (const uint8_t *)body + (at +
			    from_head - n_head), n - from_head);
		AV_ASSERT(w.rc == 0);
		rc = send(arg, buf, ORDER_HEADER_BYTES + n);
		if (rc < 0)
			return rc;
		at += n;
	}
	return 0;
}

void
order_msg_reset(struct order_inbox *in)
{
	free(in->buf);
	memset(in, 0, sizeof(*in));
}

int
order_msg_feed(struct order_inbox *in, const uint8_t *data, size_t n)
{
	struct av_rd r = { data, n, 0 };
	uint8_t magic[4];
	uint64_t type, zero, total, at;

	if (in->buf != NULL && in->n == in->total)
		order_msg_reset(in);	/* the last one was taken */
	av_rd_bytes(&r, magic, 4);
	type = av_rd_le(&r, 1);
	zero = av_rd_le(&r, 3);
	total = av_rd_le(&r, 4);
	at = av_rd_le(&r, 4);
	if (at == 0)
		order_msg_reset(in);	/* its sender gave the one before up */
	if (r.rc < 0 || memcmp(magic, "AVO\1", 4) != 0 || zero != 0 ||
	    type < ORDER_MSG_HELLO || type > ORDER_MSG_FACTS ||
	    total < limits[type].min || total > limits[type].max ||
	    r.left == 0 || at + r.left > total || at != in->n ||
	    (at != 0 && (in->total != total || (uint64_t)in->type != type))) {
		order_msg_reset(in);
		return -EBADMSG;
	}
	if (at == 0) {
		in->buf = malloc(total + 1);
		if (in->buf == NULL)
			return -ENOMEM;
		in->total = total;
		in->type = (enum order_msg_type)type;
	}
	memcpy(in->buf + at, r.at, r.left);
	in->n += r.left;
	in->buf[in->n] = '\0';
	return in->n == in->total ? 1 : 0;
}

/* --- hello v1 --- */

void
order_hello_encode(const struct order_hello *h, uint8_t ret[ORDER_HELLO_BYTES])
{
	struct av_wr w = { ret, ORDER_HELLO_BYTES, 0 };

	av_wr_le(&w, 1, 2);
	av_wr_le(&w, (uint64_t)h->role.state, 1);
	av_wr_le(&w, (uint64_t)h->role.rec.mode, 1);
	av_wr_le(&w, (h->role.rec.pending ? 1u : 0) |
	    (h->role.ready ? 2u : 0) | (h->role.released ? 4u : 0), 4);
	av_wr_le(&w, h->role.rec.gen, 8);
	av_wr_le(&w, h->timing_hash, 4);
	av_wr_le(&w, 0, 4);
	av_wr_le(&w, h->nonce, 8);
	av_wr_le(&w, h->view, 8);
	av_wr_le(&w, h->position.seq, 8);
	av_wr_bytes(&w, h->position.hash, 32);
	AV_ASSERT(w.rc == 0 && w.left == 0);
}

int
order_hello_decode(const uint8_t *data, size_t n, struct order_hello *ret)
{
	struct av_rd r = { data, n, 0 };
	struct order_hello h;
	uint64_t version, state, mode, flags, zero;

	memset(&h, 0, sizeof(h));
	version = av_rd_le(&r, 2);
	state = av_rd_le(&r, 1);
	mode = av_rd_le(&r, 1);
	flags = av_rd_le(&r, 4);
	h.role.rec.gen = av_rd_le(&r, 8);
	h.timing_hash = (uint32_t)av_rd_le(&r, 4);
	zero = av_rd_le(&r, 4);
	h.nonce = av_rd_le(&r, 8);
	h.view = av_rd_le(&r, 8);
	h.position.seq = av_rd_le(&r, 8);
	av_rd_bytes(&r, h.position.hash, 32);
	if (version != 1)
		return -EPROTO;
	if (av_rd_end(&r) < 0 || state >= ROLE_N_STATES ||
	    mode > ROLE_MODE_OUTDATED || flags > 7 || zero != 0 ||
	    h.role.rec.gen > ROLE_GEN_MAX)
		return -EBADMSG;
	h.role.state = (enum role_state)state;
	h.role.rec.mode = (enum role_mode)mode;
	h.role.rec.pending = flags & 1;
	h.role.ready = (flags & 2) != 0;
	h.role.released = (flags & 4) != 0;
	*ret = h;
	return 0;
}
