/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/snapshot.c - a leg's file copied by sharing its blocks
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mirror/replica/meta.h"

#define NAME_MAX_BYTES	40u
#define WORD_CHARS	"abcdefghijklmnopqrstuvwxyz0123456789-"

static int
snap_path(char *buf, size_t n, const char *dir, const char *id,
    const char *name, struct av_err *err)
{
	int r;

	if (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES ||
	    name[strspn(name, WORD_CHARS)] != '\0' || id[0] == '\0' ||
	    strlen(id) >= MIRROR_ID_MAX || id[strspn(id, WORD_CHARS)] != '\0')
		return av_err_code(err, -EINVAL, "bad-request",
		    "'%s' isn't a name of a snapshot of '%s'", name, id);
	r = snprintf(buf, n, "%s/vol-%s.snap-%s", dir, id, name);
	return r < 0 || (size_t)r >= n ? av_err_code(err, -ENAMETOOLONG,
	    "bad-request", "folder '%s': path too long", dir) : 0;
}

static int
snap_error(struct av_err *err, int rc, const char *path)
{
	switch (rc) {
	case -EOPNOTSUPP:
	case -ENOTTY:
	case -EXDEV:
	case -EINVAL:
		return av_err_code(err, -EOPNOTSUPP, "no-reflink",
		    "'%s': this file system can't share blocks of files",
		    path);
	case -EEXIST:
		return av_err_code(err, rc, "snapshot-exists",
		    "'%s' exists already", path);
	case -ENOSPC:
	case -EDQUOT:
		return av_err_code(err, -ENOSPC, "no-space",
		    "'%s': not enough space", path);
	default:
		return av_err_code(err, rc, "disk-error", "'%s': %s", path,
		    strerror(-rc));
	}
}

static int
dir_sync(const char *dir)
{
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The file may be longer than the volume: growing was cut off. */
static int
clone_file(int from, int to, uint64_t size_bytes)
{
	if (ioctl(to, FICLONE, from) < 0 ||
	    ftruncate(to, (off_t)size_bytes) < 0 || fsync(to) < 0)
		return -errno;
	return 0;
}

int
leg_snapshot(const char *dir, const char *id, const char *name,
    uint64_t *ret_size_bytes, struct av_err *err)
{
	char path[PATH_MAX], data[PATH_MAX];
	struct mirror_leg_info info;
	AUTO_FD int from = -1;
	AUTO_FD int to = -1;
	int rc = snap_path(path, sizeof(path), dir, id, name, err);

	if (rc == 0)
		rc = leg_info(dir, id, &info, err);
	if (rc < 0)
		return rc;
	(void)snprintf(data, sizeof(data), "%s/vol-%s.data", dir, id);
	from = open(data, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return snap_error(err, -errno, data);
	to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return snap_error(err, -errno, path);
	rc = clone_file(from, to, info.size_bytes);
	if (rc == 0)
		rc = dir_sync(dir);
	if (rc < 0) {
		(void)unlink(path);	/* best effort: nothing left behind */
		return snap_error(err, rc, path);
	}
	*ret_size_bytes = info.size_bytes;
	return 0;
}

int
leg_snapshot_delete(const char *dir, const char *id, const char *name,
    struct av_err *err)
{
	char path[PATH_MAX];
	int rc = snap_path(path, sizeof(path), dir, id, name, err);

	if (rc < 0)
		return rc;
	if (unlink(path) < 0 && errno != ENOENT)
		return snap_error(err, -errno, path);
	rc = dir_sync(dir);
	return rc < 0 ? snap_error(err, rc, dir) : 0;
}
