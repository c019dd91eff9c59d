/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/route.c - the REST interface as one table
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "console/route.h"

#define OP	.kind = ROUTE_OP
#define CHANGE	.changing = true
#define DRY	{ 'b', "dry_run", "dry_run" }

static const struct route table[] = {
	{ "GET", "/version", .kind = ROUTE_VERSION },
	{ "GET", "/openapi.json", .kind = ROUTE_OPENAPI },
	{ "POST", "/login", .kind = ROUTE_LOGIN, .body = BODY_REQUIRED },
	{ "POST", "/logout", .kind = ROUTE_LOGOUT, .role = ROLE_READ,
	  .body = BODY_OPTIONAL, CHANGE },
	{ "GET", "/session", .kind = ROUTE_SESSION, .role = ROLE_READ },
	{ "GET", "/events", .kind = ROUTE_EVENTS, .role = ROLE_READ },

	{ "GET", "/unit", OP, ROLE_READ, "unit.info" },
	{ "PATCH", "/unit", OP, ROLE_PLATFORM, "unit.configure",
	  .body = BODY_REQUIRED, CHANGE, .query = { DRY } },
	{ "POST", "/unit/takeover", OP, ROLE_ADMIN, "unit.takeover",
	  .body = BODY_REQUIRED, CHANGE, .query = { DRY } },
	{ "GET", "/split", OP, ROLE_READ, "split.info" },
	{ "POST", "/split", OP, ROLE_ADMIN, "split.resolve",
	  .body = BODY_REQUIRED, CHANGE, .query = { DRY } },
	{ "GET", "/nodes", OP, ROLE_READ, "node.list" },
	{ "GET", "/nodes/{id}", OP, ROLE_READ, "node.list", .pick = true },

	{ "POST", "/nodes/{id}/mtbf", OP, ROLE_PLATFORM, "node.set-mtbf",
	  "node", .body = BODY_REQUIRED, CHANGE, .query = { DRY } },
	{ "POST", "/nodes/{id}/clear-mtbf", OP, ROLE_PLATFORM,
	  "node.clear-mtbf", "node", .body = BODY_OPTIONAL, CHANGE,
	  .query = { DRY } },
	{ "POST", "/nodes/{id}/workon", OP, ROLE_PLATFORM, "node.workon",
	  "node", .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "POST", "/nodes/{id}/workoff", OP, ROLE_PLATFORM, "node.workoff",
	  "node", .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "POST", "/nodes/{id}/reboot", OP, ROLE_PLATFORM, "node.power",
	  "node", .action = "reboot", .body = BODY_OPTIONAL, CHANGE,
	  .query = { DRY } },
	{ "POST", "/nodes/{id}/shutdown", OP, ROLE_PLATFORM, "node.power",
	  "node", .action = "shutdown", .body = BODY_OPTIONAL, CHANGE,
	  .query = { DRY } },
	{ "POST", "/nodes/{id}/report-fault", OP, ROLE_PLATFORM,
	  "node.report-fault", "node", .body = BODY_REQUIRED, CHANGE,
	  .query = { DRY } },
	{ "POST", "/nodes/{id}/clear-fault", OP, ROLE_PLATFORM,
	  "node.clear-fault", "node", .body = BODY_OPTIONAL, CHANGE,
	  .query = { DRY } },

	{ "GET", "/vms", OP, ROLE_READ, "vm.list" },
	{ "POST", "/vms", OP, ROLE_VM, "vm.create", .body = BODY_REQUIRED,
	  CHANGE, .query = { DRY } },
	{ "GET", "/vms/{id}", OP, ROLE_READ, "vm.get", "vm" },
	{ "PATCH", "/vms/{id}", OP, ROLE_VM, "vm.rename", "vm",
	  .body = BODY_REQUIRED, CHANGE, .query = { DRY } },
	{ "DELETE", "/vms/{id}", OP, ROLE_VM, "vm.delete", "vm", CHANGE,
	  .body = BODY_OPTIONAL,
	  .query = { DRY, { 'l', "keep", "keep_volumes" } } },
	{ "POST", "/vms/{id}/start", OP, ROLE_VM, "vm.start", "vm",
	  .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "POST", "/vms/{id}/shutdown", OP, ROLE_VM, "vm.shutdown", "vm",
	  .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "POST", "/vms/{id}/poweroff", OP, ROLE_VM, "vm.poweroff", "vm",
	  .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "POST", "/vms/{id}/reset", OP, ROLE_VM, "vm.reset", "vm",
	  .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "POST", "/vms/{id}/migrate", OP, ROLE_VM, "vm.migrate", "vm",
	  .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "POST", "/vms/{id}/migrate-cancel", OP, ROLE_VM,
	  "vm.migrate-cancel", "vm", .body = BODY_OPTIONAL, CHANGE,
	  .query = { DRY } },
	{ "POST", "/vms/{id}/prefer", OP, ROLE_VM, "vm.prefer", "vm",
	  .body = BODY_REQUIRED, CHANGE, .query = { DRY } },
	{ "POST", "/vms/{id}/mtbf", OP, ROLE_VM, "vm.set-mtbf", "vm",
	  .body = BODY_REQUIRED, CHANGE, .query = { DRY } },
	{ "POST", "/vms/{id}/console", .kind = ROUTE_TICKET, ROLE_VM,
	  "vm.vnc", "vm", .body = BODY_OPTIONAL, CHANGE },
	{ "GET", "/console/{id}", .kind = ROUTE_SCREEN, ROLE_VM, "vm.vnc" },

	{ "GET", "/volumes", OP, ROLE_READ, "volume.list" },
	{ "GET", "/volumes/{id}", OP, ROLE_READ, "volume.list", .pick = true },
	{ "DELETE", "/volumes/{id}", OP, ROLE_VM, "volume.delete", "volume",
	  .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "POST", "/volumes/{id}/grow", OP, ROLE_VM, "volume.grow", "volume",
	  .body = BODY_REQUIRED, CHANGE, .query = { DRY } },
	{ "POST", "/volumes/{id}/verify", OP, ROLE_PLATFORM, "volume.verify",
	  "volume", .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "POST", "/volumes/{id}/verify-cancel", OP, ROLE_PLATFORM,
	  "volume.verify-cancel", "volume", .body = BODY_OPTIONAL, CHANGE,
	  .query = { DRY } },
	{ "POST", "/volumes/{id}/resync-pause", OP, ROLE_PLATFORM,
	  "volume.resync-pause", "volume", .body = BODY_OPTIONAL, CHANGE,
	  .query = { DRY } },
	{ "POST", "/volumes/{id}/resync-resume", OP, ROLE_PLATFORM,
	  "volume.resync-resume", "volume", .body = BODY_OPTIONAL, CHANGE,
	  .query = { DRY } },
	{ "POST", "/volumes/{id}/replace-leg", OP, ROLE_PLATFORM,
	  "volume.replace-leg", "volume", .body = BODY_OPTIONAL, CHANGE,
	  .query = { DRY } },
	{ "GET", "/networks", OP, ROLE_READ, "network.list" },
	{ "GET", "/quorum-servers", OP, ROLE_READ, "quorum.list" },
	{ "POST", "/quorum-servers", OP, ROLE_PLATFORM, "quorum.add",
	  .body = BODY_REQUIRED, CHANGE, .query = { DRY } },
	{ "GET", "/quorum-servers/{id}", OP, ROLE_READ, "quorum.list",
	  .pick = true },
	{ "DELETE", "/quorum-servers/{id}", OP, ROLE_PLATFORM, "quorum.remove",
	  "server", .body = BODY_OPTIONAL, CHANGE, .query = { DRY } },
	{ "GET", "/storage-groups", OP, ROLE_READ, "storage-group.list" },
	{ "GET", "/images", OP, ROLE_READ, "image.list" },
	{ "GET", "/alerts", OP, ROLE_READ, "alert.list" },
	{ "GET", "/audit", OP, ROLE_READ, "audit.list",
	  .query = { { 'i', "limit", "limit" }, { 'i', "before", "before" } } },
	{ "GET", "/users", OP, ROLE_ADMIN, "user.list" },
	{ "POST", "/users/{id}/password", .kind = ROUTE_PASSWORD, ROLE_OWNER,
	  "user.set-password", "user", .body = BODY_REQUIRED, CHANGE },
};

