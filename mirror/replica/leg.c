/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/leg.c - the files of a leg: create, open, read, delete
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "mirror/replica/meta.h"

int
leg_pread_all(int fd, void *buf, size_t n, uint64_t offset)
{
	uint8_t *at = buf;

	while (n > 0) {
		ssize_t r = pread(fd, at, n, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -EIO;	/* the file is shorter than it says */
		at += r;
		n -= (size_t)r;
		offset += (uint64_t)r;
	}
	return 0;
}

int
leg_pwrite_all(int fd, const void *buf, size_t n, uint64_t offset)
{
	const uint8_t *at = buf;

	while (n > 0) {
		ssize_t r = pwrite(fd, at, n, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		at += r;
		n -= (size_t)r;
		offset += (uint64_t)r;
	}
	return 0;
}

int
leg_zero(int fd, uint64_t offset, uint64_t n)
{
	static const uint8_t zeros[65536];

	if (fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	    (off_t)offset, (off_t)n) == 0)
		return 0;
	while (n > 0) {
		size_t part = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);
		int rc = leg_pwrite_all(fd, zeros, part, offset);

		if (rc < 0)
			return rc;
		offset += part;
		n -= part;
	}
	return 0;
}

int
leg_trim(int fd, bool sparse, uint64_t offset, uint64_t n)
{
	if (sparse && fallocate(fd, FALLOC_FL_PUNCH_HOLE |
	    FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n) == 0)
		return 0;
	return leg_zero(fd, offset, n);
}

static int
leg_path(char *buf, size_t n, const char *dir, const char *id,
    const char *kind, struct av_err *err)
{
	int r;

	if (id[0] == '\0' || strlen(id) >= MIRROR_ID_MAX ||
	    id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
		return av_err_code(err, -EINVAL, "bad-request",
		    "'%s' isn't a volume id", id);
	r = snprintf(buf, n, "%s/vol-%s.%s", dir, id, kind);
	if (r < 0 || (size_t)r >= n)
		return av_err_code(err, -ENAMETOOLONG, "bad-request",
		    "folder '%s': path too long", dir);
	return 0;
}

static int
dir_sync(const char *dir)
{
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int
leg_errno(struct av_err *err, int rc, const char *path, const char *what)
{
	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG)
		return av_err_code(err, rc, "no-space",
		    "'%s': not enough space", path);
	return av_err_code(err, rc, "disk-error", "'%s': %s: %s", path, what,
	    strerror(-rc));
}

/* --- create --- */

static int
data_create(const char *path, uint64_t size_bytes, bool *ret_sparse,
    struct av_err *err)
{
	AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);

	if (fd < 0)
		return errno == EEXIST ?
		    av_err_code(err, -EEXIST, "leg-exists",
		    "'%s' exists already", path) :
		    leg_errno(err, -errno, path, "create");
	*ret_sparse = false;
	if (fallocate(fd, 0, 0, (off_t)size_bytes) < 0) {
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			return leg_errno(err, -errno, path, "allocate");
		*ret_sparse = true;
		if (ftruncate(fd, (off_t)size_bytes) < 0)
			return leg_errno(err, -errno, path, "allocate");
	}
	if (fsync(fd) < 0)
		return leg_errno(err, -errno, path, "sync");
	return 0;
}

static int
meta_create(const char *path, const struct meta_sb *sb, struct av_err *err)
{
	AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	uint8_t bits[META_PAGE_BIT_BYTES] = { 0 };
	struct leg leg = { .meta_fd = fd, .sb = *sb };
	size_t page, n_pages = meta_pages(meta_chunks(sb->size_bytes));
	int rc = 0;

	if (fd < 0)
		return errno == EEXIST ?
		    av_err_code(err, -EEXIST, "leg-exists",
		    "'%s' exists already", path) :
		    leg_errno(err, -errno, path, "create");
	for (page = 0; page < n_pages && rc == 0; page++)
		rc = leg_write_page(&leg, page, bits);
	if (rc == 0)
		rc = leg_write_sb(&leg);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	return rc < 0 ? leg_errno(err, rc, path, "write") : 0;
}

