# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/drill/lib/world.sh - a unit with three guests, their clients, the witness
#
# Everything stands in a private folder and goes when the run ends.
# shellcheck shell=bash

N_VMS=3
# VM i, 0..: name, MAC (the small guest's address follows from it), wanted PM
vm_name() { echo "drill$1"; }
vm_mac() { printf '52:54:00:dd:00:%02x\n' $((16 + $1)); }
vm_address() { echo "10.77.0.$((116 + $1))"; }
vm_wanted() { echo "node$(($1 % 2))"; }
vm_log() { echo "$TRY/world/log/drill$1.records"; }

seconds() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }

witness() { "$WITNESS" ask "$WITNESS_SOCKET" "$@" 9>&-; }

# unit_json CLASS: 'avcli CLASS info' of the primary, bounded; empty when nobody
# answers
unit_json() {
	local n pid
	n=$(primary 2>/dev/null) || return 0
	pid=$(machine_pid "$n") || return 0
	timeout 5 nsenter -t "$pid" -m -u -i -n -p -- "$PROG/avcli" --json "$1" info 2>/dev/null || :
}

# --- start ---

# The daemons of a PM get a wall clock that can be stepped (clockstep.c).
clocks_install() {
	local n
	install -m 0755 "$B/tests/drill/clockstep.so" "$TRY/prog/clockstep.so"
	for n in node0 node1; do
		clock_set $n 0
		sed -i "s#\t\($PROG/av[a-z]*d\)\t#\t/usr/bin/env\tLD_PRELOAD=$PROG/clockstep.so\tDRILL_CLOCK=/etc/avpair/drill-clock\t\1\t#" \
			"$TRY/$n/services"
	done
}

witness_start() {
	local i n
	WITNESS_SOCKET=$TRY/witness
	(exec nsenter -t "$(machine_pid world)" -n -- "$WITNESS" run "$WITNESS_SOCKET" "$TRY/world/log/witness.log") 9>&- &
	WITNESS_PID=$!
	wait_until 5 "the witness" witness mark begin 2>/dev/null
	for ((i = 0; i < N_VMS; i++)); do witness name "$(vm_mac $i)" "$(vm_name $i)"; done
	for n in 0 1; do witness watch $n "$(machine_pid node$n)"; done
}

world_up() {
	local i
	LOG=$WORK/build.log
	unit_create
	clocks_install
	faildisk_install
	SIZE_MIB=64 guest_small
	packages_forget
	guest_install_images
	world_start
	node_start node0
	node_start node1
	story_unit_forms
	witness_start
	step "$N_VMS VMs"
	for ((i = 0; i < N_VMS; i++)); do
		avcli vm create --name "$(vm_name $i)" --cpu 1 --memory 256M --volumes 64M \
			--image small.img --interfaces "net0,mac=$(vm_mac $i)" \
			--preferred "$(vm_wanted $i)" --wait >/dev/null
		# a drill kills it more often than a VM may crash by itself
		avcli vm set-mtbf "$(vm_name $i)" --policy always >/dev/null
	done
	for ((i = 0; i < N_VMS; i++)); do
		avcli vm poweron "$(vm_name $i)" >/dev/null
	done
	wait_until 120 "every guest's heartbeat" witness heard 500
	clients_start
	wait_until 120 "a whole unit" whole
}

world_down() {
	clients_stop
	[ -z "$WITNESS_PID" ] || witness stop 2>/dev/null || kill "$WITNESS_PID" 2>/dev/null || :
	[ -z "$WITNESS_PID" ] || wait "$WITNESS_PID" 2>/dev/null || :
	WITNESS_PID=
	unit_remove
}

# --- clients: one writes numbered records to each guest, for ever ---

