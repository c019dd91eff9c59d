/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guests_move.c - a guest that goes to the other PM while it runs
 *
 * core/move.h decides; this file shows it what there is and does what it says.  What
 * must survive the agent is in RUNTIME/move: "ID MARK" of the move that the process
 * was made for or sent by.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeagent/guests_impl.h"
#include "vif/vif.h"

/* How long a step may take, unscaled: a process's start, and the change-over. */
#define PREPARING_NS	(40 * AV_NS_PER_S)
#define SWITCHING_NS	(15 * AV_NS_PER_S)

/* --- RUNTIME/move --- */

static void
move_path(const struct guest *g, char *ret, size_t n)
{
	(void)snprintf(ret, n, "%s/vm/%s/move", g->gs->conf->run_dir,
	    guest_short_id(g->row.id));
}

/* Before what it allows happens.  The folder is in memory: it goes with the process. */
static int
move_write(struct guest *g, uint64_t id, enum move_mark mark)
{
	struct av_err err = { 0 };
	char path[300], text[40];
	int n = snprintf(text, sizeof(text), "%" PRIu64 " %d", id, (int)mark);
	int rc;

	move_path(g, path, sizeof(path));
	rc = av_file_write(path, text, (size_t)n, 0600, &err);
	if (rc < 0) {
		log_err(g->row.id, "%s", err.text);
		g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
		return rc;
	}
	g->move.id = id;
	g->move.mark = mark;
	return 0;
}

void
guest_move_read(struct guest *g)
{
	AUTO_FREE char *text = NULL;
	char path[300], *space;
	uint64_t id = 0, mark = 0;

	g->move.id = 0;
	g->move.mark = MOVE_MARK_NONE;
	move_path(g, path, sizeof(path));
	if (av_file_read(path, 40, &text, NULL, NULL) < 0)
		return;
	space = strchr(text, ' ');
	if (space != NULL)
		*space = '\0';
	/* torn: written by nobody; the safe reading is that it was ordered */
	if (space == NULL || av_parse_u64(text, &id) < 0 ||
	    av_parse_u64(space + 1, &mark) < 0 || mark > MOVE_MARK_DOOMED)
		mark = MOVE_MARK_ORDERED;
	g->move.id = id;
	g->move.mark = (enum move_mark)mark;
	g->move.maybe = mark != MOVE_MARK_NONE;
}

int
guest_move_forget(struct guest *g)
{
	g->move.maybe = false;
	return g->move.id == 0 ? 0 : move_write(g, 0, MOVE_MARK_NONE);
}

/* --- what there is --- */

static enum move_right
right_of(const struct guests *gs)
{
	static const enum move_right rights[RIGHT_N] = {
		[RIGHT_UNKNOWN] = MOVE_UNKNOWN,
		[RIGHT_TOGETHER] = MOVE_TOGETHER,
		[RIGHT_FROZEN] = MOVE_FROZEN, [RIGHT_ALONE] = MOVE_ALONE,
		[RIGHT_FOLLOW] = MOVE_NO_RIGHT, [RIGHT_NONE] = MOVE_NO_RIGHT,
	};

	return rights[gs->right.kind];
}

static enum move_place
place_of(const struct guest *g)
{
	bool going = g->row.move.to >= 0;

	if (!g->in_db)
		return MOVE_AWAY;
	if (g->row.node == g->gs->conf->node)
		return going ? MOVE_SOURCE : MOVE_HOME;
	return going && g->row.move.to == g->gs->conf->node ? MOVE_TARGET :
	    MOVE_AWAY;
}

/* Stopped for the change-over, or still copying: it may run on by itself.  One that
 * was told to pause is pinned: it can't. */
bool
guest_is_being_sent(const struct vmm_status *st)
{
	return vmm_is_migrating_out(st) && !(st->state == VMM_PAUSED &&
	    st->reason == VMM_REASON_ASKED);
}

