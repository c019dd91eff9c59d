/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica_spawn.c - start nbdkit with two listening sockets
 *
 * fd 3 is nbdkit's own socket, by systemd's socket activation, which nobody
 * knows; the plugin serves fd 4 (TCP) and fd 6 (front, Unix) itself; fd 5 is the
 * pipe by which it says why it can't start.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "mirror/replica.h"

#define FIRST_FD	3
#define LISTEN_FD	4
#define READY_FD	5
#define FRONT_FD	6
#define N_FDS		4
#define ARGS_MAX	40
#define SCOPE		"/usr/lib/avpair/av-scope"
#define ARG_BYTES	320

static int
listen_tcp(const struct replica_conf *c, struct av_err *err)
{
	AUTO_FD int fd = -1;
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(c->port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
		.sin_port = htons(c->port) };
	bool is4 = inet_pton(AF_INET, c->listen_addr, &a4.sin_addr) == 1;
	int one = 1, r;

	if (!is4 &&
	    inet_pton(AF_INET6, c->listen_addr, &a6.sin6_addr) != 1)
		return av_err_code(err, -EINVAL, "bad-request",
		    "'%s' isn't a numeric address", c->listen_addr);
	fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return av_err_set(err, -errno, "socket: %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	r = is4 ? bind(fd, (struct sockaddr *)&a4, sizeof(a4)) :
	    bind(fd, (struct sockaddr *)&a6, sizeof(a6));
	if (r < 0 || listen(fd, 16) < 0)
		return av_err_code(err, -errno, "server-down",
		    "listen on %s port %u: %s", c->listen_addr, c->port,
		    strerror(errno));
	return TAKE_FD(fd);
}

static int
listen_front(const struct replica_conf *c, struct av_err *err)
{
	AUTO_FD int fd = -1;
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (mkdir(c->run_dir, 0700) < 0 && errno != EEXIST)
		return av_err_set(err, -errno, "'%s': %s", c->run_dir,
		    strerror(errno));
	(void)unlink(c->front_path);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->front_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 16) < 0)
		return av_err_code(err, -errno, "server-down",
		    "'%s': %s", c->front_path, strerror(errno));
	return TAKE_FD(fd);
}

/* A listening socket with a name that the kernel makes up. */
static int
listen_nowhere(struct av_err *err)
{
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (fd < 0 || bind(fd, (struct sockaddr *)&a,
	    sizeof(a.sun_family)) < 0 || listen(fd, 1) < 0)
		return av_err_set(err, -errno, "socket: %s", strerror(errno));
	return TAKE_FD(fd);
}

/* --- argv --- */

struct args {
	char	text[ARGS_MAX][ARG_BYTES];
	char	*argv[ARGS_MAX + 1];
	size_t	n;
	bool	bad;
};

static void add(struct args *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
add(struct args *a, const char *fmt, ...)
{
	va_list ap;
	int r;

	if (a->n == ARGS_MAX) {
		a->bad = true;
		return;
	}
	va_start(ap, fmt);
	r = vsnprintf(a->text[a->n], ARG_BYTES, fmt, ap);
	va_end(ap);
	if (r < 0 || r >= ARG_BYTES)
		a->bad = true;
	a->argv[a->n] = a->text[a->n];
	a->argv[++a->n] = NULL;
}

/* So that the server isn't the agent's service's (nodeagent/scope.h).  Tests and
 * deploy/try, which aren't run from /usr/sbin, leave the machine's systemd alone. */
static bool
scope_wanted(void)
{
	char self[64] = "";

	return access("/run/systemd/system", F_OK) == 0 &&
	    access(SCOPE, X_OK) == 0 &&
	    readlink("/proc/self/exe", self, sizeof(self) - 1) > 0 &&
	    strncmp(self, "/usr/sbin/", 10) == 0;
}

static int
build_args(struct args *a, const struct replica_conf *c, struct av_err *err)
{
	size_t i;

	if (scope_wanted()) {
		add(a, "%s", SCOPE);
		add(a, "mirror");
		add(a, "%s", c->id);
	}
	add(a, "%s", c->nbdkit_path);
	add(a, "--foreground");
	add(a, "--threads=64");
	add(a, "%s", c->plugin_path);
	add(a, "dir=%s", c->dir);
	add(a, "id=%s", c->id);
	add(a, "unit=%s", c->unit_uuid);
	add(a, "volume=%s", c->volume_uuid);
	add(a, "node=%u", c->node);
	add(a, "control=%s", c->control_path);
	add(a, "front-fd=%d", FRONT_FD);
	add(a, "listen-fd=%d", LISTEN_FD);
	add(a, "psk-file=%s", c->psk_file);
	add(a, "psk-user=%s", c->psk_user);
	add(a, "peer-port=%u", c->peer_port);
	for (i = 0; i < c->n_peer_addrs; i++)
		add(a, "peer=%s", c->peer_addrs[i]);
	add(a, "peer-timeout-ms=%u", c->peer_timeout_ms);
	add(a, "resync-rate-kib-s=%llu",
	    (unsigned long long)c->resync_rate_kib_s);
	add(a, "ready-fd=%d", READY_FD);
	return a->bad ? av_err_code(err, -ENAMETOOLONG, "bad-request",
	    "a path of volume '%s' is too long", c->id) : 0;
}

/* --- the child: only async-signal-safe calls from here --- */

static void
put_pid(char *at, unsigned pid)
{
	char digits[12];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid > 0);
	while (n > 0)
		*at++ = digits[--n];
	*at = '\0';
}

