# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/lab/drbd_steps.sh - one volume on both PMs' real DRBD, step by step
#
# Part of drbd-conformance, which gives pm, pm_copy, VG, THERE, WORK, WAIT_S.  node0
# is A, node1 is B; on each runs 'mirror-pm serve', which obeys orders in words.
# Each step needs the ones before it.  A guest is 'mirror-pm write': numbered blocks,
# one after another; what was acknowledged to it is noted here, outside of the PM.
# shellcheck shell=bash

A() { pm node0 "$THERE/mirror-pm do $THERE/s ${*@Q}" </dev/null; }
B() { pm node1 "$THERE/mirror-pm do $THERE/s ${*@Q}" </dev/null; }
a() { pm node0 "$@" </dev/null; }
b() { pm node1 "$@" </dev/null; }
ok() { echo "ok ${*// /_}"; }
bad() { steps_failed=$((steps_failed + 1)); echo "not ok ${1// /_}"; echo "  ${*:2}" >&2; }
good() { if "${@:2}"; then ok "$1"; else bad "$1" "${*:2}"; fi; }
# An order that has to work, and is no case.
must() { "$@" >"$WORK/answer" || bad "order $*" "$(<"$WORK/answer")"; }
# is NAME WANT COMMAND...: its answer holds WANT
is() {
	local got
	got=$("${@:3}" 2>&1) || :
	case $got in *"$2"*) ok "$1" ;; *) bad "$1" "wanted '$2', got: $got" ;; esac
}
# serve NODE [KEY=VALUE...]
serve() {
	local n=$1 i=${1#node}
	shift
	pm "$n" "cd $THERE; mkdir -p d; umask 077
		echo avpair:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f >psk
		rm -f s
		setsid ./mirror-pm serve s vg=$VG listen=10.78.0.$((i + 1)) peer=10.78.0.$((2 - i)) \
			node=$i port=7789 dir=$THERE/d run=$THERE/d/run psk=$THERE/psk \
			timeout_ms=6000 size=33554432 $* </dev/null >>log 2>&1 &
		echo \$! >pid
		until [ -S s ]; do sleep 0.1; done" </dev/null
}
unserve() { pm "$1" "kill \$(cat $THERE/pid); while kill -0 \$(cat $THERE/pid) 2>/dev/null; do sleep 0.1; done" </dev/null || :; }

# --- the guest ---

guest_start() {	# NODE
	pm "$1" "exec $THERE/mirror-pm write /dev/drbd1000 2048 3600 7" </dev/null >"$WORK/acks" 2>"$WORK/guest" &
	guest=$!
	guest_node=$1
}
acks() { wc -l <"$WORK/acks"; }
more_acks() {	# N more than now, within WAIT_S
	local want=$(($(acks) + $1)) until=$((SECONDS + WAIT_S))
	while [ "$(acks)" -lt "$want" ]; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.2
	done
}
guest_end() {
	pm "$guest_node" 'for p in $(pidof mirror-pm); do tr "\0" " " </proc/$p/cmdline | grep -q " write " && kill $p; done' </dev/null || :
	wait "$guest" 2>/dev/null || :
}
guest_lives() { kill -0 "$guest" 2>/dev/null; }
kept() { pm "$1" "$THERE/mirror-pm check /dev/drbd1000" <"$WORK/acks"; }
digests_equal() {
	local x y
	x=$(A digest) y=$(B digest)
	[[ $x = "ok digest"* && $x = "$y" ]] || { echo "$x, $y" >&2; return 1; }
}
out_of_step() { A status | sed 's/.*out_of_step=\([0-9]*\).*/\1/'; }
W() { echo "wait:$WAIT_S"; }

steps_legs() {
	serve node0
	serve node1
	is "leg created" ok A create
	is "leg created there" ok B create
	is "a leg isn't made twice" leg-exists A create
	is "identity" "disk=uptodate crashed_primary=0 peer_outdated=0 current=0123456789abcde0" A read
	must A open; must B open
	is "up and whole" "disk=uptodate" A "$(W)" server=up
	is "up and whole there" "disk=uptodate" B "$(W)" server=up
	is "they meet" ok A "$(W)" peer_disk=uptodate
	is "primary" ok A primary
	is "nothing to copy at first" "out_of_step=0 held=0 resync_count=0" A "$(W)" conn=connected
	is "one primary alone" wrong-state B primary
}

steps_held() {
	local before
	guest_start node0
	good "the guest writes" more_acks 20
	is "the peer goes" ok B disconnect
	is "held" peer-lost A "$(W)" conn=held
	before=$(acks)
	sleep 3
	good "no write is acknowledged while held" [ "$(acks)" -le $((before + 1)) ]
	good "none failed" guest_lives
	is "the handler waits" "fence-peer" a "pgrep -af av-fence-peer"
	unserve node0
	serve node0
	must A open
	is "a new agent finds it held" "found=1 role=primary conn=held" A "$(W)" server=up
	is "alone" ok A alone:2
	is "alone is recorded" "alone=1 diskless=0 peer_outdated=1" A "$(W)" alone=1
	is "DRBD took the handler's answer" "fence-peer av-o3 exit code 4" a "dmesg | grep 'exit code' | tail -n 2"
	good "writes go on" more_acks 20
	is "the peer returns" ok B connect
	is "in step again" "peer_disk=uptodate alone=0" A "$(W)" conn=connected
	is "no secondary while it is open" volume-in-use A secondary
	guest_end
	good "nothing acknowledged is lost" kept node0
	good "legs are equal after the resync" digests_equal
}

steps_rate() {
	local left from
	is "limit" ok A rate:1000
	is "pause" ok A pause
	must B disconnect; must A "$(W)" conn=held; must A alone:3
	a "dd if=/dev/urandom of=/dev/drbd1000 bs=1M count=8 oflag=direct 2>/dev/null"
	must B connect
	is "paused" "paused=1" A "$(W)" conn=resync-source
	left=$(out_of_step); sleep 5
	good "nothing is copied while paused" [ "$left" = "$(out_of_step)" -a "$left" -gt 0 ]
	from=$SECONDS
	is "resume" ok A resume
	is "progress is told" ok A "$(W)" '!copied=0'
	is "copied" ok A "$(W)" conn=connected
	echo "# $left bytes at a limit of 1000 KiB/s: $((SECONDS - from)) s"
	is "no limit" ok A rate:0
	good "legs are equal after the pause" digests_equal
}

steps_window() {
	is "not primary twice" wrong-state B primary
	is "window opened" ok A window:on
	is "one side's word isn't enough" wrong-state B primary
	is "window opened there" ok B window:on
	is "second primary" ok B primary
	is "both lead" "role=primary conn=connected" B "$(W)" role=primary
	is "not closed while both lead" wrong-state A window:off
	is "the source steps down" ok A secondary
	is "window closed" ok A window:off
	is "window closed there" ok B window:off
	is "sides changed" "role=primary conn=connected" B status
	is "it is closed" wrong-state A primary
	must A window:on; must B window:on; must A disconnect
	is "a link lost while it is open holds" ok B "$(W)" conn=held
	must A connect
	is "they meet again" "peer_disk=uptodate" B "$(W)" conn=connected
	is "closed by that" wrong-state A primary
	must B secondary; must A primary
	is "sides changed back" ok A "$(W)" conn=connected role=primary
}

steps_grow() {
	local big=50331648
	guest_start node0
	good "the guest writes before it grows" more_acks 5
	is "the peer's leg grows" ok B grow:$big
	is "stopped in the middle" ok B stop
	is "started" ok B start
	is "its metadata is found" "disk=uptodate" B "$(W)" server=up
	is "in step in the middle" "size=33554432" A "$(W)" conn=connected
	is "grown" ok A grow:$big
	is "size" size=$big A status
	good "the guest wrote on" more_acks 5
	guest_end
	is "the new part is copied" ok A "$(W)" conn=connected
	is "the device's size" $big a "blockdev --getsize64 /dev/drbd1000"
	good "what is new is zero" a "dd if=/dev/drbd1000 bs=1M skip=32 iflag=direct 2>/dev/null | cmp -n 16777216 - /dev/zero"
	good "legs are equal after growing" digests_equal
	must B disconnect
	is "held after growing" ok A "$(W)" conn=held
	must B connect
	is "they meet after growing" ok A "$(W)" conn=connected
	is "as large as they were" $big a "blockdev --getsize64 /dev/drbd1000"
	is "the peer's record" size=$big B "$(W)" size=$big
	is "too large for the group" no-space B grow:1099511627776
}

steps_snapshot() {
	local sum
	sum=$(a "dd if=/dev/drbd1000 bs=1M iflag=direct 2>/dev/null | sha256sum")
	is "snapshot" ok A snapshot:s1
	a "dd if=/dev/urandom of=/dev/drbd1000 bs=1M count=4 oflag=direct 2>/dev/null"
	is "it is as it was" "$sum" a "head -c 50331648 /dev/$VG/av-o3.snap-s1 | sha256sum"
	is "not twice" snapshot-exists A snapshot:s1
	is "deleted" ok A snapshot-delete:s1
	is "no hold" not-supported A hold:1000
	is "no verify" not-supported A verify
}

steps_split() {
	must B disconnect; must A "$(W)" conn=held
	is "outdate" ok B outdate
	is "an old leg leads nothing" not-up-to-date B primary-alone:9
	must A secondary
	must B connect
	is "in step after that" ok A "$(W)" peer_disk=uptodate
	must A disconnect; must B disconnect
	is "alone here" ok A primary-alone:10
	is "alone there" ok B primary-alone:11
	a "dd if=/dev/urandom of=/dev/drbd1000 bs=64k count=8 oflag=direct 2>/dev/null"
	b "dd if=/dev/urandom of=/dev/drbd1000 bs=64k seek=16 count=8 oflag=direct 2>/dev/null"
	is "steps down" ok B secondary
	must A connect; must B connect
	is "split" "code=split" A "$(W)" conn=split
	is "split there" "code=split" B "$(W)" conn=split
	is "the module says so" "Split-Brain detected" a "dmesg | grep Split-Brain"
	is "the module there says so" "Split-Brain detected" b "dmesg | grep Split-Brain"
	is "given up" ok B discard:0
	must A connect
	is "copied whole" "peer_disk=uptodate" A "$(W)" conn=connected
	good "legs are equal after the split" digests_equal
}

# A cable, not an order; then the plug.
steps_power() {
	local left
	guest_start node0
	good "the guest writes before the cut" more_acks 10
	lab_cut priv0
	is "the cable is out: held" peer-lost A "$(W)" conn=held
	lab_mend priv0
	is "and in: connected" "peer_disk=uptodate" A "$(W)" conn=connected
	good "the guest wrote on after the cut" more_acks 10
	pm_kill node0
	wait "$guest" 2>/dev/null || :
	is "the peer is lost there" "disk=uptodate" B "$(W)" conn=disconnected
	is "takeover" ok B primary-alone:20
	good "nothing acknowledged is lost by the power-off" kept node1
	guest_start node1
	good "the guest writes there" more_acks 50
	pm_start node0
	wait_until 1800 "ssh of node0" pm_answers node0
	serve node0
	is "the record says crashed" "crashed_primary=1" A read
	must A open
	is "it comes back as a secondary" "role=secondary" A "$(W)" server=up
	is "resynchronized" "peer_disk=uptodate alone=0" B "$(W)" conn=connected
	left=$(B status | sed 's/.* total=\([0-9]*\).*/\1/')
	good "less than all was copied" [ "$left" -gt 0 -a "$left" -lt 50331648 ]
	echo "# $left bytes were copied"
	guest_end
	good "nothing acknowledged is lost after the return" kept node1
	good "legs are equal after the return" digests_equal
	must B secondary
	is "primary at home" ok A primary
	is "at home" role=primary A "$(W)" conn=connected
}

steps_refusals() {
	b "lvcreate -qq -y -L 8M -n av-x1 $VG && mkfs.ext4 -q /dev/$VG/av-x1"
	unserve node1
	serve node1 id=x1 minor=1002
	is "a file system is named" "holds ext4" B create
	good "and kept" b "e2fsck -fn /dev/$VG/av-x1 >/dev/null 2>&1"
	b "lvchange -qq --addtag avpair.unit.ffffffffffffffffffffffffffffffff $VG/av-x1"
	is "another unit's leg" "another unit" B create
	b "lvremove -qq -y $VG/av-x1"
	for w in "larger than any:bad-request:size=109951162777600" "the group is full:no-space:size=1099511627776" \
		"no such group:no-group:vg=nosuch" "no tools:tool-missing:tools=/nonexistent"; do
		unserve node1
		serve node1 id=x1 minor=1002 "${w##*:}"
		is "${w%%:*}" "$(cut -d: -f2 <<<"$w")" B create
	done
	good "nothing of it is left" b "! lvs $VG/av-x1 2>/dev/null"
	unserve node1
	serve node1
	must B open; must B "$(W)" server=up
}

steps_end() {
	is "in use" volume-in-use A delete
	is "stopped" ok A stop
	is "stopped there" ok B stop
	is "deleted" ok A delete
	is "deleted there" ok B delete
	good "no volume is left" a "[ -z \"\$(lvs --noheadings -S lv_name=~^av-o $VG)\" ]"
}

drbd_steps() {
	local s steps_failed=0
	for s in ${LAB_STEPS:-legs held rate window grow snapshot split power refusals end}; do
		"steps_$s"
	done
	[ $steps_failed = 0 ]
}
