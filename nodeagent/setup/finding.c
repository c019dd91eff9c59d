/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/finding.c - what a check found, and a way out
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "nodeagent/setup/finding.h"
#include "nodeagent/setup/plan.h"
#include "nodeagent/setup/text.h"

static const char *const levels[] = { "ok", "warn", "block" };

struct finding *
findings_add(struct findings *fs, enum finding_level level, const char *code,
    const char *fmt, ...)
{
	static struct finding dropped;
	struct finding *f;
	va_list ap;

	if (fs->n < FINDINGS_MAX)
		f = &fs->list[fs->n++];
	else
		f = level == FINDING_BLOCK ? &fs->list[FINDINGS_MAX - 1] :
		    &dropped;
	memset(f, 0, sizeof(*f));
	f->level = level;
	(void)snprintf(f->code, sizeof(f->code), "%s", code);
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	av_utf8_trim(f->text);
	return f;
}

void
finding_hint(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->hint, sizeof(f->hint), fmt, ap);
	va_end(ap);
	av_utf8_trim(f->hint);
}

bool
findings_block(const struct findings *fs)
{
	size_t i;

	for (i = 0; i < fs->n; i++)
		if (fs->list[i].level == FINDING_BLOCK)
			return true;
	return false;
}

const struct finding *
findings_find(const struct findings *fs, const char *code)
{
	size_t i;

	for (i = 0; i < fs->n; i++)
		if (strcmp(fs->list[i].code, code) == 0)
			return &fs->list[i];
	return NULL;
}

void
findings_print(const struct findings *fs, bool few, FILE *f)
{
	const char *const words[] = { tr("ok"), tr("warning"), tr("refused") };
	size_t i;

	for (i = 0; i < fs->n; i++) {
		const struct finding *x = &fs->list[i];

		if (few && x->level == FINDING_OK)
			continue;
		fprintf(f, "%s: %s\n", words[x->level], x->text);
		if (x->hint[0] != '\0')
			fprintf(f, "    %s\n", x->hint);
	}
}

json_t *
findings_encode(const struct findings *fs)
{
	AUTO_JSON json_t *a = json_array();
	size_t i;

	for (i = 0; i < fs->n; i++)
		if (json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:s}",
		    "level", levels[fs->list[i].level], "code",
		    fs->list[i].code, "text", fs->list[i].text, "hint",
		    fs->list[i].hint)) < 0)
			return NULL;
	return TAKE_PTR(a);
}

static int
one_decode(const json_t *j, struct findings *fs, struct av_err *err)
{
	static const char *const known[] = { "level", "code", "text", "hint" };
	struct finding f = { .level = FINDING_OK };
	char level[8];
	size_t i;
	int rc = plan_known(j, known, ARRAY_SIZE(known), err);

	if (rc == 0)
		rc = plan_text(j, "level", true, level, sizeof(level), err);
	if (rc == 0)
		rc = plan_text(j, "code", true, f.code, sizeof(f.code), err);
	if (rc == 0)
		rc = plan_text(j, "text", true, f.text, sizeof(f.text), err);
	if (rc == 0)
		rc = plan_text(j, "hint", false, f.hint, sizeof(f.hint), err);
	if (rc < 0)
		return rc;
	for (i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(levels[i], level) == 0)
			break;
	if (i == ARRAY_SIZE(levels))
		return av_err_code(err, -EBADMSG, "bad-request",
		    "a finding's level is '%s'", level);
	f.level = (enum finding_level)i;
	if (fs->n < FINDINGS_MAX)
		fs->list[fs->n++] = f;
	return 0;
}

int
findings_decode(const json_t *j, struct findings *fs, struct av_err *err)
{
	const json_t *v;
	size_t i;
	int rc;

	if (j == NULL)
		return 0;
	if (!json_is_array(j) || json_array_size(j) > FINDINGS_MAX)
		return av_err_code(err, -EBADMSG, "bad-request",
		    "findings aren't a list of fitting length");
	json_array_foreach(j, i, v) {
		rc = one_decode(v, fs, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
