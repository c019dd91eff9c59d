/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/control_ops.c - what a request asks for, and its answer
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeagent/command.h"
#include "nodeagent/command_args.h"
#include "nodeagent/control_impl.h"
#include "nodeagent/store_sql.h"
#include "nodeagent/view_impl.h"

#define ARGS_NONE	{ NULL, ARG_END, 0, 0, NULL }

struct request {
	struct client	*client;
	struct control	*control;
	const json_t	*id;		/* NULL = null */
	const char	*op;
	json_t		*args;
	json_t		*actor;
	enum role	 role;
	const json_t	*facts[STORE_NODES];
	int		 self;
};

/* --- answers --- */

static json_t *
id_json(const json_t *id)
{
	return id != NULL ? json_incref((json_t *)(uintptr_t)id) : json_null();
}

/* 'result' is borrowed; NULL is {} */
static void
answer_ok(struct client *cl, const json_t *id, json_t *result)
{
	AUTO_JSON json_t *msg = json_pack("{s:o, s:b, s:o}", "id", id_json(id),
	    "ok", 1, "result", result != NULL ? json_incref(result) :
	    json_object());

	client_send(cl, msg);
}

static void
answer_error(struct client *cl, const json_t *id, const struct av_err *err,
    json_t *params)
{
	AUTO_JSON json_t *msg = json_pack("{s:o, s:b, s:{s:s, s:s, s:o, s:s}}",
	    "id", id_json(id), "ok", 0, "error", "code",
	    err->code[0] != '\0' ? err->code : "internal", "text", err->text,
	    "params", json_is_object(params) ? json_incref(params) :
	    json_object(), "outcome",
	    err->outcome == AV_MAYBE ? "maybe" : "not-done");

	client_send(cl, msg);
}

static void
answer(struct request *rq, int rc, json_t *result, const struct av_err *err)
{
	if (rc == 0)
		answer_ok(rq->client, rq->id, result);
	else
		answer_error(rq->client, rq->id, err, result);
}

/* --- ordering --- */

static void missed_add(struct control *c, const json_t *cmd,
    const struct av_err *err);

static void
pending_free(struct pending *p)
{
	struct pending **at;

	if (p->control != NULL)
		for (at = &p->control->pending; *at != NULL; at = &(*at)->next)
			if (*at == p) {
				*at = p->next;
				break;
			}
	json_decref(p->id);
	json_decref(p->cmd);
	free(p);
}

/*
 * A refusal without params: was it the database's (recorded there, has params) or
 * the ordering's (recorded nowhere)?  Trying it again tells: the database refuses
 * it for the same reason.  The params, or NULL = the ordering's.
 */
static json_t *
refusal_params(struct pending *p, const struct av_err *err)
{
	struct av_err again = { 0 };
	json_t *params = NULL;
	int rc = store_try(p->control->st, p->cmd, &params, &again);

	if (rc < 0 && strcmp(again.code, err->code) == 0)
		return params;
	json_decref(params);
	return NULL;
}

static void
on_done(void *arg, int rc, json_t *result, const struct av_err *err)
{
	AUTO_JSON json_t *params = NULL;
	struct pending *p = arg;
	struct av_err none = { .rc = rc, .code = "internal",
		.text = "the command failed" };

	if (err == NULL)
		err = &none;
	if (rc < 0 && result == NULL && p->control != NULL && !p->is_audit &&
	    err->outcome == AV_NOT_DONE) {
		result = params = refusal_params(p, err);
		if (params == NULL)
			missed_add(p->control, p->cmd, err);
	}
	if (p->client != NULL) {
		p->client->n_pending--;
		if (rc == 0)
			answer_ok(p->client, p->id, result);
		else
			answer_error(p->client, p->id, err, result);
	}
	pending_free(p);
}

static int
stamp(struct control *c, json_t *cmd, const json_t *const facts[2], int self)
{
	char cmd_id[96];

	(void)snprintf(cmd_id, sizeof(cmd_id), "node%d-%s-c%" PRIu64, self,
	    c->boot, ++c->n_commands);
	return command_stamp(cmd, c->st, facts, self, av_clock_utc_ms(), cmd_id);
}

/* Hands a stamped command over.  < 0: 'done' won't come, err says why. */
static int
submit(struct control *c, struct client *cl, const json_t *id, json_t *cmd,
    bool is_audit, struct av_err *err)
{
	struct pending *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return av_err_code(err, -ENOMEM, "internal", "no memory");
	p->control = c;
	p->client = cl;
	p->id = id_json(id);
	p->cmd = json_incref(cmd);
	p->is_audit = is_audit;
	p->next = c->pending;
	c->pending = p;
	if (cl != NULL)
		cl->n_pending++;
	rc = c->ops.submit(c->ops.ctx, cmd, on_done, p, err);
	if (rc < 0) {
		if (cl != NULL)
			cl->n_pending--;
		pending_free(p);
	}
	return rc;
}

