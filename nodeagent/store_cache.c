/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_cache.c - statements that are kept prepared
 *
 * Each comparison of the agent asks some sixty questions, always the same ones; to
 * prepare them took more time than to answer them.  A statement is found again by its
 * text.  Between two uses it is reset and unbound, so it holds no transaction open.  One
 * that is in use (the same question within itself) or failed isn't handed out again.
 * SQLite itself prepares a statement anew when the schema has changed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "nodeagent/store_sql.h"

#define SLOTS	256u	/* there are about 150 different ones */
#define WAYS	4u

struct sql_slot {
	sqlite3_stmt	*stmt;		/* NULL = empty */
	uint64_t	 hash;
	bool		 busy;
};

struct sql_cache {
	sqlite3		*db;
	struct sql_cache *next;
	unsigned	 turn;		/* who has to go */
	struct sql_slot	 slots[SLOTS];
};

/* A statement knows its database's handle, and nothing of us.  The loop's thread. */
static struct sql_cache *caches;

static uint64_t
hash_of(const char *sql)
{
	uint64_t h = 14695981039346656037u;	/* FNV-1a */

	for (; *sql != '\0'; sql++)
		h = (h ^ (unsigned char)*sql) * 1099511628211u;
	return h;
}

struct sql_cache *
sql_cache_new(sqlite3 *db)
{
	struct sql_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->db = db;
	c->next = caches;
	caches = c;
	return c;
}

void
sql_cache_clear(struct sql_cache *c)
{
	size_t i;

	for (i = 0; c != NULL && i < SLOTS; i++) {
		struct sql_slot *s = &c->slots[i];

		AV_ASSERT(!s->busy);
		(void)sqlite3_finalize(TAKE_PTR(s->stmt));	/* was reset */
	}
}

struct sql_cache *
sql_cache_free(struct sql_cache *c)
{
	struct sql_cache **at = &caches;

	if (c == NULL)
		return NULL;
	sql_cache_clear(c);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c);
	return NULL;
}

/* Where one of this text is, or may be put; NULL = all of its places are in use. */
static struct sql_slot *
slot_for(struct sql_cache *c, uint64_t hash, const char *sql)
{
	struct sql_slot *set = &c->slots[hash % (SLOTS / WAYS) * WAYS];
	struct sql_slot *place = NULL;
	unsigned i;

	for (i = 0; i < WAYS; i++)
		if (set[i].stmt != NULL && set[i].hash == hash &&
		    strcmp(sqlite3_sql(set[i].stmt), sql) == 0)
			return set[i].busy ? NULL : &set[i];
	for (i = 0; i < WAYS; i++) {
		struct sql_slot *s = &set[(c->turn + i) % WAYS];

		if (!s->busy && (place == NULL || s->stmt == NULL))
			place = s;
	}
	c->turn++;
	if (place != NULL)
		(void)sqlite3_finalize(TAKE_PTR(place->stmt));
	return place;
}

int
sql_cache_prepare(const struct store *st, const char *sql, sqlite3_stmt **ret)
{
	uint64_t hash = hash_of(sql);
	struct sql_slot *s = st->cache == NULL ? NULL :
	    slot_for(st->cache, hash, sql);
	int r;

	if (s == NULL)
		return sqlite3_prepare_v2(st->db, sql, -1, ret, NULL);
	if (s->stmt == NULL) {
		r = sqlite3_prepare_v3(st->db, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &s->stmt, NULL);
		if (r != SQLITE_OK || s->stmt == NULL)
			return r;
		s->hash = hash;
	}
	s->busy = true;
	*ret = s->stmt;
	return SQLITE_OK;
}

void
sql_done(sqlite3_stmt *stmt)
{
	struct sql_cache *c = caches;
	unsigned i;

	if (stmt == NULL)
		return;
	while (c != NULL && c->db != sqlite3_db_handle(stmt))
		c = c->next;
	for (i = 0; c != NULL && i < WAYS; i++) {
		struct sql_slot *s = &c->slots[hash_of(sqlite3_sql(stmt)) %
		    (SLOTS / WAYS) * WAYS + i];

		if (s->stmt != stmt)
			continue;
		s->busy = false;
		/* it repeats the step's error */
		if (sqlite3_reset(stmt) == SQLITE_OK &&
		    sqlite3_clear_bindings(stmt) == SQLITE_OK)
			return;
		s->stmt = NULL;
		break;
	}
	(void)sqlite3_finalize(stmt);
}
