# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/drill/lib/moves.sh - a VM moves while it runs, and a fault strikes meanwhile
#
# The moment is read from what the agents keep of a move beside the guest's process
# (RUNTIME/move, docs/design-migration.md), without a question to anybody: whoever
# asks changes the time.  What became of it is judged from outside.
# shellcheck shell=bash

PAUSE_LIMIT_MS=6000	# of a guest that a fault doesn't end, times the time scale
MOVE='' WAY=migrate AT=order:0	# of the plan; no MOVE: a drill without one

is_move() { [ -n "$MOVE" ]; }

# --- before ---

# The VM's place, and with it the faults' PMs.  VMs stay where they are moved to:
# nothing but what was ordered moves.
move_begin() {
	local vms word
	GO_HOME=$(unit_json unit | jq -r .go_home)
	[ "$GO_HOME" = false ] || avcli unit configure --go-home no >/dev/null
	vms=$(unit_json vm)
	MOVE_NAME=$(vm_name "$MOVE")
	FROM=$(jq -r --arg n "$MOVE_NAME" '.[] | select(.name == $n) | .node' <<<"$vms")
	MOVE_ID=$(jq -r --arg n "$MOVE_NAME" '.[] | select(.name == $n) | .id | ltrimstr("vm:")' <<<"$vms")
	[[ $FROM = node[01] ]] || fail "$MOVE_NAME is on '$FROM'"
	TO=$(other "$FROM")
	for word in A B2; do
		move_resolve "${!word}" "${FROM#node}"
		printf -v $word %s "$RND"
	done
	MOVE_FILES=("/proc/$(machine_pid "$FROM")/root/run/avpair/vm/$MOVE_ID/move"
		"/proc/$(machine_pid "$TO")/root/run/avpair/vm/$MOVE_ID/move")
	move_read 0
	OLD_MOVE=$FILE_MOVE
	move_arm "$A"
	say "  $MOVE_NAME is on $FROM"
}

# move_read 0|1 (source, target): FILE_MOVE, FILE_MARK; empty = no file
move_read() {
	FILE_MOVE='' FILE_MARK=''
	# it has no newline
	read -r FILE_MOVE FILE_MARK 2>/dev/null <"${MOVE_FILES[$1]}" || :
}
# The file is of the move of this drill.
move_is_new() { move_read "$1"; [ -n "$FILE_MOVE" ] && [ "$FILE_MOVE" != 0 ] && [ "$FILE_MOVE" != "$OLD_MOVE" ]; }

# A process that is there already is looked up beforehand.
move_arm() {
	ARMED=''
	case $1 in
	agent-kill:*) ARMED=$(host_pids "${1#*:}" -x avnoded) ;;
	corosync-kill:*) ARMED=$(host_pids "${1#*:}" -x corosync) ;;
	process-kill:"$FROM") ARMED=$(guest_processes "$FROM" "$MOVE") ;;
	esac
}

# --- the order, and the moment ---

move_order() {
	say "  order: $WAY $MOVE_NAME from $FROM"
	(
		case $WAY in
		workon) person node workon "$FROM" ;;
		*) person vm migrate "$MOVE_NAME" ;;
		esac || { : >"$WORK/refused"; exit 0; }
		: >"$WORK/ordered"
	) &
	ORDER_PID=$!
}

# The moment of the plan, or the move's end, or a while
move_moment() {
	local copied='' deadline=$(($(now_ms) + $(scaled 20000)))
	[ "$WAY" = migrate ] || deadline=$((deadline + $(scaled 20000)))
	while [ "$(now_ms)" -lt "$deadline" ] && [ ! -e "$WORK/refused" ]; do
		case $1 in
		order) return 0 ;;
		room) ! move_is_new 1 || return 0 ;;
		copy) ! move_is_new 0 || return 0 ;;
		switch)
			if move_is_new 0; then
				copied=1
				[ "$FILE_MARK" = 0 ] || return 0
			elif [ -n "$copied" ]; then
				return 0	# it's over
			fi
			;;
		esac
		pause 0.002
	done
}

