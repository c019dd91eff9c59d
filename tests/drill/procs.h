/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/drill/procs.h - guests' processes, seen from outside the PMs
 *
 * procs_look() goes through /proc of the host; new hypervisor processes are told
 * once, with the MAC address of their guest and the network namespace they are
 * in.  Cheap enough to be called every 25 ms: a process that is older than
 * PROCS_YOUNG_NS and no hypervisor isn't looked at again.
 */
#ifndef AV_PROCS_H
#define AV_PROCS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCS_YOUNG_NS	3000000000ull
#define PROCS_MAX	4096

struct procs {
	struct { pid_t pid; uint64_t seen_ns; bool done, here; } v[PROCS_MAX];
	unsigned n;
};

typedef void (*procs_fn)(void *ctx, pid_t pid, const uint8_t mac[6],
    uint64_t net_ns, uint64_t now_ns);

void procs_look(struct procs *ps, uint64_t now_ns, procs_fn found, void *ctx);
/* The inode of a process's network namespace, 0 = it has gone. */
uint64_t procs_net_ns(pid_t pid);

#endif
