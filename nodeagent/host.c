/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/host.c - what this PM is: processors, memory, storage, versions
 */
#include <dirent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "nodeagent/host.h"
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
describe_cpus(const struct agent_conf *conf)
{
	unsigned threads, cores, sockets;

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

static uint64_t
storage_of_host(const char *dir)
{
	struct statvfs vfs;

	if (statvfs(dir, &vfs) < 0)
		return 0;
	return (uint64_t)vfs.f_bavail * vfs.f_frsize;
}

/* First line of 'PROGRAM ARG'; empty when it can't be had. */
static void
program_version(const char *program, const char *arg, char *ret, size_t n)
{
	char *const argv[] = { (char *)(uintptr_t)program,
	    (char *)(uintptr_t)arg, NULL };
	char *const envp[] = { (char *)(uintptr_t)"PATH=/usr/sbin:/usr/bin",
	    NULL };
	posix_spawn_file_actions_t fa;
	int pipes[2], status;
	FILE *f;
	pid_t pid;

	*ret = '\0';
	if (pipe(pipes) < 0)
		return;
	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawn_file_actions_adddup2(&fa, pipes[1], 1);
	(void)posix_spawn_file_actions_addclose(&fa, pipes[0]);
	if (posix_spawnp(&pid, program, &fa, NULL, argv, envp) == 0) {
		(void)close(pipes[1]);
		f = fdopen(pipes[0], "r");
		if (f != NULL) {
			if (fgets(ret, (int)n, f) == NULL)
				*ret = '\0';
			(void)fclose(f);
		}
		(void)waitpid(pid, &status, 0);
	} else {
		(void)close(pipes[0]);
		(void)close(pipes[1]);
	}
	(void)posix_spawn_file_actions_destroy(&fa);
	ret[strcspn(ret, "\n")] = '\0';
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
	uint64_t memory = conf->memory_bytes > 0 ? conf->memory_bytes :
	    memory_of_host();
	uint64_t storage = conf->storage_bytes > 0 ? conf->storage_bytes :
	    storage_of_host(conf->storage_dir != NULL ?
	    conf->storage_dir : conf->state_dir);

	return json_pack("{s:o,s:o,s:I,s:I,s:o,s:o}", "cpu_flags",
	    describe_flags(), "cpus", describe_cpus(conf), "memory_bytes",
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
