/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/watchdog.h - the agent's line to its PM's guard (av-watchdog)
 *
 * What it is:	tells the guard at the end of each full pass of the loop what the
 *		agent holds (core/watchdog.h), and hears what the guard has to
 *		kill the PM with.
 * What it isn't: it feeds no device and decides nothing.
 *
 * A lost connection is tried again at each pass.  Without a guard everything
 * works, but a hung agent's guests may run beside those that the peer starts:
 * facts and an alert say so.
 *
 * Socket: RUN_DIR/watchdog.sock, SOCK_SEQPACKET, root.  Messages, little-endian:
 *   agent: "AVWS" u8 1, u8 hold, u8 flags (1 healthy, 2 grant), u8 0, u64 pass ns
 *   guard: "AVWA" u8 1, u8 device, u8 0, u8 0, u32 device's timeout ms
 */
#ifndef AV_NODEAGENT_WATCHDOG_H
#define AV_NODEAGENT_WATCHDOG_H

#include <jansson.h>
#include <stddef.h>

#include "nodeagent/core/watchdog.h"

#define WATCHDOG_SAY_BYTES	16u
#define WATCHDOG_ANSWER_BYTES	12u

enum watchdog_device {		/* values are sent: append only */
	WATCHDOG_DEV_NONE = 0,
	WATCHDOG_DEV_REAL = 1,		/* /dev/watchdog */
	WATCHDOG_DEV_STANDIN = 2,	/* the try unit's first process */
	WATCHDOG_DEV_SLOW = 3,		/* a real one with too long a timeout */
	WATCHDOG_N_DEVS
};

struct watchdog_answer {
	enum watchdog_device device;
	uint32_t	timeout_ms;
};

struct watchdog_line;

/* Connects, if there is a guard: it then knows that a new agent has lost the peer
 * till now.  NULL = no memory. */
struct watchdog_line *watchdog_line_open(const char *run_dir);
struct watchdog_line *watchdog_line_close(struct watchdog_line *l);
/* Never blocks.  A word that can't be sent isn't said: the guard hears silence. */
void watchdog_line_say(struct watchdog_line *l, const struct watchdog_say *say);
/* {"state":"ok|none|slow|gone","device":"device|stand-in|none","timeout_ms",
 * "hold"}: yours. */
json_t *watchdog_line_facts(const struct watchdog_line *l);

/* Pure. */
void watchdog_say_encode(const struct watchdog_say *say,
    uint8_t ret[WATCHDOG_SAY_BYTES]);
int watchdog_say_decode(const uint8_t *data, size_t n, struct watchdog_say *ret);
void watchdog_answer_encode(const struct watchdog_answer *a,
    uint8_t ret[WATCHDOG_ANSWER_BYTES]);
int watchdog_answer_decode(const uint8_t *data, size_t n,
    struct watchdog_answer *ret);

#endif
