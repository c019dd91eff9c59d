/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/main.c - one run: locale, command line, command, exit status
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "avcli/args.h"
#include "avcli/api.h"
#include "avcli/codeset.h"
#include "avcli/conn.h"
#include "base/str.h"

/* Arguments in UTF-8, NULL at the end.  One that isn't text in the terminal's
 * character set is refused: a guess could name another VM. */
static int
argv_convert(int argc, char **argv, char ***ret, struct cli_err *err)
{
	char **utf8 = calloc((size_t)argc + 1, sizeof(*utf8));
	int i;

	if (utf8 == NULL)
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	*ret = utf8;
	for (i = 0; i < argc; i++) {
		if (codeset_in(argv[i], &utf8[i]) == 0)
			continue;
		(void)cli_fail(err, EXIT_USAGE, "bad-encoding",
		    tr("argument %d isn't text in this terminal's character set (%s)"),
		    i, codeset_name());
		cli_hint(err,
		    tr("use the object's id, or --name-file with a UTF-8 file, or a matching LANG"));
		return -EXIT_USAGE;
	}
	return 0;
}

static void
argv_free(char **argv)
{
	char **p;

	for (p = argv; p != NULL && *p != NULL; p++)
		free(*p);
	free(argv);
}

/* The name of the locale that the environment asks for. */
static const char *
locale_wanted(void)
{
	static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(variables) && (value == NULL ||
	    *value == '\0'); i++)
		value = getenv(variables[i]);
	return value != NULL ? value : "";
}

/* Returns the language.  A locale that asks for UTF-8 but isn't installed (ja_JP
 * on a minimal machine) still means UTF-8 and its language. */
static const char *
locale_open(void)
{
	const char *name = locale_wanted(), *codeset = strrchr(name, '.');

	if (setlocale(LC_ALL, "") == NULL) {
		if (codeset == NULL || (strcasecmp(codeset, ".UTF-8") != 0 &&
		    strcasecmp(codeset, ".utf8") != 0) ||
		    setlocale(LC_ALL, "C.UTF-8") == NULL)
			name = "C";
	} else {
		name = setlocale(LC_MESSAGES, NULL);
	}
	(void)codeset_open(NULL);	/* no iconv: codeset_in() refuses */
	return name != NULL && strncmp(name, "ja", 2) == 0 ? "ja" : "en";
}

static bool
wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return (no == NULL || *no == '\0') && isatty(STDOUT_FILENO) &&
	    term != NULL && strcmp(term, "dumb") != 0;
}

static int
options_take(struct cli *cli, struct cli_err *err)
{
	const struct args *a = cli->args;

	cli->mode = args_flag(a, "json") ? OUT_JSON :
	    args_flag(a, "xml") ? OUT_XML : OUT_TEXT;
	cli->quiet = args_flag(a, "quiet");
	cli->dry_run = args_flag(a, "dry-run");
	if (args_flag(a, "json") && args_flag(a, "xml"))
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("-x and --json exclude each other"));
	return args_number(a, "timeout", &cli->timeout_s, err);
}

/* A line that can't be parsed is still answered in the form it asks for. */
static enum out_mode
mode_of_broken_line(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			return OUT_JSON;
		if (strcmp(argv[i], "-x") == 0 || strcmp(argv[i], "--xml") == 0)
			return OUT_XML;
	}
	return OUT_TEXT;
}

static int
run(struct cli *cli, struct cli_err *err)
{
	const struct args *a = cli->args;

	if (args_flag(a, "help"))
		return run_help(cli, err);
	if (args_flag(a, "version")) {
		codeset_printf(stdout, "avcli %s\n", AV_VERSION);
		return 0;
	}
	return cli->cmd->run(cli, err);
}

int
main(int argc, char **argv)
{
	struct args args = { 0 };
	struct cli cli = { .args = &args };
	struct cli_err err = { 0 };
	char **utf8 = NULL;
	int rc;

	cli.lang = locale_open();
	tr_set_language(cli.lang);
	cli.colour = wants_colour();
	cli.tty_err = isatty(STDERR_FILENO) == 1;

	rc = argv_convert(argc, argv, &utf8, &err);
	if (rc == 0)
		rc = args_parse(&args, argc, utf8, &err);
	if (rc == 0) {
		cli.cmd = args.cmd;
		rc = options_take(&cli, &err);
	} else {
		cli.mode = mode_of_broken_line(argc, argv);
	}
	if (rc == 0)
		rc = run(&cli, &err);
	if (rc < 0 && *err.text != '\0')
		answer_error(&cli, &err);
	cli.conn = conn_close(cli.conn);
	args_dispose(&args);
	argv_free(utf8);
	if (fclose(stdout) != 0 && rc == 0)
		rc = -EXIT_FAILED;
	return -rc;
}
