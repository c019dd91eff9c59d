/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/heartbeat.c - the agents' own signs of life, on every link
 */
#include "nodeagent/heartbeat.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/wire.h"

#define MAC_BYTES	32u
#define UUID_BYTES	36u
#define SENT_RING	64u

struct hb_link {
	struct heartbeat *hb;
	char		 name[32], local[64], peer[64];
	int		 fd;
	sd_event_source	*io;
	struct sockaddr_storage to;
	socklen_t	 to_len;
	struct sockaddr_storage from;
	socklen_t	 from_len;
	uint64_t	 heard_ns;
	uint64_t	 counter;	/* last accepted of peer_instance */
};

struct heartbeat {
	sd_event	*loop;
	sd_event_source	*timer;
	heartbeat_fn	 heard;
	void		*arg;
	char		 unit[40];
	int		 node;
	uint8_t		 key[32];
	struct timing	 timing;
	struct hb_link	 links[ORDER_LINKS_MAX];
	size_t		 n_links;
	struct heartbeat_beat say;
	uint64_t	 sent_ns[SENT_RING];	/* by counter */
	uint64_t	 peer_instance, peer_counter;
	uint64_t	 valid_until_ns;
	uint64_t	 ignored;
};

/* --- the packet --- */

void
heartbeat_encode(const struct heartbeat_beat *b, const char *unit_uuid,
    const uint8_t key[32], uint8_t ret[HEARTBEAT_BYTES])
{
	struct av_wr w = { ret, HEARTBEAT_BYTES, 0 };
	char unit[UUID_BYTES + 1] = "";
	const struct role_hello *h = &b->hello;

	(void)snprintf(unit, sizeof(unit), "%s", unit_uuid);
	av_wr_bytes(&w, "AVHB", 4);
	av_wr_le(&w, 1, 1);
	av_wr_le(&w, (uint64_t)b->node, 1);
	av_wr_le(&w, (uint64_t)b->link, 1);
	av_wr_le(&w, (uint64_t)h->state, 1);
	av_wr_le(&w, (uint64_t)h->rec.mode, 1);
	av_wr_le(&w, (h->rec.pending ? 1u : 0) | (h->ready ? 2u : 0) |
	    (h->released ? 4u : 0), 1);
	av_wr_le(&w, 0, 2);
	av_wr_le(&w, b->timing_hash, 4);
	av_wr_le(&w, b->instance, 8);
	av_wr_le(&w, b->counter, 8);
	av_wr_le(&w, b->echo_instance, 8);
	av_wr_le(&w, b->echo_counter, 8);
	av_wr_le(&w, h->rec.gen, 8);
	av_wr_le(&w, b->seq, 8);
	av_wr_bytes(&w, unit, UUID_BYTES);
	av_wr_le(&w, 0, 8);		/* room */
	AV_ASSERT(w.rc == 0 && w.left == MAC_BYTES);
	(void)gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, 32, ret,
	    HEARTBEAT_BYTES - MAC_BYTES, w.at);
}

static bool
mac_equal(const uint8_t *a, const uint8_t *b)
{
	unsigned diff = 0;
	size_t i;

	for (i = 0; i < MAC_BYTES; i++)
		diff |= (unsigned)(a[i] ^ b[i]);
	return diff == 0;
}

int
heartbeat_decode(const uint8_t *data, size_t n, const char *unit_uuid,
    const uint8_t key[32], struct heartbeat_beat *ret)
{
	struct av_rd r = { data, n, 0 };
	struct heartbeat_beat b;
	uint8_t magic[5], mac[MAC_BYTES];
	char unit[UUID_BYTES + 1] = "";
	unsigned state, mode, flags, zero;

	memset(&b, 0, sizeof(b));
	if (n != HEARTBEAT_BYTES)
		return -EBADMSG;
	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, 32, data,
	    n - MAC_BYTES, mac) < 0 || !mac_equal(mac, data + n - MAC_BYTES))
		return -EKEYREJECTED;
	av_rd_bytes(&r, magic, 5);
	b.node = (int)av_rd_le(&r, 1);
	b.link = (int)av_rd_le(&r, 1);
	state = (unsigned)av_rd_le(&r, 1);
	mode = (unsigned)av_rd_le(&r, 1);
	flags = (unsigned)av_rd_le(&r, 1);
	zero = (unsigned)av_rd_le(&r, 2);
	b.timing_hash = (uint32_t)av_rd_le(&r, 4);
	b.instance = av_rd_le(&r, 8);
	b.counter = av_rd_le(&r, 8);
	b.echo_instance = av_rd_le(&r, 8);
	b.echo_counter = av_rd_le(&r, 8);
	b.hello.rec.gen = av_rd_le(&r, 8);
	b.seq = av_rd_le(&r, 8);
	av_rd_bytes(&r, unit, UUID_BYTES);
	if (r.rc < 0 || memcmp(magic, "AVHB\1", 5) != 0 || b.node > 1 ||
	    b.link >= ORDER_LINKS_MAX || state >= ROLE_N_STATES ||
	    mode > ROLE_MODE_OUTDATED || flags > 7 || zero != 0 ||
	    b.hello.rec.gen > ROLE_GEN_MAX)
		return -EBADMSG;
	if (strcmp(unit, unit_uuid) != 0)
		return -EXDEV;
	b.hello.state = (enum role_state)state;
	b.hello.rec.mode = (enum role_mode)mode;
	b.hello.rec.pending = flags & 1;
	b.hello.ready = (flags & 2) != 0;
	b.hello.released = (flags & 4) != 0;
	*ret = b;
	return 0;
}

