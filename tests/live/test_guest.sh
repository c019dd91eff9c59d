#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The small guest by itself: it boots, shows its page, keeps records through a hard
# power-off (each acknowledged one, none twice), cuts a torn tail, and the power
# button shuts it down.  Needs QEMU and the packages of build-small; no root, no KVM.
set -u
cd "$(dirname "$0")/../.." || exit 99
B=${B:-build}
for p in qemu-system-x86_64 syslinux mcopy busybox curl; do
	command -v $p >/dev/null || [ -x /usr/sbin/$p ] || {
		echo "skip ${0##*/} until=2027-05-31 needs $p"; exit 77; }
done
export AVPAIR_CACHE=${AVPAIR_CACHE:-${TMPDIR:-/tmp}/avpair-cache}
work=$(mktemp -d "${TMPDIR:-/tmp}/avpair-guest.XXXXXX") || exit 99
qemu=
trap '[ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null; rm -rf "$work"' EXIT
fail() { echo "test_guest: $*" >&2; tail -5 "$work/serial" >&2; exit 1; }
# mac ...:56 is address 10.77.0.186; free ports of this machine
read -r rport wport < <(python3 -c '
import socket
a = [socket.socket() for i in range(2)]
for s in a: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in a])')

boot() {
	qemu-system-x86_64 -nodefaults -machine q35 \
		-accel tcg,thread=multi -cpu max,la57=off -m 192M \
		-display none -vga std -serial "file:$work/serial" \
		-drive "file=$work/disk,format=raw,if=none,id=d" \
		-device virtio-blk-pci,drive=d,bootindex=1 \
		-netdev "user,id=n,net=10.77.0.0/24,host=10.77.0.2,restrict=on,hostfwd=tcp:127.0.0.1:$rport-10.77.0.186:7000,hostfwd=tcp:127.0.0.1:$wport-10.77.0.186:80" \
		-device virtio-net-pci,netdev=n,mac=52:54:00:00:00:56,romfile= \
		-monitor "unix:$work/mon,server=on,wait=off" &
	qemu=$!
}

t0=$(date +%s%N)
deploy/guest/build-small "$work/disk" || fail "no image"
echo "image: $((($(date +%s%N) - t0) / 1000000)) ms"

boot
t0=$(date +%s%N)
$B/av-recordctl write 127.0.0.1 "$rport" --log "$work/log" --count 1 --quiet ||
	fail "no first record"
echo "start to first record: $((($(date +%s%N) - t0) / 1000000)) ms"
curl -s -m 10 "http://127.0.0.1:$wport/" | grep -q 'id=records>1' ||
	fail "the page doesn't show 1 record"

echo "ok boots_and_shows_its_page"

# hard power-off under load, then again on
$B/av-recordctl write 127.0.0.1 "$rport" --log "$work/log" --start 2 \
	--count 400 --quiet >"$work/out" &
client=$!
while [ "$(wc -l <"$work/log")" -lt 100 ]; do
	kill -0 $client 2>/dev/null || fail "the client ended early"
	kill -0 $qemu 2>/dev/null || fail "qemu ended early"
done
kill -9 $qemu; wait $qemu 2>/dev/null
boot
wait $client || fail "the client failed"
cat "$work/out"
$B/av-recordctl check 127.0.0.1 "$rport" "$work/log" --timeout 30 ||
	fail "records"

echo "ok records_survive_a_power_off"

# a client that lost its log's head is told so
sed 1d "$work/log" >"$work/log2"; echo "9999 1" >>"$work/log2"
$B/av-recordctl check 127.0.0.1 "$rport" "$work/log2" >"$work/out"
[ $? = 1 ] || fail "a lost record wasn't seen"
grep -q 'lost 1,' "$work/out" || fail "a lost record wasn't counted"

echo "ok the_checker_sees_a_loss"

# the power button
t0=$(date +%s%N)
python3 - "$work/mon" <<'END' || fail "no monitor"
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.recv(4096); s.sendall(b"system_powerdown\n"); s.recv(4096)
END
timeout 30 tail --pid=$qemu -f /dev/null || fail "the power button did nothing"
echo "button to off: $((($(date +%s%N) - t0) / 1000000)) ms"
qemu=
grep -q 'Power down' "$work/serial" || fail "not a clean power-off"
echo "ok the_power_button_shuts_down"
