/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/volumes.c - makes this PM's legs and mirror servers follow the
 *			 database and the right to run
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "nodeagent/timing.h"
#include "nodeagent/volumes_impl.h"

#define ALIVE_NS	(AV_NS_PER_S * 9 / 10)	/* each tick, not each pass */
#define TURN_NS		(2 * AV_NS_PER_S)
#define GROUP_FOLDER	"default"	/* one storage group so far */

const char *
volume_short_id(const struct volume *v)
{
	const char *colon = strchr(v->row.id, ':');

	return colon != NULL ? colon + 1 : v->row.id;
}

struct volume *
volume_find(const struct volumes *vs, const char *id)
{
	struct volume *v;

	for (v = vs->list; v != NULL; v = v->next)
		if (strcmp(v->row.id, id) == 0)
			return v;
	return NULL;
}

/* --- reports to the database --- */

static void
report_done(void *arg, int rc)
{
	struct volume *v = arg;

	void (*then)(struct volume *, int) = v->on_report;

	v->reporting = false;
	v->on_report = NULL;
	if (then != NULL)
		then(v, rc);
	if (rc < 0)
		v->report_retry_ns = av_clock_ns() + VOLUMES_RETRY_NS;
}

void
volume_report(struct volume *v, const char *event, json_t *more)
{
	json_t *args;
	char node[16];

	(void)snprintf(node, sizeof(node), "node%d", v->vs->conf->node);
	args = json_pack("{s:s,s:s,s:s}", "volume", v->row.id, "node", node,
	    "event", event);
	if (args != NULL && more != NULL)	/* 'node' may be the other one */
		(void)json_object_update(args, more);
	json_decref(more);
	if (v->reporting || args == NULL) {	/* tried again in a second */
		json_decref(args);
		return;
	}
	v->reporting = true;
	v->vs->ops->report(v->vs->ctx, "volume.report", args, report_done, v);
}

static void
report(struct volume *v, const char *event, const char *reason)
{
	volume_report(v, event, reason != NULL ?
	    json_pack("{s:s}", "reason", reason) : NULL);
}

/* --- the leg's files --- */

static void
leg_created(struct volume *v, int rc, const struct av_err *err)
{
	if (rc < 0) {
		log_err(v->row.id, "leg not created: %s", err->text);
		(void)snprintf(v->error, sizeof(v->error), "%s", err->text);
		report(v, "create-failed", err->text);
		return;
	}
	report(v, "created", NULL);
}

static void
leg_deleted(struct volume *v, int rc, const struct av_err *err)
{
	if (rc < 0) {
		log_err(v->row.id, "leg not deleted: %s", err->text);
		v->retry_ns = av_clock_ns() + VOLUMES_RETRY_NS;
		return;
	}
	report(v, "deleted", NULL);
}

/* --- the server: open -> orders -> stopped --- */

static bool
peer_is_connected(const struct mirror_status *st)
{
	return st->server == MIRROR_SERVER_UP &&
	    (st->conn == MIRROR_CONNECTED || st->conn == MIRROR_RESYNC_SOURCE ||
	    st->conn == MIRROR_RESYNC_TARGET);
}

static void
server_changed(struct mirror *m, void *arg)
{
	struct volume *v = arg;
	const struct mirror_status *st = mirror_status_peek(m);

	/* the status ages in our hands: keep the moment, not the age */
	if (peer_is_connected(st) && st->peer_seen_ms < UINT32_MAX)
		v->peer_seen_ns = av_clock_ns() -
		    st->peer_seen_ms * AV_NS_PER_MS;
	else
		v->peer_seen_ns = 0;
	if (st->resync_count != v->resync_count) {
		v->resync_count = st->resync_count;
		v->resync_finished_utc_ms = av_clock_utc_ms();
	}
	if (volume_is_news(&v->heard, st)) {
		memcpy(&v->heard, st, sizeof(v->heard));
		v->vs->ops->changed(v->vs->ctx, v->row.id);
	} else if (v->vs->ops->peer_seen != NULL) {
		v->vs->ops->peer_seen(v->vs->ctx);
	}
}

