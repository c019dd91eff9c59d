/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/home.h - VMs that a failover took away go back by themselves (E7)
 *
 * A VM's home is its preferred PM, else the PM that it was on when it was taken over.
 * A start, or a move by a person, forgets it: the VM stays where a person put it.
 * unit.configure go_home=false keeps all where they are.
 */
#ifndef AV_NODEAGENT_HOME_H
#define AV_NODEAGENT_HOME_H

#include <stdint.h>

#include "nodeagent/evacuate.h"

#define HOME_AGAIN_MS	(5 * 60 * 1000)	/* after a move that failed */

/*
 * The VM whose turn it is: away from home, running, redundant; the lowest id first,
 * one at a time.  0 = found; -ENOENT = none.
 */
int home_next(const struct evacuate_look *l, char ret_id[STORE_ID_MAX]);

#endif
