/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/sim.h - two real role cores in a simulated unit, on virtual time
 *
 *   world.c	PMs and agents: start, die, hang, wake; the cores' effects
 *   guard_model.c  the guards with the product's rule (nodeagent/core/watchdog.c)
 *   links.c	links, beats, corosync's membership, ordered messages
 *   arbiter_model.c  the quorum server: slow, down, lossy, stale
 *   servers.c	two of them, and the change from one to the other
 *   storage.c	guests, volumes, mirrors, disks that lose what wasn't flushed
 *   check.c	the promises, after every step; coverage of the table
 *   people.c	a split and the choice that ends it; a PM that leaves for maintenance
 *   faults.c	everything that can be done to the world: a table of verbs
 *   scenario.c	scripts of verbs as text; runs one
 *   random.c	makes a script of a seed
 *   shrink.c	makes a failing script short
 *   test_role_sim.c  runs scenarios and seeds
 *
 * Time goes in ticks.  One seed decides all chance, so a script with its seed
 * replays exactly.  Nothing here asks for the real time.
 *
 * What the model holds the cores to is in check.c.  What it grants them:
 *   - a guard runs whenever its PM does, sees what is due within WATCHDOG_TICK,
 *     and nothing runs any more within KILL after that; a PM that hangs as a whole is reset DEVICE
 *     after its guard's last look; clock drift is within DRIFT_PPM;
 *   - but for WAKE ms after a PM woke that was cut off and then hung as a whole;
 *   - a guest is paused within PAUSE ms of the order, even when the agent dies
 *     just after it gave the order;
 *   - a PM that lost power needs BOOT ms to come back: the other one notices;
 *   - after a takeover that a person forced, the other PM may go on until it hears
 *     of it; then its volumes have a history of their own (W.forked).
 */
#ifndef AV_SIM_H
#define AV_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "mirror/replica/identity.h"
#include "nodeagent/arbiter.h"
#include "nodeagent/core/role.h"
#include "nodeagent/core/watchdog.h"
#include "nodeagent/timing.h"

#define TICK_MS		10u
#define QUEUE		4096
#define VOLUMES		2
#define LINKS		2
#define DRIFT_PPM	TIMING_DRIFT_PPM
#define GENS		(1u << 16)
#define BOOT_MS		2000u	/* power on to agent's start, at least */
#define PAUSE_MS	TIMING_PAUSE_MS
/* A PM that hangs as a whole after it was cut off may wake when the peer runs its
 * guests already; they run on here until the guard kills or the agent pauses them. */
#define WAKE_MS		(TIMING_PAUSE_MS + 2 * TICK_MS)
#define SETTLE_MS	45000u		/* faults have ended: together again */
#define SERVED_MS	6000u		/* one PM died: the other serves all */

enum msg_type { M_HELLO, M_MOVED, M_AGAIN, M_CREATED, M_SWITCH, M_CONFIRM,
	M_ABORT };
struct msg {
	enum msg_type	 type;
	int		 from;
	uint64_t	 view;
	struct role_hello h;
	uint64_t	 gen;
	uint64_t	 token;
	int		 server;	/* CONFIRM: the PM */
};

struct quorum_row {		/* as table quorum */
	int		active;
	uint64_t	token;		/* of a change; 0 = none */
	uint64_t	gen;
	unsigned	confirmed;
};

struct server {
	bool		known, down;
	struct arbiter_record rec, before;
	int		granted[GENS];
};

struct leg {			/* one PM's copy of a volume */
	uint64_t	data;		/* last write in it */
	uint64_t	durable;	/* last that a power cut leaves */
	struct identity	id;		/* durable */
	bool		solo;		/* ordered to write alone */
};

struct question {		/* to the arbiter, under way */
	bool		asked, effect_due, judged;
	int		server;
	struct role_move move;
	uint64_t	effect_at, answer_at;
	int		fate;
	int		verdict;
	struct arbiter_record seen;
};

