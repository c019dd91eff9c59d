#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_watchdog.sh - an agent that hangs, and the guard that knows
#
# With the links whole a hung or killed agent costs the guest nothing.  With all
# links cut the PM ends before the peer starts its guest: seen from outside, by
# the machine's first process and the peer's QEMU, on one clock.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

other() { [ "$1" = node0 ] && echo node1 || echo node0; }
more_records() {
	local n
	n=$(records_acked)
	wait_until 60 "20 more records" records_reach $((n + 20))
}
watchdog_of() { avcli --json node info 2>/dev/null | jq -r ".[] | select(.name == \"$1\") | .watchdog.state" 2>/dev/null || :; }
watchdog_is() { [ "$(watchdog_of "$1")" = "$2" ]; }
new_pid() {	# NODE PROGRAM OLD: another process of it is there
	local p
	p=$(pid_in "$1" "$2")
	[ -n "$p" ] && [ "$p" != "$3" ]
}
untouched() {	# NODE PID: the guest runs where and as it ran
	machine_on "$1" || fail "$1 was powered off"
	[ "$(guest_pid "$1")" = "$2" ] || fail "the guest was restarted: pid $2, then $(guest_pid "$1")"
	[ "$(vm_node)" = "$1" ] || fail "the guest moved to $(vm_node)"
}
whole_again() {
	wait_until 60 "both PMs to run together" unit_is running
	wait_until 60 "the legs to be in step" in_step
}

shown() {
	wait_until 20 "node0's watchdog to be shown" watchdog_is node0 ok
	wait_until 20 "node1's watchdog to be shown" watchdog_is node1 ok
}

# signal_agent NODE SIGNAL: the agent's successor comes, the guest notices nothing
signal_agent() {
	local node pid agent
	node=$(vm_node)
	pid=$(guest_pid "$node")
	agent=$(pid_in "$node" avnoded)
	in_machine "$node" kill "-$1" "$agent"
	wait_until 30 "another agent" new_pid "$node" avnoded "$agent"
	more_records
	whole_again
	untouched "$node" "$pid"
}

guard_killed() {
	local node pid guard
	node=$(vm_node)
	pid=$(guest_pid "$node")
	guard=$(pid_in "$node" av-watchdog)
	in_machine "$node" kill -KILL "$guard"
	wait_until 10 "another guard" new_pid "$node" av-watchdog "$guard"
	more_records
	wait_until 10 "its watchdog to be shown" watchdog_is "$node" ok
	untouched "$node" "$pid"
	[ "$(avcli --json alert info | jq '[.[] | select(.open and .code == "watchdog-missing")] | length')" = 0 ] ||
		fail "an alert was raised"
}

guard_and_agent_killed() {
	local node pid agent
	node=$(vm_node)
	pid=$(guest_pid "$node")
	agent=$(pid_in "$node" avnoded)
	in_machine "$node" kill -KILL "$agent" "$(pid_in "$node" av-watchdog)"
	wait_until 30 "another agent" new_pid "$node" avnoded "$agent"
	more_records
	whole_again
	untouched "$node" "$pid"
}

# The guest's PM hangs in its agent and loses every link.
hung_and_cut() {
	local loser winner first peer_vm qemu t0 t_off=0 t_start=0 deadline f
	loser=$(vm_node)
	winner=$(other "$loser")
	first=$(machine_pid "$loser")
	peer_vm=/proc/$(machine_pid "$winner")/root/run/avpair/vm
	qemu=$(guest_pid "$loser")
	[ -n "$qemu" ] || fail "no guest on $loser"
	for f in "$peer_vm"/*/pid; do rm -f "$f"; done
	in_machine "$loser" kill -STOP "$(pid_in "$loser" avnoded)"
	link_cut priv0
	link_cut "lan-$loser"
	t0=$(now_ms)
	deadline=$((t0 + 20000))
	while [ "$t_start" = 0 ] && [ "$(now_ms)" -lt "$deadline" ]; do
		# dead at the first moment when its root is gone: a zombie has none
		if [ "$t_off" = 0 ] && [ ! -e "/proc/$first/root/run" ]; then t_off=$(now_ms); fi
		for f in "$peer_vm"/*/pid; do [ ! -s "$f" ] || t_start=$(now_ms); done
		pause 0.005
	done
	say "  after the cut: $loser ended at $((t_off - t0)) ms, the guest on $winner started at $((t_start - t0)) ms"
	[ "$t_off" != 0 ] || fail "$loser goes on"
	[ "$t_start" != 0 ] || fail "the guest wasn't started on $winner"
	[ "$t_off" -lt "$t_start" ] || fail "the guest ran on both PMs"
	machine_off "$loser" || fail "$loser goes on"
	grep -q 'power off by watchdog' "$TRY/$loser/log/machine.log" || fail "$loser ended, but not by its watchdog"
	link_mend priv0
	link_mend "lan-$loser"
	more_records
	node_start "$loser"
	whole_again
	[ "$(vm_node)" = "$winner" ] || fail "the guest is on $(vm_node)"
}

# Cut, but the agent is well: it freezes by itself, nobody is killed.
cut_only() {
	local loser winner
	loser=$(vm_node)
	winner=$(other "$loser")
	link_cut priv0
	link_cut "lan-$loser"
	wait_until 20 "the guest on $winner" guest_on "$winner"
	pause 3
	machine_on "$loser" || fail "$loser was killed though its agent is well"
	machine_on "$winner" || fail "$winner was killed"
	link_mend priv0
	link_mend "lan-$loser"
	whole_again
}
guest_on() { [ -n "$(guest_pid "$1")" ]; }

# The PM that doesn't run the guest dies: the other one's watchdog stays calm.
peer_dies() {
	local node peer
	node=$(vm_node)
	peer=$(other "$node")
	node_power_off "$peer"
	wait_until 20 "$node to run alone" unit_is alone
	more_records
	signal_agent_alone "$node"
	node_start "$peer"
	whole_again
}
signal_agent_alone() {
	local agent pid
	pid=$(guest_pid "$1")
	agent=$(pid_in "$1" avnoded)
	in_machine "$1" kill -STOP "$agent"
	wait_until 30 "another agent" new_pid "$1" avnoded "$agent"
	more_records
	untouched "$1" "$pid"
}

live_unit
story_vm
client_start
wait_until 60 "20 records" records_reach 20
case_run both_watchdogs_are_shown shown
case_run agent_killed signal_agent KILL
case_run agent_stopped_links_whole signal_agent STOP
case_run guard_killed guard_killed
case_run guard_and_agent_killed guard_and_agent_killed
case_run links_cut_agent_well cut_only
case_run agent_stopped_links_cut hung_and_cut
case_run agent_stopped_links_cut_the_other_way hung_and_cut
case_run peer_dies_then_agent_stops peer_dies
story_stop_client
case_run no_record_lost story_check_records
case_run legs_equal story_compare
live_end
