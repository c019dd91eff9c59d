/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/state.h - how far an unfinished setup has come, durably
 *
 * One file, /etc/avpair/setup/state.json (0600), replaced in one step.  It has all
 * secrets: nothing else is written before the unit is agreed on, and everything that
 * is written later follows from it.  So the same command goes on after any crash.
 *
 *	first PM:   (none) -> waiting -> agreed -> committed -> (none: formed)
 *	second PM:  (none) -> offered -----------> committed -> (none: formed)
 *
 * waiting	plan and secrets made, a key is shown
 * agreed	a PM that proved the key fits; plan whole; the key is that PM's alone
 * offered	plan and secrets received; nothing of them installed yet
 * committed	the first PM: the other one has them durably; the second: the first
 *		one has committed.  From here on files are installed and services
 *		started, again and again until the unit has formed: no way back but
 *		'unit leave'.
 *
 * The first PM commits when the other one says that it has the offer on its disk, and
 * the other one commits when it hears that.  If that word is lost it asks again: the
 * first PM answers the PM it agreed with until the unit has formed.
 */
#ifndef AV_SETUP_STATE_H
#define AV_SETUP_STATE_H

#include "nodeagent/setup/key.h"
#include "nodeagent/setup/secrets.h"

#define STATE_FOLDER	"/etc/avpair/setup"
#define STATE_FILE	STATE_FOLDER "/state.json"
#define STATE_LOCK	"/run/avpair-setup.lock"
#define STATE_MAX_BYTES	(256u * 1024)

enum setup_phase { PHASE_NONE, PHASE_WAITING, PHASE_AGREED, PHASE_OFFERED,
	PHASE_COMMITTED };

struct setup_state {
	enum setup_phase	 phase;
	int			 node;		/* 0 first, 1 second */
	struct setup_plan	 plan;
	struct setup_secrets	 secrets;
	char			 key[KEY_TEXT_BYTES];	/* first PM */
	int64_t			 key_ends_utc_ms;
	unsigned		 tries_left;
	char			 peer[40];	/* machine id; "" = none yet */
	char			 address[PLAN_ADDRESS_MAX];	/* listens there */
	char			*agent_lines;	/* struct setup_local's, or NULL */
	char			*console_lines;
};

const char *state_phase_name(enum setup_phase phase);
void state_free(struct setup_state *st);
/* PHASE_NONE when there is no file.  A file that can't be understood is an error. */
int state_load(const char *root, struct setup_state *ret, struct av_err *err);
int state_save(const char *root, const struct setup_state *st,
    struct av_err *err);
/* The end: file and folder go, durably. */
int state_remove(const char *root, struct av_err *err);
/* One av-setup at a time: fd, or -EBUSY. */
int state_lock(const char *root, int *ret_fd, struct av_err *err);

json_t *state_encode(const struct setup_state *st);
int state_decode(const json_t *j, struct setup_state *ret, struct av_err *err);

#endif
