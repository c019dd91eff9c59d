/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/agent.h - asking avnoded
 *
 * What it is:	one connection to the agent's socket, shared by all threads, with
 *		up to AGENT_CALLS_MAX requests in flight.  It comes back by itself when the agent
 *		is restarted; requests wait AGENT_LINK_WAIT_MS for that.
 * Threads:	agent_call() from any; the callbacks run in the reader's thread
 *		and must not call back into the agent.
 * Errors:	-errno with err->code as in docs/API.md.  A reading request that
 *		loses its agent half-way is asked again once; a changing one is
 *		never repeated: it ends 'timed-out' with AV_MAYBE.
 */
#ifndef CONSOLE_AGENT_H
#define CONSOLE_AGENT_H

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"

#define AGENT_LINK_WAIT_MS	2000
#define AGENT_GONE_MS		10000	/* away for longer: hardly waited for */
#define AGENT_CALLS_MAX		48	/* in flight; more wait their turn */
#define AGENT_READ_MS		10000	/* answer to a reading request */
#define AGENT_CHANGE_MS		30000	/* answer to a changing one */

/* Who asks; all are borrowed for the call. */
struct actor {
	const char	*user;
	const char	*role;		/* "administrator", ... */
	const char	*origin;	/* address, or "local" */
	const char	*via;		/* "https", "unix", "relay", "console" */
};

struct agent_ops {
	/* A frame {"event":{...}} came; 'event' is the inner object, borrowed. */
	void	(*event)(void *ctx, const json_t *event);
	/* The connection is there again; events may have been missed. */
	void	(*linked)(void *ctx);
	void	*ctx;
};

struct agent;

/* Starts the reader; succeeds whether or not the agent is there.  'path' is
 * copied. */
int  agent_open(const char *path, const struct agent_ops *ops,
    struct agent **ret, struct av_err *err);
/* Ends waiting calls with 'unavailable'; no call may be made any more. */
void agent_stop(struct agent *a);
struct agent *agent_close(struct agent *a);

/*
 * Asks and waits.  'args' (an object or NULL) stays the caller's.  *ret_result is
 * the caller's; on error *ret_params may become the error's params (yours too),
 * else it is untouched.
 */
int  agent_call(struct agent *a, const char *op, json_t *args,
    const struct actor *actor, bool changing, json_t **ret_result,
    json_t **ret_params, struct av_err *err);

#endif
