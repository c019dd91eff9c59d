/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deploy/pminit.c - a machine of the try unit, and what runs first in it
 *
 *	av-pminit DIR HOSTNAME
 *	av-pminit poweroff|reboot	in a machine: says it to the first process
 *
 * Makes network, mount, pid, IPC and UTS namespaces, writes the host's pid of
 * the machine's first process to DIR/pm.pid and returns when its file tree
 * stands.  What stays behind in the host (DIR/board.pid) has the network, so cables
 * outlive a reboot, and starts the machine again then.  The first process is to the machine what systemd is to a real one: it
 * starts the services of DIR/services, starts one again when it ends, and is
 * the parent of all whose parent died (guests, mirror servers).
 *
 * DIR/services: 'NAME<tab>NICE<tab>PROGRAM<tab>ARGUMENT...', one a line.
 * A service isn't (re)started while DIR/hold/NAME exists.
 * Output of a service: DIR/log/NAME.log.
 *
 * It is the machine's watchdog, too (pmwatch.h): not fed in time, it ends.
 *
 * Power-off = SIGKILL to the first process: the kernel then kills everything in
 * the pid namespace at once, and the namespaces go with it.  An orderly one ends the
 * services first, the last one in the list first, then all else.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "deploy/pmroot.h"
#include "deploy/pmwatch.h"

#define MAX_SERVICES	8
#define MAX_ARGS	32
#define RESTART_FIRST_NS	(200 * AV_NS_PER_MS)
#define RESTART_MAX_NS	(2 * AV_NS_PER_S)
#define LIVED_WELL_NS	(5 * AV_NS_PER_S)
#define POLL_NS		(50 * AV_NS_PER_MS)
#define STOP_NS		(5 * AV_NS_PER_S)	/* what is told to end has */
#define REBOOT_STATUS	3	/* of the first process: start it again */

struct service {
	const char	*name;
	int		 nice;
	char		*argv[MAX_ARGS + 1];
	pid_t		 pid;		/* 0 = not running */
	uint64_t	 started_ns;
	uint64_t	 delay_ns;	/* before the next start */
	uint64_t	 due_ns;	/* when it may start again */
};

struct machine {
	struct service	services[MAX_SERVICES];
	int		n_services;
	struct pmwatch	watch;
	int		hold_fd;	/* DIR/hold: still there after the new root */
};

static int
service_parse(struct service *s, char *line, struct av_err *err)
{
	char *save = NULL, *nice_text;
	int n = 0;

	s->name = strtok_r(line, "\t", &save);
	nice_text = strtok_r(NULL, "\t", &save);
	while (n < MAX_ARGS && (s->argv[n] = strtok_r(NULL, "\t", &save)))
		n++;
	if (s->name == NULL || nice_text == NULL || n == 0 || n == MAX_ARGS)
		return av_err_set(err, -EINVAL, "services: line not understood");
	s->argv[n] = NULL;
	if (sscanf(nice_text, "%d", &s->nice) != 1)
		return av_err_set(err, -EINVAL, "services: '%s' is no niceness",
		    nice_text);
	s->delay_ns = RESTART_FIRST_NS;
	return 0;
}

/* The text lives as long as the process: services point into it. */
static int
services_load(struct machine *m, const char *dir, struct av_err *err)
{
	char path[PATH_MAX], *text = NULL, *line, *save = NULL;
	size_t n;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/services", dir);
	rc = av_file_read(path, 65536, &text, &n, err);
	if (rc < 0)
		return rc;
	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		if (m->n_services == MAX_SERVICES)
			return av_err_set(err, -E2BIG, "services: too many");
		rc = service_parse(&m->services[m->n_services], line, err);
		if (rc < 0)
			return rc;
		m->n_services++;
	}
	return 0;
}

/* A session of its own is a group of its own to the kernel's scheduler: niceness
 * counts only within it, the group's counts against the others. */
