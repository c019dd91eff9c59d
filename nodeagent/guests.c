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
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeagent/guests.h"
#include "nodeagent/imagecopy.h"
#include "vif/vif.h"

#define RETRY_NS		(1 * AV_NS_PER_S)
#define SHUTDOWN_AGAIN_NS	(15 * AV_NS_PER_S)
#define CRASH_WAIT_MAX_S	30u

struct guest {
	struct guest	*next;
	struct guests	*gs;
	struct store_vm	 row;
	bool		 in_db;
	struct vmm_dom	*dom;
	struct vmm_op	 op;
	bool		 op_busy;
	const char	*op_what;
	bool		 looked;	/* vmm_attach() has answered */
	bool		 reporting;
	uint64_t	 retry_ns;
	uint64_t	 run_id;	/* the process's run; 0 = none started */
	uint64_t	 reported_run_id;	/* 'started' is in the database */
	uint64_t	 ended_run_id;	/* whose end was dealt with */
	uint64_t	 shutdown_ns;	/* when the guest was asked last */
	unsigned	 crashes;	/* in a row; sets the wait */
	int64_t		 started_utc_ms;
	char		 why[256];	/* what it waits for, or what failed */
	/* filling new volumes */
	struct imagecopy *copy;
	struct imagecopy *copy_done;	/* to be freed outside its callback */
	char		 copy_volume[STORE_ID_MAX];
	int		 copy_percent;
	char		 copied[STORE_VM_DISKS_MAX][STORE_ID_MAX];
	unsigned	 n_copied;
};

struct guests {
	sd_event	*event;
	const struct agent_conf *conf;
	struct store	*store;
	struct volumes	*volumes;
	enum vmm_accel	 accel;
	const struct guests_ops *ops;
	void		*ctx;
	struct guest	*list;
	struct right	 right;
	bool		 complete;	/* the list has every VM of the database */
};

static const char *
short_id(const char *id)
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

static void
say_why(struct guest *g, const char *why)
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
		g->retry_ns = av_clock_ns() + RETRY_NS;
}

static void
report(struct guest *g, const char *event, const char *reason)
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

static void
order_done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct guest *g = container_of(op, struct guest, op);

	g->op_busy = false;
	if (rc < 0 && rc != -ENOENT && rc != -EALREADY) {
		log_warn(g->row.id, "%s: %s", g->op_what, err->text);
		g->retry_ns = av_clock_ns() + RETRY_NS;
		say_why(g, err->text);
	}
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

static struct vmm_op *
order_begin(struct guest *g, const char *what)
{
	g->op = (struct vmm_op){ .done = order_done };
	g->op_busy = true;
	g->op_what = what;
	log_info(g->row.id, "order: %s", what);
	return &g->op;
}

static void
order_end(struct guest *g, int rc, const struct av_err *err)
{
	if (rc == 0)
		return;
	g->op_busy = false;
	if (rc == -EALREADY)
		return;
	if (rc == -ESRCH) {	/* it ended just now: the news is on its way */
		g->retry_ns = av_clock_ns() + RETRY_NS;
		return;
	}
	log_warn(g->row.id, "%s: %s", g->op_what, err->text);
	g->retry_ns = av_clock_ns() + RETRY_NS;
	say_why(g, err->text);
}

static void
order_kill(struct guest *g)
{
	struct av_err err = { 0 };
	struct vmm_op *op = order_begin(g, "power off");

	order_end(g, vmm_kill(g->dom, op, &err), &err);
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
	op = order_begin(g, "shut down");
	order_end(g, vmm_shutdown(g->dom, op, &err), &err);
}

static void
order_pause(struct guest *g)
{
	struct av_err err = { 0 };
	struct vmm_op *op = order_begin(g, "pause");

	order_end(g, vmm_pause(g->dom, op, &err), &err);
}

static void
order_resume(struct guest *g)
{
	struct av_err err = { 0 };
	struct vmm_op *op = order_begin(g, "resume");

	order_end(g, vmm_resume(g->dom, op, &err), &err);
}

/* --- which run the process belongs to, across restarts of the agent --- */

static void
run_path(const struct guest *g, char *ret, size_t n)
{
	(void)snprintf(ret, n, "%s/vm/%s/run", g->gs->conf->run_dir,
	    short_id(g->row.id));
}

static int
run_write(const struct guest *g, struct av_err *err)
{
	char path[300], text[24];
	int n = snprintf(text, sizeof(text), "%llu",
	    (unsigned long long)g->row.run_id);

	run_path(g, path, sizeof(path));
	return av_file_write(path, text, (size_t)n, 0600, err);
}

