/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/bad_peer.c - see bad_peer.h
 */
#include "tests/unit/mirror/bad_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "base/wire.h"
#include "mirror/mirror.h"
#include "mirror/replica/proto.h"
#include "mirror/replica/window.h"
#include "tests/unit/mirror/pair.h"

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK"
#define REPLY_MAGIC	0x67446698u

struct bad_peer bad_peer;
static int listen_fd;

struct conn {
	gnutls_session_t s;
	int		how;
	bool		up;		/* after START */
	bool		over;
	size_t		n_sent, flip_at; /* BAD_BYTE */
	struct proto_msg m;		/* its HELLO, or what came last */
};

/* --- bytes --- */

static void
put(uint8_t *b, uint64_t v, unsigned n)
{
	while (n-- > 0) {
		b[n] = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t
get(const uint8_t *b, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *b++;
	return v;
}

static bool
say(struct conn *c, const void *buf, size_t n)
{
	uint8_t copy[1024];
	ssize_t r;

	memcpy(copy, buf, n);
	if (c->how == BAD_BYTE && c->flip_at >= c->n_sent &&
	    c->flip_at < c->n_sent + n)
		copy[c->flip_at - c->n_sent] ^= (uint8_t)(1 + bad_peer.seed %
		    255);
	c->n_sent += n;
	do {
		r = gnutls_record_send(c->s, copy, n);
	} while (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED);
	return r == (ssize_t)n;
}

static bool
hear(struct conn *c, void *buf, size_t n)
{
	uint8_t *at = buf;

	while (n > 0) {
		ssize_t r = gnutls_record_recv(c->s, at, n);

		if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
			continue;
		if (r <= 0)
			return false;
		at += r;
		n -= (size_t)r;
	}
	return true;
}

static void
count(const struct conn *c)
{
	if (c->how == bad_peer.how)
		bad_peer.n_said++;
}

static void
said(struct conn *c)
{
	count(c);
	c->over = true;
}

/* --- greeting --- */

static bool
option_reply(struct conn *c, uint32_t option, uint32_t type, const void *data,
    uint32_t n)
{
	uint8_t b[20 + 64];

	put(b, c->how == BAD_OPTION_MAGIC ? 0x3e889045565a8 :
	    0x3e889045565a9, 8);
	put(b + 8, option, 4);
	put(b + 12, type, 4);
	put(b + 16, c->how == BAD_OPTION_HUGE ? 0xffffffff : n, 4);
	if (n > 0)
		memcpy(b + 20, data, n);
	if (c->how == BAD_OPTION_MAGIC || c->how == BAD_OPTION_HUGE)
		said(c);
	return say(c, b, 20 + n);
}

static bool
go(struct conn *c, uint32_t option)
{
	uint8_t info[12] = { 0 };
	uint64_t size = window_export(PAIR_SIZE);

	if (c->how == BAD_EXPORT_HUGE)
		size = UINT64_MAX / 2;
	if (c->how == BAD_EXPORT_EMPTY)
		size = 0;
	if (size != window_export(PAIR_SIZE) || c->how == BAD_NO_INFO ||
	    c->how == BAD_ENDLESS_INFO)
		count(c);
	put(info + 2, size, 8);
	put(info + 10, 1 | 4 | 8 | 32 | 64, 2);	/* flush, FUA, trim, zeroes */
	while (c->how == BAD_ENDLESS_INFO)
		if (!option_reply(c, option, 3, info, 12))
			return false;
	if (c->how != BAD_NO_INFO && !option_reply(c, option, 3, info, 12))
		return false;
	return option_reply(c, option, 1, NULL, 0);
}

static bool
greet(struct conn *c)
{
	uint8_t b[18], data[1024];
	uint64_t n, option;

	put(b, c->how == BAD_MAGIC ? 0x4e42444d41474944 : 0x4e42444d41474943,
	    8);
	put(b + 8, 0x49484156454f5054, 8);
	put(b + 16, c->how == BAD_NO_FIXED ? 0 : 3, 2);
	if (c->how == BAD_MAGIC || c->how == BAD_NO_FIXED)
		said(c);
	if (!say(c, b, 18) || !hear(c, data, 4))
		return false;
	for (;;) {
		if (!hear(c, b, 16))
			return false;
		option = get(b + 8, 4);
		n = get(b + 12, 4);
		if (n > sizeof(data) || !hear(c, data, n))
			return false;
		if (option == 7)	/* GO */
			return go(c, (uint32_t)option);
		if (!option_reply(c, (uint32_t)option, 0x80000001, NULL, 0))
			return false;
	}
}

/* --- requests --- */

static bool
reply(struct conn *c, uint64_t cookie, uint32_t error)
{
	uint8_t b[16];
	bool first = c->how >= BAD_REPLY_MAGIC && c->how <= BAD_SHORT_HEADER;
	bool up = c->up && c->how >= BAD_UP_MAGIC && c->how <= BAD_UP_SHORT;

	put(b, REPLY_MAGIC, 4);
	put(b + 4, error, 4);
	put(b + 8, cookie, 8);
	if (c->how == BAD_REPLY_MAGIC || (up && c->how == BAD_UP_MAGIC))
		put(b, 0x668e33ef, 4);	/* a structured one, not agreed on */
	if (c->how == BAD_COOKIE || (up && c->how == BAD_UP_COOKIE))
		put(b + 8, cookie + 0x123456, 8);
	if (c->how == BAD_ERROR || (up && c->how == BAD_UP_ERROR))
		put(b + 4, 0xffffffff, 4);
	if (first || up)
		said(c);
	return say(c, b, c->how == BAD_SHORT_HEADER ||
	    (up && c->how == BAD_UP_SHORT) ? 7 : 16);
}

static void
absurd(struct conn *c, struct proto_msg *r)
{
	switch (c->how) {
	case BAD_TYPE:
		r->type = 77;
		break;
	case BAD_ECHO:
		*r = c->m;
		r->node = 1;
		break;
	case BAD_UNIT:
		r->unit_uuid[0] ^= 1;
		break;
	case BAD_NODE:
		r->node = 0;
		break;
	case BAD_SIZE_HUGE:
		r->size_bytes = UINT64_MAX - 511;
		break;
	case BAD_SIZE_ODD:
		r->size_bytes = PAIR_SIZE + 1;
		break;
	case BAD_SIZE_ZERO:
		r->size_bytes = 0;
		break;
	case BAD_VERDICT:
		r->verdict = 0x80000000;
		break;
	case BAD_RC:
		r->rc = 0x80000000;
		memset(r->code, 0xff, sizeof(r->code));
		memset(r->text, '%', sizeof(r->text));
		break;
	case BAD_IDENTITY:	/* its own, older and newer at once */
		r->current = r->bitmap = r->h0 = r->h1 = UINT64_MAX;
		r->dirty_chunks = UINT64_MAX;
		break;
	default:
		break;
	}
}

static bool
mailbox(struct conn *c)
{
	struct proto_msg r = c->m;
	uint8_t b[PROTO_BYTES];
	bool bad = c->how >= BAD_SHORT_DATA && c->how <= BAD_IDENTITY;
	struct identity own, theirs;
	int rule;

	r.type = PROTO_REPLY;
	r.node = 1;
	r.flags = PROTO_GROWS | PROTO_CAN_SERVE;
	r.dirty_chunks = 0;
	r.bitmap = 0;
	proto_identity(&r, &own);
	proto_identity(&c->m, &theirs);
	r.verdict = (uint32_t)identity_decide(&own, &theirs, &rule);
	absurd(c, &r);
	proto_encode(&r, b);
	if (c->how == BAD_NOISE)
		memset(b, 0xa5, sizeof(b));
	if (c->how == BAD_CHECKSUM)
		b[40] ^= 1;
	if (c->how == BAD_VERSION) {
		struct av_wr w = { .at = b + PROTO_BYTES - 4, .left = 4 };

		b[4] = 99;
		av_wr_le(&w, av_crc32c(0, b, PROTO_BYTES - 4), 4);
	}
	if (bad && c->m.type == PROTO_HELLO)
		count(c);
	if (c->how == BAD_BYTE)
		said(c);
	c->over = c->over || c->how == BAD_SHORT_DATA;
	if (c->m.type == PROTO_START || c->m.type == PROTO_SYNC_START)
		c->up = true;
	return say(c, b, c->how == BAD_SHORT_DATA ? 100 : PROTO_BYTES);
}

static void
serve(struct conn *c)
{
	static uint8_t data[1 << 20];
	uint64_t box = window_mailbox(PAIR_SIZE);
	uint8_t b[28];

	while (!c->over && hear(c, b, sizeof(b))) {
		uint64_t type = get(b + 6, 2), cookie = get(b + 8, 8);
		uint64_t at = get(b + 16, 8), n = get(b + 24, 4);
		bool ping;

		if (n > sizeof(data) || (type == 1 && !hear(c, data, n)))
			return;
		ping = type == 1 && at == box && proto_decode(data, n,
		    &c->m) == 0 && c->m.type == PROTO_PING;
		if (type == 0 && at == box) {
			if (!reply(c, cookie, 0) || !mailbox(c))
				return;
		} else if (ping) {
			bool up = c->up;

			c->up = false;	/* these are answered well */
			if (!reply(c, cookie, 0))
				return;
			c->up = up;
		} else if (type == 0) {		/* its bitmap: no bit is set */
			static const uint8_t zeros[1024];

			if (!reply(c, cookie, 0))
				return;
			for (; n > 0; n -= n < 1024 ? n : 1024)
				if (!say(c, zeros, n < 1024 ? n : 1024))
					return;
		} else if (!reply(c, cookie, 0)) {
			return;
		}
	}
	/* of the rest the other side has to see it by itself */
	if (c->over && c->how != BAD_SHORT_HEADER && c->how != BAD_BYTE &&
	    c->how != BAD_SHORT_DATA && c->how != BAD_UP_SHORT)
		(void)hear(c, b, 1);
}

/* --- connections --- */

static void
bad_conn(int fd, gnutls_psk_server_credentials_t keys)
{
	struct conn c = { .how = bad_peer.how };
	struct timeval tv = { .tv_sec = 3 };
	int r;

	bad_peer.seed++;
	c.flip_at = (bad_peer.seed * 7u) % 620u;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (gnutls_init(&c.s, GNUTLS_SERVER) != 0)
		return;
	(void)gnutls_priority_set_direct(c.s, PRIORITY, NULL);
	(void)gnutls_credentials_set(c.s, GNUTLS_CRD_PSK, keys);
	gnutls_transport_set_int(c.s, fd);
	gnutls_handshake_set_timeout(c.s, 3000);
	do {
		r = gnutls_handshake(c.s);
	} while (r < 0 && !gnutls_error_is_fatal(r));
	if (r == 0 && greet(&c))
		serve(&c);
	gnutls_deinit(c.s);
}

static bool
carry(int from, int to)
{
	static uint8_t buf[65536];
	ssize_t n = recv(from, buf, sizeof(buf), 0), at, r;

	for (at = 0; at < n; at += r) {
		r = send(to, buf + at, (size_t)(n - at), MSG_NOSIGNAL);
		if (r <= 0)
			return false;
	}
	return n > 0;
}

static void
good_conn(int client)
{
	int server = pair_dial(bad_peer.target);
	bool on = server >= 0;

	while (on && bad_peer.how == BAD_NOTHING) {
		struct pollfd p[2] = { { .fd = client, .events = POLLIN },
			{ .fd = server, .events = POLLIN } };

		(void)poll(p, 2, 20);
		if (p[0].revents != 0)
			on = carry(client, server);
		if (on && p[1].revents != 0)
			on = carry(server, client);
	}
	if (server >= 0)
		(void)close(server);
}

static void *
run(void *arg)
{
	gnutls_psk_server_credentials_t keys = NULL;
	int fd;

	(void)arg;
	if (gnutls_psk_allocate_server_credentials(&keys) != 0 ||
	    gnutls_psk_set_server_credentials_file(keys, bad_peer.psk) != 0)
		return NULL;
	for (;;) {
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		if (bad_peer.how == BAD_NOTHING)
			good_conn(fd);
		else
			bad_conn(fd, keys);
		(void)close(fd);
	}
}

int
bad_peer_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	pthread_t t;

	/* GnuTLS writes to connections that the other side has closed */
	(void)signal(SIGPIPE, SIG_IGN);
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 ||
	    bind(listen_fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    getsockname(listen_fd, (struct sockaddr *)&a, &n) < 0 ||
	    listen(listen_fd, 16) < 0 ||
	    pthread_create(&t, NULL, run, NULL) != 0)
		return -1;
	bad_peer.port = ntohs(a.sin_port);
	return pthread_detach(t) == 0 ? 0 : -1;
}
