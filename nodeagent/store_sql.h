/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_sql.h - SQLite for store_*.c, command_*.c and view_*.c
 *
 * Every call takes 'types', a letter for each value bound: i int64_t, u uint64_t (as
 * its bits), s text (NULL = SQL NULL), n int64_t that is NULL when negative.
 *
 * Errors: -errno without a code: the database failed, and store_apply() stops
 * the agent; 'internal' for a broken constraint, which both PMs see alike.
 */
#ifndef AV_STORE_SQL_H
#define AV_STORE_SQL_H

#include <sqlite3.h>

#include "nodeagent/store.h"

struct store {
	sqlite3			*db;
	char			*path;
	struct store_position	 pos;
};

static inline void
sql_auto_finalize(sqlite3_stmt **stmt)
{
	(void)sqlite3_finalize(*stmt);	/* repeats the step's error */
}
#define AUTO_STMT	AUTO(sql_auto_finalize)

/* Translates what SQLite said about 'db'. */
int sql_error(sqlite3 *db, int r, const char *what, struct av_err *err);

/* Runs a script without values. */
int sql_script(sqlite3 *db, const char *sql, struct av_err *err);

/* Runs one statement that gives no rows. */
int sql_run(const struct store *st, struct av_err *err, const char *sql,
    const char *types, ...);

/* Prepares and binds; text is copied. */
int sql_query(const struct store *st, sqlite3_stmt **ret, struct av_err *err,
    const char *sql, const char *types, ...);
/* 1 = a row, 0 = the end, or -errno. */
int sql_next(const struct store *st, sqlite3_stmt *stmt, struct av_err *err);

/* First column of the first row; -ENOENT when there is none (err untouched). */
int sql_get_int(const struct store *st, int64_t *ret, struct av_err *err,
    const char *sql, const char *types, ...);

/* Columns.  Text never NULL ("" instead); copies are cut to fit. */
const char *sql_text(sqlite3_stmt *stmt, int col);
void sql_copy(sqlite3_stmt *stmt, int col, char *buf, size_t n);
/* JSON text, or NULL. */
json_t *sql_json(sqlite3_stmt *stmt, int col);

/* --- meta and the counters --- */

int store_meta_get(const struct store *st, const char *key, int64_t *ret,
    struct av_err *err);
int store_meta_set(const struct store *st, const char *key, int64_t value,
    struct av_err *err);
/* Takes the next number of "next_id", "next_alert" or "next_audit". */
int store_counter(const struct store *st, const char *key, int64_t *ret,
    struct av_err *err);

/* --- ids --- */

enum store_kind { KIND_UNIT, KIND_NODE, KIND_NETWORK, KIND_GROUP, KIND_VM,
	KIND_VOLUME, KIND_QUORUM, KIND_N };

const char *store_kind_noun(enum store_kind kind);	/* "VM", "volume" */
void store_id_format(enum store_kind kind, int64_t id, char *buf, size_t n);
/* "vm:o12" -> 12; -EINVAL when it isn't one of that kind. */
int store_id_parse(enum store_kind kind, const char *text, int64_t *ret);
/* Could be taken for an id of some kind: no object may have such a name. */
bool store_id_like(const char *name);
/* Finds by id or display name (any normal form).  0; -ENOENT 'not-found' with a
 * sentence; a VM or volume that is being deleted has no name any more. */
int store_find(const struct store *st, enum store_kind kind, const char *ref,
    int64_t *ret_id, struct av_err *err);

/* --- store_schema.c --- */

/* Not newer than what we know: before anything is written to it. */
int store_schema_readable(sqlite3 *db, const char *what, struct av_err *err);
/* Makes, migrates or refuses; 'db' is open, readable, and may be empty. */
int store_schema_setup(sqlite3 *db, const char *path, struct av_err *err);
/* Integrity, version.  For databases that came from elsewhere too. */
int store_schema_check(sqlite3 *db, const char *what, struct av_err *err);
/* NULL-terminated: tables in canonical order, with their key columns. */
struct store_table { const char *name, *order; };
extern const struct store_table store_tables[];

/* Reads position from meta into st->pos. */
int store_position_load(struct store *st, struct av_err *err);
int store_position_save(struct store *st, const struct store_position *pos,
    struct av_err *err);

#endif
