#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_refused.sh - a quorum server that says wrong things, and a PM that
# comes back wrong: refused with a reason, visible, and never two runners
# (docs/DESIGN.md, "What is refused"; a newer database: test_bad_conditions.sh)
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

# --- the quorum server ---

etcd_call() {	# PATH BODY
	local s=$TRY/secrets
	in_net world curl -sf -m 5 --cacert "$s/ca.crt" --cert "$s/client.crt" --key "$s/client.key" \
		-d "$2" "https://$QUORUM_ADDRESS:2379/v3/kv/$1"
}
key64() { printf '/avpair/%s' "$(<"$TRY/secrets/unit.uuid")" | base64 -w 0; }
record_get() { etcd_call range "{\"key\":\"$(key64)\"}" | jq -r '.kvs[0].value' | base64 -d; }
record_put() { etcd_call put "{\"key\":\"$(key64)\",\"value\":\"$(base64 -w 0 <<<"$1")\"}" >/dev/null; }
server() { avcli --json quorum info 2>/dev/null | jq -r ".[0] | $1" 2>/dev/null || :; }
alert_open() { avcli --json alert info --open 2>/dev/null | jq -e --arg c "$1" 'any(.[]; .code == $c)' >/dev/null; }
no_alert() { ! alert_open "$1"; }
says() { [[ $(server '"\(.activity) \(.nodes.node0.text) \(.nodes.node1.text)"') = refused*$1*$1* ]]; }
is_ok() { [ "$(server .activity)" = ok ]; }

# believed_not WORDS: shown with them, alert, and nobody is disturbed
believed_not() {
	wait_until 30 "the server to be refused ('$1'); now: $(server .)" says "$1"
	wait_until 10 "the alert" alert_open quorum-server-bad
	unit_is running || fail "the unit is $(unit_get .activity)"
	untouched
}

bad_record() {	# JQ-FILTER WORDS
	local good rc=0
	good=$(record_get)
	[ -n "$good" ] || fail "there is no record to change"
	record_put "$(jq -c "$1" <<<"$good")"
	(believed_not "$2") || rc=$?
	record_put "$good"
	[ "$rc" = 0 ] || exit $rc
	wait_until 30 "the server to be believed again" is_ok
}
older() {
	# the unit is at generation 3 by now
	[ "$(unit_get .generation)" -gt 1 ] || fail "there is no older generation"
	bad_record '.generation = 1' older
}
other_unit() { bad_record '.unit = "00000000-1111-2222-3333-444444444444"' 'another unit'; }
garbage() { bad_record '"garbage"' "isn't understood"; }

html_instead() {
	cat >"$TRY/prog/html" <<-'END'
	#!/bin/sh
	while read -r line && [ "${#line}" -gt 1 ]; do :; done
	printf 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><body>Please log in</body></html>\n'
	END
	chmod 0755 "$TRY/prog/html"
	: >"$TRY/quorum/hold/etcd"
	in_machine quorum pkill -KILL -x etcd
	in_machine quorum socat "OPENSSL-LISTEN:2379,bind=$QUORUM_ADDRESS,fork,reuseaddr,cert=/etc/avpair/etcd.crt,key=/etc/avpair/etcd.key,verify=0" \
		EXEC:$PROG/html 2>"$WORK/html.log" 9>&- &
	believed_not "isn't understood"
}

role_is() { [ "$(avcli_on "$1" --json node info 2>/dev/null | jq -r --arg n "$1" '.[] | select(.name == $n) | .role')" = "$2" ]; }
untouched() { [ "$(guest_pid node0)" = "$PID" ] && [ -z "$(guest_pid node1)" ] || fail "the guest was touched"; }

