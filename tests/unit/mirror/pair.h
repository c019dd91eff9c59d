/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/pair.h - two real mirror servers on this machine
 *
 * Each test makes its own pair in its own folder, on free loopback ports, and
 * ends its servers by their pids.  No root needed.
 */
#ifndef AV_TEST_PAIR_H
#define AV_TEST_PAIR_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "mirror/mirror.h"

#define PAIR_SIZE	(16ull << 20)
#define PAIR_BLOCK	4096u
#define PAIR_WAIT_MS	20000
#define PAIR_DIR_MAX	78

struct fault_disk;
struct nbd_handle;

struct pair {
	char		dir[PAIR_DIR_MAX];
	sd_event	*loop;
	struct mirror	*m[2];
	int		pid[2];		/* last known */
	uint16_t	port[2];
	uint16_t	peer_port[2];	/* 0 = port[1 - node]; a proxy's */
	const char	*psk[2];	/* key file's name; NULL = "psk" */
	uint64_t	rate_kib_s;
	uint64_t	digest_bytes;	/* what pair_equal() looks at; 0 = all */
	struct fault_disk *fault[2];	/* of pair_new_faulty() */
};

uint16_t pair_free_port(void);
int  pair_dial(uint16_t port);		/* a plain TCP connection, or -1 */
/* A new folder of that name in TMPDIR, which run-tests removes whatever happens;
 * in /tmp if that is too long for the sockets' paths.  0 or -1. */
int  pair_folder(char *ret /* PAIR_DIR_MAX */, const char *name);
/* Before a server is started from a program built with sanitizers. */
void pair_preload_sanitizer(void);
/* NULL on failure, with words on stderr. */
struct pair *pair_new(void);
void pair_free(struct pair *p);
struct mirror_conf pair_conf(struct pair *p, int node, char (*bufs)[128]);
int  pair_open(struct pair *p, int node);	/* and waits until UP */
const struct mirror_status *pair_st(const struct pair *p, int node);
/* Runs the loop until the test's condition holds; 0 or -1 after PAIR_WAIT_MS. */
typedef bool (*pair_cond)(struct pair *p);
int  pair_wait(struct pair *p, pair_cond cond);
/* Connected and up to date, as both say. */
bool pair_in_step(struct pair *p);
/* node0 holds a guest's requests. */
bool pair_holds(struct pair *p);
int  pair_wait_conn(struct pair *p, int node, enum mirror_conn conn);

/* An order that pair_*() below doesn't have: set .op.done = pair_order_done, give
 * the order, pass its rc and err on; returns the outcome.  'digests' are yours. */
struct pair_outcome {
	struct mirror_op op;
	bool	over;
	int	rc;
	char	code[32];
	uint32_t *digests;
	size_t	n;
};
void pair_order_done(struct mirror_op *op, int rc, const struct av_err *err);
int  pair_order_wait(struct pair *p, struct pair_outcome *o, int rc,
    const struct av_err *err);
/* Orders, waited for; the result of 'done' (or of the call), code in 'code'. */
int  pair_primary(struct pair *p, int node, bool alone, uint64_t gen,
    char *code);
int  pair_alone(struct pair *p, int node, uint64_t gen);
int  pair_diskless(struct pair *p, int node, uint64_t gen, char *code);
int  pair_discard(struct pair *p, int node, uint64_t winner_base);
int  pair_order(struct pair *p, int node, enum mirror_verb verb);
/* node0 primary, connected */
struct pair *pair_new_connected(void);
/* the same over disks that fail when they are told to (fault_disk.h) */
struct pair *pair_new_faulty(void);
struct nbd_handle *pair_front(struct pair *p, int node);
void pair_signal(struct pair *p, int node, int sig);
int  pair_kill_wait_down(struct pair *p, int node);
int  pair_restart(struct pair *p, int node);
/* 1 = equal, 0 = differ, -1 = error */
int  pair_equal(struct pair *p);
uint32_t *pair_digests(struct pair *p, int node, size_t *ret_n);

/* A guest: one thread, one NBD connection, blocks [first, first + n). */
struct guest {
	struct pair	*p;
	int		node;
	size_t		first, n;
	uint64_t	seed;
	bool		overlap;	/* random offsets, not aligned */
	bool		whole;		/* always the whole region */
	uint64_t	value_tag;	/* tells guests' values apart */
	size_t		limit;		/* stop after so many; 0 = none */
	pthread_t	thread;
	_Atomic bool	stop;
	_Atomic size_t	acked;
	_Atomic bool	failed, over;
	uint64_t	*value;		/* acknowledged, by block - first */
	uint64_t	*tried;		/* written, perhaps not acknowledged */
};

int  guest_start(struct guest *g, struct pair *p, int node, size_t first,
    size_t n);
void guest_stop(struct guest *g);		/* joins */
void guest_stop_at_limit(struct guest *g);	/* joins when it is over */
/* Blocks hold what was acknowledged, or what was tried last: number of losses. */
int  guest_check(struct guest *g, int node);
void guest_dispose(struct guest *g);
int  guest_wait_acked(struct guest *g, size_t n);	/* runs the loop */

#endif
