/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/nbdserve.h - a small NBD server for the two exports
 *
 * Fixed newstyle, NBD_OPT_GO/INFO/EXPORT_NAME, simple replies, READ, WRITE,
 * FLUSH, WRITE_ZEROES, FUA (protocol: NetworkBlockDevice/nbd doc/proto.md).
 * nbdkit's own server isn't used: when a client goes away with two replies under
 * way, 1.32 aborts the process (raw_send_socket: Assertion `sock >= 0').
 *
 * Threads: nbdconn.h.  A connection's 'close' runs after its last request has
 * ended.
 */
#ifndef AV_MIRROR_NBDSERVE_H
#define AV_MIRROR_NBDSERVE_H

#include "mirror/replica/server.h"
#include "mirror/replica/stream.h"

/* Serves 'front' to local clients of this listening socket, for ever. */
int nbd_front_start(struct srv *s, int listen_fd);
/* Serves 'peer' on a connection that proved the key, until it ends; takes over
 * 'st'. */
void nbd_peer_serve(void *srv, struct stream *st);

#endif