# What is known of the move just before the fault, for the report
move_stage() {
	local stage=ordered
	! move_is_new 1 || stage=prepared
	if move_is_new 0; then
		stage=copying
		[ "$FILE_MARK" = 0 ] || stage=switching
	elif [ "$stage" = prepared ] && [ -z "$FILE_MOVE" ]; then
		stage=changed-over
	fi
	echo "$stage"
}

move_strike() {
	local when=${AT%%:*}
	if [ "$when" = before ]; then
		say "  fault $A"
		fault_do "$A"
		pause "$(seconds "${AT#*:}")"
		move_order
		echo before >"$WORK/struck"
		return 0
	fi
	move_order
	move_moment "$when"
	pause "$(seconds "${AT#*:}")"
	move_stage >"$WORK/struck"
	if [ -n "$ARMED" ]; then
		# shellcheck disable=SC2086
		kill -KILL $ARMED 2>/dev/null || :
	else
		fault_do "$A"
	fi
	say "  fault $A ($(cat "$WORK/struck"))"
}

move_ordered() {
	wait "$ORDER_PID" || :
	[ -e "$WORK/ordered" ] || [ "${AT%%:*}" = before ] || [ "${AT%%:*}" = order ] ||
		fail "$WAY of $MOVE_NAME was refused, though the unit was whole"
}

# --- the faults that only a move has ---

host_pids() {	# NODE PGREP-ARGUMENT...: as the host counts them
	local pid n=$1
	shift
	pid=$(machine_pid "$n") || return 0
	pgrep --ns "$pid" --nslist pid "$@" 2>/dev/null | tr '\n' ' ' || :
}
guest_processes() { host_pids "$1" -f "^[^ ]*qemu-system.*$(vm_mac "$2")"; }
host_kill() { [ $# = 0 ] || kill -KILL "$@" 2>/dev/null || :; }

move_fault_do() {	# KIND NODE
	local pids
	case $1 in
	process-kill) read -ra pids <<<"$(guest_processes "$2" "$MOVE")" || :; host_kill "${pids[@]}" ;;
	stream-kill) read -ra pids <<<"$(host_pids "$2" -x av-vmstream)" || :; host_kill "${pids[@]}" ;;
	move-cancel) person vm migrate-cancel "$MOVE_NAME" || : ;;
	vm-off)
		# whoever waits for the whole unit switches it on again (disk_care)
		! person vm poweroff "$MOVE_NAME" || : >"$WORK/switched-off-$MOVE_NAME" ;;
	esac
}

# --- after ---

# A PM that was taken out comes back by a person's word alone.
maintenance_care() {
	local n
	[ "$WAY" = workon ] || return 0
	for n in $(unit_json node | jq -r '.[] | select(.maintenance) | .name' 2>/dev/null); do
		person node workoff "$n" || :
	done
}

