/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/drbd_pair.h - the fake drbd-utils of one PM
 */
#ifndef AV_TEST_DRBD_PAIR_H
#define AV_TEST_DRBD_PAIR_H

#include "mirror/mirror.h"

/* Makes DIR/nodeI/bin and fills in *ret (its texts live on). */
int drbd_pair_tools(const char *dir, int i, struct mirror_drbd_conf *ret);
/* The modules of DIR's PMs go: nothing of them runs any more. */
void drbd_pair_end(const char *dir);
/* Runs a program in PATH and waits; its exit code, or -errno. */
int drbd_pair_run(char *const *argv);

#endif
