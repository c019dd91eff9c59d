/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/bad_peer.h - a peer that has the right key and errs
 *
 * Listens for node 0's primary and proves the key of the pair.  Up to a place it
 * answers as a peer should, there it says what 'how' asks for and, as a rule,
 * closes.  BAD_NOTHING: it carries the connection to node 1's real server.
 */
#ifndef AV_TEST_BAD_PEER_H
#define AV_TEST_BAD_PEER_H

#include <stdatomic.h>
#include <stdint.h>

enum bad {
	BAD_NOTHING = 0,
	/* NBD's greeting */
	BAD_MAGIC, BAD_NO_FIXED, BAD_OPTION_MAGIC, BAD_OPTION_HUGE, BAD_ENDLESS_INFO,
	BAD_EXPORT_HUGE, BAD_EXPORT_EMPTY, BAD_NO_INFO,
	/* the reply to the first request */
	BAD_REPLY_MAGIC, BAD_COOKIE, BAD_ERROR, BAD_SHORT_HEADER,
	/* what was asked for: the reply to HELLO */
	BAD_SHORT_DATA, BAD_NOISE, BAD_CHECKSUM, BAD_VERSION, BAD_TYPE,
	BAD_ECHO, BAD_UNIT, BAD_NODE, BAD_SIZE_HUGE, BAD_SIZE_ODD, BAD_SIZE_ZERO,
	BAD_VERDICT, BAD_RC, BAD_IDENTITY,
	/* the same once both are in step: the reply to the guest's write */
	BAD_UP_MAGIC, BAD_UP_COOKIE, BAD_UP_ERROR, BAD_UP_SHORT,
	/* a byte anywhere up to the reply to HELLO is another one */
	BAD_BYTE,
	BAD_KINDS
};

struct pair;

extern struct bad_peer {
	uint16_t	port;		/* for pair.peer_port[0] */
	_Atomic uint16_t target;	/* node 1's */
	_Atomic int	how;		/* enum bad */
	_Atomic int	n_said;		/* what 'how' asks for, since set to 0 */
	_Atomic uint32_t seed;
	char		psk[160];
} bad_peer;

/* Once a process: its thread runs until the end.  0 or -1. */
int bad_peer_start(void);

#endif
