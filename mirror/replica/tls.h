/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/tls.h - TLS with a shared key around the peer connection
 *
 * TLS 1.2/1.3, PSK with forward secrecy, around the whole stream; the threads
 * that send and receive on it do it (stream.h).
 *
 * The key file has lines "USER:HEX", as of psktool and nbdkit.
 */
#ifndef AV_MIRROR_TLS_H
#define AV_MIRROR_TLS_H

#include <stdbool.h>
#include <stdint.h>

struct av_err;
struct stream;
struct tls_keys;

/* Reads the key once.  'server' takes every user of the file; a client is
 * 'user'. */
int tls_keys_new(const char *psk_file, const char *user,
    struct tls_keys **ret, struct av_err *err);
void tls_keys_free(struct tls_keys *keys);

/* Takes over 'tcp_fd' (blocking), always; returns when the other side has
 * proved the key, or -errno: -EKEYREJECTED = it refused ours.  The deadline
 * 'due_ns' stays on the stream. */
int tls_open(struct tls_keys *keys, int tcp_fd, bool server, uint64_t due_ns,
    struct stream **ret);

/* Takes over 'listen_fd' for the life of the process: each connection that
 * proved the key is served by 'serve(arg, st)', on a thread of its own; 'st' is
 * its to free. */
int tls_server_start(struct tls_keys *keys, int listen_fd,
    void (*serve)(void *arg, struct stream *st), void *arg);

#endif
