/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/volumes_impl.h - one volume on this PM; shared by volumes*.c
 *
 * volumes.c compares and gives the orders of roles; volumes_care.c those that
 * can wait: verify, limit and pause of a resync, growing; volumes_leg.c makes
 * the marks of failed legs and acts on them; volumes_split.c serves a split,
 * volumes_window.c a live migration.
 */
#ifndef AV_NODEAGENT_VOLUMES_IMPL_H
#define AV_NODEAGENT_VOLUMES_IMPL_H

#include "base/clock.h"
#include "nodeagent/volumes.h"

#define VOLUMES_RETRY_NS	(1 * AV_NS_PER_S)

/* /dev/drbdN of a volume: this + its port_index, so the same on both PMs; small
 * numbers are left to the administrator's own resources. */
#define VOLUME_DRBD_MINOR_BASE	1000u

struct volume;
struct volume_job;
enum volume_job_kind { VOLUME_JOB_CREATE = 0, VOLUME_JOB_DELETE,
	VOLUME_JOB_REPLACE /* delete, create */ };
typedef void (*volume_job_fn)(struct volume *v, int rc,
    const struct av_err *err);

struct volume {
	struct volume	*next;
	struct volumes	*vs;
	struct store_volume row;
	bool		 in_db;		/* seen by this pass */
	bool		 primary_here;
	int		 move_to;	/* its VM is on its way there; -1 = it isn't */
	struct mirror	*m;
	struct mirror_op op;
	bool		 op_busy;
	const char	*op_what;
	bool		 stopping;	/* mirror_stop() asked for */
	bool		 discarded;	/* this leg was, by order */
	bool		 reporting;	/* keeps no order of a role waiting */
	uint64_t	 report_retry_ns;
	uint64_t	 retry_ns;	/* no new order before this */
	uint64_t	 turn_ns;	/* waits for the peer to let go since; 0 */
	uint64_t	 restart_ns;	/* its server isn't started before this */
	char		 error[320];
	struct mirror_status heard;	/* when 'changed' was last told */
	uint64_t	 peer_seen_ns;	/* last sign of the peer's server; 0 = none */
	/* the last resync, as first seen finished */
	uint64_t	 resync_count;
	int64_t		 resync_finished_utc_ms;
	/* volumes_care.c; its orders never keep one of a role waiting */
	struct mirror_op care_op;
	bool		 care_busy;
	const char	*care_what;
	uint64_t	 care_retry_ns;
	char		 care_error[320];	/* "" = none */
	uint64_t	 verify_run;	/* the run that the server's verify is of */
	unsigned	 verify_tries;	/* of this run */
	int		 grow_failed_rc;	/* to be reported; 0 = nothing */
	struct volume_job *job;		/* volumes_job.c; NULL = none */
	/* volumes_leg.c */
	void		(*on_report)(struct volume *v, int rc);	/* of the one under
								 * way; may be NULL */
	bool		 mark_seen;	/* the mark is in both databases: ... */
	int64_t		 mark_seen_ms;	/* ... the one of this time */
	bool		 leg_apart;	/* since the mark, one leg had all writes */
	bool		 diskless_refused;
	unsigned	 n_down;	/* starts that failed for the leg's sake */
};

struct volumes {
	sd_event	*event;
	const struct agent_conf *conf;
	struct store	*store;
	const struct volumes_ops *ops;
	void		*ctx;
	struct volume	*list;
	struct right	 right;
	uint32_t	 lease_ms;	/* of the mirror servers; 0 = none */
	uint64_t	 alive_boot_ns;	/* the servers were told last */
	bool		 whole;		/* the last pass saw all volumes */
	uint64_t	 resync_rate_kib_s;	/* the unit's limit */
	char		 dir[256];
};

/* Orders volume.report {volume, node: this PM, event} + 'more' (taken over, may be
 * NULL); a no-op while one is under way. */
void volume_report(struct volume *v, const char *event, json_t *more);

/* volumes.c: "o3"; an order begins, is refused, is done; orders. */
const char *volume_short_id(const struct volume *v);
struct mirror_op *volume_order_begin(struct volume *v, const char *what);
void volume_order_end(struct volume *v, int rc, const struct av_err *err);
void volume_order_done(struct mirror_op *op, int rc, const struct av_err *err);
void volume_order_primary(struct volume *v, bool alone);
void volume_order_alone(struct volume *v);
void volume_order_secondary(struct volume *v);
/* A change of side: the other PM lets go first, flushed (and in step, so nothing is
 * copied afterwards).  It does so at once; not for ever, in case that it doesn't. */
bool volume_peer_leads_yet(struct volume *v, const struct mirror_status *st);
struct volume *volume_find(const struct volumes *vs, const char *id);
/* NULL = no server, or it doesn't answer yet; NULL may be passed. */
const struct mirror_status *volume_live_status(const struct volume *v);
void volume_order_stop(struct volume *v);

/* volumes_job.c.  'done' runs once: from inside the call with a driver that is
 * quick, else from the loop.  A leg that is gone, or made already, is no error. */
void volume_job_start(struct volume *v, enum volume_job_kind kind,
    uint64_t initial_current, volume_job_fn done);
/* The agent ends: 'done' doesn't run any more. */
void volume_job_let_go(struct volume *v);
/* What the drbd driver needs besides, in 'buf'; NULL = another driver.  Borrows
 * from the agent's configuration. */
const struct mirror_drbd_conf *volume_drbd_conf(const struct volume *v,
    struct mirror_drbd_conf *buf);

/* volumes_leg.c */
bool volume_leg_failed_here(const struct volume *v);
bool volume_peer_leg_failed(const struct volume *v);
/* The PM that leads it while both are there: vm_node = its VM's PM or -1. */
int volume_home(const struct volume *v, int vm_node, int primary);
/* This PM follows, yet leads this volume to fill the owner's new leg. */
bool volume_follower_leads(const struct volume *v);
/* A guest can't use it on this PM until the leg is good again. */
bool volume_lost_here(const struct volume *v);
/* Marks and what follows from them.  True: nothing else is to be ordered now. */
bool volume_leg_steer(struct volume *v, const struct mirror_status *st);
/* The server ended or didn't start. */
void volume_leg_down(struct volume *v, const struct mirror_status *st);
/* The leg is to be made anew here.  True: that goes first. */
bool volume_leg_replace(struct volume *v);

/* volumes_split.c: the PM whose data of it is kept after a split, -1 = no split;
 * true: it is steered by that. */
int volume_kept(const struct volume *v);
bool volume_split_steer(struct volume *v, const struct mirror_status *st);

/* volumes_window.c.  True: nothing else is to be ordered now.  May a process of the
 * guest open the front?  Is it open, or may it be written to? */
bool volume_window_steer(struct volume *v, const struct mirror_status *st);
bool volume_window_may_open(const struct volume *v,
    const struct mirror_status *st);
bool volume_in_use(const struct volume *v);

/* volumes_care.c: the next order of care, if any is due and none is under way.
 * The server is up. */
void volume_care(struct volume *v, const struct mirror_status *st);

/* volumes_news.c, pure: 'now' differs from 'was' in more than numbers for people. */
bool volume_is_news(const struct mirror_status *was,
    const struct mirror_status *now);

#endif
