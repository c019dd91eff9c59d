/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/migrate/test_over_mirror.c - a guest moves, and its volume's writing side
 *
 * QEMU under TCG with the tiny guest, which writes numbered records, over a real pair
 * of mirror servers: the process that the guest comes to is there while its server is
 * secondary.  What the agents do in the order of the product: both complete; the old
 * side secondary, the new one primary; then resumed.
 */
#include <string.h>

#include <libnbd.h>

#include "tests/test.h"
#include "tests/unit/mirror/pair.h"
#include "tests/unit/vmm/ends.h"

#define MOVES	2

static const struct tiny_conf conf = { .pages_a_tick = 2, .more_pages = 2,
	.from_bytes = 8u << 20, .to_bytes = 10u << 20, .disk_ticks = 1 };

static int
boot_sector(struct pair *p)
{
	struct nbd_handle *h = pair_front(p, 0);
	uint8_t b[512];
	int rc;

	tiny_sector(&conf, b);
	rc = h == NULL ? -1 : nbd_pwrite(h, b, sizeof(b), 0, 0);
	nbd_close(h);
	return rc;
}

/* Each slot holds the last record that the guest saw written there, or one or two laps
 * later what it wrote since. */
static int
records_are_there(struct pair *p, int node, uint32_t acked)
{
	struct nbd_handle *h = pair_front(p, node);
	uint32_t n, i;

	CHECK(h != NULL);
	CHECK(acked > 0);
	for (i = acked < TINY_SLOTS ? 1 : acked - TINY_SLOTS + 1; i <= acked;
	    i++) {
		CHECK_EQ(nbd_pread(h, &n, sizeof(n),
		    512 * (1ull + i % TINY_SLOTS), 0), 0);
		CHECK(n >= i && n % TINY_SLOTS == i % TINY_SLOTS);
	}
	nbd_close(h);
	return 0;
}

static int
move(struct ends *e, struct pair *p, int from, bool back_out)
{
	struct end *a = &e->end[from], *b = &e->end[1 - from];
	struct vmm_link l;

	CHECK_EQ(end_listen(b, &l), 0);
	CHECK_EQ(vmm_migrate_out(a->dom, &l, NULL, end_op(a), NULL), 0);
	CHECK_EQ(end_wait(a), 0);
	CHECK_EQ(end_wait_phase(a, VMM_PHASE_COMPLETE), 0);
	CHECK_EQ(end_wait_phase(b, VMM_PHASE_COMPLETE), 0);
	/* nobody has asked the secondary's disk for anything */
	CHECK_EQ(pair_st(p, 1 - from)->held_requests, 0);
	CHECK_EQ(pair_st(p, 1 - from)->front_connections, 1);
	if (back_out) {
		CHECK_EQ(end_kill(b), 0);
		CHECK_EQ(vmm_resume(a->dom, end_op(a), NULL), 0);
		return end_wait(a);
	}
	CHECK_EQ(end_hear(b, 1, 1), 0);	/* its line is listened to before it runs */
	CHECK_EQ(pair_order(p, from, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_primary(p, 1 - from, false, 0, NULL), 0);
	CHECK_EQ(vmm_resume(b->dom, end_op(b), NULL), 0);
	CHECK_EQ(end_wait(b), 0);
	CHECK(end_hear(a, 5, 1000000) < 1000);	/* what is left of its words */
	return end_kill(a);
}

TEST(guest_and_volume_move)
{
	struct pair *p = pair_new_connected();
	struct ends e;
	char sock[128];
	int i, at = 0;

	CHECK(p != NULL);
	CHECK_EQ(boot_sector(p), 0);
	CHECK_EQ(ends_prepare(&e, "qemu", p->loop), 0);
	for (i = 0; i < 2; i++) {
		(void)snprintf(sock, sizeof(sock), "%s/run%d/front.sock",
		    p->dir, i);
		ends_disk(&e, i, sock, PAIR_SIZE);
	}
	CHECK_EQ(ends_open(&e), 0);
	CHECK_EQ(end_start(&e.end[0]), 0);
	CHECK(end_hear(&e.end[0], 60000, 90) >= 90);
	CHECK_EQ(move(&e, p, 0, true), 0);	/* and not */
	CHECK(end_hear(&e.end[0], 60000, 10) >= 10);
	for (i = 0; i < MOVES; i++, at = 1 - at) {
		CHECK_EQ(move(&e, p, at, false), 0);
		CHECK(end_hear(&e.end[1 - at], 60000, 70) >= 70);
		CHECK_EQ(records_are_there(p, 1 - at, e.ear.acked), 0);
	}
	CHECK(e.ear.n_lost <= MOVES * TINY_LOST_A_MOVE);
	CHECK_EQ(end_kill(&e.end[at]), 0);
	CHECK_EQ(pair_wait_conn(p, at, MIRROR_CONNECTED), 0);
	CHECK_EQ(pair_equal(p), 1);
	ends_dispose(&e);
	pair_free(p);
	return 0;
}

TESTS_MAIN(T(guest_and_volume_move))
