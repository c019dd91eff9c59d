/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guard.h - av-watchdog: the process that kills this PM when it must
 *
 * Runs core/watchdog.h on what it hears: the agent over RUN_DIR/watchdog.sock
 * (watchdog.h) and the peer's guard by signed beats on all links, the agents'
 * packets (heartbeat.h) with a key of their own: 'ready' = the agent's word,
 * 'released' = the agent is well.  RUN_DIR/watchdog.hold keeps what is held for a guard
 * that is started after this one was killed.
 *
 * One loop, no allocation after the start, memory locked, real-time priority
 * where the kernel allows it.
 */
#ifndef AV_NODEAGENT_GUARD_H
#define AV_NODEAGENT_GUARD_H

#include <systemd/sd-event.h>

#include "nodeagent/conf.h"
#include "nodeagent/guard_device.h"

struct guard;

int guard_open(sd_event *event, const struct agent_conf *conf,
    const struct guard_sys *sys, struct guard **ret, struct av_err *err);
/* The device is let go when nothing is held here, or when neither an agent nor a
 * guest is left: so this machine can be shut down. */
struct guard *guard_close(struct guard *g);

/* For tests. */
const struct watchdog *guard_peek(const struct guard *g);

#endif
