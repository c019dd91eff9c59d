/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/tls.h - TLS with a shared key around the peer connection
 *
 * One thread a connection carries bytes between a TCP socket (TLS 1.2/1.3, PSK
 * with forward secrecy) and a plain local one.  nbdkit's own TLS isn't used:
 * 1.32 ends a broken connection (gnutls_bye) while another of its threads may be
 * sending on the same session, which AddressSanitizer shows as a use after free.
 *
 * The key file has lines "USER:HEX", as of psktool and nbdkit.
 */
#ifndef AV_MIRROR_TLS_H
#define AV_MIRROR_TLS_H

#include <stdbool.h>
#include <stdint.h>

struct av_err;
struct tls_keys;

/* Reads the key once.  'server' takes every user of the file; a client is
 * 'user'. */
int tls_keys_new(const char *psk_file, const char *user,
    struct tls_keys **ret, struct av_err *err);
void tls_keys_free(struct tls_keys *keys);

/* Takes over 'tcp_fd', always.  *ret_fd is the plain end: it reads end of file
 * when TLS fails or the connection ends.  'keys' must live on. */
int tls_client(struct tls_keys *keys, int tcp_fd, int *ret_fd);
/* The last client connection ended because the peer didn't take the key. */
bool tls_key_refused(const struct tls_keys *keys);

/* Takes over 'listen_fd' for the life of the process: for each connection that
 * proves the key 'connect(arg)' gives the plain end (non-blocking) or -errno. */
int tls_server_start(struct tls_keys *keys, int listen_fd,
    int (*connect)(void *arg), void *arg);

#endif
