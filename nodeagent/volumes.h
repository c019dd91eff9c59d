/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/volumes.h - makes this PM's legs and mirror servers follow the
 *			 database and the right to run
 *
 * For every volume in the database: its leg exists here, its mirror server
 * runs, and its role is what it should be: primary on the PM that has its VM
 * (or, for a volume at rest, on the unit's primary PM), secondary on the
 * other.  volumes_reconcile() compares and gives the next order; it is called
 * after every change and once a second, and may be called at any time.
 *
 * Threads: the loop's.  Callbacks run from the loop.
 */
#ifndef AV_NODEAGENT_VOLUMES_H
#define AV_NODEAGENT_VOLUMES_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "mirror/mirror.h"
#include "nodeagent/conf.h"
#include "nodeagent/right.h"
#include "nodeagent/store.h"

struct volumes;

struct volumes_ops {
	void	(*changed)(void *ctx, const char *volume_id);
	/* The peer's mirror server was heard (volumes_peer_seen_ms()), and nothing that
	 * matters has changed; may be NULL. */
	void	(*peer_seen)(void *ctx);
	/* Orders {"op":"volume.report",...}; takes 'args' over.  'done' once. */
	void	(*report)(void *ctx, const char *op, json_t *args,
		    void (*done)(void *arg, int rc), void *arg);
	/* A guest of this volume has its process on this PM, and may use it. */
	bool	(*in_use)(void *ctx, const char *vm_id);
	/* The same of any process, one that was sent to the other PM as well. */
	bool	(*held_open)(void *ctx, const char *vm_id);
	/* As split_kept(); may be NULL. */
	int	(*kept)(void *ctx, const char *volume_id);
};

int volumes_open(sd_event *event, const struct agent_conf *conf,
    struct store *store, const struct volumes_ops *ops, void *ctx,
    struct volumes **ret, struct av_err *err);
/* Servers run on.  Returns NULL. */
struct volumes *volumes_close(struct volumes *vs);

void volumes_reconcile(struct volumes *vs, const struct right *right);

/* The volume may be used by a guest or written to here, now: primary, and either
 * both legs take part or this PM goes on alone.  'ret_why' (may be NULL): what it
 * waits for. */
bool volumes_ready(const struct volumes *vs, const char *volume_id,
    const char **ret_why);
/* Its leg here is marked failed, so no guest can use it on this PM: one that runs
 * here goes to the other PM. */
bool volumes_lost_here(const struct volumes *vs, const char *volume_id);
/* Its leg on the other PM is marked failed: its guest can't go there. */
bool volumes_lost_there(const struct volumes *vs, const char *volume_id);
/* Primary here, and the other PM's leg has every write: its guest may go on there.
 * In step; or diskless: only that leg has them. */
bool volumes_may_leave(const struct volumes *vs, const char *volume_id);
/* Its server is up: a guest's process may open it, to write later or now. */
bool volumes_answers(const struct volumes *vs, const char *volume_id);
/* What its guest can be told; 0 = not primary here. */
uint64_t volumes_size(const struct volumes *vs, const char *volume_id);
/* The agent's word to the mirror servers that lead here (mirror.h, "The lease"), at
 * most once a second; nothing unless the last pass saw all volumes and the right
 * allows to lead.  since_boot_ns: CLOCK_BOOTTIME when that pass began. */
void volumes_alive(struct volumes *vs, uint64_t since_boot_ns);
/* Socket for the guest; NULL when the volume isn't known here. */
const char *volumes_front(const struct volumes *vs, const char *volume_id);

/* All volumes whose primary is here, by the last pass, are connected and in step. */
bool volumes_in_step(const struct volumes *vs);
/* The last pass was made with this right and saw all volumes: it is known whose
 * primary is here. */
bool volumes_know(const struct volumes *vs, const struct right *right);
/* Youngest sign of life from the peer's servers, ms ago; UINT64_MAX = no volume has
 * a connection that could tell. */
uint64_t volumes_peer_seen_ms(const struct volumes *vs);
/* No server here is primary any more (or it isn't known yet: false). */
bool volumes_all_secondary(const struct volumes *vs);

/* --- after a split (split.h) --- */
/* {"volume:o3":{uuid,identity,base,changed_bytes,written_utc,disk}} of the legs whose
 * servers run; yours. */
json_t *volumes_split_facts(const struct volumes *vs);
/* Gives this PM's leg up; 'base' as in the peer's volumes_split_facts(), or NULL.
 * True once it is done; call again until then. */
bool volumes_discard(struct volumes *vs, const char *volume_id,
    const char *base);
/* split_is_copied() of this PM's leg. */
bool volumes_split_copied(const struct volumes *vs, const char *volume_id,
    bool keeper, const json_t *peer_facts);

/* {"volume:o3":{...}} as in the facts; yours. */
json_t *volumes_facts(const struct volumes *vs);

#endif
