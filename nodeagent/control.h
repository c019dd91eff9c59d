/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/control.h - the agent's socket for the console (agent.sock)
 *
 * What it is:	a non-blocking server of framed JSON (base/frame.h, docs/API.md
 *		section 1) in the loop.  Reading operations are answered from
 *		view.h at once; changing ones are checked, stamped and handed to
 *		ops->submit(), and answered when they are decided.
 * What it isn't: it knows no passwords and no sessions: whoever may open the
 *		socket (root, the console's group) is believed to say truly who
 *		acts.  Role "system" is never let in.
 *
 * A client may be anything: half a frame, garbage, a reader that never reads.
 * Limits below; whoever breaks one is dropped, the others don't notice.  A request
 * whose client has gone is carried out all the same, its answer dropped.
 *
 * A change that couldn't be ordered (unit frozen ...) is logged, kept in memory (the
 * last CONTROL_MISSED_MAX) and recorded as audit.add when ordering works again.
 *
 * Threads:	the loop's thread only.
 */
#ifndef AV_CONTROL_H
#define AV_CONTROL_H

#include <stddef.h>
#include <sys/types.h>

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "nodeagent/store.h"

#define CONTROL_CLIENTS_MAX	128
#define CONTROL_FRAME_MAX_BYTES	(2u * 1024 * 1024)
#define CONTROL_QUEUE_MAX_BYTES	(16u * 1024 * 1024)	/* a client's unread output */
#define CONTROL_PENDING_MAX	64		/* a client's unanswered requests */
#define CONTROL_MISSED_MAX	256

struct control;

struct control_ops {
	/* Borrowed until the next return to the loop; NULL = not heard. */
	json_t *(*facts)(void *ctx, int node);
	int (*self)(void *ctx);
	/*
	 * Orders a stamped command; 'cmd' is borrowed (take a reference).  < 0: it
	 * wasn't sent and never will be (codes frozen, unavailable,
	 * waiting-for-peer, ...), 'done' never runs.  0: 'done' runs exactly once,
	 * later or from inside the call; 'result' is as from store_apply() and
	 * borrowed; rc < 0 with err.  NULL will do for a refusal: control.c then
	 * asks the database once more for the error's params.
	 */
	int (*submit)(void *ctx, json_t *cmd,
	    void (*done)(void *arg, int rc, json_t *result,
	    const struct av_err *err), void *arg, struct av_err *err);
	/* Path of the RFB socket of a guest that runs on this PM; codes
	 * wrong-state, not-here. */
	int (*vnc_path)(void *ctx, const char *vm_id, char *ret, size_t n,
	    struct av_err *err);
	/* unit.takeover: the operator's word that the peer is down.  May be NULL.
	 * Checked for role and confirm:true already. */
	int (*takeover)(void *ctx, const json_t *actor, struct av_err *err);
	/* split.resolve, checked for its shape; as split_decide().  May be NULL. */
	int (*split)(void *ctx, const char *object, int keep, bool dry_run,
	    json_t **ret_result, struct av_err *err);
	void *ctx;
};

/*
 * Makes the socket (an old file of that name is replaced) with 'mode' and group
 * 'gid' ((gid_t)-1 = as is).  'ops' is copied; 'st' must outlive it.  "boot" names
 * this run of the agent in cmd_ids.
 */
int control_open(sd_event *event, const char *path, mode_t mode, gid_t gid,
    struct store *st, const struct control_ops *ops, const char *boot,
    struct control **ret, struct av_err *err);
/* Drops all clients, removes the socket file.  Commands under way are not
 * cancelled; their 'done' may run as long as 'st' and the loop live.  NULL is a
 * no-op.  Returns NULL. */
struct control *control_close(struct control *c);

/* Tells subscribers that an object changed ("vm:o12", "unit:o1"); coalesced until
 * the loop is idle.  NULL = everything may have changed: subscribers get "vm:*",
 * "volume:*" and so on. */
void control_changed(struct control *c, const char *object_id);

/* Ordering works again: records what was missed.  Call it on every change to a
 * state in which submit() works; a no-op when there is nothing. */
void control_ordering_works(struct control *c);

#endif
