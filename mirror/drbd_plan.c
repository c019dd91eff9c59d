/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_plan.c - an order as commands, calls and waits
 *
 * Every command's argv is written here and nowhere else; tests compare them with
 * tests/golden/drbd/.  Always 'disconnect --force': a polite one asks the peer
 * to agree that one side is old, and makes a secondary outdate itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mirror/drbd.h"

#define HELPER_NS	(2 * AV_NS_PER_S)

/* --- what is so now --- */

static bool
is_primary(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->ev.now.role == DRBD_ROLE_PRIMARY;
}

static bool
is_not_primary(const struct drbd *d, const struct drbd_job *job)
{
	return !is_primary(d, job);
}

static bool
is_connected(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->ev.now.cstate == DRBD_C_CONNECTED;
}

static bool
can_promote(const struct drbd *d, const struct drbd_job *job)
{
	return drbd_is_connected(d) && !is_primary(d, job);
}

static bool
is_suspended(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->ev.now.suspended != 0;
}

static bool
is_held_primary(const struct drbd *d, const struct drbd_job *job)
{
	return is_primary(d, job) && is_suspended(d, job);
}

/* A handler was answered: DRBD thaws by itself, a little after the handler's end.
 * If it doesn't (the handler was killed), resume-io does. */
static bool
is_helper_due(const struct drbd *d, const struct drbd_job *job)
{
	return is_suspended(d, job) && av_clock_ns() < job->grace_ns;
}

static bool
is_networked(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->ev.now.connection &&
	    d->ev.now.cstate != DRBD_C_STANDALONE;
}

static bool
wants_network(const struct drbd *d, const struct drbd_job *job)
{
	return d->st.wants_connect && !is_networked(d, job);
}

/* The module may have dropped it again before anybody looked: a split. */
static bool
is_joining(const struct drbd *d, const struct drbd_job *job)
{
	return d->st.wants_connect && !d->ev.now.connection &&
	    d->ev.now.n_connections == job->n_connections;
}

static bool
is_there(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->ev.now.resource;
}

static bool
is_not_there(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return !d->ev.now.resource || !d->ev.now.device;
}

static bool
is_gi_due(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->gi_due || d->query != NULL;
}

static bool
is_attaching(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->ev.now.disk == DRBD_D_ATTACHING;
}

static bool
is_uptodate(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->ev.now.disk == DRBD_D_UPTODATE ||
	    d->ev.now.disk == DRBD_D_CONSISTENT;
}

static bool
is_digest_due(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->digest != NULL && d->digest_rc > 0;
}

/* --- calls --- */

/* The module takes one side's word: net-options go to the peer as well. */
bool
drbd_may_be_second(const struct drbd *d)
{
	return !drbd_is_connected(d) || d->st.window ||
	    d->ev.now.peer_role != DRBD_ROLE_PRIMARY;
}

static int
may_be_primary(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	if (d->st.role == MIRROR_PRIMARY)
		return av_err_code(err, -EALREADY, "wrong-role",
		    "it is primary already");
	if (!is_uptodate(d, job))
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "this copy is %s", mirror_disk_name(d->st.disk));
	if (!job->o.alone && !drbd_may_be_second(d))
		return av_err_code(err, -EPERM, "wrong-state",
		    "the peer is primary, and no window is open here");
	return 0;
}

static int
may_go_alone(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	if (d->st.role != MIRROR_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-role",
		    "only a primary can go on alone");
	if (d->st.disk == MIRROR_DISK_FAILED)
		return av_err_code(err, -EPERM, "not-up-to-date",
		    "this PM's leg has failed");
	if (d->st.alone && d->rec.gen == job->o.gen)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "it is alone at this generation already");
	return 0;
}

static int
may_go_diskless(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	if (d->st.role != MIRROR_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-role",
		    "only a primary can give up its leg");
	if (d->st.conn == MIRROR_DISKLESS)
		return av_err_code(err, -EALREADY, "wrong-state",
		    "it works without its leg already");
	if (d->st.alone)
		return av_err_code(err, -EPERM, "wrong-state",
		    "it is alone: there is no other leg");
	return d->ev.now.peer_disk == DRBD_D_UPTODATE ? 0 :
	    av_err_code(err, -EPERM, "not-up-to-date",
	    "the peer's copy is %s", mirror_disk_name(d->st.peer_disk));
}