/* --- audit of what didn't get as far as the database --- */

static const char *
text_of(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL ? s : "";
}

static const char *
object_of(const json_t *args)
{
	static const char *const keys[] = { "vm", "volume", "user", "name" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_string_length(json_object_get(args, keys[i])) > 0)
			return text_of(args, keys[i]);
	return "";
}

static void
copy_text(char *buf, size_t n, const char *s)
{
	(void)snprintf(buf, n, "%s", s);
	av_utf8_trim(buf);
}

/* An audit.add command for 'cmd' that came to nothing. */
static json_t *
audit_command(const json_t *cmd, const char *result, const char *detail)
{
	const json_t *actor = json_object_get(cmd, "actor");
	char object[256], user[256], role[33], origin[129], via[33], op[65];

	copy_text(object, sizeof(object),
	    object_of(json_object_get(cmd, "args")));
	copy_text(user, sizeof(user), text_of(actor, "user"));
	copy_text(role, sizeof(role), text_of(actor, "role"));
	copy_text(origin, sizeof(origin), text_of(actor, "origin"));
	copy_text(via, sizeof(via), text_of(actor, "via"));
	copy_text(op, sizeof(op), text_of(cmd, "op"));
	return json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:s}, s:{s:s, s:s, s:s,"
	    " s:s}}", "op", "audit.add", "args", "action", op, "object", object,
	    "result", result, "detail", detail, "role", role, "actor", "user",
	    user, "role", "system", "origin", origin, "via", via);
}

static void
keep_missed(struct control *c, json_t *audit)
{
	if (json_array_size(c->missed) >= CONTROL_MISSED_MAX) {
		(void)json_array_remove(c->missed, 0);
		c->n_missed_lost++;
		log_warn("control", "an audit line was lost (%u so far): too many while nothing can be recorded",
		    c->n_missed_lost);
	}
	(void)json_array_append(c->missed, audit);
}

static int
audit_submit(struct control *c, json_t *audit)
{
	int self = c->ops.self(c->ops.ctx);
	const json_t *facts[STORE_NODES];
	int n;

	for (n = 0; n < STORE_NODES; n++)
		facts[n] = c->ops.facts(c->ops.ctx, n);
	if (stamp(c, audit, facts, self) < 0)
		return -ENOMEM;
	return submit(c, NULL, NULL, audit, true, NULL);
}

static void
missed_add(struct control *c, const json_t *cmd, const struct av_err *err)
{
	AUTO_JSON json_t *audit = NULL;
	char detail[480], at[32];

	av_clock_format_utc(av_clock_utc_ms(), at, sizeof(at));
	copy_text(detail, sizeof(detail), err->text);
	(void)snprintf(detail + strlen(detail),
	    sizeof(detail) - strlen(detail), " (asked at %s)", at);
	audit = audit_command(cmd, "refused", detail);
	log_notice("control", "%s by '%s' was refused: %s", text_of(cmd, "op"),
	    text_of(json_object_get(cmd, "actor"), "user"), err->text);
	if (audit != NULL)
		keep_missed(c, audit);
}

/* Refused before it was ordered: recorded now if that works, else later. */
static void
audit_now(struct control *c, const json_t *cmd, const char *result,
    const char *detail)
{
	AUTO_JSON json_t *audit = audit_command(cmd, result, detail);

	if (audit != NULL && audit_submit(c, audit) < 0)
		keep_missed(c, audit);
}

void
control_missed_flush(struct control *c)
{
	while (json_array_size(c->missed) > 0) {
		AUTO_JSON json_t *audit = json_incref(
		    json_array_get(c->missed, 0));

		if (audit_submit(c, audit) < 0)
			return;		/* not yet after all */
		(void)json_array_remove(c->missed, 0);
	}
}

/* --- the operations --- */

