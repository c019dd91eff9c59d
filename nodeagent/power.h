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

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "nodeagent/store_maintenance.h"

struct agent;
/* Called with the duties while commands can be ordered and none is under way. */
void power_do(struct agent *a);

/* {failed: WORDS} of the last one that was begun and came to nothing, until the next or
 * the PM's return to service; null.  Yours. */
json_t *power_facts(struct agent *a);

/* The program's end that isn't success, in words. */
typedef void power_failed_fn(void *arg, const char *why);

/*
 * Runs 'PROGRAM reboot' or 'PROGRAM poweroff' without waiting for it.  *ret_child is
 * yours: dropping it forgets the program.  -errno when it couldn't be started: then
 * 'failed' isn't called.
 */
int power_run(sd_event *event, const char *program, enum store_power what,
    power_failed_fn *failed, void *arg, sd_event_source **ret_child,
    struct av_err *err);

#endif
