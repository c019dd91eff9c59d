/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guests.c - makes the guests on this PM follow the database and the
 *			right to run
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "nodeagent/guests_impl.h"

#define SHUTDOWN_AGAIN_NS	(15 * AV_NS_PER_S)
#define CRASH_WAIT_MAX_S	30u

const char *
guest_short_id(const char *id)
{
	const char *colon = strchr(id, ':');

	return colon != NULL ? colon + 1 : id;
}

static struct guest *
find(const struct guests *gs, const char *id)
{
	struct guest *g;

	for (g = gs->list; g != NULL; g = g->next)
		if (strcmp(g->row.id, id) == 0)
			return g;
	return NULL;
}

void
guest_say_why(struct guest *g, const char *why)
{
	if (strcmp(g->why, why) == 0)
		return;
	(void)snprintf(g->why, sizeof(g->why), "%s", why);
	if (*why != '\0')
		log_info(g->row.id, "%s", why);
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}
/* --- reports to the database --- */

static void
report_done(void *arg, int rc)
{
	struct guest *g = arg;

	g->reporting = false;
	if (rc < 0)
		g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
}

void
guest_report(struct guest *g, const char *event, const char *reason)
{
	json_t *args;

	if (g->reporting)
		return;
	args = json_pack("{s:s,s:I,s:s}", "vm", g->row.id, "run_id",
	    (json_int_t)g->row.run_id, "event", event);
	if (args == NULL)
		return;		/* tried again in a second */
	if (reason != NULL)
		(void)json_object_set_new(args, "reason", json_string(reason));
	g->reporting = true;
	g->gs->ops->report(g->gs->ctx, "vm.report", args, report_done, g);
}
/* --- orders to the hypervisor --- */

static void pause_now(struct guest *g);

void
guest_order_done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct guest *g = container_of(op, struct guest, op);

	g->op_busy = false;
	if (rc < 0 && rc != -ENOENT && rc != -EALREADY) {
		log_warn(g->row.id, "%s: %s", g->op_what, err->text);
		g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
		guest_say_why(g, err->text);
	}
	/* it was in the way of the pause; one that failed is tried later */
	if (g->gs->right.kind == RIGHT_FROZEN &&
	    strcmp(g->op_what, "pause") != 0)
		pause_now(g);
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

struct vmm_op *
guest_order_begin(struct guest *g, const char *what)
{
	g->op = (struct vmm_op){ .done = guest_order_done };
	g->op_busy = true;
	g->op_what = what;
	log_info(g->row.id, "order: %s", what);
	return &g->op;
}

void
guest_order_end(struct guest *g, int rc, const struct av_err *err)
{
	if (rc == 0)
		return;
	g->op_busy = false;
	if (rc == -EALREADY)
		return;
	if (rc == -ESRCH) {	/* it ended just now: the news is on its way */
		g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
		return;
	}
	log_warn(g->row.id, "%s: %s", g->op_what, err->text);
	g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
	guest_say_why(g, err->text);
}

static void
order_kill(struct guest *g)
{
	struct av_err err = { 0 };
	struct vmm_op *op = guest_order_begin(g, "power off");

	guest_order_end(g, vmm_kill(g->dom, op, &err), &err);
}

static void
order_shutdown(struct guest *g)
{
	struct av_err err = { 0 };
	struct vmm_op *op;

	if (g->shutdown_ns != 0 &&
	    av_clock_ns() - g->shutdown_ns < SHUTDOWN_AGAIN_NS)
		return;
	g->shutdown_ns = av_clock_ns();
	op = guest_order_begin(g, "shut down");
	guest_order_end(g, vmm_shutdown(g->dom, op, &err), &err);
}

static void
order_pause(struct guest *g)
{
	struct av_err err = { 0 };
	struct vmm_op *op = guest_order_begin(g, "pause");
	int rc = vmm_pause(g->dom, op, &err);

	g->paused = g->paused || rc == 0;
	guest_order_end(g, rc, &err);
}

