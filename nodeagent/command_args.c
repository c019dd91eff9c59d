/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_args.c - roles, and the shape of arguments
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/command_args.h"

#define SHOWN_BYTES	64	/* of what others wrote, in a sentence */

struct check {
	json_t		**ret_params;
	struct av_err	 *err;
};

/* 'key' is cut for the sentence: it may be a megabyte. */
static int bad(struct check *ck, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int
bad(struct check *ck, const char *key, const char *fmt, ...)
{
	char shown[SHOWN_BYTES], text[160];
	va_list ap;

	(void)snprintf(shown, sizeof(shown), "%s", key);
	av_utf8_trim(shown);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (ck->ret_params != NULL)
		*ck->ret_params = json_pack("{s:s}", "argument", shown);
	return av_err_code(ck->err, -EINVAL, "bad-argument",
	    "argument '%s' %s", shown, text);
}

static int check_object(struct check *ck, const struct arg_spec *specs,
    const json_t *args, bool dry_run_ok);

static int
check_text(struct check *ck, const struct arg_spec *spec, const char *key,
    const json_t *value)
{
	size_t max = spec->type == ARG_REF ? ARG_REF_MAX_BYTES :
	    (size_t)spec->max;

	if (!json_is_string(value))
		return bad(ck, key, "must be a text");
	if (json_string_length(value) > max)
		return bad(ck, key, "is too long: %zu bytes; at most %zu",
		    json_string_length(value), max);
	if (spec->type == ARG_REF && json_string_length(value) == 0)
		return bad(ck, key, "is empty");
	return 0;
}

static int
check_uint(struct check *ck, const struct arg_spec *spec, const json_t *value)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value))
		return bad(ck, spec->name, "must be a whole number");
	if (n < 0)
		return bad(ck, spec->name, "must not be negative");
	if (spec->max > 0 && (uint64_t)n > spec->max)
		return bad(ck, spec->name, "is too big: at most %" PRIu64,
		    spec->max);
	return 0;
}

static int
check_list(struct check *ck, const struct arg_spec *spec, const json_t *value)
{
	static const struct arg_spec text = { "", ARG_REF, 0, 0, NULL };
	size_t i;
	int rc = 0;

	if (!json_is_array(value))
		return bad(ck, spec->name, "must be a list");
	if (json_array_size(value) > spec->max)
		return bad(ck, spec->name, "has %zu elements; at most %" PRIu64,
		    json_array_size(value), spec->max);
	for (i = 0; rc == 0 && i < json_array_size(value); i++) {
		const json_t *el = json_array_get(value, i);

		if (spec->sub == NULL ||
		    ((spec->flags & ARG_OR_TEXT) && json_is_string(el)))
			rc = check_text(ck, &text, spec->name, el);
		else if (!json_is_object(el))
			rc = bad(ck, spec->name, "must be a list of objects");
		else
			rc = check_object(ck, spec->sub, el, false);
	}
	return rc;
}

static int
check_value(struct check *ck, const struct arg_spec *spec, const json_t *value)
{
	const char *s = json_string_value(value);

	if (json_is_null(value) && (spec->flags & ARG_NULLABLE))
		return 0;
	switch (spec->type) {
	case ARG_TEXT:
	case ARG_REF:
		return check_text(ck, spec, spec->name, value);
	case ARG_UINT:
		return check_uint(ck, spec, value);
	case ARG_BOOL:
		return json_is_boolean(value) ? 0 :
		    bad(ck, spec->name, "must be true or false");
	case ARG_NODE:
		return s != NULL && (strcmp(s, "node0") == 0 ||
		    strcmp(s, "node1") == 0) ? 0 :
		    bad(ck, spec->name, "must be node0 or node1");
	case ARG_OBJECT:
		if (!json_is_object(value))
			return bad(ck, spec->name, "must be an object");
		return spec->sub == NULL ? 0 :
		    check_object(ck, spec->sub, value, false);
	case ARG_LIST:
		return check_list(ck, spec, value);
	case ARG_END:
		break;
	}
	return bad(ck, spec->name, "has no known type");
}

