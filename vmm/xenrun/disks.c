/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/disks.c - the QEMU in this domain that serves a guest's NBD disks
 *
 * libxl's own disk process takes files and devices only and knows no server that
 * comes back.  So a QEMU of ours holds the NBD connections, with the driver
 * "qemu"'s own block nodes, and serves them as xen-disk.  It is started by av-vmrun
 * in RUNTIME/disk, outlives av-xenrun and is found again there.
 *
 * A xen-disk that is made reads its first sector (for a geometry; nothing else can be
 * said).  On a PM that a guest comes to, the mirror holds what is read until the
 * volume's writing side has moved here: there the disks are plugged in after that,
 * just before the guest goes on.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/str.h"
#include "vmm/args.h"
#include "vmm/proc.h"
#include "vmm/spawn.h"
#include "vmm/xenrun/run.h"

#define READY_S		120	/* QEMU's own start, on emulated processors; whoever
				 * ordered anything has a limit of his own */
#define TERM_MS		2000	/* from SIGTERM to SIGKILL */
#define KILL_MS		10000
#define XB_INIT_WAIT	2	/* XenbusState: the backend waits for the guest */
#define QUIET_S		20	/* a disk that takes longer hangs */

static int qemu_open(const struct xr *xr, unsigned limit_s, FILE **ret);

static void
disk_dir(const struct xr *xr, char ret[VMM_PATH_MAX + 8])
{
	(void)snprintf(ret, VMM_PATH_MAX + 8, "%s/disk",
	    xr->spec.runtime_dir);
}

static void
log_path(const struct xr *xr, char ret[VMM_PATH_MAX + 16])
{
	(void)snprintf(ret, VMM_PATH_MAX + 16, "%s/disk.log",
	    xr->spec.log_dir[0] != '\0' ? xr->spec.log_dir :
	    xr->spec.runtime_dir);
}

int
xr_disks_pidfd(const struct xr *xr)
{
	char dir[VMM_PATH_MAX + 8];
	int rc, fd;
	pid_t pid;

	disk_dir(xr, dir);
	rc = vmm_proc_find(dir, xr->spec.uuid, &pid, &fd);
	return rc < 0 ? rc : fd;
}

