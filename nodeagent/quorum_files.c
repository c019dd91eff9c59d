/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/quorum_files.c - quorum servers' certificates as files
 *
 * STATE/quorum/o7/{ca.crt,client.crt,client.key}: 0600 in folders of 0700.  The
 * database is where they come from; a folder that it doesn't know goes.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "nodeagent/quorum_impl.h"

static const char *const names[] = { "ca.crt", "client.crt", "client.key" };

static void
wipe(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
}

void
quorum_slot_dir(const struct quorum *q, int64_t id, char *buf, size_t n)
{
	(void)snprintf(buf, n, "%.300s/quorum/o%" PRId64, q->conf->state_dir,
	    id);
}

static int
folder(const char *dir, struct av_err *err)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return av_err_set(err, -errno, "%s: %s", dir, strerror(errno));
	return 0;
}

int
quorum_files_write(const struct quorum *q, const char *dir, const char *ca,
    const char *cert, const char *key, struct av_err *err)
{
	const char *const texts[] = { ca, cert, key };
	char path[QUORUM_PATH_MAX + 20];
	size_t i;
	int rc;

	(void)snprintf(path, sizeof(path), "%.300s/quorum",
	    q->conf->state_dir);
	rc = folder(path, err);
	if (rc == 0)
		rc = folder(dir, err);
	for (i = 0; rc == 0 && i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (texts[i][0] != '\0')
			rc = av_file_write(path, texts[i], strlen(texts[i]),
			    0600, err);
		else
			(void)unlink(path);
	}
	return rc;
}

int
quorum_files_make(const struct quorum *q, int64_t id, struct av_err *err)
{
	AUTO(wipe) char *ca = NULL;
	AUTO(wipe) char *cert = NULL;
	AUTO(wipe) char *key = NULL;
	char dir[QUORUM_PATH_MAX];
	int rc = quorum_db_pem(q->store, id, &ca, &cert, &key);

	if (rc < 0)
		return av_err_set(err, rc, "certificates can't be read");
	quorum_slot_dir(q, id, dir, sizeof(dir));
	return quorum_files_write(q, dir, ca, cert, key, err);
}

void
quorum_files_remove(const char *dir)
{
	char path[QUORUM_PATH_MAX + 20];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

void
quorum_files_sweep(const struct quorum *q)
{
	char path[QUORUM_PATH_MAX], dir[QUORUM_PATH_MAX + 260];
	struct dirent *de;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%.300s/quorum",
	    q->conf->state_dir);
	d = opendir(path);
	while (d != NULL && (de = readdir(d)) != NULL) {
		uint64_t id;

		if (de->d_name[0] != 'o' ||
		    av_parse_u64(de->d_name + 1, &id) < 0 ||
		    quorum_db_find(&q->db, (int64_t)id) != NULL)
			continue;
		(void)snprintf(dir, sizeof(dir), "%s/%s", path, de->d_name);
		quorum_files_remove(dir);
	}
	if (d != NULL)
		(void)closedir(d);
}
