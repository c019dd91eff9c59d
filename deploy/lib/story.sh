# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/story.sh - the story that 'deploy/try' tells, each step checked
#
# A guest's service syncs numbered records to its mirrored volume before it
# answers; a client in the outside world writes them while a PM is powered off.
# Nothing here believes the unit: times are taken from outside, records are
# compared with what the client saw acknowledged, legs block by block.
# shellcheck shell=bash

GUEST_ADDRESS=10.77.0.100
VM=web
DETECT_LIMIT_MS=1000
RESTART_LIMIT_MS=2000

story_unit_forms() {
	step "the unit forms"
	wait_until 30 "both corosyncs to see each other" corosync_formed
	wait_until 60 "a PM that holds the unit address" primary_answers
	wait_until 60 "both PMs to run together" unit_is running
	ok "both PMs together, unit address on $(primary), generation $(unit_get .generation)"
}

primary_answers() { primary >/dev/null && [ -n "$(unit_get .name)" ]; }

# --- the VM ---

vm_get() { avcli --json vm info "$VM" 2>/dev/null | jq -r "if type == \"array\" then .[0] else (.items[0]? // .) end | $1" 2>/dev/null || :; }
vm_exists() { [ -n "$(vm_get .id)" ]; }
vm_node() { vm_get '.node // empty'; }
volume_get() {
	avcli --json volume info 2>/dev/null |
		jq -r "(if type == \"array\" then . else .items end) | map(select(.vm.name == \"$VM\")) | .[0] | $1" 2>/dev/null || :
}
in_step() { [ "$(volume_get .activity)" = in-step ]; }

story_vm() {
	if ! vm_exists; then
		step "creating VM '$VM' from the small image"
		avcli vm create --name "$VM" --cpu 1 --memory 300M --volumes 512M \
			--image small.img --interfaces net0 --wait
	fi
	if [ -z "$(vm_node)" ]; then
		step "starting VM '$VM'"
		avcli vm poweron "$VM" --wait
	fi
	step "waiting for the guest's service at $GUEST_ADDRESS"
	wait_until 120 "the guest's service" guest_answers
	wait_until 120 "the volume's legs to be in step" in_step
	ok "VM '$VM' runs on $(vm_node), its volume is mirrored and in step"
}

guest_answers() { in_machine world "$B/av-recordctl" ping "$GUEST_ADDRESS" >/dev/null 2>&1; }

# --- the client ---

CLIENT_PID=
client_start() {
	CLIENT_LOG=$TRY/world/log/records.log
	in_machine world "$B/av-recordctl" write --log /var/log/avpair/records.log \
		"$GUEST_ADDRESS" >"$TRY/world/log/client.out" 2>&1 9>&- &
	CLIENT_PID=$!
}

story_stop_client() {
	[ -n "$CLIENT_PID" ] || return 0
	kill -TERM "$CLIENT_PID" 2>/dev/null || :
	wait "$CLIENT_PID" 2>/dev/null || :
	CLIENT_PID=
}

records_acked() { wc -l <"$CLIENT_LOG" 2>/dev/null || echo 0; }
records_reach() { [ "$(records_acked)" -ge "$1" ]; }

# --- power off ---

# Prints the microsecond at which a guest process is first seen on a PM.
guest_process_seen() {
	# shellcheck disable=SC2016
	in_machine "$1" bash -c '
		exec {t}<> <(:)
		for ((i = 0; i < 6000; i++)); do
			for c in /proc/[0-9]*/comm; do
				n=; read -r n 2>/dev/null <"$c"
				[[ $n != qemu-system* ]] || { echo "${EPOCHREALTIME/./}"; exit 0; }
			done
			read -rt 0.01 -u "$t"
		done
		exit 1'
}

story_power_off() {
	local from to watch start_us off_us seen_us acked gap
	from=$(vm_node)
	to=node$((1 - ${from#node}))
	step "the client writes records to the guest on $from"
	client_start
	wait_until 60 "30 records" records_reach 30
	acked=$(records_acked)
	step "pulling the plug of $from"
	watch=$TRY/world/log/watch
	guest_process_seen "$to" >"$watch" &
	local watcher=$!
	pause 0.2
	off_us=${EPOCHREALTIME/./}
	node_power_off "$from"
	wait "$watcher" || fail "no guest process appeared on $to"
	seen_us=$(<"$watch")
	RESTART_MS=$(((seen_us - off_us) / 1000))
	say "  $acked records were acknowledged before; guest process on $to again after $RESTART_MS ms (seen from outside)"
	wait_until 30 "the unit to say that $to runs alone" unit_is alone
	DETECT_MS=$(unit_get '.last_failover.detected_ms // empty')
	say "  detected after ${DETECT_MS:-?} ms, right to run alone after $(unit_get '.last_failover.claimed_ms // "?"') ms (the unit's own record)"
	wait_until 120 "the client to go on" records_reach $((acked + 20))
	pause 1
	story_stop_client
	story_check_times
	story_check_records
}

story_check_times() {
	local limit
	limit=$(scaled $RESTART_LIMIT_MS)
	[ "$RESTART_MS" -lt "$limit" ] || fail "the guest process was started again only after $RESTART_MS ms; the promise is $limit ms"
	[ -n "$DETECT_MS" ] || fail "the unit has no record of the failover"
	limit=$(scaled $DETECT_LIMIT_MS)
	[ "${DETECT_MS%.*}" -lt "$limit" ] || fail "the loss was detected only after $DETECT_MS ms; the promise is $limit ms"
	ok "detection under 1 s, guest process again under 2 s"
}

story_check_records() {
	local out
	out=$(in_machine world "$B/av-recordctl" check --log /var/log/avpair/records.log "$GUEST_ADDRESS") ||
		fail "records are missing or doubled: $out"
	ok "$out"
}

# --- come back ---

story_power_on() {
	local node=node0
	machine_off node0 || node=node1
	step "$node comes back"
	node_start "$node"
	wait_until 60 "both PMs to run together" unit_is running
	wait_until 180 "the legs to be in step" in_step
	story_check_resync
	story_compare
}

story_check_resync() {
	local size changed copied
	size=$(volume_get .size_bytes)
	changed=$(volume_get '.last_resync.bytes_changed // empty')
	copied=$(volume_get '.last_resync.bytes_copied // empty')
	[ -n "$changed" ] || fail "the unit has no record of the resynchronization"
	say "  changed $changed bytes, copied $copied bytes, volume $size bytes"
	[ "$copied" -ge "$changed" ] || fail "fewer bytes were copied than had changed"
	[ "$copied" -lt $((size / 4)) ] || fail "more was copied than what changed"
	ok "only what changed was resynchronized"
}

# The guest may write at any time (its file system's own housekeeping): equal
# once, with nothing held back, is what must be seen.
legs_equal() {
	local leg other
	LEGS=0
	for leg in "$TRY"/node0/lib/storage/*/vol-*.data; do
		other=${leg/"$TRY/node0"/"$TRY/node1"}
		cmp -s "$leg" "$other" || return 1
		LEGS=$((LEGS + 1))
	done
	[ "$LEGS" -gt 0 ]
}

story_compare() {
	step "comparing both legs block by block"
	wait_until 30 "equal legs" legs_equal
	ok "$LEGS volume(s): both legs are equal"
}

story() {
	story_vm
	story_power_off
	story_power_on
	step "done"
}
