/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/vmm/migrate_cases.c - live migration: one suite, every driver
 *
 * With qemu: real processes under TCG with the tiny guest, without root.  What a phase
 * needs to be met is made slow: 'hold' in the sim, a limit on the stream with qemu.
 */
#include "tests/unit/vmm/migrate_cases.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "tests/test.h"
#include "vmm/proc.h"
#include "vmm/qemu.h"

/* Pages that aren't zero, so that a slow stream is slow: written by FULL ticks.  A
 * busy machine gives the guest but a few ticks a second. */
#define FULL	100u
#define HEAR_MS	60000u

const struct tiny_conf migrate_conf = { .pages_a_tick = 32, .more_pages = 32,
	.from_bytes = 8u << 20, .to_bytes = 20u << 20, .disk_ticks = 5 };
static const struct vmm_migrate_limits slow = { .bandwidth_bytes_s = 200000 };

static bool
is_sim(const struct ends *e)
{
	return strcmp(e->driver, "sim") == 0;
}

/* The guest runs there, truly. */
bool
migrate_gets_on(struct end *n)
{
	if (end_status(n).state != VMM_RUNNING)
		return false;
	return is_sim(n->ends) || end_hear(n, HEAR_MS, 20) >= 20;
}

/* A runs, long enough to have memory to send; B listens. */
int
migrate_both_ready(struct ends *e, struct vmm_link *l)
{
	CHECK_EQ(end_start(&e->end[0]), 0);
	if (!is_sim(e))
		CHECK(end_hear(&e->end[0], HEAR_MS, FULL) >= FULL);
	CHECK_EQ(end_listen(&e->end[1], l), 0);
	CHECK_EQ(end_status(&e->end[1]).state, VMM_INCOMING);
	CHECK_EQ(end_status(&e->end[1]).migration.phase, VMM_PHASE_WAITING);
	CHECK(l->port != 0);
	return 0;
}

int
migrate_go(struct end *n, const struct vmm_link *l,
    const struct vmm_migrate_limits *limits)
{
	struct av_err err = {0};
	int rc = vmm_migrate_out(n->dom, l, limits, end_op(n), &err);

	if (rc < 0)
		fprintf(stderr, "%s\n", err.text);
	return rc < 0 ? rc : end_wait(n);
}

/* Under way, and it stays so. */
static int
under_way(struct ends *e)
{
	struct vmm_link l;

	CHECK_EQ(migrate_both_ready(e, &l), 0);
	vmm_sim_migration_hold(VMM_PHASE_ACTIVE);
	CHECK_EQ(migrate_go(&e->end[0], &l, &slow), 0);
	CHECK_EQ(end_wait_phase(&e->end[0], VMM_PHASE_ACTIVE), 0);
	CHECK_EQ(end_wait_phase(&e->end[1], VMM_PHASE_ACTIVE), 0);
	CHECK_EQ(end_status(&e->end[0]).state, VMM_RUNNING);
	CHECK_EQ(end_status(&e->end[1]).state, VMM_INCOMING);
	return 0;
}

static int
move(struct end *from, struct end *to, const struct vmm_migrate_limits *limits)
{
	struct vmm_status st;
	struct vmm_link l;

	CHECK_EQ(end_listen(to, &l), 0);
	CHECK_EQ(vmm_resume(to->dom, end_op(to), NULL), -EAGAIN);
	CHECK_EQ(vmm_pause(to->dom, end_op(to), NULL), -EALREADY);
	CHECK_EQ(vmm_shutdown(to->dom, end_op(to), NULL), -ESRCH);
	CHECK_EQ(migrate_go(from, &l, limits), 0);
	CHECK_EQ(end_wait_phase(from, VMM_PHASE_COMPLETE), 0);
	CHECK_EQ(end_wait_phase(to, VMM_PHASE_COMPLETE), 0);
	st = end_status(from);
	CHECK_EQ(st.state, VMM_PAUSED);
	CHECK_EQ(st.reason, VMM_REASON_MIGRATION);
	CHECK(!st.migration.incoming);
	CHECK_STR(st.migration.tag, "m1");
	CHECK(st.migration.total_bytes > 0);
	st = end_status(to);
	CHECK_EQ(st.state, VMM_INCOMING);
	CHECK(st.migration.incoming);
	CHECK_EQ(vmm_pause(from->dom, end_op(from), NULL), -EALREADY);
	CHECK_EQ(vmm_migrate_cancel(from->dom, end_op(from), NULL), -ESRCH);
	return 0;
}

