/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_quorum.c - quorum add
 *
 * Certificates are read here and sent; nothing keeps them but the PMs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/api.h"
#include "avcli/args.h"
#include "avcli/conn.h"
#include "avcli/doc.h"
#include "avcli/fields.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"

#define PEM_MAX_BYTES	16384u

static int
no_memory(struct cli_err *err)
{
	return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
}

static int
add_file(struct cli *cli, json_t *body, const char *name, struct cli_err *err)
{
	const char *path = args_value(cli->args, name);
	AUTO_FREE char *text = NULL;
	struct av_err why = { 0 };
	json_t *value;

	if (path == NULL)
		return 0;
	if (av_file_read(path, PEM_MAX_BYTES, &text, NULL, &why) < 0)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("%s: can't be read: %s"), path, why.text);
	value = json_string(text);
	explicit_bzero(text, strlen(text));
	if (value == NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("%s: can't be read: %s"), path, "UTF-8");
	return json_object_set_new(body, name, value) < 0 ? no_memory(err) : 0;
}

static int
body_make(struct cli *cli, json_t *body, struct cli_err *err)
{
	static const char *const files[] = { "ca", "cert", "key" };
	const struct args *a = cli->args;
	const char *kind = args_value(a, "kind");
	bool preferred = args_flag(a, "preferred");
	bool alternate = args_flag(a, "alternate");
	size_t i;
	int rc = 0;

	if (preferred && alternate)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--preferred and --alternate can't stand together"));
	if ((args_value(a, "cert") == NULL) != (args_value(a, "key") == NULL))
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--cert and --key go together"));
	if (kind != NULL)
		(void)json_object_set_new(body, "kind", json_string(kind));
	if (preferred || alternate)
		(void)json_object_set_new(body, "preferred",
		    json_boolean(preferred));
	if (cli->dry_run)
		(void)json_object_set_new(body, "dry_run", json_true());
	for (i = 0; rc == 0 && i < 3; i++)
		rc = add_file(cli, body, files[i], err);
	return rc;
}

static int
answer(struct cli *cli, const json_t *result, struct cli_err *err)
{
	const char *id = json_string_value(json_object_get(result, "id"));
	struct doc *root, *d;

	if (cli->mode == OUT_JSON)
		return answer_json(cli, result, err);
	if (cli->quiet && cli->mode == OUT_TEXT) {
		if (!cli->dry_run && id != NULL)
			printf("%s\n", id);
		return 0;
	}
	root = doc_group("avpair");
	d = root == NULL ? NULL : doc_add_group(root, "quorum-server");
	if (d == NULL ||
	    doc_add_value(d, "address", cli->args->operands[0],
	    DOC_PLAIN) == NULL ||
	    (id != NULL && doc_add_value(d, "id", id, DOC_PLAIN) == NULL) ||
	    (cli->dry_run && doc_add_value(d, "dry-run", "true",
	    DOC_PLAIN) == NULL))
		root = doc_free(root);
	return answer_doc(cli, root, err);
}

int
run_quorum_add(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = json_pack("{s:s}", "address",
	    cli->args->operands[0]);
	AUTO_JSON json_t *result = NULL;
	const json_t *w;
	size_t i;
	int rc = body != NULL ? body_make(cli, body, err) : no_memory(err);

	if (rc == 0)
		rc = cli_connect(cli, err);
	if (rc == 0)
		rc = conn_request(cli->conn, "POST", "/quorum-servers", body,
		    1000 * cli->timeout_s, &result, err);
	if (rc < 0)
		return rc;
	json_array_foreach(json_object_get(result, "warnings"), i, w)
		if (!cli->quiet)
			cli_warn("%s", json_string_value(json_object_get(w,
			    "text")));
	return answer(cli, result, err);
}