static int
may_outdate(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	return d->st.role == MIRROR_PRIMARY ? av_err_code(err, -EPERM,
	    "wrong-role", "a primary can't be outdated") : 0;
}

/* Recorded: in the module's own view a link that was ended by order and one that
 * DRBD broke off look the same. */
static int
note_network(struct drbd *d, bool wants, struct av_err *err)
{
	struct drbd_record rec = d->rec;
	int rc;

	d->st.wants_connect = wants;
	if (rec.disconnected == !wants)
		return 0;
	rec.disconnected = !wants;
	rc = drbd_record_write(d->c.dir, d->c.id, &rec, err);
	if (rc == 0)
		d->rec = rec;
	return rc;
}

static int
want_primary(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	d->want_primary = true;
	d->promote_text[0] = '\0';
	return note_network(d, true, err);
}

/* Durable before a write can complete on one leg; from here on the handler is
 * answered at once. */
static int
record_alone(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	struct drbd_record rec = d->rec;
	int rc;

	rec.gen = job->o.gen;
	rec.alone = rec.peer_outdated = true;
	rc = drbd_record_write(d->c.dir, d->c.id, &rec, err);
	if (rc < 0)
		return rc;
	d->rec = rec;
	d->go_alone = true;
	return 0;
}

static int
answer_handler(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)err;
	if (drbd_fence_answer(d->fence, "outdated") > 0) {
		job->grace_ns = av_clock_ns() + av_scaled_ns(d->c.time_scale,
		    HELPER_NS);
		drbd_wake_at(d, job->grace_ns + AV_NS_PER_MS);
	}
	return 0;
}

static int
refresh_gi(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	(void)err;
	d->gi_due = true;
	return 0;
}

static int
forget_primary(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	d->want_primary = false;
	(void)drbd_fence_answer(d->fence, "refused");
	if (!d->rec.alone)
		return 0;
	d->rec.alone = false;
	return drbd_record_write(d->c.dir, d->c.id, &d->rec, err);
}

static int
want_network(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	return note_network(d, job->o.verb == MIRROR_V_CONNECT, err);
}

static int
count_connections(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)err;
	job->n_connections = d->ev.now.n_connections;
	return 0;
}

static int
set_rate(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)err;
	d->c.resync_rate_kib_s = job->o.rate_kib_s;
	d->st.resync_limit_kib_s = job->o.rate_kib_s;
	return 0;
}

static bool
changes_pause(const struct drbd *d, const struct drbd_job *job)
{
	return d->st.resync_paused != (job->o.verb == MIRROR_V_RESYNC_PAUSE);
}

static int
note_pause(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)err;
	d->st.resync_paused = job->o.verb == MIRROR_V_RESYNC_PAUSE;
	return 0;
}

static int
start_stop(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	(void)err;
	d->stopping = true;
	return 0;
}

static int
start_digest(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	return drbd_start_digest(d, job, err) ? 0 : err->rc;
}

static int
digest_result(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	return d->digest_rc < 0 ? av_err_code(err, d->digest_rc,
	    "disk-error", "the leg can't be read: %s",
	    strerror(-d->digest_rc)) : 0;
}

/* --- plans --- */

#define CALL(fn)	{ .kind = DRBD_STEP_CALL, .call = (fn) }
#define RUN(w)		{ .kind = DRBD_STEP_RUN, .words = (w) }
#define RUN_IF(fn, w)	{ .kind = DRBD_STEP_RUN, .need = (fn), .words = (w) }
#define WAIT_WHILE(fn)	{ .kind = DRBD_STEP_WAIT, .need = (fn) }
#define END		{ .kind = DRBD_STEP_END }

#define CONNECT		"drbdadm -c %c connect %r"
#define DISCONNECT	"drbdadm -c %c disconnect --force %r"
#define PROMOTE		"drbdadm -c %c primary %r"
#define RESUME		"drbdsetup resume-io %m"

/* Waits until events2 has told of it: the next order goes by what is known. */
#define JOIN \
	CALL(count_connections), \
	RUN_IF(wants_network, CONNECT), \
	WAIT_WHILE(is_joining)

static int
is_up(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	(void)err;
	d->bringing_up = false;
	d->gi_due = d->snap_due = true;
	return 0;
}

/* Growing was under way when the server ended: DRBD may have done it already, and
 * its metadata may be where the logical volume ended before. */
