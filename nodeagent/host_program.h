/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/host_program.h - what a program says about this machine
 */
#ifndef AV_NODEAGENT_HOST_PROGRAM_H
#define AV_NODEAGENT_HOST_PROGRAM_H

#include <stddef.h>

/* The first line that it prints, without its end; empty when it can't be had.  Blocks,
 * at most 20 s: then the program is killed. */
void host_program_line(const char *const *argv, char *ret, size_t n);

#endif