static void
server_open(struct volume *v)
{
	const struct agent_conf *c = v->vs->conf;
	char run_dir[256], log_path[256];
	uint16_t port = (uint16_t)(c->mirror_port_base + v->row.port_index);
	struct mirror_conf mc = { .id = volume_short_id(v), .dir = v->vs->dir,
	    .unit_uuid = c->unit_uuid, .volume_uuid = v->row.uuid,
	    .node = (unsigned)c->node, .run_dir = run_dir,
	    .listen_addr = c->mirror_listen, .port = port,
	    .n_peer_addrs = c->n_mirror_peers, .peer_port = port,
	    .psk_file = c->psk_file, .nbdkit_path = c->nbdkit,
	    .plugin_path = c->plugin, .log_path = log_path,
	    .peer_timeout_ms = (uint32_t)(500 * c->time_scale),
	    .time_scale = c->time_scale };
	struct mirror_drbd_conf drbd;
	struct av_err err = { 0 };
	size_t i;

	mc.drbd = volume_drbd_conf(v, &drbd);
	(void)snprintf(run_dir, sizeof(run_dir), "%s/volumes/%s", c->run_dir,
	    volume_short_id(v));
	(void)snprintf(log_path, sizeof(log_path), "%s/volume-%s.log",
	    c->log_dir, volume_short_id(v));
	for (i = 0; i < c->n_mirror_peers; i++)
		mc.peer_addrs[i] = c->mirror_peers[i];
	if (mirror_open(c->driver_mirror, &mc, v->vs->event, server_changed, v,
	    &v->m, &err) < 0) {
		log_err(v->row.id, "mirror server: %s", err.text);
		(void)snprintf(v->error, sizeof(v->error), "%s", err.text);
		v->retry_ns = av_clock_ns() + VOLUMES_RETRY_NS;
	}
}

void
volume_order_done(struct mirror_op *op, int rc, const struct av_err *err)
{
	struct volume *v = container_of(op, struct volume, op);

	v->op_busy = false;
	if (rc < 0 && rc != -EALREADY) {
		log_warn(v->row.id, "%s: %s; tried again in a second",
		    v->op_what, err->text);
		(void)snprintf(v->error, sizeof(v->error), "%s: %s",
		    v->op_what, err->text);
		v->retry_ns = av_clock_ns() + VOLUMES_RETRY_NS;
	} else {
		v->error[0] = '\0';
		v->discarded |= strcmp(v->op_what, "discard") == 0;
	}
	v->vs->ops->changed(v->vs->ctx, v->row.id);
}

struct mirror_op *
volume_order_begin(struct volume *v, const char *what)
{
	v->op = (struct mirror_op){ .done = volume_order_done };
	v->op_busy = true;
	v->op_what = what;
	log_info(v->row.id, "order: %s", what);
	return &v->op;
}

void
volume_order_end(struct volume *v, int rc, const struct av_err *err)
{
	if (rc == 0)
		return;		/* volume_order_done() comes */
	v->op_busy = false;
	if (rc == -EALREADY)
		return;
	log_warn(v->row.id, "%s: %s", v->op_what, err->text);
	(void)snprintf(v->error, sizeof(v->error), "%s: %s", v->op_what,
	    err->text);
	v->retry_ns = av_clock_ns() + VOLUMES_RETRY_NS;
}

void
volume_order_primary(struct volume *v, bool alone)
{
	struct mirror_primary_req req = { .alone = alone,
	    .gen = v->vs->right.gen, .lease_ms = v->vs->lease_ms };
	struct av_err err = { 0 };
	struct mirror_op *op = volume_order_begin(v, req.alone ?
	    "primary, alone" : "primary");

	volume_order_end(v, mirror_primary(v->m, op, &req, &err), &err);
}

void
volume_order_secondary(struct volume *v)
{
	struct av_err err = { 0 };
	struct mirror_op *op = volume_order_begin(v, "secondary");

	volume_order_end(v, mirror_secondary(v->m, op, &err), &err);
}

void
volume_order_alone(struct volume *v)
{
	struct av_err err = { 0 };
	struct mirror_op *op = volume_order_begin(v, "alone");

	volume_order_end(v, mirror_alone(v->m, op, v->vs->right.gen, &err), &err);
}

void
volume_order_stop(struct volume *v)
{
	struct av_err err = { 0 };
	struct mirror_op *op = volume_order_begin(v, "stop");

	v->stopping = true;
	volume_order_end(v, mirror_stop(v->m, op, &err), &err);
}

