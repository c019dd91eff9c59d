/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * volumes.c and guests.c of two PMs against the sim drivers: one database, each
 * PM its own right to run.  The test turns the loop until a condition holds.
 */
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
#include "nodeagent/home.h"
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

static const struct volumes_ops volumes_cb = { .changed = on_changed,
	.report = on_report, .in_use = on_in_use };
static const struct guests_ops guests_cb = { .changed = on_changed,
	.report = on_report, .order = on_order, .peer_vm = on_peer_vm };

/* --- the world --- */

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
	pm->conf.driver_mirror = strdup("sim");
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

/* --- the tests --- */

TEST(a_vm_is_made_on_both_and_runs_on_one)
{
	struct world w;
	const char *id;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node1"), 0);
	id = vm_id(&w);
	CHECK_EQ(vm_row(&w, id).node, 1);
	CHECK(!guests_here(w.pm[0].guests, id));
	CHECK(guests_here(w.pm[1].guests, id));
	CHECK(volumes_ready(w.pm[1].volumes, vm_row(&w, id).disks[0].volume_id,
	    NULL));
	CHECK(!volumes_ready(w.pm[0].volumes, vm_row(&w, id).disks[0].volume_id,
	    NULL));
	UNTIL(&w, volumes_in_step(w.pm[0].volumes) &&
	    volumes_in_step(w.pm[1].volumes));
	world_close(&w);
	return 0;
}

TEST(frozen_pauses_and_together_resumes)
{
	struct world w;
	const char *id;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	id = vm_id(&w);
	guests_pause_all(w.pm[0].guests);
	w.pm[0].right.kind = RIGHT_FROZEN;
	UNTIL(&w, strcmp(fact(&w, 0, id), "paused") == 0);
	w.pm[0].right.kind = RIGHT_TOGETHER;
	UNTIL(&w, strcmp(fact(&w, 0, id), "paused") != 0);
	CHECK(guests_here(w.pm[0].guests, id));
	CHECK_EQ(vm_row(&w, id).crashes, 0);
	world_close(&w);
	return 0;
}

TEST(without_the_right_guests_end_and_volumes_step_down)
{
	static const enum right_kind kinds[] = { RIGHT_NONE, RIGHT_FOLLOW };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct world w;

		CHECK_EQ(world_open(&w), 0);
		CHECK_EQ(vm_run(&w, "node0"), 0);
		w.pm[0].right.kind = kinds[i];
		UNTIL(&w, guests_none(w.pm[0].guests) &&
		    volumes_all_secondary(w.pm[0].volumes));
		CHECK_EQ(vm_row(&w, vm_id(&w)).want, STORE_WANT_RUNNING);
		world_close(&w);
	}
	return 0;
}

TEST(unknown_touches_nothing_that_runs)
{
	struct world w;
	const char *id;
	int i;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	id = vm_id(&w);
	/* the agent starts anew and finds its guest */
	pm_close(&w.pm[0]);
	CHECK_EQ(pm_open(&w, 0), 0);
	w.pm[0].right.kind = RIGHT_UNKNOWN;
	CHECK(guests_here(w.pm[0].guests, id));	/* not looked: may be */
	for (i = 0; i < 50; i++)
		turn(&w);
	CHECK(guests_here(w.pm[0].guests, id));
	CHECK_EQ(vm_row(&w, id).run_id, 1);
	w.pm[0].right.kind = RIGHT_TOGETHER;
	for (i = 0; i < 50; i++)
		turn(&w);
	CHECK(guests_here(w.pm[0].guests, id));
	CHECK_EQ(vm_row(&w, id).run_id, 1);
	CHECK_EQ(vm_row(&w, id).crashes, 0);
	world_close(&w);
	return 0;
}

TEST(the_survivor_takes_the_guest)
{
	struct world w;
	const char *id;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	id = vm_id(&w);
	pm_close(&w.pm[0]);		/* power off: nothing of it is left */
	mirror_sim_cut(NULL, true);
	w.pm[1].right = (struct right){ .kind = RIGHT_ALONE, .gen = 2 };
	CHECK_EQ(apply(&w, 1, "vm.takeover", json_pack("{s:s,s:s}", "from",
	    "node0", "to", "node1"), NULL), 0);
	UNTIL(&w, guests_here(w.pm[1].guests, id) &&
	    guests_all_started(w.pm[1].guests));
	CHECK_EQ(vm_row(&w, id).node, 1);
	CHECK(vm_row(&w, id).run_id >= 2);
	world_close(&w);
	return 0;
}