CLIENT_PIDS=()
clients_start() {
	local i
	for ((i = 0; i < N_VMS; i++)); do
		# in its network only: it is our own child, to be stopped and woken
		(exec nsenter -t "$(machine_pid world)" -n -- "$B/av-recordctl" write "$(vm_address $i)" "$RECORD_PORT" \
			--log "$(vm_log $i)" --interval-ms 20 --quiet) >"$TRY/world/log/client$i.out" 2>&1 9>&- &
		CLIENT_PIDS[i]=$!
	done
}
clients_signal() { [ ${#CLIENT_PIDS[@]} = 0 ] || kill "-$1" "${CLIENT_PIDS[@]}" 2>/dev/null || :; }
clients_stop() {
	clients_signal TERM
	clients_signal CONT
	[ ${#CLIENT_PIDS[@]} = 0 ] || wait "${CLIENT_PIDS[@]}" 2>/dev/null || :
	CLIENT_PIDS=()
}
acked() {	# NUMBER: the last record that was acknowledged
	local n=0 rest
	[ ! -s "$(vm_log "$1")" ] || read -r n rest < <(tail -n 1 "$(vm_log "$1")")
	echo "$n"
}
stored() {	# NUMBER: how many the guest says it has; empty = no answer
	in_net world timeout 3 bash -c "exec 5<>/dev/tcp/$(vm_address "$1")/$RECORD_PORT &&
		echo COUNT >&5 && read -r -u 5 word n && [ \"\$word\" = COUNT ] && echo \$n" 2>/dev/null || :
}

stored_known() { STORED=$(stored "$1"); [ -n "$STORED" ]; }

# Records are written one by one from 1 on and never twice, so a guest that has as
# many as were acknowledged has them all.  Sets LOST and TWICE.
records_count() {
	local i low have high
	LOST=0 TWICE=0
	for ((i = 0; i < N_VMS; i++)); do
		kill -0 "${CLIENT_PIDS[i]}" 2>/dev/null || fail "the client of $(vm_name $i) was refused: $(cat "$TRY/world/log/client$i.out")"
		low=$(acked $i)
		wait_until 20 "the service of $(vm_name $i)" stored_known $i
		have=$STORED
		high=$(acked $i)
		[ "$have" -ge "$low" ] || LOST=$((LOST + low - have))
		[ "$have" -le $((high + 1)) ] || TWICE=$((TWICE + have - high - 1))
	done
}

# Every record by its number and sum; slow, so it isn't done after each drill.
records_check() {
	local i out
	for ((i = 0; i < N_VMS; i++)); do
		out=$(in_machine world "$PROG/av-recordctl" check "$(vm_address $i)" "$RECORD_PORT" \
			"/var/log/avpair/drill$i.records" --timeout 60 2>&1) ||
			fail "$(vm_name $i): records are missing or doubled: $out"
		say "  $(vm_name $i): $out"
	done
}

# --- states ---

# Both PMs together, every volume in step, every VM runs and is heard, each guest
# answers.  WHOLE_LACKS says what is missing.
whole() {
	local unit vms i
	unit=$(unit_json unit)
	WHOLE_LACKS=$(jq -r 'if .activity == "running" then empty else "the unit is \(.activity): \(.reason.text)" end' 2>/dev/null <<<"${unit:-null}") || :
	[ -n "$unit" ] || WHOLE_LACKS="no PM answers"
	[ -z "$WHOLE_LACKS" ] || return 1
	vms=$(unit_json vm)
	WHOLE_LACKS=$(jq -r '(if type == "array" then . else [.] end) |
		[.[] | select(.activity != "running") | "\(.name) is \(.activity)"] | .[0] // empty' 2>/dev/null <<<"${vms:-[]}") || :
	[ -n "$vms" ] || WHOLE_LACKS="the VMs aren't shown"
	[ -z "$WHOLE_LACKS" ] || return 1
	WHOLE_LACKS=$(unit_json volume | jq -r '(if type == "array" then . else [.] end) |
		[.[] | select(.activity != "in-step") | "\(.name) is \(.activity)"] | .[0] // empty' 2>/dev/null) || :
	[ -z "$WHOLE_LACKS" ] || return 1
	witness heard 500 || { WHOLE_LACKS="a guest isn't heard"; return 1; }
	for ((i = 0; i < N_VMS; i++)); do
		[ "$(acked $i)" -gt "${BEFORE[i]:-0}" ] || { WHOLE_LACKS="$(vm_name $i) stores nothing"; return 1; }
	done
}

# Every guest is heard, or as much time has gone.
settled() {
	local deadline=$(($(now_ms) + $1 * 1000))
	until witness heard 400; do
		[ "$(now_ms)" -lt "$deadline" ] || return 1
		pause 0.1
	done
}

# A drill wants guests on the PM that it hits; after a takeover all are on one.
# Those that rather ran elsewhere are started there.
spread() {
	local vms i name node moved=
	vms=$(unit_json vm)
	for ((i = 0; i < N_VMS; i++)); do
		name=$(vm_name $i)
		node=$(jq -r --arg n "$name" '(if type == "array" then . else [.] end)[] | select(.name == $n) | .node // ""' <<<"${vms:-[]}")
		# no answer is no reason to move it
		[ -n "$node" ] && [ "$node" != "$(vm_wanted $i)" ] || continue
		say "  $name goes back to $(vm_wanted $i)"
		avcli vm poweroff "$name" --wait --timeout 20 >/dev/null
		avcli vm poweron "$name" >/dev/null
		moved=1
	done
	[ -n "$moved" ] || return 0
	wait_until 60 "a whole unit" whole
}

# Nothing is written meanwhile: then both legs must be equal.
legs_compare() {
	clients_signal STOP
	local rc=0
	(wait_until 20 "equal legs" legs_equal) || rc=$?
	clients_signal CONT
	return $rc
}
