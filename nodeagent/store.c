/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store.c - the unit's database: opening, and applying commands
 *
 * One command is one transaction; the handler's effect is a savepoint in it, so
 * that a refusal leaves the audit line and the position, and nothing else.
 */
#include <errno.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "base/assert.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/store_sql.h"

#define AUDIT_KEEP	100000

/* --- open and close --- */

static int
open_tune(sqlite3 *db, const char *path, struct av_err *err)
{
	int rc;

	/* EXCLUSIVE: a second agent is refused.  WAL: one fsync a commit. */
	rc = sql_script(db, "PRAGMA locking_mode = EXCLUSIVE", err);
	if (rc == 0)
		rc = store_schema_readable(db, path, err);
	if (rc == 0)
		rc = sql_script(db, "PRAGMA journal_mode = WAL;"
		    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
		    "PRAGMA trusted_schema = OFF; BEGIN IMMEDIATE; COMMIT",
		    err);
	if (rc < 0)
		return rc;
	return store_schema_setup(db, path, err);
}

int
store_open(const char *path, struct store **ret_store, struct av_err *err)
{
	AUTO_STORE struct store *st = calloc(1, sizeof(*st));
	int r, rc;

	if (st == NULL || (st->path = strdup(path)) == NULL)
		return av_err_set(err, -ENOMEM, "%s: no memory", path);
	r = sqlite3_open_v2(path, &st->db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	    NULL);
	if (r != SQLITE_OK)
		return sql_error(st->db, r, path, err);
	rc = open_tune(st->db, path, err);
	if (rc < 0)
		return rc;
	rc = store_position_load(st, err);
	if (rc < 0)
		return rc;
	*ret_store = TAKE_PTR(st);
	return 0;
}

struct store *
store_close(struct store *st)
{
	if (st == NULL)
		return NULL;
	(void)sqlite3_close_v2(st->db);	/* a failed checkpoint comes again at
					 * the next open; the log has it all */
	free(st->path);
	free(st);
	return NULL;
}

static int
move_file(const char *path, const char *suffix, struct av_err *err)
{
	AUTO_FREE char *from = NULL, *to = NULL;

	if (asprintf(&from, "%s%s", path, suffix) < 0)
		return av_err_set(err, -ENOMEM, "%s: no memory", path);
	if (asprintf(&to, "%s.damaged%s", path, suffix) < 0)
		return av_err_set(err, -ENOMEM, "%s: no memory", path);
	if (rename(from, to) < 0 && errno != ENOENT)
		return av_err_set(err, -errno, "%s: rename to %s: %s", from, to,
		    strerror(errno));
	return 0;
}

int
store_set_aside(const char *path, struct av_err *err)
{
	int rc = move_file(path, "-wal", err);

	if (rc == 0)
		rc = move_file(path, "-shm", err);
	if (rc == 0)
		rc = move_file(path, "", err);
	return rc;
}

/* --- position --- */

int
store_position_load(struct store *st, struct av_err *err)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int64_t seq;
	int rc = store_meta_get(st, "seq", &seq, err);

	if (rc == 0)
		rc = sql_query(st, &stmt, err,
		    "SELECT value FROM meta WHERE key = 'hash'", "");
	if (rc == 0)
		rc = sql_next(st, stmt, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc != 1 || sqlite3_column_bytes(stmt, 0) != sizeof(st->pos.hash))
		return av_err_code(err, -EBADMSG, "database-damaged",
		    "%s is damaged: it doesn't know its position", st->path);
	st->pos.seq = (uint64_t)seq;
	memcpy(st->pos.hash, sqlite3_column_blob(stmt, 0),
	    sizeof(st->pos.hash));
	return 0;
}

int
store_position_save(struct store *st, const struct store_position *pos,
    struct av_err *err)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = store_meta_set(st, "seq", (int64_t)pos->seq, err);

	if (rc == 0)
		rc = sql_query(st, &stmt, err,
		    "UPDATE meta SET value = ? WHERE key = 'hash'", "s", "");
	if (rc < 0)
		return rc;
	(void)sqlite3_bind_blob(stmt, 1, pos->hash, sizeof(pos->hash),
	    SQLITE_STATIC);	/* can fail only for a wrong index */
	rc = sql_next(st, stmt, err);
	return rc < 0 ? rc : 0;
}

