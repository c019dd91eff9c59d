/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/args.c - the command line, parsed by the table of commands
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/args.h"
#include "base/str.h"

/* Where parsing stands. */
struct parse {
	struct args	*a;
	int		 argc, at;
	char *const	*argv;
	bool		 only_operands;		/* after '--' */
	struct cli_err	*err;
};

static int
opt_add(struct parse *p, const struct opt_def *def, const char *value)
{
	struct args *a = p->a;
	size_t i;

	if (strcmp(def->name, "password") == 0) {
		(void)cli_fail(p->err, EXIT_USAGE, "password-in-argv",
		    tr("a password on the command line can be read by everyone on the machine"));
		cli_hint(p->err,
		    tr("leave -p out and type it when asked, or use --password-file FILE or the environment's AVPAIR_PASSWORD"));
		return -EXIT_USAGE;
	}
	for (i = 0; i < a->n_opts && def->kind == OPT_ONE; i++)
		if (a->opts[i].def == def)
			return cli_fail(p->err, EXIT_USAGE, "bad-argument",
			    tr("--%s is given twice"), def->name);
	a->opts[a->n_opts++] = (struct args_opt){ def, value };
	return 0;
}

static int
missing_value(struct parse *p, const struct opt_def *def)
{
	return cli_fail(p->err, EXIT_USAGE, "bad-argument",
	    tr("--%s needs a value: %s"), def->name, def->value);
}

/* The words after an option, as many as its kind takes. */
static int
opt_take_values(struct parse *p, const struct opt_def *def)
{
	int rc, n = 0;

	while (p->at < p->argc) {
		const char *word = p->argv[p->at];

		if (word[0] == '-' && word[1] != '\0' &&
		    (def->kind == OPT_LIST || n > 0 || word[1] == '-'))
			break;
		rc = opt_add(p, def, word);
		if (rc < 0)
			return rc;
		p->at++;
		n++;
		if (def->kind != OPT_LIST)
			return 0;
	}
	return n > 0 ? 0 : missing_value(p, def);
}

static int
parse_long(struct parse *p, const char *word)
{
	const char *eq = strchr(word, '=');
	const struct opt_def *def;
	char name[48];
	int n = eq != NULL ? (int)(eq - word) : (int)strnlen(word, 1000);

	(void)snprintf(name, sizeof(name), "%.*s", n < 47 ? n : 47, word);
	def = n < 47 ? command_option(p->a->cmd, name, 0) : NULL;
	if (def == NULL) {
		(void)cli_fail(p->err, EXIT_USAGE, "unknown-option",
		    tr("unknown option '--%s'"), name);
		command_hint_option(p->err, p->a->cmd, name);
		return -EXIT_USAGE;
	}
	p->at++;
	if (def->kind == OPT_FLAG) {
		if (eq != NULL)
			return cli_fail(p->err, EXIT_USAGE, "bad-argument",
			    tr("--%s takes no value"), name);
		return opt_add(p, def, NULL);
	}
	if (eq == NULL)
		return opt_take_values(p, def);
	return opt_add(p, def, eq + 1);
}

