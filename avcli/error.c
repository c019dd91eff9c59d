/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/error.c - failures: exit status, sentence, hint
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/avcli.h"
#include "avcli/codeset.h"
#include "base/str.h"

static const struct {
	const char	*code;
	enum cli_exit	 exit;
} exits[] = {
	{ "bad-request",		EXIT_USAGE },
	{ "bad-argument",		EXIT_USAGE },
	{ "name-invalid",		EXIT_USAGE },
	{ "too-large",			EXIT_USAGE },
	{ "bad-method",			EXIT_USAGE },
	{ "bad-content-type",		EXIT_USAGE },
	{ "login-failed",		EXIT_DENIED },
	{ "login-needed",		EXIT_DENIED },
	{ "session-expired",		EXIT_DENIED },
	{ "forbidden",			EXIT_DENIED },
	{ "too-many-tries",		EXIT_DENIED },
	{ "not-found",			EXIT_NOT_FOUND },
	{ "no-such-route",		EXIT_NOT_FOUND },
	{ "ambiguous-name",		EXIT_CONFLICT },
	{ "name-exists",		EXIT_CONFLICT },
	{ "wrong-state",		EXIT_CONFLICT },
	{ "volume-in-use",		EXIT_CONFLICT },
	{ "busy",			EXIT_CONFLICT },
	{ "not-here",			EXIT_CONFLICT },
	{ "volume-wrong-state",		EXIT_CONFLICT },
	{ "already-so",			EXIT_CONFLICT },
	{ "verify-running",		EXIT_CONFLICT },
	{ "verify-not-running",		EXIT_CONFLICT },
	{ "leg-not-failed",		EXIT_CONFLICT },
	{ "leg-in-use",			EXIT_CONFLICT },
	{ "leg-failed",			EXIT_CONFLICT },
	{ "already-moving",		EXIT_CONFLICT },
	{ "already-there",		EXIT_CONFLICT },
	{ "not-moving",			EXIT_CONFLICT },
	{ "not-in-step",		EXIT_CONFLICT },
	{ "move-leg-failed",		EXIT_CONFLICT },
	{ "move-no-memory",		EXIT_FAILED },
	{ "pms-differ",			EXIT_FAILED },
	{ "not-together",		EXIT_NO_CONNECTION },
	{ "size-not-larger",		EXIT_FAILED },
	{ "vcpus-out-of-range",		EXIT_FAILED },
	{ "memory-too-small",		EXIT_FAILED },
	{ "no-memory",			EXIT_FAILED },
	{ "no-space",			EXIT_FAILED },
	{ "too-many-volumes",		EXIT_FAILED },
	{ "size-invalid",		EXIT_FAILED },
	{ "image-not-found",		EXIT_FAILED },
	{ "image-too-big",		EXIT_FAILED },
	{ "quorum-unusable",		EXIT_FAILED },
	{ "quorum-full",		EXIT_FAILED },
	{ "internal",			EXIT_FAILED },
	{ "unavailable",		EXIT_NO_CONNECTION },
	{ "not-primary",		EXIT_NO_CONNECTION },
	{ "frozen",			EXIT_NO_CONNECTION },
	{ "waiting-for-peer",		EXIT_NO_CONNECTION },
	{ "no-arbiter",			EXIT_NO_CONNECTION },
	{ "split",			EXIT_NO_CONNECTION },
	{ "too-many",			EXIT_NO_CONNECTION },
	{ "timed-out",			EXIT_TIMEOUT },
};

enum cli_exit
cli_exit_of_code(const char *code, int status)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(exits); i++)
		if (strcmp(code, exits[i].code) == 0)
			return exits[i].exit;
	switch (status) {
	case 400: case 405: case 413: case 415:
		return EXIT_USAGE;
	case 401: case 403: case 429:
		return EXIT_DENIED;
	case 404:
		return EXIT_NOT_FOUND;
	case 409:
		return EXIT_CONFLICT;
	case 502: case 503:
		return EXIT_NO_CONNECTION;
	case 504:
		return EXIT_TIMEOUT;
	default:
		return EXIT_FAILED;
	}
}

/* One line, whole characters (a '%.60s' may have cut one), nothing that moves a
 * terminal's cursor. */
static void
text_clean(char *s)
{
	char *from = s, *to = s;

	while (*from != '\0') {
		size_t n = av_utf8_valid_prefix(from, strlen(from)), i;

		for (i = 0; i < n; i++, from++)
			*to++ = (unsigned char)*from < 0x20 || *from == 0x7f ?
			    ' ' : *from;
		if (*from != '\0')
			from++;
	}
	*to = '\0';
}

int
cli_fail(struct cli_err *err, enum cli_exit exit_status, const char *code,
    const char *fmt, ...)
{
	va_list ap;

	*err = (struct cli_err){ .exit = exit_status };
	(void)snprintf(err->code, sizeof(err->code), "%s", code);
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	text_clean(err->text);
	return -(int)exit_status;
}

void
cli_hint(struct cli_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	text_clean(err->hint);
}

static const char *
member(const json_t *obj, const char *key, const char *fallback)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL && *s != '\0' ? s : fallback;
}

int
cli_fail_problem(struct cli_err *err, int status, const json_t *problem)
{
	const char *code = member(problem, "code", "");
	const char *text = member(problem, "detail",
	    member(problem, "title", NULL));
	const char *hint = member(problem, "hint", NULL);
	char plain[80];
	int rc;

	if (text == NULL) {
		(void)snprintf(plain, sizeof(plain),
		    tr("the console answered with HTTP status %d and no reason"),
		    status);
		text = plain;
	}
	rc = cli_fail(err, cli_exit_of_code(code, status),
	    *code != '\0' ? code : "http-error", "%s", text);
	if (hint != NULL)
		cli_hint(err, "%s", hint);
	err->maybe = strcmp(member(problem, "outcome", ""), "maybe") == 0;
	err->http_status = status;
	return rc;
}

json_t *
cli_err_json(const struct cli_err *err)
{
	return json_pack("{s:s, s:s, s:s*, s:s, s:i}", "code", err->code,
	    "text", err->text, "hint", *err->hint != '\0' ? err->hint : NULL,
	    "outcome", err->maybe ? "maybe" : "not-done",
	    "exit", (int)err->exit);
}

void
cli_err_print(const struct cli_err *err)
{
	codeset_printf(stderr, "avcli: %s\n", err->text);
	if (err->maybe)
		codeset_printf(stderr, "%s\n",
		    tr("  the change may have been made: look before you repeat it"));
	if (*err->hint != '\0')
		codeset_printf(stderr, tr("  hint: %s\n"), err->hint);
}

void
cli_warn(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_clean(text);
	codeset_printf(stderr, tr("avcli: warning: %s\n"), text);
}
