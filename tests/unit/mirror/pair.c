/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/pair.c - see pair.h
 */
#include "tests/unit/mirror/pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "tests/unit/mirror/fault_disk.h"

#define UNIT	"00112233445566778899aabbccddeeff"
#define VOLUME	"0123456789abcdef0123456789abcdef"
static const char psk[] = "avpair:"
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

/* Not from the kernel: its free ports are those of outgoing connections, one of
 * which may have it by the time that a server wants to listen there. */
#define PORTS_FROM	12000u
#define PORTS_N		20000u

uint16_t
pair_free_port(void)
{
	static uint32_t at;
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned tries;

	if (at == 0)
		at = (uint32_t)getpid() * 2654435761u + (uint32_t)
		    (av_clock_ns() / 1000);
	for (tries = 0; tries < PORTS_N; tries++) {
		uint16_t port = (uint16_t)(PORTS_FROM + at++ % PORTS_N);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool free;

		a.sin_port = htons(port);
		free = fd >= 0 && bind(fd, (struct sockaddr *)&a,
		    sizeof(a)) == 0;
		(void)close(fd);
		if (free)
			return port;
	}
	abort();
}

int
pair_dial(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

int
pair_folder(char *ret, const char *name)
{
	const char *tmp = getenv("TMPDIR");
	int n = -1;

	if (tmp != NULL && tmp[0] == '/')
		n = snprintf(ret, PAIR_DIR_MAX, "%s/%s-XXXXXX", tmp, name);
	if (n < 0 || n >= PAIR_DIR_MAX)
		(void)snprintf(ret, PAIR_DIR_MAX, "/tmp/%s-XXXXXX", name);
	return mkdtemp(ret) == NULL ? -1 : 0;
}

const struct mirror_status *
pair_st(const struct pair *p, int node)
{
	return mirror_status_peek(p->m[node]);
}

static void
changed(struct mirror *m, void *arg)
{
	struct pair *p = arg;
	int i;

	for (i = 0; i < 2; i++)
		if (p->m[i] == m && mirror_status_peek(m)->pid > 0)
			p->pid[i] = mirror_status_peek(m)->pid;
}

struct mirror_conf
pair_conf(struct pair *p, int node, char (*b)[128])
{
	struct mirror_conf c = {
		.id = "o3", .unit_uuid = UNIT, .volume_uuid = VOLUME,
		.node = (unsigned)node, .listen_addr = "127.0.0.1",
		.port = p->port[node], .peer_addrs = { "127.0.0.1" },
		.n_peer_addrs = 1, .peer_port = p->peer_port[node] != 0 ?
		    p->peer_port[node] : p->port[1 - node],
		.peer_timeout_ms = 1500,
		.resync_rate_kib_s = p->rate_kib_s,
	};

	(void)snprintf(b[0], sizeof(b[0]), "%s/leg%d", p->dir, node);
	(void)snprintf(b[1], sizeof(b[1]), "%s/run%d", p->dir, node);
	(void)snprintf(b[2], sizeof(b[2]), "%s/%s", p->dir,
	    p->psk[node] != NULL ? p->psk[node] : "psk");
	(void)snprintf(b[3], sizeof(b[3]), "%s/log%d", p->dir, node);
	(void)snprintf(b[4], sizeof(b[4]), "%s/nbdkit-avreplica-plugin.so",
	    getenv("B") != NULL ? getenv("B") : "build");
	c.dir = b[0];
	c.run_dir = b[1];
	c.psk_file = b[2];
	c.log_path = b[3];
	c.plugin_path = b[4];
	return c;
}

static bool
settled(struct pair *p)
{
	return (p->m[0] == NULL ||
	    pair_st(p, 0)->server != MIRROR_SERVER_STARTING) &&
	    (p->m[1] == NULL ||
	    pair_st(p, 1)->server != MIRROR_SERVER_STARTING);
}

static int
must_be_up(struct pair *p, int node)
{
	if (pair_wait(p, settled) == 0 &&
	    pair_st(p, node)->server == MIRROR_SERVER_UP)
		return 0;
	fprintf(stderr, "server %d: %s: %s\n", node,
	    pair_st(p, node)->error_code, pair_st(p, node)->error_text);
	return -1;
}

int
pair_open(struct pair *p, int node)
{
	char bufs[5][128];
	struct mirror_conf c = pair_conf(p, node, bufs);
	struct av_err err = { 0 };

	if (mirror_open("replica", &c, p->loop, changed, p, &p->m[node],
	    &err) < 0) {
		fprintf(stderr, "open: %s\n", err.text);
		return -1;
	}
	return must_be_up(p, node);
}

/* A plugin built with sanitizers needs their library in nbdkit from the start;
 * it is the one that this program has loaded itself. */
void
pair_preload_sanitizer(void)
{
	AUTO_FILE FILE *f = fopen("/proc/self/maps", "re");
	char line[512], *at;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, "/libasan.so") == NULL)
			continue;
		line[strcspn(line, "\n")] = '\0';
		at = strchr(line, '/');
		if (at != NULL)
			(void)setenv("AVPAIR_NBDKIT_PRELOAD", at, 1);
		return;
	}
}

