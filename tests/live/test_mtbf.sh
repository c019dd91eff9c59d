#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_mtbf.sh - A8: a guest that crashes is started again, one that
# crashes too often stays down until it is reset; a PM that is lost too often
# gets data but no right until its counter is cleared
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

held() { [ "$(vm_get .mtbf.held)" = true ]; }
runs_anew() {	# NODE PID
	local p
	p=$(guest_pid "$1")
	[ -n "$p" ] && [ "$p" != "$2" ] && [ "$(vm_get .activity)" = running ]
}
crash() {	# kills the guest's process, as a crash of it looks
	local node pid
	node=$(vm_node)
	pid=$(guest_pid "$node")
	[ -n "$pid" ] || fail "no guest process on $node"
	in_machine "$node" kill -KILL "$pid"
	echo "$pid"
}
failures_are() { [ "$(vm_get .mtbf.failures)" = "$1" ]; }

# Four crashes in a row: the default rule.
crashes_too_often() {
	local i pid node
	for i in 1 2 3; do
		node=$(vm_node)
		pid=$(crash)
		wait_until 90 "the guest again after crash $i" runs_anew "$node" "$pid"
		failures_are "$i" || fail "$(vm_get .mtbf.failures) failures are counted, not $i"
	done
	crash >/dev/null
	wait_until 30 "the VM to be kept down" held
	failures_are 4 || fail "$(vm_get .mtbf.failures) failures are counted, not 4"
	[ "$(vm_get .state) $(vm_get .activity)" = "critical crashed" ] || fail "it is $(vm_get .state) $(vm_get .activity)"
	wait_until 20 "the alert" alert_is_open vm-crashed
	pause 5
	[ -z "$(guest_pid node0)$(guest_pid node1)" ] || fail "it was started all the same"
}
alert_is_open() { avcli --json alert info 2>/dev/null | jq -e "any(.[]; .open and .code == \"$1\")" >/dev/null; }
alert_is_closed() { ! alert_is_open "$1"; }

reset_device() {
	avcli vm reset-device "$VM" >/dev/null
	wait_until 90 "the guest" vm_runs
	failures_are 0 || fail "the counter is $(vm_get .mtbf.failures)"
	wait_until 20 "the alert to go" alert_is_closed vm-crashed
}
vm_runs() { [ "$(vm_get .activity)" = running ]; }

never() {
	avcli vm set-mtbf "$VM" --policy never >/dev/null
	crash >/dev/null
	wait_until 30 "the VM to be kept down" held
	avcli vm set-mtbf "$VM" --policy always >/dev/null
	avcli localvm-clear-mtbf "$VM" >/dev/null
	wait_until 90 "the guest" vm_runs
}

node_held() { [ "$(avcli --json node info 2>/dev/null | jq -r ".[] | select(.name == \"$1\") | .mtbf.held" 2>/dev/null)" = "$2" ]; }

pm_left_out() {
	local node peer
	node=$(vm_node)
	[ "$node" = node0 ] && peer=node1 || peer=node0
	avcli node set-mtbf "$peer" --policy threshold --threshold 3600 --failures 2 >/dev/null
	node_power_off "$peer"
	wait_until 30 "$node to run alone" unit_is alone
	wait_until 30 "the loss to be counted" node_failures "$peer" 1
	node_start "$peer"
	wait_until 90 "both PMs to run together" unit_is running
	node_power_off "$peer"
	wait_until 30 "$peer to be left out" node_held "$peer" true
	node_start "$peer"
	wait_until 90 "the legs to be in step" in_step
	wait_until 20 "the alert" alert_is_open node-left-out
	pause 5
	! unit_is running || fail "$peer takes part though it is left out"
	avcli pm-clear-mtbf "$peer" >/dev/null
	wait_until 60 "both PMs to run together" unit_is running
	wait_until 20 "the alert to go" alert_is_closed node-left-out
}
node_failures() { [ "$(avcli --json node info 2>/dev/null | jq -r ".[] | select(.name == \"$1\") | .mtbf.failures" 2>/dev/null)" = "$2" ]; }

live_unit
story_vm
case_run crashes_too_often crashes_too_often
case_run reset_device reset_device
case_run never_and_always never
case_run pm_left_out pm_left_out
live_end
