/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/order_msg.h - messages of the agents' group; private to order*.c
 *
 * On the wire a message is cut into fragments of at most ORDER_FRAGMENT_BYTES:
 *   "AVO" u8 version 1, u8 type, u8 0, u16 0, u32 total bytes, u32 offset, data
 * Fragments of one sender come in order and are not mixed.  All little-endian.
 */
#ifndef AV_ORDER_MSG_H
#define AV_ORDER_MSG_H

#include "nodeagent/order.h"

#define ORDER_FRAGMENT_BYTES	61440u
#define ORDER_HEADER_BYTES	16u

enum order_msg_type {		/* append only */
	ORDER_MSG_HELLO = 1,
	ORDER_MSG_COMMAND = 2,	/* u64 view, u64 serial, JSON */
	ORDER_MSG_TOGETHER = 3,	/* u64 view, u64 gen */
	ORDER_MSG_ACK = 4,	/* u64 view, u64 seq, hash */
	ORDER_MSG_SNAPSHOT = 5,	/* u64 view, u64 seq, hash, database */
	ORDER_MSG_SYNCED = 6,	/* u64 view, u8 ok */
	ORDER_MSG_FACTS = 7,	/* JSON */
};

struct order_hello {
	struct role_hello	role;
	uint32_t		timing_hash;
	uint64_t		nonce;		/* new for every hello */
	uint64_t		view;		/* commands carry this; 0 = none */
	struct order_position	position;
};

/* Collects one sender's fragments. */
struct order_inbox {
	uint8_t		*buf;
	size_t		 n, total;
	enum order_msg_type type;
};

typedef int (*order_send_fn)(void *arg, const uint8_t *data, size_t n);

/* Sends head+body as fragments; 0 or the first error of 'send'. */
int order_msg_send(order_send_fn send, void *arg, enum order_msg_type type,
    const uint8_t *head, size_t n_head, const void *body, size_t n_body);
/* 1 = whole message in in->buf/n/type (call again takes the next), 0 = more to
 * come, -EBADMSG, -ENOMEM. */
int order_msg_feed(struct order_inbox *in, const uint8_t *data, size_t n);
void order_msg_reset(struct order_inbox *in);

#define ORDER_HELLO_BYTES	80u
void order_hello_encode(const struct order_hello *h,
    uint8_t ret[ORDER_HELLO_BYTES]);
int order_hello_decode(const uint8_t *data, size_t n, struct order_hello *ret);

#endif