static void
order_resume(struct guest *g)
{
	struct av_err err = { 0 };
	struct vmm_op *op = guest_order_begin(g, "resume");

	g->paused = false;
	guest_order_end(g, vmm_resume(g->dom, op, &err), &err);
}
/* Whatever the guest waits for else: this doesn't wait. */
static void
pause_now(struct guest *g)
{
	struct vmm_status st;

	if (!g->looked || g->op_busy)
		return;		/* guest_order_done() comes back to it */
	vmm_status(g->dom, &st);
	if (st.state == VMM_RUNNING)
		order_pause(g);
}
/* --- one guest --- */

static void
guest_ended(struct guest *g, const struct vmm_status *st)
{
	char text[200];
	unsigned wait_s;

	g->ended_run_id = g->run_id;
	if (st->reason == VMM_REASON_GUEST_SHUTDOWN) {
		log_notice(g->row.id, "the guest shut itself down");
		guest_report(g, "stopped-by-guest", NULL);
		return;
	}
	if (st->reason == VMM_REASON_ASKED)
		return;		/* we ended it; it is to run again */
	(void)snprintf(text, sizeof(text), "%s%s%s",
	    vmm_reason_name(st->reason), st->detail[0] != '\0' ? ": " : "",
	    st->detail);
	log_warn(g->row.id, "crashed (%s)", text);
	g->crashes++;
	wait_s = g->crashes < 5 ? 1u << (g->crashes - 1) : CRASH_WAIT_MAX_S;
	g->retry_ns = av_clock_ns() + wait_s * AV_NS_PER_S;
	guest_report(g, "crashed", text);
}

/* Its disk here is gone for good, and the other PM has it. */
static bool
disk_lost(const struct guest *g)
{
	unsigned i;

	if (g->gs->right.kind != RIGHT_TOGETHER)
		return false;
	for (i = 0; i < g->row.n_disks; i++)
		if (volumes_lost_here(g->gs->volumes,
		    g->row.disks[i].volume_id))
			return true;
	return false;
}

static void
live_reconcile(struct guest *g, const struct vmm_status *st)
{
	enum right_kind right = g->gs->right.kind;
	bool mine = g->row.node == g->gs->conf->node && g->in_db &&
	    g->row.phase == STORE_READY;

	if (right == RIGHT_UNKNOWN)
		return;
	if (right == RIGHT_NONE || right == RIGHT_FOLLOW || !mine) {
		order_kill(g);
	} else if (right == RIGHT_FROZEN) {
		if (st->state == VMM_RUNNING)
			order_pause(g);
	} else if (g->row.want == STORE_WANT_STOPPED) {
		if (g->row.stop_how == STORE_STOP_SHUTDOWN &&
		    st->state != VMM_PAUSED)
			order_shutdown(g);
		else if (g->row.stop_how == STORE_STOP_SHUTDOWN)
			order_resume(g);
		else
			order_kill(g);
	} else if (disk_lost(g)) {
		order_kill(g);
	} else if (st->state == VMM_PAUSED) {
		order_resume(g);
	} else if (guest_resize(g)) {
		;		/* a disk that grew: one order at a time */
	} else if (st->alive && g->reported_run_id != g->row.run_id &&
	    st->state == VMM_RUNNING) {
		g->reported_run_id = g->row.run_id;
		g->crashes = 0;
		guest_report(g, "started", NULL);
	}
}

static void
dead_reconcile(struct guest *g, const struct vmm_status *st)
{
	enum right_kind right = g->gs->right.kind;
	bool may = right == RIGHT_TOGETHER || right == RIGHT_ALONE;

	if (right == RIGHT_NONE || right == RIGHT_FOLLOW ||
	    g->row.node != g->gs->conf->node)
		guest_install_stop(g);
	/* a VM at rest has no PM: whoever comes first says that it is gone */
	if (may && g->in_db && g->row.phase == STORE_DELETING &&
	    g->row.node < 0) {
		guest_report(g, "deleted", NULL);
		return;
	}
	if (g->row.node != g->gs->conf->node || !g->in_db || !may) {
		if (st->state == VMM_EXITED && g->ended_run_id != g->run_id) {
			g->ended_run_id = g->run_id;
			guest_taps_delete(g);
		}
		return;
	}
	if (g->row.phase == STORE_CREATING) {
		guest_install(g);
	} else if (g->row.phase == STORE_DELETING) {
		guest_taps_delete(g);
		guest_report(g, "deleted", NULL);
	} else if (g->row.want == STORE_WANT_STOPPED) {
		guest_taps_delete(g);
		guest_report(g, "stopped-by-guest", NULL);
	} else if (st->state == VMM_EXITED && g->run_id == g->row.run_id &&
	    g->ended_run_id != g->run_id) {
		guest_ended(g, st);
	} else if (disk_lost(g)) {
		guest_report(g, "disk-lost", NULL);
	} else if (!g->row.crash_held) {
		guest_start(g);
	}
}

