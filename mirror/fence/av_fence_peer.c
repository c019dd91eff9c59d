/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/fence/av_fence_peer.c - DRBD's fence-peer handler
 *
 *   av-fence-peer SOCKET [SECONDS]
 *
 * DRBD runs it when a primary has lost its peer, or is to become primary without
 * one, and holds the guest's writes until it ends.  It asks the agent and waits
 * for the answer: SECONDS, or without end.  While the agent is away (restarted,
 * updated) it asks again: nothing else may let the writes go on.
 *
 * Exit codes, drbd.conf(5) 8.4, fence-peer:
 *   4  the peer's leg is outdated: DRBD goes on alone
 *   7  the peer was powered off: DRBD goes on alone
 *   1  no answer that allows it: DRBD holds the writes
 * Never 5 ("peer unreachable"): DRBD would go on alone without anybody's leave.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/str.h"

#define EXIT_HELD	1
#define EXIT_OUTDATED	4
#define EXIT_STONITHED	7
#define AGAIN_MS	200
#define ROUND_MS	1000

/* > 0: exit code; 0: no answer yet. */
static int
read_answer(struct av_frame_reader *fr, int fd, uint64_t due_ns)
{
	json_t *msg;
	const char *word;
	int rc, code;

	do {
		rc = av_frame_recv(fr, fd, ROUND_MS, &msg);
	} while (rc == -ETIMEDOUT && av_clock_ns() < due_ns);
	if (rc < 0)
		return 0;
	word = json_string_value(json_object_get(msg, "result"));
	code = word == NULL ? EXIT_HELD :
	    strcmp(word, "outdated") == 0 ? EXIT_OUTDATED :
	    strcmp(word, "stonithed") == 0 ? EXIT_STONITHED : EXIT_HELD;
	json_decref(msg);
	return code;
}

static int
ask_once(const char *path, const char *res, uint64_t due_ns)
{
	AUTO_FD int fd = av_unix_connect(path);
	AUTO_JSON json_t *msg = json_pack("{s:s,s:i,s:s}", "ask",
	    "fence-peer", "version", 1, "resource", res);
	struct av_frame_reader fr = { .max_bytes = 4096 };
	int code = 0;

	if (fd >= 0 && msg != NULL && av_frame_send(fd, msg) == 0)
		code = read_answer(&fr, fd, due_ns);
	av_frame_reader_dispose(&fr);
	return code;
}

int
main(int argc, char **argv)
{
	const char *res = getenv("DRBD_RESOURCE");	/* set by drbdadm */
	uint64_t due_ns = UINT64_MAX, s;
	int code;

	if (argc < 2 || argc > 3 || res == NULL) {
		fprintf(stderr, "usage: DRBD_RESOURCE=NAME av-fence-peer "
		    "SOCKET [SECONDS]\n");
		return EXIT_HELD;
	}
	if (argc == 3) {
		if (av_parse_u64(argv[2], &s) < 0 || s > 1000000)
			return EXIT_HELD;
		due_ns = av_clock_ns() + s * AV_NS_PER_S;
	}
	for (;;) {
		code = ask_once(argv[1], res, due_ns);
		if (code != 0)
			return code;
		if (av_clock_ns() >= due_ns)
			return EXIT_HELD;
		/* the agent's socket may come back at any time; there is no
		 * event for that which a lost folder couldn't hide */
		(void)poll(NULL, 0, AGAIN_MS);
	}
}
