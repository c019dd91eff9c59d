/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/vmm/xen_be_fake.c - vmm/xenrun/be.h without Xen, for av-xenrun-fake
 *
 * The domain of RUNTIME's guest is the file RUNTIME/fakedom: "DOMID STATE WHY
 * UUID", STATE one of paused, running, shutdown, dying.  It outlives av-xenrun as a
 * domain does; a test pulls strings by writing it.  RUNTIME/fakecalls gets a line
 * for each domain that is made or destroyed, and each disk that got quiet.  While
 * RUNTIME/fakehold holds a
 * number, a stream stays at that step: 1 the guest runs, 7 it stands.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/xenrun/be.h"

#define MAKE_MS		60
#define STREAM_STEPS	8
#define DUMP_STEP	99	/* in "fakehold": a core waits */
#define GROW_STEP	98	/* a disk's new size isn't taken yet */

static char fake_dir[256];
static int fake_watch = -1;

static void
fake_sleep(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000l };

	(void)nanosleep(&t, NULL);
}

static void
fake_note(const char *word)
{
	char path[300];
	AUTO_FILE FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/fakecalls", fake_dir);
	f = fopen(path, "ae");
	if (f != NULL)
		fprintf(f, "%s\n", word);
}

static int
fake_get(unsigned *domid, char state[16], unsigned *why, char uuid[40])
{
	char path[300];
	AUTO_FILE FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/fakedom", fake_dir);
	f = fopen(path, "re");
	if (f == NULL)
		return -ENOENT;
	return fscanf(f, "%u %15s %u %39s", domid, state, why, uuid) == 4 ?
	    0 : -EIO;
}

static int
fake_put(unsigned domid, const char *state, unsigned why, const char *uuid)
{
	char path[300], new[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/fakedom", fake_dir);
	snprintf(new, sizeof(new), "%s/fakedom.new", fake_dir);
	f = fopen(new, "we");
	if (f == NULL)
		return -EIO;
	fprintf(f, "%u %s %u %s\n", domid, state, why, uuid);
	return fclose(f) == 0 && rename(new, path) == 0 ? 0 : -EIO;
}

static int
fake_move(unsigned domid, const char *state, unsigned why)
{
	char was[16], uuid[40];
	unsigned id, y;

	if (fake_get(&id, was, &y, uuid) < 0 || id != domid)
		return -ESRCH;
	return fake_put(domid, state, why, uuid);
}

int
xr_be_open(int *ret_fd, struct av_err *err)
{
	char words[1024];
	AUTO_FD int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, words, sizeof(words) - 1);
	const char *p = words;
	int i;

	words[n > 0 ? n : 0] = '\0';
	for (i = 0; i < 2; i++)
		p += strlen(p) + 1;
	snprintf(fake_dir, sizeof(fake_dir), "%s", p);
	fake_watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fake_watch < 0 || inotify_add_watch(fake_watch, fake_dir,
	    IN_MOVED_TO | IN_DELETE) < 0)
		return av_err_set(err, -EIO, "inotify: %s", strerror(errno));
	*ret_fd = fake_watch;
	return 0;
}

void
xr_be_drain(void)
{
	char buf[4096];

	while (read(fake_watch, buf, sizeof(buf)) > 0)
		;
}

int
xr_be_find(const char *uuid, struct xr_info *ret)
{
	char state[16], is[40];
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = fake_get(&ret->domid, state, &ret->why, is);
	if (rc == 0 && strcmp(is, uuid) != 0)
		rc = -ENOENT;
	if (rc < 0)
		return rc;
	ret->hvm = ret->domid != 666;		/* a PV guest */
	ret->paused = strcmp(state, "paused") == 0;
	ret->shutdown = strcmp(state, "shutdown") == 0;
	ret->dying = strcmp(state, "dying") == 0;
	return 0;
}

static int
fake_restore(int fd, struct av_err *err)
{
	char c;
	size_t have = 0;

	while (have < STREAM_STEPS && read(fd, &c, 1) == 1)
		have += c == 'x';
	return have == STREAM_STEPS ? 0 : av_err_set(err, -EIO,
	    "the stream broke off after %zu", have);
}

int
xr_be_create(const json_t *config, int restore_fd, unsigned *ret_domid,
    struct av_err *err)
{
	const json_t *c = json_object_get(config, "c_info");
	const json_t *b = json_object_get(config, "b_info");
	static unsigned last;
	char state[16], is[40];
	unsigned why, old = 0;

