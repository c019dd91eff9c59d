/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_cmd.c - runs one program with an argv array, no shell
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "mirror/drbd.h"

struct text {
	char	*buf;
	size_t	 n;
};

struct drbd_cmd {
	sd_event_source	*pid_source, *out_source, *err_source, *timer;
	pid_t		 pid;
	int		 pid_fd, out_fd, err_fd;
	struct text	 out, err;
	bool		 late;		/* killed by its deadline */
	bool		 reaped;
	drbd_cmd_piece	 piece;
	drbd_cmd_done	 done;
	void		*arg;
};

/* --- argv --- */

void
drbd_argv_init(struct drbd_argv *a)
{
	a->n = 0;
	a->bad = false;
	a->argv[0] = NULL;
}

void
drbd_argv_add(struct drbd_argv *a, const char *fmt, ...)
{
	va_list ap;
	int r;

	if (a->n == DRBD_ARGS_MAX) {
		a->bad = true;
		return;
	}
	va_start(ap, fmt);
	r = vsnprintf(a->text[a->n], DRBD_ARG_BYTES, fmt, ap);
	va_end(ap);
	if (r < 0 || r >= DRBD_ARG_BYTES)
		a->bad = true;
	a->argv[a->n] = a->text[a->n];
	a->argv[++a->n] = NULL;
}

/* --- spawning --- */

static int
find_program(const char *tools_path, const char *name, char *buf, size_t n)
{
	const char *at = tools_path;

	while (*at != '\0') {
		size_t len = strcspn(at, ":");
		int r = snprintf(buf, n, "%.*s/%s", (int)len, at, name);

		if (r > 0 && (size_t)r < n && access(buf, X_OK) == 0)
			return 0;
		at += len;
		at += *at == ':';
	}
	return -ENOENT;
}

static int
set_attr(posix_spawnattr_t *attr)
{
	sigset_t all, none;

	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGKILL);
	(void)sigdelset(&all, SIGSTOP);
	(void)sigemptyset(&none);
	if (posix_spawnattr_setsigdefault(attr, &all) != 0 ||
	    posix_spawnattr_setsigmask(attr, &none) != 0 ||
	    posix_spawnattr_setpgroup(attr, 0) != 0)
		return -EINVAL;
	return -posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF |
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
}

static int
spawn_with(const char *file, char *const *argv, char *const *envp, int out_w,
    int err_w, pid_t *ret)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int r;

	r = posix_spawn_file_actions_init(&fa);
	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r != 0) {
		(void)posix_spawn_file_actions_destroy(&fa);
		return -r;
	}
	r = -set_attr(&attr);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null",
		    O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&fa, out_w, 1);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&fa, err_w, 2);
	if (r == 0)
		r = posix_spawn(ret, file, &fa, &attr, argv, envp);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&fa);
	return -r;
}

static int
spawn(const char *tools_path, const struct drbd_argv *a, struct drbd_cmd *c,
    struct av_err *err)
{
	char file[MIRROR_PATH_MAX + 64], path_env[MIRROR_PATH_MAX + 8];
	char lc[] = "LC_ALL=C";
	char *envp[] = { path_env, lc, NULL };
	AUTO_FD int out_w = -1;
	AUTO_FD int err_w = -1;
	int p[2], rc;

