/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/host_xen.h - what this PM is, as Xen says
 *
 * The kernel of the PM's own system (dom0) sees only the memory and processors that
 * it was given; guests get what is beside it.
 */
#ifndef AV_NODEAGENT_HOST_XEN_H
#define AV_NODEAGENT_HOST_XEN_H

#include <stdint.h>

struct host_xen {
	unsigned	threads, cores, sockets;
	uint64_t	memory_bytes;	/* of the machine */
	uint64_t	system_bytes;	/* of it dom0's and Xen's own */
};

/* 'line' is what 'av-xenrun physical' prints.  -EBADMSG. */
int host_xen_parse(const char *line, struct host_xen *ret);
/* Asks 'av-xenrun' beside 'vmrun' (NULL = where it is installed); blocks.  -EBADMSG: no
 * answer, or none of Xen's. */
int host_xen_ask(const char *vmrun, struct host_xen *ret);
/* The PM's memory as limits.h counts it: with LIMITS_SYSTEM_BYTES for the system, the
 * rest for guests.  So a system that has more than those makes it less. */
uint64_t host_xen_counted(const struct host_xen *x);

#endif
