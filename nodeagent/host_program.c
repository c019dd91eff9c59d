/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/host_program.c - what a program says about this machine
 */
#include "nodeagent/host_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define ANSWER_MS	20000	/* one that hangs mustn't keep the agent from its start */

/* Until a line is whole or the program ends; false: its time is over. */
static bool
line_read(int fd, char *ret, size_t n)
{
	uint64_t end_ns = av_clock_ns() + ANSWER_MS * AV_NS_PER_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t at = 0;

	while (at + 1 < n && memchr(ret, '\n', at) == NULL) {
		uint64_t now_ns = av_clock_ns();
		ssize_t r;

		if (now_ns >= end_ns || poll(&p, 1,
		    (int)((end_ns - now_ns) / AV_NS_PER_MS) + 1) == 0)
			return false;
		r = read(fd, ret + at, n - 1 - at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		at += (size_t)r;
	}
	ret[at] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

void
host_program_line(const char *const *argv, char *ret, size_t n)
{
	char *const envp[] = { (char *)(uintptr_t)"PATH=/usr/sbin:/usr/bin",
	    NULL };
	posix_spawn_file_actions_t fa;
	AUTO_FD int rd = -1, wr = -1;
	int pipes[2], r;
	pid_t pid;

	*ret = '\0';
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return;
	rd = pipes[0];
	wr = pipes[1];
	if (posix_spawn_file_actions_init(&fa) != 0)
		return;
	r = posix_spawn_file_actions_adddup2(&fa, wr, 1);
	if (r == 0)
		r = posix_spawnp(&pid, argv[0], &fa, NULL,
		    (char *const *)(uintptr_t)argv, envp);
	(void)posix_spawn_file_actions_destroy(&fa);
	if (r != 0)
		return;
	(void)close(TAKE_FD(wr));	/* a pipe's writing end */
	if (!line_read(rd, ret, n)) {
		*ret = '\0';
		(void)kill(pid, SIGKILL);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
