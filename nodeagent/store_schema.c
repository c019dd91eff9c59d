/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_schema.c - the tables, and which versions we read
 *
 * PRAGMA user_version is the schema's version.  A step of 'migrations' leads from
 * version N to N + 1, in one transaction; steps are never edited once released.
 *
 * Numbers in columns: phase 0 creating, 1 ready, 2 deleting; want 0 stopped, 1
 * running; stop_how 0 none, 1 shutdown, 2 poweroff; node and preferred 0, 1 or NULL.
 * Times are ms since 1970, UTC.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/store_sql.h"

static const char schema_v1[] =
"CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL)"
" STRICT, WITHOUT ROWID;"
"INSERT INTO meta VALUES ('seq', 0), ('hash', zeroblob(32)),"
" ('next_id', 1), ('next_alert', 1), ('next_audit', 1);"
"CREATE TABLE unit (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL,"
" name TEXT NOT NULL, address TEXT NOT NULL, primary_node INTEGER NOT NULL,"
" created_ms INTEGER NOT NULL) STRICT;"
"CREATE TABLE node (id INTEGER PRIMARY KEY, idx INTEGER NOT NULL UNIQUE,"
" name TEXT NOT NULL UNIQUE, memory_bytes INTEGER NOT NULL,"
" storage_bytes INTEGER NOT NULL, threads INTEGER NOT NULL,"
" cores INTEGER NOT NULL, sockets INTEGER NOT NULL,"
" addresses TEXT NOT NULL, versions TEXT NOT NULL) STRICT;"
"CREATE TABLE storage_group (id INTEGER PRIMARY KEY,"
" name TEXT NOT NULL UNIQUE) STRICT;"
"CREATE TABLE network (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
" bridge TEXT NOT NULL UNIQUE, mtu INTEGER NOT NULL) STRICT;"
"CREATE TABLE vm (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
" description TEXT NOT NULL, os TEXT NOT NULL, uuid TEXT NOT NULL UNIQUE,"
" vcpus INTEGER NOT NULL, memory_bytes INTEGER NOT NULL,"
" bits64 INTEGER NOT NULL, phase INTEGER NOT NULL, want INTEGER NOT NULL,"
" stop_how INTEGER NOT NULL, start_after INTEGER NOT NULL,"
" node INTEGER, preferred INTEGER, run_id INTEGER NOT NULL,"
" moving INTEGER NOT NULL, crash_held INTEGER NOT NULL,"
" crashes INTEGER NOT NULL, crash_first_ms INTEGER NOT NULL,"
" started_ms INTEGER, created_ms INTEGER NOT NULL,"
" reason_code TEXT NOT NULL, reason_text TEXT NOT NULL) STRICT;"
/* a name is free again as soon as its owner is being deleted */
"CREATE UNIQUE INDEX vm_name ON vm (name) WHERE phase <> 2;"
"CREATE TABLE volume (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
" uuid TEXT NOT NULL UNIQUE, size_bytes INTEGER NOT NULL,"
" storage_group INTEGER NOT NULL REFERENCES storage_group (id),"
" phase INTEGER NOT NULL, image TEXT NOT NULL, installed INTEGER NOT NULL,"
" leg0 INTEGER NOT NULL, leg1 INTEGER NOT NULL,"
" port INTEGER NOT NULL UNIQUE, identity INTEGER NOT NULL,"
" created_ms INTEGER NOT NULL) STRICT;"
"CREATE UNIQUE INDEX volume_name ON volume (name) WHERE phase <> 2;"
"CREATE TABLE vm_volume (vm INTEGER NOT NULL REFERENCES vm (id),"
" slot INTEGER NOT NULL, volume INTEGER NOT NULL UNIQUE"
" REFERENCES volume (id), boot INTEGER NOT NULL,"
" PRIMARY KEY (vm, slot)) STRICT, WITHOUT ROWID;"
"CREATE TABLE vm_network (vm INTEGER NOT NULL REFERENCES vm (id),"
" slot INTEGER NOT NULL, network INTEGER NOT NULL REFERENCES network (id),"
" mac TEXT NOT NULL UNIQUE, PRIMARY KEY (vm, slot)) STRICT, WITHOUT ROWID;"
"CREATE TABLE user (name TEXT PRIMARY KEY, role TEXT NOT NULL,"
" real_name TEXT NOT NULL, language TEXT NOT NULL, hash TEXT NOT NULL,"
" created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
"CREATE TABLE alert (id INTEGER PRIMARY KEY, code TEXT NOT NULL,"
" object TEXT NOT NULL, severity TEXT NOT NULL, text TEXT NOT NULL,"
" cause TEXT NOT NULL, repair TEXT NOT NULL, params TEXT NOT NULL,"
" raised_ms INTEGER NOT NULL, cleared_ms INTEGER,"
" count INTEGER NOT NULL) STRICT;"
"CREATE UNIQUE INDEX alert_open ON alert (code, object)"
" WHERE cleared_ms IS NULL;"
"CREATE TABLE audit (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL,"
" user TEXT NOT NULL, role TEXT NOT NULL, origin TEXT NOT NULL,"
" via TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL,"
" result TEXT NOT NULL, detail TEXT NOT NULL) STRICT;";