TEST(shutdown_and_removal_leave_nothing)
{
	struct world w;
	char id[STORE_ID_MAX], volume[STORE_ID_MAX];
	struct store_volume vol;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	(void)snprintf(id, sizeof(id), "%s", vm_id(&w));
	(void)snprintf(volume, sizeof(volume), "%s",
	    vm_row(&w, id).disks[0].volume_id);
	CHECK_EQ(apply(&w, 0, "vm.poweroff", json_pack("{s:s}", "vm", id),
	    "administrator"), 0);
	UNTIL(&w, vm_row(&w, id).node == -1);
	CHECK(guests_none(w.pm[0].guests));
	CHECK_EQ(apply(&w, 0, "vm.delete", json_pack("{s:s}", "vm", id),
	    "administrator"), 0);
	UNTIL(&w, vm_row(&w, id).node == -2 &&
	    store_get_volume(w.store, volume, &vol) == -ENOENT);
	world_close(&w);
	return 0;
}

/* --- the care of volumes --- */

static struct volume *
vol_of(struct world *w, int node)
{
	return w->pm[node].volumes->list;
}

static const struct mirror_status *
status(struct world *w, int node)
{
	return mirror_status_peek(vol_of(w, node)->m);
}

static struct store_volume
vol_row(const struct world *w)
{
	struct store_volume vol = { .failed_leg = -9 };
	char id[STORE_ID_MAX];
	unsigned n;

	for (n = 1; n < 100; n++) {
		(void)snprintf(id, sizeof(id), "volume:o%u", n);
		if (store_get_volume(w->store, id, &vol) == 0)
			break;
	}
	return vol;
}

/* An administrator's operation on the only volume. */
static int
care(struct world *w, const char *op, json_t *more)
{
	json_t *args = json_pack("{s:s}", "volume", vol_row(w).id);

	if (more != NULL)
		(void)json_object_update(args, more);
	json_decref(more);
	return apply(w, 0, op, args, "administrator");
}

TEST(a_verify_runs_and_its_result_is_recorded)
{
	struct world w;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	mirror_sim_damage(vol_of(&w, 0)->m, 3);
	CHECK_EQ(care(&w, "volume.verify", NULL), 0);
	CHECK(vol_row(&w).verify.active);
	UNTIL(&w, !vol_row(&w).verify.active);
	CHECK_STR(vol_row(&w).verify.result, "done");
	CHECK_EQ(vol_row(&w).verify.found, 3);
	CHECK_EQ(vol_row(&w).verify.repaired, 0);
	mirror_sim_damage(vol_of(&w, 0)->m, 2);
	CHECK_EQ(care(&w, "volume.verify", json_pack("{s:b}", "repair", 1)), 0);
	UNTIL(&w, !vol_row(&w).verify.active);
	CHECK_EQ(vol_row(&w).verify.found, 2);
	CHECK_EQ(vol_row(&w).verify.repaired, 2);
	/* ordered, and the server starts again before it has begun */
	CHECK_EQ(care(&w, "volume.verify", NULL), 0);
	mirror_sim_kill(vol_of(&w, 0)->m);
	UNTIL(&w, !vol_row(&w).verify.active);
	CHECK_EQ(vol_row(&w).verify.found, 0);
	world_close(&w);
	return 0;
}

TEST(pause_and_limit_follow_the_database_through_restarts)
{
	struct world w;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	CHECK_EQ(care(&w, "volume.resync-pause", NULL), 0);
	CHECK_EQ(apply(&w, 0, "unit.configure", json_pack("{s:i}",
	    "resync_rate_kib_s", 5120), "administrator"), 0);
	UNTIL(&w, status(&w, 0)->resync_paused && status(&w, 1)->resync_paused);
	UNTIL(&w, status(&w, 0)->resync_limit_kib_s == 5120 &&
	    status(&w, 1)->resync_limit_kib_s == 5120);
	/* a new server knows of neither */
	mirror_sim_kill(vol_of(&w, 1)->m);
	UNTIL(&w, status(&w, 1)->server == MIRROR_SERVER_UP &&
	    status(&w, 1)->resync_paused &&
	    status(&w, 1)->resync_limit_kib_s == 5120);
	/* a new agent goes on */
	pm_close(&w.pm[0]);
	CHECK_EQ(care(&w, "volume.resync-resume", NULL), 0);
	CHECK_EQ(pm_open(&w, 0), 0);
	UNTIL(&w, vol_of(&w, 0) != NULL && vol_of(&w, 0)->m != NULL &&
	    status(&w, 0)->server == MIRROR_SERVER_UP &&
	    !status(&w, 0)->resync_paused && !status(&w, 1)->resync_paused);
	world_close(&w);
	return 0;
}