static void remove_tree(struct pair *p);

/* A test that fails returns at once: its servers end with the program. */
static struct pair *left[64];

static void
left_end(void)
{
	size_t i;
	int k;

	for (i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		for (k = 0; left[i] != NULL && k < 2; k++)
			if (left[i]->pid[k] > 0)
				(void)kill(left[i]->pid[k], SIGKILL);
		if (left[i] != NULL)
			remove_tree(left[i]);
	}
}

static void
left_add(struct pair *p)
{
	static bool once;
	size_t i;

	if (!once)
		(void)atexit(left_end);
	once = true;
	for (i = 0; i < sizeof(left) / sizeof(left[0]); i++)
		if (left[i] == NULL) {
			left[i] = p;
			return;
		}
}

static void
left_remove(const struct pair *p)
{
	size_t i;

	for (i = 0; i < sizeof(left) / sizeof(left[0]); i++)
		if (left[i] == p)
			left[i] = NULL;
}

static bool faulty;		/* the next pair's disks */

static int
fault_start(struct pair *p, int node)
{
	char path[128], so[256], real[4096], list[4600];
	const char *b = getenv("B"), *before = getenv("AVPAIR_NBDKIT_PRELOAD");
	int fd;

	if (!faulty)
		return 0;
	(void)snprintf(so, sizeof(so), "%s/tests/unit/mirror/fault_disk.so",
	    b != NULL ? b : "build");
	if (realpath(so, real) == NULL)
		return -1;
	if (before == NULL || strstr(before, "fault_disk") == NULL) {
		(void)snprintf(list, sizeof(list), "%s%s%s",
		    before != NULL ? before : "", before != NULL ? ":" : "",
		    real);
		(void)setenv("AVPAIR_NBDKIT_PRELOAD", list, 1);
	}
	(void)snprintf(path, sizeof(path), "%s/leg%d/fault", p->dir, node);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, FAULT_FILE_BYTES) < 0)
		return -1;
	p->fault[node] = mmap(NULL, FAULT_FILE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	(void)close(fd);
	return p->fault[node] == MAP_FAILED ? -1 : 0;
}

struct pair *
pair_new(void)
{
	struct pair *p = calloc(1, sizeof(*p));
	char bufs[5][128];
	struct av_err err = { 0 };
	int i;

	pair_preload_sanitizer();
	if (p == NULL || sd_event_new(&p->loop) < 0)
		return NULL;
	if (pair_folder(p->dir, "avpair-mirror") < 0)
		return NULL;
	left_add(p);
	for (i = 0; i < 2; i++) {
		struct mirror_conf c;
		struct mirror_leg_spec spec;

		p->port[i] = pair_free_port();
		c = pair_conf(p, i, bufs);
		spec = (struct mirror_leg_spec){ .dir = c.dir, .id = c.id,
			.unit_uuid = UNIT, .volume_uuid = VOLUME,
			.size_bytes = PAIR_SIZE, .initial_current = 0x1234560,
			.gen = 1 };
		if (mkdir(c.dir, 0700) < 0 || av_file_write(c.psk_file, psk,
		    strlen(psk), 0600, &err) < 0 ||
		    mirror_leg_create("replica", &spec, &err) < 0) {
			fprintf(stderr, "leg: %s\n", err.text);
			return NULL;
		}
		if (fault_start(p, i) < 0)
			return NULL;
	}
	for (i = 0; i < 2; i++)
		if (pair_open(p, i) < 0)
			return NULL;
	return p;
}

