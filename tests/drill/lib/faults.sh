# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/drill/lib/faults.sh - each kind of fault: how it comes, how it goes
#
# fault_do KIND:ARG:... and fault_heal KIND:ARG:...; both return at once.  A heal
# may be called when the fault has gone by itself, or its PM has.
# shellcheck shell=bash

other() { [ "$1" = node0 ] && echo node1 || echo node0; }
pid_in() { in_machine "$1" pidof -s "$2" 2>/dev/null || :; }
signal_in() {	# MACHINE PROGRAM SIGNAL; nobody there is no failure
	local pid
	machine_on "$1" || return 0
	pid=$(pid_in "$1" "$2")
	[ -z "$pid" ] || in_machine "$1" kill "-$3" "$pid" 2>/dev/null || :
}

pm_off() { ! machine_on "$1" || node_power_off "$1"; }
pm_on() {
	machine_off "$1" || return 0
	node_start "$1"
	witness watch "${1#node}" "$(machine_pid "$1")"
}

# One direction dies, the carrier stays: a queue that swallows all.  'deaf': what
# comes to the PM is dropped at its port outside; 'mute': what it sends, inside.
one_way() {	# add|del NODE deaf|mute priv|lan|both
	local n=$2 link
	machine_on "$n" || return 0
	for link in priv lan; do
		[ "$4" = both ] || [ "$4" = $link ] || continue
		if [ "$3" = deaf ]; then
			in_net world tc qdisc "$1" dev "$link-$n" root blackhole 2>/dev/null || :
		else
			in_net "$n" tc qdisc "$1" dev "${link}0" root blackhole 2>/dev/null || :
		fi
	done
}

guest_kill() {	# NUMBER of the VM
	local n pid
	for n in node0 node1; do
		machine_on $n || continue
		pid=$(in_machine $n pgrep -f "^[^ ]*qemu-system.*$(vm_mac "$1")" 2>/dev/null | head -n 1) || :
		[ -z "$pid" ] || in_machine $n kill -KILL "$pid" 2>/dev/null || :
	done
}

mirror_kill() {	# NODE NUMBER
	local pids
	machine_on "$1" || return 0
	read -ra pids <<<"$(in_machine "$1" pidof nbdkit 2>/dev/null)" || :
	[ ${#pids[@]} = 0 ] || in_machine "$1" kill -KILL "${pids[$2 % ${#pids[@]}]}" 2>/dev/null || :
}

clock_set() { printf '%s\n' "$2" >"$TRY/$1/etc/avpair/drill-clock"; }

# Such a drill is left out, and the report says so.  Sets IMPOSSIBLE to the reason.
faults_possible() {	# FAULT [FAULT]
	IMPOSSIBLE=
	if [ $# = 2 ] && plan_loses_good_copy "$1" "$2"; then
		IMPOSSIBLE="the PM whose disk failed may be left with the only right to run"
	elif [ -z "${DRILL_ANYWAY-}" ] && [ $# = 2 ] && plan_needs_watchdog "$1" "$2" && ! grep -q '^	watchdog = ' "$TREE/deploy/lib/config.sh"; then
		IMPOSSIBLE="this unit has no watchdog yet"
	fi
	[ -z "$IMPOSSIBLE" ]
}

# A watchdog powers its PM off for good: somebody presses the button.
power_button() {
	local n
	for n in node0 node1; do
		machine_on $n || { say "  $n is off: power on"; pm_on $n; }
	done
}

fault_do() {
	local kind a1 a2 a3
	IFS=: read -r kind a1 a2 a3 <<<"$1"
	case $kind in
	power-off) pm_off "$a1" ;;
	blackout) pm_off node0; pm_off node1 ;;
	isolate) link_cut "lan-$a1"; link_cut priv0 ;;
	all-cut) link_cut priv0; link_cut lan-node0; link_cut lan-node1 ;;
	private-cut) link_cut priv0 ;;
	lan-cut) link_cut "lan-$a1" ;;
	one-way) one_way add "$a1" "$a2" "$a3" ;;
	agent-kill) signal_in "$a1" avnoded KILL ;;
	agent-stop) signal_in "$a1" avnoded STOP ;;
	corosync-kill) signal_in "$a1" corosync KILL ;;
	corosync-stop) signal_in "$a1" corosync STOP ;;
	console-kill) signal_in "$a1" avconsoled KILL ;;
	mirror-kill) mirror_kill "$a1" "$a2" ;;
	guest-kill) guest_kill "$a1" ;;
	quorum-kill) signal_in quorum etcd KILL ;;
	quorum-stop) signal_in quorum etcd STOP ;;
	quorum-cut) link_cut quorum ;;
	clock-step) clock_set "$a1" "$a2" ;;
	disk-error) disk_fail "$a1" ;;
	process-kill | stream-kill | move-cancel | vm-off | none) move_fault_do "$kind" "$a1" ;;
	*) fail "no fault '$1'" ;;
	esac
}

fault_heal() {
	local kind a1 a2 a3
	IFS=: read -r kind a1 a2 a3 <<<"$1"
	case $kind in
	power-off) pm_on "$a1" ;;
	blackout)
		pm_on "$a1"
		if [ "$a2" = settled ]; then
			settled 15 || :
		else
			pause "$(seconds "$a2")"
		fi
		pm_on "$(other "$a1")"
		;;
	isolate) link_mend "lan-$a1"; link_mend priv0 ;;
	all-cut) link_mend priv0; link_mend lan-node0; link_mend lan-node1 ;;
	private-cut) link_mend priv0 ;;
	lan-cut) link_mend "lan-$a1" ;;
	one-way) one_way del "$a1" "$a2" "$a3" ;;
	agent-stop) signal_in "$a1" avnoded CONT ;;
	corosync-stop) signal_in "$a1" corosync CONT ;;
	quorum-stop) signal_in quorum etcd CONT ;;
	quorum-cut) link_mend quorum ;;
	clock-step) clock_set "$a1" 0 ;;
	disk-error) disk_mend "$a1" ;;
	esac
}

# After a drill that failed, before the evidence is taken: nothing stays broken
# that the drill broke.
faults_none() {
	local n link
	for link in $LINKS; do link_mend "$link"; done
	signal_in quorum etcd CONT
	for n in node0 node1; do
		signal_in $n avnoded CONT
		signal_in $n corosync CONT
		one_way del $n deaf both
		one_way del $n mute both
		[ ! -e "$TRY/$n/etc/avpair/drill-clock" ] || clock_set $n 0
		disk_mend $n
	done
}
