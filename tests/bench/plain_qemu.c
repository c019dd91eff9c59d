/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/plain_qemu.c - see plain_qemu.h
 */
#include "tests/bench/plain_qemu.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "vmm/args.h"

#define QEMU	"/usr/bin/qemu-system-x86_64"
#define WAIT_NS	(60 * AV_NS_PER_S)
#define UNLIMITED (1ll << 40)	/* bytes/s, as ours */

extern char **environ;

static void
up(void *ctx)
{
	((struct plain *)ctx)->up = true;
}

static void
down(void *ctx, const struct av_err *err)
{
	(void)err;
	((struct plain *)ctx)->down = true;
}

static void
event(void *ctx, const char *name, const json_t *data)
{
	(void)ctx;
	(void)name;
	(void)data;
}

/* Our words without those that are ours; borrowed, but for the disk's. */
static char **
words(struct vmm_args *a, const char *image, char ret_disk[512])
{
	char **v = calloc(a->n + 8, sizeof(*v));
	size_t i, n = 0;

	(void)snprintf(ret_disk, 512, "{\"driver\":\"raw\",\"node-name\":"
	    "\"disk0\",\"cache\":{\"direct\":true},\"discard\":\"unmap\","
	    "\"file\":{\"driver\":\"file\",\"cache\":{\"direct\":true},"
	    "\"filename\":\"%s\"}}", image);
	for (i = 0; v != NULL && i < a->n; i++) {
		if (strcmp(a->v[i], "-S") == 0)
			continue;
		v[n++] = strncmp(a->v[i], "{\"driver\":\"raw\"", 15) == 0 ?
		    ret_disk : a->v[i];
	}
	return v;
}

static int
monitor_wait(struct plain *p, const char *path)
{
	const struct qmp_user user = { up, down, event, p };
	uint64_t due = av_clock_ns() + WAIT_NS;

	while (!p->up && !p->down && av_clock_ns() < due) {
		if (p->qmp == NULL)
			(void)qmp_connect(p->event, path, &user, &p->qmp);
		if (sd_event_run(p->event, 10000) < 0)
			return -EIO;
	}
	return p->up ? 0 : -ETIME;
}

int
plain_start(struct plain *p, sd_event *loop, const struct vmm_spec *spec,
    const char *image, uint16_t port)
{
	struct vmm_args a = {0};
	AUTO_FREE char **v = NULL;
	char disk[512], uri[64], path[VMM_PATH_MAX + 16];
	char incoming[] = "-incoming";
	size_t n = 0;
	int rc;

	memset(p, 0, sizeof(*p));
	p->event = loop;
	rc = vmm_qemu_args(&a, QEMU, VMM_ACCEL_TCG, spec);
	v = rc == 0 ? words(&a, image, disk) : NULL;
	if (v == NULL) {
		vmm_args_dispose(&a);
		return -ENOMEM;
	}
	while (v[n] != NULL)
		n++;
	(void)snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%u", port);
	if (port != 0) {
		v[n++] = incoming;
		v[n++] = uri;
	}
	(void)mkdir(spec->runtime_dir, 0700);
	rc = -posix_spawn(&p->pid, QEMU, NULL, NULL, v, environ);
	vmm_args_dispose(&a);
	(void)snprintf(path, sizeof(path), "%s/qmp.sock", spec->runtime_dir);
	return rc < 0 ? rc : monitor_wait(p, path);
}

int
plain_migrate(struct plain *p, uint16_t port)
{
	char uri[64];
	int rc;

	(void)snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%u", port);
	rc = qmp_call(p->qmp, "migrate-set-parameters", json_pack("{s:I, s:i}",
	    "max-bandwidth", (json_int_t)UNLIMITED, "downtime-limit", 300),
	    NULL, NULL);
	return rc < 0 ? rc : qmp_call(p->qmp, "migrate", json_pack("{s:s}",
	    "uri", uri), NULL, NULL);
}

struct answer {
	struct plain	*p;
	bool		 over;
	int		 rc;
};

static void
numbers_got(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct answer *a = ctx;
	const char *s = json_string_value(json_object_get(ret, "status"));

	(void)err;
	a->over = true;
	a->rc = rc < 0 || s == NULL || strcmp(s, "failed") == 0 ? -EIO :
	    strcmp(s, "completed") == 0 ? 0 : -EAGAIN;
	if (a->rc == 0) {
		a->p->downtime_ms = (unsigned)json_integer_value(
		    json_object_get(ret, "downtime"));
		a->p->total_ms = (unsigned)json_integer_value(
		    json_object_get(ret, "total-time"));
	}
}

int
plain_numbers(struct plain *p)
{
	struct answer a = { .p = p };
	uint64_t due = av_clock_ns() + WAIT_NS;
	int rc = qmp_call(p->qmp, "query-migrate", NULL, numbers_got, &a);

	while (rc == 0 && !a.over)
		if (av_clock_ns() > due || sd_event_run(p->event, 100000) < 0)
			return -EIO;
	return rc < 0 ? rc : a.rc;
}

void
plain_end(struct plain *p)
{
	p->qmp = qmp_free(p->qmp);
	if (p->pid > 0) {
		(void)kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL, 0);
	}
	p->pid = 0;
}
