/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/ports.h - the NICs behind this PM's networks, and since when they have link
 *
 * Threads: the loop's.
 */
#ifndef AV_NODEAGENT_PORTS_H
#define AV_NODEAGENT_PORTS_H

#include <stdint.h>

#include <jansson.h>

#include "nodeagent/conf.h"

enum port_link { PORT_UNKNOWN = 0, PORT_DOWN, PORT_UP };

/* All zero to begin with. */
struct ports {
	struct {
		enum port_link	link;
		uint64_t	since_ns;	/* it was first seen so; up at
						 * the first look: always */
	} of[CONF_NETWORKS_MAX];
};

/*
 * {BRIDGE: {interface, link: "up"|"down"|"unknown", since_ms}} as it is now; a bridge
 * without a NIC is "unknown".  Yours; NULL = no memory.
 */
json_t *ports_facts(struct ports *p, const struct agent_conf *c);

#endif
