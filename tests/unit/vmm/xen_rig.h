/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/vmm/xen_rig.h - a guest of driver "xen" with av-xenrun-fake
 *
 * A test pulls strings by writing RUNTIME/fakedom (xen_be_fake.c).
 */
#ifndef AV_TEST_XEN_RIG_H
#define AV_TEST_XEN_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/test.h"
#include "vmm/priv.h"
#include "vmm/xen_spec.h"

#define UUID	"6f1c1f0e-3c1a-4a55-9d35-2f8d6f3f0001"

extern char **environ;

struct rig {
	sd_event	*event;
	struct vmm_dom	*dom;
	struct vmm_spec	 spec;
	struct vmm_op	 op;
	unsigned	 n_done;
	int		 rc;
	char		 dir[64];
	char		*vmrun;
	char		*xenrun;
};

static inline void
done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct rig *r = op->ctx;

	(void)err;
	r->n_done++;
	r->rc = rc;
}

static inline int
open_dom(struct rig *r)
{
	struct vmm_env env = { .event = r->event, .helper_path = r->vmrun,
		.xenrun_path = r->xenrun };

	r->dom = vmm_close(r->dom);
	return vmm_open("xen", &env, &r->spec, &r->dom, NULL);
}

static inline struct vmm_op *
op(struct rig *r)
{
	r->op = (struct vmm_op){ .done = done, .ctx = r };
	r->n_done = 0;
	return &r->op;
}

static inline int
wait_done(struct rig *r)
{
	uint64_t end = av_clock_ns() + 60 * AV_NS_PER_S;

	while (r->n_done == 0 && av_clock_ns() < end)
		if (sd_event_run(r->event, 100000) < 0)
			return -EIO;
	return r->n_done == 1 ? r->rc : -ETIME;
}

static inline int
wait_state(struct rig *r, enum vmm_state state)
{
	uint64_t end = av_clock_ns() + 30 * AV_NS_PER_S;
	struct vmm_status st;

	for (;;) {
		vmm_status(r->dom, &st);
		if (st.state == state)
			return (int)st.reason;
		if (av_clock_ns() > end || sd_event_run(r->event, 100000) < 0)
			return -1;
	}
}

/* 'event' NULL = one of its own */
static inline int
rig_init_at(struct rig *r, sd_event *event)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	memset(r, 0, sizeof(*r));
	self[n > 0 ? n : 0] = '\0';
	snprintf(r->dir, sizeof(r->dir), "%s", "/tmp/avxen.XXXXXX");
	r->event = event != NULL ? sd_event_ref(event) : NULL;
	if (mkdtemp(r->dir) == NULL ||
	    (r->event == NULL && sd_event_new(&r->event) < 0) ||
	    asprintf(&r->vmrun, "%.*s/av-vmrun",
	    (int)(strstr(self, "/tests/unit/") - self), self) < 0 ||
	    asprintf(&r->xenrun, "%.*s/av-xenrun-fake",
	    (int)(strrchr(self, '/') - self), self) < 0)
		return -ENOMEM;
	snprintf(r->spec.id, sizeof(r->spec.id), "%s", "o12");
	snprintf(r->spec.uuid, sizeof(r->spec.uuid), "%s", UUID);
	r->spec.vcpus = 1;
	r->spec.memory_bytes = 256u << 20;
	snprintf(r->spec.runtime_dir, sizeof(r->spec.runtime_dir),
	    "%s/vm/o12", r->dir);
	snprintf(r->spec.disks[0].block_path,
	    sizeof(r->spec.disks[0].block_path), "%s", "/dev/drbd3");
	snprintf(r->spec.disks[0].volume_uuid, 37, "%s", UUID);
	r->spec.disks[0].boot_order = 1;
	r->spec.n_disks = 1;
	return open_dom(r);
}

static inline int
rig_init(struct rig *r)
{
	return rig_init_at(r, NULL);
}

static inline int
rig_dispose(struct rig *r, int rc)
{
	char cmd[64], *argv[] = { (char *)(uintptr_t)"rm",
		(char *)(uintptr_t)"-rf", cmd, NULL };
	pid_t pid;

	if (r->dom != NULL && vmm_kill(r->dom, op(r), NULL) == 0)
		(void)wait_done(r);
	vmm_close(r->dom);
	snprintf(cmd, sizeof(cmd), "%s", r->dir);
	if (posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) == 0)
		waitpid(pid, NULL, 0);
	sd_event_unref(r->event);
	free(r->vmrun);
	free(r->xenrun);
	return rc;
}

/* The domain as the fake hypervisor has it; domid 0 = none. */
static inline unsigned
domain(struct rig *r, char state[16])
{
	char path[160];
	AUTO_FILE FILE *f = NULL;
	unsigned domid;

	snprintf(path, sizeof(path), "%s/fakedom", r->spec.runtime_dir);
	f = fopen(path, "re");
	return f != NULL && fscanf(f, "%u %15s", &domid, state) == 2 ?
	    domid : 0;
}

static inline int
domain_set(struct rig *r, unsigned domid, const char *state, unsigned why)
{
	char path[160], new[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/fakedom", r->spec.runtime_dir);
	snprintf(new, sizeof(new), "%s/fakedom.test", r->spec.runtime_dir);
	f = fopen(new, "we");
	if (f == NULL)
		return -errno;
	fprintf(f, "%u %s %u %s\n", domid, state, why, UUID);
	return fclose(f) == 0 && rename(new, path) == 0 ? 0 : -EIO;
}

static inline unsigned
calls(struct rig *r, const char *word)
{
	char path[160], line[32];
	AUTO_FILE FILE *f = NULL;
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/fakecalls", r->spec.runtime_dir);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		n += strncmp(line, word, strlen(word)) == 0;
	return n;
}

static inline int
started(struct rig *r)
{
	CHECK_EQ(vmm_start(r->dom, 0, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_RUNNING), VMM_REASON_NONE);
	return 0;
}

#endif
