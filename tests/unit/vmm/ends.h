/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/vmm/ends.h - two PMs of a test, for migrations between them
 *
 * Both are in this process and on one loop.  With qemu they share one raw file, served by
 * one nbdkit.
 */
#ifndef AV_VMM_ENDS_H
#define AV_VMM_ENDS_H

#include "tests/unit/vmm/tiny.h"
#include "vmm/vmm.h"

#define ENDS_UUID	"6f1c1f0e-3c1a-4a55-9d35-2f8d6f3f0001"

struct end {
	struct ends	*ends;
	struct vmm_dom	*dom;
	struct vmm_spec	 spec;
	struct vmm_op	 op;
	unsigned	 n_done;
	int		 rc;
	struct av_err	 err;
	int		 serial;	/* -1 = not connected */
};

struct ends {
	const char	*driver;
	sd_event	*event;
	char		 dir[64];
	char		 key[96], wrong_key[96];
	char		*helper;
	pid_t		 nbdkit;
	struct end	 end[2];
	struct tiny_ear	 ear;
};

int  ends_init(struct ends *e, const char *driver, const struct tiny_conf *c);
void ends_dispose(struct ends *e);
/* The same in steps, with other disks: prepare (NULL: a loop of its own), disks, open. */
int  ends_prepare(struct ends *e, const char *driver, sd_event *event);
void ends_disk(struct ends *e, int i, const char *sock, uint64_t bytes);
int  ends_open(struct ends *e);

/* For vmm_*(); one at a time for an end. */
struct vmm_op *end_op(struct end *n);
/* What its 'done' said; -ETIME after 60 s. */
int  end_wait(struct end *n);
/* 0, or -ETIME with what it is on stderr. */
int  end_wait_state(struct end *n, enum vmm_state state);
int  end_wait_phase(struct end *n, enum vmm_phase phase);
struct vmm_status end_status(const struct end *n);
/* As after an agent's restart: a new dom, attached.  The attach's answer. */
int  end_reopen(struct end *n);
int  end_start(struct end *n);
/* The link that it listens on is told to the other one: tag "m1". */
int  end_listen(struct end *n, struct vmm_link *ret);
int  end_kill(struct end *n);
/* Listens to its serial line for so long, or until so many ticks; their number. */
uint64_t end_hear(struct end *n, unsigned ms, uint64_t ticks);
/* Runs the loop, so long. */
void ends_run(struct ends *e, unsigned ms);

#endif