/* --------------------------------- the cases ------------------------------ */

int
case_there_and_back(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1], *t;
	int i;

	CHECK_EQ(end_start(a), 0);
	if (!is_sim(e))
		CHECK(end_hear(a, HEAR_MS, FULL) >= FULL);
	for (i = 0; i < 3; i++, t = a, a = b, b = t) {
		CHECK_EQ(move(a, b, NULL), 0);
		if (!is_sim(e)) {
			(void)end_hear(a, 20, 1000);	/* its last words */
			/* what a full line held comes late; nobody runs */
			CHECK(end_hear(a, 100, 10) <= TINY_LOST_A_MOVE);
			CHECK_EQ(end_hear(b, 100, 1), 0);
		}
		CHECK_EQ(end_kill(a), 0);
		CHECK_EQ(end_status(b).state, VMM_INCOMING);
		CHECK_EQ(vmm_resume(b->dom, end_op(b), NULL), 0);
		CHECK_EQ(end_wait(b), 0);
		CHECK_EQ(end_status(b).state, VMM_RUNNING);
		CHECK_EQ(end_status(b).migration.phase, VMM_PHASE_NONE);
		CHECK(migrate_gets_on(b));
	}
	/* the same guest all the time: its count and its disk never went back */
	CHECK(e->ear.n_lost <= 3 * TINY_LOST_A_MOVE);
	CHECK(is_sim(e) || e->ear.acked > 0);
	return 0;
}

static void
saved(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	(void)ret;
	if (rc < 0)
		fprintf(stderr, "%s\n", err->text);
	*(int *)ctx = rc;
}

/* The guest's memory from 1 MiB on, which both ends hold while neither runs it. */
static int
memory_save(struct end *n, uint64_t bytes, char **ret)
{
	struct qemu *q = n->dom->drv;
	char path[128];
	int rc = 1;

	(void)snprintf(path, sizeof(path), "%s/memory", n->ends->dir);
	if (qmp_call(q->qmp, "pmemsave", json_pack("{s:i, s:I, s:s}", "val",
	    1 << 20, "size", (json_int_t)bytes, "filename", path), saved,
	    &rc) < 0)
		return -EIO;
	while (rc == 1)
		if (sd_event_run(n->ends->event, 100000) < 0)
			return -EIO;
	if (rc == 0)
		rc = av_file_read(path, bytes, ret, NULL, NULL);
	(void)unlink(path);
	return rc;
}

/* The same few pages over and over, sent in many passes: an emulated processor that
 * has just written to one does it the short way, and that must be seen each time. */
const struct tiny_conf migrate_few_pages = { .pages_a_tick = 128,
	.more_pages = 128, .from_bytes = 8u << 20,
	.to_bytes = (8u << 20) + 128 * 4096 };
static const struct vmm_migrate_limits many_passes = {
	.bandwidth_bytes_s = 8u << 20 };

/* What the guest wrote while it was sent is there, too, to the last byte. */
int
case_same_memory(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1], *t;
	uint64_t bytes = a->spec.memory_bytes - (2 << 20);
	int i;

	CHECK_EQ(end_start(a), 0);
	CHECK(end_hear(a, HEAR_MS, FULL) >= FULL);
	for (i = 0; i < 5; i++, t = a, a = b, b = t) {
		AUTO_FREE char *there = NULL, *here = NULL;

		CHECK_EQ(move(a, b, &many_passes), 0);
		CHECK_EQ(memory_save(a, bytes, &there), 0);
		CHECK_EQ(memory_save(b, bytes, &here), 0);
		CHECK_EQ(memcmp(there, here, bytes), 0);
		CHECK_EQ(end_kill(a), 0);
		CHECK_EQ(vmm_resume(b->dom, end_op(b), NULL), 0);
		CHECK_EQ(end_wait(b), 0);
		CHECK(migrate_gets_on(b));
	}
	return 0;
}

