/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/drill/procs.c - guests' processes, seen from outside the PMs
 */
#include "tests/drill/procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t
proc_read(pid_t pid, const char *what, char *buf, size_t n)
{
	char path[64];
	ssize_t r;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = read(fd, buf, n - 1);
	(void)close(fd);	/* was only read */
	if (r >= 0)
		buf[r] = '\0';
	return r;
}

uint64_t
procs_net_ns(pid_t pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static bool
mac_parse(const char *text, uint8_t mac[6])
{
	unsigned v[6];
	int i;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &v[0], &v[1], &v[2], &v[3],
	    &v[4], &v[5]) != 6)
		return false;
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return true;
}

/* The first MAC address in a hypervisor's command line. */
static bool
mac_find(char *args, size_t n, uint8_t mac[6])
{
	char *at = args;

	while ((at = memmem(at, n - (size_t)(at - args), "mac", 3)) != NULL) {
		at += 3;
		at += strspn(at, "\"': =");
		if (mac_parse(at, mac))
			return true;
	}
	return false;
}

static bool
is_hypervisor(pid_t pid)
{
	char comm[32];

	return proc_read(pid, "comm", comm, sizeof(comm)) > 0 &&
	    strncmp(comm, "qemu-system", 11) == 0;
}

static void
look_at(struct procs *ps, unsigned i, uint64_t now_ns, procs_fn found,
    void *ctx)
{
	static char args[32768];
	uint8_t mac[6];
	ssize_t n;

	if (is_hypervisor(ps->v[i].pid)) {
		n = proc_read(ps->v[i].pid, "cmdline", args, sizeof(args));
		ps->v[i].done = true;
		if (n > 0 && mac_find(args, (size_t)n, mac))
			found(ctx, ps->v[i].pid, mac,
			    procs_net_ns(ps->v[i].pid), now_ns);
	} else if (now_ns - ps->v[i].seen_ns > PROCS_YOUNG_NS) {
		ps->v[i].done = true;
	}
}

static unsigned
slot_of(struct procs *ps, pid_t pid, uint64_t now_ns)
{
	unsigned i;

	for (i = 0; i < ps->n; i++)
		if (ps->v[i].pid == pid)
			return i;
	if (ps->n == PROCS_MAX)
		return PROCS_MAX;
	memset(&ps->v[ps->n], 0, sizeof(ps->v[0]));
	ps->v[ps->n].pid = pid;
	ps->v[ps->n].seen_ns = now_ns;
	return ps->n++;
}

void
procs_look(struct procs *ps, uint64_t now_ns, procs_fn found, void *ctx)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned i, kept = 0;

	if (d == NULL)
		return;
	for (i = 0; i < ps->n; i++)
		ps->v[i].here = false;
	while ((e = readdir(d)) != NULL) {
		int pid;

		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
		    sscanf(e->d_name, "%d", &pid) != 1)
			continue;
		i = slot_of(ps, pid, now_ns);
		if (i == PROCS_MAX)
			continue;
		ps->v[i].here = true;
		if (!ps->v[i].done)
			look_at(ps, i, now_ns, found, ctx);
	}
	(void)closedir(d);	/* was only read */
	for (i = 0; i < ps->n; i++)
		if (ps->v[i].here)
			ps->v[kept++] = ps->v[i];
	ps->n = kept;
}
