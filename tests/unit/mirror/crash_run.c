/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_run.c - guests, agents and power cuts, by chance
 *
 * The agents' rule: only one PM at a time is granted to run alone (run.granted);
 * the grant ends when both legs are in step.  A PM without a grant never runs
 * alone while the other has one.
 */
#include "tests/unit/mirror/crash_run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/assert.h"
#include "base/clock.h"
#include "mirror/replica/server.h"

#define GUESTS		3
#define SETTLE_NS	(900 * AV_NS_PER_S)

struct run run;
static struct srv servers[2];

enum order_kind { ORDER_BOOT, ORDER_PRIMARY, ORDER_PRIMARY_ALONE, ORDER_ALONE,
	ORDER_SECONDARY, ORDER_GROW, ORDER_HOLD, ORDER_RELEASE,
	ORDER_DISKLESS, ORDER_WRITE, ORDER_GROW_LEG };
struct order {
	enum order_kind	kind;
	int		node, rc;
	uint64_t	gen, size;
	bool		done;
	struct av_err	err;
};

static struct order growing;	/* goes on while other things happen */

static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
fail(const char *fmt, ...)
{
	va_list ap;

	if (run.failed[0] != '\0' || sim_fault.fired > 0)
		return;		/* with a broken disk much may fail */
	va_start(ap, fmt);
	(void)vsnprintf(run.failed, sizeof(run.failed), fmt, ap);
	va_end(ap);
	sim_log(3, "run", "FAILED: %s", run.failed);
}

static void
grant(int node, unsigned weak, bool firm)
{
	if (run.granted == node && run.weak == weak && run.firm == firm)
		return;
	run.granted = node;
	run.weak = weak;
	run.firm = firm;
	AV_ASSERT(run.n_grants < GRANTS_MAX);
	run.grant[run.n_grants++] = (struct grant){ .tick = sim.tick++,
		.node = node, .weak = weak, .firm = firm };
}

struct grant
run_granted_at(uint64_t tick)
{
	struct grant g = { .node = -1 };
	size_t i;

	for (i = 0; i < run.n_grants && run.grant[i].tick <= tick; i++)
		g = run.grant[i];
	return g;
}

/* --- guests --- */

/* As nbdrun.c does it; EAGAIN = front_write() has to. */
struct unwaited {
	struct front_op	op;
	bool		over;
	int		rc;
};

static void
unwaited_over(struct front_op *op, int rc, bool more)
{
	struct unwaited *u = container_of(op, struct unwaited, op);

	(void)more;
	u->over = true;
	u->rc = rc;
	(void)sim_wake(u);
}

/* One that comes to a secondary would wait for its time; not here. */
static int
open_front(struct srv *s, uint64_t *ret_role)
{
	struct front_client fc;
	int rc = front_open(s, &fc);

	if (rc == 0 && fc.role_count == 0) {
		front_close(s);
		rc = ESHUTDOWN;
	}
	*ret_role = rc == 0 ? fc.role_count : 0;
	return rc;
}

static int
write_unwaited(struct srv *s, uint64_t role, const void *buf, size_t n,
    size_t first)
{
	struct unwaited u = { .op = { .buf = buf,
		.n = (uint32_t)(n * SIM_SECTOR), .offset = first * SIM_SECTOR,
		.role_count = role, .push_later = sim_chance(50),
		.over = unwaited_over } };

	if (!front_write_start(s, &u.op))
		return EAGAIN;
	link_push(s);
	while (!u.over)
		(void)sim_block(&u, UINT64_MAX);
	return u.rc;
}

