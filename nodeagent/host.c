/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/host.c - what this PM is: processors, memory, storage, versions
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeagent/host.h"
#include "nodeagent/host_program.h"
#include "nodeagent/host_xen.h"
#include "vif/vif.h"

#define CPUS_MAX	4096u

static unsigned
topology_value(unsigned cpu, const char *file)
{
	AUTO_FILE FILE *f = NULL;
	char path[128];
	unsigned v = 0;

	(void)snprintf(path, sizeof(path),
	    "/sys/devices/system/cpu/cpu%u/topology/%s", cpu, file);
	f = fopen(path, "re");
	if (f == NULL || fscanf(f, "%u", &v) != 1)
		return cpu;	/* not told: a core of its own */
	return v;
}

/* Counts distinct (package, core) pairs and packages of the online CPUs. */
static void
count_cpus(unsigned *ret_threads, unsigned *ret_cores, unsigned *ret_sockets)
{
	unsigned n = (unsigned)sysconf(_SC_NPROCESSORS_ONLN), cpu, i;
	AUTO_FREE unsigned *package = calloc(CPUS_MAX, sizeof(unsigned));
	AUTO_FREE unsigned *core = calloc(CPUS_MAX, sizeof(unsigned));

	*ret_threads = n;
	*ret_cores = *ret_sockets = 0;
	if (package == NULL || core == NULL || n > CPUS_MAX)
		return;
	for (cpu = 0; cpu < n; cpu++) {
		unsigned p = topology_value(cpu, "physical_package_id");
		unsigned c = topology_value(cpu, "core_id");
		int new_core = 1, new_package = 1;

		for (i = 0; i < cpu; i++) {
			new_package &= package[i] != p;
			new_core &= package[i] != p || core[i] != c;
		}
		package[cpu] = p;
		core[cpu] = c;
		*ret_cores += (unsigned)new_core;
		*ret_sockets += (unsigned)new_package;
	}
}

static json_t *
describe_cpus(const struct agent_conf *conf, const struct host_xen *xen)
{
	unsigned threads = xen->threads, cores = xen->cores,
	    sockets = xen->sockets;

	if (threads == 0)
		count_cpus(&threads, &cores, &sockets);
	if (conf->cpus > 0) {
		threads = cores = conf->cpus;
		sockets = 1;
	}
	return json_pack("{s:i,s:i,s:i}", "threads", (int)threads, "cores",
	    (int)(cores > 0 ? cores : threads), "sockets",
	    (int)(sockets > 0 ? sockets : 1));
}

static uint64_t
memory_of_host(void)
{
	struct sysinfo si;

	if (sysinfo(&si) < 0)
		return 0;
	return (uint64_t)si.totalram * si.mem_unit;
}

/* Also fills 'xen', under Xen. */
static uint64_t
memory_of_pm(const struct agent_conf *conf, struct host_xen *xen)
{
	if (strcmp(conf->driver_vmm, "xen") != 0)
		return memory_of_host();
	if (host_xen_ask(conf->vmrun, xen) < 0) {
		log_warn("unit", "Xen doesn't say what this PM has: memory and "
		    "processors of its own system are counted alone");
		return memory_of_host();
	}
	return host_xen_counted(xen);
}

static uint64_t
storage_of_host(const char *dir)
{
	struct statvfs vfs;

	if (statvfs(dir, &vfs) < 0)
		return 0;
	return (uint64_t)vfs.f_bavail * vfs.f_frsize;
}

static void
program_version(const char *program, const char *arg, char *ret, size_t n)
{
	const char *const argv[] = { program, arg, NULL };

	host_program_line(argv, ret, n);
}

/* All of it: what our own legs take is subtracted where limits are compared. */
static uint64_t
storage_of_vg(const char *vg)
{
	const char *const argv[] = { "vgs", "--noheadings", "--nosuffix",
	    "--units", "b", "--options", "vg_size", "--", vg, NULL };
	char line[64];
	unsigned long long bytes;

	host_program_line(argv, line, sizeof(line));
	return sscanf(line, "%llu", &bytes) == 1 ? bytes : 0;
}

