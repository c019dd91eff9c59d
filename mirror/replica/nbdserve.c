/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/nbdserve.c - see nbdserve.h
 */
#include "mirror/replica/nbdserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define OPT_MAGIC	0x49484156454f5054ull	/* "IHAVEOPT" */
#define INIT_MAGIC	0x4e42444d41474943ull	/* "NBDMAGIC" */
#define OPT_REPLY_MAGIC	0x0003e889045565a9ull
#define REQUEST_MAGIC	0x25609513u
#define REPLY_MAGIC	0x67446698u

enum { OPT_EXPORT_NAME = 1, OPT_ABORT = 2, OPT_INFO = 6, OPT_GO = 7 };
#define REP_ACK			1u
#define REP_INFO		3u
#define REP_ERR_UNSUP		0x80000001u
#define REP_ERR_INVALID		0x80000003u
#define REP_ERR_UNKNOWN		0x80000006u
#define REP_ERR_SHUTDOWN	0x80000007u
enum { CMD_READ = 0, CMD_WRITE = 1, CMD_DISC = 2, CMD_FLUSH = 3,
	CMD_TRIM = 4, CMD_ZERO = 6 };
#define CMD_FLAG_FUA	1u
/* has-flags, flush, fua, trim, write-zeroes, multi-conn */
#define EXPORT_FLAGS	(1u | 4u | 8u | 32u | 64u | 256u)

#define REQUEST_MAX	(32u << 20)
#define OPT_MAX		8192u
#define WORKERS_MAX	64u
#define QUEUED_MAX_BYTES (64u << 20)
#define FRONT_CONNS_MAX	16

struct request {
	uint16_t	flags, type;
	uint64_t	cookie, offset;
	uint32_t	n;
	uint8_t		*data;
	struct request	*next;
};

struct conn {
	struct srv	*s;
	int		fd;
	bool		front;
	uint64_t	role_count;
	struct peer_conn *pc;
	bool		no_zeroes;
	pthread_mutex_t	send_mu;
	pthread_mutex_t	mu;		/* the rest */
	pthread_cond_t	cv;		/* the reader waits: room, or the end */
	pthread_cond_t	work_cv;	/* workers wait: one is woken a request */
	struct request	*first, **last;
	size_t		queued_bytes;
	unsigned	n_workers, n_idle;
	bool		ending;
};

static _Atomic int n_front_conns;

/* --- bytes, big-endian --- */

