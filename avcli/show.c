/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/show.c - an API object becomes a part of the printed tree
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "avcli/fields.h"
#include "base/str.h"

#define SCALAR_MAX	64

static const json_t *
member_at(const json_t *obj, const char *path)
{
	const char *dot = strchr(path, '.');
	char first[48];

	if (dot == NULL)
		return json_object_get(obj, path);
	(void)snprintf(first, sizeof(first), "%.*s", (int)(dot - path), path);
	return member_at(json_object_get(obj, first), dot + 1);
}

/* A number or boolean as text; strings are borrowed.  NULL = nothing to show. */
static const char *
scalar_text(const json_t *v, char buf[SCALAR_MAX])
{
	switch (v != NULL ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		return json_string_value(v);
	case JSON_INTEGER:
		(void)snprintf(buf, SCALAR_MAX, "%" JSON_INTEGER_FORMAT,
		    json_integer_value(v));
		return buf;
	case JSON_REAL:
		(void)snprintf(buf, SCALAR_MAX, "%g", json_real_value(v));
		return buf;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default:
		return NULL;
	}
}

static const char *
number_text(const json_t *v, const char *unit, char buf[SCALAR_MAX])
{
	if (!json_is_number(v))
		return scalar_text(v, buf);
	(void)snprintf(buf, SCALAR_MAX, "%.12g %s", json_number_value(v), unit);
	return buf;
}

static const char *
size_text(const json_t *v, char buf[SCALAR_MAX])
{
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return scalar_text(v, buf);
	av_format_size((uint64_t)json_integer_value(v), buf, SCALAR_MAX);
	return buf;
}

static const char *
field_text(const struct field *f, const json_t *v, char buf[SCALAR_MAX])
{
	switch (f->form) {
	case F_SIZE:
		return size_text(v, buf);
	case F_PERCENT:
		return number_text(v, "%", buf);
	case F_MS:
		return number_text(v, "ms", buf);
	case F_SECONDS:
		return number_text(v, "s", buf);
	case F_NAME:
		return json_string_value(json_object_get(v, "name"));
	case F_REASON:
		if (json_is_string(v))
			return json_string_value(v);
		return json_string_value(json_object_get(v, "text"));
	default:
		return scalar_text(v, buf);
	}
}

static int fields_fill(struct doc *group, const struct field *fields,
    const json_t *obj);

/* An array of strings; elements that are objects show their name. */
static int
list_fill(struct doc *group, const struct field *f, const json_t *v)
{
	char buf[SCALAR_MAX];
	const json_t *item;
	size_t i;

	if (json_array_size(v) == 0)
		return f->optional || doc_add_value(group, f->name, NULL,
		    DOC_ITEM) != NULL ? 0 : -1;
	json_array_foreach(v, i, item) {
		const char *text = json_is_object(item) ?
		    json_string_value(json_object_get(item, "name")) :
		    scalar_text(item, buf);

		if (doc_add_value(group, f->name, text, DOC_ITEM) == NULL)
			return -1;
	}
	return 0;
}

static int
groups_fill(struct doc *group, const struct field *f, const json_t *v)
{
	struct doc *list = doc_add_group(group, f->name), *one;
	const json_t *item;
	size_t i;

	if (list == NULL)
		return -1;
	json_array_foreach(v, i, item) {
		one = doc_add_group(list, f->item);
		if (one == NULL || fields_fill(one, f->sub, item) < 0)
			return -1;
	}
	return 0;
}

static int
field_fill(struct doc *group, const struct field *f, const json_t *v)
{
	char buf[SCALAR_MAX];
	const char *text;
	struct doc *sub;

	switch (f->form) {
	case F_LIST:
		return list_fill(group, f, v);
	case F_GROUPS:
		return groups_fill(group, f, v);
	case F_GROUP:
		if (!json_is_object(v))
			return 0;
		sub = doc_add_group(group, f->name);
		return sub != NULL ? fields_fill(sub, f->sub, v) : -1;
	default:
		text = field_text(f, v, buf);
		if (text == NULL && f->optional)
			return 0;
		return doc_add_value(group, f->name, text,
		    f->form == F_HEALTH ? DOC_HEALTH : DOC_PLAIN) != NULL ?
		    0 : -1;
	}
}

static int
fields_fill(struct doc *group, const struct field *fields, const json_t *obj)
{
	for (; fields->path != NULL; fields++)
		if (field_fill(group, fields, member_at(obj, fields->path)) < 0)
			return -1;
	return 0;
}

int
fields_add(struct doc *parent, const struct kind *kind, const json_t *obj)
{
	struct doc *d = doc_add_group(parent, kind->element);

	return d != NULL ? fields_fill(d, kind->fields, obj) : -1;
}
