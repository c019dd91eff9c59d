/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/nbdserve.c - see nbdserve.h
 */
#include "mirror/replica/nbdserve.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "mirror/replica/nbd.h"
#include "mirror/replica/nbdconn.h"

#define OPT_MAX		8192u
#define FRONT_CONNS_MAX	16
#define SHAKE_NS	(10 * AV_NS_PER_S)
/* has-flags, flush, fua, trim, write-zeroes, multi-conn */
#define EXPORT_FLAGS	(1u | 4u | 8u | NBD_FLAG_TRIM | 64u | 256u)

static _Atomic int n_front_conns;

/* --- options --- */

static int
opt_reply(struct nbd_conn *c, uint32_t opt, uint32_t type, const void *data,
    uint32_t n)
{
	uint8_t b[64];
	int rc;

	nbd_put(b, NBD_OPT_REPLY_MAGIC, 8);
	nbd_put(b + 8, opt, 4);
	nbd_put(b + 12, type, 4);
	nbd_put(b + 16, n, 4);
	if (n > 0)
		memcpy(b + 20, data, n);
	rc = stream_send(c->st, b, 20 + n);
	return rc < 0 ? rc : stream_flush(c->st);
}

static bool
name_is(const struct nbd_conn *c, const uint8_t *name, size_t n)
{
	const char *ours = c->front ? "front" : "peer";

	return n == strlen(ours) && memcmp(name, ours, n) == 0;
}

uint64_t
nbd_export_bytes(const struct nbd_conn *c)
{
	return c->front ? c->s->leg->sb.size_bytes :
	    c->pc != NULL ? peer_export_bytes(c->pc) : 0;
}

static int
export_open(struct nbd_conn *c)
{
	if (c->front) {
		int rc = front_open(c->s, &c->fc);

		c->role_count = c->fc.role_count;
		return -rc;
	}
	c->pc = peer_open(c->s);
	return c->pc == NULL ? -ENOMEM : 0;
}

static void
export_close(struct nbd_conn *c)
{
	if (c->front)
		front_close(c->s);
	else
		peer_close(c->s, c->pc);
}

static int
send_infos(struct nbd_conn *c, uint32_t opt)
{
	uint8_t b[14];
	int rc;

	nbd_put(b, 0, 2);		/* NBD_INFO_EXPORT */
	nbd_put(b + 2, nbd_export_bytes(c), 8);
	nbd_put(b + 10, EXPORT_FLAGS, 2);
	rc = opt_reply(c, opt, NBD_REP_INFO, b, 12);
	if (rc < 0)
		return rc;
	nbd_put(b, 3, 2);		/* NBD_INFO_BLOCK_SIZE */
	nbd_put(b + 2, 1, 4);
	nbd_put(b + 6, 4096, 4);
	nbd_put(b + 10, NBD_REQUEST_MAX, 4);
	return opt_reply(c, opt, NBD_REP_INFO, b, 14);
}

/* 1 = transmission begins, 0 = next option, -errno = over. */
static int
opt_go(struct nbd_conn *c, uint32_t opt, const uint8_t *data, uint32_t n)
{
	uint64_t n_name = n >= 6 ? nbd_get(data, 4) : UINT64_MAX;
	int rc;

	if (n_name > n - 6u)
		return opt_reply(c, opt, NBD_REP_ERR_INVALID, NULL, 0);
	if (!name_is(c, data + 4, (size_t)n_name))
		return opt_reply(c, opt, NBD_REP_ERR_UNKNOWN, NULL, 0);
	if (opt == NBD_OPT_GO) {
		rc = export_open(c);
		if (rc < 0)
			return opt_reply(c, opt, NBD_REP_ERR_SHUTDOWN, NULL, 0);
	}
	rc = send_infos(c, opt);
	if (rc == 0)
		rc = opt_reply(c, opt, NBD_REP_ACK, NULL, 0);
	if (rc < 0 && opt == NBD_OPT_GO)
		export_close(c);
	return rc < 0 ? rc : opt == NBD_OPT_GO;
}

static int
opt_export_name(struct nbd_conn *c, const uint8_t *data, uint32_t n)
{
	uint8_t b[134] = { 0 };
	int rc;

	if (!name_is(c, data, n))
		return -ENOENT;
	rc = export_open(c);
	if (rc < 0)
		return rc;
	nbd_put(b, nbd_export_bytes(c), 8);
	nbd_put(b + 8, EXPORT_FLAGS, 2);
	rc = stream_send(c->st, b, c->no_zeroes ? 10 : sizeof(b));
	if (rc == 0)
		rc = stream_flush(c->st);
	if (rc < 0)
		export_close(c);
	return rc < 0 ? rc : 1;
}

