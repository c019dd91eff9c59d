/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash.c - power cuts of a mirrored pair, replayed
 *
 *   CRASH_CASES=1000000	how many replayed cases (default 300000)
 *   CRASH_RUNS=1000	runs with cuts while they last; CRASH_FAULT_SEEDS=100 the same
 *			with faults; CRASH_DISKLESS_LOGS=1000 how many of the runs that went on
 *			without a disk are cut at every moment
 *   CRASH_SEED=7		first seed (default 1); a run a seed
 *   CRASH_VERBOSE=1		what the servers say
 */
/* first: small pages */
#include "tests/unit/mirror/crash_run.h"

#include <errno.h>
#include <time.h>

#include "base/str.h"
#include "mirror/replica/server.h"
#include "tests/test.h"

#define PER_CUT		8u
#define WEAK_RUNS	40u
#define CLEANER_RUNS 200u
#define GROW_SEEDS	2u
#define SYNC_SEEDS	3u
#ifdef __SANITIZE_ADDRESS__
#define CASES		20000u
#define RUNS		60u
#define FAULT_SEEDS	1u
#define DISKLESS_LOGS	4u
#else
#define CASES		300000u
#define RUNS		200u
#define FAULT_SEEDS	4u
#define DISKLESS_LOGS	100u
#endif

static uint64_t
setting(const char *name, uint64_t def)
{
	const char *v = getenv(name);
	uint64_t n;

	return v != NULL && av_parse_u64(v, &n) == 0 ? n : def;
}

static double
seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
run_ok(uint64_t seed, unsigned length, bool cuts)
{
	if (run_do(seed, length, cuts) == 0)
		return 0;
	fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed,
	    run.failed);
	return -1;
}

/* Cuts while both servers run: the survivor goes on with what it has in memory. */
TEST(pairs_live_through_power_cuts)
{
	uint64_t seed = setting("CRASH_SEED", 1), n = setting("CRASH_RUNS",
	    RUNS), i, cuts = 0, acks = 0, ops = 0, grown = 0, holds = 0;
	double start = seconds();

	for (i = 0; i < n; i++) {
		int rc = run_ok(seed + i, 30, true);

		cuts += run.n_cuts;
		acks += run.n_acks;
		ops += sim_ops.n;
		grown += run.n_grown;
		holds += run.n_holds;
		run_end();
		CHECK_EQ(rc, 0);
	}
	/* the test still tests; a single seed may be an odd one */
	CHECK(n < 20 || (cuts > n && acks > 100 * n && grown > n / 4 &&
	    holds > n / 4));
	fprintf(stderr, "seeds %llu..%llu: %llu cuts, %llu grown, %llu held, "
	    "%llu writes, %llu operations, %.1f s\n", (unsigned long long)seed,
	    (unsigned long long)(seed + n - 1), (unsigned long long)cuts,
	    (unsigned long long)grown, (unsigned long long)holds,
	    (unsigned long long)acks, (unsigned long long)ops,
	    seconds() - start);
	return 0;
}

/* Whoever promotes it may lose what wasn't flushed, and nothing else: chance gets
 * there about once in 2000 seeds. */
TEST(a_secondary_that_lost_power_takes_over)
{
	uint64_t seed = setting("CRASH_SEED", 1), i;
	unsigned lossy = 0, flushed = 0;

	for (i = 0; i < WEAK_RUNS; i++) {
		int rc = run_script(seed + i, RUN_WEAK);
		size_t r;

		if (rc < 0)
			fprintf(stderr, "seed %llu: %s\n",
			    (unsigned long long)(seed + i), run.failed);
		for (r = 0; r < model.n && model.rec[r].step_lost == NEVER; )
			r++;
		lossy += r < model.n;
		flushed += run.n_flushes > 0;
		run_end();
		CHECK_EQ(rc, 0);
	}
	CHECK(lossy > WEAK_RUNS / 2 && flushed > WEAK_RUNS / 4);
	return 0;
}

