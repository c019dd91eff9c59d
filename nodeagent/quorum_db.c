/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/quorum_db.c - the unit's quorum servers as the database has them
 */
#include "nodeagent/quorum_db.h"

#include <errno.h>
#include <string.h>

#include "nodeagent/store_sql.h"

static int
read_servers(const struct store *st, struct quorum_state *ret)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(st, &stmt, NULL, "SELECT id, kind, address,"
	    " preferred, leaving, ca <> '', cert <> '' FROM quorum_server"
	    " ORDER BY id", "");

	while (rc == 0) {
		struct quorum_server *s = &ret->servers[ret->n];
		int more = sql_next(st, stmt, NULL);

		if (more <= 0)
			return more;
		if (ret->n == QUORUM_SERVERS_MAX)
			return -E2BIG;
		s->id = sqlite3_column_int64(stmt, 0);
		store_id_format(KIND_QUORUM, s->id, s->id_text,
		    sizeof(s->id_text));
		sql_copy(stmt, 1, s->kind, sizeof(s->kind));
		sql_copy(stmt, 2, s->address, sizeof(s->address));
		s->preferred = sqlite3_column_int(stmt, 3) != 0;
		s->leaving = sqlite3_column_int(stmt, 4) != 0;
		s->has_ca = sqlite3_column_int(stmt, 5) != 0;
		s->has_cert = sqlite3_column_int(stmt, 6) != 0;
		ret->n++;
	}
	return rc;
}

int
quorum_db_read(const struct store *st, struct quorum_state *ret)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	struct store_unit unit = { 0 };
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = store_get_unit(st, &unit);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	ret->exists = rc == 0 && unit.exists;
	rc = sql_query(st, &stmt, NULL, "SELECT imported, active, next, token,"
	    " gen, confirmed FROM quorum", "");
	if (rc < 0)
		return rc;
	rc = sql_next(st, stmt, NULL);
	if (rc != 1)
		return rc < 0 ? rc : -EBADMSG;
	ret->imported = sqlite3_column_int(stmt, 0) != 0;
	ret->active = sqlite3_column_int64(stmt, 1);
	ret->next = sqlite3_column_int64(stmt, 2);
	sql_copy(stmt, 3, ret->token, sizeof(ret->token));
	ret->gen = (uint64_t)sqlite3_column_int64(stmt, 4);
	ret->confirmed = (unsigned)sqlite3_column_int(stmt, 5);
	return read_servers(st, ret);
}

int
quorum_db_pem(const struct store *st, int64_t id, char **ret_ca,
    char **ret_cert, char **ret_key)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(st, &stmt, NULL, "SELECT ca, cert, key FROM"
	    " quorum_server WHERE id = ?", "i", id);

	if (rc < 0)
		return rc;
	rc = sql_next(st, stmt, NULL);
	if (rc != 1)
		return rc < 0 ? rc : -ENOENT;
	*ret_ca = strdup(sql_text(stmt, 0));
	*ret_cert = strdup(sql_text(stmt, 1));
	*ret_key = strdup(sql_text(stmt, 2));
	return *ret_ca != NULL && *ret_cert != NULL && *ret_key != NULL ? 0 :
	    -ENOMEM;
}

const struct quorum_server *
quorum_db_find(const struct quorum_state *q, int64_t id)
{
	size_t i;

	for (i = 0; i < q->n; i++)
		if (q->servers[i].id == id)
			return &q->servers[i];
	return NULL;
}

const char *
quorum_db_effective(const struct quorum_state *q, bool is_new,
    const struct quorum_server **ret_server)
{
	const struct quorum_server *s = NULL;

	*ret_server = NULL;
	if (!q->exists)
		return is_new ? "conf" : "closed";
	if (!q->imported)
		return "conf";
	if (q->next != 0)
		return "closed";
	if (q->active == 0)
		return "none";
	s = quorum_db_find(q, q->active);
	if (s == NULL)
		return "closed";
	*ret_server = s;
	return s->kind;
}
