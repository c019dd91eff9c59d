/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guests.h - makes the guests on this PM follow the database and the
 *			right to run
 *
 * For every VM in the database: one vmm_dom.  A guest runs here only while the
 * database gives it to this PM, its volumes are ready and the right allows it;
 * it is paused while the right is frozen and ended when the right is gone.
 * Also fills new volumes from their images.  guests_reconcile() may be called
 * at any time; it gives at most one order a guest.
 *
 * Threads: the loop's.
 */
#ifndef AV_NODEAGENT_GUESTS_H
#define AV_NODEAGENT_GUESTS_H

#include <stdbool.h>

#include <jansson.h>
#include <systemd/sd-event.h>

#include "nodeagent/conf.h"
#include "nodeagent/right.h"
#include "nodeagent/store.h"
#include "nodeagent/volumes.h"
#include "vmm/vmm.h"

struct guests;

struct guests_ops {
	void	(*changed)(void *ctx, const char *vm_id);
	void	(*report)(void *ctx, const char *op, json_t *args,
		    void (*done)(void *arg, int rc), void *arg);
	/* As report; 'maybe' with rc < 0: it may have been ordered. */
	void	(*order)(void *ctx, const char *op, json_t *args,
		    void (*done)(void *arg, int rc, bool maybe), void *arg);
	/* What the peer says of the VM (its guests_facts()); NULL = it isn't heard.
	 * Borrowed.  May be NULL. */
	const json_t *(*peer_vm)(void *ctx, const char *vm_id);
	/* Is the peer heard on the link of this own address?  May be NULL. */
	bool	(*link_up)(void *ctx, const char *local);
};

int guests_open(sd_event *event, const struct agent_conf *conf,
    struct store *store, struct volumes *volumes, enum vmm_accel accel,
    const struct guests_ops *ops, void *ctx, struct guests **ret,
    struct av_err *err);
/* Guests run on.  Returns NULL. */
struct guests *guests_close(struct guests *gs);

void guests_reconcile(struct guests *gs, const struct right *right);
/* At once, before anything is decided. */
void guests_pause_all(struct guests *gs);

/* A process of this VM is on this PM (or may be: not looked yet). */
bool guests_here(const struct guests *gs, const char *vm_id);
/* The same, and it may yet use its volumes: not when it was sent to the other PM whole,
 * and that one has it. */
bool guests_use_disks(const struct guests *gs, const char *vm_id);
/* No guest has a process here, for certain. */
bool guests_none(const struct guests *gs);
/* A guest may be executing here: it runs and wasn't told to pause. */
bool guests_awake(const struct guests *gs);
/* Every VM that the database wants to run here has its process. */
bool guests_all_started(const struct guests *gs);

/* Path of the guest's RFB socket: -ESRCH not-here. */
int guests_vnc_path(const struct guests *gs, const char *vm_id, char *ret,
    size_t n, struct av_err *err);

/* Borrowed; NULL when it isn't known here.  For tests. */
struct vmm_dom *guests_dom(const struct guests *gs, const char *vm_id);

/* {"vm:o12":{...}} as in the facts; yours. */
json_t *guests_facts(const struct guests *gs);

#endif
