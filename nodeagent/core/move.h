/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/move.h - a VM that goes to the other PM while it runs
 *
 * What it is:	the pure rule of live migration: what the database's row says, what
 *		this PM may do, what its process of the VM is, what the peer says
 *		-> what to do here now, and why.  No I/O, no clock, no state of its
 *		own: after any crash the next comparison goes on.
 * What it isn't: it knows no memory pages (vmm/) and no order of commands; see
 *		docs/design-migration.md for the course and the safety argument.
 *
 * S = the PM that has the guest, T = the one that it goes to.  A move has an id M,
 * never used twice, 0 = none.  The commit is the ordered command vm.switch of M.
 *
 * The mark is this PM's word to itself, on disk before the switch is ordered:
 *   NONE      no switch of the process's move was ever ordered from here
 *   ORDERED   it may have been applied, here or there
 *   DOOMED    the other PM may have run the guest on: this image is void
 * It goes with the process, or when the database says while both PMs are
 * together that the move ended without a switch.
 */
#ifndef AV_CORE_MOVE_H
#define AV_CORE_MOVE_H

#include <stdbool.h>
#include <stdint.h>

enum move_right {
	MOVE_UNKNOWN = 0, MOVE_TOGETHER, MOVE_FROZEN, MOVE_ALONE, MOVE_NO_RIGHT,
	MOVE_N_RIGHTS
};

enum move_place {		/* what the row says of this PM */
	MOVE_AWAY = 0,	/* neither has it nor is to have it */
	MOVE_HOME,	/* has it; no move */
	MOVE_SOURCE,	/* has it; it is to go to the other PM */
	MOVE_TARGET,	/* it is to come here */
	MOVE_N_PLACES
};

enum move_proc {		/* this PM's process of the VM */
	MOVE_P_NONE = 0,
	MOVE_P_RUNS,	/* also starting */
	MOVE_P_PAUSED,
	MOVE_P_OUT,	/* is being sent; may run, may go on by itself */
	MOVE_P_OUT_DONE,	/* sent whole: stopped, quiet, flushed */
	MOVE_P_IN,	/* waits, or receives */
	MOVE_P_IN_DONE,	/* has all; never ran */
	MOVE_N_PROCS
};

enum move_mark { MOVE_MARK_NONE = 0, MOVE_MARK_ORDERED, MOVE_MARK_DOOMED };

enum move_peer {		/* the target's word, of in.move alone */
	MOVE_PEER_NOTHING = 0, MOVE_PEER_LISTENS, MOVE_PEER_RECEIVES,
	MOVE_PEER_DONE,
};

struct move_in {
	enum move_right	right;
	enum move_place	place;
	uint64_t	move;		/* SOURCE, TARGET: the row's */
	uint64_t	arrived;	/* HOME, SOURCE: the move that brought the
					 * present run here; 0 = it was started here */
	enum move_proc	proc;
	uint64_t	proc_move;	/* that it is, or was last, part of; of NONE:
					 * that the last process was made for */
	bool		same_run;	/* the process is of the row's run */
	enum move_mark	mark;
	enum move_peer	peer;
	bool		disks_ready;	/* all volumes: primary here, peer connected
					 * or this PM alone */
	bool		disks_lost;	/* SOURCE: the peer's leg of a volume has
					 * failed, so disks_ready won't come */
	bool		ordering;	/* a command of this move is under way */
	bool		late;		/* this step takes too long */
};

enum move_do {
	MOVE_DO_NORMAL = 0,	/* no move: the ordinary comparison goes on */
	MOVE_DO_WAIT,		/* leave the process alone */
	MOVE_DO_RECEIVE,	/* start a process that waits */
	MOVE_DO_SEND,		/* send the guest to the peer's */
	MOVE_DO_SWITCH,		/* mark, then order vm.switch */
	MOVE_DO_END,		/* order vm.move-ended, with the reason */
	MOVE_DO_CANCEL,		/* stop sending; the guest stays */
	MOVE_DO_PIN,		/* pause it, stream and all */
	MOVE_DO_KEEP,		/* the sent image goes on here: drop the mark,
				 * resume */
	MOVE_DO_ARRIVE,		/* the received image goes on here: resume */
	MOVE_DO_DOOM,		/* mark it void, then end it */
	MOVE_DO_KILL,
	MOVE_N_DOS
};

/* Code and sentence of each reason that people see; {from}, {to} are PMs. */
#define MOVE_REASONS(X) \
	X(NONE, "none", "no move") \
	X(ARRIVED, "arrived", "it runs on {to}") \
	X(PREPARING, "preparing", "{to} makes room for the guest") \
	X(COPYING, "copying", "memory is copied to {to}") \
	X(SWITCHING, "switching", "the guest changes over to {to}") \
	X(CANCELLED, "cancelled", "it was cancelled: the VM stays on {from}") \
	X(PEER_LOST, "peer-lost", "the PMs lost each other: the VM stays on {from}") \
	X(IN_DOUBT, "in-doubt", "the PMs lost each other while the guest changed " \
	    "over: it is started anew") \
	X(TARGET_FAILED, "target-failed", "the process on {to} failed: the VM " \
	    "stays on {from}") \
	X(SEND_FAILED, "send-failed", "the guest could not be sent: the VM stays " \
	    "on {from}") \
	X(TOO_SLOW, "too-slow", "{to} did not answer in time: the VM stays on " \
	    "{from}") \
	X(DISKS, "disks", "the volumes are not in step any more: the VM stays on " \
	    "{from}") \
	X(STOPPED, "stopped", "the VM was stopped, started anew or crashed " \
	    "meanwhile") \
	X(NOT_HERE, "not-here", "the VM belongs to the other PM") \
	X(NO_RIGHT, "no-right", "this PM may not run guests")

enum move_why {
#define X(w, code, text) MOVE_WHY_##w,
	MOVE_REASONS(X)
#undef X
	MOVE_N_WHYS
};

struct move_out {
	enum move_do	what;
	enum move_why	why;
};

struct move_out move_decide(const struct move_in *in);

/* May the ordinary comparison start a process?  Not while the other PM may still run
 * the guest that was sent there: a mark, and the row still names its move. */
bool move_may_start(const struct move_in *in);

const char *move_why_code(enum move_why w);
/* With {from} and {to} filled in. */
void move_why_text(enum move_why w, const char *from, const char *to, char *ret,
    unsigned n);
/* -1 = no such code. */
int move_why_parse(const char *code);
/* Is there a rule for the pair?  (tests) */
bool move_has_rule(enum move_place place, enum move_right right);

#endif
