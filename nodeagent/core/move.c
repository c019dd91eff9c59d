/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/move.c - a VM that goes to the other PM while it runs
 *
 * One function for each pair of place and right, each with a word for every kind
 * of process.  test_move.c walks all of it with crashes in between.
 */
#include "nodeagent/core/move.h"

#include <stdio.h>
#include <string.h>

#define DO(w, y)	((struct move_out){ MOVE_DO_##w, MOVE_WHY_##y })

/* The process was made, or sent, for the move that the row is about. */
static bool
is_of_move(const struct move_in *in)
{
	return in->move != 0 && in->proc_move == in->move;
}

/* It came with the move that gave this PM the present run. */
static bool
has_arrived(const struct move_in *in)
{
	return in->arrived != 0 && in->proc_move == in->arrived;
}

/* Every switch and take-over makes another run: an image of one before is old. */
static bool
is_sent_of_old_run(const struct move_in *in)
{
	return in->proc == MOVE_P_OUT_DONE && !in->same_run;
}

/* --- this PM neither has nor gets it --- */

static struct move_out
away(const struct move_in *in)
{
	return in->proc == MOVE_P_NONE ? DO(NORMAL, NONE) : DO(KILL, NOT_HERE);
}

static struct move_out
no_right(const struct move_in *in)
{
	return in->proc == MOVE_P_NONE ? DO(NORMAL, NONE) : DO(KILL, NO_RIGHT);
}

static struct move_out
unknown(const struct move_in *in)
{
	(void)in;
	return DO(WAIT, NONE);
}

/* --- it comes here --- */

static struct move_out
target_together(const struct move_in *in)
{
	switch (in->proc) {
	case MOVE_P_NONE:
		/* one process a move: what S reads of it is never of another */
		if (is_of_move(in))
			return DO(END, TARGET_FAILED);
		return DO(RECEIVE, PREPARING);
	case MOVE_P_IN:
		return is_of_move(in) ? DO(WAIT, COPYING) : DO(KILL, NOT_HERE);
	case MOVE_P_IN_DONE:
		return is_of_move(in) ? DO(WAIT, SWITCHING) :
		    DO(KILL, NOT_HERE);
	case MOVE_P_RUNS:
	case MOVE_P_PAUSED:
	case MOVE_P_OUT:
	case MOVE_P_OUT_DONE:
	case MOVE_N_PROCS:
		break;
	}
	return DO(KILL, NOT_HERE);	/* left over */
}

/* Nobody has decided: the switch may be on its way. */
static struct move_out
target_frozen(const struct move_in *in)
{
	if (in->proc == MOVE_P_NONE)
		return DO(NORMAL, NONE);
	if ((in->proc == MOVE_P_IN || in->proc == MOVE_P_IN_DONE) &&
	    is_of_move(in))
		return DO(WAIT, PEER_LOST);
	return DO(KILL, NOT_HERE);
}

/* S was lost before its switch came: what it did then nobody knows.  The take-over
 * starts the guest anew. */
static struct move_out
target_alone(const struct move_in *in)
{
	return in->proc == MOVE_P_NONE ? DO(NORMAL, NONE) : DO(KILL, PEER_LOST);
}

/* --- it is here, and came by a move that isn't finished --- */

static struct move_out
arriving(const struct move_in *in)
{
	if (in->proc != MOVE_P_IN_DONE || !has_arrived(in))
		return DO(KILL, TARGET_FAILED);	/* started anew then */
	if (in->right == MOVE_FROZEN || !in->disks_ready)
		return DO(WAIT, SWITCHING);
	return DO(ARRIVE, ARRIVED);
}

/* --- it is here and stays --- */

