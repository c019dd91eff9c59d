/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_sql.c - SQLite for store_*.c, command_*.c and view_*.c
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "nodeagent/store_sql.h"

int
sql_error(sqlite3 *db, int r, const char *what, struct av_err *err)
{
	const char *text = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(r);

	switch (r & 0xff) {
	case SQLITE_CONSTRAINT:
		return av_err_code(err, -EINVAL, "internal",
		    "the database refused the change: %s", text);
	case SQLITE_NOMEM:
		return av_err_set(err, -ENOMEM, "%s: no memory", what);
	case SQLITE_FULL:
		return av_err_set(err, -ENOSPC, "%s: the disk is full", what);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return av_err_code(err, -EBUSY, "database-busy",
		    "%s: another process has the database open", what);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return av_err_code(err, -EBADMSG, "database-damaged",
		    "%s: the database is damaged: %s", what, text);
	default:
		return av_err_set(err, -EIO, "%s: %s", what, text);
	}
}

int
sql_script(sqlite3 *db, const char *sql, struct av_err *err)
{
	int r = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return r == SQLITE_OK ? 0 : sql_error(db, r, "database", err);
}

static int
bind_all(sqlite3_stmt *stmt, const char *types, va_list ap)
{
	int r = SQLITE_OK, at;

	for (at = 1; types[at - 1] != '\0' && r == SQLITE_OK; at++) {
		const char *s;
		int64_t i;

		switch (types[at - 1]) {
		case 'i':
			r = sqlite3_bind_int64(stmt, at, va_arg(ap, int64_t));
			break;
		case 'u':
			r = sqlite3_bind_int64(stmt, at,
			    (int64_t)va_arg(ap, uint64_t));
			break;
		case 'n':
			i = va_arg(ap, int64_t);
			r = i < 0 ? sqlite3_bind_null(stmt, at) :
			    sqlite3_bind_int64(stmt, at, i);
			break;
		case 's':
			s = va_arg(ap, const char *);
			r = s == NULL ? sqlite3_bind_null(stmt, at) :
			    sqlite3_bind_text(stmt, at, s, -1, SQLITE_TRANSIENT);
			break;
		default:
			AV_ASSERT(!"a type letter of sql_*()");
		}
	}
	return r;
}

static int
query_va(const struct store *st, sqlite3_stmt **ret, struct av_err *err,
    const char *sql, const char *types, va_list ap)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(st->db, sql, -1, &stmt, NULL);

	if (r == SQLITE_OK) {
		AV_ASSERT(sqlite3_bind_parameter_count(stmt) ==
		    (int)strlen(types));
		r = bind_all(stmt, types, ap);
	}
	if (r != SQLITE_OK)
		return sql_error(st->db, r, "database", err);
	*ret = TAKE_PTR(stmt);
	return 0;
}

int
sql_query(const struct store *st, sqlite3_stmt **ret, struct av_err *err,
    const char *sql, const char *types, ...)
{
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = query_va(st, ret, err, sql, types, ap);
	va_end(ap);
	return rc;
}

int
sql_next(const struct store *st, sqlite3_stmt *stmt, struct av_err *err)
{
	int r = sqlite3_step(stmt);

	if (r == SQLITE_ROW)
		return 1;
	if (r == SQLITE_DONE)
		return 0;
	return sql_error(st->db, r, "database", err);
}

int
sql_run(const struct store *st, struct av_err *err, const char *sql,
    const char *types, ...)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = query_va(st, &stmt, err, sql, types, ap);
	va_end(ap);
	if (rc < 0)
		return rc;
	rc = sql_next(st, stmt, err);
	return rc < 0 ? rc : 0;
}

int
sql_get_int(const struct store *st, int64_t *ret, struct av_err *err,
    const char *sql, const char *types, ...)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = query_va(st, &stmt, err, sql, types, ap);
	va_end(ap);
	if (rc < 0)
		return rc;
	rc = sql_next(st, stmt, err);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	*ret = sqlite3_column_int64(stmt, 0);
	return 0;
}

const char *
sql_text(sqlite3_stmt *stmt, int col)
{
	const char *s = (const char *)sqlite3_column_text(stmt, col);

	return s != NULL ? s : "";
}

void
sql_copy(sqlite3_stmt *stmt, int col, char *buf, size_t n)
{
	(void)snprintf(buf, n, "%s", sql_text(stmt, col));
	av_utf8_trim(buf);
}

