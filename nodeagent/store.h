/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store.h - the unit's database: what both PMs agree on
 *
 * What it is:	one SQLite file on each PM.  It changes only by store_apply() of
 *		ordered commands (and whole, by store_replace()), so the two are
 *		alike row by row after every command.
 * What it isn't: local facts (what runs, what is in step) are not in it; see
 *		facts.h.  It knows no clock and no chance: times, and whatever
 *		else a decision needs, are stamped into the command.
 *
 * Command:	{"op":"vm.start", "args":{...}, "actor":{user,role,origin,via},
 *		 "at_utc_ms":N, "cmd_id":"node0-BOOT-17", "context":{...}};
 *		command.h lists the operations and makes the stamp.
 * Threads:	the loop's thread only.  Calls may wait for the disk (one commit
 *		is one transaction, synchronous=FULL).
 * Errors:	0 or -errno, code and sentence in 'err'.
 *		-	refused: the command was decided, the answer is no.  It is
 *			recorded (position and audit log go on); err->outcome is
 *			AV_NOT_DONE.
 *		-	AV_MAYBE: the database failed (disk full, I/O error).  The
 *			agent must stop; after a restart the file tells what holds.
 * Memory:	structs are copied out; no pointer into SQLite leaves.
 */
#ifndef AV_STORE_H
#define AV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/err.h"

#define STORE_ID_MAX		32	/* "storagegroup:o123", with NUL */
#define STORE_NAME_MAX		256	/* display name, with NUL */
#define STORE_UUID_MAX		37
#define STORE_VERSION		8	/* of the schema */
#define STORE_VM_DISKS_MAX	16
#define STORE_VM_NICS_MAX	8
#define STORE_VOLUMES_MAX	62	/* of the unit: spec B3 */
#define STORE_NODES		2

struct store;

struct store_position {
	uint64_t	seq;		/* commands applied; 0 = a new database */
	uint8_t		hash[32];	/* SHA-256(hash before || command), so that
					 * equal positions mean equal histories */
};

/*
 * Opens or makes the file.  Codes: 'database-newer' (made by a newer version),
 * 'database-damaged' (not a database, or its check fails), 'database-busy'
 * (another process has it).  The file is then as it was.
 */
int store_open(const char *path, struct store **ret_store, struct av_err *err);
/* NULL is a no-op.  Returns NULL. */
struct store *store_close(struct store *st);

static inline void
store_auto_close(struct store **st)
{
	(void)store_close(*st);
}
#define AUTO_STORE	AUTO(store_auto_close)

/* Moves a damaged database out of the way (PATH.damaged), so that a new one can be
 * opened and filled by store_replace() from the peer.  The file must be closed. */
int store_set_aside(const char *path, struct av_err *err);

/*
 * Applies one ordered command in one transaction: effect, audit line, position.
 * *ret_result is yours: on 0 the operation's result; when refused, the 'params' of
 * the error (an object); NULL when the database failed.
 */
int store_apply(struct store *st, const json_t *cmd, json_t **ret_result,
    struct av_err *err);
/* The same checks and the same result, but nothing is changed or recorded: for
 * dry runs.  A refused command returns as from store_apply(). */
int store_try(struct store *st, const json_t *cmd, json_t **ret_result,
    struct av_err *err);

void store_position(const struct store *st, struct store_position *ret);

/* The whole database as bytes (yours to free). */
int store_serialize(struct store *st, uint8_t **ret, size_t *ret_n,
    struct av_err *err);
/*
 * Replaces all content by what store_serialize() gave on the peer.  It is checked
 * first (is a database, whole, of our version, of our unit unless we have none yet:
 * 'database-damaged', 'database-newer', 'other-unit') and goes in as one
 * transaction: after a crash there is either the old or the new content.
 */
int store_replace(struct store *st, const uint8_t *data, size_t n,
    struct av_err *err);

/* SHA-256 over all rows of all tables in canonical order: equal on both PMs. */
int store_dump_hash(struct store *st, uint8_t ret[32], struct av_err *err);

/* --- typed readers --- */

/* When the volumes are verified by themselves: a day of the week (0 = Sunday), in
 * the first week of a month or in each, and an hour of the primary PM's clock. */
enum store_every { STORE_EVERY_OFF = 0, STORE_EVERY_WEEK, STORE_EVERY_MONTH };
struct store_schedule {
	enum store_every every;
	int		day, hour;
	bool		repair;
};

struct store_unit {
	bool		exists;		/* unit.create was applied */
	char		id[STORE_ID_MAX];
	char		name[STORE_NAME_MAX];
	char		uuid[STORE_UUID_MAX];
	char		address[64];	/* unit address, "10.77.0.10/24" or "" */
	int		primary;	/* 0, 1 */
	uint64_t	resync_rate_kib_s;	/* 0 = no limit */
	bool		go_home;	/* VMs go back by themselves */
	struct store_schedule verify;
};

struct store_node {
	int		index;		/* 0, 1 */
	char		id[STORE_ID_MAX];
	char		name[16];	/* "node0" */
	uint64_t	memory_bytes;	/* 0 = not reported yet */
	uint64_t	storage_bytes;
	unsigned	threads, cores, sockets;
};

enum store_want { STORE_WANT_STOPPED = 0, STORE_WANT_RUNNING };
enum store_phase { STORE_CREATING = 0, STORE_READY, STORE_DELETING };
/* How to get to 'stopped' when want is stopped and node isn't -1. */
enum store_stop_how { STORE_STOP_NONE = 0, STORE_STOP_SHUTDOWN,
	STORE_STOP_POWEROFF };

