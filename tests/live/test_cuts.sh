#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_cuts.sh - cut cables, an isolated PM, a lost quorum server, a
# blackout, while a client writes: nobody runs twice, nothing acknowledged is
# lost, the unit comes together again
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

other() { [ "$1" = node0 ] && echo node1 || echo node0; }
whole_again() {
	wait_until 60 "both PMs to run together" unit_is running
	wait_until 60 "the legs to be in step" in_step
}
role_on() {	# NODE: its own word
	avcli_on "$1" --json node info 2>/dev/null |
		jq -r ".[] | select(.name == \"$1\") | .role" 2>/dev/null || :
}
role_is() { [ "$(role_on "$1")" = "$2" ]; }
guest_runs() {	# NODE: its process is there and isn't paused
	[ -n "$(guest_pid "$1")" ] && [ "$(avcli_on "$1" --json vm info 2>/dev/null |
		jq -r '.[0].activity' 2>/dev/null)" != paused ]
}
guest_gone() { [ -z "$(guest_pid "$1")" ]; }
more_records() {
	local n
	n=$(records_acked)
	wait_until 60 "20 more records" records_reach $((n + 20))
}

reason_names() { unit_is degraded && [[ "$(unit_get .reason.text)" = *$1* ]]; }

# One of two links: told to people, nothing else.
private_link_cut() {
	local node pid
	node=$(vm_node)
	pid=$(guest_pid "$node")
	link_cut priv0
	wait_until 20 "the unit to name the link that is down" reason_names link0
	more_records
	link_mend priv0
	whole_again
	[ "$(guest_pid "$node")" = "$pid" ] || fail "the guest was touched"
}

# Losing the arbiter alone never disturbs a guest.
quorum_cut() {
	local node pid
	node=$(vm_node)
	pid=$(guest_pid "$node")
	link_cut quorum
	wait_until 30 "the quorum server to be shown unreachable" quorum_shown unreachable
	more_records
	link_mend quorum
	wait_until 30 "the quorum server to be shown ok" quorum_shown ok
	[ "$(guest_pid "$node")" = "$pid" ] || fail "the guest was touched"
}
quorum_shown() { [ "$(unit_get .arbiter.state)" = "$1" ]; }

# The guest's PM loses every link: it freezes by itself; the other one, which
# still reaches the quorum server, runs the guest; the loser ends its own.
runner_isolated() {
	local loser winner
	loser=$(vm_node)
	winner=$(other "$loser")
	link_cut priv0
	link_cut "lan-$loser"
	wait_until 20 "$winner to run alone" role_is "$winner" alone
	wait_until 20 "the guest on $winner" guest_runs "$winner"
	! guest_runs "$loser" || fail "the guest runs on both PMs"
	more_records
	! guest_runs "$loser" || fail "the guest runs on both PMs"
	link_mend priv0
	link_mend "lan-$loser"
	wait_until 30 "$loser to end its frozen guest" guest_gone "$loser"
	whole_again
	[ "$(vm_node)" = "$winner" ] || fail "the guest is on $(vm_node)"
}

# Both lose power; the guest's PM returns first, or last.
blackout() {
	local first=$1 node second
	node=$(vm_node)
	[ "$first" = runner ] && first=$node || first=$(other "$node")
	second=$(other "$first")
	node_power_off node0
	node_power_off node1
	node_start "$first"
	wait_until 60 "$first to run alone" role_is "$first" alone
	wait_until 60 "the guest on $first" guest_runs "$first"
	more_records
	node_start "$second"
	whole_again
	guest_gone "$second" || fail "the guest runs on both PMs"
}

live_unit
story_vm
client_start
wait_until 60 "20 records" records_reach 20
case_run private_link_cut private_link_cut
case_run quorum_server_cut quorum_cut
case_run guests_pm_isolated runner_isolated
case_run blackout_guests_pm_first blackout runner
case_run blackout_other_pm_first blackout other
story_stop_client
case_run no_record_lost story_check_records
case_run legs_equal story_compare
live_end
