/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/volumes_leg.c - a leg whose disk failed (spec E3)
 *
 *   disk fails --report leg-failed--> mark in both databases --"seen" ordered-->
 *     own leg: diskless, the guest goes on with the peer's disk
 *     peer's:  alone, though the unit is together
 *   leg made anew, or its server started again --> copied whole --> in step
 *     --report leg-in-step--> no mark
 *
 * A PM never leads a volume with a leg that is marked failed there: what the
 * other one wrote meanwhile would be lost.  So the mark must be in both databases
 * before a write goes to one leg only.  It is applied here perhaps before it is
 * there; a "seen" that was ordered after it and is done proves that both have it
 * (order.h: done = the peer has applied it, too).
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "nodeagent/volumes_impl.h"

#define DOWN_TRIES	3	/* starts of its server that fail alike */

static int
self(const struct volume *v)
{
	return v->vs->conf->node;
}

static const char *
node_name(int node)
{
	return node == 0 ? "node0" : "node1";
}

static bool
may_lead(const struct volume *v)
{
	return v->vs->right.kind == RIGHT_TOGETHER ||
	    v->vs->right.kind == RIGHT_ALONE;
}

bool
volume_leg_failed_here(const struct volume *v)
{
	return v->row.failed_leg == self(v);
}

bool
volume_peer_leg_failed(const struct volume *v)
{
	return v->row.failed_leg >= 0 && v->row.failed_leg != self(v);
}

/* --- whose is the lead --- */

int
volume_home(const struct volume *v, int vm_node, int primary)
{
	/* a guest stays where it is, diskless if need be; see volume_lost() */
	if (vm_node >= 0)
		return vm_node;
	return v->row.failed_leg == primary ? 1 - primary : primary;
}

bool
volume_follower_leads(const struct volume *v)
{
	/* the owner's new leg is empty: this one fills it.  No guest runs here */
	return volume_peer_leg_failed(v) &&
	    v->row.replace == STORE_REPLACE_MADE;
}

bool
volume_lost_here(const struct volume *v)
{
	const struct mirror_status *st;

	if (!volume_leg_failed_here(v) || v->m == NULL)
		return false;
	st = mirror_status_peek(v->m);
	/* diskless is an order that lives as long as its server */
	return st->server == MIRROR_SERVER_DOWN ||
	    (st->server == MIRROR_SERVER_UP && (st->role != MIRROR_PRIMARY ||
	    (v->diskless_refused && !st->diskless)));
}

bool
volumes_lost_there(const struct volumes *vs, const char *volume_id)
{
	const struct volume *v = volume_find(vs, volume_id);

	return v != NULL && volume_peer_leg_failed(v);
}

/* --- reports --- */

static void
report_failed(struct volume *v, int node, const char *why)
{
	log_err(v->row.id, "the leg on %s has failed: %s", node_name(node),
	    why);
	volume_report(v, "leg-failed", json_pack("{s:s, s:s}", "node",
	    node_name(node), "reason", why));
}

/* What the server says of the two disks, for the mark. */
static bool
look(struct volume *v, const struct mirror_status *st)
{
	bool fresh = v->row.failed_leg < 0 ||
	    (v->row.replace == STORE_REPLACE_MADE);
	/* it leads for a guest's sake that isn't here yet */
	bool to_come = st->window && v->move_to == self(v);

	if (!fresh || v->vs->right.kind == RIGHT_NONE)
		return false;
	if (st->role == MIRROR_PRIMARY && !st->alone && !st->diskless &&
	    st->conn == MIRROR_HELD) {
		if (strcmp(st->error_code, "disk-error") == 0 &&
		    v->row.failed_leg != self(v))
			report_failed(v, self(v), st->error_text);
		else if (strcmp(st->error_code, "peer-disk-error") == 0)
			report_failed(v, 1 - self(v), st->error_text);
		else
			return false;
		return true;
	}
	if ((st->role == MIRROR_SECONDARY || to_come) &&
	    st->disk == MIRROR_DISK_FAILED &&
	    v->vs->right.kind != RIGHT_ALONE) {
		report_failed(v, self(v), st->error_text[0] != '\0' ?
		    st->error_text : "the disk failed");
		return true;
	}
	return false;
}

static void
seen_done(struct volume *v, int rc)
{
	if (rc == 0 && v->row.failed_leg >= 0) {
		v->mark_seen = true;
		v->mark_seen_ms = v->row.failed_ms;
	}
}

/* Is the mark in both databases?  Asks if it isn't known. */
static bool
mark_is_everywhere(struct volume *v)
{
	if (v->vs->right.kind == RIGHT_ALONE)
		return true;		/* the peer takes our database over */
	if (v->mark_seen && v->mark_seen_ms == v->row.failed_ms)
		return true;
	if (!v->reporting) {
		v->on_report = seen_done;
		volume_report(v, "seen", NULL);
	}
	return false;
}

/* --- orders of the one that leads --- */

static void
diskless_done(struct mirror_op *op, int rc, const struct av_err *err)
{
	struct volume *v = container_of(op, struct volume, op);

	/* only restarting the guest on the other PM helps */
	if (rc < 0 && strcmp(err->code, "not-up-to-date") == 0)
		v->diskless_refused = true;
	volume_order_done(op, rc, err);
}

static void
order_diskless(struct volume *v)
{
	struct av_err err = { 0 };
	struct mirror_op *op = volume_order_begin(v, "diskless");

	op->done = diskless_done;
	volume_order_end(v, mirror_diskless(v->m, op, v->vs->right.gen, &err),
	    &err);
}

