/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/stream.h - a domain's stream between two PMs, over TLS-PSK
 *
 * Whoever migrates a guest writes and reads a plain file descriptor here: libxl one of
 * a pair of sockets (stream_connect(), stream_accept(): a thread carries), QEMU one of
 * its own (stream_reach(), stream_meet(), stream_carry(): av-vmstream).  QEMU's own TLS
 * sends each page of memory as two records and is slow by that.  With libxl one byte
 * goes back after the stream: "all of it is here".
 *
 * Threads: the calls are for the thread of the job, save stream_break(), which any
 * thread may call, and which ends every call of it at once, for good.
 */
#ifndef AV_VMM_STREAM_H
#define AV_VMM_STREAM_H

#include <stdbool.h>
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
/* The same without a thread and its pair: the connection alone. */
int stream_meet(struct stream *s, struct av_err *err);
int stream_reach(struct stream *s, const char *address, uint16_t port,
    struct av_err *err);
/* From 'fd' to it (out), or from it to 'fd' (in), until either ends.  'fd' is its own
 * from here on, and open until stream_free().  0: what wrote has ended.  -EPIPE: what
 * should take it has. */
int stream_carry(struct stream *s, int fd, bool out);
/* In: all is here. */
int stream_say_done(struct stream *s, struct av_err *err);
/* Out: no more is written; waits for that word. */
int stream_wait_done(struct stream *s, struct av_err *err);
void stream_break(struct stream *s);
uint64_t stream_bytes(const struct stream *s);

#endif
