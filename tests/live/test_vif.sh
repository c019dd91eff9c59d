#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vif/ against the kernel, in a network namespace of its own.  Needs root.
set -u
cd "$(dirname "$0")/../.." || exit 99
ctl=$PWD/${B:-build}/av-vifctl
[ "$(id -u)" = 0 ] || { echo "skip ${0##*/} until=2027-05-31 needs root"; exit 77; }
if [ "${1-}" != inside ]; then
	exec unshare -n "$0" inside
fi
v() { "$ctl" "$@"; }
bad=0
check() { # NAME COMMAND...
	local name=$1; shift
	if "$@"; then echo "ok $name"; else echo "not ok $name"; bad=1; fi
}
shows() { v show "$1" | grep -q -- "$2"; }
refuses() { local e=$1; shift; v "$@" 2>&1 >/dev/null | grep -q "^$e "; }

check bridge v bridge br0
check bridge_again v bridge br0
check bridge_is_up shows br0 'up=1 .*kind=bridge'
check tap v tap tap0 br0
check tap_again v tap tap0 br0
check tap_is_port shows tap0 'up=1 carrier=0 kind=tun master=br0 mac0=fe'
check tap_moves sh -c "$ctl bridge br1 && $ctl port br1 tap0"
check tap_moved shows tap0 master=br1
check tap_leaves v port-remove tap0
check tap_left shows tap0 'master= '
check veth sh -c "ip link add c0 type veth peer name c1 && ip link set c1 up"
check veth_port v port br0 c0
check veth_up v up c0
check carrier shows c0 'carrier=1'
check addr v addr br0 10.9.8.7/24
check addr_again v addr br0 10.9.8.7/24
check addr_there shows br0 addr=10.9.8.7/24
check addr6 v addr br0 fd00::7/64
check addr6_there shows br0 addr=fd00::7/64

rx() { v show c1 | sed -n 's/.*rx=//p'; }
before=$(rx)
check announce v announce br0 10.9.8.7/24
# a veth hands a frame over in the sender's own time
check announced [ "$(rx)" -ge $((before + 3)) ]
check announce_mac v announce-mac br0 02:00:00:00:00:01

check addr_removed v addr-remove br0 10.9.8.7/24
check addr_removed_again v addr-remove br0 10.9.8.7/24
check addr_gone sh -c "! $ctl show br0 | grep -q 10.9.8.7"
check no_such refuses 19 show nosuch
check bad_name refuses 22 bridge 'a/b'
check bad_addr refuses 22 addr br0 10.9.8.7/33
check bridge_name_taken refuses 17 bridge tap0
check tap_name_taken refuses 17 tap br0 br1
check not_a_bridge refuses 17 port tap0 c0
check tap_delete v tap-delete tap0
check tap_delete_again v tap-delete tap0
check bridge_delete v bridge-delete br0
check bridge_delete_again v bridge-delete br0
exit $bad
