/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_link.c - wire.h as link.c uses it, without a network
 *
 * A command sent is a coroutine of the peer's node that calls peer.c, as
 * nbdserve.c does.  Commands run in any order and at any speed; when the
 * connection goes, those not yet begun are lost from some point on.
 */
/* first: small pages */
#include "tests/unit/mirror/crash_sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "mirror/replica/server.h"
#include "mirror/replica/wire.h"

#define SOCKET_FD	3000

struct cmd {
	struct wire *h;
	enum wire_type	type;
	uint8_t		*buf;		/* ours */
	bool		fua;
	uint32_t	n;
	uint64_t	cookie, offset;
	int		rc;
	struct cmd	*next;
};

struct wire {
	int		client, server;
	bool		connected, lost, freed;
	bool		drop_rest;	/* of the commands not yet begun */
	struct srv	*srv;		/* the peer's; NULL once it is down */
	struct peer_conn *pc;
	unsigned	running;
	struct cmd	*replies, **last;
	struct cmd	*reading;	/* its data is to be fetched */
	struct wire *next;
};

static struct wire *handles;
/* --- the peer's side --- */

static void
execute(struct cmd *c)
{
	struct wire *h = c->h;

	switch (c->type) {
	case WIRE_WRITE:
	case WIRE_ZERO:
		c->rc = peer_write(h->srv, h->pc, c->buf, c->n, c->offset,
		    c->fua);
		break;
	case WIRE_TRIM:
		c->rc = peer_trim(h->srv, h->pc, c->n, c->offset, c->fua);
		break;
	case WIRE_FLUSH:
		c->rc = peer_flush(h->srv, h->pc);
		break;
	case WIRE_READ:
		c->rc = peer_read(h->srv, h->pc, c->buf, c->n, c->offset);
		break;
	}
}

static void *
close_run(void *arg)
{
	struct wire *h = arg;
	struct peer_conn *pc = h->pc;

	h->pc = NULL;
	peer_close(h->srv, pc);
	return NULL;
}

static void
maybe_close(struct wire *h)
{
	if (h->lost && h->running == 0 && h->pc != NULL && h->srv != NULL)
		sim_start(h->server, close_run, h);
}

static void
cmd_free(struct cmd *c)
{
	sim_free(c->buf);
	sim_free(c);
}

static void *
cmd_run(void *arg)
{
	struct cmd *c = arg;
	struct wire *h = c->h;

	sim_yield();
	if (sim.frozen_until_ns[h->server] > sim.now_ns)
		sim_sleep(sim.frozen_until_ns[h->server] - sim.now_ns);
	else if (sim_chance(5))
		sim_sleep(1000ull * 1000 * sim_below(400));
	if (h->lost && sim_chance(50))
		h->drop_rest = true;
	if (!h->drop_rest)
		execute(c);
	h->running--;
	if (h->lost) {
		maybe_close(h);
		cmd_free(c);
	} else {
		c->next = NULL;
		*h->last = c;
		h->last = &c->next;
		(void)sim_wake(h);
	}
	return NULL;
}

static void
lose(struct wire *h)
{
	struct cmd *c;

	if (!h->connected || h->lost)
		return;
	h->lost = true;
	while ((c = h->replies) != NULL) {
		h->replies = c->next;
		cmd_free(c);
	}
	h->last = &h->replies;
	if (h->reading != NULL)
		cmd_free(h->reading);
	h->reading = NULL;
	maybe_close(h);
	(void)sim_wake(h);
}

void
sim_link_break(void)
{
	struct wire *h;

	for (h = handles; h != NULL; h = h->next)
		lose(h);
}

/* Before the node's coroutines and memory go; its commands are part of that. */
void
sim_link_node_down(int node)
{
	struct wire *h;

	sim_link_break();
	for (h = handles; h != NULL; h = h->next) {
		if (h->server == node) {
			h->srv = NULL;
			h->pc = NULL;
		}
	}
}

void
sim_link_end(void)
{
	struct wire *h;

	while ((h = handles) != NULL) {
		handles = h->next;
		free(h);
	}
}

/* --- wire.h --- */

