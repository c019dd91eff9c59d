/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_grow.c - a resync paused; a volume made larger; writes
 * held for a snapshot: two real servers
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/clock.h"
#include "tests/test.h"
#include "tests/unit/mirror/drbd_pair.h"
#include "tests/unit/mirror/pair.h"

#define UNIT	"00112233445566778899aabbccddeeff"
#define VOLUME	"0123456789abcdef0123456789abcdef"
#define BIGGER	(PAIR_SIZE * 2 + 512)

static struct pair_outcome last;

static int
grow(struct pair *p, int node, uint64_t to)
{
	struct av_err err = { 0 };

	last = (struct pair_outcome){ .op.done = pair_order_done };
	return pair_order_wait(p, &last, mirror_grow(p->m[node], &last.op, to,
	    &err), &err);
}

static int
hold(struct pair *p, int node, uint32_t ms)
{
	struct av_err err = { 0 };

	last = (struct pair_outcome){ .op.done = pair_order_done };
	return pair_order_wait(p, &last, mirror_hold_writes(p->m[node],
	    &last.op, ms, &err), &err);
}

static int
release_writes(struct pair *p, int node)
{
	struct av_err err = { 0 };

	last = (struct pair_outcome){ .op.done = pair_order_done };
	return pair_order_wait(p, &last, mirror_release_writes(p->m[node],
	    &last.op, &err), &err);
}

static int
verify(struct pair *p)
{
	struct mirror_verify_req req = { 0 };
	struct av_err err = { 0 };

	last = (struct pair_outcome){ .op.done = pair_order_done };
	return pair_order_wait(p, &last, mirror_verify(p->m[0], &last.op,
	    &req, &err), &err);
}

static bool
verify_waits(struct pair *p)
{
	return pair_st(p, 0)->verify.state == MIRROR_VERIFY_WAITING;
}

static bool
verify_is_done(struct pair *p)
{
	return pair_st(p, 0)->verify.state == MIRROR_VERIFY_DONE;
}

/* --- resync --- */

static bool
is_source(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_RESYNC_SOURCE;
}

static bool
in_step(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_CONNECTED &&
	    pair_st(p, 1)->disk == MIRROR_DISK_UPTODATE;
}

/* An empty leg in place of node 1's: all is to be copied. */
static int
replace_leg(struct pair *p)
{
	struct mirror_leg_spec spec = { .id = "o3", .unit_uuid = UNIT,
		.volume_uuid = VOLUME, .size_bytes = PAIR_SIZE, .gen = 1 };
	uint64_t due = av_clock_ns() + 5 * AV_NS_PER_S;
	struct av_err err = { 0 };
	char dir[96];
	int rc;

	(void)snprintf(dir, sizeof(dir), "%s/leg1", p->dir);
	spec.dir = dir;
	if (pair_kill_wait_down(p, 1) < 0)
		return -1;
	/* its socket closes before its lock goes */
	do {
		rc = mirror_leg_delete("replica", dir, "o3", &err);
	} while (rc == -EBUSY && av_clock_ns() < due);
	if (rc == 0)
		rc = mirror_leg_create("replica", &spec, &err);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", err.code, err.text);
	return rc < 0 ? rc : pair_restart(p, 1);
}

static uint64_t copied_before;

static bool
has_copied_more(struct pair *p)
{
	return pair_st(p, 0)->resync_copied_bytes > copied_before &&
	    is_source(p);
}

static bool
durably_less(struct pair *p)
{
	struct mirror_leg_info info;
	struct av_err err = { 0 };
	char dir[96];

	(void)snprintf(dir, sizeof(dir), "%s/leg0", p->dir);
	return mirror_leg_read("replica", dir, "o3", &info, &err) == 0 &&
	    info.out_of_step_bytes <= copied_before;
}

static bool
never(struct pair *p)
{
	static uint64_t due;

	if (due == 0)
		due = av_clock_ns() + 700 * AV_NS_PER_MS;
	if (av_clock_ns() < due && !in_step(p))
		return false;
	due = 0;
	return true;
}