/* agents() looks whether the legs are equal after the secondary lost power. */
TEST(a_write_during_the_cleaners_flush_keeps_its_bit)
{
	uint64_t seed = setting("CRASH_SEED", 1), i;

	for (i = 0; i < CLEANER_RUNS; i++) {
		int rc = run_script(seed + i, RUN_CLEANER);

		if (rc < 0)
			fprintf(stderr, "seed %llu: %s\n",
			    (unsigned long long)(seed + i), run.failed);
		run_end();
		CHECK_EQ(rc, 0);
	}
	return 0;
}

TEST(every_moment_is_a_power_cut)
{
	uint64_t seed = setting("CRASH_SEED", 1), i;
	uint64_t cases = setting("CRASH_CASES", CASES);
	struct replay_count count = { 0 };
	double start = seconds(), took;
	char why[512] = "";

	for (i = 0; count.cases < cases; i++) {
		int rc = run_ok(seed + i, 6, i % 2 == 1);

		run_end();
		CHECK_EQ(rc, 0);
		rc = replay_log(PER_CUT, cases, &count, why, sizeof(why));
		if (rc < 0)
			fprintf(stderr, "%s\n", why);
		CHECK_EQ(rc, 0);
	}
	took = seconds() - start;
	fprintf(stderr, "seeds %llu..%llu: %llu cases in %.1f s, %.0f a "
	    "second; %llu resynced, %llu in step, %llu after running alone, "
	    "%llu unfinished, %llu the other newer, %llu cut twice, %llu "
	    "grew at the handshake\n",
	    (unsigned long long)seed, (unsigned long long)(seed + i - 1),
	    (unsigned long long)count.cases, took,
	    (double)count.cases / took, (unsigned long long)count.resynced,
	    (unsigned long long)count.in_step,
	    (unsigned long long)count.alone,
	    (unsigned long long)count.refused,
	    (unsigned long long)count.peer_newer,
	    (unsigned long long)count.twice,
	    (unsigned long long)count.caught_up);
	/* the test still tests */
	CHECK(count.resynced > 0 && count.in_step > 0 && count.alone > 0 &&
	    count.refused > 0 && count.peer_newer > 0);
	/* a volume that grows is rarer */
	CHECK(count.caught_up > 0 || cases < 100000);
	return 0;
}

/* --- faults --- */

struct fault_sum {
	uint64_t	runs, fired, diskless, n_logs;
	struct replay_count count, log;
};

/* The fault is gone, the data isn't, and the status told. */
static int
fault_outcome(struct fault_sum *sum)
{
	struct srv *s = sim.srv[sim_fault.node];
	char why[512] = "";
	bool told = s != NULL && s->disk_failed;
	int rc;

	run_end();
	sim_fault.armed = false;
	CHECK_EQ(run.failed[0], '\0');
	/* zeroing falls back to writing zeros */
	/* a volume that can't grow stays as it was, and its order says so */
	CHECK(told || sim_fault.fired == 0 || sim_fault.kind == FAULT_ZERO ||
	    run.n_grow_refused > 0 || run.script == RUN_CATCH_UP);
	rc = replay_end(4, &sum->count, why, sizeof(why));
	if (rc < 0)
		fprintf(stderr, "%s\n", why);
	CHECK_EQ(rc, 0);
	/* of a run that went on without a disk every moment is a cut, too */
	if (run.n_diskless > 0 && sum->n_logs < setting("CRASH_DISKLESS_LOGS",
	    DISKLESS_LOGS)) {
		sum->n_logs++;
		rc = replay_log(1, NEVER, &sum->log, why, sizeof(why));
		if (rc < 0)
			fprintf(stderr, "%s\n", why);
		CHECK_EQ(rc, 0);
		CHECK(sum->log.cases > 100 * sum->n_logs);
	}
	return 0;
}

/* One kind of operation on one file of one node fails, at every place. */
static int
fault_loop(struct sim_fault f, uint64_t seed, enum run_script script,
    struct fault_sum *sum)
{
	long n;

	for (n = 0; ; n++) {
		int rc;

		f.countdown = n;
		sim_fault = f;
		(void)(script == RUN_BY_CHANCE ? run_do(seed, 5, false) :
		    run_script(seed, script));
		rc = fault_outcome(sum);
		if (rc != 0) {
			fprintf(stderr, "seed %llu: node %d file %d kind %d "
			    "error %d %s n %ld: %s\n",
			    (unsigned long long)seed, f.node, f.file, f.kind,
			    f.error, f.persist ? "persistent" : "once", n,
			    run.failed);
			return rc;
		}
		sum->runs++;
		sum->diskless += run.n_diskless;
		if (sim_fault.fired == 0)
			break;
		sum->fired++;
	}
	return 0;
}

