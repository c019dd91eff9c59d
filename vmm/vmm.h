/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/vmm.h - run, find again, watch and end one guest on this PM
 *
 * What it is:	one 'vmm_dom' per guest that this PM may have to run.  A driver
 *		("qemu", "sim") does the work behind one table, vmm_ops.
 * What it isn't: it never decides whether the guest may run here (the agent
 *		does), and makes no disks, taps or bridges: they are there
 *		before vmm_start() and stay after the guest's end.
 *
 * The guest is not our child in any way that matters: it outlives the agent,
 * and vmm_attach() finds it again from its runtime folder.
 *
 * Threads:	call only from the event loop's thread; callbacks run there.
 * Units:	bytes; times are ns of CLOCK_MONOTONIC.
 * Errors:	0 or -errno, details in 'err'.  err->outcome == AV_MAYBE: the
 *		guest may have done it; look at vmm_status() later.
 * Memory:	vmm_open() copies the spec; all else is borrowed.
 *
 * States (struct vmm_status):
 *
 *   ABSENT --start--> STARTING --ok--> RUNNING <--pause/resume--> PAUSED
 *      |                  |                 |                        |
 *      +----attach--------+-----------------+------------------------+
 *                         v                 v                        v
 *                       EXITED <---- guest shuts down, crashes, kill
 *
 *   Live migration, on the PM that the guest comes to:
 *
 *   ABSENT --start_incoming--> STARTING --listens--> INCOMING --vmm_resume()
 *                                     (phase WAITING ... COMPLETE)   --> RUNNING
 *
 *   EXITED is ABSENT with a reason; vmm_start() works from both.  A reset by
 *   the guest is no exit and no event.  Before the first vmm_attach() or
 *   vmm_start() the state is ABSENT, although a guest may run: attach first.
 */
#ifndef AV_VMM_H
#define AV_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "base/err.h"

#define VMM_DISKS_MAX	16
#define VMM_NICS_MAX	8
#define VMM_VCPUS_MAX	64
#define VMM_MEMORY_MIN_BYTES	(16ull << 20)
#define VMM_PATH_MAX	96	/* with a file's name it fits a sun_path */

enum vmm_accel { VMM_ACCEL_TCG = 0, VMM_ACCEL_KVM };
enum vmm_os { VMM_OS_VIRTIO = 0, VMM_OS_LEGACY /* IDE and e1000 */ };
enum vmm_clock { VMM_CLOCK_UTC = 0, VMM_CLOCK_LOCALTIME };
enum vmm_nic_model { VMM_NIC_AUTO = 0 /* by os */, VMM_NIC_VIRTIO, VMM_NIC_E1000 };

struct vmm_disk {
	char	nbd_socket[VMM_PATH_MAX + 12];	/* the mirror server's socket */
	char	block_path[32];			/* or a block device, "/dev/drbd3":
						 * then nbd_socket is "" */
	char	export_name[32];		/* "" = "front" */
	char	volume_uuid[37];		/* first 20 hex digits = serial */
	int	boot_order;			/* 1 = first; 0 = not bootable */
	/* When it was made or the guest last started; 0 = unknown.  VMM_OS_LEGACY
	 * can't migrate without: QEMU would read the disk for its geometry. */
	uint64_t size_bytes;
	bool	read_only;
};

struct vmm_nic {
	uint8_t			mac[6];
	char			tap[16];	/* a tap that is there already */
	enum vmm_nic_model	model;
};

/* Zero it, fill it in; vmm_open() refuses what can't be (-EINVAL, a sentence). */
struct vmm_spec {
	char		id[24];			/* "o12": letter, then digits */
	char		uuid[37];		/* the guest's SMBIOS UUID too */
	char		name[256];		/* for messages only */
	unsigned	vcpus;
	uint64_t	memory_bytes;		/* multiple of 1 MiB */
	enum vmm_os	os;
	enum vmm_clock	clock;
	unsigned	n_disks;
	struct vmm_disk	disks[VMM_DISKS_MAX];
	unsigned	n_nics;
	struct vmm_nic	nics[VMM_NICS_MAX];
	/* Driver "xen", test guests alone: boots this kernel file; "" = its own disk. */
	char		kernel[VMM_PATH_MAX];
	char		initrd[VMM_PATH_MAX];
	char		cmdline[VMM_PATH_MAX];
	/* Folder of this guest alone, made (0750) if it isn't there; a setgid
	 * bit on it gives its sockets that group.  After start it holds:
	 *   qmp.sock    ours alone		vnc.sock    the screen (RFB)
	 *   qga.sock    guest agent		serial.sock serial line, one reader
	 *   pid         "PID STARTTIME"	exit        how it ended */
	char		runtime_dir[VMM_PATH_MAX];	/* "/run/avpair/vm/o12" */
	/* Folder for "qemu.log" (its messages) and "serial.log"; "" = runtime_dir */
	char		log_dir[VMM_PATH_MAX];
};

