/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/nbdload.c - one load for an NBD export or a raw file
 *
 *   nbdload [OPTION...] nbd:SOCKET[:EXPORT]    one connection, QD requests
 *   nbdload [OPTION...] raw:FILE               O_DIRECT, QD threads
 *
 *   -q QD       requests in flight (1)
 *   -s BYTES    size of a request (4096)
 *   -w PERCENT  share of writes (100)
 *   -S          one after the other; else at random places
 *   -f N        a flush after each N writes; 0 = none (0).  It takes a place
 *               in the queue like a request, and isn't counted as one
 *   -t SECONDS  how long new requests are made (1.5)
 *   -n OPS      or how many at most (no limit)
 *
 * One line: requests/s MiB/s p50 p99 (us, requests) p99 (us, flushes) count.
 * The clock stops with the last answer.  A flush that isn't counted comes last,
 * so that nothing of it is left to the next measurement.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/clock.h"

#define QD_MAX		128

struct samples {		/* latencies in us */
	uint32_t	*us;
	size_t		 n, room;
};

enum kind { READ, WRITE, FLUSH };

struct load {
	unsigned	 qd, write_percent, flush_each;
	size_t		 bytes;
	bool		 sequential;
	uint64_t	 limit_ns, limit_ops;
	/* state; the raw file's threads hold 'lock' */
	pthread_mutex_t	 lock;
	uint64_t	 size, seed, next, begin_ns, end_ns;
	uint64_t	 made;
	unsigned	 writes_since;
	struct samples	 requests, flushes;
	int		 fd;
	struct nbd_handle *h;
};

struct slot {
	struct load	*l;
	char		*buf;
	uint64_t	 offset, begin_ns;
	enum kind	 kind;
	bool		 busy, failed;
	pthread_t	 thread;
};

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "nbdload: %s: %s\n", what, why);
	exit(1);
}

static uint64_t
next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static void
sample(struct samples *s, uint64_t ns)
{
	if (s->n == s->room) {
		s->room = s->room != 0 ? s->room * 2 : 4096;
		s->us = realloc(s->us, s->room * sizeof(*s->us));
		if (s->us == NULL)
			die("memory", strerror(ENOMEM));
	}
	ns /= AV_NS_PER_US;
	s->us[s->n++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

/* What comes next; false: the time is over. */
static bool
choose(struct load *l, struct slot *s)
{
	uint64_t places = l->size / l->bytes;

	s->begin_ns = av_clock_ns();
	if (s->begin_ns - l->begin_ns >= l->limit_ns ||
	    l->made >= l->limit_ops)
		return false;
	if (l->flush_each != 0 && l->writes_since >= l->flush_each) {
		l->writes_since = 0;
		s->kind = FLUSH;
		return true;
	}
	s->kind = next_random(&l->seed) % 100 < l->write_percent ?
	    WRITE : READ;
	s->offset = (l->sequential ? l->next++ :
	    next_random(&l->seed)) % places * l->bytes;
	l->made++;
	l->writes_since += s->kind == WRITE;
	return true;
}

static void
finished(struct load *l, const struct slot *s)
{
	uint64_t now = av_clock_ns();

	sample(s->kind == FLUSH ? &l->flushes : &l->requests,
	    now - s->begin_ns);
	if (now > l->end_ns)
		l->end_ns = now;
}

/* --- raw file --- */

static void *
raw_run(void *arg)
{
	struct slot *s = arg;
	struct load *l = s->l;
	ssize_t n = 0;
	bool more;

	for (;;) {
		(void)pthread_mutex_lock(&l->lock);
		more = choose(l, s);
		(void)pthread_mutex_unlock(&l->lock);
		if (!more)
			return NULL;
		switch (s->kind) {
		case READ:
			n = pread(l->fd, s->buf, l->bytes, (off_t)s->offset);
			break;
		case WRITE:
			n = pwrite(l->fd, s->buf, l->bytes, (off_t)s->offset);
			break;
		case FLUSH:
			n = fdatasync(l->fd) < 0 ? -1 : (ssize_t)l->bytes;
			break;
		}
		if (n != (ssize_t)l->bytes)
			die("raw file", n < 0 ? strerror(errno) : "short");
		(void)pthread_mutex_lock(&l->lock);
		finished(l, s);
		(void)pthread_mutex_unlock(&l->lock);
	}
}

static void
raw_load(struct load *l, struct slot *slots, const char *path)
{
	off_t end;
	unsigned i;

	l->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	end = l->fd < 0 ? -1 : lseek(l->fd, 0, SEEK_END);
	if (end < 0)
		die(path, strerror(errno));
	/* a block device's st_size is 0 */
	l->size = (uint64_t)end;
	if (l->size < l->bytes)
		die(path, "too small");
	l->begin_ns = av_clock_ns();
	for (i = 0; i < l->qd; i++)
		if (pthread_create(&slots[i].thread, NULL, raw_run,
		    &slots[i]) != 0)
			die("thread", strerror(EAGAIN));
	for (i = 0; i < l->qd; i++)
		(void)pthread_join(slots[i].thread, NULL);
	if (fdatasync(l->fd) < 0)
		die(path, strerror(errno));
	(void)close(l->fd);
}

/* --- NBD --- */

static int
nbd_done(void *arg, int *error)
{
	struct slot *s = arg;

	finished(s->l, s);
	if (*error != 0)
		s->failed = true;
	s->busy = false;
	return 1;		/* libnbd may forget the request */
}

static void
nbd_submit(struct load *l, struct slot *s)
{
	nbd_completion_callback cb = { .callback = nbd_done, .user_data = s };
	int64_t rc = -1;

	s->busy = true;
	switch (s->kind) {
	case READ:
		rc = nbd_aio_pread(l->h, s->buf, l->bytes, s->offset, cb, 0);
		break;
	case WRITE:
		rc = nbd_aio_pwrite(l->h, s->buf, l->bytes, s->offset, cb, 0);
		break;
	case FLUSH:
		rc = nbd_aio_flush(l->h, cb, 0);
		break;
	}
	if (rc < 0)
		die("request", nbd_get_error());
}

static void
nbd_connect_to(struct load *l, char *socket_and_export)
{
	char *export = strchr(socket_and_export, ':');
	int64_t size;

	if (export != NULL)
		*export++ = '\0';
	l->h = nbd_create();
	/* With structured replies QEMU's server asks, before each read, where the
	 * file has holes, the far one too; QEMU's guests don't make it do so. */
	if (l->h == NULL ||
	    nbd_set_request_structured_replies(l->h, false) < 0 ||
	    nbd_set_export_name(l->h, export != NULL ? export : "") < 0 ||
	    nbd_connect_unix(l->h, socket_and_export) < 0)
		die(socket_and_export, nbd_get_error());
	size = nbd_get_size(l->h);
	if (size < (int64_t)l->bytes)
		die(socket_and_export, "too small");
	l->size = (uint64_t)size;
}

static void
nbd_load(struct load *l, struct slot *slots, char *target)
{
	bool more = true;
	unsigned i, busy;

	nbd_connect_to(l, target);
	l->begin_ns = av_clock_ns();
	do {
		for (busy = i = 0; i < l->qd; i++) {
			if (slots[i].failed)
				die(target, "a request failed");
			if (!slots[i].busy && more &&
			    (more = choose(l, &slots[i])))
				nbd_submit(l, &slots[i]);
			busy += slots[i].busy;
		}
		if (busy > 0 && nbd_poll(l->h, -1) < 0)
			die(target, nbd_get_error());
	} while (busy > 0 || more);
	if (nbd_flush(l->h, 0) < 0)
		die(target, nbd_get_error());
	(void)nbd_shutdown(l->h, 0);
	nbd_close(l->h);
}

/* --- main --- */

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t
percentile(struct samples *s, unsigned percent)
{
	if (s->n == 0)
		return 0;
	qsort(s->us, s->n, sizeof(*s->us), compare);
	return s->us[(s->n - 1) * percent / 100];
}

static double
number(const char *text, double least, double most)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= least && v <= most))
		die(text, "not a number, or out of range");
	return v;
}