TEST(a_paused_resync_neither_copies_nor_ends)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };
	char code[32];

	CHECK(p != NULL);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RESYNC_PAUSE), 0);
	CHECK(pair_st(p, 0)->resync_paused);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
	CHECK(replace_leg(p) == 0);
	CHECK(pair_wait(p, is_source) == 0);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 200) == 0);	/* writes go on */
	CHECK(pair_wait(p, never) == 0);	/* the condition is time */
	CHECK(is_source(p));
	CHECK_EQ(pair_st(p, 0)->resync_copied_bytes, 0);
	CHECK_EQ(pair_st(p, 0)->resync_eta_s, 0);
	CHECK_EQ(pair_st(p, 0)->resync_speed_kib_s, 0);
	CHECK(pair_st(p, 1)->disk == MIRROR_DISK_INCONSISTENT);
	/* a verify waits for it */
	CHECK_EQ(verify(p), 0);
	CHECK(pair_wait(p, verify_waits) == 0);
	/* it survives a break of the connection */
	CHECK_EQ(pair_order(p, 0, MIRROR_V_DISCONNECT), 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, is_source) == 0);
	CHECK(pair_st(p, 0)->resync_paused);
	CHECK_EQ(pair_st(p, 0)->resync_copied_bytes, 0);
	CHECK(pair_primary(p, 1, true, 3, code) < 0);
	CHECK_STR(code, "not-up-to-date");
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RESYNC_RESUME), 0);
	CHECK(pair_wait(p, in_step) == 0);
	CHECK(!pair_st(p, 0)->resync_paused);
	CHECK(pair_wait(p, verify_is_done) == 0);
	CHECK_EQ(pair_st(p, 0)->verify.n_found, 0);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(guest_check(&g, 0), 0);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* Also when the target's own bitmap was full: its bits are the source's now. */
TEST(what_was_copied_is_not_copied_again)
{
	struct pair *p = pair_new_connected();
	int node;

	CHECK(p != NULL);
	p->rate_kib_s = 4096;
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RATE), 0);
	CHECK_EQ(pair_st(p, 0)->resync_limit_kib_s, 4096);
	CHECK(replace_leg(p) == 0);
	copied_before = PAIR_SIZE / 4;
	CHECK(pair_wait(p, has_copied_more) == 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RESYNC_PAUSE), 0);
	CHECK_EQ(pair_st(p, 0)->resync_eta_s, 0);
	copied_before = PAIR_SIZE - PAIR_SIZE / 4;
	CHECK(pair_wait(p, durably_less) == 0);
	for (node = 1; node >= 0; node--) {
		CHECK(pair_kill_wait_down(p, node) == 0);
		CHECK(pair_restart(p, node) == 0);
		p->rate_kib_s = 4096;
		if (node == 0) {
			CHECK_EQ(pair_order(p, 0, MIRROR_V_RATE), 0);
			CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
		}
		CHECK(pair_wait(p, is_source) == 0);
		CHECK(pair_st(p, 0)->resync_total_bytes <= copied_before);
		/* the owner orders it again after the server's start */
		CHECK(pair_st(p, 0)->resync_paused == (node == 1));
		if (node == 0)
			CHECK_EQ(pair_order(p, 0, MIRROR_V_RESYNC_PAUSE), 0);
	}
	/* roles change in the middle: the target stays what it is */
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK(pair_primary(p, 1, false, 0, NULL) < 0);
	CHECK(pair_primary(p, 1, true, 5, NULL) < 0);
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RESYNC_RESUME), 0);
	p->rate_kib_s = 0;
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RATE), 0);
	CHECK(pair_wait(p, in_step) == 0);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

/* --- growing --- */

static uint64_t
leg_size(struct pair *p, int node)
{
	struct mirror_leg_info info = { 0 };
	struct av_err err = { 0 };
	char dir[96];

	(void)snprintf(dir, sizeof(dir), "%s/leg%d", p->dir, node);
	if (mirror_leg_read("replica", dir, "o3", &info, &err) < 0)
		return 0;
	return info.size_bytes;
}

static struct nbd_handle *
front(struct pair *p, int node)
{
	struct nbd_handle *h = nbd_create();

	if (nbd_set_export_name(h, "front") < 0 || nbd_connect_unix(h,
	    mirror_front_path(p->m[node])) < 0) {
		nbd_close(h);
		return NULL;
	}
	return h;
}

