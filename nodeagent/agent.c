/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/agent.c - the node agent: one PM's part of the unit
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeagent/agent.h"
#include "nodeagent/command.h"
#include "nodeagent/host.h"
#include "nodeagent/maintenance.h"
#include "nodeagent/record.h"
#include "vif/vif.h"

#define TICK_NS		(1 * AV_NS_PER_S)
#define FACTS_NS	(1 * AV_NS_PER_S)

void
agent_kick(struct agent *a)
{
	rhythm_kick(&a->rhythm);
}

/* --- the agent's own commands: order -> done --- */

struct own_command {
	void	(*done)(void *arg, int rc);	/* or ... */
	void	(*told)(void *arg, int rc, bool maybe);
	void	*arg;
	char	 op[32];
};

static void
own_done(void *arg, int rc, json_t *result, const struct av_err *err)
{
	struct own_command *oc = arg;

	(void)result;
	if (rc < 0)
		log_info("unit", "%s: %s", oc->op, err->text);
	if (oc->told != NULL)
		oc->told(oc->arg, rc, rc < 0 && err->outcome == AV_MAYBE);
	else
		oc->done(oc->arg, rc);
	free(oc);
}

static void
order_own(struct agent *a, const char *op, json_t *args,
    const struct own_command *what)
{
	AUTO_JSON json_t *cmd = command_new_system(op, args, a->conf.node);
	const json_t *facts[2] = { a->facts[0], a->facts[1] };
	struct own_command *oc = calloc(1, sizeof(*oc));
	struct av_err err = { 0 };
	char id[80];
	int rc = -ENOMEM;

	(void)snprintf(id, sizeof(id), "node%d-%s-%u", a->conf.node, a->boot,
	    ++a->n_commands);
	if (oc != NULL && cmd != NULL) {
		*oc = *what;
		(void)snprintf(oc->op, sizeof(oc->op), "%s", op);
		rc = command_stamp(cmd, a->store, facts, a->conf.node,
		    av_clock_utc_ms(), id);
	}
	if (rc == 0)
		rc = order_submit(a->order, cmd, own_done, oc, &err);
	if (rc < 0) {
		log_debug("unit", "%s not ordered: %s", op, err.text);
		free(oc);
		if (what->told != NULL)
			what->told(what->arg, rc, false);
		else
			what->done(what->arg, rc);
	}
}

void
agent_order(struct agent *a, const char *op, json_t *args,
    void (*done)(void *arg, int rc), void *arg)
{
	order_own(a, op, args, &(struct own_command){ .done = done,
	    .arg = arg });
}

/* --- what order.c asks of us: the database --- */

static int
on_apply(void *ctx, const json_t *cmd, json_t **ret_result, struct av_err *err)
{
	struct agent *a = ctx;
	int rc = store_apply(a->store, cmd, ret_result, err);

	if (rc < 0 && err->outcome == AV_MAYBE) {
		a->store_failed = true;
		return rc;
	}
	control_changed(a->control, NULL);
	agent_kick(a);
	return rc;
}

static void
on_position(void *ctx, struct order_position *ret)
{
	struct agent *a = ctx;
	struct store_position p;

	store_position(a->store, &p);
	ret->seq = p.seq;
	memcpy(ret->hash, p.hash, sizeof(ret->hash));
}

static int
on_serialize(void *ctx, uint8_t **ret, size_t *ret_n, struct av_err *err)
{
	return store_serialize(((struct agent *)ctx)->store, ret, ret_n, err);
}

static int
on_replace(void *ctx, const uint8_t *data, size_t n, struct av_err *err)
{
	struct agent *a = ctx;
	int rc = store_replace(a->store, data, n, err);

	if (rc == 0) {
		log_notice("unit", "took over the peer's database");
		a->host_reported = false;
		control_changed(a->control, NULL);
		agent_kick(a);
	}
	return rc;
}

