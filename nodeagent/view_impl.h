/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_impl.h - what the files view*.c share: reading facts and volumes
 */
#ifndef AV_VIEW_IMPL_H
#define AV_VIEW_IMPL_H

#include "nodeagent/store_sql.h"
#include "nodeagent/view.h"

/* "node0", "node1" */
const char *view_node_name(int node);
/* "node1", or null for -1 */
json_t *view_node_json(int node);
/* ISO-8601; null for ms <= 0 */
json_t *view_time(int64_t utc_ms);
/* Facts of a PM that is heard, else NULL. */
const json_t *view_heard(const json_t *const facts[2], int self, int node);
/* facts.a.b as text; "" when it isn't there. */
const char *view_text(const json_t *obj, const char *a, const char *b);
/* A new reference to obj[key], or null. */
json_t *view_copy(const json_t *obj, const char *key);
/* facts.ports' entry of a network (by its bridge's name, too); NULL = none. */
const json_t *view_port(const json_t *ports, const char *network,
    const char *bridge);
json_t *view_reason(const char *code, const char *text);
/* role.state of a PM that is heard, else "" */
const char *view_role(const json_t *const facts[2], int self, int node);
/* Both PMs run guests and hear each other. */
bool view_together(const json_t *const facts[2], int self);

/* What a PM that is heard says of a quorum server, or NULL; and the worst of both:
 * "ok", "unreachable", "refused", "unknown" (view_quorum.c). */
const json_t *view_quorum_says(const json_t *const facts[2], int self, int node,
    const char *id);
const char *view_quorum_state(const json_t *const facts[2], int self,
    const char *id);

/* view_move.c: members of the VM object; 'fact' is what its PM says of it. */
json_t *view_migration(const json_t *fact, const struct store_vm *vm);
json_t *view_last_migration(const struct store_vm *vm);

/* --- volumes --- */

enum volume_activity { VOLUME_IN_STEP, VOLUME_SYNCING, VOLUME_ONE_LEG,
	VOLUME_HELD, VOLUME_SPLIT, VOLUME_CREATING, VOLUME_STOPPED };

struct volume_state {
	enum volume_activity activity;
	const char	*name;		/* of it */
	const char	*state;		/* good, alert, busy, critical, "-" */
	const json_t	*fact;		/* of the PM that leads it; may be NULL */
};

void view_volume_state(const json_t *const facts[2], int self,
    const struct store_volume *vol, struct volume_state *ret);
/* Its guest on that PM may go on at the other: in step, or diskless there. */
bool view_volume_may_leave(const json_t *const facts[2], int self,
    const struct store_volume *vol, int node);

/* view_care.c: members of the volume object. */
json_t *view_verify(const struct store_volume *vol,
    const struct volume_state *vs);
bool view_volume_growing(const struct store_volume *vol,
    const struct volume_state *vs);
json_t *view_volume_commands(const struct store_volume *vol,
    const struct volume_state *vs);
/* {every, day, hour, repair} */
json_t *view_schedule(const struct store_schedule *sched);

/* --- numbers of the unit --- */

struct view_resources {
	unsigned	vcpus_total, vcpus_recommended, vcpus_limit;
	uint64_t	vcpus_used;
	uint64_t	memory_total_bytes, memory_used_bytes;
	uint64_t	storage_total_bytes, storage_used_bytes;
};
int view_resources(const struct store *st, struct view_resources *ret);

/* "running", "degraded" ... and why. */
struct unit_state {
	const char	*activity;
	const char	*state;
	json_t		*reason;	/* yours */
	bool		 syncing;
};
int view_unit_state(const struct store *st, const json_t *const facts[2],
    int self, struct unit_state *ret);

json_t *view_user(const struct store *st, const char *name);

#endif
