/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_volume.c - volumes: size, verify, copying, a failed copy; the unit's
 * settings for them
 */
#include <stdio.h>
#include <string.h>

#include "avcli/args.h"
#include "avcli/change.h"
#include "avcli/conn.h"
#include "base/cleanup.h"
#include "base/str.h"

#define WORD_MAX	16

static int
no_memory(struct cli_err *err)
{
	return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
}

/* verify, verify-cancel, resync-pause, resync-resume, replace-leg */
int
run_volume_verb(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	const char *verb = cli->cmd->verb;
	bool verify = strcmp(verb, "verify") == 0;
	char suffix[32];
	struct change ch = { .kind = kind_by_word("volume"), .method = "POST",
		.suffix = suffix, .body = body,
		.goal = verify ? GOAL_VERIFIED : GOAL_REPLACED };

	if (body == NULL || (verify && args_flag(cli->args, "repair") &&
	    json_object_set_new(body, "repair", json_true()) < 0))
		return no_memory(err);
	(void)snprintf(suffix, sizeof(suffix), "/%s", verb);
	return change_all(cli, &ch, err);
}

int
run_volume_resize(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	const char *size = cli->args->operands[1];
	struct change ch = { .kind = kind_by_word("volume"), .method = "POST",
		.suffix = "/grow", .body = body, .goal = GOAL_RESIZED,
		.n_operands = 1 };
	uint64_t bytes;

	if (av_parse_size(size, &bytes) < 0 || bytes > INT64_MAX)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("'%.100s' is no size: say the whole new size, like 20G"),
		    size);
	if (body == NULL || json_object_set_new(body, "size_bytes",
	    json_integer((json_int_t)bytes)) < 0)
		return no_memory(err);
	return change_all(cli, &ch, err);
}

/* --- unit configure --- */

/* "monthly,sun,3" -> {every, day, hour, repair}; the server checks the words. */
static json_t *
schedule_json(const char *text, bool repair)
{
	char every[WORD_MAX] = "", day[WORD_MAX] = "sun";
	unsigned hour = 3;
	char end;
	int n = sscanf(text, "%15[a-z],%15[a-z],%2u%c", every, day, &hour,
	    &end);

	if (n < 1 || n > 3 || (n == 1 && text[strlen(every)] != '\0') ||
	    (n == 2 && strlen(text) != strlen(every) + 1 + strlen(day)))
		return NULL;
	return json_pack("{s:s, s:s, s:i, s:b}", "every", every, "day", day,
	    "hour", (int)hour, "repair", repair);
}

static int
configure_body(const struct cli *cli, json_t *body, struct cli_err *err)
{
	const char *limit = args_value(cli->args, "resync-limit");
	const char *verify = args_value(cli->args, "verify");
	const char *home = args_value(cli->args, "go-home");
	bool repair = args_flag(cli->args, "verify-repair");
	uint64_t bytes = 0;
	json_t *schedule;

	if ((limit == NULL && verify == NULL && home == NULL) ||
	    (repair && verify == NULL))
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("say what to set: --resync-limit, --verify or --go-home"));
	if (home != NULL && strcmp(home, "yes") != 0 &&
	    strcmp(home, "no") != 0)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--go-home: say yes or no, not '%.100s'"), home);
	if (home != NULL && json_object_set_new(body, "go_home",
	    json_boolean(home[0] == 'y')) < 0)
		return no_memory(err);
	if (limit != NULL && strcmp(limit, "none") != 0 &&
	    (av_parse_size(limit, &bytes) < 0 || bytes < 1024 ||
	    bytes > INT64_MAX))
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--resync-limit: '%.100s' is no size; say 50M or none"),
		    limit);
	if (limit != NULL && json_object_set_new(body, "resync_rate_kib_s",
	    json_integer((json_int_t)(bytes / 1024))) < 0)
		return no_memory(err);
	if (verify == NULL)
		return 0;
	schedule = schedule_json(verify, repair);
	if (schedule == NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--verify: don't know what '%.100s' is; say off, weekly,sun,3 or monthly,sun,3"),
		    verify);
	return json_object_set_new(body, "verify_schedule", schedule) < 0 ?
	    no_memory(err) : 0;
}

int
run_unit_configure(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	AUTO_JSON json_t *result = NULL;
	struct doc *root, *unit;
	int rc = body == NULL ? no_memory(err) : configure_body(cli, body, err);

	if (rc == 0)
		rc = cli_connect(cli, err);
	if (rc == 0)
		rc = conn_request(cli->conn, "PATCH", "/unit", body,
		    1000 * cli->timeout_s, &result, err);
	if (rc < 0 || cli->quiet)
		return rc;
	if (cli->mode == OUT_JSON)
		return answer_json(cli, result, err);
	root = doc_group("avpair");
	unit = root != NULL ? doc_add_group(root, "unit") : NULL;
	if (unit == NULL || doc_add_value(unit, "id", json_string_value(
	    json_object_get(result, "id")), DOC_PLAIN) == NULL ||
	    (cli->dry_run && doc_add_value(unit, "dry-run", "true",
	    DOC_PLAIN) == NULL))
		root = doc_free(root);
	return answer_doc(cli, root, err);
}