/* --- what order.c asks of us: who may run --- */

/* Age of the youngest heartbeat, from the facts that order.c gives. */
static uint64_t
last_sign_ns(const struct agent *a)
{
	AUTO_JSON json_t *facts = order_facts(a->order);
	json_t *beats = json_object_get(json_object_get(facts, "signs"),
	    "heartbeats"), *beat;
	uint64_t now_ns = av_clock_ns(), best_ms = UINT64_MAX;
	size_t i;

	json_array_foreach(beats, i, beat) {
		json_t *age = json_object_get(beat, "age_ms");

		if (json_is_integer(age) &&
		    (uint64_t)json_integer_value(age) < best_ms)
			best_ms = (uint64_t)json_integer_value(age);
	}
	return best_ms == UINT64_MAX ? 0 : now_ns - best_ms * AV_NS_PER_MS;
}

static void
set_right(struct agent *a, enum right_kind kind, uint64_t gen)
{
	a->right = (struct right){ .kind = kind, .gen = gen };
	agent_kick(a);
}

static void
on_losing(void *ctx)
{
	agent_watchdog_losing(ctx);
}

static void
on_freeze(void *ctx)
{
	struct agent *a = ctx;

	guests_pause_all(a->guests);
	a->failover = (struct agent_failover){ .lost_ns = av_clock_ns(),
	    .lost_utc_ms = av_clock_utc_ms(), .last_sign_ns = last_sign_ns(a) };
	set_right(a, RIGHT_FROZEN, order_role(a->order)->rec.gen);
}

static void
on_resume_together(void *ctx, uint64_t gen)
{
	struct agent *a = ctx;

	a->stopping_guests = false;
	a->take_due = false;
	if (a->failover.claimed_ns == 0)	/* it came to nothing */
		a->failover = (struct agent_failover){ 0 };
	set_right(a, RIGHT_TOGETHER, gen);
}

static void
on_run_alone(void *ctx, uint64_t gen)
{
	struct agent *a = ctx;

	a->stopping_guests = false;
	if (a->failover.lost_ns != 0 && a->failover.claimed_ns == 0)
		a->failover.claimed_ns = av_clock_ns();
	set_right(a, RIGHT_ALONE, gen);
}

static void
on_take_peer_guests(void *ctx)
{
	struct agent *a = ctx;

	a->take_due = true;
	agent_kick(a);
}

static void
on_stop_guests(void *ctx, const char *code, const char *text)
{
	struct agent *a = ctx;

	log_warn("unit", "guests on this PM are stopped: %s (%s)", text, code);
	a->stopping_guests = true;
	a->take_due = false;
	set_right(a, RIGHT_NONE, 0);
}

static void
on_follow(void *ctx, uint64_t gen)
{
	struct agent *a = ctx;

	a->take_due = false;
	a->stopping_guests = true;	/* told again once none is here */
	set_right(a, RIGHT_FOLLOW, gen);
}

static void
on_create_unit(void *ctx)
{
	struct agent *a = ctx;

	a->create_due = true;
	agent_kick(a);
}

static void
on_peer_facts(void *ctx, json_t *facts)
{
	struct agent *a = ctx;
	int peer = 1 - a->conf.node;

	if (json_equal(a->facts[peer], facts))
		return;
	json_decref(a->facts[peer]);
	a->facts[peer] = json_incref(facts);
	control_changed(a->control, NULL);
	agent_kick(a);		/* a guest that is moved waits for its words */
}

static void
on_changed(void *ctx)
{
	struct agent *a = ctx;
	struct av_err err = { 0 };

	/* first: before the arbiter or the peer can hear of it */
	agent_watchdog_news(a);
	/* REJOINING: guests run on, no volume may be ordered alone any more */
	if (order_role(a->order)->state == ROLE_REJOINING &&
	    a->right.kind == RIGHT_ALONE)
		a->right.kind = RIGHT_TOGETHER;
	if (!order_peer_seen(a->order)) {
		json_decref(a->facts[1 - a->conf.node]);
		a->facts[1 - a->conf.node] = NULL;
	}
	if (order_available(a->order, &err) == 0)
		control_ordering_works(a->control);
	control_changed(a->control, "unit:o1");
	agent_kick(a);
}