static bool
guest_write(struct srv *s, uint64_t role)
{
	uint8_t buf[16 * SIM_SECTOR];	/* a held write keeps it for long */
	uint32_t values[16];
	bool zero = sim_chance(10), fua = sim_chance(run.flushes / 2);
	/* few places, so that writes meet; all chunks, and their borders */
	size_t n = 1 + sim_below(sim_chance(20) ? 16 : 3), i;
	size_t sectors = (size_t)(s->leg->sb.size_bytes / SIM_SECTOR);
	size_t first = sim_below((unsigned)(sectors / 128) + 1) * 128 +
	    sim_below(12);
	struct rec *r;
	int rc;

	if (sim_chance(10) && first >= 128)
		first -= 8;	/* over a chunk's border */
	if (first + n > sectors)
		first = sectors - n;
	r = model_issue(first, n, zero);
	for (i = 0; i < n; i++)
		values[i] = model_value(r->id, first + i);
	sim_fill(buf, n, values);
	rc = zero || fua || sim_chance(30) ? EAGAIN :
	    write_unwaited(s, role, buf, n, first);
	if (rc == EAGAIN && zero && r->issue % 2 == 0)
		rc = front_trim(s, role, (uint32_t)(n * SIM_SECTOR),
		    first * SIM_SECTOR, fua);
	else if (rc == EAGAIN)
		rc = front_write(s, role, zero ? NULL : buf,
		    (uint32_t)(n * SIM_SECTOR), first * SIM_SECTOR, fua);
	if (rc != 0) {
		run.guest_error = run.guest_error || rc != ESHUTDOWN;
		return false;
	}
	r->ack = sim.tick++;
	/* without a disk here each write is durable at the peer */
	if (fua || s->io_mode == IO_PEER)
		r->flush = r->ack;
	/* in step only counts once the agents know it */
	if (s->primary_conn == MIRROR_CONNECTED && run.granted < 0)
		r->step = r->ack;
	run.n_acks++;
	return true;
}

static void *
guest_run(void *arg)
{
	struct srv *s = arg;
	struct av_err err = { 0 };
	uint64_t role, began;
	bool ok = open_front(s, &role) == 0;
	bool opened = ok;

	while (ok && !run.stop) {
		if (!sim_chance(run.flushes)) {
			ok = guest_write(s, role);
		} else {
			began = sim.tick++;
			ok = front_flush(s, role) == 0;
			if (ok) {
				model_flushed(began);
				run.n_flushes++;
			}
		}
		if (sim_chance(5))
			(void)srv_order_verify(s, sim_chance(50), 0, &err);
		if (s->verify.found > 0)
			fail("verify found %u chunks that no disk spoilt",
			    (unsigned)s->verify.found);
		if (sim_chance(4))
			sim_sleep(8 * AV_NS_PER_S);	/* the cleaner's turn */
		else if (sim_chance(70))
			sim_sleep(sim_below(400) * AV_NS_PER_MS);
	}
	if (opened)
		front_close(s);
	run.n_guests--;
	return NULL;
}

static void
guests_start(int node)
{
	int i;

	for (i = 0; i < GUESTS && !run.stop; i++) {
		run.n_guests++;
		sim_start(node, guest_run, sim.srv[node]);
	}
}

/* --- servers and orders --- */

int
run_open(int node)
{
	struct srv_params p = { .dir = "/0", .id = "o3",
		.node = (unsigned)node, .n_peer_addrs = 1, .peer_port = 1,
		.peer_addrs = { "127.0.0.1" }, .peer_timeout_ms = 1500 };
	struct av_err err = { 0 };
	int rc;

	p.dir[1] = (char)('0' + node);
	rc = srv_open(&servers[node], &p, &err);
	if (rc == 0)
		sim.srv[node] = &servers[node];
	else
		sim_log(4, "run", "open: %s: %s", err.code, err.text);
	return rc;
}

