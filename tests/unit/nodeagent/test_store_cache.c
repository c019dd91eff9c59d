/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_store_cache.c - statements that are kept prepared
 */
#include "nodeagent/store_sql.h"
#include "tests/unit/nodeagent/store_fixture.h"

#define NETWORKS "SELECT id, name FROM network ORDER BY id"

static unsigned
n_statements(const struct fx *fx, unsigned *ret_open)
{
	sqlite3_stmt *s = NULL;
	unsigned n = 0;

	*ret_open = 0;
	while ((s = sqlite3_next_stmt(fx->st->db, s)) != NULL) {
		n++;
		*ret_open += sqlite3_stmt_busy(s) != 0;
	}
	return n;
}

/* The agent's pass: what it asks again isn't prepared again. */
TEST(the_same_question_is_prepared_once)
{
	struct store_unit unit;
	struct store_vm vm;
	unsigned n, open, i;
	char id[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "cache"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_EQ(store_get_unit(fx.st, &unit), 0);
	CHECK_EQ(store_get_vm(fx.st, id, &vm), 0);
	n = n_statements(&fx, &open);
	CHECK(n > 0);
	CHECK_EQ(open, 0);
	for (i = 0; i < 100; i++) {
		CHECK_EQ(store_get_unit(fx.st, &unit), 0);
		CHECK_STR(unit.uuid, UNIT_UUID);
		CHECK_EQ(store_get_vm(fx.st, id, &vm), 0);
		CHECK_STR(vm.name, "web");
		CHECK_EQ(vm.n_disks, 1);
	}
	CHECK_EQ(store_get_vm(fx.st, "vm:o99", &vm), -ENOENT);
	CHECK_EQ(n_statements(&fx, &open), n);
	CHECK_EQ(open, 0);
	fx_close(&fx);
	return 0;
}

static int
ids_within_ids(struct fx *fx, unsigned *ret_n)
{
	AUTO_STMT sqlite3_stmt *outer = NULL;
	int64_t last = 0;

	*ret_n = 0;
	CHECK_EQ(sql_query(fx->st, &outer, NULL, NETWORKS, ""), 0);
	while (sql_next(fx->st, outer, NULL) == 1) {
		AUTO_STMT sqlite3_stmt *inner = NULL;

		CHECK(sqlite3_column_int64(outer, 0) > last);
		last = sqlite3_column_int64(outer, 0);
		CHECK_EQ(sql_query(fx->st, &inner, NULL, NETWORKS, ""), 0);
		CHECK(inner != outer);
		while (sql_next(fx->st, inner, NULL) == 1)
			(*ret_n)++;
		CHECK_EQ(sqlite3_column_int64(outer, 0), last);
	}
	return 0;
}

TEST(a_question_within_itself)
{
	struct fx fx;
	unsigned n, open;

	CHECK_EQ(fx_open(&fx, "cache"), 0);
	CHECK_EQ(sql_run(fx.st, NULL, "INSERT INTO network VALUES"
	    " (70, 'a', 'a', 1500), (71, 'b', 'b', 1500)", ""), 0);
	CHECK_EQ(ids_within_ids(&fx, &n), 0);
	CHECK_EQ(n, 9);		/* with the unit's own network */
	(void)n_statements(&fx, &open);
	CHECK_EQ(open, 0);
	fx_close(&fx);
	return 0;
}

/* One that isn't reset would keep the log of changes from being written back, and
 * show a moment that is over. */
TEST(nothing_stays_open)
{
	struct store_unit unit;
	unsigned open;
	int64_t busy;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "cache"), 0);
	CHECK_EQ(store_get_unit(fx.st, &unit), 0);
	(void)n_statements(&fx, &open);
	CHECK_EQ(open, 0);
	CHECK_EQ(sql_get_int(fx.st, &busy, NULL,
	    "PRAGMA wal_checkpoint(TRUNCATE)", ""), 0);
	CHECK_EQ(busy, 0);
	CHECK_EQ(sql_run(fx.st, NULL, "UPDATE unit SET name = 'other'", ""),
	    0);
	CHECK_EQ(store_get_unit(fx.st, &unit), 0);
	CHECK_STR(unit.name, "other");
	fx_close(&fx);
	return 0;
}

/* A statement that failed says nothing about the next one's. */
TEST(a_failure_is_over)
{
	static const char sql[] = "INSERT INTO meta (key, value) VALUES (?, ?)";
	struct av_err err = { 0 };
	int64_t value;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "cache"), 0);
	CHECK_EQ(sql_run(fx.st, &err, sql, "si", "x", (int64_t)1), 0);
	CHECK(sql_run(fx.st, &err, sql, "si", "x", (int64_t)2) < 0);
	CHECK_EQ(sql_run(fx.st, &err, sql, "si", "y", (int64_t)3), 0);
	CHECK_EQ(store_meta_get(fx.st, "y", &value, NULL), 0);
	CHECK_EQ(value, 3);
	CHECK_EQ(store_meta_get(fx.st, "x", &value, NULL), 0);
	CHECK_EQ(value, 1);
	fx_close(&fx);
	return 0;
}

/* Whatever is asked, no more are kept than there are places. */
TEST(places_are_limited)
{
	unsigned i, open;
	char sql[64];
	int64_t got;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "cache"), 0);
	for (i = 0; i < 2000; i++) {
		(void)snprintf(sql, sizeof(sql), "SELECT %u", i);
		CHECK_EQ(sql_get_int(fx.st, &got, NULL, sql, ""), 0);
		CHECK_EQ(got, i);
	}
	CHECK(n_statements(&fx, &open) <= 256);
	CHECK_EQ(open, 0);
	fx_close(&fx);
	return 0;
}

TEST(a_changed_table_is_seen)
{
	struct fx fx;
	int i;

	CHECK_EQ(fx_open(&fx, "cache"), 0);
	for (i = 0; i < 2; i++) {
		AUTO_STMT sqlite3_stmt *s = NULL;
		static int columns;

		CHECK_EQ(sql_query(fx.st, &s, NULL, "SELECT * FROM unit", ""),
		    0);
		CHECK_EQ(sql_next(fx.st, s, NULL), 1);
		CHECK(i == 0 || sqlite3_column_count(s) == columns + 1);
		columns = sqlite3_column_count(s);
		sql_done(TAKE_PTR(s));
		if (i == 0)
			CHECK_EQ(sql_script(fx.st->db,
			    "ALTER TABLE unit ADD COLUMN more TEXT", NULL), 0);
	}
	fx_close(&fx);
	return 0;
}

/* Two databases in one process, as a database and its image. */
TEST(each_database_has_its_own)
{
	struct store_unit unit;
	struct fx a, b;

	CHECK_EQ(fx_open(&a, "cache"), 0);
	CHECK_EQ(fx_open_empty(&b, "cache"), 0);
	CHECK_EQ(store_get_unit(a.st, &unit), 0);
	CHECK_EQ(store_get_unit(b.st, &unit), -ENOENT);
	CHECK_EQ(store_get_unit(a.st, &unit), 0);
	fx_close(&a);
	CHECK_EQ(store_get_unit(b.st, &unit), -ENOENT);
	fx_close(&b);
	return 0;
}

TESTS_MAIN(T(the_same_question_is_prepared_once), T(a_question_within_itself),
    T(nothing_stays_open), T(a_failure_is_over), T(places_are_limited),
    T(a_changed_table_is_seen), T(each_database_has_its_own))
