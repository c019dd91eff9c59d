/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_node.c - a PM is taken out for maintenance, and back
 */
#include <string.h>

#include "avcli/args.h"
#include "avcli/change.h"
#include "base/cleanup.h"

/* workon, workoff */
int
run_node_maintenance(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	bool on = strcmp(cli->cmd->verb, "workon") == 0;
	struct change ch = { .kind = kind_by_word("node"), .method = "POST",
		.suffix = on ? "/workon" : "/workoff", .body = body,
		.goal = on ? GOAL_OUT : GOAL_BACK };

	if (body == NULL || (on && args_flag(cli->args, "shutdown") &&
	    json_object_set_new(body, "shutdown", json_true()) < 0))
		return cli_fail(err, EXIT_FAILED, "no-memory",
		    tr("no memory"));
	return change_all(cli, &ch, err);
}
