/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>

#include "nodeagent/store_sql.h"
#include "tests/unit/nodeagent/old_schema.h"
#include "tests/unit/nodeagent/store_fixture.h"

TEST(a_new_database_has_position_zero)
{
	struct store_position pos;
	struct store_unit unit;
	struct fx fx;

	CHECK_EQ(fx_open_empty(&fx, "store"), 0);
	store_position(fx.st, &pos);
	CHECK_EQ(pos.seq, 0);
	CHECK_EQ(store_get_unit(fx.st, &unit), -ENOENT);
	CHECK(!unit.exists);
	CHECK_STR(fx_code(&fx, "vm.start", "{'vm':'web'}"), "unavailable");
	fx_close(&fx);
	return 0;
}

TEST(position_and_content_outlive_the_process)
{
	struct store_position a, b;
	struct store_unit unit;
	char vm[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "store"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	store_position(fx.st, &a);
	CHECK(a.seq > 0);
	fx.st = store_close(fx.st);
	CHECK_EQ(store_open(fx.path, &fx.st, &fx.err), 0);
	store_position(fx.st, &b);
	CHECK_EQ(a.seq, b.seq);
	CHECK(memcmp(a.hash, b.hash, 32) == 0);
	CHECK_EQ(store_get_unit(fx.st, &unit), 0);
	CHECK_STR(unit.uuid, UNIT_UUID);
	CHECK_STR(unit.id, "unit:o1");
	fx_close(&fx);
	return 0;
}

TEST(one_process_at_a_time)
{
	struct store *second = NULL;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "store"), 0);
	CHECK(store_open(fx.path, &second, &fx.err) < 0);
	CHECK_STR(fx.err.code, "database-busy");
	CHECK(second == NULL);
	fx_close(&fx);
	return 0;
}

TEST(a_newer_version_is_refused_and_left_alone)
{
	struct stat before, after;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "store"), 0);
	CHECK_EQ(sql_script(fx.st->db, "PRAGMA user_version = 99", NULL), 0);
	fx.st = store_close(fx.st);
	CHECK_EQ(stat(fx.path, &before), 0);
	CHECK(store_open(fx.path, &fx.st, &fx.err) < 0);
	CHECK_STR(fx.err.code, "database-newer");
	CHECK(strstr(fx.err.text, "newer version (schema 99") != NULL);
	CHECK_EQ(stat(fx.path, &after), 0);
	CHECK_EQ(before.st_size, after.st_size);
	fx_close(&fx);
	return 0;
}

static int
overwrite(const char *path, off_t at, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	if (fd < 0 || pwrite(fd, text, strlen(text), at) < 0)
		return -1;
	return close(fd);
}

