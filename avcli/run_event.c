/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_event.c - 'event follow': server-sent events, line by line
 *
 * Text: "UTC TYPE OBJECT...".  JSON: one object a line.  XML: <event> elements in
 * one document, closed also when Ctrl-C ends it.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/api.h"
#include "avcli/args.h"
#include "avcli/codeset.h"
#include "avcli/conn.h"
#include "avcli/event.h"
#include "base/cleanup.h"
#include "base/clock.h"

static void
print_text(const char *type, const json_t *data)
{
	const json_t *objects = json_object_get(data, "objects"), *o;
	char at[32];
	size_t i;

	av_clock_format_utc(av_clock_utc_ms(), at, sizeof(at));
	codeset_printf(stdout, "%s %s", at, type);
	json_array_foreach(objects, i, o)
		if (json_is_string(o))
			codeset_printf(stdout, " %s", json_string_value(o));
	(void)fputc('\n', stdout);
}

static void
print_json(const char *type, const json_t *data)
{
	AUTO_JSON json_t *j = json_object();

	if (json_object_set_new(j, "type", json_string(type)) == 0 &&
	    (!json_is_object(data) || json_object_update(j,
	    (json_t *)(uintptr_t)data) == 0) &&
	    json_dumpf(j, stdout, JSON_COMPACT) == 0)
		(void)fputc('\n', stdout);
}

/* Types and ids are ASCII words of the server; anything else isn't printed. */
static bool
is_word(const char *s)
{
	return s != NULL && s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-")] == '\0';
}

static void
print_xml(const char *type, const json_t *data)
{
	const json_t *objects = json_object_get(data, "objects"), *o;
	char at[32];
	size_t i;

	av_clock_format_utc(av_clock_utc_ms(), at, sizeof(at));
	(void)fprintf(stdout, "  <event>\n    <time>%s</time>\n    <type>%s</type>\n",
	    at, is_word(type) ? type : "unknown");
	json_array_foreach(objects, i, o)
		if (is_word(json_string_value(o)))
			(void)fprintf(stdout, "    <object>%s</object>\n",
			    json_string_value(o));
	(void)fputs("  </event>\n", stdout);
}

static void
event_print(struct event_reader *er, const json_t *data)
{
	if (er->mode == OUT_JSON)
		print_json(er->type, data);
	else if (er->mode == OUT_XML)
		print_xml(er->type, data);
	else
		print_text(er->type, data);
	(void)fflush(stdout);		/* a closed pipe ends us by signal */
}

bool
event_line(void *arg, const char *text)
{
	struct event_reader *er = arg;
	AUTO_JSON json_t *data = NULL;

	if (strncmp(text, "event:", 6) == 0) {
		text += text[6] == ' ' ? 7 : 6;
		(void)snprintf(er->type, sizeof(er->type), "%s", text);
		return true;
	}
	if (strncmp(text, "data:", 5) == 0) {
		text += text[5] == ' ' ? 6 : 5;
		free(er->data);
		er->data = strdup(text);
		return true;
	}
	if (*text != '\0' || er->data == NULL)
		return true;		/* comment (keep-alive), id, retry */
	data = json_loads(er->data, JSON_DECODE_ANY, NULL);
	if (*er->type == '\0')
		(void)snprintf(er->type, sizeof(er->type), "changed");
	er->print(er, data);
	free(er->data);
	er->data = NULL;
	er->type[0] = '\0';
	er->n_seen++;
	return er->limit == 0 || er->n_seen < er->limit;
}

/* Ctrl-C closes the XML document; write() is all a handler may do. */
static void
close_document(int signal_number)
{
	static const char end[] = "</avpair>\n";

	if (write(STDOUT_FILENO, end, sizeof(end) - 1) < 0)
		_exit(EXIT_FAILED);
	_exit(128 + signal_number);
}

int
run_event_follow(struct cli *cli, struct cli_err *err)
{
	struct event_reader er = { .mode = cli->mode, .print = event_print };
	struct sigaction on_end = { .sa_handler = close_document };
	int rc = args_number(cli->args, "count", &er.limit, err);

	if (rc == 0)
		rc = cli_connect(cli, err);
	if (rc < 0)
		return rc;
	if (cli->mode == OUT_XML) {
		(void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<avpair>\n",
		    stdout);
		(void)fflush(stdout);
		cli->answered = true;
		(void)sigaction(SIGINT, &on_end, NULL);
		(void)sigaction(SIGTERM, &on_end, NULL);
	}
	rc = conn_stream(cli->conn, "/events", 1000 * cli->timeout_s,
	    event_line, &er, err);
	free(er.data);
	if (cli->mode == OUT_XML)
		(void)fputs("</avpair>\n", stdout);
	/* the time that was asked for has run out: that's its end, unless a
	 * number of events was awaited */
	if (rc == -EXIT_TIMEOUT && er.limit == 0)
		rc = 0;
	return rc;
}