# No move under way, nobody out, and one process a VM: on its PM.  Sets WHOLE_LACKS.
nothing_half_done() {
	local vms i n name node have want
	vms=$(unit_json vm)
	WHOLE_LACKS=$(jq -r '[.[] | select(.migration) | "\(.name) is still moving"] | .[0] // empty' 2>/dev/null <<<"${vms:-[]}") || :
	[ -n "$vms" ] || WHOLE_LACKS="the VMs aren't shown"
	[ -n "$WHOLE_LACKS" ] || WHOLE_LACKS=$(unit_json node | jq -r '[.[] | select(.maintenance) | "\(.name) is out"] | .[0] // empty' 2>/dev/null) || :
	[ -z "$WHOLE_LACKS" ] || return 1
	for n in node0 node1; do
		[ -z "$(host_pids $n -x av-vmstream)" ] || { WHOLE_LACKS="a stream's process is left on $n"; return 1; }
		for ((i = 0; i < N_VMS; i++)); do
			name=$(vm_name $i)
			node=$(jq -r --arg n "$name" '.[] | select(.name == $n) | .node' <<<"$vms")
			read -ra have <<<"$(guest_processes $n $i)" || :
			want=0
			[ "$n" != "$node" ] || want=1
			[ ${#have[@]} = $want ] ||
				{ WHOLE_LACKS="$name is on $node, but $n has ${#have[@]} processes of it"; return 1; }
		done
	done
}

move_result() {
	unit_json vm | jq -r --arg n "$MOVE_NAME" '.[] | select(.name == $n) | .last_migration |
		"\(.result // "none") \(.reason.code // "-")"' 2>/dev/null || :
}

# The longest time in ms between two acknowledged records since number FROM
client_gap() {	# VM FROM
	tail -n 60000 "$(vm_log "$1")" | awk -v from="$2" '
		$1 >= from { if (last && $2 - last > gap) gap = $2 - last; last = $2 } END { print gap + 0 }'
}

# A fault that ends no guest, and a move that didn't end with one started anew
move_check_runs() {
	local again
	again=$(jq -r --arg moved "$MOVE_NAME" --arg fault "$A" --arg result "$MOVE_RESULT" '
		[.vms[] | select(.new_runs > 0) | .name] |
		if ($fault | test("^process-kill:")) and
			(($fault == "process-kill:'"$FROM"'") or ($result | startswith("done"))) or $fault == "vm-off"
		then . - [$moved] else . end | join(", ")' "$WORK/witness.json")
	[ "$N_FAULTS" = 1 ] || return 0
	case $A in private-cut | lan-cut:* | quorum-* | console-kill:* | agent-kill:* | corosync-kill:* | mirror-kill:* | \
		clock-step:* | process-kill:* | stream-kill:* | move-cancel | vm-off | none) ;; *) return 0 ;; esac
	[ -z "$again" ] || fail "$again started again, though this fault ends no guest ($MOVE_RESULT)"
}

# Whoever wasn't started anew stood still for a while only: while the guest is on both
# PMs it waits for nothing that may not come.
move_check_pause() {
	local limit silent
	limit=$(scaled $PAUSE_LIMIT_MS)
	[ "$N_FAULTS" = 1 ] || return 0
	case $A in none | move-cancel | process-kill:* | stream-kill:* | agent-kill:* | corosync-kill:* | console-kill:* | \
		mirror-kill:* | quorum-* | clock-step:* | disk-error:*) ;;
	private-cut) limit=$((limit + HOLD)) ;;
	*) return 0 ;;
	esac
	silent=$(jq -r --argjson limit "$limit" '[.vms[] | select(.new_runs == 0 and .gap_ms > $limit) |
		"\(.name) for \(.gap_ms) ms"] | join(", ")' "$WORK/witness.json")
	[ -z "$silent" ] || fail "silent without a new start: $silent ($MOVE_RESULT)"
}

# Nothing of that move is in the way of the next one, and that takes the guest along.
move_again() {
	local t before
	before=$(acked "$MOVE")
	witness mark "$NUMBER-again"
	t=$(now_ms)
	avcli vm migrate "$MOVE_NAME" --wait --timeout "$(scaled 60)" >"$WORK/again" 2>&1 ||
		fail "the next move failed: $(tail -n 1 "$WORK/again")"
	t=$(($(now_ms) - t))
	wait_until "$(scaled 60)" "the unit to be whole after the next move" whole
	wait_until "$(scaled 20)" "one process of each guest" nothing_half_done
	witness report >"$WORK/again.json"
	[ "$(jq '[.vms[].new_runs] | add' "$WORK/again.json")" = 0 ] || fail "a guest was started anew at the next move"
	[ "$(jq --argjson i "$MOVE" '.vms[$i].moves' "$WORK/again.json")" = 1 ] || fail "the next move wasn't seen on the cables"
	jq -cn --arg vm "$MOVE_NAME" --arg way "$WAY" --arg at "$AT" --arg struck "$(cat "$WORK/struck")" --arg result "$MOVE_RESULT" \
		--argjson gap "$MOVE_GAP" --argjson ms $t --argjson again "$(client_gap "$MOVE" "$before")" \
		--argjson beat "$(jq --argjson i "$MOVE" '.vms[$i].gap_ms' "$WORK/again.json")" \
		'{vm: $vm, way: $way, at: $at, struck: $struck, result: $result, client_gap_ms: $gap,
		again_ms: $ms, again_client_gap_ms: $again, again_gap_ms: $beat}' >"$WORK/move.json"
}