static void
autogroup_nice(int nice)
{
	char text[16];
	int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;		/* a kernel without */
	(void)snprintf(text, sizeof(text), "%d", nice);
	if (write(fd, text, strlen(text)) < 0)
		(void)fprintf(stderr, "autogroup: %s\n", strerror(errno));
	(void)close(fd);
}

static void
service_exec(const struct service *s)
{
	char path[PATH_MAX];
	sigset_t none;
	int fd;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	(void)snprintf(path, sizeof(path), "/var/log/avpair/%s.log", s->name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd >= 0) {
		(void)dup2(fd, STDOUT_FILENO);
		(void)dup2(fd, STDERR_FILENO);
	}
	/* a machine that doesn't allow it runs all the same, less punctually */
	(void)setpriority(PRIO_PROCESS, 0, s->nice);
	autogroup_nice(s->nice);
	(void)execv(s->argv[0], s->argv);
	(void)fprintf(stderr, "%s: %s: %s\n", s->name, s->argv[0],
	    strerror(errno));
	_exit(127);
}

static bool
service_held(const struct machine *m, const struct service *s)
{
	struct stat st;

	return fstatat(m->hold_fd, s->name, &st, 0) == 0;
}

static void
services_start(struct machine *m, uint64_t now_ns)
{
	for (int i = 0; i < m->n_services; i++) {
		struct service *s = &m->services[i];

		if (s->pid != 0 || now_ns < s->due_ns || service_held(m, s))
			continue;
		(void)printf("start %s\n", s->name);
		(void)fflush(stdout);
		s->pid = fork();
		if (s->pid == 0)
			service_exec(s);
		if (s->pid < 0) {
			s->pid = 0;
			s->due_ns = now_ns + s->delay_ns;
		}
		s->started_ns = now_ns;
	}
}

static void
service_ended(struct service *s, int status, uint64_t now_ns)
{
	if (WIFSIGNALED(status))
		(void)printf("%s ended by signal %d\n", s->name,
		    WTERMSIG(status));
	else
		(void)printf("%s ended with %d\n", s->name,
		    WEXITSTATUS(status));
	(void)fflush(stdout);
	if (now_ns - s->started_ns >= LIVED_WELL_NS)
		s->delay_ns = RESTART_FIRST_NS;
	s->pid = 0;
	s->due_ns = now_ns + s->delay_ns;
	s->delay_ns *= 2;
	if (s->delay_ns > RESTART_MAX_NS)
		s->delay_ns = RESTART_MAX_NS;
}

/* false = there is no child any more. */
static bool
reap(struct machine *m, uint64_t now_ns)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < m->n_services; i++)
			if (m->services[i].pid == pid)
				service_ended(&m->services[i], status, now_ns);
	return pid == 0;
}

/* A service that is down is looked at every POLL_NS: its hold may have gone. */
static bool
any_down(const struct machine *m)
{
	for (int i = 0; i < m->n_services; i++)
		if (m->services[i].pid == 0)
			return true;
	return false;
}

static void
on_child(int sig)
{
	(void)sig;	/* ends the wait */
}

/* Until a child ends, the watchdog is told something or is due. */
static void
wait_news(struct machine *m)
{
	struct pollfd p = { .fd = m->watch.fd, .events = POLLIN };
	uint64_t ns = any_down(m) ? POLL_NS : AV_NS_PER_S, now_ns;
	struct timespec ts;
	sigset_t none;

	now_ns = av_clock_ns();
	if (m->watch.due_ns != 0 && m->watch.due_ns < now_ns + ns)
		ns = m->watch.due_ns <= now_ns ? 0 : m->watch.due_ns - now_ns;
	ts = (struct timespec){ .tv_sec = (time_t)(ns / AV_NS_PER_S),
	    .tv_nsec = (long)(ns % AV_NS_PER_S) };
	(void)sigemptyset(&none);
	(void)ppoll(&p, 1, &ts, &none);
}

