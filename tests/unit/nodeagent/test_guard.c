/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_guard.c - two guards, their agents' lines, real
 * sockets; the machine's device and its reset are counted
 */
#include "tests/test.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "nodeagent/guard.h"
#include "nodeagent/timing.h"
#include "nodeagent/watchdog.h"

#define LONG_NS		(20 * AV_NS_PER_S)

static const char key_text[] =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
static int resets, let_go, fed;

static int fake_open(const char *path) { (void)path; return dup(0); }
static int fake_settimeout(int fd, int *s) { (void)fd; (void)s; return 0; }
static int fake_keepalive(int fd) { (void)fd; fed++; return 0; }
static int fake_letgo(int fd) { (void)fd; let_go++; return 0; }
static void fake_reset(void) { resets++; }
static bool fake_own(void) { return true; }
static struct guard_sys fake_sys = { fake_open, fake_settimeout,
	fake_keepalive, fake_letgo, fake_reset, fake_own, NULL };

struct pm {
	char		dir[64], key[96];
	struct agent_conf conf;
	struct guard	*guard;
	struct watchdog_line *line;
};

static struct {
	sd_event	*loop;
	struct pm	 pm[2];
	struct timing	 timing;
} W;

static int
guard_start(struct pm *p)
{
	struct av_err err = { 0 };
	int rc = guard_open(W.loop, &p->conf, &fake_sys, &p->guard, &err);

	if (rc < 0)
		fprintf(stderr, "%s\n", err.text);
	return rc;
}

static int
world_open(void)
{
	int i, rc = 0;

	memset(&W, 0, sizeof(W));
	resets = let_go = fed = 0;
	if (sd_event_new(&W.loop) < 0)
		return -1;
	timing_fill(&W.timing, 200);
	for (i = 0; i < 2 && rc == 0; i++) {
		struct pm *p = &W.pm[i];

		(void)snprintf(p->dir, sizeof(p->dir), "/tmp/avguard.XXXXXX");
		if (mkdtemp(p->dir) == NULL)
			return -1;
		(void)snprintf(p->key, sizeof(p->key), "%s/key", p->dir);
		rc = av_file_write(p->key, key_text, strlen(key_text), 0600,
		    NULL);
		p->conf = (struct agent_conf){ .node = i, .run_dir = p->dir,
		    .key_file = p->key, .time_scale = 2, .n_links = 1,
		    .watchdog = (char *)(uintptr_t)"/dev/watchdog",
		    .watchdog_port = (uint16_t)(20000 + getpid() % 20000) };
		(void)snprintf(p->conf.unit_uuid, sizeof(p->conf.unit_uuid),
		    "01234567-89ab-cdef-0123-456789abcdef");
		(void)snprintf(p->conf.links[0].local, 64, "127.0.0.%d",
		    31 + i);
		(void)snprintf(p->conf.links[0].peer, 64, "127.0.0.%d", 32 - i);
		if (rc == 0)
			rc = guard_start(p);
	}
	return rc;
}

static void
world_close(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct pm *p = &W.pm[i];
		char path[128];

		p->line = watchdog_line_close(p->line);
		p->guard = guard_close(p->guard);
		(void)snprintf(path, sizeof(path), "%s/watchdog.hold", p->dir);
		(void)unlink(path);
		(void)unlink(p->key);
		(void)rmdir(p->dir);
	}
	W.loop = sd_event_unref(W.loop);
}

static void
say(struct pm *p, enum watchdog_hold hold, bool healthy, bool grant)
{
	struct watchdog_say s = { .hold = hold, .healthy = healthy,
	    .grant = grant, .pass_ns = av_clock_ns() };

	if (p->line == NULL)
		p->line = watchdog_line_open(p->dir);
	watchdog_line_say(p->line, &s);
}