static enum move_proc
proc_of(const struct vmm_status *st)
{
	switch (st->state) {
	case VMM_ABSENT:
	case VMM_EXITED:
		return MOVE_P_NONE;
	case VMM_INCOMING:
		return st->migration.phase == VMM_PHASE_COMPLETE ?
		    MOVE_P_IN_DONE : MOVE_P_IN;
	case VMM_STARTING:
	case VMM_RUNNING:
		return guest_is_being_sent(st) ? MOVE_P_OUT : MOVE_P_RUNS;
	case VMM_PAUSED:
		break;
	}
	if (guest_is_being_sent(st))
		return MOVE_P_OUT;
	return st->reason == VMM_REASON_MIGRATION &&
	    st->migration.phase == VMM_PHASE_COMPLETE ? MOVE_P_OUT_DONE :
	    MOVE_P_PAUSED;
}

static bool
disks_are(const struct guest *g, bool leaving)
{
	unsigned i;

	for (i = 0; i < g->row.n_disks; i++) {
		const char *id = g->row.disks[i].volume_id;

		if (leaving ? !volumes_may_leave(g->gs->volumes, id) :
		    !volumes_ready(g->gs->volumes, id, NULL))
			return false;
	}
	return true;
}

static bool
disks_are_lost_there(const struct guest *g)
{
	unsigned i;

	for (i = 0; i < g->row.n_disks; i++)
		if (volumes_lost_there(g->gs->volumes,
		    g->row.disks[i].volume_id))
			return true;
	return false;
}

/* What the target says of its process, if that is of this move. */
static const json_t *
peer_word(const struct guest *g)
{
	const json_t *m;

	if (g->gs->ops->peer_vm == NULL)
		return NULL;
	m = json_object_get(g->gs->ops->peer_vm(g->gs->ctx, g->row.id), "move");
	return (uint64_t)json_integer_value(json_object_get(m, "id")) ==
	    g->row.move.id && g->row.move.id != 0 &&
	    strcmp(json_string_value(json_object_get(m, "side")) ?
	    json_string_value(json_object_get(m, "side")) : "", "in") == 0 ?
	    m : NULL;
}

static enum move_peer
peer_says(const struct guest *g)
{
	const char *phase = json_string_value(json_object_get(peer_word(g),
	    "phase"));

	if (phase == NULL)
		return MOVE_PEER_NOTHING;
	if (strcmp(phase, "waiting") == 0)
		return MOVE_PEER_LISTENS;
	if (strcmp(phase, "active") == 0)
		return MOVE_PEER_RECEIVES;
	return strcmp(phase, "complete") == 0 ? MOVE_PEER_DONE :
	    MOVE_PEER_NOTHING;
}

static bool
is_late(const struct guest *g)
{
	uint64_t limit_ns;

	switch (g->move.why) {
	case MOVE_WHY_PREPARING:
		limit_ns = PREPARING_NS;
		break;
	case MOVE_WHY_SWITCHING:
		limit_ns = SWITCHING_NS;
		break;
	default:
		return false;	/* the hypervisor has its own limit for memory */
	}
	return av_clock_ns() - g->move.since_ns >
	    av_scaled_ns(g->gs->conf->time_scale, limit_ns);
}

static struct move_in
look(const struct guest *g, const struct vmm_status *st)
{
	bool source;
	struct move_in in = {
		.right = right_of(g->gs), .place = place_of(g),
		.proc = proc_of(st), .proc_move = g->move.id,
		.mark = g->move.mark, .same_run = g->run_id == g->row.run_id,
		.ordering = g->move.ordering,
	};

	source = in.place == MOVE_SOURCE;
	if (source || in.place == MOVE_TARGET)
		in.move = g->row.move.id;
	if (g->row.node == g->gs->conf->node)
		in.arrived = g->row.move.arrived;
	in.disks_ready = disks_are(g, source && in.right == MOVE_TOGETHER &&
	    in.proc != MOVE_P_IN_DONE);
	in.disks_lost = source && disks_are_lost_there(g);
	in.peer = source ? peer_says(g) : MOVE_PEER_NOTHING;
	in.late = is_late(g);
	return in;
}