# The peer dies meanwhile: a page isn't a grant.  With the server back it goes on.
html_grants_nothing() {
	local i
	html_instead
	node_power_off node1
	wait_until 20 "node0 to freeze" role_is node0 frozen
	for ((i = 0; i < 20; i++)); do
		role_is node0 frozen || fail "node0 is $(avcli_on node0 --json node info | jq -c 'map(.role)')"
		pause 0.1
	done
	in_machine quorum pkill -KILL -x socat
	rm "$TRY/quorum/hold/etcd"
	wait_until 30 "node0 to run alone" role_is node0 alone
	untouched
}

# --- the PM that comes back; node0 runs alone all the time ---

alone() {
	role_is node0 alone || fail "node0 is $(unit_get .activity)"
	untouched
	machine_off node1 || role_is_no_runner || fail "node1 takes part"
}
role_is_no_runner() { ! role_is node1 together && ! role_is node1 alone; }

# refused_to_start WORDS-OF-ITS-LOG: with what the case has broken; then it is off again
refused_to_start() {
	machine_off node1 || node_power_off node1
	: >"$TRY/node1/log/avnoded.log"
	node_start node1
	# its own log is the one place where an agent that doesn't start can say why
	wait_until 30 "node1's agent to refuse" grep -qi -- "$1" "$TRY/node1/log/avnoded.log"
	wait_until 10 "the alert" alert_open node-lost
	alone
	node_power_off node1
}
saved() { cp -a "$TRY/node1/lib/$1" "$WORK/saved"; }
restored() { rm -rf "$TRY/node1/lib/$1"* && mv "$WORK/saved" "$TRY/node1/lib/$1"; }
conf_set() { sed -i "s|^$1 = .*|$1 = $2|" "$TRY/node1/etc/avpair/avnoded.conf"; }

other_timings() {
	machine_off node1 || node_power_off node1
	conf_set time_scale 3
	node_start node1
	wait_until 30 "the alert" alert_open peer-incompatible
	avcli_on node1 --json node info 2>/dev/null |
		jq -e '.[] | select(.name == "node1") | .reason.code == "peer-incompatible"' >/dev/null ||
		fail "node1 doesn't say why it waits: $(avcli_on node1 --json node info | jq -c .)"
	pause 2
	alone
	node_power_off node1
	conf_set time_scale "$TIME_SCALE"
}

other_uuid() {
	conf_set unit_uuid 00000000-1111-2222-3333-444444444444
	refused_to_start 'unit'
	conf_set unit_uuid "$(<"$TRY/secrets/unit.uuid")"
}

torn_record() {
	saved role
	truncate -s -9 "$TRY/node1/lib/role"
	refused_to_start 'damaged'
	restored role
}

torn_database() {
	saved unit.db
	rm -f "$TRY/node1/lib/unit.db-"*
	dd if=/dev/urandom of="$TRY/node1/lib/unit.db" bs=4096 seek=1 count=8 conv=notrunc status=none
	refused_to_start 'damaged'
	restored unit.db
}

good_again() {
	machine_off node1 || node_power_off node1
	node_start node1
	wait_until 90 "both PMs to run together" unit_is running
	wait_until 60 "the legs to be in step" in_step
	wait_until 20 "the alert to go" no_alert peer-incompatible
	untouched
}

# A first loss and return, so that there is a generation before this one.
prepare() {
	node_power_off node1
	wait_until 30 "node0 to run alone" unit_is alone
	node_start node1
	wait_until 90 "both PMs to run together" unit_is running
	wait_until 30 "the quorum server" is_ok
}

live_unit
story_vm
[ "$(vm_node)" = node0 ] || fail "the test wants the guest on node0"
PID=$(guest_pid node0)
prepare
case_run an_older_generation_is_refused older
case_run another_units_record_is_refused other_unit
case_run garbage_is_refused garbage
case_run html_grants_nothing html_grants_nothing
case_run other_timings_are_refused other_timings
case_run another_uuid_is_refused other_uuid
case_run a_torn_record_is_refused torn_record
case_run a_torn_database_is_refused torn_database
case_run good_again good_again
live_end
