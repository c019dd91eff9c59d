/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_heartbeat.c - packets: round trip and every damage
 */
#include "tests/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "nodeagent/heartbeat.h"

#define UNIT	"0123456789abcdef0123456789abcdef"

static const uint8_t key[32] = { 1, 2, 3 };

static void
make(struct heartbeat_beat *b)
{
	memset(b, 0, sizeof(*b));
	b->node = 1;
	b->link = 2;
	b->instance = 0x0123456789abcdefull;
	b->counter = 77;
	b->echo_instance = 5;
	b->echo_counter = 6;
	b->timing_hash = 0xdeadbeef;
	b->seq = 9;
	b->hello.state = ROLE_REJOINING;
	b->hello.rec.gen = 12;
	b->hello.rec.mode = ROLE_MODE_ALONE;
	b->hello.rec.pending = true;
	b->hello.released = true;
}

TEST(round_trip)
{
	uint8_t buf[HEARTBEAT_BYTES];
	struct heartbeat_beat b, got;

	make(&b);
	heartbeat_encode(&b, UNIT, key, buf);
	CHECK(heartbeat_decode(buf, sizeof(buf), UNIT, key, &got) == 0);
	CHECK(got.node == 1 && got.link == 2 && got.counter == 77 &&
	    got.instance == b.instance && got.echo_instance == 5 &&
	    got.echo_counter == 6 && got.timing_hash == 0xdeadbeef &&
	    got.seq == 9 && got.hello.state == ROLE_REJOINING &&
	    got.hello.rec.gen == 12 && got.hello.rec.pending &&
	    got.hello.released && !got.hello.ready);
	return 0;
}

TEST(every_damaged_bit_is_refused)
{
	uint8_t buf[HEARTBEAT_BYTES + 1] = { 0 }, other[32] = { 9 };
	struct heartbeat_beat b, got;
	size_t i;

	make(&b);
	heartbeat_encode(&b, UNIT, key, buf);
	for (i = 0; i < HEARTBEAT_BYTES * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1u << (i % 8));
		CHECK(heartbeat_decode(buf, HEARTBEAT_BYTES, UNIT, key,
		    &got) < 0);
		buf[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	for (i = 0; i < HEARTBEAT_BYTES; i++)
		CHECK_EQ(heartbeat_decode(buf, i, UNIT, key, &got), -EBADMSG);
	CHECK_EQ(heartbeat_decode(buf, sizeof(buf), UNIT, key, &got),
	    -EBADMSG);
	CHECK_EQ(heartbeat_decode(buf, HEARTBEAT_BYTES, UNIT, other, &got),
	    -EKEYREJECTED);
	CHECK_EQ(heartbeat_decode(buf, HEARTBEAT_BYTES, "f" UNIT, key, &got),
	    -EXDEV);
	return 0;
}

TEST(signed_nonsense_is_refused)
{
	uint8_t buf[HEARTBEAT_BYTES];
	struct heartbeat_beat b, got;

	make(&b);
	b.node = 3;
	heartbeat_encode(&b, UNIT, key, buf);
	CHECK_EQ(heartbeat_decode(buf, sizeof(buf), UNIT, key, &got), -EBADMSG);
	make(&b);
	b.hello.state = ROLE_N_STATES;
	heartbeat_encode(&b, UNIT, key, buf);
	CHECK_EQ(heartbeat_decode(buf, sizeof(buf), UNIT, key, &got), -EBADMSG);
	return 0;
}

/* --- a peer made by hand on loopback --- */

struct peer {
	int	fd;
	struct sockaddr_in to;
	uint64_t instance, counter;	/* ours, as heard last */
	int	n_heard;
};

static void
on_heard(void *arg, const struct heartbeat_beat *b)
{
	struct peer *p = arg;

	(void)b;
	p->n_heard++;
}

static bool
peer_open(struct peer *p, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port) };

	memset(p, 0, sizeof(*p));
	p->to = a;
	p->to.sin_addr.s_addr = htonl(0x7f000015);	/* 127.0.0.21 */
	a.sin_addr.s_addr = htonl(0x7f000016);
	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return bind(p->fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static void
peer_listen(struct peer *p)
{
	uint8_t buf[200];
	struct heartbeat_beat b;
	ssize_t n;

	while ((n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if (heartbeat_decode(buf, (size_t)n, UNIT, key, &b) == 0) {
			p->instance = b.instance;
			p->counter = b.counter;
		}
}

/* Sends one beat and runs the loop; was it accepted? */
static bool
peer_beat(struct peer *p, sd_event *loop, uint64_t instance, uint64_t counter,
    bool echo)
{
	uint64_t end = av_clock_ns() + 200 * AV_NS_PER_MS;
	uint8_t buf[HEARTBEAT_BYTES];
	struct heartbeat_beat b;
	int before = p->n_heard;

	make(&b);
	b.link = 0;
	b.instance = instance;
	b.counter = counter;
	b.echo_instance = echo ? p->instance : 0;
	b.echo_counter = echo ? p->counter : 0;
	heartbeat_encode(&b, UNIT, key, buf);
	if (sendto(p->fd, buf, sizeof(buf), 0, (struct sockaddr *)&p->to,
	    sizeof(p->to)) != (ssize_t)sizeof(buf))
		return false;
	while (p->n_heard == before && av_clock_ns() < end)
		(void)sd_event_run(loop, 5000);
	return p->n_heard > before;
}

/* A PM that starts with its clock in the past is heard all the same; packets that
 * somebody recorded aren't. */
TEST(a_clock_set_back_silences_nobody)
{
	uint16_t port = (uint16_t)(20000 + getpid() % 20000);
	struct order_conf conf = { .unit_uuid = UNIT, .node = 0, .n_links = 1,
		.heartbeat_port = port };
	struct heartbeat *hb = NULL;
	struct av_err err = { 0 };
	struct timing timing;
	sd_event *loop = NULL;
	struct peer p;

	timing_fill(&timing, 100);
	memcpy(conf.key, key, sizeof(key));
	conf.links[0] = (struct order_link){ "link0", "127.0.0.21",
	    "127.0.0.22" };
	CHECK(sd_event_new(&loop) >= 0 && peer_open(&p, port));
	CHECK(heartbeat_open(loop, &conf, &timing, on_heard, &p, &hb,
	    &err) == 0);
	while (p.instance == 0) {
		(void)sd_event_run(loop, 5000);
		peer_listen(&p);
	}
	CHECK(peer_beat(&p, loop, 1000, 5, false));
	CHECK(!peer_beat(&p, loop, 1000, 5, false));	/* again: replayed */
	CHECK(!heartbeat_valid(hb, av_clock_ns()));
	CHECK(!peer_beat(&p, loop, 900, 6, false));	/* older run */
	peer_listen(&p);
	CHECK(peer_beat(&p, loop, 900, 1, true));	/* it hears us: now */
	CHECK(heartbeat_valid(hb, av_clock_ns()));
	CHECK(!peer_beat(&p, loop, 900, 1, true));
	(void)heartbeat_close(hb);
	(void)close(p.fd);
	loop = sd_event_unref(loop);
	return 0;
}

TESTS_MAIN(T(round_trip), T(every_damaged_bit_is_refused),
    T(signed_nonsense_is_refused),
    T(a_clock_set_back_silences_nobody))