static struct move_out
home_together(const struct move_in *in)
{
	switch (in->proc) {
	case MOVE_P_OUT:
		return DO(CANCEL, CANCELLED);
	case MOVE_P_OUT_DONE:
		/* the order of commands says that it ended without a switch */
		return in->mark == MOVE_MARK_DOOMED ||
		    is_sent_of_old_run(in) ? DO(KILL, IN_DOUBT) :
		    DO(KEEP, CANCELLED);
	case MOVE_P_IN:
	case MOVE_P_IN_DONE:
		return arriving(in);
	case MOVE_P_NONE:
	case MOVE_P_RUNS:
	case MOVE_P_PAUSED:
	case MOVE_N_PROCS:
		break;
	}
	return DO(NORMAL, NONE);
}

static struct move_out
frozen(const struct move_in *in)
{
	switch (in->proc) {
	case MOVE_P_OUT:
		return DO(PIN, PEER_LOST);
	case MOVE_P_OUT_DONE:
		return DO(WAIT, PEER_LOST);
	case MOVE_P_IN:
	case MOVE_P_IN_DONE:
		return arriving(in);
	case MOVE_P_NONE:
	case MOVE_P_RUNS:
	case MOVE_P_PAUSED:
	case MOVE_N_PROCS:
		break;
	}
	return DO(NORMAL, NONE);
}

static struct move_out
home_alone(const struct move_in *in)
{
	switch (in->proc) {
	case MOVE_P_OUT:
		return DO(CANCEL, PEER_LOST);
	case MOVE_P_OUT_DONE:
		/* the take-over has ended the move in this database, but that
		 * proves nothing of the other PM's */
		return in->mark != MOVE_MARK_NONE ||
		    is_sent_of_old_run(in) ? DO(DOOM, IN_DOUBT) :
		    DO(KEEP, PEER_LOST);
	case MOVE_P_IN:
	case MOVE_P_IN_DONE:
		return arriving(in);
	case MOVE_P_NONE:
	case MOVE_P_RUNS:
	case MOVE_P_PAUSED:
	case MOVE_N_PROCS:
		break;
	}
	return DO(NORMAL, NONE);
}

/* --- it is here and is to go --- */

static struct move_out
source_sent(const struct move_in *in)
{
	if (in->mark == MOVE_MARK_DOOMED || is_sent_of_old_run(in))
		return DO(KILL, IN_DOUBT);
	if (!is_of_move(in))	/* of a move before, over without a switch */
		return DO(KEEP, CANCELLED);
	if (in->ordering)
		return DO(WAIT, SWITCHING);
	if (in->mark == MOVE_MARK_ORDERED)
		return DO(SWITCH, SWITCHING);	/* its answer was lost: again */
	if (in->disks_lost)	/* the guest stands still for nothing */
		return DO(KEEP, DISKS);
	if (in->late)
		return DO(KEEP, TOO_SLOW);
	if (in->peer != MOVE_PEER_DONE || !in->disks_ready)
		return DO(WAIT, SWITCHING);
	return DO(SWITCH, SWITCHING);
}

static struct move_out
source_together(const struct move_in *in)
{
	switch (in->proc) {
	case MOVE_P_RUNS:
		if (in->ordering)
			return DO(NORMAL, PREPARING);
		if (in->disks_lost)
			return DO(END, DISKS);
		/* sent, or what sent it has gone with its PM */
		if (is_of_move(in) || in->peer == MOVE_PEER_RECEIVES ||
		    in->peer == MOVE_PEER_DONE)
			return DO(END, SEND_FAILED);
		if (in->late)
			return in->disks_ready ? DO(END, TOO_SLOW) :
			    DO(END, DISKS);
		if (in->peer == MOVE_PEER_LISTENS && in->disks_ready)
			return DO(SEND, COPYING);
		return DO(NORMAL, PREPARING);
	case MOVE_P_OUT:
		/* the row first, as when a person cancels: the target would
		 * give a reason of its own */
		if (in->disks_lost)
			return in->ordering ? DO(WAIT, DISKS) : DO(END, DISKS);
		return is_of_move(in) && !in->late ? DO(WAIT, COPYING) :
		    DO(CANCEL, TOO_SLOW);
	case MOVE_P_OUT_DONE:
		return source_sent(in);
	case MOVE_P_IN:
	case MOVE_P_IN_DONE:
		return arriving(in);
	case MOVE_P_NONE:
		if (move_may_start(in))
			break;
		/* it died with the switch under way: which came first? */
		return in->ordering ? DO(WAIT, SWITCHING) :
		    DO(END, STOPPED);
	case MOVE_P_PAUSED:
	case MOVE_N_PROCS:
		break;
	}
	return DO(NORMAL, PREPARING);
}

