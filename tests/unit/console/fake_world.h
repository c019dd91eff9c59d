/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/fake_world.h - the little unit that fake-agent pretends to be
 *
 * Objects as docs/API.md describes them, made from a little state.  One thread.
 */
#ifndef TESTS_FAKE_WORLD_H
#define TESTS_FAKE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define MIB		(1024ll * 1024)

extern const char *node;	/* the PM that answers */
extern const char *lost_node;	/* NULL = none */
extern uint64_t step_ns;	/* how long a state lasts */
extern uint64_t sync_until_ns;	/* 0 = in step */
extern json_t *vms, *volumes, *alerts, *audit, *users;

const char *now_utc(void);
const char *str(const json_t *o, const char *key);
void set(json_t *o, const char *key, json_t *v);
void changed(const char *object);
json_t *refuse(const char *code, const char *text, const char *key,
    const char *value);
json_t *good(json_t *result);
json_t *refuse_missing(const char *kind, const char *name);
json_t *find(json_t *list, const char *name);
void audit_line(const json_t *actor, const char *action, const char *object,
    const char *result, const char *detail);
const char *survivor(void);
void vm_activity(json_t *vm, const char *activity);
void vm_later(json_t *vm, const char *activity);
json_t *volume_new(const char *name, long long size, const char *vm_id,
    const char *vm_name, bool boot);
json_t *volume_view(const json_t *stored);
json_t *vm_new(const char *name, const char *os, int vcpus, long long memory);
json_t *vm_view(const json_t *stored);
json_t *node_view(const char *name, const char *id);
json_t *unit_view(void);
void alert_open(const char *code, const char *sev, const char *object,
    const char *text, const char *cause, const char *step, json_t *params);
void alert_clear(const char *code);
void world_make(void);

/* fake_move.c */
json_t *op_vm_migrate(json_t *args, const json_t *actor);
json_t *op_vm_migrate_cancel(json_t *args, const json_t *actor);
json_t *op_vm_prefer(json_t *args, const json_t *actor);
/* A move that is under way gets on, or has arrived. */
json_t *op_test_move(json_t *args, const json_t *actor);
void move_goes_on(json_t *vm);

/* fake_quorum.c */
json_t *op_split_info(json_t *args, const json_t *actor);
json_t *op_split_resolve(json_t *args, const json_t *actor);
json_t *op_test_split(json_t *args, const json_t *actor);
json_t *op_quorum_list(json_t *args, const json_t *actor);
json_t *op_quorum_add(json_t *args, const json_t *actor);
json_t *op_quorum_remove(json_t *args, const json_t *actor);
/* fake_volumes.c */
json_t *op_volume_verify(json_t *args, const json_t *actor);
json_t *op_volume_verify_cancel(json_t *args, const json_t *actor);
json_t *op_volume_resync_pause(json_t *args, const json_t *actor);
json_t *op_volume_resync_resume(json_t *args, const json_t *actor);
json_t *op_volume_grow(json_t *args, const json_t *actor);
json_t *op_volume_replace_leg(json_t *args, const json_t *actor);
json_t *op_unit_configure(json_t *args, const json_t *actor);
json_t *op_test_volume(json_t *args, const json_t *actor);
/* Settings into a unit object (NULL: only makes them). */
void settings_add(json_t *unit);
/* Adds what a volume object has of care, takes the '@' keys away. */
void volume_care_add(json_t *v);

#endif