	if (a->bad || a->n == 0)
		return av_err_code(err, -ENAMETOOLONG, "bad-request",
		    "a command of the drbd driver is too long");
	if (find_program(tools_path, a->argv[0], file, sizeof(file)) < 0)
		return av_err_code(err, -ENOENT, "tool-missing",
		    "'%s' isn't in '%s'", a->argv[0], tools_path);
	(void)snprintf(path_env, sizeof(path_env), "PATH=%s", tools_path);
	if (pipe2(p, O_CLOEXEC) < 0)
		return av_err_set(err, -errno, "pipe: %s", strerror(errno));
	c->out_fd = p[0];
	out_w = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return av_err_set(err, -errno, "pipe: %s", strerror(errno));
	c->err_fd = p[0];
	err_w = p[1];
	(void)fcntl(c->out_fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(c->err_fd, F_SETFL, O_NONBLOCK);
	rc = spawn_with(file, a->argv, envp, out_w, err_w, &c->pid);
	if (rc < 0)
		return av_err_code(err, rc, "tool-failed", "'%s': %s",
		    a->argv[0], strerror(-rc));
	c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	return c->pid_fd < 0 ? av_err_set(err, -errno, "pidfd: %s",
	    strerror(errno)) : 0;
}

static struct drbd_cmd *
cmd_new(void)
{
	struct drbd_cmd *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->pid_fd = c->out_fd = c->err_fd = -1;
	return c;
}

static void
kill_and_reap(struct drbd_cmd *c)
{
	int st;

	if (c->pid <= 0 || c->reaped)
		return;
	(void)kill(-c->pid, SIGKILL);	/* its group: drbdadm runs drbdsetup */
	while (waitpid(c->pid, &st, 0) < 0 && errno == EINTR)
		;
	c->reaped = true;
}

struct drbd_cmd *
drbd_cmd_free(struct drbd_cmd *c, bool end)
{
	if (c == NULL)
		return NULL;
	if (end)
		kill_and_reap(c);
	c->pid_source = sd_event_source_disable_unref(c->pid_source);
	c->out_source = sd_event_source_disable_unref(c->out_source);
	c->err_source = sd_event_source_disable_unref(c->err_source);
	c->timer = sd_event_source_disable_unref(c->timer);
	if (c->pid_fd >= 0)
		(void)close(c->pid_fd);
	if (c->out_fd >= 0)
		(void)close(c->out_fd);
	if (c->err_fd >= 0)
		(void)close(c->err_fd);
	free(c->out.buf);
	free(c->err.buf);
	free(c);
	return NULL;
}

static void
nobody_waits(struct drbd_cmd *c, const struct drbd_result *res, void *arg)
{
	(void)c;
	(void)res;
	(void)arg;
}

struct drbd_cmd *
drbd_cmd_orphan(struct drbd_cmd *c)
{
	if (c != NULL) {
		c->piece = NULL;
		c->done = nobody_waits;
	}
	return NULL;
}

/* --- output --- */

static void
keep(struct text *t, const char *data, size_t n)
{
	char *more;

	if (t->n + n > DRBD_OUT_MAX)
		n = DRBD_OUT_MAX - t->n;	/* none of ours says so much */
	more = realloc(t->buf, t->n + n + 1);
	if (more == NULL)
		return;
	memcpy(more + t->n, data, n);
	t->n += n;
	more[t->n] = '\0';
	t->buf = more;
}

/* Up to 16 reads; false = end of file. */
static bool
drain(struct drbd_cmd *c, int fd, struct text *t)
{
	char buf[4096];
	int i;

	for (i = 0; i < 16; i++) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return false;
		if (t == &c->out && c->piece != NULL)
			c->piece(buf, (size_t)n, c->arg);
		else
			keep(t, buf, (size_t)n);
	}
	return true;
}

static int
on_output(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct drbd_cmd *c = arg;

	(void)events;
	if (!drain(c, fd, fd == c->out_fd ? &c->out : &c->err))
		(void)sd_event_source_set_enabled(es, SD_EVENT_OFF);
	return 0;
}

/* drbdadm's tools print empty lines and notes around what matters: the first
 * line that isn't empty. */
static void
first_line(const struct text *t, char *buf, size_t n)
{
	const char *at = t->buf != NULL ? t->buf : "";
	size_t len;

	while (*at == '\n' || *at == ' ' || *at == '\t')
		at++;
	len = strcspn(at, "\n");
	if (len >= n)
		len = n - 1;
	memcpy(buf, at, len);
	buf[len] = '\0';
	av_utf8_trim(buf);
}

static void
reap(struct drbd_cmd *c, struct drbd_result *ret, char *text, size_t n)
{
	int st = 0;

	while (waitpid(c->pid, &st, 0) < 0 && errno == EINTR)
		;
	c->reaped = true;
	(void)drain(c, c->out_fd, &c->out);
	(void)drain(c, c->err_fd, &c->err);
	first_line(&c->err, text, n);
	ret->rc = c->late ? -ETIMEDOUT : WIFEXITED(st) ? 0 : -EINTR;
	ret->exit_code = WIFEXITED(st) ? WEXITSTATUS(st) : -1;
	ret->out = c->out.buf;
	ret->text = text;
}

/* --- started -> output -> exited (or late -> killed -> exited) --- */

static int
on_exited(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct drbd_cmd *c = arg;
	struct drbd_result res = { 0 };
	char text[DRBD_SAID_MAX], none[] = "";

	(void)es;
	(void)fd;
	(void)events;
	reap(c, &res, text, sizeof(text));
	if (res.out == NULL)
		res.out = none;
	c->done(c, &res, c->arg);
	(void)drbd_cmd_free(c, false);
	return 0;
}

