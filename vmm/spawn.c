/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/spawn.c - run av-vmrun and hear when it has done its work
 */
#include "vmm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "vmm/proc.h"

#define HELPER_PATH	"/usr/lib/avpair/av-vmrun"

struct vmm_spawn {
	int		 pidfd;
	int		 words;		/* its stderr */
	sd_event_source	*io;
	vmm_spawned_fn	*done;
	void		*ctx;
};

struct vmm_spawn *
vmm_spawn_free(struct vmm_spawn *sp)
{
	siginfo_t si;

	if (sp == NULL)
		return NULL;
	sd_event_source_disable_unref(sp->io);
	if (sp->pidfd >= 0) {
		(void)vmm_pidfd_kill(sp->pidfd, SIGKILL);
		(void)waitid((idtype_t)P_PIDFD, (id_t)sp->pidfd, &si, WEXITED);
		(void)close(sp->pidfd);
	}
	if (sp->words >= 0)
		(void)close(sp->words);	/* a pipe's reading end */
	free(sp);
	return NULL;
}

static int
spawn_ended(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct vmm_spawn *sp = ctx;
	struct av_err err = {0};
	siginfo_t si = {0};
	char why[200];
	ssize_t n;

	(void)s;
	(void)revents;
	(void)sd_event_source_set_enabled(sp->io, SD_EVENT_OFF);
	if (waitid((idtype_t)P_PIDFD, (id_t)fd, &si, WEXITED) < 0)
		si.si_code = CLD_KILLED;
	(void)close(TAKE_FD(sp->pidfd));	/* a pidfd */
	if (si.si_code == CLD_EXITED && si.si_status == 0) {
		sp->done(sp->ctx, 0, &err);
		return 0;
	}
	n = read(sp->words, why, sizeof(why) - 1);
	while (n > 0 && why[n - 1] == '\n')
		n--;
	why[n > 0 ? n : 0] = '\0';
	if (si.si_code == CLD_EXITED && si.si_status == 2)
		(void)av_err_set(&err, -EEXIST, "%s", why);
	else
		(void)av_err_set(&err, -EIO, "%s", why[0] != '\0' ? why :
		    "av-vmrun died");
	sp->done(sp->ctx, err.rc, &err);
	return 0;
}

/* The loop's blocked and ignored signals are none of the guest's. */
static int
spawn_run(char *const *argv, int words, pid_t *ret_pid)
{
	static char *const env[] = { (char *)(uintptr_t)"PATH=/usr/sbin:"
	    "/usr/bin:/sbin:/bin", (char *)(uintptr_t)"LC_ALL=C.UTF-8", NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	r = posix_spawn_file_actions_init(&fa);
	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&at);
	if (r != 0) {
		(void)posix_spawn_file_actions_destroy(&fa);
		return -r;
	}
	(void)posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawnattr_setsigmask(&at, &none);
	(void)posix_spawnattr_setsigdefault(&at, &all);
	r = posix_spawn_file_actions_adddup2(&fa, words, 2);
	if (r == 0)
		r = posix_spawn(ret_pid, argv[0], &fa, &at, argv, env);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)posix_spawnattr_destroy(&at);
	return -r;
}

int
vmm_spawn_new(sd_event *event, char *const *argv, vmm_spawned_fn *done,
    void *ctx, struct vmm_spawn **ret_sp, struct av_err *err)
{
	AUTO_FD int wr = -1;
	struct vmm_spawn *sp = calloc(1, sizeof(*sp));
	int rc, p[2];
	pid_t pid;

	if (sp == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	sp->pidfd = sp->words = -1;
	sp->done = done;
	sp->ctx = ctx;
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0) {
		rc = av_err_set(err, -errno, "pipe: %s", strerror(errno));
		goto fail;
	}
	sp->words = p[0];
	wr = p[1];
	rc = spawn_run(argv, wr, &pid);
	if (rc < 0) {
		rc = av_err_set(err, rc, "%s: %s", argv[0], strerror(-rc));
		goto fail;
	}
	sp->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (sp->pidfd < 0) {
		rc = av_err_maybe(err, -errno, "pidfd: %s", strerror(errno));
		goto fail;
	}
	rc = sd_event_add_io(event, &sp->io, sp->pidfd, EPOLLIN, spawn_ended,
	    sp);
	if (rc < 0) {
		rc = av_err_maybe(err, rc, "no event source");
		goto fail;
	}
	*ret_sp = sp;
	return 0;
fail:
	vmm_spawn_free(sp);
	return rc;
}

int
vmm_mkdir(const char *path, unsigned mode, struct av_err *err)
{
	char buf[PATH_MAX];
	size_t i, n = strlen(path);

	if (n >= sizeof(buf))
		return av_err_set(err, -ENAMETOOLONG, "path too long");
	memcpy(buf, path, n + 1);
	for (i = 1; i < n; i++) {
		if (buf[i] != '/')
			continue;
		buf[i] = '\0';
		if (mkdir(buf, 0755) < 0 && errno != EEXIST)
			return av_err_set(err, -errno, "%s: %s", buf,
			    strerror(errno));
		buf[i] = '/';
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return av_err_set(err, -errno, "%s: %s", path,
		    strerror(errno));
	return 0;
}

int
vmm_helper_default(char **ret_path)
{
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return -ENOENT;
	*slash = '\0';
	/* in a build both are in one folder */
	if (asprintf(ret_path, "%s/av-vmrun", self) < 0)
		return -ENOMEM;
	if (access(*ret_path, X_OK) == 0)
		return 0;
	free(*ret_path);
	*ret_path = strdup(HELPER_PATH);
	return *ret_path == NULL ? -ENOMEM : 0;
}
