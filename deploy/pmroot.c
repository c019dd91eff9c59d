/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deploy/pmroot.c - the private file tree of a machine of the try unit
 */
#include "deploy/pmroot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

static void
auto_closedir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);	/* was only read */
}

/* Everything below speaks of absolute paths; 'root' is where the new tree is
 * being built.  A path that doesn't fit is an error, never cut. */
static int
join(char *buf, const char *a, const char *b, struct av_err *err)
{
	int n = snprintf(buf, PATH_MAX, "%s%s", a, b);

	if (n < 0 || n >= PATH_MAX)
		return av_err_set(err, -ENAMETOOLONG, "path too long: %s", b);
	return 0;
}

static int
make_dir(const char *root, const char *path, struct av_err *err)
{
	char full[PATH_MAX];
	int rc = join(full, root, path, err);

	if (rc < 0)
		return rc;
	if (mkdir(full, 0755) < 0 && errno != EEXIST)
		return av_err_set(err, -errno, "mkdir '%s': %s", full,
		    strerror(errno));
	return 0;
}

static int
make_file(const char *root, const char *path, const char *text,
    struct av_err *err)
{
	AUTO_FD int fd = -1;
	char full[PATH_MAX];
	size_t n = strlen(text);
	int rc = join(full, root, path, err);

	if (rc < 0)
		return rc;
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		return av_err_set(err, -errno, "write '%s': %s", full,
		    strerror(errno));
	return 0;
}

static int
do_mount(const char *what, const char *root, const char *at, const char *type,
    unsigned long flags, const char *data, struct av_err *err)
{
	char full[PATH_MAX];
	int rc = join(full, root, at, err);

	if (rc < 0)
		return rc;
	if (mount(what, full, type, flags, data) < 0)
		return av_err_set(err, -errno, "mount '%s' at '%s': %s", what,
		    at, strerror(errno));
	return 0;
}

static int
bind_dir(const char *from, const char *root, const char *at, struct av_err *err)
{
	int rc = make_dir(root, at, err);

	if (rc < 0)
		return rc;
	return do_mount(from, root, at, NULL, MS_BIND | MS_REC, NULL, err);
}