enum vmm_state {
	VMM_ABSENT = 0,
	VMM_STARTING,
	VMM_RUNNING,
	VMM_PAUSED,
	VMM_EXITED,
	VMM_INCOMING,	/* waits for a migration, or has it: never ran here */
};

enum vmm_reason {
	VMM_REASON_NONE = 0,
	/* of PAUSED */
	VMM_REASON_ASKED,	/* vmm_pause(), or started paused; of EXITED: vmm_kill() */
	VMM_REASON_IO_ERROR,	/* a disk failed; vmm_resume() tries again */
	VMM_REASON_OTHER,	/* debugger ...: QEMU's word in 'detail' */
	VMM_REASON_MIGRATION,	/* the switch-over of a migration away from here */
	/* of EXITED */
	VMM_REASON_GUEST_SHUTDOWN,	/* the guest powered itself off: stay off */
	VMM_REASON_PANIC,	/* the guest said that it crashed */
	VMM_REASON_SIGNAL,	/* the process died of 'signal' */
	VMM_REASON_EXIT_CODE,	/* the process ended with 'exit_code' */
	VMM_REASON_VANISHED,	/* gone, and nobody saw how (its PM lost power?) */
	VMM_REASON_START_FAILED,	/* never ran; 'detail' has the last words */
	VMM_REASON_INCOMING_FAILED,	/* the stream broke, or wasn't understood */
};

/*
 * Live migration (docs/design-vmm.md, "Live migration").  In the order they are
 * passed; FAILED and CANCELLED come from any before COMPLETE.  COMPLETE is final:
 * all of the guest is on both PMs, stopped, its disks quiet and flushed; nothing
 * but vmm_resume() moves either of the two.
 */
enum vmm_phase {
	VMM_PHASE_NONE = 0,	/* none since it was started or came here */
	VMM_PHASE_WAITING,	/* in: listens, nobody has come */
	VMM_PHASE_SETUP,	/* connection, key */
	VMM_PHASE_ACTIVE,	/* memory is copied; out: the guest runs */
	VMM_PHASE_SWITCHING,	/* out: the guest is stopped for what is left */
	VMM_PHASE_COMPLETE,
	VMM_PHASE_FAILED,	/* out only; the guest runs on if it ran.  'why' */
	VMM_PHASE_CANCELLED,	/* the same */
};

#define VMM_TAG_MAX	64
#define VMM_ADDR_MAX	64	/* as an address in the configuration */

struct vmm_migration {
	enum vmm_phase	phase;
	bool		incoming;
	char		tag[VMM_TAG_MAX];	/* the caller's; survives the agent */
	char		address[VMM_ADDR_MAX];	/* in: it listens there; out: target */
	uint16_t	port;			/* in: the one that was chosen */
	/* out only, as QEMU says; 0 = not known yet */
	uint64_t	total_bytes;
	uint64_t	copied_bytes;		/* sent, also pages sent again */
	uint64_t	remaining_bytes;
	uint64_t	dirty_bytes_s;		/* what the guest writes */
	uint64_t	rate_bytes_s;		/* what the link takes */
	unsigned	iterations;
	unsigned	throttle_pct;		/* how much the guest is slowed down */
	unsigned	downtime_ms;		/* before COMPLETE: what is expected */
	unsigned	total_ms;
	char		why[160];	/* of FAILED, CANCELLED; a sentence */
};

struct vmm_status {
	enum vmm_state	state;
	enum vmm_reason	reason;
	int		signal;
	int		exit_code;
	pid_t		pid;		/* 0 = no process */
	bool		alive;		/* see vmm_alive() */
	bool		answers;	/* the monitor is connected */
	bool		agent;		/* a guest agent has answered */
	char		detail[160];
	uint64_t	since_ns;	/* when 'state' was entered, as seen here */
	struct vmm_migration migration;
};

/* One end of a migration's stream. */
struct vmm_link {
	/* Numeric, IPv4 or IPv6.  Incoming: an address of this PM; out: the
	 * incoming one's. */
	char		address[VMM_ADDR_MAX];
	uint16_t	port;		/* incoming: 0 = the driver chooses */
	/* The unit's mirror key (mode 0600, one line "USER:HEX"): TLS-PSK both ways.
	 * NULL = in the clear; for tests alone. */
	const char	*psk_file;
	char		tag[VMM_TAG_MAX];	/* [A-Za-z0-9._:-], may be "" */
};