bool
guest_move_may_start(const struct guest *g)
{
	struct vmm_status none = { .state = VMM_ABSENT };
	struct move_in in = look(g, &none);

	return move_may_start(&in);
}

/* --- orders to the database --- */

static void
ended_done(void *arg, int rc, bool maybe)
{
	struct guest *g = arg;

	(void)maybe;		/* the row tells */
	g->move.ordering = false;
	if (rc < 0)
		g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
	else
		guest_say_why(g, "");	/* last_migration has it */
}

static void
order_ended(struct guest *g, enum move_why why)
{
	json_t *args = json_pack("{s:s,s:I,s:s,s:s}", "vm", g->row.id, "move",
	    (json_int_t)g->row.move.id, "reason", move_why_code(why), "detail",
	    g->move.detail);

	if (args == NULL)
		return;		/* tried again in a second */
	g->move.ordering = true;
	g->gs->ops->order(g->gs->ctx, "vm.move-ended", args, ended_done, g);
}

static void
switch_done(void *arg, int rc, bool maybe)
{
	struct guest *g = arg;

	g->move.ordering = false;
	if (rc == 0)
		return;		/* the row tells */
	g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
	g->move.maybe |= maybe;
	/* certainly ordered by nobody: it is as before */
	if (!g->move.maybe && g->move.mark == MOVE_MARK_ORDERED)
		(void)move_write(g, g->move.id, MOVE_MARK_NONE);
}

static void
order_switch(struct guest *g)
{
	json_t *args = json_pack("{s:s,s:I}", "vm", g->row.id, "move",
	    (json_int_t)g->row.move.id);

	if (args == NULL)
		return;
	if (move_write(g, g->move.id, MOVE_MARK_ORDERED) < 0) {
		json_decref(args);
		return;
	}
	log_notice(g->row.id, "it is on both PMs and stopped: handing it over");
	g->move.ordering = true;
	g->gs->ops->order(g->gs->ctx, "vm.switch", args, switch_done, g);
}

/* --- orders to the hypervisor --- */

static void
keep_detail(struct guest *g, const char *text)
{
	(void)snprintf(g->move.detail, sizeof(g->move.detail), "%.140s", text);
	av_utf8_trim(g->move.detail);
}

/* Where this PM is reached: as the mirror, in its order, by the first link that is
 * up. */
static const char *
own_address(const struct guests *gs)
{
	const struct agent_conf *c = gs->conf;
	const char *any = NULL;
	size_t i, j;

	for (i = 0; i < c->n_mirror_peers; i++)
		for (j = 0; j < c->n_links; j++) {
			const char *local = c->links[j].local;

			if (strcmp(c->links[j].peer, c->mirror_peers[i]) != 0)
				continue;
			if (gs->ops->link_up == NULL ||
			    gs->ops->link_up(gs->ctx, local))
				return local;
			any = any != NULL ? any : local;
		}
	return any != NULL ? any : c->n_links > 0 ? c->links[0].local :
	    "127.0.0.1";
}

static void
link_fill(const struct guest *g, struct vmm_link *link, const char *address,
    uint16_t port)
{
	*link = (struct vmm_link){ .port = port,
	    .psk_file = g->gs->conf->psk_file };
	(void)snprintf(link->address, sizeof(link->address), "%s", address);
	(void)snprintf(link->tag, sizeof(link->tag), "%" PRIu64,
	    g->row.move.id);
}

static void
receive_done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct guest *g = container_of(op, struct guest, op);

	if (rc < 0)
		keep_detail(g, err->text);
	guest_order_done(op, rc, err);
}

