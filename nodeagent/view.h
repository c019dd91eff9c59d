/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view.h - the API's objects, made of database and facts
 *
 * What docs/API.md section 3 shows, and nothing else.  Pure reading: same database
 * and facts, same objects.  Lists are bare JSON arrays in order of id (audit and
 * alerts: newest first).
 *
 * facts:	facts.h; facts[n] may be NULL or stale: a peer of which this PM
 *		('self') has no sign of life is shown lost.
 * Errors:	NULL = no memory or the database failed.
 * Memory:	the result is yours.
 */
#ifndef AV_VIEW_H
#define AV_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "nodeagent/store.h"

json_t *view_unit(const struct store *st, const json_t *const facts[2], int self);
json_t *view_nodes(const struct store *st, const json_t *const facts[2], int self);
json_t *view_vms(const struct store *st, const json_t *const facts[2], int self);
json_t *view_quorum(const struct store *st, const json_t *const facts[2],
    int self);
json_t *view_volumes(const struct store *st, const json_t *const facts[2],
    int self);
json_t *view_networks(const struct store *st, const json_t *const facts[2],
    int self);
json_t *view_storage_groups(const struct store *st);
/* One row a name and node that has it. */
json_t *view_images(const json_t *const facts[2], int self);
json_t *view_alerts(const struct store *st);
/* At most 'limit' lines with an id below 'before' (0 = from the newest). */
json_t *view_audit(const struct store *st, unsigned limit, int64_t before);
json_t *view_users(const struct store *st);

/* One VM by name or id: not-found, ambiguous-name. */
int view_vm(const struct store *st, const json_t *const facts[2], int self,
    const char *ref, json_t **ret, struct av_err *err);

/*
 * Answers a reading operation (unit.info, vm.list, vm.get, user.get ...):
 * *ret_result is the result, or the error's params when refused.  Role and args
 * are checked.  -ENOSYS: 'op' is none of them.
 */
int view_read(const struct store *st, const json_t *const facts[2], int self,
    const char *op, const json_t *args, const json_t *actor,
    json_t **ret_result, struct av_err *err);
bool view_op_exists(const char *op);

/* Is PM 'node' heard by 'self'? */
bool view_node_online(const json_t *const facts[2], int self, int node);

/* --- states of a VM: spec A1, one table --- */

enum vm_activity {
	VM_INSTALLING, VM_STOPPED, VM_BOOTING, VM_RUNNING, VM_STOPPING,
	VM_CRASHED, VM_PAUSED, VM_MOVING, VM_N_ACTIVITIES
};

enum vm_command_bit {
	VM_CMD_START = 1, VM_CMD_SHUTDOWN = 2, VM_CMD_POWEROFF = 4,
	VM_CMD_DELETE = 8, VM_CMD_CONSOLE = 16, VM_CMD_RENAME = 32, VM_CMD_RESET = 64,
	VM_CMD_MIGRATE = 128, VM_CMD_MIGRATE_CANCEL = 256,
};

struct vm_state_in {		/* everything that the state depends on */
	enum store_phase phase;
	enum store_want	want;
	int		node;		/* -1 = none */
	bool		crash_held;
	bool		moving;
	bool		migrating;	/* live, to the other PM */
	bool		node_heard;	/* facts of 'node' are fresh */
	bool		fact_known;	/* they tell of this VM and this run */
	enum vm_activity fact;		/* what they tell */
	bool		redundant;	/* unit together, VM's volumes in step */
};

struct vm_state {
	enum vm_activity activity;
	const char	*state;		/* "-", good, alert, busy, critical */
	unsigned	commands;	/* VM_CMD_* allowed */
};

void view_vm_derive(const struct vm_state_in *in, struct vm_state *ret);
/* Commands allowed in an activity ('held' = critical/crashed). */
unsigned view_vm_commands(enum vm_activity a, bool held);
const char *view_vm_activity_name(enum vm_activity a);
int view_vm_activity_parse(const char *name, enum vm_activity *ret);
/* Of one VM, now. */
void view_vm_state(const struct store *st, const json_t *const facts[2],
    int self, const struct store_vm *vm, struct vm_state *ret);

#endif
