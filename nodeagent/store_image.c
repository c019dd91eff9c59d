/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_image.c - the whole database: as bytes, replaced, compared
 */
#include <errno.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "base/wire.h"
#include "nodeagent/store_sql.h"

/* Bytes 18 and 19 of a database file: 1 = rollback journal, 2 = WAL (SQLite file
 * format, section 1.3).  An image in memory has no WAL and must say 1. */
#define HEADER_FORMAT_AT	18u
#define HEADER_BYTES		100u

static void
auto_db_close(sqlite3 **db)
{
	(void)sqlite3_close_v2(*db);	/* in memory: nothing to lose */
}

int
store_serialize(struct store *st, uint8_t **ret, size_t *ret_n,
    struct av_err *err)
{
	sqlite3_int64 n = 0;
	uint8_t *raw, *copy;

	raw = sqlite3_serialize(st->db, "main", &n, 0);
	if (raw == NULL || n < (sqlite3_int64)HEADER_BYTES) {
		sqlite3_free(raw);
		return av_err_set(err, -ENOMEM,
		    "%s: no memory for a copy", st->path);
	}
	copy = malloc((size_t)n);	/* the caller knows free(), not SQLite's */
	if (copy == NULL) {
		sqlite3_free(raw);
		return av_err_set(err, -ENOMEM,
		    "%s: no memory for a copy", st->path);
	}
	memcpy(copy, raw, (size_t)n);
	sqlite3_free(raw);
	copy[HEADER_FORMAT_AT] = copy[HEADER_FORMAT_AT + 1] = 1;
	*ret = copy;
	*ret_n = (size_t)n;
	return 0;
}

/* --- replace --- */

static int
image_open(const uint8_t *data, size_t n, sqlite3 **ret_db, struct av_err *err)
{
	AUTO(auto_db_close) sqlite3 *db = NULL;
	unsigned char *copy;
	int r;

	if (n < HEADER_BYTES ||
	    memcmp(data, "SQLite format 3", sizeof("SQLite format 3")) != 0)
		return av_err_code(err, -EBADMSG, "database-damaged",
		    "the peer's copy is not a database");
	copy = sqlite3_malloc64(n);
	if (copy == NULL)
		return av_err_set(err, -ENOMEM, "the peer's copy: no memory");
	memcpy(copy, data, n);
	r = sqlite3_open(":memory:", &db);
	if (r != SQLITE_OK) {
		sqlite3_free(copy);
		return sql_error(db, r, "the peer's copy", err);
	}
	/* takes 'copy' over, also when it fails */
	r = sqlite3_deserialize(db, "main", copy, (sqlite3_int64)n,
	    (sqlite3_int64)n, SQLITE_DESERIALIZE_FREEONCLOSE |
	    SQLITE_DESERIALIZE_RESIZEABLE);
	if (r != SQLITE_OK)
		return sql_error(db, r, "the peer's copy", err);
	*ret_db = TAKE_PTR(db);
	return 0;
}

static int
image_check(const struct store *st, sqlite3 *db, struct av_err *err)
{
	struct store image = { .db = db, .path = (char *)(uintptr_t)"the peer's copy" };
	struct store_unit mine, other;
	int rc = store_schema_check(db, image.path, err);

	if (rc < 0)
		return rc;
	rc = store_position_load(&image, err);
	if (rc < 0)
		return av_err_code(err, -EBADMSG, "database-damaged",
		    "the peer's copy is not a unit's database");
	(void)store_get_unit(st, &mine);	/* none yet: exists is false */
	(void)store_get_unit(&image, &other);
	if (mine.exists && strcmp(mine.uuid, other.uuid) != 0)
		return av_err_code(err, -EPERM, "other-unit",
		    "the peer's copy is of unit '%s' (%s), this PM belongs to '%s' (%s): check that the right PMs are connected",
		    other.name, other.uuid, mine.name, mine.uuid);
	return 0;
}

int
store_replace(struct store *st, const uint8_t *data, size_t n,
    struct av_err *err)
{
	AUTO(auto_db_close) sqlite3 *db = NULL;
	sqlite3_backup *backup;
	int rc, r;

	rc = image_open(data, n, &db, err);
	if (rc < 0)
		return rc;
	rc = image_check(st, db, err);
	if (rc < 0)
		return rc;
	backup = sqlite3_backup_init(st->db, "main", db, "main");
	if (backup == NULL)
		return sql_error(st->db, sqlite3_errcode(st->db),
		    "taking over the peer's copy", err);
	(void)sqlite3_backup_step(backup, -1);	/* finish() tells */
	r = sqlite3_backup_finish(backup);	/* one transaction: all or nothing */
	if (r != SQLITE_OK) {
		struct av_err local;

		(void)sql_error(st->db, r, "taking over the peer's copy", &local);
		return av_err_maybe(err, local.rc, "%s", local.text);
	}
	return store_position_load(st, err);
}

/* --- compare --- */

static void
hash_value(gnutls_hash_hd_t hash, sqlite3_stmt *stmt, int col)
{
	/* the type first: asking for bytes converts the value */
	uint64_t type = (uint64_t)sqlite3_column_type(stmt, col);
	const void *blob = sqlite3_column_blob(stmt, col);
	uint64_t n = (uint64_t)sqlite3_column_bytes(stmt, col);
	uint8_t head[9];
	struct av_wr wr = { head, sizeof(head), 0 };

	av_wr_le(&wr, type, 1);
	av_wr_le(&wr, n, 8);
	(void)gnutls_hash(hash, head, sizeof(head));
	if (n > 0)
		(void)gnutls_hash(hash, blob, n);
}

static int
hash_table(struct store *st, gnutls_hash_hd_t hash,
    const struct store_table *table, struct av_err *err)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	char sql[96];
	int rc, col;

	(void)snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY %s",
	    table->name, table->order);
	(void)gnutls_hash(hash, sql, strlen(sql));
	rc = sql_query(st, &stmt, err, sql, "");
	while (rc == 0 && (rc = sql_next(st, stmt, err)) == 1) {
		for (col = 0; col < sqlite3_column_count(stmt); col++)
			hash_value(hash, stmt, col);
		rc = 0;
	}
	return rc;
}

int
store_dump_hash(struct store *st, uint8_t ret[32], struct av_err *err)
{
	const struct store_table *table;
	gnutls_hash_hd_t hash;
	int rc = 0, r = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256);

	if (r < 0)
		return av_err_set(err, -ENOMEM, "SHA-256: %s",
		    gnutls_strerror(r));
	for (table = store_tables; rc == 0 && table->name != NULL; table++)
		rc = hash_table(st, hash, table, err);
	gnutls_hash_deinit(hash, ret);
	return rc;
}
