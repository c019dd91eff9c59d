/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/command.h - the table of commands
 *
 * One table drives parsing, help, completion and the man page's list (a test
 * compares them).  To add a command: a line here, a function in run_*.c, a
 * section in avcli.1.
 */
#ifndef AVCLI_COMMAND_H
#define AVCLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "avcli/avcli.h"

enum opt_kind {
	OPT_FLAG,		/* takes no value */
	OPT_ONE,		/* a value; may stand once */
	OPT_REPEAT,		/* a value; may stand several times */
	OPT_LIST,		/* values up to the next option; repeatable.  Only
				 * in commands without arguments. */
};

struct opt_def {
	const char	*name;		/* without the dashes */
	char		 letter;	/* 0 = none */
	enum opt_kind	 kind;
	const char	*value;		/* what the help calls it */
	const char	*help;		/* English, one line */
	const char	*complete;	/* "vm", "file", "node" ..., NULL = no idea */
};

struct command {
	const char		*noun;	/* "vm", or the whole command: "login" */
	const char		*verb;	/* NULL for a one-word command */
	const char		*alias;	/* besides noun-verb; NULL = none */
	const char		*operands;	/* for the help: "VM..." or "" */
	const char		*summary;	/* English, one line */
	unsigned		 min_operands, max_operands;
	const char		*complete;	/* kind of operand, or NULL */
	const struct opt_def	*opts;	/* ends with a NULL name; may be NULL */
	int			(*run)(struct cli *cli, struct cli_err *err);
	bool			 hidden;	/* not in help: for completion */
};

#define MANY	~0u

extern const struct command commands[];
extern const size_t n_commands;
extern const struct opt_def global_opts[];	/* ends with a NULL name */

/* By "vm-create" or an alias; by noun and verb.  NULL = no such command. */
const struct command *command_by_alias(const char *word);
const struct command *command_by_words(const char *noun, const char *verb);
bool command_noun_exists(const char *noun);
/* "vm create" into buf. */
void command_name(const struct command *cmd, char *buf, size_t n);
/* Among the command's own options, then the global ones. */
const struct opt_def *command_option(const struct command *cmd,
    const char *name, char letter);

/* The up to 'max' nearest of 'n' words; how many there are. */
size_t words_nearest(const char *word, const char *const *words, size_t n,
    const char **ret_near, size_t max);
/* Hints with the nearest commands or options. */
void command_hint_nearest(struct cli_err *err, const char *typed);
void command_hint_option(struct cli_err *err, const struct command *cmd,
    const char *typed);

/* The functions of the table, in run_*.c. */
int run_unit_info(struct cli *cli, struct cli_err *err);
int run_unit_setup(struct cli *cli, struct cli_err *err);
int run_unit_takeover(struct cli *cli, struct cli_err *err);
int run_list_info(struct cli *cli, struct cli_err *err);
int run_audit_info(struct cli *cli, struct cli_err *err);
int run_vm_create(struct cli *cli, struct cli_err *err);
int run_mtbf(struct cli *cli, struct cli_err *err);
int run_vm_verb(struct cli *cli, struct cli_err *err);
int run_vm_rename(struct cli *cli, struct cli_err *err);
int run_split_info(struct cli *cli, struct cli_err *err);
int run_split_resolve(struct cli *cli, struct cli_err *err);
int run_quorum_add(struct cli *cli, struct cli_err *err);
int run_delete(struct cli *cli, struct cli_err *err);
int run_vm_move(struct cli *cli, struct cli_err *err);
int run_volume_verb(struct cli *cli, struct cli_err *err);
int run_volume_resize(struct cli *cli, struct cli_err *err);
int run_unit_configure(struct cli *cli, struct cli_err *err);
int run_user_password(struct cli *cli, struct cli_err *err);
int run_event_follow(struct cli *cli, struct cli_err *err);
int run_login(struct cli *cli, struct cli_err *err);
int run_logout(struct cli *cli, struct cli_err *err);
int run_help(struct cli *cli, struct cli_err *err);
int run_version(struct cli *cli, struct cli_err *err);
int run_completion(struct cli *cli, struct cli_err *err);
int run_complete_words(struct cli *cli, struct cli_err *err);

#endif
