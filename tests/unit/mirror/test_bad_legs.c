/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_bad_legs.c - legs that aren't what they should be
 *
 * A server refuses each with a stable code and doesn't listen; put right, the
 * leg opens again with all it had.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wire.h"
#include "mirror/replica/meta.h"
#include "tests/test.h"
#include "tests/unit/mirror/fault_disk.h"
#include "tests/unit/mirror/pair.h"

#define META_MAX	65536u

static struct {
	char	path[2][128];		/* data, meta of node 0 */
	uint8_t	meta[META_MAX];
	size_t	n;
} leg;

static int
leg_save(struct pair *p)
{
	int fd;
	ssize_t n;

	(void)snprintf(leg.path[0], 128, "%s/leg0/vol-o3.data", p->dir);
	(void)snprintf(leg.path[1], 128, "%s/leg0/vol-o3.meta", p->dir);
	fd = open(leg.path[1], O_RDONLY | O_CLOEXEC);
	n = read(fd, leg.meta, sizeof(leg.meta));
	(void)close(fd);
	leg.n = n > 0 ? (size_t)n : 0;
	return n > 0 ? 0 : -1;
}

static int
meta_put(const uint8_t *bytes, size_t n)
{
	int fd = open(leg.path[1], O_WRONLY | O_TRUNC | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, bytes, n) == (ssize_t)n;

	(void)close(fd);
	return ok ? 0 : -1;
}

/* One byte of both superblocks changed; 'seal': with a checksum that fits. */
static int
both_changed(size_t at, uint8_t value, bool seal)
{
	static uint8_t m[META_MAX];
	unsigned copy;

	memcpy(m, leg.meta, leg.n);
	for (copy = 0; copy < 2; copy++) {
		uint8_t *b = m + copy * META_BLOCK_BYTES;
		struct av_wr w = { .at = b + META_BLOCK_BYTES - 4, .left = 4 };

		b[at] = value == 0 ? (uint8_t)(b[at] ^ 1) : value;
		if (seal)
			av_wr_le(&w, av_crc32c(0, b, META_BLOCK_BYTES - 4), 4);
	}
	return meta_put(m, leg.n);
}

/* A server on node 0's leg ends at once, with the code. */
static int
refused(struct pair *p, const char *code, const char *unit,
    const char *volume)
{
	char bufs[5][128], control[160];
	struct mirror_conf c = pair_conf(p, 0, bufs);
	struct mirror *m = NULL;
	struct av_err err = { 0 };
	uint64_t due = av_clock_ns() + 15 * AV_NS_PER_S;
	struct stat st;

	if (unit != NULL)
		c.unit_uuid = unit;
	if (volume != NULL)
		c.volume_uuid = volume;
	(void)snprintf(control, sizeof(control), "%s/control.sock",
	    c.run_dir);
	(void)unlink(control);
	CHECK_EQ(mirror_open("replica", &c, p->loop, NULL, NULL, &m, &err),
	    0);
	while (mirror_status_peek(m)->server == MIRROR_SERVER_STARTING &&
	    av_clock_ns() < due)
		CHECK(sd_event_run(p->loop, 20000) >= 0);
	CHECK(mirror_status_peek(m)->server == MIRROR_SERVER_DOWN);
	CHECK_STR(mirror_status_peek(m)->error_code, code);
	CHECK(mirror_status_peek(m)->error_text[0] != '\0');
	CHECK(stat(control, &st) < 0);		/* not half-open */
	m = mirror_close(m);
	return 0;
}

TEST(a_leg_that_isnt_right_isnt_opened)
{
	static const char other[] = "ffffffffffffffffffffffffffffffff";
	struct pair *p = pair_new_connected();
	struct guest g = { .limit = 40 };

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 40) == 0);
	guest_stop(&g);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_STOP), 0);
	p->m[0] = mirror_close(p->m[0]);
	CHECK_EQ(leg_save(p), 0);
	CHECK_EQ(refused(p, "metadata-other-volume", other, NULL), 0);
	CHECK_EQ(refused(p, "metadata-other-volume", NULL, other), 0);
	CHECK_EQ(both_changed(8, 99, true), 0);		/* version */
	CHECK_EQ(refused(p, "metadata-newer", NULL, NULL), 0);
	CHECK_EQ(both_changed(100, 0, false), 0);	/* a bit, in both */
	CHECK_EQ(refused(p, "metadata-damaged", NULL, NULL), 0);
	CHECK_EQ(meta_put(leg.meta, 100), 0);
	CHECK_EQ(refused(p, "metadata-damaged", NULL, NULL), 0);
	CHECK_EQ(meta_put(leg.meta, 0), 0);
	CHECK_EQ(refused(p, "metadata-damaged", NULL, NULL), 0);
	CHECK_EQ(meta_put(leg.meta, leg.n), 0);
	CHECK_EQ(truncate(leg.path[0], PAIR_SIZE - 4096), 0);
	CHECK_EQ(refused(p, "metadata-damaged", NULL, NULL), 0);
	CHECK_EQ(truncate(leg.path[0], PAIR_SIZE), 0);
	/* as it was */
	CHECK_EQ(pair_open(p, 0), 0);
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK_EQ(guest_check(&g, 0), 0);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* A bitmap page that is missing or damaged costs copying, nothing else. */
TEST(a_truncated_bitmap_is_all_ones)
{
	struct pair *p = pair_new_connected();

	CHECK(p != NULL);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_STOP), 0);
	CHECK_EQ(leg_save(p), 0);
	CHECK_EQ(meta_put(leg.meta, 2 * META_BLOCK_BYTES), 0);
	CHECK_EQ(pair_restart(p, 0), 0);
	CHECK_EQ(pair_st(p, 0)->out_of_step_bytes, PAIR_SIZE);
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

/* A full disk when a record is due: the order is refused, the role stays. */
TEST(a_record_that_finds_no_space_is_refused)
{
	struct pair *p = pair_new_faulty();
	char code[32];

	CHECK(p != NULL);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	p->fault[0]->error = ENOSPC;
	p->fault[0]->what = FAULT_META_WRITE;
	CHECK(pair_primary(p, 0, true, 2, code) < 0);
	CHECK_STR(code, "disk-error");
	CHECK(pair_st(p, 0)->role == MIRROR_SECONDARY);
	CHECK(pair_st(p, 0)->disk == MIRROR_DISK_FAILED);
	CHECK_EQ(pair_st(p, 0)->gen, 1);
	CHECK_EQ(pair_primary(p, 1, true, 2, NULL), 0);
	/* space again: the leg is what its record says, and a target */
	p->fault[0]->what = 0;
	CHECK(pair_kill_wait_down(p, 0) == 0);
	CHECK(pair_restart(p, 0) == 0);
	CHECK(pair_wait(p, pair_in_step) == 0);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(a_leg_that_isnt_right_isnt_opened),
	T(a_truncated_bitmap_is_all_ones),
	T(a_record_that_finds_no_space_is_refused),
)