static const struct arg_spec *
spec_find(const struct arg_spec *specs, const char *key)
{
	for (; specs->type != ARG_END; specs++)
		if (strcmp(specs->name, key) == 0)
			return specs;
	return NULL;
}

static int
check_object(struct check *ck, const struct arg_spec *specs,
    const json_t *args, bool dry_run_ok)
{
	static const struct arg_spec dry_run = {
		"dry_run", ARG_BOOL, 0, 0, NULL };
	const struct arg_spec *spec;
	const char *key;
	json_t *value;
	int rc;

	json_object_foreach((json_t *)(uintptr_t)args, key, value) {
		spec = spec_find(specs, key);
		if (spec == NULL && dry_run_ok && strcmp(key, "dry_run") == 0)
			spec = &dry_run;
		if (spec == NULL)
			return bad(ck, key, "is not known here");
		rc = check_value(ck, spec, value);
		if (rc < 0)
			return rc;
	}
	for (spec = specs; spec->type != ARG_END; spec++)
		if ((spec->flags & ARG_NEEDED) &&
		    json_object_get(args, spec->name) == NULL)
			return bad(ck, spec->name, "is missing");
	return 0;
}

int
args_check(const struct arg_spec *specs, const json_t *args, bool dry_run_ok,
    json_t **ret_params, struct av_err *err)
{
	struct check ck = { ret_params, err };

	if (args != NULL && !json_is_object(args))
		return bad(&ck, "args", "must be an object");
	return check_object(&ck, specs, args, dry_run_ok);
}

/* --- roles --- */

static const char *const role_names[] = {
	[ROLE_NONE] = "console",
	[ROLE_READ_ONLY] = "read-only",
	[ROLE_VM_MANAGER] = "vm-manager",
	[ROLE_PLATFORM_MANAGER] = "platform-manager",
	[ROLE_ADMINISTRATOR] = "administrator",
	[ROLE_SYSTEM] = "system",
};

int
role_parse(const char *name, enum role *ret)
{
	size_t i;

	for (i = 0; name != NULL && i < ARRAY_SIZE(role_names); i++)
		if (strcmp(name, role_names[i]) == 0) {
			*ret = (enum role)i;
			return 0;
		}
	return -EINVAL;
}

int
actor_check(const json_t *actor, enum role *ret, struct av_err *err)
{
	static const struct arg_spec specs[] = {
		{ "user", ARG_TEXT, ARG_NEEDED, 255, NULL },
		{ "role", ARG_TEXT, ARG_NEEDED, 32, NULL },
		{ "origin", ARG_TEXT, 0, 128, NULL },
		{ "via", ARG_TEXT, 0, 32, NULL },
		{ NULL, ARG_END, 0, 0, NULL },
	};

	if (!json_is_object(actor) ||
	    args_check(specs, actor, false, NULL, NULL) < 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "the request doesn't say who asks: 'actor' must be {user, role, origin, via}");
	if (role_parse(json_string_value(json_object_get(actor, "role")),
	    ret) < 0)
		return av_err_code(err, -EPERM, "forbidden",
		    "there is no role '%s'",
		    json_string_value(json_object_get(actor, "role")));
	return 0;
}

int
role_forbids(const char *op, const json_t *actor, enum role needed,
    json_t **ret_params, struct av_err *err)
{
	const char *role = json_string_value(json_object_get(actor, "role"));

	if (ret_params != NULL)
		*ret_params = json_pack("{s:s, s:s, s:s}", "op", op, "role",
		    role, "needed", role_names[needed]);
	return av_err_code(err, -EPERM, "forbidden",
	    "the role '%s' may not do %s: it needs at least '%s'; ask an administrator",
	    role, op, role_names[needed]);
}