static bool
in_list(const char *name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

/* How the entries of a host folder appear in the new tree. */
enum how {
	BIND,		/* folders by bind mount, files by bind mount */
	LINK,		/* links to /.host/FOLDER/ENTRY */
};

static int
copy_link(const char *from, const char *to, struct av_err *err)
{
	char text[PATH_MAX];
	ssize_t n = readlink(from, text, sizeof(text) - 1);

	if (n < 0)
		return av_err_set(err, -errno, "readlink '%s': %s", from,
		    strerror(errno));
	text[n] = '\0';
	if (symlink(text, to) < 0)
		return av_err_set(err, -errno, "symlink '%s': %s", to,
		    strerror(errno));
	return 0;
}

static int
show_entry(const char *root, const char *folder, const char *name, enum how how,
    struct av_err *err)
{
	char from[PATH_MAX], to[PATH_MAX], rel[PATH_MAX], host[PATH_MAX];
	struct stat st;
	int rc;

	if (snprintf(from, sizeof(from), "%s/%s", folder, name) >= PATH_MAX ||
	    snprintf(rel, sizeof(rel), "%s/%s", folder, name) >= PATH_MAX)
		return av_err_set(err, -ENAMETOOLONG, "path too long");
	rc = join(to, root, rel, err);
	if (rc == 0)
		rc = join(host, "/.host", rel, err);
	if (rc < 0)
		return rc;
	if (lstat(from, &st) < 0)
		return 0;		/* went away while we looked: not ours */
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to, err);
	if (how == LINK) {
		if (symlink(host, to) < 0)
			return av_err_set(err, -errno, "symlink '%s': %s", to,
			    strerror(errno));
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return bind_dir(from, root, rel, err);
	if (!S_ISREG(st.st_mode))
		return 0;
	rc = make_file(root, rel, "", err);
	if (rc < 0)
		return rc;
	return do_mount(from, root, rel, NULL, MS_BIND, NULL, err);
}

/* Shows each entry of 'folder' ("" is the root) but those in 'except'. */
static int
show_entries(const char *root, const char *folder, enum how how,
    const char *const *except, struct av_err *err)
{
	AUTO(auto_closedir) DIR *d = NULL;
	struct dirent *e;
	int rc;

	d = opendir(folder[0] != '\0' ? folder : "/");
	if (d == NULL)
		return av_err_set(err, -errno, "read folder '%s': %s", folder,
		    strerror(errno));
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 || in_list(e->d_name, except))
			continue;
		rc = show_entry(root, folder, e->d_name, how, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
show_host(const char *root, struct av_err *err)
{
	static const char *const not_root[] = { "proc", "sys", "run", "etc",
		"var", "lost+found", NULL };
	static const char *const not_var[] = { "lib", "log", "run", "lock",
		NULL };
	static const char *const not_etc[] = { "avpair", "corosync", "hostname",
		"hosts", "resolv.conf", NULL };
	static const char *const not_lib[] = { "avpair", "corosync", NULL };
	static const char *const not_log[] = { "avpair", "corosync", NULL };
	static const char *const dirs[] = { "/etc", "/var", "/var/lib",
		"/var/log", "/.host", "/.host/var", "/run", "/proc", "/sys" };
	int rc = show_entries(root, "", BIND, not_root, err);

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(dirs); i++)
		rc = make_dir(root, dirs[i], err);
	if (rc == 0)
		rc = bind_dir("/etc", root, "/.host/etc", err);
	if (rc == 0)
		rc = bind_dir("/var/lib", root, "/.host/var/lib", err);
	if (rc == 0)
		rc = bind_dir("/var/log", root, "/.host/var/log", err);
	if (rc == 0)
		rc = show_entries(root, "/var", BIND, not_var, err);
	if (rc == 0)
		rc = show_entries(root, "/etc", LINK, not_etc, err);
	if (rc == 0)
		rc = show_entries(root, "/var/lib", LINK, not_lib, err);
	if (rc == 0)
		rc = show_entries(root, "/var/log", LINK, not_log, err);
	return rc;
}

static int
show_own(const char *root, const char *dir, struct av_err *err)
{
	static const struct { const char *from, *at; } own[] = {
		{ "/etc/avpair",	"/etc/avpair" },
		{ "/etc/corosync",	"/etc/corosync" },
		{ "/lib",		"/var/lib/avpair" },
		{ "/corosync",		"/var/lib/corosync" },
		{ "/log",		"/var/log/avpair" },
		{ "/../prog",		"/avpair" },
	};
	char from[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(own); i++) {
		rc = join(from, dir, own[i].from, err);
		if (rc == 0)
			rc = bind_dir(from, root, own[i].at, err);
	}
	return rc;
}

static int
fresh_mounts(const char *root, struct av_err *err)
{
	const unsigned long safe = MS_NOSUID | MS_NODEV;
	int rc = do_mount("tmpfs", root, "/run", "tmpfs", safe, "mode=755", err);

	if (rc == 0)
		rc = make_dir(root, "/run/lock", err);
	/* what RuntimeDirectory= does on a machine with systemd */
	if (rc == 0)
		rc = make_dir(root, "/run/avpair", err);
	if (rc == 0)
		rc = do_mount("tmpfs", root, "/dev/shm", "tmpfs", safe,
		    "mode=1777", err);
	if (rc == 0)
		rc = do_mount("proc", root, "/proc", "proc",
		    safe | MS_NOEXEC, NULL, err);
	if (rc == 0)
		rc = do_mount("sysfs", root, "/sys", "sysfs",
		    safe | MS_NOEXEC, NULL, err);
	/* cgroups are a convenience: a machine without them is one too */
	if (rc == 0)
		(void)do_mount("/sys/fs/cgroup", root, "/sys/fs/cgroup", NULL,
		    MS_BIND | MS_REC, NULL, NULL);
	return rc;
}

static int
own_names(const char *root, const char *hostname, struct av_err *err)
{
	char text[256];
	int rc;

	(void)snprintf(text, sizeof(text), "%s\n", hostname);
	rc = make_file(root, "/etc/hostname", text, err);
	(void)snprintf(text, sizeof(text), "127.0.0.1 localhost %s\n"
	    "::1 localhost\n", hostname);
	if (rc == 0)
		rc = make_file(root, "/etc/hosts", text, err);
	/* no name server: nothing here may wait for one */
	if (rc == 0)
		rc = make_file(root, "/etc/resolv.conf", "", err);
	if (rc == 0 && sethostname(hostname, strlen(hostname)) < 0)
		rc = av_err_set(err, -errno, "sethostname: %s", strerror(errno));
	return rc;
}

static int
link_in(const char *root, const char *text, const char *at, struct av_err *err)
{
	char full[PATH_MAX];
	int rc = join(full, root, at, err);

	if (rc == 0 && symlink(text, full) < 0)
		rc = av_err_set(err, -errno, "symlink '%s': %s", at,
		    strerror(errno));
	return rc;
}

static int
change_root(const char *root, struct av_err *err)
{
	/* pivot_root(".", ".") stacks the old root on the new; see its man page */
	if (chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return av_err_set(err, -errno, "pivot_root: %s",
		    strerror(errno));
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return av_err_set(err, -errno, "leave old root: %s",
		    strerror(errno));
	return 0;
}

int
pmroot_enter(const char *dir, const char *hostname, struct av_err *err)
{
	char root[PATH_MAX];
	int rc = join(root, dir, "/root", err);

	if (rc < 0)
		return rc;
	if (mkdir(root, 0700) < 0 && errno != EEXIST)
		return av_err_set(err, -errno, "mkdir '%s': %s", root,
		    strerror(errno));
	/* the host's later unmounts reach us, nothing of ours reaches it */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return av_err_set(err, -errno, "make mounts private: %s",
		    strerror(errno));
	rc = do_mount("tmpfs", root, "", "tmpfs", MS_NOSUID, "mode=755", err);
	if (rc == 0)
		rc = show_host(root, err);
	if (rc == 0)
		rc = show_own(root, dir, err);
	if (rc == 0)
		rc = fresh_mounts(root, err);
	if (rc == 0)
		rc = link_in(root, "/run", "/var/run", err);
	if (rc == 0)
		rc = link_in(root, "/run/lock", "/var/lock", err);
	if (rc == 0)
		rc = own_names(root, hostname, err);
	if (rc == 0)
		rc = change_root(root, err);
	return rc;
}