static void
on_fatal(void *ctx, const struct av_err *err)
{
	struct agent *a = ctx;

	log_err("unit", "%s: stopping", err->text);
	(void)sd_event_exit(a->event, 1);
}

static const struct order_ops order_callbacks = {
	.apply = on_apply, .position = on_position,
	.serialize = on_serialize, .replace = on_replace,
	.losing = on_losing, .freeze = on_freeze, .resume_together = on_resume_together,
	.run_alone = on_run_alone, .take_peer_guests = on_take_peer_guests,
	.stop_guests = on_stop_guests, .follow = on_follow,
	.create_unit = on_create_unit, .peer_facts = on_peer_facts,
	.changed = on_changed, .fatal = on_fatal,
};

/* --- what volumes.c, guests.c and control.c ask of us --- */

static void
on_object_changed(void *ctx, const char *id)
{
	struct agent *a = ctx;

	control_changed(a->control, id);
	agent_kick(a);
}

static void
on_report(void *ctx, const char *op, json_t *args,
    void (*done)(void *arg, int rc), void *arg)
{
	agent_order(ctx, op, args, done, arg);
}

static bool
on_in_use(void *ctx, const char *vm_id)
{
	return guests_use_disks(((struct agent *)ctx)->guests, vm_id);
}

static bool
on_held_open(void *ctx, const char *vm_id)
{
	return guests_here(((struct agent *)ctx)->guests, vm_id);
}

static void
on_guest_order(void *ctx, const char *op, json_t *args,
    void (*done)(void *arg, int rc, bool maybe), void *arg)
{
	order_own(ctx, op, args, &(struct own_command){ .told = done,
	    .arg = arg });
}

static const json_t *
on_peer_vm(void *ctx, const char *vm_id)
{
	struct agent *a = ctx;

	return json_object_get(json_object_get(a->facts[1 - a->conf.node],
	    "vms"), vm_id);
}

static bool
on_link_up(void *ctx, const char *local)
{
	struct agent *a = ctx;
	json_t *beats = json_object_get(json_object_get(a->facts[a->conf.node],
	    "signs"), "heartbeats"), *beat;
	size_t i;

	json_array_foreach(beats, i, beat) {
		const char *at = json_string_value(json_object_get(beat,
		    "local"));
		const char *state = json_string_value(json_object_get(beat,
		    "state"));

		if (at != NULL && strcmp(at, local) == 0)
			return state != NULL && strcmp(state, "up") == 0;
	}
	return false;
}

static int
on_kept(void *ctx, const char *volume_id)
{
	return split_kept(ctx, volume_id);
}

/* The sign is as young as without a comparison's delay; what is in step waits for one. */
static void
on_mirror_peer_seen(void *ctx)
{
	struct agent *a = ctx;

	if (a->order != NULL)
		order_mirror_seen(a->order, volumes_peer_seen_ms(a->volumes));
}

static const struct volumes_ops volumes_callbacks = {
	.changed = on_object_changed, .peer_seen = on_mirror_peer_seen,
	.report = on_report, .in_use = on_in_use,
	.held_open = on_held_open, .kept = on_kept };
static const struct guests_ops guests_callbacks = {
	.changed = on_object_changed, .report = on_report,
	.order = on_guest_order, .peer_vm = on_peer_vm,
	.link_up = on_link_up };

static json_t *
ctl_facts(void *ctx, int node)
{
	return ((struct agent *)ctx)->facts[node];
}

static int
ctl_self(void *ctx)
{
	return ((struct agent *)ctx)->conf.node;
}