static void
receive(struct guest *g)
{
	struct vmm_link link;
	struct vmm_op *op;
	struct av_err err = { 0 };
	unsigned i;

	for (i = 0; i < g->row.n_disks; i++)
		if (!volumes_answers(g->gs->volumes,
		    g->row.disks[i].volume_id))
			return;		/* its server is starting */
	link_fill(g, &link, own_address(g->gs), 0);
	/* one process a move, whatever becomes of it */
	if (move_write(g, g->row.move.id, MOVE_MARK_NONE) < 0)
		return;
	g->move.detail[0] = '\0';
	g->move.maybe = false;
	if (guest_prepare(g, g->row.run_id + 1, &err) < 0) {
		log_err(g->row.id, "%s", err.text);
		keep_detail(g, err.text);
		return;		/* told by move-ended */
	}
	op = guest_order_begin(g, "receive it");
	op->done = receive_done;
	guest_order_end(g, vmm_start_incoming(g->dom, &link, op, &err), &err);
}

static void
send_done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct guest *g = container_of(op, struct guest, op);

	if (rc < 0)
		keep_detail(g, err->text);
	guest_order_done(op, rc, err);
}

static void
send(struct guest *g)
{
	const json_t *m = peer_word(g);
	const char *address = json_string_value(json_object_get(m, "address"));
	json_int_t port = json_integer_value(json_object_get(m, "port"));
	struct vmm_link link;
	struct vmm_op *op;
	struct av_err err = { 0 };
	int rc;

	if (address == NULL || *address == '\0' || port <= 0 || port > UINT16_MAX)
		return;
	link_fill(g, &link, address, (uint16_t)port);
	if (move_write(g, g->row.move.id, MOVE_MARK_NONE) < 0)
		return;
	g->move.detail[0] = '\0';
	g->move.maybe = false;
	op = guest_order_begin(g, "send it to the other PM");
	op->done = send_done;
	rc = vmm_migrate_out(g->dom, &link, NULL, op, &err);
	if (rc < 0)
		keep_detail(g, err.text);
	guest_order_end(g, rc, &err);
}

static void
cancel(struct guest *g)
{
	struct av_err err = { 0 };
	struct vmm_op *op = guest_order_begin(g, "stop sending it");

	guest_order_end(g, vmm_migrate_cancel(g->dom, op, &err), &err);
}

/* Switches learn where it is; what the source's own frames taught them is over. */
void
guest_announce(const struct guest *g)
{
	unsigned i;

	for (i = 0; i < g->row.n_nics; i++) {
		uint8_t mac[6];

		if (vif_mac_parse(g->row.nics[i].mac, mac) == 0)
			(void)vif_announce_mac(g->row.nics[i].bridge, mac,
			    NULL);	/* the guest's own traffic teaches too */
	}
}

static void
resumed(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct guest *g = container_of(op, struct guest, op);

	if (rc == 0) {
		guest_say_why(g, "");
		guest_announce(g);
	}
	guest_order_done(op, rc, err);
}

static void
resume(struct guest *g, const char *what)
{
	struct av_err err = { 0 };
	struct vmm_op *op = guest_order_begin(g, what);

	op->done = resumed;
	g->paused = false;
	guest_order_end(g, vmm_resume(g->dom, op, &err), &err);
}

static void
arrive(struct guest *g)
{
	g->came = true;
	g->reported_run_id = g->row.run_id;	/* it was started elsewhere */
	g->started_utc_ms = 0;			/* the row has it */
	g->crashes = 0;
	resume(g, "it has moved here: resume");
}

static void
keep(struct guest *g)
{
	if (g->move.mark != MOVE_MARK_NONE &&
	    move_write(g, g->move.id, MOVE_MARK_NONE) < 0)
		return;
	g->move.maybe = false;
	resume(g, "it stays here: resume");
}

static void
doom(struct guest *g)
{
	log_warn(g->row.id, "the other PM may have run it on: its image here "
	    "is void");
	if (g->move.mark == MOVE_MARK_DOOMED ||
	    move_write(g, g->move.id, MOVE_MARK_DOOMED) == 0)
		guest_order_kill(g);
}