static bool
steer_own_failed(struct volume *v, const struct mirror_status *st)
{
	if (st->role != MIRROR_PRIMARY)
		return true;		/* never promoted: volume_lost_here() */
	v->leg_apart |= st->diskless || st->conn == MIRROR_DISKLESS;
	if (!st->diskless && !st->alone && !v->diskless_refused &&
	    mark_is_everywhere(v))
		order_diskless(v);
	return true;
}

/* From here on 'connected' means that the other leg was a target; the copying can
 * be over before anybody looks. */
static void
alone_done(struct mirror_op *op, int rc, const struct av_err *err)
{
	struct volume *v = container_of(op, struct volume, op);

	v->leg_apart |= rc == 0;
	volume_order_done(op, rc, err);
}

static bool
steer_peer_failed(struct volume *v, const struct mirror_status *st)
{
	if (v->vs->right.kind == RIGHT_FOLLOW)
		return false;		/* it only fills the owner's new leg */
	if (st->role != MIRROR_PRIMARY) {
		/* a guest that ran there diskless comes here */
		if (mark_is_everywhere(v) && !volume_peer_leads_yet(v, st)) {
			volume_order_primary(v, true);
			v->op.done = alone_done;
		}
		return true;
	}
	v->leg_apart |= st->alone || st->conn == MIRROR_RESYNC_SOURCE;
	if (st->alone || st->conn == MIRROR_RESYNC_SOURCE)
		return false;		/* as any that runs alone */
	/* held, or connected: the mark is new, or this agent is, and nobody
	 * knows what the other leg missed */
	if (mark_is_everywhere(v)) {
		volume_order_alone(v);
		v->op.done = alone_done;
	}
	return true;
}

/* Both legs take part again, and the failed one was a target. */
static bool
mended(struct volume *v, const struct mirror_status *st)
{
	bool leads = volume_peer_leg_failed(v) && st->role == MIRROR_PRIMARY;

	/* a leg made anew is a target before it can be anything else */
	return leads && !st->alone && st->conn == MIRROR_CONNECTED &&
	    st->peer_disk == MIRROR_DISK_UPTODATE &&
	    (v->leg_apart || v->row.replace == STORE_REPLACE_MADE);
}

bool
volume_leg_steer(struct volume *v, const struct mirror_status *st)
{
	if (v->row.failed_leg < 0) {
		v->leg_apart = v->diskless_refused = false;
		v->mark_seen = false;
		if (!v->reporting)
			(void)look(v, st);
		return false;
	}
	if (!v->reporting && look(v, st))
		return true;
	if (mended(v, st)) {
		if (!v->reporting)
			volume_report(v, "leg-in-step", json_pack("{s:s}",
			    "node", node_name(1 - self(v))));
		return true;
	}
	if (!v->primary_here || !(may_lead(v) ||
	    v->vs->right.kind == RIGHT_FOLLOW))
		return false;
	return volume_leg_failed_here(v) ? steer_own_failed(v, st) :
	    steer_peer_failed(v, st);
}

/* --- a server that can't open its leg --- */

void
volume_leg_down(struct volume *v, const struct mirror_status *st)
{
	static const char *const codes[] = { "leg-missing", "metadata-damaged",
		"disk-error" };
	enum right_kind right = v->vs->right.kind;
	size_t i;

	for (i = 0; i < 3; i++)
		if (strcmp(st->error_code, codes[i]) == 0)
			break;
	v->n_down = i < 3 ? v->n_down + 1 : 0;
	/* of a PM that runs alone this may be the only copy: no mark */
	if (v->n_down >= DOWN_TRIES && v->row.failed_leg < 0 &&
	    !v->reporting && (right == RIGHT_TOGETHER ||
	    right == RIGHT_FOLLOW))
		report_failed(v, self(v), st->error_text);
}

/* --- a new leg on a replaced disk --- */

static void
leg_made(struct volume *v, int rc, const struct av_err *err)
{
	if (rc < 0) {
		log_err(v->row.id, "leg not made anew: %s", err->text);
		(void)snprintf(v->error, sizeof(v->error),
		    "leg not made anew: %s", err->text);
		v->retry_ns = av_clock_ns() + VOLUMES_RETRY_NS;
		return;
	}
	v->error[0] = '\0';
	volume_report(v, "leg-made", NULL);
}

static void
leg_make(struct volume *v)
{
	v->m = mirror_close(v->m);
	v->stopping = false;
	v->n_down = 0;
	volume_job_start(v, VOLUME_JOB_REPLACE, 0, leg_made);
}

bool
volume_leg_replace(struct volume *v)
{
	const struct mirror_status *st;

	if (!volume_leg_failed_here(v) ||
	    v->row.replace != STORE_REPLACE_ASKED)
		return false;
	if (v->op_busy || v->care_busy || v->reporting ||
	    av_clock_ns() < v->retry_ns)
		return true;
	st = v->m != NULL ? mirror_status_peek(v->m) : NULL;
	if (st != NULL && st->server == MIRROR_SERVER_STARTING)
		return true;
	if (st != NULL && st->server == MIRROR_SERVER_UP) {
		/* a guest that runs on with the other PM's disk needs it */
		if (!volume_in_use(v))
			volume_order_stop(v);
		return true;
	}
	if (st == NULL || st->server == MIRROR_SERVER_DOWN)
		leg_make(v);
	return true;
}
