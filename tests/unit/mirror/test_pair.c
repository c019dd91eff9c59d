/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_pair.c - two mirror servers against each other
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/clock.h"
#include "base/file.h"
#include "mirror/replica/tls.h"
#include "mirror/replica/wire.h"
#include "tests/test.h"
#include "tests/unit/mirror/pair.h"

static bool
both_in_step(struct pair *p)
{
	return (pair_st(p, 0)->conn == MIRROR_CONNECTED ||
	    pair_st(p, 1)->conn == MIRROR_CONNECTED) &&
	    pair_st(p, 0)->disk == MIRROR_DISK_UPTODATE &&
	    pair_st(p, 1)->disk == MIRROR_DISK_UPTODATE &&
	    pair_st(p, 0)->gi.current == pair_st(p, 1)->gi.current &&
	    pair_st(p, 0)->gi.bitmap == 0 && pair_st(p, 1)->gi.bitmap == 0 &&
	    pair_st(p, 0)->conn != MIRROR_RESYNC_SOURCE &&
	    pair_st(p, 1)->conn != MIRROR_RESYNC_SOURCE;
}

TEST(writes_reach_both_legs)
{
	struct pair *p = pair_new_connected();
	struct guest g = { .limit = 200 };

	CHECK(p != NULL);
	CHECK(pair_equal(p) == 1);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 200) == 0);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(guest_check(&g, 0), 0);
	CHECK_EQ(pair_equal(p), 1);
	CHECK(pair_st(p, 0)->peer_disk == MIRROR_DISK_UPTODATE);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TEST(overlapping_writes_leave_equal_legs)
{
	struct pair *p = pair_new_connected();
	struct guest g[4];
	int i;

	CHECK(p != NULL);
	for (i = 0; i < 4; i++) {
		g[i] = (struct guest){ .limit = 300, .overlap = true };
		CHECK(guest_start(&g[i], p, 0, 0, 8) == 0);
		g[i].seed += (uint64_t)i * 99991;
	}
	for (i = 0; i < 4; i++) {
		CHECK(guest_wait_acked(&g[i], 300) == 0 || g[i].over);
		guest_stop(&g[i]);
		CHECK(!g[i].failed);
		guest_dispose(&g[i]);
	}
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

/* Everybody writes the same place at once; whose write stays must be the same on
 * both legs, each time. */
TEST(last_writer_is_the_same_on_both_legs)
{
	struct pair *p = pair_new_connected();
	struct guest g[6];
	int burst, i;

	CHECK(p != NULL);
	p->digest_bytes = 1u << 20;
	for (burst = 0; burst < 30; burst++) {
		for (i = 0; i < 6; i++) {
			g[i] = (struct guest){ .limit = 4, .whole = true,
				.value_tag = (uint64_t)(i + 1) };
			CHECK(guest_start(&g[i], p, 0, 0, 16) == 0);
		}
		for (i = 0; i < 6; i++) {
			guest_stop_at_limit(&g[i]);
			CHECK(!g[i].failed);
			guest_dispose(&g[i]);
		}
		CHECK_EQ(pair_equal(p), 1);
	}
	pair_free(p);
	return 0;
}

TEST(secondary_killed_alone_then_resync)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };
	size_t before;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 50) == 0);
	CHECK(pair_kill_wait_down(p, 1) == 0);
	CHECK(pair_wait(p, pair_holds) == 0);
	before = g.acked;
	CHECK(!g.failed);
	CHECK_EQ(pair_alone(p, 0, 2), 0);
	CHECK(guest_wait_acked(&g, 50) == 0);
	CHECK(g.acked > before);
	CHECK_EQ(pair_st(p, 0)->gen, 2);
	CHECK(pair_st(p, 0)->peer_outdated);
	CHECK(pair_st(p, 0)->gi.bitmap != 0);
	CHECK(pair_restart(p, 1) == 0);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	guest_stop(&g);
	CHECK(!g.failed);
	/* the guest wrote in 1 MiB of 16; the rest was not copied */
	CHECK(pair_st(p, 0)->resync_total_bytes > 0);
	CHECK(pair_st(p, 0)->resync_total_bytes <= 1u << 20);
	CHECK(pair_st(p, 0)->resync_copied_bytes <= 1u << 20);
	CHECK_EQ(pair_st(p, 1)->gen, 2);
	CHECK(!pair_st(p, 0)->peer_outdated);
	CHECK_EQ(guest_check(&g, 0), 0);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TEST(primary_killed_other_takes_over)
{
	struct pair *p = pair_new_connected();
	struct guest g[3] = { { 0 } }, g2 = { .limit = 60 };
	int i;

	CHECK(p != NULL);
	for (i = 0; i < 3; i++)
		CHECK(guest_start(&g[i], p, 0, (size_t)i * 256, 256) == 0);
	CHECK(guest_wait_acked(&g[0], 60) == 0);
	CHECK(pair_kill_wait_down(p, 0) == 0);
	for (i = 0; i < 3; i++)
		guest_stop(&g[i]);
	CHECK_EQ(pair_primary(p, 1, true, 2, NULL), 0);
	for (i = 0; i < 3; i++)
		CHECK_EQ(guest_check(&g[i], 1), 0);
	CHECK(guest_start(&g2, p, 1, 1024, 128) == 0);
	CHECK(guest_wait_acked(&g2, 60) == 0);
	CHECK(pair_restart(p, 0) == 0);
	CHECK(pair_st(p, 0)->crashed_primary);
	CHECK(pair_wait(p, both_in_step) == 0);
	guest_stop(&g2);
	CHECK_EQ(pair_equal(p), 1);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(guest_check(&g[i], 1), 0);
		guest_dispose(&g[i]);
	}
	CHECK_EQ(guest_check(&g2, 1), 0);
	guest_dispose(&g2);
	pair_free(p);
	return 0;
}

