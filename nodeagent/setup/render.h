/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/render.h - the text of every configuration file
 *
 * The one source of corosync.conf, avnoded.conf and avconsoled.conf: 'unit create' and
 * 'unit join' write them, and the one-machine unit prints them with 'av-setup render'.
 */
#ifndef AV_SETUP_RENDER_H
#define AV_SETUP_RENDER_H

#include "nodeagent/setup/plan.h"

#define CONSOLE_ID	64201u	/* where no account of the console exists */

/* What belongs to this machine alone and is no business of the other PM. */
struct setup_local {
	unsigned	 uid, gid;		/* the console's */
	char		 corosync_log[256];	/* a file; "" = syslog */
	bool		 no_realtime;		/* sched_rr isn't allowed here */
	const char	*agent_lines;		/* added to avnoded.conf, or NULL */
	const char	*console_lines;		/* added to avconsoled.conf */
};

/* Malloc'd texts; NULL without memory.  The plan must be whole. */
char *render_corosync(const struct setup_plan *p, const struct setup_local *l);
char *render_avnoded(const struct setup_plan *p, const struct setup_local *l,
    int node);
char *render_avconsoled(const struct setup_plan *p, const struct setup_local *l,
    int node);

#endif
