/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_move.c - vm migrate, vm migrate-cancel, vm prefer
 */
#include <string.h>

#include "avcli/args.h"
#include "avcli/change.h"
#include "avcli/conn.h"
#include "base/cleanup.h"

static int
no_memory(struct cli_err *err)
{
	return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
}

static int
add_node(json_t *body, const char *key, const char *node,
    struct cli_err *err)
{
	json_t *v = strcmp(node, "none") == 0 ? json_null() :
	    json_string(node);

	return json_object_set_new(body, key, v) < 0 ? no_memory(err) : 0;
}

int
run_vm_move(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	const char *verb = cli->cmd->verb;
	const char *to = args_value(cli->args, "to");
	const char *node = args_value(cli->args, "node");
	char suffix[32];
	struct change ch = { .kind = kind_by_word("vm"), .method = "POST",
		.suffix = suffix, .body = body, .goal = GOAL_MOVED };
	int rc = body == NULL ? no_memory(err) : 0;

	if (rc == 0 && strcmp(verb, "prefer") == 0 && node == NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("say which one: --node node0, --node node1 or --node none"));
	if (rc == 0 && to != NULL)
		rc = add_node(body, "to", to, err);
	if (rc == 0 && node != NULL)
		rc = add_node(body, "node", node, err);
	if (rc < 0)
		return rc;
	(void)snprintf(suffix, sizeof(suffix), "/%s", verb);
	return change_all(cli, &ch, err);
}
