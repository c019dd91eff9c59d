/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/avcli/test_tables.c - tables against each other and the documents
 */
#include "avcli/api.h"
#include "avcli/command.h"
#include "avcli/event.h"
#include "avcli/tr_ja.h"
#include "base/file.h"
#include "base/str.h"
#include "tests/test.h"

static char *
file_text(const char *path)
{
	char *text = NULL;
	size_t n = 0;

	if (av_file_read(path, 4 << 20, &text, &n, NULL) < 0)
		fprintf(stderr, "%s: can't read\n", path);
	return text;
}

/* The manual's section of a command: from its .SS line to the next. */
static char *
man_section(const char *man, const char *name)
{
	char head[80];
	const char *start, *end;

	snprintf(head, sizeof(head), "\n.SS \"%s\"\n", name);
	start = strstr(man, head);
	if (start == NULL)
		return NULL;
	end = strstr(start + strlen(head), "\n.S");
	return strndup(start, end != NULL ? (size_t)(end - start) :
	    strlen(start));
}

/* '--dry-run' is '\-\-dry\-run' in the page's source. */
static int
mentions(const char *section, const char *option)
{
	char text[120] = "\\-\\-";
	size_t at = strlen(text);

	for (; *option != '\0'; option++) {
		if (*option == '-')
			text[at++] = '\\';
		text[at++] = *option;
	}
	text[at] = '\0';
	return strstr(section, text) != NULL;
}

TEST(man_page_and_table_agree)
{
	char *man = file_text("avcli/avcli.1"), name[64], *at, *commands_part;
	const struct opt_def *o;
	size_t i, n = 0, sections = 0;

	CHECK(man != NULL);
	for (i = 0; i < n_commands; i++) {
		char *section;

		if (commands[i].hidden)
			continue;
		n++;
		command_name(&commands[i], name, sizeof(name));
		section = man_section(man, name);
		if (section == NULL)
			fprintf(stderr, "avcli.1 lacks '%s'\n", name);
		CHECK(section != NULL);
		for (o = commands[i].opts; o != NULL && o->name != NULL; o++) {
			if (!mentions(section, o->name))
				fprintf(stderr, "'%s' lacks --%s\n", name, o->name);
			CHECK(mentions(section, o->name));
		}
		free(section);
	}
	for (o = global_opts; o->name != NULL; o++)
		CHECK(mentions(man, o->name));
	/* nothing that isn't there */
	commands_part = strstr(man, "\n.SH COMMANDS");
	CHECK(commands_part != NULL);
	for (at = commands_part; (at = strstr(at, "\n.SS \"")) != NULL; at++)
		sections++;
	CHECK_EQ(sections, n);
	free(man);
	return 0;
}

TEST(table_is_sound)
{
	const struct opt_def *o, *g;
	size_t i, j;

	for (i = 0; i < n_commands; i++) {
		const struct command *c = &commands[i];

		CHECK(c->run != NULL && c->summary != NULL);
		CHECK(c->min_operands <= c->max_operands);
		for (j = 0; j < i; j++)
			CHECK(strcmp(c->noun, commands[j].noun) != 0 ||
			    (c->verb != NULL && commands[j].verb != NULL &&
			    strcmp(c->verb, commands[j].verb) != 0));
		for (o = c->opts; o != NULL && o->name != NULL; o++) {
			/* a list would swallow the arguments */
			CHECK(o->kind != OPT_LIST || c->max_operands == 0);
			CHECK((o->kind == OPT_FLAG) == (o->value == NULL));
			for (g = global_opts; g->name != NULL; g++) {
				CHECK(strcmp(g->name, o->name) != 0);
				CHECK(o->letter == 0 || o->letter != g->letter);
			}
		}
	}
	return 0;
}

/* The conversions of a format, in order: "%.60s" counts as 's'. */
static void
places(const char *fmt, char *ret, size_t n)
{
	size_t at = 0;

	while ((fmt = strchr(fmt, '%')) != NULL && at + 1 < n) {
		fmt++;
		fmt += strspn(fmt, ".0123456789lz");
		ret[at++] = *fmt;
	}
	ret[at] = '\0';
}

