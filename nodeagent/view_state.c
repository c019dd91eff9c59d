/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_state.c - a VM's activity, state and allowed commands (spec A1)
 *
 * Beyond A1's rows: 'paused' (writes are held or the right to run is asked for) and
 * 'moving' (being started again on the other PM) may be powered off; start does what
 * "reset device" does for a VM that crashed too often.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/view.h"

static const char *const activity_names[VM_N_ACTIVITIES] = {
	[VM_INSTALLING] = "installing", [VM_STOPPED] = "stopped",
	[VM_BOOTING] = "booting", [VM_RUNNING] = "running",
	[VM_STOPPING] = "stopping", [VM_CRASHED] = "crashed",
	[VM_PAUSED] = "paused", [VM_MOVING] = "moving",
};

static const unsigned activity_commands[VM_N_ACTIVITIES] = {
	[VM_INSTALLING] = 0,
	[VM_STOPPED] = VM_CMD_START | VM_CMD_DELETE,
	[VM_BOOTING] = VM_CMD_CONSOLE | VM_CMD_POWEROFF,
	[VM_RUNNING] = VM_CMD_CONSOLE | VM_CMD_SHUTDOWN | VM_CMD_POWEROFF |
	    VM_CMD_MIGRATE,
	[VM_STOPPING] = VM_CMD_POWEROFF | VM_CMD_DELETE,
	[VM_CRASHED] = 0,
	[VM_PAUSED] = VM_CMD_CONSOLE | VM_CMD_POWEROFF,
	[VM_MOVING] = VM_CMD_POWEROFF,
};

const char *
view_vm_activity_name(enum vm_activity a)
{
	return activity_names[a];
}

int
view_vm_activity_parse(const char *name, enum vm_activity *ret)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(activity_names); i++)
		if (strcmp(activity_names[i], name) == 0) {
			*ret = (enum vm_activity)i;
			return 0;
		}
	return -EINVAL;
}

unsigned
view_vm_commands(enum vm_activity a, bool held)
{
	if (a == VM_CRASHED && held)
		return VM_CMD_RESET | VM_CMD_START | VM_CMD_RENAME;
	return activity_commands[a] | VM_CMD_RENAME;
}

/* Wanted, on a PM, in this run: what does its PM say? */
static enum vm_activity
wanted_activity(const struct vm_state_in *in)
{
	if (in->node < 0)
		return VM_BOOTING;
	if (!in->node_heard)
		return VM_PAUSED;
	if (!in->fact_known || in->fact == VM_STOPPED ||
	    in->fact == VM_INSTALLING)
		return in->moving ? VM_MOVING : VM_BOOTING;
	return in->fact;
}

static enum vm_activity
derive_activity(const struct vm_state_in *in)
{
	if (in->phase == STORE_CREATING)
		return VM_INSTALLING;
	if (in->phase == STORE_DELETING)
		return VM_STOPPING;
	if (in->want == STORE_WANT_RUNNING)
		return wanted_activity(in);
	if (in->crash_held)
		return VM_CRASHED;
	return in->node < 0 ? VM_STOPPED : VM_STOPPING;
}

void
view_vm_derive(const struct vm_state_in *in, struct vm_state *ret)
{
	bool held = in->phase == STORE_READY && in->crash_held &&
	    in->want == STORE_WANT_STOPPED;

	ret->activity = derive_activity(in);
	ret->commands = view_vm_commands(ret->activity, held);
	if (in->migrating)
		ret->commands = (ret->commands & ~(unsigned)VM_CMD_MIGRATE) |
		    VM_CMD_MIGRATE_CANCEL;
	ret->state = "-";
	switch (ret->activity) {
	case VM_INSTALLING:
	case VM_MOVING:
		ret->state = "busy";
		break;
	case VM_RUNNING:
		ret->state = in->redundant ? "good" : "alert";
		break;
	case VM_PAUSED:
		ret->state = "alert";
		break;
	case VM_CRASHED:
		ret->state = held ? "critical" : "-";
		break;
	default:
		break;
	}
	if (in->phase == STORE_DELETING) {
		ret->state = "busy";
		ret->commands = 0;
	}
}