void
store_position(const struct store *st, struct store_position *ret)
{
	*ret = st->pos;
}

static int
position_advance(const struct store_position *pos, const json_t *cmd,
    struct store_position *ret, struct av_err *err)
{
	AUTO_FREE char *text = json_dumps(cmd, JSON_SORT_KEYS | JSON_COMPACT);
	gnutls_hash_hd_t hash;
	int r;

	if (text == NULL)
		return av_err_set(err, -ENOMEM, "command: no memory");
	r = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256);
	if (r < 0)
		return av_err_set(err, -ENOMEM, "SHA-256: %s",
		    gnutls_strerror(r));
	(void)gnutls_hash(hash, pos->hash, sizeof(pos->hash));
	r = gnutls_hash(hash, text, strlen(text));
	gnutls_hash_deinit(hash, ret->hash);
	ret->seq = pos->seq + 1;
	return r < 0 ? av_err_set(err, -EIO, "SHA-256: %s",
	    gnutls_strerror(r)) : 0;
}

/* --- apply --- */

static const char *
actor_text(const struct command *c, const char *key)
{
	const char *s = json_string_value(json_object_get(c->actor, key));

	return s != NULL ? s : "";
}

static int
audit_write(struct command *c, int handler_rc)
{
	const char *result = c->audit_result;
	int64_t id;
	int rc;

	if (result == NULL)
		result = handler_rc == 0 ? "ok" : "refused";
	rc = store_counter(c->st, "next_audit", &id, c->err);
	if (rc < 0)
		return rc;
	rc = sql_run(c->st, c->err, "INSERT INTO audit VALUES"
	    " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "iissssssss", id, c->at_ms,
	    actor_text(c, "user"),
	    c->audit_role != NULL ? c->audit_role : actor_text(c, "role"),
	    actor_text(c, "origin"), actor_text(c, "via"),
	    c->audit_action != NULL ? c->audit_action : c->op,
	    c->object, result, c->detail);
	if (rc < 0)
		return rc;
	return sql_run(c->st, c->err, "DELETE FROM audit WHERE id <= ?", "i",
	    id - AUDIT_KEEP);
}

/* A 'no' that both PMs say alike, or has this PM's database failed? */
static bool
is_refusal(const struct av_err *err)
{
	return err->code[0] != '\0' &&
	    strncmp(err->code, "database-", strlen("database-")) != 0;
}

/* Handler inside a savepoint.  0 and *ret_rc, the handler's 0 or refusal; < 0: the
 * database failed. */
static int
effect_run(struct command *c, bool keep, int *ret_rc)
{
	sqlite3 *db = c->st->db;
	int rc = sql_script(db, "SAVEPOINT effect", c->err), handler_rc;

	if (rc < 0)
		return rc;
	handler_rc = command_run(c);
	if (handler_rc < 0 && !is_refusal(c->err))
		return handler_rc;
	if (handler_rc < 0 || !keep)
		rc = sql_script(db, "ROLLBACK TO effect", NULL);
	if (rc == 0)
		rc = sql_script(db, "RELEASE effect", NULL);
	if (rc < 0)
		return av_err_set(c->err, rc, "database: savepoint failed");
	*ret_rc = handler_rc;
	return 0;
}

static int
record(struct command *c, const json_t *cmd, int handler_rc,
    struct store_position *ret_pos)
{
	/* the handler's sentence is in c->err and is to stay there */
	struct av_err *refusal = c->err, local = { 0 };
	const struct command_op *op = command_find(c->op);
	int rc = 0;

	if (handler_rc < 0 && c->detail[0] == '\0')
		command_detail(c, "%s", refusal->text);
	c->err = &local;
	if (!c->quiet && (handler_rc < 0 || op == NULL ||
	    !(op->flags & COMMAND_QUIET)))
		rc = audit_write(c, handler_rc);
	if (rc == 0)
		rc = position_advance(&c->st->pos, cmd, ret_pos, &local);
	if (rc == 0)
		rc = store_position_save(c->st, ret_pos, &local);
	c->err = refusal;
	if (rc < 0)
		*refusal = local;
	return rc;
}

