/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/run_change.c - commands that change VMs and volumes
 *
 * Names go to the server as they were typed, also those that don't exist: it
 * refuses them and writes that into the audit log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/api.h"
#include "avcli/args.h"
#include "avcli/change.h"
#include "avcli/codeset.h"
#include "avcli/conn.h"
#include "avcli/files.h"
#include "avcli/vmspec.h"
#include "base/cleanup.h"
#include "base/str.h"

#define NAME_FILE_MAX_BYTES	(4u * 1024 * 1024)

/* One operand and what became of it. */
struct target {
	const char	*name;		/* as typed */
	json_t		*result;	/* the server's, or NULL */
	json_t		*object;	/* before, or after the wait; or NULL */
	struct cli_err	 err;		/* .exit 0 = done */
};

static int
no_memory(struct cli_err *err)
{
	return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
}

/* What the server remarks about a change that it made. */
static void
print_warnings(const struct cli *cli, const json_t *result)
{
	const json_t *list = json_object_get(result, "warnings"), *w;
	size_t i;

	if (cli->quiet)
		return;
	json_array_foreach(list, i, w) {
		const char *text = json_is_string(w) ? json_string_value(w) :
		    json_string_value(json_object_get(w, "text"));

		if (text != NULL)
			cli_warn("%s", text);
	}
}

static const char *
text_from(const struct target *t, const char *key)
{
	const char *s = json_string_value(json_object_get(t->result, key));

	return s != NULL ? s :
	    json_string_value(json_object_get(t->object, key));
}

static int
target_add(struct doc *root, const struct cli *cli, const struct kind *kind,
    const struct target *t)
{
	struct doc *d = doc_add_group(root, kind->element);
	const char *name = text_from(t, "name"), *id = text_from(t, "id");
	const char *activity = json_string_value(json_object_get(t->object,
	    "activity"));
	bool ok = d != NULL && doc_add_value(d, "name",
	    name != NULL ? name : t->name, DOC_PLAIN) != NULL;

	if (ok && id != NULL)
		ok = doc_add_value(d, "id", id, DOC_PLAIN) != NULL;
	if (ok && activity != NULL)
		ok = doc_add_value(d, "state", activity, DOC_PLAIN) != NULL;
	if (ok && cli->dry_run)
		ok = doc_add_value(d, "dry-run", "true", DOC_PLAIN) != NULL;
	if (ok && t->err.exit != EXIT_OK)
		ok = error_add(d, &t->err) == 0;
	return ok ? 0 : -1;
}

static json_t *
target_json(const struct target *t)
{
	return json_pack("{s:s, s:b, s:O*, s:O*, s:o*}", "operand", t->name,
	    "ok", t->err.exit == EXIT_OK, "result", t->result, "object",
	    t->object, "error", t->err.exit != EXIT_OK ?
	    cli_err_json(&t->err) : NULL);
}

static int
answer_targets_json(struct cli *cli, const struct target *t, size_t n,
    struct cli_err *err)
{
	AUTO_JSON json_t *list = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		if (json_array_append_new(list, target_json(&t[i])) < 0)
			return no_memory(err);
	return answer_json(cli, list, err);
}

/* In text, what failed is on stderr alone. */
static int
answer_targets(struct cli *cli, const struct kind *kind,
    const struct target *t, size_t n, struct cli_err *err)
{
	struct doc *root;
	size_t i;

	if (cli->mode == OUT_JSON)
		return answer_targets_json(cli, t, n, err);
	if (cli->quiet && cli->mode == OUT_TEXT)
		return 0;
	root = doc_group("avpair");
	for (i = 0; i < n && root != NULL; i++) {
		if (cli->mode == OUT_TEXT && t[i].err.exit != EXIT_OK)
			continue;
		if (target_add(root, cli, kind, &t[i]) < 0)
			root = doc_free(root);
	}
	return answer_doc(cli, root, err);
}

/* --- a change to each operand --- */

/* The id, so that the wait follows this object and not its name. */
static void
target_look_up(struct cli *cli, const struct change *ch, struct target *t)
{
	AUTO_FREE char *path = NULL;
	struct cli_err ignored = { 0 };

	if (api_path(ch->kind, t->name, "", &path, &ignored) == 0)
		(void)conn_look(cli->conn, path, &t->object, &ignored);
	/* not found: the change itself says so */
}

