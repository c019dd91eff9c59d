/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_split.c - after both PMs ran alone: look, and choose
 */
#include <stdio.h>
#include <string.h>

#include "avcli/api.h"
#include "avcli/args.h"
#include "avcli/conn.h"
#include "avcli/doc.h"
#include "avcli/fields.h"
#include "avcli/files.h"
#include "base/cleanup.h"

int
run_split_info(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *split = NULL;
	int rc = cli_connect(cli, err);

	if (rc == 0)
		rc = conn_request(cli->conn, "GET", "/split", NULL,
		    1000 * cli->timeout_s, &split, err);
	if (rc < 0)
		return rc;
	return answer_object(cli, kind_by_word("split"), split, err);
}

static int
answer(struct cli *cli, const json_t *result, struct cli_err *err)
{
	struct doc *root, *d;
	const char *id;
	json_t *keep;

	if (cli->mode == OUT_JSON)
		return answer_json(cli, result, err);
	if (cli->quiet && cli->mode == OUT_TEXT)
		return 0;
	root = doc_group("avpair");
	json_object_foreach(json_object_get(result, "decided"), id, keep) {
		d = root == NULL ? NULL : doc_add_group(root, "split");
		if (d == NULL || doc_add_value(d, "object", id,
		    DOC_PLAIN) == NULL || doc_add_value(d, "keep",
		    json_string_value(keep), DOC_PLAIN) == NULL ||
		    (cli->dry_run && doc_add_value(d, "dry-run", "true",
		    DOC_PLAIN) == NULL))
			root = doc_free(root);
	}
	return answer_doc(cli, root, err);
}

int
run_split_resolve(struct cli *cli, struct cli_err *err)
{
	const char *keep = args_value(cli->args, "keep");
	AUTO_JSON json_t *body = NULL;
	AUTO_JSON json_t *result = NULL;
	int rc;

	if (keep == NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--keep NODE says whose data is kept"));
	rc = cli_connect(cli, err);
	if (rc < 0)
		return rc;
	if (!cli->dry_run && !args_flag(cli->args, "yes") &&
	    !terminal_confirm(tr("What only the other PM wrote is lost for good. Go on? (yes/no) "))) {
		rc = cli_fail(err, EXIT_USAGE, "not-confirmed",
		    tr("the choice was not confirmed: nothing was changed"));
		cli_hint(err, tr("'avcli split info' shows what each PM holds; --yes confirms"));
		return rc;
	}
	body = json_pack("{s:s,s:s,s:o*}", "object", cli->args->operands[0],
	    "keep", keep, "dry_run", cli->dry_run ? json_true() : NULL);
	if (body == NULL)
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	rc = conn_request(cli->conn, "POST", "/split", body,
	    1000 * cli->timeout_s, &result, err);
	return rc < 0 ? rc : answer(cli, result, err);
}