TEST(silent_peer_comes_back)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };
	size_t held_at;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	pair_signal(p, 1, SIGSTOP);
	CHECK(pair_wait(p, pair_holds) == 0);
	held_at = g.acked;
	CHECK_EQ(g.acked, held_at);
	pair_signal(p, 1, SIGCONT);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(guest_check(&g, 0), 0);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TEST(disconnected_and_connected_again)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 10) == 0);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK(pair_wait(p, pair_holds) == 0);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK(guest_wait_acked(&g, 10) == 0);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TEST(held_writes_fail_when_demoted)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 10) == 0);
	CHECK(pair_kill_wait_down(p, 1) == 0);
	CHECK(pair_wait(p, pair_holds) == 0);
	CHECK(!g.failed);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	guest_stop(&g);
	CHECK(g.failed);
	CHECK(pair_restart(p, 1) == 0);
	/* the other way round now; what may differ is copied to node 0 */
	CHECK_EQ(pair_primary(p, 1, false, 0, NULL), 0);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK_EQ(guest_check(&g, 1), 0);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

static bool
split_seen(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_SPLIT;
}

TEST(split_overwrites_nothing)
{
	struct pair *p = pair_new_connected();
	struct guest a = { .limit = 20 }, b = { .limit = 20 };
	uint64_t base;

	CHECK(p != NULL);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK_EQ(pair_alone(p, 0, 2), 0);
	CHECK(guest_start(&a, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&a, 20) == 0);
	guest_stop(&a);
	CHECK_EQ(pair_primary(p, 1, true, 2, NULL), 0);
	CHECK(guest_start(&b, p, 1, 64, 64) == 0);
	CHECK(guest_wait_acked(&b, 20) == 0);
	guest_stop(&b);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, split_seen) == 0);
	CHECK_STR(pair_st(p, 0)->error_code, "split");
	CHECK_EQ(pair_equal(p), 0);
	CHECK_EQ(guest_check(&a, 0), 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_primary(p, 1, true, 3, NULL), 0);
	CHECK_EQ(guest_check(&b, 1), 0);
	/* a person keeps node1's: only what differs is copied */
	CHECK_EQ(pair_discard(p, 1, 1), -EPERM);	/* a primary */
	base = pair_st(p, 1)->gi.bitmap;
	CHECK(base != 0);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK_EQ(pair_discard(p, 0, base), 0);
	CHECK_EQ(pair_st(p, 0)->disk, MIRROR_DISK_INCONSISTENT);
	CHECK_EQ(pair_primary(p, 0, true, 4, NULL), -EPERM);
	CHECK_EQ(pair_discard(p, 0, base), 0);	/* again: nothing more */
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK(pair_equal(p) == 1);
	CHECK(pair_st(p, 1)->resync_copied_bytes <
	    pair_st(p, 1)->size_bytes);
	CHECK_EQ(guest_check(&b, 1), 0);
	guest_dispose(&a);
	guest_dispose(&b);
	pair_free(p);
	return 0;
}