TEST(a_volume_grows_under_its_guest)
{
	const uint64_t larger = 2ull << 30;
	struct vmm_dom *dom;
	struct world w;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	CHECK_EQ(care(&w, "volume.grow", json_pack("{s:I}", "size_bytes",
	    (json_int_t)larger)), 0);
	CHECK_EQ(vol_row(&w).size_bytes, larger);
	UNTIL(&w, status(&w, 0)->size_bytes == larger &&
	    status(&w, 1)->size_bytes == larger);
	dom = guests_dom(w.pm[0].guests, vm_id(&w));
	UNTIL(&w, vmm_sim_disk_bytes(dom, 0) == larger);
	CHECK_EQ(vm_row(&w, vm_id(&w)).run_id, 1);
	world_close(&w);
	return 0;
}

/* --- legs that fail --- */

TEST(the_peers_leg_fails_and_the_guest_goes_on)
{
	struct world w;
	const char *id;
	int i;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	id = vm_id(&w);
	CHECK(volumes_in_step(w.pm[0].volumes));
	w.hold_seen = true;
	mirror_sim_fail_disk(vol_of(&w, 1)->m);
	UNTIL(&w, vol_row(&w).failed_leg == 1 && w.seen_done != NULL);
	/* the other PM may not have the mark yet: not one write to one leg */
	for (i = 0; i < 100; i++) {
		turn(&w);
		CHECK(!status(&w, 0)->alone);
	}
	CHECK(!volumes_in_step(w.pm[0].volumes));
	w.hold_seen = false;
	w.seen_done(w.seen_arg, 0);
	UNTIL(&w, status(&w, 0)->alone);
	CHECK(volumes_ready(w.pm[0].volumes, vol_row(&w).id, NULL));
	CHECK(!volumes_in_step(w.pm[0].volumes));
	CHECK_EQ(vm_row(&w, id).run_id, 1);
	/* this PM dies; the other one, started anew with a disk that answers
	 * again, never uses what it has */
	pm_close(&w.pm[0]);
	mirror_sim_cut(NULL, true);
	mirror_sim_kill(vol_of(&w, 1)->m);
	w.pm[1].right = (struct right){ .kind = RIGHT_ALONE, .gen = 2 };
	CHECK_EQ(apply(&w, 1, "vm.takeover", json_pack("{s:s,s:s}", "from",
	    "node0", "to", "node1"), NULL), 0);
	for (i = 0; i < 300; i++) {
		turn(&w);
		CHECK_EQ(status(&w, 1)->role, MIRROR_SECONDARY);
		CHECK(!guests_here(w.pm[1].guests, id) || i < 20);
	}
	UNTIL(&w, volumes_lost_here(w.pm[1].volumes, vol_row(&w).id));
	CHECK(!volumes_ready(w.pm[1].volumes, vol_row(&w).id, NULL));
	world_close(&w);
	return 0;
}

/* The other PM's own word comes first: its server answers still. */
TEST(a_marked_volume_is_not_in_step)
{
	struct world w;
	int i;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	UNTIL(&w, volumes_in_step(w.pm[0].volumes));
	w.hold_seen = true;
	CHECK_EQ(apply(&w, 1, "volume.report", json_pack("{s:s,s:s,s:s,s:s}",
	    "volume", vol_row(&w).id, "node", "node1", "event", "leg-failed",
	    "reason", "EIO"), NULL), 0);
	for (i = 0; i < 50; i++) {
		turn(&w);
		CHECK_EQ(status(&w, 0)->conn, MIRROR_CONNECTED);
		CHECK(!volumes_in_step(w.pm[0].volumes));
		CHECK(!volumes_in_step(w.pm[1].volumes));
	}
	/* 'connected' since before the mark proves nothing */
	CHECK_EQ(vol_row(&w).failed_leg, 1);
	world_close(&w);
	return 0;
}