static void
act(struct guest *g, struct move_out out)
{
	switch (out.what) {
	case MOVE_DO_RECEIVE:
		receive(g);
		break;
	case MOVE_DO_SEND:
		send(g);
		break;
	case MOVE_DO_SWITCH:
		order_switch(g);
		break;
	case MOVE_DO_END:
		order_ended(g, out.why);
		break;
	case MOVE_DO_CANCEL:
		cancel(g);
		break;
	case MOVE_DO_PIN:
		guest_order_pause(g);
		break;
	case MOVE_DO_KEEP:
		keep(g);
		break;
	case MOVE_DO_ARRIVE:
		arrive(g);
		break;
	case MOVE_DO_DOOM:
		doom(g);
		break;
	case MOVE_DO_KILL:
		guest_order_kill(g);
		break;
	case MOVE_DO_NORMAL:
	case MOVE_DO_WAIT:
	case MOVE_N_DOS:
		break;
	}
}

static void
note(struct guest *g, const struct vmm_status *st, struct move_out out)
{
	if (st->migration.why[0] != '\0')
		keep_detail(g, st->migration.why);
	else if (st->state == VMM_EXITED && st->detail[0] != '\0' &&
	    st->reason == VMM_REASON_INCOMING_FAILED)
		keep_detail(g, st->detail);
	if (g->move.why == out.why && g->move.step_of == g->row.move.id)
		return;
	if (out.why != MOVE_WHY_NONE)
		log_info(g->row.id, "move: %s", move_why_code(out.why));
	g->move.why = out.why;
	g->move.step_of = g->row.move.id;
	g->move.since_ns = av_clock_ns();
}

bool
guest_move(struct guest *g, const struct vmm_status *st)
{
	enum move_proc proc = proc_of(st);
	struct move_in in;
	struct move_out out;

	/* most of the time, and when it is to go at once: nothing of a move */
	if (g->row.move.to < 0 && (proc == MOVE_P_NONE || proc == MOVE_P_RUNS ||
	    proc == MOVE_P_PAUSED) && g->move.mark == MOVE_MARK_NONE) {
		g->move.why = MOVE_WHY_NONE;
		return false;
	}
	if (g->in_db && g->row.node == g->gs->conf->node &&
	    (g->row.phase != STORE_READY || (g->row.want ==
	    STORE_WANT_STOPPED && g->row.stop_how == STORE_STOP_POWEROFF)))
		return false;
	in = look(g, st);
	out = move_decide(&in);
	note(g, st, out);
	act(g, out);
	return out.what != MOVE_DO_NORMAL;
}

/* --- what others see --- */

bool
guest_is_sent_away(const struct guest *g, const struct vmm_status *st)
{
	return proc_of(st) == MOVE_P_OUT_DONE && g->in_db &&
	    g->row.node != g->gs->conf->node;
}

json_t *
guest_move_fact(const struct guest *g, const struct vmm_status *st)
{
	const struct vmm_migration *m = &st->migration;
	enum move_proc proc = proc_of(st);
	bool in = proc == MOVE_P_IN || proc == MOVE_P_IN_DONE;

	if (g->move.id == 0 || (!in && proc != MOVE_P_OUT &&
	    proc != MOVE_P_OUT_DONE))
		return json_null();
	return json_pack("{s:I,s:s,s:s,s:s,s:i,s:I,s:I,s:I,s:I,s:I,s:i}", "id",
	    (json_int_t)g->move.id, "side", in ? "in" : "out", "phase",
	    vmm_phase_name(m->phase), "address", m->address, "port",
	    (int)m->port, "total_bytes", (json_int_t)m->total_bytes,
	    "copied_bytes", (json_int_t)m->copied_bytes, "remaining_bytes",
	    (json_int_t)m->remaining_bytes, "dirty_bytes_s",
	    (json_int_t)m->dirty_bytes_s, "rate_bytes_s",
	    (json_int_t)m->rate_bytes_s, "downtime_ms", (int)m->downtime_ms);
}
