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
		       "busy not-here volume-wrong-state already-so "
		       "verify-running verify-not-running leg-not-failed "
		       "leg-in-use leg-failed already-moving already-there "
		       "not-moving not-in-step move-leg-failed " },
		{ 413, " too-large " },
		{ 415, " bad-content-type " },
		{ 422, " vcpus-out-of-range memory-too-small no-memory "
		       "no-space too-many-volumes size-invalid "
		       "image-not-found image-too-big size-not-larger "
		       "quorum-unusable quorum-full move-no-memory "
		       "pms-differ " },
		{ 429, " too-many-tries " },
		{ 503, " unavailable not-primary frozen waiting-for-peer "
		       "no-arbiter split too-many not-together " },
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

/* A name may be any word: only what these places hold is the agent's own. */
static const char *
word(const char *place, const char *s, const json_t *words)
{
	static const char *const places[] = { "kind", "activity", "role",
	    "needed" };
	const char *own = json_string_value(json_object_get(words, s));
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++)
		if (own != NULL && strcmp(place, places[i]) == 0)
			return own;
	return s;
}

static int
out_param(struct out *o, const char *place, const json_t *v,
    const json_t *words)
{
	size_t n = strlen(place);
	char num[32];
	const char *s;

	if (json_is_string(v)) {
		s = word(place, json_string_value(v), words);
		out_add(o, s, strlen(s));
	} else if (json_is_integer(v)) {
		json_int_t i = json_integer_value(v);

		if (i >= 0 && n > 6 && strcmp(place + n - 6, "_bytes") == 0)
			av_format_size((uint64_t)i, num, sizeof(num));
		else
			(void)snprintf(num, sizeof(num), "%lld", (long long)i);
		out_add(o, num, strlen(num));
	} else {
		return -ENOENT;
	}
	return 0;
}

/* Fills the {places}; -ENOENT when a param isn't there. */
static int
fill(const char *text, const json_t *params, const json_t *words,
    struct out *o)
{
	o->n = 0;
	o->buf[0] = '\0';
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
		if (out_param(o, name, json_object_get(params, name),
		    words) < 0)
			return -ENOENT;
		text = end + 1;
	}
	return 0;
}

/* One text, or the first of several that can be filled. */
static int
fill_any(const json_t *texts, const json_t *params, const json_t *words,
    struct out *o)
{
	size_t i;

	if (json_is_string(texts))
		return fill(json_string_value(texts), params, words, o);
	for (i = 0; i < json_array_size(texts); i++)
		if (fill(json_string_value(json_array_get(texts, i)), params,
		    words, o) == 0)
			return 0;
	return -ENOENT;
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

static const json_t *
messages(const char *lang)
{
	return strcmp(lang, "ja") == 0 ? ja : en;
}

static void
detail_make(const json_t *entry, const struct av_err *err,
    const json_t *params, const char *lang, struct out *o)
{
	if (strcmp(lang, "en") == 0 && err->text[0] != '\0') {
		sentence(err->text, o);
		return;
	}
	if (fill_any(json_object_get(entry, "detail"), params,
	    json_object_get(messages(lang), "words"), o) == 0)
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
	const json_t *errors = json_object_get(messages(lang), "errors");
	const json_t *entry = json_object_get(errors, code);
	struct out detail = { .n = 0 }, hint = { .n = 0 };
	const char *title, *hint_text;

	if (entry == NULL)
		entry = json_object_get(errors, "internal");
	title = json_string_value(json_object_get(entry, "title"));
	hint_text = json_string_value(json_object_get(entry, "hint"));
	detail_make(entry, err, params, lang, &detail);
	if (hint_text != NULL && fill(hint_text, params, NULL, &hint) < 0)
		hint_text = NULL;
	return json_pack("{s:i, s:s, s:s, s:s, s:s?, s:o, s:s}",
	    "status", (int)text_status(code), "code", code,
	    "title", title != NULL ? title : code,
	    "detail", detail.n > 0 ? detail.buf : (title != NULL ? title : code),
	    "hint", hint_text != NULL ? hint.buf : NULL,
	    "params", params != NULL ? json_deep_copy(params) : json_object(),
	    "outcome", err->outcome == AV_MAYBE ? "maybe" : "not-done");
}

/* --- alerts -------------------------------------------------------------- */

static void
alert_translate(json_t *alert, const json_t *entry)
{
	static const char *const keys[] = { "text", "cause" };
	const json_t *params = json_object_get(alert, "params");
	const json_t *repair = json_object_get(entry, "repair");
	struct out o;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (fill_any(json_object_get(entry, keys[i]), params, NULL,
		    &o) == 0)
			(void)json_object_set_new(alert, keys[i],
			    json_string(o.buf));
	if (json_is_array(repair))
		(void)json_object_set_new(alert, "repair",
		    json_deep_copy(repair));
}

void
text_alerts(json_t *alerts, const char *lang)
{
	const json_t *known = json_object_get(messages(lang), "alerts");
	json_t *alert, *entry;
	size_t i;

	if (strcmp(lang, "en") == 0)
		return;			/* as the agent says it */
	json_array_foreach(alerts, i, alert) {
		entry = json_object_get(known, json_string_value(
		    json_object_get(alert, "code")));
		if (entry != NULL)
			alert_translate(alert, entry);
	}
}

static void
reason_translate(json_t *reason, const char *lang)
{
	const json_t *known = json_object_get(messages(lang), "reasons");
	const char *code = json_string_value(json_object_get(reason, "code"));
	const json_t *params = json_object_get(reason, "params");
	struct out o;

	if (code == NULL || params == NULL)
		return;
	if (fill_any(json_object_get(known, code), params,
	    json_object_get(messages(lang), "words"), &o) == 0)
		(void)json_object_set_new(reason, "text", json_string(o.buf));
}

void
text_reasons(json_t *result, const char *lang)
{
	json_t *item;
	size_t i;

	if (strcmp(lang, "en") == 0)
		return;			/* as the agent says it */
	reason_translate(json_object_get(result, "reason"), lang);
	json_array_foreach(result, i, item)
		reason_translate(json_object_get(item, "reason"), lang);
}