static void
op_command(struct request *rq)
{
	AUTO_JSON json_t *cmd = json_pack("{s:s, s:O, s:O}", "op", rq->op,
	    "args", rq->args, "actor", rq->actor);
	AUTO_JSON json_t *result = NULL;
	struct av_err err = { 0 };
	int rc;

	if (cmd == NULL) {
		(void)av_err_code(&err, -ENOMEM, "internal", "no memory");
		answer_error(rq->client, rq->id, &err, NULL);
		return;
	}
	rc = command_check(cmd, &result, &err);
	if (rc < 0) {
		audit_now(rq->control, cmd, "refused", err.text);
		answer(rq, rc, result, &err);
		return;
	}
	if (stamp(rq->control, cmd, rq->facts, rq->self) < 0) {
		(void)av_err_code(&err, -ENOMEM, "internal", "no memory");
		answer(rq, -ENOMEM, NULL, &err);
		return;
	}
	if (json_is_true(json_object_get(rq->args, "dry_run"))) {
		rc = store_try(rq->control->st, cmd, &result, &err);
		err.outcome = AV_NOT_DONE;	/* nothing was tried */
		answer(rq, rc, result, &err);
		return;
	}
	rc = submit(rq->control, rq->client, rq->id, cmd, false, &err);
	if (rc < 0) {
		missed_add(rq->control, cmd, &err);
		answer(rq, rc, NULL, &err);
	}
}

static void
op_read(struct request *rq)
{
	AUTO_JSON json_t *result = NULL;
	struct av_err err = { 0 };
	int rc = view_read(rq->control->st, rq->facts, rq->self, rq->op,
	    rq->args, rq->actor, &result, &err);

	answer(rq, rc, result, &err);
}

static void
op_subscribe(struct request *rq)
{
	static const struct arg_spec none[] = { ARGS_NONE };
	AUTO_JSON json_t *params = NULL;
	struct av_err err = { 0 };
	int rc = args_check(none, rq->args, false, &params, &err);

	if (rc == 0)
		rq->client->subscribed = true;
	answer(rq, rc, params, &err);
}

/* --- a guest's screen --- */

static int
vnc_find(struct request *rq, json_t **ret_params, struct store_vm *ret,
    struct av_err *err)
{
	const char *ref = text_of(rq->args, "vm");
	struct vm_state state;
	char id[STORE_ID_MAX];
	int64_t n;
	int rc = store_find(rq->control->st, KIND_VM, ref, &n, err);

	if (rc < 0) {
		*ret_params = json_pack("{s:s, s:s}", "kind", "VM", "name",
		    ref);
		return rc;
	}
	store_id_format(KIND_VM, n, id, sizeof(id));
	rc = store_get_vm(rq->control->st, id, ret);
	if (rc < 0)
		return av_err_code(err, rc, "internal", "can't read %s", id);
	view_vm_state(rq->control->st, rq->facts, rq->self, ret, &state);
	if (state.commands & VM_CMD_CONSOLE)
		return 0;
	*ret_params = json_pack("{s:s, s:s, s:s}", "name", ret->name,
	    "activity", view_vm_activity_name(state.activity), "command",
	    "console");
	return av_err_code(err, -EBUSY, "wrong-state",
	    "VM '%.120s' is %s, so it has no screen now: start it first",
	    ret->name, view_vm_activity_name(state.activity));
}

/* {vm, node, path}: 'path' is null when the guest runs on the other PM. */
static void
op_vnc(struct request *rq)
{
	static const struct arg_spec specs[] = {
		{ "vm", ARG_REF, ARG_NEEDED, 0, NULL }, ARGS_NONE };
	AUTO_JSON json_t *result = NULL;
	struct av_err err = { 0 };
	struct store_vm vm;
	char path[256];
	int rc;

	if (rq->role < ROLE_VM_MANAGER)
		rc = role_forbids(rq->op, rq->actor, ROLE_VM_MANAGER, &result,
		    &err);
	else
		rc = args_check(specs, rq->args, false, &result, &err);
	if (rc == 0)
		rc = vnc_find(rq, &result, &vm, &err);
	if (rc == 0 && vm.node == rq->self) {
		rc = rq->control->ops.vnc_path == NULL ? -EOPNOTSUPP :
		    rq->control->ops.vnc_path(rq->control->ops.ctx, vm.id,
		    path, sizeof(path), &err);
		if (rc == 0)
			result = json_pack("{s:s, s:s, s:s}", "vm", vm.id,
			    "node", rq->self == 0 ? "node0" : "node1", "path",
			    path);
	} else if (rc == 0) {
		result = json_pack("{s:s, s:s, s:n}", "vm", vm.id, "node",
		    vm.node == 0 ? "node0" : "node1", "path");
	}
	answer(rq, rc, result, &err);
}

/* --- the operator's word --- */

