/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/tls.h - TLS on a socket, for a thread that waits
 *
 * A certificate (HTTPS) or a shared key (between the PMs) around a TCP connection.
 * Every call ends after 'ms', or when stop_fd becomes readable (-1 = none).
 * Threads: credentials are made before threads start and only read after that.
 * Programs that use it link -lgnutls.
 */
#ifndef AV_TLS_H
#define AV_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gnutls/gnutls.h>

#define AV_TLS_HANDSHAKE_MS	10000
#define AV_TLS_PSK_MAX_BYTES	64

struct av_err;
struct av_tls_cred;

/* A server's certificate; the shared key of 'user' (both ends). */
int  av_tls_cred_cert(const char *cert_file, const char *key_file,
    struct av_tls_cred **ret, struct av_err *err);
int  av_tls_cred_psk(const char *user, const uint8_t *key, unsigned n_key,
    struct av_tls_cred **ret, struct av_err *err);
struct av_tls_cred *av_tls_cred_free(struct av_tls_cred *c);

/* Makes 'fd' non-blocking and shakes hands before 'ms'; gives up when stop_fd
 * becomes readable.  The session is yours (gnutls_deinit); 'fd' stays yours.
 * -EKEYREJECTED: the two ends don't have the same key (connect: the server refused
 * ours; accept: a client named a user and proved another key, or none);
 * -ECONNRESET: the other end went away; -EPROTO: it doesn't speak TLS as we do. */
int  av_tls_accept(struct av_tls_cred *c, int fd, int stop_fd, unsigned ms,
    gnutls_session_t *ret);
int  av_tls_connect(struct av_tls_cred *c, int fd, int stop_fd, unsigned ms,
    gnutls_session_t *ret);

/* Reads one line ('\n', cut off) of at most n-1 bytes; writes a text.  For the few
 * words before a stream begins; -errno. */
int  av_tls_read_line(gnutls_session_t s, int fd, int stop_fd, unsigned ms,
    char *buf, size_t n);
int  av_tls_write(gnutls_session_t s, int fd, int stop_fd, unsigned ms,
    const char *text);
/* What has come, at most n bytes: > 0, or -errno (-ECONNRESET at the end). */
int  av_tls_read(gnutls_session_t s, int fd, int stop_fd, unsigned ms, void *buf,
    size_t n);
int  av_tls_write_all(gnutls_session_t s, int fd, int stop_fd, unsigned ms,
    const void *data, size_t n);

#endif