static int
target_change(struct cli *cli, const struct change *ch, struct target *t)
{
	AUTO_FREE char *path = NULL;
	int rc = api_path(ch->kind, t->name, ch->suffix, &path, &t->err);

	if (rc == 0)
		rc = conn_request(cli->conn, ch->method, path, ch->body,
		    args_flag(cli->args, "wait") ? 0 : 1000 * cli->timeout_s,
		    &t->result, &t->err);
	if (rc == 0)
		print_warnings(cli, t->result);
	return rc;
}

/* It has ended: how? */
static int
verify_verdict(struct target *t)
{
	const json_t *v = json_object_get(t->object, "verify");
	const char *state = json_string_value(json_object_get(v, "state"));
	const char *why = json_string_value(json_object_get(v, "reason"));
	json_int_t found = json_integer_value(json_object_get(v, "found"));
	json_int_t repaired = json_integer_value(json_object_get(v,
	    "repaired"));

	if (state == NULL || strcmp(state, "done") != 0)
		return cli_fail(&t->err, EXIT_FAILED, "verify-failed",
		    tr("the verify has not come to its end (%s): %s"),
		    state != NULL ? state : "?", why != NULL ? why : "-");
	if (found > repaired)
		return cli_fail(&t->err, EXIT_FAILED, "verify-differences",
		    tr("the copies differ in %lld blocks, %lld of them were repaired"),
		    (long long)found, (long long)repaired);
	return 0;
}

/* It has ended: where is it? */
static int
move_verdict(struct target *t)
{
	const json_t *m = json_object_get(t->object, "last_migration");
	const char *result = json_string_value(json_object_get(m, "result"));
	const char *why = json_string_value(json_object_get(
	    json_object_get(m, "reason"), "text"));

	if (result != NULL && strcmp(result, "done") == 0)
		return 0;
	return cli_fail(&t->err, EXIT_FAILED, "move-failed",
	    tr("the virtual machine has not moved: %s"), why != NULL ? why :
	    result != NULL ? result : "-");
}

static int
target_wait(struct cli *cli, const struct change *ch, struct target *t)
{
	const char *id = text_from(t, "id");
	json_t *after = NULL;
	int rc;

	rc = api_wait(cli, ch->kind, id != NULL ? id : t->name, ch->goal,
	    &after, &t->err);
	if (after != NULL) {
		json_decref(t->object);
		t->object = after;
		if (rc == 0 && ch->goal == GOAL_VERIFIED)
			rc = verify_verdict(t);
		else if (rc == 0 && ch->goal == GOAL_MOVED)
			rc = move_verdict(t);
	} else if (rc == 0) {
		/* gone: what was known of it is not its state any more */
		if (json_object_del(t->object, "activity") < 0)
			rc = 0;
	}
	return rc;
}

/* Of several, the sentence says which one it was. */
static void
print_failure(const struct target *t, bool one_of_several)
{
	struct cli_err named = t->err;

	if (one_of_several && snprintf(named.text, sizeof(named.text),
	    "%s: %s", t->name, t->err.text) >= (int)sizeof(named.text))
		av_utf8_trim(named.text);
	cli_err_print(&named);
}

/* First all are ordered, then each is waited for: they go on side by side. */
int
change_all(struct cli *cli, const struct change *ch, struct cli_err *err)
{
	size_t n = ch->n_operands != 0 ? ch->n_operands :
	    cli->args->n_operands, i;
	struct target *t = calloc(n, sizeof(*t));
	bool wait = args_flag(cli->args, "wait") && !cli->dry_run;
	int rc, first = 0;

	rc = cli_connect(cli, err);
	if (t == NULL || rc < 0) {
		free(t);
		return rc < 0 ? rc : no_memory(err);
	}
	for (i = 0; i < n; i++) {
		t[i].name = cli->args->operands[i];
		if (wait)
			target_look_up(cli, ch, &t[i]);
		(void)target_change(cli, ch, &t[i]);	/* kept in t[i].err */
	}
	for (i = 0; i < n && wait; i++)
		if (t[i].err.exit == EXIT_OK)
			(void)target_wait(cli, ch, &t[i]);
	for (i = 0; i < n; i++) {
		if (t[i].err.exit == EXIT_OK)
			continue;
		print_failure(&t[i], n > 1);
		if (first == 0)
			first = -(int)t[i].err.exit;
	}
	rc = answer_targets(cli, ch->kind, t, n, err);
	for (i = 0; i < n; i++) {
		json_decref(t[i].result);
		json_decref(t[i].object);
	}
	free(t);
	err->text[0] = first < 0 ? '\0' : err->text[0];	/* printed already */
	return first < 0 ? first : rc;
}