static void
remove_tree(struct pair *p)
{
	static const char *const names[] = { "leg%d/fault", "leg%d/vol-o3.data",
		"leg%d/vol-o3.meta", "run%d/front.sock", "run%d/control.sock",
		"log%d", "run%d", "leg%d" };
	char path[160], name[64];
	size_t i;
	int n;

	for (n = 0; n < 3; n++) {
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			char *d;

			(void)snprintf(name, sizeof(name), "%s", names[i]);
			d = strstr(name, "%d");
			d[0] = (char)('0' + n);
			memmove(d + 1, d + 2, strlen(d + 2) + 1);
			(void)snprintf(path, sizeof(path), "%s/%s", p->dir,
			    name);
			(void)remove(path);
		}
	}
	(void)snprintf(path, sizeof(path), "%s/psk", p->dir);
	(void)remove(path);
	(void)snprintf(path, sizeof(path), "%s/psk2", p->dir);
	(void)remove(path);
	(void)rmdir(p->dir);
}

void
pair_free(struct pair *p)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (p->pid[i] > 0)
			(void)kill(p->pid[i], SIGKILL);
		p->m[i] = mirror_close(p->m[i]);
		if (p->fault[i] != NULL)
			(void)munmap(p->fault[i], FAULT_FILE_BYTES);
	}
	sd_event_unref(p->loop);
	remove_tree(p);
	left_remove(p);
	free(p);
}

int
pair_wait(struct pair *p, pair_cond cond)
{
	uint64_t due = av_clock_ns() + PAIR_WAIT_MS * AV_NS_PER_MS;

	while (!cond(p)) {
		if (av_clock_ns() > due) {
			fprintf(stderr, "waited in vain: conn %s/%s, %s %s\n",
			    mirror_conn_name(pair_st(p, 0)->conn),
			    mirror_conn_name(pair_st(p, 1)->conn),
			    pair_st(p, 0)->error_text,
			    pair_st(p, 1)->error_text);
			return -1;
		}
		if (sd_event_run(p->loop, 20000) < 0)
			return -1;
	}
	return 0;
}

static int wait_node;
static enum mirror_conn wait_conn;

static bool
conn_is(struct pair *p)
{
	return pair_st(p, wait_node)->conn == wait_conn;
}

bool
pair_in_step(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_CONNECTED &&
	    pair_st(p, 1)->conn == MIRROR_CONNECTED;
}

bool
pair_holds(struct pair *p)
{
	return pair_st(p, 0)->conn == MIRROR_HELD &&
	    pair_st(p, 0)->held_requests > 0;
}

int
pair_wait_conn(struct pair *p, int node, enum mirror_conn conn)
{
	wait_node = node;
	wait_conn = conn;
	return pair_wait(p, conn_is);
}

/* --- orders --- */

void
pair_order_done(struct mirror_op *op, int rc, const struct av_err *err)
{
	struct pair_outcome *o = (struct pair_outcome *)(void *)op;

	o->over = true;
	o->rc = rc;
	(void)snprintf(o->code, sizeof(o->code), "%s", err->code);
	o->n = op->n_digests;
	o->digests = op->digests;
	op->digests = NULL;
	if (o->n > 0) {
		uint32_t *copy = calloc(o->n, sizeof(*copy));

		if (copy == NULL)
			abort();
		memcpy(copy, o->digests, o->n * sizeof(*copy));
		o->digests = copy;
	}
}

int
pair_order_wait(struct pair *p, struct pair_outcome *o, int rc,
    const struct av_err *err)
{
	if (rc < 0) {
		(void)snprintf(o->code, sizeof(o->code), "%s", err->code);
		return rc;
	}
	while (!o->over)
		if (sd_event_run(p->loop, 20000) < 0)
			return -EIO;
	return o->rc;
}

int
pair_primary(struct pair *p, int node, bool alone, uint64_t gen, char *code)
{
	struct pair_outcome o = { .op.done = pair_order_done };
	struct mirror_primary_req req = { .alone = alone, .gen = gen };
	struct av_err err = { 0 };
	int rc = mirror_primary(p->m[node], &o.op, &req, &err);

	rc = pair_order_wait(p, &o, rc, &err);
	if (code != NULL)
		(void)snprintf(code, 32, "%s", o.code);
	return rc;
}

int
pair_alone(struct pair *p, int node, uint64_t gen)
{
	struct pair_outcome o = { .op.done = pair_order_done };
	struct av_err err = { 0 };
	int rc = mirror_alone(p->m[node], &o.op, gen, &err);

	return pair_order_wait(p, &o, rc, &err);
}

int
pair_diskless(struct pair *p, int node, uint64_t gen, char *code)
{
	struct pair_outcome o = { .op.done = pair_order_done };
	struct av_err err = { 0 };
	int rc = mirror_diskless(p->m[node], &o.op, gen, &err);

	rc = pair_order_wait(p, &o, rc, &err);
	if (code != NULL)
		(void)snprintf(code, 32, "%s", o.code);
	return rc;
}