TEST(japanese_keeps_the_places)
{
	char en[16], ja[16];
	size_t i;

	for (i = 0; i < n_tr_ja; i++) {
		/* places count only in formats; help lines have none */
		places(tr_ja[i].english, en, sizeof(en));
		places(tr_ja[i].japanese, ja, sizeof(ja));
		CHECK_STR(ja, en);
		CHECK(av_utf8_ok(tr_ja[i].japanese));
	}
	return 0;
}

static int
in_japanese(const char *text)
{
	tr_set_language("ja");
	if (tr(text) == text)
		fprintf(stderr, "not in Japanese: '%s'\n", text);
	return tr(text) != text;
}

TEST(all_help_is_in_japanese)
{
	const struct opt_def *o;
	size_t i;

	for (i = 0; i < n_commands; i++) {
		if (!commands[i].hidden)
			CHECK(in_japanese(commands[i].summary));
		for (o = commands[i].opts; o != NULL && o->name != NULL; o++)
			CHECK(in_japanese(o->help));
	}
	for (o = global_opts; o->name != NULL; o++)
		CHECK(in_japanese(o->help));
	for (i = 0; i < n_kinds; i++)
		CHECK(in_japanese(kinds[i].human));
	tr_set_language("en");
	return 0;
}

/* docs/API.md, section 4: '| codes | HTTP | exit | when |' */
TEST(exit_statuses_are_those_of_the_api)
{
	char *doc = file_text("docs/API.md"), *rest, *line, *code, *cells;
	int n = 0;

	CHECK(doc != NULL);
	rest = strstr(doc, "\n## 4. Errors");
	CHECK(rest != NULL);
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *codes, *http, *status;

		if (line[0] != '|' || line[2] < 'a' || line[2] > 'z' ||
		    strncmp(line, "| code |", 8) == 0)
			continue;
		cells = line + 1;
		codes = strsep(&cells, "|");
		http = strsep(&cells, "|");
		status = strsep(&cells, "|");
		while (status != NULL && (code = strsep(&codes, ", ")) != NULL) {
			if (*code == '\0')
				continue;
			if (cli_exit_of_code(code, 0) !=
			    (enum cli_exit)(status[1] - '0'))
				fprintf(stderr, "code '%s' (%s)\n", code, http);
			CHECK_EQ(cli_exit_of_code(code, 0), status[1] - '0');
			n++;
		}
	}
	CHECK(n > 25);
	free(doc);
	CHECK_EQ(cli_exit_of_code("from-the-future", 409), EXIT_CONFLICT);
	return 0;
}

static enum goal_state
check(enum goal goal, const char *text)
{
	json_t *obj = json_loads(text, 0, NULL);
	enum goal_state state = goal_check(goal, obj, 30);

	json_decref(obj);
	return state;
}

TEST(waits_end_where_they_should)
{
	CHECK_EQ(check(GOAL_RUNNING, "{\"activity\":\"booting\",\"want\":\"running\"}"), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_RUNNING, "{\"activity\":\"running\",\"want\":\"running\"}"), GOAL_ARRIVED);
	CHECK_EQ(check(GOAL_RUNNING, "{\"activity\":\"stopped\",\"want\":\"running\"}"), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_RUNNING, "{\"activity\":\"stopped\",\"want\":\"stopped\"}"), GOAL_FAILED);
	CHECK_EQ(check(GOAL_RUNNING, "{\"activity\":\"crashed\",\"want\":\"running\"}"), GOAL_FAILED);
	CHECK_EQ(check(GOAL_RUNNING, "{\"activity\":\"installing\",\"want\":\"stopped\"}"), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_READY, "{\"activity\":\"installing\"}"), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_READY, "{\"activity\":\"stopped\"}"), GOAL_ARRIVED);
	CHECK_EQ(check(GOAL_STOPPED, "{\"activity\":\"stopping\"}"), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_STOPPED, "{\"activity\":\"stopped\"}"), GOAL_ARRIVED);