static struct move_out
source_alone(const struct move_in *in)
{
	if (in->proc == MOVE_P_RUNS && !in->ordering)
		return DO(END, PEER_LOST);
	return home_alone(in);
}

static struct move_out (*const rules[MOVE_N_PLACES][MOVE_N_RIGHTS])
    (const struct move_in *in) = {
	[MOVE_AWAY] = {
		[MOVE_UNKNOWN] = unknown, [MOVE_TOGETHER] = away,
		[MOVE_FROZEN] = away, [MOVE_ALONE] = away,
		[MOVE_NO_RIGHT] = no_right,
	},
	[MOVE_HOME] = {
		[MOVE_UNKNOWN] = unknown, [MOVE_TOGETHER] = home_together,
		[MOVE_FROZEN] = frozen, [MOVE_ALONE] = home_alone,
		[MOVE_NO_RIGHT] = no_right,
	},
	[MOVE_SOURCE] = {
		[MOVE_UNKNOWN] = unknown, [MOVE_TOGETHER] = source_together,
		[MOVE_FROZEN] = frozen, [MOVE_ALONE] = source_alone,
		[MOVE_NO_RIGHT] = no_right,
	},
	[MOVE_TARGET] = {
		[MOVE_UNKNOWN] = unknown, [MOVE_TOGETHER] = target_together,
		[MOVE_FROZEN] = target_frozen, [MOVE_ALONE] = target_alone,
		[MOVE_NO_RIGHT] = no_right,
	},
};

bool
move_has_rule(enum move_place place, enum move_right right)
{
	return rules[place][right] != NULL;
}

struct move_out
move_decide(const struct move_in *given)
{
	struct move_in in = *given;

	/* whatever the hypervisor calls it: it was sent away */
	if (in.mark != MOVE_MARK_NONE && (in.proc == MOVE_P_RUNS ||
	    in.proc == MOVE_P_PAUSED || in.proc == MOVE_P_OUT))
		in.proc = MOVE_P_OUT_DONE;
	return rules[in.place][in.right](&in);
}

bool
move_may_start(const struct move_in *in)
{
	return !(in->mark != MOVE_MARK_NONE && in->place == MOVE_SOURCE &&
	    is_of_move(in));
}

/* --- words --- */

static const char *const codes[] = {
#define X(w, code, text) [MOVE_WHY_##w] = code,
	MOVE_REASONS(X)
#undef X
};

static const char *const texts[] = {
#define X(w, code, text) [MOVE_WHY_##w] = text,
	MOVE_REASONS(X)
#undef X
};

const char *
move_why_code(enum move_why w)
{
	return (unsigned)w < MOVE_N_WHYS ? codes[w] : "?";
}

int
move_why_parse(const char *code)
{
	int i;

	for (i = 0; i < MOVE_N_WHYS; i++)
		if (strcmp(codes[i], code) == 0)
			return i;
	return -1;
}

void
move_why_text(enum move_why w, const char *from, const char *to, char *ret,
    unsigned n)
{
	const char *s = (unsigned)w < MOVE_N_WHYS ? texts[w] : "?";
	size_t at = 0;

	while (*s != '\0' && at + 1 < n) {
		const char *word = strncmp(s, "{from}", 6) == 0 ? from :
		    strncmp(s, "{to}", 4) == 0 ? to : NULL;

		if (word == NULL) {
			ret[at++] = *s++;
			continue;
		}
		at += (size_t)snprintf(ret + at, n - at, "%s", word);
		at = at < n ? at : n - 1;
		s = strchr(s, '}') + 1;
	}
	ret[at < n ? at : n - 1] = '\0';
}
