/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_server_end.c - a server counts as down when its process
 * has gone, not before
 *
 * A process that ends closes its sockets before it lets go of its leg.  A child in
 * the server's place answers, then closes its control socket and lives on.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/frame.h"
#include "mirror/mirror.h"
#include "tests/test.h"

struct place {
	char		dir[32], control[64];
	sd_event	*loop;
	struct mirror	*m;
	pid_t		pid;
	double		time_scale;
};

static int
listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 1) < 0)
		return -1;
	return fd;
}

/* Says that it is up, waits for a signal to end its socket; never returns. */
static void
serve(const char *control, int listener, const sigset_t *wait_for)
{
	json_t *up = json_pack("{s:s,s:{s:i}}", "event", "status", "status",
	    "pid", (int)getpid());
	int sig, fd = accept(listener, NULL, NULL);

	if (up == NULL || fd < 0 || av_frame_send(fd, up) < 0)
		_exit(1);
	(void)sigwait(wait_for, &sig);
	(void)unlink(control);
	(void)close(listener);
	(void)close(fd);
	for (;;)
		(void)pause();
}

static int
place_up(struct place *s)
{
	struct mirror_conf c = { .id = "o3", .run_dir = s->dir, .dir = s->dir,
		.unit_uuid = "0123456789abcdef0123456789abcdef",
		.volume_uuid = "0123456789abcdef0123456789abcdee",
		.listen_addr = "127.0.0.1", .port = 1, .peer_port = 1,
		.peer_addrs = { "127.0.0.1" }, .n_peer_addrs = 1,
		.psk_file = "/dev/null", .plugin_path = "/dev/null",
		.log_path = "/dev/null", .time_scale = s->time_scale };
	struct av_err err = { 0 };
	uint64_t due = av_clock_ns() + 30 * AV_NS_PER_S;
	sigset_t usr1;
	int listener;

	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/av-end-XXXXXX");
	CHECK(mkdtemp(s->dir) != NULL);
	(void)snprintf(s->control, sizeof(s->control), "%s/control.sock",
	    s->dir);
	listener = listen_at(s->control);
	CHECK(listener >= 0);
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &usr1, NULL), 0);
	s->pid = fork();
	if (s->pid == 0)
		serve(s->control, listener, &usr1);
	(void)close(listener);
	CHECK(s->pid > 0);
	CHECK_EQ(sd_event_new(&s->loop), 0);
	CHECK_EQ(mirror_open("replica", &c, s->loop, NULL, NULL, &s->m, &err),
	    0);
	while (mirror_status_peek(s->m)->server != MIRROR_SERVER_UP &&
	    av_clock_ns() < due)
		CHECK(sd_event_run(s->loop, 20000) >= 0);
	CHECK_EQ(mirror_status_peek(s->m)->server, MIRROR_SERVER_UP);
	CHECK_EQ(mirror_status_peek(s->m)->pid, s->pid);
	return 0;
}

/* Runs the loop until DOWN; returns how long that took, UINT64_MAX = never. */
static uint64_t
wait_down(struct place *s, uint64_t at_most_ns)
{
	uint64_t t0 = av_clock_ns();

	while (mirror_status_peek(s->m)->server != MIRROR_SERVER_DOWN) {
		if (av_clock_ns() - t0 > at_most_ns ||
		    sd_event_run(s->loop, 10000) < 0)
			return UINT64_MAX;
	}
	return av_clock_ns() - t0;
}

static int
place_end(struct place *s)
{
	s->m = mirror_close(s->m);
	sd_event_unref(s->loop);
	(void)kill(s->pid, SIGKILL);
	CHECK_EQ(waitpid(s->pid, NULL, 0), s->pid);
	(void)unlink(s->control);
	CHECK_EQ(rmdir(s->dir), 0);
	return 0;
}

TEST(down_is_said_when_the_process_has_gone)
{
	struct place s = { 0 };

	CHECK_EQ(place_up(&s), 0);
	CHECK_EQ(kill(s.pid, SIGUSR1), 0);
	/* its socket is closed, its process holds the leg */
	CHECK(wait_down(&s, 300 * AV_NS_PER_MS) == UINT64_MAX);
	CHECK_EQ(kill(s.pid, SIGKILL), 0);
	CHECK(wait_down(&s, 30 * AV_NS_PER_S) != UINT64_MAX);
	CHECK_STR(mirror_status_peek(s.m)->error_code, "server-down");
	return place_end(&s);
}

/* One that can't end (its disk doesn't answer) is given up. */
TEST(a_process_that_never_goes_is_given_up)
{
	struct place s = { 0 };
	uint64_t took;

	CHECK_EQ(place_up(&s), 0);
	CHECK_EQ(kill(s.pid, SIGUSR1), 0);
	took = wait_down(&s, 60 * AV_NS_PER_S);
	CHECK(took != UINT64_MAX && took > 900 * AV_NS_PER_MS);
	return place_end(&s);
}

/* A slow PM isn't taken for one whose disk hangs. */
TEST(a_slow_pm_has_longer_for_its_end)
{
	struct place s = { .time_scale = 3 };

	CHECK_EQ(place_up(&s), 0);
	CHECK_EQ(kill(s.pid, SIGUSR1), 0);
	CHECK(wait_down(&s, 1800 * AV_NS_PER_MS) == UINT64_MAX);
	CHECK_EQ(kill(s.pid, SIGKILL), 0);
	CHECK(wait_down(&s, 30 * AV_NS_PER_S) != UINT64_MAX);
	return place_end(&s);
}

TESTS_MAIN(
	T(down_is_said_when_the_process_has_gone),
	T(a_process_that_never_goes_is_given_up),
	T(a_slow_pm_has_longer_for_its_end),
)