static int
ctl_submit(void *ctx, json_t *cmd, void (*done)(void *arg, int rc,
    json_t *result, const struct av_err *err), void *arg, struct av_err *err)
{
	struct agent *a = ctx;
	const char *op = json_string_value(json_object_get(cmd, "op"));

	/* a new quorum server is really asked before it is ordered */
	if (op != NULL && strcmp(op, "quorum.add") == 0)
		return quorum_add_checked(a->quorum, cmd, done, arg, err);
	return order_submit(a->order, cmd, done, arg, err);
}

static int
quorum_submit(void *ctx, json_t *cmd, quorum_done_fn done, void *arg,
    struct av_err *err)
{
	return order_submit(((struct agent *)ctx)->order, cmd, done, arg, err);
}

static const struct quorum_ops quorum_callbacks = {
	.order = on_report, .submit = quorum_submit, .facts = ctl_facts,
	.changed = on_object_changed };

static int
ctl_vnc_path(void *ctx, const char *vm_id, char *ret, size_t n,
    struct av_err *err)
{
	return guests_vnc_path(((struct agent *)ctx)->guests, vm_id, ret, n,
	    err);
}

static int
ctl_takeover(void *ctx, const json_t *actor, struct av_err *err)
{
	struct agent *a = ctx;
	const char *user = json_string_value(json_object_get(actor, "user"));

	log_notice("unit", "takeover ordered by '%s'", user ? user : "?");
	return order_takeover(a->order, err);
}

static int
ctl_split(void *ctx, const char *object, int keep, bool dry_run,
    json_t **ret_result, struct av_err *err)
{
	return split_decide(ctx, object, keep, dry_run, ret_result, err);
}

/* --- compare and give orders --- */

static void
facts_refresh(struct agent *a)
{
	int self = a->conf.node;
	json_t *facts = facts_make(a);
	uint64_t now_ns = av_clock_ns();
	static const char *const told[] = { "role", "split", "vms", "volumes", "ports",
	    "images", "last_failover", "arbiter", "ordering" };
	bool news = false;
	size_t i;

	if (facts == NULL)
		return;		/* no memory: the old ones stand */
	for (i = 0; i < ARRAY_SIZE(told); i++)
		news |= json_equal(json_object_get(facts, told[i]),
		    json_object_get(a->facts[self], told[i])) == 0;
	json_decref(a->facts[self]);
	a->facts[self] = facts;
	if (news)
		control_changed(a->control, NULL);
	if (news || now_ns - a->facts_sent_ns >= FACTS_NS) {
		a->facts_sent_ns = now_ns;
		/* lost ones are sent again in a second */
		(void)order_send_facts(a->order, facts, NULL);
	}
}

/* With a new right nothing is in step anew before it is known whose volumes are
 * whose; what was in step, and is, stays so. */
static bool
in_step(const struct agent *a)
{
	if (a->right.kind == RIGHT_ALONE && maintenance_keeps_out(a->store,
	    1 - a->conf.node))
		return false;
	return volumes_in_step(a->volumes) && (order_role(a->order)->in_step ||
	    volumes_know(a->volumes, &a->right));
}

static void
on_compare(void *ctx)
{
	struct agent *a = ctx;
	uint64_t began_boot_ns = av_clock_boot_ns();

	/* first: a hand-back must not rest on what this pass is about to change */
	order_mirror_state(a->order, in_step(a),
	    volumes_peer_seen_ms(a->volumes));
	volumes_reconcile(a->volumes, &a->right);
	guests_reconcile(a->guests, &a->right);
	if (a->stopping_guests && guests_none(a->guests) &&
	    volumes_all_secondary(a->volumes)) {
		a->stopping_guests = false;
		order_guests_stopped(a->order);
	}
	if (a->failover.claimed_ns != 0 && a->failover.started_ns == 0 &&
	    a->failover.taken && guests_all_started(a->guests))
		a->failover.started_ns = av_clock_ns();
	duties_do(a);
	split_reconcile(a);
	quorum_reconcile(a->quorum, a->order, duties_lead(a));
	facts_refresh(a);
	a->duties_ns = av_clock_ns();
	/* last: only a whole pass lets the mirror servers go on */
	volumes_alive(a->volumes, began_boot_ns);
}