/* Failures of VMs and PMs; 'object' is the number of the id.  vm.crashes and
 * vm.crash_held say the same of VMs, for the queries of before. */
static const char schema_v2[] =
"CREATE TABLE mtbf (object INTEGER PRIMARY KEY, policy INTEGER NOT NULL,"
" threshold_s INTEGER NOT NULL, judged_from INTEGER NOT NULL,"
" failures INTEGER NOT NULL, first_ms INTEGER NOT NULL,"
" last_ms INTEGER NOT NULL, held INTEGER NOT NULL, away INTEGER NOT NULL)"
" STRICT;"
"INSERT INTO mtbf SELECT id, 0, 1200, 4, crashes, crash_first_ms,"
" crash_first_ms, crash_held, 0 FROM vm WHERE crashes > 0;";

/* Quorum servers; 'kind' etcd or ping.  'quorum' has one row: see quorum_db.h. */
static const char schema_v3[] =
"CREATE TABLE quorum_server (id INTEGER PRIMARY KEY, kind TEXT NOT NULL,"
" address TEXT NOT NULL UNIQUE, preferred INTEGER NOT NULL,"
" leaving INTEGER NOT NULL, ca TEXT NOT NULL, cert TEXT NOT NULL,"
" key TEXT NOT NULL, created_ms INTEGER NOT NULL) STRICT;"
"CREATE TABLE quorum (one INTEGER PRIMARY KEY, imported INTEGER NOT NULL,"
" active INTEGER NOT NULL, next INTEGER NOT NULL, token TEXT NOT NULL,"
" gen INTEGER NOT NULL, confirmed INTEGER NOT NULL) STRICT;"
"INSERT INTO quorum VALUES (1, 0, 0, 0, '', 0, 0);";

/* The mirror's care: verify and its schedule, pause and limit of a resync, a leg
 * whose disk failed.  leg_failed: 0, 1 or NULL.  leg_replace: 1 = the leg is to be
 * made anew, 2 = it has been.  verify_day: 0 = Sunday. */
static const char schema_v4[] =
"ALTER TABLE unit ADD COLUMN resync_rate_kib_s INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE unit ADD COLUMN verify_every TEXT NOT NULL DEFAULT 'monthly';"
"ALTER TABLE unit ADD COLUMN verify_day INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE unit ADD COLUMN verify_hour INTEGER NOT NULL DEFAULT 3;"
"ALTER TABLE unit ADD COLUMN verify_repair INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN resync_paused INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN leg_failed INTEGER;"
"ALTER TABLE volume ADD COLUMN leg_failed_ms INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN leg_failed_text TEXT NOT NULL DEFAULT '';"
"ALTER TABLE volume ADD COLUMN leg_replace INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN verify_run INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN verify_active INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN verify_repair INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN verify_by TEXT NOT NULL DEFAULT '';"
"ALTER TABLE volume ADD COLUMN verify_started_ms INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN verify_ended_ms INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN verify_result TEXT NOT NULL DEFAULT '';"
"ALTER TABLE volume ADD COLUMN verify_found INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN verify_repaired INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE volume ADD COLUMN verify_text TEXT NOT NULL DEFAULT '';";

/* Live migration, and where a VM goes back to.  moving_to, move_from, move_target,
 * home: 0, 1 or NULL; moving_to isn't NULL while a move is under way, move_run is the
 * run that it began in. */
static const char schema_v5[] =
"ALTER TABLE unit ADD COLUMN go_home INTEGER NOT NULL DEFAULT 1;"
"ALTER TABLE vm ADD COLUMN home INTEGER;"
"ALTER TABLE vm ADD COLUMN moving_to INTEGER;"
"ALTER TABLE vm ADD COLUMN move_id INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE vm ADD COLUMN move_run INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE vm ADD COLUMN move_from INTEGER;"
"ALTER TABLE vm ADD COLUMN move_target INTEGER;"
"ALTER TABLE vm ADD COLUMN move_by TEXT NOT NULL DEFAULT '';"
"ALTER TABLE vm ADD COLUMN move_started_ms INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE vm ADD COLUMN move_ended_ms INTEGER NOT NULL DEFAULT 0;"
"ALTER TABLE vm ADD COLUMN move_result TEXT NOT NULL DEFAULT '';"
"ALTER TABLE vm ADD COLUMN move_code TEXT NOT NULL DEFAULT '';"
"ALTER TABLE vm ADD COLUMN move_text TEXT NOT NULL DEFAULT '';";

/* A PM that is out for maintenance: store_maintenance.h. */
static const char schema_v6[] =
"CREATE TABLE maintenance (node INTEGER PRIMARY KEY,"
" since_ms INTEGER NOT NULL, shutdown INTEGER NOT NULL, by TEXT NOT NULL)"
" STRICT;";

