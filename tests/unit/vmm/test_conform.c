/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One suite, every driver.  With qemu: real processes under TCG, without root: a
 * boot sector as guest that waits for the power button, served by nbdkit.
 *
 * AV_XEN_GUEST=FOLDER, on a PM under Xen: driver "xen" has the hypervisor instead of
 * a fake, with the guests FOLDER/vmlinuz + initrd (PVH) and the boot sector (HVM);
 * tests/lab/xen-conformance.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "tests/test.h"
#include "vmm/priv.h"
#include "vmm/vmm.h"

#define NBDKIT	"/usr/bin/nbdkit"
#define UUID	"6f1c1f0e-3c1a-4a55-9d35-2f8d6f3f0001"

extern char **environ;

/* sti; out [PM1_EN],button; L: hlt; in ax,[PM1_STS]; no button? L;
 * out [PM1_CNT],SLP_EN; hang */
static const uint8_t sector[] = { 0xfb, 0xba, 0x02, 0x06, 0xb8, 0x00, 0x01,
	0xef, 0xf4, 0xba, 0x00, 0x06, 0xed, 0xf6, 0xc4, 0x01, 0x74, 0xf6, 0xba,
	0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xeb, 0xfe };

struct rig {
	const char	*driver;
	sd_event	*event;
	struct vmm_dom	*dom;
	struct vmm_spec	 spec;
	struct vmm_op	 op;
	unsigned	 n_done;
	int		 rc;
	enum av_outcome	 outcome;
	unsigned	 n_changed;
	char		 dir[64];
	pid_t		 nbdkit;
	char		*helper;
	char		*xenrun;	/* without Xen, unless told */
	const char	*guest;		/* AV_XEN_GUEST, NULL = a fake's */
	bool		 hvm;
};

/* An emulated PM's guest takes its time. */
#define REAL_S		240
#define PRESSES		800	/* of the power button, 0.3 s each */

static void
done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct rig *r = op->ctx;

	r->n_done++;
	r->rc = rc;
	r->outcome = err->outcome;
}

static void
changed(struct vmm_dom *dom, void *ctx)
{
	struct rig *r = ctx;

	(void)dom;
	r->n_changed++;
}

/* Runs the loop until a done, or 60 s. */
static int
wait_done(struct rig *r)
{
	uint64_t end = av_clock_ns() + (r->guest != NULL ? REAL_S : 60) *
	    AV_NS_PER_S;

	while (r->n_done == 0 && av_clock_ns() < end)
		if (sd_event_run(r->event, 100000) < 0)
			return -EIO;
	return r->n_done == 1 ? r->rc : -ETIME;
}

static int
wait_state_ms(struct rig *r, enum vmm_state state, unsigned ms)
{
	uint64_t end = av_clock_ns() + ms * AV_NS_PER_MS;
	struct vmm_status st;

	for (;;) {
		vmm_status(r->dom, &st);
		if (st.state == state)
			return (int)st.reason;
		if (av_clock_ns() > end || sd_event_run(r->event, 100000) < 0)
			return -1;
	}
}

static int
wait_state(struct rig *r, enum vmm_state state)
{
	return wait_state_ms(r, state, r->guest != NULL ? REAL_S * 1000 :
	    60000);
}

static struct vmm_op *
op(struct rig *r)
{
	memset(&r->op, 0, sizeof(r->op));
	r->op.done = done;
	r->op.ctx = r;
	if (r->guest != NULL)
		r->op.deadline_ns = av_clock_ns() + REAL_S * AV_NS_PER_S;
	r->n_done = 0;
	return &r->op;
}

static int
reopen(struct rig *r)
{
	struct vmm_env env = { .event = r->event, .changed = changed,
		.helper_path = r->helper, .xenrun_path = r->xenrun, .ctx = r };
	struct av_err err = {0};
	int rc;

	r->dom = vmm_close(r->dom);
	rc = vmm_open(r->driver, &env, &r->spec, &r->dom, &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.text);
	return rc;
}

