/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guests_start.c - finding and starting a guest's process
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeagent/guests_impl.h"
#include "vif/vif.h"

/* --- which run the process belongs to, across restarts of the agent --- */

static void
run_path(const struct guest *g, char *ret, size_t n)
{
	(void)snprintf(ret, n, "%s/vm/%s/run", g->gs->conf->run_dir,
	    guest_short_id(g->row.id));
}

static int
run_write(const struct guest *g, uint64_t run_id, struct av_err *err)
{
	char path[300], text[24];
	int n = snprintf(text, sizeof(text), "%llu",
	    (unsigned long long)run_id);

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
		g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
		guest_say_why(g, err->text);
		return;		/* not looked: nothing is started beside it */
	}
	g->looked = true;
	vmm_status(g->dom, &st);
	if (st.pid > 0)	/* since when: the row has it */
		log_notice(g->row.id, "found running, process %d", (int)st.pid);
	g->run_id = run_read(g);
	guest_move_read(g);
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

static int
spec_fill(const struct guest *g, struct vmm_spec *spec, struct av_err *err)
{
	const struct store_vm *row = &g->row;
	unsigned i;

	memset(spec, 0, sizeof(*spec));
	(void)snprintf(spec->id, sizeof(spec->id), "%.23s",
	    guest_short_id(row->id));
	(void)snprintf(spec->uuid, sizeof(spec->uuid), "%s", row->uuid);
	(void)snprintf(spec->name, sizeof(spec->name), "%s", row->name);
	spec->vcpus = row->vcpus;
	spec->memory_bytes = row->memory_bytes;
	spec->clock = strcmp(row->os, "windows") == 0 ? VMM_CLOCK_LOCALTIME :
	    VMM_CLOCK_UTC;
	/* it knows no PVH, and its boot loader is no pvgrub's business */
	if (strcmp(row->os, "windows") == 0 &&
	    strcmp(g->gs->conf->driver_vmm, "xen") == 0)
		spec->os = VMM_OS_LEGACY;
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
		if (front != NULL && strncmp(front, "/dev/", 5) == 0)
			(void)snprintf(d->block_path, sizeof(d->block_path),
			    "%s", front);
		else
			(void)snprintf(d->nbd_socket, sizeof(d->nbd_socket),
			    "%s", front != NULL ? front : "/nonexistent");
		(void)snprintf(d->volume_uuid, sizeof(d->volume_uuid), "%s",
		    vol.uuid);
		d->boot_order = row->disks[i].boot ? 1 : 0;
		d->size_bytes = vol.size_bytes;
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
void
guest_look(struct guest *g)
{
	struct vmm_env env = { .event = g->gs->event,
	    .qemu_path = g->gs->conf->qemu, .helper_path = g->gs->conf->vmrun,
	    .accel = g->gs->accel, .changed = dom_changed,
	    .time_scale = g->gs->conf->time_scale,
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
		g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
		guest_say_why(g, err.text);
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

void
guest_taps_delete(const struct guest *g)
{
	unsigned i;

	for (i = 0; i < g->row.n_nics; i++)
		(void)vif_tap_delete(g->row.nics[i].tap, NULL); /* may be gone */
}

static void
started_done(struct vmm_op *op, int rc, const struct av_err *err)
{
	struct guest *g = container_of(op, struct guest, op);

	if (rc == 0) {
		g->started_utc_ms = av_clock_utc_ms();
		guest_say_why(g, "");
		guest_announce(g);
	}
	guest_order_done(op, rc, err);
}

int
guest_prepare(struct guest *g, uint64_t run_id, struct av_err *err)
{
	struct vmm_spec spec;
	int rc = spec_fill(g, &spec, err);

	if (rc == 0)
		rc = taps_make(g, err);
	if (rc == 0)
		rc = vmm_set_spec(g->dom, &spec, err);
	if (rc == 0)
		rc = run_write(g, run_id, err);
	if (rc < 0)
		return rc;
	g->run_id = run_id;
	g->shutdown_ns = 0;
	memset(g->disk_bytes, 0, sizeof(g->disk_bytes));
	g->paused = g->came = false;
	return 0;
}

void
guest_start(struct guest *g)
{
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
			guest_say_why(g, text);
			return;
		}
	if (!guest_move_may_start(g)) {
		guest_say_why(g, "waits until the other PM can't be running it");
		return;
	}
	rc = guest_move_forget(g);
	if (rc < 0)
		return;		/* said, and tried again */
	rc = guest_prepare(g, g->row.run_id, &err);
	if (rc < 0) {
		log_err(g->row.id, "start: %s", err.text);
		g->retry_ns = av_clock_ns() + GUEST_RETRY_NS;
		guest_say_why(g, err.text);
		return;
	}
	op = guest_order_begin(g, "start");
	op->done = started_done;
	guest_order_end(g, vmm_start(g->dom, 0, op, &err), &err);
}
