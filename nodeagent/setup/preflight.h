/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/preflight.h - is this machine fit to become a PM?
 *
 * Looks, changes nothing.  Every finding has a way out.  What two machines must have
 * in common is fit.h's.
 */
#ifndef AV_SETUP_PREFLIGHT_H
#define AV_SETUP_PREFLIGHT_H

#include "nodeagent/setup/facts.h"
#include "nodeagent/setup/finding.h"

#define PREFLIGHT_PORT		7704	/* TCP, of the setup service itself */
#define PREFLIGHT_MEMORY_MIN	(1ull << 30)
#define PREFLIGHT_MEMORY_GOOD	(4ull << 30)
#define PREFLIGHT_STORAGE_GOOD	(10ull << 30)

/* Configuration or data of a unit, or somebody's cluster, is here already. */
void preflight_existing(const char *root, struct findings *fs);
/* Memory, clock, starter of services. */
void preflight_machine(const struct setup_facts *f, struct findings *fs);
/* Its own folder or volume group: kind, room, somebody's data.  Fills
 * f->storage_bytes. */
void preflight_storage(const char *root, struct setup_facts *f,
    struct findings *fs);
/* What needs the plan: programs, virtualization, interfaces, free ports. */
void preflight_plan(const struct setup_plan *p, int node,
    const struct setup_facts *f, struct findings *fs);

/* Full path of a program of ours or the system's, or NULL; static buffer. */
const char *preflight_program(const char *name);
/* Folder of this very program. */
const char *preflight_own_folder(void);

#endif