static bool
was_growing(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->rec.room_bytes > d->rec.size_bytes || d->rec.grow_from != 0;
}

static int
take_agreed_size(struct drbd *d, const char *out, struct av_err *err)
{
	const char *at = strstr(out, "la-size-sect ");
	unsigned long long sectors;

	if (at == NULL || sscanf(at, "la-size-sect %llu;", &sectors) != 1 ||
	    sectors > MIRROR_SIZE_MAX_BYTES / 512)
		return av_err_code(err, -EBADMSG, "metadata-damaged",
		    "DRBD's metadata tells no size");
	d->c.agreed_bytes = sectors * 512;
	return drbd_conf_write(&d->c, &d->rec, err);
}

#define META		"drbdmeta --force %m v08 %p internal "

/* 'up' is four steps for the module, and events2 tells each: resource, device
 * without a disk, disk, connection.  It is there after the last one. */
const struct drbd_step drbd_plan_up[] = {
	RUN_IF(was_growing, META "check-resize"),
	RUN_IF(was_growing, META "apply-al"),
	{ .kind = DRBD_STEP_RUN, .need = was_growing,
	  .words = META "dump-md", .said = take_agreed_size },
	RUN("drbdadm -c %c up %r"),
	WAIT_WHILE(is_not_there),
	WAIT_WHILE(is_attaching),
	WAIT_WHILE(is_joining),
	CALL(is_up),
	END
};

const struct drbd_step drbd_plan_promote[] = {
	RUN_IF(can_promote, PROMOTE),
	WAIT_WHILE(can_promote),
	CALL(refresh_gi),
	END
};

const struct drbd_step drbd_plan_reconnect[] = {
	RUN_IF(wants_network, CONNECT),
	END
};

static const struct drbd_step plan_primary[] = {
	CALL(may_be_primary),
	CALL(want_primary),
	JOIN,
	RUN_IF(can_promote, PROMOTE),
	WAIT_WHILE(can_promote),
	CALL(refresh_gi),
	WAIT_WHILE(is_gi_due),
	END
};

/* The tail of both ways to run alone. */
#define GO_ALONE \
	RUN_IF(is_not_primary, PROMOTE), \
	WAIT_WHILE(is_not_primary), \
	CALL(answer_handler), \
	WAIT_WHILE(is_helper_due), \
	RUN_IF(is_suspended, RESUME), \
	WAIT_WHILE(is_suspended), \
	JOIN, \
	CALL(refresh_gi), \
	WAIT_WHILE(is_gi_due), \
	END

static const struct drbd_step plan_primary_alone[] = {
	CALL(may_be_primary),
	CALL(record_alone),
	RUN_IF(is_connected, DISCONNECT),
	WAIT_WHILE(is_connected),
	GO_ALONE
};

static const struct drbd_step plan_alone[] = {
	CALL(may_go_alone),
	CALL(record_alone),
	RUN_IF(is_connected, DISCONNECT),
	WAIT_WHILE(is_connected),
	GO_ALONE
};

/* Held writes must fail, and must not complete on this leg first: without a
 * disk and without a peer there is nothing that they could complete on. */
#define STEP_DOWN \
	CALL(forget_primary), \
	RUN_IF(is_held_primary, "drbdsetup detach %m --force"), \
	RUN_IF(is_held_primary, RESUME), \
	RUN_IF(is_primary, "drbdadm -c %c secondary %r"), \
	WAIT_WHILE(is_primary)

static int
note_disk(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)err;
	job->had_no_disk = d->st.disk == MIRROR_DISK_FAILED;
	return 0;
}

/* A leg that had failed before stays so until its server starts again. */
static bool
is_diskless(const struct drbd *d, const struct drbd_job *job)
{
	return d->ev.now.disk == DRBD_D_DISKLESS && !job->had_no_disk;
}

static const struct drbd_step plan_secondary[] = {
	CALL(note_disk),
	STEP_DOWN,
	RUN_IF(is_diskless, "drbdadm -c %c attach %r"),
	WAIT_WHILE(is_diskless),
	CALL(refresh_gi),
	WAIT_WHILE(is_gi_due),
	END
};

static const struct drbd_step plan_outdate[] = {
	CALL(may_outdate),
	RUN_IF(is_networked, DISCONNECT),
	WAIT_WHILE(is_networked),
	RUN("drbdadm -c %c outdate %r"),
	WAIT_WHILE(is_uptodate),
	JOIN,
	CALL(refresh_gi),
	WAIT_WHILE(is_gi_due),
	END
};

