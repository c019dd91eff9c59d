/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/imagecopy.c - fill a new volume from an image file
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "nodeagent/imagecopy.h"

#define NBDCOPY		"/usr/bin/nbdcopy"
#define LINE_MAX_BYTES	256

struct imagecopy {
	const struct imagecopy_ops *ops;
	void		*ctx;
	pid_t		 pid;		/* 0 = reaped */
	int		 progress_fd;
	int		 stderr_fd;
	char		 progress[LINE_MAX_BYTES];
	size_t		 n_progress;
	char		 words[LINE_MAX_BYTES];	/* the last of its stderr */
	sd_event_source	*on_progress, *on_stderr, *on_exit;
};

/* --- start -> progress, words -> exit --- */

static int
copy_on_progress(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct imagecopy *ic = arg;
	ssize_t r;
	char *nl;

	(void)revents;
	r = read(fd, ic->progress + ic->n_progress,
	    sizeof(ic->progress) - 1 - ic->n_progress);
	if (r <= 0) {
		if (r == 0 || (errno != EAGAIN && errno != EINTR))
			(void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
		return 0;
	}
	ic->n_progress += (size_t)r;
	ic->progress[ic->n_progress] = '\0';
	while ((nl = strchr(ic->progress, '\n')) != NULL) {
		int percent = -1;

		*nl = '\0';
		if (sscanf(ic->progress, "%d/100", &percent) == 1 &&
		    percent >= 0 && percent <= 100)
			ic->ops->progress(ic->ctx, percent);
		ic->n_progress -= (size_t)(nl + 1 - ic->progress);
		memmove(ic->progress, nl + 1, ic->n_progress + 1);
	}
	if (ic->n_progress == sizeof(ic->progress) - 1)
		ic->n_progress = 0;	/* not a progress line: forget it */
	return 0;
}

static void
words_take(struct imagecopy *ic)
{
	char buf[LINE_MAX_BYTES];
	ssize_t r;

	while ((r = read(ic->stderr_fd, buf, sizeof(buf) - 1)) > 0) {
		buf[r] = '\0';
		buf[strcspn(buf, "\n")] = '\0';
		if (buf[0] != '\0')
			(void)snprintf(ic->words, sizeof(ic->words), "%s", buf);
	}
}

static int
copy_on_stderr(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct imagecopy *ic = arg;

	(void)fd;
	words_take(ic);
	if (revents & EPOLLHUP)
		(void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
	return 0;
}

static int
copy_on_exit(sd_event_source *s, const siginfo_t *si, void *arg)
{
	struct imagecopy *ic = arg;
	struct av_err err = { 0 };
	int rc = 0;

	(void)s;
	ic->pid = 0;
	words_take(ic);
	if (si->si_code != CLD_EXITED)
		rc = av_err_set(&err, -EIO, "copying ended by signal %d",
		    si->si_status);
	else if (si->si_status != 0)
		rc = av_err_set(&err, -EIO, "copying failed: %s",
		    ic->words[0] != '\0' ? ic->words : "nbdcopy gave no reason");
	ic->ops->done(ic->ctx, rc, &err);
	return 0;
}

static int
spawn_nbdcopy(struct imagecopy *ic, const char *image, const char *uri,
    int progress_w, int stderr_w)
{
	const char *const argv[] = { NBDCOPY, "--connections=1",
	    "--destination-is-zero", "--flush", "--progress=3", "--", image,
	    uri, NULL };
	char *const envp[] = { (char *)(uintptr_t)"PATH=/usr/sbin:/usr/bin",
	    (char *)(uintptr_t)"LC_ALL=C.UTF-8", NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&fa, stderr_w, 2);
	(void)posix_spawn_file_actions_adddup2(&fa, progress_w, 3);
	(void)posix_spawnattr_init(&attr);
	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(&ic->pid, NBDCOPY, &fa, &attr,
	    (char *const *)(uintptr_t)argv, envp);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)posix_spawnattr_destroy(&attr);
	if (rc != 0)
		ic->pid = 0;
	return -rc;
}

int
imagecopy_start(sd_event *event, const char *image_path,
    const char *front_socket, const struct imagecopy_ops *ops, void *ctx,
    struct imagecopy **ret, struct av_err *err)
{
	struct imagecopy *ic = calloc(1, sizeof(*ic));
	int progress[2] = { -1, -1 }, words[2] = { -1, -1 };
	char uri[512];
	int rc;

	if (ic == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	ic->ops = ops;
	ic->ctx = ctx;
	ic->progress_fd = ic->stderr_fd = -1;
	/* a mirror's front is a socket, or a block device (drbd) */
	(void)snprintf(uri, sizeof(uri), "%s%s",
	    strncmp(front_socket, "/dev/", 5) == 0 ? "" :
	    "nbd+unix:///front?socket=", front_socket);
	if (pipe2(progress, O_CLOEXEC) < 0 || pipe2(words, O_CLOEXEC) < 0) {
		rc = -errno;
		goto out;
	}
	ic->progress_fd = TAKE_FD(progress[0]);
	ic->stderr_fd = TAKE_FD(words[0]);
	(void)fcntl(ic->progress_fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(ic->stderr_fd, F_SETFL, O_NONBLOCK);
	rc = spawn_nbdcopy(ic, image_path, uri, progress[1], words[1]);
	if (rc < 0)
		goto out;
	rc = sd_event_add_io(event, &ic->on_progress, ic->progress_fd, EPOLLIN,
	    copy_on_progress, ic);
	if (rc >= 0)
		rc = sd_event_add_io(event, &ic->on_stderr, ic->stderr_fd,
		    EPOLLIN, copy_on_stderr, ic);
	if (rc >= 0)
		rc = sd_event_add_child(event, &ic->on_exit, ic->pid, WEXITED,
		    copy_on_exit, ic);
out:
	av_auto_close(&progress[0]);
	av_auto_close(&progress[1]);
	av_auto_close(&words[0]);
	av_auto_close(&words[1]);
	if (rc < 0) {
		(void)imagecopy_free(ic);
		return av_err_set(err, rc, "nbdcopy: %s", strerror(-rc));
	}
	*ret = ic;
	return 0;
}

struct imagecopy *
imagecopy_free(struct imagecopy *ic)
{
	if (ic == NULL)
		return NULL;
	sd_event_source_disable_unref(ic->on_progress);
	sd_event_source_disable_unref(ic->on_stderr);
	sd_event_source_disable_unref(ic->on_exit);
	if (ic->pid > 0) {
		(void)kill(ic->pid, SIGKILL);
		(void)waitpid(ic->pid, NULL, 0);
	}
	av_auto_close(&ic->progress_fd);
	av_auto_close(&ic->stderr_fd);
	free(ic);
	return NULL;
}
