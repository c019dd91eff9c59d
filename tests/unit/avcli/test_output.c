/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/avcli/test_output.c - golden text and XML; character sets
 *
 * golden/KIND.json is an answer of the API; golden/KIND.txt and .xml are what
 * avcli prints for it.  GOLDEN_WRITE=1 writes them anew: look at the difference.
 */
#include <iconv.h>
#include <unistd.h>

#include <jansson.h>
#include <libxml/parser.h>

#include "avcli/codeset.h"
#include "avcli/fields.h"
#include "base/file.h"
#include "tests/test.h"

#define GOLDEN	"tests/unit/avcli/golden/"

static char *
printed(const struct doc *root, int xml)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (xml)
		(void)doc_print_xml(f, root);
	else
		doc_print_text(f, root, false);
	fclose(f);
	return text;
}

static int
compare(const char *kind, const char *ending, const char *got)
{
	char path[200], *want = NULL;
	size_t n = 0;
	int same;

	snprintf(path, sizeof(path), GOLDEN "%s.%s", kind, ending);
	if (getenv("GOLDEN_WRITE") != NULL)
		return av_file_write(path, got, strlen(got), 0644, NULL) == 0;
	if (av_file_read(path, 1 << 20, &want, &n, NULL) < 0)
		return 0;
	same = strcmp(want, got) == 0;
	if (!same)
		fprintf(stderr, "%s differs; now it is:\n%s", path, got);
	free(want);
	return same;
}

static int
golden(const char *kind)
{
	char path[200], *text, *xml;
	struct doc *root = doc_group("avpair");
	json_t *list, *item;
	xmlDocPtr parsed;
	size_t i;
	int ok = 1;

	snprintf(path, sizeof(path), GOLDEN "%s.json", kind);
	list = json_load_file(path, 0, NULL);
	json_array_foreach(list, i, item)
		ok = ok && fields_add(root, kind_by_word(kind), item) == 0;
	text = printed(root, 0);
	xml = printed(root, 1);
	ok = ok && json_array_size(list) > 0 && compare(kind, "txt", text) &&
	    compare(kind, "xml", xml);
	parsed = xmlReadMemory(xml, (int)strlen(xml), "x", NULL, XML_PARSE_NONET);
	ok = ok && parsed != NULL;
	xmlFreeDoc(parsed);
	free(text);
	free(xml);
	doc_free(root);
	json_decref(list);
	return ok;
}

TEST(every_kind_has_its_golden_output)
{
	size_t i;

	CHECK_EQ(codeset_open("UTF-8"), 0);
	for (i = 0; i < n_kinds; i++)
		CHECK(golden(kinds[i].word));
	return 0;
}

TEST(xml_stays_well_formed_whatever_the_values)
{
	struct doc *root = doc_group("avpair");
	xmlDocPtr parsed;
	char *xml;

	doc_add_value(root, "a", "<&>\"']]>", DOC_PLAIN);
	doc_add_value(root, "b", "\x01\x1b[31m\xef\xbf\xbf\xef\xbf\xbe", DOC_PLAIN);
	doc_add_value(root, "c", "\xf0\xa0\xae\xb7 \xf0\x9f\x98\x80", DOC_PLAIN);
	doc_add_group(root, "empty");
	xml = printed(root, 1);
	parsed = xmlReadMemory(xml, (int)strlen(xml), "x", NULL, XML_PARSE_NONET);
	CHECK(parsed != NULL);
	CHECK(strstr(xml, "\x1b") == NULL);
	xmlFreeDoc(parsed);
	free(xml);
	doc_free(root);
	return 0;
}

TEST(text_moves_no_cursor)
{
	struct doc *root = doc_group("avpair"), *d = doc_add_group(root, "x");
	char *text;

	doc_add_value(d, "a", "\x1b[2J\r\x7f\xc2\x9b""31m\nend", DOC_PLAIN);
	text = printed(root, 0);
	CHECK_STR(text, "x:\n  -> a                  : ?[2J???31m end\n");
	free(text);
	doc_free(root);
	return 0;
}

/* 'bytes' in 'codeset' are 'utf8', and back. */
static int
both_ways(const char *codeset, const char *bytes, const char *utf8)
{
	char *in = NULL, *out;
	size_t n = 0;
	int ok;

	if (codeset_open(codeset) < 0)
		return 0;
	if (codeset_in(bytes, &in) < 0)
		return 0;
	out = codeset_out(in, strlen(in), &n);
	ok = strcmp(in, utf8) == 0 && n == strlen(bytes) &&
	    memcmp(out, bytes, n) == 0;
	free(in);
	free(out);
	return ok;
}

TEST(japanese_codesets_go_both_ways)
{
	/* the second byte of this one is a backslash in Shift_JIS */
	CHECK(both_ways("SJIS", "\x95\x5c\x83\x5c", "\xe8\xa1\xa8\xe3\x82\xbd"));
	CHECK(both_ways("CP932", "\x95\x5c\x81\x62", "\xe8\xa1\xa8\xef\xbd\x9c"));
	CHECK(both_ways("EUC-JP", "\xc9\xbd\xa5\xbd", "\xe8\xa1\xa8\xe3\x82\xbd"));
	CHECK(both_ways("SJIS", "\xb6\xde", "\xef\xbd\xb6\xef\xbe\x9e"));
	CHECK(both_ways("UTF-8", "\xf0\xa0\xae\xb7", "\xf0\xa0\xae\xb7"));
	return 0;
}

TEST(what_is_no_text_is_refused)
{
	char *in = NULL;

	codeset_open("UTF-8");
	CHECK(codeset_in("a\xff", &in) < 0);
	CHECK(codeset_in("\xe8\xa1", &in) < 0);		/* cut off */
	CHECK(codeset_in("\xed\xa0\x80", &in) < 0);	/* surrogate */
	CHECK(codeset_in("\xc0\xaf", &in) < 0);		/* overlong */
	codeset_open("ANSI_X3.4-1968");			/* LANG=C */
	CHECK(codeset_in("\xe8\xa1\xa8", &in) < 0);
	codeset_open("EUC-JP");
	CHECK(codeset_in("\xc9", &in) < 0);
	codeset_open("no-such-codeset");
	CHECK(codeset_in("abc", &in) < 0);
	CHECK(in == NULL);
	return 0;
}

TEST(what_cannot_be_shown_is_a_question_mark)
{
	size_t n = 0;
	char *out;

	codeset_open("ANSI_X3.4-1968");
	out = codeset_out("a\xe8\xa1\xa8" "b\xf0\x9f\x98\x80", 9, &n);
	CHECK_EQ(n, 4);
	CHECK(memcmp(out, "a?b?", 4) == 0);
	free(out);
	codeset_open("EUC-JP");
	out = codeset_out("\xe8\xa1\xa8\xf0\x9f\x98\x80", 7, &n);
	CHECK_EQ(n, 3);
	CHECK(memcmp(out, "\xc9\xbd?", 3) == 0);
	free(out);
	codeset_open("UTF-8");
	return 0;
}

TESTS_MAIN(T(every_kind_has_its_golden_output),
    T(xml_stays_well_formed_whatever_the_values), T(text_moves_no_cursor),
    T(japanese_codesets_go_both_ways), T(what_is_no_text_is_refused),
    T(what_cannot_be_shown_is_a_question_mark))
