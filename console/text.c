/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/text.c - errors in the reader's language, as problem+json
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "console/text.h"

/* a file as bytes of the program, with a NUL at the end */
#define EMBED(symbol, file) \
	__asm__(".pushsection .rodata\n" \
	    ".global " #symbol "\n" #symbol ":\n" \
	    ".incbin \"" file "\"\n.byte 0\n" \
	    ".size " #symbol ", .-" #symbol "\n" \
	    ".type " #symbol ", @object\n.popsection\n")
EMBED(text_openapi, "console/openapi.json");
EMBED(text_messages_en, "console/messages.en.json");
EMBED(text_messages_ja, "console/messages.ja.json");

static json_t *en, *ja;

int
text_open(struct av_err *err)
{
	json_error_t je;

	en = json_loads(text_messages_en, JSON_REJECT_DUPLICATES, &je);
	if (en != NULL)
		ja = json_loads(text_messages_ja, JSON_REJECT_DUPLICATES, &je);
	if (ja == NULL)
		return av_err_set(err, -EINVAL, "%s: line %d: %s",
		    en == NULL ? "messages.en.json" : "messages.ja.json",
		    je.line, je.text);
	return 0;
}

void
text_close(void)
{
	json_decref(en);
	json_decref(ja);
	en = ja = NULL;
}

unsigned
text_status(const char *code)
{
	static const struct { unsigned status; const char *codes; } all[] = {
		{ 400, " bad-request bad-argument name-invalid " },
		{ 401, " login-failed login-needed session-expired " },
		{ 403, " forbidden " },
		{ 404, " not-found no-such-route " },
		{ 405, " bad-method " },
		{ 409, " ambiguous-name name-exists wrong-state volume-in-use "
		       "busy " },
		{ 413, " too-large " },
		{ 415, " bad-content-type " },
		{ 422, " vcpus-out-of-range memory-too-small no-memory "
		       "no-space too-many-volumes size-invalid "
		       "image-not-found image-too-big " },
		{ 429, " too-many-tries " },
		{ 503, " unavailable not-primary frozen waiting-for-peer "
		       "no-arbiter " },
		{ 504, " timed-out " },
	};
	char word[sizeof(((struct av_err *)0)->code) + 2];
	size_t i, n = strlen(code);

	if (n == 0 || n > sizeof(word) - 3)
		return 500;
	word[0] = ' ';
	memcpy(word + 1, code, n);
	memcpy(word + 1 + n, " ", 2);
	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (strstr(all[i].codes, word) != NULL)
			return all[i].status;
	return 500;
}

/* --- language ------------------------------------------------------------ */

static const char *
known(const char *tag, size_t n)
{
	size_t primary = 0;

	while (primary < n && isalpha((unsigned char)tag[primary]))
		primary++;
	if (primary != 2)
		return NULL;
	if (strncasecmp(tag, "ja", 2) == 0)
		return "ja";
	if (strncasecmp(tag, "en", 2) == 0)
		return "en";
	return NULL;
}

/* ";q=0.8" -> 800; none -> 1000; nonsense -> 0 */
static int
quality(const char *s, size_t n)
{
	int q = 0, unit = 100;
	size_t i = 0;

	while (i < n && s[i] == ' ')
		i++;
	if (i == n)
		return 1000;
	while (i < n && (s[i] == ';' || s[i] == ' '))
		i++;
	if (i + 2 >= n || tolower((unsigned char)s[i]) != 'q' ||
	    s[i + 1] != '=')
		return 0;
	if (s[i + 2] == '1')
		return 1000;
	for (i += 4; i < n && isdigit((unsigned char)s[i]) && unit > 0; i++) {
		q += (s[i] - '0') * unit;
		unit /= 10;
	}
	return q;
}

const char *
text_language(const char *asked, const char *accept)
{
	const char *best = "en";
	int best_q = 0;

	if (asked != NULL && known(asked, strlen(asked)) != NULL)
		return known(asked, strlen(asked));
	while (accept != NULL && *accept != '\0') {
		size_t n = strcspn(accept, ","), n_tag;
		const char *lang;
		int q;

		while (n > 0 && *accept == ' ') {
			accept++;
			n--;
		}
		n_tag = strcspn(accept, ";,");
		lang = known(accept, n_tag);
		q = quality(accept + n_tag, n - n_tag);
		if (lang != NULL && q > best_q) {
			best = lang;
			best_q = q;
		}
		accept += n + (accept[n] == ',');
	}
	return best;
}

/* --- problem ------------------------------------------------------------- */

struct out {
	char	buf[1024];
	size_t	n;
};

static void
out_add(struct out *o, const char *s, size_t n)
{
	if (n > sizeof(o->buf) - 1 - o->n)
		n = sizeof(o->buf) - 1 - o->n;
	memcpy(o->buf + o->n, s, n);
	o->n += n;
	o->buf[o->n] = '\0';
	av_utf8_trim(o->buf);
	o->n = strlen(o->buf);
}

static int
out_param(struct out *o, const json_t *v)
{
	char num[32];

	if (json_is_string(v)) {
		out_add(o, json_string_value(v), json_string_length(v));
	} else if (json_is_integer(v)) {
		(void)snprintf(num, sizeof(num), "%lld",
		    (long long)json_integer_value(v));
		out_add(o, num, strlen(num));
	} else {
		return -ENOENT;
	}
	return 0;
}

/* Fills the {places}; -ENOENT when a param isn't there. */
static int
fill(const char *text, const json_t *params, struct out *o)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "{");
		const char *end;
		char name[40];

		out_add(o, text, n);
		text += n;
		if (*text == '\0')
			break;
		end = strchr(text, '}');
		if (end == NULL || (size_t)(end - text) > sizeof(name))
			return -EINVAL;
		n = (size_t)(end - text) - 1;
		memcpy(name, text + 1, n);
		name[n] = '\0';
		if (out_param(o, json_object_get(params, name)) < 0)
			return -ENOENT;
		text = end + 1;
	}
	return 0;
}