static void
options(struct load *l, int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "q:s:w:Sf:t:n:")) >= 0) {
		switch (o) {
		case 'q': l->qd = (unsigned)number(optarg, 1, QD_MAX); break;
		case 's': l->bytes = (size_t)number(optarg, 512, 32 << 20);
			break;
		case 'w': l->write_percent = (unsigned)number(optarg, 0, 100);
			break;
		case 'S': l->sequential = true; break;
		case 'f': l->flush_each = (unsigned)number(optarg, 0, 1e6);
			break;
		case 't': l->limit_ns = (uint64_t)(number(optarg, 0, 1e6) *
			    (double)AV_NS_PER_S);
			break;
		case 'n': l->limit_ops = (uint64_t)number(optarg, 1, 1e15);
			break;
		default:
			exit(2);
		}
	}
	if (optind + 1 != argc)
		die("use", "nbdload [OPTION...] nbd:SOCKET[:EXPORT]|raw:FILE");
}

static void
print(struct load *l)
{
	double s = (double)(l->end_ns - l->begin_ns) / (double)AV_NS_PER_S;
	double iops = (double)l->requests.n / s;

	if (l->requests.n == 0)
		die("nothing", "was measured");
	printf("%.1f %.1f %u %u %u %zu\n", iops,
	    iops * (double)l->bytes / (1 << 20),
	    percentile(&l->requests, 50), percentile(&l->requests, 99),
	    percentile(&l->flushes, 99), l->requests.n);
	free(l->requests.us);
	free(l->flushes.us);
}

int
main(int argc, char **argv)
{
	static struct load l = { .qd = 1, .write_percent = 100, .bytes = 4096,
		.limit_ns = 1500 * AV_NS_PER_MS, .limit_ops = UINT64_MAX,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	static struct slot slots[QD_MAX];
	char *target;
	unsigned i;
	size_t k;

	options(&l, argc, argv);
	l.seed = av_clock_ns();
	for (i = 0; i < l.qd; i++) {
		slots[i].l = &l;
		slots[i].buf = aligned_alloc(4096, (l.bytes + 4095) / 4096 *
		    4096);
		if (slots[i].buf == NULL)
			die("memory", strerror(ENOMEM));
		for (k = 0; k < l.bytes; k++)
			slots[i].buf[k] = (char)next_random(&l.seed);
	}
	target = argv[optind];
	if (strncmp(target, "raw:", 4) == 0)
		raw_load(&l, slots, target + 4);
	else if (strncmp(target, "nbd:", 4) == 0)
		nbd_load(&l, slots, target + 4);
	else
		die(target, "neither nbd:SOCKET nor raw:FILE");
	print(&l);
	for (i = 0; i < l.qd; i++)
		free(slots[i].buf);
	return 0;
}
