/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/move.c - live migration of a domain
 *
 *   out: SETUP --connected--> ACTIVE --guest stands--> SWITCHING --"all is here"-->
 *	  COMPLETE.  Whatever breaks before: the guest goes on here, FAILED.
 *   in:  WAITING --the one with the key--> ACTIVE --made--> COMPLETE.  Whatever
 *	  breaks before: everything is taken away.
 *
 * Two files outlive av-xenrun.  RUNTIME/incoming.json: the domain here has never
 * run its guest; it goes before 'cont'.  RUNTIME/outgoing.json: where the guest is
 * sent, and whether all of it has arrived.
 */
#include "vmm/xenrun/move.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "vmm/stream.h"

#define NOTE_MAX	4096
#define TICK_US		200000	/* numbers, and what a thread says it has come to */
#define EARLY_MS	50	/* looks for the domain that libxl makes */

struct xr_move {
	bool		 incoming;
	_Atomic int	 phase;		/* enum vmm_phase */
	char		 tag[VMM_TAG_MAX];
	char		 address[VMM_ADDR_MAX];
	uint16_t	 port;
	char		 psk[256];
	char		 why[160];
	struct stream	*stream;	/* NULL = none any more */
	uint64_t	 began_ns;
	uint64_t	 stood_ns;	/* out: the guest stands since */
	unsigned	 total_ms;
	sd_event_source	*limit;
	sd_event_source	*tick;
	bool		 cancelled;
	bool		 pinned;	/* out: paused while it went on */
};

json_t *
xr_move_json(const struct xr_move *m)
{
	uint64_t ms = (av_clock_ns() - m->began_ns) / AV_NS_PER_MS;

	return json_pack("{s:s, s:b, s:s, s:s, s:i, s:s, s:I, s:I, s:b}", "phase",
	    vmm_phase_name((enum vmm_phase)m->phase), "incoming",
	    (int)m->incoming, "tag", m->tag, "address", m->address, "port",
	    (int)m->port, "why", m->why, "copied_bytes", m->stream != NULL ?
	    (json_int_t)stream_bytes(m->stream) : (json_int_t)0, "total_ms",
	    (json_int_t)(m->total_ms != 0 ? m->total_ms : ms), "pinned",
	    (int)m->pinned);
}

/* ---------------------------------- notes --------------------------------- */

static void
note_path(const struct xr *xr, const char *file, char ret[VMM_PATH_MAX + 24])
{
	(void)snprintf(ret, VMM_PATH_MAX + 24, "%s/%s", xr->spec.runtime_dir,
	    file);
}

