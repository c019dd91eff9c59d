/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/mirror.h - keep one volume identical on both PMs
 *
 * What it is:	one 'struct mirror' per volume: this PM's leg, its server
 *		process, and what it knows of the peer's leg.
 * What it isn't: it never decides which PM may run a guest or which leg wins a
 *		split; it tells the owner (nodeagent) and obeys orders.
 *
 * The owner's part of the deal:
 *  - One PM is 'primary' of a volume, always, also when no guest runs: the
 *    primary connects, resyncs, and serves the guest.  The other is
 *    'secondary'.  Two secondaries never talk to each other.
 *  - Before it orders 'alone' (or 'primary' with alone) it holds the unit's
 *    right to run alone for generation 'gen'.
 *  - On becoming 'held' nothing is lost or failed: the guest's writes wait for
 *    the owner's order, or for the peer, as long as it takes.
 *
 * Server processes outlive the owner.  mirror_open() finds a running one
 * again; mirror_close() leaves it running; only mirror_stop() ends it.
 * After mirror_open() found a running server (status.found is true), its role,
 * sessions and held writes are as they were: read the status, then order.
 *
 * Don't call mirror_close() from inside a callback of the same mirror: defer it.
 *
 * Threads:	call only from the thread of the sd_event loop given; callbacks
 *		run there too, never from inside a call.
 * Units:	bytes; ms; deadline_ns is CLOCK_MONOTONIC (base/clock.h).
 * Errors:	0 or -errno with details and a code in 'err'.  Codes to act on:
 *		  not-up-to-date   this leg may not become primary
 *		  no-space         leg couldn't be allocated
 *		  leg-exists, leg-missing
 *		  metadata-damaged, metadata-newer, metadata-other-volume
 *		  volume-in-use    another server holds the leg (flock)
 *		  server-down      the server process isn't running/answering
 *		  wrong-role       the order doesn't fit the role
 *		  wrong-state      the order doesn't fit the state
 *		  disk-error       the leg's disk refused to record a change
 *		  peer-unreachable the order stands and is done when the peer is
 *				   back (diskless)
 *		  bad-request      an argument is out of range
 *		  no-encryption    drbd: the link would be in clear text
 *		  tool-missing, tool-failed   drbd: drbd-utils or LVM's tools
 *		  no-reflink       the file system can't share blocks of files
 *		  snapshot-exists  there is one of that name
 *		  peer-version     the peer's server is too old for it
 *		  hold-expired     writes went on before they were released
 *		  not-supported    this driver can't
 *		A lost answer to an order is AV_MAYBE: read the status.
 *		status.error_code besides those: disk-error (this PM's disk
 *		failed, or can't be read by a resync), peer-disk-error (the
 *		peer's), peer-lost, session-ended (by the peer), both-primary,
 *		peer-unreachable, peer-version, peer-newer, split, unrelated,
 *		disconnected, peer-key (the key files differ), growing (the
 *		connection is made again), lease, disk-slow.
 *
 * A disk that fails:
 *  - A read that fails here while the peer is in step is answered with the
 *    peer's data and repaired here: read_errors, repaired_bytes and notice_*
 *    count it.  The guest notices nothing.
 *  - A write, flush or record that fails on a primary in step: conn is held, disk
 *    failed, code disk-error, peer_connected says whether the peer is there.
 *    Writes wait; reads are answered by the peer.  The owner records 'this leg
 *    has failed' for both PMs, then orders mirror_diskless().
 *  - On a primary that is alone or the source of a resync there is no second
 *    copy: the guest gets the error, disk is failed.  What only the resync can't
 *    read is left out: conn stays resync-source, code disk-error with the offset,
 *    disk is what it was, the target unfinished, until it can be read.
 *  - The secondary's disk: the primary is held with peer-disk-error.  The owner
 *    records 'the peer's leg has failed', then orders mirror_alone(), though the
 *    peer PM lives; the peer's status says disk failed and it refuses 'primary'.
 *  - A failed disk stays failed for the life of its server.  To use the leg
 *    again (old content or made new): stop, repair or replace, mirror_start();
 *    it is a target then.
 *
 * The lease (off unless asked for): a primary that its owner hasn't told for
 * lease_ms that it may go on holds reads and writes by itself, whatever its
 * mode, and goes on at the next word.  Words are mirror_alive() and every
 * order; reading the status isn't one.
 */
#ifndef AV_MIRROR_H
#define AV_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

struct av_err;

#define MIRROR_ID_MAX		64	/* with NUL; [a-z0-9-]+, e.g. "o3" */
#define MIRROR_PATH_MAX		256
#define MIRROR_PEER_ADDRS_MAX	4
#define MIRROR_ADDR_MAX		64
#define MIRROR_EXPORT_FRONT	"front"	/* the guest's NBD export name */
#define MIRROR_CHUNK_BYTES	65536u	/* one bit of the bitmap */

/* Sizes of volumes: multiples of 512, at most 16 TiB. */
#define MIRROR_SIZE_MIN_BYTES	512ull
#define MIRROR_SIZE_MAX_BYTES	(16ull << 40)

struct mirror_gi {		/* generation identity; facts 6.1 */
	uint64_t	current;
	uint64_t	bitmap;
	uint64_t	h0;
	uint64_t	h1;
};

/* All enums: values are stable words in mirror_*_name(). */
enum mirror_server {
	MIRROR_SERVER_STARTING = 0,	/* spawned or connecting to its control */
	MIRROR_SERVER_UP,		/* status below is live */
	MIRROR_SERVER_DOWN,		/* gone; see error_text; mirror_start() */
};

enum mirror_role {
	MIRROR_SECONDARY = 0,
	MIRROR_PRIMARY,
};

/*
 * DISCONNECTED  no peer; a primary that is 'alone' runs on, writing one leg
 * CONNECTING    primary without peer and without 'alone': tries; I/O is held
 * CONNECTED     both legs in step, every write goes to both
 * RESYNC_SOURCE / RESYNC_TARGET   connected, old chunks are being copied
 * HELD          was connected, peer lost: writes wait (reads go on); it goes on
 *               trying to connect
 * SPLIT         peer answered, but both legs hold data that the other hasn't, or
 *               they are unrelated, or the primary is the one that is older:
 *               nothing is overwritten, a person or the owner decides.  A
 *               primary that was 'alone' runs on, else its I/O is held.
 * DISKLESS      primary: its leg failed, the peer's alone has every read and
 *               write (mirror_diskless()); secondary: serves such a primary, and
 *               its leg is the only good one
 * A primary with 'alone' that is trying to reach its peer is DISCONNECTED.
 */
enum mirror_conn {
	MIRROR_DISCONNECTED = 0,
	MIRROR_CONNECTING,
	MIRROR_CONNECTED,
	MIRROR_RESYNC_SOURCE,
	MIRROR_RESYNC_TARGET,
	MIRROR_HELD,
	MIRROR_SPLIT,
	MIRROR_DISKLESS,
};

enum mirror_disk {
	MIRROR_DISK_UNKNOWN = 0,
	MIRROR_DISK_INCONSISTENT,	/* unfinished resync: never promotable */
	MIRROR_DISK_OUTDATED,		/* consistent but known to be old */
	MIRROR_DISK_UPTODATE,		/* as far as this PM knows */
	MIRROR_DISK_FAILED,		/* the disk returned errors */
};

/*
 * NONE       none since the server's start
 * RUNNING    from the volume's begin to its end, once; gives way to the guest
 * WAITING    the peer is away, or a resync runs or is paused; then it goes on
 * DONE, FAILED (see code and text), CANCELLED
 */
enum mirror_verify_state {
	MIRROR_VERIFY_NONE = 0,
	MIRROR_VERIFY_RUNNING,
	MIRROR_VERIFY_WAITING,
	MIRROR_VERIFY_DONE,
	MIRROR_VERIFY_FAILED,
	MIRROR_VERIFY_CANCELLED,
};
#define MIRROR_VERIFY_LIST_MAX	32u
/* A disk that takes so long for one request is shown as disk-slow. */
#define MIRROR_DISK_SLOW_MS	2000u

/* How the last verify ended; kept while the next one runs, as long as the
 * server lives. */
struct mirror_verify_last {
	enum mirror_verify_state state;	/* NONE = never; DONE, FAILED, CANCELLED */
	int64_t		finished_at;	/* seconds since 1970, wall clock */
	bool		repair;
	uint64_t	n_found, n_repaired;	/* chunks */
};

/* The last verify of this server.  Differences are counted in chunks of
 * MIRROR_CHUNK_BYTES; the first ones are listed by their offset. */
struct mirror_verify {
	enum mirror_verify_state state;
	bool		repair;
	uint64_t	total_bytes, done_bytes;
	uint64_t	n_found, n_repaired;
	uint64_t	list[MIRROR_VERIFY_LIST_MAX];
	size_t		n_list;
	char		code[32];
	char		text[96];
	int64_t		finished_at;	/* seconds since 1970; 0 = hasn't */
	struct mirror_verify_last last;	/* ended last, maybe this one */
};

/* Writes held for a snapshot; see mirror_hold_writes(). */
enum mirror_hold {
	MIRROR_HOLD_NONE = 0,	/* not held; released in time, if ever */
	MIRROR_HOLD_BEGINNING,	/* waits for writes under way and the flush */
	MIRROR_HOLD_HELD,	/* quiet and flushed on both legs */
	MIRROR_HOLD_EXPIRED,	/* the last one ended by itself: not a snapshot */
};
#define MIRROR_HOLD_DEFAULT_MS	2000u	/* a guest's disk timeout is 30 s */
#define MIRROR_HOLD_MAX_MS	10000u

struct mirror_status {
	enum mirror_server	server;
	bool			found;	/* server ran already at open */
	int			pid;	/* of the server; 0 = not known */
	enum mirror_role	role;
	enum mirror_conn	conn;
	enum mirror_disk	disk;
	enum mirror_disk	peer_disk;
	bool			alone;	/* primary: one leg, recorded */
	bool			peer_outdated;	/* recorded durably here */
	bool			crashed_primary;/* was primary, ended unclean */
	bool			wants_connect;	/* 'disconnect' clears it */
	struct mirror_gi	gi;
	uint64_t		gen;	/* unit generation recorded here */
	uint64_t		size_bytes;
	uint64_t		out_of_step_bytes;	/* bits set, in bytes */
	uint64_t		held_requests;
	uint64_t		front_connections;	/* guests attached */
	uint64_t		written_bytes, read_bytes;	/* by the guest */
	uint64_t		write_requests, read_requests;	/* same */
	/* Resync now, or the last one: 'bytes changed' is resync_total. */
	uint64_t		resync_total_bytes;
	uint64_t		resync_copied_bytes;
	uint64_t		resync_count;	/* finished since server start */
	uint32_t		resync_percent;
	uint64_t		resync_eta_s;	/* 0 = not known, or paused */
	bool			resync_paused;	/* by order; conn stays RESYNC_* */
	uint64_t		resync_limit_kib_s;	/* as ordered; 0 = none */
	uint64_t		resync_speed_kib_s;	/* measured; 0 = none runs */
	uint64_t		peer_size_bytes;	/* as it said last; 0 = unknown */
	/* Not 0: the leg has room for so much.  A secondary, too, is to be ordered
	 * to grow when that is less than what is wanted (drbd). */
	uint64_t		room_bytes;
	enum mirror_hold	hold;
	uint64_t		hold_left_ms;	/* until it expires; 0 = not held */
	struct mirror_verify	verify;
	uint64_t		peer_seen_ms;	/* ago; UINT64_MAX = never */
	/* Primary: requests reach the peer now; held with disk-error, too. */
	bool			peer_connected;
	bool			diskless;	/* ordered; conn says if it works */
	bool			window;		/* mirror_window(): open here */
	bool			peer_primary;	/* connected, and the peer leads (a
						 * driver with a window says so) */
	uint32_t		lease_ms;	/* 0 = off */
	bool			lease_expired;	/* holds; conn is what it was */
	uint64_t		disk_slow_ms;	/* oldest request at this disk,
						 * once over MIRROR_DISK_SLOW_MS */
	uint64_t		read_errors;	/* of this disk, since start */
	uint64_t		repaired_bytes;	/* rewritten from the peer */
	uint64_t		notice_count;	/* grows with each notice */
	char			notice_code[32];	/* the last: read-repaired,
						 * read-not-repaired, disk-error
						 * (of a resync's source) */
	char			notice_text[160];
	bool			sparse;	/* leg isn't preallocated */
	char			error_code[32];	/* "" = fine; why held/split/.. */
	char			error_text[256];
};

/*
 * What driver "drbd" needs besides (docs/design-mirror.md, "The drbd driver").
 * The leg keeps it, so deleting and reading need DIR and ID alone.
 */
struct mirror_drbd_conf {
	const char	*vg;		/* LVM volume group; the leg is VG/av-ID */
	unsigned	 minor;		/* /dev/drbdMINOR; same on both PMs */
	/* DRBD 8.4 has no TLS: what is written crosses the cable in clear text.
	 * Without this the driver refuses (no-encryption). */
	bool		 unencrypted_ok;
	const char	*handler_path;	/* NULL = /usr/lib/avpair/av-fence-peer */
	const char	*tools_path;	/* NULL = /usr/sbin:/usr/bin:/sbin:/bin */
	const char	*dev_dir;	/* NULL = /dev */
};

/* A leg on this PM: DIR/vol-ID.data and DIR/vol-ID.meta; drbd: logical volume
 * VG/av-ID, and in DIR av-ID.res (resource file) and av-ID.leg (record). */
struct mirror_leg_spec {
	const char	*dir;		/* exists; e.g. .../storage/GROUP */
	const char	*id;		/* "o3" */
	const char	*unit_uuid;	/* 32 hex digits or with dashes */
	const char	*volume_uuid;
	uint64_t	 size_bytes;
	/* Same on both PMs, random: both legs start zeroed and in step, so no
	 * first resync is needed.  0: this leg replaces one that was lost; it is
	 * unfinished until the peer's has been copied whole. */
	uint64_t	 initial_current;
	uint64_t	 gen;		/* unit generation now */
	const struct mirror_drbd_conf *drbd;	/* driver drbd alone */
};

/* What a leg's metadata says, read without a server (agent start, rejoin). */
struct mirror_leg_info {
	char			unit_uuid[33];
	char			volume_uuid[33];
	uint64_t		size_bytes;
	struct mirror_gi	gi;
	uint64_t		gen;
	enum mirror_disk	disk;
	bool			crashed_primary;
	bool			peer_outdated;	/* ran alone last, or may */
	bool			sparse;
	uint64_t		out_of_step_bytes;
};

struct mirror_conf {
	const char	*id;		/* as in the leg */
	const char	*dir;		/* of the leg */
	const char	*unit_uuid;
	const char	*volume_uuid;
	unsigned	 node;		/* 0 or 1: this PM */
	/* Front and control sockets are RUN_DIR/front.sock and control.sock;
	 * the folder is made 0700 if missing.  e.g. /run/avpair/volumes/o3 */
	const char	*run_dir;
	const char	*listen_addr;	/* numeric; "0.0.0.0" or "::" allowed */
	uint16_t	 port;		/* same on both PMs; unique per volume */
	const char	*peer_addrs[MIRROR_PEER_ADDRS_MAX];	/* tried in order */
	size_t		 n_peer_addrs;
	uint16_t	 peer_port;
	/* nbdkit's PSK format "USER:HEXKEY"; the same file on both PMs, 0600. */
	const char	*psk_file;
	const char	*psk_user;	/* NULL = "avpair" */
	const char	*nbdkit_path;	/* NULL = "/usr/sbin/nbdkit" or in PATH */
	const char	*plugin_path;	/* build/nbdkit-avreplica-plugin.so */
	const char	*log_path;	/* server's stdio, appended */
	uint32_t	 peer_timeout_ms;	/* 0 = 1500; as it is */
	double		 time_scale;	/* other limits are so many times as long,
					 * if that is more; 0 = 1 */
	uint64_t	 resync_rate_kib_s;	/* 0 = unlimited */
	const struct mirror_drbd_conf *drbd;	/* driver drbd alone; NULL = as
						 * recorded with the leg */
};

struct mirror;
struct mirror_op;

/* Runs from the loop after any change of mirror_status_peek(). */
typedef void (*mirror_changed_fn)(struct mirror *m, void *arg);

/*
 * An order under way.
 *   mirror_*() returns < 0: nothing was started, 'done' never runs.
 *   mirror_*() returns 0:   'done' runs exactly once, later, from the loop.
 * From the call come server-down, and bad-request for what no volume could take;
 * what the server or driver refuses (also not-supported) comes by 'done'.
 * Disposing of it earlier is an error; mirror_close() ends live ops with
 * -ECANCELED (AV_MAYBE).
 */
struct mirror_op {
	/* caller fills in */
	void		(*done)(struct mirror_op *op, int rc,
			    const struct av_err *err);
	uint64_t	 deadline_ns;	/* 0 = 10 s from now */
	/* private */
	struct mirror	*m;
	struct mirror_op *next;
	uint64_t	 seq;
	sd_event_source	*timer;
	/* mirror_digest(): valid inside 'done' when rc == 0 */
	uint32_t	*digests;	/* crc32c of each block; freed after */
	size_t		 n_digests;
};

struct mirror_primary_req {
	bool		alone;	/* go on without the peer; 'gen' is the grant */
	uint64_t	gen;	/* used only with alone: recorded durably */
	uint32_t	lease_ms;	/* 0 = none; begins now */
};

/* --- legs: synchronous, need no server, touch local files only --- */

/* Allocates and writes both files durably.  Fallocate is quick on ext4/xfs; a
 * file system without it gets a sparse leg.  -EEXIST leg-exists, -ENOSPC
 * no-space: nothing is left behind. */
int mirror_leg_create(const char *driver, const struct mirror_leg_spec *spec,
    struct av_err *err);
/* -ENOENT leg-missing (fine to ignore), -EBUSY volume-in-use. */
int mirror_leg_delete(const char *driver, const char *dir, const char *id,
    struct av_err *err);
int mirror_leg_read(const char *driver, const char *dir, const char *id,
    struct mirror_leg_info *ret, struct av_err *err);
/* Its legs take long to make or delete (drbd runs programs and writes zeroes
 * everywhere): do that in a thread. */
bool mirror_leg_is_slow(const char *driver);

/* --- server --- */

/* Finds or starts the volume's server.  Returns at once; 'changed' tells when
 * server is UP or DOWN.  'conf' is copied.  driver: "replica", "drbd", "sim". */
int mirror_open(const char *driver, const struct mirror_conf *conf,
    sd_event *loop, mirror_changed_fn changed, void *arg,
    struct mirror **ret_m, struct av_err *err);
/* Lets go; the server runs on.  NULL is fine; returns NULL.  Live ops are ended
 * with -ECANCELED from inside this call (the one exception to 'never'). */
struct mirror *mirror_close(struct mirror *m);
/* Starts it again after MIRROR_SERVER_DOWN.  -EALREADY when it isn't down.  A
 * fresh server is secondary and disconnected. */
int mirror_start(struct mirror *m, struct av_err *err);

/* Borrowed; valid until the next turn of the loop. */
const struct mirror_status *mirror_status_peek(const struct mirror *m);
/* Path of the front socket, for QEMU's NBD client (export MIRROR_EXPORT_FRONT). */
const char *mirror_front_path(const struct mirror *m);

/* --- orders; see the table of codes above --- */

/* Serve the guest here and connect to the peer.  Refused with not-up-to-date
 * unless disk is UPTODATE.  Without alone, all I/O (reads too) is held until the
 * peer is connected and in agreement.  With alone: new identity, 'gen' and
 * peer_outdated are durable when done(0) runs.  Revokes any session by which
 * the peer could write to this leg.  Primary again: -EALREADY. */
int mirror_primary(struct mirror *m, struct mirror_op *op,
    const struct mirror_primary_req *req, struct av_err *err);
/* For a primary that is HELD, CONNECTING, SPLIT or connected: drop the peer, record
 * as above, then let held writes complete on one leg.  -EALREADY wrong-state when
 * alone already at this gen. */
int mirror_alone(struct mirror *m, struct mirror_op *op, uint64_t gen,
    struct av_err *err);
/*
 * For a primary whose own leg has failed (or is to be given up), not alone: the
 * peer records durably that its leg is the only good one (new identity, all bits
 * set, 'gen'), then all I/O goes there, each write durable before it is
 * acknowledged.  Before: 'this leg has failed' is recorded for both PMs; it is
 * never used as primary or source again until it was a target.
 *   not-up-to-date    the peer's copy isn't complete: a resync, or it may lack
 *                     writes after a lost connection (restart the guest there)
 *   peer-unreachable  the order stands: writes and reads wait for the peer
 *   peer-version      the peer is too old
 *   wrong-role, wrong-state (alone); -EALREADY wrong-state: it is so already
 * While diskless 'alone' is refused (not-up-to-date); 'secondary' needs no
 * disk.  The order outlives lost connections, not the server process.
 */
int mirror_diskless(struct mirror *m, struct mirror_op *op, uint64_t gen,
    struct av_err *err);
/*
 * The owner may go on: the lease runs from 'since_boot_ns' (CLOCK_BOOTTIME when
 * the owner last knew that; 0 = now) for 'lease_ms' (0 = no lease from now on).
 * Send it at least each lease_ms/3.  No answer: the status tells.  A word that
 * was under way while one of the two slept counts from when it was said.
 */
int mirror_alive(struct mirror *m, uint32_t lease_ms, uint64_t since_boot_ns,
    struct av_err *err);
/* Stop serving the guest: held requests fail, later ones are refused; revokes
 * the peer's session too (the peer's primary comes again by itself). */
int mirror_secondary(struct mirror *m, struct mirror_op *op,
    struct av_err *err);
/* Secondary only: records 'this copy is old'; not promotable until it has been
 * in step again.  Revokes the peer's session. */
int mirror_outdate(struct mirror *m, struct mirror_op *op,
    struct av_err *err);
/* Secondary only, and only by a person's word: this leg's data is given up.  It is
 * unfinished from then on, durably: never promoted, and the target of the next
 * resync, whatever the identities say.  winner_base: the kept leg's gi.bitmap; when
 * both parted from the same base only what differs is copied, else (or 0) all;
 * drbd: always all.  Given again: nothing more happens. */
int mirror_discard(struct mirror *m, struct mirror_op *op,
    uint64_t winner_base, struct av_err *err);
/* Ends/permits the connection to the peer (both directions).  A connected primary
 * that is disconnected becomes held: order alone next. */
int mirror_disconnect(struct mirror *m, struct mirror_op *op,
    struct av_err *err);
int mirror_connect(struct mirror *m, struct mirror_op *op,
    struct av_err *err);
/* An upper limit, 0 = none; below it the resync gives way to the guest. */
int mirror_set_rate(struct mirror *m, struct mirror_op *op,
    uint64_t resync_rate_kib_s, struct av_err *err);
/* Compares both legs by SHA-256 of each chunk, online and in the background:
 * done(0) = it has begun, status.verify tells the rest.  Primary with a
 * connected peer only; -EALREADY wrong-state when one is running,
 * -EOPNOTSUPP peer-version when the peer is older.  With repair what differs is
 * copied from this leg.  A change of role ends it; a server that starts again
 * knows of none.  rate_kib_s 0 = unlimited. */
struct mirror_verify_req {
	bool		repair;
	uint64_t	rate_kib_s;
};
int mirror_verify(struct mirror *m, struct mirror_op *op,
    const struct mirror_verify_req *req, struct av_err *err);
/* done(0): it ends after the run under way; status.verify says when.  -EALREADY
 * wrong-state: none is running. */
int mirror_verify_cancel(struct mirror *m, struct mirror_op *op,
    struct av_err *err);
/* Holds a resync in the middle, or any that begins later, until resumed; guest
 * writes go on to both legs.  A paused resync never ends: the target stays
 * unfinished.  Any role and state; twice is fine.  Lost when the server ends:
 * order it again after mirror_start().  It acts at the resync's source.  Resume
 * also tries again what couldn't be read; else that happens each 30 s. */
int mirror_resync_pause(struct mirror *m, struct mirror_op *op,
    struct av_err *err);
int mirror_resync_resume(struct mirror *m, struct mirror_op *op,
    struct av_err *err);
/*
 * Makes the volume larger on both legs while the guest runs; what is new reads
 * as zeros.  Primary, CONNECTED, no resync.  done(0): both legs have it,
 * durably; status.size_bytes is new; the guest's connections were dropped after
 * their requests, and new ones see the new size (QEMU: reconnects by itself,
 * then block_resize to exactly this size).  On error nothing has changed, except
 * with AV_MAYBE and peer-lost: then the pair finishes it, or not, when it is
 * connected again; read status.size_bytes.
 * no-space (either leg), bad-request (smaller, not a multiple of 512, too
 * large), wrong-role, wrong-state, peer-version, not-supported.  The same size
 * again: done(0).  Allow a minute for large preallocated legs.
 * drbd: both PMs get the order, in any order; the secondary's makes its leg larger
 * and that's all.  The primary's waits for it, until its deadline.  What is new is
 * copied after done(0) by a resync.
 */
int mirror_grow(struct mirror *m, struct mirror_op *op,
    uint64_t new_size_bytes, struct av_err *err);
/*
 * Holds the guest's writes for a snapshot; reads go on, nothing fails.  done(0):
 * no write is under way and all acknowledged ones are flushed on both legs (on
 * this one when alone).  It ends by mirror_release_writes(), by any order of a
 * role, or by itself after timeout_ms (0 = MIRROR_HOLD_DEFAULT_MS, at most
 * MIRROR_HOLD_MAX_MS), counted from when writes began to wait.  A loss of the
 * peer meanwhile changes nothing.  Primary that is connected (resync too)
 * or alone; else wrong-role, wrong-state (also when held already).
 */
int mirror_hold_writes(struct mirror *m, struct mirror_op *op,
    uint32_t timeout_ms, struct av_err *err);
/* done(0): writes were held from then until now.  -ETIME hold-expired: they
 * weren't; what was made meanwhile isn't a snapshot.  -EALREADY wrong-state:
 * none was ordered. */
int mirror_release_writes(struct mirror *m, struct mirror_op *op,
    struct av_err *err);
/*
 * The window of a live migration.  While it is open on both PMs, the secondary
 * of a connected pair may become primary besides the other one, so that the
 * hypervisor there can open the front before the guest changes sides.  The
 * owner sees to it that one of them alone writes at any time.
 *   open:  both PMs (any order), then 'primary' at the target; refused with
 *          wrong-state unless connected and in step, so it is also the owner's
 *          last look before it begins.
 *   close: after 'secondary' at one side; both PMs.  wrong-state while both are
 *          primary.  Closed already: done(0).
 * If the connection is lost meanwhile both are held, and the owner lets one go on
 * ('alone') and ends the other ('secondary'), as ever.  A server that starts has
 * it closed.
 * Ask mirror_needs_window() first: a driver whose secondary accepts connections
 * and holds their requests (replica, sim) needs none; not-supported from the call.
 */
bool mirror_needs_window(const struct mirror *m);
int mirror_window(struct mirror *m, struct mirror_op *op, bool open,
    struct av_err *err);
/* Clean end of the server; held requests fail.  done(0) = the process is gone. */
int mirror_stop(struct mirror *m, struct mirror_op *op, struct av_err *err);
/* crc32c of each 1 MiB block (the last may be shorter) of this leg's data in
 * [offset, offset+length); length 0 = to the end.  At most 1 TiB at once. */
int mirror_digest(struct mirror *m, struct mirror_op *op, uint64_t offset,
    uint64_t length, struct av_err *err);

/*
 * One point in time over several volumes: holds all, calls 'held', releases all.
 * A write that was sent after another one's acknowledgement is never in it
 * without that one, whatever volumes they are on.
 *   mirror_group_hold() < 0: nothing was started, no callback runs.
 *   0: 'held' runs only if all are held, then 'done' exactly once, from the loop.
 * 'held' returns -EINPROGRESS to go on in the background and call
 * mirror_group_release() later (same thread); otherwise its value is the result.
 * When rc != 0 (also: a hold expired), throw away what 'held' made;
 * 'bad' is the index of the volume at fault, or n.  The caller keeps the struct,
 * array and mirrors until 'done'; don't close one meanwhile.
 */
struct mirror_group {
	/* caller fills in */
	struct mirror	**mirrors;
	size_t		 n;
	uint32_t	 timeout_ms;	/* of each hold; 0 = default */
	int		(*held)(struct mirror_group *g, struct av_err *err);
	void		(*done)(struct mirror_group *g, int rc, size_t bad,
			    const struct av_err *err);
	void		*arg;
	/* private */
	struct mirror_group_member *members;
	struct mirror_group_state *state;
};
int mirror_group_hold(struct mirror_group *g, struct av_err *err);
void mirror_group_release(struct mirror_group *g, int rc,
    const struct av_err *err);	/* err may be NULL when rc is 0 */

/* A copy of this PM's leg as it is now, blocks shared: DIR/vol-ID.snap-NAME, of
 * the volume's size; durable.  Only between hold and release does it mean
 * anything.  name: [a-z0-9-]{1,40}.  Needs no server; may run in any thread.
 * -EOPNOTSUPP no-reflink or not-supported, -EEXIST snapshot-exists, -ENOSPC no-space. */
int mirror_leg_snapshot(const char *driver, const char *dir, const char *id,
    const char *name, uint64_t *ret_size_bytes, struct av_err *err);
/* 0 too when there is none. */
int mirror_leg_snapshot_delete(const char *driver, const char *dir,
    const char *id, const char *name, struct av_err *err);

/* Stable words: "secondary", "held", "uptodate", "up" ... */
const char *mirror_role_name(enum mirror_role role);
const char *mirror_conn_name(enum mirror_conn conn);
const char *mirror_disk_name(enum mirror_disk disk);
const char *mirror_server_name(enum mirror_server server);
const char *mirror_verify_name(enum mirror_verify_state state);
const char *mirror_hold_name(enum mirror_hold hold); /* "none", "held", ... */

/*
 * A driver; mirror.c alone looks into it.  Orders go through one function so
 * that a new order needs no new slot.
 */
enum mirror_verb {
	MIRROR_V_PRIMARY = 0,
	MIRROR_V_ALONE,
	MIRROR_V_SECONDARY,
	MIRROR_V_OUTDATE,
	MIRROR_V_CONNECT,
	MIRROR_V_DISCONNECT,
	MIRROR_V_RATE,
	MIRROR_V_STOP,
	MIRROR_V_DIGEST,
	MIRROR_V_VERIFY,
	MIRROR_V_VERIFY_CANCEL,
	MIRROR_V_RESYNC_PAUSE,
	MIRROR_V_RESYNC_RESUME,
	MIRROR_V_GROW,
	MIRROR_V_HOLD,
	MIRROR_V_RELEASE,
	MIRROR_V_DISKLESS,
	MIRROR_V_ALIVE,		/* op is NULL, nothing answers */
	MIRROR_V_DISCARD,
	MIRROR_V_WINDOW,
	MIRROR_N_VERBS
};

struct mirror_order {
	enum mirror_verb	verb;
	bool			alone;
	bool			open;		/* of WINDOW */
	bool			repair;
	uint64_t		gen;
	uint64_t		winner_base;
	uint32_t		lease_ms;
	uint64_t		rate_kib_s;
	uint64_t		offset, length;
	uint64_t		new_size_bytes;
	uint32_t		timeout_ms;
	uint64_t		since_boot_ns;
};

struct mirror_ops {
	const char	*name;
	bool		 leg_slow;	/* mirror_leg_is_slow() */
	bool		 window;	/* mirror_needs_window() */
	int	(*leg_create)(const struct mirror_leg_spec *spec,
		    struct av_err *err);
	int	(*leg_delete)(const char *dir, const char *id,
		    struct av_err *err);
	int	(*leg_read)(const char *dir, const char *id,
		    struct mirror_leg_info *ret, struct av_err *err);
	int	(*open)(const struct mirror_conf *conf, sd_event *loop,
		    mirror_changed_fn changed, void *arg,
		    struct mirror **ret_m, struct av_err *err);
	void	(*close)(struct mirror *m);
	int	(*start)(struct mirror *m, struct av_err *err);
	int	(*order)(struct mirror *m, struct mirror_op *op,
		    const struct mirror_order *order, struct av_err *err);
	const struct mirror_status *(*status_peek)(const struct mirror *m);
	const char *(*front_path)(const struct mirror *m);
	int	(*leg_snapshot)(const char *dir, const char *id,
		    const char *name, uint64_t *ret_size_bytes,
		    struct av_err *err);
	int	(*leg_snapshot_delete)(const char *dir, const char *id,
		    const char *name, struct av_err *err);
};

extern const struct mirror_ops mirror_replica_ops;
extern const struct mirror_ops mirror_drbd_ops;
extern const struct mirror_ops mirror_sim_ops;
/* "sim-window": its secondary can't be opened, as drbd's. */
extern const struct mirror_ops mirror_sim_window_ops;

/* Drivers embed this first. */
struct mirror {
	const struct mirror_ops	*ops;
};

/* Tests of the owner: cuts or mends the link between all sim mirrors of this
 * process that have the same volume_uuid; kills the server of one. */
void mirror_sim_cut(const char *volume_uuid, bool cut);
void mirror_sim_kill(struct mirror *m);
/* This leg fails from now on, for the life of its server. */
void mirror_sim_fail_disk(struct mirror *m);
/* The next verify finds so many chunks that differ. */
void mirror_sim_damage(struct mirror *m, uint64_t n_chunks);
/* A volume can't grow beyond so many bytes. */
void mirror_sim_space(uint64_t max_bytes);
void mirror_sim_reset(void);	/* forgets all sim legs */

/* 0, or -EINVAL naming the driver with a hole or a double name. */
int mirror_ops_check(struct av_err *err);

#endif
