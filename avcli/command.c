/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/command.c - looking things up in the table; the nearest words
 */
#include <stdio.h>
#include <string.h>

#include "avcli/command.h"
#include "base/str.h"

#define WORD_MAX	40	/* longer ones aren't compared */
#define NEAR_MAX	3

void
command_name(const struct command *cmd, char *buf, size_t n)
{
	(void)snprintf(buf, n, "%s%s%s", cmd->noun,
	    cmd->verb != NULL ? " " : "", cmd->verb != NULL ? cmd->verb : "");
}

const struct command *
command_by_words(const char *noun, const char *verb)
{
	size_t i;

	for (i = 0; i < n_commands; i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->noun, noun) != 0 ||
		    (c->verb == NULL) != (verb == NULL))
			continue;
		if (verb == NULL || strcmp(c->verb, verb) == 0)
			return c;
	}
	return NULL;
}

const struct command *
command_by_alias(const char *word)
{
	char name[64];
	size_t i;

	for (i = 0; i < n_commands; i++) {
		const struct command *c = &commands[i];

		if (c->alias != NULL && strcmp(c->alias, word) == 0)
			return c;
		if (c->verb == NULL)
			continue;
		(void)snprintf(name, sizeof(name), "%s-%s", c->noun, c->verb);
		if (strcmp(name, word) == 0)
			return c;
	}
	return NULL;
}

bool
command_noun_exists(const char *noun)
{
	size_t i;

	for (i = 0; i < n_commands; i++)
		if (commands[i].verb != NULL &&
		    strcmp(commands[i].noun, noun) == 0)
			return true;
	return false;
}

static const struct opt_def *
opt_find(const struct opt_def *opts, const char *name, char letter)
{
	for (; opts != NULL && opts->name != NULL; opts++) {
		if (name != NULL ? strcmp(opts->name, name) == 0 :
		    letter != 0 && opts->letter == letter)
			return opts;
	}
	return NULL;
}

const struct opt_def *
command_option(const struct command *cmd, const char *name, char letter)
{
	const struct opt_def *def = NULL;

	if (cmd != NULL)
		def = opt_find(cmd->opts, name, letter);
	return def != NULL ? def : opt_find(global_opts, name, letter);
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b. */
static unsigned
edit_distance(const char *a, const char *b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b), i, j;

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (i = 1; i <= n; i++) {
		for (j = 1; j <= m; j++) {
			d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1,
			    d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

size_t
words_nearest(const char *word, const char *const *words, size_t n,
    const char **ret_near, size_t max)
{
	unsigned limit = strlen(word) < 5 ? 1 : 3, distance;
	size_t found = 0, i;

	for (distance = 0; distance <= limit && found < max; distance++)
		for (i = 0; i < n && found < max; i++)
			if (edit_distance(word, words[i]) == distance)
				ret_near[found++] = words[i];
	if (found > 0 || strlen(word) < 2)
		return found;
	for (i = 0; i < n && found < max; i++)
		if (strstr(words[i], word) != NULL)
			ret_near[found++] = words[i];
	return found;
}

static void
hint_words(struct cli_err *err, const char *const *near, size_t n,
    const char *before, const char *fallback)
{
	char list[200] = "";
	size_t i, at = 0;

	for (i = 0; i < n && at < sizeof(list); i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s%s",
		    i > 0 ? ", " : "", before, near[i]);
	if (n > 0)
		cli_hint(err, tr("did you mean: %s"), list);
	else
		cli_hint(err, "%s", fallback);
}

void
command_hint_nearest(struct cli_err *err, const char *typed)
{
	static char names[64][40];
	const char *words[64], *near[NEAR_MAX];
	size_t n = 0, i;

	for (i = 0; i < n_commands && n < ARRAY_SIZE(words); i++) {
		if (commands[i].hidden)
			continue;
		command_name(&commands[i], names[n], sizeof(names[n]));
		words[n] = names[n];
		n++;
	}
	hint_words(err, near, words_nearest(typed, words, n, near, NEAR_MAX),
	    "", tr("'avcli help' lists the commands"));
}

void
command_hint_option(struct cli_err *err, const struct command *cmd,
    const char *typed)
{
	const char *words[64], *near[NEAR_MAX];
	const struct opt_def *o;
	char fallback[160], name[64];
	size_t n = 0;

	for (o = cmd != NULL ? cmd->opts : NULL; o != NULL && o->name != NULL; o++)
		words[n++] = o->name;
	for (o = global_opts; o->name != NULL; o++)
		words[n++] = o->name;
	if (cmd != NULL) {
		command_name(cmd, name, sizeof(name));
		(void)snprintf(fallback, sizeof(fallback),
		    tr("'avcli help %s' lists its options"), name);
	} else {
		(void)snprintf(fallback, sizeof(fallback), "%s",
		    tr("'avcli help' lists the commands"));
	}
	hint_words(err, near, words_nearest(typed, words, n, near, NEAR_MAX),
	    "--", fallback);
}
