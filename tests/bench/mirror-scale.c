/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/mirror-scale.c - what mirrored volumes cost as they grow
 *
 *   mirror-scale FOLDER N GIB	N pairs of sparse volumes of GIB each, in FOLDER
 *				(short path; made, and removed)
 *
 * One line: times in ms from the call that opens the first server; memory of
 * all 2 N servers; a resync of BITS single chunks all over each volume.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/clock.h"
#include "base/file.h"
#include "mirror/replica/meta.h"
#include "tests/unit/mirror/pair.h"

#define BITS	16u
#define WAIT_NS	(120 * AV_NS_PER_S)

static const char psk[] = "avpair:"
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
static struct pair *pairs[64];
static size_t n_pairs;
static sd_event *loop;

/* A leg as leg_create() makes it, but not preallocated. */
static int
make_leg(struct pair *p, int node, uint64_t size)
{
	static const uint8_t zeros[META_PAGE_BIT_BYTES];
	char bufs[5][128];
	struct av_err err = { 0 };
	struct mirror_conf c = pair_conf(p, node, bufs);
	struct mirror_leg_spec spec = { .dir = c.dir, .id = c.id,
		.unit_uuid = c.unit_uuid, .volume_uuid = c.volume_uuid,
		.size_bytes = 1 << 20, .initial_current = 0x1234560,
		.gen = 1 };
	struct leg *leg = NULL;
	size_t page;
	int rc;

	if (mkdir(c.dir, 0700) < 0 || av_file_write(c.psk_file, psk,
	    strlen(psk), 0600, &err) < 0 ||
	    mirror_leg_create("replica", &spec, &err) < 0 ||
	    leg_open(c.dir, c.id, NULL, NULL, &leg, &err) < 0) {
		fprintf(stderr, "mirror-scale: %s: %s\n", c.dir, err.text);
		return -1;
	}
	rc = ftruncate(leg->data_fd, (off_t)size);
	for (page = 0; page < meta_pages(meta_chunks(size)) && rc == 0; page++)
		rc = leg_write_page(leg, page, zeros);
	leg->sb.size_bytes = size;
	leg->sb.flags |= META_SPARSE;
	if (rc == 0)
		rc = leg_write_sb(leg);
	(void)leg_close(leg);
	return rc;
}

static bool
all(enum mirror_conn conn, bool step)
{
	size_t i;

	for (i = 0; i < n_pairs; i++) {
		const struct mirror_status *st = pair_st(pairs[i], 0);

		if (st->server != MIRROR_SERVER_UP ||
		    pair_st(pairs[i], 1)->server != MIRROR_SERVER_UP ||
		    (step && st->conn != conn))
			return false;
	}
	return true;
}

static int
wait_all(enum mirror_conn conn, bool step)
{
	uint64_t due = av_clock_ns() + WAIT_NS;

	while (!all(conn, step))
		if (av_clock_ns() > due || sd_event_run(loop, 20000) < 0)
			return -1;
	return 0;
}

static void
done(struct mirror_op *op, int rc, const struct av_err *err)
{
	if (rc < 0)
		fprintf(stderr, "order: %s: %s\n", err->code, err->text);
	free(op);
}

static int
order(size_t i, enum mirror_verb verb)
{
	struct mirror_op *op = calloc(1, sizeof(*op));
	struct mirror_primary_req req = { 0 };
	struct mirror *m = pairs[i]->m[0];
	struct av_err err = { 0 };

	op->done = done;
	op->deadline_ns = av_clock_ns() + WAIT_NS;
	return verb == MIRROR_V_PRIMARY ? mirror_primary(m, op, &req, &err) :
	    verb == MIRROR_V_CONNECT ? mirror_connect(m, op, &err) :
	    verb == MIRROR_V_DISCONNECT ? mirror_disconnect(m, op, &err) :
	    mirror_alone(m, op, 2, &err);
}

/* One chunk in each BITS-th of the volume. */
static int
scatter(struct pair *p, uint64_t size)
{
	struct nbd_handle *h = nbd_create();
	static uint8_t buf[4096] = { 1 };
	unsigned i;
	int rc = -1;

	if (nbd_set_export_name(h, "front") == 0 &&
	    nbd_connect_unix(h, mirror_front_path(p->m[0])) == 0)
		for (i = 0, rc = 0; i < BITS && rc == 0; i++)
			rc = nbd_pwrite(h, buf, sizeof(buf),
			    size / BITS * i / 4096 * 4096, 0);
	nbd_close(h);
	return rc;
}

/* Pss of a process, in KiB: what is shared counts in part. */
static uint64_t
pss_kib(int pid)
{
	char path[64], line[128];
	unsigned long long v = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Pss: %llu", &v) == 1)
			break;
	if (f != NULL)
		(void)fclose(f);	/* read only */
	return v;
}

static uint64_t
cpu_ticks(int pid)
{
	char path[64], line[512];
	unsigned long long u = 0, s = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f != NULL && fgets(line, sizeof(line), f) != NULL &&
	    strrchr(line, ')') != NULL)
		(void)sscanf(strrchr(line, ')') + 1, " %*c %*d %*d %*d %*d "
		    "%*d %*u %*u %*u %*u %*u %llu %llu", &u, &s);
	if (f != NULL)
		(void)fclose(f);	/* read only */
	return u + s;
}