struct pm {
	/* --- the machine --- */
	bool		powered, agent, corosync;
	int64_t		drift_ppm;
	uint64_t	clock_off;	/* local time at 0 */
	uint64_t	agent_at, boot_at;	/* 0 = never */
	uint64_t	booted_at;
	uint64_t	agent_hung_until, all_hung_until;
	struct watchdog	guard;
	uint64_t	guard_heard;	/* peer's clock: when it sent that beat */
	uint64_t	fed_at, kill_at;
	uint64_t	wakes_late_until;	/* see WAKE_MS */
	uint64_t	takeover_at;
	unsigned	die_after;	/* effects; 0 = doesn't */
	struct role_record disk;
	struct role	role;
	/* --- guests --- */
	bool		run[VOLUMES], paused;
	uint64_t	pause_at, stop_at;
	int		place[VOLUMES];	/* the database */
	uint64_t	seq;
	struct quorum_row quorum;
	uint64_t	seed_at, seed_gen, change_since;
	int		seed_owner;
	struct leg	leg[VOLUMES];
	bool		step_told;
	/* --- signs --- */
	bool		lost, quiet;
	bool		cs_seen;
	uint64_t	cs_change_at;
	uint64_t	cs_late_ms;	/* it notices so much later */
	uint64_t	heard_beat;	/* peer's clock: when it sent that beat */
	uint64_t	valid_until;	/* own clock */
	uint64_t	last_sign;
	bool		mirror_seen;
	uint64_t	mirror_change_at;
	/* --- order --- */
	uint64_t	view;
	size_t		at;
	uint64_t	deliver_at;
	bool		have[2];
	struct role_hello hello[2];
	/* --- after a split: durable --- */
	int		choice;		/* who is kept, plus 1 */
	uint64_t	choice_of[2];	/* both PMs' generations in that split */
	bool		discarded;	/* this PM's legs were */
	/* --- arbiter --- */
	bool		arb_cut;
	uint64_t	refused_gen;	/* the arbiter said: it is the peer's */
	struct question	q;
	bool		stray;	/* its sender gave up; still on its way */
	struct role_move stray_move;
	int		stray_server;
	uint64_t	stray_at;
};

struct stats {
	uint64_t	runs, faults, events, ticks, grants, takes, together,
			moves, adopts, agains, takeovers, forks, resets,
			agents_killed, switches, crossed, stays,
			cells[ROLE_N_STATES][ROLE_N_EVENTS];
};

struct world {
	uint64_t	rng, now;	/* ms */
	struct pm	pm[2];
	bool		cut[LINKS][2];	/* [l][i]: i hears nothing on l */
	uint64_t	view, next_view;
	size_t		n;
	struct msg	q[QUEUE];
	bool		ring_broken;
	/* arbiter */
	enum role_arbiter arbiter;
	bool		arb_down, arb_stale, arb_garbage;	/* all servers */
	struct server	server[2];
	uint64_t	tokens;
	unsigned	arb_loss;	/* percent */
	uint64_t	arb_slow_ms;
	uint64_t	arb_takes_ms;	/* each answer, exactly; 0 = by chance */
	bool		forced[GENS];
	/* volumes */
	int		leaving;	/* maintenance: that PM, plus 1; both
					 * databases say so */
	bool		mirrored[VOLUMES];	/* connected, equal */
	uint64_t	sync_at[VOLUMES];	/* resync ends */
	int		sync_from[VOLUMES];
	uint64_t	mirror_down_until;
	uint64_t	writes;
	uint64_t	truth[VOLUMES][2], safe[VOLUMES][2];
	bool		loose[VOLUMES][2];	/* all who had it lost power */
	bool		forked;		/* a person forced it */
	bool		forked_volume[VOLUMES];
	uint64_t	both_heard_ms;	/* forked, yet they hear each other */
	uint64_t	acked[VOLUMES];	/* how many, for liveness */
	/* run */
	bool		peace;
	bool		trace;
	const char	*bad;
	struct stats	stats;
};
extern struct world W;

#define TRACE(...) do { if (W.trace) { \
	fprintf(stderr, "%7llu ", (unsigned long long)W.now); \
	fprintf(stderr, __VA_ARGS__); } } while (0)

