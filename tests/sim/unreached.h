/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/unreached.h - pairs that the simulator need not reach, and why
 */
{ ROLE_JOINING, ROLE_EV_ARBITER_EMPTY, "nobody posts it: only probes tell" },
