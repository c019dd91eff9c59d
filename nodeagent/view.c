/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view.c - reading operations: who may ask, and which view answers
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "nodeagent/command_args.h"
#include "nodeagent/split.h"
#include "nodeagent/view_impl.h"

#define AUDIT_LIMIT_DEFAULT	100u
#define AUDIT_LIMIT_MAX		1000u

/* --- reading facts --- */

const char *
view_node_name(int node)
{
	return node == 0 ? "node0" : "node1";
}

json_t *
view_node_json(int node)
{
	return node < 0 ? json_null() : json_string(view_node_name(node));
}

json_t *
view_time(int64_t utc_ms)
{
	char text[32];

	if (utc_ms <= 0)
		return json_null();
	av_clock_format_utc(utc_ms, text, sizeof(text));
	return json_string(text);
}

const char *
view_text(const json_t *obj, const char *a, const char *b)
{
	const json_t *value = json_object_get(obj, a);
	const char *s;

	if (b != NULL)
		value = json_object_get(value, b);
	s = json_string_value(value);
	return s != NULL ? s : "";
}

json_t *
view_copy(const json_t *obj, const char *key)
{
	json_t *value = json_object_get(obj, key);

	return value != NULL ? json_incref(value) : json_null();
}

json_t *
view_reason(const char *code, const char *text)
{
	return json_pack("{s:s, s:s}", "code", code, "text", text);
}

bool
view_node_online(const json_t *const facts[2], int self, int node)
{
	const json_t *signs = json_object_get(facts[self], "signs"), *beat;
	size_t i;

	if (facts[node] == NULL)
		return false;
	if (node == self || !json_is_object(signs))
		return true;
	json_array_foreach(json_object_get(signs, "heartbeats"), i, beat)
		if (strcmp(view_text(beat, "state", NULL), "up") == 0)
			return true;
	return json_is_true(json_object_get(signs, "corosync")) ||
	    json_is_true(json_object_get(signs, "agent")) ||
	    json_is_true(json_object_get(signs, "mirror"));
}

const json_t *
view_heard(const json_t *const facts[2], int self, int node)
{
	return view_node_online(facts, self, node) ? facts[node] : NULL;
}

const char *
view_role(const json_t *const facts[2], int self, int node)
{
	return view_text(view_heard(facts, self, node), "role", "state");
}

bool
view_together(const json_t *const facts[2], int self)
{
	return strcmp(view_role(facts, self, 0), "together") == 0 &&
	    strcmp(view_role(facts, self, 1), "together") == 0;
}

/* --- the operations --- */

struct ask {
	const struct store *st;
	const json_t *const *facts;
	int		 self;
	const json_t	*args;
	json_t		**ret;
	struct av_err	*err;
};

static int
answer(struct ask *a, json_t *result)
{
	*a->ret = result;
	return result != NULL ? 0 : av_err_code(a->err, -EIO, "internal",
	    "the database could not be read");
}

static int
op_unit(struct ask *a)
{
	struct store_unit unit;

	if (store_get_unit(a->st, &unit) < 0)
		return av_err_code(a->err, -EAGAIN, "unavailable",
		    "there is no unit yet");
	return answer(a, view_unit(a->st, a->facts, a->self));
}

static int
op_nodes(struct ask *a)
{
	return answer(a, view_nodes(a->st, a->facts, a->self));
}

static int
op_vms(struct ask *a)
{
	return answer(a, view_vms(a->st, a->facts, a->self));
}

static int
op_vm(struct ask *a)
{
	const char *ref = view_text(a->args, "vm", NULL);
	int rc = view_vm(a->st, a->facts, a->self, ref, a->ret, a->err);

	if (rc == -ENOENT)
		*a->ret = json_pack("{s:s, s:s}", "kind", "VM", "name", ref);
	return rc;
}

static int
op_volumes(struct ask *a)
{
	return answer(a, view_volumes(a->st, a->facts, a->self));
}

static int
op_split(struct ask *a)
{
	return answer(a, split_info(a->st, a->facts, a->self));
}

static int
op_quorum(struct ask *a)
{
	return answer(a, view_quorum(a->st, a->facts, a->self));
}

static int
op_networks(struct ask *a)
{
	return answer(a, view_networks(a->st, a->facts, a->self));
}