/* What a dry run can tell; the core looks again when it is really asked. */
static int
takeover_possible(struct request *rq, struct av_err *err)
{
	const char *role = view_role(rq->facts, rq->self, rq->self);
	bool split = strcmp(role, "split") == 0;

	if (!split && strcmp(role, "frozen") != 0 &&
	    strcmp(role, "waiting") != 0)
		return av_err_code(err, -EPERM, "wrong-state",
		    "this PM is '%s': there is nothing to take over", role);
	if (split && view_node_online(rq->facts, rq->self, 1 - rq->self))
		return av_err_code(err, -EPERM, "wrong-state",
		    "both PMs ran alone and both are there: choose what is kept with 'avcli split resolve'");
	if (view_node_online(rq->facts, rq->self, 1 - rq->self))
		return av_err_code(err, -EPERM, "wrong-state",
		    "the other PM shows signs of life: taking over could run guests twice");
	return 0;
}

/* What the person gives up by it, as far as this PM can know. */
static json_t *
takeover_cost(struct request *rq, bool dry_run)
{
	const json_t *role = json_object_get(rq->facts[rq->self], "role");
	const json_t *volumes = json_object_get(rq->facts[rq->self],
	    "volumes");
	json_t *old = json_array(), *v;
	struct store_volume row;
	char text[400];
	const char *id;

	json_object_foreach((json_t *)(uintptr_t)volumes, id, v)
		if (strcmp(text_of(v, "disk"), "uptodate") != 0 &&
		    store_get_volume(rq->control->st, id, &row) == 0)
			(void)json_array_append_new(old, json_pack(
			    "{s:s,s:s,s:s}", "id", id, "name", row.name,
			    "disk", text_of(v, "disk")));
	(void)snprintf(text, sizeof(text), "What the other PM wrote after "
	    "generation %" JSON_INTEGER_FORMAT " is lost; %zu volumes here "
	    "aren't up to date. %s", json_integer_value(json_object_get(role,
	    "generation")), json_array_size(old),
	    text_of(json_object_get(role, "reason"), "text"));
	av_utf8_trim(text);
	return json_pack("{s:b,s:s,s:o}", "dry_run", dry_run, "text", text,
	    "volumes", old);
}

static void
op_takeover(struct request *rq)
{
	static const struct arg_spec specs[] = {
		{ "confirm", ARG_BOOL, ARG_NEEDED, 0, NULL },
		{ "dry_run", ARG_BOOL, 0, 0, NULL }, ARGS_NONE };
	bool dry_run = json_is_true(json_object_get(rq->args, "dry_run"));
	AUTO_JSON json_t *cmd = json_pack("{s:s, s:O, s:O}", "op", rq->op,
	    "args", rq->args, "actor", rq->actor);
	AUTO_JSON json_t *params = NULL;
	struct av_err err = { 0 };
	int rc;

	if (rq->role < ROLE_ADMINISTRATOR)
		rc = role_forbids(rq->op, rq->actor, ROLE_ADMINISTRATOR,
		    &params, &err);
	else
		rc = args_check(specs, rq->args, false, &params, &err);
	if (rc == 0 && !json_is_true(json_object_get(rq->args, "confirm")))
		rc = av_err_code(&err, -EINVAL, "bad-argument",
		    "argument 'confirm' must be true: first make sure that the other PM is off, what only it has would be lost");
	if (rc == 0 && rq->control->ops.takeover == NULL)
		rc = av_err_code(&err, -EOPNOTSUPP, "wrong-state",
		    "this agent can't take over by hand");
	if (dry_run) {
		if (rc == 0)
			rc = takeover_possible(rq, &err);
		if (rc == 0)
			params = takeover_cost(rq, true);
		answer(rq, rc, params, &err);
		return;
	}
	if (rc == 0) {
		params = takeover_cost(rq, false);
		rc = rq->control->ops.takeover(rq->control->ops.ctx, rq->actor,
		    &err);
	}
	if (cmd != NULL)
		audit_now(rq->control, cmd, rc == 0 ? "started" : "refused",
		    rc == 0 ? text_of(params, "text") : err.text);
	answer(rq, rc, params, &err);
}

