/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/doc.c - the tree that a command prints, and its text form
 */
#include <stdlib.h>
#include <string.h>

#include "avcli/codeset.h"
#include "avcli/doc.h"
#include "base/str.h"

#define KEY_COLUMNS	18	/* the least width of the key column */

struct doc *
doc_free(struct doc *d)
{
	size_t i;

	if (d == NULL)
		return NULL;
	for (i = 0; i < d->n_children; i++)
		(void)doc_free(d->children[i]);
	free(d->children);
	free(d->name);
	free(d->value);
	free(d);
	return NULL;
}

struct doc *
doc_group(const char *name)
{
	struct doc *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->name = strdup(name);
	return d->name != NULL ? d : doc_free(d);
}

struct doc *
doc_add_group(struct doc *parent, const char *name)
{
	struct doc **more, *d;

	more = reallocarray(parent->children, parent->n_children + 1,
	    sizeof(*more));
	if (more == NULL)
		return NULL;
	parent->children = more;
	d = doc_group(name);
	if (d != NULL)
		more[parent->n_children++] = d;
	return d;
}

struct doc *
doc_add_value(struct doc *parent, const char *name, const char *value,
    enum doc_look look)
{
	struct doc *d = doc_add_group(parent, name);

	if (d == NULL)
		return NULL;
	d->look = look;
	d->value = strdup(value != NULL ? value : "");
	if (d->value == NULL) {
		parent->n_children--;
		return doc_free(d);
	}
	return d;
}

static void
put_spaces(FILE *f, size_t n)
{
	while (n-- > 0)
		(void)fputc(' ', f);
}

/* Text from a server is shown, not obeyed: no byte moves the cursor. */
static void
put_value(FILE *f, const char *value)
{
	const char *p, *run = value;

	for (p = value; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		/* C1 controls are C2 80..9F in UTF-8 */
		bool c1 = c == 0xc2 && (unsigned char)p[1] >= 0x80 &&
		    (unsigned char)p[1] < 0xa0;

		if (c >= 0x20 && c != 0x7f && !c1)
			continue;
		codeset_write(f, run, (size_t)(p - run));
		(void)fputc(c == '\n' ? ' ' : '?', f);
		if (c1)
			p++;
		run = p + 1;
	}
	codeset_write(f, run, (size_t)(p - run));
}

static const char *
health_colour(const char *value)
{
	if (strcmp(value, "good") == 0)
		return "\033[32m";
	if (strcmp(value, "critical") == 0)
		return "\033[31m";
	if (strcmp(value, "alert") == 0 || strcmp(value, "serious") == 0 ||
	    strcmp(value, "minor") == 0)
		return "\033[33m";
	return NULL;
}

static void
put_coloured(FILE *f, const struct doc *d, bool colour)
{
	const char *on = colour && d->look == DOC_HEALTH ?
	    health_colour(d->value) : NULL;

	if (on != NULL)
		(void)fputs(on, f);
	put_value(f, *d->value != '\0' ? d->value : "-");
	if (on != NULL)
		(void)fputs("\033[0m", f);
}

static size_t
key_width(const struct doc *group)
{
	size_t width = KEY_COLUMNS, i;

	for (i = 0; i < group->n_children; i++) {
		const struct doc *c = group->children[i];
		size_t n = av_utf8_columns(c->name);

		if (c->value != NULL && n > width)
			width = n;
	}
	return width;
}

/* 'virtual-machine' -> 'virtual machine:' */
static void
put_heading(FILE *f, const char *name)
{
	for (; *name != '\0'; name++)
		(void)fputc(*name == '-' ? ' ' : *name, f);
	(void)fputs(":\n", f);
}

static bool
same_item(const struct doc *a, const struct doc *b)
{
	return b->look == DOC_ITEM && strcmp(a->name, b->name) == 0;
}

/* The values and groups inside one block; 'indent' is that of '->'. */
static void
put_fields(FILE *f, const struct doc *group, size_t indent, bool colour)
{
	size_t width = key_width(group), i, j;

	for (i = 0; i < group->n_children; i++) {
		const struct doc *c = group->children[i];

		put_spaces(f, indent);
		(void)fprintf(f, "-> %s", c->name);
		if (c->value != NULL) {
			put_spaces(f, width - av_utf8_columns(c->name));
			(void)fputs(" : ", f);
			put_coloured(f, c, colour);
			while (c->look == DOC_ITEM &&
			    i + 1 < group->n_children &&
			    same_item(c, group->children[i + 1])) {
				(void)fputs(", ", f);
				put_value(f, group->children[++i]->value);
			}
			(void)fputc('\n', f);
			continue;
		}
		(void)fputs(":\n", f);
		/* a list of groups, or one group of values */
		for (j = 0; j < c->n_children && c->children[j]->value == NULL; j++) {
			put_spaces(f, indent + 4);
			put_heading(f, c->children[j]->name);
			put_fields(f, c->children[j], indent + 6, colour);
		}
		if (j < c->n_children && c->children[j]->value != NULL)
			put_fields(f, c, indent + 4, colour);
	}
}

void
doc_print_text(FILE *f, const struct doc *root, bool colour)
{
	size_t i;

	for (i = 0; i < root->n_children; i++) {
		const struct doc *block = root->children[i];

		if (block->value != NULL) {
			put_value(f, block->value);
			(void)fputc('\n', f);
			continue;
		}
		put_heading(f, block->name);
		put_fields(f, block, 2, colour);
	}
}
