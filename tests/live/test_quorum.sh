#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_quorum.sh - two quorum servers: added, lost, taken over, removed
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

FIRST=https://$QUORUM_ADDRESS:2379
SECOND=https://$QUORUM_ADDRESS:2479

server() { avcli --json quorum info 2>/dev/null | jq -r --arg a "$1" ".[] | select(.address == \$a) | $2" 2>/dev/null || :; }
server_is() { [ "$(server "$1" "$2")" = "$3" ]; }
arbiter_is() { [ "$(unit_get .arbiter.kind)" = "$1" ]; }
alert_open() { avcli --json alert info --open 2>/dev/null | jq -e --arg c "$1" 'any(.[]; .code == $c)' >/dev/null; }

second_start() {
	local e=/etc/avpair
	in_machine quorum /usr/bin/etcd --name second --data-dir /var/lib/avpair/etcd2 \
		--listen-client-urls "$SECOND" --advertise-client-urls "$SECOND" \
		--listen-peer-urls http://127.0.0.1:2480 --initial-advertise-peer-urls http://127.0.0.1:2480 \
		--initial-cluster second=http://127.0.0.1:2480 --client-cert-auth --trusted-ca-file $e/ca.crt \
		--cert-file $e/etcd.crt --key-file $e/etcd.key >"$WORK/etcd2.log" 2>&1 9>&- &
}
first_pid() { in_machine quorum pgrep -f -- '--name quorum ' | head -n 1; }

add() {
	avcli quorum add "$1" --ca "$TRY/secrets/ca.crt" --cert "$TRY/secrets/client.crt" --key "$TRY/secrets/client.key"
}

conf_is_taken_over() {
	wait_until 30 "the server of avnoded.conf to be in the database" server_is "$FIRST" .active true
	wait_until 30 "both PMs to reach it" server_is "$FIRST" .activity ok
	server_is "$FIRST" .preference preferred || fail "it isn't the preferred one"
}

a_server_that_isnt_there_is_refused() {
	local said
	said=$(add "https://$QUORUM_ADDRESS:2999" 2>&1) && fail "it was added"
	case $said in *an\'t\ use*) ;; *) fail "it doesn't say why: $said" ;; esac
	[ "$(avcli --json quorum info | jq length)" = 1 ] || fail "something was added"
}

second_is_added() {
	local n f
	second_start
	wait_until 20 "the second etcd" in_machine quorum bash -c "exec 5<>/dev/tcp/$QUORUM_ADDRESS/2479"
	add "$SECOND"
	wait_until 20 "both PMs to reach it" server_is "$SECOND" .activity ok
	server_is "$SECOND" .active false || fail "the alternate is asked though the preferred one is there"
	for n in node0 node1; do
		f=$(find "$TRY/$n" -path '*quorum*' -name client.key -perm 0600 | wc -l)
		[ "$f" = 2 ] || fail "$n keeps $f keys with mode 0600, not 2"
	done
	! avcli --json quorum info | grep -q 'PRIVATE' || fail "a key is shown"
}

alternate_takes_over() {
	in_machine quorum kill -STOP "$(first_pid)"
	wait_until 60 "the alternate to be active" server_is "$SECOND" .active true
	unit_is running || fail "the unit isn't running"
	wait_until 20 "an alert" alert_open quorum-server-down
}

alternate_grants() {
	local from other=node1
	from=$(primary)
	[ "$from" = node0 ] || other=node0
	node_power_off "$from"
	wait_until 30 "$other to run alone" unit_is alone
	echo "$from" >"$WORK/lost"
}

and_takes_back() {
	node_start "$(<"$WORK/lost")"
	wait_until 90 "both PMs to run together" unit_is running
}

home_again() {
	in_machine quorum kill -CONT "$(first_pid)"
	wait_until 120 "the preferred one to be active again" server_is "$FIRST" .active true
	unit_is running || fail "the unit isn't running"
}

active_one_is_removed() {
	avcli quorum remove "$FIRST"
	wait_until 60 "the other one to be active" server_is "$SECOND" .active true
	[ "$(avcli --json quorum info | jq length)" = 1 ] || fail "it is still there"
}

last_one_is_removed() {
	local said
	said=$(avcli quorum remove "$SECOND" 2>&1)
	case $said in *last*) ;; *) fail "no warning: $said" ;; esac
	wait_until 20 "no quorum server" arbiter_is none
	wait_until 20 "an alert" alert_open no-quorum-server
}

live_unit
case_run conf_is_taken_over conf_is_taken_over
case_run a_server_that_isnt_there_is_refused a_server_that_isnt_there_is_refused
case_run second_is_added second_is_added
case_run alternate_takes_over alternate_takes_over
case_run alternate_grants alternate_grants
case_run and_takes_back and_takes_back
case_run home_again home_again
case_run active_one_is_removed active_one_is_removed
case_run last_one_is_removed last_one_is_removed
live_end