int
case_cancelled(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];
	struct vmm_link l;

	CHECK_EQ(vmm_migrate_cancel(a->dom, end_op(a), NULL), -ESRCH);
	CHECK_EQ(under_way(e), 0);
	CHECK_EQ(vmm_migrate_cancel(a->dom, end_op(a), NULL), 0);
	CHECK_EQ(end_wait(a), 0);
	CHECK_EQ(end_status(a).migration.phase, VMM_PHASE_CANCELLED);
	CHECK(migrate_gets_on(a));
	CHECK_EQ(end_wait_state(b, VMM_EXITED), 0);
	CHECK_EQ(end_status(b).reason, VMM_REASON_INCOMING_FAILED);

	/* and it can be done again, and completes */
	vmm_sim_migration_hold(VMM_PHASE_NONE);
	CHECK_EQ(end_listen(b, &l), 0);
	CHECK_EQ(migrate_go(a, &l, NULL), 0);
	CHECK_EQ(end_wait_phase(b, VMM_PHASE_COMPLETE), 0);
	return 0;
}

int
case_target_killed(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];

	CHECK_EQ(under_way(e), 0);
	CHECK_EQ(end_kill(b), 0);
	CHECK_EQ(end_wait_phase(a, VMM_PHASE_FAILED), 0);
	CHECK(end_status(a).migration.why[0] != '\0');
	CHECK_EQ(end_wait_state(a, VMM_RUNNING), 0);
	CHECK(migrate_gets_on(a));
	return 0;
}

int
case_source_killed(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];

	CHECK_EQ(under_way(e), 0);
	CHECK_EQ(end_kill(a), 0);
	CHECK_EQ(end_wait_state(b, VMM_EXITED), 0);
	CHECK_EQ(end_status(b).reason, VMM_REASON_INCOMING_FAILED);
	CHECK_EQ(end_reopen(b), -ENOENT);
	CHECK_EQ(end_status(b).state, VMM_EXITED);
	return 0;
}

/* Both have it all, and it isn't moved. */
int
case_uncommitted(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];
	struct vmm_link l;

	CHECK_EQ(end_start(a), 0);
	if (!is_sim(e))
		CHECK(end_hear(a, HEAR_MS, FULL) >= FULL);
	CHECK_EQ(move(a, b, NULL), 0);
	CHECK_EQ(end_kill(b), 0);
	CHECK_EQ(end_status(a).state, VMM_PAUSED);
	CHECK_EQ(vmm_resume(a->dom, end_op(a), NULL), 0);
	CHECK_EQ(end_wait(a), 0);
	CHECK(migrate_gets_on(a));
	CHECK_EQ(end_status(a).migration.phase, VMM_PHASE_NONE);
	CHECK_EQ(e->ear.n_lost, 0);
	CHECK_EQ(end_listen(b, &l), 0);
	CHECK_EQ(migrate_go(a, &l, NULL), 0);
	CHECK_EQ(end_wait_phase(b, VMM_PHASE_COMPLETE), 0);
	return 0;
}

int
case_never_a_stream(struct ends *e)
{
	struct end *b = &e->end[1];
	struct vmm_link l;
	struct vmm_status st;

	CHECK_EQ(end_listen(b, &l), 0);
	CHECK_EQ(end_reopen(b), 0);
	st = end_status(b);
	CHECK_EQ(st.state, VMM_INCOMING);
	CHECK_EQ(st.migration.phase, VMM_PHASE_WAITING);
	CHECK_EQ(st.migration.port, l.port);
	CHECK_STR(st.migration.tag, "m1");
	CHECK_STR(st.migration.address, "127.0.0.1");
	CHECK_EQ(vmm_resume(b->dom, end_op(b), NULL), -EAGAIN);
	CHECK_EQ(vmm_start(b->dom, 0, end_op(b), NULL), -EEXIST);
	CHECK_EQ(vmm_start_incoming(b->dom, &l, end_op(b), NULL), -EEXIST);
	CHECK_EQ(end_kill(b), 0);
	CHECK_EQ(end_status(b).state, VMM_EXITED);
	CHECK_EQ(end_start(b), 0);	/* the folder is clean for another one */
	CHECK_EQ(end_status(b).migration.phase, VMM_PHASE_NONE);
	CHECK_EQ(end_reopen(b), 0);
	CHECK_EQ(end_status(b).state, VMM_RUNNING);
	return 0;
}

