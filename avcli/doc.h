/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/doc.h - what a command prints: a tree of named values
 *
 * Text and XML are two ways to write one tree, so they can't say different
 * things.  A node is a value, or a group of nodes.
 */
#ifndef AVCLI_DOC_H
#define AVCLI_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum doc_look {
	DOC_PLAIN,
	DOC_HEALTH,		/* good, alert, critical ...: coloured */
	DOC_ITEM,		/* one of several of the same name: in text they
				 * stand in one line, ', ' between them */
};

struct doc {
	char		 *name;		/* an XML element's name, ASCII */
	char		 *value;	/* UTF-8; NULL = a group */
	enum doc_look	  look;
	struct doc	**children;
	size_t		  n_children;
};

/* NULL without memory; free with doc_free() (takes NULL, returns NULL). */
struct doc *doc_group(const char *name);
struct doc *doc_free(struct doc *d);
/* Both add to 'parent' and return the new node (borrowed) or NULL without
 * memory.  'value' NULL counts as "". */
struct doc *doc_add_group(struct doc *parent, const char *name);
struct doc *doc_add_value(struct doc *parent, const char *name,
    const char *value, enum doc_look look);

/*
 * Text:  virtual machine:
 *          -> name               : web
 *          -> volumes:
 *              volume:
 *                -> name           : web-boot
 * 'root' itself isn't shown.  UTF-8 is converted to the terminal's codeset.
 */
void doc_print_text(FILE *f, const struct doc *root, bool colour);
/* <?xml ...?><avpair>...</avpair>, always UTF-8 and well-formed.  0 or -1 without
 * memory. */
int  doc_print_xml(FILE *f, const struct doc *root);

#endif
