/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_scope.c - av-scope's request to systemd, heard by a
 * server that speaks the manager's part
 */
#include "tests/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/clock.h"
#include "nodeagent/scope.h"

/* for functions that aren't tests; enter() says it */
#define WANT(cond)	do { if (!(cond)) S.bad = __LINE__; } while (0)
#define JOB	"/org/freedesktop/systemd1/job/7"

enum mood { DOES_IT, DOES_IT_LATE, REFUSES, JOB_FAILS, ANOTHERS_JOB, SILENT,
	HANGS_UP };

static struct {
	enum mood	 mood;
	char		 path[64], address[96];
	int		 listen_fd;
	pthread_t	 thread;
	/* what was asked for */
	char		 name[80], mode[16], slice[40], collect[40];
	char		 before[80], after[80];
	uint32_t	 pid;
	uint64_t	 stop_usec;
	bool		 moved;		/* the job was over before we said so */
	int		 asked;
	int		 bad;		/* line of the server's complaint */
} S;

static void
job_removed(sd_bus *bus, const char *job, const char *result)
{
	WANT(sd_bus_emit_signal(bus, "/org/freedesktop/systemd1",
	    "org.freedesktop.systemd1.Manager", "JobRemoved", "uoss", 7, job,
	    S.name, result) >= 0);
}

static void
read_units(sd_bus_message *m, char *dst, size_t n)
{
	const char *unit;

	WANT(sd_bus_message_enter_container(m, 'a', "s") > 0);
	while (sd_bus_message_read(m, "s", &unit) > 0)
		(void)snprintf(dst + strlen(dst), n - strlen(dst), "%s ", unit);
	(void)sd_bus_message_exit_container(m);
}

static void
read_property(sd_bus_message *m, const char *name)
{
	const char *type, *text = "";
	const struct { const char *name; char *dst; size_t n; } texts[] = {
		{ "Slice", S.slice, sizeof(S.slice) },
		{ "CollectMode", S.collect, sizeof(S.collect) } };
	size_t i;

	WANT(sd_bus_message_peek_type(m, NULL, &type) > 0);
	WANT(sd_bus_message_enter_container(m, 'v', type) > 0);
	if (strcmp(type, "s") == 0) {
		WANT(sd_bus_message_read(m, "s", &text) > 0);
		for (i = 0; i < 2; i++)
			if (strcmp(name, texts[i].name) == 0)
				(void)snprintf(texts[i].dst, texts[i].n, "%s",
				    text);
	} else if (strcmp(name, "PIDs") == 0) {
		WANT(sd_bus_message_read(m, "au", 1, &S.pid) > 0);
	} else if (strcmp(name, "TimeoutStopUSec") == 0) {
		WANT(sd_bus_message_read(m, "t", &S.stop_usec) > 0);
	} else if (strcmp(name, "Before") == 0) {
		read_units(m, S.before, sizeof(S.before));
	} else if (strcmp(name, "After") == 0) {
		read_units(m, S.after, sizeof(S.after));
	} else {
		WANT(false);	/* nothing else is asked for */
	}
	(void)sd_bus_message_exit_container(m);
}

static void
read_request(sd_bus_message *m)
{
	const char *name, *mode;

	WANT(sd_bus_message_read(m, "ss", &name, &mode) > 0);
	(void)snprintf(S.name, sizeof(S.name), "%s", name);
	(void)snprintf(S.mode, sizeof(S.mode), "%s", mode);
	WANT(sd_bus_message_enter_container(m, 'a', "(sv)") > 0);
	while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
		WANT(sd_bus_message_read(m, "s", &name) > 0);
		read_property(m, name);
		(void)sd_bus_message_exit_container(m);
	}
	(void)sd_bus_message_exit_container(m);
}

static int
on_request(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	sd_bus *bus = sd_bus_message_get_bus(m);

	(void)arg;
	(void)error;
	if (!sd_bus_message_is_method_call(m,
	    "org.freedesktop.systemd1.Manager", "StartTransientUnit"))
		return 0;
	S.asked++;
	read_request(m);
	if (S.mood == REFUSES)
		return sd_bus_reply_method_errorf(m,
		    "org.freedesktop.systemd1.UnitExists", "it is there");
	if (S.mood == SILENT)
		return 1;
	if (S.mood == HANGS_UP) {
		sd_bus_close(bus);
		return 1;
	}
	WANT(sd_bus_reply_method_return(m, "o", JOB) >= 0);
	(void)sd_bus_flush(bus);
	if (S.mood == DOES_IT_LATE) {
		uint64_t until_ns = av_clock_ns() + 150 * AV_NS_PER_MS;

		job_removed(bus, "/org/freedesktop/systemd1/job/6", "done");
		(void)sd_bus_flush(bus);
		while (av_clock_ns() < until_ns)
			(void)sched_yield();
	}
	if (S.mood == ANOTHERS_JOB) {
		job_removed(bus, "/org/freedesktop/systemd1/job/6", "done");
		return 1;
	}
	S.moved = true;
	job_removed(bus, JOB, S.mood == JOB_FAILS ? "failed" : "done");
	return 1;
}