json_t *
sql_json(sqlite3_stmt *stmt, int col)
{
	return json_loads(sql_text(stmt, col), JSON_DECODE_ANY, NULL);
}

/* --- meta and the counters --- */

int
store_meta_get(const struct store *st, const char *key, int64_t *ret,
    struct av_err *err)
{
	return sql_get_int(st, ret, err, "SELECT value FROM meta WHERE key = ?",
	    "s", key);
}

int
store_meta_set(const struct store *st, const char *key, int64_t value,
    struct av_err *err)
{
	return sql_run(st, err, "UPDATE meta SET value = ? WHERE key = ?", "is",
	    value, key);
}

int
store_counter(const struct store *st, const char *key, int64_t *ret,
    struct av_err *err)
{
	int rc = store_meta_get(st, key, ret, err);

	if (rc < 0)
		return rc;
	return store_meta_set(st, key, *ret + 1, err);
}

/* --- ids --- */

static const struct {
	const char	*noun, *prefix, *by_name;
} kinds[KIND_N] = {
	[KIND_UNIT] = { "unit", "unit:o", "SELECT id FROM unit WHERE name = ?" },
	[KIND_NODE] = { "PM", "host:o", "SELECT id FROM node WHERE name = ?" },
	[KIND_NETWORK] = { "network", "sharednetwork:o",
		"SELECT id FROM network WHERE name = ?" },
	[KIND_GROUP] = { "storage group", "storagegroup:o",
		"SELECT id FROM storage_group WHERE name = ?" },
	[KIND_VM] = { "VM", "vm:o",
		"SELECT id FROM vm WHERE name = ? AND phase <> 2" },
	[KIND_VOLUME] = { "volume", "volume:o",
		"SELECT id FROM volume WHERE name = ? AND phase <> 2" },
	[KIND_QUORUM] = { "quorum server", "quorum:o",
		"SELECT id FROM quorum_server WHERE address = ?" },
};
static const char *const by_id[KIND_N] = {
	[KIND_UNIT] = "SELECT id FROM unit WHERE id = ?",
	[KIND_NODE] = "SELECT id FROM node WHERE id = ?",
	[KIND_NETWORK] = "SELECT id FROM network WHERE id = ?",
	[KIND_GROUP] = "SELECT id FROM storage_group WHERE id = ?",
	[KIND_VM] = "SELECT id FROM vm WHERE id = ?",
	[KIND_VOLUME] = "SELECT id FROM volume WHERE id = ?",
	[KIND_QUORUM] = "SELECT id FROM quorum_server WHERE id = ?",
};

const char *
store_kind_noun(enum store_kind kind)
{
	return kinds[kind].noun;
}

void
store_id_format(enum store_kind kind, int64_t id, char *buf, size_t n)
{
	(void)snprintf(buf, n, "%s%" PRId64, kinds[kind].prefix, id);
}

int
store_id_parse(enum store_kind kind, const char *text, int64_t *ret)
{
	size_t n = strlen(kinds[kind].prefix);
	uint64_t id;

	if (strncmp(text, kinds[kind].prefix, n) != 0 ||
	    av_parse_u64(text + n, &id) < 0 || id > INT64_MAX)
		return -EINVAL;
	*ret = (int64_t)id;
	return 0;
}

bool
store_id_like(const char *name)
{
	int64_t id;
	int kind;

	for (kind = 0; kind < KIND_N; kind++)
		if (store_id_parse((enum store_kind)kind, name, &id) == 0)
			return true;
	return false;
}

int
store_find(const struct store *st, enum store_kind kind, const char *ref,
    int64_t *ret_id, struct av_err *err)
{
	AUTO_FREE char *nfc = NULL;
	int64_t id;
	int rc;

	if (store_id_parse(kind, ref, &id) == 0) {
		rc = sql_get_int(st, ret_id, err, by_id[kind], "i", id);
	} else if (av_name_normalize(ref, &nfc, NULL) == 0) {
		rc = sql_get_int(st, ret_id, err, kinds[kind].by_name, "s", nfc);
	} else {
		rc = -ENOENT;	/* what can't be a name is nobody's name */
	}
	if (rc != -ENOENT)
		return rc;
	return av_err_code(err, -ENOENT, "not-found", "there is no %s '%s'",
	    kinds[kind].noun, ref);
}