static void *
order_run(void *arg)
{
	struct order *o = arg;
	struct srv *s = &servers[o->node];
	uint64_t role;

	switch (o->kind) {
	case ORDER_BOOT:
		o->rc = run_open(o->node);
		if (o->rc == 0)
			o->rc = srv_start_threads(s);
		break;
	case ORDER_PRIMARY:
	case ORDER_PRIMARY_ALONE:
		o->rc = srv_order_primary(s, o->kind == ORDER_PRIMARY_ALONE,
		    o->gen, &o->err);
		break;
	case ORDER_ALONE:
		o->rc = srv_order_alone(s, o->gen, &o->err);
		break;
	case ORDER_DISKLESS:
		o->rc = srv_order_diskless(s, o->gen, &o->err);
		break;
	case ORDER_WRITE:
		o->rc = -open_front(s, &role);
		if (o->rc == 0) {
			o->rc = guest_write(s, role) ? 0 : -EIO;
			front_close(s);
		}
		break;
	case ORDER_SECONDARY:
		o->rc = srv_order_secondary(s, &o->err);
		break;
	case ORDER_GROW:
		/* one leg has grown before the other while that goes on */
		(void)srv_order_verify(s, false, 0, &o->err);
		o->err = (struct av_err){ 0 };
		o->rc = srv_order_grow(s, o->size, &o->err);
		if (o->rc == 0)
			run.n_grown++;
		else
			run.n_grow_refused++;
		break;
	case ORDER_GROW_LEG:
		(void)sim_mutex_lock(&s->order_mu);
		o->rc = grow_leg(s, SIM_SIZE, &o->err);
		(void)sim_mutex_unlock(&s->order_mu);
		break;
	case ORDER_HOLD:
		o->rc = srv_order_hold(s, 500, &o->err);
		break;
	case ORDER_RELEASE:
		o->rc = srv_order_release(s, &o->err);
		break;
	}
	o->done = true;
	return NULL;
}

static int
order(int node, enum order_kind kind)
{
	static struct order o;	/* one at a time */
	uint64_t due = sim.now_ns + SETTLE_NS;

	o = (struct order){ .kind = kind, .node = node, .gen = ++run.gen };
	sim_log(5, "run", "order %d to node %d", (int)kind, node);
	sim_start(node, order_run, &o);
	while (!o.done && sim.now_ns < due)
		sim_sleep(10 * AV_NS_PER_MS);
	if (!o.done) {
		fail("order %d to node %d never ends", (int)kind, node);
		return -ETIMEDOUT;
	}
	sim_log(5, "run", "order %d to node %d: %d %s", (int)kind, node, o.rc,
	    o.err.code);
	return o.rc;
}

static void
boot(int node)
{
	if (order(node, ORDER_BOOT) < 0)
		fail("node %d doesn't start", node);
}

static bool
up_to_date(int node)
{
	return sim.srv[node] != NULL &&
	    srv_disk(sim.srv[node]) == MIRROR_DISK_UPTODATE;
}

/* The process dies; with 'power', what was not synced is lost in part. */
static void
cut(int node, bool power)
{
	static struct sim_image im;

	sim_log(5, "run", "%s of node %d", power ? "power cut" : "kill",
	    node);
	run.n_cuts++;
	if (growing.node == node)
		growing.done = true;	/* it goes with the process */
	if (run.primary == node)
		run.n_guests = 0;
	sim_link_node_down(node);
	sim_kill_node(node);
	sim_disk_close_all(node);
	if (power) {
		grant(run.granted, run.weak | 1u << node, run.firm);
		sim_disk_cut(sim_disk[node],
		    (enum sim_tear)sim_below(TEAR_KINDS), &im);
		sim_disk_set(node, &im);
	}
}

/* --- in step --- */

static void
note_step(void)
{
	struct srv *s = run.primary < 0 ? NULL : sim.srv[run.primary];

	if (s == NULL || s->primary_conn != MIRROR_CONNECTED ||
	    s->io_mode != IO_BOTH)
		return;
	model_in_step();
	grant(-1, 0, false);
}

static void
check(int node, const char *when)
{
	static struct model_view v;
	int at;

	model_view(sim.tick, &v);
	at = model_check(&v, FLOOR_ACKED, &sim_disk[node]->cached);
	if (at >= 0)
		(void)snprintf(run.failed, sizeof(run.failed), "%s: node %d lost data, sector %d, value %u", when, node,
		    at, sim_disk[node]->cached.data[at]);
}