int
pair_order(struct pair *p, int node, enum mirror_verb verb)
{
	struct pair_outcome o = { .op.done = pair_order_done };
	struct av_err err = { 0 };
	struct mirror *m = p->m[node];
	int rc;

	switch (verb) {
	case MIRROR_V_SECONDARY:
		rc = mirror_secondary(m, &o.op, &err);
		break;
	case MIRROR_V_OUTDATE:
		rc = mirror_outdate(m, &o.op, &err);
		break;
	case MIRROR_V_CONNECT:
		rc = mirror_connect(m, &o.op, &err);
		break;
	case MIRROR_V_DISCONNECT:
		rc = mirror_disconnect(m, &o.op, &err);
		break;
	case MIRROR_V_STOP:
		rc = mirror_stop(m, &o.op, &err);
		break;
	case MIRROR_V_RATE:
		rc = mirror_set_rate(m, &o.op, p->rate_kib_s, &err);
		break;
	case MIRROR_V_RESYNC_PAUSE:
		rc = mirror_resync_pause(m, &o.op, &err);
		break;
	case MIRROR_V_RESYNC_RESUME:
		rc = mirror_resync_resume(m, &o.op, &err);
		break;
	default:
		return -EINVAL;
	}
	return pair_order_wait(p, &o, rc, &err);
}

int
pair_discard(struct pair *p, int node, uint64_t winner_base)
{
	struct pair_outcome o = { .op.done = pair_order_done };
	struct av_err err = { 0 };
	int rc = mirror_discard(p->m[node], &o.op, winner_base, &err);

	return pair_order_wait(p, &o, rc, &err);
}

struct pair *
pair_new_connected(void)
{
	struct pair *p = pair_new();

	if (p == NULL)
		return NULL;
	if (pair_primary(p, 0, false, 0, NULL) < 0 ||
	    pair_wait_conn(p, 0, MIRROR_CONNECTED) < 0 ||
	    pair_wait_conn(p, 1, MIRROR_CONNECTED) < 0) {
		pair_free(p);
		return NULL;
	}
	return p;
}

struct pair *
pair_new_faulty(void)
{
	struct pair *p;

	faulty = true;
	p = pair_new_connected();
	faulty = false;
	return p;
}

void
pair_signal(struct pair *p, int node, int sig)
{
	if (p->pid[node] > 0)
		(void)kill(p->pid[node], sig);
}

static bool
node_down(struct pair *p)
{
	return pair_st(p, wait_node)->server == MIRROR_SERVER_DOWN;
}

int
pair_kill_wait_down(struct pair *p, int node)
{
	pair_signal(p, node, SIGKILL);
	p->pid[node] = 0;
	wait_node = node;
	return pair_wait(p, node_down);
}

int
pair_restart(struct pair *p, int node)
{
	struct av_err err = { 0 };

	if (mirror_start(p->m[node], &err) < 0) {
		fprintf(stderr, "start: %s\n", err.text);
		return -1;
	}
	return must_be_up(p, node);
}

uint32_t *
pair_digests(struct pair *p, int node, size_t *ret_n)
{
	struct pair_outcome o = { .op.done = pair_order_done };
	struct av_err err = { 0 };
	int rc = mirror_digest(p->m[node], &o.op, 0, p->digest_bytes, &err);

	if (pair_order_wait(p, &o, rc, &err) < 0)
		return NULL;
	*ret_n = o.n;
	return o.digests;
}

int
pair_equal(struct pair *p)
{
	size_t n[2] = { 0, 0 };
	uint32_t *d[2];
	int equal = -1;

	d[0] = pair_digests(p, 0, &n[0]);
	d[1] = pair_digests(p, 1, &n[1]);
	if (d[0] != NULL && d[1] != NULL && n[0] ==
	    (p->digest_bytes != 0 ? p->digest_bytes : PAIR_SIZE) >> 20)
		equal = n[0] == n[1] &&
		    memcmp(d[0], d[1], n[0] * sizeof(*d[0])) == 0;
	free(d[0]);
	free(d[1]);
	return equal;
}

/* --- guests --- */

static struct nbd_handle *
guest_connect(struct pair *p, int node)
{
	struct nbd_handle *h = nbd_create();
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/run%d/front.sock", p->dir,
	    node);
	if (h == NULL || nbd_set_export_name(h, "front") < 0 ||
	    nbd_connect_unix(h, path) < 0) {
		fprintf(stderr, "guest: %s\n", nbd_get_error());
		nbd_close(h);
		return NULL;
	}
	return h;
}

