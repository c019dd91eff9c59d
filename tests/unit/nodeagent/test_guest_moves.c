/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Live migration by the agents of two PMs, over the sim drivers
 */
#include "nodeagent/home.h"
#include "tests/unit/nodeagent/agents_world.h"

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

	return home_next(&(struct evacuate_look){ .st = w->store,
	    .facts = facts, .now_utc_ms = at_ms }, id) == 0 &&
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

/* The guest would stand still until the time for the change-over is up. */
static int
targets_disk_fails(enum vmm_phase at)
{
	struct world w;
	const char *id;

	CHECK_EQ(moving(&w, at), 0);
	id = vm_id(&w);
	UNTIL(&w, phase_on(&w, 0, id) == at);
	mirror_sim_fail_disk(volume_find(w.pm[1].volumes,
	    vm_row(&w, id).disks[0].volume_id)->m);
	UNTIL(&w, volumes_lost_there(w.pm[0].volumes,
	    vm_row(&w, id).disks[0].volume_id));
	vmm_sim_migration_hold(VMM_PHASE_NONE);
	UNTIL(&w, only_on(&w, 0, id));
	CHECK_STR(vm_row(&w, id).move.code, "disks");
	CHECK_EQ(vm_row(&w, id).run_id, 1);
	world_close(&w);
	return 0;
}

TEST(a_targets_disk_that_fails_ends_the_move)
{
	CHECK_EQ(targets_disk_fails(VMM_PHASE_ACTIVE), 0);
	return targets_disk_fails(VMM_PHASE_SWITCHING);
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

static bool
window_is_closed(struct world *w)
{
	const char *volume = vm_row(w, vm_id(w)).disks[0].volume_id;
	bool closed = true;
	int i;

	for (i = 0; i < 2; i++) {
		AUTO_JSON json_t *all = volumes_facts(w->pm[i].volumes);

		closed = closed && json_is_false(json_object_get(
		    json_object_get(all, volume), "window"));
	}
	return closed;
}

/* As drbd: the target leads besides the source, so that its process can open the
 * volume; and its guest goes on when the source has let go. */
TEST(two_lead_while_a_guest_moves_and_one_writes)
{
	struct world w;
	const char *id;
	bool both = false;

	world_mirror = "sim-window";
	CHECK_EQ(moving(&w, VMM_PHASE_NONE), 0);
	id = vm_id(&w);
	UNTIL(&w, ((both |= !volumes_all_secondary(w.pm[0].volumes) &&
	    !volumes_all_secondary(w.pm[1].volumes)),
	    state_on(&w, 1, id) == VMM_RUNNING));
	CHECK(both);
	CHECK(volumes_all_secondary(w.pm[0].volumes));
	CHECK(!guests_here(w.pm[0].guests, id));
	UNTIL(&w, only_on(&w, 1, id) && window_is_closed(&w));
	world_close(&w);
	world_mirror = "sim";
	return 0;
}

TEST(all_of_it_with_a_driver_that_needs_a_window)
{
	static int (*const all[])(void) = { a_guest_moves_there_and_back,
		a_vm_goes_home_when_all_is_in_step,
		a_cancelled_move_leaves_it_where_it_is,
		a_target_that_fails_ends_the_move,
		a_targets_disk_that_fails_ends_the_move,
		a_stopped_guest_ends_its_move, an_agent_that_dies_goes_on,
		a_switch_in_doubt_resumes_nobody,
		a_new_agent_knows_of_a_switch_in_doubt,
		a_switch_that_nobody_ordered_is_tried_again,
		pms_that_lose_each_other_leave_it_on_the_source };
	size_t i;
	int bad = 0;

	world_mirror = "sim-window";
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		bad += all[i]() != 0;
	world_mirror = "sim";
	CHECK_EQ(bad, 0);
	return 0;
}

TESTS_MAIN(T(a_guest_moves_there_and_back),
    T(a_vm_goes_home_when_all_is_in_step),
    T(a_cancelled_move_leaves_it_where_it_is),
    T(a_target_that_fails_ends_the_move),
    T(a_targets_disk_that_fails_ends_the_move), T(a_stopped_guest_ends_its_move),
    T(an_agent_that_dies_goes_on), T(a_switch_in_doubt_resumes_nobody),
    T(a_new_agent_knows_of_a_switch_in_doubt),
    T(a_switch_that_nobody_ordered_is_tried_again),
    T(pms_that_lose_each_other_leave_it_on_the_source),
    T(two_lead_while_a_guest_moves_and_one_writes),
    T(all_of_it_with_a_driver_that_needs_a_window))
