/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_fault.h - what is about to fail on a PM, as the database has it (E2)
 *
 * A row for each part of a PM that somebody reported ('node.report-fault': SMART, a
 * sensor, ECC, a monitoring system, a person) until it is reported well again
 * ('node.clear-fault').  One row per part: a later report replaces it.
 */
#ifndef AV_STORE_FAULT_H
#define AV_STORE_FAULT_H

#include "nodeagent/store_sql.h"

#define STORE_FAULT_PART_MAX	48	/* bytes with NUL: "disk sda", "fan 2" */
#define STORE_FAULT_TEXT_MAX	256	/* bytes with NUL */
#define STORE_FAULTS_MAX	32	/* of one PM */

struct store_fault {
	char	part[STORE_FAULT_PART_MAX];
	char	text[STORE_FAULT_TEXT_MAX];	/* what was seen */
	int64_t	since_ms;			/* UTC; of the first report */
};

/* By part's name.  Stops at the first value but 0 that 'each' returns. */
int  store_each_fault(const struct store *st, int node,
    int (*each)(void *arg, const struct store_fault *f), void *arg);
/* false when the database doesn't say. */
bool store_node_faulty(const struct store *st, int node);

#endif
