/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The life of VMs and their volumes on two PMs, over the sim drivers
 */
#include "tests/unit/nodeagent/agents_world.h"

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

/* A hand-back mustn't rest on whose volumes were whose before. */
TEST(volumes_are_known_after_a_pass_with_the_right)
{
	struct world w;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	UNTIL(&w, volumes_know(w.pm[1].volumes, &w.pm[1].right));
	CHECK(!volumes_know(w.pm[1].volumes,
	    &(struct right){ .kind = RIGHT_TOGETHER, .gen = 2 }));
	w.pm[1].right = (struct right){ .kind = RIGHT_NONE };
	CHECK(!volumes_know(w.pm[1].volumes, &w.pm[1].right));
	UNTIL(&w, volumes_know(w.pm[1].volumes, &w.pm[1].right));
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

TEST(a_diskless_guest_moves_to_its_data)
{
	struct world w;
	char id[STORE_ID_MAX], vol[STORE_ID_MAX];

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(vm_run(&w, "node0"), 0);
	(void)snprintf(id, sizeof(id), "%s", vm_id(&w));
	(void)snprintf(vol, sizeof(vol), "%s", vol_row(&w).id);
	vmm_sim_show_life(guests_dom(w.pm[0].guests, id));
	mirror_sim_fail_disk(vol_of(&w, 0)->m);
	UNTIL(&w, vol_of(&w, 0)->row.failed_leg == 0);
	CHECK_EQ(status(&w, 0)->conn, MIRROR_HELD);	/* marked, not served yet */
	CHECK(!volumes_may_leave(w.pm[0].volumes, vol));
	UNTIL(&w, status(&w, 0)->conn == MIRROR_DISKLESS &&
	    strcmp(fact(&w, 0, id), "running") == 0);
	CHECK(volumes_may_leave(w.pm[0].volumes, vol));
	CHECK(!volumes_may_leave(w.pm[1].volumes, vol));
	CHECK_EQ(apply(&w, 0, "vm.migrate", json_pack("{s:s}", "vm", id),
	    NULL), 0);
	UNTIL(&w, vm_row(&w, id).node == 1 && vm_row(&w, id).move.to < 0 &&
	    strcmp(fact(&w, 1, id), "running") == 0);
	CHECK_STR(vm_row(&w, id).move.result, "done");
	CHECK_EQ(vm_row(&w, id).home, 0);
	UNTIL(&w, !guests_here(w.pm[0].guests, id));
	UNTIL(&w, status(&w, 1)->role == MIRROR_PRIMARY && status(&w, 1)->alone);
	UNTIL(&w, status(&w, 0)->role == MIRROR_SECONDARY);
	/* not back while that disk is bad; its leg can be made anew under it */
	CHECK_EQ(apply(&w, 0, "vm.migrate", json_pack("{s:s}", "vm", id),
	    NULL), -EBUSY);
	CHECK_EQ(care(&w, "volume.replace-leg", NULL), 0);
	UNTIL(&w, vol_row(&w).failed_leg == -1 &&
	    volumes_in_step(w.pm[1].volumes));
	CHECK_EQ(vm_row(&w, id).node, 1);
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

TESTS_MAIN(T(a_verify_runs_and_its_result_is_recorded),
    T(pause_and_limit_follow_the_database_through_restarts),
    T(a_volume_grows_under_its_guest),
    T(the_peers_leg_fails_and_the_guest_goes_on),
    T(a_marked_volume_is_not_in_step),
    T(volumes_are_known_after_a_pass_with_the_right),
    T(a_replaced_leg_is_filled_and_the_mark_goes),
    T(the_own_leg_fails_and_the_guest_goes_on_without_it),
    T(a_diskless_guest_moves_to_its_data),
    T(without_its_server_a_diskless_guest_goes_to_the_other_pm),
    T(a_vm_is_made_on_both_and_runs_on_one),
    T(frozen_pauses_and_together_resumes),
    T(without_the_right_guests_end_and_volumes_step_down),
    T(unknown_touches_nothing_that_runs), T(the_survivor_takes_the_guest),
    T(shutdown_and_removal_leave_nothing))