static void
serve_from(int node)
{
	check(node, "a guest starts");
	if (sim_fault.fired > 0)
		return;		/* what its failed writes left is anybody's guess */
	model_seen(&sim_disk[node]->cached);
	guests_start(node);
}

static bool
settled(struct srv *s)
{
	return s->primary_conn == MIRROR_CONNECTED && s->io_mode == IO_BOTH;
}

/* After a fault it may be never. */
static bool
given_up(uint64_t began)
{
	return sim_fault.fired > 0 && sim.now_ns - began > 20 * AV_NS_PER_S;
}

/* Both run, one of them is primary: until both legs are in step. */
static void
settle(void)
{
	uint64_t began = sim.now_ns, due = began + SETTLE_NS;
	struct srv *s = sim.srv[run.primary];
	bool served = run.n_guests > 0;

	sim.link_ok = true;
	while (run.failed[0] == '\0' && !settled(s) && !given_up(began)) {
		if (s->primary_conn == MIRROR_SPLIT) {
			if (strcmp(s->why.code, "peer-newer") != 0 || served) {
				fail("split: %s: %s", s->why.code,
				    s->why.text);
				return;
			}
			(void)order(run.primary, ORDER_SECONDARY);
			run.primary = 1 - run.primary;
			s = sim.srv[run.primary];
			if (order(run.primary, ORDER_PRIMARY) < 0) {
				fail("neither is the newer");
				return;
			}
		}
		if (!served && s->reads_ok) {
			serve_from(run.primary);
			served = true;
		}
		if (sim.now_ns > due)
			fail("never in step: conn %d io %d %s: %s",
			    (int)s->primary_conn, (int)s->io_mode,
			    s->why.code, s->why.text);
		sim_sleep(20 * AV_NS_PER_MS);
	}
	note_step();
	if (!served && run.failed[0] == '\0' && s->reads_ok)
		serve_from(run.primary);
}

/* --- what happens --- */

static void
nap(void)
{
	sim_sleep((sim_chance(50) ? sim_below(60) : sim_below(5000)) *
	    AV_NS_PER_MS);
}

static void
go_alone(int node)
{
	struct srv *s = sim.srv[node];

	note_step();
	if (run.granted == 1 - node || s == NULL ||
	    s->primary_conn == MIRROR_SPLIT)
		return;
	grant(node, run.weak, run.firm && run.granted == node);
	if (order(node, ORDER_ALONE) < 0) {
		if (!s->disk_failed)
			fail("node %d may not go on alone", node);
		return;
	}
	grant(node, run.weak, true);
	run.n_alone++;
}

static void
link_lost(void)
{
	sim.link_ok = false;
	sim_link_break();
	sim_log(5, "run", "link lost");
	nap();
	if (sim_chance(60)) {
		go_alone(run.primary);
		nap();
	}
	sim.link_ok = true;
}

static void
secondary_dies(void)
{
	int x = 1 - run.primary;

	cut(x, sim_chance(80));
	nap();
	if (sim_chance(60)) {
		go_alone(run.primary);
		nap();
	}
	boot(x);
}

/* 'x' alone can go on. */
static void
return_of(int x)
{
	boot(x);
	run.primary = x;
	if (run.failed[0] != '\0')
		return;
	if (run.granted == x && sim_chance(50)) {
		if (order(x, ORDER_PRIMARY_ALONE) < 0)
			fail("the only full leg isn't promotable");
		else
			serve_from(x);
	} else if (order(x, ORDER_PRIMARY) < 0) {
		fail("the only full leg isn't promotable");
	}
}

static void
primary_dies(bool power)
{
	int x = run.primary, y = 1 - x;
	bool can;

	note_step();
	can = run.granted != x && up_to_date(y);
	if (power && !can)
		model_cut(false);
	else if (power && sim_chance(10)) {
		can = false;	/* its owner insists on the one that lost power */
		model_cut(true);
	}
	else if (can && (run.weak & 1u << y))
		model_cut(true);	/* it lost power and didn't catch up */
	cut(x, power);
	run.primary = -1;
	nap();
	if (!can) {
		return_of(x);
		return;
	}
	grant(y, run.weak, run.firm && run.granted == y);
	run.primary = y;
	if (order(y, ORDER_PRIMARY_ALONE) < 0) {
		fail("node %d isn't promotable", y);
		return;
	}
	grant(y, run.weak, true);
	run.n_alone++;
	serve_from(y);
	nap();
	boot(x);
}

