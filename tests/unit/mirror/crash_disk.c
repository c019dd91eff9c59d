/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_disk.c - the PMs' files, their log, power cuts
 *
 * Paths are "/N/vol-o3.data" and ".meta", N the node.  A failed sync behaves as
 * Linux does: what was pending is never durable, later syncs succeed.
 */
#include "tests/unit/mirror/crash_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define FD_BASE		1000
#define META_BYTES	(SIM_META_SECTORS * SIM_SECTOR)

struct sim_disk *sim_disk[2];
struct sim_ops sim_ops;
struct sim_fault sim_fault;

static bool exists[2][2];
static int locked[2];

/* --- one disk --- */

static void
image_put(struct sim_image *im, unsigned file, size_t sector,
    const uint8_t *from)
{
	if (file == SIM_DATA)
		memcpy(&im->data[sector], from, 4);
	else
		memcpy(im->meta + sector * SIM_SECTOR, from, SIM_SECTOR);
}

static size_t
unit_bytes(unsigned file)
{
	return file == SIM_DATA ? 4 : SIM_SECTOR;
}

static void
image_apply(struct sim_image *im, const struct op *op)
{
	size_t u = unit_bytes(op->file);
	void *to = op->file == SIM_DATA ? (void *)&im->data[op->first] :
	    im->meta + (size_t)op->first * SIM_SECTOR;

	memcpy(to, sim_ops.bytes + op->at, op->n * u);
}

static void
drop_before(struct sim_disk *d, unsigned file, uint32_t until, bool apply)
{
	size_t i, kept = 0;

	for (i = 0; i < d->n_pending[file]; i++) {
		uint32_t at = d->pending[file][i];

		if (at >= until)
			d->pending[file][kept++] = at;
		else if (apply)
			image_apply(&d->durable, &sim_ops.op[at]);
	}
	d->n_pending[file] = kept;
}

void
sim_disk_step(struct sim_disk *d, const struct op *op, uint32_t index)
{
	switch ((enum op_kind)op->kind) {
	case OP_WRITE:
		image_apply(&d->cached, op);
		AV_ASSERT(d->n_pending[op->file] < SIM_PENDING_MAX);
		d->pending[op->file][d->n_pending[op->file]++] = index;
		break;
	case OP_SYNC:
		drop_before(d, op->file, op->until, true);
		break;
	case OP_SYNC_FAILED:
		drop_before(d, op->file, op->until, false);
		break;
	case OP_RESET:
		image_apply(&d->cached, op);
		image_apply(&d->durable, op);
		d->n_pending[op->file] = 0;
		break;
	}
}

/* Part of one write: single sectors, or pages, by chance or from one end. */
static void
apply_torn(struct sim_image *im, const struct op *op)
{
	size_t u = unit_bytes(op->file), i;
	unsigned how = sim_below(3), step = sim_chance(50) ? 1 : 8;
	size_t edge = sim_below(op->n + 1u);
	bool keep = false;

	for (i = 0; i < op->n; i++) {
		if (how == 0)
			keep = i < edge;
		else if (how == 1)
			keep = i >= edge;
		else if (i == 0 || (op->first + i) % step == 0)
			keep = sim_chance(50);
		if (keep)
			image_put(im, op->file, op->first + i,
			    sim_ops.bytes + op->at + i * u);
	}
}

void
sim_disk_cut(const struct sim_disk *d, enum sim_tear how,
    struct sim_image *ret)
{
	unsigned file;
	size_t i, n, edge;

	*ret = how == TEAR_ALL ? d->cached : d->durable;
	if (how == TEAR_ALL || how == TEAR_NONE)
		return;
	for (file = 0; file < 2; file++) {
		n = d->n_pending[file];
		edge = sim_below((unsigned)n + 1);
		for (i = 0; i < n; i++) {
			const struct op *op =
			    &sim_ops.op[d->pending[file][i]];
			unsigned dice = how == TEAR_PREFIX ?
			    (i < edge ? 0 : i == edge ? 2 : 1) : sim_below(3);

			if (dice == 0)
				image_apply(ret, op);
			else if (dice == 2)
				apply_torn(ret, op);
		}
	}
}

/* --- the log --- */

