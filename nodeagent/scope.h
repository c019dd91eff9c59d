/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/scope.h - move this process into a scope of systemd
 *
 * What it is:	guests and mirror servers outlive the agent that starts them. So
 *		that systemd doesn't count them as its service's, each moves into a
 *		transient scope (StartTransientUnit) in a slice of its own before it
 *		becomes what it shall be: av-scope (scope_main.c), which av-vmrun
 *		and mirror/replica_spawn.c put before their program.
 * What it isn't: needed. Without systemd, or when it doesn't answer in time, the
 *		process stays where it is: the agent's KillMode=process lets it
 *		live there, too.
 *
 * The private socket of systemd is asked first, so no D-Bus daemon is needed.
 * Threads: one. Blocks for up to the time limit.
 */
#ifndef AV_NODEAGENT_SCOPE_H
#define AV_NODEAGENT_SCOPE_H

#include <stdint.h>

#include "base/err.h"

#define SCOPE_UNITS_MAX	4

struct scope {
	const char	*name;		/* "avpair-guest-o12-4711.scope" */
	const char	*slice;		/* "avpair-guests.slice" */
	const char	*description;
	/* Units, NULL-terminated.  'before': this scope ends after them when the
	 * machine shuts down; 'after': before them. */
	const char	*before[SCOPE_UNITS_MAX];
	const char	*after[SCOPE_UNITS_MAX];
	uint64_t	 stop_ms;	/* from SIGTERM to SIGKILL at that end */
	uint64_t	 limit_ms;	/* to answer */
	/* NULL: systemd's own; a test's server */
	const char	*address;
};

/* 0: this process is in the scope.  -errno: it isn't; AV_MAYBE: systemd was asked and
 * may still move it. */
int scope_enter(const struct scope *s, struct av_err *err);

#endif