static int
spec_check(const struct mirror_leg_spec *spec, struct meta_sb *sb,
    struct av_err *err)
{
	*sb = (struct meta_sb){
		.size_bytes = spec->size_bytes,
		.current = spec->initial_current == 0 ?
		    IDENTITY_JUST_CREATED :
		    identity_clean_random(spec->initial_current),
		.gen = spec->gen,
		.flags = spec->initial_current == 0 ? 0 :
		    META_CONSISTENT | META_UPTODATE,
	};
	if (spec->size_bytes < MIRROR_SIZE_MIN_BYTES ||
	    spec->size_bytes > MIRROR_SIZE_MAX_BYTES ||
	    spec->size_bytes % 512 != 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "volume size must be a multiple of 512 bytes, at most "
		    "16 TiB");
	if (meta_uuid_parse(spec->unit_uuid, sb->unit_uuid) < 0 ||
	    meta_uuid_parse(spec->volume_uuid, sb->volume_uuid) < 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a UUID isn't 32 hex digits");
	return 0;
}

int
leg_create(const struct mirror_leg_spec *spec, struct av_err *err)
{
	char data[PATH_MAX], meta[PATH_MAX];
	struct meta_sb sb;
	bool sparse = false;
	int rc;

	rc = leg_path(data, sizeof(data), spec->dir, spec->id, "data", err);
	if (rc == 0)
		rc = leg_path(meta, sizeof(meta), spec->dir, spec->id, "meta",
		    err);
	if (rc == 0)
		rc = spec_check(spec, &sb, err);
	if (rc < 0)
		return rc;
	/* Data first: a metadata file means that the leg is complete; data
	 * without metadata is a creation that was cut off. */
	if (access(meta, F_OK) == 0)
		return av_err_code(err, -EEXIST, "leg-exists",
		    "'%s' exists already", meta);
	(void)unlink(data);
	rc = data_create(data, spec->size_bytes, &sparse, err);
	if (rc == 0) {
		if (sparse)
			sb.flags |= META_SPARSE;
		rc = meta_create(meta, &sb, err);
	}
	if (rc == 0) {
		rc = dir_sync(spec->dir);
		if (rc < 0)
			(void)leg_errno(err, rc, spec->dir, "sync");
	}
	if (rc < 0 && rc != -EEXIST) {
		(void)unlink(meta);	/* best effort: nothing left behind */
		(void)unlink(data);
	}
	return rc;
}

/* --- open --- */

static int
meta_read_sb(int fd, const char *path, struct meta_sb *ret,
    unsigned *ret_first, struct av_err *err)
{
	uint8_t two[2 * META_BLOCK_BYTES];
	struct meta_sb other;
	int rc = leg_pread_all(fd, two, sizeof(two), 0);

	if (rc == 0)
		rc = meta_sb_choose(two, sizeof(two), ret);
	if (rc == -EPROTONOSUPPORT)
		return av_err_code(err, rc, "metadata-newer",
		    "'%s' was written by a newer version", path);
	if (rc < 0)
		return av_err_code(err, -EBADMSG, "metadata-damaged",
		    "'%s': both copies of the superblock are damaged", path);
	/* Copy 1 is the one to spare unless only copy 0 says this. */
	*ret_first = meta_sb_decode(two + META_BLOCK_BYTES, META_BLOCK_BYTES,
	    &other) < 0 || other.seq != ret->seq ? 1 : 0;
	return 0;
}

static int
bitmap_read(struct leg *leg)
{
	uint8_t block[META_BLOCK_BYTES];
	size_t page;

	leg->n_chunks = meta_chunks(leg->sb.size_bytes);
	leg->n_pages = meta_pages(leg->n_chunks);
	leg->bits = calloc(leg->n_pages, META_PAGE_BIT_BYTES);
	if (leg->bits == NULL)
		return -ENOMEM;
	for (page = 0; page < leg->n_pages; page++) {
		uint8_t *at = leg->bits + page * META_PAGE_BIT_BYTES;

		if (leg_pread_all(leg->meta_fd, block, sizeof(block),
		    (page + 2) * META_BLOCK_BYTES) < 0 ||
		    meta_page_decode(block, sizeof(block), page, at) < 0) {
			memset(at, 0xff, META_PAGE_BIT_BYTES);
			leg->n_bad_pages++;
		}
	}
	return 0;
}

static int
meta_open(struct leg *leg, const char *path, struct av_err *err)
{
	int rc;

	leg->meta_fd = open(path, O_RDWR | O_CLOEXEC);
	if (leg->meta_fd < 0)
		return errno == ENOENT ?
		    av_err_code(err, -ENOENT, "leg-missing",
		    "'%s' doesn't exist", path) :
		    leg_errno(err, -errno, path, "open");
	if (flock(leg->meta_fd, LOCK_EX | LOCK_NB) < 0)
		return av_err_code(err, -EBUSY, "volume-in-use",
		    "'%s' is in use by another process", path);
	rc = meta_read_sb(leg->meta_fd, path, &leg->sb, &leg->sb_first, err);
	return rc;
}

int
leg_open(const char *dir, const char *id, const uint8_t unit_uuid[16],
    const uint8_t volume_uuid[16], struct leg **ret, struct av_err *err)
{
	char data[PATH_MAX], meta[PATH_MAX];
	struct leg *leg = NULL;
	struct stat st;
	int rc;

	rc = leg_path(data, sizeof(data), dir, id, "data", err);
	if (rc == 0)
		rc = leg_path(meta, sizeof(meta), dir, id, "meta", err);
	if (rc < 0)
		return rc;
	leg = calloc(1, sizeof(*leg));
	if (leg == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	leg->data_fd = leg->meta_fd = -1;
	leg->sync = calloc(1, sizeof(*leg->sync));
	if (leg->sync == NULL ||
	    pthread_mutex_init(&leg->sync->mu, NULL) != 0) {
		rc = av_err_set(err, -ENOMEM, "no memory");
		goto out;
	}
	rc = meta_open(leg, meta, err);
	if (rc < 0)
		goto out;
	if ((unit_uuid != NULL &&
	    memcmp(unit_uuid, leg->sb.unit_uuid, 16) != 0) ||
	    (volume_uuid != NULL &&
	    memcmp(volume_uuid, leg->sb.volume_uuid, 16) != 0)) {
		rc = av_err_code(err, -EINVAL, "metadata-other-volume",
		    "'%s' belongs to another volume or unit", meta);
		goto out;
	}
	leg->data_fd = open(data, O_RDWR | O_CLOEXEC);
	if (leg->data_fd < 0 && errno == ENOENT) {
		rc = av_err_code(err, -ENOENT, "leg-missing",
		    "'%s' is missing, its metadata is there", data);
		goto out;
	}
	if (leg->data_fd < 0 || fstat(leg->data_fd, &st) < 0) {
		rc = leg_errno(err, -errno, data, "open");
		goto out;
	}
	if (!S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size < leg->sb.size_bytes) {
		/* longer is fine: growing was cut off (grow.c) */
		rc = av_err_code(err, -EINVAL, "metadata-damaged",
		    "'%s' isn't of the size that its metadata says", data);
		goto out;
	}
	rc = bitmap_read(leg);
	if (rc < 0) {
		(void)leg_errno(err, rc, meta, "read");
		goto out;
	}
	*ret = TAKE_PTR(leg);
out:
	leg_close(leg);
	return rc;
}

struct leg *
leg_close(struct leg *leg)
{
	int saved = errno;

	if (leg != NULL) {
		if (leg->data_fd >= 0)
			(void)close(leg->data_fd);	/* synced by callers */
		if (leg->meta_fd >= 0)
			(void)close(leg->meta_fd);
		free(leg->bits);
		free(leg->sync);
		free(leg);
	}
	errno = saved;
	return NULL;
}

int
leg_meta_sync(struct leg *leg)
{
	struct leg_sync *sync = leg->sync;
	int rc;

	if (sync == NULL)
		return fdatasync(leg->meta_fd) < 0 ? -errno : 0;
	pthread_mutex_lock(&sync->mu);
	rc = sync->failed ? -EIO :
	    fdatasync(leg->meta_fd) < 0 ? -errno : 0;
	sync->failed |= rc < 0;
	pthread_mutex_unlock(&sync->mu);
	return rc;
}

int
leg_write_sb(struct leg *leg)
{
	uint8_t block[META_BLOCK_BYTES];
	unsigned turn;
	int rc;

	leg->sb.seq++;
	meta_sb_encode(&leg->sb, block);
	for (turn = 0; turn < 2; turn++) {
		rc = leg_pwrite_all(leg->meta_fd, block, sizeof(block),
		    leg->sb_first * META_BLOCK_BYTES);
		if (rc < 0)
			return rc;
		rc = leg_meta_sync(leg);
		if (rc < 0)
			return rc;
		/* This one is whole: the other may be written over. */
		leg->sb_first = 1 - leg->sb_first;
	}
	return 0;
}

int
leg_write_page(struct leg *leg, size_t page, const uint8_t *bits)
{
	uint8_t block[META_BLOCK_BYTES];

	meta_page_encode(page, bits, block);
	return leg_pwrite_all(leg->meta_fd, block, sizeof(block),
	    (page + 2) * META_BLOCK_BYTES);
}

/* --- read only, delete --- */

int
leg_info(const char *dir, const char *id, struct mirror_leg_info *ret,
    struct av_err *err)
{
	char meta[PATH_MAX];
	struct leg leg = { .data_fd = -1, .meta_fd = -1 };
	struct mirror_leg_info i = { 0 };
	const struct meta_sb *sb = &leg.sb;
	int rc = leg_path(meta, sizeof(meta), dir, id, "meta", err);

	if (rc < 0)
		return rc;
	leg.meta_fd = open(meta, O_RDONLY | O_CLOEXEC);
	if (leg.meta_fd < 0)
		return errno == ENOENT ?
		    av_err_code(err, -ENOENT, "leg-missing",
		    "'%s' doesn't exist", meta) :
		    leg_errno(err, -errno, meta, "open");
	rc = meta_read_sb(leg.meta_fd, meta, &leg.sb, &leg.sb_first, err);
	if (rc == 0)
		rc = bitmap_read(&leg);
	if (rc == 0) {
		av_hex_encode(sb->unit_uuid, 16, i.unit_uuid);
		av_hex_encode(sb->volume_uuid, 16, i.volume_uuid);
		i.size_bytes = sb->size_bytes;
		i.gi = (struct mirror_gi){ sb->current, sb->bitmap, sb->h0,
			sb->h1 };
		i.gen = sb->gen;
		i.disk = !(sb->flags & META_CONSISTENT) ?
		    MIRROR_DISK_INCONSISTENT : sb->flags & META_UPTODATE ?
		    MIRROR_DISK_UPTODATE : MIRROR_DISK_OUTDATED;
		i.crashed_primary = sb->flags &
		    (META_CRASHED_PRIMARY | META_PRIMARY_IND);
		i.peer_outdated = sb->flags & META_PEER_OUTDATED;
		i.sparse = sb->flags & META_SPARSE;
		i.out_of_step_bytes = bits_count(leg.bits, leg.n_chunks) *
		    (uint64_t)MIRROR_CHUNK_BYTES;
		*ret = i;
	}
	free(leg.bits);
	(void)close(leg.meta_fd);	/* read-only */
	return rc;
}

int
leg_delete(const char *dir, const char *id, struct av_err *err)
{
	char data[PATH_MAX], meta[PATH_MAX];
	AUTO_FD int fd = -1;
	int rc;

	rc = leg_path(data, sizeof(data), dir, id, "data", err);
	if (rc == 0)
		rc = leg_path(meta, sizeof(meta), dir, id, "meta", err);
	if (rc < 0)
		return rc;
	fd = open(meta, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return av_err_code(err, -EBUSY, "volume-in-use",
		    "'%s' is in use by another process", meta);
	if (fd < 0 && access(data, F_OK) < 0)
		return av_err_code(err, -ENOENT, "leg-missing",
		    "'%s' doesn't exist", meta);
	if ((unlink(meta) < 0 && errno != ENOENT) ||
	    (unlink(data) < 0 && errno != ENOENT))
		return leg_errno(err, -errno, data, "remove");
	rc = dir_sync(dir);
	return rc < 0 ? leg_errno(err, rc, dir, "sync") : 0;
}
