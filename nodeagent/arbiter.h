/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/arbiter.h - the quorum server: compare-and-set with memory
 *
 * What it is:	a driver that asks one question at a time, off the loop's
 *		thread, within a bounded time.
 * What it isn't: it never decides; core/role.c says which changes are allowed.
 *
 * Threads:	calls and callbacks on the loop's thread.
 * Answers:	GRANTED only when the record was read back or the compare
 *		succeeded.  REFUSED only when a well-formed record of this very
 *		unit stands in the way.  Everything else (no connection, garbage,
 *		HTML, another unit's record, no record, an older generation) is
 *		NO_ANSWER with a reason, and 'maybe' when the change was sent and
 *		its answer didn't come.
 */
#ifndef AV_ARBITER_H
#define AV_ARBITER_H

#include <systemd/sd-event.h>

#include "nodeagent/core/role.h"

struct av_err;
struct arbiter;

enum arbiter_state {		/* for display */
	ARBITER_UNCONFIGURED = 0,
	ARBITER_OK,
	ARBITER_UNREACHABLE,
	ARBITER_EMPTY,		/* answers, but doesn't know this unit */
	ARBITER_BAD,		/* answers, but not sensibly */
};

struct arbiter_conf {
	const char	*kind;		/* "none", "etcd", "ping", "closed" */
	const char	*address;	/* etcd: "https://host:2379[,more]"; ping:
					 * "10.0.0.1,10.0.0.2:443" */
	const char	*tls_dir;	/* ca.crt client.crt client.key, those that
					 * are there; NULL = no TLS */
	const char	*unit_uuid;
	int		 node;
	uint64_t	 timeout_ns;	/* for one question, all of it */
};

struct arbiter_record {
	uint64_t	gen;
	int		owner;		/* -1 = both */
};

struct arbiter_answer {
	enum role_event_type	kind;	/* GRANTED, REFUSED, NO_ANSWER */
	bool			maybe;
	bool			probe;	/* answers arbiter_probe() */
	bool			have_record;
	struct arbiter_record	record;	/* as read last */
	enum arbiter_state	state;
	char			text[200];	/* why, one sentence; "" = fine */
};

typedef void (*arbiter_answer_fn)(void *arg, const struct arbiter_answer *a);

/* Copies 'conf'.  'answer' runs exactly once for each ask or probe, later, from the
 * loop. */
int arbiter_open(sd_event *loop, const struct arbiter_conf *conf,
    arbiter_answer_fn answer, void *arg, struct arbiter **ret,
    struct av_err *err);
/* Waits for the worker (bounded by timeout_ns); open questions aren't answered. */
struct arbiter *arbiter_close(struct arbiter *a);
/* Doesn't wait: a question under way ends by itself, and nobody hears of it. */
struct arbiter *arbiter_drop(struct arbiter *a);
bool arbiter_kind_ok(const char *kind);
/* -EBUSY while another is under way; -EOPNOTSUPP for kind none. */
int arbiter_ask(struct arbiter *a, const struct role_move *move,
    struct av_err *err);
int arbiter_probe(struct arbiter *a, struct av_err *err);
bool arbiter_busy(const struct arbiter *a);
const char *arbiter_state_name(enum arbiter_state s);

/* One table per driver; 'run' blocks, in the worker's thread. */
struct arbiter_ops {
	const char	*name;
	int	(*open)(const struct arbiter_conf *conf, void **ret,
		    struct av_err *err);
	void	(*close)(void *drv);
	/* move == NULL: probe.  Fills 'ret' whole. */
	void	(*run)(void *drv, const struct role_move *move,
		    struct arbiter_answer *ret);
};
extern const struct arbiter_ops arbiter_etcd_ops;
extern const struct arbiter_ops arbiter_ping_ops;	/* weak: see there */
extern const struct arbiter_ops arbiter_closed_ops;

/* Pure: what 'cur' (NULL = no record) means for 'move': 1 = done already, 2 =
 * may be changed, 0 = refused, -1 = not an answer (text says why). */
int arbiter_judge(const struct role_move *move, int node,
    const struct arbiter_record *cur, char *text, size_t n);

#endif