TEST(both_legs_grow_while_a_guest_writes)
{
	struct pair *p = pair_new_connected();
	static uint8_t buf[65536], zeros[65536];
	struct nbd_handle *h;
	struct guest g = { 0 }, g2 = { 0 };
	uint64_t at;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 100) == 0);
	CHECK_EQ(grow(p, 0, BIGGER), 0);
	CHECK_EQ(leg_size(p, 0), BIGGER);
	CHECK_EQ(leg_size(p, 1), BIGGER);
	CHECK_EQ(pair_st(p, 0)->size_bytes, BIGGER);
	CHECK(pair_wait_conn(p, 0, MIRROR_CONNECTED) == 0);
	CHECK_EQ(pair_st(p, 0)->resync_count, 0);	/* no copying */
	guest_stop(&g);		/* its connection ended, its writes hold */
	CHECK_EQ(guest_check(&g, 0), 0);
	h = front(p, 0);
	CHECK(h != NULL);
	CHECK_EQ(nbd_get_size(h), (int64_t)BIGGER);
	for (at = PAIR_SIZE; at < BIGGER; at += sizeof(buf)) {
		size_t n = BIGGER - at < sizeof(buf) ? (size_t)(BIGGER - at) :
		    sizeof(buf);

		CHECK(nbd_pread(h, buf, n, at, 0) == 0);
		CHECK(memcmp(buf, zeros, n) == 0);
	}
	memset(buf, 7, sizeof(buf));
	CHECK(nbd_pwrite(h, buf, 512, BIGGER - 512, 0) == 0);
	CHECK(nbd_pwrite(h, buf, 512, BIGGER, 0) < 0);
	CHECK(nbd_flush(h, 0) == 0);
	nbd_close(h);
	CHECK(guest_start(&g2, p, 0, 4096, 256) == 0);	/* what is new */
	CHECK(guest_wait_acked(&g2, 200) == 0);
	/* again, and the other way round after a change of sides */
	CHECK_EQ(grow(p, 0, BIGGER + 65536), 0);
	CHECK(pair_wait_conn(p, 0, MIRROR_CONNECTED) == 0);
	guest_stop(&g2);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_primary(p, 1, false, 0, NULL), 0);
	CHECK(pair_wait_conn(p, 1, MIRROR_CONNECTED) == 0);
	CHECK_EQ(grow(p, 1, PAIR_SIZE * 4), 0);
	CHECK(pair_wait_conn(p, 1, MIRROR_CONNECTED) == 0);
	p->digest_bytes = PAIR_SIZE * 4;
	CHECK_EQ(pair_equal(p), 1);
	CHECK_EQ(guest_check(&g2, 1), 0);
	guest_dispose(&g);
	guest_dispose(&g2);
	pair_free(p);
	return 0;
}

static int
run(const char *a, const char *b, const char *c, const char *d,
    const char *e)
{
	char w[5][128];
	char *argv[6] = { 0 };
	const char *in[5] = { a, b, c, d, e };
	size_t i;

	for (i = 0; i < 5 && in[i] != NULL; i++) {
		(void)snprintf(w[i], sizeof(w[i]), "%s", in[i]);
		argv[i] = w[i];
	}
	return drbd_pair_run(argv);
}

/* node 1's leg on a file system of its own, with 8 MiB left; 1 = can't here */
static int
small_disk(struct pair *p)
{
	char leg[96], aside[96];

	if (geteuid() != 0)
		return 1;
	(void)snprintf(leg, sizeof(leg), "%s/leg1", p->dir);
	(void)snprintf(aside, sizeof(aside), "%s/aside", p->dir);
	if (pair_kill_wait_down(p, 1) < 0 || run("mv", leg, aside, NULL,
	    NULL) != 0 || mkdir(leg, 0700) < 0)
		return -1;
	if (run("mount", "-ttmpfs", "-osize=24m", "none", leg) != 0)
		return 1;
	(void)snprintf(aside, sizeof(aside), "%s/aside/.", p->dir);
	return run("cp", "-a", aside, leg, NULL) == 0 ? pair_restart(p, 1) :
	    -1;
}

TEST(a_full_disk_changes_nothing)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };
	char leg[96], code[32];
	struct stat s;
	int r;

	CHECK(p != NULL);
	/* here: more than any disk of a test machine has */
	CHECK(grow(p, 0, MIRROR_SIZE_MAX_BYTES) < 0);
	CHECK_STR(last.code, "no-space");
	CHECK_EQ(leg_size(p, 0), PAIR_SIZE);
	(void)snprintf(leg, sizeof(leg), "%s/leg0/vol-o3.data", p->dir);
	CHECK(stat(leg, &s) == 0 && (uint64_t)s.st_size == PAIR_SIZE);
	r = small_disk(p);
	CHECK(r >= 0);
	if (r == 0) {
		CHECK(pair_wait(p, in_step) == 0);
		CHECK(guest_start(&g, p, 0, 0, 256) == 0);
		CHECK(guest_wait_acked(&g, 100) == 0);
		CHECK_EQ(grow(p, 0, BIGGER), -ENOSPC);
		(void)snprintf(code, sizeof(code), "%s", last.code);
		CHECK_STR(code, "no-space");
		CHECK(guest_wait_acked(&g, g.acked + 100) == 0);
		CHECK(stat(leg, &s) == 0 &&
		    (uint64_t)s.st_size == PAIR_SIZE);
		CHECK_EQ(leg_size(p, 1), PAIR_SIZE);
		CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
		guest_stop(&g);
		CHECK(!g.failed);
		CHECK_EQ(pair_equal(p), 1);
		guest_dispose(&g);
	}
	(void)snprintf(leg, sizeof(leg), "%s/leg1", p->dir);
	CHECK(pair_kill_wait_down(p, 1) == 0);
	if (r > 0)
		printf("skip a_full_disk_at_the_peer until=2027-05-31 needs "
		    "root\n");
	if (r == 0)
		CHECK_EQ(run("umount", "-l", leg, NULL, NULL), 0);
	pair_free(p);
	return 0;
}

