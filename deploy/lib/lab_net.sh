# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/lab_net.sh - the lab's cables; the rest is net.sh
#
#	world	lan (10.77.0.1)   privsw (the private cable's middle)   desk (10.79.0.1)
#	          |     |    |        |           |                      |        |
#	     quorum lan-node0 lan-node1 priv-node0 priv-node1      desk-node0 desk-node1
#	                taps, each held by the QEMU that is the PM
#
# All in the network namespace of the machine 'world', in which the PMs' QEMUs run,
# too.  The desk is where the person sits: ssh goes over it whatever else is cut; no
# part of the product knows of it.
# shellcheck shell=bash

desk_address() { echo "10.79.0.1${1#node}"; }

lab_net_world() {
	net_world
	switch_add desk
	in_net world ip addr add 10.79.0.1/24 dev desk
}

# The taps stay while their PM is off.
lab_net_node() {
	local cable switch
	for cable in lan priv desk; do
		in_net world ip link show "$cable-$1" >/dev/null 2>&1 && continue
		switch=$cable
		[ $cable != priv ] || switch=privsw
		in_net world ip tuntap add dev "$cable-$1" mode tap
		in_net world ip link set "$cable-$1" master "$switch"
		[ -e "$TRY/world/cut/$(link_of_port "$cable-$1")" ] ||
			in_net world ip link set "$cable-$1" up
	done
}

# lab_carrier LINK on|off: the PMs' NICs see it, as with a pulled plug
lab_carrier() {
	local port n
	for port in $(link_ports "$1"); do
		n=${port#*-}
		pm_on "$n" || continue
		pm_monitor "$n" "set_link ${port%-*} $2" || :
	done
}

lab_cut() {
	link_cut "$1"
	lab_carrier "$1" off
}

lab_mend() {
	link_mend "$1"
	lab_carrier "$1" on
}
