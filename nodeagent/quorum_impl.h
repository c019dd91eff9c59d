/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/quorum_impl.h - inside of quorum*.c; nobody else includes it
 *
 *   quorum.c	     open, probes, the active one, the change of it
 *   quorum_files.c  certificates as files, 0600
 *   quorum_check.c  asking a new server before it is added
 *   quorum_plan.c   which one should be active; pure
 */
#ifndef AV_QUORUM_IMPL_H
#define AV_QUORUM_IMPL_H

#include "nodeagent/arbiter.h"
#include "nodeagent/quorum.h"

#define QUORUM_PATH_MAX	400

struct quorum_slot {		/* one configured server */
	struct quorum	*q;
	int64_t		 id;		/* 0 = free */
	struct arbiter	*arbiter;	/* for probes and for writing to it before it
					 * is active; never for a claim */
	bool		 known;		/* was asked once */
	bool		 active;
	enum arbiter_state state;
	char		 text[200];
	int64_t		 ok_utc_ms;
	uint64_t	 probe_at_ns;
};

struct quorum_check;		/* quorum_check.c */

struct quorum {
	sd_event	*event;
	const struct agent_conf *conf;
	struct store	*store;
	const struct quorum_ops *ops;
	void		*ctx;
	struct quorum_state db;
	struct quorum_slot slots[QUORUM_SERVERS_MAX];
	bool		 files_swept;
	unsigned	 n_flying;	/* own commands under way */
	bool		 confirming;	/* one of them is quorum.confirm */
	uint64_t	 change_since_ns;	/* db.next was first seen */
	uint64_t	 bad_since_ns, good_since_ns;	/* 0 = it isn't so */
	int64_t		 seeding;	/* its record is being written; 0 = none */
	bool		 seeded;	/* it is written: 'switch' is next */
	uint64_t	 seed_gen;
	uint64_t	 own_gen;	/* for judging records */
	char		 tls_dir[QUORUM_PATH_MAX];	/* of quorum_first() */
	struct quorum_check *checks;
	unsigned	 n_checks;
};

void quorum_slot_dir(const struct quorum *q, int64_t id, char *buf, size_t n);
/* Writes the files of a server that has some. */
int quorum_files_write(const struct quorum *q, const char *dir,
    const char *ca, const char *cert, const char *key, struct av_err *err);
int quorum_files_make(const struct quorum *q, int64_t id, struct av_err *err);
/* Removes folders of servers that the database doesn't have. */
void quorum_files_sweep(const struct quorum *q);
void quorum_files_remove(const char *dir);

void quorum_checks_step(struct quorum *q);
void quorum_checks_dispose(struct quorum *q);

#endif
