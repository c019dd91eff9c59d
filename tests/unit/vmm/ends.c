/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/vmm/ends.c - see ends.h
 */
#include "tests/unit/vmm/ends.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define NBDKIT	"/usr/bin/nbdkit"
#define WAIT_NS	(60 * AV_NS_PER_S)

extern char **environ;

static void
done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct end *n = op->ctx;

	n->n_done++;
	n->rc = rc;
	n->err = *err;
}

struct vmm_op *
end_op(struct end *n)
{
	memset(&n->op, 0, sizeof(n->op));
	n->op.done = done;
	n->op.ctx = n;
	n->n_done = 0;
	return &n->op;
}

void
ends_run(struct ends *e, unsigned ms)
{
	uint64_t end = av_clock_ns() + ms * AV_NS_PER_MS;

	while (av_clock_ns() < end)
		(void)sd_event_run(e->event, 5000);
}

int
end_wait(struct end *n)
{
	uint64_t end = av_clock_ns() + WAIT_NS;

	while (n->n_done == 0 && av_clock_ns() < end)
		if (sd_event_run(n->ends->event, 100000) < 0)
			return -EIO;
	return n->n_done == 1 ? n->rc : -ETIME;
}

struct vmm_status
end_status(const struct end *n)
{
	struct vmm_status st;

	vmm_status(n->dom, &st);
	return st;
}

static int
wait_for(struct end *n, int state, int phase)
{
	uint64_t end = av_clock_ns() + WAIT_NS;
	struct vmm_status st;

	for (;;) {
		st = end_status(n);
		if ((state >= 0 && (int)st.state == state) ||
		    (phase >= 0 && (int)st.migration.phase == phase))
			return 0;
		if (av_clock_ns() > end ||
		    sd_event_run(n->ends->event, 100000) < 0)
			break;
	}
	fprintf(stderr, "%s: %s %s '%s', phase %s '%s'\n",
	    n->spec.runtime_dir, vmm_state_name(st.state),
	    vmm_reason_name(st.reason), st.detail,
	    vmm_phase_name(st.migration.phase), st.migration.why);
	return -ETIME;
}

int
end_wait_state(struct end *n, enum vmm_state state)
{
	return wait_for(n, (int)state, -1);
}

int
end_wait_phase(struct end *n, enum vmm_phase phase)
{
	return wait_for(n, -1, (int)phase);
}

static int
open_dom(struct end *n)
{
	const struct vmm_env env = { .event = n->ends->event,
		.helper_path = n->ends->helper };
	struct av_err err = {0};
	int rc;

	n->dom = vmm_close(n->dom);
	rc = vmm_open(n->ends->driver, &env, &n->spec, &n->dom, &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.text);
	return rc;
}

int
end_reopen(struct end *n)
{
	int rc = open_dom(n);

	if (rc == 0)
		rc = vmm_attach(n->dom, end_op(n), NULL);
	return rc < 0 ? rc : end_wait(n);
}

int
end_start(struct end *n)
{
	int rc = vmm_start(n->dom, 0, end_op(n), NULL);

	if (rc == 0)
		rc = end_wait(n);
	return rc < 0 ? rc : end_wait_state(n, VMM_RUNNING);
}

int
end_listen(struct end *n, struct vmm_link *ret)
{
	struct vmm_status st;
	int rc;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->address, sizeof(ret->address), "127.0.0.1");
	(void)snprintf(ret->tag, sizeof(ret->tag), "m1");
	ret->psk_file = n->ends->key;
	rc = vmm_start_incoming(n->dom, ret, end_op(n), NULL);
	if (rc == 0)
		rc = end_wait(n);
	if (rc < 0)
		fprintf(stderr, "incoming: %d %s\n", rc, n->err.text);
	st = end_status(n);
	ret->port = st.migration.port;
	return rc;
}

int
end_kill(struct end *n)
{
	int rc = vmm_kill(n->dom, end_op(n), NULL);

	if (n->serial >= 0)
		close(n->serial);
	n->serial = -1;
	return rc < 0 ? rc : end_wait(n);
}

uint64_t
end_hear(struct end *n, unsigned ms, uint64_t ticks)
{
	struct tiny_ear *ear = &n->ends->ear;
	uint64_t end = av_clock_ns() + ms * AV_NS_PER_MS;
	uint64_t had = ear->n_ticks;
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/serial.sock",
	    n->spec.runtime_dir);
	if (n->serial < 0)
		n->serial = tiny_connect(path);
	while (av_clock_ns() < end && ear->n_ticks - had < ticks) {
		if (n->serial >= 0)
			(void)tiny_hear(ear, n->serial);
		(void)sd_event_run(n->ends->event, 1000);
	}
	return ear->n_ticks - had;
}