TEST(a_damaged_one_is_refused_in_words_and_can_be_set_aside)
{
	struct fx fx;
	char vm[32];
	off_t at;

	CHECK_EQ(fx_open(&fx, "store"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	fx.st = store_close(fx.st);
	/* pages 2 and on become text */
	for (at = 4096; at < 40960; at += 40)
		CHECK_EQ(overwrite(fx.path, at,
		    "this was a page of a database, once ....."), 0);
	CHECK(store_open(fx.path, &fx.st, &fx.err) < 0);
	CHECK_STR(fx.err.code, "database-damaged");
	CHECK(strstr(fx.err.text, "damaged") != NULL);
	CHECK_EQ(store_set_aside(fx.path, &fx.err), 0);
	CHECK_EQ(store_open(fx.path, &fx.st, &fx.err), 0);
	fx_close(&fx);
	return 0;
}

TEST(what_is_no_database_is_refused)
{
	struct fx fx;

	CHECK_EQ(fx_open_empty(&fx, "store"), 0);
	fx.st = store_close(fx.st);
	CHECK_EQ(overwrite(fx.path, 0, "#!/bin/sh -- not a database at all"), 0);
	CHECK(store_open(fx.path, &fx.st, &fx.err) < 0);
	CHECK_STR(fx.err.code, "database-damaged");
	CHECK(store_open("/nonexistent/unit.db", &fx.st, &fx.err) < 0);
	fx_close(&fx);
	return 0;
}

TEST(another_programs_database_is_refused)
{
	sqlite3 *db;
	struct fx fx;

	CHECK_EQ(fx_open_empty(&fx, "store"), 0);
	fx.st = store_close(fx.st);
	CHECK_EQ(unlink(fx.path), 0);
	CHECK_EQ(sqlite3_open(fx.path, &db), SQLITE_OK);
	CHECK_EQ(sql_script(db, "CREATE TABLE t (a)", NULL), 0);
	CHECK_EQ(sqlite3_close(db), SQLITE_OK);
	CHECK(store_open(fx.path, &fx.st, &fx.err) < 0);
	CHECK_STR(fx.err.code, "database-damaged");
	fx_close(&fx);
	return 0;
}

TEST(a_full_disk_is_maybe_and_changes_nothing)
{
	struct store_position a, b;
	uint8_t before[32], after[32];
	struct fx fx;
	int i, rc = 0;

	CHECK_EQ(fx_open(&fx, "store"), 0);
	/* no page more than there are */
	CHECK_EQ(sql_script(fx.st->db, "PRAGMA max_page_count = 1", NULL), 0);
	for (i = 0; i < 200 && rc == 0; i++) {
		CHECK_EQ(store_dump_hash(fx.st, before, NULL), 0);
		store_position(fx.st, &a);
		rc = fx_system(&fx, "audit.add", "{'action':'fill',"
		    "'result':'ok','detail':'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}");
	}
	CHECK(rc < 0);
	CHECK_EQ(fx.err.outcome, AV_MAYBE);
	CHECK(fx.result == NULL);
	CHECK(strstr(fx.err.text, "full") != NULL);
	CHECK_EQ(store_dump_hash(fx.st, after, NULL), 0);
	CHECK(memcmp(before, after, 32) == 0);
	store_position(fx.st, &b);
	CHECK_EQ(a.seq, b.seq);
	fx_close(&fx);
	return 0;
}

/* --- the same commands, the same rows --- */

static unsigned
next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static const char *const ops[] = { "vm.create", "vm.start", "vm.shutdown",
	"vm.poweroff", "vm.delete", "vm.rename", "vm.report", "volume.report",
	"vm.takeover", "alert.raise", "alert.clear", "node.report", "vm.report",
	"vm.report", "volume.report", "volume.report", "unit.primary",
	"volume.delete", "audit.add" };

static json_t *
random_args(const char *op, unsigned *seed)
{
	static const char *const events[] = { "started", "stopped-by-guest",
		"crashed", "installed", "install-failed", "deleted" };
	static const char *const legs[] = { "created", "created", "deleted",
		"create-failed" };
	unsigned r = next_random(seed);
	const char *node = r & 1 ? "node1" : "node0";
	const char *peer = r & 1 ? "node0" : "node1";
	char ref[32], name[32];

	(void)snprintf(ref, sizeof(ref), "vm:o%u", 6 + r % 30);
	(void)snprintf(name, sizeof(name), "m%u", r % 9);
	if (strcmp(op, "vm.create") == 0)
		return json_pack("{s:s, s:i, s:I, s:[{s:i},{s:i,s:s}], s:[s],"
		    " s:b}", "name", name, "vcpus", 1 + (int)(r % 9),
		    "memory_bytes", (json_int_t)(200 + r % 3000) << 20,
		    "volumes", "size_bytes", 5000000, "size_bytes", 200000000,
		    "image", "small.img", "networks", "net0", "start",
		    (int)(r >> 3 & 1));
	if (strcmp(op, "vm.rename") == 0)
		return json_pack("{s:s, s:s}", "vm", ref, "name", name);
	if (strcmp(op, "vm.report") == 0)
		return json_pack("{s:s, s:i, s:s, s:s}", "vm", ref, "run_id",
		    (int)(r >> 4 & 1), "event", events[r % 6], "reason", "r");
	if (strcmp(op, "volume.report") == 0 ||
	    strcmp(op, "volume.delete") == 0)
		(void)snprintf(ref, sizeof(ref), "volume:o%u", 6 + r % 30);
	if (strcmp(op, "volume.report") == 0)
		return json_pack("{s:s, s:s, s:s}", "volume", ref, "node", node,
		    "event", legs[r >> 2 & 3]);
	if (strcmp(op, "volume.delete") == 0)
		return json_pack("{s:s}", "volume", ref);
	if (strcmp(op, "vm.takeover") == 0)
		return json_pack("{s:s, s:s}", "from", node, "to", peer);
	if (strcmp(op, "alert.raise") == 0)
		return json_pack("{s:s, s:s, s:s, s:s, s:s, s:[s]}", "code",
		    name, "object", ref, "severity", "minor", "text", "t",
		    "cause", "c", "repair", "x");
	if (strcmp(op, "alert.clear") == 0)
		return json_pack("{s:s, s:s}", "code", name, "object", ref);
	if (strcmp(op, "node.report") == 0)
		return json_pack("{s:s, s:I}", "node", node, "storage_bytes",
		    (json_int_t)(1 + r % 20) * 1000000000);
	if (strcmp(op, "unit.primary") == 0)
		return json_pack("{s:s}", "node", node);
	if (strcmp(op, "audit.add") == 0)
		return json_pack("{s:s, s:s}", "action", name, "result", "ok");
	return json_pack("{s:s}", "vm", ref);
}

static int
same(struct fx *a, struct fx *b)
{
	struct store_position pa, pb;
	uint8_t ha[32], hb[32];

	store_position(a->st, &pa);
	store_position(b->st, &pb);
	return pa.seq == pb.seq && memcmp(pa.hash, pb.hash, 32) == 0 &&
	    store_dump_hash(a->st, ha, NULL) == 0 &&
	    store_dump_hash(b->st, hb, NULL) == 0 && memcmp(ha, hb, 32) == 0;
}

TEST(two_databases_stay_alike_through_a_thousand_commands)
{
	unsigned seed = 42, n_ok = 0, n_no = 0;
	struct fx a, b, c;
	uint8_t *image;
	size_t n_image;
	int i, rc;

	CHECK_EQ(fx_open(&a, "a"), 0);
	CHECK_EQ(fx_open(&b, "b"), 0);
	CHECK_EQ(fx_open_empty(&c, "c"), 0);
	CHECK_EQ(sql_script(a.st->db, "PRAGMA synchronous = OFF", NULL), 0);
	CHECK_EQ(sql_script(b.st->db, "PRAGMA synchronous = OFF", NULL), 0);
	for (i = 0; i < 1000; i++) {
		const char *op = ops[next_random(&seed) %
		    (sizeof(ops) / sizeof(ops[0]))];
		json_t *args = random_args(op, &seed), *ra, *rb;
		json_t *cmd;

		a.role = a.user = "system";
		cmd = fx_command(&a, op, args);
		rc = store_apply(a.st, cmd, &ra, &a.err);
		CHECK_EQ(store_apply(b.st, cmd, &rb, &b.err), rc);
		CHECK(ra != NULL && rb != NULL && json_equal(ra, rb));
		if (rc == 0)
			n_ok++;
		else
			n_no++;
		json_decref(cmd);
		json_decref(ra);
		json_decref(rb);
		if (i % 50 == 0)
			CHECK(same(&a, &b));
		/* a PM that comes back takes over the whole database */
		if (i % 250 == 249) {
			CHECK_EQ(store_serialize(a.st, &image, &n_image, NULL),
			    0);
			CHECK_EQ(store_replace(c.st, image, n_image, &c.err), 0);
			free(image);
			CHECK(same(&a, &c));
		}
	}
	CHECK(same(&a, &b));
	CHECK(n_ok > 200 && n_no > 100);	/* it did test something */
	fx_close(&a);
	fx_close(&b);
	fx_close(&c);
	return 0;
}

TEST(a_taken_over_database_goes_on_and_outlives_a_restart)
{
	uint8_t *image, ha[32], hb[32];
	struct fx a, b;
	size_t n;

	CHECK_EQ(fx_open(&a, "a"), 0);
	CHECK_EQ(fx_open_empty(&b, "b"), 0);
	CHECK_EQ(store_serialize(a.st, &image, &n, NULL), 0);
	CHECK_EQ(store_replace(b.st, image, n, &b.err), 0);
	free(image);
	b.at_ms = a.at_ms;
	CHECK_STR(fx_code(&a, "vm.start", "{'vm':'x'}"), "not-found");
	CHECK_STR(fx_code(&b, "vm.start", "{'vm':'x'}"), "not-found");
	CHECK(same(&a, &b));
	CHECK_EQ(store_dump_hash(b.st, ha, NULL), 0);
	b.st = store_close(b.st);
	CHECK_EQ(store_open(b.path, &b.st, &b.err), 0);
	CHECK_EQ(store_dump_hash(b.st, hb, NULL), 0);
	CHECK(memcmp(ha, hb, 32) == 0);
	fx_close(&a);
	fx_close(&b);
	return 0;
}

TEST(a_bad_copy_never_replaces_anything)
{
	uint8_t *image, before[32], after[32];
	struct fx a, b;
	size_t n, i;

	CHECK_EQ(fx_open(&a, "a"), 0);
	CHECK_EQ(fx_open_empty(&b, "b"), 0);
	CHECK_EQ(store_dump_hash(a.st, before, NULL), 0);
	CHECK_EQ(store_serialize(a.st, &image, &n, NULL), 0);
	/* half of it; garbage in it; nothing; no database */
	CHECK(store_replace(a.st, image, n / 2, &a.err) < 0);
	CHECK_STR(a.err.code, "database-damaged");
	for (i = 4096; i < n && i < 20480; i++)
		image[i] = (uint8_t)(image[i] ^ 0x55);
	CHECK(store_replace(a.st, image, n, &a.err) < 0);
	CHECK_STR(a.err.code, "database-damaged");
	CHECK(store_replace(a.st, image, 0, &a.err) < 0);
	memset(image, 'x', n);
	CHECK(store_replace(a.st, image, n, &a.err) < 0);
	CHECK_STR(a.err.code, "database-damaged");
	free(image);
	CHECK_EQ(store_dump_hash(a.st, after, NULL), 0);
	CHECK(memcmp(before, after, 32) == 0);
	fx_close(&a);
	fx_close(&b);
	return 0;
}

TEST(another_units_copy_is_refused)
{
	uint8_t *image;
	struct fx a, b;
	size_t n;

	CHECK_EQ(fx_open(&a, "a"), 0);
	CHECK_EQ(fx_open_empty(&b, "b"), 0);
	CHECK_EQ(fx_system(&b, "unit.create",
	    "{'uuid':'11111111-2222-3333-4444-555555555555','name':'other',"
	    "'admin':{'name':'admin','hash':'$y$x'}}"), 0);
	CHECK_EQ(store_serialize(b.st, &image, &n, NULL), 0);
	CHECK(store_replace(a.st, image, n, &a.err) < 0);
	CHECK_STR(a.err.code, "other-unit");
	free(image);
	/* an empty one is another unit's too: it would wipe ours */
	b.st = store_close(b.st);
	CHECK_EQ(unlink(b.path), 0);
	CHECK_EQ(store_open(b.path, &b.st, &b.err), 0);
	CHECK_EQ(store_serialize(b.st, &image, &n, NULL), 0);
	CHECK(store_replace(a.st, image, n, &a.err) < 0);
	CHECK_STR(a.err.code, "other-unit");
	free(image);
	fx_close(&a);
	fx_close(&b);
	return 0;
}

TEST(a_newer_copy_is_refused)
{
	uint8_t *image;
	struct fx a, b;
	size_t n;

	CHECK_EQ(fx_open(&a, "a"), 0);
	CHECK_EQ(fx_open(&b, "b"), 0);
	CHECK_EQ(sql_script(b.st->db, "PRAGMA user_version = 9", NULL), 0);
	CHECK_EQ(store_serialize(b.st, &image, &n, NULL), 0);
	CHECK(store_replace(a.st, image, n, &a.err) < 0);
	CHECK_STR(a.err.code, "database-newer");
	free(image);
	fx_close(&a);
	fx_close(&b);
	return 0;
}

TEST(trying_changes_and_records_nothing)
{
	uint8_t before[32], after[32];
	json_t *cmd, *result;
	char vm[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "store"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	CHECK_EQ(store_dump_hash(fx.st, before, NULL), 0);
	cmd = fx_command(&fx, "vm.start", fx_json("{'vm':'web'}"));
	CHECK_EQ(store_try(fx.st, cmd, &result, &fx.err), 0);
	CHECK_STR(fx_text(result, "node"), "node0");
	CHECK(json_is_true(json_object_get(result, "dry_run")));
	json_decref(result);
	json_decref(cmd);
	cmd = fx_command(&fx, "vm.start", fx_json("{'vm':'nobody'}"));
	CHECK(store_try(fx.st, cmd, &result, &fx.err) < 0);
	CHECK_STR(fx.err.code, "not-found");
	CHECK_STR(fx_text(result, "name"), "nobody");
	json_decref(result);
	json_decref(cmd);
	CHECK_EQ(store_dump_hash(fx.st, after, NULL), 0);
	CHECK(memcmp(before, after, 32) == 0);
	fx_close(&fx);
	return 0;
}

TEST(a_database_of_version_2_goes_on)
{
	struct store_position before, after;
	struct store_volume vol;
	struct store_unit unit;
	struct store_vm vm;
	char id[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "store"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_EQ(sql_script(fx.st->db, OLD_SCHEMA_2, NULL), 0);
	store_position(fx.st, &before);
	fx.st = store_close(fx.st);
	CHECK_EQ(store_open(fx.path, &fx.st, &fx.err), 0);
	store_position(fx.st, &after);
	CHECK_EQ(before.seq, after.seq);
	CHECK(memcmp(before.hash, after.hash, 32) == 0);
	CHECK_EQ(store_get_unit(fx.st, &unit), 0);
	CHECK_EQ(unit.verify.every, STORE_EVERY_MONTH);
	CHECK_EQ(unit.verify.hour, 3);
	CHECK_EQ(unit.resync_rate_kib_s, 0);
	CHECK_EQ(store_get_vm(fx.st, id, &vm), 0);
	CHECK_EQ(store_get_volume(fx.st, vm.disks[0].volume_id, &vol), 0);
	CHECK_EQ(vol.failed_leg, -1);
	CHECK_EQ(vol.size_bytes, 16777216);
	CHECK(!vol.resync_paused && !vol.verify.active);
	CHECK_EQ(fx_vm(&fx, "db", 300, id), 0);
	fx_close(&fx);
	return 0;
}

TESTS_MAIN(T(a_database_of_version_2_goes_on),T(a_new_database_has_position_zero),
    T(position_and_content_outlive_the_process), T(one_process_at_a_time),
    T(a_newer_version_is_refused_and_left_alone),
    T(a_damaged_one_is_refused_in_words_and_can_be_set_aside),
    T(what_is_no_database_is_refused), T(another_programs_database_is_refused),
    T(a_full_disk_is_maybe_and_changes_nothing),
    T(two_databases_stay_alike_through_a_thousand_commands),
    T(a_taken_over_database_goes_on_and_outlives_a_restart),
    T(a_bad_copy_never_replaces_anything), T(another_units_copy_is_refused),
    T(a_newer_copy_is_refused), T(trying_changes_and_records_nothing))
