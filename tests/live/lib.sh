# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/lib.sh - a unit of the test's own, and how cases are reported
#
# A live test sources this, calls live_unit once, then 'case_run NAME FUNCTION'
# for each case and live_end at last.  The unit stands in a private folder: it
# neither sees nor disturbs another unit of the same machine, and goes when the
# test ends, however it ends.  All of deploy/lib is at hand: node_power_off,
# link_cut, avcli, unit_is, vm_get ...
#
# A case fails by 'fail SENTENCE' or by a command that fails; the cases after
# it still run.
# shellcheck shell=bash
set -euo pipefail
TREE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
# not in TMPDIR: sockets inside have short names, others than root must get in
WORK=$(mktemp -d /tmp/avlive.XXXXXX)
AVPAIR_TRY_DIR=$WORK
export AVPAIR_TRY_DIR AVPAIR_BUILD=${B:-build}
for part in common checks packages machine net config forward unit guest story; do
	# shellcheck disable=SC1090
	. "$TREE/deploy/lib/$part.sh"
done

live_clean() {
	trap - EXIT INT TERM HUP
	story_stop_client
	if [ -n "${AVPAIR_LIVE_KEEP-}" ]; then
		echo "kept: AVPAIR_TRY_DIR=$TRY" >&2
	else
		unit_remove
		rm -rf --one-file-system "$WORK"
	fi
}
trap live_clean EXIT
trap 'exit 130' INT TERM HUP

# What may be missing on a machine; looked at again on this day.
live_skip() { echo "skip ${0##*/} until=2027-05-31 $*"; exit 77; }

# live_need PROGRAM...: programs of the build; without them there is no test
live_need() {
	local p
	[ "$(id -u)" = 0 ] || live_skip "needs root"
	(check_namespaces) 2>/dev/null || live_skip "namespaces can't be made here"
	for p in "$@"; do
		[ -x "$B/$p" ] || fail "build/$p isn't there"
	done
}

# Starts a unit and waits until both PMs run together.
live_unit() {
	LOG=$WORK/test.log
	exec 3>&1 1>&2		# progress is no result
	live_need av-pminit avnoded avconsoled avcli av-recordctl
	unit_create
	guest_${LIVE_IMAGES:-small}
	packages_forget
	guest_install_images
	world_start
	node_start node0
	node_start node1
	story_unit_forms
}

N_FAILED=0
# Runs each case in a subshell so that its failure ends only itself.  What a
# case must leave behind for the next one goes into files under $WORK.
case_run() {
	local name=$1 rc=0
	shift
	say "case $name"
	set +e
	(set -e; trap - EXIT; "$@")
	rc=$?
	set -e
	if [ "$rc" = 0 ]; then
		echo "ok $name" >&3
	else
		echo "not ok $name" >&3
		N_FAILED=$((N_FAILED + 1))
		live_logs
	fi
}

live_logs() {
	local n f
	for n in node0 node1; do
		for f in avnoded avconsoled machine; do
			[ -s "$TRY/$n/log/$f.log" ] || continue
			echo "--- $n $f" >&2
			tail -n 12 "$TRY/$n/log/$f.log" >&2
		done
	done
}

live_end() { [ "$N_FAILED" = 0 ]; }

# The pid, inside the machine, of a service or of the guest's hypervisor.
pid_in() { in_machine "$1" pidof -s "$2" 2>/dev/null || :; }
guest_pid() { pid_in "$1" qemu-system-x86_64; }