static int
disk_serve(struct rig *r)
{
	char img[96], sock[96];
	char *argv[] = { (char *)(uintptr_t)NBDKIT, (char *)(uintptr_t)"-f",
		(char *)(uintptr_t)"-U", sock, (char *)(uintptr_t)"-e",
		(char *)(uintptr_t)"front", (char *)(uintptr_t)"file", img,
		NULL };
	uint8_t mbr[512] = {0};
	struct stat st;
	int fd, i;

	memcpy(mbr, sector, sizeof(sector));
	if (r->hvm)	/* Xen's power management is at other ports */
		mbr[3] = mbr[11] = mbr[20] = 0xb0;
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
	snprintf(img, sizeof(img), "%s/img", r->dir);
	snprintf(sock, sizeof(sock), "%s/nbd", r->dir);
	fd = open(img, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, mbr, 512) != 512 || ftruncate(fd, 1 << 20) < 0)
		return -errno;
	close(fd);
	if (posix_spawn(&r->nbdkit, NBDKIT, NULL, NULL, argv, environ) != 0)
		return -ENOENT;
	for (i = 0; i < 500 && stat(sock, &st) < 0; i++)
		(void)sd_event_run(r->event, 10000);
	snprintf(r->spec.disks[0].nbd_socket,
	    sizeof(r->spec.disks[0].nbd_socket), "%s", sock);
	snprintf(r->spec.disks[0].volume_uuid, 37, "%s", UUID);
	r->spec.disks[0].boot_order = 1;
	r->spec.n_disks = 1;
	return 0;
}

/* The hypervisor's guests: Linux without a disk of its own, and a boot sector. */
static void
rig_real(struct rig *r)
{
	r->spec.memory_bytes = 128u << 20;
	free(TAKE_PTR(r->xenrun));
	if (r->hvm) {
		r->spec.os = VMM_OS_LEGACY;
		return;
	}
	snprintf(r->spec.kernel, sizeof(r->spec.kernel), "%.80s/vmlinuz",
	    r->guest);
	snprintf(r->spec.initrd, sizeof(r->spec.initrd), "%.80s/initrd",
	    r->guest);
	snprintf(r->spec.cmdline, sizeof(r->spec.cmdline), "%s",
	    "quiet mitigations=off nokaslr console=hvc0");
}

static int
rig_init(struct rig *r, const char *driver)
{
	memset(r, 0, sizeof(*r));
	r->hvm = strcmp(driver, "xen-hvm") == 0;
	if (r->hvm)
		driver = "xen";
	if (strcmp(driver, "xen") == 0)
		r->guest = getenv("AV_XEN_GUEST");
	r->driver = driver;
	if (sd_event_new(&r->event) < 0)
		return -EIO;
	snprintf(r->dir, sizeof(r->dir), "%s", "/tmp/avvmm.XXXXXX");
	if (mkdtemp(r->dir) == NULL)
		return -errno;
	snprintf(r->spec.id, sizeof(r->spec.id), "%s", "o12");
	snprintf(r->spec.uuid, sizeof(r->spec.uuid), "%s", UUID);
	snprintf(r->spec.name, sizeof(r->spec.name), "%s", "\xe8\xa9\xa6\xe9\xa8\x93");
	r->spec.vcpus = 1;
	r->spec.memory_bytes = 32u << 20;
	snprintf(r->spec.runtime_dir, sizeof(r->spec.runtime_dir),
	    "%s/vm/o12", r->dir);
	if (strcmp(driver, "sim") != 0) {
		/* build/tests/unit/vmm/x -> build/av-vmrun */
		char self[4096];
		ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

		self[n > 0 ? n : 0] = '\0';
		if (asprintf(&r->helper, "%.*s/av-vmrun",
		    (int)(strstr(self, "/tests/unit/") - self), self) < 0 ||
		    asprintf(&r->xenrun, "%.*s/av-xenrun-fake",
		    (int)(strrchr(self, '/') - self), self) < 0)
			return -ENOMEM;
	}
	if (r->guest != NULL)
		rig_real(r);
	if ((strcmp(driver, "qemu") == 0 || r->guest != NULL) &&
	    disk_serve(r) < 0)
		return -ENOENT;
	return reopen(r);
}

static int
rig_dispose(struct rig *r, int rc)
{
	char cmd[64], *argv[] = { (char *)(uintptr_t)"rm",
		(char *)(uintptr_t)"-rf", cmd, NULL };
	pid_t pid;

	if (r->dom != NULL && vmm_kill(r->dom, op(r), NULL) == 0)
		(void)wait_done(r);
	vmm_close(r->dom);
	if (r->nbdkit > 0) {
		kill(r->nbdkit, SIGTERM);
		waitpid(r->nbdkit, NULL, 0);
	}
	snprintf(cmd, sizeof(cmd), "%s", r->dir);
	if (posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) == 0)
		waitpid(pid, NULL, 0);
	sd_event_unref(r->event);
	free(r->helper);
	free(r->xenrun);
	vmm_sim_reset();
	return rc;
}

