/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/facts.h - what a machine is, as far as a unit minds
 *
 * Collected on each PM; the second one sends its own.  facts_decode() believes
 * nothing: sizes are bounded, texts have no control characters.
 */
#ifndef AV_SETUP_FACTS_H
#define AV_SETUP_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "nodeagent/setup/plan.h"

#define FACTS_INTERFACES_MAX	48
#define FACTS_ADDRESSES_MAX	8

struct facts_interface {
	char		name[16];
	unsigned	mtu;
	bool		up;		/* and has a carrier */
	bool		bridge;
	char		address[FACTS_ADDRESSES_MAX][64];	/* "ADDR/PREFIX" */
	size_t		n_addresses;
};

struct setup_facts {
	char		version[32];		/* the product's */
	char		machine[40];		/* 32 hex digits */
	char		host[65];
	char		language[4];
	int64_t		utc_ms;
	unsigned	cpus;
	uint64_t	memory_bytes;
	char		cpu_model[80];
	char		virtualization[8];	/* "vmx", "svm", "none" */
	bool		kvm;
	bool		xen;			/* this is a Xen's dom0 */
	struct facts_interface interfaces[FACTS_INTERFACES_MAX];
	size_t		n_interfaces;
	char		storage_dir[161];	/* "" = the default; */
	uint64_t	storage_bytes;		/* free there, or in the group */
	char		volume_group[64];
	/* what the command line asked for; empty = whatever fits */
	char		wanted[PLAN_LINKS_MAX][64];	/* interfaces, addresses */
	size_t		n_wanted;
	char		business[PLAN_BRIDGES_MAX][16];
	size_t		n_business;
};

/* All but storage and wishes.  Never fails: what can't be known stays empty. */
void facts_collect(struct setup_facts *ret);
json_t *facts_encode(const struct setup_facts *f);
int facts_decode(const json_t *j, struct setup_facts *ret, struct av_err *err);

const struct facts_interface *facts_interface(const struct setup_facts *f,
    const char *name);
/* By address; NULL when no interface has it. */
const struct facts_interface *facts_owner(const struct setup_facts *f,
    const char *address, unsigned *ret_prefix);

#endif
