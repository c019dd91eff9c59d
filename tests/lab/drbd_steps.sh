#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/lab/drbd_steps.sh VG [WORK-FOLDER] - the drbd driver on the real module
#
# Run as root on a machine with DRBD 8.4, drbd-utils, LVM, a volume group with
# 1 GiB to spare, mirror-pm in PATH, av-fence-peer in /usr/lib/avpair.  Both sides
# of the mirror are on this one machine, as two resources that meet on loopback:
# what the module does is what it does on two, but for a loss of power, which
# tests/lab/drbd_power.sh shows.  Exit code 0 = all good.
# FOLDER keeps what events2 said (a.events, b.events) for comparison with
# tests/golden/drbd/.
set -u
vg=$1 dir=${2:-/var/tmp/drbd-steps} failed=0 n=0
wait_s=${WAIT_S:-120}

A() { mirror-pm do "$dir/a.sock" "$@"; }
B() { mirror-pm do "$dir/b.sock" "$@"; }
say() { printf '%s %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*"; }
ok() { n=$((n + 1)); say "ok $*"; }
bad() { failed=$((failed + 1)); say "not ok $*"; }
# is NAME WANT COMMAND...: its answer holds WANT
is() {
	local name=$1 want=$2 got
	shift 2
	got=$("$@" 2>&1)
	case $got in *"$want"*) ok "$name" ;; *) bad "$name: wanted '$want', got: $got" ;; esac
}
serve() {	# a|b ID MINOR OWN PEER KEY=VALUE...
	local s=$1 id=$2 minor=$3 own=$4 peer=$5
	shift 5
	mkdir -p "$dir/$s"
	mirror-pm serve "$dir/$s.sock" id="$id" minor="$minor" vg="$vg" listen="$own" peer="$peer" dir="$dir/$s" \
	    run="$dir/$s/run" psk="$dir/psk" timeout_ms=6000 size=33554432 "$@" </dev/null >>"$dir/$s.log" 2>&1 &
	echo $! >"$dir/$s.pid"
	while ! [ -S "$dir/$s.sock" ]; do sleep 0.2; done
}
end_one() { kill "$(cat "$dir/$1.pid")"; wait "$(cat "$dir/$1.pid")" 2>/dev/null; rm -f "$dir/$1.sock"; }
cleanup() {
	local r
	end_one a; end_one b
	kill $watchers 2>/dev/null
	for r in av-o3 av-o4; do drbdsetup down $r 2>/dev/null; lvremove -qq -y "$vg/$r" 2>/dev/null; done
	lvremove -qq -y "$vg/av-x1" 2>/dev/null
}
digests_equal() {
	local a b
	a=$(A digest) b=$(B digest)
	[ "${a#ok digest}" != "$a" ] && [ "$a" = "$b" ] && ok "$1: both legs are equal ($a)" || bad "$1: $a, $b"
}
acks() { wc -l <"$dir/acks"; }

rm -rf "$dir"; mkdir -p "$dir"
(umask 077; echo avpair:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f >"$dir/psk")
modprobe drbd || exit 77
watchers=
trap cleanup EXIT
for s in a:av-o3 b:av-o4; do
	drbdsetup events2 --timestamps "${s#*:}" >"$dir/${s%%:*}.events" & watchers="$watchers $!"
done
serve a o3 1000 127.0.0.1 127.0.0.2
serve b o4 1001 127.0.0.2 127.0.0.1

# --- legs ---
is "leg created" ok A create
is "leg created" ok B create
is "not twice" leg-exists A create
is "identity" "disk=uptodate crashed_primary=0 peer_outdated=0 current=0123456789abcde0" A read
A open; B open
is "up, whole" "disk=uptodate" A wait:$wait_s server=up
is "up, whole" "disk=uptodate" B wait:$wait_s server=up
is "they meet" ok A wait:$wait_s peer_disk=uptodate
is "primary" ok A primary
is "connected, nothing to copy" "out_of_step=0 held=0 resync_count=0" A wait:$wait_s conn=connected
is "one primary alone" wrong-state B primary

# --- freeze, alone, thaw ---
mirror-pm write /dev/drbd1000 2048 600 7 >"$dir/acks" 2>"$dir/writer" & writer=$!
while [ "$(acks)" -lt 20 ]; do sleep 0.2; done
is "peer goes" ok B disconnect
is "held" peer-lost A wait:$wait_s conn=held
before=$(acks); sleep 3
[ "$(acks)" -le $((before + 1)) ] && ok "no write is acknowledged while held" || bad "acknowledged while held: $before, $(acks)"
kill -0 $writer && ok "none failed" || bad "the writer ended"
# an agent that ends meanwhile changes nothing
end_one a; serve a o3 1000 127.0.0.1 127.0.0.2
A open
is "a new agent finds it held" "found=1 role=primary conn=held" A wait:$wait_s server=up
is "alone" ok A alone:2
is "alone, recorded" "alone=1 diskless=0 peer_outdated=1" A wait:$wait_s alone=1
while [ "$(acks)" -lt $((before + 20)) ]; do sleep 0.2; done
ok "writes go on"
is "peer returns" ok B connect
is "resync" "conn=resync" A wait:$wait_s conn=resync-source || true
is "in step again" "peer_disk=uptodate alone=0" A wait:$wait_s conn=connected
is "secondary while it is open" volume-in-use A secondary
kill $writer; wait $writer 2>/dev/null
mirror-pm check /dev/drbd1000 <"$dir/acks" && ok "nothing acknowledged is lost" || bad "acknowledged writes are lost"
digests_equal "after the resync"