static int
is_sim(const struct rig *r)
{
	return strcmp(r->driver, "sim") == 0;
}

/* ------------------------------- the promises ----------------------------- */

/* One press of the power button: how the guest ended, -1 = not yet.  One that finds
 * nobody has come while it was ending. */
static int
press(struct rig *r)
{
	struct av_err err = {0};
	int rc = vmm_shutdown(r->dom, op(r), &err);

	if (rc == 0)
		rc = wait_done(r);
	return rc < 0 ? wait_state(r, VMM_EXITED) :
	    wait_state_ms(r, VMM_EXITED, 300);
}

static int
life(struct rig *r)
{
	struct vmm_status st;
	struct av_err err = {0};
	int i, rc = -1;

	CHECK_EQ(vmm_shutdown(r->dom, op(r), &err), -ESRCH);
	CHECK_EQ(vmm_pause(r->dom, op(r), &err), -ESRCH);
	if (r->spec.n_disks > 0)
		CHECK_EQ(vmm_disk_resize(r->dom, 0, 1 << 20, op(r), &err),
		    -ESRCH);
	CHECK_EQ(vmm_attach(r->dom, op(r), &err), 0);
	CHECK_EQ(r->n_done, 0);		/* never from inside */
	CHECK_EQ(vmm_attach(r->dom, &(struct vmm_op){ .done = done }, &err),
	    -EBUSY);
	CHECK_EQ(wait_done(r), -ENOENT);
	vmm_status(r->dom, &st);
	CHECK_EQ(st.state, VMM_ABSENT);

	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), 0);
	CHECK_EQ(r->n_done, 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_RUNNING), VMM_REASON_NONE);
	vmm_status(r->dom, &st);
	CHECK(st.pid > 0 && st.answers);
	CHECK(r->n_changed > 0);
	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), -EEXIST);
	CHECK_EQ(vmm_attach(r->dom, op(r), &err), -EALREADY);
	CHECK_EQ(vmm_set_spec(r->dom, &r->spec, &err), -EBUSY);

	/* no such disk, no such size */
	CHECK_EQ(vmm_disk_resize(r->dom, VMM_DISKS_MAX, 1 << 20, op(r), &err),
	    -EINVAL);
	CHECK_EQ(vmm_disk_resize(r->dom, r->spec.n_disks, 1 << 20, op(r), &err),
	    -EINVAL);
	CHECK_EQ(vmm_resume(r->dom, op(r), &err), -EALREADY);
	CHECK_EQ(vmm_pause(r->dom, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_PAUSED), VMM_REASON_ASKED);
	CHECK_EQ(vmm_pause(r->dom, op(r), &err), -EALREADY);
	CHECK_EQ(vmm_resume(r->dom, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_RUNNING), VMM_REASON_NONE);

	CHECK_EQ(reopen(r), 0);		/* as after the agent's restart */
	vmm_status(r->dom, &st);
	CHECK_EQ(st.state, VMM_ABSENT);
	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), -EEXIST);
	CHECK_EQ(vmm_attach(r->dom, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_RUNNING), VMM_REASON_NONE);

	/* A press before the guest looks is lost, as on a real machine. */
	for (i = 0; i < PRESSES && rc < 0; i++)
		rc = press(r);
	CHECK_EQ(rc, VMM_REASON_GUEST_SHUTDOWN);
	vmm_status(r->dom, &st);
	CHECK_EQ(st.pid, 0);
	return 0;
}

static int
ends(struct rig *r)
{
	struct vmm_status st;
	struct av_err err = {0};

	CHECK_EQ(vmm_kill(r->dom, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);	/* there was none */
	CHECK_EQ(vmm_start(r->dom, VMM_START_PAUSED, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_PAUSED), VMM_REASON_ASKED);
	CHECK_EQ(vmm_kill(r->dom, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_ASKED);
	CHECK_EQ(vmm_set_spec(r->dom, &r->spec, &err), 0);

	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_RUNNING), VMM_REASON_NONE);
	vmm_status(r->dom, &st);
	if (is_sim(r))
		vmm_sim_die(r->dom, SIGSEGV);
	else
		CHECK_EQ(kill(st.pid, SIGSEGV), 0);
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_SIGNAL);
	vmm_status(r->dom, &st);
	CHECK_EQ(st.signal, SIGSEGV);
	CHECK_EQ(reopen(r), 0);		/* and a new agent learns it too */
	CHECK_EQ(vmm_attach(r->dom, op(r), &err), 0);
	CHECK_EQ(wait_done(r), -ENOENT);
	vmm_status(r->dom, &st);
	CHECK_EQ(st.reason, VMM_REASON_SIGNAL);
	CHECK_EQ(st.signal, SIGSEGV);
	return 0;
}

