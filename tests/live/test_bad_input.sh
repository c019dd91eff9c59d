#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_bad_input.sh - what people and programs get wrong, on a real unit
#
# Each thing is tried through avcli on the console's socket, through avcli over
# HTTPS with a login, or as raw HTTPS.  Each time: the code and exit status of
# docs/API.md section 4, one sentence, nothing changed, no program restarted, and
# an audit line where a change was tried.  Missing parts of the unit (corosync,
# quorum server, an old program on a new database): test_bad_conditions.sh.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

NAME=ガード			# NFC; the keyboard of another system sends NFD
NAME_NFD=$(printf '\u30ab\u3099\u30fc\u30c8\u3099')
API=https://$UNIT_ADDRESS/api/v1
JSON_TYPE='Content-Type: application/json'

# --- what must stay as it is ---

# Without what a quiet unit changes by itself: ages, and marks of guest writes.
objects() {
	avcli_on node0 --json unit info | jq -S 'del(.alerts)'
	avcli_on node0 --json vm info | jq -S .
	avcli_on node0 --json volume info | jq -S 'map(del(.out_of_step_bytes))'
}
same_objects() {
	objects >"$WORK/now"
	cmp -s "$WORK/objects" "$WORK/now"
}
pids() {
	local n p
	for n in node0 node1; do
		for p in avnoded avconsoled corosync qemu-system-x86_64 nbdkit; do
			echo "$n $p $(in_machine "$n" pidof "$p" | tr ' ' '\n' | sort -n | tr '\n' ' ')"
		done
	done
}

# undisturbed CASE: what was when the unit was ready is so after the case too
# (a busy machine may miss a heartbeat and say for a moment that it is degraded)
undisturbed() {
	"$@"
	(wait_until 10 "the objects" same_objects) 2>/dev/null ||
		fail "something was changed: $(diff "$WORK/objects" "$WORK/now" | head -n 8 | tr '\n' ' ')"
	[ "$(pids)" = "$(<"$WORK/pids")" ] || fail "a program was restarted"
}

audit_newest() { avcli_on node0 --json audit info --limit 1 | jq -r '.[0] | "\(.id) \(.user) \(.action) \(.result)"'; }
audit_is() { [ "$(audit_newest)" = "$1" ]; }

# --- avcli ---

# How avcli is called: 'local_avcli' or 'web_avcli'.
local_avcli() { avcli_on node0 "$@"; }
web_avcli() {
	in_net world env HOME="$WORK/home" "$TRY/prog/avcli" -H "$UNIT_ADDRESS" \
		--cacert "$TRY/secrets/ca.crt" -u admin --password-file "$TRY/secrets/admin.password" "$@"
}