static int
one_option(struct nbd_conn *c)
{
	uint8_t head[16], data[OPT_MAX];
	uint32_t opt, n;
	int rc = stream_recv(c->st, head, sizeof(head));

	if (rc < 0)
		return rc;
	opt = (uint32_t)nbd_get(head + 8, 4);
	n = (uint32_t)nbd_get(head + 12, 4);
	if (nbd_get(head, 8) != NBD_OPT_MAGIC || n > sizeof(data))
		return -EBADMSG;
	rc = stream_recv(c->st, data, n);
	if (rc < 0)
		return rc;
	switch (opt) {
	case NBD_OPT_GO:
	case NBD_OPT_INFO:
		return opt_go(c, opt, data, n);
	case NBD_OPT_EXPORT_NAME:
		return opt_export_name(c, data, n);
	case NBD_OPT_ABORT:
		(void)opt_reply(c, opt, NBD_REP_ACK, NULL, 0);	/* as it goes */
		return -ECONNABORTED;
	default:
		return opt_reply(c, opt, NBD_REP_ERR_UNSUP, NULL, 0);
	}
}

static int
negotiate(struct nbd_conn *c)
{
	uint8_t b[18], flags[4];
	int rc;

	stream_deadline(c->st, av_clock_ns() + SHAKE_NS);
	nbd_put(b, NBD_INIT_MAGIC, 8);
	nbd_put(b + 8, NBD_OPT_MAGIC, 8);
	nbd_put(b + 16, 3, 2);		/* fixed newstyle, no zeroes */
	rc = stream_send(c->st, b, sizeof(b));
	if (rc == 0)
		rc = stream_flush(c->st);
	if (rc == 0)
		rc = stream_recv(c->st, flags, sizeof(flags));
	if (rc < 0)
		return rc;
	c->no_zeroes = nbd_get(flags, 4) & 2;
	do {
		rc = one_option(c);
	} while (rc == 0);
	stream_deadline(c->st, 0);
	return rc < 0 ? rc : 0;
}

/* Takes over 'st'. */
static void
conn_serve(struct srv *s, struct stream *st, bool front)
{
	struct nbd_conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)stream_free(st);
		return;
	}
	c->s = s;
	c->st = st;
	c->front = front;
	c->last = &c->first;
	(void)pthread_mutex_init(&c->mu, NULL);
	(void)pthread_mutex_init(&c->send_mu, NULL);
	(void)pthread_cond_init(&c->cv, NULL);
	(void)pthread_cond_init(&c->work_cv, NULL);
	if (negotiate(c) == 0) {
		/* as many as there may be connections */
		if (!front || grow_front_enter(s, stream_fd(st)) == 0) {
			nbd_run(c);
			if (front)
				grow_front_leave(s, stream_fd(st));
		}
		export_close(c);
	}
	(void)stream_free(c->st);
	(void)pthread_mutex_destroy(&c->mu);
	(void)pthread_mutex_destroy(&c->send_mu);
	(void)pthread_cond_destroy(&c->cv);
	(void)pthread_cond_destroy(&c->work_cv);
	free(c);
}

void
nbd_peer_serve(void *srv, struct stream *st)
{
	conn_serve(srv, st, false);
}

struct front {
	struct srv	*s;
	int		fd;
};

struct local {
	struct srv	*s;
	struct stream	*st;
};

static void *
local_run(void *arg)
{
	struct local *l = arg;

	conn_serve(l->s, l->st, true);
	n_front_conns--;
	free(l);
	return NULL;
}

/* Takes over 'fd', always. */
static int
local_start(struct srv *s, int fd)
{
	struct stream *st = stream_new(fd);
	struct local *l = st == NULL ? NULL : malloc(sizeof(*l));
	pthread_t t;

	if (l != NULL) {
		*l = (struct local){ .s = s, .st = st };
		if (pthread_create(&t, NULL, local_run, l) == 0) {
			(void)pthread_detach(t);
			return 0;
		}
	}
	free(l);
	(void)stream_free(st);
	return -ENOMEM;
}

static void *
front_run(void *arg)
{
	struct front *f = arg;

	for (;;) {
		int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);
		struct timespec ts = { .tv_nsec = 100000000 };

		if (fd < 0) {
			/* out of descriptors, say: it passes */
			if (errno != EINTR && errno != ECONNABORTED)
				/* lint: sleep: no event tells that descriptors are free again */
				(void)nanosleep(&ts, NULL);
		} else if (++n_front_conns > FRONT_CONNS_MAX) {
			n_front_conns--;
			(void)close(fd);
		} else if (local_start(f->s, fd) < 0) {
			n_front_conns--;
		}
	}
	return NULL;
}

int
nbd_front_start(struct srv *s, int listen_fd)
{
	struct front *f = calloc(1, sizeof(*f));
	pthread_t t;
	int r;

	if (f == NULL)
		return -ENOMEM;
	f->s = s;
	f->fd = listen_fd;
	r = pthread_create(&t, NULL, front_run, f);
	if (r != 0) {
		free(f);
		return -r;
	}
	(void)pthread_detach(t);
	return 0;
}
