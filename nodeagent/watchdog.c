/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/watchdog.c - the agent's line to its PM's guard
 */
#include "nodeagent/watchdog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/wire.h"

struct watchdog_line {
	struct sockaddr_un to;
	int		fd;		/* -1 = no guard */
	enum watchdog_hold hold;
	struct watchdog_answer answer;
	bool		answered;
};

/* --- messages --- */

void
watchdog_say_encode(const struct watchdog_say *say,
    uint8_t ret[WATCHDOG_SAY_BYTES])
{
	struct av_wr w = { ret, WATCHDOG_SAY_BYTES, 0 };

	av_wr_bytes(&w, "AVWS\1", 5);
	av_wr_le(&w, (uint64_t)say->hold, 1);
	av_wr_le(&w, (say->healthy ? 1u : 0) | (say->grant ? 2u : 0), 1);
	av_wr_le(&w, 0, 1);
	av_wr_le(&w, say->pass_ns, 8);
	AV_ASSERT(w.rc == 0 && w.left == 0);
}

int
watchdog_say_decode(const uint8_t *data, size_t n, struct watchdog_say *ret)
{
	struct av_rd r = { data, n, 0 };
	struct watchdog_say s = { 0 };
	uint8_t magic[5] = { 0 };
	unsigned hold, flags, zero;

	av_rd_bytes(&r, magic, sizeof(magic));
	hold = (unsigned)av_rd_le(&r, 1);
	flags = (unsigned)av_rd_le(&r, 1);
	zero = (unsigned)av_rd_le(&r, 1);
	s.pass_ns = av_rd_le(&r, 8);
	if (av_rd_end(&r) < 0 || memcmp(magic, "AVWS\1", 5) != 0 ||
	    hold >= WATCHDOG_N_HOLDS || flags > 3 || zero != 0)
		return -EBADMSG;
	s.hold = (enum watchdog_hold)hold;
	s.healthy = flags & 1;
	s.grant = (flags & 2) != 0;
	*ret = s;
	return 0;
}

void
watchdog_answer_encode(const struct watchdog_answer *a,
    uint8_t ret[WATCHDOG_ANSWER_BYTES])
{
	struct av_wr w = { ret, WATCHDOG_ANSWER_BYTES, 0 };

	av_wr_bytes(&w, "AVWA\1", 5);
	av_wr_le(&w, (uint64_t)a->device, 1);
	av_wr_le(&w, 0, 2);
	av_wr_le(&w, a->timeout_ms, 4);
	AV_ASSERT(w.rc == 0 && w.left == 0);
}

int
watchdog_answer_decode(const uint8_t *data, size_t n,
    struct watchdog_answer *ret)
{
	struct av_rd r = { data, n, 0 };
	struct watchdog_answer a = { 0 };
	uint8_t magic[5] = { 0 };
	unsigned device, zero;

	av_rd_bytes(&r, magic, sizeof(magic));
	device = (unsigned)av_rd_le(&r, 1);
	zero = (unsigned)av_rd_le(&r, 2);
	a.timeout_ms = (uint32_t)av_rd_le(&r, 4);
	if (av_rd_end(&r) < 0 || memcmp(magic, "AVWA\1", 5) != 0 ||
	    device >= WATCHDOG_N_DEVS || zero != 0)
		return -EBADMSG;
	a.device = (enum watchdog_device)device;
	*ret = a;
	return 0;
}

/* --- the line --- */

static void
hang_up(struct watchdog_line *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = -1;
	l->answered = false;
}

static void
connect_now(struct watchdog_line *l)
{
	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (l->fd >= 0 && connect(l->fd, (struct sockaddr *)&l->to,
	    sizeof(l->to)) < 0)
		hang_up(l);
}

struct watchdog_line *
watchdog_line_open(const char *run_dir)
{
	struct watchdog_line *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->to.sun_family = AF_UNIX;
	(void)snprintf(l->to.sun_path, sizeof(l->to.sun_path),
	    "%.80s/watchdog.sock", run_dir);
	connect_now(l);
	return l;
}

struct watchdog_line *
watchdog_line_close(struct watchdog_line *l)
{
	if (l != NULL)
		hang_up(l);
	free(l);
	return NULL;
}

static void
listen_to(struct watchdog_line *l)
{
	uint8_t buf[WATCHDOG_ANSWER_BYTES + 1];
	ssize_t n;

	while (l->fd >= 0 &&
	    (n = recv(l->fd, buf, sizeof(buf), MSG_DONTWAIT)) != -1) {
		if (n == 0)
			hang_up(l);	/* the guard is gone */
		else if (watchdog_answer_decode(buf, (size_t)n,
		    &l->answer) == 0)
			l->answered = true;
	}
}

void
watchdog_line_say(struct watchdog_line *l, const struct watchdog_say *say)
{
	uint8_t buf[WATCHDOG_SAY_BYTES];
	int tries;

	if (say->hold != WATCHDOG_KEEP)
		l->hold = say->hold;
	watchdog_say_encode(say, buf);
	listen_to(l);
	/* twice: a guard that was started anew must hear it at once */
	for (tries = 0; tries < 2; tries++) {
		if (l->fd < 0)
			connect_now(l);
		if (l->fd < 0 || send(l->fd, buf, sizeof(buf), MSG_DONTWAIT |
		    MSG_NOSIGNAL) == (ssize_t)sizeof(buf))
			return;
		if (errno == EAGAIN)
			return;		/* it hangs: the device will tell it */
		hang_up(l);
	}
}

json_t *
watchdog_line_facts(const struct watchdog_line *l)
{
	static const char *const devices[WATCHDOG_N_DEVS] = { "none", "device",
		"stand-in", "device" };
	const char *state = "gone";

	if (l->answered)
		state = l->answer.device == WATCHDOG_DEV_NONE ? "none" :
		    l->answer.device == WATCHDOG_DEV_SLOW ? "slow" : "ok";
	return json_pack("{s:s,s:s,s:I,s:s}", "state", state, "device",
	    l->answered ? devices[l->answer.device] : "none", "timeout_ms",
	    (json_int_t)(l->answered ? l->answer.timeout_ms : 0), "hold",
	    watchdog_hold_name(l->hold));
}