int
case_wrong_key(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];
	struct vmm_link l, wrong;

	CHECK_EQ(migrate_both_ready(e, &l), 0);
	wrong = l;
	wrong.psk_file = e->wrong_key;
	CHECK_EQ(migrate_go(a, &wrong, NULL), 0);
	CHECK_EQ(end_wait_phase(a, VMM_PHASE_FAILED), 0);
	CHECK(strstr(end_status(a).migration.why, "key") != NULL);
	CHECK_EQ(end_wait_state(a, VMM_RUNNING), 0);
	if (!is_sim(e)) {	/* nor without one */
		wrong.psk_file = NULL;
		CHECK_EQ(migrate_go(a, &wrong, NULL), 0);
		CHECK_EQ(end_wait_phase(a, VMM_PHASE_FAILED), 0);
		wrong.psk_file = "/nonexistent";
		CHECK(vmm_migrate_out(a->dom, &wrong, NULL, end_op(a),
		    NULL) < 0);
	}
	/* it waits on for who has the key */
	CHECK_EQ(end_status(b).migration.phase, VMM_PHASE_WAITING);
	CHECK_EQ(migrate_go(a, &l, NULL), 0);
	CHECK_EQ(end_wait_phase(b, VMM_PHASE_COMPLETE), 0);
	return 0;
}

int
case_other_machine(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];
	struct vmm_spec other = b->spec;
	struct vmm_link l;

	other.memory_bytes = 32u << 20;
	CHECK_EQ(vmm_set_spec(b->dom, &other, NULL), 0);
	CHECK_EQ(migrate_both_ready(e, &l), 0);
	CHECK_EQ(migrate_go(a, &l, NULL), 0);
	CHECK_EQ(end_wait_phase(a, VMM_PHASE_FAILED), 0);
	CHECK_EQ(end_wait_state(b, VMM_EXITED), 0);
	CHECK_EQ(end_status(b).reason, VMM_REASON_INCOMING_FAILED);
	CHECK(end_status(b).detail[0] != '\0');
	CHECK(strstr(end_status(b).detail, "load of migration") == NULL);
	CHECK_EQ(end_wait_state(a, VMM_RUNNING), 0);
	CHECK(migrate_gets_on(a));
	return 0;
}

int
case_nobody_listens(struct ends *e)
{
	struct end *a = &e->end[0];
	struct vmm_link l = { .address = "127.0.0.1", .port = 1 };

	CHECK_EQ(vmm_migrate_out(a->dom, &l, NULL, end_op(a), NULL), -EINVAL);
	CHECK_EQ(end_start(a), 0);
	CHECK_EQ(migrate_go(a, &l, NULL), 0);
	CHECK_EQ(end_wait_phase(a, VMM_PHASE_FAILED), 0);
	CHECK_EQ(end_wait_state(a, VMM_RUNNING), 0);
	(void)snprintf(l.address, sizeof(l.address), "localhost");
	CHECK_EQ(vmm_migrate_out(a->dom, &l, NULL, end_op(a), NULL), -EINVAL);
	(void)snprintf(l.address, sizeof(l.address), "127.0.0.1");
	(void)snprintf(l.tag, sizeof(l.tag), "a\"b");
	CHECK_EQ(vmm_migrate_out(a->dom, &l, NULL, end_op(a), NULL), -EINVAL);
	l.tag[0] = '\0';
	l.port = 0;
	CHECK_EQ(vmm_migrate_out(a->dom, &l, NULL, end_op(a), NULL), -EINVAL);
	return 0;
}

