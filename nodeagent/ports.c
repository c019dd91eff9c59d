/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/ports.c - the NICs behind this PM's networks
 */
#include "nodeagent/ports.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "vif/vif.h"

static const char *const link_names[] = {
	[PORT_UNKNOWN] = "unknown", [PORT_DOWN] = "down", [PORT_UP] = "up",
};

/* The NIC in a network's bridge; taps are guests'. */
static enum port_link
port_of(const char *bridge, char ret_name[16])
{
	struct if_nameindex *all = if_nameindex();
	enum port_link link = PORT_UNKNOWN;
	size_t i;

	ret_name[0] = '\0';
	for (i = 0; all != NULL && all[i].if_name != NULL &&
	    ret_name[0] == '\0'; i++) {
		struct vif_link l;

		if (vif_link_get(all[i].if_name, &l, NULL) < 0 ||
		    strcmp(l.master, bridge) != 0 || strcmp(l.kind, "tun") == 0)
			continue;
		(void)snprintf(ret_name, 16, "%s", all[i].if_name);
		link = l.up && l.carrier ? PORT_UP : PORT_DOWN;
	}
	if (all != NULL)
		if_freenameindex(all);
	return link;
}

/* A link that is there when the agent starts has been there: a restart of the agent
 * is no news of the cable. */
static void
look(struct ports *p, size_t i, enum port_link link, uint64_t now_ns)
{
	bool first = p->of[i].since_ns == 0;

	if (!first && p->of[i].link == link)
		return;
	p->of[i].link = link;
	p->of[i].since_ns = first && link == PORT_UP ? 1 : now_ns;
}

static bool
is_steady(const struct ports *p, size_t i, double time_scale, uint64_t now_ns)
{
	double ms = (double)(now_ns - p->of[i].since_ns) / AV_NS_PER_MS;

	switch (p->of[i].link) {
	case PORT_DOWN:
		return ms >= PORTS_LOST_MS * time_scale;
	case PORT_UP:
		return ms >= PORTS_WELL_MS * time_scale;
	case PORT_UNKNOWN:
		break;
	}
	return true;
}

json_t *
ports_facts(struct ports *p, const struct agent_conf *c, uint64_t now_ns)
{
	json_t *facts = json_object();
	char name[16];
	size_t i;

	for (i = 0; facts != NULL && i < c->n_networks; i++) {
		enum port_link link = port_of(c->networks[i], name);

		look(p, i, link, now_ns);
		(void)json_object_set_new(facts, c->networks[i], json_pack(
		    "{s:s, s:s, s:b}", "interface", name, "link",
		    link_names[link], "steady",
		    is_steady(p, i, c->time_scale, now_ns)));
	}
	return facts;
}
