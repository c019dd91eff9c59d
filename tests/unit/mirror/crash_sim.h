/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_sim.h - two simulated PMs in one thread
 *
 * Everything that happens is decided by one random number generator, so a seed
 * says it all.  Three parts:
 *   crash_sim.c	coroutines for threads, locks, the clock, memory.  A
 *			coroutine belongs to a node; killing the node ends it
 *			where it stands and frees what it allocated.  Time goes
 *			on only when everybody waits.
 *   crash_disk.c	a data and a metadata file a node: what is in the cache,
 *			what is durable, what was written since the last
 *			completed sync; the log of all of it; faults.
 *   crash_link.c	the connection (wire.h) as link.c sees it, over which
 *			the real peer.c is called.
 * Without coroutines (sim.current NULL) all of it runs straight through.
 */
#ifndef AV_TEST_CRASH_SIM_H
#define AV_TEST_CRASH_SIM_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct srv;

/* --- crash_sim.c --- */

struct co;
struct sim {
	struct co	*current;
	uint64_t	now_ns;
	uint64_t	rng;
	uint64_t	tick;		/* orders every event of a run */
	int		node;		/* of who runs; memory is charged to it */
	bool		verbose;
	bool		stuck;		/* nobody can go on */
	struct srv	*srv[2];	/* NULL = down */
	bool		link_ok;
	uint64_t	frozen_until_ns[2];
};
extern struct sim sim;

void     sim_seed(uint64_t seed);
uint64_t sim_rand(void);
unsigned sim_below(unsigned n);		/* 0 .. n-1 */
bool     sim_chance(unsigned percent);
void     sim_start(int node, void *(*fn)(void *), void *arg);
void     sim_yield(void);
void     sim_sleep(uint64_t ns);
/* Runs until 'main' (a coroutine of no node) ends; false = stuck. */
bool     sim_run(void *(*main)(void *), void *arg);
/* Ends the node's coroutines, frees its memory. */
void     sim_kill_node(int node);
void     sim_end(void);			/* all of it */

int      sim_mutex_init(pthread_mutex_t *m);
int      sim_mutex_lock(pthread_mutex_t *m);
int      sim_mutex_trylock(pthread_mutex_t *m);
int      sim_mutex_unlock(pthread_mutex_t *m);
int      sim_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, uint64_t due);
int      sim_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
    const struct timespec *ts);
bool     sim_block(const void *chan, uint64_t due);	/* false = time is up */
int      sim_wake(const void *chan);
int      sim_thread(pthread_t *t, void *(*fn)(void *), void *arg);
uint64_t sim_now(void);
void     sim_log(int level, const char *subject, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
ssize_t  sim_getrandom(void *buf, size_t n);
void    *sim_malloc(size_t n);
void    *sim_calloc(size_t a, size_t b);
void     sim_free(void *p);

/* --- crash_disk.c --- */

#define SIM_SECTOR	512u
#define SIM_SECTORS	1216u		/* 9.5 chunks; what it grows to */
#define SIM_SECTORS_SMALL 704u		/* 5.5 chunks */
#define SIM_META_SECTORS 32u		/* two superblocks, two bitmap pages */
#define META_PAGE_BIT_BYTES 1u		/* 8 chunks a page; meta.h */
#define SIM_SIZE	((uint64_t)SIM_SECTORS * SIM_SECTOR)
#define SIM_PENDING_MAX	4096u

enum { SIM_DATA, SIM_META };
/* A sector of data holds one number, all over; see sim_fill(). */
struct sim_image {
	uint32_t	data[SIM_SECTORS + 1];	/* [SIM_SECTORS]: file's length */
	uint8_t		meta[SIM_META_SECTORS * SIM_SECTOR];
};

enum op_kind { OP_WRITE, OP_SYNC, OP_SYNC_FAILED, OP_RESET };
struct op {
	uint64_t	tick;
	uint32_t	at;		/* of its bytes in sim_log_bytes */
	uint32_t	until;		/* OP_SYNC: log entries before it */
	uint16_t	first, n;	/* sectors */
	uint8_t		kind, node, file;
};

/* A PM's two files, at one moment. */
struct sim_disk {
	struct sim_image cached, durable;
	uint32_t	pending[2][SIM_PENDING_MAX];	/* log entries */
	size_t		n_pending[2];
};

struct sim_ops {
	struct op	*op;
	size_t		n, max;
	uint8_t		*bytes;
	size_t		n_bytes, max_bytes;
	bool		on;
};

/* The 'countdown'-th operation of a kind on a node fails, and, when 'persist',
 * all later ones. */
enum { FAULT_WRITE, FAULT_SYNC, FAULT_ZERO, FAULT_KINDS };
struct sim_fault {
	bool		armed, persist;
	int		node, file, kind, error;
	long		countdown, fired;
};

extern struct sim_disk *sim_disk[2];	/* the running PMs' */
extern struct sim_ops sim_ops;
extern struct sim_fault sim_fault;

void sim_disks_reset(void);
/* One logged operation happens to 'd'. */
void sim_disk_step(struct sim_disk *d, const struct op *op, uint32_t index);
/* What may be on the disk after a power cut: 'ret' := durable + any of the rest. */
enum sim_tear { TEAR_NONE, TEAR_ALL, TEAR_PREFIX, TEAR_RANDOM, TEAR_KINDS };
void sim_disk_cut(const struct sim_disk *d, enum sim_tear how,
    struct sim_image *ret);
/* The running PM's disk now is 'image', durably. */
void sim_disk_set(int node, const struct sim_image *image);
void sim_disk_close_all(int node);
void sim_fill(void *buf, size_t n_sectors, const uint32_t *values);

int     sim_open(const char *path, int flags, ...);
int     sim_close(int fd);
int     sim_flock(int fd, int how);
int     sim_fstat(int fd, struct stat *st);
int     sim_access(const char *path, int mode);
int     sim_unlink(const char *path);
int     sim_ftruncate(int fd, off_t n);
int     sim_fallocate(int fd, int mode, off_t off, off_t n);
ssize_t sim_pread(int fd, void *buf, size_t n, off_t off);
ssize_t sim_pwrite(int fd, const void *buf, size_t n, off_t off);
int     sim_fdatasync(int fd);

/* --- crash_link.c --- */

void    sim_link_break(void);		/* every connection is lost */
void    sim_link_node_down(int node);
void    sim_link_end(void);
int     sim_socket(void);
int     sim_connect(int fd);
int     sim_poll(struct pollfd *p);

#endif
