/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_link.c - libnbd as link.c uses it, without a network
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

#include <libnbd.h>

#include "base/assert.h"
#include "mirror/replica/server.h"
#include "mirror/replica/tls.h"

#define SOCKET_FD	3000
#define WAKE_FD		2000

enum cmd_kind { CMD_WRITE, CMD_ZERO, CMD_TRIM, CMD_FLUSH, CMD_READ };

struct cmd {
	struct nbd_handle *h;
	enum cmd_kind	kind;
	uint8_t		*buf;		/* ours */
	void		*rbuf;		/* the client's */
	uint32_t	n, flags;
	uint64_t	offset;
	int		rc;
	nbd_completion_callback cb;
	struct cmd	*next;
};

struct nbd_handle {
	int		client, server;
	bool		connected, lost, closed;
	bool		drop_rest;	/* of the commands not yet begun */
	struct srv	*srv;		/* the peer's; NULL once it is down */
	struct peer_conn *pc;
	unsigned	running;
	struct cmd	*replies, **last;
	struct nbd_handle *next;
};

static struct nbd_handle *handles;
static bool wake_set[2];

static void
wake_client(int node)
{
	(void)sim_wake(&wake_set[node]);
}

/* --- the peer's side --- */

static void
execute(struct cmd *c)
{
	struct nbd_handle *h = c->h;
	bool fua = c->flags & LIBNBD_CMD_FLAG_FUA;

	switch (c->kind) {
	case CMD_WRITE:
	case CMD_ZERO:
		c->rc = peer_write(h->srv, h->pc, c->buf, c->n, c->offset, fua);
		break;
	case CMD_TRIM:
		c->rc = peer_trim(h->srv, h->pc, c->n, c->offset, fua);
		break;
	case CMD_FLUSH:
		c->rc = peer_flush(h->srv, h->pc);
		break;
	case CMD_READ:
		c->rc = peer_read(h->srv, h->pc, c->buf, c->n, c->offset);
		break;
	}
}

static void *
close_run(void *arg)
{
	struct nbd_handle *h = arg;
	struct peer_conn *pc = h->pc;

	h->pc = NULL;
	peer_close(h->srv, pc);
	return NULL;
}

static void
maybe_close(struct nbd_handle *h)
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
	struct nbd_handle *h = c->h;

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
		wake_client(h->client);
	}
	return NULL;
}

static void
lose(struct nbd_handle *h)
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
	maybe_close(h);
	wake_client(h->client);
}

void
sim_link_break(void)
{
	struct nbd_handle *h;

	for (h = handles; h != NULL; h = h->next)
		lose(h);
}

/* Before the node's coroutines and memory go; its commands are part of that. */
void
sim_link_node_down(int node)
{
	struct nbd_handle *h;

	sim_link_break();
	wake_set[node] = false;
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
	struct nbd_handle *h;

	while ((h = handles) != NULL) {
		handles = h->next;
		free(h);
	}
	wake_set[0] = wake_set[1] = false;
}

/* --- libnbd --- */

struct nbd_handle *
nbd_create(void)
{
	struct nbd_handle *h = calloc(1, sizeof(*h));

	AV_ASSERT(h != NULL);
	h->last = &h->replies;
	h->client = sim.node;
	h->next = handles;
	handles = h;
	return h;
}

void
nbd_close(struct nbd_handle *h)
{
	if (h != NULL) {
		lose(h);
		h->closed = true;
	}
}

int
nbd_set_export_name(struct nbd_handle *h, const char *name)
{
	(void)h;
	return strcmp(name, "peer") == 0 ? 0 : -1;
}

int
nbd_aio_connect_socket(struct nbd_handle *h, int fd)
{
	(void)fd;
	h->server = 1 - h->client;
	h->srv = sim.srv[h->server];
	if (h->srv == NULL || !sim.link_ok)
		return -1;
	/* the peer's memory */
	sim.node = h->server;
	h->pc = peer_open(h->srv);
	sim.node = h->client;
	h->connected = true;
	return 0;
}

int
nbd_aio_is_ready(struct nbd_handle *h)
{
	return h->connected && !h->lost;
}

int
nbd_aio_is_dead(struct nbd_handle *h)
{
	(void)h;
	return 0;		/* pump() learns of it by notify_read() */
}

int
nbd_aio_is_closed(struct nbd_handle *h)
{
	(void)h;
	return 0;
}

int
nbd_aio_get_fd(struct nbd_handle *h)
{
	return SOCKET_FD + h->client;
}

unsigned
nbd_aio_get_direction(struct nbd_handle *h)
{
	(void)h;
	return LIBNBD_AIO_DIRECTION_READ;
}

int
nbd_aio_notify_write(struct nbd_handle *h)
{
	(void)h;
	return 0;
}

int64_t
nbd_get_size(struct nbd_handle *h)
{
	return h->srv != NULL ? (int64_t)peer_export_bytes(h->pc) : -1;
}