json_t *
change_body(const struct cli *cli)
{
	json_t *body = json_object();

	if (cli->dry_run && json_object_set_new(body, "dry_run",
	    json_true()) < 0) {
		json_decref(body);
		return NULL;
	}
	return body;
}

int
run_vm_verb(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	const char *verb = cli->cmd->verb;
	bool on = strcmp(verb, "poweron") == 0;
	char suffix[32];
	struct change ch = { .kind = kind_by_word("vm"), .method = "POST",
		.suffix = suffix, .body = body,
		.goal = on ? GOAL_RUNNING : GOAL_STOPPED };

	if (body == NULL)
		return no_memory(err);
	(void)snprintf(suffix, sizeof(suffix), "/%s", on ? "start" : verb);
	return change_all(cli, &ch, err);
}

/* --- mtbf --- */

static int
add_number(const struct cli *cli, const char *option, const char *key,
    json_t *body, struct cli_err *err)
{
	const char *text = args_value(cli->args, option);
	uint64_t v;

	if (text == NULL)
		return 0;
	if (av_parse_u64(text, &v) < 0 || v > INT32_MAX)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("%s must be a whole number"), option);
	return json_object_set_new(body, key, json_integer((json_int_t)v)) <
	    0 ? no_memory(err) : 0;
}

static int
add_rule(const struct cli *cli, json_t *body, struct cli_err *err)
{
	const char *policy = args_value(cli->args, "policy");
	int rc = 0;

	if (policy == NULL && args_value(cli->args, "threshold") == NULL &&
	    args_value(cli->args, "failures") == NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument", tr("say at "
		    "least one of --policy, --threshold and --failures"));
	if (policy != NULL && json_object_set_new(body, "policy",
	    json_string(policy)) < 0)
		return no_memory(err);
	rc = add_number(cli, "threshold", "threshold_s", body, err);
	return rc < 0 ? rc : add_number(cli, "failures", "judged_from", body,
	    err);
}

int
run_mtbf(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	const char *verb = cli->cmd->verb;
	bool set = strcmp(verb, "set-mtbf") == 0;
	struct change ch = { .kind = kind_by_word(cli->cmd->noun),
		.method = "POST", .body = body, .suffix = set ? "/mtbf" :
		strcmp(verb, "reset-device") == 0 ? "/reset" : "/clear-mtbf" };
	int rc = 0;

	if (body == NULL)
		return no_memory(err);
	if (set)
		rc = add_rule(cli, body, err);
	return rc < 0 ? rc : change_all(cli, &ch, err);
}

/* "?dry_run=true&keep=a,b" */
static char *
delete_query(const struct cli *cli)
{
	char *query = strdup(cli->dry_run ? "?dry_run=true" : "");
	const char *keep;
	size_t i;

	for (i = 0; query != NULL &&
	    (keep = args_nth(cli->args, "keep", i)) != NULL; i++) {
		AUTO_FREE char *part = conn_escape(keep);
		char *longer = NULL;

		if (part == NULL || asprintf(&longer, "%s%s%s", query,
		    i > 0 ? "," : *query != '\0' ? "&keep=" : "?keep=",
		    part) < 0)
			longer = NULL;
		free(query);
		query = longer;
	}
	return query;
}

int
run_delete(struct cli *cli, struct cli_err *err)
{
	AUTO_FREE char *query = delete_query(cli);
	struct change ch = { .kind = kind_by_word(cli->cmd->noun),
		.method = "DELETE", .suffix = query, .goal = GOAL_GONE };

	return query != NULL ? change_all(cli, &ch, err) : no_memory(err);
}

/* --- vm create --- */

