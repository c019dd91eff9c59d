/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/services.c - what is outside of this process
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/str.h"
#include "nodeagent/setup/services.h"
#include "nodeagent/setup/text.h"

#define AGENT_ANSWER_MS	2000

/* --- programs --- */

/* Reads until the end, the time, or the program's end. */
static int
collect(int fd, pid_t pid, char *out, size_t n, uint64_t end_ns)
{
	char drop[512];
	size_t have = 0;
	ssize_t r = 1;

	while (r != 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = av_clock_ns();
		bool room = out != NULL && have + 1 < n;

		if (now >= end_ns || poll(&p, 1,
		    (int)((end_ns - now) / AV_NS_PER_MS) + 1) == 0) {
			(void)kill(pid, SIGKILL);
			return -ETIMEDOUT;
		}
		r = read(fd, room ? out + have : drop,
		    room ? n - 1 - have : sizeof(drop));
		if (r < 0 && errno != EINTR)
			break;
		if (r > 0 && room)
			have += (size_t)r;
	}
	if (out != NULL)
		out[have] = '\0';
	return 0;
}

int
services_output(const char *const *argv, char *out, size_t n)
{
	static char path_var[] = "PATH=/usr/local/sbin:/usr/local/bin:"
	    "/usr/sbin:/usr/bin:/sbin:/bin";
	static char lang_var[] = "LC_ALL=C.UTF-8";
	char *const envp[] = { path_var, lang_var, NULL };
	uint64_t end_ns = av_clock_ns() + SERVICES_MAX_S * AV_NS_PER_S;
	posix_spawn_file_actions_t fa;
	int pipes[2], status = 0, rc;
	pid_t pid;

	if (out != NULL)
		*out = '\0';
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	/* what it complains about is the user's to read, when nobody else reads */
	if (out != NULL)
		(void)posix_spawn_file_actions_addopen(&fa, 2, "/dev/null",
		    O_WRONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&fa, out != NULL ? pipes[1] : 2,
	    1);
	rc = -posix_spawnp(&pid, argv[0], &fa, NULL,
	    (char *const *)(uintptr_t)argv, envp);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)close(pipes[1]);
	if (rc == 0) {
		if (out != NULL)
			rc = collect(pipes[0], pid, out, n, end_ns);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (rc == 0)
			rc = WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
	}
	(void)close(pipes[0]);
	return rc;
}

int
services_run(const char *const *argv)
{
	return services_output(argv, NULL, 0);
}

/* --- services --- */

bool
services_possible(void)
{
	const char *starter = getenv("AVPAIR_SERVICES");

	return starter != NULL ? access(starter, X_OK) == 0 :
	    access("/run/systemd/system", F_OK) == 0;
}

static int
call(const char *const *argv, struct av_err *err)
{
	int rc = services_run(argv);

	if (rc == 0)
		return 0;
	return av_err_code(err, rc < 0 ? rc : -EIO, "service-failed",
	    tr("'%s %s' failed (%d): its journal says why"), argv[0], argv[1],
	    rc);
}

static int
starter_call(const char *verb, struct av_err *err)
{
	const char *argv[] = { getenv("AVPAIR_SERVICES"), verb, "corosync",
	    "av-watchdog", "avnoded", "avconsoled", NULL };

	return call(argv, err);
}

int
services_start(struct av_err *err)
{
	static const char *const reload[] = { "systemctl", "daemon-reload",
	    NULL };
	static const char *const enable[] = { "systemctl", "enable", "-q",
	    "corosync", "av-watchdog", "avnoded", "avconsoled", NULL };
	/* the package started corosync with a configuration of its own */
	static const char *const corosync[] = { "systemctl", "restart",
	    "corosync", NULL };
	static const char *const start[] = { "systemctl", "start",
	    "av-watchdog", "avnoded", "avconsoled", NULL };
	int rc;

	if (getenv("AVPAIR_SERVICES") != NULL)
		return starter_call("start", err);
	(void)services_run(reload);	/* what fails here fails below */
	rc = call(enable, err);
	if (rc == 0)
		rc = call(corosync, err);
	return rc < 0 ? rc : call(start, err);
}

int
services_stop(struct av_err *err)
{
	static const char *const stop[] = { "systemctl", "stop", "avconsoled",
	    "avnoded", "av-watchdog", "corosync", NULL };

	return getenv("AVPAIR_SERVICES") != NULL ? starter_call("stop", err) :
	    call(stop, err);
}

static int
setup_call(const char *verb, struct av_err *err)
{
	const char *starter = getenv("AVPAIR_SERVICES");
	const char *argv[] = { starter != NULL ? starter : "systemctl", verb,
	    "avpair-setup", NULL };

	return call(argv, err);
}

int
services_start_setup(struct av_err *err)
{
	return setup_call("start", err);
}

int
services_stop_setup(struct av_err *err)
{
	return setup_call("stop", err);
}

/* --- sockets --- */

static socklen_t
address_of(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return sizeof(*v6);
	}
	return 0;
}

int
services_bind(const char *address, uint16_t port, int type)
{
	struct sockaddr_storage sa;
	socklen_t n = address_of(address, port, &sa);
	AUTO_FD int fd = -1;
	int one = 1;

	if (n == 0)
		return -EINVAL;
	fd = socket(sa.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
		    sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, n) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int
services_connect(const char *address, uint16_t port, unsigned ms)
{
	struct sockaddr_storage sa;
	socklen_t n = address_of(address, port, &sa), len = sizeof(int);
	AUTO_FD int fd = -1;
	struct pollfd p;
	int why = 0;

	if (n == 0)
		return -EINVAL;
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, n) == 0)
		return TAKE_FD(fd);
	if (errno != EINPROGRESS)
		return -errno;
	p = (struct pollfd){ .fd = fd, .events = POLLOUT };
	if (poll(&p, 1, (int)ms) <= 0)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		return -errno;
	return why != 0 ? -why : TAKE_FD(fd);
}

/* --- the agent --- */

int
services_formed(const char *socket_path, char *why, size_t n)
{
	AUTO_JSON json_t *ask = json_pack(
	    "{s:i, s:s, s:{}, s:{s:s, s:s, s:s, s:s}}", "id", 1, "op",
	    "unit.info", "args", "actor", "user", "root", "role", "read-only",
	    "origin", "local", "via", "unix");
	AUTO_JSON json_t *answer = NULL;
	struct av_frame_reader fr = { .max_bytes = 1u << 20 };
	AUTO_FD int fd = av_unix_connect(socket_path);
	const char *activity, *text;
	const json_t *result;
	int rc = fd < 0 ? fd : av_frame_send(fd, ask);

	*why = '\0';
	if (rc == 0)
		rc = av_frame_recv(&fr, fd, AGENT_ANSWER_MS, &answer);
	av_frame_reader_dispose(&fr);
	if (rc < 0)
		return 0;
	result = json_object_get(answer, "result");
	activity = json_string_value(json_object_get(result, "activity"));
	text = json_string_value(json_object_get(json_object_get(result,
	    "reason"), "text"));
	if (text != NULL)
		(void)snprintf(why, n, "%s", text);
	av_utf8_trim(why);
	return activity != NULL && (strcmp(activity, "running") == 0 ||
	    strcmp(activity, "syncing") == 0);
}
