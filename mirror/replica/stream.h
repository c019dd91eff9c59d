/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/stream.h - a connected socket, plain or with TLS, buffered
 *
 * Blocking.  One thread may receive while another sends; who sends, and who
 * receives, at a time is the caller's to settle.  What is sent is collected
 * until stream_flush() (or until there is enough of it), so that several small
 * pieces make one record and one system call.  It is freed by whoever is left
 * with it alone; stream_shutdown() makes the others' calls fail before.
 *
 *   new --stream_start_tls()--> encrypted
 *    '--------------------------'--shutdown, an error--> every call fails
 */
#ifndef AV_MIRROR_STREAM_H
#define AV_MIRROR_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;
struct gnutls_session_int;

/* Takes over 'fd' (blocking), always; NULL = no memory. */
struct stream *stream_new(int fd);
/* NULL is allowed; closes.  Returns NULL. */
struct stream *stream_free(struct stream *st);
int  stream_fd(const struct stream *st);
void stream_shutdown(struct stream *st);	/* any thread */
/* From now on calls fail with -ETIMEDOUT at that time; 0 = never. */
void stream_deadline(struct stream *st, uint64_t ns);

/* Handshake on a session with credentials and priorities; takes it over.
 * -EKEYREJECTED: the other side refused. */
int  stream_start_tls(struct stream *st, struct gnutls_session_int *session);

/* All 'n' bytes: 0 or -errno (-ECONNRESET also for the end). */
int  stream_recv(struct stream *st, void *buf, size_t n);
/* At least that much (of what the peer sent) is here already. */
bool stream_pending(const struct stream *st, size_t n);
/* 'buf' isn't needed any more after it returned. */
int  stream_send(struct stream *st, const void *buf, size_t n);
int  stream_flush(struct stream *st);

#endif