/* With the first process goes everything in the pid namespace. */
static _Noreturn void
watchdog_end(const struct machine *m)
{
	(void)printf("power off by watchdog: %s\n", m->watch.why);
	(void)fflush(stdout);
	_exit(0);
}

/* Until the service has ended (NULL = every child has), or its time is over. */
static void
wait_end(struct machine *m, const struct service *s)
{
	const struct timespec poll_ts = { .tv_nsec = (long)POLL_NS };
	uint64_t start_ns = av_clock_ns();
	sigset_t none;

	(void)sigemptyset(&none);
	while (reap(m, av_clock_ns()) && (s == NULL || s->pid != 0) &&
	    av_clock_ns() - start_ns < STOP_NS)
		(void)ppoll(NULL, 0, &poll_ts, &none);
}

static _Noreturn void
orderly_end(struct machine *m)
{
	(void)printf("%s\n", m->watch.why);
	(void)fflush(stdout);
	for (int i = m->n_services - 1; i >= 0; i--) {
		if (m->services[i].pid == 0)
			continue;
		(void)kill(m->services[i].pid, SIGTERM);
		wait_end(m, &m->services[i]);
	}
	(void)kill(-1, SIGTERM);
	wait_end(m, NULL);
	_exit(m->watch.how == PMWATCH_REBOOT ? REBOOT_STATUS : 0);
}

static void
supervise(struct machine *m)
{
	struct sigaction sa = { .sa_handler = on_child };
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)sigaction(SIGCHLD, &sa, NULL);
	for (;;) {
		if (pmwatch_look(&m->watch, av_clock_ns())) {
			if (m->watch.how != PMWATCH_CUT)
				orderly_end(m);
			watchdog_end(m);
		}
		(void)reap(m, av_clock_ns());
		services_start(m, av_clock_ns());
		wait_news(m);
	}
}

/* Besides the standard streams only keep_fd, as 3. */
static int
keep_one(int keep_fd)
{
	if (keep_fd != 3 && dup2(keep_fd, 3) < 0)
		return -errno;
	if (close_range(4, ~0U, 0) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* A lock that the caller holds must not live on here. */
static int
detach(const char *dir, int keep_fd)
{
	char path[PATH_MAX];
	int in, out;

	(void)snprintf(path, sizeof(path), "%s/log/machine.log", dir);
	in = open("/dev/null", O_RDONLY);
	out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0640);
	if (in < 0 || out < 0 || setsid() < 0)
		return -errno;
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		return -errno;
	return keep_one(keep_fd);
}

static _Noreturn void
first_process(const char *dir, const char *hostname, int ready_fd)
{
	static struct machine m;
	struct av_err err = { 0 };
	char path[PATH_MAX];
	int rc;

	rc = keep_one(ready_fd);
	if (rc < 0 || setsid() < 0)
		_exit(1);
	ready_fd = 3;
	(void)snprintf(path, sizeof(path), "%s/hold", dir);
	m.hold_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m.hold_fd < 0)
		rc = av_err_set(&err, -errno, "'%s': %s", path,
		    strerror(errno));
	if (rc == 0)
		rc = services_load(&m, dir, &err);
	if (rc == 0)
		rc = pmroot_enter(dir, hostname, &err);
	if (rc == 0)
		rc = pmwatch_open(&m.watch, PMWATCH_PATH);
	if (rc < 0) {
		if (err.text[0] == '\0')
			(void)av_err_set(&err, rc, "watchdog: %s",
			    strerror(-rc));
		(void)printf("%s\n", err.text);
		(void)dprintf(ready_fd, "%s", err.text);
		(void)fflush(stdout);
		_exit(1);
	}
	(void)dprintf(ready_fd, "ready");
	(void)close(ready_fd);
	(void)setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	(void)setenv("LANG", "C.UTF-8", 1);
	supervise(&m);
	_exit(0);
}