/* vmm_kill() ends a start that is under way; both are done once. */
static int
cancel(struct rig *r)
{
	struct rig other = *r;
	struct av_err err = {0};
	struct vmm_op k = { .done = done, .ctx = &other };

	other.n_done = 0;
	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), 0);
	if (is_sim(r))		/* its start has ended before it returns */
		CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(vmm_kill(r->dom, &k, &err), 0);
	CHECK_EQ(wait_done(r), is_sim(r) ? 0 : -ECANCELED);
	CHECK_EQ(wait_done(&other), 0);
	CHECK_EQ(r->n_done, 1);
	wait_state(r, VMM_EXITED);
	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	return 0;
}

TEST(sim_life)   { struct rig r; CHECK_EQ(rig_init(&r, "sim"), 0);
	return rig_dispose(&r, life(&r)); }
TEST(sim_ends)   { struct rig r; CHECK_EQ(rig_init(&r, "sim"), 0);
	return rig_dispose(&r, ends(&r)); }
TEST(sim_cancel) { struct rig r; CHECK_EQ(rig_init(&r, "sim"), 0);
	return rig_dispose(&r, cancel(&r)); }
TEST(qemu_life)  { struct rig r; CHECK_EQ(rig_init(&r, "qemu"), 0);
	return rig_dispose(&r, life(&r)); }
TEST(qemu_ends)  { struct rig r; CHECK_EQ(rig_init(&r, "qemu"), 0);
	return rig_dispose(&r, ends(&r)); }
TEST(qemu_cancel) { struct rig r; CHECK_EQ(rig_init(&r, "qemu"), 0);
	return rig_dispose(&r, cancel(&r)); }

/* A start that can't work says why and leaves nothing. */
static int
bad_start(struct rig *r)
{
	struct vmm_status st;
	struct av_err err = {0};

	r->spec.memory_bytes = 1ull << 50;
	CHECK_EQ(reopen(r), 0);
	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), 0);
	CHECK_EQ(wait_done(r), -EIO);
	CHECK_EQ(r->outcome, AV_NOT_DONE);
	vmm_status(r->dom, &st);
	CHECK_EQ(st.state, VMM_EXITED);
	CHECK_EQ(st.reason, VMM_REASON_START_FAILED);
	CHECK(st.detail[0] != '\0');	/* QEMU's own words */
	CHECK_EQ(st.pid, 0);
	return 0;
}

/* The guest powers off while no agent looks; the next one learns how. */
static int
unseen(struct rig *r)
{
	struct vmm_status st;
	struct av_err err = {0};
	int i, rc = -1;

	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	for (i = 0; i < PRESSES && rc < 0; i++) {
		rc = press(r);
		if (rc >= 0)
			break;
		CHECK_EQ(reopen(r), 0);
		CHECK_EQ(vmm_attach(r->dom, op(r), &err), 0);
		/* a stopped QEMU waits to be seen, a domain leaves word */
		rc = wait_done(r);
		if (rc != -ENOENT)	/* gone: its end left word */
			CHECK_EQ(rc, 0);
		rc = wait_state_ms(r, VMM_EXITED, 300);
	}
	CHECK_EQ(rc, VMM_REASON_GUEST_SHUTDOWN);
	vmm_status(r->dom, &st);
	CHECK_EQ(st.signal, 0);
	return 0;
}

TEST(qemu_bad_start) { struct rig r; CHECK_EQ(rig_init(&r, "qemu"), 0);
	return rig_dispose(&r, bad_start(&r)); }
TEST(qemu_unseen) { struct rig r; CHECK_EQ(rig_init(&r, "qemu"), 0);
	return rig_dispose(&r, unseen(&r)); }