struct child {
	int	fds[N_FDS];	/* become 3, 4, 5, 6 */
	int	log_fd, null_fd;
	char	**argv;
	char	**envp;
	char	*pid_at;	/* where LISTEN_PID's number goes */
};

static void
child_fail(int fd, const char *why)
{
	(void)!write(fd, "server-down\n", 12);
	(void)!write(fd, why, strlen(why));
	_exit(126);
}

/* nbdkit asks for a SIGTERM at its parent's end (PR_SET_PDEATHSIG): the process
 * between has to be gone, and the child another's, before that. */
static void
wait_for_end_of(pid_t parent)
{
	while (getppid() == parent)
		(void)poll(NULL, 0, 1);	/* it is about to end */
}

static void
child_run(const struct child *k, pid_t between)
{
	int high[N_FDS], i;
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (i = 1; i < 32; i++)
		(void)signal(i, SIG_DFL);
	if (setsid() < 0)
		child_fail(k->fds[2], "no session of its own\n");
	if (chdir("/") < 0 || dup2(k->null_fd, 0) < 0 ||
	    dup2(k->log_fd, 1) < 0 || dup2(k->log_fd, 2) < 0)
		child_fail(k->fds[2], "the server's stdio can't be set up\n");
	/* out of the way first: a source may be one of the targets */
	for (i = 0; i < N_FDS; i++)
		if ((high[i] = fcntl(k->fds[i], F_DUPFD, 64)) < 0)
			child_fail(k->fds[2], "too few descriptors\n");
	for (i = 0; i < N_FDS; i++)
		if (dup2(high[i], FIRST_FD + i) < 0)
			child_fail(high[2], "too few descriptors\n");
	if (close_range(FRONT_FD + 1, ~0u, 0) < 0)
		child_fail(READY_FD, "descriptors can't be closed\n");
	put_pid(k->pid_at, (unsigned)getpid());
	wait_for_end_of(between);
	(void)execve(k->argv[0], k->argv, k->envp);
	child_fail(READY_FD, "nbdkit can't be run\n");
}

/* Forks twice, so that the server is nobody's child to reap. */
static int
fork_twice(const struct child *k, struct av_err *err)
{
	pid_t pid = fork(), between, r;
	int st;

	if (pid < 0)
		return av_err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid == 0) {
		between = getpid();
		pid = fork();
		if (pid == 0)
			child_run(k, between);
		_exit(pid < 0 ? 126 : 0);
	}
	do {
		r = waitpid(pid, &st, 0);	/* it exits at once */
	} while (r < 0 && errno == EINTR);
	/* Somebody else may have reaped it; the pipe tells the rest. */
	if (r == pid && st != 0)
		return av_err_code(err, -EAGAIN, "server-down",
		    "no process for the mirror server");
	return 0;
}

static int
spawn(const struct replica_conf *c, struct child *k, struct av_err *err)
{
	struct args args = { .n = 0 };
	char pid_env[32] = "LISTEN_PID=", preload[512];
	char *envp[] = { pid_env, (char[]){ "LISTEN_FDS=1" },
		(char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" },
		(char[]){ "LC_ALL=C.UTF-8" }, NULL, NULL, NULL };
	const char *san = getenv("AVPAIR_NBDKIT_PRELOAD");
	int rc = build_args(&args, c, err);

	if (rc < 0)
		return rc;
	/* for builds with sanitizers: their library has to come first */
	if (san != NULL && strlen(san) < sizeof(preload) - 16) {
		(void)snprintf(preload, sizeof(preload), "LD_PRELOAD=%s",
		    san);
		envp[4] = preload;
		envp[5] = (char[]){ "ASAN_OPTIONS=detect_leaks=0" };
	}
	k->argv = args.argv;
	k->envp = envp;
	k->pid_at = pid_env + strlen(pid_env);
	return fork_twice(k, err);
}

int
replica_spawn(const struct replica_conf *c, int *ret_ready_fd,
    struct av_err *err)
{
	AUTO_FD int tcp = -1;
	AUTO_FD int front = -1;
	AUTO_FD int nowhere = -1;
	AUTO_FD int ready = -1;
	AUTO_FD int ready_w = -1;
	AUTO_FD int log_fd = -1;
	AUTO_FD int null_fd = -1;
	struct child k;
	int pipe_fds[2], rc;

	/* The port first: if it is taken, a server may live or be about to, and
	 * its front socket must stay. */
	tcp = listen_tcp(c, err);
	if (tcp < 0)
		return tcp;
	front = listen_front(c, err);
	if (front < 0)
		return front;
	nowhere = listen_nowhere(err);
	if (nowhere < 0)
		return nowhere;
	log_fd = open(c->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
	    0600);
	if (log_fd < 0)
		return av_err_set(err, -errno, "'%s': %s", c->log_path,
		    strerror(errno));
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return av_err_set(err, -errno, "pipe: %s", strerror(errno));
	ready = pipe_fds[0];
	ready_w = pipe_fds[1];
	if (fcntl(ready, F_SETFL, O_NONBLOCK) < 0)
		return av_err_set(err, -errno, "pipe: %s", strerror(errno));
	k = (struct child){ .fds = { nowhere, tcp, ready_w, front }, .log_fd = log_fd,
		.null_fd = null_fd };
	rc = spawn(c, &k, err);
	if (rc < 0)
		return rc;
	*ret_ready_fd = TAKE_FD(ready);
	return 0;
}