TEST(a_replaced_leg_is_filled_and_the_mark_goes)
{
	struct world w;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	mirror_sim_fail_disk(vol_of(&w, 1)->m);
	UNTIL(&w, status(&w, 0)->alone);
	CHECK_EQ(care(&w, "volume.replace-leg", NULL), 0);
	UNTIL(&w, vol_row(&w).failed_leg == -1);
	CHECK_EQ(vol_row(&w).replace, STORE_REPLACE_NO);
	UNTIL(&w, volumes_in_step(w.pm[0].volumes));
	CHECK_EQ(status(&w, 1)->disk, MIRROR_DISK_UPTODATE);
	CHECK_EQ(vm_row(&w, vm_id(&w)).run_id, 1);
	CHECK_EQ(vm_row(&w, vm_id(&w)).node, 0);
	world_close(&w);
	return 0;
}

TEST(the_own_leg_fails_and_the_guest_goes_on_without_it)
{
	struct world w;
	char id[STORE_ID_MAX];

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	(void)snprintf(id, sizeof(id), "%s", vm_id(&w));
	mirror_sim_fail_disk(vol_of(&w, 0)->m);
	UNTIL(&w, vol_row(&w).failed_leg == 0 && status(&w, 0)->diskless);
	UNTIL(&w, status(&w, 0)->conn == MIRROR_DISKLESS);
	CHECK(volumes_ready(w.pm[0].volumes, vol_row(&w).id, NULL));
	CHECK_EQ(vm_row(&w, id).run_id, 1);
	CHECK_EQ(vm_row(&w, id).node, 0);
	/* its new agent leaves it as it is */
	pm_close(&w.pm[0]);
	CHECK_EQ(pm_open(&w, 0), 0);
	UNTIL(&w, vol_of(&w, 0) != NULL && vol_of(&w, 0)->m != NULL &&
	    status(&w, 0)->server == MIRROR_SERVER_UP &&
	    guests_all_started(w.pm[0].guests));
	CHECK(status(&w, 0)->diskless);
	/* once it is off the other PM leads; the leg is made anew and filled */
	CHECK_EQ(apply(&w, 0, "vm.poweroff", json_pack("{s:s}", "vm", id),
	    "administrator"), 0);
	UNTIL(&w, vm_row(&w, id).node == -1 &&
	    status(&w, 1)->role == MIRROR_PRIMARY && status(&w, 1)->alone);
	CHECK_EQ(care(&w, "volume.replace-leg", NULL), 0);
	UNTIL(&w, vol_row(&w).failed_leg == -1);
	UNTIL(&w, status(&w, 0)->role == MIRROR_PRIMARY &&
	    volumes_in_step(w.pm[0].volumes));
	world_close(&w);
	return 0;
}

TEST(without_its_server_a_diskless_guest_goes_to_the_other_pm)
{
	struct world w;
	char id[STORE_ID_MAX];

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	(void)snprintf(id, sizeof(id), "%s", vm_id(&w));
	mirror_sim_fail_disk(vol_of(&w, 0)->m);
	UNTIL(&w, status(&w, 0)->conn == MIRROR_DISKLESS);
	/* the new server's disk answers again, with old data */
	mirror_sim_kill(vol_of(&w, 0)->m);
	UNTIL(&w, vm_row(&w, id).node == 1);
	UNTIL(&w, guests_here(w.pm[1].guests, id) &&
	    guests_all_started(w.pm[1].guests));
	CHECK(!guests_here(w.pm[0].guests, id));
	CHECK_EQ(vm_row(&w, id).run_id, 2);
	/* as a target it is brought up to date, then it is good again */
	UNTIL(&w, vol_row(&w).failed_leg == -1);
	world_close(&w);
	return 0;
}

/* --- live migration --- */

static enum vmm_state
state_on(struct world *w, int node, const char *id)
{
	struct vmm_dom *dom = guests_dom(w->pm[node].guests, id);
	struct vmm_status st = { 0 };

	if (dom != NULL)
		vmm_status(dom, &st);
	return st.state;
}

static enum vmm_phase
phase_on(struct world *w, int node, const char *id)
{
	struct vmm_status st = { 0 };

	vmm_status(guests_dom(w->pm[node].guests, id), &st);
	return st.migration.phase;
}

