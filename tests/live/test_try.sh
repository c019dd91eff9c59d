#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_try.sh - 'deploy/try' itself: refusals, the story, a killed
# run, no trace left behind
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
exec 3>&1 1>&2
export AVPAIR_TRY_DIR=$WORK/t TRY=$WORK/t

# refused 'PATTERN' COMMAND...: fails, says one line that fits, makes no folder
refused() {
	local pattern=$1 out
	shift
	out=$("$@" 2>&1) && fail "went through: $*"
	[ "$(wc -l <<<"$out")" = 1 ] || fail "more than one sentence: $out"
	[[ $out =~ $pattern ]] || fail "says '$out', not '$pattern'"
	[ ! -e "$TRY" ] || fail "made its folder although it refused"
}

refusals() {
	local try=$TREE/deploy/try
	refused 'needs root' setpriv --reuid 65534 --regid 65534 --clear-groups "$try"
	refused 'MiB of free memory' env AVPAIR_NEED_MEMORY_MIB=99999999 "$try"
	refused 'MiB of free disk' env AVPAIR_NEED_DISK_MIB=999999999 "$try"
	refused 'absolute path' env AVPAIR_TRY_DIR=relative "$try"
	refused "aren't of a try unit" env AVPAIR_TRY_DIR=/etc "$try"
	refused 'there is no unit' "$try" status
	refused 'there is no unit' "$try" power-off node0
	refused "there is no PM 'node7'" "$try" power-off node7
}

# Interfaces, mounts and processes of the machine that name our folder.
traces() {
	ip -o link | awk '{ print $2 }' | sort
	grep -F "$TRY" /proc/self/mounts || :
	pgrep -af -- "$TRY" | grep -v "^$$ " | grep -c 'av-pminit\|socat\|qemu\|nbdkit' || :
}

story_told() { "$TREE/deploy/try"; }

url_answers() {
	curl -sf -m 5 --cacert "$TRY/secrets/ca.crt" "$(console_url)api/v1/version" ||
		fail "the console doesn't answer at $(console_url)"
}

links_cut() {
	"$TREE/deploy/try" cut priv0
	wait_until 20 "the unit to see the cut" link_is 0 down
	unit_is running || unit_is degraded || fail "one cut cable made the unit $(unit_get .activity)"
	"$TREE/deploy/try" mend priv0
	wait_until 20 "the unit to see the link again" link_is 0 up
	! "$TREE/deploy/try" cut nonsense || fail "cut a link that doesn't exist"
}
link_is() { [ "$(unit_get ".links[$1].state")" = "$2" ]; }

# A run that is killed in the middle leaves nothing that the next can't handle.
killed_run() {
	local pid
	setsid "$TREE/deploy/try" start >"$WORK/out" 2>&1 &
	pid=$!
	wait_until 120 "the second run to start its machines" grep -q 'starting node0' "$WORK/out"
	kill -KILL -- "-$pid"
	wait "$pid" 2>/dev/null || :
	machine_on world || fail "the machines went with the run: nothing was tested"
	"$TREE/deploy/try" down
}

no_trace() {
	[ ! -e "$TRY" ] || fail "'$TRY' is still there"
	traces >"$WORK/after"
	cmp "$WORK/before" "$WORK/after" || fail "left behind: $(diff "$WORK/before" "$WORK/after" | tr '\n' ' ')"
}

live_need
traces >"$WORK/before"
case_run refusals refusals
case_run story story_told
case_run console_url_answers url_answers
case_run link_cut_and_mended links_cut
case_run killed_run killed_run
case_run no_trace no_trace
live_end