static const struct drbd_step plan_connect[] = {
	CALL(want_network),
	JOIN,
	END
};

static const struct drbd_step plan_disconnect[] = {
	CALL(want_network),
	RUN_IF(is_networked, DISCONNECT),
	WAIT_WHILE(is_networked),
	END
};

static const struct drbd_step plan_rate[] = {
	CALL(set_rate),
	RUN("drbdsetup disk-options %m --c-max-rate=%kk --resync-rate=%kk"),
	END
};

/* DRBD refuses to pause what is paused. */
static const struct drbd_step plan_pause[] = {
	RUN_IF(changes_pause, "drbdadm -c %c pause-sync %r"),
	CALL(note_pause),
	END
};

static const struct drbd_step plan_resume[] = {
	RUN_IF(changes_pause, "drbdadm -c %c resume-sync %r"),
	CALL(note_pause),
	END
};

/* DRBD detaches by itself at the first error (on-io-error detach) and goes on at
 * the peer, which has a new identity at the next write. */
static const struct drbd_step plan_diskless[] = {
	CALL(may_go_diskless),
	RUN("drbdadm -c %c detach %r"),
	CALL(refresh_gi),
	END
};

/* 'down' says goodbye to a primary, which then counts this leg as old and goes on by
 * itself, without the right to.  Cut off, it holds. */
static const struct drbd_step plan_stop[] = {
	STEP_DOWN,
	RUN_IF(is_networked, DISCONNECT),
	WAIT_WHILE(is_networked),
	CALL(start_stop),
	RUN("drbdadm -c %c down %r"),
	WAIT_WHILE(is_there),
	END
};

static const struct drbd_step plan_digest[] = {
	CALL(start_digest),
	WAIT_WHILE(is_digest_due),
	CALL(digest_result),
	END
};

/* --- given up: unfinished, all bits set, durable; whatever the identities say, the
 * better disk is the source then --- */

static int
may_discard(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	return d->st.role == MIRROR_PRIMARY ? av_err_code(err, -EPERM,
	    "wrong-role", "a primary's data can't be given up") : 0;
}

static bool
is_consistent(const struct drbd *d, const struct drbd_job *job)
{
	(void)job;
	return d->ev.now.disk >= DRBD_D_OUTDATED;
}

static const struct drbd_step plan_discard[] = {
	CALL(may_discard),
	RUN_IF(is_networked, DISCONNECT),
	WAIT_WHILE(is_networked),
	RUN_IF(is_consistent, "drbdsetup invalidate %m"),
	WAIT_WHILE(is_consistent),
	JOIN,
	CALL(refresh_gi),
	WAIT_WHILE(is_gi_due),
	END
};

/* --- two primaries, for the time of a migration --- */

static int
may_open_window(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	const struct drbd_model *m = &d->ev.now;

	if (job->o.open && (!drbd_is_connected(d) ||
	    m->repl != DRBD_R_ESTABLISHED || m->disk != DRBD_D_UPTODATE ||
	    m->peer_disk != DRBD_D_UPTODATE))
		return av_err_code(err, -EPERM, "wrong-state",
		    "both legs aren't connected and in step");
	if (!job->o.open && m->role == DRBD_ROLE_PRIMARY &&
	    m->peer_role == DRBD_ROLE_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-state",
		    "both PMs are primary");
	return 0;
}

static bool
is_window_opened(const struct drbd *d, const struct drbd_job *job)
{
	return job->o.open && !d->st.window;
}

/* Without a connection there is nothing to close: the next one has it closed. */
static bool
is_window_closed(const struct drbd *d, const struct drbd_job *job)
{
	return !job->o.open && is_networked(d, job);
}

static int
note_window(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)err;
	d->st.window = job->o.open;
	return 0;
}

static const struct drbd_step plan_window[] = {
	CALL(may_open_window),
	RUN_IF(is_window_opened,
	    "drbdadm -c %c net-options --allow-two-primaries=yes %r"),
	RUN_IF(is_window_closed,
	    "drbdadm -c %c net-options --allow-two-primaries=no %r"),
	CALL(note_window),
	END
};

static int
note_shut(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	(void)job;
	(void)err;
	d->st.window = false;
	return 0;
}