/* Limits of a migration out; 0 = the default. */
struct vmm_migrate_limits {
	uint64_t	bandwidth_bytes_s;	/* default: none */
	/* The most that the guest may stand; less is tried for at first.  300 */
	unsigned	downtime_ms;
	/* A guest that writes faster than the link takes is slowed down step by
	 * step; after this time the migration fails all the same. 600000, scaled */
	unsigned	total_ms;
};

struct vmm_dom;

/* One asynchronous call.  vmm_*() returns < 0: nothing was started, 'done'
 * never runs.  Returns 0: 'done' runs exactly once, from the loop, later, never
 * from inside the call.  One op at a time for a dom (-EBUSY), but vmm_kill()
 * comes through always, vmm_pause() where vmm_migrate_out() or _cancel() is under
 * way; they end it with -ECANCELED, AV_MAYBE.
 * vmm_close() ends a live one likewise, from inside. */
struct vmm_op {
	/* caller fills in */
	void		(*done)(struct vmm_op *op, int rc,
			    const struct av_err *err);
	uint64_t	 deadline_ns;	/* CLOCK_MONOTONIC; 0 = driver default, by
					 * vmm_env.time_scale */
	void		*ctx;		/* the caller's own */
	/* private to vmm/ */
	struct vmm_dom	*dom;
	int		 kind;
};

/* What a dom needs of its surroundings; strings are borrowed for its life. */
struct vmm_env {
	sd_event	*event;
	const char	*qemu_path;	/* NULL = "/usr/bin/qemu-system-x86_64" */
	const char	*helper_path;	/* NULL = "av-vmrun" beside this program */
	const char	*xenrun_path;	/* NULL = "av-xenrun" beside helper_path */
	enum vmm_accel	 accel;		/* what vmm_probe_accel() said */
	double		 time_scale;	/* default deadlines are so many times as
					 * long; 0 = 1 */
	/* State, reason, 'alive' or the migration's phase changed (not its
	 * numbers: they are fresh every 250 ms); look at vmm_status().  Never from
	 * inside a call into vmm, and before an op's 'done' of the same event.
	 * This and 'done' may call anything, vmm_close() of this dom included. */
	void		(*changed)(struct vmm_dom *dom, void *ctx);
	/* Frames that came from the guest on its tap (vif_rx_packets()); NULL:
	 * only a guest agent shows life. */
	int		(*rx_packets)(const char *tap, uint64_t *ret);
	void		*ctx;
};

/* 'driver' is "qemu", "xen" or "sim".  Starts and touches nothing. */
int vmm_open(const char *driver, const struct vmm_env *env,
    const struct vmm_spec *spec, struct vmm_dom **ret_dom, struct av_err *err);
/* The guest runs on.  NULL is a no-op.  Returns NULL. */
struct vmm_dom *vmm_close(struct vmm_dom *dom);

/* Replaces the spec for the next start (the guest must be absent: -EBUSY). */
int vmm_set_spec(struct vmm_dom *dom, const struct vmm_spec *spec,
    struct av_err *err);

#define VMM_START_PAUSED	(1u << 0)	/* no instruction runs till vmm_resume() */
/* done(0): the process is there, its monitor answered, and it runs (or is PAUSED).
 * -EEXIST (at once): a process of this guest is there: vmm_attach().
 * When done gives an error, no process is left, except with AV_MAYBE: vmm_kill(). */
int vmm_start(struct vmm_dom *dom, unsigned flags, struct vmm_op *op,
    struct av_err *err);
/* Finds the running guest from its runtime folder.  done(0): found, and it is
 * ours by UUID; status is fresh.  done(-ENOENT): there is none (status EXITED with
 * the reason when the end left word, else ABSENT).  done(-ETIMEDOUT): a process is
 * there but its monitor is silent: state is what it can be, vmm_kill() works.
 * done(-EPERM): what answers isn't this guest; nothing was touched. */
int vmm_attach(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err);
/* Asks the guest to power off: by its agent if that answers, else the ACPI button.
 * done(0): asked; the end comes as a change to EXITED, or never. */
int vmm_shutdown(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err);
/* Ends the process, whatever it does: quit, then SIGKILL.  done(0): it is gone,
 * so it can't write any more; also when there was none.  -ETIMEDOUT, AV_MAYBE: the
 * kernel holds it (a disk that hangs). */
int vmm_kill(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err);
/* -EALREADY at once when it is so already; -ESRCH when there is no guest. */
int vmm_pause(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err);
int vmm_resume(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err);

/* Starts a process that waits for this guest's migration: nothing of the guest runs,
 * no disk is read or written, no frame is sent, before vmm_resume(), whatever the
 * process gets or loses.  The spec, version and accelerator must be the source's.
 * Its disks' sockets must be there (a secondary's mirror server holds its requests).
 * done(0): INCOMING, it listens (migration.address, .port).  Errors like vmm_start(). A
 * stream that breaks, or isn't understood, ends the process: EXITED,
 * INCOMING_FAILED.  Who doesn't have the key is turned away, and it waits on. */