/* A volume given by its image alone is as large as the image. */
static int
sizes_from_images(struct cli *cli, json_t *body, struct cli_err *err)
{
	const struct kind *kind = kind_by_word("image");
	AUTO_JSON json_t *images = NULL;
	json_t *volume;
	size_t i;
	int rc;

	json_array_foreach(json_object_get(body, "volumes"), i, volume) {
		AUTO_JSON json_t *found = NULL;
		const char *image = json_string_value(json_object_get(volume,
		    "image"));
		json_int_t bytes;

		if (json_object_get(volume, "size_bytes") != NULL)
			continue;
		rc = images == NULL ? api_list(cli, kind, "", &images, err) : 0;
		if (rc == 0)
			rc = api_select(kind, images, &image, 1, &found, err);
		if (rc < 0)
			return rc;
		bytes = json_integer_value(json_object_get(json_array_get(found,
		    0), "size_bytes"));
		bytes = (bytes + 0xfffff) & ~(json_int_t)0xfffff; /* whole MiB */
		if (json_object_set_new(volume, "size_bytes",
		    json_integer(bytes)) < 0)
			return no_memory(err);
	}
	return 0;
}

static int
answer_created(struct cli *cli, const struct kind *kind,
    const struct target *t, struct cli_err *err)
{
	const char *id = text_from(t, "id");
	struct doc *root;

	if (cli->mode == OUT_JSON && !cli->quiet)
		return answer_json(cli, t->result, err);
	if (cli->quiet) {
		if (id != NULL)
			codeset_printf(stdout, "%s\n", id);
		return 0;
	}
	root = doc_group("avpair");
	if (root != NULL && target_add(root, cli, kind, t) < 0)
		root = doc_free(root);
	return answer_doc(cli, root, err);
}

int
run_vm_create(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = NULL;
	AUTO_JSON json_t *object = NULL;
	AUTO_JSON json_t *result = NULL;
	const struct kind *kind = kind_by_word("vm");
	bool wait = args_flag(cli->args, "wait") && !cli->dry_run;
	struct target t = { 0 };
	const char *id;
	int rc = vmspec_build(cli->args, &body, err);

	if (rc == 0)
		rc = cli_connect(cli, err);
	if (rc == 0)
		rc = sizes_from_images(cli, body, err);
	if (rc == 0)
		rc = conn_request(cli->conn, "POST", "/vms", body,
		    wait ? 0 : 1000 * cli->timeout_s, &result, err);
	if (rc < 0)
		return rc;
	print_warnings(cli, result);
	id = json_string_value(json_object_get(result, "id"));
	if (wait && id != NULL)
		rc = api_wait(cli, kind, id, args_flag(cli->args, "start") ?
		    GOAL_RUNNING : GOAL_READY, &object, err);
	if (rc < 0)
		return rc;
	t.name = json_string_value(json_object_get(body, "name"));
	t.result = result;
	t.object = object;
	return answer_created(cli, kind, &t, err);
}

/* --- vm rename --- */

int
run_vm_rename(struct cli *cli, struct cli_err *err)
{
	AUTO_JSON json_t *body = change_body(cli);
	AUTO_JSON json_t *result = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *line = NULL;
	const struct args *a = cli->args;
	const char *file = args_value(a, "name-file");
	const char *name = a->n_operands > 1 ? a->operands[1] : NULL;
	struct target t = { 0 };
	int rc = 0;

	if (body == NULL)
		return no_memory(err);
	if ((name == NULL) == (file == NULL))
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("say the new name, or give it with --name-file"));
	if (file != NULL) {
		rc = first_line(file, NAME_FILE_MAX_BYTES, &line, err);
		name = line;
	}
	if (rc == 0 && json_object_set_new(body, "name",
	    json_string(name)) < 0)
		rc = no_memory(err);
	if (rc == 0)
		rc = cli_connect(cli, err);
	if (rc == 0)
		rc = api_path(kind_by_word("vm"), a->operands[0], "", &path, err);
	if (rc == 0)
		rc = conn_request(cli->conn, "PATCH", path, body,
		    1000 * cli->timeout_s, &result, err);
	if (rc < 0)
		return rc;
	t.name = name;
	t.result = result;
	return answer_created(cli, kind_by_word("vm"), &t, err);
}
