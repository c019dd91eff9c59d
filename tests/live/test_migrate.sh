#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_migrate.sh - a running VM goes to the other PM and back: its users
# notice nothing, and whatever fails meanwhile one guest runs at the end
#
# Times are of the outside: the client's acknowledged records, a ping each 10 ms, and
# the guest's heartbeat on the cables (tests/drill/witness), which also tells a new
# boot and a guest that ran on both PMs.
# AVPAIR_MOVES: how often it goes there and back (1).
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
WITNESS=$B/tests/drill/witness
# the guest stands still at the switch-over; a loaded machine's share is in it
GAP_LIMIT_MS=$(scaled "${AVPAIR_GAP_LIMIT_MS:-6000}")

other() { [ "$1" = node0 ] && echo node1 || echo node0; }

# --- from outside ---

witness() { "$WITNESS" ask "$TRY/witness" "$@" 9>&-; }
witness_get() { witness report | jq -r "$1"; }
witness_start() {
	local n
	(exec nsenter -t "$(machine_pid world)" -n -- "$WITNESS" run "$TRY/witness" "$TRY/world/log/witness.log") 9>&- &
	wait_until 5 "the witness" witness mark begin 2>/dev/null
	witness name "$(vm_get '.networks[0].mac')" "$VM" >/dev/null
	for n in 0 1; do witness watch $n "$(machine_pid node$n)" >/dev/null; done
	wait_until 10 "the guest's heartbeat" witness heard 500
}
ping_start() {
	(exec nsenter -t "$(machine_pid world)" -n -- ping -n -D -i 0.01 "$GUEST_ADDRESS") >"$WORK/ping" 2>&1 9>&- &
	PING_PID=$!
}
# The longest time in ms without an answer; ends the ping.
ping_gap() {
	kill "$PING_PID" 2>/dev/null || :
	wait "$PING_PID" 2>/dev/null || :
	awk -F '[][]' '/bytes from/ { if (last && $2 - last > gap) gap = $2 - last; last = $2 }
		END { printf "%d\n", gap * 1000 }' "$WORK/ping"
}
# whole_connection WHEN: since record BEFORE the client has had one connection
whole_connection() {
	[ "$(connections_after "$BEFORE")" = 1 ] || fail "the client's connection broke $1: $(awk -v from="$BEFORE" '
		NR > from && c && c != $3 { print last, "then", $0 } { last = $0; c = $3 }' "$CLIENT_LOG" | tr '\n' ';')"
}
connections_after() { awk -v from="$1" 'NR > from { c[$3] } END { for (i in c) n++; print n + 0 }' "$CLIENT_LOG"; }

# --- the unit's word ---

move_phase() { vm_get '.migration.phase // empty'; }
move_is() { [ "$(move_phase)" = "$1" ]; }
move_over() { [ -z "$(move_phase)" ] && [ -n "$(vm_get '.last_migration.result // empty')" ]; }
move_ended() { move_over && [ "$(vm_get '.last_migration.result + " " + (.last_migration.reason.code // "-")')" = "$1" ]; }
guest_gone() { [ -z "$(guest_pid "$1")" ]; }
one_process() { [ -n "$(guest_pid "$1")" ] && guest_gone "$(other "$1")"; }
whole_again() {
	wait_until 60 "both PMs to run together" unit_is running
	wait_until 60 "the legs to be in step" in_step
}
more_records() {
	local n
	n=$(records_acked)
	wait_until "${1:-60}" "20 more records" records_reach $((n + 20))
}

# begin_move: starts one and waits until memory is being copied
begin_move() {
	FROM=$(vm_node)
	TO=$(other "$FROM")
	witness mark move >/dev/null
	BEFORE=$(records_acked)
	avcli vm migrate "$VM" >/dev/null
	wait_until 20 "memory to be copied" move_is copying
}

# The guest wasn't started anew, and nobody else ran it.
same_boot() {
	[ "$(witness_get .double)" = 0 ] || fail "the guest ran on both PMs: $(grep DOUBLE "$TRY/world/log/witness.log")"
	[ "$(witness_get '.vms[0].new_runs')" = 0 ] || fail "the guest was started anew"
}
stayed() {
	wait_until 30 "the guest's process on $FROM alone" one_process "$FROM"
	more_records
	[ "$(vm_node)" = "$FROM" ] || fail "the VM is on $(vm_node)"
	same_boot
	whole_connection "meanwhile"
}

# --- cases ---