struct store_vm_disk {
	char		volume_id[STORE_ID_MAX];
	bool		boot;
};

struct store_vm_nic {
	char		network_id[STORE_ID_MAX];
	char		network_name[STORE_NAME_MAX];
	char		bridge[16];
	char		mac[18];
	char		tap[16];	/* its name: "tap12n0" for vm:o12, NIC 0 */
};

/* The live migration under way, or the last one.  It ends by vm.switch (result
 * done), vm.move-ended, or anything that gives the VM another run. */
struct store_move {
	uint64_t	id;		/* random; 0 = there was none */
	int		to;		/* -1 = none is under way */
	int		from, target;	/* of the last, or of this one; -1 */
	uint64_t	arrived;	/* = id: it brought the present run to 'node' */
	char		by[64];		/* user, or "system" */
	int64_t		started_ms, ended_ms;
	char		result[16];	/* "", running, done, failed, cancelled */
	char		code[32];	/* why, as in core/move.h */
	char		text[160];
};

/*
 * node: the PM that has, or is to have, the guest; -1 = none.
 *   want running, node N    the guest belongs on N, in its run 'run_id'
 *   want stopped, node N    still to be stopped there ('stop_how'); then
 *                           vm.report stopped-by-guest sets node -1
 *   phase creating, node N  N copies the images in, then vm.report installed
 *   phase deleting          legs, then volumes go; then vm.report deleted
 */
struct store_vm {
	char		id[STORE_ID_MAX];	/* "vm:o12" */
	char		name[STORE_NAME_MAX];
	char		uuid[STORE_UUID_MAX];
	char		os[16];			/* linux, windows, other */
	enum store_want	want;
	enum store_phase phase;
	enum store_stop_how stop_how;
	int		node;
	int		preferred;		/* -1 = none */
	int		home;			/* a failover took it from there: it
						 * goes back; -1 = none */
	struct store_move move;
	unsigned	vcpus;
	uint64_t	memory_bytes;
	uint64_t	run_id;			/* of this start; reports name it */
	bool		moving;			/* want running: taken over, not
						 * reported 'started' yet */
	bool		crash_held;		/* crashed too often; stays down
						 * until vm.start */
	unsigned	crashes;
	unsigned	n_disks;		/* [0] is the boot volume, vda */
	struct store_vm_disk disks[STORE_VM_DISKS_MAX];
	unsigned	n_nics;
	struct store_vm_nic nics[STORE_VM_NICS_MAX];
};

/* A verify: wanted ('active') until the server of the volume's primary has ended
 * one; 'run' counts them.  The rest tells of the last one, or of the active. */
struct store_verify {
	bool		active, repair;
	uint64_t	run;			/* 0 = never */
	char		by[64];			/* user, or "schedule" */
	int64_t		started_ms, ended_ms;
	char		result[16];		/* done, failed, cancelled */
	uint64_t	found, repaired;	/* chunks of 64 KiB */
	char		text[160];		/* why it failed */
};

enum store_replace { STORE_REPLACE_NO = 0, STORE_REPLACE_ASKED,
	STORE_REPLACE_MADE };

struct store_volume {
	char		id[STORE_ID_MAX];	/* "volume:o3" */
	char		name[STORE_NAME_MAX];
	char		uuid[STORE_UUID_MAX];
	char		group_id[STORE_ID_MAX];
	char		vm_id[STORE_ID_MAX];	/* "" = unused */
	char		image[STORE_NAME_MAX];	/* to be copied in, or "" */
	uint64_t	size_bytes;
	uint64_t	initial_identity;	/* generation identity of a fresh
						 * volume, never 0 */
	enum store_phase phase;			/* of the volume itself: a kept one
						 * stays ready when its VM goes */
	bool		boot;
	bool		installed;		/* image is in (true if none) */
	bool		leg_exists[STORE_NODES]; /* volume.report created */
	unsigned	port_index;		/* 0..61, unique; for TCP ports */
	/* size_bytes is what is wanted: the legs may be smaller for a while */
	int64_t		created_ms;
	bool		resync_paused;
	int		failed_leg;		/* the PM whose leg isn't good; -1 */
	int64_t		failed_ms;
	char		failed_text[160];
	enum store_replace replace;		/* of the failed leg */
	struct store_verify verify;
};

struct store_network {
	char		id[STORE_ID_MAX];
	char		name[STORE_NAME_MAX];
	char		bridge[16];
	unsigned	mtu;
};

struct store_alert {
	char		id[STORE_ID_MAX];
	char		code[48];
	char		object[STORE_ID_MAX];
	char		severity[16];
	char		text[256];
};

/* Each calls 'cb' for every row in order of id and stops early when it returns
 * non-zero, returning that.  'cb' may read other things, but not apply. */
typedef int store_vm_fn(void *arg, const struct store_vm *vm);
typedef int store_volume_fn(void *arg, const struct store_volume *vol);
typedef int store_network_fn(void *arg, const struct store_network *net);
typedef int store_alert_fn(void *arg, const struct store_alert *alert);
int store_each_vm(const struct store *st, store_vm_fn *cb, void *arg);
int store_each_volume(const struct store *st, store_volume_fn *cb, void *arg);
int store_each_network(const struct store *st, store_network_fn *cb, void *arg);
int store_each_open_alert(const struct store *st, store_alert_fn *cb, void *arg);

/* -ENOENT when there is none. */
int store_get_unit(const struct store *st, struct store_unit *ret);
int store_get_node(const struct store *st, int index, struct store_node *ret);
int store_get_vm(const struct store *st, const char *id, struct store_vm *ret);
int store_get_volume(const struct store *st, const char *id,
    struct store_volume *ret);

#endif
