/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/drill/watch.h - what a witness makes of the guests' frames
 *
 * What it is:	pure: frames with their times go in; who ran where, for how long
 *		nobody was heard, and whether a VM ran twice come out.
 * What it isn't: it opens no socket (witness.c) and knows nothing of the unit.
 *
 * A *run* of a VM is one stay of one boot of its system on one PM: (boot id, side).
 * It lasts from its first to its last frame seen anywhere.  A guest that moved while
 * it ran goes on counting on the other PM; one that comes back has another run there,
 * when its counter is beyond all that was seen, and it was silent there meanwhile.
 *
 *   double run	the times of two runs of one VM overlap: after another run of
 *		the VM spoke, an older one spoke again.  Order of reading
 *		doesn't matter, only the kernel's time of each frame.  Two runs
 *		that touch for less than a heartbeat (50 ms) may go unseen.
 *   clone	a counter of a run doesn't rise at one point of view: two
 *		processes of the same memory.
 *
 * Points of view: CABLE = the PM's cable in the outside world, as clients and
 * neighbours see it; INSIDE = in the PM, before the cable.  Both count for double
 * runs; service is what the cable shows.
 *
 * Units: ns of CLOCK_MONOTONIC.  Threads: one.  Memory: all inside struct watch.
 */
#ifndef AV_WATCH_H
#define AV_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCH_VMS	8
#define WATCH_RUNS	32	/* of a VM; the oldest is forgotten */
#define WATCH_BOOT_LEN	48

enum watch_point { WATCH_CABLE, WATCH_INSIDE, WATCH_N_POINTS };

struct watch_beat {
	uint64_t	at_ns;
	int		side;			/* PM: 0, 1 */
	enum watch_point point;
	uint8_t		mac[6];
	char		boot[WATCH_BOOT_LEN];
	uint64_t	counter;
};

struct watch_run {
	char		boot[WATCH_BOOT_LEN];
	int		side;
	uint64_t	first_ns;
	uint64_t	last_ns;
	uint64_t	first_counter;
	uint64_t	counter[WATCH_N_POINTS];
	bool		told;			/* its double run was reported */
};

struct watch_vm {
	bool		used;
	uint8_t		mac[6];
	char		name[32];
	struct watch_run runs[WATCH_RUNS];
	unsigned	n_runs;			/* runs[n_runs - 1] began last */
	/* of the window since watch_mark(), as the cable shows it */
	uint64_t	heard_ns;		/* the last frame; 0 = never */
	uint64_t	gap_from_ns, gap_to_ns;	/* the longest silence */
	uint64_t	n_beats;
	unsigned	n_new_runs;		/* boots */
	unsigned	n_moves;		/* of a boot that had run elsewhere */
};

struct watch {
	struct watch_vm	vms[WATCH_VMS];
	uint64_t	mark_ns;
	unsigned	n_double;		/* double runs and clones, ever */
	unsigned	n_strange;		/* no room, or not understood */
};

enum watch_news {
	WATCH_OLD = 0,		/* nothing that one would write down */
	WATCH_NEW_RUN,
	WATCH_DOUBLE,		/* told once a run */
	WATCH_CLONE,
	WATCH_GAP,		/* heard again after WATCH_GAP_NS */
	WATCH_STRANGE,
};

#define WATCH_GAP_NS	400000000ull
/* Nothing moves there and back within this. */
#define WATCH_RETURN_NS	500000000ull

/* Text of a heartbeat (deploy/guest/beatd.c) into boot and counter; false = it
 * isn't one. */
bool	watch_parse(const char *text, size_t n, struct watch_beat *ret);

/* *ret_vm and *ret_other (may be NULL: no other run) are borrowed. */
enum watch_news watch_beat(struct watch *w, const struct watch_beat *b,
    const struct watch_vm **ret_vm, const struct watch_run **ret_other);

/* The window begins anew. */
void	watch_mark(struct watch *w, uint64_t now_ns);

/* The longest silence of the window on the cable, one that lasts on included.
 * *ret_back_ns: when it was heard again, 0 = not yet. */
uint64_t watch_gap(const struct watch *w, const struct watch_vm *vm,
    uint64_t now_ns, uint64_t *ret_back_ns);

struct watch_vm *watch_vm_get(struct watch *w, const uint8_t mac[6]);

#endif
