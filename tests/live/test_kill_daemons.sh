#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_kill_daemons.sh - E11: the agent, the console and corosync may
# be killed while the guest runs; the guest doesn't notice
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

# A peer loss costs the guest at most the promised restart-or-thaw time.
GAP_LIMIT_MS=$(scaled 2000)

setup() {
	story_vm
	NODE=$(vm_node)
	client_start
	wait_until 60 "20 records" records_reach 20
}

# kill_and_look SERVICE READY...: kills it on the guest's PM, waits until READY
# holds again, and looks at the guest.
kill_and_look() {
	local service=$1 before after n gap
	shift
	before=$(guest_pid "$NODE")
	[ -n "$before" ] || fail "no guest process on $NODE"
	n=$(records_acked)
	in_machine "$NODE" kill -KILL "$(pid_in "$NODE" "$service")"
	wait_until 30 "$service to be back" "$@"
	wait_until 30 "20 more records" records_reach $((n + 20))
	after=$(guest_pid "$NODE")
	[ "$before" = "$after" ] || fail "the guest was restarted: pid $before, then ${after:-none}"
	[ "$(vm_node)" = "$NODE" ] || fail "the guest moved to $(vm_node)"
	wait_until 60 "both PMs to run together" unit_is running
	wait_until 60 "the legs to be in step" in_step
	gap=$(records_longest_gap "$n")
	say "  $service: longest gap between two acknowledged records $gap ms"
	[ "$gap" -lt "$GAP_LIMIT_MS" ] || fail "the guest's writes stood still for $gap ms"
}

agent_back() { [ -n "$(pid_in "$NODE" avnoded)" ] && [ "$(vm_get .activity)" = running ]; }
console_back() { [ -n "$(pid_in "$NODE" avconsoled)" ] && avcli_on "$NODE" --json unit info >/dev/null 2>&1; }
corosync_back() { [ -n "$(pid_in "$NODE" corosync)" ] && corosync_formed; }

# Beyond E11: the volume's servers; writes are held until the server is back.
peer_server_killed() {
	local peer=node$((1 - ${NODE#node}))
	wait_until 30 "20 records" records_reach $(($(records_acked) + 20))
	in_machine "$peer" kill -KILL "$(pid_in "$peer" nbdkit)"
	wait_until 30 "50 more records" records_reach $(($(records_acked) + 50))
	wait_until 60 "the legs to be in step" in_step
}
server_back() { [ -n "$(pid_in "$NODE" nbdkit)" ] && in_step; }
own_server_killed() {
	GAP_LIMIT_MS=$(scaled 8000)
	kill_and_look nbdkit server_back
}

nothing_lost() {
	story_check_records
	[ "$(vm_get .crashes)" = 0 ] || fail "the VM counts $(vm_get .crashes) crashes"
}

live_unit
setup
case_run agent_killed kill_and_look avnoded agent_back
case_run console_killed kill_and_look avconsoled console_back
case_run corosync_killed kill_and_look corosync corosync_back
case_run mirror_server_of_the_peer_killed peer_server_killed
case_run mirror_server_of_the_guest_killed own_server_killed
story_stop_client
case_run no_record_lost nothing_lost
live_end
