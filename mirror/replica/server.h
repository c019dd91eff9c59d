/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/server.h - state of one mirror server (inside nbdkit)
 *
 * Files:  plugin.c (nbdkit's callbacks), server.c (roles, orders, durable
 *	   records), disk.c, front.c (the guest's requests), intent.c (bitmap), link.c
 *	   (connection to the peer, three threads; over wire.c, stream.c, tls.c),
 *	   nbdserve.c and nbdrun.c (connections), handshake.c, resync.c (a thread),
 *	   verify.c (a thread), readrepair.c, diskless.c, lease.c, peer.c (the
 *	   peer's requests), control.c (the agent's socket).
 * Locks:  order_mu before mu.
 *	   order_mu: one role change, handshake or durable record at a time; may
 *		be held over disk and (bounded) network waits.  Who holds it may
 *		write leg->sb.
 *	   mu: everything else here; never held over I/O.
 *	   cv: any change of state that somebody may wait for; a job of link.c has
 *		its own.
 */
#ifndef AV_MIRROR_SERVER_H
#define AV_MIRROR_SERVER_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "mirror/mirror.h"
#include "mirror/replica/meta.h"
#include "mirror/replica/pace.h"
#include "mirror/replica/proto.h"
#include "mirror/replica/range.h"

#define SRV_ADDRS_MAX	MIRROR_PEER_ADDRS_MAX
#define SRV_FRONTS_MAX	16	/* connections of guests */
#define SRV_SILENCE_FACTOR 20	/* one request may take this many peer_timeouts */

/*
 * What happens to the guest's requests.
 *   REFUSE  not primary
 *   HOLD    writes wait; reads go on once the peer agreed (reads_ok)
 *   BOTH    both legs
 *   ALONE   this leg; recorded durably before
 *   PEER    the peer's leg; recorded durably there before (diskless.c)
 */
enum io_mode { IO_REFUSE = 0, IO_HOLD, IO_BOTH, IO_ALONE, IO_PEER };

struct srv_params {
	char		dir[256], id[MIRROR_ID_MAX];
	uint8_t		unit_uuid[16], volume_uuid[16];
	unsigned	node;
	char		peer_addrs[SRV_ADDRS_MAX][MIRROR_ADDR_MAX];
	size_t		n_peer_addrs;
	uint16_t	peer_port;
	char		psk_file[256], psk_user[64];
	char		control_path[108];
	uint32_t	peer_timeout_ms;
};

struct peer_conn;
struct tls_keys;
struct link_job;

struct disk_op {		/* a request at this PM's disk; disk.c */
	uint64_t	since_ns;
	struct disk_op	*next, *prev;
};

struct srv_verify {			/* verify.c */
	enum mirror_verify_state state;
	bool		repair, cancel;
	uint64_t	rate_kib_s;	/* 0 = unlimited */
	uint64_t	role_count, started_ns;
	uint64_t	next;		/* chunk */
	uint64_t	found, repaired; /* chunks */
	uint64_t	list[MIRROR_VERIFY_LIST_MAX];
	char		code[32], text[96];
	int64_t		finished_at;	/* s since 1970 */
	struct mirror_verify_last last;
};

struct srv_hold {			/* hold.c */
	enum mirror_hold state;
	bool		waiting;	/* writes wait, until due_ns */
	uint64_t	due_ns, role_count, seq;
	uint32_t	timeout_ms;
};

/*
 * A guest's connection.  It belongs to one time as primary and never writes in another
 * one: the time in which it came or, if it came to a secondary, the next.  Until then
 * its requests wait.  front.c's but for its memory.
 */
struct front_client {
	uint64_t	role_count;	/* of its time; 0 = still to come */
	uint64_t	time;		/* which one that will be: primary_times */
	bool		gone;		/* its requests are nobody's */
};

struct intent_region {			/* intent.c */
	uint64_t	set_seq;	/* last time that a bit of it was set */
	uint64_t	used_ns;	/* last write */
	bool		hot;		/* all its bits were set at once */
};

struct srv {
	struct srv_params p;
	struct leg	*leg;
	struct tls_keys	*keys;
	pthread_mutex_t	order_mu, mu;
	pthread_cond_t	cv;		/* CLOCK_MONOTONIC */

	/* role */
	enum mirror_role role;
	uint64_t	role_count;	/* changes at every order of a role */
	uint64_t	primary_times;	/* how often it became primary */
	enum io_mode	io_mode;
	bool		reads_ok;
	bool		wants_connect;
	bool		stopping;
	bool		disk_failed;
	enum mirror_conn primary_conn;	/* CONNECTING..SPLIT, as primary */
	struct av_err	why;		/* code and text shown in the status */
	enum mirror_disk peer_disk;
	uint64_t	peer_seen_ns;	/* 0 = never */

	/* a failed disk; diskless.c, readrepair.c */
	bool		in_step;	/* the peer has all, or had when lost */
	bool		detached;	/* this leg failed while in step */
	bool		diskless;	/* ordered so */
	uint64_t	diskless_gen;
	uint64_t	diskless_current;	/* what the peer took; 0 = not known */
	bool		peer_serves;	/* the peer answers reads of data */
	struct disk_op	disk_ops;	/* list head */
	uint64_t	read_errors, repaired_bytes, notice_count;
	char		notice_code[32], notice_text[160];

	uint32_t	lease_ms;	/* 0 = off; lease.c */
	uint64_t	lease_until_ns;	/* CLOCK_BOOTTIME */

	/* the guest's side */
	struct range_list ranges;
	uint64_t	n_active;	/* requests inside front.c */
	uint64_t	n_held;
	uint64_t	n_front;
	uint64_t	last_guest_ns;
	uint64_t	written_bytes, read_bytes, write_requests, read_requests;

	/* bitmaps; leg->bits, a superset, is what is or shall be on disk */
	uint8_t		*maybe;		/* written since both were flushed, or differ */
	uint8_t		*oos;		/* of these: to be copied */
	uint8_t		*touched;	/* written since the cleaner looked */
	uint8_t		*page_dirty;
	struct intent_region *regions;
	size_t		n_hot;
	bool		unclean;	/* the cleaner has bits to look at */
	uint64_t	bm_seq, bm_durable;
	bool		bm_committing;
	int		bm_rc;		/* sticky error */
	bool		data_sync_failed;	/* sticky, too: disk.c */
	bool		data_syncing;
	uint64_t	data_sync_begun, data_sync_done;	/* counts */

	/* connection to the peer, as primary; link.c */
	struct link	*link;
	uint64_t	link_count;	/* names a connection; 0 = none is up */
	uint64_t	link_last_count;
	bool		link_drop;	/* order: close it now */
	bool		peer_digests;	/* the peer has that window */

	/* resync, as source */
	bool		resync_on;
	uint64_t	resync_total, resync_copied;	/* chunks */
	uint64_t	resync_finished_n;
	uint8_t		*resync_bad;	/* chunks that can't be read; NULL = none */
	uint64_t	resync_bad_n, resync_again_ns;	/* and when they are tried */
	uint64_t	resync_rate_kib_s;
	bool		resync_paused;
	struct pace	resync_pace;
	uint64_t	resync_due_ns;	/* the limit allows the next run */
	uint64_t	resync_mark_ns, resync_mark_copied;	/* speed since */
	uint64_t	resync_speed;	/* bytes/s over the last seconds */

	/* growing and holding; grow.c, hold.c */
	struct srv_hold hold;
	uint64_t	n_writing;	/* writes and flushes past the hold */
	int		front_fds[SRV_FRONTS_MAX];	/* fd + 1; 0 = free */
	uint64_t	layout_bytes;	/* of the peer's export; window.h */
	uint64_t	size_maybe;	/* a record may say so; order_mu */
	uint64_t	peer_size_bytes;	/* as it said last */
	bool		peer_grows;	/* its version can */

	struct srv_verify verify;

	/* session of the peer's primary, as secondary; peer.c */
	struct peer_conn *session;
	bool		session_started, session_resync, session_diskless;
	bool		session_wants_diskless;	/* its HELLO said so */
	uint64_t	session_writes;	/* in flight to the disk */
	unsigned	session_revoking;	/* who wait for their end */
	uint64_t	session_total, session_copied;	/* chunks, of the source */

	uint64_t	change_seq;	/* control.c pushes on change */
};

/* server.c */
int  srv_open(struct srv *s, const struct srv_params *p, struct av_err *err);
int  srv_start_threads(struct srv *s);
void srv_changed(struct srv *s);		/* mu held */
bool srv_wait_until(struct srv *s, uint64_t ns); /* false = time is up */
void srv_why(struct srv *s, const char *code, const char *text); /* mu held */
/* order_mu held, mu not.  Durable when 0; on error the old record is kept in
 * memory and the disk counts as failed. */
int  srv_record(struct srv *s, const struct meta_sb *sb, struct av_err *err);
void srv_sb(struct srv *s, struct meta_sb *ret);	/* a copy; takes mu */
void srv_sb_identity(const struct srv *s, const struct meta_sb *sb,
    struct identity *ret);
void srv_sb_set_identity(struct meta_sb *sb, const struct identity *id);
void srv_msg_fill(struct srv *s, struct proto_msg *m);	/* mu held */
uint64_t srv_random(void);
enum mirror_disk srv_disk(const struct srv *s);		/* mu held */
int  srv_order_primary(struct srv *s, bool alone, uint64_t gen,
    struct av_err *err);
int  srv_order_alone(struct srv *s, uint64_t gen, struct av_err *err);
int  srv_order_secondary(struct srv *s, struct av_err *err);
int  srv_order_outdate(struct srv *s, struct av_err *err);
/* discard.c */
int  srv_order_discard(struct srv *s, uint64_t winner_base, struct av_err *err);
int  srv_order_connect(struct srv *s, bool on);
int  srv_order_stop(struct srv *s, struct av_err *err);

/* disk.c; mu not held: what is written to the data is durable.  0 or -errno;
 * once it failed it fails for the life of the process.  One at a time; who comes
 * meanwhile shares the next one. */
int  srv_data_sync(struct srv *s);

/* mu held: around each request at the data file, for disk_slow. */
void disk_begin(struct srv *s, struct disk_op *d);
void disk_end(struct srv *s, struct disk_op *d);
uint64_t disk_slow_ms(const struct srv *s);	/* 0 = it isn't slow */

/* diskless.c; mu held unless said */
enum read_from { READ_WAIT, READ_HERE, READ_PEER };
/* This leg failed with errno 'e'.  True: decide again, the requests wait; false:
 * there is no other leg, the guest gets the error. */
bool diskless_hold(struct srv *s, int e, const char *what);
bool diskless_link_up(const struct srv *s);
enum read_from diskless_read_from(const struct srv *s);
int  diskless_write(struct srv *s, struct link_job *j);	/* 0 or EAGAIN */
void diskless_enter(struct srv *s, const struct proto_msg *reply);
void diskless_msg(struct srv *s, uint32_t type, struct proto_msg *m);
void diskless_outdate_here(struct srv *s);	/* order_mu held, mu not */
int  srv_order_diskless(struct srv *s, uint64_t gen, struct av_err *err);
int  diskless_judge(const struct srv *s, enum verdict v,
    const struct proto_msg *m, const struct proto_msg *peer,
    struct av_err *err);
bool diskless_can_serve(const struct meta_sb *sb, enum verdict v);
/* The peer's record; order_mu held, mu not. */
int  diskless_record(struct srv *s, const struct proto_msg *m,
    struct av_err *err);

/* readrepair.c; mu held, dropped meanwhile: 0, EAGAIN (decide again), EIO.
 * readrepair: a read failed here; _held: the range is the caller's. */
int  readrepair(struct srv *s, void *buf, uint32_t n, uint64_t offset);
int  readrepair_held(struct srv *s, void *buf, uint32_t n, uint64_t offset);
int  readrepair_peer(struct srv *s, void *buf, uint32_t n, uint64_t offset);
void srv_notice(struct srv *s, const char *code, const char *text);

/* lease.c; mu held.  since_ns is CLOCK_BOOTTIME. */
bool lease_ok(const struct srv *s);
void lease_heard(struct srv *s, uint64_t since_ns);
void lease_set(struct srv *s, uint32_t ms, uint64_t since_ns);

/* front.c: 0 or a positive errno */
int  front_open(struct srv *s, struct front_client *fc);
void front_close(struct srv *s);
/* The connection has ended: what waits for its time ends as well. */
void front_gone(struct srv *s, struct front_client *fc);
/* Its time: 0 and the role count for its requests, ESHUTDOWN = that's over,
 * ECONNABORTED = nobody is there for an answer, or, unless 'wait', EAGAIN = still to
 * come. */
int  front_time(struct srv *s, struct front_client *fc, bool wait,
    uint64_t *ret_role_count);
int  front_read(struct srv *s, uint64_t role_count, void *buf, uint32_t n,
    uint64_t offset);
/* buf NULL = zeros */
int  front_write(struct srv *s, uint64_t role_count, const void *buf,
    uint32_t n, uint64_t offset, bool fua);
/* Reads as zeros on both legs afterwards; a sparse leg gives its space back. */
int  front_trim(struct srv *s, uint64_t role_count, uint32_t n,
    uint64_t offset, bool fua);
int  front_flush(struct srv *s, uint64_t role_count);

/* intent.c; mu held, may drop and take it again; 0 or -errno */
int  intent_mark(struct srv *s, uint64_t offset, uint64_t n, bool oos);
/* Nothing to be set first; counts as written now. */
bool intent_is_marked(struct srv *s, uint64_t offset, uint64_t n);
int  intent_commit(struct srv *s);	/* all set bits are durable */
void intent_oos(struct srv *s, uint64_t offset, uint64_t n);
/* For bitmaps of so many pages (grow.c): their number; NULL = no memory. */
size_t intent_regions(size_t n_pages);
struct intent_region *intent_regions_new(size_t n_pages);
int  intent_init(struct srv *s);	/* after leg_open(); all counts as oos */
/* The peer's bits from byte 'at' on: set here, too; not yet durable. */
void intent_merge(struct srv *s, size_t at, const uint8_t *bits, size_t n);
void intent_all_oos(struct srv *s, bool full);	/* oos := maybe, or ones */
/* Both legs are flushed and quiet: nothing is out of step. */
int  intent_clear_all(struct srv *s);
void *intent_cleaner(void *arg);	/* thread */

/* link.c */
enum link_kind { LINK_WRITE, LINK_ZERO, LINK_TRIM, LINK_FLUSH, LINK_READ };
struct link_job {
	enum link_kind	kind;
	const void	*wbuf;
	void		*rbuf;
	uint64_t	offset;
	uint32_t	n;
	bool		fua;
	/* NULL = somebody calls link_wait().  Else it is called when the job is
	 * over, without mu, and 'j' isn't used after; 'more': the next one, of
	 * the same 'group', follows at once. */
	void		(*done_fn)(struct link_job *j, bool more);
	const void	*group;
	/* private */
	struct link	*l;
	bool		done;
	int		rc;		/* 0 or positive errno */
	bool		submitted, sent, replied;
	uint64_t	cookie;
	pthread_cond_t	cv;		/* it is done */
	uint64_t	since_ns;
	struct link_job	*next, *prev;
};
void *link_thread(void *arg);
/* Any thread, mu held: queues it for connection 'count'; if that is gone it is
 * done with ENOTCONN at once: false ('done_fn' isn't called then). */
bool link_submit(struct srv *s, uint64_t count, struct link_job *j);
/* mu not held: sends what is queued; may block.  link_wait() does it, too. */
void link_push(struct srv *s);
/* mu held; waits; returns j->rc. */
int  link_wait(struct srv *s, struct link_job *j);
void link_drop(struct srv *s, const char *code, const char *text); /* mu held */
void link_wake(struct srv *s);
/* From resync.c: message and reply over connection 'count'; 0 or -errno. */
int  link_talk(struct srv *s, uint64_t count, const struct proto_msg *m,
    struct proto_msg *ret_reply, struct av_err *err);
uint64_t srv_mailbox_offset(const struct srv *s); /* of this connection */

/* front.c: a write that takes nobody's time while the peer does its part.  The
 * caller fills in what is not private. */
struct front_op {
	const void	*buf;
	uint32_t	n;
	uint64_t	offset, role_count;
	bool		push_later;	/* the caller calls link_push() soon */
	/* 0, a positive errno, or EAGAIN: not done, front_write() has to do it
	 * all again.  Any thread, perhaps before front_write_start() returns; 'op'
	 * isn't used after.  'more' as in link_job. */
	void		(*over)(struct front_op *op, int rc, bool more);
	const void	*group;
	/* private */
	struct srv	*s;
	struct link_job	job;
	struct range	range;
	int		parts, local;
};
/* False: not in this state; front_write() does it. */
bool front_write_start(struct srv *s, struct front_op *op);
/* As front_read(), but EAGAIN instead of waiting for anything. */
int  front_read_now(struct srv *s, uint64_t role_count, void *buf,
    uint32_t n, uint64_t offset);

/* handshake.c: link thread, order_mu held.  'run' sends one job and pumps.
 * 0 = up; -EAGAIN = try again later; both set 'err'. */
typedef int (*handshake_run_fn)(void *arg, struct link_job *j);
int  handshake(struct srv *s, handshake_run_fn run, void *arg,
    struct av_err *err);

/* resync.c */
void *resync_thread(void *arg);
void resync_begin(struct srv *s);	/* mu held; s->oos says what */
uint64_t resync_speed(const struct srv *s);	/* bytes/s; 0 = not known */
void srv_order_rate(struct srv *s, uint64_t kib_s);
void srv_order_resync_pause(struct srv *s, bool on);

/* grow.c.  Orders: see mirror_grow(). */
int  srv_order_grow(struct srv *s, uint64_t to, struct av_err *err);
/* order_mu held.  This leg alone, all of it; no-space: nothing changed. */
int  grow_leg(struct srv *s, uint64_t to, struct av_err *err);
int  grow_front_enter(struct srv *s, int fd);
void grow_front_leave(struct srv *s, int fd);
void grow_drop_fronts(struct srv *s);	/* mu held */

/* hold.c.  Orders: see mirror_hold_writes(). */
int  srv_order_hold(struct srv *s, uint32_t timeout_ms, struct av_err *err);
int  srv_order_release(struct srv *s, struct av_err *err);
/* mu held.  A write (or flush) waits while this is true, with hold_wait(). */
bool hold_waits(struct srv *s);
void hold_wait(struct srv *s);
enum mirror_hold hold_state(const struct srv *s);
uint64_t hold_left_ms(const struct srv *s);

/* verify.c.  Orders: wrong-role, wrong-state, peer-version. */
void *verify_thread(void *arg);
int  srv_order_verify(struct srv *s, bool repair, uint64_t rate_kib_s,
    struct av_err *err);
int  srv_order_verify_cancel(struct srv *s, struct av_err *err);
json_t *verify_status(const struct srv *s);	/* mu held */
/* The peer's side, 'at' counted from window_digests(); 0 or a positive errno. */
int  verify_window_read(struct srv *s, uint64_t size, uint8_t *ret, uint32_t n,
    uint64_t at);

/* peer.c */
struct peer_conn *peer_open(struct srv *s);
void peer_close(struct srv *s, struct peer_conn *pc);
int  peer_read(struct srv *s, struct peer_conn *pc, void *buf, uint32_t n,
    uint64_t offset);
int  peer_write(struct srv *s, struct peer_conn *pc, const void *buf,
    uint32_t n, uint64_t offset, bool fua);
int  peer_trim(struct srv *s, struct peer_conn *pc, uint32_t n,
    uint64_t offset, bool fua);
int  peer_flush(struct srv *s, struct peer_conn *pc);
uint64_t peer_export_bytes(const struct peer_conn *pc);
/* mu held; returns when no write of the old session is on its way to the disk. */
void peer_revoke(struct srv *s);

/* control.c */
int  control_start(struct srv *s, struct av_err *err);

#endif