/* 0 = nothing was started since this PM's start. */
static uint64_t
run_read(const struct guest *g)
{
	AUTO_FREE char *text = NULL;
	char path[300];
	uint64_t run_id = 0;

	run_path(g, path, sizeof(path));
	if (av_file_read(path, 24, &text, NULL, NULL) < 0 ||
	    av_parse_u64(text, &run_id) < 0)
		return 0;
	return run_id;
}

/* --- look -> start --- */

static void
dom_changed(struct vmm_dom *dom, void *ctx)
{
	struct guest *g = ctx;

	(void)dom;
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

static void
looked_done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct guest *g = container_of(op, struct guest, op);
	struct vmm_status st;

	g->op_busy = false;
	if (rc < 0 && rc != -ENOENT && rc != -ETIMEDOUT) {
		log_err(g->row.id, "looking for its process: %s", err->text);
		g->retry_ns = av_clock_ns() + RETRY_NS;
		say_why(g, err->text);
		return;		/* not looked: nothing is started beside it */
	}
	g->looked = true;
	vmm_status(g->dom, &st);
	if (st.pid > 0) {
		log_notice(g->row.id, "found running, process %d", (int)st.pid);
		g->started_utc_ms = av_clock_utc_ms();
	}
	g->run_id = run_read(g);
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

static int
spec_fill(const struct guest *g, struct vmm_spec *spec, struct av_err *err)
{
	const struct store_vm *row = &g->row;
	unsigned i;

	memset(spec, 0, sizeof(*spec));
	(void)snprintf(spec->id, sizeof(spec->id), "%.23s", short_id(row->id));
	(void)snprintf(spec->uuid, sizeof(spec->uuid), "%s", row->uuid);
	(void)snprintf(spec->name, sizeof(spec->name), "%s", row->name);
	spec->vcpus = row->vcpus;
	spec->memory_bytes = row->memory_bytes;
	spec->clock = strcmp(row->os, "windows") == 0 ? VMM_CLOCK_LOCALTIME :
	    VMM_CLOCK_UTC;
	for (i = 0; i < row->n_disks; i++) {
		struct vmm_disk *d = &spec->disks[spec->n_disks++];
		const char *front = volumes_front(g->gs->volumes,
		    row->disks[i].volume_id);
		struct store_volume vol;
		int rc = store_get_volume(g->gs->store,
		    row->disks[i].volume_id, &vol);

		if (rc < 0)
			return av_err_set(err, rc, "%s is not in the database",
			    row->disks[i].volume_id);
		(void)snprintf(d->nbd_socket, sizeof(d->nbd_socket), "%s",
		    front != NULL ? front : "/nonexistent");
		(void)snprintf(d->volume_uuid, sizeof(d->volume_uuid), "%s",
		    vol.uuid);
		d->boot_order = row->disks[i].boot ? 1 : 0;
	}
	for (i = 0; i < row->n_nics; i++) {
		struct vmm_nic *n = &spec->nics[spec->n_nics++];

		if (vif_mac_parse(row->nics[i].mac, n->mac) < 0)
			return av_err_set(err, -EINVAL, "bad MAC '%s'",
			    row->nics[i].mac);
		(void)snprintf(n->tap, sizeof(n->tap), "%s", row->nics[i].tap);
	}
	(void)snprintf(spec->runtime_dir, sizeof(spec->runtime_dir),
	    "%.60s/vm/%s", g->gs->conf->run_dir, spec->id);
	(void)snprintf(spec->log_dir, sizeof(spec->log_dir), "%.60s/vm-%s",
	    g->gs->conf->log_dir, spec->id);
	return 0;
}

static int
folders_make(const struct vmm_spec *spec, int gid, struct av_err *err)
{
	const char *dirs[] = { spec->runtime_dir, spec->log_dir };
	unsigned i;

	for (i = 0; i < 2; i++) {
		/* the console's group opens the screen's socket there */
		if (mkdir(dirs[i], 0750) < 0 && errno != EEXIST)
			return av_err_set(err, -errno, "%s: %s", dirs[i],
			    strerror(errno));
		if (i == 0 && gid >= 0 &&
		    (chown(dirs[i], (uid_t)-1, (gid_t)gid) < 0 ||
		    chmod(dirs[i], 02750) < 0))
			return av_err_set(err, -errno, "%s: %s", dirs[i],
			    strerror(errno));
	}
	return 0;
}

/* Opens the dom and looks whether its process runs already. */
static void
dom_open(struct guest *g)
{
	struct vmm_env env = { .event = g->gs->event,
	    .qemu_path = g->gs->conf->qemu, .helper_path = g->gs->conf->vmrun,
	    .accel = g->gs->accel, .changed = dom_changed,
	    .rx_packets = vif_rx_packets, .ctx = g };
	struct vmm_spec spec;
	struct av_err err = { 0 };
	int rc = spec_fill(g, &spec, &err);

	if (rc == 0)
		rc = folders_make(&spec, g->gs->conf->socket_gid, &err);
	if (rc == 0 && g->dom == NULL)
		rc = vmm_open(g->gs->conf->driver_vmm, &env, &spec, &g->dom,
		    &err);
	if (rc == 0) {
		g->op = (struct vmm_op){ .done = looked_done };
		g->op_busy = true;
		rc = vmm_attach(g->dom, &g->op, &err);
		if (rc < 0)
			g->op_busy = false;
	}
	if (rc < 0) {
		log_err(g->row.id, "%s", err.text);
		g->retry_ns = av_clock_ns() + RETRY_NS;
		say_why(g, err.text);
	}
}

static int
taps_make(const struct guest *g, struct av_err *err)
{
	unsigned i;
	int rc = 0;

	for (i = 0; i < g->row.n_nics && rc == 0; i++) {
		rc = vif_bridge_ensure(g->row.nics[i].bridge, err);
		if (rc == 0)
			rc = vif_tap_ensure(g->row.nics[i].tap,
			    g->row.nics[i].bridge, (uid_t)-1, err);
	}
	return rc;
}

static void
taps_delete(const struct guest *g)
{
	unsigned i;

	for (i = 0; i < g->row.n_nics; i++)
		(void)vif_tap_delete(g->row.nics[i].tap, NULL); /* may be gone */
}

static void
started_done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct guest *g = container_of(op, struct guest, op);
	unsigned i;

	if (rc == 0) {
		g->started_utc_ms = av_clock_utc_ms();
		say_why(g, "");
		for (i = 0; i < g->row.n_nics; i++) {
			uint8_t mac[6];

			/* switches must learn where it is now; the guest's own
			 * traffic teaches them too */
			if (vif_mac_parse(g->row.nics[i].mac, mac) == 0)
				(void)vif_announce_mac(g->row.nics[i].bridge,
				    mac, NULL);
		}
	}
	order_done(op, rc, err);
}