static void
log_add(int node, unsigned file, enum op_kind kind, size_t first, size_t n,
    const void *bytes, uint32_t until)
{
	struct sim_ops *l = &sim_ops;
	size_t n_bytes = bytes == NULL ? 0 : n * unit_bytes(file);
	struct op *op;

	if (l->n == l->max) {
		l->max = l->max == 0 ? 1024 : l->max * 2;
		l->op = realloc(l->op, l->max * sizeof(*l->op));
		AV_ASSERT(l->op != NULL);
	}
	if (l->n_bytes + n_bytes > l->max_bytes) {
		l->max_bytes = (l->max_bytes + n_bytes) * 2;
		l->bytes = realloc(l->bytes, l->max_bytes);
		AV_ASSERT(l->bytes != NULL);
	}
	op = &l->op[l->n++];
	*op = (struct op){ .tick = sim.tick++, .at = (uint32_t)l->n_bytes,
		.until = until, .first = (uint16_t)first, .n = (uint16_t)n,
		.kind = (uint8_t)kind, .node = (uint8_t)node,
		.file = (uint8_t)file };
	if (bytes != NULL)
		memcpy(l->bytes + l->n_bytes, bytes, n_bytes);
	l->n_bytes += n_bytes;
	sim_disk_step(sim_disk[node], op, (uint32_t)l->n - 1);
}

/* While nothing is logged a write is in the cache at once, and durable: who
 * replays cuts no power during recovery. */
static void
put(int node, unsigned file, size_t first, size_t n, const void *bytes)
{
	if (sim_ops.on) {
		log_add(node, file, OP_WRITE, first, n, bytes, 0);
		return;
	}
	memcpy(file == SIM_DATA ? (void *)&sim_disk[node]->cached.data[first] :
	    sim_disk[node]->cached.meta + first * SIM_SECTOR, bytes,
	    n * unit_bytes(file));
}

void
sim_disks_reset(void)
{
	int node;

	for (node = 0; node < 2; node++) {
		if (sim_disk[node] == NULL)
			sim_disk[node] = malloc(sizeof(*sim_disk[node]));
		AV_ASSERT(sim_disk[node] != NULL);
		memset(sim_disk[node], 0, sizeof(*sim_disk[node]));
		exists[node][0] = exists[node][1] = false;
		locked[node] = 0;
	}
	sim_ops.n = sim_ops.n_bytes = 0;
}

void
sim_disk_set(int node, const struct sim_image *im)
{
	if (sim_ops.on) {
		log_add(node, SIM_DATA, OP_RESET, 0, SIM_SECTORS + 1, im->data,
		    0);
		log_add(node, SIM_META, OP_RESET, 0, SIM_META_SECTORS,
		    im->meta, 0);
	} else {
		sim_disk[node]->cached = *im;
	}
}

void
sim_disk_close_all(int node)
{
	locked[node] = 0;
}

/* --- faults --- */

static bool
fails(int node, unsigned file, int kind)
{
	struct sim_fault *f = &sim_fault;

	if (!f->armed || !sim_ops.on || f->node != node || f->file != (int)file ||
	    f->kind != kind)
		return false;
	if (f->countdown > 0) {
		f->countdown--;
		return false;
	}
	if (f->fired > 0 && !f->persist)
		return false;
	f->fired++;
	errno = f->error;
	return true;
}

/* --- files --- */

static int
node_of(int fd)
{
	return (fd - FD_BASE) / 2;
}

static unsigned
file_of(int fd)
{
	return (unsigned)(fd - FD_BASE) % 2;
}

static bool
is_file(int fd)
{
	return fd >= FD_BASE && fd < FD_BASE + 4;
}

/* -1 = a folder */
static int
path_fd(const char *path)
{
	size_t n = strlen(path);
	int node = path[1] - '0';

	AV_ASSERT(node == 0 || node == 1);
	if (n < 5)
		return -1;
	return FD_BASE + node * 2 +
	    (strcmp(path + n - 5, ".meta") == 0 ? SIM_META : SIM_DATA);
}

int
sim_open(const char *path, int flags, ...)
{
	int fd = path_fd(path);
	bool *is;

	if (fd < 0)
		return FD_BASE + 10;
	is = &exists[node_of(fd)][file_of(fd)];
	if (*is == ((flags & O_EXCL) != 0)) {
		errno = *is ? EEXIST : ENOENT;
		return -1;
	}
	*is = true;
	return fd;
}

int
sim_close(int fd)
{
	if (is_file(fd) && file_of(fd) == SIM_META)
		locked[node_of(fd)] = 0;
	return 0;
}

int
sim_flock(int fd, int how)
{
	(void)how;
	if (locked[node_of(fd)]) {
		errno = EWOULDBLOCK;
		return -1;
	}
	locked[node_of(fd)] = 1;
	return 0;
}

static uint32_t
length(int node)
{
	return sim_disk[node]->cached.data[SIM_SECTORS];
}

