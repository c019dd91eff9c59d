/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/guest.c - the guest's domain: made, watched, taken away
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "vmm/xenrun/move.h"
#include "vmm/xenrun/run.h"

#define GONE_STEP_MS	50

/* ---------------------------------- tasks --------------------------------- */

static void *
task_thread(void *ctx)
{
	struct xr_task *t = ctx;
	uint64_t one = 1;
	ssize_t r;

	t->rc = t->work(t->xr, &t->err);
	atomic_store(&t->ended, true);
	r = write(t->xr->task_fd, &one, sizeof(one));
	AV_ASSERT(r == sizeof(one));	/* an eventfd of three users can't be full */
	return NULL;
}

void
xr_task_start(struct xr *xr, struct xr_task *t)
{
	int r;

	AV_ASSERT(!t->live);
	t->xr = xr;
	t->rc = 0;
	memset(&t->err, 0, sizeof(t->err));
	atomic_store(&t->ended, false);
	t->live = true;
	r = pthread_create(&t->thread, NULL, task_thread, t);
	AV_ASSERT(r == 0);	/* the next av-xenrun adopts the domain */
}

static void
task_take(struct xr *xr, struct xr_task *t)
{
	if (!t->live || !atomic_load(&t->ended))
		return;
	(void)pthread_join(t->thread, NULL);
	t->live = false;
	t->done(xr, t->rc, &t->err);
}

static int
tasks_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct xr *xr = ctx;
	uint64_t n;
	ssize_t r = read(fd, &n, sizeof(n));

	(void)s;
	(void)r;
	(void)revents;
	task_take(xr, &xr->job);
	task_take(xr, &xr->ender);
	task_take(xr, &xr->grower);
	return 0;
}

int
xr_tasks_init(struct xr *xr)
{
	xr->task_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (xr->task_fd < 0)
		return -errno;
	return sd_event_add_io(xr->event, NULL, xr->task_fd, EPOLLIN, tasks_io,
	    xr);
}

void
xr_state_set(struct xr *xr, enum xr_state state)
{
	if (xr->state == state)
		return;
	xr->state = state;
	xr_serve_status(xr->serve);
}

/* -------------------------- taking it away, for good ---------------------- */

static int
end_work(struct xr *xr, struct av_err *err)
{
	struct xr_info in;
	int rc;

	while ((rc = xr_be_find(xr->spec.uuid, &in)) != -ENOENT) {
		struct timespec t = { .tv_nsec = GONE_STEP_MS * 1000000l };

		if (rc < 0)
			return av_err_maybe(err, rc, "Xen doesn't answer");
		if (!in.dying && xr_be_destroy(in.domid, err) < 0)
			(void)fprintf(stderr, "%s\n", err->text);
		/* lint: sleep: whoever holds its memory lets go by himself */
		(void)nanosleep(&t, NULL);
	}
	/* only now: a domain without its disks would be one that hangs */
	return xr_disks_stop(xr, err);
}

static void
end_check(struct xr *xr)
{
	struct xr_info in;

	if (xr->state != XR_ENDING || xr->job.live || xr->ender.live)
		return;
	if (xr_be_find(xr->spec.uuid, &in) != -ENOENT) {
		xr_task_start(xr, &xr->ender);	/* the job had made one more */
		return;
	}
	if (xr->why[0] != '\0')
		(void)fprintf(stderr, "%s\n", xr->why);
	(void)sd_event_exit(xr->event, xr->exit_code);
}

static void
end_done(struct xr *xr, int rc, const struct av_err *err)
{
	if (rc < 0) {
		/* not sure that all is gone: no word of an end */
		(void)fprintf(stderr, "%s\n", err->text);
		(void)sd_event_exit(xr->event, XR_EX_FAILED);
		return;
	}
	end_check(xr);
}

void
xr_guest_end(struct xr *xr, int code, const char *why)
{
	if (xr->state == XR_ENDING)
		return;
	xr->exit_code = code;
	(void)snprintf(xr->why, sizeof(xr->why), "%s", why);
	xr_state_set(xr, XR_ENDING);
	xr->disks_io = sd_event_source_disable_unref(xr->disks_io);
	xr_move_break(xr);
	xr->ender.work = end_work;
	xr->ender.done = end_done;
	xr_task_start(xr, &xr->ender);
}

/* -------------------------------- making it ------------------------------- */

/* The bridge that 'tap' is a port of; "" = none. */
static void
bridge_of(const char *tap, char ret[16])
{
	char path[64], link[PATH_MAX];
	const char *name;
	ssize_t n;

	ret[0] = '\0';
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/master", tap);
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0)
		return;
	link[n] = '\0';
	name = strrchr(link, '/');
	if (name != NULL && strlen(name + 1) < 16)
		memcpy(ret, name + 1, strlen(name));
}