static int
disk_serve(struct ends *e, const struct tiny_conf *c)
{
	char img[96], sock[96];
	char *argv[] = { (char *)(uintptr_t)NBDKIT, (char *)(uintptr_t)"-f",
		(char *)(uintptr_t)"-U", sock, (char *)(uintptr_t)"-e",
		(char *)(uintptr_t)"front", (char *)(uintptr_t)"file", img,
		NULL };
	uint8_t mbr[512];
	struct stat st;
	int fd, i, rc = -ENOENT;

	tiny_sector(c, mbr);
	(void)snprintf(img, sizeof(img), "%s/img", e->dir);
	(void)snprintf(sock, sizeof(sock), "%s/nbd", e->dir);
	fd = open(img, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, mbr, 512) != 512 || ftruncate(fd, 1 << 20) < 0)
		return -errno;
	close(fd);
	if (posix_spawn(&e->nbdkit, NBDKIT, NULL, NULL, argv, environ) != 0)
		return -ENOENT;
	for (i = 0; i < 500 && (rc = stat(sock, &st)) < 0; i++)
		(void)sd_event_run(e->event, 10000);
	ends_disk(e, 0, sock, 1 << 20);
	ends_disk(e, 1, sock, 1 << 20);
	return rc < 0 ? -ETIME : 0;
}

void
ends_disk(struct ends *e, int i, const char *sock, uint64_t bytes)
{
	struct vmm_disk *d = &e->end[i].spec.disks[0];

	(void)snprintf(d->nbd_socket, sizeof(d->nbd_socket), "%s", sock);
	(void)snprintf(d->volume_uuid, 37, "%s", ENDS_UUID);
	d->boot_order = 1;
	d->size_bytes = bytes;
	e->end[i].spec.n_disks = 1;
}

static int
key_write(const char *path, char digit)
{
	char line[80];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), rc;

	memset(line, digit, sizeof(line));
	memcpy(line, "avpair:", 7);
	line[71] = '\n';
	rc = fd >= 0 && write(fd, line, 72) == 72 ? 0 : -EIO;
	close(fd);
	return rc;
}

static void
spec_fill(struct ends *e, int i)
{
	struct vmm_spec *s = &e->end[i].spec;

	e->end[i].ends = e;
	e->end[i].serial = -1;
	(void)snprintf(s->id, sizeof(s->id), "o12");
	(void)snprintf(s->uuid, sizeof(s->uuid), "%s", ENDS_UUID);
	(void)snprintf(s->name, sizeof(s->name), "web");
	s->vcpus = 1;
	s->memory_bytes = 64u << 20;
	(void)snprintf(s->runtime_dir, sizeof(s->runtime_dir), "%s/pm%d/o12",
	    e->dir, i);
}

static int
helper_find(struct ends *e)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *at;

	/* build/tests/... -> build/av-vmrun */
	self[n > 0 ? n : 0] = '\0';
	at = strstr(self, "/tests/");
	return at == NULL || asprintf(&e->helper, "%.*s/av-vmrun",
	    (int)(at - self), self) < 0 ? -ENOENT : 0;
}

int
ends_prepare(struct ends *e, const char *driver, sd_event *event)
{
	const char *tmp = getenv("TMPDIR");
	int i;

	memset(e, 0, sizeof(*e));
	e->driver = driver;
	/* where run-tests tidies up, unless that is too long for sockets */
	(void)snprintf(e->dir, sizeof(e->dir), "%s/avends.XXXXXX",
	    tmp != NULL && strlen(tmp) < 48 ? tmp : "/tmp");
	e->event = sd_event_ref(event);
	if ((event == NULL && sd_event_new(&e->event) < 0) ||
	    mkdtemp(e->dir) == NULL)
		return -errno;
	(void)snprintf(e->key, sizeof(e->key), "%s/key", e->dir);
	(void)snprintf(e->wrong_key, sizeof(e->wrong_key), "%s/wrong", e->dir);
	if (key_write(e->key, '3') < 0 || key_write(e->wrong_key, '4') < 0)
		return -EIO;
	for (i = 0; i < 2; i++)
		spec_fill(e, i);
	return helper_find(e);
}

int
ends_open(struct ends *e)
{
	int rc = open_dom(&e->end[0]);

	return rc < 0 ? rc : open_dom(&e->end[1]);
}

int
ends_init(struct ends *e, const char *driver, const struct tiny_conf *c)
{
	int rc = ends_prepare(e, driver, NULL);

	if (rc == 0 && strcmp(driver, "qemu") == 0)
		rc = disk_serve(e, c);
	return rc < 0 ? rc : ends_open(e);
}

void
ends_dispose(struct ends *e)
{
	char *argv[] = { (char *)(uintptr_t)"rm", (char *)(uintptr_t)"-rf",
		e->dir, NULL };
	pid_t pid;
	int i;

	for (i = 0; i < 2; i++) {
		if (e->end[i].dom != NULL)
			(void)end_kill(&e->end[i]);
		vmm_close(e->end[i].dom);
	}
	if (e->nbdkit > 0) {
		kill(e->nbdkit, SIGTERM);
		waitpid(e->nbdkit, NULL, 0);
	}
	if (posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) == 0)
		waitpid(pid, NULL, 0);
	sd_event_unref(e->event);
	free(e->helper);
	vmm_sim_reset();
}