struct nbd_handle *
pair_front(struct pair *p, int node)
{
	return guest_connect(p, node);
}

static uint64_t
next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static int
guest_write(struct guest *g, struct nbd_handle *h, uint64_t *buf,
    size_t block, uint64_t value)
{
	uint64_t offset = (g->first + block) * PAIR_BLOCK;
	size_t i, n = PAIR_BLOCK;

	if (g->overlap) {	/* any 512-aligned piece of the region */
		offset = g->first * PAIR_BLOCK + next_random(&g->seed) %
		    (g->n * PAIR_BLOCK / 512) * 512;
		n = 512 * (1 + next_random(&g->seed) % 64);
		if (offset + n > (g->first + g->n) * PAIR_BLOCK)
			n = 512;
	}
	if (g->whole) {
		offset = g->first * PAIR_BLOCK;
		n = g->n * PAIR_BLOCK;
	}
	for (i = 0; i < n / 8; i++)
		buf[i] = value;
	if (next_random(&g->seed) % 64 == 0 && g->overlap)
		return nbd_zero(h, n, offset, 0);
	if (next_random(&g->seed) % 64 == 0 && g->overlap)
		return nbd_trim(h, n, offset, 0);
	if (next_random(&g->seed) % 16 == 0 && nbd_flush(h, 0) < 0)
		return -1;
	return nbd_pwrite(h, buf, n, offset,
	    next_random(&g->seed) % 8 == 0 ? LIBNBD_CMD_FLAG_FUA : 0);
}

static void *
guest_run(void *arg)
{
	struct guest *g = arg;
	struct nbd_handle *h = guest_connect(g->p, g->node);
	uint64_t *buf = malloc(65536), count = 0;

	if (h == NULL || buf == NULL) {
		g->failed = true;
		g->over = true;
		return NULL;
	}
	while (!g->stop && (g->limit == 0 || g->acked < g->limit)) {
		size_t block = next_random(&g->seed) % g->n;
		uint64_t value = ++count << 8 | g->value_tag;

		g->tried[block] = value;
		if (guest_write(g, h, buf, block, value) < 0) {
			g->failed = true;
			break;
		}
		g->value[block] = value;
		g->acked++;
	}
	nbd_close(h);
	free(buf);
	g->over = true;
	return NULL;
}

int
guest_start(struct guest *g, struct pair *p, int node, size_t first,
    size_t n)
{
	bool overlap = g->overlap, whole = g->whole;
	size_t limit = g->limit;
	uint64_t tag = g->value_tag != 0 ? g->value_tag : first & 0xff;

	memset(g, 0, sizeof(*g));
	g->p = p;
	g->node = node;
	g->first = first;
	g->n = n;
	g->overlap = overlap;
	g->whole = whole;
	g->value_tag = tag;
	g->limit = limit;
	g->seed = first + 7;
	g->value = calloc(n, sizeof(*g->value));
	g->tried = calloc(n, sizeof(*g->tried));
	if (g->value == NULL || g->tried == NULL)
		return -1;
	return pthread_create(&g->thread, NULL, guest_run, g) == 0 ? 0 : -1;
}

void
guest_stop(struct guest *g)
{
	g->stop = true;
	(void)pthread_join(g->thread, NULL);
}

void
guest_stop_at_limit(struct guest *g)
{
	(void)pthread_join(g->thread, NULL);
}

void
guest_dispose(struct guest *g)
{
	free(g->value);
	free(g->tried);
	g->value = g->tried = NULL;
}

int
guest_check(struct guest *g, int node)
{
	struct nbd_handle *h = guest_connect(g->p, node);
	uint64_t buf[PAIR_BLOCK / 8];
	int lost = 0;
	size_t i;

	if (h == NULL)
		return -1;
	for (i = 0; i < g->n; i++) {
		if (nbd_pread(h, buf, sizeof(buf),
		    (g->first + i) * PAIR_BLOCK, 0) < 0) {
			fprintf(stderr, "read: %s\n", nbd_get_error());
			lost = -1;
			break;
		}
		if (buf[0] != g->value[i] && buf[0] != g->tried[i])
			lost++;
	}
	nbd_close(h);
	return lost;
}

int
guest_wait_acked(struct guest *g, size_t n)
{
	uint64_t due = av_clock_ns() + PAIR_WAIT_MS * AV_NS_PER_MS;
	size_t want = g->acked + n;

	while (g->acked < want && !g->over) {
		if (av_clock_ns() > due ||
		    sd_event_run(g->p->loop, 10000) < 0)
			return -1;
	}
	return g->failed ? -1 : 0;
}