static void
guest_reconcile(struct guest *g)
{
	struct vmm_status st;

	if (g->op_busy || g->reporting || av_clock_ns() < g->retry_ns)
		return;
	if (!g->looked) {
		guest_look(g);
		return;
	}
	vmm_status(g->dom, &st);
	switch (st.state) {
	case VMM_STARTING:
	case VMM_RUNNING:
	case VMM_PAUSED:
		live_reconcile(g, &st);
		break;
	case VMM_ABSENT:
	case VMM_EXITED:
		dead_reconcile(g, &st);
		break;
	case VMM_INCOMING:
		break;
	}
}

/* --- the set of guests --- */

static int
take_row(void *arg, const struct store_vm *row)
{
	struct guests *gs = arg;
	struct guest *g = find(gs, row->id);

	if (g == NULL) {
		g = calloc(1, sizeof(*g));
		if (g == NULL)
			return -ENOMEM;
		g->gs = gs;
		g->next = gs->list;
		gs->list = g;
	}
	g->row = *row;
	g->in_db = true;
	return 0;
}

static bool
process_may_be_here(const struct guest *g)
{
	struct vmm_status st;

	if (!g->looked)
		return true;
	vmm_status(g->dom, &st);
	return st.pid > 0 || st.state == VMM_STARTING ||
	    st.state == VMM_RUNNING || st.state == VMM_PAUSED;
}

static void
guest_free(struct guest *g)
{
	(void)imagecopy_free(g->copy);
	(void)imagecopy_free(g->copy_done);
	(void)vmm_close(g->dom);
	free(g);
}

static void
drop_gone(struct guests *gs)
{
	struct guest **at = &gs->list;

	while (*at != NULL) {
		struct guest *g = *at;

		if (g->in_db || g->op_busy || g->reporting ||
		    process_may_be_here(g)) {
			at = &g->next;
			continue;
		}
		guest_taps_delete(g);
		*at = g->next;
		guest_free(g);
	}
}

void
guests_reconcile(struct guests *gs, const struct right *right)
{
	struct guest *g;

	gs->right = *right;
	for (g = gs->list; g != NULL; g = g->next)
		g->in_db = false;
	gs->complete = store_each_vm(gs->store, take_row, gs) == 0;
	if (!gs->complete)
		return;		/* half a list must not end guests */
	for (g = gs->list; g != NULL; g = g->next)
		guest_reconcile(g);
	drop_gone(gs);
}

void
guests_pause_all(struct guests *gs)
{
	struct guest *g;

	gs->right.kind = RIGHT_FROZEN;
	for (g = gs->list; g != NULL; g = g->next)
		pause_now(g);
}

int
guests_open(sd_event *event, const struct agent_conf *conf,
    struct store *store, struct volumes *volumes, enum vmm_accel accel,
    const struct guests_ops *ops, void *ctx, struct guests **ret,
    struct av_err *err)
{
	struct guests *gs = calloc(1, sizeof(*gs));
	char dir[256];

	if (gs == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	*gs = (struct guests){ .event = event, .conf = conf, .store = store,
	    .volumes = volumes, .accel = accel, .ops = ops, .ctx = ctx };
	(void)snprintf(dir, sizeof(dir), "%s/vm", conf->run_dir);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
		int rc = av_err_set(err, -errno, "%s: %s", dir, strerror(errno));

		free(gs);
		return rc;
	}
	*ret = gs;
	return 0;
}

struct guests *
guests_close(struct guests *gs)
{
	if (gs == NULL)
		return NULL;
	while (gs->list != NULL) {
		struct guest *g = gs->list;

		gs->list = g->next;
		guest_free(g);
	}
	free(gs);
	return NULL;
}

/* --- what others ask --- */