static uint64_t
be_get(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

static void
be_put(uint8_t *p, uint64_t v, unsigned n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

static int
read_all(int fd, void *buf, size_t n)
{
	uint8_t *at = buf;

	while (n > 0) {
		ssize_t r = recv(fd, at, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -ECONNRESET;
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

static int
send_all(int fd, const void *buf, size_t n)
{
	const uint8_t *at = buf;

	while (n > 0) {
		ssize_t r = send(fd, at, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

/* --- options --- */

static int
opt_reply(struct conn *c, uint32_t opt, uint32_t type, const void *data,
    uint32_t n)
{
	uint8_t b[64];

	be_put(b, OPT_REPLY_MAGIC, 8);
	be_put(b + 8, opt, 4);
	be_put(b + 12, type, 4);
	be_put(b + 16, n, 4);
	if (n > 0)
		memcpy(b + 20, data, n);
	return send_all(c->fd, b, 20 + n);
}

static bool
name_is(const struct conn *c, const uint8_t *name, size_t n)
{
	const char *ours = c->front ? "front" : "peer";

	return n == strlen(ours) && memcmp(name, ours, n) == 0;
}

static uint64_t
export_size(const struct conn *c)
{
	return c->front ? c->s->leg->sb.size_bytes :
	    c->pc != NULL ? peer_export_bytes(c->pc) : 0;
}

static int
export_open(struct conn *c)
{
	if (c->front)
		return -front_open(c->s, &c->role_count);
	c->pc = peer_open(c->s);
	return c->pc == NULL ? -ENOMEM : 0;
}

static void
export_close(struct conn *c)
{
	if (c->front)
		front_close(c->s);
	else
		peer_close(c->s, c->pc);
}

static int
send_infos(struct conn *c, uint32_t opt)
{
	uint8_t b[14];
	int rc;

	be_put(b, 0, 2);		/* NBD_INFO_EXPORT */
	be_put(b + 2, export_size(c), 8);
	be_put(b + 10, EXPORT_FLAGS, 2);
	rc = opt_reply(c, opt, REP_INFO, b, 12);
	if (rc < 0)
		return rc;
	be_put(b, 3, 2);		/* NBD_INFO_BLOCK_SIZE */
	be_put(b + 2, 1, 4);
	be_put(b + 6, 4096, 4);
	be_put(b + 10, REQUEST_MAX, 4);
	return opt_reply(c, opt, REP_INFO, b, 14);
}

/* 1 = transmission begins, 0 = next option, -errno = over. */
static int
opt_go(struct conn *c, uint32_t opt, const uint8_t *data, uint32_t n)
{
	uint64_t n_name = n >= 6 ? be_get(data, 4) : UINT64_MAX;
	int rc;

	if (n_name > n - 6u)
		return opt_reply(c, opt, REP_ERR_INVALID, NULL, 0);
	if (!name_is(c, data + 4, (size_t)n_name))
		return opt_reply(c, opt, REP_ERR_UNKNOWN, NULL, 0);
	if (opt == OPT_GO) {
		rc = export_open(c);
		if (rc < 0)
			return opt_reply(c, opt, REP_ERR_SHUTDOWN, NULL, 0);
	}
	rc = send_infos(c, opt);
	if (rc == 0)
		rc = opt_reply(c, opt, REP_ACK, NULL, 0);
	if (rc < 0 && opt == OPT_GO)
		export_close(c);
	return rc < 0 ? rc : opt == OPT_GO;
}

static int
opt_export_name(struct conn *c, const uint8_t *data, uint32_t n)
{
	uint8_t b[134] = { 0 };
	int rc;

	if (!name_is(c, data, n))
		return -ENOENT;
	rc = export_open(c);
	if (rc < 0)
		return rc;
	be_put(b, export_size(c), 8);
	be_put(b + 8, EXPORT_FLAGS, 2);
	rc = send_all(c->fd, b, c->no_zeroes ? 10 : sizeof(b));
	if (rc < 0)
		export_close(c);
	return rc < 0 ? rc : 1;
}

static int
one_option(struct conn *c)
{
	uint8_t head[16], data[OPT_MAX];
	uint32_t opt, n;
	int rc = read_all(c->fd, head, sizeof(head));

	if (rc < 0)
		return rc;
	opt = (uint32_t)be_get(head + 8, 4);
	n = (uint32_t)be_get(head + 12, 4);
	if (be_get(head, 8) != OPT_MAGIC || n > sizeof(data))
		return -EBADMSG;
	rc = read_all(c->fd, data, n);
	if (rc < 0)
		return rc;
	switch (opt) {
	case OPT_GO:
	case OPT_INFO:
		return opt_go(c, opt, data, n);
	case OPT_EXPORT_NAME:
		return opt_export_name(c, data, n);
	case OPT_ABORT:
		(void)opt_reply(c, opt, REP_ACK, NULL, 0);	/* as it goes */
		return -ECONNABORTED;
	default:
		return opt_reply(c, opt, REP_ERR_UNSUP, NULL, 0);
	}
}

static int
negotiate(struct conn *c)
{
	struct timeval limit = { .tv_sec = 10 }, none = { 0 };
	uint8_t b[18], flags[4];
	int rc;

	(void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof(limit));
	be_put(b, INIT_MAGIC, 8);
	be_put(b + 8, OPT_MAGIC, 8);
	be_put(b + 16, 3, 2);		/* fixed newstyle, no zeroes */
	rc = send_all(c->fd, b, sizeof(b));
	if (rc == 0)
		rc = read_all(c->fd, flags, sizeof(flags));
	if (rc < 0)
		return rc;
	c->no_zeroes = be_get(flags, 4) & 2;
	do {
		rc = one_option(c);
	} while (rc == 0);
	(void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	return rc < 0 ? rc : 0;
}

/* --- requests --- */

static int
run(struct conn *c, struct request *q)
{
	bool fua = q->flags & CMD_FLAG_FUA;
	uint64_t size = export_size(c);

	if (q->type != CMD_FLUSH &&
	    (q->offset > size || q->n > size - q->offset))
		return q->type == CMD_READ ? EINVAL : ENOSPC;
	switch (q->type) {
	case CMD_READ:
		return c->front ? front_read(c->s, c->role_count, q->data,
		    q->n, q->offset) :
		    peer_read(c->s, c->pc, q->data, q->n, q->offset);
	case CMD_WRITE:
	case CMD_ZERO:
		return c->front ? front_write(c->s, c->role_count, q->data,
		    q->n, q->offset, fua) :
		    peer_write(c->s, c->pc, q->data, q->n, q->offset, fua);
	case CMD_TRIM:
		return c->front ? front_trim(c->s, c->role_count, q->n,
		    q->offset, fua) :
		    peer_trim(c->s, c->pc, q->n, q->offset, fua);
	case CMD_FLUSH:
		return c->front ? front_flush(c->s, c->role_count) :
		    peer_flush(c->s, c->pc);
	default:
		return EINVAL;
	}
}

/* NBD's error numbers are Linux's; only these may be sent. */
static uint32_t
wire_error(int e)
{
	switch (e) {
	case 0:
	case EPERM:
	case EIO:
	case ENOMEM:
	case EINVAL:
	case ENOSPC:
	case EOVERFLOW:
	case ESHUTDOWN:
		return (uint32_t)e;
	default:
		return EIO;
	}
}

static void
reply(struct conn *c, const struct request *q, int e)
{
	uint8_t b[16];
	int rc;

	be_put(b, REPLY_MAGIC, 4);
	be_put(b + 4, wire_error(e), 4);
	be_put(b + 8, q->cookie, 8);
	pthread_mutex_lock(&c->send_mu);
	rc = send_all(c->fd, b, sizeof(b));
	if (rc == 0 && e == 0 && q->type == CMD_READ)
		rc = send_all(c->fd, q->data, q->n);
	pthread_mutex_unlock(&c->send_mu);
	if (rc < 0)
		(void)shutdown(c->fd, SHUT_RDWR);	/* ends the reader */
}

static void *
worker_run(void *arg)
{
	struct conn *c = arg;

	pthread_mutex_lock(&c->mu);
	for (;;) {
		struct request *q = c->first;

		if (q == NULL && c->ending)
			break;
		if (q == NULL) {
			c->n_idle++;
			pthread_cond_wait(&c->work_cv, &c->mu);
			c->n_idle--;
			continue;
		}
		c->first = q->next;
		if (c->first == NULL)
			c->last = &c->first;
		pthread_mutex_unlock(&c->mu);
		reply(c, q, run(c, q));
		pthread_mutex_lock(&c->mu);
		c->queued_bytes -= q->n;
		pthread_cond_broadcast(&c->cv);
		free(q->data);
		free(q);
	}
	c->n_workers--;
	pthread_cond_broadcast(&c->cv);
	pthread_mutex_unlock(&c->mu);
	return NULL;
}

/* -EAGAIN only when there is no worker at all to do it. */
static int
enqueue(struct conn *c, struct request *q)
{
	pthread_t t;
	int rc = 0;

	pthread_mutex_lock(&c->mu);
	while (c->queued_bytes > QUEUED_MAX_BYTES)
		pthread_cond_wait(&c->cv, &c->mu);
	if ((c->n_idle == 0 || c->first != NULL) &&
	    c->n_workers < WORKERS_MAX) {
		if (pthread_create(&t, NULL, worker_run, c) == 0) {
			(void)pthread_detach(t);
			c->n_workers++;
		} else if (c->n_workers == 0) {
			rc = -EAGAIN;
		}
	}
	if (rc == 0) {
		*c->last = q;
		c->last = &q->next;
		c->queued_bytes += q->n;
		pthread_cond_signal(&c->work_cv);
	}
	pthread_mutex_unlock(&c->mu);
	return rc;
}

static int
read_request(struct conn *c, struct request *q)
{
	uint8_t b[28];
	int rc = read_all(c->fd, b, sizeof(b));

	if (rc < 0)
		return rc;
	q->flags = (uint16_t)be_get(b + 4, 2);
	q->type = (uint16_t)be_get(b + 6, 2);
	q->cookie = be_get(b + 8, 8);
	q->offset = be_get(b + 16, 8);
	q->n = (uint32_t)be_get(b + 24, 4);
	if (be_get(b, 4) != REQUEST_MAGIC || q->type == CMD_DISC)
		return -ECONNRESET;
	if (q->type != CMD_READ && q->type != CMD_WRITE)
		return 0;
	if (q->n > REQUEST_MAX)
		return -EMSGSIZE;
	q->data = malloc(q->n + 1u);
	if (q->data == NULL)
		return -ENOMEM;
	return q->type == CMD_WRITE ? read_all(c->fd, q->data, q->n) : 0;
}

static void
serve(struct conn *c)
{
	int rc = 0;

	if (c->front && grow_front_enter(c->s, c->fd) < 0)
		rc = -EMFILE;	/* as many as there may be connections */
	while (rc == 0) {
		struct request *q = calloc(1, sizeof(*q));

		rc = q == NULL ? -ENOMEM : read_request(c, q);
		if (rc == 0)
			rc = enqueue(c, q);
		if (rc < 0 && q != NULL) {
			free(q->data);
			free(q);
		}
	}
	pthread_mutex_lock(&c->mu);
	c->ending = true;
	pthread_cond_broadcast(&c->work_cv);
	while (c->n_workers > 0)
		pthread_cond_wait(&c->cv, &c->mu);
	pthread_mutex_unlock(&c->mu);
	if (c->front)
		grow_front_leave(c->s, c->fd);
	export_close(c);
}

static void *
conn_run(void *arg)
{
	struct conn *c = arg;

	if (negotiate(c) == 0)
		serve(c);
	(void)close(c->fd);	/* a socket */
	if (c->front)
		n_front_conns--;
	(void)pthread_mutex_destroy(&c->mu);
	(void)pthread_mutex_destroy(&c->send_mu);
	(void)pthread_cond_destroy(&c->cv);
	(void)pthread_cond_destroy(&c->work_cv);
	free(c);
	return NULL;
}

/* Takes over 'fd', always. */
static int
conn_start(struct srv *s, int fd, bool front)
{
	struct conn *c = calloc(1, sizeof(*c));
	int r = ENOMEM;
	pthread_t t;

	if (c != NULL) {
		c->s = s;
		c->fd = fd;
		c->front = front;
		c->last = &c->first;
		(void)pthread_mutex_init(&c->mu, NULL);
		(void)pthread_mutex_init(&c->send_mu, NULL);
		(void)pthread_cond_init(&c->cv, NULL);
		(void)pthread_cond_init(&c->work_cv, NULL);
		r = pthread_create(&t, NULL, conn_run, c);
	}
	if (r == 0) {
		(void)pthread_detach(t);
		return 0;
	}
	free(c);
	(void)close(fd);
	return -r;
}

int
nbd_peer_connect(void *srv)
{
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	rc = conn_start(srv, fds[0], false);
	if (rc == 0 && fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0)
		rc = -errno;
	if (rc < 0) {
		(void)close(fds[1]);
		return rc;
	}
	return fds[1];
}

struct front {
	struct srv	*s;
	int		fd;
};

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
		} else if (conn_start(f->s, fd, true) < 0) {
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
