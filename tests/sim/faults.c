/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sim/faults.c - everything that can be done to the world; see sim.h
 */
#include <string.h>

#include "tests/sim/sim.h"

static void
do_power_off(const struct line *l)
{
	sim_power_off(l->node);
}

static void
do_power_on(const struct line *l)
{
	sim_power_on(l->node);
}

static void
do_blackout(const struct line *l)
{
	(void)l;
	sim_power_off(0);
	sim_power_off(1);
}

static void
do_kill_agent(const struct line *l)
{
	if (W.pm[l->node].agent)
		sim_agent_kill(l->node, l->arg ? l->arg : 50 + sim_rnd(1200));
}

static void
do_die_after(const struct line *l)
{
	W.pm[l->node].die_after = (unsigned)l->arg;
}

static void
do_hang_agent(const struct line *l)
{
	if (W.pm[l->node].agent)
		W.pm[l->node].agent_hung_until = W.now + l->arg;
}

static void
do_hang(const struct line *l)
{
	struct pm *p = &W.pm[l->node];

	if (!p->powered)
		return;
	/* cut off first: the peer counts from the cut, the device from the hang */
	if (!sim_conn())
		p->wakes_late_until = W.now + l->arg + WAKE_MS;
	p->all_hung_until = W.now + l->arg;
}

/* node0->node1: node1 hears nothing of node0 */
static void
do_cut(const struct line *l)
{
	int k;

	for (k = 0; k < LINKS; k++)
		if (l->link < 0 || l->link == k)
			W.cut[k][1 - l->node] = true;
}

static void
do_cut_both(const struct line *l)
{
	int k;

	for (k = 0; k < LINKS; k++)
		if (l->link < 0 || l->link == k)
			W.cut[k][0] = W.cut[k][1] = true;
}

static void
do_mend(const struct line *l)
{
	int k;

	for (k = 0; k < LINKS; k++)
		if (l->link < 0 || l->link == k)
			W.cut[k][0] = W.cut[k][1] = false;
}

static void
do_kill_corosync(const struct line *l)
{
	W.pm[l->node].corosync = false;
}

static void
do_start_corosync(const struct line *l)
{
	W.pm[l->node].corosync = W.pm[l->node].powered;
}

static void
do_late_membership(const struct line *l)
{
	W.pm[l->node].cs_late_ms = l->arg;
}

static void
do_mirror_down(const struct line *l)
{
	W.mirror_down_until = W.now + l->arg;
}

enum { A_DOWN, A_UP, A_LOSSY, A_SLOW, A_STALE, A_GARBAGE };

static void
do_arbiter(const struct line *l)
{
	switch (l->word) {
	case A_DOWN:
		W.arb_down = true;
		break;
	case A_UP:
		W.arb_down = W.arb_stale = W.arb_garbage = false;
		W.pm[0].arb_cut = W.pm[1].arb_cut = false;
		W.arb_loss = 0;
		W.arb_slow_ms = W.arb_takes_ms = 0;
		break;
	case A_LOSSY:
		W.arb_loss = 40;
		break;
	case A_SLOW:
		W.arb_slow_ms = 900;
		break;
	case A_STALE:
		W.arb_stale = true;
		break;
	default:
		W.arb_garbage = true;
		break;
	}
}

static void
do_server_down(const struct line *l)
{
	W.server[l->arg & 1].down = true;
}

static void
do_server_up(const struct line *l)
{
	W.server[l->arg & 1].down = false;
}

static void
do_server_change(const struct line *l)
{
	(void)l;
	sim_server_change();
}

static void
do_expect_server(const struct line *l)
{
	if (sim_server_asked(l->node) != (int)l->arg)
		sim_bad("another quorum server than expected");
}

static void
do_arbiter_takes(const struct line *l)
{
	W.arb_takes_ms = l->arg;
}

static void
do_arbiter_cut(const struct line *l)
{
	W.pm[l->node].arb_cut = true;
}

static void
do_arbiter_reach(const struct line *l)
{
	W.pm[l->node].arb_cut = false;
}

/* The question under way takes effect; its answer never comes. */
static void
do_lose_answer(const struct line *l)
{
	struct question *q = &W.pm[l->node].q;

	if (!q->asked || q->fate != 0)
		return;
	q->fate = 2;
	q->answer_at = W.now + TIMING_ARBITER_MS;
}

/* --- a person --- */

/* As order_takeover(): refused unless there is something to take over. */
static void
do_takeover(const struct line *l)
{
	if (!sim_agent_works(l->node) ||
	    !role_may_take_over(&W.pm[l->node].role))
		return;
	TRACE("takeover ordered on node%d\n", l->node);
	if (l->arg != 0) {
		W.pm[l->node].takeover_at = W.now + l->arg;
		return;
	}
	/* what the agent checked may have changed when it comes to it */
	W.pm[l->node].takeover_at = W.now + TICK_MS +
	    sim_rnd(sim_rnd(6) ? 40 : 800);
}

