/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/file.c - small files, whole and durable
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"

int
av_file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_n,
    struct av_err *err)
{
	AUTO_FD int fd = -1;
	AUTO_FREE char *data = NULL;
	size_t n = 0, room = 4096;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return av_err_set(err, -errno, "%s: %s", path, strerror(errno));
	for (;;) {
		char *bigger = realloc(data, room + 1);
		ssize_t r;

		if (bigger == NULL)
			return av_err_set(err, -ENOMEM, "%s: no memory", path);
		data = bigger;
		r = read(fd, data + n, room - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return av_err_set(err, -errno, "%s: %s", path,
			    strerror(errno));
		if (r == 0)
			break;
		n += (size_t)r;
		if (n > max_bytes)
			return av_err_set(err, -EFBIG,
			    "%s: longer than %zu bytes", path, max_bytes);
		if (n == room)
			room *= 2;
	}
	data[n] = '\0';
	*ret_data = TAKE_PTR(data);
	if (ret_n != NULL)
		*ret_n = n;
	return 0;
}

static int
write_and_sync(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p += r;
		n -= (size_t)r;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int
folder_sync(const char *path)
{
	AUTO_FD int fd = -1;
	char copy[PATH_MAX];

	(void)snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int
av_file_write(const char *path, const void *data, size_t n, mode_t mode,
    struct av_err *err)
{
	AUTO_FD int fd = -1;
	char tmp[PATH_MAX];
	int rc;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return av_err_set(err, -ENAMETOOLONG, "%s: path too long", path);
	(void)unlink(tmp);	/* what a crash left behind */
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return av_err_set(err, -errno, "%s: %s", tmp, strerror(errno));
	rc = write_and_sync(fd, data, n);
	if (rc == 0 && fchmod(fd, mode) < 0)	/* whatever the umask says */
		rc = -errno;
	if (rc == 0 && rename(tmp, path) < 0)
		rc = -errno;
	if (rc < 0) {
		(void)unlink(tmp);
		return av_err_set(err, rc, "%s: %s", path, strerror(-rc));
	}
	rc = folder_sync(path);
	if (rc < 0)
		return av_err_maybe(err, rc, "%s: folder sync: %s", path,
		    strerror(-rc));
	return 0;
}
