/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/ports.h - the NICs behind this PM's networks, and whether they have steady link
 *
 * Threads: the loop's.
 */
#ifndef AV_NODEAGENT_PORTS_H
#define AV_NODEAGENT_PORTS_H

#include <stdint.h>

#include <jansson.h>

#include "nodeagent/conf.h"

/* A switch that restarts a port, or somebody who replugs a cable, takes a second or
 * two: moving a guest twice for that isn't worth it.  At time_scale 1. */
#define PORTS_LOST_MS	3000u
/* A link that comes and goes mustn't have guests follow it. */
#define PORTS_WELL_MS	30000u

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
 * {BRIDGE: {interface, link: "up"|"down"|"unknown", steady}} as it is now; a bridge
 * without a NIC is "unknown".  steady: down for PORTS_LOST_MS, or up for PORTS_WELL_MS.
 * No times: facts that always change would be sent without end.  Yours; NULL = no
 * memory.
 */
json_t *ports_facts(struct ports *p, const struct agent_conf *c,
    uint64_t now_ns);

#endif
