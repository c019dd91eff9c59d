/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/certs.h - the unit's own certificate authority
 *
 * ECDSA P-256.  Both kinds live CERTS_LIFE_DAYS: nobody but this unit's users trusts
 * the authority, and a console whose certificate ran out is a console that is lost
 * just when it is needed.  Valid from a day before, as clocks differ.
 */
#ifndef AV_SETUP_CERTS_H
#define AV_SETUP_CERTS_H

#include "base/err.h"
#include "nodeagent/setup/plan.h"

#define CERTS_LIFE_DAYS	3650

/* All texts are PEM, malloc'd and yours; written only on success. */
int certs_make_ca(const char *unit, char **ret_cert, char **ret_key,
    struct av_err *err);
/* A server's certificate for one PM's console, with the unit's address, both PMs'
 * host names and addresses, and the loop-back as alternative names. */
int certs_make_console(const struct setup_plan *p, int node,
    const char *ca_cert, const char *ca_key, char **ret_cert, char **ret_key,
    struct av_err *err);
/* A certificate for what isn't a PM: a test's quorum server, the PMs as its clients.
 * 'address' may be NULL. */
int certs_make_other(const char *name, const char *address, bool server,
    const char *ca_cert, const char *ca_key, char **ret_cert, char **ret_key,
    struct av_err *err);

#endif
