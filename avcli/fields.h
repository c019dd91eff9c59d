/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/fields.h - how the API's objects are shown
 *
 * One table per kind of object: which member, under which name, in what form.
 * To show a new member, add a line to fields.c.  JSON output doesn't come
 * through here: it is the API's object as it is.
 */
#ifndef AVCLI_FIELDS_H
#define AVCLI_FIELDS_H

#include <stdbool.h>

#include <jansson.h>

#include "avcli/doc.h"

enum field_form {
	F_TEXT,			/* string or number as it is */
	F_HEALTH,		/* the same, coloured */
	F_SIZE,			/* bytes -> "10 GiB" */
	F_BOOL,			/* true, false */
	F_PERCENT,		/* "37 %" */
	F_MS, F_SECONDS,	/* "42 ms", "12 s" */
	F_LIST,			/* array of strings */
	F_NAME,			/* object {id,name} -> name */
	F_REASON,		/* object {code,text} -> text */
	F_GROUP,		/* object -> group of 'sub' */
	F_GROUPS,		/* array of objects -> group of groups 'item' */
};

struct field {
	const char		*path;	/* "storage_group.name" */
	const char		*name;	/* XML element and text key */
	enum field_form		 form;
	bool			 optional;	/* left out when null or missing */
	const struct field	*sub;	/* F_GROUP, F_GROUPS; ends with NULL path */
	const char		*item;	/* F_GROUPS */
};

struct kind {
	const char		*word;		/* the command's noun */
	const char		*path;		/* "/vms" */
	const char		*human;		/* "virtual machine" */
	const char		*element;	/* "virtual-machine" */
	const struct field	*fields;
};

extern const struct kind kinds[];
extern const size_t n_kinds;
/* NULL = no such kind. */
const struct kind *kind_by_word(const char *word);

/* Adds the object to 'parent'.  0 or -1 without memory. */
int fields_add(struct doc *parent, const struct kind *kind, const json_t *obj);

#endif
