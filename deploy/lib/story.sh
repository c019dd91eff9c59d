# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/story.sh - the story that 'deploy/try' tells, each step checked
#
# A guest's service syncs numbered records to its mirrored volume before it
# answers; a client in the outside world writes them while a PM is powered off.
# Nothing here believes the unit: times are taken from outside, records are
# compared with what the client saw acknowledged, legs block by block.
# shellcheck shell=bash

VM=web
RECORD_PORT=7000
DETECT_LIMIT_MS=1000
RESTART_LIMIT_MS=2000
STORY_WAIT_S=120	# for one order to the unit

story_unit_forms() {
	step "the unit forms"
	wait_until 30 "both corosyncs to see each other" corosync_formed
	wait_until 60 "a PM that holds the unit address" primary_answers
	wait_until 60 "both PMs to run together" unit_is running
	ok "both PMs together, unit address on $(primary), generation $(unit_get .generation)"
}

primary_answers() { primary >/dev/null && [ -n "$(unit_get .name)" ]; }

# --- the VM ---

# vm_get FILTER, volume_get FILTER: of $VM and of its volume; empty when nobody
# answers.  The answer may be one object or a list of them.
vm_get() {
	avcli --json vm info "$VM" 2>/dev/null | jq -r --arg n "$VM" \
		"first(.. | objects | select((.id? | tostring | startswith(\"vm:\")) and .name == \$n and .vcpus)) | $1" 2>/dev/null || :
}
volume_get() {
	avcli --json volume info 2>/dev/null | jq -r --arg n "$VM" \
		"first(.. | objects | select((.id? | tostring | startswith(\"volume:\")) and .vm.name? == \$n)) | $1" 2>/dev/null || :
}
vm_exists() { [ -n "$(vm_get .id)" ]; }
vm_node() { vm_get '.node // empty'; }
in_step() { [ "$(volume_get .activity)" = in-step ]; }

# The small guest takes its address from its MAC's last byte (deploy/guest).
guest_address() {
	local mac
	mac=$(vm_get '.networks[0].mac // empty')
	[ -n "$mac" ] || fail "VM '$VM' has no MAC address"
	echo "10.77.0.$((100 + 16#${mac##*:} % 100))"
}

story_vm() {
	if ! vm_exists; then
		step "creating VM '$VM' from the small image"
		avcli vm create --name "$VM" --cpu 1 --memory 300M --volumes 512M \
			--image small.img --interfaces net0 --wait --timeout "$STORY_WAIT_S"
	fi
	if [ -z "$(vm_node)" ]; then
		step "starting VM '$VM'"
		avcli vm poweron "$VM" --wait --timeout "$STORY_WAIT_S"
	fi
	GUEST_ADDRESS=$(guest_address)
	step "waiting for the guest's service at $GUEST_ADDRESS"
	wait_until 120 "the guest's service" guest_answers
	wait_until 120 "the volume's legs to be in step" in_step
	ok "VM '$VM' runs on $(vm_node), its volume is mirrored and in step"
}

guest_answers() {
	in_net world timeout 2 bash -c "exec 5<>/dev/tcp/$GUEST_ADDRESS/$RECORD_PORT" 2>/dev/null
}

# --- the client ---

CLIENT_PID=
CLIENT_LOG=$TRY/world/log/records.log	# 'N MILLISECONDS' of each acknowledged record
client_start() {
	local n=0 rest
	[ ! -s "$CLIENT_LOG" ] || read -r n rest < <(tail -n 1 "$CLIENT_LOG")
	in_machine world "$PROG/av-recordctl" write "$GUEST_ADDRESS" "$RECORD_PORT" \
		--log /var/log/avpair/records.log --start $((n + 1)) --interval-ms 5 --quiet \
		>"$TRY/world/log/client.out" 2>&1 9>&- &
	CLIENT_PID=$!
}

story_stop_client() {
	[ -n "$CLIENT_PID" ] || return 0
	# our own child is a shell that waits for nsenter: the client is in the world
	! machine_on world || in_machine world pkill -TERM -x av-recordctl || :
	wait "$CLIENT_PID" 2>/dev/null || :
	CLIENT_PID=
}

records_acked() { if [ -e "$CLIENT_LOG" ]; then wc -l <"$CLIENT_LOG"; else echo 0; fi; }
records_reach() { [ "$(records_acked)" -ge "$1" ]; }
# The longest time in ms between two acknowledgements after the first N.
records_longest_gap() {
	awk -v from="$1" 'NR > from && last && $2 - last > gap { gap = $2 - last } { last = $2 } END { print gap + 0 }' "$CLIENT_LOG"
}

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

guest_watch_begun() { pause 0.2; }

story_power_off() {
	local from to watch off_us seen_us acked before
	from=$(vm_node)
	to=node$((1 - ${from#node}))
	step "the client writes records to the guest on $from"
	client_start
	acked=$(records_acked)
	wait_until 60 "50 records" records_reach $((acked + 50))
	acked=$(records_acked)
	step "pulling the plug of $from"
	watch=$TRY/world/log/watch
	guest_process_seen "$to" >"$watch" &
	local watcher=$!
	guest_watch_begun
	off_us=${EPOCHREALTIME/./}
	node_power_off "$from"
	wait "$watcher" || fail "no guest process appeared on $to"
	seen_us=$(<"$watch")
	RESTART_MS=$(((seen_us - off_us) / 1000))
	before=$acked
	say "  $acked records were acknowledged before; guest process on $to again after $RESTART_MS ms (seen from outside)"
	wait_until 30 "the unit to say that $to runs alone" unit_is alone
	DETECT_MS=$(unit_get '.last_failover.detected_ms // empty')
	say "  detected after ${DETECT_MS:-?} ms, right to run alone after $(unit_get '.last_failover.claimed_ms // "?"') ms (the unit's own record)"
	wait_until 300 "the client to go on" records_reach $((before + 50))
	say "  the client waited $(records_longest_gap $((before - 1))) ms from one acknowledged record to the next (the guest booted in it)"
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
	out=$(in_machine world "$PROG/av-recordctl" check "$GUEST_ADDRESS" "$RECORD_PORT" /var/log/avpair/records.log 2>&1) ||
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
