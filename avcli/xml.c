/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/xml.c - the XML form of the tree
 */
#include <stdlib.h>
#include <string.h>

#include <libxml/xmlwriter.h>

#include "avcli/doc.h"
#include "base/cleanup.h"

static bool
xml_allows(const unsigned char *p)
{
	if (*p < 0x20)
		return *p == '\t' || *p == '\n' || *p == '\r';
	/* U+FFFE and U+FFFF are not characters of XML 1.0 */
	return !(p[0] == 0xef && p[1] == 0xbf && (p[2] & 0xfe) == 0xbe);
}

/* A copy without what XML 1.0 can't hold: U+FFFD stands there instead. */
static char *
xml_text(const char *value)
{
	char *out = malloc(3 * strlen(value) + 1), *at = out;
	const unsigned char *p = (const unsigned char *)value;

	if (out == NULL)
		return NULL;
	while (*p != '\0') {
		if (xml_allows(p)) {
			*at++ = (char)*p++;
			continue;
		}
		memcpy(at, "\xef\xbf\xbd", 3);
		at += 3;
		p += *p == 0xef ? 3 : 1;
	}
	*at = '\0';
	return out;
}

static int
put_node(xmlTextWriterPtr w, const struct doc *d)
{
	AUTO_FREE char *text = NULL;
	size_t i;

	if (d->value != NULL) {
		text = xml_text(d->value);
		if (text == NULL)
			return -1;
		return xmlTextWriterWriteElement(w, BAD_CAST d->name,
		    BAD_CAST text) < 0 ? -1 : 0;
	}
	if (xmlTextWriterStartElement(w, BAD_CAST d->name) < 0)
		return -1;
	for (i = 0; i < d->n_children; i++)
		if (put_node(w, d->children[i]) < 0)
			return -1;
	return xmlTextWriterEndElement(w) < 0 ? -1 : 0;
}

int
doc_print_xml(FILE *f, const struct doc *root)
{
	xmlBufferPtr buf = xmlBufferCreate();
	xmlTextWriterPtr w = buf != NULL ? xmlNewTextWriterMemory(buf, 0) : NULL;
	int rc = -1;

	if (w == NULL)
		goto out;
	(void)xmlTextWriterSetIndent(w, 1);	/* looks only */
	(void)xmlTextWriterSetIndentString(w, BAD_CAST "  ");
	if (xmlTextWriterStartDocument(w, NULL, "UTF-8", NULL) < 0 ||
	    put_node(w, root) < 0 || xmlTextWriterEndDocument(w) < 0)
		goto out;
	rc = 0;
out:
	if (w != NULL)
		xmlFreeTextWriter(w);	/* flushes into buf */
	if (rc == 0)
		(void)fwrite(xmlBufferContent(buf), 1,
		    (size_t)xmlBufferLength(buf), f);	/* ferror() tells */
	if (buf != NULL)
		xmlBufferFree(buf);
	return rc;
}
