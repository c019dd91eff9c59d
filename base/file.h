/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/file.h - small files, whole and durable
 */
#ifndef AV_FILE_H
#define AV_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct av_err;

/* Whole file; *ret_data is malloc'd, NUL-terminated and yours.  -EFBIG past max. */
int av_file_read(const char *path, size_t max_bytes, char **ret_data,
    size_t *ret_n, struct av_err *err);
/* Replaces 'path' in one step and durably: new file, fsync, rename, fsync of the
 * folder.  On error the old content stands. */
int av_file_write(const char *path, const void *data, size_t n, mode_t mode,
    struct av_err *err);

#endif
