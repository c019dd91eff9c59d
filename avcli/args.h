/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/args.h - the command line, parsed by the table of commands
 *
 * Options may stand anywhere, as '--name value', '--name=value', '-w', '-H host';
 * '--' ends them.  Nothing is abbreviated.
 */
#ifndef AVCLI_ARGS_H
#define AVCLI_ARGS_H

#include "avcli/command.h"

struct args_opt {
	const struct opt_def	*def;
	const char		*value;		/* NULL for a flag */
};

/* Pointers are into the argv given to args_parse(), which must stay. */
struct args {
	const struct command	*cmd;		/* NULL: only --help, --version */
	const char		*noun;		/* 'avcli vm --help': cmd NULL */
	const char		**operands;
	size_t			 n_operands;
	struct args_opt		*opts;
	size_t			 n_opts;
};

/* argv[0] is the program.  0, or -EXIT_USAGE with a sentence; 'a' is filled as
 * far as it came (so that -x is known) and must be disposed either way. */
int  args_parse(struct args *a, int argc, char *const *argv,
    struct cli_err *err);
void args_dispose(struct args *a);

/* The last value, or NULL. */
const char *args_value(const struct args *a, const char *name);
bool args_flag(const struct args *a, const char *name);
/* The i-th value of an option that may stand several times, or NULL. */
const char *args_nth(const struct args *a, const char *name, size_t i);
/* A whole number > 0; *ret stays untouched when the option wasn't given. */
int  args_number(const struct args *a, const char *name, unsigned *ret,
    struct cli_err *err);

#endif
