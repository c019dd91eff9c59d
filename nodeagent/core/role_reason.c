/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_reason.c - the sentences of role_reason.h, filled
 */
#include "nodeagent/core/role_reason.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

static const struct {
	const char *code, *text;
} rows[ROLE_N_WHYS] = {
#define X(name, c, t) [ROLE_WHY_##name] = { c, t },
	ROLE_REASONS(X)
#undef X
};

const char *
role_reason_code(enum role_why why)
{
	AV_ASSERT((unsigned)why < ROLE_N_WHYS);
	return rows[why].code;
}

const char *
role_reason_template(enum role_why why)
{
	AV_ASSERT((unsigned)why < ROLE_N_WHYS);
	return rows[why].text;
}

static const char *
node_word(int node)
{
	return node < 0 ? "both" : node == 0 ? "node0" : "node1";
}

static void
all_params(const struct role_reason *r,
    struct role_reason_param p[ROLE_REASON_PARAMS_MAX])
{
	p[0] = (struct role_reason_param){ "me", node_word(r->node), 0 };
	p[1] = (struct role_reason_param){ "peer", node_word(1 - r->node), 0 };
	p[2] = (struct role_reason_param){ "generation", NULL, r->gen };
	p[3] = (struct role_reason_param){ "other_generation", NULL,
	    r->other_gen };
	p[4] = (struct role_reason_param){ "silent_ms", NULL, r->silent_ms };
	p[5] = (struct role_reason_param){ "seconds", NULL, r->seconds };
	p[6] = (struct role_reason_param){ "owner", node_word(r->owner), 0 };
}

static bool
names(const char *text, const char *name)
{
	size_t n = strlen(name);
	const char *at = text;

	while ((at = strchr(at, '{')) != NULL) {
		at++;
		if (strncmp(at, name, n) == 0 && at[n] == '}')
			return true;
	}
	return false;
}

size_t
role_reason_params(const struct role_reason *r,
    struct role_reason_param ret[ROLE_REASON_PARAMS_MAX])
{
	struct role_reason_param p[ROLE_REASON_PARAMS_MAX];
	size_t i, n = 0;

	all_params(r, p);
	for (i = 0; i < ROLE_REASON_PARAMS_MAX; i++)
		if (names(role_reason_template(r->why), p[i].name))
			ret[n++] = p[i];
	return n;
}

struct out {
	char	*at;
	size_t	 left;		/* with room for the end */
};

static void
put(struct out *o, const char *text, size_t n)
{
	AV_ASSERT(n < o->left);		/* a test renders all with the longest */
	memcpy(o->at, text, n);
	o->at += n;
	o->left -= n;
}

/* 'name' is behind the '{'; returns behind the '}'. */
static const char *
put_name(struct out *o, const struct role_reason_param *p, const char *name)
{
	size_t n = strcspn(name, "}"), i;
	char number[24];

	for (i = 0; i < ROLE_REASON_PARAMS_MAX; i++)
		if (strlen(p[i].name) == n && strncmp(p[i].name, name, n) == 0)
			break;
	AV_ASSERT(i < ROLE_REASON_PARAMS_MAX);	/* nobody fills it */
	(void)snprintf(number, sizeof(number), "%" PRIu64, p[i].number);
	if (p[i].word != NULL)
		put(o, p[i].word, strlen(p[i].word));
	else
		put(o, number, strlen(number));
	return name + n + 1;
}

void
role_reason_render(struct role_reason *r)
{
	struct role_reason_param p[ROLE_REASON_PARAMS_MAX];
	const char *at = role_reason_template(r->why);
	struct out o = { r->text, sizeof(r->text) };

	r->code = role_reason_code(r->why);
	all_params(r, p);
	while (*at != '\0') {
		size_t n = strcspn(at, "{");

		put(&o, at, n);
		at += n;
		if (*at == '{')
			at = put_name(&o, p, at + 1);
	}
	*o.at = '\0';
}