const struct route *
routes(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(table);
	return table;
}

/* Does the path stand under the pattern? */
static bool
pattern_match(const char *pattern, const struct uri *u, const char **ret_id)
{
	const char *id = NULL;
	unsigned i = 2;			/* after "api", "v1" */

	while (*pattern == '/') {
		size_t n = strcspn(++pattern, "/");

		if (i == u->n_parts)
			return false;
		if (pattern[0] == '{') {
			id = u->parts[i];
			if (*id == '\0')
				return false;
		} else if (strlen(u->parts[i]) != n ||
		    memcmp(u->parts[i], pattern, n) != 0) {
			return false;
		}
		pattern += n;
		i++;
	}
	*ret_id = id;
	return i == u->n_parts;
}

static void
allow_add(char *allow, size_t n, const char *method)
{
	size_t at = strlen(allow);

	(void)snprintf(allow + at, n - at, "%s%s", at > 0 ? ", " : "", method);
}

enum route_found
route_match(const char *method, const struct uri *u, const struct route **ret,
    const char **ret_id, char *allow, size_t n)
{
	const char *want = strcmp(method, "HEAD") == 0 ? "GET" : method;
	size_t i;

	allow[0] = '\0';
	if (u->n_parts < 3 || strcmp(u->parts[0], "api") != 0 ||
	    strcmp(u->parts[1], "v1") != 0)
		return ROUTE_UNKNOWN;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (!pattern_match(table[i].pattern, u, ret_id))
			continue;
		if (strcmp(table[i].method, want) == 0) {
			*ret = &table[i];
			return ROUTE_FOUND;
		}
		allow_add(allow, n, table[i].method);
		if (strcmp(table[i].method, "GET") == 0)
			allow_add(allow, n, "HEAD");
	}
	if (allow[0] == '\0')
		return ROUTE_UNKNOWN;
	allow_add(allow, n, "OPTIONS");
	return ROUTE_BAD_METHOD;
}

