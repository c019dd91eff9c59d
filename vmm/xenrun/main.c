/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/main.c - av-xenrun: the process that stands for one guest under Xen
 *
 *	av-xenrun create|adopt|destroy|incoming RUNTIME UUID
 *	av-xenrun physical			what this machine is, as JSON
 *	av-xenrun ACTION type_if=KIND		libxl's script for adapters: be_vif.c
 *
 * Started by av-vmrun, which holds RUNTIME/lock (never two of one guest), writes
 * RUNTIME/pid before and RUNTIME/exit after it (enum xr_exit).  The domain outlives
 * it as it outlives the agent: 'adopt' takes over what is there, by UUID; 'destroy'
 * takes it away.  SIGTERM, which the end of the machine brings, takes the guest away,
 * too, as it ends a QEMU.  Whatever goes to stderr is in the log; its last line is the
 * reason that a failed start shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "vmm/xenrun/move.h"
#include "vmm/xenrun/run.h"

#define SPEC_MAX_BYTES	65536

static int
fail(int code, const char *words)
{
	(void)fprintf(stderr, "%s\n", words);
	return code;
}

static int
physical(void)
{
	AUTO_JSON json_t *msg = NULL;
	struct av_err err = {0};
	int fd;

	if (xr_be_open(&fd, &err) < 0 || xr_be_physical(&msg, &err) < 0)
		return fail(XR_EX_FAILED, err.text);
	(void)json_dumpf(msg, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
	return 0;
}

/* As libxl's script. */
static int
adapter(const char *action, bool tap)
{
	int rc = xr_be_vif(action, tap);

	if (rc < 0)
		(void)fprintf(stderr, "the network adapter can't be connected "
		    "(%s): %s\n", action, strerror(-rc));
	return rc < 0 ? 1 : 0;
}

static int
spec_read(struct xr *xr, const char *runtime, const char *uuid,
    struct av_err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON json_t *msg = NULL;
	char path[VMM_PATH_MAX + 16];
	size_t n;
	int rc;

	(void)snprintf(path, sizeof(path), "%.96s/xen.json", runtime);
	rc = av_file_read(path, SPEC_MAX_BYTES, &text, &n, err);
	if (rc < 0)
		return rc;
	msg = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	rc = xr_spec_decode(msg, &xr->spec, err);
	if (rc == 0 && (strcmp(xr->spec.uuid, uuid) != 0 ||
	    strcmp(xr->spec.runtime_dir, runtime) != 0))
		rc = av_err_set(err, -EBADMSG, "another guest's description");
	return rc;
}

static int
domains_changed(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	(void)s;
	(void)fd;
	(void)revents;
	xr_be_drain();
	xr_guest_look(ctx);
	return 0;
}

static int term_fd = -1;	/* not a blocked signal: what we start would inherit that */

static void
term_note(int sig)
{
	uint64_t one = 1;
	int e = errno;
	ssize_t r = write(term_fd, &one, sizeof(one));

	(void)sig;
	(void)r;		/* full: it is known already */
	errno = e;
}

static int
term_came(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	(void)fd;
	(void)revents;
	(void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
	xr_guest_end(ctx, XR_EX_KILLED, "ended by a signal");
	return 0;
}

static int
term_watch(struct xr *xr)
{
	struct sigaction sa = { .sa_handler = term_note,
		.sa_flags = SA_RESTART };

	term_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (term_fd < 0 || sd_event_add_io(xr->event, NULL, term_fd, EPOLLIN,
	    term_came, xr) < 0 || sigaction(SIGTERM, &sa, NULL) < 0)
		return -EIO;
	return 0;
}

/* What we start must not hold the guest's lock longer than we do. */
static void
files_keep(void)
{
	int fd;

	for (fd = 3; fd < 64; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);	/* EBADF: none */
}

static int
begin(struct xr *xr, const char *mode, struct av_err *err)
{
	struct xr_info in;
	int rc;

	rc = xr_be_find(xr->spec.uuid, &in);
	if (strcmp(mode, "destroy") == 0) {
		/* also without a domain: its disks' process may be left */
		xr_guest_end(xr, rc == -ENOENT ? XR_EX_NONE : XR_EX_KILLED,
		    "");
		return 0;
	}
	if (strcmp(mode, "adopt") == 0)
		return xr_guest_adopt(xr, err);
	if (rc != -ENOENT)
		return av_err_set(err, rc == 0 ? -EEXIST : rc,
		    rc == 0 ? "a domain of this guest is there already" :
		    "Xen doesn't answer");
	if (strcmp(mode, "incoming") == 0)
		return xr_move_in(xr, err);
	xr_guest_make(xr);
	return 0;
}

static int
run(struct xr *xr, const char *mode, const char *runtime, const char *uuid)
{
	struct av_err err = {0};
	int fd, rc;

	rc = spec_read(xr, runtime, uuid, &err);
	if (rc < 0)
		return fail(XR_EX_FAILED, err.text);
	if (sd_event_new(&xr->event) < 0 || xr_tasks_init(xr) < 0 ||
	    xr_console_new(xr, &xr->console) < 0)
		return fail(XR_EX_FAILED, "no event loop or console");
	rc = xr_serve_new(xr, &xr->serve, &err);
	if (rc == 0)
		rc = xr_be_open(&fd, &err);
	if (rc < 0)
		/* without Xen no domain of this guest can be */
		return fail(rc == -ENODEV ? strcmp(mode, "create") == 0 ||
		    strcmp(mode, "incoming") == 0 ? XR_EX_START_FAILED :
		    XR_EX_NONE : XR_EX_FAILED, err.text);
	if (sd_event_add_io(xr->event, NULL, fd, EPOLLIN, domains_changed,
	    xr) < 0)
		return fail(XR_EX_FAILED, "no event source");
	if (term_watch(xr) < 0)
		return fail(XR_EX_FAILED, "no word of signals");
	rc = begin(xr, mode, &err);
	if (rc == -ENOENT)
		return fail(XR_EX_NONE, "there is no domain of this guest");
	if (rc < 0)
		return fail(XR_EX_FAILED, err.text);
	rc = sd_event_loop(xr->event);
	return rc < 0 ? XR_EX_FAILED : rc;
}

int
main(int argc, char **argv)
{
	static struct xr xr = { .task_fd = -1, .restore_fd = -1,
		.disks_pidfd = -1 };

	(void)signal(SIGPIPE, SIG_IGN);
	files_keep();
	if (argc == 2 && strcmp(argv[1], "physical") == 0)
		return physical();
	if (argc == 3 && strncmp(argv[2], "type_if=", 8) == 0)
		return adapter(argv[1], strcmp(argv[2] + 8, "tap") == 0);
	if (argc != 4 || (strcmp(argv[1], "create") != 0 &&
	    strcmp(argv[1], "adopt") != 0 && strcmp(argv[1], "destroy") != 0 &&
	    strcmp(argv[1], "incoming") != 0))
		return fail(2, "usage: av-xenrun create|adopt|destroy|incoming "
		    "RUNTIME UUID\n       av-xenrun physical");
	return run(&xr, argv[1], argv[2], argv[3]);
}