/* --- tick -> send ... receive --- */

static void
send_all(struct heartbeat *hb)
{
	uint8_t buf[HEARTBEAT_BYTES];
	size_t i;

	hb->say.counter++;
	hb->sent_ns[hb->say.counter % SENT_RING] = av_clock_ns();
	hb->say.echo_instance = hb->peer_instance;
	hb->say.echo_counter = hb->peer_counter;
	for (i = 0; i < hb->n_links; i++) {
		struct hb_link *l = &hb->links[i];

		hb->say.link = (int)i;
		heartbeat_encode(&hb->say, hb->unit, hb->key, buf);
		/* a beat that can't be sent is a beat that was missed */
		(void)!sendto(l->fd, buf, sizeof(buf), MSG_DONTWAIT,
		    (struct sockaddr *)&l->to, l->to_len);
	}
}

static int
on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct heartbeat *hb = arg;

	(void)usec;
	send_all(hb);
	(void)sd_event_source_set_time_relative(s,
	    hb->timing.heartbeat_ns / 1000);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

uint64_t
heartbeat_echoed_ns(const struct heartbeat *hb,
    const struct heartbeat_beat *b)
{
	if (b->echo_instance != hb->say.instance || b->echo_counter == 0 ||
	    b->echo_counter > hb->say.counter ||
	    hb->say.counter - b->echo_counter >= SENT_RING)
		return 0;
	return hb->sent_ns[b->echo_counter % SENT_RING];
}

/* Not older than what was heard of this instance; newer instances win, and one
 * that has just heard this PM: the peer's clock may have been set back, and
 * nothing recorded before can echo a beat of now. */
static bool
accept_beat(struct heartbeat *hb, struct hb_link *l,
    const struct heartbeat_beat *b)
{
	size_t i;

	if (b->node == hb->node || (b->instance < hb->peer_instance &&
	    heartbeat_echoed_ns(hb, b) + hb->timing.lease_ns <=
	    av_clock_ns()))
		return false;
	if (b->instance != hb->peer_instance) {
		hb->peer_instance = b->instance;
		hb->peer_counter = 0;
		hb->valid_until_ns = 0;
		for (i = 0; i < hb->n_links; i++)
			hb->links[i].counter = 0;
	}
	if (b->counter <= l->counter)
		return false;
	l->counter = b->counter;
	if (b->counter > hb->peer_counter)
		hb->peer_counter = b->counter;
	return true;
}

static void
heard(struct heartbeat *hb, struct hb_link *l, const struct heartbeat_beat *b)
{
	uint64_t echoed = heartbeat_echoed_ns(hb, b);

	l->heard_ns = av_clock_ns();
	if (echoed != 0 && echoed + hb->timing.lease_ns > hb->valid_until_ns)
		hb->valid_until_ns = echoed + hb->timing.lease_ns;
	hb->heard(hb->arg, b);
}

static int
on_packet(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct hb_link *l = arg;
	struct heartbeat *hb = l->hb;
	int i;

	(void)s;
	(void)revents;
	for (i = 0; i < 16; i++) {	/* bounded per pass */
		uint8_t buf[HEARTBEAT_BYTES + 1];
		struct heartbeat_beat b;
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno == ECONNREFUSED)
			continue;
		if (n < 0)
			return 0;
		if (heartbeat_decode(buf, (size_t)n, hb->unit, hb->key,
		    &b) < 0 || !accept_beat(hb, l, &b)) {
			hb->ignored++;
			continue;
		}
		heard(hb, l, &b);
	}
	return 0;
}

/* --- open, close --- */

static int
resolve(const char *host, uint16_t port, struct sockaddr_storage *ret,
    socklen_t *ret_len)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_DGRAM }, *ai;
	char service[8];

	(void)snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &ai) != 0)
		return -EINVAL;
	memcpy(ret, ai->ai_addr, ai->ai_addrlen);
	*ret_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

