#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_arbiter.sh - with no arbiter nobody runs alone by guessing
# (an arbiter that is lost: test_bad_conditions.sh)
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

# A PM dies and nothing can say who may run: the other one must not go on alone.
none_never_alone() {
	local from
	from=$(vm_node)
	OTHER=node$((1 - ${from#node}))
	node_power_off "$from"
	# longer than detection, claim and restart together could take
	pause 5
	[ -z "$(guest_pid "$OTHER")" ] || fail "the guest was started on $OTHER without an arbiter"
	avcli_on "$OTHER" --json unit info 2>/dev/null | jq -e '.activity != "alone"' >/dev/null ||
		fail "$OTHER says that it runs alone"
}

# The other PM comes back: all goes on by itself.
none_rejoins() {
	local node=node0
	machine_off node0 || node=node1
	node_start "$node"
	wait_until 90 "both PMs to run together" unit_is running
	wait_until 120 "the guest's service" guest_answers
}

ARBITER=none live_unit
story_vm
case_run none_never_alone none_never_alone
case_run none_rejoins none_rejoins
live_end
