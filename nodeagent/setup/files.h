/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/files.h - the files of a configured PM
 *
 * What each PM's files are is a function of plan, secrets and machine.  Installing
 * them is idempotent: each is replaced in one step and durably (base/file.h), so after
 * a crash anywhere the same files are installed once more.  avnoded.conf is the last
 * one: services don't start without it, so a PM with half of its files stays silent.
 *
 * 'root' goes before every path ("" on a real machine; tests have a folder there).
 */
#ifndef AV_SETUP_FILES_H
#define AV_SETUP_FILES_H

#include <sys/types.h>

#include "nodeagent/setup/render.h"
#include "nodeagent/setup/secrets.h"

#define FILES_MAX	24
#define FILES_CONF	"/etc/avpair/avnoded.conf"
#define FILES_COROSYNC	"/etc/corosync/corosync.conf"

struct setup_file {
	const char	*path;
	mode_t		 mode;
	char		*data;
	size_t		 n;
};

struct setup_files {
	struct setup_file	file[FILES_MAX];
	size_t			n;
};

int  files_make(const struct setup_plan *p, const struct setup_secrets *s,
    const struct setup_local *l, int node, struct setup_files *ret,
    struct av_err *err);
void files_free(struct setup_files *f);
/* Makes the folders, keeps a strange corosync.conf beside it (.before-avpair). */
int  files_install(const struct setup_files *f, const char *root,
    struct av_err *err);
/* Takes them away, avnoded.conf first; what was kept comes back. */
int  files_remove(const char *root, struct av_err *err);

/* Called before every change of a file or folder with its name; a test makes it end
 * the process or fail there.  0 goes on.  NULL = none. */
extern int (*files_fault)(const char *where);
int files_step(const char *where, struct av_err *err);

/* av_file_write() with the root and the fault point. */
int files_write(const char *root, const char *path, const void *data, size_t n,
    mode_t mode, struct av_err *err);
/* Makes a folder if it isn't there.  'mode' is set when it is new. */
int files_folder(const char *root, const char *path, mode_t mode,
    struct av_err *err);

#endif