/* Runs both guards until 'cond' holds; 'pass' is done as often as agents do. */
#define RUN_UNTIL(cond, pass) do { \
	uint64_t end_ns = av_clock_ns() + LONG_NS, pass_ns = 0; \
	while (!(cond) && av_clock_ns() < end_ns) { \
		if (av_clock_ns() - pass_ns > W.timing.pass_ns) { \
			pass_ns = av_clock_ns(); \
			pass; \
		} \
		(void)sd_event_run(W.loop, 20000); \
	} \
	CHECK(cond); \
} while (0)

#define WELL(i)	say(&W.pm[i], WATCHDOG_TOGETHER, true, true)

TEST(a_hung_agent_lives_by_the_peers_word_until_it_is_taken_back)
{
	const struct watchdog *w;
	uint64_t taken_ns;

	CHECK_EQ(world_open(), 0);
	w = guard_peek(W.pm[0].guard);
	WELL(0);
	/* node0's agent says nothing more; node1's is well */
	RUN_UNTIL(w->pass_ns != 0 && w->hold == WATCHDOG_TOGETHER &&
	    av_clock_ns() > w->pass_ns + W.timing.strict_ns + 200 *
	    AV_NS_PER_MS && w->proof_ns > av_clock_ns(), WELL(1));
	CHECK_EQ(resets, 0);
	CHECK(fed > 0);
	/* node1 loses node0: its word is taken back, the links are whole */
	say(&W.pm[1], WATCHDOG_KEEP, false, false);
	taken_ns = av_clock_ns();
	RUN_UNTIL(resets > 0, say(&W.pm[1], WATCHDOG_KEEP, false, false));
	CHECK(w->proof_ns <= taken_ns + W.timing.lease_ns);
	CHECK(av_clock_ns() >= w->proof_ns);
	world_close();
	return 0;
}

TEST(no_peer_no_pass_no_pm)
{
	CHECK_EQ(world_open(), 0);
	W.pm[1].guard = guard_close(W.pm[1].guard);
	WELL(0);
	RUN_UNTIL(guard_peek(W.pm[0].guard)->hold == WATCHDOG_TOGETHER, (void)0);
	CHECK_EQ(resets, 0);
	RUN_UNTIL(resets > 0, (void)0);
	world_close();
	return 0;
}

TEST(the_next_guard_knows_what_is_held)
{
	CHECK_EQ(world_open(), 0);
	WELL(0);
	RUN_UNTIL(guard_peek(W.pm[0].guard)->hold == WATCHDOG_TOGETHER, (void)0);
	let_go = 0;
	W.pm[0].guard = guard_close(W.pm[0].guard);
	CHECK_EQ(let_go, 0);		/* guests may run: the device stays armed */
	CHECK_EQ(guard_start(&W.pm[0]), 0);
	CHECK(guard_peek(W.pm[0].guard)->hold == WATCHDOG_TOGETHER);
	CHECK(!guard_peek(W.pm[0].guard)->grant);
	/* the agent finds the new one by itself */
	say(&W.pm[0], WATCHDOG_NONE, false, false);
	RUN_UNTIL(guard_peek(W.pm[0].guard)->hold == WATCHDOG_NONE, (void)0);
	W.pm[0].guard = guard_close(W.pm[0].guard);
	CHECK_EQ(let_go, 1);
	world_close();
	return 0;
}

