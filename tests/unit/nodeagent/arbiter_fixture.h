/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/arbiter_fixture.h - an arbiter of any kind, asked and waited
 * for; an etcd of the test's own
 *
 * Set 'fx_loop' first.  The last answer is in 'fx_got'.
 */
#ifndef AV_TEST_ARBITER_FIXTURE_H
#define AV_TEST_ARBITER_FIXTURE_H

#include <arpa/inet.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "nodeagent/arbiter.h"

#define FX_UNIT	"0123456789abcdef0123456789abcdef"

static sd_event *fx_loop;
static struct arbiter_answer fx_got;
static int fx_n_got;

static inline void
fx_on_answer(void *arg, const struct arbiter_answer *a)
{
	(void)arg;
	fx_got = *a;
	fx_n_got++;
}

static inline struct arbiter *
fx_open(const char *kind, const char *address, const char *unit, int node,
    unsigned ms)
{
	struct arbiter_conf c = { .kind = kind, .address = address,
		.unit_uuid = unit, .node = node,
		.timeout_ns = ms * AV_NS_PER_MS };
	struct arbiter *a = NULL;
	struct av_err err = { 0 };

	if (arbiter_open(fx_loop, &c, fx_on_answer, NULL, &a, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	return a;
}

static inline bool
fx_wait_answer(void)
{
	uint64_t end = av_clock_ns() + 8 * AV_NS_PER_S;

	while (fx_n_got == 0 && av_clock_ns() < end)
		(void)sd_event_run(fx_loop, 100000);
	return fx_n_got == 1;
}

/* A question, or with NULL only a look at its state; false = no answer, or two. */
static inline bool
fx_ask(struct arbiter *a, const struct role_move *m)
{
	fx_n_got = 0;
	memset(&fx_got, 0, sizeof(fx_got));
	return (m != NULL ? arbiter_ask(a, m, NULL) :
	    arbiter_probe(a, NULL)) == 0 && fx_wait_answer();
}

/* A free port of this machine; with ret_fd it is listened on, else let go. */
static inline uint16_t
fx_port(int *ret_fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return 0;
	if (ret_fd != NULL) {
		(void)listen(fd, 64);
		*ret_fd = fd;
	} else {
		(void)close(fd);
	}
	return ntohs(a.sin_port);
}

#define FX_ETCD	"/usr/bin/etcd"		/* Debian's etcd-server; may be missing */

/* Its pid or -1; it takes a while until it answers.  End it by fx_end(). */
static inline pid_t
fx_etcd(char *url, size_t n, uint16_t *ret_port)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char dir[256], peer[64], cluster[80];
	extern char **environ;
	const char *argv[] = { "etcd", "--data-dir", dir,
		"--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls",
		peer, "--initial-cluster", cluster, "--log-level", "error",
		NULL };
	pid_t pid;

	*ret_port = fx_port(NULL);
	(void)snprintf(dir, sizeof(dir), "%.200s/etcd.%d", tmp, (int)getpid());
	(void)snprintf(url, n, "http://127.0.0.1:%u", *ret_port);
	(void)snprintf(peer, sizeof(peer), "http://127.0.0.1:%u",
	    fx_port(NULL));
	(void)snprintf(cluster, sizeof(cluster), "default=%s", peer);
	return posix_spawn(&pid, FX_ETCD, NULL, NULL,
	    (char *const *)(uintptr_t)argv, environ) == 0 ? pid : -1;
}

static inline void
fx_end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

#endif