/* '-x', '-xq', '-H host', '-Hhost' */
static int
parse_short(struct parse *p, const char *letters)
{
	p->at++;
	for (; *letters != '\0'; letters++) {
		const struct opt_def *def = command_option(p->a->cmd, NULL,
		    *letters);
		int rc;

		if (def == NULL) {
			rc = cli_fail(p->err, EXIT_USAGE, "unknown-option",
			    tr("unknown option '-%c'"),
			    (unsigned char)*letters < 0x7f ? *letters : '?');
			command_hint_option(p->err, p->a->cmd, "");
			return rc;
		}
		if (def->kind != OPT_FLAG)
			return letters[1] != '\0' ?
			    opt_add(p, def, letters + 1) :
			    opt_take_values(p, def);
		rc = opt_add(p, def, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
unknown_command(struct parse *p, const char *noun, const char *verb)
{
	char typed[80];

	(void)snprintf(typed, sizeof(typed), "%s%s%s", noun,
	    verb != NULL ? " " : "", verb != NULL ? verb : "");
	av_utf8_trim(typed);
	(void)cli_fail(p->err, EXIT_USAGE, "unknown-command",
	    tr("unknown command '%s'"), typed);
	command_hint_nearest(p->err, typed);
	return -EXIT_USAGE;
}

/* The command's one or two words. */
static int
parse_command_word(struct parse *p, const char *word)
{
	struct args *a = p->a;

	if (a->noun != NULL) {
		a->cmd = command_by_words(a->noun, word);
		if (a->cmd == NULL)
			return unknown_command(p, a->noun, word);
	} else {
		a->cmd = command_by_words(word, NULL);
		if (a->cmd == NULL)
			a->cmd = command_by_alias(word);
		if (a->cmd == NULL && !command_noun_exists(word))
			return unknown_command(p, word, NULL);
		a->noun = word;
	}
	/* what follows belongs to the shell's words, options and all */
	p->only_operands = a->cmd != NULL && a->cmd->hidden;
	return 0;
}

static int
parse_word(struct parse *p)
{
	const char *word = p->argv[p->at];
	int rc;

	if (!p->only_operands && strcmp(word, "--") == 0) {
		p->only_operands = true;
		p->at++;
		return 0;
	}
	if (!p->only_operands && word[0] == '-' && word[1] == '-')
		return parse_long(p, word + 2);
	if (!p->only_operands && word[0] == '-' && word[1] != '\0')
		return parse_short(p, word + 1);
	p->at++;
	if (p->a->cmd == NULL) {
		rc = parse_command_word(p, word);
		return rc;
	}
	p->a->operands[p->a->n_operands++] = word;
	return 0;
}

static int
check_operands(const struct args *a, struct cli_err *err)
{
	const struct command *cmd = a->cmd;
	char name[64];
	int rc;

	command_name(cmd, name, sizeof(name));
	if (a->n_operands < cmd->min_operands)
		rc = cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("'%s' needs more: %s"), name, cmd->operands);
	else if (a->n_operands > cmd->max_operands)
		rc = cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("'%s' doesn't know what to do with '%.200s'"), name,
		    a->operands[cmd->max_operands]);
	else
		return 0;
	cli_hint(err, tr("'avcli help %s' explains it"), name);
	return rc;
}

static int
no_command(const struct args *a, struct cli_err *err)
{
	int rc;

	if (a->noun == NULL) {
		rc = cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("no command given"));
		cli_hint(err, tr("'avcli help' lists the commands"));
	} else {
		rc = cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("'%s' is half a command"), a->noun);
		cli_hint(err, tr("'avcli help %s' lists its commands"), a->noun);
	}
	return rc;
}

/* Every word is at most one option or value, but '-xqw' is three. */
static size_t
opts_at_most(int argc, char *const *argv)
{
	size_t n = 0;
	int i;

	for (i = 1; i < argc; i++)
		n += argv[i][0] == '-' && argv[i][1] != '-' ? strlen(argv[i]) : 1;
	return n;
}

int
args_parse(struct args *a, int argc, char *const *argv, struct cli_err *err)
{
	struct parse p = { .a = a, .argc = argc, .at = 1, .argv = argv,
		.err = err };
	int rc;

	*a = (struct args){ 0 };
	a->operands = calloc((size_t)argc + 1, sizeof(*a->operands));
	a->opts = calloc(opts_at_most(argc, argv) + 1, sizeof(*a->opts));
	if (a->operands == NULL || a->opts == NULL)
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	while (p.at < argc) {
		rc = parse_word(&p);
		if (rc < 0)
			return rc;
	}
	if (args_flag(a, "help") || args_flag(a, "version"))
		return 0;
	return a->cmd == NULL ? no_command(a, err) : check_operands(a, err);
}

void
args_dispose(struct args *a)
{
	free(a->operands);
	free(a->opts);
	*a = (struct args){ 0 };
}

const char *
args_nth(const struct args *a, const char *name, size_t nth)
{
	size_t i;

	for (i = 0; i < a->n_opts; i++)
		if (strcmp(a->opts[i].def->name, name) == 0 && nth-- == 0)
			return a->opts[i].value;
	return NULL;
}

const char *
args_value(const struct args *a, const char *name)
{
	return args_nth(a, name, 0);
}

bool
args_flag(const struct args *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->n_opts; i++)
		if (strcmp(a->opts[i].def->name, name) == 0)
			return true;
	return false;
}

int
args_number(const struct args *a, const char *name, unsigned *ret,
    struct cli_err *err)
{
	const char *value = args_value(a, name);
	uint64_t v;

	if (value == NULL)
		return 0;
	if (av_parse_u64(value, &v) < 0 || v == 0 || v > INT_MAX)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--%s: '%.60s' is not a whole number above 0"), name,
		    value);
	*ret = (unsigned)v;
	return 0;
}
