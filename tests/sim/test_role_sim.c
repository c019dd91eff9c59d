/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/test_role_sim.c - runs scenarios and seeds; see sim.h
 *
 *   test_role_sim			what 'make check' runs: every scenario, then
 *					SIM_SEEDS (1-700) with SIM_FAULTS (175) each
 *   test_role_sim --seeds A-B		as many as wanted
 *   test_role_sim --trace FILE.scn	one scenario, told
 *   test_role_sim --trace --seeds 17-17
 *   test_role_sim --print 17		a seed's script
 *   test_role_sim --shrink FILE.scn	a failing script, shortened, to stdout
 *
 * SIM_JOBS processes (default: the machine's processors).  A failing seed is
 * shrunk into SIM_OUT (default build/sim)/seed-N.scn.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#define SCENARIOS	"tests/sim/scenarios"

static struct script script;
static unsigned n_faults;

static unsigned
env(const char *name, unsigned dflt)
{
	const char *s = getenv(name);
	unsigned v;

	return s != NULL && sscanf(s, "%u", &v) == 1 ? v : dflt;
}

static double
seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- scenarios --- */

static int
scenario_run(const char *path)
{
	FILE *f = fopen(path, "r");
	int rc = 1;

	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	if (sim_script_read(f, path, &script) == 0) {
		rc = sim_run(&script);
		if (rc != 0)
			fprintf(stderr, "%s: at %llu ms: %s\n", path,
			    (unsigned long long)W.now, W.bad);
	}
	(void)fclose(f);
	return rc;
}

static int
is_scenario(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot != NULL && strcmp(dot, ".scn") == 0;
}

static int
scenarios_run(const char *only)
{
	struct dirent **v;
	int n = scandir(SCENARIOS, &v, is_scenario, alphasort), i, failed = 0;
	char path[512];

	for (i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), SCENARIOS "/%s",
		    v[i]->d_name);
		*strrchr(v[i]->d_name, '.') = '\0';
		if (only == NULL || strcmp(only, v[i]->d_name) == 0) {
			int rc = scenario_run(path);

			printf("%sok %s\n", rc ? "not " : "", v[i]->d_name);
			failed += rc;
		}
		free(v[i]);
	}
	if (n > 0)
		free(v);
	if (n <= 0)
		fprintf(stderr, "no scenarios in " SCENARIOS "\n");
	return n <= 0 ? 1 : failed;
}

/* --- seeds --- */

static void
seed_failed(uint64_t seed)
{
	const char *dir = getenv("SIM_OUT");
	unsigned long long s = seed, at = W.now;
	const char *bad = W.bad;
	char path[512];
	unsigned runs;
	FILE *f;

	fprintf(stderr, "seed %llu, %llu ms: %s\n", s, at, bad);
	if (getenv("SIM_NO_SHRINK") != NULL || W.trace)
		return;
	dir = dir ? dir : "build/sim";
	(void)mkdir(dir, 0777);
	(void)snprintf(path, sizeof(path), "%s/seed-%llu.scn", dir, s);
	runs = sim_shrink(&script);
	f = fopen(path, "w");
	if (f == NULL)
		return;
	fprintf(f, "# found by seed %llu: %s\n", s, bad);
	sim_script_write(&script, f);
	(void)fclose(f);
	fprintf(stderr, "  shrunk to %zu lines in %u runs: %s\n", script.n,
	    runs, path);
}

/* Seeds of which one in 'jobs' is ours.  Returns how many failed. */
static unsigned
seeds_run(uint64_t first, uint64_t last, unsigned job, unsigned jobs)
{
	unsigned failed = 0;
	uint64_t s;

	for (s = first + job; s <= last && failed < 5; s += jobs) {
		sim_random_script(s, n_faults, &script);
		if (sim_run(&script) == 0)
			continue;
		failed++;
		seed_failed(s);
	}
	return failed;
}

struct result {
	unsigned	failed;
	struct stats	stats;
};

static void
add_stats(struct stats *to, const struct stats *from)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)from;
	size_t i;

	for (i = 0; i < sizeof(*to) / sizeof(*a); i++)
		a[i] += b[i];
}

static int
job_start(uint64_t first, uint64_t last, unsigned job, unsigned jobs,
    pid_t *pid)
{
	struct result r;
	int fd[2];

	if (pipe(fd) < 0)
		return -1;
	*pid = fork();
	if (*pid == 0) {
		memset(&W.stats, 0, sizeof(W.stats));
		r.failed = seeds_run(first, last, job, jobs);
		r.stats = W.stats;
		_exit(write(fd[1], &r, sizeof(r)) == sizeof(r) ? 0 : 1);
	}
	(void)close(fd[1]);
	return *pid < 0 ? -1 : fd[0];
}

static bool
read_all(int fd, void *buf, size_t n)
{
	size_t at = 0;
	ssize_t k;

	while (at < n) {
		k = read(fd, (char *)buf + at, n - at);
		if (k <= 0)
			return false;
		at += (size_t)k;
	}
	return true;
}