static int
on_late(sd_event_source *es, uint64_t usec, void *arg)
{
	struct drbd_cmd *c = arg;

	(void)es;
	(void)usec;
	c->late = true;
	(void)kill(-c->pid, SIGKILL);
	return 0;
}

static int
watch(struct drbd_cmd *c, sd_event *loop, uint64_t deadline_ns)
{
	int r = sd_event_add_io(loop, &c->pid_source, c->pid_fd, EPOLLIN,
	    on_exited, c);

	if (r >= 0)
		r = sd_event_add_io(loop, &c->out_source, c->out_fd, EPOLLIN,
		    on_output, c);
	if (r >= 0)
		r = sd_event_add_io(loop, &c->err_source, c->err_fd, EPOLLIN,
		    on_output, c);
	/* what was said is read before the end is looked at */
	if (r >= 0)
		r = sd_event_source_set_priority(c->pid_source,
		    SD_EVENT_PRIORITY_NORMAL + 1);
	if (r >= 0 && deadline_ns != 0)
		r = sd_event_add_time(loop, &c->timer, CLOCK_MONOTONIC,
		    deadline_ns / AV_NS_PER_US, 1000, on_late, c);
	return r < 0 ? r : 0;
}

int
drbd_cmd_start(sd_event *loop, const char *tools_path,
    const struct drbd_argv *a, uint64_t deadline_ns, drbd_cmd_piece piece,
    drbd_cmd_done done, void *arg, struct drbd_cmd **ret, struct av_err *err)
{
	struct drbd_cmd *c = cmd_new();
	int rc;

	if (c == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	c->piece = piece;
	c->done = done;
	c->arg = arg;
	rc = spawn(tools_path, a, c, err);
	if (rc == 0) {
		rc = watch(c, loop, deadline_ns);
		if (rc < 0)
			(void)av_err_set(err, rc, "no event source");
	}
	if (rc < 0) {
		(void)drbd_cmd_free(c, true);
		return rc;
	}
	*ret = c;
	return 0;
}

/* --- waiting --- */

static void
pump(struct drbd_cmd *c, uint64_t due_ns)
{
	struct pollfd p[3] = { { .fd = c->pid_fd, .events = POLLIN },
		{ .fd = c->out_fd, .events = POLLIN },
		{ .fd = c->err_fd, .events = POLLIN } };

	for (;;) {
		uint64_t now = av_clock_ns();

		if (now >= due_ns) {
			c->late = true;
			(void)kill(-c->pid, SIGKILL);
			return;
		}
		if (poll(p, ARRAY_SIZE(p),
		    (int)((due_ns - now) / AV_NS_PER_MS) + 1) < 0)
			continue;
		if (p[1].revents != 0 && !drain(c, c->out_fd, &c->out))
			p[1].fd = -1;
		if (p[2].revents != 0 && !drain(c, c->err_fd, &c->err))
			p[2].fd = -1;
		if (p[0].revents != 0)
			return;
	}
}

int
drbd_cmd_run(const char *tools_path, const struct drbd_argv *a,
    unsigned timeout_s, char **ret_out, struct av_err *err)
{
	struct drbd_cmd *c = cmd_new();
	struct drbd_result res = { 0 };
	char text[DRBD_SAID_MAX];
	int rc;

	if (c == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	rc = spawn(tools_path, a, c, err);
	if (rc < 0) {
		(void)drbd_cmd_free(c, true);
		return rc;
	}
	pump(c, av_clock_ns() + timeout_s * AV_NS_PER_S);
	reap(c, &res, text, sizeof(text));
	rc = res.rc;
	if (rc < 0) {
		(void)av_err_maybe(err, rc, "'%s' %s", a->argv[0],
		    c->late ? "took too long" : "was killed");
	} else if (res.exit_code != 0) {
		rc = av_err_code(err, -EIO, "tool-failed",
		    "'%s' exited with %d: %s", a->argv[0], res.exit_code,
		    text);
	} else if (ret_out != NULL) {
		*ret_out = TAKE_PTR(c->out.buf);
		if (*ret_out == NULL)
			*ret_out = strdup("");
		rc = *ret_out == NULL ? -ENOMEM : 0;
	}
	(void)drbd_cmd_free(c, false);
	return rc;
}
