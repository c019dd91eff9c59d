/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/files.c - the files of a configured PM
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "nodeagent/setup/files.h"

#define KEPT	FILES_COROSYNC ".before-avpair"

int (*files_fault)(const char *where);

int
files_step(const char *where, struct av_err *err)
{
	int rc = files_fault != NULL ? files_fault(where) : 0;

	return rc < 0 ? av_err_set(err, rc, "%s: %s", where, strerror(-rc)) : 0;
}

static int
path_join(char *buf, const char *root, const char *path, struct av_err *err)
{
	if (snprintf(buf, PATH_MAX, "%s%s", root, path) >= PATH_MAX)
		return av_err_set(err, -ENAMETOOLONG, "%s: path too long", path);
	return 0;
}

int
files_write(const char *root, const char *path, const void *data, size_t n,
    mode_t mode, struct av_err *err)
{
	char full[PATH_MAX];
	int rc = path_join(full, root, path, err);

	if (rc == 0)
		rc = files_step(path, err);
	return rc < 0 ? rc : av_file_write(full, data, n, mode, err);
}

int
files_folder(const char *root, const char *path, mode_t mode,
    struct av_err *err)
{
	char full[PATH_MAX];
	int rc = path_join(full, root, path, err);

	if (rc == 0)
		rc = files_step(path, err);
	if (rc < 0)
		return rc;
	if (mkdir(full, mode) < 0) {
		if (errno == EEXIST)
			return 0;
		return av_err_set(err, -errno, "%s: %s", full, strerror(errno));
	}
	if (chmod(full, mode) < 0)
		return av_err_set(err, -errno, "%s: %s", full, strerror(errno));
	return 0;
}

/* --- what they are --- */

/* Takes over 'data', also on error. */
static int
add(struct setup_files *f, const char *path, mode_t mode, char *data, size_t n,
    struct av_err *err)
{
	if (data == NULL || f->n == FILES_MAX) {
		free(data);
		return av_err_set(err, -ENOMEM, "no memory");
	}
	f->file[f->n++] = (struct setup_file){ path, mode, data, n };
	return 0;
}

static int
add_text(struct setup_files *f, const char *path, mode_t mode, char *text,
    struct av_err *err)
{
	return add(f, path, mode, text, text != NULL ? strlen(text) : 0, err);
}

static int
add_secret(struct setup_files *f, const char *path, const char *before,
    const struct setup_secrets *s, enum secret which, const char *after,
    struct av_err *err)
{
	char *text = NULL;

	if (s->text[which] == NULL)
		return 0;
	if (asprintf(&text, "%s%s%s", before, s->text[which], after) < 0)
		text = NULL;
	return add_text(f, path, 0600, text, err);
}

static int
add_authkey(struct setup_files *f, const struct setup_secrets *s,
    struct av_err *err)
{
	size_t n = strlen(s->text[SECRET_AUTHKEY]) / 2;
	uint8_t *bytes = malloc(n + 1);

	if (bytes == NULL || av_hex_decode(s->text[SECRET_AUTHKEY], bytes, n) < 0) {
		free(bytes);
		return av_err_set(err, -EINVAL, "corosync's key can't be used");
	}
	return add(f, "/etc/corosync/authkey", 0400, (char *)bytes, n, err);
}

static int
add_secrets(struct setup_files *f, const struct setup_secrets *s, int node,
    struct av_err *err)
{
	const struct { const char *path, *before, *after; enum secret which; }
	list[] = {
		{ "/etc/avpair/unit.key", "", "\n", SECRET_UNIT_KEY },
		{ "/etc/avpair/mirror.psk", "avpair:", "\n", SECRET_MIRROR_PSK },
		{ "/etc/avpair/initial-admin", "", "\n", SECRET_ADMIN },
		{ "/etc/avpair/ca.crt", "", "", SECRET_CA_CERT },
		{ "/etc/avpair/console.crt", "", "",
		    node == 0 ? SECRET_CONSOLE_CERT0 : SECRET_CONSOLE_CERT1 },
		{ "/etc/avpair/console.key", "", "",
		    node == 0 ? SECRET_CONSOLE_KEY0 : SECRET_CONSOLE_KEY1 },
		{ "/etc/avpair/etcd/ca.crt", "", "", SECRET_QUORUM_CA },
		{ "/etc/avpair/etcd/client.crt", "", "", SECRET_QUORUM_CERT },
		{ "/etc/avpair/etcd/client.key", "", "", SECRET_QUORUM_KEY },
	};
	size_t i;
	int rc = add_authkey(f, s, err);

