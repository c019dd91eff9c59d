/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/proc.c - a guest's process
 */
#include "vmm/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define SMALL_MAX	4096
#define CMDLINE_MAX	65536

/* Files of /proc have no size, so av_file_read() isn't for them. */
static int
small_read(const char *path, char *buf, size_t n, size_t *ret_n)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;

	if (fd < 0)
		return -errno;
	while (have < n - 1) {
		ssize_t r = read(fd, buf + have, n - 1 - have);

		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		have += (size_t)r;
	}
	buf[have] = '\0';
	*ret_n = have;
	return 0;
}

int
vmm_proc_start_time(pid_t pid, uint64_t *ret)
{
	char path[64], buf[SMALL_MAX], *p, *save = NULL;
	size_t n;
	int rc, field;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	rc = small_read(path, buf, sizeof(buf), &n);
	if (rc < 0)
		return rc == -ENOENT ? -ESRCH : rc;
	p = strrchr(buf, ')');		/* a command's name may hold anything */
	if (p == NULL)
		return -EBADMSG;
	p = strtok_r(p + 1, " ", &save);	/* field 3, the state */
	if (p == NULL || *p == 'Z' || *p == 'X')
		return -ESRCH;
	for (field = 3; p != NULL && field < 22; field++)
		p = strtok_r(NULL, " ", &save);
	return p != NULL && av_parse_u64(p, ret) == 0 ? 0 : -EBADMSG;
}

static int
task_stopped(pid_t pid, const char *task)
{
	char path[PATH_MAX], buf[SMALL_MAX], *p;
	size_t n;
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid,
	    task);
	rc = small_read(path, buf, sizeof(buf), &n);
	if (rc == -ENOENT || rc == -ESRCH)
		return 0;		/* it has just ended */
	if (rc < 0)
		return rc;
	p = strrchr(buf, ')');
	return p == NULL || p[1] == '\0' ? -EBADMSG :
	    strchr("TtZX", p[2]) != NULL ? 0 : -EAGAIN;
}

int
vmm_proc_stopped(pid_t pid)
{
	struct dirent *e;
	char path[64];
	DIR *d;
	int rc = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	if (d == NULL)
		return -errno;
	while (rc == 0 && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			rc = task_stopped(pid, e->d_name);
	(void)closedir(d);		/* read only */
	return rc;
}

bool
vmm_cmdline_has(const char *buf, size_t n, const char *word)
{
	size_t at;

	for (at = 0; at < n; at += strlen(buf + at) + 1)
		if (strcmp(buf + at, word) == 0)
			return true;
	return n == 0;
}

static bool
proc_has_word(pid_t pid, const char *word)
{
	AUTO_FREE char *buf = malloc(CMDLINE_MAX);
	char path[64];
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	return buf != NULL && small_read(path, buf, CMDLINE_MAX, &n) == 0 &&
	    vmm_cmdline_has(buf, n, word);
}

static int
pid_file_read(const char *runtime_dir, pid_t *ret_pid, uint64_t *ret_start)
{
	char path[PATH_MAX], buf[128], *space;
	uint64_t pid, start;
	size_t n;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/pid", runtime_dir);
	rc = small_read(path, buf, sizeof(buf), &n);
	if (rc < 0)
		return rc;
	buf[strcspn(buf, "\n")] = '\0';
	space = strchr(buf, ' ');
	if (space == NULL)
		return -EBADMSG;
	*space = '\0';
	if (av_parse_u64(buf, &pid) < 0 || av_parse_u64(space + 1, &start) < 0 ||
	    pid <= 1 || pid > INT_MAX)
		return -EBADMSG;
	*ret_pid = (pid_t)pid;
	*ret_start = start;
	return 0;
}

int
vmm_proc_find(const char *runtime_dir, const char *word, pid_t *ret_pid,
    int *ret_fd)
{
	AUTO_FD int fd = -1;
	uint64_t want, is;
	pid_t pid;
	int rc;

	rc = pid_file_read(runtime_dir, &pid, &want);
	if (rc < 0)
		return rc;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno == ESRCH || errno == EINVAL ? -ESRCH : -errno;
	/* Looked at after the pidfd is held: from here on the number is ours. */
	rc = vmm_proc_start_time(pid, &is);
	if (rc < 0)
		return rc;
	if (is != want || !proc_has_word(pid, word))
		return -ESRCH;
	*ret_pid = pid;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int
vmm_proc_exit_read(const char *runtime_dir, bool *ret_signaled, int *ret_code)
{
	char path[PATH_MAX], buf[64], *space;
	uint64_t code;
	size_t n;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/exit", runtime_dir);
	rc = small_read(path, buf, sizeof(buf), &n);
	if (rc < 0)
		return rc;
	space = strchr(buf, ' ');
	if (space == NULL || buf[n - 1] != '\n')
		return -EBADMSG;
	buf[n - 1] = '\0';
	*space = '\0';
	if (av_parse_u64(space + 1, &code) < 0 || code > 255)
		return -EBADMSG;
	if (strcmp(buf, "exited") != 0 && strcmp(buf, "signal") != 0)
		return -EBADMSG;
	*ret_signaled = buf[0] == 's';
	*ret_code = (int)code;
	return 0;
}

int
vmm_pidfd_kill(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ?
	    -errno : 0;
}

void
vmm_last_line(const char *path, const char *but, char *ret, size_t n)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[SMALL_MAX];
	struct stat st;
	ssize_t have;
	char *p;

	ret[0] = '\0';
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	have = pread(fd, buf, sizeof(buf) - 1, st.st_size >
	    (off_t)sizeof(buf) - 1 ? st.st_size - (off_t)sizeof(buf) + 1 : 0);
	if (have <= 0)
		return;
	while (have > 0 && (buf[have - 1] == '\n' || buf[have - 1] == ' '))
		have--;
	buf[have] = '\0';
	p = strrchr(buf, '\n');
	if (p != NULL && but != NULL && strstr(p, but) != NULL) {
		*p = '\0';
		p = strrchr(buf, '\n');
	}
	(void)snprintf(ret, n, "%s", p != NULL ? p + 1 : buf);
	av_utf8_trim(ret);
}
