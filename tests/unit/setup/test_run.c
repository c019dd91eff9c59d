/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/setup/test_run.c - create and join as two processes, each with a file
 * tree of its own, over the loop-back; killed before every change of a file
 *
 * A try kills one of them at step N and gives both commands again, as a person would,
 * until both end well.  Then both trees are whole and agree.
 */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "nodeagent/setup/files.h"
#include "nodeagent/setup/fit.h"
#include "nodeagent/setup/run.h"
#include "tests/test.h"
#include "tests/unit/setup/setup_world.h"

#define CRASHED		99
#define STEPS_MAX	80
#define TRY_MS		60000

static char base[32], root[2][48], formed[2][200], password[96], net[32];
static char address[2][48];

static void
clear(void)
{
	char command[200];
	pid_t pid = fork();

	if (pid == 0) {
		(void)snprintf(command, sizeof(command), "rm -rf %s/pm0 "
		    "%s/pm1", base, base);
		(void)execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(1);
	}
	(void)waitpid(pid, NULL, 0);
}

static void
world_end(void)
{
	clear();
	(void)unlink(password);
	(void)rmdir(base);
}

static int
world_begin(void)
{
	static const char *const folders[] = { "", "/etc", "/run", "/var",
	    "/var/lib", "/var/lib/avpair" };
	char path[160];
	size_t i;
	int node;

	if (base[0] == '\0') {
		/* in memory: there are some thousand fsyncs */
		(void)snprintf(base, sizeof(base), "%s/avsetup.XXXXXX",
		    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		if (mkdtemp(base) == NULL || atexit(world_end) != 0)
			return -1;
		(void)snprintf(net, sizeof(net), "127.%d.%d.",
		    10 + getpid() / 250 % 200, 1 + getpid() % 250);
		(void)snprintf(password, sizeof(password), "%s/password", base);
		if (av_file_write(password, "a good one\n", 11, 0600, NULL) < 0)
			return -1;
	}
	clear();
	for (node = 0; node < 2; node++) {
		(void)snprintf(root[node], sizeof(root[0]), "%s/pm%d", base,
		    node);
		(void)snprintf(formed[node], sizeof(formed[0]), "%.40s/formed",
		    root[node]);
		(void)snprintf(address[node], sizeof(address[0]), "%s%d", net,
		    node + 1);
		for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
			(void)snprintf(path, sizeof(path), "%s%s", root[node],
			    folders[i]);
			if (mkdir(path, 0700) < 0)
				return -1;
		}
	}
	return 0;
}

static int crash_at, steps;

static int
count_step(const char *where)
{
	(void)where;
	if (steps++ == crash_at)
		_exit(CRASHED);
	return 0;
}

/* The command as a process; killed at that step (-1 = not). */
static pid_t
start(int node, const char *key, int step)
{
	struct setup_facts facts;
	struct setup_wish w = { .name = "try", .root = root[node],
		.formed_file = formed[node], .tick_ms = 20, .yes = true,
		.password_file = password, .private_list = "priv0",
		.business_list = "net0", .json = true };
	struct run r = { .wish = &w, .facts = &facts, .stop_fd = -1 };
	struct av_err err = { 0 };
	pid_t pid;
	int rc;

	fflush(stdout);
	pid = fork();
	if (pid != 0)
		return pid;
	(void)alarm(100);
	if (freopen("/dev/null", "w", stdout) == NULL)
		_exit(1);
	world_facts(&facts, node, net);
	crash_at = step;
	files_fault = count_step;
	if (node == 0) {
		rc = run_create(&r, &err);
	} else {
		w.private_list = w.business_list = NULL;
		w.address = address[0];
		w.key = key;
		rc = run_join(&r, &err);
	}
	if (rc < 0 && getenv("SETUP_TRACE") != NULL)
		fprintf(stderr, "pm%d: %s\n", node, err.text);
	_exit(rc < 0 ? 1 : 0);
}

static void
nap(void)
{
	struct timespec ts = { .tv_nsec = 5000000 };

	(void)nanosleep(&ts, NULL);
}

static bool
exists(int node, const char *path)
{
	char full[300];

	(void)snprintf(full, sizeof(full), "%s%s", root[node], path);
	return access(full, F_OK) == 0;
}

/* The key in the first PM's state, "" while there is none. */
static void
key_read(char *ret)
{
	struct setup_state st;

	*ret = '\0';
	if (state_load(root[0], &st, NULL) == 0 && st.phase != PHASE_NONE)
		(void)snprintf(ret, KEY_TEXT_BYTES, "%s", st.key);
	state_free(&st);
}