/* The first word that begins with a digit: "... version 7.2.1 (...)" -> 7.2.1 */
static const char *
version_word(char *line)
{
	char *p, *rest = NULL;

	for (p = strtok_r(line, " ,'\"()", &rest); p != NULL;
	    p = strtok_r(NULL, " ,'\"()", &rest))
		if (*p >= '0' && *p <= '9')
			return p;
	return "";
}

static json_t *
describe_versions(const struct agent_conf *conf)
{
	char qemu[256], corosync[256];
	struct utsname un;

	if (uname(&un) < 0)
		un.release[0] = '\0';
	program_version(conf->qemu, "--version", qemu, sizeof(qemu));
	program_version("corosync", "-v", corosync, sizeof(corosync));
	return json_pack("{s:s,s:s,s:s,s:s}", "avpair", AV_VERSION, "corosync",
	    version_word(corosync), "qemu", version_word(qemu), "kernel",
	    un.release);
}

static json_t *
describe_addresses(const struct agent_conf *conf)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list != NULL && i < conf->n_links; i++)
		(void)json_array_append_new(list,
		    json_string(conf->links[i].local));
	return list;
}

/* What the processors can do, as the kernel names it; of the first one. */
static json_t *
describe_flags(void)
{
	AUTO_FILE FILE *f = fopen("/proc/cpuinfo", "re");
	AUTO_FREE char *line = NULL;
	json_t *flags = NULL;
	size_t room = 0;
	char *p;

	while (f != NULL && flags == NULL && getline(&line, &room, f) > 0) {
		if (strncmp(line, "flags", 5) != 0)
			continue;
		p = strchr(line, ':');
		line[strcspn(line, "\n")] = '\0';
		if (p != NULL)
			flags = json_string(p + 1 + (p[1] == ' '));
	}
	return flags != NULL ? flags : json_string("");
}

json_t *
host_describe(const struct agent_conf *conf)
{
	struct host_xen xen = { 0 };
	uint64_t memory = conf->memory_bytes > 0 ? conf->memory_bytes :
	    memory_of_pm(conf, &xen);
	uint64_t storage = conf->storage_bytes > 0 ? conf->storage_bytes :
	    conf->drbd_vg != NULL ? storage_of_vg(conf->drbd_vg) :
	    storage_of_host(conf->storage_dir != NULL ?
	    conf->storage_dir : conf->state_dir);

	return json_pack("{s:o,s:o,s:I,s:I,s:o,s:o}", "cpu_flags",
	    describe_flags(), "cpus", describe_cpus(conf, &xen), "memory_bytes",
	    (json_int_t)memory, "storage_bytes", (json_int_t)storage,
	    "addresses", describe_addresses(conf), "versions",
	    describe_versions(conf));
}

/* Field 22 of /proc/PID/stat: start time in ticks since boot. */
static double
start_s(const char *stat_path)
{
	AUTO_FILE FILE *f = fopen(stat_path, "re");
	char line[1024], *p;
	unsigned long long ticks = 0;
	int field;

	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		return 0;
	p = strrchr(line, ')');	/* the name may hold anything */
	if (p == NULL)
		return 0;
	p += 2;
	for (field = 3; field < 22 && p != NULL; field++) {
		p = strchr(p, ' ');
		if (p != NULL)
			p++;
	}
	if (p == NULL || sscanf(p, "%llu ", &ticks) != 1)
		return 0;
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

uint64_t
host_uptime_s(void)
{
	AUTO_FILE FILE *f = fopen("/proc/uptime", "re");
	double up = 0;

	if (f == NULL || fscanf(f, "%lf", &up) != 1)
		return 0;
	up -= start_s("/proc/1/stat");	/* a container's own start */
	return up > 0 ? (uint64_t)up : 0;
}

uint64_t
host_self_rss_bytes(void)
{
	AUTO_FILE FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long size, rss = 0;

	if (f == NULL || fscanf(f, "%llu %llu", &size, &rss) != 2)
		return 0;
	return rss * (uint64_t)sysconf(_SC_PAGESIZE);
}