TEST(every_operation_fails_once_or_for_good)
{
	uint64_t seed = setting("CRASH_SEED", 1), n_seeds =
	    setting("CRASH_FAULT_SEEDS", FAULT_SEEDS);
	struct fault_sum sum = { 0 };
	double start = seconds();
	int i, n = 2 * 2 * FAULT_KINDS * 2 * (int)n_seeds;

	for (i = 0; i < n; i++) {
		struct sim_fault f = { .armed = true, .node = i & 1,
			.file = i >> 1 & 1, .persist = i >> 2 & 1,
			.kind = (i >> 3) % FAULT_KINDS };

		f.error = f.file == SIM_META && f.kind == FAULT_WRITE ?
		    ENOSPC : EIO;
		if (f.file == SIM_META && f.kind == FAULT_ZERO)
			continue;
		CHECK_EQ(fault_loop(f, seed + (uint64_t)(i >> 3) /
		    FAULT_KINDS, RUN_BY_CHANCE, &sum), 0);
	}
	fprintf(stderr, "%llu runs, %llu with a fault, %llu went on without "
	    "a disk, %llu cases after, %llu in the middle, %.1f s\n",
	    (unsigned long long)sum.runs, (unsigned long long)sum.fired,
	    (unsigned long long)sum.diskless,
	    (unsigned long long)sum.count.cases,
	    (unsigned long long)sum.log.cases, seconds() - start);
	CHECK(sum.n_logs > 0);
	CHECK(sum.fired >= 50 * n_seeds);	/* the points are there */
	CHECK(sum.diskless >= 5 * n_seeds);
	return 0;
}

/* What growing writes fails: a superblock that may say the new size keeps its
 * file, and the guest goes on with the peer's disk. */
TEST(every_operation_of_growing_fails)
{
	uint64_t seed = setting("CRASH_SEED", 1);
	struct fault_sum sum = { 0 };
	uint64_t n;
	int i;

	for (n = 0; n < GROW_SEEDS; n++)
		for (i = 0; i < 32; i++) {
			struct sim_fault f = { .armed = true, .node = i & 1,
				.file = i >> 1 & 1, .persist = i >> 2 & 1,
				.kind = i >> 3 & 1 ? FAULT_SYNC : FAULT_WRITE,
				.error = EIO };

			/* 4n + 3: as large as it gets */
			CHECK_EQ(fault_loop(f, (seed + n) * 4, i >> 4 ?
			    RUN_CATCH_UP : RUN_GROW, &sum), 0);
		}
	fprintf(stderr, "%llu runs, %llu with a fault, %llu went on without "
	    "a disk, %llu cases after\n", (unsigned long long)sum.runs,
	    (unsigned long long)sum.fired, (unsigned long long)sum.diskless,
	    (unsigned long long)sum.count.cases);
	CHECK(sum.diskless > 0);
	return 0;
}

TEST(of_flushes_at_once_none_counts_after_one_failed)
{
	struct sim_fault f = { .armed = true, .file = SIM_DATA,
		.kind = FAULT_SYNC, .error = EIO };
	struct fault_sum sum = { 0 };
	uint64_t seed;

	for (seed = 1; seed <= SYNC_SEEDS; seed++)
		CHECK_EQ(fault_loop(f, seed, RUN_SYNCS, &sum), 0);
	CHECK(sum.fired >= 5 * SYNC_SEEDS);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		T(pairs_live_through_power_cuts),
		T(a_secondary_that_lost_power_takes_over),
		T(a_write_during_the_cleaners_flush_keeps_its_bit),
		T(every_moment_is_a_power_cut),
		T(every_operation_fails_once_or_for_good),
		T(every_operation_of_growing_fails),
		T(of_flushes_at_once_none_counts_after_one_failed),
	};

	sim.verbose = setting("CRASH_VERBOSE", 0) != 0;
	return tests_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
