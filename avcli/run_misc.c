/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_misc.c - login, passwords, takeover, version, help
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/api.h"
#include "avcli/args.h"
#include "avcli/codeset.h"
#include "avcli/conn.h"
#include "avcli/files.h"
#include "base/cleanup.h"
#include "base/str.h"

#define USAGE_COLUMNS	28

/* A group with up to two values. */
static int
answer_pair(struct cli *cli, const char *group, const char *key1,
    const char *value1, const char *key2, const char *value2,
    struct cli_err *err)
{
	struct doc *root, *g;

	if (cli->quiet)
		return 0;
	if (cli->mode == OUT_JSON) {
		AUTO_JSON json_t *j = json_pack("{s:s, s:s*}", key1, value1,
		    key2 != NULL ? key2 : "", value2);

		return j != NULL ? answer_json(cli, j, err) :
		    cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	}
	root = doc_group("avpair");
	g = root != NULL ? doc_add_group(root, group) : NULL;
	if (g == NULL || doc_add_value(g, key1, value1, DOC_PLAIN) == NULL ||
	    (value2 != NULL &&
	    doc_add_value(g, key2, value2, DOC_PLAIN) == NULL))
		root = doc_free(root);
	return answer_doc(cli, root, err);
}

/* --- login --- */

static int
need_remote(struct cli *cli, struct cli_err *err)
{
	int rc = cli_connect(cli, err);

	if (rc < 0 || !conn_is_local(cli->conn))
		return rc;
	(void)cli_fail(err, EXIT_USAGE, "bad-argument",
	    tr("the local console needs no login"));
	cli_hint(err, tr("for a unit elsewhere: avcli -H HOST -u USER %s"),
	    cli->cmd->noun);
	return -EXIT_USAGE;
}

int
run_login(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *answer = NULL;
	const char *user, *role;
	int rc = need_remote(cli, err);

	if (rc == 0)
		rc = conn_login(cli->conn, &answer, err);
	if (rc < 0)
		return rc;
	user = json_string_value(json_object_get(answer, "user"));
	role = json_string_value(json_object_get(answer, "role"));
	if (user == NULL)
		user = json_string_value(json_object_get(
		    json_object_get(answer, "user"), "name"));
	return answer_pair(cli, "session", "user", user != NULL ? user : "",
	    "role", role, err);
}

int
run_logout(struct cli *cli, struct cli_err *err)
{
	int rc = need_remote(cli, err);

	return rc < 0 ? rc : conn_logout(cli->conn, err);
}

/* --- user password --- */

static int
ask_new(const struct cli *cli, char **ret, struct cli_err *err)
{
	const char *file = args_value(cli->args, "new-password-file");
	bool typed = file == NULL && getenv("AVPAIR_NEW_PASSWORD") == NULL;
	char *again = NULL;
	int rc;

	rc = secret_get(file, "AVPAIR_NEW_PASSWORD", tr("New password: "), ret,
	    err);
	if (rc < 0 || !typed)
		return rc;
	rc = secret_get(NULL, "AVPAIR_NEW_PASSWORD", tr("The same again: "),
	    &again, err);
	if (rc == 0 && strcmp(again, *ret) != 0)
		rc = cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("the two passwords differ: nothing was changed"));
	secret_free(again);
	return rc;
}

static const char *
own_name(const struct cli *cli)
{
	const char *user = args_value(cli->args, "user");

	if (user == NULL)
		user = args_value(cli->args, "username");
	return user != NULL ? user : getenv("AVPAIR_USER");
}

int
run_user_password(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = json_object();
	AUTO_JSON json_t *answer = NULL;
	AUTO_FREE char *path = NULL;
	const char *self = own_name(cli), *user = self;
	char *old = NULL, *new = NULL;
	int rc = cli_connect(cli, err);

	if (cli->args->n_operands > 0)
		user = cli->args->operands[0];
	if (rc == 0 && user == NULL)
		rc = cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("say whose password"));
	if (rc == 0)
		rc = api_path(kind_by_word("user"), user, "/password", &path,
		    err);
	/* an administrator needs no old one for others, root on a PM for any */
	if (rc == 0 && !conn_is_local(cli->conn) && self != NULL &&
	    strcmp(user, self) == 0)
		rc = secret_get(args_value(cli->args, "password-file"),
		    "AVPAIR_PASSWORD", tr("Old password: "), &old, err);
	if (rc == 0)
		rc = ask_new(cli, &new, err);
	if (rc == 0 && ((old != NULL && json_object_set_new(body, "old",
	    json_string(old)) < 0) || json_object_set_new(body, "new",
	    json_string(new)) < 0))
		rc = cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	secret_free(old);
	secret_free(new);
	if (rc == 0)
		rc = conn_request(cli->conn, "POST", path, body,
		    1000 * cli->timeout_s, &answer, err);
	return rc < 0 ? rc : answer_pair(cli, "user", "name", user, NULL, NULL,
	    err);
}

/* --- unit takeover --- */

