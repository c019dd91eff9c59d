#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_ping.sh - a weak quorum server: an address that answers pings
#
# It is enough for a PM that dies.  It has no memory: two PMs that reach it but not
# each other are both granted (docs/DESIGN.md): a split, and nothing is lost by it
# until a person chooses.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

role_is() { [ "$(avcli_on "$1" --json node info 2>/dev/null | jq -r --arg n "$1" '.[] | select(.name == $n) | .role')" = "$2" ]; }
both_are() { role_is node0 "$1" && role_is node1 "$1"; }
alert_open() { avcli --json alert info --open 2>/dev/null | jq -e --arg c "$1" 'any(.[]; .code == $c)' >/dev/null; }
reached() { [ "$(avcli --json quorum info 2>/dev/null | jq -r '.[0] | select(.active) | .activity')" = ok ]; }
guest_there() { [ -n "$(guest_pid "$1")" ]; }
leg_of() { echo "$TRY/$1"/lib/storage/*/vol-*.data; }
sum_of() { sha256sum <"$(leg_of "$1")"; }
legs_differ() { ! cmp -s "$(leg_of node0)" "$(leg_of node1)"; }
differ_seen() { [ "$(avcli_on node0 --json split info 2>/dev/null | jq '[.volumes[] | select(.differs)] | length')" = 1 ]; }

# Both reach the switch and what else is on it, but not each other.
apart() {
	local p
	for p in lan-node0 lan-node1 priv-node0 priv-node1; do
		in_net world bridge link set dev "$p" isolated "$1"
	done
}

added() {
	local said
	said=$(avcli quorum add "$QUORUM_ADDRESS" --kind ping 2>&1) || fail "it isn't taken: $said"
	[[ $said = *weak* ]] || fail "nobody is told that it is weak: $said"
	wait_until 20 "it to be active and reached" reached
	wait_until 10 "the alert that it is weak" alert_open quorum-server-weak
}

dead_pm_is_taken_over() {
	local from to
	from=$(vm_node)
	to=node$((1 - ${from#node}))
	client_start
	wait_until 60 "20 records" records_reach 20
	node_power_off "$from"
	wait_until 30 "$to to run alone" role_is "$to" alone
	wait_until 30 "the guest there" guest_there "$to"
	node_start "$from"
	wait_until 120 "the guest's service" guest_answers
	wait_until 90 "both PMs to run together" unit_is running
	wait_until 60 "the legs to be in step" in_step
	wait_until 60 "20 more records" records_reach $(($(records_acked) + 20))
	story_stop_client
	story_check_records
}

# What is documented: both are granted.
both_are_granted() {
	vm_node >"$WORK/home"
	apart on
	wait_until 30 "both to run alone" both_are alone
	wait_until 30 "the guest on node0" guest_there node0
	wait_until 30 "the guest on node1" guest_there node1
	# the one that was started anew writes as it boots
	wait_until 60 "the two copies to differ" legs_differ
	apart off
	wait_until 60 "both PMs to be split" both_are split
	wait_until 30 "the volume to differ" differ_seen
}

# Until a person chooses, both copies are as they were.
nothing_is_overwritten() {
	local before after
	before=$(sum_of node0; sum_of node1)
	in_machine node0 pkill -KILL -x avnoded
	wait_until 30 "node0 to be split again" both_are split
	after=$(sum_of node0; sum_of node1)
	[ "$before" = "$after" ] || fail "a leg was changed"
}

chosen_without_loss() {
	local keep
	keep=$(<"$WORK/home")
	avcli_on node0 split resolve "$VM" --keep "$keep" --yes
	avcli_on node0 split resolve unit --keep "$keep" --yes
	wait_until 90 "both PMs to run together" unit_is running
	wait_until 120 "the guest's service" guest_answers
	wait_until 60 "the legs to be in step" in_step
	story_check_records
	story_compare
}

ARBITER=none live_unit
story_vm
case_run a_ping_address_is_added added
case_run a_dead_pm_is_taken_over dead_pm_is_taken_over
case_run both_are_granted_while_apart both_are_granted
case_run nothing_is_overwritten nothing_is_overwritten
case_run chosen_without_loss chosen_without_loss
live_end