/* What av-vmrun leaves: RUN_DIR/vm/o1/lock, held while the guest lives. */
static int
guest_begin(const struct pm *p, char path[128])
{
	(void)snprintf(path, 128, "%s/vm", p->dir);
	(void)mkdir(path, 0700);
	(void)snprintf(path, 128, "%s/vm/o1", p->dir);
	(void)mkdir(path, 0700);
	(void)snprintf(path, 128, "%s/vm/o1/lock", p->dir);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void
guest_end(const struct pm *p)
{
	static const char *const names[] = { "vm/o1/lock", "vm/o1", "vm" };
	char path[128];
	size_t i;

	for (i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", p->dir, names[i]);
		(void)remove(path);
	}
}

/* The end of node0's guard after its agent said TOGETHER; 1: the device is let go. */
static int
end_of_guard(const char *driver, bool agent_stays, bool guest)
{
	struct pm *p = &W.pm[0];
	char path[128];
	int fd, opened = world_open();

	if (opened != 0)
		return -1;
	p->guard = guard_close(p->guard);
	p->conf.driver_vmm = (char *)(uintptr_t)driver;
	if (guard_start(p) != 0)
		return -2;
	fd = guest_begin(p, path);
	if (fd < 0 || (guest && flock(fd, LOCK_EX) < 0))
		return -3;
	WELL(0);
	RUN_UNTIL(guard_peek(p->guard)->hold == WATCHDOG_TOGETHER, (void)0);
	if (!agent_stays) {
		p->line = watchdog_line_close(p->line);
		RUN_UNTIL(!guard_peek(p->guard)->agent, (void)0);
	}
	let_go = 0;
	p->guard = guard_close(p->guard);
	(void)close(fd);
	guest_end(p);
	fd = let_go;
	world_close();
	return fd;
}

TEST(a_machine_without_agent_and_guests_may_end)
{
	CHECK_EQ(end_of_guard("qemu", false, false), 1);
	return 0;
}

TEST(a_guest_without_agent_keeps_the_device_armed)
{
	CHECK_EQ(end_of_guard("qemu", false, true), 0);
	return 0;
}

TEST(an_agent_keeps_the_device_armed)
{
	CHECK_EQ(end_of_guard("qemu", true, false), 0);
	return 0;
}

/* 'device': this system serves one to a domain. */
static int
end_under_xen(bool guest, bool device)
{
	char dir[] = "/tmp/avbackends.XXXXXX", path[64];
	int rc;

	if (mkdtemp(dir) == NULL)
		return -4;
	(void)snprintf(path, sizeof(path), "%s/vif-1-0", dir);
	if (device && mkdir(path, 0700) < 0)
		return -5;
	fake_sys.backends = dir;
	rc = end_of_guard("xen", false, guest);
	fake_sys.backends = NULL;
	(void)rmdir(path);
	(void)rmdir(dir);
	return rc;
}

TEST(a_domain_without_a_process_keeps_the_device_armed)
{
	CHECK_EQ(end_under_xen(false, true), 0);
	CHECK_EQ(end_under_xen(true, false), 0);
	CHECK_EQ(end_under_xen(false, false), 1);
	/* where none can be seen some may be */
	CHECK_EQ(end_of_guard("xen", false, false), 0);
	return 0;
}

TEST(guests_of_an_unknown_kind_keep_the_device_armed)
{
	CHECK_EQ(end_of_guard("sim", false, false), 0);
	return 0;
}

TEST(what_the_line_tells)
{
	json_t *f;

	CHECK_EQ(world_open(), 0);
	WELL(0);
	RUN_UNTIL(guard_peek(W.pm[0].guard)->agent, (void)0);
	WELL(0);
	f = watchdog_line_facts(W.pm[0].line);
	CHECK_STR(json_string_value(json_object_get(f, "state")), "ok");
	CHECK_STR(json_string_value(json_object_get(f, "device")), "device");
	json_decref(f);
	W.pm[0].guard = guard_close(W.pm[0].guard);
	WELL(0);
	f = watchdog_line_facts(W.pm[0].line);
	CHECK_STR(json_string_value(json_object_get(f, "state")), "gone");
	json_decref(f);
	world_close();
	return 0;
}

TESTS_MAIN(T(a_hung_agent_lives_by_the_peers_word_until_it_is_taken_back),
    T(no_peer_no_pass_no_pm), T(the_next_guard_knows_what_is_held),
    T(a_machine_without_agent_and_guests_may_end),
    T(a_guest_without_agent_keeps_the_device_armed),
    T(an_agent_keeps_the_device_armed),
    T(a_domain_without_a_process_keeps_the_device_armed),
    T(guests_of_an_unknown_kind_keep_the_device_armed),
    T(what_the_line_tells))