moves() {
	local t gap beat ping
	FROM=$(vm_node)
	TO=$(other "$FROM")
	witness mark move >/dev/null
	ping_start
	BEFORE=$(records_acked)
	wait_until 10 "records" records_reach $((BEFORE + 20))
	t=$(now_ms)
	avcli vm migrate "$VM" --to "$TO" --wait --timeout 120 >/dev/null || fail "$(vm_get .last_migration)"
	t=$(($(now_ms) - t))
	[ "$(vm_node)" = "$TO" ] || fail "the VM is on $(vm_node)"
	more_records
	wait_until 10 "the end of the process on $FROM" one_process "$TO"
	ping=$(ping_gap)
	gap=$(records_longest_gap "$BEFORE")
	beat=$(witness_get '.vms[0].gap_ms')
	say "  $FROM to $TO in $t ms; longest gap: $ping ms of packets each 10 ms, $beat ms of heartbeats each 50 ms, $gap ms of acknowledged writes"
	echo "$ping $gap $t" >>"$WORK/moves"
	same_boot
	[ "$(witness_get '.vms[0].moves')" = 1 ] || fail "the witness saw $(witness_get '.vms[0].moves') moves"
	whole_connection "meanwhile"
	[ "$ping" -lt "$GAP_LIMIT_MS" ] || fail "no packet of the guest for $ping ms"
	[ "$gap" -lt "$GAP_LIMIT_MS" ] || fail "no write for $gap ms"
}

cancelled() {
	begin_move
	avcli vm migrate-cancel "$VM" >/dev/null
	wait_until 20 "the move's end" move_ended "cancelled cancelled"
	stayed
}

target_process_killed() {
	begin_move
	in_machine "$TO" kill -KILL "$(guest_pid "$TO")"
	wait_until 20 "the move's end" move_over
	[ "$(vm_get .last_migration.result)" = failed ] || fail "the move is said to be $(vm_get .last_migration.result)"
	say "  $(vm_get .last_migration.reason.text)"
	stayed
}

# The other PM may take the guest over (a lost PM) or not (the agent is back in time).
source_agent_killed() {
	begin_move
	in_machine "$FROM" kill -KILL "$(pid_in "$FROM" avnoded)"
	whole_again
	wait_until 60 "the move's end" move_over
	say "  $(vm_get '.last_migration | .result + ": " + (.reason.text // "")')"
	more_records 120
	wait_until 30 "one process of the guest" one_process "$(vm_node)"
	[ "$(witness_get .double)" = 0 ] || fail "the guest ran on both PMs"
	same_boot
}

private_link_cut() {
	begin_move
	link_cut priv0
	wait_until 40 "the move's end" move_over
	say "  $(vm_get '.last_migration | .result + ": " + (.reason.text // "")')"
	more_records
	wait_until 30 "one process of the guest" one_process "$(vm_node)"
	same_boot
	link_mend priv0
	whole_again
}

target_lost() {
	begin_move
	node_power_off "$TO"
	wait_until 30 "the unit to say that $FROM runs alone" unit_is alone
	more_records
	[ "$(vm_node)" = "$FROM" ] || fail "the VM is on $(vm_node)"
	wait_until 20 "the move's end" move_over
	say "  $(vm_get '.last_migration | .result + ": " + (.reason.text // "")')"
	node_start "$TO"
	witness watch "${TO#node}" "$(machine_pid "$TO")" >/dev/null
	whole_again
	stayed
}

# The VM belongs on the PM that loses power; it goes home when that is in step again.
source_lost_and_home() {
	local home
	home=$(vm_node)
	avcli vm prefer "$VM" --node "$home" >/dev/null
	begin_move
	node_power_off "$home"
	wait_until 30 "the unit to say that $TO runs alone" unit_is alone
	wait_until 120 "the guest's service" guest_answers
	more_records
	[ "$(vm_node)" = "$TO" ] || fail "the VM is on $(vm_node)"
	[ "$(witness_get .double)" = 0 ] || fail "the guest ran on both PMs"
	witness mark home >/dev/null
	BEFORE=$(records_acked)
	node_start "$home"
	witness watch "${home#node}" "$(machine_pid "$home")" >/dev/null
	wait_until 60 "the VM to be at home again" vm_is_on "$home"
	wait_until 20 "one process of the guest" one_process "$home"
	more_records
	whole_again
	same_boot
	whole_connection "on the way home"
	[ "$(vm_get .last_migration.by)" = system ] || fail "it went home by $(vm_get .last_migration.by)"
}
vm_is_on() { [ "$(vm_node)" = "$1" ]; }

live_unit
[ -x "$WITNESS" ] || fail "not built: make live builds it"
story_vm
client_start --answer-ms 30000
wait_until 60 "20 records" records_reach 20
witness_start
for ((i = 1; i <= ${AVPAIR_MOVES:-1}; i++)); do
	case_run "there_$i" moves
	case_run "back_$i" moves
done
if [ -n "${EXPLORE-}" ]; then
	echo "$WORK" >/tmp/move-explore
	while [ ! -e "$WORK/end" ]; do pause 1; done
fi
case_run cancelled cancelled
case_run target_process_killed target_process_killed
case_run source_agent_killed source_agent_killed
case_run private_link_cut private_link_cut
case_run target_lost target_lost
case_run source_lost_and_home source_lost_and_home
story_stop_client
case_run no_record_lost story_check_records
case_run legs_equal story_compare
witness stop >/dev/null || :
live_end
