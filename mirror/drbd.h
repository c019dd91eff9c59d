/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd.h - inside of the drbd driver; others use mirror.h
 *
 *   drbd.c         the driver: its life, its orders' queue
 *   drbd_feed.c    keeps events2 running; identity, statistics
 *   drbd_status.c  what the module says -> struct mirror_status
 *   drbd_plan.c    an order -> commands, waits
 *   drbd_events.c  lines of 'drbdsetup events2' -> struct drbd_model (pure)
 *   drbd_conf.c    parameters, resource file, the leg's record
 *   drbd_cmd.c     runs one program, never by a shell
 *   drbd_leg.c     logical volume and metadata
 *   drbd_fence.c   the agent's end of av-fence-peer's socket
 *   drbd_digest.c  reads the leg in a thread
 *   drbd_zero.c    zeroes a range, in a thread
 *   drbd_grow.c    steps of growing
 */
#ifndef AV_MIRROR_DRBD_H
#define AV_MIRROR_DRBD_H

#include <jansson.h>
#include <sys/types.h>

#include "base/err.h"
#include "mirror/mirror.h"

/* --- parameters and record --- */

#define DRBD_HANDLER	"/usr/lib/avpair/av-fence-peer"
#define DRBD_TOOLS	"/usr/sbin:/usr/bin:/sbin:/bin"
#define DRBD_RECORD_VERSION	1

/* DIR/av-ID.leg: one line of JSON, one line of 8 hex digits, crc32c of it. */
struct drbd_record {
	char		unit_uuid[40], volume_uuid[40];
	uint64_t	size_bytes;
	uint64_t	gen;		/* the unit's generation of the last 'alone' */
	bool		alone;		/* primary on one leg */
	bool		peer_outdated;	/* the peer's leg is old, or may be */
	bool		disconnected;	/* by order: it stands alone */
	uint64_t	room_bytes;	/* the logical volume has room for so much;
					 * 0 = for size_bytes */
	uint64_t	grow_from;	/* not 0: growing is under way, the logical
					 * volume ended here before */
	char		vg[128];
	unsigned	minor;
	char		tools_path[MIRROR_PATH_MAX], dev_dir[MIRROR_PATH_MAX];
};

/* -ENOENT leg-missing, -EBADMSG metadata-damaged, -ENOTSUP metadata-newer. */
int drbd_record_read(const char *dir, const char *id,
    struct drbd_record *ret, struct av_err *err);
int drbd_record_write(const char *dir, const char *id,
    const struct drbd_record *rec, struct av_err *err);
int drbd_record_fill(struct drbd_record *rec,
    const struct mirror_drbd_conf *c, struct av_err *err);

struct drbd_conf {
	char		id[MIRROR_ID_MAX], res[MIRROR_ID_MAX + 4];
	char		dir[MIRROR_PATH_MAX], run_dir[MIRROR_PATH_MAX];
	char		unit_uuid[40], volume_uuid[40];
	char		listen_addr[MIRROR_ADDR_MAX], peer_addr[MIRROR_ADDR_MAX];
	uint16_t	port, peer_port;
	char		secret[64];	/* DRBD takes 63 characters */
	char		handler_path[MIRROR_PATH_MAX];
	uint32_t	peer_timeout_ms;
	double		time_scale;
	uint64_t	resync_rate_kib_s;
	char		res_path[MIRROR_PATH_MAX + 80];	/* DIR/av-ID.res */
	char		fence_path[108];	/* RUN_DIR/fence.sock */
	char		front_path[64];		/* /dev/drbdMINOR */
	uint64_t	agreed_bytes;		/* the device's size by DRBD's last
						 * word, when more than the record's */
	bool		unencrypted_ok;
};

int drbd_conf_copy(struct drbd_conf *c, const struct mirror_conf *from,
    struct av_err *err);
/* The whole text of the resource file; malloc'd, yours; NULL = no memory. */
char *drbd_conf_text(const struct drbd_conf *c, const struct drbd_record *rec);
int drbd_conf_write(const struct drbd_conf *c, const struct drbd_record *rec,
    struct av_err *err);
/* KiB/s as DRBD takes it: 0 (unlimited) is its maximum, else at least 250. */
uint64_t drbd_rate_kib_s(uint64_t rate_kib_s);
/* DEV_DIR/VG/av-ID */
int drbd_lv_path(const struct drbd_record *rec, const char *id, char *buf,
    size_t n);

/* --- running a program --- */

#define DRBD_ARGS_MAX	24
#define DRBD_ARG_BYTES	400
#define DRBD_OUT_MAX	65536u
#define DRBD_SAID_MAX	800u	/* drbdadm repeats a command of its own */