const struct drbd_step drbd_plan_shut[] = {
	CALL(note_shut),
	RUN_IF(is_networked,
	    "drbdadm -c %c net-options --allow-two-primaries=no %r"),
	END
};

/* Refused as a server refuses: by the order's end, not by its call. */
static int
unable(struct drbd *d, struct drbd_job *job, struct av_err *err)
{
	const char *why = "driver 'drbd' can't do that";

	(void)d;
	if (job->o.verb == MIRROR_V_VERIFY ||
	    job->o.verb == MIRROR_V_VERIFY_CANCEL)
		why = "driver 'drbd' compares no legs while a volume is used";
	else if (job->o.verb == MIRROR_V_HOLD ||
	    job->o.verb == MIRROR_V_RELEASE)
		/* resume-io ends a freeze of fencing as well: a peer that is lost
		 * while writes are held would make them go on alone, without
		 * the right to */
		why = "driver 'drbd' can't hold writes without risk";
	return av_err_code(err, -EOPNOTSUPP, "not-supported", "%s", why);
}

static const struct drbd_step plan_unable[] = { CALL(unable), END };

const struct drbd_step *
drbd_plan(const struct mirror_order *o)
{
	static const struct drbd_step *const plans[MIRROR_N_VERBS] = {
		[MIRROR_V_PRIMARY] = plan_primary,
		[MIRROR_V_ALONE] = plan_alone,
		[MIRROR_V_SECONDARY] = plan_secondary,
		[MIRROR_V_OUTDATE] = plan_outdate,
		[MIRROR_V_CONNECT] = plan_connect,
		[MIRROR_V_DISCONNECT] = plan_disconnect,
		[MIRROR_V_RATE] = plan_rate,
		[MIRROR_V_STOP] = plan_stop,
		[MIRROR_V_DIGEST] = plan_digest,
		[MIRROR_V_RESYNC_PAUSE] = plan_pause,
		[MIRROR_V_RESYNC_RESUME] = plan_resume,
		[MIRROR_V_DISKLESS] = plan_diskless,
		[MIRROR_V_DISCARD] = plan_discard,
		[MIRROR_V_WINDOW] = plan_window,
		[MIRROR_V_GROW] = drbd_plan_grow,
	};
	enum mirror_verb verb = o->verb;

	if ((unsigned)verb >= MIRROR_N_VERBS || plans[verb] == NULL)
		return plan_unable;
	if (verb == MIRROR_V_PRIMARY && o->alone)
		return plan_primary_alone;
	return plans[verb];
}

/* Splits at spaces, then fills in: a value never becomes two words. */
void
drbd_step_argv(const struct drbd *d, const struct drbd_job *job,
    const struct drbd_step *step, struct drbd_argv *ret)
{
	const char *at = step->words;

	drbd_argv_init(ret);
	while (*at != '\0') {
		char word[DRBD_ARG_BYTES];
		size_t n = 0, len = strcspn(at, " "), i;

		for (i = 0; i < len && n < sizeof(word); i++) {
			int r;
			size_t room = sizeof(word) - n;

			if (at[i] != '%') {
				word[n++] = at[i];
				continue;
			}
			i++;
			r = at[i] == 'c' ? snprintf(word + n, room, "%s",
			    d->c.res_path) :
			    at[i] == 'r' ? snprintf(word + n, room, "%s",
			    d->c.res) :
			    at[i] == 'm' ? snprintf(word + n, room, "%u",
			    d->rec.minor) :
			    at[i] == 'l' ? snprintf(word + n, room, "%s/%s",
			    d->rec.vg, d->c.res) :
			    at[i] == 'b' ? snprintf(word + n, room,
			    "%" PRIu64, job->lv_new_bytes) :
			    at[i] == 'p' ? snprintf(word + n, room,
			    "%s/%s/%s", d->rec.dev_dir, d->rec.vg, d->c.res) :
			    at[i] == 'n' ? snprintf(word + n, room,
			    "%" PRIu64, job->o.new_size_bytes / 512) :
			    snprintf(word + n, room, "%" PRIu64,
			    drbd_rate_kib_s(job->o.rate_kib_s));
			n += (size_t)r;
		}
		if (n >= sizeof(word))
			ret->bad = true;
		else
			drbd_argv_add(ret, "%.*s", (int)n, word);
		at += len;
		at += *at == ' ';
	}
}
