/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/reap.c - runs a test and ends what it leaves behind
 *
 *   reap COMMAND [ARGUMENT...]
 *
 * The servers that a test starts outlive their starter by design; a test that fails
 * half-way can't always end them.  Here all of its descendants become ours when
 * their parents go (PR_SET_CHILD_SUBREAPER).  They have GRACE_MS to end by
 * themselves; who is left is named on stderr and killed.
 *
 * Exit status: the command's, 128 + signal, or 98 when it was 0 but
 * processes were left behind.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS	3000
#define POLL_MS		20
#define LEFT_BEHIND	98

/* The parent in /proc/PID/stat, behind the name in brackets; 0 = gone. */
static pid_t
parent_of(pid_t pid)
{
	char path[64], line[512], *end;
	FILE *f;
	int ppid = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) != NULL &&
	    (end = strrchr(line, ')')) != NULL &&
	    sscanf(end + 1, " %*c %d", &ppid) != 1)
		ppid = 0;
	(void)fclose(f);
	return ppid;
}

static void
name_and_kill(pid_t pid)
{
	char path[64], args[256] = "";
	size_t n, i;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	f = fopen(path, "re");
	if (f != NULL) {
		n = fread(args, 1, sizeof(args) - 1, f);
		for (i = 0; i + 1 < n; i++)
			if (args[i] == '\0')
				args[i] = ' ';
		(void)fclose(f);
	}
	(void)fprintf(stderr, "left behind: %d %s\n", (int)pid, args);
	(void)kill(pid, SIGKILL);
}

static void
kill_children(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	pid_t me = getpid();

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		char *end;
		long pid = strtol(e->d_name, &end, 10);

		if (*end == '\0' && pid > 0 && parent_of((pid_t)pid) == me)
			name_and_kill((pid_t)pid);
	}
	(void)closedir(d);
}

/* Until no child is left: true, or the time is up. */
static bool
wait_for_all(int ms)
{
	struct timespec step = { .tv_nsec = POLL_MS * 1000000L };

	for (;;) {
		pid_t r = waitpid(-1, NULL, WNOHANG);

		if (r < 0 && errno == ECHILD)
			return true;
		if (r > 0)
			continue;
		if (ms <= 0)
			return false;
		/* lint: sleep: waits for processes of which no event tells */
		(void)nanosleep(&step, NULL);
		ms -= POLL_MS;
	}
}

/* Orphans that end meanwhile are taken away at once, as init would. */
static bool
wait_for(pid_t child, int *ret_status)
{
	pid_t r;

	do
		r = waitpid(-1, ret_status, 0);
	while (r != child && (r > 0 || errno == EINTR));
	return r == child;
}

int
main(int argc, char **argv)
{
	bool left = false;
	int status;
	pid_t child;

	if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 99;
	child = fork();
	if (child == 0) {
		(void)execvp(argv[1], argv + 1);
		(void)fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		_exit(127);
	}
	if (child < 0 || !wait_for(child, &status))
		return 99;
	if (!wait_for_all(GRACE_MS)) {
		left = true;
		/* a killed one's children become ours in turn */
		do
			kill_children();
		while (!wait_for_all(POLL_MS));
	}
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return left && WEXITSTATUS(status) == 0 ? LEFT_BEHIND :
	    WEXITSTATUS(status);
}
