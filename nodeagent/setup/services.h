/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/services.h - what is outside of this process
 *
 * Starting goes one way: systemd, or the program that AVPAIR_SERVICES names, called as
 * 'PROGRAM start NAME...' and 'PROGRAM stop NAME...' (exit status 0 = done).
 */
#ifndef AV_SETUP_SERVICES_H
#define AV_SETUP_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SERVICES_MAX_S		120	/* for one call of a program */

bool services_possible(void);
/* Enables and (re)starts what a PM runs; all of them are idempotent. */
int services_start(struct av_err *err);
int services_stop(struct av_err *err);
/* The service that serves an unfinished create when nobody waits for it; stopping one
 * that doesn't run is no error. */
int services_start_setup(struct av_err *err);
int services_stop_setup(struct av_err *err);

/* Runs a program by PATH's fixed folders, without a shell.  Its exit status, or
 * -errno (-ETIMEDOUT: it was killed).  Output: stdout's first n-1 bytes, or NULL. */
int services_run(const char *const *argv);
int services_output(const char *const *argv, char *out, size_t n);

/* Bound, non-blocking, close-on-exec socket at a numeric address, or -errno. */
int services_bind(const char *address, uint16_t port, int type);
/* Connected within 'ms', or -errno. */
int services_connect(const char *address, uint16_t port, unsigned ms);

/*
 * Asks the agent how the unit is.  1: the PMs run together; 0: not yet, 'why' has the
 * agent's words ("" while it doesn't answer).
 */
int services_formed(const char *socket, char *why, size_t n);

#endif
