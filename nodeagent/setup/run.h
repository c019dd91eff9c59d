/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/run.h - the verbs of av-setup, and what they share
 *
 * Functions return 0 or -errno with a sentence, and a code by which main.c chooses
 * the exit status.
 */
#ifndef AV_SETUP_RUN_H
#define AV_SETUP_RUN_H

#include "nodeagent/setup/finding.h"
#include "nodeagent/setup/state.h"
#include "nodeagent/setup/wish.h"

#define RUN_AGENT_SOCKET	"/run/avpair/agent.sock"
#define RUN_FORM_S		180	/* x time scale; until it is said that
					 * something is wrong */

/* One run: borrowed all over. */
struct run {
	const struct setup_wish	*wish;
	const struct setup_facts *facts;	/* tests: instead of this machine's */
	struct setup_state	 st;
	struct findings		 found;
	int			 stop_fd;	/* readable: Ctrl-C; -1 = none */
	char			 hint[400];	/* with the error, or "" */
	bool			 shown;		/* findings were printed */
};

int run_create(struct run *r, struct av_err *err);
int run_join(struct run *r, struct av_err *err);
int run_leave(struct run *r, struct av_err *err);
/* Goes on with the create that state.json tells of: the service's verb. */
int run_serve(struct run *r, struct av_err *err);

/* --- shared --- */

/* One av-setup at a time.  The service that waits for the other PM gives way, but not
 * to a dry run.  -EBUSY: another one is at work. */
int run_lock(struct run *r, int *ret_fd, struct av_err *err);
/* This machine's facts with the wishes and, of 'st', its storage. */
int run_facts(struct run *r, struct setup_facts *ret, struct av_err *err);
/* Progress, for people: one line on stderr, none with --json. */
void run_say(const struct run *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints what was found; -EPERM 'refused' when something blocks. */
int run_judge(struct run *r, struct av_err *err);
/* 'Go on?' at a terminal; true without one, or with --yes. */
bool run_confirm(const struct run *r);
void run_show_plan(const struct run *r, int node);
/* Waits, or -ECANCELED when somebody wants an end. */
int run_pause(const struct run *r, unsigned ms);

/* Committed: files, services.  Idempotent. */
int run_install(struct run *r, struct av_err *err);
/* Until the PMs run together; then state.json goes. */
int run_wait_formed(struct run *r, struct av_err *err);
/* One look: true when formed (state.json is gone then), or an error. */
int run_look_formed(struct run *r, bool *ret_formed, struct av_err *err);

/* serve.c: answers the other PM until the unit has formed. */
int serve_until_formed(struct run *r, struct av_err *err);

#endif