/* --- start --- */

static int
read_key(const struct agent_conf *c, uint8_t key[32], struct av_err *err)
{
	AUTO_FREE char *text = NULL;
	int rc = av_file_read(c->key_file, 4096, &text, NULL, err);

	if (rc < 0)
		return rc;
	text[strcspn(text, "\r\n \t")] = '\0';
	rc = av_hex_decode(text, key, 32);
	explicit_bzero(text, strlen(text));
	if (rc < 0)
		return av_err_set(err, -EINVAL, "%s: not 64 hex digits",
		    c->key_file);
	return 0;
}

/* Guests of an earlier agent may run: their pid files tell ("PID STARTTIME"). */
static bool
guests_may_run(const struct agent_conf *c)
{
	char path[300];
	struct dirent *de;
	bool found = false;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/vm", c->run_dir);
	d = opendir(path);
	while (d != NULL && !found && (de = readdir(d)) != NULL) {
		AUTO_FREE char *text = NULL;
		char pid_path[600];
		int pid;

		(void)snprintf(pid_path, sizeof(pid_path), "%s/%s/pid", path,
		    de->d_name);
		if (av_file_read(pid_path, 100, &text, NULL, NULL) < 0)
			continue;
		found = sscanf(text, "%d ", &pid) == 1 && pid > 1 &&
		    (kill(pid, 0) == 0 || errno == EPERM);
	}
	if (d != NULL)
		(void)closedir(d);
	return found;
}

/* A record that can't be read stops order_open(), which says why. */
static bool
is_new_pm(const struct agent_conf *c)
{
	struct role_record rec;
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/role", c->state_dir);
	return record_read(path, c->unit_uuid, c->node, &rec, NULL) < 0 ||
	    rec.mode == ROLE_MODE_NEW;
}

static unsigned
time_scale_percent(const struct agent_conf *c)
{
	return (unsigned)(c->time_scale * 100 + 0.5);
}

static int
open_order(struct agent *a, struct av_err *err)
{
	static const char *const names[] = { "link0", "link1", "link2",
	    "link3" };
	const struct agent_conf *c = &a->conf;
	struct order_arbiter oa;
	struct order_conf oc = { .unit_uuid = c->unit_uuid, .node = c->node,
	    .state_dir = c->state_dir, .n_links = c->n_links,
	    .heartbeat_port = c->heartbeat_port,
	    .time_scale = time_scale_percent(c),
	    .guests_running = guests_may_run(c) };
	size_t i;
	int rc;

	for (i = 0; i < c->n_links; i++)
		oc.links[i] = (struct order_link){ .name = names[i],
		    .local = c->links[i].local, .peer = c->links[i].peer };
	quorum_first(a->quorum, is_new_pm(c), &oa);
	oc.arbiter_kind = oa.kind;
	oc.arbiter_address = oa.address;
	oc.arbiter_tls_dir = oa.tls_dir;
	rc = read_key(c, oc.key, err);
	if (rc < 0)
		return rc;
	rc = order_open(a->event, &oc, &order_callbacks, a, &a->order, err);
	explicit_bzero(oc.key, sizeof(oc.key));
	return rc;
}