/* The memory of a handle outlives its node: its commands do so, too. */
static struct wire *
handle_new(void)
{
	struct wire *h = calloc(1, sizeof(*h));

	AV_ASSERT(h != NULL);
	h->last = &h->replies;
	h->client = sim.node;
	h->next = handles;
	handles = h;
	return h;
}

int
wire_open(struct tls_keys *keys, int tcp_fd, const char *export,
    uint64_t due_ns, struct wire **ret, uint64_t *ret_size)
{
	int server = 1 - sim.node;
	struct wire *h;

	(void)keys;
	(void)tcp_fd;
	(void)due_ns;
	if (sim.srv[server] == NULL || !sim.link_ok ||
	    strcmp(export, "peer") != 0)
		return -ECONNREFUSED;
	h = handle_new();
	h->server = server;
	h->srv = sim.srv[server];
	/* the peer's memory */
	sim.node = server;
	h->pc = peer_open(h->srv);
	sim.node = h->client;
	h->connected = true;
	*ret = h;
	*ret_size = peer_export_bytes(h->pc);
	return 0;
}

struct wire *
wire_free(struct wire *h)
{
	if (h != NULL) {
		lose(h);
		h->freed = true;
	}
	return NULL;
}

void
wire_shutdown(struct wire *h)
{
	lose(h);
}

int
wire_send(struct wire *h, const struct wire_req *q, bool more)
{
	struct cmd *c;

	(void)more;
	sim_yield();
	AV_ASSERT(!h->freed);
	if (h->lost || h->srv == NULL)
		return -ECONNRESET;
	sim.node = h->server;	/* whose memory it is */
	c = sim_calloc(1, sizeof(*c));
	AV_ASSERT(c != NULL);
	c->h = h;
	c->type = q->type;
	c->n = q->n;
	c->offset = q->offset;
	c->cookie = q->cookie;
	c->fua = q->fua;
	if ((q->type == WIRE_WRITE && q->data != NULL) ||
	    q->type == WIRE_READ) {
		c->buf = sim_malloc(q->n);
		AV_ASSERT(c->buf != NULL);
		if (q->type == WIRE_WRITE)
			memcpy(c->buf, q->data, q->n);
	}
	sim.node = h->client;
	h->running++;
	sim_start(h->server, cmd_run, c);
	return 0;
}

int
wire_recv(struct wire *h, uint64_t *ret_cookie, uint32_t *ret_error)
{
	struct cmd *c;

	AV_ASSERT(!h->freed);
	while (!h->lost && h->replies == NULL)
		(void)sim_block(h, UINT64_MAX);
	if (h->lost)
		return -ECONNRESET;
	c = h->replies;
	h->replies = c->next;
	if (h->replies == NULL)
		h->last = &h->replies;
	*ret_cookie = c->cookie;
	*ret_error = (uint32_t)c->rc;
	if (c->type == WIRE_READ && c->rc == 0)
		h->reading = c;
	else
		cmd_free(c);
	return 0;
}

int
wire_recv_data(struct wire *h, void *buf, uint32_t n)
{
	struct cmd *c = h->reading;

	sim_yield();
	AV_ASSERT(!h->freed);
	if (h->lost)
		return -ECONNRESET;
	memcpy(buf, c->buf, n);
	h->reading = NULL;
	cmd_free(c);
	return 0;
}

bool
wire_can_trim(const struct wire *h)
{
	(void)h;
	return true;
}

bool
wire_pending(const struct wire *h)
{
	return h->replies != NULL && sim_chance(70);
}

/* --- sockets --- */

int
sim_socket(void)
{
	return SOCKET_FD + sim.node;
}

int
sim_connect(int fd)
{
	int peer = 1 - (fd - SOCKET_FD);

	sim_yield();
	if (sim.link_ok && sim.srv[peer] != NULL &&
	    sim.frozen_until_ns[peer] <= sim.now_ns)
		return 0;
	errno = ECONNREFUSED;
	return -1;
}

int
sim_poll(struct pollfd *p)
{
	p->revents = POLLOUT;		/* of a connect */
	return 1;
}