/* Parts of PMs that are about to fail: store_fault.h. */
static const char schema_v7[] =
"CREATE TABLE fault (node INTEGER NOT NULL, part TEXT NOT NULL,"
" text TEXT NOT NULL, since_ms INTEGER NOT NULL,"
" PRIMARY KEY (node, part)) STRICT, WITHOUT ROWID;";

/* What is to be done to a PM that is out: "", reboot, shutdown. */
static const char schema_v8[] =
"ALTER TABLE maintenance ADD COLUMN power TEXT NOT NULL DEFAULT '';";

static const char *const migrations[] = {
	schema_v1,			/* 0 (empty) -> 1 */
	schema_v2,			/* 1 -> 2: mtbf */
	schema_v3,			/* 2 -> 3: quorum servers */
	schema_v4,			/* 3 -> 4: care of volumes */
	schema_v5,			/* 4 -> 5: live migration */
	schema_v6,			/* 5 -> 6: maintenance */
	schema_v7,			/* 6 -> 7: faults */
	schema_v8,			/* 7 -> 8: a PM that is out is rebooted */
};
_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == STORE_VERSION,
    "one step for each version");

const struct store_table store_tables[] = {
	{ "meta", "key" }, { "unit", "id" }, { "node", "id" },
	{ "storage_group", "id" }, { "network", "id" }, { "vm", "id" },
	{ "volume", "id" }, { "vm_volume", "vm, slot" },
	{ "vm_network", "vm, slot" }, { "user", "name" }, { "alert", "id" },
	{ "audit", "id" }, { "mtbf", "object" }, { "quorum_server", "id" },
	{ "quorum", "one" }, { "maintenance", "node" },
	{ "fault", "node, part" }, { NULL, NULL },
};

static int
scalar(sqlite3 *db, const char *sql, char *buf, size_t n, struct av_err *err)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if (r == SQLITE_ROW)
		sql_copy(stmt, 0, buf, n);
	else if (r == SQLITE_DONE)
		buf[0] = '\0';
	else
		return sql_error(db, r, "database", err);
	return 0;
}

static int
version_get(sqlite3 *db, uint64_t *ret, struct av_err *err)
{
	char text[32];
	int rc = scalar(db, "PRAGMA user_version", text, sizeof(text), err);

	if (rc < 0)
		return rc;
	if (av_parse_u64(text, ret) < 0)	/* a negative one */
		*ret = UINT64_MAX;
	return 0;
}

static int
too_new(const char *what, uint64_t version, struct av_err *err)
{
	return av_err_code(err, -EOPNOTSUPP, "database-newer",
	    "%s was made by a newer version (schema %" PRIu64 ", this one reads up to %d): install that version here",
	    what, version, STORE_VERSION);
}

int
store_schema_readable(sqlite3 *db, const char *what, struct av_err *err)
{
	uint64_t version;
	int rc = version_get(db, &version, err);

	if (rc < 0)
		return rc;
	return version > STORE_VERSION ? too_new(what, version, err) : 0;
}

int
store_schema_check(sqlite3 *db, const char *what, struct av_err *err)
{
	char text[128];
	int rc = store_schema_readable(db, what, err);

	if (rc < 0)
		return rc;
	rc = scalar(db, "PRAGMA integrity_check(1)", text, sizeof(text), err);
	if (rc < 0)
		return rc;
	if (strcmp(text, "ok") != 0)
		return av_err_code(err, -EBADMSG, "database-damaged",
		    "%s is damaged: %s", what, text);
	rc = scalar(db, "PRAGMA foreign_key_check", text, sizeof(text), err);
	if (rc < 0)
		return rc;
	if (text[0] != '\0')
		return av_err_code(err, -EBADMSG, "database-damaged",
		    "%s is damaged: a row of '%s' names an object that isn't there",
		    what, text);
	return 0;
}

static int
migrate(sqlite3 *db, uint64_t version, struct av_err *err)
{
	char pragma[48];
	int rc = sql_script(db, "BEGIN IMMEDIATE", err);

	for (; rc == 0 && version < STORE_VERSION; version++)
		rc = sql_script(db, migrations[version], err);
	(void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d",
	    STORE_VERSION);
	if (rc == 0)
		rc = sql_script(db, pragma, err);
	if (rc == 0)
		rc = sql_script(db, "COMMIT", err);
	if (rc < 0)
		(void)sql_script(db, "ROLLBACK", NULL);	/* none may be open */
	return rc;
}

int
store_schema_setup(sqlite3 *db, const char *path, struct av_err *err)
{
	uint64_t version;
	int rc = version_get(db, &version, err);

	if (rc < 0)
		return rc;
	if (version == 0) {
		char text[32];

		rc = scalar(db, "SELECT count(*) FROM sqlite_schema", text,
		    sizeof(text), err);
		if (rc < 0)
			return rc;
		if (strcmp(text, "0") != 0)
			return av_err_code(err, -EBADMSG, "database-damaged",
			    "%s is a database, but not of a unit", path);
	} else {
		rc = store_schema_check(db, path, err);
		if (rc < 0)
			return rc;
	}
	return version < STORE_VERSION ? migrate(db, version, err) : 0;
}