/* avcli split resolve: said to one of the two. */
static void
do_choose(const struct line *l)
{
	sim_choose((int)sim_rnd(2), l->node);
}

/* A new machine in place of one that the unit doesn't need. */
static void
do_replace(const struct line *l)
{
	const struct pm *o = &W.pm[1 - l->node];

	if (!sim_agent_works(1 - l->node) || o->role.state != ROLE_ALONE ||
	    W.forked || !sim_serves_all(1 - l->node))
		return;
	sim_power_off(l->node);
	W.pm[l->node].disk = (struct role_record){ 0 };
	W.pm[l->node].stray = false;
	W.pm[l->node].quorum = (struct quorum_row){ 0 };
	W.pm[l->node].seed_at = 0;
	W.pm[l->node].choice = W.pm[l->node].discarded = 0;
	sim_volumes_new(l->node);
	sim_power_on(l->node);
}

/* A VM moves to the other PM while all is well. */
static void
do_move(const struct line *l)
{
	int v = l->node, i;

	if (!sim_settled())
		return;
	for (i = 0; i < 2; i++) {
		W.pm[i].place[v] = 1 - W.pm[i].place[v];
		W.pm[i].run[v] = !W.pm[i].run[v];
		W.pm[i].seq++;
	}
}

/* Maintenance of a PM begins; it ends with 'return' or when all is to settle. */
static void
do_leave(const struct line *l)
{
	sim_leave(l->node);
}

static void
do_return(const struct line *l)
{
	(void)l;
	W.leaving = 0;
}

/* --- what is to be --- */

#define CALM_MS	1200u

/* A hand-back and a change of the quorum server crossed, and agents died: nobody is
 * asked (docs/DESIGN.md, 5).  A person restarts the PM that follows and lets the owner go on. */
static void
settle_crossed(int i)
{
	const struct pm *p = &W.pm[i];

	if (!sim_agent_works(i) || !sim_agent_works(1 - i) ||
	    p->role.state != ROLE_WAITING || !p->role.rec.pending ||
	    sim_server_asked(i) >= 0 || p->takeover_at != 0)
		return;
	W.stats.crossed++;
	sim_power_off(1 - i);
	sim_power_on(1 - i);
	W.pm[i].takeover_at = W.now + 1500;
}

static void
settle_split(uint64_t since)
{
	struct line l = { .node = (int)sim_rnd(2) };
	int i;

	for (i = 0; i < 2 && W.now - since > 8000; i++)
		settle_crossed(i);
	/* nobody owns, and the arbiter's word didn't help */
	for (i = 0; i < 2; i++)
		if (W.now - since > 5000 && sim_agent_works(i) &&
		    W.pm[i].role.both_outdated && W.pm[i].takeover_at == 0 &&
		    !W.pm[i].role.asking && !W.pm[i].role.taking &&
		    !W.pm[1 - i].role.asking && !W.pm[1 - i].role.taking &&
		    W.pm[1 - i].takeover_at == 0 &&
		    role_may_take_over(&W.pm[i].role)) {
			l.node = i;
			do_takeover(&l);
			return;
		}
	if (W.now - since > 3000 && sim_may_choose(0) &&
	    W.pm[0].choice == 0 && W.pm[1].choice == 0)
		do_choose(&l);
}

static void
do_settle(const struct line *l)
{
	uint64_t since = W.now, end = W.now + SETTLE_MS;
	uint64_t acked[VOLUMES], k, calm = 0;
	int v;

	(void)l;
	sim_heal();
	/* a watchdog may still be on its way to firing */
	while (W.bad == NULL && W.now < end && calm < CALM_MS) {
		settle_split(since);
		sim_tick();
		calm = sim_settled() ? calm + TICK_MS : 0;
	}
	if (W.bad == NULL && !sim_settled()) {
		TRACE("pm0 %s (%s), pm1 %s (%s)\n",
		    role_state_name(W.pm[0].role.state),
		    W.pm[0].role.reason.text,
		    role_state_name(W.pm[1].role.state),
		    W.pm[1].role.reason.text);
		sim_bad("the unit didn't come together again");
	}
	for (v = 0; v < VOLUMES; v++)
		acked[v] = W.acked[v];
	/* chance lets a guest be idle for a while */
	for (k = 0; k < 300 && W.bad == NULL && (k < 60 ||
	    W.acked[0] == acked[0] || W.acked[1] == acked[1]); k++)
		sim_tick();
	for (v = 0; v < VOLUMES && W.bad == NULL; v++)
		if (W.acked[v] == acked[v])
			sim_bad("a guest doesn't get on");
	if (W.bad == NULL && !sim_settled())
		sim_bad("the unit doesn't stay together");
	W.peace = false;
}

