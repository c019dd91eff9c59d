/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_killed_client.c - a guest killed in the middle of a
 * write
 *
 * A process of its own sends so many bytes of a request of 1 MiB, then SIGKILL.
 * The server lives, both legs stay equal, and a request that wasn't whole
 * changes nothing.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libnbd.h>

#include "tests/test.h"
#include "tests/unit/mirror/fault_disk.h"
#include "tests/unit/mirror/pair.h"

#define N	(1u << 20)
#define HEAD	28u

static uint8_t request[HEAD + N];

static bool
nobody_there(struct pair *p)
{
	return pair_st(p, 0)->front_connections == 0;
}

static void
request_make(uint64_t offset, uint8_t with)
{
	static const uint8_t head[] = { 0x25, 0x60, 0x95, 0x13, 0, 0, 0, 1 };
	int i;

	memcpy(request, head, sizeof(head));
	memset(request + 8, 7, 8);
	for (i = 0; i < 8; i++)
		request[16 + i] = (uint8_t)(offset >> (56 - 8 * i));
	for (i = 0; i < 4; i++)
		request[24 + i] = (uint8_t)(N >> (24 - 8 * i));
	memset(request + HEAD, with, N);
}

/* Says so when it has sent that much; never returns. */
static void
client(struct pair *p, size_t n, int tell)
{
	struct nbd_handle *h = pair_front(p, 0);
	int fd = h != NULL ? (int)nbd_aio_get_fd(h) : -1;
	size_t at = 0;

	while (fd >= 0 && at < n) {
		ssize_t r = send(fd, request + at, n - at, MSG_NOSIGNAL);

		if (r > 0)
			at += (size_t)r;
		else if (errno != EAGAIN && errno != EINTR)
			_exit(1);
	}
	if (fd < 0 || write(tell, "x", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

/* 0 = it had sent 'n' bytes when it was killed. */
static int
kill_after(struct pair *p, size_t n)
{
	int tell[2], status = 0;
	char c;
	pid_t pid;
	ssize_t r;

	if (pipe(tell) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		client(p, n, tell[1]);
	(void)close(tell[1]);
	r = read(tell[0], &c, 1);
	(void)close(tell[0]);
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
	}
	return r == 1 && WIFSIGNALED(status) ? 0 : -1;
}

/* All 'with', or all as before. */
static int
look(struct pair *p, uint64_t offset, uint8_t with, bool whole)
{
	static uint8_t back[N];
	struct nbd_handle *h = pair_front(p, 0);
	size_t i, n_new = 0;

	CHECK(h != NULL);
	CHECK_EQ(nbd_pread(h, back, N, offset, 0), 0);
	nbd_close(h);
	for (i = 0; i < N; i++)
		n_new += back[i] == with;
	CHECK(whole || n_new == 0);
	return 0;
}

static int
overwrite(struct pair *p, uint64_t offset)
{
	static const uint8_t zeros[N];
	struct nbd_handle *h = pair_front(p, 0);

	CHECK(h != NULL);
	CHECK_EQ(nbd_pwrite(h, zeros, N, offset, 0), 0);
	nbd_close(h);
	return 0;
}

static int
at_each_point(struct pair *p)
{
	static const size_t points[] = { 0, 1, 13, HEAD - 1, HEAD, HEAD + 1,
		HEAD + 512, HEAD + 65536, HEAD + N / 2, HEAD + N - 1,
		HEAD + N };
	int pid = p->pid[0];
	size_t i;

	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		uint64_t offset = (uint64_t)(i % 5) << 19;

		request_make(offset, (uint8_t)('A' + i));
		CHECK_EQ(kill_after(p, points[i]), 0);
		CHECK(pair_wait(p, nobody_there) == 0);
		CHECK_EQ(look(p, offset, (uint8_t)('A' + i), points[i] ==
		    HEAD + N), 0);
	}
	/* a status may be older than the last client: who writes to the same place
	 * waits until that one's request is over */
	for (i = 0; i < 5; i++)
		CHECK_EQ(overwrite(p, (uint64_t)i << 19), 0);
	CHECK(pair_in_step(p));
	CHECK_EQ(p->pid[0], pid);
	CHECK_EQ(pair_equal(p), 1);
	return 0;
}

TEST(a_guest_killed_in_the_middle_of_a_write)
{
	struct pair *p = pair_new_connected();

	CHECK(p != NULL);
	CHECK_EQ(at_each_point(p), 0);
	pair_free(p);
	return 0;
}

TEST(a_guest_killed_over_slow_disks)
{
	struct pair *p = pair_new_faulty();

	CHECK(p != NULL);
	p->fault[0]->delay_us = 500;
	p->fault[1]->delay_us = 4000;
	CHECK_EQ(at_each_point(p), 0);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(a_guest_killed_in_the_middle_of_a_write),
	T(a_guest_killed_over_slow_disks),
)
