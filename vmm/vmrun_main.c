/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/vmrun_main.c - av-vmrun: start a guest's process so that it outlives us
 *
 *	av-vmrun RUNTIME LOGFILE PROGRAM ARG...
 *
 * Forks away (own session), runs PROGRAM, returns 0 when that was executed, else 1
 * with a sentence on stderr.  A small process stays as PROGRAM's parent and writes
 * how it ended to RUNTIME/exit, which nobody else could know after the agent's own
 * restart.  RUNTIME/lock is held by both as long as they live: there are never two
 * processes of one guest, whatever the agent does; exit code 2 says so.
 *
 * Installed on a machine that systemd runs it begins anew by av-scope, so that the
 * guest is in a scope of its own and not the agent's (nodeagent/scope.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES	200	/* of 10 ms: the last run's parent writes 'exit' */
#define EX_TWO		2
#define INSTALLED	"/usr/lib/avpair/av-vmrun"
#define SCOPE		"/usr/lib/avpair/av-scope"
#define SCOPED		"AVPAIR_SCOPED"

static void die(int code, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

static void
die(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(code);
}

static void
lock_take(void)
{
	int i, fd = open("lock", O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		die(1, "lock: %s", strerror(errno));
	for (i = 0; i < LOCK_TRIES; i++) {
		struct timespec t = { .tv_nsec = 10000000 };

		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return;		/* open till the last of us ends */
		/* lint: sleep: flock() has no time limit */
		(void)nanosleep(&t, NULL);
	}
	die(EX_TWO, "a process of this VM runs already");
}

static void
tidy(void)
{
	static const char *const stale[] = { "pid", "exit", "qmp.sock",
		"qga.sock", "vnc.sock", "serial.sock", "in.sock", "out.sock",
		"stream.port", "stream.why" };
	size_t i;

	for (i = 0; i < sizeof(stale) / sizeof(stale[0]); i++)
		if (unlink(stale[i]) < 0 && errno != ENOENT)
			die(1, "%s: %s", stale[i], strerror(errno));
}

/* In one step: a reader sees all of it or nothing.  Not synced: it need not
 * outlive the machine. */
static int
file_put(const char *name, const char *text)
{
	char tmp[32];
	int fd, ok;

	(void)snprintf(tmp, sizeof(tmp), "%s.new", name);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return -1;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (close(fd) < 0 || !ok)
		return -1;
	return rename(tmp, name);
}

static int
pid_put(pid_t pid)
{
	char path[64], buf[4096], out[64], *p, *save = NULL;
	int fd, field;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, buf, sizeof(buf) - 1);
	(void)close(fd);		/* read-only */
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	p = strrchr(buf, ')');
	if (p == NULL)
		return -1;
	p = strtok_r(p + 1, " ", &save);
	for (field = 3; p != NULL && field < 22; field++)
		p = strtok_r(NULL, " ", &save);
	if (p == NULL)
		return -1;
	(void)snprintf(out, sizeof(out), "%d %s\n", (int)pid, p);
	return file_put("pid", out);
}

static void
log_open(const char *path)
{
	int null = open("/dev/null", O_RDONLY);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0640);

	if (null < 0 || fd < 0)
		die(1, "%s: %s", path, strerror(errno));
	if (dup2(null, 0) < 0 || dup2(fd, 1) < 0)
		die(1, "dup2: %s", strerror(errno));
	(void)close(null);		/* both live on as 0 and 1 */
	(void)close(fd);
}

static void
say(int fd, const char *text)
{
	ssize_t r = write(fd, text, strlen(text));

	(void)r;	/* whoever asked may be gone; the guest isn't his */
}

/* The guest's process: waits for 'go' so that the pid file is there first. */
static void
guest_run(int go, int report, char **argv)
{
	char c;

	if (read(go, &c, 1) != 1)
		_exit(127);
	(void)close(go);		/* a pipe */
	(void)prctl(PR_SET_PDEATHSIG, 0);
	execv(argv[0], argv);
	say(report, argv[0]);
	say(report, ": ");
	say(report, strerror(errno));
	_exit(127);
}

static void
parent_wait(pid_t pid)
{
	char out[64];
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return;
	if (WIFSIGNALED(status))
		(void)snprintf(out, sizeof(out), "signal %d\n",
		    WTERMSIG(status));
	else
		(void)snprintf(out, sizeof(out), "exited %d\n",
		    WEXITSTATUS(status));
	(void)file_put("exit", out);	/* without it: "vanished" */
}

static void
parent_run(int report, char **argv)
{
	int go[2];
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0) {
		say(report, "no pipe");
		_exit(1);
	}
	(void)prctl(PR_SET_NAME, "av-vmrun");
	pid = fork();
	if (pid == 0) {
		(void)close(go[1]);
		guest_run(go[0], report, argv);
	}
	if (pid < 0 || pid_put(pid) < 0) {
		say(report, "the pid can't be written");
		_exit(1);		/* 'go' closes: the child ends */
	}
	say(go[1], "g");
	(void)close(go[0]);
	(void)close(go[1]);
	(void)close(report);	/* exec closes the other end: started */
	(void)dup2(1, 2);
	parent_wait(pid);
	_exit(0);
}

/* A build's own av-vmrun (tests, deploy/try) leaves the machine's systemd alone. */
static void
scope_first(int argc, char **argv)
{
	char self[64] = "";
	char *slash = strrchr(argv[1], '/');
	char **v = calloc((size_t)argc + 4, sizeof(*v));

	if (v == NULL || getenv(SCOPED) != NULL || access(SCOPE, X_OK) < 0 ||
	    access("/run/systemd/system", F_OK) < 0 ||
	    readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 ||
	    strcmp(self, INSTALLED) != 0 || setenv(SCOPED, "1", 1) < 0) {
		free(v);
		return;
	}
	v[0] = (char *)(uintptr_t)SCOPE;
	v[1] = (char *)(uintptr_t)"guest";
	v[2] = slash != NULL ? slash + 1 : argv[1];
	v[3] = (char *)(uintptr_t)INSTALLED;
	memcpy(v + 4, argv + 1, (size_t)argc * sizeof(*v));	/* NULL, too */
	execv(v[0], v);
	free(v);		/* in the agent's service, then */
}

int
main(int argc, char **argv)
{
	char why[256];
	int report[2];
	ssize_t n;
	pid_t pid;

	if (argc < 4 || argv[3][0] != '/')
		die(1, "usage: av-vmrun RUNTIME LOGFILE PROGRAM ARG...");
	scope_first(argc, argv);
	(void)unsetenv(SCOPED);
	if (close_range(3, ~0u, 0) < 0)
		die(1, "close_range: %s", strerror(errno));
	(void)umask(0007);
	log_open(argv[2]);
	if (chdir(argv[1]) < 0)
		die(1, "%s: %s", argv[1], strerror(errno));
	lock_take();
	tidy();
	if (pipe2(report, O_CLOEXEC) < 0)
		die(1, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die(1, "fork: %s", strerror(errno));
	if (pid == 0) {
		(void)close(report[0]);
		(void)setsid();	/* a fresh child leads no group: can't fail */
		(void)dup2(1, 2);
		parent_run(report[1], argv + 3);
	}
	(void)close(report[1]);
	n = read(report[0], why, sizeof(why) - 1);
	if (n > 0) {
		why[n] = '\0';
		die(1, "%s", why);
	}
	return 0;
}
