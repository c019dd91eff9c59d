/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_setup.c - unit create, unit join, unit leave: av-setup's work
 *
 * These three aren't the API's: there is no unit yet.  av-setup takes the same
 * options; this process becomes it, so Ctrl-C, terminal and exit status are its own.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "avcli/args.h"
#include "avcli/codeset.h"
#include "avcli/conn.h"
#include "base/cleanup.h"
#include "base/str.h"

/* Beside this program (a build, a test), or where the package has it. */
static void
program_find(char *ret, size_t n)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[len > 0 ? len : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL) {
		*slash = '\0';
		(void)snprintf(ret, n, "%s/av-setup", self);
		if (access(ret, X_OK) == 0)
			return;
	}
	(void)snprintf(ret, n, "/usr/lib/avpair/av-setup");
}

/* Two words an option, operands and what stands around them. */
static const char **
argv_make(const struct cli *cli, char **texts)
{
	const struct args *a = cli->args;
	const char **argv = calloc(2 * a->n_opts + a->n_operands + 8,
	    sizeof(*argv));
	size_t i, n = 0, k = 0;

	if (argv == NULL)
		return NULL;
	argv[n++] = "av-setup";
	argv[n++] = cli->cmd->verb;
	argv[n++] = "--lang";
	/* av-setup writes UTF-8; where the terminal can't, English is safe */
	argv[n++] = strcasecmp(codeset_name(), "UTF-8") == 0 ? cli->lang : "en";
	for (i = 0; i < a->n_opts; i++) {
		if (asprintf(&texts[k], "--%s", a->opts[i].def->name) < 0) {
			texts[k] = NULL;
			free(argv);
			return NULL;
		}
		argv[n++] = texts[k++];
		if (a->opts[i].value != NULL)
			argv[n++] = a->opts[i].value;
	}
	argv[n++] = "--";
	for (i = 0; i < a->n_operands; i++)
		argv[n++] = a->operands[i];
	return argv;
}

/* What is meant for a console elsewhere can't be meant here. */
static int
options_check(const struct cli *cli, struct cli_err *err)
{
	static const char *const taken[] = { "password-file", "json" };
	const struct opt_def *g;
	size_t i;

	for (g = global_opts; g->name != NULL; g++) {
		bool ok = false;

		for (i = 0; i < ARRAY_SIZE(taken); i++)
			ok |= strcmp(taken[i], g->name) == 0;
		if (!ok && (args_flag(cli->args, g->name) ||
		    args_value(cli->args, g->name) != NULL))
			return cli_fail(err, EXIT_USAGE, "bad-argument",
			    tr("--%s has no meaning here: this is done on the machine itself"),
			    g->name);
	}
	return 0;
}

int
run_unit_setup(struct cli *cli, struct cli_err *err)
{
	AUTO_FREE char **texts = calloc(cli->args->n_opts + 1, sizeof(*texts));
	AUTO_FREE const char **argv = NULL;
	char path[PATH_MAX + 16];
	size_t i;
	int rc = options_check(cli, err);

	if (rc < 0)
		return rc;
	argv = texts == NULL ? NULL : argv_make(cli, texts);
	if (argv == NULL)
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	program_find(path, sizeof(path));
	(void)fflush(stdout);
	(void)execv(path, (char *const *)(uintptr_t)argv);
	rc = cli_fail(err, EXIT_FAILED, "no-program", tr("can't run '%s': %s"),
	    path, strerror(errno));
	cli_hint(err, tr("this machine isn't made to be a PM: install the package avpair-node"));
	for (i = 0; i < cli->args->n_opts; i++)
		free(texts[i]);
	return rc;
}