int vmm_start_incoming(struct vmm_dom *dom, const struct vmm_link *link,
    struct vmm_op *op, struct av_err *err);
/* Sends the RUNNING guest (else -EINVAL) to a process that waits.  done(0): it is
 * under way; what becomes of it is status.migration.  done(-EIO...): it isn't, the
 * guest runs on.  limits NULL = defaults.  A process that died, a wrong key, another
 * machine at the other end: phase FAILED, 'why', and the guest runs on.
 *
 * vmm_pause() while under way stops guest and stream together, at once, for good: the
 * process can't execute anything; vmm_resume() then cancels the migration. */
int vmm_migrate_out(struct vmm_dom *dom, const struct vmm_link *target,
    const struct vmm_migrate_limits *limits, struct vmm_op *op,
    struct av_err *err);
/* done(0): nothing is under way any more: CANCELLED or FAILED, and the guest runs on,
 * or COMPLETE, when it was too late.  -ESRCH at once: none is under way. */
int vmm_migrate_cancel(struct vmm_dom *dom, struct vmm_op *op,
    struct av_err *err);
/* vmm_resume() of an INCOMING guest: only when COMPLETE (else -EAGAIN at once); its
 * adapters announce themselves.  On the source, COMPLETE: the guest runs on here.
 * THE CALLER sees to it that only one of the two is ever resumed. */

/* Tells the running guest that its disk 'disk' (index in the spec) has grown to
 * exactly 'size_bytes'; the mirror server has it already and has dropped the old
 * connections.  done(0): the guest has been told, or had that size.  -EAGAIN,
 * -EIO: not yet, try again.  Order it only while the disk answers: QEMU may read
 * a sector of it and waits for that. */
int vmm_disk_resize(struct vmm_dom *dom, unsigned disk, uint64_t size_bytes,
    struct vmm_op *op, struct av_err *err);

/* From memory, never waits. */
void vmm_status(const struct vmm_dom *dom, struct vmm_status *ret);
/* The guest has shown life since it was started or attached: its agent answered,
 * or a frame came from it.  Stays true until the guest ends. */
bool vmm_alive(const struct vmm_dom *dom);
const struct vmm_spec *vmm_spec(const struct vmm_dom *dom);
const char *vmm_state_name(enum vmm_state s);		/* "running" */
const char *vmm_reason_name(enum vmm_reason r);		/* "guest-shutdown" */
const char *vmm_phase_name(enum vmm_phase p);		/* "switching" */
/* Under way from this PM: SETUP, ACTIVE or SWITCHING. */
bool vmm_is_migrating_out(const struct vmm_status *st);

/* Runs 64-bit code with paging in a guest under KVM, at most 'timeout_ms'; only
 * when it did its work: KVM, else TCG with the reason in 'ret_why' (n bytes; may be
 * NULL).  Blocks: call before the loop runs, or use the program av-accelprobe.
 * The answer holds until the machine's next start. */
enum vmm_accel vmm_probe_accel(const char *qemu_path, unsigned timeout_ms,
    char *ret_why, size_t n);
const char *vmm_accel_name(enum vmm_accel a);		/* "kvm", "tcg" */

/* --- the sim driver's strings to pull (driver "sim" only) --- */
void vmm_sim_guest_panic(struct vmm_dom *dom);
void vmm_sim_die(struct vmm_dom *dom, int signal);
void vmm_sim_io_error(struct vmm_dom *dom);
void vmm_sim_show_life(struct vmm_dom *dom);
/* The guest ignores the power button. */
void vmm_sim_deaf(struct vmm_dom *dom, bool deaf);
/* The next start fails. */
void vmm_sim_fail_start(struct vmm_dom *dom);
/* Size of a disk as the guest was told; 0 = never. */
uint64_t vmm_sim_disk_bytes(struct vmm_dom *dom, unsigned disk);
/* Migration: streams between guests of this process go on by one phase with each step
 * of the source's loop (1 ms apart), both ends together.  They stay in 'phase' until
 * the next call; VMM_PHASE_NONE = they go on. */
void vmm_sim_migration_hold(enum vmm_phase phase);
/* The stream of this guest, source or target, breaks: the source FAILED and running
 * on, the target EXITED.  vmm_sim_die() and vmm_kill() of either do the same to the
 * other one. */
void vmm_sim_migration_break(struct vmm_dom *dom);
/* Guests simulated at once with others than "" can't be sent to each other. */
void vmm_sim_version(struct vmm_dom *dom, const char *version);
/* Forgets every simulated guest (end of a test). */
void vmm_sim_reset(void);

#endif
