/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_redirect.h - the mirror server in a simulated PM
 *
 * Included before every source file of the server that the crash tests build
 * for themselves (module.mk): threads become coroutines of crash_sim.c, files
 * those of crash_disk.c, the connection that of crash_link.c.  The server's
 * sources themselves are the product's.
 */
#ifndef AV_TEST_CRASH_REDIRECT_H
#define AV_TEST_CRASH_REDIRECT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/mirror/crash_sim.h"

#define pthread_mutex_init(m, a)	sim_mutex_init((m))
#define pthread_mutex_lock(m)		sim_mutex_lock((m))
#define pthread_mutex_trylock(m)	sim_mutex_trylock((m))
#define pthread_mutex_unlock(m)		sim_mutex_unlock((m))
#define pthread_cond_init(c, a)		((void)(c), (void)(a), 0)
#define pthread_cond_wait(c, m)		sim_cond_wait((c), (m), UINT64_MAX)
#define pthread_cond_timedwait(c, m, t)	sim_cond_timedwait((c), (m), (t))
#define pthread_cond_broadcast(c)	sim_wake((c))
#define pthread_cond_signal(c)		sim_wake((c))
#define pthread_create(t, a, f, g)	sim_thread((t), (f), (g))
#define pthread_detach(t)		((void)(t), 0)
#define av_clock_ns()			sim_now()
#define av_log				sim_log
#define getrandom(b, n, f)		sim_getrandom((b), (n))

/* smaller than the product's, as the volume is; intent.c */
#define REGION_CHUNKS	2u
#define REGIONS_MAX	4u
#define REST_NS		(4 * AV_NS_PER_S)

#define malloc(n)			sim_malloc((n))
#define calloc(a, b)			sim_calloc((a), (b))
#define free(p)				sim_free((p))

#define open(...)			sim_open(__VA_ARGS__)
#define close(fd)			sim_close((fd))
#define flock(fd, how)			sim_flock((fd), (how))
#define fstat(fd, st)			sim_fstat((fd), (st))
#define access(p, m)			sim_access((p), (m))
#define unlink(p)			sim_unlink((p))
#define ftruncate(fd, n)		sim_ftruncate((fd), (n))
#define fallocate(fd, m, o, n)		sim_fallocate((fd), (m), (o), (n))
#define pread(fd, b, n, o)		sim_pread((fd), (b), (n), (o))
#define pwrite(fd, b, n, o)		sim_pwrite((fd), (b), (n), (o))
#define preadv2(fd, v, n, o, f)		sim_pread((fd), (v)->iov_base, \
					(v)->iov_len, (o))
#define fdatasync(fd)			sim_fdatasync((fd))
#define fsync(fd)			sim_fdatasync((fd))

#define socket(a, b, c)			sim_socket()
#define connect(fd, a, n)		sim_connect((fd))
#define getsockopt(a, b, c, d, e)	((void)(a), *(int *)(d) = 0, \
					(void)(e), 0)
#define setsockopt(a, b, c, d, e)	((void)(a), (void)(d), 0)
#define fcntl(...)			0
#define poll(p, n, t)			((void)(n), (void)(t), sim_poll((p)))

#endif