static void
made_path(const struct xr *xr, char ret[VMM_PATH_MAX + 8])
{
	(void)snprintf(ret, VMM_PATH_MAX + 8, "%s/made",
	    xr->spec.runtime_dir);
}

/* RUNTIME/made is the number of a domain that is whole. */
int
xr_made_write(const struct xr *xr, struct av_err *err)
{
	char path[VMM_PATH_MAX + 8], text[16];

	made_path(xr, path);
	(void)snprintf(text, sizeof(text), "%u", xr->domid);
	return av_file_write(path, text, strlen(text), 0600, err);
}

static bool
made_is(const struct xr *xr, unsigned domid)
{
	AUTO_FREE char *text = NULL;
	char path[VMM_PATH_MAX + 8];
	uint64_t n;
	size_t len;

	made_path(xr, path);
	return av_file_read(path, 32, &text, &len, NULL) == 0 &&
	    av_parse_u64(text, &n) == 0 && n == domid;
}

/* This program is the script that puts adapters into bridges. */
static int
scripts_set(json_t *config, struct av_err *err)
{
	json_t *list = json_object_get(config, "nics");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t i;

	/* one that an upgrade has replaced has another name */
	while (n > 10 && memcmp(self + n - 10, " (deleted)", 10) == 0)
		n -= 10;
	self[n > 0 ? n : 0] = '\0';
	for (i = 0; i < json_array_size(list); i++)
		if (n <= 0 || json_object_set_new(json_array_get(list, i),
		    "script", json_string(self)) < 0)
			return av_err_set(err, -EIO, "av-xenrun's own name "
			    "isn't known");
	return 0;
}

int
xr_make_work(struct xr *xr, struct av_err *err)
{
	char names[VMM_NICS_MAX][16];
	const char *bridges[VMM_NICS_MAX];
	AUTO_JSON json_t *config = NULL;
	unsigned i, domid = 0;
	int rc;

	for (i = 0; i < xr->spec.n_nics; i++) {
		bridge_of(xr->spec.nics[i].tap, names[i]);
		bridges[i] = names[i];
	}
	rc = xr_config(&xr->spec, bridges, &config, err);
	if (rc == 0)
		rc = scripts_set(config, err);
	if (rc == 0)
		rc = xr_be_create(config, xr->restore_fd, &domid, err);
	xr->domid = domid;
	if (rc < 0 || xr->restore_fd >= 0)
		return rc;	/* move.c does the rest */
	rc = xr_disks_start(xr, domid, true, err);
	return rc < 0 ? rc : xr_made_write(xr, err);
}

static int
disks_died(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct xr *xr = ctx;

	(void)s;
	(void)fd;
	(void)revents;
	xr->disks_io = sd_event_source_disable_unref(xr->disks_io);
	xr_guest_end(xr, XR_EX_BACKEND, "the process of its disks died");
	return 0;
}

void
xr_made_use(struct xr *xr)
{
	int fd = xr_disks_pidfd(xr);

	xr->disks_io = sd_event_source_disable_unref(xr->disks_io);
	if (xr->disks_pidfd >= 0)
		(void)close(TAKE_FD(xr->disks_pidfd));	/* a pidfd */
	if (fd >= 0) {
		xr->disks_pidfd = fd;
		if (sd_event_add_io(xr->event, &xr->disks_io, fd, EPOLLIN,
		    disks_died, xr) < 0)
			(void)fprintf(stderr, "no event source\n");
	}
	xr_console_use(xr->console);
}

static void
made(struct xr *xr, int rc, const struct av_err *err)
{
	struct av_err why = {0};

	if (xr->state == XR_ENDING) {
		end_check(xr);
		return;
	}
	if (rc < 0) {
		xr_guest_end(xr, XR_EX_START_FAILED, err->text);
		return;
	}
	xr_made_use(xr);
	xr->state = XR_PAUSED;
	if (!xr->want_run)
		xr_serve_status(xr->serve);
	else if (xr_guest_cont(xr, &why) < 0)	/* a reset: says nothing */
		xr_guest_end(xr, XR_EX_START_FAILED, why.text);
	xr_guest_look(xr);
}

void
xr_guest_make(struct xr *xr)
{
	xr->job.work = xr_make_work;
	xr->job.done = made;
	xr_task_start(xr, &xr->job);
}

/* ------------------- a guest that resets: a new domain -------------------- */

static int
reset_work(struct xr *xr, struct av_err *err)
{
	int rc = end_work(xr, err);

	return rc < 0 ? rc : xr_make_work(xr, err);
}

