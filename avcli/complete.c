/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/complete.c - what may come next on a command line
 *
 * 'avcli complete-words INDEX WORD...' prints one candidate a line; WORD 0 is
 * avcli itself.  Quiet and quick: a console that doesn't answer means no names.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "avcli/api.h"
#include "avcli/args.h"
#include "avcli/codeset.h"
#include "avcli/conn.h"
#include "base/cleanup.h"
#include "base/str.h"

#define NAMES_TIMEOUT_S	2u

static const char script[] =
    "# SPDX-License-Identifier: GPL-2.0-or-later\n"
    "#\n"
    "# avcli/avcli.bash - completion; 'avcli completion bash' prints the same\n"
    "# avcli itself says what may come next; names come from the local console.\n"
    "_avcli()\n"
    "{\n"
    "\tlocal IFS=$'\\n'\n"
    "\n"
    "\tCOMPREPLY=($(avcli complete-words \"$COMP_CWORD\" \"${COMP_WORDS[@]}\" 2>/dev/null))\n"
    "}\n"
    "complete -o default -F _avcli avcli\n";

int
run_completion(struct cli *cli, struct cli_err *err)
{
	(void)cli;
	(void)err;
	(void)fputs(script, stdout);	/* main() looks at the stream's state */
	return 0;
}

/* Where the words stop that are finished. */
struct place {
	const struct command	*cmd;
	const char		*noun;
	const struct opt_def	*value_of;	/* its value comes next */
};

static void
place_word(struct place *p, const char *word)
{
	const struct opt_def *o;

	if (p->value_of != NULL && word[0] != '-') {
		if (p->value_of->kind != OPT_LIST)
			p->value_of = NULL;
		return;
	}
	p->value_of = NULL;
	if (word[0] == '-') {
		o = command_option(p->cmd, word[1] == '-' ? word + 2 : NULL,
		    word[1]);
		if (o != NULL && o->kind != OPT_FLAG)
			p->value_of = o;
		return;
	}
	if (p->cmd != NULL)
		return;
	if (p->noun == NULL) {
		p->noun = word;
		p->cmd = command_by_words(word, NULL);
		if (p->cmd == NULL)
			p->cmd = command_by_alias(word);
	} else {
		p->cmd = command_by_words(p->noun, word);
	}
}

/* One candidate, quoted for the shell, when it begins as the word does. */
static void
candidate(const char *typed, const char *text)
{
	const char *p;

	if (strncmp(text, typed, strlen(typed)) != 0)
		return;
	for (p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (isascii(c) && !isalnum(c) && strchr("-_.,:/@%+=", c) == NULL)
			(void)fputc('\\', stdout);
		/* characters stay whole: convert run by run */
		if (isascii(c)) {
			(void)fputc(c, stdout);
		} else {
			size_t n = 1;

			while (((unsigned char)p[n] & 0xc0) == 0x80)
				n++;
			codeset_write(stdout, p, n);
			p += n - 1;
		}
	}
	(void)fputc('\n', stdout);
}

static void
candidate_names(struct cli *cli, const char *typed, const char *word)
{
	const struct kind *kind = kind_by_word(word);
	AUTO_JSON json_t *list = NULL;
	struct cli_err ignored = { 0 };
	const json_t *item;
	size_t i;

	if (kind == NULL)
		return;
	cli->timeout_s = NAMES_TIMEOUT_S;
	if (api_list(cli, kind, "", &list, &ignored) < 0)
		return;
	json_array_foreach(list, i, item) {
		const char *name = json_string_value(json_object_get(item,
		    strcmp(word, "alert") == 0 ? "id" : "name"));

		if (name != NULL)
			candidate(typed, name);
	}
}

static void
candidate_commands(const char *typed, const char *noun)
{
	size_t i;

	for (i = 0; i < n_commands; i++) {
		const struct command *c = &commands[i];

		if (c->hidden)
			continue;
		if (noun != NULL) {
			if (strcmp(c->noun, noun) == 0 && c->verb != NULL)
				candidate(typed, c->verb);
		} else if (i == 0 || strcmp(c->noun, commands[i - 1].noun) != 0) {
			candidate(typed, c->noun);
		}
	}
	/* 'vm-c' is on its way to vm-create */
	for (i = 0; noun == NULL && strchr(typed, '-') != NULL &&
	    i < n_commands; i++) {
		char alias[64];

		(void)snprintf(alias, sizeof(alias), "%s-%s",
		    commands[i].noun, commands[i].verb != NULL ?
		    commands[i].verb : "");
		if (commands[i].verb != NULL)
			candidate(typed, alias);
	}
}

static void
candidate_options(const struct command *cmd, const char *typed)
{
	const struct opt_def *tables[2] = { cmd != NULL ? cmd->opts : NULL,
		global_opts };
	size_t i;

	for (i = 0; i < 2; i++) {
		const struct opt_def *o;

		for (o = tables[i]; o != NULL && o->name != NULL; o++) {
			char text[64];

			(void)snprintf(text, sizeof(text), "--%s", o->name);
			if (strcmp(o->name, "password") != 0)
				candidate(typed, text);
		}
	}
}

static void
candidate_kind(struct cli *cli, const char *kind, const char *typed)
{
	if (kind == NULL)
		return;
	if (strcmp(kind, "command") == 0) {
		candidate_commands(typed, NULL);
	} else if (strcmp(kind, "os") == 0) {
		candidate(typed, "linux");
		candidate(typed, "windows");
		candidate(typed, "other");
	} else {
		candidate_names(cli, typed, kind);
	}
}

int
run_complete_words(struct cli *cli, struct cli_err *err)
{
	const char **words = cli->args->operands;
	size_t n = cli->args->n_operands, i;
	struct place p = { 0 };
	const char *typed;
	uint64_t at;

	if (n < 1 || av_parse_u64(words[0], &at) < 0 || at < 1)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("this command is for the completion script"));
	words++;
	n--;
	for (i = 1; i < n && i < at; i++)
		place_word(&p, words[i]);
	typed = at < n ? words[at] : "";
	if (typed[0] == '-')
		candidate_options(p.cmd, typed);
	else if (p.value_of != NULL)
		candidate_kind(cli, p.value_of->complete, typed);
	else if (p.cmd == NULL)
		candidate_commands(typed, p.noun);
	else
		candidate_kind(cli, p.cmd->complete, typed);
	return 0;
}