int
nbd_aio_notify_read(struct nbd_handle *h)
{
	struct cmd *c;
	int error;

	if (h->lost)
		return -1;
	while ((c = h->replies) != NULL) {
		h->replies = c->next;
		if (h->replies == NULL)
			h->last = &h->replies;
		if (c->kind == CMD_READ && c->rc == 0)
			memcpy(c->rbuf, c->buf, c->n);
		error = c->rc;
		(void)c->cb.callback(c->cb.user_data, &error);
		cmd_free(c);
		if (sim_chance(30))
			break;
	}
	return 0;
}

static int64_t
send_cmd(struct nbd_handle *h, enum cmd_kind kind, const void *wbuf,
    void *rbuf, size_t n, uint64_t offset, nbd_completion_callback cb,
    uint32_t flags)
{
	struct cmd *c;

	if (h->lost || h->srv == NULL)
		return -1;
	sim.node = h->server;	/* whose memory it is */
	c = sim_calloc(1, sizeof(*c));
	AV_ASSERT(c != NULL);
	c->h = h;
	c->kind = kind;
	c->rbuf = rbuf;
	c->n = (uint32_t)n;
	c->offset = offset;
	c->cb = cb;
	c->flags = flags;
	if (kind == CMD_WRITE || kind == CMD_READ) {
		c->buf = sim_malloc(n);
		AV_ASSERT(c->buf != NULL);
		if (kind == CMD_WRITE)
			memcpy(c->buf, wbuf, n);
	}
	sim.node = h->client;
	h->running++;
	sim_start(h->server, cmd_run, c);
	return 1;
}

int64_t
nbd_aio_pwrite(struct nbd_handle *h, const void *buf, size_t n,
    uint64_t offset, nbd_completion_callback cb, uint32_t flags)
{
	return send_cmd(h, CMD_WRITE, buf, NULL, n, offset, cb, flags);
}

int64_t
nbd_aio_zero(struct nbd_handle *h, uint64_t n, uint64_t offset,
    nbd_completion_callback cb, uint32_t flags)
{
	return send_cmd(h, CMD_ZERO, NULL, NULL, n, offset, cb, flags);
}

int
nbd_can_trim(struct nbd_handle *h)
{
	(void)h;
	return 1;
}

int64_t
nbd_aio_trim(struct nbd_handle *h, uint64_t n, uint64_t offset,
    nbd_completion_callback cb, uint32_t flags)
{
	return send_cmd(h, CMD_TRIM, NULL, NULL, n, offset, cb, flags);
}

int64_t
nbd_aio_flush(struct nbd_handle *h, nbd_completion_callback cb,
    uint32_t flags)
{
	return send_cmd(h, CMD_FLUSH, NULL, NULL, 0, 0, cb, flags);
}

int64_t
nbd_aio_pread(struct nbd_handle *h, void *buf, size_t n, uint64_t offset,
    nbd_completion_callback cb, uint32_t flags)
{
	return send_cmd(h, CMD_READ, NULL, buf, n, offset, cb, flags);
}

/* --- sockets, TLS --- */

bool
tls_key_refused(const struct tls_keys *keys)
{
	(void)keys;
	return false;
}

int
tls_client(struct tls_keys *keys, int tcp_fd, int *ret_fd)
{
	(void)keys;
	*ret_fd = tcp_fd;
	return 0;
}

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
sim_eventfd(void)
{
	return WAKE_FD + sim.node;
}

ssize_t
sim_wake_read(int fd, size_t n)
{
	wake_set[fd - WAKE_FD] = false;
	return (ssize_t)n;
}

ssize_t
sim_wake_write(int fd, size_t n)
{
	wake_set[fd - WAKE_FD] = true;
	wake_client(fd - WAKE_FD);
	return (ssize_t)n;
}

/* link.c's newest handle of this node */
static struct nbd_handle *
handle_of(int node)
{
	struct nbd_handle *h;

	for (h = handles; h != NULL; h = h->next)
		if (h->client == node && h->connected && !h->closed)
			return h;
	return NULL;
}

int
sim_poll(struct pollfd *p, int timeout_ms)
{
	uint64_t due = sim.now_ns + (uint64_t)timeout_ms * 1000000;
	int node = sim.node;
	struct nbd_handle *h;

	if (p[0].events & POLLOUT) {
		p[0].revents = POLLOUT;	/* of a connect */
		return 1;
	}
	for (;;) {
		h = handle_of(node);
		p[0].revents = h != NULL && (h->lost || h->replies != NULL) ?
		    POLLIN : 0;
		p[1].revents = wake_set[node] ? POLLIN : 0;
		if (p[0].revents != 0 || p[1].revents != 0)
			return 1;
		if (!sim_block(&wake_set[node], due))
			return 0;
	}
}