static int
note_write(const struct xr *xr, bool complete, struct av_err *err)
{
	const struct xr_move *m = xr->move;
	AUTO_JSON json_t *o = json_pack("{s:s, s:s, s:i, s:b}", "tag", m->tag,
	    "address", m->address, "port", (int)m->port, "complete",
	    (int)complete);
	AUTO_FREE char *text = o != NULL ? json_dumps(o, 0) : NULL;
	char path[VMM_PATH_MAX + 24];

	if (text == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	note_path(xr, "outgoing.json", path);
	return av_file_write(path, text, strlen(text), 0600, err);
}

static int
note_drop(const struct xr *xr, const char *file)
{
	char path[VMM_PATH_MAX + 24];

	note_path(xr, file, path);
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static bool
text_take(const json_t *o, const char *key, char *ret, size_t room)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (s == NULL || strlen(s) >= room)
		return false;
	memcpy(ret, s, strlen(s) + 1);
	return true;
}

/* -ENOENT: there is none.  -EBADMSG: one that says nothing. */
static int
link_take(struct xr_move *m, const json_t *o)
{
	json_int_t port = json_integer_value(json_object_get(o, "port"));

	if (!text_take(o, "tag", m->tag, sizeof(m->tag)) ||
	    !text_take(o, "address", m->address, sizeof(m->address)) ||
	    port < 0 || port > 65535)
		return -EBADMSG;
	m->port = (uint16_t)port;
	if (json_object_get(o, "psk") != NULL &&
	    !text_take(o, "psk", m->psk, sizeof(m->psk)))
		return -EBADMSG;
	return 0;
}

static int
note_read(const struct xr *xr, const char *file, json_t **ret)
{
	AUTO_FREE char *text = NULL;
	char path[VMM_PATH_MAX + 24];
	size_t n;
	int rc;

	note_path(xr, file, path);
	rc = av_file_read(path, NOTE_MAX, &text, &n, NULL);
	if (rc < 0)
		return rc;
	*ret = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	return *ret != NULL ? 0 : -EBADMSG;
}

static struct xr_move *
move_new(bool incoming, enum vmm_phase phase)
{
	struct xr_move *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->incoming = incoming;
	m->phase = (int)phase;
	m->began_ns = av_clock_ns();
	return m;
}

static void
move_drop(struct xr *xr)
{
	struct xr_move *m = xr->move;

	xr->move = NULL;
	if (m == NULL)
		return;
	stream_free(m->stream);
	sd_event_source_disable_unref(m->limit);
	sd_event_source_disable_unref(m->tick);
	free(m);
}

static int
move_tick(sd_event_source *src, uint64_t usec, void *ctx)
{
	struct xr *xr = ctx;

	(void)usec;
	xr_serve_status(xr->serve);
	if (!xr->job.live)
		return 0;
	(void)sd_event_source_set_time_relative(src, TICK_US);
	return sd_event_source_set_enabled(src, SD_EVENT_ONESHOT);
}

/* The work of moving, with word of how far it is. */
static int
move_start(struct xr *xr, int (*work)(struct xr *, struct av_err *),
    void (*done)(struct xr *, int, const struct av_err *), struct av_err *err)
{
	int rc = sd_event_add_time_relative(xr->event, &xr->move->tick,
	    CLOCK_MONOTONIC, TICK_US, 10000, move_tick, xr);

	if (rc < 0)
		return av_err_set(err, rc, "no timer");
	xr->job.work = work;
	xr->job.done = done;
	xr_task_start(xr, &xr->job);
	return 0;
}

static void
phase_set(struct xr *xr, enum vmm_phase phase)
{
	xr->move->phase = (int)phase;
	xr_serve_status(xr->serve);
}

/* ----------------------------------- out ---------------------------------- */

/* In a thread.  rc 0: all is there, the guest stands here and there. */
static int
out_work(struct xr *xr, struct av_err *err)
{
	struct xr_move *m = xr->move;
	int fd, rc;

	rc = stream_connect(m->stream, m->address, m->port, &fd, err);
	if (rc < 0)
		return rc;
	m->phase = VMM_PHASE_ACTIVE;
	rc = xr_be_save(xr->domid, fd, err);
	/* a late write of ours would undo one of the guest there */
	if (rc == 0)
		rc = xr_disks_quiet(xr, err);
	return rc < 0 ? rc : stream_wait_done(m->stream, err);
}

/* In a thread: it had stopped for the stream; it goes on at the same point. */
static int
back_work(struct xr *xr, struct av_err *err)
{
	return xr_be_continue(xr->domid, err);
}

static void
back_done(struct xr *xr, int rc, const struct av_err *err)
{
	struct av_err why = {0};

	if (rc < 0 && xr->state != XR_ENDING) {
		/* it can't go on: as if it had crashed; the agent starts it */
		xr_guest_end(xr, XR_EX_PANIC, err->text);
		return;
	}
	xr_guest_settle(xr, &why);
	if (why.rc < 0)
		(void)fprintf(stderr, "%s\n", why.text);
}

/* The guest is ours, whatever has become of the stream. */
static void
out_back(struct xr *xr)
{
	struct xr_info in;

	if (note_drop(xr, "outgoing.json") < 0)
		(void)fprintf(stderr, "outgoing.json can't be removed\n");
	if (xr_be_find(xr->spec.uuid, &in) == 0 && in.shutdown &&
	    in.why == XR_WHY_SUSPEND) {
		xr->job.work = back_work;
		xr->job.done = back_done;
		xr_task_start(xr, &xr->job);
		return;
	}
	back_done(xr, 0, NULL);
}

static void
out_done(struct xr *xr, int rc, const struct av_err *err)
{
	struct xr_move *m = xr->move;
	struct av_err why = {0};

	m->limit = sd_event_source_disable_unref(m->limit);
	m->total_ms = (unsigned)((av_clock_ns() - m->began_ns) /
	    AV_NS_PER_MS);
	if (xr->state == XR_ENDING) {
		xr_guest_settle(xr, &why);
		return;
	}
	if (rc == 0)
		rc = note_write(xr, true, &why);
	else
		why = *err;
	/* a cancel or a pause that came after the last word came too late */
	if (rc == 0) {
		xr->state = XR_PAUSED;
		xr->want_run = false;
		phase_set(xr, VMM_PHASE_COMPLETE);
		return;
	}
	(void)snprintf(m->why, sizeof(m->why), "%.159s", m->cancelled ?
	    "cancelled" : why.text);
	stream_free(TAKE_PTR(m->stream));
	out_back(xr);
	phase_set(xr, m->cancelled ? VMM_PHASE_CANCELLED : VMM_PHASE_FAILED);
}

static int
out_late(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct xr *xr = ctx;

	(void)s;
	(void)usec;
	if (xr->move != NULL && xr->move->stream != NULL)
		stream_break(xr->move->stream);
	return 0;
}

static bool
move_is_live(const struct xr *xr)
{
	return xr->move != NULL && (xr->move->phase == VMM_PHASE_SETUP ||
	    xr->move->phase == VMM_PHASE_ACTIVE ||
	    xr->move->phase == VMM_PHASE_SWITCHING);
}

int
xr_move_out(struct xr *xr, const json_t *args, struct av_err *err)
{
	json_int_t limit = json_integer_value(json_object_get(args,
	    "total_ms"));
	struct xr_move *m;
	int rc;

	if (xr->state != XR_RUNNING || xr->job.live || move_is_live(xr))
		return av_err_set(err, -EBUSY, "it is busy or doesn't run");
	m = move_new(false, VMM_PHASE_SETUP);
	if (m == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	rc = link_take(m, args);
	if (rc < 0)
		(void)av_err_set(err, rc, "bad order to move");
	else
		rc = stream_new(m->psk[0] != '\0' ? m->psk : NULL, &m->stream,
		    err);
	if (rc < 0) {
		free(m);
		return rc;
	}
	move_drop(xr);
	xr->move = m;
	rc = note_write(xr, false, err);
	if (rc == 0 && limit > 0)
		rc = sd_event_add_time_relative(xr->event, &m->limit,
		    CLOCK_MONOTONIC, (uint64_t)limit * 1000, 10000, out_late,
		    xr);
	if (rc == 0)
		rc = move_start(xr, out_work, out_done, err);
	if (rc < 0) {
		move_drop(xr);
		return rc;
	}
	xr_serve_status(xr->serve);
	return 0;
}

void
xr_move_look(struct xr *xr)
{
	struct xr_info in;
	struct xr_move *m = xr->move;

	if (!move_is_live(xr) || m->incoming || m->phase ==
	    VMM_PHASE_SWITCHING)
		return;
	if (xr_be_find(xr->spec.uuid, &in) == 0 && in.shutdown &&
	    in.why == XR_WHY_SUSPEND) {
		m->stood_ns = av_clock_ns();
		xr->state = XR_PAUSED;
		phase_set(xr, VMM_PHASE_SWITCHING);
	}
}

int
xr_move_cancel(struct xr *xr, struct av_err *err)
{
	if (!move_is_live(xr) || xr->move->incoming)
		return av_err_set(err, -ESRCH, "nothing is under way");
	xr->move->cancelled = true;
	stream_break(xr->move->stream);
	return 0;
}

/* A pause in the middle of it: nothing executes from here on, here or there. */
int
xr_move_stop(struct xr *xr, struct av_err *err)
{
	struct xr_move *m = xr->move;
	struct xr_info in;
	int rc;

	if (!move_is_live(xr) || m->incoming)
		return xr_guest_stop(xr, err);
	xr->want_run = false;
	rc = xr_be_find(xr->spec.uuid, &in);
	if (rc == 0 && !in.paused)
		rc = xr_be_pause(in.domid);
	if (rc < 0)
		return av_err_set(err, rc, "Xen can't pause it");
	m->cancelled = m->pinned = true;
	stream_break(m->stream);
	xr_state_set(xr, XR_PAUSED);
	return 0;
}

/* In a thread. */
static int
plug_work(struct xr *xr, struct av_err *err)
{
	return xr_disks_plug(xr, err);
}

/* All of it is here, with its disks.  Whatever fails: the order comes again. */
static void
plug_done(struct xr *xr, int rc, const struct av_err *err)
{
	struct av_err why = {0};

	if (xr->state == XR_ENDING) {
		xr_guest_settle(xr, &why);
		return;
	}
	/* from here on it counts as one that has run here */
	if (rc == 0 && note_drop(xr, "incoming.json") < 0)
		rc = av_err_set(&why, -EIO, "incoming.json can't be removed");
	else
		why = *err;
	if (rc == 0) {
		move_drop(xr);
		xr->state = XR_PAUSED;
		if (xr->want_run)
			rc = xr_guest_cont(xr, &why);
		else
			xr_serve_status(xr->serve);	/* a pause meanwhile */
	}
	if (rc < 0) {
		(void)fprintf(stderr, "%s\n", why.text);
		xr->want_run = false;
	}
	xr_guest_look(xr);
}

int
xr_move_cont(struct xr *xr, struct av_err *err)
{
	struct xr_move *m = xr->move;

	if (m->incoming && xr->state == XR_INCOMING) {
		if (m->phase != VMM_PHASE_COMPLETE || xr->job.live)
			return av_err_set(err, -EAGAIN,
			    "it hasn't all arrived");
		xr->want_run = true;
		xr->job.work = plug_work;
		xr->job.done = plug_done;
		xr_task_start(xr, &xr->job);
		return 0;
	}
	if (!m->incoming && m->phase == VMM_PHASE_COMPLETE) {
		if (xr->job.live)
			return av_err_set(err, -EAGAIN, "busy with it");
		xr->want_run = true;
		(void)snprintf(m->why, sizeof(m->why), "taken back");
		m->phase = VMM_PHASE_CANCELLED;
		out_back(xr);
		return 0;
	}
	if (move_is_live(xr)) {		/* pinned: it runs when that has ended */
		xr->want_run = true;
		return 0;
	}
	return xr_guest_cont(xr, err);
}

/* ----------------------------------- in ----------------------------------- */

/* The process of its disks gets ready while the memory comes: it needs the domain's
 * number alone. */
struct early {
	struct xr	*xr;
	atomic_bool	 stop;
	int		 rc;
	struct av_err	 err;
};

static void *
early_run(void *ctx)
{
	const struct timespec t = { .tv_nsec = EARLY_MS * 1000000l };
	struct early *e = ctx;
	struct xr_info in;

	while (!atomic_load(&e->stop)) {
		if (xr_be_find(e->xr->spec.uuid, &in) == 0 && !in.dying) {
			e->rc = xr_disks_start(e->xr, in.domid, false,
			    &e->err);
			return NULL;
		}
		/* lint: sleep: libxl makes it in the middle of a long call */
		(void)nanosleep(&t, NULL);
	}
	e->rc = av_err_set(&e->err, -ECANCELED, "no domain came");
	return NULL;
}

static int
in_make(struct xr *xr, struct av_err *err)
{
	struct early e = { .xr = xr };
	pthread_t thread;
	int rc;

	if (pthread_create(&thread, NULL, early_run, &e) != 0)
		return av_err_set(err, -EAGAIN, "no thread");
	rc = xr_make_work(xr, err);
	atomic_store(&e.stop, rc < 0);
	(void)pthread_join(thread, NULL);
	if (rc == 0 && e.rc < 0) {
		*err = e.err;
		rc = e.rc;
	}
	return rc < 0 ? rc : xr_made_write(xr, err);
}

static int
in_work(struct xr *xr, struct av_err *err)
{
	struct xr_move *m = xr->move;
	int fd, rc;

	rc = stream_accept(m->stream, &fd, err);
	if (rc < 0)
		return rc;
	m->phase = VMM_PHASE_ACTIVE;
	xr->restore_fd = fd;
	rc = in_make(xr, err);
	xr->restore_fd = -1;
	return rc < 0 ? rc : stream_say_done(m->stream, err);
}

static void
in_done(struct xr *xr, int rc, const struct av_err *err)
{
	struct av_err why = {0};

	if (xr->state == XR_ENDING) {
		xr_guest_settle(xr, &why);
		return;
	}
	if (rc < 0) {
		xr_guest_end(xr, XR_EX_INCOMING_FAILED, err->text);
		return;
	}
	xr_made_use(xr);
	phase_set(xr, VMM_PHASE_COMPLETE);
	xr_guest_look(xr);
}

int
xr_move_in(struct xr *xr, struct av_err *err)
{
	AUTO_JSON json_t *o = NULL;
	struct xr_move *m = move_new(true, VMM_PHASE_WAITING);
	int rc = m != NULL ? note_read(xr, "incoming.json", &o) : -ENOMEM;

	xr->move = m;
	if (rc == 0)
		rc = link_take(m, o);
	if (rc < 0)
		return av_err_set(err, rc == -ENOENT ? -EBADMSG : rc,
		    "no word about the migration");
	rc = stream_new(m->psk[0] != '\0' ? m->psk : NULL, &m->stream, err);
	if (rc == 0)
		rc = stream_listen(m->stream, m->address, &m->port, err);
	if (rc == 0)
		rc = move_start(xr, in_work, in_done, err);
	if (rc < 0)
		return rc;
	xr_state_set(xr, XR_INCOMING);
	return 0;
}

void
xr_move_break(struct xr *xr)
{
	if (xr->move != NULL && xr->move->stream != NULL)
		stream_break(xr->move->stream);
}

/* ------------------------- after av-xenrun's restart ---------------------- */

static int
found(struct xr *xr, bool incoming, const json_t *o, enum vmm_phase phase)
{
	xr->move = move_new(incoming, phase);
	if (xr->move == NULL)
		return -ENOMEM;
	/* one that can't be read counts, with nothing in it */
	if (link_take(xr->move, o) < 0)
		xr->move->tag[0] = '\0';
	xr->move->psk[0] = '\0';
	return 0;
}

int
xr_move_adopt(struct xr *xr, const struct xr_info *in, struct av_err *err)
{
	AUTO_JSON json_t *o = NULL;
	int rc = note_read(xr, "incoming.json", &o);

	if (rc != -ENOENT) {
		if (found(xr, true, o, VMM_PHASE_COMPLETE) < 0)
			return av_err_set(err, -ENOMEM, "no memory");
		xr_state_set(xr, XR_INCOMING);
		return 1;
	}
	rc = note_read(xr, "outgoing.json", &o);
	if (rc == -ENOENT || !in->shutdown || in->why != XR_WHY_SUSPEND)
		return 0;
	if (found(xr, false, o, VMM_PHASE_COMPLETE) < 0)
		return av_err_set(err, -ENOMEM, "no memory");
	xr->state = XR_PAUSED;
	if (json_is_true(json_object_get(o, "complete")))
		return 1;
	/* the stream died with us: the guest is still ours alone */
	xr->move->phase = VMM_PHASE_FAILED;
	(void)snprintf(xr->move->why, sizeof(xr->move->why),
	    "av-xenrun was restarted");
	xr->want_run = !in->paused;
	out_back(xr);
	return 1;
}