static bool
peer_refuses(struct pair *p)
{
	return strcmp(pair_st(p, 0)->error_code, "both-primary") == 0;
}

TEST(stale_primary_is_shut_out)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };
	uint32_t *d[2];
	size_t n, acked;
	int same;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 20) == 0);
	pair_signal(p, 0, SIGSTOP);		/* hangs, isn't dead */
	CHECK_EQ(pair_primary(p, 1, true, 2, NULL), 0);
	acked = g.acked;
	d[0] = pair_digests(p, 1, &n);
	pair_signal(p, 0, SIGCONT);
	CHECK(pair_wait(p, pair_holds) == 0);
	CHECK(pair_wait(p, peer_refuses) == 0);
	d[1] = pair_digests(p, 1, &n);
	CHECK(d[0] != NULL && d[1] != NULL);
	same = memcmp(d[0], d[1], n * sizeof(*d[0]));
	CHECK_EQ(same, 0);
	CHECK(g.acked <= acked + 1);	/* one answer may have been on its way */
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	guest_stop(&g);
	CHECK_EQ(guest_check(&g, 1), 0);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK_EQ(pair_equal(p), 1);
	free(d[0]);
	free(d[1]);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

static int
connect_fd(struct pair *p)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(p->port[1]),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -1 : fd;
}

/* Without TLS. */
static bool
plain_is_served(struct pair *p)
{
	struct nbd_handle *h = nbd_create();
	bool ok = nbd_set_export_name(h, "peer") == 0 &&
	    nbd_connect_socket(h, connect_fd(p)) == 0;

	nbd_close(h);
	return ok;
}

/* A connection, or NULL. */
static struct wire *
connect_tls(struct pair *p, struct tls_keys *keys, const char *export,
    int *ret_rc)
{
	struct wire *w = NULL;
	uint64_t size;

	*ret_rc = wire_open(keys, connect_fd(p), export,
	    av_clock_ns() + 5 * AV_NS_PER_S, &w, &size);
	return w;
}

/* The peer's error, or -errno. */
static int
ask(struct wire *w, enum wire_type type, void *buf, uint32_t n,
    uint64_t offset)
{
	static uint64_t cookie;
	struct wire_req q = { .type = type, .n = n, .offset = offset,
		.cookie = ++cookie, .data = buf };
	uint64_t got;
	uint32_t error;
	int rc = wire_send(w, &q, false);

	if (rc == 0)
		rc = wire_recv(w, &got, &error);
	if (rc < 0)
		return rc;
	return got == cookie ? (int)error : -EPROTO;
}

TEST(strangers_are_refused)
{
	static const char wrong[] = "avpair:"
	    "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
	struct pair *p = pair_new_connected();
	struct av_err err = { 0 };
	struct nbd_handle *h;
	struct wire *w;
	struct tls_keys *good, *bad;
	char path[96], buf[512] = "x";
	int rc;

	CHECK(p != NULL);
	(void)snprintf(path, sizeof(path), "%s/psk", p->dir);
	CHECK_EQ(tls_keys_new(path, "nobody", &good, &err), -ENOENT);
	CHECK_EQ(tls_keys_new(path, "avpair", &good, &err), 0);
	(void)snprintf(path, sizeof(path), "%s/psk2", p->dir);
	CHECK_EQ(av_file_write(path, wrong, strlen(wrong), 0600, &err), 0);
	CHECK_EQ(tls_keys_new(path, "avpair", &bad, &err), 0);
	CHECK(!plain_is_served(p));
	CHECK(connect_tls(p, bad, "peer", &rc) == NULL);
	CHECK_EQ(rc, -EKEYREJECTED);
	CHECK(connect_tls(p, good, "front", &rc) == NULL);
	CHECK_EQ(rc, -ECONNREFUSED);
	CHECK(connect_tls(p, good, "other", &rc) == NULL);
	CHECK_EQ(rc, -ECONNREFUSED);
	/* without a session nobody writes or reads, even with the key */
	w = connect_tls(p, good, "peer", &rc);
	CHECK(w != NULL);
	CHECK(ask(w, WIRE_WRITE, buf, sizeof(buf), 0) > 0);
	CHECK(ask(w, WIRE_ZERO, NULL, 65536, 0) > 0);
	CHECK(ask(w, WIRE_READ, buf, sizeof(buf), 0) > 0);
	CHECK(ask(w, WIRE_READ, buf, sizeof(buf), PAIR_SIZE + 4096) > 0);
	CHECK(ask(w, WIRE_READ, buf, 32, PAIR_SIZE + 8192) > 0);
	CHECK(ask(w, WIRE_WRITE, buf, sizeof(buf), PAIR_SIZE) > 0);
	w = wire_free(w);
	tls_keys_free(good);
	tls_keys_free(bad);
	/* the peer's export isn't for local clients, nor front on a secondary */
	h = nbd_create();
	(void)snprintf(path, sizeof(path), "%s/run1/front.sock", p->dir);
	CHECK_EQ(nbd_set_export_name(h, "peer"), 0);
	CHECK(nbd_connect_unix(h, path) < 0);
	nbd_close(h);
	h = nbd_create();
	CHECK_EQ(nbd_set_export_name(h, "front"), 0);
	CHECK(nbd_connect_unix(h, path) < 0);
	nbd_close(h);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
	pair_free(p);
	return 0;
}

