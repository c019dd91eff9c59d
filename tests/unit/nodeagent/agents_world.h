/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/agents_world.h - volumes.c and guests.c of two PMs against the
 * sim drivers: one database, each PM its own right to run
 *
 * The test turns the loop until a condition holds.
 */
#ifndef AV_AGENTS_WORLD_H
#define AV_AGENTS_WORLD_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "nodeagent/command.h"
#include "nodeagent/guests.h"
#include "nodeagent/volumes_impl.h"
#include "tests/test.h"

#define UUID	"6f1c2a34-0000-4000-8000-00000000abcd"
#define TURNS	4000

struct pm {
	struct world	*w;
	struct agent_conf conf;
	struct volumes	*volumes;
	struct guests	*guests;
	struct right	 right;
	json_t		*said;		/* its guests_facts(), as the peer hears */
};

struct world {
	sd_event	*event;
	struct store	*store;
	struct pm	 pm[2];
	unsigned	 n_commands;
	char		 dir[200];
	char		 last_error[320];
	bool		 hold_seen;	/* "seen" isn't confirmed by the peer */
	void		(*seen_done)(void *arg, int rc);
	void		*seen_arg;
	bool		 apart;		/* facts don't get over */
	bool		 lose_switch;	/* applied, but nobody hears of it ... */
	bool		 drop_switch;	/* ... or certainly not ordered */
};

/* --- the database: every command is applied at once --- */

static json_t *
facts_of(const struct pm *pm, const char *node)
{
	json_t *f = json_pack("{s:s,s:{s:s},s:[]}", "node", node,
	    "role", "state", "together", "images");

	if (pm->volumes != NULL)
		(void)json_object_set_new(f, "volumes",
		    volumes_facts(pm->volumes));
	if (pm->guests != NULL)
		(void)json_object_set_new(f, "vms", guests_facts(pm->guests));
	return f;
}

static int
apply(struct world *w, int self, const char *op, json_t *args,
    const char *user_role)
{
	AUTO_JSON json_t *cmd = command_new_system(op, args, self);
	AUTO_JSON json_t *f0 = facts_of(&w->pm[0], "node0");
	AUTO_JSON json_t *f1 = facts_of(&w->pm[1], "node1");
	AUTO_JSON json_t *result = NULL;
	const json_t *facts[2] = { f0, f1 };
	struct av_err err = { 0 };
	char id[40];
	int rc;

	if (user_role != NULL)
		(void)json_object_set_new(json_object_get(cmd, "actor"), "role",
		    json_string(user_role));
	(void)snprintf(id, sizeof(id), "test-%u", ++w->n_commands);
	rc = command_stamp(cmd, w->store, facts, self, 1000 + w->n_commands, id);
	if (rc == 0)
		rc = store_apply(w->store, cmd, &result, &err);
	if (rc < 0)
		(void)snprintf(w->last_error, sizeof(w->last_error), "%s: %s",
		    op, err.text);
	return rc;
}

static void
on_report(void *ctx, const char *op, json_t *args,
    void (*done)(void *arg, int rc), void *arg)
{
	struct pm *pm = ctx;
	const char *event = json_string_value(json_object_get(args, "event"));

	/* the peer hasn't confirmed: 'done' is still to come */
	if (pm->w->hold_seen && event != NULL && strcmp(event, "seen") == 0) {
		pm->w->seen_done = done;
		pm->w->seen_arg = arg;
		json_decref(args);
		return;
	}
	done(arg, apply(pm->w, pm->conf.node, op, args, NULL));
}

static void
on_changed(void *ctx, const char *id)
{
	(void)ctx;
	(void)id;
}

static bool
on_in_use(void *ctx, const char *vm_id)
{
	return guests_use_disks(((struct pm *)ctx)->guests, vm_id);
}

static void
on_order(void *ctx, const char *op, json_t *args,
    void (*done)(void *arg, int rc, bool maybe), void *arg)
{
	struct pm *pm = ctx;
	bool is_switch = strcmp(op, "vm.switch") == 0;

	if (is_switch && (pm->w->lose_switch || pm->w->drop_switch)) {
		json_decref(args);
		done(arg, -EAGAIN, pm->w->lose_switch);
		return;
	}
	done(arg, apply(pm->w, pm->conf.node, op, args, NULL), false);
}

static const json_t *
on_peer_vm(void *ctx, const char *vm_id)
{
	struct pm *pm = ctx, *peer = &pm->w->pm[1 - pm->conf.node];

	if (pm->w->apart || peer->guests == NULL)
		return NULL;
	json_decref(pm->said);
	pm->said = guests_facts(peer->guests);
	return json_object_get(pm->said, vm_id);
}

static bool
on_held_open(void *ctx, const char *vm_id)
{
	return guests_here(((struct pm *)ctx)->guests, vm_id);
}

static const struct volumes_ops volumes_cb = { .changed = on_changed,
	.report = on_report, .in_use = on_in_use, .held_open = on_held_open };
static const struct guests_ops guests_cb = { .changed = on_changed,
	.report = on_report, .order = on_order, .peer_vm = on_peer_vm };

/* --- the world --- */

/* Of the worlds that are opened from now on. */
static const char *world_mirror = "sim";

