/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/nbdconn.h - one connection of the NBD server; its two files' own
 *
 * nbdserve.c negotiates, nbdrun.c serves the requests.  Of the threads of a
 * connection one reads.  It does itself what shouldn't block: writes, and reads
 * of what is in memory; so a request costs no change of threads.  The rest goes
 * to workers.  Should it be held up all the same (INLINE_NS), a watcher makes
 * another thread the reader, and the old one ends after its request.
 *
 *   reading --quick one--> inline --> reading
 *      |                     '--taken over--> (another reads) --> ends
 *      '--the connection ends--> waits for all requests --> closed
 *
 * Locks: the watcher's before mu; send_mu alone.  None is held over a request.
 */
#ifndef AV_MIRROR_NBDCONN_H
#define AV_MIRROR_NBDCONN_H

#include <stdatomic.h>

#include "mirror/replica/server.h"
#include "mirror/replica/stream.h"

struct nbd_request;

struct nbd_conn {
	struct srv	*s;
	struct stream	*st;
	bool		front;
	struct front_client fc;
	_Atomic uint64_t role_count;	/* 0 = front_time() says */
	struct peer_conn *pc;
	bool		no_zeroes;
	pthread_mutex_t	send_mu;
	unsigned	n_unflushed;	/* replies; send_mu */
	pthread_mutex_t	mu;		/* the rest */
	pthread_cond_t	cv;		/* the reader waits: room, or the end */
	pthread_cond_t	work_cv;	/* workers wait: one is woken a request */
	struct nbd_request *first, **last;	/* for workers */
	size_t		n_requests, n_bytes;	/* read and not yet over */
	unsigned	n_workers, n_idle;
	unsigned	n_readers;	/* and those who were */
	uint64_t	reader;		/* number of the one who reads */
	uint64_t	inline_ns;	/* it does a request since; 0 = it reads */
	bool		full;		/* the reader waits for room */
	bool		ending;
	struct nbd_conn	*next;		/* watcher */
};

uint64_t nbd_export_bytes(const struct nbd_conn *c);
/* Serves until the connection ends; returns when all threads but the caller's
 * have left it. */
void nbd_run(struct nbd_conn *c);

#endif