/* Agents start again while it is under way, and when all is there. */
int
case_new_agents(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];
	struct vmm_status st;
	struct vmm_link l;

	CHECK_EQ(under_way(e), 0);
	CHECK_EQ(end_reopen(a), 0);
	CHECK_EQ(end_reopen(b), 0);
	st = end_status(a);
	CHECK_EQ(st.state, VMM_RUNNING);
	CHECK_EQ(st.migration.phase, VMM_PHASE_ACTIVE);
	CHECK_STR(st.migration.tag, "m1");
	st = end_status(b);
	CHECK_EQ(st.state, VMM_INCOMING);
	CHECK_EQ(st.migration.phase, VMM_PHASE_ACTIVE);
	CHECK_EQ(vmm_migrate_cancel(a->dom, end_op(a), NULL), 0);
	CHECK_EQ(end_wait(a), 0);
	CHECK_EQ(end_wait_state(b, VMM_EXITED), 0);

	vmm_sim_migration_hold(VMM_PHASE_NONE);
	CHECK_EQ(end_listen(b, &l), 0);
	CHECK_EQ(migrate_go(a, &l, NULL), 0);
	CHECK_EQ(end_wait_phase(a, VMM_PHASE_COMPLETE), 0);
	CHECK_EQ(end_wait_phase(b, VMM_PHASE_COMPLETE), 0);
	CHECK_EQ(end_reopen(a), 0);
	CHECK_EQ(end_reopen(b), 0);
	st = end_status(a);
	CHECK_EQ(st.state, VMM_PAUSED);
	CHECK_EQ(st.reason, VMM_REASON_MIGRATION);
	CHECK_EQ(st.migration.phase, VMM_PHASE_COMPLETE);
	st = end_status(b);
	CHECK_EQ(st.state, VMM_INCOMING);
	CHECK_EQ(st.migration.phase, VMM_PHASE_COMPLETE);
	CHECK_STR(st.migration.tag, "m1");
	CHECK_EQ(end_kill(a), 0);
	CHECK_EQ(vmm_resume(b->dom, end_op(b), NULL), 0);
	CHECK_EQ(end_wait(b), 0);
	/* one that ran here is no arrival any more, paused or not */
	CHECK_EQ(vmm_pause(b->dom, end_op(b), NULL), 0);
	CHECK_EQ(end_wait(b), 0);
	CHECK_EQ(end_reopen(b), 0);
	CHECK_EQ(end_status(b).state, VMM_PAUSED);
	CHECK_EQ(end_status(b).reason, VMM_REASON_ASKED);
	CHECK_EQ(end_status(b).migration.phase, VMM_PHASE_NONE);
	return 0;
}

/* A pause ends all that could let the guest run by itself, for any agent. */
int
case_pinned(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];

	CHECK_EQ(under_way(e), 0);
	CHECK_EQ(vmm_pause(a->dom, end_op(a), NULL), 0);
	CHECK_EQ(end_wait(a), 0);
	CHECK_EQ(end_status(a).state, VMM_PAUSED);
	CHECK_EQ(end_status(a).reason, VMM_REASON_ASKED);
	CHECK_EQ(end_kill(b), 0);	/* QEMU would run on now */
	if (!is_sim(e)) {
		(void)end_hear(a, 50, 1000);
		CHECK_EQ(end_hear(a, 300, 1), 0);
	}
	CHECK_EQ(vmm_pause(a->dom, end_op(a), NULL), 0);	/* again */
	CHECK_EQ(end_wait(a), 0);
	CHECK_EQ(end_reopen(a), 0);
	CHECK_EQ(end_status(a).state, VMM_PAUSED);
	CHECK_EQ(vmm_resume(a->dom, end_op(a), NULL), 0);
	CHECK_EQ(end_wait(a), 0);
	CHECK_EQ(end_status(a).state, VMM_RUNNING);
	CHECK(!vmm_is_migrating_out(&(struct vmm_status){ .migration =
	    end_status(a).migration }));
	CHECK(migrate_gets_on(a));
	CHECK_EQ(vmm_pause(a->dom, end_op(a), NULL), 0);
	CHECK_EQ(end_wait(a), 0);
	CHECK_EQ(end_reopen(a), 0);
	CHECK_EQ(end_status(a).state, VMM_PAUSED);
	return 0;
}