TEST(second_server_is_refused)
{
	struct pair *p = pair_new_connected();
	char bufs[5][128], run[96];
	struct mirror_conf c;
	struct mirror *m = NULL;
	struct av_err err = { 0 };
	uint64_t due = av_clock_ns() + PAIR_WAIT_MS * AV_NS_PER_MS;

	CHECK(p != NULL);
	c = pair_conf(p, 0, bufs);
	(void)snprintf(run, sizeof(run), "%s/run2", p->dir);
	c.run_dir = run;
	c.port = 0;		/* any */
	CHECK_EQ(mirror_open("replica", &c, p->loop, NULL, NULL, &m, &err),
	    0);
	while (mirror_status_peek(m)->server == MIRROR_SERVER_STARTING &&
	    av_clock_ns() < due)
		CHECK(sd_event_run(p->loop, 20000) >= 0);
	CHECK(mirror_status_peek(m)->server == MIRROR_SERVER_DOWN);
	CHECK_STR(mirror_status_peek(m)->error_code, "volume-in-use");
	m = mirror_close(m);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
	pair_free(p);
	return 0;
}

/* A guest that is killed with requests under way takes nothing with it; the
 * held ones of it come to their end, too. */
TEST(killed_client_leaves_the_server_alone)
{
	struct pair *p = pair_new_connected();
	static char buf[65536];
	char path[96];
	int turn, i, pid = p != NULL ? p->pid[0] : 0;

	CHECK(p != NULL);
	(void)snprintf(path, sizeof(path), "%s/run0/front.sock", p->dir);
	for (turn = 0; turn < 12; turn++) {
		struct nbd_handle *h = nbd_create();

		CHECK_EQ(nbd_set_export_name(h, "front"), 0);
		CHECK_EQ(nbd_connect_unix(h, path), 0);
		for (i = 0; i < 40; i++)
			CHECK(nbd_aio_pwrite(h, buf, sizeof(buf),
			    (uint64_t)i * 65536, NBD_NULL_COMPLETION, 0) >= 0);
		for (i = 0; i < 20; i++)
			CHECK(nbd_poll(h, 10) >= 0);
		if (turn == 10)
			pair_signal(p, 1, SIGSTOP);
		nbd_close(h);
	}
	CHECK(pair_wait(p, pair_holds) == 0);
	pair_signal(p, 1, SIGCONT);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK_EQ(pair_st(p, 0)->pid, pid);
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

TEST(server_outlives_its_owner)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };
	int pid;

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(guest_wait_acked(&g, 10) == 0);
	pid = p->pid[0];
	p->m[0] = mirror_close(p->m[0]);
	CHECK(guest_wait_acked(&g, 20) == 0);
	CHECK(pair_open(p, 0) == 0);
	CHECK_EQ(pair_st(p, 0)->pid, pid);
	CHECK(pair_st(p, 0)->found);
	CHECK(pair_st(p, 0)->role == MIRROR_PRIMARY);
	CHECK(pair_st(p, 0)->conn == MIRROR_CONNECTED);
	guest_stop(&g);
	CHECK(!g.failed);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_STOP), 0);
	CHECK(pair_st(p, 0)->server == MIRROR_SERVER_DOWN);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

