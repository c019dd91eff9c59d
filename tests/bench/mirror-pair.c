/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/mirror-pair.c - two connected mirror servers, until stdin ends
 *
 *   mirror-pair FOLDER MIB      FOLDER (a short path) is made, and removed
 *
 * Started as the tests do it (tests/unit/mirror/pair.h).  One line when node0 is
 * primary and both are in step:
 *   front SOCKET pid PID0 pid PID1
 * Then a line of stdin at a time, answered by 'ok' or 'failed':
 *   alone     the secondary is disconnected, the primary goes on alone
 *   resync    connected again; answered once the copying has begun
 *   in-step   answered once it is over
 * With a plugin that is built with sanitizers, set AVPAIR_NBDKIT_PRELOAD to their
 * library; pair_new() does that for the tests, and isn't called here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit/mirror/pair.h"

static const char psk[] = "avpair:"
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

static int
make_leg(struct pair *p, int node, uint64_t size)
{
	char bufs[5][128];
	struct av_err err = { 0 };
	struct mirror_conf c = pair_conf(p, node, bufs);
	struct mirror_leg_spec spec = { .dir = c.dir, .id = c.id,
		.unit_uuid = c.unit_uuid, .volume_uuid = c.volume_uuid,
		.size_bytes = size, .initial_current = 0x1234560, .gen = 1 };

	if (mkdir(c.dir, 0700) < 0 ||
	    av_file_write(c.psk_file, psk, strlen(psk), 0600, &err) < 0 ||
	    mirror_leg_create("replica", &spec, &err) < 0) {
		fprintf(stderr, "mirror-pair: %s: %s\n", c.dir, err.text);
		return -1;
	}
	return 0;
}

static int
start(struct pair *p, uint64_t size)
{
	int i;

	/* of this process, so that two of them don't meet by chance */
	for (i = 0; i < 2; i++) {
		p->port[i] = (uint16_t)(20000 +
		    ((unsigned)getpid() * 2 + (unsigned)i) % 12000);
		if (make_leg(p, i, size) < 0)
			return -1;
	}
	if (pair_open(p, 0) < 0 || pair_open(p, 1) < 0 ||
	    pair_primary(p, 0, false, 0, NULL) < 0 ||
	    pair_wait_conn(p, 0, MIRROR_CONNECTED) < 0 ||
	    pair_wait_conn(p, 1, MIRROR_CONNECTED) < 0)
		return -1;
	return 0;
}

static bool
copying(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_RESYNC_SOURCE;
}

static bool
order(struct pair *p, const char *line)
{
	static uint64_t gen = 2;

	if (strncmp(line, "alone", 5) == 0)
		return pair_order(p, 1, MIRROR_V_DISCONNECT) == 0 &&
		    pair_wait_conn(p, 0, MIRROR_HELD) == 0 &&
		    pair_alone(p, 0, gen++) == 0;
	if (strncmp(line, "resync", 6) == 0)
		return pair_order(p, 1, MIRROR_V_CONNECT) == 0 &&
		    pair_wait(p, copying) == 0;
	if (strncmp(line, "in-step", 7) == 0)
		return pair_wait_conn(p, 0, MIRROR_CONNECTED) == 0;
	return false;
}

struct control {
	bool		over;
	char		line[64];
	size_t		n;
};

static int
stdin_ready(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct control *c = arg;
	ssize_t r = read(fd, c->line, sizeof(c->line) - 1);

	(void)es;
	(void)events;
	c->over = r <= 0;
	c->line[r < 0 ? 0 : r] = '\0';
	c->n = r < 0 ? 0 : (size_t)r;
	return 0;
}

int
main(int argc, char **argv)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct control c = { 0 };
	char *end;
	uint64_t mib;
	int rc = 1;

	if (argc != 3 || p == NULL || strlen(argv[1]) >= sizeof(p->dir))
		return 2;
	mib = strtoull(argv[2], &end, 10);
	if (end == argv[2] || *end != '\0' || mib == 0 || mib > 1 << 20)
		return 2;
	(void)snprintf(p->dir, sizeof(p->dir), "%s", argv[1]);
	if (mkdir(p->dir, 0700) < 0 || sd_event_new(&p->loop) < 0) {
		fprintf(stderr, "mirror-pair: %s: %s\n", p->dir,
		    strerror(errno));
		return 1;
	}
	if (start(p, mib << 20) == 0 && sd_event_add_io(p->loop, NULL,
	    STDIN_FILENO, EPOLLIN, stdin_ready, &c) >= 0) {
		printf("front %s pid %d pid %d\n", mirror_front_path(p->m[0]),
		    p->pid[0], p->pid[1]);
		(void)fflush(stdout);
		while (!c.over && sd_event_run(p->loop, UINT64_MAX) >= 0) {
			if (c.n == 0)
				continue;
			c.n = 0;	/* not from inside the loop */
			puts(order(p, c.line) ? "ok" : "failed");
			(void)fflush(stdout);
		}
		rc = c.over ? 0 : 1;
	}
	pair_free(p);
	return rc;
}
