#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_machines.sh - the machines and cables that every other live
# test stands on, with corosync and etcd and none of our daemons
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

only_corosync() {
	local n
	for n in node0 node1; do
		sed -i '/^corosync/!d' "$TRY/$n/services"
	done
}

member_is() {
	[ "$(in_machine "$1" corosync-cmapctl -g "runtime.members.$2.status" 2>/dev/null | sed 's/.*= //')" = "$3" ]
}

forms() {
	world_start
	node_start node0
	node_start node1
	wait_until 30 "both corosyncs to see each other" corosync_formed
}

# What a machine writes to its standard paths is in its own folder alone.
own_files() {
	in_machine node0 sh -c 'echo a >/var/lib/avpair/t; echo b >/run/t; echo c >/dev/shm/t'
	[ "$(<"$TRY/node0/lib/t")" = a ] || fail "node0 wrote elsewhere"
	[ ! -e /var/lib/avpair/t ] && [ ! -e /run/t ] && [ ! -e /dev/shm/t ] || fail "the host sees node0's files"
	in_machine node1 sh -c '! ls /var/lib/avpair/t /run/t /dev/shm/t 2>/dev/null' || fail "node1 sees node0's files"
	[ "$(in_machine node0 hostname)" = node0 ] || fail "hostname is $(in_machine node0 hostname)"
}

quorum_needs_certificate() {
	quorum_healthy || fail "the quorum server isn't healthy"
	! in_net world curl -sf -m 2 --cacert "$TRY/secrets/ca.crt" "https://$QUORUM_ADDRESS:2379/health" >/dev/null 2>&1 ||
		fail "the quorum server answers a client without a certificate"
}

# A killed service comes again; what it started and orphaned stays alive.
supervised() {
	local old orphan
	in_machine node0 sh -c 'setsid sleep 600 >/dev/null 2>&1 & echo $! >/run/orphan'
	orphan=$(in_machine node0 cat /run/orphan)
	old=$(pid_in node0 corosync)
	in_machine node0 kill -KILL "$old"
	wait_until 20 "corosync to be started again" corosync_new "$old"
	wait_until 30 "both corosyncs to see each other" corosync_formed
	in_machine node0 kill -0 "$orphan" || fail "the orphan died"
	[ "$(in_machine node0 ps -o ppid= -p "$orphan" | tr -d ' ')" = 1 ] || fail "the orphan has a strange parent"
}
corosync_new() { local p; p=$(pid_in node0 corosync); [ -n "$p" ] && [ "$p" != "$1" ]; }

one_link_is_enough() {
	local link i
	for link in priv0 lan-node0; do
		wait_until 20 "both links to be connected" links_connected
		link_cut $link
		# until both have noticed: a link that is mended before that may yet
		# be judged by its silence when the other one is cut
		for ((i = 0; i < 100; i++)); do
			corosync_formed || fail "the cut of $link broke the membership"
			! one_link_down || [ "$i" -lt 15 ] || break
			pause 0.1
		done
		one_link_down || fail "the cut of $link isn't seen"
		link_mend $link
	done
	wait_until 20 "both links to be connected" links_connected
}
one_link_down() {
	local n
	for n in node0 node1; do
		in_machine "$n" corosync-cfgtool -s | grep -q 'disconnected$' || return 1
	done
}
links_connected() {
	local n
	for n in node0 node1; do
		[ "$(in_machine "$n" corosync-cfgtool -s | grep -c 'connected$')" = 2 ] &&
			! in_machine "$n" corosync-cfgtool -s | grep -q disconnected || return 1
	done
}

# Everything at once, and without a word: the peer's connections aren't closed.
power_off() {
	local t ms
	in_machine node0 setsid -f socat TCP-LISTEN:9999,reuseaddr EXEC:cat >/dev/null 2>&1
	wait_until 5 "a listener" listens
	in_machine node1 sh -c 'tail -f /dev/null | socat - TCP:10.78.0.1:9999 >/dev/null 2>&1' &
	wait_until 5 "a connection" connected
	t=$(now_ms)
	node_power_off node0
	machine_off node0 || fail "node0 is still on"
	wait_until 5 "corosync to see it" member_is node1 1 left
	ms=$(($(now_ms) - t))
	say "  corosync on node1 saw it after $ms ms"
	[ "$ms" -lt 2000 ] || fail "corosync saw it only after $ms ms"
	connected || fail "the dying PM closed its connections"
	node_start node0
	wait_until 30 "both corosyncs to see each other" corosync_formed
	[ "$(<"$TRY/node0/lib/t")" = a ] || fail "node0 lost its disk"
}
listens() { [ -n "$(in_net node0 ss -Htln 'sport = :9999')" ]; }
connected() { [ -n "$(in_net node1 ss -Htn state established 'dport = :9999')" ]; }

# Told to, its services end and it starts again, its cables in place; or it stays off.
orderly() {
	local first
	first=$(machine_pid node0)
	in_machine node0 sh -c 'echo a >/run/gone'
	in_machine node0 "$PROG/av-pminit" reboot
	wait_until 20 "node0 to start again" machine_new "$first"
	in_machine node0 test ! -e /run/gone || fail "node0 has its /run of before"
	grep -q '^corosync ended with 0' "$TRY/node0/log/machine.log" || fail "corosync wasn't ended properly"
	wait_until 30 "both corosyncs to see each other" corosync_formed
	in_machine node0 "$PROG/av-pminit" poweroff
	wait_until 20 "node0 to be off" machine_off node0
	pause 2
	machine_off node0 || fail "node0 came back by itself"
	node_start node0
	wait_until 30 "both corosyncs to see each other" corosync_formed
}
machine_new() { local p; p=$(machine_pid node0) && [ "$p" != "$1" ]; }

exec 3>&1 1>&2
live_need av-pminit
unit_create
only_corosync
case_run forms forms
case_run own_files own_files
case_run quorum_needs_certificate quorum_needs_certificate
case_run supervised supervised
case_run one_link_is_enough one_link_is_enough
link_mend priv0
link_mend lan-node0
case_run power_off power_off
case_run orderly_end orderly
live_end
