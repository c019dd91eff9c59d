/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_run.h - a scripted life of a pair, and what must hold
 *
 *   crash_run.c	guests, the two agents' orders, power cuts: one run a seed
 *   crash_model.c	every write of the guests, and when it was acknowledged,
 *			flushed, and held by both legs in step
 *   crash_replay.c	power cuts at every moment of a run's log, brought up
 *			again by the real open, handshake and verdict
 *
 * What must survive (a floor; older values of the same sector are lost data):
 *   FLOOR_ACKED	everything acknowledged: a leg that was up to date is left
 *   FLOOR_STEP		what was acknowledged while both legs were in step, and
 *			what was flushed: only one leg has all, and it lost power
 *   FLOOR_FLUSHED	what was flushed: both lost power
 */
#ifndef AV_TEST_CRASH_RUN_H
#define AV_TEST_CRASH_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/mirror/crash_sim.h"

enum floor { FLOOR_ACKED, FLOOR_STEP, FLOOR_FLUSHED, FLOORS };
#define NEVER	UINT64_MAX
#define RECS_MAX 8192u

struct rec {			/* one write; ticks */
	uint32_t	id;	/* 0 = zeros */
	uint16_t	first, n;
	uint64_t	issue, ack, flush, step;
	uint64_t	lost;	/* from then on unflushed data may be gone */
	uint64_t	step_lost;
};

struct model {
	struct rec	rec[RECS_MAX];
	size_t		n;
	uint32_t	last_id;
};
extern struct model model;

void	    model_reset(void);
struct rec *model_issue(size_t first, size_t n, bool zero);
void	    model_flushed(uint64_t began);
void	    model_in_step(void);
/* A power cut that may cost unflushed data: of both, or of the only full leg. */
void	    model_cut(bool both);
/* The guest may have seen this image: from now on it stays. */
void	    model_seen(const struct sim_image *im);
/* What is demanded, and allowed, at a tick. */
struct model_view {
	uint64_t	floor[FLOORS][SIM_SECTORS];	/* issue tick */
	uint64_t	zero_dead[SIM_SECTORS];
	uint64_t	tick;
};
void	    model_view(uint64_t tick, struct model_view *ret);
/* -1, or the first sector that is wrong. */
int	    model_check(const struct model_view *v, enum floor f,
    const struct sim_image *im);
uint32_t    model_value(uint32_t id, size_t sector);

/* From when on: who may run alone (-1 = nobody); who lost power since both were
 * in step (bit a node): as far as memory goes the other one's data is all; firm:
 * the granted one has recorded it, and flushed before. */
struct grant { uint64_t tick; int node; unsigned weak; bool firm; };
#define GRANTS_MAX 512
/* Instead of chance:
 * WEAK	a secondary that lost power and didn't meet the primary again is promoted,
 *	though the primary's PM lost no power
 * GROW	the volume grows
 * CATCH_UP	the primary's leg grows at the handshake
 * SYNCS	several flush at once
 * CLEANER	a write while the cleaner flushes, and then none */
enum run_script { RUN_BY_CHANCE, RUN_WEAK, RUN_GROW, RUN_CATCH_UP, RUN_SYNCS,
	RUN_CLEANER };
struct run {
	uint64_t	seed;
	int		primary;	/* -1 = nobody */
	int		granted;
	unsigned	weak;
	bool		firm;
	uint64_t	gen;
	struct grant	grant[GRANTS_MAX];
	size_t		n_grants;
	unsigned	n_guests;
	bool		stop, guest_error, disk_error_seen;
	unsigned	n_acks, n_flushes, n_cuts, n_alone, n_steps, n_switches,
			n_grown, n_grow_refused, n_holds, n_diskless, n_weak;
	unsigned	length;		/* steps of the agents */
	unsigned	flushes;	/* percent of the requests */
	bool		cuts;		/* power cuts while it runs */
	enum run_script	script;
	char		failed[200];	/* what must hold and doesn't */
};
extern struct run run;

/* A whole run; 0, or -1 with run.failed.  The log is in sim_ops after it. */
int	run_do(uint64_t seed, unsigned length, bool cuts);
int	run_script(uint64_t seed, enum run_script script);
void	run_end(void);
int	run_open(int node);		/* a server starts on sim_disk[node] */
struct grant run_granted_at(uint64_t tick);

struct replay_count {
	uint64_t	cases, refused, peer_newer, resynced, in_step, alone, twice,
			caught_up;
};
/* The same for the moment at the end of the log alone. */
int	replay_end(unsigned per_cut, struct replay_count *count,
    char *ret_why, size_t n);
/* Replays 'per_cut' cases a kind of cut at each moment of the log. */
int	replay_log(unsigned per_cut, uint64_t stop_at,
    struct replay_count *count, char *ret_why, size_t n);

#endif
