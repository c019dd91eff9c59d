/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_sim.c - driver table, and the sim driver's life
 */
#include <errno.h>

#include "base/err.h"
#include "mirror/mirror.h"
#include "tests/test.h"

static int last_rc, n_done;

static void
done(struct mirror_op *op, int rc, const struct av_err *err)
{
	(void)op;
	(void)err;
	last_rc = rc;
	n_done++;
}

static void
turn(sd_event *loop)
{
	int i;

	for (i = 0; i < 20; i++)
		(void)sd_event_run(loop, 0);
}

TEST(drivers_have_no_holes)
{
	struct av_err err = { 0 };
	struct mirror *m;
	struct mirror_conf c = { 0 };

	CHECK_EQ(mirror_ops_check(&err), 0);
	CHECK(mirror_open("nosuch", &c, NULL, NULL, NULL, &m, &err) < 0);
	CHECK_STR(err.code, "bad-request");
	return 0;
}

TEST(sim_pair)
{
	static const char vol[] = "0123456789abcdef0123456789abcdef";
	struct mirror_op op = { .done = done }, op2 = { .done = done };
	struct mirror_op op3 = { .done = done };
	struct mirror_verify_req vreq = { .repair = true };
	const struct mirror_verify *v;
	struct mirror_primary_req req = { 0 };
	struct mirror *m[2];
	struct av_err err = { 0 };
	sd_event *loop = NULL;
	int i;

	CHECK(sd_event_new(&loop) >= 0);
	for (i = 0; i < 2; i++) {
		struct mirror_leg_spec spec = { .dir = i ? "/b" : "/a",
			.id = "o1", .unit_uuid = vol, .volume_uuid = vol,
			.size_bytes = 4096, .initial_current = 0x10 };
		struct mirror_conf c = { .dir = spec.dir, .id = "o1",
			.volume_uuid = vol, .run_dir = "/r" };

		CHECK_EQ(mirror_leg_create("sim", &spec, &err), 0);
		CHECK_EQ(mirror_leg_create("sim", &spec, &err), -EEXIST);
		CHECK_EQ(mirror_open("sim", &c, loop, NULL, NULL, &m[i],
		    &err), 0);
	}
	turn(loop);
	CHECK_EQ(mirror_primary(m[0], &op, &req, &err), 0);
	CHECK_EQ(n_done, 0);		/* never from inside the call */
	turn(loop);
	CHECK_EQ(n_done, 1);
	CHECK(mirror_status_peek(m[0])->conn == MIRROR_CONNECTED);
	mirror_sim_cut(vol, true);
	turn(loop);
	CHECK(mirror_status_peek(m[0])->conn == MIRROR_HELD);
	CHECK(mirror_status_peek(m[1])->conn == MIRROR_DISCONNECTED);
	CHECK_EQ(mirror_alone(m[0], &op2, 7, &err), 0);
	turn(loop);
	CHECK(mirror_status_peek(m[0])->alone);
	CHECK_EQ(mirror_status_peek(m[0])->gen, 7);
	mirror_sim_cut(vol, false);
	turn(loop);
	CHECK(mirror_status_peek(m[0])->conn == MIRROR_CONNECTED);
	CHECK(mirror_status_peek(m[1])->conn == MIRROR_CONNECTED);
	CHECK_EQ(mirror_status_peek(m[0])->resync_count, 1);
	CHECK_EQ(last_rc, 0);
	CHECK_EQ(mirror_verify(m[1], &op3, &vreq, &err), 0);
	turn(loop);
	CHECK_EQ(last_rc, -EPERM);	/* refusals come by done() */
	mirror_sim_damage(m[0], 40);
	CHECK_EQ(mirror_verify(m[0], &op3, &vreq, &err), 0);
	v = &mirror_status_peek(m[0])->verify;
	CHECK(v->state == MIRROR_VERIFY_RUNNING);
	turn(loop);
	CHECK_EQ(n_done, 4);
	CHECK(v->state == MIRROR_VERIFY_DONE);
	CHECK_EQ(v->n_repaired, 40);
	CHECK_EQ(v->n_list, MIRROR_VERIFY_LIST_MAX);
	CHECK_EQ(mirror_verify_cancel(m[0], &op3, &err), 0);
	turn(loop);
	CHECK_EQ(last_rc, -EALREADY);
	m[0] = mirror_close(m[0]);
	m[1] = mirror_close(m[1]);
	mirror_sim_reset();
	sd_event_unref(loop);
	return 0;
}

TEST(sim_disk_fails)
{
	static const char vol[] = "0123456789abcdef0123456789abcdef";
	struct mirror_op op = { .done = done };
	struct mirror_primary_req req = { 0 };
	const struct mirror_status *st[2];
	struct mirror *m[2];
	struct av_err err = { 0 };
	sd_event *loop = NULL;
	int i;

	CHECK(sd_event_new(&loop) >= 0);
	for (i = 0; i < 2; i++) {
		struct mirror_leg_spec spec = { .dir = i ? "/b" : "/a",
			.id = "o1", .unit_uuid = vol, .volume_uuid = vol,
			.size_bytes = 4096, .initial_current = 0x10 };
		struct mirror_conf c = { .dir = spec.dir, .id = "o1",
			.volume_uuid = vol, .run_dir = "/r" };

		CHECK_EQ(mirror_leg_create("sim", &spec, &err), 0);
		CHECK_EQ(mirror_open("sim", &c, loop, NULL, NULL, &m[i],
		    &err), 0);
		st[i] = mirror_status_peek(m[i]);
	}
	turn(loop);
	CHECK_EQ(mirror_primary(m[0], &op, &req, &err), 0);
	turn(loop);
	mirror_sim_fail_disk(m[0]);
	turn(loop);
	CHECK(st[0]->conn == MIRROR_HELD && st[0]->peer_connected);
	CHECK(st[0]->disk == MIRROR_DISK_FAILED);
	CHECK_STR(st[0]->error_code, "disk-error");
	CHECK_EQ(mirror_diskless(m[0], &op, 3, &err), 0);
	turn(loop);
	CHECK_EQ(last_rc, 0);
	CHECK(st[0]->conn == MIRROR_DISKLESS);
	CHECK_EQ(st[1]->gen, 3);
	/* the server starts anew, the disk works: a target */
	CHECK_EQ(mirror_stop(m[0], &op, &err), 0);
	turn(loop);
	CHECK_EQ(mirror_primary(m[1], &op, &req, &err), 0);
	turn(loop);
	CHECK_EQ(mirror_start(m[0], &err), 0);
	turn(loop);
	turn(loop);
	CHECK(st[1]->conn == MIRROR_CONNECTED);
	CHECK_EQ(st[1]->resync_count, 1);
	CHECK(st[0]->disk == MIRROR_DISK_UPTODATE);
	/* the secondary's */
	mirror_sim_fail_disk(m[0]);
	turn(loop);
	CHECK(st[1]->conn == MIRROR_HELD);
	CHECK_STR(st[1]->error_code, "peer-disk-error");
	CHECK_EQ(mirror_alone(m[1], &op, 4, &err), 0);
	turn(loop);
	CHECK(st[1]->alone && last_rc == 0);
	m[0] = mirror_close(m[0]);
	m[1] = mirror_close(m[1]);
	mirror_sim_reset();
	sd_event_unref(loop);
	return 0;
}

TESTS_MAIN(
	T(drivers_have_no_holes),
	T(sim_pair),
	T(sim_disk_fails),
)