static void
guest_start(struct guest *g)
{
	struct vmm_spec spec;
	struct av_err err = { 0 };
	const char *why;
	struct vmm_op *op;
	unsigned i;
	int rc;

	for (i = 0; i < g->row.n_disks; i++)
		if (!volumes_ready(g->gs->volumes, g->row.disks[i].volume_id,
		    &why)) {
			char text[200];

			(void)snprintf(text, sizeof(text),
			    "waits for %s: %s", g->row.disks[i].volume_id, why);
			say_why(g, text);
			return;
		}
	rc = spec_fill(g, &spec, &err);
	if (rc == 0)
		rc = taps_make(g, &err);
	if (rc == 0)
		rc = vmm_set_spec(g->dom, &spec, &err);
	if (rc == 0)
		rc = run_write(g, &err);
	if (rc < 0) {
		log_err(g->row.id, "start: %s", err.text);
		g->retry_ns = av_clock_ns() + RETRY_NS;
		say_why(g, err.text);
		return;
	}
	g->run_id = g->row.run_id;
	g->shutdown_ns = 0;
	op = order_begin(g, "start");
	op->done = started_done;
	order_end(g, vmm_start(g->dom, 0, op, &err), &err);
}

/* --- filling a new VM's volumes from their images --- */

static void
copy_progress(void *ctx, int percent)
{
	struct guest *g = ctx;

	if (percent == g->copy_percent)
		return;
	g->copy_percent = percent;
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

static void
copy_ended(void *ctx, int rc, const struct av_err *err)
{
	struct guest *g = ctx;

	g->copy_done = TAKE_PTR(g->copy);
	if (rc < 0) {
		log_err(g->row.id, "%s: %s", g->copy_volume, err->text);
		report(g, "install-failed", err->text);
	} else {
		log_info(g->row.id, "%s has its image", g->copy_volume);
		(void)snprintf(g->copied[g->n_copied++],
		    sizeof(g->copied[0]), "%s", g->copy_volume);
	}
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

static bool
is_copied(const struct guest *g, const char *volume_id)
{
	unsigned i;

	for (i = 0; i < g->n_copied; i++)
		if (strcmp(g->copied[i], volume_id) == 0)
			return true;
	return false;
}

static void
copy_begin(struct guest *g, const struct store_volume *vol)
{
	static const struct imagecopy_ops ops = { .progress = copy_progress,
	    .done = copy_ended };
	struct av_err err = { 0 };
	char path[600];

	/* the command checked the name; a path must not grow out of a row */
	if (strchr(vol->image, '/') != NULL || vol->image[0] == '.') {
		report(g, "install-failed", "the image's name is not a file name");
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/images/%s",
	    g->gs->conf->state_dir, vol->image);
	(void)snprintf(g->copy_volume, sizeof(g->copy_volume), "%s", vol->id);
	g->copy_percent = 0;
	if (imagecopy_start(g->gs->event, path,
	    volumes_front(g->gs->volumes, vol->id), &ops, g, &g->copy,
	    &err) < 0) {
		log_err(g->row.id, "%s: %s", vol->id, err.text);
		report(g, "install-failed", err.text);
	}
}

static void
guest_install(struct guest *g)
{
	unsigned i;

	g->copy_done = imagecopy_free(g->copy_done);
	if (g->copy != NULL || g->reporting)
		return;
	for (i = 0; i < g->row.n_disks; i++) {
		struct store_volume vol;

		if (store_get_volume(g->gs->store, g->row.disks[i].volume_id,
		    &vol) < 0)
			return;
		if (vol.phase != STORE_READY && vol.phase != STORE_CREATING)
			return;
		if (!vol.leg_exists[g->gs->conf->node] ||
		    (g->gs->right.kind == RIGHT_TOGETHER &&
		    !(vol.leg_exists[0] && vol.leg_exists[1])))
			return;		/* the other PM is still making it */
		if (vol.installed || is_copied(g, vol.id))
			continue;
		if (!volumes_ready(g->gs->volumes, vol.id, NULL))
			return;
		copy_begin(g, &vol);
		return;
	}
	report(g, "installed", NULL);
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
		report(g, "stopped-by-guest", NULL);
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
	report(g, "crashed", text);
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
	} else if (st->state == VMM_PAUSED) {
		order_resume(g);
	} else if (st->alive && g->reported_run_id != g->row.run_id &&
	    st->state == VMM_RUNNING) {
		g->reported_run_id = g->row.run_id;
		g->crashes = 0;
		report(g, "started", NULL);
	}
}

static void
dead_reconcile(struct guest *g, const struct vmm_status *st)
{
	enum right_kind right = g->gs->right.kind;
	bool may = right == RIGHT_TOGETHER || right == RIGHT_ALONE;

	/* a VM at rest has no PM: whoever comes first says that it is gone */
	if (may && g->in_db && g->row.phase == STORE_DELETING &&
	    g->row.node < 0) {
		report(g, "deleted", NULL);
		return;
	}
	if (g->row.node != g->gs->conf->node || !g->in_db || !may) {
		if (st->state == VMM_EXITED && g->ended_run_id != g->run_id) {
			g->ended_run_id = g->run_id;
			taps_delete(g);
		}
		return;
	}
	if (g->row.phase == STORE_CREATING) {
		guest_install(g);
	} else if (g->row.phase == STORE_DELETING) {
		taps_delete(g);
		report(g, "deleted", NULL);
	} else if (g->row.want == STORE_WANT_STOPPED) {
		taps_delete(g);
		report(g, "stopped-by-guest", NULL);
	} else if (st->state == VMM_EXITED && g->run_id == g->row.run_id &&
	    g->ended_run_id != g->run_id) {
		guest_ended(g, st);
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
		dom_open(g);
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
		taps_delete(g);
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
	for (g = gs->list; g != NULL; g = g->next) {
		struct vmm_status st;

		if (!g->looked || g->op_busy)
			continue;	/* reconcile pauses it when it can */
		vmm_status(g->dom, &st);
		if (st.state == VMM_RUNNING)
			order_pause(g);
	}
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
	    short_id(vm_id)) >= (int)n)
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
		if (g->row.want == STORE_WANT_STOPPED)
			return "stopping";
		return st.alive ? "running" : "booting";
	case VMM_ABSENT:
	case VMM_EXITED:
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
