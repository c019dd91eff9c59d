/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_replay.c - every moment of a run, as a power cut
 *
 * Both legs are opened again by srv_open(), one is made primary by the agents'
 * rule, the other joins by handshake() and peer.c; only the copying itself is
 * done here.
 */
/* first: small pages */
#include "tests/unit/mirror/crash_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "mirror/replica/server.h"

struct case_ctx {
	struct sim_disk	*at[2];		/* at the moment of the cut */
	struct sim_image image[2];	/* after it */
	const struct model_view *view;
	struct grant	granted, granted_next;
	struct replay_count *count;
	char		*why;
	size_t		n_why;
	struct av_err	err;
};

static int
wrong(struct case_ctx *c, const char *what)
{
	(void)snprintf(c->why, c->n_why, "%s%s%s %s", what,
	    c->err.code[0] != '\0' ? ": " : "", c->err.code, c->err.text);
	return -1;
}

static int
boot(struct case_ctx *c, int node)
{
	sim.node = node;
	sim_disk[node]->cached = sim_disk[node]->durable = c->image[node];
	sim_disk[node]->n_pending[0] = sim_disk[node]->n_pending[1] = 0;
	return run_open(node) < 0 ? wrong(c, "a leg can't be opened") : 0;
}

static int
look(struct case_ctx *c, int node, enum floor f, const char *what)
{
	int at = model_check(c->view, f, &sim_disk[node]->cached);
	char text[120];

	if (at < 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%s: data lost on node %d, sector "
	    "%d, value %u (id %u)", what, node, at,
	    sim_disk[node]->cached.data[at],
	    sim_disk[node]->cached.data[at] / 2048u);
	return wrong(c, text);
}

struct wire {
	struct srv	*peer;
	struct peer_conn *pc;
	int		from, to;
};

static int
wire_run(void *arg, struct link_job *j)
{
	struct wire *w = arg;
	int rc;

	sim.node = w->to;
	rc = j->kind == LINK_WRITE ? peer_write(w->peer, w->pc, j->wbuf, j->n,
	    j->offset, false) : peer_read(w->peer, w->pc, j->rbuf, j->n,
	    j->offset);
	sim.node = w->from;
	return -rc;
}

static void
copy(struct srv *s, int from)
{
	struct sim_image *a = &sim_disk[from]->cached;
	struct sim_image *b = &sim_disk[1 - from]->cached;
	size_t c, i, per = MIRROR_CHUNK_BYTES / SIM_SECTOR;

	for (c = bits_next(s->oos, s->leg->n_chunks, 0); c < s->leg->n_chunks;
	    c = bits_next(s->oos, s->leg->n_chunks, c + 1))
		for (i = c * per; i < (c + 1) * per && i < SIM_SECTORS; i++)
			b->data[i] = a->data[i];
}

/* The other joins primary 'p'.  1 = 'p' has the older data. */
static int
join(struct case_ctx *c, int p, enum floor f)
{
	struct wire w = { .peer = sim.srv[1 - p], .from = p, .to = 1 - p };
	struct srv *s = sim.srv[p];
	int rc;

	sim.node = 1 - p;
	w.pc = peer_open(w.peer);
	sim.node = p;
	s->layout_bytes = w.peer->leg->sb.size_bytes;
	rc = handshake(s, wire_run, &w, &c->err);
	if (rc == -EAGAIN && strcmp(c->err.code, "growing") == 0) {
		/* a new connection, of the new layout */
		sim.node = 1 - p;
		peer_close(w.peer, w.pc);
		w.pc = peer_open(w.peer);
		sim.node = p;
		s->layout_bytes = s->leg->sb.size_bytes;
		c->err = (struct av_err){ 0 };
		c->count->caught_up++;
		rc = handshake(s, wire_run, &w, &c->err);
	}
	if (rc < 0 && strcmp(c->err.code, "peer-newer") == 0)
		return 1;
	if (rc < 0)
		return wrong(c, "no agreement");
	if (s->resync_on) {
		copy(s, p);
		c->count->resynced++;
	} else {
		c->count->in_step++;
	}
	if (s->leg->sb.size_bytes != w.peer->leg->sb.size_bytes)
		return wrong(c, "the legs' sizes differ");
	if (memcmp(sim_disk[0]->cached.data, sim_disk[1]->cached.data,
	    SIM_SECTORS * sizeof(sim_disk[0]->cached.data[0])) != 0)
		return wrong(c, "the legs differ after a resync");
	return look(c, p, f, "after the resync");
}

static int
promote(struct case_ctx *c, int p, bool alone)
{
	sim.node = p;
	c->err = (struct av_err){ 0 };
	return srv_order_primary(sim.srv[p], alone, 1000, &c->err);
}

/* 'p' goes on alone, then the other comes back. */
static int
alone_then_join(struct case_ctx *c, int p, enum floor f)
{
	if (promote(c, p, true) < 0)
		return wrong(c, "not promotable");
	c->granted_next = (struct grant){ .node = p, .firm = true };
	c->count->alone++;
	if (look(c, p, f, "alone") < 0 || boot(c, 1 - p) < 0)
		return -1;
	return join(c, p, f) == 0 ? 0 : wrong(c, "not joined");
}

static int
one_cut(struct case_ctx *c, int x)
{
	int y = 1 - x;

	if (c->granted.node != x) {
		if (boot(c, y) < 0)
			return -1;
		if (srv_disk(sim.srv[y]) == MIRROR_DISK_UPTODATE)
			return alone_then_join(c, y,
			    c->granted.weak & 1u << y ? FLOOR_FLUSHED :
			    FLOOR_ACKED);
		if (promote(c, y, true) == 0)
			return wrong(c, "an unfinished leg was promoted");
		c->count->refused++;
		sim_kill_node(y);
		sim_disk_close_all(y);
	}
	if (boot(c, x) < 0)
		return -1;
	return alone_then_join(c, x, c->granted.node == x &&
	    !c->granted.firm ? FLOOR_FLUSHED : FLOOR_STEP);
}

