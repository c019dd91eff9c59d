/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/avcli.h - the command line client: what all its files share
 *
 * What it is:	a thin client of the REST API (docs/API.md).  It parses, asks
 *		and prints; every rule about VMs and volumes is the server's.
 * What it isn't: it never talks to avnoded, and keeps no state but the list of
 *		known units and the session token.
 *
 * Text:	everything inside is UTF-8; codeset.h converts at both ends.
 * Threads:	one.
 * Errors:	functions return 0 or minus the exit status (-EXIT_NOT_FOUND,
 *		...), with the sentence in a 'struct cli_err'.  main.c prints it.
 */
#ifndef AVCLI_H
#define AVCLI_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* Exit statuses: part of the interface, docs/API.md section 4. */
enum cli_exit {
	EXIT_OK = 0,
	EXIT_FAILED = 1,	/* the operation failed */
	EXIT_USAGE = 2,		/* the command line or a value is wrong */
	EXIT_NOT_FOUND = 3,
	EXIT_DENIED = 4,	/* permission or login */
	EXIT_CONFLICT = 5,	/* conflict, busy, ambiguous name */
	EXIT_NO_CONNECTION = 6,	/* not reached, or can't order commands now */
	EXIT_TIMEOUT = 7,
};

/* One failure.  Zeroed = none.  A text too long is cut at a character's border. */
struct cli_err {
	enum cli_exit	 exit;
	char		 code[40];	/* the API's code, or one of avcli's own */
	char		 text[1024];	/* one sentence, no full stop */
	char		 hint[512];	/* a way out, or "" */
	bool		 maybe;		/* the change may have been made */
	int		 http_status;	/* 0 = the failure is avcli's own */
};

enum out_mode { OUT_TEXT, OUT_XML, OUT_JSON };

struct command;
struct args;
struct conn;

/* One run of avcli. */
struct cli {
	const struct command	*cmd;
	struct args		*args;
	enum out_mode		 mode;
	bool			 quiet;
	bool			 dry_run;
	bool			 colour;	/* stdout is a colour terminal */
	bool			 tty_err;	/* stderr is a terminal */
	const char		*lang;		/* "en" or "ja" */
	unsigned		 timeout_s;	/* 0 = not given */
	struct conn		*conn;		/* NULL until first used */
	bool			 answered;	/* stdout has its document */
};

/* Both return -exit.  'hint' is set apart because few have one. */
int  cli_fail(struct cli_err *err, enum cli_exit exit_status, const char *code,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void cli_hint(struct cli_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* From an answer of the API: 'problem' is its body or NULL when that couldn't
 * be read; 'status' the HTTP status. */
int  cli_fail_problem(struct cli_err *err, int status, const json_t *problem);
/* The exit status that goes with a code of the API; by HTTP status when the
 * code is unknown (a newer server). */
enum cli_exit cli_exit_of_code(const char *code, int status);
/* Object {code,text,hint,outcome,exit}; NULL without memory. */
json_t *cli_err_json(const struct cli_err *err);
/* "avcli: TEXT" and "hint: ..." on stderr. */
void cli_err_print(const struct cli_err *err);
/* "avcli: warning: ..." on stderr. */
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The message in the user's language; formats keep their places. */
const char *tr(const char *english) __attribute__((format_arg(1)));
void tr_set_language(const char *lang);

#endif