static void
op_split(struct request *rq)
{
	static const struct arg_spec specs[] = {
		{ "object", ARG_REF, ARG_NEEDED, 0, NULL },
		{ "keep", ARG_NODE, ARG_NEEDED, 0, NULL },
		{ "dry_run", ARG_BOOL, 0, 0, NULL }, ARGS_NONE };
	bool dry_run = json_is_true(json_object_get(rq->args, "dry_run"));
	AUTO_JSON json_t *cmd = json_pack("{s:s, s:{s:O*}, s:O}", "op", rq->op,
	    "args", "name", json_object_get(rq->args, "object"), "actor",
	    rq->actor);
	AUTO_JSON json_t *result = NULL;
	const char *keep = text_of(rq->args, "keep");
	struct av_err err = { 0 };
	char detail[200];
	int rc;

	if (rq->role < ROLE_ADMINISTRATOR)
		rc = role_forbids(rq->op, rq->actor, ROLE_ADMINISTRATOR,
		    &result, &err);
	else
		rc = args_check(specs, rq->args, false, &result, &err);
	if (rc == 0 && rq->control->ops.split == NULL)
		rc = av_err_code(&err, -EOPNOTSUPP, "wrong-state",
		    "this agent can't resolve a split");
	if (rc == 0)
		rc = rq->control->ops.split(rq->control->ops.ctx,
		    text_of(rq->args, "object"), strcmp(keep, "node1") == 0,
		    dry_run, &result, &err);
	(void)snprintf(detail, sizeof(detail), "keep what %s holds; what only "
	    "the other PM has is discarded", keep);
	if (cmd != NULL && !dry_run)
		audit_now(rq->control, cmd, rc == 0 ? "started" : "refused",
		    rc == 0 ? detail : err.text);
	answer(rq, rc, result, &err);
}

/* --- what it asks for --- */

static const struct { const char *name; void (*run)(struct request *rq); }
special_ops[] = {
	{ "event.subscribe", op_subscribe }, { "vm.vnc", op_vnc },
	{ "unit.takeover", op_takeover }, { "split.resolve", op_split },
};

static int
request_shape(struct request *rq, const json_t *msg, struct av_err *err)
{
	static const char *const known[] = { "id", "op", "args", "actor" };
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)msg, key, value) {
		for (i = 0; i < ARRAY_SIZE(known); i++)
			if (strcmp(known[i], key) == 0)
				break;
		if (i == ARRAY_SIZE(known))
			return av_err_code(err, -EINVAL, "bad-request",
			    "the request has an unknown member '%.64s'", key);
	}
	if (rq->id == NULL || !json_is_integer(rq->id))
		return av_err_code(err, -EINVAL, "bad-request",
		    "the request's 'id' must be a whole number");
	if (rq->op == NULL)
		return av_err_code(err, -EINVAL, "bad-request",
		    "the request has no 'op'");
	if (!json_is_object(rq->args))
		return av_err_code(err, -EINVAL, "bad-request",
		    "the request's 'args' must be an object");
	return 0;
}

static int
request_open(struct request *rq, const json_t *msg, struct av_err *err)
{
	int rc = request_shape(rq, msg, err);

	if (rc < 0)
		return rc;
	rc = actor_check(rq->actor, &rq->role, err);
	if (rc < 0)
		return rc;
	if (rq->role == ROLE_SYSTEM)
		return av_err_code(err, -EPERM, "forbidden",
		    "the role 'system' is the agents' own");
	if (rq->client->n_pending >= CONTROL_PENDING_MAX)
		return av_err_code(err, -EBUSY, "busy",
		    "%u requests of this connection are unanswered: wait for one",
		    rq->client->n_pending);
	return 0;
}

void
control_request(struct client *cl, const json_t *msg)
{
	AUTO_JSON json_t *no_args = json_object();
	struct control *c = cl->control;
	struct request rq = { .client = cl, .control = c,
		.id = json_object_get(msg, "id"),
		.op = json_string_value(json_object_get(msg, "op")),
		.args = json_object_get(msg, "args"),
		.actor = json_object_get(msg, "actor"),
		.self = c->ops.self(c->ops.ctx) };
	struct av_err err = { 0 };
	size_t i;
	int n, rc;

	if (rq.args == NULL)
		rq.args = no_args;
	if (rq.id != NULL && !json_is_integer(rq.id))
		rq.id = NULL;		/* isn't repeated in the answer */
	rc = request_open(&rq, msg, &err);
	if (rc < 0) {
		answer_error(cl, rq.id, &err, NULL);
		return;
	}
	for (n = 0; n < STORE_NODES; n++)
		rq.facts[n] = c->ops.facts(c->ops.ctx, n);
	for (i = 0; i < ARRAY_SIZE(special_ops); i++)
		if (strcmp(special_ops[i].name, rq.op) == 0) {
			special_ops[i].run(&rq);
			return;
		}
	if (view_op_exists(rq.op)) {
		op_read(&rq);
	} else if (command_exists(rq.op)) {
		op_command(&rq);
	} else {
		(void)av_err_code(&err, -EINVAL, "bad-request",
		    "there is no operation '%.64s'", rq.op);
		answer_error(cl, rq.id, &err, NULL);
	}
}
