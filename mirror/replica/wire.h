/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/wire.h - the client's side of NBD over TLS, for link.c
 *
 * One thread sends at a time, one (another) receives.  All block; wire_shutdown()
 * makes them fail.  Errors are -errno and mean that the connection is of no use
 * any more.
 */
#ifndef AV_MIRROR_WIRE_H
#define AV_MIRROR_WIRE_H

#include <stdbool.h>
#include <stdint.h>

struct tls_keys;
struct wire;

enum wire_type { WIRE_READ = 0, WIRE_WRITE = 1, WIRE_FLUSH = 3,
	WIRE_TRIM = 4, WIRE_ZERO = 6 };

struct wire_req {
	enum wire_type	type;
	bool		fua;
	uint32_t	n;
	uint64_t	cookie, offset;
	const void	*data;		/* WIRE_WRITE */
};

/* Takes over 'tcp_fd' (blocking), always.  Returns when requests may be sent, at
 * 'due_ns' the latest.  -EKEYREJECTED: the peer refused the key; -ECONNREFUSED:
 * TLS failed otherwise, or no such export. */
int  wire_open(struct tls_keys *keys, int tcp_fd, const char *export,
    uint64_t due_ns, struct wire **ret, uint64_t *ret_size);
/* Nobody may use it any more; NULL is allowed. */
struct wire *wire_free(struct wire *w);
void wire_shutdown(struct wire *w);	/* any thread */
/* 'more': another one follows at once, it may be sent with that. */
int  wire_send(struct wire *w, const struct wire_req *q, bool more);
/* Waits for a reply.  After a WIRE_READ without error its data has to be fetched
 * next. */
int  wire_recv(struct wire *w, uint64_t *ret_cookie, uint32_t *ret_error);
int  wire_recv_data(struct wire *w, void *buf, uint32_t n);
bool wire_can_trim(const struct wire *w);
bool wire_pending(const struct wire *w);	/* a reply is here already */

#endif
