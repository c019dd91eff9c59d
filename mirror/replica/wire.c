/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/wire.c - see wire.h
 */
#include "mirror/replica/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mirror/replica/nbd.h"
#include "mirror/replica/stream.h"
#include "mirror/replica/tls.h"

#define NAME_MAX_BYTES	64u
#define ERRNO_MAX	4095u	/* as Linux has it */

struct wire {
	struct stream	*st;
	bool		can_trim;
};

static int
send_go(struct stream *st, const char *export)
{
	uint8_t b[4 + 16 + 6 + NAME_MAX_BYTES];
	size_t n = strlen(export);
	int rc;

	if (n > NAME_MAX_BYTES)
		return -ENAMETOOLONG;
	nbd_put(b, 3, 4);		/* fixed newstyle, no zeroes */
	nbd_put(b + 4, NBD_OPT_MAGIC, 8);
	nbd_put(b + 12, NBD_OPT_GO, 4);
	nbd_put(b + 16, 6 + n, 4);
	nbd_put(b + 20, n, 4);
	memcpy(b + 24, export, n);
	nbd_put(b + 24 + n, 0, 2);	/* no wishes */
	rc = stream_send(st, b, 26 + n);
	return rc < 0 ? rc : stream_flush(st);
}

/* 1 = the last one, 0 = there is more. */
static int
one_reply(struct stream *st, uint64_t *ret_size, bool *ret_trim)
{
	uint8_t b[20], data[512];
	uint64_t type, n;
	int rc = stream_recv(st, b, sizeof(b));

	if (rc < 0)
		return rc;
	type = nbd_get(b + 12, 4);
	n = nbd_get(b + 16, 4);
	if (nbd_get(b, 8) != NBD_OPT_REPLY_MAGIC || n > sizeof(data))
		return -EPROTO;
	rc = stream_recv(st, data, (size_t)n);
	if (rc < 0)
		return rc;
	if (type == NBD_REP_INFO && n == 12 &&
	    nbd_get(data, 2) == NBD_INFO_EXPORT) {
		*ret_size = nbd_get(data + 2, 8);
		*ret_trim = nbd_get(data + 10, 2) & NBD_FLAG_TRIM;
	}
	if (type >> 31 != 0)
		return -ECONNREFUSED;
	return type == NBD_REP_ACK;
}

static int
negotiate(struct stream *st, const char *export, uint64_t *ret_size,
    bool *ret_trim)
{
	uint8_t b[18];
	int rc = stream_recv(st, b, sizeof(b));

	if (rc < 0)
		return rc;
	if (nbd_get(b, 8) != NBD_INIT_MAGIC ||
	    nbd_get(b + 8, 8) != NBD_OPT_MAGIC || (nbd_get(b + 16, 2) & 3) != 3)
		return -EPROTO;
	*ret_size = 0;
	rc = send_go(st, export);
	while (rc == 0)
		rc = one_reply(st, ret_size, ret_trim);
	return rc < 0 ? rc : 0;
}

int
wire_open(struct tls_keys *keys, int tcp_fd, const char *export,
    uint64_t due_ns, struct wire **ret, uint64_t *ret_size)
{
	struct stream *st;
	struct wire *w;
	bool trim = false;
	int rc = tls_open(keys, tcp_fd, false, due_ns, &st);

	if (rc < 0)
		return rc;
	rc = negotiate(st, export, ret_size, &trim);
	w = rc < 0 ? NULL : calloc(1, sizeof(*w));
	if (w == NULL) {
		(void)stream_free(st);
		return rc < 0 ? rc : -ENOMEM;
	}
	stream_deadline(st, 0);
	w->st = st;
	w->can_trim = trim;
	*ret = w;
	return 0;
}

struct wire *
wire_free(struct wire *w)
{
	if (w != NULL) {
		(void)stream_free(w->st);
		free(w);
	}
	return NULL;
}

void
wire_shutdown(struct wire *w)
{
	stream_shutdown(w->st);
}

int
wire_send(struct wire *w, const struct wire_req *q, bool more)
{
	uint8_t b[NBD_REQUEST_BYTES];
	int rc;

	nbd_put(b, NBD_REQUEST_MAGIC, 4);
	nbd_put(b + 4, q->fua ? NBD_CMD_FLAG_FUA : 0, 2);
	nbd_put(b + 6, q->type, 2);
	nbd_put(b + 8, q->cookie, 8);
	nbd_put(b + 16, q->offset, 8);
	nbd_put(b + 24, q->n, 4);
	rc = stream_send(w->st, b, sizeof(b));
	if (rc == 0 && q->type == WIRE_WRITE)
		rc = stream_send(w->st, q->data, q->n);
	if (rc == 0 && !more)
		rc = stream_flush(w->st);
	return rc;
}

int
wire_recv(struct wire *w, uint64_t *ret_cookie, uint32_t *ret_error)
{
	uint8_t b[NBD_REPLY_BYTES];
	int rc = stream_recv(w->st, b, sizeof(b));

	if (rc < 0)
		return rc;
	if (nbd_get(b, 4) != NBD_REPLY_MAGIC)
		return -EPROTO;
	*ret_error = (uint32_t)nbd_get(b + 4, 4);
	if (*ret_error > ERRNO_MAX)
		*ret_error = EIO;	/* none that NBD has */
	*ret_cookie = nbd_get(b + 8, 8);
	return 0;
}

int
wire_recv_data(struct wire *w, void *buf, uint32_t n)
{
	return stream_recv(w->st, buf, n);
}

bool
wire_can_trim(const struct wire *w)
{
	return w->can_trim;
}

bool
wire_pending(const struct wire *w)
{
	return stream_pending(w->st, NBD_REPLY_BYTES);
}