/* --- args ---------------------------------------------------------------- */

static json_t *
words_array(const char *text)
{
	json_t *list = json_array();

	while (*text != '\0') {
		size_t n = strcspn(text, ",");

		if (n > 0 && json_array_append_new(list,
		    json_stringn(text, n)) < 0) {
			json_decref(list);
			return NULL;
		}
		text += n + (text[n] == ',');
	}
	return list;
}

static int
query_value(const struct route_query *q, const char *text, json_t **ret,
    struct av_err *err)
{
	uint64_t v;

	if (q->type == 'l') {
		*ret = words_array(text);
	} else if (q->type == 'i') {
		if (av_parse_u64(text, &v) < 0 || v > INT64_MAX)
			return av_err_code(err, -EINVAL, "bad-argument",
			    "'%s' takes a number", q->name);
		*ret = json_integer((json_int_t)v);
	} else {
		bool on = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;

		if (!on && strcmp(text, "0") != 0 && strcmp(text, "false") != 0)
			return av_err_code(err, -EINVAL, "bad-argument",
			    "'%s' takes 'true' or 'false'", q->name);
		*ret = json_boolean(on);
	}
	return *ret != NULL ? 0 :
	    av_err_code(err, -ENOMEM, "internal", "no memory");
}

/* Every key of the query must be one that the route knows. */
static int
query_args(const struct route *r, const struct uri *u, json_t *args,
    struct av_err *err)
{
	unsigned i, k;

	for (i = 0; i < u->n_args; i++) {
		const struct route_query *q = NULL;
		json_t *v;
		int rc;

		if (strcmp(u->args[i].key, "lang") == 0)
			continue;
		for (k = 0; k < ARRAY_SIZE(r->query) && q == NULL; k++)
			if (r->query[k].name != NULL &&
			    strcmp(r->query[k].name, u->args[i].key) == 0)
				q = &r->query[k];
		if (q == NULL)
			return av_err_code(err, -EINVAL, "bad-argument",
			    "unknown query key '%.64s'", u->args[i].key);
		if (json_object_get(args, q->key) != NULL)
			return av_err_code(err, -EINVAL, "bad-argument",
			    "'%s' is given twice", q->name);
		rc = query_value(q, u->args[i].value, &v, err);
		if (rc < 0)
			return rc;
		if (json_object_set_new(args, q->key, v) < 0)
			return av_err_code(err, -ENOMEM, "internal",
			    "no memory");
	}
	return 0;
}

bool
route_depth_ok(const char *json, size_t n)
{
	unsigned depth = 0;
	bool in_text = false;
	size_t i;

	for (i = 0; i < n; i++) {
		char c = json[i];

		if (in_text && c == '\\')
			i++;
		else if (c == '"')
			in_text = !in_text;
		else if (!in_text && (c == '{' || c == '[')) {
			if (++depth > ROUTE_DEPTH_MAX)
				return false;
		} else if (!in_text && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return true;
}

static int
path_arg(json_t *args, const char *key, const char *value, struct av_err *err)
{
	if (key == NULL)
		return 0;
	if (json_object_get(args, key) != NULL)
		return av_err_code(err, -EINVAL, "bad-argument", "'%s' stands "
		    "in the path and may not be in the body", key);
	if (json_object_set_new(args, key, json_string(value)) < 0)
		return av_err_code(err, -ENOMEM, "internal", "no memory");
	return 0;
}

int
route_args(const struct route *r, const struct uri *u, const char *id,
    json_t *body, json_t **ret_args, struct av_err *err)
{
	AUTO_JSON json_t *args = NULL;
	int rc;

	if (body != NULL && r->body == BODY_NONE)
		return av_err_code(err, -EINVAL, "bad-request",
		    "this request takes no body");
	if (body == NULL && r->body == BODY_REQUIRED)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a JSON object is needed as the body");
	args = body != NULL ? json_copy(body) : json_object();
	if (args == NULL)
		return av_err_code(err, -ENOMEM, "internal", "no memory");
	rc = path_arg(args, r->path_key, id, err);
	if (rc == 0 && r->action != NULL)
		rc = path_arg(args, "action", r->action, err);
	if (rc == 0)
		rc = query_args(r, u, args, err);
	if (rc < 0)
		return rc;
	*ret_args = TAKE_PTR(args);
	return 0;
}

/* --- roles --------------------------------------------------------------- */

enum role
role_parse(const char *word)
{
	static const struct { const char *word; enum role role; } words[] = {
		{ "read-only", ROLE_READ }, { "vm-manager", ROLE_VM },
		{ "platform-manager", ROLE_PLATFORM },
		{ "administrator", ROLE_ADMIN },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].role;
	return ROLE_NONE;
}

bool
role_allows(const struct route *r, const char *id, const char *user,
    enum role have)
{
	if (r->role == ROLE_NONE)
		return true;
	if (r->role == ROLE_OWNER)
		return have >= ROLE_ADMIN || (have >= ROLE_READ &&
		    id != NULL && strcmp(id, user) == 0);
	return have >= r->role;
}
