/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/setup/setup_world.h - two machines' facts, for tests of av-setup
 */
#ifndef AV_SETUP_WORLD_H
#define AV_SETUP_WORLD_H

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "nodeagent/setup/facts.h"
#include "nodeagent/setup/plan.h"

static inline void
world_interface(struct setup_facts *f, const char *name, bool bridge,
    const char *address)
{
	struct facts_interface *i = &f->interfaces[f->n_interfaces++];

	(void)snprintf(i->name, sizeof(i->name), "%s", name);
	i->mtu = 1500;
	i->up = true;
	i->bridge = bridge;
	(void)snprintf(i->address[i->n_addresses++], sizeof(i->address[0]),
	    "%s", address);
}

/* 'node' 0 or 1; its private address is in 'net' ("10.78.0."). */
static inline void
world_facts(struct setup_facts *f, int node, const char *net)
{
	char address[64];

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->version, sizeof(f->version), "%s", AV_VERSION);
	(void)snprintf(f->machine, sizeof(f->machine), "%032d", node + 1);
	(void)snprintf(f->host, sizeof(f->host), "pm%d", node);
	(void)snprintf(f->language, sizeof(f->language), "en");
	(void)snprintf(f->virtualization, sizeof(f->virtualization), "vmx");
	f->utc_ms = av_clock_utc_ms();
	f->cpus = 4;
	f->memory_bytes = 8ull << 30;
	f->storage_bytes = 100ull << 30;
	(void)snprintf(address, sizeof(address), "%s%d/24", net, node + 1);
	world_interface(f, "priv0", false, address);
	(void)snprintf(address, sizeof(address), "10.77.0.1%d/24", node);
	world_interface(f, "net0", true, address);
}

static inline void
world_plan(struct setup_plan *p)
{
	*p = (struct setup_plan){ .n_links = 2, .n_bridges = 1,
		.uuid = "0a0b0c0d-0000-4000-8000-000000000001", .name = "try",
		.links = { { { "10.78.0.1", "" }, 24, true },
		    { { "10.77.0.10", "" }, 24, false } },
		.bridges = { "net0" }, .unit_address = "10.77.0.12/24",
		.unit_interface = "net0", .mirror = "replica",
		.hypervisor = "qemu", .arbiter = "none", .time_scale = "1" };
}

#endif