static unsigned
jobs_run(uint64_t first, uint64_t last, struct stats *all)
{
	unsigned jobs = env("SIM_JOBS", (unsigned)sysconf(
	    _SC_NPROCESSORS_ONLN)), k, failed = 0;
	pid_t pid[64];
	int fd[64], status;

	jobs = jobs < 1 ? 1 : jobs > 64 ? 64 : jobs;
	for (k = 0; k < jobs; k++)
		fd[k] = job_start(first, last, k, jobs, &pid[k]);
	for (k = 0; k < jobs; k++) {
		struct result r = { .failed = 1 };

		if (fd[k] < 0 || !read_all(fd[k], &r, sizeof(r)))
			r = (struct result){ .failed = 1 };
		failed += r.failed;
		add_stats(all, &r.stats);
		if (fd[k] >= 0) {
			(void)close(fd[k]);
			(void)waitpid(pid[k], &status, 0);
		}
	}
	return failed;
}

#define U(x)	((unsigned long long)(x))

static int
seeds(uint64_t first, uint64_t last, bool whole)
{
	struct stats all = W.stats;	/* of the scenarios */
	double since = seconds(), took;
	unsigned failed = W.trace ? seeds_run(first, last, 0, 1) :
	    jobs_run(first, last, &all);

	took = seconds() - since;
	fprintf(stderr, "seeds %llu-%llu: %llu runs, %llu faults, %llu events, "
	    "%llu steps, %.1f virtual hours in %.1f s: %.0f faults/s\n",
	    U(first), U(last), U(all.runs), U(all.faults), U(all.events),
	    U(all.ticks), (double)all.ticks * TICK_MS / 3600e3, took,
	    (double)all.faults / took);
	fprintf(stderr, "%llu grants, %llu takes, %llu together, %llu moves, "
	    "%llu adopts, %llu agains, %llu takeovers, %llu watchdog resets, %llu "
	    "hung agents killed, %llu changes of server, "
	    "%llu crossed with a hand-back, %llu leaves\n",
	    U(all.grants), U(all.takes), U(all.together), U(all.moves),
	    U(all.adopts), U(all.agains), U(all.takeovers), U(all.resets),
	    U(all.agents_killed), U(all.switches), U(all.crossed),
	    U(all.stays));
	printf("%sok seeds_%llu_%llu\n", failed ? "not " : "", U(first),
	    U(last));
	/* the world still does what it is for */
	if (whole && !failed) {
		bool alive = all.grants > all.faults / 50 &&
		    all.takes > all.faults / 50 && all.moves > all.faults / 50 &&
		    all.together > all.faults / 20 && all.adopts > 0 &&
		    all.resets > 0 && all.takeovers > 0 &&
		    all.switches > all.faults / 100 &&
		    all.stays > all.faults / 400;
		bool covered = sim_coverage(&all, true, stderr) == 0;

		printf("%sok the_world_does_what_it_is_for\n",
		    alive ? "" : "not ");
		printf("%sok every_pair_is_reached\n", covered ? "" : "not ");
		failed += (alive ? 0u : 1u) + (covered ? 0u : 1u);
	}
	return failed != 0;
}

/* --- main --- */

static int
range(const char *s, uint64_t *first, uint64_t *last)
{
	unsigned long long a, b;
	int n = sscanf(s, "%llu-%llu", &a, &b);

	if (n < 1)
		return -1;
	*first = a;
	*last = n == 2 ? b : a;
	return 0;
}

static int
shrink_file(const char *path)
{
	if (scenario_run(path) == 0) {
		fprintf(stderr, "%s: it doesn't fail\n", path);
		return 1;
	}
	(void)sim_shrink(&script);
	printf("# %s\n", W.bad);
	sim_script_write(&script, stdout);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *all = getenv("SIM_SEEDS");
	uint64_t first = 1, last = 700;
	int i = 1, rc;

	setvbuf(stdout, NULL, _IOLBF, 0);
	n_faults = env("SIM_FAULTS", 175);
	if (i < argc && strcmp(argv[i], "--trace") == 0) {
		W.trace = true;
		i++;
	}
	if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0 &&
	    range(argv[i + 1], &first, &last) == 0)
		return seeds(first, last, last - first >= 500);
	if (i + 1 < argc && strcmp(argv[i], "--print") == 0 &&
	    range(argv[i + 1], &first, &last) == 0) {
		sim_random_script(first, n_faults, &script);
		sim_script_write(&script, stdout);
		return 0;
	}
	if (i + 1 < argc && strcmp(argv[i], "--shrink") == 0)
		return shrink_file(argv[i + 1]);
	if (i < argc && strchr(argv[i], '.') != NULL)
		return scenario_run(argv[i]);
	if (i < argc)
		return scenarios_run(argv[i]);
	if (all != NULL)
		(void)range(all, &first, &last);
	rc = scenarios_run(NULL);
	fflush(stdout);
	return seeds(first, last, true) | (rc != 0);
}