static bool
waits_for_peer(const struct mirror_status *st)
{
	return st->conn == MIRROR_HELD || st->conn == MIRROR_CONNECTING ||
	    (!st->alone && (st->conn == MIRROR_DISCONNECTED ||
	    st->conn == MIRROR_SPLIT));
}

bool
volume_peer_leads_yet(struct volume *v, const struct mirror_status *st)
{
	uint64_t now_ns = av_clock_ns();

	if (v->vs->right.kind != RIGHT_TOGETHER ||
	    (st->conn != MIRROR_CONNECTED && st->conn != MIRROR_DISKLESS)) {
		v->turn_ns = 0;
		return false;
	}
	if (v->turn_ns == 0)
		v->turn_ns = now_ns;
	return now_ns - v->turn_ns < TURN_NS;
}

/* The one order that brings the server nearer to what it should be, if any. */
static void
server_steer(struct volume *v)
{
	const struct mirror_status *st = mirror_status_peek(v->m);
	enum right_kind right = v->vs->right.kind;
	bool may_lead = right == RIGHT_TOGETHER || right == RIGHT_ALONE ||
	    (right == RIGHT_FOLLOW && volume_follower_leads(v));

	if (right == RIGHT_UNKNOWN || right == RIGHT_FROZEN ||
	    volume_leg_steer(v, st))
		return;
	if (volume_split_steer(v, st) || volume_window_steer(v, st))
		return;
	if (may_lead && v->primary_here) {
		if (st->role != MIRROR_PRIMARY &&
		    volume_peer_leads_yet(v, st))
			return;
		if (st->role != MIRROR_PRIMARY)
			volume_order_primary(v, right == RIGHT_ALONE);
		else if (right == RIGHT_ALONE && waits_for_peer(st) &&
		    !(st->alone && st->gen == v->vs->right.gen))
			volume_order_alone(v);
		return;
	}
	if (st->role == MIRROR_PRIMARY && !volume_in_use(v))
		volume_order_secondary(v);
}

static void
server_reconcile(struct volume *v)
{
	const struct mirror_status *st;
	struct av_err err = { 0 };

	if (v->m == NULL) {
		server_open(v);
		return;
	}
	st = mirror_status_peek(v->m);
	if (st->server == MIRROR_SERVER_DOWN) {
		if (av_clock_ns() < v->restart_ns)
			return;
		log_warn(v->row.id, "mirror server is down (%s): starting it",
		    st->error_text);
		/* at once the first time: writes are waiting; then not in a spin */
		v->restart_ns = av_clock_ns() + VOLUMES_RETRY_NS;
		volume_leg_down(v, st);
		if (mirror_start(v->m, &err) < 0)
			log_err(v->row.id, "mirror server: %s", err.text);
		return;
	}
	if (st->server != MIRROR_SERVER_UP)
		return;
	if (!v->op_busy && av_clock_ns() >= v->retry_ns)
		server_steer(v);
	volume_care(v, st);
}

static void
volume_remove(struct volume *v)
{
	if (v->m != NULL &&
	    mirror_status_peek(v->m)->server == MIRROR_SERVER_UP) {
		if (!volume_in_use(v))
			volume_order_stop(v);
		return;
	}
	if (v->m != NULL && !v->stopping &&
	    mirror_status_peek(v->m)->server == MIRROR_SERVER_STARTING)
		return;
	v->m = mirror_close(v->m);
	if (v->row.phase != STORE_DELETING)
		return;
	if (v->row.leg_exists[v->vs->conf->node])
		volume_job_start(v, VOLUME_JOB_DELETE, 0, leg_deleted);
	else if (!v->row.leg_exists[1 - v->vs->conf->node])
		report(v, "deleted", NULL);	/* no leg was ever made */
}

static void
volume_reconcile(struct volume *v)
{
	uint64_t now_ns = av_clock_ns();
	bool waits = v->op_busy || v->reporting || now_ns < v->retry_ns ||
	    now_ns < v->report_retry_ns;
	bool gone = !v->in_db || v->row.phase == STORE_DELETING;

	if (v->job != NULL)
		return;		/* its leg is being made, or removed */
	if (!gone && volume_leg_replace(v))
		return;
	if (!gone && v->m != NULL && v->row.leg_exists[v->vs->conf->node])
		server_reconcile(v);
	else if (waits)
		return;
	else if (gone)
		volume_remove(v);
	else if (!v->row.leg_exists[v->vs->conf->node])
		volume_job_start(v, VOLUME_JOB_CREATE, v->row.initial_identity,
		    leg_created);
	else
		server_reconcile(v);
}

