/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/tls.h - TLS in front of plain byte streams
 *
 * libmicrohttpd 0.9.75 moves upgraded data in pieces of 4 bytes when it does TLS
 * itself, so it never does: a thread per connection moves bytes between GnuTLS and
 * a plain socket.
 * Threads: credentials are made before threads start and only read after that.
 */
#ifndef CONSOLE_TLS_H
#define CONSOLE_TLS_H

#include <gnutls/gnutls.h>

#include "console/conf.h"

#define TLS_HANDSHAKE_MS	10000
#define TLS_LINGER_MS		2000	/* for the peer's last bytes after ours */

struct av_err;
struct tls_cred;

/* Certificate for HTTPS, or the shared key for the relay (both ends). */
int  tls_cred_cert(const char *cert_file, const char *key_file,
    struct tls_cred **ret, struct av_err *err);
int  tls_cred_psk(const char *user, const uint8_t *key, unsigned n_key,
    struct tls_cred **ret, struct av_err *err);
struct tls_cred *tls_cred_free(struct tls_cred *c);

/* Makes 'fd' non-blocking and shakes hands before 'ms'; gives up when stop_fd
 * becomes readable.  The session is yours (gnutls_deinit); 'fd' stays yours. */
int  tls_accept(struct tls_cred *c, int fd, int stop_fd, unsigned ms,
    gnutls_session_t *ret);
int  tls_connect(struct tls_cred *c, int fd, int stop_fd, unsigned ms,
    gnutls_session_t *ret);

/* Reads one line ('\n', cut off) of at most n-1 bytes; writes a text.  For the few
 * words before a stream begins; -errno. */
int  tls_read_line(gnutls_session_t s, int fd, int stop_fd, unsigned ms, char *buf,
    size_t n);
int  tls_write(gnutls_session_t s, int fd, int stop_fd, unsigned ms,
    const char *text);

/* Moves bytes both ways until both directions have ended, either side broke, or
 * stop_fd is readable.  Neither fd is closed. */
void tls_pump(gnutls_session_t s, int fd, int plain, int stop_fd);

#endif