TEST(refused_orders_of_growing)
{
	struct pair *p = pair_new_connected();

	CHECK(p != NULL);
	CHECK_EQ(grow(p, 1, BIGGER), -EPERM);
	CHECK_STR(last.code, "wrong-role");
	CHECK_EQ(grow(p, 0, PAIR_SIZE - 512), -EINVAL);
	CHECK_STR(last.code, "bad-request");
	CHECK_EQ(grow(p, 0, PAIR_SIZE + 1), -EINVAL);
	CHECK_EQ(grow(p, 0, MIRROR_SIZE_MAX_BYTES + 512), -EINVAL);
	CHECK_EQ(grow(p, 0, PAIR_SIZE), 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_DISCONNECT), 0);
	CHECK_EQ(grow(p, 0, BIGGER), -ENOTCONN);
	CHECK_STR(last.code, "wrong-state");
	CHECK_EQ(leg_size(p, 0), PAIR_SIZE);
	pair_free(p);
	return 0;
}

/* A leg made anew while the volume has grown meanwhile, too. */
TEST(the_smaller_leg_catches_up)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };

	CHECK(p != NULL);
	CHECK_EQ(grow(p, 0, BIGGER), 0);
	CHECK(guest_start(&g, p, 0, 4000, 256) == 0);	/* old and new */
	CHECK(guest_wait_acked(&g, 100) == 0);
	CHECK(replace_leg(p) == 0);		/* of the old size */
	CHECK(pair_wait(p, in_step) == 0);
	CHECK_EQ(leg_size(p, 1), BIGGER);
	p->digest_bytes = PAIR_SIZE * 2;
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(pair_equal(p), 1);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_primary(p, 1, true, 9, NULL), 0);
	CHECK_EQ(guest_check(&g, 1), 0);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* --- holding --- */

static uint64_t stood_at;

static bool
hold_is_over(struct pair *p)
{
	return pair_st(p, 0)->hold != MIRROR_HOLD_HELD;
}

static bool
a_moment_passed(struct pair *p)
{
	(void)p;
	return av_clock_ns() > stood_at + 200 * AV_NS_PER_MS;
}

TEST(held_writes_wait_and_go_on)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };
	size_t n;

	CHECK(p != NULL);
	CHECK_EQ(release_writes(p, 0), -EALREADY);
	CHECK_EQ(hold(p, 1, 0), -EPERM);
	CHECK_EQ(hold(p, 0, MIRROR_HOLD_MAX_MS + 1), -EINVAL);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 100) == 0);
	CHECK_EQ(hold(p, 0, 5000), 0);
	CHECK(pair_st(p, 0)->hold == MIRROR_HOLD_HELD);
	CHECK(pair_st(p, 0)->hold_left_ms > 0);
	CHECK_EQ(hold(p, 0, 5000), -EALREADY);
	stood_at = av_clock_ns();
	n = g.acked;
	CHECK(pair_wait(p, a_moment_passed) == 0);
	/* one may have been acknowledged and not yet counted */
	CHECK(g.acked <= n + 1);
	CHECK_EQ(release_writes(p, 0), 0);
	CHECK(guest_wait_acked(&g, n + 50) == 0);
	/* nobody releases it: it ends by itself, and says so */
	CHECK_EQ(hold(p, 0, 300), 0);
	CHECK(guest_wait_acked(&g, g.acked + 50) == 0);
	CHECK(pair_wait(p, hold_is_over) == 0);
	CHECK(pair_st(p, 0)->hold == MIRROR_HOLD_EXPIRED);
	CHECK_EQ(release_writes(p, 0), -ETIME);
	CHECK_STR(last.code, "hold-expired");
	CHECK_EQ(release_writes(p, 0), -EALREADY);
	/* an order of a role ends it */
	CHECK_EQ(hold(p, 0, 5000), 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(release_writes(p, 0), -ETIME);
	guest_stop(&g);
	CHECK_EQ(pair_primary(p, 0, true, 4, NULL), 0);
	CHECK_EQ(hold(p, 0, 5000), 0);		/* one leg alone */
	CHECK_EQ(release_writes(p, 0), 0);
	CHECK_EQ(guest_check(&g, 0), 0);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(a_paused_resync_neither_copies_nor_ends),
	T(what_was_copied_is_not_copied_again),
	T(both_legs_grow_while_a_guest_writes),
	T(a_full_disk_changes_nothing),
	T(refused_orders_of_growing),
	T(the_smaller_leg_catches_up),
	T(held_writes_wait_and_go_on),
)
