/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/lab/mirror_pm.h - parts of mirror-pm; see mirror_pm.c for its use
 *
 * Exit codes: 0 good, 1 bad (words on stderr), 99 it couldn't be tried.
 */
#ifndef AV_TESTS_LAB_MIRROR_PM_H
#define AV_TESTS_LAB_MIRROR_PM_H

#include <stdint.h>

#define PM_BLOCK	4096u

int pm_write(const char *path, uint64_t n_blocks, uint64_t seconds,
    uint64_t seed);
int pm_check(const char *path);
#endif