/* One VM that runs on node0 and is in step; it is told to move. */
static int
moving(struct world *w, enum vmm_phase hold)
{
	CHECK_EQ(world_open(w), 0);
	CHECK_EQ(vm_run(w, "node0"), 0);
	vmm_sim_show_life(guests_dom(w->pm[0].guests, vm_id(w)));
	UNTIL(w, volumes_in_step(w->pm[0].volumes) &&
	    volumes_in_step(w->pm[1].volumes) &&
	    strcmp(fact(w, 0, vm_id(w)), "running") == 0);
	vmm_sim_migration_hold(hold);
	CHECK_EQ(apply(w, 0, "vm.migrate", json_pack("{s:s}", "vm", vm_id(w)),
	    "administrator"), 0);
	return 0;
}

static bool
only_on(struct world *w, int node, const char *id)
{
	return vm_row(w, id).node == node && vm_row(w, id).move.to < 0 &&
	    state_on(w, node, id) == VMM_RUNNING &&
	    !guests_here(w->pm[1 - node].guests, id);
}

TEST(a_guest_moves_there_and_back)
{
	struct world w;
	const char *id;
	uint64_t run;

	CHECK_EQ(moving(&w, VMM_PHASE_NONE), 0);
	id = vm_id(&w);
	run = vm_row(&w, id).run_id;
	UNTIL(&w, only_on(&w, 1, id));
	CHECK_EQ(vm_row(&w, id).run_id, run + 1);
	CHECK_STR(vm_row(&w, id).move.result, "done");
	CHECK_STR(fact(&w, 1, id), "running");
	CHECK(volumes_ready(w.pm[1].volumes, vm_row(&w, id).disks[0].volume_id,
	    NULL));
	UNTIL(&w, volumes_all_secondary(w.pm[0].volumes));
	CHECK_EQ(apply(&w, 0, "vm.migrate", json_pack("{s:s,s:s}", "vm", id,
	    "to", "node0"), "administrator"), 0);
	UNTIL(&w, only_on(&w, 0, id));
	CHECK_EQ(vm_row(&w, id).crashes, 0);
	world_close(&w);
	return 0;
}

static bool
goes_home(struct world *w, int64_t at_ms)
{
	AUTO_JSON json_t *f0 = facts_of(&w->pm[0], "node0");
	AUTO_JSON json_t *f1 = facts_of(&w->pm[1], "node1");
	const json_t *facts[2] = { f0, f1 };
	char id[STORE_ID_MAX];

	return home_next(w->store, facts, 0, at_ms, id) == 0 &&
	    strcmp(id, vm_id(w)) == 0;
}

TEST(a_vm_goes_home_when_all_is_in_step)
{
	struct world w;
	int64_t now;
	const char *id;

	/* on its way to node1 when that takes it over */
	CHECK_EQ(moving(&w, VMM_PHASE_ACTIVE), 0);
	id = vm_id(&w);
	CHECK_EQ(apply(&w, 1, "vm.takeover", json_pack("{s:s,s:s}", "from",
	    "node0", "to", "node1"), NULL), 0);
	CHECK_EQ(vm_row(&w, id).home, 0);
	CHECK_STR(vm_row(&w, id).move.result, "failed");
	UNTIL(&w, state_on(&w, 1, id) == VMM_RUNNING);
	CHECK(!goes_home(&w, 1000));	/* not seen running */
	vmm_sim_show_life(guests_dom(w.pm[1].guests, id));
	UNTIL(&w, strcmp(fact(&w, 1, id), "running") == 0 &&
	    volumes_in_step(w.pm[1].volumes));
	now = vm_row(&w, id).move.ended_ms + 1;
	CHECK(goes_home(&w, now));
	/* the way there; one that fails isn't tried again at once */
	vmm_sim_migration_hold(VMM_PHASE_ACTIVE);
	CHECK_EQ(apply(&w, 0, "vm.migrate", json_pack("{s:s}", "vm", id), NULL),
	    0);
	CHECK(!goes_home(&w, now));
	CHECK_EQ(apply(&w, 0, "vm.move-ended", json_pack("{s:s,s:I,s:s,s:s}",
	    "vm", id, "move", (json_int_t)vm_row(&w, id).move.id, "reason",
	    "too-slow", "detail", ""), NULL), 0);
	now = vm_row(&w, id).move.ended_ms;
	CHECK(!goes_home(&w, now + 1));
	UNTIL(&w, goes_home(&w, now + HOME_AGAIN_MS + 1));
	CHECK_EQ(apply(&w, 0, "unit.configure", json_pack("{s:b}", "go_home",
	    false), "administrator"), 0);
	CHECK(!goes_home(&w, now + HOME_AGAIN_MS + 1));
	world_close(&w);
	return 0;
}