TEST(sim_strings)
{
	struct rig r;
	struct av_err err = {0};

	CHECK_EQ(rig_init(&r, "sim"), 0);
	vmm_sim_fail_start(r.dom);
	CHECK_EQ(vmm_start(r.dom, 0, op(&r), &err), 0);
	CHECK_EQ(wait_done(&r), -EIO);
	CHECK_EQ(wait_state(&r, VMM_EXITED), VMM_REASON_START_FAILED);
	CHECK_EQ(vmm_start(r.dom, 0, op(&r), &err), 0);
	CHECK_EQ(wait_done(&r), 0);
	CHECK(!vmm_alive(r.dom));
	vmm_sim_show_life(r.dom);
	CHECK(vmm_alive(r.dom));
	vmm_sim_io_error(r.dom);
	CHECK_EQ(wait_state(&r, VMM_PAUSED), VMM_REASON_IO_ERROR);
	CHECK_EQ(vmm_resume(r.dom, op(&r), &err), 0);
	CHECK_EQ(wait_done(&r), 0);
	vmm_sim_deaf(r.dom, true);
	CHECK_EQ(vmm_shutdown(r.dom, op(&r), &err), 0);
	CHECK_EQ(wait_done(&r), 0);
	CHECK_EQ(wait_state(&r, VMM_RUNNING), VMM_REASON_NONE);
	vmm_sim_guest_panic(r.dom);
	CHECK_EQ(wait_state(&r, VMM_EXITED), VMM_REASON_PANIC);
	CHECK(!vmm_alive(r.dom));
	return rig_dispose(&r, 0);
}

TEST(xen_life)   { struct rig r; CHECK_EQ(rig_init(&r, "xen"), 0);
	return rig_dispose(&r, life(&r)); }
TEST(xen_cancel) { struct rig r; CHECK_EQ(rig_init(&r, "xen"), 0);
	return rig_dispose(&r, cancel(&r)); }
TEST(xen_bad_start) { struct rig r; CHECK_EQ(rig_init(&r, "xen"), 0);
	return rig_dispose(&r, bad_start(&r)); }
TEST(xen_unseen) { struct rig r; CHECK_EQ(rig_init(&r, "xen"), 0);
	return rig_dispose(&r, unseen(&r)); }

/* ---------------- what only a hypervisor shows (AV_XEN_GUEST) ------------- */

/* A kernel that finds no root file system panics. */
static int
real_panic(struct rig *r)
{
	struct av_err err = {0};

	r->spec.initrd[0] = '\0';
	CHECK_EQ(reopen(r), 0);
	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_PANIC);
	return 0;
}

static pid_t
pid_of(struct rig *r)
{
	struct vmm_status st;

	vmm_status(r->dom, &st);
	return st.answers ? st.pid : 0;
}

/* The guest lives without its av-xenrun; another one takes it over. */
static int
real_orphan(struct rig *r)
{
	uint64_t end = av_clock_ns() + REAL_S * AV_NS_PER_S;
	struct vmm_status st;
	struct av_err err = {0};
	pid_t old;

	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	old = pid_of(r);
	CHECK(old > 0);
	CHECK_EQ(kill(old, SIGKILL), 0);
	while ((pid_of(r) == old || pid_of(r) == 0) && av_clock_ns() < end) {
		vmm_status(r->dom, &st);
		CHECK_EQ(st.state, VMM_RUNNING);
		CHECK(sd_event_run(r->event, 100000) >= 0);
	}
	CHECK(pid_of(r) > 0 && pid_of(r) != old);
	vmm_status(r->dom, &st);
	CHECK_EQ(st.state, VMM_RUNNING);
	return 0;
}

/* The word "domid" of av-xenrun's answer; -1 = none. */
static long
domid_of(struct rig *r)
{
	char path[160], buf[512] = "";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char ask[] = "{\"execute\":\"query-status\"}";
	const char *p;
	long domid;
	ssize_t n = 0;

	snprintf(path, sizeof(path), "%s/xen.sock", r->spec.runtime_dir);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    send(fd, ask, strlen(ask), MSG_NOSIGNAL) < 0)
		return -1;
	while (strstr(buf, "domid") == NULL && n < 400) {
		ssize_t got = recv(fd, buf + n, sizeof(buf) - 1 - (size_t)n, 0);

		if (got <= 0)
			return -1;
		n += got;
		buf[n] = '\0';
	}
	p = strstr(buf, "\"domid\":");
	return p != NULL && sscanf(p + 8, "%ld", &domid) == 1 ? domid : -1;
}

