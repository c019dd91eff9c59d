# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/unit.sh - the whole unit: up, down, power, state
# shellcheck shell=bash

ARBITER=${AVPAIR_ARBITER:-etcd}

unit_exists() { [ -e "$TRY/$MARK" ]; }
unit_need() { unit_exists || fail "there is no unit in '$TRY'; 'deploy/try' starts one"; }
node_need() {
	case ${1-} in node0 | node1) ;; *) fail "there is no PM '${1-}'; PMs are node0 and node1" ;; esac
}

# Ends every process of the unit; the folder stays.
unit_halt() {
	local m
	unit_exists || return 0
	forward_stop
	for m in node0 node1 quorum world; do
		[ ! -d "$TRY/$m" ] || machine_kill "$m"
	done
}

# Ends everything, also what a killed run has left, and empties the folder.
unit_clear() {
	unit_halt
	find "$TRY" -xdev -mindepth 1 -maxdepth 1 ! -name "$MARK" ! -name lock \
		-exec rm -rf --one-file-system {} +
}

unit_remove() {
	unit_exists || return 0
	unit_clear
	rm -rf --one-file-system "$TRY"
}

# The unit has its own copy of the programs: a build under way doesn't change a
# running unit, and other users than root may read it wherever the tree is.
programs_install() {
	local f
	mkdir -p "$TRY/prog"
	for f in "$B"/av* "$B"/*.so; do
		[ ! -f "$f" ] || install -m 0755 "$f" "$TRY/prog/"
	done
	[ ! -d "$TREE/webui/app" ] || cp -RL "$TREE/webui/app" "$TRY/prog/webui"
	chmod -R a+rX "$TRY/prog"
}

unit_create() {
	local m
	folder_make
	programs_install
	for m in $MACHINES; do machine_folder "$m"; done
	secrets_make
	config_world
	config_quorum
	config_node node0
	config_node node1
}

world_start() {
	machine_boot world
	net_world
	machine_boot quorum
	net_quorum
	machine_release world
	machine_release quorum
	wait_until 30 "the quorum server" quorum_healthy
}

node_start() {
	machine_boot "$1"
	net_node "$1"
	machine_release "$1"
}

node_power_off() {
	net_unplug "$1"
	machine_kill "$1"
}

# Asked the way the agents ask: JSON over TLS with a client certificate.
quorum_healthy() {
	local s=$TRY/secrets
	in_net world curl -sf -m 2 --cacert "$s/ca.crt" --cert "$s/client.crt" --key "$s/client.key" \
		-d '{"key":"aGVhbHRo"}' "https://$QUORUM_ADDRESS:2379/v3/kv/range" 2>/dev/null | grep -q '"revision"'
}

# Both corosyncs see both members.
corosync_formed() {
	local n
	for n in node0 node1; do
		[ "$(in_machine "$n" corosync-cmapctl -g runtime.members.1.status 2>/dev/null | sed 's/.*= //')" = joined ] &&
			[ "$(in_machine "$n" corosync-cmapctl -g runtime.members.2.status 2>/dev/null | sed 's/.*= //')" = joined ] ||
			return 1
	done
}

# avcli_on NODE ARGUMENT...: as root on that PM
avcli_on() {
	local n=$1
	shift
	in_machine "$n" "$PROG/avcli" "$@"
}

# The PM that holds the unit address: root's avcli works there without login.
# ('ip | grep -q' would fail now and then: ip may still write when grep has gone.)
primary() {
	local n addresses
	for n in node0 node1; do
		machine_on "$n" && addresses=$(in_net "$n" ip -o addr show dev net0) || continue
		if [[ $addresses = *" $UNIT_ADDRESS/"* ]]; then
			echo "$n"
			return 0
		fi
	done
	return 1
}

# Without a primary, any PM that is on can at least say what it waits for.
avcli() {
	local n
	if ! n=$(primary); then
		n=node0
		machine_on node0 || n=node1
	fi
	avcli_on "$n" "$@"
}

# unit_get FILTER: a jq filter over 'unit info'; empty when nobody answers
unit_get() { avcli --json unit info 2>/dev/null | jq -r "$1" 2>/dev/null || :; }
unit_is() { [ "$(unit_get .activity)" = "$1" ]; }