static bool
target_begun(struct pair *p)
{
	return pair_st(p, 1)->disk == MIRROR_DISK_INCONSISTENT &&
	    pair_st(p, 0)->resync_copied_bytes > 0;
}

TEST(unfinished_target_isnt_promotable)
{
	struct pair *p = pair_new_connected();
	struct guest g = { .limit = 400 };
	char code[32];

	CHECK(p != NULL);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
	CHECK_EQ(pair_alone(p, 0, 2), 0);
	CHECK(guest_start(&g, p, 0, 0, 4096) == 0);
	CHECK(guest_wait_acked(&g, 400) == 0);
	guest_stop(&g);
	p->rate_kib_s = 512;
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RATE), 0);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
	CHECK(pair_wait(p, target_begun) == 0);
	CHECK(pair_kill_wait_down(p, 0) == 0);
	CHECK(pair_primary(p, 1, true, 3, code) < 0);
	CHECK_STR(code, "not-up-to-date");
	CHECK(pair_kill_wait_down(p, 1) == 0);
	CHECK(pair_restart(p, 1) == 0);
	CHECK(pair_primary(p, 1, true, 3, code) < 0);
	CHECK_STR(code, "not-up-to-date");
	/* the source comes back: it goes on where it was */
	p->rate_kib_s = 0;
	CHECK(pair_restart(p, 0) == 0);
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_RATE), 0);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK_EQ(pair_equal(p), 1);
	CHECK_EQ(guest_check(&g, 0), 0);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TEST(outdated_leg_isnt_promotable)
{
	struct pair *p = pair_new();
	char code[32];

	CHECK(p != NULL);
	CHECK_EQ(pair_order(p, 1, MIRROR_V_OUTDATE), 0);
	CHECK(pair_primary(p, 1, true, 3, code) < 0);
	CHECK_STR(code, "not-up-to-date");
	CHECK_EQ(pair_primary(p, 0, false, 0, NULL), 0);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_primary(p, 1, false, 0, NULL), 0);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK_EQ(pair_st(p, 1)->resync_count, 0);
	pair_free(p);
	return 0;
}

/* A write that only the old primary has, and that only its bitmap knows of, was
 * never acknowledged: the resync takes it back. */