/* world.c */
uint64_t sim_rnd(uint64_t n);		/* 0..n-1; 0 for 0 */
uint64_t sim_local_ms(int i);		/* that PM's clock */
bool sim_agent_works(int i);
bool sim_machine_works(int i);
void sim_bad(const char *what);
void sim_step(int i, struct role_event *ev);
void sim_event(int i, enum role_event_type type);
void sim_effects(int i, const struct role_effects *out);
void sim_agent_start(int i);
void sim_agent_kill(int i, uint64_t down_ms);
void sim_power_off(int i);
void sim_power_on(int i);
void sim_world_init(uint64_t seed, enum role_arbiter arbiter, bool fresh);
void sim_tick(void);
void sim_heal(void);
bool sim_settled(void);
bool sim_serves_all(int i);		/* runs every guest, alone */

/* guard_model.c */
void sim_guard_boot(int i);
void sim_guard_news(int i);
void sim_guard_losing(int i);
void sim_turn_guard(int i);

/* links.c */
bool sim_conn(void);
bool sim_hears(int i);			/* on any link */
void sim_send(int i, struct msg *m);
void sim_view_lost(int i);
void sim_view_break(void);
void sim_turn_view(void);
void sim_turn_links(int i);		/* deliveries, beats, signs */

/* arbiter_model.c */
void sim_ask(int i, const struct role_move *m);
void sim_ask_dropped(int i);		/* the agent died */
void sim_turn_arbiter(int i);
bool sim_seed(int i, int server, const struct role_move *m);

/* servers.c */
int sim_server_asked(int i);
void sim_server_change(void);
void sim_server_ordered(int i, const struct msg *m);
void sim_turn_servers(int i);
void sim_check_servers(void);

/* storage.c */
bool sim_mirror_up(void);
void sim_guests_start(int i);
void sim_volumes_alone(int i, uint64_t gen);
void sim_volumes_together(int i);
void sim_volumes_follow(int i);
void sim_volumes_power_lost(int i);
void sim_volumes_new(int i);
void sim_turn_guests(int i);
void sim_turn_mirror(void);
void sim_forked_by(int i);

/* people.c */
bool sim_may_choose(int i);
void sim_choose(int i, int kept);
void sim_turn_split(int i);
void sim_leave(int i);
/* A change of servers was ordered before, and not all have it yet. */
bool sim_switch_in_flight(void);
void sim_turn_stay(int i);

/* check.c */
void sim_check(void);
void sim_check_effect(int i, const struct role_effect *e);
void sim_check_record(int i, const struct role_record *rec);
/* 'all' = many seeds ran: cells nobody reached count.  Returns how many. */
unsigned sim_coverage(const struct stats *s, bool all, FILE *f);

/* faults.c, scenario.c, random.c, shrink.c */
#define SCRIPT_MAX	4096
enum when { NOW, AFTER, AT, WHEN };
struct line {
	enum when	 when;
	uint64_t	 ms;		/* AFTER, AT; WHEN: within, 0 = must */
	int		 when_node;
	enum role_state	 when_state;
	int		 verb;		/* index into sim_verbs */
	int		 node;		/* 0, 1; -1 none */
	int		 link;		/* -1 = all */
	uint64_t	 arg;
	int		 word;		/* state, or another choice */
};
struct script {
	uint64_t	 seed;
	bool		 fresh;		/* both PMs are new */
	bool		 no_arbiter;
	size_t		 n;
	struct line	 v[SCRIPT_MAX];
};
struct verb {
	const char	*name;
	const char	*args;	/* n node, v VM, l optional link, w word, m number,
				 * o optional number, d direction a->b */
	const char	*words;	/* for w: "down up ..." */
	bool		 fault;
	void		(*run)(const struct line *l);
};
extern const struct verb sim_verbs[];
extern const size_t sim_n_verbs;
int sim_verb(const char *name);		/* index or -1 */

int sim_script_read(FILE *f, const char *name, struct script *ret);
void sim_script_write(const struct script *s, FILE *f);
/* 0, or 1 and W.bad. */
int sim_run(const struct script *s);
void sim_random_script(uint64_t seed, unsigned n_faults, struct script *ret);
/* Shortens 's', which fails, in place.  Returns the runs it took. */
unsigned sim_shrink(struct script *s);

#endif
