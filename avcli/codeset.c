/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/codeset.c - between the terminal's character set and UTF-8
 */
#include <errno.h>
#include <iconv.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/codeset.h"
#include "base/cleanup.h"
#include "base/str.h"

#define NO_ICONV	((iconv_t)-1)

static char cs_name[64] = "UTF-8";
static bool cs_utf8 = true;

int
codeset_open(const char *codeset)
{
	iconv_t cd;

	if (codeset == NULL)
		codeset = nl_langinfo(CODESET);
	(void)snprintf(cs_name, sizeof(cs_name), "%s", codeset);
	cs_utf8 = strcasecmp(codeset, "UTF-8") == 0 ||
	    strcasecmp(codeset, "utf8") == 0;
	if (cs_utf8)
		return 0;
	cd = iconv_open("UTF-8", cs_name);
	if (cd == NO_ICONV)
		return -1;
	(void)iconv_close(cd);
	return 0;
}

const char *
codeset_name(void)
{
	return cs_name;
}

int
codeset_in(const char *text, char **ret_utf8)
{
	AUTO_FREE char *buf = NULL;
	size_t n_in = strlen(text), room = 4 * n_in + 8, n_out = room;
	char *in = (char *)(uintptr_t)text, *out;	/* iconv reads only */
	iconv_t cd;
	size_t r;

	if (cs_utf8) {
		if (!av_utf8_ok(text))
			return -EILSEQ;
		*ret_utf8 = strdup(text);
		return *ret_utf8 == NULL ? -ENOMEM : 0;
	}
	out = buf = malloc(room);
	if (buf == NULL)
		return -ENOMEM;
	cd = iconv_open("UTF-8", cs_name);
	if (cd == NO_ICONV)
		return -EILSEQ;
	r = iconv(cd, &in, &n_in, &out, &n_out);
	if (r != (size_t)-1)
		r = iconv(cd, NULL, NULL, &out, &n_out);
	(void)iconv_close(cd);
	if (r == (size_t)-1 || n_in > 0 || n_out == 0)
		return -EILSEQ;
	*out = '\0';
	if (!av_utf8_ok(buf))
		return -EILSEQ;
	*ret_utf8 = TAKE_PTR(buf);
	return 0;
}

/* Puts '?' for the character at *in, which can't be shown. */
static void
skip_char(char **in, size_t *n_in, char **out, size_t *n_out)
{
	size_t n = 1;

	while (n < *n_in && ((unsigned char)(*in)[n] & 0xc0) == 0x80)
		n++;
	*in += n;
	*n_in -= n;
	if (*n_out > 0) {
		*(*out)++ = '?';
		(*n_out)--;
	}
}

char *
codeset_out(const char *utf8, size_t n, size_t *ret_n)
{
	/* no charset of a locale needs more than 8 bytes for one of UTF-8's
	 * (shift sequences included) */
	size_t room = 8 * n + 16, n_out = room, n_in = n;
	char *in = (char *)(uintptr_t)utf8, *out, *buf;
	iconv_t cd;

	out = buf = malloc(room);
	if (buf == NULL)
		return NULL;
	cd = iconv_open(cs_name, "UTF-8");
	if (cd == NO_ICONV) {
		free(buf);
		return NULL;
	}
	while (n_in > 0) {
		if (iconv(cd, &in, &n_in, &out, &n_out) != (size_t)-1)
			break;
		if (errno == E2BIG)
			break;
		skip_char(&in, &n_in, &out, &n_out);
	}
	(void)iconv(cd, NULL, NULL, &out, &n_out);
	(void)iconv_close(cd);
	*ret_n = room - n_out;
	return buf;
}

void
codeset_write(FILE *f, const char *utf8, size_t n)
{
	AUTO_FREE char *bytes = NULL;
	size_t n_bytes = 0;

	if (cs_utf8) {
		(void)fwrite(utf8, 1, n, f);	/* ferror() tells */
		return;
	}
	bytes = codeset_out(utf8, n, &n_bytes);
	if (bytes != NULL)
		(void)fwrite(bytes, 1, n_bytes, f);
}

void
codeset_printf(FILE *f, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return;
	}
	codeset_write(f, text, (size_t)n);
}
