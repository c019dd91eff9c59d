/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_node.c - a PM is taken out for maintenance, rebooted, and back; its failing parts
 */
#include <string.h>

#include "avcli/args.h"
#include "avcli/change.h"
#include "base/cleanup.h"
#include "base/str.h"

static const struct { const char *verb, *suffix; enum goal goal; } verbs[] = {
	{ "workon", "/workon", GOAL_OUT }, { "workoff", "/workoff", GOAL_BACK },
	{ "reboot", "/reboot", GOAL_REBOOTED },
	{ "shutdown", "/shutdown", GOAL_OFF },
};

int
run_node_maintenance(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	struct change ch = { .kind = kind_by_word("node"), .method = "POST",
		.body = body };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(cli->cmd->verb, verbs[i].verb) == 0) {
			ch.suffix = verbs[i].suffix;
			ch.goal = verbs[i].goal;
		}
	if (body == NULL || (ch.goal == GOAL_OUT &&
	    args_flag(cli->args, "shutdown") &&
	    json_object_set_new(body, "shutdown", json_true()) < 0))
		return cli_fail(err, EXIT_FAILED, "no-memory",
		    tr("no memory"));
	return change_all(cli, &ch, err);
}

static int
copy_text(struct cli *cli, json_t *body, const char *key, struct cli_err *err)
{
	const char *text = args_value(cli->args, key);

	if (text == NULL || json_object_set_new(body, key,
	    json_string(text)) == 0)
		return 0;
	return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
}

/* report-fault, clear-fault */
int
run_node_fault(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	bool report = strcmp(cli->cmd->verb, "report-fault") == 0;
	struct change ch = { .kind = kind_by_word("node"), .method = "POST",
		.suffix = report ? "/report-fault" : "/clear-fault",
		.body = body };

	if (body == NULL)
		return cli_fail(err, EXIT_FAILED, "no-memory",
		    tr("no memory"));
	if (report && args_value(cli->args, "part") == NULL)
		return cli_fail(err, EXIT_USAGE, "usage",
		    tr("'--part' is missing: name what fails"));
	if (copy_text(cli, body, "part", err) < 0 ||
	    (report && copy_text(cli, body, "text", err) < 0))
		return -1;
	return change_all(cli, &ch, err);
}
