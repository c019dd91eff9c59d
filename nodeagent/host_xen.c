/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/host_xen.c - what this PM is, as Xen says
 */
#include "nodeagent/host_xen.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "nodeagent/core/limits.h"
#include "nodeagent/host_program.h"

#define XENRUN		"/usr/lib/avpair/av-xenrun"
#define THREADS_MAX	4096
/* What Xen takes for a guest beside its memory (libxl's paging pool): 8 KiB for each
 * MiB, 1 MiB for each vCPU. */
#define PAGING_PART	128
#define PAGING_BYTES	(16ull << 20)

static json_int_t
whole(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

int
host_xen_parse(const char *line, struct host_xen *ret)
{
	AUTO_JSON json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	json_int_t cpus = whole(o, "cpus"), per_core, per_socket;
	json_int_t memory = whole(o, "memory_bytes");
	json_int_t system = whole(o, "system_bytes");

	per_core = whole(o, "threads_per_core");
	per_socket = per_core * whole(o, "cores_per_socket");
	if (cpus < 1 || cpus > THREADS_MAX || memory <= 0 || system <= 0 ||
	    system > memory)
		return -EBADMSG;
	/* not told, or of processors that are off: each a core of its own */
	if (per_core < 1 || per_core > cpus)
		per_core = 1;
	if (per_socket < per_core || per_socket > cpus)
		per_socket = cpus;
	ret->threads = (unsigned)cpus;
	ret->cores = (unsigned)(cpus / per_core);
	ret->sockets = (unsigned)(cpus / per_socket);
	ret->memory_bytes = (uint64_t)memory;
	ret->system_bytes = (uint64_t)system;
	return 0;
}

int
host_xen_ask(const char *vmrun, struct host_xen *ret)
{
	const char *slash = vmrun != NULL ? strrchr(vmrun, '/') : NULL;
	char path[PATH_MAX] = XENRUN, line[1024];
	const char *const argv[] = { path, "physical", NULL };

	if (slash != NULL)
		(void)snprintf(path, sizeof(path), "%.*s/av-xenrun",
		    (int)(slash - vmrun), vmrun);
	host_program_line(argv, line, sizeof(line));
	return host_xen_parse(line, ret);
}

uint64_t
host_xen_counted(const struct host_xen *x)
{
	uint64_t system = x->system_bytes + x->memory_bytes / PAGING_PART +
	    PAGING_BYTES;
	uint64_t more = system > LIMITS_SYSTEM_BYTES ?
	    system - LIMITS_SYSTEM_BYTES : 0;

	return x->memory_bytes > more ? x->memory_bytes - more : 0;
}