static int
wait_ready(int fd, struct av_err *err)
{
	char text[200];
	size_t n = 0;
	ssize_t r;

	while (n < sizeof(text) - 1 &&
	    (r = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	if (strcmp(text, "ready") == 0)
		return 0;
	return av_err_set(err, -EIO, "%s", n > 0 ? text : "ended too early");
}

static int
pid_write(const char *dir, const char *file, pid_t pid, struct av_err *err)
{
	char path[PATH_MAX], text[32];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	(void)snprintf(text, sizeof(text), "%d\n", (int)pid);
	return av_file_write(path, text, strlen(text), 0644, err);
}

/* As fork(), the child in namespaces of its own: unshare() does that for a pid
 * namespace only once. */
static pid_t
fork_apart(void)
{
	const unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS |
	    CLONE_NEWIPC | SIGCHLD;

	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
}

static int
machine_start(const char *dir, const char *hostname, pid_t *ret,
    struct av_err *err)
{
	int fds[2], rc;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return av_err_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork_apart();
	if (pid < 0)
		return av_err_set(err, -errno, "new namespaces: %s",
		    strerror(errno));
	if (pid == 0)
		first_process(dir, hostname, fds[1]);
	(void)close(fds[1]);
	rc = pid_write(dir, "pm.pid", pid, err);
	if (rc == 0)
		rc = wait_ready(fds[0], err);
	(void)close(fds[0]);
	if (rc < 0)
		(void)kill(pid, SIGKILL);
	*ret = pid;
	return rc;
}

/* What a real machine has that isn't its system: the sockets of its cables, and what
 * starts it again. */
static _Noreturn void
board(const char *dir, const char *hostname, int ready_fd)
{
	struct av_err err = { 0 };
	int status, rc;
	pid_t pid;

	(void)umask(022);
	rc = detach(dir, ready_fd);
	if (rc == 0)
		ready_fd = 3;
	if (rc == 0 && (chdir("/") < 0 || unshare(CLONE_NEWNET) < 0))
		rc = -errno;
	if (rc < 0)
		(void)av_err_set(&err, rc, "new network: %s", strerror(-rc));
	else
		rc = pid_write(dir, "board.pid", getpid(), &err);
	if (rc == 0)
		rc = machine_start(dir, hostname, &pid, &err);
	(void)dprintf(ready_fd, "%s", rc == 0 ? "ready" : err.text);
	(void)close(ready_fd);
	while (rc == 0 && waitpid(pid, &status, 0) == pid &&
	    WIFEXITED(status) && WEXITSTATUS(status) == REBOOT_STATUS)
		rc = machine_start(dir, hostname, &pid, &err);
	if (rc < 0)
		(void)printf("%s\n", err.text);
	(void)fflush(stdout);
	_exit(0);
}

static int
machine_make(const char *dir, const char *hostname, struct av_err *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return av_err_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return av_err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid == 0)
		board(dir, hostname, fds[1]);
	(void)close(fds[1]);
	return wait_ready(fds[0], err);
}

static int
tell(const char *what)
{
	int rc = pmwatch_tell(PMWATCH_PATH, what);

	if (rc < 0)
		(void)fprintf(stderr, "%s: %s\n", PMWATCH_PATH, strerror(-rc));
	return rc < 0 ? 1 : 0;
}

int
main(int argc, char **argv)
{
	struct av_err err = { 0 };

	if (argc == 2 && (strcmp(argv[1], "poweroff") == 0 ||
	    strcmp(argv[1], "reboot") == 0))
		return tell(argv[1]);
	if (argc != 3 || argv[1][0] != '/') {
		(void)fprintf(stderr, "usage: av-pminit /DIR HOSTNAME\n"
		    "       av-pminit poweroff|reboot\n");
		return 2;
	}
	if (machine_make(argv[1], argv[2], &err) < 0) {
		(void)fprintf(stderr, "%s: %s\n", argv[2], err.text);
		return 1;
	}
	return 0;
}
