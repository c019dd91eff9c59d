/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_info.c - commands that only look
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/api.h"
#include "avcli/args.h"
#include "avcli/conn.h"
#include "base/cleanup.h"

int
run_unit_info(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *unit = NULL;
	int rc = cli_connect(cli, err);

	if (rc == 0)
		rc = conn_request(cli->conn, "GET", "/unit", NULL,
		    1000 * cli->timeout_s, &unit, err);
	if (rc < 0)
		return rc;
	return answer_object(cli, kind_by_word("unit"), unit, err);
}

/* alert info --open */
static int
keep_open(json_t *list, struct cli_err *err)
{
	size_t i = 0;

	while (i < json_array_size(list)) {
		if (json_is_true(json_object_get(json_array_get(list, i),
		    "open")))
			i++;
		else if (json_array_remove(list, i) < 0)
			return cli_fail(err, EXIT_FAILED, "no-memory",
			    tr("no memory"));
	}
	return 0;
}

int
run_list_info(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *list = NULL;
	AUTO_JSON json_t *selected = NULL;
	const struct kind *kind = kind_by_word(cli->cmd->noun);
	int rc = api_list(cli, kind, "", &list, err);

	if (rc == 0 && args_flag(cli->args, "open"))
		rc = keep_open(list, err);
	if (rc == 0)
		rc = api_select(kind, list, cli->args->operands,
		    cli->args->n_operands, &selected, err);
	if (rc < 0)
		return rc;
	return answer_objects(cli, kind, selected, err);
}

int
run_audit_info(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *list = NULL;
	AUTO_FREE char *before = NULL;
	const char *id = args_value(cli->args, "before");
	char query[200];
	unsigned limit = 100;
	int rc = args_number(cli->args, "limit", &limit, err);

	if (rc < 0)
		return rc;
	/* 'audit:17' and '17' are one line */
	if (id != NULL && strncmp(id, "audit:", 6) == 0)
		id += 6;
	before = conn_escape(id != NULL ? id : "");
	if (before == NULL)
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	if (strlen(before) > 100)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--before: that is no id of an audit line"));
	(void)snprintf(query, sizeof(query), "?limit=%u%s%s", limit,
	    id != NULL ? "&before=" : "", before);
	rc = api_list(cli, kind_by_word("audit"), query, &list, err);
	if (rc < 0)
		return rc;
	return answer_objects(cli, kind_by_word("audit"), list, err);
}