static void
both_die(void)
{
	bool power = sim_chance(80);

	note_step();
	if (power)
		model_cut(true);
	cut(run.primary, power);
	cut(1 - run.primary, power);
	boot(0);
	boot(1);
	run.primary = run.granted >= 0 ? run.granted : (int)sim_below(2);
	if (run.weak & 1u << run.primary)
		model_cut(true);
	if (run.failed[0] == '\0' && order(run.primary, ORDER_PRIMARY) < 0) {
		run.primary = 1 - run.primary;
		if (order(run.primary, ORDER_PRIMARY) < 0)
			fail("neither leg is promotable");
	}
}

static void
switch_over(void)
{
	settle();
	if (run.failed[0] != '\0')
		return;
	if (order(run.primary, ORDER_SECONDARY) < 0 && !sim_fault.fired)
		fail("the primary can't step down");
	run.primary = 1 - run.primary;
	run.n_switches++;
	if (order(run.primary, ORDER_PRIMARY) < 0) {
		/* the connection was lost on the way: it has to go back */
		run.primary = 1 - run.primary;
		if (order(run.primary, ORDER_PRIMARY) < 0)
			fail("neither is promotable after a change of sides");
	}
	while (run.n_guests > 0 && sim_fault.fired == 0)
		sim_sleep(AV_NS_PER_MS);
	settle();
}

static void
grow(void)
{
	struct srv *s = sim.srv[run.primary];
	uint64_t size = sim_chance(50) ? SIM_SIZE : SIM_SIZE - 256 * SIM_SECTOR;

	if (s == NULL || size <= s->leg->sb.size_bytes ||
	    (growing.size != 0 && !growing.done))
		return;
	growing = (struct order){ .kind = ORDER_GROW, .node = run.primary,
		.size = size };
	sim_log(5, "run", "grow to %llu", (unsigned long long)size);
	sim_start(run.primary, order_run, &growing);
	nap();
}

/* Another write comes while the cleaner has both legs flushed: its bit may not go
 * with the others. */
static void
write_meets_cleaner(void)
{
	struct srv *s = sim.srv[run.primary];
	int y = 1 - run.primary;
	uint64_t due;

	run.stop = true;
	while (run.n_guests > 0)
		sim_sleep(AV_NS_PER_MS);
	due = sim.now_ns + 120 * AV_NS_PER_S;
	while (s->unclean && sim.now_ns < due)
		sim_sleep(AV_NS_PER_MS);
	(void)order(run.primary, ORDER_WRITE);
	/* its flush takes long on the other node: a tick later it begins */
	sim_sleep(1900 * AV_NS_PER_MS);
	sim.frozen_until_ns[y] = sim.now_ns + 500 * AV_NS_PER_MS;
	due = sim.now_ns + 60 * AV_NS_PER_S;
	/* its round begins with that */
	while (bits_next(s->touched, s->leg->n_chunks, 0) < s->leg->n_chunks &&
	    sim.now_ns < due)
		sim_sleep(AV_NS_PER_MS / 100);
	if (sim.now_ns >= due)
		fail("the cleaner has no round");
	(void)order(run.primary, ORDER_WRITE);
	sim_sleep(30 * AV_NS_PER_S);	/* bits go */
	cut(y, true);
	boot(y);
}

/* As after a power cut between the two superblocks. */
static void
catch_up(void)
{
	(void)order(1 - run.primary, ORDER_GROW_LEG);
	sim_link_break();
	sim_sleep(AV_NS_PER_S);
}