/* --- the set of volumes --- */

static int
take_row(void *arg, const struct store_volume *row)
{
	struct volumes *vs = arg;
	struct volume *v = volume_find(vs, row->id);
	struct store_unit unit;
	struct store_vm vm;
	int vm_node = -1;

	if (v == NULL) {
		v = calloc(1, sizeof(*v));
		if (v == NULL)
			return -ENOMEM;	/* the next pass tries again */
		v->vs = vs;
		v->next = vs->list;
		vs->list = v;
	}
	v->row = *row;
	v->in_db = true;
	v->move_to = -1;
	if (row->vm_id[0] != '\0' &&
	    store_get_vm(vs->store, row->vm_id, &vm) == 0) {
		vm_node = vm.node;
		v->move_to = vm.move.to;
	}
	if (vs->right.kind == RIGHT_ALONE) {
		v->primary_here = true;
		return 0;
	}
	if (vs->right.kind == RIGHT_FOLLOW) {
		v->primary_here = volume_follower_leads(v);
		return 0;
	}
	v->primary_here = volume_home(v, vm_node, store_get_unit(vs->store,
	    &unit) == 0 ? unit.primary : 0) == vs->conf->node;
	return 0;
}

static void
drop_gone(struct volumes *vs)
{
	struct volume **at = &vs->list;

	while (*at != NULL) {
		struct volume *v = *at;

		if (v->in_db || v->op_busy || v->care_busy || v->reporting ||
		    v->m != NULL || v->job != NULL) {
			at = &v->next;
			continue;
		}
		*at = v->next;
		free(v);
	}
}

void
volumes_reconcile(struct volumes *vs, const struct right *right)
{
	struct store_unit unit;
	struct volume *v;

	vs->right = *right;
	if (store_get_unit(vs->store, &unit) == 0)
		vs->resync_rate_kib_s = unit.resync_rate_kib_s;
	for (v = vs->list; v != NULL; v = v->next)
		v->in_db = false;
	vs->whole = store_each_volume(vs->store, take_row, vs) == 0;
	if (!vs->whole)
		return;		/* half a list must not make volumes vanish */
	for (v = vs->list; v != NULL; v = v->next)
		volume_reconcile(v);
	drop_gone(vs);
}

int
volumes_open(sd_event *event, const struct agent_conf *conf,
    struct store *store, const struct volumes_ops *ops, void *ctx,
    struct volumes **ret, struct av_err *err)
{
	struct volumes *vs = calloc(1, sizeof(*vs));
	char parent[240], run[240];