static void
guest_reset(struct xr *xr)
{
	xr->disks_io = sd_event_source_disable_unref(xr->disks_io);
	/* RUNNING for the agent: a reset is no event */
	xr->state = XR_MAKING;
	xr->restore_fd = -1;
	xr->job.work = reset_work;
	xr->job.done = made;
	xr_task_start(xr, &xr->job);
}

void
xr_guest_look(struct xr *xr)
{
	struct xr_info in;
	int rc, code;

	xr_move_look(xr);
	if (xr->state == XR_ENDING || xr->state == XR_MAKING || xr->job.live)
		return;		/* whoever works looks when he is done */
	rc = xr_be_find(xr->spec.uuid, &in);
	if (rc == -ENOENT || (rc == 0 && (in.dying ||
	    in.domid != xr->domid))) {
		xr_guest_end(xr, XR_EX_VANISHED, "");
		return;
	}
	if (rc < 0 || !in.shutdown)
		return;
	code = xr_why_exit(in.why);
	if (code != 0)
		xr_guest_end(xr, code, "");
	else if (in.why != XR_WHY_SUSPEND)
		guest_reset(xr);
}

/* ----------------------------- stop, cont, adopt -------------------------- */

int
xr_guest_stop(struct xr *xr, struct av_err *err)
{
	struct xr_info in;
	int rc;

	xr->want_run = false;
	if (xr->state != XR_RUNNING)
		return 0;	/* being made: it won't be let run */
	rc = xr_be_find(xr->spec.uuid, &in);
	if (rc == 0 && !in.paused)
		rc = xr_be_pause(in.domid);
	if (rc < 0 && rc != -ENOENT)
		return av_err_set(err, rc, "Xen can't pause it");
	xr_state_set(xr, XR_PAUSED);
	return 0;
}

void
xr_guest_settle(struct xr *xr, struct av_err *err)
{
	struct xr_info in;
	int rc;

	if (xr->state == XR_ENDING) {
		end_check(xr);
		return;
	}
	rc = xr_be_find(xr->spec.uuid, &in);
	if (rc == 0)
		xr_state_set(xr, in.paused ? XR_PAUSED : XR_RUNNING);
	if (rc == 0 && xr->want_run && in.paused)
		(void)xr_guest_cont(xr, err);
	else if (rc == 0 && !xr->want_run && !in.paused)
		(void)xr_guest_stop(xr, err);
	xr_guest_look(xr);
}

static int
cont_work(struct xr *xr, struct av_err *err)
{
	int rc = xr_be_unpause(xr->domid, true);

	return rc < 0 ? av_err_set(err, rc, "Xen can't let it run") : 0;
}

static void
cont_done(struct xr *xr, int rc, const struct av_err *err)
{
	struct av_err why = {0};

	if (xr->state == XR_ENDING) {
		end_check(xr);
	} else if (rc < 0) {
		(void)fprintf(stderr, "%s\n", err->text);
	} else {
		xr_state_set(xr, XR_RUNNING);
		if (!xr->want_run && xr_guest_stop(xr, &why) < 0)
			(void)fprintf(stderr, "%s\n", why.text);
		xr_guest_look(xr);
	}
}

int
xr_guest_cont(struct xr *xr, struct av_err *err)
{
	int rc;

	xr->want_run = true;
	if (xr->state != XR_PAUSED)
		return 0;
	if (xr_is_hvm(&xr->spec)) {
		if (xr->job.live)
			return av_err_set(err, -EBUSY, "busy with it");
		xr->job.work = cont_work;
		xr->job.done = cont_done;
		xr_task_start(xr, &xr->job);
		return 0;
	}
	rc = xr_be_unpause(xr->domid, false);
	if (rc < 0)
		return av_err_set(err, rc, "Xen can't let it run");
	xr_state_set(xr, XR_RUNNING);
	return 0;
}

int
xr_guest_adopt(struct xr *xr, struct av_err *err)
{
	struct xr_info in;
	int rc = xr_be_find(xr->spec.uuid, &in);

	if (rc < 0)
		return rc == -ENOENT ? rc : av_err_set(err, rc,
		    "Xen doesn't answer");
	xr->domid = in.domid;
	if (!in.hvm)
		return av_err_set(err, -EPERM, "domain %u has this guest's "
		    "UUID but is a PV guest: none of ours", in.domid);
	if (!in.dying && !made_is(xr, in.domid)) {
		xr_guest_end(xr, XR_EX_START_FAILED,
		    "it was left behind half made");
		return 0;
	}
	xr_made_use(xr);
	rc = xr_move_adopt(xr, &in, err);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		xr->want_run = !in.paused;
		xr_state_set(xr, in.paused ? XR_PAUSED : XR_RUNNING);
	}
	if (xr_disks_pidfd(xr) == -ESRCH)
		xr_guest_end(xr, XR_EX_BACKEND,
		    "the process of its disks died");
	xr_guest_look(xr);
	return 0;
}