static void
command_init(struct command *c, struct store *st, const json_t *cmd,
    struct av_err *err)
{
	const char *op = json_string_value(json_object_get(cmd, "op"));

	*c = (struct command){
		.st = st,
		.op = op != NULL ? op : "",
		.args = json_object_get(cmd, "args"),
		.actor = json_object_get(cmd, "actor"),
		.context = json_object_get(cmd, "context"),
		.at_ms = json_integer_value(json_object_get(cmd, "at_utc_ms")),
		.result = json_object(),
		.err = err,
	};
}

static int
failed(struct store *st, struct av_err *err)
{
	char text[sizeof(err->text)];
	int rc = err->rc < 0 ? err->rc : -EIO;

	(void)snprintf(text, sizeof(text), "%s", err->text);
	(void)sql_script(st->db, "ROLLBACK", NULL);	/* may be gone already */
	return av_err_maybe(err, rc, "%s", text);
}

/* Decides the command: 0 and *ret_rc, or < 0: the database failed.  What it leaves
 * behind is the caller's to commit. */
static int
decide(struct command *c, const json_t *cmd, bool keep, int *ret_rc)
{
	int rc;

	if (c->result == NULL)
		return av_err_set(c->err, -ENOMEM, "command: no memory");
	rc = command_check(cmd, &c->params, c->err);
	if (rc < 0) {
		*ret_rc = rc;
		return is_refusal(c->err) ? 0 : rc;
	}
	if (json_is_true(json_object_get(c->args, "dry_run")))
		keep = false;
	rc = effect_run(c, keep, ret_rc);
	if (rc == 0 && *ret_rc == 0 && !keep) {
		c->quiet = true;
		rc = command_result(c, "dry_run", json_true());
	}
	return rc;
}

static json_t *
outcome_take(struct command *c, int handler_rc)
{
	json_t *ret;

	if (handler_rc == 0) {
		json_decref(c->params);
		return c->result;
	}
	ret = c->params != NULL ? c->params : json_object();
	json_decref(c->result);
	return ret;
}

int
store_apply(struct store *st, const json_t *cmd, json_t **ret_result,
    struct av_err *err)
{
	struct av_err local = { 0 };
	struct store_position pos;
	struct command c;
	int handler_rc = 0, rc;

	*ret_result = NULL;
	command_init(&c, st, cmd, &local);
	rc = sql_script(st->db, "BEGIN IMMEDIATE", &local);
	if (rc == 0)
		rc = decide(&c, cmd, true, &handler_rc);
	if (rc == 0)
		rc = record(&c, cmd, handler_rc, &pos);
	if (rc == 0) {
		struct av_err commit_err = { 0 };

		rc = sql_script(st->db, "COMMIT", &commit_err);
		if (rc < 0)
			local = commit_err;
	}
	if (rc < 0) {
		(void)failed(st, &local);
		json_decref(c.result);
		json_decref(c.params);
	} else {
		st->pos = pos;
		*ret_result = outcome_take(&c, handler_rc);
		rc = handler_rc;
	}
	if (rc < 0 && err != NULL)
		*err = local;
	return rc;
}

int
store_try(struct store *st, const json_t *cmd, json_t **ret_result,
    struct av_err *err)
{
	struct av_err local = { 0 };
	struct command c;
	int handler_rc = 0, rc;

	*ret_result = NULL;
	command_init(&c, st, cmd, &local);
	rc = sql_script(st->db, "BEGIN IMMEDIATE", &local);
	if (rc == 0)
		rc = decide(&c, cmd, false, &handler_rc);
	(void)sql_script(st->db, "ROLLBACK", NULL);
	if (rc < 0) {
		(void)failed(st, &local);
		json_decref(c.result);
		json_decref(c.params);
	} else {
		*ret_result = outcome_take(&c, handler_rc);
		rc = handler_rc;
	}
	if (rc < 0 && err != NULL)
		*err = local;
	return rc;
}