static int
both_cut(struct case_ctx *c)
{
	int p = (int)sim_below(2), turn, rc;

	if (sim_chance(30)) {
		if (c->granted.node >= 0)
			p = c->granted.node;
		if (boot(c, p) < 0)
			return -1;
		if (srv_disk(sim.srv[p]) == MIRROR_DISK_UPTODATE)
			return alone_then_join(c, p, FLOOR_FLUSHED);
		c->count->refused++;
	} else if (boot(c, p) < 0) {
		return -1;
	}
	if (boot(c, 1 - p) < 0)
		return -1;
	for (turn = 0; turn < 2; turn++, p = 1 - p) {
		if (promote(c, p, false) < 0)
			continue;
		rc = join(c, p, FLOOR_FLUSHED);
		if (rc <= 0)
			return rc;
		c->count->peer_newer++;
		if (srv_order_secondary(sim.srv[p], &c->err) < 0)
			return wrong(c, "can't step back");
	}
	return wrong(c, "neither leg may be the source");
}

static void
all_down(void)
{
	int node;

	for (node = 0; node < 2; node++) {
		sim_kill_node(node);
		sim_disk_close_all(node);
	}
}

/* Power goes again while the pair is being brought up. */
static int
twice(struct case_ctx *c)
{
	static struct sim_disk d[2];
	uint32_t n = (uint32_t)sim_ops.n, last, i;
	size_t n_bytes = sim_ops.n_bytes;
	int node, rc;

	for (node = 0; node < 2; node++) {
		d[node].cached = d[node].durable = c->image[node];
		d[node].n_pending[0] = d[node].n_pending[1] = 0;
	}
	c->granted_next = c->granted;
	sim_ops.on = true;
	rc = both_cut(c);
	sim_ops.on = false;
	all_down();
	last = n + sim_below((uint32_t)sim_ops.n - n + 1);
	for (i = n; i < last; i++)
		sim_disk_step(&d[sim_ops.op[i].node], &sim_ops.op[i], i);
	for (node = 0; node < 2; node++)
		sim_disk_cut(&d[node], TEAR_RANDOM, &c->image[node]);
	sim_ops.n = n;
	sim_ops.n_bytes = n_bytes;
	c->granted = c->granted_next;
	c->err = (struct av_err){ 0 };
	c->count->twice++;
	return rc < 0 ? rc : both_cut(c);
}

static int
one_case(struct case_ctx *c, int kind, enum sim_tear tear)
{
	int node, rc;

	for (node = 0; node < 2; node++) {
		if (kind == 2 || kind == node)
			sim_disk_cut(c->at[node], tear, &c->image[node]);
		else
			c->image[node] = c->at[node]->cached;
	}
	c->err = (struct av_err){ 0 };
	if (kind < 2)
		rc = one_cut(c, kind);
	else
		rc = sim_chance(50) ? both_cut(c) : twice(c);
	all_down();
	c->count->cases++;
	return rc;
}

static int
moment(struct case_ctx *c, uint32_t k, unsigned per_cut)
{
	unsigned i;
	int kind;

	for (kind = 0; kind < 3; kind++) {
		for (i = 0; i < per_cut; i++) {
			char text[200];

			c->granted = run_granted_at(c->view->tick);
			sim_seed(run.seed * 1000003 + k * 131u +
			    (uint64_t)kind * 7919 + i * 3001u);
			if (one_case(c, kind, (enum sim_tear)(i %
			    TEAR_KINDS)) == 0)
				continue;
			(void)snprintf(text, sizeof(text), "%s", c->why);
			(void)snprintf(c->why, c->n_why, "seed %llu, after "
			    "operation %u, cut of %s, case %u: %s",
			    (unsigned long long)run.seed, k,
			    kind == 2 ? "both" : kind == 0 ? "node 0" :
			    "node 1", i, text);
			return -1;
		}
	}
	return 0;
}

/* Moments from log entry 'from' on. */
static int
replay(uint32_t from, unsigned per_cut, uint64_t stop_at,
    struct replay_count *count, char *ret_why, size_t n)
{
	static struct sim_disk at[2];
	static struct model_view view;
	struct case_ctx c = { .at = { &at[0], &at[1] }, .view = &view,
		.count = count, .why = ret_why, .n_why = n };
	uint32_t k;

	memset(at, 0, sizeof(at));
	sim.srv[0] = sim.srv[1] = NULL;
	for (k = 0; k < sim_ops.n && count->cases < stop_at; k++) {
		const struct op *op = &sim_ops.op[k];
		uint64_t t = k + 1 < sim_ops.n ? op[1].tick - 1 : sim.tick;

		sim_disk_step(&at[op->node], op, k);
		if (op->kind == OP_RESET && k + 1 < sim_ops.n &&
		    op[1].kind == OP_RESET)
			continue;	/* one moment, several entries */
		if (k < from)
			continue;
		model_view(t, &view);
		if (moment(&c, k, per_cut) < 0)
			return -1;
	}
	return 0;
}

int
replay_log(unsigned per_cut, uint64_t stop_at, struct replay_count *count,
    char *ret_why, size_t n)
{
	return replay(0, per_cut, stop_at, count, ret_why, n);
}

int
replay_end(unsigned per_cut, struct replay_count *count, char *ret_why,
    size_t n)
{
	return replay((uint32_t)sim_ops.n - 1, per_cut, NEVER, count, ret_why,
	    n);
}
