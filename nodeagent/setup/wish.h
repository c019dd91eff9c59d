/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/wish.h - what the command line asks for, taken apart
 */
#ifndef AV_SETUP_WISH_H
#define AV_SETUP_WISH_H

#include <stdbool.h>

#include "nodeagent/setup/facts.h"

/* Texts are borrowed from argv.  NULL or false = not given. */
struct setup_wish {
	const char	*name;			/* create */
	const char	*private_list;		/* "priv0,10.1.1.1" */
	const char	*business_list;
	const char	*unit_address;
	const char	*storage_dir, *volume_group;
	const char	*mirror, *hypervisor;
	const char	*quorum, *quorum_ca, *quorum_cert, *quorum_key;
	const char	*time_scale;
	const char	*password_file;
	const char	*watchdog;
	const char	*address, *key, *key_file;	/* join */
	bool		 dry_run, no_wait, yes, json;
	const char	*root;			/* tests: a folder; "" */
	const char	*formed_file;		/* tests: start nothing; the unit has
						 * formed when this file is there */
	unsigned	 tick_ms;		/* tests: 0 = as it is */
};

/* Cuts "a,b,c" into 'max' rows of 'size' bytes; *ret_n rows were filled.  -E2BIG,
 * -EINVAL (an empty or too long part). */
int wish_list(const char *list, char *rows, size_t size, size_t max,
    size_t *ret_n);
/* Puts storage and wishes into the facts of this machine. */
int wish_facts(const struct setup_wish *w, struct setup_facts *f,
    struct av_err *err);
/*
 * The first PM's half of the plan: its links, bridges, drivers, a new uuid.  -EINVAL
 * with code and sentence when the command line can't be meant.
 */
int wish_plan(const struct setup_wish *w, const struct setup_facts *f,
    struct setup_plan *ret, struct av_err *err);

#endif