# refused VIA USER EXIT CODE ACTION ARGUMENT...: one sentence, this code, and an
# audit line when ACTION isn't '-'
refused() {
	local via=$1 user=$2 want=$3 code=$4 action=$5 rc=0 last next
	shift 5
	[ "$action" = - ] || last=$(audit_newest)
	"$via" --json "$@" >"$WORK/out" 2>"$WORK/err" || rc=$?
	[ "$rc" = "$want" ] || fail "avcli ${*:0:80}: exit $rc, not $want: $(head -c 300 "$WORK/err")"
	# a command for several objects answers with a list
	jq -e --arg c "$code" --argjson e "$want" '(if type == "array" then .[0] else . end).error | .code == $c and .exit == $e and .outcome == "not-done"
		and (.text | length > 10 and length < 400 and (test("[[:cntrl:]]") | not))' "$WORK/out" >/dev/null ||
		fail "avcli ${*:0:80}: $(head -c 500 "$WORK/out" | tr "\n" " ")"
	# stderr: the sentence, at most a hint besides
	awk 'NR == 1 && !/^avcli: ./ { bad = 1 } NR == 2 && !/^  hint: / { bad = 1 } END { exit bad || NR < 1 || NR > 2 }' \
		"$WORK/err" || fail "avcli ${*:0:80}: $(head -c 500 "$WORK/err")"
	[ "$action" != - ] || return 0
	next=${last%% *}
	next=audit:$((${next#audit:} + 1))
	wait_until 5 "the audit line of '$action': $(audit_newest)" audit_is "$next $user $action refused"
}

# create VIA USER EXIT CODE CHANGED-OPTION...: a good 'vm create' but for one thing
create() {
	local via=$1 user=$2 want=$3 code=$4
	shift 4
	declare -A o=([--name]=new [--cpu]=1 [--memory]=300M [--volumes]=64M [--interfaces]=net0)
	while [ $# -gt 0 ]; do o[$1]=$2; shift 2; done
	set --
	local k
	for k in "${!o[@]}"; do set -- "$@" "$k" "${o[$k]}"; done
	refused "$via" "$user" "$want" "$code" vm.create vm create "$@"
}

bad_values_via() {
	local v=$1 u=$2
	# what exists, also as another system writes it
	create "$v" "$u" 5 name-exists --name "$NAME"
	create "$v" "$u" 5 name-exists --name "$NAME_NFD"
	refused "$v" "$u" 5 name-exists vm.rename vm rename big "$NAME_NFD"
	# what doesn't
	refused "$v" "$u" 3 not-found - vm info nothere
	refused "$v" "$u" 3 not-found - volume info nothere
	refused "$v" "$u" 3 not-found vm.start vm poweron nothere
	refused "$v" "$u" 3 not-found volume.delete volume delete nothere
	create "$v" "$u" 3 not-found --interfaces nothere
	create "$v" "$u" 3 not-found --volumes 64M,nothere
	create "$v" "$u" 1 image-not-found --volumes 64M,image=nothere.img
	# too much, too little
	create "$v" "$u" 1 vcpus-out-of-range --cpu 0
	create "$v" "$u" 1 vcpus-out-of-range --cpu 9
	create "$v" "$u" 1 memory-too-small --memory 255M
	create "$v" "$u" 1 no-memory --memory 900G
	refused "$v" "$u" 1 no-memory vm.start vm poweron big
	create "$v" "$u" 1 no-space --volumes 64G
	create "$v" "$u" 1 size-invalid --volumes 900T
	create "$v" "$u" 1 size-invalid --volumes 0M
	create "$v" "$u" 1 image-too-big --volumes 64M,image=small.img
	# names
	create "$v" "$u" 2 name-invalid --name $'two\nlines'
	create "$v" "$u" 2 name-invalid --name ' blank'
	create "$v" "$u" 2 name-invalid --name vm:o12
	create "$v" "$u" 2 name-invalid --name "$(printf 'x%.0s' {1..86})"
	# states
	refused "$v" "$u" 5 wrong-state vm.start vm poweron "$NAME"
	refused "$v" "$u" 5 wrong-state vm.delete vm delete "$NAME"
	refused "$v" "$u" 5 volume-in-use volume.delete volume delete "$NAME-boot"
}
bad_values() { bad_values_via local_avcli root; }
bad_values_https() { bad_values_via web_avcli admin; }

# Refused before anything is sent: no audit line.
bad_line() {
	local v=local_avcli
	refused $v - 2 unknown-command - frobnicate
	refused $v - 2 unknown-command - vm frobnicate
	refused $v - 2 unknown-option - vm info --frobnicate
	refused $v - 2 bad-argument - vm
	refused $v - 2 bad-argument - vm poweron
	refused $v - 2 bad-argument - vm create --name a --cpu three --memory 300M --volumes 64M
	refused $v - 2 bad-argument - vm create --name a --memory much --volumes 64M
	refused $v - 2 bad-encoding - vm create --name $'\xff\xfe' --memory 300M --volumes 64M
	refused $v - 2 bad-encoding - vm info $'a\xc3'
	refused $v - 2 password-in-argv - -H 127.0.0.1 -u admin -p secret vm info
}

# A name of 1 MB: too long for a command line, so it comes in a file and by REST.
big_name() {
	local code
	head -c 1000000 /dev/zero | tr '\0' x >"$TRY/node0/lib/big-name"
	refused local_avcli root 2 bad-argument vm.create vm create --name-file /var/lib/avpair/big-name \
		--memory 300M --volumes 64M
	rm "$TRY/node0/lib/big-name"
	printf '{"name":"%s","os":"linux","vcpus":1,"memory_bytes":314572800,"volumes":[{"size_bytes":67108864}]}' \
		"$(head -c 1000000 /dev/zero | tr '\0' x)" >"$WORK/body"
	bad_body vm.create /vms 400 bad-argument "@$WORK/body"
	head -c 1100000 /dev/zero | tr '\0' ' ' >"$WORK/body"
	bad_body - /vms 413 too-large "@$WORK/body"
}

bad_login() {
	local p=$WORK/wrong-password out rc=0
	echo wrong >"$p"
	mkdir "$WORK/nobody"		# with no session kept from before
	out=$(in_net world env HOME="$WORK/nobody" "$TRY/prog/avcli" -H "$UNIT_ADDRESS" \
		--cacert "$TRY/secrets/ca.crt" -u admin --password-file "$p" vm info 2>&1) || rc=$?
	[ "$rc" = 4 ] || fail "wrong password: exit $rc: $out"
	wait_until 5 "the audit line: $(audit_newest)" audit_matches ' login refused$'
	rest login-failed 401 "$API/login" -H "$JSON_TYPE" -d '{"username":"admin","password":"wrong"}'
	rest login-failed 401 "$API/login" -H "$JSON_TYPE" -d '{"username":"nobody","password":"wrong"}'
	# guessing goes on: slowed down, and the right password waits too
	rest login-failed 401 "$API/login" -H "$JSON_TYPE" -d '{"username":"guest","password":"1"}'
	rest login-failed 401 "$API/login" -H "$JSON_TYPE" -d '{"username":"guest","password":"2"}'
	rest login-failed 401 "$API/login" -H "$JSON_TYPE" -d '{"username":"guest","password":"3"}'
	rest too-many-tries 429 "$API/login" -H "$JSON_TYPE" -d '{"username":"guest","password":"4"}'
}
audit_matches() { [[ $(audit_newest) =~ $1 ]]; }

# --- raw HTTPS ---

curl_world() { in_net world curl -s -m 20 --cacert "$TRY/secrets/ca.crt" "$@"; }

# rest CODE STATUS ARGUMENT...: a problem of this code and status, well-formed
rest() {
	local code=$1 want=$2 status
	shift 2
	: >"$WORK/answer"
	status=$(curl_world -o "$WORK/answer" -w '%{http_code} %{content_type}' "$@")
	[ "$status" = "$want application/problem+json" ] ||
		fail "${*:0:60}: $status, not $want: $(head -c 300 "$WORK/answer")"
	jq -e --arg c "$code" --argjson s "$want" '.code == $c and .status == $s and .outcome == "not-done"
		and (.title | length > 3) and (.detail | length > 10 and test("[.。]$") and (test("[[:cntrl:]]") | not))' \
		"$WORK/answer" >/dev/null || fail "${*:0:60}: $(head -c 500 "$WORK/answer")"
}

# Logs in once; the token is for all that follow.
TOKEN=
login() {
	jq -Rs '{username:"admin",password:rtrimstr("\n")}' "$TRY/secrets/admin.password" >"$WORK/login"
	curl_world "$API/login" -H "$JSON_TYPE" -d "@$WORK/login" >"$WORK/session"
	TOKEN=$(jq -r .token "$WORK/session")
	[ "${#TOKEN}" -gt 50 ] || fail "login: $(<"$WORK/session")"
	echo "Authorization: Bearer $TOKEN" >"$WORK/auth"
}

# bad_body ACTION PATH STATUS CODE BODY: a POST that is refused
bad_body() {
	local action=$1 path=$2 status=$3 code=$4 body=$5 last next
	[ "$action" = - ] || last=$(audit_newest)
	rest "$code" "$status" "$API$path" -H "@$WORK/auth" -H "$JSON_TYPE" --data-binary "$body"
	[ "$action" != - ] || return 0
	next=${last%% *}
	next=audit:$((${next#audit:} + 1))
	wait_until 5 "the audit line of '$action': $(audit_newest)" audit_is "$next admin $action refused"
}

bad_json() {
	local good='"name":"new","os":"linux","vcpus":1,"memory_bytes":314572800,"volumes":[{"size_bytes":67108864}]'
	# not JSON
	bad_body vm.create /vms 400 bad-request '{"name":'
	bad_body vm.create /vms 400 bad-request "{$good"
	bad_body vm.create /vms 400 bad-request "{$good}}"
	bad_body vm.create /vms 400 bad-request '[]'
	bad_body vm.create /vms 400 bad-request '"text"'
	bad_body vm.create /vms 400 bad-request "{$good,\"name\":\"twice\"}"
	printf '{"name":"\xff\xfe"}' >"$WORK/body"
	bad_body vm.create /vms 400 bad-request "@$WORK/body"
	bad_body vm.create /vms 400 bad-request '{"name":"\ud800"}'
	# NUL in a name, and half a character
	bad_body vm.create /vms 400 bad-request '{"name":"a\u0000b"}'
	printf '{"name":"a\xe3\x82"}' >"$WORK/body"
	bad_body vm.create /vms 400 bad-request "@$WORK/body"
	# deep
	{ printf '[%.0s' {1..200000}; } >"$WORK/body"
	bad_body vm.create /vms 400 bad-request "@$WORK/body"
	{ printf '{"volumes":'; printf '[%.0s' {1..40}; printf ']%.0s' {1..40}; printf '}'; } >"$WORK/body"
	bad_body vm.create /vms 400 bad-request "@$WORK/body"
	# wrong types, unknown and missing members
	bad_body vm.create /vms 400 bad-argument "{$good,\"frobnicate\":1}"
	bad_body vm.create /vms 400 bad-argument "${good/#/\{}, \"start\":\"yes\"}"
	bad_body vm.create /vms 400 bad-argument "{${good/\"vcpus\":1/\"vcpus\":\"1\"}}"
	bad_body vm.create /vms 400 bad-argument "{${good/\"vcpus\":1/\"vcpus\":1.5}}"
	bad_body vm.create /vms 400 bad-argument "{${good/\"vcpus\":1/\"vcpus\":-1}}"
	bad_body vm.create /vms 400 bad-argument "{${good/\"vcpus\":1/\"vcpus\":null}}"
	bad_body vm.create /vms 400 bad-argument "{${good/\"name\":\"new\"/\"name\":7}}"
	bad_body vm.create /vms 400 bad-argument "{${good/\"volumes\":*/\"volumes\":\"64M\"}}"
	bad_body vm.create /vms 400 bad-argument "{${good/\"volumes\":*/\"volumes\":[]}}"
	bad_body vm.create /vms 400 bad-argument "{${good/\"volumes\":*/\"volumes\":[7]}}"
	bad_body vm.create /vms 400 bad-argument "{${good/\"size_bytes\"/\"size\"}}"
	bad_body vm.create /vms 400 bad-argument '{}'
	bad_body vm.create /vms 400 bad-argument "{${good/linux/plan9}}"
	bad_body vm.create /vms 422 memory-too-small "{${good/314572800/1}}"
	bad_body vm.create /vms 422 no-memory "{${good/314572800/9223372036853727232}}"
	bad_body vm.create /vms 422 size-invalid "{${good/67108864/9223372036854775807}}"
	bad_body vm.create /vms 400 bad-request "{${good/67108864/9223372036854775808}}"
	bad_body vm.start /vms/big/start 400 bad-argument '{"dry_run":"yes"}'
	bad_body vm.start /vms/big/start 400 bad-argument '{"vm":"other"}'
	bad_body unit.takeover /unit/takeover 400 bad-argument '{"confirm":false}'
	bad_body unit.takeover /unit/takeover 409 wrong-state '{"confirm":true}'
	bad_body - '/unit/takeover?dry_run=true' 409 wrong-state '{"confirm":true}'
	rest bad-content-type 415 "$API/vms" -H "@$WORK/auth" -H 'Content-Type: text/plain' -d "{$good}"
}

bad_addresses() {
	local a=(-H "@$WORK/auth")
	rest no-such-route 404 "$API/nonsense" "${a[@]}"
	rest no-such-route 404 "$API/vms/web/frobnicate" "${a[@]}"
	rest bad-method 405 "$API/vms" "${a[@]}" -X PUT
	rest not-found 404 "$API/vms/nothere" "${a[@]}"
	rest not-found 404 "$API/vms/vm:o999999" "${a[@]}"
	rest not-found 404 "$API/volumes/nothere" "${a[@]}"
	rest not-found 404 "$API/nodes/node7" "${a[@]}"
	rest bad-request 400 "$API/vms/%ff" "${a[@]}"
	rest bad-request 400 "$API/vms/%00" "${a[@]}"
	rest bad-request 400 "$API/vms/%e3%82" "${a[@]}"
	rest bad-argument 400 "$API/vms?frobnicate=1" "${a[@]}"
	rest bad-argument 400 "$API/audit?limit=many" "${a[@]}"
	rest bad-argument 400 "$API/audit?limit=1000000" "${a[@]}"
	rest not-found 404 "$API/vms/nothere/start" "${a[@]}" -X POST
	rest not-found 404 "$API/users/nobody/password" "${a[@]}" -H "$JSON_TYPE" -d '{"new":"12345678"}'
	rest bad-argument 400 "$API/users/admin/password" "${a[@]}" -H "$JSON_TYPE" -d '{"old":"x","new":"short"}'
	# NFD in the address finds the VM; a reader of Japanese is told so in Japanese
	[ "$(curl_world "${a[@]}" "$API/vms/$(jq -rn --arg n "$NAME_NFD" '$n | @uri')" | jq -r .name)" = "$NAME" ] ||
		fail "the VM isn't found by its name in NFD"
	rest not-found 404 "$API/vms/nothere" "${a[@]}" -H 'Accept-Language: ja'
	jq -e '.detail == "仮想マシン「nothere」は見つかりません。"' "$WORK/answer" >/dev/null || fail "in Japanese: $(<"$WORK/answer")"
}

# old_token HOURS: our token as it would be if it had been made earlier
old_token() {
	node -e '
		const { createHmac } = require("crypto"), { readFileSync } = require("fs");
		const [, file, token, hours] = process.argv;
		const mac = (key, text) => createHmac("sha256", key).update(text).digest();
		const key = mac(Buffer.from(readFileSync(file, "utf8").trim(), "hex"), "avpair console session v1");
		const [v, body] = token.split(".");
		const s = JSON.parse(Buffer.from(body, "hex").toString());
		for (const k of "ia") s[k] -= hours * 3600e3;
		const head = v + "." + Buffer.from(JSON.stringify(s)).toString("hex");
		process.stdout.write(head + "." + mac(key, head).toString("hex"));
	' "$TRY/secrets/unit.key" "$TOKEN" "$1"
}

bad_sessions() {
	local t bearer='Authorization: Bearer'
	rest login-needed 401 "$API/vms"
	rest login-needed 401 "$API/vms" -X POST -H "$JSON_TYPE" -d '{}'
	t=$(old_token 0)
	[ "$(curl_world -o /dev/null -w '%{http_code}' -H "$bearer $t" "$API/vms")" = 200 ] ||
		fail "the token that the test signs isn't the console's"
	rest session-expired 401 "$API/vms" -H "$bearer $(old_token 2)"
	rest session-expired 401 "$API/vms/big/start" -X POST -H "$bearer $(old_token 2)"
	rest login-needed 401 "$API/vms" -H "$bearer garbage"
	rest login-needed 401 "$API/vms" -H "$bearer v1.$(printf '0%.0s' {1..3000})"
	rest login-needed 401 "$API/vms" -H "$bearer ${TOKEN%????}0000"
	rest login-needed 401 "$API/vms" -H 'Cookie: avpair_session=v1.00.00'
	rest login-needed 401 "$API/vms" -H 'Authorization: Basic YWRtaW46eA=='
	# a browser's cookie alone must not change anything
	rest forbidden 403 "$API/vms/big/start" -X POST -H "Cookie: avpair_session=$TOKEN"
	rest forbidden 403 "$API/vms/big/start" -X POST -H "@$WORK/auth" -H 'Origin: https://evil.example'
	curl_world -X POST -H "$bearer $(old_token 0)" -o /dev/null "$API/logout"
	rest session-expired 401 "$API/vms" -H "@$WORK/auth"
	login
}

# Half a request: headers, body, TLS; then silence, or the end.  Others are served
# meanwhile, and the half is never carried out.
half_tls() { # TEXT
	printf '%b' "$1" | in_net world timeout 3 openssl s_client -quiet -connect "$UNIT_ADDRESS:443" >/dev/null 2>&1 || :
}
cut_off() {
	local auth half i
	auth=$(<"$WORK/auth")
	half="POST /api/v1/vms/$(<"$WORK/vm")/poweroff HTTP/1.1\r\nHost: x\r\n$auth\r\n"
	exec {hang}<> <(:)
	# silence: kept open while others are served
	for i in "G" "$half" "${half}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"dry" \
		"${half}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{\"dry"; do
		(printf '%b' "$i"; read -rt 3 -u "$hang" || :) |
			in_net world timeout 4 openssl s_client -quiet -connect "$UNIT_ADDRESS:443" >/dev/null 2>&1 &
	done
	# no TLS at all, half a TLS record, and TLS that is none
	for i in '' '\x16\x03\x01\x02\x00\x01' 'GET /api/v1/vms HTTP/1.1\r\n\r\n' '\xff\xff\xff\xff'; do
		(printf '%b' "$i"; read -rt 3 -u "$hang" || :) |
			in_net world timeout 4 socat -u STDIN "TCP:$UNIT_ADDRESS:443" >/dev/null 2>&1 &
	done
	pause 0.5
	[ "$(curl_world -o /dev/null -w '%{http_code}' -H "@$WORK/auth" "$API/vms")" = 200 ] ||
		fail "nobody is served beside half requests"
	for ((i = 0; i < 8; i++)); do wait -n || :; done
	# the end comes at once
	half_tls "$half"
	half_tls "${half}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"dry_run\":true}"
	for i in 'GET /api' 'POST /api/v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{'; do
		printf '%b' "$i" | in_machine node0 timeout 3 socat -t 1 - UNIX-CONNECT:/run/avpair/console.sock >/dev/null || :
	done
	# the agent's own socket: half a frame, a frame of 4 GB, no JSON
	for i in '\x00\x00' '\x00\x00\x00\x20{"id":' '\xff\xff\xff\xff{}' '\x00\x00\x00\x04nope'; do
		printf '%b' "$i" | in_machine node0 timeout 3 socat -t 1 - UNIX-CONNECT:/run/avpair/agent.sock >/dev/null || :
	done
	[ "$(curl_world -o /dev/null -w '%{http_code}' -H "@$WORK/auth" "$API/vms")" = 200 ] ||
		fail "nobody is served after half requests"
}

# Noise at every port that a PM listens on, from the network that reaches it.
noise() {
	local port i
	head -c 60000 /dev/urandom >"$WORK/noise"
	for port in $(in_net node0 ss -Hlnt | awk '{ sub(/.*:/, "", $4); print $4 }' | sort -u); do
		for i in 1 1000 60000; do
			head -c "$i" "$WORK/noise" | in_net node1 timeout 2 socat -u STDIN \
				"TCP:$(priv_address node0):$port,connect-timeout=1" 2>/dev/null || :
		done
	done
	for port in $(in_net node0 ss -Hlnu | awk '{ sub(/.*:/, "", $4); print $4 }' | sort -u); do
		for i in 1 100 1400 60000; do
			head -c "$i" "$WORK/noise" | in_net node1 timeout 2 socat -u -b 65000 STDIN \
				"UDP:$(priv_address node0):$port" 2>/dev/null || :
			head -c "$i" "$WORK/noise" | in_net world timeout 2 socat -u -b 65000 STDIN \
				"UDP:$(lan_address node0):$port" 2>/dev/null || :
		done
	done
	[ "$(curl_world -o /dev/null -w '%{http_code}' -H "@$WORK/auth" "$API/vms")" = 200 ] ||
		fail "nobody is served after noise"
}

# --- a unit with something to lose ---

vm_runs() { [ "$(avcli_on node0 --json vm info "$NAME" | jq -r '(if type == "array" then .[0] else . end).activity')" = running ]; }
unit_fill() {
	avcli_on node0 -q vm create --name "$NAME" --memory 300M --volumes 512M \
		--image small.img --interfaces net0 --wait
	avcli_on node0 -q vm create --name big --memory 7000M --volumes 64M --wait
	avcli_on node0 vm poweron "$NAME"
	wait_until 120 "the VM to run" vm_runs
	wait_until 60 "a unit at rest" unit_is running
	avcli_on node0 --json vm info "$NAME" | jq -r '.. | .id? // empty | select(startswith("vm:"))' >"$WORK/vm"
	login
	objects >"$WORK/objects"
	pids >"$WORK/pids"
}

live_unit
[ "$(primary)" = node0 ] || fail "the test wants the unit address on node0"
mkdir "$WORK/home"
unit_fill
case_run command_line undisturbed bad_line
case_run values undisturbed bad_values
case_run values_https undisturbed bad_values_https
case_run big_name undisturbed big_name
case_run json undisturbed bad_json
case_run addresses undisturbed bad_addresses
case_run sessions undisturbed bad_sessions
case_run cut_off undisturbed cut_off
case_run noise undisturbed noise
case_run login undisturbed bad_login
live_end