/* --- qemu only --- */

/* It doesn't wait for the call that is under way, and ends what that began. */
int
case_pause_at_once(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];
	struct end first = { .ends = e };
	struct vmm_link l;
	int i;

	CHECK_EQ(migrate_both_ready(e, &l), 0);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(vmm_migrate_out(a->dom, &l, &slow, end_op(&first),
		    NULL), 0);
		if (i == 2) {
			CHECK_EQ(end_wait(&first), 0);
			CHECK_EQ(vmm_migrate_cancel(a->dom, end_op(&first),
			    NULL), 0);
		}
		CHECK_EQ(vmm_pause(a->dom, end_op(a), NULL), 0);
		CHECK_EQ(end_wait(a), 0);
		CHECK_EQ(first.rc, -ECANCELED);
		CHECK_EQ(first.err.outcome, AV_MAYBE);
		CHECK_EQ(end_status(a).state, VMM_PAUSED);
		(void)end_hear(a, 20, 1000);
		CHECK_EQ(end_hear(a, 100, 1), 0);
		CHECK_EQ(vmm_resume(a->dom, end_op(a), NULL), 0);
		CHECK_EQ(end_wait(a), 0);
		CHECK(migrate_gets_on(a));
		CHECK(!vmm_is_migrating_out(&(struct vmm_status){
		    .migration = end_status(a).migration }));
		/* it may have been reached, and ends then */
		CHECK_EQ(end_kill(b), 0);
		CHECK_EQ(end_listen(b, &l), 0);
	}
	return 0;
}

/* An answer that says "running" is there to be read on one of our sockets. */
static bool
answer_waits(void)
{
	char text[4096];
	ssize_t n;
	int fd;

	for (fd = 3; fd < 256; fd++) {
		n = recv(fd, text, sizeof(text) - 1, MSG_PEEK | MSG_DONTWAIT);
		text[n > 0 ? n : 0] = '\0';
		if (strstr(text, "\"running\"") != NULL)
			return true;
	}
	return false;
}

/* What it answered before it was stopped is read after: it stays paused, and can be
 * resumed. */
int
case_pause_late_answer(struct ends *e)
{
	struct end *a = &e->end[0], *b = &e->end[1];
	struct qemu *q = a->dom->drv;
	struct vmm_link l;

	CHECK_EQ(migrate_both_ready(e, &l), 0);
	CHECK_EQ(migrate_go(a, &l, &slow), 0);
	CHECK_EQ(end_wait_phase(a, VMM_PHASE_ACTIVE), 0);
	/* the stop is noticed before anything is read */
	CHECK(sd_event_source_set_priority(q->tick,
	    SD_EVENT_PRIORITY_IMPORTANT) >= 0);
	while (q->asking)
		CHECK(sd_event_run(e->event, 1000) >= 0);
	qemu_status_ask(q);
	while (!answer_waits())
		CHECK(sched_yield() == 0);
	CHECK_EQ(vmm_pause(a->dom, end_op(a), NULL), 0);
	while (vmm_proc_stopped(end_status(a).pid) < 0)
		CHECK(sched_yield() == 0);
	CHECK_EQ(end_wait(a), 0);
	CHECK(q->asking);
	while (q->asking)
		CHECK(sd_event_run(e->event, 1000000) >= 0);
	CHECK_EQ(end_status(a).state, VMM_PAUSED);
	CHECK_EQ(vmm_resume(a->dom, end_op(a), NULL), 0);
	CHECK_EQ(end_wait(a), 0);
	CHECK(migrate_gets_on(a));
	CHECK_EQ(end_kill(b), 0);
	return 0;
}