/* A guest that restarts itself is another domain, and no event. */
static int
real_reset(struct rig *r)
{
	uint64_t end = av_clock_ns() + REAL_S * AV_NS_PER_S;
	struct vmm_status st;
	struct av_err err = {0};
	long was;

	snprintf(r->spec.cmdline, sizeof(r->spec.cmdline), "%s", "quiet "
	    "mitigations=off nokaslr rdinit=/bin/busybox -- reboot -f");
	CHECK_EQ(reopen(r), 0);
	CHECK_EQ(vmm_start(r->dom, 0, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	was = domid_of(r);
	CHECK(was > 0);
	while (domid_of(r) == was && av_clock_ns() < end) {
		vmm_status(r->dom, &st);
		CHECK_EQ(st.state, VMM_RUNNING);
		CHECK(sd_event_run(r->event, 200000) >= 0);
	}
	CHECK(domid_of(r) > was);
	vmm_status(r->dom, &st);
	CHECK_EQ(st.state, VMM_RUNNING);
	return 0;
}

/* The screen of an HVM guest answers. */
static int
real_screen(struct rig *r)
{
	char path[160], word[4] = "";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct av_err err = {0};

	CHECK_EQ(vmm_start(r->dom, VMM_START_PAUSED, op(r), &err), 0);
	CHECK_EQ(wait_done(r), 0);
	snprintf(path, sizeof(path), "%s/vnc.sock", r->spec.runtime_dir);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	CHECK_EQ(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	CHECK_EQ(recv(fd, word, 3, MSG_WAITALL), 3);
	CHECK_STR(word, "RFB");
	return 0;
}

#define REAL_TEST(test, driver, body) \
	TEST(test) { struct rig r; \
		CHECK_EQ(rig_init(&r, driver), 0); \
		return rig_dispose(&r, body(&r)); }
REAL_TEST(real_xen_panic, "xen", real_panic)
REAL_TEST(real_xen_orphan, "xen", real_orphan)
REAL_TEST(real_xen_reset, "xen", real_reset)
REAL_TEST(real_hvm_life, "xen-hvm", life)
REAL_TEST(real_hvm_cancel, "xen-hvm", cancel)
REAL_TEST(real_hvm_bad_start, "xen-hvm", bad_start)
REAL_TEST(real_hvm_unseen, "xen-hvm", unseen)
REAL_TEST(real_hvm_screen, "xen-hvm", real_screen)

/* The agent ends with an order under way: its loop is over when VMs are closed. */
TEST(closed_after_the_loop)
{
	struct rig r;
	struct av_err err = {0};

	CHECK_EQ(rig_init(&r, "xen"), 0);
	CHECK_EQ(vmm_start(r.dom, 0, op(&r), &err), 0);
	CHECK_EQ(wait_done(&r), 0);
	CHECK_EQ(vmm_pause(r.dom, op(&r), &err), 0);
	CHECK_EQ(sd_event_exit(r.event, 0), 0);
	CHECK_EQ(sd_event_loop(r.event), 0);
	r.dom = vmm_close(r.dom);
	CHECK_EQ(r.n_done, 1);
	CHECK_EQ(r.rc, -ECANCELED);
	CHECK_EQ(r.outcome, AV_MAYBE);

	sd_event_unref(r.event);
	CHECK(sd_event_new(&r.event) >= 0);
	CHECK_EQ(reopen(&r), 0);
	CHECK_EQ(vmm_attach(r.dom, op(&r), &err), 0);
	CHECK_EQ(wait_done(&r), 0);
	return rig_dispose(&r, 0);
}

TEST(drivers_are_whole)
{
	CHECK_EQ(vmm_ops_check(), 0);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { T(drivers_are_whole),
		T(closed_after_the_loop), T(sim_life), T(sim_ends), T(sim_cancel), T(sim_strings),
		T(qemu_life), T(qemu_ends), T(qemu_cancel), T(qemu_bad_start),
		T(qemu_unseen), T(xen_life), T(xen_cancel), T(xen_bad_start),
		T(xen_unseen) };
	static const struct test_case real[] = { T(xen_life), T(xen_cancel),
		T(xen_bad_start), T(xen_unseen), T(real_xen_panic),
		T(real_xen_orphan), T(real_xen_reset), T(real_hvm_life),
		T(real_hvm_cancel), T(real_hvm_bad_start), T(real_hvm_unseen),
		T(real_hvm_screen) };

	return getenv("AV_XEN_GUEST") != NULL ?
	    tests_run(real, ARRAY_SIZE(real), argc, argv) :
	    tests_run(cases, ARRAY_SIZE(cases), argc, argv);
}