/* One PM dies while all is well: the other one must serve every guest soon. */
static void
do_plain_death(const struct line *l)
{
	uint64_t end = W.now + SERVED_MS;
	int o = 1 - l->node;

	/* an arbiter that granted what its asker doesn't know: DESIGN.md, 5 */
	if (!sim_settled() || W.leaving != 0 ||
	    W.arbiter == ROLE_ARBITER_NONE || W.arb_down ||
	    W.pm[o].arb_cut || sim_server_asked(o) < 0 ||
	    W.server[sim_server_asked(o)].down ||
	    W.server[sim_server_asked(o)].rec.gen != W.pm[o].role.rec.gen)
		return;
	sim_power_off(l->node);
	while (W.bad == NULL && W.now < end && !sim_serves_all(o))
		sim_tick();
	if (W.bad == NULL && !sim_serves_all(o))
		sim_bad("the survivor doesn't serve all guests");
}

static void
do_expect(const struct line *l)
{
	if (W.bad != NULL)
		return;
	if (!W.pm[l->node].agent ||
	    (int)W.pm[l->node].role.state != l->word) {
		TRACE("node%d is %s\n", l->node, W.pm[l->node].agent ?
		    role_state_name(W.pm[l->node].role.state) : "dead");
		sim_bad("not the state that was expected");
	}
}

static void
do_expect_off(const struct line *l)
{
	if (W.pm[l->node].powered)
		sim_bad("it should be off");
}

enum { G_NONE, G_PAUSED, G_RUN };

static void
do_expect_guests(const struct line *l)
{
	const struct pm *p = &W.pm[l->node];
	bool any = p->run[0] || p->run[1];
	int is = !any || !p->powered ? G_NONE : p->paused ? G_PAUSED : G_RUN;

	if (is != l->word)
		sim_bad("guests aren't as expected");
}

enum { R_NEW, R_TOGETHER, R_ALONE, R_OUTDATED };

static void
do_expect_record(const struct line *l)
{
	if ((int)W.pm[l->node].disk.mode != l->word)
		sim_bad("the record isn't as expected");
}

static void
do_wait(const struct line *l)
{
	uint64_t end = W.now + l->arg;

	while (W.now < end && W.bad == NULL)
		sim_tick();
}

#define STATES	"joining together frozen alone rejoining follower stopped " \
	"waiting split"

const struct verb sim_verbs[] = {
	{ "power-off", "n", NULL, true, do_power_off },
	{ "power-on", "n", NULL, true, do_power_on },
	{ "blackout", "", NULL, true, do_blackout },
	{ "kill-agent", "no", NULL, true, do_kill_agent },
	{ "die-after-effects", "nm", NULL, true, do_die_after },
	{ "hang-agent", "nm", NULL, true, do_hang_agent },
	{ "hang", "nm", NULL, true, do_hang },
	{ "cut", "dl", NULL, true, do_cut },
	{ "cut-both", "l", NULL, true, do_cut_both },
	{ "mend", "l", NULL, true, do_mend },
	{ "kill-corosync", "n", NULL, true, do_kill_corosync },
	{ "start-corosync", "n", NULL, true, do_start_corosync },
	{ "late-membership", "nm", NULL, true, do_late_membership },
	{ "mirror-down", "m", NULL, true, do_mirror_down },
	{ "arbiter", "w", "down up lossy slow stale garbage", true,
	    do_arbiter },
	{ "arbiter-takes", "m", NULL, true, do_arbiter_takes },
	{ "server-down", "m", NULL, true, do_server_down },
	{ "server-up", "m", NULL, true, do_server_up },
	{ "server-change", "", NULL, true, do_server_change },
	{ "arbiter-cut", "n", NULL, true, do_arbiter_cut },
	{ "arbiter-reach", "n", NULL, true, do_arbiter_reach },
	{ "lose-answer", "n", NULL, true, do_lose_answer },
	{ "takeover", "no", NULL, true, do_takeover },
	{ "choose", "n", NULL, true, do_choose },
	{ "plain-death", "n", NULL, true, do_plain_death },
	{ "replace", "n", NULL, true, do_replace },
	{ "move", "v", NULL, false, do_move },
	{ "leave", "n", NULL, false, do_leave },
	{ "return", "", NULL, false, do_return },
	{ "wait", "m", NULL, false, do_wait },
	{ "settle", "", NULL, false, do_settle },
	{ "expect", "nw", STATES, false, do_expect },
	{ "expect-off", "n", NULL, false, do_expect_off },
	{ "expect-server", "nm", NULL, false, do_expect_server },
	{ "expect-guests", "nw", "none paused run", false, do_expect_guests },
	{ "expect-record", "nw", "new together alone outdated", false,
	    do_expect_record },
};
const size_t sim_n_verbs = sizeof(sim_verbs) / sizeof(sim_verbs[0]);

int
sim_verb(const char *name)
{
	size_t i;

	for (i = 0; i < sim_n_verbs; i++)
		if (strcmp(sim_verbs[i].name, name) == 0)
			return (int)i;
	return -1;
}