TEST(a_cancelled_move_leaves_it_where_it_is)
{
	struct world w;
	const char *id;

	CHECK_EQ(moving(&w, VMM_PHASE_ACTIVE), 0);
	id = vm_id(&w);
	UNTIL(&w, phase_on(&w, 0, id) == VMM_PHASE_ACTIVE);
	CHECK_EQ(apply(&w, 1, "vm.migrate-cancel", json_pack("{s:s}", "vm", id),
	    "administrator"), 0);
	UNTIL(&w, only_on(&w, 0, id));
	CHECK_STR(vm_row(&w, id).move.result, "cancelled");
	CHECK_EQ(vm_row(&w, id).run_id, 1);
	world_close(&w);
	return 0;
}

TEST(a_target_that_fails_ends_the_move)
{
	struct world w;
	const char *id;

	CHECK_EQ(moving(&w, VMM_PHASE_ACTIVE), 0);
	id = vm_id(&w);
	UNTIL(&w, phase_on(&w, 0, id) == VMM_PHASE_ACTIVE);
	vmm_sim_die(guests_dom(w.pm[1].guests, id), 9);
	UNTIL(&w, only_on(&w, 0, id));
	CHECK_STR(vm_row(&w, id).move.result, "failed");
	CHECK(vm_row(&w, id).move.text[0] != '\0');
	world_close(&w);
	return 0;
}

TEST(a_stopped_guest_ends_its_move)
{
	struct world w;
	const char *id;

	CHECK_EQ(moving(&w, VMM_PHASE_ACTIVE), 0);
	id = vm_id(&w);
	UNTIL(&w, phase_on(&w, 0, id) == VMM_PHASE_ACTIVE);
	CHECK_EQ(apply(&w, 1, "vm.poweroff", json_pack("{s:s}", "vm", id),
	    "administrator"), 0);
	UNTIL(&w, vm_row(&w, id).node < 0 && !guests_here(w.pm[0].guests, id) &&
	    !guests_here(w.pm[1].guests, id));
	CHECK_STR(vm_row(&w, id).move.code, "stopped");
	world_close(&w);
	return 0;
}

/* The agent of either PM dies in any phase and comes back: it goes on. */
static int
agent_dies(int node, enum vmm_phase at)
{
	struct world w;
	const char *id;

	CHECK_EQ(moving(&w, at), 0);
	id = vm_id(&w);
	UNTIL(&w, guests_here(w.pm[1].guests, id) && (at == VMM_PHASE_WAITING ||
	    phase_on(&w, 0, id) == at));
	pm_close(&w.pm[node]);
	CHECK_EQ(pm_open(&w, node), 0);
	vmm_sim_migration_hold(VMM_PHASE_NONE);
	UNTIL(&w, only_on(&w, 1, id));
	CHECK_EQ(vm_row(&w, id).crashes, 0);
	CHECK_EQ(vm_row(&w, id).run_id, 2);
	world_close(&w);
	return 0;
}

TEST(an_agent_that_dies_goes_on)
{
	static const enum vmm_phase at[] = { VMM_PHASE_SETUP, VMM_PHASE_ACTIVE,
		VMM_PHASE_SWITCHING };
	size_t i;
	int node;

	for (i = 0; i < 3; i++)
		for (node = 0; node < 2; node++)
			CHECK_EQ(agent_dies(node, at[i]), 0);
	return 0;
}

/* Nobody may resume it until the database says which PM has it; an agent that was
 * started anew meanwhile knows that, too. */
