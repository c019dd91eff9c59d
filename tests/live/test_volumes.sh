#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_volumes.sh - a volume under a writing guest: it grows, is verified
# and repaired, its copying is paused, its disk fails on either PM and is replaced;
# the guest goes on, and nothing acknowledged is lost
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=tests/live/faildisk.sh
. "$TREE/tests/live/faildisk.sh"
eval "$(declare -f unit_create | sed '1s/.*/unit_create_plain()/')"
unit_create() {
	unit_create_plain
	faildisk_install
}

other() { [ "$1" = node0 ] && echo node1 || echo node0; }
more_records() {
	local n
	n=$(records_acked)
	wait_until 60 "${1:-20} more records" records_reach $((n + ${1:-20}))
}
volume_is() { [ "$(volume_get "$1")" = "$2" ]; }
volume_id() { volume_get .id; }
alert_open() {
	[ -n "$(avcli --json alert info --open 2>/dev/null |
		jq -r ".[] | select(.code == \"$1\") | .id" 2>/dev/null)" ]
}
no_alert() { ! alert_open "$1"; }
untouched() { [ "$(guest_pid "$1")" = "$2" ] || fail "the guest was touched"; }
leg_of() { local f=("$TRY/$1"/lib/storage/*/vol-*.data); echo "${f[0]}"; }
size_is() { [ "$(stat -c %s "$(leg_of "$1")")" = "$2" ]; }
told_of_size() { grep -qa "new size: $1" "$TRY/$2"/log/vm-*/serial.log; }

grows() {
	local node pid size=$((320 * 1024 * 1024))
	node=$(vm_node)
	pid=$(guest_pid "$node")
	! avcli volume resize "$(volume_id)" 1M || fail "it became smaller"
	avcli volume resize "$(volume_id)" 320M --wait
	size_is node0 $size || fail "node0's leg didn't grow"
	size_is node1 $size || fail "node1's leg didn't grow"
	wait_until 20 "the guest to be told" told_of_size $((size / 512)) "$node"
	more_records
	untouched "$node" "$pid"
}

# A verify gives way to a guest that writes, and takes its time then.
finds_and_repairs() {
	local node second rc=0
	node=$(vm_node)
	second=$(other "$node")
	story_stop_client
	# where the guest never writes
	dd if=/dev/urandom of="$(leg_of "$second")" bs=4096 seek=$((300 * 256)) \
		count=4 conv=notrunc,fsync status=none
	avcli volume verify "$(volume_id)" --wait || rc=$?
	[ "$rc" = 1 ] || fail "verify of legs that differ exits with $rc"
	[ "$(volume_get .verify.found)" = 1 ] || fail "it found $(volume_get .verify.found) blocks"
	wait_until 20 "the alert" alert_open verify-differences
	client_start
	avcli volume verify "$(volume_id)" --repair --wait
	[ "$(volume_get .verify.repaired)" = 1 ] || fail "it wasn't repaired"
	more_records
	story_stop_client
	avcli volume verify "$(volume_id)" --wait
	[ "$(volume_get .verify.found)" = 0 ] || fail "still not alike"
	wait_until 20 "the alert to go" no_alert verify-differences
	client_start
	more_records
}

pauses_and_resumes() {
	local node second
	node=$(vm_node)
	second=$(other "$node")
	avcli volume resync-pause "$(volume_id)"
	avcli unit configure --resync-limit 20M
	node_power_off "$second"
	wait_until 30 "$node to go on alone" unit_is alone
	more_records 50
	node_start "$second"
	wait_until 60 "the copying to begin" volume_is .activity syncing
	wait_until 20 "the alert" alert_open resync-paused
	more_records
	volume_is .activity syncing || fail "it isn't paused"
	# a new agent pauses a new server, too: it is in the database
	in_machine "$node" pkill -KILL -x avnoded
	wait_until 30 "the agent to be back" volume_is .resync_paused true
	more_records
	volume_is .activity syncing || fail "the agent's restart ended the pause"
	avcli volume resync-resume "$(volume_id)"
	wait_until 60 "the legs to be in step" in_step
	wait_until 60 "both PMs to run together" unit_is running
	[ "$(unit_get .resync_rate_kib_s)" = 20480 ] || fail "the limit is lost"
	avcli unit configure --resync-limit none
}

reads_are_repaired() {
	local node pid
	node=$(vm_node)
	pid=$(guest_pid "$node")
	# where the guest never reads: the verify does
	disk_fails "$node" "read $((300 * 1024 * 1024))"
	story_stop_client
	avcli volume verify "$(volume_id)" --wait
	disk_mends "$node"
	client_start
	[ "$(volume_get ".legs[] | select(.node == \"$node\") | .repaired_bytes")" -ge 4096 ] ||
		fail "nothing was written anew: $(volume_get .legs)"
	[ "$(volume_get .failed_leg)" = null ] || fail "the leg was given up"
	more_records
	untouched "$node" "$pid"
}

other_disk_fails() {
	local node second pid
	node=$(vm_node)
	second=$(other "$node")
	pid=$(guest_pid "$node")
	disk_fails "$second"
	wait_until 30 "the leg to be marked" volume_is .failed_leg "$second"
	wait_until 30 "the alert" alert_open leg-failed
	more_records
	untouched "$node" "$pid"
	! unit_is running || fail "the unit claims to be in step"
	disk_mends "$second"
	avcli volume replace-leg "$(volume_id)" --wait --timeout 120
	wait_until 60 "the legs to be in step" in_step
	wait_until 30 "the alert to go" no_alert leg-failed
	wait_until 60 "both PMs to run together" unit_is running
	more_records
	untouched "$node" "$pid"
}

# It goes on with the other PM's disk, and then moves there; home when there is a good one.
own_disk_fails() {
	local node second from
	node=$(vm_node)
	second=$(other "$node")
	from=$(records_acked)
	own_disk_is_lost "$node" "$second"
	! avcli vm migrate "$VM" || fail "it may move to a failed disk"
	leg_is_replaced "$node"
	wait_until 90 "the guest to go home" runs_only_on "$node"
	more_records
	goes_on_since "$from"
	# off and on: it runs where its data is
	own_disk_is_lost "$node" "$second"
	story_stop_client
	avcli vm poweroff "$VM" --wait
	avcli vm poweron "$VM" --wait --timeout 120
	[ "$(vm_node)" = "$second" ] || fail "the guest is on $(vm_node)"
	leg_is_replaced "$node"
	wait_until 120 "the guest's service" guest_answers
	client_start
	more_records
}
own_disk_is_lost() {
	disk_fails "$1"
	wait_until 30 "the leg to be marked" volume_is .failed_leg "$1"
	wait_until 60 "the guest to move to $2" runs_only_on "$2"
	more_records
}
leg_is_replaced() {
	disk_mends "$1"
	avcli volume replace-leg "$(volume_id)" --wait --timeout 120
	wait_until 60 "the legs to be in step" in_step
}
runs_only_on() { [ "$(vm_node)" = "$1" ] && [ -n "$(guest_pid "$1")" ] && [ -z "$(guest_pid "$(other "$1")")" ]; }
# A boot takes longer than any pause that a guest may see here.
BOOT_MS=4000
goes_on_since() {
	local gap
	gap=$(records_longest_gap "$1")
	say "  longest wait of the client: $gap ms"
	[ "$gap" -lt $BOOT_MS ] || fail "the guest was started anew: no record for $gap ms"
}

# Its disk failed, then the other PM is gone: old data is never used.
never_old_data() {
	local node second
	node=$(vm_node)
	second=$(other "$node")
	client_start
	disk_fails "$second"
	wait_until 30 "the leg to be marked" volume_is .failed_leg "$second"
	more_records 50
	story_stop_client
	disk_mends "$second"
	# its server starts anew with a disk that answers: it is a target, no more
	in_machine "$second" pkill -KILL -x nbdkit || :
	node_power_off "$node"
	wait_until 60 "$second to run alone" unit_is alone
	wait_until 60 "the VM to wait there" waits_on "$second"
	[ -z "$(guest_pid "$second")" ] || fail "the guest runs on old data"
}
waits_on() { [ "$(vm_node)" = "$1" ] && [[ "$(vm_get .reason.text)" = *failed* ]]; }

# A cable that nobody touched is never down, however busy the PMs are.
downs() {
	in_machine node0 corosync-cmapctl -m stats | grep '^stats.knet.node2.*down_count'
	in_machine node1 corosync-cmapctl -m stats | grep '^stats.knet.node1.*down_count'
}
no_link_was_down() { [ "$(downs)" = "$DOWNS" ] || fail "corosync took a cable for cut: $(downs); before: $DOWNS"; }

live_unit
# as small as its image: it's verified several times
avcli vm create --name "$VM" --cpu 1 --memory 300M --volumes 256M \
	--image small.img --interfaces net0 --wait
story_vm
client_start
wait_until 60 "20 records" records_reach 20
DOWNS=$(downs)
case_run grows_under_a_writing_guest grows
case_run verify_finds_and_repairs finds_and_repairs
case_run no_link_was_down no_link_was_down
case_run resync_pauses_and_resumes pauses_and_resumes
case_run failed_reads_are_repaired reads_are_repaired
case_run the_other_pms_disk_fails other_disk_fails
case_run the_own_disk_fails own_disk_fails
story_stop_client
case_run no_record_lost story_check_records
case_run legs_equal story_compare
case_run never_old_data never_old_data
live_end
