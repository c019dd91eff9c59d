/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/heartbeat.h - the agents' own signs of life, on every link
 *
 * What it is:	small signed UDP packets, both ways; says since when the peer is
 *		silent on which link, and what it says of itself.
 * What it isn't: it never decides that the peer is lost (order.c, core/role.c).
 *
 * A beat carries the counter of the peer's beat heard last.  heartbeat_valid()
 * is true only while that echo proves, by this PM's own clock, that the peer
 * heard this PM less than a lease ago: a link that works one way is no sign.
 *
 * Packet v1, little-endian: "AVHB" u8 version, u8 node, u8 link, u8 state, u8
 * mode, u8 flags (1 pending, 2 ready, 4 released), u16 0, u32 timing hash, u64
 * instance, u64 counter, u64 echo instance, u64 echo counter, u64 generation, u64
 * sequence of the database, 36 bytes unit UUID (NUL-padded), u64 0, 32 bytes
 * HMAC-SHA256 over all before it.  A packet that isn't exactly that, of another
 * unit, of this node itself, or older than the last of its instance is ignored
 * and counted.
 */
#ifndef AV_HEARTBEAT_H
#define AV_HEARTBEAT_H

#include <systemd/sd-event.h>

#include "nodeagent/core/role.h"
#include "nodeagent/order.h"

#define HEARTBEAT_BYTES		140u

struct heartbeat;

struct heartbeat_beat {
	int		 node;
	int		 link;
	uint64_t	 instance, counter, echo_instance, echo_counter;
	uint32_t	 timing_hash;
	struct role_hello hello;
	uint64_t	 seq;
};

struct heartbeat_link_info {
	const char	*name, *local, *peer;
	uint64_t	 heard_ns;	/* 0 = never */
	bool		 up;
};

/* A beat was accepted; from the loop. */
typedef void (*heartbeat_fn)(void *arg, const struct heartbeat_beat *beat);

int heartbeat_open(sd_event *loop, const struct order_conf *conf,
    const struct timing *timing, heartbeat_fn heard, void *arg,
    struct heartbeat **ret, struct av_err *err);
struct heartbeat *heartbeat_close(struct heartbeat *hb);
/* What the next beats say; sends one at once when it is different. */
void heartbeat_say(struct heartbeat *hb, const struct role_hello *hello,
    uint64_t seq);
/* From inside 'heard': when the beat of ours was sent that this one echoes (own
 * clock); 0 = none of late. */
uint64_t heartbeat_echoed_ns(const struct heartbeat *hb,
    const struct heartbeat_beat *beat);
bool heartbeat_valid(const struct heartbeat *hb, uint64_t now_ns);
void heartbeat_link(const struct heartbeat *hb, size_t i, uint64_t now_ns,
    struct heartbeat_link_info *ret);
uint64_t heartbeat_ignored(const struct heartbeat *hb);

/* Pure, for tests and fuzzing. */
void heartbeat_encode(const struct heartbeat_beat *b, const char *unit_uuid,
    const uint8_t key[32], uint8_t ret[HEARTBEAT_BYTES]);
/* 0 or -EBADMSG, -EKEYREJECTED (signature), -EXDEV (other unit). */
int heartbeat_decode(const uint8_t *data, size_t n, const char *unit_uuid,
    const uint8_t key[32], struct heartbeat_beat *ret);

#endif
