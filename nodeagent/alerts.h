/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/alerts.h - which alerts should be open
 *
 * Pure: same database and facts, same answer.  The unit's primary PM compares that
 * with what is open and orders alert.raise and alert.clear.
 *
 * Codes are stable words; texts here are English, and every alert has the 'params'
 * that its text is made of, so that the console can say it in another language:
 *
 *   node-lost {node}                     serious   host
 *   corosync-down {node}                 serious   host
 *   node-left-out {node}                 critical  host
 *   node-maintenance {node}              info      host
 *   node-fault {node, fault, count}      serious   host    (reported: evacuate.h)
 *   watchdog-missing {node, state}       minor     host    (none, gone or slow)
 *   power-failed {node, reason}          minor     host    (power.h)
 *   unit-alone {node}                    serious   unit
 *   unit-syncing {}                      info      unit
 *   no-quorum-server {}                  info      unit
 *   quorum-server-unreachable {address, reason}  serious   unit
 *   quorum-server-down {address, preference}     serious   quorum
 *   quorum-server-bad {address, preference}      serious   quorum
 *   quorum-server-weak {address}         info      quorum
 *   peer-incompatible {node}             serious   host
 *   link-down {link, node0, node1}       serious   link:NAME
 *   network-link-down {network, node, interface}   minor   network
 *   vm-crashed {name, crashes}           critical  vm      (it stays down)
 *   vm-waits {name, reason}              minor     vm      (can't be started)
 *   volume-one-leg {name, vm}            serious   volume  (not while alone)
 *   volume-held {name, vm}               serious   volume
 *   volume-split {name, vm}              critical  volume
 *   volume-error {name, reason}          serious   volume
 *   leg-failed {name, node, reason}      critical  volume
 *   read-repaired {name, node, errors, repaired_bytes}  minor  volume
 *   verify-differences {name, found, repaired}  serious  volume
 *   verify-repaired {name, found, repaired}     minor    volume
 *   verify-failed {name, reason}         minor     volume
 *   resync-paused {name}                 minor     volume
 *   storage-nearly-full {group, free_bytes, free}  info   storage group
 * and, raised by the command that fails: vm-install-failed {name, reason},
 * volume-grow-failed {name, reason}.
 *
 * An alert whose VM or volume is gone is cleared, whoever raised it.
 */
#ifndef AV_ALERTS_H
#define AV_ALERTS_H

#include <jansson.h>

#include "nodeagent/store.h"

/* [{code, object, severity, text, cause, repair, params}, ...]; yours; NULL = no
 * memory or the database failed. */
json_t *alerts_wanted(const struct store *st, const json_t *const facts[2],
    int self);

/* [{"op":"alert.raise"|"alert.clear", "args":{...}}, ...]: what to order so that
 * the open ones are the wanted ones; yours; NULL as above (order nothing). */
json_t *alerts_commands(const struct store *st, const json_t *const facts[2],
    int self);

#endif