#define OUT_NODE(power, role, up) "{\"maintenance\":{\"phase\":\"out\",\"power\":" \
	power "},\"role\":\"" role "\",\"uptime_s\":" up "}"
	CHECK_EQ(check(GOAL_REBOOTED, OUT_NODE("\"reboot\"", "follower", "5")), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_REBOOTED, OUT_NODE("null", "follower", "31")), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_REBOOTED, OUT_NODE("null", "stopped", "null")), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_REBOOTED, OUT_NODE("null", "joining", "5")), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_REBOOTED, OUT_NODE("null", "follower", "5")), GOAL_ARRIVED);
	CHECK_EQ(check(GOAL_REBOOTED, "{\"maintenance\":null}"), GOAL_FAILED);
	CHECK_EQ(check(GOAL_OFF, OUT_NODE("null", "follower", "5")), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_OFF, OUT_NODE("\"shutdown\"", "stopped", "null")), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_OFF, OUT_NODE("null", "stopped", "9")), GOAL_NOT_YET);
	CHECK_EQ(check(GOAL_OFF, OUT_NODE("null", "stopped", "null")), GOAL_ARRIVED);
	CHECK_EQ(check(GOAL_OFF, "{\"maintenance\":null}"), GOAL_FAILED);
	CHECK_EQ(check(GOAL_GONE, "{\"activity\":\"stopped\"}"), GOAL_NOT_YET);
	CHECK_EQ(goal_check(GOAL_GONE, NULL, 0), GOAL_ARRIVED);
	CHECK_EQ(goal_check(GOAL_READY, NULL, 0), GOAL_FAILED);
	return 0;
}

static char last[64];

static void
keep_type(struct event_reader *er, const json_t *data)
{
	snprintf(last, sizeof(last), "%.20s %zu", er->type,
	    json_array_size(json_object_get(data, "objects")));
}

TEST(events_are_read_line_by_line)
{
	struct event_reader er = { .limit = 2, .print = keep_type };

	CHECK(event_line(&er, ": keep-alive"));
	CHECK(event_line(&er, ""));
	CHECK_EQ(er.n_seen, 0);
	CHECK(event_line(&er, "event: changed"));
	CHECK(event_line(&er, "data: {\"objects\":[\"vm:o1\",\"unit:o1\"]}"));
	CHECK(event_line(&er, ""));
	CHECK_STR(last, "changed 2");
	CHECK(event_line(&er, "event:resync"));
	CHECK(event_line(&er, "data: not json"));
	CHECK(!event_line(&er, ""));
	CHECK_STR(last, "resync 0");
	return 0;
}

TEST(names_are_compared_whole_and_in_nfc)
{
	/* U+304C, and U+304B U+3099 */
	static const char nfc[] = "\xe3\x81\x8c", nfd[] = "\xe3\x81\x8b\xe3\x82\x99";
	const struct kind *kind = kind_by_word("vm");
	json_t *list = json_pack("[{s:s,s:s},{s:s,s:s},{s:s,s:s}]", "id",
	    "vm:o1", "name", nfc, "id", "vm:o2", "name", "web", "id", "vm:o3",
	    "name", "web"), *got = NULL;
	const char *one = nfd, *two = "web", *three = "we", *four = "vm:o3";
	struct cli_err err;

	CHECK_EQ(api_select(kind, list, &one, 1, &got, &err), 0);
	CHECK_EQ(json_array_size(got), 1);
	json_decref(got);
	CHECK_EQ(api_select(kind, list, &two, 1, &got, &err), -EXIT_CONFLICT);
	CHECK(strstr(err.hint, "vm:o2, vm:o3") != NULL);
	CHECK_EQ(api_select(kind, list, &three, 1, &got, &err), -EXIT_NOT_FOUND);
	CHECK_EQ(api_select(kind, list, &four, 1, &got, &err), 0);
	json_decref(got);
	CHECK_EQ(api_select(kind, list, NULL, 0, &got, &err), 0);
	CHECK_EQ(json_array_size(got), 3);
	json_decref(got);
	json_decref(list);
	return 0;
}

TESTS_MAIN(T(man_page_and_table_agree), T(table_is_sound),
    T(japanese_keeps_the_places), T(all_help_is_in_japanese),
    T(exit_statuses_are_those_of_the_api), T(waits_end_where_they_should),
    T(events_are_read_line_by_line), T(names_are_compared_whole_and_in_nfc))