int
run_unit_takeover(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = NULL;
	AUTO_JSON json_t *answer = NULL;
	int rc = cli_connect(cli, err);

	if (rc < 0)
		return rc;
	if (!cli->dry_run && !args_flag(cli->args, "yes") &&
	    !terminal_confirm(tr("What only the other PM has is lost for good. Take over? (yes/no) "))) {
		rc = cli_fail(err, EXIT_USAGE, "not-confirmed",
		    tr("the takeover was not confirmed: nothing was changed"));
		cli_hint(err,
		    tr("--dry-run shows what would be lost; --yes confirms"));
		return rc;
	}
	body = json_pack("{s:b, s:o*}", "confirm", 1, "dry_run",
	    cli->dry_run ? json_true() : NULL);
	if (body == NULL)
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	rc = conn_request(cli->conn, "POST", "/unit/takeover", body,
	    1000 * cli->timeout_s, &answer, err);
	if (rc < 0 || cli->quiet)
		return rc;
	if (cli->mode == OUT_JSON)
		return answer_json(cli, answer, err);
	return answer_pair(cli, "takeover", "dry-run",
	    cli->dry_run ? "true" : "false", "detail",
	    json_string_value(json_object_get(answer, "text")), err);
}

/* --- version --- */

int
run_version(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *answer = NULL;
	const char *unit = NULL;
	int rc = cli_connect(cli, err);

	if (rc < 0)
		return rc;
	rc = conn_request(cli->conn, "GET", "/version", NULL,
	    1000 * cli->timeout_s, &answer, err);
	/* on a machine that isn't a PM, avcli's own is all there is */
	if (rc < 0 && !conn_is_local(cli->conn))
		return rc;
	if (rc == 0) {
		unit = json_string_value(json_object_get(answer, "version"));
		if (unit == NULL)
			unit = json_string_value(json_object_get(answer,
			    "avpair"));
	}
	return answer_pair(cli, "version", "avcli", AV_VERSION, "unit", unit,
	    err);
}

/* --- help --- */

static void
print_options(const struct opt_def *o)
{
	char left[80];

	for (; o != NULL && o->name != NULL; o++) {
		size_t columns;

		(void)snprintf(left, sizeof(left), "%c%c%s--%s%s%s%s",
		    o->letter != 0 ? '-' : ' ', o->letter != 0 ? o->letter : ' ',
		    o->letter != 0 ? ", " : "  ", o->name,
		    o->value != NULL ? " " : "", o->value != NULL ? o->value : "",
		    o->kind == OPT_LIST ? "..." : "");
		columns = av_utf8_columns(left);
		codeset_printf(stdout, "  %s", left);
		if (columns >= USAGE_COLUMNS)
			codeset_printf(stdout, "\n%*s", USAGE_COLUMNS + 4, "");
		else
			codeset_printf(stdout, "%*s",
			    (int)(USAGE_COLUMNS + 2 - columns), "");
		codeset_printf(stdout, "%s\n", tr(o->help));
	}
}

static void
print_command_line(const struct command *cmd)
{
	char name[64];

	command_name(cmd, name, sizeof(name));
	codeset_printf(stdout, "  %-20s %s\n", name, tr(cmd->summary));
}

static void
print_command_help(const struct command *cmd)
{
	char name[64];

	command_name(cmd, name, sizeof(name));
	codeset_printf(stdout, "%s: avcli %s%s%s\n\n%s\n", tr("Usage"), name,
	    *cmd->operands != '\0' ? " " : "", cmd->operands,
	    tr(cmd->summary));
	if (cmd->verb != NULL)
		codeset_printf(stdout, "%s: %s-%s%s%s\n", tr("Also called"),
		    cmd->noun, cmd->verb, cmd->alias != NULL ? ", " : "",
		    cmd->alias != NULL ? cmd->alias : "");
	if (cmd->opts != NULL) {
		codeset_printf(stdout, "\n%s:\n", tr("Options"));
		print_options(cmd->opts);
	}
	codeset_printf(stdout, "\n%s:\n", tr("For every command"));
	print_options(global_opts);
}

static void
print_help(const char *noun)
{
	size_t i;

	codeset_printf(stdout, "%s: avcli %s\n\n", tr("Usage"),
	    "[-H HOST -u USER] NOUN VERB [...] [-x|--json]");
	for (i = 0; i < n_commands; i++)
		if (!commands[i].hidden && (noun == NULL ||
		    strcmp(commands[i].noun, noun) == 0))
			print_command_line(&commands[i]);
	codeset_printf(stdout, "\n%s\n",
	    tr("'avcli help NOUN VERB' explains one command; avcli(1) all of them."));
}

int
run_help(struct cli *cli, struct cli_err *err)
{
	const struct args *a = cli->args;
	const char *first = a->n_operands > 0 ? a->operands[0] : a->noun;
	const char *second = a->n_operands > 1 ? a->operands[1] : NULL;
	const struct command *cmd = NULL;
	char typed[80];

	if (cli->cmd != NULL && strcmp(cli->cmd->noun, "help") != 0) {
		print_command_help(cli->cmd);	/* avcli vm create --help */
		return 0;
	}
	if (first == NULL || (a->n_operands == 0 && cli->cmd != NULL)) {
		print_help(NULL);
		return 0;
	}
	cmd = second != NULL || command_by_words(first, NULL) != NULL ?
	    command_by_words(first, second) : command_by_alias(first);
	if (cmd != NULL) {
		print_command_help(cmd);
		return 0;
	}
	if (second == NULL && command_noun_exists(first)) {
		print_help(first);
		return 0;
	}
	(void)snprintf(typed, sizeof(typed), "%s%s%s", first,
	    second != NULL ? " " : "", second != NULL ? second : "");
	av_utf8_trim(typed);
	(void)cli_fail(err, EXIT_USAGE, "unknown-command",
	    tr("unknown command '%s'"), typed);
	command_hint_nearest(err, typed);
	return -EXIT_USAGE;
}
