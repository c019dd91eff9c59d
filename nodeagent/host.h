/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/host.h - what this PM is: processors, memory, storage, versions
 *
 * Read once at start; may take some 100 ms (it asks programs for their version),
 * so call it before the loop runs.
 */
#ifndef AV_NODEAGENT_HOST_H
#define AV_NODEAGENT_HOST_H

#include <jansson.h>

#include "nodeagent/conf.h"

/* {"cpus":{threads,cores,sockets},"memory_bytes","storage_bytes","addresses":[..],
 *  "versions":{avpair,corosync,qemu,kernel},"cpu_flags":"fpu vme .."}; yours.  NULL = no memory. */
json_t *host_describe(const struct agent_conf *conf);
/* Seconds since this PM's first process started. */
uint64_t host_uptime_s(void);
/* Resident memory of this process. */
uint64_t host_self_rss_bytes(void);

#endif
