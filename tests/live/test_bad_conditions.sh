#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_bad_conditions.sh - missing parts and bad input on a real unit:
# one clear sentence, a documented code, nothing changed, nothing crashed
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

# says EXIT PATTERN ARGUMENT...: avcli ends with EXIT and one sentence
says() {
	local want=$1 pattern=$2 out rc=0
	shift 2
	out=$(avcli "$@" 2>&1 >/dev/null) || rc=$?
	[ "$rc" = "$want" ] || fail "avcli ${*:0:60}: exit $rc, not $want: $out"
	[[ $out =~ $pattern ]] || fail "avcli $*: '$out' doesn't fit '$pattern'"
}

objects() { avcli --json vm info; avcli --json volume info; }

bad_values() {
	local before big
	before=$(objects)
	big=$(head -c 100000 /dev/zero | tr '\0' x)
	says 2 . vm frobnicate
	says 2 . --frobnicate vm info
	says 3 nothere vm info nothere
	says 3 nothere vm poweron nothere
	says 3 . volume info nothere
	says 1 . vm create --name a --cpu 0 --memory 300M --volumes 64M --interfaces net0
	says 1 . vm create --name a --cpu 9 --memory 300M --volumes 64M --interfaces net0
	says 1 . vm create --name a --cpu 1 --memory 1M --volumes 64M --interfaces net0
	says 1 . vm create --name a --cpu 1 --memory 300M --volumes 900T --interfaces net0
	says 2 . vm create --name "$big" --cpu 1 --memory 300M --volumes 64M --interfaces net0
	says 2 . vm create --name $'\xff\xfe' --cpu 1 --memory 300M --volumes 64M --interfaces net0
	[ "$(objects)" = "$before" ] || fail "something was changed"
}

# curl to the console from the world: prints the status
rest() {
	in_net world curl -s -o "$WORK/answer" -w '%{http_code}' -m 10 \
		--cacert "$TRY/secrets/ca.crt" "$@"
}

bad_requests() {
	local api=https://$UNIT_ADDRESS/api/v1 code
	code=$(rest "$api/vms")
	[ "$code" = 401 ] || fail "without login: $code"
	code=$(rest -H 'Content-Type: application/json' -d '{"username":"admin","password":"wrong"}' "$api/login")
	[ "$code" = 401 ] || fail "wrong password: $code"
	jq -e '.code == "login-failed"' "$WORK/answer" >/dev/null || fail "wrong password: $(<"$WORK/answer")"
	code=$(rest -H 'Content-Type: application/json' -d '{"username":' "$api/login")
	[ "$code" = 400 ] || fail "malformed JSON: $code"
	code=$(rest "$api/nonsense")
	[[ $code = 40[14] ]] || fail "unknown route: $code"
	head -c 2000000 /dev/zero | tr '\0' ' ' >"$WORK/big"
	code=$(rest -H 'Content-Type: application/json' --data-binary "@$WORK/big" "$api/login")
	[ "$code" = 413 ] || fail "a body of 2 MB: $code"
	code=$(rest -H 'Cookie: session=0123456789abcdef' "$api/vms")
	[ "$code" = 401 ] || fail "a made-up session: $code"
	# half a request, then silence: others are served meanwhile
	(printf 'POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"us'; pause 3) |
		in_net world openssl s_client -quiet -connect "$UNIT_ADDRESS:443" >/dev/null 2>&1 &
	pause 1
	code=$(rest "$api/version")
	[ "$code" = 200 ] || fail "beside half a request: $code"
	wait $! || :
}

corosync_away() {
	: >"$TRY/node1/hold/corosync"
	in_machine node1 kill -KILL "$(pid_in node1 corosync)"
	wait_until 30 "the unit to say that it's degraded" unit_is degraded
	# commands can't be ordered: refused in one sentence
	says 6 . vm create --name a --cpu 1 --memory 300M --volumes 64M --interfaces net0
	rm "$TRY/node1/hold/corosync"
	wait_until 60 "both PMs to run together" unit_is running
}

arbiter_is() { [ "$(unit_get .arbiter.state)" = "$1" ]; }
alerts_open() { avcli --json alert info | jq "(if type == \"array\" then . else .items end) | map(select(.open)) | length"; }
alert_raised() { [ "$(alerts_open)" -gt "$1" ]; }

arbiter_away() {
	local before
	before=$(alerts_open)
	link_cut quorum
	wait_until 60 "the unit to miss its arbiter" arbiter_is unreachable
	wait_until 10 "an alert" alert_raised "$before"
	unit_is running || unit_is degraded || fail "without arbiter the unit is $(unit_get .activity)"
	link_mend quorum
	wait_until 60 "the arbiter to be back" arbiter_is ok
}

# A database of a newer version: the agent says so and leaves it alone.
newer_database() {
	local db=$TRY/node1/lib/unit.db sum
	node_power_off node1
	wait_until 30 "node0 to run alone" unit_is alone
	cp -a "$TRY/node1/lib" "$WORK/lib-saved"
	sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE); PRAGMA user_version = 9999;' >/dev/null
	sum=$(sqlite3 "$db" .dump | sha256sum)
	node_start node1
	wait_until 30 "the agent to refuse" grep -qi 'newer' "$TRY/node1/log/avnoded.log"
	[ "$(sqlite3 "$db" .dump | sha256sum)" = "$sum" ] || fail "the newer database was changed"
	unit_is alone || fail "the unit is $(unit_get .activity)"
	node_power_off node1
	rm -rf "$TRY/node1/lib"
	mv "$WORK/lib-saved" "$TRY/node1/lib"
	node_start node1
	wait_until 90 "both PMs to run together" unit_is running
}

live_unit
case_run bad_values bad_values
case_run bad_requests bad_requests
case_run corosync_away corosync_away
case_run arbiter_away arbiter_away
case_run newer_database newer_database
live_end
