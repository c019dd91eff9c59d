/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/users.h - do a session's user and password still exist?
 *
 * A session carries a fingerprint of its user's password hash.  It is compared with
 * the agent's record, at most every USERS_FRESH_S a user: a session ends soon after its
 * user is removed or gets another password, and a changed role holds at once.
 * While the agent can't answer, the session is believed.
 * Threads: any.
 */
#ifndef CONSOLE_USERS_H
#define CONSOLE_USERS_H

#include "console/agent.h"
#include "console/session.h"

#define USERS_FRESH_S	30

/* 0 (s->role is brought up to date) or -ETIME. */
int  users_check(struct agent *a, struct session *s);
/* Forgets what is known of a user. */
void users_forget(const char *user);

#endif