	if (json_integer_value(json_object_get(b, "max_memkb")) > 1l << 30)
		return av_err_set(err, -ENOMEM,
		    "needs more MiB of memory than are free");
	if (fake_get(&old, state, &why, is) == 0)
		return av_err_set(err, -EEXIST, "two of one guest");
	fake_note("make");
	fake_sleep(MAKE_MS);
	if (restore_fd >= 0 && fake_restore(restore_fd, err) < 0)
		return -EIO;
	*ret_domid = (unsigned)getpid() % 10000 + 1000 + last++;
	return fake_put(*ret_domid, "paused", 0, json_string_value(
	    json_object_get(c, "uuid")));
}

int
xr_be_destroy(unsigned domid, struct av_err *err)
{
	char path[300];

	(void)domid;
	(void)err;
	fake_note("destroy");
	snprintf(path, sizeof(path), "%s/fakedom", fake_dir);
	(void)unlink(path);
	return 0;
}

int
xr_be_pause(unsigned domid)
{
	return fake_move(domid, "paused", 0);
}

int
xr_be_unpause(unsigned domid, bool hvm)
{
	(void)hvm;
	fake_note("unpause");
	return fake_move(domid, "running", 0);
}

int
xr_be_ask_off(unsigned domid, bool hvm)
{
	char state[16], uuid[40];
	unsigned id, why;

	(void)hvm;
	if (fake_get(&id, state, &why, uuid) == 0 &&
	    strcmp(state, "running") == 0)
		return fake_move(domid, "shutdown", XR_WHY_POWEROFF);
	return 0;
}

/* -1 = nowhere */
static int
fake_held(void)
{
	char path[300];
	AUTO_FILE FILE *f = NULL;
	int step;

	snprintf(path, sizeof(path), "%s/fakehold", fake_dir);
	f = fopen(path, "re");
	return f != NULL && fscanf(f, "%d", &step) == 1 ? step : -1;
}

int
xr_be_dump(unsigned domid, const char *path, struct av_err *err)
{
	AUTO_FILE FILE *f = fopen(path, "we");
	char state[16], uuid[40];
	unsigned id, why;

	if (f == NULL)
		return av_err_set(err, -errno, "%s", path);
	fake_note("dump");
	while (fake_held() == DUMP_STEP)
		fake_sleep(10);
	if (fake_get(&id, state, &why, uuid) < 0 || id != domid)
		return av_err_set(err, -EIO, "no domain");
	fprintf(f, "core %u %s\n", domid, state);
	return 0;
}

int
xr_be_tty(unsigned domid, bool hvm, char *ret, size_t n)
{
	(void)domid;
	(void)hvm;
	(void)ret;
	(void)n;
	return -EAGAIN;
}

int
xr_be_disk_state(unsigned domid, unsigned vdev)
{
	(void)domid;
	(void)vdev;
	return 4;
}

int
xr_be_disk_grown(unsigned domid, unsigned vdev, uint64_t bytes)
{
	(void)domid;
	(void)bytes;
	fake_note("grow");
	while (fake_held() == GROW_STEP)
		fake_sleep(10);
	return vdev == 51712 ? 0 : -EIO;
}

int
xr_be_save(unsigned domid, int fd, struct av_err *err)
{
	int i;

	for (i = 0; i < STREAM_STEPS;) {
		bool held = fake_held() == i;

		if (write(fd, held ? "h" : "x", 1) != 1)
			return av_err_set(err, -EIO, "the stream broke off");
		fake_sleep(20);
		if (!held && ++i == STREAM_STEPS - 1)
			(void)fake_move(domid, "shutdown", XR_WHY_SUSPEND);
	}
	return 0;
}

int
xr_be_device_quiet(const char *device, struct av_err *err)
{
	(void)device;
	(void)err;
	fake_note("quiet");
	return 0;
}

int
xr_be_continue(unsigned domid, struct av_err *err)
{
	return fake_move(domid, "running", 0) < 0 ?
	    av_err_set(err, -EIO, "no domain") : 0;
}

int
xr_be_vif(const char *action, bool tap)
{
	(void)action;
	return tap ? -ENOSYS : 0;
}

int
xr_be_physical(json_t **ret_msg, struct av_err *err)
{
	(void)err;
	*ret_msg = json_pack("{s:s}", "hypervisor", "fake");
	return 0;
}