/* One client, until it hangs up. */
static void *
serve(void *arg)
{
	int fd = accept(S.listen_fd, NULL, NULL);
	sd_bus *bus = NULL;
	sd_id128_t id = { .bytes = { 1 } };
	int r;

	(void)arg;
	WANT(fd >= 0 && sd_bus_new(&bus) >= 0);
	WANT(sd_bus_set_fd(bus, fd, fd) >= 0);
	WANT(sd_bus_set_server(bus, 1, id) >= 0);
	WANT(sd_bus_set_anonymous(bus, 1) >= 0);
	WANT(sd_bus_start(bus) >= 0);
	WANT(sd_bus_add_filter(bus, NULL, on_request, NULL) >= 0);
	do {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	} while (r >= 0 && sd_bus_is_open(bus) > 0);
	sd_bus_unref(bus);
	return NULL;
}

static int
enter(enum mood mood, uint64_t limit_ms, struct av_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct scope s = { .name = "avpair-guest-o12-1.scope",
	    .slice = "avpair-guests.slice", .description = "a guest",
	    .before = { "avnoded.service", "avpair-guests.service" },
	    .after = { "av-watchdog.service" }, .stop_ms = 15000,
	    .limit_ms = limit_ms, .address = S.address };
	char dir[] = "/tmp/avscope.XXXXXX";
	int rc;

	memset(&S, 0, sizeof(S));
	S.mood = mood;
	WANT(mkdtemp(dir) != NULL);
	(void)snprintf(S.path, sizeof(S.path), "%s/private", dir);
	(void)snprintf(S.address, sizeof(S.address), "unix:path=%s", S.path);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", S.path);
	S.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	WANT(bind(S.listen_fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    listen(S.listen_fd, 1) == 0);
	WANT(pthread_create(&S.thread, NULL, serve, NULL) == 0);
	rc = scope_enter(&s, err);
	(void)pthread_join(S.thread, NULL);
	(void)close(S.listen_fd);
	(void)unlink(S.path);
	(void)rmdir(dir);
	if (S.bad != 0)
		fprintf(stderr, "line %d isn't so\n", S.bad);
	return S.bad != 0 ? 1000 : rc;
}

TEST(asks_for_a_scope_of_this_process)
{
	struct av_err err = { 0 };

	CHECK_EQ(enter(DOES_IT, 5000, &err), 0);
	CHECK_EQ(S.asked, 1);
	CHECK_STR(S.name, "avpair-guest-o12-1.scope");
	CHECK_STR(S.mode, "fail");
	CHECK_STR(S.slice, "avpair-guests.slice");
	CHECK_STR(S.collect, "inactive-or-failed");
	CHECK_EQ(S.pid, (uint32_t)getpid());
	CHECK_EQ(S.stop_usec, 15000000u);
	CHECK_STR(S.before, "avnoded.service avpair-guests.service ");
	CHECK_STR(S.after, "av-watchdog.service ");
	return 0;
}

TEST(waits_until_it_is_moved)
{
	struct av_err err = { 0 };

	CHECK_EQ(enter(DOES_IT_LATE, 5000, &err), 0);
	CHECK(S.moved);
	return 0;
}

TEST(a_refusal_is_told_and_certain)
{
	struct av_err err = { 0 };

	CHECK(enter(REFUSES, 5000, &err) < 0);
	CHECK(strstr(err.text, "it is there") != NULL);
	CHECK_EQ(err.outcome, AV_NOT_DONE);
	return 0;
}

TEST(a_failed_job_is_an_error)
{
	struct av_err err = { 0 };

	CHECK_EQ(enter(JOB_FAILS, 5000, &err), -EIO);
	return 0;
}

TEST(no_answer_is_waited_for_no_longer_than_allowed)
{
	struct av_err err = { 0 };
	uint64_t start_ns = av_clock_ns();

	CHECK(enter(SILENT, 200, &err) < 0);
	CHECK_EQ(err.outcome, AV_MAYBE);
	CHECK(av_clock_ns() - start_ns < 10 * AV_NS_PER_S);
	return 0;
}

TEST(anothers_job_isnt_ours)
{
	struct av_err err = { 0 };

	CHECK_EQ(enter(ANOTHERS_JOB, 200, &err), -ETIMEDOUT);
	CHECK_EQ(err.outcome, AV_MAYBE);
	return 0;
}

TEST(a_lost_manager_is_an_error)
{
	struct av_err err = { 0 };

	CHECK(enter(HANGS_UP, 5000, &err) < 0);
	CHECK_EQ(err.outcome, AV_MAYBE);
	return 0;
}

TEST(no_manager_is_an_error)
{
	struct av_err err = { 0 };
	struct scope s = { .name = "a.scope", .slice = "a.slice",
	    .description = "a", .limit_ms = 1000,
	    .address = "unix:path=/nonexistent/private" };

	CHECK(scope_enter(&s, &err) < 0);
	CHECK_EQ(err.outcome, AV_NOT_DONE);
	return 0;
}

TESTS_MAIN(T(asks_for_a_scope_of_this_process), T(waits_until_it_is_moved),
    T(a_refusal_is_told_and_certain), T(a_failed_job_is_an_error),
    T(no_answer_is_waited_for_no_longer_than_allowed),
    T(anothers_job_isnt_ours), T(a_lost_manager_is_an_error),
    T(no_manager_is_an_error))
