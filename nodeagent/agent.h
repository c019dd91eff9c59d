/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/agent.h - the node agent: one PM's part of the unit
 *
 * Ties the parts together: order.c says who may run and in which order the
 * database changes; volumes.c and guests.c make this PM follow; control.c
 * answers the console; duties.c does what the unit's primary PM has to do.
 * One loop, one thread.
 */
#ifndef AV_NODEAGENT_AGENT_H
#define AV_NODEAGENT_AGENT_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "nodeagent/conf.h"
#include "nodeagent/control.h"
#include "nodeagent/guests.h"
#include "nodeagent/order.h"
#include "nodeagent/ports.h"
#include "nodeagent/quorum.h"
#include "nodeagent/rhythm.h"
#include "nodeagent/right.h"
#include "nodeagent/split.h"
#include "nodeagent/store.h"
#include "nodeagent/store_maintenance.h"
#include "nodeagent/volumes.h"
#include "nodeagent/watchdog.h"

/* How the last takeover went; times are CLOCK_MONOTONIC ns, 0 = not yet. */
struct agent_failover {
	uint64_t	last_sign_ns;	/* the peer was heard last */
	uint64_t	lost_ns;	/* we decided that it is lost */
	uint64_t	claimed_ns;	/* the right was recorded */
	bool		taken;		/* the peer's guests are ours */
	uint64_t	started_ns;	/* every guest to be run here runs */
	int64_t		lost_utc_ms;
};

struct agent {
	sd_event	*event;
	struct agent_conf conf;
	struct store	*store;
	struct order	*order;
	struct volumes	*volumes;
	struct guests	*guests;
	struct control	*control;
	struct quorum	*quorum;
	struct split	*split;
	enum vmm_accel	 accel;
	char		 boot[40];	/* names this run of the agent */
	uint64_t	 started_ns;
	unsigned	 n_commands;	/* makes cmd_ids unique */
	struct right	 right;
	struct agent_failover failover;
	json_t		*facts[2];	/* NULL = not heard */
	json_t		*host;		/* host_describe() */
	json_t		*images;	/* as in the facts */
	uint64_t	 facts_sent_ns;
	uint64_t	 images_read_ns;
	struct rhythm	 rhythm;	/* when it compares */
	/* agent_watchdog.c */
	struct watchdog_line *watchdog;
	uint64_t	 pinged_ns;	/* systemd heard of a pass */
	uint64_t	 duties_ns;	/* all were done */
	bool		 store_failed;
	/* duties.c */
	bool		 take_due;	/* the peer's guests are to be taken */
	bool		 create_due;	/* the unit is to be created */
	bool		 host_reported;
	uint64_t	 together_ns;	/* no earlier than that */
	bool		 have_address;
	bool		 address_failed;	/* and people were told */
	json_t		*alerts_wanted;	/* "CODE OBJECT" -> since when, ns */
	unsigned	 n_flying;	/* the duties' commands under way */
	struct ports	 ports;
	struct {			/* evacuate.c: the VM that moves last */
		char	 vm[STORE_ID_MAX];
		uint64_t retry_ns;	/* its move was refused: try then */
		bool	 never;		/* and won't be possible */
	} evacuation;
	struct {			/* power.c */
		enum store_power what;
		sd_event_source	*child;		/* the program, or NULL */
		char	 failed[128];		/* how it ended; "" */
	} power;
	bool		 stopping_guests;	/* told to; tell when done */
};

int agent_open(struct agent *a, sd_event *event, struct av_err *err);
void agent_close(struct agent *a);

/* Compares and gives orders when nothing else is due. */
void agent_kick(struct agent *a);
/* Orders one of the agent's own commands; takes 'args' over.  'done' runs exactly
 * once, perhaps from inside. */
void agent_order(struct agent *a, const char *op, json_t *args,
    void (*done)(void *arg, int rc), void *arg);

/* facts.c: this PM's facts, new and yours. */
json_t *facts_make(struct agent *a);

/* agent_watchdog.c: the word to this PM's guard.  A pass that comes when nothing else
 * than a comparison is pending is said every timing.pass_ns (rhythm.h); agent_watchdog_news() says at once
 * what is held now, and that is no pass. */
void agent_watchdog_pass(void *agent);
void agent_watchdog_news(struct agent *a);
void agent_watchdog_losing(struct agent *a);

/* duties.c: called by the tick and after role changes. */
void duties_do(struct agent *a);
/* This PM is the unit's primary one, may run, and commands can be ordered. */
bool duties_lead(struct agent *a);

#endif
