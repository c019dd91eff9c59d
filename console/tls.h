/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/tls.h - TLS in front of plain byte streams
 *
 * libmicrohttpd 0.9.75 moves upgraded data in pieces of 4 bytes when it does TLS
 * itself, so it never does: a thread per connection moves bytes between GnuTLS and
 * a plain socket.  Handshakes and first words: base/tls.h.
 */
#ifndef CONSOLE_TLS_H
#define CONSOLE_TLS_H

#include "base/tls.h"

#define TLS_LINGER_MS		2000	/* for the peer's last bytes after ours */

/* Moves bytes both ways until both directions have ended, either side broke, or
 * stop_fd is readable.  Neither fd is closed. */
void tls_pump(gnutls_session_t s, int fd, int plain, int stop_fd);

#endif