	if (vs == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	*vs = (struct volumes){ .event = event, .conf = conf, .store = store,
	    .ops = ops, .ctx = ctx,
	    .lease_ms = (uint32_t)(TIMING_MIRROR_LEASE_MS * conf->time_scale) };
	if (conf->storage_dir != NULL)
		(void)snprintf(parent, sizeof(parent), "%s", conf->storage_dir);
	else
		(void)snprintf(parent, sizeof(parent), "%s/storage",
		    conf->state_dir);
	(void)snprintf(vs->dir, sizeof(vs->dir), "%s/%s", parent, GROUP_FOLDER);
	(void)snprintf(run, sizeof(run), "%s/volumes", conf->run_dir);
	if ((mkdir(run, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(parent, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(vs->dir, 0700) < 0 && errno != EEXIST)) {
		int rc = av_err_set(err, -errno, "%s: %s", vs->dir,
		    strerror(errno));

		free(vs);
		return rc;
	}
	*ret = vs;
	return 0;
}

struct volumes *
volumes_close(struct volumes *vs)
{
	if (vs == NULL)
		return NULL;
	while (vs->list != NULL) {
		struct volume *v = vs->list;

		vs->list = v->next;
		volume_job_let_go(v);
		v->m = mirror_close(v->m);
		free(v);
	}
	free(vs);
	return NULL;
}

/* --- what others ask --- */

const struct mirror_status *
volume_live_status(const struct volume *v)
{
	const struct mirror_status *st;

	if (v == NULL || v->m == NULL)
		return NULL;
	st = mirror_status_peek(v->m);
	return st->server == MIRROR_SERVER_UP ? st : NULL;
}

bool
volumes_ready(const struct volumes *vs, const char *volume_id,
    const char **ret_why)
{
	const struct volume *v = volume_find(vs, volume_id);
	const struct mirror_status *st = volume_live_status(v);
	const char *why = NULL;

	if (v != NULL && volume_lost_here(v))
		why = "its leg on this PM failed: the newest data is on the other PM";
	else if (st == NULL)
		why = "its mirror server is starting";
	else if (st->role != MIRROR_PRIMARY)
		why = "this PM's leg isn't the primary one yet";
	else if (st->window && st->peer_primary)
		why = "the other PM hasn't let go of it yet";
	else if (st->conn != MIRROR_CONNECTED &&
	    st->conn != MIRROR_RESYNC_SOURCE && !st->alone &&
	    st->conn != MIRROR_DISKLESS)
		why = "the peer's leg isn't connected";
	if (ret_why != NULL)
		*ret_why = why;
	return why == NULL;
}

bool
volumes_lost_here(const struct volumes *vs, const char *volume_id)
{
	const struct volume *v = volume_find(vs, volume_id);

	return v != NULL && volume_lost_here(v);
}

bool
volumes_may_leave(const struct volumes *vs, const char *volume_id)
{
	const struct volume *v = volume_find(vs, volume_id);
	const struct mirror_status *st = volume_live_status(v);

	if (st == NULL || st->role != MIRROR_PRIMARY || st->alone)
		return false;
	return volume_leg_failed_here(v) ? st->conn == MIRROR_DISKLESS :
	    st->conn == MIRROR_CONNECTED && v->row.failed_leg < 0;
}

bool
volumes_answers(const struct volumes *vs, const char *volume_id)
{
	const struct volume *v = volume_find(vs, volume_id);
	const struct mirror_status *st = volume_live_status(v);

	return st != NULL && volume_window_may_open(v, st);
}

uint64_t
volumes_size(const struct volumes *vs, const char *volume_id)
{
	const struct mirror_status *st = volume_live_status(volume_find(vs, volume_id));

	return st != NULL && st->role == MIRROR_PRIMARY ? st->size_bytes : 0;
}

void
volumes_alive(struct volumes *vs, uint64_t since_boot_ns)
{
	struct volume *v;

	if (!vs->whole || since_boot_ns - vs->alive_boot_ns < ALIVE_NS || (vs->right.kind != RIGHT_TOGETHER &&
	    vs->right.kind != RIGHT_ALONE))
		return;
	vs->alive_boot_ns = since_boot_ns;
	for (v = vs->list; v != NULL; v = v->next) {
		const struct mirror_status *st = volume_live_status(v);

		if (st == NULL || st->role != MIRROR_PRIMARY)
			continue;
		if (mirror_alive(v->m, vs->lease_ms, since_boot_ns, NULL) < 0)
			log_debug(v->row.id, "the lease isn't renewed");
	}
}

const char *
volumes_front(const struct volumes *vs, const char *volume_id)
{
	const struct volume *v = volume_find(vs, volume_id);

	return v != NULL && v->m != NULL ? mirror_front_path(v->m) : NULL;
}

bool
volumes_know(const struct volumes *vs, const struct right *right)
{
	return vs->whole && right->kind == vs->right.kind &&
	    right->gen == vs->right.gen;
}

bool
volumes_in_step(const struct volumes *vs)
{
	const struct volume *v;

	for (v = vs->list; v != NULL; v = v->next) {
		const struct mirror_status *st = volume_live_status(v);

		if (v->row.phase == STORE_DELETING)
			continue;
		if (v->row.failed_leg >= 0)	/* it runs alone, or will */
			return false;
		if (!v->primary_here)
			continue;
		if (!v->row.leg_exists[0] || !v->row.leg_exists[1])
			return false;
		if (st == NULL || st->conn != MIRROR_CONNECTED || st->alone)
			return false;
		if (v->op_busy)	/* it may be 'alone', on its way */
			return false;
		if (volume_kept(v) >= 0)	/* the peer's leg leads yet */
			return false;
	}
	return true;
}

uint64_t
volumes_peer_seen_ms(const struct volumes *vs)
{
	const struct volume *v;
	uint64_t newest_ns = 0, now_ns = av_clock_ns();

	for (v = vs->list; v != NULL; v = v->next)
		if (v->peer_seen_ns > newest_ns)
			newest_ns = v->peer_seen_ns;
	return newest_ns == 0 ? UINT64_MAX :
	    (now_ns - newest_ns) / AV_NS_PER_MS;
}

bool
volumes_all_secondary(const struct volumes *vs)
{
	const struct volume *v;

	for (v = vs->list; v != NULL; v = v->next) {
		const struct mirror_status *st;

		if (v->m == NULL || (vs->right.kind == RIGHT_FOLLOW &&
		    volume_follower_leads(v)))
			continue;
		st = mirror_status_peek(v->m);
		if (st->server == MIRROR_SERVER_STARTING ||
		    (st->server == MIRROR_SERVER_UP &&
		    st->role == MIRROR_PRIMARY))
			return false;
	}
	return true;
}

static json_t *
resync_fact(const struct volume *v, const struct mirror_status *st)
{
	char utc[32];

	if (st->resync_count == 0)
		return json_null();
	av_clock_format_utc(v->resync_finished_utc_ms, utc, sizeof(utc));
	return json_pack("{s:I,s:I,s:s}", "bytes_changed",
	    (json_int_t)st->resync_total_bytes, "bytes_copied",
	    (json_int_t)st->resync_copied_bytes, "finished_utc", utc);
}

/* Of the run that the database wants; null when none is under way here. */
static json_t *
verify_fact(const struct volume *v, const struct mirror_status *st)
{
	const struct mirror_verify *vf = &st->verify;
	uint64_t percent = vf->total_bytes == 0 ? 0 :
	    vf->done_bytes * 100 / vf->total_bytes;

	if (!v->row.verify.active || v->verify_run != v->row.verify.run ||
	    (vf->state != MIRROR_VERIFY_RUNNING &&
	    vf->state != MIRROR_VERIFY_WAITING))
		return json_null();
	return json_pack("{s:s,s:I,s:I,s:I}", "state",
	    mirror_verify_name(vf->state), "percent", (json_int_t)percent,
	    "found", (json_int_t)vf->n_found, "repaired",
	    (json_int_t)vf->n_repaired);
}

static json_t *
volume_fact(const struct volume *v)
{
	const struct mirror_status *st = volume_live_status(v);
	bool syncing;
	char identity[17];

	if (st == NULL)
		return json_pack("{s:s,s:s,s:s,s:s}", "role", "down", "conn",
		    "disconnected", "disk", "unknown", "error", v->error);
	syncing = st->conn == MIRROR_RESYNC_SOURCE ||
	    st->conn == MIRROR_RESYNC_TARGET;
	(void)snprintf(identity, sizeof(identity), "%016" PRIx64,
	    st->gi.current);
	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:o,s:I,s:s,s:o,s:b,s:I,s:s,"
	    " s:b,s:b,s:I,s:I,s:I,s:I,s:o,s:b}",
	    "role", mirror_role_name(st->role), "conn",
	    mirror_conn_name(st->conn), "disk", mirror_disk_name(st->disk),
	    "peer_disk", mirror_disk_name(st->peer_disk), "sync_percent",
	    (json_int_t)(syncing ? st->resync_percent : 100), "seconds_left",
	    syncing && st->resync_eta_s > 0 ?
	    json_integer((json_int_t)st->resync_eta_s) : json_null(),
	    "out_of_step_bytes", (json_int_t)st->out_of_step_bytes,
	    "identity", identity, "last_resync", resync_fact(v, st), "alone",
	    st->alone, "held_requests", (json_int_t)st->held_requests, "error",
	    st->error_text[0] != '\0' ? st->error_text :
	    v->error[0] != '\0' ? v->error : v->care_error,
	    "diskless", st->diskless, "paused", st->resync_paused,
	    "sync_kib_s", (json_int_t)(syncing ? st->resync_speed_kib_s : 0),
	    "size_bytes", (json_int_t)st->size_bytes, "read_errors",
	    (json_int_t)st->read_errors, "repaired_bytes",
	    (json_int_t)st->repaired_bytes, "verify", verify_fact(v, st),
	    "window", st->window);
}

json_t *
volumes_facts(const struct volumes *vs)
{
	json_t *all = json_object();
	const struct volume *v;

	for (v = vs->list; all != NULL && v != NULL; v = v->next)
		(void)json_object_set_new(all, v->row.id, volume_fact(v));
	return all;
}