TEST(one_legged_write_is_taken_back)
{
	struct pair *p = pair_new_connected();
	struct guest g = { 0 };

	CHECK(p != NULL);
	pair_signal(p, 1, SIGSTOP);
	CHECK(guest_start(&g, p, 0, 0, 64) == 0);
	CHECK(pair_wait(p, pair_holds) == 0);
	CHECK_EQ(g.acked, 0);
	CHECK(pair_kill_wait_down(p, 0) == 0);
	guest_stop(&g);
	pair_signal(p, 1, SIGCONT);
	CHECK_EQ(pair_primary(p, 1, true, 2, NULL), 0);
	CHECK(pair_restart(p, 0) == 0);
	/* the write is in the socket's buffer at most: never on node 1's leg
	 * after the session ended.  Node 0's bits are all that there is to copy,
	 * and may be copied before its first status is here. */
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK_EQ(pair_equal(p), 1);
	CHECK(pair_st(p, 1)->resync_total_bytes > 0);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

/* Either side is lost in turn, with several writers; both changes of role. */
TEST(many_turns)
{
	struct pair *p = pair_new_connected();
	struct guest g[3];
	int turn, i, prim = 0;
	uint64_t gen = 1;

	CHECK(p != NULL);
	for (turn = 0; turn < 4; turn++) {
		bool kill_primary = turn % 2 == 1;
		int lost = kill_primary ? prim : 1 - prim;

		for (i = 0; i < 3; i++) {
			g[i] = (struct guest){ 0 };
			CHECK(guest_start(&g[i], p, prim,
			    (size_t)(turn * 3 + i) * 128, 128) == 0);
		}
		CHECK(guest_wait_acked(&g[2], 30) == 0);
		CHECK(pair_kill_wait_down(p, lost) == 0);
		if (kill_primary) {
			prim = 1 - prim;
			CHECK_EQ(pair_primary(p, prim, true, ++gen, NULL), 0);
		} else {
			CHECK_EQ(pair_alone(p, prim, ++gen), 0);
			CHECK(guest_wait_acked(&g[0], 20) == 0);
		}
		CHECK(pair_restart(p, lost) == 0);
		CHECK(pair_wait(p, both_in_step) == 0);
		for (i = 0; i < 3; i++) {
			guest_stop(&g[i]);
			CHECK_EQ(guest_check(&g[i], prim), 0);
			guest_dispose(&g[i]);
		}
		CHECK_EQ(pair_equal(p), 1);
	}
	pair_free(p);
	return 0;
}

/* The connection breaks again and again under overlapping writes. */
TEST(broken_links_keep_order)
{
	struct pair *p = pair_new_connected();
	struct guest g[4];
	int i, turn;

	CHECK(p != NULL);
	for (i = 0; i < 4; i++) {
		g[i] = (struct guest){ .overlap = true };
		CHECK(guest_start(&g[i], p, 0, 0, 64) == 0);
		g[i].seed += (uint64_t)i * 7777;
	}
	for (turn = 0; turn < 4; turn++) {
		CHECK(guest_wait_acked(&g[turn], 20) == 0);
		CHECK_EQ(pair_order(p, 1, MIRROR_V_DISCONNECT), 0);
		CHECK(pair_wait(p, pair_holds) == 0);
		CHECK_EQ(pair_order(p, 1, MIRROR_V_CONNECT), 0);
		CHECK(pair_wait(p, both_in_step) == 0);
	}
	for (i = 0; i < 4; i++) {
		guest_stop(&g[i]);
		CHECK(!g[i].failed);
		guest_dispose(&g[i]);
	}
	CHECK_EQ(pair_equal(p), 1);
	pair_free(p);
	return 0;
}

static bool
bits_gone(struct pair *p)
{
	struct mirror_leg_info i;
	struct av_err err = { 0 };
	char dir[96];

	(void)snprintf(dir, sizeof(dir), "%s/leg0", p->dir);
	return mirror_leg_read("replica", dir, "o3", &i, &err) == 0 &&
	    i.out_of_step_bytes == 0;
}

/* Intent bits go away in the background, and a clean change of sides copies
 * nothing. */
TEST(quiet_volume_has_no_bits)
{
	struct pair *p = pair_new_connected();
	struct guest g = { .limit = 30 };

	CHECK(p != NULL);
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	guest_stop(&g);
	CHECK(!bits_gone(p));
	/* regions rest for 30 s; one wait is 20 s */
	CHECK(pair_wait(p, bits_gone) == 0 || pair_wait(p, bits_gone) == 0);
	guest_dispose(&g);
	g = (struct guest){ .limit = 30 };
	CHECK(guest_start(&g, p, 0, 0, 256) == 0);
	CHECK(guest_wait_acked(&g, 30) == 0);
	guest_stop(&g);
	CHECK_EQ(pair_order(p, 0, MIRROR_V_SECONDARY), 0);
	CHECK_EQ(pair_primary(p, 1, false, 0, NULL), 0);
	CHECK(pair_wait(p, both_in_step) == 0);
	CHECK_EQ(pair_st(p, 1)->resync_count, 0);
	CHECK_EQ(guest_check(&g, 1), 0);
	CHECK_EQ(pair_equal(p), 1);
	guest_dispose(&g);
	pair_free(p);
	return 0;
}

TESTS_MAIN(
	T(writes_reach_both_legs),
	T(overlapping_writes_leave_equal_legs),
	T(last_writer_is_the_same_on_both_legs),
	T(secondary_killed_alone_then_resync),
	T(primary_killed_other_takes_over),
	T(silent_peer_comes_back),
	T(disconnected_and_connected_again),
	T(held_writes_fail_when_demoted),
	T(split_overwrites_nothing),
	T(stale_primary_is_shut_out),
	T(strangers_are_refused),
	T(second_server_is_refused),
	T(killed_client_leaves_the_server_alone),
	T(server_outlives_its_owner),
	T(unfinished_target_isnt_promotable),
	T(outdated_leg_isnt_promotable),
	T(one_legged_write_is_taken_back),
	T(many_turns),
	T(broken_links_keep_order),
	T(quiet_volume_has_no_bits),
)
