/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/change.h - one change to each of the operands
 */
#ifndef AVCLI_CHANGE_H
#define AVCLI_CHANGE_H

#include <jansson.h>

#include "avcli/api.h"

struct change {
	const struct kind	*kind;
	const char		*method;
	const char		*suffix;	/* "/start", "?keep=..." */
	json_t			*body;
	enum goal		 goal;		/* of --wait */
	size_t			 n_operands;	/* only the first; 0 = all */
};

/* All are ordered, then each is waited for; what failed is printed.  The first
 * failure's exit status, negative. */
int change_all(struct cli *cli, const struct change *ch, struct cli_err *err);
/* {} or {dry_run:true}; yours. */
json_t *change_body(const struct cli *cli);

#endif