/* The finder's sentence, with a capital letter and a full stop. */
static void
sentence(const char *text, struct out *o)
{
	o->n = 0;
	out_add(o, text, strlen(text));
	if (o->buf[0] >= 'a' && o->buf[0] <= 'z')
		o->buf[0] = (char)(o->buf[0] - 'a' + 'A');
	if (o->n > 0 && strchr(".!?", o->buf[o->n - 1]) == NULL)
		out_add(o, ".", 1);
}

static void
detail_make(const json_t *entry, const struct av_err *err,
    const json_t *params, const char *lang, struct out *o)
{
	const char *text = json_string_value(json_object_get(entry, "detail"));

	if (strcmp(lang, "en") == 0 && err->text[0] != '\0') {
		sentence(err->text, o);
		return;
	}
	if (text != NULL && fill(text, params, o) == 0)
		return;
	if (err->text[0] != '\0')
		sentence(err->text, o);
	else
		o->n = 0;
}

json_t *
text_problem(const struct av_err *err, const json_t *params, const char *lang)
{
	const char *code = err->code[0] != '\0' ? err->code : "internal";
	json_t *entry = json_object_get(strcmp(lang, "ja") == 0 ? ja : en,
	    code);
	struct out detail = { .n = 0 }, hint = { .n = 0 };
	const char *title, *hint_text;

	if (entry == NULL)
		entry = json_object_get(strcmp(lang, "ja") == 0 ? ja : en,
		    "internal");
	title = json_string_value(json_object_get(entry, "title"));
	hint_text = json_string_value(json_object_get(entry, "hint"));
	detail_make(entry, err, params, lang, &detail);
	if (hint_text != NULL && fill(hint_text, params, &hint) < 0)
		hint_text = NULL;
	return json_pack("{s:i, s:s, s:s, s:s, s:s?, s:o, s:s}",
	    "status", (int)text_status(code), "code", code,
	    "title", title != NULL ? title : code,
	    "detail", detail.n > 0 ? detail.buf : (title != NULL ? title : code),
	    "hint", hint_text != NULL ? hint.buf : NULL,
	    "params", params != NULL ? json_deep_copy(params) : json_object(),
	    "outcome", err->outcome == AV_MAYBE ? "maybe" : "not-done");
}