bool
guests_here(const struct guests *gs, const char *vm_id)
{
	const struct guest *g = find(gs, vm_id);

	if (*vm_id == '\0')
		return false;
	return g == NULL ? !gs->complete :
	    g->copy != NULL || process_may_be_here(g);
}

struct vmm_dom *
guests_dom(const struct guests *gs, const char *vm_id)
{
	const struct guest *g = find(gs, vm_id);

	return g != NULL ? g->dom : NULL;
}

bool
guests_none(const struct guests *gs)
{
	const struct guest *g;

	for (g = gs->list; g != NULL; g = g->next)
		if (process_may_be_here(g))
			return false;
	return gs->complete;
}

bool
guests_awake(const struct guests *gs)
{
	const struct guest *g;

	for (g = gs->list; g != NULL; g = g->next) {
		struct vmm_status st = { 0 };

		if (!g->looked)
			return true;
		vmm_status(g->dom, &st);
		if (st.state == VMM_RUNNING && !g->paused)
			return true;
	}
	return !gs->complete;
}

bool
guests_all_started(const struct guests *gs)
{
	const struct guest *g;

	for (g = gs->list; g != NULL; g = g->next) {
		struct vmm_status st;

		if (g->row.want != STORE_WANT_RUNNING ||
		    g->row.node != gs->conf->node || g->row.crash_held)
			continue;
		if (!g->looked)
			return false;
		vmm_status(g->dom, &st);
		if (st.state != VMM_RUNNING)
			return false;
	}
	return true;
}

int
guests_vnc_path(const struct guests *gs, const char *vm_id, char *ret, size_t n,
    struct av_err *err)
{
	const struct guest *g = find(gs, vm_id);
	struct vmm_status st = { 0 };

	if (g != NULL && g->looked)
		vmm_status(g->dom, &st);
	if (st.pid == 0)
		return av_err_code(err, -ESRCH, "not-here",
		    "the VM's guest is not running on this PM");
	if (snprintf(ret, n, "%s/vm/%s/vnc.sock", gs->conf->run_dir,
	    guest_short_id(vm_id)) >= (int)n)
		return av_err_set(err, -ENAMETOOLONG, "path too long");
	return 0;
}

static const char *
activity(const struct guest *g)
{
	struct vmm_status st = { 0 };

	if (g->row.phase == STORE_CREATING)
		return "installing";
	if (g->looked)
		vmm_status(g->dom, &st);
	switch (st.state) {
	case VMM_STARTING:
		return "booting";
	case VMM_PAUSED:
		return "paused";
	case VMM_RUNNING:
		/* QEMU's answer to 'stop' waits for held writes; its vCPUs don't */
		if (g->gs->right.kind == RIGHT_FROZEN)
			return "paused";
		if (g->row.want == STORE_WANT_STOPPED)
			return "stopping";
		return st.alive ? "running" : "booting";
	case VMM_ABSENT:
	case VMM_EXITED:
	case VMM_INCOMING:
		break;
	}
	if (g->row.want == STORE_WANT_STOPPED)
		return "stopped";
	return g->crashes > 0 || g->row.crash_held ? "crashed" : "booting";
}

static json_t *
guest_fact(const struct guest *g)
{
	struct vmm_status st = { 0 };
	json_t *reason = json_null();

	if (g->looked)
		vmm_status(g->dom, &st);
	if (g->why[0] != '\0')
		reason = json_pack("{s:s,s:s}", "code", "guest-waits", "text",
		    g->why);
	return json_pack("{s:s,s:I,s:o,s:o,s:I,s:i}", "activity", activity(g),
	    "run_id", (json_int_t)g->row.run_id, "reason", reason,
	    "progress_percent", g->copy != NULL ?
	    json_integer(g->copy_percent) : json_null(), "started_utc_ms",
	    (json_int_t)(st.pid > 0 ? g->started_utc_ms : 0), "pid",
	    (int)st.pid);
}

json_t *
guests_facts(const struct guests *gs)
{
	json_t *all = json_object();
	const struct guest *g;

	for (g = gs->list; all != NULL && g != NULL; g = g->next)
		if (g->row.node == gs->conf->node || process_may_be_here(g))
			(void)json_object_set_new(all, g->row.id,
			    guest_fact(g));
	return all;
}