static int
in_doubt(bool dies)
{
	struct world w;
	const char *id;
	int i;

	CHECK_EQ(moving(&w, VMM_PHASE_ACTIVE), 0);
	id = vm_id(&w);
	UNTIL(&w, phase_on(&w, 0, id) == VMM_PHASE_ACTIVE);
	w.lose_switch = true;
	vmm_sim_migration_hold(VMM_PHASE_NONE);
	UNTIL(&w, phase_on(&w, 0, id) == VMM_PHASE_COMPLETE);
	for (i = 0; i < 20; i++)
		turn(&w);
	CHECK_EQ(state_on(&w, 0, id), VMM_PAUSED);
	CHECK_EQ(state_on(&w, 1, id), VMM_INCOMING);
	/* alone: the other PM may have run it on; what is here is void, and
	 * nothing is started before the take-over */
	w.apart = true;
	if (dies) {
		pm_close(&w.pm[0]);
		CHECK_EQ(pm_open(&w, 0), 0);
	}
	w.pm[0].right = (struct right){ RIGHT_ALONE, 2 };
	w.pm[1].right = (struct right){ RIGHT_NONE, 0 };
	UNTIL(&w, state_on(&w, 0, id) == VMM_EXITED);
	for (i = 0; i < 20; i++)
		turn(&w);
	CHECK_EQ(state_on(&w, 0, id), VMM_EXITED);
	CHECK_EQ(apply(&w, 0, "vm.takeover", json_pack("{s:s,s:s}", "from",
	    "node1", "to", "node0"), NULL), 0);
	UNTIL(&w, only_on(&w, 0, id));
	CHECK_STR(vm_row(&w, id).move.code, "peer-lost");
	world_close(&w);
	return 0;
}

TEST(a_switch_in_doubt_resumes_nobody)
{
	return in_doubt(false);
}

TEST(a_new_agent_knows_of_a_switch_in_doubt)
{
	return in_doubt(true);
}

TEST(a_switch_that_nobody_ordered_is_tried_again)
{
	struct world w;
	const char *id;

	CHECK_EQ(moving(&w, VMM_PHASE_NONE), 0);
	id = vm_id(&w);
	w.drop_switch = true;
	UNTIL(&w, phase_on(&w, 0, id) == VMM_PHASE_COMPLETE);
	turn(&w);
	w.drop_switch = false;
	UNTIL(&w, only_on(&w, 1, id));
	world_close(&w);
	return 0;
}

TEST(pms_that_lose_each_other_leave_it_on_the_source)
{
	struct world w;
	const char *id;

	CHECK_EQ(moving(&w, VMM_PHASE_ACTIVE), 0);
	id = vm_id(&w);
	UNTIL(&w, phase_on(&w, 0, id) == VMM_PHASE_ACTIVE);
	w.apart = true;
	guests_pause_all(w.pm[0].guests);
	guests_pause_all(w.pm[1].guests);
	w.pm[0].right.kind = w.pm[1].right.kind = RIGHT_FROZEN;
	UNTIL(&w, state_on(&w, 0, id) == VMM_PAUSED);
	CHECK(!guests_awake(w.pm[0].guests));
	w.pm[0].right = (struct right){ RIGHT_ALONE, 2 };
	w.pm[1].right = (struct right){ RIGHT_NONE, 0 };
	UNTIL(&w, only_on(&w, 0, id));
	CHECK_EQ(vm_row(&w, id).run_id, 1);
	CHECK_STR(vm_row(&w, id).move.code, "peer-lost");
	world_close(&w);
	return 0;
}

TESTS_MAIN(T(a_guest_moves_there_and_back),
    T(a_vm_goes_home_when_all_is_in_step),
    T(a_cancelled_move_leaves_it_where_it_is),
    T(a_target_that_fails_ends_the_move), T(a_stopped_guest_ends_its_move),
    T(an_agent_that_dies_goes_on), T(a_switch_in_doubt_resumes_nobody),
    T(a_new_agent_knows_of_a_switch_in_doubt),
    T(a_switch_that_nobody_ordered_is_tried_again),
    T(pms_that_lose_each_other_leave_it_on_the_source),
    T(a_verify_runs_and_its_result_is_recorded),
    T(pause_and_limit_follow_the_database_through_restarts),
    T(a_volume_grows_under_its_guest),
    T(the_peers_leg_fails_and_the_guest_goes_on),
    T(a_marked_volume_is_not_in_step), T(a_replaced_leg_is_filled_and_the_mark_goes),
    T(the_own_leg_fails_and_the_guest_goes_on_without_it),
    T(without_its_server_a_diskless_guest_goes_to_the_other_pm),
    T(a_vm_is_made_on_both_and_runs_on_one),
    T(frozen_pauses_and_together_resumes),
    T(without_the_right_guests_end_and_volumes_step_down),
    T(unknown_touches_nothing_that_runs), T(the_survivor_takes_the_guest),
    T(shutdown_and_removal_leave_nothing))