/* Both commands again and again until both said well; how often any was given. */
static int
until_formed(int crash_node, int step, bool *ret_crashed)
{
	uint64_t end_ns = av_clock_ns() + TRY_MS * AV_NS_PER_MS;
	bool done[2] = { false, false };
	pid_t pid[2] = { 0, 0 };
	char key[KEY_TEXT_BYTES] = "";
	int node, status, given = 0;

	*ret_crashed = false;
	while (!(done[0] && done[1]) && av_clock_ns() < end_ns) {
		if (key[0] == '\0')
			key_read(key);
		for (node = 0; node < 2; node++) {
			if (pid[node] == 0 && !done[node] &&
			    (node == 0 || key[0] != '\0')) {
				pid[node] = start(node, key,
				    node == crash_node ? step : -1);
				given++;
			}
			if (pid[node] <= 0 ||
			    waitpid(pid[node], &status, WNOHANG) == 0)
				continue;
			pid[node] = 0;
			done[node] = WIFEXITED(status) &&
			    WEXITSTATUS(status) == 0;
			if (WIFEXITED(status) &&
			    WEXITSTATUS(status) == CRASHED) {
				*ret_crashed = true;
				step = -1;
			}
		}
		/* as the agents would: together once both have their files */
		if (exists(0, FILES_CONF) && exists(1, FILES_CONF)) {
			(void)av_file_write(formed[0], "", 0, 0600, NULL);
			(void)av_file_write(formed[1], "", 0, 0600, NULL);
		}
		nap();
	}
	for (node = 0; node < 2; node++)
		if (pid[node] > 0) {
			(void)kill(pid[node], SIGKILL);
			(void)waitpid(pid[node], NULL, 0);
		}
	return done[0] && done[1] ? given : -1;
}

static int
same(const char *path)
{
	AUTO_FREE char *x = NULL;
	AUTO_FREE char *y = NULL;
	char p0[300], p1[300];
	size_t n, m;

	(void)snprintf(p0, sizeof(p0), "%s%s", root[0], path);
	(void)snprintf(p1, sizeof(p1), "%s%s", root[1], path);
	CHECK(av_file_read(p0, 1u << 20, &x, &n, NULL) == 0);
	CHECK(av_file_read(p1, 1u << 20, &y, &m, NULL) == 0);
	CHECK(n > 0 && n == m && memcmp(x, y, n) == 0);
	return 0;
}

static int
both_are_whole(void)
{
	static const char *const alike[] = { "/etc/corosync/corosync.conf",
	    "/etc/corosync/authkey", "/etc/avpair/unit.key",
	    "/etc/avpair/mirror.psk", "/etc/avpair/initial-admin",
	    "/etc/avpair/ca.crt" };
	static const char *const own[] = { FILES_CONF,
	    "/etc/avpair/avconsoled.conf", "/etc/avpair/console.crt",
	    "/etc/avpair/console.key" };
	size_t i;
	int node;

	for (i = 0; i < sizeof(alike) / sizeof(alike[0]); i++)
		CHECK(same(alike[i]) == 0);
	for (node = 0; node < 2; node++) {
		for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			CHECK(exists(node, own[i]));
		CHECK(!exists(node, STATE_FILE));
	}
	CHECK(exists(0, "/etc/avpair/ca/ca.key"));
	CHECK(!exists(1, "/etc/avpair/ca/ca.key"));
	return 0;
}

TEST(two_machines_become_a_unit)
{
	bool crashed;

	CHECK(world_begin() == 0);
	CHECK_EQ(until_formed(-1, -1, &crashed), 2);
	CHECK(both_are_whole() == 0);
	return 0;
}

/* Killed before each change of a file, the same commands go on. */
static int
crash_everywhere(int node, int at_least)
{
	bool crashed = true;
	int step, given;

	for (step = 0; crashed && step < STEPS_MAX; step++) {
		CHECK(world_begin() == 0);
		given = until_formed(node, step, &crashed);
		if (given < 0 || both_are_whole() != 0) {
			fprintf(stderr, "pm%d killed at step %d\n", node, step);
			return 1;
		}
		CHECK(!crashed || given > 2);
	}
	CHECK(!crashed && step > at_least);	/* walked past the last one */
	return 0;
}

TEST(create_goes_on_after_every_crash)
{
	return crash_everywhere(0, 20);
}

TEST(join_goes_on_after_every_crash)
{
	return crash_everywhere(1, 18);
}

