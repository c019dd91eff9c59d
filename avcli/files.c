/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/files.c - the user's own files: known units and sessions
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "avcli/conn.h"
#include "avcli/files.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"

#define KNOWN_MAX_BYTES		(1024 * 1024)
#define SESSION_MAX_BYTES	(64 * 1024)

/* $XDG_x_HOME/avpair, else ~/.x/avpair. */
static int
folder_path(const char *variable, const char *fallback, char *buf, size_t n)
{
	const char *base = getenv(variable), *home = getenv("HOME");
	const struct passwd *pw;
	int r;

	if (base != NULL && *base == '/') {
		r = snprintf(buf, n, "%s/avpair", base);
	} else {
		if (home == NULL || *home != '/') {
			pw = getpwuid(geteuid());
			home = pw != NULL ? pw->pw_dir : "/";
		}
		r = snprintf(buf, n, "%s/%s/avpair", home, fallback);
	}
	return r < 0 || (size_t)r >= n ? -1 : 0;
}

/* mkdir -p; the last folder is the user's alone. */
static int
folder_make(const char *path)
{
	char part[PATH_MAX];
	char *slash;

	(void)snprintf(part, sizeof(part), "%s", path);
	for (slash = strchr(part + 1, '/'); slash != NULL;
	    slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(part, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int
write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, data, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		data += r;
		n -= (size_t)r;
	}
	return 0;
}

/* New file under a name of its own, then rename. */
static int
replace_file(const char *path, const char *data, size_t n)
{
	AUTO_FD int fd = -1;
	char tmp[PATH_MAX];
	int rc;

	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = mkostemp(tmp, O_CLOEXEC);		/* 0600 */
	if (fd < 0)
		return -errno;
	rc = write_all(fd, data, n);
	if (rc == 0 && rename(tmp, path) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlink(tmp);
	return rc;
}

/* --- known units --- */

const char *
known_units_path(void)
{
	static char path[PATH_MAX];
	char folder[PATH_MAX - 16];

	if (folder_path("XDG_CONFIG_HOME", ".config", folder,
	    sizeof(folder)) < 0)
		return "";
	(void)snprintf(path, sizeof(path), "%s/known_units", folder);
	return path;
}

char *
known_unit_pin(const char *host_port)
{
	AUTO_FREE char *data = NULL;
	size_t n = 0, n_host = strlen(host_port);
	char *line, *rest;

	if (av_file_read(known_units_path(), KNOWN_MAX_BYTES, &data, &n,
	    NULL) < 0)
		return NULL;
	for (rest = data; (line = strsep(&rest, "\n")) != NULL; ) {
		if (strncmp(line, host_port, n_host) == 0 &&
		    line[n_host] == ' ' &&
		    strncmp(line + n_host + 1, "sha256//", 8) == 0)
			return strdup(line + n_host + 1);
	}
	return NULL;
}

int
known_unit_add(const char *host_port, const char *pin, struct cli_err *err)
{
	AUTO_FREE char *data = NULL;
	AUTO_FREE char *all = NULL;
	char folder[PATH_MAX];
	const char *path = known_units_path();
	size_t n = 0;
	int rc, len;

	if (*path == '\0' || folder_path("XDG_CONFIG_HOME", ".config", folder,
	    sizeof(folder)) < 0)
		return cli_fail(err, EXIT_FAILED, "known-units",
		    tr("the home folder's path is too long"));
	rc = folder_make(folder);
	if (rc == 0) {
		rc = av_file_read(path, KNOWN_MAX_BYTES, &data, &n, NULL);
		if (rc == -ENOENT)
			rc = 0;
	}
	if (rc == 0) {
		len = asprintf(&all, "%s%s%s %s\n", data != NULL ? data : "",
		    n > 0 && data[n - 1] != '\n' ? "\n" : "", host_port, pin);
		rc = len < 0 ? -ENOMEM : replace_file(path, all, (size_t)len);
	}
	if (rc < 0)
		return cli_fail(err, EXIT_FAILED, "known-units",
		    tr("can't keep the unit's key in '%s': %s"), path,
		    strerror(-rc));
	return 0;
}

/* --- sessions --- */

static int
session_path(const char *host_port, const char *user, char *buf, size_t n)
{
	AUTO_FREE char *host = conn_escape(host_port);
	AUTO_FREE char *name = conn_escape(user);
	char folder[PATH_MAX];
	int r;

	if (host == NULL || name == NULL || folder_path("XDG_CACHE_HOME",
	    ".cache", folder, sizeof(folder)) < 0)
		return -1;
	r = snprintf(buf, n, "%s/session-%s-%s.json", folder, host, name);
	return r < 0 || (size_t)r >= n ? -1 : 0;
}

int
session_load(const char *host_port, const char *user, struct session *s)
{
	AUTO_JSON json_t *j = NULL;
	char path[PATH_MAX];
	const char *cookie, *csrf;
	struct stat st;
	json_t *obj;

	*s = (struct session){ 0 };
	if (session_path(host_port, user, path, sizeof(path)) < 0 ||
	    lstat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_uid != geteuid() || (st.st_mode & 077) != 0 ||
	    st.st_size > SESSION_MAX_BYTES)
		return -1;
	j = obj = json_load_file(path, 0, NULL);
	cookie = json_string_value(json_object_get(obj, "cookie"));
	csrf = json_string_value(json_object_get(obj, "csrf"));
	if (cookie == NULL)
		return -1;
	s->cookie = strdup(cookie);
	s->csrf = csrf != NULL ? strdup(csrf) : NULL;
	return s->cookie != NULL ? 0 : -1;
}

void
session_save(const char *host_port, const char *user, const struct session *s)
{
	AUTO_JSON json_t *j = NULL;
	AUTO_FREE char *text = NULL;
	char path[PATH_MAX], folder[PATH_MAX];

	if (session_path(host_port, user, path, sizeof(path)) < 0 ||
	    folder_path("XDG_CACHE_HOME", ".cache", folder,
	    sizeof(folder)) < 0 || folder_make(folder) < 0)
		return;
	j = json_pack("{s:s, s:s*}", "cookie", s->cookie, "csrf", s->csrf);
	text = j != NULL ? json_dumps(j, 0) : NULL;
	if (text != NULL)
		(void)replace_file(path, text, strlen(text));
}

void
session_forget(const char *host_port, const char *user)
{
	char path[PATH_MAX];

	if (session_path(host_port, user, path, sizeof(path)) == 0)
		(void)unlink(path);	/* none there is as good */
}

void
session_dispose(struct session *s)
{
	free(s->cookie);
	free(s->csrf);
	*s = (struct session){ 0 };
}
