/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/quorum_db.h - the unit's quorum servers, and which one is active
 *
 * At most two are configured: the preferred one and the alternate.  One of them
 * is active, or none: only the active one is ever asked for the right to run.
 * That it is the same on both PMs is what makes a second one safe; so a change
 * takes two ordered steps (docs/DESIGN.md, section 5, "Two quorum servers"):
 *
 *   active P --quorum.switch {N}--> none, next N --both quorum.confirm--> active N
 *                                    '--------- quorum.abort -----------> active P
 *
 * Between the steps a PM asks nobody ('closed').  A PM's quorum.confirm says that
 * it has durably left P, has no question to P under way and will not ask it.
 */
#ifndef AV_QUORUM_DB_H
#define AV_QUORUM_DB_H

#include "nodeagent/store.h"

#define QUORUM_SERVERS_MAX	2
#define QUORUM_ADDRESS_MAX	256
#define QUORUM_PEM_MAX		16384u	/* bytes of one PEM text */

struct quorum_server {
	int64_t	 id;
	char	 id_text[STORE_ID_MAX];		/* "quorum:o7" */
	char	 kind[8];			/* "etcd", "ping" */
	char	 address[QUORUM_ADDRESS_MAX];
	bool	 preferred;
	bool	 leaving;	/* goes once another one is active */
	bool	 has_ca, has_cert;
};

struct quorum_state {
	bool		 exists;	/* there is a unit at all */
	bool		 imported;	/* false: what conf says is active */
	int64_t		 active;	/* id; 0 = none */
	int64_t		 next;		/* id; 0 = no change is under way */
	char		 token[40];	/* names the change under way */
	uint64_t	 gen;		/* ... and its generation */
	unsigned	 confirmed;	/* bit 0: node0, bit 1: node1 */
	size_t		 n;
	struct quorum_server servers[QUORUM_SERVERS_MAX];
};

/* 0 or -errno: the database can't be read. */
int quorum_db_read(const struct store *st, struct quorum_state *ret);
/* PEM texts, "" = none; yours to free. */
int quorum_db_pem(const struct store *st, int64_t id, char **ret_ca,
    char **ret_cert, char **ret_key);
const struct quorum_server *quorum_db_find(const struct quorum_state *q,
    int64_t id);

/*
 * Pure: whom may this PM ask?  "conf" = the arbiter that avnoded.conf names,
 * "none", "closed", or the kind of *ret_server.
 * A PM that was part of a unit (not 'is_new', by its own record) but has no
 * database asks nobody: the conf's server may have been left long ago.
 */
const char *quorum_db_effective(const struct quorum_state *q,
    bool is_new, const struct quorum_server **ret_server);

#endif