/* A guest that writes faster than the link takes: said in words, in time. */
int
case_never_done(struct ends *e)
{
	const struct vmm_migrate_limits l = { .bandwidth_bytes_s = 200000,
		.total_ms = 1500 };
	struct vmm_link link;

	CHECK_EQ(migrate_both_ready(e, &link), 0);
	CHECK_EQ(migrate_go(&e->end[0], &link, &l), 0);
	CHECK_EQ(end_wait_phase(&e->end[0], VMM_PHASE_FAILED), 0);
	CHECK(strstr(end_status(&e->end[0]).migration.why, "the link takes") !=
	    NULL);
	CHECK(migrate_gets_on(&e->end[0]));
	CHECK_EQ(e->ear.n_lost, 0);
	return 0;
}

/* Somebody who takes the connection and bytes, and then no more. */
struct listener {
	int	fd, conn;
};

static int
listener_open(struct listener *s, struct vmm_link *l)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);
	int small = 65536;

	s->conn = -1;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &small,
	    sizeof(small)) < 0 ||
	    bind(s->fd, (struct sockaddr *)&sa, n) < 0 ||
	    listen(s->fd, 1) < 0 || getsockname(s->fd,
	    (struct sockaddr *)&sa, &n) < 0)
		return -errno;
	memset(l, 0, sizeof(*l));
	(void)snprintf(l->address, sizeof(l->address), "127.0.0.1");
	l->port = ntohs(sa.sin_port);
	return 0;
}

static void
listener_close(struct listener *s)
{
	if (s->conn >= 0)
		close(s->conn);
	if (s->fd >= 0)
		close(s->fd);
	s->conn = s->fd = -1;
}

/* It takes what comes until the guest is stopped; QEMU has most to send still. */
static int
listener_until_switching(struct listener *s, struct end *a)
{
	static uint8_t buf[32768];
	uint64_t due = av_clock_ns() + HEAR_MS * AV_NS_PER_MS;

	while (end_status(a).migration.phase != VMM_PHASE_SWITCHING) {
		if (av_clock_ns() > due)
			return -ETIME;
		if (s->conn < 0)
			s->conn = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC |
			    SOCK_NONBLOCK);
		if (s->conn >= 0 && read(s->conn, buf, sizeof(buf)) == 0)
			return -EPIPE;
		(void)sd_event_run(a->ends->event, 1000);
	}
	return 0;
}

/*
 * The link hangs in the switch-over: the guest is stopped, QEMU holds its big lock and
 * answers nothing.  With so large a downtime it begins when QEMU has measured the link,
 * which the limit makes last.
 */
static int
hung_switch(struct ends *e, bool pin)
{
	const struct vmm_migrate_limits all = { .downtime_ms = 60000,
		.bandwidth_bytes_s = 4u << 20 };
	struct end *a = &e->end[0];
	struct listener s;
	struct vmm_link l;

	CHECK_EQ(end_start(a), 0);
	CHECK(end_hear(a, HEAR_MS, FULL) >= FULL);
	CHECK_EQ(listener_open(&s, &l), 0);
	CHECK_EQ(migrate_go(a, &l, &all), 0);
	CHECK_EQ(listener_until_switching(&s, a), 0);
	CHECK_EQ(end_status(a).state, VMM_PAUSED);
	CHECK_EQ(end_status(a).reason, VMM_REASON_MIGRATION);
	if (pin) {
		CHECK_EQ(vmm_pause(a->dom, end_op(a), NULL), 0);
		CHECK_EQ(end_wait(a), 0);
		listener_close(&s);
		(void)end_hear(a, 20, 1000);
		CHECK_EQ(end_hear(a, 300, 1), 0);
		CHECK_EQ(vmm_resume(a->dom, end_op(a), NULL), 0);
	} else {
		CHECK_EQ(vmm_migrate_cancel(a->dom, end_op(a), NULL), 0);
	}
	CHECK_EQ(end_wait(a), 0);
	CHECK(!vmm_is_migrating_out(&(struct vmm_status){ .migration =
	    end_status(a).migration }));
	CHECK_EQ(end_wait_state(a, VMM_RUNNING), 0);
	CHECK(migrate_gets_on(a));
	CHECK_EQ(e->ear.n_lost, 0);
	listener_close(&s);
	return 0;
}

int
case_hung_switch(struct ends *e)
{
	return hung_switch(e, false);
}

int
case_hung_switch_pinned(struct ends *e)
{
	return hung_switch(e, true);
}