static int
pm_open(struct world *w, int node)
{
	struct pm *pm = &w->pm[node];
	struct av_err err = { 0 };
	char path[240];

	*pm = (struct pm){ .w = w, .right = { .kind = RIGHT_TOGETHER, .gen = 1 } };
	pm->conf.node = node;
	pm->conf.socket_gid = -1;
	pm->conf.time_scale = 1;
	pm->conf.mirror_port_base = 7800;
	(void)snprintf(pm->conf.unit_uuid, sizeof(pm->conf.unit_uuid), UUID);
	(void)snprintf(path, sizeof(path), "%s/node%d", w->dir, node);
	pm->conf.state_dir = strdup(path);
	pm->conf.run_dir = strdup(path);
	pm->conf.log_dir = strdup(path);
	pm->conf.driver_mirror = strdup(world_mirror);
	pm->conf.driver_vmm = strdup("sim");
	pm->conf.mirror_listen = strdup("127.0.0.1");
	if (mkdir(path, 0700) < 0)
		CHECK_EQ(errno, EEXIST);
	CHECK_EQ(volumes_open(w->event, &pm->conf, w->store, &volumes_cb, pm,
	    &pm->volumes, &err), 0);
	CHECK_EQ(guests_open(w->event, &pm->conf, w->store, pm->volumes,
	    VMM_ACCEL_TCG, &guests_cb, pm, &pm->guests, &err), 0);
	return 0;
}

static void
pm_close(struct pm *pm)
{
	json_decref(pm->said);
	pm->said = NULL;
	pm->guests = guests_close(pm->guests);
	pm->volumes = volumes_close(pm->volumes);
	conf_dispose(&pm->conf);
}

static int
world_open(struct world *w)
{
	struct av_err err = { 0 };
	json_t *node;
	char path[240];
	int i;

	memset(w, 0, sizeof(*w));
	/* short, whatever TMPDIR is: guests' sockets lie below it */
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/avlife.XXXXXX");
	CHECK(mkdtemp(w->dir) != NULL);
	CHECK(sd_event_new(&w->event) >= 0);
	(void)snprintf(path, sizeof(path), "%s/unit.db", w->dir);
	CHECK_EQ(store_open(path, &w->store, &err), 0);
	CHECK_EQ(apply(w, 0, "unit.create", json_pack("{s:s,s:s,s:{s:s,s:s}}",
	    "uuid", UUID, "name", "test", "admin", "name", "admin", "hash",
	    "$y$j9T$test$test"), NULL), 0);
	for (i = 0; i < 2; i++) {
		node = json_pack("{s:s,s:{s:i,s:i,s:i},s:I,s:I}", "node",
		    i == 0 ? "node0" : "node1", "cpus", "threads", 4, "cores",
		    4, "sockets", 1, "memory_bytes", (json_int_t)8 << 30,
		    "storage_bytes", (json_int_t)64 << 30);
		CHECK_EQ(apply(w, i, "node.report", node, NULL), 0);
		CHECK_EQ(pm_open(w, i), 0);
	}
	return 0;
}

static int
remove_one(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)type;
	(void)f;
	return remove(path);
}

static void
folder_remove(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
world_close(struct world *w)
{
	pm_close(&w->pm[0]);
	pm_close(&w->pm[1]);
	(void)store_close(w->store);
	(void)sd_event_unref(w->event);
	folder_remove(w->dir);
	mirror_sim_reset();
	vmm_sim_reset();
}

static void
turn(struct world *w)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (w->pm[i].volumes == NULL)
			continue;
		volumes_reconcile(w->pm[i].volumes, &w->pm[i].right);
		guests_reconcile(w->pm[i].guests, &w->pm[i].right);
	}
	(void)sd_event_run(w->event, 2000);
}

static struct store_vm
vm_row(const struct world *w, const char *id)
{
	struct store_vm vm;

	memset(&vm, 0, sizeof(vm));
	vm.node = -2;
	(void)store_get_vm(w->store, id, &vm);
	return vm;
}

static const char *
fact(struct world *w, int node, const char *id)
{
	static char text[32];
	AUTO_JSON json_t *facts = guests_facts(w->pm[node].guests);
	const char *s = json_string_value(json_object_get(
	    json_object_get(facts, id), "activity"));

	(void)snprintf(text, sizeof(text), "%s", s != NULL ? s : "none");
	return text;
}

#define UNTIL(w, cond) do { \
	int turns_ = 0; \
	while (!(cond) && turns_++ < TURNS) \
		turn(w); \
	if (!(cond)) \
		fprintf(stderr, "last refusal: %s\n", (w)->last_error); \
	CHECK(cond); } while (0)

static int
vm_make(struct world *w, const char *preferred)
{
	CHECK_EQ(apply(w, 0, "vm.create", json_pack(
	    "{s:s,s:s,s:i,s:I,s:[{s:I}],s:[],s:s}", "name", "web", "os",
	    "linux", "vcpus", 1, "memory_bytes", (json_int_t)256 << 20,
	    "volumes", "size_bytes", (json_int_t)1 << 30, "networks",
	    "preferred", preferred), "administrator"), 0);
	return 0;
}

static const char *
vm_id(struct world *w)
{
	static char id[STORE_ID_MAX];
	AUTO_JSON json_t *facts0 = guests_facts(w->pm[0].guests);
	unsigned n;

	/* the only VM: ids count up from one counter */
	(void)facts0;
	for (n = 1; n < 100; n++) {
		struct store_vm vm;

		(void)snprintf(id, sizeof(id), "vm:o%u", n);
		if (store_get_vm(w->store, id, &vm) == 0)
			return id;
	}
	return "none";
}

static int
vm_run(struct world *w, const char *preferred)
{
	const char *id;

	CHECK_EQ(vm_make(w, preferred), 0);
	id = vm_id(w);
	UNTIL(w, vm_row(w, id).phase == STORE_READY);
	CHECK_EQ(apply(w, 0, "vm.start", json_pack("{s:s}", "vm", id),
	    "administrator"), 0);
	UNTIL(w, guests_all_started(w->pm[0].guests) &&
	    guests_all_started(w->pm[1].guests) &&
	    (guests_here(w->pm[0].guests, id) ||
	    guests_here(w->pm[1].guests, id)));
	return 0;
}

#endif