# --- rate, pause ---
is "limit" ok A rate:1000
is "pause" ok A pause
B disconnect; A wait:$wait_s conn=held; A alone:3
dd if=/dev/urandom of=/dev/drbd1000 bs=1M count=8 oflag=direct 2>/dev/null
B connect
is "paused" "paused=1" A wait:$wait_s conn=resync-source
left=$(A status | sed 's/.*out_of_step=\([0-9]*\).*/\1/'); sleep 5
now=$(A status | sed 's/.*out_of_step=\([0-9]*\).*/\1/')
[ "$left" = "$now" ] && [ "$left" -gt 0 ] && ok "nothing is copied while paused ($left)" || bad "copied while paused: $left, $now"
is "resume" ok A resume
from=$(cut -d. -f1 /proc/uptime)
is "copied" ok A wait:$wait_s conn=connected
say "# 8 MiB at a limit of 1000 KiB/s: $(($(cut -d. -f1 /proc/uptime) - from)) s"
is "no limit" ok A rate:0
digests_equal "after the pause"

# --- two primaries for a migration ---
is "not primary twice" wrong-state B primary
is "window" ok A window:on
is "window" ok B window:on
is "second primary" ok B primary
is "both lead" "role=primary conn=connected" B wait:$wait_s role=primary
is "not closed while both lead" wrong-state A window:off
is "source steps down" ok A secondary
is "window closed" ok A window:off
is "window closed" ok B window:off
is "sides changed" "role=primary conn=connected" B status
is "closed" wrong-state A primary
# a link lost while it is open
A window:on; B window:on; A disconnect
is "held" ok B wait:$wait_s conn=held
A connect
is "they meet, closed" "peer_disk=uptodate" B wait:$wait_s conn=connected
is "closed" wrong-state A primary
B secondary; A primary
is "back" ok A wait:$wait_s conn=connected role=primary

# --- growing ---
is "peer's leg" ok B grow:50331648
is "grown" ok A grow:50331648
is "size" size=50331648 A status
is "copied" ok A wait:$wait_s conn=connected
[ "$(blockdev --getsize64 /dev/drbd1000)" = 50331648 ] && ok "device's size" || bad "device's size"
dd if=/dev/drbd1000 bs=1M skip=32 iflag=direct 2>/dev/null | cmp -s -n 16777216 - /dev/zero && ok "what is new is zero" ||
	bad "what is new isn't zero"
digests_equal "after growing"
is "peer's record" size=50331648 B wait:$wait_s size=50331648
is "too large" no-space B grow:109951162777600

# --- snapshot ---
sum=$(dd if=/dev/drbd1000 bs=1M iflag=direct 2>/dev/null | sha256sum)
is "snapshot" ok A snapshot:s1
dd if=/dev/urandom of=/dev/drbd1000 bs=1M count=4 oflag=direct 2>/dev/null
[ "$(head -c 50331648 "/dev/$vg/av-o3.snap-s1" | sha256sum)" = "$sum" ] && ok "it is as it was" || bad "the snapshot changed"
is "not twice" snapshot-exists A snapshot:s1
is "deleted" ok A snapshot-delete:s1
is "no hold" not-supported A hold:1000
is "no verify" not-supported A verify

# --- old, split, given up ---
B disconnect; A wait:$wait_s conn=held
is "outdate" ok B outdate
is "an old leg leads nothing" not-up-to-date B primary-alone:9
A secondary
B connect
is "in step" ok A wait:$wait_s peer_disk=uptodate
A disconnect; B disconnect
is "alone here" ok A primary-alone:10
is "alone there" ok B primary-alone:11
dd if=/dev/urandom of=/dev/drbd1000 bs=64k count=8 oflag=direct 2>/dev/null
dd if=/dev/urandom of=/dev/drbd1001 bs=64k seek=16 count=8 oflag=direct 2>/dev/null
is "steps down" ok B secondary
A connect; B connect
is "split" "code=split" A wait:$wait_s conn=split
is "split" "code=split" B wait:$wait_s conn=split
dmesg | grep -q "Split-Brain detected" && ok "the module says so, too" || bad "the module saw no split"
is "given up" ok B discard:0
A connect
is "copied whole" "peer_disk=uptodate" A wait:$wait_s conn=connected
digests_equal "after the split"

# --- refusals ---
lvcreate -qq -y -L 8M -n av-x1 "$vg"; mkfs.ext4 -q "/dev/$vg/av-x1"
end_one b
serve b x1 1002 127.0.0.2 127.0.0.1
is "a file system is named" "holds ext4" B create
lvchange -qq --addtag avpair.unit.ffffffffffffffffffffffffffffffff "$vg/av-x1"
is "another unit's leg" "another unit" B create
lvremove -qq -y "$vg/av-x1"
end_one b
serve b x1 1002 127.0.0.2 127.0.0.1 size=109951162777600
is "too large at all" bad-request B create
end_one b
serve b x1 1002 127.0.0.2 127.0.0.1 size=1099511627776
is "group is full" no-space B create
end_one b
serve b x1 1002 127.0.0.2 127.0.0.1 vg=nosuch
is "no such group" no-group B create
end_one b
serve b x1 1002 127.0.0.2 127.0.0.1 tools=/nonexistent
is "no tools" tool-missing B create
end_one b
serve b o4 1001 127.0.0.2 127.0.0.1

# --- end ---
B open; B wait:$wait_s server=up
is "in use" volume-in-use A delete
is "stopped" ok A stop
is "stopped" ok B stop
is "deleted" ok A delete
is "deleted" ok B delete
[ -z "$(lvs --noheadings -S 'lv_name=~^av-o' "$vg")" ] && ok "nothing is left" || bad "a leg is left"
say "$n good, $failed bad"
[ $failed = 0 ]
