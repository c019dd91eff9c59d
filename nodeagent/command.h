/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command.h - the operations that change the unit's database
 *
 * One table (command.c) has every ordered operation: who may ask for it, what
 * arguments it takes, and the function that checks and applies it.  store_apply()
 * is the only caller of those.
 *
 * Operations of people are in docs/API.md.  Internal ones (role "system"; the
 * control socket never lets that role in):
 *   unit.create   {uuid, name, address?, admin:{name,hash}?,
 *                  nodes:[{name,memory_bytes?,storage_bytes?,cpus?,addresses?}]?,
 *                  networks:[{name,bridge,mtu?}]?}       the first command of a unit
 *                 (no networks given: one, "net0" on bridge "br-net0"; no admin:
 *                 "admin", locked until user.set-password)
 *   unit.primary  {node}
 *   node.report   {node, cpus?:{threads,cores,sockets}, memory_bytes?,
 *                  storage_bytes?, addresses?:[..], versions?:{..}}
 *   vm.report     {vm, run_id, event, reason?}     ignored when run_id is stale
 *                 events: started, stopped-by-guest (also: stopped as asked),
 *                 crashed, start-failed, installed, install-failed, deleted,
 *                 disk-lost (its disk on its PM failed: it goes to the other one)
 *   vm.takeover   {from, to}   every VM of 'from': wanted ones move (run_id + 1),
 *                 others are stopped
 *   vm.switch     {vm, move}   the commit of a live migration: the VM is the target's
 *   vm.move-ended {vm, move, reason}   it ended without one; both are ignored when
 *                 'move' isn't the one under way (core/move.h, docs/design-migration.md)
 *   volume.report {volume, node, event, reason?}
 *                 events: created, create-failed, deleted, delete-failed;
 *                 leg-failed, leg-made, leg-in-step ('node' has the leg);
 *                 verify-ended {run, result, found, repaired}; grow-failed
 *                 {size_bytes: what it has}; seen (nothing: see volumes_care.c)
 *   alert.raise   {code, object, severity, text, cause, repair:[..], params?}
 *   alert.clear   {code, object}
 *   quorum.import {kind, address?, ca?, cert?, key?}   what avnoded.conf said
 *   quorum.switch {server, token, generation}, quorum.confirm {node, token},
 *   quorum.abort  {token, reason?}   another quorum server: quorum_db.h
 *   audit.add     {action, object?, result, detail?, role?}   also for role
 *                 "console"; 'role' is what the line shows as the actor's role
 */
#ifndef AV_COMMAND_H
#define AV_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

/* NULL-terminated list of all operations, for tests and the console's check. */
const char *const *command_ops(void);
bool command_exists(const char *op);

/*
 * Everything that can be checked without the database: op, role, shape and types
 * of args, sizes.  The control server calls it before anything is sent to the
 * peer.  *ret_params (yours) as from store_apply(); may be NULL.
 */
int command_check(const json_t *cmd, json_t **ret_params, struct av_err *err);

/*
 * Puts at_utc_ms, cmd_id and context into 'cmd' ({op,args,actor}).  Context:
 * {"online":["node0",..], "alone":null|"node0", "images":{"small.img":SIZE},
 *  "activity":null|"running", "volume":null|"in-step", "move":{..}}: what the decision needs of the facts, so that both
 * PMs decide alike.  'images' are those that args.volumes name.  'activity' is that of the VM in args.vm, as view_vm_activity()
 * sees it now, 'volume' what the one in args.volume is doing.  'move' is of vm.migrate
 * alone (command_move_stamp.c).  'online' are the PMs that run guests; 'heard', of node.power
 * alone, is whether the one in args.node is heard at all.  facts[n] may be NULL.
 */
struct store;
int command_stamp(json_t *cmd, const struct store *st,
    const json_t *const facts[2], int self, int64_t at_utc_ms,
    const char *cmd_id);

/* {"op":op,"args":args,"actor":{user:"system",role:"system",origin:"nodeN",via:
 * "agent"}} for the agent's own commands; takes 'args' over.  NULL: no memory. */
json_t *command_new_system(const char *op, json_t *args, int self);

#endif