/* Whatever was acknowledged before the hold is flushed on both legs. */
static void
hold(void)
{
	uint64_t began;

	if (sim.srv[run.primary] == NULL ||
	    order(run.primary, ORDER_HOLD) < 0)
		return;
	began = sim.tick++;
	if (hold_state(sim.srv[run.primary]) != MIRROR_HOLD_HELD)
		return;
	model_flushed(began);
	run.n_holds++;
	if (sim_chance(50))
		(void)order(run.primary, ORDER_RELEASE);
}

static void
freeze(void)
{
	int x = (int)sim_below(2);

	sim.frozen_until_ns[x] = sim.now_ns + sim_below(8000) * AV_NS_PER_MS;
	nap();
}

static void
step(void)
{
	unsigned dice = sim_below(100);

	run.n_steps++;
	note_step();
	if (dice < 8)
		grow();
	else if (dice < 16)
		hold();
	else if (dice < 30)
		nap();
	else if (dice < 50)
		link_lost();
	else if (dice < 60)
		switch_over();
	else if (dice < 70)
		freeze();
	else if (dice < 75 || !run.cuts)
		settle();
	else if (dice < 83)
		secondary_dies();
	else if (dice < 93)
		primary_dies(sim_chance(80));
	else
		both_die();
	/* whoever came up as a connected primary serves once it may */
	if (run.failed[0] == '\0' && run.n_guests == 0)
		settle();
}

/* Linux tells one caller of a failed fdatasync() and forgets the pages. */
static void *
sync_run(void *arg)
{
	unsigned *n_running = arg, i;

	for (i = 0; i < 10 && run.failed[0] == '\0'; i++) {
		bool after = sim_fault.fired > 0;

		if (srv_data_sync(&servers[0]) == 0 && after)
			(void)snprintf(run.failed, sizeof(run.failed),
			    "a flush counts after one that failed");
	}
	--*n_running;
	return NULL;
}

static void
syncs(void)
{
	static unsigned n_running;

	for (n_running = 0; n_running < 3; n_running++)
		sim_start(0, sync_run, &n_running);
	while (n_running > 0)
		sim_sleep(AV_NS_PER_MS);
}

/* The secondary loses power and doesn't meet the primary again; then the primary's
 * server dies, though its PM doesn't, and the owner goes on with the secondary. */
static void
weak_takes_over(void)
{
	sim_sleep(AV_NS_PER_S);		/* guests write */
	note_step();
	sim.link_ok = false;
	sim_link_break();
	cut(1 - run.primary, true);
	boot(1 - run.primary);
	primary_dies(false);
}

static void
equal_check(void)
{
	size_t s;

	for (s = 0; s < SIM_SECTORS; s++)
		if (sim_disk[0]->cached.data[s] != sim_disk[1]->cached.data[s]) {
			fail("legs differ in sector %zu: %u, %u", s,
			    sim_disk[0]->cached.data[s],
			    sim_disk[1]->cached.data[s]);
			return;
		}
}

/* The primary's disk failed while both were in step: the peer's leg goes on, and
 * the peer alone may be promoted from then on.  The connection is lost and comes
 * back. */
static void
after_fault(void)
{
	struct srv *s = run.primary < 0 ? NULL : sim.srv[run.primary];
	unsigned acks;
	int rc;

	sim.link_ok = true;
	sim_sleep(10 * AV_NS_PER_S);
	if (s != NULL && run.n_grow_refused > 0 && s->disk_failed &&
	    s->io_mode == IO_HOLD && s->in_step && !s->detached)
		(void)snprintf(run.failed, sizeof(run.failed),
		    "it waits for a disk that failed while it grew");
	if (s == NULL || !s->detached || run.granted == run.primary)
		return;
	/* firm once the peer has recorded it */
	grant(1 - run.primary, run.weak, false);
	rc = order(run.primary, ORDER_DISKLESS);
	if (rc == 0)
		grant(1 - run.primary, run.weak, true);
	if (rc < 0 && !s->diskless) {
		if (run.script == RUN_GROW)
			(void)snprintf(run.failed, sizeof(run.failed),
			    "the peer in step doesn't take over");
		return;
	}
	acks = run.n_acks;
	sim_sleep(10 * AV_NS_PER_S);
	if (s->io_mode != IO_PEER)
		return;
	grant(1 - run.primary, run.weak, true);
	run.n_diskless++;
	if (sim_chance(50)) {
		sim_link_break();
		sim_sleep(10 * AV_NS_PER_S);
	}
	if (run.n_acks == acks && run.n_guests > 0)
		(void)snprintf(run.failed, sizeof(run.failed),
		    "without its disk the primary does nothing: %s: %.100s",
		    s->why.code, s->why.text);
}