static int
op_groups(struct ask *a)
{
	return answer(a, view_storage_groups(a->st));
}

static int
op_images(struct ask *a)
{
	return answer(a, view_images(a->facts, a->self));
}

static int
op_alerts(struct ask *a)
{
	return answer(a, view_alerts(a->st));
}

static int
op_audit(struct ask *a)
{
	const json_t *limit = json_object_get(a->args, "limit");

	return answer(a, view_audit(a->st, json_is_integer(limit) ?
	    (unsigned)json_integer_value(limit) : AUDIT_LIMIT_DEFAULT,
	    json_integer_value(json_object_get(a->args, "before"))));
}

static int
op_users(struct ask *a)
{
	return answer(a, view_users(a->st));
}

static int
op_user(struct ask *a)
{
	const char *name = view_text(a->args, "name", NULL);
	json_t *user = view_user(a->st, name);

	if (user != NULL)
		return answer(a, user);
	*a->ret = json_pack("{s:s, s:s}", "kind", "user", "name", name);
	return av_err_code(a->err, -ENOENT, "not-found",
	    "there is no user '%s'", name);
}

#define END	{ NULL, ARG_END, 0, 0, NULL }
static const struct arg_spec no_args[] = { END };
static const struct arg_spec vm_args[] = {
	{ "vm", ARG_REF, ARG_NEEDED, 0, NULL }, END };
static const struct arg_spec name_args[] = {
	{ "name", ARG_REF, ARG_NEEDED, 0, NULL }, END };
static const struct arg_spec audit_args[] = {
	{ "limit", ARG_UINT, 0, AUDIT_LIMIT_MAX, NULL },
	{ "before", ARG_UINT, 0, 0, NULL }, END };

static const struct view_op {
	const char		*name;
	enum role		 role;
	const struct arg_spec	*args;
	int			(*read)(struct ask *a);
} ops[] = {
	{ "unit.info", ROLE_READ_ONLY, no_args, op_unit },
	{ "node.list", ROLE_READ_ONLY, no_args, op_nodes },
	{ "vm.list", ROLE_READ_ONLY, no_args, op_vms },
	{ "vm.get", ROLE_READ_ONLY, vm_args, op_vm },
	{ "volume.list", ROLE_READ_ONLY, no_args, op_volumes },
	{ "split.info", ROLE_READ_ONLY, no_args, op_split },
	{ "quorum.list", ROLE_READ_ONLY, no_args, op_quorum },
	{ "network.list", ROLE_READ_ONLY, no_args, op_networks },
	{ "storage-group.list", ROLE_READ_ONLY, no_args, op_groups },
	{ "image.list", ROLE_READ_ONLY, no_args, op_images },
	{ "alert.list", ROLE_READ_ONLY, no_args, op_alerts },
	{ "audit.list", ROLE_READ_ONLY, audit_args, op_audit },
	{ "user.list", ROLE_ADMINISTRATOR, no_args, op_users },
	/* the password's hash: for the console's login alone */
	{ "user.get", ROLE_SYSTEM, name_args, op_user },
};

static const struct view_op *
op_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (strcmp(ops[i].name, name) == 0)
			return &ops[i];
	return NULL;
}

bool
view_op_exists(const char *op)
{
	return op_find(op) != NULL;
}

int
view_read(const struct store *st, const json_t *const facts[2], int self,
    const char *op, const json_t *args, const json_t *actor,
    json_t **ret_result, struct av_err *err)
{
	struct ask a = { st, facts, self, args, ret_result, err };
	const struct view_op *vo = op_find(op);
	enum role role;
	bool may;
	int rc;

	*ret_result = NULL;
	if (vo == NULL)
		return -ENOSYS;
	rc = actor_check(actor, &role, err);
	if (rc < 0)
		return rc;
	/* only the console itself reads hashes, and it reads nothing else */
	may = vo->role == ROLE_SYSTEM ? role == ROLE_NONE || role == ROLE_SYSTEM :
	    role >= vo->role;
	if (!may)
		return role_forbids(op, actor, vo->role, ret_result, err);
	rc = args_check(vo->args, args, false, ret_result, err);
	return rc < 0 ? rc : vo->read(&a);
}