struct drbd_argv {
	char	 text[DRBD_ARGS_MAX][DRBD_ARG_BYTES];
	char	*argv[DRBD_ARGS_MAX + 1];
	size_t	 n;
	bool	 bad;		/* too many or too long: not run */
};

void drbd_argv_init(struct drbd_argv *a);
void drbd_argv_add(struct drbd_argv *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct drbd_result {
	int	rc;		/* 0, or -errno: it couldn't run, was killed */
	int	exit_code;	/* valid with rc == 0 */
	char	*out;		/* standard output; NUL-terminated */
	char	*text;		/* first line of standard error, or "" */
};

struct drbd_cmd;
typedef void (*drbd_cmd_done)(struct drbd_cmd *cmd,
    const struct drbd_result *res, void *arg);
/* For a stream: each piece of standard output as it comes. */
typedef void (*drbd_cmd_piece)(const char *data, size_t n, void *arg);

/*
 * Starts argv[0], looked for in 'tools_path' alone, with an empty environment
 * but PATH and LC_ALL.  'done' runs once, from the loop, and not after
 * drbd_cmd_free(); the command is freed after it.  deadline_ns: it is killed,
 * rc = -ETIMEDOUT; 0 = never.
 */
int drbd_cmd_start(sd_event *loop, const char *tools_path,
    const struct drbd_argv *a, uint64_t deadline_ns, drbd_cmd_piece piece,
    drbd_cmd_done done, void *arg, struct drbd_cmd **ret, struct av_err *err);
/* 'end': it is killed and waited for; else it is left to finish by itself (an
 * order half done is worse than one that nobody waits for). */
struct drbd_cmd *drbd_cmd_free(struct drbd_cmd *cmd, bool end);
/* Nobody waits for it any more; it is reaped and freed when it ends. */
struct drbd_cmd *drbd_cmd_orphan(struct drbd_cmd *cmd);
/* Waits for it; *ret_out may be NULL.  Exit codes other than 0: -EIO. */
int drbd_cmd_run(const char *tools_path, const struct drbd_argv *a,
    unsigned timeout_s, char **ret_out, struct av_err *err);

/* --- what the module says --- */

enum drbd_cstate {	/* of the connection; no connection = NONE */
	DRBD_C_NONE = 0, DRBD_C_STANDALONE, DRBD_C_DISCONNECTING,
	DRBD_C_CONNECTING, DRBD_C_CONNECTED, DRBD_C_UNKNOWN
};
enum drbd_repl {
	DRBD_R_OFF = 0, DRBD_R_ESTABLISHED, DRBD_R_BEFORE_SOURCE,
	DRBD_R_BEFORE_TARGET, DRBD_R_SOURCE, DRBD_R_TARGET, DRBD_R_VERIFY,
	DRBD_R_UNKNOWN
};
enum drbd_role { DRBD_ROLE_UNKNOWN = 0, DRBD_ROLE_SECONDARY, DRBD_ROLE_PRIMARY };
enum drbd_disk {
	DRBD_D_UNKNOWN = 0, DRBD_D_DISKLESS, DRBD_D_ATTACHING, DRBD_D_FAILED,
	DRBD_D_INCONSISTENT, DRBD_D_OUTDATED, DRBD_D_CONSISTENT,
	DRBD_D_UPTODATE
};
#define DRBD_SUSP_USER		1u
#define DRBD_SUSP_NO_DATA	2u
#define DRBD_SUSP_FENCING	4u
#define DRBD_SUSP_OTHER		8u	/* a word we don't know: held all the same */

/* One resource, one volume (0), one peer. */
struct drbd_model {
	bool		resource, device, connection, peer_device;	/* exist */
	enum drbd_role	role, peer_role;
	unsigned	suspended;	/* DRBD_SUSP_* */
	enum drbd_cstate cstate;
	enum drbd_repl	repl;
	enum drbd_disk	disk, peer_disk;
	bool		resync_suspended;
	uint64_t	size_kib, read_kib, written_kib;
	uint64_t	out_of_step_kib;
	uint64_t	upper_pending;
	bool		split_brain;	/* its handler was called since connecting */
	unsigned	n_connections;	/* how many were made, with those that are
					 * gone again */
};

enum drbd_line {
	DRBD_LINE_NOTHING = 0,	/* other resource, unknown object, no change */
	DRBD_LINE_CHANGED,
	DRBD_LINE_END,		/* 'exists -': the first picture is whole */
	DRBD_LINE_LOST,		/* damaged, skipped, or can't be: ask anew */
};

/* Applies one line (no newline) of events2 for resource 'name'.  Unknown keys
 * and unknown objects are passed over. */
enum drbd_line drbd_model_line(struct drbd_model *m, const char *name,
    const char *line, size_t n);

#define DRBD_LINE_MAX	4096u

struct drbd_stream {	/* zeroed = empty */
	char		name[MIRROR_ID_MAX + 4];
	struct drbd_model now;		/* valid once 'whole' */
	struct drbd_model next;		/* being filled until 'exists -' */
	bool		whole;
	bool		lost;		/* restart it */
	bool		overlong;	/* dropping until a newline */
	char		buf[DRBD_LINE_MAX];
	size_t		n;
};

/* A new 'events2' begins; what was known stays until its 'exists -'. */
void drbd_stream_begin(struct drbd_stream *s, const char *name);
/* Bytes in any pieces.  true = 'now', 'whole' or 'lost' changed. */
bool drbd_stream_feed(struct drbd_stream *s, const char *data, size_t n);

/* "CURRENT:BITMAP:H0:H1:consistent:uptodate:primary:connected:full-sync:
 * peer-outdated:crashed-primary" of get-gi; -EBADMSG. */
struct drbd_gi {
	struct mirror_gi gi;
	bool	consistent, uptodate, primary, connected, full_sync;
	bool	peer_outdated, crashed_primary;
};
int drbd_gi_parse(const char *out, struct drbd_gi *ret);

/* --- legs --- */

int drbd_leg_create(const struct mirror_leg_spec *spec, struct av_err *err);
int drbd_leg_delete(const char *dir, const char *id, struct av_err *err);
int drbd_leg_read(const char *dir, const char *id,
    struct mirror_leg_info *ret, struct av_err *err);

/* A refusal of LVM's in our codes: no-space, no-group; else 'rc'. */
int drbd_lv_refusal(const struct drbd_record *rec, int rc, const char *text,
    struct av_err *err);
int drbd_leg_snapshot(const char *dir, const char *id, const char *name,
    uint64_t *ret_size_bytes, struct av_err *err);
int drbd_leg_snapshot_delete(const char *dir, const char *id,
    const char *name, struct av_err *err);

/* --- fence-peer's socket --- */

/*
 * av-fence-peer sends {"ask":"fence-peer","version":1,"resource":"av-o3"} and
 * waits for {"result":"outdated"|"stonithed"|"refused"}, as long as it takes:
 * DRBD holds the guest's writes meanwhile.
 */
struct drbd_fence;
typedef void (*drbd_fence_fn)(void *arg);	/* somebody asks */
int drbd_fence_open(sd_event *loop, const char *path, const char *res,
    drbd_fence_fn asked, void *arg, struct drbd_fence **ret,
    struct av_err *err);
struct drbd_fence *drbd_fence_close(struct drbd_fence *f);
unsigned drbd_fence_waiting(const struct drbd_fence *f);
/* Answers all who wait; number of them. */
unsigned drbd_fence_answer(struct drbd_fence *f, const char *result);

/* --- digests --- */

struct drbd_digest;
typedef void (*drbd_digest_done)(int rc, uint32_t *digests /* yours */,
    size_t n, void *arg);
int drbd_digest_start(sd_event *loop, const char *path, uint64_t offset,
    uint64_t length, drbd_digest_done done, void *arg,
    struct drbd_digest **ret, struct av_err *err);
/* Ends the thread; 'done' doesn't run any more. */
struct drbd_digest *drbd_digest_free(struct drbd_digest *g);

/* --- zeroes --- */

struct drbd_zero;
typedef void (*drbd_zero_done)(int rc, void *arg);
/* [from, to); takes as long as it takes. */
int drbd_zero_now(const char *path, uint64_t from, uint64_t to);
int drbd_zero_start(sd_event *loop, const char *path, uint64_t from,
    uint64_t to, drbd_zero_done done, void *arg, struct drbd_zero **ret,
    struct av_err *err);
/* Doesn't wait; a step of 64 MiB that is under way may still be done. */
struct drbd_zero *drbd_zero_let_go(struct drbd_zero *z);

/* --- the driver --- */

struct drbd;

struct drbd_job {
	struct mirror_op	*op;	/* NULL = the driver's own */
	struct mirror_order	 o;
	const struct drbd_step	*at;	/* next step */
	uint64_t		 deadline_ns;
	uint64_t		 grace_ns;	/* a handler was answered: until
						 * then DRBD thaws by itself */
	bool			 had_no_disk;	/* before the order */
	unsigned		 n_connections;	/* before it was made */
	uint64_t		 lv_bytes;	/* of GROW: as it is, as it ... */
	uint64_t		 lv_new_bytes;	/* ... must be */
	uint64_t		 again_ns;	/* of GROW: look again then */
	struct drbd_job		*next;
};

struct drbd {
	struct mirror	m;
	struct drbd_conf c;
	struct drbd_record rec;
	struct drbd_gi	gi;
	struct mirror_status st;
	struct drbd_stream ev;
	sd_event	*loop;
	mirror_changed_fn changed;
	void		*arg;
	struct drbd_cmd	*events;	/* the long-lived child */
	char		events_text[160];	/* why it ended */
	struct drbd_cmd	*query;		/* get-gi or statistics */
	struct drbd_stream snap;	/* the statistics' lines */
	bool		gi_due, snap_due;
	struct drbd_cmd	*cmd;		/* of the first job */
	struct drbd_job	*jobs;		/* first one is under way */
	struct drbd_fence *fence;
	struct drbd_digest *digest;
	int		digest_rc;
	struct drbd_zero *zero;		/* outlives the order that began it */
	int		zero_rc;
	uint32_t	*digests;
	size_t		n_digests;
	sd_event_source	*wake;		/* deferred: events, steps */
	sd_event_source	*again;		/* restart of the stream */
	sd_event_source	*poll;		/* statistics while resyncing */
	sd_event_source	*grace;		/* job->grace_ns */
	sd_event_source	*relink;	/* reconnect_ns */
	sd_event_source	*repromote;	/* promote_ns */
	uint64_t	reconnect_ns;	/* not tried again before */
	uint64_t	promote_ns;	/* same, of its own promotion */
	char		promote_text[256];	/* why DRBD refused the last one */
	unsigned	restarts;	/* of the stream, in a row */
	bool		up_tried;
	bool		bringing_up;	/* 'drbdadm up' isn't at its end */
	bool		want_primary;	/* ordered; promoted when connected */
	bool		go_alone;	/* fence-peer is answered at once */
	bool		stopping;
	uint64_t	sync_from_ns, sync_from_kib;
	enum drbd_repl	last_repl;
};

enum drbd_step_kind {
	DRBD_STEP_END = 0,
	DRBD_STEP_CALL,		/* call(): 0, or -errno ends the order */
	DRBD_STEP_RUN,		/* words: %c resource file, %r resource, %m minor,
				 * %k rate in KiB/s, %l VG/LV, %b its new size,
				 * %p its path,
				 * %n new size in sectors; must exit with 0 */
	DRBD_STEP_WAIT,		/* until need() is false */
};

struct drbd_step {
	enum drbd_step_kind kind;
	/* RUN, CALL: left out when false; NULL = always */
	bool	(*need)(const struct drbd *d, const struct drbd_job *job);
	const char *words;
	int	(*call)(struct drbd *d, struct drbd_job *job,
		    struct av_err *err);
	/* RUN: what it said; NULL = nobody reads it */
	int	(*said)(struct drbd *d, const char *out, struct av_err *err);
};

/* Tables; DRBD_PLAN_UP and DRBD_PLAN_PROMOTE are the driver's own. */
const struct drbd_step *drbd_plan(const struct mirror_order *o);
extern const struct drbd_step drbd_plan_grow[];
extern const struct drbd_step *const drbd_plan_grow_again;
/* of a logical volume for so much data */
uint64_t drbd_lv_bytes(uint64_t size_bytes);
bool drbd_is_sync(enum drbd_repl repl);
/* DRBD's size has grown: record and resource file follow. */
void drbd_follow_size(struct drbd *d);
extern const struct drbd_step drbd_plan_up[];
extern const struct drbd_step drbd_plan_promote[];
extern const struct drbd_step drbd_plan_reconnect[];
extern const struct drbd_step drbd_plan_shut[];	/* the window */
void drbd_step_argv(const struct drbd *d, const struct drbd_job *job,
    const struct drbd_step *step, struct drbd_argv *ret);

/* Model, record and identity -> d->st.  true = a resync has just ended. */
bool drbd_status_map(struct drbd *d);
bool drbd_is_connected(const struct drbd *d);
/* Primary although the peer is: only with a window that was opened here, too. */
bool drbd_may_be_second(const struct drbd *d);
/* The next turn of the loop looks at everything. */
void drbd_wake(struct drbd *d);
void drbd_go_down(struct drbd *d, const char *code, const char *text);
int  drbd_events_start(struct drbd *d, struct av_err *err);
void drbd_events_again(struct drbd *d);	/* ended, or 'lost' */
void drbd_query_start(struct drbd *d);	/* what is due, if none is out */
void drbd_poll_resync(struct drbd *d);
/* Wakes the driver at 'at_ns'. */
void drbd_wake_at(struct drbd *d, uint64_t at_ns);
bool drbd_start_digest(struct drbd *d, const struct drbd_job *job,
    struct av_err *err);

#endif