static int
folders_make(const struct agent_conf *c, struct av_err *err)
{
	char images[300], volumes[300];
	const struct { const char *path; mode_t mode; } dirs[] = {
		{ c->run_dir, 0755 }, { c->state_dir, 0700 },
		{ c->log_dir, 0750 }, { images, 0700 }, { volumes, 0755 } };
	size_t i;

	(void)snprintf(images, sizeof(images), "%s/images", c->state_dir);
	(void)snprintf(volumes, sizeof(volumes), "%s/volumes", c->run_dir);
	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdir(dirs[i].path, dirs[i].mode) < 0 && errno != EEXIST)
			return av_err_set(err, -errno, "%s: %s", dirs[i].path,
			    strerror(errno));
	return 0;
}

static int
open_parts(struct agent *a, struct av_err *err)
{
	const struct agent_conf *c = &a->conf;
	struct control_ops ops = { .facts = ctl_facts, .self = ctl_self,
	    .submit = ctl_submit, .vnc_path = ctl_vnc_path,
	    .takeover = ctl_takeover, .split = ctl_split, .ctx = a };
	char path[300];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/unit.db", c->state_dir);
	rc = store_open(path, &a->store, err);
	if (rc == 0)
		rc = split_open(c->state_dir, c->unit_uuid, &a->split, err);
	if (rc == 0)
		rc = volumes_open(a->event, c, a->store, &volumes_callbacks, a,
		    &a->volumes, err);
	if (rc == 0)
		rc = guests_open(a->event, c, a->store, a->volumes, a->accel,
		    &guests_callbacks, a, &a->guests, err);
	(void)snprintf(path, sizeof(path), "%s/agent.sock", c->run_dir);
	if (rc == 0)
		rc = control_open(a->event, path, 0660, (gid_t)c->socket_gid,
		    a->store, &ops, a->boot, &a->control, err);
	/* from now on no word of the agent before this one keeps the peer alive */
	a->watchdog = watchdog_line_open(c->run_dir);
	if (rc == 0)
		rc = quorum_open(a->event, c, a->store, &quorum_callbacks, a,
		    &a->quorum, err);
	if (rc == 0)
		rc = open_order(a, err);
	if (rc == 0 && a->watchdog == NULL)
		rc = av_err_set(err, -ENOMEM, "no memory");
	if (rc == 0)
		rc = rhythm_pass_start(&a->rhythm, a->event, err);
	return rc;
}

int
agent_open(struct agent *a, sd_event *event, struct av_err *err)
{
	struct timing t;
	int rc;

	timing_fill(&t, time_scale_percent(&a->conf));
	a->rhythm = (struct rhythm){ .compare = on_compare,
	    .pass = agent_watchdog_pass, .ctx = a, .tick_ns = TICK_NS,
	    .tick_max_ns = t.tick_max_ns, .pass_ns = t.pass_ns };
	a->event = event;
	a->started_ns = av_clock_ns();
	(void)snprintf(a->boot, sizeof(a->boot), "%llx",
	    (unsigned long long)av_clock_utc_ms());
	rc = rhythm_start(&a->rhythm, event, err);
	if (rc == 0)
		rc = folders_make(&a->conf, err);
	a->host = host_describe(&a->conf);
	if (rc == 0)
		rc = open_parts(a, err);
	if (rc < 0)
		agent_close(a);
	return rc;
}

void
agent_close(struct agent *a)
{
	a->order = order_close(a->order);
	a->quorum = quorum_close(a->quorum);
	a->control = control_close(a->control);
	a->guests = guests_close(a->guests);
	a->volumes = volumes_close(a->volumes);
	a->split = split_close(a->split);
	a->store = store_close(a->store);
	rhythm_stop(&a->rhythm);
	a->power.child = sd_event_source_disable_unref(a->power.child);
	a->watchdog = watchdog_line_close(a->watchdog);
	json_decref(a->facts[0]);
	json_decref(a->facts[1]);
	json_decref(a->host);
	json_decref(a->images);
	json_decref(a->alerts_wanted);
	a->alerts_wanted = NULL;
	a->facts[0] = a->facts[1] = a->host = a->images = NULL;
	conf_dispose(&a->conf);
}
