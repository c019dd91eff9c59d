/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_lists.c - alerts, audit log, users
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/view_impl.h"

#define ALERTS_SHOWN	1000

json_t *
view_alerts(const struct store *st)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	AUTO_JSON json_t *list = json_array();
	char id[STORE_ID_MAX];
	int rc = sql_query(st, &stmt, NULL, "SELECT id, code, severity, object,"
	    " text, cause, repair, params, raised_ms, cleared_ms, count"
	    " FROM alert ORDER BY cleared_ms IS NOT NULL, id DESC LIMIT ?", "i",
	    (int64_t)ALERTS_SHOWN);

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1) {
		int64_t cleared = sqlite3_column_int64(stmt, 9);

		(void)snprintf(id, sizeof(id), "alert:%" PRId64,
		    (int64_t)sqlite3_column_int64(stmt, 0));
		rc = json_array_append_new(list, json_pack("{s:s, s:s, s:s,"
		    " s:s, s:s, s:s, s:o, s:o, s:b, s:o, s:o, s:i}", "id", id,
		    "code", sql_text(stmt, 1), "severity", sql_text(stmt, 2),
		    "object", sql_text(stmt, 3), "text", sql_text(stmt, 4),
		    "cause", sql_text(stmt, 5), "repair", sql_json(stmt, 6),
		    "params", sql_json(stmt, 7), "open", cleared == 0,
		    "raised_utc", view_time(sqlite3_column_int64(stmt, 8)),
		    "cleared_utc", view_time(cleared), "count",
		    sqlite3_column_int(stmt, 10))) < 0 ? -ENOMEM : 0;
	}
	return rc < 0 ? NULL : TAKE_PTR(list);
}

json_t *
view_audit(const struct store *st, unsigned limit, int64_t before)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	AUTO_JSON json_t *list = json_array();
	char id[STORE_ID_MAX];
	int rc = sql_query(st, &stmt, NULL, "SELECT id, at_ms, user, role,"
	    " origin, via, action, object, result, detail FROM audit"
	    " WHERE id < ? ORDER BY id DESC LIMIT ?", "ii",
	    before > 0 ? before : INT64_MAX, (int64_t)limit);

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1) {
		(void)snprintf(id, sizeof(id), "audit:%" PRId64,
		    (int64_t)sqlite3_column_int64(stmt, 0));
		rc = json_array_append_new(list, json_pack("{s:s, s:o, s:s,"
		    " s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", id, "at_utc",
		    view_time(sqlite3_column_int64(stmt, 1)), "user",
		    sql_text(stmt, 2), "role", sql_text(stmt, 3), "origin",
		    sql_text(stmt, 4), "via", sql_text(stmt, 5), "action",
		    sql_text(stmt, 6), "object", sql_text(stmt, 7), "result",
		    sql_text(stmt, 8), "detail", sql_text(stmt, 9))) < 0 ?
		    -ENOMEM : 0;
	}
	return rc < 0 ? NULL : TAKE_PTR(list);
}

static json_t *
user_object(sqlite3_stmt *stmt)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "name",
	    sql_text(stmt, 0), "role", sql_text(stmt, 1), "real_name",
	    sql_text(stmt, 2), "language", sql_text(stmt, 3), "created_utc",
	    view_time(sqlite3_column_int64(stmt, 4)));
}

#define USER_COLUMNS "name, role, real_name, language, created_ms, hash"

json_t *
view_users(const struct store *st)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	AUTO_JSON json_t *list = json_array();
	int rc = sql_query(st, &stmt, NULL,
	    "SELECT " USER_COLUMNS " FROM user ORDER BY name", "");

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1)
		rc = json_array_append_new(list, user_object(stmt)) < 0 ?
		    -ENOMEM : 0;
	return rc < 0 ? NULL : TAKE_PTR(list);
}

json_t *
view_user(const struct store *st, const char *name)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	AUTO_FREE char *nfc = NULL;
	json_t *user;

	if (av_name_normalize(name, &nfc, NULL) < 0 || sql_query(st, &stmt,
	    NULL, "SELECT " USER_COLUMNS " FROM user WHERE name = ?", "s",
	    nfc) < 0 || sql_next(st, stmt, NULL) != 1)
		return NULL;
	user = user_object(stmt);
	(void)json_object_set_new(user, "hash", json_string(sql_text(stmt, 5)));
	return user;
}