static int
link_open(struct heartbeat *hb, const struct order_link *c, uint16_t port,
    struct av_err *err)
{
	struct hb_link *l = &hb->links[hb->n_links];
	int one = 1, r;

	l->hb = hb;
	l->fd = -1;
	hb->n_links++;
	(void)snprintf(l->name, sizeof(l->name), "%s", c->name);
	(void)snprintf(l->local, sizeof(l->local), "%s", c->local);
	(void)snprintf(l->peer, sizeof(l->peer), "%s", c->peer);
	if (resolve(c->local, port, &l->from, &l->from_len) < 0 ||
	    resolve(c->peer, port, &l->to, &l->to_len) < 0)
		return av_err_set(err, -EINVAL, "link '%s': '%s' or '%s' "
		    "isn't a numeric address", c->name, c->local, c->peer);
	l->fd = socket(l->from.ss_family, SOCK_DGRAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return av_err_set(err, -errno, "link '%s': socket: %s",
		    c->name, strerror(errno));
	/* the link's interface may come up later than the agent */
	(void)setsockopt(l->fd, SOL_IP, 15 /* IP_FREEBIND */, &one,
	    sizeof(one));
	if (bind(l->fd, (struct sockaddr *)&l->from, l->from_len) < 0)
		return av_err_set(err, -errno, "link '%s': %s port %u: %s",
		    c->name, c->local, port, strerror(errno));
	r = sd_event_add_io(hb->loop, &l->io, l->fd, EPOLLIN, on_packet, l);
	if (r < 0)
		return av_err_set(err, r, "event loop: %s", strerror(-r));
	(void)sd_event_source_set_priority(l->io, SD_EVENT_PRIORITY_IMPORTANT);
	return 0;
}

int
heartbeat_open(sd_event *loop, const struct order_conf *conf,
    const struct timing *timing, heartbeat_fn fn, void *arg,
    struct heartbeat **ret, struct av_err *err)
{
	struct heartbeat *hb = calloc(1, sizeof(*hb));
	size_t i;
	int rc = 0;

	if (hb == NULL)
		return av_err_set(err, -ENOMEM, "heartbeat: no memory");
	hb->loop = loop;
	hb->heard = fn;
	hb->arg = arg;
	hb->timing = *timing;
	hb->node = conf->node;
	memcpy(hb->key, conf->key, 32);
	(void)snprintf(hb->unit, sizeof(hb->unit), "%s", conf->unit_uuid);
	hb->say.node = conf->node;
	hb->say.timing_hash = timing->hash;
	hb->say.instance = (uint64_t)av_clock_utc_ms();
	for (i = 0; i < conf->n_links && rc == 0; i++)
		rc = link_open(hb, &conf->links[i], conf->heartbeat_port, err);
	if (rc == 0) {
		rc = sd_event_add_time_relative(loop, &hb->timer,
		    CLOCK_MONOTONIC, 0, 1000, on_tick, hb);
		if (rc < 0)
			(void)av_err_set(err, rc, "event loop: timer");
	}
	if (rc < 0) {
		(void)heartbeat_close(hb);
		return rc;
	}
	(void)sd_event_source_set_priority(hb->timer,
	    SD_EVENT_PRIORITY_IMPORTANT);
	*ret = hb;
	return 0;
}

struct heartbeat *
heartbeat_close(struct heartbeat *hb)
{
	size_t i;

	if (hb == NULL)
		return NULL;
	sd_event_source_disable_unref(hb->timer);
	for (i = 0; i < hb->n_links; i++) {
		sd_event_source_disable_unref(hb->links[i].io);
		if (hb->links[i].fd >= 0)
			(void)close(hb->links[i].fd);
	}
	gnutls_memset(hb->key, 0, sizeof(hb->key));
	free(hb);
	return NULL;
}

void
heartbeat_say(struct heartbeat *hb, const struct role_hello *hello,
    uint64_t seq)
{
	hb->say.seq = seq;
	if (memcmp(&hb->say.hello, hello, sizeof(*hello)) == 0)
		return;
	hb->say.hello = *hello;
	send_all(hb);
}

bool
heartbeat_valid(const struct heartbeat *hb, uint64_t now_ns)
{
	return now_ns < hb->valid_until_ns;
}

void
heartbeat_link(const struct heartbeat *hb, size_t i, uint64_t now_ns,
    struct heartbeat_link_info *ret)
{
	const struct hb_link *l = &hb->links[i];

	AV_ASSERT(i < hb->n_links);
	ret->name = l->name;
	ret->local = l->local;
	ret->peer = l->peer;
	ret->heard_ns = l->heard_ns;
	ret->up = l->heard_ns != 0 &&
	    now_ns - l->heard_ns < hb->timing.heartbeat_lost_ns;
}

uint64_t
heartbeat_ignored(const struct heartbeat *hb)
{
	return hb->ignored;
}