	/* the key that can make certificates is in one place only */
	if (rc == 0 && node == 0)
		rc = add_secret(f, "/etc/avpair/ca/ca.key", "", s,
		    SECRET_CA_KEY, "", err);
	for (i = 0; rc == 0 && i < ARRAY_SIZE(list); i++)
		rc = add_secret(f, list[i].path, list[i].before, s,
		    list[i].which, list[i].after, err);
	return rc;
}

int
files_make(const struct setup_plan *p, const struct setup_secrets *s,
    const struct setup_local *l, int node, struct setup_files *ret,
    struct av_err *err)
{
	int rc = p->whole ? 0 : av_err_set(err, -EINVAL,
	    "the plan lacks the other PM");

	memset(ret, 0, sizeof(*ret));
	if (rc == 0)
		rc = add_secrets(ret, s, node, err);
	if (rc == 0)
		rc = add_text(ret, FILES_COROSYNC, 0644,
		    render_corosync(p, l), err);
	if (rc == 0)
		rc = add_text(ret, "/etc/avpair/avconsoled.conf", 0644,
		    render_avconsoled(p, l, node), err);
	if (rc == 0)
		rc = add_text(ret, FILES_CONF, 0644,
		    render_avnoded(p, l, node), err);
	if (rc < 0)
		files_free(ret);
	return rc;
}

void
files_free(struct setup_files *f)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		explicit_bzero(f->file[i].data, f->file[i].n);
		free(f->file[i].data);
	}
	memset(f, 0, sizeof(*f));
}

/* --- there and away --- */

/* Somebody else's corosync.conf (the package brings one) is kept, once. */
static int
keep_corosync(const struct setup_files *f, const char *root, struct av_err *err)
{
	AUTO_FREE char *old = NULL;
	char from[PATH_MAX], to[PATH_MAX];
	size_t i, n;
	int rc = path_join(from, root, FILES_COROSYNC, err);

	if (rc == 0)
		rc = path_join(to, root, KEPT, err);
	if (rc < 0 || access(to, F_OK) == 0)
		return rc;
	rc = av_file_read(from, 1u << 20, &old, &n, err);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	for (i = 0; i < f->n; i++)
		if (strcmp(f->file[i].path, FILES_COROSYNC) == 0 &&
		    f->file[i].n == n && memcmp(f->file[i].data, old, n) == 0)
			return 0;
	return files_write(root, KEPT, old, n, 0644, err);
}

int
files_install(const struct setup_files *f, const char *root, struct av_err *err)
{
	static const struct { const char *path; mode_t mode; } folders[] = {
		{ "/etc/corosync", 0755 }, { "/etc/avpair", 0711 },
		{ "/etc/avpair/etcd", 0700 }, { "/etc/avpair/ca", 0700 },
	};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < ARRAY_SIZE(folders); i++)
		rc = files_folder(root, folders[i].path, folders[i].mode, err);
	if (rc == 0)
		rc = keep_corosync(f, root, err);
	for (i = 0; rc == 0 && i < f->n; i++)
		rc = files_write(root, f->file[i].path, f->file[i].data,
		    f->file[i].n, f->file[i].mode, err);
	return rc;
}

int
files_remove(const char *root, struct av_err *err)
{
	static const char *const names[] = { FILES_CONF,
	    "/etc/avpair/avconsoled.conf", FILES_COROSYNC,
	    "/etc/corosync/authkey", "/etc/avpair/unit.key",
	    "/etc/avpair/mirror.psk", "/etc/avpair/initial-admin",
	    "/etc/avpair/console.key", "/etc/avpair/console.crt",
	    "/etc/avpair/ca.crt", "/etc/avpair/ca/ca.key",
	    "/etc/avpair/etcd/ca.crt", "/etc/avpair/etcd/client.crt",
	    "/etc/avpair/etcd/client.key" };
	char path[PATH_MAX], kept[PATH_MAX];
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < ARRAY_SIZE(names); i++) {
		rc = path_join(path, root, names[i], err);
		if (rc == 0)
			rc = files_step(names[i], err);
		if (rc == 0 && unlink(path) < 0 && errno != ENOENT)
			rc = av_err_set(err, -errno, "%s: %s", path,
			    strerror(errno));
	}
	if (rc == 0)
		rc = path_join(kept, root, KEPT, err);
	if (rc == 0)
		rc = path_join(path, root, FILES_COROSYNC, err);
	if (rc == 0 && rename(kept, path) < 0 && errno != ENOENT)
		rc = av_err_set(err, -errno, "%s: %s", kept, strerror(errno));
	return rc;
}