static void *
agents(void *arg)
{
	uint64_t due;

	(void)arg;
	boot(0);
	boot(1);
	run.primary = 0;
	if (order(0, ORDER_PRIMARY) < 0)
		fail("a new leg isn't promotable");
	settle();
	if (run.script == RUN_WEAK && run.failed[0] == '\0')
		weak_takes_over();
	else if (run.script == RUN_GROW && sim_fault.fired == 0)
		grow();
	else if (run.script == RUN_CATCH_UP && sim_fault.fired == 0)
		catch_up();
	else if (run.script == RUN_CLEANER && run.failed[0] == '\0')
		write_meets_cleaner();
	else if (run.script == RUN_SYNCS)
		syncs();
	while (run.n_steps < run.length && run.failed[0] == '\0' &&
	    sim_fault.fired == 0)
		step();
	if (sim_fault.fired > 0)
		after_fault();
	run.stop = true;
	if (run.failed[0] != '\0' || sim_fault.fired > 0)
		return NULL;
	settle();
	due = sim.now_ns + SETTLE_NS;
	while (run.n_guests > 0 && sim.now_ns < due)
		sim_sleep(10 * AV_NS_PER_MS);
	if (run.n_guests > 0)
		fail("a guest's request never ends");
	settle();
	if (sim_fault.fired > 0)
		return NULL;
	check(0, "at the end");
	check(1, "at the end");
	equal_check();
	return NULL;
}

static void
create(int node)
{
	struct mirror_leg_spec spec = { .dir = node == 0 ? "/0" : "/1",
		.id = "o3", .size_bytes = run.seed % 4 == 3 ? SIM_SIZE :
		    SIM_SECTORS_SMALL * SIM_SECTOR,
		.unit_uuid = "00000000000000000000000000000000",
		.volume_uuid = "00000000000000000000000000000000",
		.initial_current = 4711 << 1 };
	struct sim_image im;

	AV_ASSERT(leg_create(&spec, NULL) == 0);
	im = sim_disk[node]->cached;
	sim_ops.on = true;
	sim_disk_set(node, &im);
	sim_ops.on = false;
}

static int
run_one(uint64_t seed, unsigned length, bool cuts, enum run_script script)
{
	run = (struct run){ .seed = seed, .primary = -1, .granted = -1,
		.length = length, .cuts = cuts, .script = script,
		.flushes = seed % 3 == 0 ? 2 : 20 };
	growing = (struct order){ 0 };
	sim_seed(seed);
	sim.now_ns = AV_NS_PER_S;
	sim.tick = 1;
	sim.link_ok = true;
	sim.frozen_until_ns[0] = sim.frozen_until_ns[1] = 0;
	sim_disks_reset();
	model_reset();
	sim.node = -1;
	create(0);
	create(1);
	sim_ops.on = true;
	if (!sim_run(agents, NULL))
		fail("everybody waits for ever");
	sim_ops.on = false;
	return run.failed[0] == '\0' ? 0 : -1;
}

int
run_do(uint64_t seed, unsigned length, bool cuts)
{
	return run_one(seed, length, cuts, RUN_BY_CHANCE);
}

int
run_script(uint64_t seed, enum run_script script)
{
	return run_one(seed, 0, true, script);
}

void
run_end(void)
{
	sim_link_break();
	sim_link_node_down(0);
	sim_link_node_down(1);
	sim_end();
	sim_link_end();
	sim_disk_close_all(0);
	sim_disk_close_all(1);
}