static int
vmrun(char *const *argv, struct av_err *err)
{
	static char *const env[] = { (char *)(uintptr_t)"PATH=/usr/sbin:"
	    "/usr/bin:/sbin:/bin", (char *)(uintptr_t)"LC_ALL=C.UTF-8", NULL };
	int status, r;
	pid_t pid;

	r = posix_spawn(&pid, argv[0], NULL, NULL, argv, env);
	if (r != 0)
		return av_err_set(err, -r, "%s: %s", argv[0], strerror(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return av_err_maybe(err, -errno, "%s: %s", argv[0],
			    strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return av_err_set(err, -EIO,
		    "the process of its disks does not start");
	return 0;
}

static bool
is_offered(const struct xr *xr, unsigned domid, unsigned disk)
{
	return xr_be_disk_state(domid, xr_vdev(xr_place(&xr->spec, disk))) >=
	    XB_INIT_WAIT;
}

/* It listens at once, and answers when all of its disks are connected. */
static bool
does_answer(const struct xr *xr)
{
	AUTO_FILE FILE *f = NULL;

	return qemu_open(xr, READY_S, &f) == 0;
}

static int
ready_wait(const struct xr *xr, unsigned domid, bool plugged,
    struct av_err *err)
{
	uint64_t end = av_clock_ns() + READY_S * AV_NS_PER_S;
	char path[VMM_PATH_MAX + 16], words[120];
	unsigned i, n = 0;

	/* it makes them in order; those of blkback have none of ours */
	for (;;) {
		struct timespec t = { .tv_nsec = 20000000 };
		int fd = xr_disks_pidfd(xr);

		for (i = n = 0; i < xr->spec.n_disks; i++)
			n += is_offered(xr, domid, i);
		if (fd >= 0)
			(void)close(fd);	/* a pidfd */
		if (fd >= 0 && (plugged ? n == xr->spec.n_disks :
		    does_answer(xr)))
			return 0;
		if (fd < 0 || av_clock_ns() > end)
			break;
		/* lint: sleep: QEMU tells nobody that it is ready */
		(void)nanosleep(&t, NULL);
	}
	log_path(xr, path);
	vmm_last_line(path, NULL, words, sizeof(words));
	return av_err_set(err, -EIO, "%s", words[0] != '\0' ? words :
	    "the process of its disks does not get ready");
}

int
xr_disks_start(struct xr *xr, unsigned domid, bool plugged,
    struct av_err *err)
{
	char dir[VMM_PATH_MAX + 8], log[VMM_PATH_MAX + 16];
	AUTO_FREE char *helper = NULL;
	struct vmm_args a = {0};
	int rc = 0;

	disk_dir(xr, dir);
	log_path(xr, log);
	rc = vmm_helper_default(&helper);
	if (rc < 0)
		return av_err_set(err, rc, "av-vmrun can't be found");
	vmm_args_add(&a, helper);
	vmm_args_add(&a, dir);
	vmm_args_add(&a, log);
	if (!xr_disk_args(&xr->spec, domid, plugged, &a)) {
		vmm_args_dispose(&a);
		return 0;
	}
	rc = a.rc < 0 ? av_err_set(err, a.rc, "no memory") :
	    vmm_mkdir(dir, 0700, err);
	if (rc == 0)
		rc = vmrun(a.v, err);
	vmm_args_dispose(&a);
	return rc < 0 ? rc : ready_wait(xr, domid, plugged, err);
}

int
xr_disks_stop(struct xr *xr, struct av_err *err)
{
	AUTO_FD int fd = xr_disks_pidfd(xr);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return 0;
	(void)vmm_pidfd_kill(fd, SIGTERM);
	if (poll(&p, 1, TERM_MS) == 1)
		return 0;
	(void)vmm_pidfd_kill(fd, SIGKILL);
	if (poll(&p, 1, KILL_MS) == 1)
		return 0;
	return av_err_maybe(err, -ETIMEDOUT,
	    "the process of its disks can't be killed");
}

/* --------------------------------- growth --------------------------------- */

/* One line to that QEMU, one answer; events in between are passed over. */
static int
ask(FILE *f, const char *line)
{
	char buf[8192];

	if (send(fileno(f), line, strlen(line), MSG_NOSIGNAL) !=
	    (ssize_t)strlen(line))
		return -EIO;
	while (fgets(buf, sizeof(buf), f) != NULL) {
		if (strstr(buf, "\"return\"") != NULL)
			return 0;
		if (strstr(buf, "\"error\"") != NULL)
			return -EREMOTEIO;
	}
	return -ETIMEDOUT;
}

static int
qemu_open(const struct xr *xr, unsigned limit_s, FILE **ret)
{
	const struct timeval limit = { .tv_sec = limit_s };
	char path[VMM_PATH_MAX + 24];
	AUTO_FILE FILE *f = NULL;
	int fd, rc;

	(void)snprintf(path, sizeof(path), "%s/disk/qmp.sock",
	    xr->spec.runtime_dir);
	fd = av_unix_connect(path);
	if (fd < 0)
		return -EAGAIN;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof(limit)) < 0 || (f = fdopen(fd, "r")) == NULL) {
		(void)close(fd);	/* a socket */
		return -EIO;
	}
	rc = ask(f, "{\"execute\":\"qmp_capabilities\"}\n");
	if (rc == 0)
		*ret = TAKE_PTR(f);
	return rc;
}

int
xr_disks_plug(const struct xr *xr, struct av_err *err)
{
	AUTO_FILE FILE *f = NULL;
	char line[160];
	unsigned i;
	int rc = 0;

	for (i = 0; i < xr->spec.n_disks && rc == 0; i++) {
		if (!xr_disk_plug(&xr->spec, i, line) ||
		    is_offered(xr, xr->domid, i))
			continue;
		rc = f == NULL ? qemu_open(xr, READY_S, &f) : 0;
		if (rc == 0)
			rc = ask(f, line);
	}
	return f == NULL && rc == 0 ? 0 : rc < 0 ? av_err_set(err, rc,
	    "its disks can't be plugged in: %s", strerror(-rc)) :
	    ready_wait(xr, xr->domid, true, err);
}

static int
qemu_resize(const struct xr *xr, unsigned disk, uint64_t bytes)
{
	AUTO_FILE FILE *f = NULL;
	char line[160];
	int rc = qemu_open(xr, READY_S, &f);

	(void)snprintf(line, sizeof(line), "{\"execute\":\"block_resize\","
	    "\"arguments\":{\"node-name\":\"disk%u\",\"size\":%llu}}\n", disk,
	    (unsigned long long)bytes);
	return rc < 0 ? rc : ask(f, line);
}

int
xr_disk_resize(const struct xr *xr, unsigned domid, unsigned disk,
    uint64_t bytes, struct av_err *err)
{
	int rc;

	if (disk >= xr->spec.n_disks)
		return av_err_set(err, -EINVAL, "no such disk");
	if (xr_is_hvm(&xr->spec))
		return 0;	/* an IDE disk's size is read at the guest's start */
	if (xr->spec.disks[disk].block_path[0] != '\0')
		rc = xr_be_disk_grown(domid,
		    xr_vdev(xr_place(&xr->spec, disk)), bytes);
	else
		rc = qemu_resize(xr, disk, bytes);
	return rc < 0 ? av_err_set(err, -EAGAIN,
	    "disk %u: not yet told: %s", disk, strerror(-rc)) : 0;
}

/* ---------------------------------- quiet --------------------------------- */

int
xr_disks_quiet(const struct xr *xr, struct av_err *err)
{
	/* 'stop' waits for what is under way and flushes; twice, for a request that
	 * it hadn't yet taken from the ring */
	static const char *const words[] = { "stop", "cont", "stop", "cont" };
	AUTO_FILE FILE *f = NULL;
	bool ours = false;
	char line[64];
	unsigned i;
	int rc = 0;

	if (xr_is_hvm(&xr->spec))
		return 0;	/* its QEMU has been stopped with it */
	for (i = 0; i < xr->spec.n_disks && rc == 0; i++) {
		const char *device = xr->spec.disks[i].block_path;

		ours |= device[0] == '\0';
		if (device[0] != '\0' && !xr->spec.disks[i].read_only)
			rc = xr_be_device_quiet(device, err);
	}
	if (!ours || rc < 0)
		return rc;
	rc = qemu_open(xr, QUIET_S, &f);
	for (i = 0; i < ARRAY_SIZE(words) && rc == 0; i++) {
		(void)snprintf(line, sizeof(line), "{\"execute\":\"%s\"}\n",
		    words[i]);
		rc = ask(f, line);
	}
	return rc < 0 ? av_err_set(err, rc, "its disks do not get quiet") : 0;
}
