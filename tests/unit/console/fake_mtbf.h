/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/fake_mtbf.h - failure counters of fake-agent's VMs and PMs
 */
#ifndef TESTS_FAKE_MTBF_H
#define TESTS_FAKE_MTBF_H

#include <jansson.h>

/* A new counter: yours. */
json_t *mtbf_new(void);
/* That of "node0" or "node1": a new reference. */
json_t *mtbf_of_node(const char *name);
/* Its maintenance, or null: a new reference. */
json_t *maintenance_of_node(const char *name);

json_t *op_vm_reset(json_t *args, const json_t *actor);
json_t *op_vm_set_mtbf(json_t *args, const json_t *actor);
json_t *op_node_set_mtbf(json_t *args, const json_t *actor);
json_t *op_node_clear_mtbf(json_t *args, const json_t *actor);
/* Its faults: a new reference. */
json_t *faults_of_node(const char *name);
json_t *op_node_report_fault(json_t *args, const json_t *actor);
json_t *op_node_clear_fault(json_t *args, const json_t *actor);
json_t *op_node_workon(json_t *args, const json_t *actor);
json_t *op_node_workoff(json_t *args, const json_t *actor);
json_t *op_node_power(json_t *args, const json_t *actor);

#endif
