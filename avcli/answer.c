/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/answer.c - one document on stdout, whatever happens
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/api.h"
#include "base/cleanup.h"

static int
no_memory(struct cli_err *err)
{
	return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
}

/* A full disk or a closed pipe is a failure, not a short answer. */
static int
flushed(struct cli_err *err)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return cli_fail(err, EXIT_FAILED, "output",
	    tr("can't write the output: %s"), strerror(errno));
}

int
answer_json(struct cli *cli, const json_t *j, struct cli_err *err)
{
	cli->answered = true;
	if (json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) < 0)
		return flushed(err);
	(void)fputc('\n', stdout);
	return flushed(err);
}

int
answer_doc(struct cli *cli, struct doc *root, struct cli_err *err)
{
	int rc = 0;

	if (root == NULL)
		return no_memory(err);
	cli->answered = true;
	if (cli->mode == OUT_XML)
		rc = doc_print_xml(stdout, root);
	else
		doc_print_text(stdout, root, cli->colour);
	(void)doc_free(root);
	return rc < 0 ? no_memory(err) : flushed(err);
}

int
answer_objects(struct cli *cli, const struct kind *kind, const json_t *list,
    struct cli_err *err)
{
	struct doc *root;
	const json_t *item;
	size_t i;

	if (cli->quiet)
		return 0;
	if (cli->mode == OUT_JSON)
		return answer_json(cli, list, err);
	root = doc_group("avpair");
	if (root == NULL)
		return no_memory(err);
	json_array_foreach(list, i, item) {
		if (fields_add(root, kind, item) < 0) {
			(void)doc_free(root);
			return no_memory(err);
		}
	}
	return answer_doc(cli, root, err);
}

int
answer_object(struct cli *cli, const struct kind *kind, const json_t *obj,
    struct cli_err *err)
{
	AUTO_JSON json_t *list = NULL;

	if (cli->mode == OUT_JSON && !cli->quiet)
		return answer_json(cli, obj, err);
	list = json_pack("[O]", (json_t *)(uintptr_t)obj);
	return list != NULL ? answer_objects(cli, kind, list, err) :
	    no_memory(err);
}

int
error_add(struct doc *parent, const struct cli_err *err)
{
	struct doc *e = doc_add_group(parent, "error");
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", (int)err->exit);
	if (e == NULL ||
	    doc_add_value(e, "code", err->code, DOC_PLAIN) == NULL ||
	    doc_add_value(e, "text", err->text, DOC_PLAIN) == NULL ||
	    doc_add_value(e, "hint", err->hint, DOC_PLAIN) == NULL ||
	    doc_add_value(e, "outcome", err->maybe ? "maybe" : "not-done",
	    DOC_PLAIN) == NULL ||
	    doc_add_value(e, "exit", number, DOC_PLAIN) == NULL)
		return -1;
	return 0;
}

void
answer_error(struct cli *cli, const struct cli_err *err)
{
	struct cli_err ignored = { 0 };
	struct doc *root;
	json_t *j;

	cli_err_print(err);
	if (cli->answered || cli->mode == OUT_TEXT)
		return;
	if (cli->mode == OUT_JSON) {
		j = json_pack("{s:o}", "error", cli_err_json(err));
		if (j != NULL)
			(void)answer_json(cli, j, &ignored);
		json_decref(j);
		return;
	}
	root = doc_group("avpair");
	if (root != NULL && error_add(root, err) < 0)
		root = doc_free(root);
	(void)answer_doc(cli, root, &ignored);	/* stderr has it already */
}
