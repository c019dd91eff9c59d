#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_maintenance.sh - E6: a PM is taken out under a running guest, which
# moves and is never started anew; the PM is powered off and comes back; the same the other way.
# A PM that is out shuts down and reboots when it is told to.
# E2, E3: a PM that is about to fail, or has lost its network's link, is emptied by itself.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

node_get() { avcli --json node info 2>/dev/null | jq -r ".[] | select(.name == \"$1\") | $2" 2>/dev/null; }
out_for_maintenance() { [ "$(node_get "$1" .maintenance.phase)" = out ] && [ "$(node_get "$1" .role)" = follower ]; }
other_of() { [ "$1" = node0 ] && echo node1 || echo node0; }

# leave_and_return PM: a guest there moves, and keeps what it was doing.
leave_and_return() {
	local from=$1 to
	to=$(other_of "$from")
	avcli node workon "$from" --dry-run >/dev/null
	[ "$(node_get "$from" .maintenance)" = null ] || fail "a dry run took $from out"
	avcli node workon "$from" --wait >/dev/null
	wait_until 30 "$from to follow" out_for_maintenance "$from"
	[ "$(vm_node)" = "$to" ] || fail "the VM is on $(vm_node)"
	[ -n "$(guest_pid "$to")" ] && [ -z "$(guest_pid "$from")" ] || fail "the guest's process isn't on $to alone"
	same_run || fail "the guest was started anew"
	! avcli node workon "$to" 2>"$WORK/no" || fail "both PMs could be taken out"
	node_power_off "$from"
	pause 5
	same_run || fail "the guest was started anew when $from went off"
	[ "$(node_get "$from" .activity)" = maintenance ] || fail "$from is shown as $(node_get "$from" .activity)"
	node_start "$from"
	wait_until 90 "$from to follow again" out_for_maintenance "$from"
	pause 3
	! unit_is running || fail "$from takes part though nobody brought it back"
	avcli node workoff "$from" --wait >/dev/null
	wait_until 90 "both PMs to run together" unit_is running
	same_run || fail "the guest was started anew"
	[ "$(node_get "$from" .mtbf.failures)" = 0 ] || fail "maintenance was counted as a failure"
}
with_the_vm() {
	local home
	home=$(vm_node)
	leave_and_return "$home"
	wait_until 60 "the VM to go home" vm_is_on "$home"
	same_run || fail "the guest was started anew"
}
without_the_vm() { leave_and_return "$(other_of "$(vm_node)")"; }
# A boot takes longer than any pause that a guest may see here.
BOOT_MS=4000
same_run() {
	wait_until 10 "the client to go on" records_reach $(($(records_acked) + 20))
	say "  longest wait of the client so far: $(records_longest_gap 5) ms"
	[ "$(records_longest_gap 5)" -lt $BOOT_MS ]
}

# Nobody can record who stays: both go on, and the leave happens later.
quorum_server_away() {
	local from
	from=$(vm_node)
	link_cut quorum
	avcli node workon "$from" >/dev/null
	pause 8
	unit_is running || unit_is degraded || fail "the unit is $(unit_get .activity)"
	same_run || fail "the guest was started anew"
	[ "$(node_get "$from" .role)" = together ] || fail "$from is $(node_get "$from" .role)"
	link_mend quorum
	wait_until 60 "$from to be out" out_for_maintenance "$from"
	avcli node workoff "$from" --wait >/dev/null
	wait_until 90 "both PMs to run together" unit_is running
	wait_until 60 "the VM to go home" vm_is_on "$from"
	same_run || fail "the guest was started anew"
}

# Orders instead of hands: it goes off and comes again by itself, and nobody calls it lost.
told_to_go() {
	local from to boot
	from=$(vm_node)
	to=$(other_of "$from")
	! avcli node reboot "$from" 2>"$WORK/no" || fail "$from reboots though it isn't in maintenance"
	avcli node workon "$from" >/dev/null
	# at once: it waits until the VM has moved
	avcli_on "$to" node shutdown "$from" --wait >/dev/null
	wait_until 20 "$from to be off" machine_off "$from"
	pause 4
	[ "$(node_get "$from" .activity)" = maintenance ] || fail "$from is shown as $(node_get "$from" .activity)"
	! alert_is_open node-lost || fail "$from is said to be lost"
	same_run || fail "the guest was started anew"
	node_start "$from"
	wait_until 90 "$from to follow again" out_for_maintenance "$from"
	pause 3
	machine_on "$from" || fail "$from went off again"
	boot=$(machine_pid "$from")
	avcli_on "$to" node reboot "$from" --wait >/dev/null
	[ "$(machine_pid "$from")" != "$boot" ] || fail "$from didn't reboot"
	boot=$(machine_pid "$from")
	out_for_maintenance "$from" || fail "$from takes part though nobody brought it back"
	pause 5
	[ "$(machine_pid "$from")" = "$boot" ] || fail "$from rebooted twice"
	! alert_is_open node-lost || fail "$from is said to be lost"
	avcli node workoff "$from" --wait >/dev/null
	wait_until 90 "both PMs to run together" unit_is running
	wait_until 60 "the VM to go home" vm_is_on "$from"
	same_run || fail "the guest was started anew"
	[ "$(node_get "$from" .mtbf.failures)" = 0 ] || fail "it was counted as a failure"
}

vm_is_on() { [ "$(vm_node)" = "$1" ] && [ -n "$(guest_pid "$1")" ] && unit_is running; }
alert_is_open() { avcli --json alert info --open 2>/dev/null | jq -e --arg c "$1" 'any(.[]; .code == $c)' >/dev/null; }

# Whatever watches the hardware says so; the VM goes home when the part is well.
a_fault_empties_the_pm() {
	local from to
	from=$(vm_node)
	to=$(other_of "$from")
	avcli node report-fault "$from" --part "disk sda" --text "SMART: 12 reallocated sectors" >/dev/null
	wait_until 30 "the VM on $to" vm_is_on "$to"
	wait_until 10 "an alert" alert_is_open node-fault
	same_run || fail "the guest was started anew"
	avcli node clear-fault "$from" --part "disk sda" >/dev/null
	wait_until 60 "the VM to go home" vm_is_on "$from"
	same_run || fail "the guest was started anew"
	! alert_is_open node-fault || fail "the alert stays"
}

# The client loses no connection: it is on the network that the other PM still has.
a_lost_link_moves_the_vm() {
	local from to
	from=$(vm_node)
	to=$(other_of "$from")
	link_cut "lan-$from"
	wait_until 45 "the VM on $to" vm_is_on_though "$to"
	wait_until 10 "the client to go on" records_reach $(($(records_acked) + 20))
	link_mend "lan-$from"
	wait_until 90 "the VM to go home" vm_is_on "$from"
	wait_until 10 "the client to go on" records_reach $(($(records_acked) + 20))
}
vm_is_on_though() { [ "$(guest_pid "$1")" ] && [ "$(vm_node)" = "$1" ]; }

live_unit
story_vm
client_start
wait_until 60 "50 records" records_reach 50
case_run the_pm_with_the_vm_leaves_and_returns with_the_vm
case_run the_other_one_leaves_and_returns without_the_vm
case_run told_to_shut_down_and_to_reboot told_to_go
case_run quorum_server_away quorum_server_away
case_run a_fault_empties_the_pm a_fault_empties_the_pm
case_run a_lost_link_moves_the_vm a_lost_link_moves_the_vm
story_stop_client
case_run nothing_is_lost story_check_records
live_end
