/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/migrate.c - how long a guest is away when it moves: ours and plain QEMU
 *
 *   migrate ROUNDS MIB-A-SECOND...
 *
 * The same tiny guest (tests/unit/vmm/tiny.h), the same command line; each round and
 * rate moves it once by either, the first one changing by turns.  Ours: vmm_*() as the
 * agent calls it, TLS on the stream, its volume on a pair of mirror servers (TLS, too)
 * whose writing side moves with it: both complete, old side secondary, new side
 * primary, resume, announce.  Not in it: the agents' order between 'both complete' and
 * that.  Plain: tests/bench/plain_qemu.h.
 *
 * The witness is a thread that reads both serial lines: the guest says each tick of
 * 1 ms.  A line a measurement:
 *   ROUND RATE plain|ours GAP-US TOTAL-US QEMU-DOWNTIME-MS MIB-A-SECOND
 * GAP: the longest silence of both lines since the order; TOTAL: from the order to the
 * end of that silence; the last one: what the guest wrote in the second before.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/plain_qemu.h"
#include "tests/unit/mirror/pair.h"
#include "tests/unit/vmm/ends.h"

#define WAIT_NS		(120 * AV_NS_PER_S)
#define GUEST_MIB	256u
#define FULL_MIB	64u		/* of it not empty */
#define FILL_PAGES	64u
#define TICKS_AFTER	200u
#define RATES_MAX	8

/* --------------------------------- witness -------------------------------- */

struct witness {
	pthread_t	 thread;
	pthread_mutex_t	 lock;
	bool		 over;
	int		 fd[2];		/* -1 = not there */
	uint64_t	 ticks[2];
	struct tiny_ear	 ear;		/* of both lines */
};