/* Until it is committed nothing stands outside of the setup's own folder. */
TEST(a_lone_create_writes_nothing_else)
{
	char key[KEY_TEXT_BYTES] = "";
	pid_t pid;
	int i;

	CHECK(world_begin() == 0);
	pid = start(0, NULL, -1);
	for (i = 0; i < 4000 && key[0] == '\0'; i++) {
		key_read(key);
		nap();
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	CHECK(key[0] != '\0');
	CHECK(!exists(0, FILES_CONF) && !exists(0, "/etc/corosync"));
	return 0;
}

/* No service starts without avnoded.conf, so nothing may come after it. */
static bool conf_seen, after_conf;

static int
watch_step(const char *where)
{
	if (strncmp(where, "/etc/", 5) == 0 && conf_seen)
		after_conf = true;
	conf_seen |= strcmp(where, FILES_CONF) == 0;
	return 0;
}

TEST(avnoded_conf_is_the_last_file)
{
	static struct setup_facts own, other;
	static struct findings fs;
	struct setup_secrets s = { { NULL } };
	struct setup_local l = { .uid = 1 };
	struct setup_files files;
	struct setup_plan p;

	CHECK(world_begin() == 0);
	world_facts(&own, 0, "10.78.0.");
	world_facts(&other, 1, "10.78.0.");
	world_plan(&p);
	CHECK(fit_complete(&p, &own, &other, &fs));
	CHECK(secrets_make(&s, NULL) == 0 && secrets_certify(&s, &p, NULL) == 0);
	CHECK(secrets_set(&s, SECRET_ADMIN, "admin:$x") == 0);
	CHECK(files_make(&p, &s, &l, 0, &files, NULL) == 0);
	files_fault = watch_step;
	CHECK(files_install(&files, root[0], NULL) == 0);
	files_fault = NULL;
	CHECK(conf_seen && !after_conf);
	files_free(&files);
	secrets_free(&s);
	return 0;
}

/* --- the service that waits --- */

/* What AVPAIR_SERVICES names: 'stop' ends that process and waits until its lock is
 * free; 0 = it ends nobody. */
static int
starter_make(const char *path, pid_t pid)
{
	char text[300] = "#!/bin/sh\n";

	if (pid != 0)
		(void)snprintf(text, sizeof(text), "#!/bin/sh\n"
		    "[ \"$1 $2\" != 'stop avpair-setup' ] || {\n"
		    "kill -KILL %d && flock %s%s true; }\n", (int)pid, root[0],
		    STATE_LOCK);

	return av_file_write(path, text, strlen(text), 0700, NULL) < 0 ? -1 :
	    setenv("AVPAIR_SERVICES", path, 1);
}

/* A process with the lock, as the service's; returns when it has it. */
static pid_t
locked(void)
{
	int pipes[2], fd;
	char c;
	pid_t pid;

	if (pipe(pipes) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)alarm(100);
		if (state_lock(root[0], &fd, NULL) < 0 ||
		    write(pipes[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	(void)close(pipes[1]);
	if (read(pipes[0], &c, 1) != 1)
		pid = -1;
	(void)close(pipes[0]);
	return pid;
}

static int
verb(int (*run)(struct run *, struct av_err *), bool dry, struct av_err *err)
{
	struct setup_facts facts;
	struct setup_wish w = { .name = "try", .root = root[0], .no_wait = true,
		.yes = true, .dry_run = dry, .password_file = password,
		.private_list = "priv0", .business_list = "net0" };
	struct run r = { .wish = &w, .facts = &facts, .stop_fd = -1 };
	int rc;

	*err = (struct av_err){ .rc = 0 };
	world_facts(&facts, 0, net);
	rc = run(&r, err);
	state_free(&r.st);
	return rc;
}

TEST(the_waiting_service_gives_way)
{
	char starter[96];
	struct av_err err;
	pid_t pid;

	CHECK(world_begin() == 0);
	(void)snprintf(starter, sizeof(starter), "%s/pm0/starter", base);
	CHECK(starter_make(starter, 0) == 0);
	CHECK_EQ(verb(run_create, false, &err), 0);

	/* another person's av-setup doesn't end by it */
	pid = locked();
	CHECK(pid > 0);
	CHECK_EQ(verb(run_create, false, &err), -EBUSY);
	CHECK_STR(err.code, "busy");
	CHECK_EQ(verb(run_leave, false, &err), -EBUSY);
	CHECK(exists(0, STATE_FILE));

	CHECK(starter_make(starter, pid) == 0);
	CHECK_EQ(verb(run_create, true, &err), -EBUSY);	/* looks only */
	CHECK_EQ(verb(run_create, false, &err), 0);
	(void)waitpid(pid, NULL, 0);

	pid = locked();
	CHECK(pid > 0);
	CHECK(starter_make(starter, pid) == 0);
	CHECK_EQ(verb(run_leave, false, &err), 0);
	(void)waitpid(pid, NULL, 0);
	CHECK(!exists(0, STATE_FILE));
	CHECK(unsetenv("AVPAIR_SERVICES") == 0);
	return 0;
}

TESTS_MAIN(T(two_machines_become_a_unit), T(create_goes_on_after_every_crash),
    T(join_goes_on_after_every_crash), T(a_lone_create_writes_nothing_else),
    T(avnoded_conf_is_the_last_file), T(the_waiting_service_gives_way))
