#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_witness.sh - the drills' witness on real cables: it hears the
# guests' heartbeat, sees a VM that runs on both PMs, and measures silence.  No
# unit: two cables in a network namespace, and beatd at their far ends.
set -euo pipefail
B=${B:-build}
[ "$(id -u)" = 0 ] || { echo "skip ${0##*/} until=2027-05-31 needs root"; exit 77; }
cd "$(dirname "$0")/../.."
[ -x "$B/tests/drill/witness" ] || { echo "not built: make live builds it" >&2; exit 99; }
if [ "${1-}" != --inside ]; then
	exec unshare --net "$0" --inside
fi
work=$(mktemp -d)
pids=()
clean() { [ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || :; rm -rf "$work"; }
trap clean EXIT

for i in 0 1; do
	ip link add "lan-node$i" type veth peer name "guest$i"
	ip link set "guest$i" address 52:54:00:dd:00:10
	ip addr add "10.99.$i.2/24" dev "guest$i"
	ip link set "guest$i" up
	ip link set "lan-node$i" up
done
"$B/tests/drill/witness" run "$work/socket" "$work/log" &
pids+=($!)
ask() { "$B/tests/drill/witness" ask "$work/socket" "$@" 2>/dev/null; }
until_is() {	# WHAT COMMAND...: within 10 s
	local what=$1 deadline=$((SECONDS + 10))
	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || { echo "waited in vain for $what" >&2; return 1; }
		read -rt 0.05 <> <(:) || :
	done
}
value() { ask report | jq "$1"; }
is() { [ "$(value "$1")" = "$2" ]; }
failed=0
case_is() { if "${@:2}"; then echo "ok $1"; else echo "not ok $1"; failed=1; fi; }

until_is "the witness" ask mark begin
ask name 52:54:00:dd:00:10 vm
case_is nobody_is_heard_yet eval '! ask heard 1000'
"$B/av-beatd" guest0 7009 50 &
first=$!
pids+=("$first")
case_is a_heartbeat_is_heard_and_its_cable_known until_is "a heartbeat" is '.vms[0] | [.side, .beats > 3]|tostring' '"[0,true]"'
case_is one_run_is_no_double_run is .double 0
kill -STOP "$first"
until_is "silence" is '.vms[0].age_ms > 600' true
case_is silence_is_noticed eval '! ask heard 500'
kill -CONT "$first"
until_is "the heartbeat again" ask heard 200
case_is silence_is_measured is '.vms[0] | .gap_ms >= 600 and .gap_ms < 5000' true
ask mark two
"$B/av-beatd" guest1 7009 50 &
pids+=($!)
case_is a_run_on_both_cables_is_a_double_run until_is "a double run" is '.double > 0' true
case_is and_is_written_down grep -q '^[0-9]* DOUBLE vm: node' "$work/log"
exit $failed