static void *
witness_run(void *arg)
{
	struct witness *w = arg;
	struct pollfd p[2];
	uint64_t had;
	bool over = false;
	int i;

	while (!over) {
		(void)pthread_mutex_lock(&w->lock);
		for (i = 0; i < 2; i++)
			p[i] = (struct pollfd){ .fd = w->fd[i],
				.events = POLLIN };
		(void)pthread_mutex_unlock(&w->lock);
		(void)poll(p, 2, 20);	/* a new line is seen after that */
		(void)pthread_mutex_lock(&w->lock);
		for (i = 0; i < 2; i++) {
			had = w->ear.n_ticks;
			if (w->fd[i] >= 0 && p[i].revents != 0 &&
			    tiny_hear(&w->ear, w->fd[i]) < 0)
				w->fd[i] = -1;	/* its owner closes it */
			w->ticks[i] += w->ear.n_ticks - had;
		}
		over = w->over;
		(void)pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

static struct witness
witness_look(struct witness *w, bool new_gap)
{
	struct witness now;

	(void)pthread_mutex_lock(&w->lock);
	if (new_gap)
		w->ear.gap_ns = 0;
	now = *w;
	(void)pthread_mutex_unlock(&w->lock);
	return now;
}

static int
witness_connect(struct witness *w, int i, const struct vmm_spec *s)
{
	char path[VMM_PATH_MAX + 16];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/serial.sock", s->runtime_dir);
	fd = tiny_connect(path);
	(void)pthread_mutex_lock(&w->lock);
	w->fd[i] = fd;
	(void)pthread_mutex_unlock(&w->lock);
	return fd;
}

static int
witness_begin(struct witness *w)
{
	memset(w, 0, sizeof(*w));
	w->fd[0] = w->fd[1] = -1;
	(void)pthread_mutex_init(&w->lock, NULL);
	return -pthread_create(&w->thread, NULL, witness_run, w);
}

static void
witness_end(struct witness *w)
{
	(void)pthread_mutex_lock(&w->lock);
	w->over = true;
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
}

/* --------------------------------- a move --------------------------------- */

struct bench {
	struct pair	*pair;
	int		 primary;	/* of 'pair' */
	struct tiny_conf conf;
	struct ends	 e;
	struct witness	 w;
	struct plain	 plain[2];
	char		 image[128];
	unsigned	 rate;		/* pages a tick */
	unsigned	 downtime_ms;	/* QEMU's word */
	uint64_t	 began_ns;
	double		 mib_s;
};

/* Both go on: the loop and the witness. */
static int
wait_ticks(struct bench *b, int i, uint64_t n)
{
	uint64_t due = av_clock_ns() + WAIT_NS;
	uint64_t had = witness_look(&b->w, false).ticks[i];

	while (witness_look(&b->w, false).ticks[i] - had < n)
		if (av_clock_ns() > due ||
		    sd_event_run(b->e.event, 2000) < 0)
			return -ETIME;
	return 0;
}

/* It runs and its memory is full; says what it writes from now on. */
static int
settle(struct bench *b)
{
	uint64_t fill = (uint64_t)FULL_MIB * 256 / FILL_PAGES + 100;
	uint64_t at, had, until;
	int rc = wait_ticks(b, 0, fill);

	at = av_clock_ns();
	had = witness_look(&b->w, false).ticks[0];
	until = at + AV_NS_PER_S;
	while (rc == 0 && av_clock_ns() < until)
		if (sd_event_run(b->e.event, 10000) < 0)
			rc = -EIO;
	b->mib_s = (double)(witness_look(&b->w, false).ticks[0] - had) *
	    b->rate / 256 / ((double)(av_clock_ns() - at) / 1e9);
	return rc;
}

static void
begin(struct bench *b)
{
	(void)witness_look(&b->w, true);
	b->began_ns = av_clock_ns();
}

static void
say(struct bench *b, unsigned round, unsigned rate, const char *who)
{
	struct witness w = witness_look(&b->w, false);

	printf("%u %u %s %llu %llu %u %.1f\n", round, rate, who,
	    (unsigned long long)w.ear.gap_ns / 1000,
	    (unsigned long long)(w.ear.gap_end_ns - b->began_ns) / 1000,
	    b->downtime_ms, b->mib_s);
	(void)fflush(stdout);
}

/* ---------------------------------- plain --------------------------------- */

static int
image_write(struct bench *b)
{
	uint8_t sector[512];
	FILE *f = fopen(b->image, "we");
	bool ok;

	if (f == NULL)
		return -errno;
	tiny_sector(&b->conf, sector);
	ok = fwrite(sector, sizeof(sector), 1, f) == 1;
	return fclose(f) == 0 && ok && truncate(b->image, PAIR_SIZE) == 0 ?
	    0 : -EIO;
}

static int
plain_move(struct bench *b)
{
	struct vmm_spec *a = &b->e.end[0].spec, *t = &b->e.end[1].spec;
	uint16_t port = pair_free_port();
	int rc = image_write(b);

	if (rc == 0)
		rc = plain_start(&b->plain[0], b->e.event, a, b->image, 0);
	if (rc == 0)
		rc = plain_start(&b->plain[1], b->e.event, t, b->image, port);
	if (rc == 0 && (witness_connect(&b->w, 0, a) < 0 ||
	    witness_connect(&b->w, 1, t) < 0))
		rc = -ENOTCONN;
	if (rc == 0)
		rc = settle(b);
	begin(b);
	if (rc == 0)
		rc = plain_migrate(&b->plain[0], port);
	if (rc == 0)
		rc = wait_ticks(b, 1, TICKS_AFTER);
	if (rc == 0)
		rc = plain_numbers(&b->plain[0]);
	b->downtime_ms = b->plain[0].downtime_ms;
	return rc;
}

/* ---------------------------------- ours ---------------------------------- */

static int
volume_write(struct bench *b)
{
	struct nbd_handle *h = pair_front(b->pair, b->primary);
	uint8_t sector[512];
	int r = -1;

	tiny_sector(&b->conf, sector);
	if (h != NULL)
		r = nbd_pwrite(h, sector, sizeof(sector), 0, 0);
	nbd_close(h);
	return r < 0 ? -EIO : 0;
}

static void
ours_disks(struct bench *b)
{
	char sock[128];
	int i;

	for (i = 0; i < 2; i++) {
		(void)snprintf(sock, sizeof(sock), "%s/run%d/front.sock",
		    b->pair->dir, i == 0 ? b->primary : 1 - b->primary);
		ends_disk(&b->e, i, sock, PAIR_SIZE);
	}
}

/* With BENCH_STEPS set: where the time goes, ms since the order. */
static void
step(const struct bench *b, const char *what)
{
	if (getenv("BENCH_STEPS") != NULL)
		fprintf(stderr, "%8.1f %s\n", (double)(av_clock_ns() -
		    b->began_ns) / 1e6, what);
}

/* What the agents do once the switch is decided. */
static int
ours_switch(struct bench *b)
{
	struct end *t = &b->e.end[1];

	if (pair_order(b->pair, b->primary, MIRROR_V_SECONDARY) < 0)
		return -EIO;
	step(b, "old side secondary");
	if (pair_primary(b->pair, 1 - b->primary, false, 0, NULL) < 0)
		return -EIO;
	step(b, "new side primary");
	b->primary = 1 - b->primary;
	if (vmm_resume(t->dom, end_op(t), NULL) < 0 || end_wait(t) < 0)
		return -EIO;
	step(b, "resumed");
	return 0;
}

static int
ours_move(struct bench *b)
{
	struct end *a = &b->e.end[0], *t = &b->e.end[1];
	struct vmm_link l;
	int rc = volume_write(b);

	if (rc == 0)
		rc = ends_open(&b->e);
	if (rc == 0)
		rc = end_start(a);
	if (rc == 0)
		rc = end_listen(t, &l);
	if (rc == 0 && (witness_connect(&b->w, 0, &a->spec) < 0 ||
	    witness_connect(&b->w, 1, &t->spec) < 0))
		rc = -ENOTCONN;
	if (rc == 0)
		rc = settle(b);
	begin(b);
	if (rc == 0)
		rc = vmm_migrate_out(a->dom, &l, NULL, end_op(a), NULL);
	if (rc == 0)
		rc = end_wait(a);
	step(b, "under way");
	if (rc == 0)
		rc = end_wait_state(a, VMM_PAUSED);
	step(b, "paused");
	if (rc == 0)
		rc = end_wait_phase(t, VMM_PHASE_COMPLETE);
	step(b, "new side complete");
	if (rc == 0)
		rc = end_wait_phase(a, VMM_PHASE_COMPLETE);
	step(b, "old side complete");
	if (rc == 0)
		rc = ours_switch(b);
	if (rc == 0)
		rc = wait_ticks(b, 1, TICKS_AFTER);
	b->downtime_ms = end_status(a).migration.downtime_ms;
	if (getenv("BENCH_STEPS") != NULL)
		fprintf(stderr, "%8.1f silence began\n%8.1f and ended\n",
		    (double)(b->w.ear.gap_end_ns - b->w.ear.gap_ns -
		    b->began_ns) / 1e6, (double)(b->w.ear.gap_end_ns -
		    b->began_ns) / 1e6);
	return rc;
}

/* ---------------------------------- rounds -------------------------------- */

static int
one(struct bench *b, unsigned round, unsigned rate, bool ours)
{
	int i, rc, fd[2];

	b->rate = rate / 4;		/* MiB/s to pages a tick of 1 ms */
	b->conf = (struct tiny_conf){ .pages_a_tick = FILL_PAGES,
		.more_pages = b->rate, .from_bytes = 16u << 20,
		.to_bytes = (16u + FULL_MIB) << 20, .disk_ticks = 10 };
	rc = ends_prepare(&b->e, "qemu", b->pair->loop);
	for (i = 0; i < 2; i++)
		b->e.end[i].spec.memory_bytes = (uint64_t)GUEST_MIB << 20;
	for (i = 0; i < 2 && rc == 0 && !ours; i++) {
		char dir[96];

		(void)snprintf(dir, sizeof(dir), "%s/pm%d", b->e.dir, i);
		rc = mkdir(dir, 0700) < 0 ? -errno : 0;
	}
	(void)snprintf(b->image, sizeof(b->image), "%s/image", b->e.dir);
	ours_disks(b);
	if (rc == 0)
		rc = witness_begin(&b->w);
	if (rc < 0)
		return rc;
	rc = ours ? ours_move(b) : plain_move(b);
	if (rc == 0)
		say(b, round, rate, ours ? "ours" : "plain");
	else
		fprintf(stderr, "migrate: %s failed: %s\n",
		    ours ? "ours" : "plain", strerror(-rc));
	memcpy(fd, b->w.fd, sizeof(fd));
	witness_end(&b->w);
	for (i = 0; i < 2; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		plain_end(&b->plain[i]);
	}
	ends_dispose(&b->e);
	return rc;
}

static int
number(const char *text, unsigned least, unsigned most, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || n < least || n > most)
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned rounds, rate[RATES_MAX], r, k, n = 0;
	struct bench b = {0};
	int rc = 0, i;

	if (argc < 3 || argc > RATES_MAX + 2 ||
	    number(argv[1], 1, 1000, &rounds) < 0)
		return 2;
	for (i = 2; i < argc; i++)
		if (number(argv[i], 0, 400, &rate[n++]) < 0)
			return 2;
	b.pair = pair_new_connected();
	if (b.pair == NULL)
		return 1;
	for (r = 0; r < rounds && rc == 0; r++)
		for (k = 0; k < n && rc == 0; k++) {
			rc = one(&b, r, rate[k], r % 2 == 1);
			if (rc == 0)
				rc = one(&b, r, rate[k], r % 2 == 0);
		}
	if (rc == 0 && pair_wait(b.pair, pair_in_step) == 0 &&
	    pair_equal(b.pair) != 1) {
		fprintf(stderr, "migrate: the volume's sides differ\n");
		rc = -EIO;
	}
	pair_free(b.pair);
	return rc == 0 ? 0 : 1;
}