static void
set_length(int node, off_t n)
{
	uint32_t v = (uint32_t)(n / SIM_SECTOR);

	AV_ASSERT(v <= SIM_SECTORS);
	put(node, SIM_DATA, SIM_SECTORS, 1, &v);
}

int
sim_fstat(int fd, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFREG;
	st->st_size = file_of(fd) == SIM_DATA ?
	    (off_t)length(node_of(fd)) * SIM_SECTOR : META_BYTES;
	return 0;
}

int
sim_access(const char *path, int mode)
{
	int fd = path_fd(path);

	(void)mode;
	errno = ENOENT;
	return exists[node_of(fd)][file_of(fd)] ? 0 : -1;
}

int
sim_unlink(const char *path)
{
	int fd = path_fd(path);

	exists[node_of(fd)][file_of(fd)] = false;
	return 0;
}

int
sim_ftruncate(int fd, off_t n)
{
	static const uint32_t zeros[SIM_SECTORS];
	int node = node_of(fd);
	size_t at = (size_t)n / SIM_SECTOR, was = length(node);

	if (file_of(fd) != SIM_DATA || at == was)
		return 0;
	sim_yield();
	if (at < was)
		put(node, SIM_DATA, at, was - at, zeros);
	set_length(node, n);
	sim_yield();
	return 0;
}

void
sim_fill(void *buf, size_t n_sectors, const uint32_t *values)
{
	uint64_t *at = buf;
	size_t i, k;

	for (i = 0; i < n_sectors; i++)
		for (k = 0; k < SIM_SECTOR / 8; k++)
			*at++ = values[i];
}

ssize_t
sim_pread(int fd, void *buf, size_t n, off_t off)
{
	const struct sim_image *im = &sim_disk[node_of(fd)]->cached;

	AV_ASSERT(is_file(fd));
	sim_yield();
	if (file_of(fd) == SIM_META) {
		AV_ASSERT((uint64_t)off + n <= META_BYTES);
		memcpy(buf, im->meta + off, n);
	} else {
		AV_ASSERT((uint64_t)off + n <= SIM_SIZE);
		if ((uint64_t)off + n > length(node_of(fd)) *
		    (uint64_t)SIM_SECTOR)
			return 0;
		sim_fill(buf, n / SIM_SECTOR, im->data + off / SIM_SECTOR);
	}
	return (ssize_t)n;
}

ssize_t
sim_pwrite(int fd, const void *buf, size_t n, off_t off)
{
	static uint32_t values[SIM_SECTORS];
	int node = node_of(fd);
	unsigned file = file_of(fd);
	size_t i, n_sectors = n / SIM_SECTOR, first = (size_t)off / SIM_SECTOR;

	AV_ASSERT(is_file(fd) && off % SIM_SECTOR == 0 && n % SIM_SECTOR == 0);
	sim_yield();
	if (fails(node, file, FAULT_WRITE))
		return -1;
	if (file == SIM_META) {
		AV_ASSERT(first + n_sectors <= SIM_META_SECTORS);
		put(node, file, first, n_sectors, buf);
	} else {
		AV_ASSERT(first + n_sectors <= length(node));
		for (i = 0; i < n_sectors; i++) {
			uint64_t v;

			memcpy(&v, (const uint8_t *)buf + i * SIM_SECTOR, 8);
			values[i] = (uint32_t)v;
		}
		put(node, file, first, n_sectors, values);
	}
	sim_yield();
	return (ssize_t)n;
}

int
sim_fallocate(int fd, int mode, off_t off, off_t n)
{
	static const uint32_t zeros[SIM_SECTORS];

	AV_ASSERT(file_of(fd) == SIM_DATA);
	sim_yield();
	if (fails(node_of(fd), file_of(fd), FAULT_ZERO))
		return -1;
	if (mode == 0) {
		set_length(node_of(fd), off + n);
		return 0;
	}
	put(node_of(fd), SIM_DATA, (size_t)off / SIM_SECTOR,
	    (size_t)n / SIM_SECTOR, zeros);
	sim_yield();
	return 0;
}

int
sim_fdatasync(int fd)
{
	uint32_t until = (uint32_t)sim_ops.n;
	bool bad;

	if (!is_file(fd) || !sim_ops.on)
		return 0;
	sim_yield();
	bad = fails(node_of(fd), file_of(fd), FAULT_SYNC);
	sim_yield();
	log_add(node_of(fd), file_of(fd), bad ? OP_SYNC_FAILED : OP_SYNC, 0,
	    0, NULL, until);
	sim_yield();
	if (bad)
		errno = sim_fault.error;
	return bad ? -1 : 0;
}