static uint64_t
sum(uint64_t (*fn)(int pid))
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < n_pairs; i++)
		n += fn(pair_st(pairs[i], 0)->pid) +
		    fn(pair_st(pairs[i], 1)->pid);
	return n;
}

static int
make_all(const char *dir, uint64_t size)
{
	size_t i;
	int k;

	for (i = 0; i < n_pairs; i++) {
		struct pair *p = pairs[i] = calloc(1, sizeof(*p));

		(void)snprintf(p->dir, sizeof(p->dir), "%s/%zu", dir, i);
		if (mkdir(p->dir, 0700) < 0)
			return -1;
		p->loop = sd_event_ref(loop);
		for (k = 0; k < 2; k++) {
			p->port[k] = pair_free_port();
			if (make_leg(p, k, size) < 0)
				return -1;
		}
	}
	return 0;
}

static int
open_all(void)
{
	char bufs[5][128];
	size_t i;
	int k;

	for (i = 0; i < n_pairs; i++)
		for (k = 0; k < 2; k++) {
			struct mirror_conf c = pair_conf(pairs[i], k, bufs);
			struct av_err err = { 0 };

			if (mirror_open("replica", &c, loop, NULL, NULL,
			    &pairs[i]->m[k], &err) < 0) {
				fprintf(stderr, "open: %s\n", err.text);
				return -1;
			}
		}
	return wait_all(MIRROR_CONNECTED, false);
}

static int
order_all(enum mirror_verb verb, enum mirror_conn conn)
{
	size_t i;

	for (i = 0; i < n_pairs; i++)
		if (order(i, verb) < 0)
			return -1;
	return wait_all(conn, true);
}

static uint64_t
since_ms(uint64_t from)
{
	return (av_clock_ns() - from) / AV_NS_PER_MS;
}

static int
measure(uint64_t size)
{
	uint64_t from = av_clock_ns(), up, step, scan, pss, ticks;
	struct stat meta;
	char path[128];
	size_t i;

	if (open_all() < 0)
		return -1;
	up = since_ms(from);
	if (order_all(MIRROR_V_PRIMARY, MIRROR_CONNECTED) < 0)
		return -1;
	step = since_ms(from) - up;
	from = av_clock_ns();
	ticks = sum(cpu_ticks);
	while (since_ms(from) < 5000)
		(void)sd_event_run(loop, 20000);
	ticks = sum(cpu_ticks) - ticks;
	if (order_all(MIRROR_V_DISCONNECT, MIRROR_HELD) < 0 ||
	    order_all(MIRROR_V_ALONE, MIRROR_DISCONNECTED) < 0)
		return -1;
	for (i = 0; i < n_pairs; i++)
		if (scatter(pairs[i], size) < 0)
			return -1;
	from = av_clock_ns();
	if (order_all(MIRROR_V_CONNECT, MIRROR_CONNECTED) < 0)
		return -1;
	scan = since_ms(from);
	pss = sum(pss_kib);
	(void)snprintf(path, sizeof(path), "%s/leg0/vol-o3.meta",
	    pairs[0]->dir);
	if (stat(path, &meta) < 0)
		return -1;
	printf("%4zu volumes of %4llu GiB: servers up %6llu ms, in step "
	    "%5llu ms, resync of %u chunks each %5llu ms; metadata %8lld "
	    "bytes a leg, memory %6llu KiB a server, CPU idle %.2f %% a "
	    "server\n", n_pairs, (unsigned long long)(size >> 30),
	    (unsigned long long)up, (unsigned long long)step, BITS,
	    (unsigned long long)scan, (long long)meta.st_size,
	    (unsigned long long)(pss / (2 * n_pairs)),
	    (double)ticks * 100.0 / (double)sysconf(_SC_CLK_TCK) / 5.0 /
	    (double)(2 * n_pairs));
	return 0;
}

int
main(int argc, char **argv)
{
	uint64_t gib;
	char *end;
	size_t i;
	int rc;

	if (argc != 4 || strlen(argv[1]) > 24)
		return 2;
	n_pairs = strtoul(argv[2], &end, 10);
	if (end == argv[2] || *end != '\0')
		return 2;
	gib = strtoull(argv[3], &end, 10);
	if (end == argv[3] || *end != '\0')
		return 2;
	if (n_pairs < 1 || n_pairs > 64 || gib < 1 || gib > 16384)
		return 2;
	if (mkdir(argv[1], 0700) < 0 || sd_event_new(&loop) < 0)
		return 1;
	rc = make_all(argv[1], gib << 30);
	if (rc == 0)
		rc = measure(gib << 30);
	for (i = 0; i < n_pairs && pairs[i] != NULL; i++) {
		int k;

		for (k = 0; k < 2; k++)
			if (pairs[i]->m[k] != NULL)
				pairs[i]->pid[k] =
				    pair_st(pairs[i], k)->pid;
		pair_free(pairs[i]);
	}
	(void)rmdir(argv[1]);	/* empty unless something went wrong */
	sd_event_unref(loop);
	return rc < 0;
}
