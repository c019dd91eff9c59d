# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/net.sh - cables and switches of the unit
#
#	world	lan (switch, 10.77.0.1)    privsw (the private cable's middle)
#	           |      |      |             |            |
#	        quorum lan-node0 lan-node1  priv-node0  priv-node1
#	           |      |      |             |            |
#	quorum    eth0  node0   node1        node0        node1
#	              lan0->net0 lan0->net0  priv0        priv0
#
# All of it stands inside the machines' network namespaces; the host's own
# network is never touched.  A cable is cut by taking its port in the world
# down: the machine sees the carrier go, nobody changes a thing inside of it.
# shellcheck shell=bash

LINKS="priv0 lan-node0 lan-node1 quorum"
UNIT_ADDRESS=10.77.0.12
QUORUM_ADDRESS=10.77.0.5

lan_address() { echo "10.77.0.1${1#node}"; }		# node0 -> .10
priv_address() { echo "10.78.0.$((${1#node} + 1))"; }	# node0 -> .1

# Ports in the world that make up a link.
link_ports() {
	case $1 in
	priv0) echo "priv-node0 priv-node1" ;;
	lan-node0 | lan-node1 | quorum) echo "$1" ;;
	*) return 1 ;;
	esac
}

link_of_port() {
	case $1 in priv-*) echo priv0 ;; *) echo "$1" ;; esac
}

switch_add() {
	in_net world ip link add "$1" type bridge forward_delay 0 mcast_snooping 0
	in_net world ip link set "$1" up
}

net_world() {
	mkdir -p "$TRY/world/cut"
	in_net world ip link set lo up
	switch_add lan
	switch_add privsw
	in_net world ip addr add 10.77.0.1/24 dev lan
}

# plug MACHINE INTERFACE PORT SWITCH
plug() {
	# what is left of a machine that was powered off goes late by itself
	in_net world ip link del "$3" 2>/dev/null || :
	in_net world ip link add "$3" type veth peer name "$2" \
		netns "$(machine_pid "$1")"
	in_net world ip link set "$3" master "$4"
	[ -e "$TRY/world/cut/$(link_of_port "$3")" ] ||
		in_net world ip link set "$3" up
}

net_quorum() {
	in_net quorum ip link set lo up
	plug quorum eth0 quorum lan
	in_net quorum ip addr add "$QUORUM_ADDRESS/24" dev eth0
	in_net quorum ip link set eth0 up
}

# net0 is the shared network of the guests, and the PM's own address is on it.
net_node() {
	local i=${1#node}
	in_net "$1" ip link set lo up
	plug "$1" lan0 "lan-$1" lan
	plug "$1" priv0 "priv-$1" privsw
	# its own fixed MAC: guests' taps come and go
	in_net "$1" ip link add net0 address "02:a7:00:00:00:1$i" type bridge \
		forward_delay 0 mcast_snooping 0
	in_net "$1" ip link set lan0 master net0 up
	in_net "$1" ip addr add "$(lan_address "$1")/24" dev net0
	in_net "$1" ip link set net0 up
	in_net "$1" ip addr add "$(priv_address "$1")/24" dev priv0
	in_net "$1" ip link set priv0 up
}

# Before a power-off: nothing that dies may still say goodbye (FIN, RST).
net_unplug() {
	printf 'link set %s down\n' "lan-$1" "priv-$1" |
		in_net world ip -batch - 2>/dev/null || :
}

link_cut() {
	local ports p
	ports=$(link_ports "$1") || fail "there is no link '$1'; links are: $LINKS"
	: >"$TRY/world/cut/$1"
	for p in $ports; do
		in_net world ip link set "$p" down 2>/dev/null || :
	done
}

link_mend() {
	local ports p
	ports=$(link_ports "$1") || fail "there is no link '$1'; links are: $LINKS"
	rm -f "$TRY/world/cut/$1"
	for p in $ports; do
		in_net world ip link set "$p" up 2>/dev/null || :
	done
}
