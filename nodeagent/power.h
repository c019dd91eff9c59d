/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/power.h - this PM, out for maintenance, reboots or switches itself off (E6)
 *
 * node.power writes the wish; when this PM may do it (maintenance_power_due()) it
 * orders node.power-begun, which takes the wish away, and only when that has certainly
 * happened runs the program that does it: at most once for each wish, and never
 * again after the reboot.  An order that may or may not have happened ends in nothing
 * being done; a person sees that and orders it anew.
 */
#ifndef AV_NODEAGENT_POWER_H
#define AV_NODEAGENT_POWER_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "nodeagent/store_maintenance.h"

struct agent;
/* Called with the duties while commands can be ordered and none is under way. */
void power_do(struct agent *a);

/*
 * Runs 'PROGRAM reboot' or 'PROGRAM poweroff' without waiting for it; that it failed
 * is logged.  *ret_child is yours: dropping it forgets the program.  -errno when it
 * couldn't be started.
 */
int power_run(sd_event *event, const char *program, enum store_power what,
    sd_event_source **ret_child, struct av_err *err);

#endif
