/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/stream.h - a domain's stream between two PMs, over TLS-PSK
 *
 * libxl wants a plain file descriptor: each end has one of a pair of sockets, and a
 * thread that carries bytes between the other one and the network.  After the
 * stream one byte goes back: "all of it is here".
 *
 * Threads: the calls are for the thread of the job, save stream_break(), which any
 * thread may call, and which ends every call of it at once, for good.
 */
#ifndef AV_XENRUN_STREAM_H
#define AV_XENRUN_STREAM_H

#include <stdint.h>

#include "base/err.h"

struct stream;

/* 'psk_file' NULL = in the clear.  -EINVAL: it holds no key. */
int stream_new(const char *psk_file, struct stream **ret, struct av_err *err);
void stream_free(struct stream *s);
/* In: listens; *port 0 = chosen.  The loop's thread may call it. */
int stream_listen(struct stream *s, const char *address, uint16_t *port,
    struct av_err *err);
/* In: waits for the one who has the key; who hasn't is turned away. *ret_fd is for
 * libxl to read, the stream's. */
int stream_accept(struct stream *s, int *ret_fd, struct av_err *err);
/* Out: *ret_fd is for libxl to write, the stream's. */
int stream_connect(struct stream *s, const char *address, uint16_t port,
    int *ret_fd, struct av_err *err);
/* In: all is here. */
int stream_say_done(struct stream *s, struct av_err *err);
/* Out: no more is written; waits for that word. */
int stream_wait_done(struct stream *s, struct av_err *err);
void stream_break(struct stream *s);
uint64_t stream_bytes(const struct stream *s);

#endif
